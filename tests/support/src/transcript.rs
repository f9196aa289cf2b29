//! Plays dialogues written as text. Every protocol, and both sides of one, use this form.
//!
//! A file has `key: value` lines, an empty line, then the dialogue, one line each; `=====` parts several dialogues. One
//! side is the script's, the other is under test: in transcripts of servers C is the script's side and S is under
//! test, in those of the SMTP client it is the other way round.
//!
//! ```text
//! C: text        the client says text and CRLF; lines of the script's side in a row arrive in one piece
//! C= text        the script's side says text without CRLF
//! C* n text      the client says text and CRLF n times
//! S: text        the server says the same way; the side under test must say exactly this
//! C2: S2: C2= ...  a second connection, and so on; a connection begins at its first line
//! = text         the world was told this (the fixture's own words), in order
//! =* n text      the world was told this n times
//! ! word ...     something happens; the words are those of the stage
//! # anything     nothing
//! ```
//!
//! In texts `\r \n \t \0 \\ \xHH` stand for octets and `\{n:text}` for a text, n times; a backslash before anything else
//! is a backslash. `{=name}` is a variable: what the side under test says there is kept under the name where it
//! comes first, and must be the same wherever the name comes again. A file `variables` in the folder, of `name: value`
//! lines, gives values that hold in all its transcripts. All that the side under test says must be named.
//!
//! `TRANSCRIPT=part cargo test ...` plays only the files with `part` in their name. With `MAILCORE_WRITE_TRANSCRIPTS=1`
//! lines that differ are written anew as what was said, and a line `S: ...` becomes all lines up to one that does not
//! begin with `*`: look at each with `git diff`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A transcript's head: its keys and values, in order. A key may come again.
#[derive(Debug, Clone, Default)]
pub struct Head(Vec<(String, String)>);

impl Head {
    /// The value of a key, the first one.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// All keys and values.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Head {
    fn from(pairs: [(&str, &str); N]) -> Head {
        Head(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec())
    }
}

/// Which side is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tested {
    /// C is what the script says.
    Server,
    /// S is what the script says.
    Client,
}

/// What a transcript is played against.
pub trait Stage {
    /// The script's side says these octets on a connection.
    ///
    /// # Errors
    /// Why they cannot arrive.
    fn send(&mut self, connection: u32, octets: &[u8]) -> Result<(), String>;

    /// The next line that the side under test said on a connection, without its CRLF.
    ///
    /// # Errors
    /// What it does in place of saying something.
    fn said(&mut self, connection: u32) -> Result<Vec<u8>, String>;

    /// What the world was told next.
    ///
    /// # Errors
    /// It was told nothing.
    fn told(&mut self) -> Result<String, String> {
        Err("this world is told nothing".to_owned())
    }

    /// Something happens (`! what argument`).
    ///
    /// # Errors
    /// It cannot happen now, or nothing has this name.
    fn happens(&mut self, what: &str, argument: &str) -> Result<(), String>;

    /// Looks for what was said or told and not named, at the end.
    ///
    /// # Errors
    /// What it was.
    fn nothing_left(&mut self) -> Result<(), String>;
}

/// Plays every `.txt` file of a folder under `tests/transcripts`; fails with the file and line of what differs. `stage`
/// makes what one dialogue is played against.
///
/// # Panics
/// Where a dialogue differs, or the folder has none.
pub fn play_folder<S: Stage>(folder: &str, tested: Tested, stage: impl Fn(&Head) -> S) {
    let folder = crate::root().join("tests/transcripts").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("folder").map(|e| e.expect("entry").path()).collect();
    let part = std::env::var("TRANSCRIPT").unwrap_or_default();
    let named = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(&part));
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    assert!(!files.is_empty(), "no transcripts in {}", folder.display());
    files.retain(|path| named(path));
    files.sort();
    let rewrites = std::env::var_os("MAILCORE_WRITE_TRANSCRIPTS").is_some();
    let given =
        fs::read_to_string(folder.join("variables")).map_or(Head::default(), |text| head(&text).expect("variables"));
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("transcript");
        let mut rewritten = Vec::new();
        for (n, part) in text.split("=====\n").enumerate() {
            let (lines, outcome) = play(part, tested, rewrites, &given, &stage);
            rewritten.push(lines);
            if let Err(why) = outcome {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                failures.push(format!("{name} #{}: {why}", n + 1));
            }
        }
        let rewritten = rewritten.join("=====\n");
        if rewrites && rewritten != text {
            fs::write(&file, rewritten).expect("transcript written");
        }
    }
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
}

