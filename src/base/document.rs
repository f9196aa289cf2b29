//! Reading JSON objects strictly: each member once, and none that is unknown. Every error is `Invalid` and names
//! the place.

use serde_json::{Map, Value};

use super::{Error, ErrorKind, Result};

/// The members of an object that were not read yet.
#[derive(Debug)]
pub struct Members {
    /// Where the object stands, for errors.
    at: String,
    rest: Map<String, Value>,
}

/// `Invalid`, with the place.
pub fn wrong(at: &str, what: impl std::fmt::Display) -> Error {
    let place = if at.is_empty() { "the document" } else { at };
    Error::new(ErrorKind::Invalid, format!("{place}: {what}"))
}

impl Members {
    /// Those of a text that is one object.
    pub fn parse(text: &str) -> Result<Members> {
        let value = serde_json::from_str(text).map_err(|e| wrong("", e))?;
        Members::of("", value)
    }

    /// Those of a value that stands at `at`.
    pub fn of(at: &str, value: Value) -> Result<Members> {
        match value {
            Value::Object(rest) => Ok(Members { at: at.to_owned(), rest }),
            _ => Err(wrong(at, "not an object")),
        }
    }

    /// The place of a member.
    pub fn place(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}.{name}", self.at) }
    }

    /// A member, `null` or not.
    pub fn value(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name)
    }

    /// A member that is there and is not `null`.
    fn some(&mut self, name: &str) -> Option<Value> {
        self.value(name).filter(|value| !value.is_null())
    }

    /// A text.
    pub fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.some(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(&self.place(name), "not a text")),
        }
    }

    /// `true` or `false`.
    pub fn switch(&mut self, name: &str) -> Result<Option<bool>> {
        match self.some(name) {
            None => Ok(None),
            Some(Value::Bool(switch)) => Ok(Some(switch)),
            Some(_) => Err(wrong(&self.place(name), "neither true nor false")),
        }
    }

    /// A list of texts, at most `most`; empty where it is missing.
    pub fn texts(&mut self, name: &str, most: usize) -> Result<Vec<String>> {
        let place = self.place(name);
        let values = match self.some(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(_) => return Err(wrong(&place, "not a list")),
        };
        if values.len() > most {
            return Err(wrong(&place, format!("more than {most}")));
        }
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong(&place, "not a list of texts")),
        };
        values.into_iter().map(text).collect()
    }

    /// An object.
    pub fn object(&mut self, name: &str) -> Result<Option<Members>> {
        let place = self.place(name);
        self.some(name).map(|value| Members::of(&place, value)).transpose()
    }

    /// All members, by name.
    pub fn all(self) -> Map<String, Value> {
        self.rest
    }

    /// Ends the reading: an error where a member was not read.
    pub fn finish(self) -> Result<()> {
        match self.rest.keys().next() {
            None => Ok(()),
            Some(name) => Err(wrong(&self.place(name), "no such member")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_place() {
        for (text, wanted) in [
            ("[]", "the document: not an object"),
            ("{\"a\":1}", "a: not a text"),
            ("{\"b\":{\"c\":[1]}}", "b.c: not a list of texts"),
            ("{\"b\":{\"c\":[\"1\",\"2\",\"3\"]}}", "b.c: more than 2"),
            ("{\"b\":7}", "b: not an object"),
            ("{\"d\":\"yes\"}", "d: neither true nor false"),
            ("{\"e\":null}", "e: no such member"),
        ] {
            let read = || {
                let mut members = Members::parse(text)?;
                members.text("a")?;
                members.switch("d")?;
                if let Some(mut inner) = members.object("b")? {
                    inner.texts("c", 2)?;
                    inner.finish()?;
                }
                members.finish()
            };
            assert_eq!(read().unwrap_err().text(), wanted, "{text}");
        }
    }
}
