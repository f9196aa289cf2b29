//! Mailboxes by name: listing, making, deleting, renaming, subscribing.
//!
//! Levels are separated by `/`; INBOX is written in capitals whatever the case it came in, as the first level too.

use super::delta::Delta;
use super::row::{MailboxRow, no_mailbox};
use super::transaction::WriteTx;
use super::transfer::Destination;
use super::{MailboxInfo, Snapshot, Store, copy};
use crate::base::limits::{MAILBOX_LEVELS_MAX, MAILBOX_NAME_OCTETS_MAX, MAILBOXES_MAX};
use crate::base::{AccountId, Error, ErrorKind, MailboxId, Result, SpecialUse, UidSet};
use crate::imap::name::composed;

impl Store {
    /// All mailboxes of an account, by name.
    pub async fn mailboxes(&self, account: AccountId) -> Result<Vec<MailboxInfo>> {
        if self.account_by_id(account).await?.is_none() {
            return Ok(Vec::new());
        }
        self.read(move |db| db.mailbox_infos(account)).await
    }

    /// One mailbox by name (INBOX in any case).
    pub async fn mailbox(&self, account: AccountId, name: &str) -> Result<Option<MailboxInfo>> {
        let Ok(name) = normal_name(name) else { return Ok(None) };
        self.shared().check_up()?;
        if self.account_by_id(account).await?.is_none() {
            return Ok(None);
        }
        let generation = match self.shared().counts.find(account, &name) {
            Ok(info) => return Ok(Some(info)),
            Err(generation) => generation,
        };
        let found = self.read(move |db| db.mailbox_info(account, &name)).await?;
        if let Some(info) = &found {
            self.shared().counts.keep(generation, info);
        }
        Ok(found)
    }

    /// The mailbox that is for `special_use`, one for each account in order; `None` where it has none.
    pub async fn mailboxes_for(
        &self,
        accounts: Vec<AccountId>,
        special_use: SpecialUse,
    ) -> Result<Vec<Option<MailboxId>>> {
        self.read(move |db| accounts.iter().map(|account| db.mailbox_for(*account, special_use)).collect()).await
    }

    /// Makes a mailbox and the levels above it. `Exists`, `Invalid`, `Limit`.
    pub async fn mailbox_create(
        &self,
        account: AccountId,
        name: &str,
        special_use: Option<SpecialUse>,
    ) -> Result<MailboxInfo> {
        let name = normal_name(name)?;
        self.write(0, move |tx| {
            check_account(tx, account)?;
            let (id, row) = match find(tx, account, &name)? {
                Some((_, row)) if row.selectable => {
                    return Err(Error::new(ErrorKind::Exists, "the mailbox exists already"));
                }
                Some((id, row)) => (id, revive(tx, id, row, special_use)?),
                None => {
                    check_room(tx, account, Some(&name), &name)?;
                    insert_levels_above(tx, account, &name)?;
                    insert(tx, account, &name, special_use)?
                }
            };
            Ok(row.info(id, tx.db.is_subscribed(account, &name)?))
        })
        .await
    }

    /// Deletes a mailbox and its mail; with children it stays as a name that cannot be selected. INBOX: `Invalid`.
    pub async fn mailbox_delete(&self, account: AccountId, name: &str) -> Result<()> {
        let name = normal_name(name)?;
        if name == INBOX {
            return Err(Error::new(ErrorKind::Invalid, "INBOX cannot be deleted"));
        }
        self.write(0, move |tx| {
            let (id, row) = find(tx, account, &name)?.ok_or_else(no_mailbox)?;
            let has_children = tx.db.has_mailboxes_below(account, &name)?;
            if !row.selectable && has_children {
                return Err(Error::new(ErrorKind::State, "the name has mailboxes below it"));
            }
            tx.apply(Delta::deletion(id, row))?;
            if has_children {
                let bare = MailboxRow { selectable: false, ..new_row(tx, account, &name, None)? };
                let id = tx.next_mailbox()?;
                tx.apply(Delta::of(id, bare))?;
            }
            Ok(())
        })
        .await
    }

