//! SELECT, EXAMINE, UNSELECT, CLOSE (RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2).

use crate::base::snapshot::Messages;
use crate::base::{Flags, ModSeq, UidSet};
use crate::imap::command::{Resync, Select};
use crate::imap::encode::{flags, list, search::vanished, status::mailbox_id};
use crate::imap::response::{Completion, numbered};
use crate::imap::sequence::places_of;
use crate::store::Expunge;

use super::Session;
use super::fetch::changed_since;
use super::open::Open;
use super::open::write_flags;
use super::refusal::{Done, Stop};
use super::search::Contexts;

impl Session {
    pub(super) async fn select(&mut self, select: &Select) -> Done {
        if let Some(resync) = &select.resync {
            if !self.enabled.qresync {
                return Ok(Completion::bad("QRESYNC must be enabled first"));
            }
            if resync.numbers && self.enabled.uid_only {
                return Ok(super::uid_required());
            }
        }
        // Whatever comes of it, the mailbox selected before is no longer.
        if self.leave().await.is_some() {
            self.wire.out.extend_from_slice(b"* OK [CLOSED] Previous mailbox is closed\r\n");
        }
        self.enabled.condstore |= select.condstore;
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, &select.name).await?;
        let Some(mailbox) = mailbox.filter(|mailbox| mailbox.selectable) else {
            return Ok(Completion::no("NONEXISTENT", "No such mailbox"));
        };
        // The watch first: what happens between it and the snapshot is then noticed.
        let watch = self.shared.store.watch(mailbox.id);
        let mut hold = self.shared.store.hold(mailbox.id);
        let snapshot = self.shared.store.snapshot(mailbox.id).await?;
        hold.knows(snapshot.expunges);
        let mut open = Open {
            mailbox: mailbox.id,
            read_only: select.read_only,
            uid_validity: snapshot.uid_validity,
            view: snapshot,
            watch,
            hold,
            saved: UidSet::new(),
            recent: UidSet::new(),
            recent_told: 0,
            contexts: Contexts::default(),
            flags_untold: None,
            own: UidSet::new(),
        };
        if !self.enabled.rev2 {
            open.take_recent(&self.shared.store, 1);
            open.recent_told = open.recent_count();
        }
        self.describe(&open, &mailbox.name);
        self.open = Some(open);
        if let Some(resync) = &select.resync {
            self.resync(resync).await?;
        }
        let code = if select.read_only { "READ-ONLY" } else { "READ-WRITE" };
        Ok(Completion::ok("Selected").with_code(code))
    }

    /// The untagged answers of SELECT.
    fn describe(&mut self, open: &Open, name: &str) {
        let out = &mut self.wire.out;
        let view = &open.view;
        flags::defined(out, &view.keywords);
        flags::permanent(out, &view.keywords, open.read_only);
        numbered(out, view.count(), "EXISTS");
        if !self.enabled.rev2 {
            numbered(out, open.recent_told, "RECENT");
        }
        let unseen = || view.messages.iter().position(|message| !message.flags.contains(Flags::SEEN));
        if !self.enabled.rev2
            && !self.enabled.uid_only
            && let Some(place) = unseen()
        {
            out.extend_from_slice(format!("* OK [UNSEEN {}] First unseen\r\n", place + 1).as_bytes());
        }
        let numbers = format!(
            "* OK [UIDVALIDITY {}] UIDs valid\r\n* OK [UIDNEXT {}] Predicted next UID\r\n\
             * OK [HIGHESTMODSEQ {}] Highest\r\n",
            open.uid_validity, view.uid_next, view.mod_seq
        );
        out.extend_from_slice(numbers.as_bytes());
        out.extend_from_slice(b"* OK [MAILBOXID (");
        mailbox_id(out, open.mailbox.0);
        out.extend_from_slice(b")] Identifier\r\n");
        if self.enabled.rev2 {
            let entry = list::Entry { name, ..list::Entry::default() };
            list::entry(out, "LIST", &entry, self.enabled.utf8_names());
        }
    }

    /// Tells a client that comes back what changed since, where it knows this mailbox (RFC 7162 §3.2.5.1).
    async fn resync(&mut self, resync: &Resync) -> Result<(), Stop> {
        let open = self.open()?;
        if open.uid_validity != resync.uid_validity || resync.mod_seq >= open.view.mod_seq {
            return Ok(());
        }
        let messages = open.view.messages.clone();
        let known = resync.known.as_ref().map_or_else(UidSet::all, |set| set.uids(&messages, &UidSet::new()));
        self.tell_vanished(&known, resync.mod_seq).await?;
        let changed = changed_since(&places_of(&known, &messages), &messages, resync.mod_seq);
        for (first, part) in changed.parts(&messages) {
            let Some(open) = &self.open else { break };
            for (place, message) in (first..).zip(part.iter()) {
                write_flags(&mut self.wire.out, place, &message, false, open, self.enabled);
            }
            self.wire.relieve().await?;
        }
        Ok(())
    }

    /// `* VANISHED (EARLIER)`: those of `known` that were expunged after `since`.
    pub(super) async fn tell_vanished(&mut self, known: &UidSet, since: ModSeq) -> Result<(), Stop> {
        let open = self.open()?;
        let gone = self.shared.store.vanished(open.mailbox, since).await?;
        let given_out = UidSet::from_ranges(vec![(1, open.view.uid_next.saturating_sub(1).max(1))]);
        let gone = without(&gone.both(known).both(&given_out), &open.view.messages);
        vanished(&mut self.wire.out, gone.ranges(), true);
        Ok(self.wire.relieve().await?)
    }

    /// Nothing is selected any more. What the client was told first is written without waiting for it.
    pub(super) async fn leave(&mut self) -> Option<Open> {
        let open = self.open.take()?;
        if let Some(notifying) = &mut self.notify {
            notifying.left(&open);
        }
        if !open.read_only && !open.recent.is_empty() {
            let _ = smol::future::poll_once(self.shared.store.keep_recent(open.mailbox)).await;
        }
        Some(open)
    }

    pub(super) async fn unselect(&mut self) -> Done {
        self.leave().await;
        Ok(Completion::ok("Unselected"))
    }

    /// CLOSE expunges without a word.
    pub(super) async fn close(&mut self) -> Done {
        if let Some(open) = self.leave().await
            && !open.read_only
        {
            self.shared.store.expunge(open.mailbox, Expunge::Deleted).await?;
        }
        Ok(Completion::ok("Closed"))
    }
}

/// The UIDs of `set` that no message has.
fn without(set: &UidSet, messages: &Messages) -> UidSet {
    let mut left = UidSet::new();
    for (low, high) in set.ranges() {
        let mut from = Some(*low);
        let behind = high.checked_add(1).map_or(messages.len(), |above| messages.place_from(above));
        for (_, part) in messages.parts(messages.place_from(*low)..behind) {
            for uid in part.uids {
                if let Some(from) = from.filter(|from| from < uid) {
                    left.push_range(from, uid - 1);
                }
                from = uid.checked_add(1);
            }
        }
        if let Some(from) = from.filter(|from| from <= high) {
            left.push_range(from, *high);
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::snapshot::Message;

    #[test]
    fn what_is_there_did_not_vanish() {
        let uids = [2, 5, 6, 600];
        let messages = Messages::of(uids.iter().map(|uid| Message { uid: *uid, flags: Flags::NONE, mod_seq: 1 }));
        for (set, want) in
            [((1, 10), "1,3:4,7:10"), ((2, 2), ""), ((5, 7), "7"), ((599, 601), "599,601"), ((9, 9), "9")]
        {
            assert_eq!(without(&UidSet::from_ranges(vec![set]), &messages).to_string(), want);
        }
    }
}
