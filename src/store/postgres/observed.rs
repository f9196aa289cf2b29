//! What was observed for the aggregate reports that we owe.

use super::super::Observed;
use super::Postgres;
use super::dmarc_row::{kind, read_row, row_values};
use super::value::{Columns, values};
use crate::base::Result;
use crate::feedback::ReportRow as Row;

impl Postgres {
    pub(super) fn totals_of_day(&self, day: i64) -> Result<(i64, i64)> {
        let total = "SELECT count(*), coalesce(sum(row_count), 0)::bigint FROM dmarc_policy WHERE day = $1";
        let row = self.row(total, values![day])?;
        row.map_or(Ok((0, 0)), |row| Ok((row.number(0)?, row.number(1)?)))
    }

    pub(super) fn domain_of_day(&self, day: i64, domain: &str) -> Result<Option<(i64, bool)>> {
        let known = "SELECT row_count, reported FROM dmarc_policy WHERE day = $1 AND domain = $2";
        let row = self.row(known, values![day, domain])?;
        row.map(|row| Ok((row.number(0)?, row.flag(1)?))).transpose()
    }

    pub(super) fn due_behind(&self, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>> {
        let (day, domain) = after.unwrap_or((i64::MIN, ""));
        let next = self.row(
            "SELECT day, domain, record FROM dmarc_policy
               WHERE NOT reported AND day < $1 AND (day, domain) > ($2, $3) ORDER BY day, domain LIMIT 1",
            values![today, day, domain],
        )?;
        let Some(next) = next else { return Ok(None) };
        let (day, policy_domain, record) = (next.number(0)?, next.text(1)?, next.text(2)?);
        let rows = self.rows(
            "SELECT source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim, spf, messages
               FROM dmarc_observed WHERE day = $1 AND domain = $2
               ORDER BY source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim, spf",
            values![day, &policy_domain],
        )?;
        let rows = rows.iter().map(|row| read_row(row, 0)).collect::<Result<_>>()?;
        Ok(Some(Observed { day, rows, policy_domain, record }))
    }

    pub(super) fn note_domain(&self, day: i64, domain: &str, record: &str) -> Result<()> {
        self.send(
            "INSERT INTO dmarc_policy(day, domain, record) VALUES ($1, $2, $3)
               ON CONFLICT (day, domain) DO UPDATE SET record = excluded.record",
            values![day, domain, record],
        )
    }

    pub(super) fn count_row(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
        let counted = self.run(
            "UPDATE dmarc_observed SET messages = messages + $4 WHERE day = $1 AND domain = $2 AND kind = $3",
            values![day, domain, kind(row), messages],
        )?;
        Ok(counted > 0)
    }

    pub(super) fn insert_row(&self, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
        let mut columns = values![day, domain, kind(row)];
        columns.extend(row_values(row, messages));
        self.send(
            "INSERT INTO dmarc_observed(day, domain, kind, source, disposition, aligned, header_from, envelope_from,
               envelope_to, reasons, dkim, spf, messages)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            columns,
        )
    }

    pub(super) fn done_with(&self, day: i64, domain: &str) -> Result<bool> {
        let done = self.run(
            "UPDATE dmarc_policy SET reported = true, record = '' WHERE day = $1 AND domain = $2 AND NOT reported",
            values![day, domain],
        )?;
        if done > 0 {
            self.send("DELETE FROM dmarc_observed WHERE day = $1 AND domain = $2", values![day, domain])?;
        }
        Ok(done > 0)
    }

    pub(super) fn forget_days(&self, before: i64) -> Result<()> {
        self.send("DELETE FROM dmarc_observed WHERE day < $1", values![before])?;
        self.send("DELETE FROM dmarc_policy WHERE day < $1", values![before])
    }
}
