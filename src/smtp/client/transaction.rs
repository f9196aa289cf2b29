//! One transaction on the client side: who is decided, which commands are out, what MAIL and RCPT say.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;

use super::fate::{Fate, Unfit};
use crate::base::envelope::{BodyKind, Notify, Recipient, Returns};
use crate::base::terms::TlsTerm;
use crate::base::time::Timestamp;
use crate::base::{Address, Envelope, xtext};
use crate::message::header::HeaderEnd;
use crate::smtp::extension::{Extensions, Limits, table};

/// A message to be handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// From, for whom, and the parameters. Times in its terms are relative to now.
    pub envelope: Envelope,
    /// Octets of the message.
    pub size: u64,
}

impl Transaction {
    /// Whether it goes to hosts only that offer REQUIRETLS. A report does not (RFC 8689 §5).
    pub fn needs_require_tls(&self) -> bool {
        self.envelope.terms.tls == TlsTerm::Required && self.envelope.reverse_path.is_some()
    }
}

/// A command of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    Reset,
    Mail,
    Recipient(usize),
    Data,
}

/// Where a recipient stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    Undecided,
    /// RCPT was accepted.
    Taken,
    Decided(Fate),
}

/// A transaction under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) job: Transaction,
    pub(super) standings: Vec<Standing>,
    /// Commands not sent yet.
    pub(super) queue: VecDeque<Command>,
    /// Commands sent and not answered.
    pub(super) awaited: VecDeque<Command>,
    pub(super) offset: u64,
    /// Whether MAIL says SMTPUTF8 and addresses stand in UTF-8.
    pub(super) utf8: bool,
    /// What MAIL says as BODY=; lower than the envelope's where the content turned out to need less.
    pub(super) body: BodyKind,
    /// The peer wants a message though nobody was accepted.
    pub(super) hollow: bool,
}

/// What must be known of the content before it may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubts {
    /// Whether the header is ASCII.
    pub(super) header: bool,
    /// Whether the body is.
    pub(super) body: bool,
}

impl Running {
    pub(super) fn new(job: Transaction) -> Self {
        let standings = vec![Standing::Undecided; job.envelope.recipients.len()];
        let body = job.envelope.body;
        let (queue, awaited) = (VecDeque::new(), VecDeque::new());
        Self { job, standings, queue, awaited, offset: 0, utf8: false, body, hollow: false }
    }

    /// Settles what the peer's offers settle; gives what only the content can tell.
    pub(super) fn fit(&mut self, offers: &Extensions) -> Doubts {
        let envelope = &self.job.envelope;
        let needs_utf8 = envelope.smtputf8
            || envelope.reverse_path.as_ref().is_some_and(Address::needs_smtputf8)
            || envelope.recipients.iter().any(|r| r.address.needs_smtputf8());
        self.utf8 = needs_utf8 && offers.smtputf8;
        if let Some(unfit) = table::missing(&self.job, offers) {
            self.decide_rest(&Fate::Unfit(unfit));
        }
        self.keep_within(offers.limits.unwrap_or_default());
        let mut doubts = Doubts { header: false, body: self.body == BodyKind::EightBit && !offers.eight_bit_mime };
        if needs_utf8 && !offers.smtputf8 {
            if self.job.envelope.reverse_path.as_ref().is_some_and(Address::needs_smtputf8) {
                self.decide_rest(&Fate::Unfit(Unfit::NoUtf8));
            }
            for (recipient, standing) in self.job.envelope.recipients.iter().zip(&mut self.standings) {
                if recipient.address.needs_smtputf8() && *standing == Standing::Undecided {
                    *standing = Standing::Decided(Fate::Unfit(Unfit::NoUtf8));
                }
            }
            doubts.header = self.job.envelope.smtputf8;
        }
        doubts
    }

