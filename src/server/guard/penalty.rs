//! Counts of what went wrong, by address, network and account, and the penalties that follow. Pure: time is given.
//!
//! A count is forgiven steadily: all of its limit in `PENALTY_FORGIVEN_SECONDS`. Where it reaches the limit, what it is
//! about is blocked for `PENALTY_BLOCK_SECONDS`, twice as long each further time, at most `PENALTY_BLOCK_SECONDS_MAX`;
//! how often it was blocked is forgotten after `PENALTY_BLOCKS_KEPT_SECONDS`. Memory is bounded: beyond
//! `PENALTY_RECORDS_MAX` the half with the lowest counts is forgotten.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::base::limits::{
    PENALTY_BLOCK_SECONDS, PENALTY_BLOCK_SECONDS_MAX, PENALTY_BLOCKS_KEPT_SECONDS, PENALTY_FORGIVEN_SECONDS,
    PENALTY_RECORDS_MAX,
};
use crate::base::time::Mono;

/// What is counted. Accounts are keyed hashes of their normalised names, so that unknown ones cost the same memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// An address; of IPv6 the /64.
    Address(IpAddr),
    /// A network: /24, of IPv6 /48.
    Network(IpAddr),
    /// An account.
    Account(u64),
    /// An account from an address.
    Pair(u64, IpAddr),
}

impl Who {
    /// The word events use.
    pub fn name(&self) -> &'static str {
        match self {
            Who::Address(_) => "address",
            Who::Network(_) => "network",
            Who::Account(_) | Who::Pair(..) => "account",
        }
    }
}

/// The network that addresses of one site share: /24, of IPv6 /48.
pub fn site_of(ip: IpAddr) -> IpAddr {
    let ip = ip.to_canonical();
    let bits = if ip.is_ipv4() { 24 } else { 48 };
    IpNet::new(ip, bits).map_or(ip, |network| network.network())
}

#[derive(Debug, Clone, Copy, Default)]
struct Record {
    count: f64,
    at: Mono,
    blocks: u32,
    blocked: Mono,
    /// Hashes of passwords that were wrong lately.
    wrong: [u64; 4],
}

/// A block that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Whom it is about.
    pub who: Who,
    /// How long it lasts, in seconds.
    pub seconds: u64,
    /// At how many counts.
    pub count: u32,
}

/// All counts.
#[derive(Debug, Default)]
pub struct Penalties {
    records: BTreeMap<Who, Record>,
}

impl Record {
    fn forgive(&mut self, now: Mono, limit: u32) {
        let share = (now - self.at).as_secs_f64() / PENALTY_FORGIVEN_SECONDS as f64;
        self.count = (self.count - share * f64::from(limit)).max(0.0);
        self.at = now;
        if self.blocks > 0 && now >= self.blocked + Duration::from_secs(PENALTY_BLOCKS_KEPT_SECONDS) {
            self.blocks = 0;
        }
    }
}

impl Penalties {
    /// When the block of `who` ends, where there is one.
    pub fn blocked_until(&self, who: Who, now: Mono) -> Option<Mono> {
        self.records.get(&who).map(|record| record.blocked).filter(|until| now < *until)
    }

    /// The present count of `who`.
    pub fn count(&self, who: Who, now: Mono, limit: u32) -> f64 {
        self.records.get(&who).map_or(0.0, |record| {
            let mut record = *record;
            record.forgive(now, limit);
            record.count
        })
    }

    /// Counts one more; a limit of 0 blocks nobody. Gives the block that begins with it.
    pub fn add(&mut self, who: Who, now: Mono, limit: u32) -> Option<Block> {
        self.make_room(&who);
        let record = self.records.entry(who).or_insert(Record { at: now, ..Record::default() });
        record.forgive(now, limit);
        record.count += 1.0;
        // Rounded, since a little is forgiven between any two.
        if limit == 0 || record.count.round() < f64::from(limit) || now < record.blocked {
            return None;
        }
        let doubled = PENALTY_BLOCK_SECONDS.saturating_mul(1 << record.blocks.min(20));
        let (seconds, count) = (doubled.min(PENALTY_BLOCK_SECONDS_MAX), record.count.round() as u32);
        record.blocks += 1;
        record.blocked = now + Duration::from_secs(seconds);
        record.count = f64::from(limit) / 2.0;
        Some(Block { who, seconds, count })
    }

    /// Takes counts back, because they turned out to be an honest mistake.
    pub fn take_back(&mut self, who: Who, count: f64) {
        if let Some(record) = self.records.get_mut(&who) {
            record.count = (record.count - count).max(0.0);
        }
    }

