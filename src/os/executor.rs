//! Which runner runs which task.
//!
//! smol's own executor wakes any sleeping thread for a task that became ready. Beside async-io that is dear: the
//! thread that waits for sockets learns of an event, has another one woken for it, and since nothing came for itself
//! hands the waiting on to async-io's helper. Each event costs two or three switches of threads. Here a runner that
//! learns of an event runs what it made ready by itself, and wakes another one only where more is waiting.
//!
//! Promises: a ready task is run by some runner; none waits behind another while a runner sleeps, but for the one a
//! runner is about to take itself. Tasks run in the order in which they became ready.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_task::{Runnable, Task};

/// Tasks that a runner runs before it looks at sockets and timers again.
const TASKS_PER_TURN: usize = 32;

thread_local! {
    /// Whose runner this thread is (the executor's address) and which of them.
    static HERE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Tasks, and the runners that run them.
pub(super) struct Executor {
    state: Mutex<State>,
}

struct State {
    ready: VecDeque<Runnable>,
    runners: Vec<Runner>,
    /// Runners end where they find nothing to do.
    ending: bool,
}

/// What a runner is at.
enum Runner {
    /// Not begun yet, or it runs tasks and looks for more by itself.
    Busy,
    /// It found nothing to do.
    Idle(Waker),
    /// It was woken and is on its way.
    Woken,
}

impl Executor {
    /// An executor for so many runners; each calls [`run`](Self::run) with a number of its own, from 0 on.
    pub fn new(runners: usize) -> Self {
        let runners = (0..runners).map(|_| Runner::Busy).collect();
        Self { state: Mutex::new(State { ready: VecDeque::new(), runners, ending: false }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `future` run by a runner.
    pub fn spawn<T: Send + 'static>(self: &Arc<Self>, future: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let executor = self.clone();
        let (runnable, task) = async_task::spawn(future, move |runnable| executor.schedule(runnable));
        runnable.schedule();
        task
    }

    /// Runs tasks until [`end`](Self::end), and then what is ready.
    pub async fn run(self: Arc<Self>, number: usize) {
        poll_fn(|cx| {
            HERE.set((self.address(), number));
            for _ in 0..TASKS_PER_TURN {
                match self.take(number, cx.waker()) {
                    Next::Run(runnable) => runnable.run(),
                    Next::Wait => return Poll::Pending,
                    Next::End => return Poll::Ready(()),
                };
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    /// Drops what is ready, for when the runners have ended. It cannot be dropped as it becomes ready: a waker may be
    /// called under a lock that the task's end wants.
    pub fn clear(&self) {
        let next = || self.state().ready.pop_front();
        while let Some(runnable) = next() {
            drop(runnable);
        }
    }

    /// Ends the runners, once nothing is ready.
    pub fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        let woken: Vec<Waker> = (0..state.runners.len()).filter_map(|number| state.wake(number)).collect();
        drop(state);
        woken.into_iter().for_each(Waker::wake);
    }

    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn schedule(&self, runnable: Runnable) {
        let (home, number) = HERE.get();
        let mut state = self.state();
        state.ready.push_back(runnable);
        let woken = match state.runners.get(number) {
            _ if home != self.address() => state.wake_one(),
            // Waits for sockets, and this is what it waited for.
            Some(Runner::Idle(_)) => state.wake(number),
            // Comes by itself.
            Some(Runner::Woken) => None,
            // In the middle of a task, which may take its time.
            Some(Runner::Busy) | None => state.wake_one(),
        };
        drop(state);
        if let Some(waker) = woken {
            waker.wake();
        }
    }

    /// What a runner does next. Where that is to wait, it is idle from now on.
    fn take(&self, number: usize, waker: &Waker) -> Next {
        let mut state = self.state();
        let next = match state.ready.pop_front() {
            Some(runnable) => Next::Run(runnable),
            None if state.ending => Next::End,
            None => Next::Wait,
        };
        let place = if matches!(next, Next::Wait) { Runner::Idle(waker.clone()) } else { Runner::Busy };
        if let Some(runner) = state.runners.get_mut(number) {
            *runner = place;
        }
        let more = if state.ready.is_empty() { None } else { state.wake_one() };
        drop(state);
        if let Some(waker) = more {
            waker.wake();
        }
        next
    }
}

/// What a runner does next.
enum Next {
    Run(Runnable),
    Wait,
    End,
}

impl State {
    /// The waker of a runner that is idle, and of no other.
    fn wake(&mut self, number: usize) -> Option<Waker> {
        let place = self.runners.get_mut(number).filter(|place| matches!(place, Runner::Idle(_)))?;
        match std::mem::replace(place, Runner::Woken) {
            Runner::Idle(waker) => Some(waker),
            Runner::Busy | Runner::Woken => None,
        }
    }

    /// One that is idle, unless one is on its way: it wakes the next where it finds more than it takes.
    fn wake_one(&mut self) -> Option<Waker> {
        if self.runners.iter().any(|place| matches!(place, Runner::Woken)) {
            return None;
        }
        let number = self.runners.iter().position(|place| matches!(place, Runner::Idle(_)))?;
        self.wake(number)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::task::Context;
    use std::thread::{self, JoinHandle};

    use super::*;

    #[allow(clippy::disallowed_methods, reason = "threads of the test's own")]
    fn start(runners: usize) -> (Arc<Executor>, Vec<JoinHandle<()>>) {
        let executor = Arc::new(Executor::new(runners));
        let threads = (0..runners).map(|number| {
            let executor = executor.clone();
            thread::spawn(move || smol::block_on(executor.run(number)))
        });
        let threads = threads.collect();
        (executor, threads)
    }

    fn end(executor: &Executor, threads: Vec<JoinHandle<()>>) {
        executor.end();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn tasks_run_in_the_order_in_which_they_became_ready() {
        let (executor, (told, tells)) = (Arc::new(Executor::new(1)), mpsc::channel());
        // More than a turn, all ready before the runner begins, which ends only when all were run.
        let numbers = 0..3 * TASKS_PER_TURN;
        for number in numbers.clone() {
            let told = told.clone();
            executor.spawn(async move { told.send(number).unwrap() }).detach();
        }
        executor.end();
        smol::block_on(executor.run(0));
        drop(told);
        assert!(tells.iter().eq(numbers));
    }

    #[test]
    fn a_task_that_takes_long_holds_up_no_other() {
        let (executor, threads) = start(2);
        let (release, released) = mpsc::channel();
        let long = executor.spawn(async move { released.recv().unwrap() });
        // From a thread that is no runner.
        smol::block_on(executor.spawn(async {}));
        // From a runner, in the middle of a task that does not end before the other has run.
        let spawner = executor.clone();
        release.send(()).unwrap();
        smol::block_on(long);
        smol::block_on(executor.spawn(async move {
            let (told, tells) = mpsc::channel();
            spawner.spawn(async move { told.send(()).unwrap() }).detach();
            tells.recv().unwrap();
        }));
        end(&executor, threads);
    }

    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_runner_takes_what_it_made_ready_by_itself() {
        let executor = Arc::new(Executor::new(2));
        let woken: [_; 2] = std::array::from_fn(|_| Arc::new(Woken(AtomicUsize::new(0))));
        let mut runners = [0, 1].map(|number| Box::pin(executor.clone().run(number)));
        // This thread is the runner it polled last, as a runner's own thread is while it waits for sockets.
        let mut turn = |number: usize| {
            let waker = Waker::from(woken[number].clone());
            assert!(runners[number].as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        };
        let counts = || woken.each_ref().map(|woken| woken.0.load(Ordering::SeqCst));
        let (tell, told) = smol::channel::unbounded::<()>();
        let task = executor.spawn(async move { while told.recv().await.is_ok() {} });
        (0..2).for_each(&mut turn);
        for (number, wanted) in [(0, [1, 0]), (1, [1, 1]), (1, [1, 2])] {
            turn(number);
            // Both are idle: the one that is here is woken, and only once.
            tell.try_send(()).unwrap();
            tell.try_send(()).unwrap();
            assert_eq!(counts(), wanted);
            turn(number);
        }
        drop((tell, task));
    }

    #[test]
    fn what_becomes_ready_too_late_is_dropped_and_not_by_its_waker() {
        let (executor, threads) = start(2);
        let (held, holds) = smol::channel::bounded::<()>(1);
        let (told, tells) = mpsc::channel::<()>();
        let waits = executor.spawn(async move {
            let _told = told;
            let _ = holds.recv().await;
        });
        waits.detach();
        end(&executor, threads);
        // Wakes it under a lock of the channel's, with no runner left.
        drop(held);
        assert_eq!(tells.try_recv(), Err(mpsc::TryRecvError::Empty));
        executor.clear();
        assert_eq!(tells.try_recv(), Err(mpsc::TryRecvError::Disconnected));
        assert_eq!(Arc::strong_count(&executor), 1);
    }
}
