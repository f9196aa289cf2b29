//! Settings of domains, and groups.

use super::super::book::BookKind;
use crate::base::Result;

/// What is read of them.
pub(in super::super) trait ReadBook {
    /// All of them: kind, name and JSON.
    fn book(&self) -> Result<Vec<(BookKind, String, String)>>;
}

/// What is changed of them.
pub(in super::super) trait WriteBook {
    /// Writes one, in the place of one of its kind and name.
    fn book_put(&self, kind: BookKind, name: &str, document: &str) -> Result<()>;

    /// Removes one; false where it was not there.
    fn book_remove(&self, kind: BookKind, name: &str) -> Result<bool>;
}
