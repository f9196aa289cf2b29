//! COPY and MOVE of many messages, in steps of a bounded number, all or none for everybody.
//!
//! The first step hides a stretch of UIDs of the destination ([`hidden`]). Each further one writes copies of some facts
//! there and counts the uses of their bodies. The last one shows all of them: it writes the destination's blocks and
//! row; a MOVE hides the source's facts in the same commit, and they are removed in the background. What counts is how
//! the source is at the last step: a message that went meanwhile is not copied, flags are those of then.
//!
//! UIDs must rise in the order in which messages are seen. So new messages of the destination do not get UIDs of the
//! stretch; where one comes, it gets a UID behind the stretch, the steps so far are given up, and all begins again
//! further on, with room for new messages in between.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::delta::{self, Delta, Going};
use super::hidden::{self, Stretch};
use super::transaction::{Usage, WriteTx};
use super::{Copied, Fact, Snapshot, Store, fact, mailbox, write};
use crate::base::limits::COPY_TRIES_MAX;
use crate::base::snapshot::Messages;
use crate::base::{AccountId, MailboxId, Result, Uid, UidSet};

/// Where messages go.
#[derive(Debug, Clone)]
pub(super) enum Destination {
    /// Into a mailbox, of which this is a state.
    Mailbox(Snapshot),
    /// Into a mailbox of this account and name, which the last step makes.
    New(AccountId, String),
}

/// What is to be done.
struct Plan {
    /// A state of the source.
    from: Snapshot,
    uids: UidSet,
    to: Destination,
    moves: bool,
}

/// The stretch that is written.
#[derive(Debug, Clone, Copy)]
struct Place {
    mailbox: MailboxId,
    id: i64,
    first: Uid,
    last: Uid,
}

/// What a step came to.
enum Step<T> {
    Done(T),
    /// New messages came, or too many: the stretch is given up.
    Overtaken,
    /// The last step finds messages that are not written yet.
    More(UidSet),
}

impl Store {
    /// Has COPY, MOVE and EXPUNGE take this many messages at a time in place of the limit, at least one: for tests.
    #[doc(hidden)]
    pub fn set_step_messages(&self, most: usize) {
        self.shared().step_messages.store(most.max(1), Ordering::SeqCst);
    }

    /// Whether so many messages of a snapshot are meant that they are not written in one commit.
    pub(super) fn are_many(&self, known: &Snapshot, uids: &UidSet) -> bool {
        known.messages.matching(uids).map(|(_, range)| range.len()).sum::<usize>() > self.shared().step_messages()
    }

    /// COPY or MOVE in steps. `None`, and nothing is done: it must be done in one commit, since new messages came
    /// faster than copies were written, or since too few UIDs are left. Errors as of [`Store::copy`]; for a new
    /// mailbox those of its making as well.
    pub(super) async fn transfer(
        &self,
        from: Snapshot,
        uids: UidSet,
        to: Destination,
        moves: bool,
    ) -> Result<Option<Copied>> {
        let _turn = match &to {
            Destination::Mailbox(known) => Some(self.shared().turns.destination(known.mailbox).await),
            Destination::New(..) => None,
        };
        let plan = Arc::new(Plan { from, uids, to, moves });
        let chosen: Vec<Uid> = plan.from.messages.among(&plan.uids).map(|message| message.uid).collect();
        let count = Uid::try_from(chosen.len()).unwrap_or(Uid::MAX);
        // Most mailboxes are quiet: UIDs go on without a gap.
        let mut gap = 0;
        for _ in 0..COPY_TRIES_MAX {
            // Messages may come to the source as well.
            let Some(many) = count.checked_add(count / 8 + 1_024) else { return Ok(None) };
            let holder = Stretch::of(self);
            let (number, of) = (holder.number(), plan.clone());
            let Some(place) = self.write(0, move |tx| begin(tx, &of, number, gap, many)).await? else {
                return Ok(None);
            };
            if let Some(copied) = self.transfer_to(&plan, place, &chosen).await? {
                return Ok(Some(copied));
            }
            gap = gap.saturating_mul(8).max(count / 4).max(1_024);
        }
        Ok(None)
    }

