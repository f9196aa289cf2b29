//! Floor 2: POP3 as a server speaks it, without a socket (RFC 1939, 2449, 2595, 3206, 5034). Uses message, sasl
//! and base.

pub mod command;
pub mod maildrop;
pub mod reply;
pub mod session;

pub use maildrop::{Listing, Maildrop};
pub use session::{Answer, Ask, LoginTrouble, OpenedMaildrop, Refusal, Session, SessionSettings};
