//! Listings: one function for everything there is many of, read row by row.

use std::collections::VecDeque;
use std::ffi::{CString, c_char};
use std::sync::{Arc, Mutex, PoisonError};

use super::check;
use super::dkim;
use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::mailbox::{MailboxSeat, flags_to_c};
use super::object::{self, Object, mailcore_cursor, mailcore_engine, mailcore_handle};
use super::outward;
use super::panic::wall;
use super::queue::fares;
use super::record::{self, Record};
use super::reports;
use super::result::{Failure, MAILCORE_E_HANDLE, MAILCORE_E_STORE};
use super::sending;
use super::session;
use super::text::{give, needed};
use crate::base::snapshot::{Message, Messages};
use crate::base::{QueueId, SpecialUse, Uid};
use crate::imap::encode::envelope::date_and_subject;
use crate::message::encoded_word;
use crate::store::{Backup, BackupStep, Check, Item, RecipientState};

/// Accounts of an engine. name: address; id.
pub const MAILCORE_LIST_ACCOUNTS: u32 = 1;
/// Local domains of an engine. name.
pub const MAILCORE_LIST_DOMAINS: u32 = 2;
/// Aliases of an engine. name: pattern; text: target, one row for each.
pub const MAILCORE_LIST_ALIASES: u32 = 3;
/// Queued messages of an engine. id: queue id; name: reverse-path; text: recipients not finished, with commas
/// between them; detail: last reply; size; time_ms: accepted; due_ms: next attempt; state:
/// MAILCORE_DELIVERY_; attempts; code; flags: 1 while held.
pub const MAILCORE_LIST_QUEUE: u32 = 4;
/// Attempts for a queued message, finished ones too; query.id says which. id; name: recipient; text: reply;
/// detail: host; time_ms; state: MAILCORE_DELIVERY_; code.
pub const MAILCORE_LIST_ATTEMPTS: u32 = 5;
/// Mailboxes of an account. id; name; text: special use, "\Sent"; total; unseen; size; mod_seq; flags: 1 where
/// subscribed, 2 where it can be opened.
pub const MAILCORE_LIST_MAILBOXES: u32 = 6;
/// Messages of a mailbox, oldest first. id: UID; name: From; text: Subject; detail: Message-ID; size; time_ms:
/// when it came; flags: MAILCORE_FLAG_; mod_seq.
pub const MAILCORE_LIST_MESSAGES: u32 = 7;
/// DMARC aggregate reports that came to dmarc.report_address, in the order they were read. id; name: who reports;
/// text: the domain whose mail it is about; time_ms, due_ms: begin and end of the time it is about; total: messages;
/// unseen: those that failed DMARC; size: its records; state: MAILCORE_POLICY_ as published; detail: JSON with
/// report_id, email, extra_contact_info, errors, arrived_ms, p, sp, np, adkim, aspf, pct, testing and fo, null where
/// it is not told.
pub const MAILCORE_LIST_DMARC_REPORTS: u32 = 8;
/// Records of such a report; query.id says which. id: place, 1 and up; name: address of the sender; text: domain in
/// From; total: messages; state: MAILCORE_POLICY_ as applied, 3 where it was none since they passed; flags: 1 where
/// DKIM passed and was aligned, 2 where SPF did; detail: JSON with envelope_from, envelope_to, reasons (type,
/// comment), dkim (domain, selector, result) and spf (domain, scope, result).
pub const MAILCORE_LIST_DMARC_RECORDS: u32 = 9;
/// Keys of an engine that mail is signed with. name: domain; text: selector; detail: the TXT record to publish, empty
/// where the host signs; state: MAILCORE_DKIM_; code: MAILCORE_ALGORITHM_; time_ms: when it came into its state.
pub const MAILCORE_LIST_DKIM_KEYS: u32 = 10;
/// A check of an engine's store: where its parts disagree. Each mailcore_next() that needs rows does one step, of a
/// bounded size, and other work goes on beside it. name: a disagreement, as a sentence, or empty where the step found
/// none; id: how much was looked at; size: how much there is to look at, as estimated at the beginning. In the last
/// row, id is size. A sound store gives no row with a name. Closing the cursor ends the check. One check runs at a
/// time: a second one is MAILCORE_E_BUSY. After an error of mailcore_next() the check has no result: begin another.
pub const MAILCORE_LIST_CHECK: u32 = 11;
/// Sessions of an engine, oldest first: connections that clients have to its listeners. id: what mailcore_session_end()
/// takes; name: address of the account that has logged in, or empty; text: the service, "imap"; detail: address and
/// port of the client; time_ms: when it began.
pub const MAILCORE_LIST_SESSIONS: u32 = 12;