    /// The steps behind the first. `None` where they were overtaken.
    async fn transfer_to(&self, plan: &Arc<Plan>, place: Place, chosen: &[Uid]) -> Result<Option<Copied>> {
        let most = self.shared().step_messages();
        let mut staged: Vec<Fact> = Vec::with_capacity(chosen.len());
        for some in chosen.chunks(most) {
            if !self.stage(plan, place, some.iter().copied().collect(), &mut staged).await? {
                return Ok(None);
            }
        }
        let mut staged = Arc::new(staged);
        loop {
            let turn = self.shared().turns.step().await;
            let (of, facts) = (plan.clone(), staged.clone());
            let step = self.write(0, move |tx| finish(tx, &of, place, &facts, most)).await?;
            drop(turn);
            match step {
                Step::Done(copied) => return Ok(Some(copied)),
                Step::Overtaken => return Ok(None),
                Step::More(uids) => {
                    if !self.stage(plan, place, uids, Arc::make_mut(&mut staged)).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// One step: writes some facts, and adds them to those that were written. False where it was overtaken.
    async fn stage(&self, plan: &Arc<Plan>, place: Place, uids: UidSet, staged: &mut Vec<Fact>) -> Result<bool> {
        let _turn = self.shared().turns.step().await;
        let (of, before) = (plan.clone(), staged.len());
        match self.write(0, move |tx| stage(tx, &of, place, before, &uids)).await? {
            Step::Done(facts) => {
                staged.extend(facts);
                Ok(true)
            }
            Step::Overtaken | Step::More(_) => Ok(false),
        }
    }
}

/// Hides the UIDs for `many` messages, `gap` behind the next one; `None` where the mailbox has not so many left.
fn begin(tx: &mut WriteTx<'_>, plan: &Plan, holder: u64, gap: Uid, many: Uid) -> Result<Option<Place>> {
    let source = tx.row(plan.from.mailbox)?;
    let (mailbox, row) = match &plan.to {
        Destination::Mailbox(known) => (known.mailbox, Some(tx.row(known.mailbox)?)),
        Destination::New(account, name) => {
            mailbox::check_new(tx, *account, name)?;
            (tx.db.mailbox_reserve()?, None)
        }
    };
    let account = row.as_ref().map_or(source.account, |row| row.account);
    if !plan.moves || account != source.account {
        // Also looked at in the last step; there is no need to write what will not fit.
        let messages = plan.from.messages.matching(&plan.uids).map(|(_, range)| range.len() as u64).sum();
        tx.check_quota(account, Usage { octets: 1, messages })?;
    }
    let mut next = row.as_ref().map_or(1, |row| row.uid_next);
    if row.is_some() {
        for (_, last) in hidden::reserved(tx.db, mailbox, next)?.iter() {
            next = next.max(last.saturating_add(1));
        }
    }
    let Some(first) = next.checked_add(gap) else { return Ok(None) };
    let Some(last) = first.checked_add(many).filter(|last| *last < Uid::MAX) else { return Ok(None) };
    let id = hidden::begin(tx, holder, mailbox, first, last)?;
    if let Some(row) = row {
        let mut delta = Delta::of(mailbox, row);
        delta.row.reserved = hidden::reserved(tx.db, mailbox, delta.row.uid_next)?;
        tx.apply(delta)?;
    }
    Ok(Some(Place { mailbox, id, first, last }))
}

/// The destination as it is, where nothing has overtaken the stretch: its change to be, and its messages.
fn destination(tx: &mut WriteTx<'_>, plan: &Plan, place: Place) -> Result<Option<(Delta, Messages)>> {
    match &plan.to {
        Destination::Mailbox(known) => {
            let (row, view) = (tx.row(place.mailbox)?, tx.view(known)?);
            Ok((row.uid_next <= place.first).then(|| (Delta::of(place.mailbox, row), view)))
        }
        Destination::New(account, name) => {
            let row = mailbox::make_room(tx, *account, name)?;
            Ok(Some((Delta::of(place.mailbox, row), Messages::default())))
        }
    }
}

/// Writes the facts of these messages behind the `before` that were written.
fn stage(tx: &mut WriteTx<'_>, plan: &Plan, place: Place, before: usize, uids: &UidSet) -> Result<Step<Vec<Fact>>> {
    if let Destination::Mailbox(known) = &plan.to
        && tx.row(known.mailbox)?.uid_next > place.first
    {
        return Ok(Step::Overtaken);
    }
    let view = tx.view(&plan.from)?;
    let there: UidSet = view.among(uids).map(|message| message.uid).collect();
    let facts = fact::of_all(tx.db, plan.from.mailbox, &there)?;
    match room(place, before, facts.len()) {
        Some(first) => write::stage(tx.db, place.mailbox, first, &facts)?,
        None => return Ok(Step::Overtaken),
    }
    Ok(Step::Done(facts))
}

/// The UID for the first of `more` messages behind `before` others, where all have room.
fn room(place: Place, before: usize, more: usize) -> Option<Uid> {
    let first = place.first.checked_add(Uid::try_from(before).ok()?)?;
    first.checked_add(Uid::try_from(more).ok()?).filter(|behind| *behind <= place.last).map(|_| first)
}

/// The last step: writes what came meanwhile, `most` messages at most, and shows all.
fn finish(tx: &mut WriteTx<'_>, plan: &Plan, place: Place, staged: &[Fact], most: usize) -> Result<Step<Copied>> {
    let (view, from) = (tx.view(&plan.from)?, tx.row(plan.from.mailbox)?);
    let (mut messages, late) = sort_out(plan, place, &view, staged);
    if late.count() > most as u64 {
        return Ok(Step::More(view.among(&late).map(|message| message.uid).take(most).collect()));
    }
    let facts = fact::of_all(tx.db, plan.from.mailbox, &late)?;
    let Some(next) = room(place, staged.len(), facts.len()) else { return Ok(Step::Overtaken) };
    for ((uid, fact), message) in (next..).zip(&facts).zip(view.among(&late)) {
        messages.push(delta::Copy { uid, fact: *fact, flags: message.flags });
    }
    let Some((mut target, shown_there)) = destination(tx, plan, place)? else { return Ok(Step::Overtaken) };
    if !plan.moves || target.row.account != from.account {
        let octets = messages.iter().map(|message| message.fact.size).sum();
        tx.check_quota(target.row.account, Usage { octets, messages: messages.len() as u64 })?;
    }
    write::stage(tx.db, place.mailbox, next, &facts)?;
    let mut copied = Copied {
        uid_validity: target.row.uid_validity,
        from: messages.iter().map(|message| message.fact.uid).collect(),
        to: messages.iter().map(|message| message.uid).collect(),
        mod_seq: from.mod_seq,
    };
    if messages.is_empty() {
        // All went meanwhile; nothing of the stretch stays. A new mailbox is made all the same.
        if matches!(plan.to, Destination::New(..)) {
            target.row.reserved = hidden::reserved(tx.db, place.mailbox, target.row.uid_next)?;
            tx.apply(target)?;
        }
        return Ok(Step::Done(copied));
    }
    let written = (place.first, next.saturating_add(facts.len() as Uid).saturating_sub(1));
    delta::show(&mut target, &shown_there, &from, &messages, place.id, written)?;
    if !plan.moves {
        tx.apply(target)?;
        return Ok(Step::Done(copied));
    }
    let floor = write::vanished_floor(tx.db, plan.from.mailbox, &from)?;
    let within = plan.from.mailbox == place.mailbox;
    let mut source = if within { target.clone() } else { Delta::of(plan.from.mailbox, from) };
    source.remove(&view, messages.into_iter().map(|message| message.fact).collect(), Going::Hidden, floor)?;
    copied.mod_seq = source.row.mod_seq;
    if !within {
        tx.apply(target)?;
    }
    tx.apply(source)?;
    Ok(Step::Done(copied))
}

/// The messages that are still there and whose facts were written, and those that are there and were not.
fn sort_out(plan: &Plan, place: Place, view: &Messages, staged: &[Fact]) -> (Vec<delta::Copy>, UidSet) {
    let (mut messages, mut late) = (Vec::with_capacity(staged.len()), UidSet::new());
    let mut staged = (place.first..).zip(staged).peekable();
    for message in view.among(&plan.uids) {
        while staged.next_if(|(_, fact)| fact.uid < message.uid).is_some() {}
        match staged.next_if(|(_, fact)| fact.uid == message.uid) {
            Some((uid, fact)) => messages.push(delta::Copy { uid, fact: *fact, flags: message.flags }),
            None => late.push(message.uid),
        }
    }
    (messages, late)
}
