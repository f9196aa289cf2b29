//! The queue of events a host pulls: bounded, ordered, with a pollable file descriptor.
//!
//! The descriptor is readable exactly while the queue holds an event or is closed; only [`EventQueue`]
//! reads and writes it, one octet at most stands in it. A host polls it (poll, select, epoll, kqueue) and
//! never reads it. When the host is too slow, further events are counted and reported as `Overflow` once
//! there is room again: what was queued first stays in order. Requests, which somebody waits for, are never
//! dropped: there are as many as sessions that wait, and each is taken back when its session does no more.
//! Refusals take at most a quarter of the room, and of one peer only so many a minute: see `refusals`. Lines of the
//! log and of traces take at most another quarter.

use std::collections::VecDeque;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::interrupt::lock;
use super::refusals::{Passage, Refusals, is_refusal};
use super::stats::Counters;
use crate::base::event::{Event, EventSink};
use crate::base::world::Clock;
use crate::base::{Result, Timestamp};

/// An event with its place and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Counts up by one from 1; a gap means that events were dropped, or requests taken back.
    pub sequence: u64,
    /// When it was said.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// The queue.
pub struct EventQueue {
    clock: Arc<dyn Clock>,
    capacity: usize,
    state: Mutex<State>,
    wake: Sender<()>,
    woken: Receiver<()>,
    /// The same for those who wait for requests only.
    wake_request: Sender<()>,
    woken_request: Receiver<()>,
    /// Says that a refusal was counted, to who says the counts when it is time.
    counted: (Sender<()>, Receiver<()>),
}

struct State {
    queue: VecDeque<Said>,
    /// Requests, beside the queue: no capacity, and found without a search.
    requests: VecDeque<(u64, Said)>,
    sequence: u64,
    dropped: u64,
    /// Those that were too many, and how many stand in the queue.
    refusals: Refusals,
    refusals_queued: usize,
    /// Lines of the log and of traces in the queue.
    chatter_queued: usize,
    counters: Counters,
    closed: bool,
    readable: bool,
    reader: PipeReader,
    writer: PipeWriter,
}

impl EventQueue {
    /// An empty queue for at most `capacity` events.
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Result<Arc<EventQueue>> {
        let (reader, writer) = std::io::pipe()?;
        let state = State {
            queue: VecDeque::new(),
            requests: VecDeque::new(),
            sequence: 0,
            dropped: 0,
            refusals: Refusals::default(),
            refusals_queued: 0,
            chatter_queued: 0,
            counters: Counters::default(),
            closed: false,
            readable: false,
            reader,
            writer,
        };
        let state = Mutex::new(state);
        let ((wake, woken), (wake_request, woken_request), counted) = (bounded(1), bounded(1), bounded(1));
        Ok(Arc::new(EventQueue { clock, capacity, state, wake, woken, wake_request, woken_request, counted }))
    }

    /// The next event if there is one now. `Ok(None)`: none; the second value says whether the queue is
    /// closed, so that none will come.
    pub fn try_next(&self) -> (Option<Said>, bool) {
        let mut state = lock(&self.state);
        let request_first = match (state.queue.front(), state.requests.front()) {
            (Some(said), Some((_, request))) => request.sequence < said.sequence,
            (queued, _) => queued.is_none(),
        };
        let request = if request_first { state.requests.pop_front() } else { None };
        let said = request.map(|(_, request)| request).or_else(|| state.pop());
        let said = said.or_else(|| state.overflow(self.clock.wall()));
        state.settle();
        (said, state.closed)
    }

    /// The next request if there is one now, past the events in front of it; otherwise as [`EventQueue::try_next`].
    pub fn try_next_request(&self) -> (Option<Said>, bool) {
        let mut state = lock(&self.state);
        let request = state.requests.pop_front().map(|(_, request)| request);
        state.settle();
        (request, state.closed)
    }

