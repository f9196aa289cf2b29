//! Bodies nobody uses any more: counted down when their last message goes, removed in the background.
//!
//! When its last use goes, the body's id is put on the list of the *dead* in the same transaction; rounds of the writer
//! remove the bodies, a bounded number a commit, once no session can name them any more (see `ghost`).

use super::remains;
use super::transaction::WriteTx;
use crate::base::limits::{DEAD_BODIES_PER_COMMIT_MAX, DEAD_OCTETS_PER_COMMIT_MAX};
use crate::base::{BlobId, Result};

/// Counts one use less for each id; those without any are put on the list of the dead. Gives the notes they are in.
pub(super) fn release(tx: &mut WriteTx<'_>, mut blobs: Vec<BlobId>) -> Result<Vec<i64>> {
    blobs.sort_unstable();
    let unused = tx.db.uses_drop(blobs)?;
    let mut notes = Vec::new();
    for some in unused.chunks(DEAD_BODIES_PER_COMMIT_MAX) {
        notes.push(tx.db.dead_insert(some)?);
        tx.bodies_died = true;
    }
    Ok(notes)
}

/// Removes something of what nobody reaches any more. Gives whether more waits.
pub(super) fn round(tx: &mut WriteTx<'_>) -> Result<bool> {
    let remains = remains::round(tx)?;
    Ok(bodies(tx)? || remains)
}

/// Removes some bodies. Gives whether more wait.
fn bodies(tx: &WriteTx<'_>) -> Result<bool> {
    let (mut left, mut octets_left) = (DEAD_BODIES_PER_COMMIT_MAX, DEAD_OCTETS_PER_COMMIT_MAX);
    let mut last = 0;
    while left > 0 && octets_left > 0 {
        let Some((note, blobs)) = tx.db.dead_behind(last)? else { return Ok(false) };
        last = note;
        if tx.shared.ghosts.holds(note) {
            continue;
        }
        let (mut stay, blobs): (Vec<BlobId>, Vec<BlobId>) =
            blobs.into_iter().partition(|blob| tx.shared.ghosts.names(*blob));
        if blobs.is_empty() {
            continue;
        }
        let mut rest = blobs.iter();
        for blob in rest.by_ref() {
            left -= 1;
            octets_left = octets_left.saturating_sub(tx.db.body_remove(*blob)?);
            if left == 0 || octets_left == 0 {
                break;
            }
        }
        stay.extend(rest);
        stay.sort_unstable();
        tx.db.dead_left(note, &stay)?;
    }
    Ok(true)
}
