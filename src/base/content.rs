//! The octets of a message on their way: in memory while small, in a scratch file when large.
//!
//! `Content` is what a session leaves behind after DATA, BDAT or APPEND and what the store takes in: a
//! prefix that we wrote (trace fields, signatures) and the body as it was received. The body is never
//! rewritten; joining the two is the store's business. Memory held per message is bounded by
//! `limits::BODY_IN_MEMORY_OCTETS_MAX`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::budget::{Budget, Charge};
use super::limits::BODY_IN_MEMORY_OCTETS_MAX;
use super::world::{Disk, DiskFile};

/// A finished message: prefix and body.
#[derive(Clone, Default, Debug)]
pub struct Content {
    /// Header fields of ours that stand in front, each ending in CRLF.
    pub prefix: Vec<u8>,
    /// What was received.
    pub body: Body,
}

/// Where the received octets are.
#[derive(Clone)]
pub enum Body {
    /// In memory.
    Memory(Arc<Vec<u8>>),
    /// In a scratch file of this length.
    File(Arc<dyn DiskFile>, u64),
}

impl Default for Body {
    fn default() -> Self {
        Body::Memory(Arc::default())
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if matches!(self, Body::Memory(_)) { "memory" } else { "file" };
        write!(f, "Body({} octets in {place})", self.len())
    }
}

impl Body {
    /// Length in octets.
    pub fn len(&self) -> u64 {
        match self {
            Body::Memory(octets) => octets.len() as u64,
            Body::File(_, len) => *len,
        }
    }

    /// Whether it has no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads at `offset`; fewer octets than asked only at the end.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Body::Memory(octets) => {
                let rest = usize::try_from(offset).ok().and_then(|at| octets.get(at..)).unwrap_or_default();
                let n = rest.len().min(out.len());
                for (to, from) in out.iter_mut().zip(rest) {
                    *to = *from;
                }
                Ok(n)
            }
            Body::File(file, len) => {
                let n = len.saturating_sub(offset).min(out.len() as u64) as usize;
                file.read_at(offset, out.get_mut(..n).unwrap_or_default())
            }
        }
    }
}

impl Body {
    /// Gives the octets from `offset` on, in pieces, to `sink`, until it fails.
    pub fn for_each_from<E: From<io::Error>>(
        &self,
        offset: u64,
        mut sink: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Body::Memory(octets) => match usize::try_from(offset).ok().and_then(|at| octets.get(at..)) {
                Some(rest) => sink(rest),
                None => Ok(()),
            },
            Body::File(..) => {
                let mut piece = vec![0; 64 * 1024];
                let mut at = offset;
                while at < self.len() {
                    let n = self.read_at(at, &mut piece)?;
                    if n == 0 {
                        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                    }
                    sink(piece.get(..n).unwrap_or_default())?;
                    at += n as u64;
                }
                Ok(())
            }
        }
    }

    /// What stands behind its first `skipped` octets. Nothing is read from a scratch file, and nothing written.
    pub fn behind(&self, skipped: usize) -> Body {
        match self {
            _ if skipped == 0 => self.clone(),
            Body::Memory(octets) => Body::Memory(Arc::new(octets.get(skipped..).unwrap_or_default().to_vec())),
            Body::File(file, len) => {
                let skipped = (skipped as u64).min(*len);
                let behind = Behind { file: Arc::clone(file), skipped };
                Body::File(Arc::new(behind), len - skipped)
            }
        }
    }
}

/// A file from some place on. Scratch files are shared and no longer written when one is made.
struct Behind {
    file: Arc<dyn DiskFile>,
    skipped: u64,
}

impl DiskFile for Behind {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset.saturating_add(self.skipped), out)
    }
    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        self.file.write_at(offset.saturating_add(self.skipped), octets)
    }
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.len()?.saturating_sub(self.skipped))
    }
    fn set_len(&self, octets: u64) -> io::Result<()> {
        self.file.set_len(octets.saturating_add(self.skipped))
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

impl Content {
    /// A message held in memory, with nothing of ours in front.
    pub fn from_octets(octets: impl Into<Vec<u8>>) -> Self {
        Self { prefix: Vec::new(), body: Body::Memory(Arc::new(octets.into())) }
    }

    /// Length of prefix and body.
    pub fn len(&self) -> u64 {
        self.prefix.len() as u64 + self.body.len()
    }

    /// Whether it has no octets.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives prefix and body in order, in pieces, to `sink`, until it fails.
    pub fn for_each<E: From<io::Error>>(&self, mut sink: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        if !self.prefix.is_empty() {
            sink(&self.prefix)?;
        }
        self.body.for_each_from(0, sink)
    }

    /// The same with other octets in place of its first `replaced`.
    pub fn with_front(&self, octets: Vec<u8>, replaced: usize) -> Content {
        let kept = self.prefix.get(replaced..).unwrap_or_default();
        let body = self.body.behind(replaced.saturating_sub(self.prefix.len()));
        Content { prefix: [octets.as_slice(), kept].concat(), body }
    }

    /// Reads at `offset`; fewer octets than asked also where the prefix ends, none only at the end.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match offset.checked_sub(self.prefix.len() as u64) {
            Some(behind) => self.body.read_at(behind, out),
            None => {
                let rest = usize::try_from(offset).ok().and_then(|at| self.prefix.get(at..)).unwrap_or_default();
                out.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                Ok(rest.len().min(out.len()))
            }
        }
    }

    /// All octets in one piece; only for messages known to be small, and for tests.
    pub fn to_vec(&self) -> io::Result<Vec<u8>> {
        let mut all = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        self.for_each(|piece| {
            all.extend_from_slice(piece);
            Ok::<(), io::Error>(())
        })?;
        Ok(all)
    }
}