    /// Waits for the next request; `None` once the queue is closed.
    pub async fn next_request(&self) -> Option<Said> {
        loop {
            match self.try_next_request() {
                (None, false) => {}
                (said, _) => {
                    if !lock(&self.state).requests.is_empty() {
                        let _ = self.wake_request.try_send(());
                    }
                    return said;
                }
            }
            if self.woken_request.recv().await.is_err() {
                return None;
            }
        }
    }

    /// Waits for the next event; `None` once the queue is closed and empty.
    pub async fn next(&self) -> Option<Said> {
        loop {
            match self.try_next() {
                (None, false) => {}
                (said, _) => {
                    // Another thread may wait too: pass the wake-up on while there is something left.
                    if !lock(&self.state).is_empty() {
                        let _ = self.wake.try_send(());
                    }
                    return said;
                }
            }
            if self.woken.recv().await.is_err() {
                return None;
            }
        }
    }

    /// The descriptor to poll; owned by the queue.
    #[cfg(unix)]
    pub fn descriptor(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        lock(&self.state).reader.as_raw_fd()
    }

    /// No further events: the descriptor stays readable, waiting calls return.
    pub fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        state.settle();
        drop(state);
        self.wake.close();
        self.wake_request.close();
    }

    /// Says that the host is asked something, whatever else waits.
    pub(super) fn request(&self, id: u64, hook: &'static str) {
        let at = self.clock.wall();
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        let said = state.numbered(Event::Request { id, hook }, at);
        state.requests.push_back((id, said));
        state.settle();
        drop(state);
        let _ = self.wake.try_send(());
        let _ = self.wake_request.try_send(());
    }

    /// Takes back a request that the host has not taken.
    pub(super) fn withdraw(&self, id: u64) {
        let mut state = lock(&self.state);
        if let Some(at) = state.requests.iter().position(|(waiting, _)| *waiting == id) {
            state.requests.remove(at);
            state.settle();
        }
    }
}

impl EventSink for EventQueue {
    fn say(&self, event: Event) {
        self.say_each([event]);
    }

    fn say_all(&self, events: Vec<Event>) {
        self.say_each(events);
    }
}

impl EventQueue {
    /// Waking a host costs more than all else here: once, however many events there are.
    fn say_each(&self, events: impl IntoIterator<Item = Event>) {
        let (at, now) = (self.clock.wall(), self.clock.now());
        let (mut state, mut counted) = (lock(&self.state), false);
        if state.closed {
            return;
        }
        for event in events {
            state.counters.count(&event);
            if is_chatter(&event) && state.chatter_queued >= self.refusals_max() {
                state.sequence += 1;
                state.dropped += 1;
                state.counters.events_dropped += 1;
                continue;
            }
            let room = self.refusals_max() > state.refusals_queued;
            match state.refusals.pass(event, now, room) {
                Passage::Say(event) => state.push(event, at, self.capacity),
                Passage::Counted => counted = true,
            }
        }
        state.settle();
        let is_empty = state.is_empty() && state.dropped == 0;
        drop(state);
        if !is_empty {
            let _ = self.wake.try_send(());
        }
        if counted {
            let _ = self.counted.0.try_send(());
        }
    }

    /// What was counted since the opening, and how many events wait.
    pub(super) fn counters(&self) -> (Counters, u64) {
        let state = lock(&self.state);
        (state.counters, (state.queue.len() + state.requests.len()) as u64)
    }

    /// Refusals that may stand in the queue; as many lines of the log and of traces.
    fn refusals_max(&self) -> usize {
        (self.capacity / 4).max(1)
    }

