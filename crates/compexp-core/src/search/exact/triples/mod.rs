//! The optimum over chains of three literals.
//!
//! The worth of a chain (see [`super::best`]) is a sum of the worths of its conjunctions. Only the worth of the
//! conjunction of all three literals is not in the tables of pairs. Every shape of a chain has a literal, or a pair,
//! that must overlap the unit enough if the chain is to reach the needed worth. The search runs over these *anchors*,
//! and over the other literals as far as bounds from the tables of pairs allow. The triples that are left over are
//! counted.
//!
//! With `gain(X)` for the [`Worth`] of the cells of X of positive worth, and T for the worth needed: as no set is worth
//! more than its gain, and the gain of a union is at most the sum of gains,
//!
//! | shape | anchor | must hold |
//! |---|---|---|
//! | (A AND B) AND C, (A AND B) AND NOT C | A AND B | gain(AB) >= T |
//! | (A AND NOT B) AND NOT C | A | gain(A) >= T |
//! | (A OR B) AND C | C | gain(C) >= T |
//! | (A OR B) OR C | the one of largest gain | gain >= T/3 |
//! | (A OR B) AND NOT C | A or B, the one of larger gain | gain >= T/2 |
//! | (A AND B) OR C | C, or A AND B | gain(C) >= T/2 or gain(AB) >= T/2 |
//! | (A AND NOT B) OR C | C, or A | gain(C) >= T/2 or gain(A) >= T/2 |
//!
//! Gains may be measured at an IoU below that of the cut. They are then larger, and still bounds.
//!
//! | module | holds |
//! |---|---|
//! | `tally` | the best chain so far; counts a triple unless its bounds rule it out |
//! | `around` | the triples that may matter around one anchor |
//! | `beside` | the literals beside an anchor, with their worth inside and outside of it |
//! | `sums` | the pairs of literals whose worths together reach the needed worth |

mod around;
mod beside;
mod sums;
mod tally;

use self::around::around;
use self::tally::Tally;
pub(super) use self::tally::{Decided, conjunctions};
use super::best::Best;
use super::pairs::Pairs;
use super::work::Work;
use super::worth::{Cut, Worth};

/// The result of a search.
pub(super) struct Outcome {
    pub(super) best: Best,
    pub(super) work: Work,
    /// No chain of up to three literals is worth more within the region, at the beta of the best.
    pub(super) most: f64,
}

/// Finds the best chain of three literals and the decided ones, within the region that the decided ones leave
/// undecided. `best` is the best chain of fewer literals, or a better one of the same number. Chains that are equal to
/// shorter ones may be skipped.
///
/// Chains within the region that are worth less than `floor` are ignored, for the result and for `most`.
pub(super) fn search(pairs: &Pairs<'_>, decided: Decided<'_>, best: Best, floor: f64) -> Outcome {
    let mut tally = Tally::new(pairs, decided, best, floor);
    let is_anchor = |c: usize, needed: f64| 3.0 * pairs.gains[c] >= needed;
    let needed = tally.cut().needed;
    let mut anchors: Vec<usize> =
        (0..pairs.areas.len()).filter(|c| pairs.areas[*c] > 0 && is_anchor(*c, needed)).collect();
    anchors.sort_by(|a, b| pairs.gains[*b].total_cmp(&pairs.gains[*a]).then(a.cmp(b)));
    let mut besides = Vec::new();
    for rank in 0..anchors.len() {
        let cut = tally.cut();
        if !is_anchor(anchors[rank], cut.needed) {
            break;
        }
        if may_matter(pairs, cut, &anchors, rank) {
            around(&mut tally, anchors[rank], &mut besides);
        }
    }
    let cut = tally.cut();
    let most = tally.most.max(cut.needed) + cut.rounding;
    Outcome { best: tally.best, work: tally.work, most }
}

/// Whether an anchor can matter, from its own worth and its overlap with others in a larger region.
fn may_matter(pairs: &Pairs<'_>, Cut { beta, needed, .. }: Cut, anchors: &[usize], rank: usize) -> bool {
    let anchor = anchors[rank];
    let worth = Worth::new(pairs.areas[anchor], pairs.both[anchor], pairs.gains[anchor], beta);
    // No literal after the anchors has as large a gain.
    let gain_of_rank = |rank: usize| anchors.get(rank).map_or(needed / 3.0, |c| pairs.gains[*c]);
    // Joined to two lower ones it adds at most its worth to their gains.
    if worth.gain >= needed || worth.net + gain_of_rank(rank + 1) + gain_of_rank(rank + 2) >= needed {
        return true;
    }
    // Beyond that, a literal may be taken from it and another be joined to it; or it is joined to what lies in it.
    let loss = beta * f64::from(pairs.shared_loss(anchor));
    let other = gain_of_rank(usize::from(rank == 0));
    2.0 * worth.gain >= needed
        && (worth.net + loss + other >= needed
            || pairs.gains(anchor).iter().zip(0..).any(|(gain, c)| c != anchor && 2.0 * gain >= needed))
}
