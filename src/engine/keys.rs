//! The property table: every setting by name, with its type, range and one line of documentation.
//!
//! One row per setting. The C header's `MAILCORE_KEY_*` macros, the README's table and the bindings'
//! constants are made from it, so that a setting is written down once. Unknown names are answered with the
//! nearest one there is.

use std::time::Duration;

use super::config::Config;
use crate::base::settings::{OutboundTls, SmartHost};
use crate::base::{Address, Domain, Error, ErrorKind, Result, Secret};

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Numbers, and switches as 0 and 1.
    Number(i64),
    /// Texts and lists.
    Text(String),
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number from the first to the second, both included.
    Number(i64, i64),
    /// 0 or 1.
    Switch,
    /// UTF-8.
    Text,
}

/// A row of the table.
pub struct Key {
    /// `room.what_unit`
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// One line for a person.
    pub doc: &'static str,
    read: fn(&Config) -> Value,
    write: fn(&mut Config, &Value) -> Option<()>,
}

impl Key {
    /// The value in `config`.
    pub fn get(&self, config: &Config) -> Value {
        (self.read)(config)
    }

    /// Sets the value in `config`. Text is read as a number where the key takes one.
    pub fn set(&self, config: &mut Config, value: Value) -> Result<()> {
        let invalid = |what: String| Error::new(ErrorKind::Invalid, format!("{}: {what}", self.name));
        let value = match (self.kind, value) {
            (Kind::Text, Value::Number(n)) => Value::Text(n.to_string()),
            (Kind::Text, text) => text,
            (_, Value::Text(text)) => {
                Value::Number(text.trim().parse().map_err(|_| invalid(format!("{text:?} is no number")))?)
            }
            (_, number) => number,
        };
        let (low, high) = match self.kind {
            Kind::Number(low, high) => (low, high),
            Kind::Switch => (0, 1),
            Kind::Text => (0, 0),
        };
        if let Value::Number(n) = value
            && !(low..=high).contains(&n)
        {
            return Err(invalid(format!("{n} is not from {low} to {high}")));
        }
        (self.write)(config, &value).ok_or_else(|| invalid(format!("{value:?} cannot be used")))
    }
}

/// The key of this name; the error names the nearest one.
pub fn find(name: &str) -> Result<&'static Key> {
    KEYS.iter().find(|key| key.name == name).ok_or_else(|| {
        let nearest = KEYS.iter().min_by_key(|key| distance(key.name, name)).map_or("", |key| key.name);
        Error::new(ErrorKind::NotFound, format!("no setting {name:?}; the nearest is {nearest:?}"))
    })
}

macro_rules! number {
    ($name:literal, $low:expr, $high:expr, $doc:literal, $($field:ident).+ as $type:ty) => {
        Key {
            name: $name,
            kind: Kind::Number($low, $high),
            doc: $doc,
            read: |c| Value::Number(i64::try_from(c.$($field).+).unwrap_or(i64::MAX)),
            write: |c, v| {
                c.$($field).+ = <$type>::try_from(as_number(v)?).ok()?;
                Some(())
            },
        }
    };
}

macro_rules! seconds {
    ($name:literal, $low:expr, $high:expr, $doc:literal, $($field:ident).+) => {
        Key {
            name: $name,
            kind: Kind::Number($low, $high),
            doc: $doc,
            read: |c| Value::Number(i64::try_from(c.$($field).+.as_secs()).unwrap_or(i64::MAX)),
            write: |c, v| {
                c.$($field).+ = Duration::from_secs(u64::try_from(as_number(v)?).ok()?);
                Some(())
            },
        }
    };
}

macro_rules! switch {
    ($name:literal, $doc:literal, $($field:ident).+) => {
        Key {
            name: $name,
            kind: Kind::Switch,
            doc: $doc,
            read: |c| Value::Number(i64::from(c.$($field).+)),
            write: |c, v| {
                c.$($field).+ = as_number(v)? != 0;
                Some(())
            },
        }
    };
}

/// A week, a month, a year: ceilings for waits in seconds.
const WEEK: i64 = 7 * 86_400;
const MONTH: i64 = 31 * 86_400;

