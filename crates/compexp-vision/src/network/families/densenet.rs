//! DenseNets: a layer of a block reads the outputs of all layers before it, and adds a few channels to them.

use candle_core::Device;
use compexp_kernels::conv::Window;

use super::super::{At, Builder, Kind, Moves};
use crate::error::Result;
use crate::resnet::Weights;

/// The steps.
pub(super) fn build<'a>(weights: &'a Weights, device: &'a Device) -> Result<Builder<'a>> {
    let (mut b, image) = Builder::new(weights, "DenseNets", device);
    let conv = b.conv(image, "features.conv0", Moves::same(7, 2))?;
    let norm = b.norm(conv, "features.norm0")?;
    let relu = b.relu(norm);
    b.name(relu, "features.relu0", Kind::Activation);
    let mut x = b.max_pool(relu, Window { kernel: 3, stride: 2, padding: 1 });
    b.name(x, "features.pool0", Kind::Pooling);
    for block in 1.. {
        let name = format!("features.denseblock{block}");
        if block > 1 && !b.has(&format!("{name}.denselayer1.conv1.weight")) {
            break;
        }
        if block > 1 {
            x = transition(&mut b, x, &format!("features.transition{}", block - 1))?;
        }
        x = dense_block(&mut b, x, &name)?;
    }
    let norm = b.norm(x, "features.norm5")?;
    b.name(norm, "features", Kind::Stage);
    // A function in torchvision's network, and so no layer.
    let relu = b.relu(norm);
    let pooled = b.mean(relu);
    b.named_linear(pooled, "classifier")?;
    Ok(b)
}

fn dense_block(b: &mut Builder<'_>, x: At, name: &str) -> Result<At> {
    let mut all = vec![x];
    for layer in 1.. {
        let name = format!("{name}.denselayer{layer}");
        if layer > 1 && !b.has(&format!("{name}.conv1.weight")) {
            break;
        }
        let mut y = if all.len() > 1 { b.concat(&all) } else { x };
        for (part, moves) in [(1, Moves::POINT), (2, Moves::same(3, 1))] {
            y = b.norm(y, &format!("{name}.norm{part}"))?;
            y = b.relu(y);
            b.name(y, format!("{name}.relu{part}"), Kind::Activation);
            y = b.conv(y, &format!("{name}.conv{part}"), moves)?;
        }
        b.name(y, name, Kind::Block);
        all.push(y);
    }
    let x = b.concat(&all);
    b.name(x, name, Kind::Stage);
    Ok(x)
}

fn transition(b: &mut Builder<'_>, x: At, name: &str) -> Result<At> {
    let norm = b.norm(x, &format!("{name}.norm"))?;
    let relu = b.relu(norm);
    b.name(relu, format!("{name}.relu"), Kind::Activation);
    let conv = b.conv(relu, &format!("{name}.conv"), Moves::POINT)?;
    let pooled = b.mean_pool(conv);
    b.name(pooled, format!("{name}.pool"), Kind::Pooling);
    b.name(pooled, name, Kind::Stage);
    Ok(pooled)
}
