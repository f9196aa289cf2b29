//! Dates and times of commands (RFC 9051 §9).

use super::{Bad, Cursor, Parse};
use crate::base::Timestamp;
use crate::base::time::month_of;

const NO_SUCH_DAY: &str = "no such day or time";

impl Cursor<'_> {
    /// `date`: `1-Feb-1994`, quoted or not, as days since 1970-01-01.
    pub fn date(&mut self) -> Parse<i64> {
        let quoted = self.eat(b'"');
        let day = self.number()?;
        let (month, year) = self.month_year()?;
        if quoted {
            self.expect(b'"', "quote expected")?;
        }
        let midnight = Timestamp::checked_civil(i64::from(year), month, day, [0; 3]);
        Ok(midnight.ok_or(Bad::Syntax(NO_SUCH_DAY))?.seconds().div_euclid(86_400))
    }

    /// `date-time`: `" 1-Feb-1994 21:52:25 -0800"`.
    pub fn date_time(&mut self) -> Parse<Timestamp> {
        const WRONG: &str = "date and time expected";
        self.expect(b'"', WRONG)?;
        self.eat(b' ');
        let day = self.number()?;
        let (month, year) = self.month_year()?;
        self.sp()?;
        let mut time = [0; 3];
        for (at, value) in time.iter_mut().enumerate() {
            if at > 0 {
                self.expect(b':', WRONG)?;
            }
            *value = self.digits(2)?;
        }
        let written = Timestamp::checked_civil(i64::from(year), month, day, time).ok_or(Bad::Syntax(NO_SUCH_DAY))?;
        self.sp()?;
        let west = match self.peek() {
            Some(b'+') => false,
            Some(b'-') => true,
            _ => return Err(Bad::Syntax(WRONG)),
        };
        self.eat(if west { b'-' } else { b'+' });
        let (hours, minutes) = (i64::from(self.digits(2)?), i64::from(self.digits(2)?));
        let offset = (hours * 60 + minutes) * 60;
        self.expect(b'"', WRONG)?;
        Ok(Timestamp::from_seconds(written.seconds() - if west { -offset } else { offset }))
    }

    fn digits(&mut self, n: usize) -> Parse<u32> {
        let text = self.take(n).map_err(|_| Bad::Syntax("digits expected"))?;
        std::str::from_utf8(text)
            .ok()
            .filter(|t| t.bytes().all(|c| c.is_ascii_digit()))
            .and_then(|t| t.parse().ok())
            .ok_or(Bad::Syntax("digits expected"))
    }

    fn month_year(&mut self) -> Parse<(u32, u32)> {
        self.expect(b'-', "date expected")?;
        let name = self.word(|c| c.is_ascii_alphabetic(), "month expected")?;
        let month = month_of(name).ok_or(Bad::Syntax("month expected"))?;
        self.expect(b'-', "date expected")?;
        Ok((month, self.digits(4)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::all;
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(all(b"1-Jan-1970", Cursor::date), Ok(0));
        assert_eq!(all(b"\"29-feb-2000\"", Cursor::date), Ok(11_016));
        for wrong in [&b"29-Feb-1999"[..], b"0-Jan-2000", b"31-Jun-2000", b"1-Foo-2000", b"1-Jan-20", b"Jan-1-2000"] {
            assert!(all(wrong, Cursor::date).is_err(), "{}", wrong.escape_ascii());
        }
        let at = |text: &[u8]| all(text, Cursor::date_time).map(|t| t.imap());
        assert_eq!(at(b"\" 1-Feb-1994 21:52:25 -0800\"").as_deref(), Ok(" 2-Feb-1994 05:52:25 +0000"));
        assert_eq!(at(b"\"17-Jul-1996 02:44:25 +0100\"").as_deref(), Ok("17-Jul-1996 01:44:25 +0000"));
        for wrong in [
            &b"\"1-Feb-1994 24:00:00 +0000\""[..],
            b"\"1-Feb-1994\"",
            b"\"1-Feb-1994 1:00:00 +0000\"",
            b"\"1-Feb-1994 01:00:00 0000\"",
        ] {
            assert!(at(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }
}
