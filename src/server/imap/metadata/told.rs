//! Changes of annotations that others made: told after ENABLE METADATA, and where NOTIFY asked for them.
//!
//! A session keeps the revision of each entry and compares; nothing is read while the store counts no change.

use std::collections::BTreeMap;
use std::io;

use crate::base::MailboxId;
use crate::imap::encode::metadata::changed;
use crate::store::Watch;

use super::super::Session;
use super::super::refusal::Stop;

/// What the client knows of its account's annotations.
pub(in crate::server::imap) struct Told {
    /// The store's count of changes.
    changes: u64,
    revisions: BTreeMap<(Option<MailboxId>, String), i64>,
    watch: Watch,
}

impl Told {
    /// Wakes when annotations may have changed.
    pub fn watch(&mut self) -> &mut Watch {
        &mut self.watch
    }
}

impl Session {
    /// Tells of annotations that changed, where the client wants to know. False where the store cannot answer now.
    /// Fails only where the connection does.
    pub(in crate::server::imap) async fn tell_annotations(&mut self) -> io::Result<bool> {
        let Some(account) = self.account.clone().filter(|_| !self.over) else { return Ok(true) };
        let by_notify = self.notify.as_ref().is_some_and(|notifying| notifying.wants_annotations());
        if !self.enabled.metadata && !by_notify {
            self.annotations = None;
            return Ok(true);
        }
        let changes = self.shared.store.annotation_changes(account.id);
        if self.annotations.as_ref().is_some_and(|told| told.changes == changes) {
            return Ok(true);
        }
        match Box::pin(self.compare_annotations(changes)).await {
            Err(Stop::Wire(e)) => Err(e),
            told => Ok(told.is_ok()),
        }
    }

    async fn compare_annotations(&mut self, changes: u64) -> Result<(), Stop> {
        let account = self.account()?;
        let watch = self.shared.store.watch_mailboxes(account.id);
        let keys = self.shared.store.annotation_keys(account.id).await?;
        let revisions: BTreeMap<_, _> = keys.into_iter().map(|key| ((key.mailbox, key.entry), key.revision)).collect();
        // At the first look, what is there is known.
        let before = self.annotations.as_ref().map_or_else(|| revisions.clone(), |told| told.revisions.clone());
        let mut other: BTreeMap<Option<MailboxId>, Vec<&str>> = BTreeMap::new();
        for (key, revision) in &revisions {
            if before.get(key) != Some(revision) {
                other.entry(key.0).or_default().push(&key.1);
            }
        }
        for key in before.keys().filter(|key| !revisions.contains_key(*key)) {
            other.entry(key.0).or_default().push(&key.1);
        }
        if !other.is_empty() {
            let mailboxes = self.shared.store.mailboxes(account.id).await?;
            for (mailbox, entries) in &other {
                let info = mailbox.and_then(|id| mailboxes.iter().find(|info| info.id == id));
                if mailbox.is_some() && info.is_none() {
                    continue;
                }
                let asked = self.notify.as_ref().is_some_and(|notifying| notifying.asks_annotations(info));
                if self.enabled.metadata || asked {
                    let name = info.map(|info| info.name.as_str()).unwrap_or_default();
                    changed(&mut self.wire.out, name, self.enabled.utf8_names(), entries);
                    self.wire.relieve().await?;
                }
            }
        }
        self.annotations = Some(Box::new(Told { changes, revisions, watch }));
        Ok(())
    }

    /// The client changed these entries itself.
    pub(in crate::server::imap) fn annotated_by_client(
        &mut self,
        mailbox: Option<MailboxId>,
        entries: &[String],
        revision: i64,
    ) {
        let Some(told) = &mut self.annotations else { return };
        for entry in entries {
            told.revisions.insert((mailbox, entry.clone()), revision);
        }
    }
}
