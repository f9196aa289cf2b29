//! Every number a peer, a host or a file can run into, with its unit, its reason and the RFC's minimum.
//!
//! Limits a host may change are defaults here and fields of `engine::config`; the others are ceilings.
//! Relations between them are asserted at compile time at the end.

mod directory;
mod door;
mod esmtp;
mod imap;
mod out;
mod outward;
mod postgres;
mod sieve;

pub use directory::*;
pub use door::*;
pub use esmtp::*;
pub use imap::*;
pub use out::*;
pub use outward::*;
pub use postgres::*;
pub use sieve::*;

// -- session input -----------------------------------------------------------------------------------

/// Octets received and not yet consumed in one session: one read of TLS records or a pipelined group.
pub const INPUT_OCTETS_MAX: usize = 64 * 1024;
/// Octets one read from a socket may bring.
pub const READ_OCTETS: usize = 16 * 1024;
/// Octets of a body that leave a session at once.
pub const CHUNK_OCTETS_MAX: usize = 64 * 1024;
/// Octets of output a session gathers before it must be written.
pub const OUTPUT_OCTETS_MAX: usize = 256 * 1024;
/// Octets of a message kept in memory before a scratch file takes over.
pub const BODY_IN_MEMORY_OCTETS_MAX: usize = 256 * 1024;

/// Octets a quiet session is charged with: its state, its buffers while it waits, and those of TLS.
pub const SESSION_OCTETS: u64 = 32 * 1024;
/// Octets a recipient of a message under way is charged with.
pub const RECIPIENT_OCTETS: u64 = 1_024;
/// Milliseconds between two looks at how much memory the machine has left for us.
pub const MEMORY_LOOK_MILLISECONDS: u64 = 20;
/// Octets charged after which it is looked at before that.
pub const MEMORY_LOOK_OCTETS: u64 = 1024 * 1024;
/// The smallest budget of memory that is chosen where the host sets none.
pub const MEMORY_OCTETS_MIN: u64 = 64 * 1024 * 1024;

// -- addresses and messages --------------------------------------------------------------------------

/// RFC 5321 §4.5.3.1.1.
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// RFC 5321 §4.5.3.1.2.
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// Default for the largest message taken, in octets; 25 MB of attachments are 34 MB in base64.
pub const MESSAGE_OCTETS_MAX: u64 = 64 * 1024 * 1024;

// -- SMTP --------------------------------------------------------------------------------------------

/// A command line with CRLF. RFC 5321 §4.5.3.1.4 asks for 512; MAIL and RCPT extensions add up to about
/// 1,500 (RFC 3461 §5 alone 500 for ORCPT), AUTH needs 12,288 for an initial response (RFC 4954 §4).
pub const SMTP_COMMAND_LINE_OCTETS_MAX: usize = 12_288;
/// A line of AUTH's dialogue (RFC 4954 §4).
pub const SASL_LINE_OCTETS_MAX: usize = 12_288;
/// Octets kept of a reply line of a peer; the rest is read and dropped. RFC 5321 §4.5.3.1.5 says 512; servers write
/// more.
pub const SMTP_REPLY_LINE_KEPT_OCTETS: usize = 2_048;
/// Octets kept of a reply of a peer, its last line not counted; the rest is read and dropped.
pub const SMTP_REPLY_KEPT_OCTETS: usize = 32 * 1024;
/// Octets of a reply of a peer after which the connection ends.
pub const SMTP_REPLY_OCTETS_MAX: usize = 4 * 1024 * 1024;
/// Recipients in one transaction; RFC 5321 §4.5.3.1.8 asks for at least 100.
pub const SMTP_RECIPIENTS_MAX: usize = 1_000;
/// ENVID, encoded (RFC 3461 §4.4).
pub const DSN_ENVELOPE_ID_OCTETS_MAX: usize = 100;
/// ORCPT, encoded (RFC 3461 §4.2).
pub const DSN_ORIGINAL_RECIPIENT_OCTETS_MAX: usize = 500;
/// Octets a session still reads of a message that is refused as too large, waiting for its end, before it closes.
pub const SMTP_READ_ON_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// Recipients that do not exist, in one session, before each further one is answered late.
pub const UNKNOWN_RECIPIENTS_FREE: u32 = 3;
/// Milliseconds it is answered late.
pub const UNKNOWN_RECIPIENT_PAUSE_MILLISECONDS: u64 = 500;
/// Recipients that do not exist, of one address (of IPv6 a /64), before it is not heard for a time.
pub const UNKNOWN_RECIPIENTS_PER_PEER_MAX: u32 = 100;
/// Errors before a session is closed with 421.
pub const SMTP_ERRORS_MAX: u32 = 20;
/// Waits for a command that a session may take before it brings a message, whatever it says meanwhile: with the usual
/// wait two hours, time for thousands of recipients.
pub const SMTP_WAITS_PER_MESSAGE: u32 = 24;
/// Seconds a session waits at most for a command, and for the login, when three quarters of its listener's places are
/// taken.
pub const STRESS_WAIT_SECONDS: u64 = 30;
/// Commands in a row that move nothing forward (NOOP, RSET, VRFY, HELP) before 421.
pub const SMTP_IDLE_COMMANDS_MAX: u32 = 100;
/// Transactions in one session.
pub const SMTP_TRANSACTIONS_MAX: u32 = 10_000;
/// Seconds a server waits for a command; RFC 5321 §4.5.3.2.7 asks for 5 minutes.
pub const SMTP_COMMAND_WAIT_SECONDS: u64 = 300;
/// Octets of message data a second that DATA and BDAT bring at least; Postfix asks for 500 too.
pub const SMTP_DATA_RATE_MIN: u32 = 500;
/// Seconds the data of one message may take, however fast it comes; the largest message needs 6 kB/s then.
pub const SMTP_DATA_SECONDS: u64 = 3 * 3_600;
/// Received fields before a message is taken to loop; RFC 5321 §6.3 asks for at least 100.
pub const RECEIVED_FIELDS_MAX: usize = 100;
/// Iterations of PBKDF2 a server may ask of us: bounds what a login costs us (RFC 5802 §9).
pub const SCRAM_ITERATIONS_MAX: u32 = 1_000_000;
/// A login name: the longest address.
pub const LOGIN_NAME_OCTETS_MAX: usize = LOCAL_PART_OCTETS_MAX + 1 + DOMAIN_OCTETS_MAX;
/// Seconds a password that was right is remembered (as a keyed hash), so that clients which log in for every
/// message do not pay for Argon2id every time.
pub const LOGIN_CACHE_SECONDS: u64 = 300;
/// Passwords remembered at a time; about 100 octets each.
pub const LOGIN_CACHE_ENTRIES_MAX: usize = 10_000;
/// Steps from an address to its accounts through aliases: the members of the largest list, and then some.
pub const ALIAS_EXPANSIONS_MAX: usize = 1_000;
/// Failed logins in one session before it is closed.
pub const LOGIN_FAILURES_MAX: u32 = 3;

