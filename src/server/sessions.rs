//! The sessions of all listeners: who is connected, and how one is told to end before its time.
//!
//! A session enters when its connection was taken, is noted when somebody logs in, and leaves when it is dropped. One
//! that is dismissed learns of it at its next wait, says goodbye in the words of its protocol and closes; where it does
//! not get there within `DISMISSAL_SECONDS`, the connection is cut. [`Sessions::review`] dismisses those whose
//! account is gone or has another password than the one they logged in with.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};

use crate::base::dialog::Dismissal;
use crate::base::limits::{REVIEW_RETRY_SECONDS, STRESS_WAIT_SECONDS};
use crate::base::time::Timestamp;
use crate::base::world::Clock;
use crate::base::{Account, AccountId, Mono, Service};
use crate::net::listen::network_of;
use crate::store::Store;

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    roll: Mutex<Roll>,
}

#[derive(Default)]
struct Roll {
    last: u64,
    entries: BTreeMap<u64, Entry>,
    accounts: BTreeMap<AccountId, usize>,
    services: BTreeMap<Service, usize>,
}

struct Entry {
    service: Service,
    peer: SocketAddr,
    began: Mono,
    began_wall: Timestamp,
    account: Option<Arc<Account>>,
    end: Arc<End>,
    /// Dropped to tell the session that it is dismissed.
    tell: Option<Sender<Infallible>>,
}

#[derive(Default)]
struct End {
    why: OnceLock<Dismissal>,
}

/// A session's place among the others; it leaves when this is dropped.
pub struct Seat {
    sessions: Arc<Sessions>,
    number: u64,
    end: Arc<End>,
    told: Receiver<Infallible>,
}

/// A session as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its number, never used again.
    pub id: u64,
    /// The listener it called.
    pub service: Service,
    /// Who called.
    pub peer: SocketAddr,
    /// When the connection was taken.
    pub began: Timestamp,
    /// Address of the account that has logged in.
    pub account: Option<String>,
}

impl Sessions {
    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was taken.
    pub fn enter(self: &Arc<Self>, service: Service, peer: SocketAddr, now: Mono, wall: Timestamp) -> Seat {
        let (tell, told) = bounded(1);
        let end = Arc::<End>::default();
        let mut roll = self.roll();
        roll.last += 1;
        let number = roll.last;
        let entry = Entry {
            service,
            peer,
            began: now,
            began_wall: wall,
            account: None,
            end: Arc::clone(&end),
            tell: Some(tell),
        };
        roll.entries.insert(number, entry);
        *roll.services.entry(service).or_insert(0) += 1;
        Seat { sessions: Arc::clone(self), number, end, told }
    }

    /// How long a session of `service` may wait for somebody nobody knows: `wait`, or `STRESS_WAIT_SECONDS` where three
    /// quarters of `most` places are taken.
    pub fn patience(&self, service: Service, most: usize, wait: Duration) -> Duration {
        let count = self.roll().services.get(&service).copied().unwrap_or(0);
        let is_stress = count.saturating_mul(4) > most.saturating_mul(3);
        if is_stress { wait.min(Duration::from_secs(STRESS_WAIT_SECONDS)) } else { wait }
    }

    /// All sessions, oldest first.
    pub fn list(&self) -> Vec<SessionInfo> {
        let info = |(id, entry): (&u64, &Entry)| SessionInfo {
            id: *id,
            service: entry.service,
            peer: entry.peer,
            began: entry.began_wall,
            account: entry.account.as_ref().map(|account| account.address.to_string()),
        };
        self.roll().entries.iter().map(info).collect()
    }

    /// Dismisses one session; false where there is none of this number.
    pub fn dismiss(&self, id: u64, why: Dismissal) -> bool {
        self.roll().entries.get_mut(&id).is_some_and(|entry| entry.dismiss(why))
    }

    /// Accounts with sessions.
    pub fn accounts(&self) -> Vec<AccountId> {
        self.roll().accounts.keys().copied().collect()
    }

    /// Dismisses those who logged in to this account where it is gone, or with a password that is another one now.
    pub fn review(&self, id: AccountId, now: Option<&Account>) {
        let mut roll = self.roll();
        for entry in roll.entries.values_mut() {
            let account = entry.account.as_ref().filter(|account| account.id == id);
            if let Some(why) = account.and_then(|account| outdated(account, now)) {
                entry.dismiss(why);
            }
        }
    }

