//! Looking for texts in a message: fields with their encoded words decoded, text parts with transfer encoding and
//! charset taken off, all folded (`message::fold`). Memory is a piece and a needle's length, whatever the message's
//! size.

use std::ops::Range;

use crate::base::BlobId;
use crate::base::limits::{FETCH_PIECE_OCTETS, HEADER_OCTETS_MAX};
use crate::message::encoded_word::decode;
use crate::message::fold::{Folder, fold};
use crate::message::header::name_of;
use crate::message::html::HtmlText;
use crate::message::mime::TextDecoder;
use crate::message::table::{Encoding, PartTable, TableEntry};
use crate::message::{Field, PartKind, fields};
use crate::store::Store;

use super::super::fetch::gather::{Gathered, Octets};
use super::super::refusal::Stop;
use super::test::{NeedlePlace, Question};

/// Octets decoded at once.
const STEP_OCTETS: usize = 32 * 1024;

/// Which needles were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hits(Vec<bool>);

impl Hits {
    pub fn has(&self, index: usize) -> bool {
        self.0.get(index).copied().unwrap_or(false)
    }
}

/// Searches a message held in memory.
pub(super) fn scan(question: &Question, message: &Gathered) -> Hits {
    let mut scan = Scan::new(question);
    let Octets::From0(octets) = &message.octets else { return scan.hits };
    let part = |range: &std::ops::Range<u64>| octets.get(range.start as usize..range.end as usize).unwrap_or_default();
    for (index, entry) in entries(message).iter().enumerate() {
        scan.header(part(&entry.header), index == 0);
        if scan.wants_body() && is_searched(entry) {
            let mut decoder = TextDecoder::new(entry.encoding, &entry.charset);
            scan.begin_text(entry);
            for step in part(&entry.body).chunks(STEP_OCTETS) {
                scan.text(|out| decoder.push(step, out));
            }
            scan.text(|out| decoder.finish(out));
            scan.end_of_text();
        }
    }
    scan.hits
}

/// Searches a message that stays where it is kept, piece by piece.
pub(super) async fn scan_kept(store: &Store, question: &Question, message: &Gathered) -> Result<Hits, Stop> {
    let mut scan = Scan::new(question);
    let blob = message.fact.blob;
    for (index, entry) in entries(message).iter().enumerate() {
        scan_header(&mut scan, store, blob, &entry.header, index == 0).await?;
        if !scan.wants_body() || !is_searched(entry) {
            continue;
        }
        let mut decoder = TextDecoder::new(entry.encoding, &entry.charset);
        scan.begin_text(entry);
        let mut at = entry.body.start;
        while at < entry.body.end {
            let octets = (entry.body.end - at).min(FETCH_PIECE_OCTETS as u64) as usize;
            let piece = store.body(blob, at, octets).await?;
            if piece.is_empty() {
                break;
            }
            at += piece.len() as u64;
            for step in piece.chunks(STEP_OCTETS) {
                scan.text(|out| decoder.push(step, out));
            }
        }
        scan.text(|out| decoder.finish(out));
        scan.end_of_text();
    }
    Ok(scan.hits)
}

/// A header piece by piece, field by field; of a field over `HEADER_OCTETS_MAX` each piece is looked at by itself.
async fn scan_header(
    scan: &mut Scan<'_>,
    store: &Store,
    blob: BlobId,
    range: &Range<u64>,
    own: bool,
) -> Result<(), Stop> {
    let mut held = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let octets = (range.end - at).min(FETCH_PIECE_OCTETS as u64) as usize;
        let piece = store.body(blob, at, octets).await?;
        if piece.is_empty() {
            break;
        }
        at += piece.len() as u64;
        held.extend_from_slice(&piece);
        let complete = if at < range.end { fields(&held).last().map_or(0, |field| field.at) } else { held.len() };
        if complete > 0 {
            scan.header(held.get(..complete).unwrap_or_default(), own);
            held.drain(..complete);
        } else if held.len() > HEADER_OCTETS_MAX {
            scan.header(&held, own);
            held = [name_of(&held), b": "].concat();
        }
    }
    Ok(())
}

/// The message's parts; without a part table, its header and the rest as text.
fn entries(message: &Gathered) -> Vec<TableEntry> {
    let meta = message.meta.as_ref();
    if let Some(table) = meta.and_then(|meta| PartTable::decode(&meta.parts)) {
        return table.entries;
    }
    let header = meta.map_or(0, |meta| u64::from(meta.header_octets)).min(message.fact.size);
    vec![TableEntry {
        kind: PartKind::Leaf,
        end: 1,
        header: 0..header,
        body: header..message.fact.size,
        encoding: Encoding::Identity,
        charset: String::new(),
        is_text: true,
        is_html: false,
    }]
}

