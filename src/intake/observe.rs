//! What reception tells the reports: each message judged by DMARC is counted for the domain that asks for it.

use super::Intake;
use crate::base::Timestamp;
use crate::feedback::Reason;
use crate::mailauth::dmarc::{Policy, observation};
use crate::mailauth::{Origin, Verdicts};

impl Intake {
    /// Counts a message for the aggregate report to its domain (RFC 7489 §7.2), whether it is taken or refused: once,
    /// when it is known what is done with it. `applied` is what DMARC came to here in the end; `reasons` say why that
    /// is not the domain's policy where the record itself does not (its `t` and `pct` are seen to here). Costs no
    /// commit, never waits, never fails. Nothing happens where no reports are sent (`dmarc.report_from` is not set)
    /// or the domain wants none.
    pub fn observe(&self, origin: &Origin, verdicts: &Verdicts, applied: Policy, reasons: Vec<Reason>, at: Timestamp) {
        if self.settings.dmarc.report_from.is_none() {
            return;
        }
        if let Some(observation) = observation(origin, verdicts, applied, reasons, at) {
            self.store.dmarc_observe(observation);
        }
    }
}
