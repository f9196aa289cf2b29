//! Brings what is kept of many messages, in order, in batches of bounded memory.

use std::collections::VecDeque;

use crate::base::limits::{
    FETCH_BATCH_MESSAGES_MAX, FETCH_BATCH_OCTETS_MAX, FETCH_DAMAGED_MAX, FETCH_FACTS_MAX, HEADER_OCTETS_MAX,
};
use crate::base::snapshot::{Message, Messages};
use crate::base::{ErrorKind, MailboxId, Result, Snapshot, UidSet};
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
    /// Whether it could not be read: there is nothing but what the view and the facts say.
    pub damaged: bool,
}

impl Gathered {
    /// The same message as one that cannot be read.
    pub fn as_damaged(&self) -> Gathered {
        let Gathered { place, message, fact, .. } = self;
        Gathered::damaged(*place, *message, *fact)
    }

    fn damaged(place: usize, message: Message, fact: Fact) -> Gathered {
        Gathered { place, message, fact, meta: None, octets: Octets::Kept, damaged: true }
    }
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
    /// Messages in a row that could not be read.
    damaged: usize,
}

impl Gatherer {
    pub fn new(store: Store, mailbox: MailboxId, view: &Snapshot, places: &Places, needs: Needs) -> Self {
        let (view, places) = (view.messages.clone(), places.clone());
        Self { store, mailbox, view, places, facts: VecDeque::new(), needs, missing: 0, damaged: 0 }
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
        let (facts, whole) = self.together();
        let missing = self.missing;
        match self.gather(facts.clone(), whole).await {
            Err(e) if e.kind() == ErrorKind::Store => {
                self.missing = missing;
                self.one_by_one(facts, whole).await.map(Some)
            }
            messages => {
                self.damaged = 0;
                messages.map(Some)
            }
        }
    }

    /// The facts of the messages that are read together, and whether their bodies are.
    fn together(&mut self) -> (Vec<(usize, Message, Fact)>, bool) {
        if !self.needs.bodies {
            let sizes = self.facts.iter().map(|(.., fact)| fact.size);
            let most = if self.needs.metas.is_some() { described_together(sizes) } else { FETCH_FACTS_MAX };
            return (self.facts.drain(..most.min(self.facts.len())).collect(), false);
        }
        let (mut octets, mut count) = (0u64, 0);
        for (.., fact) in &self.facts {
            if octets + fact.size > FETCH_BATCH_OCTETS_MAX || count >= FETCH_BATCH_MESSAGES_MAX {
                break;
            }
            octets += fact.size;
            count += 1;
        }
        match count {
            // A message too large to be read whole.
            0 => (self.facts.pop_front().into_iter().collect(), false),
            _ => (self.facts.drain(..count).collect(), true),
        }
    }

    async fn gather(&mut self, facts: Vec<(usize, Message, Fact)>, whole: bool) -> Result<Vec<Gathered>> {
        let mut messages = self.with_metas(facts).await?;
        if whole {
            self.add_bodies(&mut messages).await?;
        } else if self.needs.headers && !self.needs.bodies {
            self.add_headers(&mut messages).await?;
        }
        Ok(messages)
    }

    /// Among messages that could not be read together, those that cannot be read alone are damaged. Where many in a row
    /// are, it is not the messages.
    async fn one_by_one(&mut self, facts: Vec<(usize, Message, Fact)>, whole: bool) -> Result<Vec<Gathered>> {
        let mut messages = Vec::with_capacity(facts.len());
        for (place, message, fact) in facts {
            match self.gather(vec![(place, message, fact)], whole).await {
                Ok(one) => {
                    self.damaged = 0;
                    messages.extend(one);
                }
                Err(e) if e.kind() == ErrorKind::Store && self.damaged < FETCH_DAMAGED_MAX => {
                    self.damaged += 1;
                    messages.push(Gathered::damaged(place, message, fact));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(messages)
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
            Gathered { place, message, fact, meta, octets: Octets::Kept, damaged: false }
        });
        let mut messages: Vec<_> = gathered.collect();
        if self.needs.metas.is_some() {
            let (there, absent) = messages.into_iter().partition(|message| message.meta.is_some());
            messages = there;
            self.absent(absent, &mut messages).await?;
        }
        Ok(messages)
    }

    /// Bodies, which fit in memory together.
    async fn add_bodies(&mut self, messages: &mut Vec<Gathered>) -> Result<()> {
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
        let mut bodies = bodies.into_iter();
        let (mut there, mut absent) = (Vec::with_capacity(messages.len()), Vec::new());
        for mut message in messages.drain(..) {
            // Damaged ones have their place in the list of bodies too.
            match bodies.next().flatten() {
                Some(body) if !message.damaged => {
                    message.octets = Octets::From0(body);
                    there.push(message);
                }
                _ if message.damaged => there.push(message),
                _ => absent.push(message),
            }
        }
        *messages = there;
        self.absent(absent, messages).await
    }

    /// Messages whose body or description is not there: they went between two questions, or they are damaged.
    async fn absent(&mut self, absent: Vec<Gathered>, messages: &mut Vec<Gathered>) -> Result<()> {
        if absent.is_empty() {
            return Ok(());
        }
        let now = self.store.snapshot(self.mailbox).await?;
        for message in absent {
            if now.place(message.message.uid).is_some() {
                messages.push(message.as_damaged());
            } else {
                self.missing += 1;
            }
        }
        messages.sort_unstable_by_key(|message| message.place);
        Ok(())
    }

    /// Headers only; one over `HEADER_OCTETS_MAX` stays where it is kept, to be read in pieces.
    async fn add_headers(&mut self, messages: &mut Vec<Gathered>) -> Result<()> {
        let header = |message: &Gathered| message.meta.as_ref().map_or(0, |meta| meta.header_octets as usize);
        let short: Vec<usize> = (0..messages.len())
            .filter(|at| {
                messages.get(*at).is_some_and(|message| !message.damaged && header(message) <= HEADER_OCTETS_MAX)
            })
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
                    (None, _, Some(gone)) => *gone = true,
                    _ => {}
                }
            }
        }
        let mut gone = gone.into_iter();
        let (absent, there) = messages.drain(..).partition(|_| gone.next().unwrap_or(false));
        *messages = there;
        self.absent(absent, messages).await
    }
}
