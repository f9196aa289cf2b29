//! Who logs in: names to accounts, passwords checked off the tasks, and told to the host. SMTP, POP3 and IMAP share it.
//! Why a login failed is told to the host alone, never to the peer.
//!
//! Every attempt passes [`guard`](super::guard): penalties for failed ones, and fair turns at hashing.
//!
//! Argon2id is slow on purpose, so a password that was right is remembered for a while: not the password, a
//! keyed hash of it with the credential it was checked against, under a key of this process alone. A changed
//! credential makes another hash: nothing needs to be told. Unknown users cost what known ones do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use smol::future::FutureExt as _;

use super::Shared;
use super::guard::penalty::{Block, Who};
use super::guard::{self, Attempt, Guard, Standing};
use super::memory::Memory;
use super::rates::Rates;
use super::sessions::{self, Notice, Seat, Sessions};
use crate::base::account::{Credential, ScramKeys};
use crate::base::event::{Event, Login};
use crate::base::limits::{
    DISMISSAL_SECONDS, LOGIN_BUSY_PAUSES, LOGIN_CACHE_ENTRIES_MAX, LOGIN_CACHE_SECONDS, LOGIN_NAME_OCTETS_MAX,
};
use crate::base::time::Mono;
use crate::base::world::Entropy;
use crate::base::{Account, Address, Domain, Error, Secret, Service};
use crate::net::listen::{Peers, network_of};
use crate::sasl::credential;
use crate::store::Directory;

/// Passwords that were right a moment ago, and the key they are hashed under.
pub struct Logins {
    /// Penalties, turns and mock credentials.
    pub guard: Guard,
    /// Who is connected.
    pub sessions: Arc<Sessions>,
    /// What memory sessions may take.
    pub memory: Memory,
    /// How many connections each address has.
    pub peers: Peers,
    /// How much each account submitted lately.
    pub rates: Rates,
    key: [u8; 32],
    right: Mutex<BTreeMap<[u8; 32], Mono>>,
}

impl Logins {
    /// None yet, under a fresh key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self {
            guard: Guard::new(entropy),
            sessions: Arc::default(),
            memory: Memory::default(),
            peers: Peers::default(),
            rates: Rates::default(),
            key,
            right: Mutex::default(),
        }
    }

    fn hash(&self, account: &Account, credential: &Credential, password: &Secret) -> [u8; 32] {
        let id = account.id.0.to_be_bytes();
        let parts: [&[u8]; 5] = [b"password", &id, credential.argon2id.as_bytes(), b"\0", password.expose()];
        credential::hmac_sha_256(&self.key, &parts)
    }

    fn remembers(&self, hash: &[u8; 32], now: Mono) -> bool {
        self.right.lock().unwrap_or_else(PoisonError::into_inner).get(hash).is_some_and(|until| now < *until)
    }

    fn remember(&self, hash: [u8; 32], now: Mono) {
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= LOGIN_CACHE_ENTRIES_MAX {
            right.retain(|_, until| now < *until);
        }
        if right.len() >= LOGIN_CACHE_ENTRIES_MAX {
            // Keys are hashes: the first is any one.
            right.pop_first();
        }
        right.insert(hash, now + Duration::from_secs(LOGIN_CACHE_SECONDS));
    }
}

/// The address a login name means: itself, or one in the domain of names without `@`, the first local one, or our own.
/// Fails where the directory cannot be read.
pub async fn address(shared: &Shared, user: &str) -> Result<Option<Address>, Error> {
    let login_domain = shared.settings.login_domain.as_ref();
    let key = shared.store.look_up(|directory| account_key(directory, login_domain, user)).await?;
    let key = key.or_else(|| (!user.contains('@')).then(|| format!("{user}@{}", shared.settings.hostname)));
    let address = key.and_then(|key| Address::parse(&key).ok());
    Ok(address.filter(|_| user.len() <= LOGIN_NAME_OCTETS_MAX))
}

