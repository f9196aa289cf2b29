//! Settings of domains, and groups.

use rusqlite::params;

use super::super::book::BookKind;
use super::super::database::{ReadBook, WriteBook};
use super::Sqlite;
use crate::base::Result;

impl ReadBook for Sqlite {
    fn book(&self) -> Result<Vec<(BookKind, String, String)>> {
        let mut all = self.db.prepare_cached("SELECT kind, name, document FROM book ORDER BY kind, name")?;
        let rows = all.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?)))?;
        let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(rows.into_iter().filter_map(|(kind, name, text)| Some((BookKind::of(kind)?, name, text))).collect())
    }
}

impl WriteBook for Sqlite {
    fn book_put(&self, kind: BookKind, name: &str, document: &str) -> Result<()> {
        let mut put =
            self.db.prepare_cached("INSERT OR REPLACE INTO book(kind, name, document) VALUES (?1, ?2, ?3)")?;
        put.execute(params![kind.number(), name, document])?;
        Ok(())
    }

    fn book_remove(&self, kind: BookKind, name: &str) -> Result<bool> {
        let mut remove = self.db.prepare_cached("DELETE FROM book WHERE kind = ?1 AND name = ?2")?;
        Ok(remove.execute(params![kind.number(), name])? > 0)
    }
}
