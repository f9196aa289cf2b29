//! RSA keys of others, as they were opened before.
//!
//! Most mail comes from a few hosts, and OpenSSL prepares a key at its first use, which costs a quarter of the check
//! of a signature. The same octets open to the same key, so no verdict depends on what is remembered here; who fills it
//! with keys of his own costs the others what they would have cost without it.

use std::sync::{Mutex, PoisonError};

use openssl::pkey::Public;
use openssl::rsa::Rsa;

use crate::base::limits::DKIM_KEYS_OPENED_MAX;

/// The octets of keys and what they open to, the one used last behind.
static OPENED: Mutex<Vec<(Vec<u8>, Rsa<Public>)>> = Mutex::new(Vec::new());

/// The key in `octets`: opened before, or by `open`.
pub(super) fn opened(octets: &[u8], open: impl FnOnce(&[u8]) -> Option<Rsa<Public>>) -> Option<Rsa<Public>> {
    let lock = || OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    {
        let mut keys = lock();
        if let Some(place) = keys.iter().rposition(|(known, _)| known == octets) {
            let used = keys.remove(place);
            let key = used.1.clone();
            keys.push(used);
            return Some(key);
        }
    }
    let key = open(octets)?;
    let mut keys = lock();
    if keys.len() >= DKIM_KEYS_OPENED_MAX {
        keys.remove(0);
    }
    keys.push((octets.to_vec(), key.clone()));
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_opened_once_and_the_memory_is_bounded() {
        let rsa = Rsa::generate(1024).unwrap();
        let rsa = Rsa::public_key_from_der(&rsa.public_key_to_der().unwrap()).unwrap();
        let octets = |number: usize| format!("no key of any test {number}").into_bytes();
        let opens = |number| {
            let mut asked = false;
            let key = opened(&octets(number), |_| {
                asked = true;
                Some(rsa.clone())
            });
            assert_eq!(key.unwrap().n(), rsa.n());
            asked
        };
        assert!(opens(0) && !opens(0));
        // Other tests use keys meanwhile, which cannot make it longer either.
        (1..=DKIM_KEYS_OPENED_MAX).for_each(|number| assert!(opens(number)));
        assert!(opens(0));
        assert!(OPENED.lock().unwrap().len() <= DKIM_KEYS_OPENED_MAX);
        // What does not open is not remembered.
        assert!(opened(b"none", |_| None).is_none());
        assert!(opened(b"none", |_| Some(rsa.clone())).is_some());
    }
}
