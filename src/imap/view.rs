//! What a session has told its client of the open mailbox, and what changed since.
//!
//! A view is compared with the next state as a whole (level-triggered): there is no queue of changes that could
//! overflow. While EXPUNGE must be held back (RFC 9051 §7.5.1) expunged messages stay in the view as ghosts, so that
//! message numbers keep their meaning.

use std::sync::Arc;

use crate::base::{Flags, ModSeq, Uid};

/// A mailbox as a client knows it. The three lists run in step, UIDs ascending.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct View {
    /// UIDs by place; the message number is the place plus one.
    pub uids: Arc<Vec<Uid>>,
    /// Flags.
    pub flags: Arc<Vec<Flags>>,
    /// Modification sequences.
    pub mod_seqs: Arc<Vec<ModSeq>>,
    /// Keywords by index.
    pub keywords: Arc<Vec<String>>,
    /// HIGHESTMODSEQ.
    pub mod_seq: ModSeq,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// Raised by every expunge.
    pub expunges: u64,
}

/// What a client must be told, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Message numbers of expunged messages, descending, so that each still means what it says when it comes.
    pub expunged: Vec<usize>,
    /// Their UIDs, ascending.
    pub vanished: Vec<Uid>,
    /// The new number of messages, where there are new ones.
    pub exists: Option<usize>,
    /// Whether the mailbox has keywords it had not.
    pub keywords: bool,
    /// Places, in the new view, of known messages whose flags changed.
    pub flags: Vec<usize>,
}

impl View {
    /// Number of messages.
    pub fn count(&self) -> usize {
        self.uids.len()
    }

    /// UID at a place.
    pub fn uid(&self, place: usize) -> Option<Uid> {
        self.uids.get(place).copied()
    }

    /// Place of a UID.
    pub fn place(&self, uid: Uid) -> Option<usize> {
        self.uids.binary_search(&uid).ok()
    }

    /// Becomes `new` and says what changed. Without `may_expunge`, messages that are gone stay.
    pub fn update(&mut self, new: View, may_expunge: bool) -> Changes {
        let mut changes = Changes { keywords: new.keywords.len() != self.keywords.len(), ..Changes::default() };
        let new = if new.expunges == self.expunges || new.uids == self.uids {
            new
        } else if may_expunge {
            for (place, uid) in self.uids.iter().enumerate() {
                if new.place(*uid).is_none() {
                    changes.expunged.push(place + 1);
                    changes.vanished.push(*uid);
                }
            }
            changes.expunged.reverse();
            new
        } else {
            self.with_ghosts(new)
        };
        let kept = self.count() - changes.expunged.len();
        changes.exists = (new.count() > kept).then_some(new.count());
        if new.mod_seq > self.mod_seq {
            let known = self.mod_seq;
            let changed = new.mod_seqs.iter().take(kept).enumerate().filter(|(_, m)| **m > known);
            changes.flags = changed.map(|(place, _)| place).collect();
        }
        *self = new;
        changes
    }

