//! Shards as saev writes them, against the same values in memory, and broken ones.

use std::fs;

use compexp_core::activation::ActivationSource;
use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, Grid};
use compexp_tests::files::Scratch;
use serde_json::{Value, json};

use crate::activations::{ActivationFile, Axes, Known};
use crate::open_probe;

use super::*;

const PATCHES: usize = 6;
const WIDTH: usize = 3;
const LAYERS: [i64; 2] = [-1, 7];

/// The value of a layer (its place in the metadata) at a token (0 = class token).
fn value(example: usize, layer: usize, token: usize, unit: usize) -> f32 {
    (example * 1000 + layer * 500 + token * 10 + unit) as f32
}

fn metadata(n_examples: usize, per_shard: usize) -> Value {
    json!({
        "family": "clip", "ckpt": "none", "layers": LAYERS, "content_tokens_per_example": PATCHES, "cls_token": true,
        "d_model": WIDTH, "n_examples": n_examples, "max_tokens_per_shard": per_shard * 2 * (PATCHES + 1) + 5,
        "data": "gASVEAAAAAAAAACMAm9zlIwGc3lzdGVtlJOULg==", "dataset": "/none", "pixel_agg": "majority",
        "dtype": "float32", "protocol": "2.1",
    })
}

/// A folder of shards; the files have room for whole shards, as those of saev have.
fn shards(n_examples: usize, per_shard: usize, metadata: &Value) -> Scratch {
    let scratch = Scratch::new();
    scratch.write("metadata.json", metadata.to_string().as_bytes());
    let mut index = Vec::new();
    // One more than is needed where all are full.
    for shard in 0..=n_examples / per_shard {
        let first = shard * per_shard;
        let n = per_shard.min(n_examples - first);
        let mut bytes = Vec::new();
        for example in first..first + per_shard {
            for (layer, token) in (0..2).flat_map(|layer| (0..=PATCHES).map(move |token| (layer, token))) {
                for unit in 0..WIDTH {
                    let value = if example < first + n { value(example, layer, token, unit) } else { 0.0 };
                    bytes.extend(value.to_le_bytes());
                }
            }
        }
        let name = format!("acts{shard:06}.bin");
        scratch.write(&name, &bytes);
        index.push(json!({ "name": name, "n_examples": n }));
    }
    scratch.write("shards.json", Value::from(index).to_string().as_bytes());
    scratch
}

fn of_layer(folder: &Path, layer: &str, known: Known) -> Result<ActivationFile> {
    ActivationFile::open(format!("{}#{layer}", folder.display()), known)
}

const MAP: Known = Known { axes: None, grid: Some(Grid { height: 2, width: 3 }), units: None };

#[test]
fn a_layer_of_shards_has_its_values_at_every_patch() {
    for (n, per_shard) in [(5, 2), (4, 2), (3, 7), (1, 1)] {
        let scratch = shards(n, per_shard, &metadata(n, per_shard));
        for (at, layer) in LAYERS.iter().enumerate() {
            let file = of_layer(scratch.dir(), &layer.to_string(), MAP).unwrap();
            assert_eq!((file.n_examples(), file.n_units(), file.grid()), (n, WIDTH, Grid { height: 2, width: 3 }));
            assert_eq!(file.axes(), Axes::Ntu);
            let mut found = vec![0.0; n * WIDTH * PATCHES];
            file.read(0, &mut found).unwrap();
            let unit = |example, unit| (0..PATCHES).map(move |patch| value(example, at, patch + 1, unit));
            let expected: Vec<f32> =
                (0..n).flat_map(|example| (0..WIDTH).flat_map(move |of| unit(example, of))).collect();
            assert_eq!(found, expected, "{n} examples, layer {layer}");
        }
    }
}

#[test]
fn the_last_file_may_be_as_short_as_its_examples_and_older_names_are_read() {
    let mut old = metadata(3, 2);
    let entries = old.as_object_mut().unwrap();
    for (name, before) in
        [("content_tokens_per_example", "patches_per_ex"), ("max_tokens_per_shard", "patches_per_shard")]
    {
        let value = entries.remove(name).unwrap();
        entries.insert(before.into(), value);
    }
    let scratch = shards(3, 2, &old);
    let last = scratch.dir().join("acts000001.bin");
    let bytes = fs::read(&last).unwrap();
    fs::write(&last, &bytes[..bytes.len() / 2]).unwrap();
    let file = of_layer(scratch.dir(), "7", MAP).unwrap();
    let mut found = [0.0; WIDTH * PATCHES];
    file.read(2, &mut found).unwrap();
    assert_eq!(found[PATCHES], value(2, 1, 1, 1));
    // Metadata, index and both shards decide what the values are.
    assert_eq!(file.files().len(), 4);
}

