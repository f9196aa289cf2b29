//! Messages: in, read, flagged, copied, moved, expunged.

use super::*;

fn flags_of(snapshot: &Snapshot) -> Vec<Flags> {
    snapshot.messages.iter().map(|message| message.flags).collect()
}

#[test]
fn a_message_is_filed_and_read_back() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let meta = BlobMeta {
            header_octets: 10,
            envelope: b"(NIL)".to_vec(),
            subject: "hello".to_owned(),
            sent: Timestamp(77),
            ..BlobMeta::default()
        };
        let content = Content {
            prefix: b"Received: here\r\n".to_vec(),
            body: Body::Memory(Arc::new(b"Subject: hello\r\n\r\nbody\r\n".to_vec())),
        };
        let arrival = Arrival {
            content: content.clone(),
            meta: meta.clone(),
            filings: vec![Filing { flags: Flags::SEEN, keywords: vec!["$Forwarded".to_owned()], ..filing(inbox) }],
            origin: Origin::default(),
        };
        let mut watch = store.watch(inbox);
        let accepted =
            store.accept(Acceptance { arrivals: vec![arrival], items: vec![], ..Acceptance::default() }).await.unwrap();
        watch.changed().await;
        assert_eq!(accepted.filed.len(), 1);
        assert_eq!((accepted.filed[0].uid, accepted.filed[0].mod_seq), (1, 2));
        let snapshot = store.snapshot(inbox).await.unwrap();
        assert_eq!(
            (snapshot.uid_next, snapshot.mod_seq, snapshot.uid_validity),
            (2, 2, accepted.filed[0].uid_validity)
        );
        assert_eq!(*snapshot.keywords, ["$Forwarded"]);
        assert_eq!(flags_of(&snapshot), [Flags::SEEN | Flags::keyword(0)]);
        let facts = store.facts(inbox, &UidSet::all()).await.unwrap();
        let size = content.len();
        assert_eq!((facts[0].uid, facts[0].internal_date, facts[0].size), (1, Timestamp(5_000), size));
        let blob = facts[0].blob;
        let whole = content.to_vec().unwrap();
        assert_eq!(store.body(blob, 0, 1_000).await.unwrap(), whole);
        assert_eq!(store.body(blob, 10, 5).await.unwrap(), &whole[10..15]);
        assert_eq!(store.body(blob, size, 5).await.unwrap(), b"");
        assert_eq!(store.bodies(vec![blob, BlobId(99)], 1_000).await.unwrap(), [Some(whole), None]);
        assert_eq!(store.metas(vec![blob, BlobId(99)]).await.unwrap(), [Some(meta), None]);
        assert_eq!(store.body(BlobId(99), 0, 5).await.unwrap_err().kind(), ErrorKind::NotFound);
        let info = store.mailbox(bob, "inbox").await.unwrap().unwrap();
        assert_eq!((info.total, info.unseen, info.deleted, info.octets), (1, 0, 0, size));
        assert_eq!(store.account_octets(bob).await.unwrap(), size);
        store.close().await.unwrap();
    });
}

