//! Messages in another form: what fits stays, what is encoded decodes to what it was.

use super::*;
use crate::base::limits::LINE_OCTETS_MAX;
use crate::message::scan;

fn recoded(message: &[u8], goal: Goal) -> Result<Vec<u8>, NotRecoded> {
    let body = crate::base::Content::from_octets(message).body;
    let mut out = Vec::new();
    recode(&|at, room| body.read_at(at, room), message.len() as u64, goal, &mut |piece| {
        out.extend_from_slice(piece);
        Ok(())
    })?;
    Ok(out)
}

/// The decoded content of each leaf.
fn leaves(message: &[u8]) -> Vec<Vec<u8>> {
    let structure = scan(message);
    let leaves = structure.parts.iter().filter(|part| part.kind == PartKind::Leaf);
    let content = |part: &Part| {
        let mut decoder = Decoder::new(Encoding::parse(part.facts.encoding.as_deref()));
        let mut out = Vec::new();
        decoder.push(message.get(part.body.start as usize..part.body.end as usize).unwrap(), &mut out);
        decoder.finish(&mut out);
        out
    };
    leaves.map(content).collect()
}

fn said(message: &str, goal: Goal) -> String {
    String::from_utf8(recoded(message.as_bytes(), goal).unwrap()).unwrap()
}

#[test]
fn what_fits_stays_octet_for_octet() {
    for message in [
        "",
        "A: b\r\n\r\nbody\r\n",
        "A: b",
        "Content-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n--x\r\n\r\na\r\n--x--\r\nend\r\n",
    ] {
        assert_eq!(said(message, Goal::SevenBit), message);
        assert_eq!(said(message, Goal::Lines), message);
    }
    let eight = "Content-Transfer-Encoding: 8bit\r\n\r\n\u{e4}\r\n";
    assert_eq!(said(eight, Goal::Lines), eight);
}

#[test]
fn text_becomes_quoted_printable() {
    for (message, wanted) in [
        (
            "Subject: x\r\n\r\ngr\u{fc}\u{df}e an alle, und mehr\r\n",
            "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\ngr=C3=BC=C3=9Fe an alle, und mehr\r\n",
        ),
        (
            "MIME-Version: 1.0\r\nContent-Type: text/html; charset=latin1\r\nContent-Transfer-Encoding:\r\n 8bit\r\n\
             X: y\r\n\r\n<p>\u{e4}</p> and all the rest",
            "MIME-Version: 1.0\r\nContent-Type: text/html; charset=latin1\r\nX: y\r\n\
             Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>=C3=A4</p> and all the rest",
        ),
    ] {
        assert_eq!(said(message, Goal::SevenBit), wanted);
    }
}

#[test]
fn parts_are_gone_through_and_come_back_as_they_were() {
    let message = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\
        Content-Transfer-Encoding: 8bit\r\n\r\npre\u{e4}mble\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
        \u{e4} text of some words\r\n\
        --b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nplain\r\n--c\r\n\
        Content-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n\
        \0\u{e4}\n\r\r\n--c--\r\n\r\n\
        --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\n\u{fc} inner text, long enough\r\n--b--\r\n\
        epil\u{f6}gue\r\n";
    let out = recoded(message.as_bytes(), Goal::SevenBit).unwrap();
    let survey = Survey::of(&out);
    assert!(!survey.eight_bit && survey.is_lines(), "{}", String::from_utf8_lossy(&out));
    assert_eq!(leaves(&out), leaves(message.as_bytes()));
    assert!(!String::from_utf8(out).unwrap().contains("8bit"));
}

#[test]
fn long_lines_and_binary_parts_of_any_size() {
    let alphabet: Vec<u8> = (0..=255).collect();
    let binary = alphabet.repeat(600);
    let head = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let long = "word ".repeat(40_000);
    let base64 = [b"Content-Transfer-Encoding: base64\r\n\r\n".to_vec(), vec![b'Q'; 4 * (LINE_OCTETS_MAX)]].concat();
    for message in [
        [head.to_vec(), binary].concat(),
        format!("\r\n{long}\r\nshort\r\n").into_bytes(),
        format!("Content-Transfer-Encoding: quoted-printable\r\n\r\n{long}=3D\r\n").into_bytes(),
        base64,
    ] {
        let out = recoded(&message, Goal::Lines).unwrap();
        assert!(Survey::of(&out).is_lines());
        assert!(leaves(&out) == leaves(&message), "the content changed");
    }
}

