//! The envelope of a message (RFC 5321 §2.3.1): who it is from and for, as said in MAIL and RCPT.

use super::address::Address;
use super::terms::Terms;

/// Reverse-path, forward-paths and the parameters that travel with them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// Where failures go; `None` is the null reverse-path `<>`.
    pub reverse_path: Option<Address>,
    /// Who it is for; at least one when a transaction is complete.
    pub recipients: Vec<Recipient>,
    /// What BODY= said.
    pub body: BodyKind,
    /// Whether SMTPUTF8 was said (RFC 6531 §3.4).
    pub smtputf8: bool,
    /// ENVID=, decoded from xtext (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// RET= (RFC 3461 §4.3).
    pub returns: Option<Returns>,
    /// SIZE=, in octets (RFC 1870).
    pub size_declared: Option<u64>,
    /// What else was asked for.
    pub terms: Terms,
}

impl Envelope {
    /// The same for one recipient alone.
    pub fn for_one(&self, recipient: Recipient) -> Envelope {
        Envelope {
            reverse_path: self.reverse_path.clone(),
            recipients: vec![recipient],
            body: self.body,
            smtputf8: self.smtputf8,
            envelope_id: self.envelope_id.clone(),
            returns: self.returns,
            size_declared: self.size_declared,
            terms: self.terms.clone(),
        }
    }
}

/// One forward-path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// Its address.
    pub address: Address,
    /// NOTIFY= (RFC 3461 §4.1).
    pub notify: Notify,
    /// ORCPT=, `addr-type;address` decoded (RFC 3461 §4.2).
    pub original: Option<String>,
}

impl Recipient {
    /// A forward-path without parameters.
    pub fn new(address: Address) -> Self {
        Self { address, notify: Notify::default(), original: None }
    }
}

/// BODY= (RFC 6152, RFC 3030).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyKind {
    /// 7 bits, lines.
    #[default]
    SevenBit,
    /// 8 bits, lines.
    EightBit,
    /// Any octets, only by BDAT.
    Binary,
}

/// RET=: what a failure report brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returns {
    /// The whole message.
    Full,
    /// Its header only.
    Headers,
}

/// NOTIFY=: which reports the sender wants. The default is a report of failure only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notify {
    /// SUCCESS
    pub success: bool,
    /// FAILURE
    pub failure: bool,
    /// DELAY
    pub delay: bool,
    /// Whether the parameter was given at all: only then it is passed on.
    pub explicit: bool,
}

impl Default for Notify {
    fn default() -> Self {
        Self { success: false, failure: true, delay: true, explicit: false }
    }
}

impl Notify {
    /// NOTIFY=NEVER
    pub const NEVER: Notify = Notify { success: false, failure: false, delay: false, explicit: true };
}
