//! Who is asked before a session goes on: the script of a test, then the program, then our own policy and accounts.
//! All protocols share it.

use std::sync::Arc;

use super::Shared;
use super::accounts::{self, Denied, Door, ScramAnswer};
use crate::base::settings::{Ends, Service, Sink};
use crate::base::trouble::{Act, Stage};
use crate::base::world::TlsInfo;
use crate::base::{Account, Address, Error, Reply, Secret};
use crate::delivery::sink;
use crate::intake::hook::{Decision, Login, Point, Question};
use crate::intake::reply_of;
use crate::os::aside::aside;
use crate::sasl::credential;
use crate::smtp::server::Client;

/// Why a session does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum No {
    /// A login, which its own words refuse.
    Denied(Denied),
    /// It is told so.
    Reply(Reply),
    /// The connection ends without a word.
    HangUp,
}

/// The script at `stage`: waits as long as it says, then refuses or goes on.
pub async fn script(shared: &Shared, service: Service, stage: Stage, addresses: &[&str]) -> Result<(), No> {
    let Some(met) = shared.settings.trouble.at(stage, Some(service), addresses) else { return Ok(()) };
    if !met.wait.is_zero() {
        shared.world.clock.pause(met.wait).await;
    }
    match met.act {
        Act::GoOn => Ok(()),
        Act::Refuse(reply) => Err(No::Reply(reply)),
        Act::Drop => Err(No::HangUp),
    }
}

/// A client of a protocol that has no EHLO, for questions.
pub fn client(service: Service, ends: Ends, tls: Option<TlsInfo>) -> Client {
    Client { service, ends, hello: String::new(), extended: false, tls, account: None, relays: false, forwarded: None }
}

/// Whether a client of IMAP or POP3 may stay, before the greeting. Of SMTP's the session asks by itself.
pub async fn connection(shared: &Shared, client: &Client) -> Result<(), No> {
    let peer = client.ends.peer.ip().to_canonical().to_string();
    script(shared, client.service, Stage::Connect, &[&peer]).await?;
    shared.intake().decide_session(Point::Connect, client, &Default::default()).await.map_err(No::Reply)
}

/// A login with a password: the script, the program, a sink's own way, then our accounts. The outcome is told to the
/// host.
pub async fn login(
    shared: &Shared,
    client: &Client,
    door: Door,
    user: &str,
    password: &Secret,
) -> Result<Arc<Account>, No> {
    script(shared, door.service, Stage::Login, &[user]).await?;
    let decided = match decide(shared, client, Point::Login, user, Some(password)).await {
        None => of_sink(shared, user).await.map_err(|e| No::Reply(reply_of(&e)))?,
        Some(Decision::Refuse(refusal)) if refusal.is_transient() => return Err(No::Reply(refusal.reply(false))),
        Some(Decision::Refuse(_)) => return Err(No::Denied(accounts::refused_by_host(shared, door, user).await)),
        Some(Decision::Login { account: Some(address), .. }) => Some(address),
        Some(_) => match accounts::address(shared, user).await.map_err(|e| No::Reply(reply_of(&e)))? {
            Some(address) => Some(address),
            None => return Err(No::Denied(accounts::refused_by_host(shared, door, user).await)),
        },
    };
    match decided {
        Some(address) => {
            let account = sink::account(&shared.store, &address).await.map_err(|e| No::Reply(reply_of(&e)))?;
            accounts::admitted(shared, door, user);
            Ok(account)
        }
        None => accounts::login(shared, door, user, password).await.map_err(No::Denied),
    }
}

/// SCRAM keys of a user: from the program, or else from our accounts; mock ones where the program refuses.
pub async fn scram_keys(shared: &Shared, client: &Client, door: Door, user: &str) -> Result<ScramAnswer, No> {
    script(shared, client.service, Stage::Login, &[user]).await?;
    match decide(shared, client, Point::Scram, user, None).await {
        Some(Decision::Login { account, password: Some(password) }) => {
            let address = match account {
                Some(address) => Some(address),
                None => accounts::address(shared, user).await.map_err(|e| No::Reply(reply_of(&e)))?,
            };
            let Some(address) = address else { return Ok(nobody(shared, user).await) };
            let account = sink::account(&shared.store, &address).await.map_err(|e| No::Reply(reply_of(&e)))?;
            let mut salt = [0; credential::SALT_OCTETS];
            shared.world.entropy.fill(&mut salt);
            let iterations = shared.settings.password_cost.scram_iterations;
            let keys = aside(&*shared.world.run, false, move || credential::keys_of(&password, &salt, iterations));
            let keys = keys.await.map_err(|e| No::Reply(reply_of(&e)))?;
            Ok(ScramAnswer { keys, account: Some(account) })
        }
        Some(Decision::Refuse(refusal)) if refusal.is_transient() => Err(No::Reply(refusal.reply(false))),
        Some(Decision::Refuse(_)) => Ok(nobody(shared, user).await),
        _ => accounts::scram_keys(shared, door, user).await.map_err(No::Denied),
    }
}

async fn nobody(shared: &Shared, user: &str) -> ScramAnswer {
    ScramAnswer { keys: accounts::mock_keys(shared, user).await, account: None }
}

/// What the program decides about a login; `None` where it is not asked, or leaves it to us.
async fn decide(
    shared: &Shared,
    client: &Client,
    point: Point,
    user: &str,
    password: Option<&Secret>,
) -> Option<Decision> {
    let host = shared.host.as_ref().filter(|host| host.wants(point))?;
    let login = Login { user: user.to_owned(), password: password.cloned() };
    let mut question = Question::of_client(point, client.clone());
    question.login = Some(login);
    Some(host.decide(question).await).filter(|decision| *decision != Decision::Policy)
}

/// The account a sink gives to this user, whatever the password; not one that has a password of its own.
async fn of_sink(shared: &Shared, user: &str) -> Result<Option<Address>, Error> {
    match &shared.settings.sink {
        Sink::Off => Ok(None),
        Sink::One(all) => Ok(Some(all.clone())),
        Sink::Each => {
            let Some(address) = accounts::address(shared, user).await? else { return Ok(None) };
            let known = shared.store.account(&address.key()).await?;
            Ok(known.is_none_or(|account| account.credential.is_none()).then_some(address))
        }
    }
}
