//! A machine's disk as `base::world::Disk` sees it: plain files, opened for reading and writing.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mailcore::base::world::{Disk, DiskFile, FileId, Space};

use crate::disk::{Call, Fault, Inner, Refused, SimDisk, Trouble, lock};
use crate::image::{Inode, Op};

/// Size of a disk, where it is full.
const DISK_OCTETS: u64 = 1 << 30;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn failed(fault: Fault) -> io::Error {
    match fault {
        Fault::DiskFull => io::Error::from(io::ErrorKind::StorageFull),
        Fault::ReadOnly => io::Error::from(io::ErrorKind::ReadOnlyFilesystem),
        _ => io::Error::other("input/output error"),
    }
}

impl Disk for SimDisk {
    fn vfs(&self) -> Option<&str> {
        Some(self.vfs_name())
    }

    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>> {
        let name = text(path);
        let mut inner = self.lock();
        let boot = inner.boot();
        inner.enter(boot, Call::Open, &name, u64::from(create))?;
        inner.check_changeable()?;
        let inode = match inner.image.find(&name) {
            Some(inode) => inode,
            None if create => inner.make(Some(&name)),
            None => return Err(Refused::Missing.into()),
        };
        Ok(Arc::new(SimFile { disk: self.inner.clone(), boot, inode, name }))
    }

    fn scratch(&self, folder: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let name = format!("{}/(scratch)", text(folder));
        let mut inner = self.lock();
        let boot = inner.boot();
        inner.enter(boot, Call::Open, &name, 1)?;
        inner.check_changeable()?;
        let inode = inner.make(None);
        Ok(Arc::new(SimFile { disk: self.inner.clone(), boot, inode, name }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, to) = (text(from), text(to));
        let mut inner = self.lock();
        let boot = inner.boot();
        inner.enter(boot, Call::Rename, &from, 0)?;
        inner.image.find(&from).ok_or(Refused::Missing)?;
        inner.apply(Op::Rename(from, to));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let name = text(path);
        let mut inner = self.lock();
        let boot = inner.boot();
        inner.enter(boot, Call::Remove, &name, 0)?;
        inner.image.find(&name).ok_or(Refused::Missing)?;
        inner.apply(Op::Unlink(name));
        Ok(())
    }

    fn sync_dir(&self, folder: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        let boot = inner.boot();
        inner.enter(boot, Call::SyncDir, &text(folder), 0)?;
        inner.apply(Op::SyncNames(text(folder)));
        Ok(())
    }

    fn make_dir(&self, _folder: &Path) -> io::Result<()> {
        // Durable when it returns, by its contract: folders are always there.
        Ok(())
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileId>> {
        let inner = SimDisk::lock(self);
        Ok(inner.image.find(&text(path)).map(|inode| FileId(0, inode)))
    }

    fn space(&self, _folder: &Path) -> io::Result<Space> {
        match SimDisk::lock(self).trouble() {
            Some(Trouble::Full) => Ok(Space { total: DISK_OCTETS, free: 0 }),
            _ => Ok(Space::UNBOUNDED),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let name = text(path);
        let mut inner = SimDisk::lock(self);
        let boot = inner.boot();
        inner.enter(boot, Call::Other, &name, 0)?;
        if !inner.locked.insert(name.clone()) {
            return Err(io::Error::from(io::ErrorKind::AddrInUse));
        }
        Ok(Box::new(Held { disk: self.inner.clone(), boot, name }))
    }
}

struct Held {
    disk: Arc<Mutex<Inner>>,
    boot: u64,
    name: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut inner = lock(&self.disk);
        if inner.boot() == self.boot {
            inner.locked.remove(&self.name);
        }
    }
}

struct SimFile {
    disk: Arc<Mutex<Inner>>,
    boot: u64,
    inode: Inode,
    name: String,
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut inner = lock(&self.disk);
        if let Some(fault) = inner.enter(self.boot, Call::Read, &self.name, offset)? {
            return Err(failed(fault));
        }
        let rest = inner.image.content(self.inode).get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(out.len());
        out[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut inner = lock(&self.disk);
        let fault = inner.enter(self.boot, Call::Write, &self.name, offset)?;
        inner.write(self.inode, offset, octets, fault).map_err(failed)
    }

    fn len(&self) -> io::Result<u64> {
        let mut inner = lock(&self.disk);
        inner.enter(self.boot, Call::Other, &self.name, 0)?;
        Ok(inner.image.content(self.inode).len() as u64)
    }

    fn set_len(&self, octets: u64) -> io::Result<()> {
        let mut inner = lock(&self.disk);
        inner.enter(self.boot, Call::SetLen, &self.name, octets)?;
        inner.apply(Op::SetLen(self.inode, octets));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut inner = lock(&self.disk);
        let fault = inner.enter(self.boot, Call::Sync, &self.name, 0)?;
        inner.sync(self.inode, fault).map_err(failed)
    }
}
