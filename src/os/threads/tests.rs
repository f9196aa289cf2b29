//! Tests of the engine's threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

type Panics = Arc<Mutex<Vec<(&'static str, String)>>>;

fn threads() -> (Threads, Panics) {
    let panics = Panics::default();
    let told = panics.clone();
    let on_panic: PanicHandler = Arc::new(move |place, what| told.lock().unwrap().push((place, what.to_owned())));
    (Threads::start(ThreadOptions { runners: 2, computers: 1, on_panic }).unwrap(), panics)
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn tasks_lanes_and_jobs_run_and_end() {
    let (threads, panics) = threads();
    let run = threads.spawner();
    let count = Arc::new(AtomicUsize::new(0));
    let add = |n: usize| {
        let count = count.clone();
        move || {
            count.fetch_add(n, Ordering::SeqCst);
        }
    };
    let (one, ten, hundred) = (add(1), add(10), add(100));
    smol::block_on(async {
        run.task("task", Box::pin(async move { one() })).await;
        run.lane("lane", Box::pin(async move { ten() })).await;
        run.compute(Box::new(hundred)).await;
    });
    assert_eq!(count.load(Ordering::SeqCst), 111);
    threads.stop(LONG).unwrap();
    assert!(panics.lock().unwrap().is_empty());
}

#[test]
fn a_panic_ends_its_task_and_nothing_else() {
    let (threads, panics) = threads();
    let run = threads.spawner();
    smol::block_on(async {
        for _ in 0..4 {
            run.task("bad task", Box::pin(async { panic!("one") })).await;
        }
        run.lane("bad lane", Box::pin(async { panic!("two {}", 2) })).await;
        run.compute(Box::new(|| panic!("three"))).await;
        run.task("good", Box::pin(async {})).await;
        run.compute(Box::new(|| {})).await;
    });
    threads.stop(LONG).unwrap();
    // Behind the text stands the place, where this process has a hook that remembers it.
    let panics = panics.lock().unwrap();
    let count =
        |place: &str, text: &str| panics.iter().filter(|(p, what)| *p == place && what.starts_with(text)).count();
    assert_eq!((count("bad task", "one"), count("bad lane", "two 2"), count("compute", "three")), (4, 1, 1));
    assert_eq!(panics.len(), 6);
}

#[test]
fn stop_drops_tasks_that_wait_for_ever() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let (threads, _) = threads();
    let run = threads.spawner();
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(dropped.clone());
    // It holds the spawner: a circle that only `stop` can open.
    let world = run.clone();
    run.task(
        "waits",
        Box::pin(async move {
            let _held = (flag, world);
            std::future::pending::<()>().await;
        }),
    )
    .detach();
    threads.stop(LONG).unwrap();
    assert!(dropped.load(Ordering::SeqCst));
    let shared = Arc::downgrade(&threads.shared);
    // Work handed in late is dropped, and does not hang whoever waits for it.
    smol::block_on(run.task("late", Box::pin(std::future::pending())));
    smol::block_on(run.compute(Box::new(|| unreachable!())));
    drop((run, threads));
    assert_eq!(shared.strong_count(), 0);
}

#[test]
fn a_lane_that_does_not_end_is_named() {
    let (threads, _) = threads();
    let run = threads.spawner();
    let (end, ends) = smol::channel::bounded::<()>(1);
    let lane = run.lane(
        "stuck",
        Box::pin(async move {
            let _ = ends.recv().await;
        }),
    );
    let error = threads.stop(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.text().contains("mailcore-stuck"), "{error}");
    drop((end, lane));
}

#[test]
fn threads_do_not_stop_themselves() {
    let (threads, _) = threads();
    let threads = Arc::new(threads);
    let (own, (told, tells)) = (threads.clone(), smol::channel::bounded(1));
    let task = threads.spawner().task(
        "suicidal",
        Box::pin(async move {
            let _ = told.send(own.stop(LONG).map_err(|e| e.kind())).await;
        }),
    );
    assert_eq!(smol::block_on(tells.recv()).unwrap(), Err(ErrorKind::State));
    smol::block_on(task);
    threads.stop(LONG).unwrap();
}

/// Name and `SigBlk` mask in a thread's status file.
#[cfg(target_os = "linux")]
fn mask(status: &str) -> (String, u64) {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0").trim().to_owned();
    (field("Name:"), u64::from_str_radix(&field("SigBlk:"), 16).unwrap())
}

#[cfg(target_os = "linux")]
fn masks() -> Vec<(String, u64)> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread of another test may be gone by now.
    tasks.filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("status")).ok()).map(|s| mask(&s)).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn signals_are_blocked_and_stop_leaves_no_thread() {
    let (threads, _) = threads();
    let run = threads.spawner();
    let (end, ends) = smol::channel::bounded::<()>(1);
    let (told, tells) = smol::channel::bounded::<()>(1);
    let lane = run.lane(
        "sigtest",
        Box::pin(async move {
            let _ = told.send(()).await;
            let _ = ends.recv().await;
        }),
    );
    // A thread names itself as it begins: all must have begun.
    smol::block_on(async {
        tells.recv().await.unwrap();
        run.task("one", Box::pin(async {})).await;
        run.compute(Box::new(|| {})).await;
    });
    let seen: Vec<_> = masks().into_iter().filter(|(name, _)| name.starts_with("mailcore-")).collect();
    for name in ["mailcore-run-", "mailcore-cpu-0", "mailcore-sigtes"] {
        assert!(seen.iter().any(|(seen, _)| seen.starts_with(name)), "{name} in {seen:?}");
    }
    // HUP INT QUIT USR1 USR2 PIPE ALRM TERM CHLD WINCH
    let asynchronous: u64 = [1, 2, 3, 10, 12, 13, 14, 15, 17, 28].iter().map(|signal| 1 << (signal - 1)).sum();
    for (name, mask) in seen {
        // The test binary's own main thread is called mailcore-<hash> as well.
        if ["run", "cpu", "sig"].iter().any(|part| name.contains(part)) {
            assert_eq!(mask & asynchronous, asynchronous, "{name}");
        }
    }
    let (own, open) = mask(&std::fs::read_to_string("/proc/thread-self/status").unwrap());
    assert_eq!(open & asynchronous, 0, "{own}");
    drop(end);
    smol::block_on(lane);
    threads.stop(LONG).unwrap();
    assert!(!masks().iter().any(|(name, _)| name == "mailcore-sigtes"));
}
