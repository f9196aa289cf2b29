//! The main job, whole: a mail goes from alice@example.org to bob@example.net and is read again.
//!
//! Two engines stand in this one process, each with a store of its own, as two hosts would on the internet;
//! a DNS server on loopback tells where their mail goes. Everything is real: sockets, TLS, DNS packets,
//! synced files. Run it with `cargo run --example quickstart`, or give it a message of your own:
//! `cargo run --example quickstart -- FILE.eml`.
//!
//! The road: alice submits over SMTP with TLS -> her engine queues -> it asks DNS for example.net's MX ->
//! signs and delivers over SMTP with STARTTLS -> bob's engine checks (SPF, DKIM, DMARC) and files -> bob reads the
//! same octets over POP3 and over IMAP; then a mail to nobody comes back to alice as a bounce. Exits 0 only if all
//! of it is true.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example is a program of its own")]

#[path = "quickstart/client.rs"]
mod client;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use client::Client;
use mailcore::base::event::{Event, Outcome};
use mailcore::base::{Secret, Service};
use mailcore::dns::server::DnsServer;
use mailcore::dns::zone::{SharedZone, Zone};
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Interrupt};
use mailcore::mailauth::dkim::Algorithm;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const WAIT: Duration = Duration::from_secs(30);

const MESSAGE: &str = "From: Alice <alice@example.org>\r\n\
    To: Bob <bob@example.net>\r\n\
    Subject: Hello from one process\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
    Message-ID: <quickstart@example.org>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    Dear Bob,\r\n\
    \r\n\
    this line begins with a dot on the wire:\r\n\
    .and these octets arrive as they were sent: \u{e4}\u{f6}\u{fc} \u{2713}\r\n\
    \r\n\
    Alice\r\n";

fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("mailcore-quickstart-{}", std::process::id()));
    let done = run(&folder);
    std::fs::remove_dir_all(&folder).ok();
    done?;
    println!("\nAll of it is true.");
    Ok(())
}

