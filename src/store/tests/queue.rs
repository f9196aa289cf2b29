//! The queue's rows: due, begun, settled, controlled; attempts on record.

use super::*;

fn item(to: &[&str], due: i64) -> NewItem {
    let recipients = to.iter().map(|to| Recipient::new(address(to))).collect();
    NewItem {
        envelope: Envelope { reverse_path: Some(address("bob@example.net")), recipients, ..Envelope::default() },
        content: Content::from_octets(*b"queued"),
        submitter: None,
        created: Timestamp(1),
        due: Timestamp(due),
        expires: Timestamp(9_000),
    }
}

async fn put(store: &Store, item: NewItem) -> QueueId {
    store.accept(Acceptance { arrivals: vec![], items: vec![item] }).await.unwrap().queued[0]
}

fn result(at: i64, outcome: Outcome) -> AttemptResult {
    AttemptResult {
        at: Timestamp(at),
        outcome,
        host: "mx.example.org".to_owned(),
        code: 450,
        enhanced: Some(Enhanced::new(4, 2, 1)),
        text: "later\nplease".to_owned(),
        took: Duration::from_micros(1_234),
        tls: "TLSv1.3".to_owned(),
    }
}

fn settle(id: QueueId, index: u32, outcome: Outcome, next: Option<i64>) -> Settle {
    Settle { id, index, result: result(100, outcome), next: next.map(Timestamp) }
}

#[test]
fn an_item_comes_back_as_it_was_queued() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let mut new = item(&["a@x.org", "\"b c\"@y.org"], 50);
        new.envelope.recipients[1].notify = Notify::NEVER;
        new.envelope.recipients[1].original = Some("rfc822;b@z.org".to_owned());
        new.envelope.body = BodyKind::Binary;
        new.envelope.smtputf8 = true;
        new.envelope.envelope_id = Some("id".to_owned());
        new.envelope.returns = Some(Returns::Headers);
        new.envelope.size_declared = Some(77);
        new.submitter = Some(bob);
        let id = put(&store, new.clone()).await;
        store.close().await.unwrap();
        let store = place.open().await;
        let item = store.queue_item(id).await.unwrap().unwrap();
        let recipients: Vec<_> = item.recipients.iter().map(|r| r.recipient.clone()).collect();
        assert_eq!(recipients, new.envelope.recipients);
        assert_eq!(item.envelope, Envelope { recipients: vec![], ..new.envelope });
        assert_eq!((item.size, item.submitter, item.expires), (6, Some(bob), Timestamp(9_000)));
        assert_eq!(store.body(item.blob, 0, 10).await.unwrap(), b"queued");
        assert_eq!(store.queue_next_due(Timestamp(49)).await.unwrap(), Some(Timestamp(50)));
        assert_eq!(store.queue_next_due(Timestamp(50)).await.unwrap(), None);
        let nobody = Acceptance { arrivals: vec![], items: vec![self::item(&[], 1)] };
        assert_eq!(store.accept(nobody).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn what_is_due_comes_oldest_first() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let late = put(&store, item(&["a@x"], 300)).await;
        let early = put(&store, item(&["a@x", "b@x"], 100)).await;
        let middle = put(&store, item(&["a@x"], 200)).await;
        let due = async |now, limit| {
            store.queue_due(Timestamp(now), limit).await.unwrap().iter().map(|item| item.id).collect::<Vec<_>>()
        };
        assert_eq!(due(99, 10).await, []);
        assert_eq!(due(300, 10).await, [early, middle, late]);
        assert_eq!(due(300, 2).await, [early, middle]);
        store.queue_begin(vec![(early, 0), (early, 1)], Timestamp(1_000)).await.unwrap();
        assert_eq!(due(300, 10).await, [middle, late]);
        let begun = store.queue_item(early).await.unwrap().unwrap();
        assert!(begun.recipients.iter().all(|r| r.attempts == 1 && r.due == Timestamp(1_000)));
        assert_eq!(store.queue_list(late, 10).await.unwrap().len(), 2);
        assert_eq!(store.queue_list(QueueId(0), 2).await.unwrap().len(), 2);
    });
}

