//! The server and schema of a store: who has it, how sessions are opened.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::database::{Database, Identity, Read, Readers, Tend, Walk, Write};
use super::super::shared::Log;
use super::session::Session;
use super::url::Address;
use super::value::{Columns, values};
use super::{Postgres, Role, check, migrate};
use crate::base::limits::{
    POSTGRES_LOCK_MILLISECONDS, POSTGRES_REDIAL_MILLISECONDS, POSTGRES_ROW_MILLISECONDS, POSTGRES_STATEMENT_SECONDS,
};
use crate::base::{Error, ErrorKind, Mono, Result, World};

/// Engines of this test program.
#[cfg(test)]
static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// Commits that must be on the server's own disk at least.
const DURABLE: [&str; 4] = ["on", "local", "remote_write", "remote_apply"];

/// How long a statement waits for a row that another session changes.
fn lock_timeout() -> String {
    format!("{POSTGRES_ROW_MILLISECONDS}ms")
}

/// A store's server and schema. Clones are of one engine.
#[derive(Clone)]
pub(in super::super) struct Server {
    world: World,
    address: Address,
    /// What our writer's sessions are called on the server: drawn at random, so that nobody else has it.
    name: Arc<str>,
    /// Until when the server is not dialled again, and why.
    rest: Arc<Mutex<Option<(Mono, Error)>>>,
    /// A test writes beside the engine.
    #[cfg(test)]
    pub beside: bool,
}

impl Server {
    /// The server and schema that an address leads to. `Invalid` where it is none.
    pub fn of(world: &World, url: &str) -> Result<Server> {
        let mut drawn = [0; 8];
        world.entropy.fill(&mut drawn);
        let name = drawn.iter().fold("mailcore ".to_owned(), |mut name, octet| {
            let _ = write!(name, "{octet:02x}");
            name
        });
        Ok(Server {
            world: world.clone(),
            address: Address::parse(url)?,
            name: name.into(),
            rest: Arc::default(),
            #[cfg(test)]
            beside: false,
        })
    }

    /// The same server, for another engine.
    #[cfg(test)]
    pub fn anew(&self) -> Server {
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Server { name: format!("mailcore test {number}").into(), rest: Arc::default(), ..self.clone() }
    }

    /// The same server, for changes beside the engine.
    #[cfg(test)]
    pub fn beside(&self) -> Server {
        Server { beside: true, ..self.anew() }
    }

    /// A session with its settings. `StoreDown` where the server cannot be reached.
    pub(super) fn connect(&self, role: Role) -> Result<Session> {
        let now = self.world.clock.now();
        if let Some((until, why)) = &*self.rest.lock().unwrap_or_else(PoisonError::into_inner)
            && now < *until
        {
            return Err(why.clone());
        }
        let opened = self.open(role);
        let until = now + Duration::from_millis(POSTGRES_REDIAL_MILLISECONDS);
        // The writer has pauses of its own, and readers need not wait for those.
        let rest = opened.as_ref().err().filter(|_| role == Role::Reader).map(|e| (until, e.clone()));
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = rest;
        opened
    }

    fn open(&self, role: Role) -> Result<Session> {
        let name = if role == Role::Writer { &*self.name } else { "mailcore reader" };
        let session = Session::open(&self.world, &self.address, name)?;
        let limit = POSTGRES_STATEMENT_SECONDS;
        session.batch(&format!(
            "SET search_path = {}; SET statement_timeout = '{limit}s'; SET lock_timeout = '{}';
             SET idle_in_transaction_session_timeout = '{limit}s'; SET client_min_messages = warning;
             SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
            self.address.schema,
            lock_timeout(),
        ))?;
        Ok(session)
    }

    /// Looks at what the server promises.
    fn check_promises(session: &Session) -> Result<()> {
        let asked = session.rows(
            "SELECT current_setting('synchronous_commit'), current_setting('fsync'),
               current_setting('full_page_writes'), current_setting('server_encoding'), pg_is_in_recovery()",
            values![],
        )?;
        let Some(row) = asked.first() else { return Ok(()) };
        let (commits, encoding) = (row.text(0)?, row.text(3)?);
        if !DURABLE.contains(&commits.as_str()) {
            // What is acknowledged must be there after a crash: our sessions insist.
            session.batch("SET synchronous_commit = on")?;
        }
        if encoding != "UTF8" {
            let text = format!("the database has the encoding {encoding}: UTF8 is needed");
            return Err(Error::new(ErrorKind::Invalid, text));
        }
        if row.flag(4)? {
            return Err(Error::new(
                ErrorKind::StoreDown,
                "store: the PostgreSQL server is a replica, which takes no changes",
            ));
        }
        if [row.text(1)?, row.text(2)?].iter().any(|setting| setting == "off") {
            log::warn!("store: the PostgreSQL server has fsync or full_page_writes off: a crash of it can lose mail");
        }
        Ok(())
    }

