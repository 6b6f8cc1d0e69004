//! One unit's counts on pairs and triples of literals.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::ops::{AddAssign, Sub};
use std::rc::Rc;

use super::super::ceiling::best_choice;
use super::super::chain::Op;
use crate::partition::{CellSet, Partition};
use crate::profile::Profile;
use crate::score::{Counts, Metric};

/// The bytes of rows that the searches of all threads keep. With 5,000 literals, the rows that the partition keeps for
/// all of them are another 100 MB.
const KEPT: usize = 256 << 20;

/// How many positions a unit's mask shares with each literal, each pair of literals and, one at a time, each triple, within
/// the universe or a region of it. L and M are literals, U is the unit.
///
/// A row of pair counts is computed when it is first needed, because few literals are combined with all others. It is
/// kept while there is room, which changes only the time.
pub(super) struct Pairs<'a> {
    pub(super) partition: &'a Partition,
    /// `|U|`, of the whole unit.
    pub(super) unit: u64,
    /// The positions of the region.
    pub(super) positions: u64,
    /// `|U|` within the region.
    pub(super) inside: u64,
    /// The gain of the region: the worth of its cells with positive worth.
    pub(super) gain: f64,
    /// `|L|` for every column.
    pub(super) areas: Vec<u32>,
    /// `|U and L|` for every column.
    pub(super) both: Vec<u32>,
    /// The gain of every column.
    pub(super) gains: Vec<f64>,
    cells: Rc<UnitCells>,
    rows_all: Rows<u32>,
    rows_both: Rows<u32>,
    rows_gains: Rows<f64>,
    /// For every column the two greatest numbers of positions outside the unit that it shares with another column, each
    /// with that column.
    losses: Vec<OnceCell<[(u32, usize); 2]>>,
    region: Option<Region<'a>>,
}

/// A row of counts for every column.
struct Rows<T> {
    kept: Vec<OnceCell<Box<[T]>>>,
    /// The bytes that may still be kept.
    room: Rc<Cell<usize>>,
}

impl<T: Clone> Rows<T> {
    fn new(n: usize, room: &Rc<Cell<usize>>) -> Self {
        Self { kept: (0..n).map(|_| OnceCell::new()).collect(), room: room.clone() }
    }

    fn get(&self, column: usize, make: impl FnOnce() -> Vec<T>) -> Cow<'_, [T]> {
        let kept = &self.kept[column];
        if let Some(row) = kept.get() {
            return Cow::Borrowed(row);
        }
        let row = make();
        match self.room.get().checked_sub(size_of_val(&row[..])) {
            Some(room) => {
                self.room.set(room);
                Cow::Borrowed(kept.get_or_init(|| row.into()))
            }
            None => Cow::Owned(row),
        }
    }
}

impl<T> Drop for Rows<T> {
    fn drop(&mut self) {
        let kept: usize = self.kept.iter().filter_map(OnceCell::get).map(|row| size_of_val(&row[..])).sum();
        self.room.set(self.room.get() + kept);
    }
}

/// The unit's hits, and the gains of its cells.
struct UnitCells {
    /// In every cell.
    hits: Vec<u32>,
    /// The gain of every cell: its worth, or 0 if that is negative.
    gains: Vec<f64>,
    /// The touched cells of column `c` are `touched[starts[c]..starts[c + 1]]`.
    starts: Vec<u32>,
    touched: Vec<u32>,
}

/// The part of a larger region that has a literal, or that lacks it.
struct Region<'a> {
    of: &'a Pairs<'a>,
    column: usize,
    /// Whether the region has the positions with the literal; otherwise it has those without it.
    with: bool,
    cells: CellSet,
}

impl<'a> Pairs<'a> {
    /// The universe. Gains are measured at an IoU of `beta`, and bound those at every higher one.
    pub(super) fn new(partition: &'a Partition, profile: &Profile, beta: f64) -> Self {
        Self::with_room(partition, profile, beta, KEPT / rayon::current_num_threads())
    }

