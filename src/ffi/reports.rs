//! Rows of the listings of DMARC reports: what fits no field stands in `detail` as JSON, whose members are named as in
//! the XML of RFC 7489 appendix C.

use serde_json::{Value, json};

use super::cursor::{ListRow, MAILCORE_LIST_DMARC_RECORDS, MAILCORE_LIST_DMARC_REPORTS};
use super::engine::EngineSeat;
use super::result::Failure;
use crate::base::Timestamp;
use crate::feedback::{Checked, Disposition};
use crate::store::ReportInfo;

/// Reports with ids above `after`.
pub(super) fn reports(engine: &EngineSeat, after: i64, limit: usize) -> Result<Vec<ListRow>, Failure> {
    let reports = engine.run(engine.engine.dmarc_reports(after, limit))?;
    Ok(reports.into_iter().map(report).collect())
}

fn report(info: ReportInfo) -> ListRow {
    let ReportInfo { id, arrived, messages, failed, row_count, report } = info;
    let published = &report.published;
    let word = |policy: Option<Disposition>| policy.map(Disposition::word);
    let mode = |is_strict: bool| if is_strict { "s" } else { "r" };
    let detail = json!({
        "report_id": report.report_id,
        "email": report.email,
        "extra_contact_info": report.contact,
        "errors": report.errors,
        "arrived_ms": arrived.0,
        "p": published.policy.word(),
        "sp": word(published.subdomain_policy),
        "np": word(published.nonexistent_policy),
        "adkim": mode(published.strict_dkim),
        "aspf": mode(published.strict_spf),
        "pct": published.percent,
        "testing": published.is_testing,
        "fo": published.failure_on,
    });
    ListRow {
        kind: MAILCORE_LIST_DMARC_REPORTS,
        id: number(id),
        size: row_count,
        time_ms: Timestamp::from_seconds(report.period.begin).0,
        due_ms: Timestamp::from_seconds(report.period.end).0,
        state: published.policy as u32,
        total: count(messages),
        unseen: count(failed),
        texts: [report.organization, report.published.domain, detail.to_string()],
        ..ListRow::default()
    }
}

/// Rows of a report behind the place `after`.
pub(super) fn records(engine: &EngineSeat, report: i64, after: i64, limit: usize) -> Result<Vec<ListRow>, Failure> {
    let records = engine.run(engine.engine.dmarc_records(report, after, limit))?;
    let row = |(place, row): (i64, crate::feedback::ReportRow)| {
        let reasons = row.reasons.iter().map(|reason| json!({"type": reason.kind.word(), "comment": reason.comment}));
        let detail = json!({
            "envelope_from": row.envelope_from,
            "envelope_to": row.envelope_to,
            "reasons": reasons.collect::<Vec<_>>(),
            "dkim": results(&row.dkim, "selector"),
            "spf": results(&row.spf, "scope"),
        });
        ListRow {
            kind: MAILCORE_LIST_DMARC_RECORDS,
            id: number(place),
            flags: u32::from(row.dkim_aligned) | u32::from(row.spf_aligned) << 1,
            state: row.disposition as u32,
            total: count(row.count),
            texts: [row.source.to_string(), row.header_from, detail.to_string()],
            ..ListRow::default()
        }
    };
    Ok(records.into_iter().map(row).collect())
}

fn results(list: &[Checked], detail: &str) -> Vec<Value> {
    list.iter().map(|c| json!({"domain": c.domain, detail: c.detail, "result": c.result})).collect()
}

fn number(id: i64) -> u64 {
    u64::try_from(id).unwrap_or(0)
}

fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}
