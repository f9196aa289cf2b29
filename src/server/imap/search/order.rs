//! The order that SORT wants (RFC 5256 §3).

use std::cmp::Ordering;

use crate::base::UidSet;
use crate::base::snapshot::Messages;
use crate::imap::command::{Criterion, SortKey};
use crate::imap::response::Completion;
use crate::imap::sequence::Places;
use crate::os::aside::aside;
use crate::server::Shared;
use crate::store::{SortTable, SortText};

use super::super::refusal::Stop;
use super::test::Question;

/// The places of `found` sorted, on a computing thread. `scores` says how well each fits; empty where that is not
/// asked.
pub(super) async fn sorted(
    shared: &Shared,
    question: &Question,
    found: &Places,
    criteria: &[Criterion],
    scores: &[u8],
) -> Result<Vec<usize>, Stop> {
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let messages = question.view.messages.clone();
    let uids: UidSet = found.uids(&messages);
    let table = shared.store.sort_table(question.mailbox, &uids).await?;
    let (found, criteria, scores) = (found.clone(), criteria.to_vec(), scores.to_vec());
    let job = move || sort(&table, &messages, &found, &criteria, &scores);
    let order = aside(&*shared.world.run, false, job).await;
    Ok(order.map_err(|_| Completion::no("UNAVAILABLE", "Server shutting down"))?)
}

/// A message to be sorted.
struct SortedMessage {
    place: usize,
    /// Its line in the table; one beyond all for a message that has gone.
    line: usize,
    score: u8,
    /// The beginning of what is compared first.
    first: u64,
}

fn sort(table: &SortTable, messages: &Messages, found: &Places, criteria: &[Criterion], scores: &[u8]) -> Vec<usize> {
    let leading = criteria.first().map(|criterion| criterion.key);
    let mut rows = Vec::with_capacity(found.count());
    for (first, part) in found.parts(messages) {
        for (place, uid) in (first..).zip(part.uids) {
            let line = table.line(*uid).unwrap_or(usize::MAX);
            let score = scores.get(rows.len()).copied().unwrap_or(0);
            rows.push(SortedMessage {
                place,
                line,
                score,
                first: leading.map_or(0, |key| beginning(table, line, score, key)),
            });
        }
    }
    let reversed = criteria.first().is_some_and(|criterion| criterion.reverse);
    rows.sort_unstable_by(|one, other| {
        let first = one.first.cmp(&other.first);
        let first = if reversed { first.reverse() } else { first };
        first.then_with(|| compare(table, one, other, criteria)).then_with(|| one.place.cmp(&other.place))
    });
    rows.into_iter().map(|row| row.place).collect()
}

/// The beginning of a key as a number: where it differs it decides.
fn beginning(table: &SortTable, line: usize, score: u8, key: SortKey) -> u64 {
    let date = |milliseconds: i64| (milliseconds as u64) ^ 1 << 63;
    match text_of(key) {
        Some(text) => {
            let mut octets = [0; 8];
            octets.iter_mut().zip(table.text(line, text).bytes()).for_each(|(to, from)| *to = from);
            u64::from_be_bytes(octets)
        }
        None => match key {
            SortKey::Arrival => date(table.arrived(line).0),
            SortKey::Date => date(table.sent(line).0),
            SortKey::Relevancy => 100 - u64::from(score.min(100)),
            _ => table.size(line),
        },
    }
}

fn compare(table: &SortTable, one: &SortedMessage, other: &SortedMessage, criteria: &[Criterion]) -> Ordering {
    let (scores, one, other) = (other.score.cmp(&one.score), one.line, other.line);
    let by = |criterion: &Criterion| {
        let order = match (text_of(criterion.key), criterion.key) {
            (Some(text), _) => table.text(one, text).cmp(table.text(other, text)),
            (None, SortKey::Arrival) => table.arrived(one).cmp(&table.arrived(other)),
            (None, SortKey::Date) => table.sent(one).cmp(&table.sent(other)),
            (None, SortKey::Relevancy) => scores,
            (None, _) => table.size(one).cmp(&table.size(other)),
        };
        if criterion.reverse { order.reverse() } else { order }
    };
    criteria.iter().map(by).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// The text that a criterion compares, where it compares one.
fn text_of(key: SortKey) -> Option<SortText> {
    match key {
        SortKey::Arrival | SortKey::Date | SortKey::Relevancy | SortKey::Size => None,
        SortKey::Cc => Some(SortText::Cc),
        SortKey::DisplayFrom => Some(SortText::DisplayFrom),
        SortKey::DisplayTo => Some(SortText::DisplayTo),
        SortKey::From => Some(SortText::From),
        SortKey::Subject => Some(SortText::Subject),
        SortKey::To => Some(SortText::To),
    }
}
