//! The ground itself, with SQLite alone on it: does the simulated disk lose what a real one may lose, and
//! does SQLite in our mode survive it? Here also stand the two ways in which one failed fsync loses
//! acknowledged rows, and the cure the store is built on, each by name.

use std::path::Path;
use std::sync::Arc;

use mailcore::base::world::Disk;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::clock::SimClock;
use crate::disk::{Fault, SimDisk, When};
use crate::image::{Image, Loss, Op};
use crate::rng::Rng;
use crate::run::Trace;
use crate::vfs::reset_randomness;

const DB: &str = "/g/m.db";
const WAL: &str = "/g/m.db-wal";

fn disk(seed: u64) -> SimDisk {
    let disk = SimDisk::new(seed, "ground", Arc::default(), Arc::new(Trace::default()));
    reset_randomness();
    disk
}

fn open(disk: &SimDisk, synchronous: &str) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags_and_vfs(DB, flags, disk.vfs_name())?;
    db.busy_timeout(std::time::Duration::ZERO)?;
    db.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = 0;"
    ))?;
    Ok(db)
}

fn create(db: &Connection) {
    db.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, body BLOB NOT NULL) STRICT")
        .expect("schema");
}

fn body(id: i64) -> Vec<u8> {
    let mut body = vec![0; 200 + (id as usize * 37) % 900];
    Rng::new(id as u64, "body").fill(&mut body);
    body
}

/// One batch of rows in one transaction.
fn commit(db: &mut Connection, batch: i64, rows: std::ops::Range<i64>) -> rusqlite::Result<()> {
    let transaction = db.transaction()?;
    for id in rows {
        transaction.execute("INSERT INTO t(id, batch, body) VALUES (?1, ?2, ?3)", (id, batch, body(id)))?;
    }
    transaction.commit()
}

fn checkpoint(db: &Connection, mode: &str) -> rusqlite::Result<i64> {
    db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))
}

/// What is wrong with the database after a cut, when rows below `acknowledged` were promised in batches of `size`.
fn violation(disk: &SimDisk, acknowledged: i64, size: i64) -> Option<String> {
    let found = (|| {
        let db = open(disk, "FULL")?;
        let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        if sound != "ok" {
            return Ok(Some(format!("integrity: {sound}")));
        }
        if acknowledged == 0 && !db.prepare("SELECT 1 FROM sqlite_schema WHERE name = 't'")?.exists([])? {
            return Ok(None);
        }
        let mut rows = db.prepare("SELECT id, body FROM t ORDER BY id")?;
        let rows = rows.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let mut next = 0;
        for row in rows {
            let (id, octets) = row?;
            if id != next {
                return Ok(Some(format!("row {next} is missing, {id} is there")));
            }
            if octets != body(id) {
                return Ok(Some(format!("row {id} has other octets")));
            }
            next += 1;
        }
        if next < acknowledged {
            return Ok(Some(format!("{next} rows of {acknowledged} acknowledged")));
        }
        Ok((next % size != 0).then(|| format!("{next} rows: a batch of {size} is in part there")))
    })();
    found.unwrap_or_else(|e: rusqlite::Error| Some(format!("does not open: {e}")))
}

/// A recorded run: what changed the disk, and how many rows were acknowledged at each place of the record.
struct Recorded {
    ops: Vec<Op>,
    acknowledged: Vec<(usize, i64)>,
}

const BATCH: i64 = 3;

/// Commits, a reader held across some of them, checkpoints whole and partial.
fn record(disk: &SimDisk, synchronous: &str, batches: i64) -> Recorded {
    disk.record();
    let mut db = open(disk, synchronous).expect("opens");
    let reader = open(disk, synchronous).expect("opens");
    create(&db);
    let mut acknowledged = vec![(0, 0)];
    for batch in 0..batches {
        if batch % 7 == 2 {
            reader.execute_batch("BEGIN; SELECT count(*) FROM t").expect("reads");
        }
        commit(&mut db, batch, batch * BATCH..(batch + 1) * BATCH).expect("commits");
        acknowledged.push((disk.recorded(), (batch + 1) * BATCH));
        if batch % 5 == 4 {
            checkpoint(&db, "PASSIVE").expect("checkpoints");
        }
        if batch % 7 == 5 {
            reader.execute_batch("COMMIT").expect("ends");
        }
    }
    drop(reader);
    drop(db);
    Recorded { ops: disk.take_record(), acknowledged }
}

