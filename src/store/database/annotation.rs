//! Annotations of mailboxes and accounts.

use super::super::{Annotation, AnnotationKey};
use crate::base::{AccountId, MailboxId, Result};

/// What is read of annotations. Those of no mailbox are the account's own.
pub(in super::super) trait ReadAnnotations {
    /// All annotations of a mailbox or of an account, by entry.
    fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Annotation>>;

    /// Which annotations an account and its mailboxes have, in no order.
    fn annotation_keys(&self, account: AccountId) -> Result<Vec<AnnotationKey>>;
}

/// What is changed of annotations.
pub(in super::super) trait WriteAnnotations {
    /// Writes an annotation, in the place of one of its entry.
    fn annotation_put(&self, account: AccountId, mailbox: Option<MailboxId>, annotation: &Annotation) -> Result<()>;

    /// Removes an annotation, where it is there.
    fn annotation_remove(&self, account: AccountId, mailbox: Option<MailboxId>, entry: &str) -> Result<()>;

    /// Removes some annotations of a deleted mailbox, `most` at most; how many.
    fn left_annotations(&self, mailbox: MailboxId, most: usize) -> Result<usize>;

    /// Removes some annotations of a deleted account itself, `most` at most; how many.
    fn left_account_annotations(&self, account: AccountId, most: usize) -> Result<usize>;
}
