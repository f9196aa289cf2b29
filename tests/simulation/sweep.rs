//! Campaigns against the store: a recorded run is cut at every write and sync; a live run dies at a call, or
//! meets a fault and goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::event::Silence;
use mailcore::base::{Address, MailboxId, Result};
use mailcore::store::{Store, StoreOptions};
use smol::future::FutureExt;

use crate::check::{Reached, unsound, violation};
use crate::client::{Act, Client, Step};
use crate::disk::{Fault, SimDisk, Trouble, When, lock};
use crate::image::{Image, Loss, Op};
use crate::promise::{Who, difference};
use crate::rng::Rng;
use crate::world::{Host, Sim};

/// Where the store under test lies.
pub const FOLDER: &str = "/store";

/// How it is opened.
pub fn options() -> StoreOptions {
    StoreOptions { folder: PathBuf::from(FOLDER), events: Arc::new(Silence), readers: 1 }
}

/// How much happens in a run.
#[derive(Clone, Copy)]
struct Load {
    seed: u64,
    clients: u64,
    steps: usize,
}

/// What the clients of a run did, step by step.
type Diaries = Vec<(Who, Arc<Mutex<Vec<Step>>>)>;

/// A domain, and a mailbox that all clients file into.
pub async fn shared_mailbox(store: &Store) -> Result<MailboxId> {
    let address = Address::parse("all@example.org").expect("an address");
    store.domain_put("example.org").await?;
    let account = store.account_put(&address, None).await?;
    Ok(store.mailbox(account, "INBOX").await?.expect("every account has it").id)
}

/// Signs clients up, one after the other.
async fn sign_up(store: &Store, disk: &SimDisk, load: Load) -> Result<Vec<(Client, Arc<Mutex<Vec<Step>>>)>> {
    let shared = shared_mailbox(store).await?;
    let mut clients = Vec::new();
    for number in 0..load.clients {
        let began = disk.recorded();
        let client = Client::sign_up(store, load.seed, number, shared).await?;
        let step = Step { act: None, began, answered: disk.recorded(), state: client.state.clone() };
        clients.push((client, Arc::new(Mutex::new(vec![step]))));
    }
    Ok(clients)
}

/// One client's part of a run without faults.
async fn work(mut client: Client, diary: Arc<Mutex<Vec<Step>>>, host: Host, store: Store, load: Load) {
    let (world, disk) = (host.world(), &host.disk);
    for step in 0..load.steps {
        let pause = client.pause(step);
        world.clock.sleep_until(world.clock.now() + pause).await;
        host.set_wall(client.clock_change());
        let act = client.next_act();
        let began = disk.recorded();
        // After the power has gone, the run is over; before, nothing may fail.
        if let Err(e) = client.act(act, &world, &store).await {
            assert!(disk.is_dead(), "{act:?} failed without a fault: {e}");
            return;
        }
        let step = Step { act: Some(act), began, answered: disk.recorded(), state: client.state.clone() };
        lock(&diary).push(step);
    }
}

struct Recorded {
    ops: Vec<Op>,
    clients: Vec<(Who, Vec<Step>)>,
    /// Calls of the disk when the clients began, and when they were done.
    calls: (u64, u64),
}

/// A run from an empty disk to a clean close.
fn record(load: Load, prepare: impl Fn(&SimDisk)) -> Recorded {
    let sim = Sim::new(load.seed);
    let host = sim.host("store", [10, 0, 0, 1]);
    host.disk.record();
    prepare(&host.disk);
    let disk = host.disk.clone();
    let (diaries, from) = sim.executor.run(async move {
        let world = host.world();
        let store = Store::open(&world, options()).await.expect("opens");
        let signed = sign_up(&store, &host.disk, load).await.expect("signs up");
        let from = host.disk.calls();
        let diaries: Diaries = run_clients(&host, &store, signed, load).await;
        store.close().await.expect("closes");
        (diaries, from)
    });
    sim.executor.shut();
    let clients = diaries.into_iter().map(|(who, diary)| (who, std::mem::take(&mut *lock(&diary)))).collect();
    Recorded { calls: (from, disk.calls()), ops: disk.take_record(), clients }
}

async fn run_clients(host: &Host, store: &Store, signed: Vec<(Client, Arc<Mutex<Vec<Step>>>)>, load: Load) -> Diaries {
    let mut diaries: Diaries = Vec::new();
    let mut tasks = Vec::new();
    for (client, diary) in signed {
        diaries.push((client.who.clone(), diary.clone()));
        let part = work(client, diary, host.clone(), store.clone(), load);
        tasks.push(host.world().run.task("client", Box::pin(part)));
    }
    for task in tasks {
        task.await;
    }
    diaries
}

fn reached_at(steps: &[Step], cut: usize) -> Reached {
    let answered = steps.iter().rposition(|step| step.answered <= cut);
    let next = answered.map_or(0, |i| i + 1);
    Reached { answered, began_next: steps.get(next).is_some_and(|step| step.began <= cut) }
}

