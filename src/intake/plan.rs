//! What becomes of a message, account by account and address by address: worked out before anything is written, so that
//! one transaction can carry it out. Rules of accounts have their place here, between [`Intake::plan`] and
//! [`Intake::carry_out`]: they change actions and recipients, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::policy::returns_unknown;
use super::receive::directory_changed;
use super::sign::Seal;
use super::{Intake, reply_of};
use crate::base::event::Origin;
use crate::base::trouble::Stage;
use crate::base::{
    Account, AccountId, Address, Content, Envelope, Error, ErrorKind, Group, Recipient, Reply, Result, SpecialUse,
    Timestamp,
};
use crate::delivery::directory::{Known, Nowhere, is_local, known, onward, resolve};
use crate::delivery::filing::{Action, Place, file};
use crate::delivery::group::{self, Term};
use crate::delivery::rules::Passage;
use crate::delivery::sink;
use crate::delivery::wire::as_lines;
use crate::queue::schedule;
use crate::smtp::server::Client;
use crate::store::{Acceptance, Accepted, NewItem, Notes};

/// Where a message goes, once for each account and each address.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    /// For accounts here, each once.
    pub(super) actions: Vec<Action>,
    /// What is put on the copies for hosts elsewhere, for mail of others.
    pub(super) seal: Option<Seal>,
    /// For hosts elsewhere.
    pub(super) remote: Vec<Recipient>,
    /// For hosts elsewhere, with the reverse-path in which they are sent on.
    pub(super) rewritten: BTreeMap<Address, Vec<Recipient>>,
    /// Keys of `remote` and `rewritten`.
    elsewhere: BTreeSet<String>,
    /// Recipients that come to rest here and whose sender wants to hear of it.
    pub(super) reported: Vec<Recipient>,
    /// What is noted in its transaction.
    pub(super) notes: Notes,
    /// When the first attempt is due; at once without.
    due: Option<Timestamp>,
    /// Where it came from, for the event; its sender is the envelope's.
    pub(super) origin: Origin,
    /// By which recipient each account was found.
    pub(super) found_by: Vec<(AccountId, Recipient)>,
    /// What scripts are told of the client.
    pub(super) passage: Passage,
    /// Whether the sender is not told of what recipients reject: it may be forged.
    pub(super) is_quiet: bool,
    /// Whether SPF or DMARC failed, so that it gets no report on users that do not exist.
    pub(super) is_forged: bool,
    /// Recipients here that do not exist, in domains that take their mail.
    pub(super) returned: Vec<Recipient>,
    /// Groups, each once.
    pub(super) groups: Vec<Arc<Group>>,
}

impl Plan {
    /// With what the caller wants noted, beside what the recipients ask for.
    pub(super) fn noting(mut self, notes: Notes) -> Plan {
        self.notes = Notes { unread_report: self.notes.unread_report || notes.unread_report, ..notes };
        self
    }

    /// The same, at `due` where that is given: until then all recipients wait in the queue, those here too.
    pub(super) fn later(self, envelope: &Envelope, due: Option<Timestamp>) -> Plan {
        if due.is_none() {
            return self;
        }
        let mut plan = Plan { notes: self.notes, due, ..Plan::default() };
        envelope.recipients.iter().for_each(|recipient| plan.send(recipient.clone()));
        plan.notes.unread_report = false;
        plan
    }

    /// The same, for the places where junk is kept or as it was. Junk is not read for reports: anybody can write one
    /// in anybody's name (RFC 9990 wants their mail to pass DMARC).
    pub(super) fn filed(mut self, junk: bool) -> Plan {
        if junk {
            let copies = self.actions.iter_mut().flat_map(|action| &mut action.copies);
            copies.for_each(|copy| copy.place = Place::Special(SpecialUse::Junk));
        }
        self.notes.unread_report &= !junk;
        self.is_quiet |= junk;
        self.passage.spam = if junk { Some(100) } else { self.passage.spam };
        self
    }

    /// The same, sealed where it is sent on.
    pub(super) fn sealed(mut self, seal: Option<Seal>) -> Plan {
        self.seal = seal;
        self
    }

    /// With where it came from: the client, where there is one, what its checks came to, and its passage.
    pub(super) fn of(mut self, client: Option<&Client>, verdicts: &str, passage: &str) -> Plan {
        let peer = client.map(|client| client.ends.peer.to_string()).unwrap_or_default();
        self.passage.client = client.map(|client| client.ends.peer.ip().to_canonical().to_string());
        let account = client.and_then(|client| client.account.as_ref());
        self.passage.login = account.map(|account| account.address.to_string());
        if !verdicts.is_empty() {
            self.passage.spam = self.passage.spam.or(Some(0));
        }
        let (verdicts, trace) = (verdicts.to_owned(), passage.to_owned());
        self.origin = Origin { from: String::new(), peer, verdicts, trace };
        self
    }

    /// The same, its sender not told of what recipients reject.
    pub(super) fn quiet(mut self, is_quiet: bool) -> Plan {
        self.is_quiet |= is_quiet;
        self
    }