/// The account a login name means: a full address, or a bare local part in the first domain. Fails where the directory
/// cannot be read.
async fn find(shared: &Shared, user: &str) -> Result<Option<Arc<Account>>, Error> {
    let login_domain = shared.settings.login_domain.as_ref();
    shared.store.look_up(|directory| directory.account(&account_key(directory, login_domain, user)?)).await
}

fn account_key(directory: &Directory<'_>, login_domain: Option<&Domain>, user: &str) -> Option<String> {
    if user.len() > LOGIN_NAME_OCTETS_MAX {
        return None;
    }
    if user.contains('@') {
        return Address::parse(user).ok().map(|address| address.key());
    }
    let domain = match login_domain {
        Some(domain) => domain.key(),
        None => directory.first_domain()?.to_string(),
    };
    Some(format!("{}@{domain}", user.to_lowercase()))
}

/// Where and how somebody logs in.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Which listener was called.
    pub service: Service,
    /// Who called.
    pub peer: SocketAddr,
    /// The command: `auth`, `login`, `authenticate`, `pass`.
    pub stage: &'static str,
}

impl Door {
    /// Reply code and status of a failed login.
    fn refusal(&self) -> (u16, &'static str) {
        match self.service.protocol() {
            "imap" => (0, "AUTHENTICATIONFAILED"),
            "pop3" => (0, "AUTH"),
            "managesieve" => (0, ""),
            _ => (535, "5.7.8"),
        }
    }

    /// Reply code and status of a login that was not checked.
    fn later(&self) -> (u16, &'static str) {
        match self.service.protocol() {
            "imap" => (0, "UNAVAILABLE"),
            "pop3" => (0, "SYS/TEMP"),
            "managesieve" => (0, "TRYLATER"),
            _ => (454, "4.7.0"),
        }
    }

    /// Reply code of a login that succeeded.
    fn success(&self) -> u16 {
        if matches!(self.service.protocol(), "smtp" | "lmtp") { 235 } else { 0 }
    }
}

/// Why a login failed.
pub type Why = &'static str;
/// No account has the name.
pub const UNKNOWN_USER: Why = "unknown user";
/// The account has no password, so that nobody can log in.
pub const NO_PASSWORD: Why = "the account has no password";
/// The password is another one.
pub const WRONG_PASSWORD: Why = "wrong password";
/// Too many attempts from there, or for the account, have failed: this one was not checked.
pub const BLOCKED: Why = "blocked after failed logins";
/// Too many attempts from there wait to be checked.
pub const TOO_MANY: Why = "too many logins at a time";
/// There is no memory to check a password with.
pub const NO_MEMORY: Why = "no memory to check the password";

/// The directory cannot be read.
pub const UNREADABLE: Why = "the directory cannot be read";

/// The program refused the login.
pub const REFUSED_BY_HOST: Why = "refused by the program";

/// A login that came to nothing, as the peer is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// Wrong name, password or proof; which of them is not told.
    Wrong,
    /// Nothing was checked: too many attempts failed or wait, or memory or disk are in trouble. Try again later.
    Later,
}

/// How an attempt ended that did not succeed, as the host is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Wrong(Why),
    /// Blocked: the answer waits as long as an answer may.
    Blocked,
    /// Not checked, for this reason.
    Unchecked(Why),
}

/// Keys for an exchange of SCRAM.
pub struct ScramAnswer {
    /// Keys of the account, or mock ones.
    pub keys: ScramKeys,
    /// The account, where there is one that can log in.
    pub account: Option<Arc<Account>>,
}

/// The name an attempt counts for: the account's key where the name can be one's, whatever its spelling.
async fn normalised(shared: &Shared, user: &str) -> String {
    let login_domain = shared.settings.login_domain.as_ref();
    let key = shared.store.look_up(|directory| account_key(directory, login_domain, user)).await;
    // Without an answer of the disk nobody logs in; the attempt counts for the name as it was said.
    key.ok().flatten().unwrap_or_else(|| user.chars().take(LOGIN_NAME_OCTETS_MAX).collect::<String>().to_lowercase())
}