    /// Says the counts of refusals when their time is over, until `stop` is closed.
    pub(super) async fn say_counts(self: Arc<Self>, stop: Receiver<()>) {
        loop {
            let next = lock(&self.state).refusals.next();
            let time = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => self.counted.1.recv().await.unwrap_or(()),
                }
                true
            };
            let stopped = async {
                while stop.recv().await.is_ok() {}
                false
            };
            if !stopped.or(time).await {
                return;
            }
            let now = self.clock.now();
            let room = self.refusals_max().saturating_sub(lock(&self.state).refusals_queued);
            let due = lock(&self.state).refusals.due(now, room);
            if !self.say_counted(due) && next.is_some_and(|at| at <= now) {
                // No room: the host reads nothing just now.
                self.clock.sleep_until(now + Duration::from_secs(1)).await;
            }
        }
    }

    /// Says all counts of refusals: there will be no more.
    pub(super) fn say_last_counts(&self) {
        let rest = lock(&self.state).refusals.rest();
        self.say_counted(rest);
    }

    /// Says counts, which are not counted again; whether there were any.
    fn say_counted(&self, events: Vec<Event>) -> bool {
        let at = self.clock.wall();
        let mut state = lock(&self.state);
        if events.is_empty() || state.closed {
            return false;
        }
        for event in events {
            state.push(event, at, self.capacity);
        }
        state.settle();
        drop(state);
        let _ = self.wake.try_send(());
        true
    }
}

/// Whether an event is a line of the log or of a trace, of which there may be very many.
fn is_chatter(event: &Event) -> bool {
    matches!(event, Event::Log { .. } | Event::Dialog { .. })
}

impl State {
    /// Queues an event, or counts it where there is no room. An event that is dropped uses up its number.
    fn push(&mut self, event: Event, at: Timestamp, capacity: usize) {
        // That the engine has failed is said but once, and must not be missed.
        if self.queue.len() >= capacity && !matches!(event, Event::Fatal { .. }) {
            self.sequence += 1;
            self.dropped += 1;
            self.counters.events_dropped += 1;
            return;
        }
        let overflow = self.overflow(at);
        self.queue.extend(overflow);
        self.refusals_queued += usize::from(is_refusal(&event));
        self.chatter_queued += usize::from(is_chatter(&event));
        let said = self.numbered(event, at);
        self.queue.push_back(said);
    }

    /// The event that waits longest.
    fn pop(&mut self) -> Option<Said> {
        let said = self.queue.pop_front()?;
        self.refusals_queued -= usize::from(is_refusal(&said.event));
        self.chatter_queued -= usize::from(is_chatter(&said.event));
        Some(said)
    }

