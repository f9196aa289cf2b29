//! The table of ESMTP extensions: one row for each, with its keyword, when a server of ours announces it, the
//! parameters of MAIL and RCPT that come with it, and what becomes of a message for a host without it. EHLO, the
//! parsing and refusal of parameters and the client's demands are all made from these rows; `docs/smtp.md` shows them.

use super::{Extensions, Limits};
use crate::base::envelope::BodyKind;
use crate::base::settings::Service;
use crate::base::time::Timestamp;
use crate::smtp::client::{Transaction, Unfit};

/// A row.
pub struct Extension {
    /// The word of EHLO's reply.
    pub keyword: &'static str,
    /// Where it is specified.
    pub document: &'static str,
    /// When we announce it.
    pub announced: Announced,
    /// Parameters of MAIL it brings.
    pub mail: &'static [&'static str],
    /// Parameters of RCPT it brings.
    pub rcpt: &'static [&'static str],
    /// What becomes of a message for a host that does not offer it.
    pub next_hop: NextHop,
    /// Adds it to what we offer; adds nothing where a setting has it off.
    pub(super) offer: fn(&mut Extensions, &Offer<'_>),
    /// What stands behind the keyword; `None` where it is not offered.
    pub(super) words: fn(&Extensions) -> Option<String>,
    /// Reads what stands behind the keyword.
    pub(super) read: fn(&mut Extensions, &[&str]),
}

/// When a server of ours announces an extension. A parameter of one that is not announced is refused (555).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// On every connection.
    Always,
    /// On connections of SMTP, not of LMTP.
    Smtp,
    /// Until TLS is there, where there is a certificate.
    BeforeTls,
    /// Under TLS only.
    UnderTls,
    /// On submission services.
    Submission,
    /// Where a setting says so.
    BySetting,
    /// To networks that a setting trusts.
    ToTrusted,
}

/// What becomes of a message for a host that does not offer an extension.
pub enum NextHop {
    /// The extension concerns one hop only.
    Hop,
    /// Its parameters are left out.
    LeftOut,
    /// The content is encoded anew for the host; where it has no such form, the host is unfit.
    Encoded,
    /// A message that needs the extension is not given to the host.
    Needed(fn(&Transaction, &Extensions) -> Option<Unfit>),
}

/// How a session of ours stands, and what settings say.
#[derive(Debug, Clone, Default)]
pub struct Offer<'a> {
    /// LMTP.
    pub lmtp: bool,
    /// Whether TLS protects the connection.
    pub tls: bool,
    /// Whether it can begin.
    pub start_tls: bool,
    /// Whether it is a submission service.
    pub submission: bool,
    /// Whether XCLIENT and XFORWARD are believed.
    pub trusted: bool,
    /// Largest message, in octets.
    pub octets_max: u64,
    /// Messages, recipients and domains.
    pub limits: Limits,
    /// SASL mechanisms.
    pub auth: Vec<String>,
    /// For how many seconds mail may be held, and until when; `None` switches it off.
    pub hold: Option<(u64, Timestamp)>,
    /// Classes of solicitation that are not wanted.
    pub no_soliciting: Option<&'a str>,
}

impl Announced {
    /// Whether it is announced now.
    pub fn holds(self, offer: &Offer<'_>) -> bool {
        match self {
            Announced::Always | Announced::BySetting => true,
            Announced::Smtp => !offer.lmtp,
            Announced::BeforeTls => offer.start_tls && !offer.tls,
            Announced::UnderTls => offer.tls,
            Announced::Submission => offer.submission,
            Announced::ToTrusted => offer.trusted,
        }
    }

    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Announced::Always => "always",
            Announced::Smtp => "by SMTP",
            Announced::BeforeTls => "before TLS",
            Announced::UnderTls => "under TLS",
            Announced::Submission => "on submission",
            Announced::BySetting => "by setting",
            Announced::ToTrusted => "to trusted networks",
        }
    }
}

