//! The records that commands on the effects of units add to a run, as versions of compexp wrote them.

use std::fs;
use std::path::Path;

use compexp_run::trial_record::{Changed, Direction, Side, TrialRecord};
use compexp_run::{AblationRecord, FinishedRun, Outcome};
use compexp_trust::behaviour::ablation::Fill;
use serde_json::{Value, json};

use crate::explain;

/// A run without a manifest, as an earlier version left it.
fn earlier(out: &Path) -> FinishedRun {
    let Outcome::Made(run) = explain(out, Default::default()) else { panic!("the folder is new") };
    drop(run);
    fs::remove_file(out.join("manifest.json")).unwrap();
    for folder in ["ablation", "counterfactuals"] {
        fs::create_dir(out.join(folder)).unwrap();
    }
    FinishedRun::open(out).unwrap()
}

#[test]
fn records_of_earlier_versions_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let run = earlier(&folder.path().join("run"));
    let write = |name: &str, value: Value| fs::write(run.dir().join(name), value.to_string()).unwrap();
    assert_eq!(run.ablation().unwrap(), None);
    let hurt = json!({ "units": 3, "share": { "value": 0.5, "interval": [0.25, 0.75] } });
    let support = json!({ "measure": "weight", "fill": "mean", "supported": hurt, "others": null });
    write("ablation/ablation.json", json!({ "version": 1, "support": [support] }));
    let ablation = run.ablation().unwrap().unwrap();
    assert_eq!((ablation.support[0].fill, ablation.support[0].supported.unwrap().units), (Fill::Mean, 3));
    assert_eq!((ablation.units, ablation.support[0].control), (0, None));

    let tally = json!({ "trials": 4, "success": 3 });
    let effect = json!({ "tested": tally, "control": tally, "success": { "value": 0.5, "low": 0.125, "high": 0.75 } });
    let case = |more: Value| {
        let mut case = json!({ "case": 1, "unit": 2, "formula": "a", "from": null, "to": "b", "effect": effect });
        case.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        case
    };
    let cases = [
        case(json!({ "concept": "sky", "best": { "answers": { "before": { "predicted": "c", "to": null } } } })),
        case(json!({ "edits": [{ "side": "premise", "premise": "x" }] })),
        case(json!({ "direction": "break", "edits": [] })),
    ];
    write("counterfactuals/counterfactuals.json", json!({ "version": 1, "cases": cases }));
    let found = run.counterfactuals().unwrap().unwrap();
    let Changed::Images(parts) = &found.cases[0].changed else { panic!("{found:?}") };
    let before = &parts.best.as_ref().unwrap().answers.before;
    assert_eq!((parts.concept.as_str(), before.predicted.as_str(), before.to), ("sky", "c", None));
    let Changed::Pairs(pairs) = &found.cases[1].changed else { panic!("{found:?}") };
    assert_eq!((pairs.direction, pairs.edits[0].side), (None, Some(Side::Premise)));
    let Changed::Pairs(pairs) = &found.cases[2].changed else { panic!("{found:?}") };
    assert_eq!((pairs.direction, found.cases[2].breaks()), (Some(Direction::Break), true));
    assert_eq!((found.cases[0].effect.tested.success, found.cases[0].effect.tested.failure), (3, 0));
}

#[test]
fn records_that_lie_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = earlier(&folder.path().join("run"));
    let refused = |value: Value, expected: &str| {
        fs::write(run.dir().join("ablation/ablation.json"), value.to_string()).unwrap();
        let e = run.ablation().unwrap_err().to_string();
        assert!(e.contains("ablation.json") && e.contains(expected), "{e}");
    };
    refused(json!({ "version": 2 }), "version: found 2, expected 1");
    refused(json!({ "version": 1, "accuracy": 1.5 }), "accuracy: found 1.5, expected a number from 0");
    refused(json!({ "version": 1, "units": -1 }), "line 1");
    refused(json!({ "version": 1, "support": [{ "measure": "weight" }] }), "missing field `fill`");
    fs::write(run.dir().join("ablation/ablation.json"), "{\"version\":1}").unwrap();
    fs::write(run.dir().join("ablation/bands.csv"), "order,fill,curves,removed,accuracy\niou,zero,1,0,7\n").unwrap();
    let e = run.ablation_bands().unwrap_err().to_string();
    assert!(e.contains("bands.csv") && e.contains("[0].accuracy: found 7"), "{e}");
}

#[test]
fn what_is_written_is_read_back() {
    let ablation = AblationRecord { version: AblationRecord::VERSION, units: 3, accuracy: 0.1, ..Default::default() };
    let text = serde_json::to_string(&ablation).unwrap();
    assert_eq!(serde_json::from_str::<AblationRecord>(&text).unwrap(), ablation);
    let trials = TrialRecord { version: TrialRecord::VERSION, kind: "nli".into(), ..Default::default() };
    let text = serde_json::to_string(&trials).unwrap();
    assert_eq!(serde_json::from_str::<TrialRecord>(&text).unwrap(), trials);
}
