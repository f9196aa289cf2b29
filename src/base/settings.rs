//! What the host may set, as plain data: read by every room, filled by `engine::config`.
//!
//! Fixed once the engine has started. Times are durations, sizes are octets. `Default` is what a host gets that
//! sets nothing but its hostname.

mod esmtp;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::address::{Address, Domain};
use super::checking::{Checking, Network};
use super::limits;
use super::secret::Secret;
use super::sending::Sending;
use super::tls_rule::TlsRule;
use super::trouble::Trouble;

pub use esmtp::{Esmtp, SubmissionLimits, Verify};

/// The engine's settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Our name in greetings, EHLO, Received and reports.
    pub hostname: String,
    /// Largest message taken, in octets.
    pub message_octets_max: u64,
    /// Recipients in one transaction.
    pub recipients_max: usize,
    /// Sessions of one listener at a time.
    pub sessions_per_listener_max: usize,
    /// Sessions from one peer address at a time.
    pub sessions_per_peer_max: usize,
    /// Sessions from one peer address at a time, over all listeners.
    pub sessions_per_peer_total_max: usize,
    /// Octets of memory that sessions may take together; 0: half of what the machine, or the control group, has.
    pub memory_octets_max: u64,
    /// Sessions of one account at a time, over all listeners.
    pub sessions_per_account_max: usize,
    /// Whether loopback listeners take passwords without TLS.
    pub allow_plaintext_login: bool,
    /// Domain of login names without `@`; without one, the first local domain.
    pub login_domain: Option<Domain>,
    /// Whether senders may use bare LF line ends in submission (they are turned into CRLF).
    pub repair_line_ends_in_submission: bool,
    /// Separator of plus-addressing, `None` switches it off.
    pub subaddress_separator: Option<char>,
    /// What outgoing delivery does.
    pub outbound: Outbound,
    /// How mail is checked and marked.
    pub checking: Checking,
    /// Waits of sessions.
    pub waits: Waits,
    /// Cost of stored passwords.
    pub password_cost: PasswordCost,
    /// Aggregate reports of DMARC.
    pub dmarc: Dmarc,
    /// What is kept about outgoing mail as a whole.
    pub sending: Sending,
    /// Whether an attempt to log in is answered only after a pause once it failed.
    pub login_failure_pause: Duration,
    /// Failed logins after which somebody is blocked.
    pub guard: GuardLimits,
    /// Recipients that do not exist after which an address is not heard for a time; 0 for no limit.
    pub unknown_recipients_per_peer_max: u32,
    /// How late each of them is answered, but for the first of a session.
    pub unknown_recipient_pause: Duration,
    /// Whether mail for anybody is taken and kept here, and none sent out.
    pub sink: Sink,
    /// Trouble that the host scripts. Clones share it, and it may change while the engine runs.
    pub trouble: Trouble,
    /// Peers whose dialogs are told line by line.
    pub traced: Traced,
    /// ESMTP extensions and peers that speak for others.
    pub esmtp: Esmtp,
}

/// Peers that are traced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Traced {
    /// Nobody.
    #[default]
    Nobody,
    /// Everybody.
    All,
    /// Those in these networks.
    In(Vec<Network>),
}

impl Traced {
    /// Reads `all`, or a list separated by commas; empty is nobody.
    pub fn parse(text: &str) -> Option<Traced> {
        match text {
            "" => Some(Traced::Nobody),
            "all" => Some(Traced::All),
            list => list.split(',').map(|item| item.trim().parse().ok()).collect::<Option<_>>().map(Traced::In),
        }
    }

    /// Whether this peer is one.
    pub fn has(&self, peer: IpAddr) -> bool {
        match self {
            Traced::Nobody => false,
            Traced::All => true,
            Traced::In(networks) => networks.iter().any(|network| network.contains(peer.to_canonical())),
        }
    }
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Traced::Nobody => Ok(()),
            Traced::All => f.write_str("all"),
            Traced::In(networks) => {
                let texts: Vec<_> = networks.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

/// Who gets what a sink takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sink {
    /// Nobody: mail goes where its addresses say.
    #[default]
    Off,
    /// Each recipient has an account, made when its first mail comes.
    Each,
    /// This account has it all.
    One(Address),
}

impl Sink {
    /// Whether mail is kept in place of being sent.
    pub fn is_on(&self) -> bool {
        *self != Sink::Off
    }
}

/// Aggregate reports of DMARC, those we send and those we get.
#[derive(Debug, Clone)]
pub struct Dmarc {
    /// Who our reports are from; without it nothing is counted and none are sent: mail to strangers that a host did not
    /// ask for would surprise it.
    pub report_from: Option<Address>,
    /// The address here that others' reports come to; its mail is filed as any, and read for the host to query.
    pub report_address: Option<Address>,
    /// How long what was read is kept.
    pub keep: Duration,
}

/// Outgoing delivery.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Port of the hosts mail goes to.
    pub port: u16,
    /// Everything goes through this host instead of by MX.
    pub smart_host: Option<SmartHost>,
    /// Pauses between attempts; the last one repeats.
    pub retry: Vec<Duration>,
    /// Part of a pause by which it may be longer, at random, in percent: keeps retries from coming in step.
    pub retry_jitter_percent: u32,
    /// When a message is given up.
    pub lifetime: Duration,
    /// When its sender is told that it is delayed; `None` never.
    pub delay_report_after: Option<Duration>,
    /// Deliveries under way at a time.
    pub deliveries_max: usize,
    /// Connections to one destination at a time.
    pub connections_per_destination_max: usize,
    /// Whether IPv6 addresses are tried.
    pub ipv6: bool,
    /// Whether STARTTLS is used where it is offered.
    pub tls: OutboundTls,
    /// Whether TLSA records that DNSSEC proves decide on TLS (RFC 7672).
    pub dane: bool,
    /// Whether policies of domains decide on TLS (RFC 8461).
    pub mta_sts: bool,
    /// Port of the hosts that such policies are fetched from.
    pub mta_sts_port: u16,
    /// What is said of TLS for single domains; the first that fits counts, in the place of everything else.
    pub tls_rules: Vec<TlsRule>,
    /// How long attempts of finished messages are kept to be explained; those of waiting ones are kept longer.
    pub history: Duration,
    /// Idle connections are kept this long for the next message.
    pub keep_connection: Duration,
    /// How long other hosts are waited for.
    pub waits: OutboundWaits,
}

