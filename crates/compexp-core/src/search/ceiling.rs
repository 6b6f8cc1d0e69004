//! The ceiling: the best IoU that any Boolean function of the concepts can reach.
//!
//! A Boolean function of the concepts is a choice of cells. Its IoU is the number of hits in the chosen cells, divided by the
//! unit's area plus the number of misses in them. So the best choice is a prefix of the cells in descending order of hits per
//! miss.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;

use crate::concept::Vocabulary;
use crate::partition::Partition;
use crate::profile::Profile;
use crate::score::{Counts, Metric};

/// The ceilings of some units for the concepts of some categories.
#[derive(Clone, Debug, PartialEq)]
pub struct Ceilings {
    /// The category that is left out; none if all concepts are used.
    pub without: Option<String>,
    /// The cells that the concepts divide the universe into.
    pub cells: usize,
    /// The cells of a single position.
    pub singleton_cells: usize,
    /// The ceiling of each unit; 0 if it never fires.
    pub ceilings: Vec<f64>,
}

impl Ceilings {
    /// Whether a ceiling says something about the unit. If more than half of the cells are single positions, it does not:
    /// nearly every mask is some function of the concepts.
    pub fn are_informative(&self) -> bool {
        2 * self.singleton_cells <= self.cells
    }
}

/// The ceilings of units for all concepts, and for all but those of each category, in the order of their names.
///
/// NEIGHBORS do not raise a ceiling: they are functions of the concepts.
pub fn ceilings(partition: &Partition, profiles: &[Profile], vocabulary: &Vocabulary) -> Vec<Ceilings> {
    let category = |c: usize| vocabulary.category(partition.columns()[c].concept);
    let categories: Vec<&str> = (0..partition.n_concepts()).map(category).collect();
    let distinct: BTreeSet<&str> = categories.iter().copied().collect();
    // Without its only category nothing would be left to explain by.
    let left_out = distinct.iter().filter(|_| distinct.len() > 1).map(|c| Some(*c));
    let all: Vec<Option<&str>> = std::iter::once(None).chain(left_out).collect();
    all.into_par_iter()
        .map(|without| {
            let keep: Vec<bool> = categories.iter().map(|c| Some(*c) != without).collect();
            let coarse = Coarse::new(partition, &keep);
            let ceilings = profiles.par_iter().map(|p| Metric::Iou.of(coarse.ceiling(p))).collect();
            let singleton_cells = coarse.sizes.iter().filter(|s| **s == 1).count();
            Ceilings { without: without.map(str::to_owned), cells: coarse.sizes.len(), singleton_cells, ceilings }
        })
        .collect()
}

/// The counts of the best choice of cells, given the hits and the misses of each, and the unit's area.
///
/// Cells without hits never belong to it; cells with hits and no misses always do.
pub fn best_choice(cells: impl IntoIterator<Item = (u64, u64)>, unit: u64) -> Counts {
    let mut cells: Vec<(u64, u64)> = cells.into_iter().filter(|(hits, _)| *hits > 0).collect();
    // More hits a miss first: h / m > k / n as h * n > k * m.
    let order = |(h, m): &(u64, u64), (k, n): &(u64, u64)| {
        (u128::from(*k) * u128::from(*m)).cmp(&(u128::from(*h) * u128::from(*n)))
    };
    cells.sort_unstable_by(order);
    let mut best = Counts { formula: 0, unit, both: 0 };
    let mut chosen = best;
    for (hits, misses) in cells {
        chosen.both += hits;
        chosen.formula += hits + misses;
        // Once a cell does not raise the IoU, none after it does.
        if Metric::Iou.compare(chosen, best) == Ordering::Less {
            break;
        }
        best = chosen;
    }
    best
}

/// The partition that some of the concepts make.
struct Coarse {
    /// For each cell of the fine partition its cell here.
    cell_of: Vec<u32>,
    sizes: Vec<u64>,
}

impl Coarse {
    fn new(partition: &Partition, keep: &[bool]) -> Self {
        let mut coarse = Self { cell_of: Vec::with_capacity(partition.n_cells()), sizes: Vec::new() };
        let mut cell_of_set: HashMap<Box<[u16]>, u32> = HashMap::new();
        for (cell, size) in (0u32..).zip(partition.sizes()) {
            let kept = partition.concepts_of(cell).iter().copied().filter(|c| keep[usize::from(*c)]);
            let next = coarse.sizes.len() as u32;
            let at = *cell_of_set.entry(kept.collect()).or_insert(next);
            if at == next {
                coarse.sizes.push(0);
            }
            coarse.sizes[at as usize] += u64::from(*size);
            coarse.cell_of.push(at);
        }
        coarse
    }

    fn ceiling(&self, profile: &Profile) -> Counts {
        let at = |cell: &u32| self.cell_of[*cell as usize];
        let mut hits: Vec<(u32, u64)> =
            profile.cells.iter().map(at).zip(profile.hits.iter().map(|h| u64::from(*h))).collect();
        hits.sort_unstable_by_key(|(cell, _)| *cell);
        let cells = hits.chunk_by(|a, b| a.0 == b.0).map(|of_cell| {
            let hits: u64 = of_cell.iter().map(|(_, hits)| hits).sum();
            (hits, self.sizes[of_cell[0].0 as usize] - hits)
        });
        best_choice(cells, profile.area())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_without_misses_come_first_and_without_hits_never() {
        let counts = best_choice([(0, 5), (3, 0), (1, 100), (4, 2)], 8);
        assert_eq!(counts, Counts { formula: 9, unit: 8, both: 7 });
        assert_eq!(best_choice([], 0), Counts::default());
    }

    #[test]
    fn weights_near_two_to_the_forty_do_not_overflow() {
        let big = 1 << 40;
        let counts = best_choice([(big, big), (big, big + 1), (1, big)], 2 * big + 1);
        assert_eq!(counts.both, 2 * big);
    }

    proptest! {
        #[test]
        fn no_choice_of_cells_is_better(cells in proptest::collection::vec((0u64..6, 0u64..6), 0..9), missed in 0u64..4) {
            let unit = cells.iter().map(|(h, _)| h).sum::<u64>() + missed;
            let best = best_choice(cells.iter().copied(), unit);
            for choice in 0u32..1 << cells.len() {
                let mut counts = Counts { formula: 0, unit, both: 0 };
                for (_, (hits, misses)) in cells.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1) {
                    counts.both += hits;
                    counts.formula += hits + misses;
                }
                prop_assert!(Metric::Iou.compare(counts, best).is_le(), "{counts:?} and {best:?}");
            }
        }
    }
}
