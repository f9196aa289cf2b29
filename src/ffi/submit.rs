//! Outgoing mail: giving a message to the engine, which is responsible for it from then on.

use std::ffi::{c_char, c_void};

use super::error::mailcore_error;
use super::object::{self, mailcore_engine, mailcore_message};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, items, needed, octets, optional};
use crate::base::{Address, Content, Envelope, Recipient, Timestamp};
use crate::engine::outbound::SubmitOptions;

/// Who a message is from and for. Set it up with MAILCORE_ENVELOPE_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_envelope {
    /// sizeof(mailcore_envelope), set by MAILCORE_ENVELOPE_INIT.
    pub struct_size: u32,
    /// 0.
    pub flags: u32,
    /// Where failures go; NULL or "" for the null reverse-path: no failure is reported then.
    pub from: *const c_char,
    /// The recipients; needed.
    pub to: *const *const c_char,
    /// How many recipients there are.
    pub to_count: usize,
    /// An id of the sender's that comes back in reports (RFC 3461 ENVID), or NULL.
    pub envelope_id: *const c_char,
    /// What the program calls this submission, 1 to 255 bytes, or NULL. A second submission under the same key within a
    /// week is not taken: it gets the queue id of the first.
    pub submit_key: *const c_char,
    /// Nobody gets the message before this time, in ms since 1970, recipients here neither; 0 for at once.
    pub not_before_ms: i64,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_envelope {
    const NAME: &'static str = "mailcore_envelope";
}

/// Submits a message: recipients here are filed at once, the others are queued.
///
/// [disk] When it returns, the message is on disk and the engine is responsible for it. Missing Date and Message-ID
/// fields are added. The message can be read, appended and submitted again.
///
/// @param message  the message
/// @param envelope  from whom and for whom; needed
/// @param id  takes the queue id, or 0 where all recipients are here; may be NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID,
/// MAILCORE_E_NOT_FOUND (no such recipient here), MAILCORE_E_LIMIT, MAILCORE_E_QUOTA, MAILCORE_E_POLICY,
/// MAILCORE_E_STATE (the engine is not started), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_submit(
    message: mailcore_message,
    envelope: *const mailcore_envelope,
    id: *mut u64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::message(message)?;
        // SAFETY: the caller gives NULL or a struct with its size and texts.
        let (envelope, options) = unsafe { record::read(envelope).and_then(|envelope| read(&envelope)) }?;
        let content = seat.content()?;
        let submitted = seat.engine.run(seat.engine.engine.submit_with(envelope, content, options))?;
        // SAFETY: the caller's output.
        unsafe { give(id, submitted.queued.map_or(0, |id| id.0 as u64)) };
        Ok(0)
    })
}

/// Submits a message in one call.
///
/// [disk] As mailcore_message_new(), mailcore_message_write() and mailcore_submit().
///
/// @param engine  the engine
/// @param from  where failures go; NULL or "" for the null reverse-path
/// @param to  the recipient, or several, separated by commas
/// @param data  header, empty line, body, with CRLF line ends
/// @param len  length of the message in bytes
/// @param id  takes the queue id, or 0 where all recipients are here; may be NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND
/// (no such recipient here), MAILCORE_E_LIMIT, MAILCORE_E_QUOTA, MAILCORE_E_POLICY, MAILCORE_E_STATE
/// (the engine is not started), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_send(
    engine: mailcore_engine,
    from: *const c_char,
    to: *const c_char,
    data: *const c_void,
    len: usize,
    id: *mut u64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller's texts and octets.
        let (from, to, data) =
            unsafe { (optional(from, "from")?, needed(to, "to")?, octets(data.cast(), len, "data")?) };
        let recipients = separate(to).map(|to| recipient(to.trim())).collect::<Result<_, Failure>>()?;
        let envelope = Envelope { reverse_path: reverse_path(from)?, recipients, ..Envelope::default() };
        let submitted = seat.run(seat.engine.submit(envelope, Content::from_octets(data)))?;
        // SAFETY: the caller's output.
        unsafe { give(id, submitted.queued.map_or(0, |id| id.0 as u64)) };
        Ok(0)
    })
}

/// # Safety
/// The pointers in `envelope` are NULL or what its documentation says.
unsafe fn read(envelope: &mailcore_envelope) -> Result<(Envelope, SubmitOptions), Failure> {
    if envelope.flags != 0 {
        return Err(Failure::invalid(format!("flags: {:#x} has a bit that is not known", envelope.flags)));
    }
    // SAFETY: the caller's promise.
    let (from, to, envelope_id, key) = unsafe {
        (
            optional(envelope.from, "from")?,
            items(envelope.to, envelope.to_count, "to")?,
            optional(envelope.envelope_id, "envelope_id")?,
            optional(envelope.submit_key, "submit_key")?,
        )
    };
    if to.is_empty() {
        return Err(Failure::invalid("there is no recipient"));
    }
    let mut recipients = Vec::with_capacity(to.len());
    for text in to {
        // SAFETY: the caller's promise.
        recipients.push(recipient(unsafe { needed(*text, "to") }?)?);
    }
    let envelope_id = envelope_id.map(str::to_owned);
    let options = SubmitOptions {
        key: key.map(str::to_owned),
        not_before: (envelope.not_before_ms != 0).then_some(Timestamp(envelope.not_before_ms)),
    };
    Ok((Envelope { reverse_path: reverse_path(from)?, recipients, envelope_id, ..Envelope::default() }, options))
}

fn address(text: &str, what: &str) -> Result<Address, Failure> {
    Address::parse(text).map_err(|e| Failure::invalid(format!("{what} {text:?}: {e}")))
}

pub(crate) fn reverse_path(from: Option<&str>) -> Result<Option<Address>, Failure> {
    from.filter(|from| !matches!(*from, "" | "<>")).map(|from| address(from, "from")).transpose()
}

fn recipient(to: &str) -> Result<Recipient, Failure> {
    Ok(Recipient::new(address(to, "to")?))
}

/// Splits at the commas that do not stand in quotes.
fn separate(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let mut escaped = false;
    list.split(move |c| {
        let separates = c == ',' && !quoted;
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        separates
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipients_by_commas() {
        for (list, parts) in [
            ("a@x", &["a@x"][..]),
            ("a@x, b@y", &["a@x", " b@y"]),
            ("\"a,b\"@x,c@y", &["\"a,b\"@x", "c@y"]),
            ("\"a\\\",b\"@x,c@y", &["\"a\\\",b\"@x", "c@y"]),
            ("", &[""]),
        ] {
            assert_eq!(separate(list).collect::<Vec<_>>(), parts, "{list}");
        }
    }
}
