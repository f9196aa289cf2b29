//! What a client that uses NOTIFY knows of its account's mailboxes, and what is different now.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::limits::IMAP_NOTIFY_MAILBOXES_MAX;
use crate::base::{Flags, MailboxId, ModSeq, Snapshot, Uid, UidValidity};
use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::name::SEPARATOR;
use crate::imap::notify::{Events, Notify};
use crate::store::MailboxInfo;

use super::super::list;

/// What the client knows.
#[derive(Debug, Default)]
pub(super) struct Known {
    mailboxes: BTreeMap<MailboxId, Mailbox>,
    subscribed: BTreeSet<String>,
}

/// A mailbox as the client knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mailbox {
    name: String,
    events: Events,
    counts: Counts,
}

/// What STATUS tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    uid_validity: UidValidity,
    uid_next: Uid,
    total: u32,
    unseen: u32,
    mod_seq: ModSeq,
}

/// Something to be told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// A name was made, deleted, renamed, subscribed: `* LIST`.
    Name {
        /// As it is now.
        name: String,
        /// As it was before a RENAME.
        old: Option<String>,
        /// As LIST tells them.
        attributes: Vec<&'static str>,
    },
    /// Messages came, went or changed: `* STATUS`.
    Messages {
        /// Where.
        mailbox: &'a MailboxInfo,
        /// What of it, HIGHESTMODSEQ apart.
        items: StatusItems,
        /// Only HIGHESTMODSEQ is new.
        changed_only: bool,
    },
}

impl Known {
    /// What is there now. `None` where it is more than may be watched.
    pub fn new(asked: &Notify, now: &[MailboxInfo], subscribed: Vec<String>) -> Option<Known> {
        let mut known = Known { mailboxes: BTreeMap::new(), subscribed: subscribed.into_iter().collect() };
        for info in now {
            let events = asked.events_of(&info.name, info.subscribed);
            if !events.is_empty() {
                known.mailboxes.insert(info.id, Mailbox::new(info, events, Counts::of(info)));
            }
        }
        known.fits().then_some(known)
    }

    fn fits(&self) -> bool {
        self.mailboxes.len() <= IMAP_NOTIFY_MAILBOXES_MAX
    }

