//! Many at once, too late, never, or wrongly: no mail is lost, and nobody waits in vain.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use mailcore::base::event::Event;
use mailcore::base::{ErrorKind, Secret, Service};
use mailcore::engine::{Hook, Hooks, Interrupt, Phase};
use mailcore::intake::hook::{Decision, Point, Refusal};

use crate::decisions::by_subject;
use crate::test_engine::{LATE, TestEngine, address, calling, on_message, subject, to_bob};
use crate::wire::Wire;

#[test]
fn answers_come_late_twice_or_for_nothing() {
    let test = TestEngine::new(on_message(Hook::Event), &[]);
    let mx = test.listen(Service::Mx);
    let mut wire = to_bob(mx, "x");
    let (id, _) = test.next_request();
    let redirected = smol::block_on(test.engine.reply(id, Decision::Redirect(address("nobody@example.net"))));
    assert_eq!(redirected.unwrap_err().kind(), ErrorKind::NotFound);
    for unknown in [0, id + 1, u64::MAX] {
        assert_eq!(
            smol::block_on(test.engine.reply(unknown, Decision::Accept)).unwrap_err().kind(),
            ErrorKind::NotFound
        );
        assert_eq!(test.engine.request(unknown).unwrap_err().kind(), ErrorKind::NotFound);
    }
    test.engine.clock_advance(LATE).unwrap();
    wire.expect("451 4.3.0 Local trouble, try again later");
    assert_eq!(test.next_failure(), "no answer within 10000 ms");
    assert_eq!(smol::block_on(test.engine.reply(id, Decision::Accept)).unwrap_err().kind(), ErrorKind::State);
    assert_eq!(test.kept("bob@example.net"), (0, 0));
    let mut wire = to_bob(mx, "y");
    let (id, _) = test.next_request();
    smol::block_on(test.engine.reply(id, Decision::Policy)).unwrap();
    wire.expect("250");
    assert_eq!(test.engine.request(id).unwrap_err().kind(), ErrorKind::State);
    // Nobody pulls it: it is taken back with its session's patience.
    let mut wire = to_bob(mx, "z");
    while test.engine.request(id + 1).is_err() {
        thread::yield_now();
    }
    test.engine.clock_advance(LATE).unwrap();
    wire.expect("451");
    assert_eq!(test.engine.events().try_next_request(), (None, false));
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
        let test = TestEngine::new(on_message(hook), &[]);
        let mut wire = to_bob(test.listen(Service::Mx), "x");
        let id = if is_event { test.next_request().0 } else { inside.recv().map(|()| 1).unwrap() };
        smol::block_on(test.engine.stop(Duration::from_secs(20))).unwrap();
        wire.expect("451 4.3.2 Service going down, try again");
        wire.expect("421");
        assert_eq!(smol::block_on(test.engine.reply(id, Decision::Accept)).unwrap_err().kind(), ErrorKind::State);
        assert_eq!(test.kept("bob@example.net"), (0, 0));
        // The function returns to nobody.
        let _ = go.send(());
    }
}

