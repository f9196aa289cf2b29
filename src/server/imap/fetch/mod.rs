//! FETCH and UID FETCH (RFC 9051 §6.4.5).
//!
//! What the view knows (UID, FLAGS, MODSEQ) is written without asking the store. For the rest messages are
//! gathered in batches, the next one read while the last one is written; large bodies pass in pieces.

mod fields;
pub(super) mod gather;
mod preview;
mod section;

use std::borrow::Cow;

use crate::base::snapshot::{Message, Messages};
use crate::base::{Flags, ModSeq, Snapshot, Uid, UidSet};
use crate::imap::command::{Fetch, FetchItem, Section, SectionText};
use crate::imap::encode::envelope::told;
use crate::imap::encode::fetch::Response;
use crate::imap::encode::structure::without_extensions;
use crate::imap::response::{Completion, number, string};
use crate::imap::sequence::Places;
use crate::imap::session::Enabled;
use crate::store::{FlagChange, FlagHow, MetaColumns};

use super::Session;
use super::open::Told;
use super::refusal::{Done, Stop};
use gather::{Gathered, Gatherer, Needs};

/// A FETCH under way.
struct Plan<'a> {
    items: &'a [FetchItem],
    view: Snapshot,
    /// Messages that are `\\Recent`.
    recent: UidSet,
    /// Messages that became `\Seen` by this command: their flags are told with it.
    seen: Places,
    enabled: Enabled,
}

impl Session {
    pub(super) async fn fetch(&mut self, fetch: &Fetch) -> Done {
        if fetch.changed_since.is_some() || fetch.items.contains(&FetchItem::ModSeq) {
            self.know_condstore();
        }
        if fetch.vanished && !self.enabled.qresync {
            return Ok(Completion::bad("QRESYNC must be enabled first"));
        }
        let items = items_told(&fetch.items, self.enabled);
        let open = self.open()?;
        let mut places = open.places(&fetch.set, fetch.by_uid)?;
        if let Some(partial) = fetch.partial {
            places = places.part_of(partial);
        }
        if let Some(since) = fetch.changed_since.filter(|_| fetch.vanished) {
            let known = fetch.set.uids(&open.view.messages, &open.saved);
            self.tell_vanished(&known, since).await?;
        }
        let open = self.open()?;
        if let Some(since) = fetch.changed_since {
            places = changed_since(&places, &open.view.messages, since);
        }
        let seen =
            if sets_seen(&fetch.items) && !open.read_only { self.mark_seen(&places).await? } else { Places::default() };
        let outcome = self.write_messages(&items, &places, seen).await?;
        Ok(if outcome.damaged {
            Completion::no(CORRUPTION, "Some of the messages cannot be read, the others were told")
        } else if outcome.unknown_encoding {
            Completion::no("UNKNOWN-CTE", "A part has a transfer encoding that is not known")
        } else if outcome.missing && !fetch.by_uid {
            Completion::no("EXPUNGEISSUED", "Some of the messages are gone")
        } else {
            Completion::ok("Fetch completed")
        })
    }

    /// FETCH responses that were asked for before, by NOTIFY or a search: with the UID, and without setting `\\Seen`.
    pub(super) async fn tell_messages(&mut self, items: &[FetchItem], places: &Places) -> Result<(), Stop> {
        let mut items = items.to_vec();
        if !items.contains(&FetchItem::Uid) {
            items.insert(0, FetchItem::Uid);
        }
        let items = items_told(&items, self.enabled);
        self.write_messages(&items, places, Places::default()).await.map(drop)
    }

    /// Writes these items of messages. `seen`: those that became `\\Seen` by this command.
    async fn write_messages(&mut self, items: &[FetchItem], places: &Places, seen: Places) -> Result<Outcome, Stop> {
        let (view, recent) = (self.open()?.view.clone(), self.open()?.recent.clone());
        let plan = Plan { items, view, recent, seen, enabled: self.enabled };
        let mut outcome = Outcome::default();
        let Some(needs) = needs(items) else {
            self.fetch_from_view(&plan, places).await?;
            return Ok(outcome);
        };
        let mailbox = self.open()?.mailbox;
        let mut gatherer = Gatherer::new(self.shared.store.clone(), mailbox, &plan.view, places, needs);
        let mut batch = gatherer.next().await?;
        while let Some(messages) = batch {
            // The next batch is asked for before this one is written.
            let (next, known) = smol::future::zip(gatherer.next(), self.fetch_batch(&plan, &messages)).await;
            let known = known?;
            outcome.unknown_encoding |= known.unknown_encoding;
            outcome.damaged |= known.damaged;
            batch = next?;
        }
        outcome.missing = gatherer.missing() > 0;
        Ok(outcome)
    }

