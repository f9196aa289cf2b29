//! The keys our mail is signed with, as the host manages them, and their life: a new key waits until its record is seen
//! in DNS, signs in place of the one before it, and that one's record stays while mail that it signed is under way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::Receiver;
use smol::future::FutureExt;

use super::Engine;
use super::interrupt::lock;
use crate::base::limits::{DKIM_PENDING_LOOK_SECONDS, DKIM_PUBLISHED_SECONDS, DNS_NAME_OCTETS_MAX};
use crate::base::world::{Record, RecordKind, World};
use crate::base::{Domain, Error, ErrorKind, Result, Secret, Timestamp};
use crate::mailauth::Keyring;
pub use crate::mailauth::dkim::{Algorithm, ExternalKey};
use crate::mailauth::dkim::{Signer, SigningKey, dns_record, generate, published_half};
use crate::store::{DkimKey, DkimKeyState, Store};

/// A key as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimKeyInfo {
    /// Signing domain.
    pub domain: String,
    /// Selector.
    pub selector: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// Where it stands; one that the host signs with is always active.
    pub state: DkimKeyState,
    /// When it came into that state; the epoch for one that the host signs with.
    pub changed: Timestamp,
    /// What TXT of `selector._domainkey.domain` must say; empty where the key is not here.
    pub record: String,
}

/// What the keys of an engine are kept in.
#[derive(Clone)]
pub(super) struct DkimKeys {
    world: World,
    store: Store,
    /// What signs now.
    pub(super) keyring: Arc<Keyring>,
    /// Signers whose keys are the host's.
    externals: Arc<Mutex<Vec<Signer>>>,
    loads: Arc<Loads>,
}

/// Puts the loads of the keyring in order. A load reads the store first and fills the keyring later; one that began
/// before another has ended must not undo it, or a key that was removed in between would sign again.
#[derive(Default)]
struct Loads {
    begun: AtomicU64,
    /// The latest load, by its number, that the keyring shows.
    shown: Mutex<u64>,
}

impl Engine {
    /// Gives a key (PEM, or the base64 of an Ed25519 seed) under its name in DNS; it signs from now on, in place of the
    /// domain's active key of the same kind. A key of that name is replaced.
    pub async fn dkim_set(&self, domain: &str, selector: &str, key: &Secret) -> Result<()> {
        let (domain, selector) = names(domain, selector)?;
        let algorithm = SigningKey::parse(key.expose())?.algorithm();
        let row = self.row(domain, selector, algorithm, key.clone(), DkimKeyState::Active);
        self.store().dkim_key_put(row, true).await?;
        self.inner.dkim.load().await
    }

    /// Makes a key and gives the TXT record to publish at `selector._domainkey.domain`. It signs once that is seen
    /// there, or [`Engine::dkim_activate`] says so. `Exists` where there is a key of that name.
    pub async fn dkim_generate(&self, domain: &str, selector: &str, algorithm: Algorithm) -> Result<String> {
        let (domain, selector) = names(domain, selector)?;
        let made = self.compute(move || {
            let pem = Secret::new(generate(algorithm)?);
            let record = dns_record(&SigningKey::parse(pem.expose())?)?;
            Ok((pem, record))
        });
        let (pem, record) = made.await?;
        let row = self.row(domain, selector, algorithm, pem, DkimKeyState::Pending);
        self.store().dkim_key_put(row, false).await?;
        let _ = self.inner.keys_made.0.try_send(());
        Ok(record)
    }

    /// Signs with a key from now on, whether its record has been seen or not. `NotFound`; `State` for a retired key.
    pub async fn dkim_activate(&self, domain: &str, selector: &str) -> Result<()> {
        let (domain, selector) = names(domain, selector)?;
        let keys = self.store().dkim_keys().await?;
        let key = keys.iter().find(|key| key.domain == domain && key.selector == selector);
        let key = key.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such key"))?;
        if key.key.is_empty() {
            return Err(Error::new(ErrorKind::State, "the key is retired"));
        }
        let now = self.world().clock.wall();
        self.store().dkim_key_state(key, DkimKeyState::Active, now).await?;
        self.inner.dkim.load().await
    }

    /// Forgets a key. `NotFound`.
    pub async fn dkim_remove(&self, domain: &str, selector: &str) -> Result<()> {
        let (domain, selector) = names(domain, selector)?;
        let desk = &self.inner.dkim;
        let had_external = {
            let mut externals = lock(&desk.externals);
            let before = externals.len();
            externals.retain(|signer| signer.domain != domain || signer.selector != selector);
            externals.len() < before
        };
        match desk.store.dkim_key_delete(&domain, &selector).await {
            Err(e) if e.kind() == ErrorKind::NotFound && had_external => {}
            other => other?,
        }
        desk.load().await
    }

