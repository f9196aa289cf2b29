//! An office, its users, bursts of acts with trouble in them, and a look at everything after each.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::settings::PasswordCost;
use mailcore::base::{ErrorKind, Result, Settings};

use super::act::{Act, Answer, Told};
use super::board::{Board, Noted, Outcome, entries};
use super::campaign::Tally;
use super::order::unexplained;
use super::state::{State, read};
use super::user::{Habit, User};
use crate::check::disagreement;
use crate::disk::{Fault, Trouble, When, lock};
use crate::image::Loss;
use crate::office::Office;
use crate::pipe::Weather;
use crate::rng::Rng;
use crate::world::{Host, Sim};

/// Accounts, and how many users each has.
const ACCOUNTS: [(&str, usize); 2] = [("ann", 4), ("ben", 2)];
const DOMAIN: &str = "office.example";
/// What the second account may keep.
const QUOTA: u64 = 30_000;
/// Wall-clock time by which the store's first UIDVALIDITYs lie ahead: the campaign's clock never comes there.
const AHEAD_MILLIS: i64 = 365 * 86_400_000;
/// Behind the last act: everybody has been told by then.
const GRACE: Duration = Duration::from_secs(30);

/// What happens beside a burst.
#[derive(Debug, Clone, Copy)]
enum Beside {
    Nothing,
    /// The power goes at this call of the disk.
    Cut(u64, Loss),
    /// A call fails; afterwards, while the store cures itself, the disk may be in trouble for so many seconds.
    Fault(u64, Fault, Option<(Trouble, u64)>),
    /// The disk is in trouble from this call on, for so many seconds.
    Trouble(u64, Trouble, u64),
}

/// An office and its users.
pub(super) struct Trial {
    pub sim: Sim,
    pub office: Office,
    pub users: Vec<User>,
    pub accounts: Vec<String>,
    /// What the store held at the last look.
    pub state: State,
    /// Chance of its bursts.
    pub rng: Rng,
    home: Host,
    letters: u64,
    /// What happened so far.
    pub tally: Tally,
}

fn settings() -> Settings {
    let mut settings = Settings { hostname: format!("mail.{DOMAIN}"), ..Settings::default() };
    settings.password_cost = PasswordCost { argon2_kib: 8, argon2_passes: 1, scram_iterations: 4096 };
    settings.waits.imap_idle = Duration::from_secs(86_400);
    settings
}

impl Trial {
    /// A trial whose office is open and whose users are not connected.
    pub async fn open(sim: &Sim, prepare: impl Fn(&Host)) -> Trial {
        let host = sim.host("mail.office.example", [10, 0, 0, 1]);
        prepare(&host);
        host.wake_lanes_late();
        let mut office = Office::new(host, DOMAIN, &["ann", "ben"], settings());
        // In every other trial few messages are many: COPY, MOVE and EXPUNGE go in steps.
        office.take_steps((sim.seed % 2 == 1).then_some(2));
        sim.clock.set_wall(AHEAD_MILLIS);
        office.boot().await.expect("boots");
        sim.clock.set_wall(-AHEAD_MILLIS);
        sim.net.set_weather(Weather { latency_millis: 1, ..Weather::CALM });
        let accounts: Vec<String> = ACCOUNTS.iter().map(|(name, _)| format!("{name}@{DOMAIN}")).collect();
        let store = office.store().expect("open");
        let ben = store.account(&accounts[1]).await.expect("read").expect("there").id;
        store.account_quota(ben, Some(QUOTA)).await.expect("set");
        if Habit::of(sim.seed) == Habit::Rename {
            for account in &accounts {
                let account = store.account(account).await.expect("read").expect("there").id;
                store.mailbox_create(account, "Work", None).await.expect("made");
            }
        }
        let mut trial = Trial {
            users: Vec::new(),
            state: State::default(),
            rng: Rng::new(sim.seed, "trial"),
            home: sim.host("home.example", [10, 0, 0, 9]),
            letters: 0,
            tally: Tally::default(),
            sim: sim.clone(),
            office,
            accounts,
        };
        trial.state = held(&trial.office, &trial.accounts).await.expect("reads");
        trial.sign_up();
        trial
    }

