//! Results that are kept up to date: SEARCH and SORT with UPDATE (RFC 5267 §4.3).
//!
//! A context is the search and what it came to. What changed in the mailbox is searched again each time that the client
//! is told of it, and nothing else.

use std::sync::Arc;

use crate::base::limits::{IMAP_CONTEXT_MESSAGES_MAX, IMAP_CONTEXTS_MAX};
use crate::base::{Snapshot, Uid, UidSet};
use crate::imap::command::{Criterion, FetchItem, Key};
use crate::imap::encode::search::update;
use crate::imap::query::Term;
use crate::imap::response::Completion;
use crate::imap::sequence::{Number, Places, SequenceSet, places_of};
use crate::imap::view::Changes;

use super::super::Session;
use super::super::refusal::{Done, Stop};
use super::find::Finding;
use super::order;
use super::test::{Question, Within};

/// The contexts of an open mailbox.
#[derive(Debug, Default)]
pub(in crate::server::imap) struct Contexts(Vec<Context>);

#[derive(Debug)]
struct Context {
    tag: String,
    by_uid: bool,
    keys: Vec<Term<Key>>,
    /// Of SORT.
    criteria: Option<Vec<Criterion>>,
    /// The result, in the order that the client knows.
    uids: Vec<Uid>,
    /// Whether something changed that could not be searched.
    is_behind: bool,
    /// What is told of new messages that fit.
    items: Vec<FetchItem>,
}

/// A search that asks for updates.
pub(super) struct Asked<'a> {
    pub tag: &'a str,
    pub by_uid: bool,
    pub keys: &'a [Term<Key>],
    pub criteria: Option<&'a [Criterion]>,
    pub items: &'a [FetchItem],
}

impl Contexts {
    fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|context| context.tag == tag)
    }

    fn messages(&self) -> usize {
        self.0.iter().map(|context| context.uids.len()).sum()
    }
}

impl Session {
    /// A tag names one context only (RFC 5267 §4.3).
    pub(super) fn check_tag(&self, tag: &str) -> Result<(), Stop> {
        match &self.open {
            Some(open) if open.contexts.has(tag) => Err(Completion::bad("Tag reuse").into()),
            _ => Ok(()),
        }
    }

    /// Keeps a result up to date from now on; tells the client where that cannot be.
    pub(super) fn keep_up(&mut self, asked: &Asked<'_>, question: &Question, order: &[usize]) {
        let Some(open) = &mut self.open else { return };
        let kept = open.contexts.messages() + order.len();
        if open.contexts.0.len() >= IMAP_CONTEXTS_MAX || kept > IMAP_CONTEXT_MESSAGES_MAX {
            let line = format!("* NO [NOUPDATE \"{}\"] Too many contexts\r\n", asked.tag);
            self.wire.out.extend_from_slice(line.as_bytes());
            return;
        }
        let messages = &question.view.messages;
        open.contexts.0.push(Context {
            tag: asked.tag.to_owned(),
            by_uid: asked.by_uid,
            keys: asked.keys.iter().map(|term| term.map(|key| by_uid(key, question, &open.saved))).collect(),
            criteria: asked.criteria.map(<[Criterion]>::to_vec),
            uids: order.iter().filter_map(|place| messages.uid(*place)).collect(),
            is_behind: false,
            items: asked.items.to_vec(),
        });
    }

    pub(in crate::server::imap) fn cancel_update(&mut self, tags: &[String]) -> Done {
        if let Some(open) = &mut self.open {
            if !tags.iter().all(|tag| open.contexts.has(tag)) {
                return Ok(Completion::bad("No search with this tag is kept up to date"));
            }
            open.contexts.0.retain(|context| !tags.contains(&context.tag));
        }
        Ok(Completion::ok("No further updates"))
    }

    /// Before EXPUNGE responses: messages that go leave every result, under the numbers that they still have.
    pub(in crate::server::imap) fn tell_contexts_of_expunged(&mut self, before: &Snapshot, changes: &Changes) {
        let Some(open) = &mut self.open else { return };
        if changes.vanished.is_empty() {
            return;
        }
        for context in &mut open.contexts.0 {
            let gone: Vec<Uid> =
                context.uids.iter().copied().filter(|uid| changes.vanished.binary_search(uid).is_ok()).collect();
            context.remove(&gone, before, &mut self.wire.out);
        }
    }

