//! Much mail, and hosts that do not take part: who gets the places, who is dialled how often, and whether every
//! accepted recipient comes to exactly one end, power cuts included.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::envelope::Notify;
use mailcore::base::event::{Outcome, Silence};
use mailcore::base::world::{BoxStream, Record, Task};
use mailcore::base::{Address, Content, Envelope, QueueId, Recipient, Settings, Timestamp};
use mailcore::queue::{Context, runner, schedule};
use mailcore::store::{Acceptance, NewItem, Store};

use crate::disk::lock;
use crate::image::Loss;
use crate::peer::{Peer, Taken};
use crate::pipe::Weather;
use crate::rng::Rng;
use crate::sweep::options;
use crate::world::{Host, Sim};

const SENDER: &str = "alice@sender.example";
/// Messages in one commit.
const BATCH: usize = 500;

/// A sending host, and what it was given.
struct Flow {
    sim: Sim,
    host: Host,
    settings: Arc<Settings>,
    open: Mutex<Option<Open>>,
    /// Recipients of what was accepted, by queue id.
    accepted: Mutex<BTreeMap<QueueId, Vec<String>>>,
    next: Mutex<u8>,
    /// Other hosts.
    hosts: Mutex<Vec<Host>>,
    _one: std::sync::MutexGuard<'static, ()>,
}

struct Open {
    store: Store,
    _runner: Task<()>,
    _stop: smol::channel::Sender<()>,
}

/// A host that takes connections and then says nothing; what it saw.
#[derive(Clone, Default)]
struct Tarpit {
    dialled: Arc<Mutex<u64>>,
    open: Arc<Mutex<Vec<BoxStream>>>,
}

impl Flow {
    fn new(seed: u64, change: impl FnOnce(&mut Settings)) -> Flow {
        let _one = crate::one_at_a_time();
        let sim = Sim::new(crate::seed(seed));
        // Close by: what takes long is the queue's doing.
        sim.net.set_weather(Weather { latency_millis: 5, ..Weather::CALM });
        let host = sim.host("mail.sender.example", [10, 0, 0, 1]);
        let mut settings = Settings { hostname: "mail.sender.example".to_owned(), ..Settings::default() };
        settings.outbound.tls = mailcore::base::settings::OutboundTls::Off;
        change(&mut settings);
        let settings = Arc::new(settings);
        let (open, accepted, next) = (Mutex::default(), Mutex::default(), Mutex::new(2));
        Flow { sim, host, settings, open, accepted, next, hosts: Mutex::default(), _one }
    }

    fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.sim.executor.run(work)
    }

    fn open_store(&self) -> Store {
        let world = self.host.world();
        self.run(async move {
            let store = Store::open(&world, options()).await.expect("opens");
            store.account_put(&Address::parse(SENDER).expect("an address"), None).await.expect("an account");
            store
        })
    }

    fn boot(&self) {
        let (world, store) = (self.host.world(), self.open_store());
        let (stop, stopped) = smol::channel::bounded(1);
        let (settings, keyring, events) = (self.settings.clone(), Arc::default(), Arc::new(Silence));
        let context = Context { world, store: store.clone(), settings, keyring, events, stop: stopped };
        let runner = runner::start(context);
        *lock(&self.open) = Some(Open { store, _runner: runner, _stop: stop });
    }

    /// The power goes; after a while it comes back.
    fn cut(&self, loss: Loss) {
        self.host.cut(loss);
        *lock(&self.open) = None;
        self.pass(Duration::from_secs(60));
        self.boot();
    }

    fn store(&self) -> Store {
        lock(&self.open).as_ref().expect("booted").store.clone()
    }

    fn pass(&self, time: Duration) {
        let clock = self.sim.clock.clone();
        self.run(async move { clock.sleep(time).await });
    }

    fn address(&self) -> [u8; 4] {
        let mut next = lock(&self.next);
        *next += 1;
        [10, 0, 1, *next]
    }

    /// A name for a host at an address, and domains whose mail it takes.
    fn name(&self, ip: [u8; 4], domains: &[String]) {
        let name = format!("mx{}.example", ip[3]);
        self.sim.zone.add(&name, Record::A(ip.into()));
        for domain in domains {
            self.sim.zone.add(domain, Record::Mx { preference: 10, exchange: name.clone() });
        }
    }

    /// A host that takes mail.
    fn live(&self, domains: &[String]) -> Peer {
        let ip = self.address();
        self.name(ip, domains);
        let host = self.sim.host("live.example", ip);
        let peer = Peer::new(host.world(), Rng::new(self.sim.seed, "live"), "live.example", false);
        host.world().run.task("live", Box::pin(peer.clone().serve(SocketAddr::new(ip.into(), 25)))).detach();
        lock(&self.hosts).push(host);
        peer
    }

    fn tarpit(&self, domains: &[String]) -> Tarpit {
        let ip = self.address();
        self.name(ip, domains);
        let (host, tarpit) = (self.sim.host("tarpit.example", ip), Tarpit::default());
        let world = host.world();
        lock(&self.hosts).push(host);
        let (inside, seen) = (world.clone(), tarpit.clone());
        let serve = async move {
            let at = SocketAddr::new(IpAddr::from(ip), 25);
            let listener = inside.network.listen(at).await.expect("the port is free");
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&seen.dialled) += 1;
                lock(&seen.open).push(stream);
            }
        };
        world.run.task("tarpit", Box::pin(serve)).detach();
        tarpit
    }

    /// Queues messages; each is for these recipients. What is not acknowledged is not counted on.
    fn queue(&self, messages: &[Vec<String>]) {
        let now = self.host.world().clock.wall();
        for some in messages.chunks(BATCH) {
            let items = some.iter().map(|to| item(to, now, &self.settings)).collect();
            let store = self.store();
            let accept = async move { store.accept(Acceptance { items, ..Acceptance::default() }).await };
            let accepted = self.run(accept).expect("accepted");
            lock(&self.accepted).extend(accepted.queued.into_iter().zip(some.iter().cloned()));
        }
    }

    /// Messages still queued.
    fn queued(&self) -> usize {
        let store = self.store();
        self.run(async move { store.queue_list(QueueId(0), usize::MAX).await.expect("lists").len() })
    }

    /// Lets time pass until nothing is queued.
    fn drain(&self, longest: Duration) {
        let begun = self.sim.clock.now();
        while self.queued() > 0 {
            assert!(self.sim.clock.now() - begun < longest, "{} messages are stuck", self.queued());
            self.pass(Duration::from_secs(3_600));
        }
    }

    /// Every accepted recipient has come to one end; gives how many were delivered and how many not.
    fn ends(&self) -> (usize, usize) {
        let (store, accepted) = (self.store(), lock(&self.accepted).clone());
        self.run(async move {
            let (mut delivered, mut failed) = (0, 0);
            for (id, to) in accepted {
                let mut ends: BTreeMap<String, u32> = BTreeMap::new();
                for (recipient, result) in store.attempts(id).await.expect("attempts") {
                    match result.outcome {
                        Outcome::Deferred => continue,
                        Outcome::Delivered => delivered += 1,
                        Outcome::Failed | Outcome::Expired => failed += 1,
                    }
                    *ends.entry(recipient).or_default() += 1;
                }
                for one in &to {
                    assert_eq!(ends.remove(one), Some(1), "ends of {one} in {id:?}");
                }
                assert!(ends.is_empty(), "{ends:?}");
            }
            (delivered, failed)
        })
    }

    /// Recipients the sender was told of, each with how often.
    fn reported(&self) -> BTreeMap<String, usize> {
        let store = self.store();
        self.run(async move {
            let inbox = store.account(SENDER).await.expect("read").expect("alice").inbox;
            let mut told: BTreeMap<String, usize> = BTreeMap::new();
            for fact in store.facts(inbox, &mailcore::base::UidSet::all()).await.expect("facts") {
                let octets = store.body(fact.blob, 0, 10_000_000).await.expect("a body");
                let report = mailcore::dsn::parse(&octets).expect("a report");
                for one in report.recipients {
                    if one.action == mailcore::dsn::Action::Failed {
                        *told.entry(one.recipient.value).or_default() += 1;
                    }
                }
            }
            told
        })
    }

    /// Stops the runner and closes the store.
    fn end(self) {
        let Open { store, _runner, _stop } = lock(&self.open).take().expect("booted");
        drop(_stop);
        self.run(async move {
            _runner.await;
            store.close().await.expect("closes");
        });
        self.sim.executor.shut();
    }
}

