//! Address lists read strictly: who is named for certain, or why that cannot be said.
//!
//! For decisions (DMARC, submission), never for display: [`addresses`](super::address_list::addresses) guesses at what
//! was meant, this reader refuses to. It takes the present grammar of RFC 5322 §3.4 with UTF-8 (RFC 6532), groups
//! (RFC 6854), empty list elements, dots and brackets in display names, and local parts with dots in odd places, since
//! no reader takes any of them for another address. Where two readers could find different addresses it says
//! [`Doubt`]. Every octet string is read in one pass, in time linear in its length.

use std::fmt;
use std::ops::Range;

use crate::base::limits::STRICT_ADDRESSES_MAX;
use crate::base::{Address, Domain};

/// Why a field does not name somebody for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// There is no field of this name.
    Missing,
    /// There are several.
    Repeated,
    /// The header does not end within what is looked at.
    HeaderTooLong,
    /// The header begins with a blank: what it continues is not known.
    NoFieldToContinue,
    /// It holds no address.
    Empty,
    /// More than `STRICT_ADDRESSES_MAX` addresses.
    TooManyAddresses,
    /// Addresses at more than `DMARC_FROM_DOMAINS_MAX` domains.
    TooManyDomains,
    /// A control character, a NUL, or a line end that is no folding.
    ControlCharacter,
    /// A quoted string, comment, angle bracket or group that does not end, or an end without a beginning.
    Unbalanced,
    /// A backslash outside quotes and comments.
    StrayBackslash,
    /// Two addresses without a comma, or an address as the display name of another.
    TwoAddresses,
    /// Words where an address must stand.
    NoAddress,
    /// A local part that others read as another address.
    LocalPart,
    /// A domain that is none, or has an empty label.
    Domain,
    /// A group in a group, or an address in a group's name.
    Group,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Doubt::Missing => "the field is missing",
            Doubt::Repeated => "the field stands more than once",
            Doubt::HeaderTooLong => "the header is too long",
            Doubt::NoFieldToContinue => "the header begins with a continuation line",
            Doubt::Empty => "no address",
            Doubt::TooManyAddresses => "too many addresses",
            Doubt::TooManyDomains => "too many domains",
            Doubt::ControlCharacter => "a control character",
            Doubt::Unbalanced => "a quote, bracket, comment or group without its other end",
            Doubt::StrayBackslash => "a backslash outside quotes",
            Doubt::TwoAddresses => "two addresses in place of one",
            Doubt::NoAddress => "words without an address",
            Doubt::LocalPart => "a local part that can be read in two ways",
            Doubt::Domain => "a domain that is none",
            Doubt::Group => "a broken group",
        })
    }
}

/// The addresses of a field's value in order, at least one, or why they are not certain. Folding may be left in.
pub fn mailbox_list(value: &[u8]) -> Result<Vec<Address>, Doubt> {
    let entries = entries(value)?;
    let mut found = Vec::new();
    for entry in entries {
        match entry.named {
            Named::One(address) => found.push(address),
            Named::Two(name, address) => found.extend([name, address]),
            Named::Nobody => return Err(Doubt::NoAddress),
        }
        if found.len() > STRICT_ADDRESSES_MAX {
            return Err(Doubt::TooManyAddresses);
        }
    }
    if found.is_empty() { Err(Doubt::Empty) } else { Ok(found) }
}

/// Where a domain is missing: the ends (in octets of `value`) of elements that are one word and no more. An element of
/// several words and no address is a [`Doubt`], as everything that [`mailbox_list`] doubts.
pub(super) fn unqualified(value: &[u8]) -> Result<Vec<usize>, Doubt> {
    let nameless = |entry: &Entry| matches!(entry.named, Named::Nobody);
    entries(value)?.into_iter().filter(nameless).map(|entry| entry.word_end.ok_or(Doubt::NoAddress)).collect()
}

