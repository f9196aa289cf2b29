//! Who logs in: names to accounts, passwords checked off the tasks, and told to the host. SMTP, POP3 and IMAP share it.
//! Why a login failed is told to the host alone, never to the peer.
//!
//! Argon2id is slow on purpose, so a password that was right is remembered for a while: not the password, a
//! keyed hash of it with the credential it was checked against, under a key of this process alone. A changed
//! credential makes another hash: nothing needs to be told. Unknown users cost what known ones do.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::Shared;
use crate::base::account::{Credential, ScramKeys};
use crate::base::event::{Event, Login};
use crate::base::limits::{LOGIN_CACHE_ENTRIES_MAX, LOGIN_CACHE_SECONDS, LOGIN_NAME_OCTETS_MAX};
use crate::base::time::Mono;
use crate::base::world::Entropy;
use crate::base::{Account, Address, Domain, Secret, Service};
use crate::sasl::credential;
use crate::store::Directory;

/// Passwords that were right a moment ago, and the key they are hashed under.
pub struct Logins {
    key: [u8; 32],
    right: Mutex<BTreeMap<[u8; 32], Mono>>,
}

impl Logins {
    /// None yet, under a fresh key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let mut key = [0; 32];
        entropy.fill(&mut key);
        Self { key, right: Mutex::default() }
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

/// The account a login name means: a full address, or a bare local part in the first domain.
pub fn find(shared: &Shared, user: &str) -> Option<Arc<Account>> {
    let directory = shared.store.directory();
    let key = account_key(&directory, shared.settings.login_domain.as_ref(), user)?;
    directory.account(&key)
}

fn account_key(directory: &Directory, login_domain: Option<&Domain>, user: &str) -> Option<String> {
    if user.len() > LOGIN_NAME_OCTETS_MAX {
        return None;
    }
    if user.contains('@') {
        return Address::parse(user).ok().map(|address| address.key());
    }
    let domain = match login_domain {
        Some(domain) => domain.key(),
        None => directory.domains().into_iter().next()?,
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
            _ => (535, "5.7.8"),
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

/// The account `user` names, where `password` is its password. Says nothing to anybody.
pub async fn check_password(shared: &Shared, user: &str, password: &Secret) -> Result<Arc<Account>, Why> {
    let account = find(shared, user);
    let known = account.as_ref().and_then(|account| Some((account, account.credential.as_ref()?)));
    let hash = known.map(|(account, credential)| shared.logins.hash(account, credential, password));
    if hash.is_some_and(|hash| shared.logins.remembers(&hash, shared.world.clock.now())) {
        return account.ok_or(UNKNOWN_USER);
    }
    let right = Arc::new(OnceLock::new());
    let job = {
        let (right, password, cost) = (right.clone(), password.clone(), shared.settings.password_cost);
        let credential = known.map(|(_, credential)| credential.clone());
        move || {
            let answer = match credential {
                Some(credential) => credential::check(&credential, &password),
                None => {
                    credential::check_nobody(&password, cost);
                    false
                }
            };
            // Set once, by this job alone.
            let _ = right.set(answer);
        }
    };
    shared.world.run.compute(Box::new(job)).await;
    let Some(account) = account else { return Err(UNKNOWN_USER) };
    let Some(hash) = hash else { return Err(NO_PASSWORD) };
    if right.get() != Some(&true) {
        return Err(WRONG_PASSWORD);
    }
    shared.logins.remember(hash, shared.world.clock.now());
    Ok(account)
}

/// [`check_password`], told to the host; a failed attempt returns only after the pause the settings ask for.
pub async fn login(shared: &Shared, door: Door, user: &str, password: &Secret) -> Option<Arc<Account>> {
    let checked = check_password(shared, user, password).await;
    login_ended(shared, door, user, checked.as_ref().err().copied()).await;
    checked.ok()
}

/// SCRAM keys of `user`, and the account where there is one that can log in; otherwise keys that nobody's proof fits.
pub fn scram_keys(shared: &Shared, user: &str) -> (ScramKeys, Option<Arc<Account>>) {
    let account = find(shared, user);
    match account.as_ref().and_then(|account| account.credential.as_ref()) {
        Some(credential) => (credential.scram_sha_256.clone(), account),
        None => (credential::decoy(user, &shared.logins.key, shared.settings.password_cost), None),
    }
}

/// Why a SCRAM exchange with `user` failed; `None` where its proof was right.
pub fn scram_failure(shared: &Shared, user: &str, right: bool) -> Option<Why> {
    let is_wrong = || match find(shared, user) {
        None => UNKNOWN_USER,
        Some(account) if account.credential.is_none() => NO_PASSWORD,
        Some(_) => WRONG_PASSWORD,
    };
    (!right).then(is_wrong)
}

/// Tells the host how an attempt ended; after a failed one it pauses.
pub async fn login_ended(shared: &Shared, door: Door, user: &str, failure: Option<Why>) {
    let user = user.chars().filter(|c| !c.is_control()).take(LOGIN_NAME_OCTETS_MAX).collect();
    let Door { service, peer, stage } = door;
    let ok = failure.is_none();
    let (code, enhanced) = if ok { (door.success(), "") } else { door.refusal() };
    let (peer, reason) = (peer.to_string(), failure.unwrap_or_default());
    shared.events.say(Event::Login(Login { service, peer, user, stage, ok, code, enhanced, reason, count: 1 }));
    if !ok && !shared.settings.login_failure_pause.is_zero() {
        shared.world.clock.pause(shared.settings.login_failure_pause).await;
    }
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