    /// Signs with a key of the host's (an HSM, a TPM), until the engine is closed: it is not kept.
    pub async fn dkim_external(
        &self,
        domain: &str,
        selector: &str,
        algorithm: Algorithm,
        key: Arc<dyn ExternalKey>,
    ) -> Result<()> {
        let (domain, selector) = names(domain, selector)?;
        let signer = Signer::new(domain, selector, SigningKey::external(algorithm, key));
        let desk = &self.inner.dkim;
        {
            let mut externals = lock(&desk.externals);
            externals.retain(|known| (&known.domain, &known.selector) != (&signer.domain, &signer.selector));
            externals.push(signer);
        }
        desk.load().await
    }

    /// All keys, by domain and selector.
    pub async fn dkim_keys(&self) -> Result<Vec<DkimKeyInfo>> {
        let mut keys: Vec<DkimKeyInfo> = self.store().dkim_keys().await?.into_iter().filter_map(info).collect();
        for signer in lock(&self.inner.dkim.externals).iter() {
            keys.push(DkimKeyInfo {
                domain: signer.domain.clone(),
                selector: signer.selector.clone(),
                algorithm: signer.key.algorithm(),
                state: DkimKeyState::Active,
                changed: Timestamp(0),
                record: String::new(),
            });
        }
        keys.sort_by(|a, b| (&a.domain, &a.selector).cmp(&(&b.domain, &b.selector)));
        Ok(keys)
    }

    fn row(&self, domain: String, selector: String, algorithm: Algorithm, key: Secret, state: DkimKeyState) -> DkimKey {
        let now = self.world().clock.wall();
        DkimKey { domain, selector, algorithm: algorithm.word().to_owned(), key, state, created: now, changed: now }
    }
}

/// Domain and selector in the form they are kept in.
fn names(domain: &str, selector: &str) -> Result<(String, String)> {
    let invalid = |what: &str| Error::new(ErrorKind::Invalid, format!("{what:?}: not a domain name"));
    let key = match Domain::parse(domain) {
        Ok(Domain::Literal(_)) | Err(_) => return Err(invalid(domain)),
        Ok(name) => name.key(),
    };
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
    };
    if selector.split('.').all(is_label) && selector.len() + key.len() + "._domainkey.".len() <= DNS_NAME_OCTETS_MAX {
        Ok((key, selector.to_ascii_lowercase()))
    } else {
        Err(Error::new(ErrorKind::Invalid, format!("{selector:?}: not a selector, like mail2026")))
    }
}

fn info(key: DkimKey) -> Option<DkimKeyInfo> {
    let record = SigningKey::parse(key.key.expose()).and_then(|key| dns_record(&key)).unwrap_or_default();
    Some(DkimKeyInfo {
        algorithm: Algorithm::parse(&key.algorithm)?,
        domain: key.domain,
        selector: key.selector,
        state: key.state,
        changed: key.changed,
        record,
    })
}

impl DkimKeys {
    pub(super) fn new(world: &World, store: &Store) -> DkimKeys {
        let (keyring, externals, loads) = Default::default();
        DkimKeys { world: world.clone(), store: store.clone(), keyring, externals, loads }
    }

    /// Gives the keyring what signs now. To be called after each change of the keys.
    pub(super) async fn load(&self) -> Result<()> {
        let number = self.loads.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let keys = self.store.dkim_keys().await?;
        self.show(number, keys);
        Ok(())
    }

    /// Fills the keyring with what load `number` has read, unless a later load has done so.
    fn show(&self, number: u64, keys: Vec<DkimKey>) {
        let active = keys.into_iter().filter(|key| key.state == DkimKeyState::Active);
        let mut signers = Vec::new();
        for key in active {
            match SigningKey::parse(key.key.expose()) {
                Ok(parsed) => signers.push(Signer::new(key.domain, key.selector, parsed)),
                Err(e) => log::warn!(target: "mailcore::dkim", "{}._domainkey.{}: {e}", key.selector, key.domain),
            }
        }
        let mut shown = lock(&self.loads.shown);
        if *shown < number {
            *shown = number;
            signers.extend(lock(&self.externals).iter().cloned());
            self.keyring.replace(signers);
        }
    }

    /// Moves keys on until the engine ends: looks for the records of those that wait, and retires those whose time is
    /// over. `wakes` has a word when a key was made.
    pub(super) async fn rotate(self, wakes: Receiver<()>, stop: Receiver<()>) {
        loop {
            let next = match self.turn().await {
                Ok(next) => next,
                Err(e) => {
                    log::warn!(target: "mailcore::dkim", "keys could not be looked at: {e}");
                    Some(Duration::from_secs(DKIM_PENDING_LOOK_SECONDS))
                }
            };
            let clock = &self.world.clock;
            let sleep = async {
                match next {
                    Some(pause) => clock.sleep_until(clock.now() + pause).await,
                    None => std::future::pending().await,
                }
                true
            };
            let woken = async { wakes.recv().await.is_ok() };
            let stopped = async {
                let _ = stop.recv().await;
                false
            };
            if !stopped.or(woken).or(sleep).await {
                return;
            }
        }
    }

