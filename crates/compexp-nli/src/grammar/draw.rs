//! Random choices, one after the other.

use compexp_core::random::Random;

use crate::random::Purpose;

/// The choices of one premise, or of one word's vector: they depend on nothing drawn for another.
pub(super) struct Draw(Random);

impl Draw {
    pub(super) fn new(seed: u64, purpose: Purpose, round: u64) -> Self {
        let mut random = Random::new(seed, purpose, round);
        // The committed pairs were composed without the first number.
        random.bits();
        Self(random)
    }

    /// True in this share of cases.
    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.0.share() < share
    }

    /// A number below `n`, which is not 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        self.0.below(n)
    }

    /// One of `all`; none if there are none.
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
        (0..12).map(|_| self.0.share()).sum::<f64>() - 6.0
    }
}
