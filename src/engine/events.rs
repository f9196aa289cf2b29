//! The queue of events a host pulls: bounded, ordered, with a pollable file descriptor.
//!
//! The descriptor is readable exactly while the queue holds an event or is closed; only [`EventQueue`]
//! reads and writes it, one octet at most stands in it. A host polls it (poll, select, epoll, kqueue) and
//! never reads it. When the host is too slow, further events are counted and reported as `Overflow` once
//! there is room again: what was queued first stays in order. Requests, which somebody waits for, are never
//! dropped: there are as many as sessions that wait, and each is taken back when its session does no more.

use std::collections::VecDeque;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::sync::{Arc, Mutex};

use smol::channel::{Receiver, Sender, bounded};

use super::interrupt::lock;
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
}

struct State {
    queue: VecDeque<Said>,
    /// Requests, beside the queue: no capacity, and found without a search.
    requests: VecDeque<(u64, Said)>,
    sequence: u64,
    dropped: u64,
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
            closed: false,
            readable: false,
            reader,
            writer,
        };
        let state = Mutex::new(state);
        let ((wake, woken), (wake_request, woken_request)) = (bounded(1), bounded(1));
        Ok(Arc::new(EventQueue { clock, capacity, state, wake, woken, wake_request, woken_request }))
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
        let said = request.map(|(_, request)| request).or_else(|| state.queue.pop_front());
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
        state.sequence += 1;
        let sequence = state.sequence;
        state.requests.push_back((id, Said { sequence, at, event: Event::Request { id, hook } }));
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
        let at = self.clock.wall();
        let mut state = lock(&self.state);
        if state.closed {
            return;
        }
        for event in events {
            state.push(event, at, self.capacity);
        }
        state.settle();
        drop(state);
        let _ = self.wake.try_send(());
    }
}

impl State {
    /// Queues an event, or counts it where there is no room.
    fn push(&mut self, event: Event, at: Timestamp, capacity: usize) {
        self.sequence += 1;
        // That the engine has failed is said but once, and must not be missed.
        if self.queue.len() >= capacity && !matches!(event, Event::Fatal { .. }) {
            self.dropped += 1;
            return;
        }
        let overflow = self.overflow(at);
        self.queue.extend(overflow);
        self.queue.push_back(Said { sequence: self.sequence, at, event });
    }

    /// The report of what was dropped, once.
    fn overflow(&mut self, at: Timestamp) -> Option<Said> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then_some(Said { sequence: self.sequence, at, event: Event::Overflow { dropped } })
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
    use crate::os::RealClock;

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
