//! Changes that share one commit, in every order of three out of a dozen, one of them a change of names: each sees
//! what the one before it did, and after reopening the store holds what a model of a few lines says.

use super::*;
use smol::future::zip;
use std::collections::BTreeSet;

/// A change to the mailboxes of a case: `w` with three messages, `w/k` below it, `t` with two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Flag,
    Keyword,
    Expunge,
    Append,
    AppendRefused,
    CopyIn,
    CopyOut,
    MoveOut,
    Rename,
    RenameBack,
    Delete,
    Create,
}

const OPS: [Op; 12] = [
    Op::Flag,
    Op::Keyword,
    Op::Expunge,
    Op::Append,
    Op::AppendRefused,
    Op::CopyIn,
    Op::CopyOut,
    Op::MoveOut,
    Op::Rename,
    Op::RenameBack,
    Op::Delete,
    Op::Create,
];

/// Flags and keywords by name, and the modification sequence.
type Message = (BTreeSet<String>, u64);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Mailbox {
    selectable: bool,
    messages: BTreeMap<Uid, Message>,
    uid_next: Uid,
    mod_seq: u64,
}

impl Mailbox {
    fn new() -> Mailbox {
        Mailbox { selectable: true, messages: BTreeMap::new(), uid_next: 1, mod_seq: 1 }
    }

    fn append(&mut self, flags: BTreeSet<String>, mod_seq: u64) {
        self.messages.insert(self.uid_next, (flags, mod_seq));
        (self.uid_next, self.mod_seq) = (self.uid_next + 1, mod_seq);
    }

    fn mark(&mut self, uids: [Uid; 2], name: &str) {
        let next = self.mod_seq + 1;
        for uid in uids {
            if let Some((flags, mod_seq)) = self.messages.get_mut(&uid)
                && flags.insert(name.to_owned())
            {
                (*mod_seq, self.mod_seq) = (next, next);
            }
        }
    }

    fn remove(&mut self, uid: Uid) {
        if self.messages.remove(&uid).is_some() {
            self.mod_seq += 1;
        }
    }
}

/// What a case must come to: its mailboxes by name, and where the first `w` and `t` are now.
#[derive(Debug, Clone)]
struct Model {
    names: BTreeMap<&'static str, Mailbox>,
    w: Option<&'static str>,
}

impl Model {
    fn w(&mut self) -> std::result::Result<&mut Mailbox, ErrorKind> {
        self.w.and_then(|name| self.names.get_mut(name)).ok_or(ErrorKind::NotFound)
    }

    fn copy(&mut self, out: bool, uids: &[Uid]) -> std::result::Result<(), ErrorKind> {
        let (from, to) = (self.w()?.clone(), self.names["t"].clone());
        let (from, mut to) = if out { (from, to) } else { (to, from) };
        let mod_seq = to.mod_seq + 1;
        for (_, (flags, _)) in from.messages.iter().filter(|(uid, _)| uids.contains(uid)) {
            to.append(flags.clone(), mod_seq);
        }
        match out {
            true => drop(self.names.insert("t", to)),
            false => *self.w()? = to,
        }
        Ok(())
    }

    fn rename(&mut self, from: [&'static str; 2], to: [&'static str; 2]) -> std::result::Result<(), ErrorKind> {
        if !self.names.contains_key(from[0]) {
            return Err(ErrorKind::NotFound);
        }
        if to.iter().zip(from).any(|(to, from)| self.names.contains_key(to) && self.names.contains_key(from)) {
            return Err(ErrorKind::Exists);
        }
        for (from, to) in from.into_iter().zip(to) {
            if let Some(mailbox) = self.names.remove(from) {
                self.names.insert(to, mailbox);
                self.w = if self.w == Some(from) { Some(to) } else { self.w };
            }
        }
        Ok(())
    }

