//! Puts a simulated world together: one clock, one network, one zone, any number of machines.

use std::net::IpAddr;
use std::sync::Arc;

use mailcore::base::World;
use mailcore::base::world::{Spawner, Task};

use crate::clock::{ClockDoor, SimClock};
use crate::disk::SimDisk;
use crate::image::Loss;
use crate::pipe::{Net, NetDoor};
use crate::rng::{Rng, SimEntropy};
use crate::run::{Executor, Machine, MachineDoor, Trace};
use crate::tls::SimTls;
use crate::vfs::reset_randomness;
use crate::zone::Zone;

/// A simulation. One at a time in a process.
#[derive(Clone)]
pub struct Sim {
    /// What everything is drawn from.
    pub seed: u64,
    /// What happened.
    pub trace: Arc<Trace>,
    /// Time.
    pub clock: Arc<SimClock>,
    /// Tasks.
    pub executor: Arc<Executor>,
    /// The network.
    pub net: Net,
    /// The names.
    pub zone: Zone,
}

impl Sim {
    /// An empty world.
    pub fn new(seed: u64) -> Self {
        let keep = crate::setting("SIM_TRACE").is_some();
        let trace = Arc::new(if keep { Trace::keeping_lines() } else { Trace::default() });
        let clock: Arc<SimClock> = Arc::default();
        Self {
            seed,
            executor: Executor::new(seed, clock.clone(), trace.clone()),
            net: Net::new(seed, clock.clone(), trace.clone()),
            zone: Zone::new(seed, clock.clone(), trace.clone()),
            trace,
            clock,
        }
    }

    /// A task of no machine: somebody outside, whom no power cut ends.
    pub fn bystander(&self, part: impl Future<Output = ()> + Send + 'static) -> Task<()> {
        MachineDoor(Machine::new(self.executor.clone())).task("bystander", Box::pin(part))
    }

    /// A machine with an empty disk.
    pub fn host(&self, name: &'static str, ip: [u8; 4]) -> Host {
        let disk = SimDisk::new(self.seed, name, self.clock.clone(), self.trace.clone());
        // The newest VFS is the default one: SQLite seeds its chance from it.
        reset_randomness();
        Host {
            machine: Machine::new(self.executor.clone()),
            entropy: Arc::new(SimEntropy::new(Rng::new(self.seed, &format!("entropy {name}")))),
            tls: SimTls::new(Rng::new(self.seed, &format!("tls {name}")), Some(name)),
            ip: IpAddr::from(ip),
            sim: self.clone(),
            name,
            disk,
        }
    }
}

/// A machine: it has a name, an address, a disk, and power until it is cut.
#[derive(Clone)]
pub struct Host {
    /// Its name, also on its certificate.
    pub name: &'static str,
    /// Its address.
    pub ip: IpAddr,
    /// Its disk.
    pub disk: SimDisk,
    /// Its TLS.
    pub tls: SimTls,
    machine: Arc<Machine>,
    entropy: Arc<SimEntropy>,
    sim: Sim,
}

impl Host {
    /// What an engine on this machine sees.
    pub fn world(&self) -> World {
        World {
            clock: Arc::new(ClockDoor(self.sim.clock.clone())),
            entropy: self.entropy.clone(),
            network: Arc::new(NetDoor { net: self.sim.net.clone(), ip: self.ip }),
            resolver: Arc::new(self.sim.zone.clone()),
            disk: Arc::new(self.disk.clone()),
            tls: Arc::new(self.tls.clone()),
            run: Arc::new(MachineDoor(self.machine.clone())),
        }
    }

    /// Lanes that are begun from now on are late by chance.
    pub fn wake_lanes_late(&self) {
        self.machine.wake_lanes_late(Rng::new(self.sim.seed, "late lanes"));
    }

    /// Sets the wall clock of the world forward or back.
    pub fn set_wall(&self, by_millis: i64) {
        self.sim.clock.set_wall(by_millis);
    }

    /// Power off and on: tasks end where they stand, the disk keeps what `loss` leaves, connections are gone.
    /// The engine's own values (stores, handles) must be dropped by the caller before or right after.
    pub fn cut(&self, loss: Loss) {
        // The disk first, so that destructors reach nothing.
        self.disk.die();
        self.sim.net.unplug(self.ip);
        self.machine.kill();
        self.disk.cut(loss);
    }
}