/// Passwords that are hashed at a time; further attempts wait for a fair turn.
pub const LOGIN_HASHES_AT_ONCE: usize = 2;
/// Login attempts of one network (/24, of IPv6 /48) that wait for a turn.
pub const LOGIN_WAITING_PER_NETWORK_MAX: usize = 64;
/// Login attempts that wait for a turn in all.
pub const LOGIN_WAITING_MAX: usize = 1_024;
/// Failed logins of one address (of IPv6 a /64) before it is blocked.
pub const LOGIN_FAILURES_PER_PEER_MAX: u32 = 30;
/// The same of one network (/24, of IPv6 /48).
pub const LOGIN_FAILURES_PER_NETWORK_MAX: u32 = 120;
/// Failed logins to one account from addresses that it never logged in from before it is closed to such.
pub const LOGIN_FAILURES_PER_ACCOUNT_MAX: u32 = 100;
/// Failed logins to one account from one address before that address is blocked for the account.
pub const LOGIN_PAIR_FAILURES_MAX: u32 = 20;
/// Failed logins of an address before the pause after each of them grows.
pub const LOGIN_FAILURES_FREE: u32 = 3;
/// The longest pause before the answer to a login that was checked and failed, in seconds. Clients give up after 30 to
/// 60.
pub const LOGIN_PAUSE_SECONDS_MAX: u64 = 15;
/// The same where the attempt is blocked and was not checked, in seconds.
pub const LOGIN_BLOCKED_SECONDS: u64 = 60;
/// Pauses before an attempt is told that too many wait.
pub const LOGIN_BUSY_PAUSES: u32 = 15;
/// Seconds an account counts as known at an address after a login.
pub const LOGIN_KNOWN_SECONDS: u64 = 30 * 86_400;
/// Accounts known at addresses, some 80 octets each.
pub const LOGIN_KNOWN_MAX: usize = 50_000;
/// Seconds in which as many failures are forgiven as the limit allows.
pub const PENALTY_FORGIVEN_SECONDS: u64 = 1_800;
/// Seconds the first block lasts; each further one lasts twice as long.
pub const PENALTY_BLOCK_SECONDS: u64 = 60;
/// Seconds the longest block lasts.
pub const PENALTY_BLOCK_SECONDS_MAX: u64 = 3_600;
/// Seconds after which it is forgotten how often somebody was blocked.
pub const PENALTY_BLOCKS_KEPT_SECONDS: u64 = 86_400;
/// Addresses, networks and accounts counted, some 150 octets each.
pub const PENALTY_RECORDS_MAX: usize = 20_000;
/// Seconds between two looks at what the passwords of accounts cost.
pub const DECOY_COSTS_SECONDS: u64 = 60;

// -- POP3 --------------------------------------------------------------------------------------------

/// A command line with CRLF. RFC 2449 §4 says 255; AUTH's initial response needs more (RFC 5034 §4).
pub const POP3_COMMAND_LINE_OCTETS_MAX: usize = 12_288;
/// Seconds without a command before a session is dropped; RFC 1939 §3 asks for at least 10 minutes.
pub const POP3_IDLE_SECONDS: u64 = 600;
/// Errors before a session is closed.
pub const POP3_ERRORS_MAX: u32 = 20;
/// Messages read before they are asked for.
pub const POP3_READ_AHEAD_MESSAGES_MAX: usize = 64;
/// Octets read before they are asked for.
pub const POP3_READ_AHEAD_OCTETS_MAX: usize = 512 * 1024;

// -- IMAP --------------------------------------------------------------------------------------------

