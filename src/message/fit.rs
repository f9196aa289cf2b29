//! A header made fit for the wire: what may not travel is taken out, what must is put in, what is malformed is mended
//! or refused.
//!
//! [`submitted`] is for mail of our own users (RFC 6409 §8), [`received`] for mail of others, of which as little as
//! can be is touched. Both agree on where a header ends: at its empty line, or at the first line that is no field. Many
//! readers end it there, and whoever reads on could be shown fields that we did not judge. Pure: addresses, time and
//! ids are given.

use std::fmt;

use super::date::{date, is_rfc5322};
use super::header::{Field, fields, header_len};
use super::mailbox_list::{self, Doubt};
use crate::base::limits::LINE_OCTETS_MAX;
use crate::base::{Address, Timestamp};

/// Column from which an over-long line is folded.
const FOLD_COLUMN: usize = 78;
/// Fields that hold addresses.
const ADDRESS_FIELDS: [&str; 9] =
    ["From", "Sender", "Reply-To", "To", "Cc", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"];
/// Fields that do not leave with submitted mail: RFC 5322 §3.6.3, RFC 5321 §4.4.
const NOT_SENT: [&str; 3] = ["Bcc", "Resent-Bcc", "Return-Path"];

/// What missing fields are filled with.
#[derive(Debug, Clone, Copy)]
pub struct Filling<'a> {
    /// Who submits; `None` where From must be given.
    pub author: Option<&'a Address>,
    /// Put behind addresses without a domain.
    pub domain: &'a str,
    /// Message-ID, without angle brackets.
    pub message_id: &'a str,
    /// Date.
    pub now: Timestamp,
}

/// A header to be written in place of the first octets of what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The octets.
    pub octets: Vec<u8>,
    /// How many of the given octets they stand for; 0 where they only stand in front.
    pub replaced: usize,
}

/// Why a header cannot be made fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// A NUL in it.
    Nul,
    /// A line of over `LINE_OCTETS_MAX` octets without a blank to fold it at.
    LongLine,
    /// An address without a domain, in words that are no address.
    NoAddress,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::Nul => "The header has a NUL",
            Unfit::LongLine => "A header line is longer than 998 octets",
            Unfit::NoAddress => "An address field has words without an address",
        })
    }
}

/// Length of the header at the start of `front`, its empty line left out, and whether that line is there.
pub fn header_end(front: &[u8]) -> (usize, bool) {
    let mut end = 0;
    for field in fields(front) {
        if field.name.is_empty() && !is_mbox_line(&field) {
            return (field.at, false);
        }
        end = field.range().end;
    }
    let rest = front.get(end..).unwrap_or_default();
    (end, rest.starts_with(b"\r\n") || rest.starts_with(b"\n"))
}

/// Whether the header ends within `front`, or `front` is all there is.
pub fn is_whole(front: &[u8], octets: u64) -> bool {
    front.len() as u64 == octets || header_len(front).is_some()
}

/// The separator of mbox files on top of a message, or the same as some programs quote it.
fn is_mbox_line(field: &Field<'_>) -> bool {
    field.at == 0 && field.name.is_empty() && (field.raw.starts_with(b"From ") || field.raw.starts_with(b">From "))
}

/// Mail of others: without an mbox line on top, without the fields that are `foreign`, with an empty line where its
/// header ends without one. `None` where it may stay as it is.
pub fn received(front: &[u8], foreign: impl Fn(&Field<'_>) -> bool) -> Option<Header> {
    let (end, has_empty_line) = header_end(front);
    let drops = |field: &Field<'_>| is_mbox_line(field) || foreign(field);
    let header = front.get(..end).unwrap_or(front);
    let is_clean = !fields(header).any(|field| drops(&field));
    let rest = front.len() > end;
    if is_clean && (has_empty_line || !rest) {
        return None;
    }
    let mut octets: Vec<u8> = Vec::with_capacity(header.len() + 2);
    let kept = fields(header).filter(|field| !drops(field));
    kept.for_each(|field| octets.extend_from_slice(field.raw));
    if !has_empty_line && rest {
        octets.extend_from_slice(b"\r\n");
    }
    Some(Header { octets, replaced: end })
}

/// Mail of our users: complete, and without what is not to be seen. `foreign` are further fields to be taken out.
pub fn submitted(front: &[u8], filling: &Filling<'_>, foreign: impl Fn(&Field<'_>) -> bool) -> Result<Header, Unfit> {
    let (end, has_empty_line) = header_end(front);
    let header = front.get(..end).unwrap_or(front);
    let mut kept = Vec::with_capacity(header.len() + 64);
    let (mut has_from, mut has_date, mut has_id) = (false, false, false);
    for field in fields(header) {
        if memchr::memchr(0, field.raw).is_some() {
            return Err(Unfit::Nul);
        }
        if is_mbox_line(&field) || NOT_SENT.iter().any(|name| field.is(name)) || foreign(&field) {
            continue;
        }
        if field.is("Date") {
            if !std::mem::replace(&mut has_date, true) {
                push_date(&mut kept, &field, filling.now);
            }
        } else if field.is("Message-ID") {
            if !has_id && is_message_id(field.body) {
                has_id = true;
                kept.extend_from_slice(field.raw);
            }
        } else if ADDRESS_FIELDS.iter().any(|name| field.is(name)) {
            // A field without anything in it says nothing.
            if !field.value().is_empty() {
                has_from |= field.is("From");
                push_qualified(&mut kept, &field, filling.domain)?;
            }
        } else {
            kept.extend_from_slice(field.raw);
        }
    }
    let added = fold(missing(filling, has_from, has_date, has_id))?;
    if !kept.is_empty() && !kept.ends_with(b"\n") {
        kept.extend_from_slice(b"\r\n");
    }
    let kept = fold(kept)?;
    if kept == header && has_empty_line {
        return Ok(Header { octets: added, replaced: 0 });
    }
    let mut octets = [added, kept].concat();
    if !has_empty_line {
        octets.extend_from_slice(b"\r\n");
    }
    Ok(Header { octets, replaced: end })
}

