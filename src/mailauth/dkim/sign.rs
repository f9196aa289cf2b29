//! Signs a message: the body in pieces, then the header; out comes the field to put in front.

use super::super::tags::a_labels;
use super::covered::canonical_field;
use super::{BodyCanon, Canonicalization, SigningKey};
use crate::base::address::is_at_or_below;
use crate::base::{Error, ErrorKind, Result, Timestamp, base64};
use crate::message::header::{self, Field};

/// Fields worth signing (RFC 6376 §5.4.1), and whether one more of them than there is is signed, so that none can be
/// added (oversigning).
pub(crate) const SIGNED: &[(&str, bool)] = &[
    ("From", true),
    ("Sender", false),
    ("Reply-To", true),
    ("Subject", true),
    ("Date", true),
    ("Message-ID", true),
    ("To", true),
    ("Cc", true),
    ("In-Reply-To", false),
    ("References", false),
    ("MIME-Version", true),
    ("Content-Type", true),
    ("Content-Transfer-Encoding", true),
    ("Content-Disposition", false),
    ("List-Id", false),
    ("List-Unsubscribe", false),
    ("List-Unsubscribe-Post", false),
    ("Autocrypt", false),
];

/// Fields of one name that are signed where the name is not oversigned.
const SIGNED_OF_NAME_MAX: usize = 20;

/// Who signs, and how.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Signing domain.
    pub domain: String,
    /// Selector: the key's name in DNS.
    pub selector: String,
    /// The key.
    pub key: SigningKey,
    /// Of the header.
    pub header: Canonicalization,
    /// Of the body.
    pub body: Canonicalization,
    /// For whom it is signed (`i=`): `[local]@domain`, the domain being the signing one or below it.
    pub identity: Option<String>,
    /// Names of the fields to sign, all there are of each; a name given twice is oversigned. The usual ones, where it
    /// is not given.
    pub fields: Option<Vec<String>>,
}

impl Signer {
    /// A signer in the usual form, relaxed/relaxed.
    pub fn new(domain: impl Into<String>, selector: impl Into<String>, key: SigningKey) -> Signer {
        let (header, body) = (Canonicalization::Relaxed, Canonicalization::Relaxed);
        let (domain, selector) = (domain.into(), selector.into());
        Signer { domain, selector, key, header, body, identity: None, fields: None }
    }

    /// Whether its names can stand in a signature: `Invalid` says which cannot.
    pub fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::new(ErrorKind::Invalid, what));
        let is_name = |text: &str| text.is_ascii() && a_labels(text).is_some();
        if !is_name(&self.domain) {
            return invalid(format!("domain {:?} is no name in DNS", self.domain));
        }
        if !is_name(&self.selector) {
            return invalid(format!("selector {:?} is no name in DNS", self.selector));
        }
        if let Some(identity) = &self.identity {
            let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ';' | '=' | ':' | '@');
            let fits = identity.rsplit_once('@').is_some_and(|(local, domain)| {
                local.chars().all(is_plain) && is_name(domain) && is_at_or_below(domain, &self.domain)
            });
            if !fits {
                return invalid(format!("identity {identity:?} is none of {}", self.domain));
            }
        }
        let is_field =
            |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ':' | ';'));
        match &self.fields {
            Some(names) if !names.iter().all(is_field) => invalid(format!("{names:?} are no names of fields")),
            Some(names) if !names.iter().any(|name| name.eq_ignore_ascii_case("from")) => {
                invalid("From must be signed (RFC 6376 §5.4)".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Begins a signature.
    pub fn begin(&self) -> Signing<'_> {
        Signing { signer: self, body: BodyCanon::new(self.body, None) }
    }
}

/// A signature under way.
pub struct Signing<'a> {
    signer: &'a Signer,
    body: BodyCanon,
}

impl Signing<'_> {
    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.body.push(piece);
    }

    /// The whole DKIM-Signature field, folded, CRLF at its end.
    pub fn finish(self, header: &[u8], now: Timestamp) -> Result<Vec<u8>> {
        let fields: Vec<_> = header::fields(header).collect();
        let start = match &self.signer.identity {
            Some(identity) => format!("DKIM-Signature: v=1; i={identity};\r\n\t"),
            None => "DKIM-Signature: v=1;".to_owned(),
        };
        let own = self.signer.fields.as_deref().map(by_name);
        self.signer.field(&start, own.as_deref().unwrap_or(SIGNED), &fields, self.body.finish().hash, now)
    }
}

/// Each name once, and whether it was given more often.
fn by_name(names: &[String]) -> Vec<(&str, bool)> {
    let mut once: Vec<(&str, bool)> = Vec::new();
    for name in names {
        match once.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, over)) => *over = true,
            None => once.push((name, false)),
        }
    }
    once
}

impl Signer {
    /// A signature field that begins with `start`, over all fields of the names in `signed`; folded, CRLF at its end.
    pub(crate) fn field(
        &self,
        start: &str,
        signed: &[(&str, bool)],
        fields: &[Field<'_>],
        body_hash: [u8; 32],
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let mut names: Vec<&str> = Vec::new();
        let mut data = Vec::new();
        for (name, over) in signed {
            // Without oversigning the lowest ones do: nobody is to find more names in `h=` than are read.
            let count_max = if *over { usize::MAX } else { SIGNED_OF_NAME_MAX };
            let of_name: Vec<_> = fields.iter().rev().filter(|f| f.is(name)).take(count_max).collect();
            for field in &of_name {
                canonical_field(self.header, field.raw, &mut data);
                data.extend_from_slice(b"\r\n");
            }
            names.extend(std::iter::repeat_n(*name, of_name.len() + usize::from(*over)));
        }
        let mut field = format!(
            "{start} a={}; c={}/{}; d={};\r\n\ts={}; t={};\r\n",
            self.key.algorithm().word(),
            self.header.word(),
            self.body.word(),
            self.domain,
            self.selector,
            now.seconds(),
        );
        fold_list(&mut field, "\th=", &names);
        let hash = base64::encode(body_hash);
        field.push_str(&format!("\tbh={hash};\r\n\tb="));
        canonical_field(self.header, field.as_bytes(), &mut data);
        push_signature(&mut field, &self.key.sign(&data)?);
        Ok(field.into_bytes())
    }
}

/// A signature behind its `b=`, folded, CRLF at its end.
pub(crate) fn push_signature(field: &mut String, signature: &[u8]) {
    let signature = base64::encode(signature);
    let mut rest = signature.as_str();
    while let Some((line, behind)) = rest.split_at_checked(72) {
        field.push_str(line);
        field.push_str("\r\n\t");
        rest = behind;
    }
    field.push_str(rest);
    field.push_str("\r\n");
}

/// `tag=name:name:...;` on lines of at most 76 columns.
fn fold_list(out: &mut String, tag: &str, names: &[&str]) {
    let mut line = tag.to_owned();
    for (i, name) in names.iter().enumerate() {
        let end = if i + 1 == names.len() { ";" } else { ":" };
        if line.len() + name.len() > 74 {
            out.push_str(&line);
            out.push_str("\r\n");
            line = "\t ".to_owned();
        }
        line.push_str(name);
        line.push_str(end);
    }
    out.push_str(&line);
    out.push_str("\r\n");
}
