//! The engine's own threads: runners for tasks, one for each lane, a few for computing.
//!
//! Promises: every thread started here, async-io's helper included, has the host's signals blocked; a panic ends the
//! task, lane or job it happened in and nothing else, and is reported; [`Threads::stop`] ends all of them.

use std::any::Any;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use smol::channel::{Receiver, Sender};
use smol::future::FutureExt;

use crate::base::error::{Error, ErrorKind, Result};
use crate::base::limits::COMPUTE_QUEUE_JOBS_MAX;
use crate::base::world::{BoxFuture, Spawner, Task};

use super::executor::Executor;
use super::reactor;
use super::signals::Blocked;

/// Where a panic of a piece of computing is said to have happened; whoever waits for it is told that it ended.
pub const COMPUTE: &str = "compute";

/// Told where a panic happened (name of the task, lane or thread) and what it said.
pub type PanicHandler = Arc<dyn Fn(&'static str, &str) + Send + Sync>;

/// What [`Threads`] are made of.
#[derive(Clone)]
pub struct ThreadOptions {
    /// Threads that run tasks, at least 1.
    pub runners: usize,
    /// Threads that compute, at least 1.
    pub computers: usize,
    /// Told of panics. Called on the thread that panicked, under no lock.
    pub on_panic: PanicHandler,
}

impl ThreadOptions {
    /// Two runners and one computer (two and two from four processors on); panics go to the log.
    pub fn usual() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self {
            runners: processors.clamp(1, 2),
            computers: if processors >= 4 { 2 } else { 1 },
            on_panic: Arc::new(|place, what| log::error!("panic in {place}: {what}")),
        }
    }
}

/// The threads of one engine. Stop them before dropping; dropping alone only tells them to end.
pub struct Threads {
    shared: Arc<Shared>,
    /// Closed: tasks are dropped.
    live: Sender<Infallible>,
}

struct Shared {
    executor: Arc<Executor>,
    live: Receiver<Infallible>,
    jobs: Sender<Job>,
    on_panic: PanicHandler,
    roll: Mutex<Roll>,
    changed: Condvar,
}

/// Who is there.
#[derive(Default)]
struct Roll {
    stopping: bool,
    tasks: usize,
    next: u64,
    threads: BTreeMap<u64, Entry>,
}

struct Entry {
    name: String,
    lane: bool,
    running: bool,
    handle: Option<JoinHandle<()>>,
}

struct Job {
    work: Box<dyn FnOnce() + Send>,
    /// Dropped when done.
    done: Sender<Infallible>,
}

impl Threads {
    /// Starts runners and computers.
    pub fn start(options: ThreadOptions) -> Result<Self> {
        let runners = options.runners.max(1);
        reactor::start();
        let (live, live_ends) = smol::channel::bounded(1);
        let (jobs, jobs_in) = smol::channel::bounded(COMPUTE_QUEUE_JOBS_MAX);
        let shared = Arc::new(Shared {
            executor: Arc::new(Executor::new(runners)),
            live: live_ends,
            jobs,
            on_panic: options.on_panic,
            roll: Mutex::default(),
            changed: Condvar::new(),
        });
        let threads = Self { shared, live };
        for number in 0..runners {
            let shared = threads.shared.clone();
            threads.shared.thread(format!("mailcore-run-{number}"), false, move || shared.run(number))?;
        }
        for number in 0..options.computers.max(1) {
            let (on_panic, jobs) = (threads.shared.on_panic.clone(), jobs_in.clone());
            threads.shared.thread(format!("mailcore-cpu-{number}"), false, move || compute(&on_panic, &jobs))?;
        }
        Ok(threads)
    }

    /// Where work is handed in.
    pub fn spawner(&self) -> Arc<dyn Spawner> {
        Arc::new(Hand(self.shared.clone()))
    }

