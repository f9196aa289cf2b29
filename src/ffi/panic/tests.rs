//! Panics of ours, forced: in calls on every kind of handle, in tasks, lanes and jobs.

use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicU32, Ordering};

use smol::io::AsyncReadExt;

use super::*;
use crate::base::Service;
use crate::ffi::account::*;
use crate::ffi::buf::mailcore_buf;
use crate::ffi::clock::mailcore_clock_advance;
use crate::ffi::close::{mailcore_close, mailcore_interrupt};
use crate::ffi::cursor::{mailcore_list, mailcore_next};
use crate::ffi::dns::mailcore_dns_set;
use crate::ffi::engine::*;
use crate::ffi::event::*;
use crate::ffi::mailbox::{mailcore_mailbox_expunge, mailcore_mailbox_open};
use crate::ffi::message::{mailcore_message_new, mailcore_message_write};
use crate::ffi::object;
use crate::ffi::property::*;
use crate::ffi::queue::mailcore_queue_wait;
use crate::ffi::result::MAILCORE_E_PANIC;
use crate::ffi::submit::mailcore_send;

#[test]
fn a_panic_becomes_a_code_and_a_sentence() {
    let mut err = mailcore_error::empty();
    let code = wall!(&raw mut err, { panic!("seven {}", 7) });
    assert_eq!(code, MAILCORE_E_PANIC);
    assert_eq!(err.code, MAILCORE_E_PANIC);
    let message = err.message();
    assert!(message.starts_with("seven 7 (src/ffi/panic/tests.rs:"), "{message}");
    assert_eq!(wall!(&raw mut err, { Ok(1) }), 1);
    assert_eq!((err.code, err.message()), (0, String::new()));
    assert_eq!(wall!(else 5, { panic!("again") }), 5);
}

const ALICE: &CStr = c"alice@example.org";
const LETTER: &[u8] = b"From: alice@example.org\r\nTo: all\r\nSubject: hello\r\n\r\nHello.\r\n";

/// A store's folder, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        Folder(std::env::temp_dir().join(format!("mailcore-panic-{}-{number}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(folder: &Folder) -> u64 {
    let path = CString::new(folder.0.to_str().unwrap()).unwrap();
    let (mut engine, mut err) = (0, mailcore_error::empty());
    let how = mailcore_open {
        struct_size: size_of::<mailcore_open>() as u32,
        flags: 0,
        folder: path.as_ptr(),
        hostname: c"mx.example.org".as_ptr(),
        settings: c"dns.host_only=1\noutbound.port=1".as_ptr(),
        store: std::ptr::null(),
    };
    // SAFETY: whole structs and live texts.
    let code = unsafe { mailcore_engine_open(&how, &mut engine, &mut err) };
    assert_eq!(code, 0, "{}", err.message());
    engine
}

/// An engine that runs, with alice on it, and a host it knows that takes no mail.
fn running(folder: &Folder) -> u64 {
    let engine = open(folder);
    // SAFETY: live texts; NULL where it may be.
    unsafe {
        assert_eq!(mailcore_account_put(engine, ALICE.as_ptr(), c"wonderland".as_ptr(), null_mut()), 0);
        let (name, at) = (c"example.net".as_ptr(), c"127.0.0.1".as_ptr());
        assert_eq!(mailcore_dns_set(engine, name, c"A".as_ptr(), at, 60, null_mut()), 0);
        assert_eq!(mailcore_engine_start(engine, null_mut()), 0);
    }
    engine
}

fn send(engine: u64, to: &CStr) -> (i32, u64) {
    let mut id = 0;
    // SAFETY: live texts and octets.
    let code = unsafe {
        mailcore_send(engine, ALICE.as_ptr(), to.as_ptr(), LETTER.as_ptr().cast(), LETTER.len(), &mut id, null_mut())
    };
    (code, id)
}

/// The text of the event that tells of the failure.
fn fatal(engine: u64) -> String {
    event(engine, MAILCORE_EVENT_FATAL)
}

