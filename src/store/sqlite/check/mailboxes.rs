//! Mailboxes: messages, blocks and expunges, and what the mailbox's row counts of them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::super::super::row::MailboxRow;
use super::super::super::sound::{Message, Under};
use super::super::block::{decode, row_id, row_ids};
use super::super::mailbox;
use super::super::varint::uids_from_octets;
use crate::base::limits::CHECK_BLOCKS_PER_STEP;
use crate::base::snapshot::{BLOCK_UIDS, Block, block_of};
use crate::base::{Flags, MailboxId, Result, Uid};

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
pub(super) fn step(db: &Connection, mut place: Place, found: &mut Vec<String>) -> Result<(Option<Place>, u64)> {
    let Some(mut under) = place.under_way.take() else {
        let mut next = db.prepare_cached("SELECT id FROM mailbox WHERE id > ?1 ORDER BY id LIMIT 1")?;
        let next: Option<i64> = next.query_row([place.mailbox.0], |row| row.get(0)).optional()?;
        let Some(mailbox) = next.map(MailboxId) else { return Ok((None, 0)) };
        place.mailbox = mailbox;
        match mailbox::row(db, mailbox) {
            Ok(Some(row)) => place.under_way = Some(Under::new(row, hidden(db, mailbox)?)),
            Ok(None) => {}
            Err(e) => found.push(format!("mailbox {} cannot be read: {}", mailbox.0, e.text())),
        }
        return Ok((Some(place), 1));
    };
    let name = under.row.name.clone();
    let mut tell = |what: String| found.push(format!("mailbox {} ({name}): {what}", place.mailbox.0));
    match next_block(db, place.mailbox, under.block)? {
        None => {
            under.counts(&mut tell);
            expunges(db, place.mailbox, &under.row, &mut tell)?;
            Ok((Some(place), 0))
        }
        Some(first) => {
            let last = first.saturating_add(CHECK_BLOCKS_PER_STEP - 1).min(block_of(Uid::MAX));
            let before = under.total;
            blocks(db, place.mailbox, (first, last), &mut under, &mut tell)?;
            let seen = under.total - before;
            if last == block_of(Uid::MAX) {
                under.counts(&mut tell);
                expunges(db, place.mailbox, &under.row, &mut tell)?;
            } else {
                under.block = last + 1;
                place.under_way = Some(under);
            }
            Ok((Some(place), seen.into()))
        }
    }
}

