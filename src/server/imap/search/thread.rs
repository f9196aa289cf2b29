//! THREAD (RFC 5256).

use crate::base::{Uid, UidSet};
use crate::imap::command::Thread;
use crate::imap::response::Completion;
use crate::imap::thread::{Threads, threads};
use crate::os::aside::aside;

use super::super::Session;
use super::super::refusal::Done;

/// Threads written before others have their turn, and what is written is sent.
const THREADS_AT_ONCE: usize = 1_000;

impl Session {
    pub(in crate::server::imap) async fn thread(&mut self, asked: &Thread) -> Done {
        let question = self.question(&asked.search.keys)?;
        let found = self.find(&question).await?;
        let messages = &question.view.messages;
        let mut uids: Vec<Uid> = Vec::with_capacity(found.count());
        found.parts(messages).for_each(|(_, part)| uids.extend_from_slice(part.uids));
        let numbers: Vec<u32> = match asked.search.by_uid {
            true => uids.clone(),
            false => found.iter().map(|place| place as u32 + 1).collect(),
        };
        let set: UidSet = uids.iter().copied().collect();
        let table = self.shared.store.thread_table(question.mailbox, &set).await?;
        let algorithm = asked.algorithm;
        let job = move || {
            let members: Vec<_> = uids.iter().map(|uid| table.member(*uid)).collect();
            threads(algorithm, &members)
        };
        let made = aside(&*self.shared.world.run, false, job).await;
        let made: Threads = made.map_err(|_| Completion::no("UNAVAILABLE", "Server shutting down"))?;
        self.wire.out.extend_from_slice(b"* THREAD");
        if made.count() > 0 {
            self.wire.out.push(b' ');
        }
        let mut first = 0;
        while first < made.count() {
            let last = (first + THREADS_AT_ONCE).min(made.count());
            made.write(&mut self.wire.out, first..last, |place| numbers.get(place).copied().unwrap_or(0));
            self.wire.relieve().await?;
            first = last;
        }
        self.wire.out.extend_from_slice(b"\r\n");
        Ok(Completion::ok("Thread completed"))
    }
}
