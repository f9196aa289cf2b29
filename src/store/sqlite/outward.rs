//! What is kept of other domains for outgoing mail.

use rusqlite::{OptionalExtension, Row, params};

use super::super::StsRow;
use super::super::database::{ReadOutward, WriteOutward};
use super::Sqlite;
use crate::base::{Result, Timestamp};

const STS: &str = "SELECT domain, id, policy, fetched, used, expires FROM sts_policy";

impl ReadOutward for Sqlite {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        let mut get = self.db.prepare_cached(&format!("{STS} WHERE domain = ?1"))?;
        Ok(get.query_row([domain], read_sts).optional()?)
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        let mut list = self.db.prepare_cached(&format!("{STS} WHERE domain > ?1 ORDER BY domain LIMIT ?2"))?;
        let rows = list.query_map(params![after, i64::try_from(limit).unwrap_or(i64::MAX)], read_sts)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn sts_count(&self) -> Result<u64> {
        let mut count = self.db.prepare_cached("SELECT count(*) FROM sts_policy")?;
        Ok(count.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
    }
}

impl WriteOutward for Sqlite {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO sts_policy(domain, id, policy, fetched, used, expires)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![row.domain, row.id, row.policy, row.fetched.0, row.used.0, row.expires.0])?;
        Ok(())
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.db.prepare_cached("DELETE FROM sts_policy WHERE expires <= ?1")?.execute([now.0])?;
        Ok(())
    }
}

fn read_sts(row: &Row<'_>) -> rusqlite::Result<StsRow> {
    Ok(StsRow {
        domain: row.get(0)?,
        id: row.get(1)?,
        policy: row.get(2)?,
        fetched: Timestamp(row.get(3)?),
        used: Timestamp(row.get(4)?),
        expires: Timestamp(row.get(5)?),
    })
}
