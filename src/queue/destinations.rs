//! Destinations as the runner knows them: when the first of their rows is due, how many messages are under way, how
//! many may be, until when they are left alone; and whose turn it is. Pure.
//!
//! Every destination stands in one list at most: by the time its first row is due, among those that are ready, among
//! those whose rows take no connection, or among those whose rows are to be put off. Finding the next costs the same
//! however many there are. Of those that are ready, by turns the one that waits longest is served and the one that
//! came last and was not served yet: whoever comes new does not wait behind all the others.
//!
//! Bounded by `QUEUE_DESTINATIONS_MAX`; what does not fit is found in the store once there is room.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::limits::{QUEUE_DESTINATIONS_MAX, QUEUE_LOCAL_MAX, WINDOW_FIRST};
use crate::base::{Mono, QueueId, Timestamp};
use crate::delivery::Outcome;
use crate::delivery::route::KeyKind;

/// Now, on both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) mono: Mono,
    pub(super) wall: Timestamp,
}

/// A list of [`Destinations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// Rows are due, and a connection may be used for them.
    Ready,
    /// The same, of destinations that had no turn yet.
    Fresh,
    /// Rows are due that take no connection: to be filed here or given up.
    Local,
    /// Rows wait under a name that means nothing any more: they are to be routed anew.
    Stale,
    /// Rows are due and the destination is left alone: they are to be put off.
    PutOff,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Nowhere,
    Due(Timestamp),
    In(List, u64),
}

/// One destination.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) kind: KeyKind,
    /// When the first row is due, as far as is known; `None` where none waits.
    due: Option<Timestamp>,
    /// Messages under way.
    pub(super) under_way: Vec<QueueId>,
    window: usize,
    /// Attempts in a row that reached nobody.
    pub(super) failures: u32,
    /// Left alone until then.
    until: Mono,
    /// What happened last, and the row of the attempt.
    pub(super) error: Option<(Outcome, i64)>,
    /// Waits for a connection to a host; no longer than until then.
    parked: Option<Mono>,
    position: Position,
    /// It had a turn since it last had nothing to do.
    served: bool,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Destinations {
    known: BTreeMap<String, Destination>,
    due: BTreeSet<(Timestamp, String)>,
    ready: BTreeMap<u64, String>,
    fresh: BTreeMap<u64, String>,
    local: BTreeMap<u64, String>,
    stale: BTreeMap<u64, String>,
    put_off: BTreeMap<u64, String>,
    sequence: u64,
    newest: bool,
    window_max: usize,
    /// Some did not fit.
    overflowed: bool,
}

