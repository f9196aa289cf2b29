//! LANGUAGE and COMPARATOR (RFC 5255): texts for people are in English, texts are compared by i;unicode-casemap; a
//! client may ask for others and is told so.

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

/// The one collation that SEARCH, SORT and THREAD use (RFC 5051).
const COLLATION: &str = "i;unicode-casemap";

impl Session {
    pub(super) fn comparator(&mut self, wanted: &[Vec<u8>]) -> Done {
        if !wanted.is_empty() && !wanted.iter().any(|order| means_ours(order)) {
            return Ok(Completion::no("BADCOMPARATOR", format!("The only comparator is {COLLATION}")));
        }
        self.wire.out.extend_from_slice(format!("* COMPARATOR {COLLATION}\r\n").as_bytes());
        Ok(Completion::ok(format!("Will use {COLLATION} for collation")))
    }
}

/// Whether an order of collations means ours: `default`, or its name, with `*` for any part of it (RFC 4790 §3.2). One
/// that is to be turned round (`-`) does not.
fn means_ours(order: &[u8]) -> bool {
    let order = order.to_ascii_lowercase();
    let order = order.strip_prefix(b"+").unwrap_or(&order);
    let mut parts = order.split(|c| *c == b'*');
    let mut rest = COLLATION.as_bytes();
    let Some(first) = parts.next() else { return false };
    if order == b"default" || order == rest {
        return true;
    }
    let Some(last) = parts.next_back() else { return false };
    for part in [first].into_iter().chain(parts) {
        let found = match part == first && rest.len() == COLLATION.len() {
            true => rest.strip_prefix(first),
            false => memchr::memmem::find(rest, part).and_then(|at| rest.get(at + part.len()..)),
        };
        let Some(behind) = found else { return false };
        rest = behind;
    }
    rest.ends_with(last)
}

/// The language that fits a range: `en-CA` falls back to `en`.
fn spoken(range: &[u8]) -> Option<&'static str> {
    let primary = range.split(|c| *c == b'-').next().unwrap_or_default();
    if range.eq_ignore_ascii_case(b"i-default") {
        return Some("i-default");
    }
    (range.eq_ignore_ascii_case(b"default") || primary.eq_ignore_ascii_case(b"en") || range == b"*").then_some("EN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_of_collations() {
        for ours in ["default", "i;unicode-casemap", "+I;Unicode-Casemap", "*", "i;*", "*casemap", "i;*code*map", "**"]
        {
            assert!(means_ours(ours.as_bytes()), "{ours}");
        }
        for other in
            ["", "cz;*", "i;basic", "-i;unicode-casemap", "i;ascii-casemap", "*;*x", "unicode*", "i;unicode-casemap*p"]
        {
            assert!(!means_ours(other.as_bytes()), "{other}");
        }
    }
}
