//! Reports others sent us: read from mail that was filed, and kept as rows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smol::channel::Receiver;

use crate::base::limits::{CHUNK_OCTETS_MAX, DMARC_LETTER_OCTETS_MAX, DMARC_READ_BETWEEN_PRUNES};
use crate::base::{BlobId, ErrorKind, Result};
use crate::feedback::{self, AggregateReport, NoReport};
use crate::intake::Intake;
use crate::os::aside::aside;

impl Intake {
    /// Reads all mail that waits to be read. One that cannot be read, whatever is in it, costs only itself.
    pub(super) async fn read_reports(&self, stop: &Receiver<()>) {
        let mut read = 0;
        while !stop.is_closed() {
            match self.read_one().await {
                Ok(true) => read += 1,
                Ok(false) => break,
                Err(e) => {
                    log::warn!("a DMARC report stays unread for now: {e}");
                    break;
                }
            }
            if read == DMARC_READ_BETWEEN_PRUNES {
                self.prune().await;
                read = 0;
            }
        }
        if read > 0 {
            self.prune().await;
        }
    }

    /// Reads the oldest; false where none waits.
    async fn read_one(&self) -> Result<bool> {
        let Some(blob) = self.store.dmarc_unread().await? else { return Ok(false) };
        let report = match self.whole(blob).await? {
            Some(letter) => self.report_in(letter).await?,
            None => None,
        };
        let about = report.as_ref().map(|report| (report.published.domain.clone(), report.organization.clone()));
        let id = self.store.dmarc_read(blob, report, self.world.clock.wall()).await?;
        if let (Some(id), Some((domain, organization))) = (id, about) {
            log::info!("DMARC report {id}, of {organization:?} on {domain:?}, was read");
        }
        Ok(true)
    }

    /// The report in a letter; taken apart off the tasks.
    async fn report_in(&self, letter: Vec<u8>) -> Result<Option<AggregateReport>> {
        // Unwind-safe: nothing but the letter is looked at. One that would bring its reader down is read once, not
        // again and again in front of all others.
        let read =
            aside(&*self.world.run, false, move || catch_unwind(AssertUnwindSafe(|| feedback::read(&letter)))).await?;
        match read {
            Ok(Ok(report)) => return Ok(Some(report)),
            // A person writes to that address, too.
            Ok(Err(NoReport::Other)) => {}
            Ok(Err(NoReport::TooMuch)) => log::warn!("a DMARC report is larger than any may be"),
            Ok(Err(NoReport::Broken(why))) => log::warn!("a DMARC report cannot be read: {why}"),
            Err(payload) => {
                // Its drop may panic again.
                std::mem::forget(payload);
                log::error!("the reader of DMARC reports panicked");
            }
        }
        Ok(None)
    }

    /// The whole of a body; `None` where it is gone meanwhile, or too large.
    async fn whole(&self, blob: BlobId) -> Result<Option<Vec<u8>>> {
        let mut octets = Vec::new();
        loop {
            match self.store.body(blob, octets.len() as u64, CHUNK_OCTETS_MAX).await {
                Ok(piece) if piece.is_empty() => return Ok(Some(octets)),
                Ok(piece) if octets.len() + piece.len() > DMARC_LETTER_OCTETS_MAX => return Ok(None),
                Ok(piece) => octets.extend_from_slice(&piece),
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e),
            }
        }
    }

    /// Forgets reports that are older than the host wants them kept.
    async fn prune(&self) {
        let keep = i64::try_from(self.settings.dmarc.keep.as_millis()).unwrap_or(i64::MAX);
        let now = self.world.clock.wall();
        let before = crate::base::Timestamp(now.0.saturating_sub(keep));
        if let Err(e) = self.store.dmarc_prune(before).await {
            log::warn!("old DMARC reports could not be removed: {e}");
        }
    }
}
