//! The queue's rows: due, begun, settled, controlled; attempts on record.

use super::*;
use crate::base::limits::PRIORITY_STEP_MILLISECONDS;
use crate::base::terms::Terms;

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
    store.accept(Acceptance { arrivals: vec![], items: vec![item], ..Acceptance::default() }).await.unwrap().queued[0]
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
        policy: String::new(),
    }
}

/// Rows by domain, as `delivery::route` has them without a smart host.
struct ByDomain;

impl Router for ByDomain {
    fn destination(&self, _: &Directory<'_>, to: &Address) -> String {
        to.domain().key()
    }
}

fn want(destination: &str, items_max: usize) -> Want {
    Want { destination: destination.to_owned(), items_max, recipients_max: 100, skip: vec![], counts: true }
}

/// What is claimed at a destination; leases end a thousand later.
async fn take(store: &Store, want: Want, now: i64) -> Taken {
    let lease = move |_| Timestamp(now + 1_000);
    store.queue_take(vec![want], Timestamp(now), lease).await.unwrap().remove(0)
}

fn ids(taken: &Taken) -> Vec<QueueId> {
    taken.claims.iter().map(|claim| claim.id).collect()
}

fn done(settled: Settled) -> Accepted {
    match settled {
        Settled::Done { accepted, .. } => accepted,
        other => panic!("{other:?}"),
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
        let nobody = Acceptance { arrivals: vec![], items: vec![self::item(&[], 1)], ..Acceptance::default() };
        assert_eq!(store.accept(nobody).await.unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn what_is_due_is_claimed_by_destination_oldest_first() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let late = put(&store, item(&["a@x"], 300)).await;
        let early = put(&store, item(&["a@x", "c@y", "b@x"], 100)).await;
        let middle = put(&store, item(&["a@x"], 200)).await;
        let news = store.queue_news();
        assert_eq!(
            news.due.into_iter().map(|(key, due)| (key, due.0)).collect::<Vec<_>>(),
            [("x".to_owned(), 100), ("y".to_owned(), 100)]
        );
        let destinations = async |after: Option<&str>| {
            let found = store.queue_destinations(after.map(str::to_owned), 10).await.unwrap();
            found.into_iter().map(|(key, due)| (key, due.0)).collect::<Vec<_>>()
        };
        assert_eq!(destinations(None).await, [("x".to_owned(), 100), ("y".to_owned(), 100)]);
        assert_eq!(destinations(Some("x")).await, [("y".to_owned(), 100)]);
        let none = take(&store, want("x", 10), 99).await;
        assert_eq!((ids(&none), none.next), (vec![], Some(Timestamp(100))));
        let first = take(&store, want("x", 1), 250).await;
        let claim = Claim { id: early, places: vec![0, 2], due: Timestamp(100), attempts: 0, more: false };
        assert_eq!((first.claims, first.next), (vec![claim.clone()], Some(Timestamp(200))));
        // A claim is a lease: the rows are due again when it ends, and count an attempt.
        let begun = store.queue_item(early).await.unwrap().unwrap();
        let rows: Vec<_> = begun.recipients.iter().map(|r| (r.attempts, r.due.0)).collect();
        assert_eq!(rows, [(1, 1_250), (0, 100), (1, 1_250)]);
        let part = store.queue_claimed(early, vec![2]).await.unwrap().unwrap();
        assert_eq!(part.recipients, begun.recipients[2..]);
        assert_eq!(ids(&take(&store, want("x", 10), 300).await), [middle, late]);
        assert_eq!(ids(&take(&store, want("x", 10), 1_249).await), []);
        let skip = Want { skip: vec![early, late], ..want("x", 10) };
        assert_eq!(ids(&take(&store, skip, 2_000).await), [middle]);
        // Given back, it is as it was.
        store.queue_put_back(vec![claim]).await.unwrap();
        let back = store.queue_item(early).await.unwrap().unwrap();
        assert!(back.recipients.iter().all(|r| r.attempts == 0 && r.due == Timestamp(100)));
        assert_eq!(ids(&take(&store, want("y", 10), 300).await), [early]);
        assert_eq!(store.queue_list(late, 10).await.unwrap().len(), 2);
        assert_eq!(store.queue_list(QueueId(0), 2).await.unwrap().len(), 2);
    });
}

