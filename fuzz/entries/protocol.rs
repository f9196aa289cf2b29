//! What peers say: SMTP on both sides, POP3, IMAP, SASL.

use mailcore::base::Reply;
use mailcore::base::dialog::Input;
use mailcore::imap::command::ThreadAlgorithm;
use mailcore::imap::framing::{Cut, Framing, tag_of};
use mailcore::imap::thread::{self, Id, Member};
use mailcore::imap::{name, parse};
use mailcore::sasl::{Exchange, Mechanism, client};
use mailcore::smtp::command::{self, Command};
use mailcore::smtp::extension::Extensions;
use mailcore::smtp::extension::table::Offer;
use mailcore::smtp::path::{self, ForwardPath};
use mailcore::smtp::reply::{self, ReplyReader};
use mailcore::{base, pop3};

/// Octets of peers arrive in pieces, in an input with room for this many at least.
const INPUT_OCTETS: usize = 16 * 1024;

/// An address that was read and written reads the same.
pub fn smtp_command(octets: &[u8]) {
    let Some((verb, rest)) = command::verb(octets) else { return };
    let offer = Offer { tls: true, trusted: true, submission: true, no_soliciting: Some(""), ..Offer::default() };
    match command::arguments(verb, rest, &Extensions::offered(&offer)) {
        Ok(Command::Mail(Some(address), _)) => {
            assert_eq!(path::reverse(&address.to_string()).ok(), Some(Some(address)));
        }
        Ok(Command::Rcpt(ForwardPath::Address(address), _)) => {
            assert_eq!(path::forward(&address.to_string()).ok(), Some(ForwardPath::Address(address)));
        }
        Err(refusal) => assert!((500..600).contains(&refusal.code), "{refusal:?}"),
        _ => {}
    }
}

/// The same replies come of pieces of any size; codes that were written read the same; so do the extensions named.
pub fn smtp_reply(octets: &[u8]) {
    let octets = octets.get(..INPUT_OCTETS).unwrap_or(octets);
    let read = |octets: &[u8]| super::in_pieces(octets, replies);
    // Servers write codes of 200 to 599 (RFC 5321 §4.2.1); what else hosts say is only read.
    for found in read(octets).into_iter().filter(|reply| (200..600).contains(&reply.code)) {
        let mut written = Vec::new();
        reply::write(&found, &mut written);
        // Control characters are replaced at the first writing, so the second one is compared.
        let mut again = read(&written);
        assert_eq!(again.len(), 1, "{found:?} -> {}", written.escape_ascii());
        let once = again.remove(0);
        assert_eq!((once.code, once.enhanced), (found.code, found.enhanced), "{}", written.escape_ascii());
        let mut twice = Vec::new();
        reply::write(&once, &mut twice);
        // The text may begin with what looks like a status code of its own, which is read off.
        let codes: Vec<_> = read(&twice).iter().map(|reply| (reply.code, reply.enhanced)).collect();
        assert_eq!(codes, [(once.code, once.enhanced)]);
        let offered = Extensions::parse(&found);
        let text = format!("hello\n{}", offered.announce().join("\n"));
        assert_eq!(Extensions::parse(&Reply { text, ..found }), offered);
    }
}

fn replies(pieces: std::slice::Chunks<'_, u8>) -> Vec<Reply> {
    let (mut reader, mut input, mut found) = (ReplyReader::default(), Input::new(), Vec::new());
    for piece in pieces {
        input.push(piece);
        while let Ok(Some(reply)) = reader.next(&mut input) {
            found.push(reply);
        }
    }
    found.extend(reader.finish());
    found
}

/// No panic; the states differ in what they take only.
pub fn pop3_command(octets: &[u8]) {
    let _ = pop3::command::parse(octets, pop3::command::State::Authorization);
    let _ = pop3::command::parse(octets, pop3::command::State::Transaction);
}

/// Logins from both sides: what clients say to us, and what hosts say to the client. Base64 reads back.
pub fn sasl(octets: &[u8]) {
    for name in ["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"] {
        let mechanism = Mechanism::parse(name).expect(name);
        for initial in [Some(octets), None] {
            let mut exchange = Exchange::new(mechanism, "nonce".to_owned(), Some(b"binding".to_vec()));
            let _ = (exchange.start(initial), exchange.respond(octets), exchange.respond(octets));
        }
    }
    let mut scram = client::Scram::new("user", &base::Secret::new("password"), "nonce", None);
    // Iterations are what costs time; hosts with very many are refused (base::limits).
    let _ = (scram.first(), scram.answer(octets));
    assert!(!scram.is_verified(), "a host without the password is not verified");
    let encoded = mailcore::sasl::encode(octets);
    assert_eq!(mailcore::sasl::decode(encoded.as_bytes()).as_deref(), Some(octets));
}

