//! APPEND and REPLACE (RFC 9051 §6.3.12, RFC 3502, RFC 7888, RFC 8508): checked before a message is invited, then
//! streamed into a spool. All messages of a command are filed in one commit, or none.

use std::io;

use crate::base::budget::Charge;
use crate::base::content::{Spool, SpoolError};
use crate::base::event::Origin;
use crate::base::limits::{IMAP_APPEND_MESSAGES_MAX, IMAP_DESCRIBE_INLINE_OCTETS_MAX, IMAP_SKIP_OCTETS_MAX};
use crate::base::{Content, Error, MailboxId, Uid};
use crate::delivery::local;
use crate::imap::command::State;
use crate::imap::encode::search::set_in_order;
use crate::imap::framing::{Announced, Cut};
use crate::imap::parse::append::{self, Append, Part, Replaced};
use crate::imap::response::Completion;
use crate::imap::sequence::SequenceSet;
use crate::message::line_end::CrLfWriter;
use crate::os::aside::aside;
use crate::smtp::transaction::Pace;
use crate::store::{Acceptance, Arrival, Filing, Notes};

use super::Session;
use super::goodbye::Goodbye;
use super::open::Told;
use super::refusal::{Stop, no_destination, of_bad, of_destination, of_error};
use super::wire::Woke;

/// An APPEND or REPLACE under way.
struct Appending {
    mailbox: MailboxId,
    /// The message that goes (RFC 8508).
    replaces: Option<(MailboxId, Uid)>,
    /// The account's room as it was when the command began; `None` without a limit.
    room: Option<u64>,
    arrivals: Vec<Arrival>,
    /// What the messages in memory are charged to.
    charges: Vec<Charge>,
}

impl Session {
    /// An APPEND or REPLACE whose first message is announced and not yet sent.
    pub(super) async fn append(&mut self, head: &[u8], literal: Announced) -> io::Result<()> {
        let (tag, allowed) = match append::head(head, self.enabled.utf8_names()) {
            Ok(append) => (Some(append.tag.clone()), self.may_append(&append).await.map(|begun| (append, begun))),
            Err(refused) => (refused.tag, Err(Stop::Completion(of_bad(refused.why)))),
        };
        let tag = tag.as_deref().unwrap_or("*");
        let done = match allowed {
            Ok((append, begun)) => self.take_messages(append.first, begun, literal).await,
            Err(Stop::Completion(answer)) => self.pass_over(literal).await.and(Err(Stop::Completion(answer))),
            Err(stop) => Err(stop),
        };
        match done {
            Ok(answer) => {
                self.report_changes(true).await?;
                self.tell_elsewhere().await?;
                self.finish(tag, answer);
            }
            Err(Stop::Completion(answer)) => self.finish(tag, answer),
            Err(Stop::Answered) => {}
            Err(Stop::Wire(e)) => return Err(e),
        }
        Ok(())
    }