/// The hidden stretches of a mailbox.
fn hidden(db: &Connection, mailbox: MailboxId) -> Result<Vec<(Uid, Uid)>> {
    let mut list = db.prepare_cached("SELECT first, last FROM hidden WHERE mailbox = ?1")?;
    let rows = list.query_map([mailbox.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The first block from `from` on in which there is a message or for which there is a row.
fn next_block(db: &Connection, mailbox: MailboxId, from: u32) -> Result<Option<u32>> {
    let mut message = db.prepare_cached("SELECT min(uid) FROM fact WHERE mailbox = ?1 AND uid >= ?2")?;
    let uid: Option<Uid> =
        message.query_row(params![mailbox.0, i64::from(from) * i64::from(BLOCK_UIDS)], |row| row.get(0))?;
    let mut block = db.prepare_cached("SELECT min(id) FROM state WHERE id BETWEEN ?1 AND ?2")?;
    let (first, last) = (row_id(mailbox, from), row_ids(mailbox).1);
    let row: Option<i64> = block.query_row([first, last], |row| row.get(0))?;
    let row = row.and_then(|id| u32::try_from(id - row_id(mailbox, 0)).ok());
    Ok(uid.map(block_of).into_iter().chain(row).min())
}

fn blocks(
    db: &Connection,
    mailbox: MailboxId,
    (first, last): (u32, u32),
    under: &mut Under,
    tell: &mut impl FnMut(String),
) -> Result<()> {
    let mut described = read_blocks(db, mailbox, (first, last), tell)?;
    let mut messages: BTreeMap<u32, Vec<Message>> = BTreeMap::new();
    let mut select = db.prepare_cached(
        "SELECT f.uid, f.size, f.blob, f.flags0, f.modseq0, b.size, EXISTS(SELECT 1 FROM blob_meta WHERE blob = f.blob)
         FROM fact f LEFT JOIN blob b ON b.id = f.blob WHERE f.mailbox = ?1 AND f.uid BETWEEN ?2 AND ?3 ORDER BY f.uid",
    )?;
    let uids = |block: u32| i64::from(block) * i64::from(BLOCK_UIDS);
    let mut rows = select.query([mailbox.0, uids(first), uids(last) + i64::from(BLOCK_UIDS) - 1])?;
    while let Some(row) = rows.next()? {
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
    for (number, block) in described {
        if block.is_some() {
            tell(format!("block {number} describes messages, and none of them is there"));
        }
    }
    Ok(())
}

/// The blocks between two, by number; `None` where one cannot be read.
fn read_blocks(
    db: &Connection,
    mailbox: MailboxId,
    (first, last): (u32, u32),
    tell: &mut impl FnMut(String),
) -> Result<BTreeMap<u32, Option<Block>>> {
    let mut select = db
        .prepare_cached("SELECT id, width, flags, modseqs, modseq FROM state WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
    let mut rows = select.query([row_id(mailbox, first), row_id(mailbox, last)])?;
    let mut blocks = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let number = u32::try_from(row.get::<_, i64>(0)? - row_id(mailbox, 0)).unwrap_or(u32::MAX);
        let (flags, mod_seqs): (Vec<u8>, Vec<u8>) = (row.get(2)?, row.get(3)?);
        let width = usize::try_from(row.get::<_, i64>(1)?).unwrap_or(0);
        let block = match decode(number, width, &flags, &mod_seqs) {
            Ok(block) => {
                let (highest, noted) =
                    (block.mod_seqs().iter().copied().max().unwrap_or(0), row.get::<_, i64>(4)? as u64);
                if highest != noted {
                    tell(format!("block {number} has modification sequences up to {highest}, noted is {noted}"));
                }
                Some(block)
            }
            Err(_) => {
                tell(format!("block {number} cannot be read"));
                None
            }
        };
        blocks.insert(number, block);
    }
    Ok(blocks)
}

fn read_message(row: &Row<'_>) -> Result<Message> {
    Ok(Message {
        uid: row.get(0)?,
        size: row.get(1)?,
        blob: row.get(2)?,
        flags: Flags(row.get::<_, i64>(3)? as u64),
        mod_seq: row.get::<_, i64>(4)? as u64,
        body: row.get(5)?,
        described: row.get(6)?,
    })
}

fn expunges(db: &Connection, mailbox: MailboxId, row: &MailboxRow, tell: &mut impl FnMut(String)) -> Result<()> {
    let mut select = db.prepare_cached("SELECT modseq, uids FROM vanished WHERE mailbox = ?1 ORDER BY modseq")?;
    let mut there = db.prepare_cached(
        "SELECT min(uid) FROM fact f WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 AND NOT EXISTS
           (SELECT 1 FROM hidden h WHERE h.mailbox = f.mailbox AND f.uid BETWEEN h.first AND h.last)",
    )?;
    let mut rows = select.query([mailbox.0])?;
    while let Some(entry) = rows.next()? {
        let (mod_seq, packed): (i64, Vec<u8>) = (entry.get(0)?, entry.get(1)?);
        if mod_seq as u64 > row.mod_seq {
            tell(format!("an expunge has modification sequence {mod_seq}, the highest is {}", row.mod_seq));
        }
        let mut ranges = Vec::new();
        if uids_from_octets(&packed, &mut ranges).is_err() {
            tell(format!("the expunge with modification sequence {mod_seq} cannot be read"));
        }
        for (from, to) in ranges {
            let uid: Option<Uid> = there.query_row(params![mailbox.0, from, to], |row| row.get(0))?;
            if let Some(uid) = uid {
                tell(format!("message {uid} is there and was expunged"));
            }
            if to >= row.uid_next {
                tell(format!("message {to} was expunged, the next one is to be {}", row.uid_next));
            }
        }
    }
    Ok(())
}
