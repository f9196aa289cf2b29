//! A user with an IMAP session: says commands by chance, and keeps a model of the selected mailbox from what it is told.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use mailcore::base::{Uid, UidValidity, World};
use smol::channel::Receiver;
use smol::future::FutureExt;

use super::act::{Act, Answer, Told};
use super::board::{Board, Outcome};
use super::state::{FLAGS, Folder, State};
use super::talk::Talk;
use crate::model::{Known, May, Model};
use crate::response::{Response, Value};
use crate::rng::Rng;

/// Names that users make, rename and delete.
pub const NAMES: [&str; 8] = ["INBOX", "Work", "Work/a", "Work/a/b", "Work/c", "Old", "Old/Work", "New"];

/// What users mostly do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// All commands, with all names.
    All,
    /// They work in two mailboxes and rename these to and fro, so that RENAME and changes of what is renamed meet in one
    /// commit.
    Rename,
}

impl Habit {
    /// What the users of a seed do.
    pub fn of(seed: u64) -> Habit {
        if seed.is_multiple_of(3) { Habit::Rename } else { Habit::All }
    }
}

/// A user of an account; several may have one account.
pub struct User {
    /// The account's place in the list.
    pub who: usize,
    /// Where its acts are noted.
    pub board: Arc<Board>,
    /// What it is called.
    pub name: String,
    pub(super) rng: Rng,
    pub(super) habit: Habit,
    pub(super) open: Option<Open>,
    /// Whether it enables CONDSTORE.
    pub(super) condstore: bool,
    /// Letters it wrote.
    pub(super) letters: u64,
    address: String,
    server: SocketAddr,
    world: World,
    talk: Option<Talk>,
    over: bool,
    /// FETCH responses of a command whose texts are looked at.
    pub(super) texts: Option<Vec<Vec<Value>>>,
    /// What it was told while it waited, without a question.
    overheard: Option<Open>,
}

/// A selected mailbox as its user knows it.
#[derive(Clone)]
pub(super) struct Open {
    pub folder: UidValidity,
    pub model: Model,
}

/// The end of a command: its answer, and what was not about the state of the mailbox.
pub(super) struct Heard {
    pub answer: String,
    pub rest: Vec<Response>,
}

impl User {
    /// A user who is not connected. `number` tells it from all others.
    pub fn new(
        number: usize,
        who: usize,
        account: &str,
        server: SocketAddr,
        world: World,
        board: Arc<Board>,
        seed: u64,
    ) -> User {
        User {
            who,
            board,
            name: format!("user {number} ({account})"),
            rng: Rng::new(seed, &format!("user {number}")),
            habit: Habit::of(seed),
            open: None,
            condstore: number.is_multiple_of(2),
            letters: (number as u64 + 1) << 32,
            address: account.to_owned(),
            server,
            world,
            talk: None,
            over: false,
            texts: None,
            overheard: None,
        }
    }

    /// Goes on as the user before it, of the boot before.
    pub fn go_on(&mut self, before: &User) {
        (self.rng, self.letters) = (before.rng.clone(), before.letters);
    }

    /// Acts so often, with pauses; ends early where too much is in doubt.
    pub async fn work(&mut self, steps: usize) {
        for _ in 0..steps {
            self.pause().await;
            if self.board.doubts() > 4 {
                return;
            }
            if let Err(e) = self.step().await {
                self.hang_up(&e);
            }
        }
    }

    /// Users act on the beat, so that their commands arrive together.
    async fn pause(&mut self) {
        const BEAT: u64 = 50_000_000;
        let now = self.world.clock.now();
        let beats = if self.rng.per_mille(100) { self.rng.between(2, 400) } else { 1 };
        let at = (now.0 / BEAT + beats) * BEAT;
        self.world.clock.sleep_until(mailcore::base::Mono(at)).await;
    }

    /// The connection is of no use any more. Only trouble of the disk or the power, or a mailbox that went, ends one.
    fn hang_up(&mut self, e: &io::Error) {
        let refused = e.kind() == io::ErrorKind::PermissionDenied;
        assert!(!refused || self.board.is_trouble(), "{}: {e}", self.name);
        (self.talk, self.open, self.over) = (None, None, false);
    }

    /// Connects where it is not connected.
    pub(super) async fn connect(&mut self) -> io::Result<()> {
        if self.talk.is_some() {
            return Ok(());
        }
        self.talk = Some(Talk::open(&self.world, self.server, &self.address).await?);
        if self.condstore {
            self.say("ENABLE CONDSTORE", May::Expunge).await?;
        }
        Ok(())
    }

