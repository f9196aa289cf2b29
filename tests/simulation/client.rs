//! Users of a store who remember what they were promised.
//!
//! Each client has mailboxes and queue items of its own and does one thing at a time; it predicts what the
//! store must hold after each answer. Several of them at once make group commits. What they share is a
//! mailbox that all of them file into, always together with something of their own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use mailcore::base::event::{Origin, Outcome};
use mailcore::base::{
    Address, Content, Enhanced, Envelope, Flags, MailboxId, ModSeq, QueueId, Recipient, Result, Timestamp, Uid, UidSet,
    World,
};
use mailcore::store::{
    Acceptance, Arrival, AttemptResult, BlobMeta, Directory, Expunge, Filed, Filing, FlagChange, FlagHow, NewItem,
    RecipientState, Router, Settle, Settled, Store, Want,
};

use crate::promise::{ItemState, MessageState, State, Who, hash};
use crate::rng::Rng;

const KEYWORDS: [&str; 3] = ["$Forwarded", "$Work", "later"];
const SYSTEM: [Flags; 5] = [Flags::SEEN, Flags::ANSWERED, Flags::FLAGGED, Flags::DELETED, Flags::DRAFT];

/// What a client can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    Deliver,
    Flag,
    Copy,
    Move,
    Expunge,
    Begin,
    Settle,
}

/// One thing done.
#[derive(Debug, Clone)]
pub struct Step {
    /// What; the first step is the account itself.
    pub act: Option<Act>,
    /// Changes of the disk recorded when it was begun, and when it was answered.
    pub began: usize,
    /// See `began`.
    pub answered: usize,
    /// What holds from then on.
    pub state: State,
}

/// A user of a store.
pub struct Client {
    /// Who it is.
    pub who: Who,
    /// What it was promised.
    pub state: State,
    /// Queue ids it was ever given.
    pub ids: BTreeSet<QueueId>,
    /// Acts that failed and were looked after.
    pub doubts: u64,
    rng: Rng,
    made: u64,
}

impl Client {
    /// Makes an account for client number `number` and reads what there is.
    pub async fn sign_up(store: &Store, seed: u64, number: u64, shared: MailboxId) -> Result<Client> {
        let address = Address::parse(&format!("client{number}@example.org")).expect("an address");
        let account = store.account_put(&address, None).await?;
        let rng = Rng::new(seed, &format!("client {number}"));
        let who = Who { address, account, shared };
        let state = who.dump(store, &BTreeSet::new()).await?;
        Ok(Client { who, state, ids: BTreeSet::new(), doubts: 0, rng, made: number << 32 })
    }

    /// After an error: takes what the store holds for what is promised from now on. What went is gone only
    /// where `gone` says that the act in doubt takes things away. Gives what is wrong.
    pub async fn settle_doubt(&mut self, store: &Store, gone: bool) -> Result<Option<String>> {
        // What readers see while the writer is down is not promised yet: a change that succeeds says that it is.
        store.setting_put("doubt", None).await?;
        let found = self.who.dump(store, &self.ids).await?;
        for (id, mailbox) in &self.state.mailboxes {
            let there = &found.mailboxes[id];
            for (uid, message) in &mailbox.messages {
                let kept = there.messages.get(uid).is_some_and(|now| now.body == message.body);
                if !kept && !gone {
                    return Ok(Some(format!("mailbox {id:?}: UID {uid} is gone after an error")));
                }
            }
            if there.uid_next < mailbox.uid_next || there.mod_seq < mailbox.mod_seq {
                return Ok(Some(format!("mailbox {id:?}: UIDNEXT or MODSEQ fell after an error")));
            }
        }
        if !self.state.shared.is_subset(&found.shared) {
            return Ok(Some("the shared mailbox lost mail after an error".to_owned()));
        }
        self.ids.extend(found.items.keys());
        self.doubts += 1;
        self.state = found;
        Ok(None)
    }

    /// A sleep of a few milliseconds between two acts; all rest at once now and then, so that the store is idle.
    pub fn pause(&mut self, step: usize) -> Duration {
        let rest = if step % 8 == 7 { 10_000_000 } else { 0 };
        Duration::from_micros(rest + self.rng.below(3000))
    }

    /// By how much somebody sets the wall clock before the next act, in milliseconds: mostly not at all.
    pub fn clock_change(&mut self) -> i64 {
        if self.rng.per_mille(100) { self.rng.below(13) as i64 * 3_600_000 - 6 * 3_600_000 } else { 0 }
    }

