//! Hooks: the host decides about clients, logins, recipients and messages, by a function of its own or by answering an
//! event.

use std::ffi::{c_char, c_void};
use std::sync::Arc;

use super::error::mailcore_error;
use super::hook_call::Caller;
use super::json::Json;
use super::message::MessageSeat;
use super::object::{self, Object, mailcore_engine, mailcore_message};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, optional};
use super::verdict::mailcore_verdicts;
use super::verdict_json::json_of;
use crate::base::{Address, Enhanced, Error, ErrorKind, Secret};
use crate::engine::checks::Checked;
use crate::engine::hooks::{Function, Hook, Hooks};
use crate::intake::hook::{Decision, Point, Policy, Question, Refusal};

/// The hook at the end of a message: it is complete and judged, the peer waits for its reply.
pub const MAILCORE_HOOK_DATA: u32 = 1;
/// The hook for each recipient that is taken: the peer waits for the reply to RCPT.
pub const MAILCORE_HOOK_RCPT: u32 = 2;
/// The hook for each connection, before the greeting.
pub const MAILCORE_HOOK_CONNECT: u32 = 4;
/// The hook for EHLO, HELO and LHLO.
pub const MAILCORE_HOOK_HELLO: u32 = 8;
/// The hook for logins with a password, of any protocol: MAILCORE_DECISION_ACCEPT logs in to the account in redirect,
/// or to that of the user's name, which is made where it is missing. With this hook and without MAILCORE_HOOK_SCRAM,
/// SCRAM is not offered.
pub const MAILCORE_HOOK_LOGIN: u32 = 16;
/// The hook for logins by SCRAM: MAILCORE_DECISION_ACCEPT needs the user's password in secret; the client's proof then
/// decides.
pub const MAILCORE_HOOK_SCRAM: u32 = 32;
/// The hook for each sender that is taken: the peer waits for the reply to MAIL.
pub const MAILCORE_HOOK_MAIL: u32 = 64;
/// The hook for each recipient that is refused: MAILCORE_DECISION_ACCEPT relays to it, or MAILCORE_DECISION_REDIRECT
/// takes it for another address.
pub const MAILCORE_HOOK_RCPT_REFUSED: u32 = 128;

/// As the engine's own policy says: what a verdict is set up with.
pub const MAILCORE_DECISION_POLICY: u32 = 0;
/// Accepted, whatever the engine's own policy says.
pub const MAILCORE_DECISION_ACCEPT: u32 = 1;
/// Accepted, into the Junk mailbox of the recipients here. Messages only.
pub const MAILCORE_DECISION_JUNK: u32 = 2;
/// Refused for good: reply code 550 where smtp_code is 0.
pub const MAILCORE_DECISION_REJECT: u32 = 3;
/// Refused for now, the peer tries again: reply code 451 where smtp_code is 0.
pub const MAILCORE_DECISION_DEFER: u32 = 4;
/// Accepted for the address in redirect in place of all recipients, or of the recipient in question. Messages and
/// recipients only.
pub const MAILCORE_DECISION_REDIRECT: u32 = 5;

/// What a hook is asked. All of it belongs to the library and is gone when the hook returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_question {
    /// How many octets of this struct the library knows.
    pub struct_size: u32,
    /// MAILCORE_HOOK_ and where.
    pub hook: u32,
    /// The engine.
    pub engine: mailcore_engine,
    /// MAILCORE_SERVICE_ and where the peer called.
    pub service: u32,
    /// What becomes of it with MAILCORE_DECISION_POLICY: MAILCORE_DECISION_ACCEPT, _JUNK or _REJECT.
    pub policy: u32,
    /// The message as the peer sent it, to be read like any other; 0 but with MAILCORE_HOOK_DATA.
    pub message: mailcore_message,
    /// Octets of the message, or what the peer announced; 0 where it did not.
    pub size: u64,
    /// The peer's IP address.
    pub peer: *const c_char,
    /// The name it gave itself.
    pub helo: *const c_char,
    /// Version of TLS, "TLSv1.3", or NULL.
    pub tls: *const c_char,
    /// The account that has logged in, or NULL.
    pub account: *const c_char,
    /// The reverse-path; empty for the null one.
    pub from: *const c_char,
    /// The recipients; with MAILCORE_HOOK_RCPT and MAILCORE_HOOK_RCPT_REFUSED the one in question.
    pub to: *const *const c_char,
    /// How many recipients there are.
    pub to_count: usize,
    /// All of this and more as a JSON object, as in the detail of a request event.
    pub detail: *const c_char,
    /// What the checks of the message came to; NULL but with MAILCORE_HOOK_DATA, and for mail that is not checked.
    pub verdicts: *const mailcore_verdicts,
    /// The user name, with MAILCORE_HOOK_LOGIN and MAILCORE_HOOK_SCRAM; else NULL.
    pub user: *const c_char,
    /// The password, with MAILCORE_HOOK_LOGIN; else NULL. It may have been cut at a NUL.
    pub password: *const c_char,
}

