//! What a change does to one mailbox, computed from its row and view before anything is written.
//!
//! The functions here know no database: they take what is and give what shall be. A delta holds the whole row as it is
//! afterwards, so that no counter can be forgotten; the account's octets, new keywords and what is written of the row
//! follow from the difference to the row before. `write` writes deltas, `transaction` keeps and publishes them.

use std::sync::Arc;

use super::row::MailboxRow;
use super::{Fact, FlagChange, FlagHow};
use crate::base::limits::KEYWORD_OCTETS_MAX;
use crate::base::snapshot::{Message, Messages};
use crate::base::{BlobId, Error, ErrorKind, Flags, MailboxId, ModSeq, Result, Timestamp, Uid, UidSet};

/// A change to one mailbox.
#[derive(Debug, Clone)]
pub(super) struct Delta {
    pub mailbox: MailboxId,
    /// The row afterwards.
    pub row: MailboxRow,
    /// The mailbox is deleted.
    pub deleted: bool,
    /// New messages, UIDs ascending.
    pub added: Vec<NewMessage>,
    /// Messages whose flags change; they get the row's modification sequence.
    pub restated: Option<Restated>,
    /// Messages that go.
    pub gone: Option<Gone>,
    /// Messages that were hidden so far.
    pub shown: Option<Shown>,
}

/// A message about to stand in a mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewMessage {
    pub fact: Fact,
    pub flags: Flags,
    pub mod_seq: ModSeq,
}

impl NewMessage {
    /// What the view shows of it.
    pub fn shown(&self) -> Message {
        Message { uid: self.fact.uid, flags: self.flags, mod_seq: self.mod_seq }
    }
}

/// New flags for messages all of which are there.
#[derive(Debug, Clone)]
pub(super) struct Restated {
    pub uids: UidSet,
    pub how: FlagHow,
    pub flags: Flags,
}

/// Messages whose facts stand in a hidden stretch, and that are messages from now on.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// The id of the stretch.
    pub stretch: i64,
    /// UIDs ascending, above all others; at least one.
    pub messages: Vec<Message>,
    /// First and last UID of the stretch where it has facts that stay hidden, and are to be removed.
    pub rest: Option<(Uid, Uid)>,
}

/// Messages that go, all of which are there.
#[derive(Debug, Clone)]
pub(super) struct Gone {
    pub uids: UidSet,
    /// First and last UID of runs between which nothing else stands: what is deleted together.
    pub runs: Vec<(Uid, Uid)>,
    /// What is known of them, ascending.
    pub facts: Vec<Fact>,
    pub how: Going,
}

/// How messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Going {
    /// At once; their bodies are used no more by them.
    AtOnce,
    /// At once; their bodies are used by the same messages elsewhere.
    Elsewhere,
    /// Their facts are hidden, and removed in the background with the uses of their bodies.
    Hidden,
}

/// What is asked of a message's place in its new mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arriving {
    pub internal_date: Timestamp,
    pub size: u64,
    pub blob: BlobId,
    pub flags: Flags,
    pub mod_seq: ModSeq,
}

impl Delta {
    /// No change yet.
    pub fn of(mailbox: MailboxId, row: MailboxRow) -> Delta {
        Delta { mailbox, row, deleted: false, added: Vec::new(), restated: None, gone: None, shown: None }
    }

    /// The mailbox goes.
    pub fn deletion(mailbox: MailboxId, row: MailboxRow) -> Delta {
        Delta { deleted: true, ..Delta::of(mailbox, row) }
    }

    /// Adds a message. `Limit` where no UID is left. Gives its UID.
    pub fn append(&mut self, message: &Arriving) -> Result<Uid> {
        let row = &mut self.row;
        let no_uid = || Error::new(ErrorKind::Limit, "the mailbox has no UIDs left");
        let mut uid = row.uid_next;
        for (first, last) in row.reserved.iter() {
            // A COPY writes there. It finds that it was overtaken, and begins anew elsewhere.
            if (*first..=*last).contains(&uid) {
                uid = last.checked_add(1).ok_or_else(no_uid)?;
            }
        }
        row.uid_next = uid.checked_add(1).ok_or_else(no_uid)?;
        row.count(message.flags, message.size);
        let Arriving { internal_date, size, blob, flags, mod_seq } = *message;
        self.added.push(NewMessage { fact: Fact { uid, internal_date, size, blob }, flags, mod_seq });
        Ok(uid)
    }

