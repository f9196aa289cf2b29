//! Numbers of varying length (LEB128): seven bits an octet, lowest first, the high bit where more follow.

/// Appends a number; ten octets at most.
pub fn put(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Takes a number from the front; `None` where it is cut off, or longer than a number can be.
pub fn take(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (&octet, rest) = from.split_first()?;
        *from = rest;
        n |= u64::from(octet & 0x7f) << shift;
        if octet < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), i64::MAX as u64, u64::MAX];
        let mut out = Vec::new();
        numbers.iter().for_each(|n| put(&mut out, *n));
        let mut octets = out.as_slice();
        let read: Vec<u64> = std::iter::from_fn(|| take(&mut octets)).collect();
        assert_eq!((read.as_slice(), octets), (&numbers[..], &[][..]));
        for torn in [&[][..], &[0x80], &[0xff; 11]] {
            assert_eq!(take(&mut &*torn), None);
        }
    }
}
