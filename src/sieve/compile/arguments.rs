//! Takes the arguments of a command or test one after the other, and complains about what is missing or left over.

use std::collections::VecDeque;

use super::super::parse::{Argument, Value};
use super::super::place::{Fault, Place};

/// Arguments that were not taken yet.
pub(super) struct Arguments {
    pub at: Place,
    pub name: String,
    rest: VecDeque<Argument>,
    tags: Vec<String>,
}

/// A string list as it stands in the script.
pub(super) type Strings = Vec<(Place, String)>;

impl Arguments {
    pub(super) fn new(at: Place, name: String, arguments: Vec<Argument>) -> Arguments {
        Arguments { at, name, rest: arguments.into(), tags: Vec::new() }
    }

    /// The next tag, if a tag comes next. A tag may stand once.
    pub(super) fn tag(&mut self) -> Result<Option<(Place, String)>, Fault> {
        let Some(Argument { value: Value::Tag(_), .. }) = self.rest.front() else { return Ok(None) };
        let Some(Argument { at, value: Value::Tag(tag) }) = self.rest.pop_front() else { return Ok(None) };
        if self.tags.contains(&tag) {
            return Err(Fault::new(at, format!("`:{tag}` stands twice")));
        }
        self.tags.push(tag.clone());
        Ok(Some((at, tag)))
    }

    /// What is said of a tag that the command does not have.
    pub(super) fn unknown(&self, at: Place, tag: &str) -> Fault {
        Fault::new(at, format!("`{}` has no tag `:{tag}`", self.name))
    }

    /// Whether there are no arguments left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many are left.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }

    fn missing(&self, what: &str) -> Fault {
        let at = self.rest.front().map_or(self.at, |argument| argument.at);
        Fault::new(at, format!("`{}` needs {what} here", self.name))
    }

    pub(super) fn number(&mut self, what: &str) -> Result<u64, Fault> {
        match self.rest.front() {
            Some(Argument { value: Value::Number(number), .. }) => {
                let number = *number;
                self.rest.pop_front();
                Ok(number)
            }
            _ => Err(self.missing(&format!("a number ({what})"))),
        }
    }

    pub(super) fn string(&mut self, what: &str) -> Result<(Place, String), Fault> {
        match self.rest.front() {
            Some(Argument { value: Value::Text(_), .. }) => {}
            _ => return Err(self.missing(&format!("a string ({what})"))),
        }
        match self.rest.pop_front() {
            Some(Argument { at, value: Value::Text(text) }) => Ok((at, text)),
            _ => Err(self.missing(what)),
        }
    }

    pub(super) fn strings(&mut self, what: &str) -> Result<Strings, Fault> {
        match self.rest.front() {
            Some(Argument { value: Value::Text(_) | Value::List(_), .. }) => {}
            _ => return Err(self.missing(&format!("a string list ({what})"))),
        }
        match self.rest.pop_front() {
            Some(Argument { at, value: Value::Text(text) }) => Ok(vec![(at, text)]),
            Some(Argument { value: Value::List(list), .. }) => Ok(list),
            _ => Err(self.missing(what)),
        }
    }

    /// Nothing may be left.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        match self.rest.front() {
            Some(Argument { at, value: Value::Tag(tag) }) => {
                Err(Fault::new(*at, format!("`:{tag}` stands in front of the other arguments of `{}`", self.name)))
            }
            Some(Argument { at, .. }) => Err(Fault::new(*at, format!("`{}` takes fewer arguments", self.name))),
            None => Ok(()),
        }
    }
}
