//! NOTIFY (RFC 5465): what happens in mailboxes is told while no command runs.
//!
//! A session keeps what its client knows of the account's mailboxes ([`Known`]) and compares it with the present state
//! when that changed, as it does with the messages of the selected mailbox. There is no queue of events: what happened
//! twice meanwhile is told once, and a client that does not read costs nothing.

mod known;

use std::io;
use std::time::Duration;

use crate::imap::command::{StatusItem, StatusItems};
use crate::imap::encode::list::{Entry, entry};
use crate::imap::notify::{Events, Notify, Selected};
use crate::imap::response::Completion;
use crate::store::{MailboxInfo, Watch};

use super::Session;
use super::open::Open;
use super::refusal::{Done, Stop};
use super::wire::Woke;
use known::{Known, News};

/// Pause before a store that could not answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// The answer to a NOTIFY that asks for too much.
const OVERFLOW: &str = "NOTIFICATIONOVERFLOW";

/// What a client wants to be told of.
pub(super) struct Notifying {
    asked: Notify,
    known: Known,
    /// Wakes when a mailbox of the account changes; none where nothing is asked of them.
    watch: Option<Watch>,
    /// Something is to be told that was not looked at yet.
    is_behind: bool,
}

impl Notifying {
    /// Events of the selected mailbox.
    pub fn selected(&self) -> Option<&Selected> {
        self.asked.selected.as_ref().filter(|selected| selected.events.messages)
    }

    /// Wakes when a mailbox of the account changes.
    pub fn watch(&mut self) -> Option<&mut Watch> {
        self.watch.as_mut()
    }

    /// Whether changes of annotations are asked for.
    pub fn wants_annotations(&self) -> bool {
        self.asked.groups.iter().any(|group| group.events.metadata || group.events.server_metadata)
    }

    /// Whether they are of a mailbox, or of the server.
    pub fn asks_annotations(&self, mailbox: Option<&MailboxInfo>) -> bool {
        match mailbox {
            Some(mailbox) => self.asked.events_of(&mailbox.name, mailbox.subscribed).metadata,
            None => self.asked.groups.iter().any(|group| group.events.server_metadata),
        }
    }

    /// A mailbox is no longer selected: its client knows it as it was told.
    pub fn left(&mut self, open: &Open) {
        self.known.left(&open.view);
        self.is_behind = self.watch.is_some();
    }
}

impl Session {
    pub(super) async fn notify(&mut self, asked: Option<Notify>) -> Done {
        let asked = asked.unwrap_or_default();
        let account = self.account()?;
        let watches = asked.groups.iter().any(|group| !group.events.is_empty());
        // The watch first: what happens between it and the look is then noticed.
        let watch = watches.then(|| self.shared.store.watch_mailboxes(account.id));
        let mut notifying = Notifying { asked, known: Known::default(), watch, is_behind: false };
        if watches {
            let (mailboxes, subscribed) = self.mailboxes_now(&notifying.asked).await?;
            let known = Known::new(&notifying.asked, &mailboxes, subscribed);
            let known = known.ok_or_else(|| Stop::Completion(Completion::no(OVERFLOW, "Too many mailboxes")))?;
            notifying.known = known;
            if notifying.asked.status {
                let selected = self.open.as_ref().map(|open| open.mailbox);
                for mailbox in mailboxes.iter().filter(|mailbox| mailbox.selectable && Some(mailbox.id) != selected) {
                    let events = notifying.asked.events_of(&mailbox.name, mailbox.subscribed);
                    if events.messages {
                        self.put_status(mailbox, status_items(events)).await?;
                        self.wire.relieve().await?;
                    }
                }
            }
        }
        self.notify = Some(Box::new(notifying));
        Ok(Completion::ok("Notify completed"))
    }

    /// Whether a change of the selected mailbox is told, and whether EXPUNGE may be told while no command runs.
    pub(super) fn tells_selected(&self) -> Option<bool> {
        let notifying = self.notify.as_ref()?;
        notifying.selected().map(|selected| !selected.is_delayed)
    }

    /// Waits for octets, for the deadline, or for what is told unasked; tells it. Gives why the wait ended where it was
    /// for another reason.
    pub(super) async fn wait_and_tell(&mut self) -> io::Result<Option<Woke>> {
        let deadline = self.deadline();
        let unasked = self.tells_selected();
        let is_behind = self.notify.as_ref().is_some_and(|notifying| notifying.is_behind);
        let now = self.shared.world.clock.now();
        let until = if is_behind { deadline.min(now + ASK_AGAIN) } else { deadline };
        let mailbox = self.open.as_mut().filter(|_| unasked.is_some()).map(|open| &mut open.watch);
        let others = self.notify.as_mut().and_then(|notifying| notifying.watch.as_mut());
        let woke = self.wire.wait(until, [mailbox, others, self.account_watch.as_mut()]).await?;
        match woke {
            Woke::Changed => self.end_without_account().await,
            Woke::Late if self.shared.world.clock.now() < deadline => {}
            _ => return Ok(Some(woke)),
        }
        if self.over {
            return Ok(None);
        }
        let mut told = true;
        if let Some(may_expunge) = unasked {
            told = self.report_changes(may_expunge).await?;
        }
        self.look_elsewhere();
        told = self.tell_elsewhere().await? && self.tell_annotations().await? && told;
        if let Some(notifying) = &mut self.notify {
            notifying.is_behind |= !told;
        }
        Ok(None)
    }

