//! Scores on examples that the search never saw.
//!
//! Groups of examples are held out as a whole: thresholds, search and choice of the formula happen on the others, and the
//! formulas are measured on what was held out. The fall of the score is the part that the search owes to chance.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use compexp_core::activation::{ActivationSource, MaskSource};
use compexp_core::concept::ConceptId;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{Explained, Progress};
use compexp_core::explanation::{Explanation, HeldOut, HeldOutMcc, HeldOutScore, HeldOutUniverse};
use compexp_core::partition::{CellSet, Partition, PositionMap};
use compexp_core::probe::{Annotation, AnnotationSource, Example, Grid};
use compexp_core::profile::{Band, Counter, Patterns};
use compexp_core::score::{Counts, Metric};
use compexp_core::search::SearchResult;
use compexp_core::sparse::{Entries, SparseSource};
use rayon::prelude::*;

use super::activation;
use super::bootstrap::{Bootstrap, interval, standard_error};
use crate::{Error, Result};

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

    fn n_groups(&self) -> usize {
        self.groups.iter().max().map_or(0, |last| *last as usize + 1)
    }
}

/// Some of the examples of a source, in their order.
pub struct Part<'a, S: ?Sized> {
    source: &'a S,
    examples: &'a [usize],
    declared: Vec<ConceptId>,
}

impl<'a, S: ?Sized> Part<'a, S> {
    /// The given examples (ascending) of a source.
    pub fn new(source: &'a S, examples: &'a [usize]) -> Self {
        Self { source, examples, declared: Vec::new() }
    }

    /// The same with the concepts of `partition` as columns even where no example of the part has them, so that whatever
    /// was found there means the same here.
    pub fn with_concepts_of(self, partition: &Partition) -> Self {
        let concepts = &partition.columns()[..partition.n_concepts()];
        Self { declared: concepts.iter().map(|atom| atom.concept).collect(), ..self }
    }

    /// Fills `out`, of `stride` values an example, with those from `first` on: `read` gives runs of consecutive examples of the
    /// source.
    fn read_runs<T>(
        &self,
        first: usize,
        stride: usize,
        out: &mut [T],
        mut read: impl FnMut(usize, &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = out;
        let examples = &self.examples[first..first + rest.len() / stride.max(1)];
        for run in examples.chunk_by(|a, b| a + 1 == *b) {
            let (here, behind) = rest.split_at_mut(run.len() * stride);
            read(run[0], here)?;
            rest = behind;
        }
        Ok(())
    }
}

impl AnnotationSource for Part<'_, dyn AnnotationSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        self.source.annotate(self.examples[example], into)
    }

    fn declared(&self) -> Vec<ConceptId> {
        let mut declared = self.source.declared();
        declared.extend(&self.declared);
        declared
    }
}

impl ActivationSource for Part<'_, dyn ActivationSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn read(&self, first: usize, out: &mut [f32]) -> Result<()> {
        let stride = self.n_units() * ActivationSource::grid(self).positions();
        self.read_runs(first, stride, out, |first, out| self.source.read(first, out))
    }
}

impl MaskSource for Part<'_, dyn MaskSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()> {
        let stride = MaskSource::grid(self).positions();
        self.read_runs(first, stride, out, |first, out| self.source.read(unit, first, out))
    }
}

/// Some of the examples of sparse activations.
pub struct SparsePart<'a> {
    source: &'a dyn SparseSource,
    n_examples: usize,
    /// The place of each example of the source in the part; none for those that are not in it.
    places: Vec<Option<u32>>,
}

impl<'a> SparsePart<'a> {
    /// The given examples (ascending) of a source.
    pub fn new(source: &'a dyn SparseSource, examples: &[usize]) -> Self {
        let mut places = vec![None; source.n_examples()];
        for (place, example) in examples.iter().enumerate() {
            if let Some(of_example) = places.get_mut(*example) {
                *of_example = Some(place as u32);
            }
        }
        Self { source, n_examples: examples.len(), places }
    }
}

