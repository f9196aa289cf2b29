//! Mailboxes of an account: names, and what may be done to the messages in them.

use std::ffi::c_char;
use std::sync::Arc;

use super::account::AccountSeat;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_account, mailcore_mailbox, mailcore_message};
use super::panic::wall;
use super::result::{Failure, MAILCORE_E_NOT_FOUND};
use super::text::{give, items, needed, optional};
use crate::base::{Flags, MailboxId, Timestamp, Uid, UidSet};
use crate::store::{Expunge, Fact, FlagChange, FlagHow, MailboxInfo};

/// Makes the mailbox where there is none.
pub const MAILCORE_MAILBOX_CREATE: u32 = 1;

/// Makes a mailbox and the levels above it.
pub const MAILCORE_CONTROL_CREATE: u32 = 1;
/// Deletes a mailbox with its messages.
pub const MAILCORE_CONTROL_DELETE: u32 = 2;
/// Renames a mailbox and those below it; argument: the new name.
pub const MAILCORE_CONTROL_RENAME: u32 = 3;
/// Subscribes a name.
pub const MAILCORE_CONTROL_SUBSCRIBE: u32 = 4;
/// Unsubscribes a name.
pub const MAILCORE_CONTROL_UNSUBSCRIBE: u32 = 5;

/// The message was read.
pub const MAILCORE_FLAG_SEEN: u32 = 1;
/// The message was answered.
pub const MAILCORE_FLAG_ANSWERED: u32 = 2;
/// The message is marked.
pub const MAILCORE_FLAG_FLAGGED: u32 = 4;
/// The message is to be expunged.
pub const MAILCORE_FLAG_DELETED: u32 = 8;
/// The message is a draft.
pub const MAILCORE_FLAG_DRAFT: u32 = 16;

const FLAGS: [(u32, Flags); 5] = [
    (MAILCORE_FLAG_SEEN, Flags::SEEN),
    (MAILCORE_FLAG_ANSWERED, Flags::ANSWERED),
    (MAILCORE_FLAG_FLAGGED, Flags::FLAGGED),
    (MAILCORE_FLAG_DELETED, Flags::DELETED),
    (MAILCORE_FLAG_DRAFT, Flags::DRAFT),
];

/// A mailbox and the account it belongs to.
pub(crate) struct MailboxSeat {
    pub account: Arc<AccountSeat>,
    pub id: MailboxId,
    pub name: String,
}

impl MailboxSeat {
    /// What never changes about these messages; those that are gone are missing.
    pub fn facts(&self, uids: &[Uid]) -> Result<Vec<Fact>, Failure> {
        let engine = &self.account.engine;
        engine.run(engine.engine.facts(self.id, &set(uids)))
    }

    /// Its present counts.
    pub fn info(&self) -> Result<MailboxInfo, Failure> {
        let engine = &self.account.engine;
        let all = engine.run(engine.engine.mailboxes(self.account.id))?;
        let found = all.into_iter().find(|info| info.id == self.id);
        found.ok_or_else(|| Failure::new(MAILCORE_E_NOT_FOUND, format!("mailbox {:?} was deleted", self.name)))
    }
}

/// Opens a mailbox, for its messages.
///
/// [disk]
///
/// @param account  the account
/// @param name  "INBOX", "Archive/2026": UTF-8, levels separated by "/"
/// @param flags  0, or MAILCORE_MAILBOX_CREATE
/// @param mailbox  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_NOT_FOUND, MAILCORE_E_INVALID,
/// MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_open(
    account: mailcore_account,
    name: *const c_char,
    flags: u32,
    mailbox: *mut mailcore_mailbox,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(mailbox, 0) };
        let seat = object::account(account)?;
        // SAFETY: the caller's text.
        let name = unsafe { needed(name, "name") }?;
        if mailbox.is_null() {
            return Err(Failure::null("mailbox"));
        }
        if flags & !MAILCORE_MAILBOX_CREATE != 0 {
            return Err(Failure::invalid(format!("flags: {flags:#x} has a bit that is not known")));
        }
        let (run, engine) = (&seat.engine, &seat.engine.engine);
        let info = match run.run(engine.mailbox(seat.id, name)) {
            Err(e) if e.code == MAILCORE_E_NOT_FOUND && flags & MAILCORE_MAILBOX_CREATE != 0 => {
                run.run(engine.mailbox_create(seat.id, name, None))?
            }
            found => found?,
        };
        let opened = MailboxSeat { account: seat, id: info.id, name: info.name };
        let handle = object::hold(Object::Mailbox(opened.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(mailbox, handle) };
        Ok(0)
    })
}

