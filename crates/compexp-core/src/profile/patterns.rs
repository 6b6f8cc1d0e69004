//! Hit patterns: where a unit fires within each example, without reference to annotations.
//!
//! A null draw gives each map of a unit to another example. Its pattern is then counted on that example's annotations without
//! resizing the map again, so a draw costs little more than its search.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::band::Band;
use super::check::{check_examples, check_masks, check_units};
use super::gather::{Gathered, Profile};
use crate::activation::{ActivationSource, MaskSource};
use crate::error::Result;
use crate::partition::PositionMap;
use crate::resize::{LANES, Resizer};
use crate::threshold::for_each_block;

/// The number of positions of a run: as many as the resizer finds at once.
const RUN: usize = LANES;

/// Up to [`RUN`] positions in a row: the first, and a bit for each that is a hit, of which there is one at least.
#[derive(Clone, Copy)]
struct Run {
    first: u32,
    bits: u16,
}

/// The positions of a resized map that are greater than `cut`, in ascending order.
fn runs_above(values: &[f32], cut: f32, resizer: &Resizer, strips: &mut Vec<[f64; LANES]>) -> Vec<Run> {
    let mut runs = Vec::new();
    resizer.hits(values, cut, strips, |first, bits| {
        // 16 bits hold what the resizer finds at once.
        runs.push(Run { first: first as u32, bits: bits as u16 });
    });
    runs.sort_unstable_by_key(|run| run.first);
    runs
}

/// The positions of `runs` that are not in `taken`, of the same map with a higher cut.
fn without(mut runs: Vec<Run>, taken: &[Run]) -> Vec<Run> {
    let mut taken = taken.iter().peekable();
    for run in &mut runs {
        if let Some(taken) = taken.next_if(|taken| taken.first == run.first) {
            run.bits &= !taken.bits;
        }
    }
    runs.retain(|run| run.bits != 0);
    runs
}

/// The positions where units fire, example by example.
pub struct Patterns {
    pub(super) units: Vec<Pattern>,
}

/// The positions where one unit fires.
#[derive(Default)]
pub(super) struct Pattern {
    /// The examples with a hit, ascending.
    pub(super) examples: Vec<u32>,
    /// The end of the runs of each example.
    ends: Vec<u32>,
    /// In ascending order within an example.
    runs: Vec<Run>,
}

impl Pattern {
    fn add(&mut self, example: usize, runs: impl Iterator<Item = Run>) {
        self.examples.push(example as u32);
        self.runs.extend(runs);
        self.ends.push(self.runs.len() as u32);
    }

    /// Adds an example with hits at these positions, ascending.
    pub(super) fn add_positions(&mut self, example: u32, mut positions: &[u32]) {
        self.examples.push(example);
        while let Some(first) = positions.first() {
            let within = positions.partition_point(|position| (position - first) < RUN as u32);
            let bits = positions[..within].iter().fold(0, |bits, position| bits | 1 << (position - first));
            self.runs.push(Run { first: *first, bits });
            positions = &positions[within..];
        }
        self.ends.push(self.runs.len() as u32);
    }

    /// The examples with a hit, each with its runs.
    fn each(&self) -> impl Iterator<Item = (u32, &[Run])> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let runs = starts.zip(&self.ends).map(|(start, end)| &self.runs[start as usize..*end as usize]);
        self.examples.iter().copied().zip(runs)
    }
}

