//! What was computed of a body once, at delivery.

use rusqlite::{OptionalExtension, Row, Rows, params};

use super::transaction::WriteTx;
use super::{BlobMeta, MetaColumns, Store};
use crate::base::limits::{FETCH_BATCH_HEADER_OCTETS_MAX, FETCH_BATCH_MESSAGES_MAX, HEADER_LISTS_OCTETS_MAX};
use crate::base::{BlobId, Result, Timestamp};

impl Store {
    /// What was computed at delivery, one for each blob in order; `None` for freed blobs.
    pub async fn metas(&self, blobs: Vec<BlobId>) -> Result<Vec<Option<BlobMeta>>> {
        self.metas_of(blobs, MetaColumns::ALL).await
    }

    /// As [`Store::metas`], only these columns filled: FETCH of one item over a whole mailbox reads no other.
    pub async fn metas_of(&self, blobs: Vec<BlobId>, columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
        self.read(move |db| {
            let select = select(columns);
            match span(&blobs) {
                Some((first, last)) => {
                    let mut rows = db.prepare_cached(&format!("{select} BETWEEN ?1 AND ?2 ORDER BY blob"))?;
                    merge(&blobs, rows.query([first.0, last.0])?)
                }
                None => {
                    let mut row = db.prepare_cached(&format!("{select} = ?1"))?;
                    blobs.iter().map(|blob| Ok(row.query_row([blob.0], read_meta).optional()?)).collect()
                }
            }
        })
        .await
    }
}

/// How many of the first of these messages are described together, given their sizes: one at least, and so many that
/// their envelopes fit in memory, however long those are.
pub fn described_together(sizes: impl IntoIterator<Item = u64>) -> usize {
    let mut octets = 0;
    let fits = |size: &u64| {
        octets += (*size).min(HEADER_LISTS_OCTETS_MAX as u64);
        octets <= FETCH_BATCH_HEADER_OCTETS_MAX
    };
    sizes.into_iter().take(FETCH_BATCH_MESSAGES_MAX).take_while(fits).count().max(1)
}

/// The statement up to the comparison of `blob`; what is not wanted is an empty constant.
fn select(columns: MetaColumns) -> String {
    let text = |wanted: bool, names: &'static str, empty: &'static str| if wanted { names } else { empty };
    format!(
        "SELECT blob, header_octets, sent, {}, {}, {}, {}, {} FROM blob_meta WHERE blob",
        text(columns.addresses, "sender, recipients, copies", "'', '', ''"),
        text(columns.thread, "subject, message_id, msg_references", "'', '', ''"),
        text(columns.envelope, "envelope", "x''"),
        text(columns.structure, "structure", "x''"),
        text(columns.parts, "parts", "x''"),
    )
}

fn read_meta(row: &Row<'_>) -> rusqlite::Result<BlobMeta> {
    Ok(BlobMeta {
        header_octets: row.get(1)?,
        sent: Timestamp(row.get(2)?),
        from: row.get(3)?,
        to: row.get(4)?,
        cc: row.get(5)?,
        subject: row.get(6)?,
        message_id: row.get(7)?,
        references: row.get(8)?,
        envelope: row.get(9)?,
        structure: row.get(10)?,
        parts: row.get(11)?,
    })
}

/// First and last of blobs that ascend and lie so close together that reading all between them is cheaper than
/// looking each up.
fn span(blobs: &[BlobId]) -> Option<(BlobId, BlobId)> {
    let (first, last) = (*blobs.first()?, *blobs.last()?);
    let ascend = blobs.iter().zip(blobs.iter().skip(1)).all(|(a, b)| a < b);
    let close = last.0.saturating_sub(first.0) < 2 * blobs.len() as i64;
    (ascend && close && blobs.len() > 2).then_some((first, last))
}

/// The rows of these blobs, both ascending.
fn merge(blobs: &[BlobId], mut rows: Rows<'_>) -> Result<Vec<Option<BlobMeta>>> {
    let mut metas = Vec::with_capacity(blobs.len());
    let mut row = rows.next()?;
    for blob in blobs {
        while let Some(here) = row
            && here.get::<_, i64>(0)? < blob.0
        {
            row = rows.next()?;
        }
        match row {
            Some(here) if here.get::<_, i64>(0)? == blob.0 => metas.push(Some(read_meta(here)?)),
            _ => metas.push(None),
        }
    }
    Ok(metas)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_count_and_by_octets() {
        let together = |sizes: &[u64]| described_together(sizes.iter().copied());
        let long = 10 * HEADER_LISTS_OCTETS_MAX as u64;
        let most = (FETCH_BATCH_HEADER_OCTETS_MAX / HEADER_LISTS_OCTETS_MAX as u64) as usize;
        assert_eq!(together(&[5_000; FETCH_BATCH_MESSAGES_MAX + 1]), FETCH_BATCH_MESSAGES_MAX);
        assert_eq!(together(&vec![long; most + 1]), most);
        assert_eq!((together(&[long]), together(&[])), (1, 1));
    }
}
