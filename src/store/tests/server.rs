//! What is about a store on a PostgreSQL server: the server of these tests, and its troubles.

use cluster::Cluster;

use super::super::postgres::Server;
use super::*;
use crate::net::tcp::RealNetwork;
use crate::os::RealClock;

// What the test programs share cannot be linked here: it stands on this library.
#[allow(clippy::disallowed_methods, dead_code, reason = "tests start programs, and share more than one needs")]
#[path = "../../../tests/support/src/postgres.rs"]
mod cluster;
#[allow(clippy::disallowed_methods, dead_code, reason = "tests start programs, and share more than one needs")]
#[path = "../../../tests/support/src/tools.rs"]
mod tools;

/// Whether there is a server; where not, it is said once and counted as left out.
pub(super) fn is_there() -> bool {
    Cluster::shared("the store on PostgreSQL").is_some()
}

/// The server, with an empty schema for the test of this number. It lives in real time and on real sockets.
pub(super) fn of(world: &World, number: u64) -> Server {
    server_at(Cluster::shared("the store on PostgreSQL").expect("asked before"), world, &format!("test_{number}"))
}

fn server_at(cluster: &Cluster, world: &World, schema: &str) -> Server {
    let real = World { clock: Arc::new(RealClock::new()), network: Arc::new(RealNetwork::default()), ..world.clone() };
    Server::of(&real, &cluster.url(schema)).unwrap()
}

/// Runs a test on a server of its own, which it may stop.
fn run_alone<F: Future<Output = ()>>(test: impl FnOnce(Arc<Place>, Server, Arc<Mutex<Cluster>>) -> F) {
    let Some(cluster) = Cluster::start("troubles of a PostgreSQL server") else { return };
    let place = Arc::new(Place::on(On::Sqlite));
    let server = server_at(&cluster, &place.world, "box");
    let executor = place.small.executor.clone();
    smol::block_on(executor.run(test(place, server, Arc::new(Mutex::new(cluster)))));
}

async fn open(place: &Place, server: &Server) -> Result<Store> {
    Store::open_on(Arc::new(server.anew()), &place.world, place.options()).await
}

/// Tries until it works; what is tried must be repeatable.
async fn in_the_end<T>(attempt: impl AsyncFn() -> Result<T>) -> T {
    let mut last = None;
    for _ in 0..400 {
        match attempt().await {
            Ok(given) => return given,
            Err(e) => last = Some(e),
        }
        RealClock::new().pause(Duration::from_millis(25)).await;
    }
    panic!("{last:?}");
}

#[test]
fn one_engine_has_the_store_and_the_next_one_takes_over() {
    if !is_there() {
        return;
    }
    run_on(On::Postgres, async |place| {
        let (store, _, inbox) = with_bob(&place).await;
        store.accept(arrival("first", vec![filing(inbox)])).await.unwrap();
        let server = place.server.as_ref().unwrap();
        let refused = open(&place, server).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
        store.close().await.unwrap();
        let second = open(&place, server).await.unwrap();
        second.accept(arrival("second", vec![filing(inbox)])).await.unwrap();
        assert_eq!(bodies_of(&second, inbox).await.len(), 2);
        second.close().await.unwrap();
    });
}

#[test]
fn a_server_that_comes_back_has_all_that_was_answered() {
    run_alone(async |place, server, cluster| {
        let events = Arc::new(Told::default());
        let options = StoreOptions { events: events.clone(), ..place.options() };
        let store = Store::open_on(Arc::new(server.anew()), &place.world, options).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
        for (round, how) in ["restart", "crash", "gone"].into_iter().enumerate() {
            store.accept(arrival(how, vec![filing(inbox)])).await.unwrap();
            match how {
                "restart" => cluster.lock().unwrap().stop(),
                _ => cluster.lock().unwrap().kill(),
            }
            if how == "gone" {
                let refused = store.accept(arrival("lost", vec![filing(inbox)])).await.map(drop).unwrap_err();
                assert_eq!(refused.kind(), ErrorKind::StoreDown, "{refused}");
                assert!(store.facts(inbox, &UidSet::all()).await.is_err(), "nobody answers");
            }
            cluster.lock().unwrap().restart();
            in_the_end(async || store.setting_put("x", None).await).await;
            let bodies = in_the_end(async || store.facts(inbox, &UidSet::all()).await).await;
            assert_eq!(bodies.len(), round + 1, "{how}");
        }
        assert!(events.downs().contains(&true), "{:?}", events.of_store());
        let (uid, modseq) = in_the_end(async || store.snapshot(inbox).await.map(|s| (s.uid_next, s.mod_seq))).await;
        store.close().await.unwrap();
        let store = open(&place, &server).await.unwrap();
        let snapshot = store.snapshot(inbox).await.unwrap();
        assert_eq!((snapshot.uid_next, snapshot.mod_seq, snapshot.messages.len()), (uid, modseq, 3));
        store.close().await.unwrap();
    });
}

#[test]
fn a_connection_that_broke_is_made_anew_and_its_lock_taken_back() {
    run_alone(async |place, server, cluster| {
        let store = open(&place, &server).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
        for round in 0..3 {
            let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()";
            let _ = cluster.lock().unwrap().sql(&format!("{others} AND application_name LIKE 'mailcore %'"));
            in_the_end(async || store.setting_put("x", None).await).await;
            store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
            assert_eq!(in_the_end(async || store.facts(inbox, &UidSet::all()).await).await.len(), round + 1);
        }
        store.close().await.unwrap();
    });
}

