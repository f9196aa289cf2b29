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
        // The value itself is not told: it may hold a password.
        (self.write)(config, &value).ok_or_else(|| invalid(format!("not what it takes: {}", self.doc)))
    }
}

/// Every setting.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    engine::KEYS.iter().chain(checking::KEYS)
}

/// The key of this name; the error names the nearest one.
pub fn find(name: &str) -> Result<&'static Key> {
    keys().find(|key| key.name == name).ok_or_else(|| {
        let nearest = keys().min_by_key(|key| distance(key.name, name)).map_or("", |key| key.name);
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
        let error = find("outbound.prot").err().map(|e| e.to_string());
        assert_eq!(error.as_deref(), Some("no setting \"outbound.prot\"; the nearest is \"outbound.port\""));
    }
}
