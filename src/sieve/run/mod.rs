//! Runs programs for a message, within a budget.

mod address;
mod body;
mod commands;
mod conditions;
mod date;
mod header;
mod mailto;
mod matching;
mod mime;
mod outcome;
mod reply;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) use address::address_of;
pub(super) use date::{is_part as is_date_part, zone_minutes};
pub(super) use header::is_field_name;
pub(super) use mailto::mailto;
pub use outcome::{Answer, Deed, Done, Ended, Facts, Letter, Mail, Note, Outcome, Question, Remember, Reply, Script};

use super::place::{Fault, Place};
use super::program::{Block, Program};
use crate::base::limits::{SIEVE_INCLUDE_DEPTH_MAX, SIEVE_NOTES_MAX, SIEVE_STEPS_MAX};
use header::Header;

/// Whether a text may name a script (RFC 5804 §1.6): no control characters, no `/`, not empty, not too long.
pub fn is_script_name(name: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '/' | '\u{2028}' | '\u{2029}');
    !name.is_empty() && name.len() <= crate::base::limits::SIEVE_NAME_OCTETS_MAX && !name.chars().any(odd)
}

/// Runs scripts one after the other, until one takes the message away from the next: what is done is what all of them
/// said together. `explain` fills [`Outcome::notes`]. A question ends the run, which is to be repeated with its answer.
pub fn run(scripts: &[Script], mail: &Mail<'_>, facts: &Facts, explain: bool) -> Ended {
    let mut run = Run::new(mail, facts, explain);
    for script in scripts {
        run.script = Arc::clone(&script.name);
        run.begin();
        match run.program(&script.program) {
            Ok(()) => {}
            Err(Halt::Ask(question)) => return Ended::Asks(question),
            Err(Halt::Fault(fault)) => return Ended::Done(run.failed(fault)),
        }
        if !run.keeps() {
            break;
        }
    }
    Ended::Done(run.finish())
}

/// Why a run ends before its end.
enum Halt {
    Fault(Fault),
    Ask(Question),
}

impl From<Fault> for Halt {
    fn from(fault: Fault) -> Halt {
        Halt::Fault(fault)
    }
}

/// Where the run goes after a statement.
enum Flow {
    On,
    /// The end of this script.
    Stop,
    /// The end of an included script.
    Return,
    /// The end of the loop of this name, or of the innermost one.
    Break(Option<Box<str>>),
}

type Ran<T> = Result<T, Halt>;

/// Everything that changes while scripts run.
struct Run<'a> {
    mail: &'a Mail<'a>,
    facts: &'a Facts,
    explain: bool,
    /// Which script runs, for faults and notes.
    script: Arc<str>,
    at: Place,
    steps: usize,
    /// Octets held by variables.
    held: usize,
    header: Header<'a>,
    body: body::Parts<'a>,
    /// The part that a `foreverypart` looks at.
    part: Option<usize>,
    outcome: Outcome,
    /// Copies of the header as actions found it.
    edition: Option<usize>,
    implicit_keep: bool,
    /// Flags of an explicit keep that waits for the scripts that follow.
    keep: Option<(Place, Vec<String>, Option<usize>)>,
    flags: Vec<String>,
    variables: Vec<Scope>,
    globals: BTreeMap<Box<str>, String>,
    matched: Vec<String>,
    included: BTreeSet<(bool, Box<str>)>,
    including: Vec<(bool, Box<str>)>,
    replied: bool,
    rejected: bool,
    redirects: usize,
    notified: usize,
    inclusions: usize,
    fields_added: usize,
}

/// The variables of one script.
#[derive(Default)]
struct Scope {
    values: BTreeMap<Box<str>, String>,
    /// Names that stand for global variables.
    global: BTreeSet<Box<str>>,
}

