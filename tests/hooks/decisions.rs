//! What the host decides is what happens, and what the peer hears.

use std::thread;

use mailcore::base::event::Event;
use mailcore::base::{Enhanced, Error, ErrorKind, Result, Service};
use mailcore::engine::{Hook, Hooks};
use mailcore::intake::hook::{Decision, Point, Policy, Question, Refusal};
use mailcore::mailauth::dmarc::DmarcResult;

use crate::test_engine::{TestEngine, address, calling, hand_in, on_message, reply, subject, to_bob};
use crate::wire::{self, Wire};

/// Decides what the subject says.
pub fn by_subject(question: &Question) -> Result<Decision> {
    assert_eq!(question.policy, Policy::Accept);
    assert_eq!((question.client.service, question.point()), (Service::Mx, Point::Message));
    assert_eq!(question.client.hello, "client.far.example");
    assert_eq!(question.envelope.reverse_path, Some(address("alice@far.example")));
    assert!(question.peer().is_loopback() && question.size() > 20);
    Ok(match subject(question).as_str() {
        "accept" => Decision::Accept,
        "junk" => Decision::Junk,
        "reject" => {
            Decision::Refuse(Refusal::new(554, Some(Enhanced::new(5, 7, 27)), "No f\u{fc}r\nnow: zur\u{fc}ck")?)
        }
        "defer" => Decision::Refuse(Refusal::new(450, None, "")?),
        "redirect" => Decision::Redirect(address("carol@example.net")),
        "redirect far" => Decision::Redirect(address("dan@far.example")),
        "redirect nowhere" => Decision::Redirect(address("nobody@example.net")),
        "fail" => return Err(Error::new(ErrorKind::Invalid, "I cannot say")),
        _ => Decision::Policy,
    })
}

/// Both ways decide the same: what the peer hears, and where the mail is.
fn decisions_are_kept(test: &TestEngine) {
    let mx = test.listen(Service::Mx);
    for (subject, options, heard, bob, carol) in [
        ("policy", "", &["250 2.0.0 Ok: filed as "][..], (1, 0), (0, 0)),
        ("accept", "", &["250 2.0.0 Ok: filed as "], (2, 0), (0, 0)),
        ("junk", "", &["250 2.0.0 Ok: filed as "], (2, 1), (0, 0)),
        ("reject", "", &["554-5.7.27 No f?r", "554 5.7.27 now: zur?ck"], (2, 1), (0, 0)),
        ("reject", " SMTPUTF8", &["554-5.7.27 No f\u{fc}r", "554 5.7.27 now: zur\u{fc}ck"], (2, 1), (0, 0)),
        ("defer", "", &["450 4.7.1 Refused for now, try again later"], (2, 1), (0, 0)),
        ("redirect", "", &["250 2.0.0 Ok: filed as "], (2, 1), (1, 0)),
        ("redirect far", "", &["250 2.0.0 Ok: queued as "], (2, 1), (1, 0)),
    ] {
        let mut wire = hand_in(mx, "EHLO client.far.example", options, &["bob@example.net"], subject);
        let lines = reply(&mut wire);
        assert_eq!(lines.len(), heard.len(), "{lines:?}");
        for (line, beginning) in lines.iter().zip(heard) {
            assert!(line.starts_with(beginning), "{subject}: {line}");
        }
        // The session goes on.
        wire.say("NOOP", "250");
        assert_eq!((test.kept("bob@example.net"), test.kept("carol@example.net")), (bob, carol), "{subject}");
    }
}

#[test]
fn a_function_decides() {
    let test = TestEngine::new(on_message(calling(by_subject)), &[]);
    decisions_are_kept(&test);
}

#[test]
fn an_answer_to_an_event_decides() {
    let test = TestEngine::new(on_message(Hook::Event), &[]);
    let engine = test.engine.clone();
    let answering = thread::spawn(move || {
        while let Some(said) = smol::block_on(engine.events().next_request()) {
            let Event::Request { id, hook } = said.event else { panic!("{said:?}") };
            assert_eq!(hook, "data");
            let decision = by_subject(&engine.request(id).unwrap()).unwrap();
            smol::block_on(engine.reply(id, decision)).unwrap();
            assert_eq!(smol::block_on(engine.reply(id, Decision::Accept)).unwrap_err().kind(), ErrorKind::State);
        }
    });
    decisions_are_kept(&test);
    drop(test);
    answering.join().unwrap();
}

