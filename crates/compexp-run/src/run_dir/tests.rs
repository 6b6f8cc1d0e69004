//! Run folders in every state, and runs that are killed while they are put in place.

use std::collections::BTreeMap;
use std::fs;

use compexp_core::exemplar::{Choice, Exemplar, Exemplars};
use compexp_core::explanation::{Explanation, Universe};
use compexp_core::profile::Profile;
use compexp_core::search::Optimal;
use compexp_tests::files::Scratch;
use serde_json::json;

use compexp_core::explain::Explained;
use compexp_core::explanation::{Explanations, OptimalSummary, VERSION};
use compexp_core::probe::{Example, Grid};
use compexp_core::relation::{Extent, Relation};
use compexp_core::search::Status;
use compexp_files::write_npy;

use crate::run_config::InputPaths;

use super::*;

fn unit(unit: usize, status: Status, iou: f64) -> Explanation {
    Explanation {
        unit,
        range: None,
        status,
        formula: (status == Status::Explained).then(|| "a\u{1b}".into()),
        length: None,
        iou,
        firing_rate: Some(0.25),
        lift: None,
        mcc: Some(-0.5),
        chance_corrected: None,
        score: iou,
        intersection: None,
        union: None,
        unit_area: 3,
        formula_area: None,
        threshold: Some(0.1 + 0.2),
        primitive: None,
        by_length: Vec::new(),
        beams: None,
        scores: None,
        vacuous: Vec::new(),
        significance: None,
        holdout: None,
        ceiling: Some(1.0),
        optimal: None,
    }
}

fn profile(active: &[u32]) -> Profile {
    Profile { active: active.to_vec(), ..Profile::default() }
}

fn relation(similarity: Option<f64>) -> Relation {
    let (first, second) = ("a\u{1b}, b".into(), "c".into());
    Relation { first, second, area: 3, examples: 1, context: Some(-1.0 / 3.0), similarity }
}

fn explained(config: &RunConfig) -> Explained {
    use Status::{Explained as Yes, Silent};
    let units = vec![unit(0, Yes, 0.5), unit(1, Silent, 0.0), unit(2, Yes, 0.1), unit(3, Yes, 0.9), unit(4, Yes, 0.3)];
    let universe = Universe { examples: 2, positions: 9, cells: 4, singleton_cells: 1 };
    let exemplar =
        Exemplar { unit: 0, example: 1, chosen: vec![(Choice::Unit, 0)], activation: Some(0.1), areas: [3, 2, 1] };
    Explained {
        explanations: Explanations {
            version: VERSION,
            config: config.settings().clone(),
            universe,
            held_out: None,
            ranges: vec![],
            concepts: None,
            units,
        },
        thresholds: vec![0.1 + 0.2, -1.5],
        results: Vec::new(),
        range_bands: Vec::new(),
        range_results: Vec::new(),
        profiles: vec![profile(&[1]), profile(&[]), profile(&[0, 1]), profile(&[]), profile(&[0])],
        concepts: vec![Extent { id: 7, name: "a\u{1b}, b".into(), category: "object".into(), area: 4, examples: 2 }],
        relations: vec![relation(Some(0.1 + 0.2)), relation(None)],
        exemplars: Exemplars { list: vec![exemplar], masks: vec![1, 0, 255, 1] },
        ceilings: Vec::new(),
    }
}

fn examples() -> Vec<Example> {
    ["x,1.jpg", "y"].map(|name| Example { name: name.into(), ..Example::default() }).to_vec()
}

fn config(length: usize) -> RunConfig {
    let config = json!({ "search": { "length": length, "penalty": 0.1 }, "inputs": { "probe": "abc" } });
    RunConfig::of_settings(config, InputPaths { probe: Some("here".into()), ..InputPaths::default() })
}

const GRID: Grid = Grid { height: 3, width: 3 };

fn writer(dir: &Path, config: &RunConfig, replace: bool) -> RunWriter {
    match RunDir::open(dir, config, replace).unwrap() {
        RunDir::Open(writer) => writer,
        other => panic!("{other:?}"),
    }
}

fn run(dir: &Path, config: &RunConfig, replace: bool, predictions: Option<&[Prediction]>) -> FinishedRun {
    writer(dir, config, replace).finish(&explained(config), &examples(), GRID, predictions).unwrap()
}

