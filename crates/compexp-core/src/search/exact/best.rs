//! The best formula so far, and the worth that a formula needs to be better.
//!
//! A formula with `in` positions in the unit U and `out` outside it has the IoU `in / (|U| + out)`, which reaches `beta`
//! exactly if `in - beta * out >= beta * |U|`. The left side is the formula's *worth*. It is a sum over positions: it adds
//! up over disjoint masks, and inclusion and exclusion hold for it. All bounds of the exact search are bounds on worth. A search
//! by MCC has a condition of the same form for each [`Band`] of areas.

use std::cell::LazyCell;
use std::cmp::Ordering;

use super::super::order::{Order, Standing};
use super::super::result::Found;
use super::band::{Band, fewest_hits};
use super::worth::Cut;
use crate::formula::Formula;
use crate::score::{Counts, Metric};

/// What the exact search maximises.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// The IoU.
    Iou,
    /// The MCC; what a search rules out is of the band.
    Mcc(Band),
}

/// A formula with its counts.
#[derive(Clone, Debug)]
pub(super) struct Best {
    pub(super) formula: Formula,
    pub(super) counts: Counts,
    length: usize,
    goal: Goal,
}

impl Best {
    pub(super) fn new(formula: Formula, counts: Counts, goal: Goal) -> Self {
        Self { length: formula.length(), formula, counts, goal }
    }

    /// The same with another goal.
    pub(super) fn with_goal(self, goal: Goal) -> Self {
        Self { goal, ..self }
    }

    /// IoU or MCC.
    #[inline(always)]
    pub(super) fn metric(&self) -> Metric {
        match self.goal {
            Goal::Iou => Metric::Iou,
            Goal::Mcc(_) => Metric::Mcc,
        }
    }

    /// The highest score so far: IoU or MCC.
    pub(super) fn score(&self) -> f64 {
        self.metric().of(self.counts)
    }

    /// Takes over a formula of these counts and so many literals if it is better. Formulas without a hit never are, nor is
    /// one that is true everywhere.
    #[inline]
    pub(super) fn offer(&mut self, counts: Counts, length: usize, formula: impl FnOnce() -> Formula) {
        let offered = Standing { counts, length };
        // Nearly all of the millions of offers end here, so this must cost no more than the comparison.
        if counts.both > 0 && Order::by(self.metric()).by_score(offered, self.standing()).is_le() {
            self.take_if_better(offered, formula);
        }
    }

    #[inline(never)]
    fn take_if_better(&mut self, offered: Standing, formula: impl FnOnce() -> Formula) {
        if offered.counts.is_constant() {
            return;
        }
        let formula = LazyCell::new(formula);
        if Order::by(self.metric()).cmp(offered, self.standing(), || [&formula, &self.formula]).is_lt() {
            let Standing { counts, length } = offered;
            *self = Self { formula: formula.clone(), counts, length, goal: self.goal };
        }
    }

    /// Whether a formula of `length` literals may take this one's place that has at most `both` positions in the unit, and
    /// at least `out` outside it. For an IoU the worth decides this; for an MCC it leaves a little.
    #[inline(always)]
    pub(super) fn may_lose_to(&self, both: i64, out: i64, length: usize) -> bool {
        let Goal::Mcc(_) = self.goal else { return true };
        let both = (both.max(0) as u64).min(self.counts.unit);
        let offered = Counts { formula: both + out.max(0) as u64, both, ..self.counts };
        match Metric::Mcc.compare(offered, self.counts) {
            Ordering::Less => false,
            Ordering::Equal => length <= self.length,
            Ordering::Greater => true,
        }
    }

    /// No better formula of `length` literals has fewer hits.
    pub(super) fn fewest_hits(&self, length: usize, positions: u64) -> f64 {
        match self.goal {
            Goal::Iou => self.cut(length, positions).needed,
            Goal::Mcc(_) => fewest_hits(self.counts),
        }
    }

    fn standing(&self) -> Standing {
        Standing { counts: self.counts, length: self.length }
    }

    /// Offers the result of another search.
    pub(super) fn offer_found(&mut self, found: &Found) {
        self.offer(found.counts, found.formula.length(), || found.formula.clone());
    }

    pub(super) fn found(&self, metric: Metric) -> Found {
        let iou = Metric::Iou.of(self.counts);
        Found { formula: self.formula.clone(), counts: self.counts, iou, score: metric.of(self.counts) }
    }

    /// The worth that a formula of `length` literals needs to replace this one, in a universe of `positions`.
    pub(super) fn cut(&self, length: usize, positions: u64) -> Cut {
        if let Goal::Mcc(band) = self.goal {
            return band.cut(self.counts);
        }
        let (best, union) = (self.counts.both as f64, self.counts.union() as f64);
        let (beta, unit) = (best / union, self.counts.unit as f64);
        // A sum of counts below `unit` and of products with beta below `beta * positions` has this much rounding at most.
        let rounding = 4e-15 * (unit + beta * positions as f64);
        // A longer one must be better: in whole numbers, union * (in - beta * out) exceeds both * unit by at least 1.
        let more = if length > self.length { 1.0 / union } else { 0.0 };
        Cut { beta, needed: beta * unit + more - rounding, rounding }
    }
}
