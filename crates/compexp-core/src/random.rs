//! Random numbers that follow from a seed, a purpose and a round, the same on every machine.
//!
//! A [`Stream`] has no state: the number at a place depends only on the seed, the purpose, the round and the place. So threads
//! may draw in any order, and a round's numbers can be drawn again. [`Random`] draws the numbers of a stream one after
//! another.
//!
//! A purpose is a number. Each crate numbers its own purposes, so the random numbers for one purpose do not depend on
//! another.

/// The numbers of one purpose and round, by their places: SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: u64,
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn mix(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

impl Stream {
    /// The numbers of a round of a purpose.
    #[inline]
    pub fn new(seed: u64, purpose: impl Into<u64>, round: u64) -> Self {
        Self { key: mix(mix(seed.wrapping_add(GOLDEN)) ^ purpose.into().wrapping_mul(GOLDEN)) }.part(round)
    }

    /// The numbers of a part of a round. Part `b` of part `a` differs from part `a` of part `b`.
    #[inline]
    pub fn part(self, number: u64) -> Self {
        Self { key: mix(self.key ^ number.wrapping_mul(GOLDEN).rotate_left(17)) }
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(self, at: u64) -> u64 {
        mix(self.key.wrapping_add(at.wrapping_add(1).wrapping_mul(GOLDEN)))
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    #[inline]
    pub fn unit(self, at: u64) -> f32 {
        (self.bits(at) >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    #[inline]
    pub fn share(self, at: u64) -> f64 {
        (self.bits(at) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `[-bound, bound)`.
    pub fn within(self, bound: f32, at: u64) -> f32 {
        (2.0 * self.unit(at) - 1.0) * bound
    }

    /// Standard normal, by Box and Muller's transform.
    pub fn normal(self, at: u64) -> f32 {
        let (u, v) = (1.0 - self.share(2 * at), self.share(2 * at + 1));
        ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
    }

    /// Uniform among the numbers less than `n`; 0 if `n` is 0.
    #[inline]
    pub fn below(self, n: usize, at: u64) -> usize {
        // The high half of a product instead of a remainder: no bias that n < 2^32 could show.
        ((u128::from(self.bits(at)) * n as u128) >> 64) as usize
    }
}

/// The numbers of a [`Stream`], one after another.
#[derive(Debug, Clone)]
pub struct Random {
    stream: Stream,
    next: u64,
}

impl From<Stream> for Random {
    fn from(stream: Stream) -> Self {
        Self { stream, next: 0 }
    }
}

impl Random {
    /// The numbers of a round of a purpose.
    pub fn new(seed: u64, purpose: impl Into<u64>, round: u64) -> Self {
        Stream::new(seed, purpose, round).into()
    }

    #[inline]
    fn place(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.stream.bits(self.place())
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    #[inline]
    pub fn unit(&mut self) -> f32 {
        self.stream.unit(self.place())
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    #[inline]
    pub fn share(&mut self) -> f64 {
        self.stream.share(self.place())
    }

    /// Uniform in `[from, to)`.
    #[inline]
    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Uniform among the numbers less than `n`; 0 if `n` is 0.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        self.stream.below(n, self.place())
    }

    /// True with probability `p`.
    #[inline]
    pub fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }

    /// One of `all`, which must not be empty.
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Nearly normal, with mean 0 and standard deviation 1: a sum of four uniform integers, the same on every machine.
    #[inline]
    pub fn near_normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum: u32 = (0..4).map(|i| (bits >> (16 * i)) as u32 & 0xffff).sum();
        // Four uniform numbers in 0..65536: mean 131070, variance 4 * 65536^2 / 12.
        (sum as f32 - 131_070.0) / 37_837.23
    }

    /// Puts `items` into random order; all orders are equally likely (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }

    /// The numbers below `n` in random order.
    pub fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        self.shuffle(&mut order);
        order
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    #[test]
    fn numbers_never_change() {
        // Painted scenes, composed pairs and trained weights were made with them.
        let streams = [
            Stream::new(0, 1_u64, 0),
            Stream::new(7, 1_u64, 0),
            Stream::new(u64::MAX, 262u64, 3),
            Stream::new(7, 1_u64, 5).part(9),
        ];
        assert_eq!(
            streams.map(|stream| [0, 1, 1 << 40].map(|at| stream.bits(at))),
            [
                [0xa241_e65f_9a66_7b34, 0x5916_cfb9_fe46_02c3, 0x5dd7_580a_3ab9_6389],
                [0x0734_6691_c12d_6948, 0x1ee4_8917_126f_8cb2, 0x2113_b5ed_984b_8ea1],
                [0xf93e_3d06_d1f1_8ea5, 0xdd42_ab48_fbca_c86b, 0xf1d4_d378_5b44_c01f],
                [0x79c3_b38a_eb71_5f98, 0xdc7d_2011_b662_a030, 0x898f_846b_4d02_47e4]
            ]
        );
        let stream = streams[1];
        // Logarithm and cosine may differ in their last bits.
        assert!((stream.normal(2) + 0.8416994).abs() < 1e-6);
        let bits = [stream.unit(0), stream.within(3.0, 0)].map(f32::to_bits);
        assert_eq!(
            (bits, stream.share(0).to_bits(), stream.below(1000, 0)),
            ([0x3ce6_8cc0, 0xc035_3167], 0x3f9c_d19a_4704_b5a0, 28)
        );
        assert_eq!(Random::from(stream).near_normal().to_bits(), 0xbf33_ba32);
        assert_eq!(Random::from(stream).shuffled(10), [2, 8, 9, 7, 5, 3, 4, 6, 1, 0]);
    }

    #[test]
    fn one_after_another_they_are_those_of_the_places() {
        let stream = Stream::new(3, 256u64, 2);
        let mut random = Random::new(3, 256u64, 2);
        for at in 0..40 {
            match at % 4 {
                0 => assert_eq!(random.bits(), stream.bits(at)),
                1 => assert_eq!(random.unit(), stream.unit(at)),
                2 => assert_eq!(random.share(), stream.share(at)),
                _ => assert_eq!(random.below(1000), stream.below(1000, at)),
            }
        }
    }

    #[test]
    fn seeds_purposes_rounds_and_parts_have_numbers_of_their_own() {
        let mut streams = vec![Stream::new(0, 256u64, 0), Stream::new(0, 257u64, 0)];
        for (a, b) in (0..30).flat_map(|a| (0..30).map(move |b| (a, b))) {
            streams.push(Stream::new(1 + a, 256u64, 0).part(b));
            streams.push(Stream::new(0, 256u64, 1 + a).part(b));
        }
        streams.extend((1..31).map(|round| Stream::new(0, 256u64, round)));
        let numbers: BTreeSet<u64> = streams.iter().flat_map(|stream| (0..50).map(|at| stream.bits(at))).collect();
        assert_eq!(numbers.len(), 50 * streams.len());
        let orders: BTreeSet<_> = streams.iter().map(|stream| Random::from(*stream).shuffled(50)).collect();
        assert_eq!(orders.len(), streams.len());
    }

    #[test]
    fn moments_are_those_of_the_distributions() {
        let n = 100_000;
        let moments = |value: &mut dyn FnMut(u64) -> f64| {
            let values: Vec<_> = (0..n).map(value).collect();
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let stream = Stream::new(7, 262u64, 0);
        let random = &mut Random::from(stream);
        let found = [
            ("normal", moments(&mut |at| stream.normal(at).into()), (0.0, 1.0)),
            ("near normal", moments(&mut |_| random.near_normal().into()), (0.0, 1.0)),
            ("within", moments(&mut |at| stream.within(3.0, at).into()), (0.0, 3.0)),
            ("between", moments(&mut |_| random.between(-1.0, 5.0).into()), (2.0, 3.0)),
            ("share", moments(&mut |at| stream.share(at)), (0.5, 1.0 / 12.0)),
            ("below 5", moments(&mut |at| stream.below(5, at) as f64), (2.0, 2.0)),
            ("chance", moments(&mut |_| f64::from(u8::from(random.chance(0.3)))), (0.3, 0.21)),
        ];
        for (name, (mean, variance), (of_mean, of_variance)) in found {
            // Means lie within 4 standard errors, variances (of excess kurtosis up to 0) within 4 of theirs.
            let error = (of_variance / n as f64).sqrt();
            let within = (mean - of_mean).abs() < 4.0 * error;
            assert!(within, "{name}: mean {mean}");
            let error = of_variance * (2.0 / n as f64).sqrt();
            assert!((variance - of_variance).abs() < 4.0 * error, "{name}: variance {variance}");
        }
    }

    #[test]
    fn all_orders_are_as_likely() {
        let mut random = Random::new(7, 259u64, 0);
        let mut orders = BTreeMap::new();
        for _ in 0..24_000 {
            let mut items = [0, 1, 2, 3];
            random.shuffle(&mut items);
            *orders.entry(items).or_insert(0_i32) += 1;
        }
        assert_eq!(orders.len(), 24);
        let chi: f64 = orders.values().map(|n| f64::from(n - 1000).powi(2) / 1000.0).sum();
        // 23 degrees of freedom: 99.9% are below 49.7.
        assert!(chi < 49.7, "{chi}");
        assert_eq!(random.below(0), 0);
    }
}
