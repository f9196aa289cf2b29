//! Odd messages signed by either side, half of them changed on the way: the verdicts must agree.

use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization as TheirForm, DkimSigner};
use mail_auth::{AuthenticatedMessage, DkimResult as Their, MessageAuthenticator};
use mailcore::base::Timestamp;
use mailcore::mailauth::dkim::{Algorithm, Canonicalization, DkimResult, DkimVerdict, Signer, SigningKey};
use mailcore::mailauth::{Checks, Verifier};
use mailcore::message::header::{self, header_len};

use crate::Tally;
use crate::keys::{Key, Theirs};
use crate::known::{BEHIND_PADDING, NO_FIELD, WHITE_BEFORE_COLON, WHITE_FIRST_LINE, WHITE_LAST_LINES};
use crate::messages::message;
use crate::random::Random;
use crate::zone::Zone;

/// The clock of mail-auth is the real one, so a signature must not be from the future.
pub const NOW: i64 = 1_700_000_000;
/// Fields whose tags are base64.
const SIGNED_FIELDS: [&str; 3] = ["DKIM-Signature", "ARC-Message-Signature", "ARC-Seal"];
const FORMS: [Canonicalization; 2] = [Canonicalization::Simple, Canonicalization::Relaxed];

pub fn compare(theirs: &MessageAuthenticator, random: &mut Random, rounds: usize) -> Tally {
    let keys = [Algorithm::RsaSha256, Algorithm::Ed25519Sha256].map(Key::generate);
    let mut zone = Zone::default();
    for (selector, key) in ["rsa", "ed"].iter().zip(&keys) {
        zone.text(&format!("{selector}._domainkey.example.org"), &key.record);
    }
    let mut tally = Tally::default();
    while tally.compared < rounds {
        let (header, body) = message(random);
        let whole = format!("{header}\r\n{body}");
        let forms = (FORMS[random.below(2)], FORMS[random.below(2)]);
        // RSA signs slowly; most of what can differ is the same for both.
        let which = usize::from(!random.chance(20));
        let signature = if random.chance(50) {
            ours_signs(&keys[which].ours, which, forms, &header, &body)
        } else {
            let with_length = forms.1 == Canonicalization::Simple && counts_alike(&body) && random.chance(30);
            theirs_signs(&keys[which], which, forms, whole.as_bytes(), with_length)
        };
        let mut signed = [signature, whole.into_bytes()].concat();
        let is_changed = random.chance(50);
        if is_changed {
            change(random, &mut signed);
        }
        if let Some(what) = known(forms.1, body.as_bytes(), &signed) {
            tally.leave_out(what);
            continue;
        }
        let ours = ours_verifies(&zone, &signed);
        let said = theirs_verifies(theirs, &zone, &signed);
        if !is_changed && ours != "pass" {
            tally.differences.push(format!("signed and not verified: {ours} {}", String::from_utf8_lossy(&signed)));
        }
        tally.compare(ours, said, || String::from_utf8_lossy(&signed).into_owned());
    }
    tally
}

/// Whether `l=` is the same number before and after canonicalization: text, and one line end.
fn counts_alike(body: &str) -> bool {
    body.strip_suffix("\r\n").is_some_and(|text| !text.is_empty() && !text.ends_with("\r\n"))
}

/// Which case of `KNOWN` a message is, if any; `body` is the one that was signed.
pub fn known(form: Canonicalization, body: &[u8], message: &[u8]) -> Option<&'static str> {
    let (header, changed) = message.split_at(header_len(message).unwrap_or(message.len()));
    let fields: Vec<_> = header::fields(header).collect();
    let is_white_before_colon = |field: &header::Field| field.raw.get(field.name.len()) != Some(&b':');
    let goes_on = |field: &header::Field| {
        SIGNED_FIELDS.iter().any(|name| field.is(name)) && field.body.split(|c| *c == b';').any(is_padded_on)
    };
    if form == Canonicalization::Relaxed && (ends_white(body) || ends_white(changed)) {
        Some(WHITE_LAST_LINES)
    } else if header.starts_with(b" ") {
        Some(WHITE_FIRST_LINE)
    } else if fields.iter().any(|field| field.name.is_empty()) {
        Some(NO_FIELD)
    } else if fields.iter().any(is_white_before_colon) {
        Some(WHITE_BEFORE_COLON)
    } else if fields.iter().any(goes_on) {
        Some(BEHIND_PADDING)
    } else {
        None
    }
}

