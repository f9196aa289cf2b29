//! LANGUAGE (RFC 5255 §3): texts for people are in English, and a client may ask which languages there are.

use crate::imap::response::Completion;

use super::Session;
use super::refusal::Done;

impl Session {
    pub(super) fn language(&mut self, ranges: &[Vec<u8>]) -> Done {
        if ranges.is_empty() {
            self.wire.out.extend_from_slice(b"* LANGUAGE (EN i-default)\r\n");
            return Ok(Completion::ok("Supported languages have been enumerated"));
        }
        let Some(tag) = ranges.iter().find_map(|range| spoken(range)) else {
            return Ok(Completion::no("", "Unsupported language"));
        };
        self.wire.out.extend_from_slice(format!("* LANGUAGE ({tag})\r\n").as_bytes());
        // The names of namespaces are the same in every language.
        self.namespace()?;
        Ok(Completion::ok("Now speaking English"))
    }
}

/// The language that fits a range: `en-CA` falls back to `en`.
fn spoken(range: &[u8]) -> Option<&'static str> {
    let primary = range.split(|c| *c == b'-').next().unwrap_or_default();
    if range.eq_ignore_ascii_case(b"i-default") {
        return Some("i-default");
    }
    (range.eq_ignore_ascii_case(b"default") || primary.eq_ignore_ascii_case(b"en") || range == b"*").then_some("EN")
}
