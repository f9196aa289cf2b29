//! Gives pages that nothing uses back to the file system, a bounded number a commit.
//!
//! Some stay for the mail to come. The file becomes shorter with the checkpoint that follows. Stores made before this
//! was so have no map of their pages and keep them (`PRAGMA auto_vacuum` is 0 there, until somebody runs VACUUM).

use rusqlite::Connection;

use crate::base::Result;
use crate::base::limits::{SHRINK_PAGES_PER_COMMIT, UNUSED_PAGES_KEPT, UNUSED_PAGES_KEPT_SHARE};

/// Gives some pages back. Tells whether more should follow.
pub(super) fn round(db: &Connection) -> Result<bool> {
    let Some(surplus) = surplus(db)? else { return Ok(false) };
    let now = surplus.min(SHRINK_PAGES_PER_COMMIT);
    // One row for each page: all must be asked for.
    let mut shrink = db.prepare(&format!("PRAGMA incremental_vacuum({now})"))?;
    let mut rows = shrink.query([])?;
    while rows.next()?.is_some() {}
    Ok(surplus > now)
}

/// Pages too many; `None` where there are none, or where this file keeps them.
fn surplus(db: &Connection) -> Result<Option<u64>> {
    let number = |pragma: &str| db.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
    let unused = unused_pages(db)?;
    if unused <= UNUSED_PAGES_KEPT {
        return Ok(None);
    }
    let pages = u64::try_from(number("PRAGMA page_count")?).unwrap_or(0);
    let kept = UNUSED_PAGES_KEPT + pages.saturating_sub(unused) / UNUSED_PAGES_KEPT_SHARE;
    if unused <= kept || number("PRAGMA auto_vacuum")? != 2 {
        return Ok(None);
    }
    Ok(Some(unused - kept))
}

/// Pages of the database that nothing uses.
pub(super) fn unused_pages(db: &Connection) -> Result<u64> {
    let pages: i64 = db.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(pages).unwrap_or(0))
}
