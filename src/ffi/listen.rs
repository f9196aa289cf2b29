//! Servers: listening sockets.

use std::ffi::c_char;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_engine, mailcore_listener};
use super::panic::wall;
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, needed};
use crate::base::{ErrorKind, Service};
use crate::engine::ListenerId;

/// SMTP from the world (usually port 25), STARTTLS.
pub const MAILCORE_SERVICE_MX: u32 = 1;
/// Submission by accounts (587), STARTTLS.
pub const MAILCORE_SERVICE_SUBMISSION: u32 = 2;
/// Submission by accounts (465), TLS from the first byte.
pub const MAILCORE_SERVICE_SUBMISSIONS: u32 = 3;
/// LMTP.
pub const MAILCORE_SERVICE_LMTP: u32 = 4;
/// IMAP (143), STARTTLS.
pub const MAILCORE_SERVICE_IMAP: u32 = 5;
/// IMAP (993), TLS from the first byte.
pub const MAILCORE_SERVICE_IMAPS: u32 = 6;
/// POP3 (110), STLS.
pub const MAILCORE_SERVICE_POP3: u32 = 7;
/// POP3 (995), TLS from the first byte.
pub const MAILCORE_SERVICE_POP3S: u32 = 8;
/// ManageSieve (4190), STARTTLS: accounts manage their Sieve scripts.
pub const MAILCORE_SERVICE_MANAGESIEVE: u32 = 9;

/// The dialogs of all connections become events, secrets as stars.
pub const MAILCORE_LISTEN_TRACE: u32 = 1;

const SERVICES: [(u32, Service); 9] = [
    (MAILCORE_SERVICE_MX, Service::Mx),
    (MAILCORE_SERVICE_SUBMISSION, Service::Submission),
    (MAILCORE_SERVICE_SUBMISSIONS, Service::Submissions),
    (MAILCORE_SERVICE_LMTP, Service::Lmtp),
    (MAILCORE_SERVICE_IMAP, Service::Imap),
    (MAILCORE_SERVICE_IMAPS, Service::Imaps),
    (MAILCORE_SERVICE_POP3, Service::Pop3),
    (MAILCORE_SERVICE_POP3S, Service::Pop3s),
    (MAILCORE_SERVICE_MANAGESIEVE, Service::ManageSieve),
];

/// MAILCORE_SERVICE_ and which.
pub(crate) fn service_number(service: Service) -> u32 {
    SERVICES.iter().find(|(_, known)| *known == service).map_or(0, |(number, _)| *number)
}

/// What to listen for and where. Set it up with MAILCORE_LISTEN_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_listen_options {
    /// sizeof(mailcore_listen_options), set by MAILCORE_LISTEN_OPTIONS_INIT.
    pub struct_size: u32,
    /// The service: one of MAILCORE_SERVICE_.
    pub service: u32,
    /// Address to listen on, "127.0.0.1" or "::"; needed.
    pub address: *const c_char,
    /// Port; 0 takes a free one, see property listener.port.
    pub port: u32,
    /// 0, or MAILCORE_LISTEN_TRACE.
    pub flags: u32,
}

// SAFETY: numbers and a pointer, which may be NULL.
unsafe impl Record for mailcore_listen_options {
    const NAME: &'static str = "mailcore_listen_options";
}

/// A listener and the engine it belongs to.
pub(crate) struct ListenerSeat {
    pub engine: Arc<EngineSeat>,
    pub id: ListenerId,
    pub address: SocketAddr,
}

impl ListenerSeat {
    /// Listens no more; sessions go on.
    pub fn close(&self) -> Result<(), Failure> {
        match self.engine.engine.wait(&self.engine.closing, None, self.engine.engine.unlisten(self.id)) {
            // It ended with the engine's stop.
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            ended => Ok(ended?),
        }
    }
}

