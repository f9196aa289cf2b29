//! Stands in for the keys our mail is signed with where a build has no OpenSSL crate: there are none, and none can be
//! made.

use std::sync::Arc;

use smol::channel::Receiver;

use super::Engine;
use crate::base::{Error, ErrorKind, Result, Secret, Timestamp, World};
use crate::mailauth::Keyring;
use crate::store::{DkimKeyState, Store};

/// How a signature would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Algorithm {
    RsaSha256,
    Ed25519Sha256,
}

/// A key that is not ours to see.
pub trait ExternalKey: Send + Sync {
    /// The signature over a SHA-256 digest.
    fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>>;
}

/// A key as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct DkimKeyInfo {
    pub domain: String,
    pub selector: String,
    pub algorithm: Algorithm,
    pub state: DkimKeyState,
    pub changed: Timestamp,
    pub record: String,
}

/// Holds nothing.
#[derive(Clone, Default)]
pub(super) struct DkimKeys {
    pub(super) keyring: Arc<Keyring>,
}

fn absent<T>() -> Result<T> {
    Err(Error::new(ErrorKind::State, "this build does not sign"))
}

impl Engine {
    /// `State`.
    pub async fn dkim_set(&self, _: &str, _: &str, _: &Secret) -> Result<()> {
        absent()
    }

    /// `State`.
    pub async fn dkim_generate(&self, _: &str, _: &str, _: Algorithm) -> Result<String> {
        absent()
    }

    /// `State`.
    pub async fn dkim_activate(&self, _: &str, _: &str) -> Result<()> {
        absent()
    }

    /// `State`.
    pub async fn dkim_remove(&self, _: &str, _: &str) -> Result<()> {
        absent()
    }

    /// `State`.
    pub async fn dkim_external(&self, _: &str, _: &str, _: Algorithm, _: Arc<dyn ExternalKey>) -> Result<()> {
        absent()
    }

    /// None.
    pub async fn dkim_keys(&self) -> Result<Vec<DkimKeyInfo>> {
        Ok(Vec::new())
    }
}

impl DkimKeys {
    pub(super) fn new(_: &World, _: &Store) -> DkimKeys {
        DkimKeys::default()
    }

    pub(super) async fn load(&self) -> Result<()> {
        Ok(())
    }

    pub(super) async fn rotate(self, _: Receiver<()>, stop: Receiver<()>) {
        let _ = stop.recv().await;
    }
}
