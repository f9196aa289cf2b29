//! Settings of domains and groups: all of them in memory, as of one commit. Beside the [`Directory`](super::Directory),
//! which says which domains, accounts and aliases there are.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Store;
use super::database::Read;
use super::transaction::WriteTx;
use crate::base::document::{Members, wrong};
use crate::base::limits::SRS_KEY_OCTETS;
use crate::base::{Address, DomainSettings, Group, Result};

/// What a row of the table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BookKind {
    /// Settings of a domain.
    Domain,
    /// A group.
    Group,
}

impl BookKind {
    /// As the table has it.
    pub fn number(self) -> i64 {
        match self {
            BookKind::Domain => 1,
            BookKind::Group => 2,
        }
    }

    /// The kind of a number; `None` for one that a newer engine knows.
    pub fn of(number: i64) -> Option<BookKind> {
        [BookKind::Domain, BookKind::Group].into_iter().find(|kind| kind.number() == number)
    }
}

/// Settings of domains, and groups, at one commit. Cloning shares them.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub(super) domains: BTreeMap<String, Arc<DomainSettings>>,
    pub(super) groups: BTreeMap<String, Arc<Group>>,
    /// What rewritten reverse-paths are proved with; made with the first domain that wants them.
    srs_key: Option<Arc<[u8]>>,
}

/// The name of the key among the settings of the store.
const SRS_KEY: &str = "srs.key";

impl Book {
    /// The settings of a domain (`Domain::key` form), where it has some.
    pub fn domain(&self, domain_key: &str) -> Option<&Arc<DomainSettings>> {
        self.domains.get(domain_key)
    }

    /// The group of this address (`Address::key` form).
    pub fn group(&self, address_key: &str) -> Option<&Arc<Group>> {
        self.groups.get(address_key)
    }

    /// What rewritten reverse-paths are proved with; `None` where no domain ever wanted them.
    pub fn srs_key(&self) -> Option<&[u8]> {
        self.srs_key.as_deref()
    }

    /// Reads all of it, and says what could not be read: a sentence each.
    pub(super) fn load(db: &dyn Read) -> Result<(Book, Vec<String>)> {
        let (mut book, mut set_aside) = (Book::default(), Vec::new());
        book.srs_key = db.setting(SRS_KEY)?.map(Arc::from);
        for (kind, name, document) in db.book()? {
            if let Err(e) = book.read(kind, &name, &document) {
                set_aside.push(format!("what is set for {name} cannot be read and is set aside: {}", e.text()));
            }
        }
        Ok((book, set_aside))
    }

    fn read(&mut self, kind: BookKind, name: &str, document: &str) -> Result<()> {
        let mut members = Members::parse(document)?;
        match kind {
            BookKind::Domain => {
                self.domains.insert(name.to_owned(), Arc::new(DomainSettings::read(members)?));
            }
            BookKind::Group => {
                let address = group_address(&mut members)?;
                self.groups.insert(name.to_owned(), Arc::new(Group::read(address, members)?));
            }
        }
        Ok(())
    }
}

/// An object with one more member.
pub(super) fn with_member(mut object: Value, name: &str, text: &str) -> Value {
    if let Value::Object(members) = &mut object {
        members.insert(name.to_owned(), text.into());
    }
    object
}

fn group_address(members: &mut Members) -> Result<Address> {
    let text = members.text("address")?.unwrap_or_default();
    Address::parse(&text).map_err(|e| wrong("address", e))
}

impl Store {
    /// Settings of domains, and groups, as of the last commit.
    pub fn book(&self) -> Arc<Book> {
        self.shared().book()
    }
}

impl WriteTx<'_> {
    /// Sets the settings of a domain, or takes them away.
    pub(super) fn put_domain_settings(&mut self, domain: &str, settings: Option<&DomainSettings>) -> Result<()> {
        match settings {
            Some(settings) => {
                if settings.srs {
                    self.make_srs_key()?;
                }
                self.db.book_put(BookKind::Domain, domain, &settings.to_value().to_string())?;
                self.book_mut().domains.insert(domain.to_owned(), Arc::new(settings.clone()));
            }
            None => {
                self.db.book_remove(BookKind::Domain, domain)?;
                self.book_mut().domains.remove(domain);
            }
        }
        Ok(())
    }

    fn make_srs_key(&mut self) -> Result<()> {
        if self.book().srs_key.is_none() {
            let mut key = [0; SRS_KEY_OCTETS];
            self.shared.world.entropy.fill(&mut key);
            self.db.setting_put(SRS_KEY, Some(&key))?;
            self.book_mut().srs_key = Some(Arc::from(key.as_slice()));
        }
        Ok(())
    }

    /// Makes or changes the group of an address, or removes it.
    pub(super) fn put_group(&mut self, key: &str, group: Option<&Group>) -> Result<()> {
        match group {
            Some(group) => {
                // The key has lost how it is written.
                let document = with_member(group.to_value(), "address", &group.address.to_string());
                self.db.book_put(BookKind::Group, key, &document.to_string())?;
                self.book_mut().groups.insert(key.to_owned(), Arc::new(group.clone()));
            }
            None => {
                self.db.book_remove(BookKind::Group, key)?;
                self.book_mut().groups.remove(key);
            }
        }
        Ok(())
    }

    /// Removes what is set for a domain that goes, and its groups.
    pub(super) fn forget_domain(&mut self, domain: &str) -> Result<()> {
        let book = self.book();
        if book.domains.contains_key(domain) {
            self.put_domain_settings(domain, None)?;
        }
        for (key, group) in &book.groups {
            if group.address.domain().key() == domain {
                self.put_group(key, None)?;
            }
        }
        Ok(())
    }
}