    /// The same with room for this number of bytes of rows.
    fn with_room(partition: &'a Partition, profile: &Profile, beta: f64, room: usize) -> Self {
        let n = partition.columns().len();
        let (mut hits, mut gains) = (vec![0; partition.n_cells()], vec![0.0; partition.n_cells()]);
        let (mut starts, mut region_gain) = (vec![0u32; n + 1], 0.0);
        // Gains are rounded up to multiples of this, so that all sums and differences of them are exact.
        let quantum = profile.area().next_power_of_two() as f64 * 2f64.powi(-52);
        let touched = || profile.cells.iter().zip(&profile.hits);
        for (cell, h) in touched() {
            let misses = partition.sizes()[*cell as usize] - h;
            let gain = ((f64::from(*h) - beta * f64::from(misses)).max(0.0) / quantum).ceil() * quantum;
            hits[*cell as usize] = *h;
            gains[*cell as usize] = gain;
            region_gain += gain;
            for c in partition.columns_of(*cell) {
                starts[usize::from(*c) + 1] += 1;
            }
        }
        for c in 0..n {
            starts[c + 1] += starts[c];
        }
        let mut next = starts.clone();
        let mut lists = vec![0; starts[n] as usize];
        let (mut both, mut of_column) = (vec![0; n], vec![0.0; n]);
        let room = Rc::new(Cell::new(room));
        for (cell, h) in touched() {
            for c in partition.columns_of(*cell) {
                let c = usize::from(*c);
                both[c] += h;
                of_column[c] += gains[*cell as usize];
                lists[next[c] as usize] = *cell;
                next[c] += 1;
            }
        }
        Self {
            partition,
            unit: profile.area(),
            positions: partition.n_positions(),
            inside: profile.area(),
            gain: region_gain,
            areas: partition.areas().to_vec(),
            both,
            gains: of_column,
            cells: Rc::new(UnitCells { hits, gains, starts, touched: lists }),
            rows_all: Rows::new(n, &room),
            rows_both: Rows::new(n, &room),
            rows_gains: Rows::new(n, &room),
            losses: (0..n).map(|_| OnceCell::new()).collect(),
            region: None,
        }
    }

    /// The same within the region that a chain's last literal leaves undecided.
    pub(super) fn after(&'a self, op: Op, column: usize) -> Self {
        let (with, n) = (op == Op::And, self.both.len());
        let literal = self.partition.set_of(column);
        let cells = match &self.region {
            None if with => literal.clone(),
            None => CellSet::full(self.partition.n_cells()).combine(literal, |all, l| all & !l),
            Some(region) if with => region.cells.combine(literal, |r, l| r & l),
            Some(region) => region.cells.combine(literal, |r, l| r & !l),
        };
        let (all, both, gains) = (self.all(column), self.both(column), self.gains(column));
        let room = &self.rows_all.room;
        let [positions, inside] = [(self.positions, self.areas[column]), (self.inside, self.both[column])]
            .map(|(of, part)| if with { part.into() } else { of - u64::from(part) });
        let gain = self.gains[column];
        Self {
            partition: self.partition,
            unit: self.unit,
            positions,
            inside,
            gain: if with { gain } else { self.gain - gain },
            areas: if with { all.into_owned() } else { rest(&self.areas, &all) },
            both: if with { both.into_owned() } else { rest(&self.both, &both) },
            gains: if with { gains.into_owned() } else { rest(&self.gains, &gains) },
            cells: self.cells.clone(),
            rows_all: Rows::new(n, room),
            rows_both: Rows::new(n, room),
            rows_gains: Rows::new(n, room),
            losses: (0..n).map(|_| OnceCell::new()).collect(),
            region: Some(Region { of: self, column, with, cells }),
        }
    }

    /// Whether a cell belongs to the region.
    fn contains(&self, cell: u32) -> bool {
        self.region.as_ref().is_none_or(|r| r.cells.contains(cell))
    }

