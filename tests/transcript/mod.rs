//! Plays dialogues written as text against a `Dialog`, without a socket. SMTP, LMTP and POP3 share it.
//!
//! A file has `key: value` lines, an empty line, then the dialogue, one line each; `=====` parts several dialogues:
//!
//! ```text
//! C: text        the client sends text and CRLF; several in a row arrive in one piece
//! C= text        the client sends text without CRLF
//! C* n text      the client sends text and CRLF n times
//! S: text        the server says exactly this line
//! S~ text        the server says a line that begins so
//! S* n text      the server says a line n times
//! = text         the world was told this (the fixture's own words), in order
//! ! expire       the deadline passes        ! deadline n   it lies n seconds ahead
//! ! after n      n seconds pass, less than to the deadline
//! ! end          the client is gone         ! drain        the engine drains
//! ! tls [name]   a handshake was asked for and happens
//! ! close        the server closes; nothing may follow
//! # anything     nothing
//! ```
//!
//! In texts `\r \n \t \0 \\ \xHH` stand for octets. Everything the server says must be named.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mailcore::base::dialog::{Dialog, Input, Step};
use mailcore::base::time::Mono;
use mailcore::base::world::TlsInfo;

/// The world of a transcript: answers questions, and says in its own words what it was told.
pub trait Fixture<D: Dialog> {
    /// The answer to `ask`; what it came to is added to `told`.
    fn answer(&mut self, ask: D::Ask, told: &mut Vec<String>) -> D::Answer;
}

/// A transcript's head.
pub type Head = BTreeMap<String, String>;

