//! Messages: RFC 5322, MIME, and the forms that a message is given for the wire.

use std::cell::RefCell;

use mailcore::base::Timestamp;
use mailcore::base::base64;
use mailcore::base::limits::{LINE_OCTETS_MAX, MIME_PARAMETERS_MAX};
use mailcore::imap::encode;
use mailcore::message::fit::{self, Filling};
use mailcore::message::mailbox_list::mailbox_list;
use mailcore::message::mime::{Decoder, TextDecoder, quoted_printable_encode};
use mailcore::message::recode::{Goal, recode};
use mailcore::message::scanner::Scanner;
use mailcore::message::survey::Survey;
use mailcore::message::table::{Encoding, PartTable};
use mailcore::message::{self, header};

/// Fields lie behind each other without gaps; values have no line ends.
pub fn header_fields(octets: &[u8]) {
    let mut end = 0;
    for field in header::fields(octets) {
        assert_eq!(field.range(), end..end + field.raw.len());
        end += field.raw.len();
        assert!(!field.value().ends_with(b"\n"));
        let _ = message::message_id::message_ids(field.body);
        let _ = message::subject::base_subject(field.body);
    }
    assert!(end <= octets.len());
}

/// A date that was read and written is the same moment.
pub fn date(octets: &[u8]) {
    if let Some(read) = message::date::date(octets) {
        let written = read.at.rfc5322();
        assert!(message::date::is_rfc5322(written.as_bytes()), "{written}");
        assert_eq!(message::date::date(written.as_bytes()).map(|date| date.at), Some(read.at), "{written}");
    }
    let _ = message::date::is_rfc5322(octets);
}

/// Text that was read and written reads the same.
pub fn encoded_word(octets: &[u8]) {
    let text = message::encoded_word::decode(octets);
    if text.trim() == text {
        let written = message::encoded_word::encode(&text);
        assert!(written.is_ascii() && !written.contains(['\r', '\n']), "{written:?}");
        assert_eq!(message::encoded_word::decode(written.as_bytes()), text, "{written:?}");
    }
}

/// Names are in lower case, and a parameter is found by its name.
pub fn parameters(octets: &[u8]) {
    let read = message::parameter::parse(octets);
    assert!(read.parameters.len() <= MIME_PARAMETERS_MAX);
    for parameter in &read.parameters {
        assert_eq!(parameter.name, parameter.name.to_ascii_lowercase());
        let name = std::str::from_utf8(&parameter.name);
        assert!(name.is_err() || name.is_ok_and(|name| read.get(name).is_some()), "{parameter:?}");
    }
}

/// Addresses that every reader finds read the same once written.
pub fn address_list(octets: &[u8]) {
    let _ = message::address_list::addresses(octets);
    if let Ok(addresses) = mailbox_list(octets) {
        for address in addresses {
            let written = address.to_string();
            assert_eq!(mailbox_list(written.as_bytes()).ok().as_deref(), Some(&[address][..]), "{written}");
        }
    }
}

/// Whoever a message is from is the same in a plain From.
pub fn author(octets: &[u8]) {
    if let Ok(addresses) = message::author::author(&[octets]) {
        assert!(!addresses.is_empty());
        let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let plain = format!("From: {}\r\n", list.join(", "));
        assert_eq!(message::author::author(&[plain.as_bytes()]).ok(), Some(addresses), "{plain}");
    }
}

