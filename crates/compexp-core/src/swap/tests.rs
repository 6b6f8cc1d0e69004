//! Both directions against their definitions, position by position.

use ndarray::{Array4, ArrayView4};
use proptest::prelude::*;

use super::*;
use crate::explain::{ExplainConfig, Observed, Silent, explain};
use crate::partition::{MemoryPositions, PartitionBuilder};
use crate::probe::Neighbors;
use crate::profile::{Band, from_activations};
use crate::search::SearchConfig;
use crate::threshold::ThresholdRule;

const GRID: Grid = Grid { height: 2, width: 3 };

/// Concepts of each position of each example.
#[derive(Debug)]
struct Listed(Grid, Vec<Vec<Vec<u32>>>);

impl AnnotationSource for Listed {
    fn n_examples(&self) -> usize {
        self.1.len()
    }
    fn grid(&self) -> Grid {
        self.0
    }
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let layers = self.1[example].iter().map(Vec::len).max().unwrap_or(0);
        for layer in 0..layers {
            into.layers.extend(self.1[example].iter().map(|c| c.get(layer).copied().unwrap_or(Annotation::NONE)));
        }
        Ok(())
    }
}

fn divide(source: &dyn AnnotationSource) -> (Partition, PositionMap) {
    let mut builder = PartitionBuilder::new(source.grid(), Box::new(MemoryPositions::new(source.grid())));
    builder.add_all(source, &|_| ()).unwrap();
    builder.finish(&Neighbors::new()).unwrap()
}

/// The concepts at every position, from a partition.
fn concepts_at(partition: &Partition, map: &PositionMap) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    let mut ids = vec![0; map.grid().positions()];
    for example in 0..map.n_examples() {
        map.read_local(example, &mut ids).unwrap();
        for id in &ids {
            let columns = partition.concepts_of(map.cells_of(example)[*id as usize]);
            found.push(columns.iter().map(|c| partition.columns()[usize::from(*c)].concept.0).collect());
        }
    }
    found
}

fn listed() -> impl Strategy<Value = Listed> {
    let position = proptest::collection::btree_set(0u32..5, 0..4).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let example = proptest::collection::vec(position, GRID.positions());
    proptest::collection::vec(example, 1..5).prop_map(|examples| Listed(GRID, examples))
}

/// A sparse layer of maps, and the same densely.
struct Sparse<'a>(ArrayView4<'a, f32>, usize);

impl SparseSource for Sparse<'_> {
    fn n_examples(&self) -> usize {
        self.0.dim().0
    }
    fn n_units(&self) -> usize {
        self.0.dim().1
    }
    fn grid(&self) -> Grid {
        GRID
    }
    fn blocks(&self) -> Vec<Span<usize>> {
        (0..self.n_units()).step_by(self.1).map(|first| first..(first + self.1).min(self.n_units())).collect()
    }
    fn read(&self, block: usize) -> Result<Entries> {
        let span = self.blocks()[block].clone();
        let mut entries = Vec::new();
        for ((example, unit, y, x), value) in self.0.indexed_iter() {
            if span.contains(&unit) && *value != 0.0 {
                entries.push((unit as u32, (example * GRID.positions() + y * GRID.width + x) as u32, *value));
            }
        }
        Ok(Entries::new(span, entries))
    }
}

fn layer() -> impl Strategy<Value = Array4<f32>> {
    (1usize..4, 1usize..6).prop_flat_map(|(n, units)| {
        let value = prop_oneof![3 => Just(0.0f32), 1 => 0.1f32..2.0];
        proptest::collection::vec(value, n * units * GRID.positions())
            .prop_map(move |values| Array4::from_shape_vec((n, units, GRID.height, GRID.width), values).unwrap())
    })
}

