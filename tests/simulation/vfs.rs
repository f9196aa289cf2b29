//! SQLite's door to a simulated disk: a VFS of version 2 (WAL with shared memory, no memory mapping).
//!
//! The only unsafe code of the simulation. Shared memory is heap of this process, by file, freed at the last
//! unmap, so that the next open recovers from the WAL as after a reboot. Locks are those of SQLite's unix VFS.
//! Each handle carries the boot it was opened in; a handle of an earlier boot gets errors, never data.
#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex};

use rusqlite::ffi;

use crate::disk::{Call, Fault, Inner, Refused, lock};
use crate::image::{Inode, Op, folder_of};

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

// -- files -----------------------------------------------------------------------------------------------------

impl Handle {
    fn enter(&self, inner: &mut Inner, call: Call, at: u64) -> Result<Option<Fault>, Refused> {
        inner.enter(self.boot, call, &self.name, at)
    }

    /// Gives back whatever this handle holds in the shared memory.
    fn unmap(&mut self) {
        if !std::mem::take(&mut self.mapped) {
            return;
        }
        let mut shared = lock(&self.shared);
        for (i, slot) in shared.slots.iter_mut().enumerate() {
            if self.owns & (1 << i) != 0 {
                *slot = 0;
            } else if self.shares & (1 << i) != 0 {
                *slot -= 1;
            }
        }
        shared.maps -= 1;
        if shared.maps == 0 {
            shared.regions.clear();
        }
        self.owns = 0;
        self.shares = 0;
    }

    fn level(&self, shared: &Shared) -> c_int {
        shared.levels.iter().find(|(id, _)| *id == self.id).map_or(ffi::SQLITE_LOCK_NONE, |(_, level)| *level)
    }

    fn set_level(&self, shared: &mut Shared, level: c_int) {
        shared.levels.retain(|(id, _)| *id != self.id);
        if level != ffi::SQLITE_LOCK_NONE {
            shared.levels.push((self.id, level));
        }
    }

    fn others(&self, shared: &Shared) -> c_int {
        let levels = shared.levels.iter().filter(|(id, _)| *id != self.id);
        levels.map(|(_, level)| *level).max().unwrap_or(ffi::SQLITE_LOCK_NONE)
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once and does not touch it afterwards.
    let mut handle = unsafe { Box::from_raw((*file.cast::<File>()).handle) };
    unsafe { (*file).pMethods = std::ptr::null() };
    handle.unmap();
    let mut shared = lock(&handle.shared);
    handle.set_level(&mut shared, ffi::SQLITE_LOCK_NONE);
    drop(shared);
    unsafe { (*handle.app).handles.fetch_sub(1, Ordering::SeqCst) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, out: *mut c_void, octets: c_int, offset: i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    // SAFETY: SQLite gives `octets` octets of room at `out`.
    let out = unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), octets as usize) };
    let mut inner = lock(&handle.disk);
    match handle.enter(&mut inner, Call::Read, offset as u64) {
        Ok(None) => {}
        Ok(Some(_)) | Err(_) => return ffi::SQLITE_IOERR_READ,
    }
    let rest = inner.image.content(handle.inode).get(offset as usize..).unwrap_or_default();
    let n = rest.len().min(out.len());
    out[..n].copy_from_slice(&rest[..n]);
    if n == out.len() {
        return ffi::SQLITE_OK;
    }
    // What lies behind the end must read as zeros.
    out[n..].fill(0);
    ffi::SQLITE_IOERR_SHORT_READ
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, octets: *const c_void, count: c_int, offset: i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    // SAFETY: SQLite has `count` octets at `octets`.
    let octets = unsafe { std::slice::from_raw_parts(octets.cast::<u8>(), count as usize) };
    let mut inner = lock(&handle.disk);
    let Ok(fault) = handle.enter(&mut inner, Call::Write, offset as u64) else { return ffi::SQLITE_IOERR_WRITE };
    match inner.write(handle.inode, offset as u64, octets, fault) {
        Ok(()) => ffi::SQLITE_OK,
        Err(Fault::DiskFull) => ffi::SQLITE_FULL,
        Err(_) => ffi::SQLITE_IOERR_WRITE,
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, octets: i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::SetLen, octets as u64).is_err() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    inner.apply(Op::SetLen(handle.inode, octets as u64));
    ffi::SQLITE_OK
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    if handle.temporary {
        return ffi::SQLITE_OK;
    }
    let mut inner = lock(&handle.disk);
    let Ok(fault) = handle.enter(&mut inner, Call::Sync, flags as u64) else { return ffi::SQLITE_IOERR_FSYNC };
    if inner.lies_about(&handle.name) {
        return ffi::SQLITE_OK;
    }
    if inner.sync(handle.inode, fault).is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if std::mem::take(&mut handle.sync_folder) {
        inner.apply(Op::SyncNames(folder_of(&handle.name).to_owned()));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::Other, 0).is_err() {
        return ffi::SQLITE_IOERR_FSTAT;
    }
    unsafe { *out = inner.image.content(handle.inode).len() as i64 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::Other, level as u64).is_err() {
        return ffi::SQLITE_IOERR_LOCK;
    }
    drop(inner);
    let mut shared = lock(&handle.shared);
    if handle.level(&shared) >= level {
        return ffi::SQLITE_OK;
    }
    let others = handle.others(&shared);
    let free = match level {
        ffi::SQLITE_LOCK_SHARED => others < ffi::SQLITE_LOCK_PENDING,
        ffi::SQLITE_LOCK_RESERVED => others < ffi::SQLITE_LOCK_RESERVED,
        _ if others >= ffi::SQLITE_LOCK_RESERVED => false,
        _ => {
            // Readers keep it from being exclusive; pending keeps new readers out meanwhile.
            handle.set_level(&mut shared, ffi::SQLITE_LOCK_PENDING);
            others == ffi::SQLITE_LOCK_NONE
        }
    };
    if !free {
        return ffi::SQLITE_BUSY;
    }
    handle.set_level(&mut shared, level);
    ffi::SQLITE_OK
}