/// What the host decides. Set it up with MAILCORE_VERDICT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_verdict {
    /// sizeof(mailcore_verdict), set by MAILCORE_VERDICT_INIT.
    pub struct_size: u32,
    /// MAILCORE_DECISION_ and what becomes of it.
    pub action: u32,
    /// Reply code of a refusal: 4yz to defer, 5yz to reject, not 421; 0 for the usual one.
    pub smtp_code: i32,
    /// Enhanced status code of a refusal, "5.7.1", of the reply code's class; empty for the usual one.
    pub enhanced: [c_char; 12],
    /// Text of a refusal, or NULL: at most 10 lines of 480 octets with LF between them, no control characters.
    /// Peers that did not ask for UTF-8 get ? for what is not ASCII.
    pub text: *const c_char,
    /// The address for MAILCORE_DECISION_REDIRECT; for logins the account that is logged in to, or NULL.
    pub redirect: *const c_char,
    /// The user's password, with MAILCORE_HOOK_SCRAM; else NULL.
    pub secret: *const c_char,
}

/// A hook. It runs on a thread of the library's and under no lock; it may block until the property hook.timeout_ms
/// is over, and then counts as not answered. It sets *verdict, which is set up already, and returns 0; anything
/// else means that it cannot say. Texts it puts into *verdict must outlive its return: not on its own stack.
/// Without an answer that can be used the peer is told to try again later, and the host by an event. It may call the
/// functions marked [hook-ok], and must not leave by longjmp or exception.
pub type mailcore_hook_function = Option<
    unsafe extern "C" fn(question: *const mailcore_question, verdict: *mut mailcore_verdict, user: *mut c_void) -> i32,
>;

/// Which decisions the host wants to make, and how it is asked. Set it up with MAILCORE_HOOKS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_hooks {
    /// sizeof(mailcore_hooks), set by MAILCORE_HOOKS_INIT.
    pub struct_size: u32,
    /// Bits MAILCORE_HOOK_: asked by a MAILCORE_EVENT_REQUEST, answered by mailcore_reply().
    pub as_events: u32,
    /// Asked about messages, or NULL.
    pub data: mailcore_hook_function,
    /// Asked about recipients, or NULL.
    pub rcpt: mailcore_hook_function,
    /// Given to the functions as it is. Must be valid until mailcore_close() has returned, and the last function.
    pub user: *mut c_void,
    /// Asked about connections, or NULL.
    pub connect: mailcore_hook_function,
    /// Asked about names in EHLO, or NULL.
    pub hello: mailcore_hook_function,
    /// Asked about logins with a password, or NULL.
    pub login: mailcore_hook_function,
    /// Asked about logins by SCRAM, or NULL.
    pub scram: mailcore_hook_function,
    /// Asked about senders, or NULL.
    pub mail: mailcore_hook_function,
    /// Asked about recipients that are refused, or NULL.
    pub rcpt_refused: mailcore_hook_function,
}

