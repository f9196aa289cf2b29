//! The power cut at each change of a recorded run of sessions: what was answered by then must be there, and what was
//! only asked must be there whole or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mailcore::store::Store;

use super::board::{Noted, entries_at};
use super::order::unexplained;
use super::state::{State, read};
use super::trial::Trial;
use crate::check::{disagreement, unsound};
use crate::image::{Image, Loss, Op};
use crate::rng::Rng;
use crate::sweep::options;
use crate::world::Sim;

/// A run without trouble.
struct Recorded {
    seed: u64,
    ops: Vec<Op>,
    /// What the store held when the users began, and how many changes were recorded by then.
    base: State,
    from: usize,
    noted: Vec<Noted>,
    accounts: Vec<String>,
    /// COPY and MOVE went in steps: UIDs may have gaps.
    gaps: bool,
}

fn record(seed: u64, steps: usize) -> Recorded {
    let sim = Sim::new(seed);
    let world = sim.clone();
    let recorded = sim.executor.run(async move {
        let mut trial = Trial::open(&world, |host| host.disk.record()).await;
        let (disk, base) = (trial.office.host.disk.clone(), trial.state.clone());
        let from = disk.recorded();
        let mail = trial.mail(4);
        trial.burst(steps).await;
        mail.await;
        let noted = trial.board().take();
        trial.office.close().await.expect("closes");
        let gaps = trial.office.steps().is_some();
        Recorded { seed, ops: disk.take_record(), base, from, noted, accounts: trial.accounts, gaps }
    });
    sim.executor.shut();
    recorded
}

/// Opens what a cut left, and looks.
fn look(recorded: &Arc<Recorded>, image: Image, cut: usize) -> Option<String> {
    let looked = catch_unwind(AssertUnwindSafe(|| {
        let sim = Sim::new(recorded.seed);
        let host = sim.host("store", [10, 0, 0, 1]);
        host.disk.load(image);
        let (machine, recorded) = (host.clone(), recorded.clone());
        let found = sim.executor.run(async move {
            let store = match Store::open(&machine.world(), options()).await {
                Ok(store) => store,
                Err(e) => return Some(format!("does not open: {e}")),
            };
            let found = match read(&store, &machine, &recorded.accounts).await {
                Ok(found) => found,
                Err(e) => return Some(format!("cannot be read: {e}")),
            };
            if let Some(what) = unexplained(&recorded.base, &entries_at(&recorded.noted, cut), &found, recorded.gaps) {
                return Some(what);
            }
            let wrong = disagreement(&store).await;
            let closed = store.close().await.err().map(|e| format!("does not close: {e}"));
            wrong.or(closed)
        });
        sim.executor.shut();
        found.or_else(|| unsound(&host))
    }));
    looked.unwrap_or_else(|panic| Some(crate::text_of(&*panic)))
}

/// Cuts before each `step`-th change with each kind of loss. Gives cuts and violations.
fn sweep(recorded: Recorded, step: usize, stop_at: usize) -> (usize, Vec<String>) {
    let recorded = Arc::new(recorded);
    let mut image = Image::default();
    let (mut cuts, mut violations) = (0, Vec::new());
    for (i, op) in recorded.ops.iter().enumerate() {
        if i >= recorded.from && op.is_cut_point() && i % step == 0 {
            for (n, loss) in Loss::ALL.into_iter().enumerate() {
                let mut rng = Rng::new(recorded.seed ^ ((i as u64) << 8) ^ n as u64, "cut");
                cuts += 1;
                if let Some(what) = look(&recorded, image.clone().cut(loss, &mut rng), i) {
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
fn sessions_survive_a_cut_at_every_change() {
    let _one = crate::one_at_a_time();
    let seed = crate::seed(1);
    let recorded = record(seed, 8);
    crate::report(&format!("{} acts, {} changes", recorded.noted.len(), recorded.ops.len() - recorded.from));
    let (cuts, violations) = sweep(recorded, crate::step(7), 3);
    crate::report(&format!("{cuts} cuts"));
    assert!(cuts > 100, "{cuts} cuts");
    assert!(violations.is_empty(), "SIM_SEED={seed}: {cuts} cuts:\n{}", violations.join("\n"));
}

/// What a store that answers before COMMIT would have made of the same run.
#[test]
fn mutant_answer_before_commit_is_caught() {
    let _one = crate::one_at_a_time();
    let mut recorded = record(2, 5);
    recorded.noted.iter_mut().for_each(Noted::answered_at_once);
    let (cuts, violations) = sweep(recorded, 5, 1);
    assert!(!violations.is_empty(), "{cuts} cuts noticed nothing");
}