    /// Does one thing and remembers the answer. After an error see [`Client::settle_doubt`].
    pub async fn act(&mut self, act: Act, world: &World, store: &Store) -> Result<()> {
        match act {
            Act::Deliver => self.deliver(world, store).await,
            Act::Flag => self.flag(store).await,
            Act::Copy => self.copy(store, false).await,
            Act::Move => self.copy(store, true).await,
            Act::Expunge => self.expunge(store).await,
            Act::Begin => self.begin(world, store).await,
            Act::Settle => self.settle(world, store).await,
        }
    }

    /// What to do next.
    pub fn next_act(&mut self) -> Act {
        match self.rng.below(100) {
            0..35 => Act::Deliver,
            35..55 => Act::Flag,
            55..63 => Act::Copy,
            63..70 => Act::Move,
            70..80 => Act::Expunge,
            80..90 => Act::Begin,
            _ => Act::Settle,
        }
    }

    fn pick(&mut self) -> MailboxId {
        let at = self.rng.index(self.state.mailboxes.len());
        *self.state.mailboxes.keys().nth(at).expect("mailboxes were made")
    }

    fn other(&self, than: MailboxId) -> MailboxId {
        *self.state.mailboxes.keys().find(|id| **id != than).expect("two mailboxes")
    }

    fn some_uids(&mut self, mailbox: MailboxId) -> Vec<Uid> {
        let part = self.rng.between(100, 900);
        let uids: Vec<Uid> = self.state.mailboxes[&mailbox].messages.keys().copied().collect();
        uids.into_iter().filter(|_| self.rng.per_mille(part)).collect()
    }

    fn message(&mut self) -> (Content, u64) {
        self.made += 1;
        let octets = if self.rng.per_mille(50) { self.rng.index(20_000) } else { self.rng.index(1500) };
        let mut text = format!("From: {}\r\nSubject: {}\r\n\r\n", self.who.address.key(), self.made).into_bytes();
        let start = text.len();
        text.resize(start + octets, 0);
        self.rng.fill(&mut text[start..]);
        let body = hash(&text);
        (Content::from_octets(text), body)
    }

    fn arrival(&mut self, content: Content, filings: Vec<Filing>) -> Arrival {
        let meta = BlobMeta { header_octets: 40, subject: self.made.to_string(), ..BlobMeta::default() };
        Arrival { content, meta, filings, origin: Origin::default() }
    }

    /// What the store must have done for a filing of ours.
    fn filed(&mut self, filed: &Filed, filing: &Filing, body: u64) {
        if filed.mailbox == self.who.shared {
            self.state.shared.insert(body);
            return;
        }
        let mailbox = self.state.mailboxes.get_mut(&filed.mailbox).expect("ours");
        assert_eq!(filed.uid_validity, mailbox.uid_validity, "UIDVALIDITY changed");
        assert!(filed.uid >= mailbox.uid_next, "UID {} given twice", filed.uid);
        assert!(filed.mod_seq > mailbox.mod_seq, "MODSEQ fell from {} to {}", mailbox.mod_seq, filed.mod_seq);
        mailbox.uid_next = filed.uid + 1;
        mailbox.mod_seq = filed.mod_seq;
        let keywords = filing.keywords.iter().cloned().collect();
        let message = MessageState { flags: filing.flags, keywords, mod_seq: filed.mod_seq, body };
        mailbox.messages.insert(filed.uid, message);
    }

    async fn deliver(&mut self, world: &World, store: &Store) -> Result<()> {
        let now = world.clock.wall();
        let (content, body) = self.message();
        let own = self.pick();
        let filing = |mailbox, flags| Filing { mailbox, flags, keywords: Vec::new(), internal_date: now };
        let mut filings = vec![filing(own, Flags::NONE)];
        if self.rng.per_mille(200) {
            filings.push(filing(self.other(own), Flags::SEEN));
        }
        if self.rng.per_mille(300) {
            filings.push(filing(self.who.shared, Flags::NONE));
        }
        if self.rng.per_mille(200) {
            filings[0].keywords.push(KEYWORDS[self.rng.index(KEYWORDS.len())].to_owned());
        }
        let recipients = if self.rng.per_mille(400) { self.rng.between(1, 3) } else { 0 };
        let mut acceptance = Acceptance::default();
        if recipients > 0 {
            acceptance.items.push(self.item(content.clone(), recipients, now));
        }
        acceptance.arrivals.push(self.arrival(content, filings.clone()));
        // Said again after every reopening.
        store.queue_route_by(Arc::new(ByDomain));
        let accepted = store.accept(acceptance).await?;
        assert_eq!(accepted.filed.len(), filings.len());
        for (filed, filing) in accepted.filed.iter().zip(&filings) {
            self.filed(filed, filing, body);
        }
        for id in accepted.queued {
            let recipients = vec![(RecipientState::Waiting, 0, now); recipients as usize];
            assert!(self.ids.insert(id), "queue id {id:?} given twice");
            self.state.items.insert(id, ItemState { body, recipients });
        }
        Ok(())
    }

