//! Sparse activations: the values that are not zero, unit after unit.
//!
//! Latents of sparse autoencoders are zero at almost all positions. Their values are read in blocks of units, so that memory
//! is bounded by one block, and time is in proportion to the number of values.

use std::ops::Range as Span;

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::probe::Grid;
use crate::ranges::{Range, RangeConfig, ranges_of};
use crate::threshold::ThresholdRule;

/// The values of a block of units that are not zero.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// The first unit of the block.
    pub first_unit: usize,
    /// Entry `i` is where the values of unit `first_unit + i` begin; one more than there are units.
    pub starts: Vec<usize>,
    /// The positions of the values, ascending for each unit: example times positions of an example, plus position.
    pub positions: Vec<u32>,
    /// The values.
    pub values: Vec<f32>,
}

impl Entries {
    /// The entries `(unit, position, value)` of a block of units, in any order.
    pub fn new(units: Span<usize>, mut entries: Vec<(u32, u32, f32)>) -> Self {
        entries.par_sort_unstable_by_key(|(unit, position, _)| (*unit, *position));
        let mut starts = vec![0; units.len() + 1];
        for (unit, ..) in &entries {
            starts[*unit as usize - units.start + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let positions = entries.iter().map(|entry| entry.1).collect();
        let values = entries.iter().map(|entry| entry.2).collect();
        Self { first_unit: units.start, starts, positions, values }
    }

    /// The units of the block.
    pub fn units(&self) -> Span<usize> {
        self.first_unit..self.first_unit + self.starts.len().saturating_sub(1)
    }

    /// The positions and values of a unit, which must be one of the block.
    pub fn of(&self, unit: usize) -> (&[u32], &[f32]) {
        let at = unit - self.first_unit;
        let span = self.starts[at]..self.starts[at + 1];
        (&self.positions[span.clone()], &self.values[span])
    }
}

/// A source of sparse activations.
pub trait SparseSource: Send + Sync {
    /// The number of examples.
    fn n_examples(&self) -> usize;

    /// The number of units.
    fn n_units(&self) -> usize;

    /// The grid of each example, which must be that of the annotations.
    fn grid(&self) -> Grid;

    /// The blocks of units, in ascending order; together they are all units.
    fn blocks(&self) -> Vec<Span<usize>>;

    /// Reads the block of this number.
    ///
    /// # Errors
    /// [`Error::Source`] if the source cannot be read. Values are not checked here.
    fn read(&self, block: usize) -> Result<Entries>;
}

/// Calls `f` with every block that has one of `units` (ascending), whose values are checked.
///
/// # Errors
/// [`Error::NotFinite`] for a value that is NaN or infinite; the errors of [`SparseSource::read`] and of `f`.
pub(crate) fn for_each_block(
    source: &dyn SparseSource,
    units: impl Fn(&Span<usize>) -> bool,
    mut f: impl FnMut(&Entries) -> Result<()>,
) -> Result<()> {
    let positions = source.grid().positions().max(1);
    for (number, span) in source.blocks().into_iter().enumerate() {
        if !units(&span) {
            continue;
        }
        let block = source.read(number)?;
        if let Some(at) = block.values.iter().position(|value| !value.is_finite()) {
            let unit = block.first_unit + block.starts.partition_point(|start| *start <= at) - 1;
            let example = block.positions[at] as usize / positions;
            return Err(Error::NotFinite { unit, example, value: block.values[at] });
        }
        f(&block)?;
    }
    Ok(())
}

/// The threshold of each unit, over all positions: those without a value count as 0, and no threshold is below 0. Calls
/// `progress` with the number of units done.
///
/// # Errors
/// [`Error::NotFinite`] if a value is NaN or infinite; [`Error::Mismatch`] if the quantile is not between 0 and 1, or there are
/// no positions; [`Error::Source`] if the source cannot be read.
pub fn thresholds(source: &dyn SparseSource, rule: ThresholdRule, progress: &dyn Fn(usize)) -> Result<Vec<f64>> {
    let n = source.n_examples() * source.grid().positions();
    let mut found = vec![0.0; source.n_units()];
    rule.check_for(n)?;
    for_each_block(
        source,
        |_| true,
        |block| {
            let of = |unit: usize| {
                let (_, values) = block.of(unit);
                rule.of_sparse(values, n).max(0.0)
            };
            let cuts: Vec<f64> = block.units().into_par_iter().map(of).collect();
            found[block.units()].copy_from_slice(&cuts);
            progress(block.units().end);
            Ok(())
        },
    )?;
    Ok(found)
}

/// The ranges of each of `units` (ascending), as [`crate::ranges::ranges`] makes them.
///
/// # Errors
/// Those of [`thresholds`]; [`Error::Mismatch`] for a number of ranges that [`RangeConfig::check`] refuses.
pub fn ranges(
    source: &dyn SparseSource,
    units: &[usize],
    config: RangeConfig,
    progress: &dyn Fn(usize),
) -> Result<Vec<Vec<Range>>> {
    config.check()?;
    let mut found = Vec::with_capacity(units.len());
    for_each_block(
        source,
        |span| has(units, span),
        |block| {
            let here = within(units, &block.units());
            let of = |unit: &usize| ranges_of(block.of(*unit).1.iter().copied().filter(|v| *v > 0.0).collect(), config);
            found.par_extend(here.par_iter().map(of));
            progress(block.units().end);
            Ok(())
        },
    )?;
    Ok(found)
}

/// The units of a span among ascending units.
pub(crate) fn within<'a>(units: &'a [usize], span: &Span<usize>) -> &'a [usize] {
    &units[units.partition_point(|unit| *unit < span.start)..units.partition_point(|unit| *unit < span.end)]
}

pub(crate) fn has(units: &[usize], span: &Span<usize>) -> bool {
    !within(units, span).is_empty()
}
