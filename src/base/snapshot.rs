//! The state of a mailbox at one commit: its messages as a list of shared blocks of 512 UIDs.
//!
//! A block is the unit on disk (`store`'s table `state`) and the unit of copying: a change copies the blocks it
//! touches and the list of blocks, never the mailbox. A snapshot is immutable and cheap to clone. The store, IMAP and
//! the host all use this one type.

use std::ops::Range;
use std::sync::Arc;

use super::{Flags, MailboxId, ModSeq, Uid, UidSet, UidValidity};

/// UIDs a block describes.
pub const BLOCK_UIDS: u32 = 512;

/// Which block of its mailbox a UID is in.
pub fn block_of(uid: Uid) -> u32 {
    uid / BLOCK_UIDS
}

/// The state of an open mailbox at one commit, shared by all its sessions. Immutable: a session keeps one and compares
/// it with the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Which mailbox.
    pub mailbox: MailboxId,
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub mod_seq: ModSeq,
    /// Raised by every expunge: equal numbers mean that nothing was taken away in between.
    pub expunges: u64,
    /// Messages from this UID on no client was told of before this commit (`\\Recent`).
    pub recent_from: Uid,
    /// Names of the keywords, by index (`Flags::keyword(i)`).
    pub keywords: Arc<Vec<String>>,
    /// The messages, UIDs ascending.
    pub messages: Messages,
}

impl Snapshot {
    /// Number of messages.
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// UID at a place.
    pub fn uid(&self, place: usize) -> Option<Uid> {
        self.messages.uid(place)
    }

    /// Place of a UID.
    pub fn place(&self, uid: Uid) -> Option<usize> {
        self.messages.place(uid)
    }
}

/// One message of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    /// UID.
    pub uid: Uid,
    /// Flags, keywords among them.
    pub flags: Flags,
    /// Modification sequence.
    pub mod_seq: ModSeq,
}

/// The messages of a mailbox, UIDs ascending. Cloning shares them. A *place* is a message number minus one.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    /// Ascending by number; none is empty.
    blocks: Arc<Vec<Entry>>,
    count: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    block: Arc<Block>,
    /// Messages in the blocks before it.
    before: usize,
}

/// The messages of one block, ascending; the columns run in step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    uids: Arc<Vec<Uid>>,
    flags: Vec<Flags>,
    mod_seqs: Vec<ModSeq>,
}

/// Messages of one block that stand side by side; the columns run in step. Loops go through parts, so that nothing is
/// looked up for each message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// UIDs, ascending.
    pub uids: &'a [Uid],
    /// Flags.
    pub flags: &'a [Flags],
    /// Modification sequences.
    pub mod_seqs: &'a [ModSeq],
}

impl<'a> Part<'a> {
    /// Its messages.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Message> + 'a {
        let columns = self.uids.iter().zip(self.flags).zip(self.mod_seqs);
        columns.map(|((uid, flags), mod_seq)| Message { uid: *uid, flags: *flags, mod_seq: *mod_seq })
    }
}

/// Finds messages by UID. For ascending UIDs the block and the index in it are those of the last one, or the next.
#[derive(Debug)]
pub struct Finder<'a> {
    messages: &'a Messages,
    block: Option<&'a Block>,
    index: usize,
}

impl Finder<'_> {
    /// The message with this UID.
    pub fn find(&mut self, uid: Uid) -> Option<Message> {
        if self.block.is_none_or(|block| block.number() != block_of(uid)) {
            self.block = self.messages.block_at(block_of(uid)).map(|block| &**block);
            self.index = 0;
        }
        let block = self.block?;
        if block.uids.get(self.index) != Some(&uid) {
            self.index = block.uids.binary_search(&uid).ok()?;
        }
        let found = block.get(self.index);
        self.index += 1;
        found
    }
}

impl Block {
    /// A block of these columns, which run in step, UIDs ascending and all of one block.
    pub fn new(uids: Vec<Uid>, flags: Vec<Flags>, mod_seqs: Vec<ModSeq>) -> Block {
        debug_assert!(uids.len() == flags.len() && uids.len() == mod_seqs.len());
        Block { uids: Arc::new(uids), flags, mod_seqs }
    }

    /// Its number in the mailbox; 0 for an empty one.
    pub fn number(&self) -> u32 {
        self.uids.first().map_or(0, |uid| block_of(*uid))
    }

    /// UIDs.
    pub fn uids(&self) -> &[Uid] {
        &self.uids
    }

    /// Flags.
    pub fn flags(&self) -> &[Flags] {
        &self.flags
    }