/// Where domains stand that are not ASCII, and what they are in A-labels; `Err` where the list is not read with
/// certainty or another part of an address is beyond ASCII.
pub(super) fn domains_beyond_ascii(value: &[u8]) -> Result<Vec<(Range<usize>, String)>, Doubt> {
    let mut found = Vec::new();
    let tokens = tokens(value)?;
    mailbox_list(value)?;
    for (place, _) in tokens.iter().enumerate().filter(|(_, token)| token.is(b'@')) {
        let domain = tokens.get(place + 1..).unwrap_or_default();
        let is_part = |t: &&Token| matches!(t.kind, Kind::Atom(_)) || t.is(b'.');
        let domain: Vec<&Token> = domain.iter().take_while(is_part).collect();
        let (Some(first), Some(last)) = (domain.first(), domain.last()) else { continue };
        let range = first.end - first.len()..last.end;
        let text = std::str::from_utf8(value.get(range.clone()).unwrap_or_default()).map_err(|_| Doubt::Domain)?;
        if !text.is_ascii() {
            found.push((range, Domain::parse(text).map_err(|_| Doubt::Domain)?.key()));
        }
    }
    Ok(found)
}

struct Entry {
    named: Named,
    /// Where the only word of an element without an address ends.
    word_end: Option<usize>,
}

enum Named {
    One(Address),
    /// `a@d <b@d>`: the display name is an address itself, of the same domain.
    Two(Address, Address),
    Nobody,
}

fn entries(value: &[u8]) -> Result<Vec<Entry>, Doubt> {
    let tokens = tokens(value)?;
    let mut rest = tokens.as_slice();
    let (mut in_group, mut found) = (false, Vec::new());
    while let Some((first, behind)) = rest.split_first() {
        match first.kind {
            Kind::Special(b',') => rest = behind,
            Kind::Special(b';') if !in_group => return Err(Doubt::Group),
            Kind::Special(b';') => {
                in_group = false;
                rest = behind;
                // A comma, or nothing, comes behind a group.
                if rest.first().is_some_and(|next| !next.is(b',')) {
                    return Err(Doubt::Group);
                }
            }
            _ => {
                let len = rest.iter().position(|t| b",;:<".iter().any(|c| t.is(*c))).unwrap_or(rest.len());
                let (front, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                match behind.split_first() {
                    Some((next, behind)) if next.is(b':') => {
                        if in_group || front.is_empty() || front.iter().any(|t| t.is(b'@') || t.is(b'>')) {
                            return Err(Doubt::Group);
                        }
                        in_group = true;
                        rest = behind;
                    }
                    Some((next, inside)) if next.is(b'<') => {
                        let len = inside.iter().position(|t| t.is(b'>')).ok_or(Doubt::Unbalanced)?;
                        let (address, behind) = inside.split_at_checked(len).unwrap_or((inside, &[]));
                        rest = behind.get(1..).unwrap_or_default();
                        found.push(angled(front, address)?);
                        if rest.first().is_some_and(|next| !next.is(b',') && !next.is(b';')) {
                            return Err(Doubt::TwoAddresses);
                        }
                    }
                    _ => {
                        rest = behind;
                        found.push(bare(front)?);
                    }
                }
            }
        }
    }
    if in_group { Err(Doubt::Unbalanced) } else { Ok(found) }
}

/// `name <address>`
fn angled(name: &[Token], address: &[Token]) -> Result<Entry, Doubt> {
    if name.iter().any(|t| t.is(b'>')) {
        return Err(Doubt::Unbalanced);
    }
    let is_plain = !name.iter().any(|t| t.is(b'@'));
    if is_plain && !address.iter().any(|t| t.is(b'@')) {
        return Ok(Entry { named: Named::Nobody, word_end: word_end(address) });
    }
    let address = addr_spec(address)?;
    if is_plain {
        return Ok(Entry { named: Named::One(address), word_end: None });
    }
    // Software that knows no name writes the address twice. Of one domain, every reading is judged.
    match addr_spec(name) {
        Ok(name) if name.domain().key() == address.domain().key() => {
            Ok(Entry { named: Named::Two(name, address), word_end: None })
        }
        _ => Err(Doubt::TwoAddresses),
    }
}

/// An element without angle brackets.
fn bare(words: &[Token]) -> Result<Entry, Doubt> {
    if words.iter().any(|t| t.is(b'@')) {
        return Ok(Entry { named: Named::One(addr_spec(words)?), word_end: None });
    }
    if words.iter().any(|t| t.is(b'>')) {
        return Err(Doubt::Unbalanced);
    }
    Ok(Entry { named: Named::Nobody, word_end: word_end(words) })
}

/// Where a local part that stands alone ends.
fn word_end(words: &[Token]) -> Option<usize> {
    let is_one_word = matches!(words, [Token { kind: Kind::Quoted(_), .. }]) || joined(words).is_some();
    words.last().filter(|_| is_one_word).map(|t| t.end)
}

/// `addr-spec` of RFC 5322 §3.4.1: nothing but it, no blank and no comment within its parts.
fn addr_spec(tokens: &[Token]) -> Result<Address, Doubt> {
    let at = tokens.iter().position(|t| t.is(b'@')).ok_or(Doubt::NoAddress)?;
    let (local, domain) = tokens.split_at_checked(at).unwrap_or((tokens, &[]));
    let domain = domain.get(1..).unwrap_or_default();
    if domain.iter().any(|t| t.is(b'@')) {
        return Err(Doubt::TwoAddresses);
    }
    let local = match local {
        [Token { kind: Kind::Quoted(text), .. }] => text.clone(),
        _ => joined(local).ok_or(Doubt::LocalPart)?,
    };
    let local = String::from_utf8(local).map_err(|_| Doubt::LocalPart)?;
    // What others decode or fold to an `@`.
    if local.is_empty() || local.contains(['@', '\u{FF20}', '\u{FE6B}']) || local.contains("=?") {
        return Err(Doubt::LocalPart);
    }
    let domain = match domain {
        [Token { kind: Kind::Literal(text), .. }] => text.clone(),
        _ => joined(domain).ok_or(Doubt::Domain)?,
    };
    let domain = String::from_utf8(domain).map_err(|_| Doubt::Domain)?;
    let address = Address::parse(&format!("a@{domain}")).map_err(|_| Doubt::Domain)?;
    // Of what IDNA maps to dots no label may be empty either; a final dot is an empty label.
    if domain.ends_with('.') || Domain::parse(&address.domain().key()).is_err() || address.domain().key().ends_with('.')
    {
        return Err(Doubt::Domain);
    }
    Ok(address.with_local(&local))
}

/// Atoms and dots that stand together; `None` where anything else is among them or between them.
fn joined(tokens: &[Token]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        match &token.kind {
            _ if place > 0 && token.spaced => return None,
            Kind::Atom(atom) => text.extend_from_slice(atom),
            Kind::Special(b'.') => text.push(b'.'),
            _ => return None,
        }
    }
    (!text.is_empty()).then_some(text)
}

