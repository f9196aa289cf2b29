//! Charsets by the names that mailers write, and text in them as UTF-8.
//!
//! encoding_rs knows those of the web. Mail has more: other names for them (cp932, euc_jp), the code pages of DOS,
//! UTF-7, and the 7-bit forms of Korean and Chinese. Nothing here fails: what a charset does not allow becomes U+FFFD.

mod dos;

use encoding_rs::Encoding;

/// A charset that can be read.
#[derive(Debug, Clone, Copy)]
pub enum Charset {
    /// One of encoding_rs.
    Web(&'static Encoding),
    /// ASCII and these 128 characters.
    Page(&'static str),
    /// UTF-7 (RFC 2152).
    Utf7,
    /// ISO-2022-KR (RFC 1557): Korean between SO and SI.
    Iso2022Kr,
    /// HZ (RFC 1843): Chinese between `~{` and `~}`.
    Hz,
}

/// Names that the web does not have, without what is neither letter nor digit.
const NAMES: [(&str, &str); 43] = [
    ("cp367", "us-ascii"),
    ("iso646us", "us-ascii"),
    ("646", "us-ascii"),
    ("ascii7", "us-ascii"),
    ("cp65001", "utf-8"),
    ("utf8mb4", "utf-8"),
    ("cp932", "shift_jis"),
    ("ms932", "shift_jis"),
    ("windows932", "shift_jis"),
    ("mskanji", "shift_jis"),
    ("cswindows31j", "shift_jis"),
    ("shiftjis", "shift_jis"),
    ("eucjp", "euc-jp"),
    ("eucjpms", "euc-jp"),
    ("ujis", "euc-jp"),
    ("cp51932", "euc-jp"),
    ("cp20932", "euc-jp"),
    ("iso2022jp", "iso-2022-jp"),
    ("iso2022jp1", "iso-2022-jp"),
    ("iso2022jp2", "iso-2022-jp"),
    ("iso2022jp3", "iso-2022-jp"),
    ("iso2022jpms", "iso-2022-jp"),
    ("cp50220", "iso-2022-jp"),
    ("cp50221", "iso-2022-jp"),
    ("cp50222", "iso-2022-jp"),
    ("cp936", "gbk"),
    ("ms936", "gbk"),
    ("windows936", "gbk"),
    ("euccn", "gbk"),
    ("cp54936", "gb18030"),
    ("cp949", "euc-kr"),
    ("ms949", "euc-kr"),
    ("uhc", "euc-kr"),
    ("euckr", "euc-kr"),
    ("cp950", "big5"),
    ("windows950", "big5"),
    ("ms950", "big5"),
    ("big5hkscs", "big5"),
    ("koi8r", "koi8-r"),
    ("koi8u", "koi8-u"),
    ("latin9", "iso-8859-15"),
    ("latin10", "iso-8859-16"),
    ("macroman", "macintosh"),
];

/// Octets of a charset's name that are looked at.
const NAME_OCTETS_MAX: usize = 64;

impl Charset {
    /// The charset of this name, in any case and with any signs between its letters; `None` for none we know.
    pub fn of(name: &str) -> Option<Charset> {
        let name = name.get(..NAME_OCTETS_MAX.min(name.len())).unwrap_or(name).trim().to_ascii_lowercase();
        let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
        match bare.as_str() {
            "utf7" | "unicode11utf7" | "cp65000" => return Some(Charset::Utf7),
            "iso2022kr" | "csiso2022kr" => return Some(Charset::Iso2022Kr),
            "hzgb2312" | "hz" => return Some(Charset::Hz),
            _ => {}
        }
        let web = |name: &str| Encoding::for_label_no_replacement(name.as_bytes()).map(Charset::Web);
        let other = || NAMES.iter().find(|(known, _)| *known == bare).and_then(|(_, name)| web(name));
        let page = || {
            let number = ["cspc8codepage", "cp00", "cp", "ibm", "dos"].iter().find_map(|p| bare.strip_prefix(p));
            dos::page(number.unwrap_or(&bare)).map(Charset::Page)
        };
        // windows1252
        let hyphen = || web(&bare.replacen("windows", "windows-", 1));
        web(&name)
            .or_else(other)
            .or_else(hyphen)
            .or_else(page)
            .or_else(|| web(&bare))
            .or_else(|| web(&name.replace('_', "-")))
    }

    /// All of a text; `None` where octets do not fit the charset.
    pub fn decode_strictly(self, text: &[u8]) -> Option<String> {
        if let Charset::Web(encoding) = self {
            return encoding.decode_without_bom_handling_and_without_replacement(text).map(Into::into);
        }
        let decoded = self.decode(text);
        (!decoded.contains('\u{fffd}')).then_some(decoded)
    }

    /// All of a text.
    pub fn decode(self, text: &[u8]) -> String {
        let (mut decoder, mut out) = (CharsetDecoder::new(self), String::new());
        decoder.push(text, &mut out, true);
        out
    }
}

/// Reads a text in pieces; memory is a few octets and the piece's.
pub struct CharsetDecoder {
    form: Form,
    /// A piece in the form that encoding_rs reads.
    eight_bit: Vec<u8>,
}

enum Form {
    Web(encoding_rs::Decoder),
    Page(Vec<char>),
    Utf7(Utf7),
    Shifted(Shifted, encoding_rs::Decoder),
}

impl CharsetDecoder {
    /// A decoder at the beginning of a text.
    pub fn new(charset: Charset) -> CharsetDecoder {
        let form = match charset {
            Charset::Web(encoding) => Form::Web(encoding.new_decoder_without_bom_handling()),
            Charset::Page(page) => Form::Page(page.chars().collect()),
            Charset::Utf7 => Form::Utf7(Utf7::default()),
            Charset::Iso2022Kr => {
                let decoder = encoding_rs::EUC_KR.new_decoder_without_bom_handling();
                Form::Shifted(Shifted::new(false), decoder)
            }
            Charset::Hz => Form::Shifted(Shifted::new(true), encoding_rs::GBK.new_decoder_without_bom_handling()),
        };
        CharsetDecoder { form, eight_bit: Vec::new() }
    }

    /// The next octets; `last`: none will follow.
    pub fn push(&mut self, octets: &[u8], out: &mut String, last: bool) {
        match &mut self.form {
            Form::Web(decoder) => convert(decoder, octets, out, last),
            Form::Page(page) => {
                let read = |c: &u8| match c.checked_sub(128) {
                    None => char::from(*c),
                    Some(high) => page.get(usize::from(high)).copied().unwrap_or('\u{fffd}'),
                };
                out.extend(octets.iter().map(read));
            }
            Form::Utf7(utf7) => octets.iter().for_each(|c| utf7.push(*c, out)),
            Form::Shifted(shifted, decoder) => {
                self.eight_bit.clear();
                octets.iter().for_each(|c| shifted.push(*c, &mut self.eight_bit));
                convert(decoder, &self.eight_bit, out, last);
            }
        }
    }
}

fn convert(decoder: &mut encoding_rs::Decoder, octets: &[u8], out: &mut String, last: bool) {
    out.reserve(decoder.max_utf8_buffer_length(octets.len()).unwrap_or(0));
    let _ = decoder.decode_to_string(octets, out, last);
}

/// Text whose double-octet characters have seven bits, made into that with eight.
struct Shifted {
    tilde: bool,
    double: bool,
    /// The beginning of what may be an escape.
    held: Vec<u8>,
}

impl Shifted {
    /// `tilde`: shifted by `~{` and `~}`, not by SO and SI.
    fn new(tilde: bool) -> Shifted {
        Shifted { tilde, double: false, held: Vec::new() }
    }

    fn push(&mut self, c: u8, out: &mut Vec<u8>) {
        let high = if self.double && (0x21..0x7f).contains(&c) { c | 0x80 } else { c };
        match (self.tilde, self.held.as_slice(), c) {
            // ISO-2022-KR: the designation ESC $ ) C stands once at the beginning and says nothing more.
            (false, [], 0x1b) | (false, [0x1b], b'$') | (false, [0x1b, b'$'], b')') => self.held.push(c),
            (false, [0x1b, ..], _) => self.held.clear(),
            (false, _, 0x0e) => self.double = true,
            (false, _, 0x0f) => self.double = false,
            (true, [], b'~') => self.held.push(c),
            (true, [_, ..], _) => {
                self.held.clear();
                match c {
                    b'{' => self.double = true,
                    b'}' => self.double = false,
                    b'~' => out.push(b'~'),
                    // A line end behind a tilde joins two lines.
                    b'\r' | b'\n' => {}
                    _ => out.extend_from_slice(&[if self.double { b'~' | 0x80 } else { b'~' }, high]),
                }
            }
            _ => {
                // Both end with their line, at the latest.
                self.double &= c != b'\n';
                out.push(high);
            }
        }
    }
}

/// UTF-7: UTF-16 in base64 between `+` and what is none of its octets.
#[derive(Default)]
struct Utf7 {
    shifted: bool,
    /// Whether nothing came yet behind the `+`.
    fresh: bool,
    bits: u32,
    count: u32,
    /// The first half of a character beyond the basic plane.
    half: Option<u16>,
}

impl Utf7 {
    fn push(&mut self, c: u8, out: &mut String) {
        if !self.shifted {
            if c == b'+' {
                *self = Utf7 { shifted: true, fresh: true, ..Utf7::default() };
            } else {
                out.push(if c.is_ascii() { char::from(c) } else { '\u{fffd}' });
            }
            return;
        }
        let Some(value) = super::mime::base64_value(c) else {
            if self.half.is_some() {
                out.push('\u{fffd}');
            }
            match c {
                b'-' if self.fresh => out.push('+'),
                b'-' => {}
                _ => out.push(if c.is_ascii() { char::from(c) } else { '\u{fffd}' }),
            }
            *self = Utf7::default();
            return;
        };
        self.fresh = false;
        self.bits = (self.bits << 6 | u32::from(value)) & 0x3f_ffff;
        self.count += 6;
        if self.count >= 16 {
            self.count -= 16;
            let unit = (self.bits >> self.count & 0xffff) as u16;
            self.unit(unit, out);
        }
    }

    fn unit(&mut self, unit: u16, out: &mut String) {
        let first = self.half.take();
        match (first, unit) {
            (None, 0xd800..=0xdbff) => self.half = Some(unit),
            (Some(first), 0xdc00..=0xdfff) => {
                out.extend(char::decode_utf16([first, unit]).map(|c| c.unwrap_or('\u{fffd}')));
            }
            (Some(_), _) => {
                out.push('\u{fffd}');
                self.unit(unit, out);
            }
            (None, _) => out.push(char::from_u32(unit.into()).unwrap_or('\u{fffd}')),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_mailers_write_them() {
        for (names, octets, text) in [
            (
                &["cp932", "CP932", "ms932", "Windows-31J", "x-sjis", "shift-jis", "MS_Kanji"][..],
                &b"\x93\xfa"[..],
                "日",
            ),
            (&["euc-jp", "euc_jp", "EUCJP", "eucJP-ms", "ujis"], b"\xc6\xfc", "日"),
            (&["iso-2022-jp", "ISO2022JP", "iso-2022-jp-2", "cp50221"], b"\x1b$BF|\x1b(B", "日"),
            (&["cp936", "gb2312", "GBK", "euc-cn", "gb18030"], b"\xd6\xd0", "中"),
            (&["cp949", "ks_c_5601-1987", "euc-kr", "euckr", "uhc"], b"\xc7\xd1", "한"),
            (&["cp950", "big5", "Big5-HKSCS"], b"\xa4\xa4", "中"),
            (&["cp437", "IBM437", "437", "cspc8codepage437", "dos-437"], b"gr\x81n", "grün"),
            (&["cp850", "ibm850", "850"], b"gr\x81n", "grün"),
            (&["cp858", "cp00858"], b"\xd5", "€"),
            (&["cp852"], b"\x9f", "č"),
            (&["cp866", "ibm866"], b"\x80", "А"),
            (
                &[
                    "cp1252",
                    "windows-1252",
                    "windows1252",
                    "Windows_1252",
                    "iso-8859-1",
                    "latin1",
                    "ISO_8859-1",
                    "iso8859_1",
                ],
                b"\xe4",
                "ä",
            ),
            (&["iso-8859-15", "iso8859_15", "latin-9", "iso885915"], b"\xa4", "€"),
            (&["koi8-r", "koi8_r", "KOI8R"], b"\xc1", "а"),
            (&["utf-8", "utf_8", "UTF8", "cp65001", "utf8mb4"], "ä".as_bytes(), "ä"),
            (&["utf-7", "UTF7", "unicode-1-1-utf-7"], b"+AOQ-", "ä"),
            (&["iso-2022-kr", "iso2022_kr"], b"\x1b$)C\x0eGQ\x0f!", "한!"),
            (&["hz-gb-2312", "HZ"], b"~{VP~}!", "中!"),
        ] {
            for name in names {
                let charset = Charset::of(name).unwrap_or_else(|| panic!("{name}"));
                assert_eq!(charset.decode(octets), text, "{name}");
                assert_eq!(charset.decode_strictly(octets).as_deref(), Some(text), "{name}");
            }
        }
        for name in ["", "klingon", "x-unknown", "-", "cp", "cp0", "unknown-8bit", &"x".repeat(1000), "\u{e4}"] {
            assert!(Charset::of(name).is_none(), "{name}");
        }
    }

    #[test]
    fn pieces_make_no_difference() {
        for (name, octets, text) in [
            ("utf-7", &b"A+ImIDkQ.B +- +2D3eAA-x+AOQ"[..], "A\u{2262}\u{391}.B + 😀xä"),
            ("utf-7", b"+2D0-x +2D0AQQ- \xff", "\u{fffd}x \u{fffd}A \u{fffd}"),
            ("iso-2022-kr", b"\x1b$)Ca\x0eGQ1[\x0fb\x0eGQ\nab", "a한글b한\nab"),
            ("hz", b"a~~~{VPND~}b~\nc~{VP\nd", "a~中文bc中\nd"),
            ("cp437", b"\x80\xff", "Ç\u{a0}"),
            ("cp869", b"\x80\x86", "\u{fffd}Ά"),
            ("cp932", b"\x93\xfa\x96{", "日本"),
        ] {
            for n in 1..=octets.len() {
                let (mut decoder, mut out) = (CharsetDecoder::new(Charset::of(name).unwrap()), String::new());
                octets.chunks(n).for_each(|piece| decoder.push(piece, &mut out, false));
                decoder.push(b"", &mut out, true);
                assert_eq!(out, text, "{name} by {n}");
            }
        }
        assert_eq!(Charset::of("cp437").unwrap().decode_strictly(b"\xff").as_deref(), Some("\u{a0}"));
        assert_eq!(Charset::of("cp869").unwrap().decode_strictly(b"\x80"), None);
    }
}
