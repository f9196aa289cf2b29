//! What goes wrong: two openers, strange files, failed syncs, jobs that fail within a group.

use super::*;
use crate::base::Error;
use crate::base::limits::{CHECKPOINT_REST_OCTETS, CHECKPOINT_WAL_OCTETS, CHECKPOINT_WAL_OCTETS_MAX};

/// What a failed sync looks like to the writer.
pub(super) async fn break_down(store: &Store) -> ErrorKind {
    let broken = store.write(0, |_| Err::<(), _>(Error::new(ErrorKind::StoreDown, "disk I/O error"))).await;
    broken.unwrap_err().kind()
}

#[test]
fn a_second_opener_is_told_that_the_store_is_in_use() {
    run(|place| async move {
        let store = place.open().await;
        let error = place.try_open(&place.world, place.options()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Busy);
        assert!(error.text().contains("in use by another process or engine"), "{error}");
        store.close().await.unwrap();
        store.close().await.unwrap();
        let after = store.setting_put("x", None).await.unwrap_err();
        assert_eq!((after.kind(), after.text()), (ErrorKind::StoreDown, "the store is closed"));
        assert_eq!(store.setting("x").await.unwrap_err().kind(), ErrorKind::StoreDown);
        place.open().await.close().await.unwrap();
    });
}

#[test]
fn a_store_that_was_only_dropped_can_be_opened() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        drop(store);
        let store = loop {
            match place.try_open(&place.world, place.options()).await {
                Ok(store) => break store,
                Err(e) => assert_eq!(e.kind(), ErrorKind::Busy),
            }
            smol::future::yield_now().await;
        };
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().total, 1);
    });
}

#[test]
fn a_refusal_that_rests_on_a_change_that_is_undone_is_none() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let make = |name| {
            let made = store.mailbox_create(bob, name, None);
            async move { made.await.map(drop).map_err(|e| e.kind()) }
        };
        // Four jobs of one commit, which fails.
        let two = smol::future::zip(make("INBOX"), make("new"));
        let (refused, broken) = smol::future::zip(two, smol::future::zip(make("new"), break_down(&store))).await;
        assert_eq!(refused, (Err(ErrorKind::Exists), Err(ErrorKind::StoreDown)));
        assert_eq!(broken, (Err(ErrorKind::StoreDown), ErrorKind::StoreDown));
        while make("new").await == Err(ErrorKind::StoreDown) {
            smol::future::yield_now().await;
        }
        assert_eq!(make("new").await, Err(ErrorKind::Exists));
        store.close().await.unwrap();
    });
}

#[test]
fn closing_empties_the_log() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 100).await;
        store.close().await.unwrap();
        let log = fs::metadata(place.folder.join("mail.db-wal")).map_or(0, |file| file.len());
        assert_eq!(log, 0);
    });
}

#[test]
fn a_file_of_a_newer_engine_is_refused_and_left_alone() {
    run_on_sqlite(|place| async move {
        place.open().await.close().await.unwrap();
        place.sqlite().execute_batch("PRAGMA user_version = 99").unwrap();
        let error = place.try_open(&place.world, place.options()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.text().contains("schema 99"), "{error}");
        let version: i64 = place.sqlite().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!(version, 99);
        place.sqlite().execute_batch(&format!("PRAGMA user_version = {}", sqlite::newest())).unwrap();
        place.open().await;
    });
}

#[test]
fn a_database_of_another_program_is_refused() {
    run_on_sqlite(|place| async move {
        fs::create_dir_all(&place.folder).unwrap();
        place.sqlite().execute_batch("CREATE TABLE cats(name TEXT)").unwrap();
        let error = place.try_open(&place.world, place.options()).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let tables: i64 = place.sqlite().query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0)).unwrap();
        assert_eq!(tables, 1);
    });
}

#[test]
fn the_file_is_laid_out_as_measured() {
    run_on_sqlite(|place| async move {
        let store = place.open().await;
        let text = |sql: &str| -> String {
            place
                .sqlite()
                .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
                .map(|v| match v {
                    rusqlite::types::Value::Integer(n) => n.to_string(),
                    rusqlite::types::Value::Text(text) => text,
                    other => format!("{other:?}"),
                })
                .unwrap()
        };
        assert_eq!(text("PRAGMA page_size"), "8192");
        assert_eq!(text("PRAGMA journal_mode"), "wal");
        let loose =
            "SELECT count(*) FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND name NOT LIKE 'sqlite%'";
        assert_eq!(text(loose), "0");
        // What the writer's own connection says.
        let own = store.write(0, |tx| {
            let db = sqlite_of(tx);
            let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
            let config = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
            let busy = number("PRAGMA busy_timeout")?;
            let auto = number("PRAGMA wal_autocheckpoint");
            Ok((number("PRAGMA synchronous")?, busy, auto.unwrap_or(0), db.db_config(config)?))
        });
        // The hook that tells the log's length stands where SQLite's own checkpoints would.
        assert_eq!(own.await.unwrap(), (2, 0, 0, true));
    });
}

