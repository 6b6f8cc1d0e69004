//! The formulas over three literals as sums over conjunctions.
//!
//! By inclusion and exclusion, the size of any Boolean function's mask is a sum of the sizes of the eight conjunctions of its
//! literals, with integer coefficients. The empty conjunction is the universe. The same sum gives the overlap with the unit.

use std::sync::OnceLock;

use super::super::chain::{Chain, Op};
use crate::formula::Atom;

/// The number of conjunctions of three literals. Conjunction `s` is of the literals whose bits are set in `s`.
pub(super) const CONJUNCTIONS: usize = 8;

/// A Boolean function of three literals, and a formula of it.
pub(super) struct Shape {
    /// The coefficient of each conjunction.
    pub(super) coefficients: [i64; CONJUNCTIONS],
    /// The first literal, and the two steps.
    steps: (usize, [(Op, usize); 2]),
}

impl Shape {
    /// The chain over three atoms.
    pub(super) fn chain(&self, atoms: [Atom; 3]) -> Chain {
        let (first, steps) = self.steps;
        steps.iter().fold(Chain::literal(atoms[first]), |chain, (op, i)| chain.extended(*op, atoms[*i]))
    }

    /// The sum over the conjunctions with this shape's coefficients.
    pub(super) fn sum(&self, of: &[i64; CONJUNCTIONS]) -> i64 {
        self.coefficients.iter().zip(of).map(|(c, n)| c * n).sum()
    }
}

/// The functions that left-deep chains of three distinct literals make, each once.
pub(super) fn chains() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let mut shapes: Vec<Shape> = Vec::new();
        for [a, b, c] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for first in Op::ALL {
                for second in Op::ALL {
                    let steps = (a, [(first, b), (second, c)]);
                    let coefficients = coefficients(|row| {
                        let has = |i: usize| row >> i & 1 == 1;
                        steps.1.iter().fold(has(a), |f, (op, i)| match op {
                            Op::Or => f || has(*i),
                            Op::And => f && has(*i),
                            Op::AndNot => f && !has(*i),
                        })
                    });
                    if !shapes.iter().any(|s| s.coefficients == coefficients) {
                        shapes.push(Shape { coefficients, steps });
                    }
                }
            }
        }
        shapes
    })
}

/// The coefficients of a function that is given by its truth table: `Σ (-1)^(|s| - |t|) f(t)` over the subsets t of s.
pub(super) fn coefficients(f: impl Fn(usize) -> bool) -> [i64; CONJUNCTIONS] {
    std::array::from_fn(|s| {
        let subsets = (0..CONJUNCTIONS).filter(|t| s & t == *t && f(*t));
        subsets.map(|t| if (s ^ t).count_ones() % 2 == 0 { 1 } else { -1 }).sum()
    })
}

/// The least and the greatest possible size of the conjunction of all three literals, from the sizes of the other seven: none
/// of the eight cells that they divide the universe into has fewer than 0 positions.
pub(super) fn triple_range([n, a, b, ab, c, ac, bc, _]: [i64; CONJUNCTIONS]) -> (i64, i64) {
    let least = (ab + ac - a).max(ab + bc - b).max(ac + bc - c).max(0);
    let most = ab.min(ac).min(bc).min(n - a - b - c + ab + ac + bc);
    (least, most)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concept::ConceptId;

    #[test]
    fn chains_make_twenty_three_functions_whose_sums_are_their_truth_tables() {
        let atoms = [0, 1, 2].map(|i| Atom::concept(ConceptId(i)));
        assert_eq!(chains().len(), 23);
        for shape in chains() {
            let formula = shape.chain(atoms).ordered_formula();
            for row in 0..CONJUNCTIONS {
                let holds = formula.holds(&|atom| row >> atom.concept.0 & 1 == 1);
                // A single position with the literals of `row` is in the conjunctions of their subsets.
                let position = std::array::from_fn(|s| i64::from(s & row == s));
                assert_eq!(shape.sum(&position), i64::from(holds), "{formula:?} at {row:03b}");
            }
        }
    }
}
