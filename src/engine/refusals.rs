//! Keeps a flood of refusals from pushing other events out.
//!
//! The first `EVENT_REFUSED_PER_PEER_MAX` refusals of a peer in `EVENT_REFUSED_SECONDS` are said one by one, and so are
//! its failed logins and the ends of its connections. Further ones are counted; when the time is over, the last of them
//! is said with the count. An IPv6 peer is its /64. Beyond `EVENT_REFUSED_PEERS_MAX` peers all others share one count.
//! Memory is bounded, and nothing here waits: the owner asks [`Refusals::due`] when [`Refusals::next`] says so.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::base::event::Event;
use crate::base::limits::{EVENT_REFUSED_PEERS_MAX, EVENT_REFUSED_PER_PEER_MAX, EVENT_REFUSED_SECONDS};
use crate::base::time::Mono;
use crate::net::listen::network_of;

/// What of whom: failed logins and ends of connections are counted apart from other refusals; `None` for peers that are
/// not counted one by one.
type Key = (Kind, Option<IpAddr>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Refusal,
    End,
    Broken,
    Login,
}

/// What was refused lately.
#[derive(Default)]
pub(super) struct Refusals {
    windows: BTreeMap<Key, Window>,
    /// No window ends before this.
    ends_from: Mono,
}

/// The refusals of one peer since the first of them.
struct Window {
    ends: Mono,
    said: u64,
    counted: u64,
    /// The last one counted.
    last: Option<Event>,
}

/// What becomes of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It is said.
    Say(Event),
    /// It was counted.
    Counted,
}

impl Refusals {
    /// Says or counts an event; what is no refusal is always said. Without `room` every refusal is counted.
    pub(super) fn pass(&mut self, event: Event, now: Mono, room: bool) -> Passage {
        let Some(key) = key(&event) else { return Passage::Say(event) };
        let window = self.window(key, now);
        if window.said < EVENT_REFUSED_PER_PEER_MAX && room && window.counted == 0 {
            window.said += 1;
            return Passage::Say(event);
        }
        window.counted += 1;
        window.last = Some(event);
        Passage::Counted
    }

    /// When there is something to say next, if anything was counted.
    pub(super) fn next(&self) -> Option<Mono> {
        self.windows.values().filter(|window| window.counted > 0).map(|window| window.ends).min()
    }

    /// At most `room` of the counts whose time is over at `now`; the others stay, and go on counting.
    pub(super) fn due(&mut self, now: Mono, room: usize) -> Vec<Event> {
        self.take(room, |window| window.ends <= now)
    }

    /// All counts, whether their time is over or not.
    pub(super) fn rest(&mut self) -> Vec<Event> {
        self.take(usize::MAX, |_| true)
    }

    fn take(&mut self, room: usize, is_due: impl Fn(&Window) -> bool) -> Vec<Event> {
        let mut events = Vec::new();
        self.windows.retain(|_, window| {
            if !is_due(window) {
                return true;
            }
            if window.counted > 0 && events.len() >= room {
                return true;
            }
            events.extend(window.last.take().map(|event| counting(event, window.counted)));
            false
        });
        events
    }

    /// The window of a peer, begun where there is none.
    fn window(&mut self, key: Key, now: Mono) -> &mut Window {
        let ends = now + Duration::from_secs(EVENT_REFUSED_SECONDS);
        if now >= self.ends_from {
            self.windows.retain(|_, window| window.ends > now || window.counted > 0);
            self.ends_from = self.windows.values().map(|window| window.ends).min().unwrap_or(ends);
        }
        let is_known = self.windows.contains_key(&key) || self.windows.len() < EVENT_REFUSED_PEERS_MAX;
        let key = if is_known { key } else { (key.0, None) };
        self.windows.entry(key).or_insert(Window { ends, said: 0, counted: 0, last: None })
    }
}

/// The peer of a refusal; `None` for other events.
fn key(event: &Event) -> Option<Key> {
    let (kind, peer) = match event {
        Event::ConnectionBroken(refused) => (Kind::Broken, &refused.peer),
        Event::Refused(refused) if refused.closed => (Kind::End, &refused.peer),
        Event::Refused(refused) => (Kind::Refusal, &refused.peer),
        Event::Login(login) if !login.ok => (Kind::Login, &login.peer),
        _ => return None,
    };
    Some((kind, peer.parse::<SocketAddr>().ok().map(|peer| network_of(peer.ip()))))
}

/// Whether an event is a refusal or a failed login.
pub(super) fn is_refusal(event: &Event) -> bool {
    matches!(event, Event::Refused(_) | Event::ConnectionBroken(_)) || matches!(event, Event::Login(login) if !login.ok)
}

