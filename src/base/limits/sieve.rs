//! Limits of Sieve scripts and of ManageSieve.

// -- Sieve -------------------------------------------------------------------------------------------

/// Octets of a Sieve script.
pub const SIEVE_SCRIPT_OCTETS_MAX: usize = 256 * 1024;
/// Scripts of an account.
pub const SIEVE_SCRIPTS_MAX: usize = 64;
/// Octets of a script's name: 128 characters at least (RFC 5804 §1.6).
pub const SIEVE_NAME_OCTETS_MAX: usize = 512;
/// Blocks and tests within each other (RFC 5228 §2.10.7: at least 15).
pub const SIEVE_NESTING_MAX: usize = 32;
/// Commands and tests of a script.
pub const SIEVE_NODES_MAX: usize = 10_000;
/// Strings of a list, and arguments of a command.
pub const SIEVE_LIST_ITEMS_MAX: usize = 4_096;
/// Steps of a run: statements, tests, and comparisons by their length. At worst about a tenth of a second.
pub const SIEVE_STEPS_MAX: usize = 200_000;
/// Octets of one variable; longer values are cut (RFC 5229 §6: at least 4000).
pub const SIEVE_VALUE_OCTETS_MAX: usize = 16 * 1024;
/// Octets of a string after its variables were put in.
pub const SIEVE_TEXT_OCTETS_MAX: usize = 256 * 1024;
/// Variables of one script, and global ones (RFC 5229 §6: at least 128).
pub const SIEVE_VARIABLES_MAX: usize = 256;
/// Octets of all variables.
pub const SIEVE_HELD_OCTETS_MAX: usize = 1024 * 1024;
/// Values of header fields that one test looks at.
pub const SIEVE_VALUES_MAX: usize = 4_096;
/// Octets of a message that tests of its body look at.
pub const SIEVE_BODY_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Actions of a run.
pub const SIEVE_ACTIONS_MAX: usize = 64;
/// Redirections of a run.
pub const SIEVE_REDIRECTS_MAX: usize = 8;
/// Notices of a run.
pub const SIEVE_NOTICES_MAX: usize = 4;
/// People a notice goes to.
pub const SIEVE_NOTIFIED_MAX: usize = 8;
/// Flags of a filing, and of a variable.
pub const SIEVE_FLAGS_MAX: usize = 64;
/// Fields that a run adds to a header.
pub const SIEVE_FIELDS_ADDED_MAX: usize = 64;
/// Scripts within each other.
pub const SIEVE_INCLUDE_DEPTH_MAX: usize = 10;
/// Inclusions of a run.
pub const SIEVE_INCLUDES_MAX: usize = 64;
/// Questions of a run.
pub const SIEVE_QUESTIONS_MAX: usize = 128;
/// Notes on a run.
pub const SIEVE_NOTES_MAX: usize = 1_000;
/// Days between two answers to one sender, where the script says nothing (RFC 5230 §4.1).
pub const SIEVE_REPLY_DAYS_DEFAULT: u64 = 7;
/// Seconds between two answers to one sender, at least. A script that says less (RFC 6131 allows 0) gets this.
pub const SIEVE_REPLY_SECONDS_MIN: u64 = 60;
/// Seconds between two answers to one sender, at most: 90 days.
pub const SIEVE_REPLY_SECONDS_MAX: u64 = 90 * 86_400;
/// Seconds that `duplicate` remembers, where the script says nothing: 7 days.
pub const SIEVE_DUPLICATE_SECONDS_DEFAULT: u64 = 7 * 86_400;
/// Seconds that `duplicate` remembers at most: 90 days.
pub const SIEVE_DUPLICATE_SECONDS_MAX: u64 = 90 * 86_400;
/// Keys remembered for an account; the ones that end first make room.
pub const SIEVE_REMEMBERED_MAX: usize = 10_000;
/// Characters of the subject of a letter that a script sends.
pub const SIEVE_SUBJECT_CHARS_MAX: usize = 256;
/// Message-IDs in References of a reply.
pub const SIEVE_REFERENCES_MAX: usize = 20;
/// Compiled scripts kept in memory.
pub const SIEVE_PROGRAMS_MAX: usize = 4_096;
/// Accounts whose scripts may send one message on, one after the other.
pub const SIEVE_HOPS_MAX: usize = 10;

// -- ManageSieve -------------------------------------------------------------------------------------

/// Octets of a command of ManageSieve between two literals.
pub const MANAGESIEVE_COMMAND_OCTETS_MAX: usize = 8 * 1024;
/// Octets of all literals of a command: a script, and a name.
pub const MANAGESIEVE_LITERALS_OCTETS_MAX: usize = SIEVE_SCRIPT_OCTETS_MAX + SIEVE_NAME_OCTETS_MAX;
/// Words of a command.
pub const MANAGESIEVE_ARGUMENTS_MAX: usize = 8;
/// Wrong commands of a session before it ends.
pub const MANAGESIEVE_ERRORS_MAX: u32 = 20;
