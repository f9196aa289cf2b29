//! What SEARCH reads of headers: fields as people read them, in lower case, kept in memory for mailboxes that are
//! searched.
//!
//! Nothing here is stored: it is made of what was computed at delivery, when a mailbox is first searched, and added to
//! when it is searched again. All that is kept stays below `WORDS_OCTETS_MAX`; the mailbox searched longest ago goes
//! first, and one that is too large alone is read anew each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::meta::described_together;
use super::{BlobMeta, Fact, MetaColumns, Store};
use crate::base::limits::{FETCH_BATCH_MESSAGES_MAX, WORDS_MESSAGE_OCTETS, WORDS_OCTETS_MAX};
use crate::base::{MailboxId, Result, Uid, UidSet};
use crate::imap::encode::envelope::{date_and_subject, further, message_id};
use crate::message::address_list::mailboxes;
use crate::message::date;
use crate::message::encoded_word::decode;

/// A field of [`Words`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WordField {
    From,
    To,
    Cc,
    Subject,
    MessageId,
}

const FIELDS: usize = 5;

/// The fields of some messages of one mailbox, in lower case. White space is a space, however the field was folded; an
/// LF stands between Subject, or Message-ID, fields where there are several.
#[derive(Debug, Clone, Default)]
pub struct Words {
    /// Ascending.
    uids: Vec<Uid>,
    /// Where each field of each message ends in `text`; it begins where the one before ends.
    ends: Vec<[u32; FIELDS]>,
    days: Vec<i32>,
    text: String,
}

/// The fields of one message.
#[derive(Debug, Clone, Copy)]
pub struct MessageWords<'a> {
    words: &'a Words,
    place: usize,
}

impl Words {
    /// Those of a message; `None` where it has gone.
    pub fn get(&self, uid: Uid) -> Option<MessageWords<'_>> {
        self.uids.binary_search(&uid).ok().map(|place| MessageWords { words: self, place })
    }

    /// The same for somebody who asks for one after the other, ascending; `next` begins at 0.
    pub fn get_in_order(&self, uid: Uid, next: &mut usize) -> Option<MessageWords<'_>> {
        if self.uids.get(*next) != Some(&uid) {
            *next = self.uids.partition_point(|known| *known < uid);
        }
        let found = (self.uids.get(*next) == Some(&uid)).then_some(MessageWords { words: self, place: *next });
        *next += usize::from(found.is_some());
        found
    }

    /// The highest UID it has; 0 for none.
    pub fn last(&self) -> Uid {
        self.uids.last().copied().unwrap_or(0)
    }

    fn octets(&self) -> usize {
        self.text.len() + self.uids.len() * (size_of::<Uid>() + size_of::<[u32; FIELDS]>() + size_of::<i32>())
    }

    /// What is kept is what is counted.
    fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.days.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    fn push(&mut self, uid: Uid, meta: &BlobMeta) {
        let (sent, subject) = date_and_subject(&meta.envelope);
        let mut subject = subject.map_or(String::new(), |subject| decode(&subject));
        let message_id = message_id(&meta.envelope).unwrap_or_default();
        let mut message_id = String::from_utf8_lossy(&message_id);
        let (subjects, message_ids) = further(&meta.envelope);
        subjects.iter().for_each(|further| subject.extend(["\n", &decode(further)]));
        message_ids.iter().for_each(|further| message_id.to_mut().extend(["\n", &String::from_utf8_lossy(further)]));
        let mut ends = [0; FIELDS];
        let fields = [&meta.from, &meta.to, &meta.cc, &subject, message_id.as_ref()];
        for (index, (end, field)) in ends.iter_mut().zip(fields).enumerate() {
            push_folded(&mut self.text, field);
            if index <= WordField::Cc as usize && is_unlike_told(field) {
                push_addresses(&mut self.text, field);
            }
            *end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        }
        // The day as it was written, its zone disregarded; without a readable one, the day of arrival.
        let written = sent.as_deref().and_then(date);
        let day = written.map_or_else(|| meta.sent.seconds().div_euclid(86_400), |date| date.written_day());
        self.days.push(i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX }));
        self.uids.push(uid);
        self.ends.push(ends);
    }
}

/// Whether comments, escapes or blanks stand inside of the addresses of a list, so that they read otherwise than
/// ENVELOPE tells them.
fn is_unlike_told(list: &str) -> bool {
    const APART: [&str; 7] = [" @", "@ ", "\t@", "@\t", " .", "\"@", "\".\""];
    list.contains(['(', '\\']) || (list.contains('@') && APART.iter().any(|apart| memmem_in(list, apart)))
}

