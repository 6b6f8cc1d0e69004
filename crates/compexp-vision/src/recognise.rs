//! What a network is, by the names and shapes of its weights.

use crate::network::Family;
use crate::resnet::Weights;

/// Weights with the names that torchvision gives them today, and the family that they belong to, if it is known. A prefix
/// that all names share is removed if that makes the family known.
pub(crate) fn recognise(weights: Weights) -> (Weights, Option<Family>) {
    let mut weights: Weights = weights.into_iter().map(|(name, weight)| (present_name(&name), weight)).collect();
    let as_found = weights.clone();
    loop {
        if let Some(family) = family(&weights) {
            return (weights, Some(family));
        }
        let first =
            |name: &String| name.split_inclusive('.').next().filter(|part| part.ends_with('.')).map(str::to_owned);
        let Some(prefix) = weights.keys().next().and_then(first) else { return (as_found, None) };
        if !weights.keys().all(|name| name.len() > prefix.len() && name.starts_with(&prefix)) {
            return (as_found, None);
        }
        weights = weights.into_iter().map(|(name, weight)| (name[prefix.len()..].to_owned(), weight)).collect();
    }
}

/// A name of an earlier version of torchvision as it is now.
fn present_name(name: &str) -> String {
    let changes: &[(&str, &str)] = if name.contains(".denselayer") {
        &[(".norm.1.", ".norm1."), (".norm.2.", ".norm2."), (".conv.1.", ".conv1."), (".conv.2.", ".conv2.")]
    } else if name.contains("encoder_layer_") {
        &[(".mlp.linear_1.", ".mlp.0."), (".mlp.linear_2.", ".mlp.3.")]
    } else {
        &[]
    };
    changes.iter().fold(name.to_owned(), |name, (from, to)| name.replacen(from, to, 1))
}

/// The family of networks that has weights of these names.
fn family(weights: &Weights) -> Option<Family> {
    let has = |name: &str| weights.contains_key(name);
    if has("conv1.weight") && has("layer1.0.conv1.weight") {
        return Some(Family::ResNet);
    }
    if has("features.denseblock1.denselayer1.conv1.weight") {
        return Some(Family::DenseNet);
    }
    if has("conv_proj.weight") && has("class_token") {
        return Some(Family::Vit);
    }
    // `features.N.weight` alone: SqueezeNets and MobileNets have names within.
    let flat = |name: &String| !name.starts_with("features.") || name.split('.').count() == 3;
    let first = weights.get("features.0.weight").map(|weight| weight.dims())?;
    if weights.keys().any(|name| name.starts_with("classifier.")) && weights.keys().all(flat) {
        return Some(if let [_, _, 11, 11] = first { Family::AlexNet } else { Family::Vgg });
    }
    None
}

/// The name of a network of this family, such as "ResNet-50".
pub(crate) fn network_name(family: Family, weights: &Weights) -> String {
    let count =
        |begin: &str, end: &str| weights.keys().filter(|name| name.starts_with(begin) && name.ends_with(end)).count();
    match family {
        Family::ResNet => {
            let dims = |name: &str| weights.get(name).map_or(&[][..], |weight| weight.dims());
            let bottleneck = weights.contains_key("layer1.0.conv3.weight");
            let kind = match (dims("layer1.0.conv1.weight"), dims("layer1.0.conv2.weight")) {
                (_, [wide, narrow, ..]) if bottleneck && wide != narrow => "ResNeXt",
                ([width, ..], _) if bottleneck && *width > 64 => "Wide ResNet",
                _ => "ResNet",
            };
            // The first convolution and the last layer, and the convolutions of the blocks.
            let (blocks, each) = (count("layer", ".conv2.weight"), if bottleneck { 3 } else { 2 });
            format!("{kind}-{}", each * blocks + 2)
        }
        Family::AlexNet => "AlexNet".to_owned(),
        Family::Vgg => {
            let layers = weights.values().filter(|weight| [2, 4].contains(&weight.dims().len()));
            let norm = if count("features.", ".running_mean") > 0 { " with batch norm" } else { "" };
            format!("VGG-{}{norm}", layers.count())
        }
        Family::DenseNet => {
            let layers = weights.keys().filter(|name| name.contains(".denselayer") && name.ends_with(".conv1.weight"));
            let transitions = count("features.transition", ".conv.weight");
            format!("DenseNet-{}", 2 * layers.count() + transitions + 2)
        }
        Family::Vit => {
            let patch = weights.get("conv_proj.weight").and_then(|weight| weight.dims().get(2).copied()).unwrap_or(0);
            format!("ViT of {} layers, patch {patch}", count("encoder.layers.", ".ln_1.weight"))
        }
    }
}

