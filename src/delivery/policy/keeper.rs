//! MTA-STS policies of other domains: found by TXT record, fetched over HTTPS, kept in the store until they expire
//! (RFC 8461 §3, §5).
//!
//! A policy that is kept holds though DNS or the HTTPS host fail, or tell nothing any more, until its time is over. One
//! whose id changed is fetched before mail goes on; one that is older than a day is fetched anew whatever its id is, by
//! mail and by [`StsKeeper::refresh`]. Two who want the same domain's policy wait for one fetch. After a failure the
//! host is left alone for `STS_RETRY_SECONDS`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::sts::{StsMode, StsPolicy, id_of};
use crate::base::limits::{
    DNS_WAIT_SECONDS, STS_FETCH_SECONDS, STS_KNOWN_MAX, STS_POLICY_OCTETS_MAX, STS_REFRESH_SECONDS, STS_RETRY_SECONDS,
};
use crate::base::world::{NoRecords, Record, RecordKind};
use crate::base::{Mono, Settings, Timestamp, World};
use crate::dns::mx::{self, Exchanger};
use crate::net::https::{self, Request};
use crate::store::{Store, StsRow};

/// Policies of domains that are not used for so long are not fetched again by themselves.
const UNUSED: Duration = Duration::from_secs(30 * 86_400);
/// Policies looked at in one step of a refresh.
const REFRESH_STEP: usize = 64;