/// Pieces of any size give the same structure, of parts that lie within the message; its table reads back; what FETCH
/// says of it has as many brackets open as closed.
pub fn mime_structure(octets: &[u8]) {
    let structure = super::in_pieces(octets, |pieces| {
        let mut scanner = Scanner::new();
        pieces.for_each(|piece| scanner.push(piece));
        scanner.finish()
    });
    let length = octets.len() as u64;
    for part in &structure.parts {
        assert!(part.header.start <= part.header.end && part.header.end <= part.body.start, "{part:?}");
        assert!(part.body.start <= part.body.end && part.body.end <= length, "{part:?}");
    }
    let table = PartTable::of(&structure);
    assert_eq!(PartTable::decode(&table.encode()).as_ref(), Some(&table));
    let mut out = Vec::new();
    encode::structure::structure(&mut out, &structure);
    is_list(&out);
    is_list(&encode::structure::without_extensions(&out));
    if let Some(fields) = structure.root().and_then(|root| root.envelope.as_deref()) {
        let mut kept = Vec::new();
        encode::envelope::kept(&mut kept, fields);
        is_list(encode::envelope::told(&kept));
        let _ = (encode::envelope::further(&kept), encode::envelope::message_id(&kept));
    }
}

/// One list as IMAP writes it, strings and literals within passed over.
fn is_list(octets: &[u8]) {
    let (mut rest, mut depth) = (octets, 0usize);
    while let Some((c, behind)) = rest.split_first() {
        rest = behind;
        match c {
            b'(' => depth += 1,
            b')' => {
                depth = depth.checked_sub(1).unwrap_or_else(|| panic!("closed too often: {}", octets.escape_ascii()));
                assert!(depth > 0 || rest.is_empty(), "more behind the list: {}", octets.escape_ascii());
            }
            b'"' => loop {
                let (c, behind) = rest.split_first().unwrap_or_else(|| panic!("open: {}", octets.escape_ascii()));
                rest = if *c == b'\\' { behind.get(1..).unwrap_or_default() } else { behind };
                if *c == b'"' {
                    break;
                }
                assert!(!b"\r\n\0".contains(c), "{}", octets.escape_ascii());
            },
            b'{' => {
                let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
                let count: usize = String::from_utf8_lossy(&rest[..digits]).parse().expect("a count");
                rest = rest[digits..].strip_prefix(b"}\r\n").expect("an announcement").get(count..).expect("a literal");
            }
            _ => assert!((b' '..=b'~').contains(c), "{}", octets.escape_ascii()),
        }
    }
    assert!(depth == 0, "open: {}", octets.escape_ascii());
}

/// Pieces of any size decode alike; what was encoded decodes to the same, in lines that fit.
pub fn transfer_coding(octets: &[u8]) {
    let decode = |encoding: Encoding, octets: &[u8]| {
        super::in_pieces(octets, |pieces| {
            let (mut decoder, mut out) = (Decoder::new(encoding), Vec::new());
            pieces.for_each(|piece| decoder.push(piece, &mut out));
            decoder.finish(&mut out);
            (out, decoder.is_broken())
        })
    };
    for encoding in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::Identity] {
        decode(encoding, octets);
    }
    for (encoding, encoded) in [
        (Encoding::Base64, base64::lines(octets)),
        (Encoding::QuotedPrintable, quoted_printable_encode(&message::line_end::to_crlf(octets))),
    ] {
        assert!(encoded.split(|c| *c == b'\n').all(|line| line.len() <= 77 && line.is_ascii()));
        let (decoded, broken) = decode(encoding, &encoded);
        assert!(!broken);
        let wanted = if encoding == Encoding::Base64 { octets.to_vec() } else { message::line_end::to_crlf(octets) };
        assert_eq!(decoded.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{}", encoded.escape_ascii());
    }
}

/// The first octet chooses a character set. Pieces of any size decode alike.
pub fn charset(octets: &[u8]) {
    const NAMES: [&str; 12] = [
        "utf-8",
        "us-ascii",
        "iso-8859-1",
        "windows-1251",
        "iso-2022-jp",
        "shift_jis",
        "euc-kr",
        "gb18030",
        "big5",
        "utf-16",
        "utf-16le",
        "utf-7",
    ];
    let Some((choice, text)) = octets.split_first() else { return };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    for encoding in [Encoding::Identity, Encoding::QuotedPrintable] {
        super::in_pieces(text, |pieces| {
            let (mut decoder, mut out) = (TextDecoder::new(encoding, name), String::new());
            pieces.for_each(|piece| decoder.push(piece, &mut out));
            decoder.finish(&mut out);
            out
        });
    }
}

