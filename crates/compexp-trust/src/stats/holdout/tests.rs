//! Splits, and scores on what was held out.

use crate::random::Purpose;
use compexp_core::concept::{ConceptId, Vocabulary};
use compexp_core::explain::{ExplainConfig, Observed, Silent, explain};
use compexp_core::partition::{MemoryPositions, PartitionBuilder};
use compexp_core::probe::{Annotation, AnnotationSource, Neighbors};
use compexp_core::profile::{Band, from_activations};
use compexp_core::random::Random;
use compexp_core::search::SearchConfig;
use compexp_core::threshold::ThresholdRule;
use ndarray::Array4;
use proptest::prelude::*;

use super::*;

const GRID: Grid = Grid { height: 2, width: 2 };

/// The concepts of positions: `(examples, 4)`.
struct Layer(Vec<u32>);

impl AnnotationSource for Layer {
    fn n_examples(&self) -> usize {
        self.0.len() / 4
    }
    fn grid(&self) -> Grid {
        GRID
    }
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        into.layers.extend(&self.0[example * 4..][..4]);
        Ok(())
    }
}

fn divide(source: &dyn AnnotationSource) -> (Partition, PositionMap) {
    let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
    builder.add_all(source, &|_| ()).unwrap();
    let neighbors = Neighbors::from([(ConceptId(1), vec![ConceptId(4)])]);
    builder.finish(&neighbors).unwrap()
}

fn examples(groups: &[&str]) -> Vec<Example> {
    let example = |(i, group): (usize, &&str)| Example {
        name: format!("{i}.jpg"),
        group: (*group).to_owned(),
        ..Example::default()
    };
    groups.iter().enumerate().map(example).collect()
}

#[test]
fn sides_follow_from_names_and_not_from_the_order_or_the_other_examples() {
    let groups: Vec<String> = (0..200).map(|i| if i < 120 { format!("p{}", i / 3) } else { String::new() }).collect();
    let all = examples(&groups.iter().map(String::as_str).collect::<Vec<_>>());
    let held_out = |examples: &[Example]| -> Vec<String> {
        let split = Split::new(examples, 0.3, 5).unwrap();
        assert_eq!(split.search.len() + split.held_out.len(), examples.len());
        assert!(split.held_out.is_sorted() && split.search.is_sorted());
        let mut names: Vec<String> = split.held_out.iter().map(|i| examples[*i].name.clone()).collect();
        names.sort();
        names
    };
    let expected = held_out(&all);
    let mut reversed = all.clone();
    reversed.reverse();
    assert_eq!(held_out(&reversed), expected);
    let some: Vec<Example> = all.iter().filter(|e| !e.name.starts_with('1')).cloned().collect();
    assert_eq!(held_out(&some), expected.iter().filter(|n| !n.starts_with('1')).cloned().collect::<Vec<_>>());
    assert!((40..=80).contains(&expected.len()), "{}", expected.len());
    let split = Split::new(&all, 0.3, 5).unwrap();
    for group in groups.iter().filter(|g| !g.is_empty()) {
        let members = (0..200).filter(|i| groups[*i] == *group);
        let out = members.clone().filter(|i| split.held_out.contains(i)).count();
        assert!(out == 0 || out == members.count(), "{group} is divided");
    }
    assert_ne!(Split::new(&all, 0.3, 6).unwrap(), split);
}

#[test]
fn an_empty_side_and_fractions_outside_the_unit_interval_are_refused() {
    let one_group = examples(&["a"; 5]);
    let errors: Vec<String> =
        [0.001, 0.999].iter().map(|f| Split::new(&one_group, *f, 0).unwrap_err().to_string()).collect();
    assert!(
        errors[0].starts_with("examples held out: found 0, expected at least one of 5: try a greater"),
        "{errors:?}"
    );
    assert!(errors[1].starts_with("examples for the search: found 0, expected at least one of 5: try a"), "{errors:?}");
    for fraction in [0.0, 1.0, -0.5, f64::NAN, 2.0] {
        let e = Split::new(&examples(&["", ""]), fraction, 0).unwrap_err().to_string();
        assert!(e.starts_with("fraction to hold out"), "{e}");
    }
}

