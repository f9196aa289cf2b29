//! What users ask of the store, and a model of what it makes of it: one act, one change of the whole state.

use std::collections::BTreeSet;
use std::sync::Arc;

use mailcore::base::{Uid, UidValidity};

use super::allot::Allot;
use super::state::{DELETED, Folder, Holder, Message, State};

/// One thing asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// CREATE.
    Create(String),
    /// DELETE.
    Delete(String),
    /// RENAME, with what lies below; INBOX gives its messages away.
    Rename(String, String),
    /// SUBSCRIBE and UNSUBSCRIBE.
    Subscribe(String, bool),
    /// APPEND: name, flags, number and octets of the letter.
    Append(String, u8, u64, u64),
    /// Mail that comes for the INBOXes of these accounts: one commit.
    Deliver(Vec<usize>, u64, u64),
    /// STORE.
    Store(Store),
    /// EXPUNGE, or UID EXPUNGE of these; whether HIGHESTMODSEQ is told.
    Expunge(UidValidity, Option<Vec<Uid>>, bool),
    /// COPY or MOVE.
    Copy(Copy),
    /// SELECT: changes nothing, but tells of the mailbox as it is.
    Select(String),
}

/// A STORE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// The mailbox.
    pub folder: UidValidity,
    /// The messages.
    pub uids: Vec<Uid>,
    /// `+`, `-`, or none for FLAGS alone.
    pub how: Option<char>,
    /// Which flags.
    pub flags: u8,
    /// UNCHANGEDSINCE.
    pub since: Option<u64>,
}

/// A COPY or MOVE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// The mailbox of the messages.
    pub folder: UidValidity,
    /// The messages.
    pub uids: Vec<Uid>,
    /// Where they go.
    pub to: String,
    /// MOVE.
    pub moves: bool,
}

impl Act {
    /// The name that is looked up before the change is made, and may be another mailbox's by then.
    pub fn looks_up(&self) -> Option<&str> {
        match self {
            Act::Append(name, ..) | Act::Select(name) => Some(name),
            Act::Copy(copy) => Some(&copy.to),
            _ => None,
        }
    }

    /// Whether it may change something.
    pub fn changes(&self) -> bool {
        !matches!(self, Act::Select(_))
    }
}

/// What was answered, or must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Done, and what was told of it.
    Done(Told),
    /// The quota is used up.
    OverQuota,
    /// Any other NO.
    Refused,
}

/// What an answer tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Nothing.
    Nothing,
    /// APPENDUID, COPYUID: UIDVALIDITY, UIDs there were, UIDs there are.
    Placed(UidValidity, Vec<Uid>, Vec<Uid>),
    /// MODIFIED.
    Modified(Vec<Uid>),
    /// HIGHESTMODSEQ, where something went.
    ModSeq(Option<u64>),
    /// The selected mailbox: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ, messages.
    Selected(UidValidity, Uid, u64, usize),
}

const NOTHING: Answer = Answer::Done(Told::Nothing);

/// What `act` of account `who` makes of `state`, with each mailbox that its name may have meant (`None`: there was
/// none) and the UIDs that `allot` says.
pub fn outcomes(
    state: &State,
    who: usize,
    act: &Act,
    meant: &BTreeSet<Option<UidValidity>>,
    allot: &Allot<'_>,
) -> Vec<(State, Answer)> {
    let each = |with: &dyn Fn(&mut State, Option<UidValidity>) -> Answer| {
        let one = |meant: &Option<UidValidity>| {
            let mut state = state.clone();
            let answer = with(&mut state, *meant);
            (state, answer)
        };
        meant.iter().map(one).collect()
    };
    match act {
        Act::Append(_, flags, letter, size) => {
            let mut all: Vec<(State, Answer)> =
                each(&|state, to| append(&mut state.holders[who], to, *flags, (*letter, *size), &mut allot.clone()));
            if !has_room(&state.holders[who], *size) {
                // Asked before the message is, when the mailbox may still have been there.
                all.push((state.clone(), Answer::OverQuota));
            }
            all
        }
        Act::Copy(copy) => each(&|state, to| copied(&mut state.holders[who], copy, to, &mut allot.clone())),
        Act::Select(_) => each(&|state, folder| selected(&state.holders[who], folder)),
        act => {
            let mut state = state.clone();
            let answer = change(&mut state, who, act, &mut allot.clone());
            vec![(state, answer)]
        }
    }
}

