//! Reports of ours: one for each day and domain, mailed as any other mail is (RFC 7489 §7.2.1, RFC 9990).

use std::sync::Arc;
use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use crate::base::envelope::Notify;
use crate::base::limits::{
    DMARC_REPORT_DNS_SECONDS, DMARC_REPORT_QUESTIONS_MAX, DMARC_REPORT_TRY_DAYS, DMARC_REPORTED_DAYS,
};
use crate::base::{Address, Content, Envelope, Error, ErrorKind, Recipient, Result};
use crate::delivery::directory::{is_local, known, resolve};
use crate::dns::patient::PatientResolver;
use crate::feedback::{AggregateReport, Disposition, Letter, Period, PublishedPolicy};
use crate::intake::Intake;
use crate::mailauth::dmarc::{DmarcRecord, Policy, ReportAddress, destinations};
use crate::os::aside::aside;
use crate::store::{Notes, Observed};

impl Intake {
    /// Reports what was observed before `today`. False where something is to be tried again later: its addressee could
    /// not be looked up, or the store failed.
    pub(super) async fn send_reports(&self, today: i64, stop: &Receiver<()>) -> bool {
        let (mut done, mut behind) = (true, None);
        while !stop.is_closed() {
            let observed = match self.store.dmarc_due(today, behind.take()).await {
                Ok(Some(observed)) => observed,
                Ok(None) => break,
                Err(e) => {
                    log::warn!("what is to be reported could not be read: {e}");
                    return false;
                }
            };
            behind = Some((observed.day, observed.policy_domain.clone()));
            let is_late = observed.day + DMARC_REPORT_TRY_DAYS < today;
            if let Err(e) = self.send_report(observed, is_late, stop).await {
                log::warn!("a DMARC report has to wait: {e}");
                done = false;
            }
        }
        if let Err(e) = self.store.dmarc_forget(today - DMARC_REPORTED_DAYS).await {
            log::warn!("reported days could not be forgotten: {e}");
        }
        done
    }

    /// Queues one report, or finds that nobody can have it. `is_late`: now or never.
    async fn send_report(&self, observed: Observed, is_late: bool, stop: &Receiver<()>) -> Result<()> {
        let (day, domain) = (observed.day, observed.policy_domain.clone());
        let stopped = async {
            while stop.recv().await.is_ok() {}
            Err("the engine stops".to_owned())
        };
        let wanted = match self.addressees(&observed).or(stopped).await {
            Ok(wanted) => wanted,
            Err(why) if is_late && !stop.is_closed() => {
                log::info!("nobody gets the DMARC report on {domain:?}: {why}");
                Vec::new()
            }
            Err(why) => return Err(Error::new(ErrorKind::Dns, why)),
        };
        let Some((recipients, letter)) = self.letter(observed, wanted).await? else {
            return self.store.dmarc_unreported(day, domain).await;
        };
        let reverse_path = self.settings.dmarc.report_from.clone();
        let smtputf8 = recipients.iter().chain(&reverse_path).any(Address::needs_smtputf8);
        let envelope = Envelope {
            smtputf8,
            reverse_path,
            // A report that does not arrive is not worth another mail.
            recipients: recipients.into_iter().map(silent).collect(),
            ..Envelope::default()
        };
        let notes = Notes { reported: Some((day, domain.clone())), ..Notes::default() };
        match self.submit_noting(&envelope, Content::from_octets(letter), notes).await {
            Ok(_) => Ok(()),
            // What will not do now will not do later.
            Err(e) if e.kind().is_of_disk() || e.kind() == ErrorKind::Busy => Err(e),
            Err(e) => {
                log::warn!("the DMARC report on {domain:?} cannot be sent: {e}");
                match self.store.dmarc_unreported(day, domain).await {
                    Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
                    other => other,
                }
            }
        }
    }

