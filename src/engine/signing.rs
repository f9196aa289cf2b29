//! Signing a message without an engine: the octets and a key are enough.
//!
//! What comes back is the field to put in front, with the line ends the message has. A message with LF line ends is
//! signed as it will travel, with CRLF. Keys are of the openssl crate, as in `mailauth::dkim`: without it nothing can
//! be signed.

use crate::base::Timestamp;
use crate::mailauth::results::{ArcResult, AuthenticationResults};

/// Who signs, and how.
#[derive(Clone, Default)]
pub struct SignerOptions {
    /// Signing domain.
    pub domain: String,
    /// The key's name in DNS.
    pub selector: String,
    /// The key: PEM, or the base64 of an Ed25519 seed.
    pub key: Vec<u8>,
    /// What the key must be for, `rsa-sha256` or `ed25519-sha256`; any, where it is not given.
    pub algorithm: Option<&'static str>,
    /// Header, then body: whether it may not change at all (simple).
    pub simple: (bool, bool),
    /// Names of the fields to sign, a name twice to sign as well that there is no further one; the usual ones, where
    /// it is not given.
    pub fields: Option<Vec<String>>,
    /// For whom it is signed (`i=`).
    pub identity: Option<String>,
    /// The time of the signature; now, where it is not given.
    pub now: Option<Timestamp>,
}

/// What a sealer knows of a message that it passes on.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Its name in Authentication-Results; that in `results`, or the signing domain, where it is not given.
    pub authserv_id: Option<String>,
    /// What the check of the chain came to when the message came in; without it, the chain is checked now, as it must
    /// be done before the message is changed.
    pub chain: Option<ArcResult>,
    /// What was found when the message came in; without it, what the message's own fields say.
    pub results: Option<AuthenticationResults>,
}

#[cfg(not(any(windows, target_vendor = "apple")))]
pub use with_openssl::{arc_seal, dkim_sign};

#[cfg(not(any(windows, target_vendor = "apple")))]
mod with_openssl {
    use super::{Found, SignerOptions};
    use crate::base::world::Clock;
    use crate::base::{Domain, Error, ErrorKind, Result, Timestamp};
    use crate::engine::checks::{Checker, Given, Wanted, built_in, parted};
    use crate::mailauth::arc::{ArcVerdict, Sealer, chain_status};
    use crate::mailauth::dkim::{Canonicalization, Signer, SigningKey};
    use crate::mailauth::results::{AuthenticationResults, MethodResult};
    use crate::message::line_end::{CrLfWriter, LineEnd};
    use crate::os::RealClock;

    /// The DKIM-Signature field for a message.
    pub fn dkim_sign(message: &[u8], options: &SignerOptions) -> Result<Vec<u8>> {
        let signer = signer(options)?;
        let (header, body) = parted(message);
        let mut signing = signer.begin();
        CrLfWriter::default().push(body, |piece| signing.push(piece));
        let field = signing.finish(&header, now(options))?;
        Ok(LineEnd::of(message).apply(field))
    }

    /// The three fields of a new set of ARC for a message; `None` where nothing may follow on its chain.
    ///
    /// Into the set goes what was found when the message came in (RFC 8617 §5.1), with what the check of the chain
    /// came to.
    pub fn arc_seal(
        checker: &Checker,
        message: &[u8],
        options: &SignerOptions,
        found: &Found,
    ) -> Result<Option<Vec<u8>>> {
        built_in()?;
        let Signer { domain, selector, key, .. } = signer(options)?;
        let now = now(options);
        let (header, body) = parted(message);
        let chain = match found.chain {
            Some(checked) => ArcVerdict { result: chain_status(&header, checked)?, ..ArcVerdict::default() },
            None => {
                let given = Given { now: Some(now), ..Given::default() };
                let wanted = Wanted { arc: true, ..Wanted::default() };
                checker.verify(message, &given, wanted)?.arc.unwrap_or_default()
            }
        };
        let mut results = found.results.clone().unwrap_or_else(|| {
            AuthenticationResults::gathered(&header, found.authserv_id.as_deref().unwrap_or(&domain))
        });
        if let Some(name) = &found.authserv_id {
            results.authserv_id.clone_from(name);
        }
        // What is said of the chain is what the seal says; who checked it earlier may have told more of it.
        let tells = found.chain.is_some() && results.result_of("arc") == Some(chain.result.word());
        if !tells {
            results.results.retain(|result| result.method != "arc");
            results.results.push(told(&chain));
        }
        let sealer = Sealer::new(domain, selector, key);
        let mut sealing = sealer.begin();
        CrLfWriter::default().push(body, |piece| sealing.push(piece));
        let set = sealing.finish(&header, chain.result, &results, now)?;
        Ok(set.map(|set| LineEnd::of(message).apply(set)))
    }

    fn signer(options: &SignerOptions) -> Result<Signer> {
        let key = SigningKey::parse(&options.key)?;
        if options.algorithm.is_some_and(|wanted| wanted != key.algorithm().word()) {
            return Err(Error::new(ErrorKind::Invalid, format!("the key is one for {}", key.algorithm().word())));
        }
        let domain = match Domain::parse(options.domain.trim_end_matches('.')) {
            Ok(domain @ Domain::Name(_)) => domain.key(),
            _ => return Err(Error::new(ErrorKind::Invalid, format!("domain {:?} is no name", options.domain))),
        };
        let how = |simple| if simple { Canonicalization::Simple } else { Canonicalization::Relaxed };
        let mut signer = Signer::new(domain, options.selector.as_str(), key);
        (signer.header, signer.body) = (how(options.simple.0), how(options.simple.1));
        signer.fields.clone_from(&options.fields);
        signer.identity.clone_from(&options.identity);
        signer.check()?;
        Ok(signer)
    }

    fn now(options: &SignerOptions) -> Timestamp {
        options.now.unwrap_or_else(|| RealClock::new().wall())
    }

    /// The chain as Authentication-Results tells it (RFC 8617 §10.1).
    fn told(chain: &ArcVerdict) -> MethodResult {
        let result = MethodResult::new("arc", chain.result.word());
        match chain.oldest_pass {
            Some(instance) => result.with("header", "oldest-pass", instance.to_string()),
            None => result,
        }
    }
}

/// Nothing can be signed.
#[cfg(any(windows, target_vendor = "apple"))]
mod without {
    use super::{Found, SignerOptions};
    use crate::base::{Error, ErrorKind, Result};
    use crate::engine::checks::Checker;

    /// Fails.
    pub fn dkim_sign(_: &[u8], _: &SignerOptions) -> Result<Vec<u8>> {
        Err(Error::new(ErrorKind::State, "this build cannot sign"))
    }

    /// Fails.
    pub fn arc_seal(_: &Checker, _: &[u8], _: &SignerOptions, _: &Found) -> Result<Option<Vec<u8>>> {
        Err(Error::new(ErrorKind::State, "this build cannot sign"))
    }
}

#[cfg(any(windows, target_vendor = "apple"))]
pub use without::{arc_seal, dkim_sign};

#[cfg(test)]
#[path = "signing_tests.rs"]
mod tests;
