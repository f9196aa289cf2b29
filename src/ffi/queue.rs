//! The outgoing queue: acting on messages that wait, and waiting for an outcome.

use std::collections::BTreeMap;
use std::ffi::c_char;

use super::engine::duration;
use super::error::{cut, mailcore_error};
use super::object::{self, mailcore_engine};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use crate::base::event::Outcome;
use crate::base::{ErrorKind, QueueId, Timestamp};
use crate::store::{AttemptResult, Item, QueueAction, RecipientState};

/// Due now.
pub const MAILCORE_QUEUE_RETRY: u32 = 1;
/// Not due until released.
pub const MAILCORE_QUEUE_HOLD: u32 = 2;
/// Ends a hold.
pub const MAILCORE_QUEUE_RELEASE: u32 = 3;
/// Given up now; the sender gets a report.
pub const MAILCORE_QUEUE_BOUNCE: u32 = 4;
/// Removed without a report.
pub const MAILCORE_QUEUE_DROP: u32 = 5;

/// Given up at a time: for mailcore_queue_select() only.
pub const MAILCORE_QUEUE_EXPIRE: u32 = 6;
/// Routed by the settings, accounts and aliases as they are, and due now.
pub const MAILCORE_QUEUE_REROUTE: u32 = 7;

/// No attempt has ended yet; for a message that is no longer in the queue: it was removed.
pub const MAILCORE_DELIVERY_WAITING: u32 = 0;
/// The next server of every recipient took the message.
pub const MAILCORE_DELIVERY_DELIVERED: u32 = 1;
/// At least one recipient will be tried again.
pub const MAILCORE_DELIVERY_DEFERRED: u32 = 2;
/// Finished, and at least one recipient was given up.
pub const MAILCORE_DELIVERY_FAILED: u32 = 3;
/// Finished, and at least one recipient was given up since the queue lifetime was over.
pub const MAILCORE_DELIVERY_EXPIRED: u32 = 4;

/// The state of a queued message: that of the recipient whose state is worst.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_delivery {
    /// sizeof(mailcore_delivery), set by MAILCORE_DELIVERY_INIT.
    pub struct_size: u32,
    /// The state: one of MAILCORE_DELIVERY_.
    pub state: u32,
    /// Attempts that came to an end.
    pub attempts: u32,
    /// Reply code of the last attempt; 0 where no server answered.
    pub smtp_code: u32,
    /// When it is tried again, in ms since 1970; 0 where it is not.
    pub next_ms: i64,
    /// Enhanced status code, "5.1.1", or empty.
    pub enhanced: [c_char; 12],
    /// Name of the server that was reached, or empty; cut if too long.
    pub host: [c_char; 256],
    /// What it answered, or what went wrong; cut if too long.
    pub reply: [c_char; 508],
}

// SAFETY: numbers and characters.
unsafe impl Record for mailcore_delivery {
    const NAME: &'static str = "mailcore_delivery";
}

/// Acts on a queued message, or on all.
///
/// [disk]
///
/// @param engine  the engine
/// @param id  queue id; 0 for all
/// @param action  what to do: one of MAILCORE_QUEUE_
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_queue_control(
    engine: mailcore_engine,
    id: u64,
    action: u32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        let action = action_of(action, None)?;
        let id = (id != 0).then(|| queue_id(id)).transpose()?;
        seat.run(seat.engine.queue_control(id, action))?;
        Ok(0)
    })
}

/// Waits until a queued message is finished: every recipient delivered or given up.
///
/// [wait] The outcome is known for messages that finished before, too. After a timeout, `delivery` has the
/// state at that time.
///
/// @param engine  the engine
/// @param id  queue id, as mailcore_submit() and mailcore_send() give it. 0 stands for a message whose recipients were
/// all here: it is delivered
/// @param timeout_ms  how long to wait: -1 for ever, 0 not at all
/// @param delivery  takes the state, also after MAILCORE_E_TIMEOUT; or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_TIMEOUT (it is still in the queue), MAILCORE_E_HANDLE, MAILCORE_E_VERSION,
/// MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_queue_wait(
    engine: mailcore_engine,
    id: u64,
    timeout_ms: i32,
    delivery: *mut mailcore_delivery,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size.
        unsafe { record::check(delivery.cast_const()) }?;
        let id = queue_id(id)?;
        if id.0 == 0 {
            let delivered = mailcore_delivery { state: MAILCORE_DELIVERY_DELIVERED, ..fares(None, &[]) };
            // SAFETY: checked above.
            unsafe { record::write(delivery, &delivered) };
            return Ok(0);
        }
        let waited = seat.wait(duration(timeout_ms), seat.engine.queue_wait(id));
        let (fares, code) = match waited {
            Ok(attempts) => (fares(None, &attempts), Ok(0)),
            Err(e) if e.kind() == ErrorKind::Timeout => {
                let attempts = seat.run(seat.engine.attempts(id))?;
                // It may have finished just now.
                let item = seat.run(seat.engine.queue_item(id)).ok();
                // What the last host said is why it still waits.
                let smtp = worst(&attempts).map_or((0, None), |result| (result.code, result.enhanced));
                let late = Failure { smtp, ..e.into() };
                (fares(item.as_ref(), &attempts), if item.is_some() { Err(late) } else { Ok(0) })
            }
            Err(e) => return Err(e.into()),
        };
        // SAFETY: checked above.
        unsafe { record::write(delivery, &fares) };
        code
    })
}

