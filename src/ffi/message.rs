//! Messages: written piece by piece, then read like a file.

use std::ffi::{c_char, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use super::buf::mailcore_buf;
use super::engine::EngineSeat;
use super::error::mailcore_error;
use super::object::{self, Object, mailcore_engine, mailcore_handle, mailcore_message};
use super::panic::wall;
use super::result::{Failure, MAILCORE_E_HANDLE, MAILCORE_E_LIMIT, MAILCORE_E_NOT_FOUND, MAILCORE_E_STATE};
use super::text::{give, give_buf, needed, octets};
use crate::base::content::{Spool, SpoolError};
use crate::base::{BlobId, Content, Error, QueueId, Timestamp, Uid};
use crate::intake::hook::Question;
use crate::message::{encoded_word, header};

/// Octets of a header that are looked at for a field.
const HEADER_OCTETS_MAX: usize = 1 << 20;
/// Octets read from the store at a time.
const PIECE_OCTETS: usize = 64 * 1024;

/// A message and the engine it belongs to.
pub(crate) struct MessageSeat {
    pub engine: Arc<EngineSeat>,
    state: Mutex<State>,
}

enum State {
    /// Being written.
    Writing(Spool),
    /// Written; submitted or appended any number of times.
    Written(Content),
    /// In the store.
    Stored(StoredMessage),
    /// Writing failed; nothing is left of it.
    Broken,
}

/// A message in the store.
#[derive(Clone, Copy)]
pub(crate) struct StoredMessage {
    pub blob: BlobId,
    pub size: u64,
    pub id: u64,
    pub time: Timestamp,
}

impl MessageSeat {
    /// The message a host is asked about; `None` where it is asked about a recipient.
    pub fn of(engine: Arc<EngineSeat>, question: &Question) -> Option<MessageSeat> {
        let state = Mutex::new(State::Written(question.content.clone()?));
        Some(MessageSeat { engine, state })
    }

    /// What was written, for submitting; from now on nothing is added.
    pub fn content(&self) -> Result<Content, Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let content = match std::mem::replace(&mut *state, State::Broken) {
            State::Writing(spool) => spool.finish(),
            State::Written(content) => content,
            State::Stored(stored) => {
                *state = State::Stored(stored);
                drop(state);
                return self.copy_of(stored);
            }
            State::Broken => return Err(Failure::new(MAILCORE_E_STATE, "writing this message failed")),
        };
        *state = State::Written(content.clone());
        Ok(content)
    }

    fn copy_of(&self, stored: StoredMessage) -> Result<Content, Failure> {
        let mut spool = self.engine.engine.spool()?;
        let mut at = 0;
        while at < stored.size {
            let piece = self.engine.run(self.engine.engine.read(stored.blob, at, PIECE_OCTETS))?;
            if piece.is_empty() {
                return Err(Failure::new(MAILCORE_E_NOT_FOUND, "the message was removed meanwhile"));
            }
            at += piece.len() as u64;
            spool.push(&piece).map_err(spooled)?;
        }
        Ok(spool.finish())
    }

    fn write(&self, piece: &[u8]) -> Result<(), Failure> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State::Writing(spool) = &mut *state else {
            return Err(Failure::new(MAILCORE_E_STATE, "the message is not being written any more"));
        };
        let pushed = spool.push(piece);
        if pushed.is_err() {
            *state = State::Broken;
        }
        pushed.map_err(spooled)
    }

    /// Reads into `out` at `offset`; fewer octets than asked only at the end.
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<usize, Failure> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Written(content) => read_content(content, offset, out),
            State::Stored(stored) => {
                let stored = *stored;
                drop(state);
                self.read_stored(stored, offset, out)
            }
            _ => Err(Failure::new(MAILCORE_E_STATE, "the message is still being written")),
        }
    }

    fn read_stored(&self, stored: StoredMessage, offset: u64, out: &mut [u8]) -> Result<usize, Failure> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            if at >= stored.size {
                break;
            }
            let wanted = rest.len().min(PIECE_OCTETS);
            let piece = self.engine.run(self.engine.engine.read(stored.blob, at, wanted))?;
            if piece.is_empty() {
                break;
            }
            for (to, from) in rest.iter_mut().zip(&piece) {
                *to = *from;
            }
            done += piece.len().min(wanted);
        }
        Ok(done)
    }

    /// The header with its empty line, as far as it is looked at.
    fn header(&self) -> Result<Vec<u8>, Failure> {
        let mut octets = Vec::new();
        while octets.len() < HEADER_OCTETS_MAX {
            let before = octets.len();
            octets.resize(before + PIECE_OCTETS, 0);
            let n = self.read(before as u64, octets.get_mut(before..).unwrap_or_default())?;
            octets.truncate(before + n);
            if let Some(end) = header::header_len(&octets) {
                octets.truncate(end);
                break;
            }
            if n < PIECE_OCTETS {
                break;
            }
        }
        Ok(octets)
    }

    /// Octets, id and time.
    pub fn facts(&self) -> (u64, u64, i64) {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Writing(spool) => (spool.octets(), 0, 0),
            State::Written(content) => (content.len(), 0, 0),
            State::Stored(stored) => (stored.size, stored.id, stored.time.0),
            State::Broken => (0, 0, 0),
        }
    }
}

