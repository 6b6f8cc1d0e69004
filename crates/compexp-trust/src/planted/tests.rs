//! Tests of planted units.

use compexp_core::concept::{Concept, ConceptId};
use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Observed, Silent, explain};
use compexp_core::explanation::Explanations;
use compexp_core::partition::{MemoryPositions, PartitionBuilder};
use compexp_core::probe::{Annotation, AnnotationSource, Neighbors};
use compexp_core::search::SearchConfig;
use compexp_core::threshold::ThresholdRule;
use proptest::prelude::*;

use super::*;

const CONCEPTS: u32 = 8;

/// Random annotations: two layers and a scalar an example.
struct Random {
    n: usize,
    grid: Grid,
    seed: u64,
}

impl AnnotationSource for Random {
    fn n_examples(&self) -> usize {
        self.n
    }
    fn grid(&self) -> Grid {
        self.grid
    }
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let stream = Stream::new(self.seed, 1_u64, example as u64);
        let draw = |at: usize, n: usize| stream.below(n, at as u64) as u32;
        let positions = self.grid.positions();
        into.layers.extend((0..positions).map(|at| draw(at, 4)));
        into.layers.extend((0..positions).map(|at| 4 + draw(positions + at, 3)));
        into.scalars.push(CONCEPTS - 1);
        Ok(())
    }
}

fn divided(n: usize, seed: u64) -> (Partition, PositionMap, Vocabulary) {
    let grid = Grid { height: 5, width: 4 };
    let mut builder = PartitionBuilder::new(grid, Box::new(MemoryPositions::new(grid)));
    builder.add_all(&Random { n, grid, seed }, &|_| ()).unwrap();
    let (partition, map) = builder.finish(&Neighbors::new()).unwrap();
    let concept = |id| Concept { id: ConceptId(id), name: format!("c{id}"), category: String::new() };
    (partition, map, Vocabulary::new((0..CONCEPTS).map(concept).collect()).unwrap())
}

fn noise(missed: f64, added: f64) -> Noise {
    Noise::of_formula(missed, added)
}

fn explained(
    partition: &Partition,
    map: &PositionMap,
    names: &Vocabulary,
    source: &Planted<'_>,
    beam: usize,
) -> Explanations {
    let search = SearchConfig { beam, ..SearchConfig::default() };
    let config = ExplainConfig::new(ThresholdRule::Positive, search);
    let units: Vec<usize> = (0..source.n_units()).collect();
    let observed = Observed { partition, map, vocabulary: names, firing: Firing::Masks(source), similarity: None };
    explain(observed, &units, &config, &Silent).unwrap().explanations
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn formulas_are_left_deep_of_distinct_concepts_that_all_matter(seed in 0u64..1000, n in 12usize..30) {
        let (partition, map, _) = divided(n, seed);
        let config = PlantConfig { units: 6, length: 3, noise: vec![noise(0.0, 0.0)], min_share: 0.01, seed };
        let planted = Planted::new(&partition, &map, &config).unwrap();
        for (i, unit) in planted.units.iter().enumerate() {
            let formula = &unit.formula;
            prop_assert_eq!(formula.length(), 1 + i % 3);
            prop_assert_eq!(formula.atoms().len(), formula.length(), "distinct concepts");
            let mut left = formula;
            while let Formula::And(a, b) | Formula::Or(a, b) = left {
                prop_assert_eq!(b.length(), 1, "left-deep");
                left = a;
            }
            let inside = partition.evaluate(formula);
            prop_assert_eq!(&inside, &unit.inside);
            let area = partition.area_of(&inside) as f64 / partition.n_positions() as f64;
            prop_assert!((0.01..=0.99).contains(&area));
            for atom in formula.atoms() {
                for value in [false, true] {
                    let without = (0..partition.n_cells() as u32).filter(|cell| {
                        let has = |a: compexp_core::formula::Atom| if a == atom { value } else {
                            partition.columns_of(*cell).iter().any(|c| partition.columns()[usize::from(*c)] == a)
                        };
                        formula.holds(&has)
                    });
                    prop_assert!(!without.eq(inside.iter()), "{:?} does not need {:?}", formula, atom);
                }
            }
        }
    }

    #[test]
    fn without_noise_masks_are_those_of_the_formulas_and_are_found_again(seed in 0u64..1000) {
        let (partition, map, names) = divided(20, seed);
        let config = PlantConfig { units: 4, length: 2, noise: vec![noise(0.0, 0.0)], min_share: 0.01, seed };
        let planted = Planted::new(&partition, &map, &config).unwrap();
        let mut mask = vec![false; 20 * 20];
        for (i, unit) in planted.units.iter().enumerate() {
            planted.read(i, 0, &mut mask).unwrap();
            for (example, mask) in mask.chunks_exact(20).enumerate() {
                let mut ids = vec![0; 20];
                map.read_local(example, &mut ids).unwrap();
                for (id, fires) in ids.iter().zip(mask) {
                    prop_assert_eq!(unit.inside.contains(map.cells_of(example)[*id as usize]), *fires);
                }
            }
        }
        let record = planted.record(&names, &|_| ()).unwrap();
        prop_assert!(record.units.iter().all(|unit| unit.iou == 1.0 && unit.unit_area == unit.formula_area));
        // As wide as there are concepts: the beam of the second step has seen every pair.
        let found = explained(&partition, &map, &names, &planted, CONCEPTS as usize);
        let recovered = recover(&found, &record, &partition, &names).unwrap();
        for one in &recovered {
            prop_assert_eq!(one.found_iou, 1.0, "{:?}", one);
            for verdict in [one.verdict, one.at_length] {
                prop_assert!(matches!(verdict, Verdict::Equivalent | Verdict::SameMask), "{:?}", one);
            }
        }
        prop_assert!(rows(&recovered, Metric::Iou).iter().all(|row| row.below_planted == 0 && row.equivalent + row.same_mask == row.units));
    }
}