/// Opens what a cut left, and looks.
fn look(load: Load, image: Image, clients: &Arc<Vec<(Who, Vec<Step>)>>, reached: Vec<Reached>) -> Option<String> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let sim = Sim::new(load.seed);
        let host = sim.host("store", [10, 0, 0, 1]);
        host.disk.load(image);
        let (world, clients) = (host.world(), clients.clone());
        let found = sim.executor.run(async move { violation(&world, &clients, &reached).await });
        sim.executor.shut();
        found.or_else(|| unsound(&host))
    }));
    looked.unwrap_or_else(|panic| Some(crate::text_of(&*panic)))
}

/// Cuts before each `step`-th change with each kind of loss; `limit` cuts at most. Gives cuts and violations.
fn sweep(load: Load, recorded: Recorded, step: usize, stop_at: usize) -> (usize, Vec<String>) {
    let clients = Arc::new(recorded.clients);
    let mut image = Image::default();
    let (mut cuts, mut violations) = (0, Vec::new());
    for (i, op) in recorded.ops.iter().enumerate() {
        if op.is_cut_point() && i % step == 0 {
            for (n, loss) in Loss::ALL.into_iter().enumerate() {
                let mut rng = Rng::new(load.seed ^ ((i as u64) << 8) ^ n as u64, "cut");
                let after = image.clone().cut(loss, &mut rng);
                let reached = clients.iter().map(|(_, steps)| reached_at(steps, i)).collect();
                cuts += 1;
                if let Some(what) = look(load, after, &clients, reached) {
                    violations.push(format!("cut before change {i} of {}, {loss:?}: {what}", recorded.ops.len()));
                    if violations.len() >= stop_at {
                        return (cuts, violations);
                    }
                }
            }
        }
        image.apply(op);
    }
    (cuts, violations)
}

#[test]
fn store_survives_a_cut_at_every_change() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: crate::seed(1), clients: 3, steps: 30 };
    let recorded = record(load, |_| {});
    let answers: std::collections::BTreeSet<_> =
        recorded.clients.iter().flat_map(|(_, steps)| steps).map(|step| step.answered).collect();
    let steps: usize = recorded.clients.iter().map(|(_, steps)| steps.len()).sum();
    crate::report(&format!("{} changes, {steps} steps answered at {} places", recorded.ops.len(), answers.len()));
    assert!(recorded.clients.iter().all(|(_, steps)| steps.len() == load.steps + 1));
    let (cuts, violations) = sweep(load, recorded, crate::step(7), 10);
    crate::report(&format!("{cuts} cuts"));
    assert!(cuts > 200, "{cuts} cuts");
    assert!(violations.is_empty(), "SIM_SEED={}: {cuts} cuts:\n{}", load.seed, violations.join("\n"));
}

#[test]
fn one_seed_gives_one_store() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: 4, clients: 3, steps: 20 };
    let run = || {
        let recorded = record(load, |_| {});
        (recorded.ops, recorded.calls)
    };
    assert!(run() == run(), "one seed, two histories");
}

// -- mutants -----------------------------------------------------------------------------------------------

#[test]
fn mutant_synchronous_normal_is_caught() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: 2, clients: 2, steps: 8 };
    let recorded = record(load, SimDisk::skip_commit_syncs);
    let (cuts, violations) = sweep(load, recorded, 5, 3);
    assert!(!violations.is_empty(), "{cuts} cuts noticed nothing");
}

#[test]
fn mutant_answer_before_commit_is_caught() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: 2, clients: 2, steps: 8 };
    let mut recorded = record(load, |_| {});
    for step in recorded.clients.iter_mut().flat_map(|(_, steps)| steps) {
        // What a store that answers before COMMIT would have made of the same run.
        step.answered = step.began;
    }
    let (cuts, violations) = sweep(load, recorded, 5, 3);
    assert!(!violations.is_empty(), "{cuts} cuts noticed nothing");
}

// -- live: the engine's own error paths ------------------------------------------------------------------------

/// The same run again, but the power goes at call `n`.
fn live_cut(load: Load, n: u64, loss: Loss, reference: &Arc<Vec<(Who, Vec<Step>)>>) -> Option<String> {
    let sim = Sim::new(load.seed);
    let host = sim.host("store", [10, 0, 0, 1]);
    host.disk.record();
    let died = host.disk.die_at(n);
    let (machine, clients) = (host.clone(), reference.clone());
    let found = sim.executor.run(async move {
        let world = machine.world();
        let store = Store::open(&world, options()).await.expect("opens");
        let signed = sign_up(&store, &machine.disk, load).await.expect("signs up");
        let diaries: Diaries = signed.iter().map(|(client, diary)| (client.who.clone(), diary.clone())).collect();
        let work = async {
            run_clients(&machine, &store, signed, load).await;
            let _ = store.close().await;
        };
        work.or(async {
            let _ = died.recv().await;
        })
        .await;
        machine.cut(loss);
        drop(store);
        let reached =
            diaries.iter().map(|(_, diary)| Reached { answered: Some(lock(diary).len() - 1), began_next: true });
        violation(&machine.world(), &clients, &reached.collect::<Vec<_>>()).await
    });
    sim.executor.shut();
    found.or_else(|| unsound(&host))
}

