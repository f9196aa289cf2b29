//! Flag lists (RFC 9051 §2.3.2).

use crate::base::Flags;

/// The flags between parentheses; keywords by the mailbox's names.
pub fn list(out: &mut Vec<u8>, flags: Flags, keywords: &[String]) {
    out.push(b'(');
    names(out, flags, keywords);
    out.push(b')');
}

/// The same for a message that is `\\Recent`.
pub fn recent_list(out: &mut Vec<u8>, flags: Flags, keywords: &[String]) {
    out.extend_from_slice(b"(\\Recent");
    if flags.0 != 0 {
        out.push(b' ');
    }
    names(out, flags, keywords);
    out.push(b')');
}

/// The flags separated by spaces.
fn names(out: &mut Vec<u8>, flags: Flags, keywords: &[String]) {
    if flags.0 == 0 {
        return;
    }
    let start = out.len();
    let mut add = |name: &str| {
        if out.len() > start {
            out.push(b' ');
        }
        out.extend_from_slice(name.as_bytes());
    };
    for (flag, name) in Flags::NAMES {
        if flags.contains(flag) {
            add(name);
        }
    }
    if flags.0 & !Flags::SYSTEM.0 != 0 {
        for (index, name) in keywords.iter().enumerate().take(Flags::KEYWORDS_MAX) {
            if flags.contains(Flags::keyword(index)) {
                add(name);
            }
        }
    }
}

/// `* FLAGS (...)`: all flags there are in a mailbox.
pub fn defined(out: &mut Vec<u8>, keywords: &[String]) {
    out.extend_from_slice(b"* FLAGS ");
    list(out, Flags(u64::MAX), keywords);
    out.extend_from_slice(b"\r\n");
}

/// `* OK [PERMANENTFLAGS (...)]`: all that can be changed; `\*` where keywords can still be made.
pub fn permanent(out: &mut Vec<u8>, keywords: &[String], read_only: bool) {
    out.extend_from_slice(b"* OK [PERMANENTFLAGS (");
    if !read_only {
        names(out, Flags(u64::MAX), keywords);
        if keywords.len() < Flags::KEYWORDS_MAX {
            out.extend_from_slice(b" \\*");
        }
    }
    out.extend_from_slice(if read_only { b")] read-only\r\n".as_slice() } else { b")] these can be kept\r\n" });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let keywords = ["$Junk".to_owned(), "work".to_owned()];
        for (flags, want) in [
            (Flags::NONE, "()"),
            (Flags::SEEN, "(\\Seen)"),
            (Flags::SEEN | Flags::ANSWERED | Flags::keyword(1), "(\\Answered \\Seen work)"),
            (Flags::keyword(0) | Flags::keyword(7), "($Junk)"),
            (Flags(u64::MAX), "(\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk work)"),
        ] {
            let mut out = Vec::new();
            list(&mut out, flags, &keywords);
            assert_eq!(String::from_utf8_lossy(&out), want);
        }
        let mut out = Vec::new();
        permanent(&mut out, &keywords, false);
        permanent(&mut out, &keywords, true);
        let want = "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Junk work \\*)] \
                    these can be kept\r\n\
                    * OK [PERMANENTFLAGS ()] read-only\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
