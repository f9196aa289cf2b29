//! How reports travel: as gzip (what the standards want), as zip (what many send all the same), or bare.
//!
//! Told by their first octets, never by what their name or media type says. Unpacking stops at a limit: a small file
//! that becomes a huge one costs no more than that.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use flate2::write::GzEncoder;

use super::NoReport;
use crate::base::limits::{DMARC_REPORT_XML_OCTETS_MAX, ZIP_ENTRIES_MAX};

/// As gzip; no name and no time in it, so that the same report gives the same octets.
pub fn gzip(octets: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let _ = encoder.write_all(octets);
    encoder.finish().unwrap_or_default()
}

/// The XML in `octets`, which may be packed, once.
pub fn unpack(octets: &[u8]) -> Result<Vec<u8>, NoReport> {
    match octets {
        [0x1f, 0x8b, ..] => all_of(MultiGzDecoder::new(octets), DMARC_REPORT_XML_OCTETS_MAX),
        [b'P', b'K', ..] => unzip(octets),
        _ if looks_like_xml(octets) && octets.len() <= DMARC_REPORT_XML_OCTETS_MAX => Ok(octets.to_vec()),
        _ if looks_like_xml(octets) => Err(NoReport::TooMuch),
        _ => Err(NoReport::Other),
    }
}

fn looks_like_xml(octets: &[u8]) -> bool {
    let text = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    // UTF-16 begins with its mark.
    text.trim_ascii_start().starts_with(b"<") || octets.starts_with(b"\xff\xfe") || octets.starts_with(b"\xfe\xff")
}

/// Octets that may be packed with gzip, at most `octets_max` of them unpacked.
pub(super) fn inflate(octets: &[u8], octets_max: usize) -> Result<Vec<u8>, NoReport> {
    match octets {
        [0x1f, 0x8b, ..] => all_of(MultiGzDecoder::new(octets), octets_max),
        _ if octets.len() > octets_max => Err(NoReport::TooMuch),
        _ => Ok(octets.to_vec()),
    }
}

fn all_of(reader: impl Read, octets_max: usize) -> Result<Vec<u8>, NoReport> {
    let mut out = Vec::new();
    let limit = octets_max as u64;
    let read = reader.take(limit + 1).read_to_end(&mut out);
    match read {
        Ok(_) if out.len() as u64 > limit => Err(NoReport::TooMuch),
        Ok(_) => Ok(out),
        Err(e) => Err(NoReport::Broken(e.to_string())),
    }
}

// -- zip ---------------------------------------------------------------------------------------------

/// Signatures of a file, of an entry of the directory at the end, and of the end of that.
const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
/// The end of the directory has 22 octets and a comment.
const END_OCTETS: usize = 22;
const COMMENT_OCTETS_MAX: usize = 65_535;

/// A file in the archive, as the directory has it.
struct Entry {
    name: Vec<u8>,
    is_encrypted: bool,
    method: u16,
    crc: u32,
    packed: usize,
    at: usize,
}

/// The first file whose name ends in `.xml`, or else the first.
fn unzip(zip: &[u8]) -> Result<Vec<u8>, NoReport> {
    let broken = || NoReport::Broken("the zip archive is broken".to_owned());
    let entries = directory(zip).ok_or_else(broken)?;
    let is_xml = |entry: &&Entry| entry.name.to_ascii_lowercase().ends_with(b".xml");
    let is_file = |entry: &&Entry| !entry.name.ends_with(b"/");
    let entry = entries.iter().find(is_xml).or_else(|| entries.iter().find(is_file)).ok_or(NoReport::Other)?;
    if entry.is_encrypted {
        return Err(NoReport::Broken("the zip archive is encrypted".to_owned()));
    }
    let packed = content(zip, entry).ok_or_else(broken)?;
    let octets = match entry.method {
        0 => all_of(packed, DMARC_REPORT_XML_OCTETS_MAX)?,
        8 => all_of(DeflateDecoder::new(packed), DMARC_REPORT_XML_OCTETS_MAX)?,
        method => return Err(NoReport::Broken(format!("zip method {method} is not read"))),
    };
    let mut sum = flate2::Crc::new();
    sum.update(&octets);
    if sum.sum() == entry.crc { Ok(octets) } else { Err(NoReport::Broken("the zip archive is damaged".to_owned())) }
}

