//! STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use crate::imap::command::{Request, Store, StoreHow};
use crate::imap::grammar::{Bad, Cursor, FlagNames, Parse};

/// STORE
pub fn by_number(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false)
}

/// UID STORE
pub fn by_uid(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true)
}

fn parse(cursor: &mut Cursor<'_>, by_uid: bool) -> Parse<Request> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    cursor.sp()?;
    let mut unchanged_since = None;
    if cursor.eat(b'(') {
        if !cursor.keyword("UNCHANGEDSINCE") {
            return Err(Bad::Syntax("unknown STORE modifier"));
        }
        cursor.sp()?;
        unchanged_since = Some(cursor.number64()?);
        cursor.expect(b')', "closing parenthesis expected")?;
        cursor.sp()?;
    }
    let how = if cursor.eat(b'+') {
        StoreHow::Add
    } else if cursor.eat(b'-') {
        StoreHow::Remove
    } else {
        StoreHow::Replace
    };
    let silent = cursor.keyword("FLAGS.SILENT");
    if !silent && !cursor.keyword("FLAGS") {
        return Err(Bad::Syntax("FLAGS expected"));
    }
    cursor.sp()?;
    Ok(Request::Store(Store { by_uid, set, unchanged_since, how, silent, flags: flags(cursor)? }))
}

/// A flag list, or flags without parentheses.
fn flags(cursor: &mut Cursor<'_>) -> Parse<FlagNames> {
    if cursor.peek() == Some(b'(') {
        return cursor.flag_list();
    }
    let mut names = FlagNames::default();
    loop {
        names.add(cursor.flag()?)?;
        if !cursor.more() {
            return Ok(names);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::base::Flags;

    fn store(text: &str) -> Store {
        match parse(text) {
            Ok(Request::Store(store)) => store,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn forms() {
        let s = store("STORE 1:2 +FLAGS.SILENT (\\Deleted a)");
        assert!((s.how, s.silent, s.by_uid) == (StoreHow::Add, true, false));
        assert!(s.flags.flags == Flags::DELETED && s.flags.keywords == ["a"]);
        let s = store("UID STORE 7 (UNCHANGEDSINCE 12) -flags \\Seen \\Flagged");
        assert!((s.how, s.silent, s.by_uid) == (StoreHow::Remove, false, true));
        assert!(s.flags.flags == Flags::SEEN | Flags::FLAGGED && s.unchanged_since == Some(12));
        assert_eq!(store("STORE 1 FLAGS ()").how, StoreHow::Replace);
        for wrong in [
            "STORE 1 FLAGS",
            "STORE 1 FLAG (a)",
            "STORE 1 +-FLAGS (a)",
            "STORE 1 (X 1) FLAGS a",
            "STORE FLAGS a",
            "STORE 1 FLAGS.LOUD a",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
