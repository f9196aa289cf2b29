//! STARTTLS (RFC 9051 §6.2.1).

use crate::imap::framing::Framing;
use crate::imap::response::Completion;

use super::Session;
use super::goodbye::Goodbye;
use super::refusal::{Done, Stop};

impl Session {
    /// Answers itself, since the answer goes out in the clear. What came in the clear behind the command ends the
    /// connection: somebody put it there.
    pub(super) async fn starttls(&mut self, tag: &str) -> Done {
        if self.tls.is_some() {
            return Ok(Completion::bad("TLS is active already"));
        }
        if self.wire.is_compressed() {
            return Ok(Completion::bad("TLS must begin before compression"));
        }
        if !self.shared.world.tls.can_accept() {
            return Ok(Completion::bad("No TLS here"));
        }
        if !self.wire.input.is_empty() {
            self.bye(Goodbye::Injection);
            return Err(Stop::Answered);
        }
        Completion::ok("Begin TLS negotiation now").write(&mut self.wire.out, tag);
        self.tls = Some(self.wire.start_tls().await?);
        self.framing = Framing::new();
        // A client is held to its login time from here on.
        self.began = self.shared.world.clock.now();
        Err(Stop::Answered)
    }
}
