//! Domains, accounts and aliases, as the host manages them.

use std::sync::Arc;

use super::Engine;
use crate::base::account::Credential;
use crate::base::{Account, AccountId, Address, Domain, Error, ErrorKind, Result, Secret};
use crate::sasl::credential;
use crate::store::{AccountName, DirectoryChange};

/// How a document changes the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Apply {
    /// It only says what would change.
    pub dry: bool,
    /// Domains, aliases and groups that the document does not name are removed.
    pub whole: bool,
}

impl Engine {
    /// Makes a domain local: mail for it is ours to take. Not an error where it is already.
    pub async fn domain_put(&self, domain: &str) -> Result<()> {
        self.store().domain_put(&domain_key(domain)?).await
    }

    /// Makes a domain foreign again; `State` while it has accounts.
    pub async fn domain_delete(&self, domain: &str) -> Result<()> {
        self.store().domain_delete(&domain_key(domain)?).await
    }

    /// Makes an account, or changes the password of one there is; its domain becomes local. Without a
    /// password nobody can log in to it.
    pub async fn account_put(&self, address: &str, password: Option<&Secret>) -> Result<AccountId> {
        let address = parse(address)?;
        let credential = match password {
            None => None,
            Some(password) => Some(self.derive(password.clone()).await?),
        };
        self.store().account_put(&address, credential).await
    }

    /// Removes an account and all its mail.
    pub async fn account_delete(&self, address: &str) -> Result<()> {
        self.store().account_delete(&parse(address)?.key()).await
    }

    /// Whether this is the account's password: `Login` where it is not, or where there is no such account.
    pub async fn account_check(&self, address: &str, password: &Secret) -> Result<()> {
        let account = self.store().account(&parse(address)?.key()).await?;
        let kept = account.and_then(|account| account.credential.clone());
        let cost = self.config().settings.password_cost;
        let password = password.clone();
        let right = self.compute(move || match kept {
            Some(kept) => credential::check(&kept, &password),
            None => credential::check_nobody(&password, cost).map(|()| false),
        });
        if right.await? { Ok(()) } else { Err(Error::new(ErrorKind::Login, "wrong address or password")) }
    }

    /// Octets an account keeps now.
    pub async fn account_octets(&self, account: AccountId) -> Result<u64> {
        self.store().account_octets(account).await
    }

    /// Accounts behind the address with this key, by address, a page of them.
    pub async fn accounts(&self, after: &str) -> Result<Vec<AccountName>> {
        self.store().accounts(after).await
    }

    /// Local domains behind this one, sorted, a page of them.
    pub async fn domains(&self, after: &str) -> Result<Vec<String>> {
        self.store().domains(after).await
    }

    /// Aliases behind this pattern and target, sorted, a page of them.
    pub async fn aliases(&self, after: (&str, &str)) -> Result<Vec<(String, String)>> {
        self.store().aliases(after).await
    }

    /// The account of this address; `NotFound`.
    pub async fn account(&self, address: &str) -> Result<Arc<Account>> {
        let account = self.store().account(&parse(address)?.key()).await?;
        account.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("no account {address}")))
    }

    /// Sets a quota in octets, or lifts it.
    pub async fn account_quota(&self, address: &str, octets: Option<u64>) -> Result<()> {
        self.store().account_quota(self.account(address).await?.id, octets).await
    }

    /// Adds a target to the alias `name@domain`, or to the catch-all `@domain`.
    pub async fn alias_put(&self, pattern: &str, target: &str) -> Result<()> {
        self.store().alias_put(&pattern_key(pattern)?, &parse(target)?).await
    }

    /// Removes an alias with all its targets.
    pub async fn alias_delete(&self, pattern: &str) -> Result<()> {
        self.store().alias_delete(&pattern_key(pattern)?).await
    }

    /// Domains with their settings, accounts, aliases and groups as one JSON document, with its version.
    pub async fn directory_export(&self) -> Result<String> {
        self.store().directory_export().await
    }

    /// Changes the directory by a document, all of it or nothing; with `dry` nothing. Gives what changes, and the
    /// version then, as JSON. Errors as of [`Store::directory_change`](crate::store::Store::directory_change), and
    /// `Invalid`, with the place, for a document that cannot be read.
    pub async fn directory_apply(&self, document: &str, apply: Apply) -> Result<String> {
        self.store().directory_change(DirectoryChange::parse(document, apply.whole)?, apply.dry).await
    }

    /// The credential of a password.
    async fn derive(&self, password: Secret) -> Result<Credential> {
        let cost = self.config().settings.password_cost;
        let mut salts = [0; 2 * credential::SALT_OCTETS];
        self.world().entropy.fill(&mut salts);
        self.compute(move || credential::make(&password, &salts, cost)).await
    }

    /// Computes off the caller's thread, so that an interrupt need not wait for it.
    pub(super) async fn compute<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (tx, rx) = smol::channel::bounded(1);
        let job = move || {
            let _ = tx.try_send(job());
        };
        self.world().run.compute(Box::new(job)).await;
        rx.recv().await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "a computation broke")))
    }
}

/// An address, or `Invalid` with the text in the sentence.
pub(super) fn parse(address: &str) -> Result<Address> {
    Address::parse(address).map_err(|e| Error::new(ErrorKind::Invalid, format!("{address:?}: {e}")))
}

fn domain_key(domain: &str) -> Result<String> {
    let no_domain = |_| Error::new(ErrorKind::Invalid, format!("{domain:?}: not a domain name"));
    let parsed = Domain::parse(domain).map_err(no_domain)?;
    Ok(parsed.key())
}

fn pattern_key(pattern: &str) -> Result<String> {
    match pattern.strip_prefix('@') {
        Some(domain) => Ok(format!("@{}", domain_key(domain)?)),
        None => Ok(parse(pattern)?.key()),
    }
}
