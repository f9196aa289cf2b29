//! The passes over a body that a message's signatures want, those of ARC included; equal ones are made once.

use super::{BodyCanon, Canonicalization};

/// Passes under way.
#[derive(Default)]
pub(crate) struct Bodies(Vec<(Canonicalization, Option<u64>, BodyCanon)>);

/// What a pass came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyHash {
    pub(crate) hash: [u8; 32],
    /// Canonical octets that `l=` leaves out. None where it counts more than there are, though it must not (RFC 6376
    /// §3.5): there are signers that count before canonicalization, and the hash is over all there is.
    pub(crate) uncovered: u64,
}

impl Bodies {
    /// Asks for a pass, and tells which one it is. At most `forms_max` are made in all; `None` beyond.
    pub(crate) fn want(&mut self, how: Canonicalization, octets: Option<u64>, forms_max: usize) -> Option<usize> {
        let same = self.0.iter().position(|(h, o, _)| (*h, *o) == (how, octets));
        same.or_else(|| {
            (self.0.len() < forms_max).then(|| {
                self.0.push((how, octets, BodyCanon::new(how, octets)));
                self.0.len() - 1
            })
        })
    }

    /// Whether nothing was asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next octets of the body.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        for (_, _, body) in &mut self.0 {
            body.push(piece);
        }
    }

    /// The hashes, in the order of the passes.
    pub(crate) fn finish(self) -> Vec<BodyHash> {
        self.0.into_iter().map(|(_, _, body)| body.finish()).collect()
    }
}
