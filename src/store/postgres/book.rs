//! Settings of domains, and groups.

use tokio_postgres::Row;

use super::super::book::BookKind;
use super::super::database::{ReadBook, WriteBook};
use super::Postgres;
use super::value::{Columns, values};
use crate::base::Result;

impl ReadBook for Postgres {
    fn book(&self) -> Result<Vec<(BookKind, String, String)>> {
        let rows = self.rows("SELECT kind, name, document FROM book ORDER BY kind, name", values![])?;
        let read = |row: &Row| Ok((row.number(0)?, row.text(1)?, row.text(2)?));
        let rows: Vec<(i64, String, String)> = rows.iter().map(read).collect::<Result<_>>()?;
        Ok(rows.into_iter().filter_map(|(kind, name, text)| Some((BookKind::of(kind)?, name, text))).collect())
    }
}

impl WriteBook for Postgres {
    fn book_put(&self, kind: BookKind, name: &str, document: &str) -> Result<()> {
        self.send(
            "INSERT INTO book(kind, name, document) VALUES ($1, $2, $3)
               ON CONFLICT (kind, name) DO UPDATE SET document = excluded.document",
            values![kind.number(), name, document],
        )
    }

    fn book_remove(&self, kind: BookKind, name: &str) -> Result<bool> {
        Ok(self.run("DELETE FROM book WHERE kind = $1 AND name = $2", values![kind.number(), name])? > 0)
    }
}
