//! Laws of the null distribution, on generated units.

use compexp_core::concept::Vocabulary;
use compexp_core::explain::{ExplainConfig, Observed, Silent, explain};
use compexp_core::partition::{MemoryPositions, PartitionBuilder};
use compexp_core::probe::{Annotation, AnnotationSource, Grid};
use compexp_core::threshold::ThresholdRule;
use ndarray::Array4;
use proptest::prelude::*;

use super::*;

/// Examples of 2 x 3 positions with 8 concepts.
const GRID: Grid = Grid { height: 2, width: 3 };

/// The annotations of examples, layer by layer: `(examples, 3 * 6)`.
struct Layers(Vec<Vec<u32>>);

impl AnnotationSource for Layers {
    fn n_examples(&self) -> usize {
        self.0.len()
    }
    fn grid(&self) -> Grid {
        GRID
    }
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        into.layers.extend(&self.0[example]);
        Ok(())
    }
}

fn layers(n: usize, seed: u64) -> Layers {
    let mut random = Random::new(seed, 1_u64, 0);
    let entry = |random: &mut Random| if random.below(2) == 0 { Annotation::NONE } else { 1 + random.below(8) as u32 };
    Layers((0..n).map(|_| (0..18).map(|_| entry(&mut random)).collect()).collect())
}

/// Activations of 1 where a unit fires, else 0: `(examples, units, 2, 3)`. Units fire on a third of the examples, in
/// random shapes; those below `planted` fire on concept 1 wherever it is.
fn activations(layers: &Layers, units: usize, planted: usize, seed: u64) -> Array4<f32> {
    let mut random = Random::new(seed, 2_u64, 0);
    let fires: Vec<bool> = (0..layers.0.len() * units).map(|_| random.below(3) == 0).collect();
    Array4::from_shape_fn((layers.0.len(), units, 2, 3), |(e, u, y, x)| {
        let hit = if u < planted {
            (0..3).any(|layer| layers.0[e][layer * 6 + y * 3 + x] == 1)
        } else {
            fires[e * units + u] && random.below(3) > 0
        };
        f32::from(u8::from(hit))
    })
}

fn examples(groups: &[usize]) -> Vec<Example> {
    let example = |(i, group): (usize, &usize)| Example {
        name: i.to_string(),
        group: if *group == 0 { String::new() } else { group.to_string() },
        ..Example::default()
    };
    groups.iter().enumerate().map(example).collect()
}

fn test(
    n: usize,
    units: usize,
    planted: usize,
    groups: &[usize],
    null: NullConfig,
    threads: usize,
) -> Vec<Significance> {
    let layers = layers(n, 5);
    let activations = activations(&layers, units, planted, 6);
    let mut builder = PartitionBuilder::new(GRID, Box::new(MemoryPositions::new(GRID)));
    builder.add_all(&layers, &|_| ()).unwrap();
    let (partition, map) = builder.finish(&Default::default()).unwrap();
    let search = SearchConfig { length: 2, beam: 4, ..SearchConfig::default() };
    let config = ExplainConfig::new(ThresholdRule::Positive, search);
    let (view, all): (_, Vec<usize>) = (activations.view(), (0..units).collect());
    let firing = Firing::Activations(&view);
    let names = Vocabulary::default();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let observed = Observed { partition: &partition, map: &map, vocabulary: &names, firing, similarity: None };
        let mut explained = explain(observed, &all, &config, &Silent).unwrap();
        let examples = examples(groups);
        let test =
            NullTest::new(&partition, &map, &examples, firing, &explained, &config.search, null, &Silent).unwrap();
        assert_eq!((test.n_units(), test.n_searches()), (units, units * null.draws));
        test.estimate().unwrap();
        let found = test.run(&Silent).unwrap();
        set_significance(&mut explained, found, Metric::Iou);
        for (unit, result) in explained.explanations.units.iter().zip(&explained.results) {
            let (own, chance) = (Metric::Iou.of(result.best().unwrap().counts), unit.significance.as_ref().unwrap());
            let median = chance.by_length[1].median;
            assert_eq!(unit.chance_corrected, Some((own - median) / (1.0 - median)));
            assert_eq!(chance.by_length[1].metric_median, None, "it is the IoU that was searched");
        }
        explained.explanations.units.into_iter().map(|u| u.significance.unwrap()).collect()
    })
}

#[test]
fn p_values_of_units_that_owe_nothing_to_the_concepts_are_uniform() {
    let found = test(150, 400, 0, &[0; 150], NullConfig { draws: 19, seed: 1 }, 2);
    let mut counts = [0_i32; 20];
    for s in &found {
        counts[(s.p * 20.0).round() as usize - 1] += 1;
    }
    let chi: f64 = counts.iter().map(|n| f64::from(n - 20).powi(2) / 20.0).sum();
    // 19 degrees of freedom: 99.9% are below 43.8.
    assert!(chi < 43.8, "{chi}: {counts:?}");
    // What the second literal adds is no more often small than it should be; ties make it less often small.
    let small = found.iter().filter(|s| s.by_length[1].step_p.unwrap() <= 0.05).count();
    assert!((2..=33).contains(&small), "{small} of 400, expected at most 20 and 3 standard deviations");
    assert!(found.iter().all(|s| s.by_length[0].step_p.is_none()));
    let discoveries = found.iter().filter(|s| s.q < 0.05).count();
    assert_eq!(discoveries, 0, "20 draws cannot tell one of 400 units");
}

