//! Settings of what is kept about outgoing mail as a whole: TLS reports, remembered TLS, reports of others on our mail,
//! suppressed addresses.

use std::time::Duration;

use super::checking::{address_or_none, optional_address};
use super::{Key, Kind, Value, as_number, as_text};

/// Settings of outgoing mail as a whole.
pub(super) static KEYS: &[Key] = &[
    Key {
        name: "tlsrpt.report_from",
        kind: Kind::Text,
        doc: "Address that TLS reports (RFC 8460) are sent from, each day to the domains that ask; empty sends none.",
        read: |c| Value::Text(optional_address(c.settings.sending.tls_report_from.as_ref())),
        write: |c, v| {
            c.settings.sending.tls_report_from = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    Key {
        name: "tlsrpt.report_address",
        kind: Kind::Text,
        doc: "Local address whose mail is read for TLS reports, beside being filed; empty reads none.",
        read: |c| Value::Text(optional_address(c.settings.sending.tls_report_address.as_ref())),
        write: |c, v| {
            c.settings.sending.tls_report_address = address_or_none(as_text(v)?)?;
            Some(())
        },
    },
    seconds!(
        "tlsrpt.keep_seconds",
        86_400,
        3_660 * 86_400,
        "How long TLS reports that came are kept for queries.",
        settings.sending.tls_report_keep
    ),
    switch!(
        "outbound.remember_tls",
        "A host that did TLS gets no mail without it for outbound.remember_tls_seconds.",
        settings.sending.remember_tls
    ),
    seconds!(
        "outbound.remember_tls_seconds",
        60,
        366 * 86_400,
        "How long after a host did TLS last it must do it again.",
        settings.sending.remember_tls_for
    ),
    switch!(
        "bounces.read",
        "Read mail that comes for bounces, receipts and complaints about mail of ours: event reported.",
        settings.sending.read_reports
    ),
    switch!(
        "suppress.failed",
        "Suppress addresses that fail for good, or whose owners complain.",
        settings.sending.suppress_failed
    ),
    seconds!(
        "suppress.seconds",
        3_600,
        3_660 * 86_400,
        "How long such an address gets no mail.",
        settings.sending.suppress_for
    ),
];
