//! The property table: every setting by name, with its type, range and one line of documentation.
//!
//! One row per setting, in tables by what they are about. The C header's `MAILCORE_KEY_*` macros, the README's table
//! and the bindings' constants are made from them, so that a setting is written down once. Unknown names are answered
//! with the nearest one there is.

use super::config::Config;
use crate::base::{Error, ErrorKind, Result};

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

    /// Sets the value in `config`. Text is read as a number where the key takes one. The error names the key, the value
    /// and the rule: `hostname "not a host": not a domain name`.
    pub fn set(&self, config: &mut Config, value: Value) -> Result<()> {
        let shown = match &value {
            Value::Number(n) => n.to_string(),
            Value::Text(text) => format!("{:?}", self.without_password(text)),
        };
        let invalid = || Error::new(ErrorKind::Invalid, format!("{} {shown}: {}", self.name, self.rule()));
        let value = match (self.kind, value) {
            (Kind::Text, Value::Number(n)) => Value::Text(n.to_string()),
            (Kind::Text, text) => text,
            (_, Value::Text(text)) => Value::Number(text.trim().parse().map_err(|_| invalid())?),
            (_, number) => number,
        };
        let (low, high) = match self.kind {
            Kind::Number(low, high) => (low, high),
            Kind::Switch => (0, 1),
            Kind::Text => (0, 0),
        };
        match value {
            Value::Number(n) if !(low..=high).contains(&n) => Err(invalid()),
            value => (self.write)(config, &value).ok_or_else(invalid),
        }
    }

    /// What a value that was refused is not.
    fn rule(&self) -> String {
        match (self.kind, self.name) {
            (Kind::Number(low, high), _) => format!("not a number from {low} to {high}"),
            (Kind::Switch, _) => "not 0 or 1".to_owned(),
            (_, "hostname" | "login.domain" | "auth.serv_id") => "not a domain name".to_owned(),
            (_, "arc.trusted") => "not a list of domain names, separated by commas".to_owned(),
            (_, "auth.trusted" | "xclient.trusted" | "proxy.trusted" | "submission.trusted") => {
                "not a list of addresses and networks (like 192.0.2.0/24), by commas".to_owned()
            }
            (_, "dmarc.report_from" | "dmarc.report_address" | "tlsrpt.report_from" | "tlsrpt.report_address") => {
                "not a mail address".to_owned()
            }
            (_, "dns.server") => "not an IP address with a port, like 192.0.2.53:53".to_owned(),
            (_, "outbound.tls") => "not one of off, opportunistic, required, verified".to_owned(),
            (_, "outbound.tls_rules") => {
                "not a list of domain=tls by commas; tls: off, opportunistic, required, verified, verified:name, dane"
                    .to_owned()
            }
            (_, "outbound.retry_seconds") => {
                "not a list of 1 to 100 numbers of seconds from 1 to 2678400, separated by commas".to_owned()
            }
            (_, "outbound.smart_host") => "not of the form [user[:password]@]host:port".to_owned(),
            (_, "log.level") => "not one of off, error, warn, info, debug, trace".to_owned(),
            (_, "trace.peers") => {
                "not all, or a list of addresses and networks (like 192.0.2.0/24), by commas".to_owned()
            }
            (_, "sink") => "not empty, each, or a mail address".to_owned(),
            (_, "address.subaddress_separator") => "not one character".to_owned(),
            (Kind::Text, _) => format!("not what it takes: {}", self.doc),
        }
    }

    /// A value as it may be repeated: a password in it as stars.
    fn without_password(&self, text: &str) -> String {
        match text.rsplit_once('@') {
            Some((login, host)) if self.name == "outbound.smart_host" => {
                format!("{}:***@{host}", login.split(':').next().unwrap_or_default())
            }
            _ => text.to_owned(),
        }
    }
}

/// Every setting.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    engine::KEYS.iter().chain(checking::KEYS).chain(sending::KEYS).chain(esmtp::KEYS)
}

/// The key of this name; the error names the nearest one: one that begins with `name`, or else ends with it, or else
/// the one with the fewest letters changed.
pub fn find(name: &str) -> Result<&'static Key> {
    keys().find(|key| key.name == name).ok_or_else(|| {
        let begins = |key: &&Key| !name.is_empty() && key.name.starts_with(name);
        let ends = |key: &&Key| key.name.strip_suffix(name).is_some_and(|room| room.ends_with('.'));
        let shortest = |keys: &mut dyn Iterator<Item = &'static Key>| keys.min_by_key(|key| key.name.len());
        let nearest = shortest(&mut keys().filter(begins))
            .or_else(|| shortest(&mut keys().filter(ends)))
            .or_else(|| keys().min_by_key(|key| distance(key.name, name)))
            .map_or("", |key| key.name);
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

// After the macros, which they use.
mod checking;
mod engine;
mod esmtp;
mod sending;

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
        for key in keys() {
            let value = key.get(&config);
            key.set(&mut config, value.clone()).unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(key.get(&config), value, "{}", key.name);
        }
        let mut names: Vec<_> = keys().map(|k| k.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), keys().count());
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
        for (name, nearest) in [
            ("outbound.prot", "outbound.port"),
            ("outbound.retry", "outbound.retry_seconds"),
            ("outbound.smart", "outbound.smart_host"),
            ("retry_seconds", "outbound.retry_seconds"),
            ("host", "hostname"),
            ("hostnam", "hostname"),
            ("sessions.per_peer", "sessions.per_peer_max"),
        ] {
            let error = find(name).err().map(|e| e.to_string());
            assert_eq!(error, Some(format!("no setting {name:?}; the nearest is {nearest:?}")));
        }
    }

    #[test]
    fn refused_values_are_told_with_their_rule() {
        let mut config = Config::new("/nowhere");
        for (name, value, wanted) in [
            ("hostname", "not a host", "hostname \"not a host\": not a domain name"),
            ("outbound.port", "x", "outbound.port \"x\": not a number from 1 to 65535"),
            ("outbound.port", "0", "outbound.port \"0\": not a number from 1 to 65535"),
            ("login.allow_plaintext", "yes", "login.allow_plaintext \"yes\": not 0 or 1"),
            ("dns.server", "example", "dns.server \"example\": not an IP address with a port, like 192.0.2.53:53"),
            (
                "auth.trusted",
                "x",
                "auth.trusted \"x\": not a list of addresses and networks (like 192.0.2.0/24), by commas",
            ),
            ("outbound.tls", "maybe", "outbound.tls \"maybe\": not one of off, opportunistic, required, verified"),
            (
                "outbound.smart_host",
                "me:secret@relay.example",
                "outbound.smart_host \"me:***@relay.example\": not of the form [user[:password]@]host:port",
            ),
        ] {
            let error = find(name).and_then(|key| key.set(&mut config, Value::Text(value.to_owned()))).unwrap_err();
            assert_eq!(error.text(), wanted);
        }
        let error = find("outbound.port").and_then(|key| key.set(&mut config, Value::Number(70_000))).unwrap_err();
        assert_eq!(error.text(), "outbound.port 70000: not a number from 1 to 65535");
    }
}