#[test]
fn higher_priorities_go_first_and_none_waits_for_ever() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        const STEP: i64 = PRIORITY_STEP_MILLISECONDS;
        let with = |priority: i8, due: i64| {
            let item = item(&["a@x", "b@x"], due);
            let terms = Terms { priority: Some(priority), ..Terms::default() };
            NewItem { envelope: Envelope { terms, ..item.envelope }, expires: Timestamp(i64::MAX), ..item }
        };
        let usual = put(&store, with(0, 100)).await;
        let low = put(&store, with(-1, 50)).await;
        let high = put(&store, with(2, 300)).await;
        let higher = put(&store, with(9, 400)).await;
        // Due for so long that a step of priority does not overtake it.
        let late = 2 * STEP + 500;
        let fresh = put(&store, with(1, late)).await;
        let kept = store.queue_item(higher).await.unwrap().unwrap();
        assert_eq!(kept.envelope.terms.priority, Some(9));
        let mut order = Vec::new();
        for _ in 0..5 {
            let taken = take(&store, want("x", 1), late).await;
            assert_eq!(taken.claims[0].places, [0, 1]);
            order.extend(ids(&taken));
        }
        assert_eq!(order, [higher, high, usual, low, fresh]);
        assert!(take(&store, want("x", 1), late).await.claims.is_empty());
    });
}

#[test]
fn a_message_of_many_recipients_is_claimed_in_parts() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let big = put(&store, item(&["a@x", "b@x", "c@x", "d@x", "e@x"], 100)).await;
        let small = put(&store, item(&["a@x"], 200)).await;
        let want = |skip| Want { recipients_max: 2, skip, ..want("x", 10) };
        let first = take(&store, want(vec![]), 300).await;
        assert_eq!(
            first.claims.iter().map(|c| (c.id, c.places.clone(), c.more)).collect::<Vec<_>>(),
            [(big, vec![0, 1], true)]
        );
        // The next part waits for the first.
        assert_eq!(ids(&take(&store, want(vec![big]), 300).await), [small]);
        let second = take(&store, want(vec![]), 300).await;
        assert_eq!((second.claims[0].places.as_slice(), second.claims[0].more), ([2, 3].as_slice(), true));
        let third = take(&store, want(vec![]), 300).await;
        assert_eq!((third.claims[0].places.as_slice(), third.claims[0].more), ([4].as_slice(), false));
    });
}

#[test]
fn a_lease_ends_when_its_message_does() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let short = NewItem { expires: Timestamp(400_000), ..item(&["a@x"], 100) };
        let id = put(&store, short).await;
        let due = async || store.queue_item(id).await.unwrap().unwrap().recipients[0].due.0;
        let lease = |_| Timestamp(9_000_000);
        store.queue_take(vec![want("x", 1)], Timestamp(100), lease).await.unwrap();
        assert_eq!(due().await, 400_000);
        // Expired already: not due at once all the same.
        store.queue_take(vec![want("x", 1)], Timestamp(500_000), lease).await.unwrap();
        assert_eq!(due().await, 560_000);
    });
}

#[test]
fn what_a_dead_host_keeps_waiting_is_put_off_together() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let tried = put(&store, item(&["a@x"], 1)).await;
        let settled =
            store.queue_settle(7, vec![settle(tried, 0, Outcome::Deferred, Some(5_000))], Acceptance::default());
        let Settled::Done { attempt, .. } = settled.await.unwrap() else { panic!("not settled") };
        let young = put(&store, NewItem { created: Timestamp(150), ..item(&["a@x", "b@x"], 100) }).await;
        let old = put(&store, item(&["a@x"], 100)).await;
        let over =
            put(&store, NewItem { created: Timestamp(150), expires: Timestamp(200), ..item(&["a@x"], 100) }).await;
        let under_way = put(&store, item(&["a@x"], 100)).await;
        let off = PutOff {
            destination: "x".to_owned(),
            items_max: 10,
            skip: vec![under_way],
            attempt,
            due: Timestamp(3_000),
            delay_report_after: Some(Duration::from_millis(100)),
        };
        let told = store.queue_put_off(off.clone(), Timestamp(200), |_| Timestamp(7_000)).await.unwrap();
        assert_eq!((ids(&told), told.next), (vec![old, over], Some(Timestamp(250))));
        // Put off to the time of its delay report, no attempt counted; why is known.
        for recipient in store.queue_item(young).await.unwrap().unwrap().recipients {
            assert_eq!((recipient.due, recipient.attempts), (Timestamp(250), 0));
            assert_eq!(recipient.last, Some(result(100, Outcome::Deferred)));
        }
        let off = PutOff { delay_report_after: None, ..off };
        let told = store.queue_put_off(off, Timestamp(250), |_| Timestamp(7_000)).await.unwrap();
        assert_eq!((ids(&told), told.next), (vec![], Some(Timestamp(3_000))));
    });
}

