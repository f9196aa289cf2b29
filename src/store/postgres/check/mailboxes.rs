//! Mailboxes: messages, blocks and expunges, and what the mailbox's row counts of them.

use std::collections::BTreeMap;

use tokio_postgres::Row;

use super::super::super::database::{ReadHidden, ReadMailboxes};
use super::super::super::row::MailboxRow;
use super::super::super::sound::{Message, Under};
use super::super::Postgres;
use super::super::block::decode;
use super::super::value::{Columns, values};
use super::super::varint::uids_from_octets;
use crate::base::limits::CHECK_BLOCKS_PER_STEP;
use crate::base::snapshot::{BLOCK_UIDS, Block, block_of};
use crate::base::{ErrorKind, Flags, MailboxId, Result, Uid};

/// Where the walk over mailboxes is.
pub(super) struct Place {
    mailbox: MailboxId,
    under_way: Option<Under>,
}

impl Place {
    /// Before the first mailbox.
    pub fn first() -> Place {
        Place { mailbox: MailboxId(0), under_way: None }
    }
}

/// A step: some blocks of a mailbox, or its counts. `None`: all mailboxes are done. Gives the rows looked at as well.
pub(super) fn step(db: &Postgres, mut place: Place, found: &mut Vec<String>) -> Result<(Option<Place>, u64)> {
    let Some(mut under) = place.under_way.take() else { return next_mailbox(db, place, found) };
    let name = under.row.name.clone();
    let mailbox = place.mailbox;
    let mut tell = |what: String| found.push(format!("mailbox {} ({name}): {what}", mailbox.0));
    let Some(first) = next_block(db, mailbox, under.block)? else {
        under.counts(&mut tell);
        expunges(db, mailbox, &under.row, &mut tell)?;
        return Ok((Some(place), 0));
    };
    let last = first.saturating_add(CHECK_BLOCKS_PER_STEP - 1).min(block_of(Uid::MAX));
    let before = under.total;
    blocks(db, mailbox, (first, last), &mut under, &mut tell)?;
    let seen = under.total - before;
    if last == block_of(Uid::MAX) {
        under.counts(&mut tell);
        expunges(db, mailbox, &under.row, &mut tell)?;
    } else {
        under.block = last + 1;
        place.under_way = Some(under);
    }
    Ok((Some(place), seen.into()))
}

fn next_mailbox(db: &Postgres, mut place: Place, found: &mut Vec<String>) -> Result<(Option<Place>, u64)> {
    let next = db.row("SELECT id FROM mailbox WHERE id > $1 ORDER BY id LIMIT 1", values![place.mailbox.0])?;
    let Some(next) = next else { return Ok((None, 0)) };
    place.mailbox = MailboxId(next.number(0)?);
    match db.mailbox_row(place.mailbox) {
        Ok(Some(row)) => place.under_way = Some(Under::new(row, db.hidden(place.mailbox)?)),
        Ok(None) => {}
        Err(e) if e.kind() == ErrorKind::Busy => return Err(e),
        Err(e) => found.push(format!("mailbox {} cannot be read: {}", place.mailbox.0, e.text())),
    }
    Ok((Some(place), 1))
}

/// The first block from `from` on in which there is a message or for which there is a row.
fn next_block(db: &Postgres, mailbox: MailboxId, from: u32) -> Result<Option<u32>> {
    let row = db.row(
        "SELECT (SELECT min(uid) FROM fact WHERE mailbox = $1 AND uid >= $2),
           (SELECT min(block) FROM state WHERE mailbox = $1 AND block >= $3)",
        values![mailbox.0, first_uid(from), from],
    )?;
    let Some(row) = row else { return Ok(None) };
    let (uid, block): (Option<i64>, Option<i64>) = (row.column(0)?, row.column(1)?);
    let of_message = uid.and_then(|uid| Uid::try_from(uid).ok()).map(block_of);
    let of_row = block.and_then(|block| u32::try_from(block).ok());
    Ok(of_message.into_iter().chain(of_row).min())
}

fn first_uid(block: u32) -> i64 {
    i64::from(block) * i64::from(BLOCK_UIDS)
}

