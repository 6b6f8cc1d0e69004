//! From the weights of each family to the one network.

use candle_core::{Device, Tensor};
use compexp_kernels::linear::Linear;

use super::config::{Config, Family};
use super::network::{Block, Network, Norm, Order};
use super::weights::Weights;
use crate::error::Result;

impl Family {
    /// A tensor that every model of the family has.
    pub(super) fn first(self) -> &'static str {
        match self {
            Self::Bert => "embeddings.word_embeddings.weight",
            Self::Gpt2 => "wte.weight",
            Self::NeoX(_) => "embed_in.weight",
        }
    }
}

/// Builds a network from its weights.
pub(super) fn build(config: &Config, weights: Weights, device: &Device) -> Result<Network> {
    let mut b = Builder { config, weights, device };
    match config.family {
        Family::Bert => b.bert(),
        Family::Gpt2 => b.gpt2(),
        Family::NeoX(rotary) => {
            let tokens = b.table(Family::first(config.family), config.vocabulary)?;
            let order = if rotary.parallel { Order::Parallel } else { Order::Pre };
            let blocks = (0..config.layers).map(|layer| b.neox_block(layer)).collect::<Result<_>>()?;
            Ok(Network { rotary: Some(rotary), ..b.network(tokens, None, None, blocks, order) })
        }
    }
}

struct Builder<'a> {
    config: &'a Config,
    weights: Weights,
    device: &'a Device,
}

