//! Recipients of queued mail that live here: reports to local senders, and mail whose domain became ours.

use std::collections::BTreeSet;

use crate::base::limits::ALIAS_STEPS_MAX;
use crate::base::{Address, Flags, MailboxId, Settings, Timestamp};
use crate::store::{Directory, Filing};

/// Where mail for an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// To these inboxes here, and to these addresses elsewhere.
    Known {
        /// Inboxes.
        inboxes: Vec<MailboxId>,
        /// Addresses.
        away: Vec<Address>,
    },
    /// The domain is ours and nobody has the address.
    Nobody,
}

/// Follows an address: an alias of exactly this name, the account, both without what stands behind the subaddress
/// separator, the domain's catch-all.
pub(super) fn find(directory: &Directory, settings: &Settings, address: &Address) -> Whereabouts {
    let (mut inboxes, mut away) = (BTreeSet::new(), BTreeSet::new());
    let mut followed = BTreeSet::new();
    let mut waiting = vec![address.clone()];
    for _ in 0..ALIAS_STEPS_MAX {
        let Some(next) = waiting.pop() else { break };
        if !directory.is_local_domain(&next.domain().key()) {
            away.insert(next);
            continue;
        }
        for key in keys(settings, &next) {
            // An alias that names its own address leads on to the account behind it.
            if let Some(targets) = directory.alias(&key)
                && followed.insert(key.clone())
            {
                waiting.extend(targets.iter().filter_map(|target| Address::parse(target).ok()));
                break;
            }
            if let Some(account) = directory.account(&key) {
                inboxes.insert(account.inbox);
                break;
            }
        }
    }
    if inboxes.is_empty() && away.is_empty() {
        return Whereabouts::Nobody;
    }
    Whereabouts::Known { inboxes: inboxes.into_iter().collect(), away: away.into_iter().collect() }
}

fn keys(settings: &Settings, address: &Address) -> Vec<String> {
    let base = settings.subaddress_separator.and_then(|separator| address.local().split_once(separator));
    let base = base.map(|(base, _)| base).filter(|base| !base.is_empty()).map(|base| address.with_local(base).key());
    let catch_all = format!("@{}", address.domain().key());
    [Some(address.key()), base, Some(catch_all)].into_iter().flatten().collect()
}

/// One filing for each inbox.
pub(super) fn filings(inboxes: &[MailboxId], now: Timestamp) -> Vec<Filing> {
    let filing = |mailbox: &MailboxId| Filing {
        mailbox: *mailbox,
        flags: Flags::NONE,
        keywords: Vec::new(),
        internal_date: now,
    };
    inboxes.iter().map(filing).collect()
}
