//! IMAP over the store: the session's loop, and one file a verb.
//!
//! Unlike SMTP and POP3 this session is not a `Dialog` but async over any stream: its answers are large, come in
//! pieces from the store and are written while the next piece is read, which a question for each piece would slow
//! down. What can be pure is: framing, parsing, encoding and the comparison of views stand in `crate::imap`. Every
//! wait has a deadline on the world's clock; no socket is written while the store is in a transaction of ours, since
//! the store gives only values.
//!
//! Gaps: a literal8 is filed as it came, NUL included (RFC 3516 §4.4 lets a server
//! recode it); messages with UTF-8 headers go to clients without UTF8=ACCEPT as they are (RFC 6855 §7).

mod append;
mod authenticate;
mod batches;
mod capability;
mod compress;
mod copy;
mod expunge;
mod fetch;
mod goodbye;
mod idle;
mod language;
mod list;
mod login;
mod mailbox;
mod metadata;
mod notify;
mod open;
mod quota;
mod refusal;
mod search;
mod select;
mod starttls;
mod status;
mod store;
mod wire;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::base::Account;
use crate::base::limits::{IMAP_ERRORS_MAX, IMAP_LITERAL_OCTETS_MAX, LOGIN_FAILURES_MAX};
use crate::base::settings::{Ends, Service};
use crate::base::time::Mono;
use crate::base::world::TlsInfo;
use crate::imap::command::{Command, Request, State};
use crate::imap::framing::{Cut, Framing, Refusal};
use crate::imap::parse;
use crate::imap::response::{Completion, Status};
use crate::imap::session::Enabled;
use crate::store::Watch;

use super::accounts::{self, Door};
use super::sessions::Seat;
use super::{Accepted, Shared, broken, refuse};
use goodbye::Goodbye;
use notify::Notifying;
use open::Open;
use refusal::{Done, Stop};
use wire::{Wire, Woke};

/// Serves one connection until it ends.
pub async fn serve(shared: Arc<Shared>, mut accepted: Accepted) {
    // In a box of its own: an idle session stays small.
    if !Box::pin(refuse::is_welcome(&shared, &mut accepted)).await {
        return;
    }
    let Accepted { stream, ends, service, tls, trace } = accepted;
    let began = shared.world.clock.now();
    let seat = accounts::enter(&shared, service, ends.peer);
    let notice = seat.notice();
    let most = shared.settings.sessions_per_listener_max;
    let login_wait = shared.logins.sessions.patience(service, most, shared.settings.waits.imap_login);
    let mut session = Session {
        wire: Wire::new(shared.clone(), stream, notice.clone()).traced(trace),
        shared: shared.clone(),
        seat,
        login_wait,
        framing: Framing::new(),
        service,
        ends,
        tls,
        account: None,
        account_watch: None,
        open: None,
        notify: None,
        annotations: None,
        enabled: Enabled::default(),
        heard: began,
        began,
        errors: 0,
        failures: 0,
        exchanges: 0,
        login_told: false,
        over: false,
    };
    let run = async {
        if let Err(e) = session.run().await {
            let user = session.account.as_ref().map(|account| account.address.to_string()).unwrap_or_default();
            let stage = if user.is_empty() { "login" } else { "command" };
            broken::tell(&session.shared, service, ends, (stage, user), &e);
        }
        Box::pin(session.leave()).await;
        session.wire.close().await;
    };
    // Boxed: by value the future would be there twice.
    accounts::until_dismissed(&shared, &notice, Box::pin(run)).await;
}

/// One connection's state.
struct Session {
    shared: Arc<Shared>,
    wire: Wire,
    framing: Framing,
    service: Service,
    ends: Ends,
    seat: Seat,
    /// How long the login may take.
    login_wait: Duration,
    tls: Option<TlsInfo>,
    /// Who logged in.
    account: Option<Arc<Account>>,
    /// Wakes when the account is deleted.
    account_watch: Option<Watch>,
    /// The selected mailbox.
    open: Option<Open>,
    /// What NOTIFY asked for; none before the first one.
    notify: Option<Box<Notifying>>,
    /// Annotations whose changes are told.
    annotations: Option<Box<metadata::Told>>,
    enabled: Enabled,
    began: Mono,
    /// When the last command came.
    heard: Mono,
    /// BAD answers in a row.
    errors: u32,
    /// Failed logins.
    failures: u32,
    /// AUTHENTICATE exchanges begun.
    exchanges: u32,
    /// The host was told of the login that the present answer refuses.
    login_told: bool,
    /// Nothing more is read.
    over: bool,
}

