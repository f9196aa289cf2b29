//! Sessions that come back to a mailbox with QRESYNC (RFC 7162 §3.2.5): what they knew and what they are told must
//! together be what is there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::model::{May, Model};
use super::super::response::{Response, numbers};
use super::{Session, read};

/// What is known of a mailbox that was left.
pub struct Left {
    uid_validity: u64,
    mod_seq: u64,
    model: Model,
    marked: BTreeMap<u32, bool>,
}

impl Session {
    /// Keeps what is known of the selected mailbox, where every UID is, for when it is selected again.
    pub(super) fn keep(&mut self) {
        for _ in 0..10 {
            self.say("UID FETCH 1:* (UID FLAGS)", May::Expunge);
            if self.model.uids().count() == self.model.messages.len() {
                let mod_seq = self.model.messages.iter().map(|known| known.mod_seq).max().unwrap_or(1);
                let (model, marked) = (self.model.clone(), self.marked.clone());
                let left = Left { uid_validity: self.uid_validity, mod_seq, model, marked };
                self.left.insert(self.model.mailbox.clone(), left);
                return;
            }
        }
    }

    /// Selects a mailbox of which something is known.
    pub(super) fn come_back(&mut self, mailbox: &str, left: Left) {
        self.tags += 1;
        let tag = format!("{}{}", self.keyword, self.tags);
        let command = format!("{tag} SELECT {mailbox} (QRESYNC ({} {}))", left.uid_validity, left.mod_seq);
        self.note(&command);
        self.wire.send(format!("{command}\r\n").as_bytes());
        let mut said: Vec<Response> = Vec::new();
        loop {
            let response = read(&mut self.wire);
            self.note(&response.line);
            if response.line.starts_with(&tag) {
                assert!(response.line.starts_with(&format!("{tag} OK")), "{}", response.line);
                break;
            }
            said.push(response);
        }
        let closed = said.iter().position(|response| response.line.starts_with("* OK [CLOSED]")).expect("CLOSED");
        let mut gone = BTreeSet::new();
        (self.model, self.marked) = (Model::new(mailbox, true, false), left.marked);
        self.uid_validity = left.uid_validity;
        // The first EXISTS is of what the answer speaks of; what comes behind it comes while it is told.
        let mut came = None;
        for response in &said[closed + 1..] {
            let before = self.model.messages.len();
            match response.values.as_slice() {
                [_, word, _, set] if word.word() == "VANISHED" => gone.extend(numbers(set.word())),
                _ => drop(self.hear(response, May::Expunge)),
            }
            match response.values.as_slice() {
                // It went while the answer was told.
                [_, word, set] if word.word() == "VANISHED" => gone.extend(numbers(set.word())),
                [_, _, word] if word.word() == "EXISTS" => {
                    came = Some(came.map_or(0, |came| came + self.model.messages.len() - before));
                }
                _ => {}
            }
        }
        self.model.fill(&left.model, &gone, came.expect("EXISTS"));
    }
}
