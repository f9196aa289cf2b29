//! FETCH responses and their small items (RFC 9051 §7.5.2). Strings and bodies are written by the caller.

use crate::base::{BlobId, Flags, ModSeq, Timestamp, Uid};
use crate::imap::response::number;

/// A FETCH response being written: `* n FETCH (` item SP item `)` CRLF.
pub struct Response<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Response<'a> {
    /// Begins the response for the message at `place`.
    pub fn begin(out: &'a mut Vec<u8>, place: usize) -> Self {
        out.extend_from_slice(b"* ");
        number(out, place as u64 + 1);
        out.extend_from_slice(b" FETCH (");
        Self { out, first: true }
    }

    /// The same for a client without message numbers (RFC 9586).
    pub fn begin_uid(out: &'a mut Vec<u8>, uid: Uid) -> Self {
        out.extend_from_slice(b"* ");
        number(out, uid);
        out.extend_from_slice(b" UIDFETCH (");
        Self { out, first: true }
    }

    /// Goes on with a response begun before; `first` where it has no item yet.
    pub fn resume(out: &'a mut Vec<u8>, first: bool) -> Self {
        Self { out, first }
    }

    /// As [`Response::item`], for a value that is written from elsewhere.
    pub fn item_out(mut self, name: &[u8]) -> &'a mut Vec<u8> {
        self.item(name);
        self.out
    }

    /// The name of the next item, a space in front and behind; the value goes into what is given back.
    pub fn item(&mut self, name: &[u8]) -> &mut Vec<u8> {
        if !self.first {
            self.out.push(b' ');
        }
        self.first = false;
        self.out.extend_from_slice(name);
        self.out.push(b' ');
        self.out
    }

    /// UID
    pub fn uid(&mut self, uid: Uid) {
        number(self.item(b"UID"), uid);
    }

    /// FLAGS
    pub fn flags(&mut self, flags: Flags, keywords: &[String], recent: bool) {
        let write = if recent { super::flags::recent_list } else { super::flags::list };
        write(self.item(b"FLAGS"), flags, keywords);
    }

    /// MODSEQ
    pub fn mod_seq(&mut self, mod_seq: ModSeq) {
        let out = self.item(b"MODSEQ");
        out.push(b'(');
        number(out, mod_seq);
        out.push(b')');
    }

    /// INTERNALDATE
    pub fn internal_date(&mut self, date: Timestamp) {
        let out = self.item(b"INTERNALDATE");
        out.push(b'"');
        out.extend_from_slice(date.imap().as_bytes());
        out.push(b'"');
    }

    /// RFC822.SIZE
    pub fn size(&mut self, octets: u64) {
        number(self.item(b"RFC822.SIZE"), octets);
    }

    /// EMAILID: the body's id, which all copies share (RFC 8474 §5.1).
    pub fn email_id(&mut self, blob: BlobId) {
        let out = self.item(b"EMAILID");
        out.extend_from_slice(b"(M");
        number(out, blob.0.unsigned_abs());
        out.push(b')');
    }

    /// Ends the response.
    pub fn end(self) {
        self.out.extend_from_slice(b")\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items() {
        let mut out = Vec::new();
        let mut response = Response::begin(&mut out, 22);
        response.uid(4_827_313);
        response.flags(Flags::SEEN, &[], true);
        response.mod_seq(624_140_003);
        response.internal_date(Timestamp::from_civil(1996, 7, 1, 2, 44, 25));
        response.size(44_827);
        response.end();
        let want = "* 23 FETCH (UID 4827313 FLAGS (\\Recent \\Seen) MODSEQ (624140003) \
                    INTERNALDATE \" 1-Jul-1996 02:44:25 +0000\" RFC822.SIZE 44827)\r\n";
        assert_eq!(String::from_utf8_lossy(&out), want);
    }
}
