//! Words of the kept mail: UIDs, modification sequences, flags, special uses (RFC 9051 §2.3, RFC 7162, RFC 6154).

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

/// A message's number for ever within its mailbox; 1 and up.
pub type Uid = u32;
/// Changes when UIDs start anew.
pub type UidValidity = u32;
/// Modification sequence of a mailbox or message; 1 and up, below 2^63.
pub type ModSeq = u64;

/// Row id of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub i64);
/// Row id of a mailbox; below 2^31, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxId(pub i64);
/// Row id of a stored body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub i64);
/// Id of a queued message; what a C caller gets back from submit. Never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueId(pub i64);

/// Flags of a message as bits. Bits 1 to 5 are the system flags; bits 6 to 63 are the mailbox's keywords,
/// whose names the mailbox knows. Bit 0 belongs to the store's blocks and is never set here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// None.
    pub const NONE: Flags = Flags(0);
    /// `\Seen`
    pub const SEEN: Flags = Flags(1 << 1);
    /// `\Answered`
    pub const ANSWERED: Flags = Flags(1 << 2);
    /// `\Flagged`
    pub const FLAGGED: Flags = Flags(1 << 3);
    /// `\Deleted`
    pub const DELETED: Flags = Flags(1 << 4);
    /// `\Draft`
    pub const DRAFT: Flags = Flags(1 << 5);
    /// All system flags.
    pub const SYSTEM: Flags = Flags(0b11_1110);
    /// First bit of a keyword.
    pub const KEYWORD_BIT_FIRST: u32 = 6;
    /// How many keywords a mailbox can have.
    pub const KEYWORDS_MAX: usize = 58;

    /// System flags by name, in the order IMAP lists them.
    pub const NAMES: [(Flags, &'static str); 5] = [
        (Flags::ANSWERED, "\\Answered"),
        (Flags::FLAGGED, "\\Flagged"),
        (Flags::DELETED, "\\Deleted"),
        (Flags::SEEN, "\\Seen"),
        (Flags::DRAFT, "\\Draft"),
    ];

    /// The flag of keyword number `index` (0 and up) of a mailbox.
    pub const fn keyword(index: usize) -> Flags {
        Flags(1 << (Flags::KEYWORD_BIT_FIRST as usize + index))
    }

    /// The system flag of this name, in any case.
    pub fn system(name: &str) -> Option<Flags> {
        Flags::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(flag, _)| *flag)
    }

    /// Whether all of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether none is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitAnd for Flags {
    type Output = Flags;
    fn bitand(self, other: Flags) -> Flags {
        Flags(self.0 & other.0)
    }
}

impl Not for Flags {
    type Output = Flags;
    fn not(self) -> Flags {
        Flags(!self.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({:#b})", self.0)
    }
}

/// What a mailbox is for (RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum SpecialUse {
    All,
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
}

impl SpecialUse {
    /// All of them with their attributes.
    pub const NAMES: [(SpecialUse, &'static str); 7] = [
        (SpecialUse::All, "\\All"),
        (SpecialUse::Archive, "\\Archive"),
        (SpecialUse::Drafts, "\\Drafts"),
        (SpecialUse::Flagged, "\\Flagged"),
        (SpecialUse::Junk, "\\Junk"),
        (SpecialUse::Sent, "\\Sent"),
        (SpecialUse::Trash, "\\Trash"),
    ];

    /// Mailboxes a new account has beside INBOX.
    pub const DEFAULT_MAILBOXES: [(&'static str, SpecialUse); 5] = [
        ("Drafts", SpecialUse::Drafts),
        ("Sent", SpecialUse::Sent),
        ("Junk", SpecialUse::Junk),
        ("Trash", SpecialUse::Trash),
        ("Archive", SpecialUse::Archive),
    ];

    /// The attribute, `\Sent`.
    pub fn attribute(self) -> &'static str {
        Self::NAMES.iter().find(|(u, _)| *u == self).map_or("", |(_, name)| name)
    }

    /// The use of this attribute, in any case.
    pub fn parse(attribute: &str) -> Option<SpecialUse> {
        Self::NAMES.iter().find(|(_, n)| n.eq_ignore_ascii_case(attribute)).map(|(u, _)| *u)
    }
}
