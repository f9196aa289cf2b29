//! Classes of failures: what a sender does about them. The first rule that fits decides, and is told by its name.
//!
//! Systems use the same codes for different things: a word that says what it is outweighs the code.

use crate::base::Enhanced;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// There is no such mailbox: further mail fails too.
    Hard,
    /// It may pass.
    Soft,
    /// The mailbox, or the host's disk, is full.
    Full,
    /// The message, or the sender, is taken for spam.
    Spam,
    /// The host's rules do not allow it: authentication, rights, size, content.
    Policy,
    /// The domain or its hosts cannot be found.
    Dns,
}

impl Class {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Class::Hard => "hard",
            Class::Soft => "soft",
            Class::Full => "full",
            Class::Spam => "spam",
            Class::Policy => "policy",
            Class::Dns => "dns",
        }
    }
}

/// Words of a text in lower case, and what they mean. Order counts: what names a cause surely comes first.
const WORDS: &[(&str, Class, &[&str])] = &[
    (
        "words-full",
        Class::Full,
        &[
            "mailbox full",
            "mailbox is full",
            "mailbox has exceeded",
            "over quota",
            "overquota",
            "quota exceeded",
            "exceeded storage",
            "exceeds quota",
            "exceeded its quota",
            "out of storage",
            "insufficient system storage",
            "mailbox size limit",
            "not enough space",
            "quotaexceeded",
            "inbox is full",
            "maildir over",
            "exceeded the space limit",
        ],
    ),
    (
        "words-spam",
        Class::Spam,
        &[
            "spam",
            "dnsbl",
            "blacklist",
            "blocklist",
            "block list",
            "black list",
            "rbl",
            "unsolicited",
            "bulk mail",
            "reputation",
            "junk mail",
            "listed at",
            "virus",
            "phish",
            "abusive",
        ],
    ),
    (
        "words-dns",
        Class::Dns,
        &[
            "host not found",
            "host unknown",
            "unknown host",
            "domain not found",
            "no mx",
            "unrouteable",
            "unroutable",
            "name service error",
            "name or service not known",
            "nxdomain",
            "domain does not exist",
            "no such domain",
            "couldn't find any host",
            "could not find any host",
            "host or domain name not found",
            "dns error",
            "does not resolve",
            "no mail hosts for domain",
            "null mx",
            "domain name not found",
        ],
    ),
    (
        "words-mailbox",
        Class::Hard,
        &[
            "user unknown",
            "unknown user",
            "no such user",
            "user not found",
            "no such mailbox",
            "mailbox not found",
            "unknown recipient",
            "recipient unknown",
            "does not exist",
            "doesn't exist",
            "no mailbox here",
            "invalid recipient",
            "invalid mailbox",
            "mailbox unavailable",
            "recipient not found",
            "recipnotfound",
            "address unknown",
            "unknown address",
            "no such address",
            "not listed in",
            "not a valid",
            "no longer available",
            "account disabled",
            "account is disabled",
            "account that you tried to reach",
            "mailbox disabled",
            "user disabled",
            "unknown local part",
            "no such recipient",
            "not our customer",
            "mailbox inactive",
            "no account",
            "recipient address rejected: undeliverable",
            "unknown or illegal alias",
            "user doesn",
            "not found by smtp address lookup",
            "no such person",
        ],
    ),
    (
        "words-policy",
        Class::Policy,
        &[
            "dmarc",
            "dkim",
            "spf",
            "unauthenticated",
            "authentication required",
            "relay",
            "relaying",
            "access denied",
            "not authorized",
            "not permitted",
            "not allowed",
            "policy",
            "too large",
            "size limit",
            "message size",
            "content rejected",
            "rejected by",
            "reverse dns",
            "ptr record",
            "not accept",
            "administrative prohibition",
            "prohibited",
            "permission",
        ],
    ),
];

