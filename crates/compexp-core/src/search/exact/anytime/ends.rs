//! Bounds for the part of the universe that the last decision of a chain leaves.

use super::super::super::chain::Op;
use super::super::best::Best;
use super::super::pairs::Pairs;
use super::super::triples::{self, Decided};
use super::super::work::Work;
use super::bounds::{Ends, worth};
use super::limits::Limits;

/// Bounds for chains of `r - 1` literals, given that no chain of r literals is worth more than `most`: a chain that is
/// worth V within the positions without a literal is worth the same with `AND NOT` that literal, and with `OR` it is
/// worth the literal's own worth more.
pub(super) fn from_bound(pairs: &Pairs<'_>, most: f64, beta: f64) -> Ends {
    (0..pairs.both.len()).map(|c| [most - worth(pairs, Some(c), beta).net.max(0.0), most]).collect()
}

/// Bounds for chains of three literals within what each literal, or its absence, leaves of the universe: from a search
/// there as far as time allows, otherwise the `known` bounds. `three` is the IoU of the best chain of three literals. A
/// better chain that is found becomes `best`, so no bound was measured at a beta above its own.
pub(crate) fn ends_of_three(
    pairs: &Pairs<'_>,
    best: &mut Best,
    three: f64,
    known: &Ends,
    limits: Limits,
    work: &mut Work,
) -> Ends {
    let mut end = |column: usize, op: Op, known: f64| {
        if pairs.areas[column] == 0 || limits.time_is_up() {
            return known;
        }
        let decided = Decided { literals: &[(op, column as u16)], area: 0, both: 0 };
        // Chains that are worth no more than the best of three in the universe need not be distinguished. The chains of
        // one and two literals are among them: with the decision they are chains of two and three in the universe.
        let floor = three * pairs.unit as f64;
        let outcome = triples::search(&pairs.after(op, column), decided, best.clone(), floor);
        *best = outcome.best;
        work.add(outcome.work);
        outcome.most.min(known)
    };
    let known = known.iter().enumerate();
    known.map(|(c, [without, with])| [end(c, Op::AndNot, *without), end(c, Op::And, *with)]).collect()
}
