//! COPY, MOVE and their UID forms (RFC 9051 §6.4.7, §6.4.8, RFC 4315).

use crate::base::ErrorKind;
use crate::imap::command::Copy;
use crate::imap::encode::search::set_in_order;
use crate::imap::response::Completion;

use super::Session;
use super::open::Told;
use super::refusal::{Done, Stop, no_destination};

impl Session {
    pub(super) async fn copy(&mut self, copy: &Copy) -> Done {
        let account = self.account()?;
        let open = self.open()?;
        let places = open.places(&copy.set, copy.by_uid)?;
        if copy.moves && open.read_only {
            return Ok(Completion::no("NOPERM", "The mailbox is open read-only"));
        }
        let store = &self.shared.store;
        let to = store.mailbox(account.id, &copy.to).await?.filter(|mailbox| mailbox.selectable);
        let to = to.ok_or_else(|| Stop::Completion(no_destination()))?;
        if places.is_empty() {
            return Ok(Completion::ok("No messages"));
        }
        let uids = places.uids(&open.view.messages);
        let copied = if copy.moves {
            store.move_messages(open.mailbox, uids, to.id).await
        } else {
            store.copy(open.mailbox, uids, to.id).await
        };
        let copied = match copied {
            // Only a destination can be made (RFC 9051 §6.4.7), not the source that somebody deleted.
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.shared.store.snapshot(open.mailbox).await?;
                return Ok(no_destination());
            }
            copied => copied?,
        };
        if copied.from.is_empty() {
            return Ok(Completion::no("EXPUNGEISSUED", "These messages are gone"));
        }
        self.brought(to.id, &copied.to);
        let code =
            format!("COPYUID {} {} {}", copied.uid_validity, set_in_order(&copied.from), set_in_order(&copied.to));
        if !copy.moves {
            return Ok(Completion::ok("Copied").with_code(code));
        }
        // RFC 6851 §4.3: before the EXPUNGEs, which make the source's UIDs meaningless.
        Completion::ok("Moved").with_code(code).write(&mut self.wire.out, "*");
        self.sync(true, Told::default()).await?;
        Ok(Completion::ok("Move completed"))
    }
}
