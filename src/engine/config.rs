//! What a host gives an engine before it starts.
//!
//! [`Config`] is plain data; `engine::keys` lays names over its fields, so that C, Python and Go reach
//! each of them as a property without a function of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::limits;
use crate::base::settings::Settings;

/// Everything an engine is made with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of the store; made where missing. Not looked at where `store` is given.
    pub folder: PathBuf,
    /// Address of a store on a server, `postgres://user@host/db?schema=name`, in place of a folder.
    pub store: Option<String>,
    /// What the rooms read.
    pub settings: Settings,
    /// Threads that run sessions and deliveries; at least 1.
    pub threads: usize,
    /// Threads that read the store.
    pub store_readers: usize,
    /// Octets of the file system that mail leaves free; below 0: a sixteenth of it, 64 MiB at most.
    pub store_reserve_octets: i64,
    /// Messages that an account may have in all its mailboxes.
    pub store_account_messages_max: u64,
    /// DNS server to ask; `None` is the system's.
    pub dns_server: Option<SocketAddr>,
    /// Whether records set by the host are the whole DNS: names it did not set do not exist.
    pub dns_host_only: bool,
    /// Whether DNSSEC is validated here (the server must pass its records on).
    pub dnssec: bool,
    /// Whether the DNS server's word is taken that DNSSEC proves an answer (the AD bit).
    pub trust_ad: bool,
    /// Events kept for a host that does not pull them.
    pub events_max: usize,
    /// How long the host may think about a question.
    pub hook_wait: Duration,
    /// Threads on which the host's functions run.
    pub hook_lanes: usize,
    /// Whether the clock stands still from the first moment on, until the host moves it.
    pub clock_by_host: bool,
    /// What of the log becomes events.
    pub log_level: log::LevelFilter,
    /// Whether a certificate is minted where the host gives none, so that TLS is offered at all.
    pub self_signed: bool,
}

impl Config {
    /// Defaults for a store on a server.
    pub fn at(url: &str) -> Self {
        Self { store: Some(url.to_owned()), ..Self::new(std::env::temp_dir()) }
    }

    /// Defaults for a store in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            store: None,
            settings: Settings::default(),
            threads: 2,
            store_readers: limits::STORE_READERS,
            store_reserve_octets: -1,
            store_account_messages_max: limits::ACCOUNT_MESSAGES_MAX,
            dns_server: None,
            dns_host_only: false,
            dnssec: false,
            trust_ad: false,
            events_max: limits::EVENTS_MAX,
            hook_wait: Duration::from_millis(limits::HOOK_WAIT_MILLISECONDS),
            hook_lanes: limits::HOOK_LANES,
            clock_by_host: false,
            log_level: log::LevelFilter::Off,
            self_signed: true,
        }
    }
}