#[test]
fn a_row_that_another_session_holds_is_waited_for() {
    if !is_there() {
        return;
    }
    run_on(On::Postgres, async |place| {
        let (store, _, inbox) = with_bob(&place).await;
        let other = place.database().open_writer().unwrap();
        other.begin().unwrap();
        assert_eq!(other.mailbox_row(inbox).unwrap().unwrap().uid_next, 1);
        let release = async {
            RealClock::new().pause(Duration::from_millis(300)).await;
            other.rollback().unwrap();
        };
        let writer = place.small.executor.spawn({
            let store = store.clone();
            async move { store.accept(arrival("x", vec![filing(inbox)])).await }
        });
        release.await;
        writer.await.unwrap();
        assert_eq!(bodies_of(&store, inbox).await.len(), 1);
        store.close().await.unwrap();
    });
}

/// What is sent ahead fails at the end of its job, and takes no other job of the commit with it.
#[test]
fn a_statement_sent_ahead_fails_its_own_job_alone() {
    if !is_there() {
        return;
    }
    run_on(On::Postgres, async |place| {
        let store = place.open().await;
        let twice = |tx: &mut transaction::WriteTx<'_>| {
            tx.db.domain_insert("twice.example")?;
            tx.db.domain_insert("twice.example")
        };
        let once = |tx: &mut transaction::WriteTx<'_>| tx.db.domain_insert("once.example");
        let jobs = smol::future::zip(store.write(0, once), store.write(0, twice));
        let ((kept, failed), after) = smol::future::zip(jobs, store.setting_put("after", Some(b"x".to_vec()))).await;
        assert!(kept.is_ok() && after.is_ok(), "{kept:?} {after:?}");
        assert_eq!(failed.unwrap_err().kind(), ErrorKind::Store);
        assert_eq!(place.ask(|db| db.domains_behind("", 9)), ["once.example"]);
        store.close().await.unwrap();
    });
}

#[test]
fn large_bodies_lie_in_chunks_and_are_read_in_pieces() {
    if !is_there() {
        return;
    }
    run_on(On::Postgres, async |place| {
        let (store, _, inbox) = with_bob(&place).await;
        let chunk = crate::base::limits::POSTGRES_BODY_ROW_OCTETS_MAX;
        for octets in [chunk - 1, chunk, chunk + 1, 3 * chunk, 3 * chunk + 7] {
            let text: String = (0..octets).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
            store.accept(arrival(&text, vec![filing(inbox)])).await.unwrap();
            let blob = *bodies_of(&store, inbox).await.last().unwrap();
            let read = |from: u64, most: usize| place.ask(|db| Ok(db.body_pieces(&[(blob, from, most)])?.remove(0)));
            assert_eq!(read(0, usize::MAX).unwrap(), text.as_bytes(), "{octets}");
            for from in [0, 1, chunk - 2, chunk - 1, chunk, octets - 1, octets, octets + 5] {
                for most in [0, 1, 3, chunk, 2 * chunk + 1] {
                    let wanted = text.as_bytes().get(from..).unwrap_or_default();
                    let wanted = &wanted[..wanted.len().min(most)];
                    assert_eq!(read(from as u64, most).unwrap(), wanted, "{octets}: {most} from {from}");
                }
            }
        }
        let blobs = bodies_of(&store, inbox).await;
        store.expunge(inbox, Expunge::Among(UidSet::all())).await.unwrap();
        idle(&place, &store).await;
        nothing_left(&place, &[], &blobs);
        store.close().await.unwrap();
    });
}

#[test]
fn text_with_nul_is_kept_as_far_as_a_column_can() {
    if !is_there() {
        return;
    }
    run_on(On::Postgres, async |place| {
        let (store, _, inbox) = with_bob(&place).await;
        let mut odd = arrival("body\0with NUL", vec![filing(inbox)]);
        odd.arrivals[0].meta.subject = "a\0b".to_owned();
        store.accept(odd).await.unwrap();
        let blobs = bodies_of(&store, inbox).await;
        place.ask(|db| {
            assert_eq!(db.body(blobs[0])?.unwrap(), b"body\0with NUL");
            assert_eq!(db.metas(&blobs, MetaColumns::ALL)?[0].as_ref().unwrap().subject, "a\u{fffd}b");
            Ok(())
        });
        store.close().await.unwrap();
    });
}

#[test]
fn a_schema_of_others_or_of_a_newer_engine_is_left_as_it_is() {
    let Some(cluster) = Cluster::shared("the store on PostgreSQL") else { return };
    let place = Arc::new(Place::on(On::Sqlite));
    let executor = place.small.executor.clone();
    smol::block_on(executor.run(async {
        cluster.sql("CREATE SCHEMA foreign_tables; CREATE TABLE foreign_tables.mine(a int)");
        let theirs = open(&place, &server_at(cluster, &place.world, "foreign_tables")).await.map(drop).unwrap_err();
        assert_eq!(theirs.kind(), ErrorKind::Invalid, "{theirs}");
        let newer = server_at(cluster, &place.world, "newer_engine");
        open(&place, &newer).await.unwrap().close().await.unwrap();
        cluster.sql("UPDATE newer_engine.store_meta SET value = 99 WHERE name = 'schema'");
        let refused = open(&place, &newer).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid, "{refused}");
        assert_eq!(cluster.sql("SELECT count(*) FROM newer_engine.account"), "0");
    }));
}
