//! Bodies, their uses, and the list of those to be removed.
//!
//! A body that came in a scratch file is written and read through SQLite's incremental interface, so that no more
//! than a piece of it is in memory. A body used once has no row in `refs`; used n times it has one with n.

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, params};

use super::super::database::{ReadBodies, WriteBodies};
use super::super::{BlobMeta, MetaColumns};
use super::varint::{ids_from_octets, ids_to_octets};
use super::{Sqlite, meta};
use crate::base::limits::CHUNK_OCTETS_MAX;
use crate::base::{BlobId, Body, Content, Error, ErrorKind, Result};

impl ReadBodies for Sqlite {
    fn body_size(&self, blob: BlobId) -> Result<Option<u64>> {
        let mut select = self.db.prepare_cached("SELECT size FROM blob WHERE id = ?1")?;
        let size: Option<i64> = select.query_row([blob.0], |row| row.get(0)).optional()?;
        Ok(size.map(|size| size as u64))
    }

    fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        let mut select = self.db.prepare_cached("SELECT body FROM blob WHERE id = ?1")?;
        Ok(select.query_row([blob.0], |row| row.get(0)).optional()?)
    }

    fn body_pieces(&self, wanted: &[(BlobId, u64, usize)]) -> Result<Vec<Option<Vec<u8>>>> {
        let tx = self.db.unchecked_transaction()?;
        let mut open: Option<Blob<'_>> = None;
        let mut pieces = Vec::with_capacity(wanted.len());
        for (blob, offset, octets) in wanted {
            // Going on with an open handle saves preparing a statement for each. One that failed is of no more use.
            let at_blob = match open.take() {
                Some(mut handle) => handle.reopen(blob.0).map(|()| handle),
                None => tx.blob_open(MAIN_DB, "blob", "body", blob.0, true),
            };
            let Ok(handle) = at_blob else {
                if self.body_size(*blob)?.is_some() {
                    return Err(Error::new(ErrorKind::Store, "a body cannot be read"));
                }
                pieces.push(None);
                continue;
            };
            let offset = usize::try_from(*offset).unwrap_or(usize::MAX);
            let mut piece = vec![0; handle.len().saturating_sub(offset).min(*octets)];
            if !piece.is_empty() {
                handle.read_at_exact(&mut piece, offset)?;
            }
            pieces.push(Some(piece));
            open = Some(handle);
        }
        Ok(pieces)
    }

    fn metas(&self, blobs: &[BlobId], columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
        meta::read(&self.db, blobs, columns)
    }

    fn dead_behind(&self, after: i64) -> Result<Option<(i64, Vec<BlobId>)>> {
        let next: Option<(i64, Vec<u8>)> = self
            .db
            .prepare_cached("SELECT id, blobs FROM dead WHERE id > ?1 ORDER BY id LIMIT 1")?
            .query_row([after], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        next.map(|(id, packed)| Ok((id, ids_from_octets(&packed)?))).transpose()
    }
}

impl WriteBodies for Sqlite {
    fn body_insert(&self, content: &Content) -> Result<BlobId> {
        let size = i64::try_from(content.len()).ok().filter(|size| *size < i64::from(i32::MAX));
        let size = size.ok_or_else(|| Error::new(ErrorKind::Limit, "the message is too large"))?;
        match &content.body {
            Body::Memory(octets) => {
                let joined;
                let body = if content.prefix.is_empty() {
                    octets.as_slice()
                } else {
                    joined = [content.prefix.as_slice(), octets].concat();
                    &joined
                };
                self.db.prepare_cached("INSERT INTO blob(size, body) VALUES (?1, ?2)")?.execute(params![size, body])?;
                Ok(BlobId(self.db.last_insert_rowid()))
            }
            Body::File(..) => insert_in_pieces(&self.db, content, size),
        }
    }

    fn meta_insert(&self, blob: BlobId, meta: &BlobMeta) -> Result<()> {
        meta::insert(&self.db, blob, meta)
    }

    fn body_remove(&self, blob: BlobId) -> Result<u64> {
        let octets = self.body_size(blob)?;
        self.db.prepare_cached("DELETE FROM blob WHERE id = ?1")?.execute([blob.0])?;
        self.db.prepare_cached("DELETE FROM blob_meta WHERE blob = ?1")?.execute([blob.0])?;
        Ok(octets.unwrap_or(0))
    }

    fn uses_add(&self, blobs: &[BlobId]) -> Result<()> {
        let mut count = self.db.prepare_cached("UPDATE refs SET n = n + 1 WHERE blob = ?1")?;
        let mut start = self.db.prepare_cached("INSERT INTO refs(blob, n) VALUES (?1, 2)")?;
        for blob in blobs {
            if count.execute([blob.0])? == 0 {
                start.execute([blob.0])?;
            }
        }
        Ok(())
    }

    fn uses_drop(&self, mut blobs: Vec<BlobId>) -> Result<Vec<BlobId>> {
        let (Some(first), Some(last)) = (blobs.first().copied(), blobs.last().copied()) else {
            return Ok(Vec::new());
        };
        let any_shared: bool = self
            .db
            .prepare_cached("SELECT EXISTS(SELECT 1 FROM refs WHERE blob BETWEEN ?1 AND ?2)")?
            .query_row([first.0, last.0], |row| row.get(0))?;
        if any_shared {
            let mut end = self.db.prepare_cached("DELETE FROM refs WHERE blob = ?1 AND n = 2")?;
            let mut less = self.db.prepare_cached("UPDATE refs SET n = n - 1 WHERE blob = ?1")?;
            let mut unused = Vec::new();
            for blob in blobs {
                if end.execute([blob.0])? == 0 && less.execute([blob.0])? == 0 {
                    unused.push(blob);
                }
            }
            blobs = unused;
        }
        Ok(blobs)
    }

    fn dead_insert(&self, blobs: &[BlobId]) -> Result<i64> {
        self.db.prepare_cached("INSERT INTO dead(blobs) VALUES (?1)")?.execute([ids_to_octets(blobs)])?;
        Ok(self.db.last_insert_rowid())
    }

    fn dead_left(&self, note: i64, blobs: &[BlobId]) -> Result<()> {
        if blobs.is_empty() {
            self.db.prepare_cached("DELETE FROM dead WHERE id = ?1")?.execute([note])?;
        } else {
            let packed = ids_to_octets(blobs);
            self.db.prepare_cached("UPDATE dead SET blobs = ?2 WHERE id = ?1")?.execute(params![note, packed])?;
        }
        Ok(())
    }
}

fn insert_in_pieces(db: &Connection, content: &Content, size: i64) -> Result<BlobId> {
    db.prepare_cached("INSERT INTO blob(size, body) VALUES (?1, zeroblob(?1))")?.execute([size])?;
    let id = db.last_insert_rowid();
    let mut blob = db.blob_open(MAIN_DB, "blob", "body", id, false)?;
    blob.write_at(&content.prefix, 0)?;
    let mut piece = vec![0; CHUNK_OCTETS_MAX];
    let (mut from, mut to) = (0, content.prefix.len());
    while from < content.body.len() {
        let n = content.body.read_at(from, &mut piece).map_err(|e| Error::of_disk("reading a scratch file", &e))?;
        let octets = piece.get(..n).unwrap_or_default();
        if octets.is_empty() {
            return Err(Error::new(ErrorKind::Store, "a scratch file is shorter than it was"));
        }
        blob.write_at(octets, to)?;
        from += n as u64;
        to += n;
    }
    blob.close()?;
    Ok(BlobId(id))
}
