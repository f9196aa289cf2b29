//! LIST and LSUB (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501 §6.3.9).

use std::collections::{BTreeMap, BTreeSet};

use crate::imap::command::List;
use crate::imap::encode::list::{Entry, entry, root};
use crate::imap::name::{Pattern, SEPARATOR};
use crate::imap::response::Completion;
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
            return Ok(Completion::ok("List completed"));
        }
        let account = self.account()?;
        let mut names: BTreeMap<String, Known> = BTreeMap::new();
        for mailbox in self.shared.store.mailboxes(account.id).await? {
            let subscribed = mailbox.subscribed;
            names.insert(mailbox.name.clone(), Known { mailbox: Some(mailbox), subscribed });
        }
        if list.select_subscribed {
            for name in self.shared.store.subscriptions(account.id).await? {
                if list.recursive_match {
                    // A level above need not be there to have something subscribed below it.
                    for above in above(&name) {
                        names.entry(above.to_owned()).or_default();
                    }
                }
                names.entry(name).or_default().subscribed = true;
            }
        }
        let utf8 = self.enabled.utf8_names();
        let patterns: Vec<Pattern> = list.patterns.iter().map(|p| pattern(&list.reference, p, utf8)).collect();
        for (name, known, child_info) in selected(list, &names, &patterns) {
            let subscribed = known.subscribed && (list.return_subscribed || list.select_subscribed);
            let has_children = below(&names, name).any(|(_, known)| known.mailbox.is_some());
            let attributes = attributes(known.mailbox.as_ref(), subscribed, has_children);
            let line = Entry { name, attributes, child_info, old: None };
            entry(&mut self.wire.out, "LIST", &line, utf8);
            if let (Some(items), Some(mailbox)) = (list.return_status, known.mailbox.as_ref().filter(|m| m.selectable))
            {
                self.write_status(mailbox, items).await?;
            }
            if let Some(mailbox) = known.mailbox.as_ref().filter(|_| !list.return_metadata.is_empty()) {
                self.list_metadata(mailbox, &list.return_metadata).await?;
            }
            self.wire.relieve().await?;
        }
        Ok(Completion::ok("List completed"))
    }

    pub(super) async fn lsub(&mut self, reference: &[u8], asked: &[u8]) -> Done {
        if asked.is_empty() {
            root(&mut self.wire.out, "LSUB");
            return Ok(Completion::ok("Lsub completed"));
        }
        let account = self.account()?;
        let utf8 = self.enabled.utf8_names();
        let patterns = [pattern(reference, asked, utf8)];
        let has_percent = patterns.iter().any(Pattern::has_percent);
        let subscribed: BTreeSet<String> = self.shared.store.subscriptions(account.id).await?.into_iter().collect();
        // With `%`, a level above a subscribed name stands for it (RFC 3501 §6.3.9).
        let mut lines: BTreeMap<&str, bool> = BTreeMap::new();
        for name in &subscribed {
            if fits(name, &patterns) {
                lines.insert(name, true);
            } else if has_percent {
                for above in above(name).filter(|above| !subscribed.contains(*above) && fits(above, &patterns)) {
                    lines.entry(above).or_insert(false);
                }
            }
        }
        for (name, is_subscribed) in lines {
            let attributes = if is_subscribed { vec![] } else { vec!["\\Noselect"] };
            let line = Entry { name, attributes, ..Entry::default() };
            entry(&mut self.wire.out, "LSUB", &line, utf8);
            self.wire.relieve().await?;
        }
        Ok(Completion::ok("Lsub completed"))
    }
}

/// Whether a name fits one of the patterns.
fn fits(name: &str, patterns: &[Pattern]) -> bool {
    patterns.iter().any(|pattern| pattern.fits(name))
}

/// The names LIST tells, each with what CHILDINFO says of it.
fn selected<'a>(
    list: &List,
    names: &'a BTreeMap<String, Known>,
    patterns: &[Pattern],
) -> Vec<(&'a String, &'a Known, Vec<&'static str>)> {
    let mut told = Vec::new();
    for (name, known) in names.iter().filter(|(name, _)| fits(name, patterns)) {
        let inside = || below(names, name).filter(|(_, known)| selects(list, known));
        let child_info = if list.recursive_match && inside().next().is_some() { criteria(list) } else { Vec::new() };
        // A name that is there for names below only is left out where all of them are told themselves (RFC 5258 §3.5).
        let is_there = !child_info.is_empty() && inside().any(|(name, _)| !fits(name, patterns));
        if selects(list, known) || is_there {
            told.push((name, known, child_info));
        }
    }
    told
}

/// Reference and pattern together.
fn pattern(reference: &[u8], pattern: &[u8], utf8: bool) -> Pattern {
    Pattern::read(&[reference, pattern].concat(), utf8)
}

/// Whether a name is what LIST's selection options ask for.
fn selects(list: &List, known: &Known) -> bool {
    (!list.select_subscribed || known.subscribed)
        && (!list.select_special_use || known.mailbox.as_ref().is_some_and(|mailbox| mailbox.special_use.is_some()))
        && (list.select_subscribed || known.mailbox.is_some())
}

/// The selection options as CHILDINFO names them.
fn criteria(list: &List) -> Vec<&'static str> {
    let all = [(list.select_subscribed, "SUBSCRIBED"), (list.select_special_use, "SPECIAL-USE")];
    all.into_iter().filter(|(asked, _)| *asked).map(|(_, word)| word).collect()
}

/// The levels above a name.
fn above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices(SEPARATOR).filter_map(|(at, _)| name.get(..at))
}

/// The names below a name.
fn below<'a>(names: &'a BTreeMap<String, Known>, name: &str) -> impl Iterator<Item = (&'a String, &'a Known)> {
    let prefix = format!("{name}{SEPARATOR}");
    names.range(prefix.clone()..).take_while(move |(name, _)| name.starts_with(&prefix))
}

/// What LIST says of a name.
pub(super) fn attributes(mailbox: Option<&MailboxInfo>, subscribed: bool, has_children: bool) -> Vec<&'static str> {
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