    /// Modification sequences.
    pub fn mod_seqs(&self) -> &[ModSeq] {
        &self.mod_seqs
    }

    /// Messages in it.
    pub fn len(&self) -> usize {
        self.uids.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.uids.is_empty()
    }

    /// The message at an index of it.
    pub fn get(&self, index: usize) -> Option<Message> {
        let (uid, flags, mod_seq) = (self.uids.get(index)?, self.flags.get(index)?, self.mod_seqs.get(index)?);
        Some(Message { uid: *uid, flags: *flags, mod_seq: *mod_seq })
    }

    /// Its messages.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Message> + '_ {
        self.part(0..self.len()).iter()
    }

    /// The messages at these indexes; none where the range reaches beyond the last.
    pub fn part(&self, range: Range<usize>) -> Part<'_> {
        let uids = self.uids.get(range.clone()).unwrap_or_default();
        let flags = self.flags.get(range.clone()).unwrap_or_default();
        Part { uids, flags, mod_seqs: self.mod_seqs.get(range).unwrap_or_default() }
    }

    /// How many of its UIDs are below `uid`.
    fn below(&self, uid: Uid) -> usize {
        self.uids.partition_point(|known| *known < uid)
    }

    /// Adds a message of this block, whose UID is above all others.
    pub fn push(&mut self, message: Message) {
        Arc::make_mut(&mut self.uids).push(message.uid);
        self.flags.push(message.flags);
        self.mod_seqs.push(message.mod_seq);
    }
}

impl Messages {
    /// Messages made of these, UIDs ascending.
    pub fn of(messages: impl IntoIterator<Item = Message>) -> Messages {
        let mut made = Messages::default();
        made.extend(messages);
        made
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The message at a place.
    pub fn get(&self, place: usize) -> Option<Message> {
        let index = self.blocks.partition_point(|entry| entry.before <= place).checked_sub(1)?;
        let entry = self.blocks.get(index)?;
        entry.block.get(place - entry.before)
    }

    /// UID at a place.
    pub fn uid(&self, place: usize) -> Option<Uid> {
        self.get(place).map(|message| message.uid)
    }

    /// The highest UID.
    pub fn last_uid(&self) -> Option<Uid> {
        self.blocks.last()?.block.uids.last().copied()
    }

    /// Messages whose UIDs are below `uid`: the place of the first that is not.
    pub fn place_from(&self, uid: Uid) -> usize {
        let number = block_of(uid);
        let index = self.blocks.partition_point(|entry| entry.block.number() < number);
        self.blocks.get(index).map_or(self.count, |entry| entry.before + entry.block.below(uid))
    }

    /// Place of a UID.
    pub fn place(&self, uid: Uid) -> Option<usize> {
        let block = self.block(block_of(uid))?;
        let index = block.1.uids.binary_search(&uid).ok()?;
        Some(block.0 + index)
    }

    /// The message with this UID.
    pub fn find(&self, uid: Uid) -> Option<Message> {
        let (_, block) = self.block(block_of(uid))?;
        block.get(block.uids.binary_search(&uid).ok()?)
    }

    /// The block with this number, and how many messages are before it.
    fn block(&self, number: u32) -> Option<(usize, &Arc<Block>)> {
        let index = self.blocks.binary_search_by_key(&number, |entry| entry.block.number()).ok()?;
        self.blocks.get(index).map(|entry| (entry.before, &entry.block))
    }

    /// The block with this number.
    pub fn block_at(&self, number: u32) -> Option<&Arc<Block>> {
        self.block(number).map(|(_, block)| block)
    }

    /// All blocks, none empty, and for each how many messages are before it.
    pub fn blocks(&self) -> impl Iterator<Item = (usize, &Arc<Block>)> {
        self.blocks.iter().map(|entry| (entry.before, &entry.block))
    }

    /// All messages.
    pub fn iter(&self) -> impl Iterator<Item = Message> + '_ {
        self.blocks.iter().flat_map(|entry| entry.block.iter())
    }

