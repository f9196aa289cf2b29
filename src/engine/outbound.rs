//! Submission and the queue, as the host sees them.

use super::Engine;
use super::accounts::parse;
use crate::base::content::Spool;
use crate::base::{Content, Envelope, Error, ErrorKind, QueueId, Recipient, Result};
pub use crate::intake::submit::Submitted;
use crate::queue::control;
use crate::store::{AttemptResult, Item, QueueAction};

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
