//! The host's decisions about recipients and messages, over real sockets: by function and by event, and all that
//! goes wrong with either.

#![allow(clippy::disallowed_methods, reason = "a test talks to the engine as a foreign program would")]

mod wire;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::{Address, Enhanced, Error, ErrorKind, Result, Secret, Service};
use mailcore::engine::hooks::Function;
use mailcore::engine::keys::Value;
use mailcore::engine::{Config, Engine, Hook, Hooks, Interrupt, Phase};
use mailcore::intake::hook::{Decision, Point, Policy, Question, Refusal};
use mailcore::mailauth::dmarc::DmarcResult;
use mailcore::message::header;
use wire::Wire;

const LATE: Duration = Duration::from_secs(11);

/// An engine that serves example.net, where bob and carol are; it goes with its folder.
struct House {
    engine: Engine,
    _folder: wire::Scratch,
}

impl House {
    /// The clock stands still: only the test lets time pass.
    fn new(hooks: Hooks, settings: &[(&str, &str)]) -> House {
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
        House { engine, _folder: folder }
    }

    fn listen(&self, service: Service) -> SocketAddr {
        smol::block_on(self.engine.listen(service, wire::LOOPBACK)).unwrap().1
    }

    /// Messages in INBOX and in Junk.
    fn kept(&self, address: &str) -> (u32, u32) {
        let account = self.engine.account(address).unwrap().id;
        let total = |name: &str| smol::block_on(self.engine.mailbox(account, name)).unwrap().total;
        (total("INBOX"), total("Junk"))
    }

    /// The number and the question of the next request, other events passed over.
    fn next_request(&self) -> (u64, Arc<Question>) {
        loop {
            match self.next_event() {
                Event::Request { id, .. } => return (id, self.engine.request(id).unwrap()),
                _ => continue,
            }
        }
    }

    fn next_event(&self) -> Event {
        let next = async { Ok(self.engine.events().next().await) };
        self.engine.wait(&Interrupt::default(), Some(Duration::from_secs(60)), next).unwrap().unwrap().event
    }

