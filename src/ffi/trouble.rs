//! Scripted trouble: what a test has the engine do to its peers.

use std::ffi::c_char;
use std::time::Duration;

use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::text::optional;
use crate::base::trouble::{Act, Rule, Stage};

/// A connection, before the greeting. The address is the peer's IP address.
pub const MAILCORE_STAGE_CONNECT: u32 = 1;
/// EHLO, HELO and LHLO. The address is the name given.
pub const MAILCORE_STAGE_HELLO: u32 = 2;
/// A login, of any protocol. The address is the user name.
pub const MAILCORE_STAGE_LOGIN: u32 = 3;
/// MAIL. The address is the sender.
pub const MAILCORE_STAGE_MAIL: u32 = 4;
/// RCPT. The address is the recipient.
pub const MAILCORE_STAGE_RCPT: u32 = 5;
/// DATA, before the message. The addresses are sender and recipients.
pub const MAILCORE_STAGE_DATA: u32 = 6;
/// The message is complete and not accepted yet. The addresses are sender and recipients.
pub const MAILCORE_STAGE_MESSAGE: u32 = 7;
/// The message is accepted and on disk, its reply not sent yet. The addresses are sender and recipients.
pub const MAILCORE_STAGE_ACCEPTED: u32 = 8;
/// With the property sink: the delivery of a message, which is queued for it. 4yz puts it off, 5yz gives it up, and
/// both end in real reports. The address is the recipient.
pub const MAILCORE_STAGE_DELIVER: u32 = 9;

/// The connection ends without a word, in place of a reply.
pub const MAILCORE_TROUBLE_DROP: u32 = 1;

const STAGES: [(u32, Stage); 9] = [
    (MAILCORE_STAGE_CONNECT, Stage::Connect),
    (MAILCORE_STAGE_HELLO, Stage::Hello),
    (MAILCORE_STAGE_LOGIN, Stage::Login),
    (MAILCORE_STAGE_MAIL, Stage::Mail),
    (MAILCORE_STAGE_RCPT, Stage::Rcpt),
    (MAILCORE_STAGE_DATA, Stage::Data),
    (MAILCORE_STAGE_MESSAGE, Stage::Message),
    (MAILCORE_STAGE_ACCEPTED, Stage::Accepted),
    (MAILCORE_STAGE_DELIVER, Stage::Deliver),
];

/// A rule of scripted trouble. Set it up with MAILCORE_TROUBLE_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_trouble {
    /// sizeof(mailcore_trouble), set by MAILCORE_TROUBLE_INIT.
    pub struct_size: u32,
    /// MAILCORE_STAGE_ and where it applies.
    pub stage: u32,
    /// 0, or MAILCORE_TROUBLE_DROP.
    pub flags: u32,
    /// Reply code, 400 to 599; 0 with MAILCORE_TROUBLE_DROP, or where it only waits. 421 ends the session.
    pub smtp_code: i32,
    /// Text of the reply, one line, or NULL for a usual one.
    pub text: *const c_char,
    /// Which addresses it is about: * stands for any characters, ? for one, in any case; NULL for all.
    pub address: *const c_char,
    /// Which protocol it is about: "smtp", "lmtp", "imap", "pop3"; NULL for all.
    pub protocol: *const c_char,
    /// How long it waits first, in milliseconds on the engine's clock; a day at most.
    pub wait_ms: u64,
    /// How many times it lets pass before it applies.
    pub skip: u32,
    /// How many times it applies; 0 for always.
    pub times: u32,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_trouble {
    const NAME: &'static str = "mailcore_trouble";
}

/// Has the engine refuse, wait or end connections, as a test wants it.
///
/// [nowait] [hook-ok] At any time, also while it runs. The first rule that fits decides, and uses up one of its times.
///
/// @param engine  the engine
/// @param rule  the rule; NULL removes all there are
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_trouble_add(
    engine: mailcore_engine,
    rule: *const mailcore_trouble,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        if rule.is_null() {
            seat.engine.trouble().clear();
            return Ok(0);
        }
        // SAFETY: the caller gives a struct with its size and texts.
        let rule = unsafe { record::read(rule).and_then(|rule| read(&rule)) }?;
        seat.engine.trouble().add(rule)?;
        Ok(0)
    })
}

/// # Safety
/// The pointers in `given` are NULL or what its documentation says.
unsafe fn read(given: &mailcore_trouble) -> Result<Rule, Failure> {
    // SAFETY: the caller's promise.
    let (text, address, protocol) = unsafe {
        (optional(given.text, "text")?, optional(given.address, "address")?, optional(given.protocol, "protocol")?)
    };
    let stage = STAGES.iter().find(|(number, _)| *number == given.stage).map(|(_, stage)| *stage);
    let stage = stage.ok_or_else(|| Failure::invalid(format!("stage {}: not one of MAILCORE_STAGE_", given.stage)))?;
    if let Some(protocol) = protocol.filter(|protocol| !["smtp", "lmtp", "imap", "pop3"].contains(protocol)) {
        return Err(Failure::invalid(format!("protocol {protocol:?}: not smtp, lmtp, imap or pop3")));
    }
    let act = match (given.flags, given.smtp_code) {
        (0, 0) => Act::GoOn,
        (0, code) => {
            let code = u16::try_from(code).unwrap_or_default();
            Act::Refuse(Rule::reply(stage, code, text.unwrap_or_default())?)
        }
        (MAILCORE_TROUBLE_DROP, 0) => Act::Drop,
        (MAILCORE_TROUBLE_DROP, _) => return Err(Failure::invalid("smtp_code: nothing is said where it drops")),
        (flags, _) => return Err(Failure::invalid(format!("flags: {flags:#x} has a bit that is not known"))),
    };
    let (address, protocol) = (address.unwrap_or_default().to_owned(), protocol.unwrap_or_default().to_owned());
    let wait = Duration::from_millis(given.wait_ms);
    Ok(Rule { stage, protocol, address, wait, act, skip: given.skip, times: given.times })
}
