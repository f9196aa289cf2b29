//! Mailboxes: their rows, names, keywords and subscriptions.

use std::sync::Arc;

use super::super::MailboxInfo;
use super::super::database::{ReadMailboxes, WriteMailboxes};
use super::super::row::MailboxRow;
use super::Connection;
use super::tables::{Tables, next};
use crate::base::{AccountId, Error, ErrorKind, MailboxId, Result, SpecialUse, Timestamp, UidValidity};

impl Tables {
    /// A mailbox's whole row.
    pub(super) fn row(&self, mailbox: MailboxId) -> Option<MailboxRow> {
        let row = self.mailboxes.get(&mailbox)?.clone();
        let blocks = self.blocks.range_from((mailbox, 0)).take_while(|((of, _), _)| *of == mailbox);
        let covered = blocks.last().and_then(|(_, block)| block.uids().last().copied()).unwrap_or(0);
        let keywords = self.keywords.range_from((mailbox, 0)).take_while(|((of, _), _)| *of == mailbox);
        let keywords = Arc::new(keywords.map(|(_, name)| name.clone()).collect());
        let reserved = self.hidden_of(mailbox).into_iter().filter(|(_, last)| *last >= row.uid_next);
        Some(MailboxRow { covered, keywords, reserved: Arc::new(reserved.collect()), ..row })
    }

    fn info(&self, mailbox: MailboxId) -> Option<MailboxInfo> {
        let row = self.mailboxes.get(&mailbox)?;
        let subscribed = self.subscriptions.get(&(row.account, row.name.to_string())).is_some();
        Some(row.info(mailbox, subscribed))
    }

    /// Names and ids of an account's mailboxes, by name.
    fn of_account(&self, account: AccountId) -> impl Iterator<Item = (&Arc<str>, MailboxId)> {
        let all = self.names.range_from((account, "".into())).take_while(move |((of, _), _)| *of == account);
        all.map(|((_, name), id)| (name, *id))
    }

    fn below(&self, account: AccountId, name: &str) -> impl Iterator<Item = MailboxId> {
        let above = format!("{name}/");
        self.of_account(account).filter(move |(name, _)| name.starts_with(&above)).map(|(_, id)| id)
    }

    fn subscribed(&self, account: AccountId) -> impl Iterator<Item = &String> {
        let all = self.subscriptions.range_from((account, String::new()));
        all.take_while(move |((of, _), ())| *of == account).map(|((_, name), ())| name)
    }

    /// Gives a row its name, which nobody else may have.
    fn name(&mut self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        match self.names.insert((row.account, row.name.clone()), mailbox) {
            Some(other) if other != mailbox => Err(Error::new(ErrorKind::Store, "a mailbox of that name is there")),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, mailbox: MailboxId) {
        if let Some(row) = self.mailboxes.remove(&mailbox) {
            self.names.remove(&(row.account, row.name));
        }
        self.left_mailboxes.insert(mailbox, ());
    }
}

impl ReadMailboxes for Connection {
    fn mailbox_row(&self, mailbox: MailboxId) -> Result<Option<MailboxRow>> {
        self.ask(|tables| tables.row(mailbox))
    }

    fn mailbox_info(&self, account: AccountId, name: &str) -> Result<Option<MailboxInfo>> {
        self.ask(|tables| tables.names.get(&(account, name.into())).and_then(|id| tables.info(*id)))
    }

    fn mailbox_infos(&self, account: AccountId) -> Result<Vec<MailboxInfo>> {
        self.ask(|tables| tables.of_account(account).filter_map(|(_, id)| tables.info(id)).collect())
    }

    fn mailbox_named(&self, account: AccountId, name: &str) -> Result<Option<MailboxId>> {
        self.ask(|tables| tables.names.get(&(account, name.into())).copied())
    }

    fn mailbox_for(&self, account: AccountId, special_use: SpecialUse) -> Result<Option<MailboxId>> {
        let fits = |row: &MailboxRow| row.account == account && row.special_use == Some(special_use) && row.selectable;
        self.ask(|tables| tables.mailboxes.iter().find(|(_, row)| fits(row)).map(|(id, _)| *id))
    }

    fn mailboxes_of(&self, account: AccountId) -> Result<Vec<MailboxId>> {
        self.ask(|tables| tables.of_account(account).map(|(_, id)| id).collect())
    }

    fn mailbox_count(&self, account: AccountId) -> Result<usize> {
        self.ask(|tables| tables.of_account(account).count())
    }

    fn mailboxes_below(&self, account: AccountId, name: &str) -> Result<Vec<MailboxId>> {
        self.ask(|tables| tables.below(account, name).collect())
    }

    fn has_mailboxes_below(&self, account: AccountId, name: &str) -> Result<bool> {
        self.ask(|tables| tables.below(account, name).next().is_some())
    }

    fn subscriptions(&self, account: AccountId) -> Result<Vec<String>> {
        self.ask(|tables| tables.subscribed(account).cloned().collect())
    }

    fn subscription_count(&self, account: AccountId) -> Result<usize> {
        self.ask(|tables| tables.subscribed(account).count())
    }

    fn is_subscribed(&self, account: AccountId, name: &str) -> Result<bool> {
        self.ask(|tables| tables.subscriptions.get(&(account, name.to_owned())).is_some())
    }