/// Every setting.
pub static KEYS: &[Key] = &[
    Key {
        name: "hostname",
        kind: Kind::Text,
        doc: "Our name in greetings, EHLO, Received and reports.",
        read: |c| Value::Text(c.settings.hostname.clone()),
        write: |c, v| {
            let name = as_text(v)?;
            Domain::parse(name).ok()?;
            c.settings.hostname = name.to_owned();
            Some(())
        },
    },
    number!("engine.threads", 1, 64, "Threads that run sessions and deliveries.", threads as usize),
    number!("store.readers", 1, 16, "Threads that read the store.", store_readers as usize),
    number!("events.capacity", 16, 1_000_000, "Events kept for a host that does not pull them.", events_max as usize),
    number!(
        "message.octets_max",
        1024,
        4_000_000_000,
        "Largest message taken, in octets.",
        settings.message_octets_max as u64
    ),
    number!("smtp.recipients_max", 100, 100_000, "Recipients in one transaction.", settings.recipients_max as usize),
    number!(
        "sessions.per_listener_max",
        1,
        1_000_000,
        "Sessions of one listener at a time.",
        settings.sessions_per_listener_max as usize
    ),
    number!(
        "sessions.per_peer_max",
        1,
        1_000_000,
        "Sessions from one peer address at a time.",
        settings.sessions_per_peer_max as usize
    ),
    switch!(
        "login.allow_plaintext",
        "Passwords without TLS, on loopback listeners only.",
        settings.allow_plaintext_login
    ),
    Key {
        name: "login.domain",
        kind: Kind::Text,
        doc: "Domain of login names without @; empty is the first local domain.",
        read: |c| Value::Text(c.settings.login_domain.as_ref().map(ToString::to_string).unwrap_or_default()),
        write: |c, v| {
            c.settings.login_domain = match as_text(v)? {
                "" => None,
                domain => Some(Domain::parse(domain).ok()?),
            };
            Some(())
        },
    },
    seconds!("login.failure_pause_seconds", 0, 60, "Pause after a failed login.", settings.login_failure_pause),
    number!(
        "login.argon2_kib",
        8,
        4_194_304,
        "Argon2id memory of stored passwords, in KiB.",
        settings.password_cost.argon2_kib as u32
    ),
    number!(
        "login.argon2_passes",
        1,
        100,
        "Argon2id passes of stored passwords.",
        settings.password_cost.argon2_passes as u32
    ),
    number!(
        "login.scram_iterations",
        4096,
        10_000_000,
        "PBKDF2 iterations of SCRAM keys.",
        settings.password_cost.scram_iterations as u32
    ),
    switch!(
        "submission.repair_line_ends",
        "Bare LF in submitted mail becomes CRLF instead of being refused.",
        settings.repair_line_ends_in_submission
    ),
    Key {
        name: "address.subaddress_separator",
        kind: Kind::Text,
        doc: "Separator of plus-addressing; empty switches it off.",
        read: |c| Value::Text(c.settings.subaddress_separator.map(String::from).unwrap_or_default()),
        write: |c, v| {
            let mut chars = as_text(v)?.chars();
            c.settings.subaddress_separator = chars.next();
            chars.next().is_none().then_some(())
        },
    },
    seconds!("smtp.wait_seconds", 1, WEEK, "SMTP: wait for the next command.", settings.waits.smtp_command),
    seconds!("pop3.wait_seconds", 1, WEEK, "POP3: wait for the next command.", settings.waits.pop3_idle),
    seconds!("imap.wait_seconds", 1, WEEK, "IMAP: wait for the next command once logged in.", settings.waits.imap_idle),
    seconds!("imap.login_wait_seconds", 1, WEEK, "IMAP: wait for the login.", settings.waits.imap_login),
    seconds!("tls.handshake_seconds", 1, 3600, "Wait for a TLS handshake.", settings.waits.tls_handshake),
    switch!("tls.self_signed", "Mint a certificate where the host gives none.", self_signed),
    number!("outbound.port", 1, 65_535, "Port of the hosts mail goes to.", settings.outbound.port as u16),
    Key {
        name: "outbound.smart_host",
        kind: Kind::Text,
        doc: "host:port that takes all our mail; [user[:password]@] in front for a login; empty for delivery by MX.",
        read: |c| Value::Text(smart_host_text(c.settings.outbound.smart_host.as_ref())),
        write: |c, v| {
            c.settings.outbound.smart_host = match as_text(v)? {
                "" => None,
                text => Some(smart_host(text)?),
            };
            Some(())
        },
    },
    Key {
        name: "outbound.retry_seconds",
        kind: Kind::Text,
        doc: "Pauses between attempts in seconds, by commas; the last one repeats.",
        read: |c| {
            let pauses: Vec<String> = c.settings.outbound.retry.iter().map(|p| p.as_secs().to_string()).collect();
            Value::Text(pauses.join(","))
        },
        write: |c, v| {
            let pauses: Option<Vec<Duration>> = as_text(v)?.split(',').map(pause).collect();
            c.settings.outbound.retry = pauses.filter(|p| !p.is_empty() && p.len() <= 100)?;
            Some(())
        },
    },
    number!(
        "outbound.retry_jitter_percent",
        0,
        100,
        "Part of a pause by which it may be longer, at random.",
        settings.outbound.retry_jitter_percent as u32
    ),
    seconds!("outbound.lifetime_seconds", 1, MONTH, "When a message is given up.", settings.outbound.lifetime),
    Key {
        name: "outbound.delay_report_seconds",
        kind: Kind::Number(0, MONTH),
        doc: "When a sender is told that a message is delayed; 0 never.",
        read: |c| {
            let after = c.settings.outbound.delay_report_after.unwrap_or_default();
            Value::Number(i64::try_from(after.as_secs()).unwrap_or(0))
        },
        write: |c, v| {
            let after = Duration::from_secs(u64::try_from(as_number(v)?).ok()?);
            c.settings.outbound.delay_report_after = (!after.is_zero()).then_some(after);
            Some(())
        },
    },
    number!(
        "outbound.deliveries_max",
        1,
        100_000,
        "Deliveries under way at a time.",
        settings.outbound.deliveries_max as usize
    ),
    number!(
        "outbound.connections_per_destination_max",
        1,
        10_000,
        "Connections to one destination at a time.",
        settings.outbound.connections_per_destination_max as usize
    ),
    seconds!(
        "outbound.keep_connection_seconds",
        0,
        3600,
        "How long an idle connection is kept for the next message.",
        settings.outbound.keep_connection
    ),
    switch!("outbound.ipv6", "Whether IPv6 addresses are tried.", settings.outbound.ipv6),
    Key {
        name: "outbound.tls",
        kind: Kind::Text,
        doc: "TLS towards other hosts: off, opportunistic, required or verified.",
        read: |c| {
            let name =
                OUTBOUND_TLS.iter().find(|(_, tls)| *tls == c.settings.outbound.tls).map_or("", |(name, _)| name);
            Value::Text(name.to_owned())
        },
        write: |c, v| {
            let name = as_text(v)?;
            c.settings.outbound.tls = OUTBOUND_TLS.iter().find(|(n, _)| *n == name)?.1;
            Some(())
        },
    },
    Key {
        name: "dmarc.report_from",
        kind: Kind::Text,
        doc: "Address that DMARC aggregate reports are sent from, each day to the domains that ask; empty sends none.",
        read: |c| Value::Text(optional_address(c.settings.dmarc.report_from.as_ref())),
        write: |c, v| {
            c.settings.dmarc.report_from = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "dmarc.report_address",
        kind: Kind::Text,
        doc: "Local address whose mail is read for DMARC aggregate reports, beside being filed; empty reads none.",
        read: |c| Value::Text(optional_address(c.settings.dmarc.report_address.as_ref())),
        write: |c, v| {
            c.settings.dmarc.report_address = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    seconds!(
        "dmarc.keep_seconds",
        86_400,
        3_660 * 86_400,
        "How long DMARC aggregate reports that came are kept for queries.",
        settings.dmarc.keep
    ),
    Key {
        name: "dns.server",
        kind: Kind::Text,
        doc: "address:port of the DNS server to ask; empty for the system's.",
        read: |c| Value::Text(c.dns_server.map(|s| s.to_string()).unwrap_or_default()),
        write: |c, v| {
            c.dns_server = match as_text(v)? {
                "" => None,
                text => Some(text.parse().ok()?),
            };
            Some(())
        },
    },
    switch!("dns.host_only", "Names the host did not set do not exist: no server is asked.", dns_host_only),
    switch!("dns.dnssec", "Validate DNSSEC here.", dnssec),
];

const OUTBOUND_TLS: [(&str, OutboundTls); 4] = [
    ("off", OutboundTls::Off),
    ("opportunistic", OutboundTls::Opportunistic),
    ("required", OutboundTls::Required),
    ("verified", OutboundTls::Verified),
];

fn as_number(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => Some(*n),
        Value::Text(_) => None,
    }
}

fn as_text(value: &Value) -> Option<&str> {
    match value {
        Value::Text(text) => Some(text),
        Value::Number(_) => None,
    }
}

fn address_or_none(text: &str) -> Option<Option<Address>> {
    if text.is_empty() { Some(None) } else { Address::parse(text).ok().map(Some) }
}

fn optional_address(address: Option<&Address>) -> String {
    address.map(ToString::to_string).unwrap_or_default()
}

fn pause(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok()?;
    (1..=MONTH as u64).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// `[user[:password]@]host:port`; an IPv6 address stands in brackets.
fn smart_host(text: &str) -> Option<SmartHost> {
    let (login, place) = match text.rsplit_once('@') {
        None => (None, text),
        Some((login, place)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (Some((user.to_owned(), Secret::new(password))), place)
        }
    };
    let (host, port) = place.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (is_address || Domain::parse(host).is_ok()).then_some(())?;
    Some(SmartHost { host: host.to_owned(), port: port.parse().ok()?, login })
}

/// The smart host as it was set, its password as stars.
fn smart_host_text(smart_host: Option<&SmartHost>) -> String {
    let Some(smart_host) = smart_host else { return String::new() };
    let login = smart_host.login.as_ref().map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
    match smart_host.host.contains(':') {
        true => format!("{login}[{}]:{}", smart_host.host, smart_host.port),
        false => format!("{login}{}:{}", smart_host.host, smart_host.port),
    }
}

/// How many letters differ (Levenshtein): for "did you mean".
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i + 1;
        let mut above_left = i;
        let mut next = vec![left];
        for (y, above) in b.bytes().zip(row.iter().skip(1)) {
            left = (left + 1).min(above + 1).min(above_left + usize::from(x != y));
            above_left = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_takes_its_own_value_back() {
        let mut config = Config::new("/nowhere");
        for key in KEYS {
            let value = key.get(&config);
            key.set(&mut config, value.clone()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(key.get(&config), value, "{}", key.name);
        }
        let mut names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), KEYS.len());
    }

    #[test]
    fn values_are_checked() {
        let mut config = Config::new("/nowhere");
        for (name, value, good) in [
            ("outbound.port", "2525", true),
            ("outbound.port", "0", false),
            ("outbound.port", "x", false),
            ("outbound.retry_seconds", "1,2, 3", true),
            ("outbound.retry_seconds", "", false),
            ("outbound.retry_seconds", "0", false),
            ("outbound.tls", "verified", true),
            ("outbound.tls", "maybe", false),
            ("outbound.smart_host", "relay.example:587", true),
            ("outbound.smart_host", "me:secret@[2001:db8::1]:587", true),
            ("outbound.smart_host", "relay.example", false),
            ("dns.server", "127.0.0.1:5353", true),
            ("dns.server", "example", false),
            ("address.subaddress_separator", "-", true),
            ("address.subaddress_separator", "--", false),
            ("login.allow_plaintext", "2", false),
        ] {
            let set = find(name).and_then(|key| key.set(&mut config, Value::Text(value.to_owned())));
            assert_eq!(set.is_ok(), good, "{name}={value}");
        }
        let smart_host = find("outbound.smart_host").map(|key| key.get(&config));
        assert_eq!(smart_host.ok(), Some(Value::Text("me:***@[2001:db8::1]:587".to_owned())));
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let error = find("outbound.prot").err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("no setting \"outbound.prot\"; the nearest is \"outbound.port\""));
    }
}
