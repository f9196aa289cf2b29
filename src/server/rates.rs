//! How much each account submits: messages in an hour and a day, and different recipients in a day.
//!
//! Windows begin with the first message and are kept in memory: after a restart everybody begins anew. A refusal is
//! transient, and the host is told once in a window.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::base::limits::{RATED_ACCOUNTS_MAX, RATED_RECIPIENTS_MAX};
use crate::base::settings::SubmissionLimits;
use crate::base::time::Mono;
use crate::base::{AccountId, Address, Reply};

const HOUR_NANOSECONDS: u64 = 3_600 * 1_000_000_000;
const DAY_NANOSECONDS: u64 = 24 * HOUR_NANOSECONDS;

/// What accounts submitted lately.
#[derive(Debug, Default)]
pub struct Rates(Mutex<BTreeMap<AccountId, Rate>>);

/// Windows of one account.
#[derive(Debug)]
struct Rate {
    hour: Window,
    day: Window,
    /// Keys of the day's recipients.
    recipients: BTreeSet<String>,
    /// Whether the host was told in this day's window.
    told: bool,
}

#[derive(Debug)]
struct Window {
    begun: Mono,
    messages: u32,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// What the client is told.
    pub reply: Reply,
    /// What the host is told, the first time in a day.
    pub warning: Option<String>,
}

impl Window {
    fn at(&mut self, now: Mono, nanoseconds: u64) -> bool {
        let is_over = now.0.saturating_sub(self.begun.0) >= nanoseconds;
        if is_over {
            (self.begun, self.messages) = (now, 0);
        }
        is_over
    }
}

impl Rates {
    /// MAIL: whether the account may submit another message now.
    pub fn may_submit(&self, account: AccountId, limits: &SubmissionLimits, now: Mono) -> Result<(), Reached> {
        if limits.is_off() {
            return Ok(());
        }
        self.with(account, now, |rate| {
            let reached = |most: u32, count: u32| most > 0 && count >= most;
            if reached(limits.messages_per_hour_max, rate.hour.messages) {
                return Err(rate.refused("messages in an hour", limits.messages_per_hour_max));
            }
            if reached(limits.messages_per_day_max, rate.day.messages) {
                return Err(rate.refused("messages in a day", limits.messages_per_day_max));
            }
            Ok(())
        })
    }

    /// RCPT: whether the account may write to this address today; it counts from now on.
    pub fn may_reach(
        &self,
        account: AccountId,
        address: &Address,
        limits: &SubmissionLimits,
        now: Mono,
    ) -> Result<(), Reached> {
        let most = limits.recipients_per_day_max;
        if most == 0 {
            return Ok(());
        }
        let key = address.key();
        self.with(account, now, |rate| {
            let room = (most as usize).min(RATED_RECIPIENTS_MAX);
            if rate.recipients.contains(&key) {
                return Ok(());
            }
            if rate.recipients.len() >= room {
                return Err(rate.refused("different recipients in a day", most));
            }
            rate.recipients.insert(key);
            Ok(())
        })
    }

    /// A message of the account was accepted.
    pub fn submitted(&self, account: AccountId, limits: &SubmissionLimits, now: Mono) {
        if !limits.is_off() {
            self.with(account, now, |rate| {
                rate.hour.messages = rate.hour.messages.saturating_add(1);
                rate.day.messages = rate.day.messages.saturating_add(1);
            });
        }
    }

    fn with<T>(&self, account: AccountId, now: Mono, work: impl FnOnce(&mut Rate) -> T) -> T {
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rates.len() >= RATED_ACCOUNTS_MAX && !rates.contains_key(&account) {
            rates.retain(|_, rate| now.0.saturating_sub(rate.day.begun.0) < DAY_NANOSECONDS);
        }
        let fresh = || Window { begun: now, messages: 0 };
        let begin = || Rate { hour: fresh(), day: fresh(), recipients: BTreeSet::new(), told: false };
        let rate = rates.entry(account).or_insert_with(begin);
        rate.hour.at(now, HOUR_NANOSECONDS);
        if rate.day.at(now, DAY_NANOSECONDS) {
            rate.recipients.clear();
            rate.told = false;
        }
        work(rate)
    }
}

impl Rate {
    fn refused(&mut self, what: &str, most: u32) -> Reached {
        let is_first = !std::mem::replace(&mut self.told, true);
        let reply = Reply::new(452, 7, 1, format!("Too many {what}, at most {most}; try again later"));
        Reached { reply, warning: is_first.then(|| format!("{what}, at most {most}")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: AccountId = AccountId(1);

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn messages_are_counted_by_hour_and_day() {
        let limits = SubmissionLimits { messages_per_hour_max: 2, messages_per_day_max: 3, recipients_per_day_max: 0 };
        let rates = Rates::default();
        for seconds in [0, 10] {
            assert_eq!(rates.may_submit(ID, &limits, at(seconds)), Ok(()));
            rates.submitted(ID, &limits, at(seconds));
        }
        let reached = rates.may_submit(ID, &limits, at(3_599)).unwrap_err();
        assert_eq!((reached.reply.code, reached.warning.is_some()), (452, true));
        assert!(rates.may_submit(ID, &limits, at(3_599)).unwrap_err().warning.is_none(), "said once");
        assert_eq!(rates.may_submit(AccountId(2), &limits, at(3_599)), Ok(()), "each account for itself");
        assert_eq!(rates.may_submit(ID, &limits, at(3_600)), Ok(()));
        rates.submitted(ID, &limits, at(3_600));
        assert!(rates.may_submit(ID, &limits, at(80_000)).is_err(), "the day's limit");
        assert_eq!(rates.may_submit(ID, &limits, at(86_400)), Ok(()));
    }

    #[test]
    fn an_address_counts_once_a_day() {
        let limits = SubmissionLimits { recipients_per_day_max: 2, ..SubmissionLimits::default() };
        let rates = Rates::default();
        let reach =
            |text: &str, seconds| rates.may_reach(ID, &Address::parse(text).unwrap(), &limits, at(seconds)).is_ok();
        assert!(reach("a@x.example", 0) && reach("b@x.example", 1) && reach("A@X.example", 2));
        assert!(!reach("c@x.example", 3) && reach("a@x.example", 3));
        assert!(reach("c@x.example", 86_400));
    }

    #[test]
    fn without_limits_nothing_is_kept() {
        let rates = Rates::default();
        let limits = SubmissionLimits::default();
        rates.submitted(ID, &limits, at(0));
        assert_eq!(rates.may_submit(ID, &limits, at(0)), Ok(()));
        assert!(rates.0.lock().unwrap().is_empty());
    }
}
