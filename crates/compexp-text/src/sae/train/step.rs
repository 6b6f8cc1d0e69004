//! One step of a training up to the gradients: the autoencoder forward, and back by candle.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use rayon::prelude::*;

use super::super::keep_greatest;
use crate::error::Result;

/// The weight of the auxiliary loss, and how many dead latents take part in it at a position.
const AUXILIARY: (f64, usize) = (1.0 / 32.0, 64);

/// The weights as variables.
#[derive(Debug)]
pub(super) struct Vars {
    /// `(d_in, d_sae)`.
    pub(super) encoder: Var,
    /// `(d_sae)`.
    pub(super) encoder_bias: Var,
    /// `(d_sae, d_in)`.
    pub(super) decoder: Var,
    /// `(d_in)`.
    pub(super) decoder_bias: Var,
}

/// What a step depends on besides the weights and the positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) k: usize,
    /// The mean squared distance of all positions from their mean, by which losses are divided.
    pub(super) variance: f64,
    /// The latents that have not fired for long.
    pub(super) dead: &'a [bool],
    pub(super) freeze_decoder: bool,
}

/// What a step found.
pub(super) struct Taken {
    /// The mean squared error of the positions, over the variance.
    pub(super) unexplained: f64,
    /// Whether each latent fired.
    pub(super) fired: Vec<bool>,
    pub(super) gradients: GradStore,
}

impl Step<'_> {
    /// The gradients of the loss on positions `x (n, d_in)`: the squared error of the reconstruction, and that of what the dead
    /// latents make of the error itself. The gradients of decoder rows have no part along the rows.
    pub(super) fn run(self, vars: &Vars, x: &Tensor) -> Result<Taken> {
        let (n, latents) = (x.dim(0)?, self.dead.len());
        let decoder = match self.freeze_decoder {
            true => vars.decoder.as_detached_tensor(),
            false => vars.decoder.as_tensor().clone(),
        };
        let pre = x.broadcast_sub(&vars.decoder_bias)?.matmul(&vars.encoder)?.broadcast_add(&vars.encoder_bias)?;
        let values = pre.flatten_all()?.to_vec1::<f32>()?;
        // Where a latent fires its value is `pre`; nothing else has a gradient.
        let decode = |chosen: &[f32]| (&pre * Tensor::from_slice(chosen, (n, latents), x.device())?)?.matmul(&decoder);

        let chosen = greatest(&values, latents, self.k, |_| true);
        let error = (x - decode(&chosen)?.broadcast_add(&vars.decoder_bias)?)?;
        let squares = error.sqr()?.sum(1)?;
        let scale = 1.0 / (n as f64 * self.variance);
        let mut loss = (squares.sum_all()? * scale)?;
        let (weight, most) = AUXILIARY;
        if self.dead.contains(&true) {
            let revived = greatest(&values, latents, most, |latent| self.dead[latent]);
            let rest = (error.detach() - decode(&revived)?)?;
            loss = (loss + (rest.sqr()?.sum_all()? * (weight * scale))?)?;
        }
        let mut gradients = loss.backward()?;
        if let Some(gradient) = gradients.remove(&vars.decoder) {
            let rows = vars.decoder.as_detached_tensor();
            let along = (&gradient * &rows)?.sum_keepdim(1)?;
            gradients.insert(&vars.decoder, (gradient - rows.broadcast_mul(&along)?)?);
        }
        let mut fired = vec![false; latents];
        for row in chosen.chunks_exact(latents) {
            fired.iter_mut().zip(row).for_each(|(fired, chosen)| *fired |= *chosen > 0.0);
        }
        let unexplained = squares.to_vec1::<f32>()?.into_iter().map(f64::from).sum::<f64>() * scale;
        Ok(Taken { unexplained, fired, gradients })
    }
}

/// 1 for the `k` greatest values above 0 in each row among the latents that are asked for, 0 for all others.
fn greatest(pre: &[f32], latents: usize, k: usize, among: impl Fn(usize) -> bool + Sync) -> Vec<f32> {
    let mut chosen = vec![0.0; pre.len()];
    chosen.par_chunks_exact_mut(latents).zip(pre.par_chunks_exact(latents)).for_each(|(chosen, pre)| {
        let above = pre.iter().enumerate().filter(|(latent, value)| **value > 0.0 && among(*latent));
        let mut above: Vec<(u32, f32)> = above.map(|(latent, value)| (latent as u32, *value)).collect();
        keep_greatest(&mut above, k);
        above.iter().for_each(|(latent, _)| chosen[*latent as usize] = 1.0);
    });
    chosen
}
