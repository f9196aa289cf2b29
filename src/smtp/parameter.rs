//! Parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), AUTH (RFC 4954),
//! RET, ENVID, NOTIFY and ORCPT (RFC 3461), those of `base::terms`, and the xtext they are written in. A parameter
//! whose extension is not announced is not known (RFC 5321 §4.1.1.11).

use super::command::{shown, syntax};
use super::extension::Extensions;
use super::extension::table::{self, Extension};
use crate::base::envelope::{BodyKind, Notify, Returns};
use crate::base::limits::{DSN_ENVELOPE_ID_OCTETS_MAX, DSN_ORIGINAL_RECIPIENT_OCTETS_MAX};
use crate::base::terms::{self, DeliverBy, Terms, TlsTerm, When};
use crate::base::time::Timestamp;
use crate::base::{Reply, xtext};

/// What MAIL said beside the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailParameters {
    /// SIZE
    pub size: Option<u64>,
    /// BODY
    pub body: Option<BodyKind>,
    /// SMTPUTF8
    pub smtputf8: bool,
    /// RET
    pub returns: Option<Returns>,
    /// ENVID, decoded.
    pub envelope_id: Option<String>,
    /// Whether AUTH was there. Its value is read and dropped: nobody here vouches for anybody else (RFC 4954 §5).
    pub auth: bool,
    /// What else is asked for.
    pub terms: Terms,
}

/// What RCPT said beside the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RcptParameters {
    /// NOTIFY
    pub notify: Option<Notify>,
    /// ORCPT, `type;address` with the address decoded.
    pub original: Option<String>,
}

/// Reads the parameters of MAIL, of the extensions that are `offered`.
pub fn mail(text: &str, offered: &Extensions) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    for (name, value) in split(text)? {
        known(name, table::of_mail(name), offered)?;
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => once("SIZE=number", &mut parameters.size, value.and_then(number))?,
            "BODY" => once("BODY=7BIT, 8BITMIME or BINARYMIME", &mut parameters.body, value.and_then(body))?,
            "RET" => once("RET=FULL or HDRS", &mut parameters.returns, value.and_then(returns))?,
            "ENVID" => once("ENVID=xtext", &mut parameters.envelope_id, value.and_then(envelope_id))?,
            "SMTPUTF8" if value.is_none() && !parameters.smtputf8 => parameters.smtputf8 = true,
            "AUTH" if value.and_then(xtext::decode).is_some() && !parameters.auth => parameters.auth = true,
            "SMTPUTF8" => return Err(bad_value("SMTPUTF8 without a value")),
            "AUTH" => return Err(bad_value("AUTH=xtext")),
            other => term(other, value, &mut parameters.terms, offered)?,
        }
    }
    Ok(parameters)
}

/// Reads one parameter that is about the message's way.
fn term(name: &str, value: Option<&str>, terms: &mut Terms, offered: &Extensions) -> Result<(), Reply> {
    match name {
        "REQUIRETLS" if value.is_none() && terms.tls == TlsTerm::Usual => terms.tls = TlsTerm::Required,
        "REQUIRETLS" => return Err(bad_value("REQUIRETLS without a value")),
        "HOLDFOR" => {
            let form = "HOLDFOR=seconds within what FUTURERELEASE says";
            once(form, &mut terms.hold, value.and_then(|value| hold_for(value, offered)))?;
        }
        "HOLDUNTIL" => {
            let form = "HOLDUNTIL=date-time within what FUTURERELEASE says";
            once(form, &mut terms.hold, value.and_then(|value| hold_until(value, offered)))?;
        }
        "BY" => {
            let by = value.and_then(DeliverBy::parse);
            // What is late before it begins cannot be returned in time (RFC 2852 §4).
            let by = by.filter(|by| !by.returns || by.when.seconds_from(Timestamp(0)) > 0);
            once("BY=seconds;R or N, above 0 with R", &mut terms.deliver_by, by)?;
        }
        "MT-PRIORITY" => once("MT-PRIORITY=-9 to 9", &mut terms.priority, value.and_then(terms::priority))?,
        "SOLICIT" => once("SOLICIT=classes", &mut terms.solicit, value.and_then(terms::solicit))?,
        other => return Err(unknown(other)),
    }
    Ok(())
}

