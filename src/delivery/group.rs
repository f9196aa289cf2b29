//! Mail for a group: one copy, for all its members, by the queue. Its reverse-path is the group's own, so that what
//! comes back goes to the owner and not to who wrote, and its header says which list it came through (RFC 2369,
//! RFC 2919, RFC 8058).
//!
//! The copy bears Delivered-To with the group's address. A message that has it came through the group before: so groups
//! that are members of each other end.

use std::io;
use std::sync::Arc;

use super::wire::front;
use crate::base::{Content, Envelope, Error, Group, Recipient, Result, Timestamp, World};
use crate::message::compose::phrase;
use crate::message::fit;
use crate::message::header::{Field, fields};
use crate::os::aside::aside;
use crate::store::NewItem;

/// What a message gets that came through a group before.
pub const LOOP: &str = "Mail loop, the message came through this group before";

/// Fields that only the last group a message came through may have.
const OWN: [&str; 7] =
    ["List-Id", "List-Post", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Owner", "List-Help", "Precedence"];

/// Where the copies go and how long they are tried.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// Now.
    pub now: Timestamp,
    /// When those who did not get it are given up.
    pub expires: Timestamp,
}

/// Copies of a message for groups, ready for the queue; `None` for a group it came through before, and nothing for one
/// without members. `Store` where the content cannot be read.
pub async fn copies(
    world: &World,
    groups: &[Arc<Group>],
    envelope: &Envelope,
    content: &Content,
    term: Term,
) -> Result<Vec<Option<NewItem>>> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let read = content.clone();
    let front = aside(&*world.run, false, move || front(&read)).await?;
    let front = front.map_err(|e: io::Error| Error::of_disk("scratch file", &e))?;
    let copy =
        |group: &Arc<Group>| (!came_through(group, &front)).then(|| item(group, envelope, &front, content, term));
    Ok(groups.iter().map(copy).collect())
}

fn came_through(group: &Group, front: &[u8]) -> bool {
    let (address, id) = (group.address.key(), group.id());
    let is_mark = |field: Field<'_>| {
        let text = String::from_utf8_lossy(field.body);
        let text = text.trim();
        match field.is("Delivered-To") {
            true => crate::base::Address::parse(text).is_ok_and(|to| to.key() == address),
            false => field.is("List-Id") && text.to_lowercase().ends_with(&format!("<{}>", id.to_lowercase())),
        }
    };
    fields(front).any(is_mark)
}

fn item(group: &Group, envelope: &Envelope, front: &[u8], content: &Content, term: Term) -> NewItem {
    let without = match fit::received(front, |field| OWN.iter().any(|name| field.is(name))) {
        Some(header) => content.with_front(header.octets, header.replaced),
        None => content.clone(),
    };
    let recipients: Vec<_> = group.members.iter().cloned().map(Recipient::new).collect();
    let smtputf8 = envelope.smtputf8 || group.address.needs_smtputf8();
    let reverse_path = Some(group.reverse_path());
    // Another envelope: what its sender asked for ends here (RFC 3461 §5.2.7.3).
    let envelope = Envelope { reverse_path, recipients, body: envelope.body, smtputf8, ..Envelope::default() };
    let content = without.with_front(header(group).into_bytes(), 0);
    NewItem { envelope, content, submitter: None, created: term.now, due: term.now, expires: term.expires }
}

/// The fields that a group puts on top.
fn header(group: &Group) -> String {
    let mut text = format!("Delivered-To: {}\r\n", group.address);
    let name = group.name.as_deref().map(phrase).unwrap_or_default();
    let space = if name.is_empty() { "" } else { "\r\n\t" };
    text.push_str(&format!("List-Id: {name}{space}<{}>\r\n", group.id()));
    if group.post {
        if let Some(address) = group.address.to_ascii() {
            text.push_str(&format!("List-Post: <mailto:{}>\r\n", in_uri(&address)));
        }
    } else {
        text.push_str("List-Post: NO\r\n");
    }
    if !group.unsubscribe.is_empty() {
        let all: Vec<_> = group.unsubscribe.iter().map(|uri| format!("<{uri}>")).collect();
        text.push_str(&format!("List-Unsubscribe: {}\r\n", all.join(",\r\n\t")));
    }
    if group.one_click {
        text.push_str("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n");
    }
    text.push_str("Precedence: list\r\n");
    text
}

/// An address in a `mailto:` (RFC 6068 §2).
fn in_uri(address: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~@!$'*+".contains(c);
    let written = |c: char| if plain(c) { c.to_string() } else { format!("%{:02X}", u32::from(c)) };
    address.chars().map(written).collect()
}