    /// Sets `\Seen` where it is not set, and gives the places where it was set.
    async fn mark_seen(&mut self, places: &Places) -> Result<Places, Stop> {
        let open = self.open()?;
        let mut unseen = Places::default();
        for (first, part) in places.parts(&open.view.messages) {
            let flags = (first..).zip(part.flags);
            flags.filter(|(_, flags)| !flags.contains(Flags::SEEN)).for_each(|(place, _)| unseen.push(place));
        }
        if unseen.is_empty() {
            return Ok(unseen);
        }
        let uids = unseen.uids(&open.view.messages);
        let change = FlagChange { how: FlagHow::Add, flags: Flags::SEEN, keywords: Vec::new() };
        let done = self.shared.store.change_flags(open.mailbox, uids, change, None).await?;
        let told = Told { hidden: Some(&done), ..Told::default() };
        self.sync(false, told).await?;
        Ok(unseen)
    }

    /// Answers from the view alone.
    async fn fetch_from_view(&mut self, plan: &Plan<'_>, places: &Places) -> Result<(), Stop> {
        for (first, part) in places.parts(&plan.view.messages) {
            for (place, message) in (first..).zip(part.iter()) {
                let mut response = plan.begin(&mut self.wire.out, place, message.uid);
                for item in plan.items {
                    plan.item_of_view(item, &message, &mut response);
                }
                response.end();
                self.wire.relieve().await?;
            }
        }
        Ok(())
    }

    /// Writes a batch.
    async fn fetch_batch(&mut self, plan: &Plan<'_>, messages: &[Gathered]) -> Result<Outcome, Stop> {
        let mut outcome = Outcome::default();
        for message in messages {
            self.fetch_one(plan, message, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// Writes one message's answer. Of a message that cannot be read, what there is, and NIL for the rest. An answer
    /// that cannot be completed is taken back, or, where some of it is on its way, ends the connection: a tagged NO
    /// in the middle of a literal would be taken for its octets.
    async fn fetch_one(&mut self, plan: &Plan<'_>, message: &Gathered, outcome: &mut Outcome) -> Result<(), Stop> {
        let mark = self.wire.mark();
        outcome.damaged |= message.damaged;
        match self.fetch_items(plan, message).await {
            Ok(known) => outcome.unknown_encoding |= !known,
            Err(Stop::Completion(_)) if !self.wire.take_back(mark) => {
                self.wire.out.clear();
                return Err(Stop::Wire(std::io::ErrorKind::UnexpectedEof.into()));
            }
            Err(Stop::Completion(answer)) if answer.code == CORRUPTION && !message.damaged => {
                outcome.damaged = true;
                self.fetch_items(plan, &message.as_damaged()).await?;
            }
            Err(stop) => return Err(stop),
        }
        Ok(())
    }

    async fn fetch_items(&mut self, plan: &Plan<'_>, message: &Gathered) -> Result<bool, Stop> {
        let mut known = true;
        plan.begin(&mut self.wire.out, message.place, message.message.uid);
        let mut first = true;
        for item in plan.items {
            match item {
                FetchItem::Section(Section { label, .. }) | FetchItem::BinarySize { label, .. } if message.damaged => {
                    Response::resume(&mut self.wire.out, first).item_out(label).extend_from_slice(b"NIL");
                }
                FetchItem::Preview if message.damaged => {
                    Response::resume(&mut self.wire.out, first).item_out(b"PREVIEW").extend_from_slice(b"NIL");
                }
                FetchItem::Section(section) => known &= self.section(section, message, first).await?,
                FetchItem::BinarySize { part, label } => {
                    known &= self.binary_size(part, label, message, first).await?;
                }
                FetchItem::Preview => {
                    let preview = self.preview(message).await?;
                    let mut response = Response::resume(&mut self.wire.out, first);
                    string(response.item(b"PREVIEW"), preview.as_bytes());
                }
                _ => {
                    plan.item(item, message, &mut Response::resume(&mut self.wire.out, first));
                }
            }
            first = false;
        }
        let mut response = Response::resume(&mut self.wire.out, first);
        if plan.seen.contains(message.place) && !plan.items.contains(&FetchItem::Flags) {
            plan.item_of_view(&FetchItem::Flags, &message.message, &mut response);
            if plan.enabled.condstore && !plan.items.contains(&FetchItem::ModSeq) {
                plan.item_of_view(&FetchItem::ModSeq, &message.message, &mut response);
            }
        }
        response.end();
        self.wire.relieve().await?;
        Ok(known)
    }
}

/// What came of a batch beside its answers.
#[derive(Debug, Clone, Copy, Default)]
struct Outcome {
    /// A part has a transfer encoding that is not known.
    unknown_encoding: bool,
    /// A message could not be read.
    damaged: bool,
    /// A message is gone.
    missing: bool,
}

/// The response code for what cannot be read (RFC 5530 §3).
const CORRUPTION: &str = "CORRUPTION";

impl Plan<'_> {
    fn begin<'o>(&self, out: &'o mut Vec<u8>, place: usize, uid: Uid) -> Response<'o> {
        if self.enabled.uid_only { Response::begin_uid(out, uid) } else { Response::begin(out, place) }
    }

