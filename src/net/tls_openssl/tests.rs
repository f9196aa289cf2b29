//! Tests of both TLS backends over a socket pair, and of what only OpenSSL gives.

use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use std::os::unix::net::UnixStream;

use super::*;
use crate::base::time::Timestamp;
use crate::net::identity::{Identity, mint};

fn pair() -> (Async<UnixStream>, Async<UnixStream>) {
    Async::<UnixStream>::pair().unwrap()
}

fn identity(name: &str) -> Identity {
    // Certificates are checked against the machine's clock.
    mint(name, crate::base::world::Clock::wall(&crate::os::RealClock::new())).unwrap()
}

fn serve(tls: &dyn Tls, name: Option<&str>, identity: &Identity) {
    tls.set_identity(name, &identity.certificate_pem, identity.key_pem.expose()).unwrap();
}

type Ended = io::Result<(BoxStream, TlsInfo)>;

/// Both ends of a handshake.
fn shake(server: &dyn Tls, client: &dyn Tls, name: &str, must_verify: bool) -> (Ended, Ended) {
    let (a, b) = pair();
    let peer = TlsPeer { name: name.to_owned(), must_verify };
    let (accepting, connecting) = (server.accept(Box::new(a)), client.connect(Box::new(b), peer));
    smol::block_on(smol::future::zip(accepting, connecting))
}

fn leaf(info: &TlsInfo) -> Vec<u8> {
    info.peer_chain.first().cloned().unwrap_or_default()
}

fn der(identity: &Identity) -> Vec<u8> {
    X509::from_pem(&identity.certificate_pem).unwrap().to_der().unwrap()
}

#[test]
fn a_key_with_a_passphrase_is_refused() {
    use openssl::symm::Cipher;
    let identity = identity("mx.example.org");
    let key = PKey::private_key_from_pem(identity.key_pem.expose()).unwrap();
    let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"secret").unwrap();
    let refused = OpensslTls::new().set_identity(None, &identity.certificate_pem, &locked).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Tls);
}

/// What a client that offers only these suites of TLS 1.2 gets: the suite and the kind of the server's key.
fn old_client(server: &OpensslTls, suites: &str) -> std::result::Result<(String, openssl::pkey::Id), String> {
    let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
    builder.set_cipher_list(suites).unwrap();
    builder.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    let (a, b) = pair();
    let accepting = server.accept(Box::new(a));
    let connecting = async {
        let mut stream = TlsStream::new(Ssl::new(&builder.build()).unwrap(), Box::new(b)).unwrap();
        stream.handshake(Side::Client).await.map_err(|e| e.to_string())?;
        let cipher = stream.ssl().current_cipher().unwrap().name().to_owned();
        Ok((cipher, stream.ssl().peer_certificate().unwrap().public_key().unwrap().id()))
    };
    smol::block_on(smol::future::zip(accepting, connecting)).1
}

#[test]
fn old_devices_get_what_they_can() {
    use openssl::pkey::Id;
    let server = OpensslTls::new();
    serve(&server, None, &identity("mx.example.org"));
    for (suites, suite, key) in [
        ("ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES128-SHA", Id::RSA),
        ("ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES256-SHA384", Id::RSA),
        ("ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES256-SHA", Id::EC),
        ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", Id::RSA),
        // Whoever knows better gets it, whatever comes first in its list.
        ("ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", Id::RSA),
    ] {
        assert_eq!(old_client(&server, suites), Ok((suite.to_owned(), key)));
    }
    for without_forward_secrecy in ["AES128-SHA", "AES256-GCM-SHA384"] {
        assert!(old_client(&server, without_forward_secrecy).is_err());
    }
}

