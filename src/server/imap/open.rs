//! The selected mailbox: what its client was told of it, and telling what changed.

use std::io;

use crate::base::snapshot::{BLOCK_UIDS, Finder, Message};
use crate::base::{ErrorKind, MailboxId, ModSeq, Snapshot, Uid, UidSet, UidValidity};
use crate::imap::command::FetchItem;
use crate::imap::encode::{fetch::Response, flags, search::vanished};
use crate::imap::response::{Completion, numbered};
use crate::imap::sequence::{Places, SequenceSet, places_of};
use crate::imap::session::Enabled;
use crate::imap::view::{Changes, update};
use crate::store::{FlagHow, FlagsChanged, Hold, Store, Watch};

use super::Session;
use super::fetch::changed_since;
use super::goodbye::Goodbye;
use super::notify::Notifying;
use super::refusal::Stop;
use super::search::Contexts;

/// A selected mailbox.
pub(super) struct Open {
    pub mailbox: MailboxId,
    pub read_only: bool,
    pub uid_validity: UidValidity,
    /// What the client was told of it.
    pub view: Snapshot,
    pub watch: Watch,
    /// Keeps messages readable that went and that the client was not told of.
    pub hold: Hold,
    /// What the last SEARCH saved, for `$`.
    pub saved: UidSet,
    /// Messages that this session was told of first (RFC 3501 §2.3.2); none in IMAP4rev2.
    pub recent: UidSet,
    /// How many of them the client knows of.
    pub recent_told: usize,
    /// Results that are kept up to date.
    pub contexts: Contexts,
    /// Flags changed after this without the client being told, which did not want to know (RFC 5465).
    pub flags_untold: Option<ModSeq>,
    /// Messages that the client itself brought, and does not know of yet.
    pub own: UidSet,
}

impl Open {
    /// Takes what is recent among the messages of `view` from UID `from` on.
    pub fn take_recent(&mut self, store: &Store, from: Uid) {
        let stored = store.recent_from(self.mailbox, self.view.recent_from);
        let first = if self.read_only { stored } else { store.claim_recent(&self.view) };
        let first = first.max(from);
        if first < self.view.uid_next {
            self.recent.push_range(first, self.view.uid_next - 1);
        }
    }

    /// Keeps changes of flags for later, where they are not to be told; else adds those that were kept.
    fn hold_back_flags(&mut self, before: &Snapshot, changes: &mut Changes, no_flags: bool) {
        if no_flags {
            if !changes.flags.is_empty() {
                self.flags_untold.get_or_insert(before.mod_seq);
            }
            changes.flags = Places::default();
        } else if let Some(since) = self.flags_untold.take() {
            let known = before.count().saturating_sub(changes.expunged.len());
            changes.flags = changed_since(&Places::first(known), &self.view.messages, since);
        }
    }

    /// How many messages are recent now.
    pub fn recent_count(&self) -> usize {
        places_of(&self.recent, &self.view.messages).count()
    }

    /// Places of the messages a set means; a message number beyond the last is answered BAD.
    pub fn places(&self, set: &SequenceSet, by_uid: bool) -> Result<Places, Stop> {
        if by_uid {
            return Ok(set.by_uid(&self.view.messages, &self.saved));
        }
        let places = set.by_number(&self.view.messages, &self.saved);
        places.map_err(|_| Completion::bad("No message with this number").into())
    }
}

/// Which flag changes are told otherwise than by the rule (all of them, FLAGS with UID).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told<'a> {
    /// Our own change, not to be told: flags that are what the client makes of them by itself are not repeated, and
    /// MODSEQ is only where CONDSTORE is on.
    pub silent: Option<Silent<'a>>,
    /// A change that the command tells itself.
    pub hidden: Option<&'a FlagsChanged>,
    /// UIDs that are told of, changed or not.
    pub also: Option<&'a UidSet>,
    /// Changes of flags are not told: NOTIFY left them out.
    pub no_flags: bool,
}

/// What a STORE with `.SILENT` did.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silent<'a> {
    pub done: &'a FlagsChanged,
    pub how: FlagHow,
}

