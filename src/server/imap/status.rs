//! STATUS (RFC 9051 §6.3.11): counts the store keeps; nothing is scanned.

use crate::base::limits::FETCH_FACTS_MAX;
use crate::base::{Flags, UidSet};
use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::encode::status::{Counts, status};
use crate::imap::response::Completion;
use crate::store::MailboxInfo;

use super::Session;
use super::refusal::{Done, Stop};

impl Session {
    pub(super) async fn status(&mut self, name: &str, items: StatusItems) -> Done {
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, name).await?;
        let Some(mailbox) = mailbox.filter(|mailbox| mailbox.selectable) else {
            return Ok(Completion::no("NONEXISTENT", "No such mailbox"));
        };
        self.write_status(&mailbox, items).await?;
        Ok(Completion::ok("Status completed"))
    }

    /// `* STATUS`. Asking for HIGHESTMODSEQ tells that the client knows CONDSTORE (RFC 7162 §3.1).
    pub(super) async fn write_status(&mut self, mailbox: &MailboxInfo, items: StatusItems) -> Result<(), Stop> {
        if items.has(StatusItem::HighestModSeq) {
            self.know_condstore();
        }
        self.put_status(mailbox, items).await
    }

    /// `* STATUS`, asked for or not.
    pub(super) async fn put_status(&mut self, mailbox: &MailboxInfo, items: StatusItems) -> Result<(), Stop> {
        let counts = Counts {
            messages: mailbox.total,
            recent: if items.has(StatusItem::Recent) { self.count_recent(mailbox).await? } else { 0 },
            uid_next: mailbox.uid_next,
            uid_validity: mailbox.uid_validity,
            unseen: mailbox.unseen,
            deleted: mailbox.deleted,
            octets: mailbox.octets,
            mod_seq: mailbox.mod_seq,
            mailbox: mailbox.id.0,
            deleted_octets: if items.has(StatusItem::DeletedStorage) { self.deleted_octets(mailbox).await? } else { 0 },
            append_limit: self.shared.settings.message_octets_max,
        };
        status(&mut self.wire.out, &mailbox.name, self.enabled.utf8_names(), items, &counts);
        Ok(())
    }

    /// Octets of the messages with `\\Deleted`.
    async fn deleted_octets(&mut self, mailbox: &MailboxInfo) -> Result<u64, Stop> {
        if mailbox.deleted == 0 {
            return Ok(0);
        }
        let store = &self.shared.store;
        let messages = store.snapshot(mailbox.id).await?.messages;
        let (mut octets, mut set) = (0, UidSet::new());
        for message in messages.iter().filter(|message| message.flags.contains(Flags::DELETED)) {
            set.push(message.uid);
        }
        for ranges in set.ranges().chunks(FETCH_FACTS_MAX) {
            let facts = store.facts(mailbox.id, &UidSet::from_ranges(ranges.to_vec())).await?;
            octets += facts.iter().map(|fact| fact.size).sum::<u64>();
        }
        Ok(octets)
    }

    /// Messages no client was told of; those of the selected mailbox that this client was told of first.
    async fn count_recent(&mut self, mailbox: &MailboxInfo) -> Result<u32, Stop> {
        if let Some(open) = self.open.as_ref().filter(|open| open.mailbox == mailbox.id) {
            return Ok(open.recent_count() as u32);
        }
        let from = self.shared.store.recent_from(mailbox.id, mailbox.recent_from);
        if self.enabled.rev2 || from >= mailbox.uid_next || mailbox.total == 0 {
            return Ok(0);
        }
        let messages = self.shared.store.snapshot(mailbox.id).await?.messages;
        Ok((messages.len() - messages.place_from(from)) as u32)
    }
}
