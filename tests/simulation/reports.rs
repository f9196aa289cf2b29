//! Days of forged mail at one office, reported to the one whose domain was forged, while the power of both fails: each
//! day is reported once, and no more is missing than what waited in memory when the power went.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::settings::{Ends, PasswordCost};
use mailcore::base::world::Record;
use mailcore::base::{Address, Envelope, Recipient, Service, Settings};
use mailcore::smtp::server::Client;
use smol::future::FutureExt;

use crate::disk::lock;
use crate::image::Loss;
use crate::office::Office;
use crate::rng::Rng;
use crate::world::Sim;

/// Days mail is forged on.
const DAYS: u64 = 5;
/// Forged mails, on the average some hours apart.
const MAILS: u64 = 40;
/// Times each office's power fails.
const CUTS: u64 = 8;
const DAY: Duration = Duration::from_secs(86_400);

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Outcome {
    trace: (u64, u64),
    judged: u64,
    reported: u64,
    reports: usize,
    letters: usize,
    cuts: u64,
}

fn settings(hostname: &str) -> Settings {
    let mut settings = Settings { hostname: hostname.to_owned(), ..Settings::default() };
    settings.password_cost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };
    settings.outbound.ipv6 = false;
    settings
}

fn names(sim: &Sim) {
    let txt = |text: &str| Record::Txt(text.as_bytes().to_vec());
    sim.zone.add("_dmarc.victim.example", txt("v=DMARC1; p=reject; rua=mailto:dmarc@victim.example"));
    sim.zone.add("victim.example", txt("v=spf1 -all"));
    sim.zone.add("victim.example", Record::Mx { preference: 10, exchange: "mail.victim.example".to_owned() });
    sim.zone.add("mail.victim.example", Record::A([10, 0, 0, 2].into()));
}

/// A forger; how often he gets a last word. The office's host takes some of it, and puts some off.
async fn forge(office: Office, mut rng: Rng, judged: Arc<Mutex<u64>>) {
    let end = |last, port| SocketAddr::new(IpAddr::from([10, 0, 0, last]), port);
    for _ in 0..MAILS {
        office.sleep(Duration::from_secs(rng.between(1, 2 * DAYS * 86_400 / MAILS))).await;
        let client = Client {
            service: Service::Mx,
            ends: Ends { peer: end(rng.between(10, 13) as u8, 999), local: end(1, 25) },
            hello: "forger.example".to_owned(),
            extended: true,
            tls: None,
            account: None,
            relays: false,
            forwarded: None,
        };
        let address = |text: &str| Address::parse(text).expect("an address");
        let envelope = Envelope {
            reverse_path: Some(address("ceo@victim.example")),
            recipients: vec![Recipient::new(address("bob@receiver.example"))],
            ..Envelope::default()
        };
        let text = "From: ceo@victim.example\r\n\r\npay\r\n".to_owned();
        let reply = office.receive(client, envelope, text).await;
        *lock(&judged) += u64::from(reply.is_some_and(|reply| [250, 550].contains(&reply.code)));
    }
}

async fn fail(office: Office, mut rng: Rng, cuts: Arc<Mutex<u64>>) {
    for _ in 0..CUTS {
        // In the middle of what the disk is asked to do, mostly: writing what was seen, queueing or reading a report.
        office.sleep(Duration::from_secs(rng.below(DAYS * 86_400 / CUTS))).await;
        let died = office.host.disk.die_at(rng.between(1, 30));
        let patience = office.sleep(DAY);
        let dies = async {
            let _ = died.recv().await;
        };
        patience.or(dies).await;
        office.cut(Loss::ALL[rng.index(Loss::ALL.len())]);
        *lock(&cuts) += 1;
        office.sleep(Duration::from_secs(rng.below(1800))).await;
        office.boot().await.expect("boots again");
    }
    office.host.disk.forgive();
}