fn change(state: &mut State, who: usize, act: &Act, allot: &mut Allot<'_>) -> Answer {
    match act {
        Act::Create(name) => create(state, who, name),
        Act::Delete(name) => delete(state, who, name),
        Act::Rename(from, to) => rename(state, who, from, to, allot),
        // A name that is not there is refused; one that goes stays subscribed.
        Act::Subscribe(name, true) if !state.holders[who].names.contains_key(name) => Answer::Refused,
        Act::Subscribe(name, on) => {
            let subscribed = &mut state.holders[who].subscribed;
            let _ = if *on { subscribed.insert(name.clone()) } else { subscribed.remove(name) };
            NOTHING
        }
        Act::Deliver(to, letter, size) => deliver(state, to, (*letter, *size), allot),
        Act::Store(store) => stored(&mut state.holders[who], store),
        Act::Expunge(folder, uids, tells) => expunge(&mut state.holders[who], *folder, uids.as_deref(), *tells),
        Act::Append(..) | Act::Copy(_) | Act::Select(_) => unreachable!("they look a name up"),
    }
}

// -- names -------------------------------------------------------------------------------------------------

fn insert(state: &mut State, who: usize, name: &str, selectable: bool) -> UidValidity {
    state.uid_validity += 1;
    let holder = &mut state.holders[who];
    holder.names.insert(name.to_owned(), state.uid_validity);
    holder.folders.insert(state.uid_validity, Arc::new(Folder::new(selectable)));
    state.uid_validity
}

fn insert_levels_above(state: &mut State, who: usize, name: &str) {
    for (at, _) in name.match_indices('/') {
        if !state.holders[who].names.contains_key(&name[..at]) {
            insert(state, who, &name[..at], true);
        }
    }
}

