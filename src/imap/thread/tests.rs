//! Threads: RFC 5256's rules one by one, and mailboxes made to be slow.

use super::*;

/// A message: its id, what it answers, when it was sent, its base subject, whether that was a reply's.
type Said<'a> = (&'a str, &'a str, i64, &'a str, bool);

fn id(text: &str) -> Id {
    let mut id = [0; 16];
    id.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    Id(id)
}

fn shown(algorithm: ThreadAlgorithm, messages: &[Said<'_>]) -> String {
    let references: Vec<Vec<Id>> = messages.iter().map(|said| said.1.split_whitespace().map(id).collect()).collect();
    let members: Vec<Member<'_>> = messages
        .iter()
        .zip(&references)
        .map(|((name, _, sent, subject, is_reply), references)| Member {
            id: (!name.is_empty()).then(|| id(name)),
            references,
            sent: *sent,
            arrived: *sent,
            subject,
            is_reply: *is_reply,
        })
        .collect();
    let threads = threads(algorithm, &members);
    let mut out = Vec::new();
    threads.write(&mut out, 0..threads.count(), |place| place as u32 + 1);
    String::from_utf8(out).unwrap()
}

#[test]
fn ordered_subjects() {
    let show = |messages: &[Said<'_>]| shown(ThreadAlgorithm::OrderedSubject, messages);
    assert_eq!(show(&[]), "");
    let said = |subject, sent| ("", "", sent, subject, false);
    assert_eq!(show(&[said("b", 3), said("a", 2), said("b", 1)]), "(3 1)(2)");
    assert_eq!(show(&[said("b", 1), said("b", 5), said("b", 2), said("a", 0)]), "(4)(1 (3)(2))");
    // One date: the order of the mailbox.
    assert_eq!(show(&[said("b", 1), said("a", 1), said("b", 1)]), "(1 3)(2)");
}

#[test]
fn references_make_parents() {
    let show = |messages: &[Said<'_>]| shown(ThreadAlgorithm::References, messages);
    for (messages, want) in [
        (&[("a", "", 1, "", false), ("b", "a", 2, "", false), ("c", "a b", 3, "", false)][..], "(1 2 3)"),
        // The answer came first.
        (&[("b", "a", 2, "", false), ("a", "", 1, "", false)], "(2 1)"),
        // Two answers.
        (&[("a", "", 1, "", false), ("b", "a", 3, "", false), ("c", "a", 2, "", false)], "(1 (3)(2))"),
        // Siblings of a message that is not there; a chain of such.
        (&[("b", "x", 2, "", false), ("c", "x", 1, "", false)], "((2)(1))"),
        (&[("b", "x", 2, "", false)], "(1)"),
        (&[("b", "x y z", 2, "", false), ("c", "x w v", 1, "", false), ("d", "z", 3, "", false)], "((2)(1)(3))"),
        (&[("a", "", 1, "", false), ("b", "a x y", 2, "", false)], "(1 2)"),
        // The same id twice: the first has it.
        (&[("a", "", 1, "", false), ("a", "", 2, "", false), ("b", "a", 3, "", false)], "(1 3)(2)"),
        // Loops.
        (&[("a", "b", 1, "", false), ("b", "a", 2, "", false)], "(2 1)"),
        (&[("a", "a", 1, "", false)], "(1)"),
        (&[("a", "b c a", 1, "", false), ("c", "a b", 2, "", false)], "(1 2)"),
        // The link that a message names itself counts more than what others say of it.
        (&[("c", "a b", 3, "", false), ("b", "x", 2, "", false), ("a", "", 1, "", false)], "(3)(2 1)"),
        (&[("a", "", 1, "", false), ("b", "", 2, "", false), ("c", "a b", 3, "", false)], "(1 2 3)"),
        // No id: a thread of its own.
        (&[("", "", 2, "", false), ("", "", 1, "", false)], "(2)(1)"),
    ] {
        assert_eq!(show(messages), want, "{messages:?}");
    }
}

#[test]
fn subjects_bring_threads_together() {
    let show = |messages: &[Said<'_>]| shown(ThreadAlgorithm::References, messages);
    for (messages, want) in [
        // A reply becomes the child of what is none, in either order.
        (&[("a", "", 1, "s", false), ("b", "", 2, "s", true)][..], "(1 2)"),
        (&[("b", "", 1, "s", true), ("a", "", 2, "s", false)], "(2 1)"),
        // Two that are alike become siblings.
        (&[("a", "", 1, "s", false), ("b", "", 2, "s", false)], "((1)(2))"),
        (&[("a", "", 1, "s", true), ("b", "", 2, "s", true), ("c", "", 3, "s", true)], "((1)(2)(3))"),
        // Under what holds siblings together.
        (&[("a", "x", 1, "s", true), ("b", "x", 2, "t", true), ("c", "", 3, "s", false)], "((1)(2)(3))"),
        (
            &[("a", "x", 1, "s", true), ("b", "x", 2, "t", true), ("c", "y", 3, "s", true), ("d", "y", 4, "u", true)],
            "((1)(2)(3)(4))",
        ),
        (&[("a", "", 1, "", false), ("b", "", 2, "", false)], "(1)(2)"),
        // RFC 5256 §3, an answer within a thread does not stand for it.
        (&[("a", "", 1, "s", false), ("b", "a", 2, "t", true), ("c", "", 3, "t", false)], "(1 2)(3)"),
    ] {
        assert_eq!(show(messages), want, "{messages:?}");
        let refs = shown(ThreadAlgorithm::Refs, messages);
        assert!(!refs.contains(" ") || messages.iter().any(|said| !said.1.is_empty()), "{refs}");
    }
}

#[test]
fn refs_stand_in_the_order_of_the_latest_arrival() {
    let messages = [("a", "", 1, "s", false), ("b", "", 2, "s", true), ("c", "a", 3, "s", true)];
    assert_eq!(shown(ThreadAlgorithm::Refs, &messages), "(2)(1 3)");
    assert_eq!(shown(ThreadAlgorithm::References, &messages), "(1 (2)(3))");
}

#[test]
fn the_answer_of_the_rfc() {
    // RFC 5256 §4: (2)(3 6 (4 23)(44 7 96)), by places.
    let messages = [
        ("2", "", 1, "", false),
        ("3", "", 2, "", false),
        ("4", "6", 4, "", false),
        ("6", "3", 3, "", false),
        ("7", "44", 6, "", false),
        ("23", "4", 5, "", false),
        ("44", "6", 5, "", false),
        ("96", "7", 7, "", false),
    ];
    assert_eq!(shown(ThreadAlgorithm::References, &messages), "(1)(2 4 (3 6)(7 5 8))");
}

#[test]
fn deep_and_wide_threads_take_no_recursion_and_little_time() {
    let n = 20_000;
    let ids: Vec<Id> = (0..n).map(|n: u32| id(&n.to_string())).collect();
    let member = |place: usize, references| Member { id: ids.get(place).copied(), references, ..Member::default() };
    let chain: Vec<Member<'_>> = (0..n as usize).map(|at| member(at, &ids[at.saturating_sub(1)..at])).collect();
    let backwards: Vec<Member<'_>> = chain.iter().rev().copied().collect();
    let wide: Vec<Member<'_>> = (0..n as usize).map(|at| member(at, &ids[..at.min(1)])).collect();
    for members in [chain, backwards, wide] {
        for algorithm in [ThreadAlgorithm::References, ThreadAlgorithm::Refs, ThreadAlgorithm::OrderedSubject] {
            let threads = threads(algorithm, &members);
            let mut out = Vec::new();
            threads.write(&mut out, 0..threads.count(), |place| place as u32 + 1);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).count(), n as usize);
        }
    }
}
