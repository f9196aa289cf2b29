//! Annotations of mailboxes and accounts.

use super::super::database::{ReadAnnotations, WriteAnnotations};
use super::super::{Annotation, AnnotationKey};
use super::Postgres;
use super::value::{Columns, values};
use crate::base::{AccountId, MailboxId, Result};

/// The column that names a mailbox.
fn column(mailbox: Option<MailboxId>) -> i64 {
    mailbox.map_or(0, |mailbox| mailbox.0)
}

impl ReadAnnotations for Postgres {
    fn annotations(&self, account: AccountId, mailbox: Option<MailboxId>) -> Result<Vec<Annotation>> {
        let sql = "SELECT entry, value, revision FROM annotation WHERE mailbox = $1 AND account = $2 ORDER BY entry";
        let rows = self.rows(sql, values![column(mailbox), account.0])?;
        let read = |row: &tokio_postgres::Row| {
            Ok(Annotation { entry: row.text(0)?, value: row.octets(1)?, revision: row.number(2)? })
        };
        rows.iter().map(read).collect()
    }

    fn annotation_keys(&self, account: AccountId) -> Result<Vec<AnnotationKey>> {
        let sql = "SELECT mailbox, entry, revision, length(value)::bigint FROM annotation WHERE account = $1";
        let rows = self.rows(sql, values![account.0])?;
        let read = |row: &tokio_postgres::Row| {
            Ok(AnnotationKey {
                mailbox: Some(row.number(0)?).filter(|id| *id != 0).map(MailboxId),
                entry: row.text(1)?,
                revision: row.number(2)?,
                octets: row.number(3)?.unsigned_abs(),
            })
        };
        rows.iter().map(read).collect()
    }
}

impl WriteAnnotations for Postgres {
    fn annotation_put(&self, account: AccountId, mailbox: Option<MailboxId>, annotation: &Annotation) -> Result<()> {
        let Annotation { entry, value, revision } = annotation;
        self.send(
            "INSERT INTO annotation(mailbox, account, entry, value, revision) VALUES ($1, $2, $3, $4, $5)
               ON CONFLICT (mailbox, account, entry) DO UPDATE
               SET value = excluded.value, revision = excluded.revision",
            values![column(mailbox), account.0, entry, value, *revision],
        )
    }

    fn annotation_remove(&self, account: AccountId, mailbox: Option<MailboxId>, entry: &str) -> Result<()> {
        let sql = "DELETE FROM annotation WHERE mailbox = $1 AND account = $2 AND entry = $3";
        self.send(sql, values![column(mailbox), account.0, entry])
    }

    fn left_annotations(&self, mailbox: MailboxId, most: usize) -> Result<usize> {
        let left = self.run(
            "DELETE FROM annotation WHERE mailbox = $1
               AND entry IN (SELECT entry FROM annotation WHERE mailbox = $1 LIMIT $2)",
            values![mailbox.0, most],
        )?;
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn left_account_annotations(&self, account: AccountId, most: usize) -> Result<usize> {
        let left = self.run(
            "DELETE FROM annotation WHERE mailbox = 0 AND account = $1
               AND entry IN (SELECT entry FROM annotation WHERE mailbox = 0 AND account = $1 LIMIT $2)",
            values![account.0, most],
        )?;
        Ok(usize::try_from(left).unwrap_or(usize::MAX))
    }
}
