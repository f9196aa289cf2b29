//! SQLite's door to a simulated disk: a VFS of version 2 (WAL with shared memory, no memory mapping).
//!
//! The only unsafe code of the simulation, with `vfs_file`. Shared memory is heap of this process, by file, freed at the last
//! unmap, so that the next open recovers from the WAL as after a reboot. Locks are those of SQLite's unix VFS.
//! Each handle carries the boot it was opened in; a handle of an earlier boot gets errors, never data.
#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::ffi;

use crate::disk::{Call, Inner, lock};
use crate::image::{Inode, Op, folder_of};

#[path = "vfs_file.rs"]
mod file;
use file::*;

const REGION_OCTETS: usize = 32 * 1024;
/// A Julian day in milliseconds at 1970-01-01T00:00:00Z, SQLite's epoch being noon of -4713-11-24.
const JULIAN_MILLIS_OF_1970: i64 = 210_866_760_000_000;

/// What connections to one file share: locks and the index of the WAL.
#[derive(Default)]
pub struct Shared {
    /// Lock level of each handle that has one.
    levels: Vec<(u64, c_int)>,
    /// Stable addresses: regions are never moved while mapped.
    regions: Vec<Box<Region>>,
    /// Handles that map them.
    maps: usize,
    /// -1: one handle has it alone; n: so many share it.
    slots: [i32; ffi::SQLITE_SHM_NLOCK as usize],
}

impl Shared {
    /// Whether somebody holds the lock of writers (slot 0) and nobody that of checkpoints (slot 1).
    pub fn in_commit(&self) -> bool {
        self.slots[0] < 0 && self.slots[1] == 0
    }
}

#[repr(C, align(64))]
struct Region([u8; REGION_OCTETS]);

// -- registration ------------------------------------------------------------------------------------------

/// A registered VFS; unregistered when dropped.
pub struct VfsName {
    name: CString,
    vfs: *mut ffi::sqlite3_vfs,
    app: *mut App,
}

// The pointers are only read by SQLite, under its own mutex, and freed once in `drop`.
unsafe impl Send for VfsName {}
unsafe impl Sync for VfsName {}

struct App {
    disk: Arc<Mutex<Inner>>,
    handles: AtomicU64,
    made: AtomicU64,
}

impl VfsName {
    /// Registers a VFS over `disk` and makes it SQLite's default, so that SQLite's own chance is seeded by it.
    pub fn register(disk: Arc<Mutex<Inner>>) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("sim-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let name = CString::new(name).expect("no zero in it");
        let app = Box::into_raw(Box::new(App { disk, handles: AtomicU64::new(0), made: AtomicU64::new(0) }));
        let vfs = Box::into_raw(Box::new(ffi::sqlite3_vfs {
            iVersion: 2,
            szOsFile: size_of::<File>() as c_int,
            mxPathname: 255,
            zName: name.as_ptr(),
            pAppData: app.cast(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xCurrentTimeInt64: Some(current_time_int64),
            // SAFETY: all other fields are pointers or optional functions, for which zero means none.
            ..unsafe { std::mem::zeroed() }
        }));
        // SAFETY: `vfs` and what it points to live until `drop` unregisters it.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(code, ffi::SQLITE_OK);
        Self { name, vfs, app }
    }

    /// The name to open with.
    pub fn as_str(&self) -> &str {
        self.name.to_str().expect("ASCII")
    }
}

impl Drop for VfsName {
    fn drop(&mut self) {
        // SAFETY: registered in `register`; freed only where no connection is left that could call it.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.vfs);
            if (*self.app).handles.load(Ordering::SeqCst) == 0 {
                drop(Box::from_raw(self.vfs));
                drop(Box::from_raw(self.app));
            }
        }
    }
}

/// Forgets SQLite's own random state, which is one for the process, so that a run depends on its seed alone.
pub fn reset_randomness() {
    // SAFETY: documented use: no octets asked for, the generator is reset.
    unsafe { ffi::sqlite3_randomness(0, std::ptr::null_mut()) }
}

// -- the VFS -------------------------------------------------------------------------------------------------

#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

struct Handle {
    app: *const App,
    disk: Arc<Mutex<Inner>>,
    id: u64,
    boot: u64,
    inode: Inode,
    name: String,
    shared: Arc<Mutex<Shared>>,
    mapped: bool,
    /// Slots of the shared memory this handle shares, and those it has alone, as bits.
    shares: u32,
    owns: u32,
    /// The folder is synced with the file's first sync: a new journal or WAL.
    sync_folder: bool,
    temporary: bool,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock_file),
    xUnlock: Some(unlock_file),
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

