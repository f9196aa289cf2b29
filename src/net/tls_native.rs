//! TLS by the system's own library, through async-native-tls: the portable backend.
//!
//! What it cannot do, the other one does: one certificate for all names; version, cipher, server name, chain beyond
//! the leaf and channel binding are not told; `verified` is known only where verification was asked for.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use native_tls::{Certificate, Identity, Protocol};

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::world::{BoxFuture, BoxStream, Tls, TlsInfo, TlsPeer};

/// TLS by the system's own library.
#[derive(Default)]
pub struct NativeTls {
    shared: Mutex<Shared>,
}

#[derive(Default)]
struct Shared {
    acceptor: Option<Arc<async_native_tls::TlsAcceptor>>,
    authorities: Vec<Certificate>,
}

impl NativeTls {
    /// TLS without a certificate to serve with.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// async-native-tls makes a connector of this for each connection, and reads the system's authorities each time.
    fn connector(&self, must_verify: bool) -> async_native_tls::TlsConnector {
        let mut builder = native_tls::TlsConnector::builder();
        builder.min_protocol_version(Some(Protocol::Tlsv12));
        builder.danger_accept_invalid_certs(!must_verify).danger_accept_invalid_hostnames(!must_verify);
        for authority in &self.authorities {
            builder.add_root_certificate(authority.clone());
        }
        builder.into()
    }
}

impl Tls for NativeTls {
    fn can_accept(&self) -> bool {
        self.lock().acceptor.is_some()
    }

    fn accept(&self, stream: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let acceptor = self.lock().acceptor.clone();
        Box::pin(async move {
            let acceptor = acceptor.ok_or_else(|| io::Error::other("no certificate to serve with"))?;
            let stream = acceptor.accept(stream).await.map_err(failed)?;
            Ok((Box::new(stream) as BoxStream, TlsInfo::default()))
        })
    }

    fn connect(&self, stream: BoxStream, peer: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let connector = self.lock().connector(peer.must_verify);
        Box::pin(async move {
            let name = peer.name.trim_end_matches('.');
            let stream = connector.connect(name, stream).await.map_err(failed)?;
            let leaf = stream.peer_certificate().ok().flatten().and_then(|c| c.to_der().ok());
            let info = TlsInfo {
                server_name: name.parse::<std::net::IpAddr>().is_err().then(|| name.to_owned()),
                verified: peer.must_verify,
                peer_chain: leaf.into_iter().collect(),
                ..TlsInfo::default()
            };
            Ok((Box::new(stream) as BoxStream, info))
        })
    }

    fn set_identity(&self, server_name: Option<&str>, certificate_pem: &[u8], key_pem: &[u8]) -> Result<()> {
        if server_name.is_some() {
            return Err(Error::new(ErrorKind::Tls, "this TLS backend serves one certificate to everybody"));
        }
        let refused = |e| Error::new(ErrorKind::Tls, format!("certificate or key cannot be used: {e}"));
        let identity = Identity::from_pkcs8(certificate_pem, key_pem).map_err(refused)?;
        let mut builder = native_tls::TlsAcceptor::builder(identity);
        let acceptor = builder.min_protocol_version(Some(Protocol::Tlsv12)).build().map_err(refused)?;
        self.lock().acceptor = Some(Arc::new(acceptor.into()));
        Ok(())
    }

    fn trust(&self, authorities_pem: &[u8]) -> Result<()> {
        let added = Certificate::stack_from_pem(authorities_pem)
            .map_err(|e| Error::new(ErrorKind::Tls, format!("authorities cannot be read: {e}")))?;
        self.lock().authorities.extend(added);
        Ok(())
    }
}

fn failed(e: native_tls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, e)
}
