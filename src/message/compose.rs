//! Writes messages: header fields folded and encoded, and plain text messages, strictly by RFC 5322 and MIME.
//!
//! What a caller gives cannot break out of its field: line ends in values become spaces or are encoded.

use super::encoded_word::encode;
use super::mime::quoted_printable_encode;
use crate::base::limits::LINE_OCTETS_MAX;
use crate::base::{Address, Timestamp, quoted};

/// Lines are folded to stay at or below this (RFC 5322 §2.1.1), where white space allows.
const FOLD_COLUMN: usize = 78;

/// A header under construction.
#[derive(Debug, Clone, Default)]
pub struct HeaderWriter {
    octets: Vec<u8>,
}

impl HeaderWriter {
    /// An empty header.
    pub fn new() -> HeaderWriter {
        HeaderWriter::default()
    }

    /// Adds a structured field whose value is right as it stands; folds it at its spaces.
    pub fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.octets.extend_from_slice(name.as_bytes());
        self.octets.push(b':');
        let mut column = name.len() + 1;
        for word in value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()) {
            if column + 1 + word.len() > FOLD_COLUMN && column > name.len() + 1 {
                self.octets.extend_from_slice(b"\r\n");
                column = 0;
            }
            self.octets.push(b' ');
            self.octets.extend_from_slice(word.as_bytes());
            column += 1 + word.len();
        }
        self.octets.extend_from_slice(b"\r\n");
        self
    }

    /// Adds an unstructured field (Subject, Comments), encoded where it is not plain ASCII.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.field(name, &encode(text))
    }

    /// Adds an address list; nothing, where it is empty.
    pub fn addresses(&mut self, name: &str, list: &[Correspondent]) -> &mut Self {
        if list.is_empty() {
            return self;
        }
        let value: Vec<String> = list.iter().map(Correspondent::written).collect();
        self.field(name, &value.join(", "))
    }

    /// The fields, each ending in CRLF, without the empty line.
    pub fn finish(self) -> Vec<u8> {
        self.octets
    }
}

/// Somebody in From, To, Cc: an address, and perhaps a display name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correspondent {
    /// Display name; empty for none.
    pub name: String,
    /// Address.
    pub address: Address,
}

impl Correspondent {
    /// As it stands in an address list; UTF-8 where the address itself is beyond ASCII (RFC 6532).
    pub fn written(&self) -> String {
        let address = self.address.to_ascii().unwrap_or_else(|| self.address.to_string());
        if self.name.is_empty() {
            return address;
        }
        format!("{} <{address}>", phrase(&self.name))
    }
}

/// A display name: atoms as they are, other ASCII quoted, the rest as encoded words.
pub fn phrase(name: &str) -> String {
    let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~ ".contains(c);
    let encoded = encode(name);
    if encoded != name || name.chars().all(atom) {
        return encoded.into_owned();
    }
    quoted::quoted(name)
}

/// A plain text message to be written.
#[derive(Debug, Clone)]
pub struct Draft {
    /// From.
    pub from: Correspondent,
    /// To.
    pub to: Vec<Correspondent>,
    /// Cc.
    pub cc: Vec<Correspondent>,
    /// Subject.
    pub subject: String,
    /// Date.
    pub date: Timestamp,
    /// Message-ID without angle brackets.
    pub message_id: String,
    /// Message-ID of what it answers, without angle brackets; empty for none.
    pub in_reply_to: String,
    /// Text; line ends of any kind.
    pub text: String,
}

impl Draft {
    /// The message, lines ending in CRLF.
    pub fn compose(&self) -> Vec<u8> {
        let mut header = HeaderWriter::new();
        header.field("Date", &self.date.rfc5322());
        header.addresses("From", std::slice::from_ref(&self.from));
        header.addresses("To", &self.to).addresses("Cc", &self.cc);
        header.field("Message-ID", &format!("<{}>", self.message_id));
        if !self.in_reply_to.is_empty() {
            header.field("In-Reply-To", &format!("<{}>", self.in_reply_to));
            header.field("References", &format!("<{}>", self.in_reply_to));
        }
        header.text("Subject", &self.subject);
        let text = with_crlf(&self.text);
        let fits = text.is_ascii() && text.split("\r\n").all(|line| line.len() <= LINE_OCTETS_MAX);
        let charset = if text.is_ascii() { "us-ascii" } else { "utf-8" };
        header.field("MIME-Version", "1.0");
        header.field("Content-Type", &format!("text/plain; charset={charset}"));
        header.field("Content-Transfer-Encoding", if fits { "7bit" } else { "quoted-printable" });
        let mut message = header.finish();
        message.extend_from_slice(b"\r\n");
        if fits {
            message.extend_from_slice(text.as_bytes());
        } else {
            message.extend(quoted_printable_encode(text.as_bytes()));
        }
        message
    }
}

/// Text with CRLF for every CR, LF or CRLF, ending in one unless it is empty.
fn with_crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32 + 2);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                let _ = chars.next_if_eq(&'\n');
                out.push_str("\r\n");
            }
            '\n' => out.push_str("\r\n"),
            c => out.push(c),
        }
    }
    if !out.is_empty() && !out.ends_with('\n') {
        out.push_str("\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{addresses, fields, scan};

    fn correspondent(name: &str, address: &str) -> Correspondent {
        Correspondent { name: name.to_owned(), address: Address::parse(address).unwrap() }
    }

    fn draft(subject: &str, text: &str) -> Draft {
        Draft {
            from: correspondent("Jürgen Müller", "juergen@example.org"),
            to: vec![correspondent("Smith, \"Bob\"", "bob@example.net"), correspondent("", "x@y")],
            cc: Vec::new(),
            subject: subject.to_owned(),
            date: Timestamp(0),
            message_id: "1@example.org".to_owned(),
            in_reply_to: String::new(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn composes_what_it_reads() {
        let message = draft("Größe", "Hello\nworld ä").compose();
        assert!(message.is_ascii());
        let structure = scan(&message);
        let root = structure.root().unwrap();
        let envelope = root.envelope.as_ref().unwrap();
        assert_eq!(super::super::encoded_word::decode(envelope.subject.as_ref().unwrap()), "Größe");
        let to = addresses(envelope.to.as_ref().unwrap());
        let crate::message::ListItem::Mailbox(bob) = &to[0] else { panic!("{to:?}") };
        assert_eq!((bob.name.as_deref(), bob.domain.as_slice()), (Some(&b"Smith, \"Bob\""[..]), &b"example.net"[..]));
        assert_eq!(to.len(), 2);
        assert_eq!(message.get(root.body.start as usize..), Some(&b"Hello\r\nworld =C3=A4\r\n"[..]));
    }

    #[test]
    fn values_stay_in_their_fields() {
        let message = draft("a\r\nBcc: evil@x", "\r.\n").compose();
        assert!(!fields(&message).any(|f| f.is("bcc")));
        let mut header = HeaderWriter::new();
        header.field("X", "a\r\nBcc: b");
        assert_eq!(header.finish(), b"X: a Bcc: b\r\n");
    }

    #[test]
    fn long_fields_are_folded() {
        let mut header = HeaderWriter::new();
        let list: Vec<_> = (0..50).map(|i| correspondent("", &format!("somebody{i}@example.org"))).collect();
        header.addresses("To", &list);
        header.text("Subject", &"wörd ".repeat(50));
        let written = header.finish();
        assert!(written.split(|c| *c == b'\n').all(|line| line.len() <= FOLD_COLUMN + 1));
        assert_eq!(addresses(&fields(&written).next().unwrap().value()).len(), 50);
    }
}
