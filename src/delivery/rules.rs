//! Rules of accounts: runs the Sieve scripts of an account for one message, and says what they want done with it. Does
//! nothing but make mailboxes that a script wants made.
//!
//! Scripts are pure; what they ask is answered here from the store. Whatever goes wrong in a script, the message is
//! kept: a fault files it where it would have been filed without scripts, with a warning for the host. Only trouble of
//! the store is an error, and the message then waits with whoever has it.

use std::sync::Arc;

use super::filing::{Copy, Place};
use super::wire::front;
use crate::base::event::Event;
use crate::base::limits::{FILE_INLINE_OCTETS_MAX, SIEVE_BODY_OCTETS_MAX, SIEVE_HOPS_MAX, SIEVE_QUESTIONS_MAX};
use crate::base::{Account, Address, Content, Error, ErrorKind, Flags, Result, Settings, SpecialUse, Timestamp, World};
use crate::message::fields;
use crate::os::aside::aside;
use crate::sieve::{Answer, Deed, Ended, Facts, Fault, Letter, Mail, Outcome, Place as At, Question, Script, run};
use crate::store::Store;

/// The field that a redirected message has on top: whose script sent it on.
pub const REDIRECTED: &str = "X-Sieve-Redirected-From";

/// How a message came to an account.
#[derive(Debug, Clone, Default)]
pub struct Passage {
    /// The reverse-path.
    pub from: Option<Address>,
    /// The forward-path.
    pub to: Option<Address>,
    /// The client's IP address.
    pub client: Option<String>,
    /// Who had logged in to send it.
    pub login: Option<String>,
    /// How likely it is spam, in percent; `None` where nobody looked.
    pub spam: Option<u8>,
}

/// What is done with a message for an account.
#[derive(Debug, Clone, Default)]
pub struct Ruling {
    /// Copies of the message as it is.
    pub copies: Vec<Copy>,
    /// Copies with another header.
    pub edited: Vec<(Arc<Vec<u8>>, Vec<Copy>)>,
    /// Where it is sent on, and with which header if not its own.
    pub redirects: Vec<(Address, Option<Arc<Vec<u8>>>)>,
    /// Letters to be sent, with a null reverse-path. What is remembered of one keeps it from being sent again.
    pub letters: Vec<(Letter, Option<Remembered>)>,
    /// Copies of letters for the owner.
    pub filed_letters: Vec<(Vec<u8>, Copy)>,
    /// What is remembered if the message is filed.
    pub remember: Vec<Remembered>,
    /// Why it is refused.
    pub rejected: Option<(String, bool)>,
    /// What the host is told.
    pub events: Vec<Event>,
}

/// A key and until when it is remembered.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The key.
    pub key: String,
    /// Until when.
    pub until: Timestamp,
}

/// What rules are run with.
#[derive(Clone, std::marker::Copy)]
pub struct Ruler<'a> {
    /// The world outside.
    pub world: &'a World,
    /// Where scripts, mailboxes and memories are.
    pub store: &'a Store,
    /// What the host set.
    pub settings: &'a Settings,
}

/// A message, as scripts are shown it.
struct Shown {
    octets: Vec<u8>,
    size: u64,
    passage: Passage,
    own: Vec<Address>,
    separator: Option<char>,
    now: Timestamp,
    host: String,
    random: [u8; 16],
}

impl Shown {
    fn mail(&self) -> Mail<'_> {
        Mail {
            octets: &self.octets,
            size: self.size,
            from: self.passage.from.as_ref(),
            to: self.passage.to.as_ref(),
            login: self.passage.login.as_deref(),
            own: &self.own,
            separator: self.separator,
            now: self.now,
            host: &self.host,
            client: self.passage.client.as_deref(),
            spam: self.passage.spam,
            random: self.random,
        }
    }
}

