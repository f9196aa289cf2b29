//! Floor 10: the engine for programs in Rust, in few names that stay.
//!
//! Its items, at the root of the crate, keep to semantic versioning; all other modules are the library's own and change
//! with any version. Methods block: they wait on the calling thread for work of the engine's threads. All can be called
//! from any thread, and [`Engine::interrupt`] ends those that wait. What is given back as done is on disk and synced.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use crate::base::ErrorKind;
use crate::base::event::Outcome;
use crate::base::limits::BODY_READ_AHEAD_OCTETS;
pub use crate::base::settings::Service;
use crate::base::{BlobId, QueueId, Secret, Timestamp, UidSet};
use crate::engine;
use crate::engine::keys::Value;
use crate::engine::{Config, Interrupt};
use crate::ffi::event_json;

/// Why a call failed: its kind and a sentence for a person.
#[derive(Debug, Clone)]
pub struct Error(crate::base::Error);

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind()
    }

    /// Reply code of SMTP: what a session of the engine would have answered; `None` where there is none.
    pub fn smtp_code(&self) -> Option<u16> {
        Some(self.0.smtp().0).filter(|code| *code != 0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl From<crate::base::Error> for Error {
    fn from(e: crate::base::Error) -> Self {
        Self(e)
    }
}

/// A mail engine: one store, its queue and its listeners. Clones are the same engine; it is closed with the last one,
/// or by [`Engine::close`].
#[derive(Clone)]
pub struct Engine {
    inner: engine::Engine,
    interrupt: Arc<Interrupt>,
}

/// Something that happened: mail filed, delivered, refused, and so on (docs/events.md lists them with their fields).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Counts up by one from 1; a gap means that events were dropped.
    pub sequence: u64,
    /// When it happened.
    pub at: SystemTime,
    /// What happened, as "filed".
    pub name: String,
    /// All that is known of it, as a JSON object.
    pub json: String,
}

/// A message in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// Its number in the mailbox, which never changes and is never used again there.
    pub uid: u32,
    /// Its size in octets.
    pub size: u64,
    /// When it came.
    pub received: SystemTime,
    blob: BlobId,
}

/// What became of a message for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The recipient's address.
    pub recipient: String,
    /// Whether the next host took the message. If not, it was given up, and the sender was told by mail.
    pub delivered: bool,
    /// The host that answered last; empty where none was reached.
    pub host: String,
    /// That host's reply code; `None` where it gave none.
    pub code: Option<u16>,
    /// What that host said, or what went wrong.
    pub text: String,
}

impl Engine {
    /// Opens the store in a folder, which is made where missing. `hostname` is the engine's name in greetings and
    /// reports. The engine does nothing by itself until [`Engine::start`].
    ///
    /// # Errors
    /// `Busy` where the store is open elsewhere, `Invalid` for a hostname that is none, `Store` and its like where the
    /// disk fails, `Unsupported` where the system's SQLite can lose commits.
    pub fn open(folder: impl Into<PathBuf>, hostname: &str) -> Result<Engine> {
        Engine::open_with(Config::new(folder), hostname)
    }

    /// Opens the store on a PostgreSQL server, `postgres://user@host/db?schema=name`. The schema and its tables are
    /// made where missing. The rest is as of [`Engine::open`].
    ///
    /// # Errors
    /// As of [`Engine::open`]; `Invalid` for another address, `StoreDown` where the server cannot be reached,
    /// `Unsupported` where this build has no PostgreSQL.
    pub fn open_at(url: &str, hostname: &str) -> Result<Engine> {
        Engine::open_with(Config::at(url), hostname)
    }

    fn open_with(mut config: Config, hostname: &str) -> Result<Engine> {
        let key = engine::keys::find("hostname")?;
        key.set(&mut config, Value::Text(hostname.to_owned()))?;
        let inner = engine::Engine::open(config)?;
        Ok(Engine { inner, interrupt: Arc::default() })
    }

    /// Sets a property, before the start. The header of the C interface lists them (`MAILCORE_KEY_`); a switch takes 0
    /// or 1.
    ///
    /// # Errors
    /// `NotFound` or `Invalid`, with the nearest name or the rule; `State` after the start.
    pub fn set(&self, name: &str, value: impl fmt::Display) -> Result<()> {
        Ok(self.inner.set(name, Value::Text(value.to_string()))?)
    }

    /// Makes an account, or gives one a new password; with `None` nobody can log in to it. Its domain becomes local.
    ///
    /// # Errors
    /// `Invalid` for an address that is none; `Store` and its like.
    pub fn put_account(&self, address: &str, password: Option<&str>) -> Result<()> {
        let password = password.map(Secret::new);
        self.run(self.inner.account_put(address, password.as_ref())).map(drop)
    }

    /// Deletes an account and its mail.
    ///
    /// # Errors
    /// `NotFound`; `Store` and its like.
    pub fn delete_account(&self, address: &str) -> Result<()> {
        self.run(self.inner.account_delete(address))
    }

    /// Mail for `pattern`, an address or `@domain`, goes to `target` too.
    ///
    /// # Errors
    /// `Invalid` for addresses that are none; `Store` and its like.
    pub fn put_alias(&self, pattern: &str, target: &str) -> Result<()> {
        self.run(self.inner.alias_put(pattern, target))
    }

    /// Starts the engine: it delivers its queue, and [`Engine::listen`] and [`Engine::send`] can be called.
    ///
    /// # Errors
    /// `State` where it was started before; `Store`, `Tls`, `Dns`.
    pub fn start(&self) -> Result<()> {
        self.run(self.inner.start())
    }

