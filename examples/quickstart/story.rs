//! What the quickstart tells: every sentence that is printed, for somebody who does not know SMTP.

use std::net::SocketAddr;

use crate::Result;
use crate::tap::Said;

/// The records of both domains: name, type, data, and what each is for; empty where another line says so.
pub fn records(key: &str) -> [(&'static str, &'static str, &str, &'static str); 8] {
    [
        ("example.net", "MX", "10 mx.example.net.", "mail for example.net goes to mx.example.net"),
        ("mx.example.net", "A", "127.0.0.1", "mx.example.net has this address, and mx.example.org has one"),
        ("mx.example.org", "A", "127.0.0.1", ""),
        ("1.0.0.127.in-addr.arpa", "PTR", "mx.example.org.", "the name of the address that mx.example.org calls from"),
        ("example.org", "TXT", "v=spf1 a:mx.example.org -all", "SPF: only mx.example.org may send mail of example.org"),
        ("mx.example.org", "TXT", "v=spf1 a -all", ""),
        ("s1._domainkey.example.org", "TXT", key, "DKIM: the public key of example.org's signatures"),
        (
            "_dmarc.example.org",
            "TXT",
            "v=DMARC1; p=reject",
            "DMARC: refuse mail in the name of example.org that fails both",
        ),
    ]
}

/// Who is who.
pub fn who(dns: SocketAddr, key: &str) {
    println!("Two mail servers in this one program exchange a mail. Sockets, TLS, DNS packets and files are real.\n");
    println!(
        "   Alice, alice@example.org, has her mail at the server mx.example.org; Bob, bob@example.net, at mx.example.net."
    );
    println!("   The owners of the two domains publish in DNS (a DNS server on {dns} answers for them):");
    let told = records(key).into_iter().filter(|(.., what)| !what.is_empty());
    told.for_each(|(name, kind, _, what)| println!("      {name:26} {kind:4} {what}"));
}

/// The first step.
pub fn alice_sends(message: &[u8]) {
    println!(
        "\n1. Alice sends. Her mail program logs in at mx.example.org and hands over this mail for bob@example.net:"
    );
    show(message);
    println!("   The server answers 250, \"OK\": the mail is on disk, and will be delivered or come back to Alice.");
}

/// The second step, from what the tap heard; whether the talk was encrypted. The story leaves out the parameters of
/// commands, the lines of long replies and the greeting that is repeated under TLS; `verbose` shows all.
pub fn servers_talk(talk: &[Said], verbose: bool) -> bool {
    println!(
        "\n2. The servers talk (SMTP). mx.example.org finds Bob's server by the MX record, signs the mail, and calls:"
    );
    println!("      {:33} {:40} meaning", "mx.example.org says", "mx.example.net answers");
    let (mut command, mut encrypted) = (String::new(), false);
    for said in talk {
        match said {
            Said::Command(line) => command.clone_from(line),
            Said::Message(size) => command = format!("(the mail, {size} bytes)"),
            Said::Reply(_) if encrypted && command.starts_with("EHLO") => {}
            Said::Reply(lines) => {
                let brief = command.split_inclusive(' ').take(2).collect::<String>();
                let said = if command.starts_with("MAIL") { &brief } else { &command };
                println!("      {:33} {:40} {}", said, first(lines), meaning(&command));
            }
            Said::Tls(_) => encrypted = true,
        }
    }
    println!(
        "   The last 250 came when the mail was in Bob's mailbox, on disk. Alice's server need not keep the mail now."
    );
    if verbose {
        println!("\n   The same talk, whole (C: mx.example.org, S: mx.example.net):");
        talk.iter().for_each(whole);
    }
    encrypted
}

fn whole(said: &Said) {
    match said {
        Said::Command(line) => println!("      C: {line}"),
        Said::Reply(lines) => lines.iter().for_each(|line| println!("      S: {line}")),
        Said::Message(size) => println!("      C: ({size} bytes of mail)"),
        Said::Tls(version) => println!("      ({version} from here on)"),
    }
}

/// What a command is for.
fn meaning(command: &str) -> &'static str {
    const MEANINGS: [(&str, &str); 8] = [
        ("EHLO", "who is calling, and what the other can do"),
        ("STARTTLS", "from here on everything is encrypted"),
        ("MAIL", "whom to tell if delivery fails"),
        ("RCPT", "whom the mail is for"),
        ("DATA", "the mail comes next"),
        ("BDAT", "the mail comes next, so many bytes"),
        ("(the mail", "taken and filed for Bob"),
        ("QUIT", "goodbye"),
    ];
    MEANINGS.iter().find(|(verb, _)| command.starts_with(verb)).map_or("the server is ready", |(_, meaning)| meaning)
}

