//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032, RFC 7162 §3.1.5).

use encoding_rs::Encoding;

use crate::base::Flags;
use crate::base::limits::{IMAP_NESTING_MAX, IMAP_SEARCH_KEYS_MAX};
use crate::imap::command::{Key, Request, Returns, Search};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// SEARCH
pub fn by_number(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false)
}

/// UID SEARCH
pub fn by_uid(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true)
}

fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Request> {
    cursor.sp()?;
    let mut returns = None;
    if cursor.keyword("RETURN") {
        cursor.sp()?;
        returns = Some(return_options(cursor)?);
        cursor.sp()?;
    }
    let mut charset = encoding_rs::UTF_8;
    if cursor.keyword("CHARSET") {
        cursor.sp()?;
        charset = encoding(&cursor.astring()?)?;
        cursor.sp()?;
    }
    let mut reader = KeyReader { cursor, charset, keys: 0, depth: 0 };
    let key = reader.all_of()?;
    Ok(Request::Search(Search { by_uid, returns, key }))
}

fn return_options(cursor: &mut Cursor<'_>) -> Parse<Returns> {
    cursor.expect(b'(', "return options expected")?;
    let mut returns = Returns::default();
    if !cursor.eat(b')') {
        loop {
            match cursor.atom()?.to_ascii_uppercase().as_str() {
                "MIN" => returns.min = true,
                "MAX" => returns.max = true,
                "ALL" => returns.all = true,
                "COUNT" => returns.count = true,
                "SAVE" => returns.save = true,
                _ => return Err(Bad::Syntax("unknown return option")),
            }
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    }
    if returns == Returns::default() {
        returns.all = true;
    }
    Ok(returns)
}

/// The encoding of this name; `US-ASCII` is a part of UTF-8. Those with no use for mail are refused.
fn encoding(name: &[u8]) -> Parse<&'static Encoding> {
    if name.eq_ignore_ascii_case(b"US-ASCII") || name.eq_ignore_ascii_case(b"ASCII") {
        return Ok(encoding_rs::UTF_8);
    }
    Encoding::for_label_no_replacement(name).ok_or(Bad::Charset)
}

struct KeyReader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    charset: &'static Encoding,
    keys: usize,
    depth: usize,
}

impl KeyReader<'_, '_> {
    /// `search-key *(SP search-key)`: all must hold.
    fn all_of(&mut self) -> Parse<Key> {
        let mut keys = vec![self.key()?];
        while self.cursor.rest().len() > 1 && self.cursor.peek() == Some(b' ') {
            self.cursor.sp()?;
            keys.push(self.key()?);
        }
        Ok(if keys.len() == 1 { keys.pop().unwrap_or(Key::All) } else { Key::And(keys) })
    }

    fn key(&mut self) -> Parse<Key> {
        self.keys += 1;
        if self.keys > IMAP_SEARCH_KEYS_MAX {
            return Err(Bad::Limit("too many search keys", IMAP_SEARCH_KEYS_MAX));
        }
        match self.cursor.peek() {
            Some(b'(') => self.nested(|reader| {
                reader.cursor.expect(b'(', "search key expected")?;
                let key = reader.all_of()?;
                reader.cursor.expect(b')', "closing parenthesis expected")?;
                Ok(key)
            }),
            Some(b'0'..=b'9' | b'*' | b'$') => self.cursor.sequence_set().map(Key::Numbers),
            _ => {
                let word = self.cursor.atom()?.to_ascii_uppercase();
                match flag_key(&word) {
                    Some(key) => Ok(key),
                    None => self.with_argument(&word),
                }
            }
        }
    }

    fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Parse<Key>) -> Parse<Key> {
        self.depth += 1;
        if self.depth > IMAP_NESTING_MAX {
            return Err(Bad::Limit("search keys too deep", IMAP_NESTING_MAX));
        }
        let key = inside(self);
        self.depth -= 1;
        key
    }

    fn with_argument(&mut self, word: &str) -> Parse<Key> {
        self.cursor.sp().map_err(|_| Bad::Syntax("unknown search key"))?;
        match word {
            "NOT" => self.nested(Self::key).map(|key| Key::Not(Box::new(key))),
            "OR" => self.nested(|reader| {
                let one = reader.key()?;
                reader.cursor.sp()?;
                Ok(Key::Or(Box::new(one), Box::new(reader.key()?)))
            }),
            "UID" => self.cursor.sequence_set().map(Key::Uids),
            "KEYWORD" => Ok(Key::Keyword(self.cursor.atom()?.to_owned())),
            "UNKEYWORD" => Ok(not(Key::Keyword(self.cursor.atom()?.to_owned()))),
            "BEFORE" => self.cursor.date().map(Key::Before),
            "ON" => self.cursor.date().map(Key::On),
            "SINCE" => self.cursor.date().map(Key::Since),
            "SENTBEFORE" => self.cursor.date().map(Key::SentBefore),
            "SENTON" => self.cursor.date().map(Key::SentOn),
            "SENTSINCE" => self.cursor.date().map(Key::SentSince),
            "YOUNGER" => self.cursor.nz_number().map(Key::Younger),
            "OLDER" => self.cursor.nz_number().map(|seconds| not(Key::Younger(seconds))),
            "LARGER" => self.cursor.number64().map(Key::Larger),
            "SMALLER" => self.cursor.number64().map(Key::Smaller),
            "BCC" | "CC" | "FROM" | "SUBJECT" | "TO" => {
                Ok(Key::Header { name: word.to_ascii_lowercase(), text: self.text()? })
            }
            "HEADER" => {
                let name = String::from_utf8_lossy(&self.cursor.astring()?).to_ascii_lowercase();
                self.cursor.sp()?;
                Ok(Key::Header { name, text: self.text()? })
            }
            "BODY" => self.text().map(Key::Body),
            "TEXT" => self.text().map(Key::Text),
            "MODSEQ" => self.mod_seq(),
            _ => Err(Bad::Syntax("unknown search key")),
        }
    }

    /// A text in the command's charset, as UTF-8 in lower case.
    fn text(&mut self) -> Parse<String> {
        let octets = self.cursor.astring()?;
        let text = self.charset.decode_without_bom_handling_and_without_replacement(&octets);
        Ok(text.ok_or(Bad::Syntax("text does not fit its charset"))?.to_lowercase())
    }

    /// `MODSEQ [entry-name SP entry-type-req SP] mod-sequence-valzer`; all our entries share one sequence.
    fn mod_seq(&mut self) -> Parse<Key> {
        if self.cursor.peek() == Some(b'"') {
            self.cursor.string()?;
            self.cursor.sp()?;
            if !["priv", "shared", "all"].iter().any(|kind| self.cursor.keyword(kind)) {
                return Err(Bad::Syntax("entry type expected"));
            }
            self.cursor.sp()?;
        }
        self.cursor.number64().map(Key::ModSeq)
    }
}

fn not(key: Key) -> Key {
    Key::Not(Box::new(key))
}

