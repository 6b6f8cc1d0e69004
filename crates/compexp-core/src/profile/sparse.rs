//! Profiles from sparse activations.

use std::ops::Range as Span;

use rayon::prelude::*;

use super::band::Band;
use super::check::{check_examples, check_units};
use super::gather::{Peak, Profile, keep_strongest};
use super::patterns::{Counter, Pattern, Patterns};
use crate::error::{Error, Result};
use crate::partition::PositionMap;
use crate::sparse::{Entries, SparseSource, for_each_block};

fn check(source: &dyn SparseSource, bands: &[Band], map: &PositionMap) -> Result<()> {
    check_examples("sparse activations", source.n_examples(), map)?;
    check_units(bands.iter().map(|band| band.unit), source.n_units())?;
    if source.grid() != map.grid() {
        let (found, expected) = (format!("{:?}", source.grid()), format!("{:?}", map.grid()));
        return Err(Error::mismatch("grid of the sparse activations", found, expected));
    }
    // Positions without a value are 0, and no hits.
    match bands.iter().find(|band| band.above < 0.0 || !band.above.is_finite()) {
        Some(band) => Err(Error::mismatch("lower end for sparse activations", band.above, "0 or more")),
        None if !bands.is_sorted_by_key(|band| band.unit) => {
            Err(Error::mismatch("units of sparse activations", "another order", "ascending"))
        }
        None => Ok(()),
    }
}

/// Counts the hits of `bands` (ascending by unit, with lower ends of 0 or more) from sparse activations. The result is as for
/// [`super::from_activations`]. Calls `progress` with the number of units done.
///
/// # Errors
/// [`Error::Mismatch`] if the source has another number of examples or another grid than the partition, or lacks a unit;
/// [`Error::NotFinite`] if a value is NaN or infinite; [`Error::Source`] if the source or the position map cannot be read.
pub fn from_sparse(
    source: &dyn SparseSource,
    bands: &[Band],
    map: &PositionMap,
    n_cells: usize,
    n_peaks: usize,
    progress: &dyn Fn(usize),
) -> Result<Vec<Profile>> {
    check(source, bands, map)?;
    let mut profiles = Vec::with_capacity(bands.len());
    for_each_block(
        source,
        |span| !bands_within(bands, span).is_empty(),
        |block| {
            let here = bands_within(bands, &block.units());
            let found = here.par_iter().map_init(Counter::default, |counter, band| {
                let mut peaks = Vec::new();
                let pattern = pattern(block, band, map, |peak| peaks.push(peak));
                let active = pattern.examples.clone();
                let patterns = Patterns { units: vec![pattern] };
                let counted = patterns.profile(0, map, n_cells, counter, |example| example)?;
                keep_strongest(&mut peaks, n_peaks);
                Ok(Profile { active, peaks, ..counted })
            });
            profiles.extend(found.collect::<Result<Vec<_>>>()?);
            progress(block.units().end);
            Ok(())
        },
    )?;
    Ok(profiles)
}

/// The bands of a block's units, of which `bands` has those of all units in ascending order.
fn bands_within<'a>(bands: &'a [Band], span: &Span<usize>) -> &'a [Band] {
    &bands[bands.partition_point(|band| band.unit < span.start)..bands.partition_point(|band| band.unit < span.end)]
}

/// The positions of a band's hits.
fn hits<'a>(block: &'a Entries, band: &Band) -> impl Iterator<Item = (u32, f32)> + 'a {
    let (positions, values) = block.of(band.unit);
    let (cut, top) = band.cuts();
    let is_hit = move |(_, value): &(u32, f32)| *value > cut && top.is_none_or(|top| *value <= top);
    positions.iter().copied().zip(values.iter().copied()).filter(is_hit)
}

/// Where a band has hits; calls `peak` with the largest value of each example with one.
fn pattern(block: &Entries, band: &Band, map: &PositionMap, mut peak: impl FnMut(Peak)) -> Pattern {
    let positions = map.grid().positions() as u32;
    let hits: Vec<(u32, u32, f32)> =
        hits(block, band).map(|(at, value)| (at / positions, at % positions, value)).collect();
    let mut pattern = Pattern::default();
    let mut within = Vec::new();
    for of_example in hits.chunk_by(|a, b| a.0 == b.0) {
        within.clear();
        within.extend(of_example.iter().map(|hit| hit.1));
        pattern.add_positions(of_example[0].0, &within);
        let activation = of_example.iter().map(|hit| hit.2).fold(f32::NEG_INFINITY, f32::max);
        peak(Peak { example: of_example[0].0, activation });
    }
    pattern
}

impl Patterns {
    /// The patterns of `bands`, with the hits that [`from_sparse`] counts. Calls `progress` with the number of units done.
    ///
    /// # Errors
    /// The errors of [`from_sparse`].
    pub fn from_sparse(
        source: &dyn SparseSource,
        bands: &[Band],
        map: &PositionMap,
        progress: &dyn Fn(usize),
    ) -> Result<Self> {
        check(source, bands, map)?;
        let mut units = Vec::with_capacity(bands.len());
        for_each_block(
            source,
            |span| !bands_within(bands, span).is_empty(),
            |block| {
                let here = bands_within(bands, &block.units());
                units.par_extend(here.par_iter().map(|band| pattern(block, band, map, |_| ())));
                progress(block.units().end);
                Ok(())
            },
        )?;
        Ok(Self { units })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;
    use proptest::prelude::*;

    use super::super::count::from_activations;
    use super::super::fixtures::{GRID, Layers};
    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Grid, Neighbors};
    use crate::ranges::{Range, RangeConfig, RangeCuts};
    use crate::threshold::ThresholdRule;

