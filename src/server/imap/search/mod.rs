//! SEARCH, SORT and THREAD (RFC 9051 §6.4.4, RFC 5256).
//!
//! Each message is decided with as little as decides it: the view, then its facts, then words of its header, which
//! stay in memory, and only then its octets, a batch at a time on a computing thread. What SORT and THREAD compare is
//! kept in memory as well.

mod find;
mod order;
mod test;
mod text;
mod thread;

use std::sync::Arc;

use crate::base::UidSet;
use crate::imap::command::{Key, Returns, Search, Sort};
use crate::imap::encode::search::{self, Found};
use crate::imap::query::Term;
use crate::imap::response::Completion;
use crate::imap::sequence::Places;

use super::Session;
use super::refusal::{Done, Stop};
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
        if asked.charset && self.enabled.utf8 {
            // RFC 6855 §3: texts are in UTF-8 then, and nothing else is said of them.
            return Err(Completion::bad("CHARSET is not possible after ENABLE UTF8=ACCEPT").into());
        }
        let question = self.question(&asked.keys)?;
        let found = self.find(&question).await?;
        let mut returns = asked.returns;
        if returns.is_none() && self.enabled.rev2 {
            returns = Some(Returns { all: true, ..Returns::default() });
        }
        let order: Vec<usize> = found.iter().collect();
        self.tell(tag, asked.by_uid, returns, &question, &order, search::search);
        Ok(Completion::ok("Search completed"))
    }

    async fn sort_and_tell(&mut self, tag: &str, asked: &Sort) -> Done {
        let question = self.question(&asked.search.keys)?;
        let found = self.find(&question).await?;
        let order = order::sorted(&self.shared, &question, &found, &asked.criteria).await?;
        self.tell(tag, asked.search.by_uid, asked.search.returns, &question, &order, search::sort);
        Ok(Completion::ok("Sort completed"))
    }

    /// The keys made ready for the open mailbox.
    fn question(&mut self, keys: &[Term<Key>]) -> Result<Arc<Question>, Stop> {
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

    /// Answers with a result, which is places in the order in which they are told, and saves it where that was asked.
    /// `plain` writes the answer to a command without RETURN.
    fn tell(
        &mut self,
        tag: &str,
        by_uid: bool,
        returns: Option<Returns>,
        question: &Question,
        order: &[usize],
        plain: fn(&mut Vec<u8>, &Found<'_>),
    ) {
        let messages = &question.view.messages;
        if let Some(returns) = returns.filter(|returns| returns.save)
            && let Some(open) = &mut self.open
        {
            open.saved = said(order, Some(returns)).uids(messages);
        }
        let highest =
            || said(order, returns).parts(messages).filter_map(|(_, part)| part.mod_seqs.iter().max()).max().copied();
        let mod_seq = if question.mod_seq { highest() } else { None };
        let numbers: Vec<u32> = match by_uid {
            // Places that ascend are passed through side by side.
            true if order.is_sorted() => {
                said(order, None).parts(messages).flat_map(|(_, part)| part.uids).copied().collect()
            }
            true => order.iter().filter_map(|place| messages.uid(*place)).collect(),
            false => order.iter().map(|place| *place as u32 + 1).collect(),
        };
        let found = Found { numbers: &numbers, mod_seq, uids: by_uid };
        let out = &mut self.wire.out;
        match returns {
            None => plain(out, &found),
            // SAVE alone says nothing (RFC 5182 §2.1), and neither do hints.
            Some(returns) if !returns.tells() => {}
            Some(returns) => search::esearch(out, tag, returns, &found),
        }
    }
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
