//! Engines: open, start, stop.

use std::ffi::c_char;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::mailcore_error;
use super::object::{self, Object, mailcore_engine};
use super::panic::{be_silent, wall};
use super::record::{self, Record};
use super::result::Failure;
use super::text::{give, optional};
use super::{fork, property};
use crate::base::Result;
use crate::engine::events::Said;
use crate::engine::interrupt::Interrupt;
use crate::engine::keys::Value;
use crate::engine::{Config, Engine};

/// The engine's clock stands still from the beginning: only mailcore_clock_set() and mailcore_clock_advance() move it.
pub const MAILCORE_OPEN_CLOCK_BY_HOST: u32 = 1;

/// How an engine is opened. Set it up with MAILCORE_OPEN_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct mailcore_open {
    /// sizeof(mailcore_open), set by MAILCORE_OPEN_INIT.
    pub struct_size: u32,
    /// 0, or MAILCORE_OPEN_CLOCK_BY_HOST.
    pub flags: u32,
    /// Folder of the store; made where missing. This or `store` is needed.
    pub folder: *const c_char,
    /// The engine's name in greetings and reports, "mx.example.org"; NULL for "localhost".
    pub hostname: *const c_char,
    /// Properties to set before anything else, one "key=value" on each line, or NULL. Only here can engine.threads,
    /// store.readers and events.capacity be set.
    pub settings: *const c_char,
    /// A store on a PostgreSQL server in place of a folder: "postgres://user@host/db?schema=name". The schema and its
    /// tables are made where missing. NULL for a store in a folder.
    pub store: *const c_char,
}

// SAFETY: numbers and pointers, which may be NULL.
unsafe impl Record for mailcore_open {
    const NAME: &'static str = "mailcore_open";
}

/// An engine and those who wait on its handle.
pub(crate) struct EngineSeat {
    pub engine: Engine,
    /// Wakes those who wait for something to happen; the program fires it.
    pub interrupt: Interrupt,
    /// Wakes those who wait for the disk; only closing the engine fires it, so that an interrupt
    /// meant for one call of the program leaves no other in doubt.
    pub closing: Interrupt,
    closed: AtomicBool,
}

impl EngineSeat {
    /// From here on nothing new may come from it.
    pub fn mark_closed(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Waits for work on the store; ended only by closing the engine.
    pub fn run<T>(&self, work: impl Future<Output = Result<T>>) -> std::result::Result<T, Failure> {
        Ok(self.engine.wait(&self.closing, None, work)?)
    }

    /// Waits for something to happen, at most `timeout`, or until the program interrupts.
    pub fn wait<T>(&self, timeout: Option<Duration>, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.engine.wait(&self.interrupt, timeout, work)
    }

    /// The next event: `Ok(None)` once there will be none.
    pub fn next_event(&self, timeout: Option<Duration>) -> Result<Option<Said>> {
        self.engine.next_event(&self.interrupt, timeout)
    }

    /// The next request: `Ok(None)` once there will be none.
    pub fn next_request(&self, timeout: Option<Duration>) -> Result<Option<Said>> {
        let events = self.engine.events();
        match events.try_next_request() {
            (Some(said), _) => Ok(Some(said)),
            (None, true) => Ok(None),
            (None, false) => self.wait(timeout, async { Ok(events.next_request().await) }),
        }
    }
}

/// Opens an engine on a store.
///
/// [disk] Makes the folder and the store where there are none. The engine does nothing by itself until
/// mailcore_engine_start(). Accounts and keys may be set before and after it, properties only before.
///
/// @param open  how; needed
/// @param engine  takes the handle; needed. 0 after a failure
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_NULL, MAILCORE_E_VERSION, MAILCORE_E_UTF8, MAILCORE_E_INVALID, MAILCORE_E_KEY,
/// MAILCORE_E_BUSY (the store is open elsewhere), MAILCORE_E_STORE, MAILCORE_E_STORE_DOWN (its server cannot be
/// reached), MAILCORE_E_LIMIT, MAILCORE_E_UNSUPPORTED (the system's SQLite can lose synced commits; PostgreSQL is left
/// out of this build)
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_engine_open(
    open: *const mailcore_open,
    engine: *mut mailcore_engine,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        // SAFETY: the caller's output.
        unsafe { give(engine, 0) };
        if engine.is_null() {
            return Err(Failure::null("engine"));
        }
        // SAFETY: the caller gives NULL or a struct with its size.
        let open = unsafe { record::read(open) }?;
        // SAFETY: the caller's texts.
        let (hostname, settings) =
            unsafe { (optional(open.hostname, "hostname")?, optional(open.settings, "settings")?) };
        // SAFETY: the caller's texts.
        let mut config = unsafe { place(&open) }?;
        if open.flags & !MAILCORE_OPEN_CLOCK_BY_HOST != 0 {
            return Err(Failure::invalid(format!("flags: {:#x} has a bit that is not known", open.flags)));
        }
        fork::watch();
        be_silent();
        config.clock_by_host = open.flags & MAILCORE_OPEN_CLOCK_BY_HOST != 0;
        if let Some(hostname) = hostname {
            property::set(&mut config, "hostname", Value::Text(hostname.to_owned()))?;
        }
        for line in settings.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) =
                line.split_once('=').ok_or_else(|| Failure::invalid(format!("settings: {line:?} is not key=value")))?;
            property::set(&mut config, key.trim(), Value::Text(value.trim().to_owned()))?;
        }
        let seat = EngineSeat {
            engine: Engine::open(config)?,
            interrupt: Interrupt::default(),
            closing: Interrupt::default(),
            closed: AtomicBool::new(false),
        };
        let handle = object::hold(Object::Engine(seat.into()))?;
        // SAFETY: the caller's output.
        unsafe { give(engine, handle) };
        Ok(0)
    })
}