    fn act(&mut self, op: Op) -> std::result::Result<(), ErrorKind> {
        match op {
            Op::Flag => self.w()?.mark([1, 2], "\\Answered"),
            Op::Keyword => self.w()?.mark([2, 3], "New"),
            Op::Expunge => self.w()?.remove(2),
            Op::Append => {
                let w = self.w()?;
                w.append(BTreeSet::from(["Came".to_owned()]), w.mod_seq + 1);
            }
            Op::AppendRefused => return Err(ErrorKind::NotFound),
            Op::CopyIn => self.copy(false, &[1, 2, 3, 4, 5, 6])?,
            Op::CopyOut => self.copy(true, &[1, 3, 4])?,
            Op::MoveOut => {
                self.copy(true, &[1])?;
                self.w()?.remove(1);
            }
            Op::Rename => self.rename(["w", "w/k"], ["x", "x/k"])?,
            Op::RenameBack => self.rename(["x", "x/k"], ["w", "w/k"])?,
            Op::Delete => {
                let Some(w) = self.names.get("w") else { return Err(ErrorKind::NotFound) };
                let below = self.names.contains_key("w/k");
                if !w.selectable && below {
                    return Err(ErrorKind::State);
                }
                self.names.remove("w");
                self.w = self.w.filter(|name| *name != "w");
                if below {
                    self.names.insert("w", Mailbox { selectable: false, ..Mailbox::new() });
                }
            }
            Op::Create => match self.names.get_mut("w") {
                Some(w) if w.selectable => return Err(ErrorKind::Exists),
                Some(w) => w.selectable = true,
                None => drop(self.names.insert("w", Mailbox::new())),
            },
        }
        Ok(())
    }
}

/// A case in the store: names carry its number.
#[derive(Clone)]
struct Case {
    store: Store,
    account: AccountId,
    number: usize,
    w: MailboxId,
    t: MailboxId,
}

impl Case {
    async fn begin(store: &Store, account: AccountId, number: usize) -> (Case, Model) {
        let mut ids = Vec::new();
        let mut names = BTreeMap::new();
        for (name, count) in [("w", 3), ("w/k", 1), ("t", 2)] {
            let id = store.mailbox_create(account, &long(name, number), None).await.unwrap().id;
            fill(store, id, count).await;
            let mut mailbox = Mailbox::new();
            (2..).take(count).for_each(|mod_seq| mailbox.append(BTreeSet::new(), mod_seq));
            names.insert(name, mailbox);
            ids.push(id);
        }
        let case = Case { store: store.clone(), account, number, w: ids[0], t: ids[2] };
        (case, Model { names, w: Some("w") })
    }

    async fn act(self, op: Op) -> std::result::Result<(), ErrorKind> {
        let (store, account) = (&self.store, self.account);
        let name = |name| long(name, self.number);
        let keyword = |name: &str| FlagChange { keywords: vec![name.to_owned()], ..add(Flags::NONE) };
        let append = Filing { keywords: vec!["Came".to_owned()], ..filing(self.w) };
        let refused = Filing { keywords: vec!["Lost".to_owned()], ..filing(self.w) };
        let done = match op {
            Op::Flag => store.change_flags(self.w, uids(&[(1, 2)]), add(Flags::ANSWERED), None).await.map(drop),
            Op::Keyword => store.change_flags(self.w, uids(&[(2, 3)]), keyword("New"), None).await.map(drop),
            Op::Expunge => store.expunge(self.w, Expunge::Among(uids(&[(2, 2)]))).await.map(drop),
            Op::Append => store.accept(arrival("x", vec![append])).await.map(drop),
            Op::AppendRefused => {
                // Half done, then refused.
                let first = arrival("x", vec![refused]);
                let missing = arrival("x", vec![filing(MailboxId(1 << 30))]);
                let job = store.write(0, move |tx| {
                    message::accept(tx, &first)?;
                    message::accept(tx, &missing)
                });
                job.await.map(drop)
            }
            Op::CopyIn => store.copy(self.t, uids(&[(1, 6)]), self.w).await.map(drop),
            Op::CopyOut => store.copy(self.w, uids(&[(1, 1), (3, 4)]), self.t).await.map(drop),
            Op::MoveOut => store.move_messages(self.w, uids(&[(1, 1)]), self.t).await.map(drop),
            Op::Rename => store.mailbox_rename(account, &name("w"), &name("x")).await,
            Op::RenameBack => store.mailbox_rename(account, &name("x"), &name("w")).await,
            Op::Delete => store.mailbox_delete(account, &name("w")).await,
            Op::Create => store.mailbox_create(account, &name("w"), None).await.map(drop),
        };
        done.map_err(|e| e.kind())
    }

