//! GETMETADATA and SETMETADATA (RFC 5464), and what LIST returns of them (RFC 9590).
//!
//! Two entries are not stored: `/shared/admin` of the server, which cannot be set, and `/private/specialuse`, which is
//! what the mailbox is for (RFC 6154 §5.4).

mod told;

use std::collections::BTreeMap;

use crate::base::limits::ANNOTATION_OCTETS_MAX;
use crate::base::{ErrorKind, SpecialUse};
use crate::imap::encode::metadata::values;
use crate::imap::metadata::{Depth, GetMetadata, SetMetadata};
use crate::imap::parse::search::filter;
use crate::imap::response::Completion;
use crate::store::{Annotating, MailboxInfo};

use super::Session;
use super::refusal::{Done, Stop, of_error};
use super::search::is_filter;
pub(super) use told::Told;

/// How the server's administrator is reached.
const ADMIN: &str = "/shared/admin";
/// What a mailbox is for.
const SPECIAL_USE: &str = "/private/specialuse";

/// An entry as it is told.
type Entry<'a> = (&'a str, Option<&'a [u8]>);

/// Values by entry.
type Values = BTreeMap<String, Vec<u8>>;

impl Session {
    pub(super) async fn get_metadata(&mut self, asked: &GetMetadata) -> Done {
        let mailbox = match &asked.name {
            None => None,
            Some(name) => match self.annotated_mailbox(name).await? {
                Some(mailbox) => Some(mailbox),
                None => return Ok(Completion::no("NONEXISTENT", "No such mailbox")),
            },
        };
        let there = self.metadata_of(mailbox.as_ref()).await?;
        let (told, longest) = chosen(asked, &there);
        if !told.is_empty() {
            let utf8 = self.enabled.utf8_names();
            values(&mut self.wire.out, asked.name.as_deref().unwrap_or_default(), utf8, &told);
        }
        let done = Completion::ok("Getmetadata completed");
        Ok(match longest {
            Some(octets) => done.with_code(format!("METADATA LONGENTRIES {octets}")),
            None => done,
        })
    }

    pub(super) async fn set_metadata(&mut self, asked: SetMetadata) -> Done {
        let mailbox = match &asked.name {
            None => None,
            Some(name) => match self.annotated_mailbox(name).await? {
                Some(mailbox) => Some(mailbox.id),
                None => return Ok(Completion::no("NONEXISTENT", "No such mailbox")),
            },
        };
        if mailbox.is_none() && asked.values.iter().any(|(entry, _)| entry.starts_with("/shared/")) {
            return Ok(Completion::no("NOPERM", "Shared entries of the server cannot be set"));
        }
        let too_large = |(_, value): &(String, Option<Vec<u8>>)| {
            value.as_ref().is_some_and(|value| value.len() > ANNOTATION_OCTETS_MAX)
        };
        if asked.values.iter().any(too_large) {
            let code = format!("METADATA MAXSIZE {ANNOTATION_OCTETS_MAX}");
            return Ok(Completion::no(code, format!("A value has at most {ANNOTATION_OCTETS_MAX} bytes")));
        }
        let is_wrong = |(entry, value): &(String, Option<Vec<u8>>)| {
            is_filter(entry) && value.as_ref().is_some_and(|value| filter(value, true).is_err())
        };
        if mailbox.is_none() && asked.values.iter().any(is_wrong) {
            return Ok(Completion::no("CANNOT", "The value of a filter must be a search"));
        }
        let account = self.account()?;
        let mut change = Annotating { values: asked.values, special_use: None };
        if mailbox.is_some()
            && let Some(at) = change.values.iter().position(|(entry, _)| entry == SPECIAL_USE)
        {
            let (_, value) = change.values.swap_remove(at);
            change.special_use = Some(special_use(value.as_deref())?);
        }
        let entries: Vec<String> = change.values.iter().map(|(entry, _)| entry.clone()).collect();
        match self.shared.store.annotate(account.id, mailbox, change).await {
            Ok(revision) => self.annotated_by_client(mailbox, &entries, revision),
            Err(e) if e.kind() == ErrorKind::Limit => {
                return Ok(Completion { code: "METADATA TOOMANY".into(), ..of_error(&e) });
            }
            Err(e) => return Err(e.into()),
        }
        Ok(Completion::ok("Setmetadata completed"))
    }

    /// `* METADATA` of a mailbox that LIST tells, with all the entries that were asked for (RFC 9590).
    pub(super) async fn list_metadata(&mut self, mailbox: &MailboxInfo, entries: &[String]) -> Result<(), Stop> {
        let there = self.metadata_of(Some(mailbox)).await?;
        let told: Vec<_> = entries.iter().map(|entry| (entry.as_str(), there.get(entry).map(Vec::as_slice))).collect();
        values(&mut self.wire.out, &mailbox.name, self.enabled.utf8_names(), &told);
        Ok(())
    }

    async fn annotated_mailbox(&mut self, name: &str) -> Result<Option<MailboxInfo>, Stop> {
        let account = self.account()?;
        let mailbox = self.shared.store.mailbox(account.id, name).await?;
        Ok(mailbox.filter(|mailbox| mailbox.selectable))
    }

    /// All values of a mailbox, or of the server.
    async fn metadata_of(&mut self, mailbox: Option<&MailboxInfo>) -> Result<Values, Stop> {
        let account = self.account()?;
        let all = self.shared.store.annotations(account.id, mailbox.map(|mailbox| mailbox.id)).await?;
        let mut there: Values = all.into_iter().map(|annotation| (annotation.entry, annotation.value)).collect();
        match mailbox {
            None => {
                let domain = account.address.domain();
                there.insert(ADMIN.to_owned(), format!("mailto:postmaster@{domain}").into_bytes());
            }
            Some(mailbox) => {
                let is_for = mailbox.special_use.map(|special_use| special_use.attribute().as_bytes().to_vec());
                there.extend(is_for.map(|is_for| (SPECIAL_USE.to_owned(), is_for)));
            }
        }
        Ok(there)
    }
}

/// What is told of the values that are there: an entry that was asked for itself and is not there is NIL. And the
/// octets of the longest one that was left out because of its size.
fn chosen<'a>(asked: &'a GetMetadata, there: &'a Values) -> (Vec<Entry<'a>>, Option<usize>) {
    let (mut told, mut longest) = (BTreeMap::new(), None);
    for entry in &asked.entries {
        if asked.depth == Depth::Zero && !there.contains_key(entry) {
            told.insert(entry.as_str(), None);
        }
        for (name, value) in there.iter().filter(|(name, _)| asked.depth.has(entry, name)) {
            if asked.size_max.is_some_and(|most| value.len() > most as usize) {
                longest = longest.max(Some(value.len()));
            } else {
                told.insert(name.as_str(), Some(value.as_slice()));
            }
        }
    }
    (told.into_iter().collect(), longest)
}

/// The special use that a value of its entry names: none, or one that we have (RFC 6154 §5.4).
fn special_use(value: Option<&[u8]>) -> Result<Option<SpecialUse>, Stop> {
    let Some(value) = value.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty()) else { return Ok(None) };
    let found = std::str::from_utf8(value).ok().and_then(SpecialUse::parse);
    let refused = || Completion::no("USEATTR", "No mailbox can have this special use");
    found.map(Some).ok_or_else(|| refused().into())
}
