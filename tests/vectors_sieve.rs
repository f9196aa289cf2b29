//! Sieve scripts of tests/sieve, run with its messages: what they come to is what tests/sieve/expected says, which was
//! compared with Pigeonhole's sieve-test (tests/sieve/oracle.py).

#![allow(clippy::disallowed_methods, reason = "vectors are files")]

#[macro_use]
extern crate mailcore_watchdog;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailcore::base::{Address, Timestamp};
use mailcore::sieve::{Answer, Deed, Ended, Facts, Mail, Outcome, Question, Script, compile, run};

struct Message {
    name: String,
    from: Option<Address>,
    to: Address,
    octets: Vec<u8>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sieve").join(name)
}

fn files(name: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

fn message(path: &Path) -> Message {
    let text = fs::read_to_string(path).unwrap();
    let (envelope, message) = text.split_once('\n').unwrap();
    let (from, to) = envelope.split_once(' ').unwrap();
    let octets = message.replace('\n', "\r\n").into_bytes();
    Message { name: stem(path), from: Address::parse(from).ok(), to: Address::parse(to).unwrap(), octets }
}

/// Runs to the end: there is no mailbox but INBOX, no other script, and nothing was seen before.
fn outcome(script: &[u8], message: &Message) -> Result<Outcome, String> {
    let program = compile(script).map_err(|fault| format!("wrong: {}", fault.at))?;
    let own = [Address::parse("bob@example.org").unwrap()];
    let mail = Mail {
        octets: &message.octets,
        size: message.octets.len() as u64,
        from: message.from.as_ref(),
        to: Some(&message.to),
        login: None,
        own: &own,
        separator: Some('+'),
        now: Timestamp::from_civil(2026, 11, 28, 12, 0, 0),
        host: "mx.example.org",
        client: None,
        spam: None,
        random: [0; 16],
    };
    let scripts = [Script { name: Arc::from("script"), program: Arc::new(program) }];
    let mut facts = Facts::new();
    loop {
        match run(&scripts, &mail, &facts, false) {
            Ended::Done(outcome) => return Ok(outcome),
            Ended::Asks(question) => {
                let answer = match &question {
                    Question::Script { .. } => Answer::Script(None),
                    Question::Metadata { .. } => Answer::Value(None),
                    Question::Mailbox(name) => Answer::Is(name == "INBOX"),
                    Question::SpecialUse { .. } | Question::Seen(_) => Answer::Is(false),
                };
                facts.insert(question, answer);
            }
        }
    }
}

/// As the oracle writes it.
fn words(outcome: Result<Outcome, String>) -> String {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(wrong) => return wrong,
    };
    let mut lines = BTreeSet::new();
    for done in &outcome.done {
        lines.insert(match &done.deed {
            Deed::File { mailbox, flags, .. } => {
                let mut flags: Vec<String> = flags.iter().map(|flag| flag.to_lowercase()).collect();
                flags.sort();
                let flags = if flags.is_empty() { String::new() } else { format!(" [{}]", flags.join(" ")) };
                format!("file {}{flags}", mailbox.as_deref().unwrap_or("INBOX"))
            }
            Deed::Redirect(to) => format!("redirect {}", to.to_string().to_lowercase()),
            Deed::Reject { reason, .. } => format!("reject {}", reason.trim()),
            Deed::Reply(reply) => format!("vacation {}", reply.remember.seconds),
            Deed::Notify(_) => "notify".to_owned(),
        });
    }
    if outcome.fault.is_some() {
        lines.insert("failed".to_owned());
    }
    lines.into_iter().collect::<Vec<_>>().join(", ")
}

#[test]
fn scripts_do_what_is_expected() {
    let messages: Vec<Message> = files("messages").iter().map(|path| message(path)).collect();
    let scripts = files("scripts");
    assert!(scripts.len() > 200 && messages.len() >= 5);
    let mut wrong = Vec::new();
    for path in scripts {
        let script = fs::read(&path).unwrap();
        let expected = fs::read_to_string(folder("expected").join(format!("{}.txt", stem(&path)))).unwrap();
        let found = messages.iter().map(|message| {
            let said = words(outcome(&script, message));
            format!("{}: {said}\n", message.name)
        });
        let found: String = found.collect();
        if found != expected {
            wrong.push(format!("{}:\n{found}expected:\n{expected}", stem(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
