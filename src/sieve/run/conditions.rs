//! The tests, at run time.

use super::super::program::{AddressPart, Condition, Duplicate, DuplicateId, Index, Keys, Mime, Test, Text, Zone};
use super::header::{picked, plain};
use super::outcome::{Answer, Question, Remember};
use super::{Ran, Run, address, date, mailto, mime, reply};
use crate::base::limits::SIEVE_VALUES_MAX;

impl Run<'_> {
    pub(super) fn test(&mut self, test: &Test) -> Ran<bool> {
        let outside = std::mem::replace(&mut self.at, test.at);
        self.spend(1)?;
        let found = self.condition(&test.what)?;
        self.at = outside;
        Ok(found)
    }

    fn condition(&mut self, condition: &Condition) -> Ran<bool> {
        match condition {
            Condition::Always(value) => Ok(*value),
            Condition::Not(test) => Ok(!self.test(test)?),
            Condition::All(tests) => {
                for test in tests {
                    if !self.test(test)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Any(tests) => {
                for test in tests {
                    if self.test(test)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Condition::Size { over, limit } => {
                let size = self.mail.size;
                let found = if *over { size > *limit } else { size < *limit };
                self.note(|| format!("the message has {size} octets: {found}"));
                Ok(found)
            }
            Condition::Exists { names, mime } => {
                let mut missing = None;
                for name in self.texts(names)? {
                    if !self.exists(&name, mime.as_ref())? {
                        missing = Some(name);
                        break;
                    }
                }
                let found = missing.is_none();
                self.note(|| missing.map_or("the fields are there".to_owned(), |name| format!("there is no {name}")));
                Ok(found)
            }
            Condition::Header { names, index, mime, keys } => self.header(names, *index, mime.as_ref(), keys),
            Condition::Address { names, part, index, mime, keys } => {
                self.address(names, *part, *index, mime.as_ref(), keys)
            }
            Condition::Envelope { parts, part, keys } => self.envelope(parts, *part, keys),
            Condition::Body { of, keys } => self.body(of, keys),
            other => self.of_extension(other),
        }
    }

    fn of_extension(&mut self, condition: &Condition) -> Ran<bool> {
        match condition {
            Condition::Text { source, keys } => {
                let mut values = self.texts(source)?;
                if matches!(keys.how.kind, super::super::program::Kind::Count(_)) {
                    // RFC 5229 §5: empty strings do not count.
                    values.retain(|value| !value.is_empty());
                }
                self.matches(&values, keys)
            }
            Condition::HasFlag { variables, keys } => {
                let flags = self.flags_of(variables)?;
                self.matches(&flags, keys)
            }
            Condition::Date { name, index, zone, part, keys } => self.date(name, *index, zone, part, keys),
            Condition::CurrentDate { zone, part, keys } => {
                let zone = self.zone(zone)?.unwrap_or(0);
                let part = self.text(part)?;
                let value = date::part(&part, self.mail.now, zone);
                self.matches(&value.into_iter().collect::<Vec<_>>(), keys)
            }
            Condition::Environment { name, keys } => {
                let name = self.text(name)?;
                let value = self.environment(&name);
                self.matches(&value.into_iter().collect::<Vec<_>>(), keys)
            }
            Condition::Duplicate(duplicate) => self.duplicate(duplicate),
            Condition::ValidNotifyMethod(methods) => {
                Ok(self.texts(methods)?.iter().all(|method| mailto(method).is_some()))
            }
            Condition::NotifyCapability { method, capability, keys } => {
                let (method, capability) = (self.text(method)?, self.text(capability)?);
                // RFC 5436 §2.1: mail says nothing of whether somebody is there.
                let known = mailto(&method).is_some() && capability.eq_ignore_ascii_case("online");
                self.matches(if known { &["maybe"][..] } else { &[] }, keys)
            }
            Condition::Spam { percent, keys } => {
                let score = reply::spam_score(self.mail.spam, *percent);
                self.matches(&[score], keys)
            }
            // Nobody looks for viruses: RFC 5235 §3.3 says 0 then.
            Condition::Virus { keys } => self.matches(&["0"], keys),
            of_mailboxes => self.of_mailboxes(of_mailboxes),
        }
    }

    fn of_mailboxes(&mut self, condition: &Condition) -> Ran<bool> {
        match condition {
            Condition::MailboxExists(names) => {
                for name in self.texts(names)? {
                    if !self.ask_whether(Question::Mailbox(name))? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::SpecialUseExists { mailbox, uses } => {
                let mailbox = self.optional(mailbox.as_ref())?;
                for special_use in self.texts(uses)? {
                    if !self.ask_whether(Question::SpecialUse { mailbox: mailbox.clone(), special_use })? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Condition::Metadata { mailbox, annotation, keys } => {
                let mailbox = self.optional(mailbox.as_ref())?;
                let annotation = self.text(annotation)?;
                let value = match self.ask(Question::Metadata { mailbox, annotation })? {
                    Answer::Value(value) => value.clone(),
                    _ => None,
                };
                self.matches(&value.into_iter().collect::<Vec<_>>(), keys)
            }
            Condition::MetadataExists { mailbox, annotations } => {
                let mailbox = self.optional(mailbox.as_ref())?;
                for annotation in self.texts(annotations)? {
                    let question = Question::Metadata { mailbox: mailbox.clone(), annotation };
                    if !matches!(self.ask(question)?, Answer::Value(Some(_))) {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn exists(&mut self, name: &str, mime: Option<&Mime>) -> Ran<bool> {
        match mime {
            Some(mime) => Ok(!self.part_fields(mime.any_child, name)?.is_empty()),
            None => Ok(self.header.has(name)),
        }
    }

    fn header(&mut self, names: &[Text], index: Option<Index>, mime: Option<&Mime>, keys: &Keys) -> Ran<bool> {
        let mut values = Vec::new();
        for name in self.texts(names)? {
            let found = match mime {
                Some(mime) => {
                    let fields = picked(self.part_fields(mime.any_child, &name)?, index);
                    let what = self.mime_part(&mime.what)?;
                    fields.iter().flat_map(|body| mime::values(&what, body)).collect()
                }
                None => picked(self.header.values(&name), index),
            };
            values.extend(found);
        }
        values.truncate(SIEVE_VALUES_MAX);
        self.matches(&values, keys)
    }

    fn address(
        &mut self,
        names: &[Text],
        part: AddressPart,
        index: Option<Index>,
        mime: Option<&Mime>,
        keys: &Keys,
    ) -> Ran<bool> {
        let separator = self.mail.separator;
        let mut values = Vec::new();
        for name in self.texts(names)? {
            let bodies: Vec<Vec<u8>> = match mime {
                Some(mime) => self.part_fields(mime.any_child, &name)?,
                None => self.header.raw(&name).map(<[u8]>::to_vec).collect(),
            };
            for body in picked(bodies, index) {
                self.spend(1 + body.len() / 64)?;
                let parts = address::in_field(&body);
                values.extend(parts.filter_map(|(local, domain)| address::part(part, &local, &domain, separator)));
            }
        }
        values.truncate(SIEVE_VALUES_MAX);
        self.matches(&values, keys)
    }

    fn envelope(&mut self, parts: &[Text], part: AddressPart, keys: &Keys) -> Ran<bool> {
        let separator = self.mail.separator;
        let mut values = Vec::new();
        for name in self.texts(parts)? {
            match name.to_ascii_lowercase().as_str() {
                "from" => match self.mail.from {
                    Some(from) => {
                        values.extend(address::part(part, from.local(), &from.domain().to_string(), separator))
                    }
                    // RFC 5228 §5.4: the null reverse-path is empty, whatever part is asked for.
                    None => values.push(String::new()),
                },
                "to" => {
                    let to = self.mail.to;
                    let found = to.map(|to| address::part(part, to.local(), &to.domain().to_string(), separator));
                    values.extend(found.flatten());
                }
                "auth" => values.extend(self.mail.login.map(str::to_owned)),
                _ => {}
            }
        }
        self.matches(&values, keys)
    }

    /// Minutes east of UTC; `None` is the date's own zone.
    fn zone(&mut self, zone: &Zone) -> Ran<Option<i32>> {
        match zone {
            Zone::Ours => Ok(Some(0)),
            Zone::Original => Ok(None),
            Zone::Given(zone) => {
                let zone = self.text(zone)?;
                let minutes = date::zone_minutes(&zone);
                minutes.map(Some).ok_or_else(|| self.fault(format!("\"{zone}\" is no time zone")))
            }
        }
    }

    fn date(&mut self, name: &Text, index: Option<Index>, zone: &Zone, part: &Text, keys: &Keys) -> Ran<bool> {
        let (name, part, zone) = (self.text(name)?, self.text(part)?, self.zone(zone)?);
        let index = index.or(Some(Index { number: 1, last: false }));
        let fields = picked(self.header.raw(&name).map(plain).collect(), index);
        let found = fields.iter().filter_map(|value| date::of_field(value));
        let values: Vec<String> =
            found.filter_map(|found| date::part(&part, found.at, zone.unwrap_or(found.offset_minutes))).collect();
        self.matches(&values, keys)
    }

    /// RFC 5183 §4
    fn environment(&self, name: &str) -> Option<String> {
        let host = self.mail.host;
        match name.to_ascii_lowercase().as_str() {
            "domain" => Some(host.split_once('.').map_or(host, |(_, domain)| domain).to_owned()),
            "host" => Some(host.to_owned()),
            "location" => Some("MDA".to_owned()),
            "name" => Some("libmailcore".to_owned()),
            "phase" => Some("during".to_owned()),
            "remote-host" => Some(String::new()),
            "remote-ip" => Some(self.mail.client.unwrap_or_default().to_owned()),
            "version" => Some(env!("CARGO_PKG_VERSION").to_owned()),
            _ => None,
        }
    }

    /// RFC 7352 §3
    fn duplicate(&mut self, duplicate: &Duplicate) -> Ran<bool> {
        let handle = self.optional(duplicate.handle.as_ref())?.unwrap_or_default();
        let id = match &duplicate.id {
            DuplicateId::MessageId => self.header.raw("Message-ID").next().map(plain),
            DuplicateId::Header(name) => {
                let name = self.text(name)?;
                self.header.raw(&name).next().map(plain)
            }
            DuplicateId::Unique(id) => Some(self.text(id)?),
        };
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(false) };
        let key = reply::key("duplicate", &[&handle, &id]);
        let seen = self.ask_whether(Question::Seen(key.clone()))?
            || self.outcome.remember.iter().any(|remembered| remembered.key == key);
        if !seen || duplicate.last {
            self.outcome.remember.retain(|remembered| remembered.key != key);
            self.outcome.remember.push(Remember { key, seconds: duplicate.seconds });
        }
        self.note(|| format!("the message was {}seen before", if seen { "" } else { "not " }));
        Ok(seen)
    }
}
