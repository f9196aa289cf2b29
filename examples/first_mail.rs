//! The first mail of a program in Rust: filed for Bob, and read again. `cargo run --example first_mail [FOLDER]`
#![allow(clippy::disallowed_macros, reason = "a program that says what it did")]

use mailcore::{Engine, Service};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or("first.store".to_owned());
    let engine = Engine::open(folder, "mx.example.org")?;
    engine.put_account("bob@example.org", Some("builder"))?;
    engine.start()?;
    let imap = engine.listen(Service::Imap, "127.0.0.1:0".parse()?)?;
    let mail = "From: alice@example.com\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n";
    engine.send("alice@example.com", &["bob@example.org"], mail)?;
    for message in engine.messages("bob@example.org", "INBOX")? {
        print!("{}", String::from_utf8_lossy(&engine.read(&message)?));
    }
    println!("Bob has the mail; his mail program finds it at {imap}");
    engine.stop(Duration::from_secs(1))?;
    Ok(engine.close()?)
}
