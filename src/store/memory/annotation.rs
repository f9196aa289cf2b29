//! Annotations of mailboxes and accounts.

use super::super::database::{ReadAnnotations, WriteAnnotations};
use super::super::{Annotation, AnnotationKey};
use super::Connection;
use super::tables::Tables;
use crate::base::{AccountId, MailboxId, Result};

/// What is left of an account or a mailbox.
type Key = (Option<MailboxId>, AccountId, String);

impl Tables {
    fn annotations_of(&self, mailbox: Option<MailboxId>, account: AccountId) -> impl Iterator<Item = &Annotation> {
        let all = self.annotations.range_from((mailbox, account, String::new()));
        all.take_while(move |(key, _)| (key.0, key.1) == (mailbox, account)).map(|(_, annotation)| annotation)
    }

    fn leave_annotations(&mut self, most: usize, are: impl Fn(&Key) -> bool) -> usize {
        let some: Vec<Key> =
            self.annotations.iter().map(|(key, _)| key).filter(|key| are(key)).take(most).cloned().collect();
        some.iter().for_each(|key| self.annotations.discard(key));
        some.len()
    }
}

impl ReadAnnotations for Connection {
    fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Annotation>> {
        self.ask(|tables| tables.annotations_of(mailbox, account).cloned().collect())
    }

    fn annotation_keys(&self, account: AccountId) -> Result<Vec<AnnotationKey>> {
        self.ask(|tables| {
            let own = tables.annotations.iter().filter(|(key, _)| key.1 == account);
            own.map(|((mailbox, _, entry), annotation)| AnnotationKey {
                mailbox: *mailbox,
                entry: entry.clone(),
                revision: annotation.revision,
                octets: annotation.value.len() as u64,
            })
            .collect()
        })
    }
}

impl WriteAnnotations for Connection {
    fn annotation_put(&self, account: AccountId, mailbox: Option<MailboxId>, annotation: &Annotation) -> Result<()> {
        let key = (mailbox, account, annotation.entry.clone());
        self.edit(|tables| tables.annotations.put(key, annotation.clone()))
    }

    fn annotation_remove(&self, account: AccountId, mailbox: Option<MailboxId>, entry: &str) -> Result<()> {
        self.edit(|tables| tables.annotations.discard(&(mailbox, account, entry.to_owned())))
    }

    fn left_annotations(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        self.change(|tables| Ok(tables.leave_annotations(most, |key| key.0 == Some(mailbox))))
    }

    fn left_account_annotations(&self, account: AccountId, most: usize) -> Result<usize> {
        self.change(|tables| Ok(tables.leave_annotations(most, |key| (key.0, key.1) == (None, account))))
    }
}
