//! What rules of accounts want done, made ready for the transaction that files the message: for mail that comes in
//! (`intake`) and for mail that the queue finds to live here (`local`).

use super::bounce::Reporter;
use super::schedule;
use crate::base::envelope::{BodyKind, Notify};
use crate::base::event::Origin;
use crate::base::{Account, Address, Content, Envelope, Recipient, Result, Timestamp};
use crate::delivery::directory::{known, onward};
use crate::delivery::filing::{Action, file};
use crate::delivery::rules::{Passage, REDIRECTED, Remembered, Ruler, Ruling};
use crate::delivery::wire::front;
use crate::message::header::header_len;
use crate::os::aside::aside;
use crate::store::{Acceptance, Arrival, NewItem, Reply};

/// What the rules of an account came to.
#[derive(Debug, Default)]
pub struct Ruled {
    /// Beside what is filed of the message as it is: copies with another header first.
    pub acceptance: Acceptance,
    /// Copies of letters that are filed.
    pub letters: Vec<Arrival>,
    /// Sent on: the message as it is filed, not yet made fit for its way.
    pub redirected: Vec<NewItem>,
    /// Why it is refused; true where the refusal in the session is preferred.
    pub rejected: Option<(String, bool)>,
}

impl Reporter<'_> {
    /// Lets the rules of its account change an action. Without rules nothing happens. The envelope is that of the
    /// message, `to` the recipient that led to the account.
    pub async fn rule(
        &self,
        action: &mut Action,
        passage: &Passage,
        envelope: &Envelope,
        to: &Recipient,
        content: &Content,
        now: Timestamp,
    ) -> Result<Ruled> {
        let mut ruled = Ruled::default();
        if !cfg!(feature = "sieve") {
            return Ok(ruled);
        }
        let ruler = Ruler { world: self.world, store: self.store, settings: self.settings };
        let Some(place) = action.copies.first().map(|copy| copy.place) else { return Ok(ruled) };
        let ruling = ruler.rule(&action.account, place, passage, content, now).await?;
        let Some(Ruling { copies, edited, redirects, letters, filed_letters, remember, rejected, events }) = ruling
        else {
            return Ok(ruled);
        };
        action.copies = copies;
        let account = &action.account;
        let reverse_path = envelope.reverse_path.as_ref();
        for (header, copies) in edited {
            let edited = self.edited(content, &header).await?;
            let action = Action { account: account.clone(), copies };
            ruled.acceptance.arrivals.extend(file(self.world, self.store, &[action], reverse_path, edited, now).await?);
        }
        for (octets, copy) in filed_letters {
            let action = Action { account: account.clone(), copies: vec![copy] };
            let letter = Content::from_octets(octets);
            ruled.letters.extend(file(self.world, self.store, &[action], None, letter, now).await?);
        }
        for (address, header) in redirects {
            let content = match header {
                Some(header) => self.edited(content, &header).await?,
                None => content.clone(),
            };
            ruled.redirected.push(self.redirected(account, envelope, to, address, content, now).await?);
        }
        for (letter, remembered) in letters {
            let item = self.item(letter.to, letter.octets, now).await;
            match remembered {
                Some(Remembered { key, until }) => {
                    ruled.acceptance.replies.push(Reply { account: account.id, key, now, until, item: Some(item) });
                }
                None => ruled.acceptance.items.push(item),
            }
        }
        let keep = |Remembered { key, until }| Reply { account: account.id, key, now, until, item: None };
        ruled.acceptance.replies.extend(remember.into_iter().map(keep));
        ruled.acceptance.events = events;
        ruled.rejected = rejected;
        Ok(ruled)
    }

    /// The content with another header.
    async fn edited(&self, content: &Content, header: &[u8]) -> Result<Content> {
        let (content, header) = (content.clone(), header.to_vec());
        let job = move || {
            let front = front(&content)?;
            let replaced = header_len(&front).unwrap_or(front.len());
            Ok::<_, std::io::Error>(content.with_front(header, replaced))
        };
        let edited = aside(&*self.world.run, false, job).await?;
        edited.map_err(|e| {
            crate::base::Error::new(crate::base::ErrorKind::Store, format!("scratch file: {e}")).with_errno_of(&e)
        })
    }

    /// The message on its way to somebody else, the reverse-path as it was or as the domain rewrites it.
    async fn redirected(
        &self,
        account: &Account,
        envelope: &Envelope,
        to: &Recipient,
        address: Address,
        content: Content,
        now: Timestamp,
    ) -> Result<NewItem> {
        let mark = format!("{REDIRECTED}: {}\r\n", account.address).into_bytes();
        let path = envelope.reverse_path.as_ref();
        let reverse_path = known(self.store, |known| known.onward_path(path, &account.address)).await?;
        let envelope = Envelope { reverse_path, recipients: vec![onward(to, address)], ..envelope.clone() };
        let expires = schedule::expires(&self.settings.outbound, now);
        let content = content.with_front(mark, 0);
        Ok(NewItem { envelope, content, submitter: None, created: now, due: now, expires })
    }

    /// A letter in the queue: signed where there is a key, its reverse-path null.
    async fn item(&self, to: Vec<Address>, octets: Vec<u8>, now: Timestamp) -> NewItem {
        let smtputf8 = to.iter().any(Address::needs_smtputf8);
        let body = if octets.is_ascii() { BodyKind::SevenBit } else { BodyKind::EightBit };
        let mut content = Content::from_octets(octets);
        if self.settings.checking.signs {
            content.prefix = self.keyring.sign(&*self.world.run, &content, now).await.unwrap_or_default();
        }
        let recipient = |address| Recipient { notify: Notify::NEVER, ..Recipient::new(address) };
        let recipients = to.into_iter().map(recipient).collect();
        let envelope = Envelope { recipients, body, smtputf8, ..Envelope::default() };
        let expires = schedule::expires(&self.settings.outbound, now);
        NewItem { envelope, content, submitter: None, created: now, due: now, expires }
    }
}

impl Ruled {
    /// Adds what it wants to a transaction, with where the message came from.
    pub fn join(self, acceptance: &mut Acceptance, origin: &Origin) {
        let copies = self.acceptance.arrivals.into_iter().map(|copy| Arrival { origin: origin.clone(), ..copy });
        acceptance.arrivals.extend(copies.chain(self.letters));
        acceptance.items.extend(self.acceptance.items);
        acceptance.items.extend(self.redirected);
        acceptance.replies.extend(self.acceptance.replies);
        acceptance.events.extend(self.acceptance.events);
    }
}