#[test]
fn recipients_are_asked_about_one_by_one() {
    let by_address = |question: &Question| {
        let [recipient] = question.envelope.recipients.as_slice() else { panic!("{question:?}") };
        assert_eq!((question.point(), question.size()), (Point::Recipient, 99));
        assert_eq!(question.envelope.reverse_path, Some(address("alice@far.example")));
        Ok(match recipient.address.local() {
            "bob" => Decision::Policy,
            "bob+later" => Decision::Refuse(Refusal::new(450, Some(Enhanced::new(4, 7, 0)), "Grey")?),
            "bob+junk" => Decision::Junk,
            _ => Decision::Refuse(Refusal::new(550, None, "")?),
        })
    };
    let test = TestEngine::new(Hooks::default().with(Point::Recipient, calling(by_address)), &[]);
    let mut wire = Wire::connect(test.listen(Service::Mx));
    wire.expect("220");
    wire.say("EHLO client.far.example", "250");
    wire.say("MAIL FROM:<alice@far.example> SIZE=99", "250");
    wire.say("RCPT TO:<nobody@example.net>", "550 5.1.1");
    wire.say("RCPT TO:<carol@example.net>", "550 5.7.1 Refused");
    wire.say("RCPT TO:<bob+later@example.net>", "450 4.7.0 Grey");
    wire.say("RCPT TO:<bob+junk@example.net>", "451 4.3.0");
    assert_eq!(test.next_failure(), "a recipient cannot be junk, only a message");
    wire.say("RCPT TO:<bob@example.net>", "250");
    wire.say("DATA", "354");
    wire.send(b"From: a@far.example\r\n\r\n.\r\n");
    wire.expect("250");
    assert_eq!(test.kept("bob@example.net"), (1, 0));
}

#[test]
fn lmtp_hears_an_answer_for_each_recipient() {
    let hook = calling(|question| {
        assert_eq!(question.client.service, Service::Lmtp);
        Ok(match subject(question).as_str() {
            "junk" => Decision::Junk,
            "redirect" => Decision::Redirect(address("carol@example.net")),
            _ => Decision::Refuse(Refusal::new(550, None, "none of you")?),
        })
    });
    let test = TestEngine::new(on_message(hook), &[]);
    let lmtp = test.listen(Service::Lmtp);
    let both = ["bob@example.net", "carol@example.net"];
    for (subject, heard, bob, carol) in [
        ("no", "550 5.7.1 none of you", (0, 0), (0, 0)),
        ("junk", "250", (0, 1), (0, 1)),
        ("redirect", "250", (0, 1), (1, 1)),
    ] {
        let mut wire = hand_in(lmtp, "LHLO client.far.example", "", &both, subject);
        wire.expect(heard);
        wire.expect(heard);
        wire.say("NOOP", "250");
        assert_eq!((test.kept(both[0]), test.kept(both[1])), (bob, carol), "{subject}");
    }
}

#[test]
fn submissions_are_asked_about_with_their_account() {
    let hook = calling(|question| {
        assert_eq!(question.client.service, Service::Submission);
        let account = question.client.account.as_ref().map(|account| account.address.to_string());
        assert_eq!(account.as_deref(), Some("bob@example.net"));
        Ok(Decision::Refuse(Refusal::new(550, None, &subject(question))?))
    });
    let test = TestEngine::new(on_message(hook), &[]);
    let mut wire = Wire::connect(test.listen(Service::Submission));
    wire.expect("220");
    wire.say("EHLO laptop", "250");
    wire.say(&format!("AUTH PLAIN {}", wire::plain("bob@example.net", "secret")), "235");
    wire.say("MAIL FROM:<bob@example.net>", "250");
    wire.say("RCPT TO:<dan@far.example>", "250");
    wire.say("DATA", "354");
    wire.send(b"From: a@far.example\r\nSubject: virus\r\n\r\n.\r\n");
    wire.expect("550 5.7.1 virus");
    // What the host submits itself it is not asked about.
    smol::block_on(test.engine.send("", &["carol@example.net"], "Subject: x\r\n\r\n")).unwrap();
    assert_eq!(test.kept("carol@example.net"), (1, 0));
}

#[test]
fn the_host_sees_the_verdicts_and_outweighs_them() {
    let hook = calling(|question| {
        let verdicts = question.verdicts.as_ref().unwrap();
        assert_eq!((verdicts.dmarc.result, verdicts.from_domain.as_str()), (DmarcResult::Fail, "strict.example"));
        let Policy::Reject(reply) = &question.policy else { panic!("{:?}", question.policy) };
        assert_eq!(reply.code, 550);
        Ok(match subject(question).as_str() {
            "accept" => Decision::Accept,
            "junk" => Decision::Junk,
            _ => Decision::Policy,
        })
    });
    let test = TestEngine::new(on_message(hook), &[]);
    test.engine.dns_set(Some("_dmarc.strict.example"), Some("TXT"), Some("\"v=DMARC1; p=reject\""), 300).unwrap();
    let mx = test.listen(Service::Mx);
    let from = "\r\nFrom: boss@strict.example";
    to_bob(mx, &format!("policy{from}")).expect("550 5.7.26 ");
    assert_eq!(test.kept("bob@example.net"), (0, 0));
    to_bob(mx, &format!("junk{from}")).expect("250");
    assert_eq!(test.kept("bob@example.net"), (0, 1));
    to_bob(mx, &format!("accept{from}")).expect("250");
    assert_eq!(test.kept("bob@example.net"), (1, 1));
}