fn hold_for(value: &str, offered: &Extensions) -> Option<When> {
    let (most, _) = offered.future_release?;
    let seconds = number(value).filter(|seconds| (1..=most).contains(seconds))?;
    i64::try_from(seconds).ok().map(When::In)
}

fn hold_until(value: &str, offered: &Extensions) -> Option<When> {
    let (_, latest) = offered.future_release?;
    Timestamp::of_internet(value).filter(|at| *at <= latest).map(When::At)
}

/// 555 for a parameter that no row has, or the row of an extension that is not announced.
fn known(name: &str, row: Option<&Extension>, offered: &Extensions) -> Result<(), Reply> {
    match row {
        Some(row) if offered.has(row) => Ok(()),
        // AUTH=<> may be said wherever it is (RFC 4954 §5).
        Some(row) if row.keyword == "AUTH" => Ok(()),
        _ => Err(unknown(name)),
    }
}

/// Reads the parameters of RCPT, of the extensions that are `offered`.
pub fn rcpt(text: &str, offered: &Extensions) -> Result<RcptParameters, Reply> {
    let mut parameters = RcptParameters::default();
    for (name, value) in split(text)? {
        known(name, table::of_rcpt(name), offered)?;
        match name.to_ascii_uppercase().as_str() {
            "NOTIFY" => once("NOTIFY=NEVER or SUCCESS,FAILURE,DELAY", &mut parameters.notify, value.and_then(notify))?,
            "ORCPT" => once("ORCPT=type;xtext", &mut parameters.original, value.and_then(original))?,
            _ => return Err(unknown(name)),
        }
    }
    Ok(parameters)
}

/// `esmtp-keyword ["=" esmtp-value]`, separated by spaces.
fn split(text: &str) -> Result<Vec<(&str, Option<&str>)>, Reply> {
    text.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| {
            let (name, value) = word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
            let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
            if is_name && value != Some("") { Ok((name, value)) } else { Err(malformed(word)) }
        })
        .collect()
}

fn once<T>(form: &str, place: &mut Option<T>, value: Option<T>) -> Result<(), Reply> {
    if place.is_some() || value.is_none() {
        return Err(bad_value(form));
    }
    *place = value;
    Ok(())
}

/// `form` is how the parameter is written.
fn bad_value(form: &str) -> Reply {
    syntax(&format!("Bad or repeated parameter, want {form} once"))
}

fn malformed(word: &str) -> Reply {
    syntax(&format!("Malformed parameter {}", shown(word)))
}

fn unknown(name: &str) -> Reply {
    Reply::new(555, 5, 4, format!("Unknown parameter {}", shown(name)))
}

/// 1 to 20 digits (RFC 1870 §5). Numbers that no type holds are as good as the largest.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn body(value: &str) -> Option<BodyKind> {
    [("7BIT", BodyKind::SevenBit), ("8BITMIME", BodyKind::EightBit), ("BINARYMIME", BodyKind::Binary)]
        .into_iter()
        .find_map(|(name, kind)| value.eq_ignore_ascii_case(name).then_some(kind))
}

fn returns(value: &str) -> Option<Returns> {
    [("FULL", Returns::Full), ("HDRS", Returns::Headers)]
        .into_iter()
        .find_map(|(name, what)| value.eq_ignore_ascii_case(name).then_some(what))
}

/// RFC 3461 §4.4: at most 100 characters, printable once decoded.
fn envelope_id(value: &str) -> Option<String> {
    let short = value.len() <= DSN_ENVELOPE_ID_OCTETS_MAX;
    xtext::decode(value).filter(|id| short && id.bytes().all(|c| (b' '..=b'~').contains(&c)))
}