fn memmem_in(list: &str, text: &str) -> bool {
    memchr::memmem::find(list.as_bytes(), text.as_bytes()).is_some()
}

/// Adds the names and addresses of a list as ENVELOPE tells them: what FROM, TO and CC look for.
fn push_addresses(text: &mut String, list: &str) {
    for mailbox in mailboxes(list.as_bytes()) {
        let name = mailbox.name.unwrap_or_default();
        let address = [mailbox.local, mailbox.domain].join(&b'@');
        push_folded(text, &format!("\n{} <{}>", String::from_utf8_lossy(&name), String::from_utf8_lossy(&address)));
    }
}

/// Adds a field in lower case, its tabs as spaces: they are where old programs folded it.
fn push_folded(text: &mut String, field: &str) {
    if field.is_ascii() {
        text.extend(field.chars().map(|c| if c == '\t' { ' ' } else { c.to_ascii_lowercase() }));
    } else {
        text.push_str(&field.to_lowercase().replace('\t', " "));
    }
}

impl<'a> MessageWords<'a> {
    /// A field; empty where there is none.
    pub fn field(&self, field: WordField) -> &'a str {
        let index = field as usize;
        let ends = self.words.ends.get(self.place);
        let end = ends.and_then(|ends| ends.get(index)).copied().unwrap_or(0);
        let before = match index.checked_sub(1) {
            Some(index) => ends.and_then(|ends| ends.get(index)),
            None => self.place.checked_sub(1).and_then(|place| self.words.ends.get(place)?.last()),
        };
        let start = before.copied().unwrap_or(0);
        self.words.text.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Days since 1970 of the Date field as it was written, its zone disregarded; of arrival without a readable one.
    pub fn sent_day(&self) -> i64 {
        self.words.days.get(self.place).copied().unwrap_or(0).into()
    }
}

/// What is kept in memory.
#[derive(Debug, Default)]
pub(super) struct WordTables {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// With the tick of their last use.
    tables: BTreeMap<MailboxId, (Arc<Words>, u64)>,
    tick: u64,
}