    /// Takes the store's lock for a session. `Busy` where another engine has it. What is left of a session of our own,
    /// whose connection broke, is ended first.
    fn lock(&self, session: &Session) -> Result<()> {
        let key = format!("mailcore store {}", self.address.schema);
        for _ in 0..2 {
            // A session that just ended gives its lock back a moment later.
            let wait = "SELECT set_config('lock_timeout', $1, false)";
            session.rows(wait, values![format!("{POSTGRES_LOCK_MILLISECONDS}ms")])?;
            let taken = session.rows("SELECT pg_advisory_lock(hashtextextended($1, 0))", values![key.as_str()]);
            session.rows(wait, values![lock_timeout()])?;
            match taken {
                Err(e) if e.kind() == ErrorKind::Busy => {}
                taken => return taken.map(drop),
            }
            let ended = session.rows(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
                   WHERE application_name = $1 AND pid <> pg_backend_pid() AND usename = current_user",
                values![&*self.name],
            )?;
            if ended.is_empty() {
                break;
            }
        }
        let text = format!("the store in the schema {} is in use by another process or engine", self.address.schema);
        Err(Error::new(ErrorKind::Busy, text))
    }

    /// Gives the store's lock back. A session that ends does so too, a moment later.
    pub(super) fn unlock(session: &Session) -> Result<()> {
        session.batch("SELECT pg_advisory_unlock_all()")
    }

    fn writer(&self) -> Result<Session> {
        let session = self.connect(Role::Writer)?;
        #[cfg(test)]
        if self.beside {
            return Ok(session);
        }
        Server::check_promises(&session)?;
        self.lock(&session)?;
        Ok(session)
    }
}

impl Database for Server {
    /// Looks whether the store is free. It is taken by the writer's session, and given back when that ends.
    fn take(&self) -> Result<Box<dyn Send + Sync>> {
        Server::unlock(&self.writer()?)?;
        Ok(Box::new(()))
    }

    /// A commit is durable when the server has answered it.
    fn make_durable(&self) -> Result<()> {
        Ok(())
    }

    fn open_writer(&self) -> Result<Box<dyn Write>> {
        let session = self.writer()?;
        migrate::migrate(&session, &self.address.schema)?;
        Ok(Box::new(Postgres::new(self.clone(), Role::Writer, session)))
    }

    fn open_reader(&self, _: Readers) -> Result<Box<dyn Read>> {
        let session = self.connect(Role::Reader)?;
        Ok(Box::new(Postgres::new(self.clone(), Role::Reader, session)))
    }

    fn open_tender(&self) -> Result<Box<dyn Tend>> {
        Ok(Box::new(NoLog))
    }

    fn open_walk(&self, _: Readers) -> Result<Box<dyn Walk>> {
        let session = self.connect(Role::Reader)?;
        Ok(Box::new(check::TableWalk::begin(Postgres::new(self.clone(), Role::Reader, session))?))
    }

    fn copy(&self, _: &Path, _: &mut dyn FnMut(u64, u64) -> bool) -> Result<()> {
        let text = "a store on PostgreSQL is backed up by the server's own means, such as pg_dump";
        Err(Error::new(ErrorKind::Unsupported, text))
    }

    fn identity(&self) -> Result<Identity> {
        Ok(Identity::default())
    }

    fn set_foreign_log_aside(&self) -> Result<()> {
        Ok(())
    }

    fn is_on_our_disk(&self) -> bool {
        false
    }
}

/// The server keeps its own log: there is nothing to be tended here.
struct NoLog;

impl super::Connected for NoLog {
    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

impl Tend for NoLog {
    fn copy_log(&self, _: &Log) -> Result<()> {
        Ok(())
    }

    fn empty_log(&self) -> Result<()> {
        Ok(())
    }
}
