//! The tree of a formula, its length and its canonical order.

use std::cmp::Ordering;

use crate::concept::ConceptId;
use crate::probe::Neighbors;

/// A concept, or NEIGHBORS of a concept: what a formula is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Atom {
    /// Whether the concept's neighbours count as well.
    ///
    /// This field comes first, so that the derived order puts every concept before every NEIGHBORS.
    pub neighbors: bool,
    /// The concept.
    pub concept: ConceptId,
}

impl Atom {
    /// The concept itself.
    pub fn concept(id: ConceptId) -> Self {
        Self { neighbors: false, concept: id }
    }

    /// The concept or any of its neighbours.
    pub fn neighbors(id: ConceptId) -> Self {
        Self { neighbors: true, concept: id }
    }

    /// The concepts that make the atom true: it is true where any of them is annotated. NEIGHBORS of a concept is true for
    /// the concept itself and for those that `neighbors` lists for it.
    pub fn any_of(self, neighbors: &Neighbors) -> impl Iterator<Item = ConceptId> {
        let listed = neighbors.get(&self.concept).filter(|_| self.neighbors);
        std::iter::once(self.concept).chain(listed.into_iter().flatten().copied())
    }

    /// Whether the atom is true where exactly the concepts for which `has` answers true are annotated.
    pub fn holds(self, neighbors: &Neighbors, has: impl Fn(ConceptId) -> bool) -> bool {
        self.any_of(neighbors).any(has)
    }
}

/// A logical formula over concepts.
///
/// Three comparisons: `==` and hashing compare the trees; [`Formula::canonical_cmp`] treats AND and OR as commutative and
/// associative; [`Formula::equivalent`] compares the Boolean functions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Formula {
    /// True where the concept is annotated, or with `neighbors` where it or one of its neighbours is.
    Atom(Atom),
    /// True where the operand is false.
    Not(Box<Formula>),
    /// True where both operands are true.
    And(Box<Formula>, Box<Formula>),
    /// True where at least one of the operands is true.
    Or(Box<Formula>, Box<Formula>),
}

impl Formula {
    /// The formula of one concept.
    pub fn concept(id: ConceptId) -> Self {
        Self::Atom(Atom::concept(id))
    }

    /// `self AND other`.
    pub fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    /// `self OR other`.
    pub fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    /// `NOT self`, not simplified; [`Formula::negation`] gives the simplest form.
    #[allow(clippy::should_implement_trait, reason = "reads as the connectives beside it do")]
    pub fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    /// The number of literals.
    pub fn length(&self) -> usize {
        match self {
            Self::Atom(_) => 1,
            Self::Not(f) => f.length(),
            Self::And(a, b) | Self::Or(a, b) => a.length() + b.length(),
        }
    }

    /// The length as the reference implementation counts it: each NOT and each NEIGHBORS adds one.
    pub fn reference_length(&self) -> usize {
        match self {
            Self::Atom(atom) => 1 + usize::from(atom.neighbors),
            Self::Not(f) => 1 + f.reference_length(),
            Self::And(a, b) | Self::Or(a, b) => a.reference_length() + b.reference_length(),
        }
    }

    /// Whether the formula is true where exactly the atoms are true for which `has` answers true.
    pub fn holds(&self, has: &impl Fn(Atom) -> bool) -> bool {
        match self {
            Self::Atom(atom) => has(*atom),
            Self::Not(f) => !f.holds(has),
            Self::And(a, b) => a.holds(has) && b.holds(has),
            Self::Or(a, b) => a.holds(has) || b.holds(has),
        }
    }

    /// Whether the formula is true where exactly the concepts for which `has` answers true are annotated.
    pub fn holds_with(&self, neighbors: &Neighbors, has: impl Fn(ConceptId) -> bool) -> bool {
        self.holds(&|atom: Atom| atom.holds(neighbors, &has))
    }

    /// The distinct atoms, in ascending order.
    pub fn atoms(&self) -> Vec<Atom> {
        let mut atoms = Vec::new();
        self.for_each_atom(&mut |a| atoms.push(a));
        atoms.sort_unstable();
        atoms.dedup();
        atoms
    }

    fn for_each_atom(&self, f: &mut impl FnMut(Atom)) {
        match self {
            Self::Atom(atom) => f(*atom),
            Self::Not(inner) => inner.for_each_atom(f),
            Self::And(a, b) | Self::Or(a, b) => {
                a.for_each_atom(f);
                b.for_each_atom(f);
            }
        }
    }