/// Plays one dialogue; gives its text, with the lines as they should be where `rewrites` asks for them.
fn play<S: Stage>(
    text: &str,
    tested: Tested,
    rewrites: bool,
    given: &Head,
    stage: impl Fn(&Head) -> S,
) -> (String, Result<(), String>) {
    let (head_text, dialogue) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = match head(head_text) {
        Ok(head) => head,
        Err(why) => return (text.to_owned(), Err(why)),
    };
    let variables = given.pairs().map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).collect();
    let mut player = Player { stage: stage(&head), tested, rewrites, unsent: BTreeMap::new(), variables };
    let mut rewritten = vec![format!("{head_text}\n")];
    let mut outcome = Ok(());
    let before = head_text.lines().count() + 1;
    for (number, line) in dialogue.lines().enumerate() {
        if outcome.is_ok() {
            let played = player.line(line, &mut rewritten);
            outcome = played.map_err(|why| format!("line {}: {why}\n    {line}", before + number + 1));
        } else {
            rewritten.push(line.to_owned());
        }
    }
    let outcome = outcome.and_then(|()| player.flush());
    player.unnamed(&mut rewritten);
    let outcome = outcome.and_then(|()| player.stage.nothing_left());
    (rewritten.join("\n") + "\n", outcome)
}

fn head(text: &str) -> Result<Head, String> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| line.split_once(": ").map(|(key, value)| (key.to_owned(), value.to_owned()));
    lines.map(|line| pair(line).ok_or_else(|| format!("head: {line}"))).collect::<Result<_, _>>().map(Head)
}

struct Player<S> {
    stage: S,
    tested: Tested,
    rewrites: bool,
    /// Octets of the script's side that go out together, by connection.
    unsent: BTreeMap<u32, Vec<u8>>,
    variables: BTreeMap<String, Vec<u8>>,
}

impl<S: Stage> Player<S> {
    /// Plays a line; `written` gets it, or what it should be.
    fn line(&mut self, line: &str, written: &mut Vec<String>) -> Result<(), String> {
        if line.starts_with('=') {
            return self.told(line, written);
        }
        let played = match Spoken::read(line) {
            _ if line.is_empty() || line.starts_with('#') => Ok(()),
            Ok(spoken) if spoken.side == self.script() => self.says(&spoken, written),
            Ok(spoken) => return self.hears(line, &spoken, written),
            Err(why) => match line.strip_prefix("! ") {
                Some(what) => self.flush().and_then(|()| {
                    self.unnamed(written);
                    let (what, argument) = what.split_once(' ').unwrap_or((what, ""));
                    self.stage.happens(what, argument)
                }),
                None => Err(why),
            },
        };
        written.push(line.to_owned());
        played
    }

    /// The side that is the script's.
    fn script(&self) -> &'static str {
        if self.tested == Tested::Server { "C" } else { "S" }
    }

    fn says(&mut self, spoken: &Spoken, written: &mut Vec<String>) -> Result<(), String> {
        let mut octets = filled(&spoken.text, &self.variables)?;
        if spoken.mark != "=" {
            octets.extend_from_slice(b"\r\n");
        }
        self.unnamed(written);
        self.unsent.entry(spoken.connection).or_default().extend(octets.repeat(spoken.times));
        Ok(())
    }

    fn hears(&mut self, line: &str, spoken: &Spoken, written: &mut Vec<String>) -> Result<(), String> {
        if self.rewrites && spoken.text == "..." {
            self.flush_to(spoken.connection)?;
            loop {
                let said = self.stage.said(spoken.connection)?;
                written.push(line.replace("...", &visible(&said)));
                if !said.starts_with(b"*") {
                    return Ok(());
                }
            }
        }
        let mut shown = line.to_owned();
        let heard = self.hear(spoken, &mut shown);
        written.push(shown);
        heard
    }

    fn hear(&mut self, spoken: &Spoken, shown: &mut String) -> Result<(), String> {
        if spoken.mark == "=" {
            return Err("the side under test says whole lines".to_owned());
        }
        self.flush_to(spoken.connection)?;
        for _ in 0..spoken.times {
            let said = self.stage.said(spoken.connection)?;
            if fits(&spoken.text, &said, &mut self.variables)? {
                continue;
            }
            let said = visible(&said);
            if !self.rewrites {
                return Err(format!("it says: {said}"));
            }
            let number = if spoken.connection == 1 { String::new() } else { spoken.connection.to_string() };
            *shown = format!("{}{number}: {said}", spoken.side).trim_end().to_owned();
        }
        Ok(())
    }

    fn told(&mut self, line: &str, written: &mut Vec<String>) -> Result<(), String> {
        self.flush()?;
        let (times, text) = match line.strip_prefix("=* ") {
            Some(rest) => repeated(rest)?,
            None => (1, line.strip_prefix("= ").unwrap_or("")),
        };
        let mut shown = line.to_owned();
        for _ in 0..times {
            let told = match self.stage.told() {
                Err(_) if self.rewrites => return Ok(()),
                told => told?,
            };
            if told == text || fits(text, told.as_bytes(), &mut self.variables)? {
                continue;
            }
            if !self.rewrites {
                return Err(format!("the world was told: {told}"));
            }
            shown = format!("= {told}");
        }
        written.push(shown);
        Ok(())
    }

    /// Writes down what the world was told and no line names, where lines are written anew.
    fn unnamed(&mut self, written: &mut Vec<String>) {
        while self.rewrites
            && let Ok(told) = self.stage.told()
        {
            written.push(format!("= {told}"));
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        while let Some((connection, octets)) = self.unsent.pop_first() {
            self.stage.send(connection, &octets)?;
        }
        Ok(())
    }

    fn flush_to(&mut self, connection: u32) -> Result<(), String> {
        match self.unsent.remove(&connection) {
            Some(octets) => self.stage.send(connection, &octets),
            None => Ok(()),
        }
    }
}

