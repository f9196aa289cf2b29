//! One message handed over: the envelope's commands and their replies, a look through the content where the host
//! lacks something, the content itself.

use super::transaction::{Command, Scan, Standing};
use super::{BodyAsk, Client, Fate, Phase, Stage, Unfit};
use crate::base::dialog::Step;
use crate::base::envelope::BodyKind;
use crate::base::stuffing::Stuffer;
use crate::base::{Reply, limits};

impl Client {
    /// Starts the transaction that waits.
    pub(super) fn start(&mut self) {
        let Some(running) = &mut self.running else { return };
        let doubts = running.fit(&self.offers);
        if !running.has(&Standing::Undecided) {
            // Nothing was sent: the session is as clean as before.
            let dirty = self.dirty;
            self.finish(dirty);
        } else if doubts.header || doubts.body {
            self.phase = Phase::Scan(Scan::new(doubts));
        } else {
            self.line_up();
        }
    }

    pub(super) fn line_up(&mut self) {
        if let Some(running) = &mut self.running {
            running.line_up(self.dirty);
        }
        self.dirty = true;
        self.phase = Phase::Envelope;
    }

    /// The transaction is over and everybody decided.
    pub(super) fn finish(&mut self, dirty: bool) {
        self.conclude(&Fate::Lost(Stage::Mail, "the host gave no answer".to_owned()));
        self.dirty = dirty;
        self.phase = Phase::Rest;
    }

    /// Writes what may be written. Whether replies are awaited.
    pub(super) fn send(&mut self, output: &mut Vec<u8>) -> bool {
        let Some(running) = &mut self.running else { return false };
        let window = if self.offers.pipelining { limits::SMTP_PIPELINED_COMMANDS_MAX } else { 1 };
        while running.awaited.len() < window {
            let Some(command) = running.queue.pop_front() else { break };
            if command == Command::Data && running.awaited.is_empty() && !running.has(&Standing::Taken) {
                break;
            }
            running.write(command, &self.offers, self.logged_in, output);
            running.awaited.push_back(command);
        }
        !running.awaited.is_empty()
    }

    pub(super) fn on_envelope(&mut self, reply: Reply, output: &mut Vec<u8>) {
        let Some(running) = &mut self.running else { return };
        let Some(command) = running.awaited.front().copied() else { return };
        let class = reply.code / 100;
        if class == 3 && command != Command::Data || class == 2 && command == Command::Data {
            return self.lose("the host's replies do not fit our commands");
        }
        running.awaited.pop_front();
        match command {
            Command::Reset if class != 2 => self.leave(&Fate::Refused(Stage::Mail, reply), output),
            Command::Reset => {}
            Command::Mail if class == 2 => {}
            Command::Mail => {
                running.queue.clear();
                running.decide_rest(&Fate::Refused(Stage::Mail, reply));
            }
            Command::Recipient(at) => {
                if let Some(standing) = running.standings.get_mut(at)
                    && *standing == Standing::Undecided
                {
                    *standing = match class {
                        2 => Standing::Taken,
                        _ => Standing::Decided(Fate::Refused(Stage::Recipient, reply)),
                    };
                }
            }
            Command::Data if class == 3 && running.has(&Standing::Taken) => {
                self.phase = Phase::Body(Some(Stuffer::default()));
            }
            Command::Data if class == 3 => {
                // RFC 2920 §3.1: 354 though nobody was accepted. An empty message ends it.
                running.hollow = true;
                output.extend_from_slice(b".\r\n");
                self.phase = Phase::Final;
            }
            Command::Data => running.decide_rest(&Fate::Refused(Stage::Data, reply)),
        }
    }

    /// All commands of the envelope are answered, and no DATA among them went through.
    pub(super) fn after_envelope(&mut self, output: &mut Vec<u8>) {
        match &self.running {
            Some(running) if running.body == BodyKind::Binary && running.has(&Standing::Taken) => {
                output.extend_from_slice(format!("BDAT {} LAST\r\n", running.job.size).as_bytes());
                self.phase = Phase::Body(None);
            }
            _ => self.finish(true),
        }
    }

    pub(super) fn on_final(&mut self, reply: Reply) {
        let hollow = self.running.as_ref().is_some_and(|running| running.hollow);
        match reply.code / 100 {
            _ if hollow => self.finish(true),
            2 => {
                self.conclude(&Fate::Accepted(reply));
                self.dirty = false;
                self.phase = Phase::Rest;
            }
            3 => self.lose("the host answered the message with 3yz"),
            _ => {
                self.conclude(&Fate::Refused(Stage::Final, reply));
                self.dirty = true;
                self.phase = Phase::Rest;
            }
        }
    }

    // -- the message ---------------------------------------------------------------------------------

    /// Looks through the content for what the peer cannot take.
    pub(super) fn scan(&mut self) -> Option<Step<BodyAsk>> {
        let (Phase::Scan(scan), Some(running)) = (&mut self.phase, &mut self.running) else { return None };
        let done = match self.piece.take() {
            None => false,
            Some(Some(piece)) if !piece.is_empty() => scan.look(&piece),
            Some(_) => {
                running.decide_rest(&Fate::Unread);
                let dirty = self.dirty;
                self.finish(dirty);
                return None;
            }
        };
        if !done && scan.offset < running.job.size {
            return Some(ask(scan.offset, running.job.size));
        }
        let unfit = if scan.doubts.header && scan.header_eight {
            Some(Unfit::NoUtf8)
        } else if scan.doubts.body && (scan.header_eight || scan.body_eight) {
            Some(Unfit::NoEightBit)
        } else {
            None
        };
        if scan.doubts.body {
            running.body = BodyKind::SevenBit;
        }
        match unfit {
            Some(unfit) => {
                running.decide_rest(&Fate::Unfit(unfit));
                let dirty = self.dirty;
                self.finish(dirty);
            }
            None => self.line_up(),
        }
        None
    }

    /// Sends the next piece.
    pub(super) fn send_body(&mut self, output: &mut Vec<u8>) -> Option<Step<BodyAsk>> {
        let (Phase::Body(stuffer), Some(running)) = (&mut self.phase, &mut self.running) else { return None };
        let size = running.job.size;
        match self.piece.take() {
            None if running.offset < size => return Some(ask(running.offset, size)),
            None => {}
            Some(Some(piece)) if !piece.is_empty() && running.offset + piece.len() as u64 <= size => {
                running.offset += piece.len() as u64;
                match stuffer {
                    Some(stuffer) => stuffer.put(&piece, output),
                    None => output.extend_from_slice(&piece),
                }
                if running.offset < size {
                    return Some(Step::Write);
                }
            }
            Some(_) => {
                // DATA can only be broken off by closing the connection.
                self.end_with(&Fate::Unread);
                return None;
            }
        }
        if let Some(stuffer) = stuffer.take() {
            stuffer.end(output);
        }
        self.phase = Phase::Final;
        None
    }
}

fn ask(offset: u64, size: u64) -> Step<BodyAsk> {
    let left = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    Step::Ask(BodyAsk { offset, octets_max: left.min(limits::CHUNK_OCTETS_MAX) })
}