fn read_content(content: &Content, offset: u64, out: &mut [u8]) -> Result<usize, Failure> {
    let mut done = 0;
    let prefix = usize::try_from(offset).ok().and_then(|at| content.prefix.get(at..)).unwrap_or_default();
    for (to, from) in out.iter_mut().zip(prefix) {
        *to = *from;
        done += 1;
    }
    let at = (offset + done as u64).saturating_sub(content.prefix.len() as u64);
    let rest = out.get_mut(done..).unwrap_or_default();
    let n = content.body.read_at(at, rest).map_err(scratch)?;
    Ok(done + n)
}

fn spooled(e: SpoolError) -> Failure {
    match e {
        SpoolError::TooLarge => Failure::new(MAILCORE_E_LIMIT, "the message is larger than message.octets_max"),
        SpoolError::Disk(e) => scratch(e),
    }
}

fn scratch(e: std::io::Error) -> Failure {
    Error::of_disk("scratch file", &e).into()
}

/// Begins a new message.
///
/// [nowait]
///
/// @param engine  the engine
/// @param message  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_LIMIT
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_message_new(
    engine: mailcore_engine,
    message: *mut mailcore_message,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(message, 0) };
        let seat = object::engine(engine)?;
        if message.is_null() {
            return Err(Failure::null("message"));
        }
        let state = Mutex::new(State::Writing(seat.engine.spool()?));
        let handle = object::hold(Object::Message(MessageSeat { engine: seat, state }.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(message, handle) };
        Ok(0)
    })
}

/// Adds octets to a new message.
///
/// [disk] Header, empty line, body; lines end in CRLF. Large messages are kept in a scratch file meanwhile.
///
/// @param message  from mailcore_message_new(), not yet submitted or appended
/// @param data  the octets; NULL for none
/// @param len  how many they are
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_STATE, MAILCORE_E_LIMIT (property
/// message.octets_max), MAILCORE_E_STORE, MAILCORE_E_INVALID
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_message_write(
    message: mailcore_message,
    data: *const c_void,
    len: usize,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::message(message)?;
        // SAFETY: the caller's octets.
        seat.write(unsafe { octets(data.cast(), len, "data") }?)?;
        Ok(0)
    })
}

/// Opens a message that is kept, for reading.
///
/// [disk]
///
/// @param from  a mailbox, or the engine for a message of the queue
/// @param id  its UID, or its queue id
/// @param message  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_NOT_FOUND, MAILCORE_E_STORE,
/// MAILCORE_E_STORE_DOWN, MAILCORE_E_INTERRUPTED, MAILCORE_E_LIMIT
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_message_open(
    from: mailcore_handle,
    id: u64,
    message: *mut mailcore_message,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(message, 0) };
        let object = object::sound(from)?;
        if message.is_null() {
            return Err(Failure::null("message"));
        }
        let stored =
            find(&object, id)?.ok_or_else(|| Failure::new(MAILCORE_E_NOT_FOUND, format!("no message {id}")))?;
        let engine = object.engine().ok_or_else(|| Failure::plain(MAILCORE_E_HANDLE))?.clone();
        let opened = MessageSeat { engine, state: Mutex::new(State::Stored(stored)) };
        let handle = object::hold(Object::Message(opened.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(message, handle) };
        Ok(0)
    })
}