    /// Canonical order: concept < NEIGHBORS < NOT < AND < OR; concepts by id. A run of one connective, like `A AND B AND C`,
    /// counts as the sorted list of its operands; lists are compared item by item.
    pub fn canonical_cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Atom(a), Self::Atom(b)) => a.cmp(b),
            (Self::Not(a), Self::Not(b)) => a.canonical_cmp(b),
            (Self::And(..), Self::And(..)) | (Self::Or(..), Self::Or(..)) => {
                let (a, b) = (self.sorted_operands(), other.sorted_operands());
                let differing = a.iter().zip(&b).map(|(x, y)| x.canonical_cmp(y)).find(|o| o.is_ne());
                differing.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }

    /// The operands of a run of one connective, in canonical order; the formula itself for the other kinds.
    pub fn sorted_operands(&self) -> Vec<&Self> {
        let mut operands = Vec::new();
        self.collect_operands(self.rank(), &mut operands);
        operands.sort_by(|a, b| a.canonical_cmp(b));
        operands
    }

    fn collect_operands<'a>(&'a self, rank: u8, operands: &mut Vec<&'a Self>) {
        match self {
            Self::And(a, b) | Self::Or(a, b) if self.rank() == rank => {
                a.collect_operands(rank, operands);
                b.collect_operands(rank, operands);
            }
            _ => operands.push(self),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Atom(a) => u8::from(a.neighbors),
            Self::Not(_) => 2,
            Self::And(..) => 3,
            Self::Or(..) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::arbitrary::any_formula;
    use super::*;

    fn c(id: u32) -> Formula {
        Formula::concept(ConceptId(id))
    }

    #[test]
    fn lengths_count_literals_and_the_reference_counts_signs_too() {
        let f = c(1).and(c(2).not());
        assert_eq!((f.length(), f.reference_length()), (2, 3));
        let g = Formula::Atom(Atom::neighbors(ConceptId(1)));
        assert_eq!((g.length(), g.reference_length()), (1, 2));
    }

    #[test]
    fn canonical_order_is_by_kind_then_operands() {
        let neighbors = Formula::Atom(Atom::neighbors(ConceptId(0)));
        let ascending = [
            c(1),
            c(2),
            neighbors,
            c(0).not(),
            c(0).and(c(1)),
            c(2).and(c(0)).and(c(1)),
            c(0).and(c(2)),
            c(0).or(c(1)),
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(a.canonical_cmp(b), i.cmp(&j), "{a:?} against {b:?}");
            }
        }
    }

    #[test]
    fn neighbors_of_a_concept_are_true_where_it_or_a_listed_one_is() {
        let listed = Neighbors::from([(ConceptId(1), vec![ConceptId(4), ConceptId(2)])]);
        let near = |id| Atom::neighbors(ConceptId(id));
        let holds = |atom: Atom, there: u32| atom.holds(&listed, |id| id.0 == there);
        assert_eq!([1, 2, 3, 4].map(|there| holds(near(1), there)), [true, true, false, true]);
        assert_eq!([1, 2, 3, 4].map(|there| holds(Atom::concept(ConceptId(1)), there)), [true, false, false, false]);
        assert_eq!([1, 2].map(|there| holds(near(2), there)), [false, true], "a concept without neighbours");
        let formula = Formula::Atom(near(1)).and(c(2).not());
        assert!(formula.holds_with(&listed, |id| id.0 == 4) && !formula.holds_with(&listed, |id| id.0 == 2));
    }

    proptest! {
        #[test]
        fn canonical_order_ignores_the_order_of_operands(a in any_formula(), b in any_formula(), d in any_formula()) {
            let left = a.clone().and(b.clone()).and(d.clone());
            let right = d.clone().and(b.clone().and(a.clone()));
            prop_assert_eq!(left.canonical_cmp(&right), Ordering::Equal);
            prop_assert_eq!(a.clone().or(b.clone()).canonical_cmp(&b.or(a)), Ordering::Equal);
        }

        #[test]
        fn canonical_order_is_antisymmetric_and_transitive(a in any_formula(), b in any_formula(), d in any_formula()) {
            prop_assert_eq!(a.canonical_cmp(&b), b.canonical_cmp(&a).reverse());
            if a.canonical_cmp(&b).is_le() && b.canonical_cmp(&d).is_le() {
                prop_assert!(a.canonical_cmp(&d).is_le());
            }
        }
    }
}
