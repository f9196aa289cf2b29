//! Limits of what is known of domains, accounts and aliases, and of how long one account holds the writer.

/// Octets that domains, accounts and aliases take in memory: some ten thousand accounts. Others are read when they are
/// asked for.
pub const DIRECTORY_KNOWN_OCTETS_MAX: usize = 32 << 20;
/// Octets that names take which nobody has. They have room of their own, so that guesses drive out no account.
pub const DIRECTORY_ABSENT_OCTETS_MAX: usize = 2 << 20;
/// Times a question to the directory reads what it lacks: an alias is followed a step at a time, and what was read may
/// have changed meanwhile.
pub const DIRECTORY_READS_MAX: usize = 2_000;
/// Seconds after which sessions are looked through again where an account could not be read.
pub const REVIEW_RETRY_SECONDS: u64 = 1;
/// Rows of the directory that are listed at a time.
pub const DIRECTORY_PAGE_ROWS_MAX: usize = 256;
/// Costs of passwords that accounts have, which mock credentials take up.
pub const PASSWORD_COSTS_MAX: usize = 64;
/// Messages that an account may have where the program sets no other limit.
pub const ACCOUNT_MESSAGES_MAX: u64 = 1_000_000;
/// Messages whose flags one commit changes: of more, a STORE changes as many in each of its steps.
pub const STORE_STEP_MESSAGES_MAX: usize = 8_192;
