//! EXPUNGE: messages out. One packed row tells QRESYNC clients what went.

use std::sync::Arc;

use rusqlite::params;

use super::flags::places;
use super::transaction::WriteTx;
use super::varint::uids_to_octets;
use super::{Expunge, Expunged, Store, free};
use crate::base::limits::VANISHED_ROWS_MAX;
use crate::base::{Flags, MailboxId, Result, Uid, UidSet};
use rusqlite::OptionalExtension;

impl Store {
    /// EXPUNGE.
    pub async fn expunge(&self, mailbox: MailboxId, which: Expunge) -> Result<Expunged> {
        self.write(0, move |tx| expunge(tx, mailbox, which)).await
    }
}

/// Expunges between which the record of expunges is not pruned.
const PRUNE_EVERY: u64 = 256;

fn expunge(tx: &mut WriteTx<'_>, mailbox: MailboxId, which: Expunge) -> Result<Expunged> {
    tx.row(mailbox)?;
    let view = tx.view(mailbox)?;
    let (among, whatever) = match which {
        Expunge::Deleted => (UidSet::all(), false),
        Expunge::DeletedAmong(uids) => (uids, false),
        Expunge::Among(uids) => (uids, true),
    };
    let mut gone = UidSet::new();
    for (first, behind) in places(&view.uids, &among) {
        let uids = view.uids.get(first..behind).unwrap_or_default();
        for (uid, flags) in uids.iter().zip(view.flags.get(first..behind).unwrap_or_default()) {
            if whatever || flags.contains(Flags::DELETED) {
                gone.push(*uid);
            }
        }
    }
    if gone.is_empty() {
        return Ok(Expunged { uids: Vec::new(), mod_seq: tx.row(mailbox)?.mod_seq });
    }
    remove(tx, mailbox, &gone, true)
}

/// Removes messages, all of which are there; at least one.
pub(super) fn remove(
    tx: &mut WriteTx<'_>,
    mailbox: MailboxId,
    gone: &UidSet,
    release_bodies: bool,
) -> Result<Expunged> {
    let view = tx.view(mailbox)?;
    let places = places(&view.uids, gone);
    let (mut unseen, mut deleted) = (0, 0);
    for (first, behind) in &places {
        for flags in view.flags.get(*first..*behind).unwrap_or_default() {
            unseen += u32::from(!flags.contains(Flags::SEEN));
            deleted += u32::from(flags.contains(Flags::DELETED));
        }
    }
    let uids: Vec<Uid> = gone.iter().collect();
    let runs = runs(&view.uids, &places);
    let (octets, blobs) = delete_rows(tx, mailbox, &runs)?;
    let row = tx.row_mut(mailbox)?;
    row.mod_seq += 1;
    row.expunges += 1;
    row.total = row.total.saturating_sub(uids.len() as u32);
    row.unseen = row.unseen.saturating_sub(unseen);
    row.deleted = row.deleted.saturating_sub(deleted);
    row.octets = row.octets.saturating_sub(octets);
    let (account, mod_seq, expunges) = (row.account, row.mod_seq, row.expunges);
    tx.charge(account, -(octets as i64))?;
    tx.db.prepare_cached("INSERT INTO vanished(mailbox, modseq, uids) VALUES (?1, ?2, ?3)")?.execute(params![
        mailbox.0,
        mod_seq as i64,
        uids_to_octets(gone)
    ])?;
    if expunges % PRUNE_EVERY == 0 {
        prune(tx, mailbox)?;
    }
    if release_bodies {
        free::release(tx, blobs)?;
    }
    tx.thinned(mailbox, uids.iter().copied());
    let view = tx.view_mut(mailbox)?;
    view.uids = Arc::new(without(&view.uids, &places));
    view.flags = Arc::new(without(&view.flags, &places));
    view.mod_seqs = Arc::new(without(&view.mod_seqs, &places));
    Ok(Expunged { uids, mod_seq })
}

/// First and last UID of each run of places: nothing else stands between them.
fn runs(view: &[Uid], places: &[(usize, usize)]) -> Vec<(Uid, Uid)> {
    let ends = |(first, behind): &(usize, usize)| Some((*view.get(*first)?, *view.get(behind - 1)?));
    let mut runs: Vec<(Uid, Uid)> = Vec::new();
    let mut last_behind = None;
    for place in places {
        let Some((low, high)) = ends(place) else { continue };
        match runs.last_mut() {
            Some(run) if last_behind == Some(place.0) => run.1 = high,
            _ => runs.push((low, high)),
        }
        last_behind = Some(place.1);
    }
    runs
}

/// Deletes the rows of these UIDs. Gives their octets and bodies.
fn delete_rows(tx: &WriteTx<'_>, mailbox: MailboxId, runs: &[(Uid, Uid)]) -> Result<(u64, Vec<i64>)> {
    let (mut octets, mut blobs) = (0u64, Vec::new());
    let mut select =
        tx.db.prepare_cached("SELECT size, blob FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3")?;
    let mut delete = tx.db.prepare_cached("DELETE FROM fact WHERE mailbox = ?1 AND uid BETWEEN ?2 AND ?3")?;
    for (low, high) in runs {
        let mut rows = select.query(params![mailbox.0, low, high])?;
        while let Some(row) = rows.next()? {
            octets += row.get::<_, i64>(0)? as u64;
            blobs.push(row.get(1)?);
        }
        drop(rows);
        delete.execute(params![mailbox.0, low, high])?;
    }
    Ok((octets, blobs))
}

/// Forgets the oldest expunges.
fn prune(tx: &mut WriteTx<'_>, mailbox: MailboxId) -> Result<()> {
    let oldest_kept: Option<i64> = tx
        .db
        .prepare_cached("SELECT modseq FROM vanished WHERE mailbox = ?1 ORDER BY modseq DESC LIMIT 1 OFFSET ?2")?
        .query_row(params![mailbox.0, VANISHED_ROWS_MAX as i64], |row| row.get(0))
        .optional()?;
    if let Some(mod_seq) = oldest_kept {
        tx.db
            .prepare_cached("DELETE FROM vanished WHERE mailbox = ?1 AND modseq <= ?2")?
            .execute([mailbox.0, mod_seq])?;
        tx.row_mut(mailbox)?.vanished_floor = mod_seq as u64;
    }
    Ok(())
}

/// A column without these places.
fn without<T: Copy>(column: &[T], places: &[(usize, usize)]) -> Vec<T> {
    let mut kept = Vec::with_capacity(column.len());
    let mut from = 0;
    for (first, behind) in places {
        kept.extend_from_slice(column.get(from..*first).unwrap_or_default());
        from = *behind;
    }
    kept.extend_from_slice(column.get(from..).unwrap_or_default());
    kept
}
