//! Which UIDs new messages get in the model.
//!
//! Mostly the next one. Where COPY and MOVE go in steps there may be gaps: a new message skips the UIDs that a COPY
//! writes to, the COPY begins anew further on, and a message that went meanwhile leaves its UID unused. What is known of
//! real UIDs says which gaps there may be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mailcore::base::{Uid, UidValidity};

use super::act::{Act, Answer, Told};
use super::order::Entry;
use super::state::State;

/// UIDs that are known to be or to have been in a mailbox.
pub type KnownUids = BTreeMap<UidValidity, BTreeSet<Uid>>;

/// Says the UIDs of the messages that one act makes.
#[derive(Debug, Clone)]
pub enum Allot<'a> {
    /// One after the other.
    Next,
    /// These, which its answer told.
    Told(VecDeque<Uid>),
    /// The first of each mailbox gets the next known UID that leaves a gap, the others those behind it.
    Behind(&'a KnownUids, BTreeSet<UidValidity>),
    /// Each gets the next known UID.
    Known(&'a KnownUids),
}

impl Allot<'_> {
    /// The UID of a message new in `folder`, at least `next`.
    pub fn uid(&mut self, folder: UidValidity, next: Uid) -> Uid {
        let known = |uids: &KnownUids, from: Uid| uids.get(&folder)?.range(from..).next().copied();
        match self {
            Allot::Next => next,
            Allot::Told(uids) => uids.pop_front().filter(|uid| *uid >= next).unwrap_or(next),
            Allot::Behind(uids, begun) => match begun.insert(folder) {
                true => known(uids, next + 1).unwrap_or(next),
                false => next,
            },
            Allot::Known(uids) => known(uids, next).unwrap_or(next),
        }
    }
}

/// What the UIDs of the messages of an act may be.
pub fn choices<'a>(entry: &Entry, known: Option<&'a KnownUids>) -> Vec<Allot<'a>> {
    let makes = matches!(entry.act, Act::Append(..) | Act::Deliver(..) | Act::Copy(_) | Act::Rename(..));
    let Some(known) = known.filter(|_| makes) else { return vec![Allot::Next] };
    match &entry.answer {
        Some(Answer::Done(Told::Placed(_, _, uids))) => vec![Allot::Told(uids.iter().copied().collect())],
        Some(Answer::OverQuota | Answer::Refused) => vec![Allot::Next],
        _ => vec![Allot::Next, Allot::Behind(known, BTreeSet::new()), Allot::Known(known)],
    }
}

/// The UIDs that acts, their answers and the state behind them name.
pub fn known_uids(entries: &[Entry], goal: &State) -> KnownUids {
    let mut known = KnownUids::new();
    let mut add = |folder: UidValidity, uids: &[Uid]| known.entry(folder).or_default().extend(uids);
    for entry in entries {
        match &entry.act {
            Act::Store(store) => add(store.folder, &store.uids),
            Act::Expunge(folder, Some(uids), _) => add(*folder, uids),
            Act::Copy(copy) => add(copy.folder, &copy.uids),
            _ => {}
        }
        if let Some(Answer::Done(Told::Placed(folder, _, uids))) = &entry.answer {
            add(*folder, uids);
        }
    }
    for (validity, folder) in goal.holders.iter().flat_map(|holder| &holder.folders) {
        known.entry(*validity).or_default().extend(folder.messages.keys());
    }
    known
}

/// The same state, where UIDNEXT may lie further on than in `state`, as it does in `goal`.
pub fn with_gaps(state: &State, goal: &State) -> State {
    let mut state = state.clone();
    for (holder, goal) in state.holders.iter_mut().zip(&goal.holders) {
        for (validity, folder) in &mut holder.folders {
            if let Some(goal) = goal.folders.get(validity)
                && goal.uid_next > folder.uid_next
            {
                std::sync::Arc::make_mut(folder).uid_next = goal.uid_next;
            }
        }
    }
    state
}
