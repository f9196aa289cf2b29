//! Work that takes long, done on a computing thread while the task that wants it waits.

use std::future::ready;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::world::{BoxFuture, Spawner};
use crate::base::{Error, ErrorKind, Result};

/// Does `job` on a computing thread, or at once where it is `inline`: too small to be worth the way there. `Bug` where
/// the thread did not come to its end.
pub fn aside<T: Send + 'static>(
    run: &dyn Spawner,
    inline: bool,
    job: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, Result<T>> {
    if inline {
        return Box::pin(ready(Ok(job())));
    }
    let done = Arc::new(Mutex::new(None));
    let place = done.clone();
    let job = move || {
        let result = job();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    };
    let computed = run.compute(Box::new(job));
    Box::pin(async move {
        computed.await;
        let result = done.lock().unwrap_or_else(PoisonError::into_inner).take();
        result.ok_or_else(|| Error::new(ErrorKind::Bug, "a piece of computing did not end"))
    })
}
