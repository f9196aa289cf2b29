//! What a session has told its client of the open mailbox, and what changed since.
//!
//! The snapshot a client knows is compared with the present one as a whole (level-triggered): there is no queue of
//! changes that could overflow. Blocks that both share are passed over. While EXPUNGE must be held back (RFC 9051
//! §7.5.1) expunged messages stay in the client's snapshot as ghosts, so that message numbers keep their meaning.

use std::iter::Peekable;
use std::sync::Arc;

use crate::base::snapshot::{Block, Message, Messages};
use crate::base::{ModSeq, Snapshot, Uid};

use super::sequence::Places;

/// What a client must be told, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Message numbers of expunged messages, descending, so that each still means what it says when it comes.
    pub expunged: Vec<usize>,
    /// Their UIDs, ascending.
    pub vanished: Vec<Uid>,
    /// The new number of messages, where there are new ones.
    pub exists: Option<usize>,
    /// Whether the mailbox has other keywords than it had.
    pub keywords: bool,
    /// Places, in the new snapshot, of known messages whose flags changed.
    pub flags: Places,
}

/// `known`, what a client was told, becomes `new`. Gives what changed. Without `may_expunge`, messages that are gone
/// stay.
pub fn update(known: &mut Snapshot, new: Snapshot, may_expunge: bool) -> Changes {
    let mut changes = Changes { keywords: new.keywords != known.keywords, ..Changes::default() };
    let new = if new.expunges == known.expunges {
        new
    } else if may_expunge {
        for (place, uid) in gone(&known.messages, &new.messages) {
            changes.expunged.push(place + 1);
            changes.vanished.push(uid);
        }
        changes.expunged.reverse();
        new
    } else {
        with_ghosts(known, new)
    };
    let kept = known.count() - changes.expunged.len();
    changes.exists = (new.count() > kept).then_some(new.count());
    if new.mod_seq > known.mod_seq {
        changes.flags = changed(&known.messages, &new.messages, kept, known.mod_seq);
    }
    *known = new;
    changes
}

/// Messages of `known` that `new` has not: place and UID.
fn gone(known: &Messages, new: &Messages) -> Vec<(usize, Uid)> {
    let mut gone = Vec::new();
    for (before, block, now) in known.beside(new) {
        if now.is_some_and(|now| Arc::ptr_eq(now, block)) {
            continue;
        }
        let mut now = now.map_or(&[] as &[Uid], |now| now.uids());
        for (place, uid) in (before..).zip(block.uids()) {
            now = now.get(now.partition_point(|other| other < uid)..).unwrap_or_default();
            if now.first() != Some(uid) {
                gone.push((place, *uid));
            }
        }
    }
    gone
}

/// Places in `new`, below `kept`, of messages that changed after `since`.
fn changed(known: &Messages, new: &Messages, kept: usize, since: ModSeq) -> Places {
    let mut places = Places::default();
    for (before, block, old) in new.beside(known).take_while(|(before, ..)| *before < kept) {
        if old.is_some_and(|old| Arc::ptr_eq(old, block)) {
            continue;
        }
        let newer = (before..kept).zip(block.mod_seqs()).filter(|(_, mod_seq)| **mod_seq > since);
        newer.for_each(|(place, _)| places.push(place));
    }
    places
}

/// `new` with the messages of `known` that it has no more. Its `expunges` stays that of `known`, so that the next
/// update tells of them.
fn with_ghosts(known: &Snapshot, new: Snapshot) -> Snapshot {
    let mut messages = Messages::default();
    let mut old = known.messages.blocks().map(|(_, block)| block).peekable();
    let mut now = new.messages.blocks().map(|(_, block)| block).peekable();
    while let Some(number) = lowest(&mut old, &mut now) {
        let old = old.next_if(|block| block.number() == number);
        let now = now.next_if(|block| block.number() == number);
        match (old, now) {
            (Some(old), Some(now)) if !Arc::ptr_eq(old, now) => messages.push_block(merged(old, now)),
            (Some(block), _) | (None, Some(block)) => messages.push_shared(block.clone()),
            (None, None) => break,
        }
    }
    Snapshot { messages, expunges: known.expunges, ..new }
}

