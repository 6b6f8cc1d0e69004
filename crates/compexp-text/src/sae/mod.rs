//! Sparse autoencoders (SAEs): from a layer's activations to the few latents that fire, and back.
//!
//! [`Sae::open`] reads SAELens' folders and Gemma Scope's archives. Arithmetic is f32; weights of f16 and bf16 are exact in it.
//! With x a position's activations:
//!
//! - `pre = (x - b_dec) W_enc + b_enc`, or `x W_enc + b_enc` where `apply_b_dec_to_input` is false;
//! - standard: `max(pre, 0)`; TopK: the same for the k largest `pre`, 0 for the others; JumpReLU: `max(pre, 0)` where `pre` is
//!   above the latent's threshold, else 0;
//! - decoded: `latents W_dec + b_dec`.
//!
//! # Invariants
//! A position's latents do not depend, to the bit, on the positions beside it or on the number of threads.

mod control;
mod open;
mod rows;
mod save;
#[cfg(test)]
mod tests;
pub mod train;
mod variance;

use std::path::{Path, PathBuf};

use compexp_core::activation::check_finite;
use compexp_kernels::gemm::{Epilogue, Left, Packed, product};
use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::error::{Error, Result};
pub use control::{Rotated, Rotation, layer_mean};
pub use rows::SparseRows;
pub use save::Weights;
pub use variance::ExplainedVariance;

/// Positions of a thread's task: they share the reading of the weights.
const TASK: usize = 96;

/// Which latents fire.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Those above 0.
    Standard,
    /// Those among the k largest, and above 0. Of equal ones at the border the first fire.
    TopK(usize),
    /// Those above a threshold for each latent, `(d_sae)`, and above 0.
    JumpRelu(Vec<f32>),
}

impl Kind {
    /// Its name in `cfg.json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::TopK(_) => "topk",
            Self::JumpRelu(_) => "jumprelu",
        }
    }
}

/// A sparse autoencoder.
pub struct Sae {
    /// `(d_in, d_sae)`.
    encoder: Packed,
    encoder_bias: Vec<f32>,
    /// `(d_sae, d_in)`.
    decoder: Vec<f32>,
    decoder_bias: Vec<f32>,
    kind: Kind,
    /// Whether the decoder bias is subtracted from the input.
    subtract: bool,
}

/// The weights of an autoencoder, of shapes that fit.
struct Parts<'a> {
    encoder: &'a [f32],
    encoder_bias: Vec<f32>,
    decoder: Vec<f32>,
    decoder_bias: Vec<f32>,
    kind: Kind,
    subtract: bool,
}

impl Sae {
    /// Reads SAELens' folder (`cfg.json` and `sae_weights.safetensors`: standard, TopK, JumpReLU), or Gemma Scope's `params.npz`
    /// or the folder with it. Weights are f32, f16, bf16 or f64, which is rounded.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be read; [`compexp_files::Error::Format`] if a setting or architecture is
    /// not supported, or a tensor is missing, of another shape, or not finite. The error names it.
    pub fn open(path: &Path) -> Result<Self> {
        open::open(path)
    }

