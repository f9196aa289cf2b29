//! Bodies nobody uses any more: counted down when their last message goes, removed in the background.
//!
//! A body used once has no row in `refs`; used n times it has one with n. The last use gone, its id is put on the
//! `dead` list in the same transaction; rounds of the writer remove the bodies, a bounded number a commit, once no
//! session can name them any more (see `ghost`).

use rusqlite::OptionalExtension;

use super::remains;
use super::transaction::WriteTx;
use super::varint::{ids_from_octets, ids_to_octets};
use crate::base::limits::{DEAD_BODIES_PER_COMMIT_MAX, DEAD_OCTETS_PER_COMMIT_MAX};
use crate::base::{BlobId, Result};

/// Counts one more use of a body for each id.
pub(super) fn share(tx: &mut WriteTx<'_>, blobs: &[BlobId]) -> Result<()> {
    let mut count = tx.db.prepare_cached("UPDATE refs SET n = n + 1 WHERE blob = ?1")?;
    let mut start = tx.db.prepare_cached("INSERT INTO refs(blob, n) VALUES (?1, 2)")?;
    for blob in blobs {
        if count.execute([blob.0])? == 0 {
            start.execute([blob.0])?;
        }
    }
    Ok(())
}

/// Counts one use less for each id; those without any are put on the list of the dead. Gives the rows of `dead` they
/// are in.
pub(super) fn release(tx: &mut WriteTx<'_>, mut blobs: Vec<i64>) -> Result<Vec<i64>> {
    blobs.sort_unstable();
    let (Some(first), Some(last)) = (blobs.first().copied(), blobs.last().copied()) else {
        return Ok(Vec::new());
    };
    let any_shared: bool = tx
        .db
        .prepare_cached("SELECT EXISTS(SELECT 1 FROM refs WHERE blob BETWEEN ?1 AND ?2)")?
        .query_row([first, last], |row| row.get(0))?;
    if any_shared {
        let mut end = tx.db.prepare_cached("DELETE FROM refs WHERE blob = ?1 AND n = 2")?;
        let mut less = tx.db.prepare_cached("UPDATE refs SET n = n - 1 WHERE blob = ?1")?;
        let mut dead = Vec::new();
        for blob in blobs {
            if end.execute([blob])? == 0 && less.execute([blob])? == 0 {
                dead.push(blob);
            }
        }
        blobs = dead;
    }
    let mut rows = Vec::new();
    for some in blobs.chunks(DEAD_BODIES_PER_COMMIT_MAX) {
        tx.db.prepare_cached("INSERT INTO dead(blobs) VALUES (?1)")?.execute([ids_to_octets(some)])?;
        rows.push(tx.db.last_insert_rowid());
        tx.bodies_died = true;
    }
    Ok(rows)
}

/// Removes something of what nobody reaches any more. Gives whether more waits.
pub(super) fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    let remains = remains::round(tx)?;
    Ok(bodies(tx)? || remains)
}

/// Removes some bodies. Gives whether more wait.
fn bodies(tx: &WriteTx<'_>) -> Result<bool> {
    let db = tx.db;
    let (mut left, mut octets_left) = (DEAD_BODIES_PER_COMMIT_MAX, DEAD_OCTETS_PER_COMMIT_MAX);
    let mut size_of = db.prepare_cached("SELECT size FROM blob WHERE id = ?1")?;
    let mut body = db.prepare_cached("DELETE FROM blob WHERE id = ?1")?;
    let mut meta = db.prepare_cached("DELETE FROM blob_meta WHERE blob = ?1")?;
    let mut last = 0;
    while left > 0 && octets_left > 0 {
        let next: Option<(i64, Vec<u8>)> = db
            .prepare_cached("SELECT id, blobs FROM dead WHERE id > ?1 ORDER BY id LIMIT 1")?
            .query_row([last], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((id, packed)) = next else { return Ok(false) };
        last = id;
        if tx.shared.ghosts.holds(id) {
            continue;
        }
        let ids = ids_from_octets(&packed)?;
        let (mut stay, ids): (Vec<i64>, Vec<i64>) = ids.into_iter().partition(|id| tx.shared.ghosts.names(BlobId(*id)));
        let mut rest = ids.iter();
        for blob in rest.by_ref() {
            let size: Option<i64> = size_of.query_row([blob], |row| row.get(0)).optional()?;
            body.execute([blob])?;
            meta.execute([blob])?;
            left -= 1;
            octets_left = octets_left.saturating_sub(size.unwrap_or(0) as u64);
            if left == 0 || octets_left == 0 {
                break;
            }
        }
        stay.extend(rest);
        if stay.is_empty() {
            db.prepare_cached("DELETE FROM dead WHERE id = ?1")?.execute([id])?;
        } else if !ids.is_empty() {
            stay.sort_unstable();
            db.prepare_cached("UPDATE dead SET blobs = ?2 WHERE id = ?1")?.execute((id, ids_to_octets(&stay)))?;
        }
    }
    Ok(true)
}
