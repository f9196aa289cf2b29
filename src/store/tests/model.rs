//! Random operations on two mailboxes against a model of a few lines; reopened every now and then.

use super::*;
use std::collections::BTreeSet;

/// A message: its flags and keywords by name, and its modification sequence.
type Message = (BTreeSet<String>, u64);

#[derive(Default)]
struct Model {
    messages: BTreeMap<Uid, Message>,
    mod_seq: u64,
    uid_next: Uid,
    vanished: Vec<(u64, Uid)>,
}

/// xorshift: the same numbers every time.
pub(super) struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

pub(super) fn names(flags: Flags, keywords: &[String]) -> BTreeSet<String> {
    let system = Flags::NAMES.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, name)| (*name).to_owned());
    let bits = keywords.iter().enumerate().filter(|(i, _)| flags.contains(Flags::keyword(*i)));
    system.chain(bits.map(|(_, name)| name.clone())).collect()
}

impl Model {
    async fn check(&self, store: &Store, info: &MailboxInfo) {
        let snapshot = store.snapshot(info.id).await.unwrap();
        let messages = snapshot.messages.iter();
        let seen: BTreeMap<Uid, Message> =
            messages.map(|m| (m.uid, (names(m.flags, &snapshot.keywords), m.mod_seq))).collect();
        assert!(snapshot.messages.uids().is_sorted());
        assert_eq!((snapshot.uid_next, snapshot.mod_seq), (self.uid_next, self.mod_seq));
        assert_eq!(seen.len(), snapshot.count());
        assert!(seen == self.messages, "{:?}", diff(&seen, &self.messages));
        let row = store.mailbox(info.account, &info.name).await.unwrap().unwrap();
        let with = |name: &str| self.messages.values().filter(|(flags, _)| flags.contains(name)).count() as u32;
        let total = self.messages.len() as u32;
        assert_eq!((row.total, row.unseen, row.deleted), (total, total - with("\\Seen"), with("\\Deleted")));
        assert_eq!((row.octets, row.mod_seq, row.uid_next), (u64::from(total), self.mod_seq, self.uid_next));
        let facts = store.facts(info.id, &UidSet::all()).await.unwrap();
        assert!(facts.iter().map(|fact| fact.uid).eq(self.messages.keys().copied()));
    }

    fn append(&mut self, flags: BTreeSet<String>, mod_seq: u64) {
        self.messages.insert(self.uid_next, (flags, mod_seq));
        self.uid_next += 1;
        self.mod_seq = mod_seq;
    }

    fn pick(&self, dice: &mut Dice) -> UidSet {
        let low = self.messages.keys().next().copied().unwrap_or(self.uid_next);
        let span = u64::from(self.uid_next - low) + 1;
        match dice.below(5) {
            0 => UidSet::all(),
            1 => (0..span).step_by(dice.below(13) as usize + 1).map(|n| low + n as Uid).collect(),
            _ => {
                let first = low + dice.below(span) as Uid;
                uids(&[(first, first.saturating_add(dice.below(700) as Uid))])
            }
        }
    }

    fn remove(&mut self, gone: &[Uid], mod_seq: u64) {
        for uid in gone {
            assert!(self.messages.remove(uid).is_some());
            self.vanished.push((mod_seq, *uid));
        }
        self.mod_seq = mod_seq;
    }
}

fn diff(a: &BTreeMap<Uid, Message>, b: &BTreeMap<Uid, Message>) -> Vec<(Uid, Option<Message>, Option<Message>)> {
    let all: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    let different = all.into_iter().filter(|uid| a.get(uid) != b.get(uid));
    different.map(|uid| (*uid, a.get(uid).cloned(), b.get(uid).cloned())).take(5).collect()
}

