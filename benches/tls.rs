//! What TLS costs: octets through an established stream, and handshakes, over a socket pair.
//!
//! `cargo bench --bench tls`

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program that measures and prints")]

use std::os::unix::net::UnixStream;
use std::time::Instant;

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxStream, Tls, TlsPeer};
use mailcore::net::identity::mint;
use mailcore::net::tls::real_tls;
use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

const BULK_OCTETS: usize = 512 * 1024 * 1024;
const PIECE_OCTETS: usize = 64 * 1024;
const HANDSHAKES: u32 = 500;

fn main() {
    let tls = real_tls();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let identity = mint("mx.example.org", Timestamp::from_seconds(i64::try_from(now).unwrap_or(0))).expect("identity");
    tls.set_identity(None, &identity.certificate_pem, identity.key_pem.expose()).expect("usable");
    // The first one reads the system's authorities.
    let start = Instant::now();
    drop(shake(&*tls));
    println!("first handshake: {:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..HANDSHAKES {
        drop(shake(&*tls));
    }
    println!("both sides of a handshake: {:?}", start.elapsed() / HANDSHAKES);
    let (server, client) = shake(&*tls);
    let start = Instant::now();
    let reading = std::thread::spawn(move || smol::block_on(read_all(server)));
    smol::block_on(write_all(client));
    let octets = reading.join().expect("reader");
    assert_eq!(octets, BULK_OCTETS);
    let seconds = start.elapsed().as_secs_f64();
    println!("bulk, a thread for each side: {:.0} MB/s", octets as f64 / 1e6 / seconds);
}

fn shake(tls: &dyn Tls) -> (BoxStream, BoxStream) {
    let (a, b) = Async::<UnixStream>::pair().expect("socket pair");
    let peer = TlsPeer { name: "mx.example.org".to_owned(), must_verify: false };
    let both = smol::future::try_zip(tls.accept(Box::new(a)), tls.connect(Box::new(b), peer));
    let ((server, _), (client, _)) = smol::block_on(both).expect("handshake");
    (server, client)
}

async fn write_all(mut client: BoxStream) {
    let piece = vec![7; PIECE_OCTETS];
    for _ in 0..BULK_OCTETS / PIECE_OCTETS {
        client.write_all(&piece).await.expect("write");
    }
    client.close().await.expect("close");
}

async fn read_all(mut server: BoxStream) -> usize {
    let (mut piece, mut octets) = (vec![0; PIECE_OCTETS], 0);
    loop {
        match server.read(&mut piece).await.expect("read") {
            0 => return octets,
            n => octets += n,
        }
    }
}
