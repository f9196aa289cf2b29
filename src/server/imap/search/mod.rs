//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256).
//!
//! Each message is decided with as little as decides it: the view, then its facts, then words of its header, which
//! stay in memory, and only then its octets, a batch at a time on a computing thread. What SORT and THREAD compare is
//! kept in memory as well.

mod context;
mod filter;
mod find;
mod multi;
mod order;
mod test;
mod text;
mod thread;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::{MailboxId, UidSet};
use crate::imap::command::{Criterion, Key, Returns, Search, Sort, SortKey};
use crate::imap::encode::search::{self, Found};
use crate::imap::query::Term;
use crate::imap::response::Completion;
use crate::imap::sequence::{Places, SequenceSet};

use super::Session;
use super::refusal::{Done, Stop};
use context::Asked;
pub(super) use context::Contexts;
pub(super) use filter::is_filter;
use find::Finding;
use test::{Question, Within};

impl Session {
    pub(super) async fn search(&mut self, tag: &str, asked: &Search) -> Done {
        let done = self.search_and_tell(tag, asked).await;
        self.forget_saved_unless(done.is_ok(), asked);
        done
    }

    pub(super) async fn sort(&mut self, tag: &str, asked: &Sort) -> Done {
        let done = self.sort_and_tell(tag, asked).await;
        self.forget_saved_unless(done.is_ok(), &asked.search);
        done
    }

    fn forget_saved_unless(&mut self, is_ok: bool, asked: &Search) {
        if !is_ok && asked.returns.is_some_and(|returns| returns.save) {
            self.forget_saved();
        }
    }

    /// A search that should have been saved failed: `$` is empty, so that what follows in a pipeline does not fall on
    /// the messages of an older search (RFC 9051 §6.4.4.1 for NO; BAD is treated alike).
    pub(super) fn forget_saved(&mut self) {
        if let Some(open) = &mut self.open {
            open.saved = UidSet::new();
        }
    }

    async fn search_and_tell(&mut self, tag: &str, asked: &Search) -> Done {
        self.check_charset(asked)?;
        let question = self.question(&asked.keys)?;
        let found = self.find(&question).await?;
        let mut returns = asked.returns;
        if returns.is_none() && self.enabled.rev2 {
            returns = Some(Returns { all: true, ..Returns::default() });
        }
        let order: Vec<usize> = found.iter().collect();
        let result = Telling { returns, criteria: None, plain: search::search };
        self.tell(tag, asked, &question, &order, &result).await?;
        Ok(completed(&question, "Search completed"))
    }

    async fn sort_and_tell(&mut self, tag: &str, asked: &Sort) -> Done {
        let question = self.question(&asked.search.keys)?;
        let found = self.find(&question).await?;
        let by_score = asked.criteria.iter().any(|criterion| criterion.key == SortKey::Relevancy);
        let exact = if by_score { self.exact(&asked.search, &question, &found).await? } else { Places::default() };
        let scores: Vec<u8> = found.iter().filter(|_| by_score).map(|place| score(&exact, place)).collect();
        let order = order::sorted(&self.shared, &question, &found, &asked.criteria, &scores).await?;
        let result = Telling { returns: asked.search.returns, criteria: Some(&asked.criteria), plain: search::sort };
        self.tell(tag, &asked.search, &question, &order, &result).await?;
        Ok(completed(&question, "Sort completed"))
    }

    /// After ENABLE UTF8=ACCEPT texts are in UTF-8, and nothing else is said of them (RFC 6855 §3).
    fn check_charset(&self, asked: &Search) -> Result<(), Stop> {
        if asked.charset && self.enabled.utf8 {
            return Err(Completion::bad("CHARSET is not possible after ENABLE UTF8=ACCEPT").into());
        }
        Ok(())
    }

    /// The keys made ready for the open mailbox.
    fn question(&mut self, keys: &[Term<Key>]) -> Result<Arc<Question>, Stop> {
        let has_numbers = |term: &Term<Key>| matches!(term, Term::Key(Key::Numbers(SequenceSet::Ranges(_))));
        if self.enabled.uid_only && keys.iter().any(has_numbers) {
            return Err(super::uid_required().into());
        }
        let open = self.open()?;
        let within = Within { mailbox: open.mailbox, view: &open.view, saved: &open.saved, recent: &open.recent };
        let question = Arc::new(Question::new(keys, &within, self.shared.world.clock.wall()));
        if question.mod_seq {
            self.know_condstore();
        }
        Ok(question)
    }

    /// The places of the messages that fit.
    async fn find(&mut self, question: &Arc<Question>) -> Result<Places, Stop> {
        Finding { shared: &self.shared, question: question.clone() }.find().await
    }

