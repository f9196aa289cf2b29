//! Plain files, over `std::fs`.
//!
//! Reads and writes are positioned, so that a file may be shared between threads. A store's lock is an advisory lock
//! on a file of its own, kept for as long as the guard lives; the operating system lifts it when the process dies.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::world::{Disk, DiskFile, FileId, Space};

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn vfs(&self) -> Option<&str> {
        None
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let file = private(OpenOptions::new().read(true).write(true).create(create)).open(path)?;
        Ok(Arc::new(RealFile(file)))
    }

    fn scratch(&self, folder: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile(nameless(folder)?)))
    }

    #[allow(clippy::disallowed_methods, reason = "the real body of World::disk")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[allow(clippy::disallowed_methods, reason = "the real body of World::disk")]
    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere a folder cannot be opened, and its changes are journalled by the file system.
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    fn make_dir(&self, folder: &Path) -> io::Result<()> {
        let mut maker = fs::DirBuilder::new();
        maker.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut maker, 0o700);
        let missing: Vec<&Path> = folder.ancestors().take_while(|path| is_missing(path)).collect();
        maker.create(folder)?;
        // A store is not safe on disk before the name of its folder is.
        for made in missing.iter().rev() {
            let above = made.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match self.sync_dir(above) {
                // Where we may make folders but not list them, this is beyond us.
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced?,
            }
        }
        Ok(())
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileId>> {
        match fs::metadata(path) {
            #[cfg(unix)]
            Ok(file) => {
                use std::os::unix::fs::MetadataExt;
                Ok(Some(FileId(file.dev(), file.ino())))
            }
            // An open file cannot be removed or replaced there.
            #[cfg(not(unix))]
            Ok(_) => Ok(Some(FileId(0, 0))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn make_private(&self, path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = match fs::metadata(path) {
                Ok(file) => file.permissions().mode(),
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(e) => return Err(e),
            };
            if mode & 0o077 != 0 {
                match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o600)) {
                    // Another user's file, or a file system that cannot be written.
                    Err(e) if matches!(e.raw_os_error(), Some(libc::EPERM | libc::EROFS)) => {}
                    set => return set,
                }
            }
        }
        #[cfg(not(unix))]
        let _ = path;
        Ok(())
    }

    fn space(&self, folder: &Path) -> io::Result<Space> {
        #[cfg(unix)]
        {
            let all = nix::sys::statvfs::statvfs(folder)?;
            let unit = all.fragment_size() as u64;
            let octets = |blocks: u64| blocks.saturating_mul(unit);
            Ok(Space { total: octets(all.blocks() as u64), free: octets(all.blocks_available() as u64) })
        }
        #[cfg(not(unix))]
        {
            let _ = folder;
            Ok(Space::UNBOUNDED)
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = match private(OpenOptions::new().read(true).write(true).create(true)).open(path) {
            // Where nothing can be written the file of an earlier time is locked, so that readers are served.
            Err(e) if matches!(e.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::StorageFull) => {
                OpenOptions::new().read(true).open(path).map_err(|_| e)?
            }
            opened => opened?,
        };
        let name = fs::canonicalize(path)?;
        // Where the system's locks belong to the process and not to the open file, a second engine of this process
        // would be let in by it.
        let place = Place::take(name).ok_or(io::ErrorKind::AddrInUse)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new((file, place))),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::AddrInUse.into()),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

fn is_missing(path: &Path) -> bool {
    !path.as_os_str().is_empty() && fs::symlink_metadata(path).is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// Mail is nobody else's business: what we make, only our user reads.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// A file without a name, or one whose name is already gone again.
fn nameless(folder: &Path) -> io::Result<File> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(0o600).custom_flags(libc::O_TMPFILE);
        match options.open(folder) {
            // Not every file system can (NFS, old overlays): they say it in one of these ways.
            Err(e) if matches!(e.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL)) => {}
            opened => return opened,
        }
    }
    named_then_removed(folder)
}

