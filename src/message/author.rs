//! Who a message is from: the one reading of From that DMARC, submission and signing rest on.
//!
//! [`author`] gives the authors only where every reader of the header finds the same ones; else the reason why not.

use super::header::{self, Field};
use super::mailbox_list::{Doubt, mailbox_list};
use crate::base::Address;
use crate::base::limits::DMARC_FROM_DOMAINS_MAX;

/// The authors, at least one, of a header given in pieces that stand one behind the other (each ends at a line end),
/// its empty line included or not.
pub fn author(header: &[&[u8]]) -> Result<Vec<Address>, Doubt> {
    if header.iter().any(|piece| begins_with_blank(piece)) {
        return Err(Doubt::NoFieldToContinue);
    }
    let found = only(header, "From")?;
    let authors = mailbox_list(found.ok_or(Doubt::Missing)?.body)?;
    if domains(&authors).len() > DMARC_FROM_DOMAINS_MAX {
        return Err(Doubt::TooManyDomains);
    }
    Ok(authors)
}

/// The field of this name; [`Doubt::Repeated`] where there are several.
pub fn only<'a>(header: &[&'a [u8]], name: &str) -> Result<Option<Field<'a>>, Doubt> {
    let mut found = header.iter().flat_map(|piece| header::fields(piece)).filter(|field| field.is(name));
    let first = found.next();
    if found.next().is_some() { Err(Doubt::Repeated) } else { Ok(first) }
}

/// Domains of addresses (A-labels, lower case), each once, in order.
pub fn domains(addresses: &[Address]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for address in addresses {
        let domain = address.domain().key();
        if !found.contains(&domain) {
            found.push(domain);
        }
    }
    found
}

/// Whether the first line is one that continues a field, where there is none.
pub fn begins_with_blank(header: &[u8]) -> bool {
    matches!(header.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_header() {
        let of = |pieces: &[&[u8]]| author(pieces).map(|found| domains(&found).join(" "));
        assert_eq!(of(&[b"X: y\r\n", b"From: a@b.test\r\n\r\nFrom: c@d.test\r\n"]), Ok("b.test".to_owned()));
        assert_eq!(of(&[b"From: a@b.test\r\n", b"From: a@b.test\r\n"]), Err(Doubt::Repeated));
        assert_eq!(of(&[b"From: a@b.test\r\n", b" , c@d.test\r\n"]), Err(Doubt::NoFieldToContinue));
        assert_eq!(of(&[b"", b""]), Err(Doubt::Missing));
        assert_eq!(of(&[b"From: a@1.x, a@2.x, a@3.x, b@3.x, a@4.x\r\n"]), Ok("1.x 2.x 3.x 4.x".to_owned()));
        assert_eq!(of(&[b"From: a@1.x, a@2.x, a@3.x, a@4.x, a@5.x\r\n"]), Err(Doubt::TooManyDomains));
    }
}
