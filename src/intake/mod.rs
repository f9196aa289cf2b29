//! Floor 6: what happens to a message on its way in: who may send it, whose it is, what is written on it, and
//! the one transaction in which it is filed and queued.
//!
//! A reply of 250, or an id given back, comes after that transaction is synced. Sessions, the host's API and
//! nothing else bring messages here.

mod disposition;
pub mod dmarc;
mod examine;
pub mod hook;
mod observe;
pub mod policy;
pub mod receive;
mod report;
mod sign;
pub mod submit;
pub mod trace;

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use crate::base::limits::HEADER_OCTETS_MAX;
use crate::base::{
    Account, Body, Content, Error, ErrorKind, Flags, MailboxId, Reply, Result, Settings, SpecialUse, Timestamp, World,
};
use crate::delivery::local;
use crate::mailauth::Keyring;
use crate::store::{Arrival, Filing, Store};

use self::hook::Host;

/// Where messages come in.
#[derive(Clone)]
pub struct Intake {
    /// The world outside.
    pub world: World,
    /// Where messages are kept.
    pub store: Store,
    /// What the host set.
    pub settings: Arc<Settings>,
    /// Who is asked before a recipient or a message is taken.
    pub host: Option<Arc<dyn Host>>,
    /// Keys our mail is signed with.
    pub keyring: Arc<Keyring>,
}

impl Intake {
    /// The arrival of a message in these mailboxes.
    async fn arrival(&self, content: Content, filings: Vec<Filing>, now: Timestamp) -> Result<Arrival> {
        // A large one is read through off the tasks.
        let inline = matches!(content.body, Body::Memory(_));
        self.compute(inline, move || local::arrival(content, filings, now)).await?.map_err(examine::unreadable)
    }

    /// A place for a message in each account: its INBOX, or for junk the mailbox that is for it, where there is one.
    async fn filings(&self, accounts: &[Arc<Account>], junk: bool, now: Timestamp) -> Result<Vec<Filing>> {
        let mut special = Vec::new();
        if junk {
            let ids = accounts.iter().map(|account| account.id).collect();
            special = self.store.mailboxes_for(ids, SpecialUse::Junk).await?;
        }
        let special = special.into_iter().chain(std::iter::repeat(None));
        let filing = |(account, special): (&Arc<Account>, Option<MailboxId>)| Filing {
            mailbox: special.unwrap_or(account.inbox),
            flags: Flags::NONE,
            keywords: Vec::new(),
            internal_date: now,
        };
        Ok(accounts.iter().zip(special).map(filing).collect())
    }

    /// A random name for one passage of one message: what Received says and the host finds in its log.
    fn passage_id(&self) -> String {
        format!("{:016x}", self.world.entropy.u64())
    }
}

/// The front of a message's octets as received: its header, up to what is looked at of any header.
fn front(body: &Body) -> io::Result<Cow<'_, [u8]>> {
    match body {
        Body::Memory(octets) => Ok(Cow::Borrowed(octets.get(..HEADER_OCTETS_MAX).unwrap_or(octets))),
        Body::File(..) => {
            let mut front = vec![0; HEADER_OCTETS_MAX];
            let read = body.read_at(0, &mut front)?;
            front.truncate(read);
            Ok(Cow::Owned(front))
        }
    }
}

/// What a peer is told when the message could not be kept: never why in our own words (RFC 5321 §4.2.5 wants a
/// 4yz for what may pass).
pub fn reply_of(error: &Error) -> Reply {
    match error.kind() {
        ErrorKind::Quota => Reply::new(452, 2, 2, "Mailbox full"),
        ErrorKind::DiskFull => Reply::new(452, 3, 1, "Out of room, try again later"),
        ErrorKind::Invalid => Reply::new(554, 6, 0, error.text()),
        ErrorKind::Policy => Reply::new(550, 7, 1, error.text()),
        ErrorKind::Limit => Reply::new(452, 3, 1, "Out of room, try again later"),
        ErrorKind::Interrupted => Reply::new(451, 3, 2, "Service going down, try again"),
        _ => Reply::new(451, 3, 0, "Local trouble, try again later"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_causes_stay_private() {
        for (kind, code) in [
            (ErrorKind::Quota, 452),
            (ErrorKind::Store, 451),
            (ErrorKind::StoreDown, 451),
            (ErrorKind::DiskFull, 452),
            (ErrorKind::NotFound, 451),
            (ErrorKind::Bug, 451),
            (ErrorKind::Interrupted, 451),
        ] {
            let reply = reply_of(&Error::new(kind, "/var/lib/secret: disk on fire"));
            assert_eq!(reply.code, code);
            assert!(!reply.text.contains("secret"));
        }
    }
}
