//! One session with the server: statements, prepared once; several under way at a time; a limit on every wait.
//!
//! The client library wants its connection driven beside its requests. A lane may block, so this is done by whoever
//! waits: [`Session::wait`] drives the connection until its request is answered. A statement whose result nobody needs
//! is sent ahead ([`Session::send`]); its error comes up with the next one that is waited for, and [`Session::settle`]
//! waits for all of them.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smol::future::FutureExt as _;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::error::{of_client, unreachable};
use super::stream::{self, WorldTls};
use super::url::Address;
use super::value::Value;
use crate::base::limits::{POSTGRES_ANSWER_SECONDS, POSTGRES_CONNECT_SECONDS, POSTGRES_SENT_AHEAD_MAX};
use crate::base::world::{Clock, TlsPeer};
use crate::base::{Error, ErrorKind, Result, World};

type ClientResult<T> = std::result::Result<T, tokio_postgres::Error>;
type Driver = Pin<Box<dyn Future<Output = ClientResult<()>> + Send>>;
type Sent = Pin<Box<dyn Future<Output = ClientResult<StatementResult>> + Send>>;

/// What a statement gave.
enum StatementResult {
    Rows(Vec<Row>),
    Changed(u64),
    Prepared(Statement),
}

/// A session.
pub(super) struct Session {
    client: Arc<Client>,
    driver: RefCell<Driver>,
    clock: Arc<dyn Clock>,
    statements: RefCell<BTreeMap<String, Statement>>,
    /// Statements sent ahead, in order.
    sent: RefCell<VecDeque<Sent>>,
    /// The connection is gone.
    dead: Cell<bool>,
    /// A statement failed: the server refuses all others until what it belongs to is undone.
    failed: Cell<bool>,
}

impl Session {
    /// Dials the server and logs in. `StoreDown` where that does not work in the time for it.
    pub fn open(world: &World, address: &Address, name: &str) -> Result<Session> {
        let within = address.config.get_connect_timeout().copied();
        let within = within.unwrap_or(Duration::from_secs(POSTGRES_CONNECT_SECONDS));
        let late = async {
            world.clock.pause(within).await;
            Err(unreachable(&format!("no answer in {} seconds", within.as_secs())))
        };
        smol::block_on(login(world, address, name).or(late))
    }

    /// Whether the connection is gone.
    pub fn is_dead(&self) -> bool {
        self.dead.get()
    }

    /// Whether a statement failed since [`Session::forgive`].
    pub fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// What failed is undone.
    pub fn forgive(&self) {
        self.failed.set(false);
    }