#[test]
fn planted_units_get_the_smallest_p_and_the_others_do_not() {
    let found = test(150, 40, 8, &[0; 150], NullConfig { draws: 99, seed: 2 }, 2);
    for s in &found[..8] {
        assert_eq!(s.p, 0.01);
        assert!(s.q < 0.05 && s.q >= s.p, "{}", s.q);
        for (k, null) in s.by_length.iter().enumerate() {
            assert_eq!((null.length, null.p), (k + 1, 0.01));
            let [mean, median, q95, q99, max] = [null.mean, null.median, null.q95, null.q99, null.max];
            assert!(0.0 < median && median < q95 && q95 <= q99 && q99 <= max && max < 1.0, "{null:?}");
            assert!((mean - median).abs() < 0.05, "{null:?}");
        }
        assert!(s.by_length[0].median < s.by_length[1].median, "longer formulas find more by chance");
    }
    assert!(found[8..].iter().filter(|s| s.q < 0.05).count() <= 2);
}

#[test]
fn draws_do_not_depend_on_threads_nor_on_the_other_units() {
    let null = NullConfig { draws: 7, seed: 3 };
    let groups: Vec<usize> = (0..60).map(|i| 1 + i / 3).collect();
    let one = test(60, 9, 2, &groups, null, 1);
    assert_eq!(one, test(60, 9, 2, &groups, null, 4));
    assert_ne!(one, test(60, 9, 2, &groups, NullConfig { seed: 4, ..null }, 1));
    assert_ne!(one, test(60, 9, 2, &[0; 60], null, 1), "rows are exchanged where there are no groups");
}

#[test]
fn too_few_draws_and_groups_that_cannot_move_are_refused() {
    for (draws, p) in [(0, "1.0"), (1, "0.5")] {
        let e = NullConfig { draws, seed: 0 }.check().unwrap_err().to_string();
        assert!(e.starts_with(&format!("draws of the null distribution: found {draws}, expected at least 2")), "{e}");
        assert!(e.ends_with(&format!("p is never below {p}")), "{e}");
    }
    NullConfig { draws: 2, seed: 0 }.check().unwrap();
    let e = Exchange::new(&examples(&[1, 1, 2])).unwrap_err().to_string();
    assert!(e.starts_with("groups of examples that can change places: found 0 of 2, expected two"), "{e}");
}

#[test]
fn the_units_that_must_reach_the_minimum_are_counted() {
    let needed = |draws, tested| NullConfig { draws, seed: 0 }.units_needed(tested);
    assert_eq!([needed(200, 512), needed(1000, 512), needed(19, 10), needed(20, 21)], [51, 11, 11, 21]);
    // One unit less is not enough.
    for (draws, tested) in [(200, 512), (99, 40), (20, 21)] {
        let n = needed(draws, tested);
        for (at_minimum, below) in [(n, true), (n - 1, false)] {
            let p: Vec<f64> =
                (0..tested).map(|i| if i < at_minimum { 1.0 / (draws + 1) as f64 } else { 1.0 }).collect();
            assert_eq!(benjamini_hochberg(&p)[0] < 0.05, below, "{draws} draws, {at_minimum} of {tested}");
        }
    }
}

proptest! {
    #[test]
    fn groups_move_as_blocks_to_groups_of_their_size(groups in proptest::collection::vec(0usize..8, 2..40), seed in any::<u64>()) {
        let examples = examples(&groups);
        let Ok(exchange) = Exchange::new(&examples) else { return Ok(()) };
        let (mut order, mut place) = (Vec::new(), Vec::new());
        exchange.draw(&mut Random::new(seed, 3_u64, 0), &mut order, &mut place);
        let mut targets = place.clone();
        targets.sort_unstable();
        prop_assert_eq!(targets, (0..groups.len() as u32).collect::<Vec<_>>(), "a permutation");
        let members = |group: usize| -> Vec<u32> {
            (0..groups.len()).filter(|i| groups[*i] == group).map(|i| i as u32).collect()
        };
        let mut fixed = 0;
        for group in 1..8 {
            let own = members(group);
            let moved: Vec<u32> = own.iter().map(|e| place[*e as usize]).collect();
            let Some(first) = moved.first() else { continue };
            // A block of one may trade places with an example without a group.
            let there = match groups[*first as usize] {
                0 => vec![*first],
                other => members(other),
            };
            prop_assert_eq!(&moved, &there, "the whole of another group, in order");
            let singles = groups.iter().filter(|g| **g == 0).count();
            let alone = (1..8).filter(|other| members(*other).len() == own.len()).count() == 1;
            fixed += if alone && !(own.len() == 1 && singles > 0) { own.len() } else { 0 };
        }
        let singles = groups.iter().filter(|g| **g == 0).count();
        let ones = (1..8).filter(|g| members(*g).len() == 1).count();
        fixed += usize::from(singles == 1 && ones == 0);
        prop_assert_eq!(exchange.n_fixed(), fixed);
    }
}
