//! From a probe set and a layer's activations to explanations, in one call.

use serde::{Deserialize, Serialize};

use crate::concept::Vocabulary;
use crate::error::{Error, Result};
use crate::exemplar::{Exemplars, Firing, draw};
use crate::explanation::{Explanation, Explanations, Universe, VERSION};
use crate::formula::Formula;
use crate::partition::{Partition, PositionMap};
use crate::profile::{Band, Profile, from_activations, from_masks, from_sparse};
use crate::ranges::{Range, RangeConfig, ranges};
use crate::relation::{Extent, Relation, Similarity, relate};
use crate::search::ceiling::{Ceilings, ceilings};
use crate::search::{SearchConfig, SearchResult, search_all, without_vacuous};
use crate::sparse;
use crate::threshold::{ThresholdRule, thresholds};

/// How to explain a layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainConfig {
    /// The rule for the thresholds above which units fire; not used if masks are given.
    pub threshold: ThresholdRule,
    /// The ranges of activation that are explained beside the whole; none if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<RangeConfig>,
    /// How to search.
    pub search: SearchConfig,
    /// Whether the formulas kept at each length are recorded.
    pub keep_beams: bool,
    /// The greatest number of exemplars of a unit for each reason ([`crate::exemplar::Choice`]).
    pub exemplars: usize,
    /// Whether concepts are explained by formulas over the units too, and how ([`crate::swap`]); [`explain`] does not do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<SwapConfig>,
}

impl ExplainConfig {
    /// Thresholds and the search, and nothing beside: no ranges, beams, exemplars or concepts by units.
    pub fn new(threshold: ThresholdRule, search: SearchConfig) -> Self {
        Self { threshold, ranges: None, search, keep_beams: false, exemplars: 0, swap: None }
    }
}

/// How concepts are explained by formulas over the units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapConfig {
    /// The greatest number of units that formulas may name; none for all that are explained.
    pub candidates: Option<usize>,
}

/// A layer that was observed on a probe set.
#[derive(Clone, Copy)]
pub struct Observed<'a> {
    /// The probe set, divided into cells.
    pub partition: &'a Partition,
    /// The cell of every position.
    pub map: &'a PositionMap,
    /// The names of the concepts.
    pub vocabulary: &'a Vocabulary,
    /// Where the layer's units fire, or what decides it.
    pub firing: Firing<'a>,
    /// Compares concepts by their word vectors; none if there are none.
    pub similarity: Option<Similarity<'a>>,
}

/// Receives the progress of long work.
pub trait Progress: Sync {
    /// A stage begins: its name, what it counts, and the greatest number of these.
    fn stage(&self, name: &str, counted: &str, total: usize);
    /// `n` of what the stage counts are done.
    fn done(&self, n: usize);
    /// The current stage is over.
    fn end(&self) {}
    /// A line of text for the user, between stages.
    fn say(&self, text: &str) {
        let _ = text;
    }
}

/// Reports no progress.
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: &str, _: &str, _: usize) {}
    fn done(&self, _: usize) {}
}

/// The results of explaining a layer.
pub struct Explained {
    /// The record.
    pub explanations: Explanations,
    /// The threshold of every unit of the layer; empty if masks were given.
    pub thresholds: Vec<f64>,
    /// The search result of every selected unit.
    pub results: Vec<SearchResult>,
    /// What was searched for every entry of `ranges` in the explanations: where it fires, and the result.
    pub range_bands: Vec<Band>,
    /// The results of these searches.
    pub range_results: Vec<SearchResult>,
    /// Where every selected unit is active and most so; with its cells and hits if [`ExplainConfig::swap`] needs them.
    pub profiles: Vec<Profile>,
    /// The concepts of the probe set.
    pub concepts: Vec<Extent>,
    /// The relations of concepts that are in one formula.
    pub relations: Vec<Relation>,
    /// The examples that a report shows.
    pub exemplars: Exemplars,
    /// The best IoU that any function of the concepts reaches: of all concepts, then of all but those of each category.
    pub ceilings: Vec<Ceilings>,
}