/// Keeps policies. Clones share them.
#[derive(Clone, Default)]
pub struct StsKeeper(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Without one, policies live in memory only.
    store: Option<Store>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// How a fetch failed: the word of RFC 8460 §4.3.2, and a text.
pub type Trouble = (&'static str, String);

/// What is known of a domain.
#[derive(Clone, Default)]
struct Known {
    kept: Option<CachedPolicy>,
    /// Until when nothing is fetched after a failure, and what was to be fetched.
    failed: Option<(Mono, String)>,
    /// How it failed last: the word of RFC 8460 §4.3.2, and a text.
    trouble: Option<Trouble>,
    /// Ends when the fetch under way does.
    fetch: Option<Receiver<Infallible>>,
}

/// A policy with its terms.
#[derive(Clone)]
struct CachedPolicy {
    id: String,
    policy: Arc<StsPolicy>,
    fetched: Timestamp,
    used: Timestamp,
    expires: Timestamp,
}

impl StsKeeper {
    /// Keeps policies in a store.
    pub fn new(store: Store) -> StsKeeper {
        StsKeeper(Arc::new(Inner { store: Some(store), known: Mutex::default() }))
    }

    /// The policy that holds for a domain now; `None` where there is none, or where it asks for nothing.
    pub async fn policy(&self, world: &World, settings: &Settings, domain: &str) -> Option<Arc<StsPolicy>> {
        let kept = self.kept(world, domain).await;
        let id = id_in_dns(world, domain).await;
        let fresh = kept.as_ref().is_some_and(|kept| {
            let is_young = world.clock.wall() < kept.fetched.after(Duration::from_secs(STS_REFRESH_SECONDS));
            id.as_ref().is_none_or(|id| *id == kept.id && is_young)
        });
        let holds = match id {
            Some(id) if !fresh => self.fetched(world, settings, domain, id, true).await.or(kept),
            _ => kept,
        };
        holds.map(|kept| kept.policy).filter(|policy| policy.mode != StsMode::None)
    }

    /// How the last fetch of a domain's policy failed, where it did.
    pub fn trouble(&self, domain: &str) -> Option<Trouble> {
        self.known().get(domain)?.trouble.clone()
    }

    /// Fetches policies again that are older than a day and were used lately, and forgets those whose time is over.
    pub async fn refresh(&self, world: &World, settings: &Settings) {
        let Some(store) = &self.0.store else { return };
        let now = world.clock.wall();
        if let Err(e) = store.sts_forget(now).await {
            log::warn!("expired MTA-STS policies could not be removed: {e}");
        }
        let old = Timestamp(now.0.saturating_sub(millis(Duration::from_secs(STS_REFRESH_SECONDS))));
        let unused = Timestamp(now.0.saturating_sub(millis(UNUSED)));
        let mut after = String::new();
        while let Ok(rows) = store.sts_rows(after.clone(), REFRESH_STEP).await {
            let Some(last) = rows.last() else { return };
            after.clone_from(&last.domain);
            for row in rows.into_iter().filter(|row| row.fetched < old && row.used >= unused) {
                if let Some(id) = id_in_dns(world, &row.domain).await {
                    self.fetched(world, settings, &row.domain, id, false).await;
                }
            }
        }
    }

    /// A policy that is kept and whose time is not over.
    async fn kept(&self, world: &World, domain: &str) -> Option<CachedPolicy> {
        let now = world.clock.wall();
        if let Some(known) = self.known().get(domain) {
            return known.kept.clone().filter(|kept| now < kept.expires);
        }
        let row = match &self.0.store {
            Some(store) => store.sts_row(domain.to_owned()).await.unwrap_or_default(),
            None => None,
        };
        let kept = row.and_then(CachedPolicy::of_row);
        self.known_of(domain, |known| {
            if known.kept.is_none() {
                known.kept.clone_from(&kept);
            }
        });
        kept.filter(|kept| now < kept.expires)
    }

    /// Fetches a policy, or waits for who does; `None` where that fails. `uses`: a message wants it.
    async fn fetched(
        &self,
        world: &World,
        settings: &Settings,
        domain: &str,
        id: String,
        uses: bool,
    ) -> Option<CachedPolicy> {
        loop {
            let turn = self.known_of(domain, |known| {
                let now = world.clock.now();
                if known.failed.as_ref().is_some_and(|(until, failed)| now < *until && *failed == id) {
                    return Turn::Failed;
                }
                if let Some(fetch) = &known.fetch {
                    return Turn::Others(fetch.clone());
                }
                let (ends, fetch) = bounded(1);
                known.fetch = Some(fetch);
                Turn::Ours(Fetch { keeper: self.clone(), domain: domain.to_owned(), _ends: ends })
            });
            match turn {
                Turn::Failed => return None,
                Turn::Others(fetch) => {
                    let _ = fetch.recv().await;
                    let kept = self.kept(world, domain).await.filter(|kept| kept.id == id);
                    if kept.is_some() {
                        return kept;
                    }
                }
                Turn::Ours(fetch) => {
                    let fetched = fetch_policy(world, settings, domain).await;
                    let kept = self.take_in(world, domain, id, fetched, uses).await;
                    drop(fetch);
                    return kept;
                }
            }
        }
    }

    /// Keeps what was fetched, or the failure.
    async fn take_in(
        &self,
        world: &World,
        domain: &str,
        id: String,
        fetched: Result<StsPolicy, Trouble>,
        uses: bool,
    ) -> Option<CachedPolicy> {
        let policy = match fetched {
            Ok(policy) => policy,
            Err(trouble) => {
                log::info!("MTA-STS policy of {domain}: {}", trouble.1);
                let until = world.clock.now() + Duration::from_secs(STS_RETRY_SECONDS);
                self.known_of(domain, |known| {
                    known.failed = Some((until, id));
                    known.trouble = Some(trouble);
                });
                return None;
            }
        };
        let now = world.clock.wall();
        let before = self.kept(world, domain).await.map(|kept| kept.used);
        let used = if uses { now } else { before.unwrap_or(now) };
        let expires = now.after(Duration::from_secs(policy.max_age));
        let kept = CachedPolicy { id, policy: Arc::new(policy), fetched: now, used, expires };
        if let Some(store) = &self.0.store
            && let Err(e) = store.sts_put(kept.row(domain)).await
        {
            log::warn!("the MTA-STS policy of {domain} could not be kept: {e}");
        }
        self.known_of(domain, |known| {
            known.kept = Some(kept.clone());
            known.failed = None;
            known.trouble = None;
        });
        Some(kept)
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a domain. Where too many are known, one that nobody fetches is forgotten.
    fn known_of<T>(&self, domain: &str, change: impl FnOnce(&mut Known) -> T) -> T {
        let mut known = self.known();
        if known.len() >= STS_KNOWN_MAX && !known.contains_key(domain) {
            // In memory alone a policy must not be lost before its time.
            let spare = |known: &Known| known.fetch.is_none() && (self.0.store.is_some() || known.kept.is_none());
            let gone = known.iter().find(|(_, one)| spare(one)).map(|(name, _)| name.clone());
            gone.map(|name| known.remove(&name));
        }
        change(known.entry(domain.to_owned()).or_default())
    }
}

enum Turn {
    Failed,
    Others(Receiver<Infallible>),
    Ours(Fetch),
}

/// The right to fetch a domain's policy; its end wakes those who wait.
struct Fetch {
    keeper: StsKeeper,
    domain: String,
    _ends: Sender<Infallible>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(known) = self.keeper.known().get_mut(&self.domain) {
            known.fetch = None;
        }
    }
}

impl CachedPolicy {
    fn of_row(row: StsRow) -> Option<CachedPolicy> {
        let policy = Arc::new(StsPolicy::parse(row.policy.as_bytes()).ok()?);
        Some(CachedPolicy { id: row.id, policy, fetched: row.fetched, used: row.used, expires: row.expires })
    }

    fn row(&self, domain: &str) -> StsRow {
        StsRow {
            domain: domain.to_owned(),
            id: self.id.clone(),
            policy: self.policy.lines().join("\n"),
            fetched: self.fetched,
            used: self.used,
            expires: self.expires,
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The id of a domain's policy; `None` where DNS tells of none now.
async fn id_in_dns(world: &World, domain: &str) -> Option<String> {
    let deadline = world.clock.sleep_until(world.clock.now() + Duration::from_secs(DNS_WAIT_SECONDS));
    let name = format!("_mta-sts.{domain}");
    let silence = async move {
        deadline.await;
        Err(NoRecords::Timeout)
    };
    let asked = async { world.resolver.ask(&name, RecordKind::Txt).await.records };
    let records = asked.or(silence).await.ok()?;
    let texts = records.iter().filter_map(|record| match record {
        Record::Txt(text) => Some(text.as_slice()),
        _ => None,
    });
    id_of(texts)
}

/// Fetches a domain's policy (RFC 8461 §3.3): no redirects, text/plain, a certificate that verifies.
async fn fetch_policy(world: &World, settings: &Settings, domain: &str) -> Result<StsPolicy, Trouble> {
    let unreached = |text: String| ("sts-policy-fetch-error", text);
    let host = format!("mta-sts.{domain}");
    let deadline = world.clock.now() + Duration::from_secs(STS_FETCH_SECONDS);
    let found = mx::addresses(world, &Exchanger::new(host.as_str(), 0), settings.outbound.ipv6).await;
    let port = settings.outbound.mta_sts_port;
    let at: Vec<SocketAddr> = found
        .map_err(|no_route| unreached(no_route.text))?
        .ips
        .into_iter()
        .map(|ip| SocketAddr::new(ip, port))
        .collect();
    let path = "/.well-known/mta-sts.txt";
    let request = Request { host: &host, at: &at, path, post: None, octets_max: STS_POLICY_OCTETS_MAX, deadline };
    let response = https::send(world, &request).await.map_err(|failure| {
        let text = format!("{host}: {}", failure.text);
        if failure.certificate.is_some() { ("sts-webpki-invalid", text) } else { unreached(text) }
    })?;
    if response.status != 200 {
        return Err(unreached(format!("{host} answers with status {}", response.status)));
    }
    if response.media_type != "text/plain" {
        return Err(unreached(format!("{host} sends {:?} in place of text/plain", response.media_type)));
    }
    StsPolicy::parse(&response.content).map_err(|text| ("sts-policy-invalid", text))
}
