//! Locks that nobody else can lift, and an index that needs no file.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "what another program does to the files")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::connection::Index;

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("mailcore-vfs-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn database(&self) -> PathBuf {
        self.0.join("t.db")
    }

    fn wal(&self) -> PathBuf {
        self.0.join("t.db-wal")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn open(path: &Path, index: Index) -> Connection {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let db = Connection::open_with_flags_and_vfs(path, flags, super::name(index).unwrap()).unwrap();
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    db.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    db
}

fn fresh(folder: &Folder) -> Connection {
    let db = open(&folder.database(), Index::Shared);
    db.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)").unwrap();
    db
}

fn rows(db: &Connection) -> i64 {
    db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap()
}

fn code(result: rusqlite::Result<()>) -> Option<ErrorCode> {
    result.err().and_then(|e| e.sqlite_error_code())
}

/// What another process, with SQLite's own VFS, gets for a statement: a number, an error, or nothing.
fn elsewhere(folder: &Folder, sql: &str) -> String {
    let mut other = Command::new(std::env::current_exe().unwrap());
    other.args(["--exact", "store::sqlite::vfs::tests::another_program", "--nocapture"]);
    let done = other.env(DATABASE, folder.database()).env(STATEMENT, sql).output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{said}");
    said.split_once(ANSWER).unwrap().1.lines().next().unwrap_or_default().to_owned()
}

const DATABASE: &str = "MAILCORE_TEST_DATABASE";
const STATEMENT: &str = "MAILCORE_TEST_STATEMENT";
const ANSWER: &str = "another program: ";

/// The other process of [`elsewhere`]; no test by itself.
#[test]
fn another_program() {
    let (Some(database), Ok(sql)) = (std::env::var_os(DATABASE), std::env::var(STATEMENT)) else { return };
    let db = Connection::open(database).unwrap();
    db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let said = match sql.starts_with("SELECT") {
        true => db.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|n| n.to_string()),
        false => db.execute_batch(&sql).map(|()| String::new()),
    };
    println!("\n{ANSWER}{}", said.unwrap_or_else(|e| e.to_string()));
}

#[test]
fn connections_of_one_process_see_and_exclude_each_other() {
    let folder = Folder::new();
    let (one, other) = (fresh(&folder), open(&folder.database(), Index::Shared));
    assert_eq!(rows(&other), 1);
    one.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    assert_eq!(code(other.execute_batch("BEGIN IMMEDIATE")), Some(ErrorCode::DatabaseBusy));
    assert_eq!(rows(&other), 1);
    one.execute_batch("COMMIT").unwrap();
    assert_eq!(rows(&other), 2);
    // A reader of an old state keeps its state, and the log from being begun anew.
    other.execute_batch("BEGIN").unwrap();
    assert_eq!(rows(&other), 2);
    one.execute_batch("INSERT INTO t VALUES (3)").unwrap();
    let busy: i64 = one.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!((busy, rows(&other)), (1, 2));
    other.execute_batch("COMMIT").unwrap();
    let busy: i64 = one.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!((busy, rows(&other), fs::metadata(folder.wal()).unwrap().len()), (0, 3, 0));
    // What wants the file for itself is refused while another has it open.
    assert_eq!(code(one.execute_batch("PRAGMA journal_mode = DELETE; SELECT 1")), Some(ErrorCode::DatabaseBusy));
}

#[test]
fn a_descriptor_closed_by_somebody_else_lifts_no_lock() {
    let folder = Folder::new();
    let db = fresh(&folder);
    let before = fs::metadata(folder.wal()).unwrap().len();
    for _ in 0..2 {
        // Our own process reads the files, as one does who copies them.
        for name in ["t.db", "t.db-wal", "t.db-shm"] {
            drop(fs::File::open(folder.0.join(name)).unwrap());
        }
        // Another program opens the database; as its last user it would remove the log.
        assert_eq!(elsewhere(&folder, "SELECT count(*) FROM t"), "1");
    }
    assert_eq!(fs::metadata(folder.wal()).unwrap().len(), before);
    // A writer's lock stands as well.
    db.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (2)").unwrap();
    drop(fs::File::open(folder.0.join("t.db-shm")).unwrap());
    let refused = elsewhere(&folder, "INSERT INTO t VALUES (9)");
    assert!(refused.contains("database is locked"), "{refused}");
    db.execute_batch("COMMIT").unwrap();
    assert_eq!(rows(&db), 2);
    assert_eq!(elsewhere(&folder, "INSERT INTO t VALUES (3)"), "");
    assert_eq!(rows(&db), 3);
}

