//! Messages to measure with.

/// Octets of the text of a message; what is more is an attachment.
const TEXT_OCTETS: usize = 4 * 1024;

/// A message of about `octets` octets: prose in lines of some 66 columns, one in ten of them with white space that the
/// relaxed form takes away, then base64.
pub fn message(octets: usize) -> (String, String) {
    let header = "Received: from client.example.org (client.example.org [192.0.2.1])\r\n\tby mx.example.org with ESMTPS; \
                  Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: Alice <alice@example.org>\r\nTo: Bob <bob@example.net>,\r\n \
                  Carol <carol@example.net>\r\nSubject: Figures of the week\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\
                  Message-ID: <1234567890.abcdef@example.org>\r\nMIME-Version: 1.0\r\n\
                  Content-Type: multipart/mixed; boundary=\"next part\"\r\n";
    let body_octets = octets - header.len();
    let mut body = String::with_capacity(octets);
    body.push_str("--next part\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n");
    prose(&mut body, body_octets.min(TEXT_OCTETS));
    body.push_str("--next part\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    while body.len() + 78 < body_octets {
        body.push_str("JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZUR\r\n");
    }
    body.push_str("--next part--\r\n");
    (header.to_owned(), body)
}

fn prose(body: &mut String, octets: usize) {
    let words = ["the", "figures", "of", "this", "week", "are", "attached", "and", "better", "than", "expected,", "I"];
    let (mut line, mut number) = (String::new(), 0_usize);
    while body.len() + 72 < octets {
        line.clear();
        while line.len() < 62 {
            line.push_str(words.get(number % 12).copied().unwrap_or_default());
            line.push(' ');
            number = number * 5 % 7919 + 3;
        }
        line.truncate(line.trim_end().len());
        body.push_str(&line);
        body.push_str(if number % 10 == 0 { "  \t\r\n" } else { "\r\n" });
    }
}
