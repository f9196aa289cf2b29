//! Time as the engine counts it: a monotonic clock for deadlines, a wall clock for what people read.
//!
//! Both only ever come from `World::clock`; nothing here reads a clock. Calendar dates are computed
//! (proleptic Gregorian, UTC) so that no time zone database and no locale is needed.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock, in nanoseconds since the clock was made. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(pub u64);

impl Add<Duration> for Mono {
    type Output = Mono;
    fn add(self, d: Duration) -> Mono {
        Mono(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub for Mono {
    type Output = Duration;
    /// Time passed since `earlier`; zero where `earlier` lies ahead.
    fn sub(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// A point in wall-clock time: milliseconds since 1970-01-01T00:00:00Z. May jump when the host's clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// This moment `later` later.
    pub fn after(self, later: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Whole seconds since 1970.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From whole seconds since 1970.
    pub fn from_seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds.saturating_mul(1000))
    }

    /// The calendar date and time, UTC.
    pub fn civil(self) -> Civil {
        let days = self.seconds().div_euclid(86_400);
        let second_of_day = self.seconds().rem_euclid(86_400) as u32;
        let (year, month, day) = civil_of_days(days);
        Civil {
            year,
            month,
            day,
            hour: second_of_day / 3600,
            minute: second_of_day / 60 % 60,
            second: second_of_day % 60,
            weekday: (days + 4).rem_euclid(7) as u32,
        }
    }

    /// `Sun, 22 Nov 2026 01:42:04 +0000`: the date-time of RFC 5322 §3.3.
    pub fn rfc5322(self) -> String {
        let c = self.civil();
        format!(
            "{}, {} {} {:04} {:02}:{:02}:{:02} +0000",
            weekday_name(c.weekday),
            c.day,
            month_name(c.month),
            c.year,
            c.hour,
            c.minute,
            c.second
        )
    }

    /// `22-Nov-2026 01:42:04 +0000` with the day space-padded: date-time of RFC 9051 §9 (without quotes).
    pub fn imap(self) -> String {
        let c = self.civil();
        format!("{:2}-{}-{:04} {:02}:{:02}:{:02} +0000", c.day, month_name(c.month), c.year, c.hour, c.minute, c.second)
    }

    /// `2026-11-22T01:42:04Z` (RFC 3339 §5.6).
    pub fn internet(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// Reads a date-time of RFC 3339 §5.6, with fractions of a second and any offset.
    pub fn of_internet(text: &str) -> Option<Timestamp> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let (time, offset) = match rest.strip_suffix(['Z', 'z']) {
            Some(time) => (time, 0),
            None => {
                let at = rest.rfind(['+', '-'])?;
                let (time, offset) = rest.split_at_checked(at)?;
                let [hours, minutes] = two_digits(offset.get(1..)?, ':')?;
                if hours > 23 || minutes > 59 {
                    return None;
                }
                let seconds = i64::from(hours * 3600 + minutes * 60);
                (time, if offset.starts_with('-') { -seconds } else { seconds })
            }
        };
        let (time, fraction) = time.split_once('.').map_or((time, "0"), |(time, fraction)| (time, fraction));
        if fraction.is_empty() || !fraction.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let (year, day) = date.split_once('-')?;
        let is_year = year.len() == 4 && year.bytes().all(|c| c.is_ascii_digit());
        let year: i64 = year.parse().ok().filter(|_| is_year)?;
        let [month, day] = two_digits(day, '-')?;
        let [hour, minute, second] = two_digits(time, ':')?;
        let at = Timestamp::checked_civil(year, month, day, [hour, minute, second])?;
        Some(Timestamp(at.0.saturating_sub(offset.saturating_mul(1000))))
    }

    /// The moment that a calendar date and time in UTC means; `None` where there is no such day or time. A leap second
    /// is the first of the next minute.
    pub fn checked_civil(year: i64, month: u32, day: u32, [hour, minute, second]: [u32; 3]) -> Option<Timestamp> {
        let is_day = (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        let is_time = hour <= 23 && minute <= 59 && second <= 60;
        (is_day && is_time).then(|| Timestamp::from_civil(year, month, day, hour, minute, second))
    }

    /// The moment a calendar date and time in UTC means. The caller knows that there is such a day and time.
    pub fn from_civil(year: i64, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Timestamp {
        let days = days_of_civil(year, month, day);
        let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Timestamp::from_seconds(days.saturating_mul(86_400).saturating_add(of_day))
    }
}

/// Names of the days as mail writes them, Sunday first.
pub const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
/// Names of the months as mail writes them.
pub const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The month of a name in any case, 1 to 12.
pub fn month_of(name: &str) -> Option<u32> {
    MONTHS.iter().zip(1..).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, month)| month)
}

/// Days of a month, 1 to 12.
fn days_in(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn weekday_name(weekday: u32) -> &'static str {
    WEEKDAYS.get(weekday as usize).copied().unwrap_or_default()
}

fn month_name(month: u32) -> &'static str {
    MONTHS.get((month as usize).wrapping_sub(1)).copied().unwrap_or_default()
}

/// A calendar date and time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Year, proleptic Gregorian.
    pub year: i64,
    /// 1 to 12.
    pub month: u32,
    /// 1 to 31.
    pub day: u32,
    /// 0 to 23.
    pub hour: u32,
    /// 0 to 59.
    pub minute: u32,
    /// 0 to 59.
    pub second: u32,
    /// 0 (Sunday) to 6.
    pub weekday: u32,
}

// Day counts run in 400-year eras that begin on 1 March, so that the leap day comes last.
const DAYS_PER_ERA: i64 = 146_097;
const DAYS_FROM_ERA_TO_1970: i64 = 719_468;

fn civil_of_days(days: i64) -> (i64, u32, u32) {
    let z = days + DAYS_FROM_ERA_TO_1970;
    let era = z.div_euclid(DAYS_PER_ERA);
    let day_of_era = z.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// Numbers of two digits each.
fn two_digits<const N: usize>(text: &str, separator: char) -> Option<[u32; N]> {
    let mut numbers = [0; N];
    let mut words = text.split(separator);
    for number in &mut numbers {
        let word = words.next().filter(|word| word.len() == 2 && word.bytes().all(|c| c.is_ascii_digit()))?;
        *number = word.parse().ok()?;
    }
    words.next().is_none().then_some(numbers)
}

fn days_of_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_FROM_ERA_TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_such_day_or_time() {
        let at = Timestamp::checked_civil;
        for (year, month, day) in [(2026, 1, 31), (2024, 2, 29), (2000, 2, 29), (1969, 12, 31), (2026, 11, 30)] {
            assert_eq!(at(year, month, day, [0; 3]), Some(Timestamp::from_civil(year, month, day, 0, 0, 0)));
        }
        for (year, month, day) in
            [(2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 1, 32), (2026, 2, 29), (1900, 2, 29), (2026, 4, 31)]
        {
            assert_eq!(at(year, month, day, [0; 3]), None, "{year}-{month}-{day}");
        }
        assert_eq!(at(2026, 6, 30, [23, 59, 60]), at(2026, 7, 1, [0; 3]));
        assert_eq!([[24, 0, 0], [0, 60, 0], [0, 0, 61]].map(|time| at(2026, 6, 30, time)), [None; 3]);
        assert_eq!(["jan", "DEC", "Sun", ""].map(month_of), [Some(1), Some(12), None, None]);
    }

    #[test]
    fn writes_dates_as_mail_does() {
        let t = Timestamp::from_civil(2026, 11, 22, 1, 42, 4);
        assert_eq!(t.rfc5322(), "Sun, 22 Nov 2026 01:42:04 +0000");
        assert_eq!(Timestamp(0).rfc5322(), "Thu, 1 Jan 1970 00:00:00 +0000");
        assert_eq!(Timestamp::from_civil(2000, 2, 29, 0, 0, 0).imap(), "29-Feb-2000 00:00:00 +0000");
        assert_eq!(Timestamp::from_civil(2026, 3, 1, 9, 8, 7).imap(), " 1-Mar-2026 09:08:07 +0000");
    }

    #[test]
    fn calendar_goes_both_ways() {
        for days in (-800_000..800_000).step_by(97) {
            let (y, m, d) = civil_of_days(days);
            assert_eq!(days_of_civil(y, m, d), days);
        }
    }

    #[test]
    fn internet_dates() {
        let at = Timestamp::from_civil(2026, 11, 22, 1, 42, 4);
        assert_eq!(at.internet(), "2026-11-22T01:42:04Z");
        for text in
            ["2026-11-22T01:42:04Z", "2026-11-22t01:42:04.5z", "2026-11-22T03:12:04+01:30", "2026-11-21T23:42:04-02:00"]
        {
            assert_eq!(Timestamp::of_internet(text), Some(at), "{text}");
        }
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T01:42:04",
            "2026-13-22T01:42:04Z",
            "2026-11-31T01:42:04Z",
            "2026-11-22T24:00:00Z",
            "26-11-22T01:42:04Z",
            "2026-11-22T01:42:04.Z",
            "2026-11-22T01:42Z",
            "2026-11-22T01:42:04+1:00",
            "2026-11-22T01:42:04+24:00",
            "2026-1-22T01:42:04Z",
        ] {
            assert_eq!(Timestamp::of_internet(bad), None, "{bad}");
        }
    }
}
