//! STATUS (RFC 9051 §6.3.11): counts the store keeps; nothing is scanned.

use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::encode::status::{Counts, status};
use crate::imap::response::Completion;
use crate::store::MailboxInfo;

use super::Session;
use super::refusal::Done;

impl Session {
    pub(super) async fn status(&mut self, name: &str, items: StatusItems) -> Done {
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, name).await?;
        let Some(mailbox) = mailbox.filter(|mailbox| mailbox.selectable) else {
            return Ok(Completion::no("NONEXISTENT", "No such mailbox"));
        };
        self.write_status(&mailbox, items);
        Ok(Completion::ok("Status completed"))
    }

    /// `* STATUS`. Asking for HIGHESTMODSEQ tells that the client knows CONDSTORE (RFC 7162 §3.1).
    pub(super) fn write_status(&mut self, mailbox: &MailboxInfo, items: StatusItems) {
        if items.has(StatusItem::HighestModSeq) {
            self.know_condstore();
        }
        let counts = Counts {
            messages: mailbox.total,
            uid_next: mailbox.uid_next,
            uid_validity: mailbox.uid_validity,
            unseen: mailbox.unseen,
            deleted: mailbox.deleted,
            octets: mailbox.octets,
            mod_seq: mailbox.mod_seq,
            append_limit: self.shared.settings.message_octets_max,
        };
        status(&mut self.wire.out, &mailbox.name, self.enabled.utf8_names(), items, &counts);
    }
}
