//! Message ids: `<left@right>` in Message-ID, References and In-Reply-To (RFC 5322 §3.6.4, §4.5.4).

use memchr::memchr;

/// The ids of a field, without angle brackets, in order; phrases between them (obsolete syntax) are left out.
pub fn message_ids(value: &[u8]) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr(b'<', rest) {
        rest = rest.get(open + 1..).unwrap_or_default();
        let Some(close) = memchr(b'>', rest) else { break };
        let inside = rest.get(..close).unwrap_or_default();
        // `<<a@b>`: the last bracket counts.
        let inside = inside.rsplit(|c| *c == b'<').next().unwrap_or_default();
        let id = normal(inside);
        if !id.is_empty() {
            ids.push(id);
        }
        rest = rest.get(close + 1..).unwrap_or_default();
    }
    ids
}

/// The one id of a Message-ID field; one without brackets is taken as it stands.
pub fn message_id(value: &[u8]) -> Option<Vec<u8>> {
    let bare = || {
        let word = value.trim_ascii().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        (!word.is_empty() && !word.contains(&b'<') && !word.contains(&b'>')).then(|| word.to_vec())
    };
    message_ids(value).into_iter().next().or_else(bare)
}

/// Without white space, and without quotes that a dot-atom does not need (RFC 5256 §2.2 compares ids so).
fn normal(inside: &[u8]) -> Vec<u8> {
    let plain = |c: &u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(c);
    let solid: Vec<u8> = inside.iter().copied().filter(|c| !c.is_ascii_whitespace()).collect();
    if let Some(behind) = solid.strip_prefix(b"\"")
        && let Some((left, right)) = memchr(b'"', behind).and_then(|at| behind.split_at_checked(at))
        && !left.is_empty()
        && left.iter().all(plain)
    {
        return [left, right.get(1..).unwrap_or_default()].concat();
    }
    solid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids() {
        let shown = |value: &str| {
            let ids: Vec<String> =
                message_ids(value.as_bytes()).iter().map(|i| String::from_utf8_lossy(i).into_owned()).collect();
            ids.join(" ")
        };
        for (value, want) in [
            ("<a@b>", "a@b"),
            ("<a@b> <c@d>\r\n\t<e@f>", "a@b c@d e@f"),
            ("Your message of Sunday <a@b> about", "a@b"),
            ("<a@b", ""),
            ("<<a@b>", "a@b"),
            ("<>", ""),
            ("<\"a.b\"@c>", "a.b@c"),
            ("<\"a b\"@c>", "ab@c"),
            ("<\"a\\\"b\"@c>", "\"a\\\"b\"@c"),
            ("<a @ b>", "a@b"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
        assert_eq!(message_id(b" bare@id "), Some(b"bare@id".to_vec()));
        assert_eq!(message_id(b""), None);
    }
}
