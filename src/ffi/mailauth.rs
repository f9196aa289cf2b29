//! Checks without an engine: a message, where it came from, a resolver and a time are enough.

use std::ffi::{c_char, c_void};
use std::net::IpAddr;

use super::error::mailcore_error;
use super::object::{self, mailcore_resolver};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::text::{items, needed, octets, optional};
use super::verdict::{
    MAILCORE_RESULT_FAIL, MAILCORE_RESULT_NEUTRAL, MAILCORE_RESULT_NONE, MAILCORE_RESULT_PASS,
    MAILCORE_RESULT_PERMERROR, MAILCORE_RESULT_SOFTFAIL, MAILCORE_RESULT_TEMPERROR, give_verdicts, mailcore_verdicts,
};
use crate::base::{Domain, Timestamp};
use crate::engine::checks::{Given, Wanted};
use crate::mailauth::dmarc::Evidence;
use crate::mailauth::results::DkimResult;
use crate::mailauth::spf::SpfResult;

/// mailcore_origin.checks: SPF of the reverse-path, or of the name in EHLO where that is null. Needs ip.
pub const MAILCORE_CHECK_SPF: u32 = 1;
/// mailcore_origin.checks: SPF of the name in EHLO. Needs ip.
pub const MAILCORE_CHECK_SPF_HELO: u32 = 2;
/// mailcore_origin.checks: the DKIM signatures.
pub const MAILCORE_CHECK_DKIM: u32 = 4;
/// mailcore_origin.checks: DMARC. Needs ip.
pub const MAILCORE_CHECK_DMARC: u32 = 8;
/// mailcore_origin.checks: the ARC chain.
pub const MAILCORE_CHECK_ARC: u32 = 16;
/// mailcore_origin.checks: whether the client's address has a name that leads back to it. Needs ip.
pub const MAILCORE_CHECK_IPREV: u32 = 32;
/// mailcore_origin.checks: which picture the author's domain wants shown (BIMI). Data, not a verdict: looked up only
/// if DMARC passes, which is evaluated for it. Needs ip.
pub const MAILCORE_CHECK_BIMI: u32 = 64;

/// Where a message came from, and what is to be checked about it. Set it up with MAILCORE_ORIGIN_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_origin {
    /// sizeof(mailcore_origin), set by MAILCORE_ORIGIN_INIT.
    pub struct_size: u32,
    /// The MAILCORE_CHECK_ values of what is wanted; 0 for all but BIMI, without ip all of them that need none.
    pub checks: u32,
    /// Address of the client that gave the message, "192.0.2.1"; NULL where it is not known.
    pub ip: *const c_char,
    /// The name it gave in EHLO or HELO; NULL for none.
    pub helo: *const c_char,
    /// What it gave in MAIL FROM; NULL, "" or "<>" for the null reverse-path. A domain alone stands for its
    /// postmaster.
    pub mail_from: *const c_char,
    /// Our own name, for the explanations of SPF and for mailcore_verdicts.results; NULL for none.
    pub receiver: *const c_char,
    /// The time of the check, in ms since 1970; 0 for now.
    pub time_ms: i64,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_origin {
    const NAME: &'static str = "mailcore_origin";
}

/// What SPF and DKIM said about a message, as far as DMARC wants to know. Set it up with MAILCORE_EVIDENCE_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_evidence {
    /// sizeof(mailcore_evidence), set by MAILCORE_EVIDENCE_INIT.
    pub struct_size: u32,
    /// MAILCORE_RESULT_ of SPF for the reverse-path.
    pub spf_result: u32,
    /// The domain SPF was asked for; NULL or "" for none.
    pub spf_domain: *const c_char,
    /// Domain of the author, from the From field; needed.
    pub from_domain: *const c_char,
    /// MAILCORE_RESULT_ of each DKIM signature.
    pub dkim_results: *const u32,
    /// Signing domain of each.
    pub dkim_domains: *const *const c_char,
    /// How many signatures there are.
    pub dkim_count: usize,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_evidence {
    const NAME: &'static str = "mailcore_evidence";
}