proptest! {
    #[test]
    fn positions_are_annotated_with_the_units_that_fire(values in layer(), cut in 0.0f64..1.5, block in 1usize..4) {
        let (n, n_units, ..) = values.dim();
        let units: Vec<usize> = (0..n_units).filter(|unit| unit % 3 != 1).collect();
        let cuts: Vec<f64> = (0..n_units).map(|unit| cut / (1.0 + unit as f64)).collect();
        let mut expected = Vec::new();
        for example in 0..n {
            for position in 0..GRID.positions() {
                let at = |unit: &usize| values[[example, *unit, position / GRID.width, position % GRID.width]];
                let fires = |unit: &&usize| f64::from(at(unit)) > cuts[**unit];
                expected.push(units.iter().filter(fires).map(|unit| *unit as u32).collect::<Vec<_>>());
            }
        }
        let (dense, sparse) = (values.view(), Sparse(values.view(), block));
        for firing in [Firing::Activations(&dense), Firing::Sparse(&sparse)] {
            let source = UnitAnnotations::new(firing, &cuts, &units, GRID).unwrap();
            let (partition, map) = divide(&source);
            prop_assert_eq!(concepts_at(&partition, &map), expected.clone());
        }
    }

    #[test]
    fn concepts_fire_where_they_are(set in listed()) {
        let (partition, map) = divide(&set);
        let concepts: Vec<ConceptId> = (0..5).map(ConceptId).collect();
        let source = ConceptActivity::new(&partition, &map, &concepts);
        let blocks: Vec<Entries> = (0..source.blocks().len()).map(|block| source.read(block).unwrap()).collect();
        for (unit, concept) in concepts.iter().enumerate() {
            let block = blocks.iter().find(|block| block.units().contains(&unit)).unwrap();
            let positions = set.1.iter().flatten().enumerate();
            let expected: Vec<u32> =
                positions.filter(|(_, at)| at.contains(&concept.0)).map(|(position, _)| position as u32).collect();
            prop_assert_eq!(block.of(unit).0, expected);
        }
    }

    #[test]
    fn candidates_are_the_best_of_each_concept_in_turn(set in listed(), values in layer(), n in 1usize..5) {
        let values = Array4::from_shape_fn((set.1.len(), values.dim().1, 2, 3), |(e, u, y, x)| {
            values[[e % values.dim().0, u, y, x]]
        });
        let (partition, map) = divide(&set);
        let units: Vec<usize> = (0..values.dim().1).collect();
        let bands = Band::of_units(&units, &vec![0.0; units.len()]);
        let profiles = from_activations(&values.view(), &bands, &map, partition.n_cells(), 0, &|_| ()).unwrap();
        // By hand: all IoUs from the masks, sorted for each concept.
        let fires = |unit: usize, position: usize| {
            let (example, at) = (position / GRID.positions(), position % GRID.positions());
            values[[example, unit, at / GRID.width, at % GRID.width]] > 0.0
        };
        let at: Vec<&Vec<u32>> = set.1.iter().flatten().collect();
        let mut ranked = Vec::new();
        for concept in partition.columns().iter().map(|atom| atom.concept.0) {
            let mut found = Vec::new();
            for unit in &units {
                let pairs = (0..at.len()).map(|position| (fires(*unit, position), at[position].contains(&concept)));
                let (mut both, mut either) = (0, 0);
                pairs.for_each(|(a, b)| (both, either) = (both + i32::from(a && b), either + i32::from(a || b)));
                if both > 0 {
                    found.push((f64::from(both) / f64::from(either), *unit));
                }
            }
            found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            ranked.push(found);
        }
        let mut expected = BTreeSet::new();
        for rank in 0..units.len() {
            for (_, unit) in ranked.iter().filter_map(|of_concept| of_concept.get(rank)) {
                if expected.len() < n {
                    expected.insert(*unit);
                }
            }
        }
        prop_assert_eq!(candidates(&partition, &units, &profiles, n), expected.into_iter().collect::<Vec<_>>());
    }
}

/// The formulas of concepts 0 to 2 over four units on 64 examples of one position: concept 0 is split between units 0 and 2,
/// concept 1 is what unit 1 does but where unit 3 has taken its place, and concept 2 is unit 3.
#[test]
fn planted_splits_and_absorptions_are_recovered() {
    let fires = |unit: usize, example: usize| match unit {
        0 => example.is_multiple_of(7),
        1 => example.is_multiple_of(3),
        2 => example % 7 == 3 && example > 20,
        _ => example.is_multiple_of(9),
    };
    let values = Array4::from_shape_fn((64, 4, 1, 1), |(example, unit, ..)| f32::from(u8::from(fires(unit, example))));
    let of = |example: usize| {
        let mut concepts = Vec::new();
        concepts.extend((fires(0, example) || fires(2, example)).then_some(0));
        concepts.extend((fires(1, example) && !fires(3, example)).then_some(1));
        concepts.extend(fires(3, example).then_some(2));
        vec![concepts]
    };
    let (partition, map) = divide(&Listed(Grid::SINGLE, (0..64).map(of).collect()));
    let concepts: Vec<ConceptId> = (0..3).map(ConceptId).collect();
    let units = [0, 1, 2, 3];
    let view = values.view();
    let source = UnitAnnotations::new(Firing::Activations(&view), &[0.5; 4], &units, Grid::SINGLE).unwrap();
    let (swapped, places) = divide(&source);
    let names = unit_names(&units).unwrap();
    let activity = ConceptActivity::new(&partition, &map, &concepts);
    let firing = Firing::Sparse(&activity);
    let observed = Observed { partition: &swapped, map: &places, vocabulary: &names, firing, similarity: None };
    let search = SearchConfig::default();
    let threshold = ThresholdRule::Positive;
    let config = ExplainConfig::new(threshold, search);
    let found = explain(observed, &[0, 1, 2], &config, &Silent).unwrap().explanations.units;
    let formulas: Vec<_> = found.iter().map(|record| (record.formula.as_deref().unwrap(), record.iou)).collect();
    assert_eq!(formulas, [("(u0 OR u2)", 1.0), ("(u1 AND (NOT u3))", 1.0), ("u3", 1.0)]);
}
