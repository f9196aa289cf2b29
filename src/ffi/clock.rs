//! The engine's clock, moved by the program: days of retries in milliseconds.

use super::error::mailcore_error;
use super::object::{self, mailcore_engine};
use super::panic::wall;

/// Sets the engine's clock, and stops it there.
///
/// [nowait] What is due by then is done at once. If it goes back, only dates change: waits go on as they were.
///
/// @param engine  the engine
/// @param unix_ms  milliseconds since 1970, UTC
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_clock_set(engine: mailcore_engine, unix_ms: i64, err: *mut mailcore_error) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        seat.engine.clock_set(crate::base::Timestamp(unix_ms))?;
        Ok(0)
    })
}

/// Stops the engine's clock, if it still runs, and moves it forward.
///
/// [nowait] What is due by then is done at once: days of retries take milliseconds.
///
/// @param engine  the engine
/// @param delta_ms  milliseconds, 0 and up
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_clock_advance(
    engine: mailcore_engine,
    delta_ms: i64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        let delta = u64::try_from(delta_ms)
            .map_err(|_| super::result::Failure::invalid("delta_ms is below 0: the clock does not go back"))?;
        seat.engine.clock_advance(std::time::Duration::from_millis(delta))?;
        Ok(0)
    })
}