#[test]
fn the_suggested_length_is_where_the_gain_ends() {
    let steady = |at: f64| -> Vec<f64> { (0..100).map(|i| at + 0.01 * f64::from(i % 2)).collect() };
    let noisy: Vec<f64> = (0..100).map(|i| 0.3 + 0.2 * f64::from(i / 50)).collect();
    assert_eq!(suggest(&[0.1, 0.3, 0.3], &[steady(0.1), steady(0.3), steady(0.3)]), 2);
    assert_eq!(
        suggest(&[0.1, 0.3, 0.4], &[steady(0.1), steady(0.3), noisy.clone()]),
        2,
        "within the error of the third"
    );
    assert_eq!(suggest(&[0.1, 0.2, 0.4], &[steady(0.1), steady(0.2), steady(0.4)]), 3);
    assert_eq!(suggest(&[0.4, 0.2, 0.1], &[steady(0.4), steady(0.2), steady(0.1)]), 1);
    assert_eq!(suggest(&[0.0], &[vec![0.0; 10]]), 1);
}

fn config() -> ExplainConfig {
    let search = SearchConfig { length: 3, beam: 4, ..SearchConfig::default() };
    ExplainConfig::new(ThresholdRule::Positive, search)
}

proptest! {
    #[test]
    fn both_sides_add_up_to_the_whole(
        concepts in proptest::collection::vec(0u32..5, 4 * 24..4 * 30), hits in proptest::collection::vec(any::<bool>(), 2 * 4 * 30),
        fraction in 0.2f64..0.8, seed in any::<u64>(),
    ) {
        let n = concepts.len() / 4;
        let layer = Layer(concepts[..n * 4].iter().map(|c| if *c == 0 { Annotation::NONE } else { *c }).collect());
        let maps = Array4::from_shape_vec((n, 2, 2, 2), hits[..n * 8].iter().map(|h| f32::from(u8::from(*h))).collect()).unwrap();
        let view = maps.view();
        let groups: Vec<String> = (0..n).map(|i| format!("g{}", i / 2)).collect();
        let examples = examples(&groups.iter().map(String::as_str).collect::<Vec<_>>());
        let Ok(split) = Split::new(&examples, fraction, seed) else { return Ok(()) };

        let (whole, whole_map) = divide(&layer);
        let all = from_activations(&view, &Band::of_units(&[0, 1], &[0.0; 2]), &whole_map, whole.n_cells(), 0, &|_| ()).unwrap();
        let annotations: &dyn AnnotationSource = &layer;
        let (p, map) = divide(&Part::new(annotations, &split.search));
        let seen = FiringPart::new(Firing::Activations(&view), &split.search);
        let names = Vocabulary::default();
        let observed = Observed { partition: &p, map: &map, vocabulary: &names, firing: seen.firing(), similarity: None };
        let mut explained = explain(observed, &[0, 1], &config(), &Silent).unwrap();
        let (q, held_map) = divide(&Part::new(annotations, &split.held_out).with_concepts_of(&p));
        let held = FiringPart::new(Firing::Activations(&view), &split.held_out);
        validate(&split, &q, &held_map, held.firing(), &mut explained, Metric::Iou, 1, &Silent).unwrap();

        prop_assert_eq!(explained.explanations.held_out, Some(split.universe()));
        prop_assert_eq!(p.n_examples() + split.universe().examples, n);
        for ((unit, result), all) in explained.explanations.units.iter().zip(&explained.results).zip(&all) {
            let Some(held_out) = &unit.holdout else {
                prop_assert!(result.by_length.is_empty());
                continue;
            };
            prop_assert_eq!(unit.unit_area + held_out.unit_area, all.area());
            prop_assert_eq!(held_out.by_length.len(), result.by_length.len());
            for (found, out) in result.by_length.iter().zip(&held_out.by_length) {
                // Counted on the whole, less what the search saw.
                let set = whole.evaluate(&found.formula);
                let (area, both) = (whole.area_of(&set) - found.counts.formula, all.hits_in(&set) - found.counts.both);
                let union = area + held_out.unit_area - both;
                let iou = if both == 0 { 0.0 } else { both as f64 / union as f64 };
                prop_assert_eq!(out.iou, iou);
                prop_assert_eq!(out.drop, found.iou - iou);
                // The correlation of 0s and 1s, written down.
                let mcc = out.mcc.unwrap();
                let n = (whole.n_positions() - p.n_positions()) as f64;
                let (f, u) = (area as f64 / n, held_out.unit_area as f64 / n);
                let variance = f * (1.0 - f) * u * (1.0 - u);
                let expected = if variance < 1e-12 { 0.0 } else { (both as f64 / n - f * u) / variance.sqrt() };
                prop_assert!((mcc.value - expected).abs() < 1e-9, "{:?} and {}", mcc, expected);
                prop_assert!((mcc.drop - (found.counts.mcc().unwrap_or(0.0) - expected)).abs() < 1e-9);
                prop_assert!(mcc.interval[0] <= mcc.interval[1]);
                let [low, high] = out.interval;
                prop_assert!(0.0 <= low && low <= high && high <= 1.0);
            }
            prop_assert_eq!(held_out.iou, held_out.by_length[held_out.by_length.len() - 1].iou);
            prop_assert!((1..=3).contains(&held_out.suggested_length));
        }
    }

    #[test]
    fn intervals_are_those_of_groups_written_down_one_by_one(
        counts in proptest::collection::vec((0u64..20, 0u64..20, 0u64..20), 2..12), seed in any::<u64>(),
    ) {
        // Only the unit's, only the formula's, both.
        let counted = Counted {
            positions: counts.iter().map(|(u, f, b)| u + f + b + 7).collect(),
            unit: counts.iter().map(|(u, _, b)| u + b).collect(),
            formula: vec![counts.iter().map(|(_, f, b)| f + b).collect()],
            both: vec![counts.iter().map(|(_, _, b)| *b).collect()],
        };
        let found = compexp_core::search::Found {
            formula: Formula::concept(ConceptId(1)), counts: Default::default(), iou: 0.7, score: 0.7,
        };
        let result = SearchResult { status: compexp_core::search::Status::Explained, by_length: vec![found], beams: vec![], optimal: vec![] };
        let measured = counted.measure(&result, Metric::Iou, &Bootstrap::new(counts.len(), seed));
        let mut naive: Vec<f64> = (0..1000).map(|resample| {
            let mut random = Random::new(seed, Purpose::Bootstrap, resample);
            let (mut union, mut both) = (0, 0);
            for _ in 0..counts.len() {
                let (u, f, b) = counts[random.below(counts.len())];
                union += u + f + b;
                both += b;
            }
            if both == 0 { 0.0 } else { both as f64 / union as f64 }
        }).collect();
        let mean = naive.iter().sum::<f64>() / 1000.0;
        let error = (naive.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 999.0).sqrt();
        prop_assert!((measured.by_length[0].standard_error - error).abs() < 1e-12);
        naive.sort_by(f64::total_cmp);
        // Index 999 * 0.025 = 24.975, and 974.025 on the other side.
        let low = naive[24] + 0.975 * (naive[25] - naive[24]);
        let high = naive[974] + 0.025 * (naive[975] - naive[974]);
        prop_assert!((measured.interval[0] - low).abs() < 1e-12 && (measured.interval[1] - high).abs() < 1e-12);
    }
}

#[test]
fn shares_never_change_and_are_spread_over_the_unit_interval() {
    let shares =
        [share_of(0, "test", "a"), share_of(1, "test", "a"), share_of(0, "other", "a"), share_of(0, "test", "")];
    assert_eq!(shares, [0.23609233235659577, 0.6521713472530125, 0.8587159233819323, 0.28197463592467764]);
    let mut counts = [0_i32; 10];
    for i in 0..10_000 {
        counts[(10.0 * share_of(0, "test", &i.to_string())) as usize] += 1;
    }
    let chi: f64 = counts.iter().map(|n| f64::from(n - 1000).powi(2) / 1000.0).sum();
    // 9 degrees of freedom: 99.9% are below 27.9.
    assert!(chi < 27.9, "{counts:?}");
}
