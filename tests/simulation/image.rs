//! What a disk holds: the page cache, the platter, and what is on its way from one to the other.
//!
//! An [`Image`] takes operations and can lose power: what was not synced is then lost whole, in part, in
//! 512-octet sectors, or overwritten with garbage inside the range that was being written. Names are apart
//! from contents and become durable by a sync of their folder only.

use std::collections::BTreeMap;

use crate::rng::Rng;

/// Number of a file, never reused within one image.
pub type Inode = u64;

const SECTOR: usize = 512;

/// One thing done to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A new file, without a name.
    Make(Inode),
    /// Octets written at an offset.
    Write(Inode, u64, Vec<u8>),
    /// A new length.
    SetLen(Inode, u64),
    /// A file's content made durable.
    Sync(Inode),
    /// A sync that failed: some sectors arrived, the others are marked clean and forgotten. With `reverts`
    /// the cache goes back to what the platter holds.
    SyncFailed {
        /// The file.
        inode: Inode,
        /// Which sectors arrived.
        seed: u64,
        /// Whether the cache reverts.
        reverts: bool,
    },
    /// A name given.
    Link(String, Inode),
    /// A name taken away.
    Unlink(String),
    /// A name changed.
    Rename(String, String),
    /// The names in a folder made durable.
    SyncNames(String),
}

impl Op {
    /// Whether the moment before it is worth a power cut.
    pub fn is_cut_point(&self) -> bool {
        !matches!(self, Op::Make(_))
    }

    /// Whether it changes a name in this folder. A rename goes by where the name goes to.
    fn is_in(&self, folder: &str) -> bool {
        let (Op::Link(name, _) | Op::Unlink(name) | Op::Rename(_, name)) = self else { return false };
        folder_of(name) == folder
    }
}

/// The folder a name lies in.
pub fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// What a power cut takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All that was not synced.
    Everything,
    /// Nothing: the program was killed, the machine went on.
    Nothing,
    /// All after some point of each file, the last write torn.
    Tail,
    /// Any 512-octet sectors.
    Sectors,
    /// The same, and lost sectors of a write may hold garbage.
    Garbage,
}

impl Loss {
    /// All kinds.
    pub const ALL: [Loss; 5] = [Loss::Everything, Loss::Nothing, Loss::Tail, Loss::Sectors, Loss::Garbage];
}

/// The state of a disk.
#[derive(Debug, Clone, Default)]
pub struct Image {
    files: BTreeMap<Inode, File>,
    names: BTreeMap<String, Inode>,
    durable_names: BTreeMap<String, Inode>,
    pending_names: Vec<Op>,
}

#[derive(Debug, Clone, Default)]
struct File {
    /// As the page cache has it.
    now: Vec<u8>,
    /// As the platter has it.
    durable: Vec<u8>,
    /// Writes and lengths on their way.
    pending: Vec<Pending>,
}

#[derive(Debug, Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

impl Image {
    /// The file of this name.
    pub fn find(&self, name: &str) -> Option<Inode> {
        self.names.get(name).copied()
    }

    /// Names that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.names.keys().filter(|name| name.starts_with(prefix)).cloned().collect()
    }

    /// Octets of a file, as programs see them.
    pub fn content(&self, inode: Inode) -> &[u8] {
        self.files.get(&inode).map_or(&[], |file| &file.now)
    }

    /// A number no file has.
    pub fn free_inode(&self) -> Inode {
        self.files.keys().next_back().map_or(1, |last| last + 1)
    }

    /// Octets of all files.
    pub fn octets(&self) -> usize {
        self.files.values().map(|file| file.now.len()).sum()
    }

    /// Does `op`.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Make(inode) => {
                self.files.entry(*inode).or_default();
            }
            Op::Write(inode, offset, octets) => self.change(*inode, Pending::Write(*offset, octets.clone())),
            Op::SetLen(inode, len) => self.change(*inode, Pending::SetLen(*len)),
            Op::Sync(inode) => {
                let Some(file) = self.files.get_mut(inode) else { return };
                // Not `now`: what a failed sync forgot stays forgotten.
                for change in std::mem::take(&mut file.pending) {
                    change.apply(&mut file.durable);
                }
            }
            Op::SyncFailed { inode, seed, reverts } => {
                let Some(file) = self.files.get_mut(inode) else { return };
                let mut rng = Rng::new(*seed, "failed sync");
                lose(&mut file.durable, std::mem::take(&mut file.pending), Loss::Sectors, &mut rng);
                if *reverts {
                    file.now = file.durable.clone();
                }
            }
            Op::Link(..) | Op::Unlink(_) | Op::Rename(..) => {
                name(&mut self.names, op);
                self.pending_names.push(op.clone());
            }
            Op::SyncNames(folder) => {
                let (here, elsewhere) =
                    std::mem::take(&mut self.pending_names).into_iter().partition(|op| op.is_in(folder));
                self.pending_names = elsewhere;
                for op in here {
                    name(&mut self.durable_names, &op);
                }
            }
        }
    }

    fn change(&mut self, inode: Inode, change: Pending) {
        if let Some(file) = self.files.get_mut(&inode) {
            change.clone().apply(&mut file.now);
            file.pending.push(change);
        }
    }

    /// Power off and on again: what is on the platter afterwards, with nothing on its way.
    pub fn cut(mut self, loss: Loss, rng: &mut Rng) -> Image {
        if loss == Loss::Nothing {
            // The cache stays as it is, with what is still on its way and what a failed sync forgot.
            return self;
        }
        let keep = match loss {
            Loss::Everything => 0,
            _ => rng.index(self.pending_names.len() + 1),
        };
        for op in self.pending_names.drain(..).take(keep) {
            name(&mut self.durable_names, &op);
        }
        for file in self.files.values_mut() {
            lose(&mut file.durable, std::mem::take(&mut file.pending), loss, rng);
            file.now = file.durable.clone();
        }
        self.names = self.durable_names.clone();
        let named = self.names.values().copied().collect::<std::collections::BTreeSet<_>>();
        self.files.retain(|inode, _| named.contains(inode));
        self
    }
}