#[test]
fn noise_has_the_stated_rates_and_units_do_not_depend_on_how_they_are_read() {
    let (partition, map, names) = divided(2_000, 3);
    let levels = vec![noise(0.0, 0.0), noise(0.3, 0.0), noise(0.1, 0.5)];
    let config = PlantConfig { units: 9, length: 3, noise: levels, min_share: 0.05, seed: 8 };
    let planted = Planted::new(&partition, &map, &config).unwrap();
    let record = planted.record(&names, &|_| ()).unwrap();
    for unit in &record.units {
        let expected = (1.0 - unit.noise.missed) / (1.0 + unit.noise.added);
        assert!((unit.iou - expected).abs() < 0.03, "{unit:?}, expected an IoU of {expected}");
    }
    assert_eq!(record.units.iter().map(|u| u.length).collect::<Vec<_>>(), [1, 2, 3, 1, 2, 3, 1, 2, 3]);
    assert_eq!(record.units[3].noise, noise(0.3, 0.0));

    let (mut whole, mut part) = (vec![false; 2_000 * 20], vec![false; 7 * 20]);
    for unit in 0..9 {
        planted.read(unit, 0, &mut whole).unwrap();
        assert_eq!(whole.iter().filter(|fires| **fires).count() as u64, record.units[unit].unit_area);
        planted.read(unit, 1_001, &mut part).unwrap();
        assert_eq!(part, whole[1_001 * 20..1_008 * 20]);
    }
}

