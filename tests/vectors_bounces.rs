//! Bounces, notices of delay, receipts and complaints in the forms of many mail systems, and what is read of each:
//! `tests/vectors/bounces`. The vectors are written after the formats of these systems; no real mail stands in them.
//! With MAILCORE_WRITE_EXPECT=1 the expectations are written anew, to be looked at.

#![allow(clippy::disallowed_methods, reason = "a test reads its vectors")]

#[macro_use]
extern crate mailcore_watchdog;

use std::fs;
use std::path::PathBuf;

use mailcore::dsn::remote::{RemoteMail, Told, classify, read, verp};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/bounces")
}

/// What is read, a line for each recipient.
fn told(mail: &RemoteMail) -> String {
    if mail.statuses.is_empty() {
        return "nothing\n".to_owned();
    }
    let of = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
    let verp = mail.to.iter().find_map(|to| verp(to));
    let head = format!("{} {} {} {}\n", mail.reporter, of(&mail.message_id), of(&mail.envelope_id), of(&verp));
    let line = |status: &mailcore::dsn::remote::RemoteStatus| {
        let is_trouble = matches!(status.told, Told::Failed | Told::Delayed);
        let class = is_trouble.then(|| classify(status.status, status.code, &status.text));
        let class = class.map_or("-".to_owned(), |(class, rule)| format!("{} by {rule}", class.word()));
        let enhanced = status.status.map_or("-".to_owned(), |status| status.to_string());
        format!("{} <{}> {} {enhanced} {class}: {}\n", status.told.word(), status.recipient, status.code, status.text)
    };
    head + &mail.statuses.iter().map(line).collect::<String>()
}

#[test]
fn the_world_s_bounces_are_read() {
    let mut names: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    names.sort();
    assert!(names.len() >= 30, "{names:?}");
    for path in names {
        let mail = fs::read_to_string(&path).unwrap();
        // Line ends of either kind give the same.
        let found = told(&read(mail.replace('\n', "\r\n").as_bytes()));
        assert_eq!(told(&read(mail.as_bytes())), found, "{path:?}");
        let expect = path.with_extension("expect");
        if std::env::var_os("MAILCORE_WRITE_EXPECT").is_some() {
            fs::write(&expect, &found).unwrap();
        }
        assert_eq!(fs::read_to_string(&expect).unwrap(), found, "{path:?}");
    }
}

#[test]
fn no_mail_brings_the_reader_down() {
    for path in fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let mail = fs::read(&path).unwrap();
        for end in (0..mail.len()).step_by(7) {
            read(&mail[..end]);
            let mut torn = mail.clone();
            torn[end] = torn[end].wrapping_add(97);
            read(&torn);
        }
    }
}