fn blocks(
    db: &Postgres,
    mailbox: MailboxId,
    (first, last): (u32, u32),
    under: &mut Under,
    tell: &mut impl FnMut(String),
) -> Result<()> {
    let mut described = read_blocks(db, mailbox, (first, last), tell)?;
    let rows = db.rows(
        "SELECT f.uid, f.size, f.blob, f.flags0, f.modseq0, b.size, EXISTS(SELECT 1 FROM blob_meta WHERE blob = f.blob)
         FROM fact f LEFT JOIN blob b ON b.id = f.blob WHERE f.mailbox = $1 AND f.uid BETWEEN $2 AND $3 ORDER BY f.uid",
        values![mailbox.0, first_uid(first), first_uid(last) + i64::from(BLOCK_UIDS) - 1],
    )?;
    let mut messages: BTreeMap<u32, Vec<Message>> = BTreeMap::new();
    for row in &rows {
        let message = read_message(row)?;
        messages.entry(block_of(message.uid)).or_default().push(message);
    }
    for (number, messages) in messages {
        match described.remove(&number) {
            // It cannot be read, which was told.
            Some(None) => under.total += messages.len() as u32,
            block => under.messages(block.flatten().as_ref(), messages, tell),
        }
    }
    for (number, _) in described.into_iter().filter(|(_, block)| block.is_some()) {
        tell(format!("block {number} describes messages, and none of them is there"));
    }
    Ok(())
}

/// The blocks between two, by number; `None` where one cannot be read.
fn read_blocks(
    db: &Postgres,
    mailbox: MailboxId,
    (first, last): (u32, u32),
    tell: &mut impl FnMut(String),
) -> Result<BTreeMap<u32, Option<Block>>> {
    let rows = db.rows(
        "SELECT block, width, flags, modseqs, modseq FROM state WHERE mailbox = $1 AND block BETWEEN $2 AND $3
           ORDER BY block",
        values![mailbox.0, first, last],
    )?;
    let mut blocks = BTreeMap::new();
    for row in &rows {
        let (number, noted) = (row.small(0)?, row.large(4)?);
        let width = usize::try_from(row.number(1)?).unwrap_or(0);
        let block = decode(number, width, row.column(2)?, row.column(3)?).ok();
        match &block {
            None => tell(format!("block {number} cannot be read")),
            Some(block) => {
                let highest = block.mod_seqs().iter().copied().max().unwrap_or(0);
                if highest != noted {
                    tell(format!("block {number} has modification sequences up to {highest}, noted is {noted}"));
                }
            }
        }
        blocks.insert(number, block);
    }
    Ok(blocks)
}

fn read_message(row: &Row) -> Result<Message> {
    Ok(Message {
        uid: row.small(0)?,
        size: row.number(1)?,
        blob: row.number(2)?,
        flags: Flags(row.large(3)?),
        mod_seq: row.large(4)?,
        body: row.column(5)?,
        described: row.flag(6)?,
    })
}

fn expunges(db: &Postgres, mailbox: MailboxId, row: &MailboxRow, tell: &mut impl FnMut(String)) -> Result<()> {
    let entries =
        db.rows("SELECT modseq, uids FROM vanished WHERE mailbox = $1 ORDER BY modseq", values![mailbox.0])?;
    let mut ranges = Vec::new();
    for entry in &entries {
        let mod_seq = entry.large(0)?;
        if mod_seq > row.mod_seq {
            tell(format!("an expunge has modification sequence {mod_seq}, the highest is {}", row.mod_seq));
        }
        if uids_from_octets(entry.column(1)?, &mut ranges).is_err() {
            tell(format!("the expunge with modification sequence {mod_seq} cannot be read"));
        }
    }
    if let Some((_, to)) = ranges.iter().find(|(_, to)| *to >= row.uid_next) {
        tell(format!("message {to} was expunged, the next one is to be {}", row.uid_next));
    }
    let (low, high): (Vec<i64>, Vec<i64>) =
        ranges.iter().map(|(low, high)| (i64::from(*low), i64::from(*high))).unzip();
    let there = db.rows(
        "SELECT DISTINCT f.uid FROM unnest($2::bigint[], $3::bigint[]) AS r(low, high)
           JOIN fact f ON f.mailbox = $1 AND f.uid BETWEEN r.low AND r.high WHERE NOT EXISTS
             (SELECT 1 FROM hidden h WHERE h.mailbox = f.mailbox AND f.uid BETWEEN h.first AND h.last)
           ORDER BY f.uid",
        values![mailbox.0, low, high],
    )?;
    for row in &there {
        tell(format!("message {} is there and was expunged", row.number(0)?));
    }
    Ok(())
}
