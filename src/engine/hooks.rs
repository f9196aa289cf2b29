//! Questions to the host: asked by sessions, answered by a function of the host's or by its answer to an event.
//!
//! Both ways are one: a question waits under a number until it is answered, its time is over, its session ends or
//! the engine stops. Functions run on lanes of their own, which may block, under no lock of ours. Whatever goes
//! wrong on the host's side (no answer in time, a panic, an answer that cannot be) becomes a 451 for the peer and
//! an event for the host; a late answer finds nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;

use super::events::EventQueue;
use super::interrupt::lock;
use super::{Engine, Phase};
use crate::base::event::{Event, EventSink};
use crate::base::world::{BoxFuture, Clock, World};
use crate::base::{Error, ErrorKind, Result, Settings};
use crate::delivery::directory::{is_local, known, resolve};
use crate::intake::hook::{Decision, Point, Program, Question, Refusal};
use crate::store::Store;

/// A function of the host's. It may block for as long as the peer waits; an error counts as no answer.
pub type Function = Arc<dyn Fn(&Question) -> Result<Decision> + Send + Sync>;

/// How the host is asked.
#[derive(Clone)]
pub enum Hook {
    /// By a function.
    Call(Function),
    /// By [`Event::Request`], answered with [`Engine::reply`].
    Event,
}

/// At which points the host is asked, and how.
#[derive(Clone, Default)]
pub struct Hooks(Vec<(Point, Hook)>);

impl Hooks {
    /// With `hook` at `point`, in place of the one there was.
    pub fn with(mut self, point: Point, hook: Hook) -> Hooks {
        self.0.retain(|(known, _)| *known != point);
        self.0.push((point, hook));
        self
    }

    /// Whether the host is asked nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn at(&self, point: Point) -> Option<&Hook> {
        self.0.iter().find(|(known, _)| *known == point).map(|(_, hook)| hook)
    }

    fn calls(&self) -> bool {
        self.0.iter().any(|(_, hook)| matches!(hook, Hook::Call(_)))
    }
}

impl Engine {
    /// Says how the host is asked, before the start. A second call takes the place of the first.
    pub fn set_hooks(&self, hooks: Hooks) -> Result<()> {
        let mut state = lock(&self.inner.state);
        if state.phase != Phase::Open {
            return Err(Error::new(ErrorKind::State, "hooks are fixed once the engine has started"));
        }
        state.hooks = hooks;
        Ok(())
    }

    /// What is asked under a number, while somebody waits for the answer.
    pub fn request(&self, id: u64) -> Result<Arc<Question>> {
        self.questions()?.question(id)
    }

    /// Answers a question. `NotFound` for a number that never was, `State` where nobody waits any more (answered,
    /// or too late), `Invalid` for an answer that does not fit, `NotFound` for a redirection to a user who is not.
    pub async fn reply(&self, id: u64, decision: Decision) -> Result<()> {
        self.questions()?.reply(id, decision).await
    }

    fn questions(&self) -> Result<Arc<Questions>> {
        let questions = lock(&self.inner.state).questions.clone();
        questions.ok_or_else(|| Error::new(ErrorKind::State, "the engine was not started, or has no hooks"))
    }
}

/// The questions that wait.
pub(super) struct Questions {
    clock: Arc<dyn Clock>,
    events: Arc<EventQueue>,
    store: Store,
    settings: Arc<Settings>,
    hooks: Hooks,
    wait: Duration,
    asked: Mutex<Asked>,
    /// Wakes a lane.
    wake: Sender<()>,
}

#[derive(Default)]
struct Asked {
    closed: bool,
    /// The last number given.
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Those of `waiting` that a lane has yet to take.
    calls: BTreeSet<u64>,
}

struct Waiting {
    question: Arc<Question>,
    answer: Sender<HookAnswer>,
}

enum HookAnswer {
    Decided(Decision),
    /// Why there is none.
    Failed(String),
}

