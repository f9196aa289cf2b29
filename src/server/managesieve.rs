//! ManageSieve over a socket: the session's questions answered from accounts and store. Scripts are compiled here.

use std::net::SocketAddr;
use std::sync::Arc;

use smol::io::AsyncWriteExt;

use super::accounts::{Denied, Door, ScramAnswer};
use super::sessions::Seat;
use super::{Accepted, Shared, accounts};
use crate::base::event::{Event, Refused};
use crate::base::limits::{SIEVE_SCRIPT_OCTETS_MAX, SIEVE_SCRIPTS_MAX};
use crate::base::settings::Service;
use crate::base::{Account, Error, ErrorKind};
use crate::managesieve::{Answer, Ask, LoginTrouble, Refusal, Session, SessionSettings, Trouble};
use crate::net::pump::{Answerer, Connection, PumpEnd, PumpWaits, TlsRole, pump, within};
use crate::sieve::{capabilities, compile, is_script_name};
use crate::store::ScriptOwner;

/// Serves one connection to its end.
pub async fn serve(shared: Arc<Shared>, accepted: Accepted) {
    let mut nonce_seed = [0; 32];
    shared.world.entropy.fill(&mut nonce_seed);
    let settings = &shared.settings;
    let session_settings = SessionSettings {
        hostname: settings.hostname.clone(),
        idle: settings.waits.imap_idle,
        login_wait: settings.waits.imap_login,
        can_start_tls: shared.world.tls.can_accept(),
        allow_plaintext_login: settings.allow_plaintext_login && accepted.ends.local.ip().to_canonical().is_loopback(),
        extensions: capabilities().collect::<Vec<_>>().join(" "),
        nonce_seed,
    };
    let waits = PumpWaits { tls_handshake: settings.waits.tls_handshake, write: settings.waits.write };
    let mut session = Session::new(session_settings, accepted.tls);
    let mut connection = Connection::new(accepted.stream);
    let (service, peer) = (accepted.service, accepted.ends.peer);
    let seat = Arc::new(accounts::enter(&shared, service, peer));
    let notice = seat.notice();
    let told = notice.clone();
    connection.end_with(shared.draining.clone(), async move { told.dismissed().await });
    let (of_session, scram, account) = (Arc::clone(&seat), None, None);
    let mut host = ManageSieveAnswerer { shared: Arc::clone(&shared), service, peer, seat: of_session, scram, account };
    let world = &shared.world;
    let session = async {
        let end = pump(world, waits, &TlsRole::Server, &mut connection, &mut session, &mut host).await;
        if let PumpEnd::Closed = end {
            // Under TLS this says that nothing was cut off; whether the peer still listens does not matter.
            let until = world.clock.now() + waits.write;
            let _ = within(&*world.clock, until, connection.stream.close()).await;
        }
    };
    accounts::until_dismissed(&shared, &notice, session).await;
}

/// Answers a session's questions.
struct ManageSieveAnswerer {
    shared: Arc<Shared>,
    service: Service,
    peer: SocketAddr,
    seat: Arc<Seat>,
    /// Whose SCRAM keys were given out.
    scram: Option<Arc<Account>>,
    /// Who has logged in.
    account: Option<Arc<Account>>,
}

impl Answerer<Session> for ManageSieveAnswerer {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Login { user, password } => {
                let account = accounts::login(&self.shared, self.door(), &user, &password).await;
                self.logged_in(account.map_err(denied)).await
            }
            Ask::ScramKeys(user) => match accounts::scram_keys(&self.shared, self.door(), &user).await {
                Ok(ScramAnswer { keys, account }) => {
                    self.scram = account;
                    Answer::ScramKeys(keys, self.scram.is_some())
                }
                Err(why) => Answer::Login(Err(denied(why))),
            },
            Ask::ScramEnded { user, right } => {
                let ended = accounts::scram_ended(&self.shared, self.door(), &user, right).await;
                let account = self.scram.take().ok_or(LoginTrouble::Refused);
                self.logged_in(ended.map_err(denied).and(account)).await
            }
            Ask::Refused(refusal) => {
                self.tell(refusal);
                Answer::Told
            }
            asked => self.manage(asked).await,
        }
    }
}

