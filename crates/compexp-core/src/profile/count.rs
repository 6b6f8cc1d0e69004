//! Profiles from activations, and from given masks.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::band::Band;
use super::check::{check_examples, check_masks, check_units};
use super::gather::{Gathered, Peak, Profile, finish};
use crate::activation::{ActivationSource, MaskSource, greatest};
use crate::error::Result;
use crate::partition::PositionMap;
use crate::resize::{LANES, Resizer};
use crate::simd::vectorized;
use crate::threshold::for_each_block;

/// Counts the hits of `bands` from activations: a position is a hit if the map, resized to the grid of the annotations, is
/// strictly greater than the band's lower end, and not greater than its upper end where it has one.
///
/// Activations must be finite, which [`crate::threshold::thresholds`] checks. The result has one profile for every band, with
/// at most `n_peaks` peaks. `n_cells` is that of the partition to which `map` belongs. Calls `progress` with the number of
/// examples done.
///
/// # Errors
/// [`Error::Mismatch`](crate::Error::Mismatch) if the source has another number of examples than the partition, or lacks a unit. [`Error::Source`](crate::Error::Source) if
/// the source or the position map cannot be read.
pub fn from_activations(
    source: &dyn ActivationSource,
    bands: &[Band],
    map: &PositionMap,
    n_cells: usize,
    n_peaks: usize,
    progress: &dyn Fn(usize),
) -> Result<Vec<Profile>> {
    check_examples("activations", source.n_examples(), map)?;
    check_units(bands.iter().map(|band| band.unit), source.n_units())?;
    let (n_units, low, grid) = (source.n_units(), source.grid(), map.grid());
    let resizer = Resizer::new(low, grid);
    let cuts: Vec<(f32, Option<f32>)> = bands.iter().map(Band::cuts).collect();
    let mut gathered: Vec<Gathered> = bands.iter().map(|_| Gathered::default()).collect();
    let stride = n_units * low.positions();
    for_each_block(source, |first, block| {
        let counted: Vec<Counted> = block
            .par_chunks_exact(stride)
            .enumerate()
            .map_init(Scratch::default, |scratch, (i, maps)| {
                let maps = bands.iter().map(|band| &maps[band.unit * low.positions()..][..low.positions()]);
                scratch.count(maps.zip(&cuts), &resizer, map, first + i)
            })
            .collect::<Result<_>>()?;
        for (i, counted) in counted.iter().enumerate() {
            let example = (first + i) as u32;
            for (band, activation) in &counted.peaks {
                gathered[*band as usize].peak(Peak { example, activation: *activation }, n_peaks);
            }
            for (band, cell, hits) in &counted.hits {
                let gathered = &mut gathered[*band as usize];
                gathered.entries.push((*cell, *hits));
                // The hits of one band are consecutive.
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

/// The hits and peaks of one example.
#[derive(Default)]
struct Counted {
    /// Band, cell, hits.
    hits: Vec<(u32, u32, u32)>,
    /// Band and largest activation, if that is above the lower end.
    peaks: Vec<(u32, f32)>,
}

/// Memory that is kept from one example to the next.
#[derive(Default)]
struct Scratch {
    positions: Vec<u32>,
    local: Vec<u32>,
    strips: Vec<[f64; LANES]>,
}

impl Scratch {
    fn count<'a>(
        &mut self,
        maps: impl Iterator<Item = (&'a [f32], &'a (f32, Option<f32>))>,
        resizer: &Resizer,
        map: &PositionMap,
        example: usize,
    ) -> Result<Counted> {
        let mut counted = Counted::default();
        let cells = map.cells_of(example);
        self.positions.clear();
        self.local.clear();
        self.local.resize(cells.len(), 0);
        for ((values, (cut, top)), band) in maps.zip(0u32..) {
            if !vectorized(
                #[inline(always)]
                || values.iter().fold(false, |any, v| any | (v > cut)),
            ) {
                continue;
            }
            counted.peaks.push((band, greatest(values)));
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
            // What is above the upper end is above the lower one, and was counted.
            if let Some(top) = top {
                resizer.hits(values, *top, &mut self.strips, |first, mut bits| {
                    let run = &positions[first..];
                    while bits != 0 {
                        local[run[bits.trailing_zeros() as usize] as usize] -= 1;
                        bits &= bits - 1;
                    }
                });
            }
            for (count, cell) in self.local.iter_mut().zip(cells) {
                if *count > 0 {
                    counted.hits.push((band, *cell, std::mem::take(count)));
                }
            }
        }
        Ok(counted)
    }
}

/// Counts the hits of `units` from given masks. The result is as for [`from_activations`], with the number of hits as
/// [`Peak::activation`]. Calls `progress` with the number of units done, from any thread.
///
/// # Errors
/// [`Error::Mismatch`](crate::Error::Mismatch) if the masks have another grid or number of examples than the partition, or lack a unit. [`Error::Source`](crate::Error::Source) if
/// the source or the position map cannot be read.
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
    let done = AtomicUsize::new(0);
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
            progress(1 + done.fetch_add(1, Ordering::Relaxed));
            Ok(gathered)
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(finish(gathered, n_cells, n_peaks))
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::super::fixtures::{GRID, Layers, Masks};
    use super::super::patterns::{Counter, Patterns};
    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Grid, Neighbors};

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
            let found = from_activations(&maps.view(), &Band::of_units(&units, &[threshold; 3]), &map, p.n_cells(), 2, &|_| ()).unwrap();

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
    }

    proptest! {
        #[test]
        fn hits_of_bands_are_those_of_their_masks(
            layers in proptest::collection::vec(proptest::collection::vec(1u32..5, 72), 1..5),
            values in proptest::collection::vec(-2f32..2.0, 5 * 3 * 6), low in -1f64..1.5, width in 0f64..1.0,
        ) {
            let n = layers.len();
            let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
            builder.add_all(&Layers(GRID, layers), &|_| ()).unwrap();
            let (p, map) = builder.finish(&Neighbors::new()).unwrap();
            let maps = Array4::from_shape_vec((n, 3, 2, 3), values[..n * 18].to_vec()).unwrap();
            let bands = [(2, Some(low + width)), (0, None), (2, Some(low))];
            let bands = bands.map(|(unit, up_to)| Band { unit, above: low, up_to });
            let found = from_activations(&maps.view(), &bands, &map, p.n_cells(), 0, &|_| ()).unwrap();
            let resizer = Resizer::new(Grid { height: 2, width: 3 }, GRID);
            let masks: Vec<Vec<bool>> = bands.iter().map(|band| (0..n).flat_map(|i| {
                let mut out = vec![0.0; 72];
                resizer.resize(&values[(i * 3 + band.unit) * 6..][..6], &mut out);
                let inside = |v: f32| f64::from(v) > band.above && band.up_to.is_none_or(|top| f64::from(v) <= top);
                out.into_iter().map(inside).collect::<Vec<_>>()
            }).collect()).collect();
            let given = from_masks(&Masks(GRID, masks), &[0, 1, 2], &map, p.n_cells(), 0, &|_| ()).unwrap();
            let counts = |profiles: &[Profile]| -> Vec<_> {
                profiles.iter().map(|p| (p.cells.clone(), p.hits.clone(), p.active.clone())).collect()
            };
            prop_assert_eq!(counts(&found), counts(&given));
            let patterns = Patterns::from_activations(&maps.view(), &bands, &map, &|_| ()).unwrap();
            for (i, given) in given.iter().enumerate() {
                let profile = patterns.profile(i, &map, p.n_cells(), &mut Counter::default(), |e| e).unwrap();
                prop_assert_eq!((&profile.cells, &profile.hits), (&given.cells, &given.hits));
            }
        }
    }

    #[test]
    fn other_numbers_of_examples_and_units_are_refused() {
        let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
        builder.add_all(&Layers(GRID, vec![vec![1; 72]; 2]), &|_| ()).unwrap();
        let (p, map) = builder.finish(&Neighbors::new()).unwrap();
        let maps = Array4::<f32>::zeros((3, 1, 1, 1));
        let e = from_activations(&maps.view(), &[Band::above(0, 0.0)], &map, p.n_cells(), 0, &|_| ()).unwrap_err();
        assert!(e.to_string().starts_with("examples in the activations: found 3, expected 2"), "{e}");
        let maps = Array4::<f32>::zeros((2, 1, 1, 1));
        let e = from_activations(&maps.view(), &[Band::above(1, 0.0)], &map, p.n_cells(), 0, &|_| ()).unwrap_err();
        assert!(e.to_string().starts_with("unit: found 1, expected 0 to 0"), "{e}");
        let small = Masks(Grid::SINGLE, vec![vec![true; 2]]);
        assert!(from_masks(&small, &[0], &map, p.n_cells(), 0, &|_| ()).is_err());
    }
}
