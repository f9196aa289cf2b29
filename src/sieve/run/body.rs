//! The body of the message: raw, as text, and by content type (RFC 5173); its parts one by one (RFC 5703).

use std::cell::OnceCell;

use super::super::program::{BodyOf, Keys};
use super::{Ran, Run};
use crate::base::limits::SIEVE_TEXT_OCTETS_MAX;
use crate::message::header::split_entity;
use crate::message::mime::{Decoder, TextDecoder};
use crate::message::table::Encoding;
use crate::message::{Part, PartKind, Structure, scan};

/// The parts of a message, found when they are first asked for.
pub(super) struct Parts<'a> {
    octets: &'a [u8],
    structure: OnceCell<Structure>,
}

impl<'a> Parts<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Parts<'a> {
        Parts { octets, structure: OnceCell::new() }
    }

    fn all(&self) -> &[Part] {
        &self.structure.get_or_init(|| scan(self.octets)).parts
    }

    /// Places of the parts within a part; of all parts, the message itself first, where none is named.
    pub(super) fn places(&self, around: Option<usize>) -> std::ops::Range<usize> {
        match around {
            None => 0..self.all().len(),
            Some(place) => place + 1..self.all().get(place).map_or(place + 1, |part| part.end),
        }
    }

    fn octets(&self, range: &std::ops::Range<u64>) -> &'a [u8] {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.octets.len());
        self.octets.get(place(range.start)..place(range.end)).unwrap_or_default()
    }

    /// The header of a part.
    pub(super) fn header(&self, place: usize) -> &'a [u8] {
        self.all().get(place).map_or(&[], |part| self.octets(&part.header))
    }

    /// The body of a part as text: what is no text as the octets it was sent as, decoded.
    pub(super) fn text(&self, place: usize) -> String {
        let Some(part) = self.all().get(place) else { return String::new() };
        let octets = self.octets(&part.body);
        if part.kind != PartKind::Leaf {
            return String::from_utf8_lossy(octets).into_owned();
        }
        let encoding = Encoding::parse(part.facts.encoding.as_deref());
        let mut out = String::new();
        if part.facts.is_text() {
            let charset = part.facts.parameter("charset").unwrap_or_default();
            let mut decoder = TextDecoder::new(encoding, &String::from_utf8_lossy(charset));
            decoder.push(octets, &mut out);
            decoder.finish(&mut out);
            return out;
        }
        let mut decoder = Decoder::new(encoding);
        let mut decoded = Vec::new();
        decoder.push(octets, &mut decoded);
        decoder.finish(&mut decoded);
        String::from_utf8_lossy(&decoded).into_owned()
    }

    pub(super) fn is_text(&self, place: usize) -> bool {
        self.all().get(place).is_some_and(|part| part.kind == PartKind::Leaf && part.facts.is_text())
    }

    /// What `:content` sees of a part: nothing, where it is of another type.
    fn content(&self, place: usize, types: &[String]) -> Option<String> {
        let part = self.all().get(place)?;
        let full = [part.facts.media_type.as_slice(), b"/", &part.facts.subtype].concat().to_ascii_lowercase();
        let is = |wanted: &String| {
            let wanted = wanted.to_ascii_lowercase();
            let mut halves = wanted.split('/');
            match (halves.next(), halves.next(), halves.next()) {
                (Some(""), None, _) => true,
                (Some(main), None, _) => part.facts.media_type.eq_ignore_ascii_case(main.as_bytes()),
                (Some(main), Some(sub), None) => !main.is_empty() && !sub.is_empty() && full == wanted.as_bytes(),
                _ => false,
            }
        };
        if !types.iter().any(is) {
            return None;
        }
        match part.kind {
            PartKind::Leaf => Some(self.text(place)),
            // RFC 5173 §5.2: of a message its header, of a multipart what stands around its parts.
            PartKind::Message => Some(String::from_utf8_lossy(split_entity(self.octets(&part.body)).0).into_owned()),
            PartKind::Multipart => {
                let inside = self.all().get(place + 1..part.end).unwrap_or_default();
                let first = inside.first().map_or(part.body.end, |child| child.header.start);
                let last = inside.iter().map(|child| child.body.end).max().unwrap_or(part.body.end);
                let around = [part.body.start..first, last..part.body.end];
                let around = around.map(|range| String::from_utf8_lossy(self.octets(&range)).into_owned());
                Some(around.concat())
            }
        }
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(split_entity(self.octets).1).into_owned()
    }
}

impl Run<'_> {
    pub(super) fn body(&mut self, of: &BodyOf, keys: &Keys) -> Ran<bool> {
        self.spend(1 + self.mail.octets.len() / 1024)?;
        let values: Vec<String> = match of {
            BodyOf::Raw => vec![self.body.raw()],
            BodyOf::Text => {
                let places = self.body.places(None);
                places.filter(|place| self.body.is_text(*place)).map(|place| self.body.text(place)).collect()
            }
            BodyOf::Content(types) => {
                let types = self.texts(types)?;
                self.body.places(None).filter_map(|place| self.body.content(place, &types)).collect()
            }
        };
        // RFC 5173 §5: `:matches` sets no match variables here.
        let matched = self.matched.clone();
        let found = self.matches(&values, keys);
        self.matched = matched;
        found
    }

    /// The text of the part that is looked at, `first` characters of it.
    pub(super) fn extracted(&mut self, first: Option<u64>) -> Ran<String> {
        let Some(place) = self.part.filter(|place| self.body.is_text(*place)) else { return Ok(String::new()) };
        let text = self.body.text(place);
        self.spend(1 + text.len() / 1024)?;
        let most = first.map_or(SIEVE_TEXT_OCTETS_MAX, |first| usize::try_from(first).unwrap_or(usize::MAX));
        Ok(text.chars().take(most).collect())
    }
}