#[test]
fn what_cannot_be_encoded_is_told() {
    for message in [
        "X: \u{e4}\r\n\r\nbody",
        "Content-Transfer-Encoding: x-odd\r\n\r\n\u{e4}",
        "Content-Type: message/delivery-status\r\n\r\n\u{e4}",
    ] {
        assert!(recoded(message.as_bytes(), Goal::SevenBit).is_err(), "{message:?}");
    }
}

#[test]
fn a_labels_where_only_domains_need_them() {
    for (header, wanted) in [
        ("From: a@x\r\n\r\n", Some("From: a@x\r\n\r\n")),
        (
            "To: B <b@b\u{fc}cher.example>, c@\u{fc}.x (k)\r\nSubject: x\r\n\r\n",
            Some("To: B <b@xn--bcher-kva.example>, c@xn--tda.x (k)\r\nSubject: x\r\n\r\n"),
        ),
        ("To: \u{fc}@x\r\n", None),
        ("To: J\u{fc}rgen <a@b\u{fc}cher.example>\r\n", None),
        ("Subject: \u{fc}\r\n", None),
    ] {
        let ascii = ascii_header(header.as_bytes()).map(|octets| String::from_utf8(octets).unwrap());
        assert_eq!(ascii.as_deref(), wanted, "{header:?}");
    }
}

/// Text between parts is made fit too, and makes no part of its own.
#[test]
fn text_between_parts_is_made_fit() {
    let around = |prolog: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{prolog}\r\n--b\r\n\r\nx\r\n--b--\r\n{prolog}\r\n")
    };
    let long = format!("{}--b\r\n", "y".repeat(FILLER_COLUMN));
    for (prolog, fit) in [
        ("a\nb\n\nc", "a\r\nb\r\n\r\nc"),
        ("a\r--b\r\r\nb\r", "a?--b?\r\nb?"),
        ("a\0b", "a?b"),
        (long.as_str(), &format!("{}\r\n --b\r\n", "y".repeat(FILLER_COLUMN))),
    ] {
        let message = around(&format!("{prolog}{}", "z".repeat(LINE_OCTETS_MAX + 1)));
        let said = said(&message, Goal::Lines);
        assert!(said.contains(&format!("\r\n\r\n{fit}z")), "{said}");
        assert!(Survey::of(said.as_bytes()).is_lines(), "{said}");
        assert_eq!(leaves(said.as_bytes()), [b"x"]);
    }
    let ends_in_cr = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\nend\r";
    assert!(said(ends_in_cr, Goal::Lines).ends_with("\r\nend?"));
}

#[test]
fn text_between_parts_neither_loses_nor_gains_a_delimiter() {
    let head = "Content-Type: multipart/mixed; boundary=\"o?\"\r\n\r\n";
    for (preamble, between) in [
        ("pro\u{e4}\r\n", ""),
        ("--o?\r\r\n", ""),
        ("--o\0\r\n", ""),
        ("--o\u{e4}\r\n", ""),
        ("--o\r\r\n", "--o\0\r\n--o?--\r\r\n"),
        ("\0\r\n--o? \t", "\0--o?\0\r\n--x\n\n\r\0\r\n"),
    ] {
        for end in ["--o?--\r\nend\0\r\n--o\0\r\n", "", "\r\n--o?--\r", "\r\n--o?\r"] {
            let message = format!("{head}{preamble}--o?\r\n\r\none\r\n{between}--o?\r\n\r\ntwo\r\n{end}");
            for goal in [Goal::Lines, Goal::SevenBit] {
                let out = recoded(message.as_bytes(), goal).unwrap();
                assert!(Survey::of(&out).is_lines(), "{}", out.escape_ascii());
                assert_eq!(scan(&out).parts.len(), scan(message.as_bytes()).parts.len(), "{}", out.escape_ascii());
            }
        }
    }
}

#[test]
fn filler_does_not_depend_on_pieces() {
    let text = [&b"--o\0\r\n--o\r\r\n--o\n\r\r--o"[..], &[b'-'; 1_000], b"\0\r\n--", &[b'x'; 320], b"\0\n\r"].concat();
    let whole = |size: usize| {
        let mut filler = Filler::new(true);
        let mut out: Vec<u8> = text.chunks(size).flat_map(|piece| filler.push(piece)).collect();
        out.extend(filler.finish());
        out
    };
    let once = whole(text.len());
    assert!(once.starts_with(b" --o?\r\n --o?\r\n--o\r\n??--o"), "{}", once.escape_ascii());
    assert!((1..40).all(|size| whole(size) == once));
}
