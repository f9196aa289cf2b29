//! Changes to the queue.

use std::time::Duration;

use rusqlite::{OptionalExtension, params};

use super::super::database::{RoutedRow, WriteQueue};
use super::super::{AttemptResult, NewItem, RecipientState};
use super::Sqlite;
use super::columns::{body_column, notify_column, outcome_column, returns_column, state_column};
use super::queue_read::{ROUTED, read_routed};
use crate::base::{BlobId, QueueId, Recipient, Result, Timestamp};

impl WriteQueue for Sqlite {
    fn queue_insert(&self, item: &NewItem, blob: BlobId) -> Result<QueueId> {
        let (envelope, size) = (&item.envelope, item.content.len());
        let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        self.db
            .prepare_cached(
                "INSERT INTO queue_item(reverse_path, body_kind, smtputf8, envelope_id, returns, size_declared, blob,
                   size, submitter, created, expires, terms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?
            .execute(params![
                from,
                body_column(envelope.body),
                envelope.smtputf8,
                envelope.envelope_id,
                returns_column(envelope.returns),
                envelope.size_declared.and_then(|size| i64::try_from(size).ok()),
                blob.0,
                size as i64,
                item.submitter.map(|account| account.0),
                item.created.0,
                item.expires.0,
                envelope.terms.written()
            ])?;
        Ok(QueueId(self.db.last_insert_rowid()))
    }

    fn queue_recipient_insert(
        &self,
        id: QueueId,
        place: u32,
        recipient: &Recipient,
        (due, priority): (Timestamp, i8),
        destination: &str,
    ) -> Result<()> {
        self.db
            .prepare_cached(
                "INSERT INTO queue_recipient(item, place, address, notify, original, due, destination, priority)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                id.0,
                place,
                recipient.address.to_string(),
                notify_column(recipient.notify),
                recipient.original,
                due.0,
                destination,
                priority
            ])?;
        Ok(())
    }