    /// The reason the host was given for the next answer that failed.
    fn next_failure(&self) -> String {
        loop {
            if let Event::HookFailed { text, .. } = self.next_event() {
                return text;
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let closed = self.engine.close();
        if !thread::panicking() {
            closed.unwrap();
        }
    }
}

fn on_message(hook: Hook) -> Hooks {
    Hooks { message: Some(hook), recipient: None }
}

fn calling(function: impl Fn(&Question) -> Result<Decision> + Send + Sync + 'static) -> Hook {
    let function: Function = Arc::new(function);
    Hook::Call(function)
}

/// Hands a message in up to its end; its reply is still to be read.
fn hand_in(to: SocketAddr, hello: &str, options: &str, recipients: &[&str], subject: &str) -> Wire {
    let mut wire = Wire::connect(to);
    wire.expect("220");
    wire.say(hello, "250");
    wire.say(&format!("MAIL FROM:<alice@far.example>{options}"), "250");
    for recipient in recipients {
        wire.say(&format!("RCPT TO:<{recipient}>"), "250");
    }
    wire.say("DATA", "354");
    wire.send(format!("Subject: {subject}\r\n\r\nbody\r\n.\r\n").as_bytes());
    wire
}

fn to_bob(at: SocketAddr, subject: &str) -> Wire {
    hand_in(at, "EHLO client.far.example", "", &["bob@example.net"], subject)
}

/// A whole reply.
fn reply(wire: &mut Wire) -> Vec<String> {
    let mut lines = vec![wire.line().unwrap()];
    while lines.last().unwrap().as_bytes()[3] == b'-' {
        lines.push(wire.line().unwrap());
    }
    lines
}

fn subject(question: &Question) -> String {
    let front = question.header().unwrap();
    let found = header::fields(&front).find(|field| field.is("Subject")).unwrap();
    String::from_utf8(found.value().into_owned()).unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// Decides what the subject says.
fn by_subject(question: &Question) -> Result<Decision> {
    assert_eq!(question.policy, Policy::Accept);
    assert_eq!((question.client.service, question.point()), (Service::Mx, Point::Message));
    assert_eq!(question.client.hello, "client.far.example");
    assert_eq!(question.envelope.reverse_path, Some(address("alice@far.example")));
    assert!(question.peer().is_loopback() && question.size() > 20);
    Ok(match subject(question).as_str() {
        "accept" => Decision::Accept,
        "junk" => Decision::Junk,
        "reject" => {
            Decision::Refuse(Refusal::new(554, Some(Enhanced::new(5, 7, 27)), "No f\u{fc}r\nnow: zur\u{fc}ck")?)
        }
        "defer" => Decision::Refuse(Refusal::new(450, None, "")?),
        "redirect" => Decision::Redirect(address("carol@example.net")),
        "redirect far" => Decision::Redirect(address("dan@far.example")),
        "redirect nowhere" => Decision::Redirect(address("nobody@example.net")),
        "fail" => return Err(Error::new(ErrorKind::Invalid, "I cannot say")),
        _ => Decision::Policy,
    })
}

/// Both ways decide the same: what the peer hears, and where the mail is.
fn decisions_are_kept(house: &House) {
    let mx = house.listen(Service::Mx);
    for (subject, options, heard, bob, carol) in [
        ("policy", "", &["250 2.0.0 Ok: filed as "][..], (1, 0), (0, 0)),
        ("accept", "", &["250 2.0.0 Ok: filed as "], (2, 0), (0, 0)),
        ("junk", "", &["250 2.0.0 Ok: filed as "], (2, 1), (0, 0)),
        ("reject", "", &["554-5.7.27 No f?r", "554 5.7.27 now: zur?ck"], (2, 1), (0, 0)),
        ("reject", " SMTPUTF8", &["554-5.7.27 No f\u{fc}r", "554 5.7.27 now: zur\u{fc}ck"], (2, 1), (0, 0)),
        ("defer", "", &["450 4.7.1 Refused for now, try again later"], (2, 1), (0, 0)),
        ("redirect", "", &["250 2.0.0 Ok: filed as "], (2, 1), (1, 0)),
        ("redirect far", "", &["250 2.0.0 Ok: queued as "], (2, 1), (1, 0)),
    ] {
        let mut wire = hand_in(mx, "EHLO client.far.example", options, &["bob@example.net"], subject);
        let lines = reply(&mut wire);
        assert_eq!(lines.len(), heard.len(), "{lines:?}");
        for (line, beginning) in lines.iter().zip(heard) {
            assert!(line.starts_with(beginning), "{subject}: {line}");
        }
        // The session goes on.
        wire.say("NOOP", "250");
        assert_eq!((house.kept("bob@example.net"), house.kept("carol@example.net")), (bob, carol), "{subject}");
    }
}

#[test]
fn a_function_decides() {
    let house = House::new(on_message(calling(by_subject)), &[]);
    decisions_are_kept(&house);
}

#[test]
fn an_answer_to_an_event_decides() {
    let house = House::new(on_message(Hook::Event), &[]);
    let engine = house.engine.clone();
    let answering = thread::spawn(move || {
        while let Some(said) = smol::block_on(engine.events().next_request()) {
            let Event::Request { id, hook } = said.event else { panic!("{said:?}") };
            assert_eq!(hook, "data");
            engine.reply(id, by_subject(&engine.request(id).unwrap()).unwrap()).unwrap();
            assert_eq!(engine.reply(id, Decision::Accept).unwrap_err().kind(), ErrorKind::State);
        }
    });
    decisions_are_kept(&house);
    drop(house);
    answering.join().unwrap();
}

#[test]
fn answers_come_late_twice_or_for_nothing() {
    let house = House::new(on_message(Hook::Event), &[]);
    let mx = house.listen(Service::Mx);
    let mut wire = to_bob(mx, "x");
    let (id, _) = house.next_request();
    let redirected = house.engine.reply(id, Decision::Redirect(address("nobody@example.net")));
    assert_eq!(redirected.unwrap_err().kind(), ErrorKind::NotFound);
    for unknown in [0, id + 1, u64::MAX] {
        assert_eq!(house.engine.reply(unknown, Decision::Accept).unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(house.engine.request(unknown).unwrap_err().kind(), ErrorKind::NotFound);
    }
    house.engine.clock_advance(LATE).unwrap();
    wire.expect("451 4.3.0 Local trouble, try again later");
    assert_eq!(house.next_failure(), "no answer within 10000 ms");
    assert_eq!(house.engine.reply(id, Decision::Accept).unwrap_err().kind(), ErrorKind::State);
    assert_eq!(house.kept("bob@example.net"), (0, 0));
    let mut wire = to_bob(mx, "y");
    let (id, _) = house.next_request();
    house.engine.reply(id, Decision::Policy).unwrap();
    wire.expect("250");
    assert_eq!(house.engine.request(id).unwrap_err().kind(), ErrorKind::State);
    // Nobody pulls it: it is taken back with its session's patience.
    let mut wire = to_bob(mx, "z");
    while house.engine.request(id + 1).is_err() {
        thread::yield_now();
    }
    house.engine.clock_advance(LATE).unwrap();
    wire.expect("451");
    assert_eq!(house.engine.events().try_next_request(), (None, false));
}

#[test]
fn stopping_answers_everybody_who_waits() {
    let (entered, inside) = mpsc::sync_channel(1);
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let blocking = calling(move |_| {
        entered.send(()).unwrap();
        let _ = wait.lock().unwrap().recv();
        Ok(Decision::Accept)
    });
    for (hook, is_event) in [(blocking, false), (Hook::Event, true)] {
        let house = House::new(on_message(hook), &[]);
        let mut wire = to_bob(house.listen(Service::Mx), "x");
        let id = if is_event { house.next_request().0 } else { inside.recv().map(|()| 1).unwrap() };
        smol::block_on(house.engine.stop(Duration::from_secs(20))).unwrap();
        wire.expect("451 4.3.2 Service going down, try again");
        wire.expect("421");
        assert_eq!(house.engine.reply(id, Decision::Accept).unwrap_err().kind(), ErrorKind::State);
        assert_eq!(house.kept("bob@example.net"), (0, 0));
        // The function returns to nobody.
        let _ = go.send(());
    }
}

#[test]
fn a_hundred_sessions_ask_at_once_and_none_is_dropped() {
    let house = House::new(on_message(Hook::Event), &[]);
    let mx = house.listen(Service::Mx);
    // The queue is full before the first of them asks.
    for _ in 0..40 {
        smol::block_on(house.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    }
    let wires: Vec<Wire> = (0..100).map(|n| to_bob(mx, &format!("n{n}"))).collect();
    let mut waiting: Vec<(u64, String)> = Vec::new();
    for _ in 0..100 {
        let (id, question) = house.next_request();
        waiting.push((id, subject(&question)));
    }
    for (id, subject) in waiting.into_iter().rev() {
        let refusal = Refusal::new(550, None, &format!("not {subject}")).unwrap();
        house.engine.reply(id, Decision::Refuse(refusal)).unwrap();
    }
    for (n, mut wire) in wires.into_iter().enumerate() {
        wire.expect(&format!("550 5.7.1 not n{n}"));
    }
}

#[test]
fn a_hundred_sessions_share_the_hosts_threads() {
    let (inside, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (here, highest) = (Arc::clone(&inside), Arc::clone(&most));
    let hook = calling(move |question| {
        highest.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        assert_eq!(thread::current().name(), Some("mailcore-hook"));
        let refusal = Refusal::new(550, None, &format!("not {}", subject(question)));
        here.fetch_sub(1, Ordering::SeqCst);
        Ok(Decision::Refuse(refusal?))
    });
    let house = House::new(on_message(hook), &[("hook.threads", "3")]);
    let mx = house.listen(Service::Mx);
    let wires: Vec<Wire> = (0..100).map(|n| to_bob(mx, &format!("n{n}"))).collect();
    for (n, mut wire) in wires.into_iter().enumerate() {
        wire.expect(&format!("550 5.7.1 not n{n}"));
    }
    assert!((1..=3).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[test]
fn trouble_of_the_hosts_costs_no_mail() {
    let hook = calling(|question| match subject(question).as_str() {
        "panic" => panic!("the host's own"),
        _ => by_subject(question),
    });
    let house = House::new(on_message(hook), &[]);
    let mx = house.listen(Service::Mx);
    for (subject, why) in [
        ("panic", "the host's function panicked"),
        ("fail", "I cannot say"),
        ("redirect nowhere", "no such user: nobody@example.net"),
    ] {
        to_bob(mx, subject).expect("451 4.3.0 Local trouble, try again later");
        assert_eq!(house.next_failure(), why);
    }
    assert_eq!(house.engine.phase(), Phase::Running);
    to_bob(mx, "policy").expect("250");
    assert_eq!(house.kept("bob@example.net"), (1, 0));
}

#[test]
fn a_function_that_blocks_holds_nobody_else_up() {
    let (go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (entered, inside) = mpsc::sync_channel(2);
    let hook = calling(move |question| {
        entered.send(subject(question)).unwrap();
        let _ = wait.lock().unwrap().recv();
        Ok(Decision::Junk)
    });
    let house = House::new(on_message(hook), &[("hook.threads", "1")]);
    let mx = house.listen(Service::Mx);
    let mut first = to_bob(mx, "first");
    assert_eq!(inside.recv().unwrap(), "first");
    let mut second = to_bob(mx, "second");
    // Everything else goes on: a login, which is computed, and mail of the host's own.
    house
        .engine
        .wait(&Interrupt::default(), None, house.engine.account_check("bob@example.net", &Secret::new("secret")))
        .unwrap();
    smol::block_on(house.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    let mut imap = Wire::connect(house.listen(Service::Imap));
    imap.expect("* OK");
    imap.tagged("a LOGIN bob@example.net secret");
    house.engine.clock_advance(LATE).unwrap();
    first.expect("451");
    second.expect("451");
    go.send(()).unwrap();
    // The second one's turn never came; a third is asked about as if nothing had been.
    let mut third = to_bob(mx, "third");
    assert_eq!(inside.recv().unwrap(), "third");
    go.send(()).unwrap();
    third.expect("250");
    assert_eq!(house.kept("bob@example.net"), (0, 1));
}

#[test]
fn recipients_are_asked_about_one_by_one() {
    let by_address = |question: &Question| {
        let [recipient] = question.envelope.recipients.as_slice() else { panic!("{question:?}") };
        assert_eq!((question.point(), question.size()), (Point::Recipient, 99));
        assert_eq!(question.envelope.reverse_path, Some(address("alice@far.example")));
        Ok(match recipient.address.local() {
            "bob" => Decision::Policy,
            "bob+later" => Decision::Refuse(Refusal::new(450, Some(Enhanced::new(4, 7, 0)), "Grey")?),
            "bob+junk" => Decision::Junk,
            _ => Decision::Refuse(Refusal::new(550, None, "")?),
        })
    };
    let house = House::new(Hooks { recipient: Some(calling(by_address)), message: None }, &[]);
    let mut wire = Wire::connect(house.listen(Service::Mx));
    wire.expect("220");
    wire.say("EHLO client.far.example", "250");
    wire.say("MAIL FROM:<alice@far.example> SIZE=99", "250");
    wire.say("RCPT TO:<nobody@example.net>", "550 5.1.1");
    wire.say("RCPT TO:<carol@example.net>", "550 5.7.1 Refused");
    wire.say("RCPT TO:<bob+later@example.net>", "450 4.7.0 Grey");
    wire.say("RCPT TO:<bob+junk@example.net>", "451 4.3.0");
    assert_eq!(house.next_failure(), "a recipient can be accepted or refused, nothing else");
    wire.say("RCPT TO:<bob@example.net>", "250");
    wire.say("DATA", "354");
    wire.send(b"\r\n.\r\n");
    wire.expect("250");
    assert_eq!(house.kept("bob@example.net"), (1, 0));
}

#[test]
fn lmtp_hears_an_answer_for_each_recipient() {
    let hook = calling(|question| {
        assert_eq!(question.client.service, Service::Lmtp);
        Ok(match subject(question).as_str() {
            "junk" => Decision::Junk,
            "redirect" => Decision::Redirect(address("carol@example.net")),
            _ => Decision::Refuse(Refusal::new(550, None, "none of you")?),
        })
    });
    let house = House::new(on_message(hook), &[]);
    let lmtp = house.listen(Service::Lmtp);
    let both = ["bob@example.net", "carol@example.net"];
    for (subject, heard, bob, carol) in [
        ("no", "550 5.7.1 none of you", (0, 0), (0, 0)),
        ("junk", "250", (0, 1), (0, 1)),
        ("redirect", "250", (0, 1), (1, 1)),
    ] {
        let mut wire = hand_in(lmtp, "LHLO client.far.example", "", &both, subject);
        wire.expect(heard);
        wire.expect(heard);
        wire.say("NOOP", "250");
        assert_eq!((house.kept(both[0]), house.kept(both[1])), (bob, carol), "{subject}");
    }
}

#[test]
fn submissions_are_asked_about_with_their_account() {
    let hook = calling(|question| {
        assert_eq!(question.client.service, Service::Submission);
        let account = question.client.account.as_ref().map(|account| account.address.to_string());
        assert_eq!(account.as_deref(), Some("bob@example.net"));
        Ok(Decision::Refuse(Refusal::new(550, None, &subject(question))?))
    });
    let house = House::new(on_message(hook), &[]);
    let mut wire = Wire::connect(house.listen(Service::Submission));
    wire.expect("220");
    wire.say("EHLO laptop", "250");
    wire.say(&format!("AUTH PLAIN {}", wire::plain("bob@example.net", "secret")), "235");
    wire.say("MAIL FROM:<bob@example.net>", "250");
    wire.say("RCPT TO:<dan@far.example>", "250");
    wire.say("DATA", "354");
    wire.send(b"Subject: virus\r\n\r\n.\r\n");
    wire.expect("550 5.7.1 virus");
    // What the host submits itself it is not asked about.
    smol::block_on(house.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    assert_eq!(house.kept("carol@example.net"), (1, 0));
}

#[test]
fn the_host_sees_the_verdicts_and_outweighs_them() {
    let hook = calling(|question| {
        let verdicts = question.verdicts.as_ref().unwrap();
        assert_eq!((verdicts.dmarc.result, verdicts.from_domain.as_str()), (DmarcResult::Fail, "strict.example"));
        let Policy::Reject(reply) = &question.policy else { panic!("{:?}", question.policy) };
        assert_eq!(reply.code, 550);
        Ok(match subject(question).as_str() {
            "accept" => Decision::Accept,
            "junk" => Decision::Junk,
            _ => Decision::Policy,
        })
    });
    let house = House::new(on_message(hook), &[]);
    house.engine.dns_set(Some("_dmarc.strict.example"), Some("TXT"), Some("\"v=DMARC1; p=reject\""), 300).unwrap();
    let mx = house.listen(Service::Mx);
    let from = "\r\nFrom: boss@strict.example";
    to_bob(mx, &format!("policy{from}")).expect("550 5.7.26 ");
    assert_eq!(house.kept("bob@example.net"), (0, 0));
    to_bob(mx, &format!("junk{from}")).expect("250");
    assert_eq!(house.kept("bob@example.net"), (0, 1));
    to_bob(mx, &format!("accept{from}")).expect("250");
    assert_eq!(house.kept("bob@example.net"), (1, 1));
}

#[test]
fn answers_race_with_the_clock_and_the_end() {
    let both = Hooks { recipient: Some(calling(|_| Ok(Decision::Policy))), message: Some(Hook::Event) };
    let house = House::new(both, &[("hook.timeout_ms", "1")]);
    let mx = house.listen(Service::Mx);
    let heard = Arc::new(AtomicUsize::new(0));
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let (wire, heard) = (Wire::connect(mx), Arc::clone(&heard));
            thread::spawn(move || talk_on(wire, &heard))
        })
        .collect();
    let answering: Vec<_> = (0..2)
        .map(|_| {
            let engine = house.engine.clone();
            thread::spawn(move || {
                while let Some(said) = smol::block_on(engine.events().next_request()) {
                    let Event::Request { id, .. } = said.event else { panic!("{said:?}") };
                    match engine.reply(id, Decision::Junk) {
                        Ok(()) => {}
                        Err(e) => assert_eq!(e.kind(), ErrorKind::State),
                    }
                }
            })
        })
        .collect();
    // Too many errors end a session early.
    while heard.load(Ordering::Relaxed) < 500 && !peers.iter().all(thread::JoinHandle::is_finished) {
        house.engine.clock_advance(Duration::from_millis(1)).unwrap();
        thread::yield_now();
    }
    smol::block_on(house.engine.stop(Duration::from_secs(20))).unwrap();
    let taken: u32 = peers.into_iter().map(|peer| peer.join().unwrap()).sum();
    let account = house.engine.account("bob@example.net").unwrap().id;
    assert_eq!(smol::block_on(house.engine.mailbox(account, "Junk")).unwrap().total, taken);
    drop(house);
    answering.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Hands messages in until the engine stops; gives how many were taken. Every reply is one of those that can be.
fn talk_on(mut wire: Wire, heard: &AtomicUsize) -> u32 {
    let mut taken = 0;
    let commands = ["EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.net>", "DATA", "Subject: x\r\n\r\n.", "RSET"];
    let mut next = commands.into_iter().cycle();
    let mut said = "";
    while let Some(line) = wire.line() {
        match (line.get(..3).unwrap_or_default(), line.as_bytes().get(3)) {
            (_, Some(b'-')) => continue,
            ("421", _) => break,
            ("220" | "250" | "354" | "451" | "503" | "554" | "500", _) => {}
            _ => panic!("{line}"),
        }
        heard.fetch_add(1, Ordering::Relaxed);
        taken += u32::from(line.starts_with("250 2.0.0 Ok: filed"));
        // Without its 354 a body would be commands, whose replies nobody has read when the end comes.
        if said == "DATA" && !line.starts_with("354") {
            next.next();
        }
        said = next.next().unwrap();
        if !wire.try_send(format!("{said}\r\n").as_bytes()) {
            break;
        }
    }
    taken
}
