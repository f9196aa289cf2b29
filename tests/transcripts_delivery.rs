//! The client side of SMTP, as dialogues in text: `tests/transcripts/delivery/*.txt`, in the form of
//! `support/src/transcript.rs`. S is the script's side.
//!
//! Head: `tls:`, `login:`, `from:`, `to:` (with NOTIFY= and ORCPT=), `body:`, `smtputf8:`, `ret:`, `envid:`, `text:`.
//! What may happen, beside what happens to every dialog: `! again` (the same mail once more), `! quit`, `! last TEXT` (the
//! peer says a line and hangs up), `! broken TEXT` (the handshake fails, with what the peer said before it). When the session has come to rest the world is told the
//! fate of each recipient (of more than 20, those alike together), `dsn` where the host will report, and `open` or `ended`. Every dialogue is played twice, the
//! peer's octets in large pieces and one by one.

#[macro_use]
extern crate mailcore_watchdog;

use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::envelope::{BodyKind, Envelope, Notify, Recipient, Returns};
use mailcore::base::settings::{OutboundTls, OutboundWaits};
use mailcore::base::terms::Terms;
use mailcore::base::world::TlsInfo;
use mailcore::base::{Address, Mono, Secret, Timestamp};
use mailcore::smtp::client::{BodyAsk, Client, Fate, Options, Transaction};
use mailcore_tests::dialog::{Fixture, play_folder};
use mailcore_tests::transcript::{Head, Tested, octets};

/// A mail to hand over.
struct Mail {
    transaction: Transaction,
    text: Vec<u8>,
}

fn recipient(text: &str) -> Recipient {
    let mut words = text.split(' ');
    let mut recipient = Recipient::new(Address::parse(words.next().unwrap()).unwrap());
    for word in words {
        match word.split_once('=').unwrap() {
            ("NOTIFY", value) => {
                let has = |name| value.split(',').any(|v| v == name);
                let (success, failure, delay) = (has("SUCCESS"), has("FAILURE"), has("DELAY"));
                recipient.notify = Notify { success, failure, delay, explicit: true };
            }
            ("ORCPT", value) => recipient.original = Some(value.to_owned()),
            _ => panic!("{word}"),
        }
    }
    recipient
}

/// A session with the mail that a head describes.
fn begin(head: &Head) -> (Client, Mail) {
    // The nonce of RFC 7677 §3.
    let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
    let (hostname, waits) = ("mail.example.org".to_owned(), OutboundWaits::default());
    let mut options = Options { hostname, tls: OutboundTls::Opportunistic, login: None, nonce, waits };
    let mut envelope = Envelope::default();
    let mut text = b"Subject: x\r\n\r\nhello\r\n".to_vec();
    for (name, value) in head.pairs() {
        match (name, value) {
            ("tls", "off") => options.tls = OutboundTls::Off,
            ("tls", "required") => options.tls = OutboundTls::Required,
            ("tls", "opportunistic") => {}
            ("login", both) => {
                let (user, password) = both.split_once(' ').unwrap();
                options.login = Some((user.to_owned(), Secret::new(password)));
            }
            ("from", "<>") => envelope.reverse_path = None,
            ("from", address) => envelope.reverse_path = Some(Address::parse(address).unwrap()),
            ("to", "many") => {
                envelope.recipients = (0..120).map(|n| recipient(&format!("r{n}@example.net"))).collect();
            }
            ("to", text) => envelope.recipients.push(recipient(text)),
            ("body", "8bit") => envelope.body = BodyKind::EightBit,
            ("body", "binary") => envelope.body = BodyKind::Binary,
            ("smtputf8", "yes") => envelope.smtputf8 = true,
            ("ret", "full") => envelope.returns = Some(Returns::Full),
            ("ret", "hdrs") => envelope.returns = Some(Returns::Headers),
            ("envid", id) => envelope.envelope_id = Some(id.to_owned()),
            ("terms", text) => envelope.terms = Terms::read(text).as_of(Timestamp(0)),
            ("text", escaped) => text = octets(escaped).expect("text"),
            _ => panic!("{name}: {value}"),
        }
    }
    let transaction = Transaction { envelope, size: text.len() as u64 };
    let mut client = Client::new(options, None);
    client.begin(transaction.clone());
    (client, Mail { transaction, text })
}

fn show(fate: &Fate) -> String {
    match fate {
        Fate::Accepted(reply) => format!("accepted {reply}"),
        Fate::Refused(stage, reply) => format!("refused {stage:?} {reply}"),
        Fate::Unfit(unfit) => format!("unfit {}", unfit.text()),
        Fate::Lost(stage, how) => format!("lost {stage:?} {how}"),
        Fate::Unread => "unread".to_owned(),
    }
}

impl Fixture<Client> for Mail {
    fn answer(&mut self, ask: BodyAsk, _: &mut Vec<String>) -> Option<Vec<u8>> {
        let from = ask.offset as usize;
        // Smaller pieces than asked for, as a store may give them.
        let to = self.text.len().min(from + ask.octets_max.min(7));
        self.text.get(from..to).map(<[u8]>::to_vec)
    }

