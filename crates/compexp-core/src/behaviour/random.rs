//! Random numbers that follow from a seed and a purpose.

/// A stream of random numbers: SplitMix64 (Steele, Lea and Flood, 2014). The same seed, purpose and place give the same
/// numbers on every machine.
#[derive(Clone, Debug)]
pub struct Random(u64);

const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Random {
    /// The stream for one purpose, at a place within it.
    pub fn new(seed: u64, purpose: &str, place: u64) -> Self {
        let key = purpose.bytes().fold(mix(seed.wrapping_add(STEP)), |key, byte| mix(key ^ u64::from(byte)));
        Self(mix(key ^ place.wrapping_mul(STEP)))
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number below `n`; 0 where `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // Multiplication maps 2^64 numbers to n; the bias of it is below 2^-40 for any number of examples.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// Puts `items` into an order that is as likely as any other.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_repeated_and_differ_by_purpose_and_place() {
        let ten = |seed, purpose, place| {
            let mut random = Random::new(seed, purpose, place);
            (0..10).map(|_| random.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(ten(1, "a", 0), ten(1, "a", 0));
        for other in [ten(2, "a", 0), ten(1, "b", 0), ten(1, "a", 1)] {
            assert_ne!(ten(1, "a", 0), other);
        }
    }

    #[test]
    fn all_orders_are_about_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut random = Random::new(0, "orders", 0);
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert!(counts.len() == 6 && counts.values().all(|n| (850..1150).contains(n)), "{counts:?}");
        assert_eq!(random.below(0), 0);
    }
}
