//! What header tests with `:mime` look at (RFC 5703 §4).

use super::super::program::MimePart;
use super::{Ran, Run};
use crate::base::limits::SIEVE_VALUES_MAX;
use crate::message::encoded_word::decode;
use crate::message::header::fields;
use crate::message::parameter;

/// [`MimePart`], its strings known.
pub(super) enum Wanted {
    Whole,
    Type,
    Subtype,
    ContentType,
    Parameters(Vec<String>),
}

impl Run<'_> {
    /// Bodies of the fields of this name in the part that is looked at, and in those within it where `any_child`.
    pub(super) fn part_fields(&mut self, any_child: bool, name: &str) -> Ran<Vec<Vec<u8>>> {
        let here = self.part.unwrap_or(0);
        let within = if any_child { self.body.places(Some(here)) } else { 0..0 };
        let mut found: Vec<Vec<u8>> = Vec::new();
        if here == 0 {
            found.extend(self.header.raw(name).map(<[u8]>::to_vec));
        }
        let others = (here > 0).then_some(here).into_iter().chain(within);
        for place in others {
            self.spend(1)?;
            let of_part = fields(self.body.header(place)).filter(|field| field.is(name));
            found.extend(of_part.map(|field| field.body.to_vec()));
        }
        found.truncate(SIEVE_VALUES_MAX);
        Ok(found)
    }

    pub(super) fn mime_part(&mut self, part: &MimePart) -> Ran<Wanted> {
        Ok(match part {
            MimePart::Whole => Wanted::Whole,
            MimePart::Type => Wanted::Type,
            MimePart::Subtype => Wanted::Subtype,
            MimePart::ContentType => Wanted::ContentType,
            MimePart::Parameters(names) => Wanted::Parameters(self.texts(names)?),
        })
    }
}

/// What is compared of a field's body.
pub(super) fn values(wanted: &Wanted, body: &[u8]) -> Vec<String> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let token = || parameter::parse(&crate::message::header::unfold(body)).token;
    match wanted {
        Wanted::Whole => vec![decode(body)],
        Wanted::Type => vec![text(token().split(|c| *c == b'/').next().unwrap_or_default())],
        Wanted::Subtype => token().splitn(2, |c| *c == b'/').nth(1).map(text).into_iter().collect(),
        Wanted::ContentType => vec![text(&token())],
        Wanted::Parameters(names) => {
            let read = parameter::parse(&crate::message::header::unfold(body));
            names.iter().filter_map(|name| read.get(&name.to_ascii_lowercase()).map(decode)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_mime_field() {
        let body = b" Text/Plain;\r\n charset=\"utf-8\"; x=1\r\n";
        assert_eq!(values(&Wanted::Type, body), ["Text"]);
        assert_eq!(values(&Wanted::Subtype, body), ["Plain"]);
        assert_eq!(values(&Wanted::ContentType, body), ["Text/Plain"]);
        assert_eq!(values(&Wanted::Parameters(vec!["CHARSET".into(), "y".into()]), body), ["utf-8"]);
        assert_eq!(values(&Wanted::Type, b"attachment; filename=x"), ["attachment"]);
    }
}
