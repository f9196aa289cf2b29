//! Replies on the wire (RFC 5321 §4.2): written by the server, read by the client.

use memchr::memchr;

use crate::base::dialog::Input;
use crate::base::limits::{SMTP_REPLY_LINE_OCTETS_MAX, SMTP_REPLY_LINES_MAX};
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

/// Why what came is no reply. The connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyError {
    /// No three digits in front, a code outside 200 to 599, or lines that disagree.
    Malformed,
    /// A line over `SMTP_REPLY_LINE_OCTETS_MAX`, or more than `SMTP_REPLY_LINES_MAX` lines.
    TooLong,
}

impl std::fmt::Display for ReplyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ReplyError::Malformed => "the peer sent something that is no SMTP reply",
            ReplyError::TooLong => "the peer sent an endless reply",
        })
    }
}

impl std::error::Error for ReplyError {}

/// Reads replies, whatever the pieces they come in. Lenient where it does no harm: a bare LF ends a line,
/// octets that are no UTF-8 are replaced, text may be missing.
#[derive(Debug, Default)]
pub struct ReplyReader {
    code: Option<u16>,
    enhanced: Option<Enhanced>,
    text: String,
    lines: usize,
}

impl ReplyReader {
    /// The next reply, consumed; `None` where more octets are needed.
    pub fn next(&mut self, input: &mut Input) -> Result<Option<Reply>, ReplyError> {
        while let Some(at) = memchr(b'\n', input.peek()) {
            let line = input.peek().get(..at).unwrap_or_default();
            let last = self.line(line)?;
            input.consume(at + 1);
            if let Some(code) = last {
                let done = std::mem::take(self);
                return Ok(Some(Reply { code, enhanced: done.enhanced, text: done.text }));
            }
        }
        if input.len() >= SMTP_REPLY_LINE_OCTETS_MAX { Err(ReplyError::TooLong) } else { Ok(None) }
    }

    /// Takes in one line; the code where it is the last of its reply.
    fn line(&mut self, line: &[u8]) -> Result<Option<u16>, ReplyError> {
        if line.len() >= SMTP_REPLY_LINE_OCTETS_MAX || self.lines >= SMTP_REPLY_LINES_MAX {
            return Err(ReplyError::TooLong);
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (code, rest) = line.split_at_checked(3).ok_or(ReplyError::Malformed)?;
        let code = code.iter().try_fold(0, |n, c| c.is_ascii_digit().then(|| n * 10 + u16::from(c - b'0')));
        let code = code.filter(|code| (200..600).contains(code)).ok_or(ReplyError::Malformed)?;
        if self.code.is_some_and(|first| first != code) {
            return Err(ReplyError::Malformed);
        }
        let (last, text) = match rest.split_first() {
            None => (true, rest),
            Some((b' ', text)) => (true, text),
            Some((b'-', text)) => (false, text),
            Some(_) => return Err(ReplyError::Malformed),
        };
        let text = String::from_utf8_lossy(text);
        let split = Enhanced::split(&text).filter(|(e, _)| u16::from(e.class) == code / 100);
        let mut text = &*text;
        if let Some((enhanced, rest)) = split {
            if self.lines == 0 {
                self.enhanced = Some(enhanced);
            }
            if self.enhanced == Some(enhanced) {
                text = rest;
            }
        }
        if self.lines > 0 {
            self.text.push('\n');
        }
        self.text.push_str(text);
        self.code = Some(code);
        self.lines += 1;
        Ok(last.then_some(code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Vec<Result<Reply, ReplyError>> {
        let (mut reader, mut input, mut replies) = (ReplyReader::default(), Input::new(), Vec::new());
        for piece in octets.chunks(7) {
            input.push(piece);
            loop {
                match reader.next(&mut input) {
                    Ok(Some(reply)) => replies.push(Ok(reply)),
                    Ok(None) => break,
                    Err(e) => {
                        replies.push(Err(e));
                        return replies;
                    }
                }
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
            assert_eq!(read(&wire), [Ok(reply)], "{}", String::from_utf8_lossy(&wire));
        }
    }

    #[test]
    fn text_forges_no_line() {
        let mut wire = Vec::new();
        write(&Reply::plain(550, "a\r\r250 ok\0\u{e9}"), &mut wire);
        assert_eq!(wire, "550 a??250 ok?\u{e9}\r\n".as_bytes());
    }

    #[test]
    fn lenient_where_it_does_no_harm() {
        assert_eq!(read(b"250\r\n"), [Ok(Reply::plain(250, ""))]);
        assert_eq!(read(b"250-a\n250 b\n"), [Ok(Reply::plain(250, "a\nb"))]);
        assert_eq!(read(b"250 \xff\r\n"), [Ok(Reply::plain(250, "\u{fffd}"))]);
        assert_eq!(read(b"250 2.1.0 a\r\n550 x\r\n").len(), 2);
        // A status code of another class is text.
        assert_eq!(read(b"250 5.1.1 a\r\n"), [Ok(Reply::plain(250, "5.1.1 a"))]);
        assert_eq!(read(b"550-5.1.1 a\r\n550 5.7.1 b\r\n"), [Ok(Reply::new(550, 1, 1, "a\n5.7.1 b"))]);
    }

    #[test]
    fn nonsense_is_told_apart() {
        for bad in
            [&b"\r\n"[..], b"25\r\n", b"2x0 a\r\n", b"250:a\r\n", b"150 a\r\n", b"600 a\r\n", b"250-a\r\n251 b\r\n"]
        {
            assert_eq!(read(bad), [Err(ReplyError::Malformed)]);
        }
    }

    #[test]
    fn caps_hold() {
        for (n, fits) in [(-1, true), (0, true), (1, false)] {
            let octets = SMTP_REPLY_LINE_OCTETS_MAX.checked_add_signed(n).unwrap();
            let line = [b"250 ".to_vec(), vec![b'x'; octets - 6], b"\r\n".to_vec()].concat();
            assert_eq!(read(&line).first().unwrap().is_ok(), fits, "{octets}");
            let lines = SMTP_REPLY_LINES_MAX.checked_add_signed(n).unwrap();
            let reply = "250-x\r\n".repeat(lines - 1) + "250 x\r\n";
            assert_eq!(read(reply.as_bytes()).first().unwrap().is_ok(), fits, "{lines}");
        }
        assert_eq!(read(&[b'2'; SMTP_REPLY_LINE_OCTETS_MAX + 8]), [Err(ReplyError::TooLong)]);
    }
}