    /// The same, with what reports of others may call it.
    pub(super) fn named(mut self, names: Vec<String>) -> Plan {
        self.notes.sent = names;
        self
    }

    /// The same, read for what it may tell of messages of ours.
    pub(super) fn read_by(mut self, is_report: bool) -> Plan {
        self.notes.unread_report |= is_report && !self.actions.is_empty();
        self
    }

    /// The same, its sender not told of users that do not exist.
    pub(super) fn forged(mut self, is_forged: bool) -> Plan {
        self.is_forged |= is_forged;
        self
    }

    /// Whether nobody gets anything.
    pub(super) fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.returned.is_empty() && self.stays_here()
    }

    /// Whether nothing goes to hosts elsewhere or to groups.
    pub(super) fn stays_here(&self) -> bool {
        self.remote.is_empty() && self.rewritten.is_empty() && self.groups.is_empty()
    }

    fn add(&mut self, account: Arc<Account>, recipient: &Recipient) {
        if !self.actions.iter().any(|action| action.account.id == account.id) {
            self.found_by.push((account.id, recipient.clone()));
            self.actions.push(Action::to(Place::Inbox, account));
        }
    }

    /// Sends it with a reverse-path of its own, where there is one.
    fn send_from(&mut self, path: Option<Address>, recipient: Recipient) {
        match path {
            None => self.send(recipient),
            Some(path) if self.elsewhere.insert(recipient.address.key()) => {
                self.rewritten.entry(path).or_default().push(recipient);
            }
            Some(_) => {}
        }
    }

    fn send(&mut self, recipient: Recipient) {
        if self.elsewhere.insert(recipient.address.key()) {
            self.remote.push(recipient);
        }
    }
}

/// Why there is no plan.
#[derive(Debug)]
pub(super) enum Unplanned {
    /// This address leads nowhere.
    Nowhere(Address, Nowhere),
    /// The directory could not be read.
    Trouble(Error),
}

impl Unplanned {
    /// The reply where the addresses were fine when they were said.
    pub(super) fn reply(&self) -> Reply {
        match self {
            Unplanned::Nowhere(..) => directory_changed(),
            Unplanned::Trouble(e) => reply_of(e),
        }
    }
}

impl Intake {
    /// Where each recipient's copy goes; the first address that leads nowhere otherwise.
    pub(super) async fn plan(&self, envelope: &Envelope) -> std::result::Result<Plan, Unplanned> {
        let plan = known(&self.store, |known| self.plan_by(known, envelope)).await;
        plan.map_err(Unplanned::Trouble)?.map_err(|(address, why)| Unplanned::Nowhere(address, why))
    }

    fn plan_by(&self, directory: &Known<'_, '_>, envelope: &Envelope) -> std::result::Result<Plan, (Address, Nowhere)> {
        let mut plan = Plan::default();
        for recipient in &envelope.recipients {
            let address = recipient.address.to_string();
            let scripted = self.settings.sink.is_on() && self.settings.trouble.concerns(Stage::Deliver, &address);
            if scripted || !is_local(directory, &self.settings, &recipient.address) {
                plan.send(recipient.clone());
                continue;
            }
            let found = match resolve(directory, &self.settings, &recipient.address) {
                Ok(found) => found,
                Err(Nowhere::Unknown) if returns_unknown(directory, &recipient.address) => {
                    plan.returned.push(recipient.clone());
                    continue;
                }
                Err(why) => return Err((recipient.address.clone(), why)),
            };
            plan.notes.unread_report |= self.reads_reports_of(&recipient.address);
            if recipient.notify.success && found.remote.is_empty() {
                plan.reported.push(recipient.clone());
            }
            found.accounts.into_iter().for_each(|account| plan.add(account, recipient));
            for address in found.remote {
                let path = directory.onward_path(envelope.reverse_path.as_ref(), &recipient.address);
                plan.send_from(
                    path.filter(|path| Some(path) != envelope.reverse_path.as_ref()),
                    onward(recipient, address),
                );
            }
            for group in found.groups {
                if !plan.groups.iter().any(|known| known.address == group.address) {
                    plan.groups.push(group);
                }
            }
        }
        Ok(plan)
    }

    /// Makes the accounts that a sink needs for a message: the recipients', and the sender's where reports may come.
    pub(super) async fn prepare_sink(&self, envelope: &Envelope) -> Result<()> {
        let settings = &self.settings;
        if !settings.sink.is_on() {
            return Ok(());
        }
        let mut addresses: Vec<Address> = envelope.recipients.iter().map(|to| to.address.clone()).collect();
        let scripted = |to: &Address| settings.trouble.concerns(Stage::Deliver, &to.to_string());
        if envelope.recipients.iter().any(|to| to.notify.success) || addresses.iter().any(scripted) {
            addresses.extend(envelope.reverse_path.clone());
        }
        sink::prepare(&self.store, settings, addresses).await
    }

