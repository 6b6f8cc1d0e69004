//! The layers of a classifier in candle, for evaluation and for training.

use candle_core::{DType, Device, Module, ModuleT, Tensor};
use candle_nn::{BatchNorm, Embedding, VarBuilder, batch_norm, embedding};
use compexp_kernels::linear::Linear;
use compexp_kernels::lstm::{DirectionWeights, Lstm, Sequences};

use super::config::{Config, Kind};
use crate::error::{Error, Result};

/// PyTorch adds this to a variance before it divides by its root.
pub(crate) const EPSILON: f32 = 1e-5;

/// The factors of values in training (dropout): 0 for dropped values, more than 1 for kept values.
#[derive(Debug)]
pub(crate) struct Masks {
    /// `(n, joined)`
    pub(crate) joined: Tensor,
    /// `(n, features)`; none if there is no hidden layer.
    pub(crate) hidden: Option<Tensor>,
}

/// The layers of a classifier. The tensors of the builder are used directly, so variables can be trained.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    kind: Kind,
    embedding: Embedding,
    lstm: Lstm,
    norm: BatchNorm,
    hidden: Option<Linear>,
    last: Linear,
}

impl Network {
    /// A network of these sizes from the weights of [`Config::shapes`].
    pub(crate) fn new(config: &Config, n_words: usize, weights: &VarBuilder<'_>) -> Result<Self> {
        let linear = |name: &str, inputs: usize, outputs: usize| -> Result<Linear> {
            let weights = weights.pp(name);
            Ok(Linear::new(weights.get((outputs, inputs), "weight")?, weights.get(outputs, "bias")?)?)
        };
        let rnn = weights.pp("encoder.rnn");
        let direction = |index: usize| -> Result<DirectionWeights> {
            let name = |what: &str| format!("{what}_l0{}", if index == 0 { "" } else { "_reverse" });
            let wide = 4 * config.hidden;
            Ok(DirectionWeights {
                weight_ih: rnn.get((wide, config.embedding), &name("weight_ih"))?,
                weight_hh: rnn.get((wide, config.hidden), &name("weight_hh"))?,
                bias_ih: rnn.get(wide, &name("bias_ih"))?,
                bias_hh: rnn.get(wide, &name("bias_hh"))?,
            })
        };
        let (joined, probed) = (config.joined(), config.probed());
        let directions = (0..config.directions()).map(direction).collect::<Result<_>>()?;
        let (hidden, last) = match config.kind {
            Kind::Bowman => (Some(linear("mlp.0", joined, probed)?), "mlp.3"),
            Kind::Minimal => (None, "mlp"),
        };
        Ok(Self {
            kind: config.kind,
            embedding: embedding(n_words, config.embedding, weights.pp("encoder.emb"))?,
            lstm: Lstm::new(config.embedding, config.hidden, directions)?,
            norm: batch_norm(joined, f64::from(EPSILON), weights.pp("bn"))?,
            hidden,
            last: linear(last, probed, config.classes)?,
        })
    }

    /// The device of its weights.
    pub(crate) fn device(&self) -> &Device {
        self.embedding.embeddings().device()
    }

    /// The vectors of words, `(words, embedding)`.
    pub(crate) fn vectors(&self, words: &[u32]) -> Result<Tensor> {
        if words.is_empty() {
            return Ok(Tensor::zeros((0, self.lstm.inputs()), DType::F32, self.device())?);
        }
        Ok(self.embedding.forward(&Tensor::from_slice(words, words.len(), self.device())?)?)
    }

    /// The vectors of sentences, `(sentences, encoded)`, from those of their words.
    pub(crate) fn encode(&self, sequences: &Sequences, vectors: &Tensor) -> Result<Tensor> {
        Ok(self.lstm.forward(sequences, vectors)?)
    }

    /// Features `(n, probed)` and logits `(n, classes)` of pairs of sentence vectors. With `masks` the network is in
    /// training mode, which also updates the running statistics of the batch norm; without, in evaluation mode.
    pub(crate) fn decide(
        &self,
        premises: &Tensor,
        hypotheses: &Tensor,
        masks: Option<&Masks>,
    ) -> Result<(Tensor, Tensor)> {
        let product = (premises * hypotheses)?;
        let joined = match self.kind {
            Kind::Bowman => Tensor::cat(&[premises, hypotheses, &(premises - hypotheses)?, &product], 1)?,
            Kind::Minimal => product.clone(),
        };
        let x = match masks {
            Some(masks) => (self.norm.forward_t(&joined, true)? * &masks.joined)?,
            None => self.normalize(&joined)?,
        };
        let Some(hidden) = &self.hidden else { return Ok((product, self.last.forward(&x)?)) };
        let features = relu(&hidden.forward(&x)?)?;
        let kept = masks.and_then(|masks| masks.hidden.as_ref()).map(|mask| &features * mask).transpose()?;
        let logits = self.last.forward(kept.as_ref().unwrap_or(&features))?;
        Ok((features, logits))
    }

    /// The batch norm with its running statistics. Its scale is first divided by the root of the variance, so each
    /// value is rounded once less than in [`BatchNorm`].
    fn normalize(&self, x: &Tensor) -> Result<Tensor> {
        let missing = || Error::mismatch("weights of a batch norm", "none", "a scale and a shift");
        let (scale, shift) = self.norm.weight_and_bias().ok_or_else(missing)?;
        let scale = (scale / (self.norm.running_var().detach() + f64::from(EPSILON))?.sqrt()?)?;
        Ok(x.broadcast_sub(&self.norm.running_mean().detach())?.broadcast_mul(&scale)?.broadcast_add(shift)?)
    }
}

/// Negative values become 0. NaN stays, so that a broken model is noticed at the end. (candle's own function turns it
/// into 0.)
fn relu(x: &Tensor) -> candle_core::Result<Tensor> {
    let zeros = x.zeros_like()?;
    x.lt(&zeros)?.where_cond(&zeros, x)
}