    /// The rows of a statement.
    pub fn rows(&self, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
        match self.wait(self.query(self.statement(sql)?, values))? {
            StatementResult::Rows(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    /// The rows of one statement for each of several sets of parameters, asked together.
    pub fn rows_of_each(&self, sql: &str, sets: Vec<Vec<Value>>) -> Result<Vec<Vec<Row>>> {
        let statement = self.statement(sql)?;
        let mut given = Vec::with_capacity(sets.len());
        for set in sets {
            let mut asked = self.query(statement.clone(), set);
            // All are under way before the first is waited for.
            match poll_once(&mut asked) {
                Poll::Ready(answer) => given.push(Ok(answer)),
                Poll::Pending => given.push(Err(asked)),
            }
        }
        let each = given.into_iter().map(|asked| match asked {
            Ok(answer) => self.judge(answer),
            Err(asked) => self.wait(asked),
        });
        let each = each.map(|answer| match answer? {
            StatementResult::Rows(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        });
        each.collect()
    }

    /// Carries a statement out; gives how many rows it changed.
    pub fn run(&self, sql: &str, values: Vec<Value>) -> Result<u64> {
        match self.wait(self.execute(self.statement(sql)?, values))? {
            StatementResult::Changed(rows) => Ok(rows),
            _ => Ok(0),
        }
    }

    /// Sends a statement; what becomes of it is seen later.
    pub fn send(&self, sql: &str, values: Vec<Value>) -> Result<()> {
        let mut asked = self.execute(self.statement(sql)?, values);
        match poll_once(&mut asked) {
            Poll::Ready(answer) => self.judge(answer).map(drop)?,
            Poll::Pending => self.sent.borrow_mut().push_back(asked),
        }
        let many = self.sent.borrow().len() >= POSTGRES_SENT_AHEAD_MAX;
        if many { self.settle() } else { Ok(()) }
    }

    /// Waits for all that was sent.
    pub fn settle(&self) -> Result<()> {
        let none = self.sent.borrow().is_empty();
        match none {
            true => Ok(()),
            false => self.wait(Box::pin(async { Ok(StatementResult::Changed(0)) })).map(drop),
        }
    }

    /// Carries several statements out, without parameters and in one message.
    pub fn batch(&self, sql: &str) -> Result<()> {
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        self.wait(Box::pin(async move { client.batch_execute(&sql).await.map(|()| StatementResult::Changed(0)) }))
            .map(drop)
    }

    /// COMMIT or ROLLBACK, with the server's own error.
    pub fn end(&self, sql: &str) -> std::result::Result<(), EndError> {
        self.settle().map_err(EndError::Before)?;
        let (client, sql) = (Arc::clone(&self.client), sql.to_owned());
        let asked = Box::pin(async move { client.batch_execute(&sql).await.map(|()| StatementResult::Changed(0)) });
        match smol::block_on(self.drive(asked)) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(EndError::Client(e)),
            Err(e) => Err(EndError::Before(e)),
        }
    }

    fn query(&self, statement: Statement, values: Vec<Value>) -> Sent {
        let client = Arc::clone(&self.client);
        Box::pin(async move {
            let values: Vec<_> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            client.query(&statement, &values).await.map(StatementResult::Rows)
        })
    }

    fn execute(&self, statement: Statement, values: Vec<Value>) -> Sent {
        let client = Arc::clone(&self.client);
        Box::pin(async move {
            let values: Vec<_> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
            client.execute(&statement, &values).await.map(StatementResult::Changed)
        })
    }

    fn statement(&self, sql: &str) -> Result<Statement> {
        let known = self.statements.borrow().get(sql).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        let (client, text) = (Arc::clone(&self.client), sql.to_owned());
        let prepared =
            self.wait(Box::pin(async move { client.prepare(&text).await.map(StatementResult::Prepared) }))?;
        let StatementResult::Prepared(statement) = prepared else {
            return Err(Error::new(ErrorKind::Bug, "a statement was not prepared"));
        };
        self.statements.borrow_mut().insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Waits for an answer, and for all that was sent before it, whose first error comes first.
    fn wait(&self, asked: Sent) -> Result<StatementResult> {
        if self.dead.get() {
            return Err(gone());
        }
        match smol::block_on(self.drive(asked)) {
            Ok(answer) => self.judge(answer),
            Err(e) => {
                self.dead.set(e.kind() == ErrorKind::StoreDown || self.dead.get());
                self.failed.set(true);
                Err(e)
            }
        }
    }

    fn judge(&self, answer: ClientResult<StatementResult>) -> Result<StatementResult> {
        answer.map_err(|e| {
            self.failed.set(true);
            // Without an answer of the server the connection is of no more use.
            self.dead.set(self.dead.get() || self.client.is_closed());
            of_client(&e)
        })
    }

    /// Drives the connection until the request is answered. The outer error is that of a statement sent before, of the
    /// connection, or of the limit on the wait.
    async fn drive(&self, mut asked: Sent) -> Result<ClientResult<StatementResult>> {
        let mut late = None;
        let mut before = None;
        std::future::poll_fn(|cx| {
            if let Some(answer) = self.look(cx, &mut asked, &mut before) {
                return Poll::Ready(answer);
            }
            let ended = self.driver.borrow_mut().as_mut().poll(cx);
            if let Some(answer) = self.look(cx, &mut asked, &mut before) {
                return Poll::Ready(answer);
            }
            if let Poll::Ready(ended) = ended {
                self.dead.set(true);
                let why = ended.err().map_or_else(gone, |e| Error::new(ErrorKind::StoreDown, of_client(&e).text()));
                return Poll::Ready(Err(why));
            }
            let limit = Duration::from_secs(POSTGRES_ANSWER_SECONDS);
            let late = late.get_or_insert_with(|| self.clock.pause(limit));
            if late.as_mut().poll(cx).is_ready() {
                self.dead.set(true);
                let text =
                    format!("store: the PostgreSQL server does not answer for {POSTGRES_ANSWER_SECONDS} seconds");
                return Poll::Ready(Err(Error::new(ErrorKind::StoreDown, text)));
            }
            Poll::Pending
        })
        .await
    }

    /// The answer, once it and all before it are there.
    fn look(
        &self,
        cx: &mut Context<'_>,
        asked: &mut Sent,
        before: &mut Option<Error>,
    ) -> Option<Result<ClientResult<StatementResult>>> {
        let mut sent = self.sent.borrow_mut();
        while let Some(first) = sent.front_mut() {
            match first.as_mut().poll(cx) {
                Poll::Pending => return None,
                Poll::Ready(answer) => {
                    sent.pop_front();
                    // Those after the first that failed say only that it did.
                    if let (Err(e), None) = (answer, &before) {
                        self.failed.set(true);
                        *before = Some(of_client(&e));
                    }
                }
            }
        }
        match asked.as_mut().poll(cx) {
            Poll::Pending => None,
            Poll::Ready(answer) => Some(before.take().map_or(Ok(answer), Err)),
        }
    }
}

/// Why a transaction did not end as asked.
pub(super) enum EndError {
    /// A statement before it failed, or the connection did.
    Before(Error),
    /// The end itself did.
    Client(tokio_postgres::Error),
}

fn poll_once(asked: &mut Sent) -> Poll<ClientResult<StatementResult>> {
    asked.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn gone() -> Error {
    Error::new(ErrorKind::StoreDown, "store: the connection to the PostgreSQL server is gone")
}

async fn login(world: &World, address: &Address, name: &str) -> Result<Session> {
    let (stream, host) = stream::dial(world, address).await.map_err(|e| unreachable(&e.to_string()))?;
    let mut config = address.config.clone();
    config.application_name(name);
    if host.is_none() {
        config.ssl_mode(SslMode::Disable);
    }
    let peer = TlsPeer { name: host.unwrap_or_default(), must_verify: address.verify };
    let tls = WorldTls { world: world.clone(), peer };
    let (client, connection) = config.connect_raw(stream, tls).await.map_err(|e| unreachable(of_client(&e).text()))?;
    Ok(Session {
        client: Arc::new(client),
        driver: RefCell::new(Box::pin(connection)),
        clock: Arc::clone(&world.clock),
        statements: RefCell::default(),
        sent: RefCell::default(),
        dead: Cell::new(false),
        failed: Cell::new(false),
    })
}
