//! Profiles: one unit's number of hits in every cell.
//!
//! Upsampling, thresholding and counting are one pass: a mask is never stored.

mod patterns;

pub use patterns::{Counter, Patterns};

use rayon::prelude::*;

use crate::activation::{ActivationSource, MaskSource};
use crate::partition::{CellSet, PositionMap};
use crate::resize::{LANES, Resizer};
use crate::simd::vectorized;
use crate::threshold::{cut, for_each_block};
use crate::{Error, Result};

/// One unit's hits in every cell it touches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// The cells with a hit, ascending.
    pub cells: Vec<u32>,
    /// The number of hits in each of them, at least 1.
    pub hits: Vec<u32>,
    /// The examples with a hit, ascending.
    pub active: Vec<u32>,
    /// The examples on which the unit fires most, best first; ties in the order of examples.
    pub peaks: Vec<Peak>,
}

/// How strongly a unit fires on an example.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// The example, counted from 0.
    pub example: u32,
    /// The largest activation of its low-resolution map; the number of hits where only masks are known.
    pub activation: f32,
}

impl Profile {
    /// The number of hits: the size of the unit's mask.
    pub fn area(&self) -> u64 {
        self.hits.iter().map(|h| u64::from(*h)).sum()
    }

    /// The number of hits in a set of cells: the positions that the unit's mask shares with a formula's.
    pub fn hits_in(&self, set: &CellSet) -> u64 {
        let entries = self.cells.iter().zip(&self.hits);
        entries.filter(|(cell, _)| set.contains(**cell)).map(|(_, hits)| u64::from(*hits)).sum()
    }

    /// The profile over the examples of both, which must be disjoint; at most `n_peaks` peaks are kept.
    ///
    /// The peaks and the active examples of `other` belong to examples from `first_example` on.
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

/// What is gathered for one unit while examples pass by.
#[derive(Default)]
struct Gathered {
    /// Cells and hits, example after example; a cell may come more than once.
    entries: Vec<(u32, u32)>,
    active: Vec<u32>,
    peaks: Vec<Peak>,
}

impl Gathered {
    fn peak(&mut self, peak: Peak, n_peaks: usize) {
        self.peaks.push(peak);
        if self.peaks.len() >= 2 * n_peaks + 64 {
            self.keep_peaks(n_peaks);
        }
    }

    fn keep_peaks(&mut self, n_peaks: usize) {
        self.peaks.sort_by(|a, b| b.activation.total_cmp(&a.activation).then(a.example.cmp(&b.example)));
        self.peaks.truncate(n_peaks);
    }