/// The first line of a reply.
fn first(lines: &[String]) -> String {
    let first = lines.first().map_or("", String::as_str);
    if lines.len() > 1 {
        format!("{} and {} lines more", first.replacen('-', " ", 1), lines.len() - 1)
    } else {
        first.to_owned()
    }
}

/// The third step.
pub fn bob_reads() {
    println!(
        "\n3. Bob reads. His mail program logs in at mx.example.net and fetches the mail, over IMAP and over POP3."
    );
}

/// What Bob gets: the fields written on the way with what they mean, and the mail below them.
pub fn bob_has(trace: &str, message: &[u8]) {
    println!("   Above the mail stand fields that the servers wrote, the last one first:");
    let unfolded = trace.replace("\r\n\t", " ").replace("\r\n ", " ");
    for field in unfolded.lines() {
        let (name, value) = field.split_once(':').unwrap_or((field, ""));
        let value = value.trim();
        match name {
            "Return-Path" => println!("      Return-Path: whom to tell if something goes wrong, {value}"),
            "Authentication-Results" => results(value),
            "Received" => received(value),
            "DKIM-Signature" => {
                println!("      DKIM-Signature: the signature of example.org")
            }
            _ => println!("      {field}"),
        }
    }
    show(message);
}

/// The verdicts of Authentication-Results, each with its meaning.
fn results(value: &str) {
    let mut parts = value.split(';').map(str::trim);
    println!("      Authentication-Results: the checks of {}:", parts.next().unwrap_or_default());
    for part in parts {
        let verdict = part.split(' ').next().unwrap_or_default();
        let about = match verdict.split('=').next().unwrap_or_default() {
            "iprev" => "the calling address has a name, and the name has that address",
            "spf" if part.contains("smtp.helo") => continue,
            "spf" => "the calling server may send for example.org",
            "dkim" => "the signature fits the mail and the key in DNS",
            "dmarc" => "SPF or DKIM passed for the domain that Bob sees in From",
            _ => continue,
        };
        let about = if verdict.ends_with("=pass") { about } else { "did not pass" };
        println!("         {verdict:12} {about}");
    }
}

fn received(value: &str) {
    let word = |after: &str| {
        let rest = value.split_once(after).map_or("", |(_, rest)| rest);
        rest.split([' ', ';']).next().unwrap_or_default()
    };
    let encrypted = if value.contains("TLSv1") { ", encrypted" } else { "" };
    println!("      Received: {} took the mail from {}{encrypted}", word("by "), word("from "));
}

/// The last step.
pub fn alice_errs() {
    println!(
        "\n4. Alice writes to nobody@example.net. Bob's server refuses that recipient, so Alice's server writes to her:"
    );
}

/// Shows the readable part of a bounce and gives it.
pub fn bounce(bounce: &[u8]) -> String {
    let parsed = mail_parser::MessageParser::default().parse(bounce);
    let text = parsed.and_then(|m| m.body_text(0).map(|text| text.into_owned())).unwrap_or_default();
    let told = |line: &&str| !line.trim().is_empty() && !["Subject:", "Accepted:"].iter().any(|f| line.starts_with(f));
    for line in text.lines().filter(told) {
        println!("      | {line}");
    }
    text
}

/// A mail as a mail program shows it: three fields and the text, 12 lines of it at most.
fn show(message: &[u8]) {
    let text = String::from_utf8_lossy(message);
    let (header, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let known = |line: &&str| ["From:", "To:", "Subject:"].iter().any(|name| line.starts_with(name));
    header.lines().filter(known).for_each(|line| println!("      | {line}"));
    body.lines().take(12).for_each(|line| println!("      | {line}"));
    if body.lines().count() > 12 {
        println!("      | ... ({} bytes in all)", message.len());
    }
}

/// What was checked, and whether it holds.
#[derive(Default)]
pub struct Proof {
    checked: Vec<(&'static str, bool)>,
}

impl Proof {
    pub fn check(&mut self, what: &'static str, holds: bool) {
        self.checked.push((what, holds));
    }

    /// Tells what was proved and what to do next; an error where something does not hold.
    pub fn tell(&self) -> Result<()> {
        println!("\nWhat was proved:");
        for (what, holds) in &self.checked {
            println!("   {} {what}", if *holds { "yes:" } else { "NO: " });
        }
        let failed = self.checked.iter().filter(|(_, holds)| !holds).count();
        if failed > 0 {
            return Err(format!("{failed} of {} checks failed", self.checked.len()).into());
        }
        println!("\nWhat to do next:");
        println!("   a message of your own:      sh examples/quickstart.sh FILE.eml   (-v shows every dialogue)");
        println!("   mail in your own program:   README.md, \"In C\", \"In Python\", \"In Go\"");
        println!("   a server for your domain:   docs/server.md");
        Ok(())
    }
}
