//! What follows from the verdicts on a message: it is taken, filed as junk, or refused with a reply that says why.

use super::{Intake, hook};
use crate::base::checking::UncertainFrom;
use crate::base::{Checking, Reply};
use crate::feedback::{Reason, ReasonKind};
use crate::mailauth::Verdicts;
use crate::mailauth::dmarc::{DmarcResult, Policy};
use crate::mailauth::results::{AuthenticationResults, DkimResult};
use crate::mailauth::spf::SpfResult;
use crate::message::Doubt;

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Disposition {
    /// Filed where it is addressed to.
    Accept {
        /// The sealer whose word outweighs a failure of DMARC.
        sealer: Option<String>,
    },
    /// Filed as junk.
    Junk,
    /// Not taken.
    Refuse(Reply),
}

impl Disposition {
    /// What mail is that is not checked.
    pub(super) const TAKEN: Disposition = Disposition::Accept { sealer: None };

    /// What the host is told that we would do.
    pub(super) fn policy(&self) -> hook::Policy {
        match self {
            Disposition::Accept { .. } => hook::Policy::Accept,
            Disposition::Junk => hook::Policy::Junk,
            Disposition::Refuse(reply) => hook::Policy::Reject(reply.clone()),
        }
    }

    /// What the domain's report says of a message whose last word was `decided`, and why. Nothing while the message is
    /// put off: it comes again, and is counted then.
    pub(super) fn outcome(
        &self,
        decided: &std::result::Result<hook::Taken<'_>, Reply>,
    ) -> Option<(Policy, Vec<Reason>)> {
        let own = self.applied();
        let applied = match decided {
            Ok(taken) if taken.junk => Policy::Quarantine,
            Ok(_) => Policy::None,
            Err(reply) if reply.is_transient() => return None,
            Err(_) => Policy::Reject,
        };
        let reasons = match applied == own {
            true => self.reasons(),
            false => vec![Reason::new(ReasonKind::LocalPolicy, "")],
        };
        Some((applied, reasons))
    }

    /// The same in DMARC's words.
    fn applied(&self) -> Policy {
        match self {
            Disposition::Accept { .. } => Policy::None,
            Disposition::Junk => Policy::Quarantine,
            Disposition::Refuse(_) => Policy::Reject,
        }
    }

    /// Why that is not what the domain asks for, where its record does not say it itself.
    fn reasons(&self) -> Vec<Reason> {
        match self {
            Disposition::Accept { sealer: Some(sealer) } => {
                vec![Reason::new(ReasonKind::TrustedForwarder, &format!("arc={sealer}"))]
            }
            _ => Vec::new(),
        }
    }
}

impl Intake {
    /// What the settings make of the verdicts. Where a domain wants its policy for a part of its mail only, chance
    /// decides (RFC 7489 §6.6.4).
    pub(super) fn dispose(&self, verdicts: &Verdicts) -> Disposition {
        let draw = match verdicts.dmarc.percent {
            100.. => 0,
            _ => u8::try_from(self.world.entropy.u64() % 100).unwrap_or(0),
        };
        dispose(&self.settings.checking, verdicts, draw)
    }
}

