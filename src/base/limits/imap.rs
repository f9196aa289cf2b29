//! Limits of IMAP's extensions beyond those in `limits.rs`.

/// Event groups of a NOTIFY command.
pub const IMAP_NOTIFY_GROUPS_MAX: usize = 64;
/// Mailboxes that a session can be notified of.
pub const IMAP_NOTIFY_MAILBOXES_MAX: usize = 4_096;
