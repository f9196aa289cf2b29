//! The queue: items, their recipients, attempts. A recipient *waits* until it is delivered or failed.

use std::ops::ControlFlow;
use std::time::Duration;

use super::super::{AttemptResult, Item, NewItem, RecipientState};
use super::outward::{ReadOutward, WriteOutward};
use super::sending::{ReadSending, WriteSending};
use crate::base::{BlobId, QueueId, Recipient, Result, Timestamp};

/// A recipient that waits and is not held, as it is found by its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct QueuedRow {
    pub id: QueueId,
    pub place: u32,
    pub due: Timestamp,
    /// Attempts begun.
    pub attempts: u32,
    /// -9 to 9: higher ones go first.
    pub priority: i8,
}

/// A recipient to be routed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct RoutedRow {
    pub id: QueueId,
    pub place: u32,
    /// Its forward-path, as it is kept.
    pub address: String,
    pub destination: String,
    pub due: Timestamp,
    pub held: bool,
}

/// What decides how long an item waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct ItemTerms {
    pub created: Timestamp,
    pub expires: Timestamp,
    pub held: bool,
    /// There is a sender who was not told of a delay.
    pub untold: bool,
    /// When the sender is told that it is late (RFC 2852).
    pub late: Option<Timestamp>,
}

/// Sees rows one after the other, and says when it has seen enough.
pub(in super::super) type Visit<'a> = &'a mut dyn FnMut(QueuedRow) -> ControlFlow<()>;

/// What is read of the queue.
pub(in super::super) trait ReadQueue: ReadOutward + ReadSending {
    /// Ids of items above `after`, ascending, at most `limit`.
    fn queue_ids(&self, after: QueueId, limit: usize) -> Result<Vec<QueueId>>;

    /// One item with its recipients. `Invalid` where what it says cannot be understood, so that trying again is no use.
    fn queue_item(&self, id: QueueId) -> Result<Option<Item>>;

    /// One item with these of its recipients only, in this order.
    fn queue_item_with(&self, id: QueueId, places: &[u32]) -> Result<Option<Item>>;

    /// The terms of an item.
    fn queue_terms(&self, id: QueueId) -> Result<Option<ItemTerms>>;

    /// Attempts of an item, oldest first, with the recipient each was for.
    fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>>;

    /// The first destination behind `after` with rows that wait and are not held, and when the first of them is due.
    fn queue_destination_behind(&self, after: Option<&str>) -> Result<Option<(String, Timestamp)>>;

    /// Items that expired at `before` or earlier, are not held, and wait for another destination than `over`; those
    /// that expired first come first, at most `limit`.
    fn queue_expired(&self, before: Timestamp, over: &str, limit: usize) -> Result<Vec<QueueId>>;

    /// Shows the rows of a destination that wait and are not held, by due time and item; those due at `until` or
    /// earlier only, where it is given. Costs what is shown.
    fn queue_rows(&self, destination: &str, until: Option<Timestamp>, visit: Visit<'_>) -> Result<()>;

    /// The same for those due at `until` or earlier whose priority is above 0: the highest first, by due time and item
    /// within one; at most `limit`.
    fn queue_urgent(&self, destination: &str, until: Timestamp, limit: usize) -> Result<Vec<QueuedRow>>;

    /// Recipients of an item that wait, whose item is not held: destinations, and when the first of each is due.
    fn queue_waiting(&self, id: QueueId) -> Result<Vec<(String, Timestamp)>>;

    /// Whether a recipient of an item waits.
    fn queue_has_waiting(&self, id: QueueId) -> Result<bool>;

    /// Recipients that wait for a destination, held or not, at most `limit`.
    fn queue_routed(&self, destination: &str, limit: usize) -> Result<Vec<RoutedRow>>;

    /// Forward-path and destination of a recipient.
    fn queue_recipient(&self, id: QueueId, place: u32) -> Result<Option<(String, String)>>;

    /// Whether an attempt of this settlement is on record.
    fn is_settled(&self, id: QueueId, settlement: i64) -> Result<bool>;
}

/// What is changed of the queue.
pub(in super::super) trait WriteQueue: WriteOutward + WriteSending {
    /// Writes a new item without recipients.
    fn queue_insert(&self, item: &NewItem, blob: BlobId) -> Result<QueueId>;

    /// Writes a recipient that waits; `due`: when it is due, and its priority.
    fn queue_recipient_insert(
        &self,
        id: QueueId,
        place: u32,
        recipient: &Recipient,
        due: (Timestamp, i8),
        destination: &str,
    ) -> Result<()>;

    /// Removes an item with its recipients; gives its body, which was used by it. `None` where it is not there.
    fn queue_remove(&self, id: QueueId) -> Result<Option<BlobId>>;

    /// The recipients of an item that wait for later are due now.
    fn queue_due_now(&self, id: QueueId, now: Timestamp) -> Result<()>;

    /// Holds an item, or ends that.
    fn queue_hold(&self, id: QueueId, held: bool) -> Result<()>;

    /// An item expires now at the latest.
    fn queue_expire(&self, id: QueueId, now: Timestamp) -> Result<()>;

    /// The sender was told of the delay; false where there is no such item.
    fn queue_delay_told(&self, id: QueueId) -> Result<bool>;

    /// Routes a recipient.
    fn queue_route(&self, id: QueueId, place: u32, destination: &str) -> Result<()>;

    /// Routes the recipients of an item that wait, and makes them due; gives how many.
    fn queue_route_waiting(&self, id: QueueId, destination: &str, due: Timestamp) -> Result<usize>;

    /// Moves a recipient that waits ahead to the end of its claim; `counts` an attempt, or not.
    fn queue_claim(&self, id: QueueId, place: u32, until: Timestamp, counts: bool) -> Result<()>;

    /// Gives a claim back: due then, and one attempt less. `None` where the recipient does not wait.
    fn queue_unclaim(&self, id: QueueId, place: u32, due: Timestamp) -> Result<Option<RoutedRow>>;

    /// Puts a recipient off for the reason that an attempt gives.
    fn queue_put_off(&self, id: QueueId, place: u32, due: Timestamp, attempt: i64) -> Result<()>;

    /// Items were accepted at `now` at the latest, and live for `lifetime` from now at the longest.
    fn queue_shorten(&self, now: Timestamp, lifetime: Duration) -> Result<()>;

    /// Recipients that wait and would be due after `late` are due now; gives the destination of each.
    fn queue_late_now(&self, now: Timestamp, late: Timestamp) -> Result<Vec<String>>;

    /// Records an attempt; gives its id, higher than any before.
    fn attempt_insert(&self, id: QueueId, recipient: &str, result: &AttemptResult, settlement: i64) -> Result<i64>;

    /// Forgets attempts up to this one.
    fn attempts_forget(&self, up_to: i64) -> Result<()>;

    /// Writes what an attempt came to for a recipient. It is due at `next`, where that is given and its destination is
    /// not `over`; gives when it is due. `None` where there is no such recipient.
    fn queue_settle(
        &self,
        id: QueueId,
        place: u32,
        state: RecipientState,
        next: Option<Timestamp>,
        attempt: i64,
        over: &str,
    ) -> Result<Option<Timestamp>>;
}