    /// What is different now; it is known then. `None` where it is more than may be watched.
    pub fn compare<'a>(
        &mut self,
        asked: &Notify,
        now: &'a [MailboxInfo],
        subscribed: Vec<String>,
        selected: Option<MailboxId>,
    ) -> Option<Vec<News<'a>>> {
        let mut names = self.names_changed(asked, now);
        let subscribed: BTreeSet<String> = subscribed.into_iter().collect();
        for name in self.subscribed.symmetric_difference(&subscribed) {
            if asked.events_of(name, subscribed.contains(name)).subscriptions {
                names.entry(name.clone()).or_insert(None);
            }
        }
        self.subscribed = subscribed;
        let mut news: Vec<News<'a>> = Vec::new();
        let by_name: BTreeMap<&str, &MailboxInfo> = now.iter().map(|info| (info.name.as_str(), info)).collect();
        for (name, old) in names {
            let attributes = self.attributes(&by_name, &name);
            news.push(News::Name { name, old, attributes });
        }
        self.messages_changed(asked, now, selected, &mut news);
        self.fits().then_some(news)
    }

    /// Names that were made, deleted or renamed, each with the name it had. The next level above a name that was made
    /// or deleted is touched by it (RFC 5465 §5.4); names below one that was renamed are not told.
    fn names_changed(&mut self, asked: &Notify, now: &[MailboxInfo]) -> BTreeMap<String, Option<String>> {
        let mut changed: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut touched: Vec<String> = Vec::new();
        let there: BTreeMap<MailboxId, &MailboxInfo> = now.iter().map(|info| (info.id, info)).collect();
        let renamed: BTreeMap<&str, &str> = self
            .mailboxes
            .iter()
            .filter_map(|(id, known)| Some((known.name.as_str(), there.get(id)?.name.as_str())))
            .filter(|(old, new)| old != new)
            .collect();
        for (id, known) in &self.mailboxes {
            let info = there.get(id);
            if !known.events.names && info.is_none_or(|info| !asked.events_of(&info.name, info.subscribed).names) {
                continue;
            }
            match info {
                None => touched.push(known.name.clone()),
                Some(info) if info.name != known.name && !is_below_renamed(&known.name, &info.name, &renamed) => {
                    changed.insert(info.name.clone(), Some(known.name.clone()));
                }
                Some(_) => {}
            }
        }
        let new = now.iter().filter(|info| !self.mailboxes.contains_key(&info.id));
        touched.extend(
            new.filter(|info| asked.events_of(&info.name, info.subscribed).names).map(|info| info.name.clone()),
        );
        for name in touched {
            if let Some((above, _)) = name.rsplit_once(SEPARATOR)
                && asked.events_of(above, false).names
            {
                changed.entry(above.to_owned()).or_insert(None);
            }
            changed.entry(name).or_insert(None);
        }
        self.mailboxes.retain(|id, _| there.contains_key(id));
        changed
    }

    /// Mailboxes whose messages changed; all mailboxes are known as they are then.
    fn messages_changed<'a>(
        &mut self,
        asked: &Notify,
        now: &'a [MailboxInfo],
        selected: Option<MailboxId>,
        news: &mut Vec<News<'a>>,
    ) {
        for info in now {
            let events = asked.events_of(&info.name, info.subscribed);
            if events.is_empty() {
                self.mailboxes.remove(&info.id);
                continue;
            }
            let fresh = || Mailbox::new(info, events, Counts::empty(info));
            let known = self.mailboxes.entry(info.id).or_insert_with(fresh);
            (known.name, known.events) = (info.name.clone(), events);
            let counts = Counts::of(info);
            // What happens in the selected mailbox is told message by message.
            if Some(info.id) != selected && info.selectable {
                news.extend(known.counts.changed(counts, events).map(|(items, changed_only)| News::Messages {
                    mailbox: info,
                    items,
                    changed_only,
                }));
            }
            known.counts = counts;
        }
    }

    /// The attributes of a name, as LIST has them.
    fn attributes(&self, now: &BTreeMap<&str, &MailboxInfo>, name: &str) -> Vec<&'static str> {
        let below = format!("{name}{SEPARATOR}");
        let has_children = now.range(below.as_str()..).next().is_some_and(|(other, _)| other.starts_with(&below));
        let info = now.get(name).copied();
        let subscribed = info.map_or_else(|| self.subscribed.contains(name), |info| info.subscribed);
        list::attributes(info, subscribed, has_children)
    }

    /// A mailbox is no longer selected.
    pub fn left(&mut self, view: &Snapshot) {
        if let Some(known) = self.mailboxes.get_mut(&view.mailbox) {
            let unseen = view.messages.iter().filter(|message| !message.flags.contains(Flags::SEEN));
            known.counts = Counts {
                uid_validity: view.uid_validity,
                uid_next: view.uid_next,
                total: view.count() as u32,
                unseen: if known.events.flags { unseen.count() as u32 } else { 0 },
                mod_seq: view.mod_seq,
            };
        }
    }

    /// The client itself made, deleted or renamed these names, with the levels above and the names below them.
    pub fn forgive(&mut self, asked: &Notify, now: &[MailboxInfo], names: &[&str]) {
        let is_meant = |name: &str| {
            let under =
                |one: &str, other: &str| one.strip_prefix(other).is_some_and(|rest| rest.starts_with(SEPARATOR));
            names.iter().any(|own| *own == name || under(own, name) || under(name, own))
        };
        let there: BTreeMap<MailboxId, &MailboxInfo> = now.iter().map(|info| (info.id, info)).collect();
        self.mailboxes.retain(|id, known| there.contains_key(id) || !is_meant(&known.name));
        for info in now.iter().filter(|info| is_meant(&info.name)) {
            let events = asked.events_of(&info.name, info.subscribed);
            if events.is_empty() {
                self.mailboxes.remove(&info.id);
                continue;
            }
            let known = self.mailboxes.entry(info.id);
            let known = known.or_insert_with(|| Mailbox::new(info, events, Counts::empty(info)));
            (known.name, known.events) = (info.name.clone(), events);
        }
    }

    /// The client itself subscribed or unsubscribed a name.
    pub fn subscribed_by_client(&mut self, name: &str, on: bool) {
        match on {
            true => drop(self.subscribed.insert(name.to_owned())),
            false => drop(self.subscribed.remove(name)),
        }
    }
}

/// Whether a level above was renamed, so that this name was renamed with it.
fn is_below_renamed(old: &str, new: &str, renamed: &BTreeMap<&str, &str>) -> bool {
    let mut above = old.match_indices(SEPARATOR).filter_map(|(at, _)| old.split_at_checked(at));
    above.any(|(above, rest)| renamed.get(above).is_some_and(|to| new.strip_prefix(to) == Some(rest)))
}

impl Mailbox {
    fn new(info: &MailboxInfo, events: Events, counts: Counts) -> Mailbox {
        Mailbox { name: info.name.clone(), events, counts }
    }
}

impl Counts {
    fn of(info: &MailboxInfo) -> Counts {
        Counts {
            uid_validity: info.uid_validity,
            uid_next: info.uid_next,
            total: info.total,
            unseen: info.unseen,
            mod_seq: info.mod_seq,
        }
    }

