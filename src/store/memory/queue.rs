//! The queue: items, recipients, attempts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::database::{ItemTerms, QueuedRow, ReadQueue, RoutedRow, Visit, WriteQueue};
use super::super::{AttemptResult, Item, ItemRecipient, NewItem, RecipientState};
use super::Connection;
use super::tables::{Attempt, Queued, Tables, next};
use crate::base::{BlobId, Envelope, QueueId, Recipient, Result, Timestamp};

impl Queued {
    fn waits(&self) -> bool {
        self.state == RecipientState::Waiting
    }

    fn row(&self, (id, place): (QueueId, u32)) -> QueuedRow {
        QueuedRow { id, place, due: self.due, attempts: self.attempts, priority: self.priority }
    }
}

impl Tables {
    /// The recipients of an item.
    pub(super) fn recipients_of(&self, id: QueueId) -> impl Iterator<Item = (u32, &Queued)> {
        let all = self.recipients.range_from((id, 0)).take_while(move |((of, _), _)| *of == id);
        all.map(|((_, place), queued)| (*place, queued))
    }

    fn item_with<'a>(&'a self, id: QueueId, some: impl Iterator<Item = (u32, &'a Queued)>) -> Option<Item> {
        let recipients = some.map(|(place, queued)| self.shown(place, queued)).collect();
        Some(Item { recipients, ..self.items.get(&id)?.clone() })
    }

    fn shown(&self, place: u32, queued: &Queued) -> ItemRecipient {
        ItemRecipient {
            index: place,
            recipient: queued.recipient.clone(),
            state: queued.state,
            attempts: queued.attempts,
            due: queued.due,
            last: self.attempts.get(&queued.last_attempt).map(|attempt| attempt.result.clone()),
        }
    }

    /// Recipients that wait and are not held.
    fn open(&self) -> impl Iterator<Item = (&(QueueId, u32), &Queued)> {
        self.recipients.iter().filter(|(_, queued)| queued.waits() && !queued.held)
    }

    /// Changes the recipients of an item for which `change` says so.
    fn each(&mut self, id: QueueId, mut change: impl FnMut(u32, &mut Queued) -> bool) -> usize {
        let all: Vec<(u32, Queued)> = self.recipients_of(id).map(|(place, queued)| (place, queued.clone())).collect();
        let mut changed = 0;
        for (place, mut queued) in all {
            if change(place, &mut queued) {
                self.recipients.insert((id, place), queued);
                changed += 1;
            }
        }
        changed
    }

    /// An item expires then, and its recipients are due then at the latest.
    pub(super) fn expires_at(&mut self, id: QueueId, at: Timestamp) {
        self.item(id, |item| item.expires = at);
        self.each(id, |_, queued| {
            let later = queued.waits() && queued.due > at;
            queued.due = if later { at } else { queued.due };
            later
        });
    }

    fn item(&mut self, id: QueueId, change: impl FnOnce(&mut Item)) -> bool {
        let Some(mut item) = self.items.get(&id).cloned() else { return false };
        change(&mut item);
        self.items.insert(id, item);
        true
    }
}

fn routed(id: QueueId, place: u32, queued: &Queued) -> RoutedRow {
    RoutedRow {
        id,
        place,
        address: queued.recipient.address.to_string(),
        destination: queued.destination.clone(),
        due: queued.due,
        held: queued.held,
    }
}

impl ReadQueue for Connection {
    fn queue_ids(&self, after: QueueId, limit: usize) -> Result<Vec<QueueId>> {
        self.ask(|tables| tables.items.range_from(QueueId(after.0 + 1)).take(limit).map(|(id, _)| *id).collect())
    }

    fn queue_item(&self, id: QueueId) -> Result<Option<Item>> {
        self.ask(|tables| tables.item_with(id, tables.recipients_of(id)))
    }

    fn queue_item_with(&self, id: QueueId, places: &[u32]) -> Result<Option<Item>> {
        self.ask(|tables| {
            let some = places.iter().filter_map(|place| Some((*place, tables.recipients.get(&(id, *place))?)));
            tables.item_with(id, some)
        })
    }

    fn queue_terms(&self, id: QueueId) -> Result<Option<ItemTerms>> {
        let terms = |item: &Item| ItemTerms {
            created: item.created,
            expires: item.expires,
            held: item.held,
            untold: !item.delay_reported && item.envelope.reverse_path.is_some(),
            late: item.envelope.terms.late_at(),
        };
        self.ask(|tables| tables.items.get(&id).map(terms))
    }

    fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        self.ask(|tables| {
            let of_item = tables.attempts.iter().filter(|(_, attempt)| attempt.item == id);
            of_item.map(|(_, attempt)| (attempt.recipient.clone(), attempt.result.clone())).collect()
        })
    }

    fn queue_destination_behind(&self, after: Option<&str>) -> Result<Option<(String, Timestamp)>> {
        self.ask(|tables| {
            let behind =
                tables.open().filter(|(_, queued)| after.is_none_or(|after| queued.destination.as_str() > after));
            behind.map(|(_, queued)| (queued.destination.clone(), queued.due)).min()
        })
    }

    fn queue_expired(&self, before: Timestamp, over: &str, limit: usize) -> Result<Vec<QueueId>> {
        self.ask(|tables| {
            let waits =
                |id: QueueId| tables.recipients_of(id).any(|(_, queued)| queued.waits() && queued.destination != over);
            let expired = tables.items.iter().filter(|(id, item)| !item.held && item.expires <= before && waits(**id));
            let mut expired: Vec<_> = expired.map(|(id, item)| (item.expires, *id)).collect();
            expired.sort_unstable();
            expired.into_iter().take(limit).map(|(_, id)| id).collect()
        })
    }

    fn queue_rows(&self, destination: &str, until: Option<Timestamp>, visit: Visit<'_>) -> Result<()> {
        let rows: Vec<QueuedRow> = self.ask(|tables| {
            let rows = tables.open().filter(|(_, queued)| queued.destination == destination);
            let rows = rows.filter(|(_, queued)| until.is_none_or(|until| queued.due <= until));
            let mut rows: Vec<QueuedRow> = rows.map(|(key, queued)| queued.row(*key)).collect();
            rows.sort_unstable_by_key(|row| (row.due, row.id, row.place));
            rows
        })?;
        let _ = rows.into_iter().try_for_each(visit);
        Ok(())
    }

    fn queue_urgent(&self, destination: &str, until: Timestamp, limit: usize) -> Result<Vec<QueuedRow>> {
        self.ask(|tables| {
            let rows = tables.open().filter(|(_, queued)| queued.destination == destination && queued.due <= until);
            let rows = rows.filter(|(_, queued)| queued.priority > 0);
            let mut rows: Vec<QueuedRow> = rows.map(|(key, queued)| queued.row(*key)).collect();
            rows.sort_unstable_by_key(|row| (-row.priority, row.due, row.id, row.place));
            rows.truncate(limit);
            rows
        })
    }

    fn queue_waiting(&self, id: QueueId) -> Result<Vec<(String, Timestamp)>> {
        self.ask(|tables| {
            let mut first: BTreeMap<String, Timestamp> = BTreeMap::new();
            for (_, queued) in tables.recipients_of(id).filter(|(_, queued)| queued.waits() && !queued.held) {
                let due = first.entry(queued.destination.clone()).or_insert(queued.due);
                *due = queued.due.min(*due);
            }
            first.into_iter().collect()
        })
    }

    fn queue_has_waiting(&self, id: QueueId) -> Result<bool> {
        self.ask(|tables| tables.recipients_of(id).any(|(_, queued)| queued.waits()))
    }

    fn queue_routed(&self, destination: &str, limit: usize) -> Result<Vec<RoutedRow>> {
        self.ask(|tables| {
            let all =
                tables.recipients.iter().filter(|(_, queued)| queued.waits() && queued.destination == destination);
            all.take(limit).map(|((id, place), queued)| routed(*id, *place, queued)).collect()
        })
    }

    fn queue_recipient(&self, id: QueueId, place: u32) -> Result<Option<(String, String)>> {
        self.ask(|tables| {
            let queued = tables.recipients.get(&(id, place))?;
            Some((queued.recipient.address.to_string(), queued.destination.clone()))
        })
    }

    fn is_settled(&self, id: QueueId, settlement: i64) -> Result<bool> {
        let same = |attempt: &Attempt| attempt.item == id && attempt.settlement == settlement;
        self.ask(|tables| tables.attempts.iter().any(|(_, attempt)| same(attempt)))
    }
}

impl WriteQueue for Connection {
    fn queue_insert(&self, item: &NewItem, blob: BlobId) -> Result<QueueId> {
        self.change(|tables| {
            let id = QueueId(next(&mut tables.last.item));
            let kept = Item {
                id,
                envelope: Envelope { recipients: Vec::new(), ..item.envelope.clone() },
                blob,
                size: item.content.len(),
                submitter: item.submitter,
                created: item.created,
                expires: item.expires,
                held: false,
                delay_reported: false,
                recipients: Vec::new(),
            };
            tables.items.insert(id, kept);
            Ok(id)
        })
    }

    fn queue_recipient_insert(
        &self,
        id: QueueId,
        place: u32,
        recipient: &Recipient,
        (due, priority): (Timestamp, i8),
        destination: &str,
    ) -> Result<()> {
        let queued = Queued {
            recipient: recipient.clone(),
            destination: destination.to_owned(),
            state: RecipientState::Waiting,
            attempts: 0,
            due,
            held: false,
            last_attempt: 0,
            priority,
        };
        self.edit(|tables| tables.recipients.put((id, place), queued))
    }

    fn queue_remove(&self, id: QueueId) -> Result<Option<BlobId>> {
        self.change(|tables| {
            let places: Vec<u32> = tables.recipients_of(id).map(|(place, _)| place).collect();
            places.iter().for_each(|place| tables.recipients.discard(&(id, *place)));
            Ok(tables.items.remove(&id).map(|item| item.blob))
        })
    }

