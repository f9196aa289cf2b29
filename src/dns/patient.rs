//! A resolver with an end to its patience: what checks of one message ask is bounded in number and in time, whatever
//! the servers do.
//!
//! Beyond the bounds a question is answered with `Timeout`, at once, so that whoever asks comes to a verdict
//! (`temperror`) by itself. What is known already is no question: it is answered whatever the bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use smol::future::FutureExt;

use super::zone::no_records;
use crate::base::time::Mono;
use crate::base::world::{BoxFuture, Clock, DnsAnswer, NoRecords, RecordKind, Resolver};

/// A resolver for one piece of work.
pub struct PatientResolver {
    beyond: Arc<dyn Resolver>,
    clock: Arc<dyn Clock>,
    until: Mono,
    question: Duration,
    left: AtomicU32,
}

impl PatientResolver {
    /// Asks `beyond` at most `questions` times, until `total` from now at the latest, and waits for each answer no
    /// longer than `question`.
    pub fn new(
        beyond: Arc<dyn Resolver>,
        clock: Arc<dyn Clock>,
        total: Duration,
        question: Duration,
        questions: u32,
    ) -> PatientResolver {
        let until = clock.now() + total;
        PatientResolver { beyond, clock, until, question, left: AtomicU32::new(questions) }
    }
}

impl Resolver for PatientResolver {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        if let Some(answer) = self.beyond.known(name, kind) {
            return Box::pin(std::future::ready(answer));
        }
        let now = self.clock.now();
        let one_less = |left: u32| left.checked_sub(1);
        let may = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok();
        if !may || now >= self.until {
            return Box::pin(std::future::ready(no_records(NoRecords::Timeout)));
        }
        let (clock, until) = (self.clock.clone(), self.until.min(now + self.question));
        // Most answers are there at once, and need no timer.
        let late = async move {
            clock.sleep_until(until).await;
            no_records(NoRecords::Timeout)
        };
        Box::pin(self.beyond.ask(name, kind).or(late))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use smol::future::{block_on, poll_once};

    use super::*;
    use crate::base::time::Timestamp;
    use crate::dns::cache::CachedResolver;
    use crate::dns::zone::{SharedZone, Zone};

    /// Time that goes on when somebody sleeps.
    #[derive(Default)]
    struct JumpingClock(Mutex<u64>);

    impl Clock for JumpingClock {
        fn now(&self) -> Mono {
            Mono(*self.0.lock().unwrap())
        }
        fn wall(&self) -> Timestamp {
            Timestamp(0)
        }
        fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()> {
            let mut now = self.0.lock().unwrap();
            *now = at.0.max(*now);
            Box::pin(std::future::ready(()))
        }
    }

    struct Silent;

    impl Resolver for Silent {
        fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            Box::pin(std::future::pending())
        }
    }

    #[test]
    fn silence_costs_so_much_and_no_more() {
        let clock = Arc::new(JumpingClock::default());
        let (total, question) = (Duration::from_secs(7), Duration::from_secs(5));
        let patient = PatientResolver::new(Arc::new(Silent), clock.clone(), total, question, 100);
        for seconds in [5, 7, 7, 7] {
            let answer = block_on(patient.ask("a.test", RecordKind::A));
            assert_eq!(answer.records, Err(NoRecords::Timeout));
            assert_eq!(clock.now().0, seconds * 1_000_000_000);
        }
    }

    #[test]
    fn what_is_known_is_told_beyond_the_bounds() {
        let mut zone = Zone::new();
        zone.add("a.test", "A", "192.0.2.1", 60).unwrap();
        let clock = Arc::new(JumpingClock::default());
        let counted = Counted(SharedZone::new(zone), AtomicU32::new(0));
        let cached = Arc::new(CachedResolver::new(Arc::new(counted), clock.clone()));
        let second = Duration::from_secs(1);
        assert!(block_on(cached.ask("A.test.", RecordKind::A)).records.is_ok());
        let patient = PatientResolver::new(cached, clock.clone(), second, second, 0);
        let ask = |name: &str| block_on(patient.ask(name, RecordKind::A)).records;
        assert!(ask("a.TEST").is_ok());
        assert_eq!(ask("b.test"), Err(NoRecords::Timeout));
        block_on(clock.sleep_until(Mono(2_000_000_000)));
        assert!(ask("a.test.").is_ok());
        block_on(clock.sleep_until(Mono(61_000_000_000)));
        assert_eq!(ask("a.test"), Err(NoRecords::Timeout));
    }

    /// A zone that counts.
    struct Counted(SharedZone, AtomicU32);

    impl Resolver for Counted {
        fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            assert_eq!(self.1.fetch_add(1, Ordering::Relaxed), 0, "asked again");
            self.0.ask(name, kind)
        }
    }

    #[test]
    fn answers_pass_until_the_number_is_used_up() {
        let mut zone = Zone::new();
        zone.add("a.test", "A", "192.0.2.1", 60).unwrap();
        let clock = Arc::new(JumpingClock::default());
        let second = Duration::from_secs(1);
        let patient = PatientResolver::new(Arc::new(SharedZone::new(zone)), clock, second * 100, second, 2);
        let ask = || block_on(poll_once(patient.ask("a.test", RecordKind::A))).unwrap().records.is_ok();
        assert_eq!([ask(), ask(), ask(), ask()], [true, true, false, false]);
    }
}
