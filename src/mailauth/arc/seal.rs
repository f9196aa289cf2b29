//! Seals a message (RFC 8617 §5.1): the body in pieces, then the header and what was found when the message came in;
//! out come the three fields of a set to put in front.

use std::fmt::Write as _;

use super::ArcResult;
use super::chain::Chain;
use crate::base::limits::ARC_SETS_MAX;
use crate::base::{Error, ErrorKind, Result, Timestamp};
use crate::mailauth::dkim::{BodyCanon, Canonicalization, SIGNED, Signer, SigningKey};
use crate::mailauth::dkim::{canonical_field, push_signature};
use crate::mailauth::results::AuthenticationResults;
use crate::message::header;

/// Who seals.
#[derive(Debug, Clone)]
pub struct Sealer {
    signer: Signer,
}

impl Sealer {
    /// A sealer for a domain, with the key its selector names in DNS. Keys are DKIM's.
    pub fn new(domain: impl Into<String>, selector: impl Into<String>, key: SigningKey) -> Sealer {
        Sealer { signer: Signer::new(domain, selector, key) }
    }

    /// Begins a seal. The message must be as it will leave: later changes break it (§5.1, step 1).
    pub fn begin(&self) -> Sealing<'_> {
        Sealing { sealer: self, body: BodyCanon::new(self.signer.body, None) }
    }
}

/// A seal under way.
pub struct Sealing<'a> {
    sealer: &'a Sealer,
    body: BodyCanon,
}

impl Sealing<'_> {
    /// The next octets of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.body.push(piece);
    }

    /// The three fields of a new set, newest field first, each with CRLF: to be put in front of the header.
    ///
    /// `chain` is what the check of the chain came to when the message came in, and `results` all that was found
    /// then, under our name. A header without a chain begins one, whatever `chain` says. After a failed chain the
    /// seal covers its own set only (§5.1.2).
    ///
    /// `None` where nothing may follow: the newest seal says already that the chain had failed, or the chain has
    /// `ARC_SETS_MAX` sets. Fails for a chain that was not checked, and where the key cannot sign.
    pub fn finish(
        self,
        header: &[u8],
        chain: ArcResult,
        results: &AuthenticationResults,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>> {
        let fields: Vec<_> = header::fields(header).collect();
        let known = Chain::read(&fields);
        if known.has_ended || known.instances >= ARC_SETS_MAX {
            return Ok(None);
        }
        let status = known.status(chain)?;
        let instance = known.instances + 1;
        let signer = &self.sealer.signer;
        let seen = format!("ARC-Authentication-Results: i={instance}; {}\r\n", results.payload());
        let start = format!("ARC-Message-Signature: i={instance};");
        let mut signed = SIGNED.to_vec();
        signed.push(("DKIM-Signature", false));
        let message = signer.field(&start, &signed, &fields, self.body.finish().hash, now)?;
        let before = if status == ArcResult::Pass { sealed_before(&known) } else { Vec::new() };
        let mut set = seal(signer, instance, status, before, &[seen.as_bytes(), &message], now)?;
        set.extend_from_slice(&message);
        set.extend_from_slice(seen.as_bytes());
        Ok(Some(set))
    }
}

/// What a seal says of the chain in `header` (`cv=`), where its check came to `checked` when the message came in: of a
/// header without a chain that there is none, and of what is no chain that it failed, whoever says otherwise. Fails for
/// a chain that was not checked.
pub fn chain_status(header: &[u8], checked: ArcResult) -> Result<ArcResult> {
    Chain::read(&header::fields(header).collect::<Vec<_>>()).status(checked)
}

impl Chain<'_> {
    fn status(&self, checked: ArcResult) -> Result<ArcResult> {
        match (self.is_none(), checked) {
            (true, _) => Ok(ArcResult::None),
            (false, ArcResult::None) => {
                Err(Error::new(ErrorKind::Invalid, "the message has a chain that was not checked"))
            }
            (false, _) if self.fault.is_some() => Ok(ArcResult::Fail),
            (false, checked) => Ok(checked),
        }
    }
}

/// The ARC-Seal over the sets before it and the first two fields of its own (§5.1.1).
fn seal(
    signer: &Signer,
    instance: usize,
    status: ArcResult,
    mut data: Vec<u8>,
    own: &[&[u8]],
    now: Timestamp,
) -> Result<Vec<u8>> {
    for field in own {
        canonical_field(Canonicalization::Relaxed, field, &mut data);
        data.extend_from_slice(b"\r\n");
    }
    let mut field = format!("ARC-Seal: i={instance}; a={}; cv={status};", signer.key.algorithm().word());
    // Writing to a string does not fail.
    let _ = write!(field, "\r\n\td={};\r\n\ts={}; t={};\r\n\tb=", signer.domain, signer.selector, now.seconds());
    canonical_field(Canonicalization::Relaxed, field.as_bytes(), &mut data);
    push_signature(&mut field, &signer.key.sign(&data)?);
    Ok(field.into_bytes())
}

/// The sets there are, oldest first, in canonical form.
fn sealed_before(chain: &Chain<'_>) -> Vec<u8> {
    let mut data = Vec::new();
    for field in chain.sets.iter().flat_map(|set| [set.results, set.message, set.seal]) {
        canonical_field(Canonicalization::Relaxed, field.raw, &mut data);
        data.extend_from_slice(b"\r\n");
    }
    data
}
