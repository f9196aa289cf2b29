//! What happened in an attempt, line by line with times: where it went, under which TLS policy, what was said.
//!
//! Bounded by `TRAIL_OCTETS_MAX`: what comes later is left out, but for the last replies. It has no secrets (what is
//! said to log in is left out) and no content of messages. Written as text, one line each: milliseconds since the
//! attempt began, a word for the kind, the rest.

use std::fmt::Write as _;

use crate::base::Mono;
use crate::base::limits::{TRAIL_LINE_OCTETS_MAX, TRAIL_OCTETS_MAX};

/// What a line tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrailKind {
    /// Hosts and their addresses.
    Route,
    /// A TLS policy.
    Policy,
    /// A connection.
    Connect,
    /// A handshake.
    Tls,
    /// Said by us.
    Sent,
    /// Said by the host.
    Received,
    /// Something else.
    Note,
}

impl TrailKind {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            TrailKind::Route => "route",
            TrailKind::Policy => "policy",
            TrailKind::Connect => "connect",
            TrailKind::Tls => "tls",
            TrailKind::Sent => "sent",
            TrailKind::Received => "received",
            TrailKind::Note => "note",
        }
    }
}

/// The lines of an attempt.
#[derive(Debug, Clone)]
pub struct Trail {
    begun: Mono,
    text: String,
    cut: bool,
}

impl Trail {
    /// Of an attempt that begins now.
    pub fn new(now: Mono) -> Trail {
        Trail { begun: now, text: String::new(), cut: false }
    }

    /// Adds a line.
    pub fn say(&mut self, now: Mono, kind: TrailKind, text: &str) {
        if self.cut {
            return;
        }
        let text = cut_at(text, TRAIL_LINE_OCTETS_MAX);
        if self.text.len() + text.len() + 32 > TRAIL_OCTETS_MAX {
            self.cut = true;
            let _ = writeln!(self.text, "{} note further lines are left out", (now - self.begun).as_millis());
            return;
        }
        let _ = write!(self.text, "{} {} ", (now - self.begun).as_millis(), kind.word());
        self.text.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.text.push('\n');
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// The lines of a trail that was written: milliseconds, kind, text.
pub fn lines(text: &str) -> impl Iterator<Item = (u64, &str, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ' ');
        Some((parts.next()?.parse().ok()?, parts.next()?, parts.next().unwrap_or_default()))
    })
}

fn cut_at(text: &str, octets: usize) -> &str {
    let mut end = octets.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() {
        let mut trail = Trail::new(Mono(1_000_000_000));
        trail.say(Mono(1_000_000_000), TrailKind::Route, "MX 10 mx.test");
        trail.say(Mono(1_005_000_000), TrailKind::Received, "250 a\r\u{7}b");
        let text = trail.into_text();
        let read: Vec<_> = lines(&text).collect();
        assert_eq!(read, [(0, "route", "MX 10 mx.test"), (5, "received", "250 a  b")]);
    }

    #[test]
    fn a_trail_is_bounded() {
        let mut trail = Trail::new(Mono(0));
        (0..TRAIL_OCTETS_MAX).for_each(|_| trail.say(Mono(0), TrailKind::Sent, &"ü".repeat(TRAIL_LINE_OCTETS_MAX)));
        let text = trail.into_text();
        assert!(text.len() <= TRAIL_OCTETS_MAX + 64, "{}", text.len());
        assert!(text.ends_with("note further lines are left out\n"));
    }
}
