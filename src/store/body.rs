//! Bodies: written once, read in pieces.
//!
//! A body that came in a scratch file is written and read through SQLite's incremental interface, so that no more
//! than a piece of it is in memory. SQLite finds a place deep in a large body by walking its pages: reading ahead
//! keeps that from happening for every small piece.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::blob::Blob;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, params};

use super::Store;
use super::transaction::WriteTx;
use crate::base::limits::{BODY_READ_AHEAD_OCTETS, CHUNK_OCTETS_MAX};
use crate::base::{BlobId, Body, Content, Error, ErrorKind, Result};

/// Pieces read ahead that are kept, one for each large body being read.
const PIECES_MAX: usize = 4;

impl Store {
    /// Up to `octets_max` octets of a body from `offset`; empty at its end; `NotFound` for a freed one.
    pub async fn body(&self, blob: BlobId, offset: u64, octets_max: usize) -> Result<Vec<u8>> {
        if let Some(octets) = self.shared().read_ahead.get(blob, offset, octets_max) {
            return Ok(octets);
        }
        let mut octets = self.read(move |db| read(db, blob, offset, octets_max.max(BODY_READ_AHEAD_OCTETS))).await?;
        if octets.len() > octets_max {
            let piece = Arc::new(octets);
            octets = piece.get(..octets_max).unwrap_or_default().to_vec();
            self.shared().read_ahead.keep(blob, offset, piece);
        }
        Ok(octets)
    }

    /// Whole bodies, in order, until `octets_max` is passed: at least one unless it alone is larger (then
    /// none: read it with `body`). Freed ones come as `None`.
    pub async fn bodies(&self, blobs: Vec<BlobId>, octets_max: usize) -> Result<Vec<Option<Vec<u8>>>> {
        self.read(move |db| {
            let mut bodies = Vec::new();
            let mut left = octets_max;
            for blob in &blobs {
                let Some(size) = size(db, *blob)? else {
                    bodies.push(None);
                    continue;
                };
                let Some(rest) = usize::try_from(size).ok().and_then(|size| left.checked_sub(size)) else { break };
                left = rest;
                let mut select = db.prepare_cached("SELECT body FROM blob WHERE id = ?1")?;
                bodies.push(select.query_row([blob.0], |row| row.get(0)).optional()?);
            }
            Ok(bodies)
        })
        .await
    }

    /// Pieces of many bodies, each from an offset and so many octets long (fewer at the end), in order; `None` for
    /// freed ones. The caller bounds what it asks for together.
    pub async fn pieces(&self, wanted: Vec<(BlobId, u64, usize)>) -> Result<Vec<Option<Vec<u8>>>> {
        self.read(move |db| {
            let tx = db.unchecked_transaction()?;
            let mut open: Option<Blob<'_>> = None;
            let mut pieces = Vec::with_capacity(wanted.len());
            for (blob, offset, octets) in &wanted {
                // Going on with an open handle saves preparing a statement for each. One that failed is of no more use.
                let at_blob = match open.take() {
                    Some(mut handle) => handle.reopen(blob.0).map(|()| handle),
                    None => tx.blob_open(MAIN_DB, "blob", "body", blob.0, true),
                };
                let Ok(handle) = at_blob else {
                    if size(&tx, *blob)?.is_some() {
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
        })
        .await
    }
}

fn size(db: &Connection, blob: BlobId) -> Result<Option<i64>> {
    let mut select = db.prepare_cached("SELECT size FROM blob WHERE id = ?1")?;
    Ok(select.query_row([blob.0], |row| row.get(0)).optional()?)
}

fn read(db: &Connection, blob: BlobId, offset: u64, octets_max: usize) -> Result<Vec<u8>> {
    let freed = || Error::new(ErrorKind::NotFound, "the body is gone");
    // One read transaction, so that the body cannot go in between.
    let tx = db.unchecked_transaction()?;
    let size = size(&tx, blob)?.ok_or_else(freed)? as u64;
    let Some(left) = size.checked_sub(offset).filter(|left| *left > 0) else { return Ok(Vec::new()) };
    let mut octets = vec![0; octets_max.min(usize::try_from(left).unwrap_or(usize::MAX))];
    let place = usize::try_from(offset).map_err(|_| freed())?;
    tx.blob_open(MAIN_DB, "blob", "body", blob.0, true)?.read_at_exact(&mut octets, place)?;
    Ok(octets)
}

/// Writes a body.
pub(super) fn insert(tx: &WriteTx<'_>, content: &Content) -> Result<BlobId> {
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
            tx.db.prepare_cached("INSERT INTO blob(size, body) VALUES (?1, ?2)")?.execute(params![size, body])?;
            Ok(BlobId(tx.db.last_insert_rowid()))
        }
        Body::File(..) => {
            tx.db.prepare_cached("INSERT INTO blob(size, body) VALUES (?1, zeroblob(?1))")?.execute([size])?;
            let id = tx.db.last_insert_rowid();
            let mut blob = tx.db.blob_open(MAIN_DB, "blob", "body", id, false)?;
            blob.write_at(&content.prefix, 0)?;
            let mut piece = vec![0; CHUNK_OCTETS_MAX];
            let (mut from, mut to) = (0, content.prefix.len());
            while from < content.body.len() {
                let n =
                    content.body.read_at(from, &mut piece).map_err(|e| Error::of_disk("reading a scratch file", &e))?;
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
    }
}

/// Which body, from which octet on, and the octets.
type Piece = (BlobId, u64, Arc<Vec<u8>>);

/// Pieces of large bodies that were read beyond what was asked.
#[derive(Default)]
pub(super) struct ReadAhead {
    pieces: Mutex<Vec<Piece>>,
}

impl ReadAhead {
    fn get(&self, blob: BlobId, offset: u64, octets_max: usize) -> Option<Vec<u8>> {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        let place = pieces
            .iter()
            .position(|(of, start, piece)| *of == blob && (*start..*start + piece.len() as u64).contains(&offset))?;
        let (of, start, piece) = pieces.remove(place);
        let rest = piece.get((offset - start) as usize..)?;
        let octets = rest.get(..octets_max).unwrap_or(rest).to_vec();
        if octets.len() < rest.len() {
            pieces.push((of, start, piece));
        }
        Some(octets)
    }

    fn keep(&self, blob: BlobId, offset: u64, piece: Arc<Vec<u8>>) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.retain(|(of, ..)| *of != blob);
        if pieces.len() >= PIECES_MAX {
            pieces.remove(0);
        }
        pieces.push((blob, offset, piece));
    }
}
