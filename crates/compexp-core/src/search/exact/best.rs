//! The best formula so far, and what a formula must reach to matter.

use std::cmp::Ordering;

use super::super::Found;
use crate::formula::Formula;
use crate::score::{Counts, Metric};

/// A formula with its counts.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) formula: Formula,
    pub(super) counts: Counts,
    length: usize,
}

impl Best {
    pub(super) fn new(formula: Formula, counts: Counts) -> Self {
        Self { length: formula.length(), formula, counts }
    }

    /// Takes a formula's place if that is better: by IoU, then by length, then canonically. Whether it was.
    pub(super) fn offer(&mut self, counts: Counts, length: usize, formula: impl FnOnce() -> Formula) -> bool {
        if counts.both == 0 {
            return false;
        }
        let by_score = Metric::Iou.compare(counts, self.counts).then(self.length.cmp(&length));
        if by_score == Ordering::Less {
            return false;
        }
        let formula = formula();
        if by_score == Ordering::Equal && formula.canonical_cmp(&self.formula).is_ge() {
            return false;
        }
        *self = Self { formula, counts, length };
        true
    }

    pub(super) fn found(&self, metric: Metric) -> Found {
        Found {
            formula: self.formula.clone(),
            counts: self.counts,
            iou: Metric::Iou.of(self.counts),
            score: metric.of(self.counts),
        }
    }

    /// What a formula of `length` literals must reach to take this one's place, in a universe of `positions`.
    pub(super) fn cut(&self, length: usize, positions: u64) -> Cut {
        let (best, union) = (self.counts.both as f64, self.counts.union() as f64);
        let (beta, unit) = (best / union, self.counts.unit as f64);
        // A sum of counts below `unit` and of products with beta below `beta * positions` has this much rounding at most.
        let rounding = 4e-15 * (unit + beta * positions as f64);
        // A longer one must be better: in whole numbers, union * (in - beta * out) exceeds both * unit by at least 1.
        let more = if length > self.length { 1.0 / union } else { 0.0 };
        Cut { beta, theta: beta * unit + more - rounding, rounding }
    }
}

/// The linear form of being better than a formula of IoU `beta`.
///
/// Of F with `in` positions in the unit and `out` outside it, IoU is in / (|U| + out), so that it reaches `beta` just
/// where `in - beta * out >= beta * |U|`. The left side, the *worth* of F, is a sum over positions: it adds up over
/// disjoint masks, and inclusion and exclusion hold for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) beta: f64,
    /// The worth asked for, with room for rounding.
    pub(super) theta: f64,
    /// That room.
    pub(super) rounding: f64,
}

/// The worth of some positions, and what it is made of: sums over cells, of which p and n are never negative.
#[derive(Clone, Copy)]
pub(super) struct Worth {
    /// The worth.
    pub(super) g: f64,
    /// That of the cells that are worth more than nothing.
    pub(super) p: f64,
    /// What the others take away: `p - g`.
    pub(super) n: f64,
}

impl Worth {
    /// Of so many positions, `both` of them in the unit; `p` may be that of a lower beta, which is greater.
    pub(super) fn new(all: impl Into<u64>, both: impl Into<u64>, p: f64, beta: f64) -> Self {
        let (all, both) = (all.into(), both.into());
        let g = both as f64 - beta * (all - both) as f64;
        Self { g, p, n: p - g }
    }

    /// What a part leaves.
    pub(super) fn without(self, part: Self) -> Self {
        Self { g: self.g - part.g, p: self.p - part.p, n: self.n - part.n }
    }
}
