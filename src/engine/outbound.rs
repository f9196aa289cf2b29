//! Submission and the queue, as the host sees them.

use super::Engine;
use super::accounts::parse;
use crate::base::content::Spool;
use crate::base::{Content, Domain, Envelope, Error, ErrorKind, QueueId, Recipient, Result};
pub use crate::intake::submit::{SubmitOptions, Submitted};
use crate::queue::control;
use crate::store::{AttemptResult, DestinationRow, Item, Paused, QueueAction, QueueFilter};

impl Engine {
    /// An empty spool for a message the host writes piece by piece.
    pub fn spool(&self) -> Result<Spool> {
        let octets_max = self.config().settings.message_octets_max;
        Ok(Spool::new(self.world().disk.clone(), self.store().scratch_folder(), octets_max))
    }

    /// Takes a message from the host: completes its header, files it for recipients here, queues it for
    /// those elsewhere, in one transaction. When this returns, it is on disk.
    pub async fn submit(&self, envelope: Envelope, content: Content) -> Result<Submitted> {
        self.running()?.intake().submit(None, &envelope, content).await
    }

    /// [`Engine::submit`], with a key under which it is taken once, or for later.
    pub async fn submit_with(&self, envelope: Envelope, content: Content, options: SubmitOptions) -> Result<Submitted> {
        self.running()?.intake().submit_with(None, &envelope, content, options).await
    }

    /// [`Engine::submit`] in one call: from one address (empty for `<>`) to others.
    pub async fn send(&self, from: &str, to: &[&str], message: impl Into<Vec<u8>>) -> Result<Submitted> {
        let reverse_path = if from.is_empty() { None } else { Some(parse(from)?) };
        let recipients: Result<Vec<Recipient>> = to.iter().map(|to| Ok(Recipient::new(parse(to)?))).collect();
        let envelope = Envelope { reverse_path, recipients: recipients?, ..Envelope::default() };
        self.submit(envelope, Content::from_octets(message)).await
    }

    /// A queued message; `NotFound` once it is finished.
    pub async fn queue_item(&self, id: QueueId) -> Result<Item> {
        let item = self.store().queue_item(id).await?;
        item.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("nothing queued as {}", id.0)))
    }

    /// Queued messages with ids above `after`.
    pub async fn queue_list(&self, after: QueueId, limit: usize) -> Result<Vec<Item>> {
        self.store().queue_list(after, limit).await
    }

    /// Retry, hold, release, bounce or drop one message or (`None`) all; gives how many it touched.
    pub async fn queue_control(&self, id: Option<QueueId>, action: QueueAction) -> Result<u64> {
        let now = self.world().clock.wall();
        self.store().queue_control(id, action, now).await
    }

    /// Does something to all messages that a filter fits; gives how many. Done in steps: messages that come meanwhile
    /// may be touched or not.
    pub async fn queue_select(&self, filter: &QueueFilter, action: QueueAction) -> Result<u64> {
        let mut after = QueueId(filter.id.map_or(0, |id| id.0.saturating_sub(1)));
        let mut touched = 0;
        loop {
            let limit = if filter.id.is_some() { 1 } else { QUEUE_SELECT_STEP };
            let items = self.store().queue_list(after, limit).await?;
            let Some(last) = items.last() else { return Ok(touched) };
            after = last.id;
            let ids: Vec<QueueId> = items.iter().filter(|item| filter.fits(item)).map(|item| item.id).collect();
            let now = self.world().clock.wall();
            touched += self.store().queue_control_some(ids, action, now).await?;
            if filter.id.is_some() {
                return Ok(touched);
            }
        }
    }

    /// Lets a destination (a domain, or `host:port` of the smart host) get no mail until it is resumed. What is under
    /// way is let end; what waits still expires.
    pub async fn destination_pause(&self, destination: &str, reason: &str) -> Result<()> {
        let (destination, since) = (named(destination)?, self.world().clock.wall());
        self.store().destination_pause(Paused { destination, since, reason: reason.to_owned() }).await
    }

    /// Ends a pause. `NotFound` where there is none.
    pub async fn destination_resume(&self, destination: &str) -> Result<()> {
        self.store().destination_resume(named(destination)?).await
    }

    /// Destinations that are paused.
    pub async fn destinations_paused(&self) -> Result<Vec<Paused>> {
        self.store().destinations_paused().await
    }

    /// What attempts at a destination came to since the engine was opened: recipients delivered, and the others.
    pub fn destination_counts(&self, destination: &str) -> (u64, u64) {
        self.store().destination_counts(destination)
    }

    /// What waits for each destination behind `after`, by name.
    pub async fn destinations(&self, after: Option<&str>, limit: usize) -> Result<Vec<DestinationRow>> {
        self.store().destinations(after.map(str::to_owned), limit).await
    }

    /// Attempts for a message, finished or not, oldest first, with the recipient each was for.
    pub async fn attempts(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        self.store().attempts(id).await
    }

    /// Waits until a message is finished; gives its attempts, oldest first, with their recipients. `NotFound` for an id
    /// that never was.
    pub async fn queue_wait(&self, id: QueueId) -> Result<Vec<(String, AttemptResult)>> {
        control::wait(self.store(), id).await?;
        self.store().attempts(id).await
    }
}

/// Messages looked at in one step of [`Engine::queue_select`].
const QUEUE_SELECT_STEP: usize = 256;

/// A destination as rows of the queue name it.
fn named(destination: &str) -> Result<String> {
    if destination.contains(':') && !destination.starts_with('[') {
        return Ok(destination.to_ascii_lowercase());
    }
    let domain = Domain::parse(destination);
    domain
        .map(|domain| domain.key())
        .map_err(|e| Error::new(ErrorKind::Invalid, format!("destination {destination:?}: {e}")))
}