/// Takes a body in, piece by piece, under a cap.
pub struct Spool {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    memory: Vec<u8>,
    file: Option<(Arc<dyn DiskFile>, u64)>,
    octets_max: u64,
    octets: u64,
    /// What the octets in memory are charged to.
    charge: Option<Charge>,
}

/// Why a [`Spool`] takes no more.
#[derive(Debug)]
pub enum SpoolError {
    /// The message is larger than allowed; what was kept is dropped, later pieces are counted only.
    TooLarge,
    /// The disk said no.
    Disk(io::Error),
}

impl Spool {
    /// An empty spool for at most `octets_max` octets; scratch files are made in `folder`.
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, octets_max: u64) -> Self {
        Self { disk, folder, memory: Vec::new(), file: None, octets_max, octets: 0, charge: None }
    }

    /// Charges what is kept in memory to `budget`; where that has not enough, a scratch file takes over at once.
    pub fn charged_to(self, budget: &Budget) -> Self {
        Self { charge: budget.charge(0), ..self }
    }

    /// What the octets in memory are charged to, to be held as long as they are.
    pub fn take_charge(&mut self) -> Option<Charge> {
        self.charge.take()
    }

    /// Whether `octets` more may stay in memory; there is room for them then.
    fn stays_in_memory(&mut self, octets: usize) -> bool {
        let fits = match &mut self.charge {
            None => true,
            Some(charge) => !charge.is_pressed() && charge.grow(octets as u64),
        };
        fits && self.memory.len() + octets <= BODY_IN_MEMORY_OCTETS_MAX && self.memory.try_reserve(octets).is_ok()
    }

    /// Adds a piece.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), SpoolError> {
        self.octets += piece.len() as u64;
        if self.octets > self.octets_max {
            self.memory = Vec::new();
            self.file = None;
            return Err(SpoolError::TooLarge);
        }
        if self.file.is_none() && !self.stays_in_memory(piece.len()) {
            let file = self.disk.scratch(&self.folder).map_err(SpoolError::Disk)?;
            file.write_at(0, &self.memory).map_err(SpoolError::Disk)?;
            self.file = Some((file, self.memory.len() as u64));
            self.memory = Vec::new();
            if let Some(charge) = &mut self.charge {
                charge.shrink(0);
            }
        }
        match &mut self.file {
            None => self.memory.extend_from_slice(piece),
            Some((file, len)) => {
                file.write_at(*len, piece).map_err(SpoolError::Disk)?;
                *len += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// Octets given so far, those beyond the cap included.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// What was gathered, without a prefix.
    pub fn finish(self) -> Content {
        let body = match self.file {
            Some((file, len)) => Body::File(file, len),
            None => Body::Memory(Arc::new(self.memory)),
        };
        Content { prefix: Vec::new(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is only read.
    struct Fixed(Vec<u8>);

    impl DiskFile for Fixed {
        fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
            Body::Memory(Arc::new(self.0.clone())).read_at(offset, out)
        }
        fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        fn len(&self) -> io::Result<u64> {
            Ok(self.0.len() as u64)
        }
        fn set_len(&self, _: u64) -> io::Result<()> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_stands_behind_a_place_in_memory_and_files_alike() {
        let octets = b"0123456789";
        let bodies = [
            Body::Memory(Arc::new(octets.to_vec())),
            Body::File(Arc::new(Fixed(octets.to_vec())), octets.len() as u64),
        ];
        for body in &bodies {
            for (skipped, behind) in [(0, "0123456789"), (3, "3456789"), (10, ""), (20, "")] {
                let rest = Content { prefix: b"x".to_vec(), body: body.behind(skipped) };
                assert_eq!(rest.to_vec().unwrap(), [b"x", behind.as_bytes()].concat());
                assert_eq!(rest.body.len(), behind.len() as u64);
            }
        }
    }
}
