//! The commands beside control: what each takes, and which extension it needs.

use super::super::capability::Capability;
use super::super::parse::Node;
use super::super::place::{Fault, Place};
use super::super::program::{
    Command, DeleteHeader, Fcc, FileInto, FlagHow, How, Index, Modifier, Notify, Text, Texts, Vacation,
};
use super::Compiler;
use super::arguments::Arguments;
use crate::base::limits::{SIEVE_REPLY_DAYS_DEFAULT, SIEVE_REPLY_SECONDS_MAX, SIEVE_REPLY_SECONDS_MIN};

impl Compiler {
    /// A command, all but `if` and `require`. What is left of the arguments is the caller's to complain about.
    pub(super) fn action(&mut self, args: &mut Arguments, block: Option<Vec<Node>>) -> Result<Command, Fault> {
        use Capability as C;
        let at = args.at;
        let name = args.name.clone();
        let needs = |capability| self.needs(at, capability, &format!("`{name}`"));
        match name.as_str() {
            "stop" => Ok(Command::Stop),
            "discard" => Ok(Command::Discard),
            "keep" => Ok(Command::Keep { flags: self.keep(args)? }),
            "fileinto" => {
                needs(C::FileInto)?;
                self.file_into(args)
            }
            "redirect" => self.redirect(args),
            "reject" | "ereject" => {
                let hard = name == "ereject";
                needs(if hard { C::Ereject } else { C::Reject })?;
                Ok(Command::Reject { reason: self.text(args.string("the reason")?)?, hard })
            }
            "vacation" => {
                needs(C::Vacation)?;
                self.vacation(args)
            }
            "notify" => {
                needs(C::Enotify)?;
                self.notify(args)
            }
            "set" => {
                needs(C::Variables)?;
                let modifiers = self.modifiers(args)?;
                let (global, name) = self.variable(args.string("the variable")?)?;
                Ok(Command::Set { global, name, value: self.text(args.string("the value")?)?, modifiers })
            }
            "setflag" | "addflag" | "removeflag" => {
                needs(C::Imap4Flags)?;
                let how = match name.as_str() {
                    "setflag" => FlagHow::Set,
                    "addflag" => FlagHow::Add,
                    _ => FlagHow::Remove,
                };
                let variable = if args.len() > 1 { Some(self.flag_variable(args)?) } else { None };
                Ok(Command::Flags { how, variable, flags: self.texts(args.strings("the flags")?)? })
            }
            "addheader" => {
                needs(C::EditHeader)?;
                self.add_header(args)
            }
            "deleteheader" => {
                needs(C::EditHeader)?;
                self.delete_header(args)
            }
            "include" | "return" | "global" => {
                needs(C::Include)?;
                self.inclusion(args)
            }
            "error" => {
                needs(C::Ihave)?;
                Ok(Command::Error(self.text(args.string("the message")?)?))
            }
            "foreverypart" | "break" => {
                needs(C::ForEveryPart)?;
                self.looping(args, block)
            }
            "extracttext" => {
                needs(C::ExtractText)?;
                self.extract_text(args)
            }
            _ => Err(Fault::new(at, format!("there is no command `{name}`"))),
        }
    }

    fn flag_variable(&self, args: &mut Arguments) -> Result<Text, Fault> {
        let string = args.string("the variable")?;
        self.needs(string.0, Capability::Variables, "a variable of flags")?;
        self.variable(string.clone())?;
        self.text(string)
    }

    fn flags(&self, at: Place, args: &mut Arguments) -> Result<Option<Texts>, Fault> {
        self.needs(at, Capability::Imap4Flags, "`:flags`")?;
        Ok(Some(self.texts(args.strings("the flags")?)?))
    }

    fn keep(&self, args: &mut Arguments) -> Result<Option<Texts>, Fault> {
        let mut flags = None;
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "flags" => flags = self.flags(at, args)?,
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        Ok(flags)
    }

    fn special_use(&self, at: Place, args: &mut Arguments) -> Result<Option<Text>, Fault> {
        self.needs(at, Capability::SpecialUse, "`:specialuse`")?;
        Ok(Some(self.text(args.string("the special use")?)?))
    }

