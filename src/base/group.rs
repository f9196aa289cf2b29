//! A group: an address whose mail goes to its members, each copy with the group's own reverse-path.
//!
//! Kept and exchanged as JSON, like the settings of domains.

use serde_json::{Map, Value};

use super::document::{Members, wrong};
use super::domain_settings::{address, line, senders};
use super::limits::{GROUP_MEMBERS_MAX, GROUP_NAME_OCTETS_MAX, GROUP_UNSUBSCRIBE_MAX, GROUP_URI_OCTETS_MAX};
use super::{Address, Domain, Result};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its address.
    pub address: Address,
    /// Who gets its mail: accounts, addresses elsewhere, aliases, other groups. Each once.
    pub members: Vec<Address>,
    /// Who may write to it.
    pub writers: Writers,
    /// Who may write beside its members: keys of addresses, `@domain` for all of a domain.
    pub senders: Vec<String>,
    /// Who gets what comes back.
    pub owner: Address,
    /// Its name for people, in List-Id.
    pub name: Option<String>,
    /// What List-Id says; `None`: its address with a dot in the place of the `@`.
    pub list_id: Option<String>,
    /// Whether List-Post names it.
    pub post: bool,
    /// What List-Unsubscribe names: `mailto:` and `https:`.
    pub unsubscribe: Vec<String>,
    /// Whether the `https:` one is for one click (RFC 8058).
    pub one_click: bool,
}

/// Who may write to a group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Writers {
    /// Anybody.
    #[default]
    Anyone,
    /// Members and listed senders.
    Members,
    /// Listed senders.
    Listed,
    /// Those whose message the program accepts (its answer to `data`).
    Program,
}

impl Writers {
    const NAMES: [(Writers, &'static str); 4] = [
        (Writers::Anyone, "anyone"),
        (Writers::Members, "members"),
        (Writers::Listed, "listed"),
        (Writers::Program, "program"),
    ];

    fn word(self) -> &'static str {
        Self::NAMES.iter().find(|(one, _)| *one == self).map_or("", |(_, word)| word)
    }
}

/// What stands between a group's name and `owner` in the reverse-path of its copies.
const OWNER_SUFFIX: &str = "-owner";

/// The address of the group whose owner's address this is, if it has the form of one.
pub fn group_of_owner(address: &Address) -> Option<Address> {
    let name = address.local().strip_suffix(OWNER_SUFFIX).filter(|name| !name.is_empty())?;
    Some(address.with_local(name))
}

impl Group {
    /// The reverse-path of its copies: what comes back goes to its owner.
    pub fn reverse_path(&self) -> Address {
        let of_group = format!("{}{OWNER_SUFFIX}", self.address.local());
        // A name too long for the suffix: its owner gets what comes back directly.
        let with_suffix = self.address.with_local(&of_group);
        Address::parse(&with_suffix.to_string()).unwrap_or_else(|_| self.owner.clone())
    }

    /// What List-Id says, without angle brackets.
    pub fn id(&self) -> String {
        let own = || {
            let fits = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
            let local: String = self.address.local().to_lowercase().chars().map(fits).collect();
            format!("{}.{}", local.trim_matches('.'), self.address.domain().key())
        };
        self.list_id.clone().unwrap_or_else(own)
    }

    /// Reads a group. `Invalid` for what is no member of one, and without an owner.
    pub fn read(group: Address, mut members: Members) -> Result<Group> {
        let place = members.place("members");
        let mut known = std::collections::BTreeSet::new();
        let mut list = Vec::new();
        for text in members.texts("members", GROUP_MEMBERS_MAX)? {
            let member = Address::parse(&text).map_err(|e| wrong(&place, format!("{text:?}: {e}")))?;
            if known.insert(member.key()) {
                list.push(member);
            }
        }
        let word = members.text("writers")?;
        let writers = match &word {
            None => Writers::Anyone,
            Some(word) => {
                let found = Writers::NAMES.iter().find(|(_, name)| name == word).map(|(writers, _)| *writers);
                found.ok_or_else(|| wrong(&members.place("writers"), "none of anyone, members, listed, program"))?
            }
        };
        let senders = senders(&mut members, "senders")?;
        let owner = address(&mut members, "owner")?.ok_or_else(|| wrong(&members.place("owner"), "missing"))?;
        let name = line(&mut members, "name", GROUP_NAME_OCTETS_MAX)?;
        let list_id = members.text("list_id")?;
        if list_id.as_ref().is_some_and(|id| !id.contains('.') || Domain::parse(id).is_err() || !id.is_ascii()) {
            return Err(wrong(&members.place("list_id"), "no name with a dot, as List-Id wants it"));
        }
        let post = members.switch("post")?.unwrap_or(true);
        let unsubscribe = members.texts("unsubscribe", GROUP_UNSUBSCRIBE_MAX)?;
        if !unsubscribe.iter().all(|uri| is_uri(uri)) {
            return Err(wrong(&members.place("unsubscribe"), "not a list of mailto: and https:"));
        }
        let one_click = members.switch("one_click")?.unwrap_or(false);
        if one_click && !unsubscribe.iter().any(|uri| uri.starts_with("https:")) {
            return Err(wrong(&members.place("one_click"), "needs an https: in unsubscribe (RFC 8058)"));
        }
        members.finish()?;
        let (address, members) = (group, list);
        Ok(Group { address, members, writers, senders, owner, name, list_id, post, unsubscribe, one_click })
    }

