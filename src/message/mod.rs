//! Floor 1: the format of a message (RFC 5322, MIME), read leniently and written strictly. Uses base only.
//!
//! Readers take octets of any kind, never fail and never panic: what cannot be understood is kept as octets.
//! `scanner` reads a message of any size in pieces and keeps a bounded description of it (`structure`), from
//! which `table` makes the compact form that is stored beside the body.

pub mod address_list;
pub mod author;
pub mod charset;
pub mod collation;
pub mod compose;
pub mod date;
pub mod encoded_word;
pub mod fit;
pub mod fold;
pub mod header;
pub mod html;
pub mod line_end;
pub mod mailbox_list;
pub mod message_id;
pub mod mime;
pub mod parameter;
pub mod preview;
pub mod recode;
pub mod scanner;
pub mod structure;
pub mod subject;
pub mod survey;
pub mod table;

pub use address_list::{ListItem, Mailbox, addresses};
pub use author::author;
pub use date::{Date, date};
pub use header::{Field, fields};
pub use mailbox_list::Doubt;
pub use scanner::{Scanner, scan};
pub use structure::{EnvelopeFields, Facts, Part, PartKind, Structure};
pub use table::{PartTable, TableEntry};
