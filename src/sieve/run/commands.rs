//! The commands, at run time.

use std::sync::Arc;

use super::super::program::{Command, DeleteHeader, Fcc, FileInto, FlagHow, Statement, Test, Text};
use super::outcome::{Answer, Deed, Done, Question};
use super::text::modified;
use super::{Flow, Halt, Ran, Run, address_of, is_field_name};
use crate::base::Flags;
use crate::base::limits::{
    SIEVE_ACTIONS_MAX, SIEVE_FIELDS_ADDED_MAX, SIEVE_FLAGS_MAX, SIEVE_INCLUDES_MAX, SIEVE_REDIRECTS_MAX,
};

impl Run<'_> {
    pub(super) fn command(&mut self, statement: &Statement) -> Ran<Flow> {
        match &statement.command {
            Command::If { arms, otherwise } => return self.branch(arms, otherwise),
            Command::Stop => return Ok(Flow::Stop),
            Command::Return => return Ok(Flow::Return),
            Command::Break(name) => return Ok(Flow::Break(name.clone())),
            Command::ForEveryPart { name, block } => return self.for_every_part(name.as_deref(), block),
            Command::Include { global, once, optional, name } => {
                return self.includes(*global, *once, *optional, name);
            }
            Command::Discard => {
                self.implicit_keep = false;
                self.note(|| "discarded, unless something else is done with it".to_owned());
            }
            Command::Keep { flags } => {
                let flags = self.flags_for(flags.as_deref())?;
                self.refuse_beside_reject("keep")?;
                let header = self.edition();
                self.implicit_keep = false;
                self.keep = Some((self.at, flags, header));
                self.note(|| "kept".to_owned());
            }
            Command::FileInto(into) => self.file_into(into)?,
            Command::Redirect { to, copy } => self.redirect(to, *copy)?,
            Command::Reject { reason, hard } => self.reject(reason, *hard)?,
            Command::Vacation(vacation) => self.vacation(vacation)?,
            Command::Notify(notify) => self.notify(notify)?,
            Command::Set { global, name, value, modifiers } => {
                let value = modified(self.text(value)?, modifiers);
                self.set(*global, name, value)?;
            }
            Command::Flags { how, variable, flags } => self.change_flags(*how, variable.as_ref(), flags)?,
            Command::AddHeader { last, name, value } => self.add_header(name, value, *last)?,
            Command::DeleteHeader(delete) => self.delete_header(delete)?,
            Command::Global(names) => {
                let names = names.clone();
                if let Some(scope) = self.variables.last_mut() {
                    scope.global.extend(names);
                }
            }
            Command::Error(text) => {
                let text = self.text(text)?;
                return Err(self.fault(text.trim()));
            }
            Command::ExtractText { global, name, first, modifiers } => {
                let value = modified(self.extracted(*first)?, modifiers);
                self.set(*global, name, value)?;
            }
        }
        Ok(Flow::On)
    }

    fn branch(&mut self, arms: &[(Test, Vec<Statement>)], otherwise: &Vec<Statement>) -> Ran<Flow> {
        for (test, block) in arms {
            if self.test(test)? {
                return self.block(block);
            }
        }
        self.block(otherwise)
    }

    fn includes(&mut self, global: bool, once: bool, optional: bool, name: &str) -> Ran<Flow> {
        let key: (bool, Box<str>) = (global, name.into());
        if once && self.included.contains(&key) {
            return Ok(Flow::On);
        }
        self.inclusions += 1;
        if self.inclusions > SIEVE_INCLUDES_MAX {
            return Err(self.fault(format!("more than {SIEVE_INCLUDES_MAX} inclusions")));
        }
        let found = match self.ask(Question::Script { global, name: name.to_owned() })? {
            Answer::Script(found) => found.clone(),
            _ => None,
        };
        match found {
            Some(Ok(program)) => self.include(key, &program),
            Some(Err(fault)) => Err(self.fault(format!("the included script \"{name}\" is wrong: {fault}"))),
            None if optional => Ok(Flow::On),
            None => Err(self.fault(format!("there is no script \"{name}\""))),
        }
    }

    /// Adds an action.
    pub(super) fn deed(&mut self, deed: Deed) -> Ran<()> {
        let header = self.edition();
        // What is done twice is done once (RFC 5228 §2.10.3), also where the header was changed between (RFC 5293 §7).
        for done in &mut self.outcome.done {
            match (&mut done.deed, &deed) {
                (
                    Deed::File { mailbox, special_use, create, flags },
                    Deed::File { mailbox: new, special_use: new_use, create: new_create, flags: new_flags },
                ) if mailbox == new && special_use == new_use => {
                    *create |= new_create;
                    new_flags.iter().for_each(|flag| add_flag(flags, flag));
                    return Ok(());
                }
                (Deed::Redirect(known), Deed::Redirect(new)) if known.key() == new.key() => return Ok(()),
                _ => {}
            }
        }
        if self.outcome.done.len() >= SIEVE_ACTIONS_MAX {
            return Err(self.fault(format!("more than {SIEVE_ACTIONS_MAX} actions")));
        }
        let (script, at) = (Arc::clone(&self.script), self.at);
        self.outcome.done.push(Done { script, at, implicit: false, header, deed });
        Ok(())
    }

    pub(super) fn refuse_beside_reject(&self, what: &str) -> Ran<()> {
        match self.rejected {
            true => Err(self.fault(format!("`{what}` and a rejection exclude each other"))),
            false => Ok(()),
        }
    }

    fn file_into(&mut self, into: &FileInto) -> Ran<()> {
        self.refuse_beside_reject("fileinto")?;
        let name = self.text(&into.mailbox)?;
        let deed = self.filing(&name, into.create, into.flags.as_deref(), into.special_use.as_ref())?;
        self.deed(deed)?;
        self.implicit_keep &= into.copy;
        self.note(|| format!("filed into {name}"));
        Ok(())
    }

    fn filing(&mut self, name: &str, create: bool, flags: Option<&[Text]>, special_use: Option<&Text>) -> Ran<Deed> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(self.fault(format!("{name:?} is no name of a mailbox")));
        }
        let mailbox = Some(name.to_owned());
        let flags = self.flags_for(flags)?;
        Ok(Deed::File { mailbox, special_use: self.optional(special_use)?, create, flags })
    }

    /// The copy of a letter, as `:fcc` wants it.
    pub(super) fn copy(&mut self, fcc: Option<&Fcc>) -> Ran<Option<Deed>> {
        let Some(Fcc { mailbox, create, flags, special_use }) = fcc else { return Ok(None) };
        let name = self.text(mailbox)?;
        self.filing(&name, *create, flags.as_deref(), special_use.as_ref()).map(Some)
    }

    fn redirect(&mut self, to: &Text, copy: bool) -> Ran<()> {
        self.refuse_beside_reject("redirect")?;
        let to = self.text(to)?;
        let Some(address) = address_of(&to) else { return Err(self.fault(format!("\"{to}\" is no address"))) };
        self.redirects += 1;
        if self.redirects > SIEVE_REDIRECTS_MAX {
            return Err(self.fault(format!("more than {SIEVE_REDIRECTS_MAX} redirections")));
        }
        self.note(|| format!("redirected to {address}"));
        self.deed(Deed::Redirect(address))?;
        self.implicit_keep &= copy;
        Ok(())
    }

    /// RFC 5429 §2: not beside an action that takes the message.
    fn reject(&mut self, reason: &Text, hard: bool) -> Ran<()> {
        let reason = self.text(reason)?;
        let takes = |done: &Done| !matches!(done.deed, Deed::Notify(_));
        if self.rejected || self.replied || self.keep.is_some() || self.outcome.done.iter().any(takes) {
            return Err(self.fault("a rejection and another action exclude each other"));
        }
        self.note(|| "rejected".to_owned());
        self.deed(Deed::Reject { reason, hard })?;
        self.rejected = true;
        self.implicit_keep = false;
        Ok(())
    }

    fn add_header(&mut self, name: &Text, value: &Text, last: bool) -> Ran<()> {
        let (name, value) = (self.text(name)?, self.text(value)?);
        if !is_field_name(&name) {
            return Err(self.fault(format!("\"{name}\" is no name of a field")));
        }
        self.fields_added += 1;
        if self.fields_added > SIEVE_FIELDS_ADDED_MAX {
            return Err(self.fault(format!("more than {SIEVE_FIELDS_ADDED_MAX} fields are added")));
        }
        self.spend(1 + value.len() / 64)?;
        let is_added = self.header.add(&name, &value, last);
        self.note(|| format!("the field {name} is {}", if is_added { "added" } else { "protected" }));
        Ok(())
    }

    fn delete_header(&mut self, delete: &DeleteHeader) -> Ran<()> {
        let name = self.text(&delete.name)?;
        let mut places = self.header.places(&name, delete.index);
        if let Some((how, patterns)) = &delete.values {
            let patterns = self.texts(patterns)?;
            let mut matching = Vec::new();
            for place in places {
                let value = self.header.value_at(place);
                if self.compare(&[value], *how, &patterns)? {
                    matching.push(place);
                }
            }
            places = matching;
        }
        let is_done = self.header.delete(&name, &places);
        self.note(|| match is_done {
            true => format!("{} fields {name} are deleted", places.len()),
            false => format!("the field {name} is protected"),
        });
        Ok(())
    }

    // -- flags (RFC 5232) ---------------------------------------------------------------------------------

    /// The flags of variables; of the internal one, where none is named.
    pub(super) fn flags_of(&mut self, variables: &[Text]) -> Ran<Vec<String>> {
        if variables.is_empty() {
            return Ok(self.flags.clone());
        }
        let mut flags = Vec::new();
        for name in self.texts(variables)? {
            let (global, name) = namespace(&name);
            let value = self.variable(global, &name.to_ascii_lowercase()).to_owned();
            words(&value).for_each(|flag| add_flag(&mut flags, flag));
        }
        Ok(flags)
    }

    /// The flags of a filing.
    fn flags_for(&mut self, given: Option<&[Text]>) -> Ran<Vec<String>> {
        let Some(given) = given else { return Ok(self.flags.clone()) };
        let mut flags = Vec::new();
        for text in self.texts(given)? {
            words(&text).filter(|flag| is_flag(flag)).for_each(|flag| add_flag(&mut flags, flag));
        }
        Ok(flags)
    }

    fn change_flags(&mut self, how: FlagHow, variable: Option<&Text>, flags: &[Text]) -> Ran<()> {
        let mut given = Vec::new();
        for text in self.texts(flags)? {
            words(&text).filter(|flag| is_flag(flag)).for_each(|flag| add_flag(&mut given, flag));
        }
        let variable = self.optional(variable)?;
        let mut present = match &variable {
            _ if how == FlagHow::Set => Vec::new(),
            Some(name) => self.flags_of(&[Text::Plain(name.as_str().into())])?,
            None => std::mem::take(&mut self.flags),
        };
        match how {
            FlagHow::Set | FlagHow::Add => given.iter().for_each(|flag| add_flag(&mut present, flag)),
            FlagHow::Remove => present.retain(|flag| !given.iter().any(|gone| gone.eq_ignore_ascii_case(flag))),
        }
        match variable {
            Some(name) => {
                let (global, name) = namespace(&name);
                self.set(global, &name.to_ascii_lowercase(), present.join(" "))
            }
            None => {
                self.flags = present;
                Ok(())
            }
        }
    }

    pub(super) fn for_every_part(&mut self, name: Option<&str>, block: &Vec<Statement>) -> Ran<Flow> {
        let around = self.part;
        for part in self.body.places(around) {
            self.part = Some(part);
            self.spend(1)?;
            match self.block(block) {
                Ok(Flow::On) => {}
                Ok(Flow::Break(to)) => {
                    self.part = around;
                    return Ok(match to {
                        Some(to) if name != Some(&to) => Flow::Break(Some(to)),
                        _ => Flow::On,
                    });
                }
                Ok(flow) => {
                    self.part = around;
                    return Ok(flow);
                }
                Err(halt) => return Err::<Flow, Halt>(halt),
            }
        }
        self.part = around;
        Ok(Flow::On)
    }
}

fn namespace(name: &str) -> (bool, &str) {
    match name.split_once('.') {
        Some((space, name)) if space.eq_ignore_ascii_case("global") => (true, name),
        _ => (false, name),
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty())
}

/// Whether a word is a flag that can be set: a system flag but `\Recent`, or a keyword (RFC 9051 §9).
fn is_flag(word: &str) -> bool {
    match word.strip_prefix('\\') {
        Some(_) => Flags::system(word).is_some_and(|flag| !flag.is_empty()),
        None => word.bytes().all(|c| c.is_ascii_graphic() && !b"(){%*\"\\]".contains(&c)),
    }
}

pub(super) fn add_flag(flags: &mut Vec<String>, flag: &str) {
    if flags.len() < SIEVE_FLAGS_MAX && !flags.iter().any(|known| known.eq_ignore_ascii_case(flag)) {
        flags.push(flag.to_owned());
    }
}