#[test]
fn a_run_is_read_back() {
    let scratch = Scratch::new();
    let dir = scratch.path("a/b");
    let predicted = |example: &str, target: &str, correct| Prediction {
        example: example.into(),
        target: target.into(),
        predicted: "night, \"club\"".into(),
        correct,
    };
    let predictions = [predicted("x,1.jpg", "yard", Some(false)), predicted("y", "", None)];
    let written = run(&dir, &config(3), false, Some(&predictions));
    let read = FinishedRun::open(&dir).unwrap();
    assert_eq!(read.explanations, written.explanations);
    assert_eq!(read.explanations.units, explained(&config(3)).explanations.units, "numbers to the bit");
    assert_eq!(read.config().unwrap(), config(3));
    assert_eq!(read.examples().unwrap(), examples());
    assert_eq!(read.predictions().unwrap().unwrap(), predictions);
    assert_eq!(read.exemplars().unwrap().exemplars, explained(&config(3)).exemplars.list);
    assert_eq!((read.masks().unwrap().shape(), read.exemplars().unwrap().grid), (&[1, 2, 2][..], GRID));
    assert_eq!(read.activity().unwrap(), [2, 0, 3, 0, 1]);
    assert_eq!(read.concepts().unwrap(), explained(&config(3)).concepts);
    assert_eq!(read.relations().unwrap(), explained(&config(3)).relations);
    let summary = read.summary().unwrap();
    assert_eq!((summary.units, summary.by_status["explained"], summary.by_status["silent"]), (5, 4, 1));
    assert_eq!((summary.mean_iou, summary.median_iou), (Some((0.1 + 0.3 + 0.5 + 0.9) / 4.0), Some(0.4)));
    assert_eq!(summary.accuracy, Some(Accuracy { known: 1, correct: 0 }));
    assert_eq!(summary.optimal, None);
    let thresholds = fs::read(dir.join(THRESHOLDS)).unwrap();
    assert!(thresholds.ends_with(&[(0.1_f64 + 0.2).to_le_bytes(), (-1.5_f64).to_le_bytes()].concat()));
}

#[test]
fn a_summary_counts_proofs_and_tells_the_median_of_the_gaps() {
    let mut explanations = explained(&config(3)).explanations;
    let proof = |upper_bound: f64, certified| {
        let (pairs, triples, full_passes, nodes) = (0, 0, 0, 0);
        Some(Optimal { certified, upper_bound, pairs, triples, full_passes, nodes, beam: None })
    };
    explanations.units[0].optimal = proof(0.5, true);
    let of = |explanations: &Explanations| Summary::of(explanations, None).optimal.unwrap();
    assert_eq!(of(&explanations), OptimalSummary { units: 1, certified: 1, median_gap: None });
    // IoUs of 0.1, 0.9 and 0.3.
    explanations.units[2].optimal = proof(0.5, false);
    explanations.units[3].optimal = proof(1.0, false);
    let found = of(&explanations);
    assert_eq!((found.units, found.certified), (3, 1));
    assert!((found.median_gap.unwrap() - 0.25).abs() < 1e-12, "{found:?}");
    explanations.units[4].optimal = proof(0.5, false);
    assert!((of(&explanations).median_gap.unwrap() - 0.2).abs() < 1e-12);
}

#[test]
fn the_same_configuration_is_complete_and_another_is_named() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, None);
    let mut moved = config(3);
    moved.paths.probe = Some("there".into());
    let RunDir::Complete(found) = RunDir::open(&dir, &moved, false).unwrap() else { panic!("not complete") };
    assert_eq!(found.config().unwrap(), moved, "inputs may move");
    found.manifest().unwrap().check_all(&dir).unwrap();
    drop(found);

    let RunDir::Other(differences) = RunDir::open(&dir, &config(5), false).unwrap() else { panic!("the same") };
    let text = |t: &str| Some(t.to_owned());
    let expected = Difference { field: "search.length".into(), base: text("3"), run: text("5") };
    assert_eq!(differences, [expected]);
    let more = RunConfig::of_settings(json!({ "search": 1 }), InputPaths::default());
    let RunDir::Other(differences) = RunDir::open(&dir, &more, false).unwrap() else { panic!("the same") };
    let fields: Vec<_> = differences.iter().map(|d| (&d.field[..], d.base.is_some(), d.run.is_some())).collect();
    let expected = [
        ("inputs.probe", true, false),
        ("search", false, true),
        ("search.length", true, false),
        ("search.penalty", true, false),
    ];
    assert_eq!(fields, expected);
}

