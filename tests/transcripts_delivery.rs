//! The client side of SMTP, as dialogues in text: `tests/transcripts/delivery/*.txt`.
//!
//! Head: `tls:`, `login:`, `from:`, `to:` (with NOTIFY= and ORCPT=), `body:`, `smtputf8:`, `ret:`, `envid:`, `text:`
//! (`\r`, `\n`, `\0`, `{n x}` escapes). Dialogue: `S:` what the peer says, `C:` what the client must have said and no
//! more, `S=` the same without CRLF and with the escapes of `text:`; `(tls)`, `(end)`, `(expire)`, `(again)`, `(quit)`, `(broken)` with what the peer said before it; `=` lines: the
//! session must have come to rest, with these fates, `= open` or `= ended`. Every dialogue runs twice, the peer's octets at once and one by one.

#[macro_use]
extern crate mailcore_watchdog;

use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::envelope::{BodyKind, Envelope, Notify, Recipient, Returns};
use mailcore::base::limits::READ_OCTETS;
use mailcore::base::settings::{OutboundTls, OutboundWaits};
use mailcore::base::world::TlsInfo;
use mailcore::base::{Address, Mono, Secret};
use mailcore::smtp::client::{Client, Delivery, Fate, Options, Transaction};

struct Script {
    options: Options,
    transaction: Transaction,
    text: Vec<u8>,
    lines: Vec<String>,
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\0", "\0");
    while let Some((before, rest)) = out.split_once('{') {
        let (inside, after) = rest.split_once('}').unwrap();
        let (n, what) = inside.split_once(' ').unwrap();
        out = format!("{before}{}{after}", what.repeat(n.parse().unwrap()));
    }
    out.into_bytes()
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

fn read(file: &str) -> Script {
    let (head, dialogue) = file.split_once("---\n").expect("--- between head and dialogue");
    // The nonce of RFC 7677 §3.
    let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
    let (hostname, waits) = ("mail.example.org".to_owned(), OutboundWaits::default());
    let mut options = Options { hostname, tls: OutboundTls::Opportunistic, login: None, nonce, waits };
    let mut envelope = Envelope::default();
    let mut text = b"Subject: x\r\n\r\nhello\r\n".to_vec();
    for line in head.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = line.split_once(": ").expect(line);
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
            ("text", escaped) => text = unescape(escaped),
            _ => panic!("{line}"),
        }
    }
    let transaction = Transaction { envelope, size: text.len() as u64 };
    let lines = dialogue.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect();
    Script { options, transaction, text, lines }
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

struct Run {
    script: Script,
    client: Client,
    input: Input,
    output: Vec<u8>,
    last: Option<Step<()>>,
    delivery: Option<Delivery>,
    now: Mono,
}

impl Run {
    fn go(&mut self) {
        loop {
            self.now.0 += 1;
            match self.client.step(self.now, &mut self.input, &mut self.output) {
                Step::Ask(ask) => {
                    let from = ask.offset as usize;
                    // Smaller pieces than asked for, as a store may give them.
                    let to = self.script.text.len().min(from + ask.octets_max.min(7));
                    self.client.answer(self.script.text.get(from..to).map(<[u8]>::to_vec));
                }
                Step::Write => {}
                Step::Read => {
                    assert!(self.client.deadline().is_some_and(|at| at > self.now), "a wait without deadline");
                    self.last = Some(Step::Read);
                    return;
                }
                Step::StartTls => {
                    self.last = Some(Step::StartTls);
                    return;
                }
                Step::Close => {
                    self.last = Some(Step::Close);
                    return;
                }
            }
        }
    }

    fn said(&mut self) -> Option<String> {
        let at = self.output.windows(2).position(|w| w == b"\r\n")?;
        let line = String::from_utf8_lossy(&self.output[..at]).replace('\0', "\\0").replace('\n', "\\n");
        self.output.drain(..at + 2);
        Some(line)
    }