/// Destinations of an engine that mail waits for, by name. name: a domain, host:port of the smart host, or empty for
/// what is not routed yet; text: reply to the last attempt; total: recipients that wait; time_ms: when the oldest
/// message was accepted; due_ms: next attempt; state: MAILCORE_DELIVERY_ of the last attempt, 0 before; attempts: most
/// for one recipient; code; flags: 1 while paused; detail: JSON with paused_ms, pause_reason, held, last_ms, last_host,
/// tls_policy, null where there is none; and since the engine was opened delivered and not_delivered (recipients of
/// attempts there) and success_rate, null before the first.
pub const MAILCORE_LIST_DESTINATIONS: u32 = 13;

/// Addresses of an engine that get no mail. id: the account whose mail is meant, 0 for everybody's; name: address, or @
/// and a domain; text: why, as one word; detail: why, in words; time_ms: since when; due_ms: when it ends, 0 for never.
pub const MAILCORE_LIST_SUPPRESSED: u32 = 20;
/// TLS reports (RFC 8460) that came to tlsrpt.report_address, in the order they were read. id; name: who reports; text:
/// the domains whose mail it is about, by commas; time_ms, due_ms: begin and end of the time it is about; total:
/// sessions; unseen: those that failed; detail: JSON with report_id, arrived_ms and report, the report as in RFC 8460.
pub const MAILCORE_LIST_TLS_REPORTS: u32 = 21;

/// Rows fetched from the store at a time.
const PAGE_ROWS: usize = 256;

/// What of a listing is wanted. Set it up with MAILCORE_QUERY_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_query {
    /// sizeof(mailcore_query), set by MAILCORE_QUERY_INIT.
    pub struct_size: u32,
    /// At most so many rows; 0 for all.
    pub limit: u32,
    /// Only rows with an id above this one: of messages, queued messages, DMARC reports and their records.
    pub after: u64,
    /// The queue id for MAILCORE_LIST_ATTEMPTS, the report for MAILCORE_LIST_DMARC_RECORDS.
    pub id: u64,
}

// SAFETY: numbers.
unsafe impl Record for mailcore_query {
    const NAME: &'static str = "mailcore_query";
}

/// A row; what its fields mean stands at the MAILCORE_LIST_ values. The texts are never NULL. They belong to the
/// cursor and are valid until it is read again or closed, also where the engine is closed before.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_row {
    /// sizeof(mailcore_row), set by MAILCORE_ROW_INIT.
    pub struct_size: u32,
    /// MAILCORE_LIST_ and what it is.
    pub kind: u32,
    /// Its number.
    pub id: u64,
    /// Octets.
    pub size: u64,
    /// Modification sequence.
    pub mod_seq: u64,
    /// A moment, in ms since 1970.
    pub time_ms: i64,
    /// The next moment, in ms since 1970; 0 for none.
    pub due_ms: i64,
    /// Flags.
    pub flags: u32,
    /// State.
    pub state: u32,
    /// Attempts.
    pub attempts: u32,
    /// Reply code.
    pub code: u32,
    /// Messages.
    pub total: u32,
    /// Messages not read.
    pub unseen: u32,
    /// First text.
    pub name: *const c_char,
    /// Second text.
    pub text: *const c_char,
    /// Third text.
    pub detail: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_row {
    const NAME: &'static str = "mailcore_row";
}

