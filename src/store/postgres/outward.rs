//! What is kept of other domains for outgoing mail.

use tokio_postgres::Row;

use super::super::StsRow;
use super::super::database::{ReadOutward, WriteOutward};
use super::Postgres;
use super::value::{Columns, values};
use crate::base::{Result, Timestamp};

const STS: &str = "SELECT domain, id, policy, fetched, used, expires FROM sts_policy";

impl ReadOutward for Postgres {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        let row = self.row(&format!("{STS} WHERE domain = $1"), values![domain])?;
        row.as_ref().map(read_sts).transpose()
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        let rows = self.rows(&format!("{STS} WHERE domain > $1 ORDER BY domain LIMIT $2"), values![after, limit])?;
        rows.iter().map(read_sts).collect()
    }

    fn sts_count(&self) -> Result<u64> {
        Ok(self.number("SELECT count(*) FROM sts_policy", values![])?.unsigned_abs())
    }
}

impl WriteOutward for Postgres {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.send(
            "INSERT INTO sts_policy(domain, id, policy, fetched, used, expires) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (domain) DO UPDATE SET id = excluded.id, policy = excluded.policy,
               fetched = excluded.fetched, used = excluded.used, expires = excluded.expires",
            values![&row.domain, &row.id, &row.policy, row.fetched.0, row.used.0, row.expires.0],
        )
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.send("DELETE FROM sts_policy WHERE expires <= $1", values![now.0])
    }
}

fn read_sts(row: &Row) -> Result<StsRow> {
    Ok(StsRow {
        domain: row.text(0)?,
        id: row.text(1)?,
        policy: row.text(2)?,
        fetched: Timestamp(row.number(3)?),
        used: Timestamp(row.number(4)?),
        expires: Timestamp(row.number(5)?),
    })
}
