//! The date-time of RFC 5322 §3.3 with the obsolete forms of §4.3, and the asctime forms that still come in.

use crate::base::Timestamp;
use crate::base::time::{WEEKDAYS, month_of};

use super::address_list::comment;

/// A moment and the zone it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    /// The moment.
    pub at: Timestamp,
    /// East of UTC, in minutes.
    pub offset_minutes: i32,
}

impl Date {
    /// Midnight UTC of the calendar day as it was written, zone disregarded: what SENTON and its like compare
    /// (RFC 9051 §6.4.4).
    pub fn written_day(self) -> i64 {
        (self.at.seconds() + i64::from(self.offset_minutes) * 60).div_euclid(86_400)
    }
}

/// Reads a date; `None` where day, month, year or time of day is missing or out of range.
pub fn date(value: &[u8]) -> Option<Date> {
    let text = without_comments(value);
    let mut read = Read::default();
    for token in text.split(|c: char| c.is_ascii_whitespace() || c == ',') {
        if !token.is_empty() {
            read.token(token);
        }
    }
    read.finish()
}

/// Whether a date is written as RFC 5322 §3.3 wants it (zones by name as in §4.3 included), so that every reader
/// reads the same; comments may follow.
pub fn is_rfc5322(value: &[u8]) -> bool {
    let text = without_comments(value);
    let mut words = text.split_ascii_whitespace().peekable();
    let digits = |word: &str, few: usize, many: usize| {
        (few..=many).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_digit())
    };
    if let Some(name) = words.peek().and_then(|word| word.strip_suffix(',')) {
        if name.len() != 3 || !is_weekday(name) {
            return false;
        }
        words.next();
    }
    let fits = words.next().is_some_and(|day| digits(day, 1, 2))
        && words.next().is_some_and(|word| word.len() == 3 && month(word).is_some())
        && words.next().is_some_and(|year| digits(year, 4, 4))
        && words
            .next()
            .is_some_and(|time| matches!(time.split(':').count(), 2 | 3) && time.split(':').all(|n| digits(n, 1, 2)))
        && words.next().is_some_and(|zone| {
            let is_name = zone.len() <= 3 && zone.bytes().all(|c| c.is_ascii_alphabetic());
            is_name || (zone.starts_with(['+', '-']) && zone.get(1..).is_some_and(|n| digits(n, 4, 4)))
        })
        && words.next().is_none();
    fits && date(value).is_some()
}

#[derive(Default)]
struct Read {
    day: Option<u32>,
    month: Option<u32>,
    year: Option<i64>,
    time: Option<[u32; 3]>,
    offset_minutes: Option<i32>,
}

impl Read {
    fn token(&mut self, token: &str) {
        let first = token.chars().next().unwrap_or(' ');
        if (first == '+' || first == '-') && self.time.is_some() {
            self.offset_minutes = self.offset_minutes.or(numeric_zone(token));
        } else if token.contains(':') {
            // `01:42:04+0100`, `01:42:04Z`
            let split = token.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(token.len());
            let (clock, zone) = token.split_at_checked(split).unwrap_or((token, ""));
            self.time = self.time.or_else(|| time_of_day(clock));
            if !zone.is_empty() {
                let offset = numeric_zone(zone).unwrap_or_else(|| named_zone(zone));
                self.offset_minutes = self.offset_minutes.or(Some(offset));
            }
        } else if token.contains('-') && self.month.is_none() {
            // `22-Nov-2026`: nothing in it has another dash or a colon.
            token.split('-').filter(|t| !t.is_empty()).for_each(|t| self.token(t));
        } else if first.is_ascii_digit() {
            self.number(token);
        } else if let Some(month) = month(token) {
            self.month = self.month.or(Some(month));
        } else if self.time.is_some() && !is_weekday(token) {
            self.offset_minutes = self.offset_minutes.or(Some(named_zone(token)));
        }
    }

    fn number(&mut self, token: &str) {
        let Ok(n) = token.parse::<u32>() else { return };
        if self.day.is_none() && token.len() <= 2 {
            self.day = Some(n);
        } else if self.year.is_none() {
            self.year = match token.len() {
                // RFC 5322 §4.3
                2 if n < 50 => Some(2000 + i64::from(n)),
                2 | 3 => Some(1900 + i64::from(n)),
                4 => Some(i64::from(n)),
                _ => None,
            };
        }
    }

    fn finish(self) -> Option<Date> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let written = Timestamp::checked_civil(year, month, day, self.time?)?;
        let offset_minutes = self.offset_minutes.unwrap_or(0);
        Some(Date { at: Timestamp::from_seconds(written.seconds() - i64::from(offset_minutes) * 60), offset_minutes })
    }
}

/// Comments become a space; white space around colons goes (`09 : 55 :06` is obsolete syntax).
fn without_comments(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len().min(64));
    let mut rest = value;
    while let Some((&c, behind)) = rest.split_first() {
        rest = behind;
        match c {
            b'(' => {
                rest = comment(rest).1;
                if !text.ends_with(':') {
                    text.push(' ');
                }
            }
            b':' => {
                text.truncate(text.trim_ascii_end().len());
                text.push(':');
            }
            c if c.is_ascii_whitespace() && text.ends_with(':') => {}
            c if c.is_ascii() => text.push(char::from(c)),
            _ => {}
        }
    }
    text
}

/// `h:m` or `h:m:s`, a fraction of seconds cut off.
fn time_of_day(clock: &str) -> Option<[u32; 3]> {
    let clock = clock.split('.').next().unwrap_or(clock);
    let mut numbers = clock.split(':').map(|n| n.parse::<u32>());
    let hour = numbers.next()?.ok()?;
    let minute = numbers.next()?.ok()?;
    let second = match numbers.next() {
        Some(second) => second.ok()?,
        None => 0,
    };
    Some([hour, minute, second])
}

