//! Looks for an order in which acts of several users explain what was answered and what the store holds.
//!
//! Each act happened at one moment between its question and its answer, wholly or not at all. One that was not
//! answered, or answered with an error of the disk, may have happened or not. Where no order of the acts gives the
//! answers and the state that was found, something acknowledged was lost, or something happened that nobody asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailcore::base::UidValidity;

use super::act::{Act, Answer, Told, outcomes};
use super::allot::{KnownUids, choices, known_uids, with_gaps};
use super::state::{State, difference};

/// Orders looked at before a search is given up: an error of the campaign, not of the store.
const NODES_MAX: usize = 300_000;

/// One act, when it was asked and when it was answered: counted by a clock that ticks at both.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The account.
    pub who: usize,
    /// What was asked.
    pub act: Act,
    /// When.
    pub began: usize,
    /// When it was answered.
    pub ended: Option<usize>,
    /// The answer; `None` where it says nothing for sure.
    pub answer: Option<Answer>,
}

impl Entry {
    fn ended_before(&self, other: &Entry) -> bool {
        self.ended.is_some_and(|ended| ended < other.began)
    }
}

/// Mailboxes that the name of an act may have meant, by the act.
type Meant = BTreeMap<usize, BTreeSet<Option<UidValidity>>>;

struct Search<'a> {
    entries: &'a [Entry],
    goal: &'a State,
    /// Real UIDs, where there may be gaps between them.
    known: Option<KnownUids>,
    /// Acts as they are tried: those that must have happened first, in the order of their answers.
    tried: Vec<usize>,
    seen: BTreeSet<(u128, State, Meant)>,
    nodes: usize,
    /// How far it came, and what was wrong there.
    best: (usize, String),
}

/// None where the acts explain how `base` became `goal`; else what is wrong. `gaps`: UIDs may have gaps.
pub fn unexplained(base: &State, entries: &[Entry], goal: &State, gaps: bool) -> Option<String> {
    assert!(entries.len() <= 128, "too many acts between two looks: {}", entries.len());
    let mut tried: Vec<usize> = (0..entries.len()).collect();
    tried.sort_by_key(|i| (entries[*i].answer.is_none(), entries[*i].ended));
    let best = (0, "nothing fits".to_owned());
    let mut search = Search {
        entries,
        goal,
        known: gaps.then(|| known_uids(entries, goal)),
        tried,
        seen: BTreeSet::new(),
        nodes: 0,
        best,
    };
    if search.explains(0, base, &Meant::new()) {
        return None;
    }
    let all = entries.iter().map(|entry| format!("  {entry:?}\n")).collect::<String>();
    Some(format!("{}\nacts:\n{all}", search.best.1))
}

impl Search<'_> {
    /// Whether the acts outside of `done` lead from `state` to the goal.
    fn explains(&mut self, done: u128, state: &State, meant: &Meant) -> bool {
        let left = |i: &usize| done & (1 << i) == 0;
        let required = |i: &usize| self.entries[*i].answer.is_some();
        let missing = (0..self.entries.len()).filter(|i| left(i) && required(i)).count();
        if missing == 0 && (state == self.goal || (self.known.is_some() && with_gaps(state, self.goal) == *self.goal)) {
            return true;
        }
        if !self.seen.insert((done, state.clone(), meant.clone())) {
            return false;
        }
        self.nodes += 1;
        assert!(self.nodes < NODES_MAX, "too many orders of {} acts", self.entries.len());
        if missing == 0 {
            self.remark(usize::MAX, || difference(state, self.goal));
        }
        let rest: Vec<usize> = self.tried.iter().copied().filter(left).collect();
        for next in &rest {
            if self.may_be_next(*next, &rest, done) && self.tries(*next, &rest, done, state, meant, missing) {
                return true;
            }
        }
        false
    }

    fn may_be_next(&self, next: usize, rest: &[usize], done: u128) -> bool {
        let entry = &self.entries[next];
        let other = |i: &usize| &self.entries[*i];
        let waits = rest.iter().any(|i| *i != next && other(i).answer.is_some() && other(i).ended_before(entry));
        // A commit in doubt lies before each commit that was asked for after it had failed.
        let late = || {
            let after = (0..self.entries.len()).filter(|i| done & (1 << i) != 0);
            entry.answer.is_none()
                && after.map(|i| other(&i)).any(|done| done.act.changes() && entry.ended_before(done))
        };
        !waits && !late()
    }

    fn tries(&mut self, next: usize, rest: &[usize], done: u128, state: &State, meant: &Meant, missing: usize) -> bool {
        let entries = self.entries;
        let entry = &entries[next];
        let of = |i: usize| {
            let name = entries[i].act.looks_up()?;
            Some(state.holders[entries[i].who].names.get(name).copied())
        };
        let mut mine = meant.get(&next).cloned().unwrap_or_default();
        mine.extend(of(next));
        // Names that others may have looked up before this one.
        let mut later = meant.clone();
        later.remove(&next);
        let began_before = |i: &usize| *i != next && entry.ended.is_none_or(|ended| entries[*i].began < ended);
        for other in rest.iter().copied().filter(began_before) {
            if let Some(found) = of(other) {
                later.entry(other).or_default().insert(found);
            }
        }
        let known = self.known.clone();
        let choices = choices(entry, known.as_ref());
        let after = choices.iter().flat_map(|allot| outcomes(state, entry.who, &entry.act, &mine, allot));
        for (mut after, answer) in after.collect::<Vec<_>>() {
            match &entry.answer {
                Some(heard)
                    if known.is_some()
                        && skips(&mut after, entry.who, heard, &answer)
                        && self.explains(done | 1 << next, &after, &later) =>
                {
                    return true;
                }
                Some(heard) if *heard != answer => {
                    let entry = format!("{entry:?}");
                    self.remark(entries.len() - missing, || format!("{entry}: it should be {answer:?}"));
                }
                _ if self.explains(done | 1 << next, &after, &later) => return true,
                _ => {}
            }
        }
        false
    }

    fn remark(&mut self, depth: usize, what: impl FnOnce() -> String) {
        if depth > self.best.0 || self.best.0 == 0 {
            self.best = (depth, what());
        }
    }
}

