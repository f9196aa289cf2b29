//! AUTHENTICATE with an initial response (RFC 9051 §6.2.2, RFC 4959).

use crate::imap::command::Request;
use crate::imap::grammar::{Bad, Cursor, Parse};

/// Mechanism, and what `SASL-IR` puts behind it: base64, or `=` for nothing.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let mechanism = cursor.atom()?.to_ascii_uppercase();
    if !cursor.eat(b' ') {
        return Ok(Request::Authenticate { mechanism, initial: None });
    }
    let initial = crate::sasl::decode(cursor.take_while(|c| c > b' '));
    Ok(Request::Authenticate {
        mechanism,
        initial: Some(initial.ok_or(Bad::Syntax("initial response is not base64"))?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn initial_responses() {
        let wanted = |initial: Option<&[u8]>| {
            Ok(Request::Authenticate { mechanism: "PLAIN".into(), initial: initial.map(Vec::from) })
        };
        assert_eq!(parse("AUTHENTICATE plain"), wanted(None));
        assert_eq!(parse("AUTHENTICATE PLAIN AGEAYg=="), wanted(Some(b"\0a\0b")));
        assert_eq!(parse("AUTHENTICATE PLAIN ="), wanted(Some(b"")));
        for wrong in ["AUTHENTICATE", "AUTHENTICATE PLAIN A", "AUTHENTICATE PLAIN AA== x", "AUTHENTICATE PLAIN !!!!"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