    /// Forgets all about `who`; gives what its count was.
    pub fn forget(&mut self, who: Who) -> f64 {
        self.records.remove(&who).map_or(0.0, |record| record.count)
    }

    /// Whether this wrong password was tried by `who` lately; remembers it.
    pub fn repeats(&mut self, who: Who, password: u64, now: Mono) -> bool {
        self.make_room(&who);
        let record = self.records.entry(who).or_insert(Record { at: now, ..Record::default() });
        if record.wrong.contains(&password) {
            return true;
        }
        record.wrong.rotate_right(1);
        if let Some(first) = record.wrong.first_mut() {
            *first = password;
        }
        false
    }

    fn make_room(&mut self, newcomer: &Who) {
        if self.records.len() < PENALTY_RECORDS_MAX || self.records.contains_key(newcomer) {
            return;
        }
        let weight = |record: &Record| (record.blocks, record.count);
        let mut weights: Vec<(u32, f64)> = self.records.values().map(weight).collect();
        let middle = weights.len() / 2;
        let by_weight = |a: &(u32, f64), b: &(u32, f64)| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1));
        let (_, median, _) = weights.select_nth_unstable_by(middle, by_weight);
        let median = *median;
        self.records.retain(|_, record| by_weight(&weight(record), &median).is_gt());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: Who = Who::Address(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

    fn at(seconds: u64) -> Mono {
        Mono(0) + Duration::from_secs(seconds)
    }

    fn fill(penalties: &mut Penalties, now: Mono) -> Block {
        (0..100).find_map(|_| penalties.add(ADDRESS, now, 30)).unwrap()
    }

    #[test]
    fn blocks_begin_at_the_limit_and_grow() {
        let mut penalties = Penalties::default();
        assert_eq!(penalties.blocked_until(ADDRESS, at(0)), None);
        let first = fill(&mut penalties, at(0));
        assert_eq!((first.seconds, first.count, first.who.name()), (PENALTY_BLOCK_SECONDS, 30, "address"));
        assert_eq!(penalties.blocked_until(ADDRESS, at(1)), Some(at(PENALTY_BLOCK_SECONDS)));
        assert_eq!(penalties.blocked_until(ADDRESS, at(PENALTY_BLOCK_SECONDS)), None);
        let mut now = PENALTY_BLOCK_SECONDS;
        for n in 1..8 {
            let block = fill(&mut penalties, at(now));
            assert_eq!(block.seconds, (PENALTY_BLOCK_SECONDS << n).min(PENALTY_BLOCK_SECONDS_MAX));
            now += block.seconds;
        }
        // After a quiet day it begins anew.
        let later = at(now + PENALTY_BLOCKS_KEPT_SECONDS);
        assert_eq!(fill(&mut penalties, later).seconds, PENALTY_BLOCK_SECONDS);
    }

    #[test]
    fn slow_mistakes_never_block_and_limit_0_neither() {
        let mut penalties = Penalties::default();
        let pause = PENALTY_FORGIVEN_SECONDS / 30 + 1;
        assert!((0..1_000).all(|n| penalties.add(ADDRESS, at(n * pause), 30).is_none()));
        assert!((0..1_000).all(|_| penalties.add(ADDRESS, at(0), 0).is_none()));
    }

    #[test]
    fn an_old_password_counts_once() {
        let mut penalties = Penalties::default();
        let pair = Who::Pair(1, IpAddr::from([192, 0, 2, 1]));
        assert!(!penalties.repeats(pair, 7, at(0)));
        assert!(penalties.repeats(pair, 7, at(9)));
        assert!((10..13).all(|n| !penalties.repeats(pair, n, at(9))));
        assert!(penalties.repeats(pair, 7, at(9)));
        assert!(!penalties.repeats(pair, 13, at(9)) && !penalties.repeats(pair, 7, at(9)));
    }

    #[test]
    fn memory_is_bounded_and_the_worst_are_kept() {
        let mut penalties = Penalties::default();
        fill(&mut penalties, at(0));
        for n in 0..2 * PENALTY_RECORDS_MAX as u32 {
            penalties.add(Who::Address(std::net::Ipv4Addr::from(n).into()), at(0), 30);
        }
        assert!(penalties.records.len() <= PENALTY_RECORDS_MAX);
        assert!(penalties.blocked_until(ADDRESS, at(1)).is_some());
    }

    #[test]
    fn sites() {
        for (ip, site) in
            [("192.0.2.9", "192.0.2.0"), ("::ffff:192.0.2.9", "192.0.2.0"), ("2001:db8:1:2::3", "2001:db8:1::")]
        {
            assert_eq!(site_of(ip.parse().unwrap()), site.parse::<IpAddr>().unwrap());
        }
    }
}
