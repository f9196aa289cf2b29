//! A mail program's side of a dialogue: a line client. With -v it shows what it says (C) and hears (S).

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine as _;

/// A connection, in the clear or under TLS.
pub struct Client {
    stream: Option<Box<dyn Duplex>>,
    received: Vec<u8>,
    shown: bool,
}

trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// TLS takes a stream by value; ours sits in a box.
struct Boxed(Box<dyn Duplex>);

impl std::fmt::Debug for Boxed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stream")
    }
}

impl Read for Boxed {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        self.0.read(out)
    }
}

impl Write for Boxed {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

impl Client {
    /// Connects; `shown` prints the dialogue.
    pub fn connect(to: SocketAddr, shown: bool) -> Result<Client> {
        let stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Client { stream: Some(Box::new(stream)), received: Vec::new(), shown })
    }

    /// Says a line and waits for an answer that begins with `wanted`.
    pub fn say(&mut self, line: &str, wanted: &str) -> Result<()> {
        self.show(format_args!("C: {line}"));
        self.send(format!("{line}\r\n").as_bytes())?;
        self.expect(wanted)
    }

    /// The same, with a part that is not shown.
    pub fn say_secret(&mut self, line: &str, secret: &str, wanted: &str) -> Result<()> {
        self.show(format_args!("C: {line}***"));
        self.send(format!("{line}{secret}\r\n").as_bytes())?;
        self.expect(wanted)
    }

    /// Reads lines up to the one that ends an answer; it must begin with `wanted`.
    pub fn expect(&mut self, wanted: &str) -> Result<()> {
        loop {
            let line = self.line()?;
            self.show(format_args!("S: {line}"));
            let goes_on = line.starts_with("* ") && !wanted.starts_with('*') || line.as_bytes().get(3) == Some(&b'-');
            if goes_on {
                continue;
            }
            return match line.starts_with(wanted) {
                true => Ok(()),
                false => Err(Error::other(format!("expected {wanted:?}, got {line:?}"))),
            };
        }
    }

    /// TLS from here on. The two servers made their certificates themselves, so nobody vouches for them and they are
    /// not verified here; a mail program verifies the certificate of a real server.
    pub fn start_tls(&mut self, name: &str) -> Result<()> {
        let connector = native_tls::TlsConnector::builder()
            .danger_accept_invalid_certs(true)
            .danger_accept_invalid_hostnames(true)
            .build()
            .map_err(Error::other)?;
        let plain = self.stream.take().ok_or(ErrorKind::NotConnected)?;
        let tls = connector.connect(name, Boxed(plain)).map_err(|e| Error::other(e.to_string()))?;
        self.stream = Some(Box::new(tls));
        self.show(format_args!("(TLS from here on)"));
        Ok(())
    }

    /// A message in the transparent form of SMTP (RFC 5321 §4.5.2), ended by a dot.
    pub fn send_dotted(&mut self, message: &[u8]) -> Result<()> {
        let mut wire = Vec::with_capacity(message.len() + 64);
        for line in message.split_inclusive(|c| *c == b'\n') {
            if line.starts_with(b".") {
                wire.push(b'.');
            }
            wire.extend_from_slice(line);
        }
        self.show(format_args!("C: ({} bytes of mail, then a dot)", message.len()));
        wire.extend_from_slice(b".\r\n");
        self.send(&wire)
    }

    /// A message in the transparent form of POP3 (RFC 1939 §3).
    pub fn read_dotted(&mut self) -> Result<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let line = self.raw_line()?;
            match line.strip_prefix(b".") {
                Some(b"\r\n") => break,
                Some(rest) => message.extend_from_slice(rest),
                None => message.extend_from_slice(&line),
            }
        }
        self.show(format_args!("S: ({} bytes of mail, then a dot)", message.len()));
        Ok(message)
    }

    /// The literal of a FETCH answer.
    pub fn fetch(&mut self, command: &str) -> Result<Vec<u8>> {
        self.show(format_args!("C: {command}"));
        self.send(format!("{command}\r\n").as_bytes())?;
        let line = self.line()?;
        self.show(format_args!("S: {line}"));
        let size = line.rsplit_once('{').and_then(|(_, n)| n.strip_suffix('}')?.parse().ok());
        let size: usize = size.ok_or_else(|| Error::other("no literal"))?;
        while self.received.len() < size {
            self.receive()?;
        }
        let message = self.received.drain(..size).collect();
        self.show(format_args!("S: ({size} bytes of mail)"));
        self.line()?;
        Ok(message)
    }

    fn show(&self, line: std::fmt::Arguments<'_>) {
        if self.shown {
            println!("      {line}");
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        stream.write_all(bytes)?;
        stream.flush()
    }

    fn line(&mut self) -> Result<String> {
        let line = self.raw_line()?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn raw_line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.received.iter().position(|c| *c == b'\n') {
                return Ok(self.received.drain(..=end).collect());
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> Result<()> {
        let mut piece = [0; 16 * 1024];
        let n = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?.read(&mut piece)?;
        if n == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&piece[..n]);
        Ok(())
    }
}

/// The one response of SASL PLAIN (RFC 4616).
pub fn plain(user: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("\0{user}\0{password}"))
}

/// A file's lines as mail has them, the last one ended.
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    for line in bytes.split_inclusive(|c| *c == b'\n') {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        message.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
        message.extend_from_slice(b"\r\n");
    }
    message
}