#[test]
fn keys_find_their_certificates() {
    let (one, two) = (identity("mx.example.org"), identity("mx.example.org"));
    let set = |certificates: &[&[u8]], keys: &[&[u8]]| {
        OpensslTls::new().set_identity(None, &certificates.concat(), &keys.concat())
    };
    let parts = |identity: &Identity| {
        let pem = |certificate: X509| certificate.to_pem().unwrap();
        let certificates: Vec<_> =
            X509::stack_from_pem(&identity.certificate_pem).unwrap().into_iter().map(pem).collect();
        let keys: Vec<_> = certificate::key_blocks(identity.key_pem.expose()).map(<[u8]>::to_vec).collect();
        (certificates, keys)
    };
    let ((certificates, keys), (others, _)) = (parts(&one), parts(&two));
    let [ec, rsa] = [&certificates[0][..], &certificates[1]];
    let [ec_key, rsa_key] = [&keys[0][..], &keys[1]];
    assert!(set(&[ec, rsa], &[rsa_key, ec_key]).is_ok());
    assert!(set(&[rsa], &[rsa_key]).is_ok());
    assert!(set(&[ec, &others[1]], &[ec_key]).is_ok(), "an authority");
    for (certificates, keys) in
        [(&[ec][..], &[rsa_key][..]), (&[&others[0], ec], &[ec_key]), (&[ec], &[]), (&[], &[ec_key])]
    {
        assert!(set(certificates, keys).is_err());
    }
}

#[test]
fn both_backends_echo_over_a_handshake() {
    let backends: [fn() -> Box<dyn Tls>; 2] =
        [|| Box::new(OpensslTls::new()), || Box::new(crate::net::tls_native::NativeTls::new())];
    for (server, client) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let (server, client) = (backends[server](), backends[client]());
        assert!(!server.can_accept());
        let identity = identity("mx.example.org");
        serve(&*server, None, &identity);
        assert!(server.can_accept());
        let (server, client) = shake(&*server, &*client, "mx.example.org", false);
        let ((mut server, _), (mut client, info)) = (server.unwrap(), client.unwrap());
        assert!(!info.verified);
        assert_eq!(leaf(&info), der(&identity));
        smol::block_on(async {
            client.write_all(b"EHLO client\r\n").await.unwrap();
            client.flush().await.unwrap();
            let mut line = [0; 13];
            server.read_exact(&mut line).await.unwrap();
            server.write_all(&line).await.unwrap();
            server.close().await.unwrap();
            let mut back = Vec::new();
            client.read_to_end(&mut back).await.unwrap();
            assert_eq!(back, b"EHLO client\r\n");
        });
    }
}

#[test]
fn both_backends_verify_when_asked() {
    let server = OpensslTls::new();
    let own = identity("mx.example.org");
    serve(&server, None, &own);
    let clients: [Box<dyn Tls>; 2] = [Box::new(OpensslTls::new()), Box::new(crate::net::tls_native::NativeTls::new())];
    for client in clients {
        let refused = shake(&server, &*client, "mx.example.org", true).1.err().unwrap();
        assert!(refused.to_string().contains("certificate"), "{refused}");
        client.trust(&own.certificate_pem).unwrap();
        assert!(shake(&server, &*client, "mx.example.org", true).1.unwrap().1.verified);
        let refused = shake(&server, &*client, "other.example.org", true).1.err().unwrap();
        assert!(refused.to_string().contains("mismatch"), "{refused}");
    }
}

#[test]
fn verification_is_judged_even_where_it_does_not_matter() {
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    let own = identity("mx.example.org");
    serve(&server, None, &own);
    assert!(!shake(&server, &client, "mx.example.org", false).1.unwrap().1.verified);
    client.trust(&own.certificate_pem).unwrap();
    assert!(shake(&server, &client, "mx.example.org.", false).1.unwrap().1.verified);
    assert!(!shake(&server, &client, "other.example.org", false).1.unwrap().1.verified);
    assert!(!shake(&server, &client, "192.0.2.1", false).1.unwrap().1.verified);
    let address = identity("192.0.2.1");
    serve(&server, None, &address);
    client.trust(&address.certificate_pem).unwrap();
    let (ended, _) = (shake(&server, &client, "192.0.2.1", true).1.unwrap().1, ());
    assert_eq!((ended.verified, ended.server_name), (true, None));
}