/// Plays every `.txt` file of a folder under `tests/transcripts`; fails with the file and line of what differs.
pub fn play_folder<D: Dialog, F: Fixture<D>>(folder: &str, begin: impl Fn(&Head) -> (D, F)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("transcript");
        for (n, part) in text.split("=====\n").enumerate() {
            if let Err(why) = play(part, &begin) {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                failures.push(format!("{name} #{}: {why}", n + 1));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// Plays one transcript.
pub fn play<D: Dialog, F: Fixture<D>>(text: &str, begin: impl Fn(&Head) -> (D, F)) -> Result<(), String> {
    let mut lines = text.lines().enumerate();
    let mut head = Head::new();
    for (_, line) in lines.by_ref() {
        if line.is_empty() {
            break;
        }
        if !line.starts_with('#') {
            let (key, value) = line.split_once(": ").ok_or_else(|| format!("head: {line}"))?;
            head.insert(key.to_owned(), value.to_owned());
        }
    }
    let (dialog, fixture) = begin(&head);
    let mut player = Player::new(dialog, fixture);
    player.run();
    for (number, line) in lines {
        player.line(line).map_err(|why| format!("line {}: {why}\n    {line}", number + 1))?;
    }
    player.flush_client()?;
    player.nothing_left()
}

/// What a dialog waits for.
#[derive(Debug, PartialEq)]
enum Waits {
    Octets,
    Tls,
    Closed,
}

struct Player<D: Dialog, F> {
    dialog: D,
    fixture: F,
    input: Input,
    output: Vec<u8>,
    /// Octets of the client that go out together.
    sends: Vec<u8>,
    told: Vec<String>,
    waits: Waits,
    now: Mono,
}

impl<D: Dialog, F: Fixture<D>> Player<D, F> {
    fn new(dialog: D, fixture: F) -> Self {
        let (sends, told) = (Vec::new(), Vec::new());
        let (input, output, now) = (Input::new(), Vec::new(), Mono(1_000_000_000));
        Self { dialog, fixture, input, output, sends, told, waits: Waits::Octets, now }
    }

    fn run(&mut self) {
        for _ in 0..10_000_000 {
            self.waits = match self.dialog.step(self.now, &mut self.input, &mut self.output) {
                Step::Ask(ask) => {
                    let answer = self.fixture.answer(ask, &mut self.told);
                    self.dialog.answer(answer);
                    continue;
                }
                // The output is never taken away before it is checked: a full one goes on all the same.
                Step::Write => panic!("transcripts fit into the output"),
                Step::Read => Waits::Octets,
                Step::StartTls => Waits::Tls,
                Step::Close => Waits::Closed,
            };
            return;
        }
        panic!("the dialog never waits");
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(sent) = client_octets(mark, text)? {
            if self.sends.is_empty() {
                self.nothing_left()?;
            }
            self.sends.extend_from_slice(&sent);
            return Ok(());
        }
        self.flush_client()?;
        match mark {
            "S:" => self.server_says(text, false),
            "S~" => self.server_says(text, true),
            "S*" => {
                let (n, text) = repeated(text)?;
                (0..n).try_for_each(|_| self.server_says(text, false))
            }
            "=" => self.world_is_told(text),
            "!" => self.happens(text),
            _ => Err("unknown line".to_owned()),
        }
    }

    fn flush_client(&mut self) -> Result<(), String> {
        let sends = std::mem::take(&mut self.sends);
        if !sends.is_empty() && self.waits != Waits::Octets {
            return Err(format!("the server does not read: {:?}", self.waits));
        }
        for piece in sends.chunks(16 * 1024) {
            if self.waits == Waits::Octets {
                assert!(self.input.room() >= piece.len(), "the session left the input full");
                self.input.push(piece);
                self.run();
            }
        }
        Ok(())
    }

    fn server_says(&mut self, text: &str, prefix: bool) -> Result<(), String> {
        let expected = octets(text)?;
        let end = self.output.windows(2).position(|two| two == b"\r\n");
        let Some(end) = end else { return Err(format!("the server says nothing; {}", self.state())) };
        let said: Vec<u8> = self.output.drain(..end + 2).collect();
        let said = &said[..end];
        if said == expected || (prefix && said.starts_with(&expected)) {
            return Ok(());
        }
        Err(format!("the server says: {}", String::from_utf8_lossy(said)))
    }

    fn world_is_told(&mut self, text: &str) -> Result<(), String> {
        if self.told.is_empty() {
            return Err(format!("the world was told nothing; {}", self.state()));
        }
        let told = self.told.remove(0);
        if told == text { Ok(()) } else { Err(format!("the world was told: {told}")) }
    }

    fn happens(&mut self, text: &str) -> Result<(), String> {
        let (what, argument) = text.split_once(' ').unwrap_or((text, ""));
        match what {
            "expire" => self.dialog.expire(),
            "end" => self.dialog.end(),
            "drain" => self.dialog.drain(),
            "deadline" => {
                let seconds = self.dialog.deadline().map(|at| (at - self.now).as_secs().to_string());
                return if seconds.as_deref() == Some(argument) { Ok(()) } else { Err(format!("{seconds:?}")) };
            }
            "after" => {
                let seconds: u64 = argument.parse().map_err(|_| "no number".to_owned())?;
                self.now = self.now + std::time::Duration::from_secs(seconds);
                return match self.dialog.deadline() {
                    Some(at) if at <= self.now => Err("the deadline has passed".to_owned()),
                    _ => Ok(()),
                };
            }
            "tls" => {
                self.nothing_left()?;
                if self.waits != Waits::Tls || !self.input.is_empty() {
                    return Err(format!("no handshake; {}", self.state()));
                }
                self.dialog.tls_started(tls_info());
            }
            "close" => {
                self.nothing_left()?;
                return if self.waits == Waits::Closed { Ok(()) } else { Err(self.state()) };
            }
            _ => return Err("unknown happening".to_owned()),
        }
        self.run();
        Ok(())
    }

    fn nothing_left(&self) -> Result<(), String> {
        if self.output.is_empty() && self.told.is_empty() { Ok(()) } else { Err(self.state()) }
    }

    fn state(&self) -> String {
        let said = String::from_utf8_lossy(&self.output);
        format!("it waits for {:?}, said {said:?} and told {:?}", self.waits, self.told)
    }
}

/// What transcripts' handshakes come to.
pub fn tls_info() -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: "TLS_AES_256_GCM_SHA384".to_owned(),
        exporter: Some(b"exported".to_vec()),
        ..TlsInfo::default()
    }
}

fn client_octets(mark: &str, text: &str) -> Result<Option<Vec<u8>>, String> {
    let line = |text: &str| {
        octets(text).map(|mut line| {
            line.extend_from_slice(b"\r\n");
            line
        })
    };
    Ok(match mark {
        "C:" => Some(line(text)?),
        "C=" => Some(octets(text)?),
        "C*" => {
            let (n, text) = repeated(text)?;
            Some(line(text)?.repeat(n))
        }
        _ => None,
    })
}

fn repeated(text: &str) -> Result<(usize, &str), String> {
    let (n, text) = text.split_once(' ').unwrap_or((text, ""));
    Ok((n.parse().map_err(|_| "no number".to_owned())?, text))
}

/// A text with its escapes undone. `\{n:c}` is the character c, n times.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let mut chars = escape.chars();
        let mut used = 1;
        match chars.next() {
            Some('r') => out.push(b'\r'),
            Some('n') => out.push(b'\n'),
            Some('t') => out.push(b'\t'),
            Some('0') => out.push(0),
            Some('\\') => out.push(b'\\'),
            Some('x') => {
                out.push(u8::from_str_radix(escape.get(1..3).unwrap_or(""), 16).map_err(|e| e.to_string())?);
                used = 3;
            }
            Some('{') => {
                let (inside, _) = escape[1..].split_once('}').ok_or("no }")?;
                let (n, what) = inside.split_once(':').ok_or("no :")?;
                out.extend(what.repeat(n.parse().map_err(|_| "no number")?).into_bytes());
                used = inside.len() + 2;
            }
            _ => return Err(format!("unknown escape \\{escape}")),
        }
        rest = &escape[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Octets as transcripts write them.
pub fn shown(octets: &[u8]) -> String {
    octets
        .iter()
        .map(|c| match c {
            b'\r' => "\\r".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b' '..=b'~' => char::from(*c).to_string(),
            _ => format!("\\x{c:02x}"),
        })
        .collect()
}
