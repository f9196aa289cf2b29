//! What the header says of a message's way: `TLS-Required` (RFC 8689 §3), `MT-Priority` (RFC 6758) and `Solicitation`
//! (RFC 3865 §3).

use super::Intake;
use crate::base::Reply;
use crate::base::terms::{self, Terms, TlsTerm};
use crate::message::header::{Field, fields};
use crate::smtp::extension::table::share_a_class;
use crate::smtp::server::not_solicited;

impl Intake {
    /// The terms of a message: those of MAIL, and what its header, in pieces, adds. `submitted`: by one of our
    /// users, whose priority counts. The error is a refusal.
    pub(super) fn terms(&self, said: &Terms, header: &[&[u8]], submitted: bool) -> Result<Terms, Reply> {
        let mut terms = said.clone();
        for field in header.iter().flat_map(|piece| fields(piece)) {
            if field.is("TLS-Required") {
                // With REQUIRETLS the field means nothing (RFC 8689 §4.1).
                if terms.tls == TlsTerm::Usual && value(&field).eq_ignore_ascii_case("no") {
                    terms.tls = TlsTerm::Optional;
                }
            } else if submitted && terms.priority.is_none() && field.is("MT-Priority") {
                terms.priority = terms::priority(&value(&field));
            } else if let Some(unwanted) = &self.settings.esmtp.no_soliciting
                && field.is("Solicitation")
            {
                let classes = value(&field).to_ascii_lowercase().replace([' ', '\t'], "");
                if share_a_class(&classes, unwanted) {
                    return Err(not_solicited());
                }
            }
        }
        Ok(terms)
    }
}

/// The field that says a priority, where it is none of those that everybody has; empty where the header has one.
pub(super) fn priority_field(terms: &Terms, header: &[&[u8]]) -> Vec<u8> {
    match terms.priority {
        Some(priority)
            if priority != 0 && !header.iter().flat_map(|piece| fields(piece)).any(|field| field.is("MT-Priority")) =>
        {
            format!("MT-Priority: {priority}\r\n").into_bytes()
        }
        _ => Vec::new(),
    }
}

/// What stands behind the colon, without comments and on one line.
fn value(field: &Field<'_>) -> String {
    let text = String::from_utf8_lossy(field.raw);
    let text = text.split_once(':').map_or("", |(_, text)| text);
    let mut depth = 0_usize;
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '\r' | '\n' => {}
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_no_comments_and_one_line() {
        for (header, said) in [
            ("MT-Priority: -3\r\n", "-3"),
            ("MT-Priority:\r\n  4 (urgent (very)) \r\n", "4"),
            ("MT-Priority: (a) 5\r\n", "5"),
            ("MT-Priority\r\n", ""),
        ] {
            let field = fields(header.as_bytes()).next().unwrap();
            assert_eq!(value(&field), said, "{header:?}");
        }
    }

    #[test]
    fn a_priority_is_written_once_and_where_it_says_something() {
        let terms = |priority| Terms { priority, ..Terms::default() };
        assert_eq!(priority_field(&terms(Some(-4)), &[b"To: x\r\n"]), b"MT-Priority: -4\r\n");
        for (priority, header) in [(None, "To: x\r\n"), (Some(0), "To: x\r\n"), (Some(5), "mt-priority: 5\r\n")] {
            assert!(priority_field(&terms(priority), &[header.as_bytes()]).is_empty());
        }
    }
}
