//! What the store does in a second, on this machine's disk: `cargo bench --bench store [FOLDER [many]]`; with `many`,
//! only what others feel of COPY, MOVE, STORE and EXPUNGE of 100 000 messages.
//!
//! Figures to compare by hand, never a test: durable puts of 4 KiB by 1, 10 and 64 producers, STORE of 100 000
//! messages, opening such a mailbox cold, one STORE or APPEND at a time, and what others feel of a mailbox of 400 000.

#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "measures in real time and prints")]

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailcore::base::event::Silence;
use mailcore::base::world::*;
use mailcore::base::{Address, Content, Flags, MailboxId, Result, Timestamp, UidSet};
use mailcore::imap::view::update;
use mailcore::os::{RealClock, RealDisk, RealEntropy, ThreadOptions, Threads};
use mailcore::store::{
    Acceptance, Arrival, BlobMeta, Expunge, Filing, FlagChange, FlagHow, Snapshot, Store, StoreOptions,
};

struct Nothing;

impl Network for Nothing {
    fn connect(&self, _: SocketAddr, _: Option<IpAddr>) -> BoxFuture<'static, io::Result<BoxStream>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn listen(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Listener>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
}

impl Resolver for Nothing {
    fn ask(&self, _: &str, _: RecordKind) -> BoxFuture<'static, DnsAnswer> {
        Box::pin(async { DnsAnswer { records: Err(NoRecords::ServFail), ttl: Duration::ZERO, secure: false } })
    }
}