    /// `|L and M|` for all M.
    pub(super) fn all(&self, column: usize) -> Cow<'_, [u32]> {
        let Some(region) = &self.region else { return Cow::Borrowed(self.partition.cooccurrence(column)) };
        self.rows_all.get(column, || {
            let shared = region.of.shared(column, region.column);
            if region.with { shared } else { rest(&region.of.all(column), &shared) }
        })
    }

    /// `|K and L and M|` for all M.
    fn shared(&self, k: usize, l: usize) -> Vec<u32> {
        let mut counts = vec![0; self.both.len()];
        self.for_all_in([k, l], |cell| {
            let size = self.partition.sizes()[cell as usize];
            for c in self.partition.columns_of(cell) {
                counts[usize::from(*c)] += size;
            }
        });
        counts
    }

    /// Calls `f` with every cell of the region that has all of the columns.
    ///
    /// The cells of the shortest list are looked up in the other sets, unless the list is longer than the number of
    /// words of a set.
    fn for_all_in<const N: usize>(&self, mut columns: [usize; N], mut f: impl FnMut(u32)) {
        columns.sort_by_key(|c| self.partition.cells_with(*c).len());
        let cells = self.partition.cells_with(columns[0]);
        let sets = columns.map(|c| self.partition.set_of(c));
        let region = self.region.as_ref().map(|r| &r.cells);
        if cells.len() < sets[0].words().len() {
            for cell in cells {
                if sets[1..].iter().copied().chain(region).all(|set| set.contains(*cell)) {
                    f(*cell);
                }
            }
            return;
        }
        for i in 0..sets[0].words().len() {
            let mut word = sets.iter().copied().chain(region).fold(u64::MAX, |word, set| word & set.words()[i]);
            while word != 0 {
                f(64 * i as u32 + word.trailing_zeros());
                word &= word - 1;
            }
        }
    }

    /// `|U and L and M|` for all M.
    pub(super) fn both(&self, column: usize) -> Cow<'_, [u32]> {
        self.rows_both.get(column, || self.sum(column, &self.cells.hits))
    }

    /// The gain of L and M for all M.
    pub(super) fn gains(&self, column: usize) -> Cow<'_, [f64]> {
        self.rows_gains.get(column, || self.sum(column, &self.cells.gains))
    }

    /// For all M, the sum of a value over the unit's cells that have both the column and M.
    fn sum<T: Copy + Default + AddAssign>(&self, column: usize, of_cell: &[T]) -> Vec<T> {
        let mut sums = vec![T::default(); self.areas.len()];
        let UnitCells { starts, touched, .. } = &*self.cells;
        for cell in &touched[starts[column] as usize..starts[column + 1] as usize] {
            if self.contains(*cell) {
                for c in self.partition.columns_of(*cell) {
                    sums[usize::from(*c)] += of_cell[*cell as usize];
                }
            }
        }
        sums
    }

    /// A bound on the number of positions outside the unit that a column shares with any other column. It is that of the
    /// larger region, whose rows serve all of its parts.
    pub(super) fn shared_loss(&self, column: usize) -> u32 {
        let (of, decided) = self.region.as_ref().map_or((self, None), |r| (r.of, Some(r.column)));
        let greatest = of.losses[column].get_or_init(|| {
            let (all, both) = (of.all(column), of.both(column));
            let mut greatest = [(0, column); 2];
            for c in (0..all.len()).filter(|c| *c != column) {
                let loss = all[c] - both[c];
                if loss > greatest[1].0 {
                    greatest[1] = (loss, c);
                    greatest.sort_unstable_by(|a, b| b.cmp(a));
                }
            }
            greatest
        });
        // The decided literal is everywhere in the region, or nowhere, so a chain with it is equal to a shorter one.
        let other = greatest.iter().find(|(_, c)| Some(*c) != decided);
        other.map_or(0, |(loss, _)| *loss)
    }

    /// The counts of a formula of `size` positions, `both` of them in the unit.
    #[inline(always)]
    pub(super) fn counts(&self, size: u64, both: u64) -> Counts {
        Counts { universe: self.partition.n_positions(), formula: size, unit: self.unit, both }
    }

    /// The best score that any Boolean function of the literals can reach.
    pub(super) fn ceiling(&self, metric: Metric) -> f64 {
        let sizes = self.partition.sizes();
        let cells = self.cells.hits.iter().zip(sizes).map(|(h, size)| (u64::from(*h), u64::from(size - h)));
        metric.of(best_choice(cells, self.counts(0, 0), metric))
    }

    /// `|U and A and B and C|` and `|A and B and C|`.
    pub(super) fn triple(&self, columns: [usize; 3]) -> (u64, u64) {
        let (mut both, mut all) = (0, 0);
        self.for_all_in(columns, |cell| {
            both += u64::from(self.cells.hits[cell as usize]);
            all += u64::from(self.partition.sizes()[cell as usize]);
        });
        (both, all)
    }
}

