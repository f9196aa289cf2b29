//! The index of the log (`-shm`) as a connection sees it: its mapping, and the eight locks beside it.
//!
//! The same file, the same offsets and the same rules as in SQLite's own VFS. The first program to open the file
//! makes its header unreadable, so that the index is built anew from the log; the file keeps its length, so that a
//! store can be opened again when the disk is full.

use std::ffi::{CString, c_int, c_void};
use std::io;

use rusqlite::ffi;

use super::super::connection::Index;
use super::lock::{Lockable, Want};

/// Octets before the eight locks.
const LOCKS_AT: i64 = 120;
/// The lock everybody shares who has the file open, alone while its header is made unreadable.
const EVERYBODY: i64 = LOCKS_AT + ffi::SQLITE_SHM_NLOCK as i64;
/// Octets of the header: two copies and the state of checkpoints.
const HEADER_OCTETS: usize = 136;
/// What is left of a file shorter than its header.
const REMAINDER_OCTETS: i64 = 3;
/// Times the file is tried while another program prepares it.
const TRIES: u32 = 200;
/// Microseconds between them.
const TRY_MICROS: u64 = 500;

/// A connection's part in the index.
pub(super) struct Shm {
    /// `None`: an index of its own, in memory, without locks.
    file: Option<Lockable>,
    /// Whether only others may write it.
    read_only: bool,
    /// Addresses of the mapped pieces.
    pieces: Vec<*mut c_void>,
    piece_octets: usize,
    /// Locks held: bits of shared ones and of exclusive ones.
    shared: u32,
    alone: u32,
}

impl Shm {
    /// Opens the index of this database.
    pub fn open(database: &CString, index: Index) -> Result<Self, c_int> {
        let mut shm = Self { file: None, read_only: false, pieces: Vec::new(), piece_octets: 0, shared: 0, alone: 0 };
        if index == Index::Own {
            return Ok(shm);
        }
        let mut path = database.as_bytes().to_vec();
        path.extend_from_slice(b"-shm");
        let path = CString::new(path).map_err(|_| ffi::SQLITE_CANTOPEN)?;
        let file = match Lockable::open(&path, libc::O_RDWR | libc::O_CREAT) {
            Ok(file) => file,
            Err(_) => {
                shm.read_only = true;
                Lockable::open(&path, libc::O_RDONLY).map_err(|_| ffi::SQLITE_CANTOPEN)?
            }
        };
        join(&file, shm.read_only)?;
        shm.file = Some(file);
        Ok(shm)
    }

    /// The address of a region; null where there is none and `extend` is false.
    pub fn map(&mut self, region: usize, octets: usize, extend: bool) -> Result<*mut c_void, c_int> {
        if octets == 0 || (self.piece_octets != 0 && !self.piece_octets.is_multiple_of(octets)) {
            return Err(ffi::SQLITE_IOERR_SHMMAP);
        }
        if self.piece_octets == 0 {
            self.piece_octets = octets.max(page_octets());
        }
        let start = region.checked_mul(octets).ok_or(ffi::SQLITE_IOERR_SHMMAP)?;
        let piece = start / self.piece_octets;
        while self.pieces.len() <= piece {
            let from = self.pieces.len() * self.piece_octets;
            if let Some(file) = &self.file {
                let missing = size(file).map_err(|_| ffi::SQLITE_IOERR_SHMSIZE)? < from + self.piece_octets;
                if missing && !extend {
                    return Ok(std::ptr::null_mut());
                }
                if missing {
                    lengthen(file, from, self.piece_octets)?;
                }
            }
            let address = self.map_piece(from).map_err(|_| ffi::SQLITE_IOERR_SHMMAP)?;
            self.pieces.push(address);
        }
        let address = self.pieces.get(piece).copied().unwrap_or(std::ptr::null_mut());
        Ok(address.wrapping_byte_add(start % self.piece_octets))
    }

    fn map_piece(&self, from: usize) -> io::Result<*mut c_void> {
        let (fd, flags, from) = match &self.file {
            Some(file) => (file.raw(), libc::MAP_SHARED, from),
            None => (-1, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, 0),
        };
        let access = if self.read_only { libc::PROT_READ } else { libc::PROT_READ | libc::PROT_WRITE };
        // SAFETY: a new mapping at an address of the kernel's choice; it is unmapped when this is dropped.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), self.piece_octets, access, flags, fd, from as libc::off_t) };
        if address == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(address) }
    }

    /// What `xShmMap` returns beside an address.
    pub fn code(&self) -> c_int {
        if self.read_only { ffi::SQLITE_READONLY } else { ffi::SQLITE_OK }
    }

    /// Takes or gives back locks; a result code of SQLite's.
    pub fn lock(&mut self, offset: c_int, n: c_int, flags: c_int) -> c_int {
        let Some(mask) = mask(offset, n) else { return ffi::SQLITE_IOERR_SHMLOCK };
        let unlock = flags & ffi::SQLITE_SHM_UNLOCK != 0;
        let share = flags & ffi::SQLITE_SHM_SHARED != 0;
        let nothing_to_do = match (unlock, share) {
            (true, _) => (self.shared | self.alone) & mask == 0,
            (false, true) => self.shared & mask != 0,
            (false, false) => false,
        };
        if nothing_to_do {
            return ffi::SQLITE_OK;
        }
        let want = match (unlock, share) {
            (true, _) => Want::Nothing,
            (false, true) => Want::Read,
            (false, false) => Want::Write,
        };
        let set = self.file.as_ref().map_or(Ok(true), |file| file.set(want, LOCKS_AT + i64::from(offset), n.into()));
        match set {
            Ok(true) => {}
            Ok(false) => return ffi::SQLITE_BUSY,
            Err(_) => return ffi::SQLITE_IOERR_SHMLOCK,
        }
        self.shared &= !mask;
        self.alone &= !mask;
        match want {
            Want::Read => self.shared |= mask,
            Want::Write => self.alone |= mask,
            Want::Nothing => {}
        }
        ffi::SQLITE_OK
    }
}

