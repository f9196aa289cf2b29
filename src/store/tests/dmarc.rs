//! Observations for aggregate reports: counted in memory, written together, reported once.

use super::*;
use crate::base::limits::{DMARC_OBSERVED_WAITING, DMARC_OBSERVED_WAITING_MAX, DMARC_REPORT_ROWS_MAX};
use crate::feedback::{Checked, Disposition, Reason, ReasonKind, Row};

fn seen(day: i64, domain: &str, source: u32) -> Observation {
    let row = Row {
        source: IpAddr::from(source.to_be_bytes()),
        count: 1,
        disposition: Disposition::Reject,
        dkim_aligned: false,
        spf_aligned: true,
        reasons: vec![Reason::new(ReasonKind::MailingList, "a list")],
        header_from: "a.example.org".to_owned(),
        envelope_from: String::new(),
        envelope_to: String::new(),
        dkim: vec![Checked::new("fail", "example.org", "s1"), Checked::new("none", "", "")],
        spf: vec![Checked::new("pass", "example.org", "mfrom")],
    };
    let record = format!("v=DMARC1; p=reject; rua=mailto:a@{domain}");
    Observation { day, policy_domain: domain.to_owned(), record, row }
}

#[test]
fn observations_are_counted_together_and_reported_once() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let mut watch = store.watch_feedback();
        store.dmarc_observe(seen(5, "example.org", 1));
        watch.changed().await;
        for (day, source) in [(5, 1), (5, 2), (6, 1)] {
            store.dmarc_observe(seen(day, "example.org", source));
        }
        assert_eq!((store.dmarc_waiting(), store.dmarc_oldest().await.unwrap()), (3, None));
        store.dmarc_flush().await.unwrap();
        store.dmarc_observe(Observation { record: "v=DMARC1; p=none".to_owned(), ..seen(5, "example.org", 1) });
        store.dmarc_flush().await.unwrap();
        store.close().await.unwrap();
        let store = place.open().await;
        assert_eq!(store.dmarc_oldest().await.unwrap(), Some(5));
        assert_eq!(store.dmarc_due(5).await.unwrap(), None, "the day is not over");
        let due = store.dmarc_due(6).await.unwrap().unwrap();
        assert_eq!((due.day, due.policy_domain.as_str(), due.record.as_str()), (5, "example.org", "v=DMARC1; p=none"));
        assert_eq!(due.rows.len(), 2);
        assert_eq!(due.rows[0], Row { count: 3, ..seen(5, "", 1).row });
        let report = || arrival("report", vec![filing(inbox)]);
        store.dmarc_reported(5, "example.org".to_owned(), report()).await.unwrap();
        let again = store.dmarc_reported(5, "example.org".to_owned(), report()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.snapshot(inbox).await.unwrap().uids.len(), 1, "the second was not filed");
        // What comes too late does not make a second report.
        store.dmarc_observe(seen(5, "example.org", 9));
        store.dmarc_flush().await.unwrap();
        assert_eq!(store.dmarc_due(7).await.unwrap().unwrap().day, 6);
        store.dmarc_forget(7).await.unwrap();
        assert_eq!(store.dmarc_due(9).await.unwrap(), None);
        let left: i64 = place
            .sqlite()
            .query_row("SELECT (SELECT count(*) FROM dmarc_policy) + (SELECT count(*) FROM dmarc_observed)", [], |r| {
                r.get(0)
            })
            .unwrap();
        assert_eq!(left, 0);
        store.close().await.unwrap();
    });
}

#[test]
fn what_waits_is_bounded_and_so_is_a_report() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let mut watch = store.watch_feedback();
        let (half, most) = (DMARC_OBSERVED_WAITING as u32, DMARC_OBSERVED_WAITING_MAX as u32);
        (0..half - 1).for_each(|source| store.dmarc_observe(seen(5, "example.org", source)));
        watch.changed().await;
        store.dmarc_observe(seen(5, "example.org", half));
        // Many are a reason to look again.
        watch.changed().await;
        (half..=most).for_each(|source| store.dmarc_observe(seen(5, "example.org", source)));
        assert_eq!(store.dmarc_waiting(), DMARC_OBSERVED_WAITING_MAX);
        let mut next = 0;
        for _ in 0..=DMARC_REPORT_ROWS_MAX / DMARC_OBSERVED_WAITING_MAX {
            (next..next + most).for_each(|source| store.dmarc_observe(seen(5, "example.org", source)));
            store.dmarc_flush().await.unwrap();
            next += most;
        }
        let due = store.dmarc_due(6).await.unwrap().unwrap();
        assert_eq!(due.rows.len(), DMARC_REPORT_ROWS_MAX);
        store.close().await.unwrap();
    });
}
