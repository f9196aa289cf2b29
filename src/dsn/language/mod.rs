//! The words of reports for people, in the language that the sender of the message reads: English, German, French,
//! Spanish, Japanese. One table for each; what a host said stays in its own words.

mod de;
mod en;
mod es;
mod fr;
mod ja;

use super::report::Action;
use crate::base::Enhanced;
use crate::message::header;

/// What a failure is, as a person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    NoMailbox,
    NoDomain,
    TakesNoMail,
    BadAddress,
    SenderRefused,
    AddressRefused,
    SwitchedOff,
    Full,
    TooLarge,
    MailboxTrouble,
    SystemTrouble,
    Silent,
    Broke,
    NoWay,
    Circle,
    NotInTime,
    Unfit,
    Refused,
    Unknown,
}

impl Cause {
    /// All of them.
    #[cfg(test)]
    const ALL: [Cause; 19] = [
        Cause::NoMailbox,
        Cause::NoDomain,
        Cause::TakesNoMail,
        Cause::BadAddress,
        Cause::SenderRefused,
        Cause::AddressRefused,
        Cause::SwitchedOff,
        Cause::Full,
        Cause::TooLarge,
        Cause::MailboxTrouble,
        Cause::SystemTrouble,
        Cause::Silent,
        Cause::Broke,
        Cause::NoWay,
        Cause::Circle,
        Cause::NotInTime,
        Cause::Unfit,
        Cause::Refused,
        Cause::Unknown,
    ];

    /// What a status code means (RFC 3463).
    pub(super) fn of(status: Enhanced) -> Cause {
        match (status.subject, status.detail) {
            (1, 1) => Cause::NoMailbox,
            (1, 2) => Cause::NoDomain,
            (1, 10) => Cause::TakesNoMail,
            (1, 3) => Cause::BadAddress,
            (1, 7 | 8) => Cause::SenderRefused,
            (1, _) => Cause::AddressRefused,
            (2, 1) => Cause::SwitchedOff,
            (2, 2) => Cause::Full,
            (2, 3) | (3, 4) => Cause::TooLarge,
            (2, _) => Cause::MailboxTrouble,
            (3, _) => Cause::SystemTrouble,
            (4, 1) => Cause::Silent,
            (4, 2) => Cause::Broke,
            (4, 3) | (4, 4) => Cause::NoWay,
            (4, 6) => Cause::Circle,
            (4, 7) => Cause::NotInTime,
            (6, _) => Cause::Unfit,
            (7, _) => Cause::Refused,
            _ => Cause::Unknown,
        }
    }
}

/// The words of a language. `{}` stands for what is put in.
pub(super) struct Words {
    /// Its tag.
    pub tag: &'static str,
    /// Subjects: of failures, of delays, of successes.
    pub subjects: [&'static str; 3],
    /// Who writes.
    pub system: &'static str,
    /// What it is about: failures, delays, successes.
    pub introductions: [&'static str; 3],
    /// In front of the message's subject, and of the time it was taken.
    pub subject: &'static str,
    pub accepted: &'static str,
    /// Behind an alias: what was written to.
    pub sent_to: &'static str,
    /// Who spoke, and what: two places.
    pub said: &'static str,
    /// Who spoke, where no host is known.
    pub their_system: &'static str,
    /// Until when a message is tried.
    pub until: &'static str,
    /// In brackets behind the meaning: the status code.
    pub status: &'static str,
    /// Successes: delivered, relayed, expanded.
    pub successes: [&'static str; 3],
    /// What each cause means, and what helps.
    pub causes: fn(Cause) -> (&'static str, &'static str),
}

impl Words {
    /// Of three texts the one for an action.
    pub(super) fn of_kind(texts: &[&'static str; 3], kind: Action) -> &'static str {
        let [failed, delayed, others] = texts;
        match kind {
            Action::Failed => failed,
            Action::Delayed => delayed,
            _ => others,
        }
    }
}

/// A text with what is put in.
pub(super) fn filled(text: &str, what: &[&str]) -> String {
    let mut pieces = text.split("{}");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for (piece, what) in pieces.zip(what) {
        out.push_str(what);
        out.push_str(piece);
    }
    out
}

const LANGUAGES: [&Words; 5] = [&en::WORDS, &de::WORDS, &fr::WORDS, &es::WORDS, &ja::WORDS];
/// Tags of a field that are looked at.
const TAGS_MAX: usize = 20;

/// The language that the sender of a message reads: the first that is known of its Accept-Language (RFC 3282 §3), the
/// one that it wants most in front; otherwise that of its Content-Language; otherwise English.
pub(super) fn of_message(message: &[u8]) -> &'static Words {
    let accepted = || header::find(message, "accept-language").and_then(|field| wanted(&field.value()));
    let written = || header::find(message, "content-language").and_then(|field| wanted(&field.value()));
    accepted().or_else(written).unwrap_or(&en::WORDS)
}

fn wanted(value: &[u8]) -> Option<&'static Words> {
    let text = String::from_utf8_lossy(value);
    let mut tags: Vec<(u32, &str)> = text.split(',').take(TAGS_MAX).map(weighed).collect();
    // Stable: of equals the first.
    tags.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    tags.into_iter().filter(|(weight, _)| *weight > 0).find_map(|(_, tag)| {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        LANGUAGES.into_iter().find(|words| words.tag.eq_ignore_ascii_case(primary))
    })
}

/// `de-AT;q=0.8` as a weight of thousandths and a tag.
fn weighed(item: &str) -> (u32, &str) {
    let mut parts = item.split(';');
    let tag = parts.next().unwrap_or_default().trim();
    let q = parts.find_map(|part| part.trim().strip_prefix("q=")?.trim().parse::<f32>().ok()).unwrap_or(1.0);
    ((q.clamp(0.0, 1.0) * 1000.0) as u32, tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_s_language_is_found() {
        for (header, tag) in [
            ("Accept-Language: de-AT, en;q=0.5", "de"),
            ("Accept-Language: nl, fr;q=0.5, en;q=0.9", "en"),
            ("Accept-Language: ja\r\nContent-Language: es", "ja"),
            ("Accept-Language: nl\r\nContent-Language: es-MX", "es"),
            ("Accept-Language: de;q=0, fr;q=0.1", "fr"),
            ("Accept-Language: ;;q=,,,", "en"),
            ("Subject: none", "en"),
        ] {
            assert_eq!(of_message(format!("{header}\r\n\r\n").as_bytes()).tag, tag, "{header}");
        }
    }

    #[test]
    fn every_language_has_every_word() {
        for words in LANGUAGES {
            let singles = [words.subject, words.accepted, words.their_system];
            let with_place = [words.system, words.sent_to, words.until, words.status];
            let threes = [words.subjects, words.introductions, words.successes].concat();
            assert!(
                singles.iter().chain(&threes).all(|text| !text.is_empty() && !text.contains("{}")),
                "{}",
                words.tag
            );
            assert!(with_place.iter().all(|text| text.matches("{}").count() == 1), "{}", words.tag);
            assert_eq!(words.said.matches("{}").count(), 2, "{}", words.tag);
            for cause in Cause::ALL {
                let (meaning, remedy) = (words.causes)(cause);
                assert!(!meaning.is_empty() && !remedy.is_empty(), "{} {cause:?}", words.tag);
            }
        }
    }

    #[test]
    fn places_are_filled_in_order() {
        assert_eq!(filled("a {} b {} c", &["1", "2"]), "a 1 b 2 c");
        assert_eq!(filled("a {} b", &[]), "a ");
    }
}