    /// Where this client's queued mail goes: nobody else's does.
    fn destination(&self) -> String {
        format!("a{}.example.net", self.who.account.0)
    }

    fn item(&self, content: Content, recipients: u64, now: Timestamp) -> NewItem {
        let domain = self.destination();
        let recipient = |n| Recipient::new(Address::parse(&format!("r{n}@{domain}")).expect("an address"));
        let envelope = Envelope {
            reverse_path: Some(self.who.address.clone()),
            recipients: (0..recipients).map(recipient).collect(),
            ..Envelope::default()
        };
        let expires = now.after(Duration::from_secs(5 * 86_400));
        NewItem { envelope, content, submitter: Some(self.who.account), created: now, due: now, expires }
    }

    async fn flag(&mut self, store: &Store) -> Result<()> {
        let mailbox = self.pick();
        let uids = self.some_uids(mailbox);
        let flags = SYSTEM.into_iter().filter(|_| self.rng.per_mille(300)).fold(Flags::NONE, |a, b| a | b);
        let how = [FlagHow::Add, FlagHow::Remove, FlagHow::Replace][self.rng.index(3)];
        let keywords: Vec<String> =
            KEYWORDS.iter().filter(|_| self.rng.per_mille(200)).map(|name| (*name).to_owned()).collect();
        let change = FlagChange { how, flags, keywords: keywords.clone() };
        let answer = store.change_flags(mailbox, set(&uids), change, None).await?;
        let state = self.state.mailboxes.get_mut(&mailbox).expect("ours");
        let mut changed = Vec::new();
        for uid in &uids {
            let message = state.messages.get_mut(uid).expect("ours");
            let before = (message.flags, message.keywords.clone());
            match how {
                FlagHow::Add => {
                    message.flags = message.flags | flags;
                    message.keywords.extend(keywords.iter().cloned());
                }
                FlagHow::Remove => {
                    message.flags = message.flags & !flags;
                    message.keywords.retain(|name| !keywords.contains(name));
                }
                FlagHow::Replace => {
                    message.flags = flags;
                    message.keywords = keywords.iter().cloned().collect();
                }
            }
            if before != (message.flags, message.keywords.clone()) {
                message.mod_seq = answer.mod_seq;
                changed.push(*uid);
            }
        }
        assert_eq!(answer.changed, changed, "STORE changed other messages than it should");
        if !changed.is_empty() {
            assert!(answer.mod_seq > state.mod_seq, "MODSEQ fell");
            state.mod_seq = answer.mod_seq;
        }
        Ok(())
    }

    async fn copy(&mut self, store: &Store, moving: bool) -> Result<()> {
        let from = self.pick();
        let to = self.other(from);
        let uids = self.some_uids(from);
        let answer = if moving {
            store.move_messages(from, set(&uids), to).await?
        } else {
            store.copy(from, set(&uids), to).await?
        };
        assert_eq!(answer.from, uids, "COPY took other messages than it should");
        if uids.is_empty() {
            return Ok(());
        }
        let after = store.snapshot(to).await?;
        for (old, new) in answer.from.iter().zip(&answer.to) {
            let message = self.state.mailboxes[&from].messages[old].clone();
            let target = self.state.mailboxes.get_mut(&to).expect("ours");
            let mod_seq = after.messages.find(*new).expect("the copy is there").mod_seq;
            assert!(*new >= target.uid_next, "UID {new} given twice");
            assert!(mod_seq > target.mod_seq, "MODSEQ fell");
            target.uid_next = new + 1;
            target.messages.insert(*new, MessageState { mod_seq, ..message });
        }
        self.state.mailboxes.get_mut(&to).expect("ours").mod_seq = after.mod_seq;
        if moving {
            self.gone(from, &uids, answer.mod_seq);
        }
        Ok(())
    }

    fn gone(&mut self, mailbox: MailboxId, uids: &[Uid], mod_seq: ModSeq) {
        let state = self.state.mailboxes.get_mut(&mailbox).expect("ours");
        for uid in uids {
            assert!(state.messages.remove(uid).is_some(), "UID {uid} was expunged twice");
        }
        if !uids.is_empty() {
            assert!(mod_seq > state.mod_seq, "MODSEQ fell");
            state.mod_seq = mod_seq;
        }
    }

