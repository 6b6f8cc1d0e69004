//! Controls of a trained autoencoder: one that never learnt, and activations without their own directions.

use compexp_core::random::Stream;
use compexp_kernels::gemm::{Epilogue, Packed, product_parallel};
use ndarray::{Array2, ArrayView2};

use super::{Kind, Parts, Sae};
use crate::error::{Error, Result};

/// The purposes of this crate's random numbers.
#[derive(Clone, Copy)]
enum Purpose {
    Decoder = 1,
    Rotation = 2,
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

fn normals(stream: Stream, n: usize) -> Vec<f64> {
    (0..n as u64).map(|at| f64::from(stream.normal(at))).collect()
}

fn normalise(row: &mut [f64]) {
    let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
    row.iter_mut().for_each(|x| *x /= norm);
}