    /// Dismisses the oldest session of `service` nobody has logged in to, of the peer that has most of them, where it
    /// is older than `grace` at `now`. Gives whether there was one.
    pub fn make_room(&self, service: Option<Service>, now: Mono, grace: Duration) -> bool {
        let mut roll = self.roll();
        let is_idle = |entry: &Entry| {
            entry.account.is_none() && entry.tell.is_some() && service.is_none_or(|service| service == entry.service)
        };
        let mut peers: BTreeMap<_, (usize, Option<u64>)> = BTreeMap::new();
        for (number, entry) in roll.entries.iter().filter(|(_, entry)| is_idle(entry)) {
            let peer = peers.entry(network_of(entry.peer.ip())).or_default();
            peer.0 += 1;
            if now >= entry.began + grace {
                peer.1.get_or_insert(*number);
            }
        }
        let most = peers.into_values().filter_map(|(count, oldest)| Some((count, oldest?)));
        let most = most.max_by_key(|(count, oldest)| (*count, std::cmp::Reverse(*oldest)));
        most.and_then(|(_, number)| roll.entries.get_mut(&number)).is_some_and(|entry| entry.dismiss(Dismissal::Room))
    }
}

/// Ends sessions as accounts change, until it is dropped.
pub async fn review_changes(sessions: Arc<Sessions>, store: Store, clock: Arc<dyn Clock>) {
    let mut watch = store.watch_directory();
    loop {
        watch.changed().await;
        while !review_all(&sessions, &store).await {
            clock.pause(Duration::from_secs(REVIEW_RETRY_SECONDS)).await;
        }
    }
}

/// False: an account could not be read.
async fn review_all(sessions: &Sessions, store: &Store) -> bool {
    let mut are_known = true;
    for id in sessions.accounts() {
        match store.account_by_id(id).await {
            Ok(now) => sessions.review(id, now.as_deref()),
            Err(_) => are_known = false,
        }
    }
    are_known
}

/// Why a session of `account`, as it was at the login, has to end; `now` is the account as it is.
pub fn outdated(account: &Account, now: Option<&Account>) -> Option<Dismissal> {
    match now {
        None => Some(Dismissal::Account),
        Some(now) if now.credential != account.credential => Some(Dismissal::Password),
        Some(_) => None,
    }
}

impl Entry {
    fn dismiss(&mut self, why: Dismissal) -> bool {
        // The first reason counts.
        let _ = self.end.why.set(why);
        self.tell.take().is_some()
    }
}

impl Seat {
    /// The session's number.
    pub fn id(&self) -> u64 {
        self.number
    }

    /// Notes who logged in. Not done where the account has `per_account_max` sessions.
    pub fn logged_in(&self, account: &Arc<Account>, per_account_max: usize) -> Result<(), TooMany> {
        let mut roll = self.sessions.roll();
        let count = roll.accounts.entry(account.id).or_insert(0);
        if *count >= per_account_max {
            return Err(TooMany);
        }
        *count += 1;
        let before = roll.entries.get_mut(&self.number).and_then(|entry| entry.account.replace(Arc::clone(account)));
        if let Some(before) = before {
            roll.leave_account(before.id);
        }
        Ok(())
    }

    /// Nobody is logged in any more.
    pub fn logged_out(&self) {
        let mut roll = self.sessions.roll();
        if let Some(before) = roll.entries.get_mut(&self.number).and_then(|entry| entry.account.take()) {
            roll.leave_account(before.id);
        }
    }

    /// What tells a session of its end.
    pub fn notice(&self) -> Notice {
        Notice { end: Arc::clone(&self.end), told: self.told.clone() }
    }
}

/// The account has too many sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// Tells a session of its end.
#[derive(Clone)]
pub struct Notice {
    end: Arc<End>,
    told: Receiver<Infallible>,
}

impl Notice {
    /// Completes once the session is dismissed, and says why.
    pub async fn dismissed(&self) -> Dismissal {
        while self.told.recv().await.is_ok() {}
        self.end.why.get().copied().unwrap_or(Dismissal::Host)
    }

    /// Why the session is dismissed, where it is.
    pub fn why(&self) -> Option<Dismissal> {
        self.end.why.get().copied()
    }
}