/// Checks a message: who sent it, who signed it, and what its domain wants done with it.
///
/// [wait] The message is read once and not copied: a large message may be a mapped file. Line ends may be LF, as in
/// files: it is checked with CRLF, as it would travel. If DNS does not answer within the resolver's time, the result
/// is MAILCORE_RESULT_TEMPERROR, and this call does not fail. The same message, origin with a time, and zone give the
/// same verdicts again.
///
/// @param resolver  where names are looked up
/// @param origin  where the message came from, and what is wanted; NULL checks what needs no origin
/// @param message  header, empty line, body; NULL where only SPF is wanted
/// @param len  length of the message in bytes
/// @param verdicts  takes the verdicts, to be freed with mailcore_verdicts_clear(); verdicts it held before are freed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (not an
/// address, or a check that needs ip), MAILCORE_E_INTERRUPTED, MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_verify(
    resolver: mailcore_resolver,
    origin: *const mailcore_origin,
    message: *const c_void,
    len: usize,
    verdicts: *mut mailcore_verdicts,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::resolver(resolver)?;
        let (given, checks) = if origin.is_null() {
            (Given::default(), 0)
        } else {
            // SAFETY: the caller gives a struct with its size and texts.
            unsafe { record::read(origin).and_then(|origin| Ok((read(&origin)?, origin.checks))) }?
        };
        // SAFETY: the caller's octets.
        let message = unsafe { octets(message.cast(), len, "message") }?;
        // SAFETY: the caller gives a struct with its size.
        unsafe { record::read(verdicts.cast_const()) }?;
        let checked = seat.checker.verify(message, &given, wanted(checks, given.ip.is_some())?)?;
        // SAFETY: read above.
        unsafe { give_verdicts(verdicts, &checked) }?;
        Ok(0)
    })
}

/// Evaluates DMARC for results of SPF and DKIM that are known already.
///
/// [wait] The verdicts hold one check, MAILCORE_METHOD_DMARC.
///
/// @param resolver  where names are looked up
/// @param evidence  the author's domain, and what SPF and DKIM said; needed
/// @param verdicts  takes the verdict, to be freed with mailcore_verdicts_clear(); verdicts it held before are freed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no
/// domain, or no result), MAILCORE_E_INTERRUPTED, MAILCORE_E_NOMEM
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_dmarc_evaluate(
    resolver: mailcore_resolver,
    evidence: *const mailcore_evidence,
    verdicts: *mut mailcore_verdicts,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::resolver(resolver)?;
        // SAFETY: the caller gives NULL or a struct with its size and texts.
        let evidence = unsafe { record::read(evidence).and_then(|evidence| read_evidence(&evidence)) }?;
        // SAFETY: the caller gives a struct with its size.
        unsafe { record::read(verdicts.cast_const()) }?;
        let checked = seat.checker.dmarc(&evidence)?;
        // SAFETY: read above.
        unsafe { give_verdicts(verdicts, &checked) }?;
        Ok(0)
    })
}

/// # Safety
/// The pointers in `origin` are NULL or what its documentation says.
unsafe fn read(origin: &mailcore_origin) -> Result<Given, Failure> {
    // SAFETY: the caller's promise.
    let (ip, helo, mail_from, receiver) = unsafe {
        (
            optional(origin.ip, "ip")?,
            optional(origin.helo, "helo")?,
            optional(origin.mail_from, "mail_from")?,
            optional(origin.receiver, "receiver")?,
        )
    };
    let ip = ip.filter(|ip| !ip.is_empty()).map(address).transpose()?;
    let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let now = (origin.time_ms != 0).then_some(Timestamp(origin.time_ms));
    Ok(Given { ip, helo: own(helo), mail_from: own(mail_from), receiver: own(receiver), now })
}

/// An address; the zone of a link-local one says nothing to others.
fn address(text: &str) -> Result<IpAddr, Failure> {
    let bare = text.split('%').next().unwrap_or_default();
    bare.parse().map_err(|_| Failure::invalid(format!("ip {text:?} is no address")))
}

