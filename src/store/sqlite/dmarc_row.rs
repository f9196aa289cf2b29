//! A row of an aggregate report as columns: the same ten for what we saw and for what we were told.

use rusqlite::types::Value;

use super::columns::{disposition, disposition_column};
use crate::base::Result;
use crate::feedback::{Checked, Reason, ReportRow as Row};

/// `source` to `messages`, in the order of the table.
pub(super) fn values(row: &Row, messages: i64) -> [Value; 10] {
    [
        row.source.to_string().into(),
        disposition_column(row.disposition).into(),
        (i64::from(row.dkim_aligned) | i64::from(row.spf_aligned) << 1).into(),
        row.header_from.clone().into(),
        row.envelope_from.clone().into(),
        row.envelope_to.clone().into(),
        Reason::list_text(&row.reasons).into(),
        Checked::list_text(&row.dkim).into(),
        Checked::list_text(&row.spf).into(),
        messages.into(),
    ]
}

/// The same ten columns from the `first` on.
pub(super) fn read_row(row: &rusqlite::Row<'_>, first: usize) -> Result<Row> {
    let text = |at: usize| row.get::<_, String>(first + at);
    let aligned: i64 = row.get(first + 2)?;
    Ok(Row {
        // Only addresses are written there.
        source: text(0)?.parse().unwrap_or(std::net::IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED)),
        disposition: disposition(row.get(first + 1)?),
        dkim_aligned: aligned & 1 != 0,
        spf_aligned: aligned & 2 != 0,
        header_from: text(3)?,
        envelope_from: text(4)?,
        envelope_to: text(5)?,
        reasons: Reason::list_of(&text(6)?),
        dkim: Checked::list_of(&text(7)?),
        spf: Checked::list_of(&text(8)?),
        count: row.get::<_, i64>(first + 9)?.try_into().unwrap_or(0),
    })
}
