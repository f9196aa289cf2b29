//! The world outside, as the engine sees it: clock, chance, network, names, disk, TLS, threads.
//!
//! A [`World`] is made once (in `engine::start`, or by the simulation) and handed down; no other code
//! knows a clock, a socket, a file, a thread or a random number. The real bodies stand in `os`, `net` and
//! `dns`; the simulated ones in `tests/simulation`. What `World` never gives: anything that differs
//! between two runs of the same seed.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use futures_io::{AsyncRead, AsyncWrite};
/// A spawned task; dropping it cancels it at its next await.
pub use smol::Task;

use super::error::Result;
use super::time::{Mono, Timestamp};

/// A future that may be sent between threads, boxed so that traits stay object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything outside, given from the first line on.
#[derive(Clone)]
pub struct World {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance: keys, boundaries, ids, jitter.
    pub entropy: Arc<dyn Entropy>,
    /// TCP.
    pub network: Arc<dyn Network>,
    /// DNS.
    pub resolver: Arc<dyn Resolver>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// TLS.
    pub tls: Arc<dyn Tls>,
    /// Tasks, lanes and compute jobs.
    pub run: Arc<dyn Spawner>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("World")
    }
}

// -- time and chance ---------------------------------------------------------------------------------

/// Time. `now` never goes back; `wall` may jump.
pub trait Clock: Send + Sync {
    /// The monotonic clock.
    fn now(&self) -> Mono;
    /// The wall clock.
    fn wall(&self) -> Timestamp;
    /// Whether it stands still between the host's steps.
    fn stands(&self) -> bool {
        false
    }
    /// Completes when `now() >= at`. Dropping it forgets the timer.
    fn sleep_until(&self, at: Mono) -> BoxFuture<'static, ()>;
    /// Lets so much time pass in the world itself, also where a host holds the clock still: for what ends by itself and
    /// asks no clock, another program's lock.
    fn pause(&self, length: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + length)
    }
}

/// Chance, good enough for keys.
pub trait Entropy: Send + Sync {
    /// Fills `out` with random octets.
    fn fill(&self, out: &mut [u8]);

    /// A random 64-bit number.
    fn u64(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }
}

// -- tasks -------------------------------------------------------------------------------------------