    fn file_into(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let (mut copy, mut create, mut flags, mut special_use) = (false, false, None, None);
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "copy" => {
                    self.needs(at, Capability::Copy, "`:copy`")?;
                    copy = true;
                }
                "create" => {
                    self.needs(at, Capability::Mailbox, "`:create`")?;
                    create = true;
                }
                "flags" => flags = self.flags(at, args)?,
                "specialuse" => special_use = self.special_use(at, args)?,
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        let mailbox = self.mailbox(args)?;
        Ok(Command::FileInto(Box::new(FileInto { mailbox, copy, create, flags, special_use })))
    }

    /// The name of a mailbox; one that is known now is judged now.
    fn mailbox(&self, args: &mut Arguments) -> Result<Text, Fault> {
        let (at, name) = args.string("the mailbox")?;
        let mailbox = self.text((at, name))?;
        match &mailbox {
            Text::Plain(name) if name.is_empty() || name.chars().any(char::is_control) => {
                Err(Fault::new(at, "the name of a mailbox is neither empty nor holds control characters"))
            }
            _ => Ok(mailbox),
        }
    }

    fn redirect(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let mut copy = false;
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "copy" => {
                    self.needs(at, Capability::Copy, "`:copy`")?;
                    copy = true;
                }
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        let (at, address) = args.string("the address")?;
        let to = self.text((at, address))?;
        match &to {
            Text::Plain(address) if super::super::run::address_of(address).is_none() => {
                Err(Fault::new(at, format!("\"{address}\" is no address")))
            }
            _ => Ok(Command::Redirect { to, copy }),
        }
    }

