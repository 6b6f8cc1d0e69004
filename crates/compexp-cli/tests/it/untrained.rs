//! Networks before any training, to compare with, and the devices that a build lacks.

use std::fs;

use crate::{fails, json, ok};

/// Values of the first units of a layer on the probe set, as bytes.
fn activations(dir: &std::path::Path, run: &str) -> Vec<u8> {
    fs::read(dir.join(run).join("activations.npy")).unwrap()
}

#[test]
fn a_network_on_random_weights_is_another_one_and_follows_from_its_seed() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    crate::scenes::paint(dir);
    ok(dir, &format!("{} --out net", crate::scenes::TRAIN));
    let probe =
        "vision probe --broden probe --checkpoint net/model.safetensors --classes probe/classes.txt --layer layer2";
    ok(dir, &format!("{probe} --out trained"));
    for (out, seed) in [("first", 1), ("again", 1), ("second", 2)] {
        ok(dir, &format!("{probe} --random-weights {seed} --out {out}"));
    }
    assert_eq!(activations(dir, "first"), activations(dir, "again"));
    for other in ["trained", "second"] {
        assert_ne!(activations(dir, "first"), activations(dir, other), "{other}");
        // The last layer of a run is of the same weights as its activations.
        let [a, b] = ["first", other].map(|run| fs::read(dir.join(run).join("head.npy")).unwrap());
        assert_ne!(a, b, "{other}");
    }
    let config = |run: &str| json(&dir.join(run).join("config.json"))["config"]["inputs"]["random_weights"].clone();
    assert_eq!((config("trained"), config("first")), (serde_json::Value::Null, 1.into()));

    // Another seed is another run, and its activations are not those that are there.
    let e = fails(dir, 1, &format!("{probe} --random-weights 2 --out first"));
    assert!(e.contains("`inputs.random_weights` (--random-weights): found 1, asked for 2"), "{e}");
    ok(dir, &format!("{probe} --random-weights 2 --out first --force"));
    assert_eq!(activations(dir, "first"), activations(dir, "second"));

    // What opens the network again takes the weights of the run: with those of the file these columns would be equal.
    let weights = |above: &str, random: &str| -> Vec<String> {
        let below = format!("{above}-below");
        ok(dir, &format!("{} {random} --out {below}", probe.replace("layer2", "layer1")));
        ok(dir, &format!("vision contributions {above} --below {below} --checkpoint net/model.safetensors"));
        let text = fs::read_to_string(dir.join(above).join("contributions-below.csv")).unwrap();
        let at = text.lines().next().unwrap().split(',').position(|column| column == "weight").unwrap();
        text.lines().skip(1).map(|row| row.split(',').nth(at).unwrap().to_owned()).collect()
    };
    let (trained, random) = (weights("trained", ""), weights("again", "--random-weights 1"));
    assert!(trained.len() == 8 * 16 && trained.len() == random.len(), "{} {}", trained.len(), random.len());
    assert!(trained.iter().zip(&random).all(|(a, b)| a != b));
    let e = fails(dir, 1, "vision contributions again --below second --checkpoint net/model.safetensors");
    assert!(e.contains("found a run of another network"), "{e}");
}

#[test]
fn a_classifier_on_random_weights_predicts_with_them() {
    let temp = crate::nli::tables();
    let dir = temp.path();
    ok(dir, &format!("{} --epochs 6 --out model", crate::nli::TRAIN));
    let probe = "nli probe --pairs dev.tsv --tokenized --features words,overlap --checkpoint model/model.safetensors \
                 --min-activations 3 --length 3";
    ok(dir, &format!("{probe} --out trained"));
    ok(dir, &format!("{probe} --random-weights 7 --out random"));
    ok(dir, &format!("{probe} --random-weights 7 --out again"));
    assert_eq!(activations(dir, "random"), activations(dir, "again"));
    assert_ne!(activations(dir, "random"), activations(dir, "trained"));
    let accuracy = |run: &str| json(&dir.join(run).join("summary.json"))["accuracy"]["correct"].as_u64().unwrap();
    assert!(accuracy("trained") > accuracy("random"), "{} {}", accuracy("trained"), accuracy("random"));

    let predict = "nli predict --checkpoint model/model.safetensors --json --tokenized a b";
    let [of_file, of_run] =
        [predict.to_owned(), format!("{predict} --run random")].map(|args| ok(dir, &args)).map(|text| {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            value["probabilities"].clone()
        });
    assert_ne!(of_file, of_run, "the run's classifier has other weights than the file");
}

#[test]
fn a_device_that_the_build_lacks_is_refused_and_the_cpu_is_the_default() {
    let temp = crate::nli::tables();
    let dir = temp.path();
    if !cfg!(feature = "cuda") {
        let e = fails(dir, 1, &format!("{} --epochs 1 --device cuda --out model", crate::nli::TRAIN));
        assert!(e.contains("device: found `cuda:0`, expected `cpu`, or a build with `--features cuda`"), "{e}");
    }
    let e = fails(dir, 2, &format!("{} --epochs 1 --device gpu --out model", crate::nli::TRAIN));
    assert!(e.contains("found `gpu`, expected `cpu`, `cuda`"), "{e}");
    ok(dir, &format!("{} --epochs 1 --device cpu --out one", crate::nli::TRAIN));
    ok(dir, &format!("{} --epochs 1 --out other", crate::nli::TRAIN));
    let [a, b] = ["one", "other"].map(|out| fs::read(dir.join(out).join("model.safetensors")).unwrap());
    assert!(a == b);
}