/// Explains `units` (ascending) of a layer. The `config` of the explanations is null: what a run was made from is known to
/// the caller.
///
/// # Errors
/// [`Error::Mismatch`] if a setting is out of its range, if `units` is empty, or if the inputs do not belong together;
/// [`Error::NotFinite`] if an activation is NaN or infinite; [`Error::Source`] if a source cannot be read;
/// [`Error::BeyondProof`] if an exact search contradicts itself, which is a fault of this crate.
pub fn explain(
    layer: Observed<'_>,
    units: &[usize],
    config: &ExplainConfig,
    progress: &dyn Progress,
) -> Result<Explained> {
    let Observed { partition, map, vocabulary, firing, similarity } = layer;
    config.search.check()?;
    if units.is_empty() {
        return Err(Error::mismatch("units to explain", 0, "at least one"));
    }
    if let Some(unit) = units.iter().find(|unit| **unit >= firing.n_units()) {
        return Err(Error::mismatch("unit", unit, format!("0 to {}", firing.n_units().saturating_sub(1))));
    }
    let n = firing.n_examples();
    let mut cuts = Vec::new();
    let mut all = Searched::default();
    let mut add = |profiles| all.add(partition, vocabulary, profiles, config, progress);
    match firing {
        Firing::Activations(source) => {
            progress.stage("thresholds", "examples", n);
            cuts = thresholds(source, config.threshold, &|n| progress.done(n))?;
            progress.stage("profiles", "examples", n);
            let bands = Band::of_units(units, &cuts);
            let (cells, peaks) = (partition.n_cells(), config.exemplars);
            add(from_activations(source, &bands, map, cells, peaks, &|n| progress.done(n))?)?;
        }
        Firing::Sparse(source) => {
            progress.stage("thresholds", "units", source.n_units());
            cuts = sparse::thresholds(source, config.threshold, &|n| progress.done(n))?;
            for units in units.chunks(AT_ONCE) {
                progress.stage("profiles", "units", source.n_units());
                let (bands, cells, peaks) = (Band::of_units(units, &cuts), partition.n_cells(), config.exemplars);
                add(from_sparse(source, &bands, map, cells, peaks, &|n| progress.done(n))?)?;
            }
        }
        Firing::Masks(source) => {
            progress.stage("profiles", "units", units.len());
            let (cells, peaks) = (partition.n_cells(), config.exemplars);
            add(from_masks(source, units, map, cells, peaks, &|n| progress.done(n))?)?;
        }
    }
    let Searched { profiles, areas, results, vacuous, ceilings } = all;
    let positions = partition.n_positions();
    let explanation = |(i, unit): (usize, &usize)| {
        let (threshold, area) = (cuts.get(*unit).copied(), areas[i]);
        Explanation {
            vacuous: vacuous[i].iter().map(|literal| literal.display(vocabulary).to_string()).collect(),
            ceiling: ceilings.first().map(|all| all.ceilings[i]).filter(|_| area > 0),
            ..Explanation::new(*unit, area, positions, threshold, &results[i], config.keep_beams, vocabulary)
        }
    };
    let searched = search_ranges(layer, units, config, progress)?;
    let explanations = Explanations {
        version: VERSION,
        config: serde_json::Value::Null,
        universe: Universe::of(partition),
        held_out: None,
        units: units.iter().enumerate().map(explanation).collect(),
        ranges: searched.records,
        concepts: None,
    };
    let formulas: Vec<_> = results.iter().map(|r| r.best().map(|b| &b.formula)).collect();
    let (concepts, relations) = relate(partition, map, vocabulary, &formulas, similarity);
    progress.stage("exemplars", "examples", n);
    let exemplars =
        draw(partition, map, firing, &cuts, units, &profiles, &formulas, config.exemplars, &|n| progress.done(n))?;
    Ok(Explained {
        explanations,
        thresholds: cuts,
        results,
        range_bands: searched.bands,
        range_results: searched.results,
        profiles,
        concepts,
        relations,
        exemplars,
        ceilings,
    })
}

