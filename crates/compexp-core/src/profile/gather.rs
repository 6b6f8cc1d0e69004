//! A unit's profile, and how it is gathered example by example.

use rayon::prelude::*;

use crate::partition::CellSet;

/// One unit's hits in every cell it touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The cells with a hit, ascending.
    pub cells: Vec<u32>,
    /// The number of hits in each of them, at least 1.
    pub hits: Vec<u32>,
    /// The examples with a hit, ascending.
    pub active: Vec<u32>,
    /// The examples on which the unit fires most strongly, the strongest first; ties in the order of examples.
    pub peaks: Vec<Peak>,
}

/// How strongly a unit fires on an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The example, counted from 0.
    pub example: u32,
    /// The largest activation of the unit's low-resolution map; the number of hits if only masks are known.
    pub activation: f32,
}

impl Profile {
    /// The number of hits: the size of the unit's mask.
    pub fn area(&self) -> u64 {
        self.hits.iter().map(|h| u64::from(*h)).sum()
    }

    /// The number of hits in a set of cells. For the cells of a formula: the positions in both masks.
    pub fn hits_in(&self, set: &CellSet) -> u64 {
        let entries = self.cells.iter().zip(&self.hits);
        entries.filter(|(cell, _)| set.contains(**cell)).map(|(_, hits)| u64::from(*hits)).sum()
    }

    /// The profile over the examples of both, with at most `n_peaks` peaks. Example `i` of `other` becomes example
    /// `first_example + i`, which must come after all examples of `self`. Both belong to a partition of `n_cells` cells.
    pub fn merge(&self, other: &Self, n_cells: usize, first_example: u32, n_peaks: usize) -> Self {
        let mut gathered = Gathered::default();
        for p in [self, other] {
            gathered.entries.extend(p.cells.iter().copied().zip(p.hits.iter().copied()));
        }
        let moved = other.peaks.iter().map(|p| Peak { example: p.example + first_example, ..*p });
        gathered.peaks = self.peaks.iter().copied().chain(moved).collect();
        let moved = other.active.iter().map(|example| example + first_example);
        gathered.active = self.active.iter().copied().chain(moved).collect();
        gathered.finish(&mut vec![0; n_cells], n_peaks)
    }
}

/// An unfinished profile: the hits of one unit, example after example.
#[derive(Default)]
pub(super) struct Gathered {
    /// Cells and hits, example after example; a cell may come more than once.
    pub(super) entries: Vec<(u32, u32)>,
    /// The examples with a hit, ascending.
    pub(super) active: Vec<u32>,
    peaks: Vec<Peak>,
}

impl Gathered {
    /// Adds a peak; of all only the `n_peaks` greatest matter.
    pub(super) fn peak(&mut self, peak: Peak, n_peaks: usize) {
        self.peaks.push(peak);
        if self.peaks.len() >= 2 * n_peaks + 64 {
            self.keep_peaks(n_peaks);
        }
    }

    fn keep_peaks(&mut self, n_peaks: usize) {
        keep_strongest(&mut self.peaks, n_peaks);
    }

    /// Adds up the entries. `counts` has a zero for every cell before the call and after it.
    pub(super) fn finish(mut self, counts: &mut [u32], n_peaks: usize) -> Profile {
        self.keep_peaks(n_peaks);
        for (cell, hits) in &self.entries {
            counts[*cell as usize] += hits;
        }
        let touched = CellSet::from_cells(counts.len(), self.entries.iter().map(|e| e.0));
        let mut profile = Profile { active: self.active, peaks: self.peaks, ..Profile::default() };
        for cell in touched.iter() {
            profile.cells.push(cell);
            profile.hits.push(std::mem::take(&mut counts[cell as usize]));
        }
        profile
    }
}

/// Keeps the `n` strongest peaks, the strongest first; ties in the order of examples.
pub(super) fn keep_strongest(peaks: &mut Vec<Peak>, n: usize) {
    peaks.sort_by(|a, b| b.activation.total_cmp(&a.activation).then(a.example.cmp(&b.example)));
    peaks.truncate(n);
}

/// The profiles of all units.
pub(super) fn finish(gathered: Vec<Gathered>, n_cells: usize, n_peaks: usize) -> Vec<Profile> {
    gathered.into_par_iter().map_init(|| vec![0; n_cells], |counts, g| g.finish(counts, n_peaks)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merged_profiles_equal_the_whole(entries in proptest::collection::vec((0u32..9, 1u32..5), 0..30), at in 0usize..30) {
            // One entry per example.
            let profile = |e: &[(u32, u32)]| {
                Gathered { entries: e.to_vec(), active: (0..e.len() as u32).collect(), peaks: vec![] }.finish(&mut [0; 9], 0)
            };
            let (a, b) = entries.split_at(at.min(entries.len()));
            prop_assert_eq!(profile(a).merge(&profile(b), 9, a.len() as u32, 0), profile(&entries));
        }
    }
}
