//! What is kept of other domains for outgoing mail.

use super::super::StsRow;
use super::super::database::{ReadOutward, WriteOutward};
use super::Connection;
use crate::base::{Result, Timestamp};

impl ReadOutward for Connection {
    fn sts_row(&self, domain: &str) -> Result<Option<StsRow>> {
        self.ask(|tables| tables.sts.get(domain).cloned())
    }

    fn sts_rows(&self, after: &str, limit: usize) -> Result<Vec<StsRow>> {
        self.ask(|tables| {
            let behind = tables.sts.iter().filter(|(domain, _)| domain.as_str() > after);
            behind.take(limit).map(|(_, row)| row.clone()).collect()
        })
    }

    fn sts_count(&self) -> Result<u64> {
        self.ask(|tables| tables.sts.iter().count() as u64)
    }
}

impl WriteOutward for Connection {
    fn sts_put(&self, row: &StsRow) -> Result<()> {
        self.edit(|tables| tables.sts.put(row.domain.clone(), row.clone()))
    }

    fn sts_forget(&self, now: Timestamp) -> Result<()> {
        self.change(|tables| {
            let old = tables.sts.iter().filter(|(_, row)| row.expires <= now).map(|(domain, _)| domain.clone());
            let old: Vec<String> = old.collect();
            old.iter().for_each(|domain| tables.sts.discard(domain));
            Ok(())
        })
    }
}
