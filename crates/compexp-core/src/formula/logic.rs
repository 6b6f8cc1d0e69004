//! The meaning of formulas: equivalence and negation.

use super::tree::{Atom, Formula};

/// Truth tables are compared up to this many atoms: 2^20 rows.
const MAX_ATOMS: usize = 20;

/// The Boolean function of a formula: equal for two formulas if and only if they are equivalent
/// ([`Formula::equivalent`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Meaning {
    /// The atoms that matter, ascending.
    atoms: Vec<Atom>,
    /// The truth table over them; bit `i` of a row's number is atom `i`.
    table: Vec<u64>,
}

impl Formula {
    /// The formula's Boolean function; `None` if it has more than 20 atoms.
    pub fn meaning(&self) -> Option<Meaning> {
        let all = self.atoms();
        if all.len() > MAX_ATOMS {
            return None;
        }
        let truth =
            |atoms: &[Atom], row: u32| self.holds(&|a| atoms.binary_search(&a).is_ok_and(|i| row >> i & 1 == 1));
        // The value of an atom that does not matter may be anything.
        let matters = |i: &usize| (0..1 << all.len()).any(|row| truth(&all, row) != truth(&all, row ^ 1 << i));
        let atoms: Vec<Atom> = (0..all.len()).filter(matters).map(|i| all[i]).collect();
        let mut table = vec![0; (1_usize << atoms.len()).div_ceil(64)];
        for row in (0..1 << atoms.len()).filter(|row| truth(&atoms, *row)) {
            table[row as usize / 64] |= 1 << (row % 64);
        }
        Some(Meaning { atoms, table })
    }

    /// Whether both formulas are the same Boolean function of their atoms.
    ///
    /// A concept and its NEIGHBORS are independent atoms here. `None` if the two formulas have more than 20 atoms together,
    /// too many for a truth table.
    pub fn equivalent(&self, other: &Self) -> Option<bool> {
        let mut atoms = self.atoms();
        atoms.extend(other.atoms());
        atoms.sort_unstable();
        atoms.dedup();
        if atoms.len() > MAX_ATOMS {
            return None;
        }
        let agree = (0u32..1 << atoms.len()).all(|row| {
            let has = |atom| atoms.binary_search(&atom).is_ok_and(|i| row >> i & 1 == 1);
            self.holds(&has) == other.holds(&has)
        });
        Some(agree)
    }

    /// The simplest formula that is true exactly where this one is false: the one with the fewest NOTs among NOT in front and
    /// De Morgan's forms at every level.
    pub fn negation(&self) -> Self {
        self.clone().negated().0
    }

    /// A formula that is almost this one: the last literal that is joined by AND is negated, and what is joined after it by
    /// OR is removed. `None` if nothing is joined by AND.
    pub fn near_miss(&self) -> Option<Self> {
        match self {
            Self::Atom(_) | Self::Not(_) => None,
            Self::And(a, b) if b.length() == 1 => Some((**a).clone().and(b.negation())),
            Self::And(a, b) => b.near_miss().map(|b| (**a).clone().and(b)),
            Self::Or(a, b) => b.near_miss().or_else(|| a.near_miss()),
        }
    }

    /// The literals (atoms and negated atoms) from left to right. A NOT before a longer formula is ignored.
    pub fn literals(&self) -> Vec<&Self> {
        match self {
            Self::Not(f) if !matches!(**f, Self::Atom(_)) => f.literals(),
            Self::Atom(_) | Self::Not(_) => vec![self],
            Self::And(a, b) | Self::Or(a, b) => [a.literals(), b.literals()].concat(),
        }
    }

    /// The formula without the literal `index` (counted from 0 in [`Formula::literals`]), and that literal. `None` if there is
    /// no such literal, or no other one.
    pub fn without_literal(&self, index: usize) -> Option<(Self, Self)> {
        match self {
            Self::Atom(_) => None,
            Self::Not(f) => f.without_literal(index).map(|(rest, literal)| (rest.not(), literal)),
            Self::And(a, b) | Self::Or(a, b) => {
                let in_a = a.literals().len();
                let (side, other, index) = if index < in_a { (a, b, index) } else { (b, a, index - in_a) };
                let literals = side.literals();
                if literals.len() == 1 {
                    return literals.get(index).map(|literal| ((**other).clone(), (*literal).clone()));
                }
                let (rest, literal) = side.without_literal(index)?;
                let (a, b) = if std::ptr::eq(side, a) { (rest, (**b).clone()) } else { ((**a).clone(), rest) };
                let joined = if matches!(self, Self::And(..)) { a.and(b) } else { a.or(b) };
                Some((joined, literal))
            }
        }
    }

    /// Whether the first literal is not negated.
    pub(crate) fn begins_plain(&self) -> bool {
        match self {
            Self::Atom(_) => true,
            Self::Not(_) => false,
            Self::And(a, _) | Self::Or(a, _) => a.begins_plain(),
        }
    }