impl Builder<'_> {
    fn network(
        &self,
        tokens: Tensor,
        positions: Option<Tensor>,
        norm: Option<Norm>,
        blocks: Vec<Block>,
        order: Order,
    ) -> Network {
        let Config { heads, activation, family, .. } = *self.config;
        Network {
            tokens,
            positions,
            norm,
            blocks,
            order,
            rotary: None,
            causal: family != Family::Bert,
            heads,
            activation,
        }
    }

    fn bert(&mut self) -> Result<Network> {
        let Config { width, vocabulary, token_types, positions, .. } = *self.config;
        let mut tokens = self.weights.take(self.config.family.first(), &[vocabulary, width])?;
        let types = self.weights.take("embeddings.token_type_embeddings.weight", &[token_types, width])?;
        if let Some(first) = types.get(..width) {
            tokens.chunks_exact_mut(width).for_each(|row| row.iter_mut().zip(first).for_each(|(x, t)| *x += t));
        }
        let tokens = self.tensor(tokens, &[vocabulary, width])?;
        let positions = self.table("embeddings.position_embeddings.weight", positions)?;
        let norm = self.norm("embeddings.LayerNorm")?;
        let blocks = (0..self.config.layers).map(|layer| self.bert_block(layer)).collect::<Result<_>>()?;
        Ok(self.network(tokens, Some(positions), Some(norm), blocks, Order::Post))
    }

    fn bert_block(&mut self, layer: usize) -> Result<Block> {
        let (name, d, inner) = (format!("encoder.layer.{layer}"), self.config.width, self.config.inner);
        let (mut weight, mut bias) = (Vec::with_capacity(3 * d * d), Vec::with_capacity(3 * d));
        for part in ["query", "key", "value"] {
            weight.extend(self.weights.take(&format!("{name}.attention.self.{part}.weight"), &[d, d])?);
            bias.extend(self.weights.take(&format!("{name}.attention.self.{part}.bias"), &[d])?);
        }
        Ok(Block {
            qkv: self.layer(weight, bias, d)?,
            out: self.linear(&format!("{name}.attention.output.dense"), d, d, true)?,
            first: self.norm(&format!("{name}.attention.output.LayerNorm"))?,
            up: self.linear(&format!("{name}.intermediate.dense"), inner, d, true)?,
            down: self.linear(&format!("{name}.output.dense"), d, inner, true)?,
            second: self.norm(&format!("{name}.output.LayerNorm"))?,
        })
    }

    fn gpt2(&mut self) -> Result<Network> {
        let tokens = self.table(self.config.family.first(), self.config.vocabulary)?;
        let positions = self.table("wpe.weight", self.config.positions)?;
        let blocks = (0..self.config.layers).map(|layer| self.gpt2_block(layer)).collect::<Result<_>>()?;
        Ok(self.network(tokens, Some(positions), None, blocks, Order::Pre))
    }

    fn gpt2_block(&mut self, layer: usize) -> Result<Block> {
        let (name, d, inner) = (format!("h.{layer}"), self.config.width, self.config.inner);
        Ok(Block {
            qkv: self.transposed(&format!("{name}.attn.c_attn"), 3 * d, d)?,
            out: self.transposed(&format!("{name}.attn.c_proj"), d, d)?,
            first: self.norm(&format!("{name}.ln_1"))?,
            up: self.transposed(&format!("{name}.mlp.c_fc"), inner, d)?,
            down: self.transposed(&format!("{name}.mlp.c_proj"), d, inner)?,
            second: self.norm(&format!("{name}.ln_2"))?,
        })
    }

    fn neox_block(&mut self, layer: usize) -> Result<Block> {
        let Config { width: d, inner, heads, attention_bias, .. } = *self.config;
        let name = format!("layers.{layer}");
        let qkv = format!("{name}.attention.query_key_value");
        let weight = self.weights.take(&format!("{qkv}.weight"), &[3 * d, d])?;
        let bias = self.bias(&qkv, 3 * d, attention_bias)?;
        Ok(Block {
            qkv: self.layer(by_part(&weight, heads), by_part(&bias, heads), d)?,
            out: self.linear(&format!("{name}.attention.dense"), d, d, attention_bias)?,
            first: self.norm(&format!("{name}.input_layernorm"))?,
            up: self.linear(&format!("{name}.mlp.dense_h_to_4h"), inner, d, true)?,
            down: self.linear(&format!("{name}.mlp.dense_4h_to_h"), d, inner, true)?,
            second: self.norm(&format!("{name}.post_attention_layernorm"))?,
        })
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor> {
        Ok(Tensor::from_vec(values, shape, self.device)?)
    }

    /// An embedding, `(rows, width)`.
    fn table(&mut self, name: &str, rows: usize) -> Result<Tensor> {
        let shape = [rows, self.config.width];
        let values = self.weights.take(name, &shape)?;
        self.tensor(values, &shape)
    }

    /// A layer norm. Models converted from TensorFlow call weight and bias `gamma` and `beta`.
    fn norm(&mut self, name: &str) -> Result<Norm> {
        let old = self.weights.has(&format!("{name}.gamma"));
        let [weight, bias] = if old { ["gamma", "beta"] } else { ["weight", "bias"] };
        let shape = [self.config.width];
        let weight = self.weights.take(&format!("{name}.{weight}"), &shape)?;
        let bias = self.weights.take(&format!("{name}.{bias}"), &shape)?;
        let (weight, bias) = (self.tensor(weight, &shape)?, self.tensor(bias, &shape)?);
        Ok(Norm { weight, bias, epsilon: self.config.epsilon })
    }

    fn bias(&mut self, name: &str, n: usize, there: bool) -> Result<Vec<f32>> {
        if there { self.weights.take(&format!("{name}.bias"), &[n]) } else { Ok(vec![0.0; n]) }
    }

    /// A linear layer of PyTorch, `(outputs, inputs)`.
    fn linear(&mut self, name: &str, outputs: usize, inputs: usize, biased: bool) -> Result<Linear> {
        let weight = self.weights.take(&format!("{name}.weight"), &[outputs, inputs])?;
        let bias = self.bias(name, outputs, biased)?;
        self.layer(weight, bias, inputs)
    }

    /// A `Conv1D` of GPT-2, whose weight is `(inputs, outputs)`.
    fn transposed(&mut self, name: &str, outputs: usize, inputs: usize) -> Result<Linear> {
        let weight = self.weights.take(&format!("{name}.weight"), &[inputs, outputs])?;
        let bias = self.bias(name, outputs, true)?;
        let columns = (0..outputs).flat_map(|j| weight.iter().skip(j).step_by(outputs).copied());
        self.layer(columns.collect(), bias, inputs)
    }

    fn layer(&self, weight: Vec<f32>, bias: Vec<f32>, inputs: usize) -> Result<Linear> {
        let outputs = bias.len();
        Ok(Linear::new(self.tensor(weight, &[outputs, inputs])?, self.tensor(bias, &[outputs])?)?)
    }
}

/// GPT-NeoX has query, key and value of one head side by side; the result has the queries of all heads first.
fn by_part(values: &[f32], heads: usize) -> Vec<f32> {
    let part = values.len() / (3 * heads);
    let parts: Vec<&[f32]> = values.chunks_exact(part).collect();
    (0..3).flat_map(|of| (0..heads).flat_map(move |head| [3 * head + of])).flat_map(|at| parts[at]).copied().collect()
}
