//! A row of `state`: flags and modification sequences of up to 512 UIDs of one mailbox, packed.
//!
//! Flags are dense, one slot for each UID up to the last message of the block, as wide as its highest flag
//! needs; bit 0 says that there is such a message. Modification sequences are runs of equal values, so that
//! a STORE of the whole block costs a few octets.

use super::varint::{put, put_signed, take, take_signed, torn};
use crate::base::snapshot::{BLOCK_UIDS, Block, block_of};
use crate::base::{Flags, MailboxId, ModSeq, Result, Uid};

/// Row id of a block.
pub(super) fn row_id(mailbox: MailboxId, block: u32) -> i64 {
    mailbox.0 << 32 | i64::from(block)
}

/// Row ids of all blocks a mailbox may have, first and last.
pub(super) fn row_ids(mailbox: MailboxId) -> (i64, i64) {
    (row_id(mailbox, 0), row_id(mailbox, block_of(Uid::MAX)))
}

/// The columns of a block's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub mod_seq: ModSeq,
    pub width: usize,
    pub flags: Vec<u8>,
    pub mod_seqs: Vec<u8>,
}

/// Packs a block, which has a message at least.
pub(super) fn encode(block: &Block) -> Packed {
    let any = block.flags().iter().fold(0, |all, flags| all | flags.0);
    let width = match any {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    };
    let slots = block.uids().last().map_or(0, |uid| uid % BLOCK_UIDS + 1) as usize;
    let mut packed = vec![0; slots * width];
    for (uid, flags) in block.uids().iter().zip(block.flags()) {
        let at = (uid % BLOCK_UIDS) as usize * width;
        for (to, from) in packed.iter_mut().skip(at).zip((flags.0 | 1).to_le_bytes()).take(width) {
            *to = from;
        }
    }
    let mut runs = Vec::new();
    let mut last = 0;
    for run in block.mod_seqs().chunk_by(|a, b| a == b) {
        put(&mut runs, run.len() as u64);
        let now = run.first().copied().unwrap_or_default() as i64;
        put_signed(&mut runs, now - last);
        last = now;
    }
    let mod_seq = block.mod_seqs().iter().copied().max().unwrap_or_default();
    Packed { mod_seq, width, flags: packed, mod_seqs: runs }
}

/// Unpacks a row.
pub(super) fn decode(number: u32, width: usize, flags: &[u8], mod_seqs: &[u8]) -> Result<Block> {
    let slots = flags.len().checked_div(width).unwrap_or_default();
    if !matches!(width, 1 | 2 | 4 | 8) || slots * width != flags.len() || slots == 0 || slots > BLOCK_UIDS as usize {
        return Err(torn());
    }
    let first = number.checked_mul(BLOCK_UIDS).ok_or_else(torn)?;
    let (mut uids, mut all_flags) = (Vec::with_capacity(slots), Vec::with_capacity(slots));
    for (uid, slot) in (first..=first + (BLOCK_UIDS - 1)).zip(flags.chunks_exact(width)) {
        let bits = slot.iter().rev().fold(0u64, |bits, octet| bits << 8 | u64::from(*octet));
        if bits & 1 != 0 {
            uids.push(uid);
            all_flags.push(Flags(bits & !1));
        }
    }
    let mut all_mod_seqs = Vec::with_capacity(uids.len());
    let mut runs = mod_seqs;
    let mut now = 0i64;
    while all_mod_seqs.len() < uids.len() {
        let left = uids.len() - all_mod_seqs.len();
        let count = usize::try_from(take(&mut runs)?).ok().filter(|n| (1..=left).contains(n)).ok_or_else(torn)?;
        now = now.checked_add(take_signed(&mut runs)?).ok_or_else(torn)?;
        all_mod_seqs.resize(all_mod_seqs.len() + count, now as ModSeq);
    }
    Ok(Block::new(uids, all_flags, all_mod_seqs))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Message = (Uid, u64, ModSeq);

    fn block(messages: &[Message]) -> Block {
        let uids = messages.iter().map(|m| m.0).collect();
        let flags = messages.iter().map(|m| Flags(m.1)).collect();
        Block::new(uids, flags, messages.iter().map(|m| m.2).collect())
    }

    fn there_and_back(number: u32, messages: &[Message]) -> Packed {
        let packed = encode(&block(messages));
        let back = decode(number, packed.width, &packed.flags, &packed.mod_seqs).unwrap();
        assert_eq!((back, number), (block(messages), block_of(messages[0].0)));
        packed
    }

    #[test]
    fn blocks_come_back_in_every_width() {
        for (bit, width) in [(1, 1), (7, 1), (8, 2), (15, 2), (16, 4), (31, 4), (32, 8), (63, 8)] {
            let packed = there_and_back(0, &[(1, 0, 1), (3, 1 << bit, 9), (511, 2, 5)]);
            assert_eq!((packed.width, packed.mod_seq, packed.flags.len()), (width, 9, 512 * width));
        }
        let last = block_of(Uid::MAX);
        there_and_back(last, &[(last * BLOCK_UIDS, 2, (1 << 63) - 1), (Uid::MAX, 4, 1)]);
    }

    #[test]
    fn a_wide_store_is_one_run() {
        let messages: Vec<Message> = (512..1024).map(|uid| (uid, 2, 1_000_000)).collect();
        assert!(there_and_back(1, &messages).mod_seqs.len() <= 5);
    }

    #[test]
    fn damaged_blocks_are_errors() {
        let good = encode(&block(&[(1, 2, 3), (2, 0, 4)]));
        let unpack = |width: usize, flags: &[u8], mod_seqs: &[u8]| decode(0, width, flags, mod_seqs);
        assert!(unpack(good.width, &good.flags, &good.mod_seqs).is_ok());
        for width in [0, 3, 16] {
            assert!(unpack(width, &good.flags, &good.mod_seqs).is_err());
        }
        assert!(unpack(1, &[], &good.mod_seqs).is_err());
        assert!(unpack(1, &[1; 513], &good.mod_seqs).is_err());
        assert!(unpack(1, &good.flags, &good.mod_seqs[..2]).is_err());
        assert!(unpack(1, &good.flags, &[9, 9]).is_err());
    }
}
