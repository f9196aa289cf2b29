//! LIST with extensions, and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 3501 §6.3.9).

use crate::base::limits::{IMAP_LIST_PATTERNS_MAX, IMAP_PATTERN_OCTETS_MAX};
use crate::imap::command::{List, Request};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// LIST
pub fn list(cursor: &mut Cursor<'_>) -> Parse<Request> {
    let mut list = List::default();
    cursor.sp()?;
    if cursor.peek() == Some(b'(') {
        list.extended = true;
        each(cursor, |cursor| selection(cursor, &mut list))?;
        cursor.sp()?;
    }
    list.reference = cursor.astring()?;
    cursor.sp()?;
    if cursor.eat(b'(') {
        list.extended = true;
        loop {
            if list.patterns.len() >= IMAP_LIST_PATTERNS_MAX {
                return Err(Bad::Syntax("too many patterns"));
            }
            list.patterns.push(pattern(cursor)?);
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    } else {
        list.patterns.push(pattern(cursor)?);
    }
    if cursor.more() {
        list.extended = true;
        if !cursor.keyword("RETURN") {
            return Err(Bad::Syntax("RETURN expected"));
        }
        cursor.sp()?;
        each(cursor, |cursor| returns(cursor, &mut list))?;
    }
    if list.recursive_match && !list.select_subscribed && !list.select_special_use {
        return Err(Bad::Syntax("RECURSIVEMATCH needs another selection option"));
    }
    Ok(Request::List(list))
}

/// LSUB
pub fn lsub(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let reference = cursor.astring()?;
    cursor.sp()?;
    Ok(Request::Lsub { reference, pattern: pattern(cursor)? })
}

fn pattern(cursor: &mut Cursor<'_>) -> Parse<Vec<u8>> {
    let pattern = cursor.list_mailbox()?;
    if pattern.len() > IMAP_PATTERN_OCTETS_MAX { Err(Bad::Syntax("pattern too long")) } else { Ok(pattern) }
}

/// A parenthesised list of options, which may be empty.
fn each(cursor: &mut Cursor<'_>, mut one: impl FnMut(&mut Cursor<'_>) -> Parse<()>) -> Parse<()> {
    cursor.expect(b'(', "options expected")?;
    if cursor.eat(b')') {
        return Ok(());
    }
    loop {
        one(cursor)?;
        if cursor.eat(b')') {
            return Ok(());
        }
        cursor.sp()?;
    }
}

fn selection(cursor: &mut Cursor<'_>, list: &mut List) -> Parse<()> {
    match cursor.atom()?.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => list.select_subscribed = true,
        "REMOTE" => list.select_remote = true,
        "RECURSIVEMATCH" => list.recursive_match = true,
        "SPECIAL-USE" => list.select_special_use = true,
        _ => return Err(Bad::Syntax("unknown selection option")),
    }
    Ok(())
}

fn returns(cursor: &mut Cursor<'_>, list: &mut List) -> Parse<()> {
    match cursor.atom()?.to_ascii_uppercase().as_str() {
        "SUBSCRIBED" => list.return_subscribed = true,
        "CHILDREN" => list.return_children = true,
        "SPECIAL-USE" => list.return_special_use = true,
        "STATUS" => {
            cursor.sp()?;
            list.return_status = Some(super::status::items(cursor)?);
        }
        "METADATA" => {
            cursor.sp()?;
            list.return_metadata = super::metadata::entries(cursor)?;
        }
        _ => return Err(Bad::Syntax("unknown return option")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn list(text: &str) -> List {
        match parse(text) {
            Ok(Request::List(list)) => list,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn plain_and_extended() {
        let l = list("LIST \"\" *");
        assert!(!l.extended && l.patterns == [b"*"] && l.reference.is_empty());
        assert_eq!(list("LIST \"\" \"\"").patterns, [b""]);
        assert_eq!(list("LIST a/ %/b*").patterns, [b"%/b*"]);
        let l = list("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (INBOX \"a %\") RETURN (CHILDREN STATUS (MESSAGES))");
        assert!(l.extended && l.select_subscribed && l.recursive_match && l.return_children);
        assert!(l.return_status.is_some() && l.patterns == [b"INBOX".to_vec(), b"a %".to_vec()]);
        assert!(list("LIST () \"\" * RETURN ()").extended);
        for wrong in [
            "LIST",
            "LIST \"\"",
            "LIST (FOO) \"\" *",
            "LIST (RECURSIVEMATCH) \"\" *",
            "LIST (REMOTE RECURSIVEMATCH) \"\" *",
            "LIST \"\" () ",
            "LIST \"\" * RETURN",
            "LIST \"\" * RETURN (FOO)",
            "LIST \"\" * RETURN (STATUS ())",
            "LIST \"\" (a",
            "LSUB \"\"",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let many = |n: usize| parse(&format!("LIST \"\" ({})", vec!["a"; n].join(" ")));
        assert!(many(IMAP_LIST_PATTERNS_MAX).is_ok() && many(IMAP_LIST_PATTERNS_MAX + 1).is_err());
        let long = |n: usize| parse(&format!("LSUB \"\" {}", "a".repeat(n)));
        assert!(long(IMAP_PATTERN_OCTETS_MAX).is_ok() && long(IMAP_PATTERN_OCTETS_MAX + 1).is_err());
    }
}
