//! Mail of ours is signed once, before it is filed or queued: both copies carry the same signatures. Who logged in may
//! only write in its own name, so that what is signed is the author's.

use super::Intake;
use crate::base::{Account, Address, Content, Reply, Result, Timestamp};
use crate::delivery::directory::may_send_as;
use crate::message::address_list::mailboxes;
use crate::message::header::fields;

impl Intake {
    /// The prefix with the signatures in front of it: they cover what it adds to the header.
    pub(super) async fn signed(&self, prefix: Vec<u8>, content: &Content, now: Timestamp) -> Result<Vec<u8>> {
        let whole = Content { prefix, body: content.body.clone() };
        let mut signed = self.signatures(&whole, now).await?;
        signed.extend_from_slice(&whole.prefix);
        Ok(signed)
    }

    /// Signature fields for a message that is complete.
    pub(super) async fn signatures(&self, content: &Content, now: Timestamp) -> Result<Vec<u8>> {
        if !self.settings.checking.signs {
            return Ok(Vec::new());
        }
        self.keyring.sign(&*self.world.run, content, now).await
    }

    /// Whether every address in From is one the account may send as. What is no address is nobody's; it is not signed
    /// either. A message without From is given the account's own.
    pub(super) fn is_own_author(&self, account: &Account, header: [&[u8]; 2]) -> bool {
        let directory = self.store.directory();
        let from = header.into_iter().flat_map(fields).filter(|field| field.is("From"));
        from.flat_map(|field| mailboxes(field.body)).all(|mailbox| {
            let (local, domain) = (String::from_utf8_lossy(&mailbox.local), String::from_utf8_lossy(&mailbox.domain));
            // What stood in quotes is compared without them.
            match Address::parse(&format!("postmaster@{domain}")) {
                Ok(address) => may_send_as(&*directory, &self.settings, account, &address.with_local(&local)),
                Err(_) => true,
            }
        })
    }
}

/// The refusal.
pub(super) fn not_own() -> Reply {
    Reply::new(550, 7, 1, "From names an address that is not yours")
}