#[test]
fn store_survives_power_cuts_while_it_runs() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: crate::seed(3), clients: 3, steps: 12 };
    let recorded = record(load, |_| {});
    let (from, to) = recorded.calls;
    let reference = Arc::new(recorded.clients);
    let mut rng = Rng::new(load.seed, "live cuts");
    for run in 0..crate::seeds(60) {
        let n = rng.between(from + 1, to);
        let loss = Loss::ALL[run as usize % Loss::ALL.len()];
        let found = live_cut(load, n, loss, &reference);
        assert_eq!(found, None, "SIM_SEED={}: cut at call {n}, {loss:?}", load.seed);
    }
}

/// One fault at call `n`, and perhaps trouble from then on for a while; the clients go on; then the power goes. Gives
/// what is wrong.
fn faulty(load: Load, n: u64, fault: Fault, trouble: Option<Trouble>, loss: Loss) -> Option<String> {
    let sim = Sim::new(load.seed);
    let host = sim.host("store", [10, 0, 0, 1]);
    let (machine, inside) = (host.clone(), sim.clone());
    let found = sim.executor.run(async move {
        let world = machine.world();
        let store = Store::open(&world, options()).await.expect("opens");
        let signed = sign_up(&store, &machine.disk, load).await.expect("signs up");
        machine.disk.fault(When::Call(n), fault);
        if let Some(trouble) = trouble {
            machine.disk.trouble_after_fault(trouble);
        }
        let _clears = inside.bystander(clears(machine.clone()));
        let ends = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (client, _) in signed {
            let (host, store, ends) = (machine.clone(), store.clone(), ends.clone());
            let part = async move {
                let end = work_through(client, &host, &store, load).await;
                lock(&ends).push(end);
            };
            tasks.push(machine.world().run.task("client", Box::pin(part)));
        }
        for task in tasks {
            task.await;
        }
        let struck = machine.disk.faults_struck();
        machine.cut(loss);
        drop(store);
        let ends = std::mem::take(&mut *lock(&ends));
        crate::report(&format!(
            "{fault:?} at {n}: struck {struck}, doubts {}",
            ends.iter().flatten().map(|c| c.doubts).sum::<u64>()
        ));
        let store = match Store::open(&machine.world(), options()).await {
            Ok(store) => store,
            Err(e) => return Some(format!("does not open: {e}")),
        };
        for end in ends {
            match end {
                Err(what) => return Some(what),
                Ok(client) => match client.who.dump(&store, &client.ids).await {
                    Ok(found) if found == client.state => {}
                    Ok(found) => return Some(difference(&client.state, &found)),
                    Err(e) => return Some(format!("cannot be read: {e}")),
                },
            }
        }
        store.close().await.err().map(|e| e.to_string())
    });
    sim.executor.shut();
    found.or_else(|| unsound(&host))
}

/// Trouble of a disk ends after some time.
async fn clears(host: Host) {
    let clock = host.world().clock;
    let mut seconds = 0;
    while seconds < 20 {
        clock.sleep_until(clock.now() + Duration::from_secs(1)).await;
        seconds += u64::from(host.disk.lock().trouble().is_some());
    }
    host.disk.forgive();
}

/// A client that goes on after errors, as a person would.
async fn work_through(
    mut client: Client,
    host: &Host,
    store: &Store,
    load: Load,
) -> std::result::Result<Client, String> {
    let world = host.world();
    for step in 0..load.steps {
        let pause = client.pause(step);
        world.clock.sleep_until(world.clock.now() + pause).await;
        host.set_wall(client.clock_change());
        let act = client.next_act();
        let Err(e) = client.act(act, &world, store).await else { continue };
        if !e.kind().is_of_disk() {
            return Err(format!("{act:?}: a disk fault came out as {:?}: {e}", e.kind()));
        }
        let takes = matches!(act, Act::Move | Act::Expunge);
        let mut tries = 0;
        loop {
            world.clock.sleep_until(world.clock.now() + Duration::from_secs(1)).await;
            match client.settle_doubt(store, takes).await {
                Ok(None) => break,
                Ok(Some(what)) => return Err(what),
                Err(e) if tries == 600 => return Err(format!("the store stays down after one fault: {e}")),
                Err(_) => tries += 1,
            }
        }
    }
    Ok(client)
}

#[test]
fn store_survives_one_fault_anywhere() {
    let _one = crate::one_at_a_time();
    let load = Load { seed: crate::seed(5), clients: 3, steps: 12 };
    let (from, to) = record(load, |_| {}).calls;
    let mut rng = Rng::new(load.seed, "faults");
    for run in 0..crate::seeds(60) {
        let n = rng.between(1, to - from);
        let fault = Fault::ALL[run as usize % Fault::ALL.len()];
        let loss = Loss::ALL[(run as usize / 5) % Loss::ALL.len()];
        let trouble = [None, Some(Trouble::Full), Some(Trouble::ReadOnly)][run as usize % 3];
        let found = faulty(load, n, fault, trouble, loss);
        let what = format!("{fault:?} at call {n} after the start, {trouble:?} from then on, then {loss:?}");
        assert_eq!(found, None, "SIM_SEED={}: {what}", load.seed);
    }
}
