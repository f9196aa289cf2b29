//! Addresses that get no mail, levels of TLS, results of TLS, TLS reports, Message-IDs.

use super::*;

fn suppressed(account: i64, address: &str, until: i64) -> Suppressed {
    Suppressed {
        account,
        address: address.to_owned(),
        reason: "manual".to_owned(),
        detail: "asked for it".to_owned(),
        since: Timestamp(1),
        until: Timestamp(until),
    }
}

#[test]
fn suppressed_addresses_hold_for_their_time_and_their_account() {
    run(|place| async move {
        let (store, bob, _) = with_bob(&place).await;
        let ask = async |account, address: &str, now| {
            let address = Address::parse(address).unwrap();
            store.suppressed(account, vec![address], Timestamp(now)).await.unwrap().remove(0)
        };
        store.suppressed_review(Timestamp(0)).await.unwrap();
        assert_eq!(ask(None, "a@x.org", 0).await, None);
        store.suppress(suppressed(EVERYBODY, "a@x.org", 100)).await.unwrap();
        store.suppress(suppressed(bob.0, "@y.org", 0)).await.unwrap();
        assert_eq!(ask(None, "A@X.org", 99).await, Some(suppressed(EVERYBODY, "a@x.org", 100)));
        assert_eq!(ask(Some(bob), "a@x.org", 99).await, Some(suppressed(EVERYBODY, "a@x.org", 100)));
        assert_eq!(ask(None, "a@x.org", 100).await, None, "its time is over");
        assert_eq!(ask(None, "b@y.org", 5).await, None, "it is bob's alone");
        assert_eq!(ask(Some(bob), "b@y.org", 5).await, Some(suppressed(bob.0, "@y.org", 0)));
        let all = store.suppressed_rows((i64::MIN, String::new()), 9).await.unwrap();
        assert_eq!(all, [suppressed(EVERYBODY, "a@x.org", 100), suppressed(bob.0, "@y.org", 0)]);
        assert_eq!(store.suppressed_rows((EVERYBODY, "a@x.org".to_owned()), 9).await.unwrap(), all[1..]);
        store.suppressed_review(Timestamp(100)).await.unwrap();
        let gone = store.unsuppress(EVERYBODY, "a@x.org".to_owned()).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
        store.account_delete("bob@example.net").await.unwrap();
        assert_eq!(store.suppressed_rows((i64::MIN, String::new()), 9).await.unwrap(), []);
        store.close().await.unwrap();
    });
}

#[test]
fn tls_results_are_counted_together_and_reported_once() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let seen = |day, domain: &str, failure: &str| TlsResultRow {
            day,
            domain: domain.to_owned(),
            policy: "{}".to_owned(),
            failure: failure.to_owned(),
            sessions: 1,
        };
        for (day, domain, failure) in [(5, "a.org", ""), (5, "a.org", ""), (5, "a.org", "x"), (6, "b.org", "")] {
            store.tls_observe(seen(day, domain, failure));
        }
        assert_eq!(store.tls_waiting(), 3);
        store.tls_flush().await.unwrap();
        store.tls_observe(seen(5, "a.org", ""));
        store.tls_flush().await.unwrap();
        let first = (i64::MIN, String::new());
        assert_eq!(store.tls_due(5, first.clone()).await.unwrap(), None, "the day is not over");
        let due = store.tls_due(6, first.clone()).await.unwrap().unwrap();
        assert_eq!(due, (5, "a.org".to_owned()));
        assert_eq!(store.tls_due(6, due.clone()).await.unwrap(), None);
        let rows = store.tls_results(5, "a.org".to_owned()).await.unwrap();
        assert_eq!(rows, [TlsResultRow { sessions: 3, ..seen(5, "a.org", "") }, seen(5, "a.org", "x")]);
        let notes = || Notes { tls_reported: Some(due.clone()), ..Notes::default() };
        store.accept_noting(arrival("report", vec![filing(inbox)]), notes()).await.unwrap();
        let again = store.accept_noting(arrival("report", vec![filing(inbox)]), notes()).await;
        assert_eq!(again.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(store.tls_due(9, first.clone()).await.unwrap(), Some((6, "b.org".to_owned())));
        store.tls_forget(7).await.unwrap();
        assert_eq!(store.tls_due(9, first).await.unwrap(), None);
        store.close().await.unwrap();
    });
}

#[test]
fn levels_reports_and_message_ids_are_kept_and_forgotten() {
    run(|place| async move {
        let (store, _, inbox) = with_bob(&place).await;
        let level = TlsLevel { host: "mx.a.org".to_owned(), is_verified: true, seen: Timestamp(50) };
        store.tls_level_put(TlsLevel { is_verified: false, ..level.clone() }).await.unwrap();
        store.tls_level_put(level.clone()).await.unwrap();
        assert_eq!(store.tls_level("mx.a.org".to_owned()).await.unwrap(), Some(level));
        let notes = Notes { unread_report: true, ..Notes::default() };
        store.accept_noting(arrival("a letter", vec![filing(inbox)]), notes).await.unwrap();
        let blob = store.dmarc_unread().await.unwrap().unwrap();
        let report = TlsReportRow {
            organization: "o".to_owned(),
            report_id: "1".to_owned(),
            domain: "a.org".to_owned(),
            arrived: Timestamp(40),
            succeeded: 3,
            failed: 1,
            report: "{}".to_owned(),
            ..TlsReportRow::default()
        };
        let id = store.tls_read(blob, report.clone()).await.unwrap().unwrap();
        assert_eq!(store.dmarc_unread().await.unwrap(), None);
        assert_eq!(store.tls_read(blob, report.clone()).await.unwrap(), None, "it is there already");
        assert_eq!(store.tls_reports(0, 9).await.unwrap(), [TlsReportRow { id, ..report }]);
        assert_eq!(store.sent_item("m@x".to_owned()).await.unwrap(), None);
        let never = Timestamp(i64::MAX);
        store.tls_prune(Timestamp(40), Timestamp(50), never).await.unwrap();
        assert_eq!(store.tls_reports(0, 9).await.unwrap().len(), 1);
        assert!(store.tls_level("mx.a.org".to_owned()).await.unwrap().is_some());
        store.tls_prune(Timestamp(41), Timestamp(51), never).await.unwrap();
        assert_eq!(store.tls_reports(0, 9).await.unwrap(), []);
        assert_eq!(store.tls_level("mx.a.org".to_owned()).await.unwrap(), None);
        store.close().await.unwrap();
    });
}
