//! Accounts, domains, aliases, mailboxes by name, settings.

use super::*;

#[test]
fn an_account_comes_with_its_mailboxes() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        assert!(store.is_local_domain("example.net").await.unwrap());
        let list = store.mailboxes(bob).await.unwrap();
        let names: Vec<_> = list.iter().map(|m| (m.name.as_str(), m.special_use, m.subscribed)).collect();
        let expected = [
            ("Archive", Some(SpecialUse::Archive), true),
            ("Drafts", Some(SpecialUse::Drafts), true),
            ("INBOX", None, true),
            ("Junk", Some(SpecialUse::Junk), true),
            ("Sent", Some(SpecialUse::Sent), true),
            ("Trash", Some(SpecialUse::Trash), true),
        ];
        assert_eq!(names, expected);
        assert_eq!(list[2].id, inbox);
        assert!(list.iter().all(|m| m.mod_seq == 1 && m.uid_next == 1 && m.selectable && m.total == 0));
        let mut validities: Vec<_> = list.iter().map(|m| m.uid_validity).collect();
        validities.sort_unstable();
        validities.dedup();
        assert_eq!((validities.len(), validities[0]), (6, 1_800_000_000));
    });
}

#[test]
fn credentials_quota_aliases_and_settings_outlive_a_reopen() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let credential = Credential {
            argon2id: "$argon2id$x".to_owned(),
            scram_sha_256: ScramKeys { salt: vec![1], iterations: 4096, stored_key: [2; 32], server_key: [3; 32] },
        };
        assert_eq!(store.account_put(&address("BOB@Example.net"), Some(credential.clone())).await.unwrap(), bob);
        store.account_quota(bob, Some(99)).await.unwrap();
        for target in ["z@x.org", "bob@example.net", "z@x.org"] {
            store.alias_put("sales@example.net", &address(target)).await.unwrap();
        }
        store.alias_put("@example.net", &address("bob@example.net")).await.unwrap();
        store.domain_put("example.org").await.unwrap();
        store.domain_put("example.org").await.unwrap();
        store.setting_put("key", Some(vec![1, 2])).await.unwrap();
        store.setting_put("gone", Some(vec![1])).await.unwrap();
        store.setting_put("gone", None).await.unwrap();
        let before = (store.accounts("").await.unwrap(), store.account("bob@example.net").await.unwrap());
        store.close().await.unwrap();
        let store = place.open().await;
        let account = store.account("bob@example.net").await.unwrap();
        assert_eq!((store.accounts("").await.unwrap(), account.clone()), before);
        let account = account.unwrap();
        assert_eq!((account.credential.as_ref(), account.quota_octets), (Some(&credential), Some(99)));
        assert_eq!(store.domains("").await.unwrap(), ["example.net", "example.org"]);
        assert_eq!(targets(&store, "sales@example.net").await, ["bob@example.net", "z@x.org"]);
        assert_eq!(store.aliases(("", "")).await.unwrap().len(), 3);
        assert_eq!(store.setting("key").await.unwrap(), Some(vec![1, 2]));
        assert_eq!(store.setting("gone").await.unwrap(), None);
        store.alias_delete("sales@example.net").await.unwrap();
        assert!(targets(&store, "sales@example.net").await.is_empty());
        let kind = |e: crate::base::Error| e.kind();
        assert_eq!(store.alias_delete("sales@example.net").await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(store.domain_delete("example.net").await.map_err(kind), Err(ErrorKind::State));
        store.domain_delete("example.org").await.unwrap();
        assert!(!store.is_local_domain("example.org").await.unwrap());
    });
}

