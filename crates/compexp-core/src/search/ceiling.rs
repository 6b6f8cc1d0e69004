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

/// The counts of the best choice of cells by `metric` (IoU or MCC), given the hits and the misses of each, and the counts of
/// no cell.
///
/// Cells without hits never belong to it; cells with hits and no misses always do. For either metric the choices that exceed
/// a score lie beyond a line or beyond a convex set of hits and misses, so that the best one is a prefix of the cells in
/// descending order of hits per miss.
pub(crate) fn best_choice(cells: impl IntoIterator<Item = (u64, u64)>, none: Counts, metric: Metric) -> Counts {
    let mut cells: Vec<(u64, u64)> = cells.into_iter().filter(|(hits, _)| *hits > 0).collect();
    // More hits a miss first: h / m > k / n as h * n > k * m.
    let order = |(h, m): &(u64, u64), (k, n): &(u64, u64)| {
        (u128::from(*k) * u128::from(*m)).cmp(&(u128::from(*h) * u128::from(*n)))
    };
    cells.sort_unstable_by(order);
    let (mut best, mut chosen) = (none, none);
    for (hits, misses) in cells {
        chosen.both += hits;
        chosen.formula += hits + misses;
        match metric.compare(chosen, best) {
            // Once a cell does not raise the IoU, none after it does.
            Ordering::Less if metric == Metric::Iou => break,
            Ordering::Less => {}
            _ => best = chosen,
        }
    }
    best
}

/// The partition that some of the concepts make.
struct Coarse {
    universe: u64,
    /// For each cell of the fine partition its cell here.
    cell_of: Vec<u32>,
    sizes: Vec<u64>,
}

impl Coarse {
    fn new(partition: &Partition, keep: &[bool]) -> Self {
        let mut coarse = Self {
            universe: partition.n_positions(),
            cell_of: Vec::with_capacity(partition.n_cells()),
            sizes: Vec::new(),
        };
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
        let none = Counts { universe: self.universe, unit: profile.area(), ..Counts::default() };
        best_choice(cells, none, Metric::Iou)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cells_without_misses_come_first_and_without_hits_never() {
        let none = Counts { universe: 115, unit: 8, ..Counts::default() };
        let counts = best_choice([(0, 5), (3, 0), (1, 100), (4, 2)], none, Metric::Iou);
        assert_eq!(counts, Counts { formula: 9, both: 7, ..none });
        assert_eq!(best_choice([], none, Metric::Iou), none);
    }

    #[test]
    fn weights_near_two_to_the_forty_do_not_overflow() {
        let big = 1 << 40;
        let none = Counts { universe: 8 * big, unit: 2 * big + 1, ..Counts::default() };
        let counts = best_choice([(big, big), (big, big + 1), (1, big)], none, Metric::Iou);
        assert_eq!(counts.both, 2 * big);
    }

    proptest! {
        #[test]
        fn no_choice_of_cells_is_better(
            cells in proptest::collection::vec((0u64..6, 0u64..6), 0..9), missed in 0u64..4, outside in 0u64..30,
        ) {
            let unit = cells.iter().map(|(h, _)| h).sum::<u64>() + missed;
            let universe = cells.iter().map(|(_, m)| m).sum::<u64>() + unit + outside;
            let none = Counts { universe, unit, ..Counts::default() };
            let bests = [Metric::Iou, Metric::Mcc].map(|metric| (metric, best_choice(cells.iter().copied(), none, metric)));
            for choice in 0u32..1 << cells.len() {
                let mut counts = none;
                for (_, (hits, misses)) in cells.iter().enumerate().filter(|(i, _)| choice >> i & 1 == 1) {
                    counts.both += hits;
                    counts.formula += hits + misses;
                }
                for (metric, best) in bests {
                    prop_assert!(metric.compare(counts, best).is_le(), "{metric:?}: {counts:?} and {best:?}");
                }
            }
        }
    }
}
