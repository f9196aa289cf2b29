//! What goes: mailboxes and accounts of any size, and messages that somebody may still name.

use super::*;
use crate::base::limits::{GHOST_MESSAGES_MAX, REMAINS_ROWS_PER_COMMIT_MAX};

/// How many messages a mailbox has in the database, reachable or not.
fn message_count(place: &Place, mailbox: MailboxId) -> usize {
    place.ask(|db| Ok(db.facts(mailbox, &[(1, Uid::MAX)])?.len()))
}

/// How many of these bodies are there, and whether some wait to be removed.
fn bodies(place: &Place, blobs: impl IntoIterator<Item = i64>) -> (usize, bool) {
    let blobs: Vec<BlobId> = blobs.into_iter().map(BlobId).collect();
    place.ask(|db| {
        let sizes = blobs.iter().map(|blob| db.body_size(*blob)).collect::<Result<Vec<_>>>()?;
        Ok((sizes.into_iter().flatten().count(), db.dead_behind(0)?.is_some()))
    })
}

#[test]
fn a_large_mailbox_goes_in_bounded_steps() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let messages = 5 * REMAINS_ROWS_PER_COMMIT_MAX;
        let large = store.mailbox_create(bob, "Large", None).await.unwrap().id;
        fill(&store, large, messages).await;
        store.change_flags(large, UidSet::all(), add(Flags::SEEN), None).await.unwrap();
        store.expunge(large, Expunge::Among(uids(&[(1, 10)]))).await.unwrap();
        let blobs = bodies_of(&store, large).await;
        let commits = store.shared().log.commits.load(Ordering::SeqCst);
        store.mailbox_delete(bob, "Large").await.unwrap();
        // The commit of the deletion removes no message.
        let facts = message_count(&place, large);
        let steps = (store.shared().log.commits.load(Ordering::SeqCst) - commits) as usize;
        assert!(
            facts + steps.saturating_sub(1) * REMAINS_ROWS_PER_COMMIT_MAX >= messages - 10,
            "{facts} after {steps}"
        );
        // Nobody reaches it, and its name is free.
        assert_eq!(store.snapshot(large).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(store.facts(large, &UidSet::all()).await.is_err());
        assert_eq!(store.account_octets(bob).await.unwrap(), 0);
        assert_ne!(store.mailbox_create(bob, "Large", None).await.unwrap().id, large);
        idle(&place, &store).await;
        nothing_left(&place, &[large], &blobs);
    });
}

#[test]
fn what_a_deletion_left_is_removed_after_a_restart() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let other = store.mailbox_create(bob, "Other", None).await.unwrap().id;
        fill(&store, other, 3).await;
        fill(&store, inbox, 2).await;
        let blobs = bodies_of(&store, other).await;
        store.close().await.unwrap();
        // As if it had ended right after the deletion.
        place.edit(|db| db.mailbox_leave(other));
        let store = place.open().await;
        idle(&place, &store).await;
        nothing_left(&place, &[other], &blobs);
        assert_eq!(message_count(&place, inbox), 2);
        store.close().await.unwrap();
    });
}

#[test]
fn an_account_goes_with_everybody_who_has_it_open() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let other = store.mailbox_create(bob, "Other", None).await.unwrap().id;
        fill(&store, inbox, 600).await;
        fill(&store, other, 1).await;
        let mut watches = [store.watch_account(bob), store.watch(inbox), store.watch(other)];
        let blobs = [bodies_of(&store, inbox).await, bodies_of(&store, other).await].concat();
        store.shared().views.clear();
        // One view is in memory, of the other mailbox there is none.
        store.snapshot(inbox).await.unwrap();
        store.account_delete("bob@example.net").await.unwrap();
        for watch in &mut watches {
            watch.changed().await;
        }
        for mailbox in [inbox, other] {
            assert_eq!(store.snapshot(mailbox).await.unwrap_err().kind(), ErrorKind::NotFound);
            let late = store.accept(arrival("x", vec![filing(mailbox)])).await;
            assert_eq!(late.unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert!(store.mailboxes(bob).await.unwrap().is_empty() && store.subscriptions(bob).await.unwrap().is_empty());
        assert!(store.mailbox(bob, "INBOX").await.unwrap().is_none());
        let again = store.account_put(&address("bob@example.net"), None).await.unwrap();
        idle(&place, &store).await;
        let names: Vec<_> = store.mailboxes(again).await.unwrap().into_iter().map(|info| info.name).collect();
        assert!(names.contains(&"INBOX".to_owned()) && !names.contains(&"Other".to_owned()));
        nothing_left(&place, &[inbox, other], &blobs);
        assert_eq!(place.ask(|db| db.mailbox_count(bob)), 0);
    });
}