/// The fields RFC 5322 §3.6 asks for that are not there.
fn missing(filling: &Filling<'_>, has_from: bool, has_date: bool, has_id: bool) -> Vec<u8> {
    let mut added = String::new();
    if let (false, Some(author)) = (has_from, filling.author) {
        added.push_str(&format!("From: <{author}>\r\n"));
    }
    if !has_date {
        added.push_str(&format!("Date: {}\r\n", filling.now.rfc5322()));
    }
    if !has_id {
        added.push_str(&format!("Message-ID: <{}>\r\n", filling.message_id));
    }
    added.into_bytes()
}

/// The field as it is where others can read it; else its moment as RFC 5322 §3.3 writes it, or now.
fn push_date(out: &mut Vec<u8>, field: &Field<'_>, now: Timestamp) {
    if is_rfc5322(field.body) {
        out.extend_from_slice(field.raw);
        return;
    }
    let at = date(field.body).map_or(now, |date| date.at);
    out.extend_from_slice(format!("Date: {}\r\n", at.rfc5322()).as_bytes());
}

/// `<left@right>` and nothing else.
fn is_message_id(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let Some(id) = value.strip_prefix(b"<").and_then(|v| v.strip_suffix(b">")) else { return false };
    let mut sides = id.split(|c| *c == b'@');
    let is_side = |side: &[u8]| !side.is_empty() && side.iter().all(|c| *c > b' ' && *c != 0x7F && !b"<>".contains(c));
    let (left, right) = (sides.next().is_some_and(is_side), sides.next().is_some_and(is_side));
    left && right && sides.next().is_none() && value.len() < LINE_OCTETS_MAX
}

/// The field with `@domain` behind each address that has none. What is malformed in another way stays as it is: who
/// may not write so is told by [`author`](super::author).
fn push_qualified(out: &mut Vec<u8>, field: &Field<'_>, domain: &str) -> Result<(), Unfit> {
    let ends = match mailbox_list::unqualified(field.body) {
        Ok(ends) => ends,
        Err(Doubt::NoAddress) => return Err(Unfit::NoAddress),
        Err(_) => Vec::new(),
    };
    let body = field.raw.len() - field.body.len();
    let mut at = 0;
    for end in ends {
        out.extend_from_slice(field.raw.get(at..body + end).unwrap_or_default());
        out.extend_from_slice(format!("@{domain}").as_bytes());
        at = body + end;
    }
    out.extend_from_slice(field.raw.get(at..).unwrap_or_default());
    Ok(())
}

/// The header with every line within `LINE_OCTETS_MAX`, folded at blanks where it was not.
pub fn fold(header: Vec<u8>) -> Result<Vec<u8>, Unfit> {
    let text = |line: &[u8]| line.strip_suffix(b"\n").map_or(line.len(), |l| l.strip_suffix(b"\r").unwrap_or(l).len());
    if header.split_inclusive(|c| *c == b'\n').all(|line| text(line) <= LINE_OCTETS_MAX) {
        return Ok(header);
    }
    let mut out = Vec::with_capacity(header.len() + header.len() / FOLD_COLUMN * 2);
    for line in header.split_inclusive(|c| *c == b'\n') {
        if text(line) <= LINE_OCTETS_MAX {
            out.extend_from_slice(line);
        } else {
            fold_line(line, &mut out)?;
        }
    }
    Ok(out)
}

/// Breaks a line in front of blanks that a word follows, the first of them at or before `FOLD_COLUMN` where possible.
fn fold_line(line: &[u8], out: &mut Vec<u8>) -> Result<(), Unfit> {
    let is_blank = |c: u8| c == b' ' || c == b'\t';
    let mut rest = line;
    loop {
        let text = rest.trim_ascii_end().len();
        if text <= FOLD_COLUMN {
            break;
        }
        // A blank with a word in front of it and one behind.
        let first_word = rest.iter().position(|c| !is_blank(*c)).unwrap_or(text);
        let breaks = |at: &usize| {
            let (before, here, behind) = (rest.get(at - 1), rest.get(*at), rest.get(at + 1));
            before.is_some_and(|c| !is_blank(*c)) && here.is_some_and(|c| is_blank(*c)) && behind.is_some()
        };
        let near = (first_word + 1..FOLD_COLUMN.min(text)).rev().find(breaks);
        let Some(at) = near.or_else(|| (first_word + 1..text).find(breaks)) else { break };
        let (front, behind) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        if front.len() > LINE_OCTETS_MAX {
            return Err(Unfit::LongLine);
        }
        out.extend_from_slice(front);
        out.extend_from_slice(b"\r\n");
        rest = behind;
    }
    if rest.trim_ascii_end().len() > LINE_OCTETS_MAX {
        return Err(Unfit::LongLine);
    }
    // Blanks at the end that are over-long say nothing.
    out.extend_from_slice(rest.trim_ascii_end());
    out.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests;