/// The account `user` names, where `password` is its password. A failed attempt is counted and told to the host, and
/// returns only after a pause, which grows with the failures from there.
pub async fn login(shared: &Shared, door: Door, user: &str, password: &Secret) -> Result<Arc<Account>, Denied> {
    let name = normalised(shared, user).await;
    let attempt = shared.logins.guard.attempt(door.peer, &name);
    match check_password(shared, &attempt, user, &name, password).await {
        Ok(account) => {
            shared.logins.guard.succeeded(&attempt, shared.world.clock.now());
            told(shared, door, user, None);
            Ok(account)
        }
        Err(failure) => {
            let password = shared.logins.guard.password_hash(password.expose());
            Err(failed(shared, door, user, &attempt, failure, Some(password)).await)
        }
    }
}

async fn check_password(
    shared: &Shared,
    attempt: &Attempt,
    user: &str,
    name: &str,
    password: &Secret,
) -> Result<Arc<Account>, Failure> {
    let (guard, clock) = (&shared.logins.guard, &shared.world.clock);
    let standing = guard.standing(attempt, clock.now());
    if standing == Standing::Blocked {
        return Err(Failure::Blocked);
    }
    let account = find(shared, user).await.map_err(|_| Failure::Unchecked(UNREADABLE))?;
    let known = account.as_ref().and_then(|account| Some((account, account.credential.as_ref()?)));
    let hash = known.map(|(account, credential)| shared.logins.hash(account, credential, password));
    if hash.is_some_and(|hash| shared.logins.remembers(&hash, clock.now())) {
        return account.ok_or(Failure::Wrong(UNKNOWN_USER));
    }
    let turn = guard.turn(attempt, standing).await.ok_or(Failure::Unchecked(TOO_MANY))?;
    // What waited for its turn is judged by what others from there did meanwhile.
    if guard.standing(attempt, clock.now()) == Standing::Blocked {
        return Err(Failure::Blocked);
    }
    guard.decoys.look(&shared.store, clock.now()).await;
    let right = Arc::new(OnceLock::new());
    let job = {
        let (right, password) = (right.clone(), password.clone());
        let credential = known.map(|(_, credential)| credential.clone());
        let usual = shared.settings.password_cost;
        let cost = guard.decoys.cost(name, usual);
        move || {
            let answer = match credential {
                Some(credential) => credential::check(&credential, &password),
                None => credential::check_nobody(&password, cost).map(|()| false),
            };
            // Set once, by this job alone.
            let _ = right.set(answer.ok());
        }
    };
    shared.world.run.compute(Box::new(job)).await;
    drop(turn);
    let Some(right) = right.get().copied().flatten() else { return Err(Failure::Unchecked(NO_MEMORY)) };
    let account = account.ok_or(Failure::Wrong(UNKNOWN_USER))?;
    let hash = hash.ok_or(Failure::Wrong(NO_PASSWORD))?;
    if !right {
        return Err(Failure::Wrong(WRONG_PASSWORD));
    }
    shared.logins.remember(hash, clock.now());
    Ok(account)
}

/// Tells the host of a login that was decided by it, or by a sink, and succeeded.
pub fn admitted(shared: &Shared, door: Door, user: &str) {
    told(shared, door, user, None);
}

/// The end of a login that the program refused: counted and told as a wrong password.
pub async fn refused_by_host(shared: &Shared, door: Door, user: &str) -> Denied {
    let name = normalised(shared, user).await;
    let attempt = shared.logins.guard.attempt(door.peer, &name);
    failed(shared, door, user, &attempt, Failure::Wrong(REFUSED_BY_HOST), None).await
}

/// Keys that nobody's proof fits, the same ones for the same name.
pub async fn mock_keys(shared: &Shared, user: &str) -> ScramKeys {
    let (decoys, name) = (&shared.logins.guard.decoys, normalised(shared, user).await);
    decoys.look(&shared.store, shared.world.clock.now()).await;
    decoys.scram_keys(&name, decoys.cost(&name, shared.settings.password_cost))
}

