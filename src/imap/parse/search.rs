//! SEARCH and UID SEARCH (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032, RFC 5267, RFC 7162 §3.1.5, RFC 9394).

use super::fetch;
use crate::base::Flags;
use crate::base::limits::IMAP_SEARCH_KEYS_MAX;
use crate::imap::command::{FetchItem, Key, Partial, Request, Returns, Search};
use crate::imap::grammar::{Bad, Cursor, Parse, is_atom_char};
use crate::imap::query::Term;
use crate::message::charset::Charset;
use crate::message::fold::fold;

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
    Ok(Request::Search(what(cursor, by_uid)?))
}

/// `[RETURN (...) SP] [CHARSET charset SP] search-key *(SP search-key)`
pub(super) fn what(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Search> {
    let (returns, update_items) = returns(cursor)?;
    let mut charset = None;
    if cursor.keyword("CHARSET") {
        cursor.sp()?;
        charset = Some(charset_of(&cursor.astring()?)?);
        cursor.sp()?;
    }
    let search = search(cursor, by_uid, returns, charset.unwrap_or(UTF_8))?;
    Ok(Search { charset: charset.is_some(), update_items, ..search })
}

/// The keys of a search, with texts in this charset.
pub(super) fn search(
    cursor: &mut Cursor<'_>,
    by_uid: bool,
    returns: Option<Returns>,
    charset: Charset,
) -> Parse<Search> {
    let mut again = cursor.clone();
    let (keys, has_fuzzy) = KeyReader::new(cursor, charset, true).read()?;
    if !has_fuzzy && returns.is_some_and(|returns| returns.relevancy) {
        return Err(Bad::Syntax("RELEVANCY needs a FUZZY key"));
    }
    let exact = if has_fuzzy { Some(KeyReader::new(&mut again, charset, false).read()?.0) } else { None };
    Ok(Search { by_uid, returns, charset: false, keys, exact, update_items: Vec::new() })
}

/// The keys that the value of a filter has (RFC 5466 §3.2). `fuzzy`: whether FUZZY makes a difference.
pub fn filter(value: &[u8], fuzzy: bool) -> Parse<Vec<Term<Key>>> {
    let mut cursor = Cursor::new(value, true);
    let (keys, _) = KeyReader::new(&mut cursor, UTF_8, fuzzy).read()?;
    cursor.end().map(|()| keys)
}

/// What texts are in where no charset is said.
pub(super) const UTF_8: Charset = Charset::Web(encoding_rs::UTF_8);

/// `RETURN (...) `, where it comes next, and the FETCH items of its UPDATE.
pub(super) fn returns(cursor: &mut Cursor<'_>) -> Parse<(Option<Returns>, Vec<FetchItem>)> {
    let mut items = Vec::new();
    if !cursor.keyword("RETURN") {
        return Ok((None, items));
    }
    cursor.sp()?;
    let returns = return_options(cursor, &mut items)?;
    cursor.sp()?;
    Ok((Some(returns), items))
}

/// Whether a command, which may be wrong otherwise, is a SEARCH that asks for its result to be saved.
pub fn asks_to_save(command: &[u8]) -> bool {
    let mut cursor = Cursor::new(command, false);
    if cursor.tag().is_err() || cursor.sp().is_err() {
        return false;
    }
    if cursor.keyword("UID") && cursor.sp().is_err() {
        return false;
    }
    let verb = ["SEARCH", "SORT", "ESEARCH"].iter().any(|verb| cursor.keyword(verb));
    let begins = verb && cursor.eat(b' ') && cursor.keyword("RETURN") && cursor.eat(b' ');
    let options = if begins && cursor.eat(b'(') { cursor.take_while(|c| c != b')') } else { &[] };
    options.split(|c| *c == b' ').any(|word| word.eq_ignore_ascii_case(b"SAVE"))
}

fn return_options(cursor: &mut Cursor<'_>, items: &mut Vec<FetchItem>) -> Parse<Returns> {
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
                "CONTEXT" => returns.context = true,
                "UPDATE" => {
                    returns.update = true;
                    let mut ahead = cursor.clone();
                    if ahead.eat(b' ') && ahead.peek() == Some(b'(') {
                        *items = fetch::items(&mut ahead)?;
                        *cursor = ahead;
                    }
                }
                "RELEVANCY" => returns.relevancy = true,
                "PARTIAL" if returns.partial.is_none() => {
                    cursor.sp()?;
                    returns.partial = Some(partial(cursor)?);
                }
                _ => return Err(Bad::Syntax("unknown return option")),
            }
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    }
    if returns.all && returns.partial.is_some() {
        return Err(Bad::Syntax("ALL and PARTIAL exclude each other"));
    }
    if returns == Returns::default() {
        returns.all = true;
    }
    Ok(returns)
}