impl Questions {
    /// Ready to be asked; functions get `lanes` threads.
    pub(super) fn open(
        world: &World,
        events: Arc<EventQueue>,
        (store, settings): (Store, Arc<Settings>),
        hooks: Hooks,
        (wait, lanes): (Duration, usize),
    ) -> Arc<Questions> {
        let (wake, woken) = bounded(1);
        let clock = Arc::clone(&world.clock);
        let with_calls = hooks.calls();
        let asked = Mutex::default();
        let questions = Arc::new(Questions { clock, events, store, settings, hooks, wait, asked, wake });
        for _ in 0..if with_calls { lanes.max(1) } else { 0 } {
            let lane = Arc::clone(&questions).lane(woken.clone());
            world.run.lane("hook", Box::pin(lane)).detach();
        }
        questions
    }

    /// Answers everybody who waits, and who asks from now on, that the service is going down.
    pub(super) fn close(&self) {
        let mut asked = lock(&self.asked);
        asked.closed = true;
        // Dropped outside the lock: whose answer cannot come any more wakes.
        let waiting = std::mem::take(&mut asked.waiting);
        asked.calls.clear();
        drop(asked);
        drop(waiting);
        self.wake.close();
    }

    fn question(&self, id: u64) -> Result<Arc<Question>> {
        let asked = lock(&self.asked);
        asked.waiting.get(&id).map(|waiting| Arc::clone(&waiting.question)).ok_or_else(|| asked.gone(id))
    }

    async fn reply(&self, id: u64, decision: Decision) -> Result<()> {
        let question = self.question(id)?;
        self.check(&question, &decision).await?;
        let mut asked = lock(&self.asked);
        let Some(waiting) = asked.waiting.remove(&id) else { return Err(asked.gone(id)) };
        drop(asked);
        // The session may end at this very moment: then nobody hears it, as with any reply on the wire.
        let _ = waiting.answer.try_send(HookAnswer::Decided(decision));
        Ok(())
    }

    async fn check(&self, question: &Question, decision: &Decision) -> Result<()> {
        question.check(decision)?;
        let unknown = match (question.point(), decision, question.envelope.recipients.as_slice()) {
            (_, Decision::Redirect(address), _) => Some(address),
            // Taken against our own policy: it must lead somewhere all the same.
            (Point::RefusedRecipient, Decision::Accept, [to]) => Some(&to.address),
            _ => None,
        };
        if let Some(address) = unknown {
            let settings = &self.settings;
            let is_unknown = known(&self.store, |known| {
                is_local(known, settings, address) && resolve(known, settings, address).is_err()
            });
            if is_unknown.await? {
                return Err(Error::new(ErrorKind::NotFound, format!("no such user: {address}")));
            }
        }
        Ok(())
    }

    /// Puts a question where it is answered. `None` once the engine stops.
    fn ask(self: &Arc<Self>, question: Question) -> Option<Wait> {
        let (answer, answered) = bounded(1);
        let point = question.point();
        let mut asked = lock(&self.asked);
        if asked.closed {
            return None;
        }
        asked.last += 1;
        let id = asked.last;
        asked.waiting.insert(id, Waiting { question: Arc::new(question), answer });
        if matches!(self.hooks.at(point), Some(Hook::Call(_))) {
            asked.calls.insert(id);
        }
        drop(asked);
        let wait = Wait { questions: Arc::clone(self), id, point, answered };
        match self.hooks.at(point) {
            Some(Hook::Event) => self.events.request(id, point.name()),
            Some(Hook::Call(_)) => {
                let _ = self.wake.try_send(());
            }
            None => self.answer(id, HookAnswer::Decided(Decision::Policy)),
        }
        Some(wait)
    }

    fn answer(&self, id: u64, answer: HookAnswer) {
        let waiting = lock(&self.asked).waiting.remove(&id);
        if let Some(waiting) = waiting {
            let _ = waiting.answer.try_send(answer);
        }
    }

