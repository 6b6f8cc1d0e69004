//! The concepts of a probe set: where each occurs, and how the concepts of one formula occur together.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::concept::{ConceptId, Vocabulary};
use crate::formula::{Atom, Formula};
use crate::partition::{CellSet, Partition, PositionMap};

/// A concept of a probe set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The number used in annotations.
    pub id: u32,
    /// The name printed in formulas.
    pub name: String,
    /// The concept's category; empty if none is known.
    pub category: String,
    /// Positions with the concept.
    pub area: u64,
    /// Examples with such a position.
    pub examples: u64,
}

/// Two concepts that are in the same best formula of some unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relation {
    /// The name of the concept with the smaller id.
    pub first: String,
    /// The name of the other.
    pub second: String,
    /// Positions with both.
    pub area: u64,
    /// Examples in which both occur.
    pub examples: u64,
    /// How similar the contexts of the two are, from -1 to 1: the cosine of their correlations (phi, over examples) with all
    /// other concepts. None if either occurs in all examples or in none.
    pub context: Option<f64>,
    /// The cosine of their word vectors; none unless the run had vectors of both.
    pub similarity: Option<f64>,
}

/// The cosine of two concepts' word vectors; none if either has none.
pub type Similarity<'a> = &'a (dyn Fn(ConceptId, ConceptId) -> Option<f64> + Sync);

/// The extent of all concepts of the partition, ascending by id, and the relation of every pair of concepts that are in one
/// formula, ascending by both ids. NEIGHBORS of a concept counts as the concept.
pub(crate) fn relate(
    partition: &Partition,
    map: &PositionMap,
    vocabulary: &Vocabulary,
    formulas: &[Option<&Formula>],
    similarity: Option<Similarity<'_>>,
) -> (Vec<Extent>, Vec<Relation>) {
    let presence = Presence::new(partition, map);
    let ids: Vec<ConceptId> = partition.columns()[..partition.n_concepts()].iter().map(|a| a.concept).collect();
    let extent = |(column, id): (usize, &ConceptId)| Extent {
        id: id.0,
        name: vocabulary.name(*id).into_owned(),
        category: vocabulary.category(*id).to_owned(),
        area: partition.area(column).into(),
        examples: presence.counts[column],
    };
    let extents = ids.iter().enumerate().map(extent).collect();

    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for formula in formulas.iter().flatten() {
        let column = |atom: &Atom| partition.column(Atom::concept(atom.concept));
        let mut columns: Vec<usize> = formula.atoms().iter().filter_map(column).collect();
        columns.sort_unstable();
        columns.dedup();
        let others = |(i, a): (usize, &usize)| columns[i + 1..].iter().map(|b| (*a, *b)).collect::<Vec<_>>();
        pairs.extend(columns.iter().enumerate().flat_map(others));
    }
    pairs.sort_unstable();
    pairs.dedup();
    let mut joined: Vec<usize> = pairs.iter().flat_map(|(a, b)| [*a, *b]).collect();
    joined.sort_unstable();
    joined.dedup();
    let companies: Vec<Vec<f64>> = joined.par_iter().map(|column| presence.company(*column)).collect();
    let company = |column: usize| &companies[joined.binary_search(&column).expect("both of every pair are joined")];
    let size = |set: CellSet| partition.area_of(&set);
    let relation = |&(a, b): &(usize, usize)| Relation {
        first: vocabulary.name(ids[a]).into_owned(),
        second: vocabulary.name(ids[b]).into_owned(),
        area: size(partition.set_of(a).combine(partition.set_of(b), |a, b| a & b)),
        examples: presence.both(a, b),
        context: cosine(company(a), company(b), [a, b]),
        similarity: similarity.and_then(|s| s(ids[a], ids[b])),
    };
    (extents, pairs.par_iter().map(relation).collect())
}

/// The examples with each concept, one bit per example.
struct Presence {
    n: usize,
    words: usize,
    /// `(n_concepts, words)`
    bits: Vec<u64>,
    counts: Vec<u64>,
}

impl Presence {
    fn new(partition: &Partition, map: &PositionMap) -> Self {
        let (n, n_concepts) = (map.n_examples(), partition.n_concepts());
        let words = n.div_ceil(64);
        let mut bits = vec![0; n_concepts * words];
        for example in 0..n {
            for cell in map.cells_of(example) {
                for column in partition.concepts_of(*cell) {
                    bits[usize::from(*column) * words + example / 64] |= 1 << (example % 64);
                }
            }
        }
        let count = |row: &[u64]| row.iter().map(|w| u64::from(w.count_ones())).sum();
        let counts = (0..n_concepts).map(|c| count(&bits[c * words..][..words])).collect();
        Self { n, words, bits, counts }
    }

