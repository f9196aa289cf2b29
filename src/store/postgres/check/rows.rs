//! What rows of several small tables say of each other.

use super::super::value::{Columns, values};
use super::super::{Postgres, directory};
use crate::base::{Address, Result};

/// What a question leads to: each row is a sentence.
pub(super) enum Question {
    Sql(&'static str),
    Rust(fn(&Postgres, &mut Vec<String>) -> Result<()>),
}
use Question::{Rust, Sql};

/// Each bounded by the number of accounts, mailboxes or queued messages, not by that of messages kept.
pub(super) const QUESTIONS: &[Question] = &[
    Rust(accounts),
    Rust(aliases),
    Sql("SELECT 'account ' || a.address || ': its INBOX, mailbox ' || a.inbox || ', is not there' FROM account a
         WHERE NOT EXISTS (SELECT 1 FROM mailbox m WHERE m.id = a.inbox AND m.account = a.id AND m.name = 'INBOX')"),
    Sql("SELECT 'account ' || a.address || ' counts ' || a.octets || ' octets, its mailboxes have ' || s.octets
         FROM account a, LATERAL (SELECT coalesce(sum(octets), 0)::bigint AS octets FROM mailbox WHERE account = a.id) s
         WHERE s.octets <> a.octets"),
    Sql("SELECT 'mailbox ' || m.id || ' belongs to account ' || m.account || ', which is not there' FROM mailbox m
         WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = m.account)
         AND NOT EXISTS (SELECT 1 FROM remains_account r WHERE r.account = m.account)"),
    Sql("SELECT 'mailboxes ' || string_agg(id::text, ' and ') || ' have the same UIDVALIDITY ' || uidvalidity
         FROM mailbox GROUP BY uidvalidity HAVING count(*) > 1"),
    Sql("SELECT 'mailbox ' || id || ' has UIDVALIDITY ' || uidvalidity || ', the highest given out is said to be '
         || (SELECT value FROM store_meta WHERE name = 'uidvalidity') FROM mailbox
         WHERE uidvalidity > (SELECT value FROM store_meta WHERE name = 'uidvalidity')"),
    Sql("SELECT 'mailbox ' || id || ' cannot be selected and counts messages' FROM mailbox
         WHERE NOT selectable AND (total <> 0 OR octets <> 0)"),
    Sql("WITH RECURSIVE m(id) AS (SELECT min(mailbox) FROM fact UNION ALL
           SELECT (SELECT min(mailbox) FROM fact WHERE mailbox > m.id) FROM m WHERE m.id IS NOT NULL)
         SELECT 'there are messages of mailbox ' || id || ', which is not there' FROM m WHERE id IS NOT NULL
         AND id NOT IN (SELECT id FROM mailbox) AND id NOT IN (SELECT mailbox FROM remains_mailbox)
         AND id NOT IN (SELECT mailbox FROM hidden)"),
    Sql("SELECT 'a hidden stretch of mailbox ' || mailbox || ' ends at ' || last || ' and begins at ' || first
         FROM hidden WHERE first < 1 OR last < first"),
    Sql("WITH RECURSIVE m(id) AS (SELECT min(mailbox) FROM state UNION ALL
           SELECT (SELECT min(mailbox) FROM state WHERE mailbox > m.id) FROM m WHERE m.id IS NOT NULL)
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
         || o.n FROM dmarc_policy p, LATERAL (SELECT count(*) AS n FROM dmarc_observed x
         WHERE x.day = p.day AND x.domain = p.domain) o WHERE NOT p.reported AND o.n <> p.row_count"),
];

/// One question; false where there is none any more.
pub(super) fn question(db: &Postgres, at: usize, found: &mut Vec<String>) -> Result<bool> {
    match QUESTIONS.get(at) {
        None => return Ok(false),
        Some(Rust(ask)) => ask(db, found)?,
        Some(Sql(sql)) => {
            for row in db.rows(sql, values![])? {
                found.push(row.text(0)?);
            }
        }
    }
    Ok(true)
}

/// Accounts that cannot be read, or stand under another address than their own.
fn accounts(db: &Postgres, found: &mut Vec<String>) -> Result<()> {
    for row in db.rows(&format!("{}, address_key FROM account", directory::ACCOUNT_COLUMNS), values![])? {
        let (id, key) = (row.number(0)?, row.text(directory::ACCOUNT_COLUMNS_COUNT)?);
        match directory::read_account(&row) {
            Ok(account) if account.address.key() == key => {}
            Ok(account) => found.push(format!("account {} stands under {key}", account.address)),
            Err(e) => found.push(format!("account {id} cannot be read: {}", e.text())),
        }
    }
    Ok(())
}

/// Aliases for something that is no address.
fn aliases(db: &Postgres, found: &mut Vec<String>) -> Result<()> {
    for row in db.rows("SELECT pattern, target FROM alias", values![])? {
        let (pattern, target) = (row.text(0)?, row.text(1)?);
        if Address::parse(&target).is_err() {
            found.push(format!("alias {pattern} stands for {target:?}, which is no address"));
        }
    }
    Ok(())
}