/// The directory, which stands at the end.
fn directory(zip: &[u8]) -> Option<Vec<Entry>> {
    let from = zip.len().saturating_sub(END_OCTETS + COMMENT_OCTETS_MAX);
    let tail = zip.get(from..)?;
    let at = from + memchr::memmem::rfind(tail, END)?;
    let count = usize::from(u16_at(zip, at + 10)?).min(ZIP_ENTRIES_MAX);
    let mut at = usize::try_from(u32_at(zip, at + 16)?).ok()?;
    let mut entries = Vec::new();
    for _ in 0..count {
        zip.get(at..)?.starts_with(CENTRAL).then_some(())?;
        let [name, extra, comment] = [28, 30, 32].map(|field| u16_at(zip, at + field).map(usize::from));
        let (name, extra, comment) = (name?, extra?, comment?);
        entries.push(Entry {
            name: zip.get(at + 46..at + 46 + name)?.to_vec(),
            is_encrypted: u16_at(zip, at + 8)? & 1 != 0,
            method: u16_at(zip, at + 10)?,
            crc: u32_at(zip, at + 16)?,
            packed: usize::try_from(u32_at(zip, at + 20)?).ok()?,
            at: usize::try_from(u32_at(zip, at + 42)?).ok()?,
        });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

/// A file's octets, packed as they are: behind its own header, whose name and extra field have their own lengths.
fn content<'a>(zip: &'a [u8], entry: &Entry) -> Option<&'a [u8]> {
    let header = zip.get(entry.at..)?;
    header.starts_with(LOCAL).then_some(())?;
    let begin = 30 + usize::from(u16_at(header, 26)?) + usize::from(u16_at(header, 28)?);
    header.get(begin..begin.checked_add(entry.packed)?)
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of these files: name, method, content as it is.
    fn zip(files: &[(&str, u16, &[u8])]) -> Vec<u8> {
        let (mut zip, mut central) = (Vec::new(), Vec::new());
        for (name, method, content) in files {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(content).unwrap();
            let packed = if *method == 8 { encoder.finish().unwrap() } else { content.to_vec() };
            let mut sum = flate2::Crc::new();
            sum.update(content);
            let at = zip.len() as u32;
            let head = |signature: &[u8], version: &[u8], tail: &[u8], sizes: bool| {
                let octets = if sizes { packed.len() as u32 } else { 0 };
                let fields = [
                    signature,
                    version,
                    &[20, 0, 8, 0],
                    &method.to_le_bytes(),
                    &[0; 4],
                    &sum.sum().to_le_bytes(),
                    &octets.to_le_bytes(),
                    &(content.len() as u32).to_le_bytes(),
                    &(name.len() as u16).to_le_bytes(),
                    &[0, 0],
                    tail,
                    name.as_bytes(),
                ];
                fields.concat()
            };
            // As written in one pass: sizes stand only in the directory.
            let local = head(LOCAL, &[], &[], false);
            central.extend(head(CENTRAL, &[20, 0], &[&[0; 10][..], &at.to_le_bytes()].concat(), true));
            zip.extend(local);
            zip.extend(packed);
        }
        let (at, count) = (zip.len() as u32, (files.len() as u16).to_le_bytes());
        let size = (central.len() as u32).to_le_bytes();
        zip.extend(central);
        zip.extend([END, &[0; 4], &count, &count, &size, &at.to_le_bytes(), &[4, 0], b"note"].concat());
        zip
    }

    #[test]
    fn packed_in_any_way() {
        let xml = b"<feedback/>".as_slice();
        let mut twice = gzip(b"<feed");
        twice.extend(gzip(b"back/>"));
        for packed in [
            xml.to_vec(),
            gzip(xml),
            twice,
            zip(&[("a.xml", 8, xml)]),
            zip(&[("a.xml", 0, xml)]),
            zip(&[("x/", 0, b""), ("readme.txt", 8, b"hello"), ("B.XML", 8, xml)]),
            zip(&[("x/", 0, b""), ("report", 8, xml)]),
        ] {
            assert_eq!(unpack(&packed).as_deref(), Ok(xml));
            // Cut anywhere, it is an error or all of it (a zip has a comment at its end), not a part.
            let whole_member = gzip(b"<feed");
            for cut in (2..packed.len()).map(|len| &packed[..len]).filter(|cut| packed != xml && *cut != whole_member) {
                assert!(unpack(cut).is_err() || unpack(cut).as_deref() == Ok(xml), "{}", cut.len());
            }
        }
        assert_eq!(unpack(b""), Err(NoReport::Other));
        assert_eq!(unpack(b"hello"), Err(NoReport::Other));
        let mut damaged = zip(&[("a.xml", 0, xml)]);
        damaged[36] ^= 1;
        assert!(matches!(unpack(&damaged), Err(NoReport::Broken(_))));
        assert!(matches!(unpack(&zip(&[("a.xml", 99, xml)])), Err(NoReport::Broken(_))));
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let octets = |count: usize| vec![b'<'; count];
        for (count, fits) in [(DMARC_REPORT_XML_OCTETS_MAX, true), (DMARC_REPORT_XML_OCTETS_MAX + 1, false)] {
            for packed in [octets(count), gzip(&octets(count)), zip(&[("a.xml", 8, &octets(count))])] {
                assert_eq!(unpack(&packed).map(|out| out.len()), if fits { Ok(count) } else { Err(NoReport::TooMuch) });
            }
        }
    }
}
