//! Random choices, one after the other.

use crate::train::rng::{Purpose, Stream};

/// The choices of one premise, or of one word's vector: they depend on nothing drawn for another.
pub(super) struct Draw {
    stream: Stream,
    at: u64,
}

impl Draw {
    pub(super) fn new(seed: u64, purpose: Purpose, round: u64) -> Self {
        Self { stream: Stream::new(seed, purpose, round), at: 0 }
    }

    /// Uniform in `[0, 1)`.
    pub(super) fn share(&mut self) -> f64 {
        self.at += 1;
        (self.stream.bits(self.at) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in this share of cases.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.share() < share
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((self.share() * n as f64) as usize).min(n - 1)
    }

    /// One of `all`; none where there are none.
    pub(super) fn one<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        if all.is_empty() { None } else { all.get(self.below(all.len())) }
    }

    /// One of the words of a text.
    pub(super) fn word<'a>(&mut self, words: &'a str) -> &'a str {
        let words: Vec<&str> = words.split(' ').collect();
        self.one(&words).copied().unwrap_or_default()
    }

    /// One of `all`, whose weights stand beside them.
    pub(super) fn weighted<T: Copy>(&mut self, all: &[(u32, T)]) -> Option<T> {
        let mut left = self.below(all.iter().map(|(weight, _)| *weight as usize).sum::<usize>().max(1));
        for (weight, item) in all {
            match left.checked_sub(*weight as usize) {
                Some(rest) => left = rest,
                None => return Some(*item),
            }
        }
        None
    }

    /// Of mean 0 and variance 1, near to normal: twelve uniform numbers, whose sum no machine rounds differently.
    pub(super) fn spread(&mut self) -> f64 {
        (0..12).map(|_| self.share()).sum::<f64>() - 6.0
    }
}
