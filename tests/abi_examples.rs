//! The examples in C, and the code in the header's tutorial: compiled as a newcomer would, and run.

#![allow(clippy::disallowed_methods, reason = "a test runs programs and speaks to them")]

#[macro_use]
extern crate mailcore_watchdog;

use mailcore_tests::abi as support;
use mailcore_tests::postgres::Cluster;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use mailcore::base::Timestamp;
use mailcore::net::identity::mint;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{command, compile, folder, header, root, run, tool};

/// A running mailserver; killed where the test ends early.
struct Server {
    child: Child,
    events: BufReader<ChildStdout>,
    ready: serde_json::Value,
}

impl Server {
    fn start(command: Command, folder: &Path) -> Server {
        Server::start_at(command, folder, "store")
    }

    /// On a store in a folder or at an address.
    fn start_at(mut command: Command, folder: &Path, store: &str) -> Server {
        let options = [
            ["--store", store],
            ["--hostname", "mx.example.org"],
            ["--domain", "example.org"],
            ["--account", "alice:secret"],
            ["--account", "bob@example.org:builder"],
            ["--alias", "sales@example.org=bob@example.org"],
            ["--mx", "127.0.0.1:0"],
            ["--submission", "127.0.0.1:0"],
            ["--submissions", "127.0.0.1:0"],
            ["--lmtp", "127.0.0.1:0"],
            ["--imap", "127.0.0.1:0"],
            ["--pop3", "127.0.0.1:0"],
            ["--retry", "1,2"],
            ["--expire", "60"],
            ["--set", "login.argon2_kib=8"],
            ["--set", "dns.host_only=1"],
        ];
        command.current_dir(folder).args(options.as_flattened()).arg("--allow-plaintext-login");
        let mut child = command.stdout(Stdio::piped()).spawn().expect("mailserver");
        let mut events = BufReader::new(child.stdout.take().expect("stdout"));
        let mut line = String::new();
        events.read_line(&mut line).expect("first line");
        let ready = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
        Server { child, events, ready }
    }

    fn connect(&self, service: &str) -> BufReader<TcpStream> {
        let at = self.ready[service].as_str().unwrap_or_else(|| panic!("no {service} in {}", self.ready));
        BufReader::new(TcpStream::connect(at).expect("connect"))
    }

    /// The next event of this name.
    fn event(&mut self, name: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert!(self.events.read_line(&mut line).expect("event") > 0, "no event {name}");
            let event: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            if event["event"] == name {
                return event;
            }
        }
    }

    /// SIGTERM: drained, and ended with 0.
    fn stop(mut self) {
        let child = Pid::from_raw(self.child.id().try_into().expect("process id"));
        kill(child, Signal::SIGTERM).expect("SIGTERM");
        let status = self.child.wait().expect("end");
        assert!(status.success(), "{status}");
        self.event("stopped");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a line and gives the last line of the reply.
fn say(connection: &mut BufReader<TcpStream>, line: &str) -> String {
    connection.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("write");
    hear(connection)
}

fn hear(connection: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).expect("reply");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    }
}