/// Makes, deletes, renames or subscribes a mailbox.
///
/// [disk]
///
/// @param account  the account
/// @param action  MAILCORE_CONTROL_ and what to do
/// @param name  the mailbox's name
/// @param argument  the new name for MAILCORE_CONTROL_RENAME, else NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_EXISTS, MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_control(
    account: mailcore_account,
    action: u32,
    name: *const c_char,
    argument: *const c_char,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::account(account)?;
        // SAFETY: the caller's texts.
        let (name, argument) = unsafe { (needed(name, "name")?, optional(argument, "argument")?) };
        let (run, engine) = (&seat.engine, &seat.engine.engine);
        match action {
            MAILCORE_CONTROL_CREATE => drop(run.run(engine.mailbox_create(seat.id, name, None))?),
            MAILCORE_CONTROL_DELETE => run.run(engine.mailbox_delete(seat.id, name))?,
            MAILCORE_CONTROL_RENAME => {
                let to = argument.ok_or_else(|| Failure::null("argument"))?;
                run.run(engine.mailbox_rename(seat.id, name, to))?;
            }
            MAILCORE_CONTROL_SUBSCRIBE => run.run(engine.mailbox_subscribe(seat.id, name, true))?,
            MAILCORE_CONTROL_UNSUBSCRIBE => run.run(engine.mailbox_subscribe(seat.id, name, false))?,
            other => return Err(Failure::invalid(format!("action {other} is none"))),
        }
        Ok(0)
    })
}

/// Adds a message to a mailbox.
///
/// [disk] The message may be new, or one that is kept elsewhere.
///
/// @param mailbox  the mailbox
/// @param message  the message
/// @param flags  MAILCORE_FLAG_ values added up
/// @param time_ms  when it came, in ms since 1970; 0 for now
/// @param uid  takes its UID, or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_INVALID, MAILCORE_E_QUOTA, MAILCORE_E_NOT_FOUND, MAILCORE_E_STATE,
/// MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_append(
    mailbox: mailcore_mailbox,
    message: mailcore_message,
    flags: u32,
    time_ms: i64,
    uid: *mut u64,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::mailbox(mailbox)?;
        let message = object::message(message)?;
        let flags = flags_of(flags)?;
        let content = message.content()?;
        let time = (time_ms != 0).then_some(Timestamp(time_ms));
        let engine = &seat.account.engine;
        let filed = engine.run(engine.engine.append(seat.id, content, flags, Vec::new(), time))?;
        // SAFETY: the caller's output.
        unsafe { give(uid, u64::from(filed.uid)) };
        Ok(0)
    })
}

/// Sets and clears flags of messages.
///
/// [disk] UIDs of messages that are gone are passed over.
///
/// @param mailbox  the mailbox
/// @param uids  the messages
/// @param count  how many they are; 0 does nothing
/// @param add  MAILCORE_FLAG_ values added up: to set
/// @param remove  MAILCORE_FLAG_ values added up: to clear
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_flag(
    mailbox: mailcore_mailbox,
    uids: *const u64,
    count: usize,
    add: u32,
    remove: u32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::mailbox(mailbox)?;
        // SAFETY: the caller's numbers.
        let uids = unsafe { uid_set(uids, count) }?;
        let (add, remove) = (flags_of(add)?, flags_of(remove)?);
        if !(add & remove).is_empty() {
            return Err(Failure::invalid("a flag cannot be set and cleared at once"));
        }
        let engine = &seat.account.engine;
        for (how, flags) in [(FlagHow::Add, add), (FlagHow::Remove, remove)] {
            if !flags.is_empty() && !uids.is_empty() {
                let change = FlagChange { how, flags, keywords: Vec::new() };
                engine.run(engine.engine.change_flags(seat.id, uids.clone(), change))?;
            }
        }
        Ok(0)
    })
}

