//! Annotations of mailboxes and accounts.

use rusqlite::params;

use super::super::database::{ReadAnnotations, WriteAnnotations};
use super::super::{Annotation, AnnotationKey};
use super::Sqlite;
use crate::base::{AccountId, MailboxId, Result};

/// The column that names a mailbox.
fn column(mailbox: Option<MailboxId>) -> i64 {
    mailbox.map_or(0, |mailbox| mailbox.0)
}

impl ReadAnnotations for Sqlite {
    fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Annotation>> {
        let mut all = self.db.prepare_cached(
            "SELECT entry, value, revision FROM annotation WHERE mailbox = ?1 AND account = ?2 ORDER BY entry",
        )?;
        let rows = all.query_map(params![column(mailbox), account.0], |row| {
            Ok(Annotation { entry: row.get(0)?, value: row.get(1)?, revision: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn annotation_keys(&self, account: AccountId) -> Result<Vec<AnnotationKey>> {
        let mut all = self
            .db
            .prepare_cached("SELECT mailbox, entry, revision, length(value) FROM annotation WHERE account = ?1")?;
        let rows = all.query_map([account.0], |row| {
            Ok(AnnotationKey {
                mailbox: Some(row.get(0)?).filter(|id| *id != 0).map(MailboxId),
                entry: row.get(1)?,
                revision: row.get(2)?,
                octets: row.get::<_, i64>(3)?.unsigned_abs(),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl WriteAnnotations for Sqlite {
    fn annotation_put(&self, account: AccountId, mailbox: Option<MailboxId>, annotation: &Annotation) -> Result<()> {
        let Annotation { entry, value, revision } = annotation;
        let mut put = self.db.prepare_cached(
            "INSERT OR REPLACE INTO annotation(mailbox, account, entry, value, revision) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?;
        put.execute(params![column(mailbox), account.0, entry, value, revision])?;
        Ok(())
    }

    fn annotation_remove(&self, account: AccountId, mailbox: Option<MailboxId>, entry: &str) -> Result<()> {
        let mut remove =
            self.db.prepare_cached("DELETE FROM annotation WHERE mailbox = ?1 AND account = ?2 AND entry = ?3")?;
        remove.execute(params![column(mailbox), account.0, entry])?;
        Ok(())
    }

    fn left_annotations(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        let mut some = self.db.prepare_cached(
            "DELETE FROM annotation WHERE mailbox = ?1
               AND entry IN (SELECT entry FROM annotation WHERE mailbox = ?1 LIMIT ?2)",
        )?;
        Ok(some.execute(params![mailbox.0, most as i64])?)
    }

    fn left_account_annotations(&self, account: AccountId, most: usize) -> Result<usize> {
        let mut some = self.db.prepare_cached(
            "DELETE FROM annotation WHERE mailbox = 0 AND account = ?1
               AND entry IN (SELECT entry FROM annotation WHERE mailbox = 0 AND account = ?1 LIMIT ?2)",
        )?;
        Ok(some.execute(params![account.0, most as i64])?)
    }
}
