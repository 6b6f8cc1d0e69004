//! The forward pass that BERT, GPT-2 and GPT-NeoX share: blocks of attention and an MLP, which differ in where the layer norms
//! and residuals are.

use std::ops::Range;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Module, Shape, Tensor};
use candle_nn::ops::layer_norm;
use candle_nn::rotary_emb::rope;
use compexp_kernels::attention::{attention, causal_attention};
use compexp_kernels::gelu::{gelu, gelu_tanh};
use compexp_kernels::linear::Linear;

use super::config::{Activation, Rotary};
use super::tap::{Site, Tap};
use crate::error::Result;

/// A layer norm: weight, bias, and what is added to the variance.
pub(super) struct Norm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) epsilon: f32,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(layer_norm(x, &self.weight, &self.bias, self.epsilon)?)
    }
}

/// Where the layer norms and residuals of a block are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// After each residual addition: BERT.
    Post,
    /// Before attention and MLP, one after the other: GPT-2.
    Pre,
    /// Before attention and MLP, both on the block's input: GPT-NeoX.
    Parallel,
}

/// One block.
pub(super) struct Block {
    /// Queries, keys and values of all heads, `(3 width, width)`.
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) first: Norm,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) second: Norm,
}

/// A model without its head.
pub(super) struct Network {
    /// `(vocabulary, width)`; BERT's token type 0 is added already.
    pub(super) tokens: Tensor,
    /// `(positions, width)`.
    pub(super) positions: Option<Tensor>,
    pub(super) norm: Option<Norm>,
    pub(super) blocks: Vec<Block>,
    pub(super) order: Order,
    pub(super) rotary: Option<Rotary>,
    pub(super) causal: bool,
    pub(super) heads: usize,
    pub(super) activation: Activation,
}

/// Texts of a pass: the numbers of their tokens one after the other, and the rows of each.
pub(super) struct Batch {
    pub(super) ids: Vec<u32>,
    pub(super) texts: Vec<Range<usize>>,
}

impl Network {
    /// The values at each tap, `(rows, units)`. The rows of a linear layer do not depend on each other, so texts share its
    /// product; attention sees one text at a time.
    pub(super) fn forward(&self, batch: &Batch, taps: &[Tap], device: &Device) -> Result<Vec<Tensor>> {
        let mut found: Vec<Option<Tensor>> = vec![None; taps.len()];
        let mut keep = |site: Site, layer: usize, value: &Tensor| {
            for (tap, found) in taps.iter().zip(&mut found).filter(|(tap, _)| **tap == Tap { site, layer }) {
                debug_assert_eq!(tap.layer, layer);
                *found = Some(value.clone());
            }
        };
        let deepest = taps.iter().map(|tap| tap.layer + 1).max().unwrap_or(0);
        let tables = self.rotary.map(|rotary| Tables::new(rotary, batch, device)).transpose()?;
        let mut x = self.embed(batch, device)?; // (rows, width)
        for (layer, block) in self.blocks.iter().enumerate().take(deepest) {
            let attend = |x: &Tensor| -> Result<Tensor> {
                let qkv = block.qkv.forward(x)?; // (rows, 3 width)
                Ok(block.out.forward(&self.attend(&qkv, batch, tables.as_ref())?)?)
            };
            let inner = |x: &Tensor| self.activate(&block.up.forward(x)?); // (rows, inner)
            let (attn, mlp, resid) = match self.order {
                Order::Post => {
                    let attn = attend(&x)?;
                    let y = block.first.forward(&add(&attn, &x)?)?;
                    let mlp = inner(&y)?;
                    let resid = block.second.forward(&add(&block.down.forward(&mlp)?, &y)?)?;
                    (attn, mlp, resid)
                }
                Order::Pre => {
                    let attn = attend(&block.first.forward(&x)?)?;
                    let y = add(&x, &attn)?;
                    let mlp = inner(&block.second.forward(&y)?)?;
                    let resid = add(&block.down.forward(&mlp)?, &y)?;
                    (attn, mlp, resid)
                }
                Order::Parallel => {
                    let attn = attend(&block.first.forward(&x)?)?;
                    let mlp = inner(&block.second.forward(&x)?)?;
                    let resid = add(&add(&block.down.forward(&mlp)?, &attn)?, &x)?;
                    (attn, mlp, resid)
                }
            };
            keep(Site::Attn, layer, &attn);
            keep(Site::Mlp, layer, &mlp);
            keep(Site::Resid, layer, &resid);
            x = resid;
        }
        // Every tap is one of a block, which `Encoder::run` has checked.
        Ok(found.into_iter().flatten().collect())
    }