#[test]
fn frequent_noisy_units_are_recovered_by_mcc_and_not_by_iou() {
    let (partition, map, names) = divided(2_000, 3);
    let noise = vec![Noise::rates(0.6, 0.3)];
    let config = PlantConfig { units: 20, length: 2, noise, min_share: 0.05, seed: 4 };
    let planted = Planted::new(&partition, &map, &config).unwrap();
    let record = planted.record(&names, &|_| ()).unwrap();
    let n = partition.n_positions() as f64;
    for unit in &record.units {
        let (area, both) =
            (unit.formula_area as f64, unit.iou / (1.0 + unit.iou) * (unit.formula_area + unit.unit_area) as f64);
        assert!((both / area - 0.6).abs() < 0.05, "{unit:?}");
        assert!(((unit.unit_area as f64 - both) / (n - area) - 0.3).abs() < 0.02, "{unit:?}");
    }
    let recovered = |metric| {
        let search = SearchConfig { metric, ..SearchConfig::default() };
        let config = ExplainConfig::new(ThresholdRule::Positive, search);
        let units: Vec<usize> = (0..20).collect();
        let firing = Firing::Masks(&planted);
        let observed = Observed { partition: &partition, map: &map, vocabulary: &names, firing, similarity: None };
        let found = explain(observed, &units, &config, &Silent).unwrap().explanations;
        let rows = rows(&recover(&found, &record, &partition, &names).unwrap(), metric);
        assert!(rows.iter().all(|row| row.firing_rate > 0.3 && row.units == 10));
        (rows.iter().map(|row| row.at_length).sum::<usize>(), rows.iter().map(|row| row.agreement).sum::<f64>() / 2.0)
    };
    let (by_mcc, by_iou) = (recovered(Metric::Mcc), recovered(Metric::Iou));
    assert!(by_mcc.0 >= 16 && by_mcc.1 > 0.9, "{by_mcc:?}");
    assert!(by_iou.0 < by_mcc.0 && by_iou.1 < 0.6, "{by_iou:?}");
}

#[test]
fn verdicts_tell_equivalent_formulas_from_equal_masks() {
    let (partition, map, names) = divided(40, 1);
    let config = PlantConfig { units: 1, length: 1, noise: vec![noise(0.0, 0.0)], min_share: 0.01, seed: 1 };
    let planted = Planted::new(&partition, &map, &config).unwrap();
    let mut record = planted.record(&names, &|_| ()).unwrap();
    let mut found = explained(&partition, &map, &names, &planted, 10);
    let mut verdict = |planted: &str, formula: Option<&str>| {
        record.units[0].formula = planted.into();
        found.units[0].formula = formula.map(str::to_owned);
        recover(&found, &record, &partition, &names).map(|all| all[0].verdict)
    };
    assert_eq!(verdict("c1 AND NOT c2", Some("NOT (c2 OR NOT c1)")).unwrap(), Verdict::Equivalent);
    // An example has one scalar: c7, which then is everywhere. A layer has one concept at a position.
    assert_eq!(verdict("c1", Some("c1 AND NOT c2")).unwrap(), Verdict::SameMask);
    assert_eq!(verdict("c1", Some("c2")).unwrap(), Verdict::Other);
    assert_eq!(verdict("c1", None).unwrap(), Verdict::Nothing);
    assert!(verdict("c1", Some("c99")).is_err());
    let (other, _, _) = divided(41, 1);
    let error = recover(&found, &record, &other, &names).unwrap_err().to_string();
    assert!(error.starts_with("universe of the run"), "{error}");
    found.units[0].formula = None;
    found.units[0].unit_area += 1;
    let error = recover(&found, &record, &partition, &names).unwrap_err().to_string();
    assert!(error.starts_with("area of unit 0"), "{error}");
    found.units[0].unit = 5;
    let error = recover(&found, &record, &partition, &names).unwrap_err().to_string();
    assert!(error.starts_with("unit of the run: found 5"), "{error}");
}

#[test]
fn settings_outside_their_ranges_and_formulas_that_do_not_exist_are_refused() {
    let (partition, map, _) = divided(12, 0);
    let refused = |change: &dyn Fn(&mut PlantConfig)| {
        let mut config = PlantConfig { units: 3, min_share: 0.01, ..PlantConfig::default() };
        change(&mut config);
        Planted::new(&partition, &map, &config).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert!(refused(&|c| c.units = 0).contains("planted units"));
    assert!(refused(&|c| c.length = 0).contains("length of planted formulas"));
    assert!(refused(&|c| c.noise.clear()).contains("noise: found none"));
    assert!(refused(&|c| c.noise[0].missed = 1.0).contains("missed positions: found 1"));
    assert!(refused(&|c| c.noise[0].added = f64::NAN).contains("added positions: found NaN"));
    assert!(refused(&|c| c.noise[0].elsewhere = Some(1.5)).contains("other positions: found 1.5"));
    assert!(refused(&|c| c.min_share = 0.5).contains("least share"));
    assert!(refused(&|c| (c.units, c.length) = (50, 50)).contains("formula of length"));
}