fn counting(event: Event, counted: u64) -> Event {
    match event {
        Event::ConnectionBroken(mut refused) => {
            refused.count = counted;
            Event::ConnectionBroken(refused)
        }
        Event::Refused(mut refused) => {
            refused.count = counted;
            Event::Refused(refused)
        }
        Event::Login(mut login) => {
            login.count = counted;
            Event::Login(login)
        }
        other => other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::event::{Login, Refused};
    use crate::base::settings::Service;

    pub(crate) fn refused(peer: &str, reason: &str) -> Event {
        Event::Refused(Box::new(Refused {
            service: Service::Mx,
            peer: peer.to_owned(),
            user: String::new(),
            helo: "c".to_owned(),
            stage: "rcpt",
            code: 550,
            enhanced: "5.1.1".to_owned(),
            reason: reason.to_owned(),
            closed: false,
            from: "a@b".to_owned(),
            to: vec!["c@d".to_owned()],
            count: 1,
        }))
    }

    fn login(peer: &str, ok: bool) -> Event {
        let (peer, user) = (peer.to_owned(), "bob".to_owned());
        let (stage, enhanced, reason) = ("auth", "5.7.8", "wrong password");
        Event::Login(Login {
            service: Service::Submission,
            peer,
            user,
            stage,
            ok,
            code: 535,
            enhanced,
            reason,
            count: 1,
        })
    }

    fn seconds(n: u64) -> Mono {
        Mono(0) + Duration::from_secs(n)
    }

    #[test]
    fn a_flood_is_counted_by_peer() {
        let mut refusals = Refusals::default();
        let mut said = 0;
        for n in 0..EVENT_REFUSED_PER_PEER_MAX + 30 {
            let event = refused("[2001:db8::1]:25", &n.to_string());
            said += u64::from(refusals.pass(event.clone(), seconds(n % 50), true) == Passage::Say(event));
        }
        assert_eq!(said, EVENT_REFUSED_PER_PEER_MAX);
        // Of the same /64, a failed login apart, another peer, and what is no refusal.
        assert_eq!(refusals.pass(refused("[2001:db8::2]:25", "last"), seconds(50), true), Passage::Counted);
        for event in [login("[2001:db8::1]:25", false), refused("192.0.2.1:4", "x"), login("[2001:db8::1]:25", true)] {
            assert_eq!(refusals.pass(event.clone(), seconds(50), true), Passage::Say(event));
        }
        assert_eq!((refusals.next(), refusals.due(seconds(59), 9)), (Some(seconds(60)), Vec::new()));
        assert_eq!(refusals.due(seconds(60), 0), Vec::new());
        let due = refusals.due(seconds(60), 9);
        let [Event::Refused(refused)] = &due[..] else { panic!("{due:?}") };
        assert_eq!((refused.count, refused.reason.as_str()), (31, "last"));
        assert_eq!(refusals.next(), None);
        // A new minute.
        assert!(matches!(refusals.pass(login("[2001:db8::1]:25", false), seconds(61), true), Passage::Say(_)));
    }

    #[test]
    fn without_room_all_are_counted_and_none_is_lost() {
        let mut refusals = Refusals::default();
        for _ in 0..5 {
            assert_eq!(refusals.pass(login("192.0.2.1:1", false), seconds(0), false), Passage::Counted);
        }
        // In order: what was counted before is not overtaken.
        assert_eq!(refusals.pass(login("192.0.2.1:1", false), seconds(1), true), Passage::Counted);
        assert!(matches!(&refusals.rest()[..], [Event::Login(login)] if login.count == 6));
        assert!(refusals.rest().is_empty());
    }

    #[test]
    fn memory_is_bounded() {
        let mut refusals = Refusals::default();
        let peers = EVENT_REFUSED_PEERS_MAX as u32 + 100;
        let mut said = 0;
        for n in 0..peers {
            let event = refused(&format!("{}:1", std::net::Ipv4Addr::from(n)), "x");
            said += u64::from(matches!(refusals.pass(event, seconds(0), true), Passage::Say(_)));
        }
        assert!(refusals.windows.len() <= EVENT_REFUSED_PEERS_MAX + 3);
        assert_eq!(said, EVENT_REFUSED_PEERS_MAX as u64 + EVENT_REFUSED_PER_PEER_MAX);
        let rest = refusals.rest();
        assert!(matches!(&rest[..], [Event::Refused(refused)] if refused.count == 100 - EVENT_REFUSED_PER_PEER_MAX));
        // What is over and was said makes room.
        refusals.pass(refused("192.0.2.1:1", "x"), seconds(61), true);
        assert_eq!(refusals.windows.len(), 1);
    }
}
