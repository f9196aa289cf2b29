//! Settings of how mail from others is checked and ours is marked: SPF, DKIM, DMARC, ARC and their results.

use std::fmt::Display;
use std::time::Duration;

use super::{Key, Kind, Value, as_number, as_text};
use crate::base::checking::UncertainFrom;
use crate::base::{Address, Domain};

/// Settings of mail authentication.
pub(super) static KEYS: &[Key] = &[
    switch!(
        "auth.results",
        "Write Authentication-Results, and remove others' with our name.",
        settings.checking.results
    ),
    Key {
        name: "auth.serv_id",
        kind: Kind::Text,
        doc: "Our name in Authentication-Results; empty is the hostname.",
        read: |c| Value::Text(c.settings.checking.serv_id.clone().unwrap_or_default()),
        write: |c, v| {
            c.settings.checking.serv_id = match as_text(v)? {
                "" => None,
                name => Some(Domain::parse(name).ok()?.key()),
            };
            Some(())
        },
    },
    Key {
        name: "auth.trusted",
        kind: Kind::Text,
        doc: "Clients whose mail is not checked: addresses and networks (192.0.2.0/24), by commas.",
        read: |c| Value::Text(list(&c.settings.checking.trusted)),
        write: |c, v| {
            c.settings.checking.trusted = items(as_text(v)?, |item| item.parse().ok())?;
            Some(())
        },
    },
    switch!("auth.lmtp", "Check mail by LMTP too; usually the relay in front has done it.", settings.checking.lmtp),
    seconds!("auth.dns_seconds", 1, 300, "How long the checks of one message may ask DNS.", settings.checking.dns),
    switch!("spf.check", "Check SPF.", settings.checking.spf),
    switch!("spf.reject", "Refuse mail for a fail of SPF alone, whatever DMARC says.", settings.checking.spf_rejects),
    switch!("dkim.check", "Check DKIM signatures.", settings.checking.dkim),
    switch!("dkim.sign", "Sign our mail where there is a key for its domain.", settings.checking.signs),
    switch!("dmarc.check", "Evaluate DMARC.", settings.checking.dmarc),
    switch!("dmarc.enforce", "Obey DMARC: reject refuses, quarantine files as junk.", settings.checking.dmarc_enforced),
    switch!(
        "dmarc.defer_on_temperror",
        "Put mail off while DNS does not say whether DMARC has a policy, instead of taking it.",
        settings.checking.dmarc_defers
    ),
    Key {
        name: "dmarc.uncertain_from",
        kind: Kind::Text,
        doc: "What becomes of mail whose From does not name its authors for certain: refuse, junk or take.",
        read: |c| Value::Text(c.settings.checking.uncertain_from.word().to_owned()),
        write: |c, v| {
            let word = as_text(v)?;
            let found = UncertainFrom::NAMES.iter().find(|(_, name)| *name == word)?;
            c.settings.checking.uncertain_from = found.0;
            Some(())
        },
    },
    Key {
        name: "dmarc.report_from",
        kind: Kind::Text,
        doc: "Address that DMARC aggregate reports are sent from, each day to the domains that ask; empty sends none.",
        read: |c| Value::Text(optional_address(c.settings.dmarc.report_from.as_ref())),
        write: |c, v| {
            c.settings.dmarc.report_from = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "dmarc.report_address",
        kind: Kind::Text,
        doc: "Local address whose mail is read for DMARC aggregate reports, beside being filed; empty reads none.",
        read: |c| Value::Text(optional_address(c.settings.dmarc.report_address.as_ref())),
        write: |c, v| {
            c.settings.dmarc.report_address = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    seconds!(
        "dmarc.keep_seconds",
        86_400,
        3_660 * 86_400,
        "How long DMARC aggregate reports that came are kept for queries.",
        settings.dmarc.keep
    ),
    switch!("arc.check", "Check ARC chains.", settings.checking.arc),
    Key {
        name: "arc.trusted",
        kind: Kind::Text,
        doc: "Domains whose ARC seal outweighs a failure of DMARC, by commas.",
        read: |c| Value::Text(list(&c.settings.checking.arc_trusted)),
        write: |c, v| {
            c.settings.checking.arc_trusted = items(as_text(v)?, |item| Domain::parse(item).ok())?;
            Some(())
        },
    },
    switch!(
        "arc.seal",
        "Seal mail that an alias sends on, where there is a DKIM key to do it with.",
        settings.checking.arc_seals
    ),
    switch!("iprev.check", "Look the client's address up and back.", settings.checking.iprev),
    switch!("bimi.check", "Look up BIMI's record for mail that passes DMARC.", settings.checking.bimi),
    switch!(
        "submission.check_from",
        "From in an account's mail must name its own addresses only.",
        settings.checking.from_is_own
    ),
];

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

pub(super) fn address_or_none(text: &str) -> Option<Option<Address>> {
    if text.is_empty() { Some(None) } else { Address::parse(text).ok().map(Some) }
}

pub(super) fn optional_address(address: Option<&Address>) -> String {
    address.map(ToString::to_string).unwrap_or_default()
}

/// What stands between commas; none of an empty text.
fn items<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(read).collect()
}
