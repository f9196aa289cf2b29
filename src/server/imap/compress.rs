//! COMPRESS=DEFLATE (RFC 4978): everything behind the tagged answer travels compressed, both ways.

use crate::imap::response::Completion;

use super::Session;
use super::refusal::{Done, Stop};

impl Session {
    /// Answers itself, since the answer is the last that goes out as it is.
    pub(super) async fn compress(&mut self, tag: &str) -> Done {
        if self.wire.is_compressed() {
            return Ok(Completion::no("COMPRESSIONACTIVE", "DEFLATE is active already"));
        }
        Completion::ok("DEFLATE active").write(&mut self.wire.out, tag);
        self.wire.start_compression().await?;
        Err(Stop::Answered)
    }
}