    /// All UIDs.
    pub fn uids(&self) -> impl Iterator<Item = Uid> + '_ {
        self.blocks.iter().flat_map(|entry| entry.block.uids()).copied()
    }

    /// The messages at these places, block by block: the place of the first, and what of the block is meant.
    pub fn parts(&self, places: Range<usize>) -> impl Iterator<Item = (usize, Part<'_>)> {
        let from = self.blocks.partition_point(|entry| entry.before <= places.start).saturating_sub(1);
        let blocks = self.blocks.get(from..).unwrap_or_default().iter();
        let Range { start, end } = places;
        blocks.take_while(move |entry| entry.before < end).map(move |entry| {
            let first = start.saturating_sub(entry.before).min(entry.block.len());
            let behind = (end - entry.before).min(entry.block.len()).max(first);
            (entry.before + first, entry.block.part(first..behind))
        })
    }

    /// Finds messages by UID, quickly where the UIDs ascend.
    pub fn finder(&self) -> Finder<'_> {
        Finder { messages: self, block: None, index: 0 }
    }

    /// The messages whose UIDs are in `set`, block by block: the block, and ranges of indexes in it.
    pub fn matching<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = (&'a Arc<Block>, Range<usize>)> + 'a {
        set.ranges().iter().flat_map(move |(low, high)| {
            let first = self.blocks.partition_point(|entry| entry.block.number() < block_of(*low));
            let blocks = self.blocks.get(first..).unwrap_or_default().iter();
            let blocks = blocks.take_while(move |entry| entry.block.number() <= block_of(*high));
            let pieces = blocks.map(move |entry| {
                let behind = entry.block.uids.partition_point(|uid| uid <= high);
                (&entry.block, entry.block.below(*low)..behind)
            });
            pieces.filter(|(_, range)| !range.is_empty())
        })
    }

    /// The messages whose UIDs are in `set`.
    pub fn among<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = Message> + 'a {
        self.matching(set).flat_map(|(block, range)| block.part(range).iter())
    }

    /// All blocks, how many messages are before each, and the block of `other` with the same number. A block that both
    /// share is the same `Arc`.
    pub fn beside<'a>(
        &'a self,
        other: &'a Messages,
    ) -> impl Iterator<Item = (usize, &'a Arc<Block>, Option<&'a Arc<Block>>)> {
        let mut others = other.blocks.iter().map(|entry| &entry.block).peekable();
        self.blocks.iter().map(move |entry| {
            let number = entry.block.number();
            while others.next_if(|other| other.number() < number).is_some() {}
            (entry.before, &entry.block, others.next_if(|other| other.number() == number))
        })
    }

    /// Whether both share the very same blocks, so that nothing can differ.
    pub fn is_same(&self, other: &Messages) -> bool {
        Arc::ptr_eq(&self.blocks, &other.blocks)
    }

    /// Adds messages whose UIDs are above all others, ascending.
    pub fn extend(&mut self, messages: impl IntoIterator<Item = Message>) {
        let blocks = Arc::make_mut(&mut self.blocks);
        for message in messages {
            debug_assert!(
                blocks.last().and_then(|entry| entry.block.uids.last()).is_none_or(|last| *last < message.uid)
            );
            match blocks.last_mut() {
                Some(entry) if entry.block.number() == block_of(message.uid) => {
                    Arc::make_mut(&mut entry.block).push(message);
                }
                _ => {
                    let block = Arc::new(Block::new(vec![message.uid], vec![message.flags], vec![message.mod_seq]));
                    blocks.push(Entry { block, before: self.count });
                }
            }
            self.count += 1;
        }
    }

    /// Adds a block, whose number is above all others.
    pub fn push_block(&mut self, block: Block) {
        self.push_shared(Arc::new(block));
    }

    /// The same for a block that others have too.
    pub fn push_shared(&mut self, block: Arc<Block>) {
        if !block.is_empty() {
            let before = self.count;
            self.count += block.len();
            Arc::make_mut(&mut self.blocks).push(Entry { block, before });
        }
    }

    /// Changes the flags of the messages in `set`, which get `mod_seq`. Blocks without one are shared with what was.
    pub fn restate(&mut self, set: &UidSet, mod_seq: ModSeq, change: impl Fn(Flags) -> Flags) {
        let mut restated: Vec<Block> = Vec::new();
        for (block, range) in self.matching(set) {
            if restated.last().is_none_or(|last| last.number() != block.number()) {
                restated.push(Block::clone(block));
            }
            let Some(new) = restated.last_mut() else { continue };
            new.flags.get_mut(range.clone()).into_iter().flatten().for_each(|flags| *flags = change(*flags));
            if let Some(mod_seqs) = new.mod_seqs.get_mut(range) {
                mod_seqs.fill(mod_seq);
            }
        }
        let blocks = Arc::make_mut(&mut self.blocks);
        for block in restated {
            if let Ok(index) = blocks.binary_search_by_key(&block.number(), |entry| entry.block.number())
                && let Some(entry) = blocks.get_mut(index)
            {
                entry.block = Arc::new(block);
            }
        }
    }

    /// Takes messages away.
    pub fn remove(&mut self, gone: &UidSet) {
        let numbers = blocks_of(gone, &self.blocks);
        if numbers.is_empty() {
            return;
        }
        let mut left = numbers.iter().copied().peekable();
        let mut kept = Vec::with_capacity(self.blocks.len());
        let mut count = 0;
        for entry in self.blocks.iter() {
            let block = if left.next_if_eq(&entry.block.number()).is_some() {
                let mut inside = Inside::new(gone);
                let mut thinner = Block::default();
                entry.block.iter().filter(|message| !inside.has(message.uid)).for_each(|message| thinner.push(message));
                Arc::new(thinner)
            } else {
                entry.block.clone()
            };
            if !block.is_empty() {
                kept.push(Entry { before: count, block: block.clone() });
                count += block.len();
            }
        }
        (self.blocks, self.count) = (Arc::new(kept), count);
    }

    /// Puts a block in the place of the one with its number, or adds it where there is none.
    pub fn put_block(&mut self, number: u32, block: Block) {
        let blocks = Arc::make_mut(&mut self.blocks);
        match blocks.binary_search_by_key(&number, |entry| entry.block.number()) {
            Ok(index) if block.is_empty() => drop(blocks.remove(index)),
            Ok(index) => {
                if let Some(entry) = blocks.get_mut(index) {
                    entry.block = Arc::new(block);
                }
            }
            Err(_) if block.is_empty() => {}
            Err(index) => blocks.insert(index, Entry { block: Arc::new(block), before: 0 }),
        }
        let mut count = 0;
        for entry in blocks.iter_mut() {
            entry.before = count;
            count += entry.block.len();
        }
        self.count = count;
    }
}