    fn row(&self, column: usize) -> &[u64] {
        &self.bits[column * self.words..][..self.words]
    }

    fn both(&self, a: usize, b: usize) -> u64 {
        self.row(a).iter().zip(self.row(b)).map(|(a, b)| u64::from((a & b).count_ones())).sum()
    }

    /// A concept's correlations with every concept; 0 with a concept that all examples have, or none.
    fn company(&self, column: usize) -> Vec<f64> {
        let n = self.n as f64;
        let spread = |count: f64| count * (n - count);
        let own = self.counts[column] as f64;
        let phi = |other: usize| {
            let count = self.counts[other] as f64;
            let spread = spread(own) * spread(count);
            if spread > 0.0 { (n * self.both(column, other) as f64 - own * count) / spread.sqrt() } else { 0.0 }
        };
        (0..self.counts.len()).map(phi).collect()
    }
}

/// The cosine without the entries `left_out`.
fn cosine(a: &[f64], b: &[f64], left_out: [usize; 2]) -> Option<f64> {
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        if !left_out.contains(&i) {
            (ab, aa, bb) = (ab + x * y, aa + x * x, bb + y * y);
        }
    }
    (aa > 0.0 && bb > 0.0).then(|| (ab / (aa * bb).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concept::Concept;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid, Neighbors};

    /// Examples of 1 x 2 positions, one layer, and concepts of the whole.
    struct Images(Vec<([u32; 2], Vec<u32>)>);

    impl AnnotationSource for Images {
        fn n_examples(&self) -> usize {
            self.0.len()
        }
        fn grid(&self) -> Grid {
            Grid { height: 1, width: 2 }
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> crate::Result<()> {
            into.layers.extend(self.0[example].0);
            into.scalars.extend(&self.0[example].1);
            Ok(())
        }
    }

    fn c(id: u32) -> Formula {
        Formula::concept(ConceptId(id))
    }

    /// Tree (1) and grass (2) stand in all parks, wall (3) in all halls; forest (4) and meadow (5) are parks.
    fn related(formulas: &[Option<&Formula>]) -> (Vec<Extent>, Vec<Relation>) {
        let images = Images(vec![
            ([1, 2], vec![4]),
            ([2, 1], vec![5]),
            ([1, 1], vec![4, 2]),
            ([3, 3], vec![]),
            ([3, Annotation::NONE], vec![6]),
        ]);
        let mut builder = PartitionBuilder::new(images.grid(), Box::new(MemoryPositions::new(images.grid())));
        builder.add_all(&images, &|_| ()).unwrap();
        let (partition, map) = builder.finish(&Neighbors::new()).unwrap();
        let concept = |id: u32| Concept { id: ConceptId(id), name: format!("c{id}"), category: "object".into() };
        let names = Vocabulary::new((1..6).map(concept).collect()).unwrap();
        relate(&partition, &map, &names, formulas, Some(&|a, b| (a.0 == 1).then_some(f64::from(b.0))))
    }

    #[test]
    fn areas_and_examples_are_counted() {
        let (extents, relations) = related(&[]);
        let counts: Vec<_> = extents.iter().map(|e| (e.id, &e.name[..], e.area, e.examples)).collect();
        let expected =
            [(1, "c1", 4, 3), (2, "c2", 4, 3), (3, "c3", 3, 2), (4, "c4", 4, 2), (5, "c5", 2, 1), (6, "6", 2, 1)];
        assert_eq!(counts, expected);
        assert!(relations.is_empty());
    }

    #[test]
    fn pairs_of_one_formula_are_related_once() {
        let (f, g) = (c(2).or(c(1)).and(c(3).not()), c(1).and(c(2)));
        let (_, relations) = related(&[Some(&f), None, Some(&g)]);
        let shown: Vec<_> = relations.iter().map(|r| (&r.first[..], &r.second[..], r.area, r.examples)).collect();
        assert_eq!(shown, [("c1", "c2", 2, 3), ("c1", "c3", 0, 0), ("c2", "c3", 0, 0)]);
        assert_eq!(relations.iter().map(|r| r.similarity).collect::<Vec<_>>(), [Some(2.0), Some(3.0), None]);
    }

    #[test]
    fn concepts_that_exclude_each_other_may_keep_the_same_company() {
        let f = c(4).or(c(5)).or(c(3));
        let (_, relations) = related(&[Some(&f)]);
        let context = |a: &str, b: &str| {
            let found = relations.iter().find(|r| r.first == a && r.second == b).unwrap();
            assert_eq!(found.examples, 0);
            found.context.unwrap()
        };
        assert!(context("c4", "c5") > 0.6, "{relations:?}");
        assert!(context("c3", "c4") < -0.5 && context("c3", "c5") < -0.5, "{relations:?}");
    }
}