fn serves(server: Server, send: Option<Command>, folder: &Path) {
    let mut server = server;
    assert_eq!(server.ready["event"], "ready");
    let mut smtp = server.connect("mx");
    assert!(hear(&mut smtp).starts_with("220 mx.example.org"));
    for (line, code) in [
        ("EHLO client.example.net", "250"),
        ("MAIL FROM:<carol@example.net>", "250"),
        ("RCPT TO:<dave@example.com>", "550"),
        ("RCPT TO:<nobody@example.org>", "550"),
        ("RCPT TO:<sales@example.org>", "250"),
        ("DATA", "354"),
        ("From: carol@example.net\r\nSubject: hello\r\n\r\nHello Bob.\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        let reply = say(&mut smtp, line);
        assert!(reply.starts_with(code), "{line}: {reply}");
    }
    let filed = server.event("filed");
    assert_eq!((&filed["address"], &filed["uid"]), (&"bob@example.org".into(), &1.into()));

    let mut pop3 = server.connect("pop3");
    assert!(hear(&mut pop3).starts_with("+OK"));
    for line in ["USER bob", "PASS builder", "STAT", "RETR 1"] {
        let reply = say(&mut pop3, line);
        assert!(reply.starts_with("+OK"), "{line}: {reply}");
    }

    if let Some(mut send) = send {
        // The other example brings its mail here.
        let letter = folder.join("letter.eml");
        fs::write(&letter, "Subject: sent\r\n\r\nHello.\r\n").expect("write");
        let at = server.ready["mx"].as_str().expect("mx").to_owned();
        send.current_dir(folder).args(["sender", "carol@example.net", "bob@example.org", &at]);
        let out = run(send.stdin(fs::File::open(letter).expect("letter")));
        assert!(out.contains("delivered after 1 attempts"), "{out}");
        assert_eq!(server.event("filed")["uid"], 2);
    }
    server.stop();
}

fn built(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    Some((compile(&root().join("examples/mailserver.c"), folder)?, compile(&root().join("examples/send.c"), folder)?))
}

#[test]
fn mailserver_serves_and_send_sends() {
    let folder = folder("examples");
    let Some((mailserver, send)) = built(&folder) else { return };
    serves(Server::start(command(&mailserver), &folder), Some(command(&send)), &folder);
}

/// SMTP, POP3 and IMAP stand on a PostgreSQL server as they do on a folder, and what it keeps outlives the engine.
#[test]
fn mailserver_serves_from_postgresql() {
    let folder = folder("examples-postgresql");
    let Some((mailserver, send)) = built(&folder) else { return };
    let Some(cluster) = Cluster::start("mailserver on PostgreSQL") else { return };
    let url = cluster.url("road");
    serves(Server::start_at(command(&mailserver), &folder, &url), Some(command(&send)), &folder);
    assert!(!folder.join("store").exists());
    let server = Server::start_at(command(&mailserver), &folder, &url);
    let mut imap = server.connect("imap");
    imap.read_line(&mut String::new()).expect("greeting");
    let told = tagged(&mut imap, "a LOGIN bob@example.org builder") + &tagged(&mut imap, "a SELECT INBOX");
    assert!(told.contains("* 2 EXISTS"), "{told}");
    let told = tagged(&mut imap, "a FETCH 1:* (UID BODY.PEEK[TEXT])");
    assert!(told.contains("Hello Bob.") && told.contains("Hello.") && told.contains("UID 2"), "{told}");
    let told = tagged(&mut imap, "a STORE 1 +FLAGS (\\Deleted $Seen2)") + &tagged(&mut imap, "a EXPUNGE");
    assert!(told.contains("* 1 EXPUNGE"), "{told}");
    tagged(&mut imap, "a LOGOUT");
    server.stop();
    assert_eq!(cluster.sql("SELECT uid FROM road.fact"), "2");
    // Where a store is: in one place.
    let mut wrong = command(&mailserver);
    wrong.args(["--store", "postgres://nobody", "--hostname", "mx.example.org"]);
    let out = wrong.current_dir(&folder).output().expect("mailserver");
    assert!(String::from_utf8_lossy(&out.stderr).contains("--store: open the store"), "{out:?}");
}

/// Sends a command with the tag `a`, which must succeed; gives what was answered.
fn tagged(imap: &mut BufReader<TcpStream>, line: &str) -> String {
    imap.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("write");
    let mut told = String::new();
    loop {
        let from = told.len();
        assert!(imap.read_line(&mut told).expect("response") > 0, "{line}: {told}");
        if told[from..].starts_with("a ") {
            assert!(told[from..].starts_with("a OK"), "{line}: {told}");
            return told;
        }
    }
}

/// Mail that Alice hands in, as it is found in Bob's maildrop, verified by the record of the key that was given.
#[cfg(not(any(windows, target_vendor = "apple")))]
#[test]
fn mailserver_signs() {
    use base64::Engine as _;
    use mailcore::dns::zone::{SharedZone, Zone};
    use mailcore::mailauth::dkim::{Algorithm, DkimResult, SigningKey, dns_record, generate};
    use mailcore::mailauth::{Checks, Verifier};

    let folder = folder("examples-dkim");
    let Some((mailserver, _)) = built(&folder) else { return };
    let pem = generate(Algorithm::Ed25519Sha256).expect("key");
    fs::write(folder.join("key.pem"), &pem).expect("write");
    let mut signing = command(&mailserver);
    signing.args(["--dkim", "example.org:s1:key.pem"]);
    let mut server = Server::start(signing, &folder);
    let mut smtp = server.connect("submission");
    assert!(hear(&mut smtp).starts_with("220"));
    let login = base64::engine::general_purpose::STANDARD.encode("\0alice@example.org\0secret");
    for (line, code) in [
        ("EHLO laptop.example.net", "250"),
        (&format!("AUTH PLAIN {login}"), "235"),
        ("MAIL FROM:<alice@example.org>", "250"),
        ("RCPT TO:<bob@example.org>", "250"),
        ("DATA", "354"),
        ("From: alice@example.org\r\nSubject: hello\r\n\r\nHello Bob.\r\n.", "250"),
    ] {
        let reply = say(&mut smtp, line);
        assert!(reply.starts_with(code), "{line}: {reply}");
    }
    server.event("filed");
    let mut pop3 = server.connect("pop3");
    assert!(hear(&mut pop3).starts_with("+OK"));
    for line in ["USER bob", "PASS builder", "RETR 1"] {
        let reply = say(&mut pop3, line);
        assert!(reply.starts_with("+OK"), "{line}: {reply}");
    }
    let mut letter = String::new();
    while !letter.ends_with("\r\n.\r\n") {
        assert!(pop3.read_line(&mut letter).expect("letter") > 0, "{letter}");
    }
    letter.truncate(letter.len() - 3);
    let (header, body) = letter.split_once("\r\n\r\n").expect("header and body");
    let mut zone = Zone::new();
    let record = dns_record(&SigningKey::parse(&pem).expect("key")).expect("record");
    zone.add("s1._domainkey.example.org", "TXT", &record, 60).expect("record");
    let mut verifier = Verifier::new(format!("{header}\r\n\r\n").as_bytes(), Checks::default());
    verifier.push(body.as_bytes());
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("clock").as_secs();
    let now = mailcore::base::Timestamp::from_seconds(i64::try_from(now).expect("time"));
    let (found, _) = smol::block_on(verifier.finish(&SharedZone::new(zone), now));
    let said: Vec<_> = found.iter().map(|verdict| (verdict.result, verdict.domain.as_str())).collect();
    assert_eq!(said, [(DkimResult::Pass, "example.org")], "{letter}");
    server.stop();
}

/// Passwords need not stand on the command line, where other users see them.
#[test]
fn passwords_come_from_files_and_the_environment() {
    let folder = folder("examples-passwords");
    let Some((mailserver, _)) = built(&folder) else { return };
    fs::write(folder.join("accounts"), "# a comment\n\ndora@example.org:from:file\r\nemil:other\n").expect("accounts");
    let mut starting = command(&mailserver);
    starting.env("MAIL_ACCOUNTS", "fritz@example.org:variable\n");
    starting.args(["--account-file", "accounts", "--account-env", "MAIL_ACCOUNTS"]);
    starting.env("RELAY", "me:hidden@192.0.2.1:587").args(["--smarthost-env", "RELAY"]);
    let server = Server::start(starting, &folder);
    for (user, password, wanted) in [
        ("dora", "from:file", "+OK maildrop"),
        ("emil", "other", "+OK maildrop"),
        ("fritz", "variable", "+OK maildrop"),
        ("emil", "hidden", "-ERR [AUTH]"),
    ] {
        let mut pop3 = server.connect("pop3");
        hear(&mut pop3);
        assert!(say(&mut pop3, &format!("USER {user}")).starts_with("+OK"));
        let reply = say(&mut pop3, &format!("PASS {password}"));
        assert!(reply.starts_with(wanted), "{user}: {reply}");
    }
    server.stop();
}

/// The certificate that is served, by its serial number.
#[cfg(not(any(windows, target_vendor = "apple")))]
fn served(at: &str) -> String {
    use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
    let mut connector = SslConnector::builder(SslMethod::tls_client()).expect("TLS");
    connector.set_verify(SslVerifyMode::NONE);
    let plain = TcpStream::connect(at).expect("connect");
    let stream = connector.build().connect("mx.example.org", plain).expect("handshake");
    let certificate = stream.ssl().peer_certificate().expect("certificate");
    certificate.serial_number().to_bn().and_then(|n| n.to_hex_str().map(|text| text.to_string())).expect("serial")
}

#[cfg(not(any(windows, target_vendor = "apple")))]
#[test]
fn certificates_are_warned_of_and_read_again() {
    let folder = folder("examples-tls");
    let Some((mailserver, _)) = built(&folder) else { return };
    let write = |hostname: &str, year: i64| {
        let minted = mint(hostname, Timestamp::from_civil(year, 1, 1, 0, 0, 0)).expect("certificate");
        fs::write(folder.join("cert.pem"), minted.certificate_pem).expect("certificate");
        fs::write(folder.join("key.pem"), minted.key_pem.expose()).expect("key");
    };
    // Expired, and for another name.
    write("old.example.org", 2001);
    let mut starting = command(&mailserver);
    starting.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]).stderr(Stdio::piped());
    let mut server = Server::start(starting, &folder);
    let mut stderr = BufReader::new(server.child.stderr.take().expect("stderr"));
    let mut line = |wanted: &str| {
        let mut line = String::new();
        stderr.read_line(&mut line).expect("stderr");
        assert!(line.starts_with(&format!("mailserver: {wanted}")), "{line:?}, wanted {wanted:?}");
    };
    let expired = server.event("warning");
    assert_eq!(expired["about"], "certificate");
    assert!(expired["text"].as_str().expect("text").contains("for mx.example.org expired on"), "{expired}");
    line("warning: the certificate for mx.example.org expired on");
    line("warning: the certificate is for old.example.org, localhost, 127.0.0.1, ::1, not for mx.example.org");
    let at = server.ready["submissions"].as_str().expect("submissions").to_owned();
    let first = served(&at);
    let child = Pid::from_raw(server.child.id().try_into().expect("process id"));
    write("mx.example.org", 2026);
    kill(child, Signal::SIGHUP).expect("SIGHUP");
    line("certificate reloaded");
    let second = served(&at);
    assert_ne!(first, second);
    // What cannot be used leaves what is served as it is.
    fs::write(folder.join("key.pem"), "hello\n").expect("key");
    kill(child, Signal::SIGHUP).expect("SIGHUP");
    line("warning: certificate not reloaded, the one before stays: --tls-key key.pem: no private key in it");
    fs::remove_file(folder.join("cert.pem")).expect("certificate");
    kill(child, Signal::SIGHUP).expect("SIGHUP");
    line("warning: certificate not reloaded, the one before stays: --tls-cert cert.pem: No such file");
    assert_eq!(served(&at), second);
    server.stop();
}

