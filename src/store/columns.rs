//! Values as the numbers that columns hold, the same in every body with SQL, and back.

use super::{DkimKeyState, RecipientState};
use crate::base::envelope::{BodyKind, Notify, Returns};
use crate::base::event::Outcome;
use crate::base::{Address, Error, ErrorKind, Result};
use crate::feedback::Disposition;

/// The address of a queued message. `Invalid` where it is none, so that trying again is no use.
pub(super) fn queued_address(text: &str) -> Result<Address> {
    Address::parse(text).map_err(|e| Error::new(ErrorKind::Invalid, format!("store: queued address {text}: {e}")))
}

/// BODY= as it is kept.
pub(super) fn body_column(body: BodyKind) -> i64 {
    match body {
        BodyKind::SevenBit => 0,
        BodyKind::EightBit => 1,
        BodyKind::Binary => 2,
    }
}

/// BODY= as it was kept.
pub(super) fn body(column: i64) -> BodyKind {
    match column {
        1 => BodyKind::EightBit,
        2 => BodyKind::Binary,
        _ => BodyKind::SevenBit,
    }
}

/// RET= as it is kept.
pub(super) fn returns_column(returns: Option<Returns>) -> i64 {
    match returns {
        None => 0,
        Some(Returns::Full) => 1,
        Some(Returns::Headers) => 2,
    }
}

/// RET= as it was kept.
pub(super) fn returns(column: i64) -> Option<Returns> {
    match column {
        1 => Some(Returns::Full),
        2 => Some(Returns::Headers),
        _ => None,
    }
}

/// NOTIFY= as it is kept.
pub(super) fn notify_column(notify: Notify) -> i64 {
    i64::from(notify.success)
        | i64::from(notify.failure) << 1
        | i64::from(notify.delay) << 2
        | i64::from(notify.explicit) << 3
}

/// NOTIFY= as it was kept.
pub(super) fn notify(column: i64) -> Notify {
    let bit = |n: u32| column >> n & 1 == 1;
    Notify { success: bit(0), failure: bit(1), delay: bit(2), explicit: bit(3) }
}

/// A recipient's state as it is kept.
pub(super) fn state_column(state: RecipientState) -> i64 {
    match state {
        RecipientState::Waiting => 0,
        RecipientState::Delivered => 1,
        RecipientState::Failed => 2,
    }
}

/// A recipient's state as it was kept.
pub(super) fn state(column: i64) -> RecipientState {
    match column {
        1 => RecipientState::Delivered,
        2 => RecipientState::Failed,
        _ => RecipientState::Waiting,
    }
}

/// An outcome as it is kept.
pub(super) fn outcome_column(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Delivered => 0,
        Outcome::Deferred => 1,
        Outcome::Failed => 2,
        Outcome::Expired => 3,
    }
}

/// An outcome as it was kept.
pub(super) fn outcome(column: i64) -> Outcome {
    match column {
        0 => Outcome::Delivered,
        1 => Outcome::Deferred,
        3 => Outcome::Expired,
        _ => Outcome::Failed,
    }
}

/// What was done with a message, as it is kept.
pub(super) fn disposition_column(disposition: Disposition) -> i64 {
    match disposition {
        Disposition::None => 0,
        Disposition::Quarantine => 1,
        Disposition::Reject => 2,
        Disposition::Pass => 3,
    }
}

/// What was done with a message, as it was kept.
pub(super) fn disposition(column: i64) -> Disposition {
    match column {
        1 => Disposition::Quarantine,
        2 => Disposition::Reject,
        3 => Disposition::Pass,
        _ => Disposition::None,
    }
}

/// The state of a key, as it was kept; it is kept as its number.
pub(super) fn dkim_state(column: i64) -> DkimKeyState {
    match column {
        0 => DkimKeyState::Pending,
        1 => DkimKeyState::Active,
        2 => DkimKeyState::Published,
        _ => DkimKeyState::Retired,
    }
}