impl Patterns {
    /// The patterns of `bands`, with the hits that [`super::from_activations`] counts. Calls `progress` with the number of
    /// examples done.
    ///
    /// # Errors
    /// The errors of [`super::from_activations`].
    pub fn from_activations(
        source: &dyn ActivationSource,
        bands: &[Band],
        map: &PositionMap,
        progress: &dyn Fn(usize),
    ) -> Result<Self> {
        check_examples("activations", source.n_examples(), map)?;
        check_units(bands.iter().map(|band| band.unit), source.n_units())?;
        let (n_units, low) = (source.n_units(), source.grid());
        let resizer = Resizer::new(low, map.grid());
        let stride = n_units * low.positions();
        let cuts: Vec<(f32, Option<f32>)> = bands.iter().map(Band::cuts).collect();
        let mut patterns = Self { units: bands.iter().map(|_| Pattern::default()).collect() };
        for_each_block(source, |first, block| {
            let found: Vec<Vec<(usize, Vec<Run>)>> = block
                .par_chunks_exact(stride)
                .map_init(Vec::new, |strips, maps| {
                    let mut found = Vec::new();
                    for (i, (band, (cut, top))) in bands.iter().zip(&cuts).enumerate() {
                        let values = &maps[band.unit * low.positions()..][..low.positions()];
                        let mut runs = runs_above(values, *cut, &resizer, strips);
                        if let Some(top) = top {
                            runs = without(runs, &runs_above(values, *top, &resizer, strips));
                        }
                        if !runs.is_empty() {
                            found.push((i, runs));
                        }
                    }
                    found
                })
                .collect();
            for (i, found) in found.into_iter().enumerate() {
                for (unit, runs) in found {
                    patterns.units[unit].add(first + i, runs.into_iter());
                }
            }
            progress(first + block.len() / stride);
            Ok(())
        })?;
        Ok(patterns)
    }

    /// The patterns of given masks. Calls `progress` with the number of units done, from any thread.
    ///
    /// # Errors
    /// The errors of [`super::from_masks`].
    pub fn from_masks(
        source: &dyn MaskSource,
        units: &[usize],
        map: &PositionMap,
        progress: &(dyn Fn(usize) + Sync),
    ) -> Result<Self> {
        check_masks(source, units, map)?;
        let positions = map.grid().positions();
        let done = AtomicUsize::new(0);
        let pattern = |unit: &usize| -> Result<Pattern> {
            let mut pattern = Pattern::default();
            let mut mask = vec![false; positions];
            for example in 0..map.n_examples() {
                source.read(*unit, example, &mut mask)?;
                let runs = mask.chunks(RUN).zip((0..).step_by(RUN)).filter_map(|(hits, first)| {
                    let bits = hits.iter().rev().fold(0, |bits, hit| bits << 1 | u16::from(*hit));
                    (bits != 0).then_some(Run { first, bits })
                });
                let mut runs = runs.peekable();
                if runs.peek().is_some() {
                    pattern.add(example, runs);
                }
            }
            progress(1 + done.fetch_add(1, Ordering::Relaxed));
            Ok(pattern)
        };
        Ok(Self { units: units.par_iter().map(pattern).collect::<Result<_>>()? })
    }

    /// Counts a unit's hits with the map of every `example` moved to the example `place(example)`. Calls `each` for every
    /// `example` with a hit, ascending, with the hits in each of the local cells of `place(example)`. `unit` is an index into
    /// the `units` that the patterns were made of.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the position map cannot be read.
    pub fn count(
        &self,
        unit: usize,
        map: &PositionMap,
        counter: &mut Counter,
        place: impl Fn(u32) -> u32,
        mut each: impl FnMut(u32, &[u32]),
    ) -> Result<()> {
        for (example, runs) in self.units[unit].each() {
            let place = place(example) as usize;
            counter.local.clear();
            counter.local.resize(map.cells_of(place).len(), 0);
            counter.count(runs, map, place)?;
            each(example, &counter.local);
        }
        Ok(())
    }

    /// The profile of a unit, without peaks, with the map of every `example` moved to the example `place(example)`. `unit` is
    /// an index into the `units` that the patterns were made of; `n_cells` is that of the partition to which `map` belongs.
    ///
    /// # Errors
    /// [`Error::Source`](crate::Error::Source) if the position map cannot be read.
    pub fn profile(
        &self,
        unit: usize,
        map: &PositionMap,
        n_cells: usize,
        counter: &mut Counter,
        place: impl Fn(u32) -> u32,
    ) -> Result<Profile> {
        let mut gathered = Gathered::default();
        self.count(unit, map, counter, &place, |example, local| {
            let cells = map.cells_of(place(example) as usize);
            gathered.entries.extend(cells.iter().zip(local).filter(|(_, hits)| **hits > 0).map(|(c, h)| (*c, *h)));
        })?;
        counter.counts.resize(n_cells, 0);
        Ok(gathered.finish(&mut counter.counts, 0))
    }
}

