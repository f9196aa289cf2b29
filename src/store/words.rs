//! What SEARCH reads of headers: fields as people read them, folded (`message::fold`), kept in memory for mailboxes
//! that are searched.

use std::iter::Peekable;
use std::sync::Arc;

use super::table::Table;
use super::{BlobMeta, Fact, MetaColumns, Store};
use crate::base::limits::{WORDS_MESSAGE_OCTETS, WORDS_OCTETS_MAX};
use crate::base::{MailboxId, Result, Uid, UidSet};
use crate::imap::encode::envelope::{date_and_subject, further, message_id};
use crate::message::address_list::mailboxes;
use crate::message::date;
use crate::message::encoded_word::decode;
use crate::message::fold::push_folded;

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

/// The fields of some messages of one mailbox, folded. An LF stands between Subject, or Message-ID, fields where there
/// are several.
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

    fn push(&mut self, uid: Uid, meta: &BlobMeta) {
        let (sent, subject) = date_and_subject(&meta.envelope);
        let mut ends = [0; FIELDS];
        let (subjects, message_ids) = further(&meta.envelope);
        let subjects = subject.iter().chain(&subjects).map(|subject| decode(subject));
        let message_id = message_id(&meta.envelope);
        let message_ids = message_id.iter().chain(&message_ids).map(|id| String::from_utf8_lossy(id).into_owned());
        let (mut subjects, mut message_ids) = (subjects.peekable(), message_ids.peekable());
        for (index, end) in ends.iter_mut().enumerate() {
            match index {
                0 => push_list(&mut self.text, &meta.from),
                1 => push_list(&mut self.text, &meta.to),
                2 => push_list(&mut self.text, &meta.cc),
                3 => push_all(&mut self.text, &mut subjects),
                _ => push_all(&mut self.text, &mut message_ids),
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

/// Adds a list as it stands, and, where it reads otherwise than ENVELOPE tells it, the names and addresses as told:
/// FROM, TO and CC look for both.
fn push_list(text: &mut String, list: &str) {
    push_folded(text, list);
    if !is_unlike_told(list) {
        return;
    }
    for mailbox in mailboxes(list.as_bytes()) {
        let name = mailbox.name.unwrap_or_default();
        let address = [mailbox.local, mailbox.domain].join(&b'@');
        text.push('\n');
        push_folded(text, &format!("{} <{}>", String::from_utf8_lossy(&name), String::from_utf8_lossy(&address)));
    }
}

/// Adds the fields of one name, an LF between them.
fn push_all(text: &mut String, values: &mut Peekable<impl Iterator<Item = String>>) {
    while let Some(value) = values.next() {
        push_folded(text, &value);
        if values.peek().is_some() {
            text.push('\n');
        }
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

impl Table for Words {
    const WANTED: MetaColumns =
        MetaColumns { envelope: true, structure: false, parts: false, addresses: true, thread: false };
    const OCTETS_MAX: usize = WORDS_OCTETS_MAX;
    const MESSAGE_OCTETS: usize = WORDS_MESSAGE_OCTETS;
    const APART_OCTETS_MAX: usize = usize::MAX;

    fn uids(&self) -> &[Uid] {
        &self.uids
    }

    fn octets(&self) -> usize {
        self.text.len() + self.uids.len() * (size_of::<Uid>() + size_of::<[u32; FIELDS]>() + size_of::<i32>())
    }

    fn add(&mut self, fact: &Fact, meta: &BlobMeta) {
        self.push(fact.uid, meta);
    }

    fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.days.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

impl Store {
    /// The words of at least the given messages, as far as they are still there. Of a mailbox too large to be kept they
    /// are in memory together: the caller asks for no more than are [`described_together`](super::described_together).
    pub async fn words(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<Words>> {
        self.table(&self.shared().words, mailbox, uids).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::Tables;
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
        assert_eq!(fields(10), ["a\u{308} x", "", "", "a\u{308}", "<id@x>"]);
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
        assert_eq!(found.field(WordField::Subject), "a\nb\na\u{308}");
        assert_eq!(found.field(WordField::MessageId), "<1@x>\n<2@x>");
    }

    #[test]
    fn the_mailbox_searched_longest_ago_goes() {
        let tables = Tables::default();
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