fn run(folder: &std::path::Path) -> Result<()> {
    let message = match std::env::args().nth(1) {
        Some(file) => client::with_crlf(&std::fs::read(file)?),
        None => MESSAGE.as_bytes().to_vec(),
    };

    title("Two hosts and a DNS server");
    let zone = SharedZone::new(Zone::new());
    let (net, org) = (host(folder, "mx.example.net")?, host(folder, "mx.example.org")?);
    let world = net.world();
    let dns = DnsServer::start(&world.run, Arc::clone(&world.clock), LOOPBACK, zone.clone())?;
    println!("  a DNS server answers on {}", dns.local_addr());
    start(&net, dns.local_addr())?;
    let net_mx = open(&net, Service::Mx)?;
    // Port 25 belongs to root; the other host listens where it could.
    org.set("outbound.port", Value::Number(net_mx.port().into()))?;
    // A message of your own may be from anybody.
    org.set("submission.check_from", Value::Number((message == MESSAGE.as_bytes()).into()))?;
    start(&org, dns.local_addr())?;
    let key = smol::block_on(org.dkim_generate("example.org", "s1", Algorithm::Ed25519Sha256))?;
    smol::block_on(org.dkim_activate("example.org", "s1"))?;
    publish(&zone, &key)?;
    account(&org, "alice@example.org", "alice's password")?;
    account(&net, "bob@example.net", "bob's password")?;
    let submission = open(&org, Service::Submission)?;
    let (pop3, imap) = (open(&net, Service::Pop3)?, open(&net, Service::Imap)?);

    title("Alice hands her mail to her own host (SMTP submission, STARTTLS, AUTH)");
    submit(submission, "bob@example.net", &message)?;

    title("Her host queues it, asks DNS for the MX, delivers; bob's host files it");
    let delivered = follow(&org, |event| matches!(event, Event::Attempted { outcome: Outcome::Delivered, .. }))?;
    if let Event::Attempted { host, .. } = &delivered {
        check("it was taken by the host that DNS named", host.contains("mx.example.net"))?;
    }
    follow(&net, |event| matches!(event, Event::Filed { .. }))?;

    title("Bob reads it over POP3 (STLS)");
    let over_pop3 = read_pop3(pop3)?;
    check("the octets are those alice sent, below the trace fields", over_pop3.ends_with(&message))?;

    title("Bob reads it over IMAP (STARTTLS)");
    let over_imap = read_imap(imap)?;
    check("POP3 and IMAP give the same octets", over_imap == over_pop3)?;
    let trace = String::from_utf8_lossy(&over_pop3[..over_pop3.len() - message.len()]).into_owned();
    println!("  fields written on the way, the last one first:");
    for line in trace.lines() {
        println!("    | {line}");
    }
    check("her host may send for her domain (SPF)", trace.contains("spf=pass"))?;
    if message == MESSAGE.as_bytes() {
        check("her host signed it, and the signature holds (DKIM)", trace.contains("dkim=pass"))?;
        check("both are for the domain bob sees in From (DMARC)", trace.contains("dmarc=pass"))?;
    }

    title("A mail to nobody comes back as a bounce");
    submit(submission, "nobody@example.net", &message)?;
    follow(&org, |event| matches!(event, Event::Attempted { outcome: Outcome::Failed, .. }))?;
    // Her report was filed in the transaction that closed her mail: she is told of both afterwards.
    follow(&org, |event| matches!(event, Event::Bounced { to, .. } if to == "alice@example.org"))?;
    let org_imap = open(&org, Service::Imap)?;
    let bounce = read_inbox(org_imap, "alice@example.org", "alice's password")?;
    let bounce = String::from_utf8_lossy(&bounce);
    for line in bounce
        .lines()
        .filter(|l| ["Action:", "Status:", "Final-Recipient:", "Diagnostic-Code:"].iter().any(|f| l.starts_with(f)))
    {
        println!("    | {line}");
    }
    check(
        "the report names the recipient and a permanent failure",
        bounce.contains("nobody@example.net") && bounce.contains("Status: 5.1.1"),
    )?;

    title("Both engines stop");
    for engine in [&org, &net] {
        smol::block_on(engine.stop(Duration::from_secs(5)))?;
        engine.close()?;
    }
    Ok(())
}

/// An engine with a store of its own, as a host named `hostname`.
fn host(folder: &std::path::Path, hostname: &str) -> Result<Engine> {
    let engine = Engine::open(Config::new(folder.join(hostname)))?;
    engine.set("hostname", Value::Text(hostname.to_owned()))?;
    println!("  {hostname} has its store in {}", folder.join(hostname).display());
    Ok(engine)
}

fn start(engine: &Engine, dns: SocketAddr) -> Result<()> {
    engine.set("dns.server", Value::Text(dns.to_string()))?;
    smol::block_on(engine.start())?;
    Ok(())
}

/// What the owners of both domains publish: where mail goes, who may send it, with which key it is signed, and what
/// others shall do with mail that only claims to be theirs.
fn publish(zone: &SharedZone, key: &str) -> Result<()> {
    for (name, kind, data) in [
        ("example.net", "MX", "10 mx.example.net."),
        ("mx.example.net", "A", "127.0.0.1"),
        ("mx.example.org", "A", "127.0.0.1"),
        ("1.0.0.127.in-addr.arpa", "PTR", "mx.example.org."),
        ("mx.example.org", "TXT", "v=spf1 a -all"),
        ("example.org", "TXT", "v=spf1 a:mx.example.org -all"),
        ("s1._domainkey.example.org", "TXT", key),
        ("_dmarc.example.org", "TXT", "v=DMARC1; p=reject"),
    ] {
        zone.write().add(name, kind, data, 3600)?;
        println!("  it says: {name} {kind} {data}");
    }
    Ok(())
}

fn open(engine: &Engine, service: Service) -> Result<SocketAddr> {
    let (_, at) = smol::block_on(engine.listen(service, LOOPBACK))?;
    println!("  {service:?} listens on {at}");
    Ok(at)
}

fn account(engine: &Engine, address: &str, password: &str) -> Result<()> {
    smol::block_on(engine.account_put(address, Some(&Secret::new(password))))?;
    println!("  account {address}");
    Ok(())
}