#[test]
fn an_item_is_finished_when_its_last_recipient_is() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let id = put(&store, item(&["a@x", "b@x"], 10)).await;
        let blob = store.queue_item(id).await.unwrap().unwrap().blob;
        let mut watch = store.watch_queue();
        let first = vec![settle(id, 0, Outcome::Delivered, None), settle(id, 1, Outcome::Deferred, Some(500))];
        store.queue_settle(first, Acceptance::default()).await.unwrap();
        watch.changed().await;
        let open = store.queue_item(id).await.unwrap().unwrap();
        assert_eq!(open.recipients[0].state, RecipientState::Delivered);
        assert_eq!((open.recipients[1].state, open.recipients[1].due), (RecipientState::Waiting, Timestamp(500)));
        assert_eq!(open.recipients[1].last, Some(result(100, Outcome::Deferred)));
        // A report that cannot be filed: nothing of it happens.
        let last = vec![settle(id, 1, Outcome::Failed, None)];
        let nowhere = arrival("report", vec![filing(MailboxId(99))]);
        assert_eq!(store.queue_settle(last.clone(), nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(store.queue_item(id).await.unwrap().is_some());
        let done = store.queue_settle(last, arrival("report", vec![filing(inbox)])).await.unwrap();
        assert_eq!(done.filed[0].uid, 1);
        assert_eq!(store.queue_item(id).await.unwrap(), None);
        let attempts = store.attempts(id).await.unwrap();
        let told: Vec<_> = attempts.iter().map(|(to, result)| (to.as_str(), result.outcome)).collect();
        assert_eq!(told, [("a@x", Outcome::Delivered), ("b@x", Outcome::Deferred), ("b@x", Outcome::Failed)]);
        assert_eq!(store.queue_next_due(Timestamp(0)).await.unwrap(), None);
        for _ in 0..2 {
            store.setting_put("x", None).await.unwrap();
        }
        assert_eq!(store.body(blob, 0, 1).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn the_host_holds_releases_retries_bounces_and_drops() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let id = put(&store, item(&["a@x"], 100)).await;
        let other = put(&store, item(&["a@x"], 400)).await;
        let due =
            async |now| store.queue_due(Timestamp(now), 10).await.unwrap().iter().map(|i| i.id).collect::<Vec<_>>();
        let control = async |id, action| store.queue_control(id, action, Timestamp(50)).await.map_err(|e| e.kind());
        assert_eq!(control(Some(id), QueueAction::Hold).await, Ok(1));
        assert_eq!(due(1_000).await, [other]);
        assert!(store.queue_item(id).await.unwrap().unwrap().held);
        let begin = store.queue_begin(vec![(other, 0), (id, 0)], Timestamp(700)).await;
        assert_eq!(begin.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.queue_item(other).await.unwrap().unwrap().recipients[0].attempts, 0);
        assert_eq!(control(Some(id), QueueAction::Release).await, Ok(1));
        assert_eq!(due(1_000).await, [id, other]);
        assert_eq!(control(None, QueueAction::Retry).await, Ok(2));
        assert_eq!(due(50).await, [id, other]);
        assert_eq!(control(Some(other), QueueAction::Bounce).await, Ok(1));
        assert_eq!(store.queue_item(other).await.unwrap().unwrap().expires, Timestamp(50));
        assert_eq!(control(Some(id), QueueAction::Drop).await, Ok(1));
        assert_eq!(control(Some(id), QueueAction::Drop).await, Err(ErrorKind::NotFound));
        assert_eq!(store.queue_item(id).await.unwrap(), None);
        // An attempt under way when the item was dropped is recorded all the same.
        store.queue_settle(vec![settle(id, 0, Outcome::Delivered, None)], Acceptance::default()).await.unwrap();
        assert_eq!(store.attempts(id).await.unwrap().len(), 1);
        let told = store.queue_delay_reported(other, Acceptance { arrivals: vec![], items: vec![item(&["c@x"], 1)] });
        assert_eq!(told.await.unwrap().queued.len(), 1);
        assert!(store.queue_item(other).await.unwrap().unwrap().delay_reported);
    });
}

#[test]
fn filing_and_queueing_are_said_after_the_commit() {
    #[derive(Default)]
    struct Told(Mutex<Vec<Event>>);
    impl EventSink for Told {
        fn say(&self, event: Event) {
            self.0.lock().unwrap().push(event);
        }
    }
    run(|place| async move {
        let told = Arc::new(Told::default());
        let store = Store::open(&place.world, StoreOptions { events: told.clone(), ..place.options() }).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.directory().account_by_id(bob).unwrap().inbox;
        let mut both = arrival("mail", vec![filing(inbox)]);
        let text = |text: &str| text.to_owned();
        let (from, peer, verdicts) = (text("c@d"), text("192.0.2.1:25"), text("spf=pass"));
        both.arrivals[0].origin = Origin { from, peer, verdicts, trace: text("1f") };
        let origin = both.arrivals[0].origin.clone();
        both.items.push(item(&["a@x", "b@x"], 1));
        let accepted = store.accept(both).await.unwrap();
        let mut refused = arrival("mail", vec![filing(inbox)]);
        refused.items.push(item(&[], 1));
        store.accept(refused).await.unwrap_err();
        let events = told.0.lock().unwrap().clone();
        let filed = Event::Filed {
            account: bob,
            address: "bob@example.net".to_owned(),
            mailbox: inbox,
            mailbox_name: "INBOX".to_owned(),
            uid: 1,
            size: 4,
            origin,
        };
        let queued = Event::Queued {
            id: accepted.queued[0],
            from: "bob@example.net".to_owned(),
            to: vec!["a@x".to_owned(), "b@x".to_owned()],
            size: 6,
        };
        assert_eq!(events, [filed, queued]);
    });
}
