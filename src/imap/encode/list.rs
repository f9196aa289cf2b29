//! LIST and LSUB responses (RFC 9051 §7.3.1, RFC 5258).

use crate::imap::name::SEPARATOR;
use crate::imap::response::mailbox;

/// One line of LIST's answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry<'a> {
    /// Name in UTF-8.
    pub name: &'a str,
    /// Attributes with their backslashes, in order.
    pub attributes: Vec<&'a str>,
    /// CHILDINFO: what was selected by and holds for a name below (RFC 5258 §3.5); empty for none.
    pub child_info: Vec<&'a str>,
    /// OLDNAME: the name before a RENAME (RFC 5465 §5.4).
    pub old: Option<&'a str>,
}

/// `* LIST (...) "/" name`; `word` is `LIST` or `LSUB`.
pub fn entry(out: &mut Vec<u8>, word: &str, entry: &Entry<'_>, utf8: bool) {
    out.extend_from_slice(format!("* {word} ({}) \"{SEPARATOR}\" ", entry.attributes.join(" ")).as_bytes());
    mailbox(out, entry.name, utf8);
    if !entry.child_info.is_empty() {
        out.extend_from_slice(format!(" (\"CHILDINFO\" (\"{}\"))", entry.child_info.join("\" \"")).as_bytes());
    }
    if let Some(old) = entry.old {
        out.extend_from_slice(b" (\"OLDNAME\" (");
        mailbox(out, old, utf8);
        out.extend_from_slice(b"))");
    }
    out.extend_from_slice(b"\r\n");
}

/// The answer to an empty pattern: the separator and the root of the reference (RFC 9051 §6.3.9).
pub fn root(out: &mut Vec<u8>, word: &str) {
    out.extend_from_slice(format!("* {word} (\\Noselect) \"{SEPARATOR}\" \"\"\r\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let mut out = Vec::new();
        let first = Entry { name: "Sent Mail", attributes: vec!["\\HasNoChildren", "\\Sent"], ..Entry::default() };
        entry(&mut out, "LIST", &first, false);
        let second = Entry { name: "Foo", child_info: vec!["SUBSCRIBED"], old: Some("Old name"), ..Entry::default() };
        entry(&mut out, "LIST", &second, false);
        root(&mut out, "LSUB");
        let want = "* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent Mail\"\r\n\
                    * LIST () \"/\" Foo (\"CHILDINFO\" (\"SUBSCRIBED\")) \
                    (\"OLDNAME\" (\"Old name\"))\r\n* LSUB (\\Noselect) \"/\" \"\"\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
