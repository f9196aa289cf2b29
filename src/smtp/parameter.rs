//! Parameters of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531), AUTH (RFC 4954),
//! RET, ENVID, NOTIFY and ORCPT (RFC 3461), and the xtext they are written in.

use super::command::{shown, syntax};
use crate::base::envelope::{BodyKind, Notify, Returns};
use crate::base::limits::{DSN_ENVELOPE_ID_OCTETS_MAX, DSN_ORIGINAL_RECIPIENT_OCTETS_MAX};
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
}

/// What RCPT said beside the path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RcptParameters {
    /// NOTIFY
    pub notify: Option<Notify>,
    /// ORCPT, `type;address` with the address decoded.
    pub original: Option<String>,
}

/// Reads the parameters of MAIL.
pub fn mail(text: &str) -> Result<MailParameters, Reply> {
    let mut parameters = MailParameters::default();
    for (name, value) in split(text)? {
        match name.to_ascii_uppercase().as_str() {
            "SIZE" => once("SIZE=number", &mut parameters.size, value.and_then(number))?,
            "BODY" => once("BODY=7BIT, 8BITMIME or BINARYMIME", &mut parameters.body, value.and_then(body))?,
            "RET" => once("RET=FULL or HDRS", &mut parameters.returns, value.and_then(returns))?,
            "ENVID" => once("ENVID=xtext", &mut parameters.envelope_id, value.and_then(envelope_id))?,
            "SMTPUTF8" if value.is_none() && !parameters.smtputf8 => parameters.smtputf8 = true,
            "AUTH" if value.and_then(xtext::decode).is_some() && !parameters.auth => parameters.auth = true,
            "SMTPUTF8" => return Err(bad_value("SMTPUTF8 without a value")),
            "AUTH" => return Err(bad_value("AUTH=xtext")),
            _ => return Err(unknown(name)),
        }
    }
    Ok(parameters)
}

/// Reads the parameters of RCPT.
pub fn rcpt(text: &str) -> Result<RcptParameters, Reply> {
    let mut parameters = RcptParameters::default();
    for (name, value) in split(text)? {
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
            ("MT-PRIORITY=3", 555),
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