/// SAFETY: `vfs` must be one of ours.
unsafe fn app_of<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a App {
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// SAFETY: `file` must have been opened by [`open`] and not closed; SQLite calls one method of a file at a time.
unsafe fn handle_of<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Handle {
    unsafe { &mut *(*file.cast::<File>()).handle }
}

fn text(name: *const c_char) -> Option<String> {
    // SAFETY: SQLite hands zero-terminated names over.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let app = unsafe { app_of(vfs) };
    unsafe { (*file).pMethods = std::ptr::null() };
    let name = text(name);
    let shown = name.clone().unwrap_or_else(|| "(temporary)".to_owned());
    let mut inner = lock(&app.disk);
    let boot = inner.boot();
    if inner.enter(boot, Call::Open, &shown, flags as u64).is_err() {
        return ffi::SQLITE_CANTOPEN;
    }
    let create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let journal = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL;
    let inode = match name.as_deref().and_then(|name| inner.image.find(name)) {
        Some(inode) => inode,
        None if create && inner.check_changeable().is_ok() => inner.make(name.as_deref()),
        None => return ffi::SQLITE_CANTOPEN,
    };
    let shared = inner.shared.entry(inode).or_default().clone();
    // As the unix VFS does: what cannot be opened for writing is opened for reading.
    let flags = match inner.check_changeable() {
        Err(_) if name.is_some() => {
            flags & !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE) | ffi::SQLITE_OPEN_READONLY
        }
        _ => flags,
    };
    drop(inner);
    app.handles.fetch_add(1, Ordering::SeqCst);
    let handle = Handle {
        app,
        disk: app.disk.clone(),
        id: app.made.fetch_add(1, Ordering::SeqCst),
        boot,
        inode,
        temporary: name.is_none(),
        name: shown,
        shared,
        mapped: false,
        shares: 0,
        owns: 0,
        sync_folder: create && flags & journal != 0,
    };
    unsafe {
        (*file.cast::<File>()).handle = Box::into_raw(Box::new(handle));
        (*file).pMethods = &METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    let Some(name) = text(name) else { return ffi::SQLITE_IOERR_DELETE };
    let mut inner = lock(unsafe { &app_of(vfs).disk });
    let boot = inner.boot();
    if inner.enter(boot, Call::Remove, &name, 0).is_err() {
        return ffi::SQLITE_IOERR_DELETE;
    }
    if inner.image.find(&name).is_none() {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    let folder = folder_of(&name).to_owned();
    inner.apply(Op::Unlink(name));
    if sync_folder != 0 {
        inner.apply(Op::SyncNames(folder));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    let Some(name) = text(name) else { return ffi::SQLITE_IOERR_ACCESS };
    let mut inner = lock(unsafe { &app_of(vfs).disk });
    let boot = inner.boot();
    if inner.enter(boot, Call::Other, &name, 0).is_err() {
        return ffi::SQLITE_IOERR_ACCESS;
    }
    // As in the unix VFS, an empty journal counts as none.
    let there = inner.image.find(&name).map(|inode| !inner.image.content(inode).is_empty());
    let yes = if flags == ffi::SQLITE_ACCESS_EXISTS { there == Some(true) } else { there.is_some() };
    unsafe { *result = c_int::from(yes) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    octets: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite gives `octets` octets of room at `out`.
    let given = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if given.len() > octets as usize {
        return ffi::SQLITE_CANTOPEN;
    }
    unsafe { std::ptr::copy_nonoverlapping(given.as_ptr().cast(), out, given.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(vfs: *mut ffi::sqlite3_vfs, octets: c_int, out: *mut c_char) -> c_int {
    // SAFETY: SQLite gives `octets` octets of room at `out`.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), octets as usize) };
    lock(unsafe { &app_of(vfs).disk }).rng.fill(out);
    octets
}

unsafe extern "C" fn sleep(_: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    // In one thread waiting for another cannot help: busy_timeout is 0 everywhere, and WAL recovery retries.
    micros
}

unsafe extern "C" fn current_time_int64(vfs: *mut ffi::sqlite3_vfs, out: *mut ffi::sqlite3_int64) -> c_int {
    let wall = lock(unsafe { &app_of(vfs).disk }).wall_millis();
    unsafe { *out = wall + JULIAN_MILLIS_OF_1970 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    let wall = lock(unsafe { &app_of(vfs).disk }).wall_millis();
    unsafe { *out = (wall + JULIAN_MILLIS_OF_1970) as f64 / 86_400_000.0 };
    ffi::SQLITE_OK
}