    /// The simplest negation and its number of NOTs.
    fn negated(self) -> (Self, usize) {
        let outside = 1 + self.nots();
        let inside = match self.clone() {
            Self::Atom(_) => return (self.not(), 1),
            Self::Not(f) => return (*f.clone(), f.nots()),
            Self::And(a, b) => {
                let ((a, n), (b, m)) = (a.negated(), b.negated());
                (a.or(b), n + m)
            }
            Self::Or(a, b) => {
                let ((a, n), (b, m)) = (a.negated(), b.negated());
                (a.and(b), n + m)
            }
        };
        if inside.1 <= outside { inside } else { (self.not(), outside) }
    }

    fn nots(&self) -> usize {
        match self {
            Self::Atom(_) => 0,
            Self::Not(f) => 1 + f.nots(),
            Self::And(a, b) | Self::Or(a, b) => a.nots() + b.nots(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::any_formula;
    use super::*;
    use crate::concept::ConceptId;

    fn c(id: u32) -> Formula {
        Formula::concept(ConceptId(id))
    }

    #[test]
    fn negations_are_short() {
        for (formula, expected) in [
            (c(1), c(1).not()),
            (c(1).not(), c(1)),
            (c(1).and(c(2)), c(1).and(c(2)).not()),
            (c(1).and(c(2).not()), c(1).not().or(c(2))),
            (c(1).not().or(c(2).not()), c(1).and(c(2))),
        ] {
            assert_eq!(formula.negation(), expected, "of {formula:?}");
        }
    }

    #[test]
    fn near_misses_turn_the_last_joined_literal() {
        for (formula, expected) in [
            (c(1), None),
            (c(1).or(c(2)), None),
            (c(1).and(c(2)), Some(c(1).and(c(2).not()))),
            (c(1).or(c(2)).and(c(3).not()), Some(c(1).or(c(2)).and(c(3)))),
            (c(1).and(c(2)).or(c(3)), Some(c(1).and(c(2).not()))),
        ] {
            assert_eq!(formula.near_miss(), expected, "of {formula:?}");
        }
    }

    #[test]
    fn a_literal_is_left_out_of_what_joins_it() {
        let f = c(1).or(c(2)).and(c(3).not());
        let rests: Vec<_> = (0..4).map(|i| f.without_literal(i)).collect();
        let expected = [
            Some((c(2).and(c(3).not()), c(1))),
            Some((c(1).and(c(3).not()), c(2))),
            Some((c(1).or(c(2)), c(3).not())),
            None,
        ];
        assert_eq!(rests, expected);
        assert_eq!((c(1).without_literal(0), c(1).not().without_literal(0)), (None, None));
        let g = c(1).and(c(2).or(c(3)).not());
        assert_eq!(g.without_literal(1), Some((c(1).and(c(3).not()), c(2))));
        assert_eq!(g.literals(), [&c(1), &c(2), &c(3)]);
    }

    #[test]
    fn too_many_atoms_are_not_decided() {
        let many = (1..21).fold(c(0), |f, i| f.or(c(i)));
        assert_eq!(many.equivalent(&many), None);
        assert_eq!(many.meaning(), None);
    }

    proptest! {
        #[test]
        fn de_morgan(a in any_formula(), b in any_formula()) {
            let left = a.clone().and(b.clone()).not();
            prop_assert_eq!(left.equivalent(&a.not().or(b.not())), Some(true));
        }

        #[test]
        fn distribution(a in any_formula(), b in any_formula(), d in any_formula()) {
            let left = a.clone().and(b.clone().or(d.clone()));
            prop_assert_eq!(left.equivalent(&a.clone().and(b).or(a.and(d))), Some(true));
        }

        #[test]
        fn negation_is_the_complement_and_never_longer(a in any_formula()) {
            let n = a.negation();
            prop_assert_eq!(n.equivalent(&a.clone().not()), Some(true));
            prop_assert_eq!(n.equivalent(&a), Some(false));
            prop_assert_eq!(n.length(), a.length());
            prop_assert!(n.nots() <= 1 + a.nots());
        }

        #[test]
        fn meanings_are_equal_where_formulas_are_equivalent(a in any_formula(), b in any_formula()) {
            prop_assert_eq!(Some(a.meaning() == b.meaning()), a.equivalent(&b));
            let more = a.clone().and(b.clone()).or(a.clone());
            prop_assert_eq!(more.meaning(), a.meaning(), "absorption");
        }

        #[test]
        fn every_literal_can_be_left_out_of_a_longer_formula(a in any_formula()) {
            let literals = a.literals();
            prop_assert_eq!(literals.len(), a.length());
            for (i, literal) in literals.iter().enumerate() {
                let Some((rest, out)) = a.without_literal(i) else {
                    prop_assert_eq!(literals.len(), 1);
                    continue;
                };
                prop_assert_eq!(&&out, literal);
                // A NOT before a group of literals becomes the sign of one that is left alone.
                let atoms = |literals: &[&Formula]| literals.iter().map(|l| l.atoms()).collect::<Vec<_>>();
                let mut left = literals.clone();
                left.remove(i);
                prop_assert_eq!(atoms(&rest.literals()), atoms(&left));
            }
        }

        #[test]
        fn equivalence_agrees_with_the_canonical_order(a in any_formula(), b in any_formula()) {
            if a.canonical_cmp(&b).is_eq() {
                prop_assert_eq!(a.equivalent(&b), Some(true));
            }
        }
    }
}