/// A header that was made fit has the fields that must be there once, not those that are not to be seen, lines that
/// fit, and is left as it is when it is submitted again.
pub fn submission(octets: &[u8]) {
    let filling = Filling { author: None, domain: "example.org", message_id: "1@example.org", now: Timestamp(0) };
    let fit = |front: &[u8]| -> Option<Vec<u8>> {
        let made = fit::submitted(front, &filling, |_| false).ok()?;
        let header = fit::fold(made.octets).ok()?;
        Some([&header, front.get(made.replaced..).unwrap_or_default()].concat())
    };
    let Some(fitted) = fit(octets) else { return };
    let length = header::header_len(&fitted).unwrap_or(fitted.len());
    let count = |name: &str| header::fields(&fitted).filter(|field| field.is(name)).count();
    assert_eq!(["Date", "Message-ID", "Bcc", "Resent-Bcc", "Return-Path"].map(count), [1, 1, 0, 0, 0]);
    for line in fitted[..length].split(|c| *c == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= LINE_OCTETS_MAX && !line.contains(&0), "{}", line.escape_ascii());
    }
    if let Some(again) = fit(&fitted) {
        assert_eq!(again.escape_ascii().to_string(), fitted.escape_ascii().to_string());
    }
}

/// A message in another form is what was asked for, of as many parts.
pub fn recoding(octets: &[u8]) {
    let read = |offset: u64, out: &mut [u8]| {
        let rest = octets.get(offset as usize..).unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    };
    for goal in [Goal::Lines, Goal::SevenBit] {
        let out = RefCell::new(Vec::new());
        let recoded = recode(&read, octets.len() as u64, goal, &mut |piece| {
            out.borrow_mut().extend_from_slice(piece);
            Ok(())
        });
        if recoded.is_ok() {
            let out = out.into_inner();
            let survey = Survey::of(&out);
            assert!(survey.is_lines(), "{survey:?} {}", out.escape_ascii());
            assert!(goal == Goal::Lines || !survey.eight_bit, "{}", out.escape_ascii());
            assert_eq!(message::scanner::scan(&out).parts.len(), message::scanner::scan(octets).parts.len());
        }
    }
}

/// A base subject has no blanks around it, is bounded, and is its own base subject as far as it is plain text.
pub fn base_subject(octets: &[u8]) {
    let (base, _) = message::subject::base_subject(octets);
    assert_eq!(base.trim(), base);
    assert!(base.chars().count() <= 1_000, "{base}");
    if base.is_ascii() && !base.contains("=?") {
        assert_eq!(message::subject::base_subject(base.as_bytes()).0, base);
    }
    let key = message::collation::key(&base);
    assert!(key.len() <= message::collation::KEY_OCTETS_MAX + 64, "{key}");
}

/// Folded text, and the text of HTML, do not depend on where pieces are cut.
pub fn search_text(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let chars: Vec<char> = text.chars().collect();
    let in_pieces = |size: usize| {
        let (mut folder, mut folded) = (message::fold::Folder::default(), String::new());
        let (mut html, mut shown) = (message::html::HtmlText::default(), String::new());
        for piece in chars.chunks(size) {
            let piece: String = piece.iter().collect();
            folder.push(&piece, &mut folded);
            html.push(&piece, &mut shown);
        }
        folder.finish(&mut folded);
        html.finish(&mut shown);
        (folded, shown)
    };
    let whole = in_pieces(chars.len().max(1));
    assert_eq!(in_pieces(1), whole);
    assert_eq!(in_pieces(7), whole);
    assert!(!whole.0.contains("  "), "{:?}", whole.0);
    let preview = message::preview::preview(&text, true);
    assert!(preview.chars().count() <= message::preview::CHARACTERS_MAX);
}
