//! Two mail servers in one program exchange a mail, and the program tells what happens for somebody who has never run one.
//!
//! Two engines, each with a store of its own, stand for mx.example.org and mx.example.net; a DNS server on loopback tells
//! where their mail goes. Sockets, TLS, DNS packets and files are real. Alice submits a mail over SMTP; her server asks
//! DNS, signs and delivers; Bob's server checks (SPF, DKIM, DMARC) and files; Bob reads the same bytes over IMAP and
//! POP3; a mail to nobody comes back to Alice as a bounce. Exits with 0 only if every sentence under "What was proved"
//! was checked and holds; 1 if one does not, 2 for wrong use.
//!
//! `cargo run --example quickstart -- [-v] [FILE.eml]`

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example is a program of its own")]

#[path = "quickstart/client.rs"]
mod client;
#[path = "quickstart/story.rs"]
mod story;
#[path = "quickstart/tap.rs"]
mod tap;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
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
const ALICE: (&str, &str) = ("alice@example.org", "alice's password");
const BOB: (&str, &str) = ("bob@example.net", "bob's password");

const USAGE: &str = "\
usage: quickstart [-v] [FILE.eml]

Two mail servers in this one program exchange a mail, and the program tells what happens.

  -v, --verbose   also shows what the mail programs of Alice and Bob say to their servers
  FILE.eml        a message of your own in place of Alice's (header lines, an empty line, text)
  -h, --help      this text
";

const MESSAGE: &str = "From: Alice <alice@example.org>\r\n\
    To: Bob <bob@example.net>\r\n\
    Subject: Lunch\r\n\
    Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
    Message-ID: <quickstart@example.org>\r\n\
    MIME-Version: 1.0\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Transfer-Encoding: 8bit\r\n\
    \r\n\
    Dear Bob, shall we meet at noon in the caf\u{e9}? Alice\r\n";