/// Keys for a SCRAM exchange with `user`: the account's, or mock ones that nobody's proof fits. An attempt that is
/// blocked gets none.
pub async fn scram_keys(shared: &Shared, door: Door, user: &str) -> Result<ScramAnswer, Denied> {
    let (guard, now) = (&shared.logins.guard, shared.world.clock.now());
    let name = normalised(shared, user).await;
    let attempt = guard.attempt(door.peer, &name);
    if guard.standing(&attempt, now) == Standing::Blocked {
        return Err(failed(shared, door, user, &attempt, Failure::Blocked, None).await);
    }
    guard.decoys.look(&shared.store, now).await;
    let account = match shared.store.account(&name).await {
        Ok(account) => account,
        Err(_) => return Err(failed(shared, door, user, &attempt, Failure::Unchecked(UNREADABLE), None).await),
    };
    // Both are made, so that making mock ones takes no time that real ones do not.
    let mock = guard.decoys.scram_keys(&name, guard.decoys.cost(&name, shared.settings.password_cost));
    let real = account.as_ref().and_then(|account| Some(account.credential.as_ref()?.scram_sha_256.clone()));
    Ok(match real {
        Some(keys) => ScramAnswer { keys, account },
        None => ScramAnswer { keys: mock, account: None },
    })
}

/// The end of a SCRAM exchange with `user`, whose proof was `right` or not: counted and told as [`login`] does.
pub async fn scram_ended(shared: &Shared, door: Door, user: &str, right: bool) -> Result<(), Denied> {
    let guard = &shared.logins.guard;
    let attempt = guard.attempt(door.peer, &normalised(shared, user).await);
    let failure = match guard.standing(&attempt, shared.world.clock.now()) {
        Standing::Blocked => Some(Failure::Blocked),
        _ if right => None,
        _ => Some(Failure::Wrong(match find(shared, user).await {
            Ok(None) => UNKNOWN_USER,
            Ok(Some(account)) if account.credential.is_none() => NO_PASSWORD,
            Ok(Some(_)) | Err(_) => WRONG_PASSWORD,
        })),
    };
    match failure {
        None => {
            guard.succeeded(&attempt, shared.world.clock.now());
            told(shared, door, user, None);
            Ok(())
        }
        Some(failure) => Err(failed(shared, door, user, &attempt, failure, None).await),
    }
}

/// Notes a login with the session it was made in; refused where the account changed meanwhile, or has all the sessions
/// it may have.
pub async fn note(shared: &Shared, seat: &Seat, account: Arc<Account>) -> Result<Arc<Account>, Denied> {
    // Noted first: a change from now on finds the session, one before is found here.
    if seat.logged_in(&account, shared.settings.sessions_per_account_max).is_err() {
        return Err(Denied::Later);
    }
    let why = match shared.store.account_by_id(account.id).await {
        Ok(now) if sessions::outdated(&account, now.as_deref()).is_none() => return Ok(account),
        Ok(_) => Denied::Wrong,
        Err(_) => Denied::Later,
    };
    seat.logged_out();
    Err(why)
}

/// A seat among the sessions for a connection just taken.
pub fn enter(shared: &Shared, service: Service, peer: SocketAddr) -> Seat {
    let clock = &shared.world.clock;
    shared.logins.sessions.enter(service, peer, clock.now(), clock.wall())
}

/// Runs a session; once it is dismissed it has a few seconds to say goodbye.
pub async fn until_dismissed(shared: &Shared, notice: &Notice, session: impl Future<Output = ()>) {
    let cut = async {
        notice.dismissed().await;
        shared.world.clock.pause(Duration::from_secs(DISMISSAL_SECONDS)).await;
    };
    session.or(cut).await;
}

