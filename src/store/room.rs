//! Room on the disk: mail is refused while there is still room to change and delete what is kept.
//!
//! A message is written twice, to the log and then to the database, and what the log holds must still fit into the
//! database. The writer looks at the file system before a commit that brings mail, once a second while all is well,
//! at each such commit near the limit, and once a second while mail is refused.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::database::Write;
use super::shared::Shared;
use crate::base::event::Event;
use crate::base::limits::{STORE_RESERVE_OCTETS_MAX, STORE_RESERVE_SHARE};
use crate::base::world::Space;
use crate::base::{Error, ErrorKind, Result};

/// Octets left below which the writer looks at each commit.
const NEAR_OCTETS: u64 = 64 * 1024 * 1024;
/// Times a message is written.
const WRITTEN: u64 = 2;

/// How much mail may come.
#[derive(Debug)]
pub(super) struct Room {
    left: AtomicU64,
    /// Mail was refused, or a write failed, and no room was found since.
    low: AtomicBool,
    /// Octets to be left free; the greatest number where the host set none.
    reserve: AtomicU64,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: AtomicU64::new(u64::MAX), low: AtomicBool::new(false), reserve: AtomicU64::new(u64::MAX) }
    }
}

impl Room {
    /// Sets the octets to be left free; the next look heeds it.
    pub fn set_reserve(&self, octets: Option<u64>) {
        self.reserve.store(octets.unwrap_or(u64::MAX), Ordering::SeqCst);
        // Looked at before the next mail.
        self.left.fetch_min(NEAR_OCTETS - 1, Ordering::SeqCst);
    }

    /// Whether mail of so many octets would be taken now.
    pub fn has(&self, octets: u64) -> bool {
        self.left.load(Ordering::SeqCst) >= octets.saturating_mul(WRITTEN)
    }

    /// Counts mail that comes; false where there is no room for it.
    fn take(&self, octets: u64) -> bool {
        let rest = |left: u64| left.checked_sub(octets.saturating_mul(WRITTEN));
        self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, rest).is_ok()
    }

    /// Whether mail was refused, and it must be seen when there is room again.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::SeqCst)
    }

    /// Whether the writer should look before each commit.
    pub fn is_near(&self) -> bool {
        self.left.load(Ordering::SeqCst) < NEAR_OCTETS
    }
}

/// Takes room for mail that comes; `DiskFull` where there is none.
pub(super) fn take(shared: &Shared, octets: u64) -> Result<()> {
    if shared.room.take(octets) {
        return Ok(());
    }
    run_out(shared);
    Err(full())
}

/// A write found no room.
pub(super) fn run_out(shared: &Shared) {
    shared.room.left.store(0, Ordering::SeqCst);
    if !shared.room.low.swap(true, Ordering::SeqCst) {
        let text = "the disk is full: mail is refused until there is room, the rest goes on".to_owned();
        shared.options.events.say(Event::Store { down: false, text });
    }
}

/// No room for mail.
pub(super) fn full() -> Error {
    Error::new(ErrorKind::DiskFull, "the disk is full")
}

/// Looks at the file system, and at what the database has and does not use.
pub(super) fn look(shared: &Shared, db: &dyn Write) {
    if !shared.database.is_on_our_disk() {
        // Its own disk is told of by what fails there: once a write of mail works again, there is room.
        shared.room.left.store(u64::MAX, Ordering::SeqCst);
        return be_roomy(shared);
    }
    // Where the file system does not tell, the writes themselves will.
    let space = shared.world.disk.space(&shared.options.folder).unwrap_or(Space::UNBOUNDED);
    let reserve = match shared.room.reserve.load(Ordering::SeqCst) {
        u64::MAX => usual_reserve(space.total),
        set => set,
    };
    let unused = db.unused_octets().unwrap_or(0);
    let left = left(space.free, shared.log.pending(), unused, reserve);
    shared.room.left.store(left, Ordering::SeqCst);
    // Not at the very edge, where it would come and go with each message.
    if left > reserve / 4 {
        be_roomy(shared);
    }
}

/// There is room.
fn be_roomy(shared: &Shared) {
    if shared.room.low.swap(false, Ordering::SeqCst) {
        let text = "there is room on the disk again: mail is taken".to_owned();
        shared.options.events.say(Event::Store { down: false, text });
    }
}

/// The reserve where the host set none: a share of the file system, with a limit.
fn usual_reserve(total: u64) -> u64 {
    (total / STORE_RESERVE_SHARE).min(STORE_RESERVE_OCTETS_MAX)
}

/// Octets that may be written for mail. The log needs room of the file system; the database may use its own pages, but
/// what is only in the log will want some of both.
fn left(free: u64, pending: u64, unused: u64, reserve: u64) -> u64 {
    let of_log = free.saturating_sub(reserve / 2);
    let of_both = free.saturating_add(unused).saturating_sub(pending).saturating_sub(reserve);
    of_log.min(of_both)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn the_reserve_is_kept_and_the_log_has_room_to_be_copied() {
        assert_eq!(left(100 * MIB, 0, 0, 10 * MIB), 90 * MIB);
        assert_eq!(left(100 * MIB, 30 * MIB, 0, 10 * MIB), 60 * MIB);
        assert_eq!(left(10 * MIB, 0, 0, 10 * MIB), 0);
        assert_eq!(left(0, 0, 50 * MIB, 10 * MIB), 0);
        // Deleted mail makes room without a shorter file.
        assert_eq!(left(10 * MIB, 0, 50 * MIB, 10 * MIB), 5 * MIB);
        assert_eq!(left(u64::MAX, 5, 5, 0), u64::MAX - 5);
        assert_eq!((usual_reserve(24 * MIB), usual_reserve(u64::MAX)), (24 * MIB / 16, 64 * MIB));
    }

    #[test]
    fn what_is_taken_is_counted() {
        let room = Room::default();
        assert!(room.has(MIB) && !room.is_near());
        room.left.store(10, Ordering::SeqCst);
        assert!(room.is_near() && room.has(5) && !room.has(6));
        assert!(room.take(4) && !room.take(2) && room.take(1) && !room.take(1));
    }
}
