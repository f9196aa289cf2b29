//! Sessions of an engine: rows of their listing, and ending one.

use std::collections::VecDeque;

use super::cursor::{ListRow, MAILCORE_LIST_SESSIONS};
use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;

/// The sessions there are now.
pub(super) fn rows(engine: &EngineSeat) -> VecDeque<ListRow> {
    let row = |info: crate::server::sessions::SessionInfo| ListRow {
        kind: MAILCORE_LIST_SESSIONS,
        id: info.id,
        time_ms: info.began.0,
        texts: [info.account.unwrap_or_default(), info.service.name().to_owned(), info.peer.to_string()],
        ..ListRow::default()
    };
    engine.engine.sessions().into_iter().map(row).collect()
}

/// Ends a session: its client is told so in the words of its protocol, and the connection is closed within seconds.
///
/// [nowait] Nothing that was acknowledged is lost. Sessions of an account that is deleted, or whose password is
/// changed, end by themselves.
///
/// @param engine  the engine
/// @param id  the session, from MAILCORE_LIST_SESSIONS
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE (not started, or stopped), MAILCORE_E_NOT_FOUND (it has ended, or
/// was told to)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_session_end(engine: mailcore_engine, id: u64, err: *mut mailcore_error) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        seat.engine.session_end(id)?;
        Ok(0)
    })
}
