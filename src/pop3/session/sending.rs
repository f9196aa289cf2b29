//! Commands of TRANSACTION, and what of their replies does not go out at once: lists and messages.

use super::{Ask, Command, Phase, Session};
use crate::pop3::maildrop::{Listing, Maildrop, NoMessage};
use crate::pop3::reply::{Excerpt, err, ok};

/// What is not finished with one line of output.
pub(super) enum Work {
    Nothing,
    /// Lines of LIST or UIDL.
    Numbers {
        next: u32,
        ids: bool,
    },
    Message(Sending),
}

/// A message that is sent piece by piece.
pub(super) struct Sending {
    pub number: u32,
    pub message: Listing,
    pub offset: u64,
    pub excerpt: Option<Excerpt>,
}

impl Session {
    /// Octets of the message under way.
    pub(super) fn body(&mut self, piece: Option<Vec<u8>>, output: &mut Vec<u8>) {
        let Work::Message(sending) = &mut self.work else { return };
        let Some(piece) = piece.filter(|piece| !piece.is_empty()) else {
            if sending.offset == 0 {
                self.refuse("[SYS/TEMP] the message cannot be read", output);
            } else {
                // Half of it is out: only the end of the connection says that there is no more.
                self.phase = Phase::Over;
            }
            self.work = Work::Nothing;
            return;
        };
        if sending.offset == 0 {
            sending.begin(output);
        }
        sending.offset += piece.len() as u64;
        let mut over = sending.offset >= sending.message.octets;
        let wanted = match &mut sending.excerpt {
            Some(excerpt) => {
                let wanted = excerpt.take(&piece);
                over |= excerpt.is_over();
                wanted
            }
            None => &piece,
        };
        self.stuffer.put(wanted, output);
        if over {
            std::mem::take(&mut self.stuffer).end(output);
            self.work = Work::Nothing;
        }
    }
}

impl Sending {
    pub fn ask(&self) -> Ask {
        Ask::Body { number: self.number, blob: self.message.blob, offset: self.offset }
    }

    /// The line in front of the message.
    pub fn begin(&self, output: &mut Vec<u8>) {
        match self.excerpt {
            Some(_) => ok(output, "top of message follows"),
            None => ok(output, &format!("{} octets", self.message.octets)),
        }
    }
}

/// Commands of TRANSACTION; gives what cannot be done at once.
pub(super) fn transaction_command(maildrop: &mut Maildrop, command: Command, output: &mut Vec<u8>) -> Option<Work> {
    let answered = match command {
        Command::Stat => {
            let (count, octets) = maildrop.left();
            ok(output, &format!("{count} {octets}"));
            Ok(None)
        }
        Command::Noop => {
            ok(output, "nothing done");
            Ok(None)
        }
        Command::Rset => {
            maildrop.reset();
            ok(output, "marks taken away");
            Ok(None)
        }
        Command::Dele(number) => maildrop.mark(number).map(|()| {
            ok(output, "marked");
            None
        }),
        Command::List(None) => {
            let (count, octets) = maildrop.left();
            ok(output, &format!("{count} messages ({octets} octets)"));
            Ok(Some(Work::Numbers { next: 1, ids: false }))
        }
        Command::Uidl(None) => {
            ok(output, "unique-ids follow");
            Ok(Some(Work::Numbers { next: 1, ids: true }))
        }
        Command::List(Some(number)) => one_number(maildrop, number, false, output),
        Command::Uidl(Some(number)) => one_number(maildrop, number, true, output),
        Command::Retr(number) => sending(maildrop, number, None),
        Command::Top(number, lines) => sending(maildrop, number, Some(Excerpt::new(lines))),
        _ => Ok(None),
    };
    match answered {
        Ok(work) => work,
        Err(NoMessage::Unknown) => {
            err(output, "no such message");
            None
        }
        Err(NoMessage::Deleted) => {
            err(output, "that message is deleted");
            None
        }
    }
}

fn sending(maildrop: &Maildrop, number: u32, excerpt: Option<Excerpt>) -> Result<Option<Work>, NoMessage> {
    let message = maildrop.get(number)?;
    Ok(Some(Work::Message(Sending { number, message, offset: 0, excerpt })))
}

fn one_number(maildrop: &Maildrop, number: u32, ids: bool, output: &mut Vec<u8>) -> Result<Option<Work>, NoMessage> {
    let message = maildrop.get(number)?;
    output.extend_from_slice(b"+OK ");
    number_line(maildrop, number, &message, ids, output);
    Ok(None)
}

/// A line of LIST or UIDL.
pub(super) fn number_line(maildrop: &Maildrop, number: u32, message: &Listing, ids: bool, output: &mut Vec<u8>) {
    let text = if ids {
        format!("{number} {}\r\n", maildrop.unique_id(message))
    } else {
        format!("{number} {}\r\n", message.octets)
    };
    output.extend_from_slice(text.as_bytes());
}
