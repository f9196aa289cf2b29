//! UIDBATCHES: the UIDs of the selected mailbox in ranges of equally many messages, the newest first, so that a client
//! can fetch a large mailbox piece by piece without knowing its UIDs.

use crate::base::limits::{IMAP_BATCH_MESSAGES_MIN, IMAP_BATCHES_MAX};
use crate::imap::command::UidBatches;
use crate::imap::response::{Completion, number, string};

use super::Session;
use super::refusal::Done;

impl Session {
    pub(super) fn uid_batches(&mut self, tag: &str, asked: &UidBatches) -> Done {
        if asked.size < IMAP_BATCH_MESSAGES_MIN {
            let text = format!("A batch has at least {IMAP_BATCH_MESSAGES_MIN} messages");
            return Ok(Completion::no("LIMIT", text));
        }
        let messages = self.open()?.view.messages.clone();
        let (first, last) = asked.batches.unwrap_or((1, u32::MAX));
        let size = asked.size as usize;
        let told = (first as usize - 1..last as usize).take_while(|batch| batch.saturating_mul(size) < messages.len());
        let ranges: Vec<(u32, u32)> = told
            .take(IMAP_BATCHES_MAX + 1)
            .filter_map(|batch| {
                let above = messages.len() - batch * size;
                Some((messages.uid(above - 1)?, messages.uid(above.saturating_sub(size))?))
            })
            .collect();
        if ranges.len() > IMAP_BATCHES_MAX {
            return Ok(Completion::no("LIMIT", format!("Too many batches, at most {IMAP_BATCHES_MAX}")));
        }
        let out = &mut self.wire.out;
        out.extend_from_slice(b"* UIDBATCHES (TAG ");
        string(out, tag.as_bytes());
        out.push(b')');
        for (at, (high, low)) in ranges.iter().enumerate() {
            out.push(if at == 0 { b' ' } else { b',' });
            number(out, *high);
            out.push(b':');
            number(out, *low);
        }
        out.extend_from_slice(b"\r\n");
        Ok(Completion::ok("Uidbatches completed"))
    }
}
