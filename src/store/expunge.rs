//! EXPUNGE: messages out. One packed row tells QRESYNC clients what went.
//!
//! It is one commit whatever the number. Of many messages the facts are read before, beside the writer; the commit
//! writes blocks and hides the facts, which are removed in the background.

use std::sync::Arc;

use super::delta::{Delta, Going};
use super::transaction::WriteTx;
use super::{Expunge, Expunged, Fact, Snapshot, Store, fact, write};
use crate::base::limits::FACTS_READ_TOGETHER;
use crate::base::snapshot::Messages;
use crate::base::{Flags, MailboxId, Result, Uid, UidSet};

impl Store {
    /// EXPUNGE: all or none.
    pub async fn expunge(&self, mailbox: MailboxId, which: Expunge) -> Result<Expunged> {
        let known = self.snapshot(mailbox).await?;
        let most = self.shared().step_messages();
        let going = going(&known.messages, &which);
        let facts = match going.count() > most as u64 {
            true => Arc::new(self.facts_before(mailbox, &going).await?),
            false => Arc::default(),
        };
        self.write(0, move |tx| expunge(tx, &known, &which, &facts, most)).await
    }

    /// Facts of messages of a snapshot; those of messages that went are missing.
    async fn facts_before(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        let uids: Vec<Uid> = uids.iter().collect();
        for some in uids.chunks(FACTS_READ_TOGETHER) {
            let some: UidSet = some.iter().copied().collect();
            facts.extend(self.read(move |db| db.facts(mailbox, some.ranges())).await?);
        }
        Ok(facts)
    }
}

/// The messages that are meant.
fn going(view: &Messages, which: &Expunge) -> UidSet {
    let all = UidSet::all();
    let (among, whatever) = match which {
        Expunge::Deleted => (&all, false),
        Expunge::DeletedAmong(uids) => (uids, false),
        Expunge::Among(uids) => (uids, true),
    };
    let mut gone = UidSet::new();
    let going = view.among(among).filter(|message| whatever || message.flags.contains(Flags::DELETED));
    going.for_each(|message| gone.push(message.uid));
    gone
}

/// `facts` are of messages that were to go when they were read; more than `most` go in the background.
pub(super) fn expunge(
    tx: &mut WriteTx<'_>,
    known: &Snapshot,
    which: &Expunge,
    facts: &[Fact],
    most: usize,
) -> Result<Expunged> {
    let mailbox = known.mailbox;
    let (row, view) = (tx.row(mailbox)?, tx.view(known)?);
    let gone = going(&view, which);
    if gone.is_empty() {
        return Ok(Expunged { uids: Vec::new(), mod_seq: row.mod_seq });
    }
    let floor = write::vanished_floor(tx.db, mailbox, &row)?;
    let how = if gone.count() > most as u64 { Going::Hidden } else { Going::AtOnce };
    let facts = facts_of(tx, mailbox, &gone, facts)?;
    let mut delta = Delta::of(mailbox, row);
    delta.remove(&view, facts, how, floor)?;
    let mod_seq = delta.row.mod_seq;
    tx.apply(delta)?;
    Ok(Expunged { uids: gone.iter().collect(), mod_seq })
}

/// The facts of all of these messages, of which `known` may be some; the others are read.
fn facts_of(tx: &WriteTx<'_>, mailbox: MailboxId, gone: &UidSet, known: &[Fact]) -> Result<Vec<Fact>> {
    let (mut facts, mut missing) = (Vec::new(), UidSet::new());
    let mut known = known.iter().peekable();
    for uid in gone.iter() {
        while known.next_if(|fact| fact.uid < uid).is_some() {}
        match known.next_if(|fact| fact.uid == uid) {
            Some(fact) => facts.push(*fact),
            None => missing.push(uid),
        }
    }
    if !missing.is_empty() {
        facts.extend(fact::of_all(tx.db, mailbox, &missing)?);
        facts.sort_unstable_by_key(|fact| fact.uid);
    }
    Ok(facts)
}
