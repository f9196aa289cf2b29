//! Whether the writer can write: what it does when it cannot, when it tries again, and the look at the store's files
//! before anything is acknowledged.

use std::sync::Arc;
use std::time::Duration;

use super::book::Book;
use super::database::{Identity, Readers, Write};
use super::recovery::{self, Patience};
use super::room;
use super::shared::Shared;
use super::transaction::WriterCache;
use super::writer::Writer;
use crate::base::event::Event;
use crate::base::limits::STORE_ROOM_LOOK_MILLISECONDS;
use crate::base::{Error, ErrorKind, Mono, Result};

/// What is said where the log or its index is another file than before.
const LOG_WENT: &str = "another program removed or replaced the log of mail.db";
const DATABASE_WENT: &str = "another program removed or replaced mail.db";

/// How the writer is.
#[derive(Default)]
pub(super) struct Health {
    patience: Patience,
    /// The files as they were when the writer opened them.
    files: Option<Identity>,
    /// The log went, and all that it held is in the database: the files must be opened anew.
    pub log_went: bool,
    /// The database went. Everything stays open, since nothing but these open files has its content.
    database_went: bool,
    /// When the cure is tried next, while the writer is down.
    retry_at: Option<Mono>,
    /// When room is looked for next, while there was none.
    look_at: Mono,
    /// What was said last of why it is down.
    said: String,
}

impl Health {
    /// When the writer has something to do by itself.
    pub fn late_at(&self, shared: &Shared) -> Option<Mono> {
        let look_at = || shared.room.is_low().then_some(self.look_at);
        self.retry_at.or_else(look_at)
    }

    /// After COMMIT, before anything is acknowledged: whether the names still lead to the files that were written.
    /// Where the log went, its content is copied into the database first, and what was committed stands.
    pub fn check_files(&mut self, shared: &Shared, db: &dyn Write) -> Result<()> {
        let lost = |text: &str| Error::new(ErrorKind::StoreDown, text);
        let Some(before) = &self.files else { return Ok(()) };
        let now = shared.database.identity().map_err(|e| lost(e.text()))?;
        if now == *before {
            return Ok(());
        }
        if now.database_went(before) {
            self.database_went = true;
            return Err(lost(DATABASE_WENT));
        }
        self.log_went = true;
        match db.save_log() {
            Ok(true) => Ok(()),
            Ok(false) => Err(lost(LOG_WENT)),
            Err(e) => Err(lost(e.text())),
        }
    }
}

impl Writer {
    /// Whether changes are taken.
    pub fn is_up(&self) -> bool {
        self.db.is_some() && !self.shared.is_down()
    }

    /// Begins to work on the files, which are locked. Where they can only be read, the store begins so.
    pub async fn start(&mut self) -> Result<()> {
        let shared = self.shared.clone();
        match recovery::open_first(&shared) {
            Ok(db) => {
                self.up(db)?;
                self.lanes.open(Readers::BesideWriter).await
            }
            Err(e) if e.kind().is_of_disk() => {
                match self.start_reading().await {
                    Ok(()) => {
                        self.wait(&e);
                        Ok(())
                    }
                    // What kept it from being written says more.
                    Err(_) => Err(e),
                }
            }
            Err(e) => Err(e),
        }
    }

    async fn start_reading(&mut self) -> Result<()> {
        let shared = &self.shared;
        let db = shared.database.open_reader(Readers::Alone)?;
        let is_ours = db.check_layout();
        let book = Book::load(&*db);
        db.close()?;
        is_ours?;
        shared.set_down(true);
        self.take_book(book?);
        self.lanes.open(Readers::Alone).await
    }

    fn take_book(&self, (book, set_aside): (Book, Vec<String>)) {
        set_aside.into_iter().for_each(|text| self.shared.options.events.say(Event::Store { down: false, text }));
        self.shared.set_book(Arc::new(book));
    }

    fn up(&mut self, mut db: Box<dyn Write>) -> Result<()> {
        self.health.files = Some(self.shared.database.identity()?);
        room::look(&self.shared, &*db);
        db.follow_log(self.shared.log.clone());
        let book = Book::load(&*db)?;
        self.db = Some(db);
        self.take_book(book);
        self.dead = true;
        Ok(())
    }