#[test]
fn many_messages_are_read_at_once() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        for n in 0..6 {
            let mut acceptance = arrival(&format!("Subject: {n}\r\n\r\nbody {n}"), vec![filing(inbox)]);
            let meta = &mut acceptance.arrivals[0].meta;
            (meta.header_octets, meta.envelope, meta.from) = (n, vec![b'e'; n as usize], format!("f{n}"));
            store.accept(acceptance).await.unwrap();
        }
        let blobs: Vec<_> = store.facts(inbox, &UidSet::all()).await.unwrap().iter().map(|fact| fact.blob).collect();
        let all = store.metas(blobs.clone()).await.unwrap();
        assert!(all.iter().enumerate().all(|(n, m)| m.as_ref().is_some_and(|m| m.from == format!("f{n}"))));
        let columns = MetaColumns { envelope: true, ..MetaColumns::default() };
        for of in [
            blobs.clone(),
            vec![blobs[4], blobs[0], blobs[5]],
            vec![BlobId(0), blobs[0], blobs[2], BlobId(1_000)],
            vec![blobs[5], BlobId(blobs[5].0 + 1), BlobId(blobs[5].0 + 2)],
        ] {
            let some = store.metas_of(of.clone(), columns).await.unwrap();
            let pieces = store.pieces(of.iter().map(|blob| (*blob, 9, 3)).collect()).await.unwrap();
            assert_eq!((some.len(), pieces.len()), (of.len(), of.len()));
            for ((blob, meta), piece) in of.iter().zip(some).zip(pieces) {
                let Some(n) = blobs.iter().position(|b| b == blob) else {
                    assert_eq!((meta, piece), (None, None));
                    continue;
                };
                let meta = meta.unwrap();
                assert_eq!((meta.header_octets as usize, meta.envelope.len(), meta.from.as_str()), (n, n, ""));
                assert_eq!(piece, Some(format!("{n}\r\n").into_bytes()));
            }
        }
        let ends = vec![(blobs[1], 18, 100), (blobs[1], 20, 100), (blobs[1], 1_000, 1)];
        assert_eq!(store.pieces(ends).await.unwrap(), [Some(b" 1".to_vec()), Some(vec![]), Some(vec![])]);
        store.close().await.unwrap();
    });
}

#[test]
fn a_large_body_goes_through_a_scratch_file() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let octets: Vec<u8> = (0..3_000_000u32).flat_map(|n| (n as u16).to_le_bytes()).collect();
        let disk = place.world.disk.clone();
        // The body in memory has no folder of its own.
        disk.make_dir(&store.scratch_folder()).unwrap();
        let mut spool = crate::base::content::Spool::new(disk, store.scratch_folder(), 10_000_000);
        octets.chunks(BODY_IN_MEMORY_OCTETS_MAX / 3).for_each(|piece| spool.push(piece).unwrap());
        let mut content = spool.finish();
        assert!(matches!(content.body, Body::File(..)));
        content.prefix = b"X: y\r\n".to_vec();
        let whole = content.to_vec().unwrap();
        let filings = vec![filing(inbox)];
        let arrival = Arrival { content, meta: BlobMeta::default(), filings, origin: Origin::default() };
        let acceptance = Acceptance { arrivals: vec![arrival], items: vec![], ..Acceptance::default() };
        store.accept(acceptance).await.unwrap();
        let blob = store.facts(inbox, &UidSet::all()).await.unwrap()[0].blob;
        let mut read = Vec::new();
        loop {
            let piece = store.body(blob, read.len() as u64, 60_000).await.unwrap();
            if piece.is_empty() {
                break;
            }
            read.extend(piece);
        }
        assert!(read == whole);
        // Too large for what was allowed: none, so that the caller reads it in pieces.
        assert!(store.bodies(vec![blob], 1_000_000).await.unwrap().is_empty());
    });
}