/// What an action's number means; `at` is its time, where it may have one.
pub(super) fn action_of(action: u32, at: Option<i64>) -> Result<QueueAction, Failure> {
    Ok(match (action, at) {
        (MAILCORE_QUEUE_RETRY, _) => QueueAction::Retry,
        (MAILCORE_QUEUE_HOLD, _) => QueueAction::Hold,
        (MAILCORE_QUEUE_RELEASE, _) => QueueAction::Release,
        (MAILCORE_QUEUE_BOUNCE, _) => QueueAction::Bounce,
        (MAILCORE_QUEUE_DROP, _) => QueueAction::Drop,
        (MAILCORE_QUEUE_REROUTE, _) => QueueAction::Reroute,
        (MAILCORE_QUEUE_EXPIRE, Some(at)) => QueueAction::Expire(Timestamp(at)),
        (other, _) => return Err(Failure::invalid(format!("action {other} is none"))),
    })
}

pub(super) fn queue_id(id: u64) -> Result<QueueId, Failure> {
    let id = i64::try_from(id).map_err(|_| Failure::invalid(format!("queue id {id}")))?;
    Ok(QueueId(id))
}

/// The attempt that speaks for a message: the last one for the recipient that fares worst.
fn worst(attempts: &[(String, AttemptResult)]) -> Option<&AttemptResult> {
    let mut last: BTreeMap<&str, &AttemptResult> = BTreeMap::new();
    for (recipient, result) in attempts {
        last.insert(recipient, result);
    }
    let rank = |result: &AttemptResult| match result.outcome {
        Outcome::Delivered => 0,
        Outcome::Expired => 1,
        Outcome::Failed => 2,
        Outcome::Deferred => 3,
    };
    last.into_values().max_by_key(|result| rank(result))
}

/// How a message fares.
pub(crate) fn fares(item: Option<&Item>, attempts: &[(String, AttemptResult)]) -> mailcore_delivery {
    let worst = worst(attempts);
    let waiting = |item: &Item| item.recipients.iter().any(|recipient| recipient.state == RecipientState::Waiting);
    let unfinished = item.is_some_and(waiting);
    let state = match worst.map(|result| result.outcome) {
        None => MAILCORE_DELIVERY_WAITING,
        _ if unfinished && worst.is_some_and(|result| result.outcome != Outcome::Deferred) => MAILCORE_DELIVERY_WAITING,
        Some(Outcome::Delivered) => MAILCORE_DELIVERY_DELIVERED,
        Some(Outcome::Deferred) => MAILCORE_DELIVERY_DEFERRED,
        Some(Outcome::Failed) => MAILCORE_DELIVERY_FAILED,
        Some(Outcome::Expired) => MAILCORE_DELIVERY_EXPIRED,
    };
    let next = item.into_iter().flat_map(|item| &item.recipients);
    let next =
        next.filter(|recipient| recipient.state == RecipientState::Waiting).map(|recipient| recipient.due.0).min();
    mailcore_delivery {
        struct_size: 0,
        state,
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        smtp_code: worst.map_or(0, |result| u32::from(result.code)),
        next_ms: next.unwrap_or(0),
        enhanced: characters(&worst.and_then(|result| result.enhanced).map_or_else(String::new, |e| e.to_string())),
        host: characters(worst.map_or("", |result| &result.host)),
        reply: characters(worst.map_or("", |result| &result.text)),
    }
}

/// A text in a field of `N` octets, cut between characters, with NULs behind it.
fn characters<const N: usize>(text: &str) -> [c_char; N] {
    let mut field = [0; N];
    for (to, from) in field.iter_mut().zip(cut(text, N - 1).bytes()) {
        *to = from as c_char;
    }
    field
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::Enhanced;

    fn attempt(outcome: Outcome, code: u16) -> AttemptResult {
        AttemptResult {
            at: Timestamp(0),
            outcome,
            host: "mx.example".to_owned(),
            code,
            enhanced: Some(Enhanced::new(5, 1, 1)),
            text: "said so".to_owned(),
            took: Duration::ZERO,
            tls: String::new(),
            policy: String::new(),
        }
    }

    #[test]
    fn the_worst_recipient_speaks_for_all() {
        let a = |outcome, code| ("a".to_owned(), attempt(outcome, code));
        let b = |outcome, code| ("b".to_owned(), attempt(outcome, code));
        for (attempts, state, code) in [
            (vec![], MAILCORE_DELIVERY_WAITING, 0),
            (vec![a(Outcome::Delivered, 250)], MAILCORE_DELIVERY_DELIVERED, 250),
            (vec![a(Outcome::Deferred, 451), a(Outcome::Delivered, 250)], MAILCORE_DELIVERY_DELIVERED, 250),
            (vec![a(Outcome::Delivered, 250), b(Outcome::Failed, 550)], MAILCORE_DELIVERY_FAILED, 550),
            (vec![a(Outcome::Failed, 550), b(Outcome::Deferred, 451)], MAILCORE_DELIVERY_DEFERRED, 451),
            (vec![a(Outcome::Expired, 0)], MAILCORE_DELIVERY_EXPIRED, 0),
        ] {
            let fares = fares(None, &attempts);
            assert_eq!((fares.state, fares.smtp_code, fares.attempts as usize), (state, code, attempts.len()));
        }
        let text: Vec<u8> = fares(None, &[a(Outcome::Failed, 550)]).enhanced.iter().map(|c| *c as u8).collect();
        assert_eq!(text, b"5.1.1\0\0\0\0\0\0\0");
    }
}
