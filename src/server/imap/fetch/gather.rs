//! Brings what is kept of many messages, in order, in batches of bounded memory.

use std::collections::VecDeque;

use crate::base::limits::{FETCH_BATCH_MESSAGES_MAX, FETCH_BATCH_OCTETS_MAX, FETCH_FACTS_MAX, HEADER_OCTETS_MAX};
use crate::base::snapshot::{Message, Messages};
use crate::base::{MailboxId, Result, Snapshot, UidSet};
use crate::imap::sequence::Places;
use crate::store::{BlobMeta, Fact, MetaColumns, Store, described_together};

/// What is wanted beside the facts.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::server::imap) struct Needs {
    /// What was computed at delivery: these columns of it.
    pub metas: Option<MetaColumns>,
    /// The message's own header; comes with `metas`.
    pub headers: bool,
    /// All octets.
    pub bodies: bool,
}

/// A message and what was wanted of it.
#[derive(Debug)]
pub(in crate::server::imap) struct Gathered {
    pub place: usize,
    pub message: Message,
    pub fact: Fact,
    pub meta: Option<BlobMeta>,
    pub octets: Octets,
}

/// What of a message's octets is in memory.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server::imap) enum Octets {
    /// So much from the beginning: all, or the header.
    From0(Vec<u8>),
    /// Nothing: to be read in pieces.
    Kept,
}

/// Goes through messages by place.
pub(in crate::server::imap) struct Gatherer {
    store: Store,
    mailbox: MailboxId,
    view: Messages,
    /// Those not asked about yet.
    places: Places,
    facts: VecDeque<(usize, Message, Fact)>,
    needs: Needs,
    missing: usize,
}

impl Gatherer {
    pub fn new(store: Store, mailbox: MailboxId, view: &Snapshot, places: &Places, needs: Needs) -> Self {
        let (view, places) = (view.messages.clone(), places.clone());
        Self { store, mailbox, view, places, facts: VecDeque::new(), needs, missing: 0 }
    }

    /// How many messages were gone.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The next messages; `None` behind the last.
    pub async fn next(&mut self) -> Result<Option<Vec<Gathered>>> {
        while self.facts.is_empty() {
            if self.places.is_empty() {
                return Ok(None);
            }
            self.read_facts().await?;
        }
        if self.needs.bodies {
            return self.with_bodies().await.map(Some);
        }
        let sizes = self.facts.iter().map(|(.., fact)| fact.size);
        let most = if self.needs.metas.is_some() { described_together(sizes) } else { FETCH_FACTS_MAX };
        let facts: Vec<_> = self.facts.drain(..most.min(self.facts.len())).collect();
        let mut messages = self.with_metas(facts).await?;
        if self.needs.headers {
            self.add_headers(&mut messages).await?;
        }
        Ok(Some(messages))
    }

    async fn read_facts(&mut self) -> Result<()> {
        let places = self.places.take_first(FETCH_FACTS_MAX);
        let set: UidSet = places.uids(&self.view);
        let mut facts = self.store.facts(self.mailbox, &set).await?.into_iter().peekable();
        for (first, part) in places.parts(&self.view) {
            for (place, message) in (first..).zip(part.iter()) {
                match facts.next_if(|fact| fact.uid == message.uid) {
                    Some(fact) => self.facts.push_back((place, message, fact)),
                    None => self.missing += 1,
                }
            }
        }
        Ok(())
    }

    async fn with_metas(&mut self, facts: Vec<(usize, Message, Fact)>) -> Result<Vec<Gathered>> {
        let metas = match self.needs.metas {
            Some(columns) => self.store.metas_of(facts.iter().map(|(.., fact)| fact.blob).collect(), columns).await?,
            None => Vec::new(),
        };
        let mut metas = metas.into_iter();
        let gathered = facts.into_iter().map(|(place, message, fact)| {
            let meta = metas.next().flatten();
            Gathered { place, message, fact, meta, octets: Octets::Kept }
        });
        let mut messages: Vec<_> = gathered.collect();
        if self.needs.metas.is_some() {
            // A freed body: the message went between two questions.
            let before = messages.len();
            messages.retain(|message| message.meta.is_some());
            self.missing += before - messages.len();
        }
        Ok(messages)
    }

    /// A batch whose bodies fit in memory together, or one message whose body does not.
    async fn with_bodies(&mut self) -> Result<Vec<Gathered>> {
        let mut octets = 0u64;
        let mut count = 0;
        for (.., fact) in &self.facts {
            if octets + fact.size > FETCH_BATCH_OCTETS_MAX || count >= FETCH_BATCH_MESSAGES_MAX {
                break;
            }
            octets += fact.size;
            count += 1;
        }
        if count == 0 {
            let large: Vec<_> = self.facts.pop_front().into_iter().collect();
            return self.with_metas(large).await;
        }
        let facts: Vec<_> = self.facts.drain(..count).collect();
        let mut messages = self.with_metas(facts).await?;
        let blobs: Vec<_> = messages.iter().map(|message| message.fact.blob).collect();
        let mut bodies = Vec::with_capacity(blobs.len());
        while bodies.len() < blobs.len() {
            let rest = blobs.get(bodies.len()..).unwrap_or_default().to_vec();
            let more = self.store.bodies(rest, FETCH_BATCH_OCTETS_MAX as usize + 1).await?;
            if more.is_empty() {
                break;
            }
            bodies.extend(more);
        }
        let before = messages.len();
        let mut bodies = bodies.into_iter();
        messages.retain_mut(|message| match bodies.next().flatten() {
            Some(body) => {
                message.octets = Octets::From0(body);
                true
            }
            None => false,
        });
        self.missing += before - messages.len();
        Ok(messages)
    }

    /// Headers only; one over `HEADER_OCTETS_MAX` stays where it is kept, to be read in pieces.
    async fn add_headers(&mut self, messages: &mut Vec<Gathered>) -> Result<()> {
        let header = |message: &Gathered| message.meta.as_ref().map_or(0, |meta| meta.header_octets as usize);
        let short: Vec<usize> = (0..messages.len())
            .filter(|at| messages.get(*at).is_some_and(|message| header(message) <= HEADER_OCTETS_MAX))
            .collect();
        let mut gone = vec![false; messages.len()];
        let mut rest = short.as_slice();
        while !rest.is_empty() {
            let mut octets = 0;
            let mut wanted = Vec::new();
            for message in rest.iter().filter_map(|at| messages.get(*at)) {
                octets += header(message);
                if octets as u64 > FETCH_BATCH_OCTETS_MAX && !wanted.is_empty() {
                    break;
                }
                wanted.push((message.fact.blob, 0, header(message)));
            }
            let (these, behind) = rest.split_at_checked(wanted.len()).unwrap_or((rest, &[]));
            rest = behind;
            for (at, piece) in these.iter().zip(self.store.pieces(wanted).await?) {
                match (piece, messages.get_mut(*at), gone.get_mut(*at)) {
                    (Some(piece), Some(message), _) => message.octets = Octets::From0(piece),
                    // A freed body: the message went between two questions.
                    (None, _, Some(gone)) => *gone = true,
                    _ => {}
                }
            }
        }
        let mut gone = gone.into_iter();
        let before = messages.len();
        messages.retain(|_| !gone.next().unwrap_or(false));
        self.missing += before - messages.len();
        Ok(())
    }
}
