//! Every left-deep formula of a tiny problem.

use super::beam::{compare, fraction};
use super::bits::{Bits, Counts, Join, Space, Unit};
use super::formula::{Chain, Literal};
use super::{Metric, Problem};

/// The optimum over all left-deep formulas up to a length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Best {
    /// The shortest of the best formulas, the first of these in canonical order.
    pub(crate) formula: String,
    /// Positions in both masks.
    pub(crate) intersection: u64,
    /// Positions in either mask.
    pub(crate) union: u64,
    /// The metric as a fraction (for IoU: `intersection`, `union`).
    pub(crate) fraction: (i128, i128),
}

struct Search<'a> {
    literals: &'a [(Literal, Bits)],
    unit: &'a Unit,
    metric: Metric,
    constants: bool,
    best: Option<(Chain, Counts)>,
}

/// The best formula of at most `length` literals (first literal positive, NEIGHBORS literals as in the default search),
/// or nothing where none overlaps the unit. Tries `(3 L)^length` masks: for L up to about 20 at length 3, 6 at length 4.
pub(crate) fn brute_force(problem: &Problem, length: usize, metric: Metric) -> Option<Best> {
    brute(problem, length, metric, false)
}

/// The same among all formulas, those that are true everywhere included.
pub(crate) fn brute_force_with_constants(problem: &Problem, length: usize, metric: Metric) -> Option<Best> {
    brute(problem, length, metric, true)
}

fn brute(problem: &Problem, length: usize, metric: Metric, constants: bool) -> Option<Best> {
    assert!((1..=5).contains(&length), "exhaustive search is for lengths 1 to 5, not {length}");
    let unit = Unit::from_bools(&problem.unit);
    let space = Space::new(problem);
    let literals = space.literals();
    let divides = |mask: &Bits| mask.counts(&unit).both > 0 && !mask.counts(&unit).is_everything();
    if !constants && !literals.iter().any(|(_, mask)| divides(mask)) {
        // Formulas grow from an answer of one literal.
        return None;
    }
    let mut search = Search { literals: &literals, unit: &unit, metric, constants, best: None };
    for (literal, mask) in &literals {
        search.visit(Chain::new(*literal), mask, length);
    }
    search.best.map(|(chain, counts)| Best {
        formula: chain.print(),
        intersection: counts.both,
        union: counts.union(),
        fraction: fraction(counts, metric),
    })
}

impl Search<'_> {
    fn visit(&mut self, chain: Chain, mask: &Bits, length: usize) {
        let counts = mask.counts(self.unit);
        let found = fraction(counts, self.metric);
        let improves = match &self.best {
            None => true,
            Some((best, best_counts)) => {
                let by_score = compare(found, fraction(*best_counts, self.metric));
                by_score.is_gt() || by_score.is_eq() && chain.key() < best.key()
            }
        };
        if found.0 > 0 && improves && (self.constants || !counts.is_everything()) {
            self.best = Some((chain.clone(), counts));
        }
        if chain.length() < length {
            for (literal, other) in self.literals {
                for join in Join::ALL {
                    self.visit(chain.join(join, *literal), &mask.join(join, other), length);
                }
            }
        }
    }
}
