//! Verdicts on a message as C sees them: one row for each check, and the same as JSON.
//!
//! Functions and hooks give the same struct. All of it lies in one block of memory, so that there is one thing to free.

use std::ffi::c_char;
use std::mem::offset_of;

use super::buf::mailcore_buf;
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::verdict_json::json_of;
use super::verdict_row::{CheckRow, rows};
use crate::engine::checks::Checked;

/// SPF (RFC 7208) of the reverse-path, or of the name in EHLO where that is null. domain: whose record was asked;
/// explanation: after a fail, the domain's own text.
pub const MAILCORE_METHOD_SPF: u32 = 1;
/// SPF of the name in EHLO. As MAILCORE_METHOD_SPF.
pub const MAILCORE_METHOD_SPF_HELO: u32 = 2;
/// A DKIM signature (RFC 6376). domain: d=; selector: s=; signature: how b= begins; flags.
pub const MAILCORE_METHOD_DKIM: u32 = 3;
/// DMARC (RFC 7489). domain: where the policy was found; policy; percent; flags.
pub const MAILCORE_METHOD_DMARC: u32 = 4;
/// ARC (RFC 8617): the chain of those who handled the message. domain and selector: of the newest seal.
pub const MAILCORE_METHOD_ARC: u32 = 5;
/// iprev (RFC 8601 §3): does the client's address have a name that leads back to it? domain: that name.
pub const MAILCORE_METHOD_IPREV: u32 = 6;
/// BIMI: which picture does the author's domain want shown? domain and selector: where the record was found;
/// indicator; evidence; flags. Only data: the picture was not fetched, nor is it proved to be the domain's.
pub const MAILCORE_METHOD_BIMI: u32 = 7;

/// There is nothing to check: no record, no signature.
pub const MAILCORE_RESULT_NONE: u32 = 0;
/// Proved.
pub const MAILCORE_RESULT_PASS: u32 = 1;
/// Disproved.
pub const MAILCORE_RESULT_FAIL: u32 = 2;
/// SPF: probably not, says the domain.
pub const MAILCORE_RESULT_SOFTFAIL: u32 = 3;
/// The domain does not say, or not all is covered.
pub const MAILCORE_RESULT_NEUTRAL: u32 = 4;
/// DNS did not answer; it may next time.
pub const MAILCORE_RESULT_TEMPERROR: u32 = 5;
/// A record or signature cannot be used.
pub const MAILCORE_RESULT_PERMERROR: u32 = 6;
/// BIMI: there is a record that names an indicator.
pub const MAILCORE_RESULT_FOUND: u32 = 7;
/// BIMI: the record says that the domain wants nothing shown.
pub const MAILCORE_RESULT_DECLINED: u32 = 8;
/// BIMI: the message or the domain's policy does not allow the question.
pub const MAILCORE_RESULT_SKIPPED: u32 = 9;

/// DMARC: nothing is to be done.
pub const MAILCORE_POLICY_NONE: u32 = 0;
/// DMARC: treat the message as suspicious.
pub const MAILCORE_POLICY_QUARANTINE: u32 = 1;
/// DMARC: refuse the message.
pub const MAILCORE_POLICY_REJECT: u32 = 2;

/// mailcore_check.flags of DKIM: the domain says that it is only testing.
pub const MAILCORE_TESTING: u32 = 1;
/// mailcore_check.flags of DMARC: SPF passed for a domain that belongs to the author's.
pub const MAILCORE_ALIGNED_SPF: u32 = 2;
/// mailcore_check.flags of DMARC: a DKIM signature passed whose domain belongs to the author's.
pub const MAILCORE_ALIGNED_DKIM: u32 = 4;
/// mailcore_check.flags of BIMI: the domain would rather see a picture of the person than its own (avp=personal).
pub const MAILCORE_PREFERS_PERSON: u32 = 8;

/// One check and its result. The library makes it; its texts are never NULL.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_check {
    /// Size of this struct in the library, in bytes; may grow in later versions.
    pub struct_size: u32,
    /// MAILCORE_METHOD_
    pub method: u32,
    /// MAILCORE_RESULT_
    pub result: u32,
    /// DMARC: MAILCORE_POLICY_, what to do with this message.
    pub policy: u32,
    /// DMARC: percentage of failing messages that the policy applies to (pct=); a milder policy applies to the others.
    pub percent: u32,
    /// MAILCORE_TESTING, MAILCORE_ALIGNED_SPF, MAILCORE_ALIGNED_DKIM, MAILCORE_PREFERS_PERSON.
    pub flags: u32,
    /// See the MAILCORE_METHOD_ values; may be empty.
    pub domain: *const c_char,
    /// DKIM, ARC and BIMI: the selector.
    pub selector: *const c_char,
    /// DKIM: the first characters of b=, by which signatures are told apart.
    pub signature: *const c_char,
    /// SPF: the domain's own text about a fail. Trust it no more than the sender.
    pub explanation: *const c_char,
    /// The reason in one sentence: which mechanism matched, which limit was exceeded, what failed.
    pub why: *const c_char,
    /// BIMI: where the picture is, an https: URI (l=).
    pub indicator: *const c_char,
    /// BIMI: where the evidence is that it is the domain's, an https: URI (a=); empty for none.
    pub evidence: *const c_char,
}