impl Silent<'_> {
    /// Whether the message is as its client thinks, who knew it as it is in `before`: changed by us, and by nobody else
    /// that the client was not told of.
    fn is_known(&self, before: &mut Finder<'_>, message: &Message) -> bool {
        // Of each modification sequence there is one change of flags.
        self.done.mod_seq_of(message.uid) == Some(message.mod_seq)
            && before.find(message.uid).map(|was| self.how.apply(was.flags, self.done.flags)) == Some(message.flags)
    }
}

impl Session {
    /// The selected mailbox; only asked in states that have one.
    pub(super) fn open(&self) -> Result<&Open, Stop> {
        self.open.as_ref().ok_or_else(|| Completion::bad("No mailbox is selected").into())
    }

    /// Tells what changed since the last time. False where the store cannot answer now: then it is to be asked again,
    /// at the next command at the latest. Fails only where the connection does.
    pub(super) async fn report_changes(&mut self, may_expunge: bool) -> io::Result<bool> {
        let wanted = match &self.notify {
            None => Some(true),
            // What the client did not ask for it does not learn; its numbers keep their meaning.
            Some(notifying) => notifying.selected().map(|selected| selected.events.flags),
        };
        if let Some(flags) = wanted.filter(|_| self.open.is_some() && !self.over) {
            match Box::pin(self.sync(may_expunge, Told { no_flags: !flags, ..Told::default() })).await {
                Err(Stop::Wire(e)) => return Err(e),
                told => return Ok(told.is_ok()),
            }
        }
        Ok(true)
    }

