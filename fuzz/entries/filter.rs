//! Sieve scripts, and the commands that manage them.

use std::sync::Arc;

use mailcore::base::{Address, Timestamp};
use mailcore::managesieve::command::{Framed, Framer, parse};
use mailcore::sieve::{Answer, Ended, Facts, Mail, Question, Script, compile, run};

const MESSAGE: &[u8] = b"From: a@x.org\r\nTo: b@y.org\r\nSubject: [x] *hello* ?\r\nX: 1\r\nx: 2\r\n\
    Date: Sun, 22 Nov 2026 01:42:04 +0100\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\n\r\ntext\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>\r\n--b--\r\n";

/// A script that compiles comes to an end for a message, within its budget, whatever it is answered.
pub fn sieve(octets: &[u8]) {
    let Ok(program) = compile(octets) else { return };
    let scripts = [Script { name: Arc::from("x"), program: Arc::new(program) }];
    let (from, own) = (Address::parse("a@x.org").ok(), [Address::parse("b@y.org").expect("an address")]);
    let mail = Mail {
        octets: MESSAGE,
        size: MESSAGE.len() as u64,
        from: from.as_ref(),
        to: own.first(),
        login: None,
        own: &own,
        separator: Some('+'),
        now: Timestamp(0),
        host: "mx.example.net",
        client: None,
        spam: Some(0),
        random: [0; 16],
    };
    let mut facts = Facts::new();
    loop {
        match run(&scripts, &mail, &facts, true) {
            Ended::Done(outcome) => {
                assert!(outcome.fault.is_none() || outcome.done.len() == 1, "a fault keeps the message");
                return;
            }
            Ended::Asks(question) => {
                let answer = match &question {
                    Question::Script { .. } => Answer::Script(Some(Ok(Arc::clone(&scripts[0].program)))),
                    Question::Metadata { .. } => Answer::Value(Some("v".to_owned())),
                    _ => Answer::Is(octets.len().is_multiple_of(2)),
                };
                assert!(facts.insert(question, answer).is_none(), "asked twice");
            }
        }
    }
}

/// Commands come out the same in whatever pieces they came in.
pub fn managesieve_command(octets: &[u8]) {
    let frames = |step: usize| {
        let (mut framer, mut found) = (Framer::default(), Vec::new());
        for mut piece in octets.chunks(step) {
            while !piece.is_empty() {
                let (taken, framed) = framer.take(piece);
                piece = &piece[taken..];
                if framed == Framed::Broken {
                    return found;
                }
                if framed != Framed::More {
                    found.push(framed);
                }
            }
        }
        found
    };
    let whole = frames(octets.len().max(1));
    assert_eq!(whole, frames(1));
    for framed in whole {
        if let Framed::Command(line) = framed {
            let _ = parse(&line);
        }
    }
}
