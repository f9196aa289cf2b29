//! The walk of the check: mailboxes one by one, then bodies, accounts and the queue.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::database::{Connected, Walk};
use super::super::row::MailboxRow;
use super::tables::Tables;
use crate::base::snapshot::block_of;
use crate::base::{BlobId, Flags, MailboxId, Result, Uid};

/// A walk over the tables of one commit.
pub(super) struct TablesWalk {
    tables: Arc<Tables>,
    mailboxes: Vec<MailboxId>,
    total: u64,
}

impl TablesWalk {
    /// Begins.
    pub fn of(tables: Arc<Tables>) -> TablesWalk {
        let mailboxes: Vec<MailboxId> = tables.mailboxes.iter().map(|(id, _)| *id).collect();
        let total = mailboxes.len() as u64 + 1;
        TablesWalk { tables, mailboxes, total }
    }
}

impl Connected for TablesWalk {
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Walk for TablesWalk {
    fn total(&self) -> u64 {
        self.total
    }

    fn step(&mut self, found: &mut Vec<String>) -> Result<(u64, bool)> {
        if let Some(mailbox) = self.mailboxes.pop() {
            check_mailbox(&self.tables, mailbox, found);
            return Ok((1, false));
        }
        check_bodies(&self.tables, found);
        check_accounts(&self.tables, found);
        check_queue(&self.tables, found);
        check_reports(&self.tables, found);
        Ok((1, true))
    }
}

fn check_mailbox(tables: &Tables, mailbox: MailboxId, found: &mut Vec<String>) {
    let Some(row) = tables.row(mailbox) else { return };
    let mut tell = |what: String| found.push(format!("mailbox {} ({}): {what}", mailbox.0, row.name));
    if tables.names.get(&(row.account, row.name.clone())) != Some(&mailbox) {
        tell("is not found by its name".to_owned());
    }
    if tables.accounts.get(&row.account).is_none() && tables.left_accounts.get(&row.account).is_none() {
        tell(format!("its account {} is not there", row.account.0));
    }
    let (mut total, mut unseen, mut deleted, mut octets) = (0, 0, 0, 0);
    let hidden = tables.hidden_of(mailbox);
    for message in tables.between(mailbox, 0, Uid::MAX) {
        let uid = message.fact.uid;
        let stated = tables.blocks.get(&(mailbox, block_of(uid)));
        let stated = stated.and_then(|block| block.iter().find(|stated| stated.uid == uid));
        if stated.is_none() && is_within(&hidden, uid) {
            continue;
        }
        if stated.is_none() && uid <= row.covered {
            tell(format!("message {uid} is there, and its block does not say so"));
        }
        let shown = stated.unwrap_or(message.shown());
        total += 1;
        unseen += u32::from(!shown.flags.contains(Flags::SEEN));
        deleted += u32::from(shown.flags.contains(Flags::DELETED));
        octets += message.fact.size;
        let size = tables.bodies.get(&message.fact.blob).map(|body| body.len() as u64);
        if size != Some(message.fact.size) {
            tell(format!("message {uid} says {} octets, its body has {size:?}", message.fact.size));
        }
        if shown.mod_seq > row.mod_seq || uid >= row.uid_next {
            tell(format!("message {uid} is newer than the mailbox"));
        }
        if shown.flags.0 >> Flags::KEYWORD_BIT_FIRST >> row.keywords.len().min(58) != 0 {
            tell(format!("message {uid} has a keyword that the mailbox does not"));
        }
    }
    if (total, unseen, deleted, octets) != (row.total, row.unseen, row.deleted, row.octets) {
        tell(format!("its counts are wrong: there are {total}, {unseen}, {deleted} messages and {octets} octets"));
    }
    check_gone(tables, mailbox, &row, &mut tell);
}

fn check_gone(tables: &Tables, mailbox: MailboxId, row: &MailboxRow, tell: &mut impl FnMut(String)) {
    for (number, block) in tables.blocks_of(mailbox) {
        if block.is_empty() {
            tell(format!("block {number} is empty"));
        }
        for uid in block.uids().iter().filter(|uid| tables.messages.get(&(mailbox, **uid)).is_none()) {
            tell(format!("message {uid} is not there, and its block says it is"));
        }
    }
    let hidden = tables.hidden_of(mailbox);
    for (mod_seq, uids) in tables.vanished_of(mailbox) {
        if mod_seq > row.mod_seq {
            tell(format!("an expunge has modification sequence {mod_seq}, the highest is {}", row.mod_seq));
        }
        for (low, high) in uids.ranges() {
            if *high >= row.uid_next
                || tables.between(mailbox, *low, *high).any(|message| !is_within(&hidden, message.fact.uid))
            {
                tell(format!("messages {low} to {high} were expunged, and are there or to come"));
            }
        }
    }
}

fn is_within(stretches: &[(Uid, Uid)], uid: Uid) -> bool {
    stretches.iter().any(|(first, last)| (*first..=*last).contains(&uid))
}

fn check_bodies(tables: &Tables, found: &mut Vec<String>) {
    let mut uses: BTreeMap<BlobId, u64> = BTreeMap::new();
    let messages = tables.messages.iter().map(|(_, message)| message.fact.blob);
    for blob in messages.chain(tables.items.iter().map(|(_, item)| item.blob)) {
        *uses.entry(blob).or_default() += 1;
    }
    let dead: Vec<BlobId> = tables.dead.iter().flat_map(|(_, blobs)| blobs.clone()).collect();
    for (blob, _) in tables.bodies.iter() {
        let (used, noted) = (uses.remove(blob).unwrap_or(0), tables.uses.get(blob).copied());
        if noted != Some(used) {
            found.push(format!("body {} is used {used} times, noted are {noted:?}", blob.0));
        }
        let waits = dead.iter().filter(|dead| *dead == blob).count();
        if waits != usize::from(used == 0) {
            found.push(format!("body {} is used {used} times and waits {waits} times to be removed", blob.0));
        }
    }
    uses.keys().for_each(|blob| found.push(format!("body {} is used and not there", blob.0)));
    for (blob, _) in tables.metas.iter().filter(|(blob, _)| tables.bodies.get(blob).is_none()) {
        found.push(format!("body {} is described and not there", blob.0));
    }
}

fn check_accounts(tables: &Tables, found: &mut Vec<String>) {
    for (id, kept) in tables.accounts.iter() {
        let address = &kept.account.address;
        let mailboxes = tables.mailboxes.iter().filter(|(_, row)| row.account == *id);
        let octets: u64 = mailboxes.map(|(_, row)| row.octets).sum();
        if octets != kept.octets {
            found.push(format!("account {address} counts {} octets, its mailboxes have {octets}", kept.octets));
        }
        if tables.mailboxes.get(&kept.account.inbox).is_none_or(|inbox| inbox.account != *id) {
            found.push(format!("account {address}: its INBOX is not there"));
        }
    }
    let known =
        |mailbox: &MailboxId| tables.mailboxes.get(mailbox).is_some() || tables.left_mailboxes.get(mailbox).is_some();
    let stretched: BTreeSet<MailboxId> = tables.hidden.iter().map(|(_, hidden)| hidden.mailbox).collect();
    let messages = tables.messages.iter().map(|((mailbox, _), _)| *mailbox);
    let messages = messages.filter(|mailbox| !stretched.contains(mailbox));
    let blocks = tables.blocks.iter().map(|((mailbox, _), _)| *mailbox);
    let expunges = tables.vanished.iter().map(|((mailbox, _), _)| *mailbox);
    let keywords = tables.keywords.iter().map(|((mailbox, _), _)| *mailbox);
    for mailbox in messages.chain(blocks).chain(expunges).chain(keywords).filter(|mailbox| !known(mailbox)) {
        found.push(format!("there is something of mailbox {}, which is not there", mailbox.0));
    }
}

fn check_queue(tables: &Tables, found: &mut Vec<String>) {
    for (id, item) in tables.items.iter() {
        let mut waits = false;
        for (_, queued) in tables.recipients_of(*id) {
            waits |= queued.state == super::super::RecipientState::Waiting;
            if queued.held != item.held {
                found.push(format!("queued message {} is held {}, a recipient is not", id.0, item.held));
            }
        }
        if !waits {
            found.push(format!("queued message {} has no recipient that waits", id.0));
        }
    }
    for ((id, _), _) in tables.recipients.iter().filter(|((id, _), _)| tables.items.get(id).is_none()) {
        found.push(format!("there are recipients of queued message {}, which is not there", id.0));
    }
}

fn check_reports(tables: &Tables, found: &mut Vec<String>) {
    for ((day, domain), noted) in tables.observed_domains.iter().filter(|(_, noted)| !noted.reported) {
        let there = tables.observed_rows(*day, domain).len() as i64;
        if there != noted.rows {
            found.push(format!("report on {domain} of day {day} counts {} rows, there are {there}", noted.rows));
        }
    }
}