/// Counts a failed attempt, tells the host, and waits.
async fn failed(
    shared: &Shared,
    door: Door,
    user: &str,
    attempt: &Attempt,
    failure: Failure,
    password: Option<u64>,
) -> Denied {
    let settings = &shared.settings;
    let base = settings.login_failure_pause;
    told(shared, door, user, Some(failure));
    let (denied, pause) = match failure {
        Failure::Wrong(_) => {
            let now = shared.world.clock.now();
            let consequence = shared.logins.guard.failed(attempt, password, &settings.guard, now);
            for block in consequence.blocks {
                shared.events.say(penalty(&block, door.peer, user));
            }
            (Denied::Wrong, guard::pause(consequence.pauses, base))
        }
        Failure::Blocked => (Denied::Later, guard::blocked_pause(base)),
        Failure::Unchecked(_) => (Denied::Later, guard::pause(LOGIN_BUSY_PAUSES, base)),
    };
    if !pause.is_zero() {
        let draining = async { while shared.draining.recv().await.is_ok() {} };
        shared.world.clock.pause(pause).or(draining).await;
    }
    denied
}

/// The event of a block that begins.
fn penalty(block: &Block, peer: SocketAddr, user: &str) -> Event {
    let who = match block.who {
        Who::Address(_) => network_of(peer.ip()).to_string(),
        Who::Network(site) => site.to_string(),
        Who::Account(_) | Who::Pair(..) => shown(user),
    };
    let Block { seconds, count, .. } = *block;
    Event::Penalty { about: block.who.name(), who, peer: peer.to_string(), cause: "login", count, seconds }
}

fn shown(user: &str) -> String {
    user.chars().filter(|c| !c.is_control()).take(LOGIN_NAME_OCTETS_MAX).collect()
}

/// Tells the host how an attempt ended.
fn told(shared: &Shared, door: Door, user: &str, failure: Option<Failure>) {
    let Door { service, peer, stage } = door;
    let (code, enhanced, reason) = match failure {
        None => (door.success(), "", ""),
        Some(Failure::Wrong(why)) => (door.refusal().0, door.refusal().1, why),
        Some(Failure::Blocked) => (door.later().0, door.later().1, BLOCKED),
        Some(Failure::Unchecked(why)) => (door.later().0, door.later().1, why),
    };
    let (peer, user, ok) = (peer.to_string(), shown(user), failure.is_none());
    shared.events.say(Event::Login(Login { service, peer, user, stage, ok, code, enhanced, reason, count: 1 }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountId, MailboxId};

    struct Fixed;
    impl Entropy for Fixed {
        fn fill(&self, out: &mut [u8]) {
            out.fill(5);
        }
    }

    fn account(argon2id: &str) -> Account {
        let keys = ScramKeys { salt: vec![], iterations: 1, stored_key: [0; 32], server_key: [0; 32] };
        Account {
            id: AccountId(7),
            address: Address::parse("bob@example.net").unwrap(),
            credential: Some(Credential { argon2id: argon2id.to_owned(), scram_sha_256: keys }),
            inbox: MailboxId(1),
            quota_octets: None,
        }
    }

    #[test]
    fn a_right_password_is_remembered_for_a_while() {
        let logins = Logins::new(&Fixed);
        let bob = account("$one");
        let hash = |account: &Account, password: &str| {
            logins.hash(account, account.credential.as_ref().unwrap(), &Secret::new(password))
        };
        let secret = hash(&bob, "secret");
        assert!(!logins.remembers(&secret, Mono(0)));
        logins.remember(secret, Mono(0));
        assert!(logins.remembers(&secret, Mono(1)));
        assert!(!logins.remembers(&hash(&bob, "other"), Mono(1)));
        assert!(!logins.remembers(&hash(&account("$two"), "secret"), Mono(1)), "a changed credential");
        assert!(!logins.remembers(&secret, Mono(0) + Duration::from_secs(LOGIN_CACHE_SECONDS)));
    }

    #[test]
    fn the_memory_is_bounded() {
        let logins = Logins::new(&Fixed);
        for n in 0..LOGIN_CACHE_ENTRIES_MAX as u64 + 5 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            logins.remember(hash, Mono(0));
        }
        assert_eq!(logins.right.lock().unwrap().len(), LOGIN_CACHE_ENTRIES_MAX);
    }
}
