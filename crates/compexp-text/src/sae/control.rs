//! Controls of a trained autoencoder: one that never learnt, and activations without their own directions.

use compexp_core::ActivationSource;
use compexp_core::activation::check_finite;
use compexp_core::probe::Grid;
use compexp_core::random::Stream;
use compexp_kernels::gemm::{Epilogue, Packed, product_parallel};
use ndarray::{Array2, ArrayView2};

use super::{Kind, Parts, Sae};
use crate::error::{Error, Result};

/// The purposes of this crate's random numbers.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    Decoder = 1,
    Rotation = 2,
    /// The order of positions in an epoch of a training.
    Order = 3,
}

impl Sae {
    /// The weights that a training starts from: decoder rows at random directions with norm 1, the encoder their transpose, no
    /// encoder bias. `center`, of the input's width, is the decoder bias, which is subtracted from the input: mostly the mean of
    /// the activations. The same seed gives the same bits on every machine.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if `center` is empty, there are no latents, or their number does not fit `kind`.
    pub fn untrained(center: &[f32], d_sae: usize, kind: Kind, seed: u64) -> Result<Self> {
        let d_in = center.len();
        let fits = match &kind {
            Kind::Standard => true,
            Kind::TopK(k) => (1..=d_sae).contains(k),
            Kind::JumpRelu(thresholds) => thresholds.len() == d_sae,
        };
        if d_in == 0 || d_sae == 0 || u32::try_from(d_sae).is_err() || !fits {
            let found = format!("a width of {d_in}, {d_sae} latents, {}", kind.name());
            let expected = "a width and a number of latents above 0; k at most the latents; a threshold a latent";
            return Err(Error::mismatch("sizes of an autoencoder", found, expected));
        }
        let mut decoder = normals(Stream::new(seed, Purpose::Decoder as u64, 0), d_sae * d_in);
        for row in decoder.chunks_exact_mut(d_in) {
            normalise(row);
        }
        let decoder: Vec<f32> = decoder.into_iter().map(|x| x as f32).collect();
        let columns = (0..d_in).flat_map(|i| decoder.iter().skip(i).step_by(d_in).copied());
        let encoder: Vec<f32> = columns.collect(); // (d_in, d_sae)
        let (encoder_bias, decoder_bias) = (vec![0.0; d_sae], center.to_vec());
        Ok(Self::new(Parts { encoder: &encoder, encoder_bias, decoder, decoder_bias, kind, subtract: true }))
    }
}

/// A random orthogonal matrix: turned activations have the same distances and variance, in directions that mean nothing.
#[derive(Debug, Clone)]
pub struct Rotation {
    matrix: Packed,
}

impl Rotation {
    /// One for activations of this width, uniform over all orthogonal matrices: the Gram-Schmidt process on normal numbers, in f64.
    /// The same seed gives the same matrix. Takes `width³` operations.
    pub fn new(width: usize, seed: u64) -> Self {
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(width);
        let stream = Stream::new(seed, Purpose::Rotation as u64, 0);
        for at in 0..width {
            let mut row = normals(stream.part(at as u64), width);
            // Twice: the first round leaves rounding errors of the size that it took away.
            for _ in 0..2 {
                for other in &rows {
                    let along: f64 = row.iter().zip(other).map(|(x, y)| x * y).sum();
                    row.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
                }
            }
            normalise(&mut row);
            rows.push(row);
        }
        Self { matrix: Packed::from_fn(width, width, |i, j| rows[i][j] as f32) }
    }

    /// The activations, turned: `(n, width)`.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the width is another.
    pub fn rotate(&self, x: ArrayView2<'_, f32>) -> Result<Array2<f32>> {
        if x.ncols() != self.matrix.k() {
            return Err(Error::mismatch("width of activations to rotate", x.ncols(), self.matrix.k()));
        }
        let mut out = Array2::zeros(x.dim());
        let x = x.as_standard_layout();
        if let (Some(x), Some(out)) = (x.as_slice(), out.as_slice_mut()) {
            product_parallel(x, &self.matrix, out, Epilogue::default());
        }
        Ok(out)
    }
}

/// A layer, turned about its mean by a [`Rotation`].
pub struct Rotated<'a> {
    source: &'a dyn ActivationSource,
    rotation: Rotation,
    mean: Vec<f32>,
}

impl<'a> Rotated<'a> {
    /// The layer `source`, whose `mean` stays where it is.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the layer has maps, or the mean another width.
    pub fn new(source: &'a dyn ActivationSource, mean: &[f32], seed: u64) -> Result<Self> {
        let (width, grid) = (source.n_units(), source.grid());
        if grid.positions() != 1 || mean.len() != width {
            let found = format!("{width} values at {} positions, a mean of {}", grid.positions(), mean.len());
            return Err(Error::mismatch("activations to rotate", found, "one position, a mean of the same width"));
        }
        Ok(Self { source, rotation: Rotation::new(width, seed), mean: mean.to_vec() })
    }
}

impl ActivationSource for Rotated<'_> {
    fn n_examples(&self) -> usize {
        self.source.n_examples()
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn read(&self, first: usize, out: &mut [f32]) -> compexp_core::Result<()> {
        self.source.read(first, out)?;
        let width = self.mean.len();
        for row in out.chunks_exact_mut(width) {
            row.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= mean);
        }
        let turned = {
            let block = ArrayView2::from_shape((out.len() / width, width), &*out)
                .map_err(|e| compexp_core::Error::mismatch("block of activations", e, "whole rows"))?;
            self.rotation
                .rotate(block)
                .map_err(|e| compexp_core::Error::mismatch("activations to rotate", e, "rows"))?
        };
        for (row, turned) in out.chunks_exact_mut(width).zip(turned.rows()) {
            row.iter_mut().zip(turned).zip(&self.mean).for_each(|((x, turned), mean)| *x = turned + mean);
        }
        Ok(())
    }
}

/// The mean of a layer with one position an example, `(width)`.
///
/// # Errors
/// [`compexp_core::Error::Source`] if it cannot be read; [`compexp_core::Error::NotFinite`] for a value that is NaN or infinite.
pub fn layer_mean(source: &dyn ActivationSource) -> Result<Vec<f32>> {
    let (n, width) = (source.n_examples(), source.n_units() * source.grid().positions());
    let per_block = (BLOCK / width.max(1)).max(1);
    let mut sums = vec![0.0; width];
    let mut values = Vec::new();
    for first in (0..n).step_by(per_block) {
        values.resize(per_block.min(n - first) * width, 0.0);
        source.read(first, &mut values)?;
        check_finite(&values, first, width, 1)?;
        for row in values.chunks_exact(width) {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
    }
    Ok(sums.into_iter().map(|sum| (sum / n.max(1) as f64) as f32).collect())
}

/// Values that are read at once.
const BLOCK: usize = 1 << 22;

fn normals(stream: Stream, n: usize) -> Vec<f64> {
    (0..n as u64).map(|at| f64::from(stream.normal(at))).collect()
}

fn normalise(row: &mut [f64]) {
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.iter_mut().for_each(|x| *x /= norm);
}
