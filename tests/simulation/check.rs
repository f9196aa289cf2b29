//! The invariants, looked at after every cut: what was acknowledged is there with the same octets, each
//! transaction is there whole or not at all, nothing is there that nobody did, and the file is sound.

use std::collections::BTreeSet;

use mailcore::base::{Result, World};
use mailcore::store::Store;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::client::Step;
use crate::promise::{Who, difference};
use crate::sweep;
use crate::world::Host;

/// How far a client had come when the power went.
#[derive(Debug, Clone, Copy)]
pub struct Reached {
    /// Its last step that was answered; `None` where it had no account yet.
    pub answered: Option<usize>,
    /// Whether it had begun the next.
    pub began_next: bool,
}

/// What is wrong with the store after a cut.
pub async fn violation(world: &World, clients: &[(Who, Vec<Step>)], reached: &[Reached]) -> Option<String> {
    let store = match Store::open(world, sweep::options()).await {
        Ok(store) => store,
        Err(e) => return Some(format!("does not open: {e}")),
    };
    for ((who, steps), reached) in clients.iter().zip(reached) {
        match holds(&store, who, steps, *reached).await {
            Ok(None) => {}
            Ok(Some(what)) => return Some(format!("{}: {what}", who.address.key())),
            Err(e) => return Some(format!("{}: {e}", who.address.key())),
        }
    }
    if let Some(what) = disagreement(&store).await {
        return Some(what);
    }
    store.close().await.err().map(|e| format!("does not close: {e}"))
}

/// The first disagreement that the store's own check finds.
pub async fn disagreement(store: &Store) -> Option<String> {
    let mut check = match store.check() {
        Ok(check) => check,
        Err(e) => return Some(format!("cannot be checked: {e}")),
    };
    loop {
        match check.step().await {
            Ok(step) if step.found.is_empty() && step.over => return None,
            Ok(step) if step.found.is_empty() => {}
            Ok(step) => return step.found.into_iter().next(),
            Err(e) => return Some(format!("cannot be checked: {e}")),
        }
    }
}

async fn holds(store: &Store, who: &Who, steps: &[Step], reached: Reached) -> Result<Option<String>> {
    let Some(answered) = reached.answered else { return Ok(None) };
    let next = steps.get(answered + 1).filter(|_| reached.began_next);
    let last = &steps[answered];
    let ids: BTreeSet<_> = next.unwrap_or(last).state.attempts.keys().copied().collect();
    let found = who.dump(store, &ids).await?;
    if found == last.state || next.is_some_and(|next| found == next.state) {
        return Ok(None);
    }
    let mut what = format!("after step {answered} {:?}: {}", last.act, difference(&last.state, &found));
    if let Some(next) = next {
        what = format!("{what}; or, with {:?}: {}", next.act, difference(&next.state, &found));
    }
    Ok(Some(what))
}

/// A connection of another program's, as it were: it reads what was committed last.
pub fn reader(host: &Host) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let path = format!("{}/mail.db", sweep::FOLDER);
    let reader = Connection::open_with_flags_and_vfs(path, flags, host.disk.vfs_name())?;
    reader.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(reader)
}

/// What SQLite itself finds wrong with a store that is closed.
pub fn unsound(host: &Host) -> Option<String> {
    let checked = (|| {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let path = format!("{}/mail.db", sweep::FOLDER);
        let db = Connection::open_with_flags_and_vfs(path, flags, host.disk.vfs_name())?;
        db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0))
    })();
    match checked {
        Ok(sound) => (sound != "ok").then_some(sound),
        Err(e) => Some(e.to_string()),
    }
}