/// What a mail program does to send.
fn submit(to: SocketAddr, recipient: &str, message: &[u8]) -> Result<()> {
    let mut smtp = Client::connect(to)?;
    smtp.expect("220")?;
    smtp.say("EHLO alices-laptop.example.org", "250")?;
    smtp.say("STARTTLS", "220")?;
    smtp.start_tls("mx.example.org")?;
    smtp.say("EHLO alices-laptop.example.org", "250")?;
    smtp.say_secret("AUTH PLAIN ", &client::plain("alice@example.org", "alice's password"), "235")?;
    smtp.say("MAIL FROM:<alice@example.org> BODY=8BITMIME", "250")?;
    smtp.say(&format!("RCPT TO:<{recipient}>"), "250")?;
    smtp.say("DATA", "354")?;
    smtp.send_dotted(message)?;
    smtp.expect("250")?;
    smtp.say("QUIT", "221")?;
    Ok(())
}

fn read_pop3(at: SocketAddr) -> Result<Vec<u8>> {
    let mut pop3 = Client::connect(at)?;
    pop3.expect("+OK")?;
    pop3.say("STLS", "+OK")?;
    pop3.start_tls("mx.example.net")?;
    pop3.say("USER bob@example.net", "+OK")?;
    pop3.say_secret("PASS ", "bob's password", "+OK")?;
    pop3.say("STAT", "+OK 1 ")?;
    pop3.say("RETR 1", "+OK")?;
    let message = pop3.read_dotted()?;
    pop3.say("QUIT", "+OK")?;
    Ok(message)
}

fn read_imap(at: SocketAddr) -> Result<Vec<u8>> {
    read_inbox(at, "bob@example.net", "bob's password")
}

fn read_inbox(at: SocketAddr, user: &str, password: &str) -> Result<Vec<u8>> {
    let mut imap = Client::connect(at)?;
    imap.expect("* OK")?;
    imap.say("a STARTTLS", "a OK")?;
    imap.start_tls("mail")?;
    imap.say_secret(&format!("b LOGIN {user} "), &format!("\"{password}\""), "b OK")?;
    imap.say("c SELECT INBOX", "c OK")?;
    let message = imap.fetch("d FETCH 1 BODY.PEEK[]")?;
    imap.expect("d OK")?;
    imap.say("e LOGOUT", "e OK")?;
    Ok(message)
}

/// Prints what an engine tells, until `wanted`.
fn follow(engine: &Engine, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
    let hostname = match engine.get("hostname")? {
        Value::Text(name) => name,
        Value::Number(_) => String::new(),
    };
    loop {
        let next = async { Ok(engine.events().next().await) };
        let said = engine.wait(&Interrupt::default(), Some(WAIT), next)?.ok_or("the engine stopped")?;
        if let Some(line) = sentence(&said.event) {
            println!("  {hostname}: {line}");
        }
        if wanted(&said.event) {
            return Ok(said.event);
        }
    }
}

/// An event for somebody who has never run a mail server.
fn sentence(event: &Event) -> Option<String> {
    Some(match event {
        Event::Login { protocol, user, ok: true, .. } => format!("{user} logged in over {protocol}"),
        Event::Queued { id, from, to, size } => {
            format!("queued as {} from <{from}> for {}, {size} octets, synced to disk", id.0, to.join(", "))
        }
        Event::Attempted { recipient, outcome, host, code, text, .. } => {
            format!("{recipient}: {outcome:?} by {host} ({code} {text})")
        }
        Event::Bounced { to, .. } => format!("a report goes to {to}"),
        Event::Filed { address, mailbox_name, uid, size, .. } => {
            format!("filed for {address} in {mailbox_name} as message {uid}, {size} octets, synced to disk")
        }
        _ => return None,
    })
}

fn title(text: &str) {
    println!("\n{text}");
}

fn check(what: &str, is_true: bool) -> Result<()> {
    println!("  {} {what}", if is_true { "yes:" } else { "NO:" });
    if is_true { Ok(()) } else { Err(format!("not true: {what}").into()) }
}
