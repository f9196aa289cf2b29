//! COPY, MOVE and EXPUNGE of many messages: in steps, and whole for everybody.

use smol::future::{poll_once, yield_now, zip};

use super::*;

/// Steps of this many messages.
const STEP: usize = 8;

/// Bob's store with `count` messages in INBOX, every third with a keyword, and another mailbox.
async fn with_many(place: &Place, count: usize) -> (Store, AccountId, MailboxId, MailboxId) {
    let (store, bob, inbox) = with_bob(place).await;
    store.set_step_messages(STEP);
    fill(&store, inbox, count).await;
    let other = store.mailbox_create(bob, "Other", None).await.unwrap().id;
    let change = FlagChange { keywords: vec!["k".into()], ..add(Flags::FLAGGED) };
    store.change_flags(inbox, (1..=count as Uid).step_by(3).collect(), change, None).await.unwrap();
    (store, bob, inbox, other)
}

/// UIDs of a mailbox now.
async fn seen(store: &Store, mailbox: MailboxId) -> Vec<Uid> {
    store.snapshot(mailbox).await.unwrap().messages.uids().collect()
}

/// Nothing is hidden any more, and the check finds nothing.
async fn sound(place: &Place, store: &Store) {
    idle(place, store).await;
    assert_eq!(check::checked(store).await.0, [""; 0]);
    assert_eq!(place.ask(|db| db.hidden_behind(0)), None);
}

/// The same, and after a restart; what is in memory is what is on disk.
async fn sound_again(place: &Place, store: Store, mailboxes: &[MailboxId]) {
    sound(place, &store).await;
    let mut before = Vec::new();
    for mailbox in mailboxes {
        before.push(store.snapshot(*mailbox).await.unwrap());
    }
    store.close().await.unwrap();
    let store = place.open().await;
    for (mailbox, before) in mailboxes.iter().zip(before) {
        assert_eq!(store.snapshot(*mailbox).await.unwrap(), before);
        assert_eq!(store.facts(*mailbox, &UidSet::all()).await.unwrap().len(), before.count());
    }
    sound(place, &store).await;
    store.close().await.unwrap();
}

