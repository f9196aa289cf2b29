//! The sender rewriting scheme: mail that is sent on gets a reverse-path in the domain that sends it on, so that SPF of
//! the next host does not fail; what comes back to that address goes to the first sender.
//!
//! `SRS0=hash=day=domain=local@ours`; of an address that was rewritten elsewhere `SRS1=hash=first=rest@ours`, where
//! what comes back goes to the first host that rewrote it. The hash proves that the address was made here: without
//! it anybody could relay. Case does not count in what it covers: hosts on the way may change it.

use crate::base::limits::SRS_DAYS;
use crate::base::{Address, Domain, Timestamp};
use crate::sasl::credential::{hmac_sha_256, same};

/// Letters of the hash: 30 bits.
const HASH_LETTERS: usize = 6;
/// Days are counted modulo this: two letters.
const DAYS: i64 = 1_024;
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DAY_MILLISECONDS: i64 = 86_400_000;

/// The reverse-path of mail that a domain sends on. `None` where it would be too long for a local part (RFC 5321
/// §4.5.3.1.1): it stays as it is then.
pub fn forward(key: &[u8], now: Timestamp, reverse_path: &Address, ours: &Domain) -> Option<Address> {
    let local = reverse_path.local();
    let domain = reverse_path.domain().key();
    let name = if let Some(rest) = strip(local, "SRS0") {
        let hash = hash(key, &["1", &domain, rest]);
        format!("SRS1={hash}={domain}={rest}")
    } else if let Some((first, rest)) =
        strip(local, "SRS1=").and_then(without_hash).and_then(|text| text.split_once('='))
    {
        let hash = hash(key, &["1", first, rest]);
        format!("SRS1={hash}={first}={rest}")
    } else {
        let day = letters(now.0.div_euclid(DAY_MILLISECONDS).rem_euclid(DAYS));
        let hash = hash(key, &["0", &day, &domain, local]);
        format!("SRS0={hash}={day}={domain}={local}")
    };
    let with_name = Address::parse(&format!("x@{ours}")).ok()?.with_local(&name);
    // What is too long does not come back.
    Address::parse(&with_name.to_string()).ok()
}

/// Where mail for such an address goes; `None` where it was not made with this key, or its time is over.
pub fn back(key: &[u8], now: Timestamp, address: &Address) -> Option<Address> {
    let local = address.local();
    if let Some(text) = strip(local, "SRS1=") {
        let (given, text) = text.split_once('=')?;
        let (first, rest) = text.split_once('=')?;
        proves(key, given, &["1", first, rest]).then_some(())?;
        return named(&format!("SRS0{rest}"), first);
    }
    let (given, text) = strip(local, "SRS0=")?.split_once('=')?;
    let (day, text) = text.split_once('=')?;
    let (domain, name) = text.split_once('=')?;
    proves(key, given, &["0", day, domain, name]).then_some(())?;
    let today = now.0.div_euclid(DAY_MILLISECONDS);
    let age = (today - number(day)?).rem_euclid(DAYS);
    (age <= SRS_DAYS).then_some(())?;
    named(name, domain)
}

/// Whether an address has the form of one that was rewritten.
pub fn is_rewritten(address: &Address) -> bool {
    ["SRS0=", "SRS1="].iter().any(|tag| strip(address.local(), tag).is_some())
}

fn named(local: &str, domain: &str) -> Option<Address> {
    let address = Address::parse(&format!("x@{domain}")).ok()?.with_local(local);
    Address::parse(&address.to_string()).ok()
}

fn strip<'a>(text: &'a str, tag: &str) -> Option<&'a str> {
    let (front, rest) = text.split_at_checked(tag.len())?;
    (front.eq_ignore_ascii_case(tag) && rest.contains('=')).then_some(rest)
}

fn without_hash(text: &str) -> Option<&str> {
    text.split_once('=').map(|(_, rest)| rest)
}

fn hash(key: &[u8], parts: &[&str]) -> String {
    let covered = parts.join("=").to_lowercase();
    let hashed = hmac_sha_256(key, &[covered.as_bytes()]);
    let bits = hashed.iter().take(5).fold(0_u64, |bits, octet| bits << 8 | u64::from(*octet));
    (0..HASH_LETTERS).map(|place| letter(bits >> (5 * place))).collect()
}