/// Memory that is kept from one count to the next. It does not change results.
#[derive(Default)]
pub struct Counter {
    positions: Vec<u32>,
    local: Vec<u32>,
    counts: Vec<u32>,
}

impl Counter {
    fn count(&mut self, runs: &[Run], map: &PositionMap, example: usize) -> Result<()> {
        if let [only] = &mut self.local[..] {
            *only = runs.iter().map(|run| run.bits.count_ones()).sum();
            return Ok(());
        }
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        // Runs do not overlap, so that the last ends last.
        let end = last.first as usize + RUN - last.bits.leading_zeros() as usize;
        self.positions.resize(end - first.first as usize, 0);
        map.read_within(example, first.first as usize, &mut self.positions)?;
        for run in runs {
            let positions = &self.positions[(run.first - first.first) as usize..];
            let mut bits = run.bits;
            while bits != 0 {
                self.local[positions[bits.trailing_zeros() as usize] as usize] += 1;
                bits &= bits - 1;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::super::count::from_masks;
    use super::super::fixtures::{GRID, Layers, Masks};
    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Grid, Neighbors};

    proptest! {
        #[test]
        fn maps_laid_on_other_examples_are_counted_as_their_dense_masks_are(
            layers in proptest::collection::vec(proptest::collection::vec(1u32..5, 72), 1..6),
            values in proptest::collection::vec(-2f32..2.0, 6 * 3 * 6), threshold in -1f64..1.5, seed in any::<u64>(),
        ) {
            let n = layers.len();
            let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
            builder.add_all(&Layers(GRID, layers), &|_| ()).unwrap();
            let (p, map) = builder.finish(&Neighbors::new()).unwrap();
            let maps = Array4::from_shape_vec((n, 3, 2, 3), values[..n * 18].to_vec()).unwrap();
            let units = [2, 0];
            let found = Patterns::from_activations(&maps.view(), &Band::of_units(&units, &[threshold; 3]), &map, &|_| ()).unwrap();

            let resizer = Resizer::new(Grid { height: 2, width: 3 }, GRID);
            let masks: Vec<Vec<bool>> = (0..3).map(|u| (0..n).flat_map(|i| {
                let mut out = vec![0.0; 72];
                resizer.resize(&values[(i * 3 + u) * 6..][..6], &mut out);
                out.into_iter().map(|v| f64::from(v) > threshold).collect::<Vec<_>>()
            }).collect()).collect();
            let given = Patterns::from_masks(&Masks(GRID, masks.clone()), &units, &map, &|_| ()).unwrap();

            let mut place: Vec<u32> = (0..n as u32).collect();
            place.sort_by_key(|e| seed.wrapping_mul(u64::from(*e) * 2 + 1) >> 7);
            let mut counter = Counter::default();
            for (i, unit) in units.iter().enumerate() {
                let mut moved = vec![false; n * 72];
                for e in 0..n {
                    moved[place[e] as usize * 72..][..72].copy_from_slice(&masks[*unit][e * 72..][..72]);
                }
                let dense = from_masks(&Masks(GRID, vec![moved]), &[0], &map, p.n_cells(), 0, &|_| ()).unwrap();
                for patterns in [&found, &given] {
                    let profile = patterns.profile(i, &map, p.n_cells(), &mut counter, |e| place[e as usize]).unwrap();
                    prop_assert_eq!((&profile.cells, &profile.hits), (&dense[0].cells, &dense[0].hits));
                }
            }
        }
    }
}
