//! Mailbox names: modified UTF-7 (RFC 3501 §5.1.3) and UTF-8, what a name may be, and LIST's wildcards.

use std::borrow::Cow;

use crate::base::limits::{MAILBOX_LEVELS_MAX, MAILBOX_NAME_OCTETS_MAX};

/// Separates the levels of a name.
pub const SEPARATOR: char = '/';

/// Decodes modified UTF-7. Octets above 127 are taken as UTF-8: old clients send them. `None` where it is neither.
pub fn from_wire(wire: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(wire).ok()?;
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('&') {
        name.push_str(plain);
        let (coded, after) = behind.split_once('-')?;
        if coded.is_empty() {
            name.push('&');
        } else {
            decode_shift(coded, &mut name)?;
        }
        rest = after;
    }
    name.push_str(rest);
    Some(name)
}

/// Writes `name` in modified UTF-7.
pub fn to_wire(name: &str) -> String {
    if name.bytes().all(|c| matches!(c, 0x20..=0x7e) && c != b'&') {
        return name.to_owned();
    }
    let mut wire = String::with_capacity(name.len() + 8);
    let mut shifted = Vec::new();
    for c in name.chars() {
        if matches!(c, ' '..='~') {
            encode_shift(&mut shifted, &mut wire);
            wire.push_str(if c == '&' { "&-" } else { "" });
            if c != '&' {
                wire.push(c);
            }
        } else {
            let mut units = [0; 2];
            shifted.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    encode_shift(&mut shifted, &mut wire);
    wire
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

fn encode_shift(octets: &mut Vec<u8>, wire: &mut String) {
    if octets.is_empty() {
        return;
    }
    wire.push('&');
    for three in octets.chunks(3) {
        let mut bits = 0u32;
        for i in 0..3 {
            bits = bits << 8 | u32::from(three.get(i).copied().unwrap_or(0));
        }
        for i in 0..=three.len() {
            let six = (bits >> (18 - 6 * i)) & 63;
            wire.push(char::from(ALPHABET.get(six as usize).copied().unwrap_or(b'A')));
        }
    }
    wire.push('-');
    octets.clear();
}

fn decode_shift(coded: &str, name: &mut String) -> Option<()> {
    let mut units = Vec::new();
    let (mut bits, mut count, mut half) = (0u32, 0, None);
    for c in coded.bytes() {
        let six = ALPHABET.iter().position(|a| *a == c)? as u32;
        bits = (bits << 6 | six) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            let octet = (bits >> count & 0xff) as u16;
            match half.take() {
                None => half = Some(octet),
                Some(high) => units.push(high << 8 | octet),
            }
        }
    }
    // What is left over must be padding: fewer than 6 bits, all zero, no half unit.
    if half.is_some() || count >= 6 || bits & ((1 << count) - 1) != 0 {
        return None;
    }
    for c in char::decode_utf16(units) {
        let c = c.ok()?;
        // Printable ASCII stands for itself; a coded one would give a mailbox two names.
        if matches!(c, ' '..='~') {
            return None;
        }
        name.push(c);
    }
    Some(())
}

/// The name as it is kept: composed, INBOX in capitals, no final separator. `None` for one that cannot be: empty
/// levels, control characters, wildcards, too long, too deep.
pub fn checked(name: &str) -> Option<String> {
    let name = name.strip_suffix(SEPARATOR).unwrap_or(name);
    let wrong = |c: char| c.is_control() || matches!(c, '%' | '*' | '\u{2028}' | '\u{2029}');
    if name.is_empty() || name.len() > MAILBOX_NAME_OCTETS_MAX || name.contains(wrong) {
        return None;
    }
    if name.split(SEPARATOR).any(str::is_empty) || name.split(SEPARATOR).count() > MAILBOX_LEVELS_MAX {
        return None;
    }
    let name = composed(name);
    (name.len() <= MAILBOX_NAME_OCTETS_MAX).then(|| canonical(&name))
}

/// INBOX in any case is `INBOX`, as the first level too.
pub fn canonical(name: &str) -> String {
    let (first, rest) = name.split_at(name.find(SEPARATOR).unwrap_or(name.len()));
    if first.eq_ignore_ascii_case("INBOX") { format!("INBOX{rest}") } else { name.to_owned() }
}

/// A pattern of LIST and LSUB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    octets: Vec<u8>,
    /// Whether it is to be compared with names in modified UTF-7, since it is none itself.
    wire: bool,
}

impl Pattern {
    /// Reads a pattern as names are read; `utf8`: names travel as UTF-8.
    pub fn read(wire: &[u8], utf8: bool) -> Pattern {
        let read = if utf8 { std::str::from_utf8(wire).ok().map(str::to_owned) } else { from_wire(wire) };
        match read {
            Some(text) => Pattern { octets: composed(&text).into_owned().into_bytes(), wire: false },
            None => Pattern { octets: wire.to_vec(), wire: true },
        }
    }

    /// Whether a name (in UTF-8) fits. INBOX as the first level fits in any case.
    pub fn fits(&self, name: &str) -> bool {
        let inbox = name.strip_prefix("INBOX").is_some_and(|rest| rest.is_empty() || rest.starts_with(SEPARATOR));
        let any_case = if inbox { "INBOX".len() } else { 0 };
        if self.wire {
            matches(&self.octets, to_wire(name).as_bytes(), any_case)
        } else {
            matches(&self.octets, name.as_bytes(), any_case)
        }
    }

    /// Whether `%` stands in it.
    pub fn has_percent(&self) -> bool {
        self.octets.contains(&b'%')
    }
}

/// A name in Unicode's composed form, NFC: names that look alike are one (RFC 9051 §5.1, RFC 5198 §3).
pub fn composed(name: &str) -> Cow<'_, str> {
    use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
    if name.is_ascii() || is_nfc_quick(name.chars()) == IsNormalized::Yes {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.nfc().collect())
}

