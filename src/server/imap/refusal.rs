//! Why a command ends without OK: parser and store errors turned into tagged answers (RFC 9051 §7.1, RFC 5530).
//!
//! What is said names no private cause: no path, no SQL.

use std::io;

use crate::base::error::{Error, ErrorKind};
use crate::imap::grammar::Bad;
use crate::imap::notify::EVENTS;
use crate::imap::response::Completion;

/// What ends a verb before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The command is answered so.
    Completion(Completion),
    /// All is said already.
    Answered,
    /// The connection is gone.
    Wire(io::Error),
}

/// What a verb gives.
pub(super) type Done = Result<Completion, Stop>;

impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Self {
        Stop::Wire(e)
    }
}

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        Stop::Completion(of_error(&e))
    }
}

impl From<Completion> for Stop {
    fn from(answer: Completion) -> Self {
        Stop::Completion(answer)
    }
}

/// What an error of the store is to a client.
pub(super) fn of_error(e: &Error) -> Completion {
    let (code, text) = match e.kind() {
        // The store names the limit.
        ErrorKind::Limit => return Completion::no("LIMIT", e.text().replace(char::is_control, " ")),
        ErrorKind::NotFound => ("NONEXISTENT", "It is not there"),
        ErrorKind::Exists => ("ALREADYEXISTS", "It is there already"),
        ErrorKind::Invalid | ErrorKind::State => ("CANNOT", "That cannot be done"),
        ErrorKind::DiskFull => ("LIMIT", "The server has no room for it now, try again later"),
        ErrorKind::Quota => ("OVERQUOTA", "There is no room left"),
        ErrorKind::Busy => ("INUSE", "In use, try again"),
        ErrorKind::Policy => ("NOPERM", "Not allowed"),
        ErrorKind::Corruption => ("CORRUPTION", "What is stored of it is damaged"),
        ErrorKind::Bug => ("SERVERBUG", "An error of this server"),
        _ => ("UNAVAILABLE", "Not possible just now, try again later"),
    };
    Completion::no(code, text)
}

/// The same where what was not found is a destination, which the client may make (RFC 9051 §6.4.7).
pub(super) fn of_destination(e: &Error) -> Completion {
    if e.kind() == ErrorKind::NotFound { no_destination() } else { of_error(e) }
}

/// The destination is not there.
pub(super) fn no_destination() -> Completion {
    Completion::no("TRYCREATE", "No such mailbox")
}

/// Charsets of texts in SEARCH, by the names that IANA prefers; others, and other names, are known too.
const CHARSETS: &str = "UTF-8 US-ASCII ISO-8859-1 ISO-8859-2 ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7 \
    ISO-8859-8 ISO-8859-10 ISO-8859-13 ISO-8859-14 ISO-8859-15 ISO-8859-16 windows-1250 windows-1251 windows-1252 \
    windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 windows-874 KOI8-R KOI8-U macintosh \
    IBM437 IBM850 IBM852 IBM866 Shift_JIS EUC-JP ISO-2022-JP GBK GB18030 Big5 HZ-GB-2312 EUC-KR ISO-2022-KR UTF-7";

/// What the parser's refusal is to a client.
pub(super) fn of_bad(bad: Bad) -> Completion {
    match bad {
        Bad::Syntax(text) => Completion::bad(text),
        Bad::Charset => Completion::no(format!("BADCHARSET ({CHARSETS})"), "Unknown charset"),
        Bad::Name => Completion::no("CANNOT", "No mailbox can have this name"),
        Bad::SpecialUse => Completion::no("USEATTR", "No mailbox can have this special use"),
        Bad::FilterCharset => Completion::bad("FILTER is in UTF-8").with_code("BADCHARSET (UTF-8)"),
        Bad::Event => Completion::no(format!("BADEVENT ({EVENTS})"), "Unknown event"),
        Bad::Limit(text, most) => Completion::no("LIMIT", format!("{text}, at most {most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::charset::Charset;

    #[test]
    fn the_charsets_that_are_named_are_known() {
        for name in CHARSETS.split(' ') {
            assert!(Charset::of(name).is_some(), "{name}");
        }
    }
}
