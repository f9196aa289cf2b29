//! METADATA responses (RFC 5464 §4.4).

use crate::imap::grammar::is_astring_char;
use crate::imap::response::{mailbox, number, string};

/// `* METADATA mailbox (entry value ...)`
pub fn values(out: &mut Vec<u8>, name: &str, utf8: bool, values: &[(&str, Option<&[u8]>)]) {
    begin(out, name, utf8);
    let mut before = b'(';
    for (name, value) in values {
        out.push(before);
        entry(out, name);
        out.push(b' ');
        match value {
            None => out.extend_from_slice(b"NIL"),
            // No other string can hold NUL.
            Some(value) if value.contains(&0) => {
                out.extend_from_slice(b"~{");
                number(out, value.len() as u64);
                out.extend_from_slice(b"}\r\n");
                out.extend_from_slice(value);
            }
            Some(value) => string(out, value),
        }
        before = b' ';
    }
    out.extend_from_slice(b")\r\n");
}

/// `* METADATA mailbox entry ...`: these changed.
pub fn changed(out: &mut Vec<u8>, name: &str, utf8: bool, entries: &[&str]) {
    begin(out, name, utf8);
    for (at, name) in entries.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        entry(out, name);
    }
    out.extend_from_slice(b"\r\n");
}

fn begin(out: &mut Vec<u8>, name: &str, utf8: bool) {
    out.extend_from_slice(b"* METADATA ");
    match name.is_empty() {
        true => out.extend_from_slice(b"\"\""),
        false => mailbox(out, name, utf8),
    }
    out.push(b' ');
}

fn entry(out: &mut Vec<u8>, name: &str) {
    match name.bytes().all(is_astring_char) {
        true => out.extend_from_slice(name.as_bytes()),
        false => string(out, name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses() {
        let mut out = Vec::new();
        values(&mut out, "", false, &[("/shared/comment", Some(b"My comment"))]);
        values(&mut out, "INBOX", false, &[("/private/a b", None), ("/private/b", Some(b"\0"))]);
        changed(&mut out, "A b", false, &["/shared/comment", "/private/comment"]);
        let want = "* METADATA \"\" (/shared/comment \"My comment\")\r\n\
                    * METADATA INBOX (\"/private/a b\" NIL /private/b ~{1}\r\n\0)\r\n\
                    * METADATA \"A b\" /shared/comment /private/comment\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
