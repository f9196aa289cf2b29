//! The store after one failed fsync: the scenarios of `ground`, by name, against the real thing. A reader is
//! held open across a checkpoint, a sync fails, the store goes on, and later the power goes.

use std::sync::Arc;
use std::time::Duration;

use mailcore::base::{MailboxId, World};
use mailcore::store::Store;
use rusqlite::Connection;

use crate::check::{disagreement, unsound};
use crate::client::{Act, Client};
use crate::disk::{Fault, When};
use crate::image::Loss;
use crate::promise::difference;
use crate::sweep::{options, shared_mailbox};
use crate::world::{Host, Sim};

/// Longer than the store takes to think itself idle and empty its log.
const IDLE: Duration = Duration::from_secs(20);

struct Scene {
    world: World,
    host: Host,
    store: Store,
    client: Client,
}

impl Scene {
    async fn open(host: &Host, seed: u64) -> (Scene, MailboxId) {
        let world = host.world();
        let store = Store::open(&world, options()).await.expect("opens");
        let shared = shared_mailbox(&store).await.expect("there");
        let client = Client::sign_up(&store, seed, 0, shared).await.expect("signs up");
        (Scene { world, host: host.clone(), store, client }, shared)
    }

    async fn deliver(&mut self, n: u64) {
        for _ in 0..n {
            self.client.act(Act::Deliver, &self.world, &self.store).await.expect("delivers");
        }
    }

    async fn idle(&self) {
        self.world.clock.sleep_until(self.world.clock.now() + IDLE).await;
    }

    /// A reader beside the store's own, as a slow FETCH would be: it holds its view of the database.
    fn reader(&self) -> Connection {
        let reader = crate::check::reader(&self.host).expect("opens");
        reader.execute_batch("BEGIN; SELECT count(*) FROM fact").expect("reads");
        reader
    }

    /// Acts until the store answers again; what failed is in doubt and looked after.
    async fn deliver_through(&mut self, n: u64) {
        for _ in 0..n {
            let mut failed = self.client.act(Act::Deliver, &self.world, &self.store).await.is_err();
            for _ in 0..100 {
                if !failed {
                    break;
                }
                self.world.clock.sleep_until(self.world.clock.now() + Duration::from_secs(1)).await;
                match self.client.settle_doubt(&self.store, false).await {
                    Ok(wrong) => {
                        assert_eq!(wrong, None);
                        failed = false;
                    }
                    Err(_) => failed = true,
                }
            }
            assert!(!failed, "the store stays down after one failed sync");
        }
    }

    /// The power goes; what was acknowledged must be there. Gives what is not.
    async fn lost(self) -> Option<String> {
        self.host.cut(Loss::Everything);
        drop(self.store);
        let store = match Store::open(&self.host.world(), options()).await {
            Ok(store) => store,
            Err(e) => return Some(format!("does not open: {e}")),
        };
        let found = match self.client.who.dump(&store, &self.client.ids).await {
            Ok(found) => found,
            Err(e) => return Some(format!("cannot be read: {e}")),
        };
        if let Some(what) = disagreement(&store).await {
            return Some(what);
        }
        store.close().await.expect("closes");
        (found != self.client.state).then(|| difference(&self.client.state, &found))
    }
}

/// Runs `scene` with each seed; none may lose anything.
fn each_seed<F: Future<Output = Option<String>> + Send + 'static>(scene: impl Fn(Host, u64) -> F) {
    let _one = crate::one_at_a_time();
    for seed in 0..crate::seeds(10) {
        let sim = Sim::new(seed);
        let host = sim.host("store", [10, 0, 0, 1]);
        let lost = sim.executor.run(scene(host.clone(), seed));
        sim.executor.shut();
        assert_eq!(lost.or_else(|| unsound(&host)), None, "seed {seed}");
    }
}

#[test]
fn checkpoint_sync_fails_after_a_partial_checkpoint() {
    each_seed(|host, seed| async move {
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(4 + seed % 5).await;
        let reader = scene.reader();
        scene.deliver(3).await;
        scene.idle().await;
        reader.execute_batch("COMMIT").expect("ends");
        drop(reader);
        host.disk.fault(When::File("mail.db"), Fault::SyncFailed);
        scene.deliver_through(1).await;
        scene.idle().await;
        assert_eq!(host.disk.faults_struck(), 1, "the checkpoint's sync failed");
        scene.deliver_through(1).await;
        scene.idle().await;
        scene.deliver(2).await;
        scene.lost().await
    });
}

