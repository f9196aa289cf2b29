//! ESEARCH: a search through several mailboxes, one after the other (RFC 7377).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::{MailboxId, Snapshot};
use crate::imap::command::{Multisearch, Returns, Source};
use crate::imap::encode::search::{Found, multisearch};
use crate::imap::response::Completion;
use crate::store::MailboxInfo;

use super::super::Session;
use super::super::refusal::{Done, Stop};
use super::context::Asked;
use super::find::Finding;
use super::score;
use super::test::{Question, Within};

impl Session {
    pub(in crate::server::imap) async fn multisearch(&mut self, tag: &str, asked: &Multisearch) -> Done {
        let done = self.multisearch_and_tell(tag, asked).await;
        self.forget_saved_unless(done.is_ok(), &asked.search);
        done
    }

    async fn multisearch_and_tell(&mut self, tag: &str, asked: &Multisearch) -> Done {
        let here = asked.sources.is_empty() || asked.sources.contains(&Source::Selected);
        let only_here = asked.sources.iter().all(|source| *source == Source::Selected);
        let returns = asked.search.returns.unwrap_or(Returns { all: true, ..Returns::default() });
        if (here || returns.update) && self.open.is_none() {
            return Err(Completion::bad("No mailbox is selected").into());
        }
        if returns.save && !only_here {
            return Err(Completion::bad("SAVE is possible for the selected mailbox only").into());
        }
        if returns.update {
            self.check_tag(tag)?;
        }
        self.check_charset(&asked.search)?;
        let account = self.account()?;
        let all = self.shared.store.mailboxes(account.id).await?;
        let mut told = false;
        for mailbox in chosen(&asked.sources, self.open.as_ref().map(|open| open.mailbox), &all) {
            let is_open = self.open.as_ref().is_some_and(|open| open.mailbox == mailbox.id);
            self.search_one(tag, asked, returns, mailbox, is_open).await?;
            told |= is_open;
            self.wire.relieve().await?;
        }
        // What is kept up to date is the result in the selected mailbox, whether that was among the others or not.
        if returns.update && !told {
            let question = self.question(&asked.search.keys)?;
            let order: Vec<usize> = self.find(&question).await?.iter().collect();
            self.keep_up(
                &Asked {
                    tag,
                    by_uid: true,
                    keys: &asked.search.keys,
                    criteria: None,
                    items: &asked.search.update_items,
                },
                &question,
                &order,
            );
        }
        Ok(Completion::ok("Search completed"))
    }

    async fn search_one(
        &mut self,
        tag: &str,
        asked: &Multisearch,
        returns: Returns,
        mailbox: &MailboxInfo,
        is_open: bool,
    ) -> Result<(), Stop> {
        let view: Snapshot = match &self.open {
            Some(open) if is_open => open.view.clone(),
            _ => match self.shared.store.snapshot(mailbox.id).await {
                // It went between two questions.
                Err(e) if e.kind() == crate::base::ErrorKind::NotFound => return Ok(()),
                view => view?,
            },
        };
        let (saved, recent) = self.sets_of(mailbox.id);
        let within = Within { mailbox: mailbox.id, view: &view, saved: &saved, recent: &recent };
        let now = self.shared.world.clock.wall();
        let question = Arc::new(Question::new(&asked.search.keys, &within, now));
        let found = Finding { shared: &self.shared, question: question.clone() }.find().await?;
        let order: Vec<usize> = found.iter().collect();
        let exact = if returns.relevancy { self.exact(&asked.search, &question, &found).await? } else { found.clone() };
        let scores: Vec<u8> = order.iter().map(|place| score(&exact, *place)).collect();
        if is_open {
            self.save(Some(returns), &question, &order);
            if returns.update {
                let context = Asked {
                    tag,
                    by_uid: true,
                    keys: &asked.search.keys,
                    criteria: None,
                    items: &asked.search.update_items,
                };
                self.keep_up(&context, &question, &order);
            }
        }
        if order.is_empty() || !returns.tells() {
            return Ok(());
        }
        let numbers: Vec<u32> = found.parts(&view.messages).flat_map(|(_, part)| part.uids).copied().collect();
        let found = Found {
            numbers: &numbers,
            mod_seq: question.highest(&order, Some(returns)),
            uids: true,
            relevancy: &scores,
        };
        let named = (mailbox.name.as_str(), view.uid_validity);
        multisearch(&mut self.wire.out, tag, named, self.enabled.utf8_names(), returns, &found);
        Ok(())
    }
}

/// The mailboxes that the sources mean, each once, by name.
fn chosen<'a>(sources: &[Source], selected: Option<MailboxId>, all: &'a [MailboxInfo]) -> Vec<&'a MailboxInfo> {
    let mut chosen: BTreeMap<&str, &MailboxInfo> = BTreeMap::new();
    let sources = if sources.is_empty() { &[Source::Selected][..] } else { sources };
    for mailbox in all.iter().filter(|mailbox| mailbox.selectable) {
        if sources.iter().any(|source| {
            *source == Source::Selected && selected == Some(mailbox.id) || source.has(&mailbox.name, mailbox.subscribed)
        }) {
            chosen.insert(&mailbox.name, mailbox);
        }
    }
    chosen.into_values().collect()
}
