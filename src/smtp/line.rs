//! Framing of command lines: SMTP's and POP3's are the same (`base::line`).

pub use crate::base::line::{Framed, LineReader};
