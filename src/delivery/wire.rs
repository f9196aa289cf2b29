//! Messages made fit for the way they go: what `message::survey` finds and `message::recode` mends, for contents of any
//! size, on computing threads where it takes long. All that leaves, and all that is submitted, passes here.

use std::io;
use std::sync::Arc;

use crate::base::content::{Spool, SpoolError};
use crate::base::envelope::BodyKind;
use crate::base::limits::{FILE_INLINE_OCTETS_MAX, HEADER_OCTETS_MAX, RECODED_OCTETS_MORE, RECODED_TIMES_MAX};
use crate::base::world::World;
use crate::base::{Body, Content, Error, ErrorKind, Result};
use crate::message::header::{fields, header_len};
use crate::message::line_end::CrLfWriter;
use crate::message::recode::{Goal, NotRecoded, ascii_header, recode};
use crate::message::survey::Survey;
use crate::os::aside::aside;
use crate::store::Store;

/// A content that no encoding makes fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit;

/// The content as DATA can take it (RFC 5321 §4.5.3.1.6), and what BODY must say of it. What was declared binary stays
/// so until a host cannot take it. `Store` where scratch files fail.
pub async fn as_lines(
    world: &World,
    store: &Store,
    content: Content,
    declared: BodyKind,
) -> Result<std::result::Result<(Content, BodyKind), Unfit>> {
    if declared == BodyKind::Binary {
        return Ok(Ok((content, declared)));
    }
    let (survey, content) = surveyed(world, content).await?;
    let kind = if survey.eight_bit { BodyKind::EightBit } else { declared };
    if survey.is_lines() {
        return Ok(Ok((content, kind)));
    }
    Ok(recoded(world, store, content, Goal::Lines).await?.map(|content| (content, kind)))
}

/// What a host program gave, with CRLF for each bare LF.
pub async fn with_line_ends(world: &World, store: &Store, content: Content) -> Result<Content> {
    let (survey, content) = surveyed(world, content).await?;
    if !survey.bare_end {
        return Ok(content);
    }
    let spool = spool(world, store, content.len());
    let job = move || {
        let (mut spool, mut writer, mut kept) = (spool, CrLfWriter::default(), Ok(()));
        content.for_each(|piece| {
            writer.push(piece, |octets| {
                if kept.is_ok() {
                    kept = spool.push(octets);
                }
            });
            Ok::<(), io::Error>(())
        })?;
        kept.map_err(trouble).map(|()| spool.finish())
    };
    aside(&*world.run, false, job).await?.map_err(unreadable)
}

/// The content encoded anew, as `goal` wants it.
pub async fn recoded(
    world: &World,
    store: &Store,
    content: Content,
    goal: Goal,
) -> Result<std::result::Result<Content, Unfit>> {
    let spool = spool(world, store, content.len());
    let job = move || {
        let mut spool = spool;
        let read = |at, room: &mut [u8]| content.read_at(at, room);
        recode(&read, content.len(), goal, &mut |piece| spool.push(piece).map_err(trouble))?;
        Ok(spool.finish())
    };
    match aside(&*world.run, false, job).await? {
        Ok(content) => Ok(Ok(content)),
        Err(NotRecoded::Io(e)) => Err(unreadable(e)),
        Err(NotRecoded::Header | NotRecoded::Part) => Ok(Err(Unfit)),
    }
}

/// The content in lines of ASCII, domains of header addresses as A-labels: for a host without 8BITMIME, BINARYMIME or
/// SMTPUTF8.
pub async fn seven_bit(world: &World, store: &Store, content: Content) -> Result<std::result::Result<Content, Unfit>> {
    let job = move || {
        let front = front(&content)?;
        let Some(len) = header_len(&front) else { return Ok(if front.is_ascii() { Ok(content) } else { Err(Unfit) }) };
        let header = front.get(..len).unwrap_or_default();
        if header.is_ascii() {
            return Ok(Ok(content));
        }
        Ok(ascii_header(header).map(|header| content.with_front(header, len)).ok_or(Unfit))
    };
    match aside(&*world.run, false, job).await?.map_err(unreadable)? {
        Ok(content) => recoded(world, store, content, Goal::SevenBit).await,
        Err(unfit) => Ok(Err(unfit)),
    }
}

/// The content without the signatures that stand on top of it, and whether there were any: those are ours, since what
/// others give us begins below our own fields.
pub async fn without_own_signatures(world: &World, content: Content) -> Result<(Content, bool)> {
    let job = move || {
        let front = front(&content)?;
        let own = fields(&front).take_while(|field| field.is("DKIM-Signature")).last();
        Ok(match own.map(|field| field.range().end) {
            Some(end) => (content.with_front(Vec::new(), end), true),
            None => (content, false),
        })
    };
    aside(&*world.run, false, job).await?.map_err(unreadable)
}

/// Prefix and body up to what is looked at of any header; of a body in memory no more than its header and an octet of
/// what follows. May block: not for tasks.
pub fn front(content: &Content) -> io::Result<Vec<u8>> {
    if let Body::Memory(octets) = &content.body {
        let looked_at = octets.get(..HEADER_OCTETS_MAX).unwrap_or(octets);
        let empty_line = memchr::memmem::find(looked_at, b"\n\r\n");
        let front = empty_line.and_then(|at| looked_at.get(..at + 4)).unwrap_or(looked_at);
        return Ok([content.prefix.as_slice(), front].concat());
    }
    let mut front = content.prefix.clone();
    let ours = front.len();
    front.resize(ours + content.body.len().min(HEADER_OCTETS_MAX as u64) as usize, 0);
    let read = content.body.read_at(0, front.get_mut(ours..).unwrap_or_default())?;
    front.truncate(ours + read);
    Ok(front)
}

async fn surveyed(world: &World, content: Content) -> Result<(Survey, Content)> {
    let inline = matches!(content.body, Body::Memory(_)) && content.len() <= FILE_INLINE_OCTETS_MAX;
    let job = move || {
        let mut survey = Survey::default();
        content.for_each(|piece| {
            survey.push(piece);
            Ok::<(), io::Error>(())
        })?;
        Ok((survey.finish(), content))
    };
    aside(&*world.run, inline, job).await?.map_err(unreadable)
}

fn spool(world: &World, store: &Store, octets: u64) -> Spool {
    let most = octets.saturating_mul(RECODED_TIMES_MAX).saturating_add(RECODED_OCTETS_MORE);
    Spool::new(Arc::clone(&world.disk), store.scratch_folder(), most)
}

fn trouble(e: SpoolError) -> io::Error {
    match e {
        SpoolError::Disk(e) => e,
        SpoolError::TooLarge => io::Error::other("a message grew too much"),
    }
}

fn unreadable(e: io::Error) -> Error {
    Error::new(ErrorKind::Store, format!("scratch file: {e}")).with_errno_of(&e)
}