    fn nothing_more(&self, line: &str) {
        assert_eq!(String::from_utf8_lossy(&self.output), "", "said unasked, before {line}");
    }

    fn line(&mut self, line: &str, one_by_one: bool) {
        if let Some(said) = line.strip_prefix("C:") {
            assert_eq!(self.said().as_deref(), Some(said.strip_prefix(' ').unwrap_or(said)));
            return;
        }
        self.nothing_more(line);
        let says = match (line.strip_prefix("S: "), line.strip_prefix("S= ")) {
            (Some(says), _) => Some(format!("{says}\r\n").into_bytes()),
            (None, says) => says.map(unescape),
        };
        if let Some(octets) = says {
            assert_eq!(self.last, Some(Step::Read), "{line}");
            // Long ones arrive in the pieces a socket gives.
            let long = octets.len() > READ_OCTETS;
            let one_by_one = one_by_one && octets.len() < 16 * READ_OCTETS;
            for piece in octets.chunks(if one_by_one { 1 } else { READ_OCTETS }) {
                self.input.push(piece);
                if one_by_one || long {
                    self.go();
                }
            }
        } else if let Some(expected) = line.strip_prefix("= ") {
            self.expect(expected);
        } else {
            match line {
                "(tls)" => {
                    assert_eq!(self.last, Some(Step::StartTls));
                    self.client.tls_started(TlsInfo::default());
                }
                "(end)" => self.client.end(),
                "(expire)" => self.client.expire(),
                "(again)" => self.client.begin(self.script.transaction.clone()),
                "(quit)" => self.client.quit(),
                line => {
                    let said = line.strip_prefix("(broken)").unwrap_or_else(|| panic!("{line}")).trim_start();
                    if !said.is_empty() {
                        self.input.push(format!("{said}\r\n").as_bytes());
                    }
                    self.client.broken("connection reset", &mut self.input);
                }
            }
            self.delivery = None;
            self.go();
        }
    }

    fn expect(&mut self, expected: &str) {
        assert_eq!(self.last, Some(Step::Close), "{expected}");
        match expected {
            "open" => assert!(self.client.is_open()),
            "ended" => assert!(!self.client.is_open()),
            _ => {
                if self.delivery.is_none() {
                    self.delivery = self.client.take_delivery();
                }
                let delivery = self.delivery.as_ref().expect("a delivery");
                let recipients = &self.script.transaction.envelope.recipients;
                assert_eq!(delivery.fates.len(), recipients.len());
                let mut found: Vec<_> =
                    recipients.iter().zip(&delivery.fates).map(|(r, f)| format!("{} {}", r.address, show(f))).collect();
                found.push(format!("dsn {}", delivery.dsn));
                assert!(found.iter().any(|line| line == expected), "{expected}\nnot in {found:#?}");
            }
        }
    }
}

fn run(name: &str, file: &str, one_by_one: bool) {
    let script = read(file);
    let mut client = Client::new(script.options.clone(), None);
    client.begin(script.transaction.clone());
    let lines = script.lines.clone();
    let (input, output) = (Input::new(), Vec::new());
    let mut run = Run { script, client, input, output, last: None, delivery: None, now: Mono(0) };
    for (at, line) in lines.iter().enumerate() {
        // What the peer says in one go arrives in one go.
        if one_by_one || !line.starts_with("S:") || at == 0 || !lines[at - 1].starts_with("S:") {
            run.go();
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.line(line, one_by_one)));
        assert!(outcome.is_ok(), "{name}, dialogue line {}: {line}", at + 1);
    }
    run.go();
    run.nothing_more("the end");
}

#[test]
fn dialogues() {
    let folder = format!("{}/tests/transcripts/delivery", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 9);
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        // A file may hold several dialogues.
        for (n, part) in std::fs::read_to_string(&file).unwrap().split("=====\n").enumerate() {
            run(&format!("{name} #{}", n + 1), part, false);
            run(&format!("{name} #{} by octets", n + 1), part, true);
        }
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
