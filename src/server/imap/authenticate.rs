//! AUTHENTICATE (RFC 9051 §6.2.2, RFC 4959).

use std::io;
use std::sync::Arc;

use crate::base::Account;
use crate::imap::framing::Cut;
use crate::imap::response::Completion;
use crate::sasl::{self, Exchange, Failure, Mechanism, Step};
use crate::server::accounts::{self, Denied, ScramAnswer};
use crate::server::asked::{self, No};

use super::Session;
use super::goodbye::Goodbye;
use super::login::needs_privacy;
use super::refusal::{Done, Stop};
use super::wire::Woke;

impl Session {
    pub(super) async fn authenticate(&mut self, mechanism: &str, initial: Option<&[u8]>) -> Done {
        let offer = self.sasl_offer();
        let Some(mechanism) = Mechanism::parse(mechanism) else {
            return Ok(no_mechanism("Unknown mechanism", offer));
        };
        if !offer.passwords {
            return Ok(needs_privacy());
        }
        if !mechanism.is_offered(offer) {
            return Ok(no_mechanism("Mechanism not possible on this connection", offer));
        }
        let mut seed = [0; 32];
        self.shared.world.entropy.fill(&mut seed);
        self.exchanges += 1;
        let binding = self.tls.as_ref().and_then(|tls| tls.exporter.clone());
        let mut exchange = Exchange::new(mechanism, sasl::nonce(&seed, self.exchanges), binding);
        let mut step = exchange.start(initial);
        let mut account: Result<Arc<Account>, Denied> = Err(Denied::Wrong);
        // Who SCRAM is about: its outcome is told to the host here, a password's by `accounts::login`.
        let mut told = None;
        loop {
            step = match step {
                Step::Challenge(challenge) => exchange.respond(&self.challenge(&challenge).await?),
                Step::NeedCredential(user) => {
                    let (client, door) = (self.client(), self.door("authenticate"));
                    let found = asked::scram_keys(&self.shared, &client, door, &user).await;
                    let ScramAnswer { keys, account: found } = match found {
                        Ok(found) => found,
                        Err(no) => return self.login_refused(no).await,
                    };
                    let known = found.is_some();
                    account = found.ok_or(Denied::Wrong);
                    told = Some(user);
                    exchange.credential(&keys, known)
                }
                Step::CheckPassword { authcid, password } => {
                    let (client, door) = (self.client(), self.door("authenticate"));
                    account = match asked::login(&self.shared, &client, door, &authcid, &password).await {
                        Ok(account) => Ok(account),
                        Err(No::Denied(denied)) => Err(denied),
                        Err(no) => return self.login_refused(no).await,
                    };
                    self.login_told = account.is_err();
                    exchange.checked(account.is_ok())
                }
                Step::Done(_) => {
                    if let Some(user) = told {
                        let ended = self.scram_ended(&user, account.is_ok()).await;
                        account = ended.and(account);
                    }
                    return Ok(self.logged_in(account).await);
                }
                Step::Failed(failure) => {
                    let denied = match (told, account) {
                        (Some(user), _) => self.scram_ended(&user, false).await.err(),
                        (None, account) => account.err(),
                    };
                    let refusal = self.logged_in(Err(denied.unwrap_or(Denied::Wrong))).await;
                    return Ok(if failure == Failure::Malformed {
                        Completion::bad("Not what SASL wants")
                    } else {
                        refusal
                    });
                }
            };
        }
    }

    /// Tells the host how a SCRAM exchange ended.
    async fn scram_ended(&mut self, user: &str, right: bool) -> Result<(), Denied> {
        let ended = accounts::scram_ended(&self.shared, self.door("authenticate"), user, right).await;
        self.login_told = ended.is_err();
        ended
    }

    /// Sends a challenge and gives the client's response, decoded. `*` cancels the exchange.
    async fn challenge(&mut self, challenge: &[u8]) -> Result<Vec<u8>, Stop> {
        let line = format!("+ {}\r\n", sasl::encode(challenge));
        self.wire.out.extend_from_slice(line.as_bytes());
        let line = self.line().await?;
        if line == b"*" {
            return Err(Completion::bad("Authentication cancelled").into());
        }
        // Only a command's initial response says `=` for nothing: here that is an empty line.
        let response = if line == b"=" { None } else { sasl::decode(&line) };
        response.ok_or_else(|| Completion::bad("Response is not base64").into())
    }

    /// The next plain line.
    async fn line(&mut self) -> Result<Vec<u8>, Stop> {
        loop {
            match self.framing.cut_line(&mut self.wire.input) {
                Cut::Command(line) => return Ok(line),
                Cut::More => {}
                _ => {
                    self.bye(Goodbye::Line);
                    return Err(Completion::bad("Line too long").into());
                }
            }
            match self.wire.wait(self.deadline(), Default::default()).await? {
                Woke::Octets | Woke::Changed => {}
                Woke::End => return Err(Stop::Wire(io::ErrorKind::UnexpectedEof.into())),
                Woke::Late => {
                    self.late();
                    return Err(Stop::Answered);
                }
                Woke::Leave(why) => {
                    self.bye(why);
                    return Err(Stop::Answered);
                }
            }
        }
    }
}

/// NO with the mechanisms there are.
fn no_mechanism(what: &str, offer: sasl::Offer) -> Completion {
    let offered: Vec<_> = Mechanism::offered(offer).map(Mechanism::name).collect();
    let offered = if offered.is_empty() { "none".to_owned() } else { offered.join(" ") };
    Completion::no("CANNOT", format!("{what}, offered: {offered}"))
}
