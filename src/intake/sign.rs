//! Mail of ours is signed once, before it is filed or queued: both copies carry the same signatures. Who logged in may
//! only write in its own name, so that what is signed is the author's. Mail of others that an alias sends on is sealed
//! instead (ARC): the next host learns what was found here, where it still could be.

use super::examine::Examined;
use super::{Intake, reply_of};
use crate::base::{Account, Address, Content, Envelope, Reply, Result, Timestamp};
use crate::delivery::directory::{known, may_send_as};
use crate::mailauth::results::{ArcResult, AuthenticationResults};
use crate::message::header::fields;
use crate::message::mailbox_list::mailbox_list;
use crate::message::{Doubt, author};

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

    /// The content with the signatures in front of it: they cover what its prefix adds to the header.
    pub(super) async fn signed(&self, content: Content, now: Timestamp) -> Result<Content> {
        let mut prefix = self.signatures(&content, now).await?;
        prefix.extend_from_slice(&content.prefix);
        Ok(Content { prefix, body: content.body })
    }

    /// Signature fields for a message that is complete.
    pub(super) async fn signatures(&self, content: &Content, now: Timestamp) -> Result<Vec<u8>> {
        if !self.settings.checking.signs {
            return Ok(Vec::new());
        }
        self.keyring.sign(&*self.world.run, content, now).await
    }

    /// Whether the header, given in pieces, names its author for certain, and where an account submits it nobody but
    /// that account: in From, in Sender and in Resent-From.
    pub(super) async fn judge_author(
        &self,
        account: Option<&Account>,
        header: &[&[u8]],
    ) -> std::result::Result<(), Reply> {
        let authors = author(header).map_err(|doubt| uncertain("From", doubt))?;
        let Some(account) = account.filter(|_| self.settings.checking.from_is_own) else { return Ok(()) };
        self.are_own(account, "From", &authors).await?;
        for name in ["Sender", "Resent-From", "Resent-Sender"] {
            // A message may be resent more than once.
            for field in header.iter().flat_map(|piece| fields(piece)).filter(|field| field.is(name)) {
                let named = mailbox_list(field.body).map_err(|doubt| uncertain(name, doubt))?;
                self.are_own(account, name, &named).await?;
            }
        }
        Ok(())
    }

    async fn are_own(&self, account: &Account, field: &str, named: &[Address]) -> std::result::Result<(), Reply> {
        let are_own = known(&self.store, |directory| {
            named.iter().all(|address| may_send_as(directory, &self.settings, account, address))
        });
        match are_own.await.map_err(|e| reply_of(&e))? {
            true => Ok(()),
            false => Err(Reply::new(550, 7, 1, format!("{field} names an address that is not yours"))),
        }
    }
}

fn uncertain(field: &str, doubt: Doubt) -> Reply {
    Reply::new(550, 7, 1, format!("{field} does not name the author for certain: {doubt}"))
}