/// The counts of every column minus those of a part.
fn rest<T: Copy + Sub<Output = T>>(of: &[T], part: &[T]) -> Vec<T> {
    of.iter().zip(part).map(|(of, part)| *of - *part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid, Neighbors};

    const CONCEPTS: u32 = 9;

    /// The bits of example `e` are its concepts.
    struct Bits(Vec<u32>);

    impl AnnotationSource for Bits {
        fn n_examples(&self) -> usize {
            self.0.len()
        }

        fn grid(&self) -> Grid {
            Grid::SINGLE
        }

        fn annotate(&self, example: usize, into: &mut Annotation) -> crate::Result<()> {
            into.scalars.extend((0..CONCEPTS).filter(|c| self.0[example] >> c & 1 == 1));
            Ok(())
        }
    }

    /// Counts on pairs by going through all cells of a region.
    fn slow(pairs: &Pairs<'_>, beta: f64, inside: &dyn Fn(usize, u32) -> bool) {
        let partition = pairs.partition;
        let n = partition.columns().len();
        let has = |c: usize, cell: u32| partition.columns_of(cell).contains(&(c as u16));
        let count = |with: &[usize]| {
            let cells = (0..partition.n_cells() as u32)
                .filter(|cell| (0..n).all(|c| inside(c, *cell)) && with.iter().all(|c| has(*c, *cell)));
            cells.fold((0, 0, 0.0), |(all, both, gains), cell| {
                let (size, hits) = (partition.sizes()[cell as usize], pairs.cells.hits[cell as usize]);
                let gain = f64::from(hits) - beta * f64::from(size - hits);
                (all + size, both + hits, gains + gain.max(0.0))
            })
        };
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let (all, both, gains) = count(&[]);
        assert_eq!((pairs.positions, pairs.inside), (all.into(), both.into()));
        assert!(near(pairs.gain, gains));
        for a in 0..n {
            let (all, both, gains) = count(&[a]);
            assert_eq!((pairs.areas[a], pairs.both[a]), (all, both));
            assert!(near(pairs.gains[a], gains));
            for b in 0..n {
                let (all, both, gains) = count(&[a, b]);
                assert_eq!((pairs.all(a)[b], pairs.both(a)[b]), (all, both), "{a} and {b}");
                assert!(near(pairs.gains(a)[b], gains), "{a} and {b}: {} and {gains}", pairs.gains(a)[b]);
                let (all, both, _) = count(&[a, b, 4]);
                assert_eq!(pairs.triple([a, b, 4]), (both.into(), all.into()));
            }
            let decided = pairs.region.as_ref().map(|r| r.column);
            let others = (0..n).filter(|b| *b != a && Some(*b) != decided);
            let loss = others.map(|b| count(&[a, b])).map(|(all, both, _)| all - both).max().unwrap_or(0);
            assert!(pairs.shared_loss(a) >= loss && (decided.is_some() || pairs.shared_loss(a) == loss));
        }
    }

    #[test]
    fn rows_are_those_of_all_cells_with_any_room_and_never_take_more() {
        let source = Bits((0..600u32).map(|e| (e.wrapping_mul(2_654_435_761) >> 20) % 300).collect());
        let mut builder = PartitionBuilder::new(Grid::SINGLE, Box::new(MemoryPositions::new(Grid::SINGLE)));
        builder.add_all(&source, &|_| ()).unwrap();
        let (partition, _) = builder.finish(&Neighbors::new()).unwrap();
        let touched = || (0..partition.n_cells() as u32).filter(|c| c % 3 != 0);
        let hits = touched().map(|c| partition.sizes()[c as usize].div_ceil(2)).collect();
        let profile = Profile { cells: touched().collect(), hits, ..Profile::default() };
        let has = |c: usize, cell: u32| partition.columns_of(cell).contains(&(c as u16));
        let (n, beta) = (partition.columns().len(), 0.3);
        let row = 8 * n;
        for room in [0, 4 * n - 1, row, 3 * row, usize::MAX] {
            let pairs = Pairs::with_room(&partition, &profile, beta, room);
            let left = pairs.rows_all.room.clone();
            slow(&pairs, beta, &|_, _| true);
            let kept = room - left.get();
            assert!(kept <= 3 * n * row && (room < row) == (kept < row), "{kept} of {room}");
            for (op, with) in [(Op::And, true), (Op::Or, false), (Op::AndNot, false)] {
                let region = pairs.after(op, 2);
                slow(&region, beta, &|c, cell| c != 2 || has(c, cell) == with);
                let smaller = region.after(Op::AndNot, 5);
                slow(&smaller, beta, &|c, cell| (c != 2 || has(c, cell) == with) && (c != 5 || !has(c, cell)));
            }
            assert_eq!(room - left.get(), kept, "what a region kept is given back");
        }
    }
}
