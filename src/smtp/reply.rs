//! Replies on the wire (RFC 5321 §4.2): written by the server, read by the client.

use memchr::memchr;

use crate::base::dialog::Input;
use crate::base::limits::{SMTP_REPLY_KEPT_OCTETS, SMTP_REPLY_LINE_KEPT_OCTETS, SMTP_REPLY_OCTETS_MAX};
use crate::base::{Enhanced, Reply};

/// Writes a reply, one line for each line of its text, the enhanced status code on every one (RFC 2034 §4).
/// Control characters in the text become `?`: nothing a peer or a file made us quote can forge a line.
pub fn write(reply: &Reply, out: &mut Vec<u8>) {
    let mut lines = reply.text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let separator = if lines.peek().is_some() { b'-' } else { b' ' };
        out.extend_from_slice(reply.code.to_string().as_bytes());
        out.push(separator);
        if let Some(enhanced) = reply.enhanced {
            out.extend_from_slice(enhanced.to_string().as_bytes());
            out.push(b' ');
        }
        out.extend(line.bytes().map(|c| if c.is_ascii_control() { b'?' } else { c }));
        out.extend_from_slice(b"\r\n");
    }
}

/// A reply that came to the total cap before its end. The connection cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endless {
    /// What was read of it, under the code of its last line that has one; `None` where no line has one.
    pub so_far: Option<Reply>,
}

impl std::fmt::Display for Endless {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the host sent a reply of more than {SMTP_REPLY_OCTETS_MAX} octets")
    }
}

impl std::error::Error for Endless {}

/// Reads replies, whatever the pieces they come in.
///
/// The code of a reply is that of its last line. Nothing else about its form matters: a bare LF ends a line, text may
/// be missing, lines before the last may be blank, bear other codes or none, and octets that are no UTF-8 are replaced.
/// Of a long line the first `SMTP_REPLY_LINE_KEPT_OCTETS` are kept, of a long reply the first
/// `SMTP_REPLY_KEPT_OCTETS` and the last line; the rest is read and dropped.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// What is kept of the line that has not ended yet.
    line: Vec<u8>,
    /// Octets of that line, kept or not.
    line_octets: usize,
    /// Octets of the reply.
    octets: usize,
    /// The code of the last line that had one.
    code: Option<u16>,
    /// The lines kept, without their codes; what stands before the first code is not.
    text: String,
    lines: usize,
    /// Whether the last line with a code said that more follow.
    open: bool,
}

/// What the beginning of a line says.
enum Line<'a> {
    /// A code, whether it is the last line of its reply, and the text.
    Coded(u16, bool, &'a [u8]),
    /// Neither code nor end.
    Text(&'a [u8]),
}

impl ReplyReader {
    /// The next reply, consumed; `None` where more octets are needed: the input is empty then.
    pub fn next(&mut self, input: &mut Input) -> Result<Option<Reply>, Endless> {
        while !input.is_empty() {
            let octets = input.peek();
            let end = memchr(b'\n', octets);
            let piece = end.and_then(|end| octets.get(..end)).unwrap_or(octets);
            let room = SMTP_REPLY_LINE_KEPT_OCTETS - self.line.len();
            self.line.extend_from_slice(piece.get(..room).unwrap_or(piece));
            let taken = piece.len() + usize::from(end.is_some());
            self.line_octets += piece.len();
            self.octets += taken;
            input.consume(taken);
            if end.is_some() && self.line_ended() {
                return Ok(self.take());
            }
            if self.octets > SMTP_REPLY_OCTETS_MAX {
                return Err(Endless { so_far: self.finish() });
            }
        }
        Ok(None)
    }

    /// No more octets will come: the reply as far as it was read, under the code of its last line that has one. A
    /// line without its end counts.
    pub fn finish(&mut self) -> Option<Reply> {
        if self.line_octets > 0 {
            self.line_ended();
        }
        self.take()
    }

    /// Whether a line with a code was read of a reply that has not ended.
    pub fn has_begun(&self) -> bool {
        self.code.is_some()
    }

    /// Takes in the line; whether it is the last of its reply.
    fn line_ended(&mut self) -> bool {
        let mut kept = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.line_octets) > kept.len() {
            // Not to end in half a character.
            let half = kept.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
            kept.truncate(kept.len().saturating_sub(half));
        }
        let line = kept.strip_suffix(b"\r").unwrap_or(&kept);
        let (last, text, kept_line) = match self.look(line) {
            Line::Coded(code, last, text) => {
                self.code = Some(code);
                self.open = !last;
                (last, text, true)
            }
            Line::Text(text) => (false, text, self.code.is_some() && !text.trim_ascii().is_empty()),
        };
        let room = self.text.len() + text.len() < SMTP_REPLY_KEPT_OCTETS;
        if kept_line && (room || last) {
            if self.lines > 0 {
                self.text.push('\n');
            }
            self.text.push_str(&String::from_utf8_lossy(text));
            self.lines += 1;
        }
        last
    }

    /// Three digits and no fourth make a code. Within a reply, a line of another form or with an impossible code is
    /// text between its lines.
    fn look<'a>(&self, line: &'a [u8]) -> Line<'a> {
        let Some((digits, rest)) = line.split_at_checked(3) else { return Line::Text(line) };
        let code = digits.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + u16::from(c - b'0')));
        let Some(code) = code else { return Line::Text(line) };
        let possible = (200..600).contains(&code);
        match rest.split_first() {
            Some((b'-', text)) if possible => Line::Coded(code, false, text),
            None | Some((b' ' | b'\t', _)) if possible || !self.open => {
                Line::Coded(code, true, rest.get(1..).unwrap_or_default())
            }
            // "250:ok" where a reply must begin, or as the end of one that began with 250.
            Some((separator, _)) if possible && !separator.is_ascii_digit() => {
                if self.open && self.code != Some(code) {
                    Line::Text(line)
                } else {
                    Line::Coded(code, true, rest)
                }
            }
            _ => Line::Text(line),
        }
    }

    /// The reply read, and a fresh beginning.
    fn take(&mut self) -> Option<Reply> {
        let done = std::mem::take(self);
        done.code.map(|code| compose(code, &done.text))
    }
}

