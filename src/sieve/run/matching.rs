//! Compares values with keys: match types and comparators (RFC 5228 §2.7, RFC 5231, RFC 4790).

use std::cmp::Ordering;

use super::super::program::{Comparator, How, Keys, Kind, Relation};
use super::{Ran, Run};
use crate::base::limits::SIEVE_STEPS_MAX;

/// Octets compared that cost a step.
const OCTETS_PER_STEP: usize = 64;

impl Run<'_> {
    /// Whether any value matches any key. What `:matches` found becomes the match variables.
    pub(super) fn matches<S: AsRef<str>>(&mut self, values: &[S], keys: &Keys) -> Ran<bool> {
        let wanted = self.texts(&keys.keys)?;
        let found = self.compare(values, keys.how, &wanted)?;
        self.note(|| {
            let quoted = |text: &str| format!("{:?}", text.chars().take(80).collect::<String>());
            let values: Vec<String> = values.iter().take(4).map(|value| quoted(value.as_ref())).collect();
            let wanted: Vec<String> = wanted.iter().take(4).map(|key| quoted(key)).collect();
            let of = match values.is_empty() {
                true => "there is no value".to_owned(),
                false => format!("[{}]", values.join(", ")),
            };
            let verb = if found { "matches" } else { "does not match" };
            format!("{of} {verb} {} [{}]", name_of(keys.how.kind), wanted.join(", "))
        });
        Ok(found)
    }

    /// Without a note.
    pub(super) fn compare<S: AsRef<str>>(&mut self, values: &[S], how: How, keys: &[String]) -> Ran<bool> {
        if let Kind::Count(relation) = how.kind {
            let count = values.len().to_string();
            return Ok(keys.iter().any(|key| holds(relation, order(how.comparator, &count, key))));
        }
        for value in values {
            let value = value.as_ref();
            for key in keys {
                self.spend(1 + (value.len() + key.len()) / OCTETS_PER_STEP)?;
                let found = match how.kind {
                    Kind::Is => equal(how.comparator, value, key),
                    Kind::Value(relation) => holds(relation, order(how.comparator, value, key)),
                    Kind::Contains => self.contains(how.comparator, value, key)?,
                    Kind::Matches => match self.wildcards(how.comparator, value, key)? {
                        Some(parts) => {
                            self.matched = std::iter::once(value.to_owned()).chain(parts).collect();
                            true
                        }
                        None => false,
                    },
                    Kind::Count(_) => false,
                };
                if found {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn contains(&mut self, comparator: Comparator, value: &str, key: &str) -> Ran<bool> {
        let fold = |text: &str| match comparator {
            Comparator::Octet | Comparator::AsciiNumeric => text.to_owned(),
            Comparator::AsciiCasemap => text.to_ascii_lowercase(),
            Comparator::UnicodeCasemap => casemap(text),
        };
        Ok(memchr::memmem::find(fold(value).as_bytes(), fold(key).as_bytes()).is_some())
    }

    /// The parts of `value` that stand for the wildcards of `pattern`, where it matches. `*` takes as little as it can.
    fn wildcards(&mut self, comparator: Comparator, value: &str, pattern: &str) -> Ran<Option<Vec<String>>> {
        let pattern = tokens(pattern);
        let value: Vec<char> = value.chars().collect();
        let mut spent = 0_usize;
        let found = wildcards(comparator, &value, &pattern, &mut spent);
        self.spend(spent / OCTETS_PER_STEP)?;
        Ok(found)
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Is => ":is",
        Kind::Contains => ":contains",
        Kind::Matches => ":matches",
        Kind::Value(_) => ":value",
        Kind::Count(_) => ":count",
    }
}

/// An element of a pattern.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    Any,
    One,
    Char(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut found = Vec::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        found.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => chars.next().map_or(Token::Char('\\'), Token::Char),
            c => Token::Char(c),
        });
    }
    found
}

/// Comparisons of one pattern with one value: one more, and the budget of the whole run is spent.
const COMPARISONS_MAX: usize = SIEVE_STEPS_MAX * OCTETS_PER_STEP;

/// Where a star began, and how far it reaches now.
struct Star {
    /// Place in the pattern behind it.
    behind: usize,
    from: usize,
    to: usize,
    /// Captures that were made before it.
    captures: usize,
}

fn wildcards(comparator: Comparator, value: &[char], pattern: &[Token], spent: &mut usize) -> Option<Vec<String>> {
    let (mut at, mut next) = (0, 0);
    let mut captures: Vec<(usize, usize)> = Vec::new();
    let mut star: Option<Star> = None;
    loop {
        *spent += 1;
        if *spent > COMPARISONS_MAX + OCTETS_PER_STEP {
            return None;
        }
        let fits = match (pattern.get(next), value.get(at)) {
            (None, None) => {
                let text = |(from, to): &(usize, usize)| value.get(*from..*to).unwrap_or_default().iter().collect();
                return Some(captures.iter().map(text).collect());
            }
            (Some(Token::Any), _) => {
                star = Some(Star { behind: next + 1, from: at, to: at, captures: captures.len() });
                captures.push((at, at));
                next += 1;
                continue;
            }
            (Some(Token::One), Some(_)) => {
                captures.push((at, at + 1));
                true
            }
            (Some(Token::Char(wanted)), Some(found)) => same(comparator, *wanted, *found),
            _ => false,
        };
        if fits {
            at += 1;
            next += 1;
            continue;
        }
        // The last star takes one character more.
        let last = star.as_mut().filter(|star| star.to < value.len())?;
        last.to += 1;
        at = last.to;
        next = last.behind;
        captures.truncate(last.captures);
        captures.push((last.from, last.to));
    }
}

