//! IDLE (RFC 9051 §6.3.13): what happens in the mailbox is told as it happens.

use std::io;

use crate::imap::framing::Cut;
use crate::imap::response::Completion;

use super::Session;
use super::goodbye::Goodbye;
use super::refusal::{Done, Stop};
use super::wire::Woke;

impl Session {
    pub(super) async fn idle(&mut self) -> Done {
        self.wire.out.extend_from_slice(b"+ idling\r\n");
        loop {
            self.report_changes(true).await?;
            if self.over {
                return Err(Stop::Answered);
            }
            match self.framing.cut_line(&mut self.wire.input) {
                Cut::Command(line) if line.eq_ignore_ascii_case(b"DONE") => {
                    return Ok(Completion::ok("Idle completed"));
                }
                Cut::Command(_) => return Ok(Completion::bad("DONE expected")),
                Cut::More => {}
                _ => {
                    self.bye(Goodbye::Line);
                    return Err(Stop::Answered);
                }
            }
            let deadline = self.deadline();
            let watch = self.open.as_mut().map(|open| &mut open.watch);
            match self.wire.wait(deadline, watch, self.account_watch.as_mut()).await? {
                Woke::Octets => {}
                Woke::Changed => self.end_without_account(),
                Woke::End => return Err(Stop::Wire(io::ErrorKind::UnexpectedEof.into())),
                Woke::Late => {
                    self.late();
                    return Err(Stop::Answered);
                }
                Woke::Draining => {
                    self.bye(Goodbye::Draining);
                    return Err(Stop::Answered);
                }
            }
        }
    }
}