    /// Everything that can be said before a message comes.
    async fn may_append(&mut self, append: &Append) -> Result<Appending, Stop> {
        if self.state() == State::NotAuthenticated {
            return Err(Completion::bad("APPEND is not possible now").into());
        }
        let replaces = append.replaces.map(|replaced| self.replaced(replaced)).transpose()?;
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, &append.name).await?;
        let mailbox = mailbox.filter(|mailbox| mailbox.selectable).ok_or_else(|| Stop::Completion(no_destination()))?;
        // The quota as it is now, not as it was at login. What is replaced makes room only when it goes.
        let account = self.shared.store.account_by_id(account.id).await?;
        let quota = account.and_then(|account| account.quota_octets.map(|quota| (quota, account.id)));
        let room = match quota {
            Some((quota, id)) if replaces.is_none() => {
                Some(quota.saturating_sub(self.shared.store.account_octets(id).await?))
            }
            _ => None,
        };
        Ok(Appending { mailbox: mailbox.id, replaces, room, arrivals: Vec::new(), charges: Vec::new() })
    }

    /// The message that a REPLACE names.
    fn replaced(&self, replaced: Replaced) -> Result<(MailboxId, Uid), Stop> {
        let Some(open) = &self.open else {
            return Err(Completion::bad("REPLACE is not possible now").into());
        };
        if self.enabled.uid_only && !replaced.by_uid {
            return Err(super::uid_required().into());
        }
        if open.read_only {
            return Err(Completion::no("NOPERM", "The mailbox is open read-only").into());
        }
        let set = SequenceSet::Ranges(vec![(replaced.number, replaced.number)]);
        let places = open.places(&set, replaced.by_uid)?;
        let uid = places.iter().next().and_then(|place| open.view.uid(place));
        let uid = uid.ok_or_else(|| Stop::Completion(Completion::no("NONEXISTENT", "No such message")))?;
        Ok((open.mailbox, uid))
    }

    /// Takes all messages of the command, then files them in one commit (RFC 3502).
    async fn take_messages(&mut self, first: Part, mut begun: Appending, literal: Announced) -> super::Done {
        let (mut part, mut literal) = (first, literal);
        loop {
            if let Err(answer) = self.has_room(&mut begun, literal) {
                return self.pass_over(literal).await.and(Ok(answer));
            }
            let content = match self.take_message(literal).await? {
                Ok((content, charge)) => {
                    begun.charges.extend(charge);
                    content
                }
                Err(answer) => return self.pass_rest().await.and(Ok(answer)),
            };
            let utf8 = part.utf8;
            match self.behind_message().await? {
                Behind::End(rest) => {
                    if let Err(bad) = append::tail(&rest, utf8) {
                        return Ok(of_bad(bad));
                    }
                    self.read_message(&mut begun, part, content).await?;
                    return self.file(begun).await;
                }
                Behind::Message(between, next) => {
                    let following = append::between(&between, utf8).map_err(of_bad);
                    let following = following.and_then(|part| match begun.replaces {
                        None => Ok(part),
                        Some(_) => Err(Completion::bad("REPLACE has one message")),
                    });
                    match following {
                        Ok(following) => {
                            self.read_message(&mut begun, std::mem::replace(&mut part, following), content).await?;
                            literal = next;
                        }
                        Err(answer) => return self.pass_over(next).await.and(Ok(answer)),
                    }
                }
            }
        }
    }

    /// Whether another message can be taken, as far as its announcement tells.
    fn has_room(&self, begun: &mut Appending, literal: Announced) -> Result<(), Completion> {
        if literal.octets > self.shared.settings.message_octets_max {
            return Err(self.too_large());
        }
        if literal.octets == 0 && !begun.arrivals.is_empty() {
            return Err(Completion::no("", "Append cancelled by an empty message"));
        }
        if begun.arrivals.len() >= IMAP_APPEND_MESSAGES_MAX {
            return Err(Completion::no("LIMIT", format!("Too many messages, at most {IMAP_APPEND_MESSAGES_MAX}")));
        }
        match &mut begun.room {
            Some(room) if literal.octets > *room => Err(Completion::no("OVERQUOTA", "There is no room left")),
            Some(room) => {
                *room -= literal.octets;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// The octets of a message; an answer where they cannot be kept.
    async fn take_message(
        &mut self,
        literal: Announced,
    ) -> Result<Result<(Content, Option<Charge>), Completion>, Stop> {
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
        Ok(match trouble {
            None => {
                let charge = spool.take_charge();
                Ok((spool.finish(), charge))
            }
            Some(SpoolError::TooLarge) => Err(self.too_large()),
            Some(SpoolError::Disk(e)) => Err(of_error(&Error::of_disk("scratch file", &e))),
        })
    }

    /// Reads a message for what is asked of it later.
    async fn read_message(&mut self, begun: &mut Appending, part: Part, content: Content) -> Result<(), Stop> {
        let now = self.shared.world.clock.wall();
        let (flags, keywords) = (part.flags.flags, part.flags.keywords);
        let filing = Filing { mailbox: begun.mailbox, flags, keywords, internal_date: part.date.unwrap_or(now) };
        let arrival = if content.len() <= IMAP_DESCRIBE_INLINE_OCTETS_MAX {
            local::arrival(content, vec![filing], now)
        } else {
            self.describe_aside(content, filing).await
        };
        let arrival = arrival.map_err(|_| Completion::no("UNAVAILABLE", "Not possible just now, try again later"))?;
        let origin = Origin { peer: self.ends.peer.to_string(), ..Origin::default() };
        begun.arrivals.push(Arrival { origin, ..arrival });
        Ok(())
    }

    /// Files all messages, or none, and says where they are.
    async fn file(&mut self, begun: Appending) -> super::Done {
        let Appending { mailbox, replaces, arrivals, charges: _held, .. } = begun;
        let acceptance = Acceptance { arrivals, ..Acceptance::default() };
        let notes = Notes { replaces, ..Notes::default() };
        let accepted = self.shared.store.accept_noting(acceptance, notes).await;
        let accepted = accepted.map_err(|e| match replaces {
            // What is not there may be either of the two.
            Some(_) => Stop::Completion(of_error(&e)),
            None => Stop::Completion(of_destination(&e)),
        })?;
        let uids: Vec<Uid> = accepted.filed.iter().map(|filed| filed.uid).collect();
        let code = match accepted.filed.first() {
            Some(filed) => format!("APPENDUID {} {}", filed.uid_validity, set_in_order(&uids)),
            None => String::new(),
        };
        self.brought(mailbox, &uids);
        if replaces.is_none() {
            return Ok(Completion::ok("Append completed").with_code(code));
        }
        // RFC 8508 §3.4: the new UID is told before the old message goes.
        Completion::ok("Replacement message ready").with_code(code).write(&mut self.wire.out, "*");
        self.sync(true, Told::default()).await?;
        Ok(Completion::ok("Replace completed"))
    }

    /// Takes a large message apart where it holds up no other session.
    async fn describe_aside(&mut self, content: Content, filing: Filing) -> io::Result<Arrival> {
        let now = self.shared.world.clock.wall();
        let arrival = aside(&*self.shared.world.run, false, move || local::arrival(content, vec![filing], now)).await;
        arrival.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
    }

    /// Passes over messages that are refused but come all the same, and the rest of their command.
    async fn pass_over(&mut self, literal: Announced) -> Result<(), Stop> {
        let mut next = Some(literal);
        let mut passed = 0u64;
        while let Some(literal) = next.filter(|literal| !literal.sync) {
            passed = passed.saturating_add(literal.octets);
            if passed > IMAP_SKIP_OCTETS_MAX {
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
            next = match self.behind_message().await? {
                Behind::End(_) => None,
                Behind::Message(_, next) => Some(next),
            };
        }
        self.framing.command_refused();
        Ok(())
    }

    /// Passes over what comes behind a message that was taken.
    async fn pass_rest(&mut self) -> Result<(), Stop> {
        match self.behind_message().await? {
            Behind::End(_) => Ok(()),
            Behind::Message(_, next) => self.pass_over(next).await,
        }
    }

    /// What stands behind a message in its command: its end, or another message.
    async fn behind_message(&mut self) -> Result<Behind, Stop> {
        self.framing.message_taken();
        loop {
            match self.framing.cut(&mut self.wire.input) {
                Cut::Command(rest) => return Ok(Behind::End(rest)),
                Cut::Message { head, literal } => return Ok(Behind::Message(head, literal)),
                Cut::More => self.more(None).await?,
                Cut::Invite => self.wire.out.extend_from_slice(b"+ OK\r\n"),
                Cut::Refused { .. } => return Err(Completion::bad("Line end expected behind the message").into()),
                Cut::Hopeless => {
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
        match self.wire.wait(deadline, Default::default()).await? {
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

/// What stands behind a message.
enum Behind {
    /// The end of the command: the rest of its last line.
    End(Vec<u8>),
    /// Another message, and what stands in front of it.
    Message(Vec<u8>, Announced),
}
