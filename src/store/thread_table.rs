//! What THREAD compares of each message (RFC 5256 §3): dates, base subject, and message ids as hashes, which are short
//! and, being of SHA-256, nobody can make two ids alike.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::table::Table;
use super::{BlobMeta, Fact, MetaColumns, Store};
use crate::base::limits::{SORT_OCTETS_MAX, SORT_TABLE_OCTETS_MAX, THREAD_MESSAGE_OCTETS, THREAD_REFERENCES_MAX};
use crate::base::{MailboxId, Result, Timestamp, Uid, UidSet};
use crate::imap::encode::envelope::date_and_subject;
use crate::imap::thread::{Id, Member};
use crate::message::collation::push_key;
use crate::message::subject::base_subject;

/// What is compared of some messages of one mailbox.
#[derive(Debug, Clone, Default)]
pub struct ThreadTable {
    /// Ascending.
    uids: Vec<Uid>,
    lines: Vec<Line>,
    references: Vec<Id>,
    text: String,
}

#[derive(Debug, Clone)]
struct Line {
    id: Option<Id>,
    sent: Timestamp,
    arrived: Timestamp,
    /// Whether the subject says that it is a reply or forwarded.
    is_reply: bool,
    /// Where its base subject, and its references, end.
    text_end: u32,
    references_end: u32,
}

impl ThreadTable {
    /// What there is of a message; of one that has gone, nothing that leads to others.
    pub fn member(&self, uid: Uid) -> Member<'_> {
        let Ok(place) = self.uids.binary_search(&uid) else { return Member::default() };
        let Some(line) = self.lines.get(place) else { return Member::default() };
        let before = place.checked_sub(1).and_then(|before| self.lines.get(before));
        let text = before.map_or(0, |before| before.text_end) as usize..line.text_end as usize;
        let references = before.map_or(0, |before| before.references_end) as usize..line.references_end as usize;
        Member {
            id: line.id,
            references: self.references.get(references).unwrap_or_default(),
            sent: line.sent.0,
            arrived: line.arrived.0,
            subject: self.text.get(text).unwrap_or_default(),
            is_reply: line.is_reply,
        }
    }
}

impl Table for ThreadTable {
    const WANTED: MetaColumns =
        MetaColumns { envelope: true, structure: false, parts: false, addresses: false, thread: true };
    const OCTETS_MAX: usize = SORT_OCTETS_MAX;
    const MESSAGE_OCTETS: usize = THREAD_MESSAGE_OCTETS;
    const APART_OCTETS_MAX: usize = SORT_TABLE_OCTETS_MAX;

    fn uids(&self) -> &[Uid] {
        &self.uids
    }

    fn octets(&self) -> usize {
        self.text.len()
            + self.references.len() * size_of::<Id>()
            + self.uids.len() * (size_of::<Uid>() + size_of::<Line>())
    }

    fn add(&mut self, fact: &Fact, meta: &BlobMeta) {
        push_key(&mut self.text, &meta.subject);
        // The oldest ancestor and the nearest: what lies between is known from other messages.
        let count = meta.references.split_ascii_whitespace().count();
        let references = meta.references.split_ascii_whitespace().enumerate();
        let kept = references.filter(|(at, _)| *at == 0 || count - at < THREAD_REFERENCES_MAX);
        self.references.extend(kept.map(|(_, id)| hash(id)));
        let subject = date_and_subject(&meta.envelope).1;
        self.lines.push(Line {
            id: (!meta.message_id.is_empty()).then(|| hash(&meta.message_id)),
            sent: meta.sent,
            arrived: fact.internal_date,
            is_reply: subject.is_some_and(|subject| base_subject(&subject).1),
            text_end: u32::try_from(self.text.len()).unwrap_or(u32::MAX),
            references_end: u32::try_from(self.references.len()).unwrap_or(u32::MAX),
        });
        self.uids.push(fact.uid);
    }

    fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.lines.shrink_to_fit();
        self.references.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

fn hash(id: &str) -> Id {
    let hash = Sha256::digest(id.as_bytes());
    let mut half = [0; 16];
    half.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    Id(half)
}

impl Store {
    /// What THREAD compares of at least the given messages, as far as they are still there.
    pub async fn thread_table(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<ThreadTable>> {
        self.table(&self.shared().threads, mailbox, uids).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BlobId;

    #[test]
    fn members_stand_side_by_side() {
        let mut table = ThreadTable::default();
        let many: Vec<String> = (0..THREAD_REFERENCES_MAX + 5).map(|n| format!("r{n}@x")).collect();
        for (uid, message_id, references, subject) in [
            (3, "a@x", String::new(), "Hello"),
            (4, "", "a@x c@x".to_owned(), "Re: Hello"),
            (9, "c@x", many.join(" "), ""),
        ] {
            let envelope = format!("(NIL \"{subject}\" NIL NIL NIL NIL NIL NIL NIL NIL)").into_bytes();
            let subject = base_subject(subject.as_bytes()).0;
            let meta = BlobMeta { envelope, subject, message_id: message_id.into(), references, ..BlobMeta::default() };
            let fact = Fact { uid, internal_date: Timestamp(9), size: 5, blob: BlobId(1) };
            table.add(&fact, &meta);
        }
        let (first, second, third) = (table.member(3), table.member(4), table.member(9));
        assert_eq!((first.subject, first.is_reply, first.references), ("HELLO", false, &[][..]));
        assert_eq!((second.subject, second.is_reply, second.id), ("HELLO", true, None));
        assert_eq!((second.references.first(), second.references.last()), (first.id.as_ref(), third.id.as_ref()));
        assert_eq!((third.subject, third.references.len()), ("", THREAD_REFERENCES_MAX));
        assert_eq!(third.references.last(), Some(&hash(many.last().unwrap())));
        assert_eq!(table.member(5), Member::default());
    }
}