    /// Takes messages away: `facts` are theirs, all in `view` and ascending; at least one. `floor` is the modification
    /// sequence up to which the record of expunges is forgotten.
    pub fn remove(&mut self, view: &Messages, facts: Vec<Fact>, how: Going, floor: Option<ModSeq>) -> Result<()> {
        let mut uids = UidSet::new();
        facts.iter().for_each(|fact| uids.push(fact.uid));
        let (mut unseen, mut deleted, mut count) = (0, 0, 0);
        for message in view.among(&uids) {
            unseen += u32::from(!message.flags.contains(Flags::SEEN));
            deleted += u32::from(message.flags.contains(Flags::DELETED));
            count += 1;
        }
        if count != facts.len() {
            return Err(Error::new(ErrorKind::Bug, "a message with a fact is not in the view"));
        }
        let octets: u64 = facts.iter().map(|fact| fact.size).sum();
        let row = &mut self.row;
        row.mod_seq += 1;
        row.expunges += 1;
        // Where counts are wrong already the messages can still go; `check` tells of it.
        row.total = row.total.saturating_sub(count as u32);
        row.unseen = row.unseen.saturating_sub(unseen);
        row.deleted = row.deleted.saturating_sub(deleted);
        row.octets = row.octets.saturating_sub(octets);
        row.vanished_floor = floor.unwrap_or(row.vanished_floor);
        self.gone = Some(Gone { runs: runs(view, &uids), uids, facts, how });
        Ok(())
    }

    /// The bits of these keywords; new ones are added to the row. Where it is full they take the place of ones that no
    /// message has, if `view` is given to know. `Limit` where one cannot be kept.
    pub fn keywords(&mut self, names: &[String], view: Option<&Messages>) -> Result<Flags> {
        let mut flags = known_keywords(&self.row, names);
        let mut used = None;
        for name in names {
            let known = &mut self.row.keywords;
            let index = match known.iter().position(|k| k.eq_ignore_ascii_case(name)) {
                Some(index) => index,
                None if name.is_empty() || name.len() > KEYWORD_OCTETS_MAX => {
                    return Err(Error::new(ErrorKind::Limit, "a keyword is too long"));
                }
                None if known.len() < Flags::KEYWORDS_MAX => {
                    Arc::make_mut(known).push(name.clone());
                    known.len() - 1
                }
                None => {
                    let full = || Error::new(ErrorKind::Limit, "the mailbox has no room for another keyword");
                    let used = match used {
                        Some(used) => used,
                        None => *used.insert(flags_of(view.ok_or_else(full)?, &self.added)),
                    };
                    let is_free = |index: &usize| !(used | flags).contains(Flags::keyword(*index));
                    let index = (0..known.len()).find(is_free).ok_or_else(full)?;
                    if let Some(place) = Arc::make_mut(known).get_mut(index) {
                        place.clone_from(name);
                    }
                    index
                }
            };
            flags = flags | Flags::keyword(index);
        }
        Ok(flags)
    }

    /// Brings a view up to this change.
    pub fn show_in(&self, view: &mut Messages) {
        view.extend(self.added.iter().map(NewMessage::shown));
        if let Some(shown) = &self.shown {
            view.extend(shown.messages.iter().copied());
        }
        if let Some(Restated { uids, how, flags }) = &self.restated {
            view.restate(uids, self.row.mod_seq, |old| how.apply(old, *flags));
        }
        if let Some(gone) = &self.gone {
            view.remove(&gone.uids);
        }
    }
}