    fn queue_due_now(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.change(|tables| {
            tables.each(id, |_, queued| {
                let later = queued.waits() && queued.due > now;
                queued.due = if later { now } else { queued.due };
                later
            });
            Ok(())
        })
    }

    fn queue_hold(&self, id: QueueId, held: bool) -> Result<()> {
        self.change(|tables| {
            tables.item(id, |item| item.held = held);
            tables.each(id, |_, queued| {
                queued.held = held;
                true
            });
            Ok(())
        })
    }

    fn queue_expire(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.change(|tables| {
            tables.item(id, |item| item.expires = item.expires.min(now));
            Ok(())
        })
    }

    fn queue_delay_told(&self, id: QueueId) -> Result<bool> {
        self.change(|tables| Ok(tables.item(id, |item| item.delay_reported = true)))
    }

    fn queue_route(&self, id: QueueId, place: u32, destination: &str) -> Result<()> {
        self.change(|tables| {
            tables.each(id, |of, queued| {
                destination.clone_into(&mut queued.destination);
                of == place
            });
            Ok(())
        })
    }

    fn queue_route_waiting(&self, id: QueueId, destination: &str, due: Timestamp) -> Result<usize> {
        self.change(|tables| {
            Ok(tables.each(id, |_, queued| {
                destination.clone_into(&mut queued.destination);
                queued.due = due;
                queued.waits()
            }))
        })
    }

    fn queue_claim(&self, id: QueueId, place: u32, until: Timestamp, counts: bool) -> Result<()> {
        self.change(|tables| {
            tables.each(id, |of, queued| {
                queued.attempts += u32::from(counts);
                queued.due = until;
                of == place && queued.waits()
            });
            Ok(())
        })
    }

    fn queue_unclaim(&self, id: QueueId, place: u32, due: Timestamp) -> Result<Option<RoutedRow>> {
        self.change(|tables| {
            let changed = tables.each(id, |of, queued| {
                queued.attempts = queued.attempts.saturating_sub(1);
                queued.due = due;
                of == place && queued.waits()
            });
            let queued = tables.recipients.get(&(id, place)).filter(|_| changed > 0);
            Ok(queued.map(|queued| routed(id, place, queued)))
        })
    }

    fn queue_put_off(&self, id: QueueId, place: u32, due: Timestamp, attempt: i64) -> Result<()> {
        self.change(|tables| {
            tables.each(id, |of, queued| {
                (queued.due, queued.last_attempt) = (due, attempt);
                of == place
            });
            Ok(())
        })
    }

    fn queue_shorten(&self, now: Timestamp, lifetime: Duration) -> Result<()> {
        let last = now.after(lifetime);
        self.change(|tables| {
            let ids: Vec<QueueId> = tables.items.iter().map(|(id, _)| *id).collect();
            for id in ids {
                tables.item(id, |item| {
                    (item.expires, item.created) = (item.expires.min(last), item.created.min(now));
                });
            }
            Ok(())
        })
    }

    fn queue_late_now(&self, now: Timestamp, late: Timestamp) -> Result<Vec<String>> {
        self.change(|tables| {
            let all = tables.recipients.iter().filter(|(_, queued)| queued.waits() && queued.due > late);
            let all: Vec<_> = all.map(|(key, queued)| (*key, Queued { due: now, ..queued.clone() })).collect();
            let destinations = all.iter().map(|(_, queued)| queued.destination.clone()).collect();
            all.into_iter().for_each(|(key, queued)| tables.recipients.put(key, queued));
            Ok(destinations)
        })
    }

    fn attempt_insert(&self, id: QueueId, recipient: &str, result: &AttemptResult, settlement: i64) -> Result<i64> {
        let attempt = Attempt { item: id, recipient: recipient.to_owned(), result: result.clone(), settlement };
        self.change(|tables| {
            let number = next(&mut tables.last.attempt);
            tables.attempts.insert(number, attempt);
            Ok(number)
        })
    }

    fn attempts_forget(&self, up_to: i64) -> Result<()> {
        self.change(|tables| {
            let old: Vec<i64> = tables.attempts.iter().map(|(id, _)| *id).take_while(|id| *id <= up_to).collect();
            old.iter().for_each(|id| tables.attempts.discard(id));
            old.iter().for_each(|id| tables.trails.discard(id));
            Ok(())
        })
    }

    fn queue_settle(
        &self,
        id: QueueId,
        place: u32,
        state: RecipientState,
        next: Option<Timestamp>,
        attempt: i64,
        over: &str,
    ) -> Result<Option<Timestamp>> {
        self.change(|tables| {
            let Some(mut queued) = tables.recipients.get(&(id, place)).cloned() else { return Ok(None) };
            (queued.state, queued.last_attempt) = (state, attempt);
            queued.due = next.filter(|_| queued.destination != over).unwrap_or(queued.due);
            let due = queued.due;
            tables.recipients.insert((id, place), queued);
            Ok(Some(due))
        })
    }
}
