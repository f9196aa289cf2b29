//! Settings of the engine itself: its name and threads, sessions and logins, outgoing mail, names.

use std::time::Duration;

use super::{Key, Kind, Value, as_number, as_text};
use crate::base::limits::TLS_RULES_MAX;
use crate::base::settings::{OutboundTls, Sink, SmartHost, Traced};
use crate::base::tls_rule::TlsRule;
use crate::base::{Address, Domain, Secret};
use crate::engine::logging::LEVELS;

/// A week, a month, a year: ceilings for waits in seconds.
const WEEK: i64 = 7 * 86_400;
const MONTH: i64 = 31 * 86_400;

/// Settings of sessions, the store, delivery and names.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "hostname",
        kind: Kind::Text,
        doc: "Our name in greetings, EHLO, Received and reports.",
        read: |c| Value::Text(c.settings.hostname.clone()),
        write: |c, v| {
            let name = as_text(v)?;
            Domain::parse(name).ok()?;
            c.settings.hostname = name.to_owned();
            Some(())
        },
    },
    number!("engine.threads", 1, 64, "Threads that run sessions and deliveries.", threads as usize),
    number!("store.readers", 1, 16, "Threads that read the store.", store_readers as usize),
    number!(
        "store.reserve_octets",
        -1,
        1 << 50,
        "Octets of the file system that mail leaves free for changes and deletions; -1: a sixteenth, 64 MiB at most.",
        store_reserve_octets as i64
    ),
    number!(
        "store.account_messages_max",
        1,
        1 << 32,
        "Messages that an account may have in all its mailboxes; more are refused as where its quota is used up.",
        store_account_messages_max as u64
    ),
    number!("events.capacity", 16, 1_000_000, "Events kept for a host that does not pull them.", events_max as usize),
    Key {
        name: "log.level",
        kind: Kind::Text,
        doc: "What of the log becomes events: off, error, warn, info, debug or trace.",
        read: |c| {
            let name = LEVELS.iter().find(|(level, _)| *level == c.log_level).map_or("off", |(_, name)| name);
            Value::Text(name.to_owned())
        },
        write: |c, v| {
            let name = as_text(v)?;
            c.log_level = LEVELS.iter().find(|(_, known)| *known == name)?.0;
            Some(())
        },
    },
    Key {
        name: "trace.peers",
        kind: Kind::Text,
        doc: "Peers whose dialogs become events: addresses and networks (192.0.2.0/24), by commas, or all.",
        read: |c| Value::Text(c.settings.traced.to_string()),
        write: |c, v| {
            c.settings.traced = Traced::parse(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "hook.timeout_ms",
        kind: Kind::Number(1, 600_000),
        doc: "How long the host may think about a question before the peer is told to try again, in milliseconds.",
        read: |c| Value::Number(i64::try_from(c.hook_wait.as_millis()).unwrap_or(i64::MAX)),
        write: |c, v| {
            c.hook_wait = Duration::from_millis(u64::try_from(as_number(v)?).ok()?);
            Some(())
        },
    },
    number!("hook.threads", 1, 1024, "Threads on which the host's hook functions run.", hook_lanes as usize),
    number!(
        "message.octets_max",
        1024,
        4_000_000_000,
        "Largest message taken, in octets.",
        settings.message_octets_max as u64
    ),
    number!("smtp.recipients_max", 100, 100_000, "Recipients in one transaction.", settings.recipients_max as usize),
    number!(
        "sessions.per_listener_max",
        1,
        1_000_000,
        "Sessions of one listener at a time.",
        settings.sessions_per_listener_max as usize
    ),
    number!(
        "sessions.per_peer_max",
        1,
        1_000_000,
        "Sessions of one listener from one peer address at a time.",
        settings.sessions_per_peer_max as usize
    ),
    number!(
        "sessions.per_peer_total_max",
        1,
        1_000_000,
        "Sessions from one peer address at a time, over all listeners.",
        settings.sessions_per_peer_total_max as usize
    ),
    number!(
        "smtp.unknown_recipients_per_peer_max",
        0,
        1_000_000,
        "Recipients that do not exist before their sender's address is put off for a time that grows; 0 for no limit.",
        settings.unknown_recipients_per_peer_max as u32
    ),
    Key {
        name: "smtp.unknown_recipient_pause_ms",
        kind: Kind::Number(0, 60_000),
        doc: "How late a recipient that does not exist is answered, but for the first three of a session, in ms.",
        read: |c| Value::Number(i64::try_from(c.settings.unknown_recipient_pause.as_millis()).unwrap_or(i64::MAX)),
        write: |c, v| {
            c.settings.unknown_recipient_pause = Duration::from_millis(u64::try_from(as_number(v)?).ok()?);
            Some(())
        },
    },
    number!(
        "memory.octets_max",
        0,
        1 << 50,
        "Octets of memory that sessions may take together; 0: half of what the machine, or the control group, has.",
        settings.memory_octets_max as u64
    ),
    number!(
        "sessions.per_account_max",
        1,
        1_000_000,
        "Sessions of one account at a time, over all listeners.",
        settings.sessions_per_account_max as usize
    ),
    switch!(
        "login.allow_plaintext",
        "Passwords without TLS, on loopback listeners only.",
        settings.allow_plaintext_login
    ),
    Key {
        name: "login.domain",
        kind: Kind::Text,
        doc: "Domain of login names without @; empty is the first local domain.",
        read: |c| Value::Text(c.settings.login_domain.as_ref().map(ToString::to_string).unwrap_or_default()),
        write: |c, v| {
            c.settings.login_domain = match as_text(v)? {
                "" => None,
                domain => Some(Domain::parse(domain).ok()?),
            };
            Some(())
        },
    },
    Key {
        name: "sink",
        kind: Kind::Text,
        doc: "For tests: take all mail and send none; each files by recipient, an address all there; empty is off.",
        read: |c| {
            Value::Text(match &c.settings.sink {
                Sink::Off => String::new(),
                Sink::Each => "each".to_owned(),
                Sink::One(address) => address.to_string(),
            })
        },
        write: |c, v| {
            c.settings.sink = match as_text(v)? {
                "" => Sink::Off,
                "each" => Sink::Each,
                address => Sink::One(Address::parse(address).ok()?),
            };
            Some(())
        },
    },
    seconds!(
        "login.failure_pause_seconds",
        0,
        60,
        "Pause after a failed login; further ones from an address make it longer, up to 15 seconds.",
        settings.login_failure_pause
    ),
    number!(
        "login.failures_per_peer_max",
        0,
        1_000_000,
        "Failed logins of an address before it is blocked for a time that grows; 0 blocks nobody.",
        settings.guard.failures_per_peer_max as u32
    ),
    number!(
        "login.failures_per_network_max",
        0,
        1_000_000,
        "The same of a network (/24, of IPv6 /48); 0 for no limit.",
        settings.guard.failures_per_network_max as u32
    ),
    number!(
        "login.failures_per_account_max",
        0,
        1_000_000,
        "Failed logins to an account before addresses it never logged in from are kept out for a time; 0 for no limit.",
        settings.guard.failures_per_account_max as u32
    ),
    number!(
        "login.argon2_kib",
        8,
        4_194_304,
        "Argon2id memory of stored passwords, in KiB.",
        settings.password_cost.argon2_kib as u32
    ),
    number!(
        "login.argon2_passes",
        1,
        100,
        "Argon2id passes of stored passwords.",
        settings.password_cost.argon2_passes as u32
    ),
    number!(
        "login.scram_iterations",
        4096,
        10_000_000,
        "PBKDF2 iterations of SCRAM keys.",
        settings.password_cost.scram_iterations as u32
    ),
    switch!(
        "submission.repair_line_ends",
        "Bare LF in submitted mail becomes CRLF instead of being refused.",
        settings.repair_line_ends_in_submission
    ),
    Key {
        name: "address.subaddress_separator",
        kind: Kind::Text,
        doc: "Separator of plus-addressing; empty switches it off.",
        read: |c| Value::Text(c.settings.subaddress_separator.map(String::from).unwrap_or_default()),
        write: |c, v| {
            let mut chars = as_text(v)?.chars();
            c.settings.subaddress_separator = chars.next();
            chars.next().is_none().then_some(())
        },
    },
    seconds!("smtp.wait_seconds", 1, WEEK, "SMTP: wait for the next command.", settings.waits.smtp_command),
    seconds!(
        "smtp.data_seconds",
        1,
        WEEK,
        "SMTP: time the data of one message may take in all.",
        settings.waits.smtp_data
    ),
    number!(
        "smtp.data_rate_min",
        0,
        1_000_000_000,
        "SMTP: least octets of message data a second, over smtp.wait_seconds; 0 for none.",
        settings.waits.smtp_data_rate_min as u32
    ),
    seconds!(
        "pop3.wait_seconds",
        1,
        WEEK,
        "POP3: wait for the next command, and for the login in all.",
        settings.waits.pop3_idle
    ),
    seconds!("imap.wait_seconds", 1, WEEK, "IMAP: wait for the next command once logged in.", settings.waits.imap_idle),
    seconds!("imap.login_wait_seconds", 1, WEEK, "IMAP: wait for the login.", settings.waits.imap_login),
    seconds!("tls.handshake_seconds", 1, 3600, "Wait for a TLS handshake.", settings.waits.tls_handshake),
    switch!("tls.self_signed", "Mint a certificate where the host gives none.", self_signed),
    number!("outbound.port", 1, 65_535, "Port of the hosts mail goes to.", settings.outbound.port as u16),
    Key {
        name: "outbound.smart_host",
        kind: Kind::Text,
        doc: "host:port that takes all our mail; [user[:password]@] in front for a login; empty for delivery by MX.",
        read: |c| Value::Text(smart_host_text(c.settings.outbound.smart_host.as_ref())),
        write: |c, v| {
            c.settings.outbound.smart_host = match as_text(v)? {
                "" => None,
                text => Some(smart_host(text)?),
            };
            Some(())
        },
    },
    Key {
        name: "outbound.retry_seconds",
        kind: Kind::Text,
        doc: "Pauses between attempts in seconds, by commas; the last one repeats.",
        read: |c| {
            let pauses: Vec<String> = c.settings.outbound.retry.iter().map(|p| p.as_secs().to_string()).collect();
            Value::Text(pauses.join(","))
        },
        write: |c, v| {
            let pauses: Option<Vec<Duration>> = as_text(v)?.split(',').map(pause).collect();
            c.settings.outbound.retry = pauses.filter(|p| !p.is_empty() && p.len() <= 100)?;
            Some(())
        },
    },
    number!(
        "outbound.retry_jitter_percent",
        0,
        100,
        "Part of a pause by which it may be longer, at random.",
        settings.outbound.retry_jitter_percent as u32
    ),
    seconds!("outbound.lifetime_seconds", 1, MONTH, "When a message is given up.", settings.outbound.lifetime),
    Key {
        name: "outbound.delay_report_seconds",
        kind: Kind::Number(0, MONTH),
        doc: "When a sender is told that a message is delayed; 0 never.",
        read: |c| {
            let after = c.settings.outbound.delay_report_after.unwrap_or_default();
            Value::Number(i64::try_from(after.as_secs()).unwrap_or(0))
        },
        write: |c, v| {
            let after = Duration::from_secs(u64::try_from(as_number(v)?).ok()?);
            c.settings.outbound.delay_report_after = (!after.is_zero()).then_some(after);
            Some(())
        },
    },
    number!(
        "outbound.deliveries_max",
        1,
        100_000,
        "Deliveries under way at a time.",
        settings.outbound.deliveries_max as usize
    ),
    number!(
        "outbound.connections_per_destination_max",
        1,
        10_000,
        "Connections to one destination at a time.",
        settings.outbound.connections_per_destination_max as usize
    ),
    seconds!(
        "outbound.keep_connection_seconds",
        0,
        3600,
        "How long an idle connection is kept for the next message.",
        settings.outbound.keep_connection
    ),
    seconds!(
        "outbound.connect_seconds",
        1,
        3600,
        "Wait for a connection to another host.",
        settings.outbound.waits.connect
    ),
    seconds!(
        "outbound.greeting_seconds",
        1,
        WEEK,
        "Wait for another host's greeting.",
        settings.outbound.waits.greeting
    ),
    seconds!(
        "outbound.reply_seconds",
        1,
        WEEK,
        "Wait for another host's reply to a command.",
        settings.outbound.waits.reply
    ),
    seconds!(
        "outbound.data_seconds",
        1,
        WEEK,
        "Wait for another host's reply to a message that was sent.",
        settings.outbound.waits.data
    ),
    switch!("outbound.ipv6", "Whether IPv6 addresses are tried.", settings.outbound.ipv6),
    Key {
        name: "outbound.tls",
        kind: Kind::Text,
        doc: "TLS towards other hosts: off, opportunistic, required or verified.",
        read: |c| {
            let name =
                OUTBOUND_TLS.iter().find(|(_, tls)| *tls == c.settings.outbound.tls).map_or("", |(name, _)| name);
            Value::Text(name.to_owned())
        },
        write: |c, v| {
            let name = as_text(v)?;
            c.settings.outbound.tls = OUTBOUND_TLS.iter().find(|(n, _)| *n == name)?.1;
            Some(())
        },
    },
    Key {
        name: "dns.server",
        kind: Kind::Text,
        doc: "address:port of the DNS server to ask; empty for the system's.",
        read: |c| Value::Text(c.dns_server.map(|s| s.to_string()).unwrap_or_default()),
        write: |c, v| {
            c.dns_server = match as_text(v)? {
                "" => None,
                text => Some(text.parse().ok()?),
            };
            Some(())
        },
    },
    switch!("dns.host_only", "Names the host did not set do not exist: no server is asked.", dns_host_only),
    switch!("dns.dnssec", "Validate DNSSEC here.", dnssec),
    switch!(
        "dns.trust_ad",
        "Believe the DNS server that DNSSEC proves an answer (AD bit): for a server that validates, on a safe path.",
        trust_ad
    ),
    switch!(
        "outbound.dane",
        "DANE (RFC 7672): TLSA records that DNSSEC proves decide on TLS; needs dns.dnssec or dns.trust_ad.",
        settings.outbound.dane
    ),
    switch!("outbound.mta_sts", "MTA-STS (RFC 8461): policies of domains decide on TLS.", settings.outbound.mta_sts),
    number!(
        "outbound.mta_sts_port",
        1,
        65_535,
        "Port of the hosts that MTA-STS policies are fetched from.",
        settings.outbound.mta_sts_port as u16
    ),
    seconds!(
        "outbound.history_seconds",
        0,
        12 * MONTH,
        "How long attempts for finished messages are kept to be explained.",
        settings.outbound.history
    ),
    Key {
        name: "outbound.tls_rules",
        kind: Kind::Text,
        doc: "TLS by domain, by commas: domain=tls, .domain for all below it; off, opportunistic, required, verified, \
              verified:name, dane.",
        read: |c| {
            let rules: Vec<String> = c.settings.outbound.tls_rules.iter().map(ToString::to_string).collect();
            Value::Text(rules.join(","))
        },
        write: |c, v| {
            let text = as_text(v)?.trim();
            let rules: Option<Vec<TlsRule>> = match text {
                "" => Some(Vec::new()),
                text => text.split(',').map(|rule| TlsRule::parse(rule.trim())).collect(),
            };
            c.settings.outbound.tls_rules = rules.filter(|rules| rules.len() <= TLS_RULES_MAX)?;
            Some(())
        },
    },
];

const OUTBOUND_TLS: [(&str, OutboundTls); 4] = [
    ("off", OutboundTls::Off),
    ("opportunistic", OutboundTls::Opportunistic),
    ("required", OutboundTls::Required),
    ("verified", OutboundTls::Verified),
];

fn pause(text: &str) -> Option<Duration> {
    let seconds = text.trim().parse().ok()?;
    (1..=MONTH as u64).contains(&seconds).then(|| Duration::from_secs(seconds))
}

/// `[user[:password]@]host:port`; an IPv6 address stands in brackets.
fn smart_host(text: &str) -> Option<SmartHost> {
    let (login, place) = match text.rsplit_once('@') {
        None => (None, text),
        Some((login, place)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (Some((user.to_owned(), Secret::new(password))), place)
        }
    };
    let (host, port) = place.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let is_address = host.parse::<std::net::IpAddr>().is_ok();
    (is_address || Domain::parse(host).is_ok()).then_some(())?;
    Some(SmartHost { host: host.to_owned(), port: port.parse().ok()?, login })
}

/// The smart host as it was set, its password as stars.
fn smart_host_text(smart_host: Option<&SmartHost>) -> String {
    let Some(smart_host) = smart_host else { return String::new() };
    let login = smart_host.login.as_ref().map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
    match smart_host.host.contains(':') {
        true => format!("{login}[{}]:{}", smart_host.host, smart_host.port),
        false => format!("{login}{}:{}", smart_host.host, smart_host.port),
    }
}