    /// Renames a mailbox and its children; INBOX gives its messages away and stays (RFC 9051 §6.3.6).
    pub async fn mailbox_rename(&self, account: AccountId, from: &str, to: &str) -> Result<()> {
        let (from, to) = (normal_name(from)?, normal_name(to)?);
        if is_below(&to, &from) {
            return Err(Error::new(ErrorKind::Invalid, "a mailbox cannot be moved below itself"));
        }
        if from == INBOX {
            let inbox = self.mailbox(account, INBOX).await?.ok_or_else(no_mailbox)?;
            let known = self.snapshot(inbox.id).await?;
            if self.are_many(&known, &UidSet::all()) {
                let there = Destination::New(account, to.clone());
                if self.transfer(known.clone(), UidSet::all(), there, true).await?.is_some() {
                    return Ok(());
                }
            }
            return self.write(0, move |tx| give_away(tx, &known, account, &to)).await;
        }
        self.write(0, move |tx| rename(tx, account, &from, &to)).await
    }

    /// Subscribes or unsubscribes a name, which need not exist (RFC 9051 §6.3.7).
    pub async fn mailbox_subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()> {
        let name = normal_name(name)?;
        self.write(0, move |tx| {
            check_account(tx, account)?;
            if on && tx.db.subscription_count(account)? >= MAILBOXES_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("too many subscriptions, at most {MAILBOXES_MAX}")));
            }
            tx.subscribe(account, &name, on)
        })
        .await
    }

    /// Subscribed names, sorted, those without a mailbox included.
    pub async fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        if self.account_by_id(account).await?.is_none() {
            return Ok(Vec::new());
        }
        self.read(move |db| db.subscriptions(account)).await
    }
}

const INBOX: &str = "INBOX";

/// A name as it is kept: checked, INBOX in capitals, without a final separator (RFC 9051 §6.3.4).
pub(super) fn normal_name(name: &str) -> Result<String> {
    let invalid = |text: &str| Err(Error::new(ErrorKind::Invalid, text));
    let name = composed(name.strip_suffix('/').unwrap_or(name));
    let name = name.as_ref();
    if name.is_empty() || name.split('/').any(str::is_empty) {
        return invalid("a mailbox name has an empty level");
    }
    if name.len() > MAILBOX_NAME_OCTETS_MAX {
        return invalid("the mailbox name is too long");
    }
    if name.split('/').count() > MAILBOX_LEVELS_MAX {
        return invalid("the mailbox name has too many levels");
    }
    if name.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        return invalid("a mailbox name has a control character");
    }
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let first = if first.eq_ignore_ascii_case(INBOX) { INBOX } else { first };
    Ok(rest.map_or_else(|| first.to_owned(), |rest| format!("{first}/{rest}")))
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

/// A mailbox by name, also one that is only a name.
fn find(tx: &mut WriteTx<'_>, account: AccountId, name: &str) -> Result<Option<(MailboxId, MailboxRow)>> {
    let id = tx.db.mailbox_named(account, name)?;
    let Some(id) = id else { return Ok(None) };
    let missing = || Error::new(ErrorKind::Bug, "a mailbox that was found by name has no row");
    Ok(Some((id, tx.any_row(id)?.ok_or_else(missing)?)))
}

fn check_account(tx: &WriteTx<'_>, account: AccountId) -> Result<()> {
    match tx.account(account)? {
        Some(_) => Ok(()),
        None => Err(Error::new(ErrorKind::NotFound, "no such account")),
    }
}

/// `Limit` where the account has no room for a new mailbox, where there is one, and the levels above `name`.
fn check_room(tx: &WriteTx<'_>, account: AccountId, new: Option<&str>, name: &str) -> Result<()> {
    let mut more = usize::from(new.is_some());
    for above in levels_above(name) {
        more += usize::from(tx.db.mailbox_named(account, above)?.is_none());
    }
    if more > 0 && tx.db.mailbox_count(account)? + more > MAILBOXES_MAX {
        return Err(Error::new(ErrorKind::Limit, format!("too many mailboxes, at most {MAILBOXES_MAX}")));
    }
    Ok(())
}

fn levels_above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').filter_map(|(at, _)| name.get(..at))
}

fn insert_levels_above(tx: &mut WriteTx<'_>, account: AccountId, name: &str) -> Result<()> {
    for above in levels_above(name) {
        if tx.db.mailbox_named(account, above)?.is_none() {
            insert(tx, account, above, None)?;
        }
    }
    Ok(())
}

fn new_row(tx: &WriteTx<'_>, account: AccountId, name: &str, special_use: Option<SpecialUse>) -> Result<MailboxRow> {
    Ok(MailboxRow::new(account, name, tx.next_uid_validity()?, special_use))
}

