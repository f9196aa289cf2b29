//! An online copy of the database, by SQLite's own backup: of one commit, a bounded number of pages at a time, beside
//! all other work. It is read back and checked before it gets its name.

use std::io;
use std::path::Path;

use rusqlite::backup::{Backup, StepResult};

use super::super::database::{Connected, Walk};
use super::check;
use super::connection::{self, Index, PAGE_OCTETS};
use crate::base::limits::BACKUP_PAGES_PER_STEP;
use crate::base::{Error, ErrorKind, Result, World};

/// Copies `database` to `mail.db` in `folder`, which is made where missing. `told` hears how many octets are done, of
/// how many, after each step; where it says false the copy ends with `Interrupted`. `Exists` where the folder has a
/// store. After an error there is no copy.
pub(super) fn copy(
    world: &World,
    database: &Path,
    folder: &Path,
    told: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<()> {
    let disk = &world.disk;
    let failed = |e: io::Error| Error::of_disk(&folder.display().to_string(), &e);
    disk.make_dir(folder).map_err(failed)?;
    let whole = folder.join("mail.db");
    // A name of its own: one that was given up a moment ago may still be at its end.
    let part = folder.join(format!("mail.db.{:016x}", world.entropy.u64()));
    if disk.identity(&whole).map_err(failed)?.is_some() {
        return Err(Error::new(ErrorKind::Exists, format!("{} has a store already", folder.display())));
    }
    // Made here, so that nobody else can read it.
    disk.open(&part, true).map_err(failed)?;
    let copied = pages(world, database, &part, told).and_then(|octets| verify(world, &part, octets, told));
    if let Err(e) = copied {
        // What is left of it is of no use.
        let _ = remove(world, &part);
        let mut journal = part.into_os_string();
        journal.push("-journal");
        let _ = remove(world, journal.as_ref());
        return Err(e);
    }
    disk.rename(&part, &whole).and_then(|()| disk.sync_dir(folder)).map_err(failed)
}

fn remove(world: &World, path: &Path) -> io::Result<()> {
    match world.disk.remove(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

fn go_on(goes_on: bool) -> Result<()> {
    if goes_on { Ok(()) } else { Err(Error::new(ErrorKind::Interrupted, "the backup was given up")) }
}

/// Copies the pages of one commit; how many octets they are.
fn pages(world: &World, database: &Path, to: &Path, told: &mut dyn FnMut(u64, u64) -> bool) -> Result<u64> {
    let from = connection::open_reader(world, database, Index::Shared)?;
    // From here on it sees one commit, whatever the writer does.
    from.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
    let mut to = connection::open_copy(world, to)?;
    let total = {
        let backup = Backup::new(&from, &mut to)?;
        loop {
            let step = backup.step(BACKUP_PAGES_PER_STEP)?;
            let progress = backup.progress();
            let octets = |pages: i32| u64::try_from(pages).unwrap_or(0).saturating_mul(PAGE_OCTETS);
            let (total, left) = (octets(progress.pagecount), octets(progress.remaining));
            // Reading it back is the other half.
            go_on(told(total.saturating_sub(left), total.saturating_mul(2)))?;
            match step {
                StepResult::Done => break total,
                StepResult::More => {}
                _ => return Err(Error::new(ErrorKind::Busy, "the copy is in use by another program")),
            }
        }
    };
    // One file, synced, that can be moved about.
    to.execute_batch("PRAGMA journal_mode = DELETE;")?;
    connection::close(to)?;
    connection::close(from)?;
    Ok(total)
}

/// Walks through the copy as through a store.
fn verify(world: &World, copy: &Path, octets: u64, told: &mut dyn FnMut(u64, u64) -> bool) -> Result<()> {
    let mut walk = check::TableWalk::begin(connection::open_copy(world, copy)?)?;
    let mut found = Vec::new();
    let mut done = 0_u64;
    loop {
        let total = walk.total().max(1);
        let (more, over) = walk.step(&mut found)?;
        if let Some(sentence) = found.first() {
            return Err(Error::new(ErrorKind::Store, format!("the copy is not sound: {sentence}")));
        }
        done = if over { total } else { done.saturating_add(more).min(total) };
        let part = u128::from(octets) * u128::from(done) / u128::from(total);
        let read = u64::try_from(part).unwrap_or(octets);
        go_on(told(octets.saturating_add(read), octets.saturating_mul(2)))?;
        if over {
            break;
        }
    }
    Box::new(walk).close()
}
