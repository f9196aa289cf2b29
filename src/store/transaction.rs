//! One write transaction: what jobs work on between BEGIN and COMMIT.
//!
//! Mailbox rows, account totals and views are changed in memory; rows and blocks that changed are written once,
//! before the commit, however many jobs touched them. A job that fails is undone (savepoint, rows as they were);
//! it must have made its last refusal before it touches a view, else the whole transaction is given up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::block::{BLOCK_UIDS, block_of, encode, row_id};
use super::directory::Directory;
use super::shared::Shared;
use super::{Snapshot, view};
use crate::base::event::Event;
use crate::base::limits::WRITER_ROWS_MAX;
use crate::base::{AccountId, Error, ErrorKind, Flags, MailboxId, ModSeq, Result, Uid, UidValidity};

/// What the writer knows of a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub account: AccountId,
    pub name: Arc<str>,
    pub uid_validity: UidValidity,
    pub uid_next: Uid,
    pub mod_seq: ModSeq,
    pub expunges: u64,
    pub vanished_floor: ModSeq,
    pub total: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    pub selectable: bool,
    pub keywords: Arc<Vec<String>>,
    /// Last UID that blocks describe.
    pub covered: Uid,
}

/// Blocks of a mailbox that must be written.
#[derive(Debug, Default)]
struct Touched {
    /// Flags changed here.
    restated: BTreeSet<u32>,
    /// Messages went from here.
    thinned: BTreeSet<u32>,
    /// Last UID of the blocks that are full now.
    settled: Uid,
}

/// What the writer keeps from one transaction to the next: a cache of what is on disk.
#[derive(Debug, Default)]
pub(super) struct Desk {
    rows: BTreeMap<MailboxId, Row>,
    octets: BTreeMap<AccountId, u64>,
}

/// What a job changed in memory, to undo it.
#[derive(Default)]
struct Undo {
    rows: BTreeMap<MailboxId, Option<Row>>,
    octets: BTreeMap<AccountId, u64>,
    directory: Option<Arc<Directory>>,
    events: usize,
    touched_view: bool,
}

/// The transaction.
pub(super) struct WriteTx<'a> {
    /// The connection, inside its transaction.
    pub db: &'a Connection,
    /// Clock, options, what is shared.
    pub shared: &'a Shared,
    /// The directory, this transaction's changes included.
    pub directory: Arc<Directory>,
    desk: &'a mut Desk,
    undo: Undo,
    dirty_rows: BTreeSet<MailboxId>,
    dirty_octets: BTreeSet<AccountId>,
    /// Mailboxes whose counts were written.
    counted: BTreeSet<MailboxId>,
    names_changed: bool,
    views: BTreeMap<MailboxId, Snapshot>,
    view_loaded: bool,
    touched: BTreeMap<MailboxId, Touched>,
    events: Vec<Event>,
    woken: BTreeSet<MailboxId>,
    queue_woken: bool,
    feedback_woken: bool,
    /// Whether bodies were put on the list of those to be removed.
    pub bodies_died: bool,
}

impl<'a> WriteTx<'a> {
    /// The transaction just begun on `db`.
    pub fn new(db: &'a Connection, shared: &'a Shared, desk: &'a mut Desk) -> Self {
        if desk.rows.len() > WRITER_ROWS_MAX {
            *desk = Desk::default();
        }
        Self {
            db,
            shared,
            directory: shared.directory(),
            desk,
            undo: Undo::default(),
            dirty_rows: BTreeSet::new(),
            dirty_octets: BTreeSet::new(),
            counted: BTreeSet::new(),
            names_changed: false,
            views: BTreeMap::new(),
            view_loaded: false,
            touched: BTreeMap::new(),
            events: Vec::new(),
            woken: BTreeSet::new(),
            queue_woken: false,
            feedback_woken: false,
            bodies_died: false,
        }
    }

    // -- mailbox rows and account totals -----------------------------------------------------------------

    /// A mailbox that messages can be in; `NotFound` where there is none.
    pub fn row(&mut self, mailbox: MailboxId) -> Result<&Row> {
        self.load_row(mailbox)?;
        self.desk.rows.get(&mailbox).filter(|row| row.selectable).ok_or_else(no_mailbox)
    }

