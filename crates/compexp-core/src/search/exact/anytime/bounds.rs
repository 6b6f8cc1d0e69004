//! The most that a chain with a given end can be worth.
//!
//! Let V(r, R) be the most that a chain of up to r literals can be worth within a region R. A node has made true
//! positions worth `v`, leaves R undecided, and has r literals left: the best chain below it is worth `v + V(r, R)`.
//! Bounds on V, with `net`, `gain` and `loss` of [`Worth`], which add up over disjoint regions:
//!
//! - V(r, R) <= gain(R): nothing is worth more than the cells of positive worth.
//! - V(1, R) = the greatest net(L) of any literal L within R.
//! - V(r, S) <= V(r, R) + loss(R without S) for S within R, since a chain that is worth w within S is worth at least
//!   `w - loss(R without S)` within R. R may be the region around S, the universe, or what the last decision alone leaves
//!   undecided, for which the search for chains of one literal less gave a bound.
//! - So, by its last literal X, a chain of r literals is worth at most `net(X) + V(r - 1, R without X)` by OR,
//!   `V(r - 1, R without X)` by AND NOT, and `V(r - 1, R and X)` by AND.
//!
//! Within the universe, V of shorter chains is known from their own searches: no chain of IoU up to u is worth more
//! than `u |U|`, as long as u is at most the IoU beta that is to be exceeded. Raising beta only lowers V, so that a
//! bound computed earlier stays valid.

use super::super::super::chain::Op;
use super::super::pairs::Pairs;
use super::super::worth::{Cut, Worth};
use super::node::{Decision, in_order};

/// For each column, bounds on V of some number of literals within the positions that lack it, and within those that
/// have it.
pub(crate) type Ends = Vec<[f64; 2]>;

/// The bounds of shorter chains.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    /// No chain of at most `k + 1` literals has an IoU above `shorter[k]`.
    pub(crate) shorter: &'a [f64],
    /// Entry `k` bounds chains of `k + 3` literals.
    pub(crate) ends: &'a [Ends],
}

/// The worth of a column, or of all positions, within a region.
pub(super) fn worth(pairs: &Pairs<'_>, column: Option<usize>, beta: f64) -> Worth {
    match column {
        Some(c) => Worth::new(pairs.areas[c], pairs.both[c], pairs.gains[c], beta),
        None => Worth::new(pairs.positions, pairs.inside, pairs.gain, beta),
    }
}

/// The positions that a list of decisions makes true, and the region that it leaves undecided.
pub(super) struct Level<'a, 'p> {
    pub(super) decisions: &'a [Decision],
    /// The undecided region.
    pub(super) within: &'a Pairs<'p>,
    /// The number of positions that the decisions made true.
    area: u64,
    /// The number of these positions where the unit fires.
    both: u64,
    /// `most[k]` bounds V(k + 1, `within`), for all numbers of literals below those left.
    most: Vec<f64>,
}

impl Level<'_, '_> {
    /// The positions made true by these decisions and another one: all, and those in the unit.
    pub(super) fn made_true(&self, (op, column): Decision) -> (u64, u64) {
        let more = |of: &[u32]| if op == Op::Or { of[usize::from(column)].into() } else { 0 };
        (self.area + more(&self.within.areas), self.both + more(&self.within.both))
    }
}

/// The bounds of a search for chains of `length` literals that must reach `cut`.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'a> {
    pub(super) universe: &'a Pairs<'a>,
    pub(super) length: usize,
    pub(super) known: Known<'a>,
    pub(super) cut: Cut,
}