    fn embed(&self, batch: &Batch, device: &Device) -> Result<Tensor> {
        let select = |table: &Tensor, rows: Vec<u32>| {
            let n = rows.len();
            table.index_select(&Tensor::from_vec(rows, n, device)?, 0)
        };
        let mut x = select(&self.tokens, batch.ids.clone())?;
        if let Some(positions) = &self.positions {
            let places = batch.texts.iter().flat_map(|text| 0..text.len() as u32).collect();
            x = add(&x, &select(positions, places)?)?;
        }
        match &self.norm {
            Some(norm) => norm.forward(&x),
            None => Ok(x),
        }
    }

    /// Attention within each text, from `(rows, 3 width)` to `(rows, width)`.
    fn attend(&self, qkv: &Tensor, batch: &Batch, tables: Option<&Tables>) -> Result<Tensor> {
        let mut texts = Vec::with_capacity(batch.texts.len());
        for text in &batch.texts {
            let mut x = qkv.narrow(0, text.start, text.len())?; // (tokens, 3 width)
            if let Some(tables) = tables {
                x = tables.turn(&x, self.heads)?;
            }
            let x = x.unsqueeze(0)?; // (1, tokens, 3 width)
            let mixed = if self.causal { causal_attention(&x, self.heads) } else { attention(&x, self.heads) };
            texts.push(mixed?.squeeze(0)?);
        }
        Ok(Tensor::cat(&texts, 0)?)
    }

    fn activate(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match self.activation {
            Activation::Gelu => gelu(x)?,
            Activation::GeluTanh => gelu_tanh(x)?,
            Activation::Relu => x.relu()?,
        })
    }
}

/// The sum of two matrices. candle's own addition gives each to a pool of threads of its own, for which the threads that run texts
/// side by side would wait in turn.
fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    Ok(if x.device().is_cpu() { x.apply_op2_no_bwd(y, &Add)? } else { (x + y)? })
}

struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add-on-this-thread"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let sums = match (x, x_layout.contiguous_offsets(), y, y_layout.contiguous_offsets()) {
            (CpuStorage::F32(x), Some((x0, x1)), CpuStorage::F32(y), Some((y0, y1))) if x1 - x0 == y1 - y0 => {
                x[x0..x1].iter().zip(&y[y0..y1]).map(|(x, y)| x + y).collect()
            }
            _ => candle_core::bail!("expected two contiguous tensors of f32 and of one shape"),
        };
        Ok((CpuStorage::F32(sums), x_layout.shape().clone()))
    }
}

/// Cosines and sines of rotary positions (Su et al., 2021), `(positions of the longest text, rotary width / 2)`.
struct Tables {
    cos: Tensor,
    sin: Tensor,
    width: usize,
}

impl Tables {
    fn new(rotary: Rotary, batch: &Batch, device: &Device) -> Result<Self> {
        let (width, half) = (rotary.width, rotary.width / 2);
        let longest = batch.texts.iter().map(Range::len).max().unwrap_or(0);
        // Angles are rounded to f32, as PyTorch's are: at position 2,000 that is a difference of 1e-4.
        let wave = |i: usize| rotary.base.powf(-((2 * i) as f64) / width as f64) as f32;
        let waves: Vec<f32> = (0..half).map(wave).collect();
        let angles = || (0..longest).flat_map(|position| waves.iter().map(move |wave| position as f32 * wave));
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f32> = angles().map(|angle| of(f64::from(angle)) as f32).collect();
            Tensor::from_vec(values, (longest, half), device)
        };
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)?, width })
    }

    /// Turns the first values of each head's queries and keys in `x (tokens, 3 width)`.
    fn turn(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        if self.width == 0 {
            return Ok(x.clone());
        }
        let (tokens, all) = x.dims2()?;
        let (d, head) = (all / 3, all / 3 / heads);
        let qk = x.narrow(1, 0, 2 * d)?.reshape((tokens, 2 * heads, head))?;
        let turned = qk.narrow(2, 0, self.width)?.transpose(0, 1)?.contiguous()?; // (2 heads, tokens, rotary)
        let part = |table: &Tensor| table.narrow(0, 0, tokens);
        let turned = rope(&turned.unsqueeze(0)?, &part(&self.cos)?, &part(&self.sin)?)?.squeeze(0)?;
        let turned = turned.transpose(0, 1)?; // (tokens, 2 heads, rotary)
        let qk = Tensor::cat(&[&turned, &qk.narrow(2, self.width, head - self.width)?], 2)?;
        let qk = qk.reshape((tokens, 2 * d))?;
        Ok(Tensor::cat(&[&qk, &x.narrow(1, 2 * d, d)?], 1)?)
    }
}