impl PartialEq for Messages {
    fn eq(&self, other: &Messages) -> bool {
        let same = |(a, b): (&Entry, &Entry)| Arc::ptr_eq(&a.block, &b.block) || a.block == b.block;
        self.is_same(other)
            || self.blocks.len() == other.blocks.len() && self.blocks.iter().zip(other.blocks.iter()).all(same)
    }
}

impl Eq for Messages {}

/// Numbers of the blocks in `blocks` that the set reaches into, ascending.
fn blocks_of(set: &UidSet, blocks: &[Entry]) -> Vec<u32> {
    let mut numbers = Vec::new();
    let mut from = 0;
    for (low, high) in set.ranges() {
        let rest = blocks.get(from..).unwrap_or_default();
        from += rest.partition_point(|entry| entry.block.number() < block_of(*low));
        for entry in blocks.get(from..).unwrap_or_default() {
            if entry.block.number() > block_of(*high) {
                break;
            }
            if numbers.last() != Some(&entry.block.number()) {
                numbers.push(entry.block.number());
            }
            from += usize::from(entry.block.number() < block_of(*high));
        }
    }
    numbers
}

/// Whether ascending UIDs are in a set, without a search for each.
struct Inside<'a> {
    ranges: &'a [(Uid, Uid)],
    begun: bool,
}