impl Store {
    /// The words of at least the given messages, as far as they are still there. Of a mailbox too large to be kept they
    /// are in memory together: the caller asks for no more than are [`described_together`].
    pub async fn words(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<Words>> {
        let last = uids.ranges().last().map_or(0, |(_, last)| *last);
        let snapshot = self.snapshot(mailbox).await?;
        let tables = &self.shared().words;
        if snapshot.count().saturating_mul(WORDS_MESSAGE_OCTETS) > WORDS_OCTETS_MAX {
            return self.words_apart(mailbox, uids).await;
        }
        let kept = tables.get(mailbox).unwrap_or_default();
        if kept.last() >= last {
            return Ok(kept);
        }
        // Where much of it is of messages that went, it is read anew.
        let many = kept.uids.len() / 2 > snapshot.count() + FETCH_BATCH_MESSAGES_MAX;
        let kept = if many { Arc::default() } else { kept };
        let new = UidSet::from_ranges(vec![(kept.last() + 1, last.max(snapshot.uid_next - 1))]);
        let facts = self.facts(mailbox, &new).await?;
        match self.read_words(kept, &facts, WORDS_OCTETS_MAX).await? {
            Some(words) => {
                tables.keep(mailbox, &words);
                Ok(words)
            }
            // Its messages have more than messages have as a rule.
            None => self.words_apart(mailbox, uids).await,
        }
    }

    /// The words of these messages only.
    async fn words_apart(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<Words>> {
        let facts = self.facts(mailbox, uids).await?;
        Ok(self.read_words(Arc::default(), &facts, usize::MAX).await?.unwrap_or_default())
    }

    /// Adds the words of messages that come behind those there are; `None` where all have more than `most` octets then.
    async fn read_words(&self, mut words: Arc<Words>, mut facts: &[Fact], most: usize) -> Result<Option<Arc<Words>>> {
        if facts.is_empty() {
            return Ok(Some(words));
        }
        let columns = MetaColumns { envelope: true, addresses: true, ..MetaColumns::default() };
        let to = Arc::make_mut(&mut words);
        while !facts.is_empty() {
            let together = described_together(facts.iter().map(|fact| fact.size)).min(facts.len());
            let (these, rest) = facts.split_at(together);
            let metas = self.metas_of(these.iter().map(|fact| fact.blob).collect(), columns).await?;
            for (fact, meta) in these.iter().zip(metas) {
                if let Some(meta) = meta {
                    to.push(fact.uid, &meta);
                }
            }
            if to.octets() > most {
                return Ok(None);
            }
            facts = rest;
        }
        to.shrink();
        Ok(Some(words))
    }
}

impl WordTables {
    fn get(&self, mailbox: MailboxId) -> Option<Arc<Words>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        let (words, used) = kept.tables.get_mut(&mailbox)?;
        *used = tick;
        Some(words.clone())
    }

    fn keep(&self, mailbox: MailboxId, words: &Arc<Words>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.tick += 1;
        let tick = kept.tick;
        kept.tables.insert(mailbox, (words.clone(), tick));
        let mut octets: usize = kept.tables.values().map(|(words, _)| words.octets()).sum();
        while octets > WORDS_OCTETS_MAX {
            let oldest = kept.tables.iter().min_by_key(|(_, (_, used))| *used).map(|(mailbox, _)| *mailbox);
            let Some((gone, _)) = oldest.and_then(|mailbox| kept.tables.remove(&mailbox)) else { break };
            octets -= gone.octets();
        }
    }

    /// Forgets all: after the store was reopened, a message may not be there any more whose commit was in doubt.
    pub fn clear(&self) {
        let before = std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner).tables);
        drop(before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(messages: &[(Uid, &str, &str)]) -> Words {
        let mut words = Words::default();
        for (uid, from, rest) in messages {
            let envelope = format!("({rest} NIL NIL NIL NIL NIL NIL NIL \"<Id@X>\")").into_bytes();
            let meta = BlobMeta { from: (*from).to_owned(), envelope, ..BlobMeta::default() };
            words.push(*uid, &meta);
        }
        words
    }

    #[test]
    fn fields_stand_side_by_side() {
        let date = "\"Thu, 1 Jan 1970 23:30:00 -0800\"";
        let words = words(&[
            (3, "Bob", &format!("{date} \"A\tB\"")),
            (9, "", "NIL NIL"),
            (10, "\u{c4}\tx", "NIL \"=?utf-8?q?=C3=84?=\""),
        ]);
        let fields = |uid| {
            let found = words.get(uid).expect("message");
            let all = [WordField::From, WordField::To, WordField::Cc, WordField::Subject, WordField::MessageId];
            all.map(|field| found.field(field))
        };
        assert_eq!(fields(3), ["bob", "", "", "a b", "<id@x>"]);
        assert_eq!(fields(9), ["", "", "", "", "<id@x>"]);
        assert_eq!(fields(10), ["\u{e4} x", "", "", "\u{e4}", "<id@x>"]);
        assert!(words.get(4).is_none() && words.get(3).is_some_and(|found| found.sent_day() == 0));
    }

    #[test]
    fn addresses_are_found_without_their_comments() {
        for (list, more) in [
            ("bob <b@x.org>, \"smith, j. r\" <s@y>", ""),
            ("b@x.org (bob)", "\nbob <b@x.org>"),
            ("b(his)@x.org", "\nhis <b@x.org>"),
            ("b @ x.org", "\n <b@x.org>"),
            ("\"b\"@x.org", "\n <b@x.org>"),
            ("\"a \\\"b\\\" c\" <b@x>", "\na \"b\" c <b@x>"),
        ] {
            let words = words(&[(1, list, "NIL NIL")]);
            let found = words.get(1).expect("message").field(WordField::From).to_owned();
            assert_eq!(found, format!("{list}{more}"));
        }
    }

    #[test]
    fn every_subject_is_found() {
        let mut words = Words::default();
        let envelope =
            b"(NIL \"A\" NIL NIL NIL NIL NIL NIL NIL \"<1@x>\")S\"B\"M\"<2@x>\"S\"=?utf-8?q?=C3=84?=\"\n".to_vec();
        words.push(1, &BlobMeta { envelope, ..BlobMeta::default() });
        let found = words.get(1).expect("message");
        assert_eq!(found.field(WordField::Subject), "a\nb\n\u{e4}");
        assert_eq!(found.field(WordField::MessageId), "<1@x>\n<2@x>");
    }

    #[test]
    fn the_mailbox_searched_longest_ago_goes() {
        let tables = WordTables::default();
        let large = Arc::new(Words { text: "x".repeat(WORDS_OCTETS_MAX / 2), ..Words::default() });
        tables.keep(MailboxId(1), &large);
        tables.keep(MailboxId(2), &large);
        assert!(tables.get(MailboxId(1)).is_some());
        tables.keep(MailboxId(3), &large);
        assert!(tables.get(MailboxId(2)).is_none() && tables.get(MailboxId(1)).is_some());
        tables.keep(MailboxId(4), &Arc::new(Words { text: "x".repeat(WORDS_OCTETS_MAX + 1), ..Words::default() }));
        assert!(tables.get(MailboxId(4)).is_none());
        tables.clear();
        assert!(tables.get(MailboxId(1)).is_none());
    }
}
