//! What is known of the directory, and that it follows each commit.

use super::super::directory_cache::Key;
use super::*;
use crate::base::limits::{ALIAS_EXPANSIONS_MAX, DIRECTORY_PAGE_ROWS_MAX};

/// Keys that are in memory.
fn known(store: &Store, keys: &[Key]) -> Vec<bool> {
    keys.iter().map(|key| store.shared().directory.lock().get(key).is_some()).collect()
}

fn account_key(address: &str) -> Key {
    Key::Account(address.to_owned())
}

#[test]
fn an_opened_store_knows_nobody_and_learns_whom_it_is_asked_for() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        store.close().await.unwrap();
        let store = place.open().await;
        let keys = [account_key("bob@example.net"), account_key("eve@example.net"), Key::Id(bob)];
        assert_eq!(known(&store, &keys), [false; 3]);
        assert_eq!(store.account("bob@example.net").await.unwrap().unwrap().id, bob);
        assert!(store.account("eve@example.net").await.unwrap().is_none());
        assert_eq!(known(&store, &keys), [true, true, false]);
        // Kept answers need no reader.
        assert!(smol::future::poll_once(store.account("bob@example.net")).await.is_some());
        assert!(smol::future::poll_once(store.account("eve@example.net")).await.is_some());
    });
}

#[test]
fn what_is_known_follows_each_change() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let is_there = async |address: &str| store.account(address).await.unwrap().is_some();
        let first = async || store.look_up(|d| d.first_account("example.org")).await.unwrap().unwrap();
        assert!(!is_there("ann@example.org").await && !store.is_local_domain("example.org").await.unwrap());
        assert_eq!(first().await.id, bob);
        assert_eq!(store.look_up(|d| d.first_domain()).await.unwrap().as_deref(), Some("example.net"));
        let ann = store.account_put(&address("\"a@b\"@example.org"), None).await.unwrap();
        let carl = store.account_put(&address("Carl@example.org"), None).await.unwrap();
        assert!(is_there("carl@example.org").await && store.is_local_domain("example.org").await.unwrap());
        assert_eq!(first().await.id, ann, "an @ in the local part is none of the domain's");
        store.account_quota(carl, Some(5)).await.unwrap();
        assert_eq!(store.account_by_id(carl).await.unwrap().unwrap().quota_octets, Some(5));
        store.domain_put("abc.example").await.unwrap();
        assert_eq!(store.look_up(|d| d.first_domain()).await.unwrap().as_deref(), Some("abc.example"));
        store.account_delete("carl@example.org").await.unwrap();
        assert!(!is_there("carl@example.org").await && store.account_by_id(carl).await.unwrap().is_none());
        store.account_delete("a@b@example.org").await.unwrap();
        store.domain_delete("example.org").await.unwrap();
        assert!(!store.is_local_domain("example.org").await.unwrap());
        assert_eq!(first().await.id, bob);
    });
}

#[test]
fn a_job_sees_what_the_ones_before_it_did_and_one_that_fails_leaves_nothing() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        assert!(store.account("ann@example.net").await.unwrap().is_none());
        // One commit: the second job finds the account of the first.
        let (ann, other) = (address("ann@example.net"), address("ANN@example.net"));
        let made = smol::future::zip(store.account_make(&ann), store.account_make(&other)).await;
        assert_eq!(made.0.unwrap(), made.1.unwrap());
        // It changes the directory and fails then.
        let failed = store.write(0, |tx| {
            tx.directory_changes([Key::Alias("x@example.net".to_owned())]);
            tx.db.alias_insert("x@example.net", "bob@example.net")?;
            assert!(tx.look_up(|d| d.alias("x@example.net"))?.is_some());
            Err::<(), _>(crate::base::Error::new(ErrorKind::Invalid, "no"))
        });
        failed.await.unwrap_err();
        assert!(store.look_up(|d| d.alias("x@example.net")).await.unwrap().is_none());
    });
}

/// Another process on the same database need only raise the version.
#[test]
fn a_version_that_somebody_else_raised_empties_what_is_known() {
    run_on_sqlite(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.alias_put("x@example.net", &address("bob@example.net")).await.unwrap();
        let all = async || store.look_up(|d| d.alias("x@example.net")).await.unwrap().map(|t| t.to_vec());
        assert_eq!(all().await.unwrap(), ["bob@example.net"]);
        let others = "UPDATE alias SET target = 'eve@example.net';
             UPDATE store_meta SET value = value + 1 WHERE name = 'directory'";
        place.sqlite().execute_batch(others).unwrap();
        // Whatever is read next has the new version.
        assert!(store.account("nobody@example.net").await.unwrap().is_none());
        assert_eq!(all().await.unwrap(), ["eve@example.net"]);
    });
}

#[test]
fn lists_come_in_pages() {
    run_on(On::Sqlite, |place| async move {
        let (store, ..) = with_bob(&place).await;
        let count = DIRECTORY_PAGE_ROWS_MAX + 3;
        let puts = (0..count).map(|n| {
            let store = store.clone();
            place.small.executor.spawn(async move {
                let to = address(&format!("t{}@x.org", n % 2));
                store.alias_put(&format!("a{:04}@example.net", n / 2), &to).await.unwrap();
            })
        });
        for put in puts.collect::<Vec<_>>() {
            put.await;
        }
        let (mut all, mut after) = (Vec::new(), (String::new(), String::new()));
        loop {
            let page = store.aliases((&after.0, &after.1)).await.unwrap();
            assert!(page.len() <= DIRECTORY_PAGE_ROWS_MAX);
            let Some(last) = page.last() else { break };
            after.clone_from(last);
            all.extend(page);
        }
        assert_eq!((all.len(), all.is_sorted()), (count, true));
        assert_eq!(store.accounts("").await.unwrap()[0].address, "bob@example.net");
        assert!(store.accounts("bob@example.net").await.unwrap().is_empty());
        assert!(store.domains("example.net").await.unwrap().is_empty());
    });
}

#[test]
fn the_costs_of_passwords_are_each_found_once() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        assert!(store.password_costs().await.unwrap().is_empty());
        let keys = |iterations| ScramKeys { salt: vec![1], iterations, stored_key: [2; 32], server_key: [3; 32] };
        for n in 0..6u32 {
            let argon2id = format!("$argon2id$v=19$m={},t=1,p=1$c2FsdHNhbHQ$aGFzaA", 8 + n % 2);
            let credential = Credential { argon2id, scram_sha_256: keys(4096 + n % 3) };
            store.account_put(&address(&format!("u{n}@example.net")), Some(credential)).await.unwrap();
        }
        let costs = store.password_costs().await.unwrap();
        let found: Vec<_> = costs.iter().map(|cost| (cost.argon2_kib, cost.scram_iterations)).collect();
        assert_eq!(found, [(8, 4096), (8, 4097), (8, 4098), (9, 4096), (9, 4097), (9, 4098)]);
    });
}

#[test]
fn no_alias_takes_more_memory_than_a_message_may_take_steps() {
    run_on(On::Memory, |place| async move {
        let (store, ..) = with_bob(&place).await;
        store
            .write(0, |tx| {
                tx.directory_changes([Key::Alias("all@example.net".to_owned())]);
                (0..2 * ALIAS_EXPANSIONS_MAX)
                    .try_for_each(|n| tx.db.alias_insert("all@example.net", &format!("u{n}@x.org")))
            })
            .await
            .unwrap();
        let targets = store.look_up(|d| d.alias("all@example.net")).await.unwrap().unwrap();
        assert_eq!(targets.len(), ALIAS_EXPANSIONS_MAX + 1);
    });
}
