//! Floor 0: words of the trade, limits, errors, the world's traits, the interface of sessions.
//!
//! Uses nothing of ours. No socket, file, thread, clock or random number in here, only their names.

pub mod account;
pub mod address;
pub mod base64;
pub mod budget;
pub mod checking;
pub mod content;
pub mod dialog;
pub mod document;
pub mod domain_settings;
pub mod envelope;
pub mod error;
pub mod event;
pub mod group;
pub mod limits;
pub mod line;
pub mod mailbox;
pub mod quoted;
pub mod secret;
pub mod sending;
pub mod settings;
pub mod snapshot;
#[cfg(test)]
pub(crate) mod standing_clock;
pub mod status;
pub mod stuffing;
pub mod terms;
pub mod text;
pub mod time;
pub mod tls_rule;
pub mod trouble;
pub mod uid_set;
pub mod varint;
pub mod world;
pub mod xtext;

pub use account::Account;
pub use address::{Address, Domain};
pub use checking::Checking;
pub use content::{Body, Content};
pub use domain_settings::DomainSettings;
pub use envelope::{Envelope, Recipient};
pub use error::{Error, ErrorKind, Result};
pub use group::Group;
pub use mailbox::{AccountId, BlobId, Flags, MailboxId, ModSeq, QueueId, SpecialUse, Uid, UidValidity};
pub use secret::Secret;
pub use settings::{Service, Settings};
pub use snapshot::Snapshot;
pub use status::{Enhanced, Reply};
pub use time::{Mono, Timestamp};
pub use uid_set::UidSet;
pub use world::World;
