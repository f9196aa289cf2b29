//! Whose password is hashed next: fair turns, so that a login never waits behind other people's guesses.
//!
//! Hashing a password is slow on purpose and the threads for it are few, so attempts wait here. Those of accounts that
//! logged in from the address before come first, three of them for each other one. Among equals the next turn goes
//! round robin, once by network and once by account in alternation: many guesses from one network, or at one account,
//! delay others by one turn each. One network has a bounded number of attempts waiting, and so have all together; the
//! attempt that finds no room, or that has to make room for a network with fewer, is told to come later.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smol::channel::{Sender, bounded};

use crate::base::limits::{LOGIN_HASHES_AT_ONCE, LOGIN_WAITING_MAX, LOGIN_WAITING_PER_NETWORK_MAX};

/// Turns served to known clients for each one of a stranger.
const KNOWN_IN_A_ROW_MAX: u32 = 3;

/// Who waits, and how many are being served.
#[derive(Default)]
pub struct Turns {
    queue: Mutex<Queue>,
}

/// Leave to hash one password; given back when dropped.
pub struct Turn {
    turns: Option<Arc<Turns>>,
}

/// On whose behalf a turn is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Whether the account logged in from this address before.
    pub is_known: bool,
    /// The network of the client.
    pub network: IpAddr,
    /// A hash of the account's name.
    pub account: u64,
}

#[derive(Default)]
struct Queue {
    serving: usize,
    last: u64,
    waiting: BTreeMap<u64, (Claim, Sender<Turn>)>,
    /// Known clients, strangers.
    classes: [Class; 2],
    known_in_a_row: u32,
}

#[derive(Default)]
struct Class {
    by_network: Rotation<IpAddr>,
    by_account: Rotation<u64>,
    is_accounts_turn: bool,
}

/// Queues by key, served in turn. Numbers of those who are gone are passed over.
struct Rotation<K> {
    order: VecDeque<K>,
    queues: BTreeMap<K, VecDeque<u64>>,
}

