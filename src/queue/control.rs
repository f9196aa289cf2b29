//! Waiting for what becomes of a queued message. What a host may do to one is `Store::queue_control`.

use crate::base::{Error, ErrorKind, QueueId, Result};
use crate::store::Store;

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
