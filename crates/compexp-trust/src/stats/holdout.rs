//! Scores on examples that the search never saw.
//!
//! Groups of examples are held out as a whole: thresholds, search and choice of the formula happen on the others, and the
//! formulas are measured on what was held out. The fall of the score is the part that the search owes to chance.

mod part;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use compexp_core::exemplar::Firing;
use compexp_core::explain::{Explained, Progress};
use compexp_core::explanation::{Explanation, HeldOut, HeldOutMcc, HeldOutScore, HeldOutUniverse};
use compexp_core::formula::Formula;
use compexp_core::partition::{CellSet, Partition, PositionMap};
use compexp_core::probe::{Example, Grid};
use compexp_core::profile::{Band, Counter, Patterns};
use compexp_core::score::{Counts, Metric};
use compexp_core::search::SearchResult;
use rayon::prelude::*;

use super::activation;
use super::bootstrap::{Bootstrap, interval, standard_error};
use crate::{Error, Result};
pub use part::{FiringPart, Part, SparsePart};

/// Which examples the search sees and which are held out, each ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Examples that the search sees.
    pub search: Vec<usize>,
    /// Examples that are held out.
    pub held_out: Vec<usize>,
    /// The group of each that is held out, numbered from 0 as they first come.
    groups: Vec<u32>,
}

impl Split {
    /// Holds out about `fraction` of the documents, in (0, 1), or of the groups where examples have no document. An example
    /// without either is a group of its own.
    ///
    /// On which side a group is follows from its name (of an example without a group: the example's) and `seed` alone, so
    /// that other examples, their order or their number change nothing.
    ///
    /// # Errors
    /// `Error::Mismatch` for a fraction that is not between 0 and 1, and where a side has no example.
    pub fn new(examples: &[Example], fraction: f64, seed: u64) -> Result<Self> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(Error::mismatch("fraction to hold out", fraction, "a share between 0 and 1"));
        }
        let mut split = Self { search: Vec::new(), held_out: Vec::new(), groups: Vec::new() };
        let mut numbers: HashMap<(&str, usize), u32> = HashMap::new();
        for (i, example) in examples.iter().enumerate() {
            let whole = if example.document.is_empty() { &example.group } else { &example.document };
            let (share, key) = match whole.as_str() {
                "" => (share_of(seed, "example to hold out", &example.name), ("", i)),
                group => (share_of(seed, "group to hold out", group), (group, 0)),
            };
            if share < fraction {
                let next = numbers.len() as u32;
                split.groups.push(*numbers.entry(key).or_insert(next));
                split.held_out.push(i);
            } else {
                split.search.push(i);
            }
        }
        let sides = [("held out", &split.held_out, "greater"), ("for the search", &split.search, "smaller")];
        for (side, side_examples, way) in sides {
            if side_examples.is_empty() {
                let expected = format!(
                    "at least one of {}: try a {way} fraction than {fraction}, another seed, or more groups",
                    examples.len()
                );
                return Err(Error::mismatch(format!("examples {side}"), 0, expected));
            }
        }
        Ok(split)
    }

    /// What was held out, in numbers.
    pub fn universe(&self) -> HeldOutUniverse {
        HeldOutUniverse { examples: self.held_out.len(), groups: self.n_groups() }
    }

    /// The group of each example that is held out, numbered from 0 as they first come.
    pub fn groups(&self) -> &[u32] {
        &self.groups
    }

    fn n_groups(&self) -> usize {
        self.groups.iter().max().map_or(0, |last| *last as usize + 1)
    }
}

