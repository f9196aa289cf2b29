//! SMTP, submission and LMTP dialogues as text, against the session alone.

#[macro_use]
extern crate mailcore_watchdog;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mailcore::base::account::Credential;
use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::envelope::{BodyKind, Notify, Returns};
use mailcore::base::event::Refused;
use mailcore::base::settings::{Ends, PasswordCost};
use mailcore::base::terms::Terms;
use mailcore::base::{
    Account, AccountId, Address, Envelope, MailboxId, Mono, Recipient, Reply, Secret, Service, Timestamp,
};
use mailcore::sasl::credential;
use mailcore::smtp::server::{Answer, Ask, Client, Config, Manner, Session};
use mailcore_tests::dialog::{Fixture, play_folder, tls_info};
use mailcore_tests::transcript::{Head, Tested, shown};

const COST: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };

/// When all sessions begin.
const BEGUN: Timestamp = Timestamp(1_795_305_600_000);

/// example.net is ours: bob and carol have accounts (`secret`), full has no room, slow's mail cannot be kept now.
struct World {
    credential: Credential,
    pieces: Vec<u8>,
    say_commands: bool,
    refused: Vec<Refused>,
}

fn config(head: &Head) -> Config {
    let value = |key: &str| head.get(key);
    let service = match value("service") {
        Some("mx") => Service::Mx,
        Some("submission") => Service::Submission,
        Some("submissions") => Service::Submissions,
        Some("lmtp") => Service::Lmtp,
        other => panic!("service {other:?}"),
    };
    let ends = Ends { peer: "192.0.2.9:4000".parse().unwrap(), local: "192.0.2.1:25".parse().unwrap() };
    Config {
        service,
        hostname: "mx.example.net".to_owned(),
        ends,
        octets_max: value("octets_max").map_or(1_000, |n| n.parse().unwrap()),
        recipients_max: value("recipients_max").map_or(5, |n| n.parse().unwrap()),
        command_wait: Duration::from_secs(300),
        data_time: Duration::from_secs(value("data_time").map_or(10_000, |n| n.parse().unwrap())),
        data_rate_min: value("data_rate_min").map_or(100, |n| n.parse().unwrap()),
        start_tls: value("start_tls") != Some("no"),
        tls: service.implicit_tls().then(tls_info),
        plaintext_login: value("plaintext_login") == Some("yes"),
        repair_line_ends: value("repair_line_ends") == Some("yes"),
        seed: [7; 32],
        begun: BEGUN,
        hold_seconds_max: 60,
        no_soliciting: value("no_soliciting").map(str::to_owned),
        relays: value("relays") == Some("yes"),
        trusted: value("trusted") == Some("yes"),
        manner: Manner::default(),
    }
}

fn begin(head: &Head) -> (Session, World) {
    static MADE: OnceLock<Credential> = OnceLock::new();
    let make = || credential::make(&Secret::new("secret"), &[3; 32], COST).unwrap();
    let credential = MADE.get_or_init(make).clone();
    let say_commands = head.get("asks") == Some("all");
    (Session::new(config(head)), World { credential, pieces: Vec::new(), say_commands, refused: Vec::new() })
}

fn account(name: &str) -> Arc<Account> {
    let address = Address::parse(&format!("{name}@example.net")).unwrap();
    Arc::new(Account { id: AccountId(1), address, credential: None, inbox: MailboxId(1), quota_octets: None })
}

impl World {
    fn account(&self, user: &str) -> Option<Arc<Account>> {
        let name = user.strip_suffix("@example.net").unwrap_or(user);
        ["bob", "carol"].contains(&name).then(|| account(name))
    }

    fn sender(&self, client: &Client, envelope: &Envelope) -> Result<(), Reply> {
        match (&client.account, &envelope.reverse_path) {
            (Some(account), Some(address)) if account.address != *address => {
                Err(Reply::new(553, 7, 1, "Not your address"))
            }
            _ => Ok(()),
        }
    }

    fn recipient(&self, client: &Client, recipient: &Recipient) -> Result<(), Reply> {
        if recipient.address.domain().key() != "example.net" {
            return match client.account {
                Some(_) => Ok(()),
                None if recipient.address.local() == "postmaster" => Ok(()),
                None => Err(Reply::new(550, 7, 1, "Relay access denied")),
            };
        }
        match recipient.address.local() {
            "bob" | "carol" | "slow" | "jürgen" => Ok(()),
            "full" => Err(Reply::new(452, 2, 2, "Mailbox full")),
            _ => Err(Reply::new(550, 1, 1, "No such user")),
        }
    }

