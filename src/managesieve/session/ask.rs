//! What a session is told at its beginning, what it asks, and what it is answered.

use std::time::Duration;

use crate::base::Secret;
use crate::base::account::ScramKeys;

/// What a session is told when it begins.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Our name, in the greeting.
    pub hostname: String,
    /// How long it waits for a command; 30 minutes at least (RFC 5804 §1.2).
    pub idle: Duration,
    /// How long it waits for the login, from the greeting on.
    pub login_wait: Duration,
    /// Whether STARTTLS can be done.
    pub can_start_tls: bool,
    /// Whether passwords are taken without TLS.
    pub allow_plaintext_login: bool,
    /// Extensions of Sieve, separated by spaces.
    pub extensions: String,
    /// 32 random octets, for the nonces of SCRAM.
    pub nonce_seed: [u8; 32],
}

/// What a session asks.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask {
    /// Check this password. Answer: `Login`.
    Login {
        /// Who.
        user: String,
        /// With which password.
        password: Secret,
    },
    /// The SCRAM keys of this user. Answer: `ScramKeys`; `Login` where there are none for now.
    ScramKeys(String),
    /// The exchange that asked for this user's keys ended. Answer: `Login`.
    ScramEnded {
        /// Who.
        user: String,
        /// Whether the proof was right.
        right: bool,
    },
    /// Names of the scripts. Answer: `Scripts`.
    List,
    /// A script. Answer: `Script`.
    Get(String),
    /// Whether a script of this length could be stored. Answer: `Done`, as to all that follow.
    HaveSpace {
        /// Its name.
        name: String,
        /// Its length in octets.
        octets: u64,
    },
    /// Compile and store a script.
    Put {
        /// Its name.
        name: String,
        /// The script.
        script: Vec<u8>,
    },
    /// Compile a script.
    Check(Vec<u8>),
    /// Make a script the active one; with an empty name none is.
    SetActive(String),
    /// Delete a script.
    Delete(String),
    /// Give a script another name.
    Rename {
        /// The name it has.
        from: String,
        /// The name it gets.
        to: String,
    },
    /// The peer was refused something: tell the host. Not asked for failed logins, which `Login` and `ScramEnded` tell.
    /// Answer: `Told`.
    Refused(Refusal),
}

/// What a peer was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// When: `login` before somebody has logged in, else `command`.
    pub stage: &'static str,
    /// What the peer was told.
    pub reason: String,
    /// Whether the connection ends with it.
    pub closed: bool,
}

/// What a session is answered.
#[derive(Debug)]
pub enum Answer {
    /// To `Login` and `ScramEnded`: the address of who has logged in.
    Login(Result<String, LoginTrouble>),
    /// To `ScramKeys`: keys, and whether they are of somebody real.
    ScramKeys(ScramKeys, bool),
    /// To `List`: names, and which one is active.
    Scripts(Result<Vec<(String, bool)>, Trouble>),
    /// To `Get`.
    Script(Result<Vec<u8>, Trouble>),
    /// To changes, committed, and to questions whether one could be made.
    Done(Result<(), Trouble>),
    /// To any question: the account was deleted meanwhile, and the session ends.
    Gone,
    /// To `Refused`.
    Told,
}

/// Why nobody was logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginTrouble {
    /// Wrong user, password or proof.
    Refused,
    /// Nothing was checked: too many logins fail or wait.
    Later,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is no script of this name.
    NonExistent,
    /// There is one already.
    AlreadyExists,
    /// The script is active.
    Active,
    /// There are too many.
    TooMany,
    /// It is too large.
    TooLarge,
    /// The script, or its name, is wrong: why.
    Wrong(String),
    /// The store cannot do it now.
    TryLater,
}
