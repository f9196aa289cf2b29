//! Silence on a clock that goes on only when everybody waits.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use smol::LocalExecutor;

use super::*;
use crate::base::limits::{CHECK_DNS_SECONDS, CHECK_QUESTION_SECONDS, CHECK_QUESTIONS_MAX};
use crate::base::time::Timestamp;
use crate::dns::cache::CachedResolver;
use crate::dns::patient::PatientResolver;

/// Time, and who sleeps until when.
#[derive(Default)]
struct IdleClock(Mutex<(u64, Vec<Sleeper>)>);

/// Until when, and what wakes it.
type Sleeper = (u64, Sender<()>);

impl Clock for IdleClock {
    fn now(&self) -> Mono {
        Mono(self.0.lock().unwrap().0)
    }
    fn wall(&self) -> Timestamp {
        Timestamp(0)
    }
    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
        let (wake, woken) = smol::channel::bounded(1);
        self.0.lock().unwrap().1.push((at.0, wake));
        Box::pin(async move {
            let _ = woken.recv().await;
        })
    }
}

impl IdleClock {
    /// Goes on to when the next sleeper wakes.
    fn go_on(&self) {
        let mut clock = self.0.lock().unwrap();
        clock.1.retain(|(_, wake)| !wake.is_closed());
        clock.0 = clock.1.iter().map(|(at, _)| *at).min().expect("everybody waits for ever").max(clock.0);
        let now = clock.0;
        clock.1.retain(|(at, _)| *at > now);
    }
}

/// A server that answers or does not; about names under `dead` never.
#[derive(Default)]
struct Server {
    lives: AtomicBool,
    asked: AtomicUsize,
}

impl Resolver for Server {
    fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.lives.load(Ordering::SeqCst) && !name.ends_with(".dead") {
            return Box::pin(std::future::ready(no_records(NoRecords::NxDomain)));
        }
        Box::pin(std::future::pending())
    }
}

struct Bench {
    clock: Arc<IdleClock>,
    server: Arc<Server>,
    cached: Arc<CachedResolver>,
}

fn bench(lives: bool) -> Bench {
    let clock = Arc::new(IdleClock::default());
    let server = Arc::new(Server { lives: lives.into(), ..Server::default() });
    let vigilant = Arc::new(VigilantResolver::new(server.clone(), clock.clone()));
    let cached = Arc::new(CachedResolver::new(vigilant, clock.clone()));
    Bench { clock, server, cached }
}

impl Bench {
    fn seconds(&self) -> u64 {
        self.clock.now().0 / 1_000_000_000
    }

    fn sleep(&self, seconds: u64) {
        let until = self.clock.now() + Duration::from_secs(seconds);
        self.run(self.clock.sleep_until(until));
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        let executor = LocalExecutor::new();
        let work = executor.spawn(work);
        while !work.is_finished() {
            if !executor.try_tick() {
                self.clock.go_on();
            }
        }
        smol::block_on(work)
    }

    /// What the checks of one message ask: three questions side by side, then one. How many were answered.
    async fn message(&self, domain: String) -> usize {
        let (total, question) = (Duration::from_secs(CHECK_DNS_SECONDS), Duration::from_secs(CHECK_QUESTION_SECONDS));
        let beyond: Arc<dyn Resolver> = self.cached.clone();
        let patient = PatientResolver::new(beyond, self.clock.clone(), total, question, CHECK_QUESTIONS_MAX);
        let ask = async |name: &str| {
            let answer = patient.ask(&format!("{name}.{domain}"), RecordKind::Txt).await;
            usize::from(answer.records != Err(NoRecords::Timeout))
        };
        let spf = smol::future::zip(ask("helo"), ask("from"));
        let ((helo, from), key) = smol::future::zip(spf, ask("key")).await;
        helo + from + key + ask("policy").await
    }
}

/// What the first message may cost.
const FIRST: u64 = CHECK_QUESTION_SECONDS + DNS_PROBE_SECONDS;

#[test]
fn a_hundred_messages_wait_as_long_as_one() {
    let bench = bench(false);
    for i in 0..100 {
        assert_eq!(bench.run(bench.message(format!("{i}.example"))), 0);
        assert_eq!(bench.seconds(), FIRST);
    }
    assert_eq!(bench.server.asked.load(Ordering::SeqCst), 4, "three questions and a probe");
}

#[test]
fn a_hundred_messages_at_once_wait_as_long_as_one() {
    let bench = bench(false);
    bench.run(async {
        let executor = LocalExecutor::new();
        let messages: Vec<_> = (0..100).map(|i| executor.spawn(bench.message(format!("{i}.example")))).collect();
        let all = async {
            for message in messages {
                assert_eq!(message.await, 0);
            }
        };
        executor.run(all).await;
    });
    assert_eq!(bench.seconds(), FIRST);
}

#[test]
fn silence_ends_with_the_first_answer() {
    let bench = bench(false);
    bench.run(bench.message("a.example".to_owned()));
    bench.server.lives.store(true, Ordering::SeqCst);
    assert_eq!(bench.run(bench.message("b.example".to_owned())), 0, "it is not time to probe");
    bench.sleep(DNS_PROBE_PAUSE_SECONDS);
    let begin = bench.seconds();
    // What was cut off by silence is not remembered, what waited for the probe is asked.
    assert_eq!(bench.run(bench.message("b.example".to_owned())), 4);
    assert_eq!(bench.run(bench.message("a.example".to_owned())), 4);
    assert_eq!(bench.seconds(), begin);
}

#[test]
fn a_long_silence_costs_a_probe_now_and_then() {
    let bench = bench(false);
    bench.run(bench.message("a.example".to_owned()));
    for i in 1..=10 {
        bench.sleep(DNS_PROBE_PAUSE_SECONDS);
        let begin = bench.seconds();
        assert_eq!(bench.run(bench.message(format!("{i}.example"))), 0);
        assert_eq!(bench.seconds() - begin, DNS_PROBE_SECONDS);
        assert_eq!(bench.server.asked.load(Ordering::SeqCst), 4 + i);
    }
}

#[test]
fn dead_domains_do_not_make_us_deaf() {
    let bench = bench(true);
    for i in 0..10 {
        assert_eq!(bench.run(bench.message(format!("{i}.dead"))), 0);
        let begin = bench.seconds();
        assert_eq!(bench.run(bench.message(format!("{i}.example"))), 4);
        assert_eq!(bench.seconds(), begin);
    }
}

#[test]
fn whoever_gives_up_early_notices_silence_too() {
    let bench = bench(false);
    let impatient = |i: u32| {
        let bench = &bench;
        async move {
            let until = bench.clock.now() + Duration::from_secs(DNS_GIVEN_UP_SECONDS);
            let asked = async { drop(bench.cached.ask(&format!("{i}.example"), RecordKind::A).await) };
            asked.or(bench.clock.sleep_until(until)).await;
        }
    };
    (0..100).for_each(|i| bench.run(impatient(i)));
    assert_eq!(bench.seconds(), (u64::from(DNS_UNANSWERED_MAX) + 1) * DNS_GIVEN_UP_SECONDS);
}
