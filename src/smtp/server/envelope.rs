//! MAIL and RCPT: what they say becomes an envelope, once who is asked agrees; VRFY and EXPN, which ask about
//! addresses.

use super::ask::{Answer, Ask};
use super::{Next, Pending, Session, body, too_many_recipients};
use crate::base::dialog::Step;
use crate::base::limits::SMTP_TRANSACTIONS_MAX;
use crate::base::terms::Terms;
use crate::base::{Address, Domain, Envelope, Recipient, Reply};
use crate::smtp::command::Verb;
use crate::smtp::extension::table::share_a_class;
use crate::smtp::parameter::{MailParameters, RcptParameters};
use crate::smtp::path::ForwardPath;
use crate::smtp::transaction::Transaction;

/// 550 for mail of a class that is not wanted (RFC 3865 §2.6).
pub fn not_solicited() -> Reply {
    Reply::new(550, 7, 1, "Solicitations of this class are not wanted here")
}

impl Session {
    pub(super) fn mail(
        &mut self,
        reverse_path: Option<Address>,
        parameters: MailParameters,
        output: &mut Vec<u8>,
    ) -> Next {
        if self.transactions >= SMTP_TRANSACTIONS_MAX {
            let why = format!("Too many messages on one connection, at most {SMTP_TRANSACTIONS_MAX}");
            self.goodbye(7, 0, &why, output);
            return None;
        }
        if parameters.size.is_some_and(|size| size > self.config.octets_max) {
            self.about.from = reverse_path;
            self.say(&body::too_large(self.config.octets_max), output);
            return None;
        }
        let classes = parameters.terms.solicit.as_deref().zip(self.config.no_soliciting.as_deref());
        if classes.is_some_and(|(classes, unwanted)| share_a_class(classes, unwanted)) {
            self.about.from = reverse_path;
            self.say(&not_solicited(), output);
            return None;
        }
        let asked = parameters.terms.priority;
        let terms = self.bounded(parameters.terms);
        self.lowered = terms.priority != asked;
        let envelope = Envelope {
            reverse_path,
            recipients: Vec::new(),
            body: parameters.body.unwrap_or_default(),
            smtputf8: parameters.smtputf8,
            envelope_id: parameters.envelope_id,
            returns: parameters.returns,
            size_declared: parameters.size,
            terms,
        };
        let ask = Ask::Sender(self.client.clone(), Box::new(envelope.clone()));
        Some(self.ask(Pending::Sender(envelope), ask))
    }

    pub(super) fn rcpt(&mut self, path: ForwardPath, parameters: RcptParameters, output: &mut Vec<u8>) -> Next {
        let transaction = self.transaction.as_ref()?;
        let mut refusal = None;
        if transaction.envelope.recipients.len() >= self.config.recipients_max {
            refusal = Some(too_many_recipients(self.config.recipients_max));
        }
        let address = match path {
            ForwardPath::Address(address) => address,
            // RFC 5321 §4.5.1: the postmaster of this host.
            ForwardPath::Postmaster => self.postmaster()?,
        };
        if address.needs_smtputf8() && !transaction.envelope.smtputf8 {
            refusal = Some(Reply::new(553, 6, 7, "Non-ASCII address needs SMTPUTF8"));
        }
        if let Some(reply) = refusal {
            self.about.to.push(address.to_string());
            self.say(&reply, output);
            return None;
        }
        let notify = parameters.notify.unwrap_or_default();
        let recipient = Recipient { address, notify, original: parameters.original };
        let envelope = transaction.envelope.for_one(recipient.clone());
        let ask = Ask::Recipient(self.client.clone(), Box::new(envelope));
        Some(self.ask(Pending::Recipient(recipient), ask))
    }

    fn postmaster(&self) -> Option<Address> {
        let domain = Domain::parse(&self.config.hostname).map_or_else(|_| "localhost".to_owned(), |d| d.to_string());
        Address::parse(&format!("postmaster@{domain}")).ok()
    }

    /// A priority above 0 is for those who logged in or are trusted: from others it is lowered (RFC 6710 §5).
    fn bounded(&self, terms: Terms) -> Terms {
        let may_hurry =
            self.client.account.is_some() || self.config.trusted || self.config.manner.open || self.config.relays;
        let priority = terms.priority.map(|priority| if may_hurry { priority } else { priority.min(0) });
        Terms { priority, ..terms }
    }

    /// MAIL: who was asked has spoken.
    pub(super) fn sender_judged(&mut self, mut envelope: Envelope, answer: Answer, output: &mut Vec<u8>) {
        match answer {
            Answer::Verdict(Err(reply)) => {
                self.about.from = envelope.reverse_path;
                return self.say(&reply, output);
            }
            Answer::Began(at) => envelope.terms = std::mem::take(&mut envelope.terms).fixed(at),
            _ => {}
        }
        self.transactions += 1;
        // MAIL and RSET in turn are no progress: one MAIL is, for each message.
        self.moved_on |= !std::mem::replace(&mut self.mail_said, true);
        self.idle_commands = 0;
        let lowered = std::mem::take(&mut self.lowered).then_some(envelope.terms.priority).flatten();
        self.transaction = Some(Transaction::new(envelope));
        self.pace = None;
        match lowered {
            // RFC 6710 §4.1: the sender is told of it.
            Some(priority) => self.say(&Reply::new(250, 3, 6, format!("{priority} is the new priority")), output),
            None => self.say(&Reply::new(250, 1, 0, "Ok"), output),
        }
    }

    /// VRFY and EXPN: who is asked knows the policy.
    pub(super) fn ask_about(&mut self, verb: Verb, about: String) -> Step<Ask> {
        let client = self.client.clone();
        self.ask(
            Pending::About,
            if verb == Verb::Vrfy { Ask::Verify(client, about) } else { Ask::Expand(client, about) },
        )
    }
}