#[test]
fn commit_sync_fails() {
    each_seed(|host, seed| async move {
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(3 + seed % 4).await;
        host.disk.fault(When::File("-wal"), Fault::SyncFailed);
        scene.deliver_through(1).await;
        assert_eq!(host.disk.faults_struck(), 1, "the commit's sync failed");
        scene.deliver(1 + seed % 4).await;
        scene.lost().await
    });
}

#[test]
fn commit_sync_fails_and_the_process_is_killed() {
    each_seed(|host, seed| async move {
        let (mut scene, shared) = Scene::open(&host, seed).await;
        scene.deliver(3 + seed % 4).await;
        host.disk.fault(When::File("-wal"), Fault::SyncFailed);
        // Killed in the very call: no cure, and the next process knows nothing of it.
        host.disk.die_after_fault();
        assert!(scene.client.act(Act::Deliver, &scene.world, &scene.store).await.is_err());
        assert_eq!(host.disk.faults_struck(), 1, "the commit's sync failed");
        host.cut(Loss::Nothing);
        let Scene { mut client, store, .. } = scene;
        drop(store);
        let world = host.world();
        let store = Store::open(&world, options()).await.expect("opens");
        assert_eq!(client.settle_doubt(&store, false).await.expect("reads"), None);
        assert!(store.mailboxes(client.who.account).await.expect("reads").iter().all(|m| m.id != shared));
        let mut scene = Scene { world, host, store, client };
        scene.deliver(1 + seed % 4).await;
        scene.lost().await
    });
}

#[test]
fn cure_fails_and_is_tried_again() {
    each_seed(|host, seed| async move {
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(3 + seed % 4).await;
        let fails = 2 + seed % 6;
        for _ in 0..fails {
            host.disk.fault(When::File("-wal"), Fault::SyncFailed);
        }
        assert!(scene.client.act(Act::Deliver, &scene.world, &scene.store).await.is_err());
        // What is on disk is read meanwhile.
        scene.client.who.dump(&scene.store, &scene.client.ids).await.expect("reads");
        while host.disk.faults_struck() < fails {
            scene.deliver_through(1).await;
        }
        scene.deliver_through(2).await;
        scene.lost().await
    });
}

#[test]
fn a_process_that_ends_before_its_cure_leaves_it_to_the_next() {
    each_seed(|host, seed| async move {
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(3 + seed % 4).await;
        for _ in 0..100 {
            host.disk.fault(When::File("-wal"), Fault::SyncFailed);
        }
        assert!(scene.client.act(Act::Deliver, &scene.world, &scene.store).await.is_err());
        for _ in 0..3 {
            scene.idle().await;
            assert!(scene.client.act(Act::Deliver, &scene.world, &scene.store).await.is_err(), "down is down");
        }
        assert!(host.disk.faults_struck() < 25, "it is not tried without a pause");
        // The process ends, not the power; the next one finds what the cache holds and must make it durable.
        host.cut(Loss::Nothing);
        let Scene { mut client, store, .. } = scene;
        drop(store);

        let world = host.world();
        let store = Store::open(&world, options()).await.expect("opens");
        assert_eq!(client.settle_doubt(&store, false).await.expect("reads"), None);
        let mut scene = Scene { world, host, store, client };
        scene.deliver(2).await;
        scene.lost().await
    });
}

#[test]
fn a_torn_first_boot_is_no_store_or_a_whole_one() {
    each_seed(|host, seed| async move {
        // The very first opening is cut; whatever is there afterwards must open and serve.
        let died = host.disk.die_at(1 + seed * 7 % 60);
        let world = host.world();
        let opened = Store::open(&world, options()).await;
        let _ = died.try_recv();
        host.cut(Loss::ALL[seed as usize % Loss::ALL.len()]);
        drop(opened);
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(2).await;
        scene.lost().await
    });
}

/// Shared by the scenes above: a store whose clones are all gone ends by itself.
#[test]
fn a_dropped_store_ends_by_itself() {
    each_seed(|host, seed| async move {
        let (mut scene, _) = Scene::open(&host, seed).await;
        scene.deliver(2).await;
        let Scene { world, store, client, .. } = scene;
        drop(store);
        world.clock.sleep_until(world.clock.now() + IDLE).await;
        let store = Arc::new(Store::open(&world, options()).await.expect("the lock is free again"));
        let found = client.who.dump(&store, &client.ids).await.expect("reads");
        store.close().await.expect("closes");
        (found != client.state).then(|| difference(&client.state, &found))
    });
}