#[test]
fn a_job_that_fails_harms_no_other_in_its_group() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let executor = place.small.executor.clone();
        let mut tasks = Vec::new();
        for n in 0..40u32 {
            let store = store.clone();
            tasks.push(executor.spawn(async move {
                if n % 3 == 0 {
                    // Half done, then refused: two rows changed in memory and on disk.
                    let half = store.write(0, move |tx| {
                        message::accept(tx, &arrival("half", vec![]))?;
                        let mut delta = delta::Delta::of(inbox, tx.row(inbox)?);
                        delta.row.mod_seq += 100;
                        tx.apply(delta)?;
                        tx.db.setting_put("half", Some(&[0]))?;
                        Err::<(), _>(Error::new(ErrorKind::Quota, "no"))
                    });
                    assert_eq!(half.await.unwrap_err().kind(), ErrorKind::Quota);
                } else {
                    store.accept(arrival("whole", vec![filing(inbox)])).await.unwrap();
                }
            }));
        }
        for task in tasks {
            task.await;
        }
        assert_eq!(store.setting("half").await.unwrap(), None);
        let snapshot = store.snapshot(inbox).await.unwrap();
        assert_eq!((snapshot.count(), snapshot.mod_seq), (26, 27));
        store.close().await.unwrap();
        let again = place.open().await.snapshot(inbox).await.unwrap();
        assert_eq!((again.messages, again.mod_seq), (snapshot.messages, 27));
    });
}

#[test]
fn a_job_that_fails_after_it_changed_messages_changes_nothing() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 3).await;
        let known = store.snapshot(inbox).await.unwrap();
        let held = known.clone();
        let failed = store.write(0, move |tx| {
            let facts = fact::of_all(tx.db, inbox, &uids(&[(1, 3)]))?;
            let mut delta = delta::Delta::of(inbox, tx.row(inbox)?);
            delta.remove(&tx.view(&known)?, facts, delta::Going::AtOnce, None)?;
            tx.apply(delta)?;
            Err::<(), _>(Error::new(ErrorKind::Invalid, "too late"))
        });
        let flagged = store.change_flags(inbox, uids(&[(2, 2)]), add(Flags::SEEN), None);
        let (failed, flagged) = smol::future::zip(failed, flagged).await;
        assert_eq!((failed.unwrap_err().kind(), flagged.unwrap().changed), (ErrorKind::Invalid, vec![2]));
        let after = store.snapshot(inbox).await.unwrap();
        assert!(after.messages.uids().eq([1, 2, 3]) && after.expunges == held.expunges);
        store.close().await.unwrap();
        assert_eq!(place.open().await.snapshot(inbox).await.unwrap(), after);
    });
}

