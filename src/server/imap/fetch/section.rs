//! BODY[...], BINARY[...] and BINARY.SIZE[...]: which octets they mean, and writing them (RFC 9051 §6.4.5.1).

use std::ops::Range;

use smol::future::zip;

use crate::base::BlobId;
use crate::base::limits::FETCH_PIECE_OCTETS;
use crate::imap::command::{Section, SectionText};
use crate::imap::encode::fetch::Response;
use crate::imap::response::{Completion, number};
use crate::message::mime::Decoder;
use crate::message::table::{Encoding, PartTable, Section as PartSection};

use super::super::Session;
use super::super::refusal::Stop;
use super::fields::Chooser;
use super::gather::{Gathered, Octets};
use super::{CORRUPTION, announce};

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
        self.check_whole(message, &located.range).await?;
        let plain = located.encoding == Encoding::Identity;
        if let SectionText::Fields { names, not } = &section.text {
            self.made(|| Chooser::new(names, *not), &located.range, section.partial, message).await?;
        } else if plain {
            let range = partial_of(&located.range, section.partial);
            self.plain(range, message, section.decoded).await?;
        } else {
            self.made(|| Decoder::new(located.encoding), &located.range, section.partial, message).await?;
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
            Some(located) if known => {
                self.check_whole(message, &located.range).await?;
                self.decode(located, message, &mut |_| {}).await?.0
            }
            _ => 0,
        };
        number(Response::resume(&mut self.wire.out, first).item_out(label), octets);
        Ok(known)
    }

    /// Fails where a message has fewer octets than it should, before any of them are announced.
    async fn check_whole(&mut self, message: &Gathered, range: &Range<u64>) -> Result<(), Stop> {
        let is_there = match &message.octets {
            Octets::From0(octets) => range.end <= octets.len() as u64,
            Octets::Kept if range.is_empty() => true,
            Octets::Kept => {
                let last = self.shared.store.pieces(vec![(message.fact.blob, range.end - 1, 1)]).await?;
                // One that has gone meanwhile is not damaged: reading it says so.
                last.into_iter().next().flatten().is_none_or(|octets| !octets.is_empty())
            }
        };
        if is_there { Ok(()) } else { Err(Completion::no(CORRUPTION, "A message cannot be read").into()) }
    }

    /// Octets as they are, from memory or from the store in pieces.
    async fn plain(&mut self, range: Range<u64>, message: &Gathered, binary: bool) -> Result<(), Stop> {
        if let Some(octets) = in_memory(message, &range) {
            let binary = binary && memchr::memchr(0, octets).is_some();
            announce(&mut self.wire.out, octets.len() as u64, binary);
            let from = self.wire.out.len();
            self.wire.out.extend_from_slice(octets);
            if !binary {
                without_nul(self.wire.out.get_mut(from..).unwrap_or_default());
            }
            return Ok(());
        }
        // BINARY of what may hold NUL: a literal8 is right for any octets.
        announce(&mut self.wire.out, range.end - range.start, binary);
        self.wire.flush().await?;
        let store = self.shared.store.clone();
        let mut pieces = Pieces { blob: message.fact.blob, range };
        let mut piece = pieces.next(&store).await?;
        while !piece.is_empty() {
            if !binary {
                without_nul(&mut piece);
            }
            let (written, next) = zip(self.wire.write(&piece), pieces.next(&store)).await;
            written?;
            piece = next?;
        }
        // The client was promised more than there is: nothing that could be said would be understood.
        if pieces.range.is_empty() { Ok(()) } else { Err(broken()) }
    }

    /// Octets that `make` makes of a range. What is not in memory is gone through twice: first to say how much it is.
    async fn made<M: Make>(
        &mut self,
        make: impl Fn() -> M,
        range: &Range<u64>,
        partial: Option<(u64, u64)>,
        message: &Gathered,
    ) -> Result<(), Stop> {
        if let Some(octets) = in_memory(message, range) {
            let (mut maker, mut all) = (make(), Vec::with_capacity(octets.len()));
            maker.push(octets, &mut all);
            maker.finish(&mut all);
            let part = within(&all, partial);
            announce(&mut self.wire.out, part.len() as u64, M::BINARY && memchr::memchr(0, part).is_some());
            self.wire.out.extend_from_slice(part);
            return Ok(());
        }
        let store = self.shared.store.clone();
        let mut octets = 0;
        let mut run = Run::new(make(), message.fact.blob, range);
        while let Some(out) = run.next(&store).await? {
            octets += out.len() as u64;
        }
        let wanted = partial_of(&(0..octets), partial);
        announce(&mut self.wire.out, wanted.end - wanted.start, M::BINARY);
        let mut run = Run::new(make(), message.fact.blob, range);
        let mut at = 0;
        while let Some(out) = run.next(&store).await? {
            let here = at..at + out.len() as u64;
            let (from, to) = (wanted.start.clamp(here.start, here.end), wanted.end.clamp(here.start, here.end));
            let part = out.get((from - here.start) as usize..(to - here.start) as usize).unwrap_or_default();
            self.wire.out.extend_from_slice(part);
            at = here.end;
            self.wire.relieve().await?;
        }
        if at == octets { Ok(()) } else { Err(broken()) }
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
}

