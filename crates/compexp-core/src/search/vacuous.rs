//! Removes literals that change nothing from the formulas that a search found.
//!
//! If every river of the data is water, `((river OR sea) OR water)` has the mask of `(sea OR water)`. A beam that never held
//! the shorter formula ends with the longer one.

use std::cmp::Ordering;

use super::config::{Mode, SearchConfig};
use super::order::{Order, Standing};
use super::result::{Found, SearchResult};
use crate::formula::Formula;
use crate::partition::Partition;

/// A search result without vacuous literals, and the literals that were removed from the best formula, in the order in which
/// they stood.
///
/// A literal is vacuous if the formula's mask over the cells is the same without it. Literals are tried from the last to the
/// first, until none can be removed. What remains begins with a literal without NOT, as every formula that is searched does.
///
/// A formula that became shorter is also entered for smaller lengths if it is better than what was found there: entry `k` of
/// `by_length` stays the best known formula of at most `k + 1` literals. The beams do not change. Nothing is removed from a
/// result of [`Mode::Compat`].
pub fn without_vacuous(
    partition: &Partition,
    config: &SearchConfig,
    result: SearchResult,
) -> (SearchResult, Vec<Formula>) {
    if config.mode == Mode::Compat || result.by_length.is_empty() {
        return (result, Vec::new());
    }
    let stripped: Vec<(Found, Vec<Formula>)> =
        result.by_length.iter().map(|found| strip(partition, config, found)).collect();
    let best_of = |k: usize| {
        // With the full grammar entry k may have more than k + 1 literals: a function of so many concepts may need more.
        let allowed = stripped.iter().enumerate().filter(|(i, (found, _))| *i <= k || found.formula.length() <= k + 1);
        allowed.map(|(_, entry)| entry).reduce(|best, other| {
            let longer = other.0.formula.length() > best.0.formula.length();
            match other.0.score.total_cmp(&best.0.score) {
                Ordering::Less => best,
                Ordering::Equal if longer => best,
                _ => other,
            }
        })
    };
    let best: Vec<&(Found, Vec<Formula>)> = (0..stripped.len()).filter_map(best_of).collect();
    let vacuous = best.last().map_or(Vec::new(), |(_, vacuous)| vacuous.clone());
    let by_length = best.iter().map(|(found, _)| found.clone()).collect();
    (SearchResult { by_length, ..result }, vacuous)
}

