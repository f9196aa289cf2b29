//! One HTTP/1.1 request over TLS with a certificate that verifies (RFC 9112): what MTA-STS needs.
//!
//! One connection for one request, no redirects, no cookies, no compression. Header and body are bounded, and
//! everything together has one deadline.

use std::io;
use std::net::SocketAddr;

use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::pump::within;
use crate::base::limits::{HTTP_HEADER_OCTETS_MAX, READ_OCTETS};
use crate::base::time::Mono;
use crate::base::world::{BoxStream, CertificateRefused, TlsPeer, World};

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The host's name, for its certificate too.
    pub host: &'a str,
    /// Where it may be reached, in order.
    pub at: &'a [SocketAddr],
    /// Path and query, with a slash in front.
    pub path: &'a str,
    /// Content-Type and content of a POST; a GET without.
    pub post: Option<(&'a str, &'a [u8])>,
    /// Octets of the response's content at most.
    pub octets_max: usize,
    /// When all must be over.
    pub deadline: Mono,
}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Media type, lower case, without parameters; empty where none was told.
    pub media_type: String,
    /// Content.
    pub content: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A sentence for a person.
    pub text: String,
    /// What was wrong with the host's certificate, where it was that.
    pub certificate: Option<CertificateRefused>,
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Failure {
        let certificate = e.get_ref().and_then(|inner| inner.downcast_ref::<CertificateRefused>()).cloned();
        let text = match e.kind() {
            io::ErrorKind::TimedOut => "no answer in time".to_owned(),
            io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            _ => e.to_string(),
        };
        Failure { text, certificate }
    }
}

/// Makes a request.
pub async fn send(world: &World, request: &Request<'_>) -> Result<Response, Failure> {
    let clock = &*world.clock;
    let mut stream = connect(world, request).await?;
    let (type_line, content) = request.post.unwrap_or_default();
    let mut head = match request.post {
        None => format!("GET {} HTTP/1.1\r\n", request.path),
        Some(_) => format!(
            "POST {} HTTP/1.1\r\nContent-Type: {type_line}\r\nContent-Length: {}\r\n",
            request.path,
            content.len()
        ),
    };
    head.push_str(&format!("Host: {}\r\nUser-Agent: mailcore\r\nConnection: close\r\n\r\n", request.host));
    let mut octets = head.into_bytes();
    octets.extend_from_slice(content);
    within(clock, request.deadline, async {
        stream.write_all(&octets).await?;
        stream.flush().await
    })
    .await?;
    let mut reader = Reader { world, stream, deadline: request.deadline, octets: Vec::new(), at: 0 };
    reader.response(request.octets_max).await
}

async fn connect(world: &World, request: &Request<'_>) -> Result<BoxStream, Failure> {
    let mut failed = Failure { text: "the host has no address".to_owned(), certificate: None };
    for at in request.at {
        let connected = within(&*world.clock, request.deadline, world.network.connect(*at, None)).await;
        let stream = match connected {
            Ok(stream) => stream,
            Err(e) => {
                failed = e.into();
                continue;
            }
        };
        let peer = TlsPeer { name: request.host.to_owned(), must_verify: true };
        match within(&*world.clock, request.deadline, world.tls.connect(stream, peer)).await {
            Ok((stream, _)) => return Ok(stream),
            Err(e) => failed = e.into(),
        }
    }
    Err(failed)
}

/// Reads a response.
struct Reader<'a> {
    world: &'a World,
    stream: BoxStream,
    deadline: Mono,
    octets: Vec<u8>,
    /// How much of them was used.
    at: usize,
}