    /// The same, to be changed.
    pub fn row_mut(&mut self, mailbox: MailboxId) -> Result<&mut Row> {
        self.load_row(mailbox)?;
        self.dirty_rows.insert(mailbox);
        let row = self.desk.rows.get_mut(&mailbox).filter(|row| row.selectable).ok_or_else(no_mailbox)?;
        self.undo.rows.entry(mailbox).or_insert_with(|| Some(row.clone()));
        Ok(row)
    }

    fn load_row(&mut self, mailbox: MailboxId) -> Result<()> {
        if !self.desk.rows.contains_key(&mailbox) {
            let row = read_row(self.db, mailbox)?.ok_or_else(no_mailbox)?;
            self.desk.rows.insert(mailbox, row);
        }
        Ok(())
    }

    /// Names or subscriptions were changed by SQL of the caller's.
    pub fn names_changed(&mut self) {
        self.names_changed = true;
    }

    /// Forgets a mailbox that was deleted; those who have it open find their snapshots `gone`.
    pub fn forget_mailbox(&mut self, mailbox: MailboxId) {
        if let Some(mut view) = self.views.remove(&mailbox).or_else(|| self.shared.views.take(mailbox)) {
            view.gone = true;
            self.views.insert(mailbox, view);
        }
        self.forget_row(mailbox);
        self.touched.remove(&mailbox);
        self.undo.touched_view = true;
        self.woken.insert(mailbox);
    }

    /// Forgets what is known of a mailbox's row, which SQL is about to change. Written first where it changed.
    pub fn forget_row(&mut self, mailbox: MailboxId) {
        self.names_changed = true;
        let row = self.desk.rows.remove(&mailbox);
        self.undo.rows.entry(mailbox).or_insert(row);
        self.dirty_rows.remove(&mailbox);
    }

