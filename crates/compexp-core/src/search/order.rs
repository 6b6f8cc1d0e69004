//! The order of candidates: which of two formulas for a unit is better, and how ties are broken.
//!
//! The higher score comes first, compared exactly. Of equal scores, the formula with fewer literals comes first, and of
//! these the first in canonical order ([`Formula::canonical_cmp`]). The default beam and the exact search both follow
//! it. The reference's search does not: there the formula inserted first wins a tie (`compat`).

use std::cmp::Ordering;

use super::config::SearchConfig;
use crate::formula::Formula;
use crate::score::{Counts, Metric};

/// The numbers of a formula that decide its rank; the formula itself breaks ties.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) counts: Counts,
    /// The number of literals.
    pub(super) length: usize,
}

/// How a search ranks formulas: by a metric times a penalty for each literal after the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    metric: Metric,
    penalty: f64,
}

impl Order {
    /// The order by a metric alone.
    pub(super) const fn by(metric: Metric) -> Self {
        Self { metric, penalty: 1.0 }
    }

    /// The order that a search's settings ask for.
    pub(super) fn of(config: &SearchConfig) -> Self {
        Self { metric: config.metric, penalty: config.penalty }
    }

    /// The score of a formula: the metric times the penalty. An MCC below 0 is divided by it, so that no formula gains by
    /// its length.
    pub(super) fn score(self, of: Standing) -> f64 {
        let (value, penalty) = (self.metric.of(of.counts), self.penalty(of.length));
        if value < 0.0 { value / penalty } else { value * penalty }
    }

    /// What the metric of a formula of so many literals must be for a score.
    pub(super) fn metric_for(self, score: f64, length: usize) -> f64 {
        let penalty = self.penalty(length);
        if score < 0.0 { score * penalty } else { score / penalty }
    }

    fn penalty(self, length: usize) -> f64 {
        self.penalty.powf((length - 1) as f64)
    }

    /// Compares two formulas by score alone; `Less` if `a` is better.
    #[inline(always)]
    pub(super) fn by_score(self, a: Standing, b: Standing) -> Ordering {
        if self.penalty == 1.0 {
            self.metric.compare(b.counts, a.counts)
        } else {
            self.score(b).total_cmp(&self.score(a))
        }
    }

    /// Compares two formulas; `Less` if `a` is better. The formulas themselves are only computed if everything else is
    /// equal.
    #[inline(always)]
    pub(super) fn cmp<'f>(self, a: Standing, b: Standing, formulas: impl FnOnce() -> [&'f Formula; 2]) -> Ordering {
        self.by_score(a, b).then(a.length.cmp(&b.length)).then_with(|| {
            let [a, b] = formulas();
            a.canonical_cmp(b)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::concept::ConceptId;

    /// Counts with an IoU of 1/2, and of 1/4, with this number of literals.
    fn half(length: usize) -> Standing {
        Standing { counts: Counts { universe: 9, formula: 4, unit: 5, both: 3 }, length }
    }

    fn quarter(length: usize) -> Standing {
        Standing { counts: Counts { universe: 9, formula: 5, unit: 5, both: 2 }, length }
    }

    #[test]
    fn score_decides_before_length_and_length_before_the_canonical_order() {
        let [first, second] = [1, 2].map(|id| Formula::concept(ConceptId(id)));
        assert_eq!(Order::by(Metric::Iou).cmp(half(3), quarter(1), || [&second, &first]), Ordering::Less);
        assert_eq!(Order::by(Metric::Iou).cmp(half(3), half(2), || [&first, &second]), Ordering::Greater);
        assert_eq!(Order::by(Metric::Iou).cmp(half(2), half(2), || [&first, &second]), Ordering::Less);
        assert_eq!(Order::by(Metric::Iou).cmp(half(2), half(2), || [&first, &first]), Ordering::Equal);
    }

    #[test]
    fn a_penalty_can_put_a_shorter_formula_of_lower_iou_first() {
        let order = Order { metric: Metric::Iou, penalty: 0.4 };
        assert_eq!(order.by_score(half(1), quarter(1)), Ordering::Less);
        assert_eq!(order.by_score(half(2), quarter(1)), Ordering::Greater, "0.2 is below 0.25");
        assert_eq!(order.score(half(2)), 0.5 * 0.4);
    }
}
