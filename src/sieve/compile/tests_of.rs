//! The tests: what each takes, and which extension it needs.

use super::super::capability::Capability;
use super::super::parse::Node;
use super::super::place::{Fault, Place};
use super::super::program::{
    AddressPart, BodyOf, Comparator, Condition, Duplicate, DuplicateId, How, Index, Keys, Kind, Mime, MimePart,
    Relation, Test, Text, Texts, Zone,
};
use super::Compiler;
use super::actions::index_of;
use super::arguments::Arguments;
use super::is_never;
use crate::base::limits::{SIEVE_DUPLICATE_SECONDS_DEFAULT, SIEVE_DUPLICATE_SECONDS_MAX};

/// Match type and comparator, as far as they were given.
#[derive(Default)]
pub(super) struct Matching {
    kind: Option<Kind>,
    comparator: Option<Comparator>,
}

impl Matching {
    pub(super) fn finish(&self) -> How {
        How { kind: self.kind.unwrap_or_default(), comparator: self.comparator.unwrap_or_default() }
    }
}

/// Tags that several tests share.
#[derive(Default)]
struct Tags {
    matching: Matching,
    part: Option<AddressPart>,
    number: Option<u64>,
    last: Option<Place>,
    zone: Option<Zone>,
    body: Option<BodyOf>,
    mime: Option<Place>,
    any_child: bool,
    mime_part: Option<MimePart>,
    percent: bool,
}

impl Tags {
    fn index(&self) -> Result<Option<Index>, Fault> {
        index_of(self.number, self.last)
    }

    fn part(&self) -> AddressPart {
        self.part.unwrap_or(AddressPart::All)
    }

    fn mime(&self, args: &Arguments) -> Result<Option<Mime>, Fault> {
        match (self.mime, self.any_child || self.mime_part.is_some()) {
            (Some(_), _) => {
                let what = self.mime_part.clone().unwrap_or(MimePart::Whole);
                Ok(Some(Mime { any_child: self.any_child, what }))
            }
            (None, true) => Err(Fault::new(args.at, "this needs `:mime`")),
            (None, false) => Ok(None),
        }
    }
}