    fn vacation(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let mut days = None;
        let mut seconds = None;
        let (mut subject, mut from, mut addresses, mut mime, mut handle) = (None, None, Texts::new(), false, None);
        let mut fcc = FccTags::default();
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "days" => days = Some(args.number("days")?),
                "seconds" => {
                    self.needs(at, Capability::VacationSeconds, "`:seconds`")?;
                    seconds = Some(args.number("seconds")?);
                }
                "subject" => subject = Some(self.text(args.string("the subject")?)?),
                "from" => from = Some(self.address(args, "the author")?),
                "addresses" => addresses = self.texts(args.strings("own addresses")?)?,
                "mime" => mime = true,
                "handle" => handle = Some(self.text(args.string("the handle")?)?),
                _ if self.fcc_tag(&mut fcc, at, &tag, args)? => {}
                _ => return Err(args.unknown(at, &tag)),
            }
            if days.is_some() && seconds.is_some() {
                return Err(Fault::new(at, "`:days` and `:seconds` exclude each other"));
            }
        }
        let day = 86_400;
        let seconds = match (days, seconds) {
            (None, None) => SIEVE_REPLY_DAYS_DEFAULT * day,
            (None, Some(seconds)) => seconds,
            (Some(days), _) => days.saturating_mul(day).max(day),
        };
        let seconds = seconds.clamp(SIEVE_REPLY_SECONDS_MIN, SIEVE_REPLY_SECONDS_MAX);
        let (fcc, reason) = (fcc.finish(args)?, self.text(args.string("the reason")?)?);
        let vacation = Vacation { seconds, subject, from, addresses, mime, handle, fcc, reason };
        Ok(Command::Vacation(Box::new(vacation)))
    }

    fn address(&self, args: &mut Arguments, what: &str) -> Result<Text, Fault> {
        let (at, address) = args.string(what)?;
        let text = self.text((at, address))?;
        match &text {
            Text::Plain(address) if super::super::run::address_of(address).is_none() => {
                Err(Fault::new(at, format!("\"{address}\" is no address")))
            }
            _ => Ok(text),
        }
    }

    fn notify(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let (mut from, mut importance, mut message, mut options) = (None, None, None, Texts::new());
        let mut fcc = FccTags::default();
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "from" => from = Some(self.address(args, "the author")?),
                "importance" => {
                    let (at, level) = args.string("the importance")?;
                    let level = self.text((at, level))?;
                    if matches!(&level, Text::Plain(level) if !["1", "2", "3"].contains(&&**level)) {
                        return Err(Fault::new(at, "the importance is \"1\", \"2\" or \"3\""));
                    }
                    importance = Some(level);
                }
                "message" => message = Some(self.text(args.string("the message")?)?),
                "options" => options = self.texts(args.strings("the options")?)?,
                _ if self.fcc_tag(&mut fcc, at, &tag, args)? => {}
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        let fcc = fcc.finish(args)?;
        let (at, method) = args.string("the method")?;
        let method = self.text((at, method))?;
        if let Text::Plain(method) = &method
            && super::super::run::mailto(method).is_none()
        {
            return Err(Fault::new(at, "the method is no mailto URI that can be used"));
        }
        let notify = Notify { from, importance, message, options, fcc, method };
        Ok(Command::Notify(Box::new(notify)))
    }

    /// A tag of RFC 8580; false where it is none.
    fn fcc_tag(&self, fcc: &mut FccTags, at: Place, tag: &str, args: &mut Arguments) -> Result<bool, Fault> {
        match tag {
            "fcc" => {
                self.needs(at, Capability::Fcc, "`:fcc`")?;
                fcc.mailbox = Some(self.mailbox(args)?);
                return Ok(true);
            }
            "create" => {
                self.needs(at, Capability::Mailbox, "`:create`")?;
                fcc.create = true;
            }
            "flags" => fcc.flags = self.flags(at, args)?,
            "specialuse" => fcc.special_use = self.special_use(at, args)?,
            _ => return Ok(false),
        }
        fcc.place = Some(at);
        self.needs(at, Capability::Fcc, &format!("`:{tag}` here"))?;
        Ok(true)
    }

    fn modifiers(&self, args: &mut Arguments) -> Result<Vec<Modifier>, Fault> {
        let mut modifiers: Vec<Modifier> = Vec::new();
        while let Some((at, tag)) = args.tag()? {
            let modifier = match tag.as_str() {
                "lower" => Modifier::Lower,
                "upper" => Modifier::Upper,
                "lowerfirst" => Modifier::LowerFirst,
                "upperfirst" => Modifier::UpperFirst,
                "quotewildcard" => Modifier::QuoteWildcard,
                "encodeurl" => {
                    self.needs(at, Capability::Enotify, "`:encodeurl`")?;
                    Modifier::EncodeUrl
                }
                "length" => Modifier::Length,
                _ => return Err(args.unknown(at, &tag)),
            };
            if modifiers.iter().any(|other| rank(*other) == rank(modifier)) {
                return Err(Fault::new(at, format!("`:{tag}` excludes another modifier")));
            }
            modifiers.push(modifier);
        }
        modifiers.sort();
        Ok(modifiers)
    }

    fn add_header(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let mut last = false;
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "last" => last = true,
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        let name = self.field_name(args)?;
        Ok(Command::AddHeader { last, name, value: self.text(args.string("the value")?)? })
    }

    fn delete_header(&self, args: &mut Arguments) -> Result<Command, Fault> {
        let mut matching = super::tests_of::Matching::default();
        let (mut number, mut last) = (None, None);
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "index" => number = Some(args.number("which one")?),
                "last" => last = Some(at),
                _ if self.match_tag(&mut matching, at, &tag, args)? => {}
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        let name = self.field_name(args)?;
        let how = matching.finish();
        let index = index_of(number, last)?;
        let values = match args.is_empty() {
            true if how != How::default() => return Err(Fault::new(args.at, "a match type needs patterns")),
            true => None,
            false => Some((how, self.texts(args.strings("the patterns")?)?)),
        };
        Ok(Command::DeleteHeader(Box::new(DeleteHeader { index, name, values })))
    }

    /// The name of a field; one that is known now is judged now.
    fn field_name(&self, args: &mut Arguments) -> Result<Text, Fault> {
        let (at, name) = args.string("the field")?;
        let name = self.text((at, name))?;
        match &name {
            Text::Plain(name) if !super::super::run::is_field_name(name) => {
                Err(Fault::new(at, format!("\"{name}\" is no name of a field")))
            }
            _ => Ok(name),
        }
    }

    fn inclusion(&mut self, args: &mut Arguments) -> Result<Command, Fault> {
        match args.name.as_str() {
            "return" => return Ok(Command::Return),
            "global" => {
                self.needs(args.at, Capability::Variables, "`global`")?;
                let names = args.strings("the variables")?;
                let names = names.into_iter().map(|name| Ok(self.variable(name)?.1)).collect::<Result<_, Fault>>()?;
                return Ok(Command::Global(names));
            }
            _ => {}
        }
        let (mut personal, mut global, mut once, mut optional) = (false, false, false, false);
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "personal" => personal = true,
                "global" => global = true,
                "once" => once = true,
                "optional" => optional = true,
                _ => return Err(args.unknown(at, &tag)),
            }
            if personal && global {
                return Err(Fault::new(at, "`:personal` and `:global` exclude each other"));
            }
        }
        let name = self.constant(args.string("the script")?, "the name of an included script")?;
        self.includes = true;
        Ok(Command::Include { global, once, optional, name })
    }

    fn looping(&mut self, args: &mut Arguments, block: Option<Vec<Node>>) -> Result<Command, Fault> {
        let mut name = None;
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "name" => name = Some(self.constant(args.string("the name of the loop")?, "the name of a loop")?),
                _ => return Err(args.unknown(at, &tag)),
            }
        }
        if args.name == "break" {
            let known = match &name {
                None => !self.loops.is_empty(),
                Some(name) => self.loops.iter().any(|known| known.as_deref() == Some(name)),
            };
            return match known {
                true => Ok(Command::Break(name)),
                false => Err(Fault::new(args.at, "`break` stands in no loop of this name")),
            };
        }
        let block = block.ok_or_else(|| Fault::new(args.at, "`foreverypart` needs a block"))?;
        self.reads_body = true;
        self.loops.push(name.as_deref().map(str::to_owned));
        let block = self.block(block);
        self.loops.pop();
        Ok(Command::ForEveryPart { name, block: block? })
    }

    fn extract_text(&mut self, args: &mut Arguments) -> Result<Command, Fault> {
        self.needs(args.at, Capability::Variables, "`extracttext`")?;
        if self.loops.is_empty() {
            return Err(Fault::new(args.at, "`extracttext` stands in a `foreverypart`"));
        }
        let mut first = None;
        let mut tags = Vec::new();
        while let Some((at, tag)) = args.tag()? {
            match tag.as_str() {
                "first" => first = Some(args.number("characters")?),
                _ => tags.push((at, tag)),
            }
        }
        let (global, name) = self.variable(args.string("the variable")?)?;
        let tags = tags
            .into_iter()
            .map(|(at, tag)| super::super::parse::Argument { at, value: super::super::parse::Value::Tag(tag) });
        let modifiers = self.modifiers(&mut Arguments::new(args.at, args.name.clone(), tags.collect()))?;
        Ok(Command::ExtractText { global, name, first, modifiers })
    }
}

