//! Parsers, one file a verb (small ones share `plain` and `mailbox`): from a complete command to a typed request.

pub mod append;
pub mod authenticate;
pub mod batches;
pub mod compress;
pub mod context;
pub mod copy;
pub mod create;
pub mod enable;
pub mod expunge;
pub mod fetch;
pub mod id;
pub mod language;
pub mod list;
pub mod login;
pub mod mailbox;
pub mod metadata;
pub mod multisearch;
pub mod notify;
pub mod plain;
pub mod quota;
pub mod search;
pub mod section;
pub mod select;
pub mod sort;
pub mod status;
pub mod store;

use super::command::{Command, VERBS, VerbRow};
use super::grammar::{Bad, Cursor};

/// A command that did not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its tag, where it has one.
    pub tag: Option<String>,
    /// Why.
    pub why: Bad,
}

/// Parses a complete command. `utf8`: mailbox names travel as UTF-8.
pub fn command(octets: &[u8], utf8: bool) -> Result<Command, Refused> {
    let mut cursor = Cursor::new(octets, utf8);
    let tag = cursor.tag().map_err(|why| Refused { tag: None, why })?.to_owned();
    match request(&mut cursor) {
        Ok((row, request)) => Ok(Command { tag, row, request }),
        Err(why) => Err(Refused { tag: Some(tag), why }),
    }
}

fn request(cursor: &mut Cursor<'_>) -> Result<(&'static VerbRow, super::command::Request), Bad> {
    cursor.sp()?;
    let row = verb(cursor)?;
    let request = (row.parse)(cursor)?;
    cursor.end()?;
    Ok((row, request))
}

/// Reads the verb, `UID` and what follows it together.
fn verb(cursor: &mut Cursor<'_>) -> Result<&'static VerbRow, Bad> {
    let word = cursor.atom().map_err(|_| Bad::Syntax("command expected"))?;
    let found = if word.eq_ignore_ascii_case("UID") {
        cursor.sp()?;
        let second = cursor.atom()?;
        VERBS.iter().find(|row| row.name.strip_prefix("UID ").is_some_and(|name| name.eq_ignore_ascii_case(second)))
    } else {
        VERBS.iter().find(|row| row.name.eq_ignore_ascii_case(word))
    };
    found.ok_or(Bad::Syntax("unknown command"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::imap::command::Request;

    /// Parses `text` with a tag in front.
    pub(crate) fn parse(text: &str) -> Result<Request, Bad> {
        command(format!("a1 {text}").as_bytes(), false).map(|c| c.request).map_err(|r| r.why)
    }

    #[test]
    fn verbs_in_any_case_and_nothing_behind_them() {
        assert_eq!(parse("noop"), Ok(Request::Noop));
        assert_eq!(parse("Noop "), Ok(Request::Noop));
        for wrong in ["", " ", "NOOP x", "NOOPX", "UID", "UID NOOP", "FETCH", "XYZZY", "\"NOOP\""] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn a_refusal_knows_its_tag() {
        assert_eq!(command(b"x7 FOO", false).map_err(|r| r.tag), Err(Some("x7".to_owned())));
        for none in [&b""[..], b" NOOP", b"+ NOOP", b"(", b"\xff\xfe NOOP", b"* OK"] {
            assert_eq!(command(none, false).map_err(|r| r.tag), Err(None), "{}", none.escape_ascii());
        }
    }

    #[test]
    fn garbage_never_parses_and_never_panics() {
        let mut state = 1u64;
        for round in 0..20_000 {
            let mut line = format!("t{round} ").into_bytes();
            if round % 2 == 0 {
                line.extend_from_slice(VERBS[round / 2 % VERBS.len()].name.as_bytes());
                line.push(b' ');
            }
            for _ in 0..round % 40 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let pick = b"()[]{}<>\"\\*%$:,.-+~ 0123456789aBODYNOTuid\r\n\0\xff&";
                line.push(pick[(state >> 33) as usize % pick.len()]);
            }
            let _ = command(&line, round % 3 == 0);
        }
    }
}
