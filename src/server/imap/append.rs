//! APPEND (RFC 9051 §6.3.12, RFC 7888): checked before its message is invited, then streamed into a spool.

use std::io;

use crate::base::content::{Spool, SpoolError};
use crate::base::event::Origin;
use crate::base::limits::{IMAP_DESCRIBE_INLINE_OCTETS_MAX, IMAP_SKIP_OCTETS_MAX};
use crate::base::{Content, Error, MailboxId};
use crate::delivery::local;
use crate::imap::command::State;
use crate::imap::framing::{Announced, Cut};
use crate::imap::parse::append::{self, Append};
use crate::imap::response::Completion;
use crate::message::line_end::CrLfWriter;
use crate::os::aside::aside;
use crate::smtp::transaction::Pace;
use crate::store::{Acceptance, Arrival, Filing};

use super::Session;
use super::goodbye::Goodbye;
use super::refusal::{Stop, no_destination, of_bad, of_destination, of_error};
use super::wire::Woke;

impl Session {
    /// An APPEND whose message is announced and not yet sent.
    pub(super) async fn append(&mut self, head: &[u8], literal: Announced) -> io::Result<()> {
        let (tag, allowed) = match append::head(head, self.enabled.utf8_names()) {
            Ok(append) => (Some(append.tag.clone()), self.may_append(&append, literal).await.map(|to| (append, to))),
            Err(refused) => (refused.tag, Err(Stop::Completion(of_bad(refused.why)))),
        };
        let tag = tag.as_deref().unwrap_or("*");
        let done = match allowed {
            Ok((append, mailbox)) => self.take_message(append, mailbox, literal).await,
            Err(Stop::Completion(answer)) => self.pass_over(literal).await.and(Err(Stop::Completion(answer))),
            Err(stop) => Err(stop),
        };
        match done {
            Ok(answer) => {
                self.report_changes(true).await?;
                self.finish(tag, answer);
            }
            Err(Stop::Completion(answer)) => self.finish(tag, answer),
            Err(Stop::Answered) => {}
            Err(Stop::Wire(e)) => return Err(e),
        }
        Ok(())
    }

