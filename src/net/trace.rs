//! A trace of what both ends of a connection say, a line each, for who looks into a dialog. Secrets become stars, and
//! the octets of messages a count.
//!
//! Lines are cut at `EVENT_TEXT_OCTETS_MAX`; what a connection holds of them is bounded.

use crate::base::limits::{EVENT_TEXT_OCTETS_MAX, TRACE_LINE_OCTETS_MAX};
use crate::base::settings::Service;

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Side {
    /// `C` or `S`.
    pub fn letter(self) -> &'static str {
        if self == Side::Client { "C" } else { "S" }
    }
}

/// Follows one connection.
pub struct Trace {
    protocol: &'static str,
    say: Box<dyn FnMut(Side, String) + Send>,
    client: Lines,
    server: Lines,
    /// The next line of the client is a secret.
    secret: bool,
    /// A login of IMAP is under way, so that `+` asks for a secret.
    authenticates: bool,
    /// The next line of the client goes on with a LOGIN of IMAP, behind a literal.
    logs_in: bool,
    /// The server's next positive answer begins a message.
    message_asked: bool,
}

/// One direction.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
    /// Octets of a message that are counted, not shown.
    hidden: Option<Hidden>,
    /// Whether it is a secret.
    is_secret: bool,
}

/// What is not shown.
struct Hidden {
    octets: u64,
    end: End,
}

/// How it ends.
#[derive(PartialEq, Eq)]
enum End {
    /// With a line of one dot.
    Dot,
    /// After so many octets.
    After(u64),
}

const STARS: &str = "***";

impl Trace {
    /// A trace that is told by `say`.
    pub fn new(service: Service, say: impl FnMut(Side, String) + Send + 'static) -> Trace {
        Trace {
            protocol: service.protocol(),
            say: Box::new(say),
            client: Lines::default(),
            server: Lines::default(),
            secret: false,
            authenticates: false,
            logs_in: false,
            message_asked: false,
        }
    }

    /// The connection came under TLS.
    pub fn tls(&mut self, version: &str) {
        (self.say)(Side::Server, format!("({version})"));
    }

    /// Octets that one side has sent.
    pub fn octets(&mut self, side: Side, octets: &[u8]) {
        let mut rest = octets;
        while !rest.is_empty() {
            let lines = if side == Side::Client { &mut self.client } else { &mut self.server };
            if let Some(Hidden { octets, end: End::After(left) }) = &mut lines.hidden {
                let n = (*left).min(rest.len() as u64);
                *octets += n;
                *left -= n;
                rest = rest.get(n as usize..).unwrap_or_default();
                if *left == 0 {
                    self.shown(side);
                }
                continue;
            }
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (piece, behind) = rest.split_at(end);
            rest = behind;
            let room = TRACE_LINE_OCTETS_MAX.saturating_sub(lines.line.len());
            lines.line.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
            if piece.ends_with(b"\n") {
                self.line(side);
            }
        }
    }

    /// What was hidden is over.
    fn shown(&mut self, side: Side) {
        let lines = if side == Side::Client { &mut self.client } else { &mut self.server };
        let is_secret = std::mem::take(&mut lines.is_secret);
        if let Some(hidden) = lines.hidden.take() {
            let text = if is_secret { STARS.to_owned() } else { format!("({} octets)", hidden.octets) };
            (self.say)(side, text);
        }
    }

