//! Who may write to closed domains and to groups.
//!
//! Outsiders are refused at RCPT as far as it is certain there that they are outside. Whose reverse-path says that they
//! may be inside is believed once DMARC says so of From, after the message came: a name alone opens nothing.

use super::Intake;
use super::hook::{Policy, Refusal};
use crate::base::domain_settings::{Closed, lists};
use crate::base::group::Writers;
use crate::base::{Account, Address, Envelope, Group, Reply, Result, Service};
use crate::delivery::directory::{Accounts, Domains, Known, is_local, is_open_to_all, known, may_send_as, resolve};
use crate::mailauth::Verdicts;
use crate::mailauth::dmarc::DmarcResult;
use crate::message::author;
use crate::smtp::server::Client;

/// What is certain at RCPT of a client and its reverse-path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// It is inside.
    Inside,
    /// DMARC will tell.
    Open,
    /// It is outside.
    Outside,
}

/// Who a message is from, as far as that was proved.
pub(super) enum Writer<'a> {
    /// The program itself.
    Program,
    /// An account that logged in, or in whose name the program submits.
    Account(&'a Account),
    /// Authors for whom DMARC passes; none where it does not.
    Authors(Vec<Address>),
}

impl<'a> Writer<'a> {
    /// Who is known after the checks of a message with this header.
    pub(super) fn of(client: &'a Client, verdicts: Option<&Verdicts>, header: &[u8]) -> Writer<'a> {
        if let Some(account) = &client.account {
            return Writer::Account(account);
        }
        let passes =
            verdicts.is_some_and(|verdicts| verdicts.checks.dmarc && verdicts.dmarc.result == DmarcResult::Pass);
        let authors = if passes { author(&[header]).unwrap_or_default() } else { Vec::new() };
        // DMARC's verdict is for one domain.
        let domain = verdicts.map(|verdicts| verdicts.from_domain.as_str()).unwrap_or_default();
        let is_one = authors.iter().all(|author| author.domain().key() == domain);
        Writer::Authors(if is_one { authors } else { Vec::new() })
    }
}

impl Intake {
    /// The reply for an outsider at RCPT, where it is certain that it is one.
    pub(super) fn refuses_outsider(
        &self,
        known: &Known<'_, '_>,
        client: &Client,
        envelope: &Envelope,
        to: &Address,
    ) -> Option<Reply> {
        let closed = self.closed_to(known, to)?;
        match self.side(known, closed, client, envelope) {
            Side::Outside => Some(told(closed, envelope.smtputf8)),
            Side::Inside | Side::Open => None,
        }
    }

    /// Why a message is refused by the domains and groups that it is for, in the place of `policy`.
    pub(super) async fn at_door(
        &self,
        client: &Client,
        envelope: &Envelope,
        writer: &Writer<'_>,
        policy: Policy,
    ) -> Result<Policy> {
        if self.settings.sink.is_on() || matches!(policy, Policy::Reject(_)) {
            return Ok(policy);
        }
        let refused = known(&self.store, |known| {
            let by_domain = envelope.recipients.iter().find_map(|to| {
                let closed = self.closed_to(known, &to.address)?;
                let decides = self.side(known, closed, client, envelope) == Side::Open;
                (decides && !self.is_inside(known, closed, writer)).then(|| told(closed, envelope.smtputf8))
            });
            by_domain.or_else(|| self.refused_by_group(known, envelope, writer))
        });
        Ok(refused.await?.map_or(policy, Policy::Reject))
    }

    /// The reply of the first group that does not let this writer in.
    pub(super) fn refused_by_group(
        &self,
        known: &Known<'_, '_>,
        envelope: &Envelope,
        writer: &Writer<'_>,
    ) -> Option<Reply> {
        for to in envelope.recipients.iter().filter(|to| is_local(known, &self.settings, &to.address)) {
            let Ok(found) = resolve(known, &self.settings, &to.address) else { continue };
            if let Some(group) = found.groups.iter().find(|group| !self.may_write(known, group, writer)) {
                let text = format!("You may not write to {}", group.address);
                let reply = Refusal::new(550, None, &text).map(|refusal| refusal.reply(envelope.smtputf8));
                return Some(reply.unwrap_or_else(|_| Reply::new(550, 7, 1, "You may not write to this group")));
            }
        }
        None
    }

    fn closed_to<'k>(&self, known: &'k Known<'_, '_>, to: &Address) -> Option<&'k Closed> {
        let closed = known.settings(&to.domain().key())?.closed.as_ref()?;
        (is_local(known, &self.settings, to) && !is_open_to_all(to)).then_some(closed)
    }

    fn side(&self, known: &Known<'_, '_>, closed: &Closed, client: &Client, envelope: &Envelope) -> Side {
        let peer = client.ends.peer.ip().to_canonical();
        if client.account.is_some() || closed.lists_host(peer) {
            return Side::Inside;
        }
        let may_be = |path: &Address| known.is_local_domain(&path.domain().key()) || lists(&closed.senders, path);
        let is_checked = self.checks(client) && self.settings.checking.dmarc;
        match is_checked && envelope.reverse_path.as_ref().is_some_and(may_be) {
            true => Side::Open,
            false => Side::Outside,
        }
    }

    fn is_inside(&self, known: &Known<'_, '_>, closed: &Closed, writer: &Writer<'_>) -> bool {
        match writer {
            Writer::Program | Writer::Account(_) => true,
            Writer::Authors(authors) => {
                let is_inside =
                    |author: &Address| known.is_local_domain(&author.domain().key()) || lists(&closed.senders, author);
                !authors.is_empty() && authors.iter().all(is_inside)
            }
        }
    }

    fn may_write(&self, known: &Known<'_, '_>, group: &Group, writer: &Writer<'_>) -> bool {
        let by_list = match group.writers {
            Writers::Anyone => return true,
            Writers::Members => true,
            Writers::Listed => false,
            Writers::Program => return matches!(writer, Writer::Program),
        };
        match writer {
            Writer::Program => true,
            Writer::Account(account) => {
                let is_own = |member: &Address| may_send_as(known, &self.settings, account, member);
                lists(&group.senders, &account.address) || (by_list && group.members.iter().any(is_own))
            }
            Writer::Authors(authors) => {
                let may = |author: &Address| {
                    let is_author = |member: &Address| member.key() == author.key();
                    lists(&group.senders, author) || (by_list && group.members.iter().any(is_author))
                };
                !authors.is_empty() && authors.iter().all(may)
            }
        }
    }

    /// Whether mail of a client is checked.
    pub(super) fn checks(&self, client: &Client) -> bool {
        let checking = &self.settings.checking;
        let is_checked = client.service == Service::Mx || (client.service == Service::Lmtp && checking.lmtp);
        is_checked && client.account.is_none() && !checking.trusts(client.ends.peer.ip().to_canonical())
    }
}

/// What an outsider is told.
fn told(closed: &Closed, smtputf8: bool) -> Reply {
    let refusal = Refusal::new(550, None, &closed.text);
    refusal.map_or_else(|_| Reply::new(550, 7, 1, Closed::TEXT), |refusal| refusal.reply(smtputf8))
}
