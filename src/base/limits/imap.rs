//! Limits of IMAP's extensions beyond those in `limits.rs`.

/// Event groups of a NOTIFY command.
pub const IMAP_NOTIFY_GROUPS_MAX: usize = 64;
/// Mailboxes that a session can be notified of.
pub const IMAP_NOTIFY_MAILBOXES_MAX: usize = 4_096;
/// Annotations of one mailbox, or of an account itself (RFC 5464 §4.1: ten at least).
pub const ANNOTATIONS_MAX: usize = 256;
/// Annotations of an account and all its mailboxes.
pub const ANNOTATIONS_PER_ACCOUNT_MAX: usize = 4_096;
/// Octets of all annotations of an account.
pub const ANNOTATIONS_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Octets of the value of one annotation (RFC 5464 §4.1: 1024 at least).
pub const ANNOTATION_OCTETS_MAX: usize = 32 * 1024;
/// Octets of the name of an annotation.
pub const ANNOTATION_NAME_OCTETS_MAX: usize = 512;
/// Entries that one command names.
pub const IMAP_ENTRIES_MAX: usize = 256;
/// How deep filters may name filters (RFC 5466 §3.1: three at least).
pub const IMAP_FILTER_PASSES_MAX: usize = 8;
/// Fewest messages in a batch that UIDBATCHES tells of.
pub const IMAP_BATCH_MESSAGES_MIN: u32 = 10;
/// Batches that one UIDBATCHES tells of.
pub const IMAP_BATCHES_MAX: usize = 100_000;
