//! BODY[...], BINARY[...] and BINARY.SIZE[...]: which octets they mean, and writing them (RFC 9051 §6.4.5.1).

use std::borrow::Cow;
use std::ops::Range;

use smol::future::zip;

use crate::base::BlobId;
use crate::base::limits::{FETCH_PIECE_OCTETS, HEADER_OCTETS_MAX};
use crate::imap::command::{Section, SectionText};
use crate::imap::encode::fetch::Response;
use crate::imap::response::number;
use crate::message::mime::Decoder;
use crate::message::table::{Encoding, PartTable, Section as PartSection};
use crate::message::{Field, fields};

use super::super::Session;
use super::super::refusal::Stop;
use super::announce;
use super::gather::{Gathered, Octets};

/// Octets of a message that a section means.
struct Located {
    range: Range<u64>,
    /// Transfer encoding to be taken off.
    encoding: Encoding,
}

impl Session {
    /// Writes a section's item. False where its transfer encoding is not known.
    pub(super) async fn section(&mut self, section: &Section, message: &Gathered, first: bool) -> Result<bool, Stop> {
        let out = Response::resume(&mut self.wire.out, first).item_out(&section.label);
        let Some(located) = locate(section, message) else {
            out.extend_from_slice(b"NIL");
            return Ok(true);
        };
        if located.encoding == Encoding::Unknown {
            out.extend_from_slice(b"NIL");
            return Ok(false);
        }
        let plain = located.encoding == Encoding::Identity;
        if let SectionText::Fields { names, not } = &section.text {
            let header = self.header(&located.range, message).await?;
            let chosen = chosen_fields(&header, names, *not);
            let part = within(&chosen, section.partial);
            announce(&mut self.wire.out, part.len() as u64, false);
            self.wire.out.extend_from_slice(part);
        } else if plain {
            let range = partial_of(&located.range, section.partial);
            self.plain(range, message, section.decoded).await?;
        } else {
            self.decoded(&located, section.partial, message).await?;
        }
        Ok(true)
    }

    /// BINARY.SIZE. False where the transfer encoding is not known.
    pub(super) async fn binary_size(
        &mut self,
        part: &[u32],
        label: &[u8],
        message: &Gathered,
        first: bool,
    ) -> Result<bool, Stop> {
        let section = Section {
            part: part.to_vec(),
            text: SectionText::All,
            partial: None,
            peek: true,
            decoded: true,
            label: Vec::new(),
        };
        let located = locate(&section, message);
        let known = located.as_ref().is_none_or(|l| l.encoding != Encoding::Unknown);
        let octets = match &located {
            Some(located) if known => self.decode(located, message, &mut |_| {}).await?.0,
            _ => 0,
        };
        number(Response::resume(&mut self.wire.out, first).item_out(label), octets);
        Ok(known)
    }

    /// Octets as they are, from memory or from the store in pieces.
    async fn plain(&mut self, range: Range<u64>, message: &Gathered, binary: bool) -> Result<(), Stop> {
        if let Some(octets) = in_memory(message, &range) {
            let binary = binary && memchr::memchr(0, octets).is_some();
            announce(&mut self.wire.out, octets.len() as u64, binary);
            self.wire.out.extend_from_slice(octets);
            return Ok(());
        }
        // BINARY of what may hold NUL: a literal8 is right for any octets.
        announce(&mut self.wire.out, range.end - range.start, binary);
        self.wire.flush().await?;
        let store = self.shared.store.clone();
        let mut pieces = Pieces { blob: message.fact.blob, range };
        let mut piece = pieces.next(&store).await?;
        while !piece.is_empty() {
            let (written, next) = zip(self.wire.write(&piece), pieces.next(&store)).await;
            written?;
            piece = next?;
        }
        // The client was promised more than there is: nothing that could be said would be understood.
        if pieces.range.is_empty() { Ok(()) } else { Err(Stop::Wire(std::io::ErrorKind::UnexpectedEof.into())) }
    }

    /// Octets with the transfer encoding taken off. What is not in memory is decoded twice: first to say how much
    /// it is.
    async fn decoded(
        &mut self,
        located: &Located,
        partial: Option<(u64, u64)>,
        message: &Gathered,
    ) -> Result<(), Stop> {
        if in_memory(message, &located.range).is_some() {
            let mut all = Vec::new();
            self.decode(located, message, &mut |piece| all.extend_from_slice(piece)).await?;
            let part = within(&all, partial);
            announce(&mut self.wire.out, part.len() as u64, memchr::memchr(0, part).is_some());
            self.wire.out.extend_from_slice(part);
            return Ok(());
        }
        let (octets, _) = self.decode(located, message, &mut |_| {}).await?;
        let wanted = partial_of(&(0..octets), partial);
        announce(&mut self.wire.out, wanted.end - wanted.start, true);
        let store = self.shared.store.clone();
        let mut decoder = Decoder::new(located.encoding);
        let mut pieces = Pieces { blob: message.fact.blob, range: located.range.clone() };
        let mut at = 0;
        loop {
            let piece = pieces.next(&store).await?;
            let mut out = Vec::new();
            decoder.push(&piece, &mut out);
            if piece.is_empty() {
                decoder.finish(&mut out);
            }
            let here = at..at + out.len() as u64;
            let (from, to) = (wanted.start.clamp(here.start, here.end), wanted.end.clamp(here.start, here.end));
            let part = out.get((from - here.start) as usize..(to - here.start) as usize).unwrap_or_default();
            self.wire.out.extend_from_slice(part);
            at = here.end;
            if piece.is_empty() {
                return Ok(());
            }
            self.wire.relieve().await?;
        }
    }