    /// The same as JSON, without its address.
    pub fn to_value(&self) -> Value {
        let texts = |list: &[Address]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("members", texts(&self.members).into());
        put("owner", self.owner.to_string().into());
        put("writers", self.writers.word().into());
        if !self.senders.is_empty() {
            put("senders", self.senders.clone().into());
        }
        for (name, text) in [("name", &self.name), ("list_id", &self.list_id)] {
            if let Some(text) = text {
                put(name, text.as_str().into());
            }
        }
        if !self.post {
            put("post", false.into());
        }
        if !self.unsubscribe.is_empty() {
            put("unsubscribe", self.unsubscribe.clone().into());
        }
        if self.one_click {
            put("one_click", true.into());
        }
        Value::Object(members)
    }
}

/// Whether a text can stand between angle brackets as what unsubscribes.
fn is_uri(text: &str) -> bool {
    let known = ["mailto:", "https:"].iter().any(|scheme| text.starts_with(scheme));
    known && text.len() <= GROUP_URI_OCTETS_MAX && text.chars().all(|c| c.is_ascii_graphic() && !"<>,\"".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Group> {
        Group::read(Address::parse("Staff@example.org").unwrap(), Members::parse(text)?)
    }

    #[test]
    fn groups_come_back_as_they_were_written() {
        for text in [
            "{\"members\":[],\"owner\":\"o@example.org\",\"writers\":\"anyone\"}",
            "{\"members\":[\"a@x.example\"],\"owner\":\"o@example.org\",\"writers\":\"listed\",\
             \"senders\":[\"@x.example\"],\
             \"name\":\"All of us\",\"list_id\":\"all.example.org\",\"post\":false,\
             \"unsubscribe\":[\"mailto:leave@example.org\",\"https://example.org/u\"],\"one_click\":true}",
        ] {
            let again: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read(text).unwrap().to_value(), again);
        }
        let group = read("{\"members\":[\"a@X.example\",\"A@x.example\"],\"owner\":\"o@x.example\"}").unwrap();
        assert_eq!((group.members.len(), group.id().as_str()), (1, "staff.example.org"));
        assert_eq!(group.reverse_path().to_string(), "Staff-owner@example.org");
        let back = group_of_owner(&group.reverse_path()).unwrap();
        assert_eq!(back.key(), "staff@example.org");
    }

    #[test]
    fn wrong_groups_are_refused() {
        for (text, place) in [
            ("{\"members\":[]}", "owner"),
            ("{\"owner\":\"a@x\",\"members\":[\"b\"]}", "members"),
            ("{\"owner\":\"a@x\",\"writers\":\"nobody\"}", "writers"),
            ("{\"owner\":\"a@x\",\"list_id\":\"a>\\r\\nX: b.c\"}", "list_id"),
            ("{\"owner\":\"a@x\",\"name\":\"a\\r\\nX: b\"}", "name"),
            ("{\"owner\":\"a@x\",\"unsubscribe\":[\"http://x\"]}", "unsubscribe"),
            ("{\"owner\":\"a@x\",\"unsubscribe\":[\"https://x>\"]}", "unsubscribe"),
            ("{\"owner\":\"a@x\",\"unsubscribe\":[\"mailto:a@x\"],\"one_click\":true}", "one_click"),
            ("{\"owner\":\"a@x\",\"colour\":\"red\"}", "colour"),
        ] {
            let e = read(text).unwrap_err();
            assert!(e.text().starts_with(&format!("{place}: ")), "{text}: {}", e.text());
        }
    }
}
