//! A database file: SQLite's own with our locks and our index of the log. And the log itself: SQLite's own with
//! writes that are gathered.

use std::ffi::{CStr, CString, c_int, c_void};
use std::sync::atomic::{Ordering, fence};

use rusqlite::ffi;

use super::super::connection::Index;
use super::gather::Gather;
use super::lock::{Level, Lockable};
use super::shm::Shm;

/// What SQLite allocates for an open file, followed by the file of the base VFS. SQLite aligns it to 8 octets.
#[repr(C, align(8))]
struct File {
    base: ffi::sqlite3_file,
    own: *mut Own,
}

/// Which file of a database it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Locked and mapped by us.
    Database,
    /// The log: written by us, and locked by nobody.
    Log,
}

/// What is ours of an open file.
struct Own {
    path: CString,
    index: Index,
    /// None for the log.
    level: Option<Level>,
    shm: Option<Shm>,
    /// The log; none for the database.
    log: Option<Log>,
    /// The base has synced it: after its first sync a new file is known to its folder too.
    known: bool,
}

/// What is ours of the log.
struct Log {
    /// Writes that wait.
    gather: Gather,
    /// To be synced.
    file: Lockable,
}

impl Own {
    /// A descriptor of ours of the same file, to be synced.
    fn file(&self) -> Option<&Lockable> {
        self.level.as_ref().map(Level::file).or(self.log.as_ref().map(|log| &log.file))
    }
}

/// Octets of an open file, given those of the base VFS.
pub(super) fn octets(base: c_int) -> c_int {
    base.saturating_add(size_of::<File>() as c_int)
}

/// Opens the base's file behind ours, then its lock.
///
/// SAFETY: `file` must have room for [`octets`]; `open_base` opens a file of the base at the place it is given.
pub(super) unsafe fn open(
    file: *mut ffi::sqlite3_file,
    path: &CStr,
    kind: Kind,
    index: Index,
    open_base: impl FnOnce(*mut ffi::sqlite3_file) -> c_int,
) -> c_int {
    // SAFETY: as the caller promises. A file whose methods are null counts as not opened.
    let inner = unsafe {
        (*file).pMethods = std::ptr::null();
        let inner = inner(file);
        (*inner).pMethods = std::ptr::null();
        inner
    };
    let code = open_base(inner);
    if code != ffi::SQLITE_OK {
        // SAFETY: a base that fails may leave methods, and then wants to be closed.
        unsafe { close_base(inner) };
        return code;
    }
    let opened = match kind {
        Kind::Database => Level::open(path).map(|level| (Some(level), None)),
        Kind::Log => Lockable::open_any(path).map(|file| (None, Some(Log { gather: Gather::default(), file }))),
    };
    let Ok((level, log)) = opened else {
        // SAFETY: the base opened it just now.
        unsafe { close_base(inner) };
        return ffi::SQLITE_CANTOPEN;
    };
    let own = Own { path: path.to_owned(), index, level, shm: None, log, known: false };
    // SAFETY: the place is ours; `xClose` frees what is put there.
    unsafe {
        (*file.cast::<File>()).own = Box::into_raw(Box::new(own));
        (*file).pMethods = &METHODS;
    }
    ffi::SQLITE_OK
}

/// SAFETY: `file` must be one of ours, open or being opened.
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite allocated `octets()` octets.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// SAFETY: `file` must be one of ours and open; SQLite calls one method of a file at a time.
unsafe fn own<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Own {
    // SAFETY: set when it was opened, freed when it is closed.
    unsafe { &mut *(*file.cast::<File>()).own }
}

/// SAFETY: `inner` must be a file of the base's.
unsafe fn close_base(inner: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: null methods say that there is nothing to close.
    unsafe {
        let methods = (*inner).pMethods;
        let close = (!methods.is_null()).then(|| (*methods).xClose).flatten();
        close.map_or(ffi::SQLITE_OK, |close| close(inner))
    }
}

