//! Reports in the background: what was observed of DMARC and of TLS is written down and, when a day is over, reported
//! to the domains that ask; what others reported is read: DMARC and TLS reports, and what became of messages of ours.
//!
//! Nobody waits for it and it holds no mail up. Two loops, woken by the store, sleep where there is nothing to do: one
//! writes what was observed, the other sends and reads, which may take long where those who want reports have DNS that
//! does not answer. When `stop` closes, what waits in memory is written and both end.

mod read;
mod send;
mod send_tls;
mod told;

use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use super::Intake;
use crate::base::limits::{
    DMARC_OBSERVED_WAIT_SECONDS, DMARC_OBSERVED_WAITING, DMARC_REPORT_RETRY_SECONDS, DMARC_REPORT_SPREAD_SECONDS,
    QUEUE_SLEEP_SECONDS_MAX, TLS_REPORT_RETRY_SECONDS,
};
use crate::base::world::Task;
use crate::base::{Address, Mono, Timestamp};
use crate::feedback::Period;
use crate::store::Watch;

/// Starts it, where the settings ask for reports in either direction.
pub fn start(intake: Intake, stop: Receiver<()>) -> Option<Task<()>> {
    let (dmarc, sending) = (&intake.settings.dmarc, &intake.settings.sending);
    let dmarc = dmarc.report_from.is_some() || dmarc.report_address.is_some();
    let tls = sending.tls_report_from.is_some() || sending.tls_report_address.is_some();
    (dmarc || tls || sending.read_reports || sending.remember_tls).then_some(())?;
    // Not all hosts write at midnight.
    let spread = intake.world.entropy.u64() % (DMARC_REPORT_SPREAD_SECONDS * 1000);
    let spread = Duration::from_millis(spread);
    let spawner = intake.world.run.clone();
    let keeper = Keeper { intake: intake.clone(), stop: stop.clone(), flush_at: None };
    let reporter = Reporter { intake, stop, spread, retry_at: None, tls_retry_at: None, pruned: None };
    let both = async {
        smol::future::zip(keeper.run(), reporter.run()).await;
    };
    Some(spawner.task("reports", Box::pin(both)))
}

/// Waits for a change, or until a time; true once it is to stop.
async fn stopped(intake: &Intake, stop: &Receiver<()>, watch: &mut Watch, until: Option<Mono>) -> bool {
    let changed = async {
        watch.changed().await;
        false
    };
    let stopped = async {
        while stop.recv().await.is_ok() {}
        true
    };
    let due = async {
        match until {
            Some(at) => intake.world.clock.sleep_until(at).await,
            None => std::future::pending().await,
        }
        false
    };
    stopped.or(changed).or(due).await
}

/// Writes what was observed.
struct Keeper {
    intake: Intake,
    stop: Receiver<()>,
    /// When what waits in memory is written.
    flush_at: Option<Mono>,
}

impl Keeper {
    async fn run(mut self) {
        // Watching begins before the first look, so that nothing that comes in between is missed.
        let mut watch = self.intake.store.watch_feedback();
        loop {
            let now = self.intake.world.clock.now();
            let waiting = self.intake.store.dmarc_waiting().max(self.intake.store.tls_waiting());
            if waiting >= DMARC_OBSERVED_WAITING || self.flush_at.is_some_and(|at| now >= at) {
                self.flush_at = None;
                self.intake.flush_observed().await;
            } else if waiting > 0 && self.flush_at.is_none() {
                self.flush_at = Some(now + Duration::from_secs(DMARC_OBSERVED_WAIT_SECONDS));
            }
            if stopped(&self.intake, &self.stop, &mut watch, self.flush_at).await {
                break;
            }
        }
        self.intake.flush_observed().await;
    }
}

/// Sends reports, and reads those that came.
struct Reporter {
    intake: Intake,
    stop: Receiver<()>,
    /// How long behind midnight this host reports.
    spread: Duration,
    /// When reports are tried again that could not be made.
    retry_at: Option<Mono>,
    /// The same of TLS reports.
    tls_retry_at: Option<Mono>,
    /// The day on which what is old was forgotten last.
    pruned: Option<i64>,
}

impl Reporter {
    async fn run(mut self) {
        let mut watch = self.intake.store.watch_feedback();
        loop {
            self.intake.read_reports(&self.stop).await;
            let (next, next_tls) = (self.report().await, self.report_tls().await);
            let next = [next, next_tls].into_iter().flatten().min();
            if stopped(&self.intake, &self.stop, &mut watch, next).await {
                break;
            }
        }
    }

