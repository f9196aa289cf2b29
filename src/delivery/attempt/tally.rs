//! What an attempt knows so far: where each recipient stands, and how far the attempt got. No I/O.

use std::net::SocketAddr;

use crate::base::Enhanced;
use crate::delivery::error::{Judgement, Scope, describe, judge};
use crate::delivery::outcome::{Outcome, Reach, RecipientOutcome, Report, Verdict};
use crate::dns::mx::NoRoute;
use crate::smtp::client::Delivery;

/// Where an attempt goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Address,
    Host,
}

/// Who was talked to in a transaction, and how.
pub(super) struct Talk<'a> {
    pub host: &'a str,
    /// TLS version and cipher; empty in the clear.
    pub tls: String,
    /// TLS policy of the connection.
    pub policy: String,
    /// Whether it was in the clear though the host had offered TLS.
    pub denied_tls: bool,
}

/// The recipients of an attempt, and what is known of its hosts.
pub(super) struct Tally {
    recipients: Vec<RecipientOutcome>,
    /// A host took part, or DNS said for good that there is none.
    pub answered: bool,
    /// Why a host could not be reached.
    pub unreachable: Option<Outcome>,
    /// A host that may have no further connection, and its preference.
    pub full: Option<(SocketAddr, u16)>,
}

impl Tally {
    /// Nothing is decided of so many recipients.
    pub fn new(recipients: usize) -> Self {
        let recipients = vec![RecipientOutcome::default(); recipients];
        Self { recipients, answered: false, unreachable: None, full: None }
    }

    /// Whether any recipient is not decided.
    pub fn is_open(&self) -> bool {
        self.recipients.iter().any(|recipient| recipient.decided.is_none())
    }

    /// The places of those who are not decided.
    pub fn open(&self) -> Vec<usize> {
        let recipients = self.recipients.iter().enumerate();
        recipients.filter(|(_, recipient)| recipient.decided.is_none()).map(|(at, _)| at).collect()
    }

    /// What is known of a recipient.
    pub fn told(&self, at: usize) -> Option<&Outcome> {
        let recipient = self.recipients.get(at)?;
        recipient.decided.as_ref().or(recipient.so_far.as_ref())
    }

    /// The same error for everybody who is open.
    pub fn note_all(&mut self, error: &Outcome) {
        let open = self.recipients.iter_mut().filter(|recipient| recipient.decided.is_none());
        open.for_each(|recipient| recipient.note(error.clone()));
    }