/// A command without its literals, after login: UID lists of large mailboxes are long.
pub const IMAP_COMMAND_LINE_OCTETS_MAX: usize = 2 * 1024 * 1024;
/// The same before login.
pub const IMAP_EARLY_COMMAND_LINE_OCTETS_MAX: usize = 65_536 - 1_024;
/// A literal outside APPEND.
pub const IMAP_LITERAL_OCTETS_MAX: usize = 64 * 1024;
/// All literals of one command outside APPEND, after login.
pub const IMAP_LITERALS_OCTETS_MAX: usize = 1024 * 1024;
/// The same before login.
pub const IMAP_EARLY_LITERALS_OCTETS_MAX: usize = 256 * 1024;
/// Messages of one APPEND.
pub const IMAP_APPEND_MESSAGES_MAX: usize = 500;
/// A tag.
pub const IMAP_TAG_OCTETS_MAX: usize = 128;
/// Octets of a refused command that are passed over before the session says BYE.
pub const IMAP_SKIP_OCTETS_MAX: u64 = 128 * 1024 * 1024;
/// Items of one FETCH.
pub const IMAP_FETCH_ITEMS_MAX: usize = 256;
/// Field names of one FETCH section.
pub const IMAP_HEADER_NAMES_MAX: usize = 256;
/// Keys of one SEARCH, parentheses, NOT and OR counted: as many as a command line has room for, since a search for
/// many senders is a chain of ORs.
pub const IMAP_SEARCH_KEYS_MAX: usize = 32_000;
/// Results of one session that are kept up to date (RFC 5267).
pub const IMAP_CONTEXTS_MAX: usize = 16;
/// Messages in all of them.
pub const IMAP_CONTEXT_MESSAGES_MAX: usize = 400_000;
/// Language ranges of one LANGUAGE.
pub const IMAP_LANGUAGES_MAX: usize = 32;
/// Mailboxes that one ESEARCH names.
pub const IMAP_SOURCES_MAX: usize = 1_000;
/// Messages in a row that cannot be read before FETCH or SEARCH gives up: then it is not the messages.
pub const FETCH_DAMAGED_MAX: usize = 64;
/// Octets of a text, as sent, that its preview is made of.
pub const PREVIEW_OCTETS_MAX: usize = 8 * 1024;
/// Criteria of one SORT.
pub const IMAP_SORT_CRITERIA_MAX: usize = 32;
/// Patterns of one LIST.
pub const IMAP_LIST_PATTERNS_MAX: usize = 64;
/// Octets of one LIST pattern: a name in modified UTF-7 takes up to 8/3 octets for one of UTF-8.
pub const IMAP_PATTERN_OCTETS_MAX: usize = 2_048;
/// Fields of one ID; RFC 2971 §3.3 allows 30.
pub const IMAP_ID_FIELDS_MAX: usize = 30;
/// Names of one ENABLE.
pub const IMAP_ENABLE_NAMES_MAX: usize = 64;
/// Octets of an APPENDed message that are taken apart on the session's own task; larger ones go to a computing thread.
pub const IMAP_DESCRIBE_INLINE_OCTETS_MAX: u64 = 256 * 1024;
/// Messages whose facts FETCH and SEARCH read at once.
pub const FETCH_FACTS_MAX: usize = 4_000;
/// Messages FETCH and SEARCH gather at once.
pub const FETCH_BATCH_MESSAGES_MAX: usize = 500;
/// Octets of headers whose descriptions FETCH and SEARCH gather at once, a message counted with
/// `HEADER_LISTS_OCTETS_MAX` at most: its envelope may be as long.
pub const FETCH_BATCH_HEADER_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Octets of bodies FETCH and SEARCH gather at once; a larger body passes in pieces.
pub const FETCH_BATCH_OCTETS_MAX: u64 = 1024 * 1024;
/// Octets of a piece of a large body.
pub const FETCH_PIECE_OCTETS: usize = 256 * 1024;
/// Elements of one sequence set: as many as a command line of 1 MiB has room for.
pub const IMAP_SEQUENCE_ELEMENTS_MAX: usize = 512 * 1024;
/// Seconds without a command before autologout once logged in; RFC 9051 §5.4 asks for at least 30 minutes.
pub const IMAP_IDLE_SECONDS: u64 = 1_800;
/// The same before login.
pub const IMAP_LOGIN_WAIT_SECONDS: u64 = 120;
/// BAD commands in a row before a session is closed.
pub const IMAP_ERRORS_MAX: u32 = 20;
/// Octets of a mailbox name, UTF-8.
pub const MAILBOX_NAME_OCTETS_MAX: usize = 512;
/// Levels of a mailbox name.
pub const MAILBOX_LEVELS_MAX: usize = 32;
/// Octets of a keyword; longer ones are left out. Clients use a few dozen.
pub const KEYWORD_OCTETS_MAX: usize = 255;
/// Mailboxes of one account.
pub const MAILBOXES_MAX: usize = 10_000;

// -- MIME --------------------------------------------------------------------------------------------

/// Octets of a line that we send, without its CRLF (RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6).
pub const LINE_OCTETS_MAX: usize = 998;
/// Octets of one header that are looked at; the rest is kept, not understood. Where a message is described, those of
/// the fields that something is made of, address lists not counted.
pub const HEADER_OCTETS_MAX: usize = 256 * 1024;
/// Octets of address lists and references of one header that are described: some ten thousand recipients.
pub const HEADER_LISTS_OCTETS_MAX: usize = 512 * 1024;
/// Depth of multiparts and messages within messages; deeper ones are opaque.
pub const MIME_NESTING_MAX: usize = 50;
/// Parts of one message; further ones belong to the last.
pub const MIME_PARTS_MAX: usize = 5_000;
/// Octets of a boundary that is looked for; RFC 2046 §5.1.1 allows 70, senders have used more.
pub const MIME_BOUNDARY_OCTETS_MAX: usize = 256;
/// Octets of field values kept for the description of one message; parts beyond it are described without them.
pub const MIME_FACTS_OCTETS_MAX: usize = 1024 * 1024;
/// Parameters of one field that are read.
pub const MIME_PARAMETERS_MAX: usize = 100;
/// Addresses of one field that are read.
pub const HEADER_ADDRESSES_MAX: usize = 10_000;
/// Addresses of one field that a decision rests on (From, Sender); a field with more names nobody for certain.
pub const STRICT_ADDRESSES_MAX: usize = 100;

// -- delivery ----------------------------------------------------------------------------------------

