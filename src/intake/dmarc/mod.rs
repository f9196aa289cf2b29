//! Aggregate reports in the background: what was observed is written down and, when a day is over, reported to the
//! domains that ask; what others reported is read.
//!
//! Nobody waits for it and it holds no mail up. One task, woken by the store; it sleeps where there is nothing to do.
//! When `stop` closes it writes what waits in memory and ends.

mod read;
mod send;

use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use super::Intake;
use crate::base::limits::{
    DMARC_OBSERVED_WAIT_SECONDS, DMARC_OBSERVED_WAITING, DMARC_REPORT_RETRY_SECONDS, DMARC_REPORT_SPREAD_SECONDS,
    QUEUE_SLEEP_SECONDS_MAX,
};
use crate::base::world::Task;
use crate::base::{Address, Mono, Timestamp};
use crate::feedback::Period;

/// Starts it, where the settings ask for reports in either direction.
pub fn start(intake: Intake, stop: Receiver<()>) -> Option<Task<()>> {
    let dmarc = &intake.settings.dmarc;
    (dmarc.report_from.is_some() || dmarc.report_address.is_some()).then_some(())?;
    let spread = intake.world.entropy.u64() % (DMARC_REPORT_SPREAD_SECONDS * 1000);
    let spread = Duration::from_millis(spread);
    let spawner = intake.world.run.clone();
    Some(spawner.task("reports", Box::pin(Reporter { intake, stop, spread, flush_at: None, retry_at: None }.run())))
}

struct Reporter {
    intake: Intake,
    stop: Receiver<()>,
    /// How long behind midnight this host reports.
    spread: Duration,
    /// When what waits in memory is written.
    flush_at: Option<Mono>,
    /// When reports are tried again that could not be made.
    retry_at: Option<Mono>,
}

impl Reporter {
    async fn run(mut self) {
        // Watching begins before the first look, so that nothing that comes in between is missed.
        let mut watch = self.intake.store.watch_feedback();
        loop {
            let wake_at = self.round().await;
            let clock = &self.intake.world.clock;
            let changed = async {
                watch.changed().await;
                false
            };
            let stopped = async {
                while self.stop.recv().await.is_ok() {}
                true
            };
            let due = async {
                match wake_at {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
                false
            };
            if stopped.or(changed).or(due).await {
                break;
            }
        }
        self.flush().await;
    }

    /// Everything that is due; when to look again, where that is known.
    async fn round(&mut self) -> Option<Mono> {
        let now = self.intake.world.clock.now();
        let waiting = self.intake.store.dmarc_waiting();
        if waiting >= DMARC_OBSERVED_WAITING || self.flush_at.is_some_and(|at| now >= at) {
            self.flush().await;
        } else if waiting > 0 && self.flush_at.is_none() {
            self.flush_at = Some(now + Duration::from_secs(DMARC_OBSERVED_WAIT_SECONDS));
        }
        self.intake.read_reports(&self.stop).await;
        let next = self.report().await;
        [self.flush_at, next].into_iter().flatten().min()
    }

    async fn flush(&mut self) {
        self.flush_at = None;
        if let Err(e) = self.intake.store.dmarc_flush().await {
            log::warn!("observations for DMARC reports are lost: {e}");
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
            self.flush().await;
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
    /// Whether mail for this address is read for reports.
    pub(super) fn reads_reports_of(&self, address: &Address) -> bool {
        self.settings.dmarc.report_address.as_ref().is_some_and(|ours| ours.key() == address.key())
    }
}
