//! Limits of the directory's domains and groups, and of what follows from them.

/// Domains with settings of their own.
pub const DOMAIN_SETTINGS_MAX: usize = 10_000;
/// Groups.
pub const GROUPS_MAX: usize = 10_000;
/// Octets of the settings of one domain or group, as JSON.
pub const BOOK_ENTRY_OCTETS_MAX: usize = 1024 * 1024;
/// Octets of a document of changes to the directory.
pub const DIRECTORY_DOCUMENT_OCTETS_MAX: usize = 64 * 1024 * 1024;
/// Networks or senders that one list of a domain or group names.
pub const LISTED_MAX: usize = 10_000;
/// Octets of the text that an outsider is told by a closed domain: one line of a reply.
pub const CLOSED_TEXT_OCTETS_MAX: usize = 400;
/// Characters that separate the name of a user from what follows it.
pub const SEPARATORS_MAX: usize = 8;
/// Reports that one sender gets in an hour on users that do not exist, in domains that return such mail.
pub const RETURNS_PER_HOUR_MAX: u32 = 10;
/// Senders for whom such reports are counted.
pub const RETURNS_SENDERS_MAX: usize = 10_000;
/// Members of a group.
pub const GROUP_MEMBERS_MAX: usize = 10_000;
/// Octets of a group's name for people.
pub const GROUP_NAME_OCTETS_MAX: usize = 200;
/// Ways to leave a group that its mail names.
pub const GROUP_UNSUBSCRIBE_MAX: usize = 4;
/// Octets of one of them.
pub const GROUP_URI_OCTETS_MAX: usize = 400;
/// Days in which what comes back to a rewritten reverse-path is taken.
pub const SRS_DAYS: i64 = 21;
/// Octets of the key that rewritten reverse-paths are proved with.
pub const SRS_KEY_OCTETS: usize = 32;
