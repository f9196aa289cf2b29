//! Where foreign octets enter: one function a parser, called by a fuzz target each (`fuzz_targets/`) and, over seeded
//! mutations, by `tests/fuzz_entries.rs`. A function may return whatever it likes; it may not panic or hang.

use std::future::ready;
use std::time::Duration;

use mailcore::base::Timestamp;
use mailcore::base::world::{BoxFuture, DnsAnswer, NoRecords, Record, RecordKind, Resolver};
use mailcore::mailauth::dmarc::DmarcRecord;
use mailcore::mailauth::results::{AuthenticationResults, is_foreign};
use mailcore::mailauth::{Checks, Verifier, spf};
use mailcore::message::header;
use mailcore::{dsn, feedback, imap, message, pop3, smtp};

/// What an entry is called, the entry, and something that is well-formed for it.
pub type Entry = (&'static str, fn(&[u8]), &'static [u8]);

/// All of them.
pub const ENTRIES: &[Entry] = &[
    ("spf_record", spf_record, b"v=spf1 +a/24//64 mx:x.example ?ptr ~ip4:192.0.2.0/24 include:%{d2}.y -all exp=e.x redirect=r.x"),
    ("spf_macro", spf_macro, b"%{ir}.%{v}._spf.%{d2} %{S}%%%_%- %{l1r-} %{t}"),
    ("dkim_signature", dkim_signature, SIGNATURE),
    ("dkim_key", dkim_key, b"v=DKIM1; k=ed25519; h=sha256; s=email:*; t=y:s; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
    ("dmarc_record", dmarc_record, b"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; pct=20; t=y; rua=mailto:a@b.c!10m; psd=n"),
    ("arc_header", arc_header, b"ARC-Seal: i=1; a=rsa-sha256; cv=none; d=x; s=s; b=AA\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=x; s=s; h=From; bh=AA; b=AA\r\nARC-Authentication-Results: i=1; x; spf=pass\r\nFrom: a@x\r\n"),
    ("authentication_results", authentication_results, b" mx.example 1; spf=pass (c) smtp.mailfrom=a@b.c; dkim=fail reason=\"x\" header.d=b.c; dmarc=none"),
    ("aggregate_report", aggregate_report, b"<?xml version=\"1.0\"?><feedback><report_metadata><org_name>o</org_name><email>e</email><report_id>1</report_id><date_range><begin>1</begin><end>2</end></date_range></report_metadata><policy_published><domain>d</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip><count>2</count></row></record></feedback>"),
    ("aggregate_letter", aggregate_letter, b"Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64\r\n\r\nH4sIAAAAAAAAA8tIzcnJBwCGphA2BQAAAA==\r\n"),
    ("smtp_command", smtp_command, b"MAIL FROM:<a@example.org> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=x+20y"),
    ("pop3_command", pop3_command, b"AUTH PLAIN AGEAYg=="),
    ("imap_command", imap_command, b"a1 UID FETCH 1:*,5 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (From To)]<0.100> MODSEQ) (CHANGEDSINCE 5)\r\n"),
    ("header_fields", header_fields, b"From: a\r\nSubject: =?utf-8?q?x?=\r\n folded\r\n\r\n"),
    ("mime_structure", mime_structure, b"Content-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny\r\n--b--\r\n"),
    ("address_list", address_list, b"\"A, B\" <a@[192.0.2.1]>, group: b@c.d, (c) e@f.g (d);, =?utf-8?q?x?= <@r:h@i.j>"),
    ("report", report, b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns;x\r\n\r\nFinal-Recipient: rfc822;a@b\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n"),
];

const SIGNATURE: &[u8] =
    b" v=1; a=ed25519-sha256; c=relaxed/simple; d=example.org; s=sel; i=a@example.org; t=1; x=9; l=0; q=dns/txt;\r\n\
    \th=From:To:Subject; z=From:a=20b; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA";

/// Says the same to every question.
struct Text(Vec<u8>);

impl Resolver for Text {
    fn ask(&self, _: &str, kind: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        let records = match kind {
            RecordKind::Txt => Ok(vec![Record::Txt(self.0.clone())]),
            _ => Err(NoRecords::NxDomain),
        };
        Box::pin(ready(DnsAnswer { records, ttl: Duration::ZERO, secure: false }))
    }
}

pub fn spf_record(octets: &[u8]) {
    let query = spf::Query {
        ip: [192, 0, 2, 1].into(),
        helo: "client.example".to_owned(),
        sender_local: "a.b".to_owned(),
        sender_domain: "example.org".to_owned(),
        receiver: "mx.example".to_owned(),
        now: Timestamp(0),
    };
    smol::block_on(spf::check(&Text(octets.to_vec()), &query));
}

pub fn spf_macro(octets: &[u8]) {
    spf_record(&[b"v=spf1 exists:", octets, b".%{d} -all exp=", octets, b".%{d}"].concat());
}

fn verify(header: &[u8], key: &[u8]) {
    let mut verifier = Verifier::new(header, Checks::default());
    verifier.push(b" body \r\n");
    smol::block_on(verifier.finish(&Text(key.to_vec()), Timestamp(0)));
}

pub fn dkim_signature(octets: &[u8]) {
    verify(&[b"DKIM-Signature:", octets, b"\r\nFrom: a@example.org\r\n"].concat(), b"v=DKIM1; p=");
}

pub fn dkim_key(octets: &[u8]) {
    verify(&[b"DKIM-Signature:", SIGNATURE, b"\r\nFrom: a@example.org\r\n"].concat(), octets);
}

pub fn dmarc_record(octets: &[u8]) {
    let _ = DmarcRecord::parse(octets);
}

pub fn arc_header(octets: &[u8]) {
    let mut verifier = Verifier::new(octets, Checks::default());
    verifier.push(b"body\r\n");
    smol::block_on(verifier.finish(&Text(b"v=DKIM1; p=".to_vec()), Timestamp(0)));
}

pub fn authentication_results(octets: &[u8]) {
    let _ = AuthenticationResults::parse(octets);
    let field = [b"Authentication-Results:", octets, b"\r\n"].concat();
    for field in header::fields(&field) {
        let _ = is_foreign(&field, "mx.example");
    }
}

pub fn aggregate_report(octets: &[u8]) {
    if let Ok(report) = feedback::parse(octets) {
        let _ = feedback::write(&report);
    }
}

pub fn aggregate_letter(octets: &[u8]) {
    let _ = feedback::unpack(octets);
    let _ = feedback::read(octets);
}

pub fn smtp_command(octets: &[u8]) {
    if let Some((verb, rest)) = smtp::command::verb(octets) {
        let _ = smtp::command::arguments(verb, rest);
    }
}

pub fn pop3_command(octets: &[u8]) {
    let _ = pop3::command::parse(octets, pop3::command::State::Authorization);
    let _ = pop3::command::parse(octets, pop3::command::State::Transaction);
}

pub fn imap_command(octets: &[u8]) {
    let _ = imap::parse::command(octets, false);
    let _ = imap::parse::command(octets, true);
}

pub fn header_fields(octets: &[u8]) {
    for field in header::fields(octets) {
        let _ = (field.value(), message::encoded_word::decode(field.body), message::date::date(field.body));
        let _ = (message::parameter::parse(field.body), message::message_id::message_ids(field.body));
    }
}

pub fn mime_structure(octets: &[u8]) {
    let structure = message::scanner::scan(octets);
    let _ = message::table::PartTable::of(&structure).encode();
}

pub fn address_list(octets: &[u8]) {
    let _ = message::address_list::addresses(octets);
    let _ = message::address_list::mailboxes(octets).count();
}

pub fn report(octets: &[u8]) {
    let _ = (dsn::parse(octets), dsn::parse_status(octets));
}