/// The number of the next block of either list.
fn lowest<'a>(
    old: &mut Peekable<impl Iterator<Item = &'a Arc<Block>>>,
    now: &mut Peekable<impl Iterator<Item = &'a Arc<Block>>>,
) -> Option<u32> {
    match (old.peek(), now.peek()) {
        (Some(old), Some(now)) => Some(old.number().min(now.number())),
        (Some(block), None) | (None, Some(block)) => Some(block.number()),
        (None, None) => None,
    }
}

/// The messages of both blocks, those of `now` where both have one.
fn merged(old: &Block, now: &Block) -> Block {
    let mut block = Block::default();
    let mut now = now.iter().peekable();
    for ghost in old.iter() {
        while let Some(message) = now.next_if(|message: &Message| message.uid < ghost.uid) {
            block.push(message);
        }
        block.push(now.next_if(|message| message.uid == ghost.uid).unwrap_or(ghost));
    }
    now.for_each(|message| block.push(message));
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Flags, MailboxId};

    fn view(rows: &[(Uid, u64, ModSeq)], expunges: u64) -> Snapshot {
        Snapshot {
            mailbox: MailboxId(1),
            uid_validity: 1,
            uid_next: 1,
            keywords: Arc::default(),
            messages: Messages::of(rows.iter().map(|r| Message { uid: r.0, flags: Flags(r.1), mod_seq: r.2 })),
            mod_seq: rows.iter().map(|r| r.2).max().unwrap_or(1),
            expunges,
            recent_from: 1,
        }
    }

    #[test]
    fn flags_and_new_messages() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2)], 0);
        let changes = update(&mut known, view(&[(1, 2, 5), (3, 0, 2), (4, 0, 6)], 0), true);
        assert_eq!(changes, Changes { exists: Some(3), flags: Places::first(1), ..Changes::default() });
        let same = known.clone();
        assert_eq!(update(&mut known, same, true), Changes::default());
    }

    #[test]
    fn expunges_come_from_behind() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2), (5, 0, 3), (9, 0, 4)], 0);
        let changes = update(&mut known, view(&[(3, 2, 8), (10, 0, 9)], 3), true);
        let wanted = Changes {
            expunged: vec![4, 3, 1],
            vanished: vec![1, 5, 9],
            exists: Some(2),
            flags: Places::first(1),
            keywords: false,
        };
        assert_eq!(changes, wanted);
        assert_eq!(known.count(), 2);
    }

    #[test]
    fn held_back_expunges_leave_ghosts() {
        let mut known = view(&[(1, 0, 1), (3, 0, 2), (5, 0, 3)], 0);
        let now = view(&[(1, 2, 7), (5, 0, 3), (6, 0, 6)], 1);
        let changes = update(&mut known, now.clone(), false);
        assert_eq!(changes, Changes { exists: Some(4), flags: Places::first(1), ..Changes::default() });
        assert!(known.messages.uids().eq([1, 3, 5, 6]));
        assert_eq!(update(&mut known, now.clone(), false), Changes::default());
        let changes = update(&mut known, now.clone(), true);
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
            let changes = update(&mut known, state, may_expunge);
            for n in &changes.expunged {
                client.remove(n - 1);
            }
            for place in changes.flags.iter() {
                client[place].1 = known.messages.get(place).unwrap().flags.0;
            }
            for place in client.len()..changes.exists.unwrap_or(client.len()) {
                let new = known.messages.get(place).unwrap();
                client.push((new.uid, new.flags.0));
            }
            if may_expunge {
                assert_eq!(client, now.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>());
            }
            assert_eq!(client.len(), known.count());
        }
    }
}
