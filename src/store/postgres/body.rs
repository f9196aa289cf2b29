//! Bodies, what was computed of them, their uses, and the list of those to be removed.
//!
//! A body up to `POSTGRES_BODY_ROW_OCTETS_MAX` is in its row. A larger one is in rows of `blob_chunk`, each of so many
//! octets, so that no more than a few of them are in memory. A body used once has no row in `refs`; used n times it has
//! one with n.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Row;

use super::super::database::{ReadBodies, WriteBodies};
use super::super::{BlobMeta, MetaColumns};
use super::Postgres;
use super::value::{Columns, values};
use super::varint::{ids_from_octets, ids_to_octets};
use crate::base::limits::POSTGRES_BODY_ROW_OCTETS_MAX as CHUNK;
use crate::base::{BlobId, Content, Error, ErrorKind, Result, Timestamp};

impl ReadBodies for Postgres {
    fn body_size(&self, blob: BlobId) -> Result<Option<u64>> {
        let row = self.row("SELECT size FROM blob WHERE id = $1", values![blob.0])?;
        row.map(|row| row.large(0)).transpose()
    }

    fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        Ok(self.body_pieces(&[(blob, 0, usize::MAX)])?.pop().flatten())
    }

    fn body_pieces(&self, wanted: &[(BlobId, u64, usize)]) -> Result<Vec<Option<Vec<u8>>>> {
        if self.inside.get() {
            return self.pieces(wanted);
        }
        super::super::database::of_one_commit(self, |_| self.pieces(wanted))
    }

    fn metas(&self, blobs: &[BlobId], columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
        let ids: BTreeSet<i64> = blobs.iter().map(|blob| blob.0).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let rows = self.rows(&select_meta(columns), values![ids])?;
        let found = rows.iter().map(|row| Ok((row.number(0)?, read_meta(row)?)));
        let found = found.collect::<Result<BTreeMap<i64, BlobMeta>>>()?;
        Ok(blobs.iter().map(|blob| found.get(&blob.0).cloned()).collect())
    }

    fn dead_behind(&self, after: i64) -> Result<Option<(i64, Vec<BlobId>)>> {
        let next = self.row("SELECT id, blobs FROM dead WHERE id > $1 ORDER BY id LIMIT 1", values![after])?;
        next.map(|row| Ok((row.number(0)?, ids_from_octets(row.column(1)?)?))).transpose()
    }
}

impl WriteBodies for Postgres {
    fn body_insert(&self, content: &Content) -> Result<BlobId> {
        let size = i64::try_from(content.len()).ok().filter(|size| *size < i64::from(i32::MAX));
        let size = size.ok_or_else(|| Error::new(ErrorKind::Limit, "the message is too large"))?;
        let id = self.next_id("blob_id")?;
        let insert = "INSERT INTO blob(id, size, body) VALUES ($1, $2, $3)";
        if size <= CHUNK as i64 {
            let mut body = vec![0; usize::try_from(size).unwrap_or(0)];
            fill(content, 0, &mut body)?;
            self.send(insert, values![id, size, body])?;
            return Ok(BlobId(id));
        }
        self.send(insert, values![id, size, None::<Vec<u8>>])?;
        for (place, from) in (0i64..).zip((0..size).step_by(CHUNK)) {
            let mut chunk = vec![0; usize::try_from(size - from).unwrap_or(0).min(CHUNK)];
            fill(content, from as u64, &mut chunk)?;
            // One chunk at a time, so that a large body is not in memory as a whole.
            self.run("INSERT INTO blob_chunk(blob, place, octets) VALUES ($1, $2, $3)", values![id, place, chunk])?;
        }
        Ok(BlobId(id))
    }

    fn meta_insert(&self, blob: BlobId, meta: &BlobMeta) -> Result<()> {
        self.send(
            "INSERT INTO blob_meta(blob, header_octets, sent, subject, sender, recipients, copies, message_id,
               msg_references, envelope, structure, parts) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            values![
                blob.0,
                meta.header_octets,
                meta.sent.0,
                &meta.subject,
                &meta.from,
                &meta.to,
                &meta.cc,
                &meta.message_id,
                &meta.references,
                &meta.envelope,
                &meta.structure,
                &meta.parts
            ],
        )
    }

    fn body_remove(&self, blob: BlobId) -> Result<u64> {
        self.send("DELETE FROM blob_meta WHERE blob = $1", values![blob.0])?;
        let row = self.row("DELETE FROM blob WHERE id = $1 RETURNING size, body IS NULL", values![blob.0])?;
        let Some(row) = row else { return Ok(0) };
        if row.flag(1)? {
            self.send("DELETE FROM blob_chunk WHERE blob = $1", values![blob.0])?;
        }
        row.large(0)
    }

    fn uses_add(&self, blobs: &[BlobId]) -> Result<()> {
        // In one order, so that two transactions do not wait for each other.
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        blobs.iter().for_each(|blob| *counts.entry(blob.0).or_default() += 1);
        let (ids, more): (Vec<i64>, Vec<i64>) = counts.into_iter().unzip();
        self.send(
            "INSERT INTO refs(blob, n) SELECT blob, 1 + more FROM unnest($1::bigint[], $2::bigint[]) AS u(blob, more)
               ORDER BY blob ON CONFLICT (blob) DO UPDATE SET n = refs.n + excluded.n - 1",
            values![ids, more],
        )
    }

    fn uses_drop(&self, blobs: Vec<BlobId>) -> Result<Vec<BlobId>> {
        let ids: Vec<i64> = blobs.iter().map(|blob| blob.0).collect();
        let shared = self.rows("SELECT blob, n FROM refs WHERE blob = ANY($1) FOR UPDATE", values![ids])?;
        if shared.is_empty() {
            return Ok(blobs);
        }
        let read = shared.iter().map(|row| Ok((row.number(0)?, row.number(1)?)));
        let before = read.collect::<Result<BTreeMap<i64, i64>>>()?;
        let mut after = before.clone();
        let mut unused = Vec::new();
        for blob in blobs {
            match after.get_mut(&blob.0) {
                // Used once from here on, which has no row.
                Some(n) if *n > 1 => *n -= 1,
                _ => unused.push(blob),
            }
        }
        for (blob, n) in after.into_iter().filter(|(blob, n)| before.get(blob) != Some(n)) {
            match n {
                ..2 => self.send("DELETE FROM refs WHERE blob = $1", values![blob])?,
                n => self.send("UPDATE refs SET n = $2 WHERE blob = $1", values![blob, n])?,
            }
        }
        Ok(unused)
    }

    fn dead_insert(&self, blobs: &[BlobId]) -> Result<i64> {
        let note = self.next_id("dead_id")?;
        self.send("INSERT INTO dead(id, blobs) VALUES ($1, $2)", values![note, ids_to_octets(blobs)])?;
        Ok(note)
    }

    fn dead_left(&self, note: i64, blobs: &[BlobId]) -> Result<()> {
        match blobs.is_empty() {
            true => self.send("DELETE FROM dead WHERE id = $1", values![note]),
            false => self.send("UPDATE dead SET blobs = $2 WHERE id = $1", values![note, ids_to_octets(blobs)]),
        }
    }
}

