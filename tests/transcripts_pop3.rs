//! POP3 dialogues as text, against the session alone.

#[macro_use]
extern crate mailcore_watchdog;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mailcore::base::account::Credential;
use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::limits::OUTPUT_OCTETS_MAX;
use mailcore::base::settings::PasswordCost;
use mailcore::base::time::Mono;
use mailcore::base::{BlobId, Secret};
use mailcore::pop3::{Answer, Ask, Listing, LoginTrouble, OpenedMaildrop, Session, SessionSettings};
use mailcore::sasl::{self, client, credential};
use mailcore_tests::dialog::{Fixture, play_folder, tls_info};
use mailcore_tests::transcript::{Head, Tested};

const COST: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };

/// bob has messages, nobody else has; busy is in use, down cannot be read; every password is `secret`.
struct World {
    credential: Credential,
    messages: Vec<Vec<u8>>,
    piece: usize,
    /// Number of the message that cannot be read, and from which octet on.
    broken: Option<(u32, u64)>,
    expunge_fails: bool,
}

const MESSAGES: [&str; 5] = [
    "Subject: one\r\nX: y\r\n\r\n.dot\r\n..\r\n.\r\n\r\nend\r\n",
    "Subject: two\r\n\r\nno line end",
    "",
    "Subject: header only\r\n",
    "Subject: bare\r\n\r\na\n.\nb\n",
];

fn settings(head: &Head) -> SessionSettings {
    let value = |key: &str| head.get(key);
    SessionSettings {
        plain_only: false,
        hostname: "pop.example.net".to_owned(),
        idle: Duration::from_secs(600),
        login: Duration::from_secs(600),
        can_start_tls: value("start_tls") != Some("no"),
        allow_plaintext_login: value("plaintext_login") == Some("yes"),
        nonce_seed: [7; 32],
    }
}

/// Made once: it is slow on purpose.
fn bob_credential() -> Credential {
    static CREDENTIAL: OnceLock<Credential> = OnceLock::new();
    CREDENTIAL.get_or_init(|| credential::make(&Secret::new("secret"), &[3; 32], COST).unwrap()).clone()
}

fn begin(head: &Head) -> (Session, World) {
    let value = |key: &str| head.get(key);
    let tls = (value("tls") == Some("yes")).then(tls_info);
    let broken = value("broken").and_then(|text| text.split_once(' '));
    let world = World {
        credential: bob_credential(),
        messages: MESSAGES.map(|text| text.as_bytes().to_vec()).to_vec(),
        piece: value("piece").map_or(1000, |n| n.parse().unwrap()),
        broken: broken.map(|(number, offset)| (number.parse().unwrap(), offset.parse().unwrap())),
        expunge_fails: value("expunge") == Some("fails"),
    };
    (Session::new(settings(head), tls), world)
}

impl World {
    fn open(&self, user: &str, right: bool) -> Result<OpenedMaildrop, LoginTrouble> {
        let bodies = match user {
            "bob" => self.messages.as_slice(),
            "empty" => &[],
            "busy" if right => return Err(LoginTrouble::InUse),
            "down" if right => return Err(LoginTrouble::Unavailable),
            _ => return Err(LoginTrouble::Refused),
        };
        if !right {
            return Err(LoginTrouble::Refused);
        }
        let of = |(i, body): (usize, &Vec<u8>)| Listing {
            uid: 10 * (i as u32 + 1),
            octets: body.len() as u64,
            blob: BlobId(i as i64),
        };
        let messages = bodies.iter().enumerate().map(of).collect();
        Ok(OpenedMaildrop { uid_validity: 42, messages: Arc::new(messages) })
    }
}

impl Fixture<Session> for World {
    fn answer(&mut self, ask: Ask, told: &mut Vec<String>) -> Answer {
        match ask {
            Ask::Refused(_) => Answer::Told,
            Ask::Login { user, password } => {
                let right = password.expose() == b"secret";
                told.push(format!("login {user} {}", if right { "right" } else { "wrong" }));
                Answer::Login(self.open(&user, right))
            }
            Ask::ScramKeys(user) => Answer::ScramKeys(self.credential.scram_sha_256.clone(), user != "nobody"),
            Ask::ScramEnded { user, right } => {
                told.push(format!("scram {user} {}", if right { "right" } else { "wrong" }));
                Answer::Login(self.open(&user, right))
            }
            Ask::Body { number, blob, offset } => {
                let body = &self.messages[blob.0 as usize];
                let start = offset as usize;
                if self.broken.is_some_and(|(n, from)| n == number && offset >= from) {
                    return Answer::Body(None);
                }
                Answer::Body(Some(body[start..body.len().min(start + self.piece)].to_vec()))
            }
            Ask::Leave(uids) => {
                if !uids.is_empty() {
                    told.push(format!("expunge {uids}"));
                }
                Answer::Left(!self.expunge_fails || uids.is_empty())
            }
        }
    }
}

#[test]
fn pop3() {
    play_folder("pop3", Tested::Server, usize::MAX, begin);
}

/// Steps until input is wanted or the session is over; keeps what was written.
struct Wire {
    session: Session,
    world: World,
    input: Input,
    output: Vec<u8>,
    largest_output: usize,
}

impl Wire {
    fn new(world: World) -> Wire {
        let head = Head::from([("plaintext_login", "yes")]);
        let session = Session::new(settings(&head), Some(tls_info()));
        Wire { session, world, input: Input::new(), output: Vec::new(), largest_output: 0 }
    }

