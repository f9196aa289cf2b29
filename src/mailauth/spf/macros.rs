//! Macros of SPF (RFC 7208 §7): `%{ir}.%{v}._spf.%{d2}` into a name.

use std::net::IpAddr;

/// A parsed macro-string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MacroString(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Macro { letter: char, escape: bool, labels: Option<usize>, reverse: bool, delimiters: String },
}

/// Where a macro-string stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A domain-spec: ends in a top label or a macro.
    Domain,
    /// Any text of a record.
    Text,
    /// The explanation, where `c`, `r`, `t` and spaces are allowed too.
    Explanation,
}

/// What the letters stand for.
pub(super) struct Values<'a> {
    pub(super) sender_local: &'a str,
    pub(super) sender_domain: &'a str,
    pub(super) domain: &'a str,
    pub(super) ip: IpAddr,
    pub(super) helo: &'a str,
    /// Validated name of `ip`; asked for only where [`MacroString::wants_validated_name`].
    pub(super) validated: &'a str,
    pub(super) receiver: &'a str,
    pub(super) now_seconds: i64,
}

impl MacroString {
    /// Parses; `None` where the grammar does not allow it.
    pub(super) fn parse(text: &str, place: Use) -> Option<MacroString> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        // `domain-end = ( "." toplabel [ "." ] ) / macro-expand`, of which `%-` is one too.
        let mut ends_in_macro = false;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if c != '%' {
                let allowed = ('\u{21}'..='\u{7e}').contains(&c) || (c == ' ' && place == Use::Explanation);
                allowed.then(|| literal.push(c))?;
                ends_in_macro = false;
                rest = rest.get(c.len_utf8()..)?;
                continue;
            }
            ends_in_macro = true;
            match rest.get(1..2)? {
                "%" => literal.push('%'),
                "_" => literal.push(' '),
                "-" => literal.push_str("%20"),
                "{" => {
                    let (inside, behind) = rest.get(2..)?.split_once('}')?;
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(parse_macro(inside, place)?);
                    rest = behind;
                    continue;
                }
                _ => return None,
            }
            rest = rest.get(2..)?;
        }
        let ends_in_name = ends_in_macro || ends_in_top_label(&literal);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        (place != Use::Domain || ends_in_name).then_some(MacroString(pieces))
    }

    /// Whether `%{p}` is in it, which costs DNS lookups.
    pub(super) fn wants_validated_name(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Macro { letter: 'p', .. }))
    }

    /// The text with all macros filled in.
    pub(super) fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Macro { letter, escape, labels, reverse, delimiters } => {
                    let value = values.of(*letter);
                    let value = transform(&value, *labels, *reverse, delimiters);
                    if *escape { escape_into(&mut out, &value) } else { out.push_str(&value) }
                }
            }
        }
        out
    }
}

impl Values<'_> {
    fn of(&self, letter: char) -> String {
        match letter {
            's' => format!("{}@{}", self.sender_local, self.sender_domain),
            'l' => self.sender_local.to_owned(),
            'o' => self.sender_domain.to_owned(),
            'd' => self.domain.to_owned(),
            'i' => dotted(self.ip),
            'p' => self.validated.to_owned(),
            'v' => if self.ip.is_ipv4() { "in-addr" } else { "ip6" }.to_owned(),
            'h' => self.helo.to_owned(),
            'c' => self.ip.to_string(),
            'r' => self.receiver.to_owned(),
            't' => self.now_seconds.to_string(),
            _ => String::new(),
        }
    }
}

/// An address as the `i` macro writes it: IPv6 as nibbles.
fn dotted(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let nibbles: Vec<String> =
                v6.octets().iter().flat_map(|o| [format!("{:X}", o >> 4), format!("{:X}", o & 15)]).collect();
            nibbles.join(".")
        }
    }
}

/// `macro-letter transformers *delimiter`
fn parse_macro(inside: &str, place: Use) -> Option<Piece> {
    let letter = inside.chars().next()?;
    let escape = letter.is_ascii_uppercase();
    let letter = letter.to_ascii_lowercase();
    let known = "slodiphv".contains(letter) || (place == Use::Explanation && "crt".contains(letter));
    known.then_some(())?;
    let rest = inside.get(1..)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (count, rest) = rest.split_at_checked(digits)?;
    let labels = match count {
        "" => None,
        // More labels than a name can have are all of them.
        count => Some(count.parse().unwrap_or(usize::MAX)).filter(|n| *n > 0).map(Some)?,
    };
    let (reverse, delimiters) = match rest.strip_prefix(['r', 'R']) {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    delimiters.chars().all(|c| ".-+,/_=".contains(c)).then_some(())?;
    Some(Piece::Macro { letter, escape, labels, reverse, delimiters: delimiters.to_owned() })
}

fn transform(value: &str, labels: Option<usize>, reverse: bool, delimiters: &str) -> String {
    if labels.is_none() && !reverse && delimiters.is_empty() {
        return value.to_owned();
    }
    let delimiters = if delimiters.is_empty() { "." } else { delimiters };
    let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
    if reverse {
        parts.reverse();
    }
    let skip = labels.map_or(0, |n| parts.len().saturating_sub(n));
    parts.get(skip..).unwrap_or_default().join(".")
}

/// Escapes everything but the unreserved characters of RFC 3986.
fn escape_into(out: &mut String, value: &str) {
    for octet in value.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(octet as char);
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
}

/// `"." toplabel [ "." ]`
fn ends_in_top_label(literal: &str) -> bool {
    let name = literal.strip_suffix('.').unwrap_or(literal);
    let Some((_, top)) = name.rsplit_once('.') else { return false };
    let edges =
        top.starts_with(|c: char| c.is_ascii_alphanumeric()) && top.ends_with(|c: char| c.is_ascii_alphanumeric());
    let inside = top.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    edges && inside && top.chars().any(|c| c.is_ascii_alphabetic() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of RFC 7208 §7.4.
    #[test]
    fn examples_of_the_standard() {
        let v4 = Values {
            sender_local: "strong-bad",
            sender_domain: "email.example.com",
            domain: "email.example.com",
            ip: IpAddr::from([192, 0, 2, 3]),
            helo: "mx.example.org",
            validated: "unknown",
            receiver: "me.example",
            now_seconds: 7,
        };
        let v6 = Values { ip: "2001:db8::cb01".parse().expect("an address"), ..v4 };
        for (text, wanted) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            ("%{S}%%%_%-", "strong-bad%40email.example.com% %20"),
        ] {
            let parsed = MacroString::parse(text, Use::Text).expect(text);
            assert_eq!(parsed.expand(&v4), wanted, "{text}");
        }
        let nibbles = "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com";
        let parsed = MacroString::parse("%{ir}.%{v}._spf.%{d2}", Use::Domain).expect("a macro string");
        assert_eq!(parsed.expand(&v6), nibbles);
    }
}
