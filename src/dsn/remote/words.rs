//! Bounces of systems that say it in words alone: qmail, old Exim, old Sendmail, Exchange, Domino, Courier, Yahoo and
//! those like them. Only mail that looks like a bounce by its sender or subject is read so.

use super::{RemoteMail, RemoteStatus, Seen, Told, addresses_in, codes, id_text, text_of};
use crate::base::limits::REMOTE_REPORT_RECIPIENTS_MAX;
use crate::message::header::find;

/// Octets of a text that are read.
const TEXT_OCTETS: usize = 64 * 1024;
/// Lines of a reason, behind the recipient it is about.
const REASON_LINES: usize = 8;

/// Where the report ends and the returned message begins.
const ORIGINAL_BELOW: &[&str] = &[
    "--- below this line is a copy of the message",
    "--- below the next line is a copy of the message",
    "--- undelivered message follows ---",
    "------ this is a copy of the message",
    "------ this is a copy of your message",
    "----- original message -----",
    "----- message header follows -----",
    "----- unsent message follows -----",
    "----- original message follows -----",
    "----- returned message -----",
    "--- the header of the original message",
    "received: from ",
    "return-path: <",
];

/// Words that begin a notice of delay.
const DELAYED: &[&str] = &[
    "this is a warning message only",
    "has not yet been delivered",
    "could not send message for past",
    "you do not need to resend",
    "will continue to try",
    "delivery to the following recipient has been delayed",
    "is still in the queue",
];

/// What those who write bounces are called, and what their subjects say.
const SENDERS: &[&str] = &[
    "mailer-daemon",
    "postmaster",
    "mail delivery",
    "mail administrator",
    "system administrator",
    "mdaemon",
    "mail router",
];
const SUBJECTS: &[&str] = &[
    "failure notice",
    "delivery status",
    "undeliver",
    "returned mail",
    "delivery failure",
    "delivery failed",
    "mail delivery failed",
    "non-delivery",
    "nondeliver",
    "delivery report",
    "mail system error",
    "unzustellbar",
    "warning: could not send",
    "delivery notification",
    "mail failure",
    "message delivery",
    "delayed",
];

/// Reads a bounce in words.
pub(super) fn read(header: &[u8], body: &[u8], parts: &[Seen<'_>]) -> RemoteMail {
    let value = |name: &str| find(header, name).map(|field| text_of(&field.value())).unwrap_or_default();
    let (from, subject) = (value("from").to_lowercase(), value("subject").to_lowercase());
    let is_bounce =
        SENDERS.iter().any(|word| from.contains(word)) || SUBJECTS.iter().any(|word| subject.contains(word));
    if !is_bounce {
        return RemoteMail::default();
    }
    let text = match parts.iter().find(|part| part.is_plain_text()) {
        Some(part) => part.body(),
        None => body.to_vec(),
    };
    let text = text_of(text.get(..TEXT_OCTETS).unwrap_or(&text));
    let report = in_front_of_original(&text);
    let lower = report.to_lowercase();
    let told = if DELAYED.iter().any(|words| lower.contains(words)) { Told::Delayed } else { Told::Failed };
    let ours: Vec<String> = addresses_in(&value("to")).iter().map(|address| address.to_lowercase()).collect();
    let failed = value("x-failed-recipients");
    let mut statuses = by_lines(report, told, &ours);
    if !failed.is_empty() {
        // Exim names them in the header; the reasons stand in the text.
        let named = addresses_in(&failed).into_iter().map(|recipient| {
            let known = statuses.iter().find(|status| status.recipient.eq_ignore_ascii_case(&recipient));
            known.cloned().unwrap_or_else(|| status(told, recipient, report))
        });
        statuses = named.collect();
    }
    let from_of = addresses_in(&value("from")).into_iter().next();
    let reporter = from_of.and_then(|from| from.rsplit_once('@').map(|(_, domain)| domain.to_owned()));
    RemoteMail { reporter: reporter.unwrap_or_default(), statuses, ..RemoteMail::default() }
}

/// Message-ID of a message whose header stands in the text.
pub(super) fn original_id(body: &[u8]) -> Option<String> {
    let text = body.get(..TEXT_OCTETS).unwrap_or(body);
    let text = text_of(text);
    let line = text.lines().find(|line| line.get(..11).is_some_and(|name| name.eq_ignore_ascii_case("message-id:")))?;
    id_text(line.get(11..)?.as_bytes())
}

fn in_front_of_original(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.trim_start_matches([' ', '>', '\t']).to_lowercase();
        if at > 0 && ORIGINAL_BELOW.iter().any(|mark| lower.starts_with(mark)) {
            return text.get(..at).unwrap_or(text);
        }
        at += line.len();
    }
    text
}

fn status(told: Told, recipient: String, reason: &str) -> RemoteStatus {
    let (code, status) = codes(reason);
    RemoteStatus { told, recipient, code, status, text: reason.trim().to_owned() }
}

/// Lines that begin with an address, each with the lines behind it up to the next one.
fn by_lines(report: &str, told: Told, ours: &[String]) -> Vec<RemoteStatus> {
    let mut found: Vec<(String, String, usize)> = Vec::new();
    let (mut is_open, mut blank) = (false, false);
    for line in report.lines() {
        if let Some((recipient, rest)) =
            begins(line, is_open && !blank).filter(|(to, _)| !ours.contains(&to.to_lowercase()))
        {
            is_open = true;
            blank = false;
            if let Some((_, reason, lines)) =
                found.iter_mut().find(|(known, ..)| known.eq_ignore_ascii_case(&recipient))
            {
                // A transcript comes back to a recipient.
                reason.push(' ');
                reason.push_str(rest);
                *lines += 1;
            } else if found.len() < REMOTE_REPORT_RECIPIENTS_MAX {
                found.push((recipient, rest.to_owned(), 0));
            }
            continue;
        }
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if let (true, Some((_, reason, lines))) = (is_open, found.last_mut())
            && *lines < REASON_LINES
        {
            reason.push(' ');
            reason.push_str(line.trim());
            *lines += 1;
        }
        blank = false;
    }
    found.into_iter().map(|(recipient, reason, _)| status(told, recipient, &reason)).collect()
}

/// A line that begins with an address, alone or with what is said of it. `inside` a reason, addresses in brackets only
/// begin another where they are at the beginning of the line.
fn begins(line: &str, inside: bool) -> Option<(String, &str)> {
    let trimmed = line.trim_start();
    let is_sole = !trimmed.trim_end().contains(char::is_whitespace);
    if inside && trimmed.len() < line.len() && !trimmed.starts_with('<') && !is_sole {
        return None;
    }
    // `550 5.1.1 <bob@x>... User unknown` of Sendmail's transcript.
    let bare = trimmed.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | ' ' | '-'));
    let (word, rest, said) = match bare.strip_prefix('<').and_then(|inside| inside.split_once('>')) {
        Some((word, rest)) => (word, rest, trimmed),
        None => {
            let (word, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
            (word, rest, rest)
        }
    };
    let word = word.trim_end_matches([':', ',', ';']);
    let mut addresses = addresses_in(word);
    let is_alone = addresses.len() == 1 && word.trim_matches(['<', '>', '"', '\'', '(', ')']).contains('@');
    let recipient = is_alone.then(|| addresses.remove(0))?;
    let said = if said.len() > rest.len() && bare.len() < trimmed.len() { said } else { rest };
    Some((recipient, said.trim_start_matches([':', '.', ' '])))
}