    /// The report of what was dropped, once.
    fn overflow(&mut self, at: Timestamp) -> Option<Said> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| self.numbered(Event::Overflow { dropped }, at))
    }

    /// An event under the next number.
    fn numbered(&mut self, event: Event, at: Timestamp) -> Said {
        self.sequence += 1;
        Said { sequence: self.sequence, at, event }
    }

    /// Whether neither an event nor a request waits.
    fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.requests.is_empty()
    }

    /// Brings the descriptor in step with the queue.
    fn settle(&mut self) {
        let readable = self.closed || !self.is_empty() || self.dropped > 0;
        if readable == self.readable {
            return;
        }
        // One octet in a pipe of our own: neither call can block or fall short.
        let done = if readable { self.writer.write_all(&[1]) } else { self.reader.read_exact(&mut [0]) };
        if done.is_ok() {
            self.readable = readable;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{EVENT_REFUSED_PER_PEER_MAX, EVENT_REFUSED_SECONDS};
    use crate::engine::refusals::tests::refused;
    use crate::os::RealClock;
    use crate::os::clock::SteppedClock;

    fn names(queue: &EventQueue) -> Vec<String> {
        std::iter::from_fn(|| queue.try_next().0)
            .map(|said| match said.event {
                Event::Request { id, .. } => format!("request {id}"),
                Event::Overflow { dropped } => format!("overflow {dropped}"),
                event => format!("{event:?}"),
            })
            .collect()
    }

    fn readable(queue: &EventQueue) -> bool {
        lock(&queue.state).readable
    }

    #[test]
    fn requests_pass_the_capacity_and_keep_their_place() {
        let queue = EventQueue::new(Arc::new(RealClock::new()), 2).unwrap();
        queue.request(1, "data");
        queue.say(Event::Started);
        queue.request(2, "data");
        queue.say(Event::Stopped);
        queue.say(Event::Stopped);
        queue.request(3, "rcpt");
        queue.request(4, "data");
        queue.withdraw(3);
        queue.withdraw(9);
        assert_eq!(names(&queue), ["request 1", "Started", "request 2", "Stopped", "request 4", "overflow 1"]);
        assert!(!readable(&queue));
    }

    #[test]
    fn each_event_has_its_own_number() {
        let queue = EventQueue::new(Arc::new(RealClock::new()), 2).unwrap();
        let numbers = || std::iter::from_fn(|| queue.try_next().0).map(|said| said.sequence).collect::<Vec<_>>();
        (0..5).for_each(|_| queue.say(Event::Stopped));
        // 3, 4 and 5 were dropped.
        assert_eq!(numbers(), [1, 2, 6]);
        (0..3).for_each(|_| queue.say(Event::Stopped));
        assert!(matches!(queue.try_next().0, Some(Said { sequence: 7, .. })));
        queue.request(1, "data");
        queue.say(Event::Started);
        assert_eq!(numbers(), [8, 10, 11, 12]);
    }

    #[test]
    fn a_flood_of_refusals_leaves_room_for_others() {
        let queue = EventQueue::new(Arc::new(RealClock::new()), 8).unwrap();
        for n in 0..100 {
            queue.say(refused(&format!("192.0.2.{n}:1"), "no"));
        }
        (0..6).for_each(|_| queue.say(Event::Started));
        let is_started = |said: &Said| said.event == Event::Started;
        let said: Vec<Said> = std::iter::from_fn(|| queue.try_next().0).collect();
        assert_eq!((said.len(), said.iter().filter(|said| is_started(said)).count()), (8, 6));
        assert!(!readable(&queue));
        queue.say_last_counts();
        let rest: Vec<Said> = std::iter::from_fn(|| queue.try_next().0).collect();
        let count = |said: &Said| match &said.event {
            Event::Refused(refused) => refused.count,
            Event::Overflow { dropped } => *dropped,
            _ => 0,
        };
        assert_eq!(rest.iter().map(count).sum::<u64>(), 98, "{rest:?}");
    }

    #[test]
    fn what_was_counted_is_said_when_its_time_is_over() {
        let clock = Arc::new(SteppedClock::new());
        clock.set(Timestamp(1_000));
        let queue = EventQueue::new(Arc::clone(&clock) as Arc<dyn Clock>, 1_000).unwrap();
        let (stop, stopped) = bounded(1);
        let telling = Arc::clone(&queue).say_counts(stopped);
        let told = async {
            for _ in 0..EVENT_REFUSED_PER_PEER_MAX + 7 {
                queue.say(refused("192.0.2.1:1", "no"));
            }
            for _ in 0..EVENT_REFUSED_PER_PEER_MAX {
                assert!(matches!(queue.next().await.unwrap().event, Event::Refused(refused) if refused.count == 1));
            }
            assert_eq!(queue.try_next(), (None, false));
            // Once for the task to hear of the count, once for its time.
            smol::future::yield_now().await;
            clock.advance(Duration::from_secs(EVENT_REFUSED_SECONDS));
            assert!(matches!(queue.next().await.unwrap().event, Event::Refused(refused) if refused.count == 7));
            drop(stop);
        };
        smol::block_on(smol::future::zip(telling, told));
    }

    #[test]
    fn requests_alone_are_taken_past_the_others() {
        let queue = EventQueue::new(Arc::new(RealClock::new()), 2).unwrap();
        queue.say(Event::Started);
        queue.request(1, "data");
        let (request, closed) = queue.try_next_request();
        assert!(matches!(request, Some(Said { event: Event::Request { id: 1, .. }, sequence: 2, .. })) && !closed);
        assert_eq!((queue.try_next_request(), names(&queue)), ((None, false), vec!["Started".to_owned()]));
        assert!(!readable(&queue));
        queue.request(2, "data");
        assert!(readable(&queue));
        queue.withdraw(2);
        assert!(!readable(&queue));
        queue.close();
        queue.request(3, "data");
        assert_eq!(queue.try_next_request(), (None, true));
        assert_eq!(smol::block_on(queue.next_request()), None);
        assert!(readable(&queue));
    }
}
