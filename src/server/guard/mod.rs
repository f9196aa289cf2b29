//! Who may try: penalties for failed logins, fair turns at hashing passwords, mock credentials for unknown names.
//!
//! All listeners of an engine share one [`Guard`]. Failed logins count against the address, its network and the
//! account; a count that reaches its limit blocks for a time that grows. While somebody is blocked nothing is checked:
//! the attempt ends late and with "try again later", whether the password was right or not. An account that logged in
//! from an address before stays open to that address, whatever strangers do. Unknown names cost, count and answer as
//! known ones do. All of it is in memory and begins anew with the engine; the mock credentials do not.

pub mod decoy;
pub mod penalty;
pub mod turns;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::decoy::Decoys;
use self::penalty::{Block, Penalties, Who, site_of};
use self::turns::{Claim, Turn, Turns};
use crate::base::Result;
use crate::base::limits::{
    LISTEN_REFUSALS_PER_PEER_MAX, LOGIN_BLOCKED_SECONDS, LOGIN_FAILURES_FREE, LOGIN_KNOWN_MAX, LOGIN_KNOWN_SECONDS,
    LOGIN_PAIR_FAILURES_MAX, LOGIN_PAUSE_SECONDS_MAX,
};
use crate::base::settings::GuardLimits;
use crate::base::time::Mono;
use crate::base::world::Entropy;
use crate::net::listen::network_of;
use crate::sasl::credential;
use crate::store::Store;

/// Setting under which the secret of the mock credentials is kept.
const DECOY_SECRET: &str = "login.decoy_secret";

/// What all listeners of an engine know of those who try.
pub struct Guard {
    key: [u8; 32],
    /// Mock credentials.
    pub decoys: Decoys,
    turns: Arc<Turns>,
    logins: Mutex<Logins>,
    /// Refusals told to addresses that call too often.
    refusals: Mutex<Penalties>,
    /// Recipients that do not exist.
    harvest: Mutex<Penalties>,
}

#[derive(Default)]
struct Logins {
    penalties: Penalties,
    /// Until when an account counts as known at an address.
    known: BTreeMap<(u64, IpAddr), Mono>,
}

/// Somebody who tries to log in: a client's address, and the hash of the normalised name it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Address, of IPv6 its /64.
    pub address: IpAddr,
    /// Its network.
    pub site: IpAddr,
    /// Keyed hash of the account's name.
    pub account: u64,
}

/// How an attempt stands before anything is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The account logged in from there lately.
    Known,
    /// Nothing speaks against it.
    Stranger,
    /// The address, its network or the account is blocked.
    Blocked,
}

/// What a failure leads to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Consequence {
    /// How long the answer waits: so many times the pause of the settings.
    pub pauses: u32,
    /// Blocks that begin with it.
    pub blocks: Vec<Block>,
}