    /// Looks for room on the disk where it is time to.
    pub fn look_for_room(&mut self) {
        let now = self.shared.world.clock.now();
        if let Some(db) = self.db.as_deref().filter(|_| now >= self.health.look_at || self.shared.room.is_near()) {
            self.health.look_at = now + Duration::from_millis(STORE_ROOM_LOOK_MILLISECONDS);
            room::look(&self.shared, db);
        }
    }

    /// What was to be done by itself: the next try of the cure, or another look for room.
    pub async fn late(&mut self) {
        if self.shared.is_down() {
            return self.cure().await;
        }
        self.look_for_room();
        // What could not be removed for want of room.
        self.dead |= !self.shared.room.is_low();
    }

    /// After a failed sync or another I/O error: refuses changes, closes everything, and tries the cure, now or after a
    /// pause. Readers go on meanwhile.
    pub async fn fail(&mut self, error: &Error) {
        self.shared.set_down(true);
        self.say(true, error.text());
        self.forget();
        if !self.health.database_went {
            self.copy_what_the_log_had().await;
            recovery::leave_readers(&self.shared, &self.lanes, &mut self.db).await;
        }
        let now = self.shared.world.clock.now();
        let pause = self.health.patience.failed(now);
        self.health.retry_at = Some(now + pause);
        if pause.is_zero() && !self.health.database_went {
            self.cure().await;
        }
        self.shared.watchers.wake_all();
    }

    /// Where another program removed the log and all of it is in the database: opens the files anew. Nothing failed, so
    /// changes wait meanwhile and are not refused.
    pub async fn reopen(&mut self) {
        self.say(false, LOG_WENT);
        self.forget();
        self.copy_what_the_log_had().await;
        recovery::leave_readers(&self.shared, &self.lanes, &mut self.db).await;
        self.cure().await;
    }

    /// Where another program removed the log, its content is only in the open file.
    async fn copy_what_the_log_had(&mut self) {
        if !std::mem::take(&mut self.health.log_went) {
            return;
        }
        // Nobody of ours may hold the copying back.
        let _ = self.lanes.close().await;
        let Some(db) = &self.db else { return };
        match db.save_log() {
            Ok(true) => {
                if let Err(e) = self.shared.database.set_foreign_log_aside() {
                    log::warn!("store: a log of another program could not be set aside: {e}");
                }
            }
            Ok(false) => log::error!("store: the removed log could not be copied: another program reads it"),
            Err(e) => log::error!("store: the removed log could not be copied: {e}"),
        }
    }

    /// Tries the cure; where it fails, again after a longer pause.
    async fn cure(&mut self) {
        if self.health.database_went {
            return self.look_for_database();
        }
        let cured = match recovery::cure(&self.shared, &self.lanes).await {
            Ok(db) => self.up(db),
            Err(e) => Err(e),
        };
        match cured {
            Ok(()) => {
                // Readers may have kept what they read meanwhile.
                self.forget();
                self.be_well("the store was closed, its log made durable, and reopened");
            }
            Err(e) => self.wait(&e),
        }
        self.shared.watchers.wake_all();
    }

    fn look_for_database(&mut self) {
        let now = self.shared.database.identity().ok();
        if now.is_some() && now == self.health.files {
            self.health.database_went = false;
            self.be_well("mail.db is in its place again");
        } else {
            self.wait(&Error::new(ErrorKind::StoreDown, DATABASE_WENT));
        }
    }

    fn be_well(&mut self, text: &str) {
        self.health.retry_at = None;
        self.health.patience.cured(self.shared.world.clock.now());
        self.shared.set_down(false);
        self.say(false, text);
        self.health.said.clear();
    }

    fn wait(&mut self, why: &Error) {
        self.shared.set_down(true);
        let now = self.shared.world.clock.now();
        self.health.retry_at = Some(now + self.health.patience.failed(now));
        self.say(true, &format!("the store takes no changes for now: {}", why.text()));
    }

    /// Says it, unless it is what was said last.
    fn say(&mut self, down: bool, text: &str) {
        if self.health.said != text {
            text.clone_into(&mut self.health.said);
            self.shared.options.events.say(Event::Store { down, text: text.to_owned() });
        }
    }

    /// Forgets what memory holds of the files.
    fn forget(&mut self) {
        self.cache = WriterCache::default();
        self.shared.views.clear();
        self.shared.directory.lock().forget();
        self.shared.counts.forget_all();
        self.shared.facts.clear();
        self.shared.words.clear();
        self.shared.sorts.clear();
        self.shared.threads.clear();
        self.shared.queue.lost();
    }
}