/// Calls a method of the base's file; an I/O error where it has no such method.
macro_rules! base {
    ($file:ident, $method:ident, $($argument:expr),*) => {
        // SAFETY: the base's file lies behind ours and is open as long as ours is.
        unsafe {
            let inner = inner($file);
            match (*(*inner).pMethods).$method {
                Some(method) => method(inner, $($argument),*),
                None => ffi::SQLITE_IOERR,
            }
        }
    };
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // Version 3 would be memory mapping of the database, which no store asks for.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Writes octets to the base's file.
fn write_base(file: *mut ffi::sqlite3_file, octets: &[u8], offset: i64) -> c_int {
    // No more than `STORE_GATHER_OCTETS_MAX`, or than SQLite gave.
    base!(file, xWrite, octets.as_ptr().cast(), octets.len() as c_int, offset)
}

/// Writes what waits; the result code of that.
///
/// SAFETY: `file` must be one of ours and open.
unsafe fn flush(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: as the caller promises.
    match &mut unsafe { own(file) }.log {
        Some(log) => log.gather.flush(|octets, offset| write_base(file, octets, offset)),
        None => ffi::SQLITE_OK,
    }
}

/// Returns the error where what waits cannot be written.
macro_rules! flushed {
    ($file:ident) => {
        // SAFETY: SQLite's file is open.
        let code = unsafe { flush($file) };
        if code != ffi::SQLITE_OK {
            return code;
        }
    };
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // What waits is dropped with it: it belongs to no commit, since a commit syncs.
    // SAFETY: SQLite closes a file once and does not touch it afterwards.
    unsafe {
        drop(Box::from_raw((*file.cast::<File>()).own));
        (*file).pMethods = std::ptr::null();
        close_base(inner(file))
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, out: *mut c_void, octets: c_int, offset: i64) -> c_int {
    flushed!(file);
    base!(file, xRead, out, octets, offset)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, octets: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite's file is open.
    let Some(log) = &mut unsafe { own(file) }.log else { return base!(file, xWrite, from, octets, offset) };
    let Ok(octets) = usize::try_from(octets) else { return ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite gives so many octets, which are there during the call.
    let octets = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), octets) };
    log.gather.write(octets, offset, |octets, offset| write_base(file, octets, offset))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, octets: i64) -> c_int {
    flushed!(file);
    base!(file, xTruncate, octets)
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    flushed!(file);
    // SAFETY: SQLite's file is open.
    let own = unsafe { own(file) };
    match own.file().filter(|_| own.known) {
        // As SQLite's own VFS does where it was compiled with `HAVE_FDATASYNC`: the time of the last change, which each
        // write changes, need not be on the disk. With it a sync is two writes to the disk, far from each other.
        Some(file) => file.sync_data().map_or(ffi::SQLITE_IOERR_FSYNC, |()| ffi::SQLITE_OK),
        None => {
            let code = base!(file, xSync, flags);
            own.known = code == ffi::SQLITE_OK;
            code
        }
    }
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    flushed!(file);
    base!(file, xFileSize, out)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, with: *mut c_void) -> c_int {
    // SAFETY: SQLite's file is open.
    if let Some(log) = &mut unsafe { own(file) }.log {
        // What this gives says nothing of writes.
        log.gather.flush_untold(|octets, offset| write_base(file, octets, offset));
    }
    base!(file, xFileControl, what, with)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    base!(file, xSectorSize,)
}

unsafe extern "C" fn device_characteristics(file: *mut ffi::sqlite3_file) -> c_int {
    base!(file, xDeviceCharacteristics,)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's file is open.
    unsafe { own(file) }.level.as_mut().map_or(ffi::SQLITE_OK, |own| own.raise(level))
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite's file is open.
    unsafe { own(file) }.level.as_mut().map_or(ffi::SQLITE_OK, |own| own.lower(level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite's file is open and `out` is there to be written.
    match unsafe { own(file) }.level.as_mut().map_or(Ok(false), |own| own.is_reserved()) {
        Ok(reserved) => {
            // SAFETY: as above.
            unsafe { *out = c_int::from(reserved) };
            ffi::SQLITE_OK
        }
        Err(_) => ffi::SQLITE_IOERR_CHECKRESERVEDLOCK,
    }
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    octets: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: SQLite's file is open and `out` is there to be written.
    let own = unsafe { own(file) };
    // SAFETY: as above.
    unsafe { *out = std::ptr::null_mut() };
    let (Ok(region), Ok(octets)) = (usize::try_from(region), usize::try_from(octets)) else {
        return ffi::SQLITE_IOERR_SHMMAP;
    };
    if own.shm.is_none() {
        match Shm::open(&own.path, own.index) {
            Ok(shm) => own.shm = Some(shm),
            Err(code) => return code,
        }
    }
    let Some(shm) = &mut own.shm else { return ffi::SQLITE_IOERR_SHMMAP };
    match shm.map(region, octets, extend != 0) {
        Ok(address) => {
            // SAFETY: as above.
            unsafe { *out = address };
            shm.code()
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    // SAFETY: SQLite's file is open.
    match &mut unsafe { own(file) }.shm {
        Some(shm) => shm.lock(offset, n, flags),
        None => ffi::SQLITE_IOERR_SHMLOCK,
    }
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

/// The file stays: a program may have it open, and a store keeps its length for the next opening.
unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite's file is open.
    unsafe { own(file) }.shm = None;
    ffi::SQLITE_OK
}
