//! EXPUNGE: messages out. One packed row tells QRESYNC clients what went.

use super::delta::Delta;
use super::transaction::WriteTx;
use super::{Expunge, Expunged, Snapshot, Store, fact, write};
use crate::base::{Flags, MailboxId, Result, UidSet};

impl Store {
    /// EXPUNGE.
    pub async fn expunge(&self, mailbox: MailboxId, which: Expunge) -> Result<Expunged> {
        let known = self.snapshot(mailbox).await?;
        self.write(0, move |tx| expunge(tx, &known, &which)).await
    }
}

fn expunge(tx: &mut WriteTx<'_>, known: &Snapshot, which: &Expunge) -> Result<Expunged> {
    let mailbox = known.mailbox;
    let (row, view) = (tx.row(mailbox)?, tx.view(known)?);
    let all = UidSet::all();
    let (among, whatever) = match which {
        Expunge::Deleted => (&all, false),
        Expunge::DeletedAmong(uids) => (uids, false),
        Expunge::Among(uids) => (uids, true),
    };
    let mut gone = UidSet::new();
    let going = view.among(among).filter(|message| whatever || message.flags.contains(Flags::DELETED));
    going.for_each(|message| gone.push(message.uid));
    if gone.is_empty() {
        return Ok(Expunged { uids: Vec::new(), mod_seq: row.mod_seq });
    }
    let floor = write::vanished_floor(tx.db, mailbox, &row)?;
    let facts = fact::of_all(tx.db, mailbox, &gone)?;
    let mut delta = Delta::of(mailbox, row);
    delta.remove(&view, facts, true, floor)?;
    let mod_seq = delta.row.mod_seq;
    tx.apply(delta)?;
    Ok(Expunged { uids: gone.iter().collect(), mod_seq })
}
