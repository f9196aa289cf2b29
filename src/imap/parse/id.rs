//! ID (RFC 2971 §3.1).

use crate::base::limits::IMAP_ID_FIELDS_MAX;
use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// `id-params-list`
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    if cursor.keyword("NIL") {
        return Ok(Request::Id(Vec::new()));
    }
    cursor.expect(b'(', "parameter list expected")?;
    let mut fields = Vec::new();
    while !cursor.eat(b')') {
        if !fields.is_empty() {
            cursor.sp()?;
        }
        let name = cursor.string()?;
        cursor.sp()?;
        if fields.len() >= IMAP_ID_FIELDS_MAX {
            return Err(Bad::Syntax("too many ID fields"));
        }
        fields.push((name, cursor.nstring()?));
    }
    Ok(Request::Id(fields))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn fields() {
        assert_eq!(parse("ID NIL"), Ok(Request::Id(vec![])));
        assert_eq!(parse("ID ()"), Ok(Request::Id(vec![])));
        let wanted = vec![(b"name".to_vec(), Some(b"mutt".to_vec())), (b"os".to_vec(), None)];
        assert_eq!(parse("ID (\"name\" \"mutt\" \"os\" NIL)"), Ok(Request::Id(wanted)));
        for wrong in ["ID", "ID x", "ID (\"a\")", "ID (\"a\" \"b\""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        let many = |n: usize| parse(&format!("ID ({})", vec!["\"a\" NIL"; n].join(" ")));
        assert!(many(IMAP_ID_FIELDS_MAX).is_ok() && many(IMAP_ID_FIELDS_MAX + 1).is_err());
    }
}