/// RFC 3461 §4.1: NEVER alone, or some of the others.
fn notify(value: &str) -> Option<Notify> {
    if value.eq_ignore_ascii_case("NEVER") {
        return Some(Notify::NEVER);
    }
    let mut notify = Notify { success: false, failure: false, delay: false, explicit: true };
    for word in value.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "SUCCESS" => notify.success = true,
            "FAILURE" => notify.failure = true,
            "DELAY" => notify.delay = true,
            _ => return None,
        }
    }
    Some(notify)
}

/// RFC 3461 §4.2, RFC 6533 §3: `addr-type ";" xtext`, at most 500 characters.
fn original(value: &str) -> Option<String> {
    let (kind, address) = value.split_once(';')?;
    let is_atom = !kind.is_empty() && kind.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    if !is_atom || value.len() > DSN_ORIGINAL_RECIPIENT_OCTETS_MAX {
        return None;
    }
    let address = if kind.eq_ignore_ascii_case("utf-8") { unitext(address)? } else { xtext::decode(address)? };
    (!address.is_empty() && !address.contains(char::is_control)).then(|| format!("{kind};{address}"))
}

/// `utf-8-addr-xtext` or `utf-8-addr-unitext` (RFC 6533 §3): UTF-8, or `\x{HEX}` for what ASCII has not.
fn unitext(value: &str) -> Option<String> {
    let value = if value.is_ascii() { xtext::decode(value)? } else { value.to_owned() };
    let (text, is_right) = xtext::unescape(&value);
    is_right.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::extension::table::Offer;

    fn offered() -> Extensions {
        let hold = Some((60, Timestamp::from_civil(2026, 11, 22, 0, 0, 0)));
        let offer = Offer { tls: true, submission: true, hold, no_soliciting: Some(""), ..Offer::default() };
        Extensions::offered(&offer)
    }

    fn mail(text: &str) -> Result<MailParameters, Reply> {
        super::mail(text, &offered())
    }

    fn rcpt(text: &str) -> Result<RcptParameters, Reply> {
        super::rcpt(text, &offered())
    }

    #[test]
    fn terms_of_the_way() {
        let read = |text: &str| mail(text).map(|parameters| parameters.terms).map_err(|reply| reply.code);
        let terms = read("REQUIRETLS by=120;rt MT-PRIORITY=-4 HOLDFOR=60 SOLICIT=Org.Example:ADV").unwrap();
        let deliver_by = Some(DeliverBy { when: When::In(120), returns: true, trace: true });
        let solicit = Some("org.example:adv".to_owned());
        let hold = Some(When::In(60));
        assert_eq!(terms, Terms { tls: TlsTerm::Required, hold, deliver_by, priority: Some(-4), solicit });
        let until = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
        assert_eq!(read("HOLDUNTIL=2026-11-22T00:00:00Z").unwrap().hold, Some(When::At(until)));
        for bad in [
            "REQUIRETLS=1",
            "REQUIRETLS REQUIRETLS",
            "HOLDFOR=0",
            "HOLDFOR=61",
            "HOLDFOR=x",
            "HOLDUNTIL=2026-11-22T00:00:01Z",
            "HOLDFOR=5 HOLDUNTIL=2026-11-21T00:00:00Z",
            "BY=0;R",
            "BY=-1;R",
            "BY=5;X",
            "BY=1;R BY=1;R",
            "MT-PRIORITY=10",
            "MT-PRIORITY",
            "SOLICIT=a,,b",
        ] {
            assert_eq!(read(bad), Err(501), "{bad}");
        }
        assert!(read("BY=-1;N").is_ok());
    }

    #[test]
    fn parameters_of_what_is_not_announced_are_unknown() {
        let bare = Extensions::offered(&Offer { lmtp: true, ..Offer::default() });
        for text in ["REQUIRETLS", "HOLDFOR=5", "BY=5;R", "MT-PRIORITY=1", "SOLICIT=a"] {
            assert_eq!(super::mail(text, &bare).unwrap_err().code, 555, "{text}");
        }
        assert_eq!(super::rcpt("NOTIFY=NEVER", &Extensions::default()).unwrap_err().code, 555);
    }

    #[test]
    fn mail_parameters() {
        let all = mail(" SIZE=1000 body=8bitmime SMTPUTF8 RET=HDRS ENVID=QQ+2B1+20 AUTH=<>").unwrap();
        let expected = MailParameters {
            size: Some(1000),
            body: Some(BodyKind::EightBit),
            smtputf8: true,
            returns: Some(Returns::Headers),
            envelope_id: Some("QQ+1 ".to_owned()),
            auth: true,
            terms: Terms::default(),
        };
        assert_eq!(all, expected);
        assert_eq!(mail("").unwrap(), MailParameters::default());
        assert_eq!(mail("SIZE=99999999999999999999").unwrap().size, Some(u64::MAX));
        for (bad, code) in [
            ("SIZE", 501),
            ("SIZE=", 501),
            ("SIZE=x", 501),
            ("SIZE=1 SIZE=1", 501),
            ("SIZE=999999999999999999999", 501),
            ("BODY=9BIT", 501),
            ("SMTPUTF8=1", 501),
            ("SMTPUTF8 SMTPUTF8", 501),
            ("RET=SOME", 501),
            ("ENVID=+0A", 501),
            ("ENVID=a=b", 501),
            ("AUTH", 501),
            ("=x", 501),
            ("S!ZE=1", 501),
            ("NOTIFY=NEVER", 555),
            ("XFOO=3", 555),
        ] {
            assert_eq!(mail(bad).unwrap_err().code, code, "{bad}");
        }
    }

    #[test]
    fn rcpt_parameters() {
        let notify = |text: &str| rcpt(&format!("NOTIFY={text}")).map(|p| p.notify.unwrap()).map_err(|r| r.code);
        assert_eq!(notify("NEVER"), Ok(Notify::NEVER));
        let some = Notify { success: true, failure: false, delay: true, explicit: true };
        assert_eq!(notify("success,DELAY"), Ok(some));
        for bad in ["", "NEVER,SUCCESS", "SUCCESS,", "SOMETIMES"] {
            assert_eq!(notify(bad), Err(501), "{bad}");
        }
        let original = |text: &str| rcpt(&format!("ORCPT={text}")).map(|p| p.original.unwrap()).map_err(|r| r.code);
        assert_eq!(original("rfc822;a+2Bb@x.org"), Ok("rfc822;a+b@x.org".to_owned()));
        assert_eq!(original("utf-8;j\\x{FC}rgen@x.org"), Ok("utf-8;jürgen@x.org".to_owned()));
        assert_eq!(original("utf-8;jürgen@x.org"), Ok("utf-8;jürgen@x.org".to_owned()));
        for bad in
            ["a@x.org", ";a@x", "rfc822;", "rfc822;a b", "rfc822;a+0D", "rfc822;+", "utf-8;\\x{D800}", "utf-8;\\x{"]
        {
            assert_eq!(original(bad), Err(if bad.contains(' ') { 555 } else { 501 }), "{bad}");
        }
    }

    #[test]
    fn lengths_at_the_limit() {
        for (n, fits) in [(-1, true), (0, true), (1, false)] {
            let id = "i".repeat(DSN_ENVELOPE_ID_OCTETS_MAX.checked_add_signed(n).unwrap());
            assert_eq!(mail(&format!("ENVID={id}")).is_ok(), fits);
            let address = "i".repeat(DSN_ORIGINAL_RECIPIENT_OCTETS_MAX.checked_add_signed(n).unwrap() - 7);
            assert_eq!(rcpt(&format!("ORCPT=rfc822;{address}")).is_ok(), fits);
        }
    }
}
