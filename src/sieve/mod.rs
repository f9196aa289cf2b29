//! Floor 2: Sieve, the language in which owners of mailboxes say what becomes of their mail (RFC 5228). Uses message
//! and base.
//!
//! Pure. [`compile`] makes a [`Program`] of a script, or says in which line and column it is wrong. [`run`] goes
//! through programs for one message and gives an [`Outcome`]: what is to be done, in order. It does nothing itself, and
//! asks nobody: what it must know of the world (mailboxes, other scripts, what was seen before) it returns as a
//! [`Question`], and is run again with the answer.
//!
//! Promises: no script and no message makes it panic, recurse without bound or take more steps, memory, redirects and
//! replies than the limits say (`base::limits`, `SIEVE_`). What fails at run time is a [`Fault`]; the message is then
//! kept.

mod capability;
mod compile;
mod lexer;
mod parse;
mod place;
mod program;
mod run;

pub use capability::capabilities;
pub use compile::compile;
pub use place::{Fault, Place};
pub use program::Program;
pub use run::{
    Answer, Deed, Done, Ended, Facts, Letter, Mail, Note, Outcome, Question, Remember, Reply, Script, is_script_name,
    run,
};
