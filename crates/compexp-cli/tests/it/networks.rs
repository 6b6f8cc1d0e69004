//! Networks of all families: their layers, and several layers in one pass.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::scenes::{TRAIN, paint};
use crate::{fails, json, ok};

fn value(out: &str) -> Value {
    serde_json::from_str(out).unwrap()
}

#[test]
fn layers_in_one_pass_are_those_of_a_pass_each() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    paint(dir);
    ok(dir, &format!("{TRAIN} --out net"));
    let probe = "vision probe --broden probe --checkpoint net/model.safetensors --classes probe/classes.txt --beam 2";
    let names = ["layer1.0.conv1", "layer2", "avgpool", "fc"];
    let layers: Vec<String> = names.iter().map(|layer| format!("--layer {layer}")).collect();
    let out = value(&ok(dir, &format!("{probe} {} --out all --json", layers.join(" "))));
    assert_eq!(out.as_array().map(Vec::len), Some(4), "{out}");
    assert!(out[1]["run"].as_str().unwrap().ends_with("layer2"), "{out}");
    let alone = |layer: &str| ok(dir, &format!("{probe} --layer {layer} --out alone/{layer}"));
    let equal = |layer: &str| {
        for file in
            ["explanations.json", "activations.npy", "logits.npy", "config.json", "predictions.csv", "summary.json"]
        {
            // A layer that the last one does not read has no predictions of its own.
            let read = |run: &str| fs::read(dir.join(run).join(layer).join(file)).ok();
            assert!(file == "predictions.csv" || read("all").is_some(), "{layer}: no {file}");
            assert!(read("all") == read("alone"), "{layer}: {file} differs");
        }
    };
    for layer in names {
        alone(layer);
        equal(layer);
    }
    // One of the runs is made again, the others are up to date.
    fs::remove_dir_all(dir.join("all/layer2")).unwrap();
    let out = value(&ok(dir, &format!("{probe} {} --out all --json", layers.join(" "))));
    let up_to_date: Vec<bool> = out.as_array().unwrap().iter().map(|run| run["up_to_date"] == true).collect();
    assert_eq!(up_to_date, [true, false, true, true]);
    equal("layer2");

    let e = fails(dir, 2, &format!("{probe} --layer layer2 --layer layer2 --out twice"));
    assert!(e.contains("--layer: the run of `layer2` would be in `twice/layer2`"), "{e}");
    let e = fails(dir, 2, &format!("{probe} --layer layer1 --contributions --out x"));
    assert!(e.contains("does not read `layer1`") && e.contains("`layer2`, `avgpool`"), "{e}");
    let e = fails(dir, 2, &format!("{probe} --out x"));
    assert!(e.contains("has no `layer4`") && e.contains("compexp vision layers net/model.safetensors"), "{e}");
    // The folder of a model stands for the checkpoint in it.
    assert_eq!(ok(dir, "vision layers net"), ok(dir, "vision layers net/model.safetensors"));
    let e = fails(dir, 1, "vision layers alone");
    assert!(e.contains("`alone`: found no checkpoint, expected one of model.safetensors, "), "{e}");
}

#[test]
fn layers_are_listed_with_their_shapes() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let Some(vit) = compexp_tests::data("networks/vit/weights.pth") else { return };
    let vit = vit.display();
    let e = fails(dir, 1, &format!("vision layers {vit}"));
    assert!(e.contains("found 40, expected a multiple of 64") && e.contains("--heads N"), "{e}");
    let out = value(&ok(dir, &format!("vision layers {vit} --heads 4 --json")));
    assert_eq!((&out["image"], &out["classes"]), (&serde_json::json!([64, 64]), &9.into()), "{out}");
    let layer = |out: &Value, name: &str| {
        let found = out["layers"].as_array().unwrap().iter().find(|layer| layer["name"] == name).unwrap();
        format!("{} {}", found["kind"].as_str().unwrap(), found["shape"])
    };
    assert_eq!(layer(&out, "encoder.layers.encoder_layer_1.mlp.1"), "activation [88,4,4]");
    assert_eq!(layer(&out, "encoder.layers.encoder_layer_3"), "block [40,4,4]");
    assert_eq!(layer(&out, "heads.head"), "linear [9,1,1]");
    let e = fails(dir, 1, &format!("vision layers {vit} --heads 4 --image-size 80x64"));
    assert!(e.contains("found 80 x 64, expected 64 x 64") && e.contains("--resize 64"), "{e}");
    let Some(resnext) = compexp_tests::data("networks/resnext/weights.pth") else { return };
    let text = ok(dir, &format!("vision layers {}#model_ema --image-size 62x62", resnext.display()));
    assert!(text.starts_with("ResNeXt-17, 10 classes, on an image of 62 x 62\n"), "{text}");
    let row = ["160", "x", "2", "x", "2", "norm", "layer4.0.bn3"];
    assert!(text.lines().any(|line| line.split_whitespace().eq(row)), "{text}");
    let e = fails(dir, 1, &format!("vision layers {} --arch vgg", resnext.display()));
    assert!(e.contains("features.0.weight") && e.contains("as torchvision's VGGs have"), "{e}");
}

/// A probe of the small photographs by a network of random weights, with what follows `--checkpoint FILE`.
fn probe(dir: &Path, weights: &str, options: &str) -> Option<String> {
    let broden = compexp_tests::data("miniplaces-broden-mini")?;
    let weights = compexp_tests::data(&format!("networks/{weights}"))?;
    let (file, entry) = options.split_once('|').unwrap_or(("", options));
    Some(ok(
        dir,
        &format!(
            "vision probe --broden {} --checkpoint {}{file} --beam 2 {entry}",
            broden.display(),
            weights.display()
        ),
    ))
}

#[test]
fn photographs_go_through_every_family() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    for (weights, options, units) in [
        ("bottleneck/weights.pth", "--layer layer2.1.conv2 --out bottleneck", 14),
        ("resnext/weights.pth", "#model_ema|--layer layer3 --out resnext", 80),
        ("vgg/weights.pth", "--layer features.30 --out vgg", 26),
        ("alexnet/weights_features_module.pth", "--layer features.11 --out alexnet", 21),
        ("densenet/weights_oldkeys.pth", "--layer features.denseblock2 --out densenet", 35),
    ] {
        let Some(out) = probe(dir, weights, options) else { return };
        assert!(out.contains(&format!("{units} units on 120 examples")), "{weights}: {out}");
    }
    let config = json(&dir.join("resnext/config.json"));
    assert_eq!(config["config"]["inputs"]["entry"], "model_ema", "{config}");
}