    /// Leaves recipients for another transaction that the host does not take in this one (RFC 9422 §4).
    fn keep_within(&mut self, limits: Limits) {
        let most = |n: u32| if n == 0 { usize::MAX } else { n as usize };
        let (mut count, mut domains) = (0, BTreeSet::new());
        for (recipient, standing) in self.job.envelope.recipients.iter().zip(&mut self.standings) {
            if *standing != Standing::Undecided {
                continue;
            }
            let domain = recipient.address.domain().key();
            let is_new = !domains.contains(&domain);
            if count >= most(limits.rcpt_max) || (is_new && domains.len() >= most(limits.rcpt_domain_max)) {
                *standing = Standing::Decided(Fate::Unfit(Unfit::TooManyRecipients));
                continue;
            }
            count += 1;
            domains.insert(domain);
        }
    }

    /// Decides everybody who is not.
    pub(super) fn decide_rest(&mut self, fate: &Fate) {
        for standing in &mut self.standings {
            if !matches!(standing, Standing::Decided(_)) {
                *standing = Standing::Decided(fate.clone());
            }
        }
    }

    pub(super) fn has(&self, wanted: &Standing) -> bool {
        self.standings.contains(wanted)
    }

    /// Lines up the commands.
    pub(super) fn line_up(&mut self, reset: bool) {
        self.queue.extend(reset.then_some(Command::Reset));
        self.queue.push_back(Command::Mail);
        let undecided = self.standings.iter().enumerate().filter(|(_, s)| **s == Standing::Undecided);
        self.queue.extend(undecided.map(|(at, _)| Command::Recipient(at)));
        if self.body != BodyKind::Binary {
            self.queue.push_back(Command::Data);
        }
    }

    /// Writes one command. `logged_in`: whether this session authenticated.
    pub(super) fn write(&self, command: Command, offers: &Extensions, logged_in: bool, out: &mut Vec<u8>) {
        let line = match command {
            Command::Reset => "RSET".to_owned(),
            Command::Data => "DATA".to_owned(),
            Command::Mail => self.mail(offers, logged_in),
            Command::Recipient(at) => match self.job.envelope.recipients.get(at) {
                Some(recipient) => self.rcpt(recipient, offers),
                None => return,
            },
        };
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn mail(&self, offers: &Extensions, logged_in: bool) -> String {
        let envelope = &self.job.envelope;
        let mut line =
            format!("MAIL FROM:<{}>", envelope.reverse_path.as_ref().map_or(String::new(), |a| self.path(a)));
        if offers.size.is_some() {
            let _ = write!(line, " SIZE={}", self.job.size);
        }
        match self.body {
            BodyKind::EightBit if offers.eight_bit_mime => line.push_str(" BODY=8BITMIME"),
            BodyKind::Binary => line.push_str(" BODY=BINARYMIME"),
            _ => {}
        }
        if self.utf8 {
            line.push_str(" SMTPUTF8");
        }
        if offers.dsn {
            match envelope.returns {
                Some(Returns::Full) => line.push_str(" RET=FULL"),
                Some(Returns::Headers) => line.push_str(" RET=HDRS"),
                None => {}
            }
            if let Some(id) = &envelope.envelope_id {
                let _ = write!(line, " ENVID={}", xtext::encode(id));
            }
        }
        self.terms(offers, &mut line);
        if logged_in {
            // RFC 4954 §5: we do not vouch for who submitted it.
            line.push_str(" AUTH=<>");
        }
        line
    }

    fn terms(&self, offers: &Extensions, line: &mut String) {
        let terms = &self.job.envelope.terms;
        if terms.tls == TlsTerm::Required && offers.require_tls {
            line.push_str(" REQUIRETLS");
        }
        if let Some(by) = terms.deliver_by.filter(|_| offers.deliver_by.is_some()) {
            let _ = write!(line, " BY={}", by.value(Timestamp(0)));
        }
        if let Some(priority) = terms.priority.filter(|_| offers.mt_priority) {
            let _ = write!(line, " MT-PRIORITY={priority}");
        }
        if let Some(classes) = terms.solicit.as_ref().filter(|_| offers.no_soliciting.is_some()) {
            let _ = write!(line, " SOLICIT={classes}");
        }
    }

    fn rcpt(&self, recipient: &Recipient, offers: &Extensions) -> String {
        let mut line = format!("RCPT TO:<{}>", self.path(&recipient.address));
        if offers.dsn {
            if recipient.notify.explicit {
                let _ = write!(line, " NOTIFY={}", notify(recipient.notify));
            }
            if let Some((kind, address)) = recipient.original.as_deref().and_then(|o| o.split_once(';')) {
                let kind = kind.trim();
                let address = address.trim_start();
                let written = if kind.eq_ignore_ascii_case("utf-8") {
                    unitext(address, self.utf8)
                } else {
                    xtext::encode(address)
                };
                let _ = write!(line, " ORCPT={kind};{written}");
            }
        }
        line
    }

    fn path(&self, address: &Address) -> String {
        // Those that have no ASCII form were decided in `fit`.
        if self.utf8 { address.to_string() } else { address.to_ascii().unwrap_or_default() }
    }
}

fn notify(notify: Notify) -> String {
    let wanted = [(notify.success, "SUCCESS"), (notify.failure, "FAILURE"), (notify.delay, "DELAY")];
    let words: Vec<_> = wanted.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
    if words.is_empty() { "NEVER".to_owned() } else { words.join(",") }
}

/// The forms of RFC 6533 §3 for ORCPT: `utf-8-addr-unitext` towards SMTPUTF8, else `utf-8-addr-xtext`.
fn unitext(text: &str, utf8: bool) -> String {
    let mut out = String::new();
    for (at, c) in text.char_indices() {
        let escaped_already = c == '\\' && text.get(at..).is_some_and(|rest| rest.starts_with("\\x{"));
        let plain = c.is_ascii_graphic() && !matches!(c, '+' | '=' | '\\');
        if plain || escaped_already || (utf8 && !c.is_ascii()) {
            out.push(c);
        } else {
            xtext::push_escaped(&mut out, c);
        }
    }
    out
}

/// Reads a content for octets above 127, piece by piece.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) doubts: Doubts,
    pub(super) offset: u64,
    header: HeaderEnd,
    /// An octet above 127 was seen in the header.
    pub(super) header_eight: bool,
    /// An octet above 127 was seen behind it.
    pub(super) body_eight: bool,
}

