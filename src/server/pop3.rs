//! POP3 over a socket: the session's questions answered from accounts and store.
//!
//! Small bodies are read ahead, many in one question to the store, so that a client that fetches message after
//! message waits for none of them; large ones go through in pieces. Memory for a session is bounded by
//! `POP3_READ_AHEAD_OCTETS_MAX`, whatever the maildrop's size.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use smol::io::AsyncWriteExt;

use super::accounts::{Denied, Door, ScramAnswer};
use super::asked::{self, No};
use super::maildrops::OpenMaildrop;
use super::sessions::Seat;
use super::{Accepted, Shared, accounts, broken, refuse};
use crate::base::event::{Event, Refused};
use crate::base::limits::{CHUNK_OCTETS_MAX, POP3_READ_AHEAD_MESSAGES_MAX, POP3_READ_AHEAD_OCTETS_MAX};
use crate::base::settings::Service;
use crate::base::{Account, BlobId, MailboxId, Result, UidSet};
use crate::net::pump::{Answerer, Connection, PumpEnd, PumpWaits, TlsRole, pump, within};
use crate::pop3::{Answer, Ask, Listing, LoginTrouble, OpenedMaildrop, Refusal, Session, SessionSettings};
use crate::smtp::server::Client;
use crate::store::{Expunge, Hold, Store};

/// Serves one connection to its end.
pub async fn serve(shared: Arc<Shared>, mut accepted: Accepted) {
    // In a box of its own: an idle session stays small.
    if !Box::pin(refuse::is_welcome(&shared, &mut accepted)).await {
        return;
    }
    let mut nonce_seed = [0; 32];
    shared.world.entropy.fill(&mut nonce_seed);
    let settings = &shared.settings;
    let most = settings.sessions_per_listener_max;
    let session_settings = SessionSettings {
        hostname: settings.hostname.clone(),
        idle: settings.waits.pop3_idle,
        login: shared.logins.sessions.patience(accepted.service, most, settings.waits.pop3_idle),
        can_start_tls: shared.world.tls.can_accept(),
        allow_plaintext_login: shared.takes_plaintext(accepted.ends.local),
        plain_only: !shared.offers_scram(),
        nonce_seed,
    };
    let waits = PumpWaits { tls_handshake: settings.waits.tls_handshake, write: settings.waits.write };
    let mut session = Session::new(session_settings, accepted.tls);
    let mut connection = Connection::new(accepted.stream);
    connection.trace = accepted.trace;
    let (service, peer) = (accepted.service, accepted.ends.peer);
    let seat = Arc::new(accounts::enter(&shared, service, peer));
    let notice = seat.notice();
    let told = notice.clone();
    connection.end_with(shared.draining.clone(), async move { told.dismissed().await });
    let (of_session, client) = (Arc::clone(&seat), asked::client(service, accepted.ends, None));
    let mut host =
        Pop3Answerer { shared: Arc::clone(&shared), service, peer, client, seat: of_session, scram: None, open: None };
    let world = &shared.world;
    let session = async {
        let end = pump(world, waits, &TlsRole::Server, &mut connection, &mut session, &mut host).await;
        if let PumpEnd::Broken(e) = &end {
            let user = host.open.as_ref().map(|open| open.account.address.to_string()).unwrap_or_default();
            let stage = if user.is_empty() { "login" } else { "command" };
            broken::tell(&shared, service, accepted.ends, (stage, user), e);
        }
        if let PumpEnd::Closed = end {
            // Under TLS this says that nothing was cut off; whether the peer still listens does not matter.
            let until = world.clock.now() + waits.write;
            let _ = within(&*world.clock, until, connection.stream.close()).await;
        }
    };
    accounts::until_dismissed(&shared, &notice, session).await;
}

/// Answers a session's questions.
struct Pop3Answerer {
    shared: Arc<Shared>,
    service: Service,
    peer: SocketAddr,
    seat: Arc<Seat>,
    /// The same, for who decides about logins.
    client: Client,
    /// Whose SCRAM keys were given out.
    scram: Option<Arc<Account>>,
    open: Option<Open>,
}

