//! What all users of a campaign asked and were answered since the last look at the store.

use std::collections::BTreeMap;
use std::sync::Mutex;

use mailcore::base::{Uid, UidValidity};

use super::act::{Act, Answer};
use super::order::Entry;
use crate::disk::{SimDisk, lock};
use crate::model::Shared;

/// Shared by users; one for each boot of the machine.
pub struct Board {
    disk: SimDisk,
    /// What no two sessions may be told differently.
    pub told: Shared,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    noted: Vec<Noted>,
    clock: usize,
    /// The disk may fail: an error is an answer, and what is read may not be durable.
    trouble: bool,
    doubts: usize,
    letters: BTreeMap<(UidValidity, Uid), u64>,
}

/// An act, and how far the record of the disk was when it was asked and answered.
#[derive(Debug, Clone)]
pub struct Noted {
    entry: Entry,
    /// It is known that it did not happen.
    undone: bool,
    marks: (usize, usize),
}

impl Noted {
    /// As if it had been answered when it was asked.
    pub fn answered_at_once(&mut self) {
        self.marks.1 = self.marks.1.min(self.marks.0);
    }

    /// Whether it was answered for sure.
    pub fn is_sure(&self) -> bool {
        self.entry.answer.is_some()
    }
}

/// What an answer says of an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It happened so, or was refused for a reason that the model must know.
    Sure(Answer),
    /// It did not happen, for reasons of the disk.
    Undone,
    /// It may have happened.
    Doubt,
}

impl Board {
    /// An empty one.
    pub fn new(disk: SimDisk) -> Board {
        Board { disk, told: Shared::default(), inner: Mutex::default() }
    }

    /// An act is asked. Gives its number.
    pub fn ask(&self, who: usize, act: Act) -> usize {
        let mark = self.disk.recorded();
        let mut inner = lock(&self.inner);
        inner.clock += 1;
        let entry = Entry { who, act, began: inner.clock, ended: None, answer: None };
        inner.noted.push(Noted { entry, undone: false, marks: (mark, usize::MAX) });
        inner.noted.len() - 1
    }

    /// It was answered.
    pub fn answer(&self, number: usize, outcome: Outcome) {
        let mark = self.disk.recorded();
        let mut inner = lock(&self.inner);
        inner.clock += 1;
        let clock = inner.clock;
        inner.doubts += usize::from(outcome == Outcome::Doubt);
        let noted = &mut inner.noted[number];
        (noted.entry.ended, noted.marks.1) = (Some(clock), mark);
        match outcome {
            Outcome::Sure(answer) => noted.entry.answer = Some(answer),
            Outcome::Undone => noted.undone = true,
            Outcome::Doubt => {}
        }
    }

    /// The disk may fail from now on, or may not.
    pub fn set_trouble(&self, trouble: bool) {
        lock(&self.inner).trouble = trouble;
    }

    /// Whether the disk may fail.
    pub fn is_trouble(&self) -> bool {
        lock(&self.inner).trouble
    }

    /// Acts in doubt since the last look.
    pub fn doubts(&self) -> usize {
        lock(&self.inner).doubts
    }

    /// A text was read: it must be the one that everybody reads there.
    pub fn read(&self, folder: UidValidity, uid: Uid, letter: u64) {
        let was = *lock(&self.inner).letters.entry((folder, uid)).or_insert(letter);
        assert_eq!(was, letter, "mailbox {folder}, UID {uid}: another text than before");
    }

    /// What was noted since the last look; all that was not answered by now is in doubt.
    pub fn take(&self) -> Vec<Noted> {
        let mut inner = lock(&self.inner);
        (inner.clock, inner.doubts) = (0, 0);
        std::mem::take(&mut inner.noted)
    }
}

/// Acts for the search of their order.
pub fn entries(noted: &[Noted]) -> Vec<Entry> {
    let happened = noted.iter().filter(|noted| !noted.undone && is_kept(&noted.entry));
    happened.map(|noted| noted.entry.clone()).collect()
}

/// The same where the power went at this place of the disk's record.
pub fn entries_at(noted: &[Noted], cut: usize) -> Vec<Entry> {
    let began = noted.iter().filter(|noted| noted.marks.0 <= cut);
    let as_of_cut = began.map(|noted| match noted.marks.1 <= cut {
        true => noted.clone(),
        false => {
            let entry = Entry { ended: None, answer: None, ..noted.entry.clone() };
            Noted { entry, undone: false, ..noted.clone() }
        }
    });
    entries(&as_of_cut.collect::<Vec<_>>())
}

/// A look that was not answered tells nothing.
fn is_kept(entry: &Entry) -> bool {
    entry.act.changes() || entry.answer.is_some()
}