// -- tokens ------------------------------------------------------------------------------------------

struct Token {
    kind: Kind,
    /// Whether a blank or a comment stands in front.
    spaced: bool,
    /// Where it ends in the value.
    end: usize,
}

enum Kind {
    Atom(Vec<u8>),
    Quoted(Vec<u8>),
    /// `[...]` behind an `@`.
    Literal(Vec<u8>),
    Special(u8),
}

impl Token {
    fn is(&self, special: u8) -> bool {
        matches!(self.kind, Kind::Special(c) if c == special)
    }

    /// Octets of an atom or special.
    fn len(&self) -> usize {
        match &self.kind {
            Kind::Atom(text) => text.len(),
            _ => 1,
        }
    }
}

fn tokens(value: &[u8]) -> Result<Vec<Token>, Doubt> {
    let mut found: Vec<Token> = Vec::new();
    let mut read = Reader { value, at: 0 };
    loop {
        let spaced = read.blanks()?;
        let Some(c) = read.peek() else { return Ok(found) };
        let is_behind_at = found.last().is_some_and(|t| t.is(b'@'));
        let kind = match c {
            b'"' => Kind::Quoted(read.enclosed(b'"')?),
            b'[' if is_behind_at => Kind::Literal(read.literal()?),
            b'<' | b'>' | b'@' | b',' | b';' | b':' | b'.' => {
                read.at += 1;
                Kind::Special(c)
            }
            b')' => return Err(Doubt::Unbalanced),
            b'\\' => return Err(Doubt::StrayBackslash),
            _ => Kind::Atom(read.atom()?),
        };
        found.push(Token { kind, spaced, end: read.at });
    }
}

