//! Compiles a script: what `require` allows, what each command and test takes (RFC 5228 §2.10.5), and nothing else.

mod actions;
mod arguments;
mod tests_of;
mod text;

use super::capability::{Capabilities, Capability};
use super::parse::{Node, Value, parse};
use super::place::{Fault, Place};
use super::program::{Block, Command, Program, Statement};
use crate::base::limits::SIEVE_SCRIPT_OCTETS_MAX;
use arguments::Arguments;

/// Compiles a script of at most `SIEVE_SCRIPT_OCTETS_MAX` octets of UTF-8. The error is the first fault.
pub fn compile(script: &[u8]) -> Result<Program, Fault> {
    let start = Place { line: 1, column: 1 };
    if script.len() > SIEVE_SCRIPT_OCTETS_MAX {
        return Err(Fault::new(start, format!("the script is larger than {SIEVE_SCRIPT_OCTETS_MAX} octets")));
    }
    let text = std::str::from_utf8(script).map_err(|e| {
        let valid = script.get(..e.valid_up_to()).unwrap_or_default();
        let line = valid.iter().filter(|c| **c == b'\n').count() + 1;
        let line_start = valid.iter().rposition(|c| *c == b'\n').map_or(0, |at| at + 1);
        let before = valid.get(line_start..).and_then(|before| std::str::from_utf8(before).ok()).unwrap_or_default();
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let at = Place { line: place(line), column: place(before.chars().count() + 1) };
        Fault::new(at, "the script is not UTF-8")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let nodes = parse(text)?;
    let mut compiler = Compiler::default();
    let body = compiler.script(nodes)?;
    let Compiler { capabilities, reads_body, includes, .. } = compiler;
    Ok(Program { body, capabilities, reads_body, includes })
}

/// What is known while a script is compiled.
#[derive(Default)]
struct Compiler {
    capabilities: Capabilities,
    reads_body: bool,
    includes: bool,
    /// Loops of `foreverypart` that are open, by name.
    loops: Vec<Option<String>>,
    /// An `ihave` that is not true stands in front of what is compiled: unknown commands are passed over.
    unreachable: bool,
}

impl Compiler {
    fn script(&mut self, nodes: Vec<Node>) -> Result<Block, Fault> {
        let mut requires = true;
        for node in &nodes {
            match (node.name.as_str(), requires) {
                ("require", true) => self.require(node)?,
                ("require", false) => {
                    return Err(Fault::new(node.at, "`require` stands before all other commands"));
                }
                _ => requires = false,
            }
        }
        self.block(nodes.into_iter().filter(|node| node.name != "require").collect())
    }

    fn require(&mut self, node: &Node) -> Result<(), Fault> {
        let names = match node.arguments.as_slice() {
            [argument] => match &argument.value {
                Value::Text(name) => vec![(argument.at, name.clone())],
                Value::List(names) => names.clone(),
                _ => return Err(Fault::new(argument.at, "`require` takes a string list")),
            },
            _ => return Err(Fault::new(node.at, "`require` takes one string list")),
        };
        if node.block.is_some() || !node.tests.is_empty() {
            return Err(Fault::new(node.at, "`require` takes one string list"));
        }
        for (at, name) in names {
            match Capability::of(&name) {
                Some(capability) => self.capabilities.add(capability),
                None => return Err(Fault::new(at, format!("the extension \"{name}\" is not known here"))),
            }
        }
        Ok(())
    }

    /// Refuses what needs an extension that was not required.
    fn needs(&self, at: Place, capability: Capability, what: &str) -> Result<(), Fault> {
        if self.capabilities.has(capability) {
            return Ok(());
        }
        Err(Fault::new(at, format!("{what} needs: require \"{}\"", capability.name())))
    }

    fn block(&mut self, nodes: Vec<Node>) -> Result<Block, Fault> {
        let mut block = Block::with_capacity(nodes.len());
        let mut nodes = nodes.into_iter().peekable();
        // RFC 5463 §4: what stands behind `ihave` may use what it asked for.
        while let Some(node) = nodes.next() {
            let at = node.at;
            match node.name.as_str() {
                "if" => {
                    let command = self.branches(node, &mut nodes)?;
                    block.push(Statement { at, command });
                }
                "elsif" | "else" => {
                    return Err(Fault::new(at, format!("`{}` stands behind the block of an `if`", node.name)));
                }
                "require" => return Err(Fault::new(at, "`require` stands before all other commands")),
                _ if self.unreachable => {}
                _ => {
                    let command = self.command(node)?;
                    block.push(Statement { at, command });
                }
            }
        }
        Ok(block)
    }

    /// `if`, and what of `elsif` and `else` follows it.
    fn branches(
        &mut self,
        first: Node,
        more: &mut std::iter::Peekable<impl Iterator<Item = Node>>,
    ) -> Result<Command, Fault> {
        let mut arms = vec![self.arm(first)?];
        while let Some(node) = more.next_if(|node| node.name == "elsif") {
            arms.push(self.arm(node)?);
        }
        let mut otherwise = Block::new();
        if let Some(node) = more.next_if(|node| node.name == "else") {
            if !node.arguments.is_empty() || !node.tests.is_empty() {
                return Err(Fault::new(node.at, "`else` takes neither arguments nor tests"));
            }
            otherwise = self.block(node.block.ok_or_else(|| Fault::new(node.at, "`else` needs a block"))?)?;
        }
        Ok(Command::If { arms, otherwise })
    }

    fn arm(&mut self, node: Node) -> Result<(super::program::Test, Block), Fault> {
        let at = node.at;
        let name = node.name;
        let needs = |what: &str| Fault::new(at, format!("`{name}` needs {what}"));
        if !node.arguments.is_empty() {
            return Err(needs("a test in front of its block"));
        }
        let mut tests = node.tests.into_iter();
        let (Some(test), None) = (tests.next(), tests.next()) else { return Err(needs("one test")) };
        let block = node.block.ok_or_else(|| needs("a block"))?;
        let before = (self.capabilities, self.unreachable);
        let test = self.test(test)?;
        self.unreachable |= is_never(&test);
        let block = self.block(block);
        self.unreachable = before.1;
        Ok((test, block?))
    }

    fn command(&mut self, node: Node) -> Result<Command, Fault> {
        let Node { at, name, arguments, tests, block } = node;
        let looped = name == "foreverypart";
        if let Some(test) = tests.first() {
            return Err(Fault::new(test.at, format!("`{name}` takes no test")));
        }
        if block.is_some() && !looped {
            return Err(Fault::new(at, format!("`{name}` takes no block")));
        }
        let mut arguments = Arguments::new(at, name, arguments);
        let command = self.action(&mut arguments, block)?;
        arguments.finish()?;
        Ok(command)
    }
}

/// Whether a test is false whatever the message is.
fn is_never(test: &super::program::Test) -> bool {
    use super::program::Condition;
    match &test.what {
        Condition::Always(value) => !value,
        Condition::All(tests) => tests.iter().any(is_never),
        Condition::Any(tests) => tests.iter().all(is_never),
        _ => false,
    }
}