/// Cuts before each `step`-th change, with each kind of loss. Gives cuts and violations.
fn sweep(recorded: &Recorded, seed: u64, step: usize) -> (usize, Vec<String>) {
    let stage = disk(seed);
    let mut image = Image::default();
    let (mut cuts, mut violations, mut promised) = (0, Vec::new(), 0);
    let mut acknowledged = recorded.acknowledged.iter().peekable();
    for (i, op) in recorded.ops.iter().enumerate() {
        while let Some((_, rows)) = acknowledged.next_if(|(at, _)| *at <= i) {
            promised = *rows;
        }
        if op.is_cut_point() && i % step == 0 {
            for (n, loss) in Loss::ALL.into_iter().enumerate() {
                let mut rng = Rng::new(seed ^ (i as u64) << 8 ^ n as u64, "cut");
                stage.load(image.clone().cut(loss, &mut rng));
                cuts += 1;
                if let Some(what) = violation(&stage, promised, BATCH) {
                    violations.push(format!("cut before change {i} of {}, {loss:?}: {what}", recorded.ops.len()));
                }
            }
        }
        image.apply(op);
    }
    (cuts, violations)
}

#[test]
fn wal_and_full_survive_every_cut() {
    let _one = crate::one_at_a_time();
    let recorded = record(&disk(1), "FULL", 40);
    let (cuts, violations) = sweep(&recorded, 1, crate::step(3));
    assert!(cuts > 300, "{cuts} cuts");
    assert!(violations.is_empty(), "{} of {cuts}: {}", violations.len(), violations.join("\n"));
}

#[test]
fn synchronous_normal_is_caught() {
    let _one = crate::one_at_a_time();
    let recorded = record(&disk(1), "NORMAL", 12);
    let (cuts, violations) = sweep(&recorded, 1, 2);
    assert!(violations.len() * 4 > cuts, "only {} of {cuts} cuts noticed", violations.len());
}

#[test]
fn one_seed_one_history() {
    let _one = crate::one_at_a_time();
    let run = || {
        let disk = disk(9);
        let recorded = record(&disk, "FULL", 10);
        (recorded.ops, disk.calls())
    };
    assert_eq!(run(), run());
}

// -- one failed fsync ------------------------------------------------------------------------------------------

/// What a program does after a failed sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    GoesOn,
    ReopensWriter,
    ReopensAll,
    /// Reopens all, every connection having been told not to checkpoint when it closes.
    ReopensWithoutCheckpoint,
    /// The same, and the WAL is written with its own octets and synced in between.
    RewritesWal,
}

fn without_checkpoint(db: &Connection, after: After) {
    let on = matches!(after, After::ReopensWithoutCheckpoint | After::RewritesWal);
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on).expect("set");
}

/// Gives the connections the program goes on with.
fn recover(disk: &SimDisk, after: After, writer: Connection, reader: Connection) -> (Connection, Connection) {
    match after {
        After::GoesOn => return (writer, reader),
        After::ReopensWriter => {
            drop(writer);
            return (open(disk, "FULL").expect("opens"), reader);
        }
        After::ReopensAll | After::ReopensWithoutCheckpoint => {
            drop((writer, reader));
        }
        After::RewritesWal => {
            drop((writer, reader));
            rewrite(disk, WAL);
        }
    }
    (open(disk, "FULL").expect("opens"), open(disk, "FULL").expect("opens"))
}

fn rewrite(disk: &SimDisk, name: &str) {
    let file = Disk::open(disk, Path::new(name), false).expect("there");
    let mut octets = vec![0; file.len().expect("length") as usize];
    file.read_at(0, &mut octets).expect("read");
    file.write_at(0, &octets).expect("written");
    file.sync().expect("synced");
}

/// A checkpoint's sync of the database fails; was there a partial checkpoint before? Gives what is wrong
/// after the power was cut later on.
fn failed_checkpoint(seed: u64, partial: bool, after: After) -> Option<String> {
    let disk = disk(seed);
    let mut writer = open(&disk, "FULL").expect("opens");
    let reader = open(&disk, "FULL").expect("opens");
    [&writer, &reader].into_iter().for_each(|db| without_checkpoint(db, after));
    create(&writer);
    let (mut batch, first) = (0, 4 + (seed % 5) as i64);
    let mut more = |db: &mut Connection, n: i64| {
        for _ in 0..n {
            commit(db, batch, batch * BATCH..(batch + 1) * BATCH).expect("commits");
            batch += 1;
        }
        batch * BATCH
    };
    more(&mut writer, first);
    if partial {
        reader.execute_batch("BEGIN; SELECT count(*) FROM t").expect("reads");
        more(&mut writer, 3);
        checkpoint(&writer, "PASSIVE").expect("copies what the reader allows, syncs nothing");
        reader.execute_batch("COMMIT").expect("ends");
    }
    disk.fault(When::File("m.db"), Fault::SyncFailed);
    assert!(checkpoint(&writer, "PASSIVE").is_err(), "the sync fails");
    assert_eq!(disk.faults_struck(), 1);
    let (mut writer, reader) = recover(&disk, after, writer, reader);
    [&writer, &reader].into_iter().for_each(|db| without_checkpoint(db, after));
    checkpoint(&writer, "PASSIVE").expect("says ok");
    let acknowledged = more(&mut writer, 2);
    disk.die();
    drop((writer, reader));
    disk.cut(Loss::Everything);
    violation(&disk, acknowledged, BATCH)
}

