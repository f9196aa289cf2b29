//! Values with parameters: Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183), the continuations of
//! RFC 2231 §3 joined as its §6 asks of IMAP servers.
//!
//! Values stay octets as sent: a joined value with a charset keeps it and the percent signs, under `name*`. Broken
//! input gives what could be read.

use super::address_list::comment;
use crate::base::limits::MIME_PARAMETERS_MAX;
use crate::base::quoted;

/// A token and its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parameterised {
    /// `text/plain`, `attachment`; as spelled, white space and comments left out.
    pub token: Vec<u8>,
    /// Parameters in order of first appearance.
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name in lower case; ends in `*` where the value is `charset'language'percent-encoded` (RFC 2231 §4).
    pub name: Vec<u8>,
    /// Value, unquoted.
    pub value: Vec<u8>,
}

impl Parameterised {
    /// The plain value of a parameter, name in lower case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        find(&self.parameters, name)
    }
}

/// The plain value of a parameter, name in lower case.
pub fn find<'a>(parameters: &'a [Parameter], name: &str) -> Option<&'a [u8]> {
    parameters.iter().find(|p| p.name == name.as_bytes()).map(|p| p.value.as_slice())
}

/// Reads `token *(";" name "=" value)`, at most `MIME_PARAMETERS_MAX` parameters.
pub fn parse(value: &[u8]) -> Parameterised {
    let mut cursor = Cursor { rest: value };
    let mut token = Vec::new();
    while let Some(c) = cursor.next_solid() {
        if c == b';' {
            break;
        }
        token.push(c);
    }
    let mut sections = Vec::new();
    while sections.len() < MIME_PARAMETERS_MAX && !cursor.rest.is_empty() {
        sections.extend(cursor.parameter());
    }
    Parameterised { token, parameters: joined(sections) }
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    /// The next octet that is neither white space nor comment.
    fn next_solid(&mut self) -> Option<u8> {
        self.skip_white();
        let (&c, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(c)
    }

    fn skip_white(&mut self) {
        while let Some((&c, rest)) = self.rest.split_first() {
            match c {
                b'(' => self.rest = comment(rest).1,
                c if c.is_ascii_whitespace() => self.rest = rest,
                _ => return,
            }
        }
    }

    /// One `name=value` up to its semicolon; `None` for an empty or broken one.
    fn parameter(&mut self) -> Option<Parameter> {
        let mut name = Vec::new();
        loop {
            match self.next_solid()? {
                b'=' => break,
                b';' => return None,
                c => name.push(c.to_ascii_lowercase()),
            }
        }
        self.skip_white();
        let value = match self.rest.split_first() {
            Some((b'"', rest)) => {
                let (value, rest) = quoted::take(rest);
                self.rest = rest;
                value
            }
            _ => {
                let len = self.rest.iter().position(|c| *c == b';').unwrap_or(self.rest.len());
                let (value, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, &[]));
                self.rest = rest;
                bare(value)
            }
        };
        // Rubbish between a value and its semicolon is passed over.
        while let Some((c, rest)) = self.rest.split_first() {
            self.rest = rest;
            if *c == b';' {
                break;
            }
        }
        (!name.is_empty()).then_some(Parameter { name, value })
    }
}

/// A value without quotes: senders leave spaces in file names, so only line ends and a comment at the end go.
fn bare(value: &[u8]) -> Vec<u8> {
    let value = match value.windows(2).position(|w| w.first().is_some_and(u8::is_ascii_whitespace) && w.ends_with(b"("))
    {
        Some(at) if value.trim_ascii_end().ends_with(b")") => value.get(..at).unwrap_or(value),
        _ => value,
    };
    value.trim_ascii().iter().copied().filter(|c| !matches!(c, b'\r' | b'\n')).collect()
}

/// One section of a parameter, its name taken apart: `name*2*` is ("name", Some(2), true).
struct Section {
    name: Vec<u8>,
    number: Option<u32>,
    extended: bool,
    value: Vec<u8>,
}

impl Section {
    fn of(parameter: Parameter) -> Section {
        let (name, extended) = match parameter.name.strip_suffix(b"*") {
            Some(name) => (name, true),
            None => (parameter.name.as_slice(), false),
        };
        let numbered = name.iter().rposition(|c| *c == b'*').and_then(|at| {
            let (base, digits) = name.split_at_checked(at)?;
            let number = std::str::from_utf8(digits.get(1..)?).ok()?.parse().ok()?;
            Some((base, number))
        });
        match numbered {
            Some((base, number)) => {
                Section { name: base.to_vec(), number: Some(number), extended, value: parameter.value }
            }
            None => Section { name: name.to_vec(), number: None, extended, value: parameter.value },
        }
    }
}