/// The detail of the next event of a type.
fn event(engine: u64, wanted: u32) -> String {
    let mut event = mailcore_event {
        struct_size: size_of::<mailcore_event>() as u32,
        r#type: 0,
        seq: 0,
        time_ms: 0,
        subject: 0,
        code: 0,
        count: 0,
        detail: mailcore_buf::EMPTY,
    };
    // SAFETY: a whole struct; its buffer is what the library put there.
    unsafe {
        while event.r#type != wanted {
            assert_eq!(mailcore_events_next(engine, 20_000, &mut event, null_mut()), 1);
        }
        let detail = std::slice::from_raw_parts(event.detail.data, event.detail.len).to_vec();
        mailcore_event_clear(&mut event);
        String::from_utf8(detail).unwrap()
    }
}

/// A failed engine refuses what it would have done, says why, and can be closed.
fn is_only_good_to_be_closed(engine: u64) {
    let mut err = mailcore_error::empty();
    // SAFETY: live texts and whole structs; NULL where it may be.
    unsafe {
        assert_eq!(mailcore_account_put(engine, ALICE.as_ptr(), c"other".as_ptr(), &mut err), MAILCORE_E_PANIC);
        assert!(err.message().starts_with("the engine has failed and must be closed ("), "{}", err.message());
        assert_eq!(mailcore_set_str(engine, c"hostname".as_ptr(), c"x.example".as_ptr(), null_mut()), MAILCORE_E_PANIC);
        assert_eq!(mailcore_engine_stop(engine, 0, null_mut()), MAILCORE_E_PANIC);
        let mut name = mailcore_buf::EMPTY;
        assert_eq!(mailcore_get_str(engine, c"hostname".as_ptr(), &mut name, null_mut()), 0);
        assert_eq!(CStr::from_ptr(name.data.cast::<c_char>()), c"mx.example.org");
        name.free();
        let mut fd = -1;
        assert_eq!(mailcore_events_fd(engine, &mut fd, null_mut()), 0);
    }
    assert_eq!(send(engine, ALICE).0, MAILCORE_E_PANIC);
    assert_eq!(mailcore_interrupt(engine), 0);
    assert_eq!(mailcore_close(engine), 0);
}

#[test]
#[allow(clippy::undocumented_unsafe_blocks, reason = "in all of them: live texts; NULL where it may be")]
fn a_panicking_call_fails_its_engine_and_no_other() {
    let sound = Folder::new();
    let other = running(&sound);
    /// Makes what a call needs, then gives the call.
    type Prepare = fn(u64) -> Box<dyn Fn() -> i32>;
    let calls: [Prepare; 7] = [
        |engine| Box::new(move || unsafe { mailcore_account_delete(engine, ALICE.as_ptr(), null_mut()) }),
        |engine| Box::new(move || unsafe { mailcore_clock_advance(engine, 1, null_mut()) }),
        |engine| Box::new(move || unsafe { mailcore_get_i64(engine, c"x".as_ptr(), null_mut(), null_mut()) }),
        |engine| Box::new(move || mailcore_interrupt(engine)),
        |engine| {
            let (mut account, mut mailbox) = (0, 0);
            unsafe { mailcore_account_open(engine, ALICE.as_ptr(), &mut account, null_mut()) };
            unsafe { mailcore_mailbox_open(account, c"INBOX".as_ptr(), 0, &mut mailbox, null_mut()) };
            Box::new(move || unsafe { mailcore_mailbox_expunge(mailbox, std::ptr::null(), 0, null_mut()) })
        },
        |engine| {
            let mut message = 0;
            unsafe { mailcore_message_new(engine, &mut message, null_mut()) };
            Box::new(move || unsafe { mailcore_message_write(message, std::ptr::null(), 0, null_mut()) })
        },
        |engine| {
            let mut cursor = 0;
            unsafe { mailcore_list(engine, 1, std::ptr::null(), &mut cursor, null_mut()) };
            Box::new(move || unsafe { mailcore_next(cursor, null_mut(), null_mut()) })
        },
    ];
    for (number, prepare) in calls.into_iter().enumerate() {
        let folder = Folder::new();
        let engine = running(&folder);
        let call = prepare(engine);
        FORCED.set(true);
        assert_eq!(call(), MAILCORE_E_PANIC, "call {number}");
        let told = fatal(engine);
        assert!(told.contains("call: forced (src/ffi/panic.rs:"), "{told}");
        is_only_good_to_be_closed(engine);
    }
    assert_eq!(send(other, ALICE).0, 0);
    assert_eq!(mailcore_close(other), 0);
}

