//! Sieve scripts of accounts and domains, compiled when they are stored and kept compiled in memory; and what scripts
//! remember between two messages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::database::{Read, of_one_commit};
use super::transaction::WriteTx;
use super::{Accepted, Reply, ScriptOwner, Store, StoredScript, queue};
use crate::base::limits::{SIEVE_PROGRAMS_MAX, SIEVE_REMEMBERED_MAX, SIEVE_SCRIPTS_MAX};
use crate::base::{Account, AccountId, Error, ErrorKind, Result, Timestamp};
use crate::sieve::{Fault, Program, compile, is_script_name};

/// The script of a domain that is run before those of its accounts.
pub const BEFORE: &str = "before";
/// The script of a domain that is run after those of its accounts.
pub const AFTER: &str = "after";

/// What is run for an account, in order: a name for faults, and the program, or why it cannot be run.
pub type Rules = Arc<Vec<Rule>>;

/// A script that is run, by the name faults are told with, compiled or with its fault.
pub type Rule = (Arc<str>, std::result::Result<Arc<Program>, Fault>);

/// Compiled scripts, as of a number of changes.
#[derive(Default)]
pub(super) struct Programs(Mutex<CompiledRules>);

#[derive(Default)]
struct CompiledRules {
    changes: u64,
    rules: BTreeMap<AccountId, Rules>,
}

impl Programs {
    fn get(&self, account: AccountId) -> (u64, Option<Rules>) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.changes, kept.rules.get(&account).cloned())
    }

    /// Keeps what was read when there had been `changes` changes.
    fn keep(&self, changes: u64, account: AccountId, rules: Rules) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.changes != changes {
            return;
        }
        if kept.rules.len() >= SIEVE_PROGRAMS_MAX {
            kept.rules.clear();
        }
        kept.rules.insert(account, rules);
    }

    /// Scripts were changed.
    fn forget(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.changes += 1;
        kept.rules.clear();
    }
}

impl Store {
    /// All scripts of an owner, by name.
    pub async fn scripts(&self, owner: &ScriptOwner) -> Result<Vec<StoredScript>> {
        let owner = owner.clone();
        self.read(move |db| db.scripts(&owner)).await
    }

    /// One of them.
    pub async fn script(&self, owner: &ScriptOwner, name: &str) -> Result<Option<StoredScript>> {
        let (owner, name) = (owner.clone(), name.to_owned());
        self.read(move |db| db.script(&owner, &name)).await
    }

    /// Stores a script, in the place of one of its name; whether it is active stays as it was. `Invalid` where it
    /// cannot be compiled (the text says line and column) or has a name that cannot be, `Limit` where there are
    /// `SIEVE_SCRIPTS_MAX` already.
    pub async fn script_put(&self, owner: &ScriptOwner, name: &str, script: &[u8]) -> Result<()> {
        compile(script).map_err(|fault| Error::new(ErrorKind::Invalid, fault.to_string()))?;
        if !is_script_name(name) {
            return Err(Error::new(ErrorKind::Invalid, "a script cannot have this name"));
        }
        let (owner, name, script) = (owner.clone(), name.to_owned(), script.to_vec());
        let done = self.write(script.len() as u64, move |tx| {
            check_owner(tx, &owner)?;
            let before = tx.db.script(&owner, &name)?;
            if before.is_none() && tx.db.scripts(&owner)?.len() >= SIEVE_SCRIPTS_MAX {
                return Err(Error::new(ErrorKind::Limit, format!("more than {SIEVE_SCRIPTS_MAX} scripts")));
            }
            let active = before.is_some_and(|before| before.active);
            tx.db.script_put(&owner, &StoredScript { name: name.clone(), script: script.clone(), active })
        });
        self.changed(done.await)
    }

    /// Removes a script. `NotFound` where there is none, `State` where it is active.
    pub async fn script_delete(&self, owner: &ScriptOwner, name: &str) -> Result<()> {
        let (owner, name) = (owner.clone(), name.to_owned());
        let done = self.write(0, move |tx| {
            match tx.db.script(&owner, &name)? {
                None => return Err(no_script()),
                Some(script) if script.active => {
                    return Err(Error::new(ErrorKind::State, "the script is active"));
                }
                Some(_) => {}
            }
            tx.db.script_remove(&owner, &name).map(drop)
        });
        self.changed(done.await)
    }

    /// Makes a script of an account the one that is run; with `None` none is. `NotFound` where there is none of this
    /// name, `Invalid` for domains, whose scripts are run by their names.
    pub async fn script_activate(&self, owner: &ScriptOwner, name: Option<&str>) -> Result<()> {
        if !matches!(owner, ScriptOwner::Account(_)) {
            return Err(Error::new(ErrorKind::Invalid, "scripts of domains are run by their names: before, after"));
        }
        let (owner, name) = (owner.clone(), name.map(str::to_owned));
        let done = self.write(0, move |tx| {
            if let Some(name) = &name
                && tx.db.script(&owner, name)?.is_none()
            {
                return Err(no_script());
            }
            tx.db.script_activate(&owner, name.as_deref())
        });
        self.changed(done.await)
    }

