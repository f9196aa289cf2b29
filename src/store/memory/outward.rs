//! What is kept of other domains for outgoing mail.

use std::collections::BTreeMap;

use super::super::database::{ReadOutward, WriteOutward, WriteQueue};
use super::super::{DestinationRow, ExplainedAttempt, Paused, RecipientState, StsRow};
use super::Connection;
use crate::base::{QueueId, Result, Timestamp};

impl ReadOutward for Connection {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        self.ask(|tables| tables.sts.get(domain).cloned())
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        self.ask(|tables| {
            let behind = tables.sts.iter().filter(|(domain, _)| domain.as_str() > after);
            behind.take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    fn sts_count(&self) -> Result<u64> {
        self.ask(|tables| tables.sts.iter().count() as u64)
    }

    fn explained(&self, id: QueueId, limit: usize) -> Result<Vec<ExplainedAttempt>> {
        self.ask(|tables| {
            let of_item = tables.attempts.iter().filter(|(_, attempt)| attempt.item == id);
            let rows: Vec<_> = of_item
                .map(|(number, attempt)| ExplainedAttempt {
                    id: *number,
                    recipient: attempt.recipient.clone(),
                    result: attempt.result.clone(),
                    settlement: attempt.settlement,
                    trail: tables.trails.get(number).cloned(),
                })
                .collect();
            rows.get(rows.len().saturating_sub(limit)..).unwrap_or_default().to_vec()
        })
    }

    fn attempt_oldest(&self) -> Result<Option<Timestamp>> {
        self.ask(|tables| tables.attempts.iter().next().map(|(_, attempt)| attempt.result.at))
    }

    fn submit_key(&self, key: &str) -> Result<Option<i64>> {
        self.ask(|tables| tables.submit_keys.get(key).map(|(item, _)| *item))
    }

    fn paused(&self) -> Result<Vec<Paused>> {
        self.ask(|tables| tables.paused.iter().map(|(_, paused)| paused.clone()).collect())
    }

    fn destination_rows(&self, after: Option<&str>, limit: usize) -> Result<Vec<DestinationRow>> {
        self.ask(|tables| {
            let mut rows: BTreeMap<String, DestinationRow> = BTreeMap::new();
            let mut newest: BTreeMap<String, i64> = BTreeMap::new();
            let waiting = tables.recipients.iter().filter(|(_, queued)| queued.state == RecipientState::Waiting);
            for ((id, _), queued) in waiting {
                let Some(item) = tables.items.get(id) else { continue };
                let name = &queued.destination;
                let row = rows.entry(name.clone()).or_insert_with(|| DestinationRow {
                    destination: name.clone(),
                    waiting: 0,
                    held: 0,
                    due: queued.due,
                    oldest: item.created,
                    attempts: 0,
                    last: None,
                });
                row.waiting += 1;
                row.held += u64::from(queued.held);
                row.due = row.due.min(queued.due);
                row.oldest = row.oldest.min(item.created);
                row.attempts = row.attempts.max(queued.attempts);
                let last = newest.entry(name.clone()).or_default();
                *last = queued.last_attempt.max(*last);
            }
            for (name, row) in &mut rows {
                let last = newest.get(name).and_then(|number| tables.attempts.get(number));
                row.last = last.map(|attempt| attempt.result.clone());
            }
            let behind = rows.into_values().filter(|row| after.is_none_or(|after| row.destination.as_str() > after));
            behind.take(limit).collect()
        })
    }
}

impl WriteOutward for Connection {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.edit(|tables| tables.sts.put(row.domain.clone(), row.clone()))
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.change(|tables| {
            let old = tables.sts.iter().filter(|(_, row)| row.expires <= now).map(|(domain, _)| domain.clone());
            let old: Vec<String> = old.collect();
            old.iter().for_each(|domain| tables.sts.discard(domain));
            Ok(())
        })
    }

    fn queue_expires(&self, id: QueueId, at: Timestamp) -> Result<()> {
        self.change(|tables| {
            tables.expires_at(id, at);
            Ok(())
        })
    }

    fn trail_insert(&self, attempt: i64, lines: &str) -> Result<()> {
        self.edit(|tables| tables.trails.put(attempt, lines.to_owned()))
    }

    fn attempts_forget_before(&self, before: Timestamp, limit: i64) -> Result<()> {
        let last = self.ask(|tables| {
            let first = tables.attempts.iter().take(usize::try_from(limit).unwrap_or(0));
            first.filter(|(_, attempt)| attempt.result.at < before).map(|(number, _)| *number).last()
        })?;
        last.map_or(Ok(()), |last| self.attempts_forget(last))
    }

    fn submit_key_insert(&self, key: &str, item: i64, at: Timestamp) -> Result<()> {
        self.edit(|tables| tables.submit_keys.put(key.to_owned(), (item, at)))
    }

    fn submit_keys_forget(&self, before: Timestamp) -> Result<()> {
        self.change(|tables| {
            let old = tables.submit_keys.iter().filter(|(_, (_, at))| *at < before).map(|(key, _)| key.clone());
            let old: Vec<String> = old.collect();
            old.iter().for_each(|key| tables.submit_keys.discard(key));
            Ok(())
        })
    }

    fn paused_put(&self, paused: &Paused) -> Result<()> {
        self.edit(|tables| tables.paused.put(paused.destination.clone(), paused.clone()))
    }

    fn paused_remove(&self, destination: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.paused.remove(destination).is_some()))
    }
}
