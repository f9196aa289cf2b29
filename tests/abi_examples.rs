//! The examples in C, and the code in the header's tutorial: compiled as a newcomer would, and run.

#![allow(clippy::disallowed_methods, reason = "a test runs programs and speaks to them")]

#[path = "abi/support.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

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
    fn start(mut command: Command, folder: &Path) -> Server {
        let options = [
            ["--store", "store"],
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
    for (arguments, code, text) in [
        (&["--nonsense"][..], 2, "unknown option --nonsense"),
        (&["--store", "s"], 2, "--store and --hostname are needed"),
        (&["--store", "s", "--hostname"], 2, "--hostname: value missing"),
        (&["--store", "s", "--hostname", "h", "--mx", "25"], 2, "--mx 25: want ADDR:PORT"),
        (&["--store", "s", "--hostname", "h", "--mx", "127.0.0.1:70000"], 2, "want ADDR:PORT"),
        (&["--store", "s", "--hostname", "h", "--mx", ":25"], 2, "--mx :25: want ADDR:PORT"),
        (&["--store", "s", "--hostname", "h", "--mx", "localhost:0"], 2, "mx localhost:0: address \"localhost\""),
        (&["--store", "s", "--hostname", "h", "--set", "outbound.prot=1"], 2, "nearest is \"outbound.port\""),
        (
            &["--store", "s", "--hostname", "h", "--retry", "soon"],
            2,
            "outbound.retry_seconds: not what it takes: Pauses",
        ),
        (
            &["--store", "s", "--hostname", "h", "--allow-plaintext-login=1"],
            2,
            "--allow-plaintext-login takes no value",
        ),
        (&["--store", "/dev/null", "--hostname", "h"], 1, "open: open the store: /dev/null"),
        (&["--store", "s", "--hostname", "h", "--account", "alice:x"], 2, "no @, and there is no --domain"),
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
