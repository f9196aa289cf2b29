//! The queue at work on the real store, in a simulated world: retries to the second, reports, filing, control.

#[macro_use]
extern crate mailcore_watchdog;

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::envelope::{BodyKind, Notify};
use mailcore::base::event::{Event, EventSink, Outcome};
use mailcore::base::terms::{DeliverBy, Terms, TlsTerm, When};
use mailcore::base::world::{Record, Task};
use mailcore::base::{Address, Content, Envelope, ErrorKind, QueueId, Recipient, Settings, Timestamp, World};
use mailcore::dsn::{self, Action};
use mailcore::queue::{Context, control, runner, schedule};
use mailcore::store::{Acceptance, NewItem, Store, StoreOptions};
use mailcore_tests::disk;
use mailcore_tests::peers::Seen;
use mailcore_tests::world::{Host, Sim};
use rusqlite::{Connection, OpenFlags};

const TEXT: &str = "Subject: greetings\r\nMessage-ID: <1@example.org>\r\n\r\nhello\r\n";
const MINUTE: u64 = 60;
const HOUR: u64 = 3600;

/// Events with the second they were said at.
struct Diary {
    world: World,
    begun: Timestamp,
    lines: Mutex<Vec<String>>,
}

impl EventSink for Diary {
    fn say(&self, event: Event) {
        let second = self.world.clock.wall().seconds() - self.begun.seconds();
        let line = match event {
            Event::Attempted { recipient, outcome, host, code, enhanced, text, .. } => {
                format!("{second} {recipient} {outcome:?} {code} {enhanced} {host} {text}")
            }
            Event::Store { text, .. } => format!("{second} {text}"),
            Event::Bounced { report, to, .. } => format!("{second} bounced {to} queued {}", report.is_some()),
            _ => return,
        };
        disk::lock(&self.lines).push(line);
    }
}

struct Stage {
    sim: Sim,
    seen: Seen,
    host: Host,
    store: Store,
    context: Context,
    diary: Arc<Diary>,
    runner: Option<Task<()>>,
    stop: Option<smol::channel::Sender<()>>,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Stage {
        let _alone = mailcore_tests::one_at_a_time();
        let sim = Sim::new(11);
        let host = sim.host("mail.example.org", [10, 0, 0, 1]);
        let mut settings = Settings { hostname: "mail.example.org".to_owned(), ..Settings::default() };
        settings.outbound.retry_jitter_percent = 0;
        change(&mut settings);
        let world = host.world();
        let begun = world.clock.wall();
        let diary = Arc::new(Diary { world: world.clone(), begun, lines: Mutex::default() });
        let (events, inside) = (diary.clone(), world.clone());
        let store = sim.executor.run(async move {
            let store =
                Store::open(&inside, StoreOptions { folder: "/store".into(), events, readers: 2 }).await.unwrap();
            store.account_put(&Address::parse("alice@example.org").unwrap(), None).await.unwrap();
            store
        });
        let (sender, stop) = smol::channel::bounded(1);
        let (settings, events) = (Arc::new(settings), diary.clone());
        let keyring = Arc::default();
        let context = Context { world, store: store.clone(), settings, keyring, events, stop };
        let runner = Some(runner::start(context.clone()));
        let seen = Seen::default();
        // A domain whose host takes mail, and one whose host is down.
        for (domain, exchange) in
            [("example.net", "mx.example.net"), ("example.com", "dsn.example.com"), ("down.example", "down.example")]
        {
            sim.zone.add(domain, Record::Mx { preference: 10, exchange: exchange.to_owned() });
        }
        seen.taker(&sim, "mx.example.net", [10, 0, 1, 1]);
        seen.taker(&sim, "dsn.example.com", [10, 0, 1, 2]);
        sim.zone.add("down.example", Record::A([10, 0, 1, 3].into()));
        Stage { sim, seen, host, store, context, diary, runner, stop: Some(sender), _alone }
    }

    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.sim.executor.run(work)
    }

    fn pass(&self, seconds: u64) {
        let world = self.host.world();
        self.run(async move { world.clock.sleep_until(world.clock.now() + Duration::from_secs(seconds)).await });
    }

    /// Queues this message.
    fn queue_as(&self, envelope: Envelope, message: &str, to: &[&str]) -> QueueId {
        let now = self.host.world().clock.wall();
        let recipients = to.iter().map(|to| Recipient::new(Address::parse(to).unwrap())).collect();
        let content = Content::from_octets(message);
        let envelope = Envelope { recipients, ..envelope };
        let expires = schedule::given_up(&self.context.settings.outbound, now, &envelope.terms);
        let item = NewItem { envelope, content, submitter: None, created: now, due: now, expires };
        let store = self.store.clone();
        let accepted =
            self.run(async move { store.accept(Acceptance { items: vec![item], ..Acceptance::default() }).await });
        accepted.unwrap().queued[0]
    }

    /// Queues a mail; recipients may be followed by ` NEVER`, ` SUCCESS`.
    fn queue(&self, from: &str, to: &[&str]) -> QueueId {
        let now = self.host.world().clock.wall();
        let recipient = |text: &&str| {
            let (address, notify) = text.split_once(' ').unwrap_or((text, ""));
            let mut recipient = Recipient::new(Address::parse(address).unwrap());
            match notify {
                "NEVER" => recipient.notify = Notify::NEVER,
                "SUCCESS" => recipient.notify = Notify { success: true, explicit: true, ..Notify::default() },
                _ => {}
            }
            recipient
        };
        let envelope = Envelope {
            reverse_path: Address::parse(from).ok(),
            recipients: to.iter().map(recipient).collect(),
            ..Envelope::default()
        };
        let item = NewItem {
            envelope,
            content: Content::from_octets(TEXT),
            submitter: None,
            created: now,
            due: now,
            expires: schedule::expires(&self.context.settings.outbound, now),
        };
        let store = self.store.clone();
        let accepted =
            self.run(async move { store.accept(Acceptance { items: vec![item], ..Acceptance::default() }).await });
        accepted.unwrap().queued[0]
    }

    /// What was said since the last call.
    fn diary(&self) -> Vec<String> {
        std::mem::take(&mut *disk::lock(&self.diary.lines))
    }

    /// Mails in an inbox.
    fn inbox(&self, address: &str) -> Vec<String> {
        let store = self.store.clone();
        let address = address.to_owned();
        self.run(async move {
            let account = store.account(&address).await.unwrap().unwrap();
            let snapshot = store.snapshot(account.inbox).await.unwrap();
            let set = snapshot.messages.uids().collect();
            let facts = store.facts(account.inbox, &set).await.unwrap();
            let mut mails = Vec::new();
            for fact in facts {
                let octets = store.body(fact.blob, 0, 1_000_000).await.unwrap();
                mails.push(String::from_utf8(octets).unwrap());
            }
            mails
        })
    }

    fn queued(&self) -> usize {
        let store = self.store.clone();
        self.run(async move { store.queue_list(QueueId(0), 1000).await.unwrap().len() })
    }

    fn control(&self, action: mailcore::store::QueueAction, id: QueueId) {
        let (store, now) = (self.store.clone(), self.host.world().clock.wall());
        self.run(async move { store.queue_control(Some(id), action, now).await.unwrap() });
    }

    /// Stops the runner and closes the store.
    fn end(mut self) {
        drop(self.stop.take());
        let (runner, store) = (self.runner.take().unwrap(), self.store.clone());
        self.run(async move {
            runner.await;
            store.close().await.unwrap();
        });
        self.seen.check();
        self.sim.executor.shut();
    }
}