fn is_below(name: &str, above: &str) -> bool {
    name.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn create(state: &mut State, who: usize, name: &str) -> Answer {
    let holder = &mut state.holders[who];
    match holder.names.get(name).copied() {
        Some(validity) if holder.folders[&validity].selectable => return Answer::Refused,
        Some(validity) => {
            // A bare name becomes a mailbox again.
            holder.folders.remove(&validity);
            insert(state, who, name, true);
        }
        None => {
            insert_levels_above(state, who, name);
            insert(state, who, name, true);
        }
    }
    NOTHING
}

fn delete(state: &mut State, who: usize, name: &str) -> Answer {
    let holder = &mut state.holders[who];
    let Some(validity) = holder.names.get(name).copied().filter(|_| name != "INBOX") else { return Answer::Refused };
    let has_children = holder.names.keys().any(|other| is_below(other, name));
    if has_children && !holder.folders[&validity].selectable {
        return Answer::Refused;
    }
    holder.folders.remove(&validity);
    holder.names.remove(name);
    if has_children {
        insert(state, who, name, false);
    }
    NOTHING
}

fn rename(state: &mut State, who: usize, from: &str, to: &str, allot: &mut Allot<'_>) -> Answer {
    let names = &state.holders[who].names;
    if is_below(to, from) || names.contains_key(to) {
        return Answer::Refused;
    }
    let Some(validity) = names.get(from).copied() else { return Answer::Refused };
    if from == "INBOX" {
        insert_levels_above(state, who, to);
        let made = insert(state, who, to, true);
        let uids: Vec<Uid> = state.holders[who].folders[&validity].messages.keys().copied().collect();
        move_all(&mut state.holders[who], validity, &uids, made, allot);
        return NOTHING;
    }
    insert_levels_above(state, who, to);
    let names = &mut state.holders[who].names;
    let below: Vec<String> = names.keys().filter(|name| *name == from || is_below(name, from)).cloned().collect();
    for old in below {
        let validity = names.remove(&old).expect("just found");
        names.insert(format!("{to}{}", &old[from.len()..]), validity);
    }
    NOTHING
}

// -- messages ----------------------------------------------------------------------------------------------

fn selectable(holder: &Holder, folder: Option<UidValidity>) -> Option<UidValidity> {
    folder.filter(|folder| holder.folders.get(folder).is_some_and(|folder| folder.selectable))
}

fn folder_mut(holder: &mut Holder, folder: UidValidity) -> Option<&mut Folder> {
    holder.folders.get_mut(&folder).map(Arc::make_mut)
}

fn has_room(holder: &Holder, octets: u64) -> bool {
    holder.quota.is_none_or(|quota| holder.octets() + octets <= quota)
}

impl Folder {
    fn add(&mut self, message: Message, uid: Uid) -> Uid {
        self.uid_next = uid + 1;
        self.messages.insert(uid, message);
        uid
    }
}

fn append(
    holder: &mut Holder,
    to: Option<UidValidity>,
    flags: u8,
    (letter, size): (u64, u64),
    allot: &mut Allot<'_>,
) -> Answer {
    let Some(validity) = selectable(holder, to) else { return Answer::Refused };
    if !has_room(holder, size) {
        return Answer::OverQuota;
    }
    let folder = folder_mut(holder, validity).expect("selectable");
    folder.mod_seq += 1;
    let uid = allot.uid(validity, folder.uid_next);
    folder.add(Message { flags, mod_seq: folder.mod_seq, letter, size }, uid);
    Answer::Done(Told::Placed(validity, Vec::new(), vec![uid]))
}

fn deliver(state: &mut State, to: &[usize], letter: (u64, u64), allot: &mut Allot<'_>) -> Answer {
    if to.iter().any(|who| !has_room(&state.holders[*who], letter.1)) {
        return Answer::OverQuota;
    }
    for who in to {
        let inbox = state.holders[*who].names["INBOX"];
        append(&mut state.holders[*who], Some(inbox), 0, letter, allot);
    }
    NOTHING
}

fn stored(holder: &mut Holder, store: &Store) -> Answer {
    let Some(folder) = folder_mut(holder, store.folder) else { return Answer::Refused };
    let next = folder.mod_seq + 1;
    let mut modified = Vec::new();
    for uid in &store.uids {
        let Some(message) = folder.messages.get_mut(uid) else { continue };
        let now = match store.how {
            Some('+') => message.flags | store.flags,
            Some(_) => message.flags & !store.flags,
            None => store.flags,
        };
        if store.since.is_some_and(|since| message.mod_seq > since) {
            modified.push(*uid);
        } else if now != message.flags {
            (message.flags, message.mod_seq) = (now, next);
            folder.mod_seq = next;
        }
    }
    Answer::Done(Told::Modified(modified))
}

fn expunge(holder: &mut Holder, folder: UidValidity, uids: Option<&[Uid]>, tells: bool) -> Answer {
    let Some(folder) = folder_mut(holder, folder) else { return Answer::Refused };
    let before = folder.messages.len();
    let goes =
        |uid: &Uid, message: &Message| message.flags & DELETED != 0 && uids.is_none_or(|uids| uids.contains(uid));
    folder.messages.retain(|uid, message| !goes(uid, message));
    let any = folder.messages.len() < before;
    folder.mod_seq += u64::from(any);
    Answer::Done(Told::ModSeq((any && tells).then_some(folder.mod_seq)))
}

fn copied(holder: &mut Holder, copy: &Copy, to: Option<UidValidity>, allot: &mut Allot<'_>) -> Answer {
    let Some(to) = selectable(holder, to) else { return Answer::Refused };
    let Some(from) = holder.folders.get(&copy.folder) else { return Answer::Refused };
    let uids: Vec<Uid> = copy.uids.iter().copied().filter(|uid| from.messages.contains_key(uid)).collect();
    if uids.is_empty() {
        return Answer::Refused;
    }
    let octets: u64 = uids.iter().map(|uid| from.messages[uid].size).sum();
    if !copy.moves && !has_room(holder, octets) {
        return Answer::OverQuota;
    }
    let new = match copy.moves {
        true => move_all(holder, copy.folder, &uids, to, allot),
        false => copy_all(holder, copy.folder, &uids, to, allot),
    };
    Answer::Done(Told::Placed(to, uids, new))
}

fn copy_all(holder: &mut Holder, from: UidValidity, uids: &[Uid], to: UidValidity, allot: &mut Allot<'_>) -> Vec<Uid> {
    if uids.is_empty() {
        return Vec::new();
    }
    let messages: Vec<Message> = uids.iter().map(|uid| holder.folders[&from].messages[uid]).collect();
    let folder = folder_mut(holder, to).expect("there");
    folder.mod_seq += 1;
    let mod_seq = folder.mod_seq;
    let one = |message| {
        let uid = allot.uid(to, folder.uid_next);
        folder.add(Message { mod_seq, ..message }, uid)
    };
    messages.into_iter().map(one).collect()
}

fn move_all(holder: &mut Holder, from: UidValidity, uids: &[Uid], to: UidValidity, allot: &mut Allot<'_>) -> Vec<Uid> {
    let new = copy_all(holder, from, uids, to, allot);
    let folder = folder_mut(holder, from).expect("there");
    folder.messages.retain(|uid, _| !uids.contains(uid));
    folder.mod_seq += u64::from(!uids.is_empty());
    new
}

fn selected(holder: &Holder, folder: Option<UidValidity>) -> Answer {
    match selectable(holder, folder) {
        Some(validity) => {
            let folder = &holder.folders[&validity];
            Answer::Done(Told::Selected(validity, folder.uid_next, folder.mod_seq, folder.messages.len()))
        }
        None => Answer::Refused,
    }
}