#[test]
fn rows_are_routed_anew() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let id = put(&store, item(&["a@x", "b@y", "c@x"], 100)).await;
        assert_eq!(store.queue_news().due.into_keys().collect::<Vec<_>>(), [""]);
        store.queue_route_by(Arc::new(ByDomain));
        assert_eq!(store.queue_reroute(String::new(), 2).await.unwrap(), 2);
        assert_eq!(store.queue_reroute(String::new(), 2).await.unwrap(), 1);
        assert_eq!(store.queue_news().due.into_keys().collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(take(&store, want("x", 10), 100).await.claims[0].places, [0, 2]);
        // One that comes out as it was is given up: a walk through the rows of a name ends.
        assert_eq!(store.queue_reroute("y".to_owned(), 10).await.unwrap(), 1);
        assert_eq!(take(&store, want(GIVEN_UP, 10), 100).await.claims[0].places, [1]);
        // Recipients of a claim whose route has changed: no attempt is counted.
        store.queue_reroute_places(id, vec![0], Timestamp(80)).await.unwrap();
        let row = store.queue_item(id).await.unwrap().unwrap().recipients[0].clone();
        assert_eq!((row.attempts, row.due), (0, Timestamp(80)));
    });
}

#[test]
fn times_of_a_wrong_clock_are_judged_anew() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let year = 365 * 86_400_000;
        let wrong = NewItem { created: Timestamp(year), expires: Timestamp(2 * year), ..item(&["a@x"], year) };
        let (wrong, right) = (put(&store, wrong).await, put(&store, item(&["a@x"], 900)).await);
        store.queue_news();
        let (pause, life) = (Duration::from_secs(1), Duration::from_secs(10));
        assert_eq!(store.queue_judge_anew(Timestamp(500), pause, life).await.unwrap(), 1);
        assert_eq!(store.queue_news().due.into_iter().collect::<Vec<_>>(), [("x".to_owned(), Timestamp(500))]);
        let judged = store.queue_item(wrong).await.unwrap().unwrap();
        assert_eq!((judged.created.0, judged.expires.0, judged.recipients[0].due.0), (500, 10_500, 500));
        assert_eq!(store.queue_item(right).await.unwrap().unwrap().recipients[0].due, Timestamp(900));
        assert_eq!(store.queue_expired(Timestamp(10_499), 10).await.unwrap(), [right]);
        assert_eq!(store.queue_expired(Timestamp(10_500), 10).await.unwrap(), [right, wrong]);
        store.queue_give_up(vec![wrong], Timestamp(10_600)).await.unwrap();
        assert_eq!(store.queue_expired(Timestamp(10_500), 10).await.unwrap(), [right]);
        assert_eq!(ids(&take(&store, want(GIVEN_UP, 10), 10_600).await), [wrong]);
    });
}

#[test]
fn a_settlement_is_known_by_its_number() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let id = put(&store, item(&["a@x", "b@x"], 10)).await;
        let again = || (vec![settle(id, 0, Outcome::Failed, None)], arrival("report", vec![filing(inbox)]));
        for n in [1, 0] {
            let (settled, report) = again();
            assert_eq!(done(store.queue_settle(42, settled, report).await.unwrap()).filed.len(), n);
        }
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 1);
        assert_eq!(store.attempts(id).await.unwrap().len(), 1);
        // Also when the item is finished.
        for _ in 0..2 {
            let last = vec![settle(id, 1, Outcome::Delivered, None)];
            done(store.queue_settle(43, last, Acceptance::default()).await.unwrap());
        }
        assert_eq!((store.queue_item(id).await.unwrap(), store.attempts(id).await.unwrap().len()), (None, 2));
    });
}

