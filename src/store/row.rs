//! A mailbox's row: what the writer knows of a mailbox beside its messages.
//!
//! Rows change only by a [`Delta`](super::delta::Delta), which holds the whole row as it is afterwards.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::{MailboxInfo, view};
use crate::base::{AccountId, Error, ErrorKind, Flags, MailboxId, ModSeq, Result, SpecialUse, Uid, UidValidity};

/// All columns of a mailbox, its keywords, and how far its blocks reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub account: AccountId,
    pub name: Arc<str>,
    pub special_use: Option<SpecialUse>,
    pub selectable: bool,
    pub uid_validity: UidValidity,
    pub uid_next: Uid,
    pub mod_seq: ModSeq,
    pub expunges: u64,
    pub vanished_floor: ModSeq,
    pub total: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    pub keywords: Arc<Vec<String>>,
    /// Last UID that blocks describe.
    pub covered: Uid,
}

impl Row {
    /// A new, empty mailbox.
    pub fn new(account: AccountId, name: &str, uid_validity: UidValidity, special_use: Option<SpecialUse>) -> Row {
        Row {
            account,
            name: name.into(),
            special_use,
            selectable: true,
            uid_validity,
            uid_next: 1,
            mod_seq: 1,
            expunges: 0,
            vanished_floor: 0,
            total: 0,
            unseen: 0,
            deleted: 0,
            octets: 0,
            keywords: Arc::default(),
            covered: 0,
        }
    }

    /// Whether both have the same name, purpose and UIDVALIDITY: what is looked up by SQL and so written at once.
    pub fn is_named_as(&self, other: &Row) -> bool {
        self.account == other.account
            && self.name == other.name
            && self.special_use == other.special_use
            && self.selectable == other.selectable
            && self.uid_validity == other.uid_validity
    }

    /// What LIST and STATUS tell of it.
    pub fn info(&self, id: MailboxId, subscribed: bool) -> MailboxInfo {
        MailboxInfo {
            id,
            account: self.account,
            name: self.name.to_string(),
            uid_validity: self.uid_validity,
            uid_next: self.uid_next,
            mod_seq: self.mod_seq,
            special_use: self.special_use,
            subscribed,
            selectable: self.selectable,
            total: self.total,
            unseen: self.unseen,
            deleted: self.deleted,
            octets: self.octets,
        }
    }
}

/// That mailbox is not there (any more).
pub(super) fn no_mailbox() -> Error {
    Error::new(ErrorKind::NotFound, "no such mailbox")
}

/// Reads a row; `None` where there is no such mailbox.
pub(super) fn read(db: &Connection, mailbox: MailboxId) -> Result<Option<Row>> {
    let row = db
        .prepare_cached(
            "SELECT account, name, uidvalidity, uidnext, modseq, expunges, vanished_floor, total, unseen, deleted,
               octets, selectable, special_use FROM mailbox WHERE id = ?1",
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
                special_use: SpecialUse::parse(row.get_ref(12)?.as_str()?),
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

/// Writes a new mailbox.
pub(super) fn insert(db: &Connection, mailbox: MailboxId, row: &Row) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO mailbox(id, account, name, uidvalidity, special_use, selectable) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        mailbox.0,
        row.account.0,
        &*row.name,
        row.uid_validity,
        row.special_use.map_or("", SpecialUse::attribute),
        row.selectable
    ])?;
    write_counts(db, mailbox, row)
}

/// Writes what [`Row::is_named_as`] compares.
pub(super) fn write_name(db: &Connection, mailbox: MailboxId, row: &Row) -> Result<()> {
    db.prepare_cached(
        "UPDATE mailbox SET account = ?2, name = ?3, uidvalidity = ?4, special_use = ?5, selectable = ?6 WHERE id = ?1",
    )?
    .execute(params![
        mailbox.0,
        row.account.0,
        &*row.name,
        row.uid_validity,
        row.special_use.map_or("", SpecialUse::attribute),
        row.selectable
    ])?;
    Ok(())
}

/// Writes the other columns.
pub(super) fn write_counts(db: &Connection, mailbox: MailboxId, row: &Row) -> Result<()> {
    let written = db
        .prepare_cached(
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
    match written {
        1 => Ok(()),
        _ => Err(Error::new(ErrorKind::Bug, "a changed mailbox has no row")),
    }
}