    fn left_account(&self) -> Result<Option<AccountId>> {
        self.ask(|tables| tables.left_accounts.iter().next().map(|(account, ())| *account))
    }

    fn left_mailbox(&self) -> Result<Option<MailboxId>> {
        self.ask(|tables| tables.left_mailboxes.iter().next().map(|(mailbox, ())| *mailbox))
    }
}

impl WriteMailboxes for Connection {
    fn next_mailbox(&self) -> Result<MailboxId> {
        self.change(|tables| Ok(MailboxId(next(&mut tables.last.mailbox))))
    }

    fn mailbox_reserve(&self) -> Result<MailboxId> {
        self.next_mailbox()
    }

    fn next_uid_validity(&self, now: Timestamp) -> Result<UidValidity> {
        self.change(|tables| {
            let last = &mut tables.last.uid_validity;
            *last = now.seconds().clamp(1, i64::from(i32::MAX)).max(*last + 1);
            UidValidity::try_from(*last).map_err(|_| Error::new(ErrorKind::Limit, "no UIDVALIDITY is left"))
        })
    }

    fn mailbox_insert(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.change(|tables| {
            tables.name(mailbox, row)?;
            let row = MailboxRow { keywords: Arc::default(), covered: 0, reserved: Arc::default(), ..row.clone() };
            tables.mailboxes.insert(mailbox, row);
            Ok(())
        })
    }

    fn mailbox_write_name(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.change(|tables| {
            let Some(mut changed) = tables.mailboxes.get(&mailbox).cloned() else { return Ok(()) };
            tables.names.remove(&(changed.account, changed.name));
            tables.name(mailbox, row)?;
            (changed.account, changed.name) = (row.account, row.name.clone());
            (changed.special_use, changed.selectable) = (row.special_use, row.selectable);
            changed.uid_validity = row.uid_validity;
            tables.mailboxes.insert(mailbox, changed);
            Ok(())
        })
    }

    fn mailbox_write_counts(&self, mailbox: MailboxId, row: &MailboxRow) -> Result<()> {
        self.change(|tables| {
            let there = tables.mailboxes.get(&mailbox).cloned();
            let mut changed = there.ok_or_else(|| Error::new(ErrorKind::Bug, "a changed mailbox has no row"))?;
            (changed.uid_next, changed.mod_seq) = (row.uid_next, row.mod_seq);
            (changed.expunges, changed.vanished_floor) = (row.expunges, row.vanished_floor);
            changed.recent_from = row.recent_from;
            (changed.total, changed.unseen, changed.deleted) = (row.total, row.unseen, row.deleted);
            changed.octets = row.octets;
            tables.mailboxes.insert(mailbox, changed);
            Ok(())
        })
    }

    fn keyword_put(&self, mailbox: MailboxId, bit: u32, name: &str) -> Result<()> {
        self.edit(|tables| tables.keywords.put((mailbox, bit), name.to_owned()))
    }

    fn subscribe(&self, account: AccountId, name: &str, on: bool) -> Result<()> {
        let key = (account, name.to_owned());
        self.edit(|tables| match on {
            true => tables.subscriptions.put(key, ()),
            false => tables.subscriptions.discard(&key),
        })
    }

    fn mailbox_leave(&self, mailbox: MailboxId) -> Result<()> {
        self.edit(|tables| tables.leave(mailbox))
    }

    fn account_leave(&self, account: AccountId) -> Result<()> {
        self.change(|tables| {
            tables.accounts.remove(&account);
            tables.left_accounts.insert(account, ());
            Ok(())
        })
    }

    fn left_account_mailboxes(&self, account: AccountId, most: usize) -> Result<usize> {
        self.change(|tables| {
            let some: Vec<MailboxId> = tables.of_account(account).map(|(_, id)| id).take(most).collect();
            some.iter().for_each(|mailbox| tables.leave(*mailbox));
            Ok(some.len())
        })
    }

    fn left_account_subscriptions(&self, account: AccountId, most: usize) -> Result<usize> {
        self.change(|tables| {
            let some: Vec<String> = tables.subscribed(account).take(most).cloned().collect();
            let count = some.len();
            some.into_iter().for_each(|name| tables.subscriptions.discard(&(account, name)));
            Ok(count)
        })
    }

    fn left_account_done(&self, account: AccountId) -> Result<()> {
        self.edit(|tables| tables.left_accounts.discard(&account))
    }

    fn left_mailbox_done(&self, mailbox: MailboxId) -> Result<()> {
        self.change(|tables| {
            let keywords = tables.keywords.range_from((mailbox, 0)).take_while(|((of, _), _)| *of == mailbox);
            let keywords: Vec<_> = keywords.map(|(key, _)| *key).collect();
            keywords.iter().for_each(|key| tables.keywords.discard(key));
            let hidden = tables.hidden.iter().filter(|(_, hidden)| hidden.mailbox == mailbox).map(|(id, _)| *id);
            let hidden: Vec<_> = hidden.collect();
            hidden.iter().for_each(|id| tables.hidden.discard(id));
            tables.left_mailboxes.remove(&mailbox);
            Ok(())
        })
    }
}
