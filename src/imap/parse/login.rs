//! LOGIN (RFC 9051 §6.2.3).

use crate::base::Secret;
use crate::imap::command::Request;
use crate::imap::grammar::{Cursor, Parse};

/// User name and password.
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    let user = cursor.astring()?;
    cursor.sp()?;
    let password = Secret::new(cursor.astring()?);
    Ok(Request::Login { user, password })
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn names_and_passwords() {
        let login = |user: &str, password: &str| {
            Ok(Request::Login { user: user.as_bytes().to_vec(), password: Secret::new(password) })
        };
        assert_eq!(parse("LOGIN a@x.org pw"), login("a@x.org", "pw"));
        assert_eq!(parse("LOGIN \"a b\" \"\""), login("a b", ""));
        assert_eq!(parse("LOGIN {3}\r\na\"b {2}\r\n()"), login("a\"b", "()"));
        for wrong in ["LOGIN", "LOGIN a", "LOGIN a b c", "LOGIN a (b)"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
