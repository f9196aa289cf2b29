//! Who may send to an address, and who may send as it; whose it is says `delivery::directory`.

use super::{Intake, reply_of};
use crate::base::domain_settings::Unknown;
use crate::base::{Address, Envelope, Error, ErrorKind, Recipient, Reply, Service};
use crate::delivery::directory::{Accounts, Known, Nowhere, is_local, known, may_send_as, resolve};
use crate::smtp::server::Client;

/// The reply for a recipient that does not exist.
pub fn unknown_user() -> Reply {
    Reply::new(550, 1, 1, "No such user here")
}

pub(super) fn not_yours() -> Reply {
    Reply::new(553, 7, 1, "Not your address")
}

pub(super) fn nowhere(why: Nowhere) -> Reply {
    match why {
        Nowhere::Unknown => unknown_user(),
        Nowhere::TooMany => Reply::new(550, 4, 6, "Aliases lead in a circle"),
    }
}

/// Whether mail for an address that nobody has is taken, and returned.
pub(super) fn returns_unknown(known: &Known<'_, '_>, address: &Address) -> bool {
    known.settings(&address.domain().key()).is_some_and(|settings| settings.unknown == Unknown::Return)
}

impl Intake {
    /// MAIL: whether this client may send as this address.
    pub async fn check_sender(&self, client: &Client, reverse_path: Option<&Address>) -> Result<(), Reply> {
        let (Some(account), Some(address)) = (&client.account, reverse_path) else { return Ok(()) };
        let may = known(&self.store, |directory| may_send_as(directory, &self.settings, account, address));
        if may.await.map_err(|e| reply_of(&e))? { Ok(()) } else { Err(not_yours()) }
    }

    /// RCPT: whether mail of this client for the one recipient of `envelope` is taken; our own policy speaks
    /// first, then the host.
    /// Gives the recipient that takes its place, if any.
    pub async fn check_recipient(&self, client: &Client, envelope: &Envelope) -> Result<Option<Recipient>, Reply> {
        if !self.store.has_room(envelope.size_declared.unwrap_or(1)) {
            return Err(reply_of(&Error::new(ErrorKind::DiskFull, "the disk is full")));
        }
        let mut verdict = Ok(());
        for recipient in &envelope.recipients {
            verdict = self.allows(client, envelope, recipient).await;
            if verdict.is_err() {
                break;
            }
        }
        self.decide_recipient(client, envelope, verdict).await
    }

    async fn allows(&self, client: &Client, envelope: &Envelope, recipient: &Recipient) -> Result<(), Reply> {
        let size = envelope.size_declared;
        if self.settings.sink.is_on() {
            return Ok(());
        }
        let (settings, address) = (&self.settings, &recipient.address);
        let found = known(&self.store, |directory| {
            is_local(directory, settings, address).then(|| {
                let refused = self.refuses_outsider(directory, client, envelope, address);
                let returned = returns_unknown(directory, address);
                (refused, returned, resolve(directory, settings, address))
            })
        });
        let Some((refused, returned, found)) = found.await.map_err(|e| reply_of(&e))? else {
            return match (&client.account, client.service) {
                (Some(_), Service::Submission | Service::Submissions) => Ok(()),
                _ => Err(Reply::new(550, 7, 1, "Relay access denied")),
            };
        };
        if let Some(reply) = refused {
            return Err(reply);
        }
        let found = match found {
            Err(Nowhere::Unknown) if returned => return Ok(()),
            found => found.map_err(nowhere)?,
        };
        // A list takes mail while any of its members may; one mailbox is told to be full before the message comes.
        let [account] = found.accounts.as_slice() else { return Ok(()) };
        let Some(quota) = account.quota_octets.filter(|_| found.remote.is_empty() && found.groups.is_empty()) else {
            return Ok(());
        };
        if size.is_some_and(|size| size > quota) {
            return Err(Reply::new(
                552,
                2,
                2,
                format!("Message larger than the mailbox may be, at most {quota} bytes"),
            ));
        }
        let kept = self.store.account_octets(account.id).await.map_err(|e| reply_of(&e))?;
        if kept.saturating_add(size.unwrap_or(1)) > quota {
            return Err(Reply::new(452, 2, 2, "Mailbox full"));
        }
        Ok(())
    }
}
