//! NOTIFY (RFC 5465 §8).

use super::{fetch, multisearch};
use crate::base::limits::{IMAP_NOTIFY_GROUPS_MAX, IMAP_SOURCES_MAX};
use crate::imap::command::{FetchItem, Request, Source};
use crate::imap::grammar::{Bad, Cursor, Parse};
use crate::imap::notify::{Events, Group, Notify, Selected};

/// `NONE` or `SET [SP STATUS] SP event-groups`
pub fn parse(cursor: &mut Cursor<'_>) -> Parse<Request> {
    cursor.sp()?;
    if cursor.keyword("NONE") {
        return Ok(Request::Notify(None));
    }
    if !cursor.keyword("SET") {
        return Err(Bad::Syntax("SET or NONE expected"));
    }
    cursor.sp()?;
    let mut notify = Notify { status: cursor.keyword("STATUS"), ..Notify::default() };
    if notify.status {
        cursor.sp()?;
    }
    let mut names = 0;
    loop {
        group(cursor, &mut names, &mut notify)?;
        if notify.groups.len() > IMAP_NOTIFY_GROUPS_MAX {
            return Err(Bad::Limit("too many event groups", IMAP_NOTIFY_GROUPS_MAX));
        }
        if names > IMAP_SOURCES_MAX {
            return Err(Bad::Limit("too many mailboxes", IMAP_SOURCES_MAX));
        }
        if !cursor.more() {
            return Ok(Request::Notify(Some(notify)));
        }
    }
}

/// `"(" filter-mailboxes SP events ")"`
fn group(cursor: &mut Cursor<'_>, names: &mut usize, notify: &mut Notify) -> Parse<()> {
    cursor.expect(b'(', "event group expected")?;
    let is_delayed = cursor.keyword("SELECTED-DELAYED");
    let source = match is_delayed {
        true => Source::Selected,
        false => multisearch::source(cursor, names)?.ok_or(Bad::Syntax("unknown mailbox filter"))?,
    };
    cursor.sp()?;
    let (events, items) = events(cursor)?;
    cursor.expect(b')', "closing parenthesis expected")?;
    if source != Source::Selected {
        if items.is_some() {
            return Err(Bad::Syntax("FETCH items are for the selected mailbox"));
        }
        notify.groups.push(Group { source, events });
        return Ok(());
    }
    if events != (Events { messages: events.messages, flags: events.flags, ..Events::default() }) {
        return Err(Bad::Syntax("only events of messages are for the selected mailbox"));
    }
    if notify.selected.is_some() {
        return Err(Bad::Syntax("the selected mailbox is named twice"));
    }
    notify.selected = Some(Selected { is_delayed, events, items: items.unwrap_or_default() });
    Ok(())
}

/// `"(" event *(SP event) ")"` or `NONE`; and the FETCH items of MessageNew.
fn events(cursor: &mut Cursor<'_>) -> Parse<(Events, Option<Vec<FetchItem>>)> {
    let (mut events, mut items) = (Events::default(), None);
    if cursor.keyword("NONE") {
        return Ok((events, items));
    }
    // The examples of RFC 5465 leave the parentheses out.
    let is_list = cursor.eat(b'(');
    let (mut new, mut expunge) = (false, false);
    loop {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MESSAGENEW" => {
                new = true;
                let mut ahead = cursor.clone();
                if ahead.eat(b' ') && ahead.peek() == Some(b'(') {
                    items = Some(fetch::items(&mut ahead)?);
                    *cursor = ahead;
                }
            }
            "MESSAGEEXPUNGE" => expunge = true,
            "FLAGCHANGE" => events.flags = true,
            "MAILBOXNAME" => events.names = true,
            "SUBSCRIPTIONCHANGE" => events.subscriptions = true,
            "MAILBOXMETADATACHANGE" => events.metadata = true,
            "SERVERMETADATACHANGE" => events.server_metadata = true,
            _ => return Err(Bad::Event),
        }
        if is_list && cursor.eat(b')') || !is_list && cursor.peek() == Some(b')') {
            break;
        }
        cursor.sp()?;
    }
    if new != expunge {
        return Err(Bad::Syntax("MessageNew and MessageExpunge come together"));
    }
    if events.flags && !new {
        return Err(Bad::Syntax("FlagChange needs MessageNew and MessageExpunge"));
    }
    events.messages = new;
    Ok((events, items))
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn set(text: &str) -> Notify {
        match parse(text) {
            Ok(Request::Notify(Some(notify))) => notify,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn forms() {
        assert_eq!(parse("NOTIFY none"), Ok(Request::Notify(None)));
        let notify = set("NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from to subject)]) \
             MessageExpunge)) (subtree Lists (MessageNew MessageExpunge FlagChange)) (inboxes NONE)");
        assert!(notify.status);
        let selected = notify.selected.expect("selected");
        assert!(!selected.is_delayed && selected.events.messages && !selected.events.flags);
        assert_eq!(selected.items.len(), 2);
        let messages = Events { messages: true, flags: true, ..Events::default() };
        assert_eq!(
            notify.groups,
            [
                Group { source: Source::Subtree(vec!["Lists".to_owned()]), events: messages },
                Group { source: Source::Inboxes, events: Events::default() }
            ]
        );
        let notify = set("NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge FlagChange)) \
             (mailboxes (INBOX a) (SubscriptionChange MailboxName))");
        assert!(notify.selected.is_some_and(|selected| selected.is_delayed && selected.events.flags));
        // RFC 5465 §3.1's own example.
        let notify = set("NOTIFY SET STATUS (selected MessageNew (uid) MessageExpunge) (personal MailboxName)");
        assert_eq!(notify.selected.map(|selected| selected.items), Some(vec![FetchItem::Uid]));
    }

    #[test]
    fn what_cannot_be_asked() {
        for wrong in [
            "NOTIFY",
            "NOTIFY SET",
            "NOTIFY SET STATUS",
            "NOTIFY NONE x",
            "NOTIFY SET (selected)",
            "NOTIFY SET (selected ())",
            "NOTIFY SET (nowhere NONE)",
            "NOTIFY SET (personal (MessageNew))",
            "NOTIFY SET (personal (MessageExpunge))",
            "NOTIFY SET (personal (FlagChange))",
            "NOTIFY SET (personal (MessageNew (uid) MessageExpunge))",
            "NOTIFY SET (selected (MailboxName))",
            "NOTIFY SET (selected NONE) (selected-delayed NONE)",
        ] {
            assert!(matches!(parse(wrong), Err(Bad::Syntax(_))), "{wrong}");
        }
        for event in ["AnnotationChange", "X"] {
            assert_eq!(parse(&format!("NOTIFY SET (personal ({event}))")), Err(Bad::Event));
        }
        let many = |n: usize| parse(&format!("NOTIFY SET{}", " (personal NONE)".repeat(n)));
        assert!(many(IMAP_NOTIFY_GROUPS_MAX).is_ok());
        assert!(matches!(many(IMAP_NOTIFY_GROUPS_MAX + 1), Err(Bad::Limit(..))));
    }
}
