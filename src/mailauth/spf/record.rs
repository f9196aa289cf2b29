//! The SPF record (RFC 7208 §12): text into terms. One error anywhere makes the whole record a permerror, so it is
//! parsed whole before anything is asked.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::SpfResult;
use super::macros::{MacroString, Use};

/// A record.
#[derive(Debug, Default)]
pub(super) struct SpfRecord {
    pub(super) directives: Vec<Directive>,
    pub(super) redirect: Option<MacroString>,
    pub(super) explanation: Option<MacroString>,
}

/// A mechanism and what its match means.
#[derive(Debug)]
pub(super) struct Directive {
    pub(super) result: SpfResult,
    pub(super) mechanism: Mechanism,
    /// As it was written.
    pub(super) text: String,
}

/// Prefix lengths for both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefixes {
    pub(super) v4: u8,
    pub(super) v6: u8,
}

#[derive(Debug)]
pub(super) enum Mechanism {
    All,
    Include(MacroString),
    A(Option<MacroString>, Prefixes),
    Mx(Option<MacroString>, Prefixes),
    Ptr(Option<MacroString>),
    Ip(IpNet),
    Exists(MacroString),
}

/// Whether a TXT record is an SPF record: `v=spf1` and then a space or nothing.
pub(super) fn is_spf(txt: &[u8]) -> bool {
    match txt.split_at_checked(6) {
        Some((version, rest)) => version.eq_ignore_ascii_case(b"v=spf1") && rest.first().is_none_or(|c| *c == b' '),
        None => false,
    }
}

/// Parses a record, version included; the error names the term that is wrong.
pub(super) fn parse(txt: &[u8]) -> Result<SpfRecord, String> {
    let text = std::str::from_utf8(txt).ok().filter(|t| t.is_ascii()).ok_or("record is not ASCII")?;
    let mut record = SpfRecord::default();
    for term in text.split(' ').skip(1).filter(|t| !t.is_empty()) {
        parse_term(&mut record, term).ok_or_else(|| format!("term {term:?} is wrong"))?;
    }
    Ok(record)
}

fn parse_term(record: &mut SpfRecord, term: &str) -> Option<()> {
    let name_end = term.find([':', '/', '=']).unwrap_or(term.len());
    let (name, rest) = term.split_at_checked(name_end)?;
    if let Some(value) = rest.strip_prefix('=') {
        return parse_modifier(record, name, value);
    }
    let (result, name) = match name.split_at_checked(1)? {
        ("+", name) => (SpfResult::Pass, name),
        ("-", name) => (SpfResult::Fail, name),
        ("~", name) => (SpfResult::SoftFail, name),
        ("?", name) => (SpfResult::Neutral, name),
        _ => (SpfResult::Pass, name),
    };
    let mechanism = parse_mechanism(&name.to_ascii_lowercase(), rest)?;
    record.directives.push(Directive { result, mechanism, text: term.to_owned() });
    Some(())
}

fn parse_modifier(record: &mut SpfRecord, name: &str, value: &str) -> Option<()> {
    let mut chars = name.chars();
    let named = chars.next()?.is_ascii_alphabetic() && chars.all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    named.then_some(())?;
    let slot = match name.to_ascii_lowercase().as_str() {
        "redirect" => &mut record.redirect,
        "exp" => &mut record.explanation,
        // Unknown modifiers are for others, but must be well-formed (RFC 7208 §6).
        _ => return MacroString::parse(value, Use::Text).map(drop),
    };
    let domain = MacroString::parse(value, Use::Domain)?;
    slot.replace(domain).is_none().then_some(())
}

