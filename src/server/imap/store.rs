//! STORE and UID STORE (RFC 9051 §6.4.6, RFC 7162 §3.1.3).

use crate::imap::command::{Store, StoreHow};
use crate::imap::encode::search::set_in_order;
use crate::imap::response::Answer;
use crate::imap::sequence::{Places, places_of};
use crate::store::{FlagChange, FlagHow, FlagsChanged};

use super::Session;
use super::open::Told;
use super::refusal::Done;

impl Session {
    pub(super) async fn store(&mut self, store: &Store) -> Done {
        self.enabled.condstore |= store.unchanged_since.is_some();
        let open = self.open()?;
        let places = open.places(&store.set, store.by_uid)?;
        if open.read_only {
            return Ok(Answer::no("NOPERM", "The mailbox is open read-only"));
        }
        if places.is_empty() {
            return Ok(Answer::ok("No messages"));
        }
        let how = match store.how {
            StoreHow::Replace => FlagHow::Replace,
            StoreHow::Add => FlagHow::Add,
            StoreHow::Remove => FlagHow::Remove,
        };
        let change = FlagChange { how, flags: store.flags.flags, keywords: store.flags.keywords.clone() };
        let uids = places.uids(&open.view.uids);
        let done = self.shared.store.change_flags(open.mailbox, uids, change, store.unchanged_since).await?;
        let also = if store.silent { Places::default() } else { self.told_places(&places, &done)? };
        let silent = store.silent.then_some((done.changed.as_slice(), done.mod_seq));
        self.sync(store.by_uid, Told { silent, also: Some(&also), hidden: None }).await?;
        self.stored(store, &places, &done)
    }

    /// The messages STORE tells of: all but those left alone. Expunged ones have no flags to tell.
    fn told_places(&self, places: &Places, done: &FlagsChanged) -> Result<Places, super::refusal::Stop> {
        if done.modified.is_empty() {
            return Ok(places.clone());
        }
        let uids = &self.open()?.view.uids;
        let left = places_of(&done.modified.iter().copied().collect(), uids);
        let mut told = Places::default();
        places.iter().filter(|place| !left.contains(*place)).for_each(|place| told.push(place));
        Ok(told)
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
            let answer = if all { Answer::no("", "Changed meanwhile") } else { Answer::ok("Stored where unchanged") };
            return Ok(answer.with_code(code));
        }
        if done.keywords_full {
            return Ok(Answer::no("LIMIT", "The mailbox has no room for another keyword"));
        }
        Ok(Answer::ok("Stored"))
    }
}