/// A listing and how far it was read.
pub(crate) struct CursorSeat {
    pub engine: Arc<EngineSeat>,
    pub lent: Arc<Lent>,
    state: Mutex<State>,
}

/// Texts of the row given last, which the program reads by their addresses. They outlive the engine.
#[derive(Default)]
pub(crate) struct Lent(Mutex<[CString; 3]>);

struct State {
    rows: VecDeque<ListRow>,
    more: More,
    /// Rows still wanted.
    left: usize,
}

/// Where further rows come from.
enum More {
    Nothing,
    /// Behind the address with this key.
    Accounts(String),
    /// Behind this name.
    Domains(String),
    /// Behind this pattern and target.
    Aliases(String, String),
    Queue(QueueId),
    Reports(u64),
    Records(u64, u64),
    Messages {
        mailbox: Arc<MailboxSeat>,
        messages: Messages,
        /// Place of the first one that was not read.
        next: usize,
    },
    Destinations(Option<String>),
    Suppressed((i64, String)),
    TlsReports(u64),
    Check(Check),
    Backup(Backup),
    /// A check that ended with an error: its end must not be taken for that of a whole one.
    FailedCheck,
}

/// A row before it is given.
#[derive(Default, Clone)]
pub(super) struct ListRow {
    pub(super) kind: u32,
    pub(super) id: u64,
    pub(super) size: u64,
    pub(super) mod_seq: u64,
    pub(super) time_ms: i64,
    pub(super) due_ms: i64,
    pub(super) flags: u32,
    pub(super) state: u32,
    pub(super) attempts: u32,
    pub(super) code: u32,
    pub(super) total: u32,
    pub(super) unseen: u32,
    pub(super) texts: [String; 3],
}

/// Lists what there is many of: accounts, mailboxes, messages, the queue.
///
/// [disk] The rows are read with mailcore_next(). Messages are those of the moment of this call, less those that
/// go meanwhile. Close the cursor with mailcore_close(), also after its engine was closed.
///
/// @param from  an engine, account or mailbox: see the MAILCORE_LIST_ values
/// @param kind  MAILCORE_LIST_ and what is wanted
/// @param query  which of them; NULL for all
/// @param cursor  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_INVALID, MAILCORE_E_NOT_FOUND,
/// MAILCORE_E_BUSY (the store is being checked already), MAILCORE_E_LIMIT, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
/// MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_list(
    from: mailcore_handle,
    kind: u32,
    query: *const mailcore_query,
    cursor: *mut mailcore_cursor,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(cursor, 0) };
        let object = object::sound(from)?;
        if cursor.is_null() {
            return Err(Failure::null("cursor"));
        }
        let query = if query.is_null() {
            mailcore_query { struct_size: 0, limit: 0, after: 0, id: 0 }
        } else {
            // SAFETY: the caller gives a struct with its size.
            unsafe { record::read(query) }?
        };
        let (rows, more) = begin(&object, kind, &query)?;
        let left = if query.limit == 0 { usize::MAX } else { query.limit as usize };
        let state = Mutex::new(State { rows, more, left });
        let engine = object.engine().ok_or_else(|| Failure::plain(MAILCORE_E_HANDLE))?.clone();
        let seat = CursorSeat { engine, lent: Arc::default(), state };
        let handle = object::hold(Object::Cursor(seat.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(cursor, handle) };
        Ok(0)
    })
}

