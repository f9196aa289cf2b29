//! What the host may do to queued messages.

use crate::base::{Error, ErrorKind, QueueId, Result, Timestamp};
use crate::store::{QueueAction, Store};

/// Makes a message (`None`: every message) due now. Gives how many were touched; `NotFound` for an id that is not
/// queued.
pub async fn retry(store: &Store, id: Option<QueueId>, now: Timestamp) -> Result<u64> {
    store.queue_control(id, QueueAction::Retry, now).await
}

/// Keeps back until released; an attempt under way goes on.
pub async fn hold(store: &Store, id: Option<QueueId>, now: Timestamp) -> Result<u64> {
    store.queue_control(id, QueueAction::Hold, now).await
}

/// Ends a hold.
pub async fn release(store: &Store, id: Option<QueueId>, now: Timestamp) -> Result<u64> {
    store.queue_control(id, QueueAction::Release, now).await
}

/// Gives up now, with a report to the sender.
pub async fn bounce(store: &Store, id: Option<QueueId>, now: Timestamp) -> Result<u64> {
    store.queue_control(id, QueueAction::Bounce, now).await
}

/// Removes without a word.
pub async fn remove(store: &Store, id: Option<QueueId>, now: Timestamp) -> Result<u64> {
    store.queue_control(id, QueueAction::Drop, now).await
}

/// Waits until every recipient of a message is delivered or given up; what came of them is in `Store::attempts`.
/// `NotFound` for an id that never was, or whose attempts are forgotten. The caller sets the deadline.
pub async fn wait(store: &Store, id: QueueId) -> Result<()> {
    // Watching begins before looking, so that nothing happens in between unseen.
    let mut watch = store.watch_queue();
    let mut was_there = false;
    while store.queue_item(id).await?.is_some() {
        was_there = true;
        watch.changed().await;
    }
    if was_there || !store.attempts(id).await?.is_empty() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, "no such message was queued"))
}