fn same(comparator: Comparator, a: char, b: char) -> bool {
    a == b
        || match comparator {
            Comparator::Octet | Comparator::AsciiNumeric => false,
            Comparator::AsciiCasemap => a.eq_ignore_ascii_case(&b),
            Comparator::UnicodeCasemap => a.to_lowercase().eq(b.to_lowercase()),
        }
}

/// What texts are compared by without regard to case (RFC 5051, as far as single characters go).
fn casemap(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn equal(comparator: Comparator, a: &str, b: &str) -> bool {
    match comparator {
        Comparator::Octet => a == b,
        Comparator::AsciiCasemap => a.eq_ignore_ascii_case(b),
        Comparator::UnicodeCasemap => a == b || casemap(a) == casemap(b),
        Comparator::AsciiNumeric => order(comparator, a, b) == Ordering::Equal,
    }
}

fn order(comparator: Comparator, a: &str, b: &str) -> Ordering {
    match comparator {
        Comparator::Octet => a.cmp(b),
        Comparator::AsciiCasemap => {
            let folded = |text: &str| text.bytes().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
            folded(a).cmp(&folded(b))
        }
        Comparator::UnicodeCasemap => casemap(a).cmp(&casemap(b)),
        Comparator::AsciiNumeric => {
            // RFC 4790 §9.1.1: digits at the start; a text without is above all numbers.
            let number = |text: &str| {
                let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
                let digits = text.get(..end).unwrap_or_default();
                let significant = digits.trim_start_matches('0').to_owned();
                (digits.is_empty(), significant.len(), significant)
            };
            number(a).cmp(&number(b))
        }
    }
}

fn holds(relation: Relation, order: Ordering) -> bool {
    match relation {
        Relation::Gt => order.is_gt(),
        Relation::Ge => order.is_ge(),
        Relation::Lt => order.is_lt(),
        Relation::Le => order.is_le(),
        Relation::Eq => order.is_eq(),
        Relation::Ne => order.is_ne(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(value: &str, pattern: &str) -> Option<Vec<String>> {
        let value: Vec<char> = value.chars().collect();
        wildcards(Comparator::AsciiCasemap, &value, &tokens(pattern), &mut 0)
    }

    #[test]
    fn stars_take_as_little_as_they_can() {
        for (value, pattern, wanted) in [
            ("", "", Some(vec![])),
            ("", "*", Some(vec![""])),
            ("abc", "ABC", Some(vec![])),
            ("abcabc", "*c*", Some(vec!["ab", "abc"])),
            ("abcabc", "*c", Some(vec!["abcab"])),
            ("[acme] [fwd] version 1.0", "[*] *", Some(vec!["acme", "[fwd] version 1.0"])),
            ("abc", "a?c", Some(vec!["b"])),
            ("abc", "*?c", Some(vec!["a", "b"])),
            ("aXbXc", "?X*", Some(vec!["a", "bXc"])),
            ("a*c", "a\\*c", Some(vec![])),
            ("abc", "a\\*c", None),
            ("a?c", "a\\?c", Some(vec![])),
            ("a\\", "a\\\\", Some(vec![])),
            ("abc", "ab", None),
            ("ab", "abc", None),
            ("abc", "*x*", None),
            ("üb", "?b", Some(vec!["ü"])),
            ("frop.......frop.........frop....", "?*frop*", Some(vec!["f", "rop.......", ".........frop...."])),
        ] {
            let wanted = wanted.map(|parts| parts.into_iter().map(str::to_owned).collect());
            assert_eq!(parts(value, pattern), wanted, "{value} {pattern}");
        }
    }

    #[test]
    fn a_costly_pattern_ends() {
        let value = "a".repeat(100_000);
        assert_eq!(parts(&value, &format!("{}b", "*a".repeat(500))), None);
    }

    #[test]
    fn comparators() {
        use Comparator::*;
        assert!(equal(AsciiCasemap, "Ab", "aB") && !equal(AsciiCasemap, "Ä", "ä") && !equal(Octet, "a", "A"));
        assert!(equal(UnicodeCasemap, "Ä", "ä"));
        for (a, b, order_of) in [
            ("10", "9", Ordering::Greater),
            ("007", "7", Ordering::Equal),
            ("7x", "7", Ordering::Equal),
            ("x", "99999999999999999999", Ordering::Greater),
            ("x", "y", Ordering::Equal),
            ("100000000000000000000000", "99999999999999999999999", Ordering::Greater),
            ("", "0", Ordering::Greater),
        ] {
            assert_eq!(order(AsciiNumeric, a, b), order_of, "{a} {b}");
        }
    }
}
