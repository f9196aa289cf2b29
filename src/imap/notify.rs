//! What NOTIFY asks for (RFC 5465): which events a client is told of without asking.

use super::command::{FetchItem, Source};
use super::name::SEPARATOR;

/// The events that can be asked for, as BADEVENT names them.
pub const EVENTS: &str =
    "MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange";

/// NOTIFY SET.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// Whether the present STATUS of each mailbox is to be told first.
    pub status: bool,
    /// Events of the selected mailbox; none: it is told nothing of them.
    pub selected: Option<Selected>,
    /// Events of other mailboxes.
    pub groups: Vec<Group>,
}

/// Events of the selected mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// SELECTED-DELAYED: EXPUNGE waits for a command that allows it.
    pub is_delayed: bool,
    /// Which.
    pub events: Events,
    /// What is told of new messages beside their number.
    pub items: Vec<FetchItem>,
}

/// Events of some mailboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Which mailboxes; never the selected one.
    pub source: Source,
    /// Which events; none: the mailboxes are left out of other groups too.
    pub events: Events,
}

/// A set of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Events {
    /// MessageNew and MessageExpunge, which come together.
    pub messages: bool,
    /// FlagChange.
    pub flags: bool,
    /// MailboxName.
    pub names: bool,
    /// SubscriptionChange.
    pub subscriptions: bool,
    /// MailboxMetadataChange.
    pub metadata: bool,
    /// ServerMetadataChange, whatever the mailboxes.
    pub server_metadata: bool,
}

impl Events {
    /// NONE.
    pub fn is_empty(self) -> bool {
        self == Events::default()
    }

    /// Those of both.
    fn and(self, more: Events) -> Events {
        Events {
            messages: self.messages || more.messages,
            flags: self.flags || more.flags,
            names: self.names || more.names,
            subscriptions: self.subscriptions || more.subscriptions,
            metadata: self.metadata || more.metadata,
            server_metadata: self.server_metadata || more.server_metadata,
        }
    }
}

impl Notify {
    /// The events that are asked for of the mailbox with this name, while it is not selected.
    pub fn events_of(&self, name: &str, is_subscribed: bool) -> Events {
        let mut events = Events::default();
        for group in self.groups.iter().filter(|group| group.source.has(name, is_subscribed)) {
            if group.events.is_empty() {
                return Events::default();
            }
            events = events.and(group.events);
        }
        events
    }
}

impl Source {
    /// Whether it means the mailbox with this name, as far as the name tells: never the selected one as such.
    pub fn has(&self, name: &str, is_subscribed: bool) -> bool {
        let below = |above: &String| name.strip_prefix(above.as_str())?.strip_prefix(SEPARATOR);
        match self {
            Source::Selected => false,
            Source::Inboxes => name == "INBOX",
            Source::Personal => true,
            Source::Subscribed => is_subscribed,
            Source::Mailboxes(names) => names.iter().any(|other| other == name),
            Source::Subtree(names) => names.iter().any(|other| other == name || below(other).is_some()),
            Source::SubtreeOne(names) => {
                let is_next = |other| below(other).is_some_and(|rest| !rest.contains(SEPARATOR));
                names.iter().any(|other| other == name || is_next(other))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_add_up_and_none_takes_out() {
        let all = Events { messages: true, ..Events::default() };
        let names = Events { names: true, ..Events::default() };
        let group = |source, events| Group { source, events };
        let notify = Notify {
            groups: vec![
                group(Source::Personal, all),
                group(Source::Subtree(vec!["a".to_owned()]), names),
                group(Source::Mailboxes(vec!["spam".to_owned()]), Events::default()),
                group(Source::Subscribed, Events { subscriptions: true, ..Events::default() }),
            ],
            ..Notify::default()
        };
        assert_eq!(notify.events_of("INBOX", false), all);
        assert_eq!(notify.events_of("a/b", false), all.and(names));
        assert_eq!(notify.events_of("ab", false), all);
        assert!(notify.events_of("ab", true).subscriptions);
        assert!(notify.events_of("spam", true).is_empty());
        assert!(Source::SubtreeOne(vec!["a".to_owned()]).has("a/b", false));
        assert!(!Source::SubtreeOne(vec!["a".to_owned()]).has("a/b/c", false));
    }
}