/// Measures the formulas of `explained` on the examples held out, and records it.
///
/// `partition`, `map` and `firing` are of the held-out side of `split`, with the concepts of the search's side
/// ([`Part::with_concepts_of`]). The thresholds are those of the search's side. The suggested lengths are by `metric`, the one
/// that was searched: MCC, or IoU for all others. `seed` decides the bootstrap's resamples.
///
/// # Errors
/// [`Error::Mismatch`] if the inputs do not belong together, [`Error::Source`] if one cannot be read.
#[allow(clippy::too_many_arguments, reason = "each is a different thing that a caller has at hand")]
pub fn validate(
    split: &Split,
    partition: &Partition,
    map: &PositionMap,
    firing: Firing<'_>,
    explained: &mut Explained,
    metric: Metric,
    seed: u64,
    progress: &dyn Progress,
) -> Result<()> {
    if partition.n_examples() != split.held_out.len() {
        return Err(Error::mismatch("examples held out", partition.n_examples(), split.held_out.len()));
    }
    let bootstrap = Bootstrap::new(split.n_groups(), seed);
    let measure = |bands: &[Band], results: &[SearchResult], what: &str| -> Result<Vec<Option<HeldOut>>> {
        let patterns = super::patterns(firing, bands, map, "held-out profiles", progress)?;
        progress.stage("held-out scores", what, bands.len());
        let done = AtomicUsize::new(0);
        let one = |counter: &mut Counter, (i, result): (usize, &SearchResult)| {
            let formulas: Vec<&Formula> = result.by_length.iter().map(|found| &found.formula).collect();
            let counted = Counted::new(split, partition, map, &patterns, i, &formulas, counter)?;
            progress.done(1 + done.fetch_add(1, Ordering::Relaxed));
            Ok((!result.by_length.is_empty()).then(|| counted.measure(result, metric, &bootstrap)))
        };
        results.par_iter().enumerate().map_init(Counter::default, one).collect()
    };
    let whole = |unit: &Explanation| Band::above(unit.unit, unit.threshold.unwrap_or_default());
    let bands: Vec<Band> = explained.explanations.units.iter().map(whole).collect();
    let measured = measure(&bands, &explained.results, "units")?;
    if !explained.range_bands.is_empty() {
        let measured = measure(&explained.range_bands, &explained.range_results, "ranges")?;
        for (range, measured) in explained.explanations.ranges.iter_mut().zip(measured) {
            range.holdout = measured;
        }
    }
    let units: Vec<usize> = bands.iter().map(|band| band.unit).collect();
    let compared = match firing {
        Firing::Activations(source) if source.grid() == Grid::SINGLE && map.grid() == Grid::SINGLE => {
            activation::compare(source, partition, map, &units, &explained.results)?
        }
        Firing::Sparse(source) if map.grid() == Grid::SINGLE => {
            activation::compare_sparse(source, partition, map, &units, &explained.results)?
        }
        _ => vec![None; units.len()],
    };
    explained.explanations.held_out = Some(split.universe());
    for ((unit, measured), activation) in explained.explanations.units.iter_mut().zip(measured).zip(compared) {
        unit.holdout = measured.map(|measured| HeldOut { activation, ..measured });
    }
    Ok(())
}

/// The mean IoU of formulas on examples that were held out, in each of the bootstrap's resamples of their groups.
///
/// `split`, `partition`, `map` and `firing` are as for [`validate`]; `found` has a unit with a formula for each band. Resamples
/// follow from `seed`: those of two layers on the same split are of the same groups, so that their differences are paired.
///
/// # Errors
/// As [`validate`]; [`Error::Mismatch`] if there are no formulas.
pub fn resampled_means(
    split: &Split,
    partition: &Partition,
    map: &PositionMap,
    firing: Firing<'_>,
    found: &[(Band, Formula)],
    seed: u64,
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    if found.is_empty() {
        return Err(Error::mismatch("formulas to measure", 0, "at least one"));
    }
    let bootstrap = Bootstrap::new(split.n_groups(), seed);
    let bands: Vec<Band> = found.iter().map(|(band, _)| *band).collect();
    let patterns = super::patterns(firing, &bands, map, "held-out profiles", progress)?;
    progress.stage("intervals", "units", found.len());
    let done = AtomicUsize::new(0);
    let one = |counter: &mut Counter, (i, (_, formula)): (usize, &(Band, Formula))| -> Result<Vec<f64>> {
        let counted = Counted::new(split, partition, map, &patterns, i, &[formula], counter)?;
        progress.done(1 + done.fetch_add(1, Ordering::Relaxed));
        Ok(counted.resampled(&bootstrap)[0].iter().map(|counts| Metric::Iou.of(*counts)).collect())
    };
    let of_units: Vec<Vec<f64>> =
        found.par_iter().enumerate().map_init(Counter::default, one).collect::<Result<_>>()?;
    // In the order of units, so that the sum is the same for any number of threads.
    let mut means = vec![0.0; of_units[0].len()];
    for of_unit in &of_units {
        means.iter_mut().zip(of_unit).for_each(|(mean, value)| *mean += value);
    }
    Ok(means.into_iter().map(|sum| sum / found.len() as f64).collect())
}

/// The counts of one unit on every held-out group.
struct Counted {
    /// All positions.
    positions: Vec<u64>,
    /// Positions in the unit's mask.
    unit: Vec<u64>,
    /// For each length the positions in the formula's mask.
    formula: Vec<Vec<u64>>,
    /// The same in both masks.
    both: Vec<Vec<u64>>,
}

