//! Filing: how a message comes to rest in accounts here. The only place that does it, for mail that comes in, for mail
//! submitted here, for what the queue finds to live here, and for reports.
//!
//! What is done for an account is an [`Action`]; rules of accounts (filters, quotas, forwarding) become actions before
//! they come here. Every message filed has exactly one Return-Path, the envelope's (RFC 5321 §4.4).

use std::io;
use std::sync::Arc;

use super::local;
use crate::base::limits::FILE_INLINE_OCTETS_MAX;
use crate::base::world::World;
use crate::base::{Account, Address, Body, Content, Error, ErrorKind, Flags, MailboxId, Result, SpecialUse, Timestamp};
use crate::message::fit;
use crate::os::aside::aside;
use crate::store::{Arrival, Filing, Store};

/// What is done with a message for one account.
#[derive(Debug, Clone)]
pub struct Action {
    /// The account.
    pub account: Arc<Account>,
    /// What is put into its mailboxes.
    pub copies: Vec<Copy>,
}

/// One copy of a message in an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where it goes.
    pub place: Place,
    /// System flags it starts with.
    pub flags: Flags,
    /// Keywords it starts with.
    pub keywords: Vec<String>,
}

/// A place in an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// INBOX.
    Inbox,
    /// The mailbox for this use; INBOX where the account has none.
    Special(SpecialUse),
    /// This mailbox.
    Mailbox(MailboxId),
}

impl Action {
    /// One unread copy.
    pub fn to(place: Place, account: Arc<Account>) -> Action {
        Action { account, copies: vec![Copy { place, flags: Flags::NONE, keywords: Vec::new() }] }
    }
}

/// The arrival of a message, ready for a transaction; `None` where nothing is to be filed. `Store` where the content
/// cannot be read. Long contents are read on a computing thread.
pub async fn file(
    world: &World,
    store: &Store,
    actions: &[Action],
    reverse_path: Option<&Address>,
    content: Content,
    now: Timestamp,
) -> Result<Option<Arrival>> {
    let filings = filings(store, actions, now).await?;
    if filings.is_empty() {
        return Ok(None);
    }
    let return_path = return_path(reverse_path);
    let inline = matches!(content.body, Body::Memory(_)) && content.len() <= FILE_INLINE_OCTETS_MAX;
    let arrival =
        aside(&*world.run, inline, move || local::arrival(with(return_path, &content)?, filings, now)).await?;
    arrival.map(Some).map_err(|e| Error::new(ErrorKind::Store, format!("scratch file: {e}")).with_errno_of(&e))
}

/// Where the copies go.
async fn filings(store: &Store, actions: &[Action], now: Timestamp) -> Result<Vec<Filing>> {
    let mut filings = Vec::with_capacity(actions.len());
    for action in actions {
        for copy in &action.copies {
            let mailbox = match copy.place {
                Place::Inbox => action.account.inbox,
                Place::Mailbox(mailbox) => mailbox,
                Place::Special(special_use) => {
                    let found = store.mailboxes_for(vec![action.account.id], special_use).await?;
                    found.into_iter().next().flatten().unwrap_or(action.account.inbox)
                }
            };
            let filing = Filing { mailbox, flags: copy.flags, keywords: copy.keywords.clone(), internal_date: now };
            if !filings.contains(&filing) {
                filings.push(filing);
            }
        }
    }
    Ok(filings)
}

/// The Return-Path field.
fn return_path(reverse_path: Option<&Address>) -> Vec<u8> {
    let path = reverse_path.map_or(String::new(), Address::to_string);
    format!("Return-Path: <{path}>\r\n").into_bytes()
}

/// The content with this field on top, and without the fields of that name that came with it.
fn with(field: Vec<u8>, content: &Content) -> io::Result<Content> {
    let front = super::wire::front(content)?;
    let content = match fit::received(&front, |field| field.is("Return-Path")) {
        Some(header) => content.with_front(header.octets, header.replaced),
        None => content.clone(),
    };
    Ok(content.with_front(field, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_return_path() {
        let path = Address::parse("\"a b\"@x.org").unwrap();
        let ours = "Return-Path: <\"a b\"@x.org>\r\n";
        assert_eq!(return_path(Some(&path)), ours.as_bytes());
        assert_eq!(return_path(None), b"Return-Path: <>\r\n");
        for (prefix, body, wanted) in [
            ("", "", ""),
            ("", "A: b\r\n\r\nReturn-Path: in the body", "A: b\r\n\r\nReturn-Path: in the body"),
            ("Received: x\r\n", "Return-Path: <e>\r\nA: b\r\n\r\nc", "Received: x\r\nA: b\r\n\r\nc"),
            ("Received: x\r\n", "A: b\r\nreturn-path :\r\n <e>\r\n\r\nc", "Received: x\r\nA: b\r\n\r\nc"),
            ("Return-Path: <e>\r\nA: b\r\n\r\n", "Return-Path: <e>", "A: b\r\n\r\nReturn-Path: <e>"),
            ("Return-Path: <e>\r\n", "A: b\r\n\r\nc", "A: b\r\n\r\nc"),
            ("Received: x\r\n", "just a body", "Received: x\r\n\r\njust a body"),
        ] {
            let content = Content { prefix: prefix.into(), ..Content::from_octets(body) };
            let filed = with(return_path(Some(&path)), &content).unwrap().to_vec().unwrap();
            assert_eq!(String::from_utf8(filed).unwrap(), format!("{ours}{wanted}"), "{prefix:?} {body:?}");
        }
    }
}