/// A configuration of a run that keeps its activations.
fn storing(length: usize) -> RunConfig {
    let mut config = config(length);
    config.paths.activations = Some(ACTIVATIONS.into());
    config
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    names(dir).into_iter().map(|name| (name.clone(), fs::read(dir.join(name)).unwrap_or_default())).collect()
}

#[test]
fn a_run_stands_until_the_one_that_replaces_it_is_whole() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, Some(&[]));
    for (name, text) in [(WEIGHTS, "of the old run"), ("notes.md", "mine"), (CONTRIBUTIONS, "of the old run")] {
        fs::write(dir.join(name), text).unwrap();
    }
    fs::create_dir(dir.join(COUNTERFACTUALS)).unwrap();
    let before = contents(&dir);
    let again = writer(&dir, &config(5), true);
    assert_ne!(again.dir(), dir);
    assert_eq!(contents(&dir), before);
    drop(again);
    assert_eq!((contents(&dir), scratch.names()), (before, vec!["run".to_owned()]), "it failed, and nothing is left");
    run(&dir, &config(5), true, None);
    let mut expected: Vec<String> =
        NEEDED.iter().chain(&[THRESHOLDS, CEILINGS, MANIFEST]).map(|n| (*n).into()).collect();
    expected.push("notes.md".into());
    expected.sort();
    assert_eq!((names(&dir), scratch.names()), (expected, vec!["run".to_owned()]));
    assert_eq!(FinishedRun::open(&dir).unwrap().config().unwrap(), config(5));
}

#[test]
fn a_forced_run_that_fails_keeps_what_it_extracted_and_leaves_what_it_took_over() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &storing(3), false, None);
    let again = writer(&dir, &storing(5), true);
    let beside = again.dir().to_owned();
    for name in [ACTIVATIONS, STORE] {
        fs::write(beside.join(name), "extracted").unwrap();
    }
    drop(again);
    assert!(beside.join(ACTIVATIONS).is_file() && beside.join(STORE).is_file(), "{:?}", scratch.names());
    let again = writer(&dir, &storing(5), true);
    assert_eq!(fs::read(again.dir().join(ACTIVATIONS)).unwrap(), b"extracted", "the next one goes on with it");
    drop(again);

    // A run whose activations were there before has them still, and nothing lies beside it.
    remove_tree(&beside).unwrap();
    for name in [ACTIVATIONS, STORE] {
        fs::write(dir.join(name), "of the run").unwrap();
    }
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    let again = writer(&dir, &storing(5), true);
    assert_eq!(fs::read(again.dir().join(ACTIVATIONS)).unwrap(), b"of the run");
    drop(again);
    assert_eq!(scratch.names(), ["run"]);
    assert_eq!(fs::read(dir.join(ACTIVATIONS)).unwrap(), b"of the run");
}

#[test]
fn whenever_the_exchange_is_cut_short_the_next_command_brings_it_to_its_end() {
    let scratch = Scratch::new();
    let [dir, new, old] = ["run", ".run.new", ".run.old"].map(|name| scratch.path(name));
    // The new run is in its place, the old one beside it under either name.
    for beside in [&new, &old] {
        let [first, second] = [3, 5].map(|length| {
            let path = scratch.path(&length.to_string());
            run(&path, &config(length), false, None);
            path
        });
        fs::write(first.join("notes.md"), "mine").unwrap();
        fs::rename(first, beside).unwrap();
        fs::rename(second, &dir).unwrap();
        fs::write(dir.join(UNFINISHED), "").unwrap();
        let RunDir::Complete(_) = RunDir::open(&dir, &config(5), false).unwrap() else { panic!("not complete") };
        assert_eq!((fs::read(dir.join("notes.md")).unwrap(), dir.join(UNFINISHED).exists()), (b"mine".into(), false));
        assert_eq!(scratch.names(), ["run"]);
        fs::remove_dir_all(&dir).unwrap();
    }
    // The old run was moved away, and the new one did not come.
    run(&dir, &config(3), false, None);
    fs::rename(&dir, &old).unwrap();
    let RunDir::Complete(_) = RunDir::open(&dir, &config(3), false).unwrap() else { panic!("not complete") };
    assert_eq!(scratch.names(), ["run"]);
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next_and_by_no_other() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    writer(&dir, &config(3), false);
    let left = dir.join(".explanations.json.partial-aB3dE6");
    fs::write(&left, b"{").unwrap();
    fs::write(dir.join(".gitignore"), b"*").unwrap();
    run(&dir, &config(3), false, None);
    assert!(!left.exists() && dir.join(".gitignore").exists());
    fs::write(&left, b"{").unwrap();
    assert!(matches!(RunDir::open(&dir, &config(5), false).unwrap(), RunDir::Other(_)));
    assert!(left.exists(), "a folder that is refused is left as it is");
    assert!(matches!(RunDir::open(&dir, &config(3), false).unwrap(), RunDir::Complete(_)));
    assert!(!left.exists());
}

