//! LIST and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

use std::collections::{BTreeMap, BTreeSet};

use crate::imap::command::List;
use crate::imap::encode::list::{Entry, entry, root};
use crate::imap::name::{self, SEPARATOR};
use crate::imap::response::Answer;
use crate::store::MailboxInfo;

use super::Session;
use super::refusal::Done;

/// What LIST knows of a name.
#[derive(Default)]
struct Known {
    mailbox: Option<MailboxInfo>,
    subscribed: bool,
}

impl Session {
    pub(super) async fn list(&mut self, list: &List) -> Done {
        if !list.extended && list.patterns.iter().all(Vec::is_empty) {
            root(&mut self.wire.out, "LIST");
            return Ok(Answer::ok("List completed"));
        }
        let account = self.account()?;
        let mut names: BTreeMap<String, Known> = BTreeMap::new();
        for mailbox in self.shared.store.mailboxes(account.id).await? {
            let subscribed = mailbox.subscribed;
            names.insert(mailbox.name.clone(), Known { mailbox: Some(mailbox), subscribed });
        }
        if list.select_subscribed {
            for name in self.shared.store.subscriptions(account.id).await? {
                names.entry(name).or_default().subscribed = true;
            }
        }
        let patterns: Vec<Vec<u8>> = list.patterns.iter().map(|p| pattern(&list.reference, p)).collect();
        for (name, known) in &names {
            if !self.fits(name, &patterns) {
                continue;
            }
            let child_subscribed = list.recursive_match && below(&names, name).any(|(_, known)| known.subscribed);
            let selected = (!list.select_subscribed || known.subscribed || child_subscribed)
                && (!list.select_special_use || known.mailbox.as_ref().is_some_and(|m| m.special_use.is_some()));
            if !selected || (known.mailbox.is_none() && !list.select_subscribed) {
                continue;
            }
            let subscribed = known.subscribed && (list.return_subscribed || list.select_subscribed);
            let has_children = below(&names, name).any(|(_, known)| known.mailbox.is_some());
            let attributes = attributes(known.mailbox.as_ref(), subscribed, has_children);
            let line = Entry { name, attributes, child_subscribed };
            entry(&mut self.wire.out, "LIST", &line, self.enabled.utf8_names());
            if let (Some(items), Some(mailbox)) = (list.return_status, known.mailbox.as_ref().filter(|m| m.selectable))
            {
                self.write_status(mailbox, items);
            }
            self.wire.relieve().await?;
        }
        Ok(Answer::ok("List completed"))
    }

    pub(super) async fn lsub(&mut self, reference: &[u8], asked: &[u8]) -> Done {
        if asked.is_empty() {
            root(&mut self.wire.out, "LSUB");
            return Ok(Answer::ok("Lsub completed"));
        }
        let account = self.account()?;
        let patterns = [pattern(reference, asked)];
        let subscribed: BTreeSet<String> = self.shared.store.subscriptions(account.id).await?.into_iter().collect();
        // With `%`, a level above a subscribed name stands for it (RFC 3501 §6.3.9).
        let mut lines: BTreeMap<&str, bool> = BTreeMap::new();
        for name in &subscribed {
            if self.fits(name, &patterns) {
                lines.insert(name, true);
            } else if asked.contains(&b'%') {
                let above = name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at));
                for above in above.filter(|above| !subscribed.contains(*above) && self.fits(above, &patterns)) {
                    lines.entry(above).or_insert(false);
                }
            }
        }
        for (name, is_subscribed) in lines {
            let attributes = if is_subscribed { vec![] } else { vec!["\\Noselect"] };
            let line = Entry { name, attributes, child_subscribed: false };
            entry(&mut self.wire.out, "LSUB", &line, self.enabled.utf8_names());
            self.wire.relieve().await?;
        }
        Ok(Answer::ok("Lsub completed"))
    }

    /// Whether a name fits one of the patterns, in the form both have on the wire.
    fn fits(&self, name: &str, patterns: &[Vec<u8>]) -> bool {
        let wire = if self.enabled.utf8_names() { name.to_owned() } else { name::to_wire(name) };
        patterns.iter().any(|pattern| name::matches(pattern, wire.as_bytes()))
    }
}

/// Reference and pattern together.
fn pattern(reference: &[u8], pattern: &[u8]) -> Vec<u8> {
    name::canonical_pattern(&[reference, pattern].concat())
}

/// The names below a name.
fn below<'a>(names: &'a BTreeMap<String, Known>, name: &str) -> impl Iterator<Item = (&'a String, &'a Known)> {
    let prefix = format!("{name}{SEPARATOR}");
    names.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(&prefix))
}

fn attributes(mailbox: Option<&MailboxInfo>, subscribed: bool, has_children: bool) -> Vec<&'static str> {
    let mut list = Vec::new();
    match mailbox {
        None => list.push("\\NonExistent"),
        Some(mailbox) if !mailbox.selectable => list.push("\\Noselect"),
        Some(_) => {}
    }
    if mailbox.is_some() {
        list.push(if has_children { "\\HasChildren" } else { "\\HasNoChildren" });
    }
    if subscribed {
        list.push("\\Subscribed");
    }
    if let Some(special_use) = mailbox.and_then(|mailbox| mailbox.special_use) {
        list.push(special_use.attribute());
    }
    list
}