impl<'a> Run<'a> {
    fn new(mail: &'a Mail<'a>, facts: &'a Facts, explain: bool) -> Run<'a> {
        Run {
            mail,
            facts,
            explain,
            script: Arc::from(""),
            at: Place::default(),
            steps: 0,
            held: 0,
            header: Header::new(mail.octets),
            body: body::Parts::new(mail.octets),
            part: None,
            outcome: Outcome::default(),
            edition: None,
            implicit_keep: true,
            keep: None,
            flags: Vec::new(),
            variables: Vec::new(),
            globals: BTreeMap::new(),
            matched: Vec::new(),
            included: BTreeSet::new(),
            including: Vec::new(),
            replied: false,
            rejected: false,
            redirects: 0,
            notified: 0,
            inclusions: 0,
            fields_added: 0,
        }
    }

    /// A script begins: its variables are its own; flags that were set go on.
    fn begin(&mut self) {
        self.variables = vec![Scope::default()];
        self.matched.clear();
        self.implicit_keep = true;
        // A keep of the script before waits no longer: this one decides.
        if let Some((_, flags, _)) = self.keep.take() {
            self.flags = flags;
        }
    }

    fn program(&mut self, program: &Program) -> Ran<()> {
        self.block(&program.body).map(|_| ())
    }

    fn keeps(&self) -> bool {
        self.implicit_keep || self.keep.is_some()
    }

    fn block(&mut self, block: &Block) -> Ran<Flow> {
        for statement in block {
            self.at = statement.at;
            self.spend(1)?;
            match self.command(statement)? {
                Flow::On => {}
                flow => return Ok(flow),
            }
        }
        Ok(Flow::On)
    }

    /// Runs another script in the place of a command.
    fn include(&mut self, key: (bool, Box<str>), program: &Program) -> Ran<Flow> {
        if self.including.len() >= SIEVE_INCLUDE_DEPTH_MAX {
            return Err(self.fault(format!("scripts include each other more than {SIEVE_INCLUDE_DEPTH_MAX} deep")));
        }
        if self.including.contains(&key) {
            return Err(self.fault(format!("the script \"{}\" includes itself", key.1)));
        }
        let before = (Arc::clone(&self.script), self.at);
        self.included.insert(key.clone());
        self.script = Arc::from(&*key.1);
        self.including.push(key);
        self.variables.push(Scope::default());
        let flow = self.block(&program.body)?;
        if let Some(scope) = self.variables.pop() {
            self.held = self.held.saturating_sub(scope.values.values().map(String::len).sum());
        }
        self.including.pop();
        (self.script, self.at) = before;
        Ok(match flow {
            Flow::Return | Flow::Break(_) => Flow::On,
            flow => flow,
        })
    }

    fn fault(&self, text: impl Into<String>) -> Halt {
        Halt::Fault(Fault::new(self.at, text))
    }

    /// Takes steps from the budget.
    fn spend(&mut self, steps: usize) -> Ran<()> {
        self.steps = self.steps.saturating_add(steps);
        match self.steps > SIEVE_STEPS_MAX {
            true => Err(self.fault("the script takes too many steps")),
            false => Ok(()),
        }
    }

    /// The answer to a question, or the end of the run.
    fn ask(&self, question: Question) -> Ran<&'a Answer> {
        self.facts.get(&question).ok_or(Halt::Ask(question))
    }

    fn ask_whether(&self, question: Question) -> Ran<bool> {
        Ok(matches!(self.ask(question)?, Answer::Is(true)))
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.explain && self.outcome.notes.len() < SIEVE_NOTES_MAX {
            let (script, at) = (Arc::clone(&self.script), self.at);
            self.outcome.notes.push(Note { script, at, text: text() });
        }
    }

    fn finish(mut self) -> Outcome {
        if let Some((at, flags, header)) = self.keep.take() {
            self.at = at;
            self.file_here(flags, header, false);
        } else if self.implicit_keep {
            let flags = std::mem::take(&mut self.flags);
            let header = self.edition();
            self.file_here(flags, header, true);
        }
        self.outcome
    }

    /// What happens after a fault: the message is kept, and nothing else is done.
    fn failed(mut self, fault: Fault) -> Outcome {
        self.outcome.fault = Some((Arc::clone(&self.script), fault));
        self.outcome.done.clear();
        self.outcome.headers.clear();
        self.outcome.remember.clear();
        self.edition = None;
        self.header = Header::new(self.mail.octets);
        self.file_here(Vec::new(), None, true);
        self.outcome
    }

    fn file_here(&mut self, flags: Vec<String>, header: Option<usize>, implicit: bool) {
        let (script, at) = (Arc::clone(&self.script), self.at);
        let here = |done: &&mut Done| matches!(&done.deed, Deed::File { mailbox: None, special_use: None, .. });
        if let Some(Done { deed: Deed::File { flags: known, .. }, .. }) = self.outcome.done.iter_mut().find(here) {
            flags.iter().for_each(|flag| commands::add_flag(known, flag));
            return;
        }
        let deed = Deed::File { mailbox: None, special_use: None, create: false, flags };
        self.outcome.done.push(Done { script, at, implicit, header, deed });
    }

    /// The edition of the header that an action sees; `None` as it came.
    fn edition(&mut self) -> Option<usize> {
        if let Some(octets) = self.header.take_changed() {
            self.outcome.headers.push(Arc::new(octets));
            self.edition = Some(self.outcome.headers.len() - 1);
        }
        self.edition
    }
}