    /// The files that [`Self::open`] reads.
    ///
    /// # Errors
    /// As [`Self::open`], for files that are not there.
    pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
        open::files(path)
    }

    fn new(parts: Parts<'_>) -> Self {
        let Parts { encoder, encoder_bias, decoder, decoder_bias, kind, subtract } = parts;
        let (d_in, d_sae) = (decoder_bias.len(), encoder_bias.len());
        let encoder = Packed::from_fn(d_in, d_sae, |i, j| encoder[i * d_sae + j]);
        Self { encoder, encoder_bias, decoder, decoder_bias, kind, subtract }
    }

    /// The width of the layer that it reads.
    pub fn d_in(&self) -> usize {
        self.decoder_bias.len()
    }

    /// The number of latents.
    pub fn d_sae(&self) -> usize {
        self.encoder_bias.len()
    }

    /// Which latents fire.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// Refuses a layer of another width, before anything is computed.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] with both widths.
    pub fn expect_width(&self, layer: &str, width: usize) -> Result<()> {
        if width == self.d_in() {
            return Ok(());
        }
        let expected = format!("{}, which the sparse autoencoder was trained on: name that layer", self.d_in());
        Err(Error::mismatch(format!("width of the layer `{layer}`"), width, expected))
    }

    /// The latents of positions `x (n, d_in)`: one row a position.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the width is another; [`compexp_core::Error::NotFinite`] if a value is NaN or
    /// infinite (the unit is its column, the example its row).
    pub fn encode(&self, x: ArrayView2<'_, f32>) -> Result<SparseRows> {
        if x.ncols() != self.d_in() {
            let expected = format!("{}, the input of the sparse autoencoder", self.d_in());
            return Err(Error::mismatch("width of activations", x.ncols(), expected));
        }
        let tasks: Vec<_> = x.axis_chunks_iter(Axis(0), TASK).collect();
        let encode = |(task, x): (usize, ArrayView2<'_, f32>)| {
            let values: Vec<f32> = x.iter().copied().collect();
            check_finite(&values, task * TASK, self.d_in(), 1)?;
            Ok(self.encode_task(values))
        };
        let parts = tasks.into_par_iter().enumerate().map(encode).collect::<Result<Vec<SparseRows>>>()?;
        let mut rows = SparseRows::default();
        parts.iter().for_each(|part| rows.append(part));
        Ok(rows)
    }

    /// What latents stand for, `(n, d_in)`.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a latent is not of this autoencoder.
    pub fn decode(&self, rows: &SparseRows) -> Result<Array2<f32>> {
        let (d_in, d_sae) = (self.d_in(), self.d_sae());
        if let Some(latent) = rows.iter().flat_map(|(latents, _)| latents).find(|latent| **latent as usize >= d_sae) {
            return Err(Error::mismatch("latent", latent, format!("one below {d_sae}")));
        }
        let mut out = vec![0.0; rows.len() * d_in];
        out.par_chunks_exact_mut(d_in).enumerate().for_each(|(row, out)| {
            out.copy_from_slice(&self.decoder_bias);
            let (latents, values) = rows.row(row);
            for (&latent, &value) in latents.iter().zip(values) {
                let direction = &self.decoder[latent as usize * d_in..][..d_in];
                out.iter_mut().zip(direction).for_each(|(out, x)| *out += value * x);
            }
        });
        Array2::from_shape_vec((rows.len(), d_in), out)
            .map_err(|e| Error::mismatch("shape of decoded rows", e, "a matrix"))
    }

    /// The latents of some positions, on this thread.
    fn encode_task(&self, mut x: Vec<f32>) -> SparseRows {
        if self.subtract {
            for row in x.chunks_exact_mut(self.d_in()) {
                row.iter_mut().zip(&self.decoder_bias).for_each(|(x, bias)| *x -= bias);
            }
        }
        let n = x.len() / self.d_in();
        let mut pre = vec![0.0; n * self.d_sae()];
        let epilogue = Epilogue { bias: Some(&self.encoder_bias), ..Epilogue::default() };
        product(Left::Rows(&x), &self.encoder, &mut pre, epilogue);
        let mut rows = SparseRows::default();
        for pre in pre.chunks_exact(self.d_sae()) {
            let above =
                pre.iter().enumerate().filter(|(_, value)| **value > 0.0).map(|(at, value)| (at as u32, *value));
            match &self.kind {
                Kind::Standard => rows.push(above),
                Kind::JumpRelu(thresholds) => rows.push(above.filter(|(at, value)| *value > thresholds[*at as usize])),
                Kind::TopK(k) => {
                    // A value of 0 or less is 0 in the end, so only the others compete.
                    let mut above: Vec<_> = above.collect();
                    keep_greatest(&mut above, *k);
                    rows.push(above);
                }
            }
        }
        rows
    }
}

/// Keeps the `k` greatest of latents in ascending order with their values; of equal ones at the border the first.
fn keep_greatest(latents: &mut Vec<(u32, f32)>, k: usize) {
    if latents.len() > k {
        latents.select_nth_unstable_by(k - 1, |a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        latents.truncate(k);
        latents.sort_unstable_by_key(|(at, _)| *at);
    }
}
