//! TLS by OpenSSL: the contexts, and what a handshake came to.
//!
//! One context serves all connections of a certificate, one all outgoing ones; the system's authorities are read once.
//! A certificate replaced while running serves the next handshake. TLS 1.2 and 1.3 only (RFC 8996, RFC 9325).
//!
//! Sessions resume by tickets whose key lives a day at most. A session of one server name is never resumed under
//! another: where there are certificates for several, nothing is resumed. Early data is never taken.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    NameType, SniError, Ssl, SslAcceptor, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef,
    SslSessionCacheMode, SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509VerifyResult};

use super::certificate;
use super::staple::Staple;
use super::tls_stream::{Side, TlsStream};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::TICKET_KEY_SECONDS;
use crate::base::time::Timestamp;
use crate::base::world::{BoxFuture, BoxStream, CertificateRefused, Tls, TlsInfo, TlsPeer, Tlsa};

/// TLS by OpenSSL.
#[derive(Default)]
pub struct OpensslTls {
    identities: Arc<RwLock<Identities>>,
    client: Mutex<Client>,
}

#[derive(Default)]
struct Identities {
    /// Served to everybody whose server name is not below.
    default: Option<Identity>,
    /// By server name in lower case; `*.example.org` serves one label below.
    named: BTreeMap<String, Identity>,
    /// When the keys of tickets were made.
    renewed: Timestamp,
}

/// A certificate with what belongs to it.
struct Identity {
    chain: Vec<X509>,
    keys: Vec<PKey<Private>>,
    /// What its authority says of it (RFC 6066 §8).
    staple: Option<Staple>,
    /// Has a key for tickets of its own.
    context: SslContext,
}

#[derive(Default)]
struct Client {
    /// Trusted beside the system's.
    authorities: Vec<X509>,
    /// Made at the first connection: reading the system's authorities takes some 40 ms of computing.
    context: Option<SslContext>,
}

impl OpensslTls {
    /// TLS without a certificate to serve with.
    pub fn new() -> Self {
        Self::default()
    }

    fn client(&self, peer: &TlsPeer) -> std::result::Result<Ssl, ErrorStack> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        let context = match client.context.take() {
            Some(context) => context,
            None => client_context(&client.authorities)?,
        };
        let ssl = Ssl::new(&context);
        client.context = Some(context);
        drop(client);
        let mut ssl = ssl?;
        let name = peer.name.trim_end_matches('.');
        // RFC 6066 §3: addresses are no server names.
        if name.parse::<IpAddr>().is_err() {
            ssl.set_hostname(name)?;
        }
        certificate::must_be_for(ssl.param_mut(), name)?;
        // Verified either way; the mode only says whether a failure ends the handshake.
        ssl.set_verify(if peer.must_verify { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
        Ok(ssl)
    }
}

impl Tls for OpensslTls {
    fn can_accept(&self) -> bool {
        read(&self.identities).any().is_some()
    }

    fn accept(&self, stream: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let context = read(&self.identities).any().map(|identity| identity.context.clone());
        Box::pin(async move {
            let context = context.ok_or_else(|| io::Error::other("no certificate to serve with"))?;
            let mut stream = TlsStream::new(Ssl::new(&context)?, stream)?;
            stream.handshake(Side::Server).await?;
            let info = info(stream.ssl(), false);
            Ok((Box::new(stream) as BoxStream, info))
        })
    }

    fn connect(&self, stream: BoxStream, peer: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let ssl = self.client(&peer);
        Box::pin(async move {
            let mut stream = TlsStream::new(ssl?, stream)?;
            stream.handshake(Side::Client).await?;
            let info = info(stream.ssl(), true);
            Ok((Box::new(stream) as BoxStream, info))
        })
    }