    /// Reports on days that are over; when the next will be.
    async fn report(&mut self) -> Option<Mono> {
        let clock = self.intake.world.clock.clone();
        self.intake.settings.dmarc.report_from.as_ref()?;
        if self.retry_at.is_some_and(|at| clock.now() < at) {
            return self.retry_at;
        }
        self.retry_at = None;
        let today = self.today();
        if self.oldest().await? < today {
            self.intake.flush_observed().await;
            if !self.intake.send_reports(today, &self.stop).await {
                self.retry_at = Some(clock.now() + Duration::from_secs(DMARC_REPORT_RETRY_SECONDS));
                return self.retry_at;
            }
        }
        let begins = Timestamp::from_seconds(Period::of_day(self.oldest().await?).end.saturating_add(1));
        let left = begins.after(self.spread).0.saturating_sub(clock.wall().0);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(0));
        // No longer: the wall clock may be set.
        Some(clock.now() + left.clamp(Duration::from_millis(1), Duration::from_secs(QUEUE_SLEEP_SECONDS_MAX)))
    }

    /// Reports what was counted of TLS on days that are over, and forgets what is old; when that is to be done again.
    async fn report_tls(&mut self) -> Option<Mono> {
        let clock = self.intake.world.clock.clone();
        if self.tls_retry_at.is_some_and(|at| clock.now() < at) {
            return self.tls_retry_at;
        }
        self.tls_retry_at = None;
        let sending = &self.intake.settings.sending;
        (sending.tls_report_from.is_some() || sending.remember_tls || sending.read_reports).then_some(())?;
        let today = self.today();
        if self.pruned != Some(today) {
            self.intake.forget_old().await;
            self.pruned = Some(today);
        }
        if sending.tls_report_from.is_some()
            && matches!(self.intake.store.tls_due(today, (i64::MIN, String::new())).await, Ok(Some(_)))
        {
            self.intake.flush_observed().await;
            if !self.intake.send_tls_reports(today, &self.stop).await {
                self.tls_retry_at = Some(clock.now() + Duration::from_secs(TLS_REPORT_RETRY_SECONDS));
                return self.tls_retry_at;
            }
        }
        let begins = Timestamp::from_seconds(Period::of_day(today).end.saturating_add(1)).after(self.spread);
        let left = u64::try_from(begins.0.saturating_sub(clock.wall().0)).unwrap_or(0);
        let left = Duration::from_millis(left.max(1)).min(Duration::from_secs(QUEUE_SLEEP_SECONDS_MAX));
        Some(clock.now() + left)
    }

    /// The day it is, for a host that begins it a little late.
    fn today(&self) -> i64 {
        let spread = i64::try_from(self.spread.as_millis()).unwrap_or(0);
        Period::day_of(Timestamp(self.intake.world.clock.wall().0.saturating_sub(spread)))
    }

    async fn oldest(&self) -> Option<i64> {
        match self.intake.store.dmarc_oldest().await {
            Ok(oldest) => oldest,
            Err(e) => {
                log::warn!("what is to be reported could not be read: {e}");
                None
            }
        }
    }
}

impl Intake {
    /// Writes what waits in memory.
    async fn flush_observed(&self) {
        if let Err(e) = self.store.dmarc_flush().await {
            log::warn!("observations for DMARC reports are lost: {e}");
        }
        if let Err(e) = self.store.tls_flush().await {
            log::warn!("results for TLS reports are lost: {e}");
        }
    }

    /// Forgets what of outgoing mail as a whole is kept for long enough.
    async fn forget_old(&self) {
        let (now, sending) = (self.world.clock.wall(), &self.settings.sending);
        let ago = |time: Duration| Timestamp(now.0.saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)));
        let history = self.settings.outbound.history.max(self.settings.outbound.lifetime);
        let (reports, levels) = (ago(sending.tls_report_keep), ago(sending.remember_tls_for));
        if let Err(e) = self.store.tls_prune(reports, levels, ago(history)).await {
            log::warn!("what is old of TLS could not be forgotten: {e}");
        }
    }

    /// Whether mail for this address is read for reports.
    pub(super) fn reads_reports_of(&self, address: &Address) -> bool {
        let ours = [&self.settings.dmarc.report_address, &self.settings.sending.tls_report_address];
        ours.into_iter().flatten().any(|ours| ours.key() == address.key())
    }
}
