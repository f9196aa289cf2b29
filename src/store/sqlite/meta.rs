//! What was computed of bodies at delivery.

use rusqlite::{Connection, OptionalExtension, Row, Rows, params};

use super::super::{BlobMeta, MetaColumns};
use crate::base::{BlobId, Result, Timestamp};

/// What was computed, one for each body in order.
pub(super) fn read(db: &Connection, blobs: &[BlobId], columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
    let select = select(columns);
    match span(blobs) {
        Some((first, last)) => {
            let mut rows = db.prepare_cached(&format!("{select} BETWEEN ?1 AND ?2 ORDER BY blob"))?;
            merge(blobs, rows.query([first.0, last.0])?)
        }
        None => {
            let mut row = db.prepare_cached(&format!("{select} = ?1"))?;
            blobs.iter().map(|blob| Ok(row.query_row([blob.0], read_meta).optional()?)).collect()
        }
    }
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
pub(super) fn insert(db: &Connection, blob: BlobId, meta: &BlobMeta) -> Result<()> {
    db.prepare_cached(
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