/// Tags of RFC 8580 that were seen.
#[derive(Default)]
struct FccTags {
    mailbox: Option<Text>,
    create: bool,
    flags: Option<Texts>,
    special_use: Option<Text>,
    /// Where a tag stands that means nothing without `:fcc`.
    place: Option<Place>,
}

impl FccTags {
    fn finish(self, args: &Arguments) -> Result<Option<Fcc>, Fault> {
        let FccTags { mailbox, create, flags, special_use, place } = self;
        match (mailbox, place) {
            (Some(mailbox), _) => Ok(Some(Fcc { mailbox, create, flags, special_use })),
            (None, None) => Ok(None),
            (None, Some(at)) => Err(Fault::new(at, format!("this tag of `{}` needs `:fcc`", args.name))),
        }
    }
}

/// Modifiers of one rank exclude each other (RFC 5229 §4.1).
fn rank(modifier: Modifier) -> u8 {
    match modifier {
        Modifier::Lower | Modifier::Upper => 40,
        Modifier::LowerFirst | Modifier::UpperFirst => 30,
        Modifier::QuoteWildcard => 20,
        Modifier::EncodeUrl => 15,
        Modifier::Length => 10,
    }
}

/// `:last` means something only beside `:index` (RFC 5260 §6).
pub(super) fn index_of(number: Option<u64>, last: Option<Place>) -> Result<Option<Index>, Fault> {
    match (number, last) {
        (Some(0), _) => Err(Fault::new(last.unwrap_or_default(), "`:index` counts from 1")),
        (Some(number), last) => Ok(Some(Index { number, last: last.is_some() })),
        (None, None) => Ok(None),
        (None, Some(at)) => Err(Fault::new(at, "`:last` needs `:index`")),
    }
}
