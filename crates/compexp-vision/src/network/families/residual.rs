//! ResNets: of two 3 x 3 convolutions a block (basic) or of three, the middle one 3 x 3 (bottleneck), which may be in groups.

use candle_core::Device;
use compexp_kernels::conv::Window;

use super::super::{At, Builder, Kind, Moves};
use crate::error::Result;
use crate::resnet::{Config, Weights};

/// The steps, with the sizes that `config` states or the weights have.
pub(super) fn build<'a>(config: Option<&Config>, weights: &'a Weights, device: &'a Device) -> Result<Builder<'a>> {
    let config = config.cloned().unwrap_or_else(|| Config::of(weights));
    let (mut b, image) = Builder::new(weights, "ResNets", device);
    let bottlenecks = b.has("layer1.0.conv3.weight");
    if !bottlenecks {
        // Of basic blocks every shape is known beforehand.
        let classes = b.dims("fc.weight").and_then(|dims| dims.first()).copied();
        if classes.is_none() {
            b.weight("fc.weight", &[None, None])?;
        }
        for (name, shape) in config.weights(classes.unwrap_or(0))? {
            b.weight(&name, &shape.into_iter().map(Some).collect::<Vec<_>>())?;
        }
    }
    let conv = b.conv(image, "conv1", Moves::same(config.kernel, config.stride))?;
    let norm = b.norm(conv, "bn1")?;
    let mut x = b.relu(norm);
    b.name(x, "relu", Kind::Activation);
    if config.pool {
        x = b.max_pool(x, Window { kernel: 3, stride: 2, padding: 1 });
        b.name(x, "maxpool", Kind::Pooling);
    }
    for (stage, &blocks) in config.blocks.iter().enumerate() {
        for block in 0..blocks {
            let stride = if stage > 0 && block == 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            let projects = if bottlenecks {
                b.has(&format!("{name}.downsample.0.weight"))
            } else {
                stride != 1 || config.widths[stage] != x.channels
            };
            x = add_block(&mut b, x, &name, stride, bottlenecks, projects)?;
        }
        b.name(x, format!("layer{}", stage + 1), Kind::Stage);
    }
    let pooled = b.mean(x);
    b.name(pooled, "avgpool", Kind::Pooling);
    b.named_linear(pooled, "fc")?;
    Ok(b)
}

fn add_block(b: &mut Builder<'_>, x: At, name: &str, stride: usize, bottleneck: bool, projects: bool) -> Result<At> {
    let shortcut = if projects {
        let conv = b.conv(x, &format!("{name}.downsample.0"), Moves { stride, ..Moves::POINT })?;
        let norm = b.norm(conv, &format!("{name}.downsample.1"))?;
        b.name(norm, format!("{name}.downsample"), Kind::Stage);
        norm
    } else {
        x
    };
    let strided = Moves::same(3, stride);
    let convs = match bottleneck {
        false => vec![strided, Moves::same(3, 1)],
        true => vec![Moves::POINT, Moves { groups: true, ..strided }, Moves::POINT],
    };
    let mut y = x;
    for (i, moves) in convs.iter().enumerate() {
        let conv = b.conv(y, &format!("{name}.conv{}", i + 1), *moves)?;
        y = b.norm(conv, &format!("{name}.bn{}", i + 1))?;
        if i + 1 < convs.len() {
            // It runs several times, so its name would not say which value is meant: it is no layer.
            y = b.relu(y);
        }
    }
    let sum = b.add(y, shortcut, &format!("{name}.conv{}", convs.len()))?;
    let y = b.relu(sum);
    b.name(y, name, Kind::Block);
    Ok(y)
}
