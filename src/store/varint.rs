//! Numbers of varying length as the packed columns of every body hold them: LEB128, and zigzag for signed steps.

pub(super) use crate::base::varint::put;
use crate::base::{BlobId, Error, ErrorKind, Result, Uid, UidSet, varint};

/// Appends a signed number.
pub(super) fn put_signed(out: &mut Vec<u8>, n: i64) {
    put(out, ((n << 1) ^ (n >> 63)) as u64);
}

/// Takes a number from the front.
pub(super) fn take(from: &mut &[u8]) -> Result<u64> {
    varint::take(from).ok_or_else(torn)
}

/// Takes a signed number from the front.
pub(super) fn take_signed(from: &mut &[u8]) -> Result<i64> {
    let n = take(from)?;
    Ok((n >> 1) as i64 ^ -((n & 1) as i64))
}

/// A packed column that cannot be read.
pub(super) fn torn() -> Error {
    Error::new(ErrorKind::Store, "store: a packed column is damaged")
}

/// UIDs as ranges (gap since the last range's end, length).
pub(super) fn uids_to_octets(uids: &UidSet) -> Vec<u8> {
    let mut out = Vec::with_capacity(uids.ranges().len() * 3);
    let mut end = 0u32;
    for (low, high) in uids.ranges() {
        put(&mut out, u64::from(low - end));
        put(&mut out, u64::from(high - low));
        end = *high;
    }
    out
}

/// The ranges of [`uids_to_octets`], added to `ranges`.
pub(super) fn uids_from_octets(mut octets: &[u8], ranges: &mut Vec<(Uid, Uid)>) -> Result<()> {
    let mut end = 0u64;
    while !octets.is_empty() {
        let low = end.checked_add(take(&mut octets)?).ok_or_else(torn)?;
        end = low.checked_add(take(&mut octets)?).ok_or_else(torn)?;
        ranges.push((Uid::try_from(low).map_err(|_| torn())?, Uid::try_from(end).map_err(|_| torn())?));
    }
    Ok(())
}

/// Ascending ids as steps; the same id may stand there more than once.
pub(super) fn ids_to_octets(ids: &[BlobId]) -> Vec<u8> {
    let mut out = Vec::with_capacity(ids.len() * 2);
    let mut last = 0;
    for &BlobId(id) in ids {
        put(&mut out, (id - last).max(0) as u64);
        last = id;
    }
    out
}

/// The ids of [`ids_to_octets`].
pub(super) fn ids_from_octets(mut octets: &[u8]) -> Result<Vec<BlobId>> {
    let mut ids = Vec::new();
    let mut last = 0i64;
    while !octets.is_empty() {
        last = i64::try_from(take(&mut octets)?).ok().and_then(|step| last.checked_add(step)).ok_or_else(torn)?;
        ids.push(BlobId(last));
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), i64::MAX as u64, u64::MAX];
        let mut out = Vec::new();
        for n in numbers {
            put(&mut out, n);
            put_signed(&mut out, n as i64);
            put_signed(&mut out, (n as i64).wrapping_neg());
        }
        let mut octets = out.as_slice();
        for n in numbers {
            assert_eq!(take(&mut octets).unwrap(), n);
            assert_eq!(take_signed(&mut octets).unwrap(), n as i64);
            assert_eq!(take_signed(&mut octets).unwrap(), (n as i64).wrapping_neg());
        }
        assert!(octets.is_empty());
    }

    #[test]
    fn torn_numbers_are_errors() {
        for octets in [&[][..], &[0x80], &[0xff; 11]] {
            assert!(take(&mut &*octets).is_err());
        }
        assert!(uids_from_octets(&[1], &mut Vec::new()).is_err());
        assert!(uids_from_octets(&[0xff, 0xff, 0xff, 0xff, 0x7f, 0], &mut Vec::new()).is_err());
    }

    #[test]
    fn sets_and_ids_come_back() {
        for text in [vec![], vec![(1, 1)], vec![(1, Uid::MAX)], vec![(3, 5), (9, 9), (u32::MAX, u32::MAX)]] {
            let set = UidSet::from_ranges(text);
            let mut ranges = Vec::new();
            uids_from_octets(&uids_to_octets(&set), &mut ranges).unwrap();
            assert_eq!(UidSet::from_ranges(ranges), set);
        }
        for ids in [vec![], vec![5], vec![1, 1, 2, 700, i64::MAX]] {
            let ids: Vec<BlobId> = ids.into_iter().map(BlobId).collect();
            assert_eq!(ids_from_octets(&ids_to_octets(&ids)).unwrap(), ids);
        }
    }
}