impl Session {
    async fn run(&mut self) -> io::Result<()> {
        let greeting = Completion::ok(format!("{} ready", self.shared.settings.hostname));
        let greeting = greeting.with_code(format!("CAPABILITY {}", self.capabilities()));
        greeting.write(&mut self.wire.out, "*");
        while !self.over {
            match self.framing.cut(&mut self.wire.input) {
                Cut::More => self.wait().await?,
                Cut::Invite => self.wire.out.extend_from_slice(b"+ OK\r\n"),
                Cut::Command(octets) => self.command(&octets).await?,
                Cut::Message { head, literal } => {
                    self.heard = self.shared.world.clock.now();
                    Box::pin(self.append(&head, literal)).await?;
                }
                Cut::Refused { tag, why } => self.refused(tag, why),
                Cut::Hopeless => self.bye(Goodbye::Command),
            }
            self.wire.relieve().await?;
        }
        self.wire.flush().await
    }

    /// Waits for octets until autologout, and tells what NOTIFY asked for.
    async fn wait(&mut self) -> io::Result<()> {
        match self.wait_and_tell().await? {
            None | Some(Woke::Octets | Woke::Changed) => {}
            Some(Woke::End) => self.over = true,
            Some(Woke::Late) => self.late(),
            Some(Woke::Leave(why)) => self.bye(why),
        }
        Ok(())
    }

    /// Ends the session where it is dismissed, or its account was deleted.
    async fn end_without_account(&mut self) {
        if let Some(why) = self.wire.notice.why() {
            return self.bye(Goodbye::Dismissed(why));
        }
        let Some(account) = &self.account else { return };
        // What cannot be told now is asked before the next command, and the command itself asks the store.
        if matches!(self.shared.store.account_by_id(account.id).await, Ok(None)) {
            self.bye(Goodbye::Account);
        }
    }

    /// When the session ends unless the client says something.
    fn deadline(&self) -> Mono {
        let waits = &self.shared.settings.waits;
        if self.account.is_some() { self.heard + waits.imap_idle } else { self.began + self.login_wait }
    }

    /// How somebody logs in by this verb.
    fn door(&self, stage: &'static str) -> Door {
        Door { service: self.service, peer: self.ends.peer, stage }
    }

    fn state(&self) -> State {
        match (&self.account, &self.open) {
            (None, _) => State::NotAuthenticated,
            (Some(_), None) => State::Authenticated,
            (Some(_), Some(_)) => State::Selected,
        }
    }

    async fn command(&mut self, octets: &[u8]) -> io::Result<()> {
        self.heard = self.shared.world.clock.now();
        self.end_without_account().await;
        if self.over {
            return Ok(());
        }
        let command = match parse::command(octets, self.enabled.utf8_names()) {
            Ok(command) => command,
            Err(parse::Refused { tag, why }) => {
                if parse::search::asks_to_save(octets) {
                    self.forget_saved();
                }
                self.finish(tag.as_deref().unwrap_or("*"), refusal::of_bad(why));
                return Ok(());
            }
        };
        let Command { tag, row, request } = command;
        if !row.legal_in(self.state()) {
            self.finish(&tag, Completion::bad(format!("{} is not possible now", row.name)));
            return Ok(());
        }
        if row.by_number && self.enabled.uid_only {
            self.finish(&tag, uid_required());
            return Ok(());
        }
        if row.looks {
            self.report_changes(false).await?;
        }
        let done = self.perform(&tag, request).await;
        let answer = match done {
            Ok(answer) | Err(Stop::Completion(answer)) => answer,
            Err(Stop::Answered) => return Ok(()),
            Err(Stop::Wire(e)) => return Err(e),
        };
        // What changed meanwhile, whether the command did it or somebody else; the store being down is no
        // reason to give another answer.
        self.report_changes(row.may_expunge).await?;
        self.tell_elsewhere().await?;
        self.tell_annotations().await?;
        self.finish(&tag, answer);
        Ok(())
    }

