//! Formulas: a plain tree as the compat modes build it, and the left-deep chain of literals of the default search.

use std::fmt;

use super::bits::Join;

/// A literal's concept, or its NEIGHBORS; ordered concepts first, then by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Literal {
    Concept(u32),
    Neighbors(u32),
}

/// A formula as it was put together.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Literal(Literal),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
}

impl Tree {
    pub(crate) fn join(self, join: Join, literal: Literal) -> Tree {
        let right = Tree::Literal(literal);
        match join {
            Join::Or => Tree::Or(self.into(), right.into()),
            Join::And => Tree::And(self.into(), right.into()),
            Join::AndNot => Tree::And(self.into(), Tree::Not(right.into()).into()),
        }
    }

    /// The reference's length: concepts, and one more for each NOT and NEIGHBORS.
    pub(crate) fn reported_length(&self) -> usize {
        match self {
            Tree::Literal(Literal::Concept(_)) => 1,
            Tree::Literal(Literal::Neighbors(_)) => 2,
            Tree::Not(inner) => 1 + inner.reported_length(),
            Tree::And(a, b) | Tree::Or(a, b) => a.reported_length() + b.reported_length(),
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Literal(Literal::Concept(id)) => write!(f, "{id}"),
            Tree::Literal(Literal::Neighbors(id)) => write!(f, "(NEIGHBORS {id})"),
            Tree::Not(inner) => write!(f, "(NOT {inner})"),
            Tree::And(a, b) => write!(f, "({a} AND {b})"),
            Tree::Or(a, b) => write!(f, "({a} OR {b})"),
        }
    }
}

/// A formula with runs of one operator flattened and sorted. The derived order is the canonical one: variants in the
/// order of their declaration, then their content, lists lexicographically with a prefix first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Canonical {
    Concept(u32),
    Neighbors(u32),
    Not(Box<Canonical>),
    And(Vec<Canonical>),
    Or(Vec<Canonical>),
}

impl Canonical {
    fn of(tree: &Tree) -> Canonical {
        match tree {
            Tree::Literal(Literal::Concept(id)) => Canonical::Concept(*id),
            Tree::Literal(Literal::Neighbors(id)) => Canonical::Neighbors(*id),
            Tree::Not(inner) => Canonical::Not(Canonical::of(inner).into()),
            Tree::And(a, b) => {
                let flatten = |part: &Tree| match Canonical::of(part) {
                    Canonical::And(parts) => parts,
                    other => vec![other],
                };
                let mut parts = [flatten(a), flatten(b)].concat();
                parts.sort();
                Canonical::And(parts)
            }
            Tree::Or(a, b) => {
                let flatten = |part: &Tree| match Canonical::of(part) {
                    Canonical::Or(parts) => parts,
                    other => vec![other],
                };
                let mut parts = [flatten(a), flatten(b)].concat();
                parts.sort();
                Canonical::Or(parts)
            }
        }
    }
}

/// A left-deep formula: a positive literal, then joins.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    first: Literal,
    rest: Vec<(Join, Literal)>,
}

impl Chain {
    pub(crate) fn new(first: Literal) -> Self {
        Chain { first, rest: Vec::new() }
    }

    pub(crate) fn join(&self, join: Join, literal: Literal) -> Self {
        let mut chain = self.clone();
        chain.rest.push((join, literal));
        chain
    }

    /// Number of literals.
    pub(crate) fn length(&self) -> usize {
        1 + self.rest.len()
    }

    /// What decides between formulas of equal score: length, then canonical order.
    pub(crate) fn key(&self) -> (usize, Canonical) {
        (self.length(), Canonical::of(&self.as_joined()))
    }

    /// The formula as printed: the literals of each run sorted, negated ones last.
    pub(crate) fn print(&self) -> String {
        let same_run = |a: &(Join, Literal), b: &(Join, Literal)| (a.0 == Join::Or) == (b.0 == Join::Or);
        let mut sorted: Vec<(Join, Literal)> = Vec::new();
        for (index, run) in self.rest.chunk_by(same_run).enumerate() {
            let mut run = run.to_vec();
            if index == 0 {
                let positive = if run[0].0 == Join::Or { Join::Or } else { Join::And };
                run.push((positive, self.first));
            }
            run.sort_by_key(|(join, literal)| (*join == Join::AndNot, *literal));
            sorted.extend(run);
        }
        let Some((_, first)) = sorted.first() else { return self.as_joined().to_string() };
        Chain { first: *first, rest: sorted[1..].to_vec() }.as_joined().to_string()
    }

    fn as_joined(&self) -> Tree {
        let join = |tree: Tree, (join, literal): &(Join, Literal)| tree.join(*join, *literal);
        self.rest.iter().fold(Tree::Literal(self.first), join)
    }
}
