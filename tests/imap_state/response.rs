//! IMAP responses as a strict client reads them: one line with its literals, cut into values.

use std::collections::BTreeSet;

/// A value of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Word(String),
    Text(String),
    List(Vec<Value>),
}

impl Value {
    pub fn word(&self) -> &str {
        match self {
            Value::Word(word) | Value::Text(word) => word,
            Value::List(_) => "",
        }
    }

    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(list) => list,
            _ => &[],
        }
    }

    pub fn number(&self) -> u64 {
        self.word().parse().unwrap_or_else(|_| panic!("a number, not {self:?}"))
    }
}

/// A response: all values, the one that says what it is among them.
#[derive(Debug, Clone)]
pub struct Response {
    pub line: String,
    pub values: Vec<Value>,
}

/// What stands before the literal that a line announces at its end, and the octets of that literal.
pub fn announced(line: &str) -> Option<(&str, usize)> {
    let (head, octets) = line.strip_suffix('}')?.rsplit_once('{')?;
    Some((head, octets.parse().ok()?))
}

/// A literal as a quoted string.
pub fn as_quoted(literal: Vec<u8>) -> String {
    let literal = String::from_utf8(literal).expect("UTF-8");
    format!("\"{}\"", literal.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A response whose literals were made strings.
pub fn parsed(text: String) -> Response {
    let is_text = ["OK", "NO", "BAD", "BYE"].iter().any(|word| text.split(' ').nth(1) == Some(word));
    let values = if is_text || text.starts_with('+') { Vec::new() } else { values(&mut text.as_str()) };
    Response { line: text, values }
}

/// The values up to the end of the text or a closing parenthesis, which is consumed.
fn values(text: &mut &str) -> Vec<Value> {
    let mut list = Vec::new();
    loop {
        *text = text.trim_start_matches(' ');
        match text.chars().next() {
            None => return list,
            Some(')') => {
                *text = &text[1..];
                return list;
            }
            Some('(') => {
                *text = &text[1..];
                list.push(Value::List(values(text)));
            }
            Some('"') => list.push(Value::Text(quoted(text))),
            Some(_) => {
                // A section's name has spaces and parentheses between brackets.
                let mut depth = 0;
                let end = text.find(|c| {
                    depth += i32::from(c == '[') - i32::from(c == ']');
                    depth == 0 && matches!(c, ' ' | '(' | ')')
                });
                let (word, rest) = text.split_at(end.unwrap_or(text.len()));
                list.push(Value::Word(word.to_owned()));
                *text = rest;
            }
        }
    }
}

fn quoted(text: &mut &str) -> String {
    let mut out = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => {
                *text = &text[at + 1..];
                return out;
            }
            c => {
                escaped = false;
                out.push(c);
            }
        }
    }
    panic!("a string without end: {text}");
}

/// The numbers of a sequence set, in its order.
pub fn numbers(set: &str) -> Vec<u32> {
    let number = |text: &str| text.parse::<u32>().unwrap_or_else(|_| panic!("a set, not {set:?}"));
    set.split(',')
        .flat_map(|range| match range.split_once(':') {
            Some((one, other)) => number(one).min(number(other))..=number(one).max(number(other)),
            None => number(range)..=number(range),
        })
        .collect()
}

/// The flags of a FLAGS item.
pub fn flags(value: &Value) -> BTreeSet<String> {
    let flags: BTreeSet<String> = value.list().iter().map(|flag| flag.word().to_owned()).collect();
    assert_eq!(flags.len(), value.list().len(), "a flag twice: {value:?}");
    flags
}
