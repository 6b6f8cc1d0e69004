//! Vision transformers: patches of the image are tokens, beside a class token that the last layer reads.

use candle_core::Device;

use super::super::{At, Builder, Kind, Moves};
use crate::error::{Error, Result};
use crate::resnet::Weights;

/// The width of a head in torchvision's networks.
const HEAD: usize = 64;

/// The steps, and rows and columns of the images.
pub(super) fn build<'a>(
    heads: Option<usize>,
    weights: &'a Weights,
    device: &'a Device,
) -> Result<(Builder<'a>, usize)> {
    let (mut b, image) = Builder::new(weights, "ViTs", device);
    let patch = b.dims("conv_proj.weight").and_then(|dims| dims.get(2)).copied().unwrap_or(1);
    let projected = b.conv(image, "conv_proj", Moves { kernel: patch, stride: patch, padding: 0, groups: false })?;
    let width = projected.channels;
    let heads = match heads {
        Some(heads) => heads,
        None if width.is_multiple_of(HEAD) => width / HEAD,
        None => {
            let expected =
                format!("a multiple of {HEAD}, or their number: give --heads N, which the weights do not tell");
            return Err(Error::mismatch("width of a transformer, to find its heads", width, expected));
        }
    };
    if heads == 0 || !width.is_multiple_of(heads) {
        let expected = format!("a number that divides the width of {width}");
        return Err(Error::mismatch("--heads", heads, expected));
    }
    let class = b.weight("class_token", &[Some(1), Some(1), Some(width)])?;
    let name = "encoder.pos_embedding";
    let positions = b.weight(name, &[Some(1), None, Some(width)])?;
    let tokens = positions.dims()[1];
    let side = (tokens - 1).isqrt();
    if side == 0 || side * side + 1 != tokens {
        let expected = "a square number of patches and the class token";
        return Err(b.wrong(name, format!("{tokens} tokens"), expected));
    }
    let mut x = b.tokens(projected, class, positions)?;
    b.name(x, "encoder.dropout", Kind::Identity);
    for layer in 0.. {
        let name = format!("encoder.layers.encoder_layer_{layer}");
        if layer > 0 && !b.has(&format!("{name}.ln_1.weight")) {
            break;
        }
        x = add_layer(&mut b, x, &name, heads)?;
    }
    b.name(x, "encoder.layers", Kind::Stage);
    let x = b.layer_norm(x, "encoder.ln")?;
    b.name(x, "encoder", Kind::Stage);
    let class = b.class_token(x);
    let logits = b.named_linear(class, "heads.head")?;
    b.name(logits, "heads", Kind::Stage);
    Ok((b, patch * side))
}

fn add_layer(b: &mut Builder<'_>, x: At, name: &str, heads: usize) -> Result<At> {
    let norm = b.layer_norm(x, &format!("{name}.ln_1"))?;
    let attention = format!("{name}.self_attention");
    let weight = format!("{attention}.in_proj_weight");
    b.weight(&weight, &[Some(3 * x.channels), Some(x.channels)])?;
    let all = b.linear(norm, &weight, &format!("{attention}.in_proj_bias"))?;
    let mixed = b.attention(all, heads);
    let projection = format!("{attention}.out_proj");
    let y = b.linear(mixed, &format!("{projection}.weight"), &format!("{projection}.bias"))?;
    b.name(y, attention, Kind::Attention);
    b.name(y, format!("{name}.dropout"), Kind::Identity);
    let x = b.add(y, x, &projection)?;
    let norm = b.layer_norm(x, &format!("{name}.ln_2"))?;
    let mlp = |part: usize| format!("{name}.mlp.{part}");
    let hidden = b.named_linear(norm, &mlp(0))?;
    let hidden = b.gelu(hidden);
    b.name(hidden, mlp(1), Kind::Activation);
    b.name(hidden, mlp(2), Kind::Identity);
    let y = b.named_linear(hidden, &mlp(3))?;
    b.name(y, mlp(4), Kind::Identity);
    b.name(y, format!("{name}.mlp"), Kind::Mlp);
    let x = b.add(y, x, &mlp(3))?;
    b.name(x, name, Kind::Block);
    Ok(x)
}
