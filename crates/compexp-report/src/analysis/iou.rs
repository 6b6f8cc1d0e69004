//! IoU by the greatest length allowed, and its distribution.

use compexp_core::explanation::{Explanation, Scored};
use compexp_trust::stats::Spread;
use serde::Serialize;

use super::Records;

/// The IoU of the explained units, were formulas of at most so many literals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LengthRow {
    /// The greatest number of literals.
    pub length: usize,
    /// How the IoU is spread over units.
    pub iou: Spread,
}

/// The IoU of all explained units for every greatest length from 1. A unit whose search ended early keeps its last formula.
pub fn by_length(records: &Records) -> Vec<LengthRow> {
    let ious = |length| records.explained().filter_map(move |(_, unit, _)| iou_at(unit, length));
    let row = |length| Some(LengthRow { length, iou: Spread::of(ious(length))? });
    (1..=records.lengths()).filter_map(row).collect()
}

/// The IoU of a unit's formula of at most `length` literals.
pub(super) fn iou_at(unit: &Explanation, length: usize) -> Option<f64> {
    Some(at_length(unit, length)?.iou)
}

/// A unit's formula of at most `length` literals.
pub(super) fn at_length(unit: &Explanation, length: usize) -> Option<&Scored> {
    unit.by_length.get(length - 1).or(unit.by_length.last())
}

/// A bin of IoU: `from <= IoU < to`, the last one with its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BinRow {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Units whose primitive is in it.
    pub primitive: usize,
    /// Units whose best formula is in it.
    pub best: usize,
}

/// The distribution of the explained units' IoU: bins of equal width from 0 to the first multiple of the width that is
/// not below the greatest IoU. The width is 0.01, 0.02 or 0.05, the least that makes at most 25 bins.
///
/// Of a run on the `untrained` network, which the bins then cover too, the number of best formulas in each comes with them.
pub fn distribution(records: &Records, untrained: Option<&Records>) -> (Vec<BinRow>, Option<Vec<usize>>) {
    let best = |run: &Records| run.explained().map(|(_, unit, _)| unit.iou).fold(0.0, f64::max);
    let most = untrained.map_or(0.0, best).max(best(records));
    // In hundredths, so that ends of bins are the decimal numbers that they are printed as.
    let width = [1, 2].into_iter().find(|width| most * 100.0 <= 25.0 * f64::from(*width)).unwrap_or(5);
    let n = ((most * 100.0 / f64::from(width)).ceil() as u32).max(1);
    let edge = |i: u32| f64::from(i * width) / 100.0;
    let mut rows: Vec<BinRow> =
        (0..n).map(|i| BinRow { from: edge(i), to: edge(i + 1), primitive: 0, best: 0 }).collect();
    let bin = |iou: f64| (1..n).take_while(|i| iou >= edge(*i)).count();
    for (_, unit, _) in records.explained() {
        rows[bin(unit.iou)].best += 1;
        if let Some(primitive) = &unit.primitive {
            rows[bin(primitive.iou)].primitive += 1;
        }
    }
    let before = untrained.map(|run| {
        let mut counts = vec![0; rows.len()];
        run.explained().for_each(|(_, unit, _)| counts[bin(unit.iou)] += 1);
        counts
    });
    (rows, before)
}

#[cfg(test)]
mod tests {
    use super::super::tests::records;
    use super::*;

    #[test]
    fn units_that_stop_early_keep_their_last_formula() {
        let run = records("a", &[("a", &[0.1, 0.2, 0.4], &[]), ("a", &[0.3], &[]), ("-", &[], &[])], &[], &[]);
        let rows = by_length(&run);
        let means: Vec<_> = rows.iter().map(|r| (r.length, r.iou.n, (r.iou.mean * 1e6).round() / 1e6)).collect();
        assert_eq!(means, [(1, 2, 0.2), (2, 2, 0.25), (3, 2, 0.35)]);
        assert_eq!((rows[2].iou.least, rows[2].iou.most), (0.3, 0.4));
    }

    #[test]
    fn every_unit_is_in_one_bin_of_each_kind() {
        let run =
            records("a", &[("a", &[0.0, 0.2], &[]), ("a", &[0.07, 0.29], &[]), ("a", &[0.08, 0.3], &[])], &[], &[]);
        let rows = distribution(&run, None).0;
        assert_eq!((rows.len(), rows[0].to, rows[14].from, rows[14].to), (15, 0.02, 0.28, 0.3));
        let filled = |of: fn(&BinRow) -> usize| -> Vec<_> {
            rows.iter().enumerate().filter(|(_, r)| of(r) > 0).map(|(i, r)| (i, of(r))).collect()
        };
        assert_eq!(filled(|r| r.primitive), [(0, 1), (3, 1), (4, 1)]);
        assert_eq!(filled(|r| r.best), [(10, 1), (14, 2)]);
        let whole = records("a", &[("a", &[1.0], &[])], &[], &[]);
        assert_eq!(distribution(&whole, None).0.last(), Some(&BinRow { from: 0.95, to: 1.0, primitive: 1, best: 1 }));
        assert_eq!(distribution(&records("a", &[], &[], &[]), None).0.len(), 1);
    }
}