/// Hosts of a domain that one attempt tries; RFC 5321 §5.1 leaves the number to us.
pub const MX_HOSTS_MAX: usize = 10;
/// Addresses of one host that one attempt tries.
pub const ADDRESSES_PER_HOST_MAX: usize = 4;
/// Seconds to wait for the resolver, whatever it does by itself: above its own retries.
pub const DNS_WAIT_SECONDS: u64 = 60;
/// Seconds to connect (RFC 5321 §4.5.3.2 has none; peers use 30).
pub const CONNECT_WAIT_SECONDS: u64 = 30;
/// Seconds for the greeting (RFC 5321 §4.5.3.2.1).
pub const SMTP_CLIENT_GREETING_WAIT_SECONDS: u64 = 300;
/// Seconds for the reply to a command (RFC 5321 §4.5.3.2.2 and .3: 5 minutes for MAIL and RCPT; DATA needs 2).
pub const SMTP_CLIENT_REPLY_WAIT_SECONDS: u64 = 300;
/// Seconds for a block of data to leave (RFC 5321 §4.5.3.2.5).
pub const SMTP_CLIENT_BLOCK_WAIT_SECONDS: u64 = 180;
/// Seconds for the reply to the final dot (RFC 5321 §4.5.3.2.6).
pub const SMTP_CLIENT_FINAL_WAIT_SECONDS: u64 = 600;
/// Seconds for the reply to QUIT: the mail is delivered, politeness has an end.
pub const SMTP_CLIENT_QUIT_WAIT_SECONDS: u64 = 10;
/// Commands a client has out at a time where the host offers PIPELINING: their replies fit any socket's buffer,
/// so that both sides never wait for the other to read (RFC 2920 §3.1).
pub const SMTP_PIPELINED_COMMANDS_MAX: usize = 50;
/// Seconds for a TLS handshake, either side.
pub const TLS_HANDSHAKE_SECONDS: u64 = 30;
/// Seconds after which one attempt dials no further host: peers that stall must not hold its place for hours.
pub const ATTEMPT_DIALS_SECONDS_MAX: u64 = 900;
/// Recipients we name in one transaction; every host must take 100 (RFC 5321 §4.5.3.1.8).
pub const RECIPIENTS_PER_TRANSACTION: usize = 100;
/// Transactions on one outgoing connection.
pub const MESSAGES_PER_CONNECTION_MAX: u32 = 100;
/// The same where other destinations wait for a connection to the host.
pub const MESSAGES_PER_TURN_MAX: u32 = 5;
/// Octets of what a host said that are kept with an attempt and quoted in reports.
pub const DIAGNOSTIC_OCTETS_MAX: usize = 1_024;
/// Connections to one destination at a time.
pub const CONNECTIONS_PER_DESTINATION_MAX: usize = 5;
/// Deliveries under way at a time.
pub const DELIVERIES_MAX: usize = 100;
/// Messages filed here, reported or given up by the queue at a time; these take no connection.
pub const QUEUE_LOCAL_MAX: usize = 8;
/// Recipients of one message in one attempt; the rest of it has another.
pub const QUEUE_ATTEMPT_RECIPIENTS_MAX: usize = 1_000;
/// Recipients in memory for all attempts under way, some 1 KiB each. Beyond it attempts take
/// `QUEUE_ATTEMPT_RECIPIENTS_MIN` each, so that nobody has to wait for memory.
pub const QUEUE_RECIPIENTS_MAX: usize = 20_000;
/// Recipients of one message an attempt takes however many are in memory.
pub const QUEUE_ATTEMPT_RECIPIENTS_MIN: usize = 50;
/// Destinations the runner knows at a time, some 300 octets each; others are found in the store once there is room.
pub const QUEUE_DESTINATIONS_MAX: usize = 50_000;
/// Destinations asked for at once when the runner looks through the store.
pub const QUEUE_DESTINATIONS_PER_LOOK: usize = 1_000;
/// Rows put off, routed anew or given up in one commit: mail waits for no more.
pub const QUEUE_ROWS_PER_COMMIT: usize = 200;
/// Connections to a destination, or a host, that has not shown yet that it takes mail.
pub const WINDOW_FIRST: usize = 2;
/// Seconds a host, or a destination, that cannot be reached is left alone at most.
pub const BACK_OFF_SECONDS_MAX: u64 = 1_800;
/// Hosts remembered by address: connections, window, back-off.
pub const HOSTS_MAX: usize = 10_000;
/// Destinations that may wait for one host.
pub const HOST_WAITING_MAX: usize = 10_000;
/// Milliseconds without a word from a host after which its place may be given to a destination that was not tried yet,
/// where there is no other.
pub const STALLED_MILLISECONDS: u64 = 400;
/// The same while the message is being sent.
pub const STALLED_BODY_MILLISECONDS: u64 = 5_000;
/// Seconds behind its end after which a message is given up without its last attempt: its destination gave it none.
pub const LAST_ATTEMPT_SECONDS: u64 = 3_600;
/// Attempts made up for of one message where the host moved the clock past several of them.
pub const CATCH_UP_ATTEMPTS_MAX: u32 = 100;
/// Longest sleep of the runner: how late it notices that the wall clock was set.
pub const QUEUE_SLEEP_SECONDS_MAX: u64 = 60;
/// Shortest pause between attempts, whatever the settings say.
pub const RETRY_SECONDS_MIN: u64 = 1;
/// Tries to write down the end of an attempt while the store fails.
pub const SETTLE_TRIES_MAX: u32 = 10;
/// Longest pause between them.
pub const SETTLE_PAUSE_SECONDS_MAX: u64 = 60;
/// Octets of the original message that a bounce brings back.
pub const BOUNCE_RETURNS_OCTETS_MAX: u64 = 256 * 1024;

// -- mail authentication -----------------------------------------------------------------------------

/// Seconds that all DNS questions of one check may take together where its caller names no time (RFC 7208 §4.6.4 wants
/// at least so many).
pub const CHECK_WAIT_SECONDS: u64 = 20;
/// Terms of an SPF check that ask DNS (RFC 7208 §4.6.4).
pub const SPF_LOOKUPS_MAX: usize = 10;
/// Lookups of an SPF check that may come back empty (RFC 7208 §4.6.4).
pub const SPF_VOID_LOOKUPS_MAX: usize = 2;
/// Names of one MX or PTR answer that an SPF check looks at (RFC 7208 §4.6.4).
pub const SPF_NAMES_MAX: usize = 10;