#[test]
fn what_an_interrupted_run_left_is_made_anew() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    writer(&dir, &config(3), false);
    assert!(FinishedRun::open(&dir).unwrap_err().to_string().contains("a run that is not complete"));
    run(&dir, &config(3), false, None);
    let whole = contents(&dir);
    // Killed before the manifest: the explanations are there, and count for nothing.
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    fs::write(dir.join(UNFINISHED), "").unwrap();
    fs::remove_file(dir.join(EXAMPLES)).unwrap();
    fs::write(dir.join(PREDICTIONS), "").unwrap();
    assert!(FinishedRun::open(&dir).unwrap_err().to_string().contains("a run that is not complete"));
    run(&dir, &config(3), false, None);
    assert_eq!(contents(&dir), whole);
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    fs::remove_file(dir.join(EXPLANATIONS)).unwrap();
    fs::write(dir.join(CONFIG), b"{").unwrap();
    let e = RunDir::open(&dir, &config(3), false).unwrap_err();
    assert!(matches!(e, Error::File(compexp_files::Error::Format { .. })), "{e}");
    run(&dir, &config(3), true, None);
    assert_eq!(contents(&dir), whole);
}

#[test]
fn a_damaged_file_is_named_and_nothing_changes_until_the_run_is_forced() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, Some(&[]));
    let whole = contents(&dir);
    let change = |name: &str, at: usize| {
        let mut bytes = whole[name].clone();
        bytes[at] ^= 1;
        fs::write(dir.join(name), bytes).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&str);
    let changes: [(Change<'_>, Damage); 6] = [
        (&|name| fs::remove_file(dir.join(name)).unwrap(), Damage::Missing),
        (&|name| fs::write(dir.join(name), &whole[name][..whole[name].len() - 1]).unwrap(), Damage::Changed),
        (&|name| change(name, 0), Damage::Changed),
        (&|name| change(name, whole[name].len() - 1), Damage::Changed),
        (&|name| fs::write(dir.join(name), [b"\xef\xbb\xbf", &whole[name][..]].concat()).unwrap(), Damage::Changed),
        (
            &|name| {
                fs::remove_file(dir.join(name)).unwrap();
                fs::create_dir(dir.join(name)).unwrap();
            },
            Damage::NoFile,
        ),
    ];
    for name in whole.keys() {
        for (change, expected) in &changes {
            if name == MANIFEST && *expected == Damage::Missing {
                // A complete run without one is an earlier version's.
                continue;
            }
            change(name);
            let before = contents(&dir);
            match RunDir::open(&dir, &config(3), false).unwrap_err() {
                Error::Damaged { path, damage, again } => {
                    assert_eq!((path, damage), (dir.join(name), *expected));
                    assert!(again.contains("--force"), "{again}");
                }
                other => panic!("{name}: {other}"),
            }
            let found = crate::verify(&dir).unwrap();
            assert!(matches!(&found.damage[..], [Error::Damaged { .. }]), "{name}: {:?}", found.damage);
            assert_eq!(contents(&dir), before, "{name}");
            run(&dir, &config(3), true, Some(&[]));
            assert_eq!(contents(&dir), whole, "{name}");
        }
    }
    assert!(crate::verify(&dir).unwrap().damage.is_empty());
}

#[cfg(unix)]
#[test]
fn what_cannot_be_read_is_an_error_and_no_damage() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, None);
    for (name, manifest) in [(EXPLANATIONS, true), (MANIFEST, true), (EXPLANATIONS, false), (CONFIG, false)] {
        if !manifest {
            let _ = fs::remove_file(dir.join(MANIFEST));
        }
        // Of a link that leads to itself the system cannot tell what it is.
        let kept = scratch.path("kept");
        fs::rename(dir.join(name), &kept).unwrap();
        std::os::unix::fs::symlink(name, dir.join(name)).unwrap();
        let e = RunDir::open(&dir, &config(3), false).unwrap_err();
        assert!(e.to_string().contains(name), "{e}");
        assert!(fs::symlink_metadata(dir.join(name)).unwrap().is_symlink(), "nothing was made anew");
        fs::remove_file(dir.join(name)).unwrap();
        fs::rename(&kept, dir.join(name)).unwrap();
        assert!(matches!(RunDir::open(&dir, &config(3), false).unwrap(), RunDir::Complete(_)));
    }
}

