//! What passes between the writer and the queue's runner outside of rows: how a recipient is routed, and which
//! destinations got rows that are or become due.
//!
//! The router is called by the writer inside the transaction that queues a message, with the directory as of that
//! transaction. News is published after the commit and is only a hint: the rows decide. It is bounded; what does not
//! fit is told as "look everywhere".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Directory, Store};
use crate::base::limits::QUEUE_DESTINATIONS_MAX;
use crate::base::{Address, Timestamp};

/// Routes a recipient: gives the name its rows are found by. Equal names share a next hop.
pub trait Router: Send + Sync {
    /// The destination of mail for `to`. Must be quick, and must not call the store. May be called
    /// more than once.
    fn destination(&self, directory: &Directory<'_>, to: &Address) -> String;
}

/// Destinations with rows that became due, or will.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct QueueNews {
    /// By destination, when the first of the new rows is due.
    pub due: BTreeMap<String, Timestamp>,
    /// There was more than fits: every destination may have got rows.
    pub everywhere: bool,
}

impl QueueNews {
    /// Adds a row.
    pub(super) fn note(&mut self, destination: &str, due: Timestamp) {
        if let Some(first) = self.due.get_mut(destination) {
            *first = due.min(*first);
        } else if self.due.len() < QUEUE_DESTINATIONS_MAX {
            self.due.insert(destination.to_owned(), due);
        } else {
            self.everywhere = true;
        }
    }

    /// Adds other news.
    pub(super) fn join(&mut self, more: QueueNews) {
        self.everywhere |= more.everywhere;
        more.due.iter().for_each(|(destination, due)| self.note(destination, *due));
    }
}

/// Shared by the writer and the runner.
#[derive(Default)]
pub(super) struct QueueBoard {
    router: Mutex<Option<Arc<dyn Router>>>,
    news: Mutex<QueueNews>,
    /// Destinations that get no mail for now, and the number of the change that they are as of.
    paused: Mutex<(u64, BTreeSet<String>)>,
    pauses: AtomicU64,
}

impl QueueBoard {
    /// How rows are routed; `None` before a runner said so: rows are routed later then.
    pub fn router(&self) -> Option<Arc<dyn Router>> {
        self.router.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of a change of what is paused; by the writer only.
    pub fn next_pause(&self) -> u64 {
        self.pauses.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What is paused after a change that was committed; older news changes nothing.
    pub fn set_paused(&self, now: (u64, BTreeSet<String>)) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        if now.0 > paused.0 {
            *paused = now;
        }
    }

    /// Whether a destination is paused.
    pub fn is_paused(&self, destination: &str) -> bool {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner).1.contains(destination)
    }

    /// After a commit.
    pub fn publish(&self, new: QueueNews) {
        if new.due.is_empty() && !new.everywhere {
            return;
        }
        self.news().join(new);
    }

    /// Some news may be lost: a commit in doubt took place, perhaps.
    pub fn lost(&self) {
        self.news().everywhere = true;
    }

    fn news(&self) -> MutexGuard<'_, QueueNews> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Routes what is queued from now on by `router`.
    pub fn queue_route_by(&self, router: Arc<dyn Router>) {
        let before = self.shared().queue.router.lock().unwrap_or_else(PoisonError::into_inner).replace(router);
        drop(before);
    }

    /// What became due since the last call. Its owner is woken by `watch_queue`.
    pub fn queue_news(&self) -> QueueNews {
        std::mem::take(&mut *self.shared().queue.news())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_keeps_the_first_due_time_and_is_bounded() {
        let board = QueueBoard::default();
        for (destination, due) in [("b", 5), ("a", 9), ("b", 3), ("b", 7)] {
            let mut news = QueueNews::default();
            news.note(destination, Timestamp(due));
            board.publish(news);
        }
        let first: Vec<_> = board.news().due.iter().map(|(name, due)| (name.clone(), due.0)).collect();
        assert_eq!(first, [("a".to_owned(), 9), ("b".to_owned(), 3)]);
        let mut news = QueueNews::default();
        for n in 0..=QUEUE_DESTINATIONS_MAX {
            news.note(&n.to_string(), Timestamp(1));
        }
        assert!(news.everywhere && news.due.len() == QUEUE_DESTINATIONS_MAX);
        board.publish(news);
        assert!(board.news().everywhere);
    }
}