/// Labels of a name from which a DMARC tree walk goes on upwards (RFC 9989 §4.10): eight questions at most.
pub const DMARC_WALK_LABELS_MAX: usize = 8;
/// Octets of a DMARC record; a longer one counts as none. Real ones have a few hundred.
pub const DMARC_RECORD_OCTETS_MAX: usize = 8_192;
/// Addresses of one `rua` or `ruf` that are used; RFC 7489 §6.2 asks for at least two.
pub const DMARC_REPORT_URIS_MAX: usize = 10;
/// Characters of one word of an aggregate report (a domain, a selector, a result); longer ones are cut.
pub const DMARC_REPORT_WORD_CHARS_MAX: usize = 255;
/// Characters of one comment in an aggregate report; longer ones are cut.
pub const DMARC_REPORT_COMMENT_CHARS_MAX: usize = 500;
/// Kinds of observation for aggregate reports that wait in memory; of further kinds nothing is kept until these are
/// written. One takes up to 8 KiB, as a rule 300 octets.
pub const DMARC_OBSERVED_WAITING_MAX: usize = 2_000;
/// Kinds of observation at which they are written at once.
pub const DMARC_OBSERVED_WAITING: usize = 500;
/// Seconds observations wait to be written together: what a crash may cost a report.
pub const DMARC_OBSERVED_WAIT_SECONDS: u64 = 60;
/// Rows of one aggregate report of ours; what is seen beyond them is left out.
pub const DMARC_REPORT_ROWS_MAX: usize = 10_000;
/// Domains one day's mail is reported to.
pub const DMARC_REPORT_DOMAINS_MAX: usize = 5_000;
/// Rows of all reports of one day.
pub const DMARC_DAY_ROWS_MAX: usize = 200_000;
/// Octets of the XML of an aggregate report that came, unpacked: the largest seen have a few million.
pub const DMARC_REPORT_XML_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Octets of a letter that is looked into for an aggregate report.
pub const DMARC_LETTER_OCTETS_MAX: usize = 16 * 1024 * 1024;
/// Parts of such a letter that are tried.
pub const DMARC_LETTER_ATTACHMENTS_MAX: usize = 4;
/// Files in a zip archive that are looked at.
pub const ZIP_ENTRIES_MAX: usize = 64;
/// Depth of elements in an aggregate report; the standards' has seven.
pub const DMARC_REPORT_NESTING_MAX: usize = 32;
/// Octets of text in one element of an aggregate report; the rest is passed over.
pub const DMARC_REPORT_FIELD_OCTETS_MAX: usize = 4_096;
/// Rows of an aggregate report that came.
pub const DMARC_REPORT_READ_ROWS_MAX: usize = 50_000;
/// Signatures, SPF results or reasons of one row; RFC 9990 asks for no more than 100 signatures.
pub const DMARC_ROW_RESULTS_MAX: usize = 100;
/// Errors an aggregate report may tell of.
pub const DMARC_REPORT_ERRORS_MAX: usize = 10;
/// Aggregate reports that came and are kept, newest first.
pub const DMARC_REPORTS_KEPT_MAX: i64 = 100_000;
/// Rows of all of them, some 200 octets each.
pub const DMARC_ROWS_KEPT_MAX: i64 = 2_000_000;
/// Such reports read before the oldest are looked for that have to go.
pub const DMARC_READ_BETWEEN_PRUNES: usize = 64;
/// Rows of such a report written, or removed, in one commit: mail waits for no more.
pub const DMARC_ROWS_PER_COMMIT: usize = 2_000;
/// Seconds behind the end of a UTC day at which its reports go, at most: hosts do not all write at midnight.
pub const DMARC_REPORT_SPREAD_SECONDS: u64 = 900;
/// Seconds until a report is tried again whose addressee DNS could not be asked about.
pub const DMARC_REPORT_RETRY_SECONDS: u64 = 3_600;
/// Seconds it may take in all to find out who may have one report. Whose DNS hangs is tried again later, and those
/// behind him have theirs meanwhile.
pub const DMARC_REPORT_DNS_SECONDS: u64 = 10;
/// Questions that may take: nine for each address and eight more.
pub const DMARC_REPORT_QUESTIONS_MAX: u32 = 9 * DMARC_REPORT_URIS_MAX as u32 + 8;
/// Days a report is tried for; after them what was observed is of no more use.
pub const DMARC_REPORT_TRY_DAYS: i64 = 2;
/// Days it is remembered that a report was made, so that no second is.
pub const DMARC_REPORTED_DAYS: i64 = 7;
/// Seconds aggregate reports others sent us are kept: a year and a bit, so that a season can be compared with the last.
pub const DMARC_REPORT_KEEP_SECONDS: u64 = 400 * 86_400;
/// Domains of one From that DMARC is evaluated for; a message with more fails (RFC 7489 §6.6.1).
pub const DMARC_FROM_DOMAINS_MAX: usize = 4;
/// Signatures of one message that are checked; further ones are not looked at.
pub const DKIM_SIGNATURES_MAX: usize = 10;
/// Tags of one list; the standards know about fifteen.
pub const TAGS_MAX: usize = 100;
/// Names in `h=`.
pub const DKIM_SIGNED_FIELDS_MAX: usize = 500;
/// Names of a client's address that iprev looks at (RFC 8601 §3 wants a limit; SPF has ten).
pub const IPREV_NAMES_MAX: usize = 10;
/// Octets of a BIMI record: two long URIs and some.
pub const BIMI_RECORD_OCTETS_MAX: usize = 4096;
/// Octets of a value in Authentication-Results as we write it: an address, with room; twice that still fits a line.
pub const AUTHRES_VALUE_OCTETS_MAX: usize = 384;
/// Octets of a reason or remark in Authentication-Results as we write it.
pub const AUTHRES_TEXT_OCTETS_MAX: usize = 256;
/// Results that are read of one Authentication-Results field.
pub const AUTHRES_RESULTS_MAX: usize = 100;
/// Properties that are read of one result.
pub const AUTHRES_PROPERTIES_MAX: usize = 50;
/// Sets of an ARC chain (RFC 8617 §4.2.1).
pub const ARC_SETS_MAX: usize = 50;
/// Passes over a body (form and `l=`) up to which the older signatures of an ARC chain may ask for one more.
pub const ARC_BODY_FORMS_MAX: usize = 4;
/// Octets of a key record: a key of 8192 bits in base64, with room.
pub const DKIM_KEY_RECORD_OCTETS_MAX: usize = 4096;
/// RSA keys of others that are remembered ready for use, some 2 KiB each, 10 KiB at most.
pub const DKIM_KEYS_OPENED_MAX: usize = 64;
/// Bits of an RSA key (RFC 8301 §3.2).
pub const DKIM_RSA_BITS_MIN: u32 = 1024;
/// The same, largest: a check costs by the square of it.
pub const DKIM_RSA_BITS_MAX: u32 = 8192;