    fn accept(&mut self, client: &Client, envelope: &Envelope, last: &[u8], told: &mut Vec<String>) -> Vec<Reply> {
        self.pieces.extend_from_slice(last);
        let body = std::mem::take(&mut self.pieces);
        let text = if body.len() <= 200 { shown(&body) } else { format!("{} octets", body.len()) };
        told.push(format!("{} {}", described(client, envelope), text).trim_end().to_owned());
        let reply = |recipient: &Recipient| match recipient.address.local() {
            "slow" => Reply::new(451, 3, 0, "Try again later"),
            _ => Reply::new(250, 0, 0, "Ok"),
        };
        let mut replies: Vec<Reply> = envelope.recipients.iter().map(reply).collect();
        if client.service != Service::Lmtp {
            replies.truncate(1);
        }
        replies
    }
}

fn described(client: &Client, envelope: &Envelope) -> String {
    let path = envelope.reverse_path.as_ref().map_or(String::new(), Address::to_string);
    let mut text = format!("<{path}> ->");
    for recipient in &envelope.recipients {
        text += &format!(" <{}>", recipient.address);
        if let Some(original) = &recipient.original {
            text += &format!(" ORCPT={original}");
        }
        match recipient.notify {
            n if !n.explicit => {}
            Notify::NEVER => text += " NEVER",
            n => text += &format!(" NOTIFY={},{},{}", n.success, n.failure, n.delay),
        }
    }
    match envelope.body {
        BodyKind::SevenBit => {}
        BodyKind::EightBit => text += " 8BIT",
        BodyKind::Binary => text += " BINARY",
    }
    if envelope.smtputf8 {
        text += " UTF8";
    }
    match envelope.returns {
        None => {}
        Some(Returns::Full) => text += " FULL",
        Some(Returns::Headers) => text += " HDRS",
    }
    if let Some(id) = &envelope.envelope_id {
        text += &format!(" ENVID={id}");
    }
    let terms = &envelope.terms;
    if *terms != Terms::default() {
        text += &format!(" [{}]", terms.clone().fixed(BEGUN).written());
    }
    if let Some(hold) = terms.hold {
        text += &format!(" held until {}", hold.at(BEGUN).internet());
    }
    if let Some(account) = &client.account {
        text += &format!(" by {}", account.address);
    }
    if client.tls.is_some() {
        text += " TLS";
    }
    if client.ends.peer.ip().to_string() != "192.0.2.9" {
        text += &format!(" at {}", client.ends.peer);
    }
    if let Some(forwarded) = &client.forwarded {
        text += &format!(" for {:?}", forwarded.address);
    }
    format!("{text} from {}:", client.hello)
}

impl Fixture<Session> for World {
    fn answer(&mut self, ask: Ask, told: &mut Vec<String>) -> Answer {
        match ask {
            Ask::Connect(_) | Ask::Hello(_) | Ask::Data(..) => Answer::Verdict(Ok(())),
            Ask::Sender(client, envelope) => Answer::Verdict(self.sender(&client, &envelope)),
            Ask::Verify(..) => Answer::Replies(vec![Reply::new(252, 5, 0, "Send mail and see")]),
            Ask::Expand(..) => Answer::Replies(vec![Reply::new(502, 5, 1, "Lists are not told")]),
            Ask::Recipient(client, envelope) => {
                let [recipient] = &envelope.recipients[..] else {
                    panic!("one recipient is asked about: {envelope:?}")
                };
                Answer::Verdict(self.recipient(&client, recipient))
            }
            Ask::Login(user, password) => {
                let account = self.account(&user).filter(|_| password.expose() == b"secret");
                told.push(format!("login {user} {}", account.is_some()));
                Answer::Account(account)
            }
            Ask::Keys(user) => {
                let account = self.account(&user);
                let keys = self.credential.scram_sha_256.clone();
                Answer::Keys(if account.is_some() { keys } else { credential::decoy(&user, &[1; 32], COST) }, account)
            }
            Ask::Refused(refused) => {
                self.refused.extend(refused);
                Answer::Done
            }
            Ask::LoginEnded(user, ok) => {
                told.push(format!("login {user} {ok}"));
                Answer::Done
            }
            Ask::Piece(mut piece) => {
                if self.say_commands {
                    told.push(format!("piece of {}", piece.len()));
                }
                self.pieces.append(&mut piece);
                Answer::Buffer(piece)
            }
            Ask::Abandon => {
                self.pieces.clear();
                told.push("abandoned".to_owned());
                Answer::Done
            }
            Ask::Accept(client, envelope, last) => Answer::Replies(self.accept(&client, &envelope, &last, told)),
        }
    }
}