    /// The three in one commit, in this order; without views in memory where `cold`.
    async fn together(&self, place: &Place, ops: [Op; 3], cold: bool) -> Vec<std::result::Result<(), ErrorKind>> {
        let (mark, other) = (self.number, place.database().open_reader(database::Readers::BesideWriter).unwrap());
        // The jobs are handed in one after the other before the writer has its turn.
        let first = self.store.write(0, move |tx| {
            if cold {
                tx.shared.views.clear();
            }
            tx.db.setting_put("mark", Some(&vec![0; mark]))
        });
        let last = self.store.write(0, move |_| {
            let seen = again(|| other.setting("mark"));
            assert_ne!(seen.map(|seen| seen.len()), Some(mark), "the jobs do not share a commit");
            Ok(())
        });
        let [a, b, c] = ops.map(|op| self.clone().act(op));
        let ((first, a), ((b, c), last)) = zip(zip(first, a), zip(zip(b, c), last)).await;
        first.and(last).unwrap();
        vec![a, b, c]
    }
}

fn long(name: &str, number: usize) -> String {
    format!("{}{number}{}", &name[..1], &name[1..])
}

/// What the store holds of a case.
async fn found(store: &Store, account: AccountId, number: usize) -> BTreeMap<&'static str, Mailbox> {
    let mut found = BTreeMap::new();
    for name in ["w", "w/k", "x", "x/k", "t"] {
        let Some(info) = store.mailbox(account, &long(name, number)).await.unwrap() else { continue };
        let mut messages = BTreeMap::new();
        if info.selectable {
            let snapshot = store.snapshot(info.id).await.unwrap();
            for message in snapshot.messages.iter() {
                let flags = super::model::names(message.flags, &snapshot.keywords);
                messages.insert(message.uid, (flags, message.mod_seq));
            }
            assert_eq!((snapshot.uid_next, snapshot.mod_seq), (info.uid_next, info.mod_seq));
        }
        assert_eq!((info.total as usize, info.octets), (messages.len(), messages.len() as u64), "{name}{number}");
        let mailbox = Mailbox { selectable: info.selectable, messages, uid_next: info.uid_next, mod_seq: info.mod_seq };
        found.insert(name, mailbox);
    }
    found
}

async fn all_orders(place: &Place, cold: bool) {
    let (mut store, bob, _) = with_bob(place).await;
    let mut orders = Vec::new();
    for a in OPS {
        for b in OPS {
            for c in OPS {
                let names = [Op::Rename, Op::RenameBack, Op::Delete, Op::Create];
                if a != b && b != c && a != c && [a, b, c].iter().any(|op| names.contains(op)) {
                    orders.push([a, b, c]);
                }
            }
        }
    }
    assert_eq!(orders.len(), 984);
    let mut octets = 0;
    for (batch, orders) in orders.chunks(110).enumerate() {
        let begun = (0..orders.len()).map(|n| {
            let store = store.clone();
            place.small.executor.spawn(async move { Case::begin(&store, bob, batch * 110 + n).await })
        });
        let begun: Vec<_> = begun.collect();
        let mut expected = Vec::new();
        for (ops, case) in orders.iter().zip(begun) {
            let (case, mut model) = case.await;
            for id in [case.w, case.t] {
                store.snapshot(id).await.unwrap();
            }
            let done = case.together(place, *ops, cold).await;
            assert_eq!(done, ops.map(|op| model.act(op)), "{ops:?}");
            assert_eq!(found(&store, bob, case.number).await, model.names, "{ops:?}, at once");
            expected.push((case.number, *ops, model));
        }
        store.close().await.unwrap();
        store = place.open().await;
        for (number, ops, model) in expected {
            assert_eq!(found(&store, bob, number).await, model.names, "{ops:?}, reopened");
            octets += model.names.values().map(|mailbox| mailbox.messages.len() as u64).sum::<u64>();
        }
        assert_eq!(store.account_octets(bob).await.unwrap(), octets);
    }
    store.close().await.unwrap();
}

#[test]
fn changes_share_a_commit_in_every_order() {
    run(|place| async move { all_orders(&place, false).await });
}

#[test]
fn changes_share_a_commit_in_every_order_without_views() {
    run(|place| async move { all_orders(&place, true).await });
}