impl<K> Default for Rotation<K> {
    fn default() -> Self {
        Self { order: VecDeque::new(), queues: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Rotation<K> {
    fn push(&mut self, key: K, number: u64) {
        let queue = self.queues.entry(key).or_default();
        if queue.is_empty() {
            self.order.push_back(key);
        }
        queue.push_back(number);
    }

    fn next(&mut self, is_there: impl Fn(u64) -> bool) -> Option<u64> {
        while let Some(key) = self.order.pop_front() {
            let queue = self.queues.get_mut(&key)?;
            let found = std::iter::from_fn(|| queue.pop_front()).find(|number| is_there(*number));
            if queue.is_empty() {
                self.queues.remove(&key);
            } else {
                self.order.push_back(key);
            }
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

impl Class {
    fn push(&mut self, claim: &Claim, number: u64) {
        self.by_network.push(claim.network, number);
        self.by_account.push(claim.account, number);
    }

    fn next(&mut self, is_there: impl Fn(u64) -> bool) -> Option<u64> {
        self.is_accounts_turn = !self.is_accounts_turn;
        if self.is_accounts_turn { self.by_account.next(is_there) } else { self.by_network.next(is_there) }
    }
}

impl Queue {
    /// Takes a claim in, or refuses it; who has to make room for it is dropped, which tells them.
    fn enter(&mut self, claim: Claim, tell: Sender<Turn>) -> bool {
        let mine = self.waiting_of(claim.network);
        if mine >= LOGIN_WAITING_PER_NETWORK_MAX {
            return false;
        }
        if self.waiting.len() >= LOGIN_WAITING_MAX && !self.make_room(mine) {
            return false;
        }
        self.last += 1;
        self.waiting.insert(self.last, (claim, tell));
        if let Some(class) = self.classes.get_mut(usize::from(!claim.is_known)) {
            class.push(&claim, self.last);
        }
        true
    }

    fn waiting_of(&self, network: IpAddr) -> usize {
        self.waiting.values().filter(|(claim, _)| claim.network == network).count()
    }

    /// Sends away the last attempt of the network that has most waiting, where those are more than `mine` and one.
    fn make_room(&mut self, mine: usize) -> bool {
        let mut counts: BTreeMap<IpAddr, (usize, u64)> = BTreeMap::new();
        for (number, (claim, _)) in &self.waiting {
            let count = counts.entry(claim.network).or_default();
            *count = (count.0 + 1, *number);
        }
        let most = counts.into_values().max();
        most.is_some_and(|(count, number)| count > mine + 1 && self.waiting.remove(&number).is_some())
    }

    fn next(&mut self) -> Option<Sender<Turn>> {
        let waiting = &self.waiting;
        let is_there = |number| waiting.contains_key(&number);
        let [known, strangers] = &mut self.classes;
        let may_know = self.known_in_a_row < KNOWN_IN_A_ROW_MAX;
        let first = if may_know { known.next(is_there) } else { strangers.next(is_there) };
        let is_first = first.is_some();
        let number = first.or_else(|| if may_know { strangers.next(is_there) } else { known.next(is_there) })?;
        self.known_in_a_row = if may_know == is_first { self.known_in_a_row.saturating_add(1) } else { 0 };
        self.waiting.remove(&number).map(|(_, tell)| tell)
    }
}

impl Turns {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; `None` where too many wait already.
    pub async fn take(self: &Arc<Self>, claim: Claim) -> Option<Turn> {
        let waiting = {
            let mut queue = self.queue();
            if queue.serving < LOGIN_HASHES_AT_ONCE && queue.waiting.is_empty() {
                queue.serving += 1;
                return Some(Turn { turns: Some(Arc::clone(self)) });
            }
            let (tell, told) = bounded(1);
            queue.enter(claim, tell).then_some(told)?
        };
        waiting.recv().await.ok()
    }

    /// Hands the turn that ended to the next who waits.
    fn pass_on(self: &Arc<Self>) {
        loop {
            let mut queue = self.queue();
            let Some(next) = queue.next() else {
                // What is left in the rotations are numbers of those who are gone.
                queue.classes = Default::default();
                queue.serving = queue.serving.saturating_sub(1);
                return;
            };
            drop(queue);
            match next.try_send(Turn { turns: Some(Arc::clone(self)) }) {
                Ok(()) => return,
                // Gone meanwhile: the turn is still to be given.
                Err(gone) => gone.into_inner().turns = None,
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.turns.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::{FutureExt as _, poll_once};

    use super::*;

    fn claim(network: u8, account: u64) -> Claim {
        Claim { is_known: false, network: IpAddr::from([192, 0, network, 0]), account }
    }

    type Waiting = std::pin::Pin<Box<dyn std::future::Future<Output = Option<Turn>>>>;

    /// Asks for a turn; it is queued when this returns.
    fn ask(turns: &Arc<Turns>, claim: Claim) -> Waiting {
        let turns = Arc::clone(turns);
        let mut waiting: Waiting = async move { turns.take(claim).await }.boxed_local();
        assert!(smol::block_on(poll_once(&mut waiting)).is_none(), "not served at once");
        waiting
    }

    fn busy() -> (Arc<Turns>, Vec<Turn>) {
        let turns = Arc::new(Turns::default());
        let held = (0..LOGIN_HASHES_AT_ONCE).map(|n| smol::block_on(turns.take(claim(200, n as u64))).unwrap());
        let held = held.collect();
        (turns, held)
    }

    /// How many turns others had before `mine` had one.
    fn position(mut others: Vec<Waiting>, mut mine: Waiting, held: Vec<Turn>) -> usize {
        let mut passed = 0;
        let mut now = held;
        loop {
            drop(std::mem::take(&mut now));
            if smol::block_on(poll_once(&mut mine)).is_some() {
                return passed;
            }
            others.retain_mut(|other| match smol::block_on(poll_once(other)) {
                Some(turn) => {
                    passed += 1;
                    now.extend(turn);
                    false
                }
                None => true,
            });
            assert!(!now.is_empty(), "nobody is served");
        }
    }

    #[test]
    fn guesses_from_one_network_delay_others_by_a_turn() {
        let (turns, held) = busy();
        let guesses = (0..40).map(|n| ask(&turns, claim(1, n))).collect();
        let mine = ask(&turns, claim(2, 99));
        assert!(position(guesses, mine, held) <= 2 * LOGIN_HASHES_AT_ONCE);
    }

    #[test]
    fn guesses_at_one_account_from_everywhere_delay_others_by_a_turn() {
        let (turns, held) = busy();
        let guesses = (0..100).map(|n| ask(&turns, claim(n, 7))).collect();
        let mine = ask(&turns, claim(120, 8));
        assert!(position(guesses, mine, held) <= 3 * LOGIN_HASHES_AT_ONCE);
    }

    #[test]
    fn known_clients_come_first_and_strangers_come_too() {
        let (turns, held) = busy();
        let strangers = (0..100).map(|n| ask(&turns, claim(n, u64::from(n)))).collect();
        let mine = ask(&turns, Claim { is_known: true, ..claim(120, 500) });
        assert!(position(strangers, mine, held) <= LOGIN_HASHES_AT_ONCE);
        let (turns, held) = busy();
        let known = (0..40).map(|n| ask(&turns, Claim { is_known: true, ..claim(n, u64::from(n)) })).collect();
        let mine = ask(&turns, claim(120, 500));
        assert!(position(known, mine, held) <= 3 * LOGIN_HASHES_AT_ONCE);
    }

    #[test]
    fn a_network_has_so_many_waiting_and_gives_way_where_all_is_full() {
        let (turns, _held) = busy();
        let _first: Vec<_> = (0..LOGIN_WAITING_PER_NETWORK_MAX).map(|n| ask(&turns, claim(1, n as u64))).collect();
        assert!(smol::block_on(turns.take(claim(1, 0))).is_none());
        let mut more = Vec::new();
        let mut network = 2;
        while turns.queue().waiting.len() < LOGIN_WAITING_MAX {
            let room = LOGIN_WAITING_MAX - turns.queue().waiting.len();
            more.extend((0..room.min(LOGIN_WAITING_PER_NETWORK_MAX)).map(|n| ask(&turns, claim(network, n as u64))));
            network += 1;
        }
        let _mine = ask(&turns, claim(250, 1));
        assert_eq!(turns.queue().waiting.len(), LOGIN_WAITING_MAX);
        let gone = more.iter_mut().map(|waiting| smol::block_on(poll_once(waiting)).is_some());
        assert_eq!(gone.filter(|gone| *gone).count(), 1, "one gave way");
    }

    #[test]
    fn who_goes_away_costs_nobody_a_turn() {
        let (turns, held) = busy();
        drop(ask(&turns, claim(1, 1)));
        let mut mine = ask(&turns, claim(2, 2));
        drop(held);
        let turn = smol::block_on(poll_once(&mut mine)).flatten();
        assert!(turn.is_some());
        drop(turn);
        let queue = turns.queue();
        assert_eq!((queue.serving, queue.waiting.len()), (0, 0));
    }
}
