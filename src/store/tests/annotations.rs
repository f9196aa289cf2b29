//! Annotations of mailboxes and accounts.

use super::*;
use crate::base::limits::{ANNOTATIONS_MAX, ANNOTATIONS_OCTETS_MAX};

fn set(values: &[(&str, Option<&[u8]>)]) -> Annotating {
    let values = values.iter().map(|(entry, value)| ((*entry).to_owned(), value.map(<[u8]>::to_vec))).collect();
    Annotating { values, ..Annotating::default() }
}

#[test]
fn annotations_last_and_go_with_what_they_are_of() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let changes = store.annotation_changes(bob);
        let mut watch = store.watch_mailboxes(bob);
        let first = set(&[("/private/comment", Some(b"a\0b")), ("/shared/comment", Some(b""))]);
        let revision = store.annotate(bob, Some(inbox), first).await.unwrap();
        assert_ne!(store.annotation_changes(bob), changes);
        assert!(smol::future::poll_once(watch.changed()).await.is_some());
        let last = store.annotate(bob, None, set(&[("/private/x", Some(b"y"))])).await.unwrap();
        assert!(last > revision);
        let other = store.mailbox_create(bob, "Other", None).await.unwrap().id;
        store.annotate(bob, Some(other), set(&[("/private/comment", Some(b"z"))])).await.unwrap();
        store.annotate(bob, Some(inbox), set(&[("/shared/comment", None)])).await.unwrap();
        store.mailbox_rename(bob, "Other", "Another").await.unwrap();
        store.close().await.unwrap();
        let store = place.open().await;
        let told = store.annotations(bob, Some(inbox)).await.unwrap();
        assert_eq!(told, [Annotation { entry: "/private/comment".into(), value: b"a\0b".to_vec(), revision }]);
        assert_eq!(store.annotations(bob, Some(other)).await.unwrap().len(), 1);
        assert_eq!(store.annotations(bob, None).await.unwrap()[0].value, b"y");
        assert_eq!(store.annotation_keys(bob).await.unwrap().len(), 3);
        store.mailbox_delete(bob, "Another").await.unwrap();
        idle(&place, &store).await;
        assert_eq!(store.annotation_keys(bob).await.unwrap().len(), 2);
        let gone = store.annotate(bob, Some(other), set(&[("/private/comment", Some(b"z"))])).await;
        assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_special_use_is_given_with_them() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let change = Annotating { special_use: Some(Some(SpecialUse::Archive)), ..set(&[("/private/a", Some(b"b"))]) };
        store.annotate(bob, Some(inbox), change).await.unwrap();
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().special_use, Some(SpecialUse::Archive));
        let change = Annotating { special_use: Some(None), ..Annotating::default() };
        store.annotate(bob, Some(inbox), change).await.unwrap();
        assert_eq!(store.mailbox(bob, "INBOX").await.unwrap().unwrap().special_use, None);
    });
}

#[test]
fn annotations_at_their_limits() {
    run(|place| async move {
        let (store, bob, inbox) = with_bob(&place).await;
        let names: Vec<String> = (0..=ANNOTATIONS_MAX).map(|n| format!("/private/{n}")).collect();
        let all: Vec<_> = names.iter().map(|name| (name.as_str(), Some(&b"x"[..]))).collect();
        let refused = store.annotate(bob, Some(inbox), set(&all)).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limit);
        assert!(store.annotations(bob, Some(inbox)).await.unwrap().is_empty());
        store.annotate(bob, Some(inbox), set(&all[1..])).await.unwrap();
        // What is there can be changed and removed.
        store.annotate(bob, Some(inbox), set(&[("/private/1", Some(b"yy")), ("/private/2", None)])).await.unwrap();
        let large = vec![0; ANNOTATIONS_OCTETS_MAX as usize];
        let refused = store.annotate(bob, None, set(&[("/private/x", Some(&large))])).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limit);
    });
}
