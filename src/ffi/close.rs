//! What every handle has: interrupt and close.

use super::object::{self, Object, mailcore_handle};
use super::panic::wall;
use super::result::Failure;

/// Wakes the calls of other threads that wait on this handle: they return MAILCORE_E_INTERRUPTED.
///
/// [nowait] [hook-ok] Later calls wait as usual. Do not call it from a signal handler; write to a pipe there. Only
/// calls on engines and resolvers wait; on other handles nothing happens.
///
/// @param handle  an engine, a resolver, or any other handle
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_FORKED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn mailcore_interrupt(handle: mailcore_handle) -> i32 {
    wall!(std::ptr::null_mut(), {
        object::any(handle)?.interrupt();
        Ok(0)
    })
}

/// Closes a handle. For an engine: stops it at once if it runs, and closes everything that came from it, also what
/// other threads make meanwhile. Only the row that a cursor gave last stays, until the cursor is closed as well.
///
/// [disk] Safe at any time, also while other threads are inside calls on the handle: those that wait return
/// MAILCORE_E_INTERRUPTED. To let sessions end first, call mailcore_engine_stop() before. A message that
/// was not submitted is lost.
///
/// @param handle  any handle; 0 is allowed and does nothing
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STORE, MAILCORE_E_FORKED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub extern "C" fn mailcore_close(handle: mailcore_handle) -> i32 {
    wall!(std::ptr::null_mut(), {
        if handle == 0 {
            return Ok(0);
        }
        match object::release(handle)? {
            Object::Engine(seat) => {
                seat.mark_closed();
                drop(object::release_all_of(&seat));
                seat.interrupt.interrupt();
                seat.closing.interrupt();
                seat.engine.close()?;
            }
            Object::Listener(seat) => seat.close()?,
            Object::Resolver(seat) => seat.checker.interrupt(),
            Object::Account(_)
            | Object::Mailbox(_)
            | Object::Message(_)
            | Object::Cursor(_)
            | Object::Orphan { .. } => {}
        }
        Ok::<i32, Failure>(0)
    })
}
