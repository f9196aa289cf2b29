//! Floor 6: what happens to a message on its way in: who may send it, whose it is, what is written on it, and
//! the one transaction in which it is filed and queued.
//!
//! A reply of 250, or an id given back, comes after that transaction is synced. Sessions, the host's API and
//! nothing else bring messages here.

mod disposition;
pub mod dmarc;
mod door;
mod examine;
pub mod hook;
mod observe;
mod plan;
pub mod policy;
pub mod receive;
mod report;
pub mod returned;
mod rules;
mod sign;
pub mod submit;
mod suppressed;
mod terms;
pub mod trace;

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::limits::HEADER_OCTETS_MAX;
use crate::base::{Body, Error, ErrorKind, Reply, Result, Settings, World};
use crate::mailauth::Keyring;
use crate::os::aside::aside;
use crate::store::Store;

use self::hook::Program;

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
    pub host: Option<Arc<dyn Program>>,
    /// Keys our mail is signed with.
    pub keyring: Arc<Keyring>,
    /// How many reports senders got on users that do not exist.
    pub returns: Arc<returned::ReturnCounts>,
}

impl Intake {
    /// The front of a message's octets as received: its header, up to what is looked at of any header. Read on a
    /// computing thread where it lies in a scratch file.
    async fn front<'a>(&self, body: &'a Body) -> Result<Cow<'a, [u8]>> {
        if let Body::Memory(octets) = body {
            return Ok(Cow::Borrowed(octets.get(..HEADER_OCTETS_MAX).unwrap_or(octets)));
        }
        let body = body.clone();
        let read = move || {
            let mut front = vec![0; HEADER_OCTETS_MAX];
            let read = body.read_at(0, &mut front)?;
            front.truncate(read);
            Ok::<_, std::io::Error>(Cow::Owned(front))
        };
        aside(&*self.world.run, false, read).await?.map_err(examine::unreadable)
    }

    /// A random name for one passage of one message: what Received says and the host finds in its log.
    fn passage_id(&self) -> String {
        format!("{:016x}", self.world.entropy.u64())
    }
}

/// What a peer is told when the message could not be kept: never why in our own words (RFC 5321 §4.2.5 wants a
/// 4yz for what may pass).
pub fn reply_of(error: &Error) -> Reply {
    match error.kind() {
        ErrorKind::Quota => Reply::new(452, 2, 2, "Mailbox full"),
        ErrorKind::DiskFull => Reply::new(452, 3, 1, "Out of room, try again later"),
        ErrorKind::Invalid => Reply::new(554, 6, 0, error.text()),
        ErrorKind::Policy => match error.smtp() {
            (0, _) => Reply::new(550, 7, 1, error.text()),
            (code, enhanced) => Reply { code, enhanced, text: error.text().to_owned() },
        },
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
