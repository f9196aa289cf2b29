//! iprev (RFC 8601 §3): does the client's address have a name that leads back to it?

use std::fmt;
use std::net::IpAddr;

use super::spf::reverse_name;
use crate::base::limits::IPREV_NAMES_MAX;
use crate::base::world::{NoRecords, Record, RecordKind, Resolver};

/// What the check came to (RFC 8601 §2.7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum IprevResult {
    Pass,
    /// There are names, and none of them leads back.
    Fail,
    TempError,
    /// There is no name.
    PermError,
}

impl IprevResult {
    /// As Authentication-Results writes it.
    pub fn word(self) -> &'static str {
        match self {
            IprevResult::Pass => "pass",
            IprevResult::Fail => "fail",
            IprevResult::TempError => "temperror",
            IprevResult::PermError => "permerror",
        }
    }
}

impl fmt::Display for IprevResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The verdict on a client's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IprevVerdict {
    /// The result.
    pub result: IprevResult,
    /// The first name that leads back to the address, lower case; empty unless the result is `Pass`.
    pub name: String,
    /// Which name was confirmed, or why none was.
    pub why: String,
}

/// The verdict on `ip`; an IPv4 address mapped into IPv6 is one of IPv4. At most `IPREV_NAMES_MAX` of its names are
/// looked at, so there are at most that many questions and one.
pub async fn check(resolver: &dyn Resolver, ip: IpAddr) -> IprevVerdict {
    let ip = ip.to_canonical();
    let say = |result, why: String| IprevVerdict { result, name: String::new(), why };
    let pointers = match resolver.ask(&reverse_name(ip), RecordKind::Ptr).await.records {
        Ok(records) => records,
        Err(NoRecords::NxDomain | NoRecords::NoData | NoRecords::BadName) => {
            return say(IprevResult::PermError, format!("{ip} has no name"));
        }
        Err(trouble) => return say(IprevResult::TempError, format!("asking for the name of {ip}: {trouble}")),
    };
    let names = pointers.iter().filter_map(|record| match record {
        Record::Ptr(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    });
    let kind = if ip.is_ipv4() { RecordKind::A } else { RecordKind::Aaaa };
    let mut trouble = None;
    let mut denied = Vec::new();
    for name in names.take(IPREV_NAMES_MAX) {
        let leads_back = |record: &Record| match record {
            Record::A(found) => IpAddr::V4(*found) == ip,
            Record::Aaaa(found) => IpAddr::V6(*found) == ip,
            _ => false,
        };
        match resolver.ask(&name, kind).await.records {
            Ok(records) if records.iter().any(leads_back) => {
                let why = format!("{ip} is {name}");
                return IprevVerdict { result: IprevResult::Pass, name, why };
            }
            Err(no) if no.is_transient() => trouble = Some(format!("asking for the address of {name}: {no}")),
            _ => denied.push(name),
        }
    }
    match (trouble, denied.is_empty()) {
        (Some(why), _) => say(IprevResult::TempError, why),
        (None, true) => say(IprevResult::PermError, format!("{ip} has no name")),
        (None, false) => say(IprevResult::Fail, format!("{} does not lead back to {ip}", denied.join(", nor "))),
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::time::Duration;

    use super::*;
    use crate::base::world::{BoxFuture, DnsAnswer};

    /// Lines of a question and its answers; SERVFAIL for one that fails.
    struct Zone(&'static str);

    impl Resolver for Zone {
        fn ask(&self, name: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
            let wanted = format!("{name} {kind:?} ");
            let record = |text: &str| match kind {
                RecordKind::A => Record::A(text.parse().unwrap()),
                RecordKind::Aaaa => Record::Aaaa(text.parse().unwrap()),
                _ => Record::Ptr(text.to_owned()),
            };
            let records = match self.0.lines().find_map(|line| line.trim().strip_prefix(wanted.as_str())) {
                Some("SERVFAIL") => Err(NoRecords::ServFail),
                Some(answers) => Ok(answers.split(' ').map(record).collect()),
                None => Err(NoRecords::NxDomain),
            };
            Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
        }
    }

    #[test]
    fn verdicts() {
        let zone = Zone(
            "1.2.0.192.in-addr.arpa Ptr other.example Mail.Example.ORG.
             mail.example.org A 192.0.2.9 192.0.2.1
             other.example A 192.0.2.2
             2.2.0.192.in-addr.arpa Ptr mail.example.org
             3.2.0.192.in-addr.arpa SERVFAIL
             3.2.0.192.in-addr.arpa Ptr SERVFAIL
             4.2.0.192.in-addr.arpa Ptr down.example other.example
             down.example A SERVFAIL
             6.2.0.192.in-addr.arpa Ptr a b c d e f g h i j mail6.example.org
             mail6.example.org A 192.0.2.6
             1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa Ptr six.example
             six.example Aaaa 2001:db8::1",
        );
        for (ip, wanted) in [
            ("192.0.2.1", "pass mail.example.org: 192.0.2.1 is mail.example.org"),
            ("::ffff:192.0.2.1", "pass mail.example.org: 192.0.2.1 is mail.example.org"),
            ("192.0.2.2", "fail : mail.example.org does not lead back to 192.0.2.2"),
            ("192.0.2.3", "temperror : asking for the name of 192.0.2.3: the name server failed"),
            ("192.0.2.4", "temperror : asking for the address of down.example: the name server failed"),
            ("192.0.2.5", "permerror : 192.0.2.5 has no name"),
            (
                "192.0.2.6",
                "fail : a, nor b, nor c, nor d, nor e, nor f, nor g, nor h, nor i, nor j does not lead back \
              to 192.0.2.6",
            ),
            ("2001:db8::1", "pass six.example: 2001:db8::1 is six.example"),
        ] {
            let verdict = smol::block_on(check(&zone, ip.parse().unwrap()));
            assert_eq!(format!("{} {}: {}", verdict.result, verdict.name, verdict.why), wanted);
        }
    }
}
