//! The *worth* of positions: what a better formula needs, and what its positions bring.

/// The condition on the worth of a formula for being better than one of IoU `beta`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) beta: f64,
    /// The worth that a formula needs, with room for rounding.
    pub(super) needed: f64,
    /// The room for rounding.
    pub(super) rounding: f64,
}

/// The worth of some positions, as the sum of the worths of their cells: `net = gain - loss`, where neither `gain` nor
/// `loss` is negative.
#[derive(Clone, Copy)]
pub(super) struct Worth {
    /// The worth of all cells.
    pub(super) net: f64,
    /// The worth of the cells of positive worth.
    pub(super) gain: f64,
    /// The amount that the cells of negative worth subtract.
    pub(super) loss: f64,
}

impl Worth {
    /// The worth of `all` positions, `both` of them in the unit. `gain` may be that of a lower beta, which is greater.
    pub(super) fn new(all: impl Into<u64>, both: impl Into<u64>, gain: f64, beta: f64) -> Self {
        let (all, both) = (all.into(), both.into());
        let net = both as f64 - beta * (all - both) as f64;
        Self { net, gain, loss: gain - net }
    }

    /// The worth of the positions that are left without a part.
    pub(super) fn without(self, part: Self) -> Self {
        Self { net: self.net - part.net, gain: self.gain - part.gain, loss: self.loss - part.loss }
    }
}
