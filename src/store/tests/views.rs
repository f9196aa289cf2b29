//! Views: read by readers while the writer commits, brought up to date by what changed since, shared in blocks.

use super::model::Dice;
use super::*;
use crate::base::snapshot::BLOCK_UIDS;
use smol::future::zip;

/// One random change.
async fn change(store: &Store, mailbox: MailboxId, dice: &mut Dice) {
    let snapshot = store.snapshot(mailbox).await.unwrap();
    let mut some = || {
        let first = snapshot.messages.uids().nth(dice.below(snapshot.count() as u64 + 1) as usize).unwrap_or(1);
        uids(&[(first, first + dice.below(900) as Uid)])
    };
    match some().count() % 4 {
        0 => drop(store.accept(arrival("x", vec![filing(mailbox); 40])).await.unwrap()),
        1 => drop(store.change_flags(mailbox, some(), add(Flags::FLAGGED), None).await.unwrap()),
        2 => drop(store.copy(mailbox, some(), mailbox).await.unwrap()),
        _ => drop(store.expunge(mailbox, Expunge::Among(some())).await.unwrap()),
    }
}

/// What a reader reads of it, with nothing in memory.
async fn cold(store: &Store, mailbox: MailboxId) -> Snapshot {
    store.shared().views.clear();
    store.snapshot(mailbox).await.unwrap()
}

#[test]
fn an_old_state_is_brought_up_by_what_changed_since() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 1_500).await;
        let mut dice = Dice(5);
        for round in 0..60 {
            let known = store.snapshot(inbox).await.unwrap();
            for _ in 0..dice.below(6) {
                change(&store, inbox, &mut dice).await;
            }
            store.shared().views.clear();
            // Within a transaction that changed it already, too.
            let more = arrival("x", vec![filing(inbox); 3]);
            let first = store.write(0, move |tx| {
                message::accept(tx, &more)?;
                Ok(())
            });
            let (first, found) = zip(first, store.write(0, move |tx| tx.snapshot(&known))).await;
            first.unwrap();
            assert_eq!(found.unwrap(), cold(&store, inbox).await, "round {round}");
        }
    });
}

#[test]
fn snapshots_are_never_older_than_what_was_answered() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 700).await;
        let mut newest = 0;
        for round in 0..200u32 {
            if round % 3 > 0 {
                store.shared().views.clear();
            }
            let file = store.accept(arrival("x", vec![filing(inbox)]));
            let flag = store.change_flags(inbox, uids(&[(round + 1, round + 9)]), add(Flags::SEEN), None);
            let looks = zip(store.snapshot(inbox), store.snapshot(inbox));
            let ((filed, flagged), (one, other)) = zip(zip(file, flag), looks).await;
            let answered = filed.unwrap().filed[0].mod_seq.max(flagged.unwrap().mod_seq);
            for look in [one.unwrap(), other.unwrap()] {
                assert!(look.mod_seq >= newest, "round {round}");
                assert!(look.messages.iter().all(|message| message.mod_seq <= look.mod_seq));
            }
            let now = store.snapshot(inbox).await.unwrap();
            assert_eq!(now.mod_seq, answered, "round {round}");
            assert_eq!(now, cold(&store, inbox).await, "round {round}");
            newest = answered;
        }
    });
}

#[test]
fn a_new_message_copies_one_block_of_a_large_mailbox() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 20 * BLOCK_UIDS as usize).await;
        let before = store.snapshot(inbox).await.unwrap();
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        store.change_flags(inbox, uids(&[(600, 600)]), add(Flags::SEEN), None).await.unwrap();
        let after = store.snapshot(inbox).await.unwrap();
        let blocks = after.messages.blocks().map(|(_, block)| block);
        let copied =
            blocks.filter(|block| before.messages.block_at(block.number()).is_none_or(|old| !Arc::ptr_eq(old, block)));
        assert_eq!(copied.map(|block| block.number()).collect::<Vec<_>>(), [1, 20]);
    });
}

#[test]
fn facts_are_read_and_kept_by_block() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 3_000).await;
        let all = store.facts(inbox, &UidSet::all()).await.unwrap();
        assert!(all.iter().map(|fact| fact.uid).eq(1..=3_000));
        // What is kept serves, although the rows are gone from under it, and new ones are added to it.
        store.accept(arrival("xy", vec![filing(inbox); 2])).await.unwrap();
        place.edit(|db| db.messages_remove(inbox, &[(1, 1_999)]).map(drop));
        let some = store.facts(inbox, &uids(&[(3, 3), (511, 513), (1_999, 2_001), (2_999, 9_999)])).await.unwrap();
        let found: Vec<_> = some.iter().map(|fact| (fact.uid, fact.size)).collect();
        let expected = [3, 511, 512, 513, 1_999, 2_000, 2_001, 2_999, 3_000].map(|uid| (uid, 1));
        assert_eq!(found, [&expected[..], &[(3_001, 2), (3_002, 2)]].concat());
        store.shared().facts.clear();
        assert_eq!(store.facts(inbox, &UidSet::all()).await.unwrap().len(), 1_003);
    });
}

/// Real threads: each sees its own change at once, whatever the others do, and all agree in the end.
#[test]
fn sessions_on_several_threads_agree() {
    run(|place| async move {
        let threads = crate::os::ThreadOptions { runners: 3, computers: 1, on_panic: Arc::new(|_, _| {}) };
        let threads = crate::os::Threads::start(threads).unwrap();
        let clock = Arc::new(crate::os::RealClock::new());
        let world = World { run: threads.spawner(), clock, ..place.world.clone() };
        let store = place.try_open(&world, place.options()).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
        fill(&store, inbox, 1_200).await;
        let (tell, told) = smol::channel::unbounded();
        for seed in 1..=4u64 {
            let (store, tell) = (store.clone(), tell.clone());
            let session = async move {
                let mut dice = Dice(seed);
                for _ in 0..60 {
                    if dice.below(4) == 0 {
                        store.shared().views.clear();
                    }
                    let filed = store.accept(arrival("x", vec![filing(inbox)])).await.unwrap().filed[0];
                    let seen = store.snapshot(inbox).await.unwrap();
                    // Unless another session took it away in between.
                    let there = seen.messages.find(filed.uid).is_some();
                    assert!(seen.mod_seq >= filed.mod_seq && (there || seen.mod_seq > filed.mod_seq));
                    change(&store, inbox, &mut dice).await;
                    let mine = uids(&[(filed.uid, filed.uid)]);
                    let gone = store.expunge(inbox, Expunge::Among(mine)).await.unwrap();
                    let seen = store.snapshot(inbox).await.unwrap();
                    assert!(seen.mod_seq >= gone.mod_seq && seen.messages.find(filed.uid).is_none());
                }
                tell.send(()).await.unwrap();
            };
            world.run.task("session", Box::pin(session)).detach();
        }
        drop(tell);
        for _ in 0..4 {
            told.recv().await.expect("a session ended early");
        }
        let last = store.snapshot(inbox).await.unwrap();
        assert_eq!(last, cold(&store, inbox).await);
        let facts = store.facts(inbox, &UidSet::all()).await.unwrap();
        assert!(facts.iter().map(|fact| fact.uid).eq(last.messages.uids()));
        store.close().await.unwrap();
        threads.stop(Duration::from_secs(20)).unwrap();
        let store = place.open().await;
        assert_eq!(store.snapshot(inbox).await.unwrap(), last);
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().total as usize, last.count());
        store.close().await.unwrap();
    });
}