fn dispose(checking: &Checking, verdicts: &Verdicts, draw: u8) -> Disposition {
    if checking.spf_rejects && verdicts.spf.result == SpfResult::Fail {
        // The domain's own words about it are a stranger's: they are not repeated (RFC 7208 §11.5.3).
        let text = format!("SPF of {} does not allow this address to send", plain(&verdicts.spf.domain));
        return Disposition::Refuse(Reply::new(550, 7, 23, text));
    }
    let dmarc = &verdicts.dmarc;
    let is_undecided = dmarc.result == DmarcResult::TempError;
    // Whoever makes DNS slow must not get past a policy.
    let waits = checking.dmarc_enforced && checking.spf && checking.dkim && dmarc.published != Policy::None;
    if is_undecided && (checking.dmarc_defers || waits) {
        let text = format!("DMARC of {} cannot be evaluated now, try again", plain(&verdicts.from_domain));
        return Disposition::Refuse(Reply::new(451, 7, 24, text));
    }
    if checking.dmarc_enforced
        && verdicts.checks.dmarc
        && let Some(doubt) = verdicts.from_doubt
    {
        return uncertain(checking, doubt);
    }
    // What one of the two alone came to is no failure of DMARC.
    if !checking.dmarc_enforced || !checking.spf || !checking.dkim {
        return Disposition::TAKEN;
    }
    let policy = dmarc.policy_for(draw);
    if policy != Policy::None
        && let Some(sealer) = voucher(checking, verdicts)
    {
        return Disposition::Accept { sealer: Some(sealer.to_owned()) };
    }
    match policy {
        Policy::None => Disposition::TAKEN,
        Policy::Quarantine => Disposition::Junk,
        Policy::Reject => Disposition::Refuse(refusal(verdicts)),
    }
}

/// What the settings make of a From that may name anybody (RFC 7489 §6.6.1).
fn uncertain(checking: &Checking, doubt: Doubt) -> Disposition {
    match checking.uncertain_from {
        UncertainFrom::Take => Disposition::TAKEN,
        UncertainFrom::Junk => Disposition::Junk,
        UncertainFrom::Refuse => {
            let text = format!("From does not name the author for certain: {doubt}");
            Disposition::Refuse(Reply::new(550, 7, 1, text))
        }
    }
}

/// RFC 7489 §10.3, with the status code of RFC 7372 §3.3 where neither SPF nor DKIM passed.
fn refusal(verdicts: &Verdicts) -> Reply {
    let dkim = if verdicts.dkim.iter().any(|v| v.result == DkimResult::Pass) {
        DkimResult::Pass
    } else {
        verdicts.dkim.first().map_or(DkimResult::None, |v| v.result)
    };
    let spf = verdicts.spf.result;
    let detail = if spf != SpfResult::Pass && dkim != DkimResult::Pass { 26 } else { 1 };
    let author = plain(&verdicts.from_domain);
    let text = format!("Not accepted by the DMARC policy of {author} (spf={spf} dkim={dkim}, none aligned)");
    Reply::new(550, 7, detail, text)
}

/// The sealer that says that the message passed DMARC when it came to it. Only trusted ones are heard, and those before
/// them as far as an unbroken row of trusted ones leads back from us (RFC 8617 §7.2).
fn voucher<'a>(checking: &Checking, verdicts: &'a Verdicts) -> Option<&'a str> {
    let is_trusted = |domain: &str| checking.arc_trusted.iter().any(|trusted| trusted.key() == domain);
    let mut row = verdicts.arc.sets.iter().take_while(|set| is_trusted(&set.domain));
    row.find(|set| says_pass(&set.results, &verdicts.from_domain)).map(|set| set.domain.as_str())
}

/// Whether these results have `dmarc=pass` for this author.
fn says_pass(results: &str, from_domain: &str) -> bool {
    let Some(found) = AuthenticationResults::parse(results.as_bytes()) else { return false };
    let mut dmarc = found.results.iter().filter(|result| result.method == "dmarc" && result.result == "pass");
    dmarc.any(|result| result.property("header", "from").is_none_or(|from| from.eq_ignore_ascii_case(from_domain)))
}

