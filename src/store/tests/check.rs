//! The check: nothing where all is well, a sentence for each kind of disagreement.

use super::disk::{read, write};
use super::faults::break_down;
use super::*;

/// All that a check finds, and how many steps it took.
pub async fn checked(store: &Store) -> (Vec<String>, usize) {
    let mut check = store.check().unwrap();
    let (mut found, mut steps, mut done) = (Vec::new(), 0, 0);
    loop {
        let step = check.step().await.unwrap();
        assert!(step.done >= done && step.done <= step.total, "{} after {done}, of {}", step.done, step.total);
        done = step.done;
        found.extend(step.found);
        steps += 1;
        if step.over {
            assert_eq!(done, step.total);
            return (found, steps);
        }
    }
}

/// Some of everything: several mailboxes, copies, flags, keywords, expunges, a queue, aliases.
async fn populated(place: &Place) -> Store {
    let (store, bob, inbox) = with_bob(place).await;
    store.domain_put("example.net").await.unwrap();
    store.alias_put("info@example.net", &address("bob@example.net")).await.unwrap();
    fill(&store, inbox, 1500).await;
    let other = store.mailbox_create(bob, "Other/deep", None).await.unwrap().id;
    store.copy(inbox, uids(&[(5, 30)]), other).await.unwrap();
    let change = FlagChange { how: FlagHow::Add, flags: Flags::SEEN, keywords: vec!["urgent".to_owned()] };
    store.change_flags(inbox, uids(&[(1, 700), (1200, 1210)]), change, None).await.unwrap();
    store.change_flags(inbox, uids(&[(3, 3), (1300, 1300)]), add(Flags::DELETED), None).await.unwrap();
    store.expunge(inbox, Expunge::Among(uids(&[(100, 110), (1400, 1400)]))).await.unwrap();
    store.move_messages(inbox, uids(&[(7, 8)]), other).await.unwrap();
    let envelope = Envelope {
        reverse_path: Some(address("bob@example.net")),
        recipients: vec![Recipient::new(address("x@example.com"))],
        ..Envelope::default()
    };
    let item = NewItem {
        envelope,
        content: Content::from_octets("queued"),
        submitter: None,
        created: Timestamp(1),
        expires: Timestamp(9),
        due: Timestamp(1),
    };
    store.accept(Acceptance { arrivals: Vec::new(), items: vec![item], ..Acceptance::default() }).await.unwrap();
    store
}

#[test]
fn a_sound_store_gives_not_one_sentence() {
    run(|place| async move {
        let store = populated(&place).await;
        let (found, steps) = checked(&store).await;
        assert_eq!(found, [""; 0]);
        assert!(steps > 30 || place.memory.is_some() || place.on_server(), "{steps} steps are not bounded ones");
        store.close().await.unwrap();
        let store = place.open().await;
        assert_eq!(checked(&store).await.0, [""; 0]);
        // One at a time; trouble of the disk ends it.
        let mut check = store.check().unwrap();
        assert_eq!(store.check().err().unwrap().kind(), ErrorKind::Busy);
        check.step().await.unwrap();
        break_down(&store).await;
        while store.setting_put("x", None).await.is_err() {
            smol::future::yield_now().await;
        }
        assert_eq!(check.step().await.unwrap_err().kind(), ErrorKind::Interrupted);
        drop(check);
        assert_eq!(checked(&store).await.0, [""; 0]);
    });
}