struct Reader<'a> {
    value: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    /// Skips blanks, folding and comments; whether there were any.
    fn blanks(&mut self) -> Result<bool, Doubt> {
        let begin = self.at;
        while let Some(c) = self.peek() {
            match c {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' => self.fold()?,
                b'(' => drop(self.enclosed(b')')?),
                _ => break,
            }
        }
        Ok(self.at > begin)
    }

    /// A line end, which a blank or the end of the value must follow.
    fn fold(&mut self) -> Result<(), Doubt> {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let len = if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        if len == 0 || !matches!(rest.get(len), None | Some(b' ' | b'\t')) {
            return Err(Doubt::ControlCharacter);
        }
        self.at += len;
        Ok(())
    }

    /// A quoted string or a comment from its first character to its last: what is inside, folding left out.
    fn enclosed(&mut self, close: u8) -> Result<Vec<u8>, Doubt> {
        let (mut text, mut depth) = (Vec::new(), 1_usize);
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                b'\r' | b'\n' => {
                    self.fold()?;
                    continue;
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(escaped) if !is_control(escaped) || escaped == b'\t' => text.push(escaped),
                        Some(_) => return Err(Doubt::ControlCharacter),
                        None => return Err(Doubt::Unbalanced),
                    }
                }
                c if c == close => {
                    depth -= 1;
                    if depth == 0 {
                        self.at += 1;
                        return Ok(text);
                    }
                }
                b'(' if close == b')' => depth += 1,
                c if is_control(c) && c != b'\t' => return Err(Doubt::ControlCharacter),
                c => text.push(c),
            }
            self.at += 1;
        }
        Err(Doubt::Unbalanced)
    }

    fn literal(&mut self) -> Result<Vec<u8>, Doubt> {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|c| *c == b']').ok_or(Doubt::Domain)? + 1;
        self.at += len;
        Ok(rest.get(..len).unwrap_or_default().to_vec())
    }

    fn atom(&mut self) -> Result<Vec<u8>, Doubt> {
        let rest = self.value.get(self.at..).unwrap_or_default();
        let is_atom = |c: &u8| !is_control(*c) && !b" \"(),.:;<>@\\".contains(c);
        let len = rest.iter().position(|c| !is_atom(c)).unwrap_or(rest.len());
        if len == 0 {
            return Err(Doubt::ControlCharacter);
        }
        self.at += len;
        Ok(rest.get(..len).unwrap_or_default().to_vec())
    }
}

fn is_control(c: u8) -> bool {
    c < b' ' || c == 0x7F
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_lack_a_domain_are_found() {
        for (value, ends) in [
            (" bob", Ok(vec![4])),
            (" a@b, Bob <c@d>, carl (x) , \"d e\"", Ok(vec![21, 33])),
            ("j.doe", Ok(vec![5])),
            ("a@b", Ok(vec![])),
            ("g:;", Ok(vec![])),
            ("Two Words", Err(Doubt::NoAddress)),
            ("(open", Err(Doubt::Unbalanced)),
            ("Bob <bob>", Ok(vec![8])),
            ("Bob <two words>", Err(Doubt::NoAddress)),
            ("Bob <>", Err(Doubt::NoAddress)),
        ] {
            assert_eq!(unqualified(value.as_bytes()), ends, "{value}");
        }
    }

    #[test]
    fn the_number_of_addresses_is_bounded() {
        let list = |n: usize| vec!["a@b.test"; n].join(",");
        assert_eq!(mailbox_list(list(STRICT_ADDRESSES_MAX).as_bytes()).unwrap().len(), STRICT_ADDRESSES_MAX);
        assert_eq!(mailbox_list(list(STRICT_ADDRESSES_MAX + 1).as_bytes()), Err(Doubt::TooManyAddresses));
    }
}