impl Pending {
    fn apply(self, content: &mut Vec<u8>) {
        match self {
            Pending::Write(offset, octets) => write(content, offset as usize, &octets),
            Pending::SetLen(len) => content.resize(len as usize, 0),
        }
    }
}

fn write(content: &mut Vec<u8>, offset: usize, octets: &[u8]) {
    let inside = content.len().saturating_sub(offset).min(octets.len());
    if content.len() < offset {
        content.resize(offset, 0);
    }
    content[offset..offset + inside].copy_from_slice(&octets[..inside]);
    content.extend_from_slice(&octets[inside..]);
}

fn name(names: &mut BTreeMap<String, Inode>, op: &Op) {
    match op {
        Op::Link(name, inode) => {
            names.insert(name.clone(), *inode);
        }
        Op::Unlink(name) => {
            names.remove(name);
        }
        Op::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
        _ => {}
    }
}

/// Brings of `pending` to the platter what `loss` leaves of it.
fn lose(durable: &mut Vec<u8>, pending: Vec<Pending>, loss: Loss, rng: &mut Rng) {
    match loss {
        Loss::Everything | Loss::Nothing => {}
        Loss::Tail => {
            let keep = rng.index(pending.len() + 1);
            let mut rest = pending.into_iter();
            rest.by_ref().take(keep).for_each(|change| change.apply(durable));
            if let Some(Pending::Write(offset, octets)) = rest.next() {
                write(durable, offset as usize, &octets[..rng.index(octets.len() + 1)]);
            }
        }
        Loss::Sectors | Loss::Garbage => {
            for change in pending {
                match change {
                    Pending::SetLen(_) if rng.per_mille(500) => change.apply(durable),
                    Pending::SetLen(_) => {}
                    Pending::Write(offset, octets) => sectors(durable, offset as usize, &octets, loss, rng),
                }
            }
        }
    }
}

fn sectors(durable: &mut Vec<u8>, offset: usize, octets: &[u8], loss: Loss, rng: &mut Rng) {
    let mut done = 0;
    while done < octets.len() {
        let at = offset + done;
        let n = (SECTOR - at % SECTOR).min(octets.len() - done);
        let piece = &octets[done..done + n];
        if rng.per_mille(500) {
            write(durable, at, piece);
        } else if loss == Loss::Garbage && rng.per_mille(300) {
            let mut garbage = vec![0; n];
            rng.fill(&mut garbage);
            write(durable, at, &garbage);
        }
        done += n;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made() -> Image {
        let mut image = Image::default();
        image.apply(&Op::Make(1));
        image.apply(&Op::Link("/f/a".into(), 1));
        image
    }

    #[test]
    fn a_name_needs_its_folder_synced() {
        let mut image = made();
        image.apply(&Op::Write(1, 0, b"x".to_vec()));
        image.apply(&Op::Sync(1));
        image.apply(&Op::SyncNames("/g".into()));
        assert_eq!(image.clone().cut(Loss::Everything, &mut Rng::new(1, "")).find("/f/a"), None);
        image.apply(&Op::SyncNames("/f".into()));
        let after = image.cut(Loss::Everything, &mut Rng::new(1, ""));
        assert_eq!(after.content(after.find("/f/a").unwrap()), b"x");
    }

    #[test]
    fn a_failed_sync_forgets_for_ever() {
        let mut image = made();
        image.apply(&Op::SyncNames("/f".into()));
        image.apply(&Op::Write(1, 0, vec![7; 8 * SECTOR]));
        image.apply(&Op::SyncFailed { inode: 1, seed: 3, reverts: false });
        assert_eq!(image.content(1), vec![7; 8 * SECTOR], "the cache still shows it");
        image.apply(&Op::Sync(1));
        let after = image.cut(Loss::Everything, &mut Rng::new(1, ""));
        assert_ne!(after.content(1), vec![7; 8 * SECTOR], "the next sync says ok and brings nothing back");
    }

    #[test]
    fn sectors_are_lost_alone() {
        let mut image = made();
        image.apply(&Op::SyncNames("/f".into()));
        image.apply(&Op::Write(1, 0, vec![1; 16 * SECTOR]));
        image.apply(&Op::Sync(1));
        image.apply(&Op::Write(1, 0, vec![2; 16 * SECTOR]));
        let after = image.cut(Loss::Sectors, &mut Rng::new(5, ""));
        let kept = after.content(1).chunks(SECTOR).filter(|sector| sector[0] == 2).count();
        assert!(kept > 0 && kept < 16);
        assert!(after.content(1).chunks(SECTOR).all(|sector| sector.iter().all(|octet| *octet == sector[0])));
    }
}