impl Tls for Nothing {
    fn can_accept(&self) -> bool {
        false
    }
    fn accept(&self, _: BoxStream) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn connect(&self, _: BoxStream, _: TlsPeer) -> BoxFuture<'static, io::Result<(BoxStream, TlsInfo)>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn set_identity(&self, _: Option<&str>, _: &[u8], _: &[u8]) -> Result<()> {
        Ok(())
    }
    fn trust(&self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

fn main() {
    let mut words = std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let (folder, part) = (words.next(), words.next());
    let folder =
        folder.map_or_else(std::env::temp_dir, PathBuf::from).join(format!("store-bench-{}", std::process::id()));
    let threads = Threads::start(ThreadOptions::usual()).expect("threads");
    let nothing = Arc::new(Nothing);
    let world = World {
        clock: Arc::new(RealClock::new()),
        entropy: Arc::new(RealEntropy),
        network: nothing.clone(),
        resolver: nothing.clone(),
        disk: Arc::new(RealDisk),
        tls: nothing,
        run: threads.spawner(),
    };
    smol::block_on(async {
        match part.as_deref() {
            Some("many") => many(&world, folder.clone()).await,
            _ => measure(&world, folder.clone()).await,
        }
    });
    threads.stop(Duration::from_secs(5)).expect("threads end");
    std::fs::remove_dir_all(folder).expect("clean up");
}

async fn measure(world: &World, folder: PathBuf) {
    let options = StoreOptions { folder, events: Arc::new(Silence), readers: 2 };
    let store = Store::open(world, options.clone()).await.expect("open");
    let mut boxes = Vec::new();
    for n in 0..64 {
        let address = Address::parse(&format!("u{n}@example.net")).expect("address");
        let account = store.account_put(&address, None).await.expect("account");
        boxes.push(store.account_by_id(account).await.expect("read").expect("account").inbox);
    }
    for producers in [1, 10, 64] {
        puts(world, &store, &boxes, producers, false).await;
    }
    puts(world, &store, &boxes, 64, true).await;
    let large = boxes[0];
    fill(&store, large, 100_000).await;
    println!("\n100 000 messages in one mailbox:");
    store.close().await.expect("close");
    let store = Store::open(world, options.clone()).await.expect("open");
    timed("snapshot, cold", 1, || store.snapshot(large)).await;
    let all = UidSet::all();
    timed("facts of all, cold", 1, || store.facts(large, &all)).await;
    timed("facts of all, again", 5, || store.facts(large, &all)).await;
    let mut set = false;
    timed("STORE 1:*, +FLAGS and -FLAGS in turn", 20, || {
        set = !set;
        let how = if set { FlagHow::Add } else { FlagHow::Remove };
        store.change_flags(large, UidSet::all(), change(how), None)
    })
    .await;
    let held = store.snapshot(large).await.expect("snapshot");
    timed("STORE 1:* +FLAGS, a snapshot held", 1, || {
        store.change_flags(large, UidSet::all(), change(FlagHow::Add), None)
    })
    .await;
    let mut uid = 0;
    timed("STORE of one", 500, || {
        uid += 97;
        store.change_flags(large, held.uid(uid).into_iter().collect(), change(FlagHow::Remove), None)
    })
    .await;
    timed("APPEND of one, 4 KiB", 500, || store.accept(mail(large))).await;
    timed("COPY of 10 000", 1, || store.copy(large, first(&held), boxes[1])).await;
    timed("MOVE of 10 000", 1, || store.move_messages(large, first(&held), boxes[2])).await;
    timed("EXPUNGE of 10 000", 1, || store.expunge(boxes[2], Expunge::Among(UidSet::all()))).await;
    store.close().await.expect("close");
    let store = Store::open(world, options.clone()).await.expect("open");
    let account = store.account("u3@example.net").await.expect("read").expect("account").id;
    let huge = store.mailbox_create(account, "Huge", None).await.expect("mailbox").id;
    sizes(&store, huge, boxes[4]).await;
    store.close().await.expect("close");
    let store = Store::open(world, options).await.expect("open");
    beside(world, &store, huge, boxes[5]).await;
    aliases(&store).await;
    store.close().await.expect("close");
}

/// COPY, MOVE, STORE and EXPUNGE of 100 000 messages, while another appends one message at a time elsewhere, or into
/// the destination.
async fn many(world: &World, folder: PathBuf) {
    let options = StoreOptions { folder, events: Arc::new(Silence), readers: 2 };
    let store = Store::open(world, options).await.expect("open");
    let account = store.account_put(&Address::parse("u@example.net").expect("address"), None).await.expect("account");
    let mut boxes = Vec::new();
    for name in ["Source", "Copy", "Busy copy", "Moved", "Elsewhere"] {
        boxes.push(store.mailbox_create(account, name, None).await.expect("mailbox").id);
    }
    let [source, copy, busy_copy, moved, elsewhere] = boxes[..] else { unreachable!() };
    fill(&store, source, 100_000).await;
    // Somebody has them open.
    let _holds = [store.hold(source), store.hold(moved)];
    println!("100 000 messages, and commits of another beside:");
    let quiet = async {
        smol::Timer::after(Duration::from_secs(3)).await;
        Ok(())
    };
    busily(world, &store, elsewhere, "nothing", quiet).await;
    busily(world, &store, elsewhere, "COPY", store.copy(source, UidSet::all(), copy)).await;
    busily(world, &store, busy_copy, "COPY, appends there", store.copy(source, UidSet::all(), busy_copy)).await;
    let flag = store.change_flags(copy, UidSet::all(), change(FlagHow::Add), None);
    busily(world, &store, elsewhere, "STORE", flag).await;
    busily(world, &store, elsewhere, "MOVE", store.move_messages(source, UidSet::all(), moved)).await;
    busily(world, &store, elsewhere, "EXPUNGE", store.expunge(moved, Expunge::Among(UidSet::all()))).await;
    busily(world, &store, elsewhere, "background", async {
        smol::Timer::after(Duration::from_secs(3)).await;
        Ok(())
    })
    .await;
    store.close().await.expect("close");
}

/// Does something while another appends to `busy`, one message at a time: how long it takes, and how long the longest
/// of the other's commits.
async fn busily<T>(world: &World, store: &Store, busy: MailboxId, what: &str, work: impl Future<Output = Result<T>>) {
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let (tell, told) = smol::channel::bounded(1);
    let other = store.clone();
    let appends = async move {
        let mut waits = Vec::new();
        while !stopped.is_closed() {
            let at = Instant::now();
            other.accept(mail(busy)).await.expect("put");
            waits.push(at.elapsed());
        }
        waits.sort_unstable();
        tell.send(waits).await.expect("listener");
    };
    let task = world.run.task("busy", Box::pin(appends));
    let at = Instant::now();
    std::hint::black_box(work.await.expect(what));
    let took = at.elapsed();
    drop(stop);
    task.await;
    let waits = told.recv().await.expect("waits");
    let wait = |share: usize| waits.get((waits.len().saturating_sub(1)) * share / 100).copied().unwrap_or_default();
    println!(
        "{what:20} {took:8.1?}; {:5} commits of the other, median {:.1?}, 99% {:.1?}, longest {:.1?}",
        waits.len(),
        wait(50),
        wait(99),
        wait(100)
    );
}

/// A mail into a mailbox of 400 000 and into one of 10, somebody having each open.
async fn sizes(store: &Store, huge: MailboxId, small: MailboxId) {
    fill(store, huge, 400_000).await;
    fill(store, small, 500).await;
    store.expunge(small, Expunge::Among(UidSet::from_ranges(vec![(1, 490)]))).await.expect("expunge");
    println!("\na mailbox of 400 000 and one of 10, both open:");
    for (name, mailbox) in [("APPEND, 400 000", huge), ("APPEND, 10", small), ("APPEND, 400 000", huge)] {
        let mut held = store.snapshot(mailbox).await.expect("snapshot");
        timed(name, 500, || async {
            let accepted = store.accept(mail(mailbox)).await?;
            let now = store.snapshot(mailbox).await?;
            Ok((accepted, now.count()))
        })
        .await;
        let now = store.snapshot(mailbox).await.expect("snapshot");
        update(&mut held, now, true);
    }
}

/// A mailbox of 400 000 is opened cold, and deleted, while others commit: how long the longest of their commits takes.
async fn beside(world: &World, store: &Store, huge: MailboxId, busy: MailboxId) {
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    let (other, mut longest) = (store.clone(), Duration::ZERO);
    let (tell, told) = smol::channel::bounded(1);
    let work = async move {
        while !stopped.is_closed() {
            let at = Instant::now();
            other.accept(mail(busy)).await.expect("put");
            longest = longest.max(at.elapsed());
        }
        tell.send(longest).await.expect("listener");
    };
    let task = world.run.task("busy", Box::pin(work));
    let at = Instant::now();
    store.snapshot(huge).await.expect("snapshot");
    let opened = at.elapsed();
    let account = store.account("u3@example.net").await.expect("read").expect("account").id;
    let at = Instant::now();
    store.mailbox_delete(account, "Huge").await.expect("delete");
    let deleted = at.elapsed();
    drop(stop);
    task.await;
    let longest = told.recv().await.expect("longest");
    println!("cold SELECT of 400 000: {opened:.1?}; DELETE: {deleted:.1?}; longest commit of others: {longest:.1?}");
}

/// A change of the directory, with few aliases and with many.
async fn aliases(store: &Store) {
    let target = Address::parse("u1@example.net").expect("address");
    let mut n = 0;
    for many in [10, 15_000] {
        while n < many {
            n += 1;
            store.alias_put(&format!("a{n}@example.net"), &target).await.expect("alias");
        }
        let mut new = 0;
        timed(&format!("a new alias beside {many}"), 200, || {
            new += 1;
            let (store, pattern, target) = (store.clone(), format!("b{many}-{new}@example.net"), target.clone());
            async move { store.alias_put(&pattern, &target).await }
        })
        .await;
    }
}

fn first(held: &Snapshot) -> UidSet {
    held.messages.uids().take(10_000).collect()
}

fn change(how: FlagHow) -> FlagChange {
    FlagChange { how, flags: Flags::FLAGGED, keywords: Vec::new() }
}

fn mail(mailbox: MailboxId) -> Acceptance {
    sized(mailbox, 4096)
}

fn sized(mailbox: MailboxId, octets: usize) -> Acceptance {
    let filing = Filing { mailbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: Timestamp(1) };
    let content = Content::from_octets(vec![b'x'; octets]);
    let meta = BlobMeta { envelope: vec![b'e'; 200], structure: vec![b's'; 80], ..BlobMeta::default() };
    Acceptance {
        arrivals: vec![Arrival { content, meta, filings: vec![filing], origin: Default::default() }],
        ..Acceptance::default()
    }
}

async fn fill(store: &Store, mailbox: MailboxId, count: usize) {
    for _ in 0..count / 500 {
        let arrivals = (0..500).flat_map(|_| sized(mailbox, 100).arrivals).collect();
        store.accept(Acceptance { arrivals, ..Acceptance::default() }).await.expect("fill");
    }
}

/// Durable puts of 4 KiB for two seconds, into one mailbox or into one for each producer.
async fn puts(world: &World, store: &Store, boxes: &[MailboxId], producers: usize, spread: bool) {
    let begun = Instant::now();
    let until = begun + Duration::from_secs(2);
    let (told, tell) = smol::channel::unbounded();
    let mut tasks = Vec::new();
    for n in 0..producers {
        let (store, told, mailbox) = (store.clone(), told.clone(), boxes[if spread { n } else { 1 }]);
        let work = async move {
            while Instant::now() < until {
                let at = Instant::now();
                store.accept(mail(mailbox)).await.expect("put");
                told.send(at.elapsed()).await.expect("listener");
            }
        };
        tasks.push(world.run.task("producer", Box::pin(work)));
    }
    for task in tasks {
        task.await;
    }
    let took = begun.elapsed();
    let mut waits: Vec<Duration> = std::iter::from_fn(|| tell.try_recv().ok()).collect();
    waits.sort_unstable();
    let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "{producers:3} producers, {}: {:6.0} puts/s, ack p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms",
        if spread { "a mailbox each" } else { "one mailbox" },
        waits.len() as f64 / took.as_secs_f64(),
        at(50),
        at(99),
        at(100)
    );
}

/// Median and best of so many runs.
async fn timed<T, F: Future<Output = Result<T>>>(what: &str, runs: usize, mut once: impl FnMut() -> F) {
    let mut times = Vec::new();
    for _ in 0..runs {
        let at = Instant::now();
        std::hint::black_box(once().await.expect(what));
        times.push(at.elapsed());
    }
    times.sort_unstable();
    let at = |place: usize| times[place].as_secs_f64() * 1e3;
    println!("{what:36} median {:8.3} ms, best {:8.3} ms", at(times.len() / 2), at(0));
}
