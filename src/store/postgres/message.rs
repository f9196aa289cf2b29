//! Messages: facts, blocks, and what went.

use tokio_postgres::Row;

use super::super::Fact;
use super::super::database::{ReadMessages, WriteMessages};
use super::super::delta::NewMessage;
use super::Postgres;
use super::block::{decode, encode};
use super::value::{Columns, values};
use super::varint::{torn, uids_from_octets, uids_to_octets};
use crate::base::snapshot::{Block, Message};
use crate::base::{BlobId, Flags, MailboxId, ModSeq, Result, Timestamp, Uid, UidSet};

/// A modification sequence to compare columns with.
fn column(mod_seq: ModSeq) -> i64 {
    i64::try_from(mod_seq).unwrap_or(i64::MAX)
}

/// First and last UIDs of ranges, as two lists.
fn bounds(ranges: &[(Uid, Uid)]) -> (Vec<i64>, Vec<i64>) {
    ranges.iter().map(|(low, high)| (i64::from(*low), i64::from(*high))).unzip()
}

impl ReadMessages for Postgres {
    fn blocks(&self, mailbox: MailboxId, since: Option<ModSeq>) -> Result<Vec<(u32, Block)>> {
        let rows = self.rows(
            "SELECT block, width, flags, modseqs FROM state WHERE mailbox = $1 AND modseq > $2 ORDER BY block",
            values![mailbox.0, since.map_or(-1, column)],
        )?;
        rows.iter().map(read_block).collect()
    }

    fn block(&self, mailbox: MailboxId, number: u32) -> Result<Option<Block>> {
        let row = self.row(
            "SELECT block, width, flags, modseqs FROM state WHERE mailbox = $1 AND block = $2",
            values![mailbox.0, number],
        )?;
        row.map(|row| Ok(read_block(&row)?.1)).transpose()
    }

    fn messages_between(&self, mailbox: MailboxId, after: Uid, to: Uid) -> Result<Vec<Message>> {
        let rows = self.rows(
            "SELECT uid, flags0, modseq0 FROM fact WHERE mailbox = $1 AND uid > $2 AND uid <= $3 ORDER BY uid",
            values![mailbox.0, after, to],
        )?;
        let read = |row: &Row| Ok(Message { uid: row.small(0)?, flags: Flags(row.large(1)?), mod_seq: row.large(2)? });
        rows.iter().map(read).collect()
    }

    fn facts(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<Vec<Fact>> {
        let (low, high) = bounds(ranges);
        let rows = self.rows(
            "SELECT f.uid, f.internaldate, f.size, f.blob
               FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS r(low, high, place)
               CROSS JOIN LATERAL (SELECT uid, internaldate, size, blob FROM fact
                 WHERE mailbox = $1 AND uid BETWEEN r.low AND r.high) f
               ORDER BY r.place, f.uid",
            values![mailbox.0, low, high],
        )?;
        rows.iter().map(read_fact).collect()
    }

    fn vanished(&self, mailbox: MailboxId, since: ModSeq) -> Result<Vec<(Uid, Uid)>> {
        let rows = self
            .rows("SELECT uids FROM vanished WHERE mailbox = $1 AND modseq > $2", values![mailbox.0, column(since)])?;
        let mut ranges = Vec::new();
        for row in &rows {
            uids_from_octets(row.column::<&[u8]>(0)?, &mut ranges)?;
        }
        Ok(ranges)
    }

    fn vanished_floor(&self, mailbox: MailboxId) -> Result<ModSeq> {
        Ok(self.number("SELECT vanished_floor FROM mailbox WHERE id = $1", values![mailbox.0])? as u64)
    }

    fn vanished_before(&self, mailbox: MailboxId, newer: usize) -> Result<Option<ModSeq>> {
        let row = self.row(
            "SELECT modseq FROM vanished WHERE mailbox = $1 ORDER BY modseq DESC LIMIT 1 OFFSET $2",
            values![mailbox.0, newer],
        )?;
        row.map(|row| row.large(0)).transpose()
    }
}

impl WriteMessages for Postgres {
    fn message_insert(&self, mailbox: MailboxId, message: &NewMessage) -> Result<()> {
        let fact = &message.fact;
        self.send(
            "INSERT INTO fact(mailbox, uid, internaldate, size, blob, flags0, modseq0)
               VALUES ($1, $2, $3, $4, $5, $6, $7)",
            values![
                mailbox.0,
                fact.uid,
                fact.internal_date.0,
                fact.size,
                fact.blob.0,
                message.flags.0,
                message.mod_seq
            ],
        )
    }