#[test]
fn a_deleted_account_leaves_nothing() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 600).await;
        store.change_flags(inbox, UidSet::all(), add(Flags::SEEN), None).await.unwrap();
        let held = store.snapshot(inbox).await.unwrap();
        let bodies = bodies_of(&store, inbox).await;
        let mut watch = store.watch(inbox);
        store.account_delete("bob@example.net").await.unwrap();
        watch.changed().await;
        assert_eq!(store.snapshot(inbox).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(held.count(), 600);
        let change = store.change_flags(inbox, UidSet::all(), add(Flags::DRAFT), None).await;
        assert_eq!(change.unwrap_err().kind(), ErrorKind::NotFound);
        let copy = store.copy(inbox, UidSet::all(), inbox).await;
        assert_eq!(copy.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.expunge(inbox, Expunge::Deleted).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(store.account_by_id(bob).await.unwrap().is_none());
        store.close().await.unwrap();
        let store = place.open().await;
        idle(&place, &store).await;
        nothing_left(&place, &[inbox], &bodies);
        place.ask(|db| {
            assert_eq!(db.account_count()?, 0);
            assert_eq!((db.mailbox_count(bob)?, db.subscription_count(bob)?), (0, 0));
            Ok(())
        });
        // Ids and UIDVALIDITY go on.
        let again = store.account_put(&address("bob@example.net"), None).await.unwrap();
        assert!(again > bob);
        assert!(store.account_by_id(again).await.unwrap().unwrap().inbox.0 > inbox.0);
    });
}

#[test]
fn mailboxes_are_made_deleted_and_made_again() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let kind = |e: crate::base::Error| e.kind();
        let deep = store.mailbox_create(bob, "a/b/c", Some(SpecialUse::All)).await.unwrap();
        assert_eq!((deep.name.as_str(), deep.special_use, deep.subscribed), ("a/b/c", Some(SpecialUse::All), false));
        let middle = store.mailbox(bob, "a/b").await.unwrap().unwrap();
        assert!(middle.selectable);
        assert_eq!(store.mailbox_create(bob, "a/b", None).await.map_err(kind), Err(ErrorKind::Exists));
        assert_eq!(store.mailbox_create(bob, "a//b", None).await.map_err(kind), Err(ErrorKind::Invalid));
        assert_eq!(store.mailbox_create(AccountId(9), "q", None).await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(store.mailbox_delete(bob, "inbox").await.map_err(kind), Err(ErrorKind::Invalid));
        assert_eq!(store.mailbox_delete(bob, "nope").await.map_err(kind), Err(ErrorKind::NotFound));
        store.accept(arrival("in the middle", vec![filing(middle.id)])).await.unwrap();
        store.mailbox_delete(bob, "a/b").await.unwrap();
        let bare = store.mailbox(bob, "a/b").await.unwrap().unwrap();
        assert!(!bare.selectable && bare.id > middle.id && bare.total == 0);
        assert_eq!(store.snapshot(bare.id).await.map_err(kind).err(), Some(ErrorKind::NotFound));
        assert_eq!(store.accept(arrival("x", vec![filing(bare.id)])).await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(store.mailbox_delete(bob, "a/b").await.map_err(kind), Err(ErrorKind::State));
        let again = store.mailbox_create(bob, "a/b", None).await.unwrap();
        assert!(again.selectable && again.uid_validity > middle.uid_validity && again.uid_next == 1);
        store.accept(arrival("x", vec![filing(again.id)])).await.unwrap();
        store.mailbox_delete(bob, "a/b/c").await.unwrap();
        store.mailbox_delete(bob, "a/b").await.unwrap();
        assert!(store.mailbox(bob, "a/b").await.unwrap().is_none());
        assert_eq!(store.account_octets(bob).await.unwrap(), 0);
    });
}