/// Keys to sign with.
pub const DKIM_KEYS_MAX: i64 = 1_000;
/// Seconds between looks for the record of a key that waits for it.
pub const DKIM_PENDING_LOOK_SECONDS: u64 = 300;
/// Seconds the record of a key that signs no more must stay: as long as mail may wait in queues (RFC 5321 §4.5.4.1),
/// and then some.
pub const DKIM_PUBLISHED_SECONDS: u64 = 7 * 86_400;
/// Octets of a signature that an external key gives: RSA of 8192 bits.
pub const DKIM_SIGNATURE_OCTETS_MAX: usize = 1_024;
/// Seconds the checks of one message may ask DNS: a sender waits ten minutes for the reply (RFC 5321 §4.5.3.2.6).
pub const CHECK_DNS_SECONDS: u64 = 15;
/// Seconds one question of theirs may take. A lost packet is sent again within a second, and a server that has to ask
/// around answers, or fails, within two or three; who waits longer hears nothing more, as a rule.
pub const CHECK_QUESTION_SECONDS: u64 = 4;
/// Questions the checks of one message may ask. SPF asks 20 times 11 at the very most, DKIM once for each signature,
/// DMARC 8 times for each domain, ARC once for each instance; honest mail needs fewer than 40.
pub const CHECK_QUESTIONS_MAX: u32 = 300;
/// Questions that are kept for DMARC alone: for each domain of From a walk and its existence, for what was proved
/// walks of its own.
pub const CHECK_POLICY_QUESTIONS_MAX: u32 = 150;
/// Seconds that are kept for DMARC alone once the other checks have used up theirs.
pub const CHECK_POLICY_SECONDS: u64 = 5;
/// Octets of a message that are hashed on the session's own task; larger ones go to a computing thread.
pub const CHECK_INLINE_OCTETS_MAX: u64 = 128 * 1024;

/// Octets of a message that is taken apart for filing on the task that files it; a larger one goes to a computing
/// thread.
pub const FILE_INLINE_OCTETS_MAX: u64 = 128 * 1024;

/// Times a message may grow in another transfer encoding: quoted-printable makes three octets of one, and soft line
/// ends.
pub const RECODED_TIMES_MAX: u64 = 4;
/// Octets it may grow beside: fields of its parts.
pub const RECODED_OCTETS_MORE: u64 = 1024 * 1024;

// -- store -------------------------------------------------------------------------------------------

/// Jobs that share one commit.
pub const COMMIT_JOBS_MAX: usize = 256;
/// Octets of bodies that share one commit.
pub const COMMIT_OCTETS_MAX: u64 = 16 * 1024 * 1024;
/// Jobs waiting for the writer before callers wait to hand theirs in.
pub const WRITER_QUEUE_JOBS_MAX: usize = 1_024;
/// Connections that read beside the writer.
pub const STORE_READERS: usize = 2;
/// Octets of write-ahead log not yet in the database at which the checkpoint lane goes to work. Pages that every
/// commit touches are copied once a round, so that longer rounds copy less.
pub const CHECKPOINT_WAL_OCTETS: u64 = 8 * 1024 * 1024;
/// Octets of write-ahead log from which the writer itself sees to it that the log begins anew: beside a steady
/// stream of commits the lane alone never has copied all of it.
pub const CHECKPOINT_WAL_OCTETS_MAX: u64 = 32 * 1024 * 1024;
/// What the writer copies for that at most, in octets; the lane does the rest beforehand.
pub const CHECKPOINT_REST_OCTETS: u64 = 2 * 1024 * 1024;
/// Octets of the log that wait in memory to be written together. SQLite's own VFS takes less than 128 KiB at once.
pub const STORE_GATHER_OCTETS_MAX: usize = 124 * 1024;
/// Octets of the database each connection keeps in memory.
pub const STORE_CACHE_OCTETS: usize = 8 * 1024 * 1024;
/// Mailbox views kept in memory beyond those somebody watches.
pub const VIEWS_MAX: usize = 1_000;
/// Messages in all kept views, 20 octets each; watched ones stay whatever they take.
pub const VIEW_MESSAGES_MAX: usize = 1_000_000;
/// Mailboxes whose counts are kept in memory for STATUS, some 200 octets each.
pub const MAILBOX_COUNTS_MAX: usize = 4_096;
/// Mailboxes whose claims of `\\Recent` are kept in memory.
pub const RECENT_CLAIMS_MAX: usize = 16_384;
/// Messages in all kept fact tables, 32 octets each.
pub const FACTS_MAX: usize = 1_000_000;
/// Octets of header fields kept in memory for SEARCH, of all mailboxes together.
pub const WORDS_OCTETS_MAX: usize = 24 * 1024 * 1024;
/// Octets one message takes of it, as a rule: From, To, Subject and Message-ID have some 150, their ends 28.
pub const WORDS_MESSAGE_OCTETS: usize = 200;
/// Octets kept in memory for SORT, and as many for THREAD, of all mailboxes together.
pub const SORT_OCTETS_MAX: usize = 48 * 1024 * 1024;
/// Octets one message takes of it for SORT, as a rule: six texts have some 80, dates, size and ends 52.
pub const SORT_MESSAGE_OCTETS: usize = 150;
/// Octets one message takes of it for THREAD, as a rule: four ids have 64, the subject 30, dates and ends 52.
pub const THREAD_MESSAGE_OCTETS: usize = 160;
/// Octets of what one SORT or THREAD compares in a mailbox too large for that.
pub const SORT_TABLE_OCTETS_MAX: usize = 512 * 1024 * 1024;
/// References of one message that THREAD goes by: the first and the last of them.
pub const THREAD_REFERENCES_MAX: usize = 100;
/// Messages asked for at once from which on the facts of whole blocks are read and kept.
pub const FACTS_DIRECT_MAX: usize = 256;
/// Blocks remembered of which fewer were asked for: the second time all of the block are read and kept.
pub const FACTS_ASKED_MAX: usize = 64;
/// Mailboxes whose row the writer remembers between commits.
pub const WRITER_ROWS_MAX: usize = 10_000;
/// Freed bodies removed in one background commit.
pub const DEAD_BODIES_PER_COMMIT_MAX: usize = 500;
/// Octets of freed bodies removed in one background commit.
pub const DEAD_OCTETS_PER_COMMIT_MAX: u64 = 64 * 1024 * 1024;
/// Messages that COPY, MOVE or EXPUNGE writes or removes in one commit. Of more, a COPY or MOVE writes as many in each
/// of its steps, and what an EXPUNGE or MOVE takes is removed in the background.
pub const STEP_MESSAGES_MAX: usize = 256;
/// Facts that one question to a reader asks for before many messages are expunged.
pub const FACTS_READ_TOGETHER: usize = 16_384;
/// Times that a COPY or MOVE in steps begins anew since new messages overtook it; then it is done in one commit.
pub const COPY_TRIES_MAX: u32 = 5;
/// Rows of deleted mailboxes and accounts removed in one background commit.
pub const REMAINS_ROWS_PER_COMMIT_MAX: usize = 500;
/// Messages kept readable that went while a session had their mailbox open and was not told yet, 32 octets of memory
/// each; beyond it the oldest of the mailbox go.
pub const GHOST_MESSAGES_MAX: usize = 100_000;
/// Delivery attempts kept on record, newest first.
pub const ATTEMPTS_KEPT_MAX: i64 = 100_000;
/// Expunges of one mailbox kept on record for QRESYNC, newest first (RFC 7162 §3.2.6 lets a server forget).
pub const VANISHED_ROWS_MAX: u64 = 10_000;
/// Octets of a body read ahead at once.
pub const BODY_READ_AHEAD_OCTETS: usize = 1024 * 1024;
/// Octets of the file system that mail leaves free where the host set no other reserve, at most. Changes and deletions
/// use them.
pub const STORE_RESERVE_OCTETS_MAX: u64 = 64 * 1024 * 1024;
/// The reserve is one part in so many of a small file system.
pub const STORE_RESERVE_SHARE: u64 = 16;
/// Milliseconds between two looks at the file system while mail is refused for want of room.
pub const STORE_ROOM_LOOK_MILLISECONDS: u64 = 1_000;
/// Milliseconds before a failed cure of the store is tried again for the first time; doubled each time.
pub const CURE_PAUSE_MILLISECONDS: u64 = 250;
/// The longest pause between two tries, in milliseconds.
pub const CURE_PAUSE_MILLISECONDS_MAX: u64 = 10_000;
/// Seconds after a cure from which the next failure is a new one, cured at once.
pub const CURE_QUIET_SECONDS: u64 = 60;
/// Unused pages of the database that are not given back: for the mail to come.
pub const UNUSED_PAGES_KEPT: u64 = 128;
/// Besides those, one unused page for so many used ones is kept.
pub const UNUSED_PAGES_KEPT_SHARE: u64 = 16;
/// Pages given back in one background commit.
pub const SHRINK_PAGES_PER_COMMIT: u64 = 128;
/// Rows that a step of a check looks at.
pub const CHECK_ROWS_PER_STEP: usize = 2_000;
/// Blocks of messages that a step of a check looks at.
pub const CHECK_BLOCKS_PER_STEP: u32 = 4;
/// Bodies whose uses a check counts together, in memory.
pub const CHECK_BODIES_TOGETHER: usize = 1 << 20;
/// Disagreements that a check tells.
pub const CHECK_FOUND_MAX: u64 = 10_000;
/// Times a reader or the writer tries again while another program holds the file.
pub const STORE_BUSY_TRIES_MAX: u32 = 200;
/// Milliseconds between those tries.
pub const STORE_BUSY_WAIT_MILLISECONDS: u64 = 10;
/// Seconds without a commit after which the write-ahead log is emptied.
pub const CHECKPOINT_IDLE_SECONDS: u64 = 5;