impl<'a> Inside<'a> {
    fn new(set: &'a UidSet) -> Inside<'a> {
        Inside { ranges: set.ranges(), begun: false }
    }

    fn has(&mut self, uid: Uid) -> bool {
        if !self.begun {
            let first = self.ranges.partition_point(|(_, high)| *high < uid);
            self.ranges = self.ranges.get(first..).unwrap_or_default();
            self.begun = true;
        }
        while let Some(((_, high), rest)) = self.ranges.split_first() {
            if *high >= uid {
                break;
            }
            self.ranges = rest;
        }
        self.ranges.first().is_some_and(|(low, high)| (*low..=*high).contains(&uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(uid: Uid) -> Message {
        Message { uid, flags: Flags::NONE, mod_seq: u64::from(uid) }
    }

    fn messages(uids: impl IntoIterator<Item = Uid>) -> Messages {
        Messages::of(uids.into_iter().map(message))
    }

    #[test]
    fn places_and_uids_find_each_other() {
        let uids: Vec<Uid> = (1..3_000).filter(|uid| uid % 3 != 0).chain([1 << 20, Uid::MAX]).collect();
        let view = messages(uids.iter().copied());
        assert_eq!((view.len(), view.last_uid()), (uids.len(), Some(Uid::MAX)));
        assert!(view.iter().map(|m| m.uid).eq(uids.iter().copied()));
        for (place, uid) in uids.iter().enumerate() {
            assert_eq!((view.uid(place), view.place(*uid)), (Some(*uid), Some(place)));
            assert_eq!(view.find(*uid), Some(message(*uid)));
            assert_eq!(view.place_from(*uid), place);
        }
        let mut finder = view.finder();
        for uid in (0..3_100).chain([3, 2_000, 1 << 20, 1 << 20, 7, Uid::MAX]) {
            assert_eq!(finder.find(uid), view.find(uid), "{uid}");
        }
        assert_eq!((view.place(3), view.place_from(3), view.uid(uids.len())), (None, 2, None));
        assert_eq!((view.place_from(0), view.place_from(5_000)), (0, uids.len() - 2));
        assert_eq!((Messages::default().get(0), Messages::default().place_from(9)), (None, 0));
    }

    #[test]
    fn ranges_cross_blocks() {
        let view = messages((400..2_000).step_by(3));
        let all: Vec<(usize, Message)> = view.iter().enumerate().collect();
        let some = [(30, 31), (37, 38), (30, 300), (5, 5), (0, 0), (300, 9_999), (9_998, 9_999)];
        for (start, end) in some.into_iter().chain([(0, view.len())]) {
            let expected = all.get(start..end.min(all.len())).unwrap_or_default();
            let parts = view.parts(start..end).flat_map(|(first, part)| (first..).zip(part.iter()));
            assert_eq!(parts.collect::<Vec<_>>(), expected, "{start}..{end}");
        }
        for set in [vec![(1, Uid::MAX)], vec![(400, 400), (1_000, 1_030), (1_034, 9_000)], vec![(1, 399)], vec![]] {
            let set = UidSet::from_ranges(set);
            let expected: Vec<_> = view.iter().filter(|m| set.contains(m.uid)).collect();
            assert_eq!(view.among(&set).collect::<Vec<_>>(), expected, "{set}");
        }
    }

    #[test]
    fn a_change_copies_the_blocks_it_touches() {
        let before = messages(1..3_000);
        let set = UidSet::from_ranges(vec![(600, 600), (1_025, 1_026), (1_028, 1_030)]);
        let mut after = before.clone();
        after.restate(&set, 9_999, |flags| flags | Flags::SEEN);
        let shared: Vec<bool> = before.blocks().zip(after.blocks()).map(|((_, a), (_, b))| Arc::ptr_eq(a, b)).collect();
        assert_eq!(shared, [true, false, false, true, true, true]);
        for (old, new) in before.iter().zip(after.iter()) {
            let changed = set.contains(new.uid);
            assert_eq!(new.flags, if changed { Flags::SEEN } else { old.flags });
            assert_eq!(new.mod_seq, if changed { 9_999 } else { old.mod_seq });
        }
        assert!(before != after && before == messages(1..3_000));
        after.extend([message(3_000), message(4_000)]);
        let added = after.blocks().zip(before.blocks()).filter(|((_, a), (_, b))| !Arc::ptr_eq(a, b)).count();
        assert_eq!((added, after.len()), (3, 3_001));
    }

    #[test]
    fn messages_go_and_blocks_with_them() {
        for gone in
            [vec![(1, 1)], vec![(512, 1_023)], vec![(500, 2_000)], vec![(1, Uid::MAX)], vec![(9, 9), (1_600, 1_700)]]
        {
            let gone = UidSet::from_ranges(gone);
            let mut view = messages((1..1_800).step_by(2));
            let expected: Vec<_> = view.iter().filter(|m| !gone.contains(m.uid)).collect();
            view.remove(&gone);
            assert!(view.iter().eq(expected.iter().copied()), "{gone}");
            assert_eq!(view, Messages::of(expected.iter().copied()));
            for (place, m) in expected.iter().enumerate() {
                assert_eq!((view.get(place), view.place(m.uid)), (Some(*m), Some(place)));
            }
        }
    }

    #[test]
    fn blocks_are_put_in_place() {
        let mut view = messages((1..3_000).filter(|uid| block_of(*uid) != 2));
        view.put_block(2, Block::new(vec![1_030], vec![Flags::SEEN], vec![7]));
        view.put_block(0, Block::default());
        view.put_block(9, Block::default());
        view.put_block(1, Block::new(vec![513, 600], vec![Flags::NONE; 2], vec![1, 2]));
        let uids: Vec<_> = view.iter().map(|m| m.uid).take(4).collect();
        assert_eq!(uids, [513, 600, 1_030, 1_536]);
        assert_eq!((view.place(1_536), view.len()), (Some(3), 3 + 3_000 - 1_536));
    }
}