impl NextHop {
    /// In words.
    pub fn text(&self) -> &'static str {
        match self {
            NextHop::Hop => "concerns one hop only",
            NextHop::LeftOut => "parameters are left out",
            NextHop::Encoded => "content is encoded, else the host is unfit",
            NextHop::Needed(_) => "the host is unfit for mail that needs it",
        }
    }
}

/// The extension of this keyword, in any case.
pub fn find(keyword: &str) -> Option<&'static Extension> {
    EXTENSIONS.iter().find(|row| row.keyword.eq_ignore_ascii_case(keyword))
}

/// The extension that brings this parameter of MAIL.
pub fn of_mail(parameter: &str) -> Option<&'static Extension> {
    let is = |name: &&str| name.eq_ignore_ascii_case(parameter);
    EXTENSIONS.iter().find(|row| row.mail.iter().any(&is))
}

/// The extension that brings this parameter of RCPT.
pub fn of_rcpt(parameter: &str) -> Option<&'static Extension> {
    let is = |name: &&str| name.eq_ignore_ascii_case(parameter);
    EXTENSIONS.iter().find(|row| row.rcpt.iter().any(&is))
}

/// What a host lacks for a message; the first row that says so.
pub fn missing(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    EXTENSIONS.iter().find_map(|row| match row.next_hop {
        NextHop::Needed(needs) => needs(transaction, offers),
        _ => None,
    })
}

/// Whether a service is a submission service.
pub fn is_submission(service: Service) -> bool {
    matches!(service, Service::Submission | Service::Submissions)
}

fn is_on(on: bool) -> Option<String> {
    on.then(String::new)
}