/// The maildrop of a session.
struct Open {
    /// Whose.
    account: Arc<Account>,
    inbox: MailboxId,
    messages: Arc<Vec<Listing>>,
    ahead: BodiesAhead,
    _lock: OpenMaildrop,
    /// What somebody else takes away meanwhile stays readable.
    _hold: Hold,
}

impl Answerer<Session> for Pop3Answerer {
    async fn answer(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Login { user, password } => {
                let door = self.door("pass");
                let account = asked::login(&self.shared, &self.client, door, &user, &password).await;
                Answer::Login(self.open(account.map_err(of_no)).await)
            }
            Ask::ScramKeys(user) => match asked::scram_keys(&self.shared, &self.client, self.door("auth"), &user).await
            {
                Ok(ScramAnswer { keys, account }) => {
                    self.scram = account;
                    Answer::ScramKeys(keys, self.scram.is_some())
                }
                Err(no) => Answer::Login(Err(of_no(no))),
            },
            Ask::ScramEnded { user, right } => {
                let ended = accounts::scram_ended(&self.shared, self.door("auth"), &user, right).await;
                let account = self.scram.take().ok_or(LoginTrouble::Refused);
                Answer::Login(self.open(ended.map_err(trouble).and(account)).await)
            }
            Ask::Body { .. } if self.is_gone().await => Answer::Gone,
            Ask::Body { number, blob, offset } => Answer::Body(match &mut self.open {
                Some(open) => open.ahead.read(&self.shared.store, &open.messages, number, blob, offset).await.ok(),
                None => None,
            }),
            Ask::Leave(uids) => Answer::Left(self.leave(uids).await.is_ok()),
            Ask::Refused(refusal) => {
                self.tell(refusal);
                Answer::Told
            }
        }
    }
}

impl Pop3Answerer {
    fn door(&self, stage: &'static str) -> Door {
        Door { service: self.service, peer: self.peer, stage }
    }

    /// Tells the host program what the peer was refused.
    fn tell(&self, refusal: Refusal) {
        let Refusal { stage, code, reason, closed } = refusal;
        let user = self.open.as_ref().map(|open| open.account.address.to_string()).unwrap_or_default();
        let refused = Refused::of_session(self.service, self.peer, stage, reason);
        let refused = Refused { user, enhanced: code, closed, ..refused };
        self.shared.events.say(Event::Refused(Box::new(refused)));
    }

    /// Whether the account of the open maildrop was deleted.
    async fn is_gone(&self) -> bool {
        let Some(open) = &self.open else { return false };
        // What cannot be told now the store tells when it is asked for the body.
        matches!(self.shared.store.account_by_id(open.account.id).await, Ok(None))
    }

    async fn open(
        &mut self,
        account: std::result::Result<Arc<Account>, LoginTrouble>,
    ) -> std::result::Result<OpenedMaildrop, LoginTrouble> {
        let account = account?;
        let account = accounts::note(&self.shared, &self.seat, account).await.map_err(trouble)?;
        let lock = self.shared.maildrops.open(account.id).ok_or(LoginTrouble::InUse)?;
        let hold = self.shared.store.hold(account.inbox);
        let opened = list(&self.shared.store, account.inbox).await.map_err(|_| LoginTrouble::Unavailable)?;
        let messages = Arc::clone(&opened.messages);
        let inbox = account.inbox;
        let ahead = BodiesAhead::default();
        self.open = Some(Open { account, inbox, messages, ahead, _lock: lock, _hold: hold });
        Ok(opened)
    }

    /// Deletes, then lets the maildrop go, whatever came of it.
    async fn leave(&mut self, uids: UidSet) -> Result<()> {
        if let Some(open) = self.open.take()
            && !uids.is_empty()
        {
            self.shared.store.expunge(open.inbox, Expunge::Among(uids)).await?;
        }
        Ok(())
    }
}

