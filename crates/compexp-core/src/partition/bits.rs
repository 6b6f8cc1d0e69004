//! Sets of cells as bits.

use crate::simd::vectorized;

/// A set of cells: one bit per cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellSet {
    words: Vec<u64>,
}

impl CellSet {
    /// The empty set over `n` cells.
    pub fn empty(n: usize) -> Self {
        Self { words: vec![0; n.div_ceil(64)] }
    }

    /// The set of all `n` cells.
    pub fn full(n: usize) -> Self {
        let mut words = vec![u64::MAX; n.div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), n % 64) {
            *last >>= 64 - rest;
        }
        Self { words }
    }

    /// The set of the given cells, out of `n`.
    pub fn from_cells(n: usize, cells: impl IntoIterator<Item = u32>) -> Self {
        let mut set = Self::empty(n);
        for c in cells {
            set.words[c as usize / 64] |= 1 << (c % 64);
        }
        set
    }

    /// Whether the cell is in the set.
    #[inline]
    pub fn contains(&self, cell: u32) -> bool {
        self.words[cell as usize / 64] >> (cell % 64) & 1 == 1
    }

    /// The bits, 64 cells per word.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Combines two sets word by word.
    pub fn combine(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.words.clone();
        vectorized(
            #[inline(always)]
            || words.iter_mut().zip(&other.words).for_each(|(a, b)| *a = f(*a, *b)),
        );
        Self { words }
    }

    /// The number of cells in a word-by-word combination of two sets, which is not built.
    pub(crate) fn count_combined(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> u64 {
        vectorized(
            #[inline(always)]
            || self.words.iter().zip(&other.words).map(|(a, b)| u64::from(f(*a, *b).count_ones())).sum(),
        )
    }

    /// The number of cells.
    pub fn count(&self) -> u64 {
        vectorized(
            #[inline(always)]
            || self.words.iter().map(|w| u64::from(w.count_ones())).sum(),
        )
    }

    /// The cells, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().enumerate().flat_map(|(i, word)| ones(i, *word))
    }

    /// The cells of a word-by-word combination of two sets, ascending.
    pub(crate) fn iter_combined<'a>(
        &'a self,
        other: &'a Self,
        f: impl Fn(u64, u64) -> u64 + 'a,
    ) -> impl Iterator<Item = u32> + 'a {
        self.words.iter().zip(&other.words).enumerate().flat_map(move |(i, (a, b))| ones(i, f(*a, *b)))
    }
}

#[inline]
fn ones(word_index: usize, mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        if word == 0 {
            return None;
        }
        let bit = word.trailing_zeros();
        word &= word - 1;
        Some(word_index as u32 * 64 + bit)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sets_of_cells_agree_with_sorted_lists(
            n in 1usize..200,
            a in proptest::collection::btree_set(0u32..200, 0..60),
            b in proptest::collection::btree_set(0u32..200, 0..60),
        ) {
            let list = |s: &std::collections::BTreeSet<u32>| s.iter().copied().filter(|c| (*c as usize) < n).collect::<Vec<u32>>();
            let (a, b) = (list(&a), list(&b));
            let (x, y) = (CellSet::from_cells(n, a.iter().copied()), CellSet::from_cells(n, b.iter().copied()));
            prop_assert_eq!(x.iter().collect::<Vec<_>>(), a.clone());
            prop_assert_eq!(x.count(), a.len() as u64);
            let without: Vec<u32> = a.iter().copied().filter(|c| !b.contains(c)).collect();
            prop_assert_eq!(x.combine(&y, |a, b| a & !b).iter().collect::<Vec<_>>(), without.clone());
            prop_assert_eq!(x.iter_combined(&y, |a, b| a & !b).collect::<Vec<_>>(), without.clone());
            prop_assert_eq!(x.count_combined(&y, |a, b| a & !b), without.len() as u64);
            prop_assert_eq!(CellSet::full(n).iter().collect::<Vec<_>>(), (0..n as u32).collect::<Vec<_>>());
            prop_assert!((0..n as u32).all(|c| x.contains(c) == a.contains(&c)));
        }
    }
}