#[test]
fn the_first_to_open_builds_the_index_anew() {
    let folder = Folder::new();
    drop(fresh(&folder));
    let shm = folder.0.join("t.db-shm");
    let length = fs::metadata(&shm).unwrap().len();
    // What a crash of the machine may leave of it.
    fs::write(&shm, vec![0xa5; length as usize]).unwrap();
    let db = open(&folder.database(), Index::Shared);
    assert_eq!(rows(&db), 1);
    assert_eq!(fs::metadata(&shm).unwrap().len(), length);
    // Somebody has it open now: it is taken as it is.
    assert_eq!(rows(&open(&folder.database(), Index::Shared)), 1);
    drop(db);
    fs::write(&shm, b"abc").unwrap();
    assert_eq!(rows(&open(&folder.database(), Index::Shared)), 1);
}

#[test]
fn an_index_of_its_own_needs_no_file() {
    let folder = Folder::new();
    let db = fresh(&folder);
    db.execute_batch("INSERT INTO t VALUES (2)").unwrap();
    drop(db);
    fs::remove_file(folder.0.join("t.db-shm")).unwrap();
    let one = open(&folder.database(), Index::Own);
    let other = open(&folder.database(), Index::Own);
    assert_eq!((rows(&one), rows(&other)), (2, 2));
    assert!(!folder.0.join("t.db-shm").exists());
    drop((one, other));
    assert_eq!(rows(&open(&folder.database(), Index::Shared)), 2);
}

#[test]
fn what_is_gathered_is_written_before_anybody_is_told() {
    let folder = Folder::new();
    let db = fresh(&folder);
    let other = open(&folder.database(), Index::Shared);
    let written = || fs::metadata(folder.wal()).unwrap().len();
    let before = written();
    db.execute_batch("BEGIN; INSERT INTO t VALUES (randomblob(50000))").unwrap();
    assert_eq!((written(), rows(&other)), (before, 1));
    db.execute_batch("COMMIT").unwrap();
    // 13 pages of 4 KiB at the least, all of them in the file.
    assert!(written() >= before + 13 * 4_096);
    assert_eq!((rows(&other), elsewhere(&folder, "SELECT count(*) FROM t").as_str()), (2, "2"));
    // A transaction that outgrows the cache reads its own pages back from the log; nobody else sees them.
    let fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
                INSERT INTO t SELECT randomblob(4000) FROM n";
    db.execute_batch(&format!("PRAGMA cache_size = 10; BEGIN; {fill}; UPDATE t SET x = zeroblob(3000)")).unwrap();
    assert_eq!((rows(&db), rows(&other)), (502, 2));
    db.execute_batch("ROLLBACK").unwrap();
    assert_eq!((rows(&db), rows(&other)), (2, 2));
    db.execute_batch(&format!("BEGIN; {fill}; UPDATE t SET x = zeroblob(3000); COMMIT")).unwrap();
    let intact = |db: &Connection| db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!((rows(&other), intact(&other).as_str()), (502, "ok"));
    assert_eq!(intact(&open(&folder.database(), Index::Own)), "ok");
}

#[test]
fn a_long_log_wants_more_of_the_index() {
    let folder = Folder::new();
    let db = fresh(&folder);
    // More frames than two regions hold.
    let long = "PRAGMA cache_size = 10; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                WHERE i < 10000) INSERT INTO t SELECT randomblob(4000) FROM n; COMMIT";
    db.execute_batch(long).unwrap();
    let other = open(&folder.database(), Index::Shared);
    assert_eq!((rows(&other), rows(&open(&folder.database(), Index::Own))), (10_001, 10_001));
    assert!(fs::metadata(folder.0.join("t.db-shm")).unwrap().len() >= 3 * 32 * 1024);
}