// SAFETY: numbers, texts and pointers, which may be NULL.
unsafe impl Record for mailcore_verdict {
    const NAME: &'static str = "mailcore_verdict";
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_hooks {
    const NAME: &'static str = "mailcore_hooks";
}

/// Says which decisions the host wants to make. Before the start.
///
/// [nowait] The host is asked about all mail that comes over SMTP, submission and LMTP, and about connections and
/// logins of IMAP and POP3; mail that it submits itself is its own decision. A second call takes the place of the
/// first.
///
/// @param engine  the engine
/// @param hooks  which, and how; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INVALID (asked both ways, or
/// an unknown bit), MAILCORE_E_STATE (the engine has started)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_engine_set_hooks(
    engine: mailcore_engine,
    hooks: *const mailcore_hooks,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size.
        let given = unsafe { record::read(hooks) }?;
        let rows = [
            (MAILCORE_HOOK_DATA, given.data),
            (MAILCORE_HOOK_RCPT, given.rcpt),
            (MAILCORE_HOOK_CONNECT, given.connect),
            (MAILCORE_HOOK_HELLO, given.hello),
            (MAILCORE_HOOK_LOGIN, given.login),
            (MAILCORE_HOOK_SCRAM, given.scram),
            (MAILCORE_HOOK_MAIL, given.mail),
            (MAILCORE_HOOK_RCPT_REFUSED, given.rcpt_refused),
        ];
        let known = rows.iter().fold(0, |bits, (bit, _)| bits | bit);
        if given.as_events & !known != 0 {
            return Err(Failure::invalid(format!("as_events: {:#x} has a bit that is not known", given.as_events)));
        }
        let hook = |bit: u32, function: mailcore_hook_function| match (function, given.as_events & bit != 0) {
            (Some(_), true) => Err(Failure::invalid("as_events has the bit of a hook that is a function")),
            (Some(function), false) => {
                let caller = Caller { function, user: given.user, handle: engine, seat: Arc::downgrade(&seat) };
                let call: Function = Arc::new(move |question| caller.call(question));
                Ok(Some(Hook::Call(call)))
            }
            (None, true) => Ok(Some(Hook::Event)),
            (None, false) => Ok(None),
        };
        let mut hooks = Hooks::default();
        for (bit, function) in rows {
            let point = Point::ALL.into_iter().find(|point| hook_number(*point) == bit);
            if let (Some(point), Some(hook)) = (point, hook(bit, function)?) {
                hooks = hooks.with(point, hook);
            }
        }
        seat.engine.set_hooks(hooks)?;
        Ok(0)
    })
}

/// Answers a request.
///
/// [disk] [hook-ok] Once, and in the time of the property hook.timeout_ms: afterwards nobody waits for it. After
/// an error other than MAILCORE_E_STATE the request still waits.
///
/// @param engine  the engine
/// @param request  the subject of a MAILCORE_EVENT_REQUEST
/// @param verdict  the answer; needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID (no
/// such action, not for a recipient, code or text that cannot be sent), MAILCORE_E_NOT_FOUND (no such request, or a
/// redirection to a user who is not here), MAILCORE_E_STATE (nobody waits any more, or the engine has no hooks)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_reply(
    engine: mailcore_engine,
    request: u64,
    verdict: *const mailcore_verdict,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size and texts.
        let decision = unsafe { record::read(verdict).and_then(|verdict| decision(&verdict)) }?;
        seat.run(seat.engine.reply(request, decision))?;
        Ok(0)
    })
}

/// Opens the message that a request is about, for reading: as the peer sent it, without fields of ours.
///
/// [nowait] [hook-ok] It can be read until it is closed, also after the answer.
///
/// @param engine  the engine
/// @param request  the subject of a MAILCORE_EVENT_REQUEST
/// @param message  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOT_FOUND (no such request, or not about a message),
/// MAILCORE_E_STATE (nobody waits any more, or the engine has no hooks), MAILCORE_E_LIMIT
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_request_open(
    engine: mailcore_engine,
    request: u64,
    message: *mut mailcore_message,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(message, 0) };
        let seat = object::engine(engine)?;
        if message.is_null() {
            return Err(Failure::null("message"));
        }
        let question = seat.engine.request(request)?;
        let opened = MessageSeat::of(seat, &question)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("request {request} is not about a message")))?;
        let handle = object::hold(Object::Message(opened.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(message, handle) };
        Ok(0)
    })
}