#[test]
fn a_complete_run_of_an_earlier_version_is_read_and_kept() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, None);
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    let before = contents(&dir);
    assert!(matches!(RunDir::open(&dir, &config(3), false).unwrap(), RunDir::Complete(_)));
    assert!(matches!(RunDir::open(&dir, &config(5), false).unwrap(), RunDir::Other(_)));
    assert_eq!(contents(&dir), before);
    fs::remove_file(dir.join(EXAMPLES)).unwrap();
    let e = RunDir::open(&dir, &config(3), false).unwrap_err();
    assert!(matches!(e, Error::Damaged { damage: Damage::Missing, .. }), "{e}");
    assert!(dir.join(EXPLANATIONS).exists());
    run(&dir, &config(3), true, None);
    assert!(dir.join(MANIFEST).exists() && dir.join(EXAMPLES).exists());
}

#[test]
fn one_process_at_a_time_writes_to_a_run() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    let first = writer(&dir, &config(3), false);
    for replace in [false, true] {
        let e = RunDir::open(&dir, &config(5), replace).unwrap_err();
        assert!(matches!(e, Error::File(compexp_files::Error::Locked { .. })), "{e}");
    }
    let run = first.finish(&explained(&config(3)), &examples(), GRID, None).unwrap();
    let e = FinishedRun::open(&dir).unwrap().add("report").unwrap_err();
    assert!(matches!(e, Error::File(compexp_files::Error::Locked { .. })), "{e}");
    run.add("vision contributions").unwrap();
    drop(run);
    FinishedRun::open(&dir).unwrap().add("report").unwrap();
}

#[test]
fn additions_are_named_by_the_manifest_and_only_then_count() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    let done = run(&dir, &config(3), false, None);
    let add = |text: &str| {
        let adding = done.add("vision ablate").unwrap();
        fs::create_dir(adding.path(ABLATION)).unwrap();
        fs::write(adding.path(ABLATION_SUMMARY), text).unwrap();
        adding
    };
    drop(add("1"));
    assert!(!dir.join(ABLATION).exists() && !dir.join(ADDING).exists(), "it failed, and nothing is left");
    let open = || FinishedRun::open(&dir).unwrap();
    let record = |units: usize| format!("{{\"version\":1,\"units\":{units}}}");
    for units in [1, 2] {
        add(&record(units)).finish().unwrap();
        assert_eq!(open().ablation().unwrap().unwrap().units, units);
        assert!(crate::verify(&dir).unwrap().damage.is_empty());
    }
    fs::write(dir.join(ABLATION_SUMMARY), record(3)).unwrap();
    let e = open().ablation().unwrap_err();
    assert!(matches!(e, Error::Damaged { damage: Damage::Changed, .. }), "{e}");
    assert!(e.to_string().contains("`compexp vision ablate RUN`"), "{e}");
    fs::write(dir.join(CONTRIBUTIONS), "unit\n").unwrap();
    assert!(open().contributions().unwrap().is_none(), "the manifest does not name it");
    assert_eq!(crate::verify(&dir).unwrap().leftovers, [dir.join(CONTRIBUTIONS)]);
    drop(done);
    add_of_another_run(&dir, &record(2));
}

/// What was made from another run is refused.
fn add_of_another_run(dir: &Path, record: &str) {
    let mut manifest = Manifest::read(dir).unwrap().unwrap();
    fs::write(dir.join(ABLATION_SUMMARY), record).unwrap();
    assert!(FinishedRun::open(dir).unwrap().ablation().unwrap().is_some());
    manifest.added[0].run = "0".repeat(64);
    manifest.write(dir).unwrap();
    let e = FinishedRun::open(dir).unwrap().ablation().unwrap_err();
    assert!(matches!(e, Error::Damaged { damage: Damage::OtherRun, .. }), "{e}");
}

