//! GETQUOTA and GETQUOTAROOT (RFC 9208): an account with a limit is one quota root, named `user`; one without has none.

use crate::imap::response::{Completion, mailbox, number, string};

use super::Session;
use super::refusal::Done;

/// The name of an account's quota root.
const ROOT: &[u8] = b"user";

impl Session {
    pub(super) async fn get_quota(&mut self, root: &[u8]) -> Done {
        let limit = self.quota_octets().await?;
        let Some(limit) = limit.filter(|_| root == ROOT) else {
            return Ok(Completion::no("NONEXISTENT", "No such quota root"));
        };
        self.write_quota(limit).await
    }

    pub(super) async fn get_quota_root(&mut self, name: &str) -> Done {
        let account = self.account()?;
        if self.shared.store.mailbox(account.id, name).await?.is_none() {
            return Ok(Completion::no("NONEXISTENT", "No such mailbox"));
        }
        let limit = self.quota_octets().await?;
        let utf8 = self.enabled.utf8_names();
        let out = &mut self.wire.out;
        out.extend_from_slice(b"* QUOTAROOT ");
        mailbox(out, name, utf8);
        if limit.is_some() {
            out.push(b' ');
            string(out, ROOT);
        }
        out.extend_from_slice(b"\r\n");
        match limit {
            Some(limit) => self.write_quota(limit).await,
            None => Ok(Completion::ok("There is no limit")),
        }
    }

    /// Octets the account may keep, as it is now; `None` without a limit.
    async fn quota_octets(&mut self) -> Result<Option<u64>, super::Stop> {
        let account = self.account()?;
        let account = self.shared.store.account_by_id(account.id).await?;
        Ok(account.and_then(|account| account.quota_octets))
    }

    /// `* QUOTA`: STORAGE in units of 1024 octets (RFC 9208 §5.1); a part of one is used whole and free not at all.
    async fn write_quota(&mut self, limit: u64) -> Done {
        let account = self.account()?;
        let used = self.shared.store.account_octets(account.id).await?;
        let out = &mut self.wire.out;
        out.extend_from_slice(b"* QUOTA ");
        string(out, ROOT);
        out.extend_from_slice(b" (STORAGE ");
        number(out, used.div_ceil(1024));
        out.push(b' ');
        number(out, limit / 1024);
        out.extend_from_slice(b")\r\n");
        Ok(Completion::ok("Quota completed"))
    }
}
