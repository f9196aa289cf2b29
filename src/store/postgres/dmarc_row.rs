//! A row of an aggregate report as columns: the same ten for what we saw and for what we were told.

use sha2::{Digest, Sha256};
use tokio_postgres::Row as SqlRow;

use super::columns::{disposition, disposition_column};
use super::value::{Columns, Value, values};
use crate::base::Result;
use crate::feedback::{Checked, Reason, ReportRow as Row};

/// `source` to `messages`, in the order of the table.
pub(super) fn row_values(row: &Row, messages: i64) -> Vec<Value> {
    values![
        row.source.to_string(),
        disposition_column(row.disposition),
        aligned_column(row),
        &row.header_from,
        &row.envelope_from,
        &row.envelope_to,
        Reason::list_text(&row.reasons),
        Checked::list_text(&row.dkim),
        Checked::list_text(&row.spf),
        messages
    ]
}

/// What tells one kind of row from another, short enough for an index.
pub(super) fn kind(row: &Row) -> Vec<u8> {
    let numbers = format!("{} {}", disposition_column(row.disposition), aligned_column(row));
    let (source, reasons) = (row.source.to_string(), Reason::list_text(&row.reasons));
    let (dkim, spf) = (Checked::list_text(&row.dkim), Checked::list_text(&row.spf));
    digest(&[&source, &numbers, &row.header_from, &row.envelope_from, &row.envelope_to, &reasons, &dkim, &spf])
}

/// SHA-256 of texts, each with its length before it.
pub(super) fn digest(texts: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().to_vec()
}

fn aligned_column(row: &Row) -> i64 {
    i64::from(row.dkim_aligned) | i64::from(row.spf_aligned) << 1
}

/// The same ten columns from the `first` on.
pub(super) fn read_row(row: &SqlRow, first: usize) -> Result<Row> {
    let text = |at: usize| row.text(first + at);
    let aligned = row.number(first + 2)?;
    Ok(Row {
        // Only addresses are written there.
        source: text(0)?.parse().unwrap_or(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
        disposition: disposition(row.number(first + 1)?),
        dkim_aligned: aligned & 1 != 0,
        spf_aligned: aligned & 2 != 0,
        header_from: text(3)?,
        envelope_from: text(4)?,
        envelope_to: text(5)?,
        reasons: Reason::list_of(&text(6)?),
        dkim: Checked::list_of(&text(7)?),
        spf: Checked::list_of(&text(8)?),
        count: row.number(first + 9)?.try_into().unwrap_or(0),
    })
}
