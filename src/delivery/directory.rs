//! Where mail for an address of ours goes, and who may send as it: aliases, subaddresses, catch-alls, postmaster.
//!
//! Asked at RCPT and MAIL by `intake`, and once more by `queue` for what it finds to live here.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::limits::ALIAS_EXPANSIONS_MAX;
use crate::base::settings::Sink;
use crate::base::{Account, Address, Domain, Recipient, Settings};
use crate::dsn::Typed;
use crate::store::Directory;

/// Where mail for one address goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Accounts here, each once.
    pub accounts: Vec<Arc<Account>>,
    /// Addresses elsewhere, each once.
    pub remote: Vec<Address>,
}

/// Why mail for an address goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nowhere {
    /// Its domain is ours, nobody has the address.
    Unknown,
    /// Its aliases lead to more than `ALIAS_EXPANSIONS_MAX` steps.
    TooMany,
}

/// What [`resolve`] needs to know of the directory.
pub trait Accounts {
    /// Whether a domain (`Domain::key` form) is ours.
    fn is_local_domain(&self, domain_key: &str) -> bool;
    /// The account of an address (`Address::key` form).
    fn account(&self, address_key: &str) -> Option<Arc<Account>>;
    /// Targets of an alias, `name@domain` or `@domain`.
    fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>>;
    /// The first account, of this domain where it has one.
    fn first_account(&self, domain_key: &str) -> Option<Arc<Account>>;
}

impl Accounts for Directory<'_> {
    fn is_local_domain(&self, domain_key: &str) -> bool {
        Directory::is_local_domain(self, domain_key)
    }
    fn account(&self, address_key: &str) -> Option<Arc<Account>> {
        Directory::account(self, address_key)
    }
    fn alias(&self, pattern_key: &str) -> Option<Arc<Vec<String>>> {
        Directory::alias(self, pattern_key)
    }
    fn first_account(&self, domain_key: &str) -> Option<Arc<Account>> {
        Directory::first_account(self, domain_key)
    }
}

/// Whether an address belongs to this host: any address in a sink, a local domain, or the postmaster of the host's own
/// name, whom every host has (RFC 5321 §4.5.1), also by the name our reports come from, so that they can be answered.
pub fn is_local(accounts: &impl Accounts, settings: &Settings, address: &Address) -> bool {
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
        return Ok(Destinations { accounts: vec![account], remote: Vec::new() });
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
            Found::Nothing => {}
        }
    }
    if found.accounts.is_empty() && found.remote.is_empty() { Err(Nowhere::Unknown) } else { Ok(found) }
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
    Nothing,
}

/// One step; an alias is followed once, so that circles end.
fn lookup(accounts: &impl Accounts, settings: &Settings, address: &Address, expanded: &mut BTreeSet<String>) -> Found {
    let domain = address.domain().key();
    let base = settings.subaddress_separator.and_then(|separator| address.local().split_once(separator));
    let base = base.map(|(base, _)| base).filter(|base| !base.is_empty()).map(|base| address.with_local(base).key());
    for key in [Some(address.key()), base].into_iter().flatten() {
        if let Some(targets) = accounts.alias(&key)
            && expanded.insert(key.clone())
        {
            return Found::Alias(targets);
        }
        if let Some(account) = accounts.account(&key) {
            return Found::Account(account);
        }
        if expanded.contains(&key) {
            return Found::Nothing;
        }
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
            }
        }
    }

    impl Accounts for Book {
        fn is_local_domain(&self, domain_key: &str) -> bool {
            ["example.net", "example.com"].contains(&domain_key)
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
