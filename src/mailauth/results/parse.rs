//! Authentication-Results read (RFC 8601 §2.2), leniently: what does not fit is stepped over, up to the semicolon that
//! ends it, and the rest counts.

use super::field::{AuthenticationResults, MethodResult, Property};
use super::tokens::Tokens;
use crate::base::limits::{AUTHRES_PROPERTIES_MAX, AUTHRES_RESULTS_MAX};

impl AuthenticationResults {
    /// Reads the value of an Authentication-Results field, or of ARC-Authentication-Results behind its instance;
    /// folding may be left in. `None` where nobody is named who checked.
    pub fn parse(value: &[u8]) -> Option<AuthenticationResults> {
        let mut tokens = Tokens::new(value);
        let authserv_id = word(&mut tokens, |c| !b"/=".contains(&c))?;
        let mut found = AuthenticationResults { authserv_id, results: Vec::new() };
        while tokens.skip_past_semicolon() && found.results.len() < AUTHRES_RESULTS_MAX {
            found.results.extend(method_result(&mut tokens));
        }
        Some(found)
    }
}

/// `method=result reason="..." ptype.property=value ...`; `None` for `none` and for what is no result.
fn method_result(tokens: &mut Tokens<'_>) -> Option<MethodResult> {
    let mut found = MethodResult { method: keyword(tokens)?, ..MethodResult::default() };
    if tokens.take(b'/') {
        // The method's version: 1 is the only one there is.
        keyword(tokens)?;
    }
    tokens.take(b'=').then_some(())?;
    found.result = keyword(tokens)?;
    while let Some(kind) = keyword(tokens) {
        if tokens.take(b'=') {
            let text = word(tokens, |_| true)?;
            if kind == "reason" {
                found.reason = text;
            }
            continue;
        }
        if !tokens.take(b'.') {
            break;
        }
        let name = keyword(tokens);
        let (Some(name), true) = (name, tokens.take(b'=')) else { break };
        // An empty value is no value; the next word then begins the next property.
        let value = word(tokens, |_| true).unwrap_or_default();
        if found.properties.len() < AUTHRES_PROPERTIES_MAX {
            found.properties.push(Property { kind, name, value });
        }
    }
    Some(found)
}

/// A keyword, lower case.
fn keyword(tokens: &mut Tokens<'_>) -> Option<String> {
    tokens.skip_blank();
    let word = tokens.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))?;
    Some(String::from_utf8_lossy(word).to_ascii_lowercase())
}

/// A value, unquoted: quoted strings and what stands bare between blanks and semicolons, joined where nothing stands
/// between them (`"john doe"@example.org`).
fn word(tokens: &mut Tokens<'_>, belongs: impl Fn(u8) -> bool) -> Option<String> {
    tokens.skip_blank();
    let mut out = Vec::new();
    let mut any = false;
    loop {
        if let Some(text) = tokens.quoted() {
            out.extend_from_slice(&text);
        } else if let Some(text) = tokens.take_while(|c| !b" \t\r\n;()\"".contains(&c) && belongs(c)) {
            out.extend_from_slice(text);
        } else {
            return any.then(|| String::from_utf8_lossy(&out).into_owned());
        }
        any = true;
    }
}
