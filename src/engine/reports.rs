//! DMARC aggregate reports others sent us, as the host sees them.

use super::Engine;
use crate::base::Result;
use crate::feedback::ReportRow;
use crate::store::{ReportInfo, TlsReportRow};

impl Engine {
    /// Reports that came to `dmarc.report_address`, with ids above `after`, in the order they were read; without their
    /// rows.
    pub async fn dmarc_reports(&self, after: i64, limit: usize) -> Result<Vec<ReportInfo>> {
        self.store().dmarc_reports(after, limit).await
    }

    /// Rows of a report behind the place `after`, with their places, 1 and up; none where there is no such report.
    pub async fn dmarc_records(&self, report: i64, after: i64, limit: usize) -> Result<Vec<(i64, ReportRow)>> {
        self.store().dmarc_records(report, after, limit).await
    }

    /// TLS reports that came to `tlsrpt.report_address`, with ids above `after`, in the order they were read.
    pub async fn tls_reports(&self, after: i64, limit: usize) -> Result<Vec<TlsReportRow>> {
        self.store().tls_reports(after, limit).await
    }
}