/// A reply of a code and its lines. The enhanced status code is the first one of the code's class, on whichever line
/// it stands (RFC 2034 §4 wants it on all); it is cut from the lines that bear it. A code of no known class refuses for
/// now: 4.5.0.
fn compose(code: u16, text: &str) -> Reply {
    let split = |line| Enhanced::split(line).filter(|(e, _)| u16::from(e.class) == code / 100);
    let enhanced = text.split('\n').find_map(|line| split(line).map(|(enhanced, _)| enhanced));
    let lines = text.split('\n').map(|line| match split(line) {
        Some((found, rest)) if Some(found) == enhanced => rest,
        _ => line,
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    let unknown = !(200..600).contains(&code);
    Reply { code, enhanced: if unknown { Some(Enhanced::new(4, 5, 0)) } else { enhanced }, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Vec<Reply> {
        let (mut reader, mut input, mut replies) = (ReplyReader::default(), Input::new(), Vec::new());
        for piece in octets.chunks(7) {
            input.push(piece);
            while let Some(reply) = reader.next(&mut input).expect("an end") {
                replies.push(reply);
            }
        }
        replies
    }

    #[test]
    fn replies_come_back_as_written() {
        for reply in [
            Reply::plain(220, "mx.example.net ESMTP"),
            Reply::plain(250, "mx.example.net\nPIPELINING\nSIZE 1000"),
            Reply::new(550, 1, 1, "No such user"),
            Reply::new(550, 7, 1, "Rejected\nsee https://example.net/why"),
            Reply::new(250, 0, 0, ""),
        ] {
            let mut wire = Vec::new();
            write(&reply, &mut wire);
            assert_eq!(read(&wire), [reply], "{}", String::from_utf8_lossy(&wire));
        }
    }

    #[test]
    fn text_forges_no_line() {
        let mut wire = Vec::new();
        write(&Reply::plain(550, "a\r\r250 ok\0\u{e9}"), &mut wire);
        assert_eq!(wire, "550 a??250 ok?\u{e9}\r\n".as_bytes());
    }

    #[test]
    fn the_form_does_not_matter() {
        assert_eq!(read(b"250\r\n"), [Reply::plain(250, "")]);
        assert_eq!(read(b"250-a\n250 b\n"), [Reply::plain(250, "a\nb")]);
        assert_eq!(read(b"250-\r\n250 b\n"), [Reply::plain(250, "\nb")]);
        assert_eq!(read(b"250 \xff\r\n"), [Reply::plain(250, "\u{fffd}")]);
        assert_eq!(read(b"250 2.1.0 a\r\n550 x\r\n"), [Reply::new(250, 1, 0, "a"), Reply::plain(550, "x")]);
        for taken in ["\r\n \r\n250 a\r\n", "hello\r\n250 a\r\n", "250\ta\r\n", "25\r\n2x0 a\r\n250 a\r\n"] {
            assert_eq!(read(taken.as_bytes()), [Reply::plain(250, "a")], "{taken:?}");
        }
        assert_eq!(read(b"250:a\r\n"), [Reply::plain(250, ":a")]);
        assert_eq!(read(b"250ok\r\n"), [Reply::plain(250, "ok")]);
        // Lines before the last.
        assert_eq!(read(b"250-a\r\n251 b\r\n"), [Reply::plain(251, "a\nb")]);
        assert_eq!(read(b"250-a\r\n\r\n550 b\r\n"), [Reply::plain(550, "a\nb")]);
        assert_eq!(
            read(b"550-a\r\nsee below\r\n2500 b\r\n100% c\r\n450:d\r\n550 e\r\n"),
            [Reply::plain(550, "a\nsee below\n2500 b\n100% c\n450:d\ne")]
        );
        assert_eq!(read(b"250-a\r\n150 b\r\n250 c\r\n"), [Reply::plain(250, "a\n150 b\nc")]);
        // A code of no known class is still a reply.
        let unknown = |code, text: &str| Reply { code, enhanced: Some(Enhanced::new(4, 5, 0)), text: text.to_owned() };
        assert_eq!(read(b"150 a\r\n"), [unknown(150, "a")]);
        assert_eq!(read(b"999\r\n"), [unknown(999, "")]);
    }

    #[test]
    fn the_status_code_is_found_on_any_line() {
        // A status code of another class is text.
        assert_eq!(read(b"250 5.1.1 a\r\n"), [Reply::plain(250, "5.1.1 a")]);
        assert_eq!(read(b"550-5.1.1 a\r\n550 5.7.1 b\r\n"), [Reply::new(550, 1, 1, "a\n5.7.1 b")]);
        assert_eq!(read(b"550-a\r\n550-5.7.1 b\r\n550 c\r\n"), [Reply::new(550, 7, 1, "a\nb\nc")]);
        assert_eq!(read(b"550-a\r\n550 5.7.1 b\r\n"), [Reply::new(550, 7, 1, "a\nb")]);
        assert_eq!(read(b"450-4.2.0 a\r\n550 5.1.1 b\r\n"), [Reply::new(550, 1, 1, "4.2.0 a\nb")]);
    }

    #[test]
    fn what_is_long_is_cut() {
        for octets in [SMTP_REPLY_LINE_KEPT_OCTETS - 4, SMTP_REPLY_LINE_KEPT_OCTETS, 3 * SMTP_REPLY_LINE_KEPT_OCTETS] {
            let replies = read(format!("550 5.7.1 {}\r\n250 x\r\n", "x".repeat(octets)).as_bytes());
            let kept = SMTP_REPLY_LINE_KEPT_OCTETS - "550 5.7.1 ".len();
            assert_eq!(replies, [Reply::new(550, 7, 1, "x".repeat(kept.min(octets))), Reply::plain(250, "x")]);
        }
        // Not within a character.
        let replies = read(format!("550 {}\r\n", "\u{e9}".repeat(SMTP_REPLY_LINE_KEPT_OCTETS)).as_bytes());
        assert!(replies.first().unwrap().text.chars().all(|c| c == '\u{e9}'));
        let replies = read(format!("550 x{}\r\n", "\u{e9}".repeat(SMTP_REPLY_LINE_KEPT_OCTETS)).as_bytes());
        assert!(replies.first().unwrap().text.chars().skip(1).all(|c| c == '\u{e9}'));
        for lines in [128, 500, 20_000] {
            let replies = read(("250-one more line\r\n".repeat(lines) + "250 2.0.0 last\r\n").as_bytes());
            let reply = replies.first().unwrap();
            assert_eq!((reply.code, reply.enhanced), (250, Some(Enhanced::new(2, 0, 0))));
            assert!(reply.text.starts_with("one more line\n") && reply.text.ends_with("\nlast"));
            assert!(reply.text.len() < SMTP_REPLY_KEPT_OCTETS + SMTP_REPLY_LINE_KEPT_OCTETS);
        }
    }

    #[test]
    fn what_does_not_end_keeps_its_code() {
        for (octets, so_far) in [
            (b"250-a\r\n".repeat(SMTP_REPLY_OCTETS_MAX / 7 + 1), Some(250)),
            ([b"550 ".to_vec(), vec![b'x'; SMTP_REPLY_OCTETS_MAX]].concat(), Some(550)),
            ([b"250-a\r\n".to_vec(), vec![b'\n'; SMTP_REPLY_OCTETS_MAX]].concat(), Some(250)),
            (vec![b'2'; SMTP_REPLY_OCTETS_MAX + 1], None),
            (vec![b'\n'; SMTP_REPLY_OCTETS_MAX + 1], None),
        ] {
            let (mut reader, mut input, mut end) = (ReplyReader::default(), Input::new(), None);
            for piece in octets.chunks(16 * 1024) {
                input.push(piece);
                end = end.or(reader.next(&mut input).err());
                assert!(end.is_some() || input.is_empty());
            }
            assert_eq!(end.expect("an end").so_far.map(|reply| reply.code), so_far);
        }
    }

    #[test]
    fn what_breaks_off_keeps_its_code() {
        for (octets, code) in [
            (&b"250-a\r\n"[..], Some(250)),
            (b"250 ok", Some(250)),
            (b"250", Some(250)),
            (b"250-a\r\n55", Some(250)),
            (b"250-a\r\n550 no", Some(550)),
            (b"", None),
            (b"25", None),
            (b"hello", None),
        ] {
            let (mut reader, mut input) = (ReplyReader::default(), Input::new());
            input.push(octets);
            assert_eq!(reader.next(&mut input), Ok(None));
            assert_eq!(reader.finish().map(|reply| reply.code), code, "{}", String::from_utf8_lossy(octets));
            assert!(!reader.has_begun());
        }
    }
}
