//! Events as JSON objects: what stands in `detail`. `docs/events.md` lists every event and field; a test here compares.

use super::json::Json;
use crate::base::event::{Event, Login, Outcome, Refused, RemoteReport};
use crate::engine::events::Said;

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Deferred => "deferred",
        Outcome::Failed => "failed",
        Outcome::Expired => "expired",
    }
}

fn of_report(json: Json, report: &RemoteReport) -> Json {
    let json = match report.id {
        Some(id) => json.number("id", id.0),
        None => json,
    };
    json.text("matched", report.matched)
        .text("kind", report.kind)
        .text("recipient", &report.recipient)
        .text("class", report.class)
        .text("rule", report.rule)
        .number("code", report.code)
        .text("enhanced", &report.enhanced)
        .text("text", &report.text)
        .text("reporter", &report.reporter)
        .text("message_id", &report.message_id)
        .text("envelope_id", &report.envelope_id)
        .switch("suppressed", report.suppressed)
}

/// The event as a JSON object, `event`, `seq` and `time_ms` first.
pub(crate) fn json(said: &Said) -> Json {
    let head = |name: &str| Json::new().text("event", name).number("seq", said.sequence).number("time_ms", said.at.0);
    match &said.event {
        Event::Started => head("started"),
        Event::Stopped => head("stopped"),
        Event::Queued { id, from, to, size } => {
            head("queued").number("id", id.0).text("from", from).texts("to", to).number("size", *size)
        }
        Event::Filed { account, address, mailbox, mailbox_name, uid, size, origin } => head("filed")
            .number("account", account.0)
            .text("address", address)
            .number("mailbox", mailbox.0)
            .text("mailbox_name", mailbox_name)
            .number("uid", *uid)
            .number("size", *size)
            .text("from", &origin.from)
            .text("peer", &origin.peer)
            .text("verdicts", &origin.verdicts)
            .text("trace", &origin.trace),
        Event::Attempted { id, recipient, outcome, host, code, enhanced, text, next } => {
            let json = head(outcome_name(*outcome)).number("id", id.0).text("recipient", recipient).text("host", host);
            let json = json.number("code", *code).text("enhanced", enhanced).text("text", text);
            match next {
                Some(next) => json.number("next_ms", next.0),
                None => json,
            }
        }
        Event::Bounced { id, report, to } => {
            let json = head("bounced").number("id", id.0).text("to", to);
            match report {
                Some(report) => json.number("report", report.0),
                None => json,
            }
        }
        Event::Login(login) => of_login(head("login"), login),
        Event::Refused(refused) => of_refused(head("refused"), refused),
        Event::Warning { about, text } => head("warning").text("about", about).text("text", text),
        Event::Store { down, text } => head("store").switch("down", *down).text("text", text),
        Event::Request { id, .. } => head("request").number("request", id),
        Event::HookFailed { hook, text } => head("hook_failed").text("hook", hook).text("text", text),
        Event::SessionBroken { text } => head("session_broken").text("text", text),
        Event::DmarcReport { id, domain, organization } => {
            head("dmarc_report").number("id", *id).text("domain", domain).text("reporter", organization)
        }
        Event::TlsReport { id, domain, organization } => {
            head("tls_report").number("id", *id).text("domain", domain).text("reporter", organization)
        }
        Event::Reported(report) => of_report(head("reported"), report),
        Event::Penalty { about, who, peer, cause, count, seconds } => head("penalty")
            .text("about", about)
            .text("who", who)
            .text("peer", peer)
            .text("cause", cause)
            .number("count", *count)
            .number("seconds", *seconds),
        Event::ConnectionBroken(broken) => of_broken(head("connection_broken"), broken),
        Event::Log { level, target, text } => {
            head("log").text("level", level).text("target", target).text("text", text)
        }
        Event::Dialog { service, peer, side, text } => head("dialog")
            .text("protocol", service.protocol())
            .text("service", service.name())
            .text("peer", peer)
            .text("side", side)
            .text("text", text),
        Event::Fatal { text } => head("fatal").text("text", text),
        Event::Overflow { dropped } => head("overflow").number("dropped", *dropped),
    }
}

fn of_login(head: Json, login: &Login) -> Json {
    head.text("protocol", login.service.protocol())
        .text("service", login.service.name())
        .text("peer", &login.peer)
        .text("user", &login.user)
        .text("stage", login.stage)
        .switch("ok", login.ok)
        .number("code", login.code)
        .text("enhanced", login.enhanced)
        .text("reason", login.reason)
        .number("count", login.count)
}

