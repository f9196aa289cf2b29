//! What a store must hold for the accounts of a campaign: names, mailboxes, messages, subscriptions. Read from the
//! store itself, or computed from what was acknowledged (`act`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailcore::base::{AccountId, Flags, MailboxId, Result, Uid, UidValidity};
use mailcore::store::{MailboxInfo, Store};

use crate::letter::token_of;
use crate::world::Host;

/// All flags that are ever set, by their bit in [`Message::flags`].
pub const FLAGS: [&str; 8] =
    ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$Forwarded", "$Work", "later"];
/// The bit of `\Deleted`.
pub const DELETED: u8 = 1 << 3;

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// Bits of [`FLAGS`].
    pub flags: u8,
    /// Modification sequence.
    pub mod_seq: u64,
    /// Number of its text: no two texts have the same.
    pub letter: u64,
    /// Octets.
    pub size: u64,
}

/// A mailbox. Its UIDVALIDITY tells it from all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folder {
    /// False for a name that only has children.
    pub selectable: bool,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub mod_seq: u64,
    /// Its messages.
    pub messages: BTreeMap<Uid, Message>,
}

impl Folder {
    /// An empty one.
    pub fn new(selectable: bool) -> Folder {
        Folder { selectable, uid_next: 1, mod_seq: 1, messages: BTreeMap::new() }
    }

    /// Octets of its messages.
    pub fn octets(&self) -> u64 {
        self.messages.values().map(|message| message.size).sum()
    }
}

/// What an account has.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// UIDVALIDITY by name.
    pub names: BTreeMap<String, UidValidity>,
    /// Mailboxes by UIDVALIDITY.
    pub folders: BTreeMap<UidValidity, Arc<Folder>>,
    /// Subscribed names.
    pub subscribed: BTreeSet<String>,
    /// Octets it may have.
    pub quota: Option<u64>,
}

impl Holder {
    /// Octets it keeps.
    pub fn octets(&self) -> u64 {
        self.folders.values().map(|folder| folder.octets()).sum()
    }
}

/// What all accounts have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// By their place in the list of accounts.
    pub holders: Vec<Holder>,
    /// The UIDVALIDITY given out last. Campaigns keep the wall clock behind it, so that the next is one more.
    pub uid_validity: UidValidity,
}

/// Reads what the store holds for accounts. Panics where its parts contradict each other.
pub async fn read(store: &Store, host: &Host, accounts: &[String]) -> Result<State> {
    let mut state = State { holders: Vec::new(), uid_validity: last_uid_validity(host) };
    for key in accounts {
        let account = store.account(key).await?.expect("the account is there");
        let mut holder = Holder { quota: account.quota_octets, ..Holder::default() };
        for info in store.mailboxes(account.id).await? {
            let found = folder(store, &info).await?;
            check_counts(&info, &found);
            assert!(
                holder.folders.insert(info.uid_validity, Arc::new(found)).is_none(),
                "one UIDVALIDITY, two mailboxes"
            );
            holder.names.insert(info.name, info.uid_validity);
        }
        holder.subscribed = store.subscriptions(account.id).await?.into_iter().collect();
        check_octets(store, account.id, &holder).await?;
        state.holders.push(holder);
    }
    Ok(state)
}

fn check_counts(info: &MailboxInfo, found: &Folder) {
    let with = |bit: u8| found.messages.values().filter(|message| message.flags & bit != 0).count();
    let seen = with(1);
    let counts = (found.messages.len(), found.messages.len() - seen, with(DELETED), found.octets());
    let told = (info.total as usize, info.unseen as usize, info.deleted as usize, info.octets);
    assert_eq!(counts, told, "{}: counts of its messages, and as they are kept", info.name);
}

async fn check_octets(store: &Store, account: AccountId, holder: &Holder) -> Result<()> {
    assert_eq!(store.account_octets(account).await?, holder.octets(), "octets of an account");
    Ok(())
}

async fn folder(store: &Store, info: &MailboxInfo) -> Result<Folder> {
    let (selectable, uid_next, mod_seq) = (info.selectable, info.uid_next, info.mod_seq);
    let messages = if selectable { messages(store, info.id).await? } else { BTreeMap::new() };
    Ok(Folder { selectable, uid_next, mod_seq, messages })
}

async fn messages(store: &Store, id: MailboxId) -> Result<BTreeMap<Uid, Message>> {
    let snapshot = store.snapshot(id).await?;
    // Not of all: what sessions may still name has facts as well.
    let facts = store.facts(id, &snapshot.messages.uids().collect()).await?;
    let known: Vec<Uid> = facts.iter().map(|fact| fact.uid).collect();
    assert_eq!(known, snapshot.messages.uids().collect::<Vec<_>>(), "facts and view differ");
    let mut messages = BTreeMap::new();
    for (fact, message) in facts.iter().zip(snapshot.messages.iter()) {
        let octets = store.body(fact.blob, 0, fact.size as usize).await?;
        assert_eq!(octets.len() as u64, fact.size, "a body is shorter than its size");
        let letter = number_of(&octets).unwrap_or_else(|| panic!("UID {}: another text than any sent", fact.uid));
        let flags = bits(message.flags, &snapshot.keywords);
        messages.insert(fact.uid, Message { flags, mod_seq: message.mod_seq, letter, size: fact.size });
    }
    Ok(messages)
}

/// The number of a letter.
pub fn number_of(octets: &[u8]) -> Option<u64> {
    u64::from_str_radix(token_of(octets)?.strip_prefix("letter-")?, 16).ok()
}

fn bits(flags: Flags, keywords: &[String]) -> u8 {
    let is_set = |name: &str| match Flags::system(name) {
        Some(flag) => flags.contains(flag),
        None => {
            let index = keywords.iter().position(|keyword| keyword == name);
            index.is_some_and(|index| flags.contains(Flags::keyword(index)))
        }
    };
    FLAGS.iter().enumerate().filter(|(_, name)| is_set(name)).fold(0, |bits, (bit, _)| bits | 1 << bit)
}

/// The store's own count of UIDVALIDITYs, which no call tells.
fn last_uid_validity(host: &Host) -> UidValidity {
    let db = crate::check::reader(host).expect("the file can be opened");
    let sql = "SELECT value FROM store_meta WHERE name = 'uidvalidity'";
    db.query_row(sql, [], |row| row.get(0)).expect("the store counts")
}

/// Where two states differ, in one line.
pub fn difference(expected: &State, found: &State) -> String {
    for (who, (is, was)) in found.holders.iter().zip(&expected.holders).enumerate() {
        if is.names != was.names {
            return format!("account {who}: mailboxes {:?}, expected {:?}", is.names, was.names);
        }
        for (validity, folder) in &was.folders {
            let other = &is.folders[validity];
            let numbers = |f: &Folder| (f.selectable, f.uid_next, f.mod_seq, f.messages.len());
            if numbers(folder) != numbers(other) {
                let (is, was) = (numbers(other), numbers(folder));
                return format!("account {who}: mailbox {validity}: {is:?}, expected {was:?}");
            }
            let differs = |(uid, message): &(&Uid, &Message)| other.messages.get(uid) != Some(message);
            if let Some((uid, message)) = folder.messages.iter().find(differs) {
                let is = other.messages.get(uid);
                return format!("account {who}: mailbox {validity}, UID {uid}: {is:?}, expected {message:?}");
            }
        }
        if is != was {
            return format!("account {who}: subscribed {:?}, expected {:?}", is.subscribed, was.subscribed);
        }
    }
    format!("last UIDVALIDITY {}, expected {}", found.uid_validity, expected.uid_validity)
}