    /// Everything that can be said before the message comes.
    async fn may_append(&mut self, append: &Append, literal: Announced) -> Result<MailboxId, Stop> {
        if self.state() == State::NotAuthenticated {
            return Err(Completion::bad("APPEND is not possible now").into());
        }
        if literal.octets > self.shared.settings.message_octets_max {
            return Err(self.too_large().into());
        }
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, &append.name).await?;
        let mailbox = mailbox.filter(|mailbox| mailbox.selectable).ok_or_else(|| Stop::Completion(no_destination()))?;
        // The quota as it is now, not as it was at login.
        let account = self.shared.store.directory().account_by_id(account.id);
        if let Some(quota) = account.and_then(|account| account.quota_octets.map(|quota| (quota, account.id))) {
            let kept = self.shared.store.account_octets(quota.1).await?;
            if kept.saturating_add(literal.octets) > quota.0 {
                return Err(Completion::no("OVERQUOTA", "There is no room left").into());
            }
        }
        Ok(mailbox.id)
    }

    async fn take_message(&mut self, append: Append, mailbox: MailboxId, literal: Announced) -> super::Done {
        if literal.sync {
            self.wire.out.extend_from_slice(b"+ OK\r\n");
        }
        let store = &self.shared.store;
        let disk = self.shared.world.disk.clone();
        let spool = Spool::new(disk, store.scratch_folder(), self.shared.settings.message_octets_max);
        let mut spool = spool.charged_to(self.shared.logins.memory.at(self.shared.world.clock.now()));
        let mut pace = self.begin_pace();
        let mut trouble = None;
        let mut lines = CrLfWriter::default();
        let mut left = literal.octets;
        while left > 0 {
            let piece = self.wire.input.peek();
            let n = left.min(piece.len() as u64);
            if n == 0 {
                self.more(Some(&mut pace)).await?;
                continue;
            }
            let piece = piece.get(..n as usize).unwrap_or_default();
            if literal.binary && trouble.is_none() {
                trouble = spool.push(piece).err();
            } else {
                // A bare LF, which clients that append files leave in, becomes CRLF: readers know no other line end.
                lines.push(piece, |piece| {
                    if trouble.is_none() {
                        trouble = spool.push(piece).err();
                    }
                });
            }
            self.wire.input.consume(n as usize);
            left -= n;
        }
        let tail = self.tail().await?;
        if let Err(bad) = append::tail(&tail, append.utf8) {
            return Ok(of_bad(bad));
        }
        match trouble {
            None => {
                let _held = spool.take_charge();
                self.file(append, mailbox, spool.finish()).await
            }
            Some(SpoolError::TooLarge) => Ok(self.too_large()),
            Some(SpoolError::Disk(e)) => Ok(of_error(&Error::of_disk("scratch file", &e))),
        }
    }

    async fn file(&mut self, append: Append, mailbox: MailboxId, content: Content) -> super::Done {
        let now = self.shared.world.clock.wall();
        let internal_date = append.date.unwrap_or(now);
        let filing = Filing { mailbox, flags: append.flags.flags, keywords: append.flags.keywords, internal_date };
        let arrival = if content.len() <= IMAP_DESCRIBE_INLINE_OCTETS_MAX {
            local::arrival(content, vec![filing], now)
        } else {
            self.describe_aside(content, filing).await
        };
        let Ok(arrival) = arrival else {
            return Ok(Completion::no("UNAVAILABLE", "Not possible just now, try again later"));
        };
        let origin = Origin { peer: self.ends.peer.to_string(), ..Origin::default() };
        let arrival = Arrival { origin, ..arrival };
        let acceptance = Acceptance { arrivals: vec![arrival], ..Acceptance::default() };
        let accepted = self.shared.store.accept(acceptance).await.map_err(|e| Stop::Completion(of_destination(&e)))?;
        let answer = Completion::ok("Append completed");
        Ok(match accepted.filed.first() {
            Some(filed) => answer.with_code(format!("APPENDUID {} {}", filed.uid_validity, filed.uid)),
            None => answer,
        })
    }

    /// Takes a large message apart where it holds up no other session.
    async fn describe_aside(&mut self, content: Content, filing: Filing) -> io::Result<Arrival> {
        let now = self.shared.world.clock.wall();
        let arrival = aside(&*self.shared.world.run, false, move || local::arrival(content, vec![filing], now)).await;
        arrival.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
    }

    /// Passes over a message that is refused but comes all the same, and the rest of its command.
    async fn pass_over(&mut self, literal: Announced) -> Result<(), Stop> {
        if literal.sync {
            return Ok(());
        }
        if literal.octets > IMAP_SKIP_OCTETS_MAX {
            self.bye(Goodbye::Command);
            return Err(Stop::Answered);
        }
        let mut left = literal.octets;
        let mut pace = self.begin_pace();
        while left > 0 {
            let n = left.min(self.wire.input.len() as u64);
            if n == 0 {
                self.more(Some(&mut pace)).await?;
            }
            self.wire.input.consume(n as usize);
            left -= n;
        }
        self.tail().await.map(drop)
    }

    /// What stands behind the message in its command.
    async fn tail(&mut self) -> Result<Vec<u8>, Stop> {
        self.framing.message_taken();
        loop {
            match self.framing.cut(&mut self.wire.input) {
                Cut::Command(rest) => return Ok(rest),
                Cut::More => self.more(None).await?,
                Cut::Invite => self.wire.out.extend_from_slice(b"+ OK\r\n"),
                Cut::Refused { .. } => return Err(Completion::bad("Line end expected behind the message").into()),
                Cut::Message { .. } | Cut::Hopeless => {
                    self.bye(Goodbye::Command);
                    return Err(Stop::Answered);
                }
            }
        }
    }

    fn too_large(&self) -> Completion {
        let most = self.shared.settings.message_octets_max;
        Completion::no("TOOBIG", format!("The message is too large, at most {most} bytes"))
    }

    /// A message begins to come: its octets must come as fast as those that SMTP brings.
    fn begin_pace(&self) -> Pace {
        let waits = &self.shared.settings.waits;
        Pace::begin(self.shared.world.clock.now(), waits.smtp_command, waits.smtp_data)
    }

    /// Waits for more octets: of a message at their pace, of a command within what is left of the last wait.
    async fn more(&mut self, pace: Option<&mut Pace>) -> Result<(), Stop> {
        let before = self.wire.input.len();
        let deadline = pace.as_ref().map_or_else(|| self.deadline(), |pace| pace.deadline());
        match self.wire.wait(deadline, None, None).await? {
            Woke::Octets | Woke::Changed => {
                let (waits, now) = (&self.shared.settings.waits, self.shared.world.clock.now());
                let came = self.wire.input.len().saturating_sub(before);
                if let Some(pace) = pace {
                    self.heard = now;
                    pace.came(came, now, waits.smtp_command, waits.smtp_data_rate_min);
                    if pace.deadline() <= now {
                        self.bye(Goodbye::Slow);
                        return Err(Stop::Answered);
                    }
                }
                Ok(())
            }
            Woke::Late if pace.is_some() => {
                self.bye(Goodbye::Slow);
                Err(Stop::Answered)
            }
            Woke::Leave(why) => {
                self.bye(why);
                Err(Stop::Answered)
            }
            Woke::End => Err(Stop::Wire(io::ErrorKind::UnexpectedEof.into())),
            Woke::Late => {
                self.late();
                Err(Stop::Answered)
            }
        }
    }
}
