//! UIDBATCHES: the UIDs of a mailbox in ranges of equally many messages.

use crate::imap::command::{Request, UidBatches};
use crate::imap::grammar::{Bad, Cursor, Parse};

/// `UIDBATCHES SP nz-number [SP nz-number ":" nz-number]`
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let size = cursor.nz_number()?;
    let mut batches = None;
    if cursor.more() {
        let one = cursor.nz_number()?;
        let other = if cursor.eat(b':') { cursor.nz_number()? } else { one };
        if one > other {
            return Err(Bad::Syntax("the first batch comes first"));
        }
        batches = Some((one, other));
    }
    Ok(Request::UidBatches(UidBatches { size, batches }))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn forms() {
        let asked = |size, batches| Ok(Request::UidBatches(UidBatches { size, batches }));
        assert_eq!(parse("UIDBATCHES 2000"), asked(2_000, None));
        assert_eq!(parse("UIDBATCHES 2000 11:20"), asked(2_000, Some((11, 20))));
        assert_eq!(parse("UIDBATCHES 2000 2"), asked(2_000, Some((2, 2))));
        for wrong in
            ["UIDBATCHES", "UIDBATCHES 0", "UIDBATCHES 5 0:1", "UIDBATCHES 5 2:1", "UIDBATCHES 5 1:*", "UIDBATCHES x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
