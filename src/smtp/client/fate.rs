//! What came of one transaction, for each recipient: said by the peer, or seen by us.
//!
//! Nothing is judged here: whether a 450 means later or never is `delivery::error`'s business.

use crate::base::{Enhanced, Reply};

/// How far a session had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Waiting for the greeting.
    Greeting,
    /// EHLO or HELO.
    Hello,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Login,
    /// RSET and MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA, waiting for 354.
    Data,
    /// The message was leaving; its end was not sent.
    Body,
    /// The end of the message was sent, wholly or in part: the peer may have it.
    Final,
}

/// What became of a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The peer took responsibility.
    Accepted(Reply),
    /// The peer said no.
    Refused(Stage, Reply),
    /// This peer lacks what the message needs; nothing was asked of it.
    Unfit(Unfit),
    /// The session ended without an answer; how, in a sentence.
    Lost(Stage, String),
    /// The message's octets could not be read on our side.
    Unread,
}

/// Why a message cannot be given to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Larger than SIZE allows (RFC 1870 §6).
    TooLarge {
        /// The peer's limit, in octets.
        octets_max: u64,
    },
    /// 8-bit content and no 8BITMIME (RFC 6152 §3).
    NoEightBit,
    /// Binary content and no BINARYMIME (RFC 3030 §3).
    NoBinary,
    /// A UTF-8 address or header and no SMTPUTF8 (RFC 6531 §3.2).
    NoUtf8,
    /// TLS is asked for by our settings and not offered.
    NoTls,
    /// REQUIRETLS was asked for, and TLS is not offered (RFC 8689 §4.2.1).
    NeedsTls,
    /// REQUIRETLS was asked for and is not offered (RFC 8689 §4.2.1).
    NoRequireTls,
    /// Mail that is to be returned by a time, and no DELIVERBY (RFC 2852 §4).
    NoDeliverBy,
    /// The host wants more time than the mail has.
    NoTimeLeft,
    /// A solicitation of a class that the host does not want (RFC 3865 §2.6).
    NotSolicited,
    /// More recipients than the host takes in one transaction (RFC 9422).
    TooManyRecipients,
    /// A login is asked for by our settings, and no mechanism we can use is offered.
    NoLogin,
}

impl Unfit {
    /// Enhanced status code.
    pub fn status(self) -> Enhanced {
        match self {
            Unfit::TooLarge { .. } => Enhanced::new(5, 3, 4),
            Unfit::NoEightBit | Unfit::NoBinary => Enhanced::new(5, 6, 3),
            Unfit::NoUtf8 => Enhanced::new(5, 6, 7),
            Unfit::NoTls => Enhanced::new(4, 7, 4),
            Unfit::NeedsTls => Enhanced::new(5, 7, 10),
            Unfit::NoRequireTls => Enhanced::new(5, 7, 30),
            Unfit::NoDeliverBy => Enhanced::new(5, 3, 3),
            Unfit::NoTimeLeft => Enhanced::new(5, 4, 7),
            Unfit::NotSolicited => Enhanced::new(5, 7, 1),
            Unfit::TooManyRecipients => Enhanced::new(4, 5, 3),
            Unfit::NoLogin => Enhanced::new(4, 7, 0),
        }
    }

    /// A sentence for a person.
    pub fn text(self) -> String {
        match self {
            Unfit::TooLarge { octets_max } => format!("the host takes messages of at most {octets_max} bytes"),
            Unfit::NoEightBit => "the message is 8-bit and the host does not offer 8BITMIME".to_owned(),
            Unfit::NoBinary => "the message is binary and the host does not offer BINARYMIME".to_owned(),
            Unfit::NoUtf8 => "the message needs SMTPUTF8 and the host does not offer it".to_owned(),
            Unfit::NoTls => "TLS is required and the host does not offer it".to_owned(),
            Unfit::NeedsTls => "Encryption needed: the host does not offer TLS".to_owned(),
            Unfit::NoRequireTls => "REQUIRETLS support required: the host does not offer it".to_owned(),
            Unfit::NoDeliverBy => {
                "the message must be delivered by a time and the host does not offer DELIVERBY".to_owned()
            }
            Unfit::NoTimeLeft => "the host wants more time to deliver than the message has".to_owned(),
            Unfit::NotSolicited => "the host does not want solicitations of this class".to_owned(),
            Unfit::TooManyRecipients => "the host takes fewer recipients in one transaction".to_owned(),
            Unfit::NoLogin => "the host offers no way to log in that we can use".to_owned(),
        }
    }
}

/// A transaction that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// One for each recipient of the transaction, in order.
    pub fates: Vec<Fate>,
    /// Whether the peer offers DSN: then success reports are its business from here on.
    pub dsn: bool,
}