#[test]
fn what_a_session_may_still_name_stays_readable() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        for text in ["one", "two", "three"] {
            store.accept(arrival(text, vec![filing(inbox)])).await.unwrap();
        }
        let (mut first, mut second) = (store.hold(inbox), store.hold(inbox));
        let before = store.snapshot(inbox).await.unwrap();
        first.knows(before.expunges);
        second.knows(before.expunges);
        store.expunge(inbox, Expunge::Among(uids(&[(2, 2)]))).await.unwrap();
        let middle = store.snapshot(inbox).await.unwrap();
        store.expunge(inbox, Expunge::Among(uids(&[(1, 1)]))).await.unwrap();
        let after = store.snapshot(inbox).await.unwrap();
        idle(&place, &store).await;
        let facts = store.facts(inbox, &UidSet::all()).await.unwrap();
        let found: Vec<_> = facts.iter().map(|fact| fact.uid).collect();
        assert_eq!(found, [1, 2, 3]);
        assert_eq!(store.body(facts[1].blob, 0, 9).await.unwrap(), b"two");
        assert!(store.metas(vec![facts[0].blob]).await.unwrap()[0].is_some());
        // One knows of all, the other of the first: what both know is freed.
        first.knows(after.expunges);
        second.knows(middle.expunges);
        idle(&place, &store).await;
        assert_eq!(store.body(facts[1].blob, 0, 9).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.body(facts[0].blob, 0, 9).await.unwrap(), b"one");
        drop(second);
        idle(&place, &store).await;
        assert_eq!(store.body(facts[0].blob, 0, 9).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(bodies(&place, 1..9), (1, false));
        assert_eq!(store.facts(inbox, &UidSet::all()).await.unwrap().len(), 1);
    });
}

#[test]
fn what_was_moved_or_copied_stays_readable_where_it_was_though_it_goes_elsewhere() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let other = store.mailbox_create(bob, "Other", None).await.unwrap().id;
        for text in ["moved", "copied", "stays"] {
            store.accept(arrival(text, vec![filing(inbox)])).await.unwrap();
        }
        let mut hold = store.hold(inbox);
        hold.knows(store.snapshot(inbox).await.unwrap().expunges);
        store.move_messages(inbox, uids(&[(1, 1)]), other).await.unwrap();
        store.copy(inbox, uids(&[(2, 2)]), other).await.unwrap();
        store.expunge(inbox, Expunge::Among(uids(&[(2, 2)]))).await.unwrap();
        let facts = store.facts(inbox, &UidSet::all()).await.unwrap();
        assert_eq!(facts.iter().map(|fact| fact.uid).collect::<Vec<_>>(), [1, 2, 3]);
        // One by one, and the rest with its mailbox.
        store.expunge(other, Expunge::Among(uids(&[(1, 1)]))).await.unwrap();
        store.mailbox_delete(bob, "Other").await.unwrap();
        idle(&place, &store).await;
        assert_eq!(store.body(facts[0].blob, 0, 9).await.unwrap(), b"moved");
        assert_eq!(store.body(facts[1].blob, 0, 9).await.unwrap(), b"copied");
        assert!(check::checked(&store).await.0.is_empty());
        hold.knows(store.snapshot(inbox).await.unwrap().expunges);
        idle(&place, &store).await;
        assert_eq!(bodies(&place, 1..9), (1, false));
    });
}

#[test]
fn an_expunge_that_came_to_nothing_is_replaced_by_the_next() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let mut hold = store.hold(inbox);
        let ghosts = &store.shared().ghosts;
        let fact = |uid| Fact { uid, internal_date: Timestamp(1), size: 1, blob: BlobId(i64::from(uid)) };
        let ghost = |expunges, uid, dead| ghost::Ghost { expunges, facts: vec![fact(uid)], dead: vec![dead] };
        let kept = || ghosts.facts(inbox, &UidSet::all()).iter().map(|fact| fact.uid).collect::<Vec<_>>();
        // Two before a COMMIT that fails; then one, before its COMMIT and behind it.
        for (expunges, uid, dead) in [(1, 1, 11), (2, 2, 12), (1, 3, 11), (1, 3, 11)] {
            ghosts.add(inbox, &ghost(expunges, uid, dead));
        }
        assert_eq!(kept(), [3]);
        assert!(ghosts.holds(11) && !ghosts.holds(12) && ghosts.names(BlobId(3)) && !ghosts.names(BlobId(1)));
        hold.knows(1);
        assert!(kept().is_empty() && !ghosts.holds(11) && !ghosts.names(BlobId(3)));
    });
}

#[test]
fn what_is_held_has_an_end_and_no_restart_forgets_to_free_it() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 3).await;
        let hold = store.hold(inbox);
        let fact = |uid| Fact { uid, internal_date: Timestamp(1), size: 1, blob: BlobId(1) };
        let ghosts = &store.shared().ghosts;
        for expunges in 1..=3 {
            let facts = (0..GHOST_MESSAGES_MAX as u32 / 2).map(|n| fact(n + 1)).collect();
            ghosts.add(inbox, &ghost::Ghost { expunges, facts, dead: vec![1_000 + expunges as i64] });
        }
        assert!(!ghosts.holds(1_001) && ghosts.holds(1_002) && ghosts.holds(1_003));
        drop(hold);
        assert!(!ghosts.holds(1_003) && ghosts.facts(inbox, &UidSet::all()).is_empty());
        let hold = store.hold(inbox);
        store.expunge(inbox, Expunge::Among(UidSet::all())).await.unwrap();
        idle(&place, &store).await;
        assert_eq!(bodies(&place, 1..9), (3, true));
        std::mem::forget(hold);
        store.close().await.unwrap();
        let store = place.open().await;
        idle(&place, &store).await;
        assert_eq!(bodies(&place, 1..9), (0, false));
    });
}
