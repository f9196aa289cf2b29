//! Odd messages: folded, 8-bit, tabs, white space everywhere, doubled and empty fields, bodies without end.
//!
//! Lines end with CRLF and hold no bare CR or LF: mail-auth takes those for line ends.

use crate::random::Random;

/// Header (with From, without the empty line) and body.
pub fn message(random: &mut Random) -> (String, String) {
    let mut fields = vec![format!("From:{}alice@example.org\r\n", random.pick(&[" ", "", "  ", "\t", "\r\n "]))];
    for _ in 0..random.below(8) {
        let name =
            random.pick(&["To", "Subject", "SUBJECT", "Date", "Cc", "X-Odd", "Received", "References", "subject"]);
        let colon = random.pick(&[": ", ":", ":\t", ":  "]);
        fields.push(format!("{name}{colon}{}\r\n", value(random)));
    }
    if random.chance(5) {
        fields.push(format!(
            "References: {}\r\n",
            "<0123456789@example.org>\r\n ".repeat(1 + random.below(800)) + "<end@x>"
        ));
    }
    let at = random.below(fields.len());
    fields.swap(0, at);
    (fields.concat(), body(random))
}

fn value(random: &mut Random) -> String {
    let mut value = String::new();
    for _ in 0..random.below(6) {
        value.push_str(random.pick(&[
            "word",
            "gr\u{fc}n",
            "=?utf-8?q?x?=",
            "<a@b.example>",
            ",",
            ";",
            ":",
            "a=b",
            "\u{1f409}",
        ]));
        value.push_str(random.pick(&[" ", "  ", "\t", "\r\n ", "\r\n\t ", " \r\n  ", ""]));
    }
    value + random.pick(&["end", "end ", "end\t"])
}

pub fn body(random: &mut Random) -> String {
    let mut body = String::new();
    for _ in 0..random.below(12) {
        for _ in 0..random.below(6) {
            body.push_str(random.pick(&["word", "W", "gr\u{fc}n", ".", "--", "From x", "a=b;"]));
            body.push_str(random.pick(&[" ", "  ", "\t", " \t ", ""]));
        }
        body.push_str(random.pick(&["\r\n", "\r\n", "\r\n\r\n", " \r\n", "\r\n \r\n"]));
    }
    body.push_str(random.pick(&["", "", "end", "end ", "\r\n\r\n\r\n", "\t\r\n", " "]));
    if random.chance(3) {
        body.push_str(&"0123456789abcdef ".repeat(random.below(3_000)));
    }
    body
}
