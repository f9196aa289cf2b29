//! What was computed of a body once, at delivery.

use super::{BlobMeta, MetaColumns, Store};
use crate::base::limits::{FETCH_BATCH_HEADER_OCTETS_MAX, FETCH_BATCH_MESSAGES_MAX, HEADER_LISTS_OCTETS_MAX};
use crate::base::{BlobId, Result};

impl Store {
    /// What was computed at delivery, one for each blob in order; `None` for freed blobs.
    pub async fn metas(&self, blobs: Vec<BlobId>) -> Result<Vec<Option<BlobMeta>>> {
        self.metas_of(blobs, MetaColumns::ALL).await
    }

    /// As [`Store::metas`], only these columns filled: FETCH of one item over a whole mailbox reads no other.
    pub async fn metas_of(&self, blobs: Vec<BlobId>, columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>> {
        self.read(move |db| db.metas(&blobs, columns)).await
    }
}

/// How many of the first of these messages are described together, given their sizes: one at least, and so many that
/// their envelopes fit in memory, however long those are.
pub fn described_together(sizes: impl IntoIterator<Item = u64>) -> usize {
    let mut octets = 0;
    let fits = |size: &u64| {
        octets += (*size).min(HEADER_LISTS_OCTETS_MAX as u64);
        octets <= FETCH_BATCH_HEADER_OCTETS_MAX
    };
    sizes.into_iter().take(FETCH_BATCH_MESSAGES_MAX).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_by_count_and_by_octets() {
        let together = |sizes: &[u64]| described_together(sizes.iter().copied());
        let long = 10 * HEADER_LISTS_OCTETS_MAX as u64;
        let most = (FETCH_BATCH_HEADER_OCTETS_MAX / HEADER_LISTS_OCTETS_MAX as u64) as usize;
        assert_eq!(together(&[5_000; FETCH_BATCH_MESSAGES_MAX + 1]), FETCH_BATCH_MESSAGES_MAX);
        assert_eq!(together(&vec![long; most + 1]), most);
        assert_eq!((together(&[long]), together(&[])), (1, 1));
    }
}
