//! One unit's counts on pairs and triples of literals.

use std::cell::OnceCell;
use std::rc::Rc;

use super::super::ceiling::best_choice;
use crate::partition::{CellSet, Partition};
use crate::profile::Profile;
use crate::score::Metric;

/// How a unit's mask meets the literals, their pairs, and, one at a time, their triples, within the universe or a region of
/// it: all counts are of positions there.
///
/// A row of pair counts is made when it is first asked for: few literals are ever looked at with all others.
pub(super) struct Pairs<'a> {
    pub(super) partition: &'a Partition,
    /// `|U|`, of the whole unit.
    pub(super) unit: u64,
    /// `|U|` within the region.
    pub(super) inside: u64,
    /// `|U and L|` for every column.
    pub(super) both: Vec<u32>,
    /// The unit's hits in every cell.
    hits: Rc<[u32]>,
    /// The touched cells of column `c` are `touched[starts[c]..starts[c + 1]]`.
    starts: Vec<u32>,
    touched: Vec<u32>,
    rows: Vec<OnceCell<Box<[u32]>>>,
    region: Option<Region>,
}

/// A part of the universe.
struct Region {
    cells: CellSet,
    /// Whether it is more than half of all cells.
    most: bool,
    positions: u64,
    areas: Vec<u32>,
    rows: Vec<OnceCell<Box<[u32]>>>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(partition: &'a Partition, profile: &Profile) -> Self {
        let mut hits = vec![0; partition.n_cells()];
        for (cell, h) in profile.cells.iter().zip(&profile.hits) {
            hits[*cell as usize] = *h;
        }
        Self::of(partition, profile.area(), hits.into(), &profile.cells)
    }

    /// The same within a set of cells.
    pub(super) fn within(&self, cells: CellSet) -> Self {
        let touched: Vec<u32> = cells.iter().filter(|c| self.hits[*c as usize] > 0).collect();
        let mut within = Self::of(self.partition, self.unit, self.hits.clone(), &touched);
        let (areas, _) = self.count(&cells);
        let most = 2 * cells.count() > self.partition.n_cells() as u64;
        let rows = areas.iter().map(|_| OnceCell::new()).collect();
        within.region = Some(Region { positions: self.size(&cells).0, cells, most, areas, rows });
        within
    }

    fn of(partition: &'a Partition, unit: u64, hits: Rc<[u32]>, cells: &[u32]) -> Self {
        let n = partition.columns().len();
        let mut both = vec![0; n];
        let mut starts = vec![0u32; n + 1];
        let mut inside = 0;
        for cell in cells {
            let h = hits[*cell as usize];
            inside += u64::from(h);
            for c in partition.columns_of(*cell) {
                both[usize::from(*c)] += h;
                starts[usize::from(*c) + 1] += 1;
            }
        }
        for c in 0..n {
            starts[c + 1] += starts[c];
        }
        let mut next = starts.clone();
        let mut touched = vec![0; starts[n] as usize];
        for cell in cells {
            for c in partition.columns_of(*cell) {
                let at = &mut next[usize::from(*c)];
                touched[*at as usize] = *cell;
                *at += 1;
            }
        }
        let rows = (0..n).map(|_| OnceCell::new()).collect();
        Self { partition, unit, inside, both, hits, starts, touched, rows, region: None }
    }

    /// The number of positions.
    pub(super) fn positions(&self) -> u64 {
        self.region.as_ref().map_or(self.partition.n_positions(), |r| r.positions)
    }

    /// `|L|` for every column.
    pub(super) fn areas(&self) -> &[u32] {
        self.region.as_ref().map_or(self.partition.areas(), |r| &r.areas)
    }

    /// `|L and M|` for all M.
    pub(super) fn all(&self, column: usize) -> &[u32] {
        let whole = || self.partition.cooccurrence(column);
        let Some(region) = &self.region else { return whole() };
        region.rows[column].get_or_init(|| {
            // Of a large region what it lacks is taken away.
            let mut row = if region.most { whole().to_vec() } else { vec![0; self.both.len()] };
            for cell in self.partition.cells_with(column) {
                if region.cells.contains(*cell) == region.most {
                    continue;
                }
                let size = self.partition.sizes()[*cell as usize];
                for c in self.partition.columns_of(*cell) {
                    let n = &mut row[usize::from(*c)];
                    *n = if region.most { *n - size } else { *n + size };
                }
            }
            row.into()
        })
    }

