//! Fields that strangers wrote in our name. Who reads mail behind us believes what bears our name, so reception takes
//! them out before anything of ours is put in front (RFC 8601 §5).

use super::AuthenticationResults;
use super::tokens::Tokens;
use crate::base::limits::DOMAIN_OCTETS_MAX;
use crate::message::header::{self, Field};

/// Fields that only the receiving side may write, whatever they say (BIMI draft, "Header Removal").
const RECEIVERS_OWN: [&str; 3] = ["BIMI-Location", "BIMI-Indicator", "BIMI-Logo-Preference"];

/// Whether a stranger must not have written this field: Authentication-Results in our name, and fields of BIMI that
/// only a receiver writes.
pub fn is_foreign(field: &Field<'_>, authserv_id: &str) -> bool {
    RECEIVERS_OWN.iter().any(|name| field.is(name))
        || (field.is("Authentication-Results") && bears(field.body, authserv_id))
}

impl AuthenticationResults {
    /// All results of a header that bear a name, together: what ARC wants of a mail host whose checks are told in
    /// several fields (RFC 8617 §4.1.1). Only for a header out of our own hands; strangers may write any name.
    pub fn gathered(header: &[u8], authserv_id: &str) -> AuthenticationResults {
        let ours = header::fields(header).filter(|f| f.is("Authentication-Results") && bears(f.body, authserv_id));
        let results = ours.filter_map(|field| AuthenticationResults::parse(field.body)).flat_map(|found| found.results);
        AuthenticationResults { authserv_id: authserv_id.to_owned(), results: results.collect() }
    }
}

/// Whether a value names this authserv-id. A reader may be more lenient than the grammar, so any reading of what stands
/// in front of the first semicolon counts: the first word, or all of them drawn together.
fn bears(value: &[u8], authserv_id: &str) -> bool {
    let mut tokens = Tokens::new(value);
    let (mut first, mut together) = (None, Vec::new());
    loop {
        tokens.skip_blank();
        let word = match tokens.quoted() {
            Some(text) => text,
            None => match tokens.take_while(|c| !b" \t\r\n;()\"/".contains(&c)) {
                Some(word) => word.to_vec(),
                None if tokens.take(b'/') || tokens.take(b')') => continue,
                None => break,
            },
        };
        together.extend_from_slice(&word);
        first.get_or_insert(word);
    }
    let wanted = comparable(authserv_id.as_bytes());
    first.is_some_and(|word| comparable(&word) == wanted) || comparable(&together) == wanted
}

/// Names that are the same name are the same text: case, the final dot and U-labels apart.
fn comparable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = name.trim().trim_end_matches('.');
    // What is longer than any name is not converted, which could take long.
    let converted = if name.len() > DOMAIN_OCTETS_MAX * 4 { None } else { idna::domain_to_ascii(name).ok() };
    converted.unwrap_or_else(|| name.to_lowercase())
}