fn run(seed: u64, cuts_wanted: bool) -> Outcome {
    let sim = Sim::new(seed);
    names(&sim);
    let address = |text: &str| Address::parse(text).ok();
    let (mut ours, mut theirs) = (settings("mail.receiver.example"), settings("mail.victim.example"));
    ours.dmarc.report_from = address("reports@receiver.example");
    theirs.dmarc.report_address = address("dmarc@victim.example");
    let ours = Office::new(sim.host("mail.receiver.example", [10, 0, 0, 1]), "receiver.example", &["bob"], ours);
    let theirs = Office::new(sim.host("mail.victim.example", [10, 0, 0, 2]), "victim.example", &["dmarc"], theirs);
    let world = sim.clone();
    let mut outcome = sim.executor.run(async move {
        let (sim, offices) = (world, [ours, theirs]);
        for office in &offices {
            office.boot().await.expect("boots");
        }
        let (judged, cuts) = (Arc::<Mutex<u64>>::default(), Arc::<Mutex<u64>>::default());
        let mut tasks = vec![sim.bystander(forge(offices[0].clone(), Rng::new(seed, "forger"), judged.clone()))];
        for office in offices.iter().filter(|_| cuts_wanted) {
            let rng = Rng::new(seed, &format!("power {}", office.domain));
            tasks.push(sim.bystander(fail(office.clone(), rng, cuts.clone())));
        }
        for task in tasks {
            task.await;
        }
        // The last day ends, and what was on the way arrives.
        offices[0].sleep(2 * DAY).await;
        let (judged, cuts) = (*lock(&judged), *lock(&cuts));
        let outcome = account_for(&offices, judged, cuts).await;
        for office in &offices {
            office.close().await.expect("closes");
        }
        outcome
    });
    outcome.trace = sim.trace.sum();
    sim.executor.shut();
    outcome
}

async fn account_for(offices: &[Office; 2], judged: u64, cuts: u64) -> Outcome {
    let [ours, theirs] = offices;
    assert_eq!(ours.queued().await.expect("queue"), 0, "reports are still queued");
    let ours = ours.store().expect("open");
    assert_eq!(ours.dmarc_oldest().await.expect("oldest"), None, "a day is not reported");
    let theirs = theirs.store().expect("open");
    let reports = theirs.dmarc_reports(0, 1_000).await.expect("reports");
    let days: BTreeSet<i64> = reports.iter().map(|info| info.report.period.begin).collect();
    assert_eq!(days.len(), reports.len(), "a day was reported twice");
    let account = theirs.account("dmarc@victim.example").await.expect("read").expect("the account");
    let letters = theirs.snapshot(account.inbox).await.expect("inbox").count();
    let reported = reports.iter().map(|info| info.messages).sum();
    Outcome { judged, reported, reports: reports.len(), letters, cuts, ..Outcome::default() }
}

#[test]
fn each_day_is_reported_once() {
    let _one = crate::one_at_a_time();
    let first = crate::seed(1);
    for seed in first..first + crate::seeds(4).min(50) {
        let calm = run(seed, false);
        assert_eq!((calm.reported, calm.letters), (calm.judged, calm.reports), "SIM_SEED={seed}: {calm:?}");
        assert!(calm.judged > MAILS / 2 && calm.reports > 3, "SIM_SEED={seed}: {calm:?}");
        let (rough, again) = (run(seed, true), run(seed, true));
        assert_eq!(rough, again, "SIM_SEED={seed}: two histories");
        // A cut costs what was seen in the minute before it, or a reply to what was seen.
        assert!(rough.reported <= rough.judged + rough.cuts, "SIM_SEED={seed}: {rough:?}");
        assert!(rough.reported + rough.cuts >= rough.judged, "SIM_SEED={seed}: {rough:?}");
        assert!(rough.letters >= rough.reports && rough.judged > 0, "SIM_SEED={seed}: {rough:?}");
        crate::report(&format!("{calm:?} {rough:?}"));
    }
}