fn flag_key(word: &str) -> Option<Key> {
    Some(match word {
        "ALL" => Key::All,
        "ANSWERED" => Key::Has(Flags::ANSWERED),
        "DELETED" => Key::Has(Flags::DELETED),
        "DRAFT" => Key::Has(Flags::DRAFT),
        "FLAGGED" => Key::Has(Flags::FLAGGED),
        "SEEN" => Key::Has(Flags::SEEN),
        "UNANSWERED" => not(Key::Has(Flags::ANSWERED)),
        "UNDELETED" => not(Key::Has(Flags::DELETED)),
        "UNDRAFT" => not(Key::Has(Flags::DRAFT)),
        "UNFLAGGED" => not(Key::Has(Flags::FLAGGED)),
        "UNSEEN" => not(Key::Has(Flags::SEEN)),
        // No message is ever \Recent here, so none is NEW and all are OLD.
        "RECENT" | "NEW" => Key::Nothing,
        "OLD" => Key::All,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::parse::command;

    fn search(text: &str) -> Search {
        match parse(text) {
            Ok(Request::Search(search)) => search,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn header(name: &str, text: &str) -> Key {
        Key::Header { name: name.into(), text: text.into() }
    }

    #[test]
    fn keys() {
        let seen = || Key::Has(Flags::SEEN);
        for (text, key) in [
            ("ALL", Key::All),
            ("UNSEEN", not(seen())),
            ("NOT SEEN", not(seen())),
            ("(SEEN)", seen()),
            ("SEEN FROM \"Bob\"", Key::And(vec![seen(), header("from", "bob")])),
            (
                "OR SEEN (LARGER 7 SMALLER 9)",
                Key::Or(Box::new(seen()), Box::new(Key::And(vec![Key::Larger(7), Key::Smaller(9)]))),
            ),
            ("HEADER X-Foo ÄÖ", header("x-foo", "äö")),
            ("HEADER X-Foo \"\"", header("x-foo", "")),
            ("SUBJECT {3}\r\na b", header("subject", "a b")),
            ("SINCE 2-Jan-1970", Key::Since(1)),
            ("SENTON \"1-jan-1970\"", Key::SentOn(0)),
            ("OLDER 60", not(Key::Younger(60))),
            ("MODSEQ 7", Key::ModSeq(7)),
            ("MODSEQ \"/flags/\\\\draft\" all 620162338", Key::ModSeq(620_162_338)),
            ("UNKEYWORD $Junk", not(Key::Keyword("$Junk".into()))),
            ("RECENT", Key::Nothing),
        ] {
            let text = text.replace("ÄÖ", "\"ÄÖ\"");
            assert_eq!(search(&format!("SEARCH {text}")).key, key, "{text}");
        }
        assert!(matches!(search("UID SEARCH 1:*,7 UID 3").key, Key::And(keys) if keys.len() == 2));
        for wrong in [
            "SEARCH",
            "SEARCH FOO",
            "SEARCH FROM",
            "SEARCH NOT",
            "SEARCH OR SEEN",
            "SEARCH (SEEN",
            "SEARCH ()",
            "SEARCH SEEN  ALL",
            "SEARCH BEFORE yesterday",
            "SEARCH RETURN (FOO) ALL",
            "SEARCH YOUNGER 0",
        ] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }

    #[test]
    fn charsets() {
        let key = |wire: &[u8]| match command(wire, false).map(|c| c.request) {
            Ok(Request::Search(search)) => Ok(search.key),
            Ok(_) => unreachable!(),
            Err(refused) => Err(refused.why),
        };
        assert_eq!(key(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xc9"), Ok(header("subject", "é")));
        assert_eq!(key(b"a SEARCH CHARSET \"utf-8\" SUBJECT {2}\r\n\xc3\x89"), Ok(header("subject", "é")));
        assert_eq!(key(b"a SEARCH CHARSET KOI8-R TEXT {1}\r\n\xe1"), Ok(Key::Text("а".into())));
        assert_eq!(key(b"a SEARCH CHARSET klingon ALL"), Err(Bad::Charset));
        assert!(key(b"a SEARCH SUBJECT {1}\r\n\xc9").is_err());
    }

    #[test]
    fn return_options_with_all_as_default() {
        assert_eq!(search("SEARCH ALL").returns, None);
        assert_eq!(search("SEARCH RETURN () ALL").returns, Some(Returns { all: true, ..Returns::default() }));
        let wanted = Returns { min: true, count: true, save: true, ..Returns::default() };
        assert_eq!(search("UID SEARCH RETURN (MIN COUNT SAVE) ALL").returns, Some(wanted));
    }

    #[test]
    fn depth_and_number_at_the_limit() {
        let deep = |n: usize| parse(&format!("SEARCH {}ALL{}", "(".repeat(n), ")".repeat(n)));
        assert!(deep(IMAP_NESTING_MAX).is_ok());
        assert_eq!(deep(IMAP_NESTING_MAX + 1), Err(Bad::Limit("search keys too deep", IMAP_NESTING_MAX)));
        let nots = |n: usize| parse(&format!("SEARCH {}ALL", "NOT ".repeat(n)));
        assert!(nots(IMAP_NESTING_MAX).is_ok() && nots(IMAP_NESTING_MAX + 1).is_err());
        let many = |n: usize| parse(&format!("SEARCH {}", vec!["ALL"; n].join(" ")));
        assert!(many(IMAP_SEARCH_KEYS_MAX).is_ok());
        assert_eq!(many(IMAP_SEARCH_KEYS_MAX + 1), Err(Bad::Limit("too many search keys", IMAP_SEARCH_KEYS_MAX)));
    }
}
