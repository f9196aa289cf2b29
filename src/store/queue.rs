//! The outbound queue: rows only. When something is due, and what a failure means, is decided in `queue`.

use std::collections::BTreeSet;

use super::transaction::WriteTx;
use super::{Acceptance, Accepted, AttemptResult, Item, NewItem, QueueAction, Store, free, message, queue_route};
use crate::base::event::Event;
use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};

impl Store {
    /// Notes that the sender was told of the delay, and files or queues that report; one transaction.
    pub async fn queue_delay_reported(&self, id: QueueId, report: Acceptance) -> Result<Accepted> {
        self.write(message::octets(&report), move |tx| {
            if !tx.db.queue_delay_told(id)? {
                return Err(no_item());
            }
            message::accept(tx, &report)
        })
        .await
    }

    /// One item; `None` once it is finished.
    pub async fn queue_item(&self, id: QueueId) -> Result<Option<Item>> {
        self.read(move |db| db.queue_item(id)).await
    }

    /// Items with ids above `after`, at most `limit`. Those that cannot be read are left out; the runner holds them and
    /// says an event.
    pub async fn queue_list(&self, after: QueueId, limit: usize) -> Result<Vec<Item>> {
        self.read(move |db| {
            let ids = db.queue_ids(after, limit)?;
            let mut items = Vec::with_capacity(ids.len());
            for id in ids {
                match db.queue_item(id) {
                    Ok(item) => items.extend(item),
                    Err(e) if e.kind() == ErrorKind::Invalid => {
                        log::warn!("queued message {} cannot be read: {e}", id.0)
                    }
                    Err(e) => return Err(e),
                }
            }
            Ok(items)
        })
        .await
    }

    /// How many items there are, counted up to `most`.
    pub async fn queue_count(&self, most: usize) -> Result<u64> {
        self.read(move |db| Ok(db.queue_ids(QueueId(0), most)?.len() as u64)).await
    }

    /// Attempt rows of an item, finished or not, oldest first, with the recipient each was for. The newest
    /// `ATTEMPTS_KEPT_MAX` of the store are kept.
    pub async fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        self.read(move |db| db.attempts(id)).await
    }

    /// What the host decided; `None` is every item. Gives how many items it touched.
    pub async fn queue_control(&self, id: Option<QueueId>, action: QueueAction, now: Timestamp) -> Result<u64> {
        self.write(0, move |tx| {
            tx.wake_queue();
            let ids = match id {
                Some(id) => vec![id],
                None => tx.db.queue_ids(QueueId(0), usize::MAX)?,
            };
            match (id, control(tx, &ids, action, now)?) {
                (Some(_), 0) => Err(no_item()),
                (_, touched) => Ok(touched),
            }
        })
        .await
    }

    /// The same for some items; those that are gone are passed over. Gives how many it touched.
    pub async fn queue_control_some(&self, ids: Vec<QueueId>, action: QueueAction, now: Timestamp) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.write(0, move |tx| {
            tx.wake_queue();
            control(tx, &ids, action, now)
        })
        .await
    }
}

fn no_item() -> Error {
    Error::new(ErrorKind::NotFound, "no such item in the queue")
}

/// What of an item can be refused.
pub(super) fn check(item: &NewItem) -> Result<()> {
    match item.envelope.recipients.is_empty() {
        true => Err(Error::new(ErrorKind::Invalid, "a queued message needs a recipient")),
        false => Ok(()),
    }
}

/// Queues a message.
pub(super) fn insert(tx: &mut WriteTx<'_>, item: &NewItem) -> Result<QueueId> {
    let (envelope, size) = (&item.envelope, item.content.len());
    let blob = tx.db.body_insert(&item.content)?;
    let id = tx.db.queue_insert(item, blob)?;
    let router = tx.shared.queue.router();
    let priority = envelope.terms.priority.unwrap_or(0);
    let mut destinations = BTreeSet::new();
    for (place, recipient) in (0u32..).zip(&envelope.recipients) {
        let destination = match &router {
            Some(router) => tx.look_up(|directory| router.destination(directory, &recipient.address))?,
            None => String::new(),
        };
        tx.db.queue_recipient_insert(id, place, recipient, (item.due, priority), &destination)?;
        destinations.insert(destination);
    }
    destinations.iter().for_each(|destination| tx.queue_due(destination, item.due));
    let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    let to = envelope.recipients.iter().map(|recipient| recipient.address.to_string()).collect();
    tx.say(Event::Queued { id, from, to, size });
    tx.wake_queue();
    Ok(id)
}

/// Removes an item, where it is there.
pub(super) fn remove(tx: &mut WriteTx<'_>, id: QueueId) -> Result<()> {
    match tx.db.queue_remove(id)? {
        Some(blob) => free::release(tx, vec![blob]).map(drop),
        None => Ok(()),
    }
}

fn control(tx: &mut WriteTx<'_>, ids: &[QueueId], action: QueueAction, now: Timestamp) -> Result<u64> {
    let mut touched = 0;
    for id in ids.iter().copied() {
        if tx.db.queue_terms(id)?.is_none() {
            continue;
        }
        touched += 1;
        match action {
            QueueAction::Retry => tx.db.queue_due_now(id, now)?,
            QueueAction::Hold => tx.db.queue_hold(id, true)?,
            QueueAction::Release => tx.db.queue_hold(id, false)?,
            QueueAction::Bounce => {
                tx.db.queue_hold(id, false)?;
                queue_route::give_up(tx, id, now)?;
                tx.db.queue_expire(id, now)?;
            }
            QueueAction::Drop => remove(tx, id)?,
            QueueAction::Expire(at) => tx.db.queue_expires(id, at)?,
            QueueAction::Reroute => queue_route::anew(tx, id, now)?,
        }
        queue_route::tell(tx, id, action)?;
    }
    Ok(touched)
}