#[test]
fn each_kind_of_disagreement_is_told() {
    // What is planted, and a part of what is said of it.
    let planted: &[(&str, &str)] = &[
        ("UPDATE mailbox SET total = total + 1 WHERE name = 'INBOX'", "messages, there are"),
        ("UPDATE mailbox SET unseen = 0 WHERE name = 'INBOX'", "without \\Seen, there are"),
        ("UPDATE mailbox SET deleted = 9 WHERE name = 'INBOX'", "with \\Deleted, there are"),
        ("UPDATE mailbox SET octets = octets + 1 WHERE name = 'INBOX'", "octets, there are"),
        ("UPDATE account SET octets = octets - 1", "octets, its mailboxes have"),
        ("UPDATE account SET inbox = 99", "its INBOX, mailbox 99, is not there"),
        ("UPDATE account SET address_key = 'else@example.net'", "stands under else@example.net"),
        ("UPDATE account SET address = 'no address'", "cannot be read"),
        ("UPDATE alias SET target = 'nowhere'", "which is no address"),
        ("UPDATE mailbox SET account = 77 WHERE name = 'Other/deep'", "belongs to account 77"),
        ("UPDATE mailbox SET uidvalidity = 1", "have the same UIDVALIDITY"),
        ("UPDATE store_meta SET value = 0 WHERE name = 'uidvalidity'", "highest given out is said to be 0"),
        ("UPDATE mailbox SET uidnext = 1490 WHERE name = 'INBOX'", "the next one is to be 1490"),
        ("UPDATE mailbox SET modseq = 2 WHERE name = 'INBOX'", "the highest is 2"),
        ("DELETE FROM mailbox WHERE name = 'Other/deep'", "there are messages of mailbox"),
        ("DELETE FROM keyword", "has a keyword that the mailbox does not"),
        ("INSERT INTO keyword VALUES (99, 6, 'x')", "there are keywords of mailbox 99"),
        ("INSERT INTO keyword SELECT id, 64, 'x' FROM mailbox WHERE name = 'INBOX'", "has bit 64"),
        ("INSERT INTO vanished VALUES (99, 1, x'0101')", "there are expunges of mailbox 99"),
        ("INSERT INTO state VALUES (99 << 32, 1, 1, x'0001', x'0102')", "there are blocks of mailbox 99"),
        ("INSERT INTO subscription VALUES (99, 'x')", "there are subscriptions of account 99"),
        ("DELETE FROM fact WHERE uid = 50", "is not there, and its block says it is"),
        ("DELETE FROM fact WHERE uid < 512", "describes messages, and none of them is there"),
        ("DELETE FROM state WHERE id & 4294967295 = 1", "is there, and its block does not say so"),
        ("UPDATE state SET width = 3", "block 0 cannot be read"),
        ("UPDATE state SET modseq = modseq + 1", "modification sequences up to"),
        (
            "INSERT INTO fact SELECT mailbox, 105, internaldate, size, blob, flags0, modseq0 FROM fact WHERE uid = 50",
            "message 105 is there and was expunged",
        ),
        ("UPDATE vanished SET uids = x'80'", "cannot be read"),
        ("UPDATE fact SET size = size + 1 WHERE uid = 9", "octets, its body has"),
        ("UPDATE fact SET blob = 99999 WHERE uid = 900", "has no body: 99999"),
        ("DELETE FROM blob_meta WHERE blob = 20", "has a body that is not described"),
        (
            "INSERT INTO blob_meta SELECT 99999, header_octets, sent, subject, sender, recipients, copies, message_id,
            msg_references, envelope, structure, parts FROM blob_meta LIMIT 1",
            "is described and not there",
        ),
        ("UPDATE blob SET size = size + 1 WHERE id = 40", "octets and has"),
        ("INSERT INTO blob VALUES (99999, 1, x'00')", "is used by nothing"),
        ("DELETE FROM refs WHERE blob = (SELECT min(blob) FROM refs)", "is used 2 times, noted are"),
        ("UPDATE refs SET n = 7 WHERE blob = (SELECT min(blob) FROM refs)", "noted are 7"),
        ("INSERT INTO refs VALUES (99999, 2)", "body 99999 has 2 uses noted, and is not there"),
        ("INSERT INTO dead(blobs) VALUES (x'28')", "is used and waits to be removed"),
        ("INSERT INTO dead(blobs) VALUES (x'80')", "list of bodies to be removed cannot be read"),
        ("INSERT INTO dead(blobs) VALUES (x'bf843d')", "waits to be removed and is not there"),
        ("UPDATE queue_item SET blob = 99999", "has no body: 99999"),
        ("UPDATE queue_item SET size = 1", "says 1 octets, its body has 6"),
        ("UPDATE queue_recipient SET state = 1", "has no recipient that waits"),
        ("DELETE FROM queue_item", "recipients of queued message"),
        ("UPDATE queue_item SET held = 1", "is held 1, a recipient of it 0"),
        ("UPDATE queue_recipient SET address = 'broken'", "cannot be read"),
        ("INSERT INTO dmarc_policy VALUES (1, 'example.org', 'v=DMARC1', 3, 0)", "counts 3 rows, there are 0"),
    ];
    run_on_sqlite(|place| async move {
        let store = populated(&place).await;
        while !store.write(0, |tx| Ok(tx.db.dead_behind(0)?.is_none())).await.unwrap() {
            smol::future::yield_now().await;
        }
        place.sqlite().execute("VACUUM INTO ?1", [place.folder.join("sound.db").to_str().unwrap()]).unwrap();
        for (sql, said) in planted {
            let before = place.sqlite();
            before.execute_batch("BEGIN").unwrap();
            before.execute_batch(sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
            before.execute_batch("COMMIT").unwrap();
            let (found, _) = checked(&store).await;
            assert!(found.iter().any(|text| text.contains(said)), "{sql}: {found:?}");
            // Back to the sound file.
            drop(before);
            restore(&place);
        }
    });
}

#[test]
fn damage_that_sqlite_cannot_read_is_told() {
    run_on_sqlite(|place| async move {
        let store = populated(&place).await;
        store.close().await.unwrap();
        let db = place.sqlite();
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as usize;
        let (root, size) =
            (number("SELECT rootpage FROM sqlite_schema WHERE name = 'blob_meta'"), number("PRAGMA page_size"));
        drop(db);
        let path = place.folder.join("mail.db");
        let mut octets = read(&path).unwrap();
        octets[(root - 1) * size..root * size].fill(0xa5);
        write(&path, &octets);
        let store = place.open().await;
        let (found, _) = checked(&store).await;
        assert!(found.iter().any(|text| text.contains("table blob_meta")), "{found:?}");
        assert!(found.iter().any(|text| text.starts_with("the check cannot go on: ")), "{found:?}");
    });
}

/// Puts the rows back that the test changed, from a copy made at first.
fn restore(place: &Place) {
    let db = place.sqlite();
    let sound = place.folder.join("sound.db");
    db.execute("ATTACH ?1 AS sound", [sound.to_str().unwrap()]).unwrap();
    let names: Vec<String> = db
        .prepare("SELECT name FROM sound.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<rusqlite::Result<_>>()
        .unwrap();
    db.execute_batch("BEGIN").unwrap();
    for name in names {
        db.execute_batch(&format!("DELETE FROM main.{name}; INSERT INTO main.{name} SELECT * FROM sound.{name}"))
            .unwrap();
    }
    db.execute_batch("COMMIT; DETACH sound").unwrap();
}
