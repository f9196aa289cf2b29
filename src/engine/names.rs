//! The engine's names: records the host set stand in front of the DNS server it asks.
//!
//! The server is chosen when the engine starts, since its address is a setting; until then only the host's
//! own records exist.

use std::sync::Arc;
use std::time::Duration;

use once_cell::sync::OnceCell;

use crate::base::world::{BoxFuture, DnsAnswer, NoRecords, RecordKind, Resolver};

/// A resolver that is named later.
#[derive(Default, Clone)]
pub struct LateResolver {
    chosen: Arc<OnceCell<Arc<dyn Resolver>>>,
}

impl LateResolver {
    /// Names the resolver; the first one stays.
    pub fn choose(&self, resolver: Arc<dyn Resolver>) {
        let _ = self.chosen.set(resolver);
    }
}

impl Resolver for LateResolver {
    fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        match self.chosen.get() {
            Some(resolver) => resolver.ask(name, kind),
            None => Box::pin(std::future::ready(DnsAnswer {
                records: Err(NoRecords::NxDomain),
                ttl: Duration::ZERO,
                secure: false,
            })),
        }
    }

    fn known(&self, name: &str, kind: RecordKind) -> Option<DnsAnswer> {
        self.chosen.get()?.known(name, kind)
    }
}
