//! The engine against the oracle, and against the reference's own results.

use std::collections::BTreeMap;

use compexp_core::Result;
use compexp_core::concept::{ConceptId, Vocabulary};
use compexp_core::partition::{MemoryPositions, Partition, PartitionBuilder, PositionMap};
use compexp_core::probe::{Annotation, AnnotationSource, Grid, Variant};
use compexp_core::profile::Profile;
use compexp_core::score;
use compexp_core::search::{self, Mode, SearchConfig, SearchResult};

use crate::golden_search;
use crate::oracle::{self, Found, Metric, Problem, Settings, brute_force, random_problem};

/// The concepts of a problem as a probe set: some of them as layers, and where a concept covers a whole example as scalars
/// too, so that both ways of annotating come together.
struct Annotated<'a> {
    problem: &'a Problem,
    examples: usize,
    variant: Variant,
}

impl AnnotationSource for Annotated<'_> {
    fn n_examples(&self) -> usize {
        self.examples
    }

    fn grid(&self) -> Grid {
        Grid { height: 1, width: self.problem.unit.len() / self.examples }
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let positions = self.grid().positions();
        for (id, mask) in &self.problem.concepts {
            let mask = &mask[example * positions..][..positions];
            let whole = mask.iter().all(|on| *on);
            if whole {
                into.scalars.push(*id);
            }
            if !whole || id % 2 == 0 {
                into.layers.extend(mask.iter().map(|on| if *on { *id } else { Annotation::NONE }));
            }
        }
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        match self.variant {
            Variant::Vision => Vec::new(),
            Variant::Nli => self.problem.concepts.iter().map(|(id, _)| ConceptId(*id)).collect(),
        }
    }
}

pub(crate) fn partition(problem: &Problem, examples: usize, variant: Variant) -> (Partition, PositionMap) {
    let source = Annotated { problem, examples, variant };
    let mut builder = PartitionBuilder::new(source.grid(), Box::new(MemoryPositions::new(source.grid())));
    builder.add_all(&source, &|_| ()).unwrap();
    let ids = |ids: &Vec<u32>| ids.iter().map(|id| ConceptId(*id)).collect();
    let neighbors = problem.neighbors.iter().map(|(id, others)| (ConceptId(*id), ids(others))).collect();
    builder.finish(&neighbors).unwrap()
}

/// A profile counted position by position.
pub(crate) fn profile(partition: &Partition, map: &PositionMap, unit: &[bool]) -> Profile {
    let positions = map.grid().positions();
    let mut counts = BTreeMap::new();
    let mut ids = vec![0; positions];
    for example in 0..partition.n_examples() {
        map.read_local(example, &mut ids).unwrap();
        for (id, _) in ids.iter().zip(&unit[example * positions..]).filter(|(_, on)| **on) {
            *counts.entry(map.cells_of(example)[*id as usize]).or_insert(0) += 1;
        }
    }
    Profile { cells: counts.keys().copied().collect(), hits: counts.values().copied().collect(), ..Profile::default() }
}

pub(crate) fn config(settings: &Settings, mode: Mode, variant: Variant) -> SearchConfig {
    SearchConfig {
        length: settings.length,
        beam: settings.beam,
        mode,
        variant,
        metric: match settings.metric {
            Metric::Iou => score::Metric::Iou,
            Metric::Precision => score::Metric::Precision,
            Metric::Recall => score::Metric::Recall,
            Metric::F1 => score::Metric::F1,
            Metric::Mcc => score::Metric::Mcc,
        },
        penalty: settings.penalty,
        beam_limit: settings.beam_limit,
        min_activations: settings.min_activations as u64,
        exact: search::ExactConfig::default(),
    }
}

/// Beams with scores as bits, so that they are compared exactly.
fn bits(beams: &[Vec<(String, f64)>]) -> Vec<Vec<(String, u64)>> {
    beams.iter().map(|b| b.iter().map(|(f, s)| (f.clone(), s.to_bits())).collect()).collect()
}

fn texts(result: &SearchResult) -> Vec<Vec<(String, f64)>> {
    let names = Vocabulary::default();
    result.beams.iter().map(|b| b.iter().map(|(f, s)| (f.display(&names).to_string(), *s)).collect()).collect()
}

fn check(name: &str, found: &SearchResult, expected: &Found) {
    let same = matches!(
        (found.status, expected.status),
        (search::Status::Explained, oracle::Status::Explained)
            | (search::Status::Silent, oracle::Status::Silent)
            | (search::Status::NoOverlap, oracle::Status::NoOverlap)
            | (search::Status::Uncorrelated, oracle::Status::Uncorrelated)
            | (search::Status::TooFew, oracle::Status::TooFew)
    );
    assert!(same, "{name}: found {:?}, expected {:?}", found.status, expected.status);
    let Some(best) = found.best() else { return };
    assert_eq!(bits(&texts(found)), bits(&expected.beams), "{name}: beams");
    let counts = (best.counts.formula, best.counts.unit, best.counts.both);
    assert_eq!(counts, (expected.formula_area, expected.unit_area, expected.intersection), "{name}: counts");
    assert_eq!(best.score.to_bits(), expected.score.to_bits(), "{name}: score");
    let lengths: Vec<f64> = found.by_length.iter().map(|f| f.score).collect();
    assert_eq!(lengths, expected.by_length.iter().map(|(s, _)| *s).collect::<Vec<_>>(), "{name}: by length");
}

