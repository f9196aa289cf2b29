//! Changes to the queue.

use std::time::Duration;

use super::super::database::{RoutedRow, WriteQueue};
use super::super::{AttemptResult, NewItem, RecipientState};
use super::Postgres;
use super::columns::{body_column, notify_column, outcome_column, returns_column, state_column};
use super::queue_read::{ROUTED, read_routed};
use super::value::{Columns, values};
use crate::base::{BlobId, QueueId, Recipient, Result, Timestamp};

impl WriteQueue for Postgres {
    fn queue_insert(&self, item: &NewItem, blob: BlobId) -> Result<QueueId> {
        let (envelope, id) = (&item.envelope, self.next_id("queue_item_id")?);
        let from = envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
        self.send(
            "INSERT INTO queue_item(id, reverse_path, body_kind, smtputf8, envelope_id, returns, size_declared, blob,
               size, submitter, created, expires, terms)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            values![
                id,
                from,
                body_column(envelope.body),
                envelope.smtputf8,
                envelope.envelope_id.as_ref(),
                returns_column(envelope.returns),
                envelope.size_declared.and_then(|size| i64::try_from(size).ok()),
                blob.0,
                item.content.len(),
                item.submitter.map(|account| account.0),
                item.created.0,
                item.expires.0,
                envelope.terms.written()
            ],
        )?;
        Ok(QueueId(id))
    }

    fn queue_recipient_insert(
        &self,
        id: QueueId,
        place: u32,
        recipient: &Recipient,
        (due, priority): (Timestamp, i8),
        destination: &str,
    ) -> Result<()> {
        self.send(
            "INSERT INTO queue_recipient(item, place, address, notify, original, due, destination, priority)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            values![
                id.0,
                place,
                recipient.address.to_string(),
                notify_column(recipient.notify),
                recipient.original.as_ref(),
                due.0,
                destination,
                i64::from(priority)
            ],
        )
    }

    fn queue_remove(&self, id: QueueId) -> Result<Option<BlobId>> {
        let row = self.row("DELETE FROM queue_item WHERE id = $1 RETURNING blob", values![id.0])?;
        if row.is_some() {
            self.send("DELETE FROM queue_recipient WHERE item = $1", values![id.0])?;
        }
        row.map(|row| row.number(0).map(BlobId)).transpose()
    }

    fn queue_due_now(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.send(
            "UPDATE queue_recipient SET due = $2 WHERE item = $1 AND state = 0 AND due > $2",
            values![id.0, now.0],
        )
    }

    fn queue_hold(&self, id: QueueId, held: bool) -> Result<()> {
        self.send("UPDATE queue_item SET held = $2 WHERE id = $1", values![id.0, held])?;
        self.send("UPDATE queue_recipient SET held = $2 WHERE item = $1", values![id.0, held])
    }

    fn queue_expire(&self, id: QueueId, now: Timestamp) -> Result<()> {
        self.send("UPDATE queue_item SET expires = least(expires, $2) WHERE id = $1", values![id.0, now.0])
    }

    fn queue_delay_told(&self, id: QueueId) -> Result<bool> {
        Ok(self.run("UPDATE queue_item SET delay_reported = true WHERE id = $1", values![id.0])? > 0)
    }

    fn queue_route(&self, id: QueueId, place: u32, destination: &str) -> Result<()> {
        self.send(
            "UPDATE queue_recipient SET destination = $3 WHERE item = $1 AND place = $2",
            values![id.0, place, destination],
        )
    }

    fn queue_route_waiting(&self, id: QueueId, destination: &str, due: Timestamp) -> Result<usize> {
        let routed = self.run(
            "UPDATE queue_recipient SET destination = $3, due = $2 WHERE item = $1 AND state = 0",
            values![id.0, due.0, destination],
        )?;
        Ok(usize::try_from(routed).unwrap_or(usize::MAX))
    }

    fn queue_claim(&self, id: QueueId, place: u32, until: Timestamp, counts: bool) -> Result<()> {
        self.send(
            "UPDATE queue_recipient SET attempts = attempts + $4, due = $3
               WHERE item = $1 AND place = $2 AND state = 0",
            values![id.0, place, until.0, i64::from(counts)],
        )
    }

    fn queue_unclaim(&self, id: QueueId, place: u32, due: Timestamp) -> Result<Option<RoutedRow>> {
        let row = self.row(
            &format!(
                "UPDATE queue_recipient SET attempts = greatest(attempts - 1, 0), due = $3
                   WHERE item = $1 AND place = $2 AND state = 0 RETURNING {ROUTED}"
            ),
            values![id.0, place, due.0],
        )?;
        row.as_ref().map(read_routed).transpose()
    }

    fn queue_put_off(&self, id: QueueId, place: u32, due: Timestamp, attempt: i64) -> Result<()> {
        self.send(
            "UPDATE queue_recipient SET due = $3, last_attempt = $4 WHERE item = $1 AND place = $2",
            values![id.0, place, due.0, attempt],
        )
    }

    fn queue_shorten(&self, now: Timestamp, lifetime: Duration) -> Result<()> {
        self.send(
            "UPDATE queue_item SET expires = least(expires, $2), created = least(created, $1)
               WHERE expires > $2 OR created > $1",
            values![now.0, now.after(lifetime).0],
        )
    }

    fn queue_late_now(&self, now: Timestamp, late: Timestamp) -> Result<Vec<String>> {
        let rows = self.rows(
            "UPDATE queue_recipient SET due = $1 WHERE state = 0 AND due > $2 RETURNING destination",
            values![now.0, late.0],
        )?;
        rows.iter().map(|row| row.text(0)).collect()
    }

    fn attempt_insert(&self, id: QueueId, recipient: &str, result: &AttemptResult, settlement: i64) -> Result<i64> {
        let attempt = self.next_id("attempt_id")?;
        self.send(
            "INSERT INTO attempt(id, item, recipient, at, outcome, host, code, enhanced, reason, took, tls, settlement,
               policy) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            values![
                attempt,
                id.0,
                recipient,
                result.at.0,
                outcome_column(result.outcome),
                &result.host,
                result.code,
                result.enhanced.map(|enhanced| enhanced.to_string()).unwrap_or_default(),
                &result.text,
                i64::try_from(result.took.as_micros()).unwrap_or(i64::MAX),
                &result.tls,
                settlement,
                &result.policy
            ],
        )?;
        Ok(attempt)
    }

    fn attempts_forget(&self, up_to: i64) -> Result<()> {
        self.send("DELETE FROM attempt WHERE id <= $1", values![up_to])?;
        self.send("DELETE FROM trail WHERE attempt <= $1", values![up_to])
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
        let row = self.row(
            "UPDATE queue_recipient SET state = $3, last_attempt = $5,
               due = CASE WHEN destination = $6 THEN due ELSE coalesce($4, due) END
               WHERE item = $1 AND place = $2 RETURNING due",
            values![id.0, place, state_column(state), next.map(|next| next.0), attempt, over],
        )?;
        row.map(|row| row.number(0).map(Timestamp)).transpose()
    }
}