/// A line that one of the sides says.
struct Spoken<'a> {
    side: &'a str,
    connection: u32,
    mark: &'a str,
    times: usize,
    text: String,
}

impl<'a> Spoken<'a> {
    fn read(line: &'a str) -> Result<Spoken<'a>, String> {
        let (side, rest) = line.split_at_checked(1).ok_or("unknown line")?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let connection = if digits == 0 { 1 } else { rest[..digits].parse().map_err(|_| "no number")? };
        let (mark, text) = rest[digits..].split_at_checked(1).ok_or("unknown line")?;
        if !["C", "S"].contains(&side) || ![":", "=", "*"].contains(&mark) {
            return Err("unknown line".to_owned());
        }
        let text = text.strip_prefix(' ').unwrap_or(text);
        let (times, text) = if mark == "*" { repeated(text)? } else { (1, text) };
        Ok(Spoken { side, connection, mark, times, text: text.to_owned() })
    }
}

fn repeated(text: &str) -> Result<(usize, &str), String> {
    let (n, text) = text.split_once(' ').unwrap_or((text, ""));
    Ok((n.parse().map_err(|_| "no number".to_owned())?, text))
}

/// A text up to its next variable, the variable's name, and what follows.
fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{=")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// The octets of a text of the script's side.
fn filled(text: &str, variables: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, String> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((before, name, after)) = next_variable(rest) {
        out.extend(octets(before)?);
        out.extend(variables.get(name).ok_or_else(|| format!("{name} is not known yet"))?);
        rest = after;
    }
    out.extend(octets(rest)?);
    Ok(out)
}

/// Whether `said` is what `wanted` says; variables met for the first time are kept.
fn fits(wanted: &str, said: &[u8], variables: &mut BTreeMap<String, Vec<u8>>) -> Result<bool, String> {
    let (mut wanted, mut rest) = (wanted, said);
    let mut found = Vec::new();
    while let Some((before, name, after)) = next_variable(wanted) {
        let Some(behind) = rest.strip_prefix(&octets(before)?[..]) else { return Ok(false) };
        let length = match variables.get(name) {
            Some(value) if behind.starts_with(value) => value.len(),
            Some(_) => return Ok(false),
            None => {
                // As far as the first place where what follows begins, to the end where nothing follows.
                let next = octets(next_variable(after).map_or(after, |(text, ..)| text))?;
                let at = behind.windows(next.len().max(1)).position(|window| window == next);
                at.unwrap_or(behind.len())
            }
        };
        let (value, behind) = behind.split_at(length);
        found.push((name.to_owned(), value.to_vec()));
        (wanted, rest) = (after, behind);
    }
    let same = rest == octets(wanted)?;
    if same {
        variables.extend(found);
    }
    Ok(same)
}

/// A text with its escapes undone.
///
/// # Errors
/// An escape with no number where one should be.
pub fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('\\') {
        out.extend_from_slice(before.as_bytes());
        let mut used = 1;
        match escape.chars().next() {
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
                out.extend(octets(what)?.repeat(n.parse().map_err(|_| "no number")?));
                used = inside.len() + 2;
            }
            _ => {
                out.push(b'\\');
                used = 0;
            }
        }
        rest = &escape[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

/// Octets as transcripts write them: what is not UTF-8 or not visible escaped.
fn visible(octets: &[u8]) -> String {
    let mut out = String::new();
    for chunk in octets.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\0' => out.push_str("\\0"),
                '\\' => out.push('\\'),
                c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|c| out.push_str(&format!("\\x{c:02x}")));
    }
    // A backslash that would be read as an escape.
    if self::octets(&out).ok().as_deref() == Some(octets) { out } else { shown(octets) }
}

/// Octets with everything but visible ASCII escaped.
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