    async fn expunge(&mut self, store: &Store) -> Result<()> {
        let mailbox = self.pick();
        let some = self.some_uids(mailbox);
        let deleted = |uid: &Uid| self.state.mailboxes[&mailbox].messages[uid].flags.contains(Flags::DELETED);
        let all = self.state.mailboxes[&mailbox].messages.keys();
        let (which, expected): (Expunge, Vec<Uid>) = match self.made % 3 {
            0 => (Expunge::Deleted, all.copied().filter(deleted).collect()),
            1 => (Expunge::DeletedAmong(set(&some)), some.iter().copied().filter(deleted).collect()),
            _ => (Expunge::Among(set(&some)), some.clone()),
        };
        let answer = store.expunge(mailbox, which).await?;
        assert_eq!(answer.uids, expected, "EXPUNGE took other messages than it should");
        self.gone(mailbox, &expected, answer.mod_seq);
        Ok(())
    }

    /// A queue item with a recipient that waits, and which wait.
    fn waiting(&mut self) -> Option<(QueueId, Vec<u32>)> {
        let at = self.rng.index(self.state.items.len());
        let (id, item) = self.state.items.iter().nth(at)?;
        let waits = item.recipients.iter().enumerate().filter(|(_, (state, ..))| *state == RecipientState::Waiting);
        Some((*id, waits.map(|(index, _)| index as u32).collect()))
    }

    async fn begin(&mut self, world: &World, store: &Store) -> Result<()> {
        let now = world.clock.wall();
        let next = now.after(Duration::from_secs(self.rng.between(300, 7200)));
        let destination = self.destination();
        let want = Want { destination, items_max: 2, recipients_max: 2, skip: Vec::new(), counts: true };
        for claim in store.queue_take(vec![want], now, move |_| next).await?.remove(0).claims {
            let item = self.state.items.get_mut(&claim.id).expect("ours");
            for index in claim.places {
                let (state, attempts, due) = &mut item.recipients[index as usize];
                assert!(*state == RecipientState::Waiting && *due <= now, "claimed what was not due");
                (*attempts, *due) = (*attempts + 1, next);
            }
        }
        Ok(())
    }

    async fn settle(&mut self, world: &World, store: &Store) -> Result<()> {
        let Some((id, waiting)) = self.waiting() else { return Ok(()) };
        let now = world.clock.wall();
        let mut settled = Vec::new();
        for index in waiting {
            let outcome = [Outcome::Delivered, Outcome::Deferred, Outcome::Failed][self.rng.index(3)];
            let next = (outcome == Outcome::Deferred).then(|| now.after(Duration::from_secs(900)));
            settled.push(Settle { id, index, result: result(now, outcome), next });
        }
        // A failure is reported to the sender, who is local: filed in the same transaction.
        let (content, body) = self.message();
        let inbox = *self.state.mailboxes.keys().next().expect("an INBOX");
        let filing = Filing { mailbox: inbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: now };
        let mut reports = Acceptance::default();
        if settled.iter().any(|settle| settle.result.outcome == Outcome::Failed) {
            reports.arrivals.push(self.arrival(content, vec![filing.clone()]));
        }
        let settlement = (self.rng.next() >> 1) as i64 | 1;
        let settled_so = store.queue_settle(settlement, settled.clone(), reports).await?;
        let Settled::Done { accepted, .. } = settled_so else { panic!("{settled_so:?}") };
        for filed in &accepted.filed {
            self.filed(filed, &filing, body);
        }
        let item = self.state.items.get_mut(&id).expect("ours");
        for settle in &settled {
            let (state, _, due) = &mut item.recipients[settle.index as usize];
            match settle.result.outcome {
                Outcome::Delivered => *state = RecipientState::Delivered,
                Outcome::Deferred => *due = settle.next.expect("deferred"),
                _ => *state = RecipientState::Failed,
            }
        }
        *self.state.attempts.entry(id).or_default() += settled.len();
        if item.recipients.iter().all(|(state, ..)| *state != RecipientState::Waiting) {
            self.state.items.remove(&id);
        }
        Ok(())
    }
}

/// Rows by domain.
pub struct ByDomain;

impl Router for ByDomain {
    fn destination(&self, _: &Directory<'_>, to: &Address) -> String {
        to.domain().key()
    }
}

fn result(at: Timestamp, outcome: Outcome) -> AttemptResult {
    let delivered = outcome == Outcome::Delivered;
    AttemptResult {
        at,
        outcome,
        host: "mx.example.net".into(),
        code: if delivered { 250 } else { 451 },
        enhanced: Some(if delivered { Enhanced::new(2, 0, 0) } else { Enhanced::new(4, 3, 0) }),
        text: "as decided by chance".into(),
        took: Duration::from_millis(7),
        tls: String::new(),
        policy: String::new(),
    }
}

fn set(uids: &[Uid]) -> UidSet {
    UidSet::from_ranges(uids.iter().map(|uid| (*uid, *uid)).collect())
}