/// Whether one of the last lines without text has white space.
fn ends_white(body: &[u8]) -> bool {
    let lines = body.rsplit(|c| *c == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.take_while(|line| line.trim_ascii().is_empty()).any(|line| !line.is_empty())
}

/// Whether a tag is base64 with anything behind its padding.
fn is_padded_on(tag: &[u8]) -> bool {
    let tag: Vec<u8> = tag.iter().copied().filter(|c| !c.is_ascii_whitespace()).collect();
    let Some(value) = tag.strip_prefix(b"b=").or(tag.strip_prefix(b"bh=")) else { return false };
    value.iter().skip_while(|c| **c != b'=').any(|c| *c != b'=')
}

fn ours_signs(
    key: &SigningKey,
    which: usize,
    forms: (Canonicalization, Canonicalization),
    header: &str,
    body: &str,
) -> Vec<u8> {
    let signer =
        Signer { header: forms.0, body: forms.1, ..Signer::new("example.org", ["rsa", "ed"][which], key.clone()) };
    let mut signing = signer.begin();
    signing.push(body.as_bytes());
    signing.finish(header.as_bytes(), Timestamp::from_seconds(NOW)).expect("signed")
}

fn theirs_signs(
    key: &Key,
    which: usize,
    forms: (Canonicalization, Canonicalization),
    whole: &[u8],
    with_length: bool,
) -> Vec<u8> {
    let form = |form| if form == Canonicalization::Simple { TheirForm::Simple } else { TheirForm::Relaxed };
    macro_rules! sign {
        ($key:expr) => {
            DkimSigner::from_key($key)
                .domain("example.org")
                .selector(["rsa", "ed"][which])
                .headers(["From", "To", "Subject", "Date", "From"])
                .header_canonicalization(form(forms.0))
                .body_canonicalization(form(forms.1))
                .body_length(with_length)
                .sign(whole)
                .expect("signed")
                .to_header()
                .into_bytes()
        };
    }
    match key.theirs() {
        Theirs::Rsa(key) => sign!(key),
        Theirs::Ed25519(key) => sign!(key),
    }
}

/// One change, of the kind that relays and attackers make.
pub fn change(random: &mut Random, message: &mut Vec<u8>) {
    let at = random.below(message.len());
    match random.below(7) {
        0 => message[at] = b'x',
        1 => message.insert(at, b' '),
        2 => drop(message.remove(at)),
        3 => message.extend_from_slice(random.pick::<[u8]>(&[b"\r\n", b"more\r\n", b" ", b"\r\n\r\nx"])),
        4 => {
            let field = random.pick(&["From: b@evil.example\r\n", "Subject: y\r\n", "X-Added: z\r\n"]);
            message.splice(0..0, field.bytes());
        }
        5 => {
            let end = header_len(message).unwrap_or(2) - 2;
            let field = random.pick(&["From: b@evil.example\r\n", "Subject: y\r\n", "X-Added: z\r\n"]);
            message.splice(end..end, field.bytes());
        }
        _ => message[at] = message[at].to_ascii_uppercase(),
    }
    // Line ends stay whole.
    let mut text: Vec<u8> = message.iter().copied().filter(|c| *c != b'\r').collect();
    message.clear();
    for octet in text.drain(..) {
        if octet == b'\n' {
            message.push(b'\r');
        }
        message.push(octet);
    }
}

fn ours_verifies(zone: &Zone, message: &[u8]) -> &'static str {
    let (header, body) = message.split_at(header_len(message).unwrap_or(message.len()));
    let mut verifier = Verifier::new(header, Checks::default());
    verifier.push(body);
    let (verdicts, _) = smol::block_on(verifier.finish(zone, Timestamp::from_seconds(NOW)));
    let passes = |v: &DkimVerdict| v.result == DkimResult::Pass || v.why.contains("octets of the body are not signed");
    word(verdicts.iter().any(passes))
}

fn theirs_verifies(theirs: &MessageAuthenticator, zone: &Zone, message: &[u8]) -> &'static str {
    // Not strict: strictly it refuses every `l=`.
    let Some(message) = AuthenticatedMessage::parse_with_opts(message, None, false) else { return word(false) };
    let output = smol::block_on(theirs.verify_dkim(zone.parameters(&message)));
    word(output.iter().any(|o| *o.result() == Their::Pass))
}

fn word(passes: bool) -> &'static str {
    if passes { "pass" } else { "no pass" }
}