#[test]
fn shards_that_do_not_fit_their_description_are_refused() {
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 14] = [
        (|m| m["protocol"] = "3.0".into(), "protocol: found `\"3.0\"`, expected 1.0.0 or 1.1 or 2.1"),
        (|m| m["protocol"] = 2.into(), "protocol"),
        (|m| m["dtype"] = "float16".into(), "dtype: found `\"float16\"`, expected float32"),
        (|m| drop(m.as_object_mut().unwrap().remove("dtype")), "dtype: found none"),
        (|m| m["layers"] = json!([]), "sizes: found 0 layers"),
        (|m| m["d_model"] = 0.into(), "sizes"),
        (|m| m["d_model"] = 4.into(), "acts000000.bin`: length: found"),
        (|m| m["d_model"] = u32::MAX.into(), "length"),
        (|m| m["d_model"] = (-1).into(), "metadata.json"),
        (|m| m["cls_token"] = false.into(), "shard 0: found 2, expected"),
        (|m| m["n_examples"] = 6.into(), "n_examples of shard 2: found 1, expected 2, as metadata.json says"),
        (|m| m["n_examples"] = 4.into(), "n_examples of shard 2: found 1, expected 0"),
        (|m| m["max_tokens_per_shard"] = 5.into(), "an example a shard"),
        (|m| drop(m.as_object_mut().unwrap().remove("layers")), "layers"),
    ];
    for (number, (change, message)) in changes.into_iter().enumerate() {
        let mut changed = metadata(5, 2);
        // Room for two examples of 14 tokens, or three of 12, without the class token.
        changed["max_tokens_per_shard"] = 36.into();
        change(&mut changed);
        let scratch = shards(5, 2, &changed);
        let e = of_layer(scratch.dir(), "7", MAP).unwrap_err().to_string();
        assert!(e.contains(message), "{number}: {e}");
    }
    let whole = || shards(5, 2, &metadata(5, 2));
    let e = of_layer(whole().dir(), "8", MAP).unwrap_err().to_string();
    assert!(e.contains("layer: found `8`, expected one of `-1`, `7`"), "{e}");
    let scratch = whole();
    let e = ActivationFile::open(scratch.dir(), MAP).unwrap_err().to_string();
    assert!(e.contains("layers: found 2, expected a single layer"), "{e}");
    let e = of_layer(scratch.dir(), "7", Known::default()).unwrap_err().to_string();
    assert!(e.contains("a square number of positions"), "{e}");
    let e = of_layer(scratch.dir(), "7", Known { units: Some(4), ..MAP }).unwrap_err().to_string();
    assert!(e.contains("expected 4 units"), "{e}");
    let path = scratch.dir().join("acts000001.bin");
    let bytes = fs::read(&path).unwrap();
    for len in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..len]).unwrap();
        let e = of_layer(scratch.dir(), "7", MAP).unwrap_err().to_string();
        assert!(e.contains("acts000001.bin`: length"), "{len}: {e}");
    }
    fs::remove_file(&path).unwrap();
    assert!(of_layer(scratch.dir(), "7", MAP).unwrap_err().to_string().contains("acts000001.bin"));
    for (index, message) in [
        (r#"[{"name": "../acts.bin", "n_examples": 5}]"#, "name of shard 0"),
        (r#"[{"name": "acts000000.bin", "n_examples": 2}]"#, "examples of all shards: found 2, expected 5"),
        ("[]", "examples of all shards: found 0, expected 5"),
        ("{}", "shards.json"),
        (r#"[{"name": "acts000000.bin"}]"#, "n_examples"),
    ] {
        scratch.write("shards.json", index.as_bytes());
        let e = of_layer(scratch.dir(), "7", MAP).unwrap_err().to_string();
        assert!(e.contains(message), "{index}: {e}");
    }
}

#[test]
fn labels_are_a_probe_set_of_patches() {
    let mut square = metadata(3, 2);
    square["content_tokens_per_example"] = 4.into();
    let scratch = shards(3, 2, &square);
    scratch.write("labels.bin", &[0, 1, 1, 0, 2, 2, 2, 2, 0, 0, 0, 9]);
    let annotation = |scratch: &Scratch, example| {
        let opened = open_probe(scratch.dir()).unwrap();
        let mut annotation = Annotation::default();
        opened.set.source.annotate(example, &mut annotation).unwrap();
        (annotation.layers, opened)
    };
    let none = Annotation::NONE;
    let (layers, opened) = annotation(&scratch, 0);
    assert_eq!(layers, [none, 1, 1, none]);
    assert_eq!((opened.set.source.n_examples(), opened.set.source.grid()), (3, Grid { height: 2, width: 2 }));
    assert_eq!(opened.files, ["metadata.json", "labels.bin"]);
    let concepts = br#"{"version": 1, "concepts": [{"id": 9, "name": "fin"}]}"#;
    scratch.write("probe.json", concepts);
    let (layers, opened) = annotation(&scratch, 2);
    assert_eq!(layers, [none, none, none, 9]);
    assert_eq!(opened.set.vocabulary.name(ConceptId(9)), "fin");
    assert_eq!(opened.files, ["probe.json", "metadata.json", "labels.bin"]);

    scratch.write("labels.bin", &[0; 11]);
    let error = |scratch: &Scratch| open_probe(scratch.dir()).err().unwrap().to_string();
    let e = error(&scratch);
    assert!(e.contains("labels.bin`: length: found 11 bytes, expected 12 bytes, one a patch"), "{e}");
    scratch.write("metadata.json", metadata(3, 2).to_string().as_bytes());
    let e = error(&scratch);
    assert!(e.contains("content_tokens_per_example: found 6, expected the patches of a square"), "{e}");
    fs::remove_file(scratch.dir().join("labels.bin")).unwrap();
    let e = error(&scratch);
    assert!(e.contains("annotation arrays"), "{e}");
}