/// How long a delivery waits for another host (RFC 5321 §4.5.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboundWaits {
    /// For a connection.
    pub connect: Duration,
    /// For the greeting.
    pub greeting: Duration,
    /// For the reply to a command.
    pub reply: Duration,
    /// For the reply to a message that was sent, and at most `SMTP_CLIENT_BLOCK_WAIT_SECONDS` of it for a piece of the
    /// message to leave.
    pub data: Duration,
}

/// TLS towards other hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutboundTls {
    /// Never.
    Off,
    /// Where offered; in the clear where not, or where the handshake fails (RFC 7435).
    Opportunistic,
    /// Always, certificate not looked at.
    Required,
    /// Always, certificate must verify for the host's name.
    Verified,
}

/// A host that takes all our mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmartHost {
    /// Name or address literal content.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Login, where it wants one. Never sent without TLS.
    pub login: Option<(String, Secret)>,
}

/// Failed logins after which somebody is blocked for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardLimits {
    /// Of one address (of IPv6 a /64); 0 blocks nobody, whatever the others say.
    pub failures_per_peer_max: u32,
    /// Of one network (/24, of IPv6 /48); 0 for no limit.
    pub failures_per_network_max: u32,
    /// To one account, from addresses that it never logged in from; 0 for no limit.
    pub failures_per_account_max: u32,
}

impl Default for GuardLimits {
    fn default() -> Self {
        Self {
            failures_per_peer_max: limits::LOGIN_FAILURES_PER_PEER_MAX,
            failures_per_network_max: limits::LOGIN_FAILURES_PER_NETWORK_MAX,
            failures_per_account_max: limits::LOGIN_FAILURES_PER_ACCOUNT_MAX,
        }
    }
}

/// How long sessions wait.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    /// SMTP: for the next command or piece of data.
    pub smtp_command: Duration,
    /// SMTP: for the data of one message, in all.
    pub smtp_data: Duration,
    /// SMTP: octets of message data a second below which a session is ended; 0 for no such limit.
    pub smtp_data_rate_min: u32,
    /// POP3: for the next command.
    pub pop3_idle: Duration,
    /// IMAP: for the next command, once logged in.
    pub imap_idle: Duration,
    /// IMAP: for the login.
    pub imap_login: Duration,
    /// For a handshake.
    pub tls_handshake: Duration,
    /// For a peer to take what we write.
    pub write: Duration,
}

/// Argon2id and PBKDF2 parameters. The simulation uses the least there are.
#[derive(Debug, Clone, Copy)]
pub struct PasswordCost {
    /// Argon2id memory in KiB.
    pub argon2_kib: u32,
    /// Argon2id passes.
    pub argon2_passes: u32,
    /// Iterations of PBKDF2 for SCRAM keys; RFC 7677 §4 asks for at least 4096.
    pub scram_iterations: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hostname: "localhost".to_owned(),
            message_octets_max: limits::MESSAGE_OCTETS_MAX,
            recipients_max: limits::SMTP_RECIPIENTS_MAX,
            sessions_per_listener_max: limits::SESSIONS_PER_LISTENER_MAX,
            sessions_per_peer_max: limits::SESSIONS_PER_PEER_MAX,
            sessions_per_peer_total_max: limits::SESSIONS_PER_PEER_TOTAL_MAX,
            memory_octets_max: 0,
            sessions_per_account_max: limits::SESSIONS_PER_ACCOUNT_MAX,
            allow_plaintext_login: false,
            login_domain: None,
            repair_line_ends_in_submission: true,
            subaddress_separator: Some('+'),
            outbound: Outbound::default(),
            checking: Checking::default(),
            waits: Waits::default(),
            password_cost: PasswordCost::default(),
            dmarc: Dmarc::default(),
            sending: Sending::default(),
            login_failure_pause: Duration::from_secs(1),
            guard: GuardLimits::default(),
            unknown_recipients_per_peer_max: limits::UNKNOWN_RECIPIENTS_PER_PEER_MAX,
            unknown_recipient_pause: Duration::from_millis(limits::UNKNOWN_RECIPIENT_PAUSE_MILLISECONDS),
            sink: Sink::Off,
            trouble: Trouble::default(),
            traced: Traced::Nobody,
            esmtp: Esmtp::default(),
        }
    }
}

