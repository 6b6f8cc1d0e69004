//! Activations: the raw values of a layer's units, read in blocks of examples.

use ndarray::{ArrayView4, Axis, Slice};

use crate::error::{Error, Result};
use crate::probe::Grid;

/// A source of activations: a file, a model's output, an array.
///
/// Values are read in blocks of whole examples, so that a layer larger than memory can be streamed.
pub trait ActivationSource: Send + Sync {
    /// The number of examples.
    fn n_examples(&self) -> usize;

    /// The number of units.
    fn n_units(&self) -> usize;

    /// The size of a unit's low-resolution map on one example; `1 x 1` if there is one value per example.
    fn grid(&self) -> Grid;

    /// Reads the examples `first..first + n` into `out`, whose length is `n * n_units * positions`:
    /// `(n, n_units, height, width)`.
    ///
    /// # Errors
    /// [`Error::Source`] if the source cannot be read. Values are not checked here: [`check_finite`] does that.
    fn read(&self, first: usize, out: &mut [f32]) -> Result<()>;
}

impl ActivationSource for ArrayView4<'_, f32> {
    fn n_examples(&self) -> usize {
        self.dim().0
    }

    fn n_units(&self) -> usize {
        self.dim().1
    }

    fn grid(&self) -> Grid {
        Grid { height: self.dim().2, width: self.dim().3 }
    }

    fn read(&self, first: usize, out: &mut [f32]) -> Result<()> {
        let n = out.len() / (self.n_units() * self.grid().positions()).max(1);
        let block = self.slice_axis(Axis(0), Slice::from(first..first + n));
        match block.as_slice() {
            Some(values) => out.copy_from_slice(values),
            None => out.iter_mut().zip(block.iter()).for_each(|(o, v)| *o = *v),
        }
        Ok(())
    }
}

/// Checks that all values of a block `(n, n_units, positions)` are finite; `first` is its first example.
///
/// # Errors
/// [`Error::NotFinite`] with the unit and the example of the first value that is NaN or infinite.
pub fn check_finite(block: &[f32], first: usize, n_units: usize, positions: usize) -> Result<()> {
    // A sum is finite only if all its terms are. It may also overflow with finite terms, so a second, exact check
    // follows.
    for (example, values) in block.chunks_exact((n_units * positions).max(1)).enumerate() {
        if values.iter().map(|v| v * 0.0).sum::<f32>() == 0.0 {
            continue;
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { unit: at / positions, example: first + example, value: values[at] });
        }
    }
    Ok(())
}

/// The greatest value of a map; minus infinity if it is empty.
pub(crate) fn greatest(map: &[f32]) -> f32 {
    map.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// A source of masks: each unit's hits, which need no threshold.
pub trait MaskSource: Send + Sync {
    /// The number of examples.
    fn n_examples(&self) -> usize;

    /// The number of units.
    fn n_units(&self) -> usize;

    /// The grid of each mask, which must be that of the annotations.
    fn grid(&self) -> Grid;

    /// Reads one unit's masks on the examples from `first` on into `out`: `(examples, height, width)`.
    ///
    /// # Errors
    /// [`Error::Source`] if the source cannot be read.
    fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()>;
}