/// `partial-range`: `1:500`, `-1:-100`.
pub(super) fn partial(cursor: &mut Cursor<'_>) -> Parse<Partial> {
    let from_end = cursor.eat(b'-');
    let one = cursor.nz_number()?;
    cursor.expect(b':', "range expected")?;
    if from_end {
        cursor.expect(b'-', "both ends of the range count from the last result")?;
    }
    Ok(Partial { one, other: cursor.nz_number()?, from_end })
}

/// The charset of this name; `US-ASCII` is a part of UTF-8.
pub(super) fn charset_of(name: &[u8]) -> Parse<Charset> {
    if name.eq_ignore_ascii_case(b"US-ASCII") || name.eq_ignore_ascii_case(b"ASCII") {
        return Ok(Charset::Web(encoding_rs::UTF_8));
    }
    std::str::from_utf8(name).ok().and_then(Charset::of).ok_or(Bad::Charset)
}

struct KeyReader<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    charset: Charset,
    terms: Vec<Term<Key>>,
    keys: usize,
    /// Whether FUZZY makes a difference.
    reads_fuzzy: bool,
    /// FUZZY keys that are open.
    fuzzy: usize,
    has_fuzzy: bool,
}

/// What a key that is read belongs to. Kept in a list of our own: a command line has room for thousands of them.
enum Inside {
    /// `search-key *(SP search-key)`, all of which must hold; the skip in front of the present key.
    List { parenthesised: bool, skip: Option<usize> },
    /// NOT.
    Not,
    /// FUZZY.
    Fuzzy,
    /// OR; the skip in front of its second key.
    Or { skip: Option<usize> },
}

impl<'c, 'a> KeyReader<'c, 'a> {
    fn new(cursor: &'c mut Cursor<'a>, charset: Charset, reads_fuzzy: bool) -> KeyReader<'c, 'a> {
        KeyReader { cursor, charset, terms: Vec::new(), keys: 0, reads_fuzzy, fuzzy: 0, has_fuzzy: false }
    }

    /// All keys of the command, and whether there was a FUZZY one.
    fn read(mut self) -> Parse<(Vec<Term<Key>>, bool)> {
        let mut open = vec![Inside::List { parenthesised: false, skip: None }];
        while !open.is_empty() {
            self.count(1)?;
            if let Some(inside) = self.key()? {
                open.push(inside);
                continue;
            }
            self.key_ended(&mut open)?;
        }
        Ok((self.terms, self.has_fuzzy))
    }

    fn count(&mut self, more: usize) -> Parse<()> {
        self.keys += more;
        if self.keys > IMAP_SEARCH_KEYS_MAX {
            return Err(Bad::Limit("too many search keys", IMAP_SEARCH_KEYS_MAX));
        }
        Ok(())
    }

    /// Adds a key. A fuzzy one looks for the words of its text, wherever in the field or message each stands.
    fn add(&mut self, key: Key) -> Parse<()> {
        let text = match &key {
            Key::Header { text, .. } | Key::Body(text) | Key::Text(text) if self.fuzzy > 0 => text.clone(),
            _ => String::new(),
        };
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        self.count(words.len())?;
        let Some((first, rest)) = words.split_first().filter(|(_, rest)| !rest.is_empty()) else {
            self.terms.push(Term::Key(key));
            return Ok(());
        };
        self.terms.push(Term::Key(with_text(&key, first)));
        for word in rest {
            self.terms.push(Term::SkipIfNo(self.terms.len() + 3));
            self.terms.push(Term::Key(with_text(&key, word)));
            self.terms.push(Term::And);
        }
        Ok(())
    }