    /// One look at all keys; how long until the next one is worth it.
    async fn turn(&self) -> Result<Option<Duration>> {
        let mut next: Option<Duration> = None;
        let mut soonest = |pause: Duration| next = Some(next.map_or(pause, |known| known.min(pause)));
        let mut is_changed = false;
        for key in self.store.dkim_keys().await? {
            let now = self.world.clock.wall();
            let state = match key.state {
                DkimKeyState::Pending if self.is_published(&key).await => DkimKeyState::Active,
                DkimKeyState::Pending => {
                    soonest(Duration::from_secs(DKIM_PENDING_LOOK_SECONDS));
                    continue;
                }
                DkimKeyState::Published => {
                    let over = key.changed.after(Duration::from_secs(DKIM_PUBLISHED_SECONDS));
                    if over > now {
                        let left = u64::try_from(over.0.saturating_sub(now.0)).unwrap_or(0);
                        soonest(Duration::from_millis(left));
                        continue;
                    }
                    DkimKeyState::Retired
                }
                DkimKeyState::Active | DkimKeyState::Retired => continue,
            };
            log::info!(target: "mailcore::dkim", "{}._domainkey.{} is {state:?} now", key.selector, key.domain);
            match self.store.dkim_key_state(&key, state, now).await {
                // The host has removed or replaced it meanwhile.
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                other => other?,
            }
            if state == DkimKeyState::Active {
                // The one before it has begun its last days.
                soonest(Duration::from_secs(DKIM_PUBLISHED_SECONDS));
            }
            is_changed = true;
        }
        if is_changed {
            self.load().await?;
        }
        Ok(next)
    }

    /// Whether DNS has the record of a key.
    async fn is_published(&self, key: &DkimKey) -> bool {
        let ours = SigningKey::parse(key.key.expose()).and_then(|key| dns_record(&key)).unwrap_or_default();
        let Some(ours) = published_half(ours.as_bytes()) else { return false };
        let name = format!("{}._domainkey.{}", key.selector, key.domain);
        let found = self.world.resolver.ask(&name, RecordKind::Txt).await.records.unwrap_or_default();
        let is_ours = |txt: &[u8]| published_half(txt).is_some_and(|half| half == ours);
        found.iter().any(|record| matches!(record, Record::Txt(txt) if is_ours(txt)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Config;

    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn engine(name: &str) -> (Engine, Folder) {
        let folder = std::env::temp_dir().join(format!("mailcore-dkim-{}-{name}", std::process::id()));
        (Engine::open(Config::new(&folder)).unwrap(), Folder(folder))
    }

    #[test]
    fn a_key_removed_while_a_load_is_under_way_stays_removed() {
        let (engine, _folder) = engine("load");
        smol::block_on(async {
            engine.dkim_generate("example.org", "s1", Algorithm::Ed25519Sha256).await.unwrap();
            engine.dkim_activate("example.org", "s1").await.unwrap();
            let desk = &engine.inner.dkim;
            assert!(!desk.keyring.is_empty());
            // A load that has read the store when the host removes the key, and is done after it.
            let number = desk.loads.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let keys = desk.store.dkim_keys().await.unwrap();
            engine.dkim_remove("example.org", "s1").await.unwrap();
            desk.show(number, keys);
            assert!(desk.keyring.is_empty());
            desk.load().await.unwrap();
            assert!(desk.keyring.is_empty() && engine.dkim_keys().await.unwrap().is_empty());
        });
        engine.close().unwrap();
    }

    #[test]
    fn a_key_removed_while_its_record_is_looked_for_stays_removed() {
        let (engine, _folder) = engine("look");
        smol::block_on(async {
            engine.dkim_generate("example.org", "s1", Algorithm::Ed25519Sha256).await.unwrap();
            let desk = &engine.inner.dkim;
            let seen = desk.store.dkim_keys().await.unwrap().remove(0);
            let now = engine.world().clock.wall();
            engine.dkim_remove("example.org", "s1").await.unwrap();
            let moved = desk.store.dkim_key_state(&seen, DkimKeyState::Active, now).await;
            assert_eq!(moved.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
            // Another key of the same name: its own record was not seen.
            engine.dkim_generate("example.org", "s1", Algorithm::Ed25519Sha256).await.unwrap();
            let moved = desk.store.dkim_key_state(&seen, DkimKeyState::Active, now).await;
            assert_eq!(moved.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
            let keys = engine.dkim_keys().await.unwrap();
            assert_eq!(keys.iter().map(|key| key.state).collect::<Vec<_>>(), [DkimKeyState::Pending]);
        });
        engine.close().unwrap();
    }
}
