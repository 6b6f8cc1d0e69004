//! The ends of chains, and the order in which they are opened.

use std::cmp::Ordering;

use super::super::super::chain::Op;

/// How a literal, by its column, is joined to those before it.
pub(super) type Decision = (Op, u16);

/// A list of decisions, the last literal of the chain first, and the most that a chain ending in it can be worth.
pub(super) struct Node {
    pub(super) bound: f64,
    pub(super) decisions: Box<[Decision]>,
}

impl Node {
    /// The list with one more decision.
    pub(super) fn longer(&self, bound: f64, next: Decision) -> Self {
        Self { bound, decisions: self.decisions.iter().copied().chain([next]).collect() }
    }
}

impl Ord for Node {
    /// By bound; then by length, as a longer list is nearer to a result; then in an order that makes runs repeat.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |n: &Self| n.decisions.iter().map(|(op, c)| (*op as u8, *c)).collect::<Vec<_>>();
        let by_bound = self.bound.total_cmp(&other.bound);
        by_bound.then(self.decisions.len().cmp(&other.decisions.len())).then_with(|| key(other).cmp(&key(self)))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Node {}

/// Whether a decision may follow another. Neighbouring ORs commute, and so do AND and AND NOT: one order of each is enough.
pub(super) fn in_order(last: Option<&Decision>, next: Decision) -> bool {
    let Some(last) = last else { return true };
    if (last.0 == Op::Or) != (next.0 == Op::Or) {
        return true;
    }
    (last.1, last.0 as u8) < (next.1, next.0 as u8)
}