/// Copies the store into a folder, beside all other work: each mailcore_next() does one step.
///
/// [disk] The copy is what was committed when the first row was read. It is read back and checked, and has its name
/// only when mailcore_next() has given 0: then the folder is a store, to be opened as any. In each row id is how many
/// octets are done, of size in all. Closing the cursor before gives the backup up. An error of mailcore_next() ends
/// it: MAILCORE_E_EXISTS where the folder has a store, MAILCORE_E_DISK_FULL, MAILCORE_E_STORE.
///
/// @param engine  the engine
/// @param folder  where to; made where missing
/// @param cursor  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_LIMIT
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_backup(
    engine: mailcore_engine,
    folder: *const c_char,
    cursor: *mut mailcore_cursor,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(cursor, 0) };
        let seat = object::engine(engine)?;
        // SAFETY: the caller's text.
        let folder = unsafe { needed(folder, "folder") }?;
        if cursor.is_null() {
            return Err(Failure::null("cursor"));
        }
        if folder.is_empty() {
            return Err(Failure::invalid("folder is empty"));
        }
        let more = More::Backup(seat.engine.backup(folder));
        let state = Mutex::new(State { rows: VecDeque::new(), more, left: usize::MAX });
        let seat = CursorSeat { engine: seat, lent: Arc::default(), state };
        let handle = object::hold(Object::Cursor(seat.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(cursor, handle) };
        Ok(0)
    })
}

/// Reads the next row of a listing.
///
/// [disk]
///
/// @param cursor  from mailcore_list()
/// @param row  takes the row; its texts are valid until the cursor is read again or closed
/// @param err  takes what went wrong, or NULL
/// @returns 1 for a row, 0 at the end, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_next(
    cursor: mailcore_cursor,
    row: *mut mailcore_row,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::cursor(cursor)?;
        if row.is_null() {
            return Err(Failure::null("row"));
        }
        // SAFETY: the caller gives a struct with its size.
        unsafe { record::check(row.cast_const()) }?;
        let mut state = seat.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(next) = state.next(&seat.engine)? else { return Ok(0) };
        let mut lent = seat.lent.0.lock().unwrap_or_else(PoisonError::into_inner);
        *lent = next.texts.clone().map(|text| CString::new(text.replace('\0', " ")).unwrap_or_default());
        let [name, text, detail] = lent.each_ref().map(|text| text.as_ptr());
        let given = mailcore_row {
            struct_size: 0,
            kind: next.kind,
            id: next.id,
            size: next.size,
            mod_seq: next.mod_seq,
            time_ms: next.time_ms,
            due_ms: next.due_ms,
            flags: next.flags,
            state: next.state,
            attempts: next.attempts,
            code: next.code,
            total: next.total,
            unseen: next.unseen,
            name,
            text,
            detail,
        };
        // SAFETY: checked above.
        unsafe { record::write(row, &given) };
        Ok(1)
    })
}

/// The first rows of a listing, and where the others come from.
fn begin(object: &Object, kind: u32, query: &mailcore_query) -> Result<(VecDeque<ListRow>, More), Failure> {
    let rows = match (kind, object) {
        (MAILCORE_LIST_ACCOUNTS, Object::Engine(_)) => return Ok((VecDeque::new(), More::Accounts(String::new()))),
        (MAILCORE_LIST_DOMAINS, Object::Engine(_)) => return Ok((VecDeque::new(), More::Domains(String::new()))),
        (MAILCORE_LIST_ALIASES, Object::Engine(_)) => {
            return Ok((VecDeque::new(), More::Aliases(String::new(), String::new())));
        }
        (MAILCORE_LIST_QUEUE, Object::Engine(_)) => {
            return Ok((VecDeque::new(), More::Queue(QueueId(signed(query.after)))));
        }
        (MAILCORE_LIST_DMARC_REPORTS, Object::Engine(_)) => return Ok((VecDeque::new(), More::Reports(query.after))),
        (MAILCORE_LIST_DMARC_RECORDS, Object::Engine(_)) => {
            return Ok((VecDeque::new(), More::Records(query.id, query.after)));
        }
        (MAILCORE_LIST_DESTINATIONS, Object::Engine(_)) => return Ok((VecDeque::new(), More::Destinations(None))),
        (MAILCORE_LIST_SUPPRESSED, Object::Engine(_)) => {
            return Ok((VecDeque::new(), More::Suppressed((i64::MIN, String::new()))));
        }
        (MAILCORE_LIST_TLS_REPORTS, Object::Engine(_)) => {
            return Ok((VecDeque::new(), More::TlsReports(query.after)));
        }
        (MAILCORE_LIST_ATTEMPTS, Object::Engine(seat)) => attempts(seat, query.id)?,
        (MAILCORE_LIST_DKIM_KEYS, Object::Engine(seat)) => dkim_keys(seat)?,
        (MAILCORE_LIST_SESSIONS, Object::Engine(seat)) => session::rows(seat),
        (MAILCORE_LIST_CHECK, Object::Engine(seat)) => {
            return Ok((VecDeque::new(), More::Check(seat.engine.check()?)));
        }
        (MAILCORE_LIST_MAILBOXES, Object::Account(seat)) => mailboxes(&seat.engine, seat.id)?,
        (MAILCORE_LIST_MESSAGES, Object::Mailbox(seat)) => {
            let engine = &seat.account.engine;
            let snapshot = engine.run(engine.engine.snapshot(seat.id))?;
            let messages = snapshot.messages;
            let behind = u32::try_from(query.after.saturating_add(1));
            let next = behind.map_or(messages.len(), |uid| messages.place_from(uid));
            return Ok((VecDeque::new(), More::Messages { mailbox: seat.clone(), messages, next }));
        }
        (MAILCORE_LIST_ACCOUNTS..=MAILCORE_LIST_DESTINATIONS, _)
        | (MAILCORE_LIST_SUPPRESSED | MAILCORE_LIST_TLS_REPORTS, _) => {
            return Err(Failure::new(MAILCORE_E_HANDLE, "the handle does not have what is to be listed"));
        }
        _ => return Err(Failure::invalid(format!("kind {kind} is none"))),
    };
    Ok((rows, More::Nothing))
}

