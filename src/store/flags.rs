//! STORE: changes flags in the view and in the blocks of `state`; no message's row is touched.

use super::delta::{self, Flagged};
use super::{FlagChange, FlagsChanged, Store};
use crate::base::{MailboxId, ModSeq, Result, UidSet};

impl Store {
    /// STORE. Messages whose flags stay the same keep their modification sequence. `Limit`, and nothing is done,
    /// where a new keyword cannot be kept.
    pub async fn change_flags(
        &self,
        mailbox: MailboxId,
        uids: UidSet,
        change: FlagChange,
        unchanged_since: Option<ModSeq>,
    ) -> Result<FlagsChanged> {
        let known = self.snapshot(mailbox).await?;
        self.write(0, move |tx| {
            let (row, view) = (tx.row(mailbox)?, tx.view(&known)?);
            let (found, delta) = delta::change_flags(mailbox, &row, &view, &uids, &change, unchanged_since)?;
            let mod_seq = delta.as_ref().map_or(row.mod_seq, |delta| delta.row.mod_seq);
            delta.map_or(Ok(()), |delta| tx.apply(delta))?;
            let Flagged { changed, modified, flags } = found;
            Ok(FlagsChanged { mod_seq, changed, modified, flags })
        })
        .await
    }
}
