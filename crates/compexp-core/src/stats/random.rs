//! Random numbers that follow from a seed and what they are for.

/// The bytes made at a time.
const BLOCK: usize = 4096;

/// A stream of random numbers: the extended output of BLAKE3, which is the same on every machine and in every version.
pub(crate) struct Random {
    output: blake3::OutputReader,
    block: [u8; BLOCK],
    next: usize,
}

impl Random {
    /// The stream for one purpose, and `places` within it.
    pub(crate) fn new(seed: u64, purpose: &str, places: &[u64]) -> Self {
        let mut hasher = hasher(seed, purpose);
        for place in places {
            hasher.update(&place.to_le_bytes());
        }
        Self { output: hasher.finalize_xof(), block: [0; BLOCK], next: BLOCK }
    }

    fn bits(&mut self) -> u64 {
        if self.next == BLOCK {
            self.output.fill(&mut self.block);
            self.next = 0;
        }
        let bytes = &self.block[self.next..self.next + 8];
        self.next += 8;
        bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte))
    }

    /// A number below `n`, each as likely as the other; `n` is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        let n = n as u64;
        // Multiplication maps 2^64 numbers to n; the few that would favour some of them are drawn again (Lemire, 2019).
        let surplus = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= surplus {
                return (product >> 64) as usize;
            }
        }
    }

    /// Puts `items` into an order that is as likely as any other.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

/// A number in [0, 1) that follows from a seed, a purpose and a name, and from nothing else.
pub(super) fn share_of(seed: u64, purpose: &str, name: &str) -> f64 {
    let mut hasher = hasher(seed, purpose);
    hasher.update(name.as_bytes());
    let hash = hasher.finalize();
    let bits = hash.as_bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn hasher(seed: u64, purpose: &str) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(purpose.len() as u64).to_le_bytes()).update(purpose.as_bytes()).update(&seed.to_le_bytes());
    hasher
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_purposes_and_places_have_streams_of_their_own() {
        let first = |seed, purpose, places: &[u64]| Random::new(seed, purpose, places).bits();
        let all = [
            first(0, "a", &[0, 0]),
            first(1, "a", &[0, 0]),
            first(0, "b", &[0, 0]),
            first(0, "a", &[1, 0]),
            first(0, "a", &[0, 1]),
        ];
        let distinct: std::collections::BTreeSet<u64> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(first(0, "a", &[0, 0]), all[0]);
    }

    #[test]
    fn orders_and_numbers_are_equally_likely() {
        let mut random = Random::new(7, "test", &[]);
        let mut orders = std::collections::BTreeMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            *orders.entry(items).or_insert(0_i32) += 1;
        }
        assert_eq!(orders.len(), 24);
        let chi: f64 = orders.values().map(|n| f64::from(n - 1000).powi(2) / 1000.0).sum();
        // 23 degrees of freedom: 99.9% are below 49.7.
        assert!(chi < 49.7, "{chi}");
    }

    #[test]
    fn shares_are_spread_over_the_unit_interval() {
        let mut counts = [0_i32; 10];
        for i in 0..10_000 {
            counts[(10.0 * share_of(0, "test", &i.to_string())) as usize] += 1;
        }
        let chi: f64 = counts.iter().map(|n| f64::from(n - 1000).powi(2) / 1000.0).sum();
        // 9 degrees of freedom: 99.9% are below 27.9.
        assert!(chi < 27.9, "{counts:?}");
    }
}
