//! Encoded words: text beyond ASCII in header fields (RFC 2047, languages of RFC 2231 §5).

use std::borrow::Cow;

use memchr::memmem;

use super::charset::Charset;
use super::header::unfold;
use super::mime::Decoder;
use super::table::Encoding;
use crate::base::base64;

/// A field's value as a person reads it. Adjacent words are joined, characters split between two of them too;
/// words that cannot be decoded stay as they are. Octets that are not UTF-8 are taken as Windows-1252.
pub fn decode(value: &[u8]) -> String {
    let line = unfold(value);
    let text = match std::str::from_utf8(&line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&line).0,
    };
    if !text.contains("=?") {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    // The words read last and not yet written, and white space behind them that counts only before plain text.
    let mut run: Option<Run> = None;
    let mut gap = "";
    while !rest.is_empty() {
        let at = rest.find("=?").unwrap_or(rest.len());
        let (plain, word) = rest.split_at_checked(at).unwrap_or((rest, ""));
        let read = Word::read(word);
        let blank = plain.trim_ascii().is_empty();
        if !blank || read.is_none() {
            flush(&mut run, &mut out);
            out.push_str(std::mem::take(&mut gap));
            out.push_str(plain);
        } else if run.is_none() {
            out.push_str(plain);
        }
        match read {
            Some((word, behind)) => {
                match &mut run {
                    Some(run) if run.label.eq_ignore_ascii_case(word.label) => {}
                    _ => {
                        flush(&mut run, &mut out);
                        run = Some(Run { label: word.label, charset: word.charset, octets: Vec::new() });
                    }
                }
                if let Some(run) = &mut run {
                    word.decode(&mut run.octets);
                }
                rest = behind;
            }
            None => {
                let (marker, behind) = word.split_at_checked(2).unwrap_or((word, ""));
                out.push_str(marker);
                rest = behind;
            }
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Adjacent words of one charset. Their octets are put together before they are read: a character may be split
/// between two words (RFC 2047 §5 forbids it; it is sent).
struct Run<'a> {
    label: &'a str,
    charset: Charset,
    octets: Vec<u8>,
}

/// `=?charset?encoding?text?=`
struct Word<'a> {
    label: &'a str,
    charset: Charset,
    base64: bool,
    text: &'a str,
}

impl<'a> Word<'a> {
    /// The word at the start of `text`, and what follows it; `None` for one that cannot be read.
    fn read(text: &'a str) -> Option<(Word<'a>, &'a str)> {
        let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
        let (encoding, rest) = rest.split_once('?')?;
        let near = rest.as_bytes().get(..WORD_OCTETS_MAX).unwrap_or(rest.as_bytes());
        let end = memmem::find(near, b"?=")?;
        let (text, rest) = (rest.get(..end)?, rest.get(end + 2..)?);
        let label = charset.split('*').next().unwrap_or_default();
        let base64 = match encoding {
            "b" | "B" => true,
            "q" | "Q" => false,
            _ => return None,
        };
        let fits = label.len() <= CHARSET_OCTETS_MAX && label.bytes().all(|c| c.is_ascii_graphic());
        if !fits || text.contains('?') {
            return None;
        }
        Some((Word { label, charset: Charset::of(label)?, base64, text }, rest))
    }

    /// Adds the word's octets. Lenient: base64 may lack its padding or have too much of it, and have blanks inside;
    /// an escape that is none stays as it is.
    fn decode(&self, out: &mut Vec<u8>) {
        let mut rest = self.text.as_bytes();
        if self.base64 {
            Decoder::new(Encoding::Base64).push(rest, out);
            return;
        }
        let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        while let Some((&c, behind)) = rest.split_first() {
            rest = behind;
            match (c, behind) {
                (b'_', _) => out.push(b' '),
                (b'=', [high, low, behind @ ..]) => match (digit(*high), digit(*low)) {
                    (Some(high), Some(low)) => {
                        out.push(high << 4 | low);
                        rest = behind;
                    }
                    _ => out.push(c),
                },
                _ => out.push(c),
            }
        }
    }
}

const CHARSET_OCTETS_MAX: usize = 64;

/// How far the end of a word is looked for: RFC 2047 §2 allows 75 octets, senders have used more. Without an end to
/// the search, a line of beginnings takes quadratic time.
const WORD_OCTETS_MAX: usize = 1_000;

/// Writes the gathered words, decoded.
fn flush(run: &mut Option<Run<'_>>, out: &mut String) {
    if let Some(run) = run.take() {
        out.push_str(&run.charset.decode(&run.octets));
    }
}

/// Unstructured text for a header field: as it is where it is printable ASCII that no reader would decode, else
/// as encoded words of UTF-8, each at most 75 octets (RFC 2047 §2), none splitting a character, one space between.
pub fn encode(text: &str) -> Cow<'_, str> {
    let plain = text.bytes().all(|c| (b' '..=b'~').contains(&c)) && !text.contains("=?");
    if plain { Cow::Borrowed(text) } else { Cow::Owned(encode_always(text)) }
}

