//! The VFS that a store's connections use on Linux: SQLite's own, with locks that belong to the open file.
//!
//! POSIX record locks belong to a process and a file: when any code of the process closes any descriptor of the file,
//! all of them are gone. A host that opens `mail.db` with its own copy of SQLite, or copies the folder, would so take
//! the engine's locks away, and the next program to close the database would delete the log under the engine.
//! Here each connection has open file descriptions of its own for the database and for `-shm`, and locks them with
//! `F_OFD_SETLK`: nobody else can lift these locks. They conflict with the POSIX locks of other programs as POSIX
//! locks do, at the same offsets, so that other programs work beside the engine as before.
//!
//! Two connections of this process are to each other what two processes are to SQLite's own VFS; the kernel compares
//! their locks, and there is no state in the process. Writes to the log are gathered (`gather`). Everything else is
//! SQLite's own VFS.
//! Elsewhere than on Linux there are no such locks, and a store uses the platform's VFS.
//!
//! The only `unsafe` code outside `ffi`: a VFS is a table of C functions. It hands out no pointer and no callback.
#![allow(unsafe_code, reason = "a VFS is a table of C functions, called with pointers")]

mod file;
mod gather;
mod lock;
mod shm;

use std::ffi::{CStr, c_char, c_int};
use std::sync::OnceLock;

use rusqlite::ffi;

use super::connection::Index;

/// Both names, with the zero that C wants.
const NAMES: [(Index, &CStr); 2] = [(Index::Shared, c"mailcore"), (Index::Own, c"mailcore-own-index")];

/// Name of the VFS, registered at the first call; `None` where SQLite has no VFS of its own to stand on.
pub(super) fn name(index: Index) -> Option<&'static str> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    // The platform's VFS is named, since a host may have made another one the default.
    let registered = *REGISTERED.get_or_init(|| NAMES.iter().all(|(index, name)| register(*index, name)));
    let (_, name) = NAMES.iter().find(|(of, _)| *of == index).filter(|_| registered)?;
    name.to_str().ok()
}

/// What `pAppData` points to.
struct App {
    base: *mut ffi::sqlite3_vfs,
    index: Index,
}

fn register(index: Index, name: &'static CStr) -> bool {
    // SAFETY: SQLite keeps registered VFSes for as long as the process lives, and "unix" is never unregistered.
    let base = unsafe { ffi::sqlite3_vfs_find(c"unix".as_ptr()) };
    if base.is_null() {
        return false;
    }
    let app = Box::into_raw(Box::new(App { base, index }));
    // SAFETY: `base` is a valid VFS; the copy keeps its functions, which look at nothing of it but `pAppData`, and
    // those that do are replaced here.
    let mut vfs = unsafe { std::ptr::read(base) };
    vfs.pNext = std::ptr::null_mut();
    vfs.zName = name.as_ptr();
    vfs.szOsFile = file::octets(vfs.szOsFile);
    vfs.pAppData = app.cast();
    vfs.xOpen = Some(open);
    // SAFETY: `vfs` and what it points to are never freed.
    unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) == ffi::SQLITE_OK }
}

/// The database itself is locked and mapped by us, and writes to its log are gathered: the other files are wholly
/// those of SQLite's own VFS.
unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `vfs` is one of ours.
    let app = unsafe { &*(*vfs).pAppData.cast::<App>() };
    // SAFETY: `base` is a VFS of SQLite's, never freed.
    let Some(open) = (unsafe { (*app.base).xOpen }) else { return ffi::SQLITE_CANTOPEN };
    let kind = if flags & ffi::SQLITE_OPEN_MAIN_DB != 0 { file::Kind::Database } else { file::Kind::Log };
    if name.is_null() || flags & (ffi::SQLITE_OPEN_MAIN_DB | ffi::SQLITE_OPEN_WAL) == 0 {
        // SAFETY: `file` has room for more than a file of the base.
        return unsafe { open(app.base, name, file, flags, out_flags) };
    }
    // SAFETY: as above; a name is zero-terminated.
    unsafe {
        let path = CStr::from_ptr(name.cast::<c_char>());
        file::open(file, path, kind, app.index, |inner| open(app.base, name, inner, flags, out_flags))
    }
}

#[cfg(test)]
mod tests;