    /// `|U and L and M|` for all M.
    pub(super) fn row(&self, column: usize) -> &[u32] {
        self.rows[column].get_or_init(|| {
            let mut row = vec![0; self.both.len()];
            for cell in &self.touched[self.starts[column] as usize..self.starts[column + 1] as usize] {
                for c in self.partition.columns_of(*cell) {
                    row[usize::from(*c)] += self.hits[*cell as usize];
                }
            }
            row.into()
        })
    }

    /// The best IoU that any Boolean function of the literals can reach.
    pub(super) fn ceiling(&self) -> f64 {
        let sizes = self.partition.sizes();
        let cells = self.hits.iter().zip(sizes).map(|(h, size)| (u64::from(*h), u64::from(size - h)));
        Metric::Iou.of(best_choice(cells, self.unit))
    }

    /// The positions of a set of cells, in all and in the unit.
    pub(super) fn size(&self, set: &CellSet) -> (u64, u64) {
        let sizes = self.partition.sizes();
        set.iter().fold((0, 0), |(all, both), cell| {
            (all + u64::from(sizes[cell as usize]), both + u64::from(self.hits[cell as usize]))
        })
    }

    /// `|S and L|` and `|U and S and L|` for all L: over the cells of S, or those that it lacks, whichever are fewer.
    pub(super) fn count(&self, set: &CellSet) -> (Vec<u32>, Vec<u32>) {
        if 2 * set.count() <= self.partition.n_cells() as u64 {
            return self.count_few(set);
        }
        let lacks = CellSet::full(self.partition.n_cells()).combine(set, |all, s| all & !s);
        let (all, unit) = self.count_few(&lacks);
        let less = |from: &[u32], by: Vec<u32>| from.iter().zip(by).map(|(a, b)| a - b).collect();
        (less(self.partition.areas(), all), less(&self.both, unit))
    }

    /// The same over the cells of S.
    pub(super) fn count_few(&self, set: &CellSet) -> (Vec<u32>, Vec<u32>) {
        let (mut all, mut unit) = (vec![0; self.both.len()], vec![0; self.both.len()]);
        for cell in set.iter() {
            let (size, hits) = (self.partition.sizes()[cell as usize], self.hits[cell as usize]);
            for c in self.partition.columns_of(cell) {
                all[usize::from(*c)] += size;
                unit[usize::from(*c)] += hits;
            }
        }
        (all, unit)
    }

    /// `|U and A and B and C|` and `|A and B and C|`.
    ///
    /// The shortest list of cells is looked up in the other two sets, unless it is longer than their words are many.
    pub(super) fn triple(&self, mut columns: [usize; 3]) -> (u64, u64) {
        columns.sort_by_key(|c| self.partition.cells_with(*c).len());
        let cells = self.partition.cells_with(columns[0]);
        let [a, b, c] = columns.map(|c| self.partition.set_of(c));
        let (mut both, mut all) = (0, 0);
        let mut add = |cell: u32| {
            if self.region.as_ref().is_some_and(|r| !r.cells.contains(cell)) {
                return;
            }
            both += u64::from(self.hits[cell as usize]);
            all += u64::from(self.partition.sizes()[cell as usize]);
        };
        if cells.len() < a.words().len() {
            cells.iter().copied().filter(|cell| b.contains(*cell) && c.contains(*cell)).for_each(add);
        } else {
            for (i, ((a, b), c)) in (0u32..).zip(a.words().iter().zip(b.words()).zip(c.words())) {
                let mut word = a & b & c;
                while word != 0 {
                    add(64 * i + word.trailing_zeros());
                    word &= word - 1;
                }
            }
        }
        (both, all)
    }
}
