//! STATUS responses (RFC 9051 §7.3.4).

use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::response::{mailbox, number};

/// Counts of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Counts {
    pub messages: u32,
    pub recent: u32,
    pub uid_next: u32,
    pub uid_validity: u32,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    pub mod_seq: u64,
    pub append_limit: u64,
    pub mailbox: i64,
    /// In octets.
    pub deleted_octets: u64,
}

/// A STATUS attribute: its name, and how its value is written.
pub struct StatusAttribute {
    /// Which.
    pub item: StatusItem,
    /// As commands and responses name it.
    pub name: &'static str,
    /// Writes the value.
    write: fn(&mut Vec<u8>, &Counts),
}

/// Every attribute, in the order they are answered.
pub const ATTRIBUTES: &[StatusAttribute] = &[
    row(StatusItem::Messages, "MESSAGES", |out, counts| number(out, counts.messages)),
    row(StatusItem::Recent, "RECENT", |out, counts| number(out, counts.recent)),
    row(StatusItem::UidNext, "UIDNEXT", |out, counts| number(out, counts.uid_next)),
    row(StatusItem::UidValidity, "UIDVALIDITY", |out, counts| number(out, counts.uid_validity)),
    row(StatusItem::Unseen, "UNSEEN", |out, counts| number(out, counts.unseen)),
    row(StatusItem::Deleted, "DELETED", |out, counts| number(out, counts.deleted)),
    row(StatusItem::Size, "SIZE", |out, counts| number(out, counts.octets)),
    row(StatusItem::HighestModSeq, "HIGHESTMODSEQ", |out, counts| number(out, counts.mod_seq)),
    row(StatusItem::AppendLimit, "APPENDLIMIT", |out, counts| number(out, counts.append_limit)),
    row(StatusItem::MailboxId, "MAILBOXID", |out, counts| {
        out.push(b'(');
        mailbox_id(out, counts.mailbox);
        out.push(b')');
    }),
    // RFC 9208 §4.1.4 counts in units of 1024 octets.
    row(StatusItem::DeletedStorage, "DELETED-STORAGE", |out, counts| number(out, counts.deleted_octets.div_ceil(1024))),
];

const fn row(item: StatusItem, name: &'static str, write: fn(&mut Vec<u8>, &Counts)) -> StatusAttribute {
    StatusAttribute { item, name, write }
}

/// A mailbox's OBJECTID (RFC 8474 §4): its row id, which is never used again.
pub fn mailbox_id(out: &mut Vec<u8>, mailbox: i64) {
    out.push(b'F');
    number(out, mailbox.unsigned_abs());
}

/// `* STATUS name (...)`
pub fn status(out: &mut Vec<u8>, name: &str, utf8: bool, items: StatusItems, counts: &Counts) {
    out.extend_from_slice(b"* STATUS ");
    mailbox(out, name, utf8);
    let mut before: &[u8] = b" (";
    for row in ATTRIBUTES.iter().filter(|row| items.has(row.item)) {
        out.extend_from_slice(before);
        out.extend_from_slice(row.name.as_bytes());
        out.push(b' ');
        (row.write)(out, counts);
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
            recent: 5,
            uid_next: 44_292,
            uid_validity: 7,
            unseen: 3,
            deleted: 2,
            octets: 99,
            mod_seq: 12,
            append_limit: 1_000,
            mailbox: 17,
            deleted_octets: 1_025,
        };
        let mut items = StatusItems::default();
        items.add(StatusItem::UidNext);
        items.add(StatusItem::Messages);
        let mut out = Vec::new();
        status(&mut out, "blurdy bloop", false, items, &counts);
        status(&mut out, "x", false, StatusItems(0x7ff), &counts);
        let want = "* STATUS \"blurdy bloop\" (MESSAGES 231 UIDNEXT 44292)\r\n\
                    * STATUS x (MESSAGES 231 RECENT 5 UIDNEXT 44292 UIDVALIDITY 7 \
                    UNSEEN 3 DELETED 2 SIZE 99 HIGHESTMODSEQ 12 \
                    APPENDLIMIT 1000 MAILBOXID (F17) DELETED-STORAGE 2)\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