    fn messages_remove(&self, mailbox: MailboxId, ranges: &[(Uid, Uid)]) -> Result<usize> {
        let (low, high) = bounds(ranges);
        let removed = self.run(
            "DELETE FROM fact USING unnest($2::bigint[], $3::bigint[]) AS r(low, high)
               WHERE mailbox = $1 AND uid BETWEEN r.low AND r.high",
            values![mailbox.0, low, high],
        )?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    fn left_messages(&self, mailbox: MailboxId, most: usize) -> Result<Vec<BlobId>> {
        let rows = self.rows(
            "DELETE FROM fact WHERE mailbox = $1
               AND uid IN (SELECT uid FROM fact WHERE mailbox = $1 ORDER BY uid LIMIT $2) RETURNING blob",
            values![mailbox.0, most],
        )?;
        rows.iter().map(|row| row.number(0).map(BlobId)).collect()
    }

    fn left_blocks(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        let removed = self.run(
            "DELETE FROM state WHERE mailbox = $1 AND block IN (SELECT block FROM state WHERE mailbox = $1 LIMIT $2)",
            values![mailbox.0, most],
        )?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    fn left_vanished(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        let removed = self.run(
            "DELETE FROM vanished WHERE mailbox = $1
               AND modseq IN (SELECT modseq FROM vanished WHERE mailbox = $1 LIMIT $2)",
            values![mailbox.0, most],
        )?;
        Ok(usize::try_from(removed).unwrap_or(usize::MAX))
    }

    fn block_put(&self, mailbox: MailboxId, block: &Block) -> Result<()> {
        let packed = encode(block);
        self.send(
            "INSERT INTO state(mailbox, block, modseq, width, flags, modseqs) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (mailbox, block) DO UPDATE SET modseq = excluded.modseq, width = excluded.width,
               flags = excluded.flags, modseqs = excluded.modseqs",
            values![mailbox.0, block.number(), packed.mod_seq, packed.width, packed.flags, packed.mod_seqs],
        )
    }

    fn block_remove(&self, mailbox: MailboxId, number: u32) -> Result<()> {
        self.send("DELETE FROM state WHERE mailbox = $1 AND block = $2", values![mailbox.0, number])
    }

    fn vanished_insert(&self, mailbox: MailboxId, mod_seq: ModSeq, uids: &UidSet) -> Result<()> {
        self.send(
            "INSERT INTO vanished(mailbox, modseq, uids) VALUES ($1, $2, $3)",
            values![mailbox.0, mod_seq, uids_to_octets(uids)],
        )
    }

    fn vanished_forget(&self, mailbox: MailboxId, floor: ModSeq) -> Result<()> {
        self.send("DELETE FROM vanished WHERE mailbox = $1 AND modseq <= $2", values![mailbox.0, column(floor)])
    }
}

/// A row of uid, internaldate, size and blob.
pub(super) fn read_fact(row: &Row) -> Result<Fact> {
    let (uid, blob) = (row.small(0)?, BlobId(row.number(3)?));
    Ok(Fact { uid, internal_date: Timestamp(row.number(1)?), size: row.large(2)?, blob })
}

/// A row of `state`: number and block.
pub(super) fn read_block(row: &Row) -> Result<(u32, Block)> {
    let number = row.small(0)?;
    let width = usize::try_from(row.number(1)?).map_err(|_| torn())?;
    let block = decode(number, width, row.column(2)?, row.column(3)?)?;
    // One without a message is removed, not written.
    match block.is_empty() {
        true => Err(torn()),
        false => Ok((number, block)),
    }
}
