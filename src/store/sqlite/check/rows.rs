//! Tables one by one as SQLite checks them, and what rows of several small tables say of each other.

use rusqlite::Connection;

use super::super::directory;
use super::is_damage;
use crate::base::{Address, Result};

/// What a question leads to: each row is a sentence.
pub(super) enum Question {
    Sql(&'static str),
    Rust(fn(&Connection, &mut Vec<String>) -> Result<()>),
}
use Question::{Rust, Sql};

/// Each bounded by the number of accounts, mailboxes or queued messages, not by that of messages kept.
pub(super) const QUESTIONS: &[Question] = &[
    Rust(accounts),
    Rust(aliases),
    Sql("SELECT 'account ' || a.address || ': its INBOX, mailbox ' || a.inbox || ', is not there' FROM account a
         WHERE NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.id = a.inbox AND m.account = a.id AND m.name = 'INBOX')"),
    Sql("SELECT 'account ' || a.address || ' counts ' || a.octets || ' octets, its mailboxes have ' || s.octets
         FROM account a JOIN (SELECT x.id, (SELECT coalesce(sum(octets), 0) FROM mailbox WHERE account = x.id) AS octets
         FROM account x) s ON s.id = a.id WHERE s.octets <> a.octets"),
    Sql("SELECT 'mailbox ' || id || ' belongs to account ' || account || ', which is not there' FROM mailbox
         WHERE account NOT IN (SELECT id FROM account) AND account NOT IN (SELECT account FROM remains_account)"),
    Sql("SELECT 'mailboxes ' || group_concat(id, ' and ') || ' have the same UIDVALIDITY ' || uidvalidity FROM mailbox
         GROUP BY uidvalidity HAVING count(*) > 1"),
    Sql("SELECT 'mailbox ' || id || ' has UIDVALIDITY ' || uidvalidity || ', the highest given out is said to be '
         || (SELECT value FROM store_meta WHERE name = 'uidvalidity') FROM mailbox
         WHERE uidvalidity > (SELECT value FROM store_meta WHERE name = 'uidvalidity')"),
    Sql("SELECT 'mailbox ' || id || ' cannot be selected and counts messages' FROM mailbox
         WHERE selectable = 0 AND (total <> 0 OR octets <> 0)"),
    Sql("WITH RECURSIVE m(id) AS (SELECT min(mailbox) FROM fact UNION ALL
           SELECT (SELECT min(mailbox) FROM fact WHERE mailbox > m.id) FROM m WHERE m.id IS NOT NULL)
         SELECT 'there are messages of mailbox ' || id || ', which is not there' FROM m WHERE id IS NOT NULL
         AND id NOT IN (SELECT id FROM mailbox) AND id NOT IN (SELECT mailbox FROM remains_mailbox)
         AND id NOT IN (SELECT mailbox FROM hidden)"),
    Sql("SELECT 'a hidden stretch of mailbox ' || mailbox || ' ends at ' || last || ' and begins at ' || first
         FROM hidden WHERE first < 1 OR last < first"),
    Sql("WITH RECURSIVE m(id) AS (SELECT min(id) >> 32 FROM state UNION ALL
           SELECT (SELECT min(id) >> 32 FROM state WHERE id >= ((m.id + 1) << 32)) FROM m WHERE m.id IS NOT NULL)
         SELECT 'there are blocks of mailbox ' || id || ', which is not there' FROM m WHERE id IS NOT NULL
         AND id NOT IN (SELECT id FROM mailbox) AND id NOT IN (SELECT mailbox FROM remains_mailbox)"),
    Sql("WITH RECURSIVE m(id) AS (SELECT min(mailbox) FROM vanished UNION ALL
           SELECT (SELECT min(mailbox) FROM vanished WHERE mailbox > m.id) FROM m WHERE m.id IS NOT NULL)
         SELECT 'there are expunges of mailbox ' || id || ', which is not there' FROM m WHERE id IS NOT NULL
         AND id NOT IN (SELECT id FROM mailbox) AND id NOT IN (SELECT mailbox FROM remains_mailbox)"),
    Sql("SELECT DISTINCT 'there are keywords of mailbox ' || mailbox || ', which is not there' FROM keyword
         WHERE mailbox NOT IN (SELECT id FROM mailbox) AND mailbox NOT IN (SELECT mailbox FROM remains_mailbox)"),
    Sql("SELECT 'keyword ' || name || ' of mailbox ' || mailbox || ' has bit ' || bit FROM keyword
         WHERE bit NOT BETWEEN 6 AND 63"),
    Sql("SELECT DISTINCT 'there are subscriptions of account ' || account || ', which is not there' FROM subscription
         WHERE account NOT IN (SELECT id FROM account) AND account NOT IN (SELECT account FROM remains_account)"),
    Sql("SELECT 'body ' || blob || ' has ' || n || ' uses noted, and is not there' FROM refs
         WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = refs.blob)"),
    Sql("SELECT 'queued message ' || i.id || ' has no body: ' || i.blob FROM queue_item i
         WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.id = i.blob)"),
    Sql("SELECT 'queued message ' || i.id || ' says ' || i.size || ' octets, its body has ' || b.size
         FROM queue_item i JOIN blob b ON b.id = i.blob WHERE b.size <> i.size"),
    Sql("SELECT 'queued message ' || i.id || ' has no recipient that waits' FROM queue_item i
         WHERE NOT EXISTS (SELECT 1 FROM queue_recipient r WHERE r.item = i.id AND r.state = 0)"),
    Sql("SELECT DISTINCT 'there are recipients of queued message ' || r.item || ', which is not there'
         FROM queue_recipient r WHERE NOT EXISTS (SELECT 1 FROM queue_item i WHERE i.id = r.item)"),
    Sql("SELECT DISTINCT 'queued message ' || i.id || ' is held ' || i.held || ', a recipient of it ' || r.held
         FROM queue_item i JOIN queue_recipient r ON r.item = i.id WHERE r.held <> i.held"),
    Sql("SELECT 'report on ' || p.domain || ' of day ' || p.day || ' counts ' || p.row_count || ' rows, there are '
         || o.n FROM dmarc_policy p JOIN (SELECT q.day, q.domain, (SELECT count(*) FROM dmarc_observed x
         WHERE x.day = q.day AND x.domain = q.domain) AS n FROM dmarc_policy q) o
         ON o.day = p.day AND o.domain = p.domain WHERE p.reported = 0 AND o.n <> p.row_count"),
];

/// Names of all tables.
pub(super) fn tables(db: &Connection) -> Result<Vec<String>> {
    let mut names = db
        .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY 1")?;
    Ok(names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

/// SQLite's own check of one table and its indexes; false where there is no such table any more. Where damage ends it,
/// what it said before stays, and the next table is looked at.
pub(super) fn table(db: &Connection, at: usize, found: &mut Vec<String>) -> Result<bool> {
    let names = tables(db)?;
    let Some(name) = names.get(at) else { return Ok(false) };
    match integrity(db, name, found) {
        Err(e) if is_damage(&e) => found.push(format!("SQLite cannot check table {name} to its end: {}", e.text())),
        said => said?,
    }
    Ok(true)
}

fn integrity(db: &Connection, name: &str, found: &mut Vec<String>) -> Result<()> {
    let mut check = db.prepare(&format!("PRAGMA integrity_check('{name}')"))?;
    let mut rows = check.query([])?;
    while let Some(row) = rows.next()? {
        let said: String = row.get(0)?;
        if said != "ok" {
            found.push(format!("SQLite finds of table {name}: {said}"));
        }
    }
    Ok(())
}

/// One question; false where there is none any more.
pub(super) fn question(db: &Connection, at: usize, found: &mut Vec<String>) -> Result<bool> {
    match QUESTIONS.get(at) {
        None => return Ok(false),
        Some(Rust(ask)) => ask(db, found)?,
        Some(Sql(sql)) => {
            let mut select = db.prepare(sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                found.push(row.get(0)?);
            }
        }
    }
    Ok(true)
}

/// Accounts that cannot be read, or stand under another address than their own.
fn accounts(db: &Connection, found: &mut Vec<String>) -> Result<()> {
    let mut select = db.prepare(&format!("{}, address_key FROM account", directory::ACCOUNT_COLUMNS))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (id, key): (i64, String) = (row.get(0)?, row.get(directory::ACCOUNT_COLUMNS_COUNT)?);
        match directory::read_account(row) {
            Ok(account) if account.address.key() == key => {}
            Ok(account) => found.push(format!("account {} stands under {key}", account.address)),
            Err(e) => found.push(format!("account {id} cannot be read: {}", e.text())),
        }
    }
    Ok(())
}

/// Aliases for something that is no address.
fn aliases(db: &Connection, found: &mut Vec<String>) -> Result<()> {
    let mut select = db.prepare("SELECT pattern, target FROM alias")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (pattern, target): (String, String) = (row.get(0)?, row.get(1)?);
        if Address::parse(&target).is_err() {
            found.push(format!("alias {pattern} stands for {target:?}, which is no address"));
        }
    }
    Ok(())
}