    /// Says a command and takes in what comes up to its answer, which must not be BAD.
    pub(super) async fn say(&mut self, command: &str, may: May) -> io::Result<Heard> {
        let tag = self.talk()?.ask(command).await?;
        let mut rest = Vec::new();
        loop {
            let response = self.talk()?.response().await?;
            if let Some(answer) = response.line.strip_prefix(&format!("{tag} ")) {
                assert!(!answer.starts_with("BAD") && !answer.contains("[SERVERBUG]"), "{command}: {answer}");
                return Ok(Heard { answer: answer.to_owned(), rest });
            }
            self.take_in(response, may, &mut rest);
        }
    }

    fn talk(&mut self) -> io::Result<&mut Talk> {
        let over = self.over;
        self.talk.as_mut().filter(|_| !over).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))
    }

    fn take_in(&mut self, response: Response, may: May, rest: &mut Vec<Response>) {
        let line = &response.line;
        self.over |= line.starts_with("* BYE");
        if line.starts_with("* OK [CLOSED]") {
            self.open = None;
        }
        if let (Some(texts), [_, _, word, Value::List(items)]) = (&mut self.texts, response.values.as_slice())
            && word.word() == "FETCH"
        {
            texts.push(items.clone());
        }
        let heard = self.open.as_mut().is_some_and(|open| open.model.hear(&response, may, &self.board.told));
        if !heard {
            rest.push(response);
        }
    }

    /// Asks for an act, notes it and its answer. `told` says what an OK tells.
    pub(super) async fn act(
        &mut self,
        act: Act,
        command: &str,
        may: May,
        told: impl Fn(&Heard) -> Told,
    ) -> io::Result<Heard> {
        let number = self.board.ask(self.who, act);
        let heard = self.say(command, may).await?;
        let outcome = match heard.answer.as_str() {
            done if done.starts_with("OK") || done.starts_with("NO [MODIFIED") => {
                Outcome::Sure(Answer::Done(told(&heard)))
            }
            full if full.starts_with("NO [OVERQUOTA]") => Outcome::Sure(Answer::OverQuota),
            full if full.starts_with("NO [LIMIT] The server has no room") => Outcome::Undone,
            down if down.starts_with("NO [UNAVAILABLE]") => Outcome::Doubt,
            _ => Outcome::Sure(Answer::Refused),
        };
        let sure = matches!(outcome, Outcome::Sure(_));
        assert!(sure || self.board.is_trouble(), "{}: {command}: {}", self.name, heard.answer);
        self.board.answer(number, outcome);
        Ok(heard)
    }

    /// Selects a mailbox, or finds none.
    pub(super) async fn select(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        let trouble = self.board.is_trouble();
        let number = (!trouble).then(|| self.board.ask(self.who, Act::Select(name.to_owned())));
        let heard = self.say(&format!("SELECT \"{name}\""), May::Expunge).await?;
        let answer = match heard.answer.starts_with("OK") {
            true => Answer::Done(self.selected(&heard)),
            false => Answer::Refused,
        };
        if let Some(number) = number {
            self.board.answer(number, Outcome::Sure(answer));
        }
        Ok(())
    }

    fn selected(&mut self, heard: &Heard) -> Told {
        let code = |name: &str| {
            let begin = format!("* OK [{name} ");
            let line = heard.rest.iter().find_map(|response| response.line.strip_prefix(&begin));
            line.and_then(|rest| rest.split(']').next()?.parse::<u64>().ok()).expect("a number")
        };
        let folder = code("UIDVALIDITY") as UidValidity;
        let mut model = Model::new(&folder.to_string(), self.condstore, false);
        for response in &heard.rest {
            model.hear(response, May::Rest, &self.board.told);
        }
        let told = Told::Selected(folder, code("UIDNEXT") as Uid, code("HIGHESTMODSEQ"), model.messages.len());
        self.open = Some(Open { folder, model });
        told
    }

    /// Asks for UIDs and flags of messages whose UIDs it does not know.
    pub(super) async fn learn(&mut self) -> io::Result<()> {
        loop {
            let Some(open) = &self.open else { return Ok(()) };
            let messages = &open.model.messages;
            let Some(first) = messages.iter().position(|known| known.uid.is_none()) else { return Ok(()) };
            let command = format!("FETCH {}:{} (UID FLAGS)", first + 1, messages.len());
            let heard = self.say(&command, May::Rest).await?;
            if !heard.answer.starts_with("OK") {
                assert!(self.board.is_trouble() || self.over, "{}: {command}: {}", self.name, heard.answer);
                return Err(io::Error::other("not now"));
            }
        }
    }

    // -- waiting -------------------------------------------------------------------------------------------

    /// Waits by IDLE until `stop` is closed. What it was told by then is kept for [`User::check`].
    pub async fn idle(&mut self, stop: Receiver<()>) {
        if let Err(e) = self.try_idle(stop).await {
            self.hang_up(&e);
        }
    }

    async fn try_idle(&mut self, stop: Receiver<()>) -> io::Result<()> {
        self.connect().await?;
        if self.open.is_none() {
            let name = NAMES[self.rng.index(3)];
            self.select(name).await?;
        }
        self.learn().await?;
        let tag = self.talk()?.ask("IDLE").await?;
        let mut rest = Vec::new();
        loop {
            let over = async {
                let _ = stop.recv().await;
                None
            };
            let talk = self.talk()?;
            let next = async { Some(talk.next().await) }.or(over).await;
            let Some(response) = next else { break };
            self.take_in(response?, May::Expunge, &mut rest);
            if self.over {
                return Ok(());
            }
        }
        self.overheard = self.open.clone();
        self.talk()?.send("DONE").await?;
        loop {
            let response = self.talk()?.response().await?;
            if response.line.starts_with(&format!("{tag} ")) {
                return Ok(());
            }
            self.take_in(response, May::Expunge, &mut rest);
        }
    }

    // -- looking -------------------------------------------------------------------------------------------

    /// While nobody changes anything and the store holds `state`: what is wrong with what this user was told.
    pub async fn check(&mut self, state: &State) -> Option<String> {
        let overheard = self.overheard.take();
        let folders = &state.holders[self.who].folders;
        if let Some(open) = &overheard
            && let Some(what) = open.difference(folders.get(&open.folder).map(|folder| &**folder))
        {
            return Some(format!("{}, who waits, was not told: {what}\n{}", self.name, self.log()));
        }
        let folder = self.open.as_ref().map(|open| open.folder).filter(|_| self.talk.is_some())?;
        if let Err(e) = self.look().await {
            let gone = !folders.contains_key(&folder);
            let what = format!("{}: the session ended: {e}\n{}", self.name, self.log());
            self.hang_up(&e);
            return (!gone).then_some(what);
        }
        let what = self.open.as_ref()?.difference(folders.get(&folder).map(|folder| &**folder))?;
        Some(format!("{} was told otherwise: {what}\n{}", self.name, self.log()))
    }

    async fn look(&mut self) -> io::Result<()> {
        self.say("NOOP", May::Expunge).await?;
        self.talk()?;
        self.learn().await
    }

    /// What was said and heard lately.
    pub fn log(&self) -> String {
        self.talk.as_ref().map(|talk| talk.log.join("\n")).unwrap_or_default()
    }
}

