//! What a client of a store was promised, and what the store holds for it.

use std::collections::{BTreeMap, BTreeSet};

use mailcore::base::{
    AccountId, Address, Flags, MailboxId, ModSeq, QueueId, Result, Timestamp, Uid, UidSet, UidValidity,
};
use mailcore::store::{RecipientState, Store};

/// A message as its owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageState {
    /// System flags.
    pub flags: Flags,
    /// Keywords by name.
    pub keywords: BTreeSet<String>,
    /// Modification sequence.
    pub mod_seq: ModSeq,
    /// Hash of its octets.
    pub body: u64,
}

/// A mailbox as its owner knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxState {
    /// UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// HIGHESTMODSEQ.
    pub mod_seq: ModSeq,
    /// Its messages.
    pub messages: BTreeMap<Uid, MessageState>,
}

/// A queued message as its submitter knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemState {
    /// Hash of its octets.
    pub body: u64,
    /// Of each recipient: where it stands, attempts begun, when it is due.
    pub recipients: Vec<(RecipientState, u32, Timestamp)>,
}

/// All a client was promised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// Its mailboxes.
    pub mailboxes: BTreeMap<MailboxId, MailboxState>,
    /// Its queued messages.
    pub items: BTreeMap<QueueId, ItemState>,
    /// Attempt rows of all its messages that have any, finished ones too.
    pub attempts: BTreeMap<QueueId, usize>,
    /// Hashes of what it filed into the shared mailbox.
    pub shared: BTreeSet<u64>,
}

/// Who a client is to the store.
#[derive(Debug, Clone)]
pub struct Who {
    /// Its address.
    pub address: Address,
    /// Its account.
    pub account: AccountId,
    /// The mailbox that all file into.
    pub shared: MailboxId,
}

impl Who {
    /// What the store holds for this client; `ids` are the queue ids whose attempts are looked for.
    pub async fn dump(&self, store: &Store, ids: &BTreeSet<QueueId>) -> Result<State> {
        let mut state = State::default();
        for name in ["INBOX", "Archive"] {
            let info = store.mailbox(self.account, name).await?.expect("every account has it");
            state.mailboxes.insert(info.id, mailbox(store, info.id).await?);
        }
        for item in store.queue_list(QueueId(0), 10_000).await? {
            if item.envelope.reverse_path.as_ref() != Some(&self.address) {
                continue;
            }
            // A finished recipient is due no more; what its row says then means nothing.
            let recipients = item.recipients.iter().map(|r| (r.state, r.attempts, r.due)).collect();
            let body = body_hash(store, item.blob, item.size).await?;
            state.items.insert(item.id, ItemState { body, recipients });
        }
        for id in ids {
            let rows = store.attempts(*id).await?.len();
            if rows > 0 {
                state.attempts.insert(*id, rows);
            }
        }
        let from = format!("From: {}\r\n", self.address.key());
        for fact in store.facts(self.shared, &UidSet::all()).await? {
            let octets = store.body(fact.blob, 0, fact.size as usize).await?;
            if octets.starts_with(from.as_bytes()) {
                state.shared.insert(hash(&octets));
            }
        }
        Ok(state)
    }
}

async fn mailbox(store: &Store, id: MailboxId) -> Result<MailboxState> {
    let snapshot = store.snapshot(id).await?;
    let facts = store.facts(id, &UidSet::all()).await?;
    let known: Vec<Uid> = facts.iter().map(|fact| fact.uid).collect();
    assert_eq!(known, snapshot.messages.uids().collect::<Vec<_>>(), "facts and view differ");
    let mut messages = BTreeMap::new();
    for (fact, message) in facts.iter().zip(snapshot.messages.iter()) {
        let bits = message.flags;
        let names = snapshot.keywords.iter().enumerate();
        let keywords = names.filter(|(n, _)| bits.contains(Flags::keyword(*n))).map(|(_, name)| name.clone()).collect();
        let body = body_hash(store, fact.blob, fact.size).await?;
        let flags = bits & Flags::SYSTEM;
        messages.insert(fact.uid, MessageState { flags, keywords, mod_seq: message.mod_seq, body });
    }
    let (uid_validity, uid_next) = (snapshot.uid_validity, snapshot.uid_next);
    Ok(MailboxState { uid_validity, uid_next, mod_seq: snapshot.mod_seq, messages })
}

async fn body_hash(store: &Store, blob: mailcore::base::BlobId, size: u64) -> Result<u64> {
    let octets = store.body(blob, 0, size as usize).await?;
    assert_eq!(octets.len() as u64, size, "a body is shorter than its size");
    Ok(hash(&octets))
}

/// The hash of a text.
pub fn hash(octets: &[u8]) -> u64 {
    octets
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// Where two states differ, in one line.
pub fn difference(expected: &State, found: &State) -> String {
    for (id, mailbox) in &expected.mailboxes {
        let Some(other) = found.mailboxes.get(id) else { return format!("mailbox {id:?} is gone") };
        for (uid, message) in &mailbox.messages {
            match other.messages.get(uid) {
                None => return format!("mailbox {id:?}: UID {uid} is gone"),
                Some(there) if there != message => {
                    return format!("mailbox {id:?}: UID {uid} is {there:?}, was {message:?}");
                }
                Some(_) => {}
            }
        }
        if mailbox != other {
            let numbers = |m: &MailboxState| (m.uid_validity, m.uid_next, m.mod_seq, m.messages.len());
            return format!("mailbox {id:?}: {:?}, was {:?}", numbers(other), numbers(mailbox));
        }
    }
    if expected.items != found.items {
        return format!("queue: {:?}, was {:?}", found.items, expected.items);
    }
    if expected.attempts != found.attempts {
        return format!("attempts: {:?}, were {:?}", found.attempts, expected.attempts);
    }
    format!("shared mailbox: {} filings, were {}", found.shared.len(), expected.shared.len())
}