    /// Behind all other responses: what came and what changed is searched, and the difference told.
    /// `known`: how many messages were known before. Gives what is to be told of new messages that fit.
    pub(in crate::server::imap) async fn update_contexts(
        &mut self,
        changes: &Changes,
        known: usize,
    ) -> Result<Vec<(Vec<FetchItem>, Places)>, Stop> {
        let mut wanted = Vec::new();
        let Some(open) = &mut self.open else { return Ok(wanted) };
        let changed = !changes.flags.is_empty() || changes.exists.is_some();
        if open.contexts.0.is_empty() || !(changed || open.contexts.0.iter().any(|context| context.is_behind)) {
            return Ok(wanted);
        }
        let mut contexts = std::mem::take(&mut open.contexts.0);
        let view = open.view.clone();
        let mut places = changes.flags.clone();
        let mut new = Places::default();
        new.push_range(known..changes.exists.unwrap_or(known));
        places.push_range(known..changes.exists.unwrap_or(known));
        let mut ended = Ok(());
        for context in &mut contexts {
            let done = self.update_context(context, &view, &places).await;
            context.is_behind = done.is_err();
            match done {
                Ok(added) if !context.items.is_empty() => wanted.push((context.items.clone(), added.both(&new))),
                Err(Stop::Wire(e)) => {
                    ended = Err(Stop::Wire(e));
                    break;
                }
                _ => {}
            }
        }
        if let Some(open) = &mut self.open {
            open.contexts.0 = contexts;
        }
        ended.map(|()| wanted)
    }

    /// Gives the messages that came into the result.
    async fn update_context(
        &mut self,
        context: &mut Context,
        view: &Snapshot,
        places: &Places,
    ) -> Result<Places, Stop> {
        let mailbox = self.open()?.mailbox;
        let (saved, recent) = self.sets_of(mailbox);
        let within = Within { mailbox, view, saved: &saved, recent: &recent };
        let question = Arc::new(Question::new(&context.keys, &within, self.shared.world.clock.wall()));
        let all = Places::first(view.count());
        let places = if context.is_behind { &all } else { places };
        let finding = Finding { shared: &self.shared, question: question.clone() };
        let fits = finding.find_among(&question.candidates().both(places)).await?;
        let known: UidSet = context.uids.iter().copied().collect();
        let was = places_of(&known, &view.messages);
        let added = fits.without(&was);
        let gone = was.both(places).without(&fits);
        let gone: Vec<Uid> = gone.uids(&view.messages).iter().collect();
        context.remove(&gone, view, &mut self.wire.out);
        if added.is_empty() {
            return Ok(added);
        }
        let order = match &context.criteria {
            None => None,
            Some(criteria) => {
                let left: UidSet = context.uids.iter().copied().chain(added.uids(&view.messages).iter()).collect();
                let left = places_of(&left, &view.messages);
                Some(order::sorted(&self.shared, &question, &left, criteria, &[]).await?)
            }
        };
        context.add(&added, order.as_deref(), view, &mut self.wire.out);
        Ok(added)
    }
}

impl Context {
    /// Takes messages out of the result, and tells of it.
    fn remove(&mut self, gone: &[Uid], view: &Snapshot, out: &mut Vec<u8>) {
        if gone.is_empty() {
            return;
        }
        let mut sorted = gone.to_vec();
        sorted.sort_unstable();
        let is_gone = |uid: &Uid| sorted.binary_search(uid).is_ok();
        let changes = match &self.criteria {
            None => vec![(0, sorted.iter().filter_map(|uid| self.name(*uid, view)).collect())],
            Some(_) => {
                // From behind, so that each position still means what it says.
                let at = self.uids.iter().enumerate().rev().filter(|(_, uid)| is_gone(uid));
                at.filter_map(|(at, uid)| Some((at + 1, vec![self.name(*uid, view)?]))).collect()
            }
        };
        update(out, &self.tag, self.by_uid, "REMOVEFROM", &changes);
        self.uids.retain(|uid| !is_gone(uid));
    }

    /// Puts messages into the result, which has the places in `order` then, and tells of it.
    fn add(&mut self, added: &Places, order: Option<&[usize]>, view: &Snapshot, out: &mut Vec<u8>) {
        let messages = &view.messages;
        let changes = match order {
            None => {
                let uids = added.uids(messages);
                self.uids.extend(uids.iter());
                self.uids.sort_unstable();
                vec![(0, uids.iter().filter_map(|uid| self.name(uid, view)).collect())]
            }
            Some(order) => {
                self.uids = order.iter().filter_map(|place| messages.uid(*place)).collect();
                let at = order.iter().enumerate().filter(|(_, place)| added.contains(**place));
                let name = |place: usize| self.name(messages.uid(place)?, view);
                at.filter_map(|(at, place)| Some((at + 1, vec![name(*place)?]))).collect()
            }
        };
        update(out, &self.tag, self.by_uid, "ADDTO", &changes);
    }

    /// A message's UID, or its number in a view.
    fn name(&self, uid: Uid, view: &Snapshot) -> Option<u32> {
        if self.by_uid { Some(uid) } else { view.place(uid).map(|place| place as u32 + 1) }
    }
}

/// The same key by UID: message numbers, and `$`, mean what they meant when the command came.
fn by_uid(key: &Key, question: &Question, saved: &UidSet) -> Key {
    let messages = &question.view.messages;
    let places = match key {
        Key::Numbers(set) => set.by_number_found(messages, saved),
        Key::Uids(SequenceSet::Saved) => places_of(saved, messages),
        _ => return key.clone(),
    };
    let uids = places.uids(messages);
    Key::Uids(SequenceSet::Ranges(uids.ranges().iter().map(|(a, b)| (Number::Is(*a), Number::Is(*b))).collect()))
}
