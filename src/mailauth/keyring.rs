//! The keys our mail is signed with, by domain, and the signing of a message of any size.
//!
//! Which key signs follows from the author's domain: the signature must align with it (RFC 7489 §3.1.1), so it is that
//! domain's own key, or else that of the nearest domain above it. Hashing and signing are done on a computing thread.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use super::arc::Sealer;
use super::dkim::Signer;
use super::results::{ArcResult, AuthenticationResults};
use crate::base::limits::HEADER_OCTETS_MAX;
use crate::base::world::Spawner;
use crate::base::{Content, Error, ErrorKind, Result, Timestamp};
use crate::message::author::{author, domains};
use crate::message::header::header_len;
use crate::os::aside::aside;

/// Keys that sign. Empty at first.
#[derive(Default)]
pub struct Keyring {
    domains: RwLock<BTreeMap<String, Signers>>,
}

/// The signers of one domain.
type Signers = Arc<Vec<Signer>>;

impl Keyring {
    /// Puts these in the place of all there were.
    pub fn replace(&self, signers: Vec<Signer>) {
        let mut domains: BTreeMap<String, Vec<Signer>> = BTreeMap::new();
        for signer in signers {
            domains.entry(signer.domain.clone()).or_default().push(signer);
        }
        let domains = domains.into_iter().map(|(domain, signers)| (domain, Arc::new(signers))).collect();
        *self.domains.write().unwrap_or_else(PoisonError::into_inner) = domains;
    }

    /// Who signs for this domain (A-labels, lower case): its own keys, or those of the nearest domain above it.
    fn signers(&self, domain: &str) -> Option<Signers> {
        let domains = self.domains.read().unwrap_or_else(PoisonError::into_inner);
        let mut rest = Some(domain);
        while let Some(name) = rest {
            if let Some(signers) = domains.get(name) {
                return Some(Arc::clone(signers));
            }
            rest = name.split_once('.').map(|(_, above)| above);
        }
        None
    }

    /// The DKIM-Signature fields to put in front of a message, one for each key; empty where there is no key for the
    /// domain of its author, or no end of its header. `State` where a key does not sign.
    pub async fn sign(&self, run: &dyn Spawner, content: &Content, now: Timestamp) -> Result<Vec<u8>> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let Some(header) = header(content).map_err(unreadable)? else { return Ok(Vec::new()) };
        // What is not certainly of a domain's is not signed in its name.
        let Ok(authors) = author(&[&header]) else { return Ok(Vec::new()) };
        let Some(signers) = domains(&authors).iter().find_map(|domain| self.signers(domain)) else {
            return Ok(Vec::new());
        };
        let content = content.clone();
        aside(run, false, move || {
            let mut under_way: Vec<_> = signers.iter().map(Signer::begin).collect();
            body(&content, header.len(), |piece| under_way.iter_mut().for_each(|signing| signing.push(piece)))?;
            let mut fields = Vec::new();
            for signing in under_way {
                fields.extend(signing.finish(&header, now).map_err(silent)?);
            }
            Ok(fields)
        })
        .await?
    }

    /// The fields of an ARC set to put in front of a message that is sent on, sealed in the name of the first of
    /// `domains` that has a key; empty where none has, or where the chain takes no further set. `chain` is what the
    /// check of the chain came to, `results` all that was found.
    pub async fn seal(
        &self,
        run: &dyn Spawner,
        domains: &[String],
        content: &Content,
        (chain, results): (ArcResult, &AuthenticationResults),
        now: Timestamp,
    ) -> Result<Vec<u8>> {
        let Some(signers) = domains.iter().find_map(|domain| self.signers(domain)) else { return Ok(Vec::new()) };
        // A chain has one seal an instance, and RSA is what everybody checks.
        let rsa = signers.iter().find(|signer| signer.key.algorithm() == super::dkim::Algorithm::RsaSha256);
        let (Some(signer), Some(header)) = (rsa.or(signers.first()).cloned(), header(content).map_err(unreadable)?)
        else {
            return Ok(Vec::new());
        };
        let (content, results) = (content.clone(), results.clone());
        aside(run, false, move || {
            let sealer = Sealer::new(signer.domain, signer.selector, signer.key);
            let mut sealing = sealer.begin();
            body(&content, header.len(), |piece| sealing.push(piece))?;
            Ok(sealing.finish(&header, chain, &results, now).map_err(silent)?.unwrap_or_default())
        })
        .await?
    }

    /// Whether nothing is signed.
    pub fn is_empty(&self) -> bool {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

fn unreadable(e: io::Error) -> Error {
    Error::of_disk("scratch file", &e)
}

/// A key that does not sign may do so later: the message is not at fault.
fn silent(e: Error) -> Error {
    Error::new(ErrorKind::State, format!("the message cannot be signed: {e}"))
}

/// The header of a message with its empty line; all of one that ends before it. `None` where it does not end within
/// `HEADER_OCTETS_MAX` octets.
fn header(content: &Content) -> io::Result<Option<Vec<u8>>> {
    let mut front = content.prefix.clone();
    if let Some(len) = header_len(&front) {
        front.truncate(len);
        return Ok(Some(front));
    }
    let (ours, most) = (front.len(), content.body.len().min(HEADER_OCTETS_MAX as u64) as usize);
    front.resize(ours + most, 0);
    let read = content.body.read_at(0, front.get_mut(ours..).unwrap_or_default())?;
    front.truncate(ours + read);
    match header_len(&front) {
        Some(len) => front.truncate(len),
        None if content.body.len() > HEADER_OCTETS_MAX as u64 => return Ok(None),
        None => {}
    }
    Ok(Some(front))
}

/// Gives all behind the first `header` octets.
fn body(content: &Content, header: usize, mut sink: impl FnMut(&[u8])) -> Result<()> {
    let mut before = header;
    let read = content.for_each(|piece| {
        let skipped = before.min(piece.len());
        before -= skipped;
        sink(piece.get(skipped..).unwrap_or_default());
        Ok::<(), io::Error>(())
    });
    read.map_err(unreadable)
}