fn named_then_removed(folder: &Path) -> io::Result<File> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".scratch-{}-{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(windows)]
        std::os::windows::fs::OpenOptionsExt::custom_flags(&mut options, 0x0400_0000); // FILE_FLAG_DELETE_ON_CLOSE
        match private(&mut options).open(&path) {
            Ok(file) => {
                #[cfg(not(windows))]
                fs::remove_file(&path)?;
                return Ok(file);
            }
            // Left by a process that died between the two calls and had our number.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// A path this process has locked.
struct Place(PathBuf);

static PLACES: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

impl Place {
    fn take(path: PathBuf) -> Option<Self> {
        let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
        // Lazily: a place made and dropped in vain would free the one that is taken.
        places.insert(path.clone()).then(|| Self(path))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        PLACES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match read_piece(&self.0, offset.saturating_add(done as u64), rest) {
                Ok(0) => break,
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(done)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = octets.get(done..).filter(|rest| !rest.is_empty()) {
            match write_piece(&self.0, offset.saturating_add(done as u64), rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.0.set_len(octets)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(unix)]
fn read_piece(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(unix)]
fn write_piece(file: &File, offset: u64, octets: &[u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::write_at(file, octets, offset)
}

#[cfg(windows)]
fn read_piece(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

#[cfg(windows)]
fn write_piece(file: &File, offset: u64, octets: &[u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_write(file, octets, offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of this test's own, removed with all in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mailcore-disk-{}-{name}", std::process::id()));
            RealDisk.make_dir(&path.join("deep")).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn reads_back_what_was_written_anywhere() {
        let folder = Folder::new("rw");
        let path = folder.0.join("deep/f");
        assert_eq!(RealDisk.open(&path, false).err().unwrap().kind(), io::ErrorKind::NotFound);
        let file = RealDisk.open(&path, true).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_at(5, b"world").unwrap();
        file.write_at(0, b"hello").unwrap();
        file.sync().unwrap();
        let mut out = [0; 8];
        assert_eq!(file.read_at(3, &mut out).unwrap(), 7);
        assert_eq!(&out[..7], b"loworld");
        assert_eq!(file.read_at(10, &mut out).unwrap(), 0);
        file.set_len(4).unwrap();
        assert_eq!(file.len().unwrap(), 4);
        RealDisk.rename(&path, &folder.0.join("g")).unwrap();
        RealDisk.sync_dir(&folder.0).unwrap();
        assert_eq!(RealDisk.open(&folder.0.join("g"), true).unwrap().len().unwrap(), 4);
        RealDisk.remove(&folder.0.join("g")).unwrap();
        assert_eq!(RealDisk.remove(&folder.0.join("g")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn scratch_files_have_no_name() {
        let folder = Folder::new("scratch");
        let both = [
            RealDisk.scratch(&folder.0.join("deep")).unwrap(),
            Arc::new(RealFile(named_then_removed(&folder.0.join("deep")).unwrap())),
        ];
        for file in both {
            file.write_at(0, &[7; 100_000]).unwrap();
            assert_eq!(file.len().unwrap(), 100_000);
        }
        assert_eq!(fs::read_dir(folder.0.join("deep")).unwrap().count(), 0);
        assert!(RealDisk.scratch(&folder.0.join("none")).is_err());
    }

    #[test]
    #[cfg(unix)]
    fn nobody_else_reads_what_we_make() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("mode");
        RealDisk.open(&folder.0.join("f"), true).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
        assert_eq!((mode(&folder.0.join("f")), mode(&folder.0.join("deep"))), (0, 0));
    }

    #[test]
    fn a_lock_is_refused_twice_and_free_again_when_dropped() {
        let folder = Folder::new("lock");
        let path = folder.0.join("lock");
        let held = RealDisk.lock(&path).unwrap();
        let detour = folder.0.join("deep/../lock");
        for path in [&path, &detour] {
            assert_eq!(RealDisk.lock(path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        }
        drop(held);
        drop(RealDisk.lock(&path).unwrap());
        // Another process is an open file that our registry does not know.
        let other = OpenOptions::new().write(true).open(&path).unwrap();
        other.try_lock().unwrap();
        assert_eq!(RealDisk.lock(&path).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        other.unlock().unwrap();
        RealDisk.lock(&path).unwrap();
    }
}