unsafe extern "C" fn unlock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut shared = lock(&handle.shared);
    if handle.level(&shared) > level {
        handle.set_level(&mut shared, level);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let shared = lock(&handle.shared);
    unsafe { *out = c_int::from(handle.others(&shared) >= ffi::SQLITE_LOCK_RESERVED) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

// -- shared memory -----------------------------------------------------------------------------------------------

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    octets: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let handle = unsafe { handle_of(file) };
    unsafe { *out = std::ptr::null_mut() };
    let mut inner = lock(&handle.disk);
    if octets as usize != REGION_OCTETS || handle.enter(&mut inner, Call::Other, region as u64).is_err() {
        return ffi::SQLITE_IOERR_SHMMAP;
    }
    drop(inner);
    let mut shared = lock(&handle.shared);
    if !handle.mapped {
        handle.mapped = true;
        shared.maps += 1;
    }
    while extend != 0 && shared.regions.len() <= region as usize {
        shared.regions.push(Box::new(Region([0; REGION_OCTETS])));
    }
    if let Some(region) = shared.regions.get_mut(region as usize) {
        unsafe { *out = region.0.as_mut_ptr().cast() };
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut shared = lock(&handle.shared);
    let slots = offset as usize..(offset + n) as usize;
    let mask: u32 = slots.clone().map(|i| 1 << i).sum();
    if flags & ffi::SQLITE_SHM_UNLOCK != 0 {
        for i in slots {
            if handle.owns & (1 << i) != 0 {
                shared.slots[i] = 0;
            } else if handle.shares & (1 << i) != 0 {
                shared.slots[i] -= 1;
            }
        }
        handle.owns &= !mask;
        handle.shares &= !mask;
        return ffi::SQLITE_OK;
    }
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::Other, u64::from(mask)).is_err() {
        return ffi::SQLITE_IOERR_SHMLOCK;
    }
    drop(inner);
    if flags & ffi::SQLITE_SHM_SHARED != 0 {
        if handle.shares & mask != 0 {
            return ffi::SQLITE_OK;
        }
        if slots.clone().any(|i| shared.slots[i] < 0) {
            return ffi::SQLITE_BUSY;
        }
        slots.for_each(|i| shared.slots[i] += 1);
        handle.shares |= mask;
        return ffi::SQLITE_OK;
    }
    if handle.owns & mask == mask {
        return ffi::SQLITE_OK;
    }
    if slots.clone().any(|i| shared.slots[i] != 0) {
        return ffi::SQLITE_BUSY;
    }
    slots.for_each(|i| shared.slots[i] = -1);
    handle.owns |= mask;
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    unsafe { handle_of(file) }.unmap();
    ffi::SQLITE_OK
}