#[test]
fn engine_repeats_the_reference_to_the_bit() {
    let space = golden_search::space();
    let unit_masks = golden_search::units();
    let positions = unit_masks[0].len();
    let concepts =
        space.concepts.iter().map(|c| (c.id, (0..positions).map(|p| c.mask.contains(p)).collect())).collect();
    let problem = Problem { concepts, unit: unit_masks[0].clone(), neighbors: BTreeMap::new() };
    let (partition, map) = partition(&problem, 100, Variant::Vision);
    let settings = Settings { length: 3, beam: 5, ..Settings::default() };
    for (i, unit) in unit_masks.iter().enumerate() {
        let profile = profile(&partition, &map, unit);
        let found = search::search(&partition, &profile, &config(&settings, Mode::Compat, Variant::Vision)).unwrap();
        let expected = space.vision_compat(&oracle::Unit::from_bools(unit), &settings);
        check(&format!("unit {i}, compat"), &found, &expected);
        let found = search::search(&partition, &profile, &config(&settings, Mode::Beam, Variant::Vision)).unwrap();
        let (compat, best) = (expected.score, found.best().unwrap());
        assert!(best.score >= compat - 1e-12, "unit {i}: distinct masks find no less: {} and {compat}", best.score);
    }
}

#[test]
fn engine_agrees_with_the_oracle_on_generated_problems() {
    let metrics = [Metric::Iou, Metric::Mcc, Metric::F1, Metric::Precision, Metric::Recall];
    for seed in 0..1200u64 {
        let examples = [1, 2, 4][seed as usize % 3];
        let n_positions = examples * [10, 23, 50][seed as usize / 3 % 3];
        let problem = random_problem(seed, 4 + seed as usize % 9, n_positions, seed % 2 == 1);
        let settings = Settings {
            length: 1 + seed as usize % 5,
            beam: [1, 3, 10][seed as usize / 5 % 3],
            penalty: [1.0, 1.0, 0.95, 0.5][seed as usize / 7 % 4],
            beam_limit: [None, None, Some(3), Some(100)][seed as usize / 11 % 4],
            min_activations: [0, 0, 0, 8][seed as usize / 13 % 4],
            metric: metrics[seed as usize / 17 % 5],
        };
        for (variant, mode, oracle) in [
            (Variant::Vision, Mode::Compat, oracle::vision_compat as fn(&Problem, &Settings) -> Found),
            (Variant::Nli, Mode::Compat, oracle::nli_compat),
            (Variant::Vision, Mode::Beam, oracle::default_beam),
            (Variant::Nli, Mode::Beam, oracle::default_beam),
        ] {
            if variant == Variant::Vision && mode == Mode::Beam && !problem.neighbors.is_empty() {
                // Neighbours come with features, which are declared: NEIGHBORS of a concept that never occurs is theirs alone.
                continue;
            }
            if mode == Mode::Compat && settings.metric == Metric::Mcc {
                continue;
            }
            let (partition, map) = partition(&problem, examples, variant);
            let profile = profile(&partition, &map, &problem.unit);
            let found = search::search(&partition, &profile, &config(&settings, mode, variant)).unwrap();
            check(&format!("seed {seed}, {variant:?} {mode:?} {settings:?}"), &found, &oracle(&problem, &settings));
        }
    }
}

#[test]
fn no_beam_exceeds_brute_force() {
    let mut met = 0;
    for seed in 0..60u64 {
        let problem = random_problem(seed, 5, 30, false);
        let (partition, map) = partition(&problem, 1, Variant::Vision);
        let profile = profile(&partition, &map, &problem.unit);
        let settings = Settings { length: 3, beam: 100, ..Settings::default() };
        let found = search::search(&partition, &profile, &config(&settings, Mode::Beam, Variant::Vision)).unwrap();
        let best = brute_force(&problem, 3, Metric::Iou);
        let (Some(found), Some(best)) = (found.best(), best) else { continue };
        let (n, d) = best.fraction;
        let [both, union] = [found.counts.both, found.counts.union()].map(i128::from);
        assert!(both * d <= n * union, "seed {seed}: {found:?} and {}", best.formula);
        met += usize::from(both * d == n * union);
    }
    assert!(met > 30, "a wide beam finds the optimum of most small problems: {met} of 60");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let problem = random_problem(3, 12, 200, true);
    let (partition, map) = partition(&problem, 4, Variant::Nli);
    let profiles: Vec<Profile> = (0..16)
        .map(|shift| {
            let unit: Vec<bool> = (0..200).map(|p| problem.unit[(p + shift) % 200]).collect();
            profile(&partition, &map, &unit)
        })
        .collect();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| search::search_all(&partition, &profiles, &SearchConfig::default(), &|_| ())).unwrap()
    };
    assert_eq!(on(1), on(3));
}