#[test]
fn a_panicking_session_costs_its_peer_only() {
    let folder = Folder::new();
    let engine = running(&folder);
    let world = object::engine(engine).unwrap().engine.world().clone();
    world.run.task("session", Box::pin(async { panic!("forced") })).detach();
    let told = event(engine, MAILCORE_EVENT_SESSION_BROKEN);
    assert!(told.contains("session: forced (src/ffi/panic/tests.rs:"), "{told}");
    smol::block_on(world.run.compute(Box::new(|| panic!("forced"))));
    let told = event(engine, MAILCORE_EVENT_SESSION_BROKEN);
    assert!(told.contains("compute: forced (src/ffi/panic/tests.rs:"), "{told}");
    drop(world);
    assert_eq!(send(engine, ALICE).0, 0);
    assert_eq!(mailcore_close(engine), 0);
}

#[test]
fn a_panicking_task_fails_the_engine_and_loses_nothing() {
    type Break = fn(&crate::base::World);
    let breaks: [(&str, Break); 2] = [
        ("bad task", |world| world.run.task("bad task", Box::pin(async { panic!("forced") })).detach()),
        ("bad lane", |world| world.run.lane("bad lane", Box::pin(async { panic!("forced") })).detach()),
    ];
    for (place, break_it) in breaks {
        let folder = Folder::new();
        let engine = running(&folder);
        let (filed, queued) = (send(engine, ALICE), send(engine, c"bob@example.net"));
        assert_eq!((filed.0, filed.1, queued.0), (0, 0, 0));
        assert!(queued.1 > 0);
        let seat = object::engine(engine).unwrap();
        let anywhere = "127.0.0.1:0".parse().unwrap();
        let (_, at) = smol::block_on(seat.engine.listen(Service::Mx, anywhere)).unwrap();
        let (told, waited) = smol::channel::bounded(1);
        let waits = async move {
            // SAFETY: NULL where it may be.
            let code = unsafe { mailcore_queue_wait(engine, queued.1, -1, null_mut(), null_mut()) };
            told.try_send(code).unwrap();
        };
        let world = seat.engine.world().clone();
        world.run.lane("waits", Box::pin(waits)).detach();
        break_it(&world);
        drop(seat);
        let told = fatal(engine);
        assert!(told.contains(&format!("{place}: forced (src/ffi/panic/tests.rs:")), "{told}");
        // Who waited is told, and nobody is let in any more: refused, or sent away.
        assert_eq!(waited.recv_blocking().unwrap(), MAILCORE_E_PANIC);
        let greeting = smol::block_on(async {
            let mut said = String::new();
            if let Ok(mut peer) = world.network.connect(at, None).await {
                let _ = peer.read_to_string(&mut said).await;
            }
            said
        });
        assert!(!greeting.starts_with("220") || greeting.contains("\r\n421"), "{greeting}");
        drop(world);
        is_only_good_to_be_closed(engine);

        let engine = open(&folder);
        let seat = object::engine(engine).unwrap();
        let inbox = smol::block_on(seat.engine.account("alice@example.org")).unwrap().inbox;
        smol::block_on(async {
            assert_eq!(seat.engine.snapshot(inbox).await.unwrap().count(), 1);
            let id = crate::base::QueueId(i64::try_from(queued.1).unwrap());
            assert_eq!(seat.engine.queue_item(id).await.unwrap().id, id);
        });
        drop(seat);
        assert_eq!(mailcore_close(engine), 0);
    }
}