/// Text is searched, pictures and the like are not. What is inside a multipart or message comes as parts of its own.
fn is_searched(entry: &TableEntry) -> bool {
    entry.kind == PartKind::Leaf && entry.is_text
}

struct Scan<'q> {
    question: &'q Question,
    hits: Hits,
    decoded: String,
    /// The text as it was sent.
    sent: Window,
    /// What a reader sees of HTML.
    shown: Window,
    html: Option<HtmlText>,
    visible: String,
    /// Octets of the longest needle.
    longest: usize,
}

/// Folded text: the end of the last piece, then the present one.
#[derive(Default)]
struct Window {
    folder: Folder,
    text: String,
}

impl<'q> Scan<'q> {
    fn new(question: &'q Question) -> Self {
        let longest = question.needles.iter().map(|needle| needle.text.needle().len()).max().unwrap_or(0);
        Self {
            question,
            hits: Hits(vec![false; question.needles.len()]),
            decoded: String::new(),
            sent: Window::default(),
            shown: Window::default(),
            html: None,
            visible: String::new(),
            longest,
        }
    }

    /// Whether a text in the body is still looked for.
    fn wants_body(&self) -> bool {
        let open =
            |(needle, hit): (&super::test::Needle, &bool)| !hit && !matches!(needle.place, NeedlePlace::Field(_));
        self.question.needles.iter().zip(&self.hits.0).any(open)
    }

    /// A header: the message's own, or one within its body.
    fn header(&mut self, header: &[u8], own: bool) {
        for field in fields(header) {
            let mut value = None;
            for (needle, hit) in self.question.needles.iter().zip(self.hits.0.iter_mut()) {
                let here = match &needle.place {
                    NeedlePlace::Field(name) => own && field.name.eq_ignore_ascii_case(name.as_bytes()),
                    NeedlePlace::Body => !own,
                    NeedlePlace::Text => true,
                };
                if *hit || !here {
                    continue;
                }
                let value = value.get_or_insert_with(|| Folded::of(&field));
                let text = if matches!(needle.place, NeedlePlace::Field(_)) { &value.body } else { &value.whole };
                *hit = needle.text.find(text.as_bytes()).is_some();
            }
        }
    }

    /// A text begins.
    fn begin_text(&mut self, entry: &TableEntry) {
        self.html = entry.is_html.then(HtmlText::default);
    }

    /// The next piece of a text, which `decode` adds to what it is given.
    fn text(&mut self, decode: impl FnOnce(&mut String)) {
        self.decoded.clear();
        decode(&mut self.decoded);
        self.sent.push(&self.decoded, self.question, &mut self.hits, self.longest);
        if let Some(html) = &mut self.html {
            self.visible.clear();
            html.push(&self.decoded, &mut self.visible);
            self.shown.push(&self.visible, self.question, &mut self.hits, self.longest);
        }
    }

    fn end_of_text(&mut self) {
        if let Some(html) = &mut self.html {
            self.visible.clear();
            html.finish(&mut self.visible);
            self.shown.push(&self.visible, self.question, &mut self.hits, self.longest);
            self.shown.finish(self.question, &mut self.hits);
        }
        self.sent.finish(self.question, &mut self.hits);
    }
}

impl Window {
    fn push(&mut self, text: &str, question: &Question, hits: &mut Hits, longest: usize) {
        self.folder.push(text, &mut self.text);
        self.look(question, hits);
        let mut keep_from = self.text.len().saturating_sub(longest);
        while !self.text.is_char_boundary(keep_from) {
            keep_from -= 1;
        }
        self.text.drain(..keep_from);
    }

    fn finish(&mut self, question: &Question, hits: &mut Hits) {
        let before = self.text.len();
        self.folder.finish(&mut self.text);
        if self.text.len() > before {
            self.look(question, hits);
        }
        self.text.clear();
    }

    /// Looks for what is still to be found.
    fn look(&self, question: &Question, hits: &mut Hits) {
        for (needle, hit) in question.needles.iter().zip(hits.0.iter_mut()) {
            if !*hit && !matches!(needle.place, NeedlePlace::Field(_)) {
                *hit = needle.text.find(self.text.as_bytes()).is_some();
            }
        }
    }
}

/// A field as it is searched.
struct Folded {
    body: String,
    whole: String,
}

impl Folded {
    fn of(field: &Field<'_>) -> Folded {
        let body = fold(&decode(field.body));
        let name = String::from_utf8_lossy(field.name).to_ascii_lowercase();
        let whole = if name.is_empty() { fold(&decode(field.raw)) } else { format!("{name}: {body}") };
        Folded { body, whole }
    }
}