/// What STORE finds.
#[derive(Debug, Default)]
pub(super) struct Flagged {
    /// Messages whose flags become different, ascending.
    pub changed: Vec<Uid>,
    /// Messages left alone since they changed after UNCHANGEDSINCE, ascending.
    pub modified: Vec<Uid>,
    /// What was added, removed or put in place, keywords among them.
    pub flags: Flags,
}

/// STORE: `None` beside what it found where nothing changes. `Limit` where a keyword cannot be kept.
pub(super) fn change_flags(
    mailbox: MailboxId,
    row: &MailboxRow,
    view: &Messages,
    uids: &UidSet,
    change: &FlagChange,
    unchanged_since: Option<ModSeq>,
) -> Result<(Flagged, Option<Delta>)> {
    let mut delta = Delta::of(mailbox, row.clone());
    let keywords = match change.how {
        FlagHow::Remove => known_keywords(row, &change.keywords),
        FlagHow::Add | FlagHow::Replace => delta.keywords(&change.keywords, Some(view))?,
    };
    let flags = change.flags & Flags::SYSTEM | keywords;
    let mut found = Flagged { flags, ..Flagged::default() };
    let newest = unchanged_since.unwrap_or(ModSeq::MAX);
    let (mut set, mut unseen, mut deleted) = (UidSet::new(), 0i32, 0i32);
    for (block, range) in view.matching(uids) {
        let columns = block.uids().iter().zip(block.flags()).zip(block.mod_seqs());
        for ((uid, old), mod_seq) in columns.skip(range.start).take(range.len()) {
            let now = change.how.apply(*old, flags);
            if *mod_seq > newest {
                found.modified.push(*uid);
            } else if now != *old {
                found.changed.push(*uid);
                set.push(*uid);
                let count = |flag: Flags| i32::from(now.contains(flag)) - i32::from(old.contains(flag));
                unseen -= count(Flags::SEEN);
                deleted += count(Flags::DELETED);
            }
        }
    }
    if found.changed.is_empty() {
        return Ok((found, None));
    }
    delta.row.mod_seq += 1;
    delta.row.unseen = delta.row.unseen.saturating_add_signed(unseen);
    delta.row.deleted = delta.row.deleted.saturating_add_signed(deleted);
    delta.restated = Some(Restated { uids: set, how: change.how, flags });
    Ok((found, Some(delta)))
}

/// All flags that any message has.
fn flags_of(view: &Messages, added: &[NewMessage]) -> Flags {
    let of_blocks = view.blocks().flat_map(|(_, block)| block.flags()).copied();
    of_blocks.chain(added.iter().map(|message| message.flags)).fold(Flags::NONE, |all, flags| all | flags)
}

/// The bits of those of these keywords that the mailbox has.
fn known_keywords(row: &MailboxRow, names: &[String]) -> Flags {
    let known = row.keywords.iter().enumerate();
    let named = known.filter(|(_, keyword)| names.iter().any(|name| name.eq_ignore_ascii_case(keyword)));
    named.fold(Flags::NONE, |flags, (index, _)| flags | Flags::keyword(index))
}

/// COPY: adds messages of the mailbox whose row is `from` to `to`, whose view may be given to make room for keywords.
/// Keywords keep their names, and get the bits they have there. Gives the new UIDs. `Limit` where a keyword cannot be
/// kept or no UID is left.
pub(super) fn copy(
    to: &mut Delta,
    view: Option<&Messages>,
    from: &MailboxRow,
    messages: &[(Fact, Flags)],
) -> Result<Vec<Uid>> {
    let used = messages.iter().fold(Flags::NONE, |all, (_, flags)| all | *flags);
    let carried = Carried::of(to, view, from, used)?;
    to.row.mod_seq += 1;
    let mod_seq = to.row.mod_seq;
    let one = |(fact, flags): &(Fact, Flags)| {
        let Fact { internal_date, size, blob, .. } = *fact;
        to.append(&Arriving { internal_date, size, blob, flags: carried.flags(*flags), mod_seq })
    };
    messages.iter().map(one).collect()
}

/// A message of a stretch that is to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copy {
    /// Its UID there.
    pub uid: Uid,
    /// What is known of it in the source.
    pub fact: Fact,
    /// The flags it has there.
    pub flags: Flags,
}