    /// Reads a key, or the beginning of one that has others inside.
    fn key(&mut self) -> Parse<Option<Inside>> {
        match self.cursor.peek() {
            Some(b'(') => {
                self.cursor.eat(b'(');
                return Ok(Some(Inside::List { parenthesised: true, skip: None }));
            }
            Some(b'0'..=b'9' | b'*' | b'$') => {
                let set = self.cursor.sequence_set()?;
                self.terms.push(Term::Key(Key::Numbers(set)));
                return Ok(None);
            }
            _ => {}
        }
        let word = self.cursor.atom()?.to_ascii_uppercase();
        let (key, negated) = match flag_key(&word) {
            Some(key) => key,
            None => {
                self.cursor.sp().map_err(|_| Bad::Syntax("unknown search key"))?;
                match word.as_str() {
                    "NOT" => return Ok(Some(Inside::Not)),
                    "OR" => return Ok(Some(Inside::Or { skip: None })),
                    "FUZZY" => {
                        self.has_fuzzy = true;
                        self.fuzzy += usize::from(self.reads_fuzzy);
                        return Ok(Some(Inside::Fuzzy));
                    }
                    _ => self.with_argument(&word)?,
                }
            }
        };
        self.add(key)?;
        self.terms.extend(negated.then_some(Term::Not));
        Ok(None)
    }

    /// A key is complete: ends all that ends with it, and leads to the next one where there is one.
    fn key_ended(&mut self, open: &mut Vec<Inside>) -> Parse<()> {
        while let Some(inside) = open.last_mut() {
            match inside {
                Inside::Not => self.terms.push(Term::Not),
                Inside::Fuzzy => self.fuzzy = self.fuzzy.saturating_sub(1),
                Inside::Or { skip: skip @ None } => {
                    self.cursor.sp()?;
                    *skip = Some(self.terms.len());
                    self.terms.push(Term::SkipIfYes(0));
                    return Ok(());
                }
                Inside::Or { skip: Some(skip) } => {
                    self.terms.push(Term::Or);
                    let (skip, end) = (*skip, self.terms.len());
                    self.set(skip, Term::SkipIfYes(end));
                }
                Inside::List { parenthesised, skip } => {
                    if let Some(skip) = skip.take() {
                        self.terms.push(Term::And);
                        let end = self.terms.len();
                        self.set(skip, Term::SkipIfNo(end));
                    }
                    let ends = *parenthesised && self.cursor.eat(b')');
                    if !ends && self.cursor.more() {
                        *skip = Some(self.terms.len());
                        self.terms.push(Term::SkipIfNo(0));
                        return Ok(());
                    }
                    if *parenthesised && !ends {
                        self.cursor.expect(b')', "closing parenthesis expected")?;
                    }
                }
            }
            open.pop();
        }
        Ok(())
    }

    fn set(&mut self, at: usize, term: Term<Key>) {
        if let Some(place) = self.terms.get_mut(at) {
            *place = term;
        }
    }

    /// A key with an argument, which comes next; and whether it must not hold.
    fn with_argument(&mut self, word: &str) -> Parse<(Key, bool)> {
        let key = match word {
            "UID" => self.cursor.sequence_set().map(Key::Uids),
            "KEYWORD" => Ok(Key::Keyword(self.cursor.atom()?.to_owned())),
            "UNKEYWORD" => return Ok((Key::Keyword(self.cursor.atom()?.to_owned()), true)),
            "BEFORE" => self.cursor.date().map(Key::Before),
            "ON" => self.cursor.date().map(Key::On),
            "SINCE" => self.cursor.date().map(Key::Since),
            "SENTBEFORE" => self.cursor.date().map(Key::SentBefore),
            "SENTON" => self.cursor.date().map(Key::SentOn),
            "SENTSINCE" => self.cursor.date().map(Key::SentSince),
            "YOUNGER" => self.cursor.nz_number().map(Key::Younger),
            "OLDER" => return Ok((Key::Younger(self.cursor.nz_number()?), true)),
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
            "EMAILID" => Ok(Key::EmailId(self.cursor.atom()?.to_owned())),
            "THREADID" => Ok(Key::ThreadId(self.cursor.atom()?.to_owned())),
            "FILTER" => {
                if !matches!(self.charset, Charset::Web(charset) if charset == encoding_rs::UTF_8) {
                    return Err(Bad::FilterCharset);
                }
                let name = self.cursor.word(|c| is_atom_char(c) && c != b'/', "name of a filter expected")?;
                // Filters are annotations, whose names are in lower case.
                Ok(Key::Filter(name.to_ascii_lowercase()))
            }
            _ => Err(Bad::Syntax("unknown search key")),
        };
        key.map(|key| (key, false))
    }