    /// Those of the mailbox when it was made.
    fn empty(info: &MailboxInfo) -> Counts {
        Counts { uid_validity: info.uid_validity, uid_next: 1, total: 0, unseen: 0, mod_seq: 1 }
    }

    /// What is told where these counts became `now`; whether it is nothing but HIGHESTMODSEQ.
    fn changed(self, now: Counts, events: Events) -> Option<(StatusItems, bool)> {
        let is_other = now.uid_validity != self.uid_validity;
        let moved = is_other || now.uid_next != self.uid_next || now.total != self.total;
        let seen = events.flags && now.unseen != self.unseen;
        let flags = events.flags && now.mod_seq != self.mod_seq;
        if !events.messages || !(moved || seen || flags) {
            return None;
        }
        let mut items = StatusItems::default();
        items.add(StatusItem::UidValidity);
        if moved {
            items.add(StatusItem::Messages);
            items.add(StatusItem::UidNext);
        }
        if seen {
            items.add(StatusItem::Unseen);
        }
        Some((items, !moved && !seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::AccountId;
    use crate::imap::command::Source;
    use crate::imap::notify::Group;

    fn info(id: i64, name: &str, uid_next: Uid, total: u32) -> MailboxInfo {
        MailboxInfo {
            id: MailboxId(id),
            account: AccountId(1),
            name: name.to_owned(),
            uid_validity: 7,
            uid_next,
            mod_seq: u64::from(uid_next),
            special_use: None,
            subscribed: false,
            selectable: true,
            total,
            unseen: total,
            deleted: 0,
            octets: 0,
            recent_from: 1,
        }
    }

    fn all() -> Notify {
        let events = Events { messages: true, names: true, subscriptions: true, ..Events::default() };
        Notify { groups: vec![Group { source: Source::Personal, events }], ..Notify::default() }
    }

    #[test]
    fn many_changes_are_told_once() {
        let (before, now) =
            ([info(1, "INBOX", 1, 0), info(2, "a", 5, 2)], [info(1, "INBOX", 9, 8), info(2, "a", 5, 2)]);
        let mut known = Known::new(&all(), &before, Vec::new()).expect("fits");
        let news = known.compare(&all(), &now, Vec::new(), None).expect("fits");
        assert!(matches!(news.as_slice(), [News::Messages { mailbox, .. }] if mailbox.id == MailboxId(1)));
        assert_eq!(known.compare(&all(), &now, Vec::new(), None), Some(Vec::new()));
        // What is selected is told message by message; once it is left, from where its client stood.
        let later = [info(1, "INBOX", 10, 9), info(2, "a", 5, 2)];
        assert_eq!(known.compare(&all(), &later, Vec::new(), Some(MailboxId(1))), Some(Vec::new()));
    }

    #[test]
    fn names_that_change_under_a_watch() {
        let before = [info(1, "INBOX", 1, 0), info(2, "a", 1, 0), info(3, "a/b", 1, 0), info(4, "c", 1, 0)];
        let now = [info(1, "INBOX", 1, 0), info(2, "z", 1, 0), info(3, "z/b", 1, 0), info(5, "c", 3, 2)];
        let mut known = Known::new(&all(), &before, Vec::new()).expect("fits");
        let news = known.compare(&all(), &now, vec!["gone".to_owned()], None).expect("fits");
        let name = |name: &str, old: Option<&str>, attributes: &[&'static str]| News::Name {
            name: name.to_owned(),
            old: old.map(str::to_owned),
            attributes: attributes.to_vec(),
        };
        assert_eq!(news[0], name("c", None, &["\\HasNoChildren"]));
        assert_eq!(news[1], name("gone", None, &["\\NonExistent", "\\Subscribed"]));
        assert_eq!(news[2], name("z", Some("a"), &["\\HasChildren"]));
        assert!(matches!(&news[3..], [News::Messages { mailbox, .. }] if mailbox.name == "c"));
    }

    #[test]
    fn more_mailboxes_than_can_be_watched() {
        let many = |n: usize| (0..n).map(|id| info(id as i64, &format!("m{id}"), 1, 0)).collect::<Vec<_>>();
        let mut known = Known::new(&all(), &many(IMAP_NOTIFY_MAILBOXES_MAX), Vec::new()).expect("fits");
        assert!(Known::new(&all(), &many(IMAP_NOTIFY_MAILBOXES_MAX + 1), Vec::new()).is_none());
        assert_eq!(known.compare(&all(), &many(IMAP_NOTIFY_MAILBOXES_MAX + 1), Vec::new(), None), None);
    }
}
