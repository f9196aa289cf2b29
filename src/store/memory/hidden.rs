//! Stretches of UIDs whose facts are no messages, unless a block says so.

use super::super::Fact;
use super::super::database::{Hidden, ReadHidden, WriteHidden};
use super::Connection;
use super::tables::{Tables, next};
use crate::base::{MailboxId, Result, Uid};

impl Tables {
    /// The stretches of a mailbox, by their first UID.
    pub(super) fn hidden_of(&self, mailbox: MailboxId) -> Vec<(Uid, Uid)> {
        let mine = self.hidden.iter().map(|(_, hidden)| hidden).filter(|hidden| hidden.mailbox == mailbox);
        let mut stretches: Vec<(Uid, Uid)> = mine.map(|hidden| (hidden.first, hidden.last)).collect();
        stretches.sort_unstable();
        stretches
    }
}

impl ReadHidden for Connection {
    fn hidden(&self, mailbox: MailboxId) -> Result<Vec<(Uid, Uid)>> {
        self.ask(|tables| tables.hidden_of(mailbox))
    }

    fn hidden_behind(&self, after: i64) -> Result<Option<Hidden>> {
        self.ask(|tables| tables.hidden.range_from(after + 1).next().map(|(_, hidden)| *hidden))
    }

    fn facts_from(&self, mailbox: MailboxId, first: Uid, last: Uid, most: usize) -> Result<Vec<Fact>> {
        self.ask(|tables| tables.between(mailbox, first, last).take(most).map(|message| message.fact).collect())
    }
}

impl WriteHidden for Connection {
    fn hide(&self, mailbox: MailboxId, first: Uid, last: Uid) -> Result<i64> {
        self.change(|tables| {
            let id = next(&mut tables.last.hidden);
            tables.hidden.put(id, Hidden { id, mailbox, first, last });
            Ok(id)
        })
    }

    fn hidden_narrow(&self, id: i64, first: Uid, last: Uid) -> Result<()> {
        self.edit(|tables| {
            if let Some(hidden) = tables.hidden.get(&id).copied() {
                tables.hidden.put(id, Hidden { first, last, ..hidden });
            }
        })
    }

    fn hidden_done(&self, id: i64) -> Result<()> {
        self.edit(|tables| tables.hidden.discard(&id))
    }
}