    /// Drops all tasks, ends and joins all threads. Lanes end by themselves once their channels close; what has not
    /// ended `within` that time is left behind and named in the error. Not to be called from a task or lane.
    pub fn stop(&self, within: Duration) -> Result<()> {
        #[allow(clippy::disallowed_methods, reason = "waits for threads, in real time")]
        let deadline = Instant::now() + within;
        let here = thread::current().id();
        {
            let mut roll = self.shared.roll();
            if roll.threads.values().filter_map(|t| t.handle.as_ref()).any(|handle| handle.thread().id() == here) {
                return Err(Error::new(ErrorKind::State, "threads cannot be stopped by one of their own"));
            }
            roll.stopping = true;
        }
        self.live.close();
        let tasks_left = self.shared.wait(deadline, |roll| roll.tasks);
        let lanes_left =
            self.shared.wait(deadline, |roll| roll.threads.values().filter(|t| t.lane && t.running).count());
        self.shared.executor.end();
        self.shared.jobs.close();
        // The last two need no more than a moment, which they get even where the lanes used up all of it.
        #[allow(clippy::disallowed_methods, reason = "waits for threads, in real time")]
        let deadline = deadline.max(Instant::now() + Duration::from_millis(200));
        self.shared.wait(deadline, |roll| roll.threads.values().filter(|t| !t.lane && t.running).count());
        self.join(tasks_left + lanes_left)
    }

    fn join(&self, left: usize) -> Result<()> {
        let (ended, running): (BTreeMap<u64, Entry>, BTreeMap<u64, Entry>) =
            std::mem::take(&mut self.shared.roll().threads).into_iter().partition(|(_, thread)| !thread.running);
        for handle in ended.into_values().filter_map(|thread| thread.handle) {
            // Panics were caught and reported inside.
            let _ = handle.join();
        }
        self.shared.executor.clear();
        if left == 0 && running.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = running.into_values().map(|thread| thread.name).collect();
        Err(Error::new(ErrorKind::Timeout, format!("still running after the deadline: {}", names.join(", "))))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.roll().stopping = true;
        self.live.close();
        self.shared.executor.end();
        self.shared.executor.clear();
        self.shared.jobs.close();
    }
}

impl Shared {
    fn roll(&self) -> MutexGuard<'_, Roll> {
        self.roll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a thread whose signals are blocked from its first instruction on.
    #[allow(clippy::disallowed_methods, reason = "the real body of World::run")]
    fn thread(self: &Arc<Self>, name: String, lane: bool, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut roll = self.roll();
        roll.next += 1;
        let number = roll.next;
        let shared = self.clone();
        let blocked = Blocked::now();
        let handle = thread::Builder::new().name(name.clone()).spawn(move || {
            let _leave = Leave { shared, number };
            body();
        });
        drop(blocked);
        match handle {
            Ok(handle) => {
                // Under the lock, so that a thread that is through at once finds its entry.
                roll.threads.insert(number, Entry { name, lane, running: true, handle: Some(handle) });
                Ok(())
            }
            Err(e) => Err(e),
        }
    }

    /// Waits until `count` is zero; what it is at the deadline.
    #[allow(clippy::disallowed_methods, reason = "waits for threads, in real time")]
    fn wait(&self, deadline: Instant, count: impl Fn(&Roll) -> usize) -> usize {
        let left = deadline.saturating_duration_since(Instant::now());
        let (roll, _) = self
            .changed
            .wait_timeout_while(self.roll(), left, |roll| count(roll) > 0)
            .unwrap_or_else(PoisonError::into_inner);
        count(&roll)
    }

    fn run(&self, number: usize) {
        // Tasks catch their own panics; one that comes through is from a waker or a schedule function.
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| {
            // Drives the reactor too, so that I/O is not handed over from async-io's own thread.
            smol::block_on(self.executor.clone().run(number));
        })) {
            report(&self.on_panic, "runner", panic);
        }
    }
}

fn compute(on_panic: &PanicHandler, jobs: &Receiver<Job>) {
    while let Ok(job) = jobs.recv_blocking() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(job.work)) {
            report(on_panic, COMPUTE, panic);
        }
        drop(job.done);
    }
}

