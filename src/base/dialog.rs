//! The interface between protocol sessions and the world: a session never waits, it asks.
//!
//! A [`Dialog`] owns no socket, clock or store. Its driver (`net::pump`, a transcript, a fuzzer, the
//! simulation) gives it octets, answers and the time, and does what its [`Step`]s say. The same session
//! code runs in all of them.
//!
//! The rules a driver keeps:
//! 1. It calls [`Dialog::step`] until `Read`, `StartTls` or `Close` comes; output gathered so far is
//!    written before it waits for input, before TLS starts and before it closes, so the replies of a
//!    pipelined group leave in one write.
//! 2. After `Ask` it calls [`Dialog::answer`] exactly once before the next `step`.
//! 3. At `StartTls` the [`Input`] must be empty; otherwise somebody injected commands in front of the
//!    handshake (RFC 3207 §5, CVE-2011-0411) and the connection ends.
//! 4. When [`Dialog::deadline`] passes it calls [`Dialog::expire`] once, then steps until `Close`.
//! 5. At the end of the peer's octets it calls [`Dialog::end`] once, then steps until `Close`.
//! 6. When the engine drains it may call [`Dialog::drain`] once, after a `Read`, then goes on.
//! 7. When a session is dismissed it calls [`Dialog::dismiss`] once, after a `Read`, then steps until `Close`.

use super::limits::INPUT_OCTETS_MAX;
use super::time::Mono;
use super::world::TlsInfo;

/// A protocol session, either side.
pub trait Dialog {
    /// What it asks the world.
    type Ask;
    /// What the world answers.
    type Answer;

    /// Goes on as far as it can: consumes `input`, appends to `output`, says what it needs next.
    fn step(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Step<Self::Ask>;
    /// The answer to the last `Ask`.
    fn answer(&mut self, answer: Self::Answer);
    /// The handshake is done.
    fn tls_started(&mut self, info: TlsInfo);
    /// When the session gives up waiting for input; `None` while it never does.
    fn deadline(&self) -> Option<Mono>;
    /// The deadline passed.
    fn expire(&mut self);
    /// The peer will send nothing more.
    fn end(&mut self);
    /// The session is to end now, whatever is under way: it says why, as its protocol can, and closes.
    fn dismiss(&mut self, _why: Dismissal) {
        self.end();
    }
    /// The engine stops: finish what is under way, begin nothing new, say goodbye. Sessions that have
    /// nothing to say about it just go on.
    fn drain(&mut self) {}
}

/// Why a session has to end before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dismissal {
    /// The account was deleted, or nobody may log in to it any more.
    Account,
    /// The account has another password now.
    Password,
    /// The host wants it.
    Host,
    /// Nobody has logged in, and others need the place.
    Room,
}

impl Dismissal {
    /// What the peer is told.
    pub fn text(self) -> &'static str {
        match self {
            Dismissal::Account => "The account was deleted",
            Dismissal::Password => "The password was changed",
            Dismissal::Host => "Closed by the administrator",
            Dismissal::Room => "Too many connections, try again later",
        }
    }
}

/// What a session needs next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<A> {
    /// More octets than are in the input now.
    Read,
    /// The output written, then `step` again: for output too large to gather.
    Write,
    /// A TLS handshake, after the output is written.
    StartTls,
    /// An answer.
    Ask(A),
    /// The end, after the output is written.
    Close,
}

/// Octets received and not yet consumed. Bounded: a driver stops reading at [`Input::room`] 0, and a
/// session must consume or refuse before that (every line cap is below the bound).
#[derive(Debug, Default)]
pub struct Input {
    octets: Vec<u8>,
    start: usize,
}

impl Input {
    /// An empty input.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is there, oldest first.
    pub fn peek(&self) -> &[u8] {
        self.octets.get(self.start..).unwrap_or_default()
    }

    /// Drops the first `n` octets (all, where there are fewer).
    pub fn consume(&mut self, n: usize) {
        self.start = (self.start + n).min(self.octets.len());
        if self.start == self.octets.len() {
            self.octets.clear();
            self.start = 0;
        }
    }

    /// Adds octets received.
    pub fn push(&mut self, received: &[u8]) {
        if self.start > 0 {
            self.octets.drain(..self.start);
            self.start = 0;
        }
        self.octets.extend_from_slice(received);
    }

    /// How many octets are there.
    pub fn len(&self) -> usize {
        self.octets.len() - self.start
    }

    /// Whether none are.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more may be added.
    pub fn room(&self) -> usize {
        INPUT_OCTETS_MAX.saturating_sub(self.len())
    }

    /// Gives the memory back where nothing is held: for a wait that may be long.
    pub fn give_back(&mut self) {
        if self.is_empty() {
            self.octets = Vec::new();
        }
    }

    /// Forgets everything: after TLS starts, nothing received in the clear may count.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_keeps_order_and_room() {
        let mut input = Input::new();
        input.push(b"EHLO a\r\nMAIL");
        input.consume(8);
        assert_eq!(input.peek(), b"MAIL");
        input.push(b" FROM");
        assert_eq!(input.peek(), b"MAIL FROM");
        assert_eq!(input.room(), INPUT_OCTETS_MAX - 9);
        input.consume(99);
        assert!(input.is_empty());
    }
}