    fn closed(&mut self, client: &mut Client, told: &mut Vec<String>) {
        if let Some(delivery) = client.take_delivery() {
            let recipients = &self.transaction.envelope.recipients;
            assert_eq!(delivery.fates.len(), recipients.len());
            let fates: Vec<String> = delivery.fates.iter().map(show).collect();
            let each: Vec<_> = recipients.iter().zip(&fates).collect();
            for alike in each.chunk_by(|one, next| recipients.len() > 20 && one.1 == next.1) {
                told.push(match alike {
                    [(first, fate), .., (last, _)] => format!("{} to {} {fate}", first.address, last.address),
                    _ => format!("{} {}", alike[0].0.address, alike[0].1),
                });
            }
            if delivery.dsn {
                told.push("dsn".to_owned());
            }
        }
        told.push(if client.is_open() { "open" } else { "ended" }.to_owned());
    }

    fn happens(&mut self, client: &mut Client, input: &mut Input, what: &str, argument: &str) -> Result<(), String> {
        match what {
            "again" => client.begin(self.transaction.clone()),
            "quit" => client.quit(),
            "last" => {
                input.push(format!("{argument}\r\n").as_bytes());
                client.end();
            }
            "broken" => {
                if !argument.is_empty() {
                    input.push(format!("{argument}\r\n").as_bytes());
                }
                client.broken("connection reset", input);
            }
            _ => return Err("unknown happening".to_owned()),
        }
        Ok(())
    }
}

#[test]
fn dialogues() {
    for piece in [usize::MAX, 1] {
        play_folder("delivery", Tested::Client, piece, begin);
    }
}

/// Whatever a host says, the session ends with a fate for everybody, and nobody is delivered without a 250 behind the
/// message.
#[test]
fn nonsense_from_hosts() {
    const WORDS: [&str; 24] = [
        "220 hi",
        "250 ok",
        "250-a\r\n250 PIPELINING",
        "250-a\r\n250-STARTTLS\r\n250 SIZE 5",
        "354 go",
        "421 bye",
        "450 no",
        "452 4.5.3 many",
        "550 no",
        "552 5.2.2 full",
        "250-a\r\n550 b",
        "235 in",
        "334 ",
        "999 x",
        "2",
        "",
        "250",
        "x",
        "\0\0",
        "250-a\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 DSN",
        "503 order",
        "521 never",
        "250 2.1.5 fine",
        "100 x",
    ];
    let text = b"Subject: x\r\n\r\n.hello";
    let mut chance = 1_u64;
    let mut next = move |below: usize| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) as usize % below
    };
    let mut delivered = 0;
    for round in 0..20_000 {
        let tls = [OutboundTls::Off, OutboundTls::Opportunistic, OutboundTls::Required][next(3)];
        let login = (next(4) == 0).then(|| ("u".to_owned(), Secret::new("p")));
        let body = [BodyKind::SevenBit, BodyKind::EightBit, BodyKind::Binary][next(3)];
        let recipients = (0..=next(3)).map(|n| recipient(&format!("r{n}@example.net"))).collect();
        let envelope = Envelope { recipients, body, ..Envelope::default() };
        let count = envelope.recipients.len();
        let (hostname, nonce, waits) = ("h".to_owned(), "n".to_owned(), OutboundWaits::default());
        let mut client = Client::new(Options { hostname, tls, login, nonce, waits }, None);
        client.begin(Transaction { envelope, size: text.len() as u64 });
        let (mut input, mut output) = (Input::new(), Vec::new());
        let (mut last_positive, mut steps) = (false, 0);
        loop {
            steps += 1;
            assert!(steps < 2_000, "round {round} does not end");
            match client.step(Mono(steps), &mut input, &mut output) {
                Step::Ask(ask) => client.answer(text.get(ask.offset as usize..).map(<[u8]>::to_vec)),
                Step::Write => {}
                Step::StartTls => client.tls_started(TlsInfo::default()),
                Step::Close => break,
                Step::Read if next(40) == 0 => client.end(),
                Step::Read if next(40) == 0 => client.expire(),
                Step::Read => {
                    // Mostly what fits, so that sessions come far.
                    let after_data = output.ends_with(b"DATA\r\n");
                    let word = match next(4) {
                        0 => WORDS[next(WORDS.len())],
                        _ if output.is_empty() => "220 hi",
                        _ if after_data && next(2) == 0 => "354 go",
                        _ => WORDS[1 + next(2)],
                    };
                    last_positive = word.starts_with('2');
                    input.push(format!("{word}\r\n").as_bytes());
                }
            }
        }
        let delivery = client.take_delivery().expect("a delivery");
        assert_eq!(delivery.fates.len(), count);
        if delivery.fates.iter().any(|fate| matches!(fate, Fate::Accepted(_))) {
            delivered += 1;
            assert!(last_positive, "round {round}");
            let said = String::from_utf8_lossy(&output).into_owned();
            assert!(said.contains("\r\n..hello\r\n.\r\n") || said.contains("BDAT 20 LAST\r\nSubject"), "{said}");
        }
        assert!(output.len() < 2_000, "{}", output.len());
    }
    assert!(delivered > 300, "{delivered}");
}
