//! Waking those who watch a mailbox or the queue: one slot each, so that a slow one costs nothing.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smol::channel::{Receiver, Sender, bounded};

use crate::base::{AccountId, MailboxId};

/// Wakes its owner when what it watches (a mailbox, an account, the directory, the queue) may have changed.
/// Level-triggered: compare snapshots afterwards.
#[derive(Debug)]
pub struct Watch {
    signal: Receiver<()>,
    ended: bool,
}

impl Watch {
    /// Completes at the next change since the last call (at once, where there was one meanwhile). Completes
    /// once more when the store closes, then never again.
    pub async fn changed(&mut self) {
        if self.ended {
            std::future::pending::<()>().await;
        }
        self.ended = self.signal.recv().await.is_err();
    }
}

/// Everyone who watches.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    lists: Mutex<Lists>,
}

#[derive(Debug, Default)]
struct Lists {
    mailboxes: BTreeMap<MailboxId, Vec<Sender<()>>>,
    accounts: BTreeMap<AccountId, Vec<Sender<()>>>,
    /// Of the accounts' mailboxes.
    changes: BTreeMap<AccountId, Vec<Sender<()>>>,
    queue: Vec<Sender<()>>,
    feedback: Vec<Sender<()>>,
    directory: Vec<Sender<()>>,
    closed: bool,
}

impl Watchers {
    /// A watch on a mailbox.
    pub fn mailbox(&self, mailbox: MailboxId) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(lists.mailboxes.entry(mailbox).or_default(), closed)
    }

    /// A watch on an account.
    pub fn account(&self, account: AccountId) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(lists.accounts.entry(account).or_default(), closed)
    }

    /// A watch on all mailboxes of an account, their names and subscriptions.
    pub fn mailboxes(&self, account: AccountId) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(lists.changes.entry(account).or_default(), closed)
    }

    /// A watch on the queue.
    pub fn queue(&self) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(&mut lists.queue, closed)
    }

    /// A watch on what aggregate reports are made of, and read from.
    pub fn feedback(&self) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(&mut lists.feedback, closed)
    }

    /// A watch on accounts, domains and aliases.
    pub fn directory(&self) -> Watch {
        let mut lists = self.lists();
        let closed = lists.closed;
        add(&mut lists.directory, closed)
    }

    /// Wakes those who watch accounts, domains and aliases.
    pub fn wake_directory(&self) {
        wake(&mut self.lists().directory);
    }

    /// Wakes those who watch `mailbox`.
    pub fn wake_mailbox(&self, mailbox: MailboxId) {
        let mut lists = self.lists();
        if let Some(list) = lists.mailboxes.get_mut(&mailbox) {
            wake(list);
            if list.is_empty() {
                lists.mailboxes.remove(&mailbox);
            }
        }
    }

    /// Wakes those who watch the mailboxes of `account`.
    pub fn wake_mailboxes(&self, account: AccountId) {
        let mut lists = self.lists();
        if let Some(list) = lists.changes.get_mut(&account) {
            wake(list);
            if list.is_empty() {
                lists.changes.remove(&account);
            }
        }
    }

    /// Wakes those who watch `account`, which was deleted.
    pub fn wake_account(&self, account: AccountId) {
        if let Some(mut list) = self.lists().accounts.remove(&account) {
            wake(&mut list);
        }
    }

    /// Wakes those who watch the queue.
    pub fn wake_queue(&self) {
        wake(&mut self.lists().queue);
    }

    /// Wakes those who watch what aggregate reports are made of.
    pub fn wake_feedback(&self) {
        wake(&mut self.lists().feedback);
    }

    /// Whether anyone watches `mailbox`.
    pub fn is_watched(&self, mailbox: MailboxId) -> bool {
        self.lists().mailboxes.get(&mailbox).is_some_and(|list| list.iter().any(|s| !s.is_closed()))
    }

    /// Wakes everyone: what they knew may be wrong.
    pub fn wake_all(&self) {
        let mut lists = self.lists();
        lists.mailboxes.values_mut().for_each(wake);
        lists.changes.values_mut().for_each(wake);
        wake(&mut lists.queue);
        wake(&mut lists.feedback);
        wake(&mut lists.directory);
    }

    /// Wakes everyone for the last time.
    pub fn close(&self) {
        let before = std::mem::replace(&mut *self.lists(), Lists { closed: true, ..Lists::default() });
        drop(before);
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(list: &mut Vec<Sender<()>>, closed: bool) -> Watch {
    let (wake, signal) = bounded(1);
    list.retain(|s| !s.is_closed());
    if !closed {
        list.push(wake);
    }
    Watch { signal, ended: false }
}

fn wake(list: &mut Vec<Sender<()>>) {
    // A full slot is a wake-up its owner has not seen yet.
    list.retain(|s| !matches!(s.try_send(()), Err(smol::channel::TrySendError::Closed(()))));
}
