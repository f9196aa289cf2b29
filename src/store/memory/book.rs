//! Settings of domains, and groups.

use super::super::book::BookKind;
use super::super::database::{ReadBook, WriteBook};
use super::Connection;
use crate::base::Result;

impl ReadBook for Connection {
    fn book(&self) -> Result<Vec<(BookKind, String, String)>> {
        self.ask(|tables| {
            let all = tables.book.iter();
            all.map(|((kind, name), document)| (*kind, name.clone(), document.clone())).collect()
        })
    }
}

impl WriteBook for Connection {
    fn book_put(&self, kind: BookKind, name: &str, document: &str) -> Result<()> {
        self.edit(|tables| tables.book.put((kind, name.to_owned()), document.to_owned()))
    }

    fn book_remove(&self, kind: BookKind, name: &str) -> Result<bool> {
        self.change(|tables| Ok(tables.book.remove(&(kind, name.to_owned())).is_some()))
    }
}
