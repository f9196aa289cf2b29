//! Bodies, their uses, and the list of those to be removed.

use std::sync::Arc;

use super::super::database::{ReadBodies, WriteBodies};
use super::super::{BlobMeta, MetaColumns};
use super::Connection;
use super::tables::next;
use crate::base::{BlobId, Content, Error, Result};

impl ReadBodies for Connection {
    fn body_size(&self, blob: BlobId) -> Result<Option<u64>> {
        self.ask(|tables| tables.bodies.get(&blob).map(|body| body.len() as u64))
    }

    fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        self.ask(|tables| tables.bodies.get(&blob).map(|body| body.to_vec()))
    }

    fn body_pieces(&self, wanted: &[(BlobId, u64, usize)]) -> Result<Vec<Option<Vec<u8>>>> {
        let piece = |body: &[u8], offset: u64, octets: usize| {
            let rest = usize::try_from(offset).ok().and_then(|offset| body.get(offset..)).unwrap_or_default();
            rest.get(..octets).unwrap_or(rest).to_vec()
        };
        self.ask(|tables| {
            let pieces = wanted
                .iter()
                .map(|(blob, offset, octets)| tables.bodies.get(blob).map(|body| piece(body, *offset, *octets)));
            pieces.collect()
        })
    }

    fn metas(&self, blobs: &[BlobId], columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
        let only = |meta: &Arc<BlobMeta>| {
            let mut meta = BlobMeta::clone(meta);
            let unwanted = BlobMeta::default();
            if !columns.addresses {
                (meta.from, meta.to, meta.cc) = (unwanted.from, unwanted.to, unwanted.cc);
            }
            if !columns.thread {
                (meta.subject, meta.message_id, meta.references) =
                    (unwanted.subject, unwanted.message_id, unwanted.references);
            }
            if !columns.envelope {
                meta.envelope.clear();
            }
            if !columns.structure {
                meta.structure.clear();
            }
            if !columns.parts {
                meta.parts.clear();
            }
            meta
        };
        self.ask(|tables| blobs.iter().map(|blob| tables.metas.get(blob).map(only)).collect())
    }

    fn dead_behind(&self, after: i64) -> Result<Option<(i64, Vec<BlobId>)>> {
        self.ask(|tables| tables.dead.range_from(after + 1).next().map(|(note, blobs)| (*note, blobs.clone())))
    }
}

impl WriteBodies for Connection {
    fn body_insert(&self, content: &Content) -> Result<BlobId> {
        let mut octets = Vec::new();
        let read = content.for_each(|piece| {
            octets.extend_from_slice(piece);
            Ok::<(), std::io::Error>(())
        });
        read.map_err(|e| Error::of_disk("reading a scratch file", &e))?;
        self.change(|tables| {
            let blob = BlobId(next(&mut tables.last.blob));
            tables.bodies.insert(blob, Arc::new(octets));
            tables.uses.insert(blob, 1);
            Ok(blob)
        })
    }

    fn meta_insert(&self, blob: BlobId, meta: &BlobMeta) -> Result<()> {
        self.edit(|tables| tables.metas.put(blob, Arc::new(meta.clone())))
    }

    fn body_remove(&self, blob: BlobId) -> Result<u64> {
        self.change(|tables| {
            tables.metas.remove(&blob);
            tables.uses.remove(&blob);
            Ok(tables.bodies.remove(&blob).map_or(0, |body| body.len() as u64))
        })
    }

    fn uses_add(&self, blobs: &[BlobId]) -> Result<()> {
        self.change(|tables| {
            for blob in blobs {
                let uses = tables.uses.get(blob).copied().unwrap_or(0);
                tables.uses.insert(*blob, uses + 1);
            }
            Ok(())
        })
    }

    fn uses_drop(&self, blobs: Vec<BlobId>) -> Result<Vec<BlobId>> {
        self.change(|tables| {
            let mut unused = Vec::new();
            for blob in blobs {
                let uses = tables.uses.get(&blob).copied().unwrap_or(1).saturating_sub(1);
                tables.uses.insert(blob, uses);
                if uses == 0 {
                    unused.push(blob);
                }
            }
            Ok(unused)
        })
    }

    fn dead_insert(&self, blobs: &[BlobId]) -> Result<i64> {
        self.change(|tables| {
            let note = next(&mut tables.last.dead);
            tables.dead.insert(note, blobs.to_vec());
            Ok(note)
        })
    }

    fn dead_left(&self, note: i64, blobs: &[BlobId]) -> Result<()> {
        self.edit(|tables| match blobs.is_empty() {
            true => tables.dead.discard(&note),
            false => tables.dead.put(note, blobs.to_vec()),
        })
    }
}
