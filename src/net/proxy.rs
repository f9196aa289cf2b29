//! The PROXY protocol, versions 1 and 2: a proxy in front of us says on a new connection whom it speaks for.
//!
//! The header comes first and is all that is read here; what follows stays on the stream. Whatever is malformed is an
//! error: a proxy that is trusted and does not say who calls must not have its callers taken for itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use smol::io::AsyncReadExt;

use crate::base::limits::{PROXY_LINE_OCTETS_MAX, PROXY_OCTETS_MAX};
use crate::base::settings::Ends;
use crate::base::world::{BoxStream, TlsInfo};

/// How a header of version 2 begins.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Octets of a header of version 2 before its addresses.
const FIXED_OCTETS: usize = 16;
/// TLV: the name that the client asked for.
const AUTHORITY: u8 = 0x02;
/// TLV: the client's TLS.
const SSL: u8 = 0x20;
/// TLV inside of [`SSL`]: the version.
const SSL_VERSION: u8 = 0x21;
/// TLV inside of [`SSL`]: the cipher.
const SSL_CIPHER: u8 = 0x23;
/// Bit of [`SSL`]: the client used TLS.
const CLIENT_SSL: u8 = 0x01;

/// What a header says.
#[derive(Debug, Clone, Default)]
pub struct Introduction {
    /// The caller and the address it called; `None` where the proxy speaks for itself.
    pub ends: Option<Ends>,
    /// The caller's TLS with the proxy.
    pub tls: Option<TlsInfo>,
}

