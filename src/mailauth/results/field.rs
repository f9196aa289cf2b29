//! Authentication-Results (RFC 8601 §2.2) as data, and how it is written: folded, quoted where it must be, of bounded
//! length, whatever a peer called itself.

use crate::base::limits::{AUTHRES_TEXT_OCTETS_MAX, AUTHRES_VALUE_OCTETS_MAX, EVENT_TEXT_OCTETS_MAX};
use crate::base::quoted::{comment, quoted};

/// The value of an Authentication-Results field, or of what follows the instance in ARC-Authentication-Results.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthenticationResults {
    /// Who checked (RFC 8601 §2.5).
    pub authserv_id: String,
    /// What the checks came to; none where none was made.
    pub results: Vec<MethodResult>,
}

/// What one check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodResult {
    /// `spf`, `dkim`, ... (RFC 8601 §2.7), lower case.
    pub method: String,
    /// `pass`, `fail`, ..., lower case.
    pub result: String,
    /// A remark for readers, written as a comment; empty for none. Not read back.
    pub comment: String,
    /// Why (RFC 8601 §2.3); empty for none.
    pub reason: String,
    /// What the result is about.
    pub properties: Vec<Property>,
}

/// `smtp.mailfrom=alice@example.org`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Property {
    /// Where the value comes from: `smtp`, `header`, `body` or `policy` (RFC 8601 §2.3), lower case.
    pub kind: String,
    /// What it is, lower case.
    pub name: String,
    /// The value, unquoted.
    pub value: String,
}

impl AuthenticationResults {
    /// The result of the first check of this method.
    pub fn result_of(&self, method: &str) -> Option<&str> {
        self.results.iter().find(|r| r.method == method).map(|r| r.result.as_str())
    }

    /// All results on one line, each with the first of its properties and nothing else:
    /// `spf=pass smtp.mailfrom=a@example.org; dkim=pass header.d=example.org`. At most `EVENT_TEXT_OCTETS_MAX` octets
    /// of whole results.
    pub fn summary(&self) -> String {
        let mut out = String::new();
        for MethodResult { method, result, properties, .. } in &self.results {
            let mut text = format!("{method}={result}");
            if let Some(Property { kind, name, value: found }) = properties.first() {
                text.push_str(&format!(" {kind}.{name}={}", value(found)));
            }
            if out.len() + text.len() + 2 > EVENT_TEXT_OCTETS_MAX {
                break;
            }
            out.push_str(if out.is_empty() { "" } else { "; " });
            out.push_str(&text);
        }
        out
    }

    /// The whole Authentication-Results field, folded, CRLF at its end.
    pub fn field(&self) -> Vec<u8> {
        format!("Authentication-Results: {}\r\n", self.payload()).into_bytes()
    }

    /// The value, folded, for a field whose name stands on the same line; no line end at its end.
    pub fn payload(&self) -> String {
        let mut out = value(&self.authserv_id);
        if self.results.is_empty() {
            out.push_str("; none");
        }
        for result in &self.results {
            out.push_str(";\r\n\t");
            result.write(&mut out);
        }
        out
    }
}

impl MethodResult {
    /// A result without anything further.
    pub fn new(method: &str, result: &str) -> MethodResult {
        MethodResult { method: method.to_owned(), result: result.to_owned(), ..MethodResult::default() }
    }

    /// With the reason given.
    #[must_use]
    pub fn because(mut self, reason: &str) -> MethodResult {
        reason.clone_into(&mut self.reason);
        self
    }

    /// With a property: `with("smtp", "mailfrom", ...)`.
    #[must_use]
    pub fn with(mut self, kind: &str, name: &str, value: impl Into<String>) -> MethodResult {
        self.properties.push(Property { kind: kind.to_owned(), name: name.to_owned(), value: value.into() });
        self
    }

    /// The value of a property.
    pub fn property(&self, kind: &str, name: &str) -> Option<&str> {
        self.properties.iter().find(|p| p.kind == kind && p.name == name).map(|p| p.value.as_str())
    }

    fn write(&self, out: &mut String) {
        let mut words = vec![format!("{}={}", keyword(&self.method), keyword(&self.result))];
        if !self.comment.is_empty() {
            words.push(comment(&clean(&self.comment, AUTHRES_TEXT_OCTETS_MAX)));
        }
        if !self.reason.is_empty() {
            words.push(format!("reason={}", quoted(&clean(&self.reason, AUTHRES_TEXT_OCTETS_MAX))));
        }
        for property in &self.properties {
            words.push(format!("{}.{}={}", keyword(&property.kind), keyword(&property.name), value(&property.value)));
        }
        let mut column = 8;
        for (i, word) in words.iter().enumerate() {
            if i > 0 && column + 1 + word.len() > LINE_COLUMNS {
                out.push_str("\r\n\t ");
                column = 9;
            } else if i > 0 {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += word.len();
        }
    }
}

/// Columns after which a line is folded where it can be (RFC 5322 §2.1.1).
const LINE_COLUMNS: usize = 78;

/// A word of ours: letters, digits, hyphens. Anything else would be another language.
fn keyword(word: &str) -> String {
    word.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// A value: bare where the grammar lets it stand so, else quoted.
fn value(text: &str) -> String {
    let text = clean(text, AUTHRES_VALUE_OCTETS_MAX);
    let is_bare = |part: &str| part.chars().all(is_token);
    // `local@domain` and `@domain` need no quotes (RFC 8601 §2.2, pvalue).
    let may_stand = match text.rsplit_once('@') {
        None => !text.is_empty() && is_bare(&text),
        Some((local, domain)) => is_bare(local) && is_bare(domain) && !domain.is_empty(),
    };
    if may_stand { text } else { quoted(&text) }
}

/// A character of a token (RFC 2045 §5.1); beyond ASCII all are (RFC 6532 §3.2).
fn is_token(c: char) -> bool {
    !c.is_ascii() || (c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c))
}

/// On one line, without controls, of at most `octets_max` octets.
fn clean(text: &str, octets_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(octets_max));
    for c in text.chars() {
        if out.len() + c.len_utf8() > octets_max {
            break;
        }
        out.push(if c.is_control() { '?' } else { c });
    }
    out
}
