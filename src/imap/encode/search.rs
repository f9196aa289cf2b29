//! SEARCH, SORT and ESEARCH responses (RFC 3501 §7.2.5, RFC 9051 §7.3.4, RFC 4731, RFC 5256 §4, RFC 5267 §3,
//! RFC 7162 §3.1.5, RFC 9394 §3.1).

use crate::base::quoted;
use crate::imap::command::Returns;
use crate::imap::response::{mailbox as mailbox_name, number};

/// `* VANISHED 41,43:116`, in lines of bounded length; `earlier` for what went before the client came back (RFC 7162
/// §3.2.10).
pub fn vanished(out: &mut Vec<u8>, ranges: &[(u32, u32)], earlier: bool) {
    for ranges in ranges.chunks(VANISHED_RANGES_MAX) {
        out.extend_from_slice(if earlier { b"* VANISHED (EARLIER) ".as_slice() } else { b"* VANISHED " });
        for (at, (low, high)) in ranges.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            number(out, *low);
            if low < high {
                out.push(b':');
                number(out, *high);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Ranges of one VANISHED line.
const VANISHED_RANGES_MAX: usize = 1_000;

/// What a search found.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// Message numbers or UIDs: ascending, or in the order that SORT wants.
    pub numbers: &'a [u32],
    /// The highest MODSEQ among what is answered, where MODSEQ was a key.
    pub mod_seq: Option<u64>,
    /// Whether the numbers are UIDs.
    pub uids: bool,
    /// How well each message fits, from 1 to 100, where that is told.
    pub relevancy: &'a [u8],
}

/// `* SEARCH 2 84 882 (MODSEQ 917162500)`
pub fn search(out: &mut Vec<u8>, found: &Found<'_>) {
    numbers(out, "SEARCH", found);
}

/// `* SORT 2 84 882`
pub fn sort(out: &mut Vec<u8>, found: &Found<'_>) {
    numbers(out, "SORT", found);
}

fn numbers(out: &mut Vec<u8>, name: &str, found: &Found<'_>) {
    out.extend_from_slice(b"* ");
    out.extend_from_slice(name.as_bytes());
    for n in found.numbers {
        out.push(b' ');
        number(out, *n);
    }
    if let (Some(mod_seq), false) = (found.mod_seq, found.numbers.is_empty()) {
        out.extend_from_slice(b" (MODSEQ ");
        number(out, mod_seq);
        out.push(b')');
    }
    out.extend_from_slice(b"\r\n");
}

/// `* ESEARCH (TAG "A282") UID MIN 2 COUNT 3`; nothing of what cannot be said of nothing.
pub fn esearch(out: &mut Vec<u8>, tag: &str, returns: Returns, found: &Found<'_>) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted::put(out, tag.as_bytes());
    out.push(b')');
    results(out, returns, found);
    out.extend_from_slice(b"\r\n");
}

/// `* ESEARCH (TAG "tag1" MAILBOX "folder1" UIDVALIDITY 1) UID ALL 4001,4003` (RFC 7377 §2.1).
pub fn multisearch(
    out: &mut Vec<u8>,
    tag: &str,
    mailbox: (&str, u32),
    utf8: bool,
    returns: Returns,
    found: &Found<'_>,
) {
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted::put(out, tag.as_bytes());
    out.extend_from_slice(b" MAILBOX ");
    mailbox_name(out, mailbox.0, utf8);
    out.extend_from_slice(b" UIDVALIDITY ");
    number(out, mailbox.1);
    out.push(b')');
    results(out, returns, found);
    out.extend_from_slice(b"\r\n");
}

/// What changed in a result that is kept up to date: positions, 0 where the client finds them itself, with what is to
/// be put there or taken from there, in this order.
pub fn update(out: &mut Vec<u8>, tag: &str, uids: bool, word: &str, changes: &[(usize, Vec<u32>)]) {
    if changes.is_empty() {
        return;
    }
    out.extend_from_slice(b"* ESEARCH (TAG ");
    quoted::put(out, tag.as_bytes());
    out.push(b')');
    out.extend_from_slice(if uids { b" UID " } else { b" " });
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b" (");
    for (index, (position, numbers)) in changes.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        number(out, *position as u64);
        out.push(b' ');
        set(out, numbers);
    }
    out.extend_from_slice(b")\r\n");
}

/// What stands behind the correlators of an ESEARCH response.
fn results(out: &mut Vec<u8>, returns: Returns, found: &Found<'_>) {
    if found.uids {
        out.extend_from_slice(b" UID");
    }
    let mut item = |word: &str, n: u64| {
        out.extend_from_slice(word.as_bytes());
        number(out, n);
    };
    if let (Some(first), Some(last)) = (found.numbers.first(), found.numbers.last()) {
        if returns.min {
            item(" MIN ", u64::from(*first));
        }
        if returns.max {
            item(" MAX ", u64::from(*last));
        }
    }
    if returns.count {
        item(" COUNT ", found.numbers.len() as u64);
    }
    if returns.all && !found.numbers.is_empty() {
        out.extend_from_slice(b" ALL ");
        set(out, found.numbers);
    }
    if let Some(range) = returns.partial {
        let sign = if range.from_end { "-" } else { "" };
        out.extend_from_slice(format!(" PARTIAL ({sign}{}:{sign}{} ", range.one, range.other).as_bytes());
        match found.numbers.get(range.places(found.numbers.len())) {
            Some(numbers) if !numbers.is_empty() => set(out, numbers),
            _ => out.extend_from_slice(b"NIL"),
        }
        out.push(b')');
    }
    if returns.relevancy {
        out.extend_from_slice(b" RELEVANCY (");
        for (index, score) in told_scores(returns, found).iter().enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            number(out, u64::from(*score));
        }
        out.push(b')');
    }
    if let (Some(mod_seq), false) = (found.mod_seq, found.numbers.is_empty()) {
        out.extend_from_slice(b" MODSEQ ");
        number(out, mod_seq);
    }
}

