//! The text of HTML as a reader sees it: tags, comments, styles and scripts gone, characters by name and number read.
//!
//! Lenient as mail is: what is no tag stays as text, and whatever is open at the end is closed. Memory is a tag's
//! name or a character's, whatever the size; where pieces are cut makes no difference.

mod names;

use names::named;

/// Characters of a tag's or a character's name that are looked at.
const NAME_MAX: usize = 32;

/// Reads HTML that comes in pieces.
#[derive(Debug, Default)]
pub struct HtmlText {
    state: State,
    name: String,
    /// The element whose content is not shown, while inside of it.
    hidden: Option<&'static str>,
    /// Minus signs in a row, within a comment.
    dashes: u8,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind `<`.
    Open,
    /// In a tag's name.
    Name,
    /// In a tag, behind its name.
    Tag,
    /// In a tag, in a value between these.
    Quoted(char),
    /// Behind `<!`: a comment, or something else up to `>`.
    Mark,
    Comment,
    /// Behind `&`.
    Character,
}

/// Elements that are never shown.
const HIDDEN: [&str; 4] = ["style", "script", "title", "template"];
/// Elements that stand within a line; all others end one.
const INLINE: [&str; 30] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "mark",
    "o:p", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tt", "u", "var", "wbr",
];

impl HtmlText {
    /// Adds the text of the next piece to `out`.
    pub fn push(&mut self, html: &str, out: &mut String) {
        let mut rest = html;
        while !rest.is_empty() {
            if self.state == State::Text {
                let end = rest.find(['<', '&']).unwrap_or(rest.len());
                let (text, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
                self.show(text, out);
                rest = behind;
            }
            let mut chars = rest.chars();
            if let Some(c) = chars.next() {
                rest = chars.as_str();
                self.step(c, out);
            }
        }
    }

    /// The end: what was begun counts as text.
    pub fn finish(&mut self, out: &mut String) {
        match self.state {
            State::Open => self.show("<", out),
            State::Character => self.character(None, out),
            _ => {}
        }
        *self = HtmlText::default();
    }

    fn show(&self, text: &str, out: &mut String) {
        if self.hidden.is_none() {
            out.push_str(text);
        }
    }

    fn step(&mut self, c: char, out: &mut String) {
        match self.state {
            State::Text => self.state = if c == '<' { State::Open } else { State::Character },
            // Within what is not shown, only its end means something.
            State::Open if self.hidden.is_some() && c != '/' => {
                self.state = State::Text;
                self.again(c, out);
            }
            State::Open if c == '!' || c == '?' => {
                self.dashes = 0;
                self.state = State::Mark;
            }
            State::Open if c == '/' || c.is_ascii_alphabetic() => {
                self.name.push(c.to_ascii_lowercase());
                self.state = State::Name;
            }
            State::Open => {
                self.show("<", out);
                self.state = State::Text;
                self.again(c, out);
            }
            State::Name if c == '>' => self.tag(out),
            State::Name if c.is_whitespace() || (c == '/' && self.name != "/") => self.state = State::Tag,
            State::Name => {
                if self.name.len() < NAME_MAX {
                    self.name.push(c.to_ascii_lowercase());
                }
            }
            State::Tag if c == '>' => self.tag(out),
            State::Tag if c == '"' || c == '\'' => self.state = State::Quoted(c),
            State::Quoted(end) if c == end => self.state = State::Tag,
            State::Tag | State::Quoted(_) => {}
            State::Mark if c == '>' => self.state = State::Text,
            State::Mark if c == '-' && self.dashes == 1 => {
                self.dashes = 0;
                self.state = State::Comment;
            }
            State::Mark => self.dashes = if c == '-' { 1 } else { 2 },
            State::Comment if c == '>' && self.dashes >= 2 => self.state = State::Text,
            State::Comment => self.dashes = if c == '-' { (self.dashes + 1).min(2) } else { 0 },
            State::Character if c == ';' => self.character(Some(';'), out),
            State::Character if (c.is_ascii_alphanumeric() || c == '#') && self.name.len() < NAME_MAX => {
                self.name.push(c);
            }
            State::Character => {
                self.character(None, out);
                self.again(c, out);
            }
        }
    }

    /// A character behind something that it ended.
    fn again(&mut self, c: char, out: &mut String) {
        if c == '<' || c == '&' { self.step(c, out) } else { self.show(c.encode_utf8(&mut [0; 4]), out) }
    }

    /// A tag ends.
    fn tag(&mut self, out: &mut String) {
        self.state = State::Text;
        let name = std::mem::take(&mut self.name);
        let (closes, name) = match name.strip_prefix('/') {
            Some(name) => (true, name),
            None => (false, name.as_str()),
        };
        if self.hidden.is_some() {
            if closes && self.hidden == Some(name) {
                self.hidden = None;
            }
            return;
        }
        if !closes {
            self.hidden = HIDDEN.into_iter().find(|hidden| *hidden == name);
        }
        if !INLINE.contains(&name) {
            out.push('\n');
        }
    }

    /// A character's name or number ends; one that means nothing is text.
    fn character(&mut self, end: Option<char>, out: &mut String) {
        self.state = State::Text;
        let name = std::mem::take(&mut self.name);
        match read(&name) {
            Some(c) => self.show(c.encode_utf8(&mut [0; 4]), out),
            None => {
                self.show("&", out);
                self.show(&name, out);
                self.show(if end.is_some() { ";" } else { "" }, out);
            }
        }
    }
}

/// `auml`, `#228`, `#xe4`
fn read(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else { return named(name) };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    // Numbers of Windows-1252 are meant so, as browsers take them.
    let code = match u8::try_from(code) {
        Ok(octet @ 0x80..=0x9f) => return encoding_rs::WINDOWS_1252.decode(&[octet]).0.chars().next(),
        _ => code,
    };
    char::from_u32(code).filter(|c| *c != '\0')
}

/// The text of whole HTML.
pub fn text(html: &str) -> String {
    let (mut reader, mut out) = (HtmlText::default(), String::new());
    reader.push(html, &mut out);
    reader.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_sees() {
        for (html, want) in [
            ("plain", "plain"),
            ("<p>one</p><p>two</p>", "one two"),
            ("<b>wo</b>rd", "word"),
            ("a<br/>b<BR>c", "a b c"),
            ("gr&uuml;n &#228; &#xE4; &#150; &euro;", "grün ä ä – €"),
            ("AT&T & Co &unknown; &amp;lt; &lt;b&gt;", "AT&T & Co &unknown; &lt; <b>"),
            ("&nbsp;x", "x"),
            ("<style>p { a: b > c }</style>x<script>if (a<b) '</p>'</script>y", "x y"),
            ("<title>no</title>yes", "yes"),
            ("<script>a<!-- b</script>yes<style><</style>!", "yes !"),
            ("a<!-- no <b> -- > no -->b", "ab"),
            ("<!DOCTYPE html><?xml?>x", "x"),
            ("<a href=\"a>b\" title='c>d'>link</a>", "link"),
            ("1 < 2 and 3<4 <3", "1 < 2 and 3<4 <3"),
            ("open <b", "open"),
            ("a<", "a<"),
            ("a&am", "a&am"),
            ("a&amp", "a&"),
            ("&#0;&#xd800;&#99999999;&;&#;", "&#0;&#xd800;&#99999999;&;&#;"),
            ("<STYLE>x</STYLE>y", "y"),
            ("&&amp;&lt<b>", "&&<"),
        ] {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(&text(html)), want, "{html}");
            for size in [1, 2, 5] {
                let (mut reader, mut out) = (HtmlText::default(), String::new());
                let chars: Vec<char> = html.chars().collect();
                chars.chunks(size).for_each(|piece| reader.push(&piece.iter().collect::<String>(), &mut out));
                reader.finish(&mut out);
                assert_eq!(words(&out), want, "{html} by {size}");
            }
        }
    }
}
