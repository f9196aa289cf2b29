//! Windows, turns and back-off, by a clock that stands where it is put.

use super::table::TURN_SECONDS;
use super::*;
use crate::base::Enhanced;
use crate::base::limits::{HOSTS_MAX, WINDOW_FIRST};
use crate::base::standing_clock::StandingClock;
use crate::delivery::Verdict;

fn hosts(window_max: usize) -> (Hosts, Arc<StandingClock>) {
    let clock = Arc::new(StandingClock::default());
    (Hosts::new(clock.clone(), window_max), clock)
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 25))
}

fn error() -> Outcome {
    Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 4, 1), "connection refused")
}

#[test]
fn a_window_grows_with_success_and_shrinks_with_trouble() {
    let (hosts, _) = hosts(4);
    let mut places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
    assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
    assert!(hosts.enter(at(2), "a").is_ok());
    for _ in 0..9 {
        hosts.answered(at(1));
    }
    while let Ok(place) = hosts.enter(at(1), "a") {
        places.push(place);
    }
    assert_eq!(places.len(), 4);
    places.clear();
    hosts.strained(at(1));
    let _two = (hosts.enter(at(1), "a").ok().unwrap(), hosts.enter(at(1), "a").ok().unwrap());
    assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
}

#[test]
fn a_dead_host_is_left_alone_and_then_tried_by_one() {
    let (hosts, clock) = hosts(4);
    drop(hosts.enter(at(1), "a"));
    // Two that were under way together fail once.
    hosts.failed(at(1), &error(), Duration::ZERO, seconds);
    hosts.failed(at(1), &error(), Duration::ZERO, seconds);
    let until = clock.now() + seconds(1);
    assert_eq!(hosts.enter(at(1), "b").err(), Some(Refusal::LeftAlone { until, error: error() }));
    clock.advance(1);
    let probe = hosts.enter(at(1), "b").ok().unwrap();
    assert_eq!(hosts.enter(at(1), "c").err(), Some(Refusal::Full));
    hosts.failed(at(1), &error(), Duration::ZERO, seconds);
    drop(probe);
    clock.advance(1);
    assert!(hosts.enter(at(1), "b").is_err());
    clock.advance(1);
    let probe = hosts.enter(at(1), "b").ok().unwrap();
    hosts.answered(at(1));
    assert!(hosts.enter(at(1), "c").is_ok());
    drop(probe);
    // What the host was late by is no time to be left alone.
    hosts.failed(at(1), &error(), seconds(60), seconds);
    assert!(hosts.enter(at(1), "b").is_ok());
}

#[test]
fn those_who_wait_take_turns() {
    let (hosts, clock) = hosts(1);
    let free = hosts.free();
    let called = || free.try_recv().ok();
    let place = hosts.enter(at(1), "a").ok().unwrap();
    assert!(["b", "c", "b"].iter().all(|name| hosts.wait(at(1), name)) && hosts.is_wanted(at(1)));
    hosts.give_turns(at(1), 1);
    assert_eq!(called().as_deref(), Some("b"));
    drop(place);
    // The place is kept for whose turn it is, and nobody else has one meanwhile.
    assert_eq!(called(), None);
    assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
    drop(hosts.enter(at(1), "b").ok().unwrap());
    assert_eq!(called().as_deref(), Some("c"));
    // Not for ever.
    assert_eq!(hosts.enter(at(1), "a").err(), Some(Refusal::Full));
    clock.advance(TURN_SECONDS);
    let place = hosts.enter(at(1), "a").ok().unwrap();
    assert!(hosts.wait(at(1), "a"));
    hosts.failed(at(1), &error(), Duration::ZERO, seconds);
    assert_eq!(called().as_deref(), Some("a"));
    assert!(!hosts.wait(at(1), "a"));
    drop(place);
    assert!(!hosts.wait(at(2), "a"));
}