/// The class of a failure, and the rule that chose it. `code` is an SMTP reply code or 0.
pub fn classify(status: Option<Enhanced>, code: u16, text: &str) -> (Class, &'static str) {
    let text = text.to_lowercase();
    let parts = status.map(|status| (status.class, status.subject, status.detail));
    match parts {
        Some((_, 2, 2)) => return (Class::Full, "status-x.2.2"),
        Some((_, 1, 2)) => return (Class::Dns, "status-x.1.2"),
        Some((5, 1, 1 | 6)) if !has_word(&text, "words-spam") => return (Class::Hard, "status-5.1.1"),
        _ => {}
    }
    for (rule, class, words) in WORDS {
        let is_transient = matches!(parts, Some((4, ..))) || parts.is_none() && code / 100 == 4;
        if words.iter().any(|word| contains(&text, word)) {
            // What may pass is no proof that a mailbox is not there.
            let class = if is_transient && *class == Class::Hard { Class::Soft } else { *class };
            return (class, rule);
        }
    }
    match (parts, code) {
        (Some((_, 3, 1)), _) => (Class::Full, "status-x.3.1"),
        // RFC 7505, and what Exchange says of a recipient that it does not know, in words above.
        (Some((_, 1, 10)), _) => (Class::Dns, "status-x.1.10"),
        (Some((_, 4, 4)), _) => (Class::Dns, "status-x.4.4"),
        (Some((_, 7, _)), _) => (Class::Policy, "status-x.7"),
        (Some((_, 6, _)), _) => (Class::Policy, "status-x.6"),
        (Some((4, ..)), _) => (Class::Soft, "status-4"),
        (Some((5, 1, _)), _) => (Class::Hard, "status-5.1"),
        (Some((5, 2, 1)), _) => (Class::Hard, "status-5.2.1"),
        (Some((5, 4, _)), _) => (Class::Soft, "status-5.4"),
        (None, 552) => (Class::Full, "code-552"),
        (None, 550 | 551 | 553) => (Class::Hard, "code-550"),
        (None, 400..=499) => (Class::Soft, "code-4"),
        // 5.0.0 and 5.x.x of other subjects say that it is for good, and not why: the mailbox may be there.
        _ => (Class::Soft, "nothing-known"),
    }
}

fn has_word(text: &str, rule: &str) -> bool {
    WORDS.iter().filter(|(name, ..)| *name == rule).any(|(_, _, words)| words.iter().any(|word| contains(text, word)))
}

/// Whether a word, or phrase, stands in a text; short ones only between other characters than letters.
fn contains(text: &str, word: &str) -> bool {
    if word.len() > 5 {
        return text.contains(word);
    }
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let behind = text.get(at + word.len()..).and_then(|behind| behind.chars().next());
        ![before, behind].into_iter().flatten().any(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_choose_classes() {
        let of = |class, subject, detail| Some(Enhanced::new(class, subject, detail));
        for (status, code, text, class, rule) in [
            (of(5, 1, 1), 550, "550 5.1.1 user unknown", Class::Hard, "status-5.1.1"),
            (of(5, 2, 2), 552, "over quota", Class::Full, "status-x.2.2"),
            (of(4, 2, 2), 452, "The email account is over its limit", Class::Full, "status-x.2.2"),
            (of(5, 7, 1), 550, "550 5.7.1 blocked using zen.example", Class::Policy, "status-x.7"),
            (of(5, 7, 1), 550, "554 5.7.1 message looks like spam", Class::Spam, "words-spam"),
            (of(5, 7, 26), 550, "unauthenticated mail, see DMARC", Class::Policy, "words-policy"),
            (of(5, 1, 2), 0, "bad domain", Class::Dns, "status-x.1.2"),
            (of(5, 4, 4), 0, "Host or domain name not found", Class::Dns, "words-dns"),
            (of(4, 4, 1), 0, "connection timed out", Class::Soft, "status-4"),
            (of(4, 1, 1), 450, "user unknown", Class::Soft, "words-mailbox"),
            (of(5, 0, 0), 550, "550 Requested action not taken: mailbox unavailable", Class::Hard, "words-mailbox"),
            (None, 550, "550 go away", Class::Hard, "code-550"),
            (None, 421, "try later", Class::Soft, "code-4"),
            (None, 0, "undeliverable", Class::Soft, "nothing-known"),
            (None, 0, "This user doesn't have a yahoo.com account", Class::Hard, "words-mailbox"),
            (of(5, 0, 0), 0, "failed", Class::Soft, "nothing-known"),
            (of(5, 2, 1), 550, "disabled", Class::Hard, "status-5.2.1"),
            (of(5, 1, 1), 550, "rejected, your host is on a blacklist", Class::Spam, "words-spam"),
        ] {
            assert_eq!(classify(status, code, text), (class, rule), "{text}");
        }
    }
}
