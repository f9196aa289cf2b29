//! The whole road of a mail: submitted at one office, queued, routed by DNS, carried over a bad network to
//! another office or to hosts with moods, filed in a mailbox and fetched by POP3, or bounced; while disk and power
//! fail at both offices.
//!
//! One virtual day of trouble, then calm until the queues are empty. At the end each recipient of each
//! message that was acknowledged is in exactly one of {delivered, bounced}; a message in doubt went its whole
//! way or none of it; nothing arrived that nobody sent.
//!
//! The offices check each other's mail: what comes from one passes DMARC by SPF, from the other by DKIM alone, whatever
//! DNS fails to answer; and one user's domain disowns it, so that the other office refuses it.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::settings::{OutboundTls, PasswordCost};
use mailcore::base::world::Record;
use mailcore::base::{Settings, World};
use smol::future::FutureExt;

use crate::arrived::{Ledger, Written, arrived};
use crate::disk::{Fault, SimDisk, When, lock};
use crate::image::Loss;
use crate::letter::letter;
use crate::office::Office;
use crate::peer::{Mood, Peer};
use crate::pipe::Weather;
use crate::pop::{self, Fetched};
use crate::processes;
use crate::rng::Rng;
use crate::sessions::talk;
use crate::sorter::Sorter;
use crate::world::{Host, Sim};

const MAILS: u64 = 6;
const TROUBLE: Duration = Duration::from_secs(86_400);
const CUTS: u64 = 4;
const FETCHES: u64 = 6;
/// Trouble, the lifetime of a message, and the time its bounce may take.
const DRAINED_AFTER: Duration = Duration::from_secs(5 * 86_400);
/// Shorter than the default: what cannot arrive is tried less often.
const LIFETIME: Duration = Duration::from_secs(2 * 86_400);

const HOME_USERS: &[&str] = &["alice", "bob", DISOWNED, "ivy"];
const FAR_USERS: &[&str] = &["carol", "dave", "judy"];
/// Those who read by IMAP; the others do by POP3.
const SORTERS: &[&str] = &["ivy", "judy"];

/// A user whose domain says that no host may send its mail.
pub const DISOWNED: &str = "mallory@disowned.example";
/// Whether mail can be signed on this system.
const SIGNS: bool = cfg!(not(any(windows, target_vendor = "apple")));

/// Addresses, and whether mail to them can arrive.
pub const DESTINATIONS: &[(&str, bool)] = &[
    ("alice@home.example", true),
    ("bob@home.example", true),
    (DISOWNED, true),
    ("carol@far.example", true),
    ("dave@far.example", true),
    ("nobody@far.example", false),
    ("ivy@home.example", true),
    ("judy@far.example", true),
    ("erin@moody.example", true),
    ("grey@moody.example", true),
    ("nobody@moody.example", false),
    ("full@moody.example", false),
    ("frank@never.example", false),
    ("gina@missing.example", false),
];

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    pub trace: (u64, u64),
    pub days: u64,
    pub connections: u64,
    pub cuts: u64,
    pub acknowledged: u64,
    pub doubts: u64,
    pub delivered: u64,
    pub bounced: u64,
    pub duplicates: u64,
    /// Mail that the other office took with `dmarc=pass`, and that it refused for its author's policy.
    pub passed: u64,
    pub disowned: u64,
}

fn settings(hostname: &str) -> Settings {
    let mut settings = Settings { hostname: hostname.to_owned(), ..Settings::default() };
    settings.password_cost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };
    settings.outbound.tls = OutboundTls::Opportunistic;
    settings.outbound.ipv6 = false;
    settings.outbound.lifetime = LIFETIME;
    settings
}

