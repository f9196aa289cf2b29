//! Floor 2: what receivers tell domains about the mail sent in their name: DMARC aggregate reports (RFC 7489 §7.2,
//! RFC 9990), as data, as XML and as the letters they travel in; and TLS reports (`tls`). Knows no I/O.

mod aggregate;
mod letter;
mod pack;
mod parse;
pub mod tls;
mod write;

pub use aggregate::{AggregateReport, Checked, Disposition, Period, PublishedPolicy, Reason, ReasonKind, ReportRow};
pub use letter::{Letter, read};
pub use pack::{gzip, unpack};
pub use parse::{NoReport, parse};
pub use write::write;