impl SparseSource for SparsePart<'_> {
    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn blocks(&self) -> Vec<std::ops::Range<usize>> {
        self.source.blocks()
    }

    fn read(&self, block: usize) -> Result<Entries> {
        let all = self.source.read(block)?;
        let positions = self.grid().positions() as u32;
        let mut part = Entries { first_unit: all.first_unit, starts: vec![0], ..Entries::default() };
        for unit in all.units() {
            let (places, values) = all.of(unit);
            for (at, value) in places.iter().zip(values) {
                if let Some(example) = self.places[(at / positions) as usize] {
                    part.positions.push(example * positions + at % positions);
                    part.values.push(*value);
                }
            }
            part.starts.push(part.positions.len());
        }
        Ok(part)
    }
}

/// Some of the examples of a layer.
pub enum FiringPart<'a> {
    /// Of activations.
    Activations(Part<'a, dyn ActivationSource + 'a>),
    /// Of masks.
    Masks(Part<'a, dyn MaskSource + 'a>),
    /// Of sparse activations.
    Sparse(SparsePart<'a>),
}

impl<'a> FiringPart<'a> {
    /// The given examples (ascending) of a layer.
    pub fn new(firing: Firing<'a>, examples: &'a [usize]) -> Self {
        match firing {
            Firing::Activations(source) => Self::Activations(Part::new(source, examples)),
            Firing::Masks(source) => Self::Masks(Part::new(source, examples)),
            Firing::Sparse(source) => Self::Sparse(SparsePart::new(source, examples)),
        }
    }

    /// Where the masks of the part come from.
    pub fn firing(&self) -> Firing<'_> {
        match self {
            Self::Activations(part) => Firing::Activations(part),
            Self::Masks(part) => Firing::Masks(part),
            Self::Sparse(part) => Firing::Sparse(part),
        }
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
            let counted = Counted::new(split, partition, map, &patterns, i, result, counter)?;
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
        _ => vec![None; units.len()],
    };
    explained.explanations.held_out = Some(split.universe());
    for ((unit, measured), activation) in explained.explanations.units.iter_mut().zip(measured).zip(compared) {
        unit.holdout = measured.map(|measured| HeldOut { activation, ..measured });
    }
    Ok(())
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
        result: &SearchResult,
        counter: &mut Counter,
    ) -> Result<Self> {
        let sets: Vec<CellSet> = result.by_length.iter().map(|found| partition.evaluate(&found.formula)).collect();
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

    fn measure(&self, result: &SearchResult, metric: Metric, bootstrap: &Bootstrap) -> HeldOut {
        let n = self.formula.len();
        let counts_of = |of: [&[u64]; 4], i: usize| {
            let [universe, formula, unit, both] = of.map(|values| values[i]);
            Counts { universe, formula, unit, both }
        };
        let total = |values: &[u64]| [values.iter().sum::<u64>()];
        let (universe, unit) = (total(&self.positions), total(&self.unit));
        let shared = [&self.positions[..], &self.unit[..]];
        let columns = shared.into_iter().chain(self.formula.iter().chain(&self.both).map(Vec::as_slice));
        let sums = bootstrap.sums(&columns.collect::<Vec<_>>());
        let exact = |values: &[f64]| -> Vec<u64> { values.iter().map(|v| *v as u64).collect() };
        let sums: Vec<Vec<u64>> = sums.iter().map(|values| exact(values)).collect();
        let resampled = |metric: Metric, k: usize| -> Vec<f64> {
            let of = [&sums[0][..], &sums[2 + k][..], &sums[1][..], &sums[2 + n + k][..]];
            (0..sums[0].len()).map(|r| metric.of(counts_of(of, r))).collect()
        };
        let [ious, mccs] = [Metric::Iou, Metric::Mcc].map(|m| (0..n).map(|k| resampled(m, k)).collect::<Vec<_>>());
        let score = |k: usize| {
            let (formula, both) = (total(&self.formula[k]), total(&self.both[k]));
            let counts = counts_of([&universe, &formula, &unit, &both], 0);
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
            unit_area: unit[0],
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