fn names(sim: &Sim) {
    let mx = |preference, exchange: &str| Record::Mx { preference, exchange: exchange.to_owned() };
    sim.zone.add("home.example", mx(10, "mail.home.example"));
    sim.zone.add("far.example", mx(10, "mail.far.example"));
    sim.zone.add("moody.example", mx(10, "mx1.moody.example"));
    sim.zone.add("moody.example", mx(20, "mx2.moody.example"));
    sim.zone.add("never.example", mx(0, ""));
    sim.zone.add("disowned.example", mx(10, "mail.home.example"));
    let txt = |text: &str| Record::Txt(text.as_bytes().to_vec());
    sim.zone.add("home.example", txt("v=spf1 ip4:10.0.0.1 -all"));
    sim.zone.add("far.example", txt(if SIGNS { "v=spf1 -all" } else { "v=spf1 ip4:10.0.0.2 -all" }));
    sim.zone.add("disowned.example", txt("v=spf1 -all"));
    for domain in ["home.example", "far.example", "disowned.example"] {
        sim.zone.add(&format!("_dmarc.{domain}"), txt("v=DMARC1; p=reject"));
    }
    let hosts = [("mail.home", 1), ("mail.far", 2), ("mx1.moody", 3), ("mx2.moody", 4)];
    for (name, last) in hosts {
        sim.zone.add(&format!("{name}.example"), Record::A([10, 0, 0, last].into()));
    }
}

/// Lets an office sign.
#[cfg(not(any(windows, target_vendor = "apple")))]
fn sign(sim: &Sim, office: &Office) {
    use mailcore::mailauth::dkim::{Signer, SigningKey, dns_record};
    // A seed of Ed25519, in base64.
    let key = SigningKey::parse(b"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=").expect("a key");
    let record = dns_record(&key).expect("a record");
    sim.zone.add(&format!("s1._domainkey.{}", office.domain), Record::Txt(record.into_bytes()));
    office.keyring.replace(vec![Signer::new(office.domain, "s1", key)]);
}

#[cfg(any(windows, target_vendor = "apple"))]
fn sign(_: &Sim, _: &Office) {}

fn peer(sim: &Sim, name: &'static str, last: u8, starttls: bool) -> (Host, Peer) {
    let host = sim.host(name, [10, 0, 0, last]);
    let peer = Peer::new(host.world(), Rng::new(sim.seed, name), name, starttls);
    let serve = peer.clone().serve(SocketAddr::new(IpAddr::from([10, 0, 0, last]), 25));
    host.world().run.task("peer", Box::pin(serve)).detach();
    (host, peer)
}

/// Somebody at `office` writes mails all day.
async fn write(office: Office, user: &'static str, mut rng: Rng, ledger: Ledger) {
    for number in 0..MAILS {
        office.sleep(Duration::from_secs(rng.below(TROUBLE.as_secs() / MAILS))).await;
        let token = format!("token-{user}-{number}-{:08x}", rng.next() as u32);
        let mut recipients = BTreeSet::new();
        for _ in 0..rng.between(1, 4) {
            recipients.insert(DESTINATIONS[rng.index(DESTINATIONS.len())].0.to_owned());
        }
        // What the office itself refuses at once is not on the road.
        let own = office.address("nobody");
        recipients.remove(&own);
        if recipients.is_empty() {
            continue;
        }
        let recipients: Vec<String> = recipients.into_iter().collect();
        let length = if rng.per_mille(50) { rng.below(300_000) } else { rng.below(4_000) };
        let text = letter(&token, length as usize);
        let sender = office.address(user);
        let written = Written { sender, recipients: recipients.clone(), acknowledged: false };
        lock(&ledger).insert(token.clone(), written);
        if office.submit(user, &recipients, text).await.is_ok() {
            lock(&ledger).get_mut(&token).expect("just written").acknowledged = true;
        }
    }
}

/// A few times a day an office's disk fails, or its power does, mostly in the middle of a call of the disk.
async fn fail(office: Office, mut rng: Rng, cuts: Arc<Mutex<u64>>) {
    for _ in 0..CUTS {
        office.sleep(Duration::from_secs(rng.below(TROUBLE.as_secs() / CUTS))).await;
        if rng.per_mille(500) {
            let fault = Fault::ALL[rng.index(Fault::ALL.len())];
            office.host.disk.fault(When::Call(rng.between(1, 400)), fault);
            office.sleep(Duration::from_secs(rng.between(60, 7200))).await;
            if office.queued().await.is_ok() {
                continue;
            }
            // Still down: somebody comes and restarts it.
        }
        let died = office.host.disk.die_at(rng.between(1, 400));
        let patience = office.sleep(Duration::from_secs(rng.between(1, 7200)));
        let dies = async {
            let _ = died.recv().await;
        };
        patience.or(dies).await;
        office.cut(Loss::ALL[rng.index(Loss::ALL.len())]);
        *lock(&cuts) += 1;
        office.sleep(Duration::from_secs(rng.below(3600))).await;
        office.boot().await.expect("boots again");
    }
    office.host.disk.forgive();
}

