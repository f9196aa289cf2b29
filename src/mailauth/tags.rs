//! Tag lists (RFC 6376 §3.2): `v=1; a=rsa-sha256; ...`, the form of DKIM, ARC and DMARC values and of key records.

use crate::base::base64;
use crate::base::limits::{DNS_NAME_OCTETS_MAX, DOMAIN_OCTETS_MAX, TAGS_MAX};

/// A parsed list; names and values have the white space around them taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tags<'a> {
    list: Vec<(&'a str, &'a str)>,
    /// Whether a name may be written in any case.
    any_case: bool,
}

impl<'a> Tags<'a> {
    /// Parses; `None` for anything but `name=value` between semicolons, for a name twice, for non-ASCII names, or for
    /// more than `TAGS_MAX` of them.
    pub(super) fn parse(text: &'a str) -> Option<Tags<'a>> {
        let mut tags = Vec::with_capacity(TAGS_USUAL);
        let text = trim(text);
        for part in text.strip_suffix(';').unwrap_or(text).split(';') {
            let (name, value) = part.split_once('=')?;
            let name = trim(name);
            let mut chars = name.chars();
            let named = chars.next()?.is_ascii_alphabetic() && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_new = tags.iter().all(|(n, _)| *n != name);
            (named && is_new && tags.len() < TAGS_MAX).then(|| tags.push((name, trim(value))))?;
        }
        Some(Tags { list: tags, any_case: false })
    }

    /// Parses a list of which a reader takes what it understands, as DMARC wants it: what is no `name=value` is passed
    /// over, as is a name's second value, and names are in any case.
    pub(super) fn lenient(text: &'a str) -> Tags<'a> {
        let parts = text.split(';').filter_map(|part| part.split_once('='));
        Tags { list: parts.map(|(name, value)| (trim(name), trim(value))).collect(), any_case: true }
    }

    /// The value of a tag.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let is = |known: &str| known == name || (self.any_case && known.eq_ignore_ascii_case(name));
        self.list.iter().find(|(known, _)| is(known)).map(|(_, value)| *value)
    }

    /// The name of the first tag.
    pub(super) fn first(&self) -> Option<&'a str> {
        self.list.first().map(|(name, _)| *name)
    }

    /// A value that is a domain name, in lower-case A-labels.
    pub(super) fn domain(&self, name: &str) -> Option<String> {
        let mut domain = self.get(name).and_then(a_labels)?;
        domain.make_ascii_lowercase();
        Some(domain)
    }

    /// A value that is a list between colons.
    pub(super) fn list(&self, name: &str) -> Option<Vec<&'a str>> {
        self.get(name).map(|value| value.split(':').map(trim).collect())
    }

    /// A value of digits only; `Some(None)` where it is not.
    pub(super) fn number(&self, name: &str) -> Option<Option<u64>> {
        let value = self.get(name)?;
        let digits = !value.is_empty() && value.len() <= 12 && value.bytes().all(|c| c.is_ascii_digit());
        Some(if digits { value.parse().ok() } else { None })
    }

    /// A base64 value, white space within allowed; `Some(None)` where it is none.
    pub(super) fn base64(&self, name: &str) -> Option<Option<Vec<u8>>> {
        Some(base64::decode_folded(self.get(name)?.as_bytes()))
    }
}

/// Few lists have more.
const TAGS_USUAL: usize = 12;

/// A domain name, or a selector, in A-labels, as DNS is asked for it; it may be written in U-labels (RFC 8616 §4).
/// `None` for what is no name.
pub(super) fn a_labels(name: &str) -> Option<String> {
    // Nothing longer has an A-label form that DNS could be asked for; the conversion need not find that out.
    (name.len() <= DOMAIN_OCTETS_MAX * 4).then_some(())?;
    let name = if name.is_ascii() { name.to_owned() } else { idna::domain_to_ascii(name).ok()? };
    let is_label = |l: &str| {
        !l.is_empty() && l.len() <= 63 && l.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_')
    };
    (name.len() <= DNS_NAME_OCTETS_MAX && name.split('.').all(is_label)).then_some(name)
}

/// The first tag of a record, which says what kind of record it is: `v`, `DMARC1`.
pub(super) fn version(record: &[u8]) -> Option<(&str, &str)> {
    let first = record.split(|c| *c == b';').next()?;
    let (name, value) = std::str::from_utf8(first).ok()?.split_once('=')?;
    Some((trim(name), trim(value)))
}

fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn trim(text: &str) -> &str {
    text.trim_matches(is_white)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let tags = Tags::parse(" v=1; a = rsa-sha256 ;\r\n\th=From : To;b=YQ\r\n ==;l=12; ").expect("a list");
        assert_eq!(tags.get("a"), Some("rsa-sha256"));
        assert_eq!(tags.list("h"), Some(vec!["From", "To"]));
        assert_eq!(tags.base64("b"), Some(Some(b"a".to_vec())));
        assert_eq!(tags.number("l"), Some(Some(12)));
        assert_eq!((tags.number("x"), tags.number("a")), (None, Some(None)));
        for bad in ["", "v", "v=1;;a=b", "v=1;v=2", "=1", "1v=1", "v=1; x"] {
            assert_eq!(Tags::parse(bad), None, "{bad:?}");
        }
        let many = |count: usize| (0..count).map(|n| format!("t{n}=x;")).collect::<String>();
        assert!(Tags::parse(&many(TAGS_MAX)).is_some() && Tags::parse(&many(TAGS_MAX + 1)).is_none());
    }

    #[test]
    fn names() {
        for (name, wanted) in [
            ("Example.org", Some("Example.org")),
            ("s1_2048._domainkey", Some("s1_2048._domainkey")),
            ("b\u{fc}cher.example", Some("xn--bcher-kva.example")),
            ("a..b", None),
            ("a b", None),
            ("", None),
        ] {
            assert_eq!(a_labels(name).as_deref(), wanted, "{name:?}");
        }
        assert_eq!(a_labels(&"\u{fc}".repeat(100_000)), None);
    }
}
