//! The names of a network's layers.

use super::Config;

/// A place in the network whose value can be tapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    StemConv,
    StemNorm,
    Relu,
    MaxPool,
    /// A part of a block, counted over all stages.
    Block(usize, Part),
    AvgPool,
    Fc,
}

/// A place in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    ShortcutConv,
    ShortcutNorm,
    Conv1,
    Norm1,
    Conv2,
    Norm2,
    /// After the residual and the last ReLU.
    Output,
}

/// All layers with their names, in the order in which they are computed. A stage and its last block are the same layer,
/// and so are a shortcut and its batch norm. The ReLU inside of a block has no name here: it runs twice, so its name
/// would not say which value is meant.
pub(super) fn all(config: &Config) -> Vec<(String, Layer)> {
    let mut all: Vec<(String, Layer)> = [("conv1", Layer::StemConv), ("bn1", Layer::StemNorm), ("relu", Layer::Relu)]
        .map(|(name, layer)| (name.into(), layer))
        .into();
    if config.pool {
        all.push(("maxpool".into(), Layer::MaxPool));
    }
    for (i, block) in config.all_blocks().into_iter().enumerate() {
        let mut add = |name: &str, part| all.push((format!("{}{name}", block.name), Layer::Block(i, part)));
        if block.projects() {
            add(".downsample.0", Part::ShortcutConv);
            add(".downsample.1", Part::ShortcutNorm);
            add(".downsample", Part::ShortcutNorm);
        }
        add(".conv1", Part::Conv1);
        add(".bn1", Part::Norm1);
        add(".conv2", Part::Conv2);
        add(".bn2", Part::Norm2);
        add("", Part::Output);
        if block.last {
            all.push((format!("layer{}", block.stage + 1), Layer::Block(i, Part::Output)));
        }
    }
    all.extend([("avgpool".into(), Layer::AvgPool), ("fc".into(), Layer::Fc)]);
    all
}
