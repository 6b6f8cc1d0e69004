//! The literals beside an anchor, with their worth inside and outside of it.

use super::super::pairs::Pairs;
use super::super::worth::Worth;

/// A literal L beside an anchor M.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    pub(super) column: usize,
    /// The worth of the positions of L inside of M.
    pub(super) shared: Worth,
    /// The worth of the positions of L outside of M.
    pub(super) alone: Worth,
    /// Whether L shares a position with M.
    pub(super) meets: bool,
    /// Whether L has a position of the unit outside of M.
    pub(super) adds: bool,
    /// Whether L comes after M in the order of anchors: of a smaller gain, or an equal one and a greater column.
    pub(super) lower: bool,
}

/// Fills `besides` with all literals beside an anchor that occur in the region.
pub(super) fn collect(pairs: &Pairs<'_>, anchor: usize, beta: f64, besides: &mut Vec<Beside>) {
    let (all, both, gains) = (pairs.all(anchor), pairs.both(anchor), pairs.gains(anchor));
    besides.clear();
    for c in (0..pairs.areas.len()).filter(|c| *c != anchor && pairs.areas[*c] > 0) {
        let (all_alone, unit_alone) = (pairs.areas[c] - all[c], pairs.both[c] - both[c]);
        besides.push(Beside {
            column: c,
            shared: Worth::new(all[c], both[c], gains[c], beta),
            alone: Worth::new(all_alone, unit_alone, pairs.gains[c] - gains[c], beta),
            meets: all[c] > 0,
            adds: unit_alone > 0,
            lower: pairs.gains[anchor].total_cmp(&pairs.gains[c]).then(c.cmp(&anchor)).is_gt(),
        });
    }
}

/// The greatest values that any of the literals beside an anchor has. If these do not reach the needed worth, no list
/// of literals is made.
#[derive(Clone, Copy)]
pub(super) struct Greatest {
    /// Net worth and gain without the anchor, of those that may be joined to it: that are lower and add to the unit.
    pub(super) joined: f64,
    pub(super) joined_gain: f64,
    /// Net worth without the anchor, of all.
    pub(super) alone: f64,
    /// Gain without the anchor, of those that add to the unit.
    pub(super) alone_gain: f64,
    /// Net worth and gain within the anchor.
    pub(super) kept: f64,
    pub(super) kept_gain: f64,
    /// The worth that subtracting the literal from the anchor adds: at least the negative of the net worth, at most the
    /// loss.
    pub(super) taken: f64,
    pub(super) taken_loss: f64,
}

impl Greatest {
    pub(super) fn of(besides: &[Beside]) -> Self {
        let least = f64::NEG_INFINITY;
        let mut greatest = Self {
            joined: least,
            joined_gain: least,
            alone: least,
            alone_gain: least,
            kept: least,
            kept_gain: least,
            taken: least,
            taken_loss: least,
        };
        let raise = |value: &mut f64, to: f64| *value = value.max(to);
        for Beside { shared, alone, meets, adds, lower, .. } in besides {
            raise(&mut greatest.alone, alone.net);
            if *adds {
                raise(&mut greatest.alone_gain, alone.gain);
            }
            if *adds && *lower {
                raise(&mut greatest.joined, alone.net);
                raise(&mut greatest.joined_gain, alone.gain);
            }
            if *meets {
                raise(&mut greatest.kept, shared.net);
                raise(&mut greatest.kept_gain, shared.gain);
                raise(&mut greatest.taken, -shared.net);
                raise(&mut greatest.taken_loss, shared.loss);
            }
        }
        greatest
    }
}
