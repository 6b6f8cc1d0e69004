//! The library's call and the command make the same run, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Silent};
use compexp_run::provenance::Evidence;
use compexp_run::{ActivationFile, FinishedRun, Known, Layer, Method, Outcome, explain_run, open_probe};

use crate::{ok, scene};

/// Every file below `folder`, by its path there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes))),
            false => drop(found.insert(name, fs::read(&path).unwrap())),
        }
    }
    found
}

#[test]
fn a_run_without_the_command_line_has_the_same_bytes() {
    let (_temp, dir) = scene();
    for (options, evidence) in [
        ("", Evidence::default()),
        ("--holdout 0.4 --null-draws 9 --seed 3", Evidence { null_draws: Some(9), holdout: Some(0.4), seed: 3 }),
    ] {
        ok(
            &dir,
            &format!("explain --probe probe --activations acts.npy --positive --out by-command --force {options}"),
        );
        let command = FinishedRun::open(&dir.join("by-command")).unwrap();
        let provenance = command.provenance().unwrap();
        let settings = provenance.settings();

        let set = open_probe(&dir.join("probe")).unwrap().set;
        let activations = ActivationFile::open(dir.join("acts.npy"), Known::default()).unwrap();
        let config = ExplainConfig {
            threshold: settings.threshold.unwrap(),
            ranges: settings.ranges,
            swap: settings.swap,
            search: settings.search.clone(),
            keep_beams: settings.keep_beams,
            exemplars: settings.exemplars,
        };
        let method = Method { explain: config, units: vec![0, 1, 2], evidence };
        let firing = Firing::Activations(&activations);
        let layer = Layer { set: &set, firing, similarity: None, predictions: None };
        let (out, paths) = (dir.join("by-call"), command.config().unwrap().paths);
        let made = explain_run(&out, layer, &method, &provenance, paths, true, &Silent).unwrap();
        assert!(matches!(made, Outcome::Made(_)));

        let (found, expected) = (files(&out), files(&dir.join("by-command")));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{options}");
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "{name} differs, with options `{options}`");
        }
    }
}
