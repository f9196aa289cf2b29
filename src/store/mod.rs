//! Floor 3: everything that is kept, in one SQLite file.
//!
//! One writer lane drains its channel into one transaction, commits, publishes, then answers everyone
//! (group commit); a few reader lanes answer questions beside it; a checkpoint lane keeps the write-ahead
//! log short. A call that returned `Ok` is on disk and synced. A call that returned an error is in doubt
//! after `StoreDown`, undone otherwise.
//!
//! One file here for each noun, with the calls of [`Store`] that speak of it. They know no SQL: what they ask of a
//! database is in `database`, and `sqlite` is the body behind it; the file's layout is in `sqlite/schema.sql`.

mod account;
mod annotation;
mod backup;
mod block;
mod body;
mod book;
mod changes;
mod check;
mod checkpoint;
mod columns;
mod copy;
mod counts;
mod database;
mod delta;
mod directory;
mod directory_cache;
mod directory_change;
mod directory_document;
mod dkim;
mod dmarc;
mod dmarc_report;
mod expunge;
mod fact;
mod flags;
mod free;
mod ghost;
mod health;
mod hidden;
mod lane;
mod mailbox;
#[cfg(test)]
mod memory;
mod message;
mod meta;
mod open;
mod outward;
#[cfg(feature = "postgres")]
mod postgres;
mod queue;
mod queue_board;
mod queue_claim;
mod queue_route;
mod queue_settle;
mod reader;
mod recent;
mod recovery;
mod remains;
mod room;
mod row;
mod setting;
mod shared;
#[cfg(test)]
mod shared_map;
mod sieve;
mod sort_table;
mod sound;
mod sqlite;
mod suppress;
mod table;
#[cfg(test)]
mod tests;
mod thread_table;
mod tls;
mod transaction;
mod transfer;
mod turns;
mod types;
mod varint;
mod view;
mod watch;
mod words;
mod write;
mod writer;

pub use annotation::Annotating;
pub use backup::{Backup, BackupStep};
pub use book::Book;
pub use check::{Check, CheckStep};
pub use directory::{AccountName, Directory};
pub use directory_document::DirectoryChange;
pub use ghost::Hold;
pub use meta::described_together;
pub use open::{Store, StoreOptions};
pub use queue_board::{QueueNews, Router};
pub use queue_claim::{Claim, PutOff, Taken, Want};
pub use queue_settle::{GIVEN_UP, Settled};
pub use sieve::{AFTER, BEFORE, Rules};
pub use sort_table::{SortTable, SortText};
pub use suppress::{EVERYBODY, Suppressed};
pub use thread_table::ThreadTable;
pub use tls::{TlsLevel, TlsReportRow, TlsResultRow};
pub use types::*;
pub use watch::Watch;
pub use words::{MessageWords, WordField, Words};
