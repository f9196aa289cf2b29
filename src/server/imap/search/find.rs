//! Finding the messages that fit: each is decided with as little as decides it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::limits::FETCH_FACTS_MAX;
use crate::base::snapshot::Message;
use crate::base::{Uid, UidSet};
use crate::imap::response::Completion;
use crate::imap::sequence::Places;
use crate::os::aside::aside;
use crate::server::Shared;
use crate::store::{MetaColumns, Words, described_together};

use super::super::fetch::gather::{Gathered, Gatherer, Needs, Octets};
use super::super::refusal::Stop;
use super::test::{Level, Question, Seen};
use super::text::{self, Hits};

/// A search under way.
pub(super) struct Finding<'a> {
    pub shared: &'a Shared,
    pub question: Arc<Question>,
}

impl Finding<'_> {
    /// The places of the messages that fit.
    pub async fn find(&self) -> Result<Places, Stop> {
        self.find_among(&self.question.candidates()).await
    }

    /// Those among these places.
    pub async fn find_among(&self, candidates: &Places) -> Result<Places, Stop> {
        let question = &*self.question;
        let (mut known, mut open) = (Places::default(), Places::default());
        for (first, part) in candidates.parts(&question.view.messages) {
            for (place, message) in (first..).zip(part.iter()) {
                match question.decide(&Seen::view(place, message)) {
                    Some(true) => known.push(place),
                    Some(false) => {}
                    None => open.push(place),
                }
            }
        }
        if open.is_empty() {
            return Ok(known);
        }
        let mut fits: Vec<usize> = known.iter().collect();
        for level in [Level::Facts, Level::Words] {
            if question.uses(level) && !open.is_empty() {
                open = self.narrow(level, &open, &mut fits).await?;
            }
        }
        if question.uses(Level::Octets) && !open.is_empty() {
            self.read_through(&open, &mut fits).await?;
        }
        fits.sort_unstable();
        let mut places = Places::default();
        fits.into_iter().for_each(|place| places.push(place));
        Ok(places)
    }

    /// Looks closer at `open`, with facts and words: adds what fits to `fits`, gives what is still open.
    async fn narrow(&self, level: Level, open: &Places, fits: &mut Vec<usize>) -> Result<Places, Stop> {
        let (question, mailbox) = (&*self.question, self.question.mailbox);
        let store = &self.shared.store;
        let mut still_open = Places::default();
        let mut words = None;
        let mut all: Vec<(usize, Message)> = Vec::with_capacity(open.count());
        open.parts(&question.view.messages).for_each(|(first, part)| all.extend((first..).zip(part.iter())));
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let mut known = rest.get(..FETCH_FACTS_MAX).unwrap_or(rest);
            let mut uids: Vec<Uid> = known.iter().map(|(_, message)| message.uid).collect();
            let set: UidSet = uids.iter().copied().collect();
            let wants_facts = level == Level::Words || question.uses(Level::Facts);
            let facts = if wants_facts { store.facts(mailbox, &set).await? } else { Vec::new() };
            if level == Level::Words && !reaches(words.as_ref(), &uids) {
                let together = described_together(facts.iter().map(|fact| fact.size));
                let last = facts.get(together - 1).or(facts.last()).map_or(0, |fact| fact.uid);
                // Behind the last fact come only messages that have gone.
                let together =
                    if facts.len() > together { uids.partition_point(|uid| *uid <= last) } else { uids.len() };
                known = known.get(..together).unwrap_or(known);
                uids.truncate(together);
                words = Some(store.words(mailbox, &uids.iter().copied().collect()).await?);
            }
            rest = rest.get(known.len()..).unwrap_or_default();
            let mut facts = facts.iter().peekable();
            let mut next = 0;
            for (place, message) in known {
                let fact = facts.next_if(|fact| fact.uid == message.uid);
                let words = words.as_ref().and_then(|words| words.get_in_order(message.uid, &mut next));
                match question.decide(&Seen { place: *place, message: *message, fact, words, hits: None }) {
                    Some(true) => fits.push(*place),
                    Some(false) => {}
                    None => still_open.push(*place),
                }
            }
            // Other sessions have their turn between two chunks.
            smol::future::yield_now().await;
        }
        Ok(still_open)
    }

    /// Decides `open` by the octets of the messages, a batch at a time.
    async fn read_through(&self, open: &Places, fits: &mut Vec<usize>) -> Result<(), Stop> {
        let (question, mailbox) = (&*self.question, self.question.mailbox);
        // Where only fields are looked for, bodies stay where they are, and nobody asks where parts lie.
        let only_fields = question.only_fields();
        let metas = Some(MetaColumns { parts: !only_fields, ..MetaColumns::default() });
        let needs = Needs { metas, headers: only_fields, bodies: !only_fields };
        let mut gatherer = Gatherer::new(self.shared.store.clone(), mailbox, &question.view, open, needs);
        let mut words = None;
        let mut batch = gatherer.next().await?;
        while let Some(messages) = batch {
            if question.uses(Level::Words) {
                let uids: Vec<Uid> = messages.iter().map(|message| message.fact.uid).collect();
                if !reaches(words.as_ref(), &uids) {
                    words = Some(self.shared.store.words(mailbox, &uids.into_iter().collect()).await?);
                }
            }
            let verdicts = self.verdicts(messages, words.clone());
            let (next, verdicts) = smol::future::zip(gatherer.next(), verdicts).await;
            let fitting = verdicts?.into_iter().filter(|(_, verdict)| *verdict == Some(true));
            fits.extend(fitting.map(|(place, _)| place));
            batch = next?;
        }
        Ok(())
    }

    async fn verdicts(
        &self,
        messages: Vec<Gathered>,
        words: Option<Arc<Words>>,
    ) -> Result<Vec<(usize, Option<bool>)>, Stop> {
        let question = &self.question;
        let (kept, messages): (Vec<_>, Vec<_>) = messages.into_iter().partition(|m| m.octets == Octets::Kept);
        let mut verdicts = Vec::with_capacity(kept.len() + messages.len());
        for message in &kept {
            // One message that cannot be read does not end the search for others.
            let hits = match text::scan_kept(&self.shared.store, question, message).await {
                Ok(hits) if !message.damaged => hits,
                Err(Stop::Wire(e)) => return Err(Stop::Wire(e)),
                _ => {
                    question.damaged.store(true, Ordering::Relaxed);
                    continue;
                }
            };
            verdicts.push(verdict(question, message, words.as_deref(), &hits));
        }
        if messages.is_empty() {
            return Ok(verdicts);
        }
        let question = question.clone();
        let job = move || {
            let one = |message: &Gathered| {
                let hits = text::scan(&question, message);
                verdict(&question, message, words.as_deref(), &hits)
            };
            messages.iter().map(one).collect::<Vec<_>>()
        };
        let more = aside(&*self.shared.world.run, false, job).await;
        verdicts.extend(more.map_err(|_| Completion::no("UNAVAILABLE", "Server shutting down"))?);
        Ok(verdicts)
    }
}

/// Whether the words at hand are those of these messages (ascending) too. Of a mailbox too large to be kept only the
/// words asked for come, of others all, which then serve to the end.
fn reaches(words: Option<&Arc<Words>>, uids: &[Uid]) -> bool {
    words.is_some_and(|words| uids.last().is_none_or(|last| words.last() >= *last))
}

fn verdict(question: &Question, message: &Gathered, words: Option<&Words>, hits: &Hits) -> (usize, Option<bool>) {
    let words = words.and_then(|words| words.get(message.fact.uid));
    let seen =
        Seen { place: message.place, message: message.message, fact: Some(&message.fact), words, hits: Some(hits) };
    (message.place, question.decide(&seen))
}