fn wanted(checks: u32, has_ip: bool) -> Result<Wanted, Failure> {
    const FREE: u32 = MAILCORE_CHECK_DKIM | MAILCORE_CHECK_ARC;
    const ALL: u32 = FREE | MAILCORE_CHECK_SPF | MAILCORE_CHECK_SPF_HELO | MAILCORE_CHECK_DMARC | MAILCORE_CHECK_IPREV;
    if checks & !(ALL | MAILCORE_CHECK_BIMI) != 0 {
        return Err(Failure::invalid(format!("checks: {checks:#x} has a bit that is not known")));
    }
    let checks = match (checks, has_ip) {
        (0, true) => ALL,
        (0, false) => FREE,
        (checks, _) => checks,
    };
    let is = |bit| checks & bit != 0;
    Ok(Wanted {
        spf: is(MAILCORE_CHECK_SPF),
        spf_helo: is(MAILCORE_CHECK_SPF_HELO),
        dkim: is(MAILCORE_CHECK_DKIM),
        dmarc: is(MAILCORE_CHECK_DMARC),
        arc: is(MAILCORE_CHECK_ARC),
        iprev: is(MAILCORE_CHECK_IPREV),
        bimi: is(MAILCORE_CHECK_BIMI),
    })
}

/// # Safety
/// The pointers in `evidence` are NULL or what its documentation says.
unsafe fn read_evidence(evidence: &mailcore_evidence) -> Result<Evidence, Failure> {
    // SAFETY: the caller's promise.
    let (from, spf_domain, results, domains) = unsafe {
        (
            needed(evidence.from_domain, "from_domain")?,
            optional(evidence.spf_domain, "spf_domain")?.unwrap_or_default(),
            items(evidence.dkim_results, evidence.dkim_count, "dkim_results")?,
            items(evidence.dkim_domains, evidence.dkim_count, "dkim_domains")?,
        )
    };
    let from_domain = match Domain::parse(from.trim_end_matches('.')) {
        Ok(domain @ Domain::Name(_)) => domain.key(),
        _ => return Err(Failure::invalid(format!("from_domain {from:?} is no domain name"))),
    };
    let mut dkim = Vec::with_capacity(results.len());
    for (result, domain) in results.iter().zip(domains) {
        // SAFETY: the caller's promise.
        let domain = unsafe { optional(*domain, "dkim_domains") }?.unwrap_or_default();
        dkim.push((dkim_result(*result)?, ascii(domain)));
    }
    Ok(Evidence { from_domain, spf: (spf_result(evidence.spf_result)?, ascii(spf_domain)), dkim })
}

/// A domain in A-labels, in lower case; what is no domain stays as it is and aligns with nothing.
fn ascii(domain: &str) -> String {
    Domain::parse(domain.trim_end_matches('.')).map_or_else(|_| domain.to_owned(), |domain| domain.key())
}

fn spf_result(result: u32) -> Result<SpfResult, Failure> {
    Ok(match result {
        MAILCORE_RESULT_NONE => SpfResult::None,
        MAILCORE_RESULT_PASS => SpfResult::Pass,
        MAILCORE_RESULT_FAIL => SpfResult::Fail,
        MAILCORE_RESULT_SOFTFAIL => SpfResult::SoftFail,
        MAILCORE_RESULT_NEUTRAL => SpfResult::Neutral,
        MAILCORE_RESULT_TEMPERROR => SpfResult::TempError,
        MAILCORE_RESULT_PERMERROR => SpfResult::PermError,
        other => return Err(Failure::invalid(format!("{other} is no result of SPF"))),
    })
}

fn dkim_result(result: u32) -> Result<DkimResult, Failure> {
    Ok(match result {
        MAILCORE_RESULT_NONE => DkimResult::None,
        MAILCORE_RESULT_PASS => DkimResult::Pass,
        MAILCORE_RESULT_FAIL => DkimResult::Fail,
        MAILCORE_RESULT_NEUTRAL => DkimResult::Neutral,
        MAILCORE_RESULT_TEMPERROR => DkimResult::TempError,
        MAILCORE_RESULT_PERMERROR => DkimResult::PermError,
        other => return Err(Failure::invalid(format!("{other} is no result of DKIM"))),
    })
}
