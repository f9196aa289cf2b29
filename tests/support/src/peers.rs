//! Mail hosts that follow a script, on the simulated network.
//!
//! A script is one connection: `S:` what the host says (lines that leave together are parted by ` | `), `C:` what it
//! must be told, `C*` a message up to its dot,
//! `(tls)` a handshake, `(stall)` silence for ever, `(close)` the end. Hosts are given one script for each connection
//! they get, in order; they refuse further ones. Deviations are gathered and asserted at the end.
//!
//! A taker is a host without a script: it takes everything, but refuses recipients whose address says `nobody` (550) or
//! `later` (451), says `dsn` in EHLO where its name does, and answers the final dot of mail for `slow` after a minute.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::{BoxStream, Record};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::disk::lock;
use crate::world::{Host, Sim};

/// What hosts saw that was not in their scripts, and the messages they took.
#[derive(Clone, Default)]
pub struct Seen {
    pub deviations: Arc<Mutex<Vec<String>>>,
    pub messages: Arc<Mutex<Vec<String>>>,
    /// MAIL and RCPT commands takers were given.
    pub envelopes: Arc<Mutex<Vec<String>>>,
    /// Names of the hosts in the order they were connected to.
    pub connections: Arc<Mutex<Vec<String>>>,
    hosts: Arc<Mutex<Vec<Host>>>,
    left: Arc<Mutex<Vec<(String, usize)>>>,
}

impl Seen {
    /// A host of this name at this address with these scripts; its A record is added.
    pub fn host(&self, sim: &Sim, name: &'static str, ip: [u8; 4], port: u16, scripts: &[&str]) {
        sim.zone.add(name, Record::A(ip.into()));
        let host = sim.host(name, ip);
        let scripts: VecDeque<String> = scripts.iter().map(|s| (*s).to_owned()).collect();
        let world = host.world();
        let serve = serve(self.clone(), world.clone(), name, SocketAddr::new(IpAddr::from(ip), port), scripts);
        world.run.task("host", Box::pin(serve)).detach();
        lock(&self.hosts).push(host);
    }

    /// A host that takes mail.
    pub fn taker(&self, sim: &Sim, name: &'static str, ip: [u8; 4]) {
        sim.zone.add(name, Record::A(ip.into()));
        let host = sim.host(name, ip);
        let (world, seen) = (host.world(), self.clone());
        let serve = async move {
            let listener = world.network.listen(SocketAddr::new(IpAddr::from(ip), 25)).await.expect("listens");
            while let Ok((stream, _)) = listener.accept().await {
                lock(&seen.connections).push(name.to_owned());
                let (seen, inside) = (seen.clone(), world.clone());
                world.run.task("taker", Box::pin(async move { take(seen, inside, name, stream).await })).detach();
            }
        };
        host.world().run.task("host", Box::pin(serve)).detach();
        lock(&self.hosts).push(host);
    }

    /// Asserts that every script was followed to its end.
    pub fn check(&self) {
        let deviations = lock(&self.deviations);
        assert!(deviations.is_empty(), "{deviations:#?}");
        let left = lock(&self.left);
        assert!(left.iter().all(|(_, n)| *n == 0), "scripts not used: {left:?}");
    }

    fn deviation(&self, name: &str, text: String) {
        lock(&self.deviations).push(format!("{name}: {text}"));
    }
}

async fn serve(seen: Seen, world: World, name: &'static str, at: SocketAddr, mut scripts: VecDeque<String>) {
    let listener = world.network.listen(at).await.expect("listens");
    lock(&seen.left).push((name.to_owned(), scripts.len()));
    while let Some(script) = scripts.pop_front() {
        let Ok((stream, _)) = listener.accept().await else { return };
        lock(&seen.connections).push(name.to_owned());
        for (host, n) in lock(&seen.left).iter_mut() {
            *n -= usize::from(host == name);
        }
        let (seen, inside) = (seen.clone(), world.clone());
        world.run.task("script", Box::pin(async move { follow(seen, inside, name, stream, script).await })).detach();
    }
}

async fn follow(seen: Seen, world: World, name: &'static str, mut stream: BoxStream, script: String) {
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(says) = line.strip_prefix("S: ") {
            if stream.write_all(format!("{}\r\n", says.replace(" | ", "\r\n")).as_bytes()).await.is_err() {
                return seen.deviation(name, format!("gone before {line}"));
            }
        } else if let Some(wanted) = line.strip_prefix("C: ") {
            match read_line(&mut stream).await {
                Some(said) if said == wanted => {}
                said => return seen.deviation(name, format!("{said:?} instead of {wanted:?}")),
            }
        } else if line == "C*" {
            let mut message = String::new();
            loop {
                match read_line(&mut stream).await {
                    Some(dot) if dot == "." => break,
                    Some(text) => message.push_str(&format!("{text}\n")),
                    None => return seen.deviation(name, "gone within a message".to_owned()),
                }
            }
            lock(&seen.messages).push(message);
        } else {
            match line {
                "(tls)" => match world.tls.accept(stream).await {
                    Ok((secured, _)) => stream = secured,
                    // Whether that was wanted shows in the outcome.
                    Err(_) => return,
                },
                "(stall)" => world.clock.sleep_until(world.clock.now() + Duration::from_secs(1_000_000)).await,
                "(close)" => return,
                _ => seen.deviation(name, format!("no such direction: {line}")),
            }
        }
    }
    // The script is over: whatever the client says now is one thing too many.
    if let Some(more) = read_line(&mut stream).await {
        seen.deviation(name, format!("{more:?} after the end of the script"));
    }
}

async fn take(seen: Seen, world: World, name: &'static str, mut stream: BoxStream) {
    let _ = stream.write_all(format!("220 {name}\r\n").as_bytes()).await;
    let mut slow = false;
    while let Some(line) = read_line(&mut stream).await {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        if matches!(verb.as_str(), "MAIL" | "RCPT") {
            lock(&seen.envelopes).push(line.clone());
            slow |= line.contains("slow");
        }
        let reply = match verb.as_str() {
            "EHLO" if name.contains("dsn") => "250-hello\r\n250-DSN\r\n250 PIPELINING",
            "EHLO" => "250-hello\r\n250 PIPELINING",
            "RCPT" if line.contains("nobody") => "550 5.1.1 no such user",
            "RCPT" if line.contains("later") => "451 4.2.0 later",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 2.0.0 ok",
        };
        if stream.write_all(format!("{reply}\r\n").as_bytes()).await.is_err() || verb == "QUIT" {
            return;
        }
        if verb == "DATA" {
            let mut message = String::new();
            loop {
                match read_line(&mut stream).await {
                    Some(dot) if dot == "." => break,
                    Some(text) => message.push_str(&format!("{text}\n")),
                    None => return,
                }
            }
            lock(&seen.messages).push(message);
            if std::mem::take(&mut slow) {
                world.clock.sleep_until(world.clock.now() + Duration::from_secs(60)).await;
            }
            let _ = stream.write_all(b"250 2.0.0 kept\r\n").await;
        }
    }
}

async fn read_line(stream: &mut BoxStream) -> Option<String> {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\r\n") {
        if stream.read(&mut octet).await.ok()? == 0 {
            return None;
        }
        line.push(octet[0]);
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8_lossy(&line).into_owned())
}
