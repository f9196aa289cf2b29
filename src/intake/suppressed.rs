//! Addresses that get no mail are asked for when mail of ours is submitted; before each attempt the queue asks again.

use super::{Intake, reply_of};
use crate::base::{Account, Error, ErrorKind, Recipient, Reply, Result};
use crate::store::Suppressed;

/// The reply for a suppressed recipient.
fn reply(row: &Suppressed) -> Reply {
    Reply::new(550, 7, 1, told(row))
}

/// Why an address gets no mail, for people.
pub fn told(row: &Suppressed) -> String {
    let detail = row.detail.lines().next().unwrap_or_default();
    match detail {
        "" => format!("Recipient is suppressed ({})", row.reason),
        detail => format!("Recipient is suppressed ({}: {detail})", row.reason),
    }
}

impl Intake {
    /// Refuses mail of an account, or of the program, for a suppressed address elsewhere.
    pub(super) async fn refuse_suppressed(&self, account: Option<&Account>, remote: &[Recipient]) -> Result<()> {
        let addresses = remote.iter().map(|to| to.address.clone()).collect();
        let now = self.world.clock.wall();
        let found = self.store.suppressed(account.map(|account| account.id), addresses, now).await?;
        let refused = remote.iter().zip(found).find_map(|(to, row)| row.map(|row| (to, row)));
        match refused {
            Some((to, row)) => {
                let text = format!("{}: {}", to.address, told(&row));
                Err(Error::new(ErrorKind::Policy, text).with_reply(&reply(&row)))
            }
            None => Ok(()),
        }
    }

    /// RCPT of an account's session for an address elsewhere.
    pub(super) async fn allows_remote(&self, account: &Account, to: &Recipient) -> std::result::Result<(), Reply> {
        let now = self.world.clock.wall();
        let found = self.store.suppressed(Some(account.id), vec![to.address.clone()], now).await;
        match found.map_err(|e| reply_of(&e))?.into_iter().flatten().next() {
            Some(row) => Err(reply(&row)),
            None => Ok(()),
        }
    }
}