    /// `new` with the messages of this view that it has no more. Its `expunges` stays this view's, so that the
    /// next update tells of them.
    fn with_ghosts(&self, new: View) -> View {
        let mut uids = Vec::with_capacity(new.count() + 1);
        let mut flags = Vec::with_capacity(new.count() + 1);
        let mut mod_seqs = Vec::with_capacity(new.count() + 1);
        let mut rows = |view: &View, place: usize| {
            uids.push(view.uids.get(place).copied().unwrap_or_default());
            flags.push(view.flags.get(place).copied().unwrap_or_default());
            mod_seqs.push(view.mod_seqs.get(place).copied().unwrap_or_default());
        };
        let mut next = 0;
        for (place, uid) in self.uids.iter().enumerate() {
            if new.uid(next) == Some(*uid) {
                rows(&new, next);
                next += 1;
            } else {
                rows(self, place);
            }
        }
        for place in next..new.count() {
            rows(&new, place);
        }
        View {
            uids: Arc::new(uids),
            flags: Arc::new(flags),
            mod_seqs: Arc::new(mod_seqs),
            expunges: self.expunges,
            ..new
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(rows: &[(Uid, u64, ModSeq)], expunges: u64) -> View {
        View {
            uids: Arc::new(rows.iter().map(|r| r.0).collect()),
            flags: Arc::new(rows.iter().map(|r| Flags(r.1)).collect()),
            mod_seqs: Arc::new(rows.iter().map(|r| r.2).collect()),
            mod_seq: rows.iter().map(|r| r.2).max().unwrap_or(1),
            expunges,
            ..View::default()
        }
    }

    #[test]
    fn flags_and_new_messages() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2)], 0);
        let changes = known.update(view(&[(1, 2, 5), (3, 0, 2), (4, 0, 6)], 0), true);
        assert_eq!(changes, Changes { exists: Some(3), flags: vec![0], ..Changes::default() });
        let same = known.clone();
        assert_eq!(known.update(same, true), Changes::default());
    }

    #[test]
    fn expunges_come_from_behind() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2), (5, 0, 3), (9, 0, 4)], 0);
        let changes = known.update(view(&[(3, 2, 8), (10, 0, 9)], 3), true);
        let wanted = Changes {
            expunged: vec![4, 3, 1],
            vanished: vec![1, 5, 9],
            exists: Some(2),
            flags: vec![0],
            keywords: false,
        };
        assert_eq!(changes, wanted);
        assert_eq!(known.count(), 2);
    }

    #[test]
    fn held_back_expunges_leave_ghosts() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2), (5, 0, 3)], 0);
        let now = view(&[(1, 2, 7), (5, 0, 3), (6, 0, 6)], 1);
        let changes = known.update(now.clone(), false);
        assert_eq!(changes, Changes { exists: Some(4), flags: vec![0], ..Changes::default() });
        assert_eq!(*known.uids, [1, 3, 5, 6]);
        assert_eq!(known.update(now.clone(), false), Changes::default());
        let changes = known.update(now.clone(), true);
        assert_eq!(changes, Changes { expunged: vec![2], vanished: vec![3], ..Changes::default() });
        assert_eq!(known, now);
    }

    #[test]
    fn any_two_states_agree_with_a_plain_replay() {
        let mut seed = 7u64;
        let mut random = |n: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % n
        };
        let (mut now, mut next_uid, mut mod_seq, mut expunges) = (Vec::<(Uid, u64, ModSeq)>::new(), 1, 1, 0);
        let mut known = view(&[], 0);
        let mut client: Vec<(Uid, u64)> = Vec::new();
        for _ in 0..2_000 {
            for _ in 0..random(4) {
                mod_seq += 1;
                match random(3) {
                    0 => {
                        now.push((next_uid, 0, mod_seq));
                        next_uid += 1;
                    }
                    1 if !now.is_empty() => {
                        now.remove(random(now.len() as u64) as usize);
                        expunges += 1;
                    }
                    2 if !now.is_empty() => {
                        let at = random(now.len() as u64) as usize;
                        now[at].1 = random(1000);
                        now[at].2 = mod_seq;
                    }
                    _ => {}
                }
            }
            let mut state = view(&now, expunges);
            state.mod_seq = mod_seq;
            let may_expunge = random(2) == 0;
            let changes = known.update(state, may_expunge);
            for n in &changes.expunged {
                client.remove(n - 1);
            }
            for place in &changes.flags {
                client[*place].1 = known.flags[*place].0;
            }
            for place in client.len()..changes.exists.unwrap_or(client.len()) {
                client.push((known.uids[place], known.flags[place].0));
            }
            if may_expunge {
                assert_eq!(client, now.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>());
            }
            assert_eq!(client.len(), known.count());
        }
    }
}
