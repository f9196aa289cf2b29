//! Bodies: their octets, what was computed of them, how often each is used, and which wait to be removed.

use super::super::{BlobMeta, MetaColumns};
use crate::base::{BlobId, Content, Result};

/// What is read of bodies.
pub(in super::super) trait ReadBodies {
    /// Octets of a body; `None` for a freed one.
    fn body_size(&self, blob: BlobId) -> Result<Option<u64>>;

    /// A whole body; `None` for a freed one.
    fn body(&self, blob: BlobId) -> Result<Option<Vec<u8>>>;

    /// Pieces of bodies, each from an offset and so many octets long (fewer at the end), in order; `None` for freed
    /// ones. All of one commit.
    fn body_pieces(&self, wanted: &[(BlobId, u64, usize)]) -> Result<Vec<Option<Vec<u8>>>>;

    /// What was computed of bodies, one for each in order, only these columns filled; `None` for freed ones.
    fn metas(&self, blobs: &[BlobId], columns: MetaColumns) -> Result<Vec<Option<BlobMeta>>>;

    /// The first note of bodies to be removed behind the note `after`.
    fn dead_behind(&self, after: i64) -> Result<Option<(i64, Vec<BlobId>)>>;
}

/// What is changed of bodies.
pub(in super::super) trait WriteBodies {
    /// Writes a body, used once. `Limit` where it is too large for one.
    fn body_insert(&self, content: &Content) -> Result<BlobId>;

    /// Writes what was computed of a body.
    fn meta_insert(&self, blob: BlobId, meta: &BlobMeta) -> Result<()>;

    /// Removes a body and what was computed of it; gives its octets.
    fn body_remove(&self, blob: BlobId) -> Result<u64>;

    /// Counts one more use for each of these.
    fn uses_add(&self, blobs: &[BlobId]) -> Result<()>;

    /// Counts one use less for each of these, ascending; gives those that have none any more.
    fn uses_drop(&self, blobs: Vec<BlobId>) -> Result<Vec<BlobId>>;

    /// Notes bodies to be removed, ascending; gives the note's id.
    fn dead_insert(&self, blobs: &[BlobId]) -> Result<i64>;

    /// Of a note these are left; none: it goes.
    fn dead_left(&self, note: i64, blobs: &[BlobId]) -> Result<()>;
}
