//! SORT and THREAD, by message number and by UID (RFC 5256; RFC 5957's criteria; RFC 5267's RETURN for SORT).

use super::search::{charset_of, returns, search};
use crate::base::limits::IMAP_SORT_CRITERIA_MAX;
use crate::imap::command::{Criterion, Request, Returns, Search, Sort, SortKey, Thread, ThreadAlgorithm};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// SORT
pub fn sort(cursor: &mut Cursor<'_>) -> Parse<Request> {
    read_sort(cursor, false)
}

/// UID SORT
pub fn uid_sort(cursor: &mut Cursor<'_>) -> Parse<Request> {
    read_sort(cursor, true)
}

/// THREAD
pub fn thread(cursor: &mut Cursor<'_>) -> Parse<Request> {
    read_thread(cursor, false)
}

/// UID THREAD
pub fn uid_thread(cursor: &mut Cursor<'_>) -> Parse<Request> {
    read_thread(cursor, true)
}

fn read_sort(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Request> {
    cursor.sp()?;
    let (returns, update_items) = returns(cursor)?;
    let criteria = criteria(cursor)?;
    let search = Search { update_items, ..what(cursor, by_uid, returns)? };
    if search.exact.is_none() && criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy) {
        return Err(Bad::Syntax("RELEVANCY needs a FUZZY key"));
    }
    Ok(Request::Sort(Sort { search, criteria }))
}

fn read_thread(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Request> {
    cursor.sp()?;
    let algorithm = match cursor.atom()?.to_ascii_uppercase().as_str() {
        "ORDEREDSUBJECT" => ThreadAlgorithm::OrderedSubject,
        "REFERENCES" => ThreadAlgorithm::References,
        "REFS" => ThreadAlgorithm::Refs,
        _ => return Err(Bad::Syntax("unknown threading algorithm")),
    };
    Ok(Request::Thread(Thread { search: what(cursor, by_uid, None)?, algorithm }))
}

/// ` charset search-key *(SP search-key)`
fn what(cursor: &mut Cursor<'_>, by_uid: bool, returns: Option<Returns>) -> Parse<Search> {
    cursor.sp()?;
    let charset = charset_of(&cursor.astring()?)?;
    cursor.sp()?;
    search(cursor, by_uid, returns, charset)
}

/// `sort-criteria`
fn criteria(cursor: &mut Cursor<'_>) -> Parse<Vec<Criterion>> {
    cursor.expect(b'(', "sort criteria expected")?;
    let mut criteria = Vec::new();
    loop {
        if criteria.len() >= IMAP_SORT_CRITERIA_MAX {
            return Err(Bad::Limit("too many sort criteria", IMAP_SORT_CRITERIA_MAX));
        }
        let reverse = cursor.keyword("REVERSE");
        if reverse {
            cursor.sp()?;
        }
        let key = match cursor.atom()?.to_ascii_uppercase().as_str() {
            "ARRIVAL" => SortKey::Arrival,
            "CC" => SortKey::Cc,
            "DATE" => SortKey::Date,
            "DISPLAYFROM" => SortKey::DisplayFrom,
            "DISPLAYTO" => SortKey::DisplayTo,
            "FROM" => SortKey::From,
            "RELEVANCY" => SortKey::Relevancy,
            "SIZE" => SortKey::Size,
            "SUBJECT" => SortKey::Subject,
            "TO" => SortKey::To,
            _ => return Err(Bad::Syntax("unknown sort criterion")),
        };
        criteria.push(Criterion { key, reverse });
        if cursor.eat(b')') {
            return Ok(criteria);
        }
        cursor.sp()?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::command::Key;
    use crate::imap::query::Term;

    fn sorted(text: &str) -> Sort {
        match parse(text) {
            Ok(Request::Sort(sort)) => sort,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn sort_commands() {
        let sort = sorted("SORT (SUBJECT REVERSE DATE) UTF-8 ALL");
        let by = |key, reverse| Criterion { key, reverse };
        assert_eq!(sort.criteria, [by(SortKey::Subject, false), by(SortKey::Date, true)]);
        assert_eq!((sort.search.by_uid, sort.search.returns), (false, None));
        assert_eq!(sort.search.keys, [Term::Key(Key::All)]);
        let sort = sorted("uid sort return () (displayfrom) \"us-ascii\" 1:3 from x");
        assert_eq!((sort.search.by_uid, sort.search.returns.map(|r| r.all)), (true, Some(true)));
        assert_eq!(sort.search.keys.len(), 4);
        for wrong in [
            "SORT",
            "SORT (DATE)",
            "SORT () UTF-8 ALL",
            "SORT DATE UTF-8 ALL",
            "SORT (DATE) ALL",
            "SORT (REVERSE) UTF-8 ALL",
            "SORT (REVERSE REVERSE DATE) UTF-8 ALL",
            "SORT (COLOUR) UTF-8 ALL",
            "SORT (RELEVANCY) UTF-8 ALL",
            "THREAD REFERENCES RETURN () UTF-8 ALL",
            "THREAD JUMBLE UTF-8 ALL",
            "THREAD REFERENCES UTF-8",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse("SORT (DATE) KLINGON ALL"), Err(Bad::Charset));
        let many = |n: usize| parse(&format!("SORT ({}) UTF-8 ALL", vec!["DATE"; n].join(" ")));
        assert!(many(IMAP_SORT_CRITERIA_MAX).is_ok() && many(IMAP_SORT_CRITERIA_MAX + 1).is_err());
    }

    #[test]
    fn thread_commands() {
        for (name, algorithm) in [
            ("ORDEREDSUBJECT", ThreadAlgorithm::OrderedSubject),
            ("references", ThreadAlgorithm::References),
            ("REFS", ThreadAlgorithm::Refs),
        ] {
            let Ok(Request::Thread(thread)) = parse(&format!("UID THREAD {name} UTF-8 SINCE 5-MAR-2000")) else {
                panic!("{name}")
            };
            assert_eq!((thread.algorithm, thread.search.by_uid), (algorithm, true));
        }
    }
}