/// A number that stands first; 0 where there is none.
fn first(words: &[&str]) -> u64 {
    words.first().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// A number behind a keyword; nothing for 0.
fn counted(n: Option<u64>) -> Option<String> {
    n.map(|n| if n == 0 { String::new() } else { n.to_string() })
}

/// A row whose keyword stands alone.
macro_rules! bare {
    ($keyword:literal, $document:literal, $announced:ident, [$($mail:literal),*], [$($rcpt:literal),*], $next:expr,
        $field:ident) => {
        Extension {
            keyword: $keyword,
            document: $document,
            announced: Announced::$announced,
            mail: &[$($mail),*],
            rcpt: &[$($rcpt),*],
            next_hop: $next,
            offer: |offered, _| offered.$field = true,
            words: |offered| is_on(offered.$field),
            read: |found, _| found.$field = true,
        }
    };
}

/// The rows, in the order in which they are announced.
pub static EXTENSIONS: [Extension; 18] = [
    bare!("PIPELINING", "RFC 2920", Always, [], [], NextHop::Hop, pipelining),
    Extension {
        keyword: "SIZE",
        document: "RFC 1870",
        announced: Announced::Always,
        mail: &["SIZE"],
        rcpt: &[],
        next_hop: NextHop::Needed(too_large),
        offer: |offered, offer| offered.size = Some(offer.octets_max),
        words: |offered| counted(offered.size),
        read: |found, words| found.size = Some(first(words)),
    },
    bare!("STARTTLS", "RFC 3207", BeforeTls, [], [], NextHop::Hop, starttls),
    bare!("REQUIRETLS", "RFC 8689", UnderTls, ["REQUIRETLS"], [], NextHop::Needed(no_require_tls), require_tls),
    Extension {
        keyword: "AUTH",
        document: "RFC 4954",
        announced: Announced::BySetting,
        mail: &["AUTH"],
        rcpt: &[],
        next_hop: NextHop::Hop,
        offer: |offered, offer| offered.auth.clone_from(&offer.auth),
        words: |offered| (!offered.auth.is_empty()).then(|| offered.auth.join(" ")),
        read: |found, words| {
            for mechanism in words.iter().map(|word| word.to_ascii_uppercase()) {
                if !found.auth.contains(&mechanism) {
                    found.auth.push(mechanism);
                }
            }
        },
    },
    bare!("ENHANCEDSTATUSCODES", "RFC 2034", Always, [], [], NextHop::Hop, enhanced_status_codes),
    bare!("8BITMIME", "RFC 6152", Always, ["BODY"], [], NextHop::Encoded, eight_bit_mime),
    bare!("DSN", "RFC 3461", Always, ["RET", "ENVID"], ["NOTIFY", "ORCPT"], NextHop::LeftOut, dsn),
    bare!("CHUNKING", "RFC 3030", Always, [], [], NextHop::Hop, chunking),
    bare!("BINARYMIME", "RFC 3030", Always, [], [], NextHop::Needed(no_binary), binary_mime),
    Extension {
        keyword: "FUTURERELEASE",
        document: "RFC 4865",
        announced: Announced::Submission,
        mail: &["HOLDFOR", "HOLDUNTIL"],
        rcpt: &[],
        next_hop: NextHop::Hop,
        offer: |offered, offer| offered.future_release = offer.hold,
        words: |offered| offered.future_release.map(|(seconds, until)| format!("{seconds} {}", until.internet())),
        read: |found, words| {
            let until = words.get(1).and_then(|until| Timestamp::of_internet(until));
            found.future_release = until.map(|until| (first(words), until));
        },
    },
    Extension {
        keyword: "DELIVERBY",
        document: "RFC 2852",
        announced: Announced::Smtp,
        mail: &["BY"],
        rcpt: &[],
        next_hop: NextHop::Needed(no_deliver_by),
        offer: |offered, _| offered.deliver_by = Some(0),
        words: |offered| counted(offered.deliver_by),
        read: |found, words| found.deliver_by = Some(first(words)),
    },
    bare!("MT-PRIORITY", "RFC 6710", Smtp, ["MT-PRIORITY"], [], NextHop::LeftOut, mt_priority),
    Extension {
        keyword: "LIMITS",
        document: "RFC 9422",
        announced: Announced::Always,
        mail: &[],
        rcpt: &[],
        next_hop: NextHop::Hop,
        offer: |offered, offer| offered.limits = Some(offer.limits),
        words: |offered| offered.limits.map(Limits::written),
        read: |found, words| found.limits = Some(Limits::parse(words)),
    },
    Extension {
        keyword: "NO-SOLICITING",
        document: "RFC 3865",
        announced: Announced::BySetting,
        mail: &["SOLICIT"],
        rcpt: &[],
        next_hop: NextHop::Needed(not_solicited),
        offer: |offered, offer| offered.no_soliciting = offer.no_soliciting.map(str::to_owned),
        words: |offered| offered.no_soliciting.clone(),
        read: |found, words| {
            found.no_soliciting = Some(words.first().copied().unwrap_or_default().to_ascii_lowercase())
        },
    },
    Extension {
        keyword: "XCLIENT",
        document: "Postfix",
        announced: Announced::ToTrusted,
        mail: &[],
        rcpt: &[],
        next_hop: NextHop::Hop,
        offer: |offered, _| offered.xclient = Some(XCLIENT.join(" ")),
        words: |offered| offered.xclient.clone(),
        read: |found, words| found.xclient = Some(words.join(" ")),
    },
    Extension {
        keyword: "XFORWARD",
        document: "Postfix",
        announced: Announced::ToTrusted,
        mail: &[],
        rcpt: &[],
        next_hop: NextHop::Hop,
        offer: |offered, _| offered.xforward = Some(XFORWARD.join(" ")),
        words: |offered| offered.xforward.clone(),
        read: |found, words| found.xforward = Some(words.join(" ")),
    },
    bare!("SMTPUTF8", "RFC 6531", Always, ["SMTPUTF8"], [], NextHop::Encoded, smtputf8),
];

/// Attributes of XCLIENT.
pub const XCLIENT: [&str; 7] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "DESTADDR", "DESTPORT"];
/// Attributes of XFORWARD.
pub const XFORWARD: [&str; 7] = ["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"];