/// Where work runs.
pub trait Spawner: Send + Sync {
    /// A task: many of them, short polls, never blocks.
    fn task(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task<()>;
    /// A lane: may block on the disk. A thread of its own in production, a task in simulation.
    /// Its `Task` completes when the lane has ended; dropping the `Task` detaches a real lane, so a lane
    /// must end by itself when its channel closes.
    fn lane(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task<()>;
    /// A piece of computing (password hash, signature) kept off the tasks; completes when done.
    fn compute(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
}

// -- network -----------------------------------------------------------------------------------------

/// A two-way stream of octets: TCP, TLS over it, or a pipe in a test.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A boxed [`Stream`].
pub type BoxStream = Box<dyn Stream>;

/// TCP. Deadlines are the caller's (`Clock::sleep_until`).
pub trait Network: Send + Sync {
    /// Dials `to`, from the local address `from` where one is given.
    fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> BoxFuture<'static, io::Result<BoxStream>>;
    /// Listens at `at`; port 0 takes a free one, told by [`Listener::local_addr`].
    fn listen(&self, at: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>>;
}

/// A listening socket; dropping it closes it.
pub trait Listener: Send + Sync {
    /// The next connection and who made it.
    fn accept(&self) -> BoxFuture<'_, io::Result<(BoxStream, SocketAddr)>>;
    /// Where it listens.
    fn local_addr(&self) -> SocketAddr;
    /// Whether the connection that `accept` gave last took a descriptor that is kept for other work.
    fn is_short(&self) -> bool {
        false
    }
}

// -- TLS ---------------------------------------------------------------------------------------------

/// TLS for both roles. Certificates are shared by all streams and may be replaced while running.
pub trait Tls: Send + Sync {
    /// Whether there is a certificate to serve with.
    fn can_accept(&self) -> bool;

    /// Makes new keys for the resumption of sessions where they are a day old. Called before a session is served.
    fn refresh(&self, _now: Timestamp) {}

    /// Server side of a handshake.
    fn accept(&self, stream: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>>;
    /// Client side of a handshake.
    fn connect(&self, stream: BoxStream, peer: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>>;
    /// Sets the certificate chain and key (PEM) served to clients that ask for `server_name`; with
    /// `None`, the one served to everybody else.
    fn set_identity(&self, server_name: Option<&str>, certificate_pem: &[u8], key_pem: &[u8]) -> Result<()>;
    /// Adds certificate authorities (PEM) to those trusted for outgoing connections.
    fn trust(&self, authorities_pem: &[u8]) -> Result<()>;
    /// What is wrong with the certificates served, a sentence each: expired, not valid yet, soon to expire, for other
    /// names than those it is served under. The one served to everybody should be for `hostname`.
    fn concerns(&self, _hostname: &str, _now: Timestamp) -> Vec<String> {
        Vec::new()
    }
    /// Judges certificates that a peer showed (leaf first, DER) by TLSA records of usage 2 and 3 (RFC 6698, RFC 7672
    /// §3.1). `names` are those that a leaf may be for, where a record means its authority; `now` decides on validity
    /// then. Other usages match nothing.
    fn check_dane(
        &self,
        _chain: &[Vec<u8>],
        _names: &[String],
        _records: &[Tlsa],
        _now: Timestamp,
    ) -> std::result::Result<(), CertificateRefused> {
        Err(CertificateRefused {
            trouble: CertificateTrouble::Other,
            text: "this TLS backend cannot check TLSA records".to_owned(),
        })
    }
}

/// A TLSA record (RFC 6698).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tlsa {
    /// Certificate usage.
    pub usage: u8,
    /// Selector.
    pub selector: u8,
    /// Matching type.
    pub matching: u8,
    /// Association data.
    pub data: Vec<u8>,
}

/// Why a peer's certificate was refused. Stands in the [`io::Error`] of a handshake that failed for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRefused {
    /// What kind of trouble it is.
    pub trouble: CertificateTrouble,
    /// A sentence for a person.
    pub text: String,
}

/// Kinds of trouble with a certificate, as reports of TLS failures tell them apart (RFC 8460 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateTrouble {
    /// It is for another name.
    OtherName,
    /// Its time is over, or has not come.
    Expired,
    /// No authority that is trusted stands behind it.
    NotTrusted,
    /// TLSA records mean another one.
    NotOfRecords,
    /// Something else.
    Other,
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "certificate: {}", self.text)
    }
}

impl std::error::Error for CertificateRefused {}

/// What the client side wants of the other end.
#[derive(Debug, Clone)]
pub struct TlsPeer {
    /// Host name for SNI and, where asked, for the certificate check.
    pub name: String,
    /// Whether the handshake fails when the certificate does not verify. Opportunistic delivery
    /// (RFC 7435) does not ask; a smart host with a password does.
    pub must_verify: bool,
}

/// What a handshake came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// `TLSv1.3`
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: String,
    /// Server name the client asked for (server side), or that we asked for.
    pub server_name: Option<String>,
    /// Whether the peer's certificate verified for its name (client side; false on the server side).
    pub verified: bool,
    /// The peer's certificates, leaf first, DER.
    pub peer_chain: Vec<Vec<u8>>,
    /// Channel binding `tls-exporter` (RFC 9266), where the backend has it.
    pub exporter: Option<Vec<u8>>,
}

// -- names -------------------------------------------------------------------------------------------

/// DNS. Names are ASCII (A-labels), absolute, with or without the final dot; answers have CNAMEs followed.
pub trait Resolver: Send + Sync {
    /// Asks for the records of one kind. Never fails otherwise than in [`DnsAnswer::records`].
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer>;
    /// The answer, where it is at hand and costs no question to a server.
    fn known(&self, _name: &str, _kind: RecordKind) -> Option<DnsAnswer> {
        None
    }
}