#[test]
fn flags_change_and_are_told_apart() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 5).await;
        let before = store.snapshot(inbox).await.unwrap();
        let done = store.change_flags(inbox, uids(&[(2, 4)]), add(Flags::SEEN), None).await.unwrap();
        assert_eq!((done.changed.as_slice(), done.mod_seq), ([2, 3, 4].as_slice(), before.mod_seq + 1));
        // The same again changes nothing.
        let again = store.change_flags(inbox, uids(&[(2, 3)]), add(Flags::SEEN), None).await.unwrap();
        assert_eq!((again.changed.len(), again.mod_seq), (0, done.mod_seq));
        // One changed since: left alone and named.
        let change = FlagChange { how: FlagHow::Replace, flags: Flags::DELETED, keywords: vec!["Work".to_owned()] };
        let third = store.change_flags(inbox, UidSet::all(), change, Some(before.mod_seq)).await.unwrap();
        assert_eq!((third.changed.as_slice(), third.modified.as_slice()), ([1, 5].as_slice(), [2, 3, 4].as_slice()));
        let snapshot = store.snapshot(inbox).await.unwrap();
        let work = Flags::keyword(0);
        let (marked, seen) = (Flags::DELETED | work, Flags::SEEN);
        assert_eq!(flags_of(&snapshot), [marked, seen, seen, seen, marked]);
        // A snapshot taken earlier stays what it was.
        assert_eq!(flags_of(&before), [Flags::NONE; 5]);
        let info = store.mailbox(bob, "INBOX").await.unwrap().unwrap();
        assert_eq!((info.unseen, info.deleted, info.mod_seq), (2, 2, third.mod_seq));
        // Removing an unknown keyword makes none.
        let change = FlagChange { how: FlagHow::Remove, flags: Flags::NONE, keywords: vec!["Other".to_owned()] };
        let none = store.change_flags(inbox, UidSet::all(), change, None).await.unwrap();
        assert!(none.changed.is_empty());
        assert_eq!(*store.snapshot(inbox).await.unwrap().keywords, ["Work"]);
    });
}

#[test]
fn a_store_of_many_messages_goes_in_steps_and_others_come_in_between() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 7).await;
        store.set_store_step_messages(3);
        let before = store.snapshot(inbox).await.unwrap();
        let done = store.change_flags(inbox, UidSet::all(), add(Flags::SEEN), None).await.unwrap();
        assert_eq!(done.changed, [1, 2, 3, 4, 5, 6, 7]);
        let seqs = [1, 2, 3].map(|step| before.mod_seq + step);
        assert_eq!(
            (done.steps.as_slice(), done.mod_seq),
            ([(3, seqs[0]), (6, seqs[1]), (7, seqs[2])].as_slice(), seqs[2])
        );
        let after = store.snapshot(inbox).await.unwrap();
        assert!(after.messages.iter().all(|message| done.mod_seq_of(message.uid) == Some(message.mod_seq)));
        assert_eq!((after.mod_seq, done.mod_seq_of(8)), (done.mod_seq, None));
        // What changed since is judged for each message, whatever the steps before did.
        let change = FlagChange { keywords: vec!["Work".to_owned()], ..add(Flags::FLAGGED) };
        let some = store.change_flags(inbox, UidSet::all(), change, Some(seqs[0])).await.unwrap();
        assert_eq!(
            (some.changed.as_slice(), some.modified.as_slice()),
            ([1, 2, 3].as_slice(), [4, 5, 6, 7].as_slice())
        );
        let info = store.mailbox(bob, "INBOX").await.unwrap().unwrap();
        assert_eq!((info.unseen, info.total, info.mod_seq), (0, 7, some.mod_seq));
        // Who has one thing to do does not wait for all steps.
        store.set_store_step_messages(1);
        let many = async {
            store.change_flags(inbox, UidSet::all(), add(Flags::DRAFT), None).await.unwrap();
            "STORE"
        };
        let one = async {
            store.accept(arrival("new", vec![filing(inbox)])).await.unwrap();
            "a message"
        };
        assert_eq!(smol::future::or(many, one).await, "a message");
        assert_eq!(super::check::checked(&store).await.0, [""; 0]);
    });
}

