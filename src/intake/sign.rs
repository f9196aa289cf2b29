//! Mail of ours is signed once, before it is filed or queued: both copies carry the same signatures. Who logged in may
//! only write in its own name, so that what is signed is the author's. Mail of others that an alias sends on is sealed
//! instead (ARC): the next host learns what was found here, where it still could be.

use super::Intake;
use super::examine::Examined;
use crate::base::{Account, Address, Content, Envelope, Reply, Result, Timestamp};
use crate::delivery::directory::may_send_as;
use crate::mailauth::results::{ArcResult, AuthenticationResults};
use crate::message::address_list::mailboxes;
use crate::message::header::fields;

/// What a seal says, and in whose name.
#[derive(Debug, Clone)]
pub(super) struct Seal {
    /// Domains that may seal, best first.
    domains: Vec<String>,
    chain: ArcResult,
    results: AuthenticationResults,
}

impl Intake {
    /// The seal for a message, should an alias send it on: in the name of the domain it was for, or of this host.
    pub(super) fn seal(&self, examined: &Examined, envelope: &Envelope) -> Option<Seal> {
        if !self.settings.checking.arc_seals || self.keyring.is_empty() {
            return None;
        }
        let recipients = envelope.recipients.iter().map(|recipient| recipient.address.domain().key());
        let domains = recipients.chain([self.settings.hostname.to_ascii_lowercase()]).collect();
        Some(Seal { domains, chain: examined.verdicts.arc.result, results: self.results(examined) })
    }

    /// The content as it is sent on. What cannot be sealed goes without: the seal is a help, not a duty.
    pub(super) async fn sealed(&self, seal: Option<&Seal>, content: Content, now: Timestamp) -> Content {
        let Some(seal) = seal else { return content };
        let found = (seal.chain, &seal.results);
        match self.keyring.seal(&*self.world.run, &seal.domains, &content, found, now).await {
            Ok(set) => Content { prefix: [set, content.prefix].concat(), body: content.body },
            Err(e) => {
                log::info!(target: "mailcore::intake", "not sealed: {e}");
                content
            }
        }
    }

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
