//! Answers: each is for the question that waits, and leads to a reply, a state, or another question.

use super::ask::Answer;
use super::{Next, Pending, Phase, Session};
use crate::base::Reply;

impl Session {
    pub(super) fn proceed(&mut self, pending: Pending, answer: Answer, output: &mut Vec<u8>) -> Next {
        match (pending, answer) {
            (_, Answer::HangUp) => {
                self.refused.clear();
                output.clear();
                self.phase = Phase::Over;
            }
            (pending @ (Pending::Connect | Pending::Hello(..) | Pending::Data), Answer::Verdict(verdict)) => {
                return self.went_on(pending, verdict, output);
            }
            (Pending::Sender(envelope), answer @ (Answer::Verdict(_) | Answer::Began(_))) => {
                self.sender_judged(envelope, answer, output);
            }
            (Pending::About, Answer::Replies(replies)) => replies.iter().for_each(|reply| self.say(reply, output)),
            (Pending::Recipient(recipient), Answer::Verdict(verdict)) => match verdict {
                Ok(()) => {
                    if let Some(transaction) = &mut self.transaction {
                        transaction.envelope.recipients.push(recipient);
                    }
                    self.moved_on = true;
                    self.say(&Reply::new(250, 1, 5, "Ok"), output);
                }
                Err(reply) => {
                    self.about.to.push(recipient.address.to_string());
                    self.say(&reply, output);
                }
            },
            (Pending::ScramEnded(_), Answer::Account(None)) => self.login_ended(false, output),
            (Pending::Recipient(_), Answer::Redirected(recipient)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.envelope.recipients.push(*recipient);
                }
                self.say(&Reply::new(250, 1, 5, "Ok"), output);
            }
            (Pending::Password | Pending::Keys(_) | Pending::ScramEnded(_), Answer::Verdict(Err(reply))) => {
                return self.no_login(&reply, output);
            }
            (Pending::Password, Answer::Account(account)) => return self.password_checked(account, output),
            (Pending::Keys(user), Answer::Keys(keys, account)) => return self.keys_found(user, &keys, account, output),
            (Pending::ScramEnded(ok), Answer::Done) => self.login_ended(ok, output),
            (Pending::Password | Pending::Keys(_) | Pending::ScramEnded(_), Answer::Later) => {
                return self.login_later(output);
            }
            (Pending::Piece, Answer::Buffer(buffer)) => {
                if let Some(transaction) = &mut self.transaction {
                    transaction.body.chunk = buffer;
                }
            }
            (Pending::Accept, Answer::Replies(replies)) => self.accepted(&replies, output),
            (Pending::Abandon | Pending::Refused, _) => {}
            // An answer to another question: the driver is broken, and nothing can be trusted any more.
            _ => self.goodbye(3, 0, "Internal error", output),
        }
        None
    }
}