#[test]
fn renaming_takes_the_children_along() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let kind = |e: crate::base::Error| e.kind();
        let child = store.mailbox_create(bob, "a/b", None).await.unwrap();
        store.mailbox_create(bob, "ab", None).await.unwrap();
        store.accept(arrival("x", vec![filing(child.id)])).await.unwrap();
        store.mailbox_rename(bob, "a", "new/place").await.unwrap();
        let names: Vec<_> = store.mailboxes(bob).await.unwrap().into_iter().map(|m| m.name).collect();
        assert!(["new", "new/place", "new/place/b", "ab"].iter().all(|n| names.iter().any(|m| m == n)), "{names:?}");
        let moved = store.mailbox(bob, "new/place/b").await.unwrap().unwrap();
        assert_eq!((moved.id, moved.uid_validity, moved.total), (child.id, child.uid_validity, 1));
        assert_eq!(store.mailbox_rename(bob, "a", "q").await.map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(store.mailbox_rename(bob, "new", "new/q").await.map_err(kind), Err(ErrorKind::Invalid));
        assert_eq!(store.mailbox_rename(bob, "new", "ab").await.map_err(kind), Err(ErrorKind::Exists));
        // A name that events and later filings use is the new one.
        store.accept(arrival("y", vec![filing(child.id)])).await.unwrap();
        assert_eq!(store.mailbox(bob, "new/place/b").await.unwrap().unwrap().total, 2);
        // INBOX gives its messages away and stays.
        fill(&store, inbox, 3).await;
        store.mailbox_rename(bob, "INBOX", "old/mail").await.unwrap();
        assert_eq!(store.mailbox(bob, "old/mail").await.unwrap().unwrap().total, 3);
        let stays = store.mailbox(bob, "INBOX").await.unwrap().unwrap();
        assert_eq!((stays.id, stays.total, stays.uid_next), (inbox, 0, 4));
    });
}

#[test]
fn subscriptions_need_no_mailbox() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        store.mailbox_subscribe(bob, "not/there", true).await.unwrap();
        store.mailbox_subscribe(bob, "not/there", true).await.unwrap();
        store.mailbox_subscribe(bob, "Junk", false).await.unwrap();
        let names = store.subscriptions(bob).await.unwrap();
        assert_eq!(names, ["Archive", "Drafts", "INBOX", "Sent", "Trash", "not/there"]);
        assert!(!store.mailbox(bob, "Junk").await.unwrap().unwrap().subscribed);
        // Deleting a mailbox leaves its subscription (RFC 9051 §6.3.5).
        store.mailbox_delete(bob, "Trash").await.unwrap();
        assert!(store.subscriptions(bob).await.unwrap().contains(&"Trash".to_owned()));
    });
}

#[test]
fn an_account_has_room_for_so_many_mailboxes() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        // Six are there; one less than the limit afterwards.
        place.edit(|db| {
            for n in 1..=MAILBOXES_MAX - 7 {
                let row = row::MailboxRow::new(bob, &format!("m{n}"), n as u32, None);
                db.mailbox_insert(db.next_mailbox()?, &row)?;
            }
            Ok(())
        });
        let two = store.mailbox_create(bob, "x/y", None).await;
        assert_eq!(two.unwrap_err().kind(), ErrorKind::Limit);
        store.mailbox_create(bob, "x", None).await.unwrap();
        assert_eq!(store.mailbox_create(bob, "y", None).await.unwrap_err().kind(), ErrorKind::Limit);
        // A new name takes no room; a level above it does, and so does what INBOX is renamed to.
        store.mailbox_rename(bob, "x", "y").await.unwrap();
        let kind = |e: crate::base::Error| e.kind();
        assert_eq!(store.mailbox_rename(bob, "y", "z/y").await.map_err(kind), Err(ErrorKind::Limit));
        assert_eq!(store.mailbox_rename(bob, "INBOX", "z").await.map_err(kind), Err(ErrorKind::Limit));
        store.mailbox_rename(bob, "y", "m1/y").await.unwrap();
    });
}

async fn targets(store: &Store, pattern: &str) -> Vec<String> {
    let found = store.look_up(|directory| directory.alias(pattern)).await.unwrap();
    found.map(|targets| targets.to_vec()).unwrap_or_default()
}
