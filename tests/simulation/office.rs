//! A post office: the engine's rooms put together on a simulated machine, as `engine` does on a real one:
//! store, queue runner, SMTP listener. It loses power and comes back.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mailcore::base::event::{EventSink, Silence};
use mailcore::base::settings::Ends;
use mailcore::base::world::{BoxStream, Task};
use mailcore::base::{
    Address, Content, Envelope, Error, ErrorKind, Flags, MailboxId, Recipient, Reply, Result, Secret, Service, Settings,
};
use mailcore::delivery::local;
use mailcore::mailauth::Keyring;
use mailcore::net::pump::within;
use mailcore::queue;
use mailcore::sasl::credential;
use mailcore::server::{self, accounts};
use mailcore::smtp::server::Client;
use mailcore::store::{Acceptance, Directory, Filing, Store};

use crate::check::disagreement;
use crate::disk::lock;
use crate::image::Loss;
use crate::judge::Judge;
use crate::pop;
use crate::sessions::talk;
use crate::sweep::options;
use crate::world::Host;

/// An office. Clones share it.
#[derive(Clone)]
pub struct Office {
    /// The machine.
    pub host: Host,
    /// The domain whose mail it takes.
    pub domain: &'static str,
    /// What signs its mail: nothing at first.
    pub keyring: Arc<Keyring>,
    users: &'static [&'static str],
    settings: Arc<Settings>,
    /// Messages that COPY, MOVE and EXPUNGE take at a time, where that is not the limit.
    steps: Option<usize>,
    open: Arc<Mutex<Option<Open>>>,
}

/// What lives from one boot to the next cut.
struct Open {
    shared: Arc<server::Shared>,
    /// Dropped with it.
    _tasks: [Task<()>; 4],
    _reporter: Option<Task<()>>,
    _drain: smol::channel::Sender<()>,
}

