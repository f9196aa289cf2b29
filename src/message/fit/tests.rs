//! Headers made fit: every field that is taken out, put in, mended or refused.

use super::*;

fn filled(front: &str) -> Result<(String, usize), Unfit> {
    let author = Address::parse("bob@x.org").unwrap();
    let filling = Filling { author: Some(&author), domain: "x.org", message_id: "i@x", now: Timestamp(0) };
    let header = submitted(front.as_bytes(), &filling, |field| field.is("X-Ours"))?;
    Ok((String::from_utf8(header.octets).unwrap(), header.replaced))
}

const FROM: &str = "From: <bob@x.org>\r\n";
const DATE: &str = "Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n";
const ID: &str = "Message-ID: <i@x>\r\n";

#[test]
fn only_what_is_missing_is_added_in_front() {
    for (given, wanted) in [
        ("From: a@b\r\nDate: 1 Feb 2023 1:01 +0000\r\nMessage-ID: <c@d>\r\n\r\nbody", String::new()),
        ("from: a@b\r\nmessage-id: <c@d>\r\n\r\nDate: in the body", DATE.to_owned()),
        ("Subject: x\r\n\r\n", [FROM, DATE, ID].concat()),
        ("\r\njust a body", [FROM, DATE, ID].concat()),
    ] {
        assert_eq!(filled(given), Ok((wanted, 0)), "{given:?}");
    }
}

#[test]
fn the_header_ends_at_the_first_line_that_is_no_field() {
    let all = [FROM, DATE, ID].concat();
    for (given, kept, replaced) in [
        ("", "\r\n", 0),
        ("just a body\r\n", "\r\n", 0),
        (" <ceo@bank.test>\r\nSubject: x\r\n\r\nbody", "\r\n", 0),
        ("Subject: x\r\nno field\r\nTo: a@b\r\n\r\n", "Subject: x\r\n\r\n", 12),
        ("Subject: x", "Subject: x\r\n\r\n", 10),
        ("Subject: x\r\n", "Subject: x\r\n\r\n", 12),
        ("From a@b Mon\r\nSubject: x\r\n\r\n", "Subject: x\r\n", 26),
        (">From a@b Mon\r\n , b\r\nSubject: x\r\n\r\n", "Subject: x\r\n", 33),
    ] {
        assert_eq!(filled(given), Ok(([all.as_str(), kept].concat(), replaced)), "{given:?}");
    }
}

#[test]
fn what_is_not_to_be_seen_is_cut_out() {
    let rest = [FROM, DATE, ID, "To: a@b\r\n"].concat();
    for cut in [
        "Bcc: secret@x\r\n",
        "bCC : a@x,\r\n\tsecret@x\r\n",
        "Bcc:\r\n secret@x\r\n",
        "Resent-Bcc: a@x\r\n",
        "Return-Path: <a@x>\r\nRETURN-PATH:\r\n <b@x>\r\n",
        "X-Ours: y\r\n",
        "Cc: \r\n",
        "From:\r\n \r\n",
        "Message-ID: <foo>\r\nMessage-ID: foo\r\nMessage-ID:\r\nMessage-ID: <a b@c>\r\n",
    ] {
        let (octets, _) = filled(&format!("{cut}To: a@b\r\n\r\nBcc: in the body\r\n")).unwrap();
        assert_eq!(octets, rest, "{cut:?}");
    }
}

#[test]
fn fields_that_are_none_are_made_good() {
    let beginning = format!("{FROM}{DATE}");
    for (given, wanted) in [
        ("Date: 2026-11-28 10:00\r\n", DATE),
        ("Date: Sun Nov 22 01:42:04 2026\r\n", "Date: Sun, 22 Nov 2026 01:42:04 +0000\r\n"),
        ("Date: 1 Feb 2023 1:01 +0000\r\nDate: 2 Feb 2023 1:01 +0000\r\n", "Date: 1 Feb 2023 1:01 +0000\r\n"),
    ] {
        assert_eq!(filled(&format!("{given}\r\n")).unwrap().0, [FROM, ID, wanted].concat(), "{given:?}");
    }
    for (given, wanted) in [
        ("To: bob\r\n", "To: bob@x.org\r\n"),
        ("Cc: Bob <bob>, c@d, carl (x)\r\n", "Cc: Bob <bob@x.org>, c@d, carl@x.org (x)\r\n"),
        ("To: undisclosed-recipients:;\r\n", "To: undisclosed-recipients:;\r\n"),
    ] {
        let rest = format!("{beginning}{ID}{wanted}");
        let (octets, replaced) = filled(&format!("{given}\r\n")).unwrap();
        let octets = if replaced == 0 { format!("{octets}{given}") } else { octets };
        assert_eq!(octets, rest, "{given:?}");
    }
    for (given, unfit) in [("To: Two Words\r\n", Unfit::NoAddress), ("X: a\0b\r\n", Unfit::Nul)] {
        assert_eq!(filled(&format!("{given}\r\n")), Err(unfit));
    }
}

#[test]
fn long_lines_are_folded_at_blanks() {
    let words = format!("References: {}\r\n", "<a@b> ".repeat(400));
    for (given, fits) in [
        (words.clone(), true),
        (format!("X: {}\r\n", "x".repeat(LINE_OCTETS_MAX - 3)), true),
        (format!("X: {}\r\n", "x".repeat(LINE_OCTETS_MAX)), false),
        (format!("X: a {} b\r\n", "x".repeat(LINE_OCTETS_MAX - 1)), true),
        (format!("X: a {} b\r\n", "x".repeat(LINE_OCTETS_MAX)), false),
        (format!("X: a{}\r\n", " ".repeat(2_000)), true),
    ] {
        let folded = fold(given.clone().into_bytes());
        assert_eq!(folded.is_ok(), fits, "{:?}", given.get(..20));
        let Ok(folded) = folded else { continue };
        assert!(folded.split(|c| *c == b'\n').all(|line| line.len() <= LINE_OCTETS_MAX + 1));
        assert_eq!(fields(&folded).count(), 1);
        let unfolded = fields(&folded).next().unwrap().value().into_owned();
        assert_eq!(unfolded, fields(given.as_bytes()).next().unwrap().value().into_owned());
    }
}

#[test]
fn mail_of_others_is_touched_as_little_as_can_be() {
    let of = |front: &str| {
        let header = received(front.as_bytes(), |field| field.is("Return-Path"));
        header.map(|header| (String::from_utf8(header.octets).unwrap(), header.replaced))
    };
    for untouched in ["", "A: b\r\n", "A: b\r\n\r\n", "\r\nbody", "A: b\r\nB: c\r\n\r\nReturn-Path: x"] {
        assert_eq!(of(untouched), None, "{untouched:?}");
    }
    for (front, octets, replaced) in [
        ("From a@b Mon\r\nA: b\r\n\r\n", "A: b\r\n", 20),
        (">From a@b\r\nA: b\r\n\r\n", "A: b\r\n", 17),
        (" by mx; forged\r\nFrom: a@b\r\n\r\n", "\r\n", 0),
        ("A: b\r\nno field\r\nB: c\r\n\r\n", "A: b\r\n\r\n", 6),
        ("Return-Path: <x>\r\nA: b\r\nreturn-path :\r\n <y>\r\n\r\n", "A: b\r\n", 45),
    ] {
        assert_eq!(of(front), Some((octets.to_owned(), replaced)), "{front:?}");
    }
}
