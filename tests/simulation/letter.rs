//! Messages whose text follows from a token and a length, so that what arrives anywhere can be compared with what was
//! sent.

use crate::rng::Rng;

/// A message of about so many octets. Some lines begin with dots.
pub fn letter(token: &str, octets: usize) -> String {
    let mut text = format!("Subject: {token}\r\n\r\n");
    let mut rng = Rng::new(octets as u64, token);
    while text.len() < octets {
        let dots = &"..."[..rng.index(4)];
        text.push_str(&format!("{dots}{:016x}{:016x}\r\n", rng.next(), rng.next()));
    }
    text.push_str(&format!("end {token} {octets}\r\n"));
    text
}

/// The token of a message that is one of ours and whole, whatever fields were added on top.
pub fn token_of(octets: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(octets).ok()?;
    let last = text.trim_end().rsplit("\r\n").next()?.strip_prefix("end ")?;
    let (token, length) = last.split_once(' ')?;
    let sent = letter(token, length.parse().ok()?);
    let (_, body) = sent.split_once("\r\n\r\n")?;
    text.ends_with(&format!("\r\n\r\n{body}")).then(|| token.to_owned())
}
