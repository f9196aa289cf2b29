//! TLS as far as the engine can see it: one line each way that carries the names, then plain octets.
//!
//! A handshake may fail or hang, and a server may show a certificate of another name. Real TLS draws its own
//! chance and has lengths that vary; it is tested apart.

use std::io;
use std::sync::{Arc, Mutex};

use mailcore::base::world::{
    BoxFuture, BoxStream, CertificateRefused, CertificateTrouble, Tls, TlsInfo, TlsPeer, Tlsa,
};
use mailcore::base::{Result, Timestamp};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use crate::disk::lock;
use crate::rng::Rng;

const LINE_OCTETS_MAX: usize = 300;

/// TLS of one machine.
#[derive(Clone)]
pub struct SimTls {
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// Name on the certificate; `None` cannot serve.
    certificate: Option<String>,
    rng: Rng,
    /// Handshakes of 1000 that fail, and that never end.
    failures: u64,
    hangs: u64,
}

impl SimTls {
    /// TLS with a certificate of this name.
    pub fn new(rng: Rng, certificate: Option<&str>) -> Self {
        let certificate = certificate.map(str::to_owned);
        Self { inner: Arc::new(Mutex::new(Inner { certificate, rng, failures: 0, hangs: 0 })) }
    }

    /// Lets handshakes fail from now on, in parts of 1000.
    pub fn set_faults(&self, failures: u64, hangs: u64) {
        let mut inner = lock(&self.inner);
        (inner.failures, inner.hangs) = (failures, hangs);
    }

    async fn trouble(&self) -> io::Result<()> {
        let (fails, hangs) = {
            let mut inner = lock(&self.inner);
            let (failures, hangs) = (inner.failures, inner.hangs);
            (inner.rng.per_mille(failures), inner.rng.per_mille(hangs))
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        if fails { Err(io::Error::new(io::ErrorKind::InvalidData, "handshake failure")) } else { Ok(()) }
    }
}

async fn line(stream: &mut BoxStream) -> io::Result<String> {
    let mut line = Vec::new();
    loop {
        let mut octet = [0];
        if stream.read(&mut octet).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        if octet == *b"\n" {
            return String::from_utf8(line).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        }
        line.push(octet[0]);
        if line.len() > LINE_OCTETS_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a handshake"));
        }
    }
}

impl Tls for SimTls {
    fn can_accept(&self) -> bool {
        lock(&self.inner).certificate.is_some()
    }

    fn accept(&self, mut stream: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let tls = self.clone();
        Box::pin(async move {
            let hello = line(&mut stream).await?;
            let Some(name) = hello.strip_prefix("hello ") else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not a handshake"));
            };
            tls.trouble().await?;
            let certificate = lock(&tls.inner).certificate.clone();
            let Some(certificate) = certificate else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no certificate"));
            };
            stream.write_all(format!("certificate {certificate}\n").as_bytes()).await?;
            Ok((stream, TlsInfo { server_name: Some(name.to_owned()), ..info() }))
        })
    }

    fn connect(&self, mut stream: BoxStream, peer: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        let tls = self.clone();
        Box::pin(async move {
            tls.trouble().await?;
            stream.write_all(format!("hello {}\n", peer.name).as_bytes()).await?;
            let answer = line(&mut stream).await?;
            let certificate = answer.strip_prefix("certificate ").unwrap_or_default();
            let verified = certificate == peer.name;
            if peer.must_verify && !verified {
                let (trouble, text) = (CertificateTrouble::OtherName, "of another name".to_owned());
                let refused = CertificateRefused { trouble, text };
                return Err(io::Error::new(io::ErrorKind::InvalidData, refused));
            }
            let peer_chain = vec![certificate.as_bytes().to_vec()];
            Ok((stream, TlsInfo { server_name: Some(peer.name), verified, peer_chain, ..info() }))
        })
    }

    fn set_identity(&self, _server_name: Option<&str>, certificate_pem: &[u8], _key_pem: &[u8]) -> Result<()> {
        lock(&self.inner).certificate = Some(String::from_utf8_lossy(certificate_pem).into_owned());
        Ok(())
    }

    /// A record whose data is the certificate, which is a name, means it.
    fn check_dane(
        &self,
        chain: &[Vec<u8>],
        _names: &[String],
        records: &[Tlsa],
        _now: Timestamp,
    ) -> std::result::Result<(), CertificateRefused> {
        match records.iter().any(|record| chain.contains(&record.data)) {
            true => Ok(()),
            false => Err(CertificateRefused {
                trouble: CertificateTrouble::NotOfRecords,
                text: "no TLSA record means it".to_owned(),
            }),
        }
    }

    fn trust(&self, _authorities_pem: &[u8]) -> Result<()> {
        Ok(())
    }
}

fn info() -> TlsInfo {
    TlsInfo { version: "TLSv1.3".to_owned(), cipher: "TLS_SIMULATED".to_owned(), ..TlsInfo::default() }
}
