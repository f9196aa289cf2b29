//! Trouble of the disk: no room, writes that fail and work again, files that other programs remove.

use super::faults::break_down;
use super::*;
use crate::os::RealDisk;

const MIB: u64 = 1024 * 1024;

/// A store whose events are kept, and Bob's INBOX.
async fn told_store(place: &Place) -> (Store, MailboxId, Arc<Told>) {
    let told = Arc::new(Told::default());
    let store = place.try_open(&place.world, StoreOptions { events: told.clone(), ..place.options() }).await.unwrap();
    let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
    let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
    (store, inbox, told)
}

/// Waits until changes are taken.
async fn writable(store: &Store) {
    while store.setting_put("x", None).await.is_err() {
        smol::future::yield_now().await;
    }
}

fn free(place: &Place, octets: u64) {
    *place.small.space.lock().unwrap() = Space { total: 1024 * MIB, free: octets };
}

fn everything() -> Expunge {
    Expunge::Among(UidSet::all())
}

#[test]
fn while_nothing_can_be_written_reading_goes_on_and_the_cure_is_tried_again() {
    run_on_sqlite(|place| async move {
        let (store, inbox, told) = told_store(&place).await;
        fill(&store, inbox, 700).await;
        let before = store.snapshot(inbox).await.unwrap();
        place.small.sync_fails.store(true, Ordering::SeqCst);
        assert_eq!(break_down(&store).await, ErrorKind::StoreDown);
        for _ in 0..50 {
            let now = store.snapshot(inbox).await.unwrap();
            assert_eq!(now.messages, before.messages);
            let blob = store.facts(inbox, &uids(&[(700, 700)])).await.unwrap()[0].blob;
            assert_eq!(store.body(blob, 0, 9).await.unwrap(), b"x");
            let account = store.account("bob@example.net").await.unwrap().unwrap().id;
            assert_eq!(store.mailboxes(account).await.unwrap().len(), 6);
            assert_eq!(store.setting_put("x", None).await.unwrap_err().kind(), ErrorKind::StoreDown);
        }
        place.small.sync_fails.store(false, Ordering::SeqCst);
        writable(&store).await;
        fill(&store, inbox, 1).await;
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 701);
        // Said once each, however often it was tried.
        assert_eq!(told.downs(), [true, true, false], "{:?}", told.of_store());
        store.close().await.unwrap();
    });
}

#[test]
fn a_store_that_cannot_be_written_at_the_start_can_be_read_and_is_written_later() {
    run_on_sqlite(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 5).await;
        // Left as a crash leaves it: with a log, which must be made durable first.
        drop(place.sqlite().prepare("SELECT 1 FROM blob").unwrap());
        let other = place.sqlite();
        other.execute_batch("BEGIN; SELECT count(*) FROM blob").unwrap();
        store.close().await.unwrap();
        other.execute_batch("ROLLBACK; UPDATE account SET quota_octets = 77").unwrap();
        place.small.sync_fails.store(true, Ordering::SeqCst);
        let store = place.open().await;
        assert_eq!(store.account_by_id(bob).await.unwrap().unwrap().quota_octets, Some(77));
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 5);
        assert_eq!(store.setting_put("x", None).await.unwrap_err().kind(), ErrorKind::StoreDown);
        drop(other);
        place.small.sync_fails.store(false, Ordering::SeqCst);
        writable(&store).await;
        fill(&store, inbox, 1).await;
        store.close().await.unwrap();
    });
}

#[test]
fn mail_is_refused_before_the_disk_is_full_and_the_rest_goes_on() {
    run_on_sqlite(|place| async move {
        let (store, inbox, told) = told_store(&place).await;
        fill(&store, inbox, 10).await;
        // A reserve of 64 MiB.
        free(&place, 64 * MIB + 10);
        let told_full = store.accept(arrival("some more", vec![filing(inbox)])).await.unwrap_err();
        assert_eq!(told_full.kind(), ErrorKind::DiskFull);
        assert!(!store.has_room(1));
        store.change_flags(inbox, uids(&[(1, 1)]), add(Flags::SEEN), None).await.unwrap();
        store.copy(inbox, uids(&[(1, 1)]), inbox).await.unwrap();
        store.expunge(inbox, everything()).await.unwrap();
        assert_eq!(store.accept(arrival("x", vec![filing(inbox)])).await.unwrap_err().kind(), ErrorKind::DiskFull);
        // Room comes by itself, and is seen without a message that asks for it.
        free(&place, 200 * MIB);
        while !store.has_room(MIB) {
            smol::future::yield_now().await;
        }
        fill(&store, inbox, 1).await;
        assert_eq!(told.downs(), [false, false], "{:?}", told.of_store());
        // The host's own reserve.
        store.set_reserve(Some(199 * MIB));
        assert!(store.accept(arrival(&"y".repeat(600_000), vec![filing(inbox)])).await.is_err());
        fill(&store, inbox, 1).await;
    });
}

