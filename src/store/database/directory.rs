//! Who is here: domains, accounts, aliases. And what the engine keeps: settings, keys of signatures.

use super::super::{AccountName, DkimKey};
use crate::base::{Account, AccountId, Address, Error, MailboxId, Result, Timestamp};

/// An account as it was read, or why it cannot be.
pub(in super::super) type StoredAccount = std::result::Result<Account, (AccountId, Error)>;

/// What is read of these.
pub(in super::super) trait ReadDirectory {
    /// The version of domains, accounts and aliases: each commit that changes any of them raises it.
    fn directory_version(&self) -> Result<i64>;

    /// Whether there is such a domain.
    fn is_domain(&self, name: &str) -> Result<bool>;

    /// Domains behind this one, sorted, at most `limit`.
    fn domains_behind(&self, after: &str, limit: usize) -> Result<Vec<String>>;

    /// The account of an address, as it is looked up.
    fn account_of(&self, address_key: &str) -> Result<Option<StoredAccount>>;

    /// The account with this id.
    fn account(&self, account: AccountId) -> Result<Option<StoredAccount>>;

    /// The first account by address, of a domain or of all.
    fn first_account(&self, domain_key: Option<&str>) -> Result<Option<StoredAccount>>;

    /// Accounts behind this address, by address as it is looked up, at most `limit`.
    fn accounts_behind(&self, after: &str, limit: usize) -> Result<Vec<AccountName>>;

    /// How many accounts there are.
    fn account_count(&self) -> Result<u64>;

    /// The first cost of passwords behind this one: parameters of Argon2id, a space, rounds of SCRAM.
    fn password_cost_behind(&self, after: &str) -> Result<Option<String>>;

    /// Targets of an alias, sorted, at most `limit`.
    fn alias_targets(&self, pattern: &str, limit: usize) -> Result<Vec<String>>;

    /// Aliases behind this one, as (pattern, target), sorted, at most `limit`.
    fn aliases_behind(&self, pattern: &str, target: &str, limit: usize) -> Result<Vec<(String, String)>>;

    /// Octets an account keeps; `None` where there is no such account.
    fn account_octets(&self, account: AccountId) -> Result<Option<u64>>;

    /// Messages that an account has in all its mailboxes, as their rows say.
    fn account_messages(&self, account: AccountId) -> Result<u64>;

    /// A value kept under a name.
    fn setting(&self, name: &str) -> Result<Option<Vec<u8>>>;

    /// All keys of signatures, by domain and selector.
    fn dkim_keys(&self) -> Result<Vec<DkimKey>>;

    /// How many there are.
    fn dkim_key_count(&self) -> Result<i64>;

    /// One of them.
    fn dkim_key(&self, domain: &str, selector: &str) -> Result<Option<DkimKey>>;
}

/// What is changed of these.
pub(in super::super) trait WriteDirectory {
    /// Raises the version of domains, accounts and aliases; gives the new one.
    fn directory_raise(&self) -> Result<i64>;

    /// Writes a domain that is not there.
    fn domain_insert(&self, name: &str) -> Result<()>;

    /// Removes a domain; false where it was not there.
    fn domain_remove(&self, name: &str) -> Result<bool>;

    /// Writes a new account, without credential and INBOX.
    fn account_insert(&self, address: &Address) -> Result<AccountId>;

    /// Says which mailbox is an account's INBOX.
    fn account_write_inbox(&self, account: AccountId, inbox: MailboxId) -> Result<()>;

    /// Writes the credential of an account.
    fn account_write_credential(&self, account: &Account) -> Result<()>;

    /// Writes a quota. `Invalid` where the number is beyond what is kept.
    fn account_write_quota(&self, account: AccountId, octets: Option<u64>) -> Result<()>;

    /// Writes how many octets an account keeps; nothing where it was deleted.
    fn account_write_octets(&self, account: AccountId, octets: u64) -> Result<()>;

    /// Writes a target of an alias, which may be there already.
    fn alias_insert(&self, pattern: &str, target: &str) -> Result<()>;

    /// Removes an alias with all its targets; false where it was not there.
    fn alias_remove(&self, pattern: &str) -> Result<bool>;

    /// Keeps a value under a name; `None` removes it.
    fn setting_put(&self, name: &str, value: Option<&[u8]>) -> Result<()>;

    /// Writes a key, in the place of one of its name.
    fn dkim_key_put(&self, key: &DkimKey) -> Result<()>;

    /// The active keys of a domain and algorithm are only published from now on.
    fn dkim_keys_step_back(&self, domain: &str, algorithm: &str, now: Timestamp) -> Result<()>;

    /// Removes a key; false where it was not there.
    fn dkim_key_remove(&self, domain: &str, selector: &str) -> Result<bool>;
}
