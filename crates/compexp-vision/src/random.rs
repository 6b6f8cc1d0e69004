//! Random numbers that follow from a seed, a purpose and a round, so that painting and training need to keep no state of
//! a generator: whoever knows the round has its numbers again.

/// What numbers are for; each purpose has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A painted scene to learn from.
    TrainScene = 1,
    /// A painted scene to probe with.
    ProbeScene,
    Weights,
    Order,
    Augment,
}

/// The numbers of one purpose and round, one after another: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Random {
    pub(crate) fn new(seed: u64, purpose: Purpose, round: u64) -> Self {
        let key = mix(mix(seed.wrapping_add(GOLDEN)) ^ (purpose as u64).wrapping_mul(GOLDEN));
        Self(mix(key ^ round.wrapping_mul(GOLDEN).rotate_left(17)))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `[from, to)`.
    pub(crate) fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Uniform among the numbers less than `n`, which is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        // The high half of a product instead of a remainder: no bias that n < 2^32 could show.
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with probability `p`.
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// One of `all`, of which there is at least one.
    pub(crate) fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Nearly normal, with mean 0 and deviation 1: a sum of uniform numbers, which every machine adds up to the same.
    pub(crate) fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: u32 = (0..4).map(|i| (bits >> (16 * i)) as u32 & 0xffff).sum();
        // Four uniform numbers in 0..65536: mean 131070, variance 4 * 65536^2 / 12.
        (sum as f32 - 131_070.0) / 37_837.23
    }

    /// The numbers below `n` in random order (Fisher and Yates).
    pub(crate) fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 100_000;
        let moments = |value: fn(&mut Random) -> f32| {
            let mut random = Random::new(7, Purpose::Weights, 0);
            let values: Vec<_> = (0..n).map(|_| f64::from(value(&mut random))).collect();
            let mean = values.iter().sum::<f64>() / f64::from(n);
            (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(n))
        };
        let (mean, variance) = moments(Random::normal);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "normal: {mean}, {variance}");
        let (mean, variance) = moments(|random| random.between(-3.0, 3.0));
        assert!(mean.abs() < 0.02 && (variance - 3.0).abs() < 0.04, "uniform: {mean}, {variance}");
        let (mean, _) = moments(|random| random.below(5) as f32);
        assert!((mean - 2.0).abs() < 0.02, "below 5: {mean}");
    }

    #[test]
    fn seeds_purposes_and_rounds_have_their_own_numbers() {
        let streams = [
            Random::new(0, Purpose::Order, 0),
            Random::new(1, Purpose::Order, 0),
            Random::new(0, Purpose::Weights, 0),
            Random::new(0, Purpose::Order, 1),
        ];
        let orders: std::collections::BTreeSet<_> = streams.into_iter().map(|mut s| s.shuffled(50)).collect();
        assert_eq!(orders.len(), 4);
        for mut order in orders {
            order.sort_unstable();
            assert!(order.into_iter().eq(0..50));
        }
    }
}