    /// Answers with a result, which is places in the order in which they are told, saves it and keeps it up to date
    /// where that was asked.
    async fn tell(
        &mut self,
        tag: &str,
        asked: &Search,
        question: &Question,
        order: &[usize],
        telling: &Telling<'_>,
    ) -> Result<(), Stop> {
        let returns = telling.returns.unwrap_or_default();
        if returns.update {
            self.check_tag(tag)?;
        }
        let scores = match &asked.exact {
            Some(_) if returns.relevancy => {
                let found = said(order, None);
                let exact = self.exact(asked, question, &found).await?;
                order.iter().map(|place| score(&exact, *place)).collect()
            }
            _ => Vec::new(),
        };
        self.save(telling.returns, question, order);
        let messages = &question.view.messages;
        let numbers: Vec<u32> = match asked.by_uid {
            // Places that ascend are passed through side by side.
            true if order.is_sorted() => {
                said(order, None).parts(messages).flat_map(|(_, part)| part.uids).copied().collect()
            }
            true => order.iter().filter_map(|place| messages.uid(*place)).collect(),
            false => order.iter().map(|place| *place as u32 + 1).collect(),
        };
        let mod_seq = question.highest(order, telling.returns);
        let found = Found { numbers: &numbers, mod_seq, uids: asked.by_uid, relevancy: &scores };
        let out = &mut self.wire.out;
        match telling.returns {
            None => (telling.plain)(out, &found),
            // SAVE alone says nothing (RFC 5182 §2.1), and neither do hints.
            Some(returns) if !returns.tells() => {}
            Some(returns) => search::esearch(out, tag, returns, &found),
        }
        if returns.update {
            let context = Asked {
                tag,
                by_uid: asked.by_uid,
                keys: &asked.keys,
                criteria: telling.criteria,
                items: &asked.update_items,
            };
            self.keep_up(&context, question, order);
        }
        Ok(())
    }

    /// Keeps a result for `$`, where that was asked.
    fn save(&mut self, returns: Option<Returns>, question: &Question, order: &[usize]) {
        if let (Some(returns), Some(open)) = (returns.filter(|returns| returns.save), &mut self.open) {
            open.saved = said(order, Some(returns)).uids(&question.view.messages);
        }
    }

    /// What `$` and `\Recent` mean in a mailbox: nothing in one that is not selected.
    fn sets_of(&self, mailbox: MailboxId) -> (UidSet, UidSet) {
        let open = self.open.as_ref().filter(|open| open.mailbox == mailbox);
        open.map_or_else(Default::default, |open| (open.saved.clone(), open.recent.clone()))
    }

    /// Those of the messages found that fit without FUZZY too.
    async fn exact(&mut self, asked: &Search, question: &Question, found: &Places) -> Result<Places, Stop> {
        let Some(exact) = &asked.exact else { return Ok(found.clone()) };
        let (saved, recent) = self.sets_of(question.mailbox);
        let within = Within { mailbox: question.mailbox, view: &question.view, saved: &saved, recent: &recent };
        let exact = Arc::new(Question::new(exact, &within, self.shared.world.clock.wall()));
        Finding { shared: &self.shared, question: exact }.find_among(found).await
    }
}

/// How a search ends: it tells where messages could not be read (RFC 5530 §3).
fn completed(question: &Question, text: &'static str) -> Completion {
    let done = Completion::ok(text);
    if question.damaged.load(Ordering::Relaxed) { done.with_code("CORRUPTION") } else { done }
}

/// How a result is told.
struct Telling<'a> {
    returns: Option<Returns>,
    /// Of SORT.
    criteria: Option<&'a [Criterion]>,
    /// Writes the answer to a command without RETURN.
    plain: fn(&mut Vec<u8>, &Found<'_>),
}

impl Question {
    /// The highest modification sequence of what is answered, where MODSEQ was a key.
    fn highest(&self, order: &[usize], returns: Option<Returns>) -> Option<u64> {
        if !self.mod_seq {
            return None;
        }
        let said = said(order, returns);
        said.parts(&self.view.messages).filter_map(|(_, part)| part.mod_seqs.iter().max()).max().copied()
    }
}

/// How well a message fits, from 1 to 100: all texts as they were given, or only their words.
fn score(exact: &Places, place: usize) -> u8 {
    if exact.contains(place) { 100 } else { 50 }
}

/// The places an answer is about, of a result in its order: all, or only some where only MIN, MAX and PARTIAL are asked
/// for (RFC 4731 §3.1, RFC 5182 §2.1, RFC 9394 §3.2).
fn said(order: &[usize], returns: Option<Returns>) -> Places {
    let some = |returns: &Returns| !returns.all && !returns.count;
    let mut said = match returns.filter(some) {
        Some(returns) if returns.min || returns.max || returns.partial.is_some() => {
            let ends = order.first().filter(|_| returns.min).into_iter();
            let ends = ends.chain(order.last().filter(|_| returns.max));
            let range = returns.partial.and_then(|partial| order.get(partial.places(order.len())));
            ends.chain(range.unwrap_or_default()).copied().collect()
        }
        _ => order.to_vec(),
    };
    said.sort_unstable();
    said.dedup();
    let mut places = Places::default();
    said.into_iter().for_each(|place| places.push(place));
    places
}
