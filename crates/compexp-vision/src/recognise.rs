//! What a network is that compexp cannot run, by the names of its weights.

use crate::resnet::Weights;

/// What the weights look like, in words; none for a residual network of basic blocks, which can be run, and for weights
/// that look like nothing known.
pub(crate) fn looks_like(weights: &Weights) -> Option<String> {
    let has = |name: &str| weights.contains_key(name);
    let ends = |end: &str| weights.keys().any(|name| name.ends_with(end));
    let shape = |name: &str| weights.get(name).map_or(&[][..], |weight| weight.dims());
    if ends("encoder.emb.weight") && ends("encoder.rnn.weight_ih_l0") {
        return Some("a classifier of sentence pairs, which `compexp nli probe` explains".to_owned());
    }
    if has("layer1.0.conv3.weight") {
        let blocks = weights.keys().filter(|name| name.starts_with("layer") && name.ends_with(".conv3.weight")).count();
        let kind = match (shape("layer1.0.conv1.weight"), shape("layer1.0.conv2.weight")) {
            (_, [wide, narrow, ..]) if wide != narrow => "ResNeXt",
            ([width, ..], _) if *width > 64 => "Wide ResNet",
            _ => "ResNet",
        };
        // Three convolutions a block, the first one, and the last layer.
        return Some(format!("a {kind}-{} (bottleneck blocks)", 3 * blocks + 2));
    }
    if has("features.denseblock1.denselayer1.conv1.weight") {
        let layers =
            weights.keys().filter(|name| name.contains(".denselayer") && name.ends_with(".conv1.weight")).count();
        let transitions =
            weights.keys().filter(|name| name.contains(".transition") && name.ends_with(".conv.weight")).count();
        return Some(format!("a DenseNet-{}", 2 * layers + transitions + 2));
    }
    if has("features.0.weight") && weights.keys().any(|name| name.starts_with("classifier.")) {
        if let [_, _, 11, 11] = shape("features.0.weight") {
            return Some("an AlexNet".to_owned());
        }
        let layers = weights.iter().filter(|(name, weight)| match name.split('.').next() {
            Some("features") => weight.dims().len() == 4,
            _ => name.starts_with("classifier.") && weight.dims().len() == 2,
        });
        return Some(format!("a VGG-{}", layers.count()));
    }
    if ends("relative_position_bias_table") {
        return Some("a Swin transformer".to_owned());
    }
    let patches = ["patch_embed.proj.weight", "patch_embeddings.projection.weight", "patch_embedding.weight"];
    if patches.into_iter().any(ends) || has("conv_proj.weight") || has("class_token") {
        return Some("a vision transformer (ViT)".to_owned());
    }
    let words = ["word_embeddings.weight", "wte.weight", "embed_tokens.weight", "shared.weight", "embed_in.weight"];
    if words.into_iter().any(ends) {
        return Some("a text transformer".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::resnet::Config;

    /// What weights of these names and shapes look like. Small shapes stand for the sizes that no rule reads.
    fn of(names: &[(String, &[usize])]) -> Option<String> {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        looks_like(&names.iter().map(|(name, shape)| (name.clone(), zeros(shape))).collect())
    }

    fn bottlenecks(blocks: [usize; 4], width: usize, group: usize) -> Vec<(String, Vec<usize>)> {
        let mut all = vec![("conv1.weight".to_owned(), vec![1, 3, 7, 7]), ("fc.weight".to_owned(), vec![2, 1])];
        for (stage, blocks) in blocks.into_iter().enumerate() {
            for block in 0..blocks {
                let name = |part| format!("layer{}.{block}.{part}.weight", stage + 1);
                all.push((name("conv1"), vec![width, 1, 1, 1]));
                all.push((name("conv2"), vec![width, group, 1, 1]));
                all.push((name("conv3"), vec![1, width, 1, 1]));
                all.push((name("bn3"), vec![1]));
            }
        }
        all
    }

    #[test]
    fn networks_are_named_by_their_weights() {
        let looks = |all: Vec<(String, Vec<usize>)>| {
            of(&all.iter().map(|(name, shape)| (name.clone(), shape.as_slice())).collect::<Vec<_>>())
        };
        // Names and shapes of torchvision's models.
        for (blocks, width, group, name) in [
            ([3, 4, 6, 3], 64, 64, "a ResNet-50 (bottleneck blocks)"),
            ([3, 4, 23, 3], 64, 64, "a ResNet-101 (bottleneck blocks)"),
            ([3, 8, 36, 3], 64, 64, "a ResNet-152 (bottleneck blocks)"),
            ([3, 4, 6, 3], 128, 4, "a ResNeXt-50 (bottleneck blocks)"),
            ([3, 4, 6, 3], 128, 128, "a Wide ResNet-50 (bottleneck blocks)"),
        ] {
            assert_eq!(looks(bottlenecks(blocks, width, group)).as_deref(), Some(name));
        }
        for (layers, name) in [([6, 12, 24, 16], "a DenseNet-121"), ([6, 12, 48, 32], "a DenseNet-201")] {
            let mut all = vec![
                ("features.conv0.weight".to_owned(), vec![1, 3, 7, 7]),
                ("classifier.weight".to_owned(), vec![2, 1]),
            ];
            for (block, layers) in layers.into_iter().enumerate() {
                for layer in 1..=layers {
                    for conv in 1..=2 {
                        let name = format!("features.denseblock{}.denselayer{layer}.conv{conv}.weight", block + 1);
                        all.push((name, vec![1, 1, 1, 1]));
                    }
                }
                if block < 3 {
                    all.push((format!("features.transition{}.conv.weight", block + 1), vec![1, 1, 1, 1]));
                }
            }
            assert_eq!(looks(all).as_deref(), Some(name));
        }
        let classifier = [0, 3, 6].map(|i| (format!("classifier.{i}.weight"), vec![2, 2]));
        let vgg = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
            .map(|i| (format!("features.{i}.weight"), vec![1, 1, 3, 3]));
        assert_eq!(looks([&vgg[..], &classifier].concat()).as_deref(), Some("a VGG-16"));
        let alexnet =
            [("features.0.weight".to_owned(), vec![1, 3, 11, 11]), ("classifier.6.weight".to_owned(), vec![2, 2])];
        assert_eq!(looks(alexnet.into()).as_deref(), Some("an AlexNet"));
        for (names, kind) in [
            (
                &["class_token", "conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight"][..],
                "a vision transformer (ViT)",
            ),
            (&["cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"], "a vision transformer (ViT)"),
            (&["vit.embeddings.patch_embeddings.projection.weight"], "a vision transformer (ViT)"),
            (&["patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table"], "a Swin transformer"),
            (&["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight"], "a text transformer"),
            (&["transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"], "a text transformer"),
            (&["model.embed_tokens.weight", "lm_head.weight"], "a text transformer"),
            (
                &["encoder.emb.weight", "encoder.rnn.weight_ih_l0"],
                "a classifier of sentence pairs, which `compexp nli probe` explains",
            ),
        ] {
            let all = names.iter().map(|name| ((*name).to_owned(), vec![1, 1])).collect();
            assert_eq!(looks(all).as_deref(), Some(kind), "{names:?}");
        }
    }

    #[test]
    fn networks_that_can_be_run_and_unknown_ones_have_no_name() {
        let config = Config { stem: 4, widths: vec![4, 8], blocks: vec![1, 1], ..Config::default() };
        let basic = config.weights(3).unwrap();
        assert_eq!(of(&basic.iter().map(|(name, shape)| (name.clone(), shape.as_slice())).collect::<Vec<_>>()), None);
        assert_eq!(of(&[("net.0.weight".to_owned(), &[1, 1])]), None);
        assert_eq!(of(&[]), None);
    }
}
