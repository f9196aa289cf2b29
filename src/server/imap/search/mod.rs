//! SEARCH and UID SEARCH (RFC 9051 §6.4.4).
//!
//! Each message is decided with as little as decides it: the view, then its facts, then what was computed at
//! delivery, and only then its octets, a batch at a time on a computing thread.

mod test;
mod text;

use std::sync::Arc;

use crate::base::Uid;
use crate::imap::command::{Returns, Search};
use crate::imap::encode::search::{Found, esearch, search};
use crate::imap::response::Answer;
use crate::imap::sequence::Places;

use crate::store::MetaColumns;

use super::Session;
use super::fetch::gather::{Gathered, Gatherer, Needs, Octets};
use super::refusal::{Done, Stop};
use test::{Level, Question, Seen};
use text::Hits;

impl Session {
    pub(super) async fn search(&mut self, tag: &str, asked: &Search) -> Done {
        let question = Arc::new(Question::new(&asked.key, self.open()?, self.shared.world.clock.wall())?);
        if question.mod_seq {
            self.know_condstore();
        }
        let found = self.find(&question).await?;
        let mut returns = asked.returns;
        if returns.is_none() && self.enabled.rev2 {
            returns = Some(Returns { all: true, ..Returns::default() });
        }
        if let Some(returns) = returns.filter(|returns| returns.save) {
            self.save(&question, &found, returns);
        }
        let places = said(&found, returns);
        let highest = places.iter().filter_map(|place| question.view.mod_seqs.get(*place)).max().copied();
        let number = |place: usize| if asked.by_uid { question.view.uid(place).unwrap_or(0) } else { place as u32 + 1 };
        let numbers: Vec<Uid> = found.iter().map(number).collect();
        let mod_seq = highest.filter(|_| question.mod_seq);
        let found = Found { numbers: &numbers, mod_seq, uids: asked.by_uid };
        match returns {
            None => search(&mut self.wire.out, &found),
            // SAVE alone says nothing (RFC 5182 §2.1).
            Some(returns) if returns == (Returns { save: true, ..Returns::default() }) => {}
            Some(returns) => esearch(&mut self.wire.out, tag, returns, &found),
        }
        Ok(Answer::ok("Search completed"))
    }

    /// Keeps the result for `$`: what MIN and MAX name where only they were asked for (RFC 5182 §2.1).
    fn save(&mut self, question: &Question, found: &Places, returns: Returns) {
        let places = said(found, Some(returns));
        if let Some(open) = &mut self.open {
            open.saved = places.iter().filter_map(|place| question.view.uid(*place)).collect();
        }
    }

    /// The places of the messages that fit.
    async fn find(&mut self, question: &Arc<Question>) -> Result<Places, Stop> {
        let mut fits = vec![];
        let mut open = Places::default();
        for place in 0..question.view.count() {
            match question.decide(&Seen::view(place)) {
                Some(true) => fits.push(place),
                Some(false) => {}
                None => open.push(place),
            }
        }
        for level in [Level::Facts, Level::Metas, Level::Octets] {
            if question.uses(level) && !open.is_empty() {
                open = self.narrow(question, level, &open, &mut fits).await?;
            }
        }
        fits.sort_unstable();
        let mut places = Places::default();
        fits.into_iter().for_each(|place| places.push(place));
        Ok(places)
    }

    /// Looks closer at `open`: adds what fits to `fits`, gives what is still open.
    async fn narrow(
        &mut self,
        question: &Arc<Question>,
        level: Level,
        open: &Places,
        fits: &mut Vec<usize>,
    ) -> Result<Places, Stop> {
        let columns = MetaColumns { parts: level == Level::Octets, ..question.columns };
        let metas = (level >= Level::Metas).then_some(columns);
        let octets = level == Level::Octets;
        // Where only fields are looked for, bodies stay where they are.
        let needs =
            Needs { metas, headers: octets && question.only_fields(), bodies: octets && !question.only_fields() };
        let mailbox = self.open()?.mailbox;
        let mut gatherer = Gatherer::new(self.shared.store.clone(), mailbox, &question.view, open, needs);
        let mut still_open = Places::default();
        let mut batch = gatherer.next().await?;
        while let Some(messages) = batch {
            let (next, verdicts) = smol::future::zip(gatherer.next(), self.verdicts(question, level, messages)).await;
            for (place, verdict) in verdicts? {
                match verdict {
                    Some(true) => fits.push(place),
                    Some(false) => {}
                    None => still_open.push(place),
                }
            }
            batch = next?;
        }
        Ok(still_open)
    }

    async fn verdicts(
        &mut self,
        question: &Arc<Question>,
        level: Level,
        messages: Vec<Gathered>,
    ) -> Result<Vec<(usize, Option<bool>)>, Stop> {
        if level == Level::Facts {
            return Ok(messages.iter().map(|message| verdict(question, message, None)).collect());
        }
        let large = matches!(messages.as_slice(), [Gathered { octets: Octets::Kept, .. }]) && level == Level::Octets;
        if large {
            let mut verdicts = Vec::new();
            for message in &messages {
                let hits = text::scan_kept(&self.shared.store, question, message).await?;
                verdicts.push(verdict(question, message, Some(&hits)));
            }
            return Ok(verdicts);
        }
        let question = question.clone();
        let job = move || {
            let one = |message: &Gathered| {
                let hits = (level == Level::Octets).then(|| text::scan(&question, message));
                verdict(&question, message, hits.as_ref())
            };
            messages.iter().map(one).collect()
        };
        let verdicts = super::aside(&self.shared, job).await;
        verdicts.ok_or_else(|| Answer::no("UNAVAILABLE", "Server shutting down").into())
    }
}

fn verdict(question: &Question, message: &Gathered, hits: Option<&Hits>) -> (usize, Option<bool>) {
    let seen = Seen { place: message.place, fact: Some(&message.fact), meta: message.meta.as_ref(), hits };
    (message.place, question.decide(&seen))
}

/// The places an answer is about: all, or only the first and last where only MIN and MAX are asked for.
fn said(found: &Places, returns: Option<Returns>) -> Vec<usize> {
    match returns {
        Some(returns) if !returns.all && !returns.count && (returns.min || returns.max) => {
            let first = found.iter().next().filter(|_| returns.min);
            let last = found.ranges().last().map(|range| range.end - 1).filter(|_| returns.max);
            first.into_iter().chain(last.filter(|last| Some(*last) != first)).collect()
        }
        _ => found.iter().collect(),
    }
}