#[test]
fn a_mailbox_has_room_for_58_keywords() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 1).await;
        let names = |n: usize| (0..n).map(|i| format!("k{i}")).collect::<Vec<_>>();
        for (count, full) in [(57, false), (58, false), (59, true)] {
            let change = FlagChange { how: FlagHow::Add, flags: Flags::NONE, keywords: names(count) };
            let done = store.change_flags(inbox, UidSet::all(), change, None).await;
            assert_eq!(done.map_err(|e| e.kind()).err(), full.then_some(ErrorKind::Limit), "{count}");
        }
        // Nowhere is there room while all are in use, and nothing is done.
        let marked = Filing { keywords: vec!["k99".to_owned()], ..filing(inbox) };
        let trash = store.mailbox(bob, "Trash").await.unwrap().unwrap().id;
        store.accept(arrival("x", vec![Filing { mailbox: trash, ..marked.clone() }])).await.unwrap();
        let filed = store.accept(arrival("x", vec![marked.clone()])).await.unwrap_err();
        let copied = store.copy(trash, UidSet::all(), inbox).await.unwrap_err();
        let moved = store.move_messages(trash, UidSet::all(), inbox).await.unwrap_err();
        assert_eq!([filed.kind(), copied.kind(), moved.kind()], [ErrorKind::Limit; 3]);
        let before = store.snapshot(inbox).await.unwrap();
        assert_eq!((store.snapshot(trash).await.unwrap().count(), before.count()), (1, 1));
        assert_eq!((before.keywords.len(), flags_of(&before)[0].0.count_ones()), (58, 58));
        store.close().await.unwrap();
        let store = place.open().await;
        assert_eq!(store.snapshot(inbox).await.unwrap(), before);
        // Those that no message has make room for others.
        let remove = FlagChange { how: FlagHow::Remove, flags: Flags::NONE, keywords: names(4) };
        store.change_flags(inbox, UidSet::all(), remove, None).await.unwrap();
        let other = FlagChange { how: FlagHow::Add, flags: Flags::NONE, keywords: vec!["k3".into(), "new".into()] };
        let changed = store.change_flags(inbox, UidSet::all(), other, None).await.unwrap();
        assert_eq!(changed.flags, Flags::keyword(0) | Flags::keyword(3));
        store.accept(arrival("x", vec![marked])).await.unwrap();
        store.copy(trash, UidSet::all(), inbox).await.unwrap();
        let now = store.snapshot(inbox).await.unwrap();
        assert_eq!(now.keywords[..4], ["new", "k99", "k2", "k3"]);
        assert_eq!(flags_of(&now)[1..], [Flags::keyword(1); 2]);
        store.close().await.unwrap();
        assert_eq!(place.open().await.snapshot(inbox).await.unwrap(), now);
    });
}

#[test]
fn expunge_takes_what_it_should() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 6).await;
        store.change_flags(inbox, uids(&[(2, 3), (5, 5)]), add(Flags::DELETED), None).await.unwrap();
        let before = store.snapshot(inbox).await.unwrap();
        let among = store.expunge(inbox, Expunge::DeletedAmong(uids(&[(1, 2)]))).await.unwrap();
        assert_eq!((among.uids.as_slice(), among.mod_seq), ([2].as_slice(), before.mod_seq + 1));
        let deleted = store.expunge(inbox, Expunge::Deleted).await.unwrap();
        assert_eq!(deleted.uids, [3, 5]);
        let whatever = store.expunge(inbox, Expunge::Among(uids(&[(6, 9)]))).await.unwrap();
        assert_eq!(whatever.uids, [6]);
        assert!(store.expunge(inbox, Expunge::Deleted).await.unwrap().uids.is_empty());
        let after = store.snapshot(inbox).await.unwrap();
        assert!(after.messages.uids().eq([1, 4]) && after.uid_next == 7);
        assert!(after.expunges > before.expunges && before.count() == 6);
        assert_eq!(store.vanished(inbox, among.mod_seq).await.unwrap().to_string(), "3,5:6");
        assert_eq!(store.vanished(inbox, before.mod_seq).await.unwrap().to_string(), "2:3,5:6");
        let info = store.mailbox(bob, "INBOX").await.unwrap().unwrap();
        assert_eq!((info.total, info.deleted, info.octets), (2, 0, 2));
        assert_eq!(store.facts(inbox, &UidSet::all()).await.unwrap().len(), 2);
    });
}