impl Default for Dmarc {
    fn default() -> Self {
        Self { report_from: None, report_address: None, keep: Duration::from_secs(limits::DMARC_REPORT_KEEP_SECONDS) }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            port: 25,
            smart_host: None,
            // RFC 5321 §4.5.4.1 wants at least 30 minutes between attempts, but grey-listing hosts open
            // after a few: two early attempts, then its rule.
            retry: [300, 900, 1800, 3600, 7200, 14_400].map(Duration::from_secs).to_vec(),
            retry_jitter_percent: 10,
            lifetime: Duration::from_secs(5 * 86_400),
            delay_report_after: Some(Duration::from_secs(4 * 3600)),
            deliveries_max: limits::DELIVERIES_MAX,
            connections_per_destination_max: limits::CONNECTIONS_PER_DESTINATION_MAX,
            ipv6: true,
            tls: OutboundTls::Opportunistic,
            dane: true,
            mta_sts: true,
            mta_sts_port: 443,
            tls_rules: Vec::new(),
            history: Duration::from_secs(30 * 86_400),
            keep_connection: Duration::from_secs(5),
            waits: OutboundWaits::default(),
        }
    }
}

impl Default for OutboundWaits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(limits::CONNECT_WAIT_SECONDS),
            greeting: Duration::from_secs(limits::SMTP_CLIENT_GREETING_WAIT_SECONDS),
            reply: Duration::from_secs(limits::SMTP_CLIENT_REPLY_WAIT_SECONDS),
            data: Duration::from_secs(limits::SMTP_CLIENT_FINAL_WAIT_SECONDS),
        }
    }
}

impl Default for Waits {
    fn default() -> Self {
        Self {
            smtp_command: Duration::from_secs(limits::SMTP_COMMAND_WAIT_SECONDS),
            smtp_data: Duration::from_secs(limits::SMTP_DATA_SECONDS),
            smtp_data_rate_min: limits::SMTP_DATA_RATE_MIN,
            pop3_idle: Duration::from_secs(limits::POP3_IDLE_SECONDS),
            imap_idle: Duration::from_secs(limits::IMAP_IDLE_SECONDS),
            imap_login: Duration::from_secs(limits::IMAP_LOGIN_WAIT_SECONDS),
            tls_handshake: Duration::from_secs(limits::TLS_HANDSHAKE_SECONDS),
            write: Duration::from_secs(limits::SMTP_CLIENT_BLOCK_WAIT_SECONDS),
        }
    }
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { argon2_kib: 19_456, argon2_passes: 2, scram_iterations: 4096 }
    }
}

/// What kind of peer a connection is: the kind of listener that accepted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// SMTP from the world (port 25).
    Mx,
    /// Submission by our users, STARTTLS (587).
    Submission,
    /// Submission, TLS from the first octet (465).
    Submissions,
    /// LMTP (RFC 2033).
    Lmtp,
    /// IMAP with STARTTLS (143).
    Imap,
    /// IMAP, TLS from the first octet (993).
    Imaps,
    /// POP3 with STLS (110).
    Pop3,
    /// POP3, TLS from the first octet (995).
    Pop3s,
    /// ManageSieve with STARTTLS (4190).
    ManageSieve,
}

impl Service {
    /// Its name, as hosts write it.
    pub fn name(self) -> &'static str {
        match self {
            Service::Mx => "mx",
            Service::Submission => "submission",
            Service::Submissions => "submissions",
            Service::Lmtp => "lmtp",
            Service::Imap => "imap",
            Service::Imaps => "imaps",
            Service::Pop3 => "pop3",
            Service::Pop3s => "pop3s",
            Service::ManageSieve => "managesieve",
        }
    }

    /// The protocol it speaks: `smtp`, `lmtp`, `imap`, `pop3`, `managesieve`.
    pub fn protocol(self) -> &'static str {
        match self {
            Service::Mx | Service::Submission | Service::Submissions => "smtp",
            Service::Lmtp => "lmtp",
            Service::Imap | Service::Imaps => "imap",
            Service::Pop3 | Service::Pop3s => "pop3",
            Service::ManageSieve => "managesieve",
        }
    }

    /// Whether TLS starts with the first octet (RFC 8314).
    pub fn implicit_tls(self) -> bool {
        matches!(self, Service::Submissions | Service::Imaps | Service::Pop3s)
    }
}

/// Both ends of a connection that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Who called.
    pub peer: SocketAddr,
    /// Where we were called.
    pub local: SocketAddr,
}