fn proves(key: &[u8], given: &str, parts: &[&str]) -> bool {
    same(given.to_ascii_uppercase().as_bytes(), hash(key, parts).as_bytes())
}

fn letter(bits: u64) -> char {
    LETTERS.get((bits & 31) as usize).map_or('A', |letter| char::from(*letter))
}

fn letters(day: i64) -> String {
    let day = day.unsigned_abs();
    [letter(day >> 5), letter(day)].iter().collect()
}

fn number(text: &str) -> Option<i64> {
    let value = |c: char| LETTERS.iter().position(|letter| *letter == c.to_ascii_uppercase() as u8 && c.is_ascii());
    let digits: Option<Vec<usize>> = text.chars().map(value).collect();
    match digits?.as_slice() {
        [high, low] => i64::try_from(high * 32 + low).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SRS_KEY_OCTETS as KEY_OCTETS;

    const KEY: [u8; KEY_OCTETS] = [7; KEY_OCTETS];

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn day(n: i64) -> Timestamp {
        Timestamp(n * DAY_MILLISECONDS + 5)
    }

    #[test]
    fn what_comes_back_goes_to_the_first_sender() {
        let ours = Domain::parse("ours.example").unwrap();
        for sender in ["bob@far.example", "a=b=c@far.example", "\"a b\"@far.example", "B\u{fc}b@far.example"] {
            let rewritten = forward(&KEY, day(20_000), &address(sender), &ours).unwrap();
            assert!(is_rewritten(&rewritten) && rewritten.domain().key() == "ours.example", "{rewritten}");
            assert_eq!(back(&KEY, day(20_021), &rewritten).unwrap().to_string(), sender);
            assert_eq!(back(&KEY, day(20_022), &rewritten), None);
            assert_eq!(back(&[8; KEY_OCTETS], day(20_000), &rewritten), None);
            // Hosts on the way may change the case of letters.
            let lower = rewritten.with_local(&rewritten.local().to_lowercase());
            assert_eq!(back(&KEY, day(20_000), &lower).unwrap().key(), address(sender).key());
        }
        assert_eq!(forward(&KEY, day(1), &address(&format!("{}@far.example", "a".repeat(60))), &ours), None);
    }

    #[test]
    fn three_hosts_keep_the_first_two() {
        let [one, two, three] =
            ["one.example", "two.example", "three.example"].map(|name| Domain::parse(name).unwrap());
        let first = forward(&KEY, day(9), &address("b@a.example"), &one).unwrap();
        let second = forward(&[2; KEY_OCTETS], day(9), &first, &two).unwrap();
        assert!(second.local().starts_with("SRS1=") && second.local().contains("=one.example=="), "{second}");
        let third = forward(&[3; KEY_OCTETS], day(9), &second, &three).unwrap();
        assert_eq!(third.local().matches("example").count(), 2, "{third}");
        assert_eq!(back(&[3; KEY_OCTETS], day(9), &third), Some(first.clone()));
        assert_eq!(back(&[2; KEY_OCTETS], day(9), &second), Some(first.clone()));
        assert_eq!(back(&KEY, day(9), &first), Some(address("b@a.example")));
    }

    #[test]
    fn nobody_else_can_make_one() {
        for text in [
            "SRS0=AAAAAA=AA=far.example=bob@ours.example",
            "SRS0==AA=far.example=bob@ours.example",
            "SRS0=far.example@ours.example",
            "SRS0=@ours.example",
            "SRS1=AAAAAA=one.example==AAAAAA=AA=far.example=bob@ours.example",
            "SRS1=A=B@ours.example",
            "bob@ours.example",
        ] {
            assert_eq!(back(&KEY, day(0), &address(text)), None, "{text}");
        }
        let ours = Domain::parse("ours.example").unwrap();
        let good = forward(&KEY, day(3), &address("bob@far.example"), &ours).unwrap();
        for (old, new) in [("bob", "eve"), ("far.", "fat."), ("SRS0", "SRS1")] {
            let forged = good.with_local(&good.local().replace(old, new));
            assert_eq!(back(&KEY, day(3), &forged), None, "{forged}");
        }
    }
}
