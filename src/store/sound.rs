//! What a check compares, the same in every body with SQL: a mailbox's messages with its blocks and counts, and the
//! uses of bodies with what is noted of them.

use std::collections::BTreeSet;

use super::row::MailboxRow;
use crate::base::limits::CHECK_BODIES_TOGETHER;
use crate::base::snapshot::Block;
use crate::base::{Flags, ModSeq, Uid};

/// Bit of a mailbox's first keyword.
const FIRST_KEYWORD_BIT: usize = 6;

/// A mailbox under way.
pub(super) struct Under {
    pub row: MailboxRow,
    /// Stretches whose facts are no messages, unless a block says so.
    hidden: Vec<(Uid, Uid)>,
    /// The block to be looked at next.
    pub block: u32,
    pub total: u32,
    unseen: u32,
    deleted: u32,
    octets: u64,
}

/// A row of `fact`, with what it refers to.
pub(super) struct Message {
    pub uid: Uid,
    pub size: i64,
    pub blob: i64,
    pub flags: Flags,
    pub mod_seq: ModSeq,
    pub body: Option<i64>,
    pub described: bool,
}

impl Under {
    /// Before its first block.
    pub fn new(row: MailboxRow, hidden: Vec<(Uid, Uid)>) -> Under {
        Under { row, hidden, block: 0, total: 0, unseen: 0, deleted: 0, octets: 0 }
    }

    /// Messages of one block, which says how they are as far as blocks reach.
    pub fn messages(&mut self, block: Option<&Block>, mut messages: Vec<Message>, tell: &mut impl FnMut(String)) {
        messages.retain(|message| !self.is_hidden(block, message.uid));
        let covered = |message: &&Message| message.uid <= self.row.covered;
        let there: Vec<Uid> = messages.iter().filter(covered).map(|message| message.uid).collect();
        let described = block.map(Block::uids).unwrap_or_default();
        if described != there {
            let odd =
                |uids: &[Uid], others: &[Uid]| uids.iter().find(|uid| others.binary_search(uid).is_err()).copied();
            if let Some(uid) = odd(&there, described) {
                tell(format!("message {uid} is there, and its block does not say so"));
            }
            if let Some(uid) = odd(described, &there) {
                tell(format!("message {uid} is not there, and its block says it is"));
            }
        }
        let known = Flags(u64::MAX >> (64 - (FIRST_KEYWORD_BIT + self.row.keywords.len()).min(64)));
        for message in messages {
            let place = described.binary_search(&message.uid).ok();
            let stated = place.and_then(|place| block?.get(place));
            let (flags, mod_seq) =
                stated.map_or((message.flags, message.mod_seq), |stated| (stated.flags, stated.mod_seq));
            let uid = message.uid;
            self.total += 1;
            self.unseen += u32::from(!flags.contains(Flags::SEEN));
            self.deleted += u32::from(flags.contains(Flags::DELETED));
            self.octets = self.octets.saturating_add(message.size as u64);
            if flags.0 & !known.0 != 0 {
                tell(format!("message {uid} has a keyword that the mailbox does not"));
            }
            if mod_seq > self.row.mod_seq {
                tell(format!("message {uid} has modification sequence {mod_seq}, the highest is {}", self.row.mod_seq));
            }
            if uid >= self.row.uid_next {
                tell(format!("message {uid} is there, the next one is to be {}", self.row.uid_next));
            }
            match message.body {
                None => tell(format!("message {uid} has no body: {} is not there", message.blob)),
                Some(size) if size != message.size => {
                    tell(format!("message {uid} says {} octets, its body has {size}", message.size));
                }
                Some(_) if !message.described => tell(format!("message {uid} has a body that is not described")),
                Some(_) => {}
            }
        }
    }

    /// Whether the fact of this UID is in a hidden stretch, and no block says that it is a message.
    fn is_hidden(&self, block: Option<&Block>, uid: Uid) -> bool {
        self.hidden.iter().any(|(first, last)| (*first..=*last).contains(&uid))
            && block.is_none_or(|block| block.uids().binary_search(&uid).is_err())
    }

    /// What the mailbox's row counts, and what is there.
    pub fn counts(&self, tell: &mut impl FnMut(String)) {
        let row = &self.row;
        let pairs: [(&str, u64, u64); 4] = [
            ("messages", row.total.into(), self.total.into()),
            ("messages without \\Seen", row.unseen.into(), self.unseen.into()),
            ("messages with \\Deleted", row.deleted.into(), self.deleted.into()),
            ("octets", row.octets, self.octets),
        ];
        for (what, counted, there) in pairs {
            if counted != there {
                tell(format!("counts {counted} {what}, there are {there}"));
            }
        }
    }
}

/// Counting the uses of bodies whose ids lie together, then comparing them.
pub(super) struct Uses {
    pub first: i64,
    counts: Vec<u32>,
    pub dead: BTreeSet<i64>,
    pub stage: Counting,
}

/// How far it is.
pub(super) enum Counting {
    /// Messages behind this one are still to be counted.
    Messages(i64, i64),
    /// What is queued, and the list of the dead.
    Others,
    /// Bodies above this one are still to be compared.
    Compare(i64),
}

impl Uses {
    /// Bodies above `after`.
    pub fn from(after: i64) -> Uses {
        let counts = vec![0; CHECK_BODIES_TOGETHER];
        Uses { first: after.saturating_add(1), counts, dead: BTreeSet::new(), stage: Counting::Messages(0, -1) }
    }

    /// Counts one use.
    pub fn count(&mut self, blob: i64) {
        let at = blob.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(count) = at.and_then(|at| self.counts.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }

    fn of(&self, blob: i64) -> u32 {
        let at = blob.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// The last id of those counted together.
    pub fn last(&self) -> i64 {
        self.first.saturating_add(CHECK_BODIES_TOGETHER as i64 - 1)
    }

    /// Compares what is noted of a body with what was counted.
    pub fn compare(&mut self, id: i64, noted: Option<i64>, found: &mut Vec<String>) {
        let (used, dead) = (self.of(id), self.dead.remove(&id));
        let expected = (used > 1).then_some(i64::from(used));
        if noted != expected {
            let noted = noted.map_or("1 or none".to_owned(), |n| n.to_string());
            found.push(format!("body {id} is used {used} times, noted are {noted}"));
        }
        match (used, dead) {
            (0, false) => found.push(format!("body {id} is used by nothing and does not wait to be removed")),
            (1.., true) => found.push(format!("body {id} is used and waits to be removed")),
            _ => {}
        }
    }
}