impl Counted {
    fn new(
        split: &Split,
        partition: &Partition,
        map: &PositionMap,
        patterns: &Patterns,
        unit: usize,
        formulas: &[&Formula],
        counter: &mut Counter,
    ) -> Result<Self> {
        let sets: Vec<CellSet> = formulas.iter().map(|formula| partition.evaluate(formula)).collect();
        let none = vec![0; split.n_groups()];
        let mut counted = Self {
            positions: none.clone(),
            unit: none.clone(),
            formula: vec![none.clone(); sets.len()],
            both: vec![none; sets.len()],
        };
        for (example, group) in split.groups.iter().enumerate() {
            counted.positions[*group as usize] += map.grid().positions() as u64;
            for (cell, size) in map.cells_of(example).iter().zip(map.sizes_of(example)) {
                for (areas, _) in counted.formula.iter_mut().zip(&sets).filter(|(_, set)| set.contains(*cell)) {
                    areas[*group as usize] += u64::from(*size);
                }
            }
        }
        patterns.count(
            unit,
            map,
            counter,
            |example| example,
            |example, local| {
                let group = split.groups[example as usize] as usize;
                for (cell, hits) in map.cells_of(example as usize).iter().zip(local).filter(|(_, hits)| **hits > 0) {
                    counted.unit[group] += u64::from(*hits);
                    for (both, _) in counted.both.iter_mut().zip(&sets).filter(|(_, set)| set.contains(*cell)) {
                        both[group] += u64::from(*hits);
                    }
                }
            },
        )?;
        Ok(counted)
    }

    /// The counts of every formula on every resample.
    fn resampled(&self, bootstrap: &Bootstrap) -> Vec<Vec<Counts>> {
        let n = self.formula.len();
        let shared = [&self.positions[..], &self.unit[..]];
        let columns = shared.into_iter().chain(self.formula.iter().chain(&self.both).map(Vec::as_slice));
        let sums = bootstrap.sums(&columns.collect::<Vec<_>>());
        let of_formula = |k: usize| {
            let of = |r: usize| {
                let [universe, formula, unit, both] = [0, 2 + k, 1, 2 + n + k].map(|column| sums[column][r] as u64);
                Counts { universe, formula, unit, both }
            };
            (0..sums[0].len()).map(of).collect()
        };
        (0..n).map(of_formula).collect()
    }

    fn measure(&self, result: &SearchResult, metric: Metric, bootstrap: &Bootstrap) -> HeldOut {
        let n = self.formula.len();
        let total = |values: &[u64]| values.iter().sum::<u64>();
        let (universe, unit) = (total(&self.positions), total(&self.unit));
        let resampled = self.resampled(bootstrap);
        let of = |metric: Metric| -> Vec<Vec<f64>> {
            resampled.iter().map(|counts| counts.iter().map(|counts| metric.of(*counts)).collect()).collect()
        };
        let [ious, mccs] = [Metric::Iou, Metric::Mcc].map(of);
        let score = |k: usize| {
            let counts = Counts { universe, formula: total(&self.formula[k]), unit, both: total(&self.both[k]) };
            let [iou, mcc] = [Metric::Iou, Metric::Mcc].map(|m| m.of(counts));
            let searched = &result.by_length[k];
            HeldOutScore {
                length: k + 1,
                iou,
                interval: interval(&ious[k]),
                standard_error: standard_error(&ious[k]),
                drop: searched.iou - iou,
                mcc: Some(HeldOutMcc {
                    value: mcc,
                    interval: interval(&mccs[k]),
                    drop: Metric::Mcc.of(searched.counts) - mcc,
                }),
            }
        };
        let by_length: Vec<HeldOutScore> = (0..n).map(score).collect();
        let (found, resampled): (Vec<f64>, _) = match metric {
            Metric::Mcc => (by_length.iter().filter_map(|s| Some(s.mcc?.value)).collect(), &mccs),
            _ => (by_length.iter().map(|s| s.iou).collect(), &ious),
        };
        let last = &by_length[n - 1];
        HeldOut {
            unit_area: unit,
            iou: last.iou,
            interval: last.interval,
            drop: last.drop,
            mcc: last.mcc,
            activation: None,
            suggested_length: suggest(&found, resampled),
            by_length,
        }
    }
}

/// The smallest length whose score is below the best one by no more than one standard error of their difference.
fn suggest(scores: &[f64], resampled: &[Vec<f64>]) -> usize {
    let best = (0..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best });
    let within = |k: &usize| {
        let differences: Vec<f64> = resampled[best].iter().zip(&resampled[*k]).map(|(b, a)| b - a).collect();
        scores[best] - scores[*k] <= standard_error(&differences)
    };
    1 + (0..best).find(within).unwrap_or(best)
}

/// A number in [0, 1) that follows from a seed, a purpose and a name, and from nothing else.
fn share_of(seed: u64, purpose: &str, name: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(purpose.len() as u64).to_le_bytes()).update(purpose.as_bytes());
    hasher.update(&seed.to_le_bytes()).update(name.as_bytes());
    let hash = hasher.finalize();
    let bits = hash.as_bytes().iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests;
