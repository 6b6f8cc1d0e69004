//! When an activation is a hit.

use crate::ranges::Range;
use crate::threshold::cut;

/// Which activations of a unit are hits: `above < activation`, and `activation <= up_to` where that is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The unit, counted from 0.
    pub unit: usize,
    /// The lower end, not part of the band.
    pub above: f64,
    /// The upper end, part of the band; none if there is none.
    pub up_to: Option<f64>,
}

impl Band {
    /// All activations of `unit` above a threshold.
    pub fn above(unit: usize, threshold: f64) -> Self {
        Self { unit, above: threshold, up_to: None }
    }

    /// The bands of `units` above their thresholds; `thresholds` has one entry for every unit of the layer.
    pub fn of_units(units: &[usize], thresholds: &[f64]) -> Vec<Self> {
        units.iter().map(|unit| Self::above(*unit, thresholds[*unit])).collect()
    }

    /// A range of the activation of `unit`.
    pub fn of_range(unit: usize, range: &Range) -> Self {
        Self { unit, above: range.lo, up_to: range.hi }
    }

    /// The greatest f32 that is not a hit, and the greatest that is one.
    pub(crate) fn cuts(&self) -> (f32, Option<f32>) {
        (cut(self.above), self.up_to.map(cut))
    }
}