// -- network -----------------------------------------------------------------------------------------

/// Peers over their own cap that are told so at a time by one listener; further ones are closed without a word.
pub const LISTEN_REFUSALS_MAX: usize = 32;
/// Times one address is told so in half an hour; further connections are closed without a word.
pub const LISTEN_REFUSALS_PER_PEER_MAX: u32 = 40;
/// Seconds that telling a peer so may take, the TLS handshake included.
pub const LISTEN_REFUSAL_SECONDS: u64 = 5;
/// Seconds between two warnings that a listener is full.
pub const LISTEN_FULL_WARNING_SECONDS: u64 = 60;
/// Connections the system holds for a listener until they are accepted.
pub const LISTEN_BACKLOG_CONNECTIONS: i32 = 1_024;
/// Octets sealed into TLS records before they must leave, and of sealed input read at once: four records.
pub const TLS_BATCH_OCTETS: usize = 64 * 1024;
/// Days before a certificate expires from which on the host is warned.
pub const CERTIFICATE_EXPIRES_SOON_DAYS: i64 = 14;
/// Octets an idle TLS stream keeps for input: enough for any command.
pub const TLS_INPUT_IDLE_OCTETS: usize = 4 * 1024;

// -- engine ------------------------------------------------------------------------------------------

/// Sessions of one listener at a time.
pub const SESSIONS_PER_LISTENER_MAX: usize = 2_000;
/// Sessions from one peer address at a time.
pub const SESSIONS_PER_PEER_MAX: usize = 200;
/// Sessions from one peer address at a time, over all listeners.
pub const SESSIONS_PER_PEER_TOTAL_MAX: usize = 400;
/// Sessions of one account at a time.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 1_000;
/// Seconds that a key of TLS tickets lives: one day.
pub const TICKET_KEY_SECONDS: i64 = 86_400;
/// Seconds that the clock of an OCSP authority may be ahead of ours.
pub const OCSP_CLOCK_SECONDS: u32 = 300;
/// The part of the descriptors of the process that callers never get: the store's files, scratch files and outgoing
/// mail need some.
pub const DESCRIPTORS_KEPT_PART: u64 = 4;
/// At most so many are kept.
pub const DESCRIPTORS_KEPT_MAX: u64 = 256;
/// Seconds a session that is dismissed may take to say goodbye.
pub const DISMISSAL_SECONDS: u64 = 5;
/// Seconds after which a session that nobody has logged in to may have to make room for others.
pub const SESSION_GRACE_SECONDS: u64 = 10;
/// Milliseconds the host may think about a question while a peer waits; peers wait 600 s (RFC 5321 §4.5.3.2.6).
pub const HOOK_WAIT_MILLISECONDS: u64 = 10_000;
/// Threads on which the host's functions run: those that may block at a time.
pub const HOOK_LANES: usize = 4;
/// Octets of a line of the host's reply text: with code and status a line stays within 512 (RFC 5321 §4.5.3.1.5).
pub const HOOK_REPLY_LINE_OCTETS_MAX: usize = 480;
/// Lines of the host's reply text: a person reads it in a bounce.
pub const HOOK_REPLY_LINES_MAX: usize = 10;
/// Events kept for a host that does not pull them.
pub const EVENTS_MAX: usize = 10_000;
/// Recipients that an event names.
pub const EVENT_RECIPIENTS_MAX: usize = 100;
/// Octets of a text of a peer's that an event repeats.
pub const EVENT_TEXT_OCTETS_MAX: usize = 1_024;
/// Refusals of one peer, and failed logins of one peer, that are said one by one in `EVENT_REFUSED_SECONDS`; further
/// ones are counted.
pub const EVENT_REFUSED_PER_PEER_MAX: u64 = 20;
/// Seconds after which what was counted is said, and counting begins anew.
pub const EVENT_REFUSED_SECONDS: u64 = 60;
/// Peers whose refusals are counted one by one; those of all others are counted together.
pub const EVENT_REFUSED_PEERS_MAX: usize = 1_024;
/// Computing jobs (password hashes) waiting for a thread before callers wait to hand theirs in.
pub const COMPUTE_QUEUE_JOBS_MAX: usize = 64;
/// A DNS name as text, without its final dot: 255 octets as it travels (RFC 1035 §2.3.4).
pub const DNS_NAME_OCTETS_MAX: usize = 253;
/// Aliases followed for one question; resolvers follow between 8 and 16.
pub const CNAME_STEPS_MAX: usize = 8;
/// Seconds a denial without a SOA is kept.
pub const DNS_NEGATIVE_SECONDS: u64 = 60;
/// Seconds a denial is kept at most; RFC 2308 §5 takes one to three hours for sensible.
pub const DNS_NEGATIVE_SECONDS_MAX: u64 = 3_600;
/// Seconds a failure to answer is kept; RFC 9520 §3.2 asks for 1 to 300.
pub const DNS_FAILURE_SECONDS: u64 = 5;
/// Seconds an answer is kept at most; RFC 8767 §4 allows a week.
pub const DNS_POSITIVE_SECONDS_MAX: u64 = 86_400;
/// Seconds a question must have been under way for its asker's going away to count as a failure to answer.
pub const DNS_GIVEN_UP_SECONDS: u64 = 1;
/// Questions without an answer after which it is found out whether any DNS server lives: fewer than the checks of one
/// message ask at first, so that the second message need not wait.
pub const DNS_UNANSWERED_MAX: u32 = 3;
/// Seconds a server has for the question whether it lives. It needs nobody else for the answer.
pub const DNS_PROBE_SECONDS: u64 = 2;
/// Seconds without questions after one that no server answered.
pub const DNS_PROBE_PAUSE_SECONDS: u64 = 5;
/// Octets of a DNS message over UDP that we take and send; what is longer goes over TCP (RFC 6891 §6.2.5).
pub const DNS_UDP_OCTETS_MAX: usize = 1_232;
/// Connections our DNS server serves at a time.
pub const DNS_CONNECTIONS_MAX: usize = 64;
/// Seconds a connection to our DNS server may stay.
pub const DNS_CONNECTION_SECONDS: u64 = 30;
/// DNS answers kept.
pub const DNS_CACHE_ENTRIES_MAX: usize = 10_000;
/// Rules of scripted trouble at a time.
pub const TROUBLE_RULES_MAX: usize = 1_000;
/// Seconds that a rule of scripted trouble may wait.
pub const TROUBLE_WAIT_SECONDS_MAX: u64 = 86_400;
/// Accounts up to which a sink makes more by itself.
pub const SINK_ACCOUNTS_MAX: usize = 100_000;