fn too_large(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    let octets_max = offers.size.filter(|octets_max| *octets_max > 0 && transaction.size > *octets_max)?;
    Some(Unfit::TooLarge { octets_max })
}

fn no_binary(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    (transaction.envelope.body == BodyKind::Binary && !offers.binary_mime).then_some(Unfit::NoBinary)
}

fn no_require_tls(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    (transaction.needs_require_tls() && !offers.require_tls).then_some(Unfit::NoRequireTls)
}

/// Mail that must be returned by a time goes to hosts only that promise to do so (RFC 2852 §4).
fn no_deliver_by(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    let by = transaction.envelope.terms.deliver_by.filter(|by| by.returns)?;
    let left = by.when.seconds_from(Timestamp(0));
    match offers.deliver_by {
        None => Some(Unfit::NoDeliverBy),
        Some(least) if i64::try_from(least).unwrap_or(i64::MAX) > left => Some(Unfit::NoTimeLeft),
        Some(_) => None,
    }
}

/// A class that the host does not want (RFC 3865 §2.6).
fn not_solicited(transaction: &Transaction, offers: &Extensions) -> Option<Unfit> {
    let classes = transaction.envelope.terms.solicit.as_deref()?;
    let unwanted = offers.no_soliciting.as_deref()?;
    share_a_class(classes, unwanted).then_some(Unfit::NotSolicited)
}

/// Whether two lists of classes, separated by commas, have one in common.
pub fn share_a_class(classes: &str, others: &str) -> bool {
    classes.split(',').any(|class| !class.is_empty() && others.split(',').any(|other| other == class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_parameters_are_named_once() {
        let mut keywords: Vec<_> = EXTENSIONS.iter().map(|row| row.keyword).collect();
        let mut mail: Vec<_> = EXTENSIONS.iter().flat_map(|row| row.mail).collect();
        let (n, m) = (keywords.len(), mail.len());
        keywords.sort_unstable();
        keywords.dedup();
        mail.sort_unstable();
        mail.dedup();
        assert_eq!((keywords.len(), mail.len()), (n, m));
    }

    #[test]
    fn each_is_announced_where_its_row_says() {
        let bare = Offer { limits: Limits { rcpt_max: 5, ..Limits::default() }, ..Offer::default() };
        let until = Timestamp::from_seconds(1_800_000_000);
        let all = Offer {
            tls: true,
            submission: true,
            trusted: true,
            auth: vec!["PLAIN".to_owned()],
            hold: Some((60, until)),
            no_soliciting: Some("org.example:adv"),
            ..bare.clone()
        };
        let names = |offer: &Offer<'_>| {
            let lines = Extensions::offered(offer).announce();
            lines.iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let usual = [
            "PIPELINING",
            "SIZE",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "DSN",
            "CHUNKING",
            "BINARYMIME",
            "DELIVERBY",
            "MT-PRIORITY",
            "LIMITS",
            "SMTPUTF8",
        ];
        assert_eq!(names(&bare), usual);
        assert_eq!(names(&all).len(), EXTENSIONS.len() - 1, "all but STARTTLS");
        let lmtp = Offer { lmtp: true, start_tls: true, ..bare };
        assert!(names(&lmtp).iter().all(|name| name != "DELIVERBY" && name != "MT-PRIORITY"));
        assert!(names(&lmtp).contains(&"STARTTLS".to_owned()));
    }

    /// The page for readers has a line for each row.
    #[test]
    fn the_page_shows_the_table() {
        let page = include_str!("../../../docs/smtp.md");
        for row in &EXTENSIONS {
            let of = |names: &[&str]| if names.is_empty() { "-".to_owned() } else { names.join(", ") };
            let (mail, rcpt) = (of(row.mail), of(row.rcpt));
            let (announced, next) = (row.announced.text(), row.next_hop.text());
            let line = format!("| {} | {} | {announced} | {mail} | {rcpt} | {next} |", row.keyword, row.document);
            assert!(page.contains(&line), "docs/smtp.md lacks:\n{line}");
        }
    }
}