    /// A text in the command's charset, folded.
    fn text(&mut self) -> Parse<String> {
        let octets = self.cursor.astring()?;
        let text = self.charset.decode_strictly(&octets);
        Ok(fold(&text.ok_or(Bad::Syntax("text does not fit its charset"))?))
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

/// The same key with another text.
fn with_text(key: &Key, text: &str) -> Key {
    match key {
        Key::Header { name, .. } => Key::Header { name: name.clone(), text: text.to_owned() },
        Key::Body(_) => Key::Body(text.to_owned()),
        _ => Key::Text(text.to_owned()),
    }
}

/// A key without argument, and whether it must not hold.
fn flag_key(word: &str) -> Option<(Key, bool)> {
    let (name, negated) = match word.strip_prefix("UN") {
        Some(name) => (name, true),
        None => (word, false),
    };
    let flag = match name {
        "ANSWERED" => Flags::ANSWERED,
        "DELETED" => Flags::DELETED,
        "DRAFT" => Flags::DRAFT,
        "FLAGGED" => Flags::FLAGGED,
        "SEEN" => Flags::SEEN,
        _ => {
            return match word {
                "RECENT" => Some((Key::Recent, false)),
                "NEW" => Some((Key::New, false)),
                "OLD" => Some((Key::Recent, true)),
                "ALL" => Some((Key::All, false)),
                _ => None,
            };
        }
    };
    Some((Key::Has(flag), negated))
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
        Key::Header { name: name.into(), text: fold(text) }
    }

    fn one(key: Key) -> Vec<Term<Key>> {
        vec![Term::Key(key)]
    }

    fn not(key: Key) -> Vec<Term<Key>> {
        vec![Term::Key(key), Term::Not]
    }

    #[test]
    fn filters() {
        assert_eq!(search("SEARCH FILTER On-The-Road").keys, one(Key::Filter("on-the-road".into())));
        assert_eq!(filter(b"UNSEEN", true), Ok(not(Key::Has(Flags::SEEN))));
        assert!(filter(b"OR SMALLER 5000 FROM \"boss@example.com\"", true).is_ok());
        for wrong in [&b"OR SMALLER"[..], b"", b"SEEN)", b"(SEEN"] {
            assert!(filter(wrong, true).is_err(), "{}", wrong.escape_ascii());
        }
        assert!(matches!(parse("SEARCH FILTER a/b"), Err(Bad::Syntax(_))));
        assert_eq!(parse("SEARCH CHARSET KOI8-R FILTER a"), Err(Bad::FilterCharset));
        assert!(parse("SEARCH CHARSET US-ASCII FILTER a").is_ok());
    }

    #[test]
    fn keys() {
        let seen = || Key::Has(Flags::SEEN);
        for (text, keys) in [
            ("ALL", one(Key::All)),
            ("UNSEEN", not(seen())),
            ("NOT SEEN", not(seen())),
            ("NOT UNSEEN", [not(seen()), vec![Term::Not]].concat()),
            ("(SEEN)", one(seen())),
            ("((SEEN))", one(seen())),
            (
                "SEEN FROM \"Bob\"",
                vec![Term::Key(seen()), Term::SkipIfNo(4), Term::Key(header("from", "bob")), Term::And],
            ),
            (
                "OR SEEN (LARGER 7 SMALLER 9)",
                vec![
                    Term::Key(seen()),
                    Term::SkipIfYes(7),
                    Term::Key(Key::Larger(7)),
                    Term::SkipIfNo(6),
                    Term::Key(Key::Smaller(9)),
                    Term::And,
                    Term::Or,
                ],
            ),
            ("HEADER X-Foo ÄÖ", one(header("x-foo", "äö"))),
            ("HEADER X-Foo \"\"", one(header("x-foo", ""))),
            ("SUBJECT {3}\r\na b", one(header("subject", "a b"))),
            ("SINCE 2-Jan-1970", one(Key::Since(1))),
            ("SENTON \"1-jan-1970\"", one(Key::SentOn(0))),
            ("OLDER 60", not(Key::Younger(60))),
            ("MODSEQ 7", one(Key::ModSeq(7))),
            ("MODSEQ \"/flags/\\\\draft\" all 620162338", one(Key::ModSeq(620_162_338))),
            ("UNKEYWORD $Junk", not(Key::Keyword("$Junk".into()))),
            ("RECENT", one(Key::Recent)),
            ("NEW", one(Key::New)),
            ("OLD", not(Key::Recent)),
            ("( RECENT ) ", one(Key::Recent)),
        ] {
            let text = text.replace("ÄÖ", "\"ÄÖ\"");
            assert_eq!(search(&format!("SEARCH {text}")).keys, keys, "{text}");
        }
        assert_eq!(search("UID SEARCH 1:*,7 UID 3").keys.len(), 4);
        for wrong in [
            "SEARCH",
            "SEARCH FOO",
            "SEARCH FROM",
            "SEARCH NOT",
            "SEARCH OR SEEN",
            "SEARCH (SEEN",
            "SEARCH ()",
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
            Ok(Request::Search(search)) => Ok(search.keys),
            Ok(_) => unreachable!(),
            Err(refused) => Err(refused.why),
        };
        assert_eq!(key(b"a SEARCH CHARSET ISO-8859-1 SUBJECT {1}\r\n\xc9"), Ok(one(header("subject", "é"))));
        assert_eq!(key(b"a SEARCH CHARSET \"utf-8\" SUBJECT {2}\r\n\xc3\x89"), Ok(one(header("subject", "é"))));
        assert_eq!(key(b"a SEARCH CHARSET KOI8-R TEXT {1}\r\n\xe1"), Ok(one(Key::Text("а".into()))));
        assert_eq!(key(b"a SEARCH CHARSET klingon ALL"), Err(Bad::Charset));
        assert!(key(b"a SEARCH SUBJECT {1}\r\n\xc9").is_err());
    }

    #[test]
    fn return_options_with_all_as_default() {
        assert_eq!(search("SEARCH ALL").returns, None);
        assert_eq!(search("SEARCH RETURN () ALL").returns, Some(Returns { all: true, ..Returns::default() }));
        let wanted = Returns { min: true, count: true, save: true, ..Returns::default() };
        assert_eq!(search("UID SEARCH RETURN (MIN COUNT SAVE) ALL").returns, Some(wanted));
        let partial = |one, other, from_end| {
            Some(Returns { partial: Some(Partial { one, other, from_end }), ..Returns::default() })
        };
        assert_eq!(search("SEARCH RETURN (PARTIAL 500:1) ALL").returns, partial(500, 1, false));
        assert_eq!(search("SEARCH RETURN (PARTIAL -1:-100) ALL").returns, partial(1, 100, true));
        let wanted = Returns { context: true, update: true, ..Returns::default() };
        assert_eq!(search("SEARCH RETURN (CONTEXT UPDATE) ALL").returns, Some(wanted));
        for wrong in
            ["PARTIAL", "PARTIAL 1", "PARTIAL 0:1", "PARTIAL 1:*", "PARTIAL -1:2", "PARTIAL 1:-2", "ALL PARTIAL 1:2"]
        {
            assert!(parse(&format!("SEARCH RETURN ({wrong}) ALL")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_of_results() {
        for (one, other, from_end, count, want) in [
            (1, 3, false, 10, 0..3),
            (3, 1, false, 10, 0..3),
            (9, 20, false, 10, 8..10),
            (11, 20, false, 10, 10..10),
            (1, 3, true, 10, 7..10),
            (3, 2, true, 10, 7..9),
            (9, 20, true, 10, 0..2),
            (11, 20, true, 10, 0..0),
            (1, u32::MAX, true, 0, 0..0),
            (u32::MAX, u32::MAX, false, 3, 3..3),
        ] {
            assert_eq!(Partial { one, other, from_end }.places(count), want, "{one}:{other} {from_end} of {count}");
        }
    }

    #[test]
    fn fuzzy_keys_look_for_words() {
        let read = search("SEARCH FUZZY SUBJECT \"two  words\" FROM \"x y\"");
        assert_eq!(
            read.keys,
            [
                Term::Key(header("subject", "two")),
                Term::SkipIfNo(4),
                Term::Key(header("subject", "words")),
                Term::And,
                Term::SkipIfNo(7),
                Term::Key(header("from", "x y")),
                Term::And
            ]
        );
        assert_eq!(read.exact, Some(search("SEARCH SUBJECT \"two  words\" FROM \"x y\"").keys));
        let read = search("SEARCH FUZZY (BODY a OR TEXT \"b c\" SEEN)");
        assert_eq!(read.keys.iter().filter(|term| matches!(term, Term::Key(Key::Text(_)))).count(), 2);
        assert!(parse("SEARCH RETURN (RELEVANCY) FUZZY TEXT x").is_ok());
        for wrong in ["SEARCH FUZZY", "SEARCH RETURN (RELEVANCY) TEXT x", "SEARCH FUZZY FUZZY"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let words = |n: usize| parse(&format!("SEARCH FUZZY TEXT \"{}\"", "a ".repeat(n)));
        assert!(words(20_000).is_ok() && words(IMAP_SEARCH_KEYS_MAX).is_err());
    }

    #[test]
    fn a_search_that_is_to_be_saved_is_known() {
        for (text, saves) in [
            ("a SEARCH RETURN (SAVE) FOO", true),
            ("a uid search return (min save) 0", true),
            ("a SEARCH RETURN (SAVE", true),
            ("a SEARCH RETURN (MIN) SAVE", false),
            ("a SEARCH SAVE", false),
            ("a uid sort return (SAVE) (FOO)", true),
            ("a FETCH RETURN (SAVE)", false),
            ("SEARCH", false),
        ] {
            assert_eq!(asks_to_save(text.as_bytes()), saves, "{text}");
        }
    }

    #[test]
    fn as_deep_as_a_line_is_long() {
        let deep = |n: usize| parse(&format!("SEARCH {}ALL{}", "(".repeat(n), ")".repeat(n)));
        assert!(deep(IMAP_SEARCH_KEYS_MAX - 1).is_ok());
        assert!(parse(&format!("SEARCH {}ALL", "NOT ".repeat(15_000))).is_ok());
        let right = parse(&format!("SEARCH {}ALL", "OR SEEN ".repeat(7_000)));
        let left = parse(&format!("SEARCH {}ALL{}", "OR ".repeat(7_000), " SEEN".repeat(7_000)));
        for chain in [right, left] {
            let Ok(Request::Search(search)) = chain else { panic!("no search") };
            assert_eq!(search.keys.iter().filter(|term| **term == Term::Or).count(), 7_000);
        }
        let mixed = parse(&format!("SEARCH {}ALL{}", "NOT (OR 1 (2 ".repeat(4_000), "))".repeat(4_000)));
        assert!(mixed.is_ok());
        let many = |n: usize| parse(&format!("SEARCH {}", vec!["1"; n].join(" ")));
        assert!(many(IMAP_SEARCH_KEYS_MAX - 1).is_ok());
        assert_eq!(many(IMAP_SEARCH_KEYS_MAX + 1), Err(Bad::Limit("too many search keys", IMAP_SEARCH_KEYS_MAX)));
        for wrong in ["(ALL", "(ALL))", "OR (ALL) ", "NOT", "(OR ALL)"] {
            assert!(parse(&format!("SEARCH {wrong}")).is_err(), "{wrong}");
        }
    }
}
