//! Accounts as every room knows them: who may log in, with which proof, and what is theirs.

use super::address::Address;
use super::mailbox::{AccountId, MailboxId};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Row id.
    pub id: AccountId,
    /// Its address; also its login name.
    pub address: Address,
    /// How a login is proved; `None` for an account nobody can log in to.
    pub credential: Option<Credential>,
    /// Its INBOX.
    pub inbox: MailboxId,
    /// Octets it may keep; `None` is no limit.
    pub quota_octets: Option<u64>,
}

/// What a login is checked against. Holds no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Argon2id, PHC string format.
    pub argon2id: String,
    /// SCRAM-SHA-256 keys (RFC 5802 §3, RFC 7677).
    pub scram_sha_256: ScramKeys,
}

/// Server's half of SCRAM.
#[derive(Clone, PartialEq, Eq)]
pub struct ScramKeys {
    /// Salt.
    pub salt: Vec<u8>,
    /// Iterations of PBKDF2.
    pub iterations: u32,
    /// `H(ClientKey)`
    pub stored_key: [u8; 32],
    /// `HMAC(SaltedPassword, "Server Key")`
    pub server_key: [u8; 32],
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(***)")
    }
}

impl std::fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScramKeys(***)")
    }
}