    fn set_identity(&self, server_name: Option<&str>, certificate_pem: &[u8], key_pem: &[u8]) -> Result<()> {
        let chain = certificate::chain(certificate_pem)?;
        let leaf = chain.first().ok_or_else(|| Error::new(ErrorKind::Bug, "a chain without a certificate"))?;
        let keys = certificate::keys(key_pem, leaf)?;
        let staple = Staple::of(certificate_pem, &chain)?;
        let unfit = |e| Error::new(ErrorKind::Tls, format!("certificate or key: not fit for TLS: {e}"));
        let weak = Arc::downgrade(&self.identities);
        let mut identities = self.identities.write().unwrap_or_else(PoisonError::into_inner);
        let resumes = server_name.is_none() && identities.named.is_empty();
        let context = server_context(&chain, &keys, staple.clone(), weak.clone(), resumes).map_err(unfit)?;
        let identity = Identity { chain, keys, staple, context };
        match server_name {
            Some(name) => {
                identities.named.insert(name.trim_end_matches('.').to_ascii_lowercase(), identity);
                // No session of the others may be resumed from now on.
                identities.renew(&weak).map_err(unfit)?;
            }
            None => identities.default = Some(identity),
        }
        Ok(())
    }

    fn refresh(&self, now: Timestamp) {
        let is_due = |renewed: Timestamp| !(0..TICKET_KEY_SECONDS).contains(&(now.seconds() - renewed.seconds()));
        if !is_due(read(&self.identities).renewed) {
            return;
        }
        let weak = Arc::downgrade(&self.identities);
        let mut identities = self.identities.write().unwrap_or_else(PoisonError::into_inner);
        // Another session may have been quicker. What was good yesterday is good today, so that a failure is one of
        // memory: the keys of yesterday serve until the next session.
        if is_due(identities.renewed) && identities.renew(&weak).is_ok() {
            identities.renewed = now;
        }
    }

    fn trust(&self, authorities_pem: &[u8]) -> Result<()> {
        let added = certificate::chain(authorities_pem)?;
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.authorities.extend(added);
        client.context = None;
        Ok(())
    }

    fn concerns(&self, hostname: &str, now: Timestamp) -> Vec<String> {
        let identities = read(&self.identities);
        let default = identities.default.iter().map(|identity| (hostname, identity));
        let named = identities.named.iter().map(|(name, identity)| (name.as_str(), identity));
        let served = default.chain(named).filter_map(|(name, identity)| Some((name, identity.chain.first()?)));
        served.flat_map(|(name, leaf)| certificate::concerns(leaf, name, now)).collect()
    }

    fn check_dane(
        &self,
        chain: &[Vec<u8>],
        names: &[String],
        records: &[Tlsa],
        now: Timestamp,
    ) -> std::result::Result<(), CertificateRefused> {
        super::dane::check(chain, names, records, now)
    }
}

fn read(identities: &RwLock<Identities>) -> RwLockReadGuard<'_, Identities> {
    identities.read().unwrap_or_else(PoisonError::into_inner)
}

impl Identities {
    /// What a handshake begins with; the server name may change it.
    fn any(&self) -> Option<&Identity> {
        self.default.as_ref().or_else(|| self.named.values().next())
    }

    fn of(&self, server_name: &str) -> Option<&Identity> {
        let name = server_name.to_ascii_lowercase();
        self.named.get(&name).or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.named.get(&format!("*.{parent}"))
        })
    }

    /// New contexts, with new keys for tickets.
    fn renew(&mut self, weak: &Weak<RwLock<Identities>>) -> std::result::Result<(), ErrorStack> {
        let resumes = self.named.is_empty();
        for identity in self.default.iter_mut().chain(self.named.values_mut()) {
            let staple = identity.staple.clone();
            identity.context = server_context(&identity.chain, &identity.keys, staple, weak.clone(), resumes)?;
        }
        Ok(())
    }
}