    /// Brings the view up to date and writes what a client must know of it.
    pub(super) async fn sync(&mut self, may_expunge: bool, told: Told<'_>) -> Result<(), Stop> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let snapshot = match self.shared.store.snapshot(open.mailbox).await {
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            snapshot => Some(snapshot?).filter(|snapshot| snapshot.uid_validity == open.uid_validity),
        };
        let Some(snapshot) = snapshot else {
            self.bye(Goodbye::Deleted);
            return Ok(());
        };
        let before = open.view.clone();
        let mut changes = update(&mut open.view, snapshot, may_expunge);
        let flags = changes.flags.clone();
        open.hold_back_flags(&before, &mut changes, told.no_flags);
        open.hold.knows(open.view.expunges);
        if changes.exists.is_some() && !self.enabled.rev2 {
            open.take_recent(&self.shared.store, before.uid_next);
        }
        self.tell_contexts_of_expunged(&before, &changes);
        self.write_changes(&before, &changes, told).await?;
        // New messages stand behind those known before.
        let known = before.count().saturating_sub(changes.expunged.len());
        if told.no_flags {
            // Searches that are kept up to date look at flags, told or not.
            changes.flags = flags;
        }
        let wanted = Box::pin(self.update_contexts(&changes, known)).await?;
        Box::pin(self.tell_new(&changes, known, &wanted)).await
    }

    /// What NOTIFY and searches want to know of new messages, from place `known` on: one FETCH response each, with all
    /// that is wanted of it. It comes behind ESEARCH, as RFC 5465 §5.2 has it; the example of its §7 does not.
    async fn tell_new(
        &mut self,
        changes: &Changes,
        known: usize,
        wanted: &[(Vec<FetchItem>, Places)],
    ) -> Result<(), Stop> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let own = std::mem::take(&mut open.own);
        let Some(count) = changes.exists else { return Ok(()) };
        let selected = self.notify.as_ref().and_then(|notifying| notifying.selected());
        let asked = selected.map(|selected| selected.items.clone()).unwrap_or_default();
        if asked.is_empty() && wanted.is_empty() {
            return Ok(());
        }
        let mut by_items: Vec<(Vec<FetchItem>, Places)> = Vec::new();
        for place in known..count {
            let is_own = open.view.uid(place).is_some_and(|uid| own.contains(uid));
            let mut items = if is_own { Vec::new() } else { asked.clone() };
            for (more, _) in wanted.iter().filter(|(_, places)| places.contains(place)) {
                let new: Vec<FetchItem> = more.iter().filter(|item| !items.contains(item)).cloned().collect();
                items.extend(new);
            }
            match by_items.iter_mut().find(|(same, _)| *same == items) {
                Some((_, places)) => places.push(place),
                None if items.is_empty() => {}
                None => {
                    let mut places = Places::default();
                    places.push(place);
                    by_items.push((items, places));
                }
            }
        }
        for (items, places) in &by_items {
            self.tell_messages(items, places).await?;
        }
        Ok(())
    }

    /// The client brought messages into this mailbox: NOTIFY says no more of them than that they are there.
    pub(super) fn brought(&mut self, mailbox: MailboxId, uids: &[Uid]) {
        let has_items = |notifying: &Notifying| notifying.selected().is_some_and(|s| !s.items.is_empty());
        if self.notify.as_deref().is_some_and(has_items)
            && let Some(open) = self.open.as_mut().filter(|open| open.mailbox == mailbox)
        {
            let own = open.own.ranges().iter().copied().chain(uids.iter().map(|uid| (*uid, *uid)));
            open.own = UidSet::from_ranges(own.collect());
        }
    }

    /// Writes what changed since `before`, a piece at a time: of a large mailbox it may be much.
    async fn write_changes(&mut self, before: &Snapshot, changes: &Changes, told: Told<'_>) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        let wire = &mut self.wire;
        if self.enabled.vanished() {
            let gone: UidSet = changes.vanished.iter().copied().collect();
            vanished(&mut wire.out, gone.ranges(), false);
            wire.relieve().await?;
        } else {
            for numbers in changes.expunged.chunks(BLOCK_UIDS as usize) {
                numbers.iter().for_each(|number| numbered(&mut wire.out, *number, "EXPUNGE"));
                wire.relieve().await?;
            }
        }
        if let Some(count) = changes.exists {
            numbered(&mut wire.out, count, "EXISTS");
        }
        if !self.enabled.rev2 && (changes.exists.is_some() || !changes.expunged.is_empty()) {
            let recent = open.recent_count();
            if changes.exists.is_some() || recent != open.recent_told {
                numbered(&mut wire.out, recent, "RECENT");
                open.recent_told = recent;
            }
        }
        let open = &*open;
        if changes.keywords {
            flags::defined(&mut wire.out, &open.view.keywords);
        }
        let condstore = self.enabled.condstore;
        let messages = &open.view.messages;
        let also = told.also.map_or_else(Places::default, |uids| places_of(uids, messages));
        let mut before = before.messages.finder();
        for (first, part) in changes.flags.without(&also).parts(messages) {
            for (place, message) in (first..).zip(part.iter()) {
                let silent = told.silent.is_some_and(|silent| silent.is_known(&mut before, &message));
                let hidden = told.hidden.is_some_and(|done| done.mod_seq_of(message.uid) == Some(message.mod_seq));
                if (!silent || condstore) && !hidden {
                    write_flags(&mut wire.out, place, &message, silent, open, self.enabled);
                }
            }
            wire.relieve().await?;
        }
        for (first, part) in also.parts(messages) {
            for (place, message) in (first..).zip(part.iter()) {
                write_flags(&mut wire.out, place, &message, false, open, self.enabled);
            }
            wire.relieve().await?;
        }
        Ok(())
    }
}

/// Tells of a message's flags; where they are `known`, only that they changed.
pub(super) fn write_flags(
    out: &mut Vec<u8>,
    place: usize,
    message: &Message,
    known: bool,
    open: &Open,
    enabled: Enabled,
) {
    let mut response = if enabled.uid_only {
        Response::begin_uid(out, message.uid)
    } else {
        let mut response = Response::begin(out, place);
        response.uid(message.uid);
        response
    };
    if !known {
        response.flags(message.flags, &open.view.keywords, open.recent.contains(message.uid));
    }
    if enabled.condstore {
        response.mod_seq(message.mod_seq);
    }
    response.end();
}