fn named(kind: u32, id: i64, name: &str) -> ListRow {
    ListRow { kind, id: id as u64, texts: [name.to_owned(), String::new(), String::new()], ..ListRow::default() }
}

fn attempts(engine: &EngineSeat, id: u64) -> Result<VecDeque<ListRow>, Failure> {
    let queue_id = QueueId(i64::try_from(id).map_err(|_| Failure::invalid(format!("queue id {id}")))?);
    let rows = engine.run(engine.engine.attempts(queue_id))?;
    let row = |(recipient, result): (String, crate::store::AttemptResult)| ListRow {
        kind: MAILCORE_LIST_ATTEMPTS,
        id,
        time_ms: result.at.0,
        state: fares(None, std::slice::from_ref(&(recipient.clone(), result.clone()))).state,
        code: u32::from(result.code),
        texts: [recipient, result.text, result.host],
        ..ListRow::default()
    };
    Ok(rows.into_iter().map(row).collect())
}

fn dkim_keys(engine: &EngineSeat) -> Result<VecDeque<ListRow>, Failure> {
    let row = |key: crate::engine::dkim::DkimKeyInfo| ListRow {
        kind: MAILCORE_LIST_DKIM_KEYS,
        time_ms: key.changed.0,
        state: key.state as u32,
        code: dkim::number_of(key.algorithm),
        texts: [key.domain, key.selector, key.record],
        ..ListRow::default()
    };
    Ok(engine.run(engine.engine.dkim_keys())?.into_iter().map(row).collect())
}

fn mailboxes(engine: &EngineSeat, account: crate::base::AccountId) -> Result<VecDeque<ListRow>, Failure> {
    let row = |info: crate::store::MailboxInfo| ListRow {
        kind: MAILCORE_LIST_MAILBOXES,
        id: info.id.0 as u64,
        size: info.octets,
        mod_seq: info.mod_seq,
        flags: u32::from(info.subscribed) | u32::from(info.selectable) << 1,
        total: info.total,
        unseen: info.unseen,
        texts: [info.name, info.special_use.map_or("", SpecialUse::attribute).to_owned(), String::new()],
        ..ListRow::default()
    };
    Ok(engine.run(engine.engine.mailboxes(account))?.into_iter().map(row).collect())
}

