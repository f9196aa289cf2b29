//! The grammar of Sieve (RFC 5228 §8.2): tokens become commands, arguments and tests, each with its place. What they
//! mean is for `compile`.

use super::lexer::{Lexer, Token};
use super::place::{Fault, Place};
use crate::base::limits::{SIEVE_LIST_ITEMS_MAX, SIEVE_NESTING_MAX, SIEVE_NODES_MAX};

/// A command or a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub at: Place,
    /// In lower case.
    pub name: String,
    pub arguments: Vec<Argument>,
    pub tests: Vec<Node>,
    /// `{ ... }` of a command.
    pub block: Option<Vec<Node>>,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub at: Place,
    pub value: Value,
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Tag(String),
    Number(u64),
    Text(String),
    List(Vec<(Place, String)>),
}

/// Reads a whole script.
pub(super) fn parse(script: &str) -> Result<Vec<Node>, Fault> {
    let mut lexer = Lexer::new(script);
    let (at, token) = lexer.next()?;
    let mut parser = Parser { lexer, at, token, nodes: 0 };
    let commands = parser.commands(0)?;
    match parser.token {
        Token::End => Ok(commands),
        _ => Err(parser.expected("a command")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    /// The token that is looked at, and its place.
    at: Place,
    token: Token,
    nodes: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, Fault> {
        let (at, token) = self.lexer.next()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn is(&self, mark: char) -> bool {
        self.token == Token::Mark(mark)
    }

    /// Takes this mark; false where another token comes.
    fn takes(&mut self, mark: char) -> Result<bool, Fault> {
        let is = self.is(mark);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn expected(&self, what: &str) -> Fault {
        let found = match &self.token {
            Token::Name(name) => format!("`{name}`"),
            Token::Tag(name) => format!("`:{name}`"),
            Token::Number(number) => format!("the number {number}"),
            Token::Text(_) => "a string".to_owned(),
            Token::Mark(mark) => format!("`{mark}`"),
            Token::End => "the end of the script".to_owned(),
        };
        Fault::new(self.at, format!("expected {what}, found {found}"))
    }

    fn count(&mut self, depth: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > SIEVE_NODES_MAX {
            return Err(Fault::new(self.at, format!("more than {SIEVE_NODES_MAX} commands and tests")));
        }
        if depth > SIEVE_NESTING_MAX {
            return Err(Fault::new(self.at, format!("nested more than {SIEVE_NESTING_MAX} deep")));
        }
        Ok(())
    }

    fn commands(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut commands = Vec::new();
        while let Token::Name(name) = &self.token {
            let name = name.clone();
            commands.push(self.command(name, depth)?);
        }
        Ok(commands)
    }

    fn command(&mut self, name: String, depth: usize) -> Result<Node, Fault> {
        let mut node = self.node(name, depth)?;
        if self.takes('{')? {
            node.block = Some(self.commands(depth + 1)?);
            if !self.takes('}')? {
                return Err(self.expected("a command or `}`"));
            }
        } else if !self.takes(';')? {
            return Err(self.expected("`;` or `{`"));
        }
        Ok(node)
    }

    /// A name with arguments and tests.
    fn node(&mut self, name: String, depth: usize) -> Result<Node, Fault> {
        self.count(depth)?;
        let at = self.at;
        self.advance()?;
        let mut node = Node { at, name, arguments: Vec::new(), tests: Vec::new(), block: None };
        while let Some(argument) = self.argument()? {
            if node.arguments.len() >= SIEVE_LIST_ITEMS_MAX {
                return Err(Fault::new(at, "too many arguments"));
            }
            node.arguments.push(argument);
        }
        if let Token::Name(name) = &self.token {
            let name = name.clone();
            node.tests.push(self.node(name, depth + 1)?);
        } else if self.takes('(')? {
            loop {
                let Token::Name(name) = &self.token else { return Err(self.expected("a test")) };
                let name = name.clone();
                node.tests.push(self.node(name, depth + 1)?);
                if !self.takes(',')? {
                    break;
                }
            }
            if !self.takes(')')? {
                return Err(self.expected("`,` or `)`"));
            }
        }
        Ok(node)
    }

    fn argument(&mut self) -> Result<Option<Argument>, Fault> {
        let at = self.at;
        if self.takes('[')? {
            return Ok(Some(Argument { at, value: Value::List(self.list()?) }));
        }
        if !matches!(self.token, Token::Tag(_) | Token::Number(_) | Token::Text(_)) {
            return Ok(None);
        }
        let value = match self.advance()? {
            Token::Tag(name) => Value::Tag(name),
            Token::Number(number) => Value::Number(number),
            Token::Text(text) => Value::Text(text),
            _ => return Ok(None),
        };
        Ok(Some(Argument { at, value }))
    }

    /// The rest of a list, whose bracket was taken.
    fn list(&mut self) -> Result<Vec<(Place, String)>, Fault> {
        let mut list = Vec::new();
        loop {
            let at = self.at;
            let Token::Text(_) = self.token else { return Err(self.expected("a string")) };
            if list.len() >= SIEVE_LIST_ITEMS_MAX {
                return Err(Fault::new(at, format!("more than {SIEVE_LIST_ITEMS_MAX} strings in a list")));
            }
            if let Token::Text(text) = self.advance()? {
                list.push((at, text));
            }
            if self.takes(']')? {
                return Ok(list);
            }
            if !self.takes(',')? {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_arguments_tests_and_blocks() {
        let script =
            "require [\"a\",\"b\"];\nif anyof (not exists \"x\", size :over 5) { keep; stop; } else { discard; }";
        let nodes = parse(script).unwrap();
        assert_eq!(nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["require", "if", "else"]);
        let anyof = &nodes[1].tests[0];
        assert_eq!((anyof.name.as_str(), anyof.tests.len()), ("anyof", 2));
        assert_eq!(anyof.tests[0].tests[0].arguments[0].value, Value::Text("x".into()));
        assert_eq!(nodes[1].block.as_ref().unwrap().len(), 2);
        assert_eq!(nodes[1].at, Place { line: 2, column: 1 });
    }

    #[test]
    fn faults_name_what_was_expected() {
        for (script, fault) in [
            ("keep", "line 1, column 5: expected `;` or `{`, found the end of the script"),
            ("if true { keep;", "line 1, column 16: expected a command or `}`, found the end of the script"),
            ("if anyof () {}", "line 1, column 11: expected a test, found `)`"),
            ("fileinto [];", "line 1, column 11: expected a string, found `]`"),
            ("fileinto [\"a\" \"b\"];", "line 1, column 15: expected `,` or `]`, found a string"),
            ("keep; }", "line 1, column 7: expected a command, found `}`"),
            ("\"x\";", "line 1, column 1: expected a command, found a string"),
        ] {
            assert_eq!(parse(script).unwrap_err().to_string(), fault, "{script}");
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        let deep = |n: usize| format!("{}{}", "if true {".repeat(n), "}".repeat(n));
        assert!(parse(&deep(SIEVE_NESTING_MAX)).is_ok());
        assert!(parse(&deep(SIEVE_NESTING_MAX + 1)).unwrap_err().text.contains("nested"));
        let not = format!("if {} true {{}}", "not ".repeat(100_000));
        assert!(parse(&not).unwrap_err().text.contains("nested"));
        assert!(parse(&"keep;".repeat(SIEVE_NODES_MAX + 1)).unwrap_err().text.contains("more than"));
    }
}
