//! Answers kept for as long as they may be, on the engine's clock; denials and, briefly, failures as well (RFC 2308,
//! RFC 9520). The same question asked twice at a time is asked once; one that everybody who asked gave up waiting for
//! counts as a failure. At most `DNS_CACHE_ENTRIES_MAX` answers: what
//! would go stale first makes room.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender};

use super::zone::no_records;
use crate::base::limits::{
    DNS_CACHE_ENTRIES_MAX, DNS_GIVEN_UP_SECONDS, DNS_NEGATIVE_SECONDS_MAX, DNS_POSITIVE_SECONDS_MAX,
};
use crate::base::time::Mono;
use crate::base::world::{BoxFuture, Clock, DnsAnswer, NoRecords, RecordKind, Resolver};

/// A resolver that remembers. Clones share what they know.
#[derive(Clone)]
pub struct CachedResolver(Arc<Shared>);

struct Shared {
    beyond: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
    entries_max: usize,
    known: Mutex<Known>,
}

type Key = (String, RecordKind);

#[derive(Default)]
struct Known {
    answers: BTreeMap<Key, (DnsAnswer, Mono)>,
    /// The same by the time at which they go stale.
    stale: BTreeSet<(Mono, Key)>,
    asking: BTreeMap<Key, Question>,
    /// Counts `forget`: answers to questions asked before it are not kept.
    era: u64,
}

fn key(name: &str, kind: RecordKind) -> Key {
    (name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(), kind)
}

/// A question under way.
#[derive(Clone)]
struct Question {
    answer: Arc<OnceLock<DnsAnswer>>,
    /// Ends when the question does, answered or given up.
    ends: Receiver<Infallible>,
}

impl CachedResolver {
    /// Remembers what `beyond` says.
    pub fn new(beyond: Arc<dyn Resolver>, clock: Arc<dyn Clock>) -> Self {
        Self::with_entries_max(beyond, clock, DNS_CACHE_ENTRIES_MAX)
    }

    fn with_entries_max(beyond: Arc<dyn Resolver>, clock: Arc<dyn Clock>, entries_max: usize) -> Self {
        Self(Arc::new(Shared { beyond, clock, entries_max, known: Mutex::default() }))
    }

    /// Forgets all answers.
    pub fn forget(&self) {
        let mut known = self.0.known();
        known.answers.clear();
        known.stale.clear();
        known.era += 1;
    }
}

impl Resolver for CachedResolver {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let shared = self.0.clone();
        let key = key(name, kind);
        Box::pin(async move {
            loop {
                match shared.look(&key) {
                    Look::Known(answer) => return answer,
                    Look::UnderWay(question) => {
                        let _ = question.ends.recv().await;
                        if let Some(answer) = question.answer.get() {
                            return answer.clone();
                        }
                        // Whoever asked went away: somebody else does, perhaps we.
                    }
                    Look::Ours(asking) => {
                        let answer = shared.beyond.ask(&asking.key.0, kind).await;
                        return asking.answered(answer);
                    }
                }
            }
        })
    }

    fn known(&self, name: &str, kind: RecordKind) -> Option<DnsAnswer> {
        let now = self.0.clock.now();
        let known = self.0.known();
        let (answer, until) = known.answers.get(&key(name, kind)).filter(|(_, until)| now < *until)?;
        Some(DnsAnswer { ttl: *until - now, ..answer.clone() })
    }
}

enum Look {
    Known(DnsAnswer),
    UnderWay(Question),
    Ours(Asking),
}

/// The right, and the duty, to ask.
struct Asking {
    shared: Arc<Shared>,
    key: Key,
    answer: Arc<OnceLock<DnsAnswer>>,
    since: Mono,
    era: u64,
    _ends: Sender<Infallible>,
}