#[test]
fn says_what_the_handshake_came_to() {
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    serve(&server, None, &identity("mx.example.org"));
    let (server, client) = shake(&server, &client, "MX.example.org", false);
    let (server, client) = (server.unwrap().1, client.unwrap().1);
    assert_eq!((server.version.as_str(), client.version.as_str()), ("TLSv1.3", "TLSv1.3"));
    assert!(server.cipher.starts_with("TLS_") && server.cipher == client.cipher, "{}", server.cipher);
    assert_eq!(server.server_name.as_deref(), Some("MX.example.org"));
    assert_eq!(server.exporter.as_ref().map(Vec::len), Some(32));
    assert_eq!(server.exporter, client.exporter);
    assert_eq!((server.peer_chain.len(), client.peer_chain.len(), server.verified), (0, 1, false));
}

#[test]
fn serves_by_server_name_and_what_was_set_last() {
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    let names = ["default", "mail.example.org", "*.example.net", "new"];
    let [default, exact, wildcard, new] = names.map(identity);
    serve(&server, Some("Mail.Example.Org."), &exact);
    let served = |name: &str| leaf(&shake(&server, &client, name, false).1.unwrap().1);
    assert_eq!(served("anything.test"), der(&exact));
    serve(&server, None, &default);
    serve(&server, Some("*.example.net"), &wildcard);
    assert_eq!(served("mail.example.org"), der(&exact));
    assert_eq!(served("a.example.net"), der(&wildcard));
    for other in ["a.b.example.net", "example.net", "192.0.2.1"] {
        assert_eq!(served(other), der(&default), "{other}");
    }
    serve(&server, Some("mail.example.org"), &new);
    assert_eq!(served("MAIL.example.org"), der(&new));
    serve(&server, None, &wildcard);
    assert_eq!(served("localhost"), der(&wildcard));
}

#[test]
fn bad_certificates_and_keys_are_refused() {
    let tls = OpensslTls::new();
    let (one, two) = (identity("one"), identity("two"));
    for (certificate, key) in [
        (&one.certificate_pem[..], two.key_pem.expose()),
        (b"rubbish", one.key_pem.expose()),
        (b"", one.key_pem.expose()),
        (&one.certificate_pem, b"rubbish"),
    ] {
        assert_eq!(tls.set_identity(None, certificate, key).unwrap_err().kind(), ErrorKind::Tls);
    }
    assert!(!tls.can_accept());
    assert!(tls.trust(b"rubbish").is_err());
    let (a, _b) = pair();
    assert!(smol::block_on(tls.accept(Box::new(a))).is_err());
}

#[test]
fn rubbish_in_place_of_a_handshake_fails() {
    let tls = OpensslTls::new();
    serve(&tls, None, &identity("mx"));
    for rubbish in [&b"EHLO there\r\n"[..], b"", b"\x16\x03\x01\xff\xff"] {
        let (a, mut b) = pair();
        smol::block_on(async {
            b.write_all(rubbish).await.unwrap();
        });
        drop(b);
        assert!(smol::block_on(tls.accept(Box::new(a))).is_err());
    }
}

/// A connection just after its handshake.
fn connected() -> (BoxStream, BoxStream) {
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    serve(&server, None, &identity("mx"));
    let (server, client) = shake(&server, &client, "mx", false);
    (server.unwrap().0, client.unwrap().0)
}

