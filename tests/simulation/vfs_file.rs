//! The open files of the simulated VFS: reading, writing, syncing, locks, and the shared memory of the log's index.
#![allow(unsafe_code, reason = "a VFS is a table of C functions")]

use std::ffi::{c_int, c_void};
use std::sync::atomic::{Ordering, fence};

use rusqlite::ffi;

use super::{File, Handle, REGION_OCTETS, Region, Shared, handle_of};
use crate::disk::{Call, Fault, Inner, Refused, lock};
use crate::image::{Op, folder_of};

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

pub(super) unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
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

pub(super) unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    octets: c_int,
    offset: i64,
) -> c_int {
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

pub(super) unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    octets: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
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

pub(super) unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, octets: i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::SetLen, octets as u64).is_err() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    inner.apply(Op::SetLen(handle.inode, octets as u64));
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
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

pub(super) unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, out: *mut i64) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut inner = lock(&handle.disk);
    if handle.enter(&mut inner, Call::Other, 0).is_err() {
        return ffi::SQLITE_IOERR_FSTAT;
    }
    unsafe { *out = inner.image.content(handle.inode).len() as i64 };
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn lock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
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

pub(super) unsafe extern "C" fn unlock_file(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let mut shared = lock(&handle.shared);
    if handle.level(&shared) > level {
        handle.set_level(&mut shared, level);
    }
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    let handle = unsafe { handle_of(file) };
    let shared = lock(&handle.shared);
    unsafe { *out = c_int::from(handle.others(&shared) >= ffi::SQLITE_LOCK_RESERVED) };
    ffi::SQLITE_OK
}

pub(super) unsafe extern "C" fn file_control(_: *mut ffi::sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    ffi::SQLITE_NOTFOUND
}

pub(super) unsafe extern "C" fn sector_size(_: *mut ffi::sqlite3_file) -> c_int {
    4096
}

pub(super) unsafe extern "C" fn device_characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

// -- shared memory -----------------------------------------------------------------------------------------------

pub(super) unsafe extern "C" fn shm_map(
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

pub(super) unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, n: c_int, flags: c_int) -> c_int {
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

pub(super) unsafe extern "C" fn shm_barrier(_: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

pub(super) unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    unsafe { handle_of(file) }.unmap();
    ffi::SQLITE_OK
}