/// # Safety
/// The pointers in `verdict` are NULL or what its documentation says.
pub(crate) unsafe fn decision(verdict: &mailcore_verdict) -> Result<Decision, Failure> {
    // SAFETY: the caller's promise.
    let (text, redirect, secret) = unsafe {
        (optional(verdict.text, "text")?, optional(verdict.redirect, "redirect")?, optional(verdict.secret, "secret")?)
    };
    let address = |to: &str| Address::parse(to).map_err(|e| Failure::invalid(format!("redirect {to:?}: {e}")));
    let refusal = |usual: u16| {
        let code = match verdict.smtp_code {
            0 => usual,
            code => u16::try_from(code).unwrap_or(u16::MAX),
        };
        if code / 100 != usual / 100 {
            return Err(Failure::invalid(format!("smtp_code {} does not fit the action", verdict.smtp_code)));
        }
        let octets = verdict.enhanced.map(|c| c as u8);
        let enhanced = match octets.split(|octet| *octet == 0).next().unwrap_or_default() {
            [] => None,
            text => Some(enhanced(text).ok_or_else(|| Failure::invalid("enhanced is no status code"))?),
        };
        Ok(Decision::Refuse(Refusal::new(code, enhanced, text.unwrap_or_default())?))
    };
    match verdict.action {
        MAILCORE_DECISION_POLICY => Ok(Decision::Policy),
        MAILCORE_DECISION_ACCEPT if redirect.is_some() || secret.is_some() => {
            Ok(Decision::Login { account: redirect.map(address).transpose()?, password: secret.map(Secret::new) })
        }
        MAILCORE_DECISION_ACCEPT => Ok(Decision::Accept),
        MAILCORE_DECISION_JUNK => Ok(Decision::Junk),
        MAILCORE_DECISION_REJECT => refusal(550),
        MAILCORE_DECISION_DEFER => refusal(451),
        MAILCORE_DECISION_REDIRECT => {
            let to = redirect.ok_or_else(|| Failure::invalid("redirect is NULL"))?;
            Ok(Decision::Redirect(address(to)?))
        }
        action => Err(Failure::invalid(format!("action {action} is not known"))),
    }
}

fn enhanced(text: &[u8]) -> Option<Enhanced> {
    let (enhanced, rest) = Enhanced::split(std::str::from_utf8(text).ok()?)?;
    rest.is_empty().then_some(enhanced)
}

/// MAILCORE_HOOK_ and where.
pub(crate) fn hook_number(point: Point) -> u32 {
    match point {
        Point::Message => MAILCORE_HOOK_DATA,
        Point::Recipient => MAILCORE_HOOK_RCPT,
        Point::Connect => MAILCORE_HOOK_CONNECT,
        Point::Hello => MAILCORE_HOOK_HELLO,
        Point::Login => MAILCORE_HOOK_LOGIN,
        Point::Scram => MAILCORE_HOOK_SCRAM,
        Point::Sender => MAILCORE_HOOK_MAIL,
        Point::RefusedRecipient => MAILCORE_HOOK_RCPT_REFUSED,
    }
}

/// MAILCORE_DECISION_ and its name.
pub(crate) fn policy_number(policy: &Policy) -> (u32, &'static str) {
    match policy {
        Policy::Accept => (MAILCORE_DECISION_ACCEPT, "accept"),
        Policy::Junk => (MAILCORE_DECISION_JUNK, "junk"),
        Policy::Reject(_) => (MAILCORE_DECISION_REJECT, "reject"),
    }
}

/// What is asked, as members of a JSON object.
pub(crate) fn describe(question: &Question, json: Json) -> Json {
    let client = &question.client;
    let to: Vec<String> = question.envelope.recipients.iter().map(|to| to.address.to_string()).collect();
    let from = question.envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    let json = json
        .text("hook", question.point().name())
        .text("service", client.service.name())
        .text("policy", policy_number(&question.policy).1)
        .text("peer", &question.peer().to_string())
        .text("helo", &client.hello)
        .switch("smtputf8", question.envelope.smtputf8)
        .text("from", &from)
        .texts("to", &to)
        .number("size", question.size());
    let json = match &client.tls {
        Some(tls) => json.text("tls", &tls.version).text("cipher", &tls.cipher),
        None => json,
    };
    let json = match &client.account {
        Some(account) => json.text("account", &account.address.to_string()),
        None => json,
    };
    let json = match &question.policy {
        Policy::Reject(reply) => json.text("reply", &reply.to_string()),
        _ => json,
    };
    let json = match &question.login {
        Some(login) => json.text("user", &login.user),
        None => json,
    };
    let json = match question.login.as_ref().and_then(|login| login.password.as_ref()?.expose_str()) {
        Some(password) => json.text("password", password),
        None => json,
    };
    match &question.verdicts {
        Some(verdicts) => json.member("verdicts", &json_of(&Checked::from(verdicts)).to_string()),
        None => json,
    }
}