fn main() -> ExitCode {
    let mut verbose = false;
    let mut file = None;
    for argument in std::env::args_os().skip(1) {
        match argument.to_str() {
            Some("-h" | "--help") => {
                print!("{USAGE}");
                return ExitCode::SUCCESS;
            }
            Some("-v" | "--verbose") => verbose = true,
            Some(option) if option.starts_with('-') => return wrong(&format!("there is no option {option}")),
            _ if file.is_some() => return wrong("one FILE.eml at most"),
            _ => file = Some(PathBuf::from(argument)),
        }
    }
    let message = match &file {
        Some(file) => match std::fs::read(file) {
            Ok(bytes) => client::with_crlf(&bytes),
            Err(e) => {
                eprintln!("quickstart: {}: {e}", file.display());
                return ExitCode::from(2);
            }
        },
        None => MESSAGE.as_bytes().to_vec(),
    };
    let folder = std::env::temp_dir().join(format!("mailcore-quickstart-{}", std::process::id()));
    let done = Show { verbose, own: file.is_some(), message }.run(&folder);
    std::fs::remove_dir_all(&folder).ok();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("quickstart: {e}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(what: &str) -> ExitCode {
    eprintln!("quickstart: {what}\n\n{USAGE}");
    ExitCode::from(2)
}

/// What is shown, and of which message.
struct Show {
    verbose: bool,
    /// Whether the message comes from a file.
    own: bool,
    message: Vec<u8>,
}

impl Show {
    fn run(&self, folder: &Path) -> Result<()> {
        let zone = SharedZone::new(Zone::new());
        let (net, org) = (server(folder, "mx.example.net")?, server(folder, "mx.example.org")?);
        let world = net.world();
        let dns = DnsServer::start(&world.run, Arc::clone(&world.clock), LOOPBACK, zone.clone())?;
        start(&net, dns.local_addr())?;
        // The resolver knows 127.0.0.1 as localhost and would not ask for its name.
        net.dns_set(Some("1.0.0.127.in-addr.arpa"), Some("PTR"), Some("mx.example.org."), 3600)?;
        let record = tap::Record::default();
        let line = smol::block_on(tap::start(org.world(), listen(&net, Service::Mx)?, Arc::clone(&record)))?;
        // Port 25 belongs to root: the tap stands in for it.
        org.set("outbound.port", Value::Number(line.port().into()))?;
        // A message of your own may be from anybody.
        org.set("submission.check_from", Value::Number((!self.own).into()))?;
        start(&org, dns.local_addr())?;
        let key = smol::block_on(org.dkim_generate("example.org", "s1", Algorithm::Ed25519Sha256))?;
        smol::block_on(org.dkim_activate("example.org", "s1"))?;
        for (name, kind, data, _) in story::records(&key) {
            zone.write().add(name, kind, data, 3600)?;
        }
        smol::block_on(org.account_put(ALICE.0, Some(&Secret::new(ALICE.1))))?;
        smol::block_on(net.account_put(BOB.0, Some(&Secret::new(BOB.1))))?;
        story::who(dns.local_addr(), &key);

        let mut proof = story::Proof::default();
        let submission = listen(&org, Service::Submission)?;
        self.delivered(&org, &net, submission, &record, &mut proof)?;
        self.read(&net, &mut proof)?;
        self.bounced(&org, submission, &mut proof)?;
        for engine in [&org, &net] {
            smol::block_on(engine.stop(Duration::from_secs(5)))?;
            engine.close()?;
        }
        proof.tell()
    }

    /// Alice sends; the two servers talk.
    fn delivered(
        &self,
        org: &Engine,
        net: &Engine,
        submission: SocketAddr,
        record: &tap::Record,
        proof: &mut story::Proof,
    ) -> Result<()> {
        story::alice_sends(&self.message);
        self.submit(submission, BOB.0)?;
        let attempted = follow(org, |event| matches!(event, Event::Attempted { outcome: Outcome::Delivered, .. }))?;
        let by = if let Event::Attempted { host, .. } = &attempted { host.as_str() } else { "" };
        proof.check("DNS led Alice's server to Bob's server", by.contains("mx.example.net"));
        follow(net, |event| matches!(event, Event::Filed { .. }))?;
        let talk = record.lock().unwrap_or_else(|e| e.into_inner()).clone();
        let encrypted = story::servers_talk(&talk, self.verbose);
        proof.check("the two servers talked over TLS", encrypted);
        Ok(())
    }

    /// Bob fetches over IMAP, and again over POP3.
    fn read(&self, net: &Engine, proof: &mut story::Proof) -> Result<()> {
        story::bob_reads();
        let (imap, pop3) = (listen(net, Service::Imap)?, listen(net, Service::Pop3)?);
        if self.verbose {
            println!("\n   Bob's mail program and mx.example.net, IMAP:");
        }
        let over_imap = self.inbox(imap, "mx.example.net", BOB)?;
        if self.verbose {
            println!("\n   Bob's mail program and mx.example.net, POP3:");
        }
        let over_pop3 = self.maildrop(pop3)?;
        let unchanged = over_imap.ends_with(&self.message);
        proof.check("Bob has the very bytes Alice sent, over IMAP and over POP3", unchanged && over_imap == over_pop3);
        let trace = over_imap.get(..over_imap.len().saturating_sub(self.message.len())).unwrap_or_default();
        let trace = String::from_utf8_lossy(trace);
        story::bob_has(&trace, &self.message);
        if self.own {
            proof.check("the server that called may send for example.org (SPF)", trace.contains("spf=pass"));
        } else {
            let checked = ["spf=pass", "dkim=pass", "dmarc=pass"].iter().all(|verdict| trace.contains(verdict));
            proof.check("the mail comes from example.org, unchanged (SPF, DKIM, DMARC)", checked);
        }
        if self.verbose {
            println!("\n   These fields as they stand in the mail:");
            trace.lines().for_each(|line| println!("      {line}"));
        }
        Ok(())
    }

    /// Alice writes to nobody, and is told.
    fn bounced(&self, org: &Engine, submission: SocketAddr, proof: &mut story::Proof) -> Result<()> {
        story::alice_errs();
        self.submit(submission, "nobody@example.net")?;
        follow(org, |event| matches!(event, Event::Attempted { outcome: Outcome::Failed, .. }))?;
        // The report was filed in the transaction that closed her mail: events tell of both afterwards.
        follow(org, |event| matches!(event, Event::Bounced { to, .. } if to == ALICE.0))?;
        let bounce = self.inbox(listen(org, Service::Imap)?, "mx.example.org", ALICE)?;
        let text = story::bounce(&bounce);
        proof.check("mail that could not be delivered came back, with the reason", text.contains("nobody@example.net"));
        Ok(())
    }

    /// What a mail program does to send.
    fn submit(&self, to: SocketAddr, recipient: &str) -> Result<()> {
        if self.verbose {
            println!("\n   Alice's mail program (C) and mx.example.org (S), SMTP submission:");
        }
        let mut smtp = Client::connect(to, self.verbose)?;
        smtp.expect("220")?;
        smtp.say("EHLO alices-laptop.example.org", "250")?;
        smtp.say("STARTTLS", "220")?;
        smtp.start_tls("mx.example.org")?;
        smtp.say("EHLO alices-laptop.example.org", "250")?;
        smtp.say_secret("AUTH PLAIN ", &client::plain(ALICE.0, ALICE.1), "235")?;
        smtp.say(&format!("MAIL FROM:<{}> BODY=8BITMIME", ALICE.0), "250")?;
        smtp.say(&format!("RCPT TO:<{recipient}>"), "250")?;
        smtp.say("DATA", "354")?;
        smtp.send_dotted(&self.message)?;
        smtp.expect("250")?;
        smtp.say("QUIT", "221")?;
        Ok(())
    }

    fn maildrop(&self, at: SocketAddr) -> Result<Vec<u8>> {
        let mut pop3 = Client::connect(at, self.verbose)?;
        pop3.expect("+OK")?;
        pop3.say("STLS", "+OK")?;
        pop3.start_tls("mx.example.net")?;
        pop3.say(&format!("USER {}", BOB.0), "+OK")?;
        pop3.say_secret("PASS ", BOB.1, "+OK")?;
        pop3.say("STAT", "+OK 1 ")?;
        pop3.say("RETR 1", "+OK")?;
        let message = pop3.read_dotted()?;
        pop3.say("QUIT", "+OK")?;
        Ok(message)
    }

    /// The first message of an account's INBOX.
    fn inbox(&self, at: SocketAddr, server: &str, (user, password): (&str, &str)) -> Result<Vec<u8>> {
        let mut imap = Client::connect(at, self.verbose)?;
        imap.expect("* OK")?;
        imap.say("a STARTTLS", "a OK")?;
        imap.start_tls(server)?;
        imap.say_secret(&format!("b LOGIN {user} "), &format!("\"{password}\""), "b OK")?;
        imap.say("c SELECT INBOX", "c OK")?;
        let message = imap.fetch("d FETCH 1 BODY.PEEK[]")?;
        imap.expect("d OK")?;
        imap.say("e LOGOUT", "e OK")?;
        Ok(message)
    }
}

/// An engine with a store of its own, as the mail server named `hostname`.
fn server(folder: &Path, hostname: &str) -> Result<Engine> {
    let engine = Engine::open(Config::new(folder.join(hostname)))?;
    engine.set("hostname", Value::Text(hostname.to_owned()))?;
    Ok(engine)
}

fn start(engine: &Engine, dns: SocketAddr) -> Result<()> {
    engine.set("dns.server", Value::Text(dns.to_string()))?;
    smol::block_on(engine.start())?;
    Ok(())
}

fn listen(engine: &Engine, service: Service) -> Result<SocketAddr> {
    let (_, at) = smol::block_on(engine.listen(service, LOOPBACK))?;
    Ok(at)
}

/// Waits for an event of an engine.
fn follow(engine: &Engine, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
    loop {
        let next = async { Ok(engine.events().next().await) };
        let said = engine.wait(&Interrupt::default(), Some(WAIT), next)?.ok_or("the engine stopped")?;
        if let Event::Attempted { outcome: Outcome::Deferred, text, .. } = &said.event {
            return Err(format!("delivery has to wait: {text}").into());
        }
        if wanted(&said.event) {
            return Ok(said.event);
        }
    }
}