#[test]
fn the_host_wins_over_an_attempt_under_way() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let control = async |id, action| store.queue_control(Some(id), action, Timestamp(50)).await.unwrap();
        let report = || arrival("report", vec![filing(inbox)]);
        let dropped = put(&store, item(&["a@x"], 10)).await;
        control(dropped, QueueAction::Drop).await;
        let failed = vec![settle(dropped, 0, Outcome::Failed, None)];
        assert_eq!(store.queue_settle(1, failed, report()).await.unwrap(), Settled::Dropped);
        assert_eq!(store.attempts(dropped).await.unwrap().len(), 1);
        let held = put(&store, item(&["a@x"], 10)).await;
        control(held, QueueAction::Hold).await;
        let failed = vec![settle(held, 0, Outcome::Failed, None)];
        assert_eq!(store.queue_settle(2, failed, report()).await.unwrap(), Settled::Held);
        assert_eq!(store.attempts(held).await.unwrap().len(), 0);
        let deferred = vec![settle(held, 0, Outcome::Deferred, Some(60))];
        done(store.queue_settle(2, deferred, Acceptance::default()).await.unwrap());
        assert!(store.queue_item(held).await.unwrap().unwrap().held);
        assert_eq!(store.snapshot(inbox).await.unwrap().messages.len(), 0);
        let given_up = put(&store, item(&["a@x"], 10)).await;
        control(given_up, QueueAction::Bounce).await;
        let deferred = vec![settle(given_up, 0, Outcome::Deferred, Some(9_000))];
        done(store.queue_settle(3, deferred, Acceptance::default()).await.unwrap());
        assert_eq!(ids(&take(&store, want(GIVEN_UP, 10), 50).await), [given_up]);
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
        store.queue_settle(1, first, Acceptance::default()).await.unwrap();
        watch.changed().await;
        let open = store.queue_item(id).await.unwrap().unwrap();
        assert_eq!(open.recipients[0].state, RecipientState::Delivered);
        assert_eq!((open.recipients[1].state, open.recipients[1].due), (RecipientState::Waiting, Timestamp(500)));
        assert_eq!(open.recipients[1].last, Some(result(100, Outcome::Deferred)));
        // A report that cannot be filed: nothing of it happens.
        let last = vec![settle(id, 1, Outcome::Failed, None)];
        let nowhere = arrival("report", vec![filing(MailboxId(99))]);
        assert_eq!(store.queue_settle(2, last.clone(), nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(store.queue_item(id).await.unwrap().is_some());
        let settled = store.queue_settle(2, last, arrival("report", vec![filing(inbox)])).await.unwrap();
        assert_eq!(done(settled).filed[0].uid, 1);
        assert_eq!(store.queue_item(id).await.unwrap(), None);
        let attempts = store.attempts(id).await.unwrap();
        let told: Vec<_> = attempts.iter().map(|(to, result)| (to.as_str(), result.outcome)).collect();
        assert_eq!(told, [("a@x", Outcome::Delivered), ("b@x", Outcome::Deferred), ("b@x", Outcome::Failed)]);
        assert_eq!(store.queue_destinations(None, 10).await.unwrap(), []);
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
        store.queue_route_by(Arc::new(ByDomain));
        let id = put(&store, item(&["a@x"], 100)).await;
        let other = put(&store, item(&["a@x"], 400)).await;
        let due = async |now| {
            let claimed = take(&store, want("x", 10), now).await;
            let ids = ids(&claimed);
            store.queue_put_back(claimed.claims).await.unwrap();
            ids
        };
        let control = async |id, action| store.queue_control(id, action, Timestamp(50)).await.map_err(|e| e.kind());
        assert_eq!(control(Some(id), QueueAction::Hold).await, Ok(1));
        assert_eq!(due(1_000).await, [other]);
        assert!(store.queue_item(id).await.unwrap().unwrap().held);
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
        store.queue_settle(3, vec![settle(id, 0, Outcome::Delivered, None)], Acceptance::default()).await.unwrap();
        assert_eq!(store.attempts(id).await.unwrap().len(), 1);
        let told = store.queue_delay_reported(
            other,
            Acceptance { arrivals: vec![], items: vec![item(&["c@x"], 1)], ..Acceptance::default() },
        );
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
        let store =
            place.try_open(&place.world, StoreOptions { events: told.clone(), ..place.options() }).await.unwrap();
        let bob = store.account_put(&address("bob@example.net"), None).await.unwrap();
        let inbox = store.account_by_id(bob).await.unwrap().unwrap().inbox;
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

#[test]
fn a_submission_is_taken_once_under_its_key() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let key = |key: &str| Notes { submit_key: Some(key.to_owned()), ..Notes::default() };
        let mail = || Acceptance { items: vec![item(&["a@x"], 1)], ..Acceptance::default() };
        let first = store.accept_noting(mail(), key("one")).await.unwrap();
        let again = store.accept_noting(mail(), key("one")).await.unwrap();
        let other = store.accept_noting(mail(), key("two")).await.unwrap();
        assert_eq!(first.queued, again.queued);
        assert_ne!(first.queued, other.queued);
        assert_eq!(store.queue_list(QueueId(0), 10).await.unwrap().len(), 2);
        // Nothing was to be queued: the key is known all the same.
        assert_eq!(store.accept_noting(Acceptance::default(), key("three")).await.unwrap().queued, []);
        assert_eq!(store.accept_noting(mail(), key("three")).await.unwrap().queued, []);
    });
}

