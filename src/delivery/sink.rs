//! The sink: an engine for tests and staging that takes mail for anybody and sends nothing out. Every address is
//! local; accounts are made when mail for them comes. `directory` says where mail goes then.

use crate::base::limits::SINK_ACCOUNTS_MAX;
use crate::base::settings::Sink;
use crate::base::{Account, Address, Error, ErrorKind, Result, Settings};
use crate::store::Store;
use std::sync::Arc;

use super::directory::{Nowhere, known, resolve};

/// Makes the accounts that a sink needs for mail to `addresses`; nothing where the engine is none. `Limit` where it has
/// made `SINK_ACCOUNTS_MAX`.
pub async fn prepare(store: &Store, settings: &Settings, addresses: Vec<Address>) -> Result<()> {
    match &settings.sink {
        Sink::Off => {}
        Sink::One(all) => {
            account(store, all).await?;
        }
        Sink::Each => {
            for address in addresses {
                let found = known(store, |known| resolve(known, settings, &address)).await?;
                if found == Err(Nowhere::Unknown) {
                    account(store, &address).await?;
                }
            }
        }
    }
    Ok(())
}

/// The account of this address, made where there is none, without a password.
pub async fn account(store: &Store, address: &Address) -> Result<Arc<Account>> {
    let key = address.key();
    if let Some(account) = store.account(&key).await? {
        return Ok(account);
    }
    if store.account_count().await? >= SINK_ACCOUNTS_MAX as u64 {
        return Err(Error::new(ErrorKind::Limit, format!("a sink makes at most {SINK_ACCOUNTS_MAX} accounts")));
    }
    store.account_make(address).await?;
    let gone = || Error::new(ErrorKind::NotFound, format!("{address} was deleted meanwhile"));
    store.account(&key).await?.ok_or_else(gone)
}