/// A domain as it may stand in a reply: peers choose it.
fn plain(domain: &str) -> String {
    let kept = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    domain.chars().filter(kept).take(crate::base::limits::DOMAIN_OCTETS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Domain;
    use crate::mailauth::dmarc::DmarcVerdict;
    use crate::mailauth::results::{ArcResult, ArcSet, DkimVerdict};
    use crate::mailauth::spf::SpfVerdict;

    fn verdicts(spf: SpfResult, dkim: Option<DkimResult>, dmarc: DmarcResult, policy: Policy) -> Verdicts {
        let spf = SpfVerdict {
            result: spf,
            domain: "a.test".to_owned(),
            explanation: "buy here".to_owned(),
            why: String::new(),
        };
        let signature = |result| DkimVerdict {
            result,
            domain: "b.test".to_owned(),
            selector: "s".to_owned(),
            ..DkimVerdict::default()
        };
        let dmarc = DmarcVerdict {
            result: dmarc,
            policy,
            published: policy,
            record_domain: "c.test".to_owned(),
            percent: 50,
            record: None,
            dkim_aligned: false,
            spf_aligned: false,
            why: String::new(),
        };
        let dkim = dkim.into_iter().map(signature).collect();
        let (spf_helo, from_domain) = (spf.clone(), "c.test".to_owned());
        Verdicts { spf_helo, spf, dkim, from_domain, dmarc, ..Verdicts::default() }
    }

    fn show(disposition: Disposition) -> String {
        match disposition {
            Disposition::Accept { sealer } => format!("accept {}", sealer.unwrap_or_default()).trim_end().to_owned(),
            Disposition::Junk => "junk".to_owned(),
            Disposition::Refuse(reply) => reply.to_string(),
        }
    }

    #[test]
    fn dispositions() {
        use DmarcResult as D;
        use Policy::{None as Nothing, Quarantine, Reject};
        use SpfResult as S;
        let usual = Checking::default();
        let lax = Checking { dmarc_enforced: false, ..usual.clone() };
        let strict = Checking { spf_rejects: true, dmarc_defers: true, ..usual.clone() };
        let no = "550 5.7.26 Not accepted by the DMARC policy of c.test (spf=fail dkim=none, none aligned)";
        let unaligned = "550 5.7.1 Not accepted by the DMARC policy of c.test (spf=fail dkim=pass, none aligned)";
        let spf = "550 5.7.23 SPF of a.test does not allow this address to send";
        let later = "451 4.7.24 DMARC of c.test cannot be evaluated now, try again";
        for (settings, found, draw, wanted) in [
            (&usual, verdicts(S::Pass, None, D::Pass, Nothing), 0, "accept"),
            (&usual, verdicts(S::Fail, None, D::None, Nothing), 0, "accept"),
            (&usual, verdicts(S::Fail, None, D::Fail, Reject), 49, no),
            (&usual, verdicts(S::Fail, Some(DkimResult::Pass), D::Fail, Reject), 0, unaligned),
            (&usual, verdicts(S::Fail, None, D::Fail, Reject), 50, "junk"),
            (&usual, verdicts(S::Fail, None, D::Fail, Quarantine), 0, "junk"),
            (&usual, verdicts(S::Fail, None, D::Fail, Quarantine), 99, "accept"),
            (&usual, verdicts(S::TempError, None, D::TempError, Nothing), 0, "accept"),
            (&lax, verdicts(S::Fail, None, D::Fail, Reject), 0, "accept"),
            (&strict, verdicts(S::Fail, None, D::None, Nothing), 0, spf),
            (&strict, verdicts(S::SoftFail, None, D::None, Nothing), 0, "accept"),
            (&strict, verdicts(S::TempError, None, D::TempError, Nothing), 0, later),
            (&usual, verdicts(S::TempError, None, D::TempError, Quarantine), 99, later),
            (&usual, verdicts(S::TempError, None, D::TempError, Reject), 99, later),
            (&lax, verdicts(S::TempError, None, D::TempError, Reject), 0, "accept"),
        ] {
            assert_eq!(show(dispose(settings, &found, draw)), wanted);
        }
    }

    #[test]
    fn a_from_that_names_anybody_is_refused_unless_the_host_wants_it() {
        let usual = Checking::default();
        let set = |uncertain_from| Checking { uncertain_from, ..Checking::default() };
        let lax = Checking { dmarc_enforced: false, ..Checking::default() };
        let mut found = verdicts(SpfResult::Pass, None, DmarcResult::PermError, Policy::None);
        found.from_doubt = Some(Doubt::Repeated);
        let no = "550 5.7.1 From does not name the author for certain: the field stands more than once";
        for (settings, wanted) in
            [(&usual, no), (&set(UncertainFrom::Junk), "junk"), (&set(UncertainFrom::Take), "accept"), (&lax, "accept")]
        {
            assert_eq!(show(dispose(settings, &found, 0)), wanted);
        }
        found.checks.dmarc = false;
        assert_eq!(show(dispose(&usual, &found, 0)), "accept");
    }

    #[test]
    fn a_row_of_trusted_sealers_outweighs_dmarc() {
        let trusted = ["list.test", "relay.test"].map(|domain| Domain::parse(domain).unwrap());
        let checking = Checking { arc_trusted: trusted.to_vec(), ..Checking::default() };
        let (yes, no) = ("mx.test; spf=pass; dmarc = pass (p=reject) header.from=c.test", "mx.test; dmarc=fail");
        for (sets, wanted) in [
            (&[("list.test", yes)][..], "accept list.test"),
            (&[("list.test", no)], "550"),
            (&[("relay.test", no), ("list.test", yes)], "accept list.test"),
            (&[("evil.test", yes)], "550"),
            (&[("evil.test", yes), ("list.test", yes)], "550"),
            (&[("list.test", no), ("evil.test", yes)], "550"),
            (&[("list.test", "mx.test; spf=fail smtp.mailfrom=\"; dmarc=pass\"")], "550"),
            (&[("list.test", "mx.test; spf=fail (; dmarc=pass)")], "550"),
            (&[("list.test", "mx.test; dmarc=pass header.from=other.test")], "550"),
            (&[], "550"),
        ] {
            let mut found = verdicts(SpfResult::Fail, None, DmarcResult::Fail, Policy::Reject);
            let set = |(instance, (domain, results)): (usize, &(&str, &str))| {
                let (domain, results) = ((*domain).to_owned(), (*results).to_owned());
                ArcSet { instance, domain, selector: "s".to_owned(), results }
            };
            found.arc.result = ArcResult::Pass;
            found.arc.sets = sets.iter().enumerate().map(set).collect();
            let said = show(dispose(&checking, &found, 0));
            assert!(said.starts_with(wanted), "{sets:?}: {said}");
        }
    }

    #[test]
    fn reports_say_what_the_host_made_of_it() {
        use std::borrow::Cow;
        let refused = |code| Err(Reply::new(code, 7, 1, "x"));
        let taken = |junk| Ok(hook::Taken { junk, envelope: Cow::Owned(crate::base::Envelope::default()) });
        let own = Disposition::Refuse(Reply::new(451, 7, 1, "x"));
        let local = |policy| Some((policy, vec![Reason::new(ReasonKind::LocalPolicy, "")]));
        for (disposition, decided, outcome) in [
            (&Disposition::TAKEN, taken(false), Some((Policy::None, Vec::new()))),
            (&Disposition::TAKEN, taken(true), local(Policy::Quarantine)),
            (&Disposition::TAKEN, refused(550), local(Policy::Reject)),
            (&Disposition::TAKEN, refused(451), None),
            (&Disposition::Junk, taken(true), Some((Policy::Quarantine, Vec::new()))),
            (&Disposition::Junk, taken(false), local(Policy::None)),
            (&own, refused(451), None),
            (&own, refused(550), Some((Policy::Reject, Vec::new()))),
            (&own, refused(450), None),
            (&own, taken(false), local(Policy::None)),
        ] {
            assert_eq!(disposition.outcome(&decided), outcome, "{disposition:?}");
        }
    }

    #[test]
    fn strangers_names_do_not_break_replies() {
        assert_eq!(plain("a.test\r\n250 ok"), "a.test250ok");
    }
}