impl Postgres {
    /// Pieces of bodies, within a transaction. Those in rows are asked for together.
    fn pieces(&self, wanted: &[(BlobId, u64, usize)]) -> Result<Vec<Option<Vec<u8>>>> {
        let most = |octets: usize| i64::try_from(octets).unwrap_or(i64::MAX).min(i64::from(i32::MAX) - 1);
        let from = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX).min(i64::from(i32::MAX) - 1);
        let sets = wanted.iter().map(|(blob, offset, octets)| values![blob.0, from(*offset) + 1, most(*octets)]);
        let found = self.rows_of_each(
            "SELECT size, substr(body, $2::bigint::int, $3::bigint::int) FROM blob WHERE id = $1",
            sets.collect(),
        )?;
        let mut pieces = Vec::with_capacity(wanted.len());
        for (rows, (blob, offset, octets)) in found.iter().zip(wanted) {
            pieces.push(match rows.first() {
                None => None,
                Some(row) => match row.column::<Option<&[u8]>>(1)? {
                    Some(piece) => Some(piece.to_vec()),
                    None => Some(self.piece_of_chunks(*blob, row.large(0)?, *offset, *octets)?),
                },
            });
        }
        Ok(pieces)
    }

    fn piece_of_chunks(&self, blob: BlobId, size: u64, offset: u64, octets: usize) -> Result<Vec<u8>> {
        let end = offset.saturating_add(octets as u64).min(size);
        let mut piece = Vec::with_capacity(usize::try_from(end.saturating_sub(offset)).unwrap_or(0));
        let mut at = offset;
        while at < end {
            let (place, within) = (at / CHUNK as u64, at % CHUNK as u64);
            let most = (CHUNK as u64 - within).min(end - at);
            let row = self.row(
                "SELECT substr(octets, $3::bigint::int, $4::bigint::int) FROM blob_chunk
                   WHERE blob = $1 AND place = $2",
                values![blob.0, place, within + 1, most],
            )?;
            let row = row.ok_or_else(cannot_be_read)?;
            let part: &[u8] = row.column(0)?;
            if part.len() as u64 != most {
                return Err(cannot_be_read());
            }
            piece.extend_from_slice(part);
            at += most;
        }
        Ok(piece)
    }
}

fn cannot_be_read() -> Error {
    Error::new(ErrorKind::Store, "a body cannot be read")
}

/// Fills `out` with what of the content begins at `from`.
fn fill(content: &Content, from: u64, out: &mut [u8]) -> Result<()> {
    let mut done = 0;
    while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let read = content.read_at(from + done as u64, rest);
        match read.map_err(|e| Error::of_disk("reading a scratch file", &e))? {
            0 => return Err(Error::new(ErrorKind::Store, "a scratch file is shorter than it was")),
            octets => done += octets,
        }
    }
    Ok(())
}

/// The statement; what is not wanted is an empty constant.
fn select_meta(columns: MetaColumns) -> String {
    let text = |wanted: bool, names: &'static str, empty: &'static str| if wanted { names } else { empty };
    format!(
        "SELECT blob, header_octets, sent, {}, {}, {}, {}, {} FROM blob_meta WHERE blob = ANY($1)",
        text(columns.addresses, "sender, recipients, copies", "'', '', ''"),
        text(columns.thread, "subject, message_id, msg_references", "'', '', ''"),
        text(columns.envelope, "envelope", "''::bytea"),
        text(columns.structure, "structure", "''::bytea"),
        text(columns.parts, "parts", "''::bytea"),
    )
}

fn read_meta(row: &Row) -> Result<BlobMeta> {
    Ok(BlobMeta {
        header_octets: row.small(1)?,
        sent: Timestamp(row.number(2)?),
        from: row.text(3)?,
        to: row.text(4)?,
        cc: row.text(5)?,
        subject: row.text(6)?,
        message_id: row.text(7)?,
        references: row.text(8)?,
        envelope: row.octets(9)?,
        structure: row.octets(10)?,
        parts: row.octets(11)?,
    })
}