impl Ruler<'_> {
    /// What an account's scripts say of a message that would come to rest at `place`; `None` where it has none.
    pub async fn rule(
        &self,
        account: &Account,
        place: Place,
        passage: &Passage,
        content: &Content,
        now: Timestamp,
    ) -> Result<Option<Ruling>> {
        let rules = self.store.rules(account).await?;
        if rules.is_empty() {
            return Ok(None);
        }
        let mut ruling = Ruling::default();
        let mut scripts = Vec::with_capacity(rules.len());
        for (name, program) in rules.iter() {
            match program {
                Ok(program) => scripts.push(Script { name: Arc::clone(name), program: Arc::clone(program) }),
                Err(fault) => ruling.events.push(warning(account, name, fault)),
            }
        }
        let outcome = self.outcome(account, scripts, passage, content, now, false).await?;
        self.translate(account, place, outcome, content, now, &mut ruling).await?;
        Ok(Some(ruling))
    }

    /// What these scripts say of a message. With `explain` the outcome has notes.
    pub async fn outcome(
        &self,
        account: &Account,
        scripts: Vec<Script>,
        passage: &Passage,
        content: &Content,
        now: Timestamp,
        explain: bool,
    ) -> Result<Outcome> {
        let wants_body = scripts.iter().any(|script| script.program.reads_body() || script.program.includes());
        let octets = self.octets(content, wants_body).await?;
        let mut random = [0; 16];
        self.world.entropy.fill(&mut random);
        let shown = Arc::new(Shown {
            octets,
            size: content.len(),
            passage: passage.clone(),
            own: vec![account.address.clone()],
            separator: self.settings.subaddress_separator,
            now,
            host: self.settings.hostname.clone(),
            random,
        });
        let inline = shown.octets.len() as u64 <= FILE_INLINE_OCTETS_MAX;
        let scripts = Arc::new(scripts);
        let mut facts = Facts::new();
        loop {
            let (given, ours, known) = (Arc::clone(&shown), Arc::clone(&scripts), facts.clone());
            let ended = aside(&*self.world.run, inline, move || run(&ours, &given.mail(), &known, explain)).await?;
            match ended {
                Ended::Done(outcome) => return Ok(outcome),
                Ended::Asks(_) if facts.len() >= SIEVE_QUESTIONS_MAX => {
                    let fault = Fault::new(At::default(), format!("more than {SIEVE_QUESTIONS_MAX} questions"));
                    return Ok(kept(fault));
                }
                Ended::Asks(question) => {
                    let answer = self.answer(account, &question, now).await?;
                    facts.insert(question, answer);
                }
            }
        }
    }

    async fn octets(&self, content: &Content, wants_body: bool) -> Result<Vec<u8>> {
        let content = content.clone();
        let inline = matches!(content.body, crate::base::Body::Memory(_)) && content.len() <= FILE_INLINE_OCTETS_MAX;
        let read = move || {
            if !wants_body {
                return front(&content);
            }
            let mut octets = vec![0; content.len().min(SIEVE_BODY_OCTETS_MAX as u64) as usize];
            let mut filled = 0;
            while let Some(room) = octets.get_mut(filled..).filter(|room| !room.is_empty()) {
                match content.read_at(filled as u64, room)? {
                    0 => break,
                    read => filled += read,
                }
            }
            octets.truncate(filled);
            Ok(octets)
        };
        let octets = aside(&*self.world.run, inline, read).await?;
        octets.map_err(|e| Error::new(ErrorKind::Store, format!("scratch file: {e}")).with_errno_of(&e))
    }

    async fn answer(&self, account: &Account, question: &Question, now: Timestamp) -> Result<Answer> {
        Ok(match question {
            Question::Mailbox(name) => {
                let found = self.store.mailbox(account.id, name).await;
                Answer::Is(found.is_ok_and(|found| found.is_some_and(|mailbox| mailbox.selectable)))
            }
            Question::SpecialUse { mailbox, special_use } => {
                let wanted = SpecialUse::parse(special_use);
                let all = self.store.mailboxes(account.id).await?;
                let named = |name: &str| mailbox.as_ref().is_none_or(|wanted| wanted == name);
                Answer::Is(wanted.is_some() && all.iter().any(|m| m.special_use == wanted && named(&m.name)))
            }
            // The store keeps no annotations.
            Question::Metadata { .. } => Answer::Value(None),
            Question::Script { global, name } => {
                let found = self.store.included(account, *global, name).await?;
                Answer::Script(found.map(|found| found.map(Arc::new)))
            }
            Question::Seen(key) => Answer::Is(self.store.is_remembered(account.id, key, now).await?),
        })
    }

    /// Makes an outcome what is done with mailboxes, queue and memory.
    async fn translate(
        &self,
        account: &Account,
        place: Place,
        outcome: Outcome,
        content: &Content,
        now: Timestamp,
        ruling: &mut Ruling,
    ) -> Result<()> {
        if let Some((name, fault)) = &outcome.fault {
            ruling.events.push(warning(account, name, fault));
        }
        let until = |seconds: u64| now.after(std::time::Duration::from_secs(seconds));
        for remember in outcome.remember {
            ruling.remember.push(Remembered { key: remember.key, until: until(remember.seconds) });
        }
        let mut is_loop = None;
        for done in outcome.done {
            let header = done.header.and_then(|header| outcome.headers.get(header)).cloned();
            match done.deed {
                Deed::File { .. } => {
                    let copy = self.copy(account, place, done.deed, ruling).await?;
                    ruling.file(header, copy);
                }
                Deed::Redirect(to) => {
                    let stops = match is_loop {
                        Some(stops) => stops,
                        None => self.is_loop(account, content).await?,
                    };
                    is_loop = Some(stops);
                    if stops || to.key() == account.address.key() {
                        let text = format!("{}: not redirected to {to}, it came from there", account.address);
                        ruling.events.push(Event::Warning { about: "sieve", text });
                        ruling.file(header, plain_copy(place));
                    } else {
                        ruling.redirects.push((to, header));
                    }
                }
                Deed::Reject { reason, hard } => ruling.rejected = Some((reason, hard)),
                Deed::Reply(reply) => {
                    let remembered = Remembered { key: reply.remember.key, until: until(reply.remember.seconds) };
                    if !self.store.is_remembered(account.id, &remembered.key, now).await? {
                        self.letter(account, place, reply.letter, Some(remembered), ruling).await?;
                    }
                }
                Deed::Notify(letter) => self.letter(account, place, *letter, None, ruling).await?,
            }
        }
        Ok(())
    }

    async fn letter(
        &self,
        account: &Account,
        place: Place,
        mut letter: Letter,
        remembered: Option<Remembered>,
        ruling: &mut Ruling,
    ) -> Result<()> {
        if let Some(deed) = letter.copy.take() {
            let copy = self.copy(account, place, deed, ruling).await?;
            ruling.filed_letters.push((letter.octets.clone(), copy));
        }
        ruling.letters.push((letter, remembered));
        Ok(())
    }

    /// Where a copy goes: at `place`, where its mailbox is not there and is not made.
    async fn copy(&self, account: &Account, place: Place, deed: Deed, ruling: &mut Ruling) -> Result<Copy> {
        let Deed::File { mailbox, special_use, create, flags } = deed else { return Ok(plain_copy(place)) };
        let mut copy = plain_copy(place);
        for flag in &flags {
            match Flags::system(flag) {
                Some(flag) => copy.flags = copy.flags | flag,
                None => copy.keywords.push(flag.clone()),
            }
        }
        let wanted = special_use.as_deref().and_then(SpecialUse::parse);
        if let Some(wanted) = wanted {
            let found = self.store.mailboxes_for(vec![account.id], wanted).await?;
            if let Some(found) = found.into_iter().next().flatten() {
                copy.place = Place::Mailbox(found);
                return Ok(copy);
            }
        }
        let Some(name) = mailbox else { return Ok(copy) };
        if name.eq_ignore_ascii_case("INBOX") {
            copy.place = if place == Place::Inbox { place } else { Place::Mailbox(account.inbox) };
            return Ok(copy);
        }
        match self.mailbox(account, &name, create, wanted).await {
            Ok(mailbox) => copy.place = Place::Mailbox(mailbox),
            Err(e) if e.kind().is_of_disk() => return Err(e),
            Err(e) => {
                let text = format!("{}: not filed into \"{name}\": {e}", account.address);
                ruling.events.push(Event::Warning { about: "sieve", text });
            }
        }
        Ok(copy)
    }

    async fn mailbox(
        &self,
        account: &Account,
        name: &str,
        create: bool,
        special_use: Option<SpecialUse>,
    ) -> Result<crate::base::MailboxId> {
        if let Some(found) = self.store.mailbox(account.id, name).await?.filter(|found| found.selectable) {
            return Ok(found.id);
        }
        if !create {
            return Err(Error::new(ErrorKind::NotFound, "there is no such mailbox"));
        }
        match self.store.mailbox_create(account.id, name, special_use).await {
            Ok(made) => {
                self.store.mailbox_subscribe(account.id, name, true).await?;
                Ok(made.id)
            }
            // Another message had it made.
            Err(e) if e.kind() == ErrorKind::Exists => {
                let found = self.store.mailbox(account.id, name).await?;
                found.map(|found| found.id).ok_or(e)
            }
            Err(e) => Err(e),
        }
    }

    /// Whether a message was redirected by this account before, or too often.
    async fn is_loop(&self, account: &Account, content: &Content) -> Result<bool> {
        let octets = self.octets(content, false).await?;
        let own = account.address.key();
        let mut hops = 0;
        for field in fields(&octets).filter(|field| field.is(REDIRECTED)) {
            hops += 1;
            let value = String::from_utf8_lossy(&field.value()).into_owned();
            if hops > SIEVE_HOPS_MAX || Address::parse(value.trim()).is_ok_and(|address| address.key() == own) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Ruling {
    /// Adds a copy; two in one place are one with the flags of both.
    fn file(&mut self, header: Option<Arc<Vec<u8>>>, copy: Copy) {
        let copies = match header {
            None => &mut self.copies,
            Some(header) => match self.edited.iter().position(|(known, _)| Arc::ptr_eq(known, &header)) {
                Some(at) => match self.edited.get_mut(at) {
                    Some((_, copies)) => copies,
                    None => return,
                },
                None => {
                    self.edited.push((header, vec![copy]));
                    return;
                }
            },
        };
        match copies.iter_mut().find(|known| known.place == copy.place) {
            Some(known) => {
                known.flags = known.flags | copy.flags;
                let new = copy.keywords.into_iter().filter(|keyword| !known.keywords.contains(keyword));
                let new: Vec<_> = new.collect();
                known.keywords.extend(new);
            }
            None => copies.push(copy),
        }
    }
}

fn plain_copy(place: Place) -> Copy {
    Copy { place, flags: Flags::NONE, keywords: Vec::new() }
}

fn warning(account: &Account, script: &str, fault: &Fault) -> Event {
    Event::Warning { about: "sieve", text: format!("{}: script \"{script}\", {fault}", account.address) }
}

/// What a script comes to that cannot be run to its end.
fn kept(fault: Fault) -> Outcome {
    let deed = Deed::File { mailbox: None, special_use: None, create: false, flags: Vec::new() };
    let script: Arc<str> = Arc::from("");
    let done = crate::sieve::Done { script: Arc::clone(&script), at: fault.at, implicit: true, header: None, deed };
    Outcome { done: vec![done], fault: Some((script, fault)), ..Outcome::default() }
}
