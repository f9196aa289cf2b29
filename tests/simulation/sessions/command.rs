//! The commands of a user: which one comes next, and what its answer tells.

use std::io;

use mailcore::base::Uid;

use super::act::{Act, Copy, Store, Told};
use super::state::{FLAGS, number_of};
use super::user::{Habit, Heard, NAMES, Open, User, names};
use crate::letter::letter;
use crate::model::May;
use crate::response::numbers;

impl User {
    /// One random command.
    pub(super) async fn step(&mut self) -> io::Result<()> {
        self.connect().await?;
        if self.open.is_none() && self.rng.per_mille(600) {
            let name = self.any_name();
            return self.select(name).await;
        }
        if self.habit == Habit::Rename && self.rng.per_mille(300) {
            return self.rename().await;
        }
        match self.rng.below(100) {
            0..22 => self.store().await,
            22..38 => self.append().await,
            38..46 => self.expunge().await,
            46..62 => self.copy().await,
            62..69 => self.create().await,
            69..73 => self.delete().await,
            73..81 => self.rename().await,
            81..84 => self.subscribe().await,
            84..88 => self.read().await,
            88..91 => self.say("NOOP", May::Expunge).await.map(drop),
            91..93 => self.close().await,
            _ => {
                let name = self.any_name();
                self.select(name).await
            }
        }
    }