fn actions(mail: &str) -> Vec<(Action, String, String)> {
    let report = dsn::parse(mail.as_bytes()).unwrap_or_else(|| panic!("no report: {mail}"));
    report.recipients.iter().map(|r| (r.action, r.recipient.value.clone(), r.status.to_string())).collect()
}

fn failed(to: &str, status: &str) -> (Action, String, String) {
    (Action::Failed, to.to_owned(), status.to_owned())
}

#[test]
fn delivered_and_gone() {
    let stage = Stage::new();
    let id = stage.queue("alice@example.org", &["bob@example.net"]);
    let store = stage.store.clone();
    stage.run(async move { control::wait(&store, id).await.unwrap() });
    // The event is said behind the commit that ends the wait.
    stage.pass(1);
    assert_eq!(stage.diary(), ["0 bob@example.net Delivered 250 2.0.0 mx.example.net kept"]);
    assert_eq!(stage.queued(), 0);
    assert_eq!(*disk::lock(&stage.seen.messages), [TEXT.replace("\r\n", "\n")]);
    let store = stage.store.clone();
    stage.run(async move {
        let attempts = store.attempts(id).await.unwrap();
        assert_eq!((attempts.len(), attempts[0].1.outcome), (1, Outcome::Delivered));
        control::wait(&store, id).await.unwrap();
        assert_eq!(control::wait(&store, QueueId(999)).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
    assert!(stage.inbox("alice@example.org").is_empty());
    stage.end();
}

#[test]
fn refused_and_reported_to_a_sender_here() {
    let stage = Stage::new();
    stage.queue("alice@example.org", &["bob@example.net", "nobody@example.net", "nobody@example.com"]);
    stage.pass(MINUTE);
    let mut diary = stage.diary();
    diary.sort();
    assert_eq!(
        diary,
        [
            "0 bob@example.net Delivered 250 2.0.0 mx.example.net kept",
            "0 bounced alice@example.org queued false",
            "0 bounced alice@example.org queued false",
            "0 nobody@example.com Failed 550 5.1.1 dsn.example.com no such user",
            "0 nobody@example.net Failed 550 5.1.1 mx.example.net no such user",
        ]
    );
    let mails = stage.inbox("alice@example.org");
    let mut reported: Vec<_> = mails.iter().flat_map(|mail| actions(mail)).collect();
    reported.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(reported, [failed("nobody@example.com", "5.1.1"), failed("nobody@example.net", "5.1.1")]);
    assert!(mails.iter().all(|mail| mail.starts_with("Return-Path: <>\r\nDate: ") && mail.contains("hello\r\n")));
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn refused_and_reported_to_a_sender_elsewhere_once() {
    let stage = Stage::new();
    stage.queue("carol@example.net", &["nobody@example.com"]);
    // A report that is refused itself causes no other.
    stage.queue("nobody@example.net", &["nobody@example.com"]);
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(diary.contains(&"0 bounced carol@example.net queued true".to_owned()), "{diary:#?}");
    assert_eq!(diary.iter().filter(|line| line.contains("bounced")).count(), 2);
    assert_eq!(diary.iter().filter(|line| line.contains(" carol@example.net Delivered")).count(), 1);
    assert_eq!(diary.iter().filter(|line| line.contains(" nobody@example.net Failed")).count(), 1);
    let envelopes = disk::lock(&stage.seen.envelopes).clone();
    assert!(envelopes.contains(&"MAIL FROM:<>".to_owned()), "{envelopes:#?}");
    // Beside the empty ones that end a transaction without recipients.
    let messages: Vec<_> = disk::lock(&stage.seen.messages).iter().filter(|m| !m.is_empty()).cloned().collect();
    assert_eq!(messages.len(), 1);
    assert_eq!(actions(&messages[0].replace('\n', "\r\n")), [failed("nobody@example.com", "5.1.1")]);
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn retried_to_the_second_then_given_up() {
    let stage = Stage::new();
    stage.queue("alice@example.org", &["bob@down.example"]);
    stage.pass(6 * 24 * HOUR);
    let diary = stage.diary();
    let seconds: Vec<u64> = diary.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    // 5, 15, 30, 60, 120 minutes, the mark of the delay report at 4 hours, then every 4 hours.
    let mut expected = vec![0, 300, 1200, 3000, 6600, 13_800, 14_400];
    expected.extend((1..).map(|n| 14_400 + n * 14_400).take_while(|at| *at < 5 * 24 * HOUR));
    // The last attempt, the end, the report.
    expected.extend([5 * 24 * HOUR; 3]);
    assert_eq!(seconds.len(), expected.len());
    // An attempt takes a moment, and the pause begins at its end.
    assert!(seconds.iter().zip(&expected).all(|(at, due)| (0..5).contains(&(at - due))), "{seconds:?}");
    let (last, rest) = diary.split_last().unwrap();
    assert_eq!(last, "432000 bounced alice@example.org queued false");
    assert!(rest.last().unwrap().starts_with("432000 bob@down.example Expired 0 4.4.7 down.example given up after 36"));
    assert!(rest[0].ends_with("Deferred 0 4.4.1 down.example connecting to 10.0.1.3:25: connection refused"));
    let mails = stage.inbox("alice@example.org");
    let reported: Vec<_> = mails.iter().map(|mail| dsn::parse(mail.as_bytes()).unwrap()).collect();
    assert_eq!(reported.len(), 2, "{mails:#?}");
    let (delayed, expired) = (&reported[0].recipients[0], &reported[1].recipients[0]);
    let begun = stage.diary.begun.seconds();
    assert_eq!((delayed.action, delayed.status.to_string().as_str()), (Action::Delayed, "4.4.1"));
    assert_eq!(delayed.will_retry_until.unwrap().seconds(), begun + 5 * 24 * HOUR as i64);
    assert_eq!(delayed.last_attempt.unwrap().seconds(), begun + 14_400);
    assert_eq!((expired.action, expired.status.to_string().as_str()), (Action::Failed, "4.4.7"));
    assert!(expired.diagnostic.as_ref().unwrap().value.ends_with("connection refused"));
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn comes_up_again_when_the_host_does() {
    let stage = Stage::new();
    stage.queue("alice@example.org", &["bob@down.example"]);
    stage.pass(10 * MINUTE);
    stage.seen.taker(&stage.sim, "up.example", [10, 0, 1, 3]);
    stage.pass(HOUR);
    let diary = stage.diary();
    assert_eq!(diary.last().unwrap(), "1200 bob@down.example Delivered 250 2.0.0 down.example kept");
    assert_eq!(diary.len(), 3);
    stage.end();
}

#[test]
fn many_messages_share_few_connections() {
    let stage = Stage::new();
    for _ in 0..40 {
        stage.queue("alice@example.org", &["bob@example.net"]);
    }
    stage.pass(MINUTE);
    assert_eq!(disk::lock(&stage.seen.messages).len(), 40);
    assert!(disk::lock(&stage.seen.connections).len() <= 5);
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn a_slow_destination_keeps_nobody_waiting() {
    let stage = Stage::with(|settings| settings.outbound.deliveries_max = 8);
    for n in 0..30 {
        stage.queue("alice@example.org", &[&format!("slow{n}@example.net")]);
    }
    stage.queue("alice@example.org", &["quick@example.com"]);
    stage.pass(30);
    let diary = stage.diary();
    assert_eq!(diary, ["0 quick@example.com Delivered 250 2.0.0 dsn.example.com kept"]);
    stage.pass(10 * MINUTE);
    // Two, four, then five at a time, a minute each.
    let last: u64 = stage.diary().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((420..432).contains(&last), "{last}");
    stage.end();
}

/// What is under way is due again in the store's eyes, should we die within: that delays nobody else.
#[test]
fn an_attempt_longer_than_the_pause_delays_no_other_retry() {
    let stage = Stage::with(|settings| settings.outbound.retry = vec![Duration::from_secs(1)]);
    stage.queue("alice@example.org", &["slow@example.net"]);
    stage.queue("alice@example.org", &["bob@down.example"]);
    stage.pass(4);
    let seconds: Vec<String> = stage.diary().iter().map(|line| line.chars().take(2).collect()).collect();
    assert_eq!(seconds, ["0 ", "1 ", "2 ", "3 "]);
    stage.end();
}

#[test]
fn recipients_who_live_here() {
    let stage = Stage::new();
    let store = stage.store.clone();
    stage.run(async move {
        let address = |text| Address::parse(text).unwrap();
        store.account_put(&address("bob@example.org"), None).await.unwrap();
        store.alias_put("both@example.org", &address("bob@example.org")).await.unwrap();
        store.alias_put("both@example.org", &address("dave@example.net")).await.unwrap();
    });
    stage.queue("alice@example.org", &["bob+tag@example.org", "ghost@example.org", "both@example.org"]);
    stage.pass(MINUTE);
    assert_eq!(stage.inbox("bob@example.org"), [format!("Return-Path: <alice@example.org>\r\n{TEXT}")]);
    assert_eq!(actions(&stage.inbox("alice@example.org")[0]), [failed("ghost@example.org", "5.1.1")]);
    let diary = stage.diary();
    assert!(diary.iter().any(|line| line.contains("dave@example.net Delivered 250")), "{diary:#?}");
    assert_eq!(stage.queued(), 0);
    stage.end();
}

/// The postmaster of the host's own name lives here, whatever domains are local (RFC 5321 §4.5.1).
#[test]
fn the_hosts_postmaster_lives_here() {
    let stage = Stage::new();
    stage.queue("carol@example.com", &["Postmaster@mail.example.org"]);
    stage.pass(MINUTE);
    assert_eq!(stage.diary(), ["0 Postmaster@mail.example.org Delivered 0 2.1.5  filed here"]);
    assert_eq!(stage.inbox("alice@example.org").len(), 1);
    stage.end();
}

#[test]
fn reports_as_the_sender_wished() {
    let stage = Stage::new();
    stage.queue("alice@example.org", &["nobody@example.net NEVER"]);
    stage.pass(MINUTE);
    assert!(stage.inbox("alice@example.org").is_empty());
    // A host without DSN: we say that we passed it on; one with DSN says it itself.
    stage.queue(
        "alice@example.org",
        &["bob@example.net SUCCESS", "bob@example.com SUCCESS", "alice@example.org SUCCESS"],
    );
    stage.pass(MINUTE);
    let mails = stage.inbox("alice@example.org");
    let mut said: Vec<_> =
        mails.iter().filter(|mail| mail.contains("multipart/report")).flat_map(|m| actions(m)).collect();
    said.sort_by(|a, b| a.1.cmp(&b.1));
    let said: Vec<_> = said.iter().map(|(action, to, _)| format!("{action} {to}")).collect();
    assert_eq!(said, ["delivered alice@example.org", "relayed bob@example.net"]);
    let envelopes = disk::lock(&stage.seen.envelopes).clone();
    assert!(envelopes.iter().any(|line| line.starts_with("RCPT TO:<bob@example.com> NOTIFY=SUCCESS,FAILURE,DELAY")));
    stage.end();
}

/// A message of Alice's as submission leaves it, signed by a key of its own.
const EIGHT: &str = "DKIM-Signature: v=1; d=example.org; s=old; b=ours\r\nReceived: by mail.example.org id 1\r\n\
    From: alice@example.org\r\nTo: bob@b\u{fc}cher.example\r\nSubject: greetings\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    gr\u{fc}\u{df}e an alle, die dies lesen\r\n";

#[test]
#[cfg(not(any(windows, target_vendor = "apple")))]
fn eight_bits_reach_hosts_that_take_seven_and_are_signed_last() {
    use mailcore::mailauth::dkim::{Algorithm, Signer, SigningKey, generate};
    let stage = Stage::new();
    let key = SigningKey::parse(&generate(Algorithm::Ed25519Sha256).unwrap()).unwrap();
    stage.context.keyring.replace(vec![Signer::new("example.org", "new", key)]);
    let envelope = Envelope { body: BodyKind::EightBit, smtputf8: true, ..Envelope::default() };
    stage.queue_as(envelope.clone(), EIGHT, &["bob@example.net"]);
    // What is UTF-8 elsewhere than in a domain needs SMTPUTF8.
    stage.queue_as(envelope, &EIGHT.replace("greetings", "gr\u{fc}\u{df}e"), &["carol@example.net"]);
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(diary.iter().any(|line| line.contains("bob@example.net Delivered")), "{diary:#?}");
    assert!(diary.iter().any(|line| line.contains("carol@example.net Failed 0 5.6.7")), "{diary:#?}");
    let messages: Vec<_> = disk::lock(&stage.seen.messages).iter().filter(|m| !m.is_empty()).cloned().collect();
    let [message] = messages.as_slice() else { panic!("{messages:#?}") };
    assert!(message.is_ascii(), "{message}");
    assert!(message.contains("\nTo: bob@xn--bcher-kva.example\n"), "{message}");
    let end = "Content-Transfer-Encoding: quoted-printable\n\ngr=C3=BC=C3=9Fe an alle, die dies lesen\n";
    assert!(message.ends_with(end), "{message}");
    assert!(message.starts_with("DKIM-Signature:") && message.contains("s=new") && !message.contains("s=old"));
    stage.end();
}

#[test]
fn nobody_is_told_of_mail_from_nobody() {
    let stage = Stage::new();
    let (store, away) = (stage.store.clone(), Address::parse("nobody@example.net").unwrap());
    stage.run(async move { store.alias_put("team@example.org", &away).await.unwrap() });
    stage.queue("", &["team@example.org SUCCESS", "nobody@example.com SUCCESS", "bob@example.net SUCCESS"]);
    stage.queue("", &["bob@down.example"]);
    stage.pass(6 * 24 * HOUR);
    let diary = stage.diary();
    assert_eq!(diary.iter().filter(|line| line.contains(" Failed ")).count(), 2, "{diary:#?}");
    assert_eq!(diary.iter().filter(|line| line.contains(" Expired ")).count(), 1, "{diary:#?}");
    assert!(!diary.iter().any(|line| line.contains("bounced")), "{diary:#?}");
    assert!(stage.inbox("alice@example.org").is_empty());
    assert_eq!(stage.queued(), 0);
    // What was taken is the message itself, never a report.
    let messages: Vec<_> = disk::lock(&stage.seen.messages).iter().filter(|m| !m.is_empty()).cloned().collect();
    assert_eq!(messages, [TEXT.replace("\r\n", "\n")]);
    stage.end();
}

#[test]
fn reports_reach_where_the_senders_alias_leads() {
    let stage = Stage::new();
    let (store, away) = (stage.store.clone(), Address::parse("carol@example.net").unwrap());
    stage.run(async move { store.alias_put("desk@example.org", &away).await.unwrap() });
    stage.queue("desk@example.org", &["alice@example.org SUCCESS", "nobody@example.com"]);
    stage.pass(MINUTE);
    let messages: Vec<_> = disk::lock(&stage.seen.messages).iter().filter(|m| !m.is_empty()).cloned().collect();
    let mut said: Vec<_> = messages.iter().flat_map(|mail| actions(&mail.replace('\n', "\r\n"))).collect();
    said.sort_by(|a, b| a.1.cmp(&b.1));
    let said: Vec<_> = said.iter().map(|(action, to, _)| format!("{action} {to}")).collect();
    assert_eq!(said, ["delivered alice@example.org", "failed nobody@example.com"]);
    stage.end();
}

#[test]
fn an_inbox_without_room_makes_a_report_wait() {
    let stage = Stage::new();
    let store = stage.store.clone();
    let alice = stage.run(async move {
        let alice = store.account("alice@example.org").await.unwrap().unwrap().id;
        store.account_quota(alice, Some(10)).await.unwrap();
        alice
    });
    stage.queue("alice@example.org", &["nobody@example.net"]);
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(diary.contains(&"0 bounced alice@example.org queued true".to_owned()), "{diary:#?}");
    assert!(diary.iter().any(|line| line.contains("alice@example.org Deferred 0 4.2.2")), "{diary:#?}");
    assert_eq!(stage.queued(), 1);
    let store = stage.store.clone();
    stage.run(async move { store.account_quota(alice, None).await.unwrap() });
    stage.pass(HOUR);
    assert_eq!(stage.inbox("alice@example.org").len(), 1);
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn the_host_holds_releases_retries_bounces_and_drops() {
    use mailcore::store::QueueAction;
    let stage = Stage::new();
    let id = stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(MINUTE);
    stage.control(QueueAction::Retry, id);
    stage.pass(MINUTE);
    assert_eq!(stage.diary().len(), 2);
    stage.control(QueueAction::Hold, id);
    stage.pass(HOUR);
    assert_eq!(stage.diary().len(), 0);
    stage.control(QueueAction::Release, id);
    stage.pass(MINUTE);
    assert_eq!(stage.diary().len(), 1);
    stage.control(QueueAction::Bounce, id);
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(diary[0].contains("later@example.net Expired 451 4.4.7"), "{diary:#?}");
    assert_eq!(actions(&stage.inbox("alice@example.org")[0]), [failed("later@example.net", "4.4.7")]);
    let id = stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(MINUTE);
    stage.control(QueueAction::Drop, id);
    stage.pass(HOUR);
    assert_eq!((stage.diary().len(), stage.queued()), (1, 0));
    stage.end();
}

#[test]
fn given_up_by_the_host_within_an_attempt() {
    use mailcore::store::QueueAction;
    let stage = Stage::new();
    let id = stage.queue("alice@example.org", &["slow@example.net", "later@example.net"]);
    stage.pass(10);
    stage.control(QueueAction::Bounce, id);
    stage.pass(2 * MINUTE);
    let diary = stage.diary();
    assert!(diary[0].starts_with("60 slow@example.net Delivered"), "{diary:#?}");
    assert!(diary[1].starts_with("60 later@example.net Deferred"), "{diary:#?}");
    assert!(diary[2].starts_with("60 later@example.net Expired"), "{diary:#?}");
    assert_eq!(actions(&stage.inbox("alice@example.org")[0]), [failed("later@example.net", "4.4.7")]);
    stage.end();
}

#[test]
fn stopping_lets_what_is_under_way_end() {
    let mut stage = Stage::new();
    stage.queue("alice@example.org", &["slow@example.net"]);
    stage.pass(10);
    drop(stage.stop.take());
    let left = stage.queue("alice@example.org", &["bob@example.com"]);
    let runner = stage.runner.take().unwrap();
    stage.run(runner);
    assert_eq!(stage.diary(), ["60 slow@example.net Delivered 250 2.0.0 mx.example.net kept"]);
    // The next run takes up what was left.
    let (sender, stop) = smol::channel::bounded(1);
    stage.stop = Some(sender);
    stage.runner = Some(runner::start(Context { stop, ..stage.context.clone() }));
    let store = stage.store.clone();
    stage.run(async move { control::wait(&store, left).await.unwrap() });
    stage.end();
}

#[test]
fn a_runner_cut_within_an_attempt_does_not_hammer() {
    let mut stage = Stage::new();
    stage.queue("alice@example.org", &["slow@example.net"]);
    stage.pass(10);
    drop(stage.runner.take());
    // The simulation drops a cancelled task when its turn comes.
    stage.pass(1);
    let (sender, stop) = smol::channel::bounded(1);
    stage.stop = Some(sender);
    stage.runner = Some(runner::start(Context { stop, ..stage.context.clone() }));
    stage.pass(280);
    assert!(stage.diary().is_empty());
    stage.pass(2 * MINUTE);
    assert_eq!(stage.diary(), ["360 slow@example.net Delivered 250 2.0.0 mx.example.net kept"]);
    stage.end();
}

/// Two recipients of one message at one destination, put off together, go out together, whatever chance says.
#[test]
fn recipients_put_off_together_go_out_together() {
    let stage = Stage::with(|settings| settings.outbound.retry_jitter_percent = 100);
    let to: Vec<String> = (0..20).map(|n| format!("u{n}@down.example")).collect();
    stage.queue("alice@example.org", &to.iter().map(String::as_str).collect::<Vec<_>>());
    stage.pass(10);
    assert_eq!(stage.diary().len(), 20);
    stage.seen.taker(&stage.sim, "up.example", [10, 0, 1, 3]);
    stage.pass(HOUR);
    assert_eq!(disk::lock(&stage.seen.messages).len(), 1);
    let mut seconds: Vec<_> = stage.diary().iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    seconds.dedup();
    assert_eq!(seconds.len(), 1, "{seconds:?}");
    stage.end();
}

/// Mail whose time ran out while nobody was there to send it has one more attempt, and only then comes back.
#[test]
fn what_expired_while_we_were_away_is_tried_once_more() {
    let mut stage = Stage::new();
    stage.queue("alice@example.org", &["bob@down.example"]);
    stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(10);
    drop(stage.stop.take());
    let runner = stage.runner.take().unwrap();
    stage.run(runner);
    stage.diary();
    stage.pass(30 * 24 * HOUR);
    stage.seen.taker(&stage.sim, "up.example", [10, 0, 1, 3]);
    let back = stage.host.world().clock.wall();
    let (sender, stop) = smol::channel::bounded(1);
    stage.stop = Some(sender);
    stage.runner = Some(runner::start(Context { stop, ..stage.context.clone() }));
    stage.pass(MINUTE);
    let mut diary: Vec<_> =
        stage.diary().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>();
    diary.sort();
    assert_eq!(diary[0], "bob@down.example Delivered 250 2.0.0 down.example kept");
    assert!(diary[2].starts_with("later@example.net Deferred 451"), "{diary:#?}");
    assert!(diary[3].starts_with("later@example.net Expired 451 4.4.7"), "{diary:#?}");
    let report = dsn::parse(stage.inbox("alice@example.org")[0].as_bytes()).unwrap();
    let last = report.recipients[0].last_attempt.unwrap();
    assert!((0..5).contains(&(last.seconds() - back.seconds())), "Last-Attempt-Date is that of the last attempt");
    stage.end();
}

#[test]
fn a_wall_clock_set_back_keeps_no_mail_waiting_for_years() {
    let stage = Stage::new();
    stage.sim.clock.set_wall(3_650 * 86_400_000);
    stage.pass(2 * MINUTE);
    stage.queue("alice@example.org", &["bob@down.example"]);
    stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(10);
    stage.seen.taker(&stage.sim, "up.example", [10, 0, 1, 3]);
    stage.diary();
    stage.sim.clock.set_wall(-3_650 * 86_400_000);
    stage.pass(5 * MINUTE);
    assert!(stage.diary().iter().any(|line| line.contains("bob@down.example Delivered")));
    // It lives as long as mail does, not as long as the wrong clock said, nor shorter.
    stage.pass(4 * 24 * HOUR);
    assert_eq!(stage.queued(), 1);
    stage.pass(2 * 24 * HOUR);
    assert_eq!(stage.queued(), 0);
    stage.end();
}

#[test]
fn a_domain_that_becomes_ours_and_a_smart_host_that_changes_route_anew() {
    let mut stage = Stage::new();
    stage.queue("alice@example.org", &["bob@down.example", "carol@down.example"]);
    stage.pass(10);
    stage.diary();
    let store = stage.store.clone();
    stage.run(async move {
        store.account_put(&Address::parse("bob@down.example").unwrap(), None).await.unwrap();
    });
    stage.pass(10 * MINUTE);
    let mut diary = stage.diary();
    diary.sort();
    assert!(diary[0].contains("bob@down.example Delivered 0 2.1.5  filed here"), "{diary:#?}");
    assert!(diary[2].contains("carol@down.example Failed 0 5.1.1"), "{diary:#?}");
    // Queued for a domain, sent by a smart host.
    drop(stage.stop.take());
    let runner = stage.runner.take().unwrap();
    stage.run(runner);
    stage.queue("alice@example.org", &["erin@example.com"]);
    let mut settings = Settings::clone(&stage.context.settings);
    let smart_host = mailcore::base::settings::SmartHost { host: "mx.example.net".to_owned(), port: 25, login: None };
    settings.outbound.smart_host = Some(smart_host);
    let (sender, stop) = smol::channel::bounded(1);
    stage.stop = Some(sender);
    stage.context.settings = Arc::new(settings);
    stage.runner = Some(runner::start(Context { stop, ..stage.context.clone() }));
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(
        diary.iter().any(|line| line.contains("erin@example.com Delivered 250 2.0.0 mx.example.net")),
        "{diary:#?}"
    );
    stage.end();
}

/// A host dropped the message while it was tried: nobody is told of a failure. One that is held does not fail.
#[test]
fn what_the_host_does_during_an_attempt_wins() {
    use mailcore::store::QueueAction;
    for (action, bounced) in [(QueueAction::Drop, 0), (QueueAction::Hold, 0), (QueueAction::Retry, 1)] {
        let stage = Stage::new();
        let id = stage.queue("alice@example.org", &["slow@example.net", "nobody@example.net"]);
        stage.pass(10);
        stage.control(action, id);
        stage.pass(2 * MINUTE);
        assert_eq!(stage.inbox("alice@example.org").len(), bounced, "{action:?}");
        assert_eq!(stage.queued(), usize::from(action == QueueAction::Hold), "{action:?}");
        if action == QueueAction::Hold {
            stage.control(QueueAction::Release, id);
            stage.pass(MINUTE);
            assert_eq!(actions(&stage.inbox("alice@example.org")[0]), [failed("nobody@example.net", "5.1.1")]);
        }
        stage.end();
    }
}

#[test]
fn a_message_that_cannot_be_read_is_held_and_keeps_nobody_waiting() {
    let stage = Stage::new();
    let torn = stage.queue("alice@example.org", &["bob@down.example"]);
    stage.pass(1);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let beside = Connection::open_with_flags_and_vfs("/store/mail.db", flags, stage.host.disk.vfs_name()).unwrap();
    beside.execute("UPDATE queue_recipient SET address = 'torn' WHERE item = ?1", [torn.0]).unwrap();
    drop(beside);
    stage.diary();
    stage.pass(5 * MINUTE);
    stage.queue("alice@example.org", &["bob@example.net"]);
    stage.pass(1);
    let said = stage.diary();
    assert!(said[0].contains(&format!("queued message {} cannot be read and is held", torn.0)), "{said:?}");
    assert!(said[1].contains("bob@example.net Delivered"), "{said:?}");
    assert_eq!((said.len(), stage.queued()), (2, 0), "{said:?}");
    stage.pass(24 * HOUR);
    assert_eq!(stage.diary(), [""; 0], "it is told once");
    stage.end();
}

#[test]
fn a_paused_destination_gets_no_mail_and_others_do() {
    let stage = Stage::new();
    let store = stage.store.clone();
    let pause = |destination: &str, since| mailcore::store::Paused {
        destination: destination.to_owned(),
        since,
        reason: "they asked for it".to_owned(),
    };
    let since = stage.host.world().clock.wall();
    let paused = pause("example.net", since);
    stage.run(async move { store.destination_pause(paused).await.unwrap() });
    stage.queue("alice@example.org", &["bob@example.net", "carol@example.com"]);
    stage.pass(HOUR);
    let diary = stage.diary();
    assert_eq!(diary.len(), 1, "{diary:#?}");
    assert!(diary[0].contains("carol@example.com Delivered"), "{diary:#?}");
    let store = stage.store.clone();
    let rows = stage.run(async move { store.destinations(None, 10).await.unwrap() });
    let rows: Vec<_> = rows.iter().map(|row| (row.destination.as_str(), row.waiting, row.oldest)).collect();
    assert_eq!(rows, [("example.net", 1, since)]);
    let store = stage.store.clone();
    stage.run(async move { store.destination_resume("example.net".to_owned()).await.unwrap() });
    stage.pass(1);
    let diary = stage.diary();
    assert!(diary[0].contains("bob@example.net Delivered"), "{diary:#?}");
    let store = stage.store.clone();
    let again = stage.run(async move { store.destination_resume("example.net".to_owned()).await });
    assert_eq!(again.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
    stage.end();
}

#[test]
fn what_happened_in_attempts_is_kept_for_a_time() {
    let day = 86_400;
    let stage = Stage::with(|settings| {
        settings.outbound.lifetime = Duration::from_secs(day);
        settings.outbound.history = Duration::from_secs(3 * day);
    });
    let id = stage.queue("alice@example.org", &["bob@example.net", "later@example.net"]);
    stage.pass(MINUTE);
    let explained = |stage: &Stage| {
        let store = stage.store.clone();
        stage.run(async move { store.explained(id, 100).await.unwrap() })
    };
    let rows = explained(&stage);
    assert_eq!(rows.len(), 2);
    assert!(rows[0].settlement != 0 && rows[0].settlement == rows[1].settlement);
    let trail = rows.iter().find_map(|row| row.trail.clone()).expect("a trail");
    let said = |line: &str| trail.lines().any(|one| one.ends_with(line));
    assert!(said("sent RCPT TO:<later@example.net>") && said("received 451 4.2.0 later"), "{trail}");
    assert_eq!(rows.iter().filter(|row| row.trail.is_some()).count(), 1);
    assert!(rows[0].result.policy.starts_with("opportunistic ("), "{}", rows[0].result.policy);
    // Until the end of its life it is all there, and afterwards for the time that was set.
    stage.pass(3 * day);
    assert!(explained(&stage).len() > 2);
    stage.pass(2 * day);
    stage.queue("alice@example.org", &["bob@example.net"]);
    stage.pass(MINUTE);
    assert_eq!(explained(&stage).len(), 0);
    stage.end();
}

#[test]
fn a_message_expires_when_the_host_says_and_is_routed_anew() {
    use mailcore::store::QueueAction;
    let stage = Stage::new();
    let id = stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(MINUTE);
    let at = stage.host.world().clock.wall().after(Duration::from_secs(2));
    stage.control(QueueAction::Expire(at), id);
    stage.pass(MINUTE);
    let diary = stage.diary();
    assert!(diary.iter().any(|line| line.contains("later@example.net Expired")), "{diary:#?}");
    assert_eq!(stage.queued(), 0);
    let id = stage.queue("alice@example.org", &["later@example.net"]);
    stage.pass(MINUTE);
    stage.diary();
    stage.control(QueueAction::Reroute, id);
    stage.pass(1);
    assert_eq!(stage.diary().len(), 1);
    stage.end();
}

#[test]
fn policies_are_fetched_again_before_their_time_is_over() {
    let stage = Stage::new();
    let asked = Arc::new(Mutex::new(0));
    let day = 86_400;
    let ip = [10, 0, 2, 1];
    stage.sim.zone.add("mta-sts.example.net", Record::A(ip.into()));
    stage.sim.zone.add("_mta-sts.example.net", Record::Txt(b"v=STSv1; id=1;".to_vec()));
    let host = stage.sim.host("mta-sts.example.net", ip);
    let (world, count) = (host.world(), asked.clone());
    let serve = async move {
        use smol::io::{AsyncReadExt, AsyncWriteExt};
        let listener = world.network.listen(std::net::SocketAddr::from((ip, 443))).await.unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            *disk::lock(&count) += 1;
            let (mut stream, _) = world.tls.accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let text = "version: STSv1\nmode: testing\nmx: mx.example.net\nmax_age: 259200\n";
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", text.len());
            let _ = stream.write_all(format!("{head}{text}").as_bytes()).await;
        }
    };
    host.world().run.task("policy host", Box::pin(serve)).detach();
    stage.queue("alice@example.org", &["bob@example.net"]);
    stage.pass(MINUTE);
    assert_eq!(*disk::lock(&asked), 1);
    // No mail: once a day, as long as it was used in the last month.
    stage.pass(10 * day);
    let daily = *disk::lock(&asked);
    assert!((8..=11).contains(&daily), "{daily}");
    stage.pass(60 * day);
    let last = *disk::lock(&asked);
    let store = stage.store.clone();
    assert_eq!(stage.run(async move { store.sts_rows(String::new(), 9).await.unwrap() }), []);
    assert!(last < 35, "{last}");
    stage.end();
}

/// An envelope of alice with these terms.
fn with_terms(terms: Terms) -> Envelope {
    let reverse_path = Some(Address::parse("alice@example.org").unwrap());
    Envelope { reverse_path, terms, ..Envelope::default() }
}

#[test]
fn a_time_of_delivery_that_passes_returns_or_tells() {
    let stage = Stage::new();
    let now = stage.host.world().clock.wall();
    let by = |seconds, returns| {
        let deliver_by = Some(DeliverBy { when: When::In(seconds), returns, trace: false });
        with_terms(Terms { deliver_by, ..Terms::default() }.fixed(now))
    };
    stage.queue_as(by(600, true), TEXT, &["bob@down.example"]);
    stage.queue_as(by(1800, false), TEXT, &["carol@down.example"]);
    stage.pass(HOUR);
    let mails = stage.inbox("alice@example.org");
    let delayed = (Action::Delayed, "carol@down.example".to_owned(), "4.4.1".to_owned());
    let told: Vec<_> = mails.iter().flat_map(|mail| actions(mail)).collect();
    assert_eq!(told, [failed("bob@down.example", "4.4.7"), delayed]);
    let diary = stage.diary();
    assert!(diary.iter().any(|line| line.starts_with("600 bob@down.example Expired")), "{diary:#?}");
    assert_eq!(stage.queued(), 1);
    stage.end();
}

#[test]
fn a_trace_of_the_way_is_reported() {
    let stage = Stage::new();
    let now = stage.host.world().clock.wall();
    let deliver_by = Some(DeliverBy { when: When::In(600), returns: false, trace: true });
    stage.queue_as(with_terms(Terms { deliver_by, ..Terms::default() }.fixed(now)), TEXT, &["bob@example.net"]);
    stage.pass(MINUTE);
    let relayed = (Action::Relayed, "bob@example.net".to_owned(), "2.0.0".to_owned());
    let told: Vec<_> = stage.inbox("alice@example.org").iter().flat_map(|mail| actions(mail)).collect();
    assert_eq!(told, [relayed]);
    stage.end();
}

#[test]
fn what_had_to_travel_under_tls_does_not_come_back_whole() {
    let stage = Stage::new();
    let envelope = with_terms(Terms { tls: TlsTerm::Required, ..Terms::default() });
    stage.queue_as(envelope, TEXT, &["bob@example.net"]);
    stage.pass(MINUTE);
    let mails = stage.inbox("alice@example.org");
    let told: Vec<_> = mails.iter().flat_map(|mail| actions(mail)).collect();
    assert_eq!(told, [failed("bob@example.net", "5.7.10")]);
    assert!(mails[0].contains("Subject: greetings") && !mails[0].contains("\r\nhello\r\n"), "{}", mails[0]);
    stage.end();
}