impl Office {
    /// An office that is closed.
    pub fn new(host: Host, domain: &'static str, users: &'static [&'static str], settings: Settings) -> Self {
        Self {
            host,
            domain,
            keyring: Arc::default(),
            users,
            settings: Arc::new(settings),
            steps: None,
            open: Arc::default(),
        }
    }

    /// The address of a user; those of other domains it hosts are called by it.
    pub fn address(&self, user: &str) -> String {
        if user.contains('@') { user.to_owned() } else { format!("{user}@{}", self.domain) }
    }

    /// From the next boot on COPY, MOVE and EXPUNGE take so many messages at a time.
    pub fn take_steps(&mut self, most: Option<usize>) {
        self.steps = most;
    }

    /// How many messages they take at a time, where that is not the limit.
    pub fn steps(&self) -> Option<usize> {
        self.steps
    }

    /// Opens: store, runner, listeners.
    pub async fn boot(&self) -> Result<()> {
        let world = self.host.world();
        let store = Store::open(&world, options()).await?;
        self.steps.into_iter().for_each(|most| store.set_step_messages(most));
        for user in self.users {
            let address = Address::parse(&self.address(user)).expect("an address");
            if store.account(&address.key()).await?.is_none() {
                let secret = Secret::new(pop::PASSWORD);
                let credential = credential::make(&secret, &[7; _], self.settings.password_cost)?;
                store.account_put(&address, Some(credential)).await?;
            }
        }
        let (drain, draining) = smol::channel::bounded(1);
        let events: Arc<dyn EventSink> = Arc::new(Silence);
        let shared = Arc::new(server::Shared {
            world: world.clone(),
            store: store.clone(),
            settings: self.settings.clone(),
            events: events.clone(),
            host: Some(Arc::new(Judge::new(world.clone()))),
            logins: Arc::new(accounts::Logins::new(&*world.entropy)),
            maildrops: Arc::default(),
            returns: Arc::default(),
            keyring: self.keyring.clone(),
            draining: draining.clone(),
        });
        let (world, settings, keyring) = (world.clone(), self.settings.clone(), self.keyring.clone());
        let context = queue::Context { world, store, settings, keyring, events, stop: draining };
        let runner = queue::runner::start(context);
        let reporter = mailcore::intake::dmarc::start(shared.intake(), shared.draining.clone());
        let smtp = self.listen(&shared, Service::Mx, 25).await?;
        let pop3 = self.listen(&shared, Service::Pop3s, pop::PORT).await?;
        let imap = self.listen(&shared, Service::Imaps, talk::PORT).await?;
        *lock(&self.open) =
            Some(Open { shared, _tasks: [runner, smtp, pop3, imap], _reporter: reporter, _drain: drain });
        Ok(())
    }

    async fn listen(&self, shared: &Arc<server::Shared>, service: Service, port: u16) -> Result<Task<()>> {
        let at = SocketAddr::new(self.host.ip, port);
        let listener = shared.world.network.listen(at).await?;
        let serving = shared.clone();
        let serve = async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let session = serve(serving.clone(), stream, Ends { peer, local: at }, service);
                serving.world.run.task("session", Box::pin(session)).detach();
            }
        };
        Ok(shared.world.run.task("listen", Box::pin(serve)))
    }

    /// The power goes, and comes back; the office stays closed until [`Office::boot`].
    pub fn cut(&self, loss: Loss) {
        self.host.cut(loss);
        *lock(&self.open) = None;
    }

    /// Its store, while it is open.
    pub fn store(&self) -> Option<Store> {
        lock(&self.open).as_ref().map(|open| open.shared.store.clone())
    }

    /// Submits a message as one of its users. Done within the machine: a cut ends it in the middle.
    pub async fn submit(&self, user: &str, recipients: &[String], text: String) -> Result<()> {
        let closed = || Error::new(ErrorKind::StoreDown, "the office is closed");
        let shared = lock(&self.open).as_ref().map(|open| open.shared.clone()).ok_or_else(closed)?;
        let (said, heard) = smol::channel::bounded(1);
        let sender = Address::parse(&self.address(user)).expect("an address");
        let recipients = recipients.iter().map(|to| Recipient::new(Address::parse(to).expect("an address")));
        let envelope = Envelope { reverse_path: Some(sender), recipients: recipients.collect(), ..Envelope::default() };
        let submit = async move {
            let from = envelope.reverse_path.as_ref().map(Address::key).unwrap_or_default();
            let account = match shared.store.account(&from).await {
                Ok(account) => account,
                Err(e) => return drop(said.try_send(Err(e))),
            };
            let submitted = shared.intake().submit(account.as_deref(), &envelope, Content::from_octets(text)).await;
            let _ = said.try_send(submitted.map(drop));
        };
        let _task = self.host.world().run.task("submit", Box::pin(submit));
        heard.recv().await.unwrap_or_else(|_| Err(closed()))
    }

    /// Takes mail as from another host. Done within the machine: a cut ends it in the middle.
    pub async fn receive(&self, client: Client, envelope: Envelope, text: String) -> Option<Reply> {
        let shared = lock(&self.open).as_ref().map(|open| open.shared.clone())?;
        let (said, heard) = smol::channel::bounded(1);
        let receive = async move {
            let replies = shared.intake().receive(&client, &envelope, Content::from_octets(text)).await;
            let _ = said.try_send(replies.into_iter().next());
        };
        let _task = self.host.world().run.task("receive", Box::pin(receive));
        heard.recv().await.ok().flatten()
    }

    /// Files a message into the INBOXes of accounts, in one commit. Done within the machine: a cut ends it in the
    /// middle, and there is no answer.
    pub async fn file(&self, accounts: &[String], text: String) -> Option<Result<()>> {
        let shared = lock(&self.open).as_ref().map(|open| open.shared.clone())?;
        let (said, heard) = smol::channel::bounded(1);
        let keys = accounts.to_vec();
        let now = shared.world.clock.wall();
        let filing = move |mailbox| Filing { mailbox, flags: Flags::NONE, keywords: Vec::new(), internal_date: now };
        let file = async move {
            let inbox = |directory: &Directory<'_>, key: &String| directory.account(key).map(|account| account.inbox);
            let inboxes = shared.store.look_up(|directory| keys.iter().map(|key| inbox(directory, key)).collect());
            let inboxes: Vec<Option<MailboxId>> = match inboxes.await {
                Ok(inboxes) => inboxes,
                Err(e) => return drop(said.try_send(Err(e))),
            };
            let filings = inboxes.into_iter().map(|inbox| filing(inbox.expect("an account"))).collect();
            let arrival = local::arrival(Content::from_octets(text), filings, now).expect("memory can be read");
            let acceptance = Acceptance { arrivals: vec![arrival], ..Acceptance::default() };
            let _ = said.try_send(shared.store.accept(acceptance).await.map(drop));
        };
        let _task = self.host.world().run.task("file", Box::pin(file));
        heard.recv().await.ok()
    }

    /// How many messages wait in its queue.
    pub async fn queued(&self) -> Result<usize> {
        let Some(store) = self.store() else { return Ok(usize::MAX) };
        Ok(store.queue_list(mailcore::base::QueueId(0), 10_000).await?.len())
    }

    /// Closes as at the end of a day.
    pub async fn close(&self) -> Result<()> {
        let open = lock(&self.open).take();
        let Some(open) = open else { return Ok(()) };
        let store = open.shared.store.clone();
        drop(open);
        assert_eq!(disagreement(&store).await, None, "the parts of the store of {} agree", self.domain);
        store.close().await
    }

    /// Sleeps on the world's clock.
    pub async fn sleep(&self, time: Duration) {
        let clock = self.host.world().clock;
        clock.sleep_until(clock.now() + time).await;
    }
}

/// One connection to its end; TLS first where the service has it from the first octet.
async fn serve(shared: Arc<server::Shared>, stream: BoxStream, ends: Ends, service: Service) {
    if service == Service::Mx {
        return server::smtp::serve(shared, server::Accepted { stream, ends, service, tls: None, trace: None }).await;
    }
    let world = &shared.world;
    let until = world.clock.now() + shared.settings.waits.tls_handshake;
    // A handshake that fails is the peer's affair.
    let Ok((stream, tls)) = within(&*world.clock, until, world.tls.accept(stream)).await else { return };
    let accepted = server::Accepted { stream, ends, service, tls: Some(tls), trace: None };
    match service {
        Service::Imaps => server::imap::serve(shared, accepted).await,
        _ => server::pop3::serve(shared, accepted).await,
    }
}
