//! IDLE (RFC 9051 §6.3.13): what happens in the mailbox is told as it happens.

use std::io;
use std::time::Duration;

use crate::imap::framing::Cut;
use crate::imap::response::Completion;

use super::Session;
use super::goodbye::Goodbye;
use super::refusal::{Done, Stop};
use super::wire::Woke;

/// Pause before a store that could not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Silence after which a word keeps the connection alive: routers forget quiet ones after minutes.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

impl Session {
    pub(super) async fn idle(&mut self) -> Done {
        self.wire.out.extend_from_slice(b"+ idling\r\n");
        loop {
            let told = self.report_changes(true).await?;
            let told = self.tell_elsewhere().await? && told;
            let told = self.tell_annotations().await? && told;
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
            // No change wakes a second time: what could not be told is asked for anew.
            let again = self.shared.world.clock.now() + if told { KEEP_ALIVE } else { ASK_AGAIN };
            let until = deadline.min(again);
            let watch = self.open.as_mut().map(|open| &mut open.watch);
            let others = self.notify.as_mut().and_then(|notifying| notifying.watch());
            let others = others.or_else(|| self.annotations.as_mut().map(|told| told.watch()));
            match self.wire.wait(until, [watch, others, self.account_watch.as_mut()]).await? {
                Woke::Octets => {}
                Woke::Late if self.shared.world.clock.now() < deadline => {
                    if told {
                        self.wire.out.extend_from_slice(b"* OK Still here\r\n");
                    }
                }
                Woke::Changed => {
                    self.end_without_account().await;
                    self.look_elsewhere();
                }
                Woke::End => return Err(Stop::Wire(io::ErrorKind::UnexpectedEof.into())),
                Woke::Late => {
                    self.late();
                    return Err(Stop::Answered);
                }
                Woke::Leave(why) => {
                    self.bye(why);
                    return Err(Stop::Answered);
                }
            }
        }
    }
}