impl Guard {
    /// Knows nobody yet; its secrets come from `entropy`.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let (mut key, mut secret) = ([0; 32], [0; 32]);
        entropy.fill(&mut key);
        entropy.fill(&mut secret);
        Self {
            key,
            decoys: Decoys::new(secret),
            turns: Arc::default(),
            logins: Mutex::default(),
            refusals: Mutex::default(),
            harvest: Mutex::default(),
        }
    }

    /// Takes the secret of the mock credentials from the store, or keeps the present one there.
    pub async fn load(&self, store: &Store, entropy: &dyn Entropy) -> Result<()> {
        let kept = store.setting(DECOY_SECRET).await?;
        if let Some(secret) = kept.and_then(|kept| <[u8; 32]>::try_from(kept.as_slice()).ok()) {
            self.decoys.set_secret(secret);
            return Ok(());
        }
        let mut secret = [0; 32];
        entropy.fill(&mut secret);
        store.setting_put(DECOY_SECRET, Some(secret.to_vec())).await?;
        self.decoys.set_secret(secret);
        Ok(())
    }

    /// An attempt to log in as `name` (normalised) from `peer`.
    pub fn attempt(&self, peer: SocketAddr, name: &str) -> Attempt {
        let account = short(credential::hmac_sha_256(&self.key, &[b"account", name.as_bytes()]));
        Attempt { address: network_of(peer.ip()), site: site_of(peer.ip()), account }
    }

    /// A hash of a password, to tell repeated ones by; it is worth nothing outside this process.
    pub fn password_hash(&self, password: &[u8]) -> u64 {
        short(credential::hmac_sha_256(&self.key, &[b"password", password]))
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a caller that is refused is told why: so many times, then it is forgotten as failures are.
    pub fn may_tell(&self, ip: IpAddr, now: Mono) -> bool {
        let who = Who::Address(network_of(ip));
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let may = refusals.count(who, now, LISTEN_REFUSALS_PER_PEER_MAX) < f64::from(LISTEN_REFUSALS_PER_PEER_MAX);
        if may {
            refusals.add(who, now, LISTEN_REFUSALS_PER_PEER_MAX + 1);
        }
        may
    }

    /// Whether an address named so many recipients that do not exist that it is heard no more for a time.
    pub fn is_harvester(&self, ip: IpAddr, now: Mono) -> bool {
        let harvest = self.harvest.lock().unwrap_or_else(PoisonError::into_inner);
        harvest.blocked_until(Who::Address(network_of(ip)), now).is_some()
    }

    /// Counts a recipient that does not exist; gives the block that begins with it.
    pub fn unknown_recipient(&self, ip: IpAddr, max: u32, now: Mono) -> Option<Block> {
        let mut harvest = self.harvest.lock().unwrap_or_else(PoisonError::into_inner);
        harvest.add(Who::Address(network_of(ip)), now, max)
    }

    /// How an attempt stands at `now`.
    pub fn standing(&self, attempt: &Attempt, now: Mono) -> Standing {
        let logins = self.logins();
        let Attempt { address, site, account } = *attempt;
        let is_blocked = |who| logins.penalties.blocked_until(who, now).is_some();
        let is_known = logins.known.get(&(account, address)).is_some_and(|until| now < *until);
        if is_known && !is_blocked(Who::Pair(account, address)) {
            return Standing::Known;
        }
        let around = [Who::Address(address), Who::Network(site), Who::Account(account), Who::Pair(account, address)];
        if around.into_iter().any(is_blocked) { Standing::Blocked } else { Standing::Stranger }
    }

    /// Waits for a turn to hash a password; `None` where too many wait.
    pub async fn turn(&self, attempt: &Attempt, standing: Standing) -> Option<Turn> {
        let is_known = standing == Standing::Known;
        self.turns.take(Claim { is_known, network: attempt.site, account: attempt.account }).await
    }

    /// Counts a failure. A wrong password (by its hash) that was tried from there before counts once: a program with an
    /// old password is no guesser.
    pub fn failed(&self, attempt: &Attempt, password: Option<u64>, limits: &GuardLimits, now: Mono) -> Consequence {
        let standing = self.standing(attempt, now);
        let mut logins = self.logins();
        let Attempt { address, site, account } = *attempt;
        let pair = Who::Pair(account, address);
        let mut consequence = Consequence::default();
        let is_new = password.is_none_or(|password| !logins.penalties.repeats(pair, password, now));
        if is_new {
            // A stranger's failures at one account are limited by those of the address.
            let (pair_max, account) = match standing {
                Standing::Known => (LOGIN_PAIR_FAILURES_MAX, None),
                _ => (0, Some((Who::Account(account), limits.failures_per_account_max))),
            };
            let around = [
                (pair, pair_max),
                (Who::Address(address), limits.failures_per_peer_max),
                (Who::Network(site), limits.failures_per_network_max),
            ];
            for (who, limit) in around.into_iter().chain(account) {
                let limit = if limits.failures_per_peer_max == 0 { 0 } else { limit };
                consequence.blocks.extend(logins.penalties.add(who, now, limit));
            }
        }
        let count = logins.penalties.count(Who::Address(address), now, limits.failures_per_peer_max);
        let doubled = (count as u32).saturating_sub(LOGIN_FAILURES_FREE).min(16);
        consequence.pauses = 1 << doubled;
        consequence
    }

    /// A login was right: the account is known there from now on, and its own failures there are forgiven.
    pub fn succeeded(&self, attempt: &Attempt, now: Mono) {
        let mut logins = self.logins();
        let Attempt { address, site, account } = *attempt;
        let own = logins.penalties.forget(Who::Pair(account, address));
        if own > 0.0 {
            for who in [Who::Address(address), Who::Network(site), Who::Account(account)] {
                logins.penalties.take_back(who, own);
            }
        }
        if logins.known.len() >= LOGIN_KNOWN_MAX {
            logins.known.retain(|_, until| now < *until);
        }
        if logins.known.len() >= LOGIN_KNOWN_MAX {
            // Accounts are keyed hashes: the first is any one.
            logins.known.pop_first();
        }
        logins.known.insert((account, address), now + Duration::from_secs(LOGIN_KNOWN_SECONDS));
    }
}

/// How long an answer waits that is due after so many `pauses` of the settings' length.
pub fn pause(pauses: u32, pause: Duration) -> Duration {
    let longest = pause.max(Duration::from_secs(LOGIN_PAUSE_SECONDS_MAX));
    pause.saturating_mul(pauses).min(longest)
}

/// How long the answer to an attempt waits that is blocked.
pub fn blocked_pause(pause: Duration) -> Duration {
    if pause.is_zero() { pause } else { pause.max(Duration::from_secs(LOGIN_BLOCKED_SECONDS)) }
}

