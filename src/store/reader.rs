//! Reader lanes: answer questions beside the writer, each on its own connection.
//!
//! A question is one closure on the connection. It sees every commit that was answered before it was asked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use smol::channel::{Receiver, bounded};

use super::Store;
use super::database::{Connected, Read};
use super::lane::{Control, Next, next, no_connection};
use super::shared::{Shared, closed, down};
use crate::base::limits::{STORE_BUSY_TRIES_MAX, STORE_BUSY_WAIT_MILLISECONDS};
use crate::base::{Error, ErrorKind, Result};

/// A question whose type is forgotten: false where it must be asked again, since the file was busy.
pub(super) type Question = Box<dyn FnMut(Result<&dyn Read>) -> bool + Send>;

impl Store {
    /// Asks a reader. `ask` may be run more than once.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        ask: impl Fn(&dyn Read) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.shared().check_up()?;
        let (answer, answered) = bounded(1);
        let question: Question = Box::new(move |db| {
            let given = db.and_then(&ask);
            match given {
                Err(e) if e.kind() == ErrorKind::Busy => false,
                given => {
                    // Whoever asked may have gone.
                    let _ = answer.try_send(given.map_err(as_read));
                    true
                }
            }
        });
        self.questions().send(question).await.map_err(|_| closed())?;
        answered.recv().await.unwrap_or_else(|_| Err(down()))
    }
}

/// An error while reading loses nothing: only the writer's make the store fail.
fn as_read(e: Error) -> Error {
    match e.kind() {
        ErrorKind::StoreDown => Error::new(ErrorKind::Store, e.text()),
        _ => e,
    }
}

/// What a reader lane is asked. The last lane to end, by a panic too, tells those who still wait that nobody will
/// answer.
struct Asked(Receiver<Question>);

impl Drop for Asked {
    fn drop(&mut self) {
        if self.0.receiver_count() == 1 {
            self.0.close();
            while self.0.try_recv().is_ok() {}
        }
    }
}

/// A reader lane.
pub(super) async fn run(shared: Arc<Shared>, questions: Receiver<Question>, control: Receiver<Control>) {
    let mut db = None;
    // Closed to be opened again: what is asked meanwhile waits.
    let mut waits = true;
    let questions = Asked(questions);
    loop {
        let question = async {
            match waits {
                true => std::future::pending().await,
                false => questions.0.recv().await.ok(),
            }
        };
        match next(&control, question).await {
            Next::Work(question) => answer(&shared, &mut db, question).await,
            Next::Order(Control::Open(readers, done)) => {
                let opened = shared.database.open_reader(readers);
                let _ = done.try_send(opened.map(|opened| db = Some(opened)));
                waits = false;
            }
            Next::Order(Control::Close(done)) => {
                waits = true;
                let _ = done.try_send(db.take().map_or(Ok(()), Connected::close));
            }
            Next::Order(Control::End(done)) => {
                let _ = done.try_send(db.take().map_or(Ok(()), Connected::close));
                return;
            }
            Next::Over => return,
        }
    }
}

async fn answer(shared: &Shared, db: &mut Option<Box<dyn Read>>, mut question: Question) {
    for _ in 0..STORE_BUSY_TRIES_MAX {
        shared.reading.fetch_add(1, Ordering::SeqCst);
        let done = question(db.as_deref().ok_or_else(no_connection));
        shared.reading.fetch_sub(1, Ordering::SeqCst);
        if done {
            return;
        }
        shared.world.clock.pause(Duration::from_millis(STORE_BUSY_WAIT_MILLISECONDS)).await;
    }
    question(Err(Error::new(ErrorKind::Store, "another program keeps the store locked")));
}