fn parse_mechanism(name: &str, rest: &str) -> Option<Mechanism> {
    // A colon, then something; nothing else is put behind the name but prefix lengths.
    let domain_of = |rest: &str| rest.strip_prefix(':').and_then(|d| MacroString::parse(d, Use::Domain));
    Some(match name {
        "all" => rest.is_empty().then_some(Mechanism::All)?,
        "include" => Mechanism::Include(domain_of(rest)?),
        "exists" => Mechanism::Exists(domain_of(rest)?),
        "ptr" if rest.is_empty() => Mechanism::Ptr(None),
        "ptr" => Mechanism::Ptr(Some(domain_of(rest)?)),
        "a" | "mx" => {
            let (domain, prefixes) = split_prefixes(rest)?;
            let domain = if domain.is_empty() { None } else { Some(domain_of(domain)?) };
            if name == "a" { Mechanism::A(domain, prefixes) } else { Mechanism::Mx(domain, prefixes) }
        }
        "ip4" => {
            let (ip, prefix) = network(rest, 32)?;
            Mechanism::Ip(Ipv4Net::new(ip.parse().ok()?, prefix).ok()?.into())
        }
        "ip6" => {
            let (ip, prefix) = network(rest, 128)?;
            Mechanism::Ip(Ipv6Net::new(ip.parse().ok()?, prefix).ok()?.into())
        }
        _ => return None,
    })
}

/// `:address[/prefix]`
fn network(rest: &str, bits: u8) -> Option<(&str, u8)> {
    let rest = rest.strip_prefix(':')?;
    match rest.split_once('/') {
        None => Some((rest, bits)),
        Some((ip, prefix)) => Some((ip, prefix_length(prefix, bits)?)),
    }
}

/// Takes `[/prefix][//prefix6]` off the end (RFC 7208 §5.3); a slash before anything else but digits belongs to the
/// name.
fn split_prefixes(rest: &str) -> Option<(&str, Prefixes)> {
    let name_end = rest.trim_end_matches(|c: char| c.is_ascii_digit() || c == '/').len();
    let slash = rest.get(name_end..)?.find('/').map(|at| name_end + at);
    let (domain, text) = rest.split_at_checked(slash.unwrap_or(rest.len()))?;
    let mut prefixes = Prefixes { v4: 32, v6: 128 };
    let (v4, v6) = match text.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (text, None),
    };
    if !v4.is_empty() {
        prefixes.v4 = prefix_length(v4.strip_prefix('/')?, 32)?;
    }
    if let Some(v6) = v6 {
        prefixes.v6 = prefix_length(v6, 128)?;
    }
    Some((domain, prefixes))
}

/// `"0" / %x31-39 *DIGIT` up to `bits`.
fn prefix_length(text: &str, bits: u8) -> Option<u8> {
    let digits = text.bytes().all(|c| c.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if digits { text.parse().ok().filter(|n| *n <= bits) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_and_bad_records() {
        for (text, good) in [
            ("v=spf1", true),
            ("v=spf1 a -all", true),
            ("v=spf1 +a/24//64 mx:x.org//96 ?ptr:%{d} ~ip4:1.2.3.0/24 ip6:::1/0 exists:%{ir}.x.org all", true),
            ("v=spf1 redirect=a.b exp=c.d moo.cow-far_out=man:dog/cat", true),
            ("v=spf1 redirect=a.b redirect=a.b", false),
            ("v=spf1 a:x.org/033", false),
            ("v=spf1 a:", false),
            ("v=spf1 all:x", false),
            ("v=spf1 ip4:1.2.3", false),
            ("v=spf1 ip4:1.2.3.4/33", false),
            ("v=spf1 include", false),
            ("v=spf1 ptr:", false),
            ("v=spf1 moo", false),
            ("v=spf1 =x", false),
            ("v=spf1 default=%", false),
            ("v=spf1 a:museum", false),
            ("v=spf1 a:museum.", false),
            ("v=spf1 a:111.222.33.44", false),
            ("v=spf1 a:x.%{d}", true),
            ("v=spf1 a:%{d}%-", true),
            ("v=spf1 a:%_ mx:a%%/24", true),
            ("v=spf1 a:%%b", false),
            ("v=spf1 -exists:%(ir).x.org", false),
        ] {
            assert_eq!(parse(text.as_bytes()).is_ok(), good, "{text}");
        }
    }
}