    /// Octets an account keeps.
    pub fn octets(&mut self, account: AccountId) -> Result<u64> {
        if let Some(octets) = self.desk.octets.get(&account) {
            return Ok(*octets);
        }
        let octets: i64 = self
            .db
            .prepare_cached("SELECT octets FROM account WHERE id = ?1")?
            .query_row([account.0], |row| row.get(0))
            .optional()?
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "no such account"))?;
        self.desk.octets.insert(account, octets as u64);
        Ok(octets as u64)
    }

    /// Counts octets that came (or went, where negative).
    pub fn charge(&mut self, account: AccountId, octets: i64) -> Result<()> {
        let before = self.octets(account)?;
        self.undo.octets.entry(account).or_insert(before);
        self.desk.octets.insert(account, before.saturating_add_signed(octets));
        self.dirty_octets.insert(account);
        Ok(())
    }

    /// `Quota` where the account has no room for `octets` more.
    pub fn check_quota(&mut self, account: AccountId, octets: u64) -> Result<()> {
        let quota = self.directory.account_by_id(account).and_then(|a| a.quota_octets);
        match quota {
            Some(quota) if self.octets(account)?.saturating_add(octets) > quota => {
                Err(Error::new(ErrorKind::Quota, "the account's quota is used up"))
            }
            _ => Ok(()),
        }
    }

    /// Forgets what is known of an account that is deleted.
    pub fn forget_account(&mut self, account: AccountId) {
        if let Some(octets) = self.desk.octets.remove(&account) {
            self.undo.octets.entry(account).or_insert(octets);
        }
        self.dirty_octets.remove(&account);
    }

    /// The directory, to be changed.
    pub fn directory_mut(&mut self) -> &mut Directory {
        if self.undo.directory.is_none() {
            self.undo.directory = Some(self.directory.clone());
        }
        Arc::make_mut(&mut self.directory)
    }

    // -- views --------------------------------------------------------------------------------------------

    /// The view of a mailbox, read where it is not in memory. For looking only.
    pub fn view(&mut self, mailbox: MailboxId) -> Result<&Snapshot> {
        self.ensure_view(mailbox)?;
        self.views.get(&mailbox).ok_or_else(no_mailbox)
    }

    /// The view of a mailbox, to be changed: after this the job must not fail.
    pub fn view_mut(&mut self, mailbox: MailboxId) -> Result<&mut Snapshot> {
        self.ensure_view(mailbox)?;
        self.undo.touched_view = true;
        self.woken.insert(mailbox);
        self.views.get_mut(&mailbox).ok_or_else(no_mailbox)
    }

    /// As [`WriteTx::view_mut`], but only where there is one in memory.
    pub fn view_mut_if_there(&mut self, mailbox: MailboxId) -> Option<&mut Snapshot> {
        self.woken.insert(mailbox);
        if let std::collections::btree_map::Entry::Vacant(place) = self.views.entry(mailbox) {
            place.insert(self.shared.views.take(mailbox)?);
        }
        self.undo.touched_view = true;
        self.views.get_mut(&mailbox)
    }

    fn ensure_view(&mut self, mailbox: MailboxId) -> Result<()> {
        if self.views.contains_key(&mailbox) {
            return Ok(());
        }
        if let Some(view) = self.shared.views.take(mailbox) {
            self.views.insert(mailbox, view);
            return Ok(());
        }
        let row = self.row(mailbox)?.clone();
        let columns = view::load(self.db, mailbox, row.total)?;
        self.view_loaded = true;
        let mut view = Snapshot {
            mailbox,
            uid_validity: row.uid_validity,
            uid_next: row.uid_next,
            mod_seq: row.mod_seq,
            expunges: row.expunges,
            gone: false,
            keywords: row.keywords.clone(),
            uids: Arc::new(columns.uids),
            flags: Arc::new(columns.flags),
            mod_seqs: Arc::new(columns.mod_seqs),
        };
        bring_up(&mut view, &row);
        self.views.insert(mailbox, view);
        Ok(())
    }

    /// A snapshot as of now, this transaction's changes included.
    pub fn snapshot(&mut self, mailbox: MailboxId) -> Result<Snapshot> {
        let mut snapshot = self.view(mailbox)?.clone();
        if !snapshot.gone {
            bring_up(&mut snapshot, self.row(mailbox)?);
        }
        Ok(snapshot)
    }

    /// Notes that flags of these UIDs changed in the view.
    pub fn restated(&mut self, mailbox: MailboxId, uids: impl Iterator<Item = Uid>) {
        note_blocks(&mut self.touched.entry(mailbox).or_default().restated, uids);
    }

    /// Notes that these UIDs went from the view.
    pub fn thinned(&mut self, mailbox: MailboxId, uids: impl Iterator<Item = Uid>) {
        note_blocks(&mut self.touched.entry(mailbox).or_default().thinned, uids);
    }

    // -- what is said after the commit ----------------------------------------------------------------------

    /// Says `event` after the commit.
    pub fn say(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Wakes those who watch the queue after the commit.
    pub fn wake_queue(&mut self) {
        self.queue_woken = true;
    }

    /// Wakes those who read reports after the commit.
    pub fn wake_feedback(&mut self) {
        self.feedback_woken = true;
    }

    // -- the writer's side ------------------------------------------------------------------------------------

    /// Before each job.
    pub fn begin_job(&mut self) {
        self.undo = Undo { events: self.events.len(), ..Undo::default() };
    }

    /// After a failed job whose SQL was rolled back. False: the whole transaction must be.
    pub fn undo_job(&mut self) -> bool {
        let undo = std::mem::take(&mut self.undo);
        for (mailbox, row) in undo.rows {
            // An earlier job may have changed it, and the failed one may have taken the mark away.
            match row {
                Some(row) => {
                    self.desk.rows.insert(mailbox, row);
                    self.dirty_rows.insert(mailbox);
                }
                None => {
                    self.desk.rows.remove(&mailbox);
                }
            }
        }
        self.dirty_octets.extend(undo.octets.keys());
        self.desk.octets.extend(undo.octets);
        if let Some(directory) = undo.directory {
            self.directory = directory;
        }
        self.events.truncate(undo.events);
        !undo.touched_view
    }

    /// Writes what is changed in memory only. Right before COMMIT.
    pub fn flush(&mut self) -> Result<()> {
        let dirty: Vec<_> = self.dirty_rows.iter().copied().collect();
        for mailbox in dirty {
            self.settle_tail(mailbox)?;
        }
        for (mailbox, touched) in std::mem::take(&mut self.touched) {
            self.write_blocks(mailbox, touched)?;
        }
        for mailbox in std::mem::take(&mut self.dirty_rows) {
            if let Some(row) = self.desk.rows.get(&mailbox) {
                write_row(self.db, mailbox, row)?;
            }
            self.counted.insert(mailbox);
        }
        for account in std::mem::take(&mut self.dirty_octets) {
            if let Some(octets) = self.desk.octets.get(&account) {
                self.db
                    .prepare_cached("UPDATE account SET octets = ?2 WHERE id = ?1")?
                    .execute([account.0, *octets as i64])?;
            }
        }
        Ok(())
    }

    /// Writes the changed rows now, for SQL that reads them.
    pub fn flush_rows(&mut self) -> Result<()> {
        for mailbox in &self.dirty_rows {
            if let Some(row) = self.desk.rows.get(mailbox) {
                write_row(self.db, *mailbox, row)?;
            }
        }
        Ok(())
    }

    /// After COMMIT: shares the views and wakes everybody, then says the events.
    pub fn publish(self) {
        self.shared.set_directory(self.directory);
        match self.names_changed {
            true => self.shared.counts.forget_all(),
            false => self.shared.counts.forget(&self.counted),
        }
        for (mailbox, mut view) in self.views {
            if let Some(row) = self.desk.rows.get(&mailbox) {
                bring_up(&mut view, row);
            }
            self.shared.views.put(view);
        }
        if self.view_loaded {
            self.shared.views.trim(&self.shared.watchers);
        }
        for mailbox in self.woken {
            self.shared.watchers.wake_mailbox(mailbox);
        }
        if self.queue_woken {
            self.shared.watchers.wake_queue();
        }
        if self.feedback_woken {
            self.shared.watchers.wake_feedback();
        }
        if !self.events.is_empty() {
            self.shared.options.events.say_all(self.events);
        }
    }

    /// After ROLLBACK: what was taken out of the shared views is gone, and read again at need.
    pub fn give_up(self) {
        *self.desk = Desk::default();
        for mailbox in self.views.into_keys() {
            self.shared.watchers.wake_mailbox(mailbox);
        }
    }

    /// Where more than a block's worth of messages lies behind the blocks, the full blocks among them are written.
    fn settle_tail(&mut self, mailbox: MailboxId) -> Result<()> {
        let Some(row) = self.desk.rows.get(&mailbox) else { return Ok(()) };
        let last = row.uid_next - 1;
        if last - row.covered.min(last) <= BLOCK_UIDS {
            return Ok(());
        }
        // The block of the next UID is not full yet.
        let behind = block_of(row.uid_next);
        if let Some(full) = behind.checked_sub(1) {
            let touched = self.touched.entry(mailbox).or_default();
            touched.restated.insert(full);
            touched.settled = full * BLOCK_UIDS + (BLOCK_UIDS - 1);
        }
        Ok(())
    }

    fn write_blocks(&mut self, mailbox: MailboxId, touched: Touched) -> Result<()> {
        self.ensure_view(mailbox)?;
        let (Some(view), Some(row)) = (self.views.get(&mailbox), self.desk.rows.get_mut(&mailbox)) else {
            return Ok(());
        };
        let mut blocks = touched.restated;
        if let Some(last) = blocks.last().copied() {
            // Blocks describe everything up to the last of them.
            let first = view.uids.partition_point(|uid| *uid <= row.covered);
            let tail = view.uids.iter().skip(first).map(|uid| block_of(*uid)).take_while(|block| *block <= last);
            blocks.extend(tail);
        }
        if row.covered > 0 {
            blocks.extend(touched.thinned.into_iter().filter(|block| *block <= block_of(row.covered)));
        }
        for block in blocks {
            let first = view.uids.partition_point(|uid| block_of(*uid) < block);
            let behind = view.uids.partition_point(|uid| block_of(*uid) <= block);
            let (uids, flags, mod_seqs) = (
                view.uids.get(first..behind).unwrap_or_default(),
                view.flags.get(first..behind).unwrap_or_default(),
                view.mod_seqs.get(first..behind).unwrap_or_default(),
            );
            let id = row_id(mailbox, block);
            let Some(last) = uids.last() else {
                self.db.prepare_cached("DELETE FROM state WHERE id = ?1")?.execute([id])?;
                continue;
            };
            row.covered = row.covered.max(*last);
            let packed = encode(uids, flags, mod_seqs);
            self.db
                .prepare_cached(
                    "INSERT OR REPLACE INTO state(id, modseq, width, flags, modseqs) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![id, packed.mod_seq as i64, packed.width as i64, packed.flags, packed.mod_seqs])?;
        }
        // Behind the last message of a full block nothing will ever come in it.
        row.covered = row.covered.max(touched.settled);
        Ok(())
    }
}

/// Brings the small fields of a view up to its row.
fn bring_up(view: &mut Snapshot, row: &Row) {
    view.uid_next = row.uid_next;
    view.mod_seq = row.mod_seq;
    view.expunges = row.expunges;
    view.keywords = row.keywords.clone();
}

fn note_blocks(blocks: &mut BTreeSet<u32>, uids: impl Iterator<Item = Uid>) {
    let mut last = None;
    for uid in uids {
        let block = block_of(uid);
        if last != Some(block) {
            blocks.insert(block);
            last = Some(block);
        }
    }
}

/// That mailbox is not there (any more).
pub(super) fn no_mailbox() -> Error {
    Error::new(ErrorKind::NotFound, "no such mailbox")
}

fn read_row(db: &Connection, mailbox: MailboxId) -> Result<Option<Row>> {
    let row = db
        .prepare_cached(
            "SELECT account, name, uidvalidity, uidnext, modseq, expunges, vanished_floor, total, unseen, deleted,
               octets, selectable FROM mailbox WHERE id = ?1",
        )?
        .query_row([mailbox.0], |row| {
            Ok(Row {
                account: AccountId(row.get(0)?),
                name: row.get::<_, String>(1)?.into(),
                uid_validity: row.get(2)?,
                uid_next: row.get(3)?,
                mod_seq: row.get::<_, i64>(4)? as u64,
                expunges: row.get::<_, i64>(5)? as u64,
                vanished_floor: row.get::<_, i64>(6)? as u64,
                total: row.get(7)?,
                unseen: row.get(8)?,
                deleted: row.get(9)?,
                octets: row.get::<_, i64>(10)? as u64,
                selectable: row.get(11)?,
                keywords: Arc::default(),
                covered: 0,
            })
        })
        .optional()?;
    let Some(mut row) = row else { return Ok(None) };
    row.covered = view::covered(db, mailbox)?;
    row.keywords = Arc::new(read_keywords(db, mailbox)?);
    Ok(Some(row))
}

fn read_keywords(db: &Connection, mailbox: MailboxId) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut statement = db.prepare_cached("SELECT name FROM keyword WHERE mailbox = ?1 ORDER BY bit")?;
    let mut rows = statement.query([mailbox.0])?;
    while let Some(row) = rows.next()? {
        names.push(row.get(0)?);
    }
    names.truncate(Flags::KEYWORDS_MAX);
    Ok(names)
}

fn write_row(db: &Connection, mailbox: MailboxId, row: &Row) -> Result<()> {
    db.prepare_cached(
        "UPDATE mailbox SET uidnext = ?2, modseq = ?3, expunges = ?4, vanished_floor = ?5, total = ?6, unseen = ?7,
           deleted = ?8, octets = ?9 WHERE id = ?1",
    )?
    .execute(params![
        mailbox.0,
        row.uid_next,
        row.mod_seq as i64,
        row.expunges as i64,
        row.vanished_floor as i64,
        row.total,
        row.unseen,
        row.deleted,
        row.octets as i64
    ])?;
    Ok(())
}