/// What weights that belong to no known family look like, in words.
pub(crate) fn looks_like(weights: &Weights) -> Option<&'static str> {
    let ends = |end: &str| weights.keys().any(|name| name.ends_with(end));
    if ends("encoder.emb.weight") && ends("encoder.rnn.weight_ih_l0") {
        return Some("a classifier of sentence pairs, which `compexp nli probe` explains");
    }
    if ends("relative_position_bias_table") {
        return Some("a Swin transformer");
    }
    if ends(".squeeze.weight") && ends(".expand3x3.weight") {
        return Some("a SqueezeNet");
    }
    if ends("features.0.0.weight") && weights.keys().any(|name| name.contains(".block.")) {
        return Some("an EfficientNet, ConvNeXt or MobileNet");
    }
    if ends("features.0.0.weight") {
        return Some("a MobileNet or EfficientNet");
    }
    let patches = ["patch_embed.proj.weight", "patch_embeddings.projection.weight", "patch_embedding.weight"];
    if patches.into_iter().any(ends) {
        return Some("a vision transformer (ViT) whose weights do not have torchvision's names");
    }
    let words = ["word_embeddings.weight", "wte.weight", "embed_tokens.weight", "shared.weight", "embed_in.weight"];
    if words.into_iter().any(ends) {
        return Some("a text transformer");
    }
    None
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;

    /// Weights of these names and shapes. Small shapes stand for the sizes that no rule reads.
    fn weights(names: impl IntoIterator<Item = (String, Vec<usize>)>) -> Weights {
        let zeros = |shape: Vec<usize>| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
        names.into_iter().map(|(name, shape)| (name, zeros(shape))).collect()
    }

    /// The family and the name of a network with such weights.
    fn of(names: impl IntoIterator<Item = (String, Vec<usize>)>) -> (Option<Family>, String) {
        let (weights, family) = recognise(weights(names));
        (family, family.map_or_else(String::new, |family| network_name(family, &weights)))
    }

    fn residual(blocks: [usize; 4], convs: usize, width: usize, group: usize) -> Vec<(String, Vec<usize>)> {
        let mut all = vec![("conv1.weight".to_owned(), vec![1, 3, 7, 7]), ("fc.weight".to_owned(), vec![2, 1])];
        for (stage, blocks) in blocks.into_iter().enumerate() {
            for block in 0..blocks {
                for conv in 1..=convs {
                    let shape = if conv == 2 { vec![width, group, 1, 1] } else { vec![width, 1, 1, 1] };
                    all.push((format!("layer{}.{block}.conv{conv}.weight", stage + 1), shape));
                }
            }
        }
        all
    }

    #[test]
    fn networks_are_named_by_their_weights() {
        // Names and shapes of torchvision's models.
        for (blocks, convs, width, group, name) in [
            ([2, 2, 2, 2], 2, 64, 64, "ResNet-18"),
            ([3, 4, 6, 3], 2, 64, 64, "ResNet-34"),
            ([3, 4, 6, 3], 3, 64, 64, "ResNet-50"),
            ([3, 4, 23, 3], 3, 64, 64, "ResNet-101"),
            ([3, 8, 36, 3], 3, 64, 64, "ResNet-152"),
            ([3, 4, 6, 3], 3, 128, 4, "ResNeXt-50"),
            ([3, 4, 6, 3], 3, 128, 128, "Wide ResNet-50"),
        ] {
            let found = of(residual(blocks, convs, width, group));
            assert_eq!(found, (Some(Family::ResNet), name.to_owned()));
        }
        for (layers, name) in [([6, 12, 24, 16], "DenseNet-121"), ([6, 12, 48, 32], "DenseNet-201")] {
            for dot in ["", "."] {
                let mut all = vec![
                    ("features.conv0.weight".to_owned(), vec![1, 3, 7, 7]),
                    ("classifier.weight".to_owned(), vec![2, 1]),
                ];
                for (block, layers) in layers.into_iter().enumerate() {
                    for layer in 1..=layers {
                        for conv in 1..=2 {
                            let layer = format!("features.denseblock{}.denselayer{layer}", block + 1);
                            all.push((format!("{layer}.conv{dot}{conv}.weight"), vec![1, 1, 1, 1]));
                        }
                    }
                    if block < 3 {
                        all.push((format!("features.transition{}.conv.weight", block + 1), vec![1, 1, 1, 1]));
                    }
                }
                assert_eq!(of(all), (Some(Family::DenseNet), name.to_owned()));
            }
        }
        let classifier = [0, 3, 6].map(|i| (format!("classifier.{i}.weight"), vec![2, 2]));
        let vgg = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
            .map(|i| (format!("features.{i}.weight"), vec![1, 1, 3, 3]));
        assert_eq!(of([&vgg[..], &classifier].concat()), (Some(Family::Vgg), "VGG-16".to_owned()));
        let alexnet =
            [("features.0.weight".to_owned(), vec![1, 3, 11, 11]), ("classifier.6.weight".to_owned(), vec![2, 2])];
        assert_eq!(of(alexnet), (Some(Family::AlexNet), "AlexNet".to_owned()));
        let vit = ["class_token", "conv_proj.weight", "encoder.layers.encoder_layer_0.ln_1.weight"];
        let vit = vit.map(|name| (name.to_owned(), vec![1, 1, 16, 16]));
        assert_eq!(of(vit), (Some(Family::Vit), "ViT of 1 layers, patch 16".to_owned()));
    }

    #[test]
    fn a_shared_prefix_is_removed_if_that_makes_the_family_known() {
        let renamed = |prefix: &str| {
            let all = residual([1, 1, 1, 1], 2, 8, 8).into_iter();
            all.map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect::<Vec<_>>()
        };
        for prefix in ["backbone.", "net.encoder."] {
            let (weights, family) = recognise(weights(renamed(prefix)));
            assert_eq!(family, Some(Family::ResNet), "{prefix}");
            assert!(weights.contains_key("layer1.0.conv1.weight"), "{prefix}");
        }
        let (weights, family) =
            recognise(weights([("net.0.weight".to_owned(), vec![1]), ("net.0.bias".to_owned(), vec![1])]));
        assert_eq!((family, weights.len()), (None, 2));
        assert!(weights.contains_key("net.0.weight"));
    }

    #[test]
    fn networks_that_cannot_be_run_are_named_by_what_they_look_like() {
        for (names, kind) in [
            (
                &["cls_token", "patch_embed.proj.weight", "blocks.0.attn.qkv.weight"][..],
                Some("a vision transformer (ViT) whose weights do not have torchvision's names"),
            ),
            (
                &["patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table"],
                Some("a Swin transformer"),
            ),
            (&["bert.embeddings.word_embeddings.weight", "bert.pooler.dense.weight"], Some("a text transformer")),
            (&["transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"], Some("a text transformer")),
            (&["model.embed_tokens.weight", "lm_head.weight"], Some("a text transformer")),
            (
                &["encoder.emb.weight", "encoder.rnn.weight_ih_l0"],
                Some("a classifier of sentence pairs, which `compexp nli probe` explains"),
            ),
            (
                &[
                    "features.0.weight",
                    "features.3.squeeze.weight",
                    "features.3.expand3x3.weight",
                    "classifier.1.weight",
                ],
                Some("a SqueezeNet"),
            ),
            (&["features.0.0.weight", "features.1.0.block.0.0.weight"], Some("an EfficientNet, ConvNeXt or MobileNet")),
            (&["net.0.weight"], None),
        ] {
            let all = weights(names.iter().map(|name| ((*name).to_owned(), vec![1, 1])));
            let (all, family) = recognise(all);
            assert_eq!((family, looks_like(&all)), (None, kind), "{names:?}");
        }
    }
}
