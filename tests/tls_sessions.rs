//! Which TLS sessions may be resumed: those of the same name, for a day. A program of its own, because OpenSSL's client
//! takes a session by an `unsafe` call.

#![cfg(not(any(windows, target_vendor = "apple")))]
#![allow(clippy::disallowed_methods, reason = "a client of its own thread, as a foreign program would be")]

#[macro_use]
extern crate mailcore_watchdog;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread;

use mailcore::base::limits::TICKET_KEY_SECONDS;
use mailcore::base::time::Timestamp;
use mailcore::base::world::{Clock, Tls};
use mailcore::net::identity::mint;
use mailcore::net::tls_openssl::OpensslTls;
use mailcore::os::RealClock;
use openssl::ssl::{Ssl, SslContext, SslMethod, SslSession, SslSessionCacheMode, SslVersion};
use smol::Async;
use smol::io::{AsyncReadExt, AsyncWriteExt};

fn serve(tls: &OpensslTls, name: Option<&str>) {
    let identity = mint(name.unwrap_or("mx.example.org"), RealClock::new().wall()).unwrap();
    tls.set_identity(name, &identity.certificate_pem, identity.key_pem.expose()).unwrap();
}

/// A client that keeps its last session.
struct Client {
    context: SslContext,
    kept: Arc<Mutex<Option<SslSession>>>,
}

impl Client {
    fn new(version: SslVersion) -> Client {
        let kept: Arc<Mutex<Option<SslSession>>> = Arc::default();
        let mut builder = SslContext::builder(SslMethod::tls_client()).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder.set_session_cache_mode(SslSessionCacheMode::CLIENT | SslSessionCacheMode::NO_INTERNAL);
        let keep = Arc::clone(&kept);
        builder.set_new_session_callback(move |_, session| *keep.lock().unwrap() = Some(session));
        Client { context: builder.build(), kept }
    }

    /// Whether a connection under a name resumed the session before.
    fn connect(&self, server: &OpensslTls, name: &str) -> bool {
        let mut ssl = Ssl::new(&self.context).unwrap();
        ssl.set_hostname(name).unwrap();
        if let Some(session) = self.kept.lock().unwrap().take() {
            // SAFETY: the session is of the same context.
            unsafe { ssl.set_session(&session) }.unwrap();
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let client = thread::spawn(move || {
            let mut stream = ssl.connect(ours).expect("a handshake");
            // Tickets of TLS 1.3 come with the first octets.
            stream.read_exact(&mut [0]).unwrap();
            stream.write_all(b"y").unwrap();
            // OpenSSL forgets the session of a connection that was not closed.
            let _ = stream.shutdown();
            stream.ssl().session_reused()
        });
        smol::block_on(async {
            let accepted = server.accept(Box::new(Async::new(theirs).unwrap())).await;
            let (mut stream, _) = accepted.unwrap();
            stream.write_all(b"x").await.unwrap();
            stream.flush().await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
        });
        client.join().unwrap()
    }
}

/// Whether a second connection resumes the session of the first one, where `between` happens between them.
fn resumes(server: &OpensslTls, version: SslVersion, [first, second]: [&str; 2], between: impl Fn()) -> bool {
    let client = Client::new(version);
    assert!(!client.connect(server, first), "there is no session yet");
    between();
    client.connect(server, second)
}

#[test]
fn a_session_is_resumed_for_its_own_name_only() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let server = OpensslTls::new();
        serve(&server, None);
        assert!(resumes(&server, version, ["mx.example.org"; 2], || ()));
        // A session from before there was a second name is worth nothing either.
        let added = || serve(&server, Some("mail.example.net"));
        assert!(!resumes(&server, version, ["mx.example.org", "mail.example.net"], added));
        for names in [["mx.example.org", "mail.example.net"], ["mail.example.net"; 2], ["mail.example.net", "mx"]] {
            assert!(!resumes(&server, version, names, || ()), "{names:?}");
        }
    }
}

#[test]
fn the_key_of_tickets_lives_a_day() {
    let day = Timestamp::from_seconds(20_000 * TICKET_KEY_SECONDS);
    let later = |seconds| Timestamp::from_seconds(day.seconds() + seconds);
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let server = OpensslTls::new();
        serve(&server, None);
        server.refresh(day);
        let after = |seconds| resumes(&server, version, ["mx.example.org"; 2], || server.refresh(later(seconds)));
        assert!(after(TICKET_KEY_SECONDS - 1));
        assert!(!after(TICKET_KEY_SECONDS));
        assert!(after(TICKET_KEY_SECONDS + 1));
        // The clock was set back: nobody knows how old the key is.
        assert!(!after(0));
    }
}
