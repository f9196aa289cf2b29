//! SELECT, EXAMINE, UNSELECT, CLOSE (RFC 9051 §6.3.2, §6.3.3, §6.4.1, §6.4.2).

use crate::base::{Flags, UidSet};
use crate::imap::command::Select;
use crate::imap::encode::{flags, list};
use crate::imap::response::{Completion, numbered};
use crate::store::Expunge;

use super::Session;
use super::open::Open;
use super::refusal::Done;
use super::search::Contexts;

impl Session {
    pub(super) async fn select(&mut self, select: &Select) -> Done {
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
        };
        if !self.enabled.rev2 {
            open.take_recent(&self.shared.store, 1);
            open.recent_told = open.recent_count();
        }
        self.describe(&open, &mailbox.name);
        self.open = Some(open);
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
            if let Some(place) = view.messages.iter().position(|message| !message.flags.contains(Flags::SEEN)) {
                out.extend_from_slice(format!("* OK [UNSEEN {}] First unseen\r\n", place + 1).as_bytes());
            }
        }
        let numbers = format!(
            "* OK [UIDVALIDITY {}] UIDs valid\r\n* OK [UIDNEXT {}] Predicted next UID\r\n\
             * OK [HIGHESTMODSEQ {}] Highest\r\n",
            open.uid_validity, view.uid_next, view.mod_seq
        );
        out.extend_from_slice(numbers.as_bytes());
        if self.enabled.rev2 {
            let entry = list::Entry { name, ..list::Entry::default() };
            list::entry(out, "LIST", &entry, self.enabled.utf8_names());
        }
    }

    /// Nothing is selected any more. What the client was told first is written without waiting for it.
    pub(super) async fn leave(&mut self) -> Option<Open> {
        let open = self.open.take()?;
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