impl State {
    fn next(&mut self, engine: &EngineSeat) -> Result<Option<ListRow>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        while self.rows.is_empty() {
            if !self.fetch(engine)? {
                return Ok(None);
            }
        }
        self.left -= 1;
        Ok(self.rows.pop_front())
    }

    /// The next page of accounts, domains or aliases; false at the end.
    fn fetch_directory(&mut self, engine: &EngineSeat) -> Result<bool, Failure> {
        match &mut self.more {
            More::Accounts(after) => {
                let page = engine.run(engine.engine.accounts(after))?;
                self.rows
                    .extend(page.iter().map(|account| named(MAILCORE_LIST_ACCOUNTS, account.id.0, &account.address)));
                page.into_iter().next_back().into_iter().for_each(|last| *after = last.key);
            }
            More::Domains(after) => {
                let page = engine.run(engine.engine.domains(after))?;
                self.rows.extend(page.iter().map(|domain| named(MAILCORE_LIST_DOMAINS, 0, domain)));
                page.into_iter().next_back().into_iter().for_each(|last| *after = last);
            }
            More::Aliases(pattern, target) => {
                let page = engine.run(engine.engine.aliases((pattern, target)))?;
                for (of, to) in &page {
                    let texts = [of.clone(), to.clone(), String::new()];
                    self.rows.push_back(ListRow { kind: MAILCORE_LIST_ALIASES, texts, ..ListRow::default() });
                }
                page.into_iter().next_back().into_iter().for_each(|last| (*pattern, *target) = last);
            }
            _ => {}
        }
        Ok(!self.rows.is_empty())
    }

    /// The next page; false at the end.
    fn fetch(&mut self, engine: &EngineSeat) -> Result<bool, Failure> {
        let wanted = self.left.min(PAGE_ROWS);
        match &mut self.more {
            More::Nothing => Ok(false),
            More::Accounts(_) | More::Domains(_) | More::Aliases(..) => self.fetch_directory(engine),
            More::Queue(after) => {
                let items = engine.run(engine.engine.queue_list(*after, wanted))?;
                let Some(last) = items.last() else { return Ok(false) };
                *after = last.id;
                for item in &items {
                    self.rows.push_back(queued(engine, item)?);
                }
                Ok(true)
            }
            More::Messages { mailbox, messages: all, next } => {
                let places = *next..all.len().min(next.saturating_add(wanted));
                let page: Vec<Message> = all.parts(places).flat_map(|(_, part)| part.iter()).collect();
                if page.is_empty() {
                    return Ok(false);
                }
                *next += page.len();
                self.rows = messages(mailbox, &page)?;
                Ok(true)
            }
            More::Reports(_)
            | More::Records(..)
            | More::Destinations(_)
            | More::Suppressed(_)
            | More::TlsReports(_) => self.fetch_of_mail(engine, wanted),
            More::Check(under_way) => {
                let (rows, over) = check::step(engine, under_way).inspect_err(|_| self.more = More::FailedCheck)?;
                self.rows = rows;
                if over {
                    self.more = More::Nothing;
                }
                Ok(true)
            }
            More::Backup(under_way) => {
                let BackupStep { done, total, over } = engine.run(under_way.step())?;
                let row = ListRow { id: done, size: total, ..ListRow::default() };
                self.rows.push_back(row);
                if over {
                    self.more = More::Nothing;
                }
                Ok(true)
            }
            More::FailedCheck => Err(Failure::new(MAILCORE_E_STORE, "the check ended with an error: begin another")),
        }
    }

    /// The next page of what is kept about mail as a whole: reports, destinations, suppressed addresses.
    fn fetch_of_mail(&mut self, engine: &EngineSeat, wanted: usize) -> Result<bool, Failure> {
        match &mut self.more {
            More::Reports(after) => {
                self.rows.extend(reports::reports(engine, signed(*after), wanted)?);
                *after = self.rows.back().map_or(*after, |row| row.id);
                Ok(!self.rows.is_empty())
            }
            More::Records(report, after) => {
                self.rows.extend(reports::records(engine, signed(*report), signed(*after), wanted)?);
                *after = self.rows.back().map_or(*after, |row| row.id);
                Ok(!self.rows.is_empty())
            }
            More::Destinations(after) => {
                self.rows.extend(outward::destinations(engine, after.as_deref(), wanted)?);
                let last = self.rows.back().map(|row| row.texts.first().cloned().unwrap_or_default());
                *after = last.or(after.take());
                Ok(!self.rows.is_empty())
            }
            More::Suppressed(after) => {
                self.rows.extend(sending::suppressed(engine, after, wanted)?);
                Ok(!self.rows.is_empty())
            }
            More::TlsReports(after) => {
                self.rows.extend(sending::tls_reports(engine, signed(*after), wanted)?);
                *after = self.rows.back().map_or(*after, |row| row.id);
                Ok(!self.rows.is_empty())
            }
            _ => Ok(false),
        }
    }
}

