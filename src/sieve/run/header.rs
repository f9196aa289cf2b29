//! The header of the message as scripts see it, with what `addheader` and `deleteheader` changed (RFC 5293).

use std::borrow::Cow;

use super::super::program::Index;
use crate::base::limits::LINE_OCTETS_MAX;
use crate::message::compose::HeaderWriter;
use crate::message::encoded_word::decode;
use crate::message::header::{fields, unfold};

/// Fields in order.
pub(super) struct Header<'a> {
    fields: Vec<Held<'a>>,
    is_changed: bool,
}

#[derive(Clone)]
struct Held<'a> {
    name: Cow<'a, [u8]>,
    body: Cow<'a, [u8]>,
    raw: Cow<'a, [u8]>,
}

/// Fields that scripts may neither add nor delete: they tell where a message came from (RFC 5293 §6), and what we do
/// with it.
const PROTECTED: [&str; 6] =
    ["Received", "Return-Path", "Delivered-To", "Auto-Submitted", "Authentication-Results", "X-Sieve-Redirected-From"];

impl<'a> Header<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Header<'a> {
        let held = |field: crate::message::Field<'a>| Held {
            name: Cow::Borrowed(field.name),
            body: Cow::Borrowed(field.body),
            raw: Cow::Borrowed(field.raw),
        };
        Header { fields: fields(octets).map(held).collect(), is_changed: false }
    }

    /// Bodies of the fields of this name, as they stand.
    pub(super) fn raw<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s [u8]> {
        let is = move |field: &&Held<'_>| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is).map(|field| &*field.body)
    }

    /// Values of the fields of this name: on one line, trimmed, encoded words decoded.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        self.raw(name).map(decode).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.raw(name).next().is_some()
    }

    /// Adds a field at the beginning, or at the end. False where that is not allowed.
    pub(super) fn add(&mut self, name: &str, value: &str, last: bool) -> bool {
        if is_protected(name) || !is_field_name(name) {
            return false;
        }
        let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut writer = HeaderWriter::new();
        writer.text(name, value.trim());
        let raw = writer.finish();
        if raw.split(|c| *c == b'\n').any(|line| line.len() > LINE_OCTETS_MAX) {
            return false;
        }
        let body = raw.get(name.len() + 1..).unwrap_or_default().to_vec();
        let field = Held { name: Cow::Owned(name.as_bytes().to_vec()), body: Cow::Owned(body), raw: Cow::Owned(raw) };
        let place = if last { self.fields.len() } else { 0 };
        self.fields.insert(place, field);
        self.is_changed = true;
        true
    }

    /// Places of the fields of this name that `index` names; all, where there is none.
    pub(super) fn places(&self, name: &str, index: Option<Index>) -> Vec<usize> {
        let is = |(_, field): &(usize, &Held<'_>)| field.name.eq_ignore_ascii_case(name.as_bytes());
        let places: Vec<usize> = self.fields.iter().enumerate().filter(is).map(|(place, _)| place).collect();
        picked(places, index)
    }

    /// The value of the field at a place.
    pub(super) fn value_at(&self, place: usize) -> String {
        self.fields.get(place).map_or(String::new(), |field| decode(&field.body))
    }

    /// Deletes fields by their places. False where that is not allowed.
    pub(super) fn delete(&mut self, name: &str, places: &[usize]) -> bool {
        if is_protected(name) {
            return false;
        }
        let mut place = 0;
        let before = self.fields.len();
        self.fields.retain(|_| {
            place += 1;
            !places.contains(&(place - 1))
        });
        self.is_changed |= self.fields.len() != before;
        true
    }

    /// Octets of the header, where it was changed since it was last taken.
    pub(super) fn take_changed(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut octets = Vec::new();
        for field in &self.fields {
            octets.extend_from_slice(&field.raw);
            if !octets.ends_with(b"\n") {
                octets.extend_from_slice(b"\r\n");
            }
        }
        octets.extend_from_slice(b"\r\n");
        Some(octets)
    }
}

fn is_protected(name: &str) -> bool {
    PROTECTED.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether a text may name a field (RFC 5322 §3.6.8).
pub(in super::super) fn is_field_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= LINE_OCTETS_MAX / 2 && name.bytes().all(|c| (33..=126).contains(&c) && c != b':')
}

/// What `:index` and `:last` leave of a list.
pub(super) fn picked<T>(list: Vec<T>, index: Option<Index>) -> Vec<T> {
    let Some(Index { number, last }) = index else { return list };
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    let place = if last { list.len().checked_sub(number) } else { number.checked_sub(1) };
    place.and_then(|place| list.into_iter().nth(place)).into_iter().collect()
}

/// The value of a field without encoded words undone.
pub(super) fn plain(body: &[u8]) -> String {
    String::from_utf8_lossy(&unfold(body)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_added_and_deleted() {
        let mut header = Header::new(b"A: 1\r\nB: 2\r\nA: =?utf-8?q?=C3=BC?=\r\nReceived: x\r\n\r\nbody");
        assert_eq!(header.take_changed(), None);
        assert_eq!(header.values("a"), ["1", "ü"]);
        assert!(header.add("X", "v\r\nEvil: 1", false) && header.add("Y", "ü", true));
        assert!(!header.add("Received", "v", false) && !header.add("a b", "v", false));
        let second = header.places("A", Some(Index { number: 1, last: true }));
        assert!(header.delete("A", &second) && !header.delete("received", &header.places("received", None)));
        let text = String::from_utf8(header.take_changed().unwrap()).unwrap();
        assert_eq!(text, "X: v Evil: 1\r\nA: 1\r\nB: 2\r\nReceived: x\r\nY: =?utf-8?B?w7w=?=\r\n\r\n");
        assert_eq!(header.take_changed(), None);
    }

    #[test]
    fn indexes() {
        let index = |number, last| Some(Index { number, last });
        let list = vec![1, 2, 3];
        for (index, wanted) in [
            (None, vec![1, 2, 3]),
            (index(1, false), vec![1]),
            (index(3, false), vec![3]),
            (index(4, false), vec![]),
            (index(1, true), vec![3]),
            (index(3, true), vec![1]),
            (index(4, true), vec![]),
        ] {
            assert_eq!(picked(list.clone(), index), wanted);
        }
    }
}
