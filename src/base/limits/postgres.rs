//! Limits of a store on PostgreSQL.

/// Seconds for a connection to a PostgreSQL server, login included, where the store's address names no other time.
pub const POSTGRES_CONNECT_SECONDS: u64 = 10;
/// Seconds a statement may take on a PostgreSQL server before the server ends it.
pub const POSTGRES_STATEMENT_SECONDS: u64 = 60;
/// Seconds a PostgreSQL server may be silent about a statement before the connection is given up.
pub const POSTGRES_ANSWER_SECONDS: u64 = 75;
/// Milliseconds an engine waits for the lock of a store that another one seems to have.
pub const POSTGRES_LOCK_MILLISECONDS: u64 = 500;
/// Milliseconds a statement waits for a row that another session of a PostgreSQL server changes; then its transaction
/// is run again, as often as `STORE_BUSY_TRIES_MAX` says.
pub const POSTGRES_ROW_MILLISECONDS: u64 = 200;
/// Milliseconds a lane does not dial a PostgreSQL server again that could not be reached.
pub const POSTGRES_REDIAL_MILLISECONDS: u64 = 1_000;
/// Octets of the name of a PostgreSQL schema: the server's own limit.
pub const POSTGRES_SCHEMA_OCTETS_MAX: usize = 63;
/// Statements sent to a PostgreSQL server whose results nobody has looked at yet.
pub const POSTGRES_SENT_AHEAD_MAX: usize = 64;
/// Octets of a message that are kept in one row on a PostgreSQL server; a larger one is kept in chunks.
pub const POSTGRES_BODY_ROW_OCTETS_MAX: usize = 256 * 1024;
/// Rows of the queue that a PostgreSQL server is asked for at first, and at most, at a time.
pub const POSTGRES_ROWS_SHOWN_FIRST: usize = 4;
pub const POSTGRES_ROWS_SHOWN_MAX: usize = 1_024;
/// Ids that a connection draws from a sequence of a PostgreSQL server at a time.
pub const POSTGRES_IDS_TOGETHER: usize = 64;
