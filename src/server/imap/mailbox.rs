//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 9051 §6.3.4 to §6.3.8).

use crate::base::{ErrorKind, SpecialUse};
use crate::imap::encode::status::mailbox_id;
use crate::imap::response::Completion;

use super::Session;
use super::refusal::Done;

impl Session {
    pub(super) async fn create(&mut self, name: &str, special_use: Option<SpecialUse>) -> Done {
        let account = self.account()?;
        let made = self.shared.store.mailbox_create(account.id, name, special_use).await?;
        self.changed_names(&[name]).await;
        // RFC 8474 §4.1
        let mut code = b"MAILBOXID (".to_vec();
        mailbox_id(&mut code, made.id.0);
        code.push(b')');
        Ok(Completion::ok("Created").with_code(String::from_utf8_lossy(&code).into_owned()))
    }

    pub(super) async fn delete(&mut self, name: &str) -> Done {
        let account = self.account()?;
        if name == "INBOX" {
            return Ok(Completion::no("CANNOT", "INBOX cannot be deleted"));
        }
        let mailbox = self.shared.store.mailbox(account.id, name).await?;
        let deleted = self.shared.store.mailbox_delete(account.id, name).await;
        match deleted {
            Err(e) if e.kind() == ErrorKind::State => {
                return Ok(Completion::no("HASCHILDREN", "There are mailboxes below it"));
            }
            deleted => deleted?,
        }
        self.changed_names(&[name]).await;
        // Deleting what is selected closes it.
        if mailbox.is_some_and(|deleted| self.open.as_ref().is_some_and(|open| open.mailbox == deleted.id)) {
            self.open = None;
            self.wire.out.extend_from_slice(b"* OK [CLOSED] The selected mailbox is deleted\r\n");
        }
        Ok(Completion::ok("Deleted"))
    }

    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Done {
        let account = self.account()?;
        self.shared.store.mailbox_rename(account.id, from, to).await?;
        self.changed_names(&[from, to]).await;
        Ok(Completion::ok("Renamed"))
    }

    pub(super) async fn subscribe(&mut self, name: &str, on: bool) -> Done {
        let account = self.account()?;
        if on && self.shared.store.mailbox(account.id, name).await?.is_none() {
            return Ok(Completion::no("NONEXISTENT", "No such mailbox"));
        }
        self.shared.store.mailbox_subscribe(account.id, name, on).await?;
        self.changed_subscription(name, on);
        Ok(Completion::ok(if on { "Subscribed" } else { "Unsubscribed" }))
    }
}