/// The last step of COPY: `messages`, at least one, whose facts stand in a hidden stretch of which `facts` are the
/// first and last UID with a fact, are messages of `to`. Otherwise as [`copy`].
pub(super) fn show(
    to: &mut Delta,
    view: &Messages,
    from: &MailboxRow,
    messages: &[Copy],
    stretch: i64,
    facts: (Uid, Uid),
) -> Result<()> {
    let used = messages.iter().fold(Flags::NONE, |all, message| all | message.flags);
    let carried = Carried::of(to, Some(view), from, used)?;
    let row = &mut to.row;
    row.mod_seq += 1;
    row.uid_next = facts.1.checked_add(1).ok_or_else(|| Error::new(ErrorKind::Bug, "a stretch without an end"))?;
    Arc::make_mut(&mut row.reserved).retain(|(first, _)| *first > facts.1);
    let mod_seq = row.mod_seq;
    let mut shown = Vec::with_capacity(messages.len());
    for Copy { uid, fact, flags } in messages {
        let flags = carried.flags(*flags);
        row.count(flags, fact.size);
        shown.push(Message { uid: *uid, flags, mod_seq });
    }
    let all = u64::from(facts.1 - facts.0) + 1 == messages.len() as u64;
    to.shown = Some(Shown { stretch, messages: shown, rest: (!all).then_some(facts) });
    Ok(())
}

/// Keywords that keep their names from one mailbox to another: the bits they have here and there.
struct Carried(Vec<(Flags, Flags)>);

impl Carried {
    /// Of those in `used`; new ones are added to `to`.
    fn of(to: &mut Delta, view: Option<&Messages>, from: &MailboxRow, used: Flags) -> Result<Carried> {
        let here = |(index, name): (usize, &String)| (Flags::keyword(index), name.clone());
        let named = from.keywords.iter().enumerate().map(here).filter(|(here, _)| used.contains(*here));
        let (here, names): (Vec<Flags>, Vec<String>) = named.unzip();
        // All at once, so that none takes the place of another.
        to.keywords(&names, view)?;
        let there = |name: &String| known_keywords(&to.row, std::slice::from_ref(name));
        Ok(Carried(here.into_iter().zip(names.iter().map(there)).collect()))
    }

    /// The flags there of a message that has `flags` here.
    fn flags(&self, flags: Flags) -> Flags {
        let keywords = self.0.iter().filter(|(here, _)| flags.contains(*here));
        keywords.fold(flags & Flags::SYSTEM, |all, (_, there)| all | *there)
    }
}

/// First and last UID of each run of members of `uids` between which nothing else stands.
fn runs(view: &Messages, uids: &UidSet) -> Vec<(Uid, Uid)> {
    let mut runs: Vec<(Uid, Uid)> = Vec::new();
    let mut behind = None;
    for (low, high) in uids.ranges() {
        let (first, next) = (view.place_from(*low), high.checked_add(1).map_or(view.len(), |uid| view.place_from(uid)));
        match runs.last_mut() {
            Some(run) if behind == Some(first) => run.1 = *high,
            _ => runs.push((*low, *high)),
        }
        behind = Some(next);
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::AccountId;

    #[test]
    fn no_message_gets_a_uid_that_a_copy_writes_to() {
        let row = MailboxRow {
            uid_next: 4,
            reserved: Arc::new(vec![(1, 2), (5, 10), (11, 20), (22, Uid::MAX)]),
            ..MailboxRow::new(AccountId(1), "INBOX", 1, None)
        };
        let mut delta = Delta::of(MailboxId(1), row);
        let arriving =
            Arriving { internal_date: Timestamp(1), size: 1, blob: BlobId(1), flags: Flags::NONE, mod_seq: 2 };
        let given: Vec<Uid> = (0..2).map(|_| delta.append(&arriving).unwrap()).collect();
        assert_eq!(given, [4, 21]);
        assert_eq!(delta.append(&arriving).unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!((delta.row.uid_next, delta.row.total), (22, 2));
    }
}
