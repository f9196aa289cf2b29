//! Reverse-path and forward-path (RFC 5321 §4.1.2). Source routes are accepted and passed over (appendix F.2).

use crate::base::Address;
use crate::base::address::AddressError;

/// Where RCPT points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// An address.
    Address(Address),
    /// `<Postmaster>` without a domain, which every server takes (RFC 5321 §4.5.1).
    Postmaster,
}

/// Splits the path off the front of MAIL's or RCPT's argument: `<path>`, or a word without brackets. Gives its
/// inside and the parameters; `None` where the brackets do not close or something sticks to them.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let Some(inside) = text.strip_prefix('<') else {
        let end = text.find(' ').unwrap_or(text.len());
        let (path, rest) = text.split_at_checked(end)?;
        return (!path.is_empty() && !path.contains(['<', '>'])).then_some((path, rest));
    };
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => {
                let (path, rest) = (inside.get(..at)?, inside.get(at + 1..)?);
                return (rest.is_empty() || rest.starts_with(' ')).then_some((path, rest));
            }
            _ => {}
        }
    }
    None
}

/// A reverse-path without its brackets; `None` for the null one.
pub fn reverse(path: &str) -> Result<Option<Address>, AddressError> {
    if path.is_empty() { Ok(None) } else { Address::parse(without_route(path)?).map(Some) }
}

/// A forward-path without its brackets.
pub fn forward(path: &str) -> Result<ForwardPath, AddressError> {
    if path.eq_ignore_ascii_case("postmaster") {
        return Ok(ForwardPath::Postmaster);
    }
    Address::parse(without_route(path)?).map(ForwardPath::Address)
}

/// Drops `A-d-l ":"`.
fn without_route(path: &str) -> Result<&str, AddressError> {
    if !path.starts_with('@') {
        return Ok(path);
    }
    // An address literal in the route has colons of its own: the route ends at the first one outside brackets.
    let mut literal = false;
    for (at, c) in path.char_indices() {
        match c {
            '[' => literal = true,
            ']' => literal = false,
            ':' if !literal => return path.get(at + 1..).ok_or(AddressError::Syntax),
            _ => {}
        }
    }
    Err(AddressError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_off() {
        for (text, split_off) in [
            ("<a@b>", Some(("a@b", ""))),
            ("<a@b> X=1 Y", Some(("a@b", " X=1 Y"))),
            ("<>", Some(("", ""))),
            ("a@b X", Some(("a@b", " X"))),
            (r#"<"a\">b"@c> X"#, Some((r#""a\">b"@c"#, " X"))),
            ("<a@b>X", None),
            ("<a@b", None),
            (r#"<"a>@b"#, None),
            ("", None),
            ("a>", None),
        ] {
            assert_eq!(split(text), split_off, "{text}");
        }
    }

    #[test]
    fn routes_are_dropped() {
        for path in ["@a:u@x.org", "@a,@b.c:u@x.org", "@[IPv6:::1]:u@x.org", "u@x.org"] {
            assert_eq!(reverse(path), Ok(Some(Address::parse("u@x.org").unwrap())), "{path}");
        }
        for path in ["@a", "@a:", "@", "@a:@b:u@x"] {
            assert!(reverse(path).is_err(), "{path}");
        }
    }
}
