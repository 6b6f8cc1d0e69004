//! How much of the variance of activations a reconstruction explains.

use ndarray::ArrayView2;

use crate::error::{Error, Result};

/// Sums for the fraction of variance explained, `1 - Σ |x - x'|² / Σ |x - mean|²`, over positions that come in blocks. f64.
#[derive(Debug, Clone, Default)]
pub struct ExplainedVariance {
    positions: usize,
    /// Of each value of a position, `(width)`.
    sums: Vec<f64>,
    squares: f64,
    rest: f64,
}

impl ExplainedVariance {
    /// Adds positions `(n, width)`: the values, and what the latents make of them.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the shapes differ from each other, or the width from that of earlier blocks.
    pub fn add(&mut self, x: ArrayView2<'_, f32>, decoded: ArrayView2<'_, f32>) -> Result<()> {
        let width = if self.positions == 0 { x.ncols() } else { self.sums.len() };
        if x.dim() != decoded.dim() || x.ncols() != width {
            let found = format!("{:?} and {:?}", x.dim(), decoded.dim());
            return Err(Error::mismatch(
                "shapes of values and their reconstruction",
                found,
                format!("(n, {width}) twice"),
            ));
        }
        self.sums.resize(width, 0.0);
        self.positions += x.nrows();
        for (x, decoded) in x.rows().into_iter().zip(decoded.rows()) {
            for ((&x, &decoded), sum) in x.iter().zip(decoded).zip(&mut self.sums) {
                let (x, decoded) = (f64::from(x), f64::from(decoded));
                *sum += x;
                self.squares += x * x;
                self.rest += (x - decoded).powi(2);
            }
        }
        Ok(())
    }

    /// The fraction: 1 for a perfect reconstruction, 0 for one by the mean, below 0 for a worse one. `None` where there is no
    /// variance to explain.
    pub fn fraction(&self) -> Option<f64> {
        let n = self.positions as f64;
        let total = self.squares - self.sums.iter().map(|sum| sum * sum / n).sum::<f64>();
        // Rounding leaves something of equal values.
        (total > 1e-12 * self.squares).then(|| 1.0 - self.rest / total)
    }
}