impl Reader<'_> {
    /// Reads more; false at the end.
    async fn more(&mut self) -> Result<bool, Failure> {
        if self.at == self.octets.len() {
            self.octets.clear();
            self.at = 0;
        }
        let mut piece = vec![0; READ_OCTETS];
        let stream = &mut self.stream;
        let read = within(&*self.world.clock, self.deadline, async { stream.read(&mut piece).await }).await;
        let n = match read {
            // Many hosts end TLS without saying so: lengths tell whether all is there.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
            read => read?,
        };
        self.octets.extend_from_slice(piece.get(..n).unwrap_or_default());
        Ok(n > 0)
    }

    /// A line without its end.
    async fn line(&mut self) -> Result<String, Failure> {
        loop {
            let rest = self.octets.get(self.at..).unwrap_or_default();
            if let Some(end) = memchr::memchr(b'\n', rest) {
                let line = rest.get(..end).unwrap_or_default();
                let text = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
                self.at += end + 1;
                return Ok(text);
            }
            if rest.len() > HTTP_HEADER_OCTETS_MAX {
                return Err(broken("a line of the response has no end"));
            }
            if !self.more().await? {
                return Err(broken("the response has no end"));
            }
        }
    }

    async fn response(&mut self, octets_max: usize) -> Result<Response, Failure> {
        let mut status;
        let mut header;
        // What comes before the response proper (RFC 9110 §15.2) is passed over.
        let mut informational = 0;
        loop {
            status = status_of(&self.line().await?)?;
            header = self.header().await?;
            informational += 1;
            if !(100..200).contains(&status) {
                break;
            }
            if informational > 8 {
                return Err(broken("nothing but informational responses"));
            }
        }
        let content = if header.chunked {
            self.chunks(octets_max).await?
        } else {
            self.content(header.length, octets_max).await?
        };
        Ok(Response { status, media_type: header.media_type, content })
    }

    async fn header(&mut self) -> Result<Header, Failure> {
        let mut header = Header::default();
        let mut octets = 0;
        loop {
            let line = self.line().await?;
            octets += line.len() + 2;
            if octets > HTTP_HEADER_OCTETS_MAX {
                return Err(broken("the response's header is too long"));
            }
            if line.is_empty() {
                return Ok(header);
            }
            let (name, value) = line.split_once(':').ok_or_else(|| broken("a line of the header is no field"))?;
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-type" => {
                    let media_type = value.split(';').next().unwrap_or_default();
                    header.media_type = media_type.trim().to_ascii_lowercase();
                }
                "content-length" => {
                    let length = value.parse().map_err(|_| broken("Content-Length is no number"))?;
                    header.length = Some(length);
                }
                "transfer-encoding" => {
                    if !value.eq_ignore_ascii_case("chunked") {
                        return Err(broken("the response has a transfer coding that was not asked for"));
                    }
                    header.chunked = true;
                }
                _ => {}
            }
        }
    }

    /// Content of a length, or up to the end of the connection.
    async fn content(&mut self, length: Option<usize>, octets_max: usize) -> Result<Vec<u8>, Failure> {
        if length.is_some_and(|length| length > octets_max) {
            return Err(too_large(octets_max));
        }
        let mut content = Vec::new();
        loop {
            let rest = self.octets.get(self.at..).unwrap_or_default();
            let wanted = length.map_or(rest.len(), |length| rest.len().min(length - content.len()));
            content.extend_from_slice(rest.get(..wanted).unwrap_or_default());
            self.at += wanted;
            if content.len() > octets_max {
                return Err(too_large(octets_max));
            }
            if length == Some(content.len()) {
                return Ok(content);
            }
            if !self.more().await? {
                return match length {
                    None => Ok(content),
                    Some(_) => Err(broken("the response was cut off")),
                };
            }
        }
    }

    async fn chunks(&mut self, octets_max: usize) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::new();
        loop {
            let line = self.line().await?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).map_err(|_| broken("the length of a chunk is no number"))?;
            if length == 0 {
                return Ok(content);
            }
            let room = octets_max - content.len();
            if length > room {
                return Err(too_large(octets_max));
            }
            content.extend(self.content(Some(length), room).await?);
            if !self.line().await?.is_empty() {
                return Err(broken("a chunk is longer than it says"));
            }
        }
    }
}

#[derive(Default)]
struct Header {
    media_type: String,
    length: Option<usize>,
    chunked: bool,
}

fn status_of(line: &str) -> Result<u16, Failure> {
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|version| version.starts_with("HTTP/1."));
    let status = words.next().and_then(|status| status.parse().ok()).filter(|_| is_http);
    status.ok_or_else(|| broken("this is no HTTP"))
}

fn broken(text: &str) -> Failure {
    Failure { text: text.to_owned(), certificate: None }
}

fn too_large(octets_max: usize) -> Failure {
    broken(&format!("the response has more than {octets_max} octets"))
}