fn of_broken(head: Json, broken: &Refused) -> Json {
    head.text("protocol", broken.service.protocol())
        .text("service", broken.service.name())
        .text("peer", &broken.peer)
        .text("user", &broken.user)
        .text("stage", broken.stage)
        .text("reason", &broken.reason)
        .number("count", broken.count)
}

fn of_refused(head: Json, refused: &Refused) -> Json {
    head.text("protocol", refused.service.protocol())
        .text("service", refused.service.name())
        .text("peer", &refused.peer)
        .text("user", &refused.user)
        .text("helo", &refused.helo)
        .text("stage", refused.stage)
        .number("code", refused.code)
        .text("enhanced", &refused.enhanced)
        .text("reason", &refused.reason)
        .switch("closed", refused.closed)
        .text("from", &refused.from)
        .texts("to", &refused.to)
        .number("count", refused.count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base::event::Origin;
    use crate::base::settings::Service;
    use crate::base::{AccountId, MailboxId, QueueId, Timestamp};

    fn said(event: Event) -> Said {
        Said { sequence: 3, at: Timestamp(1_000), event }
    }

    fn text(text: &str) -> String {
        text.to_owned()
    }

    fn attempted(outcome: Outcome) -> Event {
        let (recipient, host, enhanced) = (text("c@d"), text("mx.d"), text("4.7.1"));
        let next = (outcome == Outcome::Deferred).then_some(Timestamp(5));
        let text = text("later\r\n\u{1}");
        Event::Attempted { id: QueueId(7), recipient, outcome, host, code: 451, enhanced, text, next }
    }

    fn refused() -> Refused {
        Refused {
            service: Service::Mx,
            peer: text("192.0.2.1:25"),
            user: String::new(),
            helo: text("c"),
            stage: "rcpt",
            code: 550,
            enhanced: text("5.1.1"),
            reason: text("No such user here"),
            closed: false,
            from: text("a@b"),
            to: vec![text("c@d")],
            count: 2,
        }
    }

    fn login() -> Login {
        Login {
            service: Service::Imaps,
            peer: text("192.0.2.1:25"),
            user: text("bob"),
            stage: "login",
            ok: false,
            code: 0,
            enhanced: "AUTHENTICATIONFAILED",
            reason: "wrong password",
            count: 1,
        }
    }

    /// One of each, with all fields.
    fn every_event() -> Vec<Event> {
        let origin = Origin { from: text("a@b"), peer: text("p"), verdicts: text("spf=pass"), trace: text("1f") };
        vec![
            Event::Started,
            Event::Stopped,
            Event::Queued { id: QueueId(7), from: text("a\"b@x"), to: vec![text("c@d"), text("e@f")], size: 9 },
            Event::Filed {
                account: AccountId(1),
                address: text("bob@x"),
                mailbox: MailboxId(2),
                mailbox_name: text("INBOX"),
                uid: 3,
                size: 4,
                origin,
            },
            attempted(Outcome::Delivered),
            attempted(Outcome::Deferred),
            attempted(Outcome::Failed),
            attempted(Outcome::Expired),
            Event::Bounced { id: QueueId(7), report: Some(QueueId(8)), to: text("a@b") },
            Event::Login(login()),
            Event::Refused(Box::new(refused())),
            Event::Warning { about: "certificate", text: text("old") },
            Event::Store { down: true, text: text("x") },
            Event::Request { id: 1, hook: "rcpt" },
            Event::HookFailed { hook: "rcpt", text: text("x") },
            Event::SessionBroken { text: text("x") },
            Event::Penalty {
                about: "address",
                who: text("192.0.2.1"),
                peer: text("192.0.2.1:9"),
                cause: "login",
                count: 30,
                seconds: 60,
            },
            Event::DmarcReport { id: 1, domain: text("d"), organization: text("o") },
            Event::TlsReport { id: 1, domain: text("d"), organization: text("o") },
            Event::Reported(Box::new(RemoteReport { id: Some(QueueId(7)), ..RemoteReport::default() })),
            Event::ConnectionBroken(Box::new(refused())),
            Event::Log { level: "warn", target: text("mailcore::tls"), text: text("x") },
            Event::Dialog { service: Service::Mx, peer: text("p"), side: "C", text: text("QUIT") },
            Event::Fatal { text: text("x") },
            Event::Overflow { dropped: 1 },
        ]
    }

    #[test]
    fn details_are_json() {
        let [_, _, queued, ..] = &every_event()[..] else { panic!() };
        assert_eq!(
            json(&said(queued.clone())).finish(),
            r#"{"event":"queued","seq":3,"time_ms":1000,"id":7,"from":"a\"b@x","to":["c@d","e@f"],"size":9}"#
        );
        let value = |event| -> serde_json::Value { serde_json::from_str(&json(&said(event)).finish()).unwrap() };
        let deferred = value(attempted(Outcome::Deferred));
        assert_eq!(
            (&deferred["event"], &deferred["text"], &deferred["next_ms"]),
            (&"deferred".into(), &"later\r\n\u{1}".into(), &5.into())
        );
        let refused = value(Event::Refused(Box::new(refused())));
        assert_eq!(
            (&refused["protocol"], &refused["to"][0], &refused["count"]),
            (&"smtp".into(), &"c@d".into(), &2.into())
        );
    }

    /// Two cells of each row of a table.
    type Cells = BTreeSet<(String, String)>;

    /// Event and field of every row of the second table; the constants of the first.
    fn documented() -> (Cells, Cells) {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md")).unwrap();
        let (mut fields, mut constants) = (BTreeSet::new(), BTreeSet::new());
        for line in page.lines().filter(|line| line.starts_with("| ")) {
            let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
            match (cells.len(), cells.get(1), cells.get(2)) {
                (5, Some(event), Some(field)) if field != "field" && field != "---" => {
                    assert!(fields.insert((event.clone(), field.clone())), "{line} stands twice");
                    assert!(!cells[3].is_empty(), "{line}");
                }
                (7, Some(event), Some(constant)) if constant.starts_with("MAILCORE_") => {
                    constants.insert((event.clone(), constant.clone()));
                }
                _ => {}
            }
        }
        (fields, constants)
    }

    #[test]
    fn every_event_and_field_is_documented() {
        let (fields, constants) = documented();
        let mut there = BTreeSet::new();
        let mut names = BTreeSet::new();
        for event in every_event() {
            let object: serde_json::Value = serde_json::from_str(&json(&said(event)).finish()).unwrap();
            let name = object["event"].as_str().unwrap().to_owned();
            for field in object.as_object().unwrap().keys() {
                let of = if ["event", "seq", "time_ms"].contains(&field.as_str()) { "all" } else { name.as_str() };
                there.insert((of.to_owned(), field.clone()));
            }
            names.insert(name);
        }
        // What a request has beside its id is described in `hooks`.
        let hooks = include_str!("hooks.rs");
        let (_, described) = hooks.split_once("pub(crate) fn describe(").unwrap();
        let described = described.split("\n}\n").next().unwrap();
        for word in ["text(\"", "texts(\"", "number(\"", "switch(\"", "member(\""] {
            for (at, _) in described.match_indices(word) {
                let field = described[at + word.len()..].split('"').next().unwrap();
                there.insert(("request".to_owned(), field.to_owned()));
            }
        }
        assert_eq!(fields.difference(&there).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in the code");
        assert_eq!(there.difference(&fields).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not documented");
        let documented: BTreeSet<_> = constants.iter().map(|(event, _)| event.clone()).collect();
        assert_eq!(documented, names);
    }

    /// An event that is missing in `every_event` is found here, and one without its constant.
    #[test]
    fn every_event_of_the_code_is_compared() {
        let code = include_str!("event_json.rs");
        let code = code.split("#[cfg(test)]").next().unwrap();
        let listed: BTreeSet<_> = documented().1.into_iter().map(|(event, _)| event).collect();
        for (at, _) in code.match_indices("head(\"") {
            let name = code[at + 6..].split('"').next().unwrap();
            assert!(listed.contains(name), "{name}");
        }
        let constants: BTreeSet<_> = documented().1.into_iter().map(|(_, constant)| constant).collect();
        let source = include_str!("event.rs");
        for (at, word) in source.match_indices("pub const MAILCORE_EVENT_") {
            let name = source[at + "pub const ".len()..].split(':').next().unwrap();
            assert!(name == "MAILCORE_EVENT_OTHER" || constants.contains(name), "{name} {word}");
        }
    }
}
