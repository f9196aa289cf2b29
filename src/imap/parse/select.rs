//! SELECT and EXAMINE with parameters (RFC 9051 §6.3.2, RFC 7162 §3.1.8).

use crate::imap::command::{Request, Resync, Select};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// SELECT
pub fn select(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false)
}

/// EXAMINE
pub fn examine(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true)
}

type Read = fn(&mut Cursor<'_>, &mut Select) -> Parse<()>;

/// Parameters by name, and what reads each.
const PARAMETERS: &[(&str, Read)] = &[
    ("CONDSTORE", |_, select| {
        select.condstore = true;
        Ok(())
    }),
    ("QRESYNC", |cursor, select| {
        select.resync = Some(resync(cursor)?);
        Ok(())
    }),
];

/// `SP "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"`
fn resync(cursor: &mut Cursor<'_>) -> Parse<Resync> {
    cursor.sp()?;
    cursor.expect(b'(', "QRESYNC values expected")?;
    let uid_validity = cursor.nz_number()?;
    cursor.sp()?;
    let mod_seq = cursor.number64()?;
    let mut resync = Resync { uid_validity, mod_seq, known: None, numbers: false };
    while !cursor.eat(b')') {
        cursor.sp()?;
        if cursor.eat(b'(') {
            let numbers = cursor.sequence_set()?;
            cursor.sp()?;
            let uids = cursor.sequence_set()?;
            if numbers.has_last() || uids.has_last() {
                return Err(Bad::Syntax("* cannot be known"));
            }
            cursor.expect(b')', "closing parenthesis expected")?;
            resync.numbers = true;
        } else if resync.known.is_none() && !resync.numbers {
            resync.known = Some(cursor.sequence_set()?).filter(|set| !set.has_last());
            resync.known.as_ref().ok_or(Bad::Syntax("* cannot be known"))?;
        } else {
            return Err(Bad::Syntax("closing parenthesis expected"));
        }
    }
    Ok(resync)
}

fn parse(cursor: &mut Cursor<'_>, read_only: bool) -> Parse<Request> {
    cursor.sp()?;
    let mut select = Select { name: cursor.mailbox()?, read_only, condstore: false, resync: None };
    if cursor.more() {
        cursor.expect(b'(', "parameter list expected")?;
        loop {
            let known = PARAMETERS.iter().find(|(name, _)| cursor.keyword(name));
            let (_, read) = known.ok_or(Bad::Syntax("unknown SELECT parameter"))?;
            read(cursor, &mut select)?;
            if cursor.eat(b')') {
                break;
            }
            cursor.sp()?;
        }
    }
    Ok(Request::Select(select))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn what_a_client_knows() {
        let resync = |text: &str| match parse(&format!("SELECT INBOX (QRESYNC {text})")) {
            Ok(Request::Select(select)) => select.resync,
            _ => None,
        };
        let known = |text| resync(text).map(|r| (r.uid_validity, r.mod_seq, r.known.is_some(), r.numbers));
        assert_eq!(known("(67890007 20050715194045000)"), Some((67_890_007, 20_050_715_194_045_000, false, false)));
        assert_eq!(known("(67890007 90060115194045000 41,43:211,214:541)").map(|k| (k.2, k.3)), Some((true, false)));
        let both = "(67890007 90060115194045000 41:211,214:541 (1,3,6 101,103,106))";
        assert_eq!(known(both).map(|k| (k.2, k.3)), Some((true, true)));
        assert_eq!(known("(7 9 (1,3 4,7))").map(|k| (k.2, k.3)), Some((false, true)));
        for wrong in ["(7)", "7 9", "(0 9)", "(7 9 1:*)", "(7 9 1 2)", "(7 9 (1))", "(7 9 (1 2)", "(7 9 (1:* 2))"] {
            assert_eq!(known(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_and_parameters() {
        let wanted = |name: &str, read_only, condstore| {
            Ok(Request::Select(Select { name: name.into(), read_only, condstore, resync: None }))
        };
        assert_eq!(parse("SELECT inbox"), wanted("INBOX", false, false));
        assert_eq!(parse("EXAMINE \"A b\" (condstore)"), wanted("A b", true, true));
        assert_eq!(parse("SELECT Entw&APw-rfe"), wanted("Entwürfe", false, false));
        assert_eq!(parse("SELECT {5}\r\ninbox"), wanted("INBOX", false, false));
        assert_eq!(parse("SELECT A&B"), Err(Bad::Name));
        assert_eq!(parse("SELECT \"\""), Err(Bad::Name));
        for wrong in ["SELECT", "SELECT a b", "SELECT a ()", "SELECT a (X)", "SELECT a (CONDSTORE"] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
    }
}