/// COMMIT's own sync of the WAL fails. Gives what is wrong after the power was cut later on.
fn failed_commit(seed: u64, after: After) -> Option<String> {
    let disk = disk(seed);
    let mut writer = open(&disk, "FULL").expect("opens");
    let reader = open(&disk, "FULL").expect("opens");
    [&writer, &reader].into_iter().for_each(|db| without_checkpoint(db, after));
    create(&writer);
    for batch in 0..3 {
        commit(&mut writer, batch, batch * BATCH..(batch + 1) * BATCH).expect("commits");
    }
    disk.fault(When::File("-wal"), Fault::SyncFailed);
    assert!(commit(&mut writer, 3, 3 * BATCH..4 * BATCH).is_err(), "the sync fails");
    let (mut writer, reader) = recover(&disk, after, writer, reader);
    [&writer, &reader].into_iter().for_each(|db| without_checkpoint(db, after));
    // In doubt, not undone: the failed batch may be there.
    let rows: i64 = writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts");
    assert_eq!(rows % BATCH, 0);
    let next = rows / BATCH;
    for batch in next..next + 2 + (seed % 3) as i64 {
        commit(&mut writer, batch, batch * BATCH..(batch + 1) * BATCH).expect("commits");
    }
    let acknowledged: i64 = writer.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).expect("counts");
    disk.die();
    drop((writer, reader));
    disk.cut(Loss::Everything);
    violation(&disk, acknowledged, BATCH)
}

fn losses(seeds: u64, run: impl Fn(u64) -> Option<String>) -> u64 {
    (0..seeds).filter(|seed| run(*seed).is_some()).count() as u64
}

#[test]
fn failed_checkpoint_sync_loses_rows_unless_all_reopen_without_checkpoint() {
    let _one = crate::one_at_a_time();
    let seeds = crate::seeds(20);
    for after in [After::GoesOn, After::ReopensWriter, After::ReopensAll] {
        assert_eq!(losses(seeds, |seed| failed_checkpoint(seed, false, after)), 0, "{after:?}, nothing partial");
        let lost = losses(seeds, |seed| failed_checkpoint(seed, true, after));
        assert!(lost * 10 >= seeds * 9, "{after:?}: the disk forgives: {lost} of {seeds}");
    }
    for after in [After::ReopensWithoutCheckpoint, After::RewritesWal] {
        for partial in [false, true] {
            assert_eq!(losses(seeds, |seed| failed_checkpoint(seed, partial, after)), 0, "{after:?}, {partial}");
        }
    }
}

#[test]
fn failed_commit_sync_loses_rows_unless_the_wal_is_rewritten() {
    let _one = crate::one_at_a_time();
    let seeds = crate::seeds(20);
    let lost = losses(seeds, |seed| failed_commit(seed, After::ReopensWithoutCheckpoint));
    assert!(lost * 10 >= seeds * 8, "the disk forgives: {lost} of {seeds}");
    assert_eq!(losses(seeds, |seed| failed_commit(seed, After::ReopensAll)), 0);
    assert_eq!(losses(seeds, |seed| failed_commit(seed, After::RewritesWal)), 0);
}

#[test]
fn timers_of_a_month_pass_in_order() {
    let clock: Arc<SimClock> = Arc::default();
    let executor = crate::run::Executor::new(3, clock.clone(), Arc::default());
    let seen = clock.clone();
    let days = executor.run(async move {
        let mut rng = Rng::new(3, "timers");
        let mut last = seen.now();
        for _ in 0..10_000 {
            seen.sleep(std::time::Duration::from_secs(rng.between(1, 518))).await;
            assert!(seen.now() > last);
            last = seen.now();
        }
        last.0 / 86_400_000_000_000
    });
    assert!((25..35).contains(&days), "{days} days");
    assert_eq!(clock.waiting(), 0);
}