    /// Decodes all of it into `sink`; gives how many octets came of it, and whether something was wrong with it.
    async fn decode(
        &mut self,
        located: &Located,
        message: &Gathered,
        sink: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Result<(u64, bool), Stop> {
        let mut decoder = Decoder::new(located.encoding);
        let mut out = Vec::new();
        let mut octets = 0;
        if let Some(text) = in_memory(message, &located.range) {
            decoder.push(text, &mut out);
        } else {
            let mut pieces = Pieces { blob: message.fact.blob, range: located.range.clone() };
            loop {
                let piece = pieces.next(&self.shared.store).await?;
                if piece.is_empty() {
                    break;
                }
                decoder.push(&piece, &mut out);
                octets += out.len() as u64;
                sink(&out);
                out.clear();
            }
        }
        decoder.finish(&mut out);
        sink(&out);
        Ok((octets + out.len() as u64, decoder.is_broken()))
    }

    /// A header, in memory: so much of it as is looked at.
    async fn header<'m>(&mut self, range: &Range<u64>, message: &'m Gathered) -> Result<Cow<'m, [u8]>, Stop> {
        let range = range.start..range.end.min(range.start + HEADER_OCTETS_MAX as u64);
        match in_memory(message, &range) {
            Some(octets) => Ok(octets.into()),
            None => {
                let octets = (range.end - range.start) as usize;
                Ok(self.shared.store.body(message.fact.blob, range.start, octets).await?.into())
            }
        }
    }
}

/// Reads a range piece by piece.
struct Pieces {
    blob: BlobId,
    range: Range<u64>,
}

impl Pieces {
    /// The next piece; empty at the end.
    async fn next(&mut self, store: &crate::store::Store) -> crate::base::Result<Vec<u8>> {
        let octets = (self.range.end - self.range.start).min(FETCH_PIECE_OCTETS as u64) as usize;
        if octets == 0 {
            return Ok(Vec::new());
        }
        let piece = store.body(self.blob, self.range.start, octets).await?;
        self.range.start += piece.len() as u64;
        Ok(piece)
    }
}

fn in_memory<'m>(message: &'m Gathered, range: &Range<u64>) -> Option<&'m [u8]> {
    match &message.octets {
        Octets::From0(octets) => octets.get(usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?),
        Octets::Kept => None,
    }
}

fn locate(section: &Section, message: &Gathered) -> Option<Located> {
    let text = match &section.text {
        SectionText::All => PartSection::Whole,
        SectionText::Header | SectionText::Fields { .. } => PartSection::Header,
        SectionText::Text => PartSection::Text,
        SectionText::Mime => PartSection::Mime,
    };
    if section.part.is_empty() && text == PartSection::Whole {
        return Some(Located { range: 0..message.fact.size, encoding: Encoding::Identity });
    }
    let meta = message.meta.as_ref()?;
    if section.part.is_empty() && text == PartSection::Header {
        return Some(Located { range: 0..u64::from(meta.header_octets), encoding: Encoding::Identity });
    }
    let table = PartTable::decode(&meta.parts)?;
    let range = table.range(&section.part, text)?;
    let encoding = match section.decoded {
        true => table.entries.get(table.find(&section.part)?)?.encoding,
        false => Encoding::Identity,
    };
    Some(Located { range, encoding })
}

/// The part of a range that a partial means; nothing behind its end.
fn partial_of(range: &Range<u64>, partial: Option<(u64, u64)>) -> Range<u64> {
    let Some((first, octets)) = partial else { return range.clone() };
    let start = range.start.saturating_add(first).min(range.end);
    start..start.saturating_add(octets).min(range.end)
}

fn within(octets: &[u8], partial: Option<(u64, u64)>) -> &[u8] {
    let range = partial_of(&(0..octets.len() as u64), partial);
    octets.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// HEADER.FIELDS and HEADER.FIELDS.NOT: the fields, and the empty line.
fn chosen_fields(header: &[u8], names: &[Vec<u8>], not: bool) -> Vec<u8> {
    let mut chosen = Vec::new();
    let named = |field: &Field<'_>| names.iter().any(|name| name.eq_ignore_ascii_case(field.name));
    for field in fields(header).filter(|field| named(field) != not) {
        chosen.extend_from_slice(field.raw);
    }
    chosen.extend_from_slice(b"\r\n");
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partials() {
        for (partial, want) in [
            (None, 10..20),
            (Some((0, 4)), 10..14),
            (Some((4, 100)), 14..20),
            (Some((10, 1)), 20..20),
            (Some((99, 1)), 20..20),
            (Some((u64::MAX, u64::MAX)), 20..20),
        ] {
            assert_eq!(partial_of(&(10..20), partial), want, "{partial:?}");
        }
        assert_eq!(within(b"abcdef", Some((2, 3))), b"cde");
        assert_eq!(within(b"abc", Some((5, 3))), b"");
    }

    #[test]
    fn header_fields_keep_their_folding() {
        let header = b"From: a\r\nSubject: x\r\n y\r\nFROM: b\r\nbroken\r\n\r\n";
        let names = [b"from".to_vec(), b"missing".to_vec()];
        assert_eq!(chosen_fields(header, &names, false), b"From: a\r\nFROM: b\r\n\r\n");
        assert_eq!(chosen_fields(header, &names, true), b"Subject: x\r\n y\r\nbroken\r\n\r\n");
    }
}