/// Somebody who fetches mail now and then, mostly taking it off the server.
pub struct Reader {
    pub user: String,
    server: SocketAddr,
    world: World,
    pub mine: Fetched,
}

impl Reader {
    pub async fn fetch(&mut self, delete: bool) -> std::io::Result<()> {
        self.mine.fetch(&self.world, self.server, &self.user, delete).await
    }

    /// A day of it; failures are tried again later.
    async fn all_day(mut self, mut rng: Rng, readers: Arc<Mutex<Vec<Reader>>>) {
        for _ in 0..FETCHES {
            let pause = Duration::from_secs(rng.below(TROUBLE.as_secs() / FETCHES));
            self.world.clock.sleep_until(self.world.clock.now() + pause).await;
            let _ = self.fetch(rng.per_mille(700)).await;
        }
        lock(&readers).push(self);
    }
}

/// The same by IMAP.
async fn sort_all_day(mut sorter: Sorter, world: World, mut rng: Rng, sorters: Arc<Mutex<Vec<Sorter>>>) {
    for _ in 0..FETCHES {
        let pause = Duration::from_secs(rng.below(TROUBLE.as_secs() / FETCHES));
        world.clock.sleep_until(world.clock.now() + pause).await;
        let _ = sorter.sort(&mut rng).await;
    }
    lock(&sorters).push(sorter);
}

/// Somebody sets the clocks, forward and back.
async fn set_clocks(sim: Sim, mut rng: Rng) {
    for _ in 0..3 {
        sim.clock.sleep(Duration::from_secs(rng.below(TROUBLE.as_secs() / 3))).await;
        sim.clock.set_wall(rng.below(7_200_000) as i64 - 3_600_000);
    }
}

/// Runs one seed to its end and checks all of it. `prepare` may spoil the offices' disks.
fn journey(seed: u64, prepare: fn(&SimDisk)) -> Outcome {
    let sim = Sim::new(seed);
    names(&sim);
    let home = Office::new(
        sim.host("mail.home.example", [10, 0, 0, 1]),
        "home.example",
        HOME_USERS,
        settings("mail.home.example"),
    );
    let far = Office::new(
        sim.host("mail.far.example", [10, 0, 0, 2]),
        "far.example",
        FAR_USERS,
        settings("mail.far.example"),
    );
    sign(&sim, &far);
    prepare(&home.host.disk);
    prepare(&far.host.disk);
    let (_mx1, first) = peer(&sim, "mx1.moody.example", 3, true);
    let (_mx2, second) = peer(&sim, "mx2.moody.example", 4, false);
    let (world, ledger, cuts) = (sim.clone(), Ledger::default(), Arc::<Mutex<u64>>::default());
    let mut outcome = sim.executor.run(async move {
        let (sim, offices, peers) = (world, [home, far], [first, second]);
        let (mut tasks, readers) = (Vec::new(), Arc::<Mutex<Vec<Reader>>>::default());
        let sorters = Arc::<Mutex<Vec<Sorter>>>::default();
        let reading = sim.host("reading.example", [10, 0, 0, 9]);
        for office in &offices {
            office.boot().await.expect("boots");
        }
        trouble(&sim, &offices, &peers, true);
        for (office, users) in offices.iter().zip([HOME_USERS, FAR_USERS]) {
            for user in users {
                let rng = Rng::new(seed, &format!("writer {user}"));
                tasks.push(sim.bystander(write(office.clone(), user, rng, ledger.clone())));
                let (user, rng) = (office.address(user), Rng::new(seed, &format!("reader {user}")));
                if SORTERS.iter().any(|sorter| user.starts_with(sorter)) {
                    let server = SocketAddr::new(office.host.ip, talk::PORT);
                    let sorter = Sorter::new(user, server, reading.world());
                    tasks.push(sim.bystander(sort_all_day(sorter, reading.world(), rng, sorters.clone())));
                } else {
                    let server = SocketAddr::new(office.host.ip, pop::PORT);
                    let reader = Reader { user, server, world: reading.world(), mine: Fetched::default() };
                    tasks.push(sim.bystander(reader.all_day(rng, readers.clone())));
                }
            }
            let rng = Rng::new(seed, &format!("power {}", office.domain));
            tasks.push(sim.bystander(fail(office.clone(), rng, cuts.clone())));
        }
        tasks.push(sim.bystander(set_clocks(sim.clone(), Rng::new(seed, "wall clock"))));
        for task in tasks {
            task.await;
        }
        trouble(&sim, &offices, &peers, false);
        drain(&sim, &offices).await;
        let ledger = lock(&ledger).clone();
        let readers = std::mem::take(&mut *lock(&readers));
        let sorters = std::mem::take(&mut *lock(&sorters));
        let mut outcome = arrived(&ledger, readers, sorters, &peers).await;
        outcome.cuts = *lock(&cuts);
        for office in &offices {
            office.close().await.expect("closes");
        }
        outcome
    });
    outcome.trace = sim.trace.sum();
    outcome.days = sim.clock.now().0 / 86_400_000_000_000;
    outcome.connections = sim.net.connections();
    sim.executor.shut();
    outcome
}

