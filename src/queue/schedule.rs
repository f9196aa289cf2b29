//! When: the next attempt, the report of a delay, the end. Pure.

use std::time::Duration;

use crate::base::Timestamp;
use crate::base::limits::RETRY_SECONDS_MIN;
use crate::base::settings::Outbound;
use crate::base::terms::Terms;
use crate::store::{Item, RecipientState};

/// When a message accepted at `created` is given up.
pub fn expires(outbound: &Outbound, created: Timestamp) -> Timestamp {
    created.after(outbound.lifetime)
}

/// When a message due at `due` is given up under its terms: at the time by which it had to be delivered, where that
/// comes first (RFC 2852).
pub fn given_up(outbound: &Outbound, due: Timestamp, terms: &Terms) -> Timestamp {
    let expires = due.after(outbound.lifetime);
    terms.returned_at().map_or(expires, |at| at.max(due).min(expires))
}

/// When a recipient is due again after its `attempts`-th attempt (1 and up), deferred at `now`: the pause of
/// `settings.outbound.retry` (the last one repeats) made longer by chance (`random`), but no later than `mark` (where
/// that lies ahead) and `expires`.
pub fn next_attempt(
    outbound: &Outbound,
    attempts: u32,
    now: Timestamp,
    mark: Option<Timestamp>,
    expires: Timestamp,
    random: u64,
) -> Timestamp {
    let place = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let shortest = Duration::from_secs(RETRY_SECONDS_MIN);
    let pause = outbound.retry.get(place).or(outbound.retry.last()).copied().unwrap_or(shortest).max(shortest);
    let jitter_millis = u64::try_from(pause.as_millis() * u128::from(outbound.retry_jitter_percent) / 100);
    let jitter = Duration::from_millis(random % jitter_millis.unwrap_or(0).saturating_add(1));
    let next = now.after(pause).after(jitter);
    let next = mark.filter(|mark| *mark > now).map_or(next, |mark| next.min(mark));
    // Never in the past: a clock set back must not make us hammer.
    next.min(expires).max(now)
}

/// When the sender is to be told of the delay; `None` where nobody is, or was already. An attempt is made at that
/// time, so that the report tells the newest.
pub fn delay_mark(outbound: &Outbound, item: &Item) -> Option<Timestamp> {
    let wanted = item.recipients.iter().any(|r| r.state == RecipientState::Waiting && r.recipient.notify.delay);
    let told = item.delay_reported || item.envelope.reverse_path.is_none();
    // A message that was submitted for later is late from then on.
    let lifetime = i64::try_from(outbound.lifetime.as_millis()).unwrap_or(i64::MAX);
    let begun = item.created.max(Timestamp(item.expires.0.saturating_sub(lifetime)));
    let delayed = outbound.delay_report_after.map(|after| begun.after(after));
    // RFC 2852: who asked for delivery by a time is told when it has passed.
    delayed.into_iter().chain(item.envelope.terms.late_at()).min().filter(|_| wanted && !told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Address, BlobId, Envelope, QueueId, Recipient};
    use crate::store::ItemRecipient;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn pauses_grow_and_the_last_repeats() {
        let outbound = Outbound { retry_jitter_percent: 0, ..Outbound::default() };
        let end = Timestamp(i64::MAX);
        let minutes: Vec<_> =
            (1..9).map(|n| next_attempt(&outbound, n, Timestamp(0), None, end, u64::MAX).0 / 60_000).collect();
        assert_eq!(minutes, [5, 15, 30, 60, 120, 240, 240, 240]);
        assert_eq!(next_attempt(&outbound, u32::MAX, Timestamp(0), None, end, 0), Timestamp(4 * HOUR));
    }

    #[test]
    fn chance_makes_a_pause_longer_only() {
        let outbound = Outbound { retry: vec![Duration::from_secs(100)], ..Outbound::default() };
        let end = Timestamp(i64::MAX);
        for (random, millis) in [(0, 100_000), (1, 100_001), (10_000, 110_000), (10_001, 100_000)] {
            assert_eq!(next_attempt(&outbound, 1, Timestamp(0), None, end, random), Timestamp(millis));
        }
    }

    #[test]
    fn mark_and_end_cut_a_pause() {
        let outbound = Outbound { retry_jitter_percent: 0, ..Outbound::default() };
        let next = |now, mark: Option<i64>, end| {
            next_attempt(&outbound, 9, Timestamp(now), mark.map(Timestamp), Timestamp(end), 0).0
        };
        assert_eq!(next(0, Some(HOUR), i64::MAX), HOUR);
        assert_eq!(next(HOUR, Some(HOUR), i64::MAX), 5 * HOUR);
        assert_eq!(next(HOUR, Some(0), i64::MAX), 5 * HOUR);
        assert_eq!(next(0, Some(9 * HOUR), i64::MAX), 4 * HOUR);
        assert_eq!(next(0, None, 2 * HOUR), 2 * HOUR);
        assert_eq!(next(3 * HOUR, None, 2 * HOUR), 3 * HOUR);
    }

    #[test]
    fn no_schedule_and_no_pause_still_wait() {
        for retry in [vec![], vec![Duration::ZERO]] {
            let outbound = Outbound { retry, ..Outbound::default() };
            assert_eq!(next_attempt(&outbound, 1, Timestamp(0), None, Timestamp(i64::MAX), 0), Timestamp(1000));
        }
    }

    #[test]
    fn who_is_told_of_a_delay() {
        let address = |text| Address::parse(text).unwrap();
        let recipient = ItemRecipient {
            index: 0,
            recipient: Recipient::new(address("b@y")),
            state: RecipientState::Waiting,
            attempts: 1,
            due: Timestamp(0),
            last: None,
        };
        let item = Item {
            id: QueueId(1),
            envelope: Envelope { reverse_path: Some(address("a@x")), ..Envelope::default() },
            blob: BlobId(1),
            size: 1,
            submitter: None,
            created: Timestamp(HOUR),
            expires: Timestamp(99 * HOUR),
            held: false,
            delay_reported: false,
            recipients: vec![recipient.clone()],
        };
        let outbound = Outbound::default();
        assert_eq!(delay_mark(&outbound, &item), Some(Timestamp(5 * HOUR)));
        assert_eq!(delay_mark(&Outbound { delay_report_after: None, ..outbound.clone() }, &item), None);
        assert_eq!(delay_mark(&outbound, &Item { delay_reported: true, ..item.clone() }), None);
        assert_eq!(delay_mark(&outbound, &Item { envelope: Envelope::default(), ..item.clone() }), None);
        let mut delivered = recipient.clone();
        delivered.state = RecipientState::Delivered;
        assert_eq!(delay_mark(&outbound, &Item { recipients: vec![delivered], ..item.clone() }), None);
        let mut never = recipient;
        never.recipient.notify = crate::base::envelope::Notify::NEVER;
        assert_eq!(delay_mark(&outbound, &Item { recipients: vec![never], ..item }), None);
    }
}
