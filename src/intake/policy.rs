//! Who may send to an address, and who may send as it; whose it is says `delivery::directory`.

use super::{Intake, reply_of};
use crate::base::domain_settings::Unknown;
use crate::base::limits::EXPN_MEMBERS_MAX;
use crate::base::settings::Verify;
use crate::base::{Address, Domain, Envelope, Error, ErrorKind, Recipient, Reply, Service};
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

/// 252 for what is not told (RFC 5321 §3.5.3).
fn not_told() -> Reply {
    Reply::new(252, 5, 0, "Send mail and see")
}

/// Whether mail for an address that nobody has is taken, and returned.
pub(super) fn returns_unknown(known: &Known<'_, '_>, address: &Address) -> bool {
    known.settings(&address.domain().key()).is_some_and(|settings| settings.unknown == Unknown::Return)
}

impl Intake {
    /// VRFY: whether there is such an address here, for those who may know it.
    pub async fn verify(&self, client: &Client, about: &str) -> Reply {
        if !self.may_know(client) {
            return not_told();
        }
        let Some(address) = self.asked_about(about) else { return Reply::new(501, 1, 3, "Not an address") };
        match self.behind(&address).await {
            Ok(None) => not_told(),
            Ok(Some(_)) => Reply::new(250, 1, 5, format!("<{address}>")),
            Err(reply) => reply,
        }
    }

    /// EXPN: who gets the mail of an address here, for those who may know it.
    pub async fn expand(&self, client: &Client, about: &str) -> Reply {
        if !self.may_know(client) {
            return Reply::new(502, 5, 1, "Lists are not told");
        }
        let Some(address) = self.asked_about(about) else { return Reply::new(501, 1, 3, "Not an address") };
        let members = match self.behind(&address).await {
            Ok(None) => return Reply::new(550, 1, 1, "No such list here"),
            Ok(Some(members)) => members,
            Err(reply) => return reply,
        };
        if members.len() > EXPN_MEMBERS_MAX {
            return Reply::new(252, 5, 0, format!("More than {EXPN_MEMBERS_MAX} members"));
        }
        Reply::new(250, 1, 5, members.join("\n"))
    }

    /// Whose mail an address is; `None` where its domain is not ours.
    async fn behind(&self, address: &Address) -> Result<Option<Vec<String>>, Reply> {
        let found = known(&self.store, |directory| {
            is_local(directory, &self.settings, address).then(|| resolve(directory, &self.settings, address))
        });
        let Some(found) = found.await.map_err(|e| reply_of(&e))? else { return Ok(None) };
        let found = found.map_err(nowhere)?;
        let accounts = found.accounts.iter().map(|account| &account.address);
        Ok(Some(accounts.chain(&found.remote).map(|member| format!("<{member}>")).collect()))
    }

    fn may_know(&self, client: &Client) -> bool {
        match self.settings.esmtp.verify {
            Verify::Nobody => false,
            Verify::Users => client.account.is_some(),
            Verify::Anybody => true,
        }
    }

    /// An address, in angle brackets or without; one without a domain is of the domain of login names.
    fn asked_about(&self, text: &str) -> Option<Address> {
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        let domain = || self.settings.login_domain.as_ref().map_or_else(|| self.settings.hostname.clone(), Domain::key);
        let whole = if text.contains('@') { text.to_owned() } else { format!("{text}@{}", domain()) };
        Address::parse(&whole).ok()
    }

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
                (Some(account), Service::Submission | Service::Submissions) => {
                    self.allows_remote(account, recipient).await
                }
                (None, Service::Submission | Service::Submissions) if client.relays => Ok(()),
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