#[test]
fn after_a_failed_sync_the_store_reopens_and_goes_on() {
    run(|place| async move {
        let told = Arc::new(Told::default());
        let options = StoreOptions { events: told.clone(), ..place.options() };
        let store = place.try_open(&place.world, options).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
        fill(&store, inbox, 700).await;
        store.change_flags(inbox, UidSet::all(), add(Flags::SEEN), None).await.unwrap();
        let before = store.snapshot(inbox).await.unwrap();
        let mut watch = store.watch(inbox);
        assert_eq!(break_down(&store).await, ErrorKind::StoreDown);
        watch.changed().await;
        // Refused until it is back.
        while let Err(e) = store.snapshot(inbox).await {
            assert_eq!(e.kind(), ErrorKind::StoreDown);
            smol::future::yield_now().await;
        }
        let after = store.snapshot(inbox).await.unwrap();
        assert_eq!(after, before);
        store.accept(arrival("after", vec![filing(inbox)])).await.unwrap();
        let blob = store.facts(inbox, &uids(&[(701, 701)])).await.unwrap()[0].blob;
        assert_eq!(store.body(blob, 0, 9).await.unwrap(), b"after");
        assert_eq!(told.downs(), [true, false]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_store_held_by_another_program_waits_and_then_says_busy() {
    run(|place| async move {
        if place.on_server() {
            // Others hold rows there: tests::server.
            return;
        }
        let (store, _, inbox) = with_bob(&place).await;
        let other = place.database().open_writer().unwrap();
        again(|| other.begin());
        let held = store.accept(arrival("x", vec![filing(inbox)])).await;
        assert_eq!(held.unwrap_err().kind(), ErrorKind::Busy);
        other.rollback().unwrap();
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
    });
}

/// The group is carried out again, and what it says is said once.
#[test]
fn what_was_aborted_is_carried_out_again() {
    let aborts = AtomicU64::new(0);
    for seed in 10..20 {
        let aborts = &aborts;
        run_on(On::MemoryByChance(seed), |place| async move {
            let told = Arc::new(Told::default());
            let options = StoreOptions { events: told.clone(), ..place.options() };
            let store = place.try_open(&place.world, options).await.unwrap();
            let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
            let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
            let jobs = (0..120u32).map(|n| {
                let store = store.clone();
                place.small.executor.spawn(async move {
                    for _ in 0..n % 7 {
                        smol::future::yield_now().await;
                    }
                    match n % 4 {
                        0 => store.mailbox_create(bob, &format!("a/{n}"), None).await.map(drop),
                        1 => store.change_flags(inbox, UidSet::all(), add(Flags::SEEN), None).await.map(drop),
                        _ => store.accept(arrival("x", vec![filing(inbox), filing(inbox)])).await.map(drop),
                    }
                })
            });
            for job in jobs.collect::<Vec<_>>() {
                job.await.unwrap();
            }
            aborts.fetch_add(place.memory.as_ref().unwrap().aborts(), Ordering::SeqCst);
            let snapshot = store.snapshot(inbox).await.unwrap();
            assert!(snapshot.messages.uids().eq(1..=120));
            let filed = told.0.lock().unwrap().iter().filter(|event| matches!(event, Event::Filed { .. })).count();
            assert_eq!(filed, 120);
            assert_eq!(store.mailboxes(bob).await.unwrap().len(), 6 + 1 + 30);
            assert_eq!(super::check::checked(&store).await.0, [""; 0]);
            store.close().await.unwrap();
            let store = place.open().await;
            assert_eq!(store.snapshot(inbox).await.unwrap(), snapshot);
        });
    }
    let aborts = aborts.into_inner();
    assert!(aborts > 20, "{aborts} aborts");
}

/// Commits follow each other without a pause: the log is copied meanwhile and begins anew, so that it stays as long
/// as it may be.
#[test]
fn the_log_begins_anew_in_a_steady_stream() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let body = "x".repeat(1 << 20);
        let producers: Vec<_> = (0..4)
            .map(|_| {
                let (store, body) = (store.clone(), body.clone());
                place.small.executor.spawn(async move {
                    for _ in 0..20 {
                        store.accept(arrival(&body, vec![filing(inbox)])).await.unwrap();
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await;
        }
        let log = fs::metadata(place.folder.join("mail.db-wal")).unwrap().len();
        let most = CHECKPOINT_WAL_OCTETS_MAX + CHECKPOINT_WAL_OCTETS + CHECKPOINT_REST_OCTETS + 5 * (1 << 20);
        assert!(log <= most, "{log} octets");
        store.close().await.unwrap();
    });
}

/// Whenever the checkpoint lane copies, somebody reads an old state, so that it never gets to the end: then the writer
/// copies the rest while nobody is in the way.
#[test]
fn the_writer_copies_what_readers_kept_the_lane_from() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let log = store.shared().log.clone();
        let (body, reader) = ("x".repeat(1 << 20), place.sqlite());
        // Time jumps here: it is never quiet, so that the lane does not empty the log either.
        store.shared().reading.fetch_add(1, Ordering::SeqCst);
        let most = CHECKPOINT_WAL_OCTETS_MAX + CHECKPOINT_WAL_OCTETS + CHECKPOINT_REST_OCTETS + 5 * (1 << 20);
        for _ in 0..80 {
            reader.execute_batch("BEGIN; SELECT count(*) FROM account").unwrap();
            store.accept(arrival(&body, vec![filing(inbox)])).await.unwrap();
            while log.pending() >= CHECKPOINT_WAL_OCTETS {
                smol::future::yield_now().await;
            }
            reader.execute_batch("COMMIT").unwrap();
            // Too little to wake the lane.
            store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        }
        let log = fs::metadata(place.folder.join("mail.db-wal")).unwrap().len();
        assert!(log <= most, "{log} octets");
        store.close().await.unwrap();
    });
}

#[test]
fn a_panic_in_a_change_ends_the_store_and_loses_nothing() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        store.close().await.unwrap();

        let panics = Arc::new(AtomicU64::new(0));
        let counted = panics.clone();
        let on_panic = Arc::new(move |_: &'static str, _: &str| {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let threads = crate::os::ThreadOptions { runners: 1, computers: 1, on_panic };
        let threads = crate::os::Threads::start(threads).unwrap();
        let clock = Arc::new(crate::os::RealClock::new());
        let world = World { run: threads.spawner(), clock, ..place.world.clone() };
        let store = place.try_open(&world, place.options()).await.unwrap();
        store.accept(arrival("y", vec![filing(inbox)])).await.unwrap();
        let changed = store.write(0, move |tx| -> Result<()> {
            tx.db.messages_remove(inbox, &[(1, Uid::MAX)])?;
            panic!("forced")
        });
        assert_eq!(changed.await.unwrap_err().kind(), ErrorKind::StoreDown);
        assert_eq!(store.setting_put("x", None).await.unwrap_err().kind(), ErrorKind::StoreDown);
        store.close().await.unwrap();
        assert_eq!(panics.load(Ordering::SeqCst), 1);
        threads.stop(Duration::from_secs(20)).unwrap();

        let store = place.open().await;
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().total, 2);
        assert_eq!(store.snapshot(inbox).await.unwrap().count(), 2);
        store.close().await.unwrap();
    });
}