#[test]
fn a_disk_that_is_full_after_all_undoes_what_did_not_fit_and_nothing_more() {
    run_on_sqlite(|place| async move {
        let (store, inbox, told) = told_store(&place).await;
        fill(&store, inbox, 10).await;
        let limit = |pages: &'static str| {
            store.write(0, move |tx| {
                let pragma = format!("PRAGMA max_page_count = {pages}");
                Ok(sqlite_of(tx).query_row(&pragma, [], |row| row.get::<_, i64>(0))?)
            })
        };
        limit("1").await.unwrap();
        let body = "z".repeat(100_000);
        let full = store.accept(arrival(&body, vec![filing(inbox)])).await.unwrap_err();
        assert_eq!(full.kind(), ErrorKind::DiskFull);
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 10);
        store.expunge(inbox, Expunge::Among(uids(&[(1, 5)]))).await.unwrap();
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 5);
        limit("1000000").await.unwrap();
        // Once a second it is looked whether there is room.
        while store.accept(arrival(&body, vec![filing(inbox)])).await.is_err() {
            smol::future::yield_now().await;
        }
        assert!(told.downs().iter().all(|down| !down), "{:?}", told.of_store());
    });
}

#[test]
fn deleted_mail_makes_the_file_shorter() {
    run_on_sqlite(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let body = "w".repeat(1 << 20);
        for _ in 0..16 {
            store.accept(arrival(&body, vec![filing(inbox)])).await.unwrap();
        }
        store.expunge(inbox, everything()).await.unwrap();
        fill(&store, inbox, 3).await;
        let mut pages = i64::MAX;
        while pages > 300 {
            smol::future::yield_now().await;
            pages = store
                .write(0, |tx| Ok(sqlite_of(tx).query_row("PRAGMA page_count", [], |row| row.get(0))?))
                .await
                .unwrap();
        }
        store.close().await.unwrap();
        assert!(fs::metadata(place.folder.join("mail.db")).unwrap().len() < 3 * MIB);
        let store = place.open().await;
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().total, 3);
        let sound: String = place.sqlite().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
    });
}

/// A copy of the files as they are now, as after a crash.
async fn after_a_crash(place: &Place) -> usize {
    let crashed = Arc::new(Place::new());
    fs::create_dir_all(&crashed.folder).unwrap();
    for name in ["mail.db", "mail.db-wal"] {
        if let Ok(octets) = read(&place.folder.join(name)) {
            write(&crashed.folder.join(name), &octets);
        }
    }
    let inside = crashed.clone();
    let opened = async move {
        let store = inside.open().await;
        let bob = store.account("bob@example.net").await.unwrap().unwrap().id;
        let total = store.mailbox(bob, "INBOX").await.unwrap().unwrap().total as usize;
        store.close().await.unwrap();
        total
    };
    let executor = crashed.small.executor.clone();
    executor.run(opened).await
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

#[allow(clippy::disallowed_methods, reason = "a test's own files")]
pub(super) fn write(path: &Path, octets: &[u8]) {
    fs::write(path, octets).unwrap();
}

#[test]
fn a_log_that_another_program_removes_costs_no_acknowledged_mail() {
    for removed in [&["mail.db-wal"][..], &["mail.db-shm"], &["mail.db-wal", "mail.db-shm"]] {
        for looks in [false, true] {
            run_on_sqlite(|place| async move {
                let (store, inbox, told) = told_store(&place).await;
                fill(&store, inbox, 20).await;
                for name in removed {
                    fs::remove_file(place.folder.join(name)).unwrap();
                }
                if looks {
                    let other = place.sqlite();
                    let _ = other.query_row("SELECT count(*) FROM message", [], |row| row.get::<_, i64>(0));
                }
                // Acknowledged: so it is there after a crash.
                fill(&store, inbox, 1).await;
                assert_eq!(after_a_crash(&place).await, 21, "{removed:?}");
                // And no change is refused.
                fill(&store, inbox, 1).await;
                assert_eq!(after_a_crash(&place).await, 22, "{removed:?}");
                assert_eq!(told.downs(), [false, false], "{:?}", told.of_store());
                store.close().await.unwrap();
                assert_eq!(after_a_crash(&place).await, 22, "{removed:?}");
            });
        }
    }
}

#[test]
fn a_log_of_another_program_is_set_aside() {
    run_on_sqlite(|place| async move {
        let (store, inbox, _) = told_store(&place).await;
        fill(&store, inbox, 20).await;
        for name in ["mail.db-wal", "mail.db-shm"] {
            fs::remove_file(place.folder.join(name)).unwrap();
        }
        // It writes on top of a database that has not what only the log had.
        write(&place.folder.join("mail.db-wal"), b"a log of somebody else");
        fill(&store, inbox, 1).await;
        writable(&store).await;
        assert_eq!(after_a_crash(&place).await, 21);
        assert_eq!(read(&place.folder.join("mail.db-wal.foreign")).unwrap(), b"a log of somebody else");
    });
}

#[test]
fn a_database_that_is_moved_away_takes_no_mail_along() {
    run_on_sqlite(|place| async move {
        let (store, inbox, told) = told_store(&place).await;
        fill(&store, inbox, 3).await;
        let (here, there) = (place.folder.join("mail.db"), place.folder.join("elsewhere"));
        place.world.disk.rename(&here, &there).unwrap();
        assert_eq!(store.accept(arrival("x", vec![filing(inbox)])).await.unwrap_err().kind(), ErrorKind::StoreDown);
        assert!(store.snapshot(inbox).await.unwrap().messages.len() >= 3);
        assert_eq!(store.setting_put("x", None).await.unwrap_err().kind(), ErrorKind::StoreDown);
        place.world.disk.rename(&there, &here).unwrap();
        writable(&store).await;
        fill(&store, inbox, 1).await;
        assert_eq!(told.downs(), [true, true, false], "{:?}", told.of_store());
        store.close().await.unwrap();
    });
}

#[test]
fn an_account_that_cannot_be_read_is_set_aside() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        store.account_put(&address("eve@example.net"), None).await.unwrap();
        store.close().await.unwrap();
        let spoil = "UPDATE account SET address = 'no address' WHERE address_key = 'eve@example.net'";
        place.sqlite().execute_batch(spoil).unwrap();
        let told = Arc::new(Told::default());
        let store =
            place.try_open(&place.world, StoreOptions { events: told.clone(), ..place.options() }).await.unwrap();
        assert!(store.account("bob@example.net").await.unwrap().is_some());
        // Nobody may take her for unknown.
        for _ in 0..2 {
            assert_eq!(store.account("eve@example.net").await.unwrap_err().kind(), ErrorKind::Store);
        }
        fill(&store, inbox, 1).await;
        let said = told.of_store();
        assert!(said.len() == 1 && !said[0].0 && said[0].1.contains("cannot be read and is set aside"), "{said:?}");
    });
}