    /// Users as they are after a boot: nobody is connected.
    fn sign_up(&mut self) {
        let board = Arc::new(Board::new(self.office.host.disk.clone()));
        let server = SocketAddr::new(self.office.host.ip, super::talk::PORT);
        let before = std::mem::take(&mut self.users);
        let places = ACCOUNTS.iter().enumerate().flat_map(|(who, (_, users))| std::iter::repeat_n(who, *users));
        for (number, who) in places.enumerate() {
            let (world, seed) = (self.home.world(), self.sim.seed);
            let mut user = User::new(number, who, &self.accounts[who], server, world, board.clone(), seed);
            before.get(number).into_iter().for_each(|before| user.go_on(before));
            self.users.push(user);
        }
    }

    pub fn board(&self) -> Arc<Board> {
        self.users[0].board.clone()
    }

    /// Everybody acts, one user waits; gives back when all have stopped.
    pub async fn burst(&mut self, steps: usize) {
        let waits = self.rng.index(self.users.len());
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let back = Arc::new(Mutex::new(Vec::new()));
        let (mut workers, mut waiter) = (Vec::new(), None);
        for (number, mut user) in std::mem::take(&mut self.users).into_iter().enumerate() {
            // Some say nothing for long, and then want to know all at once.
            let steps = if self.rng.per_mille(150) { 0 } else { steps };
            let (back, stopped) = (back.clone(), stopped.clone());
            let part = async move {
                match number == waits {
                    true => user.idle(stopped).await,
                    false => user.work(steps).await,
                }
                lock(&back).push((number, user));
            };
            let task = self.sim.bystander(part);
            match number == waits {
                true => waiter = Some(task),
                false => workers.push(task),
            }
        }
        for task in workers {
            task.await;
        }
        self.sim.clock.sleep(GRACE).await;
        drop(stop);
        if let Some(waiter) = waiter {
            waiter.await;
        }
        let mut users = std::mem::take(&mut *lock(&back));
        users.sort_by_key(|(number, _)| *number);
        self.users = users.into_iter().map(|(_, user)| user).collect();
    }

    /// Somebody delivers mail during a burst: one message for some INBOXes, in one commit.
    pub fn mail(&mut self, count: u64) -> mailcore::base::world::Task<()> {
        let (office, board, accounts) = (self.office.clone(), self.board(), self.accounts.clone());
        let mut rng = Rng::new(self.rng.next(), "mail");
        let first = self.letters;
        self.letters += count;
        self.sim.bystander(async move {
            for number in first..first + count {
                office.sleep(Duration::from_millis(rng.between(1, 40) * 50)).await;
                let to: Vec<usize> = (0..accounts.len()).filter(|_| rng.per_mille(600)).collect();
                if to.is_empty() {
                    continue;
                }
                let (letter, octets) = (u64::MAX - number, rng.below(1_000));
                let text = crate::letter::letter(&format!("letter-{letter:x}"), octets as usize);
                let inboxes: Vec<String> = to.iter().map(|who| accounts[*who].clone()).collect();
                let asked = board.ask(0, Act::Deliver(to, letter, text.len() as u64));
                match office.file(&inboxes, text).await {
                    Some(done) => board.answer(asked, outcome(done)),
                    None => return,
                }
            }
        })
    }

    fn chance(&mut self) -> Beside {
        let troubles = [Trouble::Full, Trouble::ReadOnly];
        let call = self.rng.between(1, 600);
        let trouble = (troubles[self.rng.index(2)], self.rng.between(1, 90));
        match self.rng.below(100) {
            0..35 => Beside::Nothing,
            35..60 => Beside::Cut(call, Loss::ALL[self.rng.index(Loss::ALL.len())]),
            60..70 => Beside::Fault(call, Fault::ALL[self.rng.index(Fault::ALL.len())], None),
            70..85 => Beside::Fault(call, Fault::ALL[self.rng.index(Fault::ALL.len())], Some(trouble)),
            _ => Beside::Trouble(call, trouble.0, trouble.1),
        }
    }

