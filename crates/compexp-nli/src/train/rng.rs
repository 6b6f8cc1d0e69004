//! Random numbers by counter: the value at a place depends on nothing but the seed, the purpose, the round and the place.
//!
//! So threads draw in any order, and a resumed training needs to know the round alone.

/// What numbers are for; each purpose has its own.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Weights = 1,
    Order,
    Words,
    Embedding,
    Joined,
    Hidden,
    Scenes,
    HeldOutScenes,
    Vectors,
}

/// The numbers of one purpose and round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    key: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Stream {
    pub(crate) fn new(seed: u64, purpose: Purpose, round: u64) -> Self {
        let key = mix(mix(seed.wrapping_add(GOLDEN)) ^ (purpose as u64).wrapping_mul(GOLDEN));
        Self { key: mix(key ^ round.wrapping_mul(GOLDEN).rotate_left(17)) }
    }

    pub(crate) fn bits(self, at: u64) -> u64 {
        mix(self.key.wrapping_add(at.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub(crate) fn unit(self, at: u64) -> f32 {
        (self.bits(at) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `[-bound, bound)`.
    pub(crate) fn within(self, bound: f32, at: u64) -> f32 {
        (2.0 * self.unit(at) - 1.0) * bound
    }

    /// Standard normal, by Box and Muller's transform.
    pub(crate) fn normal(self, at: u64) -> f32 {
        let unit = |at| (self.bits(at) >> 11) as f64 / (1u64 << 53) as f64;
        let (u, v) = (1.0 - unit(2 * at), unit(2 * at + 1));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// 0 with probability `p`, else `1 / (1 - p)`: what dropout multiplies by. `p` is less than 1.
    pub(crate) fn keep(self, p: f32, at: u64) -> f32 {
        if self.unit(at) < p { 0.0 } else { 1.0 / (1.0 - p) }
    }

    /// The numbers below `n` in random order (Fisher and Yates).
    pub(crate) fn shuffled(self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            // The high half of a product instead of a remainder: no bias that n < 2^32 could show.
            let j = (u128::from(self.bits(i as u64)) * (i as u128 + 1)) >> 64;
            order.swap(i, j as usize);
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
        let moments = |value: &dyn Fn(u64) -> f32| {
            let values: Vec<_> = (0..n).map(|i| f64::from(value(i))).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let stream = Stream::new(7, Purpose::Weights, 0);
        let (mean, variance) = moments(&|i| stream.normal(i));
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02, "normal: {mean}, {variance}");
        let (mean, variance) = moments(&|i| stream.within(3.0, i));
        assert!(mean.abs() < 0.02 && (variance - 3.0).abs() < 0.03, "uniform: {mean}, {variance}");
        let (mean, _) = moments(&|i| stream.keep(0.1, i));
        assert!((mean - 1.0).abs() < 0.01, "dropout: {mean}");
    }

    #[test]
    fn seeds_purposes_and_rounds_have_their_own_numbers() {
        let streams = [
            Stream::new(0, Purpose::Order, 0),
            Stream::new(1, Purpose::Order, 0),
            Stream::new(0, Purpose::Words, 0),
            Stream::new(0, Purpose::Order, 1),
        ];
        let orders: std::collections::BTreeSet<_> = streams.map(|s| s.shuffled(50)).into_iter().collect();
        assert_eq!(orders.len(), 4);
        for mut order in orders {
            order.sort_unstable();
            assert!(order.into_iter().eq(0..50));
        }
    }
}