fn item(to: &[String], now: Timestamp, settings: &Settings) -> NewItem {
    let recipient = |text: &String| {
        let mut recipient = Recipient::new(Address::parse(text).expect("an address"));
        if text.starts_with("quiet") {
            recipient.notify = Notify::NEVER;
        }
        recipient
    };
    let envelope = Envelope {
        reverse_path: Address::parse(SENDER).ok(),
        recipients: to.iter().map(recipient).collect(),
        ..Envelope::default()
    };
    let content = Content::from_octets(*b"Subject: x\r\n\r\nx\r\n");
    let expires = schedule::expires(&settings.outbound, now);
    NewItem { envelope, content, submitter: None, created: now, due: now, expires }
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// How long a message to a domain of `peer` takes.
fn time_to(flow: &Flow, peer: &Peer, to: &str) -> Duration {
    let begun = flow.sim.clock.now();
    flow.queue(&[vec![to.to_owned()]]);
    while !peer.recipients().contains(to) {
        assert!(flow.sim.clock.now() - begun < seconds(60), "{to} got nothing for a minute");
        flow.pass(Duration::from_millis(50));
    }
    flow.sim.clock.now() - begun
}

/// A message to a domain of `peer` leaves within a second.
fn leaves_at_once(flow: &Flow, peer: &Peer, to: &str) {
    let took = time_to(flow, peer, to);
    assert!(took < seconds(1), "{to} took {took:?}");
}

/// What a host took, each recipient with how often.
fn counts(taken: Vec<Taken>) -> BTreeMap<String, usize> {
    taken.into_iter().fold(BTreeMap::new(), |mut counts, taken| {
        *counts.entry(taken.recipient).or_default() += 1;
        counts
    })
}

#[test]
fn one_dead_domain_and_ninety_nine_live_ones() {
    let flow = Flow::new(1, |settings| settings.outbound.lifetime = seconds(86_400));
    let domains: Vec<String> = (0..99).map(|n| format!("live{n}.example")).collect();
    let peer = flow.live(&domains);
    // Its host refuses connections.
    flow.name([10, 0, 9, 9], &["dead.example".to_owned()]);
    flow.boot();
    let before = flow.sim.net.connections();
    let mut messages: Vec<Vec<String>> = (0..300).map(|n| vec![format!("u{n}@dead.example")]).collect();
    messages.extend((0..495).map(|n| vec![format!("u{n}@{}", domains[n % 99])]));
    flow.queue(&messages);
    flow.pass(seconds(60));
    let taken = counts(peer.taken());
    let late: Vec<_> =
        messages.iter().flatten().filter(|to| !to.contains("dead") && !taken.contains_key(*to)).collect();
    assert!(late.is_empty(), "mail for the living leaves within a minute: {late:?}");
    assert!(flow.sim.net.connections() - before < 120, "one connection serves many messages");
    flow.cut(Loss::Everything);
    flow.pass(seconds(40_000));
    flow.cut(Loss::Everything);
    flow.drain(seconds(2 * 86_400));
    assert_eq!(flow.ends(), (495, 300));
    let told = flow.reported();
    assert!(told.len() == 300 && told.values().all(|n| *n == 1), "{} reported", told.len());
    assert!(counts(peer.taken()).values().all(|n| *n == 1));
    flow.end();
}

#[test]
fn twenty_domains_on_one_tarpit_are_one_host() {
    let flow = Flow::new(2, |settings| settings.outbound.lifetime = seconds(86_400));
    let domains: Vec<String> = (0..20).map(|n| format!("tar{n}.example")).collect();
    let tarpit = flow.tarpit(&domains);
    let peer = flow.live(&["good.example".to_owned()]);
    flow.boot();
    flow.queue(&(0..200).map(|n| vec![format!("u{n}@{}", domains[n % 20])]).collect::<Vec<_>>());
    flow.pass(seconds(5));
    assert!(*lock(&tarpit.dialled) <= 2, "{} connections to a host that says nothing", lock(&tarpit.dialled));
    leaves_at_once(&flow, &peer, "v@good.example");
    flow.pass(seconds(6 * 3_600));
    assert!(*lock(&tarpit.dialled) <= 20, "dialled {} times in six hours", lock(&tarpit.dialled));
    flow.cut(Loss::Everything);
    flow.drain(seconds(3 * 86_400));
    assert_eq!(flow.ends(), (1, 200));
    assert!(flow.reported().values().all(|n| *n == 1) && flow.reported().len() == 200);
    flow.end();
}

#[test]
fn twelve_thousand_messages_to_a_tarpit_hold_up_nobody() {
    let flow = Flow::new(3, |settings| settings.outbound.lifetime = seconds(7_200));
    let tarpit = flow.tarpit(&["tar.example".to_owned()]);
    let peer = flow.live(&(0..40).map(|n| format!("good{n}.example")).collect::<Vec<_>>());
    flow.boot();
    flow.queue(&(0..12_000).map(|n| vec![format!("quiet{n}@tar.example")]).collect::<Vec<_>>());
    for n in 0..20 {
        leaves_at_once(&flow, &peer, &format!("v{n}@good{n}.example"));
    }
    // The first attempts are over, and the others' rows are being put off.
    flow.pass(seconds(300));
    for n in 20..40 {
        leaves_at_once(&flow, &peer, &format!("v{n}@good{n}.example"));
    }
    flow.cut(Loss::Everything);
    flow.drain(seconds(2 * 86_400));
    assert!(*lock(&tarpit.dialled) <= 60, "dialled {} times", lock(&tarpit.dialled));
    assert_eq!(flow.ends(), (40, 12_000));
    flow.end();
}

#[test]
fn a_hundred_hosts_that_hang_hold_up_nobody() {
    let flow = Flow::new(4, |settings| settings.outbound.deliveries_max = 10);
    for n in 0..100 {
        flow.tarpit(&[format!("tar{n}.example")]);
    }
    let peer = flow.live(&["good.example".to_owned(), "better.example".to_owned()]);
    flow.boot();
    flow.queue(&(0..300).map(|n| vec![format!("u{n}@tar{}.example", n % 100)]).collect::<Vec<_>>());
    leaves_at_once(&flow, &peer, "v@good.example");
    flow.pass(seconds(3));
    leaves_at_once(&flow, &peer, "v@better.example");
    leaves_at_once(&flow, &peer, "w@good.example");
    flow.end();
}

/// What the disk and the network are asked for does not grow with what else is due.
#[test]
fn a_hundred_thousand_items_cost_no_more_each_than_a_hundred() {
    let cost = |items: usize| {
        let flow = Flow::new(5, |_| ());
        let domains: Vec<String> = (0..50).map(|n| format!("d{n}.example")).collect();
        let peer = flow.live(&domains);
        // Queued before the engine starts.
        let filling = flow.open_store();
        filling.queue_route_by(Arc::new(mailcore::delivery::route::Routing(flow.settings.clone())));
        let now = flow.host.world().clock.wall();
        let settings = flow.settings.clone();
        flow.run(async move {
            for from in (0..items).step_by(BATCH) {
                let to = |n: usize| vec![format!("u{n}@d{}.example", n % 50)];
                let items = (from..(from + BATCH).min(items)).map(|n| item(&to(n), now, &settings)).collect();
                filling.accept(Acceptance { items, ..Acceptance::default() }).await.expect("accepted");
            }
            filling.close().await.expect("closes");
        });
        let calls = flow.host.disk.calls();
        flow.boot();
        let begun = flow.sim.clock.now();
        while peer.taken().len() < 100 {
            assert!(flow.sim.clock.now() - begun < seconds(60), "{} of 100", peer.taken().len());
            flow.pass(Duration::from_millis(20));
        }
        let done = peer.taken().len() as u64;
        let cost = (flow.host.disk.calls() - calls) / done;
        flow.sim.executor.shut();
        cost
    };
    let (few, many) = (cost(100), cost(crate::seeds(100_000).max(1_000) as usize));
    crate::report(&format!("calls of the disk for each message: {few} of 100, {many} of 100 000"));
    assert!(many <= few * 2, "{many} calls of the disk for each message, {few} where there are 100");
}

#[test]
fn ten_thousand_recipients_of_one_message() {
    let flow = Flow::new(6, |settings| {
        settings.outbound.lifetime = seconds(86_400);
        settings.outbound.retry = vec![seconds(3_600)];
    });
    let domains: Vec<String> = (0..100).map(|n| format!("d{n}.example")).collect();
    let peer = flow.live(&domains);
    flow.name([10, 0, 9, 9], &["dead.example".to_owned()]);
    flow.boot();
    let mut to: Vec<String> = (0..7_000).map(|n| format!("u{n}@{}", domains[n % 100])).collect();
    to.extend((0..2_500).map(|n| format!("nobody{n}@{}", domains[0])));
    to.extend((0..500).map(|n| format!("u{n}@dead.example")));
    flow.queue(std::slice::from_ref(&to));
    flow.pass(seconds(30));
    flow.cut(Loss::Everything);
    flow.drain(seconds(2 * 86_400));
    assert_eq!(flow.ends(), (7_000, 3_000));
    let told = flow.reported();
    assert!(told.len() == 3_000 && told.values().all(|n| *n == 1), "{} reported", told.len());
    let taken: BTreeSet<String> = peer.recipients();
    assert_eq!(taken.len(), 7_000);
    flow.end();
}
