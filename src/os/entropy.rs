//! Chance from the operating system.

use crate::base::world::Entropy;

/// The operating system's random number generator, good for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealEntropy;

impl Entropy for RealEntropy {
    fn fill(&self, out: &mut [u8]) {
        // On systems that can fail here at all, they do so for good: a key without chance in it must never be made.
        #[allow(clippy::expect_used, reason = "no key may be made without chance; the panic wall reports it")]
        getrandom::fill(out).expect("the operating system gives no random numbers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (a, b) = (RealEntropy.u64(), RealEntropy.u64());
        assert_ne!(a, b);
        let mut long = [0; 1000];
        RealEntropy.fill(&mut long);
        assert!(long.iter().filter(|&&octet| octet == 0).count() < 50);
    }
}
