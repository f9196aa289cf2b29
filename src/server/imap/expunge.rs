//! EXPUNGE and UID EXPUNGE (RFC 9051 §6.4.3, §6.4.9). The untagged answers come with the next look at the mailbox.

use crate::imap::response::Completion;
use crate::imap::sequence::SequenceSet;
use crate::store::Expunge;

use super::Session;
use super::open::Told;
use super::refusal::Done;

impl Session {
    pub(super) async fn expunge(&mut self, uids: Option<&SequenceSet>) -> Done {
        let open = self.open()?;
        if open.read_only {
            return Ok(Completion::no("NOPERM", "The mailbox is open read-only"));
        }
        let which = match uids {
            None => Expunge::Deleted,
            Some(set) => Expunge::DeletedAmong(open.places(set, true)?.uids(&open.view.messages)),
        };
        let expunged = self.shared.store.expunge(open.mailbox, which).await?;
        self.sync(true, Told::default()).await?;
        let answer = Completion::ok("Expunged");
        // RFC 7162 §3.2.7: the mailbox's new modification sequence.
        Ok(if self.enabled.condstore && !expunged.uids.is_empty() {
            answer.with_code(format!("HIGHESTMODSEQ {}", expunged.mod_seq))
        } else {
            answer
        })
    }
}