impl Asking {
    fn answered(self, answer: DnsAnswer) -> DnsAnswer {
        let now = self.shared.clock.now();
        let mut known = self.shared.known();
        if known.era == self.era {
            known.keep(self.key.clone(), &answer, now, self.shared.entries_max);
        }
        drop(known);
        let _ = self.answer.set(answer.clone());
        answer
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let now = self.shared.clock.now();
        let mut known = self.shared.known();
        known.asking.remove(&self.key);
        // Given up by somebody who had waited long: the next one need not wait as long again (RFC 9520 §3.2), nor
        // those who wait beside him.
        let is_silence = now - self.since >= Duration::from_secs(DNS_GIVEN_UP_SECONDS);
        if self.answer.get().is_none() && is_silence && known.era == self.era {
            let answer = no_records(NoRecords::Timeout);
            known.keep(self.key.clone(), &answer, now, self.shared.entries_max);
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(self: &Arc<Self>, key: &Key) -> Look {
        let now = self.clock.now();
        let mut known = self.known();
        if let Some((answer, until)) = known.answers.get(key) {
            let (answer, until) = (answer, *until);
            if now < until {
                return Look::Known(DnsAnswer { ttl: until - now, ..answer.clone() });
            }
            known.drop_entry(until, key.clone());
        }
        if let Some(question) = known.asking.get(key) {
            return Look::UnderWay(question.clone());
        }
        let (ends_tx, ends) = smol::channel::bounded(1);
        let answer = Arc::new(OnceLock::new());
        known.asking.insert(key.clone(), Question { answer: answer.clone(), ends });
        Look::Ours(Asking {
            shared: self.clone(),
            key: key.clone(),
            answer,
            since: now,
            era: known.era,
            _ends: ends_tx,
        })
    }
}

impl Known {
    fn keep(&mut self, key: Key, answer: &DnsAnswer, now: Mono, entries_max: usize) {
        let most = if answer.records.is_ok() { DNS_POSITIVE_SECONDS_MAX } else { DNS_NEGATIVE_SECONDS_MAX };
        let ttl = answer.ttl.min(Duration::from_secs(most));
        if ttl.is_zero() {
            return;
        }
        while self.answers.len() >= entries_max {
            let Some((until, first)) = self.stale.first().cloned() else { return };
            self.drop_entry(until, first);
        }
        let until = now + ttl;
        if let Some((_, before)) = self.answers.insert(key.clone(), (answer.clone(), until)) {
            self.stale.remove(&(before, key.clone()));
        }
        self.stale.insert((until, key));
    }

    fn drop_entry(&mut self, until: Mono, key: Key) {
        self.answers.remove(&key);
        self.stale.remove(&(until, key));
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::base::standing_clock::StandingClock;
    use crate::base::world::{NoRecords, Record};

    /// Says how often it was asked, in the address; names that start with `no` do not exist; `slow` waits.
    struct Counter {
        asked: AtomicUsize,
        gate: Receiver<()>,
        ttl: u64,
    }

    impl Resolver for Counter {
        fn ask(&self, name: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let count = self.asked.fetch_add(1, Ordering::SeqCst) as u8 + 1;
            let gate = name.starts_with("slow").then(|| self.gate.clone());
            let records = if name.starts_with("no") {
                Err(NoRecords::NxDomain)
            } else {
                Ok(vec![Record::A(Ipv4Addr::from([count; 4]))])
            };
            let answer = DnsAnswer { records, ttl: Duration::from_secs(self.ttl), secure: false };
            Box::pin(async move {
                if let Some(gate) = gate {
                    let _ = gate.recv().await;
                }
                answer
            })
        }
    }

    struct Bench {
        cache: CachedResolver,
        clock: Arc<StandingClock>,
        counter: Arc<Counter>,
        open: Sender<()>,
    }

    fn bench(ttl: u64, entries_max: usize) -> Bench {
        let (open, gate) = smol::channel::unbounded();
        let counter = Arc::new(Counter { asked: AtomicUsize::new(0), gate, ttl });
        let clock = Arc::new(StandingClock::default());
        let cache = CachedResolver::with_entries_max(counter.clone(), clock.clone(), entries_max);
        Bench { cache, clock, counter, open }
    }

    impl Bench {
        fn asked_for(&self, name: &str) -> usize {
            block_on(self.cache.ask(name, RecordKind::A));
            self.counter.asked.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn keeps_answers_and_denials_until_they_are_stale() {
        let bench = bench(300, 10);
        assert_eq!((bench.asked_for("a.test"), bench.asked_for("A.test.")), (1, 1));
        assert_eq!((bench.asked_for("no.test"), bench.asked_for("no.test")), (2, 2));
        bench.clock.advance(299);
        assert_eq!((bench.asked_for("a.test"), bench.asked_for("no.test")), (2, 2));
        assert_eq!(block_on(bench.cache.ask("a.test", RecordKind::A)).ttl, Duration::from_secs(1));
        bench.clock.advance(1);
        assert_eq!((bench.asked_for("a.test"), bench.asked_for("no.test")), (3, 4));
        bench.cache.forget();
        assert_eq!(bench.asked_for("a.test"), 5);
        block_on(bench.cache.ask("a.test", RecordKind::Mx));
        assert_eq!(bench.asked_for("a.test"), 6);
    }

    #[test]
    fn long_promises_are_cut_and_empty_ones_not_kept() {
        let forever = bench(u64::MAX, 10);
        forever.asked_for("a.test");
        forever.asked_for("no.test");
        forever.clock.advance(DNS_NEGATIVE_SECONDS_MAX);
        assert_eq!((forever.asked_for("a.test"), forever.asked_for("no.test")), (2, 3));
        forever.clock.advance(DNS_POSITIVE_SECONDS_MAX);
        assert_eq!(forever.asked_for("a.test"), 4);
        let never = bench(0, 10);
        assert_eq!((never.asked_for("a.test"), never.asked_for("a.test")), (1, 2));
    }

    #[test]
    fn holds_no_more_than_it_may() {
        let bench = bench(300, 3);
        for name in ["a", "b", "c"] {
            bench.asked_for(name);
            bench.clock.advance(1);
        }
        assert_eq!((bench.asked_for("a"), bench.asked_for("c")), (3, 3));
        bench.asked_for("d");
        assert_eq!((bench.asked_for("b"), bench.asked_for("c"), bench.asked_for("a")), (4, 4, 5));
        let known = bench.cache.0.known();
        assert_eq!((known.answers.len(), known.stale.len()), (3, 3));
    }

    #[test]
    fn asks_once_for_many_who_wait() {
        let bench = bench(0, 3);
        block_on(async {
            let mut first = bench.cache.ask("slow.test", RecordKind::A);
            let mut second = bench.cache.ask("slow.test", RecordKind::A);
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            bench.open.send(()).await.unwrap();
            assert_eq!(first.await, second.await);
            assert_eq!(bench.counter.asked.load(Ordering::SeqCst), 1);
        });
        assert!(bench.cache.0.known().asking.is_empty());
    }

    #[test]
    fn another_asks_where_the_first_goes_away() {
        let bench = bench(300, 3);
        block_on(async {
            let mut first = bench.cache.ask("slow.test", RecordKind::A);
            let mut second = bench.cache.ask("slow.test", RecordKind::A);
            assert!(poll_once(&mut first).await.is_none());
            assert!(poll_once(&mut second).await.is_none());
            drop(first);
            bench.open.send(()).await.unwrap();
            second.await.records.unwrap();
            assert_eq!(bench.counter.asked.load(Ordering::SeqCst), 2);
        });
    }

    #[test]
    fn silence_is_remembered_once_it_was_long() {
        let bench = bench(300, 3);
        let give_up_after = |seconds| {
            let mut question = bench.cache.ask("slow.test", RecordKind::A);
            block_on(async { assert!(poll_once(&mut question).await.is_none()) });
            bench.clock.advance(seconds);
        };
        let answer = || block_on(poll_once(bench.cache.ask("slow.test", RecordKind::A))).map(|answer| answer.records);
        give_up_after(DNS_GIVEN_UP_SECONDS - 1);
        assert_eq!(answer(), None);
        give_up_after(DNS_GIVEN_UP_SECONDS);
        assert_eq!(answer(), Some(Err(NoRecords::Timeout)));
        bench.clock.advance(crate::base::limits::DNS_FAILURE_SECONDS);
        assert_eq!(answer(), None);
    }
}
