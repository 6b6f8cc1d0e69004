//! Random choices in sequence.

use compexp_core::random::Random;

use crate::random::Purpose;

/// The choices for one premise, or for one word's vector. They do not depend on the choices for others.
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

    /// One of `all`, each with its weight.
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

    /// A nearly normal number with mean 0 and variance 1: a sum of twelve uniform numbers, which every machine rounds
    /// in the same way.
    pub(super) fn spread(&mut self) -> f64 {
        (0..12).map(|_| self.0.share()).sum::<f64>() - 6.0
    }
}