impl Destinations {
    pub(super) fn new(window_max: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            due: BTreeSet::new(),
            ready: BTreeMap::new(),
            fresh: BTreeMap::new(),
            local: BTreeMap::new(),
            stale: BTreeMap::new(),
            put_off: BTreeMap::new(),
            sequence: 0,
            newest: false,
            window_max: window_max.max(1),
            overflowed: false,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Destination> {
        self.known.get(key)
    }

    /// Rows of `key` are due at `due`.
    pub(super) fn note(&mut self, key: &str, due: Timestamp, kind: impl FnOnce(&str) -> KeyKind, now: Now) {
        if !self.known.contains_key(key) {
            if self.known.len() >= QUEUE_DESTINATIONS_MAX {
                self.forget_idle(now);
            }
            if self.known.len() >= QUEUE_DESTINATIONS_MAX {
                self.overflowed = true;
                return;
            }
            let fresh = Destination {
                kind: kind(key),
                due: None,
                under_way: Vec::new(),
                window: WINDOW_FIRST,
                failures: 0,
                until: Mono::default(),
                error: None,
                parked: None,
                position: Position::Nowhere,
                served: false,
            };
            self.known.insert(key.to_owned(), fresh);
        }
        if let Some(found) = self.known.get_mut(key) {
            found.due = Some(found.due.map_or(due, |before| before.min(due)));
        }
        self.place(key, now);
    }

    /// After rows were claimed or put off: when the first of the others is due.
    pub(super) fn next_due(&mut self, key: &str, due: Option<Timestamp>, now: Now) {
        if let Some(found) = self.known.get_mut(key) {
            found.due = due;
        }
        self.place(key, now);
    }

    /// A message is under way. Place the destination afterwards, by [`Destinations::next_due`].
    pub(super) fn begin(&mut self, key: &str, id: QueueId) {
        if let Some(found) = self.known.get_mut(key) {
            found.under_way.push(id);
        }
    }

    /// A message is over. Where it was claimed in part, the rest of it may be due: `note` it.
    pub(super) fn end(&mut self, key: &str, id: QueueId, now: Now) {
        if let Some(found) = self.known.get_mut(key)
            && let Some(at) = found.under_way.iter().position(|under_way| *under_way == id)
        {
            found.under_way.swap_remove(at);
        }
        self.place(key, now);
    }

    /// Somebody answered: one more may be under way.
    pub(super) fn answered(&mut self, key: &str) {
        if let Some(found) = self.known.get_mut(key) {
            found.window = (found.window + 1).min(self.window_max);
            (found.failures, found.error) = (0, None);
            found.until = Mono::default();
        }
    }

    /// Nobody answered: left alone for `pause` of the failures in a row, less `late`.
    pub(super) fn failed(
        &mut self,
        key: &str,
        error: (Outcome, i64),
        late: Duration,
        pause: impl Fn(u32) -> Duration,
        now: Now,
    ) {
        if let Some(found) = self.known.get_mut(key) {
            // Several that were under way together failed once.
            if now.mono >= found.until || found.failures == 0 {
                found.failures = found.failures.saturating_add(1);
            }
            found.window = 1;
            found.until = now.mono + pause(found.failures).saturating_sub(late);
            found.error = Some(error);
        }
    }

    /// Waits for a connection, until `until` at most.
    pub(super) fn park(&mut self, key: &str, until: Mono) {
        if let Some(found) = self.known.get_mut(key) {
            found.parked = Some(until);
        }
    }

    /// Waits no longer.
    pub(super) fn unpark(&mut self, key: &str, now: Now) {
        if let Some(found) = self.known.get_mut(key) {
            found.parked = None;
        }
        self.place(key, now);
    }

    /// How long a destination is still left alone.
    pub(super) fn left_alone(&self, key: &str, now: Now) -> Duration {
        self.known.get(key).map_or(Duration::ZERO, |found| found.until - now.mono)
    }

    /// How many more messages of it may be under way.
    pub(super) fn room(&self, key: &str) -> usize {
        self.known.get(key).map_or(0, |found| found.limit(self.window_max).saturating_sub(found.under_way.len()))
    }

    /// Moves those whose time has come into their lists; gives when the next one's does.
    pub(super) fn wake(&mut self, now: Now) -> Option<Timestamp> {
        while let Some((at, key)) = self.due.first().cloned() {
            if at > now.wall {
                return Some(at);
            }
            self.place(&key, now);
            // One that stays where it is has a due time ahead by now.
            if self.due.first().is_some_and(|first| first.0 == at && first.1 == key) {
                self.due.remove(&(at, key));
            }
        }
        None
    }

    /// How many stand in a list; those that had no turn yet are ready too.
    pub(super) fn len(&self, list: List) -> usize {
        match list {
            List::Ready => self.ready.len() + self.fresh.len(),
            List::Fresh => self.fresh.len(),
            List::Local => self.local.len(),
            List::Stale => self.stale.len(),
            List::PutOff => self.put_off.len(),
        }
    }

    /// Takes the next out of a list. Of those that are ready, by turns the one that stands there longest and the one
    /// that came last and had no turn yet.
    pub(super) fn pick(&mut self, list: List) -> Option<String> {
        let (_, key) = match list {
            List::Ready => {
                self.newest = !self.newest;
                let newest = if self.newest { None } else { self.fresh.pop_last() };
                let oldest = |this: &mut Self| match (this.ready.first_key_value(), this.fresh.first_key_value()) {
                    (Some((ready, _)), Some((fresh, _))) if fresh < ready => this.fresh.pop_first(),
                    (None, _) => this.fresh.pop_first(),
                    _ => this.ready.pop_first(),
                };
                newest.or_else(|| oldest(self))?
            }
            list => self.list(list).pop_first()?,
        };
        if let Some(found) = self.known.get_mut(&key) {
            found.position = Position::Nowhere;
            found.served = true;
        }
        Some(key)
    }

    /// Whether one is ready that never failed and has nothing under way.
    pub(super) fn has_fresh(&self) -> bool {
        let ends = [self.fresh.first_key_value(), self.fresh.last_key_value()];
        let fresh =
            |key: &str| self.known.get(key).is_some_and(|found| found.failures == 0 && found.under_way.is_empty());
        ends.into_iter().flatten().any(|(_, key)| fresh(key))
    }

    /// Whether some did not fit and there is room now; tells it once.
    pub(super) fn take_overflow(&mut self) -> bool {
        let room = self.known.len() < QUEUE_DESTINATIONS_MAX / 2;
        room && std::mem::take(&mut self.overflowed)
    }

    /// Puts a destination where it belongs, or forgets it.
    pub(super) fn place(&mut self, key: &str, now: Now) {
        let Some(found) = self.known.get_mut(key) else { return };
        let position = found.belongs(self.window_max, now);
        found.served &= found.due.is_some_and(|due| due <= now.wall);
        let same_list = matches!((found.position, position), (Position::In(a, _), Position::In(b, _)) if a == b);
        let idle = found.is_idle(now);
        if (found.position == position && !idle) || same_list {
            return;
        }
        let before = std::mem::replace(&mut found.position, Position::Nowhere);
        match before {
            Position::Nowhere => {}
            Position::Due(at) => {
                self.due.remove(&(at, key.to_owned()));
            }
            Position::In(list, at) => {
                self.list(list).remove(&at);
            }
        }
        let position = match position {
            Position::In(list, _) => {
                self.sequence += 1;
                let at = self.sequence;
                self.list(list).insert(at, key.to_owned());
                Position::In(list, at)
            }
            Position::Due(at) => {
                self.due.insert((at, key.to_owned()));
                position
            }
            Position::Nowhere if idle => {
                self.known.remove(key);
                return;
            }
            Position::Nowhere => position,
        };
        if let Some(found) = self.known.get_mut(key) {
            found.position = position;
        }
    }

    fn list(&mut self, list: List) -> &mut BTreeMap<u64, String> {
        match list {
            List::Ready => &mut self.ready,
            List::Fresh => &mut self.fresh,
            List::Local => &mut self.local,
            List::Stale => &mut self.stale,
            List::PutOff => &mut self.put_off,
        }
    }

    fn forget_idle(&mut self, now: Now) {
        self.known.retain(|_, found| !(found.position == Position::Nowhere && found.is_idle(now)));
    }
}

impl Destination {
    /// How many messages of it may be under way.
    fn limit(&self, window_max: usize) -> usize {
        match self.kind {
            KeyKind::Over | KeyKind::Here => QUEUE_LOCAL_MAX,
            KeyKind::Stale => 0,
            KeyKind::Away if self.failures > 0 => 1,
            KeyKind::Away => self.window.min(window_max),
        }
    }

    fn belongs(&self, window_max: usize, now: Now) -> Position {
        let Some(due) = self.due else { return Position::Nowhere };
        if self.kind == KeyKind::Stale {
            return Position::In(List::Stale, 0);
        }
        if due > now.wall {
            return Position::Due(due);
        }
        if let Some(until) = self.parked.filter(|until| now.mono < *until) {
            return Position::Due(now.wall.after(until - now.mono + Duration::from_millis(1)));
        }
        let room = self.under_way.len() < self.limit(window_max);
        match self.kind {
            KeyKind::Away if now.mono < self.until && self.error.is_some() => Position::In(List::PutOff, 0),
            _ if !room => Position::Nowhere,
            KeyKind::Away if self.served => Position::In(List::Ready, 0),
            KeyKind::Away => Position::In(List::Fresh, 0),
            KeyKind::Over | KeyKind::Here | KeyKind::Stale => Position::In(List::Local, 0),
        }
    }

    /// Whether nothing of it is worth remembering.
    fn is_idle(&self, now: Now) -> bool {
        self.due.is_none() && self.under_way.is_empty() && now.mono >= self.until
    }
}

#[cfg(test)]
#[path = "destinations_tests.rs"]
mod tests;
