//! DATA and BDAT: the body leaves in chunks, and the last one asks for the message to be accepted.
//!
//! Whatever is wrong with a body, its end is looked for before the reply goes out; only one that goes on long
//! after it became too large ends the session. One chunk at a time is held.

use super::verbs::no_recipients;
use super::{Ask, Config, Next, Pending, Phase, Session};
use crate::base::Reply;
use crate::base::dialog::{Input, Step};
use crate::base::envelope::BodyKind;
use crate::base::limits::{CHUNK_OCTETS_MAX, SMTP_READ_ON_OCTETS_MAX};
use crate::base::time::Mono;
use crate::smtp::data::{BareEnds, Unstuffer};
use crate::smtp::transaction::{Pace, true_kind};

/// A BDAT chunk being read.
pub(super) struct Chunk {
    left: u64,
    octets: u64,
    last: bool,
    /// Whether its data was looked for.
    begun: bool,
    /// Octets read of a chunk that is refused.
    refused: Option<Reply>,
}

/// 552 for a message beyond the maximum (RFC 1870 §6.1).
pub fn too_large(octets_max: u64) -> Reply {
    Reply::new(552, 3, 4, format!("Message too large, at most {octets_max} bytes"))
}

fn bare_ends() -> Reply {
    Reply::new(550, 6, 0, "Bare CR or LF in message, see RFC 5321 section 2.3.8")
}

impl Session {
    /// Time is counted from here on: at the first look for data, and for the next chunk.
    fn begin_pace(&mut self, now: Mono) {
        let (wait, time) = (self.config.command_wait, self.config.data_time);
        match &mut self.pace {
            Some(pace) => pace.chunk(now, wait),
            None => self.pace = Some(Pace::begin(now, wait, time)),
        }
    }

    /// Waits for data where none is here; ends the session where the message takes too long. `None`: data is here.
    fn await_body(&mut self, now: Mono, octets: usize, output: &mut Vec<u8>) -> Option<Next> {
        let Config { command_wait, data_rate_min, .. } = self.config;
        let pace = self.pace.as_mut()?;
        pace.came(octets, now, command_wait, data_rate_min);
        let deadline = pace.deadline();
        if deadline <= now {
            let why = self.too_slow();
            self.goodbye(4, 2, &why, output);
            return Some(None);
        }
        self.deadline = Some(deadline);
        (octets == 0).then_some(Some(Step::Read))
    }

    /// Said where data comes too slowly, or takes too long in all.
    pub(super) fn too_slow(&self) -> String {
        let Config { command_wait, data_rate_min, data_time, .. } = &self.config;
        let (wait, time) = (command_wait.as_secs(), data_time.as_secs());
        format!(
            "Timeout, the message comes too slowly: at least {data_rate_min} bytes a second, {wait} seconds without \
             any, {time} seconds in all"
        )
    }

    fn repairs(&self) -> BareEnds {
        if self.config.repair_line_ends { BareEnds::Repair } else { BareEnds::Refuse }
    }

    pub(super) fn data(&mut self, output: &mut Vec<u8>) {
        if self.transaction.as_ref().is_some_and(|t| t.envelope.body == BodyKind::Binary) {
            self.say(&Reply::new(503, 5, 1, "BODY=BINARYMIME needs BDAT"), output);
            return;
        }
        self.phase = Phase::Data(Unstuffer::new(self.repairs()));
        self.say(&Reply::plain(354, "End data with <CR><LF>.<CR><LF>"), output);
    }