#[test]
fn a_window_that_grows_calls_those_who_wait() {
    let (hosts, _) = hosts(4);
    let free = hosts.free();
    let _places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
    assert!(hosts.wait(at(1), "b") && hosts.wait(at(1), "c"));
    assert!(free.try_recv().is_err());
    hosts.answered(at(1));
    assert_eq!((free.try_recv().ok().as_deref(), free.try_recv().ok()), (Some("b"), None));
}

#[test]
fn hosts_are_forgotten_before_there_are_too_many() {
    let (hosts, _) = hosts(1);
    for n in 0..=HOSTS_MAX {
        let [a, b, c, d] = (n as u32).to_be_bytes();
        let one = SocketAddr::from(([a, b, c, d], 25));
        drop(hosts.enter(one, "a"));
        hosts.failed(one, &error(), Duration::ZERO, |_| Duration::from_secs(60));
    }
    assert!(hosts.len() <= HOSTS_MAX);
}

#[test]
fn back_off_follows_the_schedule() {
    let retry = [300, 900, 14_400].map(Duration::from_secs);
    let seconds: Vec<_> = (1..5).map(|n| back_off(&retry, n).as_secs()).collect();
    assert_eq!(seconds, [225, 675, 1_800, 1_800]);
    assert_eq!(back_off(&[], 1), Duration::ZERO);
}

#[test]
fn a_turn_that_came_to_nothing_is_given_to_the_next_though_all_connections_are_idle() {
    let (hosts, clock) = hosts(WINDOW_FIRST);
    let _places: Vec<_> = (0..WINDOW_FIRST).map(|_| hosts.enter(at(1), "a").ok().unwrap()).collect();
    assert!(hosts.wait(at(1), "b") && hosts.wait(at(1), "c"));
    // A connection is idle: b is called, and does not come.
    hosts.give_turns(at(1), 1);
    assert_eq!(hosts.free().try_recv().as_deref(), Ok("b"));
    hosts.refresh(|_| 1);
    assert!(hosts.free().try_recv().is_err(), "b may still come");
    clock.advance(TURN_SECONDS);
    hosts.refresh(|_| 0);
    assert!(hosts.free().try_recv().is_err(), "no place is free and no connection idle");
    hosts.refresh(|_| 1);
    assert_eq!(hosts.free().try_recv().as_deref(), Ok("c"));
    assert!(!hosts.anybody_waits());
}

#[test]
fn who_waits_is_known_after_every_end_of_waiting() {
    let (hosts, clock) = hosts(1);
    let wait = |n| {
        let place = hosts.enter(at(n), "a").ok().unwrap();
        assert!(hosts.wait(at(n), "b") && hosts.is_wanted(at(n)) && hosts.anybody_waits());
        place
    };
    // The place becomes free.
    drop(wait(1));
    assert!(!hosts.is_wanted(at(1)) && !hosts.anybody_waits());
    // The host fails.
    let (first, second) = (wait(2), wait(3));
    hosts.failed(at(2), &error(), Duration::ZERO, seconds);
    assert!(!hosts.is_wanted(at(2)) && hosts.is_wanted(at(3)) && hosts.anybody_waits());
    // A connection becomes idle; and a turn passes to the next of two.
    assert!(hosts.wait(at(3), "c"));
    hosts.give_turns(at(3), 1);
    assert!(hosts.is_wanted(at(3)));
    clock.advance(TURN_SECONDS);
    hosts.refresh(|_| 1);
    assert!(!hosts.anybody_waits());
    drop((first, second));
    assert!(!hosts.anybody_waits());
}

/// A look at who waits must not depend on how many hosts are known.
#[test]
fn hosts_without_anybody_waiting_are_not_looked_at() {
    let (hosts, _) = hosts(1);
    for n in 0..200 {
        hosts.failed(at(n), &error(), Duration::ZERO, seconds);
    }
    let _place = hosts.enter(at(250), "a").ok().unwrap();
    assert!(hosts.wait(at(250), "b"));
    let asked = std::cell::RefCell::new(Vec::new());
    hosts.refresh(|at| {
        asked.borrow_mut().push(at);
        0
    });
    assert_eq!(asked.into_inner(), [at(250)]);
}