/// A generator that needs no seed file: the same numbers in every run.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Pieces that dialogues are made of, whole and broken.
const PIECES: [&[u8]; 46] = [
    b"EHLO c",
    b"HELO c",
    b"LHLO c",
    b"MAIL FROM:<a@b.example>",
    b"MAIL FROM:<bob@example.net>",
    b"MAIL FROM:<>",
    b"RCPT TO:<bob@example.net>",
    b"RCPT TO:<nobody@example.net>",
    b"DATA",
    b"BDAT 5",
    b"BDAT 3 LAST",
    b"BDAT 0 LAST",
    b"BDAT 18446744073709551615",
    b"RSET",
    b"NOOP",
    b"AUTH PLAIN",
    b"AUTH PLAIN AGJvYgBzZWNyZXQ=",
    b"AUTH LOGIN",
    b"AUTH SCRAM-SHA-256 biwsbj1ib2Iscj1hYmM=",
    b"STARTTLS",
    b"VRFY x",
    b"HELP",
    b"XCLIENT ADDR=192.0.2.77",
    b"XFORWARD NAME=x",
    b" BY=5;R",
    b" MT-PRIORITY=3",
    b" REQUIRETLS",
    b" HOLDFOR=5",
    b" SIZE=3",
    b" BODY=BINARYMIME",
    b" SMTPUTF8",
    b" NOTIFY=NEVER",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n.\r\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r",
    b"\n",
    b".",
    b"*\r\n",
    b"\xff\0",
    b"Ym9i\r\n",
    b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
];

/// Replies of 4yz and 5yz.
fn negative(output: &[u8]) -> usize {
    let lines = output.split(|c| *c == b'\n');
    lines.filter(|line| line.get(3) == Some(&b' ') && matches!(line.first(), Some(b'4' | b'5'))).count()
}

/// Failed logins, of which the host is told by who checks them.
fn failed_logins(told: &[String]) -> usize {
    told.iter().filter(|line| line.starts_with("login ") && line.ends_with(" false")).count()
}

/// 3000 dialogues of nonsense, in random pieces: every one ends or waits, in bounded memory, and nothing is
/// accepted that has no recipient. Every refusal is told to the host, or is a failed login, which is told too.
#[test]
fn nonsense_is_survived() {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for round in 0..3_000 {
        let service = ["mx", "submission", "submissions", "lmtp"][round % 4];
        let head = Head::from([
            ("service", service),
            ("plaintext_login", "yes"),
            ("trusted", if round % 5 == 0 { "yes" } else { "no" }),
            ("repair_line_ends", if round % 3 == 0 { "yes" } else { "no" }),
        ]);
        let (mut session, mut world) = begin(&head);
        let (mut input, mut output, mut told) = (Input::new(), Vec::new(), Vec::new());
        let mut refused = 0;
        'dialogue: for _ in 0..60 {
            let mut piece = Vec::new();
            for _ in 0..next(&mut state) % 6 {
                piece.extend_from_slice(PIECES[(next(&mut state) % PIECES.len() as u64) as usize]);
            }
            input.push(&piece);
            for steps in 0.. {
                assert!(steps < 1_000, "round {round} never waits");
                match session.step(Mono(1), &mut input, &mut output) {
                    Step::Read => break,
                    Step::Write => {
                        refused += negative(&output);
                        output.clear();
                    }
                    Step::Ask(ask) => {
                        if let Ask::Accept(_, envelope, _) = &ask {
                            assert!(!envelope.recipients.is_empty(), "round {round}");
                        }
                        session.answer(world.answer(ask, &mut told));
                    }
                    Step::StartTls if input.is_empty() => session.tls_started(tls_info()),
                    Step::StartTls | Step::Close => break 'dialogue,
                }
            }
            refused += negative(&output);
            assert_eq!(refused, world.refused.len() + failed_logins(&told), "round {round}: {:?}", world.refused);
            assert!(input.len() <= 13_000, "round {round} leaves {} octets", input.len());
            assert!(output.len() <= 300_000, "round {round}");
            for line in output.split_inclusive(|c| *c == b'\n') {
                assert!(line.ends_with(b"\r\n") && line[0].is_ascii_digit(), "{}", String::from_utf8_lossy(line));
            }
            output.clear();
        }
    }
}

#[test]
fn smtp() {
    play_folder("smtp", Tested::Server, usize::MAX, begin);
}

#[test]
fn submission() {
    play_folder("submission", Tested::Server, usize::MAX, begin);
}

#[test]
fn lmtp() {
    play_folder("lmtp", Tested::Server, usize::MAX, begin);
}

