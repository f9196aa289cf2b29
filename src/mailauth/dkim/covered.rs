//! What of a header a signature covers (RFC 6376 §3.7, §5.4.2), and the hash of that.

use std::cell::OnceCell;
use std::cmp::Ordering;

use memchr::memchr;
use openssl::sha::Sha256;

use super::Canonicalization;
use super::canonical::relaxed_field;
use crate::message::header::{self, Field};

/// A header whose signatures are being read.
pub(crate) struct Header<'a> {
    /// Its fields, in order.
    pub(crate) fields: Vec<Field<'a>>,
    /// The same by name, so that many names in `h=` over many fields cost no product of both; for all signatures once,
    /// and only where there is one.
    by_name: OnceCell<Vec<Field<'a>>>,
}

impl<'a> Header<'a> {
    /// Reads a header, its empty line included or not.
    pub(crate) fn read(octets: &'a [u8]) -> Header<'a> {
        Header { fields: header::fields(octets).collect(), by_name: OnceCell::new() }
    }

    /// SHA-256 of what a signature is over: the named fields, each name taking the lowest one left, then the
    /// signature's `own` field without its `b=`.
    pub(crate) fn hash(&self, how: Canonicalization, names: &[&str], own: &Field<'_>) -> [u8; 32] {
        let by_name = self.by_name.get_or_init(|| {
            let mut by_name = self.fields.clone();
            by_name.sort_by(|a, b| by_length_and_letters(a.name, b.name));
            by_name
        });
        let mut left = FieldsLeft { by_name, own, taken: vec![0; by_name.len()] };
        let mut data = Vec::with_capacity(DATA_OCTETS);
        for field in names.iter().filter_map(|name| left.take_lowest(name)) {
            canonical_field(how, field.raw, &mut data);
            data.extend_from_slice(b"\r\n");
        }
        canonical_field(how, &without_b(own.raw), &mut data);
        sha256(&data)
    }
}

/// What most signatures cover is no longer.
const DATA_OCTETS: usize = 4 * 1024;

/// The fields a signature has not taken yet.
struct FieldsLeft<'a> {
    by_name: &'a [Field<'a>],
    /// The signature's field. Its name in `h=` means others of that name (RFC 6376 §5.4).
    own: &'a Field<'a>,
    /// How many are taken of the name whose last field stands there.
    taken: Vec<usize>,
}

impl<'a> FieldsLeft<'a> {
    /// The lowest field of this name that was not taken yet.
    fn take_lowest(&mut self, name: &str) -> Option<&'a Field<'a>> {
        let order = |field: &Field<'_>| by_length_and_letters(field.name, name.as_bytes());
        let last = self.by_name.partition_point(|field| order(field) != Ordering::Greater).checked_sub(1)?;
        let taken = self.taken.get_mut(last)?;
        loop {
            let field = self.by_name.get(last.checked_sub(*taken)?).filter(|field| field.is(name))?;
            *taken += 1;
            if !std::ptr::eq(field.raw, self.own.raw) {
                return Some(field);
            }
        }
    }
}

/// Any order that does not see case; length and last letter tell most names apart.
fn by_length_and_letters(a: &[u8], b: &[u8]) -> Ordering {
    if a.eq_ignore_ascii_case(b) {
        return Ordering::Equal;
    }
    let outline = |name: &[u8]| (name.len(), name.last().map(u8::to_ascii_lowercase));
    let letters = a.iter().map(u8::to_ascii_lowercase);
    outline(a).cmp(&outline(b)).then_with(|| letters.cmp(b.iter().map(u8::to_ascii_lowercase)))
}

/// SHA-256 of octets that are at hand. (OpenSSL 3 looks the algorithm up by name in each call of its function for that,
/// which takes as long as to hash a kilobyte.)
pub(crate) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(octets);
    hash.finish()
}

/// A field in canonical form, without its line end.
pub(crate) fn canonical_field(how: Canonicalization, raw: &[u8], out: &mut Vec<u8>) {
    match how {
        Canonicalization::Relaxed => relaxed_field(raw, out),
        Canonicalization::Simple => {
            let raw = raw.strip_suffix(b"\n").unwrap_or(raw);
            out.extend_from_slice(raw.strip_suffix(b"\r").unwrap_or(raw));
        }
    }
}

/// A signature field whose `b=` has no value; its line end is not part of the value.
pub(crate) fn without_b(raw: &[u8]) -> Vec<u8> {
    let mut begin = memchr(b':', raw).map_or(raw.len(), |at| at + 1);
    while let Some(rest) = raw.get(begin..).filter(|rest| !rest.is_empty()) {
        let end = memchr(b';', rest).unwrap_or(rest.len());
        let (tag, behind) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        let equals = memchr(b'=', tag).unwrap_or(0);
        let (name, value) = tag.split_at_checked(equals).unwrap_or((tag, &[]));
        if header::trim(name) == b"b" {
            let line_end: &[u8] = if behind.is_empty() && value.ends_with(b"\r\n") { b"\r\n" } else { b"" };
            let front = raw.get(..=begin + equals).unwrap_or(raw);
            return [front, line_end, behind].concat();
        }
        begin += end + 1;
    }
    raw.to_vec()
}
