//! STATUS responses (RFC 9051 §7.3.4).

use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::response::{mailbox, number};

/// Counts of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Counts {
    pub messages: u32,
    pub uid_next: u32,
    pub uid_validity: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    pub mod_seq: u64,
    pub append_limit: u64,
}

/// `* STATUS name (...)`
pub fn status(out: &mut Vec<u8>, name: &str, utf8: bool, items: StatusItems, counts: &Counts) {
    out.extend_from_slice(b"* STATUS ");
    mailbox(out, name, utf8);
    let mut before: &[u8] = b" (";
    for (item, word) in StatusItem::NAMES {
        if !items.has(item) {
            continue;
        }
        out.extend_from_slice(before);
        out.extend_from_slice(word.as_bytes());
        out.push(b' ');
        let value = match item {
            StatusItem::Messages => counts.messages.into(),
            StatusItem::Recent => 0,
            StatusItem::UidNext => counts.uid_next.into(),
            StatusItem::UidValidity => counts.uid_validity.into(),
            StatusItem::Unseen => counts.unseen.into(),
            StatusItem::Deleted => counts.deleted.into(),
            StatusItem::Size => counts.octets,
            StatusItem::HighestModSeq => counts.mod_seq,
            StatusItem::AppendLimit => counts.append_limit,
        };
        number(out, value);
        before = b" ";
    }
    out.extend_from_slice(b")\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_in_their_order() {
        let counts = Counts {
            messages: 231,
            uid_next: 44_292,
            uid_validity: 7,
            unseen: 3,
            deleted: 2,
            octets: 99,
            mod_seq: 12,
            append_limit: 1_000,
        };
        let mut items = StatusItems::default();
        items.add(StatusItem::UidNext);
        items.add(StatusItem::Messages);
        let mut out = Vec::new();
        status(&mut out, "blurdy bloop", false, items, &counts);
        status(&mut out, "x", false, StatusItems(0x1ff), &counts);
        let want = "* STATUS \"blurdy bloop\" (MESSAGES 231 UIDNEXT 44292)\r\n\
                    * STATUS x (MESSAGES 231 RECENT 0 UIDNEXT 44292 UIDVALIDITY 7 \
                    UNSEEN 3 DELETED 2 SIZE 99 HIGHESTMODSEQ 12 \
                    APPENDLIMIT 1000)\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