#[test]
fn a_hundred_sessions_ask_at_once_and_none_is_dropped() {
    let test = TestEngine::new(on_message(Hook::Event), &[]);
    let mx = test.listen(Service::Mx);
    // The queue is full before the first of them asks.
    for _ in 0..40 {
        smol::block_on(test.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    }
    let wires: Vec<Wire> = (0..100).map(|n| to_bob(mx, &format!("n{n}"))).collect();
    let mut waiting: Vec<(u64, String)> = Vec::new();
    for _ in 0..100 {
        let (id, question) = test.next_request();
        waiting.push((id, subject(&question)));
    }
    for (id, subject) in waiting.into_iter().rev() {
        let refusal = Refusal::new(550, None, &format!("not {subject}")).unwrap();
        smol::block_on(test.engine.reply(id, Decision::Refuse(refusal))).unwrap();
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
    let test = TestEngine::new(on_message(hook), &[("hook.threads", "3")]);
    let mx = test.listen(Service::Mx);
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
    let test = TestEngine::new(on_message(hook), &[]);
    let mx = test.listen(Service::Mx);
    for (subject, why) in [
        ("panic", "the host's function panicked"),
        ("fail", "I cannot say"),
        ("redirect nowhere", "no such user: nobody@example.net"),
    ] {
        to_bob(mx, subject).expect("451 4.3.0 Local trouble, try again later");
        assert_eq!(test.next_failure(), why);
    }
    assert_eq!(test.engine.phase(), Phase::Running);
    to_bob(mx, "policy").expect("250");
    assert_eq!(test.kept("bob@example.net"), (1, 0));
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
    let test = TestEngine::new(on_message(hook), &[("hook.threads", "1")]);
    let mx = test.listen(Service::Mx);
    let mut first = to_bob(mx, "first");
    assert_eq!(inside.recv().unwrap(), "first");
    let mut second = to_bob(mx, "second");
    // Everything else goes on: a login, which is computed, and mail of the host's own.
    test.engine
        .wait(&Interrupt::default(), None, test.engine.account_check("bob@example.net", &Secret::new("secret")))
        .unwrap();
    smol::block_on(test.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    let mut imap = Wire::connect(test.listen(Service::Imap));
    imap.expect("* OK");
    imap.tagged("a LOGIN bob@example.net secret");
    test.engine.clock_advance(LATE).unwrap();
    first.expect("451");
    second.expect("451");
    go.send(()).unwrap();
    // The second one's turn never came; a third is asked about as if nothing had been.
    let mut third = to_bob(mx, "third");
    assert_eq!(inside.recv().unwrap(), "third");
    go.send(()).unwrap();
    third.expect("250");
    assert_eq!(test.kept("bob@example.net"), (0, 1));
}

#[test]
fn answers_race_with_the_clock_and_the_end() {
    let both =
        Hooks::default().with(Point::Recipient, calling(|_| Ok(Decision::Policy))).with(Point::Message, Hook::Event);
    let test = TestEngine::new(both, &[("hook.timeout_ms", "1")]);
    let mx = test.listen(Service::Mx);
    let heard = Arc::new(AtomicUsize::new(0));
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let (wire, heard) = (Wire::connect(mx), Arc::clone(&heard));
            thread::spawn(move || talk_on(wire, &heard))
        })
        .collect();
    let answering: Vec<_> = (0..2)
        .map(|_| {
            let engine = test.engine.clone();
            thread::spawn(move || {
                while let Some(said) = smol::block_on(engine.events().next_request()) {
                    let Event::Request { id, .. } = said.event else { panic!("{said:?}") };
                    match smol::block_on(engine.reply(id, Decision::Junk)) {
                        Ok(()) => {}
                        Err(e) => assert_eq!(e.kind(), ErrorKind::State),
                    }
                }
            })
        })
        .collect();
    // Too many errors end a session early.
    while heard.load(Ordering::Relaxed) < 500 && !peers.iter().all(thread::JoinHandle::is_finished) {
        test.engine.clock_advance(Duration::from_millis(1)).unwrap();
        thread::yield_now();
    }
    smol::block_on(test.engine.stop(Duration::from_secs(20))).unwrap();
    let taken: u32 = peers.into_iter().map(|peer| peer.join().unwrap()).sum();
    let account = smol::block_on(test.engine.account("bob@example.net")).unwrap().id;
    assert_eq!(smol::block_on(test.engine.mailbox(account, "Junk")).unwrap().total, taken);
    drop(test);
    answering.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Hands messages in until the engine stops; gives how many were taken. Every reply is one of those that can be.
fn talk_on(mut wire: Wire, heard: &AtomicUsize) -> u32 {
    let mut taken = 0;
    let commands =
        ["EHLO x", "MAIL FROM:<>", "RCPT TO:<bob@example.net>", "DATA", "From: a@b\r\nSubject: x\r\n\r\n.", "RSET"];
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