#[test]
fn a_cut_is_not_an_end() {
    // A relay that forwards the handshake and some data, then cuts without close_notify.
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    serve(&server, None, &identity("mx"));
    let ((a, relay_a), (relay_b, b)) = (pair(), pair());
    let (cut, cuts) = smol::channel::bounded::<()>(1);
    let forward = async {
        let up = smol::io::copy(&relay_a, &relay_b);
        let down = smol::io::copy(&relay_b, &relay_a);
        let both = async {
            let _ = smol::future::zip(up, down).await;
        };
        smol::future::or(both, async {
            let _ = cuts.recv().await;
        })
        .await;
        drop((relay_a, relay_b));
    };
    let peer = TlsPeer { name: "mx".into(), must_verify: false };
    let (accepting, connecting) = (server.accept(Box::new(a)), client.connect(Box::new(b), peer));
    let talk = async {
        let (server, client) = smol::future::zip(accepting, connecting).await;
        let (mut server, mut client) = (server.unwrap().0, client.unwrap().0);
        client.write_all(b"half of it").await.unwrap();
        let mut got = [0; 10];
        server.read_exact(&mut got).await.unwrap();
        drop(cut);
        assert_eq!(server.read(&mut got).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(server.read(&mut got).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    };
    smol::block_on(smol::future::zip(forward, talk));
}

#[test]
fn closing_and_dropping_both_say_goodbye() {
    let (mut server, mut client) = connected();
    smol::block_on(async {
        client.write_all(b"bye").await.unwrap();
        client.close().await.unwrap();
        let mut got = Vec::new();
        server.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"bye");
    });
    let (server, mut client) = connected();
    drop(server);
    assert_eq!(smol::block_on(client.read(&mut [0; 8])).unwrap(), 0);
}

#[test]
fn bulk_goes_through_whole_in_both_directions_at_once() {
    let (server, client) = connected();
    let (mut server_in, mut server_out) = smol::io::split(server);
    let (mut client_in, mut client_out) = smol::io::split(client);
    let bulk: Vec<u8> = (0..3_000_000u32).map(|n| (n * 7 % 251) as u8).collect();
    smol::block_on(async {
        let up = async {
            client_out.write_all(&bulk).await.unwrap();
            client_out.close().await.unwrap();
        };
        let echo = async {
            let mut piece = vec![0; 10_000];
            loop {
                match server_in.read(&mut piece).await.unwrap() {
                    0 => break,
                    n => server_out.write_all(&piece[..n]).await.unwrap(),
                }
            }
            server_out.close().await.unwrap();
        };
        let mut back = Vec::new();
        let down = client_in.read_to_end(&mut back);
        let ((), ((), down)) = smol::future::zip(up, smol::future::zip(echo, down)).await;
        down.unwrap();
        assert!(back == bulk);
    });
}

#[test]
fn a_writer_waits_for_a_peer_that_does_not_read() {
    let (_server, mut client) = connected();
    let mut taken = 0;
    smol::block_on(async {
        let piece = vec![1; TEST_PIECE];
        while let Some(written) = smol::future::poll_once(client.write(&piece)).await {
            taken += written.unwrap();
            assert!(taken < 4_000_000, "memory grows");
        }
    });
    assert!(taken > 0);
}

const TEST_PIECE: usize = 50_000;

#[test]
fn clocks_outside_the_validity_are_not_ours_to_fix() {
    let (server, client) = (OpensslTls::new(), OpensslTls::new());
    let expired = mint("mx", Timestamp(0)).unwrap();
    serve(&server, None, &expired);
    client.trust(&expired.certificate_pem).unwrap();
    let refused = shake(&server, &client, "mx", true).1.err().unwrap();
    assert!(refused.to_string().contains("expired"), "{refused}");
}

#[test]
fn what_the_authority_says_is_stapled() {
    let stapled = include_bytes!("vectors/stapled.pem");
    let server = OpensslTls::new();
    server.set_identity(None, stapled, stapled).unwrap();
    let mut ssl = Ssl::new(&SslContext::builder(SslMethod::tls_client()).unwrap().build()).unwrap();
    ssl.set_status_type(openssl::ssl::StatusType::OCSP).unwrap();
    let (a, b) = pair();
    let connecting = async {
        let mut stream = TlsStream::new(ssl, Box::new(b)).unwrap();
        stream.handshake(Side::Client).await.unwrap();
        stream.ssl().ocsp_status().map(<[u8]>::to_vec)
    };
    let (_, status) = smol::block_on(smol::future::zip(server.accept(Box::new(a)), connecting));
    assert!(openssl::ocsp::OcspResponse::from_der(&status.unwrap()).is_ok());
}