/// Whether `name` fits `pattern`: `*` any octets, `%` any but the separator; the first `any_case` octets in any case.
fn matches(pattern: &[u8], name: &[u8], any_case: usize) -> bool {
    // Places in the pattern and name to come back to, for the last `*` and for the last `%` behind it.
    let (mut star, mut percent) = (None::<(usize, usize)>, None::<(usize, usize)>);
    let (mut p, mut n) = (0, 0);
    loop {
        match (pattern.get(p), name.get(n)) {
            (Some(b'*'), _) => {
                (star, percent) = (Some((p, n)), None);
                p += 1;
                continue;
            }
            (Some(b'%'), _) => {
                percent = Some((p, n));
                p += 1;
                continue;
            }
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (n < any_case && a.eq_ignore_ascii_case(b)) => {
                p += 1;
                n += 1;
                continue;
            }
            _ => {}
        }
        if let Some((at, from)) = percent
            && name.get(from).is_some_and(|c| *c != SEPARATOR as u8)
        {
            percent = Some((at, from + 1));
            (p, n) = (at + 1, from + 1);
        } else if let Some((at, from)) = star
            && from < name.len()
        {
            (star, percent) = (Some((at, from + 1)), None);
            (p, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modified_utf7_both_ways() {
        for (wire, name) in [
            ("INBOX", "INBOX"),
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("Entw&APw-rfe", "Entwürfe"),
            ("A&-B", "A&B"),
            ("&Jjo-!", "☺!"),
            ("&2D3eAA-", "😀"),
            ("&-&AOk-&-", "&é&"),
        ] {
            assert_eq!(from_wire(wire.as_bytes()).as_deref(), Some(name));
            assert_eq!(to_wire(name), wire);
        }
        for wrong in ["A&B", "&", "&AGE-", "&A-", "&2D0-", "&AOkA-", "&???-"] {
            assert_eq!(from_wire(wrong.as_bytes()), None, "{wrong}");
        }
        assert_eq!(from_wire(b"\xff"), None);
        assert_eq!(from_wire("Entwürfe".as_bytes()).as_deref(), Some("Entwürfe"));
    }

    #[test]
    fn every_character_comes_back() {
        for c in (0..0x11_0000).step_by(7).filter_map(char::from_u32) {
            let name = format!("a{c}{c}b{c}");
            assert_eq!(from_wire(to_wire(&name).as_bytes()), Some(name));
        }
    }

    #[test]
    fn names_that_can_be() {
        assert_eq!(checked("inbox").as_deref(), Some("INBOX"));
        assert_eq!(checked("Inbox/a/").as_deref(), Some("INBOX/a"));
        assert_eq!(checked("inboxes").as_deref(), Some("inboxes"));
        for wrong in ["", "/", "a//b", "/a", "a*", "a%b", "a\u{7f}", "a\nb"] {
            assert_eq!(checked(wrong), None, "{wrong:?}");
        }
        let long = |n| checked(&"a".repeat(n)).is_some();
        assert!(long(MAILBOX_NAME_OCTETS_MAX) && !long(MAILBOX_NAME_OCTETS_MAX + 1));
        let deep = |n| checked(&vec!["a"; n].join("/")).is_some();
        assert!(deep(MAILBOX_LEVELS_MAX) && !deep(MAILBOX_LEVELS_MAX + 1));
    }

    #[test]
    fn wildcards() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("*", "a/b/c", true),
            ("%", "a", true),
            ("%", "a/b", false),
            ("a/%", "a/b", true),
            ("a/%", "a/b/c", false),
            ("a*c", "a/b/c", true),
            ("%/b", "a/b", true),
            ("%/%", "a/b/c", false),
            ("*/%", "a/b/c", true),
            ("*b%", "a/bb/b", true),
            ("*b%d", "ab/bcd", true),
            ("*b%d", "abc/d", false),
            ("%a%", "bab", true),
            ("INBOX", "INBOX", true),
            ("", "a", false),
            ("a**b", "ab", true),
            ("%%%%%%%%%%%%%%%%%%%%%%x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("*a*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(Pattern::read(pattern.as_bytes(), true).fits(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_are_read_as_names_are() {
        for (pattern, utf8, name, fits) in [
            ("inbox", false, "INBOX", true),
            ("inbox*", false, "INBOX", true),
            ("i%", false, "INBOX", true),
            ("*box", false, "INBOX", true),
            ("%nbo%", true, "INBOX", true),
            ("iNbOx/%", true, "INBOX/Sub", true),
            ("inbox/s%", true, "INBOX/Sub", false),
            ("inboxes", true, "inboxes", true),
            ("INBOXES", true, "inboxes", false),
            ("in%", true, "INVOICES", false),
            ("Caf&AOg-", false, "Caf\u{e8}", true),
            ("Caf\u{e8}", false, "Caf\u{e8}", true),
            ("Caf\u{e8}*", false, "Caf\u{e8}\u{e9}", true),
            ("Caf%", false, "Caf\u{e8}", true),
            ("Cafe\u{300}", true, "Caf\u{e8}", true),
            ("Cafe&AwA-", false, "Caf\u{e8}", true),
            // No modified UTF-7: what it says on the wire.
            ("Caf&A%", false, "Caf\u{e8}", true),
            ("Caf&AOg-", true, "Caf\u{e8}", false),
        ] {
            assert_eq!(Pattern::read(pattern.as_bytes(), utf8).fits(name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn names_are_composed() {
        for (name, kept) in
            [("cafe\u{301}", "caf\u{e9}"), ("u\u{308}ber/o\u{308}l", "\u{fc}ber/\u{f6}l"), ("\u{212b}", "\u{c5}")]
        {
            assert_eq!(checked(name).as_deref(), Some(kept));
            assert_eq!(checked(kept).as_deref(), Some(kept));
        }
        // U+0958 has two characters in its composed form.
        let long = "\u{958}".repeat(MAILBOX_NAME_OCTETS_MAX / 3);
        assert!(long.len() <= MAILBOX_NAME_OCTETS_MAX && checked(&long).is_none());
    }
}