impl Drop for Shm {
    fn drop(&mut self) {
        for address in &self.pieces {
            // SAFETY: mapped by us with this length, and SQLite uses it no more.
            unsafe { libc::munmap(*address, self.piece_octets) };
        }
        // Closing the description gives its locks back.
    }
}

/// Joins those who have the file open; whoever is alone makes its header unreadable first.
fn join(file: &Lockable, read_only: bool) -> Result<(), c_int> {
    let failed = |_| ffi::SQLITE_IOERR_SHMLOCK;
    for _ in 0..TRIES {
        if read_only {
            // Without a program that keeps the index, what stands in it means nothing.
            if !file.others(EVERYBODY, 1).map_err(failed)? {
                return Err(ffi::SQLITE_CANTOPEN);
            }
        } else if file.set(Want::Write, EVERYBODY, 1).map_err(failed)? {
            forget(file).map_err(|_| ffi::SQLITE_IOERR_SHMOPEN)?;
        }
        // From exclusive to shared without a gap, where it was ours.
        if file.set(Want::Read, EVERYBODY, 1).map_err(failed)? {
            return Ok(());
        }
        // Another program prepares it just now, which takes two system calls.
        std::thread::park_timeout(std::time::Duration::from_micros(TRY_MICROS));
    }
    Err(ffi::SQLITE_BUSY)
}

/// Makes the header unreadable: whoever reads it builds the index anew.
fn forget(file: &Lockable) -> io::Result<()> {
    if size(file)? < HEADER_OCTETS {
        // SAFETY: the descriptor is open.
        return done(unsafe { libc::ftruncate(file.raw(), REMAINDER_OCTETS) });
    }
    let zeros = [0u8; HEADER_OCTETS];
    // SAFETY: the descriptor is open and `zeros` is as long as is said.
    let written = unsafe { libc::pwrite(file.raw(), zeros.as_ptr().cast(), HEADER_OCTETS, 0) };
    if written == HEADER_OCTETS as isize { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives the file these octets with room on the disk for each: a hole would kill the process at the first write.
fn lengthen(file: &Lockable, from: usize, octets: usize) -> Result<(), c_int> {
    // SAFETY: the descriptor is open.
    match unsafe { libc::posix_fallocate(file.raw(), from as libc::off_t, octets as libc::off_t) } {
        0 => Ok(()),
        libc::ENOSPC | libc::EDQUOT => Err(ffi::SQLITE_FULL),
        _ => write_pages(file, from, octets).map_err(|_| ffi::SQLITE_IOERR_SHMSIZE),
    }
}

/// For file systems that cannot reserve room.
fn write_pages(file: &Lockable, from: usize, octets: usize) -> io::Result<()> {
    for at in (from..from + octets).step_by(4096) {
        // SAFETY: the descriptor is open and one octet is there to be written.
        let written = unsafe { libc::pwrite(file.raw(), [0u8].as_ptr().cast(), 1, (at + 4095) as libc::off_t) };
        if written != 1 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

fn size(file: &Lockable) -> io::Result<usize> {
    // SAFETY: zeros are a valid `stat`, the descriptor is open, and the call fills it.
    let (result, stat) = unsafe {
        let mut stat: libc::stat = std::mem::zeroed();
        (libc::fstat(file.raw(), &raw mut stat), stat)
    };
    done(result).map(|()| usize::try_from(stat.st_size).unwrap_or(0))
}

fn done(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn page_octets() -> usize {
    // SAFETY: a question to the system.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096)
}

/// Bits of the locks from `offset` on, `n` of them.
fn mask(offset: c_int, n: c_int) -> Option<u32> {
    let (offset, n) = (u32::try_from(offset).ok()?, u32::try_from(n).ok()?);
    let fits = offset.checked_add(n)? <= ffi::SQLITE_SHM_NLOCK as u32;
    fits.then(|| ((1 << n) - 1) << offset)
}