/// What the host is told of refusals: who, at which stage, why, from and for whom.
#[test]
fn refusals_are_told_with_their_stage() {
    let head = |service: &str| Head::from([("service", service), ("plaintext_login", "yes")]);
    let long = "x".repeat(13_000);
    let dots = format!("{}\r\n.", "x".repeat(1_100));
    for (service, dialogue, wanted) in [
        (
            "mx",
            "EHLO c|MAIL FROM:<a@b.example>|RCPT TO:<nobody@example.net>",
            "rcpt 550 5.1.1 a@b.example > nobody@example.net",
        ),
        ("mx", "EHLO c|MAIL FROM:<a@b.example>|RCPT TO:<x@far.example>", "rcpt 550 5.7.1 a@b.example > x@far.example"),
        (
            "mx",
            "EHLO c|MAIL FROM:<a@b.example>|RCPT TO:<full@example.net>",
            "rcpt 452 4.2.2 a@b.example > full@example.net",
        ),
        (
            "mx",
            "EHLO c|MAIL FROM:<a@b.example>|RCPT TO:<j\u{fc}rgen@example.net>",
            "rcpt 553 5.6.7 a@b.example > j\u{fc}rgen@example.net",
        ),
        ("mx", "EHLO c|MAIL FROM:<a@b.example> SIZE=5000", "mail 552 5.3.4 a@b.example > "),
        ("mx", "EHLO c|MAIL FROM:<a b>", "mail 501 5.1.7  > "),
        ("mx", "EHLO c|MAIL FROM:<>|RCPT TO:<slow@example.net>|DATA|x|.", "data 451 4.3.0  > slow@example.net"),
        (
            "mx",
            "EHLO c|MAIL FROM:<a@b.example>|RCPT TO:<bob@example.net>|RCPT TO:<carol@example.net>|DATA|%",
            "data 552 5.3.4 a@b.example > bob@example.net carol@example.net",
        ),
        (
            "lmtp",
            "LHLO c|MAIL FROM:<a@b.example>|RCPT TO:<bob@example.net>|RCPT TO:<slow@example.net>|DATA|x|.",
            "data 451 4.3.0 a@b.example > slow@example.net",
        ),
        (
            "lmtp",
            "LHLO c|MAIL FROM:<a@b.example>|RCPT TO:<bob@example.net>|RCPT TO:<carol@example.net>|DATA|%",
            "data 552 5.3.4 a@b.example > bob@example.net carol@example.net",
        ),
        ("mx", "MAIL FROM:<>", "mail 503 5.5.1  > "),
        ("mx", "XYZZY", "command 500 5.5.2  > "),
        ("mx", &long, "command 500 5.5.6  > "),
        ("mx", "EHLO", "hello 501 5.5.4  > "),
        ("mx", "EHLO c|STARTTLS|NOOP", "starttls 421 4.5.1  > "),
        ("submission", "EHLO c|MAIL FROM:<a@b.example>", "mail 530 5.7.0  > "),
        ("submission", "EHLO c|AUTH XYZZY", "auth 504 5.5.4  > "),
        ("submission", "EHLO c|AUTH PLAIN|*", "auth 501 5.7.0  > "),
        ("submission", "EHLO c|AUTH PLAIN AGJvYgB3cm9uZw==", ""),
        (
            "submission",
            "EHLO c|AUTH PLAIN AGJvYgBzZWNyZXQ=|MAIL FROM:<eve@example.net>",
            "mail 553 5.7.1 eve@example.net >  by bob@example.net",
        ),
    ] {
        let (mut session, mut world) = begin(&head(service));
        let (mut input, mut output, mut told) = (Input::new(), Vec::new(), Vec::new());
        let lines: Vec<String> =
            dialogue.split('|').map(|line| format!("{}\r\n", if line == "%" { &dots } else { line })).collect();
        for line in lines {
            input.push(line.as_bytes());
            // What stands behind STARTTLS comes with it.
            if line.starts_with("STARTTLS") {
                continue;
            }
            loop {
                match session.step(Mono(1), &mut input, &mut output) {
                    Step::Read | Step::Close => break,
                    Step::Write | Step::StartTls => {}
                    Step::Ask(ask) => session.answer(world.answer(ask, &mut told)),
                }
            }
        }
        let shown: Vec<String> = world
            .refused
            .iter()
            .map(|refused| {
                assert_eq!((refused.peer.as_str(), refused.count), ("192.0.2.9:4000", 1));
                assert!(
                    !refused.reason.is_empty()
                        && (refused.stage == "hello"
                            || refused.stage == "command"
                            || refused.helo == "c"
                            || refused.code == 503),
                    "{refused:?}"
                );
                let by = if refused.user.is_empty() { String::new() } else { format!(" by {}", refused.user) };
                format!(
                    "{} {} {} {} > {}{by}",
                    refused.stage,
                    refused.code,
                    refused.enhanced,
                    refused.from,
                    refused.to.join(" ")
                )
            })
            .collect();
        assert_eq!(shown.join("|"), wanted, "{dialogue}\n{}", String::from_utf8_lossy(&output));
    }
}
