//! What was observed for the aggregate reports that we owe.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

use super::super::Observed;
use super::dmarc_row::{read_row, values};
use crate::base::Result;
use crate::feedback::ReportRow as Row;

/// Domains observed on a day, and rows of them all.
pub(super) fn totals(db: &Connection, day: i64) -> Result<(i64, i64)> {
    let mut total =
        db.prepare_cached("SELECT count(*), coalesce(sum(row_count), 0) FROM dmarc_policy WHERE day = ?1")?;
    Ok(total.query_row([day], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Rows of a domain on a day, and whether its report is done with.
pub(super) fn domain(db: &Connection, day: i64, domain: &str) -> Result<Option<(i64, bool)>> {
    let mut known = db.prepare_cached("SELECT row_count, reported FROM dmarc_policy WHERE day = ?1 AND domain = ?2")?;
    Ok(known.query_row(params![day, domain], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The first day and domain behind `after` that waits for its report, of days before `today`.
pub(super) fn due(db: &Connection, today: i64, after: Option<(i64, &str)>) -> Result<Option<Observed>> {
    let mut next = db.prepare_cached(
        "SELECT day, domain, record FROM dmarc_policy
           WHERE reported = 0 AND day < ?1 AND (day, domain) > (?2, ?3) ORDER BY day, domain LIMIT 1",
    )?;
    let (day, domain) = after.unwrap_or((i64::MIN, ""));
    let next =
        next.query_row(params![today, day, domain], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((day, policy_domain, record)) = next else { return Ok(None) };
    let mut rows = db.prepare_cached(
        "SELECT source, disposition, aligned, header_from, envelope_from, envelope_to, reasons, dkim, spf, messages
           FROM dmarc_observed WHERE day = ?1 AND domain = ?2",
    )?;
    let rows = rows.query_and_then(params![day, policy_domain], |row| read_row(row, 0))?;
    let rows = rows.collect::<Result<_>>()?;
    Ok(Some(Observed { day, rows, policy_domain, record }))
}

/// The oldest day of which a domain waits for its report.
pub(super) fn oldest(db: &Connection) -> Result<Option<i64>> {
    let mut oldest = db.prepare_cached("SELECT min(day) FROM dmarc_policy WHERE reported = 0")?;
    Ok(oldest.query_row([], |row| row.get(0))?)
}

/// Notes a domain on a day, with the record it published last.
pub(super) fn note(db: &Connection, day: i64, domain: &str, record: &str) -> Result<()> {
    let mut note = db.prepare_cached(
        "INSERT INTO dmarc_policy(day, domain, record) VALUES (?1, ?2, ?3)
           ON CONFLICT(day, domain) DO UPDATE SET record = excluded.record",
    )?;
    note.execute(params![day, domain, record])?;
    Ok(())
}

/// A domain has so many rows more.
pub(super) fn more(db: &Connection, day: i64, domain: &str, rows: i64) -> Result<()> {
    let mut note =
        db.prepare_cached("UPDATE dmarc_policy SET row_count = row_count + ?3 WHERE day = ?1 AND domain = ?2")?;
    note.execute(params![day, domain, rows])?;
    Ok(())
}

/// Counts messages of a kind that has a row; false where it has none.
pub(super) fn count(db: &Connection, day: i64, domain: &str, row: &Row, messages: i64) -> Result<bool> {
    let mut update = db.prepare_cached(
        "UPDATE dmarc_observed SET messages = messages + ?12 WHERE day = ?1 AND domain = ?2 AND source = ?3
           AND disposition = ?4 AND aligned = ?5 AND header_from = ?6 AND envelope_from = ?7 AND envelope_to = ?8
           AND reasons = ?9 AND dkim = ?10 AND spf = ?11",
    )?;
    Ok(update.execute(params_from_iter(key(day, domain).into_iter().chain(values(row, messages))))? > 0)
}

/// Writes a row.
pub(super) fn insert(db: &Connection, day: i64, domain: &str, row: &Row, messages: i64) -> Result<()> {
    let mut insert = db.prepare_cached(
        "INSERT INTO dmarc_observed(day, domain, source, disposition, aligned, header_from, envelope_from, envelope_to,
           reasons, dkim, spf, messages) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    insert.execute(params_from_iter(key(day, domain).into_iter().chain(values(row, messages))))?;
    Ok(())
}

fn key(day: i64, domain: &str) -> [Value; 2] {
    [day.into(), domain.to_owned().into()]
}

/// A domain's report is done with, and its rows are forgotten; false where it was before.
pub(super) fn reported(db: &Connection, day: i64, domain: &str) -> Result<bool> {
    let mut done = db.prepare_cached(
        "UPDATE dmarc_policy SET reported = 1, record = '' WHERE day = ?1 AND domain = ?2 AND reported = 0",
    )?;
    if done.execute(params![day, domain])? == 0 {
        return Ok(false);
    }
    let mut forget = db.prepare_cached("DELETE FROM dmarc_observed WHERE day = ?1 AND domain = ?2")?;
    forget.execute(params![day, domain])?;
    Ok(true)
}

/// Forgets days before `day`.
pub(super) fn forget(db: &Connection, day: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM dmarc_observed WHERE day < ?1")?.execute([day])?;
    db.prepare_cached("DELETE FROM dmarc_policy WHERE day < ?1")?.execute([day])?;
    Ok(())
}
