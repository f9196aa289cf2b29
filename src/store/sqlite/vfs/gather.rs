//! Writes to the log that follow each other, gathered into one.
//!
//! SQLite writes each page of the log by two calls, one for the page's header and one for the page. A message of
//! 100 KiB is some forty calls to the system, each with the cost of a write. Here they wait in memory until the log is
//! synced, read, measured or cut, or until they are too many.
//!
//! Nobody else looks at what waits: frames are read by others only when the index names them, and a commit with
//! `synchronous=FULL`, which all writing connections of a store have, syncs the log before it changes the index. The
//! sync writes what waits first, and gives the error where that fails, so that what was synced was written. The
//! database itself is not gathered: a checkpoint tells others of the pages it copied without a sync in between.

use std::ffi::c_int;

use rusqlite::ffi;

use crate::base::limits::STORE_GATHER_OCTETS_MAX;

/// Octets that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Gather {
    octets: Vec<u8>,
    /// Where the first of them belongs.
    at: i64,
    /// The code of a write that failed where nobody could be told.
    failed: c_int,
}

impl Gather {
    /// Writes octets at a place: now, or later with what follows them. Gives SQLite's result code.
    pub fn write(&mut self, octets: &[u8], at: i64, write: impl Fn(&[u8], i64) -> c_int) -> c_int {
        let follows = at == self.at.saturating_add(self.octets.len() as i64);
        if !follows || self.octets.len().saturating_add(octets.len()) > STORE_GATHER_OCTETS_MAX {
            let code = self.flush(&write);
            if code != ffi::SQLITE_OK {
                return code;
            }
        }
        if octets.len() >= STORE_GATHER_OCTETS_MAX {
            return write(octets, at);
        }
        if self.octets.is_empty() {
            self.at = at;
        }
        self.octets.extend_from_slice(octets);
        ffi::SQLITE_OK
    }

    /// Writes what waits; gives the result code, of an earlier try too.
    pub fn flush(&mut self, write: impl Fn(&[u8], i64) -> c_int) -> c_int {
        self.flush_untold(write);
        std::mem::replace(&mut self.failed, ffi::SQLITE_OK)
    }

    /// Writes what waits where SQLite does not look at the result: the next who can be told is.
    pub fn flush_untold(&mut self, write: impl Fn(&[u8], i64) -> c_int) {
        if self.octets.is_empty() {
            return;
        }
        let code = write(&self.octets, self.at);
        self.octets.clear();
        if code != ffi::SQLITE_OK {
            self.failed = code;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn what_follows_is_written_together() {
        let written = RefCell::new(Vec::new());
        let write = |octets: &[u8], at: i64| {
            written.borrow_mut().push((at, octets.to_vec()));
            ffi::SQLITE_OK
        };
        let mut gather = Gather::default();
        for (octets, at) in [("ab", 10), ("cd", 12), ("e", 14), ("x", 12), ("yz", 13), ("q", 3)] {
            assert_eq!(gather.write(octets.as_bytes(), at, write), ffi::SQLITE_OK);
        }
        assert_eq!(gather.flush(write), ffi::SQLITE_OK);
        assert_eq!(gather.flush(write), ffi::SQLITE_OK);
        let want = [(10, "abcde"), (12, "xyz"), (3, "q")].map(|(at, text)| (at, text.as_bytes().to_vec()));
        assert_eq!(written.take(), want);
        let large = vec![7; STORE_GATHER_OCTETS_MAX];
        gather.write(b"s", 0, write);
        gather.write(&large[1..], 1, write);
        gather.write(&large, large.len() as i64, write);
        gather.flush(write);
        let lengths: Vec<_> = written.take().iter().map(|(at, octets)| (*at, octets.len())).collect();
        assert_eq!(lengths, [(0, large.len()), (large.len() as i64, large.len())]);
    }

    #[test]
    fn a_failed_write_is_told_once() {
        let code = Cell::new(ffi::SQLITE_FULL);
        let write = |_: &[u8], _: i64| code.get();
        let mut gather = Gather::default();
        assert_eq!(gather.write(b"a", 0, write), ffi::SQLITE_OK);
        assert_eq!(gather.write(b"b", 9, write), ffi::SQLITE_FULL);
        assert_eq!(gather.write(b"c", 0, write), ffi::SQLITE_OK);
        gather.flush_untold(write);
        code.set(ffi::SQLITE_OK);
        assert_eq!(gather.flush(write), ffi::SQLITE_FULL);
        assert_eq!(gather.flush(write), ffi::SQLITE_OK);
    }
}
