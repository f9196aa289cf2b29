//! Stands in for the keys our mail is signed with where a build has no OpenSSL crate: nothing is signed.

use super::results::{ArcResult, AuthenticationResults};
use crate::base::world::Spawner;
use crate::base::{Content, Result, Timestamp};

/// No keys.
#[derive(Default)]
pub struct Keyring;

impl Keyring {
    /// No fields.
    pub async fn sign(&self, _: &dyn Spawner, _: &Content, _: Timestamp) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// No fields.
    pub async fn seal(
        &self,
        _: &dyn Spawner,
        _: &[String],
        _: &Content,
        _: (ArcResult, &AuthenticationResults),
        _: Timestamp,
    ) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Nothing is signed.
    pub fn is_empty(&self) -> bool {
        true
    }
}