    /// Does what a legal command asks. Large verbs are boxed, so that an idle session stays small.
    async fn perform(&mut self, tag: &str, request: Request) -> Done {
        match request {
            Request::Capability => self.capability(),
            Request::Noop | Request::Check => Ok(Completion::ok("Done")),
            Request::Logout => {
                self.bye(Goodbye::Logout);
                Ok(Completion::ok("Logout completed"))
            }
            Request::Id(_) => self.id(),
            Request::StartTls => Box::pin(self.starttls(tag)).await,
            Request::Login { user, password } => Box::pin(self.login(&user, &password)).await,
            Request::Authenticate { mechanism, initial } => {
                Box::pin(self.authenticate(&mechanism, initial.as_deref())).await
            }
            Request::Enable(names) => self.enable(&names),
            Request::Namespace => self.namespace(),
            Request::Compress => Box::pin(self.compress(tag)).await,
            Request::Unauthenticate => Box::pin(self.unauthenticate()).await,
            Request::GetQuota(root) => Box::pin(self.get_quota(&root)).await,
            Request::GetQuotaRoot(name) => Box::pin(self.get_quota_root(&name)).await,
            Request::Select(select) => Box::pin(self.select(&select)).await,
            Request::Create { name, special_use } => Box::pin(self.create(&name, special_use)).await,
            Request::Delete(name) => Box::pin(self.delete(&name)).await,
            Request::Rename { from, to } => Box::pin(self.rename(&from, &to)).await,
            Request::Subscribe { name, on } => Box::pin(self.subscribe(&name, on)).await,
            Request::List(list) => Box::pin(self.list(&list)).await,
            Request::Lsub { reference, pattern } => Box::pin(self.lsub(&reference, &pattern)).await,
            Request::Status { name, items } => Box::pin(self.status(&name, items)).await,
            Request::Idle => Box::pin(self.idle()).await,
            Request::Close => Box::pin(self.close()).await,
            Request::Unselect => Box::pin(self.unselect()).await,
            Request::Expunge { uids } => Box::pin(self.expunge(uids.as_ref())).await,
            Request::Search(mut search) => {
                self.expand_filters(&mut search).await?;
                Box::pin(self.search(tag, &search)).await
            }
            Request::Multisearch(mut asked) => {
                self.expand_filters(&mut asked.search).await?;
                Box::pin(self.multisearch(tag, &asked)).await
            }
            Request::UidBatches(asked) => self.uid_batches(tag, &asked),
            Request::CancelUpdate(tags) => self.cancel_update(&tags),
            Request::Comparator(wanted) => self.comparator(&wanted),
            Request::Language(ranges) => self.language(&ranges),
            Request::Sort(mut sort) => {
                self.expand_filters(&mut sort.search).await?;
                Box::pin(self.sort(tag, &sort)).await
            }
            Request::Thread(mut thread) => {
                self.expand_filters(&mut thread.search).await?;
                Box::pin(self.thread(&thread)).await
            }
            Request::GetMetadata(asked) => Box::pin(self.get_metadata(&asked)).await,
            Request::SetMetadata(asked) => Box::pin(self.set_metadata(asked)).await,
            Request::Notify(asked) => Box::pin(self.notify(asked)).await,
            Request::Fetch(fetch) => Box::pin(self.fetch(&fetch)).await,
            Request::Store(store) => Box::pin(self.store(&store)).await,
            Request::Copy(copy) => Box::pin(self.copy(&copy)).await,
        }
    }

    /// Ends a command; a session that only makes errors is ended too.
    fn finish(&mut self, tag: &str, answer: Completion) {
        answer.write(&mut self.wire.out, tag);
        self.note(&answer);
        if answer.status != Status::Bad {
            self.errors = 0;
        } else {
            self.errors += 1;
            if self.errors >= IMAP_ERRORS_MAX {
                self.bye(Goodbye::Errors);
            }
        }
        if self.failures >= LOGIN_FAILURES_MAX {
            self.bye(Goodbye::Logins);
        }
    }

    fn refused(&mut self, tag: Option<String>, why: Refusal) {
        let answer = match why {
            Refusal::LineTooLong => {
                Completion::bad(format!("Command line too long, at most {} bytes", self.framing.line_octets_max()))
            }
            Refusal::LiteralTooLarge => {
                let text = format!("Literal too large, at most {IMAP_LITERAL_OCTETS_MAX} bytes");
                Completion::bad(text).with_code("TOOBIG")
            }
        };
        self.finish(tag.as_deref().unwrap_or("*"), answer);
    }

    /// Who logged in; only asked in states that have somebody.
    fn account(&self) -> Result<Arc<Account>, Stop> {
        self.account.clone().ok_or_else(|| Completion::bad("Not logged in").into())
    }
}

/// A message number after ENABLE UIDONLY (RFC 9586 §3).
fn uid_required() -> Completion {
    Completion::bad("UIDONLY is enabled: only UIDs can be used").with_code("UIDREQUIRED")
}
