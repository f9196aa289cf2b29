//! Observations for aggregate reports: counted in memory, written together, reported once.

use super::*;
use crate::base::limits::{
    DMARC_OBSERVED_WAITING, DMARC_OBSERVED_WAITING_MAX, DMARC_REPORT_ROWS_MAX, DMARC_ROWS_PER_COMMIT,
};
use crate::feedback::{
    AggregateReport, Checked, Disposition, Period, PublishedPolicy, Reason, ReasonKind, ReportRow as Row,
};

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
        assert_eq!(store.dmarc_due(5, None).await.unwrap(), None, "the day is not over");
        let due = store.dmarc_due(6, None).await.unwrap().unwrap();
        assert_eq!((due.day, due.policy_domain.as_str(), due.record.as_str()), (5, "example.org", "v=DMARC1; p=none"));
        assert_eq!(due.rows.len(), 2);
        assert_eq!(due.rows[0], Row { count: 3, ..seen(5, "", 1).row });
        let report = || arrival("report", vec![filing(inbox)]);
        let after = Some((5, "example.org".to_owned()));
        assert_eq!(store.dmarc_due(6, after.clone()).await.unwrap(), None, "there is none behind it");
        let notes = Notes { reported: after, ..Notes::default() };
        store.accept_noting(report(), notes.clone()).await.unwrap();
        let again = store.accept_noting(report(), notes).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.snapshot(inbox).await.unwrap().count(), 1, "the second was not filed");
        // What comes too late does not make a second report.
        store.dmarc_observe(seen(5, "example.org", 9));
        store.dmarc_flush().await.unwrap();
        assert_eq!(store.dmarc_due(7, None).await.unwrap().unwrap().day, 6);
        store.dmarc_forget(7).await.unwrap();
        assert_eq!(store.dmarc_due(9, None).await.unwrap(), None);
        for day in 0..9 {
            assert_eq!(place.ask(|db| db.observed_totals(day)), (0, 0));
        }
        store.close().await.unwrap();
    });
}

#[test]
fn reports_that_came_are_read_once_and_kept_a_while() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let mut watch = store.watch_feedback();
        let notes = Notes { unread_report: true, ..Notes::default() };
        store.accept_noting(arrival("a letter", vec![filing(inbox)]), notes).await.unwrap();
        watch.changed().await;
        store.close().await.unwrap();
        let store = place.open().await;
        let blob = store.dmarc_unread().await.unwrap().unwrap();
        assert_eq!(store.body(blob, 0, 100).await.unwrap(), b"a letter");
        let rows = vec![seen(0, "", 1).row, Row { count: 5, spf_aligned: false, ..seen(0, "", 2).row }];
        let report = |id: &str, end| AggregateReport {
            organization: "receiver.example".to_owned(),
            report_id: id.to_owned(),
            period: Period { begin: 0, end },
            errors: vec!["one".to_owned(), "two".to_owned()],
            published: PublishedPolicy {
                domain: "example.org".to_owned(),
                nonexistent_policy: Some(Disposition::Reject),
                percent: Some(7),
                strict_spf: true,
                ..PublishedPolicy::default()
            },
            rows: rows.clone(),
            ..AggregateReport::default()
        };
        for (id, end, is_new) in [("1", 9, true), ("1", 9, false), ("2", 99, true)] {
            assert_eq!(
                store.dmarc_read(blob, Some(report(id, end)), Timestamp(5_000)).await.unwrap().is_some(),
                is_new,
                "{id}"
            );
        }
        assert_eq!(store.dmarc_unread().await.unwrap(), None);
        assert_eq!(store.dmarc_read(blob, None, Timestamp(1)).await.unwrap(), None);
        let listed = store.dmarc_reports(0, 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        let first = &listed[0];
        assert_eq!((first.messages, first.failed, first.row_count, first.arrived.0), (6, 5, 2, 5_000));
        assert_eq!(AggregateReport { rows: rows.clone(), ..first.report.clone() }, report("1", 9));
        assert_eq!(store.dmarc_reports(first.id, 10).await.unwrap().len(), 1);
        let records = store.dmarc_records(first.id, 0, 10).await.unwrap();
        assert_eq!(records, [(1, rows[0].clone()), (2, rows[1].clone())]);
        assert_eq!(store.dmarc_records(first.id, 1, 10).await.unwrap().len(), 1);
        store.dmarc_prune(Timestamp::from_seconds(50)).await.unwrap();
        let listed = store.dmarc_reports(0, 10).await.unwrap();
        assert_eq!(listed.iter().map(|info| info.report.report_id.as_str()).collect::<Vec<_>>(), ["2"]);
        assert!(store.dmarc_records(first.id, 0, 10).await.unwrap().is_empty());
        store.close().await.unwrap();
    });
}

