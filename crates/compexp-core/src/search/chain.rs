//! Left-deep chains of literals, `((A OR B) AND (NOT C)) ..`: the formulas that a search makes.

use crate::formula::{Atom, Formula};
use crate::partition::CellSet;

/// The connective that joins a literal to the chain before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Or,
    And,
    AndNot,
}

impl Op {
    pub(super) const ALL: [Self; 3] = [Self::Or, Self::And, Self::AndNot];

    /// What the connective does to two sets.
    pub(super) fn combine(self, f: &CellSet, l: &CellSet) -> CellSet {
        match self {
            Self::Or => f.combine(l, |f, l| f | l),
            Self::And => f.combine(l, |f, l| f & l),
            Self::AndNot => f.combine(l, |f, l| f & !l),
        }
    }
}

/// A first literal, and steps that each join one literal to all before it.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) first: Atom,
    pub(super) steps: Vec<(Op, Atom)>,
}

impl Chain {
    pub(super) fn literal(first: Atom) -> Self {
        Self { first, steps: Vec::new() }
    }

    pub(super) fn extended(&self, op: Op, atom: Atom) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len() + 1);
        steps.extend_from_slice(&self.steps);
        steps.push((op, atom));
        Self { first: self.first, steps }
    }

    /// The number of literals.
    pub(super) fn length(&self) -> usize {
        1 + self.steps.len()
    }

    /// The length as the reference counts it: each NOT and each NEIGHBORS adds one.
    pub(super) fn reference_length(&self) -> usize {
        let steps = self.steps.iter().map(|(op, a)| 1 + usize::from(*op == Op::AndNot) + usize::from(a.neighbors));
        1 + usize::from(self.first.neighbors) + steps.sum::<usize>()
    }

    /// The formula with its literals in the order of the chain.
    pub(super) fn formula(&self) -> Formula {
        let mut formula = Formula::Atom(self.first);
        for (op, atom) in &self.steps {
            formula = join(formula, *op, *atom);
        }
        formula
    }

    /// The formula with the literals of every run of one connective in canonical order. AND and AND NOT count as one
    /// connective. The first literal belongs to the first run; a later run stays behind what it is joined to.
    pub(super) fn ordered_formula(&self) -> Formula {
        let mut formula: Option<Formula> = None;
        let mut run: Vec<(bool, Atom)> = vec![(false, self.first)];
        let mut run_is_or = self.steps.first().is_some_and(|(op, _)| *op == Op::Or);
        let flush = |formula: Option<Formula>, run: &mut Vec<(bool, Atom)>, or: bool| {
            // Every plain literal comes before every negated one, as in the canonical order.
            run.sort_unstable();
            run.drain(..).fold(formula, |formula, (negated, atom)| {
                let op = if or {
                    Op::Or
                } else if negated {
                    Op::AndNot
                } else {
                    Op::And
                };
                Some(match formula {
                    None => Formula::Atom(atom),
                    Some(f) => join(f, op, atom),
                })
            })
        };
        for (op, atom) in &self.steps {
            if (*op == Op::Or) != run_is_or {
                formula = flush(formula, &mut run, run_is_or);
                run_is_or = *op == Op::Or;
            }
            run.push((*op == Op::AndNot, *atom));
        }
        flush(formula, &mut run, run_is_or).expect("a chain has a first literal")
    }
}

fn join(formula: Formula, op: Op, atom: Atom) -> Formula {
    let literal = Formula::Atom(atom);
    match op {
        Op::Or => formula.or(literal),
        Op::And => formula.and(literal),
        Op::AndNot => formula.and(literal.not()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::concept::{ConceptId, Vocabulary};

    fn chain(steps: &[(usize, u32)], first: u32) -> Chain {
        let steps = steps.iter().map(|(op, id)| (Op::ALL[*op], Atom::concept(ConceptId(*id)))).collect();
        Chain { first: Atom::concept(ConceptId(first)), steps }
    }

    #[test]
    fn runs_are_sorted_and_read_from_left_to_right() {
        let c = chain(&[(2, 1), (1, 3), (0, 9), (0, 2), (1, 5), (2, 4), (1, 0)], 7);
        let text = c.ordered_formula().display(&Vocabulary::default()).to_string();
        assert_eq!(
            text,
            "((((((3 AND 7) AND (NOT 1)) OR 2) OR 9) AND 0) AND 5) AND (NOT 4))".replacen("((((((", "(((((((", 1)
        );
        assert_eq!(
            c.formula().display(&Vocabulary::default()).to_string(),
            "(((((((7 AND (NOT 1)) AND 3) OR 9) OR 2) AND 5) AND (NOT 4)) AND 0)"
        );
    }

    proptest! {
        #[test]
        fn ordering_keeps_the_meaning_and_the_length(steps in proptest::collection::vec((0usize..3, 0u32..5), 0..7), first in 0u32..5) {
            let c = chain(&steps, first);
            let (plain, ordered) = (c.formula(), c.ordered_formula());
            prop_assert_eq!(plain.equivalent(&ordered), Some(true));
            prop_assert_eq!(ordered.length(), c.length());
            prop_assert_eq!(ordered.reference_length(), c.reference_length());
            prop_assert!(plain.canonical_cmp(&ordered).is_eq());
        }
    }
}
