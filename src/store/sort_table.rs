//! What SORT compares of each message (RFC 5256 §3, RFC 5957): dates, size, and texts as keys of `i;unicode-casemap`.

use std::sync::Arc;

use super::table::Table;
use super::{BlobMeta, Fact, MetaColumns, Store};
use crate::base::limits::{SORT_MESSAGE_OCTETS, SORT_OCTETS_MAX, SORT_TABLE_OCTETS_MAX};
use crate::base::{MailboxId, Result, Timestamp, Uid, UidSet};
use crate::imap::encode::envelope::{FirstAddress, first_addresses};
use crate::message::collation::push_key;
use crate::message::encoded_word::decode;

/// A text that SORT compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SortText {
    From,
    To,
    Cc,
    DisplayFrom,
    DisplayTo,
    /// The base subject.
    Subject,
}

const TEXTS: usize = 6;

/// What is compared of some messages of one mailbox.
#[derive(Debug, Clone, Default)]
pub struct SortTable {
    /// Ascending.
    uids: Vec<Uid>,
    lines: Vec<Line>,
    text: String,
}

#[derive(Debug, Clone)]
struct Line {
    sent: Timestamp,
    arrived: Timestamp,
    size: u64,
    /// Where each text ends in `text`; it begins where the one before ends.
    ends: [u32; TEXTS],
}

impl SortTable {
    /// The line of a message; `None` where it has gone.
    pub fn line(&self, uid: Uid) -> Option<usize> {
        self.uids.binary_search(&uid).ok()
    }

    /// When the message was sent; when it arrived, where it does not say.
    pub fn sent(&self, line: usize) -> Timestamp {
        self.lines.get(line).map_or(Timestamp(0), |line| line.sent)
    }

    /// Its INTERNALDATE.
    pub fn arrived(&self, line: usize) -> Timestamp {
        self.lines.get(line).map_or(Timestamp(0), |line| line.arrived)
    }

    /// Its size in octets.
    pub fn size(&self, line: usize) -> u64 {
        self.lines.get(line).map_or(0, |line| line.size)
    }

    /// The key of one of its texts; empty where there is none.
    pub fn text(&self, line: usize, text: SortText) -> &str {
        let Some(ends) = self.lines.get(line).map(|line| line.ends) else { return "" };
        let index = text as usize;
        let before = match index.checked_sub(1) {
            Some(before) => ends.get(before).copied(),
            None => line.checked_sub(1).and_then(|before| self.lines.get(before)?.ends.last().copied()),
        };
        let end = ends.get(index).copied().unwrap_or(0);
        self.text.get(before.unwrap_or(0) as usize..end as usize).unwrap_or_default()
    }
}

impl Table for SortTable {
    const WANTED: MetaColumns =
        MetaColumns { envelope: true, structure: false, parts: false, addresses: false, thread: true };
    const OCTETS_MAX: usize = SORT_OCTETS_MAX;
    const MESSAGE_OCTETS: usize = SORT_MESSAGE_OCTETS;
    const APART_OCTETS_MAX: usize = SORT_TABLE_OCTETS_MAX;

    fn uids(&self) -> &[Uid] {
        &self.uids
    }

    fn octets(&self) -> usize {
        self.text.len() + self.uids.len() * (size_of::<Uid>() + size_of::<Line>())
    }

    fn add(&mut self, fact: &Fact, meta: &BlobMeta) {
        let [from, to, cc] = first_addresses(&meta.envelope);
        let mut ends = [0; TEXTS];
        for (text, end) in ends.iter_mut().enumerate() {
            match text {
                0 => push_key(&mut self.text, &mailbox(&from)),
                1 => push_key(&mut self.text, &mailbox(&to)),
                2 => push_key(&mut self.text, &mailbox(&cc)),
                3 => push_key(&mut self.text, &display(&from)),
                4 => push_key(&mut self.text, &display(&to)),
                _ => push_key(&mut self.text, &meta.subject),
            }
            *end = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        }
        self.uids.push(fact.uid);
        self.lines.push(Line { sent: meta.sent, arrived: fact.internal_date, size: fact.size, ends });
    }

    fn shrink(&mut self) {
        self.uids.shrink_to_fit();
        self.lines.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

/// The address's `addr-mailbox`.
fn mailbox(address: &FirstAddress) -> String {
    address.mailbox.as_deref().map_or(String::new(), |mailbox| String::from_utf8_lossy(mailbox).into_owned())
}

/// What a reader shows of the address (RFC 5957 §3).
fn display(address: &FirstAddress) -> String {
    let name = address.name.as_deref().map_or(String::new(), decode);
    match (&address.mailbox, &address.host) {
        _ if !name.is_empty() => name,
        (Some(mailbox), Some(host)) => {
            format!("{}@{}", String::from_utf8_lossy(mailbox), String::from_utf8_lossy(host))
        }
        _ => mailbox(address),
    }
}

impl Store {
    /// What SORT compares of at least the given messages, as far as they are still there.
    pub async fn sort_table(&self, mailbox: MailboxId, uids: &UidSet) -> Result<Arc<SortTable>> {
        self.table(&self.shared().sorts, mailbox, uids).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BlobId;
    use crate::message::scan;

    fn table(headers: &[&str]) -> SortTable {
        let mut table = SortTable::default();
        for (uid, header) in (1..).zip(headers) {
            let structure = scan(header.as_bytes());
            let fields = structure.root().and_then(|root| root.envelope.as_deref()).expect("envelope");
            let mut meta = BlobMeta { sent: Timestamp(7), ..BlobMeta::default() };
            crate::imap::encode::envelope::kept(&mut meta.envelope, fields);
            meta.subject = fields
                .subject
                .as_deref()
                .map_or(String::new(), |subject| crate::message::subject::base_subject(subject).0);
            let fact = Fact { uid, internal_date: Timestamp(9), size: 5, blob: BlobId(1) };
            table.add(&fact, &meta);
        }
        table
    }

    #[test]
    fn texts_stand_side_by_side() {
        let table = table(&[
            "From: \"Bob\" <bob@x>\r\nTo: c@d, e@f\r\nSubject: Re: \u{fc}\r\n\r\n",
            "Subject: a\r\nSubject: b\r\n\r\n",
            "From: =?utf-8?q?=C3=A9?= <e@x>\r\nTo: People: a@b;\r\nCc: (c) x@y\r\n\r\n",
        ]);
        let texts = |uid| {
            let line = table.line(uid).expect("line");
            let all = [
                SortText::From,
                SortText::To,
                SortText::Cc,
                SortText::DisplayFrom,
                SortText::DisplayTo,
                SortText::Subject,
            ];
            all.map(|text| table.text(line, text).to_owned())
        };
        assert_eq!(texts(1), ["BOB", "C", "", "BOB", "C@D", "U\u{308}"]);
        assert_eq!(texts(2), ["", "", "", "", "", "A"]);
        assert_eq!(texts(3), ["E", "PEOPLE", "X", "E\u{301}", "PEOPLE", ""]);
        assert_eq!(
            (table.line(4), table.sent(0), table.arrived(2), table.size(1)),
            (None, Timestamp(7), Timestamp(9), 5)
        );
        assert_eq!(table.text(9, SortText::From), "");
    }
}