/// Listens for a service.
///
/// [nowait] After mailcore_engine_start(). mailcore_close() ends it: when it returns the port is free. Its sessions go
/// on. Services with TLS from the
/// first byte need a certificate: one from mailcore_tls_set(), or the one that the engine makes for itself.
///
/// @param engine  the engine
/// @param options  what and where; needed
/// @param listener  takes the handle, or NULL: it then listens until the engine stops
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID,
/// MAILCORE_E_BUSY (the port is taken), MAILCORE_E_NETWORK, MAILCORE_E_STATE, MAILCORE_E_TLS, MAILCORE_E_UNSUPPORTED
/// (this build has no such service)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_listen(
    engine: mailcore_engine,
    options: *const mailcore_listen_options,
    listener: *mut mailcore_listener,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(listener, 0) };
        let seat = object::engine(engine)?;
        // SAFETY: the caller gives NULL or a struct with its size.
        let options = unsafe { record::read(options) }?;
        // SAFETY: the caller's text.
        let address = unsafe { needed(options.address, "address") }?;
        let service = service_of(options.service)?;
        let traced = trace_of(options.flags)?;
        let no_address =
            |_: std::net::AddrParseError| format!("address {address:?}: not an IP address, like 127.0.0.1 or ::");
        let ip: IpAddr = address.parse().map_err(|e| Failure::invalid(no_address(e)))?;
        let no_port = |_| Failure::invalid(format!("port {}: not a number from 0 to 65535", options.port));
        let port = u16::try_from(options.port).map_err(no_port)?;
        let (id, address) = seat.run(seat.engine.listen_with(service, SocketAddr::new(ip, port), traced))?;
        let listening = ListenerSeat { engine: seat, id, address };
        if !listener.is_null() {
            let handle = object::hold(Object::Listener(listening.into()))?;
            // SAFETY: the caller's output.
            unsafe { give(listener, handle) };
        }
        Ok(0)
    })
}

fn service_of(number: u32) -> Result<Service, Failure> {
    let found = SERVICES.iter().find(|(known, _)| *known == number).map(|(_, service)| *service);
    found.ok_or_else(|| Failure::invalid(format!("service {number}: not one of MAILCORE_SERVICE_")))
}

/// Whether dialogs become events.
fn trace_of(flags: u32) -> Result<bool, Failure> {
    match flags {
        0 => Ok(false),
        MAILCORE_LISTEN_TRACE => Ok(true),
        _ => Err(Failure::invalid(format!("flags: {flags:#x} has a bit that is not known"))),
    }
}

/// Serves a connection that the program made or accepted: one end of a socketpair(), an inherited socket.
///
/// [nowait] After mailcore_engine_start(). The whole session runs in the background, as behind a listener. A peer
/// without an Internet address counts as 127.0.0.1.
///
/// @param engine  the engine
/// @param service  the service: one of MAILCORE_SERVICE_
/// @param fd  a connected stream socket. After success it belongs to the library; after a failure to the program
/// @param flags  0, or MAILCORE_LISTEN_TRACE
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_NETWORK (no connected stream socket),
/// MAILCORE_E_STATE, MAILCORE_E_TLS (there is no certificate), MAILCORE_E_UNSUPPORTED (this build has no such service,
/// or the system no such sockets)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_serve_fd(
    engine: mailcore_engine,
    service: u32,
    fd: i32,
    flags: u32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        let (service, traced) = (service_of(service)?, trace_of(flags)?);
        serve(&seat, service, fd, traced)?;
        Ok(0)
    })
}

#[cfg(unix)]
fn serve(seat: &EngineSeat, service: Service, fd: i32, traced: bool) -> Result<(), Failure> {
    use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
    if fd < 0 {
        return Err(Failure::invalid(format!("fd {fd}: not a descriptor")));
    }
    // SAFETY: the program promises an open descriptor; it is only duplicated, which fails where it is none.
    let copy = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned().map_err(crate::base::Error::from)?;
    seat.engine.serve_socket(service, copy, traced)?;
    // SAFETY: it was given to us, and success is certain now.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok(())
}

#[cfg(not(unix))]
fn serve(_: &EngineSeat, _: Service, _: i32, _: bool) -> Result<(), Failure> {
    Err(crate::base::Error::new(ErrorKind::Unsupported, "descriptors of sockets are not served on this system").into())
}
