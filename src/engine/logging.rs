//! The log as events: what the library notes in passing (`log`) goes to every engine of the process that asks for it by
//! the property `log.level`, and never to stderr. A program in Rust that has a logger of its own keeps it.

use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::events::EventQueue;
use crate::base::event::{Event, EventSink};
use crate::base::limits::EVENT_TEXT_OCTETS_MAX;

/// An engine that listens.
type Listening = (LevelFilter, Weak<EventQueue>);

struct Logger(Mutex<Vec<Listening>>);

static LOGGER: Logger = Logger(Mutex::new(Vec::new()));

/// The names of levels, as the property has them.
pub const LEVELS: [(LevelFilter, &str); 6] = [
    (LevelFilter::Off, "off"),
    (LevelFilter::Error, "error"),
    (LevelFilter::Warn, "warn"),
    (LevelFilter::Info, "info"),
    (LevelFilter::Debug, "debug"),
    (LevelFilter::Trace, "trace"),
];

/// Has `events` told of what is noted from now on, at `level` and above.
pub(super) fn listen(events: &Arc<EventQueue>, level: LevelFilter) {
    static OURS: Once = Once::new();
    if level == LevelFilter::Off {
        return;
    }
    // Where the program has a logger, it hears all; engines hear nothing.
    OURS.call_once(|| {
        let _ = log::set_logger(&LOGGER);
    });
    let mut listening = LOGGER.listening();
    listening.retain(|(_, events)| events.strong_count() > 0);
    listening.push((level, Arc::downgrade(events)));
    let most = listening.iter().map(|(level, _)| *level).max().unwrap_or(LevelFilter::Off);
    log::set_max_level(most.max(log::max_level()));
}

impl Logger {
    fn listening(&self) -> std::sync::MutexGuard<'_, Vec<Listening>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("mailcore")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Outside the lock: an event may wake the program.
        let told: Vec<_> = {
            let listening = self.listening();
            let asked = listening.iter().filter(|(level, _)| record.level() <= *level);
            asked.filter_map(|(_, events)| events.upgrade()).collect()
        };
        if told.is_empty() {
            return;
        }
        let text: String = record.args().to_string().chars().take(EVENT_TEXT_OCTETS_MAX / 4).collect();
        for events in told {
            let (level, target) = (name(record.level()), record.target().to_owned());
            events.say(Event::Log { level, target, text: text.clone() });
        }
    }

    fn flush(&self) {}
}

fn name(level: Level) -> &'static str {
    LEVELS.iter().find(|(known, _)| *known == level.to_level_filter()).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::standing_clock::StandingClock;

    #[test]
    fn engines_hear_what_they_ask_for() {
        let clock = || Arc::new(StandingClock::default());
        let (few, all) = (EventQueue::new(clock(), 100).unwrap(), EventQueue::new(clock(), 100).unwrap());
        listen(&few, LevelFilter::Error);
        listen(&all, LevelFilter::Info);
        log::info!(target: "mailcore::test_of_logging", "one");
        log::error!(target: "mailcore::test_of_logging", "two");
        log::error!(target: "somebody_else", "three");
        let heard = |events: &EventQueue| {
            let mut texts = Vec::new();
            while let (Some(said), _) = events.try_next() {
                if let Event::Log { level, target, text } = said.event
                    && target == "mailcore::test_of_logging"
                {
                    texts.push((level, text));
                }
            }
            texts
        };
        assert_eq!(heard(&few), [("error", "two".to_owned())]);
        assert_eq!(heard(&all), [("info", "one".to_owned()), ("error", "two".to_owned())]);
    }
}