#[test]
fn a_server_without_a_listener_is_warned_of() {
    let folder = folder("examples-deaf");
    let Some((mailserver, _)) = built(&folder) else { return };
    let mut starting = command(&mailserver);
    starting.current_dir(&folder).args(["--store", "s", "--hostname", "h", "--set", "login.argon2_kib=8"]);
    let mut child = starting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("mailserver");
    let mut line = String::new();
    BufReader::new(child.stderr.take().expect("stderr")).read_line(&mut line).expect("stderr");
    BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut String::new()).expect("stdout");
    kill(Pid::from_raw(child.id().try_into().expect("process id")), Signal::SIGTERM).expect("SIGTERM");
    assert!(child.wait().expect("end").success());
    assert!(line.starts_with("mailserver: warning: no listener: nobody can connect. Give --mx"), "{line}");
}

#[test]
fn examples_leak_nothing() {
    let Some(valgrind) = tool("valgrind", "leaks of the examples") else { return };
    let folder = folder("examples-valgrind");
    let Some((mailserver, send)) = built(&folder) else { return };
    let under = |program: &Path| {
        let mut command = command(valgrind.as_ref());
        command.args([
            "-q",
            "--error-exitcode=9",
            "--leak-check=full",
            "--errors-for-leak-kinds=definite",
            "--show-leak-kinds=definite",
        ]);
        command.arg(program);
        command
    };
    serves(Server::start(under(&mailserver), &folder), Some(under(&send)), &folder);
}