/// One random operation on mailbox `here`, with `there` as the other.
async fn step(store: &Store, infos: &[MailboxInfo], models: &mut [Model], dice: &mut Dice) {
    let here = dice.below(2) as usize;
    let (id, other) = (infos[here].id, infos[1 - here].id);
    match dice.below(11) {
        10 => group(store, id, &mut models[here]).await,
        0..=2 => {
            let count = [1, 3, 40, 300][dice.below(4) as usize];
            let mut arrivals = Vec::new();
            for n in 0..count {
                let keywords = if n % 7 == 0 { vec![format!("k{}", dice.below(58))] } else { vec![] };
                let flags = if n % 3 == 0 { Flags::SEEN } else { Flags::NONE };
                let mut bits: BTreeSet<String> = keywords.iter().cloned().collect();
                bits.extend(names(flags, &[]));
                let mod_seq = models[here].mod_seq + 1;
                models[here].append(bits, mod_seq);
                arrivals.extend(arrival("x", vec![Filing { flags, keywords, ..filing(id) }]).arrivals);
            }
            store.accept(Acceptance { arrivals, items: vec![], ..Acceptance::default() }).await.unwrap();
        }
        3..=6 => flags(store, id, &mut models[here], dice).await,
        7 => {
            let set = models[here].pick(dice);
            let which = match dice.below(3) {
                0 => Expunge::Deleted,
                1 => Expunge::DeletedAmong(set),
                _ => Expunge::Among(set),
            };
            let expected: Vec<Uid> = (models[here].messages.iter())
                .filter(|(uid, (flags, _))| match &which {
                    Expunge::Deleted => flags.contains("\\Deleted"),
                    Expunge::DeletedAmong(set) => flags.contains("\\Deleted") && set.contains(**uid),
                    Expunge::Among(set) => set.contains(**uid),
                })
                .map(|(uid, _)| *uid)
                .collect();
            let done = store.expunge(id, which).await.unwrap();
            assert_eq!(done.uids, expected);
            models[here].remove(&expected, done.mod_seq);
        }
        n => {
            let set = models[here].pick(dice);
            let moving = n == 8;
            let source: Vec<(Uid, BTreeSet<String>)> = (models[here].messages.iter())
                .filter(|(uid, _)| set.contains(**uid))
                .map(|(uid, (flags, _))| (*uid, flags.clone()))
                .collect();
            let done = match moving {
                true => store.move_messages(id, set, other).await.unwrap(),
                false => store.copy(id, set, other).await.unwrap(),
            };
            let gone: Vec<Uid> = source.iter().map(|(uid, _)| *uid).collect();
            assert_eq!(done.from, gone);
            let mod_seq = models[1 - here].mod_seq + 1;
            for ((_, flags), uid) in source.into_iter().zip(&done.to) {
                assert_eq!(*uid, models[1 - here].uid_next);
                models[1 - here].append(flags, mod_seq);
            }
            if moving && !gone.is_empty() {
                models[here].remove(&gone, done.mod_seq);
            }
        }
    }
}

async fn flags(store: &Store, id: MailboxId, model: &mut Model, dice: &mut Dice) {
    let set = model.pick(dice);
    let how = [FlagHow::Add, FlagHow::Remove, FlagHow::Replace][dice.below(3) as usize];
    let flags = Flags(dice.below(32) << 1 & dice.below(32) << 1);
    let keywords = (0..dice.below(3)).map(|_| format!("k{}", dice.below(58))).collect::<Vec<_>>();
    let since = (dice.below(3) == 0).then(|| dice.below(model.mod_seq + 1));
    let mut bits: BTreeSet<String> = keywords.iter().cloned().collect();
    bits.extend(names(flags, &[]));
    let change = FlagChange { how, flags, keywords };
    let done = store.change_flags(id, set.clone(), change, since).await.unwrap();
    let (mut changed, mut modified) = (vec![], vec![]);
    for (uid, (old, mod_seq)) in model.messages.iter_mut().filter(|(uid, _)| set.contains(**uid)) {
        if since.is_some_and(|since| *mod_seq > since) {
            modified.push(*uid);
            continue;
        }
        let new: BTreeSet<String> = match how {
            FlagHow::Add => old.union(&bits).cloned().collect(),
            FlagHow::Remove => old.difference(&bits).cloned().collect(),
            FlagHow::Replace => bits.clone(),
        };
        if new != *old {
            changed.push(*uid);
            (*old, *mod_seq) = (new, done.mod_seq);
        }
    }
    assert!(!changed.is_empty() || done.mod_seq == model.mod_seq);
    model.mod_seq = done.mod_seq;
    assert_eq!((done.changed, done.modified), (changed, modified));
}