fn short(hash: [u8; 32]) -> u64 {
    hash.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(5);
        }
    }

    const LIMITS: GuardLimits =
        GuardLimits { failures_per_peer_max: 30, failures_per_network_max: 120, failures_per_account_max: 100 };

    fn attempt(guard: &Guard, ip: &str, name: &str) -> Attempt {
        guard.attempt(SocketAddr::new(ip.parse().unwrap(), 1), name)
    }

    fn guess(guard: &Guard, ip: &str, name: &str, times: u32) -> Vec<Block> {
        let attempt = attempt(guard, ip, name);
        (0..times).flat_map(|_| guard.failed(&attempt, None, &LIMITS, Mono(0)).blocks).collect()
    }

    fn standing(guard: &Guard, ip: &str, name: &str) -> Standing {
        guard.standing(&attempt(guard, ip, name), Mono(1))
    }

    #[test]
    fn guesses_block_their_address_and_nobody_else() {
        let guard = Guard::new(&Fixed);
        for n in 0..30 {
            assert_eq!(standing(&guard, "192.0.2.1", "bob"), Standing::Stranger, "{n}");
            guess(&guard, "192.0.2.1", &format!("name{n}"), 1);
        }
        assert_eq!(standing(&guard, "192.0.2.1", "bob"), Standing::Blocked);
        assert_eq!(standing(&guard, "192.0.2.2", "bob"), Standing::Stranger);
    }

    #[test]
    fn a_network_is_blocked_at_a_higher_count() {
        let guard = Guard::new(&Fixed);
        let blocks: Vec<Block> =
            (1..7).flat_map(|n| guess(&guard, &format!("2001:db8:1:{n}::1"), &format!("name{n}"), 20)).collect();
        assert_eq!(blocks.iter().map(|block| block.who.name()).filter(|name| *name == "network").count(), 1);
        assert_eq!(standing(&guard, "2001:db8:1:99::1", "bob"), Standing::Blocked);
        assert_eq!(standing(&guard, "2001:db8:2:1::1", "bob"), Standing::Stranger);
    }

    #[test]
    fn an_account_stays_open_where_it_is_known() {
        let guard = Guard::new(&Fixed);
        guard.succeeded(&attempt(&guard, "198.51.100.1", "bob"), Mono(0));
        for n in 0..10 {
            guess(&guard, &format!("192.0.{n}.1"), "bob", 10);
        }
        assert_eq!(standing(&guard, "203.0.113.1", "bob"), Standing::Blocked);
        assert_eq!(standing(&guard, "198.51.100.1", "bob"), Standing::Known);
        // A guesser behind the same address shuts neither the known account out nor gets more than a few tries at it.
        guess(&guard, "198.51.100.1", "eve", 40);
        assert_eq!(standing(&guard, "198.51.100.1", "bob"), Standing::Known);
        guess(&guard, "198.51.100.1", "bob", LOGIN_PAIR_FAILURES_MAX);
        assert_eq!(standing(&guard, "198.51.100.1", "bob"), Standing::Blocked);
    }

    #[test]
    fn an_honest_mistake_is_forgiven_and_an_old_password_counts_once() {
        let guard = Guard::new(&Fixed);
        let bob = attempt(&guard, "192.0.2.1", "bob");
        for _ in 0..100 {
            assert_eq!(guard.failed(&bob, Some(9), &LIMITS, Mono(0)).blocks, []);
        }
        assert_eq!(standing(&guard, "192.0.2.1", "bob"), Standing::Stranger);
        assert_eq!(guess(&guard, "192.0.2.1", "bob", 9), []);
        guard.succeeded(&bob, Mono(0));
        assert_eq!(guess(&guard, "192.0.2.1", "eve", 20), guess(&Guard::new(&Fixed), "192.0.2.1", "eve", 20));
        assert_eq!(standing(&guard, "192.0.2.1", "ann"), Standing::Stranger);
    }

    #[test]
    fn a_flood_of_callers_is_told_so_a_few_times() {
        let guard = Guard::new(&Fixed);
        let ip = IpAddr::from([192, 0, 2, 1]);
        assert_eq!((0..1_000).filter(|_| guard.may_tell(ip, Mono(0))).count(), LISTEN_REFUSALS_PER_PEER_MAX as usize);
        assert!(guard.may_tell(IpAddr::from([192, 0, 2, 2]), Mono(0)));
        assert!(guard.may_tell(ip, Mono(0) + Duration::from_secs(3_600)));
    }

    #[test]
    fn pauses_grow_to_an_end() {
        let guard = Guard::new(&Fixed);
        let bob = attempt(&guard, "192.0.2.1", "bob");
        let pauses: Vec<u32> = (0..6).map(|_| guard.failed(&bob, None, &LIMITS, Mono(0)).pauses).collect();
        assert_eq!(pauses, [1, 1, 1, 2, 4, 8]);
        let second = Duration::from_secs(1);
        assert_eq!((pause(8, second), pause(1 << 16, second).as_secs()), (8 * second, LOGIN_PAUSE_SECONDS_MAX));
        assert_eq!((pause(8, Duration::ZERO), blocked_pause(Duration::ZERO)), (Duration::ZERO, Duration::ZERO));
    }
}
