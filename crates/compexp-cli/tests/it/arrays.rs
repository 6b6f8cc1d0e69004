//! Arrays as people save them: every form gives the explanations of the same values in an `.npy` file.

use std::fs;
use std::path::Path;

use compexp_files::write_npy;
use compexp_tests::data;
use serde_json::Value;

use crate::{fails, json, ok, scene};

/// The forms of the data folder: what is given to `--activations`, the file of its truth, and what its options are.
const FORMS: [(&str, &str, &str); 19] = [
    ("acts_be.npy", "acts.npy", ""),
    ("acts_fortran.npy", "acts.npy", ""),
    ("acts_f16.npy", "acts_f16_truth.npy", ""),
    ("acts_sharded/acts-00002-of-00003.safetensors", "acts.npy", ""),
    ("acts_sharded#layer4", "acts.npy", ""),
    ("acts_sharded/acts.safetensors.index.json#layer4", "acts.npy", ""),
    ("batches", "acts.npy", ""),
    ("acts_ntu.npy", "acts.npy", "--layout ntu --grid 7x7"),
    ("acts_nhwc.npy", "acts.npy", "--layout nhwc"),
    ("acts.pt", "acts.npy", ""),
    ("acts_dict.pt#layer4", "acts.npy", ""),
    ("acts_list.pt", "acts.npy", ""),
    ("acts_bf16.pt", "acts_bf16.npy", ""),
    ("acts_view.pt", "acts.npy", ""),
    ("acts_shared.pt#layer4", "acts.npy", ""),
    ("acts_requires_grad.pt", "acts.npy", ""),
    ("acts_cuda_tag.pt", "acts.npy", ""),
    ("acts.npz#layer4", "acts.npy", ""),
    ("acts_stored.npz#layer4", "acts.npy", ""),
];

/// The record of a run without what it was made from.
fn record(run: &Path) -> Value {
    let mut found = json(&run.join("explanations.json"));
    found["config"].take();
    found
}

#[test]
fn every_form_of_an_array_gives_the_explanations_of_its_truth() {
    let Some(truth) = data("tensors/acts.npy") else { return };
    let tensors = truth.parent().unwrap().to_owned();
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let explain = |spec: &str, options: &str, out: &str| {
        let (probe, acts) = (tensors.join("concepts"), tensors.join(spec));
        let given = format!("--probe {} --activations {}", probe.display(), acts.display());
        ok(dir, &format!("explain {given} {options} --quantile 0.08 --beam 5 --out {out}"));
        record(&dir.join(out))
    };
    let truths = ["acts.npy", "acts_f16_truth.npy", "acts_bf16.npy"];
    let expected = truths.map(|truth| explain(truth, "", &truth.replace('.', "_")));
    assert_eq!(expected[0]["units"].as_array().unwrap().len(), 12);
    assert_ne!(expected[0], expected[2], "a unit loses much in bf16");
    for (i, (spec, truth, options)) in FORMS.into_iter().enumerate() {
        let found = explain(spec, options, &format!("form{i}"));
        let at = truths.iter().position(|name| *name == truth).unwrap();
        assert!(found == expected[at], "{spec} differs from {truth}");
    }
}

#[test]
fn a_run_records_the_content_of_all_files_of_its_layer() {
    let (_temp, dir) = scene();
    // 6 examples of 3 units, whose first differs between the two versions of the second file.
    let write = |folder: &str, files: &[(&str, usize, f32)]| {
        fs::create_dir_all(dir.join(folder)).unwrap();
        for (name, n, first) in files {
            let mut values = vec![0.5; n * 12];
            values[0] = *first;
            write_npy(&dir.join(folder).join(name), &[*n, 3, 2, 2], &values).unwrap();
        }
    };
    write("a", &[("b2.npy", 4, 1.0), ("b10.npy", 2, 1.0)]);
    write("same", &[("part_1.npy", 4, 1.0), ("part_2.npy", 2, 1.0)]);
    write("other", &[("b2.npy", 4, 1.0), ("b10.npy", 2, -1.0)]);
    write("one", &[("b.npy", 6, 1.0)]);
    let input = |spec: &str, out: &str| {
        ok(&dir, &format!("explain --probe probe --activations {spec} --positive --out {out}"));
        json(&dir.join(out).join("config.json"))["config"]["inputs"]["activations"].clone()
    };
    let a = input("a", "run_a");
    assert_eq!(a, input("same", "run_same"), "the names of batches are no part of the layer");
    assert_ne!(a, input("other", "run_other"), "every file counts");
    assert_eq!(input("one", "run_one"), input("one/b.npy", "run_file"), "a folder of one file is that file");
    assert!(ok(&dir, "explain --probe probe --activations a --positive --out run_a").contains("up to date"));
    write("a", &[("b10.npy", 2, 3.0)]);
    fails(&dir, 1, "explain --probe probe --activations a --positive --out run_a");
}

#[test]
fn a_value_that_is_not_finite_names_the_file_of_its_batch() {
    let (_temp, dir) = scene();
    fs::create_dir(dir.join("a")).unwrap();
    let mut values = vec![0.5f32; 3 * 12];
    write_npy(&dir.join("a/b1.npy"), &[3, 3, 2, 2], &values).unwrap();
    values[12 + 4 + 3] = f32::NAN;
    write_npy(&dir.join("a/b2.npy"), &[3, 3, 2, 2], &values).unwrap();
    let e = fails(&dir, 1, "explain --probe probe --activations a --positive --out run");
    assert!(e.contains("b2.npy`: activation of unit 1 on example 4 is NaN at row 1, column 1"), "{e}");
    let e = fails(&dir, 1, "explain --probe probe --activations gone --positive --out run");
    assert!(e.contains("cannot open `gone`"), "{e}");
}