/// Which of the shared tags a test has.
struct Allowed(&'static [Family]);

#[derive(PartialEq)]
enum Family {
    Match,
    AddressPart,
    Index,
    Zone,
    Body,
    Mime,
    MimeParts,
    Percent,
}

impl Compiler {
    pub(super) fn test(&mut self, node: Node) -> Result<Test, Fault> {
        let Node { at, name, arguments, tests, block } = node;
        debug_assert!(block.is_none());
        let mut args = Arguments::new(at, name, arguments);
        let takes_tests = matches!(args.name.as_str(), "not" | "allof" | "anyof");
        if let (Some(test), false) = (tests.first(), takes_tests) {
            return Err(Fault::new(test.at, format!("`{}` takes no test", args.name)));
        }
        if self.unreachable && !takes_tests {
            return Ok(Test { at, what: Condition::Always(false) });
        }
        let what = if takes_tests { self.combined(&args, tests)? } else { self.condition(&mut args)? };
        args.finish()?;
        Ok(Test { at, what })
    }

    fn combined(&mut self, args: &Arguments, tests: Vec<Node>) -> Result<Condition, Fault> {
        if tests.is_empty() || (args.name == "not" && tests.len() > 1) {
            return Err(Fault::new(args.at, format!("`{}` needs a test", args.name)));
        }
        let before = self.unreachable;
        let mut compiled = Vec::with_capacity(tests.len());
        for node in tests {
            let test = self.test(node)?;
            self.unreachable |= args.name == "allof" && is_never(&test);
            compiled.push(test);
        }
        self.unreachable = before;
        Ok(match args.name.as_str() {
            "not" => match compiled.pop() {
                Some(Test { what: Condition::Always(value), .. }) => Condition::Always(!value),
                Some(test) => Condition::Not(Box::new(test)),
                None => Condition::Always(true),
            },
            "allof" => Condition::All(compiled),
            _ => Condition::Any(compiled),
        })
    }

    fn condition(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        use Capability as C;
        let (at, name) = (args.at, args.name.clone());
        let capability = match name.as_str() {
            "envelope" => C::Envelope,
            "body" => C::Body,
            "string" => C::Variables,
            "hasflag" => C::Imap4Flags,
            "date" | "currentdate" => C::Date,
            "mailboxexists" => C::Mailbox,
            "metadata" | "metadataexists" => C::MboxMetadata,
            "servermetadata" | "servermetadataexists" => C::ServerMetadata,
            "specialuse_exists" => C::SpecialUse,
            "environment" => C::Environment,
            "duplicate" => C::Duplicate,
            "valid_notify_method" | "notify_method_capability" => C::Enotify,
            "spamtest" => C::SpamTest,
            "virustest" => C::VirusTest,
            "ihave" => C::Ihave,
            "true" => return Ok(Condition::Always(true)),
            "false" => return Ok(Condition::Always(false)),
            "size" => return self.size(args),
            "exists" | "header" | "address" => return self.of_header(args),
            _ => return Err(Fault::new(at, format!("there is no test `{name}`"))),
        };
        self.needs(at, capability, &format!("`{name}`"))?;
        self.of_extension(args)
    }

    fn size(&self, args: &mut Arguments) -> Result<Condition, Fault> {
        let over = match args.tag()? {
            Some((_, tag)) if tag == "over" => true,
            Some((_, tag)) if tag == "under" => false,
            _ => return Err(Fault::new(args.at, "`size` needs `:over` or `:under`")),
        };
        Ok(Condition::Size { over, limit: args.number("octets")? })
    }

    fn of_header(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let name = args.name.clone();
        if name == "exists" {
            let tags = self.tags(args, &Allowed(&[Family::Mime]))?;
            self.reads_body |= tags.mime.is_some();
            return Ok(Condition::Exists { mime: tags.mime(args)?, names: self.field_names(args)? });
        }
        if name == "address" {
            let tags = self.tags(args, &Allowed(&[Family::Match, Family::AddressPart, Family::Index, Family::Mime]))?;
            self.reads_body |= tags.mime.is_some();
            let (part, index, mime) = (tags.part(), tags.index()?, tags.mime(args)?);
            let names = self.field_names(args)?;
            return Ok(Condition::Address { names, part, index, mime, keys: self.keys(args, &tags)? });
        }
        let tags = self.tags(args, &Allowed(&[Family::Match, Family::Index, Family::Mime, Family::MimeParts]))?;
        self.reads_body |= tags.mime.is_some();
        let (index, mime) = (tags.index()?, tags.mime(args)?);
        let names = self.field_names(args)?;
        Ok(Condition::Header { names, index, mime, keys: self.keys(args, &tags)? })
    }

    fn of_extension(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        Ok(match args.name.as_str() {
            "envelope" => {
                let tags = self.tags(args, &Allowed(&[Family::Match, Family::AddressPart]))?;
                let parts = self.envelope_parts(args)?;
                Condition::Envelope { parts, part: tags.part(), keys: self.keys(args, &tags)? }
            }
            "body" => {
                let tags = self.tags(args, &Allowed(&[Family::Match, Family::Body]))?;
                self.reads_body = true;
                let keys = self.keys(args, &tags)?;
                Condition::Body { of: tags.body.unwrap_or(BodyOf::Text), keys }
            }
            "string" | "hasflag" => self.of_variables(args)?,
            "date" | "currentdate" => self.of_date(args)?,
            "mailboxexists" => Condition::MailboxExists(self.texts(args.strings("the mailboxes")?)?),
            "metadata" | "servermetadata" | "metadataexists" | "servermetadataexists" => self.of_metadata(args)?,
            "specialuse_exists" => {
                let mailbox = if args.len() > 1 { Some(self.text(args.string("the mailbox")?)?) } else { None };
                Condition::SpecialUseExists { mailbox, uses: self.texts(args.strings("the special uses")?)? }
            }
            "environment" => {
                let tags = self.tags(args, &Allowed(&[Family::Match]))?;
                let name = self.text(args.string("the name")?)?;
                Condition::Environment { name, keys: self.keys(args, &tags)? }
            }
            "duplicate" => self.duplicate(args)?,
            "valid_notify_method" => Condition::ValidNotifyMethod(self.texts(args.strings("the methods")?)?),
            "notify_method_capability" => {
                let tags = self.tags(args, &Allowed(&[Family::Match]))?;
                let method = self.text(args.string("the method")?)?;
                let capability = self.text(args.string("the capability")?)?;
                Condition::NotifyCapability { method, capability, keys: self.keys(args, &tags)? }
            }
            "spamtest" => {
                let tags = self.tags(args, &Allowed(&[Family::Match, Family::Percent]))?;
                Condition::Spam { percent: tags.percent, keys: self.score(args, &tags)? }
            }
            "virustest" => {
                let tags = self.tags(args, &Allowed(&[Family::Match]))?;
                Condition::Virus { keys: self.score(args, &tags)? }
            }
            _ => self.ihave(args)?,
        })
    }

    fn of_variables(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let tags = self.tags(args, &Allowed(&[Family::Match]))?;
        if args.name == "string" {
            let source = self.texts(args.strings("the source")?)?;
            return Ok(Condition::Text { source, keys: self.keys(args, &tags)? });
        }
        let mut variables = Texts::new();
        if args.len() > 1 {
            for name in args.strings("the variables")? {
                self.needs(name.0, Capability::Variables, "a variable of flags")?;
                self.variable(name.clone())?;
                variables.push(self.text(name)?);
            }
        }
        Ok(Condition::HasFlag { variables, keys: self.keys(args, &tags)? })
    }

    fn of_date(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let of_field = args.name == "date";
        let families: &[Family] = &[Family::Match, Family::Zone, Family::Index];
        let tags = self.tags(args, &Allowed(if of_field { families } else { &[Family::Match, Family::Zone] }))?;
        let index = tags.index()?;
        let name = if of_field { Some(self.text(args.string("the field")?)?) } else { None };
        let (at, part) = args.string("the part of the date")?;
        let part = self.text((at, part))?;
        if matches!(&part, Text::Plain(part) if !super::super::run::is_date_part(part)) {
            return Err(Fault::new(at, "there is no such part of a date"));
        }
        let keys = self.keys(args, &tags)?;
        let zone = tags.zone.unwrap_or(Zone::Ours);
        Ok(match name {
            Some(name) => Condition::Date { name, index, zone, part, keys },
            None if zone == Zone::Original => {
                return Err(Fault::new(args.at, "`currentdate` has no `:originalzone`"));
            }
            None => Condition::CurrentDate { zone, part, keys },
        })
    }

    fn of_metadata(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let of_server = args.name.starts_with("server");
        if args.name.ends_with("exists") {
            let mailbox = if of_server { None } else { Some(self.text(args.string("the mailbox")?)?) };
            let annotations = self.texts(args.strings("the annotations")?)?;
            return Ok(Condition::MetadataExists { mailbox, annotations });
        }
        let tags = self.tags(args, &Allowed(&[Family::Match]))?;
        let mailbox = if of_server { None } else { Some(self.text(args.string("the mailbox")?)?) };
        let annotation = self.text(args.string("the annotation")?)?;
        Ok(Condition::Metadata { mailbox, annotation, keys: self.keys(args, &tags)? })
    }

    fn duplicate(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let (mut handle, mut id, mut last) = (None, None, false);
        let mut seconds = SIEVE_DUPLICATE_SECONDS_DEFAULT;
        while let Some((at, tag)) = args.tag()? {
            let given = match tag.as_str() {
                "handle" => {
                    handle = Some(self.text(args.string("the handle")?)?);
                    None
                }
                "header" => Some(DuplicateId::Header(self.text(args.string("the field")?)?)),
                "uniqueid" => Some(DuplicateId::Unique(self.text(args.string("the id")?)?)),
                "seconds" => {
                    seconds = args.number("seconds")?;
                    None
                }
                "last" => {
                    last = true;
                    None
                }
                _ => return Err(args.unknown(at, &tag)),
            };
            if given.is_some() && id.is_some() {
                return Err(Fault::new(at, "`:header` and `:uniqueid` exclude each other"));
            }
            id = id.or(given);
        }
        let seconds = seconds.min(SIEVE_DUPLICATE_SECONDS_MAX);
        let id = id.unwrap_or(DuplicateId::MessageId);
        Ok(Condition::Duplicate(Box::new(Duplicate { handle, id, seconds, last })))
    }

    /// RFC 5463: what is there may be used from here on.
    fn ihave(&mut self, args: &mut Arguments) -> Result<Condition, Fault> {
        let mut all = true;
        let mut found = Vec::new();
        for (_, name) in args.strings("the extensions")? {
            match Capability::of(&name) {
                Some(capability) => found.push(capability),
                None => all = false,
            }
        }
        if all {
            found.into_iter().for_each(|capability| self.capabilities.add(capability));
        }
        Ok(Condition::Always(all))
    }

    fn keys(&self, args: &mut Arguments, tags: &Tags) -> Result<Keys, Fault> {
        Ok(Keys { how: tags.matching.finish(), keys: self.texts(args.strings("the keys")?)? })
    }

    /// One value to compare a score with.
    fn score(&self, args: &mut Arguments, tags: &Tags) -> Result<Keys, Fault> {
        Ok(Keys { how: tags.matching.finish(), keys: vec![self.text(args.string("the value")?)?] })
    }

    /// What is no name of a field names none that a message has (RFC 5228 §2.4.2.2): no fault.
    fn field_names(&self, args: &mut Arguments) -> Result<Texts, Fault> {
        self.texts(args.strings("the fields")?)
    }

    fn envelope_parts(&self, args: &mut Arguments) -> Result<Texts, Fault> {
        let parts = args.strings("the parts of the envelope")?;
        let texts = self.texts(parts.clone())?;
        for ((at, _), text) in parts.iter().zip(&texts) {
            if let Text::Plain(part) = text
                && !["from", "to", "auth"].iter().any(|known| part.eq_ignore_ascii_case(known))
            {
                return Err(Fault::new(*at, format!("the envelope has no part \"{part}\"")));
            }
        }
        Ok(texts)
    }

    /// A tag for the match type or the comparator; false where it is none.
    pub(super) fn match_tag(
        &self,
        matching: &mut Matching,
        at: Place,
        tag: &str,
        args: &mut Arguments,
    ) -> Result<bool, Fault> {
        let kind = match tag {
            "is" => Kind::Is,
            "contains" => Kind::Contains,
            "matches" => Kind::Matches,
            "value" | "count" => {
                self.needs(at, Capability::Relational, &format!("`:{tag}`"))?;
                let (place, relation) = args.string("the relation")?;
                let relation = relation_of(&relation)
                    .ok_or_else(|| Fault::new(place, "the relation is gt, ge, lt, le, eq or ne"))?;
                if tag == "value" { Kind::Value(relation) } else { Kind::Count(relation) }
            }
            "comparator" => {
                let (place, name) = args.string("the comparator")?;
                matching.comparator = Some(self.comparator(place, &name)?);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        if matching.kind.replace(kind).is_some() {
            return Err(Fault::new(at, "a test has one match type"));
        }
        Ok(true)
    }

    fn comparator(&self, at: Place, name: &str) -> Result<Comparator, Fault> {
        Ok(match name {
            "i;octet" => Comparator::Octet,
            "i;ascii-casemap" => Comparator::AsciiCasemap,
            "i;ascii-numeric" => {
                self.needs(at, Capability::AsciiNumeric, "this comparator")?;
                Comparator::AsciiNumeric
            }
            "i;unicode-casemap" => {
                self.needs(at, Capability::UnicodeCasemap, "this comparator")?;
                Comparator::UnicodeCasemap
            }
            _ => return Err(Fault::new(at, format!("the comparator \"{name}\" is not known here"))),
        })
    }

    fn tags(&self, args: &mut Arguments, allowed: &Allowed) -> Result<Tags, Fault> {
        let mut tags = Tags::default();
        while let Some((at, tag)) = args.tag()? {
            let has = |family: &Family| allowed.0.contains(family);
            let known = (has(&Family::Match) && self.match_tag(&mut tags.matching, at, &tag, args)?)
                || (has(&Family::AddressPart) && self.part_tag(&mut tags, at, &tag)?)
                || (has(&Family::Index) && self.index_tag(&mut tags, at, &tag, args)?)
                || (has(&Family::Zone) && self.zone_tag(&mut tags, at, &tag, args)?)
                || (has(&Family::Body) && self.body_tag(&mut tags, at, &tag, args)?)
                || (has(&Family::Mime) && self.mime_tag(&mut tags, at, &tag)?)
                || (has(&Family::MimeParts) && self.mime_part_tag(&mut tags, at, &tag, args)?)
                || (has(&Family::Percent) && self.percent_tag(&mut tags, at, &tag)?);
            if !known {
                return Err(args.unknown(at, &tag));
            }
        }
        let how = tags.matching.finish();
        if how.comparator == Comparator::AsciiNumeric && matches!(how.kind, Kind::Contains | Kind::Matches) {
            return Err(Fault::new(args.at, "the comparator i;ascii-numeric has no substrings"));
        }
        Ok(tags)
    }

    fn part_tag(&self, tags: &mut Tags, at: Place, tag: &str) -> Result<bool, Fault> {
        let part = match tag {
            "all" => AddressPart::All,
            "localpart" => AddressPart::LocalPart,
            "domain" => AddressPart::Domain,
            "user" => AddressPart::User,
            "detail" => AddressPart::Detail,
            _ => return Ok(false),
        };
        if matches!(part, AddressPart::User | AddressPart::Detail) {
            self.needs(at, Capability::Subaddress, &format!("`:{tag}`"))?;
        }
        match tags.part.replace(part) {
            None => Ok(true),
            Some(_) => Err(Fault::new(at, "a test has one address part")),
        }
    }

    fn index_tag(&self, tags: &mut Tags, at: Place, tag: &str, args: &mut Arguments) -> Result<bool, Fault> {
        match tag {
            "index" => tags.number = Some(args.number("which one")?),
            "last" => tags.last = Some(at),
            _ => return Ok(false),
        }
        self.needs(at, Capability::Index, &format!("`:{tag}`"))?;
        Ok(true)
    }

    fn zone_tag(&self, tags: &mut Tags, at: Place, tag: &str, args: &mut Arguments) -> Result<bool, Fault> {
        let zone = match tag {
            "originalzone" => Zone::Original,
            "zone" => {
                let (place, zone) = args.string("the time zone")?;
                let zone = self.text((place, zone))?;
                if matches!(&zone, Text::Plain(zone) if super::super::run::zone_minutes(zone).is_none()) {
                    return Err(Fault::new(place, "a time zone is written as +hhmm or -hhmm"));
                }
                Zone::Given(zone)
            }
            _ => return Ok(false),
        };
        match tags.zone.replace(zone) {
            None => Ok(true),
            Some(_) => Err(Fault::new(at, "`:zone` and `:originalzone` exclude each other")),
        }
    }

    fn body_tag(&self, tags: &mut Tags, at: Place, tag: &str, args: &mut Arguments) -> Result<bool, Fault> {
        let of = match tag {
            "raw" => BodyOf::Raw,
            "text" => BodyOf::Text,
            "content" => BodyOf::Content(self.texts(args.strings("the content types")?)?),
            _ => return Ok(false),
        };
        match tags.body.replace(of) {
            None => Ok(true),
            Some(_) => Err(Fault::new(at, "a test has one body transform")),
        }
    }

    fn mime_tag(&self, tags: &mut Tags, at: Place, tag: &str) -> Result<bool, Fault> {
        match tag {
            "mime" => tags.mime = Some(at),
            "anychild" => tags.any_child = true,
            _ => return Ok(false),
        }
        self.needs(at, Capability::Mime, &format!("`:{tag}`"))?;
        Ok(true)
    }

    fn mime_part_tag(&self, tags: &mut Tags, at: Place, tag: &str, args: &mut Arguments) -> Result<bool, Fault> {
        let part = match tag {
            "type" => MimePart::Type,
            "subtype" => MimePart::Subtype,
            "contenttype" => MimePart::ContentType,
            "param" => MimePart::Parameters(self.texts(args.strings("the parameters")?)?),
            _ => return Ok(false),
        };
        self.needs(at, Capability::Mime, &format!("`:{tag}`"))?;
        match tags.mime_part.replace(part) {
            None => Ok(true),
            Some(_) => Err(Fault::new(at, "a test looks at one part of a MIME field")),
        }
    }

    fn percent_tag(&self, tags: &mut Tags, at: Place, tag: &str) -> Result<bool, Fault> {
        if tag != "percent" {
            return Ok(false);
        }
        self.needs(at, Capability::SpamTestPlus, "`:percent`")?;
        tags.percent = true;
        Ok(true)
    }
}

fn relation_of(name: &str) -> Option<Relation> {
    Some(match name.to_ascii_lowercase().as_str() {
        "gt" => Relation::Gt,
        "ge" => Relation::Ge,
        "lt" => Relation::Lt,
        "le" => Relation::Le,
        "eq" => Relation::Eq,
        "ne" => Relation::Ne,
        _ => return None,
    })
}