    fn line(&mut self, side: Side) {
        let lines = if side == Side::Client { &mut self.client } else { &mut self.server };
        let line = std::mem::take(&mut lines.line);
        if let Some(Hidden { octets, end: End::Dot }) = &mut lines.hidden {
            if line != b".\r\n" && line != b".\n" {
                *octets += line.len() as u64;
                return;
            }
            self.shown(side);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        match side {
            Side::Client => self.client_line(text),
            Side::Server => self.server_line(text),
        }
    }

    fn client_line(&mut self, line: &str) {
        if std::mem::take(&mut self.secret) {
            return (self.say)(Side::Client, STARS.to_owned());
        }
        if std::mem::take(&mut self.logs_in) {
            if let Some(literal) = literal_of(line) {
                self.hide_login(literal);
            }
            return (self.say)(Side::Client, if line.is_empty() { String::new() } else { STARS.to_owned() });
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let at = usize::from(self.protocol == "imap");
        let verb = words.get(at).map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
        // How many words may be shown.
        let shown = match (self.protocol, verb.as_str()) {
            ("smtp" | "lmtp" | "pop3", "AUTH") => 2,
            ("pop3", "PASS") => 1,
            ("pop3", "APOP") => 2,
            ("imap", "AUTHENTICATE") => 3,
            ("imap", "LOGIN") => 3,
            _ => usize::MAX,
        };
        self.authenticates = verb == "AUTHENTICATE";
        self.message_asked = self.protocol == "pop3" && matches!(verb.as_str(), "RETR" | "TOP");
        if let Some(literal) = literal_of(line).filter(|_| self.protocol == "imap") {
            if verb == "LOGIN" {
                self.hide_login(literal);
            } else {
                self.client.hidden = Some(Hidden { octets: 0, end: End::After(literal) });
            }
        } else if verb == "BDAT"
            && let Some(octets) = words.get(1).and_then(|octets| octets.parse().ok()).filter(|octets| *octets > 0)
        {
            self.client.hidden = Some(Hidden { octets: 0, end: End::After(octets) });
        }
        let kept: Vec<&str> = words.iter().take(shown).copied().collect();
        let stars = if words.len() > shown { format!(" {STARS}") } else { String::new() };
        (self.say)(Side::Client, format!("{}{stars}", cut(&kept.join(" "))));
    }

    /// A literal of LOGIN: it and what follows are secret.
    fn hide_login(&mut self, octets: u64) {
        self.logs_in = true;
        self.client.is_secret = true;
        self.client.hidden = Some(Hidden { octets: 0, end: End::After(octets) });
    }

    fn server_line(&mut self, line: &str) {
        (self.say)(Side::Server, cut(line));
        match self.protocol {
            "imap" => {
                self.secret = self.authenticates && line.starts_with('+');
                if let Some(octets) = literal_of(line) {
                    self.server.hidden = Some(Hidden { octets: 0, end: End::After(octets) });
                }
            }
            "pop3" => {
                self.secret = line.starts_with("+ ");
                if std::mem::take(&mut self.message_asked) && line.starts_with("+OK") {
                    self.server.hidden = Some(Hidden { octets: 0, end: End::Dot });
                }
            }
            _ if line.starts_with("334") => self.secret = true,
            _ if line.starts_with("354") => self.client.hidden = Some(Hidden { octets: 0, end: End::Dot }),
            _ => {}
        }
    }
}

/// The octets of the literal that a line of IMAP ends with.
fn literal_of(line: &str) -> Option<u64> {
    let (_, number) = line.strip_suffix('}')?.rsplit_once('{')?;
    number.trim_end_matches('+').parse().ok().filter(|octets| *octets > 0)
}

/// A line, cut where it is long.
fn cut(line: &str) -> String {
    line.chars().take(EVENT_TEXT_OCTETS_MAX / 4).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is said of a dialog, whose lines begin with their side.
    fn traced(service: Service, dialog: &[&str]) -> Vec<String> {
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&said);
        let mut trace = Trace::new(service, move |side, line| {
            heard.lock().unwrap().push(format!("{} {line}", side.letter()));
        });
        for piece in dialog {
            let side = if piece.starts_with('C') { Side::Client } else { Side::Server };
            // Octet by octet: where pieces end does not matter.
            piece.as_bytes()[2..].iter().for_each(|octet| trace.octets(side, &[*octet]));
        }

        said.lock().unwrap().clone()
    }

    #[test]
    fn smtp() {
        let dialog = [
            "S 220 mx\r\n",
            "C AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n",
            "S 235 in\r\n",
            "C AUTH LOGIN\r\n",
            "S 334 VXNlcm5hbWU6\r\n",
            "C Ym9i\r\n",
            "C DATA\r\n",
            "S 354 go\r\n",
            "C Subject: secret\r\n\r\n..\r\n.\r\nBDAT 5 LAST\r\nab\r\ncQUIT\r\n",
            "S 221 bye\r\n",
        ];
        let wanted = [
            "S 220 mx",
            "C AUTH PLAIN ***",
            "S 235 in",
            "C AUTH LOGIN",
            "S 334 VXNlcm5hbWU6",
            "C ***",
            "C DATA",
            "S 354 go",
            "C (23 octets)",
            "C .",
            "C BDAT 5 LAST",
            "C (5 octets)",
            "C QUIT",
            "S 221 bye",
        ];
        assert_eq!(traced(Service::Mx, &dialog), wanted);
    }

    #[test]
    fn pop3() {
        let dialog = [
            "C USER bob\r\nPASS a b c\r\n",
            "S +OK\r\n",
            "C AUTH PLAIN\r\n",
            "S + \r\n",
            "C secret\r\n",
            "C RETR 1\r\n",
            "S +OK 9 octets\r\nSecret\r\n.\r\n",
        ];
        let wanted = [
            "C USER bob",
            "C PASS ***",
            "S +OK",
            "C AUTH PLAIN",
            "S + ",
            "C ***",
            "C RETR 1",
            "S +OK 9 octets",
            "S (8 octets)",
            "S .",
        ];
        assert_eq!(traced(Service::Pop3, &dialog), wanted);
    }

    #[test]
    fn imap() {
        let dialog = [
            "C a LOGIN bob secret\r\n",
            "C b LOGIN {3}\r\n",
            "S + OK\r\n",
            "C bob secret\r\n",
            "C c AUTHENTICATE PLAIN\r\n",
            "S + \r\n",
            "C AGJvYgBzZWNyZXQ=\r\n",
            "C d IDLE\r\n",
            "S + idling\r\n",
            "C DONE\r\n",
            "C e FETCH 1 BODY[]\r\n",
            "S * 1 FETCH (BODY[] {4}\r\nabcd)\r\n",
        ];
        let wanted = [
            "C a LOGIN bob ***",
            "C b LOGIN {3}",
            "S + OK",
            "C ***",
            "C ***",
            "C c AUTHENTICATE PLAIN",
            "S + ",
            "C ***",
            "C d IDLE",
            "S + idling",
            "C DONE",
            "C e FETCH 1 BODY[]",
            "S * 1 FETCH (BODY[] {4}",
            "S (4 octets)",
            "S )",
        ];
        assert_eq!(traced(Service::Imap, &dialog), wanted);
    }

    #[test]
    fn long_lines_are_cut() {
        let long = format!("C {}\r\n", "x".repeat(TRACE_LINE_OCTETS_MAX * 3));
        let said = traced(Service::Mx, &[&long]);
        assert!(said.len() == 1 && said[0].len() <= EVENT_TEXT_OCTETS_MAX, "{}", said.len());
    }
}