#[test]
fn wrong_use_is_told() {
    let folder = folder("examples-misuse");
    let Some((mailserver, _)) = built(&folder) else { return };
    fs::write(folder.join("text"), "hello\n").expect("text");
    let now = Timestamp::from_civil(2026, 11, 22, 0, 0, 0);
    for (certificate, key) in [("cert.pem", "key.pem"), ("another.pem", "other.pem")] {
        let minted = mint("h", now).expect("certificate");
        fs::write(folder.join(certificate), minted.certificate_pem).expect("certificate");
        fs::write(folder.join(key), minted.key_pem.expose()).expect("key");
    }
    for (arguments, code, text) in [
        (&["--nonsense"][..], 2, "unknown option --nonsense"),
        (&["--hostnam", "h"], 2, "unknown option --hostnam; the nearest is --hostname"),
        (&["--tls-c", "h"], 2, "unknown option --tls-c; the nearest is --tls-ca"),
        (&["--smart", "h"], 2, "unknown option --smart; the nearest is --smarthost "),
        (
            &["--store", "s", "--hostname", "not a host"],
            2,
            "mailserver: --hostname \"not a host\": not a domain name\n",
        ),
        (
            &["--store", "s", "--hostname", "h", "--remote-port", "0"],
            2,
            "--remote-port \"0\": not a number from 1 to 65535",
        ),
        (
            &["--store", "s", "--hostname", "h", "--set", "outbound.retry=1"],
            2,
            "the nearest is \"outbound.retry_seconds\"",
        ),
        (
            &["--store", "s", "--hostname", "h", "--set", "outbound.port=x"],
            2,
            "--set: outbound.port \"x\": not a number",
        ),
        (&["--store", "s", "--hostname", "h", "--domain", "a b"], 2, "--domain \"a b\": not a domain name"),
        (&["--store", "s", "--hostname", "h", "--account", "a b@c:x"], 2, "--account \"a b@c\": "),
        (&["--store", "s", "--hostname", "h", "--account-file", "none"], 1, "--account-file none: No such file"),
        (
            &["--store", "s", "--hostname", "h", "--account-env", "NONE_SUCH"],
            2,
            "--account-env NONE_SUCH: there is no such",
        ),
        (
            &["--store", "s", "--hostname", "h", "--tls-cert", "none", "--tls-key", "k"],
            1,
            "--tls-cert none: No such file",
        ),
        (&["--store", "s", "--hostname", "h", "--tls-ca", "text"], 1, "--tls-ca text: no certificate in it"),
        (
            &["--store", "s", "--hostname", "h", "--tls-cert", "text", "--tls-key", "text"],
            1,
            "--tls-cert text: no certificate in it",
        ),
        (
            &["--store", "s", "--hostname", "h", "--tls-cert", "cert.pem", "--tls-key", "text"],
            1,
            "--tls-key text: no private key in it",
        ),
        (
            &["--store", "s", "--hostname", "h", "--tls-cert", "cert.pem", "--tls-key", "cert.pem"],
            1,
            "--tls-key cert.pem: a certificate and no private key",
        ),
        (
            &["--store", "s", "--hostname", "h", "--tls-cert", "cert.pem", "--tls-key", "other.pem"],
            1,
            "--tls-key other.pem: does not belong to the certificate",
        ),
        (
            &["--store", "s", "--hostname", "h", "--dkim", "a b:s:key.pem"],
            2,
            "--dkim a b:s:key.pem: \"a b\": not a domain name",
        ),
        (&["--store", "s", "--hostname", "h", "--dkim", "d.example:s:text"], 2, "--dkim text: neither a PEM key nor"),
        (&["--store", "s"], 2, "--store and --hostname are needed"),
        (&["--store", "s", "--hostname"], 2, "--hostname: value missing"),
        (&["--store", "s", "--hostname", "h", "--mx", "25"], 2, "--mx \"25\": not of the form ADDR:PORT"),
        (
            &["--store", "s", "--hostname", "h", "--mx", "127.0.0.1:70000"],
            2,
            "--mx \"127.0.0.1:70000\": not of the form ADDR:PORT",
        ),
        (&["--store", "s", "--hostname", "h", "--mx", ":25"], 2, "--mx \":25\": not of the form ADDR:PORT"),
        (
            &["--store", "s", "--hostname", "h", "--mx", "localhost:0"],
            2,
            "--mx \"localhost:0\": address \"localhost\": not an IP address",
        ),
        (
            &["--store", "s", "--hostname", "h", "--set", "outbound.prot=1"],
            2,
            "--set: no setting \"outbound.prot\"; the nearest is \"outbound.port\"",
        ),
        (
            &["--store", "s", "--hostname", "h", "--retry", "soon"],
            2,
            "--retry \"soon\": not a list of 1 to 100 numbers of seconds",
        ),
        (
            &["--store", "s", "--hostname", "h", "--allow-plaintext-login=1"],
            2,
            "--allow-plaintext-login takes no value",
        ),
        (&["--store", "/dev/null", "--hostname", "h"], 1, "--store /dev/null: open the store: /dev/null"),
        (
            &["--store", "s", "--hostname", "h", "--account", "alice:x"],
            2,
            "--account \"alice\": no @ in the address, and there is no --domain",
        ),
        (&["--store", "s", "--hostname", "h", "--tls-cert", "c"], 2, "--tls-cert and --tls-key go together"),
        (&["mail"], 2, "mail: not an option"),
    ] {
        let out = command(&mailserver).current_dir(&folder).args(arguments).output().expect("mailserver");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
        assert!(out.stdout.is_empty(), "{arguments:?}");
    }
    // A password is not told, whatever is wrong with it; half a ready line is none.
    let taken = TcpListener::bind("127.0.0.1:0").expect("port");
    let port = taken.local_addr().expect("address").port();
    let mut starts = command(&mailserver);
    starts.current_dir(&folder).args(["--store", "s", "--hostname", "h", "--imap", &format!("127.0.0.1:{port}")]);
    for (arguments, code) in [(&["--mx", "127.0.0.1:0"], 1), (&["--smarthost", "me:secret@relay"], 2)] {
        let out = starts.args(arguments).output().expect("mailserver");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!((out.status.code(), out.stdout.len()), (Some(code), 0), "{stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
    }
    let help = run(command(&mailserver).arg("--help"));
    assert!(help.starts_with("usage: mailserver"), "{help}");
    // What is kept in the store is told apart from the rest.
    let (kept, rest) = help.split_once("These hold for this run only.").expect("two parts");
    for option in ["--domain", "--account", "--alias", "--dkim"] {
        assert!(kept.contains(option) && !rest.contains(&format!("  {option} ")), "{option}");
    }
}

#[test]
fn tutorial_does_what_it_says() {
    let folder = folder("tutorial");
    let header = header();
    let tutorial = header
        .lines()
        .skip_while(|line| !line.starts_with("    #include"))
        .take_while(|line| line.is_empty() || line.starts_with("    "));
    let tutorial: String = tutorial.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect();
    let path = folder.join("tutorial.c");
    fs::write(&path, tutorial).expect("write");
    let Some(program) = compile(&path, &folder) else { return };
    run(command(&program).current_dir(&folder));
    let send = fs::read_to_string(root().join("examples/send.c")).expect("send.c");
    assert!(send.lines().count() < 60, "send.c has under 60 lines");
    let mut all = String::new();
    fs::File::open(root().join("examples/send.py")).and_then(|mut f| f.read_to_string(&mut all)).expect("send.py");
    assert!(all.contains("EmailMessage"));
}
