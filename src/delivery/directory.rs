//! Where mail for an address of ours goes, and who may send as it: aliases, subaddresses, catch-alls, postmaster.
//!
//! Asked at RCPT and MAIL by `intake`, and once more by `queue` for what it finds to live here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::group::group_of_owner;
use crate::base::limits::ALIAS_EXPANSIONS_MAX;
use crate::base::settings::Sink;
use crate::base::{Account, Address, Domain, DomainSettings, Group, Recipient, Settings, Timestamp};
use crate::dsn::Typed;
use crate::store::{Book, Directory, Store};

use super::srs;

/// Where mail for one address goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Accounts here, each once.
    pub accounts: Vec<Arc<Account>>,
    /// Addresses elsewhere, each once.
    pub remote: Vec<Address>,
    /// Groups, each once.
    pub groups: Vec<Arc<Group>>,
}

impl Destinations {
    /// Whether mail goes nowhere.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.remote.is_empty() && self.groups.is_empty()
    }
}

/// Why mail for an address goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// Its domain is ours, nobody has the address.
    Unknown,
    /// Its aliases lead to more than `ALIAS_EXPANSIONS_MAX` steps.
    TooMany,
}

/// Which domains are ours.
pub trait Domains {
    /// Whether a domain (`Domain::key` form) is ours.
    fn is_local_domain(&self, domain_key: &str) -> bool;
}

/// What [`resolve`] needs to know of the directory.
pub trait Accounts: Domains {
    /// The account of an address (`Address::key` form).
    fn account(&self, address_key: &str) -> Option<Arc<Account>>;
    /// Targets of an alias, `name@domain` or `@domain`.
    fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>>;
    /// The first account, of this domain where it has one.
    fn first_account(&self, domain_key: &str) -> Option<Arc<Account>>;
    /// What a domain of ours has set, if anything.
    fn settings(&self, domain_key: &str) -> Option<&DomainSettings>;
    /// The group of an address (`Address::key` form).
    fn group(&self, address_key: &str) -> Option<&Arc<Group>>;
    /// Who gets what comes back to an address that was rewritten here.
    fn rewritten(&self, address: &Address) -> Option<Address>;
}

/// The directory as a question sees it, with what is set for domains and the groups.
#[derive(Clone, Copy)]
pub struct Known<'a, 'd> {
    /// Domains, accounts and aliases.
    pub directory: &'a Directory<'d>,
    /// Settings of domains, and groups.
    pub book: &'a Book,
    /// Now: rewritten reverse-paths are good for some days.
    pub now: Timestamp,
}

/// Answers a question about the directory, the settings of domains and the groups, as [`Store::look_up`] does.
pub async fn known<T>(store: &Store, ask: impl Fn(&Known<'_, '_>) -> T) -> crate::base::Result<T> {
    let (book, now) = (store.book(), store.wall());
    store.look_up(|directory| ask(&Known { directory, book: &book, now })).await
}

impl Known<'_, '_> {
    /// The reverse-path with which mail for `through`, an address here, is sent on to others: rewritten where its
    /// domain wants that and the sender is not of ours.
    pub fn onward_path(&self, reverse_path: Option<&Address>, through: &Address) -> Option<Address> {
        let path = reverse_path?;
        let wants = self.settings(&through.domain().key()).is_some_and(|settings| settings.srs);
        let key = self.book.srs_key().filter(|_| wants && !self.is_local_domain(&path.domain().key()));
        let rewritten = key.and_then(|key| srs::forward(key, self.now, path, through.domain()));
        Some(rewritten.unwrap_or_else(|| path.clone()))
    }
}

impl Domains for Directory<'_> {
    fn is_local_domain(&self, domain_key: &str) -> bool {
        Directory::is_local_domain(self, domain_key)
    }
}

impl Domains for Known<'_, '_> {
    fn is_local_domain(&self, domain_key: &str) -> bool {
        self.directory.is_local_domain(domain_key)
    }
}

impl Accounts for Known<'_, '_> {
    fn account(&self, address_key: &str) -> Option<Arc<Account>> {
        self.directory.account(address_key)
    }
    fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>> {
        self.directory.alias(pattern_key)
    }
    fn settings(&self, domain_key: &str) -> Option<&DomainSettings> {
        self.book.domain(domain_key).map(|settings| &**settings)
    }
    fn group(&self, address_key: &str) -> Option<&Arc<Group>> {
        self.book.group(address_key)
    }
    fn rewritten(&self, address: &Address) -> Option<Address> {
        self.book.srs_key().and_then(|key| srs::back(key, self.now, address))
    }
    fn first_account(&self, domain_key: &str) -> Option<Arc<Account>> {
        self.directory.first_account(domain_key)
    }
}