impl Roll {
    fn leave_account(&mut self, account: AccountId) {
        if let Some(count) = self.accounts.get_mut(&account) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.accounts.remove(&account);
            }
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut roll = self.sessions.roll();
        let Some(entry) = roll.entries.remove(&self.number) else { return };
        if let Some(count) = roll.services.get_mut(&entry.service) {
            *count = count.saturating_sub(1);
        }
        if let Some(account) = entry.account {
            roll.leave_account(account.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use smol::future::poll_once;

    use super::*;
    use crate::base::{Address, MailboxId};

    fn account(id: i64) -> Arc<Account> {
        let address = Address::parse(&format!("user{id}@example.net")).unwrap();
        Arc::new(Account { id: AccountId(id), address, credential: None, inbox: MailboxId(1), quota_octets: None })
    }

    fn enter(sessions: &Arc<Sessions>, peer: &str, at: u64) -> Seat {
        sessions.enter(Service::Imap, peer.parse().unwrap(), Mono(at), Timestamp(at as i64))
    }

    fn why(seat: &Seat) -> Option<Dismissal> {
        let notice = seat.notice();
        assert_eq!(smol::block_on(poll_once(notice.dismissed())), notice.why());
        notice.why()
    }

    #[test]
    fn who_is_there_is_listed_and_can_be_dismissed() {
        let sessions = Arc::<Sessions>::default();
        let (one, two) = (enter(&sessions, "192.0.2.1:1", 1), enter(&sessions, "192.0.2.1:2", 2));
        two.logged_in(&account(7), 9).unwrap();
        let told: Vec<_> = sessions.list().into_iter().map(|info| (info.id, info.account)).collect();
        assert_eq!(told, [(one.id(), None), (two.id(), Some("user7@example.net".to_owned()))]);
        assert!(sessions.dismiss(two.id(), Dismissal::Host) && !sessions.dismiss(99, Dismissal::Host));
        assert_eq!((why(&one), why(&two)), (None, Some(Dismissal::Host)));
        assert!(!sessions.dismiss(two.id(), Dismissal::Host), "told once");
        drop((one, two));
        assert!(sessions.list().is_empty() && sessions.roll().accounts.is_empty());
    }

    #[test]
    fn patience_ends_where_places_do() {
        let sessions = Arc::<Sessions>::default();
        let long = Duration::from_secs(300);
        let seats: Vec<Seat> = (0..4).map(|n| enter(&sessions, "192.0.2.1:1", n)).collect();
        assert_eq!(sessions.patience(Service::Imap, 5, long).as_secs(), STRESS_WAIT_SECONDS);
        assert_eq!(sessions.patience(Service::Imap, 5, Duration::from_secs(2)).as_secs(), 2);
        assert_eq!((sessions.patience(Service::Imap, 6, long), sessions.patience(Service::Mx, 5, long)), (long, long));
        drop(seats);
        assert_eq!(sessions.patience(Service::Imap, 5, long), long);
    }

    #[test]
    fn a_review_ends_what_is_outdated() {
        let sessions = Arc::<Sessions>::default();
        let [gone, stays, nobody] = [1, 2, 3].map(|at| enter(&sessions, "192.0.2.1:1", at));
        gone.logged_in(&account(1), 9).unwrap();
        stays.logged_in(&account(2), 9).unwrap();
        assert_eq!(sessions.accounts(), [AccountId(1), AccountId(2)]);
        sessions.review(AccountId(1), None);
        sessions.review(AccountId(2), Some(&account(2)));
        assert_eq!([&gone, &stays, &nobody].map(why), [Some(Dismissal::Account), None, None]);
    }

    #[test]
    fn an_account_has_so_many_sessions() {
        let sessions = Arc::<Sessions>::default();
        let seats: Vec<Seat> = (0..3).map(|n| enter(&sessions, "192.0.2.1:1", n)).collect();
        let outcome: Vec<_> = seats.iter().map(|seat| seat.logged_in(&account(1), 2)).collect();
        assert_eq!(outcome, [Ok(()), Ok(()), Err(TooMany)]);
        seats[0].logged_out();
        assert_eq!(seats[2].logged_in(&account(1), 2), Ok(()));
    }

    #[test]
    fn room_is_made_by_the_oldest_of_the_peer_that_has_most() {
        let sessions = Arc::<Sessions>::default();
        let first = enter(&sessions, "192.0.2.9:1", 0);
        let many: Vec<Seat> = (1..5).map(|n| enter(&sessions, "192.0.2.1:1", n)).collect();
        many[0].logged_in(&account(1), 9).unwrap();
        let grace = Duration::from_nanos(2);
        assert!(!sessions.make_room(Some(Service::Mx), Mono(9), grace));
        assert!(!sessions.make_room(None, Mono(1), grace));
        assert!(sessions.make_room(Some(Service::Imap), Mono(9), grace));
        assert_eq!(why(&many[1]), Some(Dismissal::Room));
        assert_eq!([&first, &many[0], &many[2]].map(why), [None; 3]);
    }
}