#[test]
fn a_long_report_that_was_cut_short_is_completed() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        let rows: Vec<Row> = (0..DMARC_ROWS_PER_COMMIT as u32 + 5).map(|source| seen(0, "", source).row).collect();
        let report = AggregateReport { report_id: "long".to_owned(), rows, ..AggregateReport::default() };
        let read = |report: &AggregateReport| store.dmarc_read(BlobId(1), Some(report.clone()), Timestamp(1));
        assert_eq!(read(&report).await.unwrap(), Some(1));
        let count = |id| {
            let records = store.dmarc_records(id, 0, 10_000);
            async { records.await.unwrap().len() }
        };
        let listed = || async { store.dmarc_reports(0, 10).await.unwrap().len() };
        let cut_short = |id: i64| {
            place.edit(|db| db.report_rows_remove(id, 2_000).and_then(|()| db.report_complete(id, false)));
            async move { assert_eq!((count(id).await, listed().await), (2_000, 0)) }
        };
        let other = AggregateReport { rows: report.rows[..7].to_vec(), ..report.clone() };
        assert_eq!(read(&other).await.unwrap(), None, "what is complete stands");
        assert_eq!((count(1).await, listed().await), (report.rows.len(), 1));
        cut_short(1).await;
        assert_eq!(read(&report).await.unwrap(), Some(1));
        assert_eq!((count(1).await, listed().await), (report.rows.len(), 1));
        cut_short(1).await;
        assert_eq!(read(&other).await.unwrap(), Some(2), "what is not makes room for another of its name");
        assert_eq!((count(1).await, count(2).await, listed().await), (0, 7, 1));
        store.close().await.unwrap();
    });
}

/// Looks at a report's rows the moment it is listed.
#[test]
fn a_report_is_listed_with_all_its_rows() {
    run(|place| async move {
        let (store, ..) = with_bob(&place).await;
        for length in [1, DMARC_ROWS_PER_COMMIT, 3 * DMARC_ROWS_PER_COMMIT + 1] {
            let rows: Vec<Row> = (0..length as u32).map(|source| seen(0, "", source).row).collect();
            let report = AggregateReport { report_id: length.to_string(), rows, ..AggregateReport::default() };
            let last = store.dmarc_reports(0, 10).await.unwrap().last().map_or(0, |info| info.id);
            let reading = store.dmarc_read(BlobId(1), Some(report), Timestamp(1));
            let watching = async {
                loop {
                    if let Some(info) = store.dmarc_reports(last, 10).await.unwrap().first() {
                        return (info.id, store.dmarc_records(info.id, 0, 10_000).await.unwrap().len());
                    }
                }
            };
            let (id, seen) = smol::future::zip(reading, watching).await;
            assert_eq!((id.unwrap(), length), (Some(seen.0), seen.1));
        }
        store.close().await.unwrap();
    });
}

#[test]
fn a_store_of_the_first_schema_is_brought_up_with_what_is_in_it() {
    run_on_sqlite(|place| async move {
        fs::create_dir_all(&place.folder).unwrap();
        let db = place.sqlite();
        db.execute_batch(include_str!("../sqlite/schema.sql")).unwrap();
        db.execute_batch("INSERT INTO domain(name) VALUES ('example.net'); PRAGMA user_version = 1").unwrap();
        db.pragma_update(None, "application_id", 0x6d61_696c).unwrap();
        drop(db);
        let store = place.open().await;
        assert!(store.is_local_domain("example.net").await.unwrap());
        store.dmarc_observe(seen(5, "example.org", 1));
        store.dmarc_flush().await.unwrap();
        assert_eq!(store.dmarc_oldest().await.unwrap(), Some(5));
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
        let due = store.dmarc_due(6, None).await.unwrap().unwrap();
        assert_eq!(due.rows.len(), DMARC_REPORT_ROWS_MAX);
        store.close().await.unwrap();
    });
}