    fn queue_remove(&self, id: QueueId) -> Result<Option<BlobId>> {
        let blob: Option<i64> = self
            .db
            .prepare_cached("SELECT blob FROM queue_item WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))
            .optional()?;
        if blob.is_some() {
            self.db.prepare_cached("DELETE FROM queue_recipient WHERE item = ?1")?.execute([id.0])?;
            self.db.prepare_cached("DELETE FROM queue_item WHERE id = ?1")?.execute([id.0])?;
        }
        Ok(blob.map(BlobId))
    }

    fn queue_due_now(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.db
            .prepare_cached("UPDATE queue_recipient SET due = ?2 WHERE item = ?1 AND state = 0 AND due > ?2")?
            .execute([id.0, now.0])?;
        Ok(())
    }

    fn queue_hold(&self, id: QueueId, held: bool) -> Result<()> {
        self.db.prepare_cached("UPDATE queue_item SET held = ?2 WHERE id = ?1")?.execute(params![id.0, held])?;
        self.db.prepare_cached("UPDATE queue_recipient SET held = ?2 WHERE item = ?1")?.execute(params![id.0, held])?;
        Ok(())
    }

    fn queue_expire(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.db
            .prepare_cached("UPDATE queue_item SET expires = min(expires, ?2) WHERE id = ?1")?
            .execute([id.0, now.0])?;
        Ok(())
    }

    fn queue_delay_told(&self, id: QueueId) -> Result<bool> {
        let mut note = self.db.prepare_cached("UPDATE queue_item SET delay_reported = 1 WHERE id = ?1")?;
        Ok(note.execute([id.0])? > 0)
    }

    fn queue_route(&self, id: QueueId, place: u32, destination: &str) -> Result<()> {
        self.db
            .prepare_cached("UPDATE queue_recipient SET destination = ?3 WHERE item = ?1 AND place = ?2")?
            .execute(params![id.0, place, destination])?;
        Ok(())
    }

    fn queue_route_waiting(&self, id: QueueId, destination: &str, due: Timestamp) -> Result<usize> {
        Ok(self
            .db
            .prepare_cached("UPDATE queue_recipient SET destination = ?3, due = ?2 WHERE item = ?1 AND state = 0")?
            .execute(params![id.0, due.0, destination])?)
    }

    fn queue_claim(&self, id: QueueId, place: u32, until: Timestamp, counts: bool) -> Result<()> {
        self.db
            .prepare_cached(
                "UPDATE queue_recipient SET attempts = attempts + ?4, due = ?3
                   WHERE item = ?1 AND place = ?2 AND state = 0",
            )?
            .execute(params![id.0, place, until.0, i64::from(counts)])?;
        Ok(())
    }

    fn queue_unclaim(&self, id: QueueId, place: u32, due: Timestamp) -> Result<Option<RoutedRow>> {
        let mut back = self.db.prepare_cached(&format!(
            "UPDATE queue_recipient SET attempts = max(attempts - 1, 0), due = ?3
               WHERE item = ?1 AND place = ?2 AND state = 0 RETURNING {ROUTED}"
        ))?;
        Ok(back.query_row(params![id.0, place, due.0], read_routed).optional()?)
    }

    fn queue_put_off(&self, id: QueueId, place: u32, due: Timestamp, attempt: i64) -> Result<()> {
        self.db
            .prepare_cached("UPDATE queue_recipient SET due = ?3, last_attempt = ?4 WHERE item = ?1 AND place = ?2")?
            .execute(params![id.0, place, due.0, attempt])?;
        Ok(())
    }

    fn queue_shorten(&self, now: Timestamp, lifetime: Duration) -> Result<()> {
        self.db.execute(
            "UPDATE queue_item SET expires = min(expires, ?2), created = min(created, ?1)
               WHERE expires > ?2 OR created > ?1",
            params![now.0, now.after(lifetime).0],
        )?;
        Ok(())
    }

    fn queue_late_now(&self, now: Timestamp, late: Timestamp) -> Result<Vec<String>> {
        let mut update = self
            .db
            .prepare("UPDATE queue_recipient SET due = ?1 WHERE state = 0 AND due > ?2 RETURNING destination")?;
        let rows = update.query_map([now.0, late.0], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn attempt_insert(&self, id: QueueId, recipient: &str, result: &AttemptResult, settlement: i64) -> Result<i64> {
        let mut write = self.db.prepare_cached(
            "INSERT INTO attempt(item, recipient, at, outcome, host, code, enhanced, reason, took, tls, settlement,
               policy) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?;
        write.execute(params![
            id.0,
            recipient,
            result.at.0,
            outcome_column(result.outcome),
            result.host,
            result.code,
            result.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
            result.text,
            i64::try_from(result.took.as_micros()).unwrap_or(i64::MAX),
            result.tls,
            settlement,
            result.policy
        ])?;
        Ok(self.db.last_insert_rowid())
    }

    fn attempts_forget(&self, up_to: i64) -> Result<()> {
        self.db.prepare_cached("DELETE FROM attempt WHERE id <= ?1")?.execute([up_to])?;
        self.db.prepare_cached("DELETE FROM trail WHERE attempt <= ?1")?.execute([up_to])?;
        Ok(())
    }

    fn queue_settle(
        &self,
        id: QueueId,
        place: u32,
        state: RecipientState,
        next: Option<Timestamp>,
        attempt: i64,
        over: &str,
    ) -> Result<Option<Timestamp>> {
        let mut update = self.db.prepare_cached(
            "UPDATE queue_recipient SET state = ?3, last_attempt = ?5,
               due = CASE WHEN destination = ?6 THEN due ELSE coalesce(?4, due) END
               WHERE item = ?1 AND place = ?2 RETURNING due",
        )?;
        let row = params![id.0, place, state_column(state), next.map(|next| next.0), attempt, over];
        Ok(update.query_row(row, |row| row.get(0).map(Timestamp)).optional()?)
    }
}