impl Bounds<'_> {
    /// Calls `f` with the region that a list of decisions leaves.
    pub(super) fn at(&self, decisions: &[Decision], f: &mut dyn FnMut(&Level<'_, '_>)) {
        let most = self.most(self.universe, &[], self.length - 1);
        self.descend(Level { decisions: &[], within: self.universe, area: 0, both: 0, most }, decisions, f);
    }

    /// Continues from `level` to the end of `decisions`.
    fn descend(&self, level: Level<'_, '_>, decisions: &[Decision], f: &mut dyn FnMut(&Level<'_, '_>)) {
        let at = level.decisions.len();
        let Some((op, column)) = decisions.get(at).copied() else {
            return f(&level);
        };
        let beta = self.cut.beta;
        let (whole, literal) = (worth(level.within, None, beta), worth(level.within, Some(column.into()), beta));
        let inherit = |(k, most): (usize, &f64)| self.rest(whole, literal, (op, column.into()), k + 1, *most);
        let inherited: Vec<f64> = level.most.iter().enumerate().map(inherit).collect();
        let region = level.within.after(op, column.into());
        let most = self.most(&region, &inherited, self.length - at - 2);
        let (area, both) = level.made_true((op, column));
        self.descend(Level { decisions: &decisions[..=at], within: &region, area, both, most }, decisions, f);
    }

    /// The decisions that may come next, each with a bound on what a chain can be worth; `bound` holds for all of them.
    pub(super) fn children(&self, level: &Level<'_, '_>, bound: f64) -> Vec<(f64, Decision)> {
        let cut = self.cut;
        let made_true = level.both as f64 - cut.beta * (level.area - level.both) as f64;
        let whole = worth(level.within, None, cut.beta);
        let left = self.length - level.decisions.len() - 1;
        let shorter = level.most.last().copied().unwrap_or(0.0);
        let mut children = Vec::new();
        for c in 0..level.within.areas.len() {
            let area = u64::from(level.within.areas[c]);
            // A literal that is nowhere in the region, or everywhere, changes nothing: the chain equals a shorter one.
            if area == 0 || area == level.within.positions {
                continue;
            }
            let literal = worth(level.within, Some(c), cut.beta);
            for op in Op::ALL {
                if in_order(level.decisions.last(), (op, c as u16)) {
                    let bound = (made_true + self.after(whole, literal, (op, c), left, shorter)).min(bound);
                    if bound >= cut.needed {
                        children.push((bound, (op, c as u16)));
                    }
                }
            }
        }
        children
    }

    /// Bounds on V(k + 1) within a region for k below `n`; those `inherited` hold as well.
    fn most(&self, within: &Pairs<'_>, inherited: &[f64], n: usize) -> Vec<f64> {
        let beta = self.cut.beta;
        let (whole, columns) = (worth(within, None, beta), 0..within.areas.len());
        let mut most: Vec<f64> = Vec::with_capacity(n);
        for k in 0..n {
            let of = |c: usize| {
                let literal = worth(within, Some(c), beta);
                let Some(shorter) = most.last() else { return literal.net };
                let bounds = Op::ALL.map(|op| self.after(whole, literal, (op, c), k, *shorter));
                bounds.into_iter().fold(f64::NEG_INFINITY, f64::max)
            };
            let bound = columns.clone().filter(|c| within.areas[*c] > 0).map(of).fold(0.0, f64::max);
            // Chains of k + 1 literals include those of fewer.
            let mut bound = most.last().map_or(bound, |m| bound.max(*m)).min(whole.gain);
            if let Some(inherited) = inherited.get(k) {
                bound = bound.min(*inherited);
            } else if let Some(u) = self.known.shorter.get(k).filter(|u| **u <= beta) {
                // The region is the universe.
                bound = bound.min(u * self.universe.unit as f64);
            }
            most.push(bound);
        }
        most
    }

    /// The most that a chain can be worth within a region if its last decision is (`op`, `column`). `whole` and
    /// `literal` are the worths of the region and of the column within it; `shorter` bounds the chains of the `left`
    /// literals before it within the region.
    fn after(&self, whole: Worth, literal: Worth, decision: (Op, usize), left: usize, shorter: f64) -> f64 {
        let most = self.rest(whole, literal, decision, left, shorter);
        if decision.0 == Op::Or { literal.net + most } else { most }
    }

    /// The most that the literals before a decision can be worth within the region that it leaves.
    fn rest(&self, whole: Worth, literal: Worth, (op, column): (Op, usize), left: usize, shorter: f64) -> f64 {
        let rest = if op == Op::And { literal } else { whole.without(literal) };
        let most = rest.gain.min(shorter + whole.loss - rest.loss);
        let Some(ends) = self.known.ends.get(left.max(3) - 3) else { return most };
        let beta = self.cut.beta;
        let alone = worth(self.universe, Some(column), beta);
        let alone = if op == Op::And { alone } else { worth(self.universe, None, beta).without(alone) };
        most.min(ends[column][usize::from(op == Op::And)] + alone.loss - rest.loss)
    }
}