#[test]
fn verify_names_what_lies_around_and_fix_removes_it() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, None);
    fs::write(dir.join("notes.md"), "mine").unwrap();
    let whole = contents(&dir);
    let left =
        [dir.join(".adding"), dir.join(".summary.json.partial-aB3dE6"), dir.join(NULL), scratch.path(".run.new")];
    left.iter().for_each(|path| fs::write(path, "").unwrap());
    let found = crate::verify(&dir).unwrap();
    let mut expected = left.to_vec();
    expected.sort();
    assert_eq!((found.leftovers, found.strangers, found.damage.len()), (expected, vec![dir.join("notes.md")], 0));
    assert_eq!((found.files, found.bytes > 1000), (whole.len() - 1, true));
    let found = crate::fix(&dir).unwrap();
    assert!(found.leftovers.is_empty() && found.damage.is_empty(), "{found:?}");
    assert_eq!((contents(&dir), scratch.names()), (whole, vec!["run".to_owned()]));
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    let found = crate::verify(&dir).unwrap();
    assert!(found.damage[0].to_string().contains("an earlier version made it"), "{:?}", found.damage);
}

#[test]
fn an_unfinished_run_of_another_configuration_makes_way_unless_it_has_activations() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    writer(&dir, &storing(3), false);
    writer(&dir, &storing(4), false);
    fs::write(dir.join(PARTIAL_ACTIVATIONS), b"").unwrap();
    writer(&dir, &storing(4), false);
    assert!(matches!(RunDir::open(&dir, &storing(3), false).unwrap(), RunDir::Other(_)));
    writer(&dir, &storing(3), true);
    assert!(dir.join(PARTIAL_ACTIVATIONS).exists());
    writer(&dir, &config(3), true);
    assert!(!dir.join(PARTIAL_ACTIVATIONS).exists(), "nothing of this run goes on with them");
}

#[test]
fn folders_that_are_no_runs_are_left_alone() {
    let scratch = Scratch::new();
    scratch.write("thesis.tex", b"");
    for replace in [false, true] {
        let e = RunDir::open(scratch.dir(), &config(3), replace).unwrap_err().to_string();
        assert!(e.contains("`thesis.tex` and no config.json"), "{e}");
    }
    assert!(FinishedRun::open(scratch.dir()).unwrap_err().to_string().contains("no explanations.json"));
    assert_eq!(scratch.names(), ["thesis.tex"]);
    assert!(matches!(
        FinishedRun::open(&scratch.path("none")).unwrap_err(),
        Error::File(compexp_files::Error::Io { .. })
    ));
    let e = RunDir::open(&scratch.path("thesis.tex"), &config(3), false).unwrap_err();
    assert!(matches!(e, Error::File(compexp_files::Error::Io { .. })), "{e}");
}

#[test]
fn files_of_a_run_that_lie_are_refused() {
    let scratch = Scratch::new();
    let dir = scratch.path("run");
    run(&dir, &config(3), false, Some(&[]));
    // As an earlier version left it: nothing tells that its files are changed.
    fs::remove_file(dir.join(MANIFEST)).unwrap();
    let good = FinishedRun::open(&dir).unwrap();
    let list = fs::read_to_string(dir.join(EXEMPLARS)).unwrap();
    fs::write(dir.join(EXEMPLARS), list.replace("\"example\": 1", "\"example\": 2")).unwrap();
    assert!(good.exemplars().unwrap_err().to_string().contains("example: found 2, expected less than 2"));
    fs::write(dir.join(EXAMPLES), "name\na\n").unwrap();
    assert!(good.examples().is_err());
    fs::write(dir.join(PREDICTIONS), "image,target,predicted,correct\na,b,c,perhaps\n").unwrap();
    assert!(good.predictions().unwrap_err().to_string().contains("line 2"));
    write_npy(&dir.join(ACTIVITY), &[5, 2], &[0_u8; 10]).unwrap();
    assert!(good.activity().unwrap_err().to_string().contains("expected u8 [5, 1]"));
    fs::write(dir.join(RELATIONS), "first,second\na,b\n").unwrap();
    assert!(good.relations().unwrap_err().to_string().contains("line 2"));
    let text = fs::read_to_string(dir.join(EXPLANATIONS)).unwrap();
    fs::write(dir.join(EXPLANATIONS), text.replace("\"version\": 1", "\"version\": 9")).unwrap();
    let e = FinishedRun::open(&dir).unwrap_err().to_string();
    assert!(e.contains("version: found 9, expected 1"), "{e}");
}
