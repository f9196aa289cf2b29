//! Whose turn it is: windows, back-off, places at both ends of the line.

use super::*;
use crate::base::Enhanced;
use crate::delivery::Verdict;

const SECOND: Duration = Duration::from_secs(1);

fn now(seconds: u64) -> Now {
    Now { mono: Mono(seconds * 1_000_000_000), wall: Timestamp::from_seconds(seconds as i64) }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn kind(key: &str) -> KeyKind {
    match key {
        " over" => KeyKind::Over,
        " here" => KeyKind::Here,
        "" => KeyKind::Stale,
        _ => KeyKind::Away,
    }
}

fn error() -> (Outcome, i64) {
    (Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 4, 1), "connection refused"), 7)
}

fn all(destinations: &mut Destinations, list: List) -> Vec<String> {
    std::iter::from_fn(|| destinations.pick(list)).collect()
}

#[test]
fn each_stands_where_it_belongs() {
    let mut known = Destinations::new(5);
    for (key, due) in [("late", 9), ("a", 1), (" here", 1), (" over", 1), ("", 90), ("late", 12)] {
        known.note(key, at(due), kind, now(5));
    }
    assert_eq!([List::Ready, List::Local, List::Stale, List::PutOff].map(|list| known.len(list)), [1, 2, 1, 0]);
    assert_eq!(known.wake(now(5)), Some(at(9)));
    assert_eq!(known.wake(now(9)), None);
    assert_eq!(all(&mut known, List::Ready).len(), 2);
    // What has no rows and nothing under way is forgotten.
    for key in ["late", "a", " here", " over", ""] {
        known.next_due(key, None, now(9));
    }
    assert!(known.known.is_empty() && known.due.is_empty() && known.local.is_empty());
}

#[test]
fn a_window_grows_with_answers_and_is_one_after_a_failure() {
    let mut known = Destinations::new(3);
    known.note("a", at(1), kind, now(5));
    let mut rooms = Vec::new();
    for _ in 0..3 {
        rooms.push(known.room("a"));
        known.answered("a");
    }
    assert_eq!(rooms, [2, 3, 3]);
    known.failed("a", error(), Duration::ZERO, |n| SECOND * n, now(5));
    assert_eq!(known.room("a"), 1);
    known.begin("a", QueueId(1));
    assert_eq!(known.room("a"), 0);
    known.answered("a");
    assert_eq!(known.room("a"), 1);
}

#[test]
fn a_full_window_is_in_no_list_until_one_ends() {
    let mut known = Destinations::new(1);
    known.note("a", at(1), kind, now(5));
    assert_eq!(known.pick(List::Ready).as_deref(), Some("a"));
    known.begin("a", QueueId(1));
    known.next_due("a", Some(at(2)), now(5));
    assert_eq!((known.len(List::Ready), known.wake(now(5))), (0, None));
    known.end("a", QueueId(1), now(5));
    assert_eq!(known.len(List::Ready), 1);
}

#[test]
fn who_failed_is_left_alone_and_its_rows_put_off() {
    let mut known = Destinations::new(5);
    known.note("a", at(1), kind, now(5));
    known.begin("a", QueueId(1));
    known.begin("a", QueueId(2));
    // Two that were under way together count as one failure.
    for id in [1, 2] {
        known.failed("a", error(), Duration::ZERO, |n| SECOND * 10 * n, now(5));
        known.end("a", QueueId(id), now(5));
    }
    assert_eq!(known.get("a").map(|found| found.failures), Some(1));
    assert_eq!((known.len(List::PutOff), known.len(List::Ready)), (1, 0));
    assert_eq!(known.left_alone("a", now(5)), SECOND * 10);
    assert_eq!(known.pick(List::PutOff).as_deref(), Some("a"));
    known.next_due("a", Some(at(15)), now(5));
    assert_eq!(known.wake(now(5)), Some(at(15)));
    known.wake(now(15));
    assert_eq!(known.pick(List::Ready).as_deref(), Some("a"));
    known.failed("a", error(), Duration::ZERO, |n| SECOND * 10 * n, now(15));
    assert_eq!(known.left_alone("a", now(15)), SECOND * 20);
    // A clock that was moved past the pause leaves nothing of it.
    known.failed("a", error(), SECOND * 3_600, |n| SECOND * 10 * n, now(50));
    assert_eq!(known.left_alone("a", now(50)), Duration::ZERO);
}

#[test]
fn who_waits_for_a_host_is_not_ready() {
    let mut known = Destinations::new(5);
    known.note("a", at(1), kind, now(5));
    assert!(known.pick(List::Ready).is_some());
    known.park("a", now(65).mono);
    known.next_due("a", Some(at(1)), now(5));
    assert_eq!(known.len(List::Ready), 0);
    known.unpark("a", now(6));
    assert_eq!(known.len(List::Ready), 1);
    assert!(known.pick(List::Ready).is_some());
    known.park("a", now(65).mono);
    known.next_due("a", Some(at(1)), now(6));
    // Nobody came to tell it.
    known.wake(now(66));
    assert_eq!(known.len(List::Ready), 1);
}

#[test]
fn turns_are_given_from_both_ends() {
    let mut known = Destinations::new(5);
    for n in 0..100 {
        known.note(&format!("old{n:02}"), at(1), kind, now(5));
    }
    known.note("new", at(1), kind, now(5));
    let order: Vec<_> = (0..3).filter_map(|_| known.pick(List::Ready)).collect();
    assert_eq!(order, ["old00", "new", "old01"]);
    // One that had its turn and has more to do is not new.
    known.next_due("new", Some(at(1)), now(5));
    assert!(known.len(List::Ready) == 99 && known.len(List::Fresh) == 98 && known.has_fresh());
    let order: Vec<_> = (0..3).filter_map(|_| known.pick(List::Ready)).collect();
    assert_eq!(order, ["old99", "old02", "old98"]);
}

#[test]
fn destinations_are_bounded() {
    let mut known = Destinations::new(5);
    for n in 0..=QUEUE_DESTINATIONS_MAX {
        known.note(&n.to_string(), at(1), kind, now(5));
    }
    assert!(known.known.len() == QUEUE_DESTINATIONS_MAX && !known.take_overflow());
    for n in 0..QUEUE_DESTINATIONS_MAX {
        known.next_due(&n.to_string(), None, now(5));
    }
    assert!(known.take_overflow() && !known.take_overflow());
}