/// Copies or moves messages to another mailbox of the same account.
///
/// [disk] All or none. UIDs of messages that are gone are passed over.
///
/// @param mailbox  where they are
/// @param uids  the messages
/// @param count  how many they are; 0 does nothing
/// @param destination  where they go
/// @param move  1 to move, 0 to copy
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_QUOTA,
/// MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_copy(
    mailbox: mailcore_mailbox,
    uids: *const u64,
    count: usize,
    destination: mailcore_mailbox,
    r#move: u32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::mailbox(mailbox)?;
        let to = object::mailbox(destination)?;
        // SAFETY: the caller's numbers.
        let uids = unsafe { uid_set(uids, count) }?;
        if to.account.id != seat.account.id || !Arc::ptr_eq(&to.account.engine, &seat.account.engine) {
            return Err(Failure::invalid("the mailboxes belong to different accounts"));
        }
        let engine = &seat.account.engine;
        match (uids.is_empty(), r#move) {
            (true, 0 | 1) => {}
            (false, 0) => drop(engine.run(engine.engine.copy(seat.id, uids, to.id))?),
            (false, 1) => drop(engine.run(engine.engine.move_messages(seat.id, uids, to.id))?),
            (_, other) => return Err(Failure::invalid(format!("move is {other}, not 0 or 1"))),
        }
        Ok(0)
    })
}

/// Removes messages for good, whatever their flags.
///
/// [disk] UIDs of messages that are gone are passed over.
///
/// @param mailbox  the mailbox
/// @param uids  the messages
/// @param count  how many they are; 0 does nothing
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_mailbox_expunge(
    mailbox: mailcore_mailbox,
    uids: *const u64,
    count: usize,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::mailbox(mailbox)?;
        // SAFETY: the caller's numbers.
        let uids = unsafe { uid_set(uids, count) }?;
        if !uids.is_empty() {
            let engine = &seat.account.engine;
            engine.run(engine.engine.expunge(seat.id, Expunge::Among(uids)))?;
        }
        Ok(0)
    })
}

/// System flags as the header numbers them.
pub(crate) fn flags_to_c(flags: Flags) -> u32 {
    FLAGS.iter().filter(|(_, flag)| flags.contains(*flag)).map(|(number, _)| number).sum()
}

fn flags_of(numbers: u32) -> Result<Flags, Failure> {
    let known: u32 = FLAGS.iter().map(|(number, _)| number).sum();
    if numbers & !known != 0 {
        return Err(Failure::invalid(format!("flags: {numbers:#x} has a bit that is not known")));
    }
    let flags = FLAGS.iter().filter(|(number, _)| numbers & number != 0);
    Ok(flags.fold(Flags::NONE, |all, (_, flag)| all | *flag))
}

/// # Safety
/// As for [`items`].
unsafe fn uid_set(uids: *const u64, count: usize) -> Result<UidSet, Failure> {
    // SAFETY: passed on.
    let uids = unsafe { items(uids, count, "uids") }?;
    let uids: Vec<Uid> = uids.iter().filter_map(|uid| Uid::try_from(*uid).ok()).filter(|uid| *uid > 0).collect();
    Ok(set(&uids))
}

fn set(uids: &[Uid]) -> UidSet {
    UidSet::from_ranges(uids.iter().map(|uid| (*uid, *uid)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_there_and_back() {
        for numbers in 0..32 {
            assert_eq!(flags_of(numbers).map(flags_to_c), Ok(numbers));
        }
        assert!(flags_of(32).is_err());
        assert_eq!(flags_to_c(Flags::SEEN | Flags::keyword(0)), MAILCORE_FLAG_SEEN);
    }
}
