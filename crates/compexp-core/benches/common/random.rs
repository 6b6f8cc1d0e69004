//! A small seeded generator of random numbers.

/// xorshift64*, seeded through splitmix so that near seeds differ at once.
pub(crate) struct Random(u64);

impl Random {
    /// The generator of a stream of numbers, itself numbered by `stream` and `index`.
    pub(crate) fn new(stream: u64, index: u64) -> Self {
        let mut z = (stream << 40 ^ index).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self((z ^ (z >> 31)).max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number in `0..1`.
    pub(crate) fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.unit() < p
    }
}

/// Draws `0..n` with weights `1 / (rank + shift)^power`.
pub(crate) struct Zipf(Vec<f32>);

impl Zipf {
    pub(crate) fn new(n: usize, shift: f32, power: f32) -> Self {
        let mut sum = 0.0;
        let mut cumulative: Vec<f32> = (0..n)
            .map(|i| {
                sum += (i as f32 + shift).powf(-power);
                sum
            })
            .collect();
        for c in &mut cumulative {
            *c /= sum;
        }
        Self(cumulative)
    }

    pub(crate) fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit();
        self.0.partition_point(|c| *c <= at).min(self.0.len() - 1)
    }
}