impl Scan {
    pub(super) fn new(doubts: Doubts) -> Self {
        Self { doubts, offset: 0, header: HeaderEnd::default(), header_eight: false, body_eight: false }
    }

    /// Looks at a piece; whether nothing further can change the answer.
    pub(super) fn look(&mut self, piece: &[u8]) -> bool {
        self.offset += piece.len() as u64;
        let (header, body) = piece.split_at_checked(self.header.take(piece)).unwrap_or((piece, &[]));
        self.header_eight |= !header.is_ascii();
        self.body_eight |= !body.is_ascii();
        self.header_eight || self.body_eight || (self.header.is_found() && !self.doubts.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_recipients_beyond_ascii() {
        assert_eq!(unitext("jürgen+x@b", false), "j\\x{FC}rgen\\x{2B}x@b");
        assert_eq!(unitext("jürgen+x@b", true), "jürgen\\x{2B}x@b");
        assert_eq!(unitext("j\\x{FC}rgen\\@b", true), "j\\x{FC}rgen\\x{5C}@b");
    }

    #[test]
    fn scanning_tells_header_from_body() {
        let both = Doubts { header: true, body: true };
        for (content, header_eight, body_eight) in [
            ("A: b\r\n\r\nc", false, false),
            ("A: ü\r\n\r\nc", true, false),
            ("A: b\r\n\r\nü", false, true),
            ("A: b\n\nü", false, true),
            ("\r\nü", false, true),
            ("A: b\r\n \rü", true, false),
        ] {
            for n in 1..content.len() {
                let mut scan = Scan::new(both);
                for piece in content.as_bytes().chunks(n) {
                    if scan.look(piece) {
                        break;
                    }
                }
                assert_eq!((scan.header_eight, scan.body_eight), (header_eight, body_eight), "{content:?} by {n}");
            }
        }
        assert!(Scan::new(Doubts { header: true, body: false }).look(b"A: b\r\n\r\n"));
    }
}
