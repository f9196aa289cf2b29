//! STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use crate::base::UidSet;
use crate::imap::command::{Store, StoreHow};
use crate::imap::encode::search::set_in_order;
use crate::imap::response::Completion;
use crate::imap::sequence::Places;
use crate::store::{FlagChange, FlagHow, FlagsChanged};

use super::Session;
use super::open::{Silent, Told};
use super::refusal::Done;

impl Session {
    pub(super) async fn store(&mut self, store: &Store) -> Done {
        if store.unchanged_since.is_some() {
            self.know_condstore();
        }
        let open = self.open()?;
        let places = open.places(&store.set, store.by_uid)?;
        if open.read_only {
            return Ok(Completion::no("NOPERM", "The mailbox is open read-only"));
        }
        if places.is_empty() {
            return Ok(Completion::ok("No messages"));
        }
        let how = match store.how {
            StoreHow::Replace => FlagHow::Replace,
            StoreHow::Add => FlagHow::Add,
            StoreHow::Remove => FlagHow::Remove,
        };
        let change = FlagChange { how, flags: store.flags.flags, keywords: store.flags.keywords.clone() };
        let uids = places.uids(&open.view.messages);
        let done = self.shared.store.change_flags(open.mailbox, uids.clone(), change, store.unchanged_since).await?;
        let also = if store.silent { UidSet::new() } else { told(&uids, &done) };
        let silent = store.silent.then_some(Silent { done: &done, how });
        self.sync(store.by_uid, Told { silent, also: Some(&also), ..Told::default() }).await?;
        self.stored(store, &places, &done)
    }

    fn stored(&self, store: &Store, places: &Places, done: &FlagsChanged) -> Done {
        if !done.modified.is_empty() {
            let numbers: Vec<u32> = if store.by_uid {
                done.modified.clone()
            } else {
                let view = &self.open()?.view;
                done.modified.iter().filter_map(|uid| view.place(*uid)).map(|place| place as u32 + 1).collect()
            };
            let code = format!("MODIFIED {}", set_in_order(&numbers));
            let all = done.modified.len() >= places.count();
            let answer =
                if all { Completion::no("", "Changed meanwhile") } else { Completion::ok("Stored where unchanged") };
            return Ok(answer.with_code(code));
        }
        Ok(Completion::ok("Stored"))
    }
}

/// The messages STORE tells of: all but those left alone. By UID, since places move when expunges are told with it.
fn told(uids: &UidSet, done: &FlagsChanged) -> UidSet {
    if done.modified.is_empty() {
        return uids.clone();
    }
    let left: UidSet = done.modified.iter().copied().collect();
    uids.iter().filter(|uid| !left.contains(*uid)).collect()
}