/// A formula without its vacuous literals, and these.
fn strip(partition: &Partition, config: &SearchConfig, found: &Found) -> (Found, Vec<Formula>) {
    let mut formula = found.formula.clone();
    let mut vacuous = Vec::new();
    if formula.length() == 1 {
        return (found.clone(), vacuous);
    }
    let mask = partition.evaluate(&formula);
    let mut next = formula.length();
    while next > 0 {
        next -= 1;
        let Some((rest, literal)) = formula.without_literal(next) else { continue };
        if rest.begins_plain() && partition.evaluate(&rest) == mask {
            vacuous.push(literal);
            formula = rest;
            // A literal that could not be removed before may be vacuous now.
            next = formula.length();
        }
    }
    if vacuous.is_empty() {
        return (found.clone(), vacuous);
    }
    let order = |literal: &Formula| found.formula.literals().iter().position(|l| *l == literal);
    vacuous.sort_by_key(order);
    let score = Order::of(config).score(Standing { counts: found.counts, length: formula.length() });
    (Found { formula, score, ..found.clone() }, vacuous)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::concept::{ConceptId, Vocabulary};
    use crate::partition::{CellSet, MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid};
    use crate::profile::Profile;
    use crate::search::beam;
    use crate::search::result::Status;

    /// One example a position; bit `c` of its set is concept `c`.
    struct Sets(Vec<u32>);

    impl AnnotationSource for Sets {
        fn n_examples(&self) -> usize {
            self.0.len()
        }
        fn grid(&self) -> Grid {
            Grid::SINGLE
        }
        fn annotate(&self, example: usize, into: &mut Annotation) -> crate::Result<()> {
            into.scalars.extend((0..8).filter(|c| self.0[example] >> c & 1 == 1));
            Ok(())
        }
    }

    fn partition(sets: &[u32]) -> Partition {
        let mut builder = PartitionBuilder::new(Grid::SINGLE, Box::new(MemoryPositions::new(Grid::SINGLE)));
        builder.declare((0..8).map(ConceptId));
        builder.add_all(&Sets(sets.to_vec()), &|_| ()).unwrap();
        builder.finish(&Default::default()).unwrap().0
    }

    fn c(id: u32) -> Formula {
        Formula::concept(ConceptId(id))
    }

    fn result_of(formulas: &[Formula]) -> SearchResult {
        let found = |f: &Formula| Found { formula: f.clone(), counts: Default::default(), iou: 0.0, score: 0.0 };
        SearchResult { by_length: formulas.iter().map(found).collect(), ..SearchResult::nothing(Status::Explained) }
    }

    fn text(formula: &Formula) -> String {
        formula.display(&Vocabulary::default()).to_string()
    }

    #[test]
    fn a_nested_concept_goes_and_the_shorter_formula_stands_for_its_length() {
        // 0 is nested in 1; 2 is elsewhere and everywhere.
        let p = partition(&[0b001 | 0b010, 0b010, 0b100, 0b110, 0]);
        let long = c(0).or(c(1)).and(c(2).not());
        let mut result = result_of(&[c(1), c(0).or(c(1)), long]);
        for (found, score) in result.by_length.iter_mut().zip([0.2, 0.3, 0.5]) {
            // As many positions of the unit as make this IoU.
            found.counts = crate::score::Counts {
                universe: 40,
                formula: 10,
                unit: 10,
                both: (20.0 * score / (1.0 + score)) as u64,
            };
            found.score = crate::score::Metric::Iou.of(found.counts);
        }
        let (stripped, vacuous) = without_vacuous(&p, &SearchConfig::default(), result.clone());
        let texts: Vec<String> = stripped.by_length.iter().map(|f| text(&f.formula)).collect();
        assert_eq!(texts, ["1", "(1 AND (NOT 2))", "(1 AND (NOT 2))"]);
        assert_eq!(vacuous.iter().map(text).collect::<Vec<_>>(), ["0"]);

        let compat = SearchConfig { mode: Mode::Compat, ..SearchConfig::default() };
        assert_eq!(without_vacuous(&p, &compat, result.clone()), (result, vec![]));
    }

    #[test]
    fn what_remains_begins_without_a_not() {
        // Everything without 1 has 0: `(0 AND (NOT 1))` is `(NOT 1)`, which no search makes.
        let p = partition(&[0b01, 0b01, 0b10, 0b11]);
        let result = result_of(&[c(0).and(c(1).not())]);
        let (stripped, vacuous) = strip(&p, &SearchConfig::default(), &result.by_length[0]);
        assert_eq!(text(&stripped.formula), "(0 AND (NOT 1))");
        assert!(vacuous.is_empty());
    }

    proptest! {
        #[test]
        fn no_literal_that_remains_can_go_and_the_mask_is_kept(
            sets in proptest::collection::vec(0u32..64, 1..12), first in 0u32..6,
            steps in proptest::collection::vec((0u32..6, 0usize..3), 0..6),
        ) {
            let p = partition(&sets);
            let formula = steps.iter().fold(c(first), |f, (id, op)| match op {
                0 => f.or(c(*id)),
                1 => f.and(c(*id)),
                _ => f.and(c(*id).not()),
            });
            let dense = |f: &Formula| -> Vec<bool> {
                sets.iter().map(|set| f.holds(&|atom| set >> atom.concept.0 & 1 == 1)).collect()
            };
            let (found, vacuous) = strip(&p, &SearchConfig::default(), &result_of(std::slice::from_ref(&formula)).by_length[0]);
            prop_assert_eq!(dense(&found.formula), dense(&formula));
            prop_assert_eq!(found.formula.length() + vacuous.len(), formula.length());
            // Written again without trees: the chain that is left, and each chain of one literal less.
            let literals = found.formula.literals();
            for out in 0..literals.len() {
                let Some((rest, literal)) = found.formula.without_literal(out) else {
                    prop_assert_eq!(literals.len(), 1);
                    continue;
                };
                prop_assert_eq!(&literal, literals[out]);
                let keeps_out = matches!(rest.literals()[0], Formula::Not(_));
                prop_assert!(keeps_out || dense(&rest) != dense(&formula), "{} of {}", text(&literal), text(&found.formula));
            }
        }

        #[test]
        fn entries_stay_within_their_length_and_never_fall(
            sets in proptest::collection::vec(0u32..64, 4..40), unit in proptest::collection::vec(any::<bool>(), 40),
            penalty in prop_oneof![Just(1.0), Just(0.95)],
        ) {
            let p = partition(&sets);
            let mut hits = vec![0; p.n_cells()];
            for (set, _) in sets.iter().zip(&unit).filter(|(_, on)| **on) {
                let cell = (0..p.n_cells() as u32).find(|cell| {
                    p.concepts_of(*cell).iter().fold(0, |bits, c| bits | 1 << p.columns()[usize::from(*c)].concept.0) == *set
                });
                hits[cell.unwrap() as usize] += 1;
            }
            let touched: Vec<(u32, u32)> = (0..).zip(hits).filter(|(_, h)| *h > 0).collect();
            let profile = Profile {
                cells: touched.iter().map(|t| t.0).collect(),
                hits: touched.iter().map(|t| t.1).collect(),
                ..Profile::default()
            };
            let config = SearchConfig { length: 5, beam: 3, penalty, ..SearchConfig::default() };
            let before = beam::search(&p, &profile, &config);
            let (after, _) = without_vacuous(&p, &config, before.clone());
            prop_assert_eq!(before.by_length.len(), after.by_length.len());
            for (k, (b, a)) in before.by_length.iter().zip(&after.by_length).enumerate() {
                prop_assert!(a.formula.length() <= k + 1);
                prop_assert!(a.score >= b.score);
                let set: CellSet = p.evaluate(&a.formula);
                prop_assert_eq!((p.area_of(&set), profile.hits_in(&set)), (a.counts.formula, a.counts.both));
                let power = penalty.powf((a.formula.length() - 1) as f64);
                prop_assert_eq!(a.score, config.metric.of(a.counts) * power);
            }
            prop_assert!(after.by_length.windows(2).all(|w| w[0].score <= w[1].score));
        }
    }
}