    pub(super) fn data_octets(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Next {
        if self.pace.is_none() {
            self.begin_pace(now);
        }
        if let Some(next) = self.await_body(now, input.len(), output) {
            return next;
        }
        self.deadline = None;
        let (Phase::Data(unstuffer), Some(transaction)) = (&mut self.phase, &mut self.transaction) else {
            self.goodbye(3, 0, "Internal error", output);
            return None;
        };
        let body = &mut transaction.body;
        let before = body.chunk.len();
        let used = unstuffer.take(input.peek(), &mut body.chunk);
        input.consume(used);
        let (ended, broken) = (unstuffer.is_ended(), unstuffer.is_broken());
        if ended {
            let kind = transaction.envelope.body;
            transaction.envelope.body = true_kind(kind, unstuffer.is_eight_bit(), false);
        }
        let came = body.chunk.len() - before;
        // Octets that a broken message no longer gives out count all the same.
        body.octets += if broken { used } else { came } as u64;
        let over = body.octets > self.config.octets_max;
        if over || broken {
            body.chunk = Vec::new();
        }
        match (ended, over, broken) {
            (true, true, _) => self.refuse_body(&too_large(self.config.octets_max), output),
            (true, _, true) => self.refuse_body(&bare_ends(), output),
            (true, false, false) => self.hand_in(),
            (false, ..) => self.more_body(output),
        }
    }

    /// Between two pieces: hands a full chunk on, or ends a session that will not stop.
    fn more_body(&mut self, output: &mut Vec<u8>) -> Next {
        let body = &mut self.transaction.as_mut()?.body;
        if body.octets > self.config.octets_max.saturating_add(SMTP_READ_ON_OCTETS_MAX) {
            self.say(&too_large(self.config.octets_max), output);
            self.goodbye(3, 4, &format!("The message does not end, at most {} bytes", self.config.octets_max), output);
            return None;
        }
        // As soon as another read might pass the cap.
        if body.chunk.len() < CHUNK_OCTETS_MAX / 2 {
            return None;
        }
        body.handed_on = true;
        let chunk = std::mem::take(&mut body.chunk);
        Some(self.ask(Pending::Piece, Ask::Piece(chunk)))
    }

    /// The body is complete.
    fn hand_in(&mut self) -> Next {
        self.phase = Phase::Command;
        let transaction = self.transaction.as_mut()?;
        let last = std::mem::take(&mut transaction.body.chunk);
        let envelope = Box::new(transaction.envelope.clone());
        Some(self.ask(Pending::Accept, Ask::Accept(self.client.clone(), envelope, last)))
    }

    /// The body is complete and refused.
    fn refuse_body(&mut self, reply: &Reply, output: &mut Vec<u8>) -> Next {
        self.phase = Phase::Command;
        self.moved_on = true;
        let replies = if self.is_lmtp() { self.transaction.as_ref()?.envelope.recipients.len() } else { 1 };
        for _ in 0..replies {
            self.say(reply, output);
        }
        self.drop_transaction()
    }

    /// What was decided about the message.
    pub(super) fn accepted(&mut self, replies: &[Reply], output: &mut Vec<u8>) {
        self.moved_on = true;
        if replies.iter().any(Reply::is_positive) {
            self.errors = 0;
            (self.message_by, self.mail_said) = (None, false);
        }
        for (n, reply) in replies.iter().enumerate() {
            // With LMTP each reply is for one recipient.
            if self.is_lmtp() && !reply.is_positive() {
                let recipients = self.transaction.as_ref().map(|transaction| &transaction.envelope.recipients);
                let recipient = recipients.and_then(|recipients| recipients.get(n));
                self.about.to.extend(recipient.map(|recipient| recipient.address.to_string()));
            }
            self.say(reply, output);
        }
        self.transaction = None;
        if replies.is_empty() {
            self.goodbye(3, 0, "Internal error", output);
        }
    }

    // -- BDAT (RFC 3030) -------------------------------------------------------------------------------

    pub(super) fn bdat(&mut self, octets: u64, last: bool) {
        let refused = match &mut self.transaction {
            None => Some(Reply::new(503, 5, 1, "Say MAIL first")),
            Some(transaction) if transaction.failed => Some(Reply::new(503, 5, 1, "Message refused, say RSET")),
            Some(transaction) if transaction.envelope.recipients.is_empty() => {
                no_recipients::<()>(self.config.service).err()
            }
            Some(transaction) => {
                transaction.chunking = true;
                None
            }
        };
        self.phase = Phase::Bdat(Chunk { left: octets, octets, last, begun: false, refused });
    }

    pub(super) fn bdat_octets(&mut self, now: Mono, input: &mut Input, output: &mut Vec<u8>) -> Next {
        self.deadline = None;
        let Phase::Bdat(chunk) = &mut self.phase else { return None };
        if chunk.left == 0 {
            return self.chunk_ended(output);
        }
        if !std::mem::replace(&mut chunk.begun, true) {
            self.begin_pace(now);
        }
        if let Some(next) = self.await_body(now, input.len(), output) {
            return next;
        }
        self.deadline = None;
        let Phase::Bdat(chunk) = &mut self.phase else { return None };
        let piece = input.peek();
        let piece = usize::try_from(chunk.left).ok().and_then(|left| piece.get(..left)).unwrap_or(piece);
        let taken = piece.len();
        chunk.left -= taken as u64;
        let refused = chunk.refused.is_some();
        match &mut self.transaction {
            Some(transaction) if !refused => {
                let body = &mut transaction.body;
                body.octets += taken as u64;
                transaction.line_ends.look(piece);
                transaction.eight_bit |= !piece.is_ascii();
                if body.octets > self.config.octets_max {
                    body.chunk = Vec::new();
                    chunk.refused = Some(too_large(self.config.octets_max));
                } else {
                    body.chunk.extend_from_slice(piece);
                }
            }
            _ => {
                // Nobody waits for the end of a chunk without end.
                let read = chunk.octets - chunk.left;
                if read > self.config.octets_max.saturating_add(SMTP_READ_ON_OCTETS_MAX) {
                    let why = format!("Chunk too large, at most {} bytes", self.config.octets_max);
                    self.goodbye(3, 4, &why, output);
                }
            }
        }
        input.consume(taken);
        self.more_chunk(output)
    }

    fn more_chunk(&mut self, output: &mut Vec<u8>) -> Next {
        if self.transaction.is_some() && matches!(self.phase, Phase::Bdat(_)) { self.more_body(output) } else { None }
    }

    fn chunk_ended(&mut self, output: &mut Vec<u8>) -> Next {
        let Phase::Bdat(chunk) = std::mem::replace(&mut self.phase, Phase::Command) else { return None };
        let Some(transaction) = &mut self.transaction else {
            self.say(&chunk.refused.unwrap_or_else(|| Reply::new(503, 5, 1, "Say MAIL first")), output);
            return None;
        };
        if let Some(reply) = chunk.refused {
            let began = transaction.chunking && !transaction.failed;
            transaction.failed |= transaction.chunking;
            if began && chunk.last {
                return self.refuse_body(&reply, output);
            }
            // Without RSET nothing more of this transaction is taken (RFC 3030 §2).
            let dropped = std::mem::take(&mut transaction.body);
            self.say(&reply, output);
            return dropped.handed_on.then(|| self.ask(Pending::Abandon, Ask::Abandon));
        }
        if !chunk.last {
            // The next chunk has its wait anew; what the message may take in all is counted apart.
            self.moved_on = true;
            self.say(&Reply::new(250, 0, 0, format!("{} bytes received", chunk.octets)), output);
            return None;
        }
        let bare = transaction.line_ends.found(true);
        let declared = transaction.envelope.body;
        if bare && declared != BodyKind::Binary && !self.config.repair_line_ends {
            return self.refuse_body(&bare_ends(), output);
        }
        transaction.envelope.body = true_kind(declared, transaction.eight_bit, bare);
        self.hand_in()
    }
}
