//! How a function of the host's is called: its question in C's words, its answer read back.

use std::ffi::{CString, c_char, c_void};
use std::sync::Weak;

use super::engine::EngineSeat;
use super::hooks::{
    MAILCORE_DECISION_POLICY, decision, describe, hook_number, mailcore_question, mailcore_verdict, policy_number,
};
use super::json::Json;
use super::listen::service_number;
use super::message::MessageSeat;
use super::object::{self, Object, mailcore_engine, mailcore_message};
use super::record;
use super::result::Failure;
use super::verdict::{mailcore_verdicts, verdicts_of};
use crate::base::{Error, ErrorKind, Secret};
use crate::engine::checks::Checked;
use crate::intake::hook::{Decision, Question};

/// A function of the host's, and what it is called with.
pub(crate) struct Caller {
    pub function: unsafe extern "C" fn(*const mailcore_question, *mut mailcore_verdict, *mut c_void) -> i32,
    pub user: *mut c_void,
    pub handle: mailcore_engine,
    /// Weak: the engine holds its hooks.
    pub seat: Weak<EngineSeat>,
}

// SAFETY: the host promises that its function may be called from any thread with `user` (mailcore_hook_function).
unsafe impl Send for Caller {}
// SAFETY: as above.
unsafe impl Sync for Caller {}

impl Caller {
    /// Asks; an error says why there is no answer that can be used.
    pub fn call(&self, question: &Question) -> crate::base::Result<Decision> {
        let Some(seat) = self.seat.upgrade() else {
            return Err(Error::new(ErrorKind::State, "the engine is being closed"));
        };
        let message = match MessageSeat::of(seat, question) {
            Some(opened) => object::hold(Object::Message(opened.into())).map_err(unanswered)?,
            None => 0,
        };
        let held = Held(message);
        let mut verdict = VERDICT_EMPTY;
        // The strings live in `texts` until the function has returned and its answer was read.
        let texts = Texts::of(question).map_err(unanswered)?;
        let asked = texts.question(question, self.handle, held.0);
        // SAFETY: the host's function, called with what its type promises; it does not unwind.
        let result = unsafe { (self.function)(&raw const asked, &raw mut verdict, self.user) };
        if result != 0 {
            return Err(Error::new(ErrorKind::State, format!("the hook returned {result}")));
        }
        // SAFETY: set up by us, and filled by the host as documented.
        unsafe { record::read(&raw const verdict).and_then(|verdict| decision(&verdict)) }.map_err(unanswered)
    }
}

fn unanswered(failure: Failure) -> Error {
    Error::new(ErrorKind::Invalid, failure.message)
}

const VERDICT_EMPTY: mailcore_verdict = mailcore_verdict {
    struct_size: size_of::<mailcore_verdict>() as u32,
    action: MAILCORE_DECISION_POLICY,
    smtp_code: 0,
    enhanced: [0; 12],
    text: std::ptr::null(),
    redirect: std::ptr::null(),
    secret: std::ptr::null(),
};

/// A handle that ends with the call, unless the host has closed it already.
struct Held(mailcore_message);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = object::release(self.0);
    }
}

/// The texts of a question as C reads them.
struct Texts {
    peer: CString,
    helo: CString,
    tls: Option<CString>,
    account: Option<CString>,
    from: CString,
    /// Where the texts of `to` stand: these are pointers into `_to`.
    to: Vec<*const c_char>,
    _to: Vec<CString>,
    detail: CString,
    verdicts: Option<mailcore_verdicts>,
    user: Option<CString>,
    password: Option<CString>,
}

impl Drop for Texts {
    fn drop(&mut self) {
        if let Some(verdicts) = &mut self.verdicts {
            // SAFETY: made by `verdicts_of`, and given to the host to read only.
            unsafe { verdicts.free() };
        }
    }
}

impl Texts {
    fn of(question: &Question) -> Result<Texts, Failure> {
        let client = &question.client;
        let _to: Vec<CString> = question.envelope.recipients.iter().map(|to| text(&to.address.to_string())).collect();
        let verdicts = question.verdicts.as_ref().map(|verdicts| verdicts_of(&Checked::from(verdicts))).transpose()?;
        let password = question.login.as_ref().and_then(|login| login.password.as_ref());
        Ok(Texts {
            peer: text(&question.peer().to_string()),
            helo: text(&client.hello),
            tls: client.tls.as_ref().map(|tls| text(&tls.version)),
            account: client.account.as_ref().map(|account| text(&account.address.to_string())),
            from: text(&question.envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default()),
            to: _to.iter().map(|to| to.as_ptr()).collect(),
            _to,
            detail: text(&describe(question, Json::new()).finish()),
            verdicts,
            user: question.login.as_ref().map(|login| text(&login.user)),
            password: password.and_then(Secret::expose_str).map(text),
        })
    }

    fn question(&self, question: &Question, engine: mailcore_engine, message: mailcore_message) -> mailcore_question {
        let pointer = |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        mailcore_question {
            struct_size: size_of::<mailcore_question>() as u32,
            hook: hook_number(question.point()),
            engine,
            service: service_number(question.client.service),
            policy: policy_number(&question.policy).0,
            message,
            size: question.size(),
            peer: self.peer.as_ptr(),
            helo: self.helo.as_ptr(),
            tls: pointer(&self.tls),
            account: pointer(&self.account),
            from: self.from.as_ptr(),
            to: self.to.as_ptr(),
            to_count: self.to.len(),
            detail: self.detail.as_ptr(),
            verdicts: self.verdicts.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            user: pointer(&self.user),
            password: pointer(&self.password),
        }
    }
}

/// A text for C: what stands in front of a NUL, which no session lets through.
fn text(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}