    /// The session with `host` ended before these were asked for: they have seen no error of their own.
    pub fn note_ended(&mut self, host: &str, waiting: &[usize]) {
        let ended = Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 4, 2), "the session ended early");
        let ended = Outcome { host: host.to_owned(), ..ended };
        for at in waiting {
            if let Some(recipient) = self.recipients.get_mut(*at).filter(|it| it.so_far.is_none()) {
                recipient.note(ended.clone());
            }
        }
    }

    /// There is no host, or none can be found just now. `is_ours`: it is the smart host that our settings name.
    pub fn note_route(&mut self, no_route: NoRoute, is_ours: bool) {
        let mut error = Outcome::unreached(Verdict::Deferred, no_route.status, no_route.text);
        if error.enhanced.is_some_and(|status| status.class == 5) {
            if is_ours {
                // A mistake on our side, or in our DNS: the sender's mail waits for it to be mended.
                error.enhanced = Some(Enhanced::new(4, 3, 5));
            } else {
                error.verdict = Verdict::Failed;
            }
        }
        match error.verdict {
            Verdict::Failed => self.answered = true,
            _ => self.unreachable = Some(error.clone()),
        }
        self.note_all(&error);
    }

    /// Writes down the fates of one transaction; gives where to go on, and who is to be asked for again at this host.
    pub fn take_in(&mut self, talk: &Talk<'_>, to: &[usize], delivery: &Delivery) -> (Next, Vec<usize>) {
        let taken = delivery.fates.iter().any(|fate| judge(fate, false, talk.denied_tls) == Judgement::Done);
        let mut next = Next::Host;
        let mut again = Vec::new();
        for (at, fate) in to.iter().zip(&delivery.fates) {
            let Some(recipient) = self.recipients.get_mut(*at) else { continue };
            let (code, enhanced, text) = describe(fate);
            let (host, tls, dsn) = (talk.host.to_owned(), talk.tls.clone(), delivery.dsn);
            let policy = talk.policy.clone();
            let outcome = |verdict| Outcome { verdict, host, code, enhanced, text, tls, policy, dsn };
            match judge(fate, taken, talk.denied_tls) {
                Judgement::Done => recipient.decided = Some(outcome(Verdict::Delivered)),
                Judgement::Defer => recipient.decided = Some(outcome(Verdict::Deferred)),
                Judgement::Fail => recipient.decided = Some(outcome(Verdict::Failed)),
                Judgement::Again => again.push(*at),
                Judgement::Elsewhere { scope, hard } => {
                    if scope == Scope::Session {
                        next = Next::Address;
                    }
                    recipient.note(outcome(if hard { Verdict::Failed } else { Verdict::Deferred }));
                }
            }
        }
        (next, again)
    }

    /// What the attempt came to.
    pub fn report(self) -> Report {
        let untouched = self.recipients.iter().all(|recipient| recipient.decided.is_none());
        let reach = match (self.full, self.unreachable) {
            (Some((at, _)), _) if untouched && !self.answered => Reach::Full(at),
            (_, Some(error)) if !self.answered => Reach::Unreachable(error),
            _ => Reach::Answered,
        };
        let nothing = || Outcome::unreached(Verdict::Deferred, Enhanced::new(4, 3, 0), "nothing came of the attempt");
        let outcomes = self.recipients.into_iter();
        let outcomes = outcomes.map(|recipient| recipient.decided.or(recipient.so_far).unwrap_or_else(nothing));
        Report { outcomes: outcomes.collect(), reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Reply;
    use crate::smtp::client::{Fate, Stage};

    fn talk() -> Talk<'static> {
        Talk { host: "mx.test", tls: String::new(), policy: String::new(), denied_tls: false }
    }

    fn delivery(fates: Vec<Fate>) -> Delivery {
        Delivery { fates, dsn: false }
    }

    fn refused(code: u16) -> Fate {
        Fate::Refused(Stage::Recipient, Reply::new(code, 1, 0, "no"))
    }

    #[test]
    fn each_recipient_has_the_outcome_of_its_own_fate() {
        let mut tally = Tally::new(4);
        let fates = vec![Fate::Accepted(Reply::new(250, 0, 0, "ok")), refused(550), refused(450), refused(452)];
        let (next, again) = tally.take_in(&talk(), &[0, 1, 2, 3], &delivery(fates));
        // Since others were taken, 452 says that they were too many for one transaction.
        assert_eq!((next, again), (Next::Host, vec![3]));
        assert_eq!(tally.open(), [2, 3]);
        tally.note_ended("mx.test", &[2, 3]);
        let verdicts: Vec<_> = (0..4).map(|at| tally.told(at).map(|told| (told.verdict, told.code))).collect();
        let (deferred, own) = (Verdict::Deferred, 450);
        let wanted = [(Verdict::Delivered, 250), (Verdict::Failed, 550), (deferred, own), (deferred, 0)];
        assert_eq!(verdicts, wanted.map(Some));
    }

    #[test]
    fn a_host_that_does_not_exist_fails_the_mail_and_a_smart_host_defers_it() {
        for (is_ours, verdict, reach) in [(false, Verdict::Failed, false), (true, Verdict::Deferred, true)] {
            let mut tally = Tally::new(2);
            tally.note_route(NoRoute { status: Enhanced::new(5, 1, 2), text: "no such domain".to_owned() }, is_ours);
            let report = tally.report();
            assert!(report.outcomes.iter().all(|outcome| outcome.verdict == verdict));
            assert_eq!(matches!(report.reach, Reach::Unreachable(_)), reach);
        }
    }

    #[test]
    fn full_is_said_only_where_nothing_was_tried() {
        let at = SocketAddr::from(([192, 0, 2, 1], 25));
        for (answered, reach) in [(false, Reach::Full(at)), (true, Reach::Answered)] {
            let tally = Tally { answered, full: Some((at, 10)), ..Tally::new(1) };
            let report = tally.report();
            assert_eq!(report.reach, reach);
            assert_eq!(report.outcomes.len(), 1);
        }
    }
}
