//! What handles stand for, and how one is looked up.

use std::sync::Arc;

use super::account::AccountSeat;
use super::cursor::{CursorSeat, Lent};
use super::engine::EngineSeat;
use super::handle::{Table, Tag};
use super::listen::ListenerSeat;
use super::mailbox::MailboxSeat;
use super::message::MessageSeat;
use super::panic;
use super::resolver::ResolverSeat;
use super::result::{Failure, MAILCORE_E_HANDLE, MAILCORE_E_LIMIT};

/// Any handle; 0 is none. Closed with mailcore_close().
pub type mailcore_handle = u64;
/// An engine: a store, its servers and its queue.
pub type mailcore_engine = u64;
/// An account of an engine.
pub type mailcore_account = u64;
/// A mailbox of an account.
pub type mailcore_mailbox = u64;
/// A message: one that is being written, or one that is kept.
pub type mailcore_message = u64;
/// A listing, read with mailcore_next().
pub type mailcore_cursor = u64;
/// A listening socket.
pub type mailcore_listener = u64;
/// Looks names up for checks without an engine.
pub type mailcore_resolver = u64;

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Object {
    Engine(Arc<EngineSeat>),
    Account(Arc<AccountSeat>),
    Mailbox(Arc<MailboxSeat>),
    Message(Arc<MessageSeat>),
    Cursor(Arc<CursorSeat>),
    /// What a cursor gave last, after its engine was closed.
    Orphan {
        _row: Arc<Lent>,
    },
    Listener(Arc<ListenerSeat>),
    Resolver(Arc<ResolverSeat>),
}

static OBJECTS: Table<Object> = Table::new();

impl Object {
    /// The engine it came from; a resolver and an orphan have none.
    pub fn engine(&self) -> Option<&Arc<EngineSeat>> {
        Some(match self {
            Object::Engine(seat) => seat,
            Object::Account(seat) => &seat.engine,
            Object::Mailbox(seat) => &seat.account.engine,
            Object::Message(seat) => &seat.engine,
            Object::Cursor(seat) => &seat.engine,
            Object::Listener(seat) => &seat.engine,
            Object::Resolver(_) | Object::Orphan { .. } => return None,
        })
    }

    /// Wakes the calls that wait on this handle. Only an engine's and a resolver's calls wait for others.
    pub fn interrupt(&self) {
        match self {
            Object::Engine(seat) => seat.interrupt.interrupt(),
            Object::Resolver(seat) => seat.checker.interrupt(),
            _ => {}
        }
    }

    fn tag(&self) -> Tag {
        match self {
            Object::Engine(_) => Tag::Engine,
            Object::Account(_) => Tag::Account,
            Object::Mailbox(_) => Tag::Mailbox,
            Object::Message(_) => Tag::Message,
            Object::Cursor(_) | Object::Orphan { .. } => Tag::Cursor,
            Object::Listener(_) => Tag::Listener,
            Object::Resolver(_) => Tag::Resolver,
        }
    }
}

/// A handle for `object`; MAILCORE_E_HANDLE where its engine is closed, also by another thread just now.
pub(crate) fn hold(object: Object) -> Result<mailcore_handle, Failure> {
    let engine = object.engine().cloned();
    let handle = OBJECTS
        .insert(object.tag(), object)
        .ok_or_else(|| Failure::new(MAILCORE_E_LIMIT, "there are too many open handles"))?;
    // Closing marks the engine first and then ends its handles under the table's lock: a handle that came too late to
    // be ended there sees the mark here.
    if engine.is_some_and(|engine| engine.is_closed()) {
        drop(OBJECTS.remove(handle));
        return Err(Failure::new(MAILCORE_E_HANDLE, "the engine was closed meanwhile"));
    }
    Ok(handle)
}

/// Ends a handle; gives what it stood for.
pub(crate) fn release(handle: mailcore_handle) -> Result<Object, Failure> {
    OBJECTS.remove(handle).ok_or_else(|| Failure::plain(MAILCORE_E_HANDLE))
}

/// Ends every handle that came from `engine`. A cursor's handle keeps the row it gave last, which the program may be
/// reading, until that handle is closed too.
pub(crate) fn release_all_of(engine: &Arc<EngineSeat>) -> Vec<Object> {
    let theirs = |object: &Object| object.engine().is_some_and(|its| Arc::ptr_eq(its, engine));
    OBJECTS.remove_where(theirs, |object| match object {
        Object::Cursor(seat) => Some(Object::Orphan { _row: seat.lent.clone() }),
        _ => None,
    })
}

/// What any handle stands for, for calls that a failed engine still answers: interrupt, close, reading a property.
pub(crate) fn any(handle: mailcore_handle) -> Result<Object, Failure> {
    let object = OBJECTS.get(handle).ok_or_else(|| Failure::plain(MAILCORE_E_HANDLE))?;
    if matches!(object, Object::Orphan { .. }) {
        return Err(Failure::new(MAILCORE_E_HANDLE, "the cursor's engine is closed"));
    }
    if let Some(engine) = object.engine() {
        panic::concerns(engine);
    }
    #[cfg(test)]
    panic::forced();
    Ok(object)
}

/// What any handle stands for; MAILCORE_E_PANIC where its engine has failed.
pub(crate) fn sound(handle: mailcore_handle) -> Result<Object, Failure> {
    let object = any(handle)?;
    if let Some(seat) = object.engine() {
        seat.engine.check_sound()?;
    }
    Ok(object)
}

/// An engine's handle, for its events, which a failed one still has.
pub(crate) fn any_engine(handle: mailcore_engine) -> Result<Arc<EngineSeat>, Failure> {
    match any(handle)? {
        Object::Engine(seat) => Ok(seat),
        _ => Err(other("engine")),
    }
}

/// An engine's handle.
pub(crate) fn engine(handle: mailcore_engine) -> Result<Arc<EngineSeat>, Failure> {
    match sound(handle)? {
        Object::Engine(seat) => Ok(seat),
        _ => Err(other("engine")),
    }
}

/// An account's handle.
pub(crate) fn account(handle: mailcore_account) -> Result<Arc<AccountSeat>, Failure> {
    match sound(handle)? {
        Object::Account(seat) => Ok(seat),
        _ => Err(other("account")),
    }
}

/// A mailbox's handle.
pub(crate) fn mailbox(handle: mailcore_mailbox) -> Result<Arc<MailboxSeat>, Failure> {
    match sound(handle)? {
        Object::Mailbox(seat) => Ok(seat),
        _ => Err(other("mailbox")),
    }
}

/// A message's handle.
pub(crate) fn message(handle: mailcore_message) -> Result<Arc<MessageSeat>, Failure> {
    match sound(handle)? {
        Object::Message(seat) => Ok(seat),
        _ => Err(other("message")),
    }
}

/// A cursor's handle.
pub(crate) fn cursor(handle: mailcore_cursor) -> Result<Arc<CursorSeat>, Failure> {
    match sound(handle)? {
        Object::Cursor(seat) => Ok(seat),
        _ => Err(other("cursor")),
    }
}

/// A resolver's handle.
pub(crate) fn resolver(handle: mailcore_resolver) -> Result<Arc<ResolverSeat>, Failure> {
    match any(handle)? {
        Object::Resolver(seat) => Ok(seat),
        _ => Err(other("resolver")),
    }
}

fn other(what: &str) -> Failure {
    Failure::new(MAILCORE_E_HANDLE, format!("the handle is no {what}"))
}
