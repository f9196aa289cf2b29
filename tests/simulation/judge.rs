//! A host program that decides about mail in its own time: now and then it thinks for a while, now and then it
//! gives no answer at all. What is put off so comes again.

use std::time::Duration;

use mailcore::base::World;
use mailcore::base::world::BoxFuture;
use mailcore::intake::hook::{Decision, Point, Program, Question, Refusal};

/// Asked about every recipient and message of its office.
pub struct Judge {
    world: World,
}

impl Judge {
    /// One that takes chance and time from `world`.
    pub fn new(world: World) -> Self {
        Self { world }
    }
}

impl Program for Judge {
    /// Where a refusal for now costs a retry, and no reader his mail.
    fn wants(&self, point: Point) -> bool {
        matches!(point, Point::Sender | Point::Recipient | Point::Message)
    }

    fn decide(&self, question: Question) -> BoxFuture<'static, Decision> {
        let clock = self.world.clock.clone();
        let (mood, thinks) = (self.world.entropy.u64() % 100, self.world.entropy.u64() % 20_000);
        Box::pin(async move {
            if mood < 30 {
                clock.sleep_until(clock.now() + Duration::from_millis(thinks)).await;
            }
            match (mood, question.point()) {
                (0..5, _) => Decision::Refuse(Refusal::unanswered(false)),
                (5..10, Point::Message) => Decision::Refuse(Refusal::new(450, None, "not now").expect("a refusal")),
                (10..60, _) => Decision::Accept,
                _ => Decision::Policy,
            }
        })
    }
}