    fn say(&mut self, text: &str) -> String {
        let mut said = Vec::new();
        for piece in text.as_bytes().chunks(16 * 1024) {
            self.input.push(piece);
            loop {
                let step = self.session.step(Mono(0), &mut self.input, &mut self.output);
                self.largest_output = self.largest_output.max(self.output.len());
                match step {
                    Step::Ask(ask) => {
                        let answer = self.world.answer(ask, &mut Vec::new());
                        self.session.answer(answer);
                    }
                    Step::Write => said.append(&mut self.output),
                    Step::Read | Step::StartTls | Step::Close => break,
                }
            }
            said.append(&mut self.output);
        }
        String::from_utf8(said).expect("ASCII")
    }
}

fn world(messages: Vec<Vec<u8>>) -> World {
    let (_, world) = begin(&Head::default());
    World { messages, piece: 64 * 1024, ..world }
}

#[test]
fn output_leaves_in_bounded_writes() {
    let mut wire = Wire::new(world(vec![b"A: b\r\n\r\n".to_vec(); 50_000]));
    assert!(wire.say("USER bob\r\nPASS secret\r\n").ends_with("+OK maildrop has 50000 messages (400000 octets)\r\n"));
    let list = wire.say("LIST\r\nUIDL\r\n");
    assert_eq!(list.lines().count(), 2 * 50_002);
    assert!(list.contains("\r\n49999 8\r\n") && list.ends_with("\r\n50000 42.500000\r\n.\r\n"));
    assert!(wire.largest_output < OUTPUT_OCTETS_MAX + 1000, "{}", wire.largest_output);

    let mut wire = Wire::new(world(vec![vec![b'x'; 3_000_000]]));
    wire.say("USER bob\r\nPASS secret\r\n");
    let message = wire.say("RETR 1\r\n");
    assert_eq!(message.len(), "+OK 3000000 octets\r\n".len() + 3_000_000 + "\r\n.\r\n".len());
    assert!(wire.largest_output < OUTPUT_OCTETS_MAX + 70_000, "{}", wire.largest_output);
}

#[test]
fn ten_thousand_commands() {
    let mut wire = Wire::new(world(vec![b"A: b\r\n\r\nbody\r\n".to_vec()]));
    wire.say("USER bob\r\nPASS secret\r\n");
    for commands in ["NOOP\r\n", "STAT\r\n", "RETR 1\r\n", "DELE 1\r\nRSET\r\n", "RETR 9\r\n", "CAPA\r\n"] {
        let said = wire.say(&commands.repeat(10_000));
        let replies = said.lines().filter(|line| line.starts_with("+OK") || line.starts_with("-ERR")).count();
        assert_eq!(replies, 10_000 * commands.lines().count(), "{commands}");
    }
    assert!(wire.say("STAT\r\n").starts_with("+OK 1 "));
}

#[test]
fn scram_logs_in() {
    for (password, binding, end) in [
        ("secret", None, "+OK maildrop has 0 messages (0 octets)\r\n"),
        ("secret", Some(b"exported".to_vec()), "+OK maildrop has 0 messages (0 octets)\r\n"),
        ("wrong", None, "-ERR [AUTH] wrong user name or password\r\n"),
        ("secret", Some(b"another".to_vec()), "-ERR [AUTH] channel binding does not match\r\n"),
    ] {
        let mut wire = Wire::new(world(Vec::new()));
        wire.say("CAPA\r\n");
        let mechanism = if binding.is_some() { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" };
        let mut scram = client::Scram::new("bob", &Secret::new(password), "cnonce", binding);
        let mut said = wire.say(&format!("AUTH {mechanism} {}\r\n", sasl::encode(&scram.first())));
        while let Some(challenge) = said.strip_prefix("+ ") {
            let challenge = sasl::decode(challenge.trim_end().as_bytes()).expect("base64");
            let answer = scram.answer(&challenge).expect("an answer");
            said = wire.say(&format!("{}\r\n", sasl::encode(&answer)));
        }
        assert_eq!(said, end, "{password}");
    }
}

/// xorshift64*
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }
}

#[test]
fn nonsense_is_answered_line_by_line() {
    const PIECES: [&str; 30] = [
        "USER bob",
        "PASS secret",
        "PASS wrong",
        "AUTH",
        "AUTH PLAIN",
        "AUTH LOGIN",
        "AUTH PLAIN AGJvYgBzZWNyZXQ=",
        "*",
        "AGJvYgBzZWNyZXQ=",
        "STAT",
        "LIST",
        "LIST 2",
        "UIDL",
        "RETR 1",
        "RETR 3",
        "TOP 1 1",
        "TOP 5 0",
        "DELE 1",
        "DELE 9",
        "RSET",
        "NOOP",
        "CAPA",
        "APOP x y",
        "\r\n",
        "\n",
        "\r\n",
        "\r\n",
        " ",
        "\0\u{ff}",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ];
    let mut rng = Rng(0x9e37_79b9_7f4a_7c15);
    let mut logged_in = 0;
    for _ in 0..1_000 {
        let mut wire = Wire::new(world(MESSAGES.map(|text| text.as_bytes().to_vec()).to_vec()));
        wire.say("CAPA\r\n");
        let mut lines = 0;
        for _ in 0..rng.below(40) {
            let mut piece = PIECES[rng.below(PIECES.len())].to_owned();
            if rng.below(3) > 0 {
                piece.push_str("\r\n");
            }
            lines += piece.matches('\n').count();
            let said = wire.say(&piece);
            assert!(said.is_empty() || said.ends_with("\r\n"), "{said:?}");
            logged_in += said.matches("+OK maildrop has").count();
        }
        wire.session.end();
        let step = wire.session.step(Mono(0), &mut wire.input, &mut wire.output);
        assert!(matches!(step, Step::Close), "{step:?} after {lines} lines");
        assert!(wire.output.is_empty());
    }
    assert!(logged_in > 50, "{logged_in}");
}