/// Octets of text in one base64 word: words of 64 octets, so that `Subject:` fits in front on a line of 78.
const WORD_TEXT_OCTETS_MAX: usize = 39;

fn encode_always(text: &str) -> String {
    let mut words = String::new();
    let mut piece = String::new();
    let mut write = |piece: &mut String| {
        if !piece.is_empty() {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str("=?utf-8?B?");
            words.push_str(&base64::encode(&*piece));
            words.push_str("?=");
            piece.clear();
        }
    };
    for c in text.chars() {
        if piece.len() + c.len_utf8() > WORD_TEXT_OCTETS_MAX {
            write(&mut piece);
        }
        piece.push(c);
    }
    write(&mut piece);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes() {
        for (value, want) in [
            ("plain", "plain"),
            (" folded\r\n text ", "folded text"),
            ("=?UTF-8?Q?J=C3=BCrgen?=", "Jürgen"),
            ("=?iso-8859-1?q?a_b=E4?= c", "a bä c"),
            ("x =?utf-8?b?w6Q=?= y", "x ä y"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?=", "aä"),
            ("=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
            ("=?utf-8*de?q?=C3=A4?=", "ä"),
            // A character split between words (RFC 2047 §5 forbids it; it is sent).
            ("=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "ä"),
            ("=?utf-8?b?w6TD?= =?utf-8?b?pA==?=", "ää"),
            ("=?iso-2022-jp?B?GyRCJDMbKEI=?=", "こ"),
            ("=?utf-8?q?a b?=", "a b"),
            ("=?utf-8?q?a=3Db=3?= =?utf-8?q?=C3?= =?utf-8?b?pA==?=", "a=b=3ä"),
            // Base64 without padding, with too much, with blanks, with all of them between words.
            ("=?utf-8?B?Z3LDvG4?=", "grün"),
            ("=?utf-8?B?Z3LDvG4==?=", "grün"),
            ("=?utf-8?B?Z3LDvG4====?= tee", "grün tee"),
            ("=?utf-8?B?Z3LD vG4=?=", "grün"),
            ("=?utf-8?B?Z3LDvG4?= =?utf-8?B?Z3LDvG4=?=", "grüngrün"),
            ("=?utf-8?B?Z3LD?=\r\n =?utf-8?B?vG4?=", "grün"),
            ("=?utf-8?B??=x", "x"),
            // Charsets that are not the web's.
            ("=?cp932?B?k/qWew==?=", "日本"),
            ("=?cp437?Q?gr=81n?=", "grün"),
            ("=?utf-7?Q?gr+APw-n?=", "grün"),
            // Not words.
            ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
            ("=?nonsense?q?a=41?=", "=?nonsense?q?a=41?="),
            ("=?utf-8?q?open", "=?utf-8?q?open"),
            ("=?=?utf-8?q?a?=", "=?a"),
            ("a=?utf-8?q?b?=c", "abc"),
            ("=?", "=?"),
            ("Größe", "Größe"),
        ] {
            assert_eq!(decode(value.as_bytes()), want, "{value}");
        }
        assert_eq!(decode(b"Gr\xf6\xdfe"), "Größe");
    }

    #[test]
    fn many_words_take_linear_time() {
        let value = "=?utf-8?q?a?= x ".repeat(5_000);
        assert_eq!(decode(value.as_bytes()).len(), 4 * 5_000 - 1);
        for text in ["=?", "=?a?q?x ", "=?a?q?x", "=?utf-8?q??= "] {
            assert!(decode(text.repeat(20_000).as_bytes()).len() <= text.len() * 20_000);
        }
    }

    #[test]
    fn encodes_what_it_decodes() {
        for text in [
            "plain",
            "",
            "Jürgen",
            "=?utf-8?q?a?=",
            &"ä".repeat(100),
            "a\r\nBcc: b",
            "日本語のとても長い件名です。日本語のとても長い件名です。",
        ] {
            let encoded = encode(text);
            assert!(encoded.is_ascii() && !encoded.contains('\n'));
            assert!(encoded == text || encoded.split(' ').all(|word| word.len() <= 75));
            assert_eq!(decode(encoded.as_bytes()), text);
        }
    }
}