    /// A burst, what happens beside it, and the look at everything behind it. Gives what is wrong.
    pub async fn round(&mut self, steps: usize) -> Option<String> {
        let beside = self.chance();
        self.tally.cuts += usize::from(matches!(beside, Beside::Cut(..)));
        self.tally.troubles += usize::from(matches!(beside, Beside::Fault(..) | Beside::Trouble(..)));
        self.sim.trace.note("round", steps as u64, 0);
        let disk = self.office.host.disk.clone();
        let mut died = None;
        match beside {
            Beside::Nothing => {}
            Beside::Cut(call, loss) => died = Some((disk.die_at(call), loss)),
            Beside::Fault(call, fault, trouble) => {
                disk.fault(When::Call(call), fault);
                if let Some((trouble, _)) = trouble {
                    disk.trouble_after_fault(trouble);
                }
            }
            Beside::Trouble(call, trouble, _) => disk.trouble_at(call, trouble),
        }
        self.board().set_trouble(!matches!(beside, Beside::Nothing));
        if self.rng.per_mille(300) {
            let hours = self.rng.below(13) as i64 - 6;
            self.sim.clock.set_wall(hours * 3_600_000);
        }
        let mail = self.mail(3);
        let clears = self.clears(beside);
        if let Some((died, loss)) = died {
            let office = self.office.clone();
            let cut = self.sim.bystander(async move {
                if died.recv().await.is_ok() {
                    office.cut(loss);
                }
            });
            self.burst(steps).await;
            mail.await;
            if !disk.is_dead() && self.office.store().is_some() {
                // The burst made fewer calls: the power goes now.
                self.office.cut(loss);
            }
            drop(cut);
            let noted = self.board().take();
            self.office.boot().await.expect("boots again");
            self.sign_up();
            return self.look(&noted).await;
        }
        self.burst(steps).await;
        mail.await;
        clears.await;
        disk.forgive();
        if let Some(what) = recovered(&self.office).await {
            return Some(what);
        }
        let noted = self.board().take();
        let what = self.look(&noted).await;
        self.board().set_trouble(false);
        what
    }

    /// Ends the trouble of the disk after its time.
    fn clears(&self, beside: Beside) -> mailcore::base::world::Task<()> {
        let (Beside::Fault(_, _, Some((_, seconds))) | Beside::Trouble(_, _, seconds)) = beside else {
            return self.sim.bystander(async {});
        };
        let office = self.office.clone();
        self.sim.bystander(async move {
            for _ in 0..seconds {
                office.sleep(Duration::from_secs(1)).await;
            }
            office.host.disk.forgive();
        })
    }

    /// While nobody acts: what is wrong with the store, with what was answered, or with what was told.
    async fn look(&mut self, noted: &[Noted]) -> Option<String> {
        let found = match held(&self.office, &self.accounts).await {
            Ok(found) => found,
            Err(e) => return Some(format!("cannot be read: {e}")),
        };
        if let Some(what) = disagreement(&self.office.store()?).await {
            return Some(what);
        }
        self.tally.acts += noted.len();
        self.tally.doubts += noted.iter().filter(|noted| !noted.is_sure()).count();
        if let Some(what) = unexplained(&self.state, &entries(noted), &found, self.office.steps().is_some()) {
            return Some(what);
        }
        for user in &mut self.users {
            if let Some(what) = user.check(&found).await {
                return Some(what);
            }
        }
        self.state = found;
        None
    }
}

/// What the store of an office holds.
async fn held(office: &Office, accounts: &[String]) -> Result<State> {
    read(&office.store().expect("open"), &office.host, accounts).await
}

/// Waits until changes are taken again.
async fn recovered(office: &Office) -> Option<String> {
    let store = office.store()?;
    for _ in 0..600 {
        // What readers see while the writer is down is not promised yet: a change that succeeds says that it is.
        match store.setting_put("doubt", None).await {
            Ok(()) => return None,
            Err(_) => office.sleep(Duration::from_secs(1)).await,
        }
    }
    Some("the store takes no changes though its disk is well".to_owned())
}

/// What became of mail that was delivered.
fn outcome(done: Result<()>) -> Outcome {
    match done.map_err(|e| e.kind()) {
        Ok(()) => Outcome::Sure(Answer::Done(Told::Nothing)),
        Err(ErrorKind::Quota) => Outcome::Sure(Answer::OverQuota),
        Err(ErrorKind::DiskFull) => Outcome::Undone,
        Err(kind) if kind.is_of_disk() => Outcome::Doubt,
        Err(kind) => panic!("a delivery failed: {kind:?}"),
    }
}