/// The context of a certificate. OpenSSL resumes a session before it looks at the server name, so that `resumes` must
/// be false where there is more than one.
fn server_context(
    chain: &[X509],
    keys: &[PKey<Private>],
    staple: Option<Staple>,
    identities: Weak<RwLock<Identities>>,
    resumes: bool,
) -> std::result::Result<SslContext, ErrorStack> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    builder.set_cipher_list(SERVER_CIPHERS)?;
    builder.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
    set_certificates(&mut builder, chain, keys)?;
    // Sessions resume by tickets, which keep nothing here; one is enough for clients that seldom come back.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_session_id_context(b"mailcore")?;
    builder.set_num_tickets(usize::from(resumes))?;
    if !resumes {
        builder.set_options(SslOptions::NO_TICKET);
    }
    builder.set_max_early_data(0)?;
    if let Some(staple) = staple {
        builder.set_status_callback(move |ssl| {
            staple.fresh().map_or(Ok(false), |r| ssl.set_ocsp_status(r).map(|()| true))
        })?;
    }
    usual(&mut builder)?;
    // Weak: the contexts lie in what they look into.
    builder.set_servername_callback(move |ssl, _alert| {
        let Some(identities) = identities.upgrade() else { return Err(SniError::ALERT_FATAL) };
        let named =
            ssl.servername(NameType::HOST_NAME).and_then(|name| read(&identities).of(name).map(|i| i.context.clone()));
        match named {
            Some(context) => ssl.set_ssl_context(&context).map_err(|_| SniError::ALERT_FATAL),
            // Clients ask for any name of the host's they know: they get the usual certificate.
            None => Ok(()),
        }
    });
    Ok(builder.build().into_context())
}

/// What Mozilla calls intermediate, version 5, and behind it the CBC suites with forward secrecy: mail servers and
/// devices of 2010 know no others, and would send in the clear. Our order counts, so that nobody else gets them.
const SERVER_CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
    ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:\
    DHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:\
    ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA";

/// Certificates and keys of one name: each key has the certificate that is for it, one of each kind at most (P-256 and
/// RSA, say), and the others are the authorities between.
fn set_certificates(
    builder: &mut SslContextBuilder,
    chain: &[X509],
    keys: &[PKey<Private>],
) -> std::result::Result<(), ErrorStack> {
    for certificate in chain {
        let public = certificate.public_key()?;
        match keys.iter().find(|key| key.public_eq(&public)) {
            Some(key) => {
                builder.set_certificate(certificate)?;
                builder.set_private_key(key)?;
            }
            None => builder.add_extra_chain_cert(certificate.clone())?,
        }
    }
    builder.check_private_key()
}

fn client_context(authorities: &[X509]) -> std::result::Result<SslContext, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_cipher_list("DEFAULT:!aNULL:!eNULL:!MD5:!3DES:!DES:!RC4:!IDEA:!SEED:!aDSS:!SRP:!PSK")?;
    // Read once, into memory. OpenSSL's default paths would search a folder of hundreds of files in each handshake
    // with an unknown issuer; and a vendored OpenSSL looks where it was to be installed, not where the system has them.
    match openssl_probe::probe().cert_file {
        Some(bundle) => builder.set_ca_file(bundle)?,
        None => builder.set_default_verify_paths()?,
    }
    for authority in authorities {
        builder.cert_store_mut().add_cert(authority.clone())?;
    }
    usual(&mut builder)?;
    Ok(builder.build())
}

/// What both sides have in common.
fn usual(builder: &mut SslContextBuilder) -> std::result::Result<(), ErrorStack> {
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION);
    // Idle sessions are many and long: they give OpenSSL's record buffers back.
    builder.set_mode(SslMode::RELEASE_BUFFERS | SslMode::ACCEPT_MOVING_WRITE_BUFFER);
    Ok(())
}

fn info(ssl: &SslRef, client: bool) -> TlsInfo {
    let chain = if client { ssl.peer_cert_chain() } else { None };
    let peer_chain: Vec<Vec<u8>> = chain.into_iter().flatten().filter_map(|c| c.to_der().ok()).collect();
    // RFC 9266 §4. Only from TLS 1.3 on: before, implementations differ on an empty context and an absent one.
    let mut binding = vec![0; 32];
    let exported = ssl.version2() == Some(SslVersion::TLS1_3)
        && ssl.export_keying_material(&mut binding, "EXPORTER-Channel-Binding", Some(&[])).is_ok();
    TlsInfo {
        version: ssl.version_str().to_owned(),
        cipher: ssl.current_cipher().map(|c| c.standard_name().unwrap_or(c.name()).to_owned()).unwrap_or_default(),
        server_name: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
        verified: client && !peer_chain.is_empty() && ssl.verify_result() == X509VerifyResult::OK,
        peer_chain,
        exporter: exported.then_some(binding),
    }
}

#[cfg(test)]
mod tests;
