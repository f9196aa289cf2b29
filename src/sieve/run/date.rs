//! Dates in header fields and their parts (RFC 5260).

use crate::base::Timestamp;
use crate::base::time::MONTHS;
use crate::base::time::WEEKDAYS;
use crate::message::Date;

/// The parts of a date.
const PARTS: [&str; 13] = [
    "year", "month", "day", "date", "julian", "hour", "minute", "second", "time", "iso8601", "std11", "zone", "weekday",
];

/// Whether this names a part of a date.
pub(in super::super) fn is_part(name: &str) -> bool {
    PARTS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Minutes east of UTC that `+hhmm` says.
pub(in super::super) fn zone_minutes(zone: &str) -> Option<i32> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    if digits.len() != 4 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let (hours, minutes) = (number / 100, number % 100);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes))
}

/// The date a field holds: all of it, or what stands behind its last semicolon (RFC 5260 §4).
pub(super) fn of_field(value: &str) -> Option<Date> {
    let behind = value.rsplit_once(';').map(|(_, behind)| behind);
    behind.and_then(|text| crate::message::date(text.as_bytes())).or_else(|| crate::message::date(value.as_bytes()))
}

/// A part of a date, seen in a time zone; `None` where there is no such part.
pub(super) fn part(name: &str, at: Timestamp, zone: i32) -> Option<String> {
    let there = Timestamp::from_seconds(at.seconds().saturating_add(i64::from(zone) * 60));
    let c = there.civil();
    let offset = |colon: &str| {
        let (sign, minutes) = (if zone < 0 { '-' } else { '+' }, zone.abs());
        format!("{sign}{:02}{colon}{:02}", minutes / 60, minutes % 60)
    };
    let date = || format!("{:04}-{:02}-{:02}", c.year, c.month, c.day);
    let time = || format!("{:02}:{:02}:{:02}", c.hour, c.minute, c.second);
    Some(match name.to_ascii_lowercase().as_str() {
        "year" => format!("{:04}", c.year),
        "month" => format!("{:02}", c.month),
        "day" => format!("{:02}", c.day),
        "date" => date(),
        // The Modified Julian Day: 1970-01-01 was 40587.
        "julian" => (there.seconds().div_euclid(86_400) + 40_587).to_string(),
        "hour" => format!("{:02}", c.hour),
        "minute" => format!("{:02}", c.minute),
        "second" => format!("{:02}", c.second),
        "time" => time(),
        "iso8601" => {
            let offset = if zone == 0 { "Z".to_owned() } else { offset(":") };
            format!("{}T{}{offset}", date(), time())
        }
        "std11" => {
            let day = WEEKDAYS.get(c.weekday as usize).copied().unwrap_or_default();
            let month = MONTHS.get((c.month as usize).wrapping_sub(1)).copied().unwrap_or_default();
            format!("{day}, {:02} {month} {:04} {} {}", c.day, c.year, time(), offset(""))
        }
        "zone" => offset(""),
        "weekday" => c.weekday.to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_zones() {
        let found = of_field("from x by y; Sun, 22 Nov 2026 01:42:04 +0100").unwrap();
        for (name, zone, wanted) in [
            ("year", 60, "2026"),
            ("month", 60, "11"),
            ("day", 60, "22"),
            ("date", 0, "2026-11-22"),
            ("julian", 60, "61366"),
            ("hour", 60, "01"),
            ("hour", 0, "00"),
            ("minute", 0, "42"),
            ("second", 0, "04"),
            ("time", -60, "23:42:04"),
            ("day", -60, "21"),
            ("iso8601", 60, "2026-11-22T01:42:04+01:00"),
            ("std11", -90, "Sat, 21 Nov 2026 23:12:04 -0130"),
            ("zone", -90, "-0130"),
            ("WEEKDAY", 60, "0"),
        ] {
            assert_eq!(part(name, found.at, zone).as_deref(), Some(wanted), "{name} {zone}");
        }
        assert_eq!(part("x", found.at, 0), None);
        assert_eq!(of_field("yesterday"), None);
    }

    #[test]
    fn zones() {
        for (text, minutes) in [("+0000", Some(0)), ("-0130", Some(-90)), ("+2359", Some(1439)), ("+2400", None)] {
            assert_eq!(zone_minutes(text), minutes, "{text}");
        }
        assert!(["", "0100", "+1", "+010", "é0100", "+0160", "+-100"].iter().all(|text| zone_minutes(text).is_none()));
    }
}
