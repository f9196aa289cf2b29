//! COPY, MOVE and their UID forms (RFC 9051 §6.4.7, §6.4.8).

use crate::imap::command::{Copy, Request};
use crate::imap::grammar::{Cursor, Parse};

/// COPY
pub fn copy(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false, false)
}

/// MOVE
pub fn mv(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, false, true)
}

/// UID COPY
pub fn uid_copy(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true, false)
}

/// UID MOVE
pub fn uid_move(cursor: &mut Cursor<'_>) -> Parse<Request> {
    parse(cursor, true, true)
}

fn parse(cursor: &mut Cursor<'_>, by_uid: bool, moves: bool) -> Parse<Request> {
    cursor.sp()?;
    let set = cursor.sequence_set()?;
    cursor.sp()?;
    Ok(Request::Copy(Copy { by_uid, set, to: cursor.mailbox()?, moves }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;
    use crate::imap::sequence::SequenceSet;

    #[test]
    fn forms() {
        let wanted =
            |by_uid, moves| Ok(Request::Copy(Copy { by_uid, set: SequenceSet::Saved, to: "Trash".into(), moves }));
        assert_eq!(parse("COPY $ Trash"), wanted(false, false));
        assert_eq!(parse("UID COPY $ \"Trash\""), wanted(true, false));
        assert_eq!(parse("MOVE $ Trash"), wanted(false, true));
        assert_eq!(parse("UID MOVE $ Trash"), wanted(true, true));
        assert!(parse("COPY 1").is_err() && parse("COPY x y").is_err());
    }
}