/// A command that is refused keeps its tag.
pub fn imap_command(octets: &[u8]) {
    for utf8 in [false, true] {
        match parse::command(octets, utf8) {
            Ok(command) => assert_eq!(tag_of(octets).as_deref(), Some(command.tag.as_str())),
            Err(refused) => assert!(refused.tag.is_none() || refused.tag == tag_of(octets), "{refused:?}"),
        }
    }
}

/// As [`imap_command`]: search programs.
pub fn imap_search(octets: &[u8]) {
    imap_command(&[b"a SEARCH ", octets].concat());
    imap_command(&[b"a UID SEARCH RETURN (ALL) ", octets].concat());
}

/// As [`imap_command`]: SORT, THREAD and searches through several mailboxes.
pub fn imap_sort(octets: &[u8]) {
    for verb in [&b"a SORT "[..], b"a UID SORT RETURN (ALL) ", b"a THREAD REFERENCES UTF-8 ", b"a ESEARCH "] {
        imap_command(&[verb, octets].concat());
    }
}

/// Whatever messages say of each other, each stands in one thread, once.
pub fn threads(octets: &[u8]) {
    // Four octets a message: its id, two references, and its date, subject and kind of subject.
    let messages: Vec<([Id; 3], &[u8])> =
        octets.chunks_exact(4).map(|said| ([0, 1, 2].map(|at| Id([said[at] % 32; 16])), said)).collect();
    let members: Vec<Member<'_>> = messages
        .iter()
        .map(|(ids, said)| Member {
            id: (said[0] < 128).then_some(ids[0]),
            references: &ids[1..1 + usize::from(said[3] % 3)],
            sent: i64::from(said[3] / 16),
            arrived: i64::from(said[2]),
            subject: ["", "a", "b"][usize::from(said[1] / 100)],
            is_reply: said[2] >= 128,
        })
        .collect();
    for algorithm in [ThreadAlgorithm::OrderedSubject, ThreadAlgorithm::References, ThreadAlgorithm::Refs] {
        let made = thread::threads(algorithm, &members);
        let mut out = Vec::new();
        made.write(&mut out, 0..made.count(), |place| place as u32 + 1);
        let text = String::from_utf8(out).expect("ASCII");
        let mut numbers: Vec<usize> =
            text.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect();
        numbers.sort_unstable();
        assert!(numbers.iter().copied().eq(1..=members.len()), "{text}");
        assert_eq!(text.matches('(').count(), text.matches(')').count(), "{text}");
        assert!(!text.contains("()") && !text.contains(" )"), "{text}");
    }
}

/// Commands are cut alike in pieces of any size; all can be parsed or refused.
pub fn imap_framing(octets: &[u8]) {
    let octets = octets.get(..INPUT_OCTETS).unwrap_or(octets);
    for cut in super::in_pieces(octets, cuts) {
        if let Cut::Command(command) = cut {
            imap_command(&command);
        }
    }
}

fn cuts(pieces: std::slice::Chunks<'_, u8>) -> Vec<Cut> {
    let (mut framing, mut input, mut found) = (Framing::new(), Input::new(), Vec::new());
    // Octets of a message, which the session takes itself.
    let mut message = 0;
    for piece in pieces {
        input.push(piece);
        loop {
            let taken = message.min(input.len() as u64);
            input.consume(taken as usize);
            message -= taken;
            if message > 0 {
                break;
            }
            match framing.cut(&mut input) {
                Cut::More => break,
                cut => {
                    if let Cut::Message { literal, .. } = &cut {
                        message = literal.octets;
                        framing.message_taken();
                    }
                    let over = cut == Cut::Hopeless;
                    found.push(cut);
                    if over {
                        return found;
                    }
                }
            }
        }
    }
    found
}

/// A name that was read and written reads the same; a name made canonical stays; patterns end.
pub fn mailbox_name(octets: &[u8]) {
    if let Some(read) = name::from_wire(octets) {
        assert_eq!(name::from_wire(name::to_wire(&read).as_bytes()).as_ref(), Some(&read));
        let canonical = name::canonical(&read);
        assert_eq!(name::canonical(&canonical), canonical);
        if let Some(checked) = name::checked(&read) {
            assert_eq!(name::checked(&checked).as_ref(), Some(&checked));
        }
        for utf8 in [false, true] {
            let pattern = name::Pattern::read(octets, utf8);
            let _ = (pattern.has_percent(), pattern.fits(&read), pattern.fits("INBOX/a/b/c"));
        }
    }
}