/// A new, empty mailbox.
pub(super) fn insert(
    tx: &mut WriteTx<'_>,
    account: AccountId,
    name: &str,
    special_use: Option<SpecialUse>,
) -> Result<(MailboxId, MailboxRow)> {
    let (id, row) = (tx.next_mailbox()?, new_row(tx, account, name, special_use)?);
    tx.apply(Delta::of(id, row.clone()))?;
    Ok((id, row))
}

/// Makes a bare name a mailbox again.
fn revive(
    tx: &mut WriteTx<'_>,
    id: MailboxId,
    bare: MailboxRow,
    special_use: Option<SpecialUse>,
) -> Result<MailboxRow> {
    let row = MailboxRow { selectable: true, uid_validity: tx.next_uid_validity()?, special_use, ..bare };
    tx.apply(Delta::of(id, row.clone()))?;
    Ok(row)
}

/// RENAME of INBOX: its messages move to a new mailbox.
fn give_away(tx: &mut WriteTx<'_>, inbox: &Snapshot, account: AccountId, to: &str) -> Result<()> {
    check_new(tx, account, to)?;
    insert_levels_above(tx, account, to)?;
    let (made, _) = insert(tx, account, to, None)?;
    copy::move_all(tx, inbox, &UidSet::all(), made, None)?;
    Ok(())
}

/// Whether a mailbox of this name may be made. `Exists`, `Limit`.
pub(super) fn check_new(tx: &WriteTx<'_>, account: AccountId, name: &str) -> Result<()> {
    if tx.db.mailbox_named(account, name)?.is_some() {
        return Err(Error::new(ErrorKind::Exists, "the new name exists already"));
    }
    check_room(tx, account, Some(name), name)
}

/// Makes the levels above a new mailbox; gives the row it begins with. Errors as of [`check_new`].
pub(super) fn make_room(tx: &mut WriteTx<'_>, account: AccountId, name: &str) -> Result<MailboxRow> {
    check_new(tx, account, name)?;
    insert_levels_above(tx, account, name)?;
    new_row(tx, account, name, None)
}

fn rename(tx: &mut WriteTx<'_>, account: AccountId, from: &str, to: &str) -> Result<()> {
    let (id, row) = find(tx, account, from)?.ok_or_else(no_mailbox)?;
    if tx.db.mailbox_named(account, to)?.is_some() {
        return Err(Error::new(ErrorKind::Exists, "the new name exists already"));
    }
    let mut renamed = vec![(id, MailboxRow { name: to.into(), ..row })];
    for child in tx.db.mailboxes_below(account, from)? {
        let row = tx.any_row(child)?.ok_or_else(|| Error::new(ErrorKind::Bug, "a mailbox below has no row"))?;
        let rest = row.name.strip_prefix(from);
        let rest = rest.ok_or_else(|| Error::new(ErrorKind::Bug, "a mailbox below has another name"))?;
        let new = normal_name(&format!("{to}{rest}"))?;
        if tx.db.mailbox_named(account, &new)?.is_some() {
            return Err(Error::new(ErrorKind::Exists, "a new name of a mailbox below exists already"));
        }
        renamed.push((child, MailboxRow { name: new.into(), ..row }));
    }
    check_room(tx, account, None, to)?;
    insert_levels_above(tx, account, to)?;
    renamed.into_iter().try_for_each(|(id, row)| tx.apply(Delta::of(id, row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_normal_or_refused() {
        for (given, kept) in [
            ("inbox", "INBOX"),
            ("Inbox/a", "INBOX/a"),
            ("inboxes", "inboxes"),
            ("a/inbox", "a/inbox"),
            ("a/b/", "a/b"),
            ("Entwürfe", "Entwürfe"),
        ] {
            assert_eq!(normal_name(given).unwrap(), kept);
        }
        for refused in ["", "/", "a//b", "/a", "a//", "a\nb", "a\u{7f}", "a\u{85}"] {
            assert_eq!(normal_name(refused).unwrap_err().kind(), ErrorKind::Invalid, "{refused:?}");
        }
    }

    #[test]
    fn names_at_the_limits() {
        assert!(normal_name(&"a".repeat(MAILBOX_NAME_OCTETS_MAX - 1)).is_ok());
        assert!(normal_name(&"a".repeat(MAILBOX_NAME_OCTETS_MAX)).is_ok());
        assert!(normal_name(&"a".repeat(MAILBOX_NAME_OCTETS_MAX + 1)).is_err());
        assert!(normal_name(&vec!["a"; MAILBOX_LEVELS_MAX].join("/")).is_ok());
        assert!(normal_name(&vec!["a"; MAILBOX_LEVELS_MAX + 1].join("/")).is_err());
    }
}