    /// Calls the host's functions, one after the other, until the engine stops.
    async fn lane(self: Arc<Self>, woken: Receiver<()>) {
        while woken.recv().await.is_ok() {
            while let Some((id, question)) = self.next_call() {
                let answer = self.call(&question).await;
                self.answer(id, answer);
            }
        }
    }

    /// The question that waits longest for a lane. Another lane is woken while there are more.
    fn next_call(&self) -> Option<(u64, Arc<Question>)> {
        let mut asked = lock(&self.asked);
        let (id, question) = loop {
            let id = asked.calls.pop_first()?;
            // Not there: answered while it waited for its turn.
            if let Some(waiting) = asked.waiting.get(&id) {
                break (id, Arc::clone(&waiting.question));
            }
        };
        let more = !asked.calls.is_empty();
        drop(asked);
        if more {
            let _ = self.wake.try_send(());
        }
        Some((id, question))
    }

    async fn call(&self, question: &Question) -> HookAnswer {
        let Some(Hook::Call(function)) = self.hooks.at(question.point()) else {
            return HookAnswer::Decided(Decision::Policy);
        };
        // Unwind-safe: the question is only read, and what the host's function has changed is the host's.
        match catch_unwind(AssertUnwindSafe(|| function(question))) {
            Ok(Ok(decision)) => match self.check(question, &decision).await {
                Ok(()) => HookAnswer::Decided(decision),
                Err(e) => HookAnswer::Failed(e.to_string()),
            },
            Ok(Err(e)) => HookAnswer::Failed(e.to_string()),
            Err(payload) => {
                // Its drop may panic again.
                std::mem::forget(payload);
                HookAnswer::Failed("the host's function panicked".to_owned())
            }
        }
    }

    /// No answer: the host hears why, the peer that it shall try again.
    fn failed(&self, point: Point, text: String) -> Decision {
        log::warn!(target: "mailcore::hook", "{}: {text}", point.name());
        self.events.say(Event::HookFailed { hook: point.name(), text });
        Decision::Refuse(Refusal::unanswered(false))
    }
}

impl Asked {
    /// Why there is no question of this number.
    fn gone(&self, id: u64) -> Error {
        match (1..=self.last).contains(&id) {
            true => Error::new(ErrorKind::State, format!("nobody waits for an answer to request {id} any more")),
            false => Error::new(ErrorKind::NotFound, format!("no request {id}")),
        }
    }
}

/// What [`Program`] is for the sessions.
pub(super) struct HookedProgram(pub(super) Arc<Questions>);

impl Program for HookedProgram {
    fn wants(&self, point: Point) -> bool {
        self.0.hooks.at(point).is_some()
    }

    fn decide(&self, question: Question) -> BoxFuture<'static, Decision> {
        let questions = Arc::clone(&self.0);
        Box::pin(async move {
            let late = questions.clock.sleep_until(questions.clock.now() + questions.wait);
            let point = question.point();
            let Some(wait) = questions.ask(question) else {
                return Decision::Refuse(Refusal::unanswered(true));
            };
            let over = async {
                late.await;
                let text = format!("no answer within {} ms", questions.wait.as_millis());
                Ok(HookAnswer::Failed(text))
            };
            match wait.answered.recv().or(over).await {
                Ok(HookAnswer::Decided(decision)) => decision,
                Ok(HookAnswer::Failed(text)) => questions.failed(point, text),
                // The engine stops.
                Err(_) => Decision::Refuse(Refusal::unanswered(true)),
            }
        })
    }
}

/// A session that waits. Dropped, answered or not, it leaves nothing behind.
struct Wait {
    questions: Arc<Questions>,
    id: u64,
    point: Point,
    answered: Receiver<HookAnswer>,
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut asked = lock(&self.questions.asked);
        let waiting = asked.waiting.remove(&self.id);
        asked.calls.remove(&self.id);
        drop(asked);
        // The question may hold a whole message: dropped outside the lock.
        drop(waiting);
        if matches!(self.questions.hooks.at(self.point), Some(Hook::Event)) {
            self.questions.events.withdraw(self.id);
        }
    }
}