#[test]
fn a_copy_of_many_is_seen_whole_or_not_at_all() {
    run(|place| async move {
        let (store, bob, inbox, other) = with_many(&place, 100).await;
        fill(&store, other, 2).await;
        let before = store.shared().log.commits.load(Ordering::SeqCst);
        let mut copy = Box::pin(store.copy(inbox, UidSet::all(), other));
        let copied = loop {
            if let Some(copied) = poll_once(&mut copy).await {
                break copied.unwrap();
            }
            store.shared().views.clear();
            let count = seen(&store, other).await.len();
            assert!(count == 2 || count == 102, "{count}");
            yield_now().await;
        };
        drop(copy);
        assert_eq!((copied.from, copied.to), ((1..=100).collect(), (3..=102).collect()));
        if place.memory.is_none() {
            let commits = store.shared().log.commits.load(Ordering::SeqCst) - before;
            assert!(commits >= 100 / STEP as u64, "{commits}");
        }
        let snapshot = store.snapshot(other).await.unwrap();
        assert!(snapshot.messages.iter().skip(2).all(|message| message.mod_seq == snapshot.mod_seq));
        let of = |place| model::names(snapshot.messages.get(place).unwrap().flags, &snapshot.keywords);
        assert_eq!(of(2), ["\\Flagged", "k"].map(str::to_owned).into());
        assert!(of(3).is_empty());
        assert_eq!(store.account_octets(bob).await.unwrap(), 202);
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn new_messages_overtake_a_copy_and_uids_rise() {
    run(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 60).await;
        let (mut highest, mut filed) = (0, 0);
        let mut copy = Box::pin(store.copy(inbox, UidSet::all(), other));
        let copied = loop {
            if let Some(copied) = poll_once(&mut copy).await {
                break copied.unwrap();
            }
            if filed < 40 {
                let accepted = store.accept(arrival("y", vec![filing(other)])).await.unwrap();
                let uid = accepted.filed[0].uid;
                let known = seen(&store, other).await;
                // Nothing is ever seen below what was seen before.
                assert!(uid > highest && known.iter().all(|known| *known <= uid), "{uid} {known:?}");
                (highest, filed) = (uid, filed + 1);
            }
            yield_now().await;
        };
        drop(copy);
        assert_eq!(copied.to.len(), 60);
        assert!(copied.to.is_sorted());
        let all = seen(&store, other).await;
        assert_eq!(all.len(), 60 + filed);
        assert!(copied.to.iter().all(|uid| all.binary_search(uid).is_ok()));
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn a_move_takes_what_is_there_at_its_end() {
    run(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 50).await;
        let hold = store.hold(inbox);
        let moving = store.move_messages(inbox, uids(&[(1, 50)]), other);
        let meanwhile = async {
            let gone = store.expunge(inbox, Expunge::Among(uids(&[(7, 9), (50, 50)]))).await.unwrap();
            let flagged = store.change_flags(inbox, uids(&[(20, 20)]), add(Flags::ANSWERED), None).await.unwrap();
            store.accept(arrival("late", vec![filing(inbox)])).await.unwrap();
            (gone.uids, flagged.changed)
        };
        let (moved, (gone, flagged)) = zip(moving, meanwhile).await;
        let moved = moved.unwrap();
        assert_eq!((gone, flagged), (vec![7, 8, 9, 50], vec![20]));
        assert_eq!(moved.from, (1..50).filter(|uid| !(7..=9).contains(uid)).collect::<Vec<_>>());
        assert_eq!(seen(&store, inbox).await, [51]);
        let there = store.snapshot(other).await.unwrap();
        assert_eq!(there.messages.uids().collect::<Vec<_>>(), moved.to);
        let answered = there.messages.iter().find(|message| message.flags.contains(Flags::ANSWERED)).unwrap();
        assert_eq!(moved.from[moved.to.iter().position(|uid| *uid == answered.uid).unwrap()], 20);
        assert_eq!(store.vanished(inbox, 0).await.unwrap(), uids(&[(1, 50)]).iter().collect());
        // Somebody was not told yet.
        assert_eq!(store.facts(inbox, &UidSet::all()).await.unwrap().len(), 51);
        drop(hold);
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn a_move_within_one_mailbox_and_into_a_new_one() {
    run(|place| async move {
        let (store, bob, inbox, _) = with_many(&place, 40).await;
        let moved = store.move_messages(inbox, uids(&[(1, 30)]), inbox).await.unwrap();
        assert_eq!(moved.to, (41..=70).collect::<Vec<_>>());
        assert_eq!(seen(&store, inbox).await, (31..=70).collect::<Vec<_>>());
        // RENAME of INBOX takes what comes meanwhile.
        let rename = store.mailbox_rename(bob, "INBOX", "Old/Mail");
        let arrivals = async {
            for _ in 0..20 {
                store.accept(arrival("new", vec![filing(inbox)])).await.unwrap();
            }
        };
        zip(rename, arrivals).await.0.unwrap();
        let made = store.mailbox(bob, "Old/Mail").await.unwrap().unwrap();
        assert!(store.mailbox(bob, "Old").await.unwrap().is_some());
        let left = seen(&store, inbox).await.len();
        assert_eq!(seen(&store, made.id).await.len() + left, 60);
        assert!(made.total >= 40 && made.uid_next > made.total);
        let taken = store.mailbox_rename(bob, "INBOX", "Old/Mail").await;
        assert_eq!(taken.unwrap_err().kind(), ErrorKind::Exists);
        sound_again(&place, store, &[inbox, made.id]).await;
    });
}

#[test]
fn what_a_copy_given_up_has_written_is_removed() {
    run(|place| async move {
        let (store, bob, inbox, other) = with_many(&place, 60).await;
        let mut copy = Box::pin(store.copy(inbox, UidSet::all(), other));
        while place.ask(|db| Ok(db.facts(other, &[(1, Uid::MAX)])?.len())) < 3 * STEP {
            assert!(poll_once(&mut copy).await.is_none());
            yield_now().await;
        }
        assert_eq!(check::checked(&store).await.0, [""; 0]);
        drop(copy);
        sound(&place, &store).await;
        assert!(place.ask(|db| db.facts(other, &[(1, Uid::MAX)])).is_empty());
        // Its UIDs are free again.
        let accepted = store.accept(arrival("z", vec![filing(other)])).await.unwrap();
        assert_eq!(accepted.filed[0].uid, 1);
        // Nor is anything left of one whose destination or source goes meanwhile.
        for goes in ["Other", "Source"] {
            let source = store.mailbox_create(bob, "Source", None).await.unwrap().id;
            let other = store.mailbox(bob, "Other").await.unwrap();
            let other = match other {
                Some(other) => other.id,
                None => store.mailbox_create(bob, "Other", None).await.unwrap().id,
            };
            store.copy(inbox, UidSet::all(), source).await.unwrap();
            let (copied, deleted) =
                zip(store.copy(source, UidSet::all(), other), store.mailbox_delete(bob, goes)).await;
            deleted.unwrap();
            assert_eq!(copied.unwrap_err().kind(), ErrorKind::NotFound);
            if goes == "Other" {
                store.mailbox_delete(bob, "Source").await.unwrap();
            }
            sound(&place, &store).await;
        }
        sound_again(&place, store, &[inbox]).await;
    });
}

#[test]
fn other_programs_see_no_hidden_message() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 700).await;
        let shown = |mailbox: MailboxId| {
            let sql = "SELECT count(*), sum(flags & 8 = 8) FROM message WHERE mailbox = ?1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.unwrap_or(0)));
            place.sqlite().query_row(sql, [mailbox.0], row).unwrap()
        };
        let facts = |mailbox: MailboxId| place.ask(|db| Ok(db.facts(mailbox, &[(1, Uid::MAX)])?.len() as i64));
        let mut copy = Box::pin(store.copy(inbox, UidSet::all(), other));
        while facts(other) < 300 {
            assert!(poll_once(&mut copy).await.is_none());
            yield_now().await;
        }
        assert_eq!(shown(other), (0, 0));
        copy.await.unwrap();
        assert_eq!(shown(other), (700, 234));
        // Nothing is removed while a stretch is held.
        let holder = hidden::Stretch::of(&store);
        let number = holder.number();
        store.write(0, move |tx| hidden::begin(tx, number, other, 1, 650)).await.unwrap();
        store.expunge(inbox, Expunge::Among(uids(&[(2, 600)]))).await.unwrap();
        assert_eq!((shown(inbox), shown(other)), ((101, 35), (700, 234)));
        drop(holder);
        idle(&place, &store).await;
        assert_eq!((facts(inbox), facts(other)), (101, 700));
    });
}

#[test]
fn what_a_copy_left_is_removed_after_a_restart() {
    run(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 40).await;
        let fact = store.facts(inbox, &uids(&[(1, 1)])).await.unwrap()[0];
        store.close().await.unwrap();
        // As if it had ended between two steps of a COPY, and of one into a mailbox not made yet.
        place.edit(|db| {
            for mailbox in [other, db.mailbox_reserve()?] {
                db.hide(mailbox, 1, 100)?;
                write::stage(db, mailbox, 1, &[fact; 30])?;
            }
            Ok(())
        });
        let store = place.open().await;
        assert!(seen(&store, other).await.is_empty());
        store.accept(arrival("z", vec![filing(other)])).await.unwrap();
        assert_eq!(seen(&store, other).await.len(), 1);
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn an_expunge_of_many_is_one_commit_and_its_bodies_go_behind_it() {
    run(|place| async move {
        let (store, bob, inbox, _) = with_many(&place, 700).await;
        let blobs = bodies_of(&store, inbox).await;
        let mut hold = store.hold(inbox);
        let expunged = store.expunge(inbox, Expunge::Among((1..=600).step_by(2).collect())).await.unwrap();
        assert_eq!(expunged.uids.len(), 300);
        assert_eq!(store.account_octets(bob).await.unwrap(), 400);
        store.shared().views.clear();
        assert_eq!(seen(&store, inbox).await.len(), 400);
        assert_eq!(store.facts(inbox, &UidSet::all()).await.unwrap().len(), 700);
        idle(&place, &store).await;
        assert_eq!(store.body(blobs[0], 0, 9).await.unwrap(), b"x");
        hold.knows(store.snapshot(inbox).await.unwrap().expunges);
        sound(&place, &store).await;
        assert_eq!(place.ask(|db| db.body_size(blobs[0])), None);
        // The whole of it, and again what comes then.
        store.expunge(inbox, Expunge::Among(UidSet::all())).await.unwrap();
        store.accept(arrival("z", vec![filing(inbox)])).await.unwrap();
        store.shared().views.clear();
        assert_eq!(seen(&store, inbox).await, [701]);
        drop(hold);
        sound(&place, &store).await;
        nothing_left(&place, &[], &blobs);
        sound_again(&place, store, &[inbox]).await;
    });
}

#[test]
fn a_few_are_expunged_among_many_that_are_hidden() {
    run(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 40).await;
        let known = store.snapshot(inbox).await.unwrap();
        let which = Expunge::Among((2..=40).step_by(2).collect());
        // In one commit: what is hidden is still there.
        let many = store.write(0, move |tx| expunge::expunge(tx, &known, &which, &[], STEP));
        let few = store.expunge(inbox, Expunge::Among(uids(&[(1, 1), (3, 3), (5, 5)])));
        let moved = store.move_messages(inbox, uids(&[(6, 10)]), other);
        let ((many, few), moved) = zip(zip(many, few), moved).await;
        assert_eq!((many.unwrap().uids.len(), few.unwrap().uids.len()), (20, 3));
        assert_eq!(moved.unwrap().from, [7, 9]);
        assert_eq!(seen(&store, inbox).await, (11..40).step_by(2).collect::<Vec<_>>());
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn a_quota_and_a_full_list_of_keywords_refuse_a_copy_of_many_whole() {
    run(|place| async move {
        let (store, bob, inbox, other) = with_many(&place, 60).await;
        store.account_quota(bob, Some(110)).await.unwrap();
        let refused = store.copy(inbox, UidSet::all(), other).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Quota);
        // Within the account a MOVE needs no room.
        store.move_messages(inbox, uids(&[(1, 20)]), other).await.unwrap();
        store.account_quota(bob, None).await.unwrap();
        let names: Vec<String> = (0..Flags::KEYWORDS_MAX - 1).map(|n| format!("w{n}")).collect();
        let change = FlagChange { keywords: names, ..add(Flags::NONE) };
        store.change_flags(other, UidSet::all(), change, None).await.unwrap();
        let change = FlagChange { keywords: vec!["one more".into()], ..add(Flags::NONE) };
        store.change_flags(inbox, uids(&[(60, 60)]), change, None).await.unwrap();
        let refused = store.copy(inbox, UidSet::all(), other).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limit);
        assert_eq!(seen(&store, other).await.len(), 20);
        sound_again(&place, store, &[inbox, other]).await;
    });
}

#[test]
fn two_copies_into_one_mailbox_follow_each_other() {
    run(|place| async move {
        let (store, _, inbox, other) = with_many(&place, 60).await;
        let (first, second) =
            zip(store.copy(inbox, UidSet::all(), other), store.move_messages(inbox, UidSet::all(), other)).await;
        let (first, second) = (first.unwrap(), second.unwrap());
        assert!(first.to.last() < second.to.first());
        assert_eq!(seen(&store, other).await, [first.to, second.to].concat());
        assert!(seen(&store, inbox).await.is_empty());
        sound_again(&place, store, &[inbox, other]).await;
    });
}

/// Doubling a mailbox by COPY comes to an end.
#[test]
fn an_account_has_so_many_messages() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        store.set_account_messages_max(10);
        store.set_step_messages(STEP);
        fill(&store, inbox, 4).await;
        let kept = store.mailbox_create(bob, "Kept", None).await.unwrap().id;
        store.copy(inbox, UidSet::all(), inbox).await.unwrap();
        let refused = async |outcome: crate::base::Result<Copied>| {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Quota);
            assert_eq!(store.snapshot(inbox).await.unwrap().count(), 8);
        };
        refused(store.copy(inbox, UidSet::all(), inbox).await).await;
        refused(store.copy(inbox, UidSet::all(), kept).await).await;
        // In one commit as well.
        store.set_step_messages(100);
        refused(store.copy(inbox, uids(&[(1, 3)]), kept).await).await;
        store.copy(inbox, uids(&[(1, 1)]), kept).await.unwrap();
        store.move_messages(inbox, uids(&[(2, 3)]), kept).await.unwrap();
        store.accept(arrival("x", vec![filing(kept)])).await.unwrap();
        let full = store.accept(arrival("x", vec![filing(inbox)])).await;
        assert_eq!(full.unwrap_err().kind(), ErrorKind::Quota);
        // What goes makes room, also where the count is read anew.
        store.expunge(kept, Expunge::Among(uids(&[(1, 1)]))).await.unwrap();
        store.close().await.unwrap();
        let store = place.open().await;
        store.set_account_messages_max(10);
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        assert_eq!(store.accept(arrival("x", vec![filing(inbox)])).await.unwrap_err().kind(), ErrorKind::Quota);
        store.mailbox_delete(bob, "Kept").await.unwrap();
        store.accept(arrival("x", vec![filing(inbox), filing(inbox)])).await.unwrap();
    });
}