#[test]
fn copies_share_their_body_until_the_last_goes() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let archive = store.mailbox(bob, "Archive").await.unwrap().unwrap().id;
        let both = arrival("shared", vec![filing(inbox), filing(archive)]);
        store.accept(both).await.unwrap();
        let change = FlagChange { how: FlagHow::Add, flags: Flags::FLAGGED, keywords: vec!["A".into(), "B".into()] };
        store.change_flags(inbox, UidSet::all(), change, None).await.unwrap();
        let only_b = FlagChange { how: FlagHow::Add, flags: Flags::NONE, keywords: vec!["B".to_owned()] };
        store.change_flags(archive, UidSet::all(), only_b, None).await.unwrap();
        let copied = store.copy(inbox, UidSet::all(), archive).await.unwrap();
        assert_eq!((copied.from.as_slice(), copied.to.as_slice()), ([1].as_slice(), [2].as_slice()));
        let there = store.snapshot(archive).await.unwrap();
        assert_eq!(*there.keywords, ["B", "A"]);
        assert_eq!(flags_of(&there)[1], Flags::FLAGGED | Flags::keyword(0) | Flags::keyword(1));
        let blob = store.facts(archive, &uids(&[(2, 2)])).await.unwrap()[0].blob;
        assert_eq!(store.account_octets(bob).await.unwrap(), 18);
        for (mailbox, which) in [(inbox, (1, 1)), (archive, (2, 2)), (archive, (1, 1))] {
            assert_eq!(store.body(blob, 0, 10).await.unwrap(), b"shared");
            store.expunge(mailbox, Expunge::Among(uids(&[which]))).await.unwrap();
        }
        idle(&place, &store).await;
        assert_eq!(store.body(blob, 0, 10).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.account_octets(bob).await.unwrap(), 0);
        nothing_left(&place, &[inbox, archive], &[blob]);
    });
}

#[test]
fn moved_messages_keep_body_and_date() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let trash = store.mailbox(bob, "Trash").await.unwrap().unwrap().id;
        fill(&store, inbox, 3).await;
        let before = store.facts(inbox, &UidSet::all()).await.unwrap();
        let moved = store.move_messages(inbox, uids(&[(1, 1), (3, 3)]), trash).await.unwrap();
        assert_eq!((moved.from.as_slice(), moved.to.as_slice()), ([1, 3].as_slice(), [1, 2].as_slice()));
        assert!(store.snapshot(inbox).await.unwrap().messages.uids().eq([2]));
        let after = store.facts(trash, &UidSet::all()).await.unwrap();
        assert_eq!((after[1].blob, after[1].internal_date), (before[2].blob, before[2].internal_date));
        // Within one mailbox it only gives new UIDs.
        let within = store.move_messages(trash, uids(&[(1, 1)]), trash).await.unwrap();
        assert_eq!((within.from.as_slice(), within.to.as_slice()), ([1].as_slice(), [3].as_slice()));
        assert!(store.snapshot(trash).await.unwrap().messages.uids().eq([2, 3]));
        assert_eq!(store.body(before[0].blob, 0, 1).await.unwrap(), b"x");
        assert_eq!(store.account_octets(bob).await.unwrap(), 3);
        // To nowhere: nothing is done.
        let nowhere = store.move_messages(trash, UidSet::all(), MailboxId(999)).await.unwrap_err();
        assert_eq!(nowhere.kind(), ErrorKind::NotFound);
        assert!(store.snapshot(trash).await.unwrap().messages.uids().eq([2, 3]));
    });
}

