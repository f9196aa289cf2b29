//! Messages: facts, blocks, and what went.

use rusqlite::{OptionalExtension, Row as SqlRow, params};

use super::super::Fact;
use super::super::database::{ReadMessages, WriteMessages};
use super::super::delta::NewMessage;
use super::block::{decode, encode, row_id, row_ids};
use super::varint::{torn, uids_from_octets, uids_to_octets};
use super::{Sqlite, left};
use crate::base::snapshot::{Block, Message};
use crate::base::{BlobId, Flags, MailboxId, ModSeq, Result, Timestamp, Uid, UidSet};

/// A modification sequence to compare columns with.
fn column(mod_seq: ModSeq) -> i64 {
    i64::try_from(mod_seq).unwrap_or(i64::MAX)
}

impl ReadMessages for Sqlite {
    fn blocks(&self, mailbox: MailboxId, since: Option<ModSeq>) -> Result<Vec<(u32, Block)>> {
        let (first, last) = row_ids(mailbox);
        let mut select = self.db.prepare_cached(
            "SELECT id, width, flags, modseqs FROM state WHERE id BETWEEN ?1 AND ?2 AND modseq > ?3 ORDER BY id",
        )?;
        let mut rows = select.query([first, last, since.map_or(-1, column)])?;
        let mut blocks = Vec::new();
        while let Some(row) = rows.next()? {
            blocks.push(read_block(row, first)?);
        }
        Ok(blocks)
    }

    fn block(&self, mailbox: MailboxId, number: u32) -> Result<Option<Block>> {
        let mut select = self.db.prepare_cached("SELECT id, width, flags, modseqs FROM state WHERE id = ?1")?;
        let mut rows = select.query([row_id(mailbox, number)])?;
        match rows.next()? {
            Some(row) => Ok(Some(read_block(row, row_id(mailbox, 0))?.1)),
            None => Ok(None),
        }
    }

    fn messages_between(&self, mailbox: MailboxId, after: Uid, to: Uid) -> Result<Vec<Message>> {
        let mut facts = self.db.prepare_cached(
            "SELECT uid, flags0, modseq0 FROM fact WHERE mailbox = ?1 AND uid > ?2 AND uid <= ?3 ORDER BY uid",
        )?;
        let mut rows = facts.query(params![mailbox.0, after, to])?;
        let mut messages = Vec::new();
        while let Some(row) = rows.next()? {
            let (flags, mod_seq) = (Flags(row.get::<_, i64>(1)? as u64), row.get::<_, i64>(2)? as u64);
            messages.push(Message { uid: row.get(0)?, flags, mod_seq });
        }
        Ok(messages)
    }

    fn facts(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        let mut select = self.db.prepare_cached(
            "SELECT uid, internaldate, size, blob FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3 ORDER BY uid",
        )?;
        for (low, high) in ranges {
            let mut rows = select.query(params![mailbox.0, low, high])?;
            while let Some(row) = rows.next()? {
                facts.push(read_fact(row)?);
            }
        }
        Ok(facts)
    }

    fn vanished(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<(Uid, Uid)>> {
        let mut ranges = Vec::new();
        let mut list = self.db.prepare_cached("SELECT uids FROM vanished WHERE mailbox = ?1 AND modseq > ?2")?;
        let mut rows = list.query([mailbox.0, column(since)])?;
        while let Some(row) = rows.next()? {
            uids_from_octets(row.get_ref(0)?.as_blob().unwrap_or_default(), &mut ranges)?;
        }
        Ok(ranges)
    }

    fn vanished_floor(&self, mailbox: MailboxId) -> Result<ModSeq> {
        let mut floor = self.db.prepare_cached("SELECT vanished_floor FROM mailbox WHERE id = ?1")?;
        Ok(floor.query_row([mailbox.0], |row| row.get::<_, i64>(0))? as u64)
    }

    fn vanished_before(&self, mailbox: MailboxId, newer: usize) -> Result<Option<ModSeq>> {
        let oldest = self
            .db
            .prepare_cached("SELECT modseq FROM vanished WHERE mailbox = ?1 ORDER BY modseq DESC LIMIT 1 OFFSET ?2")?
            .query_row(params![mailbox.0, newer as i64], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(oldest.map(|mod_seq| mod_seq as u64))
    }
}

impl WriteMessages for Sqlite {
    fn message_insert(&self, mailbox: MailboxId, message: &NewMessage) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO fact(mailbox, uid, internaldate, size, blob, flags0, modseq0)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                mailbox.0,
                message.fact.uid,
                message.fact.internal_date.0,
                message.fact.size as i64,
                message.fact.blob.0,
                message.flags.0 as i64,
                message.mod_seq as i64
            ])?;
        Ok(())
    }

    fn messages_remove(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<usize> {
        let mut delete = self.db.prepare_cached("DELETE FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3")?;
        let mut deleted = 0;
        for (low, high) in ranges {
            deleted += delete.execute(params![mailbox.0, low, high])?;
        }
        Ok(deleted)
    }

    fn left_messages(&self, mailbox: MailboxId, most: usize) -> Result<Vec<BlobId>> {
        left::messages(&self.db, mailbox, most as i64)
    }

    fn left_blocks(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        left::blocks(&self.db, mailbox, most as i64)
    }

    fn left_vanished(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        left::vanished(&self.db, mailbox, most as i64)
    }

    fn block_put(&self, mailbox: MailboxId, block: &Block) -> Result<()> {
        let packed = encode(block);
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO state(id, modseq, width, flags, modseqs) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                row_id(mailbox, block.number()),
                packed.mod_seq as i64,
                packed.width as i64,
                packed.flags,
                packed.mod_seqs
            ])?;
        Ok(())
    }

    fn block_remove(&self, mailbox: MailboxId, number: u32) -> Result<()> {
        self.db.prepare_cached("DELETE FROM state WHERE id = ?1")?.execute([row_id(mailbox, number)])?;
        Ok(())
    }

    fn vanished_insert(&self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<()> {
        self.db.prepare_cached("INSERT INTO vanished(mailbox, modseq, uids) VALUES (?1, ?2, ?3)")?.execute(params![
            mailbox.0,
            mod_seq as i64,
            uids_to_octets(uids)
        ])?;
        Ok(())
    }

    fn vanished_forget(&self, mailbox: MailboxId, floor: ModSeq) -> Result<()> {
        self.db
            .prepare_cached("DELETE FROM vanished WHERE mailbox = ?1 AND modseq <= ?2")?
            .execute([mailbox.0, floor as i64])?;
        Ok(())
    }
}

/// A row of uid, internaldate, size and blob.
pub(super) fn read_fact(row: &SqlRow<'_>) -> rusqlite::Result<Fact> {
    Ok(Fact {
        uid: row.get(0)?,
        internal_date: Timestamp(row.get(1)?),
        size: row.get::<_, i64>(2)? as u64,
        blob: BlobId(row.get(3)?),
    })
}

/// A row of `state`: number and block.
fn read_block(row: &SqlRow<'_>, first: i64) -> Result<(u32, Block)> {
    let number = u32::try_from(row.get::<_, i64>(0)? - first).map_err(|_| torn())?;
    let width = usize::try_from(row.get::<_, i64>(1)?).map_err(|_| torn())?;
    let flags = row.get_ref(2)?.as_blob().map_err(|_| torn())?;
    let mod_seqs = row.get_ref(3)?.as_blob().map_err(|_| torn())?;
    let block = decode(number, width, flags, mod_seqs)?;
    // One without a message is removed, not written.
    if block.is_empty() { Err(torn()) } else { Ok((number, block)) }
}