/// What a refusal of whoever decides comes to here.
fn of_no(no: No) -> LoginTrouble {
    match no {
        No::HangUp => LoginTrouble::HangUp,
        No::Denied(denied) => trouble(denied),
        No::Reply(reply) if reply.is_transient() => LoginTrouble::Unavailable,
        No::Reply(_) => LoginTrouble::Refused,
    }
}

fn trouble(denied: Denied) -> LoginTrouble {
    match denied {
        Denied::Wrong => LoginTrouble::Refused,
        Denied::Later => LoginTrouble::Later,
    }
}

/// The messages of a mailbox at one commit.
async fn list(store: &Store, inbox: MailboxId) -> Result<OpenedMaildrop> {
    let snapshot = store.snapshot(inbox).await?;
    let facts = store.facts(inbox, &UidSet::all()).await?;
    let messages = facts.iter().map(|fact| Listing { uid: fact.uid, octets: fact.size, blob: fact.blob });
    Ok(OpenedMaildrop { uid_validity: snapshot.uid_validity, messages: Arc::new(messages.collect()) })
}

/// Bodies read before they are asked for.
#[derive(Default)]
struct BodiesAhead {
    /// By message number.
    bodies: BTreeMap<u32, Vec<u8>>,
    /// The message asked for last.
    last: u32,
    /// How many were read together; grows while the client goes on in order.
    window: usize,
}

impl BodiesAhead {
    async fn read(
        &mut self,
        store: &Store,
        messages: &[Listing],
        number: u32,
        blob: BlobId,
        offset: u64,
    ) -> Result<Vec<u8>> {
        let rest = messages.get(number.saturating_sub(1) as usize..).unwrap_or_default();
        if offset > 0 || rest.first().is_none_or(|message| message.octets > CHUNK_OCTETS_MAX as u64) {
            return store.body(blob, offset, CHUNK_OCTETS_MAX).await;
        }
        let in_order = number == self.last.wrapping_add(1);
        self.last = number;
        if let Some(body) = self.bodies.remove(&number) {
            return Ok(body);
        }
        self.window = if in_order { (self.window * 2).clamp(1, POP3_READ_AHEAD_MESSAGES_MAX) } else { 1 };
        let blobs = blobs_ahead(rest, self.window);
        self.bodies.clear();
        let bodies = store.bodies(blobs, POP3_READ_AHEAD_OCTETS_MAX).await?;
        self.bodies.extend((number..).zip(bodies).filter_map(|(number, body)| Some((number, body?))));
        match self.bodies.remove(&number) {
            Some(body) => Ok(body),
            None => store.body(blob, 0, CHUNK_OCTETS_MAX).await,
        }
    }
}

/// The first messages of `rest`, as many as may be read together.
fn blobs_ahead(rest: &[Listing], window: usize) -> Vec<BlobId> {
    let mut octets = 0;
    let fits = |message: &&Listing| {
        octets += message.octets;
        message.octets <= CHUNK_OCTETS_MAX as u64 && octets <= POP3_READ_AHEAD_OCTETS_MAX as u64
    };
    rest.iter().take(window).take_while(fits).map(|message| message.blob).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ahead_so_far() {
        let of = |octets: &[u64]| -> Vec<Listing> {
            octets.iter().map(|octets| Listing { uid: 1, octets: *octets, blob: BlobId(1) }).collect()
        };
        let chunk = CHUNK_OCTETS_MAX as u64;
        assert_eq!(blobs_ahead(&of(&[1, 2, 3]), 2).len(), 2);
        assert_eq!(blobs_ahead(&of(&[1, chunk, 3]), 9).len(), 3);
        assert_eq!(blobs_ahead(&of(&[1, chunk + 1, 3]), 9).len(), 1);
        let fits = POP3_READ_AHEAD_OCTETS_MAX / CHUNK_OCTETS_MAX;
        assert_eq!(blobs_ahead(&of(&vec![chunk; fits + 1]), 1000).len(), fits);
        assert!(blobs_ahead(&of(&[]), 9).is_empty());
    }
}