#[test]
fn nobody_else_reads_the_files_of_a_store() {
    use std::os::unix::fs::PermissionsExt;
    run_on_sqlite(|place| async move {
        // As an older engine made them, in a folder that everybody may enter.
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 1).await;
        store.close().await.unwrap();
        let files = ["mail.db", "mail.db-wal", "mail.db-shm", "mail.lock"];
        for name in files.iter().filter(|name| place.folder.join(name).exists()) {
            fs::set_permissions(place.folder.join(name), fs::Permissions::from_mode(0o644)).unwrap();
        }
        let world = World { disk: Arc::new(RealDisk), ..place.world.clone() };
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o755)).unwrap();
        for folder in [place.folder.clone(), place.folder.join("deep/er")] {
            let store = Store::open(&world, StoreOptions { folder: folder.clone(), ..place.options() }).await.unwrap();
            store.setting_put("x", Some(vec![1])).await.unwrap();
            for name in files {
                assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
            }
            store.close().await.unwrap();
        }
        assert_eq!((mode(&place.folder), mode(&place.folder.join("deep/er"))), (0o755, 0o700));
    });
}

#[test]
fn an_emptied_database_is_damage_and_no_new_store() {
    run_on_sqlite(|place| async move {
        let world = World { disk: Arc::new(RealDisk), ..place.world.clone() };
        let store = place.try_open(&world, place.options()).await.unwrap();
        store.account_put(&address("bob@example.net"), None).await.unwrap();
        store.close().await.unwrap();
        let database = place.folder.join("mail.db");
        let kept = read(&database).unwrap();
        write(&database, b"");
        let error = place.try_open(&world, place.options()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        std::fs::remove_file(&database).unwrap();
        let error = place.try_open(&world, place.options()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Corruption, "{error}");
        write(&database, &kept);
        let store = place.try_open(&world, place.options()).await.unwrap();
        assert!(store.account("bob@example.net").await.unwrap().is_some());
        store.close().await.unwrap();
        // A start that ended before anything was made is none.
        let _ = std::fs::remove_dir_all(&place.folder);
        std::fs::create_dir_all(&place.folder).unwrap();
        for name in ["mail.lock", "mail.db"] {
            write(&place.folder.join(name), b"");
        }
        place.try_open(&world, place.options()).await.unwrap().close().await.unwrap();
    });
}
