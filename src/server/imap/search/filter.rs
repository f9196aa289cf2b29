//! FILTER: searches that the client keeps as annotations of the server (RFC 5466).

use std::collections::BTreeMap;

use crate::base::limits::{IMAP_FILTER_PASSES_MAX, IMAP_SEARCH_KEYS_MAX};
use crate::imap::command::{Key, Search};
use crate::imap::parse::search::filter;
use crate::imap::query::{Term, replaced};
use crate::imap::response::Completion;

use super::super::Session;
use super::super::refusal::Stop;

/// Where filters stand; the first one counts.
const ROOTS: [&str; 2] = ["/private/filters/values/", "/shared/filters/values/"];

/// Whether an entry of the server holds a filter.
pub(in crate::server::imap) fn is_filter(entry: &str) -> bool {
    ROOTS.iter().any(|root| entry.starts_with(root))
}

impl Session {
    /// Puts what filters say in the place of their names. One that is not there, that is no search, or that leads to
    /// itself is refused.
    pub(in crate::server::imap) async fn expand_filters(&mut self, search: &mut Search) -> Result<(), Stop> {
        if !names(&search.keys).is_empty() {
            let done = self.expand(search).await;
            self.forget_saved_unless(done.is_ok(), search);
            done?;
        }
        Ok(())
    }

    async fn expand(&mut self, search: &mut Search) -> Result<(), Stop> {
        let account = self.account()?;
        let all = self.shared.store.annotations(account.id, None).await?;
        let values: BTreeMap<String, Vec<u8>> = all.into_iter().map(|one| (one.entry, one.value)).collect();
        search.keys = expanded(&search.keys, &values, true)?;
        if let Some(exact) = &mut search.exact {
            *exact = expanded(exact, &values, false)?;
        }
        Ok(())
    }
}

/// The filters that keys name.
fn names(keys: &[Term<Key>]) -> Vec<&str> {
    let name = |term| match term {
        &Term::Key(Key::Filter(ref name)) => Some(name.as_str()),
        _ => None,
    };
    keys.iter().filter_map(name).collect()
}

/// The keys without a filter among them.
fn expanded(keys: &[Term<Key>], values: &BTreeMap<String, Vec<u8>>, fuzzy: bool) -> Result<Vec<Term<Key>>, Completion> {
    let mut keys = keys.to_vec();
    for _ in 0..=IMAP_FILTER_PASSES_MAX {
        let mut filters: BTreeMap<String, Vec<Term<Key>>> = BTreeMap::new();
        for name in names(&keys) {
            if !filters.contains_key(name) {
                filters.insert(name.to_owned(), read(name, values, fuzzy)?);
            }
        }
        if filters.is_empty() {
            return Ok(keys);
        }
        let length: usize = names(&keys).iter().filter_map(|name| filters.get(*name)).map(Vec::len).sum();
        if keys.len() + length > IMAP_SEARCH_KEYS_MAX {
            let text = format!("too many search keys in filters, at most {IMAP_SEARCH_KEYS_MAX}");
            return Err(Completion::no("LIMIT", text));
        }
        keys = replaced(&keys, |key| match key {
            Key::Filter(name) => filters.get(name).cloned(),
            _ => None,
        });
    }
    // Filters that go on naming filters: as if the one were not there (RFC 5466 §3.1).
    Err(undefined(names(&keys).first().copied().unwrap_or_default()))
}

fn read(name: &str, values: &BTreeMap<String, Vec<u8>>, fuzzy: bool) -> Result<Vec<Term<Key>>, Completion> {
    let value = ROOTS.iter().find_map(|root| values.get(&format!("{root}{name}")));
    value.and_then(|value| filter(value, fuzzy).ok()).ok_or_else(|| undefined(name))
}

fn undefined(name: &str) -> Completion {
    Completion::no(format!("UNDEFINED-FILTER {name}"), "There is no such filter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_within_filters() {
        let value = |name: &str, text: &str| (format!("{}{name}", ROOTS[0]), text.as_bytes().to_vec());
        let mut values: BTreeMap<_, _> = [value("a", "FILTER b SEEN"), value("b", "OR FILTER c NEW")].into();
        values.insert(format!("{}c", ROOTS[1]), b"FLAGGED".to_vec());
        let keys = [Term::Key(Key::Filter("a".to_owned()))];
        let whole = expanded(&keys, &values, true).expect("three passes");
        assert_eq!(whole, filter(b"OR FLAGGED NEW SEEN", true).expect("parses"));
        values.extend([value("c", "FILTER a")]);
        let refused = expanded(&keys, &values, true).expect_err("a loop");
        assert!(refused.code.starts_with("UNDEFINED-FILTER "), "{}", refused.code);
        values.extend([value("c", "OR SEEN")]);
        assert_eq!(expanded(&keys, &values, true).expect_err("no search").code, "UNDEFINED-FILTER c");
        // Each pass makes it eight times as long.
        for n in 0..4 {
            values.extend([value(&format!("w{n}"), &format!("FILTER w{} ", n + 1).repeat(40))]);
        }
        values.extend([value("w4", "SEEN")]);
        let wide = [Term::Key(Key::Filter("w0".to_owned()))];
        assert_eq!(expanded(&wide, &values, true).expect_err("too long").code, "LIMIT");
    }
}
