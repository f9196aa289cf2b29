//! Rows of the listing that checks the store: each step of the check gives one row for each disagreement it found, or
//! one row without text, so that a host sees progress and can stop after any step.

use std::collections::VecDeque;

use super::cursor::{ListRow, MAILCORE_LIST_CHECK};
use super::engine::EngineSeat;
use super::result::Failure;
use crate::store::{Check, CheckStep};

/// The rows of the next step, at least one, and whether it was the last step.
pub(super) fn step(engine: &EngineSeat, check: &mut Check) -> Result<(VecDeque<ListRow>, bool), Failure> {
    let CheckStep { mut found, done, total, over } = engine.run(check.step())?;
    if found.is_empty() {
        found.push(String::new());
    }
    let row = |what: String| ListRow {
        kind: MAILCORE_LIST_CHECK,
        id: done,
        size: total,
        texts: [what, String::new(), String::new()],
        ..ListRow::default()
    };
    Ok((found.into_iter().map(row).collect(), over))
}