#[test]
fn what_is_kept_for_outgoing_mail() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let row = |domain: &str, expires| StsRow {
            domain: domain.to_owned(),
            id: "1".to_owned(),
            policy: "version: STSv1".to_owned(),
            fetched: Timestamp(1),
            used: Timestamp(2),
            expires: Timestamp(expires),
        };
        for domain in ["b.test", "a.test", "b.test"] {
            store.sts_put(row(domain, 10)).await.unwrap();
        }
        store.sts_put(row("c.test", 20)).await.unwrap();
        assert_eq!(store.sts_row("a.test".to_owned()).await.unwrap(), Some(row("a.test", 10)));
        let domains = async |after: &str, limit| {
            let rows = store.sts_rows(after.to_owned(), limit).await.unwrap();
            rows.into_iter().map(|row| row.domain).collect::<Vec<_>>()
        };
        assert_eq!(domains("", 2).await, ["a.test", "b.test"]);
        assert_eq!(domains("b.test", 9).await, ["c.test"]);
        store.sts_forget(Timestamp(10)).await.unwrap();
        assert_eq!(domains("", 9).await, ["c.test"]);
        let paused = |destination: &str| Paused {
            destination: destination.to_owned(),
            since: Timestamp(7),
            reason: "why".to_owned(),
        };
        assert!(!store.queue_is_paused("x"));
        store.destination_pause(paused("x")).await.unwrap();
        store.destination_pause(paused("x")).await.unwrap();
        assert!(store.queue_is_paused("x"));
        assert_eq!(store.destinations_paused().await.unwrap(), [paused("x")]);
        store.destination_resume("x".to_owned()).await.unwrap();
        assert!(!store.queue_is_paused("x"));
        let gone = store.destination_resume("x".to_owned()).await;
        assert_eq!(gone.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
    });
}

#[test]
fn many_are_controlled_by_what_fits() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        store.queue_route_by(Arc::new(ByDomain));
        let first = put(&store, item(&["a@x", "b@y"], 100)).await;
        let second = put(&store, item(&["c@y"], 100)).await;
        let all = store.queue_list(QueueId(0), 10).await.unwrap();
        let fits = |filter: QueueFilter| {
            let fitting = all.iter().filter(|item| filter.fits(item));
            fitting.map(|item| item.id).collect::<Vec<_>>()
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(fits(QueueFilter::default()), [first, second]);
        assert_eq!(fits(QueueFilter { to: text("a@x"), ..QueueFilter::default() }), [first]);
        assert_eq!(fits(QueueFilter { domain: text("y"), ..QueueFilter::default() }), [first, second]);
        assert_eq!(fits(QueueFilter { from: text("bob@example.net"), held: Some(true), ..QueueFilter::default() }), []);
        assert_eq!(fits(QueueFilter { from: text(""), ..QueueFilter::default() }), []);
        assert_eq!(fits(QueueFilter { id: Some(second), ..QueueFilter::default() }), [second]);
        let some = vec![first, QueueId(999)];
        let at = QueueAction::Expire(Timestamp(60));
        assert_eq!(store.queue_control_some(some, at, Timestamp(50)).await.unwrap(), 1);
        let item = store.queue_item(first).await.unwrap().unwrap();
        assert_eq!((item.expires, item.recipients[0].due), (Timestamp(60), Timestamp(60)));
        let rows = store.destinations(None, 9).await.unwrap();
        let rows: Vec<_> = rows.iter().map(|row| (row.destination.as_str(), row.waiting, row.due)).collect();
        assert_eq!(rows, [("x", 1, Timestamp(60)), ("y", 2, Timestamp(60))]);
        assert_eq!(store.destinations(Some("x".to_owned()), 9).await.unwrap().len(), 1);
    });
}
