//! ESEARCH: a search through several mailboxes (RFC 7377).

use super::search::what;
use crate::base::limits::IMAP_SOURCES_MAX;
use crate::imap::command::{Multisearch, Request, Source};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// `ESEARCH [SP IN SP (...)] [SP RETURN (...)] SP search-program`
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let mut sources = Vec::new();
    if cursor.keyword("IN") {
        cursor.sp()?;
        sources = read_sources(cursor)?;
        cursor.sp()?;
    }
    Ok(Request::Multisearch(Multisearch { sources, search: what(cursor, true)? }))
}

fn read_sources(cursor: &mut Cursor<'_>) -> Parse<Vec<Source>> {
    cursor.expect(b'(', "mailboxes to search expected")?;
    let mut sources = Vec::new();
    let mut names = 0;
    loop {
        let source = source(cursor, &mut names)?.ok_or(Bad::Syntax("unknown source of a search"))?;
        names += 1;
        if names > IMAP_SOURCES_MAX {
            return Err(Bad::Limit("too many mailboxes", IMAP_SOURCES_MAX));
        }
        sources.push(source);
        if cursor.eat(b')') {
            return Ok(sources);
        }
        cursor.sp()?;
    }
}

/// One source, where its name is known. `names` counts the mailboxes that are named.
pub(super) fn source(cursor: &mut Cursor<'_>, names: &mut usize) -> Parse<Option<Source>> {
    Ok(Some(match cursor.atom()?.to_ascii_uppercase().as_str() {
        "SELECTED" => Source::Selected,
        "INBOXES" => Source::Inboxes,
        "PERSONAL" => Source::Personal,
        "SUBSCRIBED" => Source::Subscribed,
        "MAILBOXES" => Source::Mailboxes(mailboxes(cursor, names)?),
        "SUBTREE" => Source::Subtree(mailboxes(cursor, names)?),
        "SUBTREE-ONE" => Source::SubtreeOne(mailboxes(cursor, names)?),
        _ => return Ok(None),
    }))
}

/// `one-or-more-mailbox`
fn mailboxes(cursor: &mut Cursor<'_>, count: &mut usize) -> Parse<Vec<String>> {
    cursor.sp()?;
    if !cursor.eat(b'(') {
        return Ok(vec![cursor.mailbox()?]);
    }
    let mut names = Vec::new();
    loop {
        *count += 1;
        if *count > IMAP_SOURCES_MAX {
            return Err(Bad::Limit("too many mailboxes", IMAP_SOURCES_MAX));
        }
        names.push(cursor.mailbox()?);
        if cursor.eat(b')') {
            return Ok(names);
        }
        cursor.sp()?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn forms() {
        let sources = |text: &str| match parse(text) {
            Ok(Request::Multisearch(asked)) => asked.sources,
            other => panic!("{text}: {other:?}"),
        };
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            sources("ESEARCH IN (mailboxes \"folder1\" subtree \"folder2\") unseen"),
            [Source::Mailboxes(names(&["folder1"])), Source::Subtree(names(&["folder2"]))]
        );
        assert_eq!(
            sources("ESEARCH IN (selected inboxes personal subscribed SUBTREE-ONE (a b)) RETURN (COUNT) subject x"),
            [
                Source::Selected,
                Source::Inboxes,
                Source::Personal,
                Source::Subscribed,
                Source::SubtreeOne(names(&["a", "b"]))
            ]
        );
        assert_eq!(sources("ESEARCH RETURN (MIN) CHARSET UTF-8 ALL"), []);
        for wrong in [
            "ESEARCH",
            "ESEARCH IN () ALL",
            "ESEARCH IN (selected-delayed) ALL",
            "ESEARCH IN (mailboxes) ALL",
            "ESEARCH IN (mailboxes ()) ALL",
            "ESEARCH IN (selected)",
            "ESEARCH IN selected ALL",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let many = |n: usize| parse(&format!("ESEARCH IN (mailboxes ({})) ALL", vec!["a"; n].join(" ")));
        assert!(many(IMAP_SOURCES_MAX - 1).is_ok() && many(IMAP_SOURCES_MAX + 1).is_err());
    }
}