    /// Who gets a report; why it cannot be known now.
    async fn addressees(&self, observed: &Observed) -> std::result::Result<Vec<ReportAddress>, String> {
        let Some(record) = DmarcRecord::parse(observed.record.as_bytes()) else { return Ok(Vec::new()) };
        let wait = Duration::from_secs(DMARC_REPORT_DNS_SECONDS);
        let (resolver, clock) = (Arc::clone(&self.world.resolver), Arc::clone(&self.world.clock));
        let resolver = PatientResolver::new(resolver, clock, wait, wait, DMARC_REPORT_QUESTIONS_MAX);
        let mut wanted = destinations(&resolver, &observed.policy_domain, &record).await?;
        // An address here that nobody has would keep the others from theirs.
        let all = &wanted;
        let there = known(&self.store, |directory| {
            let settings = &self.settings;
            let is_there = |to: &ReportAddress| {
                !is_local(directory, settings, &to.address) || resolve(directory, settings, &to.address).is_ok()
            };
            all.iter().map(is_there).collect::<Vec<_>>()
        });
        let mut there = there.await.map_err(|e| e.to_string())?.into_iter();
        wanted.retain(|_| there.next().unwrap_or(false));
        Ok(wanted)
    }

    /// The letter, and those it is not too large for; `None` where that is nobody. Written and packed off the tasks.
    async fn letter(&self, observed: Observed, wanted: Vec<ReportAddress>) -> Result<Option<(Vec<Address>, Vec<u8>)>> {
        let Some(from) = self.settings.dmarc.report_from.clone().filter(|_| !wanted.is_empty()) else {
            return Ok(None);
        };
        let id = format!("{}.{:016x}@{}", observed.day, self.world.entropy.u64(), from.domain().key());
        let Some(report) = report(observed, &from, id) else { return Ok(None) };
        let mut boundary = [0; 16];
        self.world.entropy.fill(&mut boundary);
        let (receiver, date) = (self.settings.hostname.clone(), self.world.clock.wall());
        let compose = move || {
            let (report, from, receiver) = (&report, &from, receiver.as_str());
            fitting(wanted, |to| Letter { report, from, to, receiver, date, boundary }.compose())
        };
        aside(&*self.world.run, false, compose).await
    }
}

/// The letter for those who take one of its size, and who they are; `None` for nobody.
fn fitting(mut wanted: Vec<ReportAddress>, compose: impl Fn(&[Address]) -> Vec<u8>) -> Option<(Vec<Address>, Vec<u8>)> {
    let addresses = |wanted: &[ReportAddress]| wanted.iter().map(|to| to.address.clone()).collect::<Vec<_>>();
    let all = addresses(&wanted);
    let letter = compose(&all);
    wanted.retain(|to| to.octets_max.is_none_or(|most| letter.len() as u64 <= most));
    let to = addresses(&wanted);
    match to.len() {
        0 => None,
        fitting if fitting == all.len() => Some((to, letter)),
        _ => {
            let letter = compose(&to);
            Some((to, letter))
        }
    }
}

/// What was observed as a report; `None` where there is nothing in it.
fn report(observed: Observed, from: &Address, report_id: String) -> Option<AggregateReport> {
    let record = DmarcRecord::parse(observed.record.as_bytes()).filter(|_| !observed.rows.is_empty())?;
    let word = |policy: Policy| Disposition::parse(policy.word()).unwrap_or_default();
    Some(AggregateReport {
        organization: from.domain().key(),
        email: from.to_string(),
        report_id,
        period: Period::of_day(observed.day),
        published: PublishedPolicy {
            domain: observed.policy_domain,
            policy: word(record.policy),
            subdomain_policy: record.subdomain_policy.map(word),
            nonexistent_policy: record.nonexistent_policy.map(word),
            strict_dkim: record.strict_dkim,
            strict_spf: record.strict_spf,
            percent: Some(record.percent),
            is_testing: record.is_testing,
            failure_on: record.failure_on.text(),
        },
        rows: observed.rows,
        ..AggregateReport::default()
    })
}

pub(super) fn silent(address: Address) -> Recipient {
    Recipient { notify: Notify::NEVER, ..Recipient::new(address) }
}
