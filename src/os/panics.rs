//! Where a panic began: the panic hook knows, whoever catches the panic wants to say it.

use std::cell::RefCell;
use std::panic::PanicHookInfo;

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For panic hooks: keeps file and line for the thread that panics.
pub fn remember(info: &PanicHookInfo<'_>) {
    PLACE.set(info.location().map(|at| format!("{}:{}", at.file(), at.line())));
}

/// File and line of the panic that this thread has just caught, where a hook remembered it.
pub fn place() -> Option<String> {
    PLACE.take()
}
