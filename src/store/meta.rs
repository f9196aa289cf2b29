//! What was computed of a body once, at delivery.

use rusqlite::{OptionalExtension, params};

use super::transaction::WriteTx;
use super::{BlobMeta, Store};
use crate::base::{BlobId, Result, Timestamp};

impl Store {
    /// What was computed at delivery, one for each blob in order; `None` for freed blobs.
    pub async fn metas(&self, blobs: Vec<BlobId>) -> Result<Vec<Option<BlobMeta>>> {
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT header_octets, sent, subject, sender, recipients, copies, message_id, msg_references, envelope,
                   structure, parts FROM blob_meta WHERE blob = ?1",
            )?;
            let mut metas = Vec::with_capacity(blobs.len());
            for blob in &blobs {
                let meta = select.query_row([blob.0], |row| {
                    Ok(BlobMeta {
                        header_octets: row.get(0)?,
                        sent: Timestamp(row.get(1)?),
                        subject: row.get(2)?,
                        from: row.get(3)?,
                        to: row.get(4)?,
                        cc: row.get(5)?,
                        message_id: row.get(6)?,
                        references: row.get(7)?,
                        envelope: row.get(8)?,
                        structure: row.get(9)?,
                        parts: row.get(10)?,
                    })
                });
                metas.push(meta.optional()?);
            }
            Ok(metas)
        })
        .await
    }
}

/// Writes what was computed of a body.
pub(super) fn insert(tx: &WriteTx<'_>, blob: BlobId, meta: &BlobMeta) -> Result<()> {
    tx.db
        .prepare_cached(
            "INSERT INTO blob_meta(blob, header_octets, sent, subject, sender, recipients, copies, message_id,
               msg_references, envelope, structure, parts)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            blob.0,
            meta.header_octets,
            meta.sent.0,
            meta.subject,
            meta.from,
            meta.to,
            meta.cc,
            meta.message_id,
            meta.references,
            meta.envelope,
            meta.structure,
            meta.parts
        ])?;
    Ok(())
}