/// Filing, STORE and EXPUNGE that share one commit: each sees what the one before it did.
async fn group(store: &Store, id: MailboxId, model: &mut Model) {
    let uid = model.uid_next;
    let file = store.accept(arrival("x", vec![filing(id), filing(id)]));
    let flag = store.change_flags(id, uids(&[(uid, uid + 1)]), add(Flags::DELETED | Flags::DRAFT), None);
    let expunge = store.expunge(id, Expunge::DeletedAmong(uids(&[(uid, uid)])));
    let look = store.snapshot(id);
    let ((filed, flagged), (expunged, seen)) =
        smol::future::zip(smol::future::zip(file, flag), smol::future::zip(expunge, look)).await;
    let marks = || BTreeSet::from(["\\Deleted".to_owned(), "\\Draft".to_owned()]);
    let (first, flagged, expunged) = (filed.unwrap().filed[0].mod_seq, flagged.unwrap(), expunged.unwrap());
    assert_eq!((flagged.changed, expunged.uids), (vec![uid, uid + 1], vec![uid]));
    model.append(marks(), first);
    model.append(marks(), flagged.mod_seq);
    model.remove(&[uid], expunged.mod_seq);
    seen.unwrap();
}

/// The next message of each mailbox gets this UID.
fn begin_at(place: &Place, account: AccountId, first: Uid) {
    place.edit(|db| {
        for mailbox in db.mailboxes_of(account)? {
            let row = db.mailbox_row(mailbox)?.unwrap();
            db.mailbox_write_counts(mailbox, &row::MailboxRow { uid_next: first, ..row })?;
        }
        Ok(())
    });
}

/// Runs `steps` operations on mailboxes whose first UID is `first`; where `together` is given, COPY, MOVE and EXPUNGE
/// take that many messages at a time.
fn random(seed: u64, first: Uid, steps: usize, together: Option<usize>) {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        store.close().await.unwrap();
        begin_at(&place, bob, first);
        let open = async || {
            let store = place.open().await;
            together.into_iter().for_each(|most| store.set_step_messages(most));
            store
        };
        let mut store = open().await;
        let list = store.mailboxes(bob).await.unwrap();
        let infos: Vec<_> = list.into_iter().filter(|m| m.name == "INBOX" || m.name == "Archive").collect();
        let mut models = [(); 2].map(|()| Model { mod_seq: 1, uid_next: first, ..Model::default() });
        let mut dice = Dice(seed);
        for n in 0..steps {
            step(&store, &infos, &mut models, &mut dice).await;
            if n % 3 == 0 {
                // As where memory ran short: read anew while the writer remembers the rows.
                store.shared().views.clear();
            }
            for (info, model) in infos.iter().zip(&models) {
                model.check(&store, info).await;
            }
            if n % 10 == 9 {
                store.close().await.unwrap();
                store = open().await;
                for (info, model) in infos.iter().zip(&models) {
                    model.check(&store, info).await;
                    let since = dice.below(model.mod_seq);
                    let expected = model.vanished.iter().filter(|(at, _)| *at > since).map(|(_, uid)| *uid);
                    assert_eq!(store.vanished(info.id, since).await.unwrap(), expected.collect());
                }
            }
        }
        assert_eq!(super::check::checked(&store).await.0, [""; 0]);
    });
}

#[test]
fn random_operations_from_the_first_uid() {
    random(1, 1, 90, None);
    random(2, 500, 90, None);
}

#[test]
fn random_operations_at_large_uids() {
    random(3, 4_294_000_000, 90, None);
    random(4, (1 << 31) - 300, 60, None);
}

#[test]
fn random_operations_in_small_steps() {
    random(5, 1, 60, Some(3));
    random(6, 4_294_000_000, 60, Some(40));
}

#[test]
fn the_last_uid_is_given_out_and_no_more() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        store.close().await.unwrap();
        begin_at(&place, bob, Uid::MAX - 1);
        let store = place.open().await;
        store.accept(arrival("x", vec![filing(inbox)])).await.unwrap();
        let full = store.accept(arrival("x", vec![filing(inbox)])).await;
        assert_eq!(full.unwrap_err().kind(), ErrorKind::Limit);
        let change = store.change_flags(inbox, UidSet::all(), add(Flags::SEEN), None).await.unwrap();
        assert_eq!(change.changed, [Uid::MAX - 1]);
    });
}