/// The message `id` of a mailbox, or of an engine's queue.
fn find(object: &Object, id: u64) -> Result<Option<StoredMessage>, Failure> {
    match object {
        Object::Engine(seat) => {
            let Ok(queue_id) = i64::try_from(id) else { return Ok(None) };
            let item = seat.run(seat.engine.queue_item(QueueId(queue_id)))?;
            Ok(Some(StoredMessage { blob: item.blob, size: item.size, id, time: item.created }))
        }
        Object::Mailbox(seat) => {
            let Ok(uid) = Uid::try_from(id) else { return Ok(None) };
            let fact = seat.facts(&[uid])?.into_iter().next();
            Ok(fact.map(|fact| StoredMessage { blob: fact.blob, size: fact.size, id, time: fact.internal_date }))
        }
        _ => Err(Failure::new(MAILCORE_E_HANDLE, "the handle is neither a mailbox nor an engine")),
    }
}

/// Reads octets of a message.
///
/// [disk] [hook-ok] A new message can be read once it was submitted or appended.
///
/// @param message  the message
/// @param offset  where to begin, 0 for its first octet
/// @param data  takes the octets
/// @param capacity  how many there is room for
/// @param read  takes how many were read: fewer than capacity only at the end. Needed
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_STATE, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN,
/// MAILCORE_E_NOT_FOUND (removed meanwhile), MAILCORE_E_INVALID, MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_message_read(
    message: mailcore_message,
    offset: u64,
    data: *mut c_void,
    capacity: usize,
    read: *mut usize,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::message(message)?;
        if read.is_null() {
            return Err(Failure::null("read"));
        }
        // SAFETY: the caller's octets; checked like those that come in.
        unsafe { octets(data.cast_const().cast(), capacity, "data") }?;
        let mut piece = vec![0; capacity.min(PIECE_OCTETS)];
        let mut done = 0;
        while done < capacity {
            let room = piece.get_mut(..(capacity - done).min(PIECE_OCTETS)).unwrap_or_default();
            let n = seat.read(offset.saturating_add(done as u64), room)?;
            // SAFETY: `data` has room for `capacity` octets, and done + n is not above it.
            unsafe { data.cast::<u8>().add(done).copy_from_nonoverlapping(room.as_ptr(), n) };
            done += n;
            if n < room.len() {
                break;
            }
        }
        // SAFETY: the caller's output.
        unsafe { give(read, done) };
        Ok(0)
    })
}

/// Reads a header field.
///
/// [disk] [hook-ok] Gives the value on one line, encoded words (RFC 2047) decoded, as UTF-8. It holds no NUL: U+FFFD
/// stands for one.
///
/// @param message  the message
/// @param name  "Subject", in any case
/// @param index  0 for the first field of this name, 1 for the second
/// @param value  takes the value, to be given back with mailcore_buf_free(), or NULL
/// @param err  takes what went wrong, or NULL
/// @returns 1, 0 where there is no such field, or MAILCORE_E_HANDLE, MAILCORE_E_NULL, MAILCORE_E_UTF8,
/// MAILCORE_E_STATE, MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN, MAILCORE_E_NOT_FOUND, MAILCORE_E_NOMEM,
/// MAILCORE_E_INTERRUPTED
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_message_header(
    message: mailcore_message,
    name: *const c_char,
    index: u32,
    value: *mut mailcore_buf,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::message(message)?;
        // SAFETY: the caller's text.
        let name = unsafe { needed(name, "name") }?;
        let header = seat.header()?;
        let field = header::fields(&header).filter(|field| field.is(name)).nth(index as usize);
        let Some(field) = field else { return Ok(0) };
        // SAFETY: the caller's output.
        unsafe { give_buf(value, encoded_word::decode(&field.value()).replace('\0', "\u{fffd}").as_bytes()) }?;
        Ok(1)
    })
}