/// Whether an address belongs to this host: any address in a sink, a local domain, or the postmaster of the host's own
/// name, whom every host has (RFC 5321 §4.5.1), also by the name our reports come from, so that they can be answered.
pub fn is_local(accounts: &impl Domains, settings: &Settings, address: &Address) -> bool {
    let domain = address.domain().key();
    settings.sink.is_on()
        || accounts.is_local_domain(&domain)
        || (is_postmaster(address) && Domain::parse(&settings.hostname).is_ok_and(|host| host.key() == domain))
}

fn is_postmaster(address: &Address) -> bool {
    ["postmaster", "mailer-daemon"].iter().any(|name| address.local().eq_ignore_ascii_case(name))
}

/// Follows a local address to where its mail goes. In order: an alias of exactly this name, the account, both
/// without the part behind the separator, the domain's catch-all, and for postmaster the first account. An
/// alias may name its own address: the account behind it then gets a copy. Targets that lead nowhere are
/// passed over while others lead somewhere. In a sink with one account all leads there.
pub fn resolve(accounts: &impl Accounts, settings: &Settings, address: &Address) -> Result<Destinations, Nowhere> {
    if let Sink::One(all) = &settings.sink {
        let account = accounts.account(&all.key()).ok_or(Nowhere::Unknown)?;
        return Ok(Destinations { accounts: vec![account], ..Destinations::default() });
    }
    let mut found = Destinations::default();
    let (mut expanded, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
    let mut waiting = vec![address.clone()];
    let mut steps = 0;
    while let Some(next) = waiting.pop() {
        steps += 1;
        if steps > ALIAS_EXPANSIONS_MAX {
            return Err(Nowhere::TooMany);
        }
        if !is_local(accounts, settings, &next) {
            if elsewhere.insert(next.key()) {
                found.remote.push(next);
            }
            continue;
        }
        match lookup(accounts, settings, &next, &mut expanded) {
            Found::Account(account) => {
                if !found.accounts.iter().any(|known| known.id == account.id) {
                    found.accounts.push(account);
                }
            }
            // Taken from the back: the first target comes out first.
            Found::Alias(targets) => waiting.extend(targets.iter().rev().filter_map(|t| Address::parse(t).ok())),
            Found::Group(group) => {
                if !found.groups.iter().any(|known| known.address.key() == group.address.key()) {
                    found.groups.push(group);
                }
            }
            Found::Address(address) => waiting.push(address),
            Found::Nothing => {}
        }
    }
    if found.is_empty() { Err(Nowhere::Unknown) } else { Ok(found) }
}

/// The recipient that an alias leads to. What the sender asked for goes on with it, and whom it first was for (RFC 3461
/// §5.2.7).
pub fn onward(alias: &Recipient, address: Address) -> Recipient {
    let original = alias.original.clone().unwrap_or_else(|| Typed::address(&alias.address).original());
    Recipient { address, notify: alias.notify, original: Some(original) }
}

enum Found {
    Account(Arc<Account>),
    Alias(Arc<Vec<String>>),
    Group(Arc<Group>),
    /// It stands for this one.
    Address(Address),
    Nothing,
}

/// One step; an alias is followed once, so that circles end.
fn lookup(accounts: &impl Accounts, settings: &Settings, address: &Address, expanded: &mut BTreeSet<String>) -> Found {
    let domain = address.domain().key();
    let own = accounts.settings(&domain);
    for key in [Some(address.clone()), base(own, settings, address)].into_iter().flatten().map(|key| key.key()) {
        if let Some(targets) = accounts.alias(&key)
            && expanded.insert(key.clone())
        {
            return Found::Alias(targets);
        }
        if let Some(account) = accounts.account(&key) {
            return Found::Account(account);
        }
        if let Some(group) = accounts.group(&key) {
            return Found::Group(Arc::clone(group));
        }
        if expanded.contains(&key) {
            return Found::Nothing;
        }
    }
    if let Some(target) = stand_in(accounts, own, address)
        && expanded.insert(address.key())
    {
        return Found::Address(target);
    }
    let catch_all = format!("@{domain}");
    if let Some(targets) = accounts.alias(&catch_all)
        && expanded.insert(catch_all)
    {
        return Found::Alias(targets);
    }
    let first = is_postmaster(address).then(|| accounts.first_account(&domain)).flatten();
    first.map_or(Found::Nothing, Found::Account)
}

/// The address without what stands behind its separator.
fn base(own: Option<&DomainSettings>, settings: &Settings, address: &Address) -> Option<Address> {
    let base = match own.and_then(|own| own.separators.as_deref()) {
        Some(separators) => address.local().split_once(|c| separators.contains(c)),
        None => settings.subaddress_separator.and_then(|separator| address.local().split_once(separator)),
    };
    base.map(|(base, _)| base).filter(|base| !base.is_empty()).map(|base| address.with_local(base))
}

/// The address that stands for one which nobody has: of a group's owner, or as the domain has it set.
fn stand_in(accounts: &impl Accounts, own: Option<&DomainSettings>, address: &Address) -> Option<Address> {
    if srs::is_rewritten(address) {
        return accounts.rewritten(address);
    }
    if let Some(group) = group_of_owner(address).and_then(|group| accounts.group(&group.key())) {
        return Some(group.owner.clone());
    }
    let own = own?;
    match is_postmaster(address) {
        true => own.postmaster.clone(),
        false => own.abuse.clone().filter(|_| is_abuse(address)),
    }
}

fn is_abuse(address: &Address) -> bool {
    address.local().eq_ignore_ascii_case("abuse")
}

/// Whether an address is one that everybody may write to: a host's postmaster (RFC 5321 §4.5.1) and who hears of abuse
/// (RFC 2142 §4).
pub fn is_open_to_all(address: &Address) -> bool {
    is_postmaster(address) || is_abuse(address)
}

/// Whether mail for `address` reaches `account`: then the account may send as it. In a sink everybody may.
pub fn may_send_as(accounts: &impl Accounts, settings: &Settings, account: &Account, address: &Address) -> bool {
    settings.sink.is_on()
        || account.address.key() == address.key()
        || (is_local(accounts, settings, address)
            && resolve(accounts, settings, address)
                .is_ok_and(|found| found.accounts.iter().any(|known| known.id == account.id)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{AccountId, MailboxId};
    use std::collections::BTreeMap;

    /// A directory as tests write it.
    #[derive(Default)]
    struct Book {
        accounts: Vec<Arc<Account>>,
        aliases: BTreeMap<String, Vec<String>>,
        domains: BTreeMap<String, DomainSettings>,
        groups: BTreeMap<String, Arc<Group>>,
    }

    impl Book {
        fn new(accounts: &[&str], aliases: &[(&str, &[&str])]) -> Self {
            let account = |(id, text): (usize, &&str)| {
                let (id, address) = (AccountId(id as i64), Address::parse(text).unwrap());
                Arc::new(Account { id, address, credential: None, inbox: MailboxId(id.0), quota_octets: None })
            };
            let alias = |(pattern, targets): &(&str, &[&str])| {
                ((*pattern).to_owned(), targets.iter().map(|t| (*t).to_owned()).collect())
            };
            Self {
                accounts: accounts.iter().enumerate().map(account).collect(),
                aliases: aliases.iter().map(alias).collect(),
                ..Self::default()
            }
        }
    }

    impl Domains for Book {
        fn is_local_domain(&self, domain_key: &str) -> bool {
            ["example.net", "example.com"].contains(&domain_key)
        }
    }

    impl Accounts for Book {
        fn settings(&self, domain_key: &str) -> Option<&DomainSettings> {
            self.domains.get(domain_key)
        }
        fn group(&self, address_key: &str) -> Option<&Arc<Group>> {
            self.groups.get(address_key)
        }
        fn rewritten(&self, _: &Address) -> Option<Address> {
            None
        }
        fn account(&self, address_key: &str) -> Option<Arc<Account>> {
            self.accounts.iter().find(|a| a.address.key() == address_key).cloned()
        }
        fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>> {
            self.aliases.get(pattern_key).cloned().map(Arc::new)
        }
        fn first_account(&self, domain_key: &str) -> Option<Arc<Account>> {
            let of_domain = self.accounts.iter().find(|a| a.address.domain().key() == domain_key);
            of_domain.or(self.accounts.first()).cloned()
        }
    }

    fn book() -> Book {
        Book::new(
            &["bob@example.net", "carol@example.net", "info@example.com"],
            &[
                ("staff@example.net", &["bob@example.net", "carol@example.net", "dan@far.example"]),
                ("all@example.net", &["staff@example.net", "info@example.com", "bob@example.net"]),
                ("carol@example.net", &["carol@example.net", "carol@far.example"]),
                ("loop@example.net", &["pool@example.net"]),
                ("pool@example.net", &["loop@example.net"]),
                ("half@example.net", &["gone@example.net", "bob@example.net"]),
                ("dead@example.net", &["gone@example.net"]),
                ("@example.com", &["bob@example.net"]),
            ],
        )
    }

    fn settings() -> Settings {
        Settings { hostname: "mx.example.org".to_owned(), ..Settings::default() }
    }

    fn where_to(address: &str) -> String {
        match resolve(&book(), &settings(), &Address::parse(address).unwrap()) {
            Err(why) => format!("{why:?}"),
            Ok(found) => {
                let accounts = found.accounts.iter().map(|a| a.address.to_string());
                let remote = found.remote.iter().map(|a| format!("-> {a}"));
                accounts.chain(remote).collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn addresses_lead_to_accounts() {
        for (address, destinations) in [
            ("bob@example.net", "bob@example.net"),
            ("BOB@EXAMPLE.NET", "bob@example.net"),
            ("bob+lists@example.net", "bob@example.net"),
            ("bob+@example.net", "bob@example.net"),
            ("+bob@example.net", "Unknown"),
            ("bobby@example.net", "Unknown"),
            ("staff@example.net", "bob@example.net carol@example.net -> carol@far.example -> dan@far.example"),
            ("staff+x@example.net", "bob@example.net carol@example.net -> carol@far.example -> dan@far.example"),
            (
                "all@example.net",
                "bob@example.net carol@example.net info@example.com -> carol@far.example -> dan@far.example",
            ),
            ("carol@example.net", "carol@example.net -> carol@far.example"),
            ("loop@example.net", "Unknown"),
            ("half@example.net", "bob@example.net"),
            ("dead@example.net", "Unknown"),
            ("info@example.com", "info@example.com"),
            ("anything@example.com", "bob@example.net"),
            ("postmaster@example.net", "bob@example.net"),
            ("Postmaster@mx.example.org", "bob@example.net"),
            ("postmaster@example.com", "bob@example.net"),
            ("MAILER-DAEMON@mx.example.org", "bob@example.net"),
            ("bob@far.example", "-> bob@far.example"),
        ] {
            assert_eq!(where_to(address), destinations, "{address}");
        }
    }

    #[test]
    fn an_alias_stays_known_by_the_right_type() {
        let far = || Address::parse("carl@far.example").unwrap();
        for (alias, original, wanted) in [
            ("staff@example.net", None, "rfc822;staff@example.net"),
            ("j\u{fc}rgen@example.net", None, "utf-8;j\u{fc}rgen@example.net"),
            ("staff@m\u{fc}nchen.example", None, "rfc822;staff@xn--mnchen-3ya.example"),
            ("staff@example.net", Some("rfc822;first@x"), "rfc822;first@x"),
        ] {
            let mut alias = Recipient::new(Address::parse(alias).unwrap());
            alias.original = original.map(str::to_owned);
            assert_eq!(onward(&alias, far()).original.as_deref(), Some(wanted));
        }
    }

    #[test]
    fn expansion_is_bounded() {
        let targets: Vec<String> = (0..ALIAS_EXPANSIONS_MAX).map(|n| format!("u{n}@far.example")).collect();
        let with = |n: usize| {
            let mut book = Book::new(&[], &[]);
            book.aliases.insert("big@example.net".to_owned(), targets[..n].to_vec());
            resolve(&book, &settings(), &Address::parse("big@example.net").unwrap())
        };
        assert_eq!(with(ALIAS_EXPANSIONS_MAX - 1).unwrap().remote.len(), ALIAS_EXPANSIONS_MAX - 1);
        assert_eq!(with(ALIAS_EXPANSIONS_MAX), Err(Nowhere::TooMany));
    }

    #[test]
    fn who_may_send_as_whom() {
        let (book, settings) = (book(), settings());
        let bob = book.account("bob@example.net").unwrap();
        for (address, may) in [
            ("bob@example.net", true),
            ("Bob+x@example.net", true),
            ("staff@example.net", true),
            ("any@example.com", true),
            ("info@example.com", false),
            ("carol@example.net", false),
            ("bob@far.example", false),
            ("nobody@example.net", false),
        ] {
            let address = Address::parse(address).unwrap();
            assert_eq!(may_send_as(&book, &settings, &bob, &address), may, "{address}");
        }
    }
}
