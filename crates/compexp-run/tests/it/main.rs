//! The method without the command line: from a probe directory and an array to a run folder, in one call.

mod records;

use std::path::{Path, PathBuf};

use compexp_core::exemplar::Firing;
use compexp_core::explain::{ExplainConfig, Silent};
use compexp_core::search::SearchConfig;
use compexp_core::threshold::ThresholdRule;
use compexp_run::provenance::{AnnotationInput, ArrayInput, ArrayInputs, Evidence, Made, Settings};
use compexp_run::{
    ActivationFile, Baseline, FinishedRun, InputPaths, Known, Layer, Method, Outcome, Provenance, explain_run,
    open_probe,
};

fn example() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/example"))
}

/// Explains all units of the example as `compexp explain --quantile 0.1` does.
fn explain(out: &Path, evidence: Evidence) -> Outcome {
    let set = open_probe(&example()).unwrap().set;
    let activations = ActivationFile::open(example().join("activations.npy"), Known::default()).unwrap();
    let threshold = ThresholdRule::TopQuantile(0.1);
    let config = ExplainConfig { exemplars: 20, ..ExplainConfig::new(threshold, SearchConfig::default()) };
    let method = Method { explain: config, units: (0..6).collect(), evidence };
    let inputs = ArrayInputs {
        annotations: AnnotationInput {
            kind: "probe".into(),
            categories: None,
            mask_size: None,
            words: None,
            resize: None,
            crop: None,
            concepts: None,
            hash: "a".into(),
        },
        activations: Some(ArrayInput { hash: "b".into(), tensor: None, layout: None, grid: None, places: None }),
        masks: None,
        name_vectors: None,
    };
    let settings = Settings::new(&method.explain, &method.units, false, evidence);
    let provenance = Provenance::Explain(Made { inputs, settings });
    let firing = Firing::Activations(&activations);
    let layer = Layer { set: &set, firing, similarity: None, predictions: None };
    explain_run(out, layer, &method, &provenance, InputPaths::default(), false, &Silent).unwrap()
}

#[test]
fn one_call_gives_the_explanations_of_the_published_example() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let Outcome::Made(run) = explain(&out, Evidence::default()) else { panic!("the folder is new") };
    let baseline = Baseline::open(&example().join("baseline.json")).unwrap();
    assert_eq!(run.explanations.units.len(), 6);
    for (found, expected) in run.explanations.units.iter().zip(&baseline.explanations.units) {
        assert_eq!((found.unit, &found.formula, found.iou), (expected.unit, &expected.formula, expected.iou));
        assert_eq!((found.unit_area, found.threshold), (expected.unit_area, expected.threshold));
    }
    assert_eq!(FinishedRun::open(&out).unwrap().provenance().unwrap(), run.provenance().unwrap());
}

#[test]
fn the_same_call_finds_its_run_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    assert!(matches!(explain(&out, Evidence::default()), Outcome::Made(_)));
    assert!(matches!(explain(&out, Evidence::default()), Outcome::UpToDate(_)));
    let evidence = Evidence { holdout: Some(0.3), null_draws: None, seed: 1 };
    let Outcome::Other(differences) = explain(&out, evidence) else { panic!("the folder holds another run") };
    let fields: Vec<&str> = differences.iter().map(|d| d.field.as_str()).collect();
    assert_eq!(fields, ["trust.holdout", "trust.null_draws", "trust.seed"]);
}
