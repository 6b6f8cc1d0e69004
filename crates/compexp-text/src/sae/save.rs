//! The weights of a TopK autoencoder, and writing them as SAELens does.

use std::path::Path;

use candle_core::{Device, Tensor};
use compexp_files::{write_bytes, write_json};
use serde_json::json;

use super::open::{CONFIG, WEIGHTS};
use super::{Kind, Parts, Sae};
use crate::error::{Error, Result};

/// The version of SAELens whose layout [`Weights::save`] writes.
const LAYOUT: &str = "6.18.0";

/// The weights of a TopK autoencoder, row-major, of shapes that fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// `(d_in, d_sae)`.
    pub encoder: Vec<f32>,
    /// `(d_sae)`.
    pub encoder_bias: Vec<f32>,
    /// `(d_sae, d_in)`.
    pub decoder: Vec<f32>,
    /// `(d_in)`; it is subtracted from the input.
    pub decoder_bias: Vec<f32>,
    /// How many latents fire at most.
    pub k: usize,
}

impl Weights {
    /// The autoencoder of these weights.
    pub fn sae(&self) -> Sae {
        Sae::new(Parts {
            encoder: &self.encoder,
            encoder_bias: self.encoder_bias.clone(),
            decoder: self.decoder.clone(),
            decoder_bias: self.decoder_bias.clone(),
            kind: Kind::TopK(self.k),
            subtract: true,
        })
    }

    /// Writes `cfg.json` and `sae_weights.safetensors` (f32) in the folder `dir`, which exists; the first is written last.
    /// SAELens and [`Sae::open`] read them.
    ///
    /// # Errors
    /// [`compexp_files::Error::Io`] if a file cannot be written; [`Error::Candle`] if the weights do not fit together.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let (d_in, d_sae) = (self.decoder_bias.len(), self.encoder_bias.len());
        let tensors = [
            ("W_enc", Tensor::from_slice(&self.encoder, (d_in, d_sae), &Device::Cpu)?),
            ("b_enc", Tensor::from_slice(&self.encoder_bias, d_sae, &Device::Cpu)?),
            ("W_dec", Tensor::from_slice(&self.decoder, (d_sae, d_in), &Device::Cpu)?),
            ("b_dec", Tensor::from_slice(&self.decoder_bias, d_in, &Device::Cpu)?),
        ];
        let bytes = safetensors::serialize(tensors, None)
            .map_err(|e| Error::mismatch("weights of an autoencoder", e, "safetensors"))?;
        write_bytes(&dir.join(WEIGHTS), &bytes)?;
        let config = json!({
            "architecture": "topk", "d_in": d_in, "d_sae": d_sae, "k": self.k, "dtype": "float32", "device": "cpu",
            "apply_b_dec_to_input": true, "normalize_activations": "none", "reshape_activations": "none",
            "rescale_acts_by_decoder_norm": false,
            // Without a version, SAELens takes the file for an old one.
            "metadata": { "sae_lens_version": LAYOUT, "sae_lens_training_version": null },
        });
        Ok(write_json(&dir.join(CONFIG), &config)?)
    }
}
