//! Rows of the listing that checks the store: each step of the check gives one row for each disagreement it found, or
//! one row without text, so that a host sees progress and can stop after any step.

use std::collections::VecDeque;

use super::cursor::{MAILCORE_LIST_CHECK, Row};
use super::engine::EngineSeat;
use super::result::Failure;
use crate::store::{Check, CheckStep};

/// The rows of the next step, at least one, and whether it was the last step.
pub(super) fn step(engine: &EngineSeat, check: &mut Check) -> Result<(VecDeque<Row>, bool), Failure> {
    let CheckStep { mut found, done, total, over } = engine.run(check.step())?;
    if found.is_empty() {
        found.push(String::new());
    }
    let row = |what: String| Row {
        kind: MAILCORE_LIST_CHECK,
        id: done,
        size: total,
        texts: [what, String::new(), String::new()],
        ..Row::default()
    };
    Ok((found.into_iter().map(row).collect(), over))
}