/// Units of sparse activations that are profiled and searched at once.
const AT_ONCE: usize = 4096;

/// Units that were searched.
#[derive(Default)]
struct Searched {
    profiles: Vec<Profile>,
    areas: Vec<u64>,
    results: Vec<SearchResult>,
    vacuous: Vec<Vec<Formula>>,
    ceilings: Vec<Ceilings>,
}

impl Searched {
    /// Searches more units. What later stages do not need of their profiles goes, so that memory does not grow with them.
    fn add(
        &mut self,
        partition: &Partition,
        vocabulary: &Vocabulary,
        mut profiles: Vec<Profile>,
        config: &ExplainConfig,
        progress: &dyn Progress,
    ) -> Result<()> {
        progress.stage("search", "units", profiles.len());
        let found = search_all(partition, &profiles, &config.search, &|n| progress.done(n))?;
        let found = found.into_iter().map(|result| without_vacuous(partition, &config.search, result));
        let (results, vacuous): (Vec<SearchResult>, Vec<_>) = found.unzip();
        self.results.extend(results);
        self.vacuous.extend(vacuous);
        let more = ceilings(partition, &profiles, vocabulary);
        match self.ceilings.is_empty() {
            true => self.ceilings = more,
            false => self.ceilings.iter_mut().zip(more).for_each(|(all, more)| all.ceilings.extend(more.ceilings)),
        }
        self.areas.extend(profiles.iter().map(Profile::area));
        if config.swap.is_none() {
            profiles.iter_mut().for_each(|profile| (profile.cells, profile.hits) = (Vec::new(), Vec::new()));
        }
        self.profiles.extend(profiles);
        Ok(())
    }
}

/// Ranges of activation that were searched: one entry for each unit and range, unit after unit.
#[derive(Default)]
struct Ranges {
    bands: Vec<Band>,
    results: Vec<SearchResult>,
    records: Vec<Explanation>,
}