/// Joins the sections of RFC 2231 §3. Numbered sections count from 0 without gaps; what does not fit is left out.
fn joined(read: Vec<Parameter>) -> Vec<Parameter> {
    if !read.iter().any(|p| p.name.contains(&b'*')) {
        return first_of_each(read);
    }
    let sections: Vec<Section> = read.into_iter().map(Section::of).collect();
    let mut out: Vec<Parameter> = Vec::new();
    for section in &sections {
        if section.number.is_none() {
            let mut name = section.name.clone();
            if section.extended {
                name.push(b'*');
            }
            out.push(Parameter { name, value: section.value.clone() });
        } else if section.number == Some(0) {
            out.push(join_one(&section.name, &sections));
        }
    }
    first_of_each(out)
}

fn join_one(base: &[u8], sections: &[Section]) -> Parameter {
    let of_name = |number| sections.iter().find(|s| s.number == Some(number) && s.name == base);
    let run: Vec<&Section> = (0..).map_while(of_name).collect();
    let extended = run.iter().any(|s| s.extended);
    let mut value = Vec::new();
    for (i, section) in run.iter().enumerate() {
        if extended && !section.extended {
            if i == 0 {
                value.extend_from_slice(b"''");
            }
            percent_encode(&section.value, &mut value);
        } else {
            value.extend_from_slice(&section.value);
        }
    }
    let mut name = base.to_vec();
    if extended {
        name.push(b'*');
    }
    Parameter { name, value }
}

fn first_of_each(read: Vec<Parameter>) -> Vec<Parameter> {
    let mut out: Vec<Parameter> = Vec::with_capacity(read.len());
    for parameter in read {
        if !out.iter().any(|p| p.name == parameter.name) {
            out.push(parameter);
        }
    }
    out
}

fn percent_encode(value: &[u8], out: &mut Vec<u8>) {
    for &c in value {
        if c.is_ascii_alphanumeric() || b"-._~!#$&+^`{}|".contains(&c) {
            out.push(c);
        } else {
            out.extend_from_slice(format!("%{c:02X}").as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let read = parse(value.as_bytes());
        let mut out = String::from_utf8_lossy(&read.token).into_owned();
        for p in read.parameters {
            out += &format!("; {}=[{}]", String::from_utf8_lossy(&p.name), String::from_utf8_lossy(&p.value));
        }
        out
    }

    #[test]
    fn reads_values() {
        for (value, want) in [
            ("text/plain", "text/plain"),
            ("Text/Plain; Charset=us-ascii", "Text/Plain; charset=[us-ascii]"),
            ("text / plain (c) ; charset = \"a\\\"b\" (x)", "text/plain; charset=[a\"b]"),
            ("multipart/mixed;boundary=\"a b;c\";x=y", "multipart/mixed; boundary=[a b;c]; x=[y]"),
            ("a/b; name=my file.txt; c=d", "a/b; name=[my file.txt]; c=[d]"),
            ("a/b; charset=us-ascii (Plain text)", "a/b; charset=[us-ascii]"),
            ("a/b;;; x=1; x=2; =3; y", "a/b; x=[1]"),
            ("a/b; name=\"open", "a/b; name=[open]"),
            ("", ""),
            (";", ""),
            ("attachment;\r\n\tfilename=\"a\r\n b\"", "attachment; filename=[a b]"),
            ("a/b; u*0=\"ftp://\"; u*1=\"cs.utk\"; z=1", "a/b; u=[ftp://cs.utk]; z=[1]"),
            ("a/b; t*=us-ascii'en-us'This%20is", "a/b; t*=[us-ascii'en-us'This%20is]"),
            (
                "a/b; t*0*=us-ascii'en'This%20is; t*1*=%20even; t*2=\"isn't it!\"",
                "a/b; t*=[us-ascii'en'This%20is%20evenisn%27t%20it!]",
            ),
            ("a/b; t*1=b; t*0=a; t*3=d", "a/b; t=[ab]"),
            ("a/b; t*x=1; *=2", "a/b; t*x=[1]; *=[2]"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn reads_so_many_and_no_more() {
        let many = |n: usize| {
            let text: String = (0..n).map(|i| format!(";a{i}=b")).collect();
            parse(format!("x/y{text}").as_bytes()).parameters.len()
        };
        assert_eq!(many(MIME_PARAMETERS_MAX - 1), MIME_PARAMETERS_MAX - 1);
        assert_eq!(many(MIME_PARAMETERS_MAX), MIME_PARAMETERS_MAX);
        assert_eq!(many(MIME_PARAMETERS_MAX + 1), MIME_PARAMETERS_MAX);
    }
}
