//! Locks on ranges of octets that belong to an open file description (`F_OFD_SETLK`), and the five levels in which
//! SQLite locks a database with them.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use rusqlite::ffi;

/// Where SQLite's locks of a database lie, far behind most of its content.
const PENDING: i64 = 0x4000_0000;
const RESERVED: i64 = PENDING + 1;
const SHARED_FIRST: i64 = PENDING + 2;
const SHARED_SIZE: i64 = 510;

/// What to do with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Read,
    Write,
    Nothing,
}

/// A file opened to be locked.
#[derive(Debug)]
pub(super) struct Lockable {
    fd: OwnedFd,
}

impl Lockable {
    /// Opens it with these flags; a new file has mode 0600.
    pub fn open(path: &CStr, flags: c_int) -> io::Result<Self> {
        // SAFETY: `path` is zero-terminated; the descriptor is new and nobody else's.
        let fd = unsafe {
            let fd = libc::open(path.as_ptr(), flags | libc::O_CLOEXEC | libc::O_NOFOLLOW, 0o600 as libc::c_uint);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(fd)
        };
        Ok(Self { fd })
    }

    /// Opens it for reading and writing, or where it cannot be written for reading.
    pub fn open_any(path: &CStr) -> io::Result<Self> {
        Self::open(path, libc::O_RDWR).or_else(|_| Self::open(path, libc::O_RDONLY))
    }

    pub fn raw(&self) -> c_int {
        self.fd.as_raw_fd()
    }

    /// Locks, relocks or unlocks a range without waiting. False: another description has a lock in the way.
    pub fn set(&self, want: Want, start: i64, length: i64) -> io::Result<bool> {
        let lock = flock(want, start, length);
        // SAFETY: the descriptor is open, and `lock` is what the call reads.
        match unsafe { libc::fcntl(self.raw(), libc::F_OFD_SETLK, &raw const lock) } {
            0 => Ok(true),
            _ => match io::Error::last_os_error() {
                e if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
                e => Err(e),
            },
        }
    }

    /// Makes what was written to the file durable, by whatever descriptor, and of what is known of it what is needed
    /// to read that again.
    pub fn sync_data(&self) -> io::Result<()> {
        // SAFETY: the descriptor is open.
        match unsafe { libc::fdatasync(self.raw()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whether another description has a lock that keeps us from writing in this range.
    pub fn others(&self, start: i64, length: i64) -> io::Result<bool> {
        let mut lock = flock(Want::Write, start, length);
        // SAFETY: the descriptor is open, and `lock` is what the call reads and writes.
        match unsafe { libc::fcntl(self.raw(), libc::F_OFD_GETLK, &raw mut lock) } {
            0 => Ok(c_int::from(lock.l_type) != libc::F_UNLCK),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn flock(want: Want, start: i64, length: i64) -> libc::flock {
    // SAFETY: zeros are a valid `flock`; its fields differ between machines, and `l_pid` must be 0.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    let kind = match want {
        Want::Read => libc::F_RDLCK,
        Want::Write => libc::F_WRLCK,
        Want::Nothing => libc::F_UNLCK,
    };
    lock.l_type = kind as _;
    lock.l_whence = libc::SEEK_SET as _;
    lock.l_start = start;
    lock.l_len = length;
    lock
}

/// The lock of a connection on its database, in SQLite's levels.
#[derive(Debug)]
pub(super) struct Level {
    file: Lockable,
    level: c_int,
}

impl Level {
    /// Opens the database's file to be locked.
    pub fn open(path: &CStr) -> io::Result<Self> {
        let file = Lockable::open_any(path)?;
        Ok(Self { file, level: ffi::SQLITE_LOCK_NONE })
    }

    /// The file it locks.
    pub fn file(&self) -> &Lockable {
        &self.file
    }

    /// Raises the lock; a result code of SQLite's.
    pub fn raise(&mut self, to: c_int) -> c_int {
        if self.level >= to {
            return ffi::SQLITE_OK;
        }
        match self.try_raise(to) {
            Ok(true) => {
                self.level = to;
                ffi::SQLITE_OK
            }
            Ok(false) => ffi::SQLITE_BUSY,
            Err(_) => ffi::SQLITE_IOERR_LOCK,
        }
    }

    fn try_raise(&mut self, to: c_int) -> io::Result<bool> {
        let file = &self.file;
        match to {
            ffi::SQLITE_LOCK_SHARED => {
                // Whoever waits to be exclusive has PENDING, and keeps new readers out with it.
                if !file.set(Want::Read, PENDING, 1)? {
                    return Ok(false);
                }
                let shared = file.set(Want::Read, SHARED_FIRST, SHARED_SIZE);
                file.set(Want::Nothing, PENDING, 1)?;
                shared
            }
            ffi::SQLITE_LOCK_RESERVED => file.set(Want::Write, RESERVED, 1),
            _ => {
                if self.level == ffi::SQLITE_LOCK_RESERVED {
                    if !file.set(Want::Write, PENDING, 1)? {
                        return Ok(false);
                    }
                    self.level = ffi::SQLITE_LOCK_PENDING;
                }
                file.set(Want::Write, SHARED_FIRST, SHARED_SIZE)
            }
        }
    }

    /// Lowers the lock; a result code of SQLite's.
    pub fn lower(&mut self, to: c_int) -> c_int {
        if self.level <= to {
            return ffi::SQLITE_OK;
        }
        let file = &self.file;
        let lowered = if to == ffi::SQLITE_LOCK_SHARED {
            match file.set(Want::Read, SHARED_FIRST, SHARED_SIZE) {
                // Ours was the stronger one: nobody can have been in the way.
                Ok(false) | Err(_) => return ffi::SQLITE_IOERR_RDLOCK,
                Ok(true) => file.set(Want::Nothing, PENDING, 2),
            }
        } else {
            file.set(Want::Nothing, 0, 0)
        };
        match lowered {
            Ok(_) => {
                self.level = to;
                ffi::SQLITE_OK
            }
            Err(_) => ffi::SQLITE_IOERR_UNLOCK,
        }
    }

    /// Whether anybody has RESERVED or more.
    pub fn is_reserved(&self) -> io::Result<bool> {
        Ok(self.level > ffi::SQLITE_LOCK_SHARED || self.file.others(RESERVED, 1)?)
    }
}