/// Reads the header, and nothing behind it. `InvalidData` where it is malformed.
pub async fn read(stream: &mut BoxStream) -> io::Result<Introduction> {
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).await?;
    if begin != SIGNATURE {
        let mut line = begin.to_vec();
        while !line.ends_with(b"\r\n") {
            // An octet at a time: what follows the line belongs to the session.
            let mut octet = [0];
            if line.len() >= PROXY_LINE_OCTETS_MAX || !line.starts_with(b"PROXY ") {
                return Err(malformed());
            }
            stream.read_exact(&mut octet).await?;
            line.extend_from_slice(&octet);
        }
        return version_1(&line).ok_or_else(malformed);
    }
    let mut fixed = [0; FIXED_OCTETS - 12];
    stream.read_exact(&mut fixed).await?;
    let [version, family, high, low] = fixed;
    let octets = usize::from(u16::from_be_bytes([high, low]));
    if octets > PROXY_OCTETS_MAX {
        return Err(malformed());
    }
    let mut rest = vec![0; octets];
    stream.read_exact(&mut rest).await?;
    version_2(version, family, &rest).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed PROXY header")
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 40000 25` and CRLF; `TCP6`; `UNKNOWN` and anything.
fn version_1(line: &[u8]) -> Option<Introduction> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let words: Vec<&str> = line.split(' ').collect();
    let [_, family, ..] = words.as_slice() else { return None };
    if *family == "UNKNOWN" {
        return Some(Introduction::default());
    }
    let [_, family, from, to, from_port, to_port] = words.as_slice() else { return None };
    let address = |text: &str| -> Option<IpAddr> {
        match *family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let port = |text: &str| {
        let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number && (text == "0" || !text.starts_with('0')))
    };
    let peer = SocketAddr::new(address(from)?.to_canonical(), port(from_port)?);
    let local = SocketAddr::new(address(to)?.to_canonical(), port(to_port)?);
    Some(Introduction { ends: Some(Ends { peer, local }), tls: None })
}

/// Version and command, family and protocol, and the rest of a header.
fn version_2(version: u8, family: u8, rest: &[u8]) -> Option<Introduction> {
    let command = match (version >> 4, version & 0x0F) {
        (2, command @ (0 | 1)) => command,
        _ => return None,
    };
    let (ends, tlvs) = match family {
        0x11 => {
            let (addresses, tlvs) = rest.split_at_checked(12)?;
            (Some(ends_v4(addresses)?), tlvs)
        }
        0x21 => {
            let (addresses, tlvs) = rest.split_at_checked(36)?;
            (Some(ends_v6(addresses)?), tlvs)
        }
        // Unspecified, or no stream over the Internet: the proxy speaks for itself.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => return Some(Introduction::default()),
        _ => return None,
    };
    let found = parts(tlvs)?;
    // LOCAL: a health check of the proxy's own.
    if command == 0 {
        return Some(Introduction::default());
    }
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let server_name = found.iter().find(|(kind, _)| *kind == AUTHORITY).map(|(_, value)| text(value));
    let mut tls = None;
    if let Some((_, value)) = found.iter().find(|(kind, _)| *kind == SSL) {
        let (fixed, inside) = value.split_at_checked(5)?;
        if fixed.first()? & CLIENT_SSL != 0 {
            let inside = parts(inside)?;
            let of = |wanted| inside.iter().find(|(kind, _)| *kind == wanted).map(|(_, value)| text(value));
            let (version, cipher) = (of(SSL_VERSION).unwrap_or_default(), of(SSL_CIPHER).unwrap_or_default());
            tls = Some(TlsInfo { version, cipher, server_name, ..TlsInfo::default() });
        }
    }
    Some(Introduction { ends, tls })
}

fn ends_v4(octets: &[u8]) -> Option<Ends> {
    let from: [u8; 4] = octets.get(..4)?.try_into().ok()?;
    let to: [u8; 4] = octets.get(4..8)?.try_into().ok()?;
    let (from_port, to_port) = ports(octets.get(8..12)?)?;
    Some(Ends { peer: SocketAddr::from((from, from_port)), local: SocketAddr::from((to, to_port)) })
}

fn ends_v6(octets: &[u8]) -> Option<Ends> {
    let from: [u8; 16] = octets.get(..16)?.try_into().ok()?;
    let to: [u8; 16] = octets.get(16..32)?.try_into().ok()?;
    let (from_port, to_port) = ports(octets.get(32..36)?)?;
    let address = |octets: [u8; 16]| IpAddr::from(octets).to_canonical();
    Some(Ends { peer: SocketAddr::new(address(from), from_port), local: SocketAddr::new(address(to), to_port) })
}

fn ports(octets: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d]: [u8; 4] = octets.try_into().ok()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

/// Parts of a kind, a length and a value each; `None` where they do not end with the octets.
fn parts(mut octets: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut found = Vec::new();
    while !octets.is_empty() {
        let (head, rest) = octets.split_at_checked(3)?;
        let [kind, high, low]: [u8; 3] = head.try_into().ok()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        found.push((kind, value));
        octets = rest;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a header, and what is left on the stream.
    fn read_of(octets: &[u8]) -> io::Result<(Introduction, Vec<u8>)> {
        smol::block_on(async {
            let mut stream: BoxStream = Box::new(smol::io::Cursor::new(octets.to_vec()));
            let introduction = read(&mut stream).await?;
            let mut left = Vec::new();
            stream.read_to_end(&mut left).await?;
            Ok((introduction, left))
        })
    }

    fn ends(text: &[u8]) -> Option<(String, String)> {
        let (introduction, left) = read_of(&[text, b"EHLO c\r\n"].concat()).unwrap();
        assert_eq!(left, b"EHLO c\r\n");
        introduction.ends.map(|ends| (ends.peer.to_string(), ends.local.to_string()))
    }

    fn pair(peer: &str, local: &str) -> Option<(String, String)> {
        Some((peer.to_owned(), local.to_owned()))
    }

    fn v2(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version, family], &length, rest].concat()
    }

    const V4: [u8; 12] = [192, 0, 2, 7, 192, 0, 2, 1, 0x9C, 0x40, 0, 25];

    #[test]
    fn lines_of_version_1() {
        let tcp4 = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n";
        assert_eq!(ends(tcp4), pair("192.0.2.7:40000", "192.0.2.1:25"));
        let tcp6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 1 65535\r\n";
        assert_eq!(ends(tcp6), pair("[2001:db8::7]:1", "[2001:db8::1]:65535"));
        let mapped = b"PROXY TCP6 ::ffff:192.0.2.7 ::ffff:192.0.2.1 1 25\r\n";
        assert_eq!(ends(mapped), pair("192.0.2.7:1", "192.0.2.1:25"));
        assert_eq!(ends(b"PROXY UNKNOWN\r\n"), None);
        assert_eq!(ends(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), None);
    }

    #[test]
    fn headers_of_version_2() {
        assert_eq!(ends(&v2(0x21, 0x11, &V4)), pair("192.0.2.7:40000", "192.0.2.1:25"));
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        v6[16..32].copy_from_slice(&"2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6[32..].copy_from_slice(&[0, 1, 0, 25]);
        assert_eq!(ends(&v2(0x21, 0x21, &v6)), pair("[2001:db8::7]:1", "[2001:db8::1]:25"));
        assert_eq!(ends(&v2(0x20, 0x11, &V4)), None, "LOCAL");
        assert_eq!(ends(&v2(0x20, 0x00, b"")), None);
        assert_eq!(ends(&v2(0x21, 0x31, &[0; 216])), None, "a Unix socket");
    }

    #[test]
    fn the_callers_tls_is_told() {
        let inside = [&[SSL_VERSION, 0, 7][..], b"TLSv1.3", &[SSL_CIPHER, 0, 3], b"AES"].concat();
        let ssl = |client: u8| {
            let value = [&[client, 0, 0, 0, 0][..], &inside].concat();
            let length = u16::try_from(value.len()).unwrap().to_be_bytes();
            let authority = [&[AUTHORITY, 0, 2][..], b"mx"].concat();
            v2(0x21, 0x11, &[&V4[..], &authority, &[SSL], &length, &value].concat())
        };
        let (introduction, _) = read_of(&ssl(CLIENT_SSL)).unwrap();
        let tls = introduction.tls.unwrap();
        assert_eq!((tls.version.as_str(), tls.cipher.as_str()), ("TLSv1.3", "AES"));
        assert_eq!(tls.server_name.as_deref(), Some("mx"));
        assert!(read_of(&ssl(0)).unwrap().0.tls.is_none());
    }

    #[test]
    fn what_is_malformed_is_an_error() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(PROXY_LINE_OCTETS_MAX));
        for text in [
            "EHLO client.example\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 40000\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 40000 25 x\r\n",
            "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 70000 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 +1 25\r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 1 25\r\n",
            "PROXY UDP4 192.0.2.7 192.0.2.1 1 25\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 01 25\r\n",
            "proxy unknown xyz\r\n",
            long.as_str(),
            "",
            "PROXY TCP4 1",
        ] {
            assert!(read_of(text.as_bytes()).is_err(), "{text}");
        }
        for (version, family, rest) in [
            (0x11, 0x11, &V4[..]),
            (0x22, 0x11, &V4),
            (0x21, 0x11, &V4[..11]),
            (0x21, 0x13, &V4),
            (0x21, 0x21, &V4),
            (0x21, 0x11, &[&V4[..], &[1, 0, 9, 0]].concat()),
            (0x21, 0x11, &[&V4[..], &[1, 0]].concat()),
            (0x21, 0x11, &[&V4[..], &[SSL, 0, 2, 1, 0]].concat()),
        ] {
            assert!(read_of(&v2(version, family, rest)).is_err(), "{version:x} {family:x} {rest:?}");
        }
        assert!(read_of(&v2(0x21, 0x11, &V4)[..20]).is_err());
        let too_long = v2(0x20, 0, &vec![0; PROXY_OCTETS_MAX + 1]);
        assert!(read_of(&too_long).is_err());
        assert!(read_of(&v2(0x20, 0, &vec![0; PROXY_OCTETS_MAX])).is_ok());
    }
}