/// Where the store is: in a folder, or on a server.
///
/// # Safety
/// Both are NULL or texts that end in NUL.
unsafe fn place(open: &mailcore_open) -> std::result::Result<Config, Failure> {
    // SAFETY: the caller's texts.
    let (folder, store) = unsafe { (optional(open.folder, "folder")?, optional(open.store, "store")?) };
    match (folder, store) {
        (None, None) => Err(Failure::null("folder")),
        (Some(_), Some(_)) => Err(Failure::invalid("folder and store are both given: a store is in one place")),
        (Some(""), None) => Err(Failure::invalid("folder is empty")),
        (Some(folder), None) => Ok(Config::new(folder)),
        (None, Some("")) => Err(Failure::invalid("store is empty")),
        (None, Some(url)) => Ok(Config::at(url)),
    }
}

/// Starts the engine: it delivers the queue and serves its listeners.
///
/// [disk] Listeners may be opened before and after it. An engine is started once.
///
/// @param engine  the engine
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE (started before, or stopped), MAILCORE_E_STORE,
/// MAILCORE_E_TLS, MAILCORE_E_DNS
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_engine_start(engine: mailcore_engine, err: *mut mailcore_error) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        seat.run(seat.engine.start())?;
        Ok(0)
    })
}

/// Stops the engine: closes its listeners, lets sessions and deliveries end, then drops the rest.
///
/// [wait] Everything accepted is in the store. The event STOPPED is the last one. Then call
/// mailcore_close().
///
/// @param engine  the engine
/// @param timeout_ms  how long sessions may go on: -1 for ever, 0 not at all
/// @param err  takes what went wrong, or NULL
/// @returns 0, or MAILCORE_E_HANDLE, MAILCORE_E_STATE, MAILCORE_E_STORE
/// @since 0.1.0
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mailcore_engine_stop(
    engine: mailcore_engine,
    timeout_ms: i32,
    err: *mut mailcore_error,
) -> i32 {
    wall!(err, {
        let seat = object::engine(engine)?;
        let timeout = duration(timeout_ms).unwrap_or(FOR_EVER);
        seat.wait(None, seat.engine.stop(timeout))?;
        Ok(0)
    })
}

/// As good as for ever, and still a time that can be added to the clock.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// A time to wait as C gives it: below 0 is for ever.
pub(crate) fn duration(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}