/// All verdicts on a message. Set it up with MAILCORE_VERDICTS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_verdicts {
    /// sizeof(mailcore_verdicts), set by MAILCORE_VERDICTS_INIT.
    pub struct_size: u32,
    /// How many checks there are.
    pub count: u32,
    /// The checks. DKIM has one for each signature, in the order of the fields, and none for an unsigned message.
    pub checks: *const *const mailcore_check,
    /// Domain of the author (From), which DMARC is about; empty where there is none or DMARC was not asked for.
    pub from_domain: *const c_char,
    /// The same as one JSON object, UTF-8: members spf, spf_helo, dkim (an array), dmarc, arc, iprev, bimi, as
    /// far as they were asked for, from_domain, and results where it is not empty.
    pub json: *const c_char,
    /// The memory of all this, freed by mailcore_verdicts_clear().
    pub memory: mailcore_buf,
    /// The same as the value of an Authentication-Results field (RFC 8601) in the name of mailcore_origin.receiver,
    /// folded with CRLF, BIMI apart. Empty without that name, and for hooks: the engine writes the field itself.
    pub results: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_verdicts {
    const NAME: &'static str = "mailcore_verdicts";
}

/// Frees verdicts and sets them to zero, except for their size.
///
/// [nowait] [hook-ok] A second call does nothing. NULL is allowed.
///
/// @param verdicts  what a function filled, or NULL
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_verdicts_clear(verdicts: *mut mailcore_verdicts) {
    wall!(else (), {
        // SAFETY: NULL, or a struct with its size that was zero or filled by a function of this library.
        if let Ok(mut old) = unsafe { record::read(verdicts.cast_const()) } {
            // SAFETY: as above.
            unsafe { old.free() };
            // SAFETY: as above.
            unsafe { record::write(verdicts, &old) };
        }
    })
}

impl mailcore_verdicts {
    /// Without checks.
    pub(crate) const EMPTY: mailcore_verdicts = mailcore_verdicts {
        struct_size: size_of::<mailcore_verdicts>() as u32,
        count: 0,
        checks: std::ptr::null(),
        from_domain: std::ptr::null(),
        json: std::ptr::null(),
        memory: mailcore_buf::EMPTY,
        results: std::ptr::null(),
    };

    /// Frees what it lies in and empties it.
    ///
    /// # Safety
    /// It is empty, or came from [`verdicts_of`] and was not freed.
    pub(crate) unsafe fn free(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { self.memory.free() };
        *self = mailcore_verdicts::EMPTY;
    }
}

/// Fills the caller's struct, whose earlier content is freed.
///
/// # Safety
/// `to` is a struct with its size that is zero or was filled by this library.
pub(crate) unsafe fn give_verdicts(to: *mut mailcore_verdicts, checked: &Checked) -> Result<(), Failure> {
    // SAFETY: the caller's promise.
    let mut old = unsafe { record::read(to.cast_const()) }?;
    let mut new = verdicts_of(checked)?;
    // SAFETY: the caller's promise.
    unsafe { old.memory.free() };
    if (old.struct_size as usize) < offset_of!(mailcore_verdicts, memory) + size_of::<mailcore_buf>() {
        // SAFETY: ours; a shorter struct has no room for the memory, and so nobody would free it.
        unsafe { new.free() };
    }
    // SAFETY: read above.
    unsafe { record::write(to, &new) };
    Ok(())
}

/// Verdicts for C, in memory of their own.
pub(crate) fn verdicts_of(checked: &Checked) -> Result<mailcore_verdicts, Failure> {
    let rows = rows(checked);
    let pointers = rows.len() * size_of::<*const mailcore_check>();
    let table = rows.len() * size_of::<mailcore_check>();
    let mut block = vec![0; table + pointers];
    let mut place = |text: &str| {
        let at = block.len();
        block.extend(text.bytes().map(|c| if c == 0 { b' ' } else { c }));
        block.push(0);
        at
    };
    let texts: Vec<[usize; 7]> = rows.iter().map(|row| row.texts().map(&mut place)).collect();
    let from_domain = place(&checked.from_domain);
    let json = place(&json_of(checked).to_string());
    let results = place(&checked.results);
    let memory = mailcore_buf::copy_of(&block)?;
    // SAFETY: all offsets lie in the block. malloc aligns for any type, and the two tables stand at its beginning, the
    // sizes of the first being multiples of the alignment of the second.
    unsafe {
        let text = |at: usize| memory.data.add(at).cast_const().cast::<c_char>();
        let checks = memory.data.cast::<mailcore_check>();
        let list = memory.data.add(table).cast::<*const mailcore_check>();
        for (i, (row, texts)) in rows.iter().zip(&texts).enumerate() {
            let [domain, selector, signature, explanation, why, indicator, evidence] = texts.map(text);
            let CheckRow { method, result, policy, percent, flags, .. } = *row;
            let struct_size = size_of::<mailcore_check>() as u32;
            checks.add(i).write(mailcore_check {
                struct_size,
                method,
                result,
                policy,
                percent,
                flags,
                domain,
                selector,
                signature,
                explanation,
                why,
                indicator,
                evidence,
            });
            list.add(i).write(checks.add(i));
        }
        Ok(mailcore_verdicts {
            count: rows.len() as u32,
            checks: list,
            from_domain: text(from_domain),
            json: text(json),
            memory,
            results: text(results),
            ..mailcore_verdicts::EMPTY
        })
    }
}
