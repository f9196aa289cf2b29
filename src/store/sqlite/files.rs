//! The files of a store: where they are, who has them, how they are opened, and what is done to the log between a
//! failure and the next opening.

use std::io;
use std::path::{Path, PathBuf};

use super::super::database::{Database, Identity, Read, Readers, Tend, Walk, Write};
use super::connection::{self, Index};
use super::{Sqlite, check, copy, migrate, version};
use crate::base::{Error, ErrorKind, Result, World};

/// Octets of log rewritten at a time.
const PIECE_OCTETS: usize = 256 * 1024;

/// Stands in the lock file from the time on when the database was made.
const MADE: &[u8] = b"mail.db was made\n";

/// Where the files of a store are, and the world they are in.
#[derive(Clone)]
pub(in super::super) struct Files {
    world: World,
    folder: PathBuf,
    pub(super) database: PathBuf,
    wal: PathBuf,
    shm: PathBuf,
    lock: PathBuf,
    scratch: PathBuf,
}

impl Files {
    /// The files in a folder, with one for scratch files in it.
    pub fn of(world: &World, folder: &Path, scratch: &Path) -> Files {
        Files {
            world: world.clone(),
            folder: folder.to_owned(),
            database: folder.join("mail.db"),
            wal: folder.join("mail.db-wal"),
            shm: folder.join("mail.db-shm"),
            lock: folder.join("mail.lock"),
            scratch: scratch.to_owned(),
        }
    }

    /// Refuses a database without content where there was one: SQLite would make a new one, and remove the log.
    fn check_not_emptied(&self) -> Result<()> {
        let octets = |path: &Path| match self.world.disk.open(path, false) {
            Ok(file) => file.len(),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(e) => Err(e),
        };
        let failed = |e: io::Error| Error::of_disk("looking at the store's files", &e);
        if octets(&self.database).map_err(failed)? > 0 {
            return Ok(());
        }
        if octets(&self.wal).map_err(failed)? == 0 && octets(&self.lock).map_err(failed)? == 0 {
            return Ok(());
        }
        let folder = self.folder.display();
        let text =
            format!("mail.db in {folder} is empty, and was not: bring it back, or remove the folder to begin anew");
        Err(Error::new(ErrorKind::Corruption, text))
    }

    /// Notes in the lock file that the database was made; where that cannot be written it is done another time.
    fn note_made(&self) {
        if let Ok(lock) = self.world.disk.open(&self.lock, false)
            && lock.len().is_ok_and(|octets| octets == 0)
        {
            let noted = lock.write_at(0, MADE).and_then(|()| lock.sync());
            noted.unwrap_or_else(|e| log::debug!("the lock file cannot be written: {e}"));
        }
    }

    /// Reads the log, writes the same bytes back, and syncs them and their name.
    fn rewrite_log(&self) -> io::Result<()> {
        let disk = &self.world.disk;
        let file = match disk.open(&self.wal, false) {
            Ok(file) => file,
            // Without a log everything is in the database.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        let mut piece = vec![0; PIECE_OCTETS];
        let mut at = 0;
        loop {
            let n = file.read_at(at, &mut piece)?;
            let octets = piece.get(..n).unwrap_or_default();
            if octets.is_empty() {
                break;
            }
            file.write_at(at, octets)?;
            at += n as u64;
        }
        file.sync()?;
        disk.sync_dir(&self.folder)
    }

    fn set_log_aside(&self) -> io::Result<()> {
        let disk = &self.world.disk;
        let length = match disk.open(&self.wal, false) {
            Ok(file) => file.len()?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        if length == 0 {
            return Ok(());
        }
        let mut aside = self.wal.clone().into_os_string();
        aside.push(".foreign");
        disk.rename(&self.wal, aside.as_ref())?;
        disk.sync_dir(&self.folder)
    }
}

impl Database for Files {
    fn take(&self) -> Result<Box<dyn Send + Sync>> {
        let disk = &self.world.disk;
        let failed = |e: io::Error| Error::of_disk(&self.folder.display().to_string(), &e);
        version::check()?;
        disk.make_dir(&self.folder).map_err(failed)?;
        match disk.make_dir(&self.scratch) {
            // Mail that needs a scratch file is refused then.
            Err(e) if matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem) => {}
            made => made.map_err(failed)?,
        }
        let lock = disk.lock(&self.lock).map_err(|e| match e.kind() {
            io::ErrorKind::AddrInUse => Error::new(
                ErrorKind::Busy,
                format!("the store in {} is in use by another process or engine", self.folder.display()),
            ),
            _ => failed(e),
        })?;
        // SQLite gives the log the mode of the database, and older stores were made with that of the process.
        for file in [&self.database, &self.wal, &self.shm, &self.lock] {
            disk.make_private(file).map_err(failed)?;
        }
        Ok(lock)
    }

    fn make_durable(&self) -> Result<()> {
        self.rewrite_log().map_err(|e| Error::of_disk("making the log durable", &e))
    }

    fn open_writer(&self) -> Result<Box<dyn Write>> {
        let disk = &self.world.disk;
        let failed = |e: io::Error| Error::of_disk("mail.db", &e);
        self.check_not_emptied()?;
        if disk.identity(&self.database).map_err(failed)?.is_none() {
            // SQLite would make it with the mode of the process, and gives the log and its index the mode it finds.
            disk.open(&self.database, true).map_err(failed)?;
        }
        let db = connection::open_writer(&self.world, &self.database)?;
        match migrate::migrate(&db) {
            Ok(()) => {
                self.note_made();
                Ok(Box::new(Sqlite { db }))
            }
            Err(e) => {
                let _ = connection::close(db);
                Err(e)
            }
        }
    }

    fn open_reader(&self, readers: Readers) -> Result<Box<dyn Read>> {
        let db = connection::open_reader(&self.world, &self.database, index(readers))?;
        Ok(Box::new(Sqlite { db }))
    }

    fn open_tender(&self) -> Result<Box<dyn Tend>> {
        let db = connection::open_checkpointer(&self.world, &self.database)?;
        Ok(Box::new(Sqlite { db }))
    }

    fn open_walk(&self, readers: Readers) -> Result<Box<dyn Walk>> {
        let db = connection::open_reader(&self.world, &self.database, index(readers))?;
        Ok(Box::new(check::TableWalk::begin(db)?))
    }

    fn copy(&self, folder: &Path, told: &mut dyn FnMut(u64, u64) -> bool) -> Result<()> {
        copy::copy(&self.world, &self.database, folder, told)
    }

    fn identity(&self) -> Result<Identity> {
        let of = |path: &Path| {
            self.world.disk.identity(path).map_err(|e| Error::of_disk("looking at the store's files", &e))
        };
        Ok(Identity { database: of(&self.database)?, log: of(&self.wal)?, index: of(&self.shm)? })
    }

    fn set_foreign_log_aside(&self) -> Result<()> {
        self.set_log_aside().map_err(|e| Error::of_disk("setting a log aside", &e))
    }
}

/// Readers have an index of their own where the shared one may not be written.
fn index(readers: Readers) -> Index {
    match readers {
        Readers::BesideWriter => Index::Shared,
        Readers::Alone => Index::Own,
    }
}
