//! Settings of ESMTP extensions and of peers that speak for others.

use std::fmt::Display;

use super::{Key, Kind, Value, as_number, as_text};
use crate::base::checking::Network;
use crate::base::limits::{HOLD_SECONDS_MAX, RATED_RECIPIENTS_MAX};
use crate::base::settings::Verify;
use crate::base::terms;

const HOLD_MAX: i64 = HOLD_SECONDS_MAX as i64;
const RECIPIENTS_MAX: i64 = RATED_RECIPIENTS_MAX as i64;

/// Settings of ESMTP.
pub(super) static KEYS: &[Key] = &[
    number!(
        "submission.hold_seconds_max",
        0,
        HOLD_MAX,
        "For how many seconds users may have mail held (FUTURERELEASE); 0 does not offer it.",
        settings.esmtp.hold_seconds_max as u64
    ),
    Key {
        name: "smtp.no_soliciting",
        kind: Kind::Text,
        doc: "Classes of solicitation that are refused (NO-SOLICITING), like org.example:adv, by commas; empty: none.",
        read: |c| Value::Text(c.settings.esmtp.no_soliciting.clone().unwrap_or_default()),
        write: |c, v| {
            c.settings.esmtp.no_soliciting = match as_text(v)? {
                "" => None,
                classes => Some(terms::solicit(classes)?),
            };
            Some(())
        },
    },
    Key {
        name: "smtp.verify",
        kind: Kind::Text,
        doc: "Who is told by VRFY and EXPN which addresses there are: nobody, users (who logged in) or anybody.",
        read: |c| Value::Text(c.settings.esmtp.verify.name().to_owned()),
        write: |c, v| {
            let word = as_text(v)?;
            c.settings.esmtp.verify = Verify::NAMES.iter().find(|(name, _)| *name == word)?.1;
            Some(())
        },
    },
    number!(
        "submission.messages_per_hour_max",
        0,
        1_000_000_000,
        "Messages that one account may submit in an hour; 0 for no limit.",
        settings.esmtp.submission.messages_per_hour_max as u32
    ),
    number!(
        "submission.messages_per_day_max",
        0,
        1_000_000_000,
        "Messages that one account may submit in a day; 0 for no limit.",
        settings.esmtp.submission.messages_per_day_max as u32
    ),
    number!(
        "submission.recipients_per_day_max",
        0,
        RECIPIENTS_MAX,
        "Different recipients that one account may write to in a day; 0 for no limit.",
        settings.esmtp.submission.recipients_per_day_max as u32
    ),
    Key {
        name: "submission.trusted",
        kind: Kind::Text,
        doc: "Peers that submit without a login, like printers: addresses and networks (192.0.2.0/24), by commas.",
        read: |c| Value::Text(list(&c.settings.esmtp.relays)),
        write: |c, v| {
            c.settings.esmtp.relays = networks(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "xclient.trusted",
        kind: Kind::Text,
        doc: "Peers whose XCLIENT and XFORWARD are believed: addresses and networks (192.0.2.0/24), by commas.",
        read: |c| Value::Text(list(&c.settings.esmtp.xclient)),
        write: |c, v| {
            c.settings.esmtp.xclient = networks(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "proxy.trusted",
        kind: Kind::Text,
        doc: "Proxies, whose connections to any listener begin with a PROXY header: addresses and networks, by commas.",
        read: |c| Value::Text(list(&c.settings.esmtp.proxies)),
        write: |c, v| {
            c.settings.esmtp.proxies = networks(as_text(v)?)?;
            Some(())
        },
    },
];

fn list<T: Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(",")
}

fn networks(text: &str) -> Option<Vec<Network>> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(|item| item.parse().ok()).collect()
}
