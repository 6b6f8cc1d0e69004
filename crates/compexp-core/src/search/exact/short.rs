//! The optimum over chains of one and of two literals.

use std::cmp::Reverse;

use super::super::chain::{Chain, Op};
use super::super::result::Found;
use super::best::{Best, Goal};
use super::pairs::Pairs;
use super::work::Work;
use crate::formula::Formula;

/// The best literal; `start` is one of them.
pub(super) fn one(pairs: &Pairs<'_>, start: &Found, goal: Goal) -> Best {
    let mut best = Best::new(start.formula.clone(), start.counts, goal);
    for (column, atom) in pairs.partition.columns().iter().enumerate() {
        let counts = pairs.counts(pairs.areas[column].into(), pairs.both[column].into());
        best.offer(counts, 1, || Formula::Atom(*atom));
    }
    best
}

/// The best chain of at most two literals; `best` is that of one.
pub(super) fn two(pairs: &Pairs<'_>, best: &mut Best, work: &mut Work) {
    let partition = pairs.partition;
    let (columns, positions) = (partition.columns(), partition.n_positions());
    let mut order: Vec<usize> = (0..columns.len()).filter(|c| pairs.both[*c] > 0).collect();
    order.sort_by_key(|c| (Reverse(pairs.both[*c]), *c));
    for (rank, a) in order.iter().enumerate() {
        // The literal of a pair with more hits has at least half of the hits that a formula needs.
        if 2.0 * f64::from(pairs.both[*a]) < best.fewest_hits(2, positions) {
            break;
        }
        let (all, unit) = (partition.cooccurrence(*a), pairs.both(*a));
        let (area_a, both_a) = (i64::from(partition.area(*a)), i64::from(pairs.both[*a]));
        // A literal without hits comes after all others, and may still be subtracted.
        let rest = (0..columns.len()).filter(|c| pairs.both[*c] == 0 && pairs.areas[*c] > 0);
        for b in order[rank + 1..].iter().copied().chain(rest) {
            work.pairs += 1;
            let (area_b, both_b) = (i64::from(partition.area(b)), i64::from(pairs.both[b]));
            let (area, both) = (i64::from(all[b]), i64::from(unit[b]));
            let mut offer = |op: Op, [x, y]: [usize; 2], formula: i64, both: i64| {
                best.offer(pairs.counts(formula as u64, both as u64), 2, || {
                    Chain::literal(columns[x]).extended(op, columns[y]).ordered_formula()
                });
            };
            offer(Op::And, [*a, b], area, both);
            offer(Op::Or, [*a, b], area_a + area_b - area, both_a + both_b - both);
            offer(Op::AndNot, [*a, b], area_a - area, both_a - both);
            offer(Op::AndNot, [b, *a], area_b - area, both_b - both);
        }
    }
}