/// `+hhmm`, `+hh:mm`
fn numeric_zone(token: &str) -> Option<i32> {
    let (sign, rest) = token.split_at_checked(1)?;
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if !matches!(sign, "+" | "-") || digits.len() != 4 {
        return None;
    }
    let n: i32 = digits.parse().ok()?;
    let minutes = n / 100 * 60 + n % 100;
    (n % 100 < 60).then_some(if sign == "-" { -minutes } else { minutes })
}

/// RFC 5322 §4.3: names without a known meaning, single letters included, are -0000.
fn named_zone(name: &str) -> i32 {
    const ZONES: [(&str, i32); 13] = [
        ("EST", -300),
        ("EDT", -240),
        ("CST", -360),
        ("CDT", -300),
        ("MST", -420),
        ("MDT", -360),
        ("PST", -480),
        ("PDT", -420),
        ("CET", 60),
        ("CEST", 120),
        ("MET", 60),
        ("BST", 60),
        ("JST", 540),
    ];
    ZONES.iter().find(|(zone, _)| zone.eq_ignore_ascii_case(name)).map_or(0, |(_, minutes)| *minutes)
}

fn month(token: &str) -> Option<u32> {
    month_of(token.get(..3)?)
}

fn is_weekday(token: &str) -> bool {
    token.get(..3).is_some_and(|start| WEEKDAYS.iter().any(|d| d.eq_ignore_ascii_case(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_dates() {
        for (value, want, offset) in [
            ("Sun, 22 Nov 2026 01:42:04 +0000", "Sun, 22 Nov 2026 01:42:04 +0000", 0),
            ("Fri, 21 Nov 1997 09:55:06 -0600", "Fri, 21 Nov 1997 15:55:06 +0000", -360),
            ("21 Nov 97 09:55:06 GMT", "Fri, 21 Nov 1997 09:55:06 +0000", 0),
            ("1 Jan 49 0:0 EST", "Fri, 1 Jan 2049 05:00:00 +0000", -300),
            ("1 Jan 50 00:00", "Sun, 1 Jan 1950 00:00:00 +0000", 0),
            ("1 Jan 103 00:00 Z", "Wed, 1 Jan 2003 00:00:00 +0000", 0),
            (
                "Thu,\r\n 13\r\n Feb\r\n 1969\r\n 23:32\r\n -0330 (Newfoundland Time)",
                "Fri, 14 Feb 1969 03:02:00 +0000",
                -210,
            ),
            ("Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "Fri, 21 Nov 1997 15:55:06 +0000", -360),
            ("Sun Nov 22 01:42:04 2026", "Sun, 22 Nov 2026 01:42:04 +0000", 0),
            ("Sun Nov 22 01:42:04 CET 2026", "Sun, 22 Nov 2026 00:42:04 +0000", 60),
            ("22-Nov-2026 01:42:04 +0100", "Sun, 22 Nov 2026 00:42:04 +0000", 60),
            ("22 November 2026 01:42:04.123+01:00", "Sun, 22 Nov 2026 00:42:04 +0000", 60),
            ("29 Feb 2024 23:59:60 +0000", "Fri, 1 Mar 2024 00:00:00 +0000", 0),
            ("29 Feb 2023 00:00 +0000", "", 0),
            ("0 Feb 2023 00:00 +0000", "", 0),
            ("1 Feb 2023 24:00 +0000", "", 0),
            ("1 Feb 2023", "", 0),
            ("", "", 0),
            ("garbage", "", 0),
            ("99999999999999999999 Feb 2023 1:1", "", 0),
            ("1 Feb 2023 1:1 +99999", "Wed, 1 Feb 2023 01:01:00 +0000", 0),
            ("(((", "", 0),
            ("1 Jan 70 1:1", "Thu, 1 Jan 1970 01:01:00 +0000", 0),
            ("1 Jan 70 x:1:1x:1", "", 0),
            ("1 Jan 70 1:1x1:1x1:1", "Thu, 1 Jan 1970 01:01:00 +0000", 0),
            ("1-----Jan---70 1:1 -", "Thu, 1 Jan 1970 01:01:00 +0000", 0),
        ] {
            let got = date(value.as_bytes());
            assert_eq!(got.map_or(String::new(), |d| d.at.rfc5322()), want, "{value}");
            assert_eq!(got.map_or(0, |d| d.offset_minutes), offset, "{value}");
        }
    }

    #[test]
    fn dates_that_everybody_reads() {
        for (value, is) in [
            ("Sun, 22 Nov 2026 01:42:04 +0000", true),
            (" 2 Nov 2026 01:42 GMT (a comment)\r\n", true),
            ("Fri, 21 Nov 1997 09:55:06 -0600", true),
            ("Sun,\r\n 22 Nov 2026 01:42:04 +0000", true),
            ("Sun Nov 22 01:42:04 2026", false),
            ("22 Nov 26 01:42:04 +0000", false),
            ("22 November 2026 01:42:04 +0000", false),
            ("2026-11-28 10:00", false),
            ("Sun, 22 Nov 2026 01:42:04", false),
            ("Sun, 22 Nov 2026 25:42:04 +0000", false),
            ("Xxx, 22 Nov 2026 01:42:04 +0000", false),
            ("", false),
        ] {
            assert_eq!(is_rfc5322(value.as_bytes()), is, "{value}");
        }
    }

    #[test]
    fn the_day_as_written() {
        let day = |value: &str| date(value.as_bytes()).map(Date::written_day);
        assert_eq!(day("22 Nov 2026 23:30 -0800"), day("22 Nov 2026 00:30 +0900"));
    }
}