/// Searches the ranges of `units` that the configuration asks for.
fn search_ranges(
    layer: Observed<'_>,
    units: &[usize],
    config: &ExplainConfig,
    progress: &dyn Progress,
) -> Result<Ranges> {
    let Observed { partition, map, vocabulary, firing, .. } = layer;
    let Some(asked) = config.ranges else { return Ok(Ranges::default()) };
    let n = firing.n_examples();
    let found = match firing {
        Firing::Activations(source) => {
            progress.stage("ranges", "examples", n);
            ranges(source, units, asked, &|n| progress.done(n))?
        }
        Firing::Sparse(source) => {
            progress.stage("ranges", "units", source.n_units());
            sparse::ranges(source, units, asked, &|n| progress.done(n))?
        }
        Firing::Masks(_) => {
            return Err(Error::mismatch("activation ranges", "masks", "activations: a mask has no values to divide"));
        }
    };
    let each: Vec<(usize, Range)> =
        units.iter().zip(&found).flat_map(|(unit, ranges)| ranges.iter().map(|range| (*unit, *range))).collect();
    let bands: Vec<Band> = each.iter().map(|(unit, range)| Band::of_range(*unit, range)).collect();
    let (n_cells, tell) = (partition.n_cells(), |n: usize| progress.done(n));
    let profiles = match firing {
        Firing::Sparse(source) => {
            progress.stage("profiles of ranges", "units", source.n_units());
            from_sparse(source, &bands, map, n_cells, 0, &tell)?
        }
        Firing::Activations(source) => {
            progress.stage("profiles of ranges", "examples", n);
            from_activations(source, &bands, map, n_cells, 0, &tell)?
        }
        Firing::Masks(_) => Vec::new(),
    };
    progress.stage("search of ranges", "ranges", bands.len());
    let found = search_all(partition, &profiles, &config.search, &|n| progress.done(n))?;
    let found = found.into_iter().map(|result| without_vacuous(partition, &config.search, result));
    let (results, vacuous): (Vec<SearchResult>, Vec<_>) = found.unzip();
    let record = |(i, (unit, range)): (usize, &(usize, Range))| Explanation {
        range: Some(*range),
        vacuous: vacuous[i].iter().map(|literal| literal.display(vocabulary).to_string()).collect(),
        ..Explanation::new(
            *unit,
            profiles[i].area(),
            partition.n_positions(),
            None,
            &results[i],
            config.keep_beams,
            vocabulary,
        )
    };
    let records = each.iter().enumerate().map(record).collect();
    Ok(Ranges { bands, results, records })
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid, Neighbors};
    use crate::sparse::{Entries, SparseSource};

    const N: usize = 14;

    /// Examples with concept `c` where the number of the example is a multiple of `c`, for 2, 3 and 5.
    struct Numbers;

    impl AnnotationSource for Numbers {
        fn n_examples(&self) -> usize {
            N
        }
        fn grid(&self) -> Grid {
            Grid::SINGLE
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
            into.scalars.extend([2, 3, 5].into_iter().filter(|c| example.is_multiple_of(*c as usize)));
            Ok(())
        }
    }

    struct Sparse<'a>(&'a Array4<f32>);

    impl SparseSource for Sparse<'_> {
        fn n_examples(&self) -> usize {
            N
        }
        fn n_units(&self) -> usize {
            self.0.dim().1
        }
        fn grid(&self) -> Grid {
            Grid::SINGLE
        }
        fn blocks(&self) -> Vec<std::ops::Range<usize>> {
            (0..self.n_units()).step_by(999).map(|first| first..(first + 999).min(self.n_units())).collect()
        }
        fn read(&self, block: usize) -> Result<Entries> {
            let span = self.blocks()[block].clone();
            let at = |(example, unit, ..): (usize, usize, usize, usize)| (unit as u32, example as u32);
            let entries = self.0.indexed_iter().filter(|((_, unit, ..), value)| span.contains(unit) && **value != 0.0);
            Ok(Entries::new(span.clone(), entries.map(|(index, value)| (at(index).0, at(index).1, *value)).collect()))
        }
    }

    #[test]
    fn more_units_than_are_searched_at_once_are_explained_as_densely() {
        let n_units = AT_ONCE + 321;
        let value = |(example, unit, ..): (usize, usize, usize, usize)| {
            let mixed = ((example * 7919 + unit * 104_729) as u32).wrapping_mul(2_654_435_761) >> 20;
            if mixed.is_multiple_of(3) { mixed as f32 } else { 0.0 }
        };
        let values = Array4::from_shape_fn((N, n_units, 1, 1), value);
        let mut builder = PartitionBuilder::new(Grid::SINGLE, Box::new(MemoryPositions::new(Grid::SINGLE)));
        builder.add_all(&Numbers, &|_| ()).unwrap();
        let (partition, map) = builder.finish(&Neighbors::new()).unwrap();
        let names = Vocabulary::default();
        let units: Vec<usize> = (0..n_units).filter(|unit| unit % 11 != 3).collect();
        let threshold = ThresholdRule::Positive;
        let search = SearchConfig { length: 2, ..SearchConfig::default() };
        let config = ExplainConfig { exemplars: 2, ..ExplainConfig::new(threshold, search) };
        let (view, sparse) = (values.view(), Sparse(&values));
        let [dense, sparse] = [Firing::Activations(&view), Firing::Sparse(&sparse)].map(|firing| {
            let layer = Observed { partition: &partition, map: &map, vocabulary: &names, firing, similarity: None };
            explain(layer, &units, &config, &Silent).unwrap()
        });
        assert_eq!(dense.explanations, sparse.explanations);
        assert_eq!(dense.ceilings, sparse.ceilings);
        assert_eq!(dense.profiles, sparse.profiles);
        assert_eq!(dense.exemplars.list, sparse.exemplars.list);
        assert!(dense.explanations.units.iter().filter(|unit| unit.formula.is_some()).count() > AT_ONCE / 2);
    }
}