impl ManageSieveAnswerer {
    fn door(&self) -> Door {
        Door { service: self.service, peer: self.peer, stage: "authenticate" }
    }

    async fn logged_in(&mut self, account: Result<Arc<Account>, LoginTrouble>) -> Answer {
        let account = match account {
            Ok(account) => accounts::note(&self.shared, &self.seat, account).await.map_err(denied),
            Err(trouble) => Err(trouble),
        };
        self.account = account.as_ref().ok().cloned();
        Answer::Login(account.map(|account| account.address.to_string()))
    }

    /// Tells the host program what the peer was refused.
    fn tell(&self, refusal: Refusal) {
        let Refusal { stage, reason, closed } = refusal;
        let user = self.account.as_ref().map(|account| account.address.to_string()).unwrap_or_default();
        let refused = Refused::of_session(self.service, self.peer, stage, reason);
        self.shared.events.say(Event::Refused(Box::new(Refused { user, closed, ..refused })));
    }

    async fn manage(&self, ask: Ask) -> Answer {
        let store = &self.shared.store;
        let Some(account) = &self.account else { return Answer::Gone };
        match store.account_by_id(account.id).await {
            Ok(Some(_)) => {}
            Ok(None) => return Answer::Gone,
            Err(e) => return Answer::Done(Err(trouble(&e))),
        }
        let owner = ScriptOwner::Account(account.id);
        let done = match ask {
            Ask::List => {
                let scripts = store.scripts(&owner).await.map_err(|e| trouble(&e));
                return Answer::Scripts(scripts.map(|all| all.into_iter().map(|s| (s.name, s.active)).collect()));
            }
            Ask::Get(name) => {
                let script = store.script(&owner, &name).await.map_err(|e| trouble(&e));
                return Answer::Script(script.and_then(|s| s.map(|s| s.script).ok_or(Trouble::NonExistent)));
            }
            Ask::HaveSpace { name, octets } => return Answer::Done(self.has_space(&owner, &name, octets).await),
            Ask::Check(script) => {
                return Answer::Done(compile(&script).map(drop).map_err(|fault| Trouble::Wrong(fault.to_string())));
            }
            Ask::Put { script, .. } if script.len() > SIEVE_SCRIPT_OCTETS_MAX => {
                return Answer::Done(Err(Trouble::TooLarge));
            }
            Ask::Put { name, script } => store.script_put(&owner, &name, &script).await,
            Ask::SetActive(name) => {
                store.script_activate(&owner, Some(name.as_str()).filter(|name| !name.is_empty())).await
            }
            Ask::Delete(name) => store.script_delete(&owner, &name).await,
            Ask::Rename { from, to } => store.script_rename(&owner, &from, &to).await,
            Ask::Login { .. } | Ask::ScramKeys(_) | Ask::ScramEnded { .. } | Ask::Refused(_) => return Answer::Gone,
        };
        Answer::Done(done.map_err(|e| trouble(&e)))
    }

    async fn has_space(&self, owner: &ScriptOwner, name: &str, octets: u64) -> Result<(), Trouble> {
        if !is_script_name(name) {
            return Err(Trouble::Wrong("a script cannot have this name".to_owned()));
        }
        if octets > SIEVE_SCRIPT_OCTETS_MAX as u64 {
            return Err(Trouble::TooLarge);
        }
        let there = self.shared.store.scripts(owner).await.map_err(|e| trouble(&e))?;
        let is_new = there.iter().all(|script| script.name != name);
        if is_new && there.len() >= SIEVE_SCRIPTS_MAX { Err(Trouble::TooMany) } else { Ok(()) }
    }
}

fn denied(why: Denied) -> LoginTrouble {
    match why {
        Denied::Wrong => LoginTrouble::Refused,
        Denied::Later => LoginTrouble::Later,
    }
}

fn trouble(error: &Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound => Trouble::NonExistent,
        ErrorKind::Exists => Trouble::AlreadyExists,
        ErrorKind::State => Trouble::Active,
        ErrorKind::Limit => Trouble::TooMany,
        ErrorKind::Invalid => Trouble::Wrong(error.text().to_owned()),
        _ => Trouble::TryLater,
    }
}
