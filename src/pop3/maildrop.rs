//! A maildrop as one session sees it: the messages there were at login, numbered, and the marks of DELE.
//!
//! Numbers never move during a session (RFC 1939 §5), whatever else happens to the mailbox.

use std::sync::Arc;

use crate::base::{BlobId, Uid, UidSet, UidValidity};

/// A message of a maildrop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// UID in INBOX.
    pub uid: Uid,
    /// Size in octets.
    pub octets: u64,
    /// Where its octets are.
    pub blob: BlobId,
}

/// The messages at login, and which of them are marked.
#[derive(Debug, Clone)]
pub struct Maildrop {
    uid_validity: UidValidity,
    messages: Arc<Vec<Listing>>,
    marked: Vec<bool>,
    left: usize,
    left_octets: u64,
}

/// Why a number means no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoMessage {
    /// There is none of that number.
    Unknown,
    /// It is marked as deleted.
    Deleted,
}

impl Maildrop {
    /// A maildrop of these messages, UIDs ascending.
    pub fn new(uid_validity: UidValidity, messages: Arc<Vec<Listing>>) -> Maildrop {
        let marked = vec![false; messages.len()];
        let mut maildrop = Maildrop { uid_validity, messages, marked, left: 0, left_octets: 0 };
        maildrop.reset();
        maildrop
    }

    /// The message of this number, 1 and up.
    pub fn get(&self, number: u32) -> Result<Listing, NoMessage> {
        let index = (number as usize).checked_sub(1).ok_or(NoMessage::Unknown)?;
        let message = self.messages.get(index).ok_or(NoMessage::Unknown)?;
        if self.marked.get(index) == Some(&true) { Err(NoMessage::Deleted) } else { Ok(*message) }
    }

    /// The first message not marked from this number on, and its number.
    pub fn next_from(&self, number: u32) -> Option<(u32, Listing)> {
        let start = number.saturating_sub(1) as usize;
        let rest = self.messages.get(start..)?.iter().zip(self.marked.get(start..)?);
        let (offset, (message, _)) = rest.enumerate().find(|(_, (_, marked))| !**marked)?;
        Some((u32::try_from(start + offset + 1).ok()?, *message))
    }

    /// Marks a message as deleted.
    pub fn mark(&mut self, number: u32) -> Result<(), NoMessage> {
        let message = self.get(number)?;
        if let Some(marked) = self.marked.get_mut(number as usize - 1) {
            *marked = true;
            self.left -= 1;
            self.left_octets -= message.octets;
        }
        Ok(())
    }

    /// Takes all marks away.
    pub fn reset(&mut self) {
        self.marked.fill(false);
        self.left = self.messages.len();
        self.left_octets = self.messages.iter().map(|message| message.octets).sum();
    }

    /// How many messages are not marked, and their octets together.
    pub fn left(&self) -> (usize, u64) {
        (self.left, self.left_octets)
    }

    /// UIDs of the marked messages.
    pub fn marked(&self) -> UidSet {
        let marked = self.messages.iter().zip(&self.marked).filter(|(_, marked)| **marked);
        marked.map(|(message, _)| message.uid).collect()
    }

    /// The unique-id of a message: the same in every session, for ever (RFC 1939 §7, UIDL).
    pub fn unique_id(&self, message: &Listing) -> String {
        format!("{}.{}", self.uid_validity, message.uid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildrop() -> Maildrop {
        let of = |uid, octets| Listing { uid, octets, blob: BlobId(i64::from(uid)) };
        Maildrop::new(9, Arc::new(vec![of(2, 100), of(5, 20), of(6, 3)]))
    }

    #[test]
    fn marks_count_and_numbers_stay() {
        let mut maildrop = maildrop();
        assert_eq!(maildrop.left(), (3, 123));
        assert_eq!(maildrop.mark(2), Ok(()));
        assert_eq!(maildrop.mark(2), Err(NoMessage::Deleted));
        assert_eq!(maildrop.mark(0), Err(NoMessage::Unknown));
        assert_eq!(maildrop.mark(4), Err(NoMessage::Unknown));
        assert_eq!(maildrop.mark(u32::MAX), Err(NoMessage::Unknown));
        assert_eq!(maildrop.left(), (2, 103));
        assert_eq!(maildrop.get(3).map(|m| m.uid), Ok(6));
        assert_eq!(maildrop.next_from(2).map(|(n, m)| (n, m.uid)), Some((3, 6)));
        assert_eq!(maildrop.next_from(4), None);
        assert_eq!(maildrop.marked().to_string(), "5");
        assert_eq!(maildrop.get(1).map(|m| maildrop.unique_id(&m)), Ok("9.2".to_owned()));
        maildrop.reset();
        assert_eq!(maildrop.left(), (3, 123));
        assert!(maildrop.marked().is_empty());
    }
}
