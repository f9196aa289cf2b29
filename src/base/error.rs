//! One error type for what the world outside can do to us: disk, network, names, limits.
//!
//! Rooms that have a grammar of their own (SMTP replies, IMAP responses, POP3) have their own small
//! enums; this one travels between floors 3 and 9. It says what went wrong and who is to blame, never
//! what to answer: replies are chosen in three places (`server`, `delivery::error`, `ffi::result`).

use std::fmt;
use std::io;

use super::status::{Enhanced, Reply};

/// What kind of error it is: decides the C result code and the class of the SMTP reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller gave something that cannot be: bad address, bad name, bad number.
    Invalid,
    /// No such account, mailbox, message, queue item.
    NotFound,
    /// It is there already.
    Exists,
    /// Somebody else holds it (the store file, a listener's port).
    Busy,
    /// A limit of `base::limits` or of the configuration was reached.
    Limit,
    /// The account's quota is used up.
    Quota,
    /// Disk or database said no; nothing was acknowledged.
    Store,
    /// There is no room on the disk, or only what is kept for changing and deleting what is there.
    DiskFull,
    /// What is stored is damaged: it is not what was written.
    Corruption,
    /// The store is down after a failed sync: it refuses changes until it is reopened.
    StoreDown,
    /// Sockets.
    Network,
    /// Names could not be resolved.
    Dns,
    /// Handshake or certificate.
    Tls,
    /// The peer broke its protocol.
    Protocol,
    /// Wrong password, or none.
    Login,
    /// Refused by policy (relay, sender not yours, plaintext login).
    Policy,
    /// A deadline passed.
    Timeout,
    /// Interrupted by the host, or the engine is stopping.
    Interrupted,
    /// The operation does not fit the state of the object.
    State,
    /// This build or this machine cannot do it.
    Unsupported,
    /// There is not enough memory for it.
    Memory,
    /// A bug of ours, caught.
    Bug,
}

impl ErrorKind {
    /// Whether the store could not do it for now, for reasons of its disk: what was asked may succeed later.
    pub fn is_of_disk(self) -> bool {
        matches!(self, ErrorKind::Store | ErrorKind::StoreDown | ErrorKind::DiskFull)
    }
}

/// An error: its kind and a sentence for a person. Clonable, since a group commit answers many callers.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    text: String,
    errno: i32,
    code: u16,
    enhanced: Option<Enhanced>,
}

/// Result with [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind`, explained by `text` (one sentence, no secrets).
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), errno: 0, code: 0, enhanced: None }
    }

    /// What a failed file means: `DiskFull` where there was no room, else `Store`. `what` was being done.
    pub fn of_disk(what: &str, e: &io::Error) -> Self {
        let full = matches!(e.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let kind = if full { ErrorKind::DiskFull } else { ErrorKind::Store };
        Self::new(kind, format!("{what}: {e}")).with_errno_of(e)
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for a person.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Number of the system's error behind it; 0 where there is none.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// Reply code and enhanced status code of the SMTP reply behind it, or that a session would have given for it; 0
    /// and `None` where there is none.
    pub fn smtp(&self) -> (u16, Option<Enhanced>) {
        (self.code, self.enhanced)
    }

    /// The same error with the number of the system's error behind it.
    pub fn with_errno_of(self, e: &io::Error) -> Self {
        Self { errno: e.raw_os_error().unwrap_or(0), ..self }
    }

    /// The same error with the number of a system's error behind it.
    pub fn with_errno(self, errno: i32) -> Self {
        Self { errno, ..self }
    }

    /// The same error with the codes of an SMTP reply, where it has none yet.
    pub fn with_reply(self, reply: &Reply) -> Self {
        if self.code == 0 { Self { code: reply.code, enhanced: reply.enhanced, ..self } } else { self }
    }

    /// The same error with what was being done put in front.
    pub fn while_doing(self, what: &str) -> Self {
        Self { text: format!("{what}: {}", self.text), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        let kind = match e.kind() {
            io::ErrorKind::TimedOut => ErrorKind::Timeout,
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            io::ErrorKind::AlreadyExists => ErrorKind::Exists,
            io::ErrorKind::AddrInUse => ErrorKind::Busy,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => ErrorKind::Invalid,
            _ => ErrorKind::Network,
        };
        Self::new(kind, e.to_string()).with_errno_of(&e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_number_and_the_first_reply_are_kept() {
        let e = Error::from(io::Error::from_raw_os_error(libc::EADDRINUSE)).while_doing("listen");
        assert_eq!((e.kind(), e.errno(), e.smtp()), (ErrorKind::Busy, libc::EADDRINUSE, (0, None)));
        let e = e.with_reply(&Reply::new(452, 2, 2, "full")).with_reply(&Reply::plain(550, "no"));
        assert_eq!(e.smtp(), (452, Some(Enhanced::new(4, 2, 2))));
        assert_eq!(Error::from(io::Error::other("x")).errno(), 0);
        let full = Error::of_disk("scratch file", &io::Error::from_raw_os_error(libc::ENOSPC));
        assert_eq!((full.kind(), full.errno()), (ErrorKind::DiskFull, libc::ENOSPC));
        assert_eq!(Error::of_disk("x", &io::Error::other("x")).kind(), ErrorKind::Store);
    }
}