fn trouble(sim: &Sim, offices: &[Office; 2], peers: &[Peer; 2], on: bool) {
    sim.net.set_weather(if on { Weather::ROUGH } else { Weather::CALM });
    sim.zone.set_faults(if on { 40 } else { 0 }, if on { 20 } else { 0 });
    for office in offices {
        office.host.tls.set_faults(if on { 60 } else { 0 }, if on { 10 } else { 0 });
    }
    for peer in peers {
        peer.set_mood(if on { Mood::BAD } else { Mood::default() });
    }
}

/// Waits until nothing is queued: liveness.
async fn drain(sim: &Sim, offices: &[Office; 2]) {
    loop {
        let mut queued = 0;
        for office in offices {
            queued += office.queued().await.expect("the queue can be read");
        }
        if queued == 0 {
            return;
        }
        let days = sim.clock.now().0 / 86_400_000_000_000;
        assert!(sim.clock.now().0 < DRAINED_AFTER.as_nanos() as u64, "{queued} messages still queued on day {days}");
        sim.clock.sleep(Duration::from_secs(1800)).await;
    }
}

// -- the campaign ------------------------------------------------------------------------------------------

/// A journey; what it found wrong as a text.
fn tried(seed: u64, prepare: fn(&SimDisk)) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| journey(seed, prepare))).map_err(|panic| crate::text_of(&*panic))
}

/// One seed, twice: one history.
fn twice(seed: u64) -> Result<Outcome, String> {
    let (first, second) = (tried(seed, |_| {})?, tried(seed, |_| {})?);
    if first != second {
        return Err(format!("two histories: {first:?} and {second:?}"));
    }
    Ok(first)
}

fn seeds_of(range: std::ops::Range<u64>) -> Result<Outcome, String> {
    let mut sum = Outcome::default();
    for seed in range {
        let outcome = twice(seed).map_err(|e| format!("SIM_SEED={seed}: {e}"))?;
        sum.days += outcome.days;
        sum.connections += outcome.connections;
        sum.cuts += outcome.cuts;
        sum.acknowledged += outcome.acknowledged;
        sum.doubts += outcome.doubts;
        sum.delivered += outcome.delivered;
        sum.bounced += outcome.bounced;
        sum.duplicates += outcome.duplicates;
        sum.passed += outcome.passed;
        sum.disowned += outcome.disowned;
    }
    Ok(sum)
}

#[test]
fn every_recipient_ends_delivered_or_bounced() {
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    let test = "road::every_recipient_ends_delivered_or_bounced";
    let Some(range) = processes::seeds_here(test, 200) else { return };
    let _one = crate::one_at_a_time();
    let seeds = range.end - range.start;
    match seeds_of(range) {
        Ok(sum) => {
            crate::report(&format!("{sum:?}"));
            assert!(seeds < 10 || (sum.passed > 0 && sum.disowned > 0), "no verdict was ever met");
        }
        Err(e) => panic!("{e}"),
    }
    let after = std::fs::read_dir("/proc/self/task").map(Iterator::count).unwrap_or(0);
    // Alone in its process; elsewhere other tests come and go beside it.
    assert!(
        !processes::is_child() || after <= threads,
        "a simulation started a thread: {threads} before, {after} after"
    );
}

#[test]
fn mutant_synchronous_normal_is_caught_on_the_road() {
    let _one = crate::one_at_a_time();
    let caught = (0..8).any(|seed| tried(seed, SimDisk::skip_commit_syncs).is_err());
    assert!(caught, "eight journeys over lying disks, and nothing was missed");
}