/// The scores of the messages that are told: of a part of them where only that is asked for.
fn told_scores<'a>(returns: Returns, found: &Found<'a>) -> &'a [u8] {
    match returns.partial {
        Some(range) => found.relevancy.get(range.places(found.relevancy.len())).unwrap_or_default(),
        None => found.relevancy,
    }
}

/// Ascending numbers as a sequence set: `1:3,7`.
pub fn set(out: &mut Vec<u8>, numbers: &[u32]) {
    for (i, run) in numbers.chunk_by(|a, b| a.checked_add(1) == Some(*b)).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        if let (Some(first), Some(last)) = (run.first(), run.last()) {
            number(out, *first);
            if last > first {
                out.push(b':');
                number(out, *last);
            }
        }
    }
}

/// Numbers in the order given as a sequence set: COPYUID pairs them with others, so they may not be sorted.
pub fn set_in_order(numbers: &[u32]) -> String {
    let mut out = Vec::new();
    set(&mut out, numbers);
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn plain() {
        let found = |numbers, mod_seq| Found { numbers, mod_seq, uids: false, relevancy: &[] };
        assert_eq!(written(|out| search(out, &found(&[], Some(7)))), "* SEARCH\r\n");
        assert_eq!(written(|out| search(out, &found(&[2, 84], None))), "* SEARCH 2 84\r\n");
        assert_eq!(written(|out| search(out, &found(&[2], Some(9)))), "* SEARCH 2 (MODSEQ 9)\r\n");
    }

    #[test]
    fn extended() {
        let returns = Returns { min: true, max: true, all: true, count: true, ..Returns::default() };
        let found = Found { numbers: &[1, 2, 3, 7, 9, 10], mod_seq: None, uids: true, relevancy: &[] };
        let want = "* ESEARCH (TAG \"a\") UID MIN 1 MAX 10 COUNT 6 ALL 1:3,7,9:10\r\n";
        assert_eq!(written(|out| esearch(out, "a", returns, &found)), want);
        let none = Found { numbers: &[], mod_seq: Some(3), uids: false, relevancy: &[] };
        assert_eq!(written(|out| esearch(out, "a", returns, &none)), "* ESEARCH (TAG \"a\") COUNT 0\r\n");
        let one = Found { numbers: &[u32::MAX], mod_seq: Some(3), uids: false, relevancy: &[] };
        let all = Returns { all: true, ..Returns::default() };
        assert_eq!(written(|out| esearch(out, "a", all, &one)), "* ESEARCH (TAG \"a\") ALL 4294967295 MODSEQ 3\r\n");
    }

    #[test]
    fn sorted_results_keep_their_order() {
        let found = Found { numbers: &[5, 3, 4, 1, 2], mod_seq: None, uids: false, relevancy: &[] };
        assert_eq!(written(|out| sort(out, &found)), "* SORT 5 3 4 1 2\r\n");
        let returns = Returns { min: true, max: true, all: true, ..Returns::default() };
        let want = "* ESEARCH (TAG \"a\") MIN 5 MAX 2 ALL 5,3:4,1:2\r\n";
        assert_eq!(written(|out| esearch(out, "a", returns, &found)), want);
        let none = Found { numbers: &[], ..found };
        assert_eq!(written(|out| sort(out, &none)), "* SORT\r\n");
    }

    #[test]
    fn partial_results() {
        let found = Found { numbers: &[2, 3, 5, 8], mod_seq: None, uids: true, relevancy: &[] };
        let partial = |one, other, from_end| {
            let partial = Some(crate::imap::command::Partial { one, other, from_end });
            written(|out| esearch(out, "A", Returns { partial, ..Returns::default() }, &found))
        };
        assert_eq!(partial(1, 3, false), "* ESEARCH (TAG \"A\") UID PARTIAL (1:3 2:3,5)\r\n");
        assert_eq!(partial(1, 2, true), "* ESEARCH (TAG \"A\") UID PARTIAL (-1:-2 5,8)\r\n");
        assert_eq!(partial(5, 9, false), "* ESEARCH (TAG \"A\") UID PARTIAL (5:9 NIL)\r\n");
    }

    #[test]
    fn scores_and_updates() {
        let found = Found { numbers: &[5, 10, 1], mod_seq: None, uids: false, relevancy: &[99, 42, 4] };
        let returns = Returns { all: true, relevancy: true, ..Returns::default() };
        let want = "* ESEARCH (TAG \"C2\") ALL 5,10,1 RELEVANCY (99 42 4)\r\n";
        assert_eq!(written(|out| esearch(out, "C2", returns, &found)), want);
        let want = "* ESEARCH (TAG \"B01\") UID ADDTO (0 32768:32769)\r\n";
        assert_eq!(written(|out| update(out, "B01", true, "ADDTO", &[(0, vec![32768, 32769])])), want);
        let want = "* ESEARCH (TAG \"C01\") REMOVEFROM (3 9 1 7)\r\n";
        assert_eq!(written(|out| update(out, "C01", false, "REMOVEFROM", &[(3, vec![9]), (1, vec![7])])), want);
        assert_eq!(written(|out| update(out, "C01", false, "ADDTO", &[])), "");
    }

    #[test]
    fn order_is_kept_for_copyuid() {
        assert_eq!(set_in_order(&[304, 319, 320, 1]), "304,319:320,1");
    }
}
