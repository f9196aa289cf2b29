//! Terms: what a sender asks of a message's way beyond the report parameters of RFC 3461. They are said in MAIL, kept
//! with the queued message and said again to the next host.
//!
//! Times are relative as MAIL says them, or absolute as the queue keeps them; [`Terms::fixed`] and [`Terms::as_of`]
//! turn one into the other.

use super::limits::{DELIVER_BY_SECONDS_MAX, SOLICIT_OCTETS_MAX};
use super::time::Timestamp;

/// What a message's way has to be like. The default asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// What TLS it needs.
    pub tls: TlsTerm,
    /// HOLDFOR=, HOLDUNTIL=: nobody gets it before (RFC 4865).
    pub hold: Option<When>,
    /// BY= (RFC 2852).
    pub deliver_by: Option<DeliverBy>,
    /// MT-PRIORITY=, -9 to 9 (RFC 6710).
    pub priority: Option<i8>,
    /// SOLICIT=: classes of solicitation, by commas (RFC 3865).
    pub solicit: Option<String>,
}

/// What TLS a message needs (RFC 8689).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsTerm {
    /// What the policy of each host says.
    #[default]
    Usual,
    /// REQUIRETLS: TLS with a host whose certificate is verified, on every hop.
    Required,
    /// `TLS-Required: No`: delivery goes before TLS, whatever the policy of a host says.
    Optional,
}

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many seconds after the command that says it; below zero: before.
    In(i64),
    /// Then.
    At(Timestamp),
}

impl When {
    /// As a point in time, where `now` is the time of the command.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            When::In(seconds) => Timestamp(now.0.saturating_add(seconds.saturating_mul(1000))),
            When::At(at) => at,
        }
    }

    /// Seconds from `now`, rounded down.
    pub fn seconds_from(self, now: Timestamp) -> i64 {
        match self {
            When::In(seconds) => seconds,
            When::At(at) => at.0.saturating_sub(now.0).div_euclid(1000),
        }
    }
}

/// BY=: by when a message must be delivered, and what happens if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliverBy {
    /// By when.
    pub when: When,
    /// Whether it is returned then (`R`); otherwise its sender is told of the delay (`N`).
    pub returns: bool,
    /// Whether every relay reports that it passed the message on (`T`).
    pub trace: bool,
}

impl DeliverBy {
    /// The value of BY, as of `now`.
    pub fn value(&self, now: Timestamp) -> String {
        let seconds = self.when.seconds_from(now).clamp(-DELIVER_BY_SECONDS_MAX, DELIVER_BY_SECONDS_MAX);
        format!("{seconds};{}{}", if self.returns { 'R' } else { 'N' }, if self.trace { "T" } else { "" })
    }

    /// Reads the value of BY: `by-value ";" by-mode [by-trace]`.
    pub fn parse(value: &str) -> Option<DeliverBy> {
        let (seconds, mode) = value.split_once(';')?;
        let digits = seconds.strip_prefix(['-', '+']).unwrap_or(seconds);
        let is_number = (1..=9).contains(&digits.len()) && digits.bytes().all(|c| c.is_ascii_digit());
        let seconds: i64 = seconds.parse().ok().filter(|_| is_number)?;
        let (returns, trace) = match mode.to_ascii_uppercase().as_str() {
            "R" => (true, false),
            "RT" => (true, true),
            "N" => (false, false),
            "NT" => (false, true),
            _ => return None,
        };
        Some(DeliverBy { when: When::In(seconds), returns, trace })
    }
}

impl Terms {
    /// With absolute times, where `now` is the time of the command that said them.
    pub fn fixed(self, now: Timestamp) -> Terms {
        let at = |when: When| When::At(when.at(now));
        let deliver_by = self.deliver_by.map(|by| DeliverBy { when: at(by.when), ..by });
        Terms { hold: self.hold.map(at), deliver_by, ..self }
    }

    /// With times relative to `now`.
    pub fn as_of(self, now: Timestamp) -> Terms {
        let from_now = |when: When| When::In(when.seconds_from(now));
        let deliver_by = self.deliver_by.map(|by| DeliverBy { when: from_now(by.when), ..by });
        Terms { hold: self.hold.map(from_now), deliver_by, ..self }
    }

    /// When it must be delivered, where it is returned otherwise.
    pub fn returned_at(&self) -> Option<Timestamp> {
        self.deadline(true)
    }

    /// When its sender is told that it is late.
    pub fn late_at(&self) -> Option<Timestamp> {
        self.deadline(false)
    }

    fn deadline(&self, returns: bool) -> Option<Timestamp> {
        match self.deliver_by.filter(|by| by.returns == returns)?.when {
            When::At(at) => Some(at),
            When::In(_) => None,
        }
    }

