//! PREVIEW (RFC 8970): made when it is asked for, of the beginning of the message's text, which is one read. So there
//! is nothing that LAZY could leave out.

use std::ops::Range;

use crate::base::limits::PREVIEW_OCTETS_MAX;
use crate::message::PartKind;
use crate::message::mime::TextDecoder;
use crate::message::preview::preview;
use crate::message::table::{PartTable, TableEntry};

use super::super::Session;
use super::super::refusal::Stop;
use super::gather::{Gathered, Octets};

/// Texts of a message that are looked at until one has words.
const TEXTS_MAX: usize = 4;

impl Session {
    /// The preview of a message; empty where there is none.
    pub(super) async fn preview(&mut self, message: &Gathered) -> Result<String, Stop> {
        let table = message.meta.as_ref().and_then(|meta| PartTable::decode(&meta.parts)).unwrap_or_default();
        let is_text = |entry: &&TableEntry| entry.kind == PartKind::Leaf && entry.is_text && !entry.body.is_empty();
        for entry in table.entries.iter().filter(is_text).take(TEXTS_MAX) {
            let octets = self.beginning(message, &entry.body).await?;
            let mut decoder = TextDecoder::new(entry.encoding, &entry.charset);
            let mut text = String::new();
            decoder.push(&octets, &mut text);
            if octets.len() as u64 == entry.body.end - entry.body.start {
                decoder.finish(&mut text);
            }
            let shown = preview(&text, entry.is_html);
            if !shown.is_empty() {
                return Ok(shown);
            }
        }
        Ok(String::new())
    }

    async fn beginning(&mut self, message: &Gathered, range: &Range<u64>) -> Result<Vec<u8>, Stop> {
        let count = (range.end - range.start).min(PREVIEW_OCTETS_MAX as u64) as usize;
        if let Octets::From0(octets) = &message.octets
            && let Some(here) = octets.get(range.start as usize..range.start as usize + count)
        {
            return Ok(here.to_vec());
        }
        let pieces = self.shared.store.pieces(vec![(message.fact.blob, range.start, count)]).await?;
        Ok(pieces.into_iter().next().flatten().unwrap_or_default())
    }
}