    /// Dense values, read as sparse ones in blocks of two units.
    struct Sparse(Grid, Array4<f32>);

    impl SparseSource for Sparse {
        fn n_examples(&self) -> usize {
            self.1.dim().0
        }
        fn n_units(&self) -> usize {
            self.1.dim().1
        }
        fn grid(&self) -> Grid {
            self.0
        }
        fn blocks(&self) -> Vec<std::ops::Range<usize>> {
            (0..self.n_units()).step_by(2).map(|first| first..self.n_units().min(first + 2)).collect()
        }
        fn read(&self, block: usize) -> Result<Entries> {
            let units = self.blocks()[block].clone();
            let place = |e: usize, y: usize, x: usize| ((e * self.0.height + y) * self.0.width + x) as u32;
            let entries = self.1.indexed_iter().filter(|((_, u, ..), value)| units.contains(u) && **value != 0.0);
            Ok(Entries::new(units.clone(), entries.map(|((e, u, y, x), v)| (u as u32, place(e, y, x), *v)).collect()))
        }
    }

    proptest! {
        #[test]
        fn sparse_values_count_as_the_same_values_given_densely(
            layers in proptest::collection::vec(proptest::collection::vec(1u32..5, 72), 1..4),
            values in proptest::collection::vec(prop_oneof![4 => Just(0i32), 1 => -9..9i32], 4 * 3 * 72),
            top in 0.001f64..0.5, count in 2usize..4, low in 0f64..1.0, width in 0f64..2.0,
        ) {
            let n = layers.len();
            let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
            builder.add_all(&Layers(GRID, layers), &|_| ()).unwrap();
            let (p, map) = builder.finish(&Neighbors::new()).unwrap();
            let values = values[..n * 3 * 72].iter().map(|v| *v as f32 / 4.0).collect();
            let dense = Array4::from_shape_vec((n, 3, GRID.height, GRID.width), values).unwrap();
            let sparse = Sparse(GRID, dense.clone());
            for rule in [ThresholdRule::Positive, ThresholdRule::TopQuantile(top)] {
                let cuts = crate::threshold::thresholds(&dense.view(), rule, &|_| ()).unwrap();
                let found = crate::sparse::thresholds(&sparse, rule, &|_| ()).unwrap();
                prop_assert_eq!(&found, &cuts.iter().map(|cut| cut.max(0.0)).collect::<Vec<_>>());
            }
            for cuts in [RangeCuts::EqualCounts, RangeCuts::KMeans] {
                let config = RangeConfig { count, cuts };
                let expected: Vec<Vec<Range>> = crate::ranges::ranges(&dense.view(), &[0, 2], config, &|_| ()).unwrap();
                prop_assert_eq!(crate::sparse::ranges(&sparse, &[0, 2], config, &|_| ()).unwrap(), expected);
            }
            let band = |unit, up_to| Band { unit, above: low, up_to };
            let bands = [band(0, None), band(0, Some(low + width)), band(2, None)];
            let expected = from_activations(&dense.view(), &bands, &map, p.n_cells(), 3, &|_| ()).unwrap();
            let found = from_sparse(&sparse, &bands, &map, p.n_cells(), 3, &|_| ()).unwrap();
            for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
                prop_assert_eq!((&found.cells, &found.hits, &found.active), (&expected.cells, &expected.hits, &expected.active));
                if bands[i].up_to.is_none() {
                    prop_assert_eq!(&found.peaks, &expected.peaks);
                }
            }
        }
    }

    #[test]
    fn sparse_values_that_do_not_fit_are_refused() {
        let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
        builder.add_all(&Layers(GRID, vec![vec![1; 72]; 2]), &|_| ()).unwrap();
        let (p, map) = builder.finish(&Neighbors::new()).unwrap();
        let message = |source: &Sparse, bands: &[Band]| {
            from_sparse(source, bands, &map, p.n_cells(), 0, &|_| ()).unwrap_err().to_string()
        };
        let mut source = Sparse(GRID, Array4::zeros((2, 3, GRID.height, GRID.width)));
        assert!(message(&source, &[Band::above(3, 0.0)]).contains("unit: found 3"));
        assert!(message(&source, &[Band::above(0, -1.0)]).contains("0 or more"));
        assert!(message(&source, &[Band::above(1, 0.0), Band::above(0, 0.0)]).contains("ascending"));
        source.1[[1, 1, 0, 0]] = f32::NAN;
        let e = from_sparse(&source, &[Band::above(0, 0.0)], &map, p.n_cells(), 0, &|_| ()).unwrap_err();
        assert!(matches!(e, Error::NotFinite { unit: 1, example: 1, .. }), "{e}");
        let other = Sparse(Grid::SINGLE, Array4::zeros((2, 3, 1, 1)));
        assert!(message(&other, &[]).contains("grid of the sparse activations"));
    }
}