#[test]
fn a_quota_is_kept() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        store.account_quota(bob, Some(10)).await.unwrap();
        store.accept(arrival("12345", vec![filing(inbox)])).await.unwrap();
        for (text, fits) in [("123456", false), ("12345", true), ("1", false)] {
            let done = store.accept(arrival(text, vec![filing(inbox)])).await;
            assert_eq!(done.map_err(|e| e.kind()).err(), (!fits).then_some(ErrorKind::Quota), "{text}");
        }
        let archive = store.mailbox(bob, "Archive").await.unwrap().unwrap().id;
        assert_eq!(store.copy(inbox, uids(&[(1, 1)]), archive).await.unwrap_err().kind(), ErrorKind::Quota);
        store.move_messages(inbox, uids(&[(1, 1)]), archive).await.unwrap();
        assert_eq!(store.account_octets(bob).await.unwrap(), 10);
        store.account_quota(bob, None).await.unwrap();
        store.copy(inbox, UidSet::all(), archive).await.unwrap();
        // All or none, for two accounts.
        let eve = store.account_put(&address("eve@example.net"), None).await.unwrap();
        store.account_quota(eve, Some(1)).await.unwrap();
        let eves = store.account_by_id(eve).await.unwrap().unwrap().inbox;
        let both = store.accept(arrival("xx", vec![filing(inbox), filing(eves)])).await;
        assert_eq!(both.unwrap_err().kind(), ErrorKind::Quota);
        assert_eq!(store.account_octets(bob).await.unwrap(), 15);
        assert_eq!(store.account_octets(eve).await.unwrap(), 0);
    });
}

#[test]
fn many_at_once_share_commits_and_all_is_there() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let mut tasks = Vec::new();
        for n in 0..300u32 {
            let store = store.clone();
            tasks.push(place.small.executor.spawn(async move {
                store.accept(arrival(&format!("m{n}"), vec![filing(inbox)])).await.map(|a| (n, a.filed[0].uid))
            }));
        }
        let mut seen = BTreeMap::new();
        for task in tasks {
            let (n, uid) = task.await.unwrap();
            assert!(seen.insert(uid, n).is_none());
        }
        for fact in store.facts(inbox, &UidSet::all()).await.unwrap() {
            let n = seen[&fact.uid];
            assert_eq!(store.body(fact.blob, 0, 10).await.unwrap(), format!("m{n}").as_bytes());
        }
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().total, 300);
    });
}

#[test]
fn other_programs_read_mail_through_the_view() {
    run_on_sqlite(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        fill(&store, inbox, 1_300).await;
        for (set, flags) in [
            (uids(&[(1, 1_300)]), Flags::SEEN),
            (uids(&[(3, 600)]), Flags::FLAGGED | Flags::DRAFT),
            (uids(&[(700, 700)]), Flags::ANSWERED | Flags::DELETED),
        ] {
            store.change_flags(inbox, set, add(flags), None).await.unwrap();
        }
        store.expunge(inbox, Expunge::Among(uids(&[(10, 20)]))).await.unwrap();
        fill(&store, inbox, 3).await;
        let snapshot = store.snapshot(inbox).await.unwrap();
        let db = place.sqlite();
        let mut select = db.prepare("SELECT uid, flags FROM message WHERE mailbox = ?1 ORDER BY uid").unwrap();
        let rows = select.query_map([inbox.0], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, i64>(1)? as u64)));
        let rows: Vec<_> = rows.unwrap().map(std::result::Result::unwrap).collect();
        let expected: Vec<_> = snapshot.messages.iter().map(|message| (message.uid, message.flags.0)).collect();
        assert_eq!(rows, expected);
    });
}

#[test]
fn words_of_long_headers_are_read_apart() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        fill(&store, inbox, 3).await;
        let words = store.words(inbox, &uids(&[(2, 2)])).await.unwrap();
        // All of a usual mailbox, to be kept.
        assert_eq!(words.last(), 3);
        let long = store.mailbox_create(bob, "Long", None).await.unwrap().id;
        let from = "a".repeat(WORDS_OCTETS_MAX / 20);
        for _ in 0..21 {
            let mut acceptance = arrival("x", vec![filing(long)]);
            acceptance.arrivals.iter_mut().for_each(|arrival| arrival.meta.from = from.clone());
            store.accept(acceptance).await.unwrap();
        }
        for uid in [1, 20, 3] {
            let words = store.words(long, &uids(&[(uid, uid)])).await.unwrap();
            assert_eq!(words.get(uid).unwrap().field(WordField::From).len(), from.len());
            assert!(words.get(2).is_none() && words.last() == uid, "{uid}");
        }
    });
}
