//! What an error of the server or of the connection means for the store.
//!
//! `Busy`: the transaction was aborted for another's sake, and is to be run again. `StoreDown`: the connection is gone,
//! or the server cannot take changes. `DiskFull`: its disk is. Anything else concerns the statement alone.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use crate::base::{Error, ErrorKind};

/// The error of a statement.
pub(super) fn of_client(e: &tokio_postgres::Error) -> Error {
    let Some(server) = e.as_db_error() else {
        // Without an answer of the server it is the connection, unless it is about a value.
        let about_value = ["serializing", "deserializing", "invalid column", "expected"];
        let text = e.to_string();
        let kind = match about_value.iter().any(|word| text.contains(word)) {
            true => ErrorKind::Store,
            false => ErrorKind::StoreDown,
        };
        return Error::new(kind, format!("store: PostgreSQL: {}", with_cause(e)));
    };
    Error::new(of_state(server.code()), format!("store: PostgreSQL: {} ({})", server.message(), server.code().code()))
}

/// The error of COMMIT: where the server does not say that it was undone, it is in doubt.
pub(super) fn of_commit(e: &tokio_postgres::Error) -> Error {
    let error = of_client(e);
    match (error.kind(), e.code()) {
        (ErrorKind::Busy | ErrorKind::DiskFull, _) => error,
        // Integrity and other refusals: undone.
        (_, Some(code)) if code.code().starts_with("23") || code.code().starts_with("40") => error,
        _ => Error::new(ErrorKind::StoreDown, error.text()).while_doing("commit"),
    }
}

/// Why the server cannot be reached.
pub(super) fn unreachable(why: &str) -> Error {
    Error::new(ErrorKind::StoreDown, format!("store: the PostgreSQL server cannot be reached: {why}"))
}

fn of_state(state: &SqlState) -> ErrorKind {
    match state.code() {
        // Serialization failure, deadlock, integrity of a transaction, a lock that was waited for too long.
        "40001" | "40P01" | "40002" | "55P03" => ErrorKind::Busy,
        "53100" => ErrorKind::DiskFull,
        // Too many connections, out of memory for one, read-only server, insufficient privilege to connect.
        "53300" | "25006" => ErrorKind::StoreDown,
        // Shutdown, crash, not accepting connections yet; idle in a transaction for too long; I/O error.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "58030" => ErrorKind::StoreDown,
        code if code.starts_with("08") => ErrorKind::StoreDown,
        _ => ErrorKind::Store,
    }
}

fn with_cause(e: &tokio_postgres::Error) -> String {
    match e.source() {
        Some(cause) => format!("{e}: {cause}"),
        None => e.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_mean_what_the_store_does_about_them() {
        let kind = |code: &str| of_state(&SqlState::from_code(code));
        for code in ["40001", "40P01", "55P03"] {
            assert_eq!(kind(code), ErrorKind::Busy, "{code}");
        }
        for code in ["57P01", "57P03", "08006", "53300", "25006"] {
            assert_eq!(kind(code), ErrorKind::StoreDown, "{code}");
        }
        assert_eq!(
            (kind("53100"), kind("23505"), kind("42P01")),
            (ErrorKind::DiskFull, ErrorKind::Store, ErrorKind::Store)
        );
    }
}