    fn item_of_view(&self, item: &FetchItem, message: &Message, response: &mut Response<'_>) {
        match item {
            FetchItem::Uid => response.uid(message.uid),
            FetchItem::Flags => {
                response.flags(message.flags, &self.view.keywords, self.recent.contains(message.uid));
            }
            FetchItem::ModSeq => response.mod_seq(message.mod_seq),
            _ => {}
        }
    }

    fn item(&self, item: &FetchItem, message: &Gathered, response: &mut Response<'_>) {
        let nil = |text: &[u8]| if text.is_empty() { b"NIL".to_vec() } else { Vec::new() };
        let meta = message.meta.as_ref();
        let mut text = |name: &str, text: &[u8]| {
            let out = response.item(name.as_bytes());
            out.extend_from_slice(text);
            out.extend_from_slice(&nil(text));
        };
        match item {
            FetchItem::InternalDate => response.internal_date(message.fact.internal_date),
            FetchItem::Size => response.size(message.fact.size),
            FetchItem::EmailId => response.email_id(message.fact.blob),
            FetchItem::ThreadId => response.item(b"THREADID").extend_from_slice(b"NIL"),
            FetchItem::Envelope => text("ENVELOPE", meta.map_or(&[], |meta| told(&meta.envelope))),
            FetchItem::BodyStructure => text("BODYSTRUCTURE", meta.map_or(&[], |meta| &meta.structure)),
            FetchItem::Body => text("BODY", &meta.map_or(Vec::new(), |meta| without_extensions(&meta.structure))),
            _ => self.item_of_view(item, &message.message, response),
        }
    }
}

/// What is answered: what was asked for, and the modification sequence wherever a client that knows CONDSTORE is told
/// flags (RFC 7162 §3.1).
fn items_told(items: &[FetchItem], enabled: Enabled) -> Cow<'_, [FetchItem]> {
    // UIDFETCH has the UID in front (RFC 9586 §3.3).
    if enabled.uid_only && items.len() > 1 && items.contains(&FetchItem::Uid) {
        let others: Vec<_> = items.iter().filter(|item| **item != FetchItem::Uid).cloned().collect();
        return items_told(&others, enabled).into_owned().into();
    }
    if enabled.condstore && items.contains(&FetchItem::Flags) && !items.contains(&FetchItem::ModSeq) {
        return [items, &[FetchItem::ModSeq]].concat().into();
    }
    items.into()
}

/// The messages changed after `since`.
pub(super) fn changed_since(places: &Places, messages: &Messages, since: ModSeq) -> Places {
    let mut changed = Places::default();
    for (first, part) in places.parts(messages) {
        let newer = (first..).zip(part.mod_seqs).filter(|(_, mod_seq)| **mod_seq > since);
        newer.for_each(|(place, _)| changed.push(place));
    }
    changed
}

fn sets_seen(items: &[FetchItem]) -> bool {
    items.iter().any(|item| matches!(item, FetchItem::Section(section) if !section.peek))
}

/// What must be asked of the store; `None` where the view knows it all.
fn needs(items: &[FetchItem]) -> Option<Needs> {
    let mut needs = Needs::default();
    let mut facts = false;
    for item in items {
        let mut columns = needs.metas.unwrap_or_default();
        match item {
            FetchItem::Uid | FetchItem::Flags | FetchItem::ModSeq => continue,
            FetchItem::Envelope => columns.envelope = true,
            FetchItem::Body | FetchItem::BodyStructure => columns.structure = true,
            FetchItem::Section(section) if !section.part.is_empty() => (columns.parts, needs.bodies) = (true, true),
            FetchItem::Section(section) => match section.text {
                SectionText::Header | SectionText::Fields { .. } => needs.headers = true,
                SectionText::All => needs.bodies = true,
                SectionText::Text | SectionText::Mime => (columns.parts, needs.bodies) = (true, true),
            },
            FetchItem::Preview => columns.parts = true,
            FetchItem::BinarySize { .. } => (columns.parts, needs.bodies) = (true, true),
            FetchItem::InternalDate | FetchItem::Size | FetchItem::EmailId | FetchItem::ThreadId => {}
        }
        facts = true;
        if columns != MetaColumns::default() || needs.headers {
            needs.metas = Some(columns);
        }
    }
    facts.then_some(needs)
}

/// `{n}` or `~{n}`: the announcement of a section's octets.
fn announce(out: &mut Vec<u8>, octets: u64, binary: bool) {
    if binary {
        out.push(b'~');
    }
    out.push(b'{');
    number(out, octets);
    out.extend_from_slice(b"}\r\n");
}