impl Open {
    /// UIDs that are known, of some messages by chance; at least one where there is one.
    pub fn some(&self, rng: &mut Rng) -> Vec<(usize, Uid)> {
        let part = rng.between(50, 1000);
        let known: Vec<(usize, Uid)> =
            self.model.messages.iter().enumerate().filter_map(|(place, known)| Some((place, known.uid?))).collect();
        let mut some: Vec<_> = known.iter().copied().filter(|_| rng.per_mille(part)).collect();
        if some.is_empty() && !known.is_empty() {
            some.push(known[rng.index(known.len())]);
        }
        some
    }

    /// Where what was told differs from what is.
    fn difference(&self, folder: Option<&Folder>) -> Option<String> {
        let Some(folder) = folder else { return Some(format!("mailbox {} is gone", self.folder)) };
        let known = &self.model.messages;
        if known.len() != folder.messages.len() {
            let uids: Vec<_> = folder.messages.keys().collect();
            return Some(format!("mailbox {}: {} messages, there are {uids:?}", self.folder, known.len()));
        }
        let differs = |(known, (uid, message)): &(&Known, (&Uid, &super::state::Message))| {
            let flags: BTreeSet<String> = names(message.flags).map(str::to_owned).collect();
            let told_mod_seq = self.model.condstore && known.flags.is_some();
            known.uid.is_some_and(|told| told != **uid)
                || known.flags.as_ref().is_some_and(|told| *told != flags)
                || (told_mod_seq && known.mod_seq != message.mod_seq)
        };
        let (known, is) = known.iter().zip(&folder.messages).find(differs)?;
        Some(format!("mailbox {}: told {known:?}, there is {is:?}", self.folder))
    }
}

/// Names of flags.
pub(super) fn names(bits: u8) -> impl Iterator<Item = &'static str> {
    FLAGS.iter().enumerate().filter(move |(bit, _)| bits & (1 << bit) != 0).map(|(_, name)| *name)
}