/// Kinds of record a mail system asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum RecordKind {
    A,
    Aaaa,
    Mx,
    Txt,
    Ptr,
    Tlsa,
    Cname,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// IPv4 address.
    A(Ipv4Addr),
    /// IPv6 address.
    Aaaa(Ipv6Addr),
    /// Mail exchanger; an exchange of `.` is the null MX (RFC 7505).
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Host name without the final dot; empty for the root.
        exchange: String,
    },
    /// The character-strings of one TXT record, joined without anything between.
    Txt(Vec<u8>),
    /// Name an address points to, without the final dot.
    Ptr(String),
    /// TLSA (RFC 6698).
    Tlsa {
        /// Certificate usage.
        usage: u8,
        /// Selector.
        selector: u8,
        /// Matching type.
        matching: u8,
        /// Association data.
        data: Vec<u8>,
    },
    /// Alias target, without the final dot.
    Cname(String),
}

/// Why there are no records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRecords {
    /// The name does not exist.
    NxDomain,
    /// The name exists, but has no record of this kind.
    NoData,
    /// The server failed, refused, or sent something unusable.
    ServFail,
    /// No answer in time.
    Timeout,
    /// DNSSEC says that the answer is forged.
    Bogus,
    /// The question cannot be asked: not a DNS name.
    BadName,
}

impl NoRecords {
    /// Whether asking again later may help.
    pub fn is_transient(self) -> bool {
        matches!(self, NoRecords::ServFail | NoRecords::Timeout | NoRecords::Bogus)
    }
}

impl fmt::Display for NoRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NoRecords::NxDomain => "no such name",
            NoRecords::NoData => "no such record",
            NoRecords::ServFail => "the name server failed",
            NoRecords::Timeout => "no answer in time",
            NoRecords::Bogus => "DNSSEC says that the answer is forged",
            NoRecords::BadName => "not a name that DNS could have",
        })
    }
}

/// An answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsAnswer {
    /// The records, in the order received; at least one where `Ok`.
    pub records: std::result::Result<Vec<Record>, NoRecords>,
    /// How long the answer may be kept.
    pub ttl: Duration,
    /// Whether DNSSEC proves the answer, a denial included.
    pub secure: bool,
}

// -- disk --------------------------------------------------------------------------------------------

/// Plain files beside the database, and the VFS the database itself runs on. All calls may block.
pub trait Disk: Send + Sync {
    /// Name of the SQLite VFS; `None` is the platform's.
    fn vfs(&self) -> Option<&str>;
    /// Opens a file for reading and writing; makes it where `create`.
    fn open(&self, path: &Path, create: bool) -> io::Result<Arc<dyn DiskFile>>;
    /// A new nameless file for a body on its way in; gone when dropped.
    fn scratch(&self, folder: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames within one file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes renames and removals in a folder durable.
    fn sync_dir(&self, folder: &Path) -> io::Result<()>;
    /// Makes a folder and those above it, where they are missing; durable when it returns.
    fn make_dir(&self, folder: &Path) -> io::Result<()>;
    /// Which file a name leads to now; `None` where there is none. Two files that are there at the same time differ.
    fn identity(&self, path: &Path) -> io::Result<Option<FileId>>;
    /// Lets nobody but our user read or write a file; nothing where there is none, or where it is another user's.
    fn make_private(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }
    /// Room on the file system of a folder.
    fn space(&self, folder: &Path) -> io::Result<Space> {
        let _ = folder;
        Ok(Space::UNBOUNDED)
    }
    /// Takes the exclusive lock of a store; held until dropped. [`io::ErrorKind::AddrInUse`] where
    /// another process, or another engine of this one, has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
}

/// Which file it is: device and inode, or what else tells files apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId(pub u64, pub u64);

/// Room on a file system, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What we may still write.
    pub free: u64,
}

impl Space {
    /// Where nobody counts.
    pub const UNBOUNDED: Space = Space { total: u64::MAX, free: u64::MAX };
}

/// An open file. Positioned reads and writes only: no cursor to share.
pub trait DiskFile: Send + Sync {
    /// Reads at `offset`; fewer octets than asked only at the end of the file.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `octets` at `offset`.
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()>;
    /// Length in octets.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends to `octets`.
    fn set_len(&self, octets: u64) -> io::Result<()>;
    /// Flushes content to the platter.
    fn sync(&self) -> io::Result<()>;
    /// Whether it holds nothing.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