    /// As the queue keeps it: words separated by spaces; empty where nothing is asked for. A hold is not kept: it is
    /// the due time.
    pub fn written(&self) -> String {
        let mut words = Vec::new();
        match self.tls {
            TlsTerm::Usual => {}
            TlsTerm::Required => words.push("tls=required".to_owned()),
            TlsTerm::Optional => words.push("tls=optional".to_owned()),
        }
        if let Some(by) = &self.deliver_by
            && let When::At(at) = by.when
        {
            let mode = by.value(Timestamp(0));
            words.push(format!("by={};{}", at.0, mode.split(';').nth(1).unwrap_or_default()));
        }
        words.extend(self.priority.map(|priority| format!("priority={priority}")));
        words.extend(self.solicit.as_ref().map(|classes| format!("solicit={classes}")));
        words.join(" ")
    }

    /// Reads what [`Terms::written`] wrote; words that mean nothing are passed over.
    pub fn read(text: &str) -> Terms {
        let mut terms = Terms::default();
        for (name, value) in text.split(' ').filter_map(|word| word.split_once('=')) {
            match name {
                "tls" if value == "required" => terms.tls = TlsTerm::Required,
                "tls" if value == "optional" => terms.tls = TlsTerm::Optional,
                "by" => terms.deliver_by = read_by(value),
                "priority" => terms.priority = priority(value),
                "solicit" => terms.solicit = solicit(value),
                _ => {}
            }
        }
        terms
    }
}

fn read_by(value: &str) -> Option<DeliverBy> {
    let (at, mode) = value.split_once(';')?;
    let when = When::At(Timestamp(at.parse().ok()?));
    DeliverBy::parse(&format!("0;{mode}")).map(|by| DeliverBy { when, ..by })
}

/// A priority, -9 to 9 (RFC 6710 §3).
pub fn priority(value: &str) -> Option<i8> {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_digit = digits.len() == 1 && digits.bytes().all(|c| c.is_ascii_digit()) && value != "-0";
    value.parse().ok().filter(|_| is_digit)
}

/// Classes of solicitation: names of domains turned round, with further keywords, by commas (RFC 3865 §2).
pub fn solicit(value: &str) -> Option<String> {
    let is_keyword = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphanumeric())
            && word.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':'))
    };
    let fits = value.len() <= SOLICIT_OCTETS_MAX && value.split(',').all(is_keyword);
    fits.then(|| value.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_kept_and_read_back() {
        let by = |returns, trace| Some(DeliverBy { when: When::At(Timestamp(-5)), returns, trace });
        let solicit = Some("org.example:adv,net.example".to_owned());
        for terms in [
            Terms::default(),
            Terms { tls: TlsTerm::Required, deliver_by: by(true, false), ..Terms::default() },
            Terms { tls: TlsTerm::Optional, deliver_by: by(false, true), priority: Some(-9), ..Terms::default() },
            Terms { priority: Some(0), solicit, deliver_by: by(false, false), ..Terms::default() },
        ] {
            assert_eq!(Terms::read(&terms.written()), terms);
        }
        assert_eq!(Terms::read("tls=? by=x;R by=1;Q priority=10 solicit=a,,b other nothing="), Terms::default());
    }

    #[test]
    fn values_of_by() {
        for (value, seconds, returns, trace) in [
            ("120;R", 120, true, false),
            ("-5;n", -5, false, false),
            ("+7;NT", 7, false, true),
            ("0;RT", 0, true, true),
        ] {
            let by = DeliverBy::parse(value);
            assert_eq!(by, Some(DeliverBy { when: When::In(seconds), returns, trace }), "{value}");
        }
        for bad in ["", "5", ";R", "5;", "5;T", "5;RN", "x;R", "--5;R", "1234567890;R", "5;R;T", "5 ;R"] {
            assert_eq!(DeliverBy::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_become_absolute_and_relative_again() {
        let deliver_by = DeliverBy::parse("120;R");
        let said = Terms { hold: Some(When::In(60)), deliver_by, ..Terms::default() };
        let fixed = said.clone().fixed(Timestamp(1_000));
        assert_eq!(fixed.hold, Some(When::At(Timestamp(61_000))));
        assert_eq!((fixed.returned_at(), fixed.late_at()), (Some(Timestamp(121_000)), None));
        // A part of a second is never won on the way.
        let later = fixed.as_of(Timestamp(31_500));
        assert_eq!(later.deliver_by.map(|by| by.value(Timestamp(0))), Some("89;R".to_owned()));
    }

    #[test]
    fn priorities_and_solicitations() {
        for (value, number) in [("-9", Some(-9)), ("9", Some(9)), ("0", Some(0)), ("-0", None), ("10", None)] {
            assert_eq!(priority(value), number, "{value}");
        }
        for bad in ["", "-", "+1", "a", "01"] {
            assert_eq!(priority(bad), None, "{bad}");
        }
        assert_eq!(solicit("Org.Example:ADV"), Some("org.example:adv".to_owned()));
        for bad in ["", "a,,b", ".a", "a b", "a=b"] {
            assert_eq!(solicit(bad), None, "{bad}");
        }
        assert!(solicit(&"a".repeat(SOLICIT_OCTETS_MAX)).is_some());
        assert!(solicit(&"a".repeat(SOLICIT_OCTETS_MAX + 1)).is_none());
    }
}
