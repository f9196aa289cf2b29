//! Reports others sent us: read from mail that was filed, and kept as rows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smol::channel::Receiver;

use crate::base::limits::{
    CHUNK_OCTETS_MAX, DMARC_LETTER_OCTETS_MAX, DMARC_READ_BETWEEN_PRUNES, TLS_REPORT_KEPT_OCTETS_MAX,
};
use crate::base::{BlobId, ErrorKind, Result};
use crate::dsn::remote::{self, RemoteMail};
use crate::feedback::tls::{self, TlsReport};
use crate::feedback::{self, AggregateReport, NoReport};
use crate::intake::Intake;
use crate::os::aside::aside;
use crate::store::TlsReportRow;

/// What letters are looked for.
#[derive(Debug, Clone, Copy)]
struct Wants {
    dmarc: bool,
    tls: bool,
    told: bool,
}

/// What is in a letter.
enum Found {
    Dmarc(Box<AggregateReport>),
    Tls(TlsReport),
    Told(RemoteMail),
    Nothing,
}

/// Looks into a letter. A person writes to those addresses, too.
fn look(letter: &[u8], wants: Wants) -> Found {
    let trouble = |what: &str, no_report: NoReport| match no_report {
        NoReport::Other => {}
        NoReport::TooMuch => log::warn!("a {what} report is larger than any may be"),
        NoReport::Broken(why) => log::warn!("a {what} report cannot be read: {why}"),
    };
    // A TLS report is none of DMARC: its trouble there means nothing.
    let dmarc = wants.dmarc.then(|| feedback::read(letter));
    let dmarc = match dmarc {
        Some(Ok(report)) => return Found::Dmarc(Box::new(report)),
        Some(Err(no_report)) => Some(no_report),
        None => None,
    };
    match wants.tls.then(|| tls::read(letter)) {
        Some(Ok(report)) => return Found::Tls(report),
        Some(Err(no_report)) => trouble("TLS", no_report),
        None => {}
    }
    if let Some(no_report) = dmarc {
        trouble("DMARC", no_report);
    }
    let told = wants.told.then(|| remote::read(letter)).filter(|mail| !mail.statuses.is_empty());
    told.map_or(Found::Nothing, Found::Told)
}

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
        let found = match self.whole(blob).await? {
            Some(letter) => self.report_in(letter).await?,
            None => Found::Nothing,
        };
        let report = match found {
            Found::Dmarc(report) => Some(*report),
            Found::Tls(report) => {
                self.store.tls_read(blob, self.tls_row(&report)).await?;
                return Ok(true);
            }
            Found::Told(mail) => {
                let (told, suppressed) = self.told_by(mail).await?;
                self.store.remote_reports_read(blob, told, suppressed).await?;
                return Ok(true);
            }
            Found::Nothing => None,
        };
        let about = report.as_ref().map(|report| (report.published.domain.clone(), report.organization.clone()));
        let id = self.store.dmarc_read(blob, report, self.world.clock.wall()).await?;
        if let (Some(id), Some((domain, organization))) = (id, about) {
            log::info!("DMARC report {id}, of {organization:?} on {domain:?}, was read");
        }
        Ok(true)
    }

    /// What is in a letter; taken apart off the tasks.
    async fn report_in(&self, letter: Vec<u8>) -> Result<Found> {
        let settings = &self.settings;
        let wants = Wants {
            dmarc: settings.dmarc.report_address.is_some(),
            tls: settings.sending.tls_report_address.is_some(),
            told: settings.sending.read_reports,
        };
        // Unwind-safe: nothing but the letter is looked at. One that would bring its reader down is read once, not
        // again and again in front of all others.
        let look = move || catch_unwind(AssertUnwindSafe(|| look(&letter, wants)));
        match aside(&*self.world.run, false, look).await? {
            Ok(found) => Ok(found),
            Err(payload) => {
                // Its drop may panic again.
                std::mem::forget(payload);
                log::error!("the reader of reports panicked");
                Ok(Found::Nothing)
            }
        }
    }

    /// A TLS report as it is kept.
    fn tls_row(&self, report: &TlsReport) -> TlsReportRow {
        let (succeeded, failed) = report.totals();
        let count = |sessions: u64| i64::try_from(sessions).unwrap_or(i64::MAX);
        let json = report.to_json();
        TlsReportRow {
            id: 0,
            organization: report.organization.clone(),
            report_id: report.report_id.clone(),
            domain: report.domains(),
            begins: report.begins,
            ends: report.ends,
            arrived: self.world.clock.wall(),
            succeeded: count(succeeded),
            failed: count(failed),
            // Half a document is none.
            report: if json.len() > TLS_REPORT_KEPT_OCTETS_MAX { String::new() } else { json },
        }
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