    fn any_name(&mut self) -> &'static str {
        if self.habit == Habit::Rename && self.rng.per_mille(800) {
            return ["Work", "Old", "INBOX"][self.rng.index(3)];
        }
        // Mostly the first ones, so that several meet.
        let among = if self.rng.per_mille(600) { 3 } else { NAMES.len() };
        NAMES[self.rng.index(among)]
    }

    /// A name to be made, deleted, subscribed.
    fn new_name(&mut self) -> &'static str {
        if self.habit == Habit::Rename && self.rng.per_mille(900) {
            return "New";
        }
        NAMES[self.rng.index(NAMES.len())]
    }

    /// Flags by chance.
    fn flags(&mut self) -> u8 {
        let part = self.rng.between(50, 400);
        (0..FLAGS.len()).filter(|_| self.rng.per_mille(part)).fold(0, |bits, bit| bits | 1 << bit)
    }

    /// A new letter: its number and its text.
    fn write(&mut self) -> (u64, String) {
        self.letters += 1;
        let octets = if self.rng.per_mille(30) { self.rng.below(40_000) } else { self.rng.below(1_500) };
        (self.letters, letter(&format!("letter-{:x}", self.letters), octets as usize))
    }

    /// What is selected, and some of its messages. `None` where there is nothing to choose.
    async fn choice(&mut self) -> io::Result<Option<(Open, Vec<(usize, Uid)>)>> {
        self.learn().await?;
        let Some(open) = self.open.clone() else { return Ok(None) };
        let some = open.some(&mut self.rng);
        Ok((!some.is_empty()).then_some((open, some)))
    }

    async fn append(&mut self) -> io::Result<()> {
        let (name, flags) = (self.any_name(), self.flags());
        let (number, text) = self.write();
        let list = names(flags).collect::<Vec<_>>().join(" ");
        let command = format!("APPEND \"{name}\" ({list}) {{{}+}}\r\n{text}", text.len());
        let act = Act::Append(name.to_owned(), flags, number, text.len() as u64);
        let told = |heard: &Heard| match code(&heard.answer, "APPENDUID").as_deref() {
            Some([folder, uid]) => Told::Placed(number_in(folder), Vec::new(), numbers(uid)),
            other => panic!("APPENDUID, not {other:?}"),
        };
        self.act(act, &command, May::Expunge, told).await.map(drop)
    }

    async fn store(&mut self) -> io::Result<()> {
        let Some((open, some)) = self.choice().await? else { return Ok(()) };
        let by_uid = self.rng.per_mille(700);
        let how = [Some('+'), Some('-'), None][self.rng.index(3)];
        let (flags, silent) = (self.flags(), self.rng.per_mille(300));
        let newest = open.model.messages.iter().map(|known| known.mod_seq).max().unwrap_or(0);
        let since = (self.condstore && by_uid && newest > 0 && self.rng.per_mille(300)).then(|| {
            let back = self.rng.below(4);
            newest.saturating_sub(back).max(1)
        });
        let uids: Vec<Uid> = some.iter().map(|(_, uid)| *uid).collect();
        let set = if by_uid { joined(&uids) } else { joined(&places(&some)) };
        let command = format!(
            "{}STORE {set}{} {}FLAGS{} ({})",
            if by_uid { "UID " } else { "" },
            since.map_or(String::new(), |since| format!(" (UNCHANGEDSINCE {since})")),
            how.map_or(String::new(), String::from),
            if silent { ".SILENT" } else { "" },
            names(flags).collect::<Vec<_>>().join(" ")
        );
        let act = Act::Store(Store { folder: open.folder, uids: uids.clone(), how, flags, since });
        let told = |heard: &Heard| {
            let code = code(&heard.answer, "MODIFIED");
            Told::Modified(code.map_or(Vec::new(), |words| numbers(&words[0])))
        };
        let may = if by_uid { May::Expunge } else { May::Rest };
        self.act(act, &command, may, told).await?;
        if silent && let Some(open) = &mut self.open {
            // What the server leaves to its client to know is asked for anew, sooner or later.
            let chosen =
                open.model.messages.iter_mut().filter(|known| known.uid.is_some_and(|uid| uids.contains(&uid)));
            chosen.for_each(|known| known.flags = None);
        }
        Ok(())
    }

    async fn expunge(&mut self) -> io::Result<()> {
        let some = if self.rng.per_mille(500) { self.choice().await? } else { None };
        let Some(folder) = self.open.as_ref().map(|open| open.folder) else { return Ok(()) };
        let uids: Option<Vec<Uid>> = some.map(|(_, some)| some.into_iter().map(|(_, uid)| uid).collect());
        let command = uids.as_ref().map_or("EXPUNGE".to_owned(), |uids| format!("UID EXPUNGE {}", joined(uids)));
        let act = Act::Expunge(folder, uids, self.condstore);
        let told = |heard: &Heard| Told::ModSeq(code(&heard.answer, "HIGHESTMODSEQ").map(|words| number_in(&words[0])));
        self.act(act, &command, May::Expunge, told).await.map(drop)
    }

    async fn close(&mut self) -> io::Result<()> {
        let Some(folder) = self.open.as_ref().map(|open| open.folder) else { return Ok(()) };
        let done = self.act(Act::Expunge(folder, None, false), "CLOSE", May::Expunge, |_| Told::ModSeq(None)).await;
        self.open = None;
        done.map(drop)
    }

    async fn copy(&mut self) -> io::Result<()> {
        let Some((open, some)) = self.choice().await? else { return Ok(()) };
        // Copies of copies would fill the mailboxes.
        let moves = open.model.messages.len() > 12 || self.rng.per_mille(500);
        let (by_uid, to) = (self.rng.per_mille(500), self.any_name());
        let uids: Vec<Uid> = some.iter().map(|(_, uid)| *uid).collect();
        let set = if by_uid { joined(&uids) } else { joined(&places(&some)) };
        let (uid, verb) = (if by_uid { "UID " } else { "" }, if moves { "MOVE" } else { "COPY" });
        let act = Act::Copy(Copy { folder: open.folder, uids, to: to.to_owned(), moves });
        let told = |heard: &Heard| {
            let lines = heard.rest.iter().map(|response| response.line.as_str()).chain([heard.answer.as_str()]);
            let words = lines.filter_map(|line| code(line, "COPYUID")).next();
            match words.as_deref() {
                Some([folder, from, to]) => Told::Placed(number_in(folder), numbers(from), numbers(to)),
                other => panic!("COPYUID, not {other:?}"),
            }
        };
        self.act(act, &format!("{uid}{verb} {set} \"{to}\""), May::Expunge, told).await.map(drop)
    }

    async fn create(&mut self) -> io::Result<()> {
        let name = self.new_name();
        self.named(Act::Create(name.to_owned()), &format!("CREATE \"{name}\"")).await
    }

    async fn delete(&mut self) -> io::Result<()> {
        let name = self.new_name();
        self.named(Act::Delete(name.to_owned()), &format!("DELETE \"{name}\"")).await
    }

    async fn rename(&mut self) -> io::Result<()> {
        let (from, to) = match self.habit {
            Habit::Rename if self.rng.per_mille(500) => ("Work", "Old"),
            Habit::Rename => ("Old", "Work"),
            // Mostly of those that others work in.
            Habit::All if self.rng.per_mille(600) => (NAMES[self.rng.between(1, 2) as usize], self.new_name()),
            Habit::All => (self.any_name(), self.new_name()),
        };
        let act = Act::Rename(from.to_owned(), to.to_owned());
        self.named(act, &format!("RENAME \"{from}\" \"{to}\"")).await
    }

    async fn subscribe(&mut self) -> io::Result<()> {
        let (name, on) = (self.new_name(), self.rng.per_mille(500));
        let verb = if on { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
        self.named(Act::Subscribe(name.to_owned(), on), &format!("{verb} \"{name}\"")).await
    }

    async fn named(&mut self, act: Act, command: &str) -> io::Result<()> {
        self.act(act, command, May::Expunge, |_| Told::Nothing).await.map(drop)
    }

    /// Reads texts. What this session was told of is readable, also where another session expunged it.
    async fn read(&mut self) -> io::Result<()> {
        let Some((open, some)) = self.choice().await? else { return Ok(()) };
        let uids: Vec<Uid> = some.iter().map(|(_, uid)| *uid).collect();
        let command = format!("FETCH {} (UID BODY.PEEK[])", joined(&places(&some)));
        let mut read = Vec::new();
        let heard = self.say_and(&command, &mut read).await?;
        if heard.answer.starts_with("OK") {
            read.sort_unstable();
            assert_eq!(read.iter().map(|(uid, _)| *uid).collect::<Vec<_>>(), uids, "{command}: {}", self.log());
            read.into_iter().for_each(|(uid, letter)| self.board.read(open.folder, uid, letter));
        } else {
            assert!(self.board.is_trouble(), "{}: {command}: {}\n{}", self.name, heard.answer, self.log());
        }
        Ok(())
    }

    /// A FETCH whose texts are looked at.
    async fn say_and(&mut self, command: &str, read: &mut Vec<(Uid, u64)>) -> io::Result<Heard> {
        self.texts = Some(Vec::new());
        let heard = self.say(command, May::Rest).await;
        let texts = self.texts.take().unwrap_or_default();
        for items in texts {
            let item = |name: &str| items.chunks(2).find(|pair| pair[0].word() == name).map(|pair| pair[1].word());
            if let (Some(uid), Some(text)) = (item("UID"), item("BODY[]")) {
                let letter = number_of(text.as_bytes());
                let letter = letter.unwrap_or_else(|| panic!("{command}: not a letter: {text:.200}"));
                read.push((number_in(uid), letter));
            }
        }
        heard
    }
}

/// What stands behind a response code's name.
fn code(line: &str, name: &str) -> Option<Vec<String>> {
    let (_, rest) = line.split_once(&format!("[{name} "))?;
    let (words, _) = rest.split_once(']')?;
    Some(words.split(' ').map(str::to_owned).collect())
}

fn number_in<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("a number, not {text:?}"))
}

fn joined(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

fn places(some: &[(usize, Uid)]) -> Vec<u32> {
    some.iter().map(|(place, _)| *place as u32 + 1).collect()
}