    /// Listens at an address, where port 0 takes a free one; the address that was taken.
    ///
    /// # Errors
    /// `State` before the start; `Busy` and `Network`; `Tls` where the service needs a certificate.
    pub fn listen(&self, service: Service, at: SocketAddr) -> Result<SocketAddr> {
        self.run(self.inner.listen(service, at)).map(|(_, at)| at)
    }

    /// Takes a message: files it for recipients here, queues it for those elsewhere. Lines end in CRLF. `from` is told
    /// of failures; empty, nobody is. Gives the queue's id for [`Engine::wait`], or `None` where all recipients are
    /// here.
    ///
    /// # Errors
    /// `State` before the start; `Invalid`, `NotFound` (no such recipient here), `Limit`, `Quota`, `Policy`; `Store`
    /// and its like.
    pub fn send(&self, from: &str, to: &[&str], message: impl Into<Vec<u8>>) -> Result<Option<u64>> {
        let submitted = self.run(self.inner.send(from, to, message))?;
        Ok(submitted.queued.map(|id| id.0.unsigned_abs()))
    }

    /// Waits until a queued message is finished for all recipients, and says what became of it for each.
    ///
    /// # Errors
    /// `Timeout` while it is still in the queue; `NotFound` for an id that never was; `Interrupted`; `Store` and its
    /// like.
    pub fn wait(&self, id: u64, timeout: Duration) -> Result<Vec<Delivery>> {
        let id = i64::try_from(id).unwrap_or(i64::MAX);
        let attempts = self.inner.wait(&self.interrupt, Some(timeout), self.inner.queue_wait(QueueId(id)))?;
        let mut found: Vec<Delivery> = Vec::new();
        for (recipient, last) in attempts.into_iter().rev() {
            if !found.iter().any(|delivery| delivery.recipient == recipient) {
                let delivered = last.outcome == Outcome::Delivered;
                let code = Some(last.code).filter(|code| *code != 0);
                found.push(Delivery { recipient, delivered, host: last.host, code, text: last.text });
            }
        }
        found.reverse();
        Ok(found)
    }

    /// The next event; `None` where there is none in time, and always once the engine has stopped.
    ///
    /// # Errors
    /// `Interrupted`.
    pub fn next_event(&self, timeout: Duration) -> Result<Option<Event>> {
        let said = match self.inner.next_event(&self.interrupt, Some(timeout)) {
            Err(e) if e.kind() == ErrorKind::Timeout => None,
            said => said?,
        };
        Ok(said.map(|said| {
            let json = event_json::json(&said).finish();
            // {"event":"filed", ... : the name comes first.
            let name = json.split('"').nth(3).unwrap_or_default().to_owned();
            Event { sequence: said.sequence, at: moment(said.at), name, json }
        }))
    }

    /// The mailboxes of an account, `INBOX` among them; levels of a name are separated by `/`.
    ///
    /// # Errors
    /// `NotFound`; `Store` and its like.
    pub fn mailboxes(&self, address: &str) -> Result<Vec<String>> {
        let account = self.run(self.inner.account(address))?;
        let mailboxes = self.run(self.inner.mailboxes(account.id))?;
        Ok(mailboxes.into_iter().map(|mailbox| mailbox.name).collect())
    }

    /// The messages of a mailbox, oldest first.
    ///
    /// # Errors
    /// `NotFound`; `Store` and its like.
    pub fn messages(&self, address: &str, mailbox: &str) -> Result<Vec<Message>> {
        let account = self.run(self.inner.account(address))?;
        let mailbox = self.run(self.inner.mailbox(account.id, mailbox))?.id;
        let uids: UidSet = self.run(self.inner.snapshot(mailbox))?.messages.uids().collect();
        let facts = self.run(self.inner.facts(mailbox, &uids))?;
        let message = |fact: crate::store::Fact| {
            let received = moment(fact.internal_date);
            Message { uid: fact.uid, size: fact.size, received, blob: fact.blob }
        };
        Ok(facts.into_iter().map(message).collect())
    }

    /// All octets of a message.
    ///
    /// # Errors
    /// `NotFound` where it was deleted meanwhile; `Store` and its like.
    pub fn read(&self, message: &Message) -> Result<Vec<u8>> {
        let mut octets = Vec::new();
        loop {
            let piece = self.run(self.inner.read(message.blob, octets.len() as u64, BODY_READ_AHEAD_OCTETS))?;
            if piece.is_empty() {
                return Ok(octets);
            }
            octets.extend(piece);
        }
    }

    /// Makes all calls that wait now return `Interrupted`.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
    }

    /// Stops the engine: listeners close, sessions and deliveries may go on for `timeout`. The event `stopped` is the
    /// last one.
    ///
    /// # Errors
    /// `State` where it was not started; `Interrupted`; `Store` and its like.
    pub fn stop(&self, timeout: Duration) -> Result<()> {
        Ok(self.inner.wait(&self.interrupt, None, self.inner.stop(timeout))?)
    }

    /// Closes the store and ends the engine's threads, for all clones. Later calls fail.
    ///
    /// # Errors
    /// `Store` and its like; nothing that was accepted is lost.
    pub fn close(self) -> Result<()> {
        Ok(self.inner.close()?)
    }

    /// Waits for work on the store, however long it takes.
    fn run<T>(&self, work: impl Future<Output = crate::base::Result<T>>) -> Result<T> {
        Ok(self.inner.wait(&Interrupt::default(), None, work)?)
    }
}

/// A time of ours as the standard library has it; 1970 for what lies before.
fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.0).unwrap_or_default())
}