/// A literal cannot be completed: only the end of the connection tells the client.
fn broken() -> Stop {
    Stop::Wire(std::io::ErrorKind::UnexpectedEof.into())
}

/// NUL, which only a literal8 may hold (RFC 9051 §4.3), becomes 0x80: lengths stay, and so do all offsets.
fn without_nul(octets: &mut [u8]) {
    let mut from = 0;
    while let Some(at) = memchr::memchr(0, octets.get(from..).unwrap_or_default()) {
        if let Some(octet) = octets.get_mut(from + at) {
            *octet = 0x80;
        }
        from += at + 1;
    }
}

/// Makes octets of others, piece by piece.
trait Make {
    /// Whether NUL may come of it.
    const BINARY: bool;
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>);
    fn finish(&mut self, out: &mut Vec<u8>);
}

impl Make for Decoder {
    const BINARY: bool = true;
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        Decoder::push(self, piece, out);
    }
    fn finish(&mut self, out: &mut Vec<u8>) {
        Decoder::finish(self, out);
    }
}

impl Make for Chooser<'_> {
    const BINARY: bool = false;
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        Chooser::push(self, piece, out);
        without_nul(out.get_mut(from..).unwrap_or_default());
    }
    fn finish(&mut self, out: &mut Vec<u8>) {
        Chooser::finish(self, out);
    }
}

/// One run through a range of a message that stays where it is kept.
struct Run<M> {
    maker: M,
    pieces: Pieces,
    ended: bool,
}

impl<M: Make> Run<M> {
    fn new(maker: M, blob: BlobId, range: &Range<u64>) -> Run<M> {
        Run { maker, pieces: Pieces { blob, range: range.clone() }, ended: false }
    }

    /// What comes of the next piece; `None` behind the last.
    async fn next(&mut self, store: &crate::store::Store) -> Result<Option<Vec<u8>>, Stop> {
        if self.ended {
            return Ok(None);
        }
        let piece = self.pieces.next(store).await?;
        let mut out = Vec::new();
        self.maker.push(&piece, &mut out);
        if piece.is_empty() {
            self.maker.finish(&mut out);
            self.ended = true;
        }
        Ok(Some(out))
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
    fn nul_is_replaced() {
        for (octets, want) in [(&b""[..], &b""[..]), (b"\0", b"\x80"), (b"a\0\0b\0", b"a\x80\x80b\x80"), (b"ab", b"ab")]
        {
            let mut octets = octets.to_vec();
            without_nul(&mut octets);
            assert_eq!(octets, want);
        }
    }
}
