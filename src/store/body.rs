//! Bodies: written once, read in pieces.
//!
//! No more than a piece of a large body is in memory. A database finds a place deep in a large body by walking its
//! pages: reading ahead keeps that from happening for every small piece.

use std::sync::{Arc, Mutex, PoisonError};

use super::Store;
use super::database::Read;
use crate::base::limits::BODY_READ_AHEAD_OCTETS;
use crate::base::{BlobId, Error, ErrorKind, Result};

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
                let Some(size) = db.body_size(*blob)? else {
                    bodies.push(None);
                    continue;
                };
                let Some(rest) = usize::try_from(size).ok().and_then(|size| left.checked_sub(size)) else { break };
                left = rest;
                bodies.push(db.body(*blob)?);
            }
            Ok(bodies)
        })
        .await
    }

    /// Pieces of many bodies, each from an offset and so many octets long (fewer at the end), in order; `None` for
    /// freed ones. The caller bounds what it asks for together.
    pub async fn pieces(&self, wanted: Vec<(BlobId, u64, usize)>) -> Result<Vec<Option<Vec<u8>>>> {
        self.read(move |db| db.body_pieces(&wanted)).await
    }
}

fn read(db: &dyn Read, blob: BlobId, offset: u64, octets_max: usize) -> Result<Vec<u8>> {
    let piece = db.body_pieces(&[(blob, offset, octets_max)])?.into_iter().next().flatten();
    piece.ok_or_else(|| Error::new(ErrorKind::NotFound, "the body is gone"))
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