    /// Something may have happened in other mailboxes.
    pub(super) fn look_elsewhere(&mut self) {
        if let Some(notifying) = &mut self.notify {
            notifying.is_behind |= notifying.watch.is_some();
        }
    }

    /// Tells what happened in other mailboxes, where something did since the last time. False where the store
    /// cannot answer now. Fails only where the connection does.
    pub(super) async fn tell_elsewhere(&mut self) -> io::Result<bool> {
        let Some(notifying) = &mut self.notify else { return Ok(true) };
        if let Some(watch) = &mut notifying.watch {
            let changed = smol::future::poll_once(watch.changed()).await;
            notifying.is_behind |= changed.is_some();
        }
        if !notifying.is_behind || self.over {
            return Ok(true);
        }
        match Box::pin(self.compare()).await {
            Err(Stop::Wire(e)) => Err(e),
            told => Ok(told.is_ok()),
        }
    }

    /// Compares what the client knows with what is there, and tells the difference.
    async fn compare(&mut self) -> Result<(), Stop> {
        let Some(mut notifying) = self.notify.take() else { return Ok(()) };
        let done = self.compare_with(&mut notifying).await;
        notifying.is_behind = done.is_err();
        self.notify = Some(notifying);
        done
    }

    async fn compare_with(&mut self, notifying: &mut Notifying) -> Result<(), Stop> {
        if notifying.watch.is_none() {
            return Ok(());
        }
        let (mailboxes, subscribed) = self.mailboxes_now(&notifying.asked).await?;
        let selected = self.open.as_ref().map(|open| open.mailbox);
        let Some(news) = notifying.known.compare(&notifying.asked, &mailboxes, subscribed, selected) else {
            // RFC 5465 §5.8: as if NOTIFY NONE had come.
            (notifying.asked, notifying.known, notifying.watch) = (Notify::default(), Known::default(), None);
            let overflow = Completion::ok("Too many mailboxes, nothing more is told").with_code(OVERFLOW);
            overflow.write(&mut self.wire.out, "*");
            return Ok(());
        };
        let utf8 = self.enabled.utf8_names();
        for news in news {
            match news {
                News::Name { name, old, attributes } => {
                    let line = Entry { name: &name, attributes, old: old.as_deref(), ..Entry::default() };
                    entry(&mut self.wire.out, "LIST", &line, utf8);
                }
                News::Messages { mailbox, mut items, changed_only } => {
                    if self.enabled.condstore {
                        items.add(StatusItem::HighestModSeq);
                    } else if changed_only {
                        continue;
                    }
                    self.put_status(mailbox, items).await?;
                }
            }
            self.wire.relieve().await?;
        }
        Ok(())
    }

    /// The account's mailboxes, and the names that are subscribed where somebody wants to know.
    async fn mailboxes_now(&mut self, asked: &Notify) -> Result<(Vec<MailboxInfo>, Vec<String>), Stop> {
        let account = self.account()?;
        let store = &self.shared.store;
        let wants = asked.groups.iter().any(|group| group.events.subscriptions);
        let subscribed = if wants { store.subscriptions(account.id).await? } else { Vec::new() };
        Ok((store.mailboxes(account.id).await?, subscribed))
    }

    /// The client changed these names itself, and needs not be told of it.
    pub(super) async fn changed_names(&mut self, names: &[&str]) {
        if self.notify.as_ref().is_none_or(|notifying| notifying.watch.is_none()) {
            return;
        }
        let Ok(account) = self.account() else { return };
        let Ok(mailboxes) = self.shared.store.mailboxes(account.id).await else { return };
        if let Some(notifying) = &mut self.notify {
            let Notifying { asked, known, .. } = &mut **notifying;
            known.forgive(asked, &mailboxes, names);
        }
    }

    /// The client subscribed or unsubscribed a name itself.
    pub(super) fn changed_subscription(&mut self, name: &str, on: bool) {
        if let Some(notifying) = &mut self.notify {
            notifying.known.subscribed_by_client(name, on);
        }
    }
}

/// What is told of a mailbox before its changes are (RFC 5465 §3.1).
fn status_items(events: Events) -> StatusItems {
    let mut items = StatusItems::default();
    for item in [StatusItem::Messages, StatusItem::UidNext, StatusItem::UidValidity] {
        items.add(item);
    }
    if events.flags {
        items.add(StatusItem::Unseen);
        items.add(StatusItem::HighestModSeq);
    }
    items
}