/// Takes a thread off the roll as it ends, panicking or not.
struct Leave {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut roll = self.shared.roll();
        if roll.stopping {
            // `stop` joins it.
            if let Some(thread) = roll.threads.get_mut(&self.number) {
                thread.running = false;
            }
        } else {
            roll.threads.remove(&self.number);
        }
        drop(roll);
        self.shared.changed.notify_all();
    }
}

/// Counts a task for as long as it lives.
struct Counted(Arc<Shared>);

impl Counted {
    fn enter(shared: &Arc<Shared>) -> Option<Self> {
        let mut roll = shared.roll();
        if roll.stopping {
            return None;
        }
        roll.tasks += 1;
        Some(Self(shared.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut roll = self.0.roll();
        roll.tasks = roll.tasks.saturating_sub(1);
        let last = roll.tasks == 0 && roll.stopping;
        drop(roll);
        if last {
            self.0.changed.notify_all();
        }
    }
}

struct Hand(Arc<Shared>);

impl Spawner for Hand {
    fn task(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        let shared = &self.0;
        let Some(counted) = Counted::enter(shared) else {
            // Nobody runs tasks any more, and one left in the queue would keep the world alive in a circle.
            drop(future);
            let (runnable, nothing) = async_task::spawn(std::future::ready(()), |_| ());
            runnable.run();
            return nothing;
        };
        let live = shared.live.clone();
        let work = Caught { name, on_panic: shared.on_panic.clone(), future: Some(future) };
        shared.executor.spawn(async move {
            let _counted = counted;
            let stopped = async move {
                let _ = live.recv().await;
            };
            work.or(stopped).await;
        })
    }

    fn lane(&self, name: &'static str, future: BoxFuture<'static, ()>) -> Task<()> {
        let (ended, ends) = smol::channel::bounded::<Infallible>(1);
        let work = Caught { name, on_panic: self.0.on_panic.clone(), future: Some(future) };
        let started = self.0.thread(format!("mailcore-{name}"), true, move || {
            let _ended = ended;
            // Parks without driving the reactor: a lane waits for jobs, and should not be woken for sockets.
            smol::future::block_on(work);
        });
        if let Err(e) = started {
            (self.0.on_panic)(name, &format!("no thread for a lane: {e}"));
        }
        self.0.executor.spawn(async move {
            let _ = ends.recv().await;
        })
    }

    fn compute(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let jobs = self.0.jobs.clone();
        Box::pin(async move {
            let (done, is_done) = smol::channel::bounded(1);
            if jobs.send(Job { work: job, done }).await.is_ok() {
                let _ = is_done.recv().await;
            }
        })
    }
}

/// A future whose panics end it, and are reported.
struct Caught {
    name: &'static str,
    on_panic: PanicHandler,
    future: Option<BoxFuture<'static, ()>>,
}

impl Future for Caught {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let caught = self.get_mut();
        let Some(future) = caught.future.as_mut() else { return Poll::Ready(()) };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(())) => {
                caught.end();
                Poll::Ready(())
            }
            Err(panic) => {
                report(&caught.on_panic, caught.name, panic);
                caught.end();
                Poll::Ready(())
            }
        }
    }
}

impl Caught {
    /// Drops the future, whose destructors may panic as well.
    fn end(&mut self) {
        let future = self.future.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(future))) {
            report(&self.on_panic, self.name, panic);
        }
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        self.end();
    }
}

fn report(on_panic: &PanicHandler, place: &'static str, panic: Box<dyn Any + Send>) {
    let what = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text.as_str(),
        _ => "no message",
    };
    let what = super::panics::place().map_or_else(|| what.to_owned(), |place| format!("{what} ({place})"));
    // A handler that panics must not take the thread with it.
    let _ = catch_unwind(AssertUnwindSafe(|| on_panic(place, &what)));
}

#[cfg(test)]
mod tests;