    /// Files and queues, in one transaction.
    pub(super) async fn carry_out(
        &self,
        mut plan: Plan,
        envelope: &Envelope,
        content: Content,
        submitter: Option<AccountId>,
        now: Timestamp,
    ) -> Result<Accepted> {
        let mut acceptance = Acceptance::default();
        let ruled = self.rule(&mut plan, envelope, &content, now).await?;
        let returned = self.returned(&plan, envelope, &content, now).await?;
        let copies = self.group_copies(&plan, envelope, &content, now).await?;
        let report = self.success_report(&plan, envelope, &content, now).await?;
        acceptance.items.extend(self.away(&plan, envelope, &content, submitter, now).await?);
        let (world, reverse_path) = (&self.world, envelope.reverse_path.as_ref());
        let from = reverse_path.map(ToString::to_string).unwrap_or_default();
        let origin = Origin { from, ..plan.origin };
        if let Some(mut arrival) = file(world, &self.store, &plan.actions, reverse_path, content, now).await? {
            arrival.origin = origin.clone();
            acceptance.arrivals.push(arrival);
        }
        ruled.into_iter().for_each(|ruled| ruled.join(&mut acceptance, &origin));
        acceptance.items.extend(copies);
        returned.join(&mut acceptance, &origin);
        let notes = plan.notes;
        let Some(report) = report else { return self.store.accept_noting(acceptance, notes).await };
        let mut both = acceptance.clone();
        report.join(&mut both);
        let (filed, queued) = (count_filings(&acceptance), acceptance.items.len());
        match self.store.accept_noting(both, notes.clone()).await {
            // A report that has no room does not keep the message out.
            Err(e) if e.kind() == ErrorKind::Quota => self.store.accept_noting(acceptance, notes).await,
            Err(e) => Err(e),
            Ok(mut accepted) => {
                accepted.filed.truncate(filed);
                accepted.queued.truncate(queued);
                Ok(accepted)
            }
        }
    }

    /// What goes to hosts elsewhere, fit for its way: an item for each reverse-path.
    async fn away(
        &self,
        plan: &Plan,
        envelope: &Envelope,
        content: &Content,
        submitter: Option<AccountId>,
        now: Timestamp,
    ) -> Result<Vec<NewItem>> {
        if plan.remote.is_empty() && plan.rewritten.is_empty() {
            return Ok(Vec::new());
        }
        let mut envelope = envelope.clone();
        let mut away = content.clone();
        // Mail of ours is fit already. That of others goes on as it came where no encoding helps.
        if let Ok((fit, body)) = as_lines(&self.world, &self.store, away.clone(), envelope.body).await? {
            (away, envelope.body) = (fit, body);
        }
        let content = self.sealed(plan.seal.as_ref(), away, now).await;
        let item = |reverse_path: Option<&Address>, recipients: &[Recipient]| {
            let (reverse_path, recipients) = (reverse_path.cloned(), recipients.to_vec());
            let envelope = Envelope { reverse_path, recipients, ..envelope.clone() };
            self.new_item(envelope, content.clone(), submitter, now, plan.due)
        };
        let as_it_came = (!plan.remote.is_empty()).then(|| item(envelope.reverse_path.as_ref(), &plan.remote));
        let rewritten = plan.rewritten.iter().map(|(path, recipients)| item(Some(path), recipients));
        Ok(as_it_came.into_iter().chain(rewritten).collect())
    }

    /// The copies for groups, fit for their way. `Policy` where the message came through one of them before.
    async fn group_copies(
        &self,
        plan: &Plan,
        envelope: &Envelope,
        content: &Content,
        now: Timestamp,
    ) -> Result<Vec<NewItem>> {
        let term = Term { now, expires: now.after(self.settings.outbound.lifetime) };
        let mut ready = Vec::new();
        for copy in group::copies(&self.world, &plan.groups, envelope, content, term).await? {
            let Some(mut item) = copy else {
                return Err(Error::new(ErrorKind::Policy, group::LOOP).with_reply(&Reply::new(554, 4, 6, group::LOOP)));
            };
            if item.envelope.recipients.is_empty() {
                continue;
            }
            let away = item.content.clone();
            if let Ok((fit, body)) = as_lines(&self.world, &self.store, away, item.envelope.body).await? {
                (item.content, item.envelope.body) = (fit, body);
            }
            item.content = self.sealed(plan.seal.as_ref(), item.content, now).await;
            ready.push(item);
        }
        Ok(ready)
    }

    /// An item of the queue, due at once where `due` says no later time; its life begins then.
    fn new_item(
        &self,
        envelope: Envelope,
        content: Content,
        submitter: Option<AccountId>,
        now: Timestamp,
        due: Option<Timestamp>,
    ) -> NewItem {
        let due = due.unwrap_or(now);
        let expires = schedule::given_up(&self.settings.outbound, due, &envelope.terms);
        NewItem { envelope, content, submitter, created: now, due, expires }
    }
}

fn count_filings(acceptance: &Acceptance) -> usize {
    acceptance.arrivals.iter().map(|arrival| arrival.filings.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_elsewhere_counts_once() {
        let mut plan = Plan::default();
        for text in ["a@x.org", "A@X.ORG", "b@x.org"] {
            plan.send(Recipient::new(Address::parse(text).unwrap()));
        }
        assert_eq!(plan.remote.len(), 2);
    }
}
