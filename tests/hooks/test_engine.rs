//! A mail system that asks its host, and those who bring it mail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::{Address, ErrorKind, Result, Secret, Service};
use mailcore::engine::hooks::Function;
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Hook, Hooks, Interrupt};
use mailcore::intake::hook::{Decision, Point, Question};
use mailcore::message::header;

use crate::wire::{self, Wire};

/// Longer than the host may think.
pub const LATE: Duration = Duration::from_secs(11);

/// An engine that serves example.net, where bob and carol are; it goes with its folder.
pub struct TestEngine {
    pub engine: Engine,
    _folder: wire::Scratch,
}

impl TestEngine {
    /// The clock stands still: only the test lets time pass.
    pub fn new(hooks: Hooks, settings: &[(&str, &str)]) -> TestEngine {
        let folder = wire::scratch("hooks");
        let mut config = Config::new(folder.path().join("store"));
        config.clock_by_host = true;
        config.events_max = 16;
        let engine = Engine::open(config).unwrap();
        let usual = [("hostname", "mx.example.net"), ("login.argon2_kib", "8"), ("dns.host_only", "1")];
        for (key, value) in usual.iter().chain(&[("login.allow_plaintext", "1")]).chain(settings) {
            engine.set(key, Value::Text((*value).to_owned())).unwrap();
        }
        engine.set_hooks(hooks).unwrap();
        for address in ["bob@example.net", "carol@example.net"] {
            smol::block_on(engine.account_put(address, Some(&Secret::new("secret")))).unwrap();
        }
        smol::block_on(engine.start()).unwrap();
        assert_eq!(engine.set_hooks(Hooks::default()).unwrap_err().kind(), ErrorKind::State);
        TestEngine { engine, _folder: folder }
    }

    pub fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    /// Messages in INBOX and in Junk.
    pub fn kept(&self, address: &str) -> (u32, u32) {
        let account = smol::block_on(self.engine.account(address)).unwrap().id;
        let total = |name: &str| smol::block_on(self.engine.mailbox(account, name)).unwrap().total;
        (total("INBOX"), total("Junk"))
    }

    /// The number and the question of the next request, other events passed over.
    pub fn next_request(&self) -> (u64, Arc<Question>) {
        loop {
            match self.next_event() {
                Event::Request { id, .. } => return (id, self.engine.request(id).unwrap()),
                _ => continue,
            }
        }
    }

    pub fn next_event(&self) -> Event {
        let next = async { Ok(self.engine.events().next().await) };
        self.engine.wait(&Interrupt::default(), Some(Duration::from_secs(60)), next).unwrap().unwrap().event
    }

    /// The reason the host was given for the next answer that failed.
    pub fn next_failure(&self) -> String {
        loop {
            if let Event::HookFailed { text, .. } = self.next_event() {
                return text;
            }
        }
    }
}

impl Drop for TestEngine {
    fn drop(&mut self) {
        let closed = self.engine.close();
        if !thread::panicking() {
            closed.unwrap();
        }
    }
}

/// Asked about messages only.
pub fn on_message(hook: Hook) -> Hooks {
    Hooks::default().with(Point::Message, hook)
}

/// Asked by a function.
pub fn calling(function: impl Fn(&Question) -> Result<Decision> + Send + Sync + 'static) -> Hook {
    let function: Function = Arc::new(function);
    Hook::Call(function)
}

/// Hands a message in up to its end; its reply is still to be read.
pub fn hand_in(to: SocketAddr, hello: &str, options: &str, recipients: &[&str], subject: &str) -> Wire {
    let mut wire = Wire::connect(to);
    wire.expect("220");
    wire.say(hello, "250");
    wire.say(&format!("MAIL FROM:<alice@far.example>{options}"), "250");
    for recipient in recipients {
        wire.say(&format!("RCPT TO:<{recipient}>"), "250");
    }
    wire.say("DATA", "354");
    let from = if subject.contains("From:") { "" } else { "From: a@far.example\r\n" };
    wire.send(format!("{from}Subject: {subject}\r\n\r\nbody\r\n.\r\n").as_bytes());
    wire
}

/// A message for bob.
pub fn to_bob(at: SocketAddr, subject: &str) -> Wire {
    hand_in(at, "EHLO client.far.example", "", &["bob@example.net"], subject)
}

/// A whole reply.
pub fn reply(wire: &mut Wire) -> Vec<String> {
    let mut lines = vec![wire.line().unwrap()];
    while lines.last().unwrap().as_bytes()[3] == b'-' {
        lines.push(wire.line().unwrap());
    }
    lines
}

/// What the message in question is about.
pub fn subject(question: &Question) -> String {
    let front = question.header().unwrap();
    let found = header::fields(&front).find(|field| field.is("Subject")).unwrap();
    String::from_utf8(found.value().into_owned()).unwrap()
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}