/// Whether the selected mailbox was said to have a UIDNEXT further on, and all else as it should be: so it is then.
fn skips(state: &mut State, who: usize, heard: &Answer, answer: &Answer) -> bool {
    let (Answer::Done(Told::Selected(validity, uid_next, ..)), Answer::Done(Told::Selected(_, next, mod_seq, count))) =
        (heard, answer)
    else {
        return false;
    };
    let same = *heard == Answer::Done(Told::Selected(*validity, *uid_next, *mod_seq, *count));
    let folder = state.holders[who].folders.get_mut(validity).filter(|_| same && uid_next > next);
    folder.map(|folder| Arc::make_mut(folder).uid_next = *uid_next).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::state::{Folder, Holder};
    use super::*;

    fn base() -> State {
        let mut holder = Holder::default();
        holder.names.insert("INBOX".to_owned(), 1);
        holder.folders.insert(1, Arc::new(Folder::new(true)));
        State { holders: vec![holder], uid_validity: 1 }
    }

    fn entry(act: Act, began: usize, ended: usize, answer: Option<Answer>) -> Entry {
        Entry { who: 0, act, began, ended: Some(ended), answer }
    }

    fn done() -> Option<Answer> {
        Some(Answer::Done(Told::Nothing))
    }

    #[test]
    fn an_order_is_found_or_there_is_none() {
        let create = entry(Act::Create("a".to_owned()), 0, 3, done());
        let rename = entry(Act::Rename("a".to_owned(), "b".to_owned()), 1, 2, done());
        let mut goal = base();
        goal.holders[0].names.insert("b".to_owned(), 2);
        goal.holders[0].folders.insert(2, Arc::new(Folder::new(true)));
        goal.uid_validity = 2;
        assert_eq!(unexplained(&base(), &[create.clone(), rename.clone()], &goal, false), None);
        let late = entry(create.act.clone(), 3, 4, done());
        assert!(
            unexplained(&base(), &[late, rename.clone()], &goal, false).is_some(),
            "a RENAME of what came after it"
        );
        assert!(
            unexplained(&base(), std::slice::from_ref(&create), &goal, false).is_some(),
            "a RENAME nobody asked for"
        );
        assert!(unexplained(&base(), &[create, rename], &base(), false).is_some(), "both lost");
    }

    #[test]
    fn what_is_in_doubt_may_have_happened() {
        let doubt = entry(Act::Create("a".to_owned()), 0, 1, None);
        let mut goal = base();
        assert_eq!(unexplained(&base(), std::slice::from_ref(&doubt), &goal, false), None);
        goal.holders[0].names.insert("a".to_owned(), 2);
        goal.holders[0].folders.insert(2, Arc::new(Folder::new(true)));
        goal.uid_validity = 2;
        assert_eq!(unexplained(&base(), std::slice::from_ref(&doubt), &goal, false), None);
        let later = entry(Act::Append("a".to_owned(), 0, 7, 9), 2, 3, Some(Answer::Refused));
        assert!(unexplained(&base(), &[doubt, later], &goal, false).is_some(), "it was not there later, and now is");
    }

    #[test]
    fn a_name_may_be_looked_up_before_it_changes() {
        let append = entry(Act::Append("INBOX".to_owned(), 0, 7, 9), 0, 9, None);
        let mut base = base();
        base.holders[0].names.insert("a".to_owned(), 2);
        base.holders[0].folders.insert(2, Arc::new(Folder::new(true)));
        let placed = |uid| Some(Answer::Done(Told::Placed(2, Vec::new(), vec![uid])));
        let to_a = Entry { act: Act::Append("a".to_owned(), 0, 7, 9), answer: placed(2), ..append.clone() };
        let rename = entry(Act::Rename("a".to_owned(), "b".to_owned()), 1, 2, done());
        let to_b = entry(Act::Append("b".to_owned(), 0, 8, 9), 3, 4, placed(1));
        let mut goal = base.clone();
        let holder = &mut goal.holders[0];
        holder.names.remove("a");
        holder.names.insert("b".to_owned(), 2);
        let folder = Arc::make_mut(holder.folders.get_mut(&2).unwrap());
        (folder.uid_next, folder.mod_seq) = (3, 3);
        for (uid, letter) in [(1, 8), (2, 7)] {
            let message = super::super::state::Message { flags: 0, mod_seq: u64::from(uid) + 1, letter, size: 9 };
            folder.messages.insert(uid, message);
        }
        assert_eq!(unexplained(&base, &[to_a, rename, to_b], &goal, false), None);
    }
}