/// An id as the store has it.
fn signed(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn queued(engine: &EngineSeat, item: &Item) -> Result<ListRow, Failure> {
    let attempts = engine.run(engine.engine.attempts(item.id))?;
    let fares = fares(Some(item), &attempts);
    let waiting = item.recipients.iter().filter(|recipient| recipient.state == RecipientState::Waiting);
    let waiting: Vec<String> = waiting.map(|recipient| recipient.recipient.address.to_string()).collect();
    let from = item.envelope.reverse_path.as_ref().map(ToString::to_string).unwrap_or_default();
    let last = attempts.last().map(|(_, result)| result.text.clone()).unwrap_or_default();
    Ok(ListRow {
        kind: MAILCORE_LIST_QUEUE,
        id: item.id.0 as u64,
        size: item.size,
        time_ms: item.created.0,
        due_ms: fares.next_ms,
        flags: u32::from(item.held),
        state: fares.state,
        attempts: item.recipients.iter().map(|recipient| recipient.attempts).max().unwrap_or(0),
        code: fares.smtp_code,
        texts: [from, waiting.join(","), last],
        ..ListRow::default()
    })
}

/// The subject in an ENVELOPE, decoded. The one beside it in the store is cut and folded for sorting.
fn subject(envelope: &[u8]) -> String {
    date_and_subject(envelope).1.map(|subject| encoded_word::decode(&subject)).unwrap_or_default()
}

fn messages(mailbox: &MailboxSeat, page: &[Message]) -> Result<VecDeque<ListRow>, Failure> {
    let uids: Vec<Uid> = page.iter().map(|message| message.uid).collect();
    let facts = mailbox.facts(&uids)?;
    let engine = &mailbox.account.engine;
    let blobs = facts.iter().map(|fact| fact.blob).collect();
    let metas = engine.run(engine.engine.metas(blobs))?;
    let mut rows = VecDeque::with_capacity(facts.len());
    let mut states = page.iter();
    for (fact, meta) in facts.iter().zip(metas) {
        // Facts come in the order of the page; those of messages that are gone are missing.
        let Some(message) = states.find(|message| message.uid == fact.uid) else { break };
        let meta = meta.unwrap_or_default();
        rows.push_back(ListRow {
            kind: MAILCORE_LIST_MESSAGES,
            id: u64::from(fact.uid),
            size: fact.size,
            mod_seq: message.mod_seq,
            time_ms: fact.internal_date.0,
            flags: flags_to_c(message.flags),
            texts: [meta.from, subject(&meta.envelope), meta.message_id],
            ..ListRow::default()
        });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::subject;

    #[test]
    fn subjects_from_envelopes() {
        for (envelope, text) in [
            (&b"(\"date\" \"Hello\" NIL)"[..], "Hello"),
            (b"(NIL \"a \\\"b\\\\\" NIL)", "a \"b\\"),
            (b"(\"d\" {6}\r\n\"q\"\r\nx NIL)", "\"q\"x"),
            (b"(\"d\" \"=?utf-8?q?J=C3=BCrgen?=\" NIL)", "J\u{fc}rgen"),
            (b"(NIL NIL NIL)", ""),
            (b"(\"d\" \"open", ""),
            (b"", ""),
        ] {
            assert_eq!(subject(envelope), text);
        }
    }
}