    /// Adds up the entries; `counts` holds a zero for every cell, and does so again afterwards.
    fn finish(mut self, counts: &mut [u32], n_peaks: usize) -> Profile {
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

/// Counts the hits of `units` from activations: a position is a hit where the map, resized to the grid of the
/// annotations, is strictly greater than the unit's threshold.
///
/// `thresholds` has one entry for every unit of the source, whose values must be finite, as
/// [`crate::threshold::thresholds`] checks. The result has one profile for every entry of `units`, with at most `n_peaks`
/// peaks. `n_cells` is that of the partition to which `map` belongs. `progress` is told the number of examples done.
///
/// # Errors
/// [`Error::Mismatch`] where the source has another number of examples than the partition, or lacks a unit; and those of
/// the source and the position map.
pub fn from_activations(
    source: &dyn ActivationSource,
    thresholds: &[f64],
    units: &[usize],
    map: &PositionMap,
    n_cells: usize,
    n_peaks: usize,
    progress: &dyn Fn(usize),
) -> Result<Vec<Profile>> {
    check_examples("activations", source.n_examples(), map)?;
    check_units(units, source.n_units())?;
    let (n_units, low, grid) = (source.n_units(), source.grid(), map.grid());
    let resizer = Resizer::new(low, grid);
    let cuts: Vec<f32> = units.iter().map(|u| cut(thresholds[*u])).collect();
    let mut gathered: Vec<Gathered> = units.iter().map(|_| Gathered::default()).collect();
    let stride = n_units * low.positions();
    for_each_block(source, |first, block| {
        let counted: Vec<Counted> = block
            .par_chunks_exact(stride)
            .enumerate()
            .map_init(Scratch::default, |scratch, (i, maps)| {
                let maps = units.iter().map(|u| &maps[u * low.positions()..][..low.positions()]);
                scratch.count(maps.zip(&cuts), &resizer, map, first + i)
            })
            .collect::<Result<_>>()?;
        for (i, counted) in counted.iter().enumerate() {
            let example = (first + i) as u32;
            for (unit, activation) in &counted.peaks {
                gathered[*unit as usize].peak(Peak { example, activation: *activation }, n_peaks);
            }
            for (unit, cell, hits) in &counted.hits {
                let gathered = &mut gathered[*unit as usize];
                gathered.entries.push((*cell, *hits));
                // Those of one unit come together.
                if gathered.active.last() != Some(&example) {
                    gathered.active.push(example);
                }
            }
        }
        progress(first + counted.len());
        Ok(())
    })?;
    Ok(finish(gathered, n_cells, n_peaks))
}

/// What one example gives.
#[derive(Default)]
struct Counted {
    /// Unit, cell, hits.
    hits: Vec<(u32, u32, u32)>,
    /// Unit and largest activation, where it is above the threshold.
    peaks: Vec<(u32, f32)>,
}

/// The memory that one example after the other can use.
#[derive(Default)]
struct Scratch {
    positions: Vec<u32>,
    local: Vec<u32>,
    strips: Vec<[f64; LANES]>,
}

impl Scratch {
    fn count<'a>(
        &mut self,
        maps: impl Iterator<Item = (&'a [f32], &'a f32)>,
        resizer: &Resizer,
        map: &PositionMap,
        example: usize,
    ) -> Result<Counted> {
        let mut counted = Counted::default();
        let cells = map.cells_of(example);
        self.positions.clear();
        self.local.clear();
        self.local.resize(cells.len(), 0);
        for ((values, cut), unit) in maps.zip(0u32..) {
            if !vectorized(
                #[inline(always)]
                || values.iter().fold(false, |any, v| any | (v > cut)),
            ) {
                continue;
            }
            counted.peaks.push((unit, values.iter().fold(f32::NEG_INFINITY, |m, v| m.max(*v))));
            if self.positions.is_empty() {
                self.positions.resize(map.grid().positions(), 0);
                map.read_local(example, &mut self.positions)?;
            }
            let (positions, local) = (&self.positions, &mut self.local);
            resizer.hits(values, *cut, &mut self.strips, |first, mut bits| {
                let run = &positions[first..];
                while bits != 0 {
                    local[run[bits.trailing_zeros() as usize] as usize] += 1;
                    bits &= bits - 1;
                }
            });
            for (count, cell) in self.local.iter_mut().zip(cells) {
                if *count > 0 {
                    counted.hits.push((unit, *cell, std::mem::take(count)));
                }
            }
        }
        Ok(counted)
    }
}

/// Counts the hits of `units` from given masks; the result is as for [`from_activations`], with the number of hits as
/// [`Peak::activation`]. `progress` is told the number of units done.
///
/// # Errors
/// [`Error::Mismatch`] where the masks have another grid or number of examples than the partition, or lack a unit; and
/// those of the source and the position map.
pub fn from_masks(
    source: &dyn MaskSource,
    units: &[usize],
    map: &PositionMap,
    n_cells: usize,
    n_peaks: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<Profile>> {
    check_masks(source, units, map)?;
    let positions = map.grid().positions();
    let block = ((1 << 20) / positions).clamp(1, 4096);
    let done = std::sync::atomic::AtomicUsize::new(0);
    let gathered = units
        .par_iter()
        .map(|unit| {
            let mut gathered = Gathered::default();
            let (mut mask, mut ids, mut local) = (Vec::new(), vec![0; positions], Vec::new());
            for first in (0..map.n_examples()).step_by(block) {
                let n = block.min(map.n_examples() - first);
                mask.resize(n * positions, false);
                source.read(*unit, first, &mut mask)?;
                for (example, mask) in (first..first + n).zip(mask.chunks_exact(positions)) {
                    let hits = mask.iter().filter(|m| **m).count();
                    if hits == 0 {
                        continue;
                    }
                    gathered.active.push(example as u32);
                    gathered.peak(Peak { example: example as u32, activation: hits as f32 }, n_peaks);
                    map.read_local(example, &mut ids)?;
                    local.clear();
                    local.resize(map.cells_of(example).len(), 0u32);
                    for (id, hit) in ids.iter().zip(mask) {
                        local[*id as usize] += u32::from(*hit);
                    }
                    let touched = map.cells_of(example).iter().zip(&local).filter(|(_, hits)| **hits > 0);
                    gathered.entries.extend(touched.map(|(cell, hits)| (*cell, *hits)));
                }
            }
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(gathered)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(finish(gathered, n_cells, n_peaks))
}

fn finish(gathered: Vec<Gathered>, n_cells: usize, n_peaks: usize) -> Vec<Profile> {
    gathered.into_par_iter().map_init(|| vec![0; n_cells], |counts, g| g.finish(counts, n_peaks)).collect()
}

fn check_masks(source: &dyn MaskSource, units: &[usize], map: &PositionMap) -> Result<()> {
    check_examples("masks", source.n_examples(), map)?;
    check_units(units, source.n_units())?;
    if source.grid() != map.grid() {
        let show = |g: crate::probe::Grid| format!("{} x {}", g.height, g.width);
        return Err(Error::mismatch(
            "grid of the masks",
            show(source.grid()),
            format!("{}, as the annotations have", show(map.grid())),
        ));
    }
    Ok(())
}

fn check_examples(what: &str, found: usize, map: &PositionMap) -> Result<()> {
    if found != map.n_examples() {
        return Err(Error::mismatch(
            format!("examples in the {what}"),
            found,
            format!("{}, as the probe set has: one row for each example, in its order", map.n_examples()),
        ));
    }
    Ok(())
}

fn check_units(units: &[usize], n_units: usize) -> Result<()> {
    match units.iter().find(|u| **u >= n_units) {
        Some(unit) => Err(Error::mismatch("unit", unit, format!("0 to {}", n_units.saturating_sub(1)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid, Neighbors};

    pub(super) struct Layers(pub(super) Grid, pub(super) Vec<Vec<u32>>);

    impl AnnotationSource for Layers {
        fn n_examples(&self) -> usize {
            self.1.len()
        }
        fn grid(&self) -> Grid {
            self.0
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
            into.layers.extend(&self.1[example]);
            Ok(())
        }
    }

    pub(super) struct Masks(pub(super) Grid, pub(super) Vec<Vec<bool>>);

    impl MaskSource for Masks {
        fn n_examples(&self) -> usize {
            self.1[0].len() / self.0.positions()
        }
        fn n_units(&self) -> usize {
            self.1.len()
        }
        fn grid(&self) -> Grid {
            self.0
        }
        fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()> {
            out.copy_from_slice(&self.1[unit][first * self.0.positions()..][..out.len()]);
            Ok(())
        }
    }

    pub(super) const GRID: Grid = Grid { height: 9, width: 8 };

    proptest! {
        #[test]
        fn fused_counts_equal_those_of_resized_masks(
            layers in proptest::collection::vec(proptest::collection::vec(1u32..5, 72), 1..5),
            values in proptest::collection::vec(-2f32..2.0, 5 * 3 * 6), threshold in -1f64..1.5,
        ) {
            let n = layers.len();
            let source = Layers(GRID, layers);
            let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
            builder.add_all(&source, &|_| ()).unwrap();
            let (p, map) = builder.finish(&Neighbors::new()).unwrap();
            let maps = Array4::from_shape_vec((n, 3, 2, 3), values[..n * 18].to_vec()).unwrap();
            let units = [2, 0];
            let found = from_activations(&maps.view(), &[threshold; 3], &units, &map, p.n_cells(), 2, &|_| ()).unwrap();

            let resizer = Resizer::new(Grid { height: 2, width: 3 }, GRID);
            let masks: Vec<Vec<bool>> = (0..3).map(|u| (0..n).flat_map(|i| {
                let mut out = vec![0.0; 72];
                resizer.resize(&values[(i * 3 + u) * 6..][..6], &mut out);
                out.into_iter().map(|v| f64::from(v) > threshold).collect::<Vec<_>>()
            }).collect()).collect();
            let given = from_masks(&Masks(GRID, masks.clone()), &units, &map, p.n_cells(), 2, &|_| ()).unwrap();
            for (i, unit) in units.iter().enumerate() {
                prop_assert_eq!(&found[i].cells, &given[i].cells);
                prop_assert_eq!(&found[i].hits, &given[i].hits);
                prop_assert_eq!(&found[i].active, &given[i].active);
                let firing = (0..n).filter(|e| masks[*unit][e * 72..][..72].contains(&true)).map(|e| e as u32);
                prop_assert_eq!(&found[i].active, &firing.collect::<Vec<_>>());
                prop_assert_eq!(found[i].area(), masks[*unit].iter().filter(|m| **m).count() as u64);
                let mut direct = vec![0; p.n_cells()];
                let mut ids = vec![0; 72];
                for e in 0..n {
                    map.read_local(e, &mut ids).unwrap();
                    for (id, hit) in ids.iter().zip(&masks[*unit][e * 72..]) {
                        direct[map.cells_of(e)[*id as usize] as usize] += u32::from(*hit);
                    }
                }
                let sparse: Vec<(u32, u32)> = (0u32..).zip(direct).filter(|(_, h)| *h > 0).collect();
                prop_assert_eq!(found[i].cells.iter().copied().zip(found[i].hits.iter().copied()).collect::<Vec<_>>(), sparse);
                let mut peaks: Vec<(f32, u32)> = (0..n).map(|e| {
                    (values[(e * 3 + unit) * 6..][..6].iter().copied().fold(f32::MIN, f32::max), e as u32)
                }).filter(|p| f64::from(p.0) > threshold).collect();
                peaks.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                peaks.truncate(2);
                prop_assert_eq!(found[i].peaks.iter().map(|p| (p.activation, p.example)).collect::<Vec<_>>(), peaks);
            }
        }

        #[test]
        fn merged_profiles_equal_the_whole(entries in proptest::collection::vec((0u32..9, 1u32..5), 0..30), at in 0usize..30) {
            // An entry an example.
            let profile = |e: &[(u32, u32)]| {
                Gathered { entries: e.to_vec(), active: (0..e.len() as u32).collect(), peaks: vec![] }.finish(&mut [0; 9], 0)
            };
            let (a, b) = entries.split_at(at.min(entries.len()));
            prop_assert_eq!(profile(a).merge(&profile(b), 9, a.len() as u32, 0), profile(&entries));
        }
    }

    #[test]
    fn other_numbers_of_examples_and_units_are_refused() {
        let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
        builder.add_all(&Layers(GRID, vec![vec![1; 72]; 2]), &|_| ()).unwrap();
        let (p, map) = builder.finish(&Neighbors::new()).unwrap();
        let maps = Array4::<f32>::zeros((3, 1, 1, 1));
        let e = from_activations(&maps.view(), &[0.0], &[0], &map, p.n_cells(), 0, &|_| ()).unwrap_err();
        assert!(e.to_string().starts_with("examples in the activations: found 3, expected 2"), "{e}");
        let maps = Array4::<f32>::zeros((2, 1, 1, 1));
        let e = from_activations(&maps.view(), &[0.0], &[1], &map, p.n_cells(), 0, &|_| ()).unwrap_err();
        assert!(e.to_string().starts_with("unit: found 1, expected 0 to 0"), "{e}");
        let small = Masks(Grid::SINGLE, vec![vec![true; 2]]);
        assert!(from_masks(&small, &[0], &map, p.n_cells(), 0, &|_| ()).is_err());
    }
}