/// Octets of a line that a trace holds; the rest is cut off.
pub const TRACE_LINE_OCTETS_MAX: usize = 4_096;
/// Queued messages up to which statistics count.
pub const STATS_QUEUE_MAX: usize = 1_000_000;

/// Pages that a step of a backup copies.
pub const BACKUP_PAGES_PER_STEP: i32 = 256;

const _: () = {
    assert!(SMTP_COMMAND_LINE_OCTETS_MAX < INPUT_OCTETS_MAX);
    assert!(SASL_LINE_OCTETS_MAX < INPUT_OCTETS_MAX);
    assert!(SMTP_REPLY_LINE_KEPT_OCTETS < SMTP_REPLY_KEPT_OCTETS);
    assert!(SMTP_REPLY_KEPT_OCTETS < SMTP_REPLY_OCTETS_MAX);
    assert!(POP3_COMMAND_LINE_OCTETS_MAX < INPUT_OCTETS_MAX);
    assert!(IMAP_SEQUENCE_ELEMENTS_MAX <= IMAP_COMMAND_LINE_OCTETS_MAX / 2);
    assert!(READ_OCTETS <= INPUT_OCTETS_MAX);
    assert!(SMTP_RECIPIENTS_MAX >= 100);
    assert!(RECEIVED_FIELDS_MAX >= 100);
    assert!(SMTP_COMMAND_WAIT_SECONDS >= 300);
    assert!(POP3_IDLE_SECONDS >= 600);
    assert!(HEADER_OCTETS_MAX + HEADER_LISTS_OCTETS_MAX < MIME_FACTS_OCTETS_MAX);
    assert!(POP3_READ_AHEAD_OCTETS_MAX >= CHUNK_OCTETS_MAX);
    assert!(IMAP_IDLE_SECONDS >= 1_800);
    assert!(MESSAGE_OCTETS_MAX > 25 * 1024 * 1024);
    assert!(HOOK_WAIT_MILLISECONDS < SMTP_CLIENT_FINAL_WAIT_SECONDS * 1_000);
    assert!("550-5.999.999 ".len() + HOOK_REPLY_LINE_OCTETS_MAX + 2 <= 512);
    assert!(COMMIT_OCTETS_MAX > BODY_IN_MEMORY_OCTETS_MAX as u64);
};
