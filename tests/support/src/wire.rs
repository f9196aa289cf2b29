//! A foreign program's side of a dialogue, for tests over real sockets: lines out, lines in, and what they hold.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;

/// Any free port of this machine.
pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A connection in the clear.
pub struct Wire {
    stream: BufReader<TcpStream>,
}

impl Wire {
    pub fn connect(to: SocketAddr) -> Wire {
        let stream = TcpStream::connect(to).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("timeout");
        stream.set_nodelay(true).expect("nodelay");
        Wire { stream: BufReader::with_capacity(64 * 1024, stream) }
    }

    pub fn send(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).expect("write");
    }

    /// Tries to send; a closed connection is no trouble of the test's.
    pub fn try_send(&mut self, octets: &[u8]) -> bool {
        self.stream.get_mut().write_all(octets).is_ok()
    }

    /// Sends nothing more; the other side may still answer.
    pub fn shut(&mut self) {
        self.stream.get_ref().shutdown(std::net::Shutdown::Write).ok();
    }

    /// A second hand on the sending side.
    pub fn clone_writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().expect("clone")
    }

    /// Says a line; the reply (its last line) must begin with `wanted`.
    pub fn say(&mut self, line: &str, wanted: &str) -> String {
        self.send(format!("{line}\r\n").as_bytes());
        self.expect_for(line, wanted)
    }

    /// Reads one reply, SMTP's continuation lines included; its last line must begin with `wanted`.
    pub fn expect(&mut self, wanted: &str) -> String {
        self.expect_for("", wanted)
    }

    fn expect_for(&mut self, asked: &str, wanted: &str) -> String {
        loop {
            let line = self.line().unwrap_or_else(|| panic!("{asked:?}: connection ended, wanted {wanted:?}"));
            if line.as_bytes().get(3) == Some(&b'-') && line.starts_with(|c: char| c.is_ascii_digit()) {
                continue;
            }
            assert!(line.starts_with(wanted), "{asked:?}: wanted {wanted:?}, got {line:?}");
            return line;
        }
    }

    /// Says a tagged IMAP command; gives the untagged lines. The answer must be OK.
    pub fn tagged(&mut self, command: &str) -> Vec<String> {
        self.send(format!("{command}\r\n").as_bytes());
        let tag = command.split(' ').next().expect("tag").to_owned() + " ";
        let mut untagged = Vec::new();
        loop {
            let line = self.line().unwrap_or_else(|| panic!("{command:?}: connection ended"));
            if let Some(rest) = line.strip_prefix(&tag) {
                assert!(rest.starts_with("OK"), "{command:?}: {line}");
                return untagged;
            }
            untagged.push(line);
        }
    }

    /// Says a tagged IMAP command that answers with one literal; gives the literal.
    pub fn literal(&mut self, command: &str) -> Vec<u8> {
        self.send(format!("{command}\r\n").as_bytes());
        let line = self.line().expect("an answer");
        let size = line.rsplit_once('{').and_then(|(_, n)| n.strip_suffix('}')?.parse().ok());
        let mut octets = vec![0; size.unwrap_or_else(|| panic!("{command:?}: no literal in {line:?}"))];
        self.stream.read_exact(&mut octets).expect("literal");
        let tag = command.split(' ').next().expect("tag").to_owned() + " ";
        loop {
            let line = self.line().expect("the tagged line");
            if let Some(rest) = line.strip_prefix(&tag) {
                assert!(rest.starts_with("OK"), "{line}");
                return octets;
            }
        }
    }

    /// A line without its end; `None` where the connection ended.
    pub fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()),
            _ => None,
        }
    }

    /// So many octets.
    pub fn octets(&mut self, n: usize) -> Vec<u8> {
        let mut octets = vec![0; n];
        self.stream.read_exact(&mut octets).expect("octets");
        octets
    }

    /// A message in POP3's transparent form, up to the lone dot.
    pub fn read_dotted(&mut self) -> Vec<u8> {
        let mut message = Vec::new();
        loop {
            let at = message.len();
            self.stream.read_until(b'\n', &mut message).expect("message");
            // Only a line of its own is transparent: it begins behind CRLF.
            let begins_line = at == 0 || message[..at].ends_with(b"\r\n");
            if begins_line && message[at..] == *b".\r\n" {
                message.truncate(at);
                return message;
            }
            if begins_line && message[at..].starts_with(b".") {
                message.remove(at);
            }
        }
    }
}

/// A message in SMTP's transparent form with its final dot. A message without a line end at its end gets one.
pub fn dotted(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|c| *c == b'\n') {
        if line.starts_with(b".") {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}

/// The response of SASL PLAIN.
pub fn plain(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"))
}

/// Base64 of `octets`.
pub fn base64(octets: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(octets)
}

/// The octets that a line of base64 stands for.
pub fn from_base64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text.trim_end()).expect("base64")
}

/// A folder that goes with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// A new folder of this test's own.
pub fn scratch(name: &str) -> Scratch {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("mailcore-{name}-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&path).expect("scratch folder");
    Scratch(path)
}

/// Seeded chance (xorshift*): the same mails in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}

/// Puts links to this build's `libmailcore.so` into `folder`, under its file name and its soname: a program linked with
/// `-L` and `-rpath` to the folder finds it. Under `cargo test` the library stands beside the test's own program.
#[cfg(unix)]
pub fn link_library(folder: &Path) {
    let program = std::env::current_exe().expect("this test's program");
    let deps = program.parent().expect("its folder");
    let library = deps.join("libmailcore.so");
    for name in ["libmailcore.so", "libmailcore.so.0"] {
        std::os::unix::fs::symlink(&library, folder.join(name)).expect("a link to the library");
    }
}