    /// Gives a script another name. `NotFound` where there is none, `Exists` where the name is taken.
    pub async fn script_rename(&self, owner: &ScriptOwner, from: &str, to: &str) -> Result<()> {
        if !is_script_name(to) {
            return Err(Error::new(ErrorKind::Invalid, "a script cannot have this name"));
        }
        let (owner, from, to) = (owner.clone(), from.to_owned(), to.to_owned());
        let done = self.write(0, move |tx| {
            let Some(script) = tx.db.script(&owner, &from)? else { return Err(no_script()) };
            if from != to && tx.db.script(&owner, &to)?.is_some() {
                return Err(Error::new(ErrorKind::Exists, "there is a script of this name"));
            }
            tx.db.script_remove(&owner, &from)?;
            tx.db.script_put(&owner, &StoredScript { name: to.clone(), ..script })
        });
        self.changed(done.await)
    }

    /// What is run for mail to an account: the scripts before, its own active one, the scripts after.
    pub async fn rules(&self, account: &Account) -> Result<Rules> {
        let programs = &self.shared().programs;
        let (changes, kept) = programs.get(account.id);
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let (id, domain) = (account.id, account.address.domain().key());
        let rules = self.read(move |db| of_one_commit(db, |db| read_rules(db, id, &domain))).await?;
        let rules: Rules = Arc::new(rules);
        programs.keep(changes, account.id, Arc::clone(&rules));
        Ok(rules)
    }

    /// A script that another one includes: one of the account's, or with `global` one of its domain's or of all.
    pub async fn included(
        &self,
        account: &Account,
        global: bool,
        name: &str,
    ) -> Result<Option<std::result::Result<Program, Fault>>> {
        let (id, domain, name) = (account.id, account.address.domain().key(), name.to_owned());
        let found = self.read(move |db| match global {
            false => db.script(&ScriptOwner::Account(id), &name),
            true => match db.script(&ScriptOwner::Domain(domain.clone()), &name)? {
                Some(script) => Ok(Some(script)),
                None => db.script(&ScriptOwner::All, &name),
            },
        });
        Ok(found.await?.map(|script| compile(&script.script)))
    }

    /// Whether a script of the account remembers a key.
    pub async fn is_remembered(&self, account: AccountId, key: &str, now: Timestamp) -> Result<bool> {
        let key = key.to_owned();
        self.read(move |db| db.is_remembered(account, &key, now)).await
    }

    fn changed(&self, done: Result<()>) -> Result<()> {
        self.shared().programs.forget();
        done
    }
}

fn no_script() -> Error {
    Error::new(ErrorKind::NotFound, "no such script")
}

fn check_owner(tx: &WriteTx<'_>, owner: &ScriptOwner) -> Result<()> {
    match owner {
        ScriptOwner::Account(account) if tx.account(*account)?.is_none() => {
            Err(Error::new(ErrorKind::NotFound, "no such account"))
        }
        ScriptOwner::Domain(domain) if !tx.db.is_domain(domain)? => {
            Err(Error::new(ErrorKind::NotFound, "no such domain"))
        }
        _ => Ok(()),
    }
}

fn read_rules(db: &dyn Read, account: AccountId, domain: &str) -> Result<Vec<Rule>> {
    let domain = ScriptOwner::Domain(domain.to_owned());
    let own = db.scripts(&ScriptOwner::Account(account))?.into_iter().find(|script| script.active);
    let scripts = [
        ("all, before", db.script(&ScriptOwner::All, BEFORE)?),
        ("domain, before", db.script(&domain, BEFORE)?),
        ("", own),
        ("domain, after", db.script(&domain, AFTER)?),
        ("all, after", db.script(&ScriptOwner::All, AFTER)?),
    ];
    let there = scripts.into_iter().filter_map(|(name, script)| Some((name, script?)));
    let compiled = there.map(|(name, script)| {
        let name = if name.is_empty() { script.name.as_str() } else { name };
        (Arc::from(name), compile(&script.script).map(Arc::new))
    });
    Ok(compiled.collect())
}

/// Remembers what scripts want remembered, and queues replies that were not sent within their time.
pub(super) fn carry_out(tx: &mut WriteTx<'_>, accepted: &mut Accepted, replies: &[Reply]) -> Result<()> {
    for reply in replies {
        let now = reply.now;
        let is_new = !tx.db.is_remembered(reply.account, &reply.key, now)?;
        if let Some(item) = &reply.item {
            if !is_new {
                continue;
            }
            accepted.replied.push(queue::insert(tx, item)?);
        }
        tx.db.forget_remembered(reply.account, now, SIEVE_REMEMBERED_MAX.saturating_sub(1))?;
        tx.db.remember(reply.account, &reply.key, reply.until)?;
    }
    Ok(())
}
