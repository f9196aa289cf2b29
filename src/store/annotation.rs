//! Annotations of mailboxes and of accounts themselves (RFC 5464): named values that clients keep here.
//!
//! Sessions that tell of changes compare the revisions of all entries of an account with those that they told; whether
//! there is anything to compare they learn from a count in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::delta::Delta;
use super::row::{MailboxRow, no_mailbox};
use super::transaction::WriteTx;
use super::{Annotation, AnnotationKey, Store};
use crate::base::limits::{ANNOTATIONS_MAX, ANNOTATIONS_OCTETS_MAX, ANNOTATIONS_PER_ACCOUNT_MAX};
use crate::base::{AccountId, Error, ErrorKind, MailboxId, Result, SpecialUse};

/// How often the annotations of each account changed since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Changes(Mutex<BTreeMap<AccountId, u64>>);

impl Changes {
    /// They changed again.
    pub fn note(&self, account: AccountId) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(account).or_default() += 1;
    }

    fn of(&self, account: AccountId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&account).copied().unwrap_or(0)
    }
}

/// What is changed of the annotations of a mailbox or account, all or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Annotating {
    /// Entries in lower case and their new values; `None` removes one.
    pub values: Vec<(String, Option<Vec<u8>>)>,
    /// What the mailbox is for from now on, where that changes.
    pub special_use: Option<Option<SpecialUse>>,
}

impl Store {
    /// All annotations of a mailbox, or of the account itself, by entry.
    pub async fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Annotation>> {
        self.read(move |db| db.annotations(account, mailbox)).await
    }

    /// Which annotations an account and its mailboxes have, in no order.
    pub async fn annotation_keys(&self, account: AccountId) -> Result<Vec<AnnotationKey>> {
        self.read(move |db| db.annotation_keys(account)).await
    }

    /// A number that is another one after each change of the account's annotations.
    pub fn annotation_changes(&self, account: AccountId) -> u64 {
        self.shared().annotations.of(account)
    }

    /// Changes annotations of a mailbox or of the account itself; gives their revision. `NotFound` where the mailbox
    /// is not there, `Limit` where there would be more than `ANNOTATIONS_MAX` of it, or more than
    /// `ANNOTATIONS_PER_ACCOUNT_MAX` or `ANNOTATIONS_OCTETS_MAX` of the account.
    pub async fn annotate(&self, account: AccountId, mailbox: Option<MailboxId>, change: Annotating) -> Result<i64> {
        self.write(0, move |tx| annotate(tx, account, mailbox, &change)).await
    }
}

fn annotate(tx: &mut WriteTx<'_>, account: AccountId, mailbox: Option<MailboxId>, change: &Annotating) -> Result<i64> {
    if tx.account(account)?.is_none() {
        return Err(Error::new(ErrorKind::NotFound, "no such account"));
    }
    if let Some(mailbox) = mailbox {
        let row = tx.row(mailbox)?;
        if row.account != account {
            return Err(no_mailbox());
        }
        if let Some(special_use) = change.special_use.filter(|special_use| *special_use != row.special_use) {
            tx.apply(Delta::of(mailbox, MailboxRow { special_use, ..row }))?;
        }
    }
    let there = tx.db.annotation_keys(account)?;
    let last = there.iter().map(|key| key.revision).max().unwrap_or(0);
    let revision = tx.shared.world.clock.wall().0.max(last + 1);
    check_room(&there, mailbox, change)?;
    for (entry, value) in &change.values {
        match value {
            Some(value) => {
                let annotation = Annotation { entry: entry.clone(), value: value.clone(), revision };
                tx.db.annotation_put(account, mailbox, &annotation)?;
            }
            None => tx.db.annotation_remove(account, mailbox, entry)?,
        }
    }
    tx.annotated(account);
    Ok(revision)
}

/// Whether there is room for what is changed. What only takes away always has room.
fn check_room(there: &[AnnotationKey], mailbox: Option<MailboxId>, change: &Annotating) -> Result<()> {
    let mut sizes: BTreeMap<(Option<MailboxId>, &str), u64> =
        there.iter().map(|key| ((key.mailbox, key.entry.as_str()), key.octets)).collect();
    let before = (sizes.len(), sizes.values().sum::<u64>());
    for (entry, value) in &change.values {
        match value {
            Some(value) => drop(sizes.insert((mailbox, entry), value.len() as u64)),
            None => drop(sizes.remove(&(mailbox, entry.as_str()))),
        }
    }
    let (count, octets) = (sizes.len(), sizes.values().sum::<u64>());
    let here = sizes.keys().filter(|(of, _)| *of == mailbox).count();
    let too_many = |text, most: u64| Err(Error::new(ErrorKind::Limit, format!("{text}, at most {most}")));
    if count > before.0 && here > ANNOTATIONS_MAX {
        return too_many("too many annotations", ANNOTATIONS_MAX as u64);
    }
    if count > before.0 && count > ANNOTATIONS_PER_ACCOUNT_MAX {
        return too_many("too many annotations of the account", ANNOTATIONS_PER_ACCOUNT_MAX as u64);
    }
    if octets > before.1 && octets > ANNOTATIONS_OCTETS_MAX {
        return too_many("too many octets of annotations", ANNOTATIONS_OCTETS_MAX);
    }
    Ok(())
}
