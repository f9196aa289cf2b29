//! Where foreign octets enter: one function a parser, called by libFuzzer (`fuzz/main.rs`) and, over the corpus and seeded
//! mutations of it, by `tests/fuzz_entries.rs`.
//!
//! An entry may not panic or hang whatever the octets are. Each asserts more than that: that what was read and written
//! again reads the same, that pieces of any size give the same result, or that a limit holds. Its corpus is the folder
//! of its name in `fuzz/corpus/`.

mod filter;
mod mail;
mod protocol;
mod report;
mod verdict;

/// What an entry is called, and the entry.
pub type Entry = (&'static str, fn(&[u8]));

/// All of them.
pub const ENTRIES: &[Entry] = &[
    ("spf_record", verdict::spf_record),
    ("spf_macro", verdict::spf_macro),
    ("dkim_signature", verdict::dkim_signature),
    ("dkim_key", verdict::dkim_key),
    ("dmarc_record", verdict::dmarc_record),
    ("arc_header", verdict::arc_header),
    ("authentication_results", verdict::authentication_results),
    ("aggregate_report", report::aggregate_report),
    ("aggregate_letter", report::aggregate_letter),
    ("delivery_report", report::delivery_report),
    ("remote_report", report::remote_report),
    ("tls_report", report::tls_report),
    ("smtp_command", protocol::smtp_command),
    ("smtp_reply", protocol::smtp_reply),
    ("pop3_command", protocol::pop3_command),
    ("sasl", protocol::sasl),
    ("imap_command", protocol::imap_command),
    ("imap_search", protocol::imap_search),
    ("imap_framing", protocol::imap_framing),
    ("mailbox_name", protocol::mailbox_name),
    ("header_fields", mail::header_fields),
    ("date", mail::date),
    ("encoded_word", mail::encoded_word),
    ("parameters", mail::parameters),
    ("address_list", mail::address_list),
    ("author", mail::author),
    ("mime_structure", mail::mime_structure),
    ("transfer_coding", mail::transfer_coding),
    ("charset", mail::charset),
    ("submission", mail::submission),
    ("recoding", mail::recoding),
    ("sieve", filter::sieve),
    ("managesieve_command", filter::managesieve_command),
    ("imap_sort", protocol::imap_sort),
    ("threads", protocol::threads),
    ("base_subject", mail::base_subject),
    ("search_text", mail::search_text),
];

/// The results of a reader that is fed these octets whole, and in pieces of 1 and 7, are equal; gives them.
fn in_pieces<R: PartialEq + std::fmt::Debug>(octets: &[u8], read: impl Fn(std::slice::Chunks<'_, u8>) -> R) -> R {
    let whole = read(octets.chunks(octets.len().max(1)));
    for size in [1, 7] {
        assert_eq!(read(octets.chunks(size)), whole, "in pieces of {size}");
    }
    whole
}
