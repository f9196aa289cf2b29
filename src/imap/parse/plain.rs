//! Verbs without arguments.

use crate::imap::command::Request;
use crate::imap::grammar::{Cursor, Parse};

/// CAPABILITY
pub fn capability(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Capability)
}

/// NOOP
pub fn noop(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Noop)
}

/// LOGOUT
pub fn logout(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Logout)
}

/// STARTTLS
pub fn starttls(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::StartTls)
}

/// NAMESPACE
pub fn namespace(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Namespace)
}

/// IDLE
pub fn idle(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Idle)
}

/// UNAUTHENTICATE
pub fn unauthenticate(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Unauthenticate)
}

/// CHECK
pub fn check(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Check)
}

/// CLOSE
pub fn close(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Close)
}

/// UNSELECT
pub fn unselect(_: &mut Cursor<'_>) -> Parse<Request> {
    Ok(Request::Unselect)
}
