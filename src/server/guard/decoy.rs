//! Mock credentials for names that nobody has (RFC 5802 §9): a client cannot tell them from real ones.
//!
//! The salt is a keyed hash of the normalised name under a secret that the store keeps, so it is the same for every
//! spelling of the name and after a restart. The cost of a mock credential is one that real accounts have: where
//! settings changed and accounts have different costs, each name gets one of them by a keyed hash, so that a new cost
//! moves some names only. Work done for a password of an unknown name is that of the same cost.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::account::ScramKeys;
use crate::base::limits::DECOY_COSTS_SECONDS;
use crate::base::settings::PasswordCost;
use crate::base::time::Mono;
use crate::sasl::credential;
use crate::store::Store;

/// Makes mock credentials.
pub struct Decoys {
    secret: Mutex<[u8; 32]>,
    costs: Mutex<Costs>,
}

/// The costs that accounts have, as of a moment ago.
#[derive(Default)]
struct Costs {
    /// When they were looked for, and the version of the directory then.
    looked: Option<(Mono, Option<i64>)>,
    /// Memory and passes of Argon2id, iterations of SCRAM.
    known: BTreeSet<(u32, u32, u32)>,
}

impl Decoys {
    /// Mock credentials under `secret`.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret: Mutex::new(secret), costs: Mutex::default() }
    }

    /// Replaces the secret by the one the store keeps.
    pub fn set_secret(&self, secret: [u8; 32]) {
        *self.secret.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }

    /// SCRAM keys for a normalised name that no account has; no proof fits them.
    pub fn scram_keys(&self, name: &str, cost: PasswordCost) -> ScramKeys {
        let secret = *self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        credential::decoy(name, &secret, cost)
    }

    fn costs(&self) -> MutexGuard<'_, Costs> {
        self.costs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for the costs of accounts where these changed, at most once in `DECOY_COSTS_SECONDS`. Where they cannot be
    /// read those that are known stay.
    pub async fn look(&self, store: &Store, now: Mono) {
        let version = store.directory_version();
        if self.costs().are_known(version, now) {
            return;
        }
        let Ok(found) = store.password_costs().await else { return };
        let mut costs = self.costs();
        costs.looked = Some((now, version));
        costs.known = found.iter().map(triple).collect();
    }

    /// What a credential of this name would cost to check: one of the costs that accounts have, `usual` where no
    /// account has a password.
    pub fn cost(&self, name: &str, usual: PasswordCost) -> PasswordCost {
        let secret = *self.secret.lock().unwrap_or_else(PoisonError::into_inner);
        let costs = self.costs();
        // The highest hash wins: a cost that comes or goes moves only names that get it or had it.
        let weight = |cost: &(u32, u32, u32)| {
            let (kib, passes, iterations) = (cost.0.to_be_bytes(), cost.1.to_be_bytes(), cost.2.to_be_bytes());
            credential::hmac_sha_256(&secret, &[b"cost", &kib, &passes, &iterations, name.as_bytes()])
        };
        let chosen = costs.known.iter().max_by_key(|cost| weight(cost));
        chosen.map_or(usual, |(argon2_kib, argon2_passes, scram_iterations)| PasswordCost {
            argon2_kib: *argon2_kib,
            argon2_passes: *argon2_passes,
            scram_iterations: *scram_iterations,
        })
    }
}

impl Costs {
    fn are_known(&self, version: Option<i64>, now: Mono) -> bool {
        let Some((at, of)) = self.looked else { return false };
        let is_same = of.is_some() && of == version;
        let is_young = now < at + Duration::from_secs(DECOY_COSTS_SECONDS);
        is_same || (is_young && !self.known.is_empty())
    }
}

fn triple(cost: &PasswordCost) -> (u32, u32, u32) {
    (cost.argon2_kib, cost.argon2_passes, cost.scram_iterations)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: PasswordCost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };
    const NEW: PasswordCost = PasswordCost { argon2_kib: 16, argon2_passes: 2, scram_iterations: 8192 };

    fn costs(of: &[PasswordCost]) -> Decoys {
        let decoys = Decoys::new([3; 32]);
        let known = of.iter().map(triple).collect();
        *decoys.costs.lock().unwrap() = Costs { looked: Some((Mono(0), None)), known };
        decoys
    }

    #[test]
    fn the_secret_and_the_name_make_the_salt() {
        let decoys = Decoys::new([1; 32]);
        let first = decoys.scram_keys("bob@example.org", OLD);
        assert_eq!(first, Decoys::new([1; 32]).scram_keys("bob@example.org", OLD));
        assert_ne!(first.salt, decoys.scram_keys("rob@example.org", OLD).salt);
        decoys.set_secret([2; 32]);
        assert_ne!(first.salt, decoys.scram_keys("bob@example.org", OLD).salt);
    }

    #[test]
    fn costs_are_those_of_accounts_and_move_only_where_they_must() {
        let names: Vec<String> = (0..200).map(|n| format!("user{n}@example.org")).collect();
        let of = |decoys: &Decoys, name: &str| decoys.cost(name, OLD).scram_iterations;
        let (one, two) = (costs(&[OLD]), costs(&[OLD, NEW]));
        let moved = names.iter().filter(|name| of(&one, name) != of(&two, name)).count();
        assert!((50..150).contains(&moved), "{moved}");
        assert!(names.iter().all(|name| of(&one, name) == 4096));
        // What moved went to the new cost, and stays there.
        assert!(names.iter().all(|name| of(&two, name) == of(&costs(&[NEW, OLD]), name)));
        let nobody = Decoys::new([3; 32]);
        assert_eq!(nobody.cost("x", NEW).scram_iterations, 8192);
    }
}
