//! Sieve scripts, as the host manages them: of accounts, of domains, of all; and what a script would do.

use std::sync::Arc;

use super::Engine;
use crate::base::{Account, Address, Content, Domain, Error, ErrorKind, Result};
use crate::delivery::rules::{Passage, Ruler};
use crate::sieve::{Outcome, Script, compile};
use crate::store::{ScriptOwner, StoredScript};

/// What a script is tried with.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// The script; `None` tries those that are run for the owner's mail now.
    pub script: Option<Vec<u8>>,
    /// The message.
    pub message: Vec<u8>,
    /// The reverse-path.
    pub from: Option<Address>,
    /// The forward-path; the owner's address where there is none.
    pub to: Option<Address>,
}

impl Engine {
    /// All scripts of an owner, by name. The owner is an account's address, `@domain`, or `@` for all domains.
    pub async fn scripts(&self, owner: &str) -> Result<Vec<StoredScript>> {
        let owner = self.script_owner(owner).await?;
        self.store().scripts(&owner).await
    }

    /// One of them. `NotFound` where there is none of this name.
    pub async fn script(&self, owner: &str, name: &str) -> Result<StoredScript> {
        let owner = self.script_owner(owner).await?;
        let found = self.store().script(&owner, name).await?;
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such script"))
    }

    /// Stores a script, in the place of one of its name. `Invalid`, with line and column, where it cannot be compiled.
    pub async fn script_put(&self, owner: &str, name: &str, script: &[u8]) -> Result<()> {
        let owner = self.script_owner(owner).await?;
        self.store().script_put(&owner, name, script).await
    }

    /// Removes a script. `NotFound`; `State` where it is active.
    pub async fn script_delete(&self, owner: &str, name: &str) -> Result<()> {
        let owner = self.script_owner(owner).await?;
        self.store().script_delete(&owner, name).await
    }

    /// Makes a script of an account the one that is run, in the place of the one before; with `None` none is.
    pub async fn script_activate(&self, owner: &str, name: Option<&str>) -> Result<()> {
        let owner = self.script_owner(owner).await?;
        self.store().script_activate(&owner, name).await
    }

    /// What scripts would do with a message, and why. Nothing is done. `Invalid` where the script cannot be compiled.
    pub async fn script_test(&self, owner: &str, trial: Trial) -> Result<Outcome> {
        built_in()?;
        let account = self.account(owner).await?;
        let scripts = match &trial.script {
            Some(script) => {
                let program = compile(script).map_err(|fault| Error::new(ErrorKind::Invalid, fault.to_string()))?;
                vec![Script { name: Arc::from("script"), program: Arc::new(program) }]
            }
            None => self.scripts_that_run(&account).await?,
        };
        let settings = &self.config().settings;
        let ruler = Ruler { world: &self.inner.world, store: self.store(), settings };
        let to = trial.to.unwrap_or_else(|| account.address.clone());
        let passage = Passage { from: trial.from, to: Some(to), ..Passage::default() };
        let now = self.inner.world.clock.wall();
        ruler.outcome(&account, scripts, &passage, &Content::from_octets(trial.message), now, true).await
    }

    async fn scripts_that_run(&self, account: &Account) -> Result<Vec<Script>> {
        let rules = self.store().rules(account).await?;
        let compiled = rules.iter().map(|(name, program)| match program {
            Ok(program) => Ok(Script { name: Arc::clone(name), program: Arc::clone(program) }),
            Err(fault) => Err(Error::new(ErrorKind::Invalid, format!("script \"{name}\", {fault}"))),
        });
        compiled.collect()
    }

    /// `NotFound` where there is no such account or domain, `Invalid` where the text names neither.
    async fn script_owner(&self, owner: &str) -> Result<ScriptOwner> {
        built_in()?;
        match owner.strip_prefix('@') {
            Some("") => Ok(ScriptOwner::All),
            Some(domain) => {
                let domain = Domain::parse(domain).map_err(|e| Error::new(ErrorKind::Invalid, e.to_string()))?.key();
                match self.store().is_local_domain(&domain).await? {
                    true => Ok(ScriptOwner::Domain(domain)),
                    false => Err(Error::new(ErrorKind::NotFound, "no such domain")),
                }
            }
            None => Ok(ScriptOwner::Account(self.account(owner).await?.id)),
        }
    }
}

/// `Unsupported` where this build has left Sieve out.
fn built_in() -> Result<()> {
    if cfg!(feature = "sieve") {
        return Ok(());
    }
    let text = "Sieve is not in this build of the library: it needs the feature sieve";
    Err(Error::new(ErrorKind::Unsupported, text))
}
