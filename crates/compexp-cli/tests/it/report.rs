//! `compexp report` without a browser: which files there are, and what it refuses.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use compexp_core::concept::{Concept, ConceptId};
use compexp_core::explain::Silent;
use compexp_core::probe::Example;
use compexp_files::write_npy;
use compexp_report::analysis::Records;
use compexp_report::{Error, Result};
use compexp_report::{ExampleSource, Figure, ReportRun, Showing, Sink, Thumbnail, write_report};
use compexp_run::{FinishedRun, write_concepts, write_examples};

use crate::{fails, json, ok, run, scene};

const EXPLAIN: &str = "explain --probe probe --activations acts.npy --positive --out run";

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn a_report_has_a_page_for_every_unit_and_links_that_lead_somewhere() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let out = ok(&dir, "report run");
    assert!(out.contains("open `run/report/index.html`"), "{out}");
    let report = dir.join("run/report");
    for page in ["index.html", "units.html", "units/0.html", "units/1.html", "units/2.html"] {
        let text = read(&report.join(page));
        let folder = report.join(page).parent().unwrap().to_owned();
        for link in text.split(" href=\"").chain(text.split(" src=\"")).skip(1) {
            let target = link.split(['"', '#']).next().unwrap();
            let found = target.is_empty() || target.starts_with("data:") || folder.join(target).is_file();
            assert!(found || target.starts_with('<'), "{page}: {target}");
        }
    }
    let unit = read(&report.join("units/0.html"));
    assert!(unit.contains("water"), "{unit}");
    assert!(read(&report.join("units/1.html")).contains("no formula: silent"));
    // Again, in place of the first; the run is as complete as before.
    ok(&dir, "report run --json");
    assert!(ok(&dir, EXPLAIN).contains("up to date"));
    let names: Vec<_> = fs::read_dir(dir.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|n| n.to_string_lossy().contains("partial")), "{names:?}");
}

#[test]
fn several_runs_stand_side_by_side() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    ok(&dir, "explain --probe probe --masks masks.npy --length 1 --out ready");
    ok(&dir, "report run ready --out both");
    let index = read(&dir.join("both/index.html"));
    for part in ["run-1/index.html", "run-2/index.html", "search.length", ">ready<", "run-2/units/0.html"] {
        assert!(index.contains(part), "no {part} in {index}");
    }
    let unit = read(&dir.join("both/run-2/units/0.html"));
    assert!(
        unit.contains("href=\"../../index.html\"") && !unit.contains("threshold"),
        "masks have no threshold: {unit}"
    );
    assert!(!dir.join("both/side-by-side.html").exists() && !index.contains("side-by-side"), "the layers are others");
    assert!(!unit.contains("id=\"elsewhere\""), "{unit}");
}

#[test]
fn units_of_one_layer_stand_side_by_side_and_lead_to_each_other() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let short = EXPLAIN.replace("--out run", "--length 1 --out short");
    ok(&dir, &short);
    ok(&dir, "report run short --out both");
    let page = read(&dir.join("both/side-by-side.html"));
    let units = |run: &str| json(&dir.join(run).join("explanations.json"))["units"].as_array().unwrap().clone();
    let (long, short) = (units("run"), units("short"));
    let different = long.iter().zip(&short).filter(|(a, b)| a["formula"] != b["formula"]).count();
    assert!(different > 0 && different < long.len(), "{different} of {}", long.len());
    let told = format!("{different} of {} units have another formula in another run.", long.len());
    assert!(page.contains(&told) && page.matches("class=\"other\"").count() == different, "no {told} in {page}");
    for (run, units) in [(1, &long), (2, &short)] {
        for unit in units.iter().filter(|unit| !unit["formula"].is_null()) {
            let (number, iou) = (&unit["unit"], unit["iou"].as_f64().unwrap());
            let link = format!("<a href=\"run-{run}/units/{number}.html\"><span class=\"n\">IoU {iou:.3}</span></a>");
            assert!(page.contains(&link), "no {link} in {page}");
        }
    }
    let unit = read(&dir.join("both/run-1/units/0.html"));
    assert!(unit.contains("id=\"elsewhere\"") && unit.contains("../../run-2/units/0.html"), "{unit}");
    assert!(dir.join("both/run-1").join("units/../../run-2/units/0.html").is_file());
}

#[test]
fn what_cannot_be_reported_is_refused() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    assert!(fails(&dir, 2, "report").contains("RUN_DIR"));
    assert!(fails(&dir, 2, "report run run").contains("--out"));
    assert!(fails(&dir, 2, "report run --out -").contains("standard output"));
    assert!(fails(&dir, 1, "report nowhere").contains("nowhere"));
    assert!(fails(&dir, 1, "report probe --out out").contains("no explanations.json"));
    // The folder of something else is not touched.
    assert!(fails(&dir, 1, "report run --out probe").contains("no report.json"));
    assert!(fails(&dir, 1, "report run --out run").contains("no report.json"));
    assert!(dir.join("probe/probe.json").is_file() && dir.join("run/config.json").is_file());
    assert!(fails(&dir, 1, "report run --out acts.npy/deep").contains("acts.npy"));
    fs::create_dir(dir.join("empty")).unwrap();
    ok(&dir, "report run --out empty");

    crate::as_earlier(&dir.join("run"));
    let explanations = read(&dir.join("run/explanations.json"));
    fs::write(dir.join("run/explanations.json"), explanations.replacen("\"version\": 1", "\"version\": 9", 1)).unwrap();
    let message = fails(&dir, 1, "report run --out empty");
    assert!(message.contains("version: found 9"), "{message}");
    fs::write(dir.join("run/explanations.json"), explanations).unwrap();
    write_npy(&dir.join("run/exemplars.npy"), &[1, 2, 1], &[0_u8, 0]).unwrap();
    assert!(fails(&dir, 1, "report run --out empty").contains("exemplars.npy"));
    fs::remove_file(dir.join("run/exemplars.json")).unwrap();
    assert!(fails(&dir, 1, "report run --out empty").contains("exemplars.json"));
    assert!(dir.join("empty/index.html").is_file(), "the report that was there stands");
    fs::remove_file(dir.join("run/explanations.json")).unwrap();
    assert!(fails(&dir, 1, "report run --out empty").contains("not complete"));
}

#[test]
fn a_run_without_explained_units_has_a_report() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --units 1 --out run");
    ok(&dir, "report run");
    assert!(read(&dir.join("run/report/units.html")).contains("1 units"));
    assert!(read(&dir.join("run/report/index.html")).contains("explained"));
}

#[test]
fn missing_images_are_named_once() {
    let (_temp, dir) = scene();
    fs::write(dir.join("probe/examples.csv"), "image\n".to_owned() + &"gone/a.jpg\n".repeat(6)).unwrap();
    ok(&dir, EXPLAIN);
    let done = run(&dir, "report run");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.err.matches("warning").count(), 1, "{}", done.err);
    let tried = dir.canonicalize().unwrap().join("probe/gone/a.jpg");
    let warning = format!("warning: found no picture of `gone/a.jpg` (tried `{}`) and 5 others", tried.display());
    assert!(done.err.contains(&warning), "{}", done.err);
    assert!(read(&dir.join("run/report/units/0.html")).contains("class=\"placeholder\""));
}

#[test]
fn images_may_be_absolute_within_their_root_which_may_be_given() {
    let (temp, dir) = scene();
    let png = compexp_vision::image::Image { height: 2, width: 2, rgb: vec![90; 12] }.to_png().unwrap();
    let (photos, other) = (dir.join("photos"), dir.join("other"));
    for folder in [&photos, &other] {
        fs::create_dir_all(folder.join("a")).unwrap();
        (0..6).for_each(|i| fs::write(folder.join(format!("a/{i}.png")), &png).unwrap());
    }
    let table = |root: &Path| {
        let rows: String = (0..6).map(|i| format!("{}\n", root.join(format!("a/{i}.png")).display())).collect();
        fs::write(dir.join("probe/examples.csv"), format!("image\n{rows}")).unwrap();
        ok(&dir, &format!("{EXPLAIN} --force"));
    };
    let pictures = |args: &str| {
        let done = run(&dir, &format!("report run {args}"));
        assert_eq!(done.code, 0, "{}", done.err);
        let made = fs::read_dir(dir.join("run/report/images")).map_or(0, Iterator::count);
        (made > 0, done.err)
    };
    // Relative paths are relative to the probe directory, where no images are, or to the root that is given.
    table(Path::new(""));
    let (made, err) = pictures("");
    assert!(!made && err.contains("/probe/a/") && err.contains("--image-root DIR names another folder"), "{err}");
    let (made, err) = pictures("--image-root photos");
    assert!(made && !err.contains("warning"), "{err}");
    // Absolute ones must lie within the root.
    table(&photos);
    assert!(pictures("--image-root photos").0);
    let (made, err) = pictures("--image-root other");
    assert!(!made && err.contains("which is not within `") && err.contains("/other`"), "{err}");
    let (made, err) = pictures("");
    assert!(!made && err.contains("/photos/a/") && err.contains("which is not within `"), "{err}");
    // A probe directory may hold its images.
    let own = dir.join("probe");
    fs::create_dir(own.join("a")).unwrap();
    (0..6).for_each(|i| fs::write(own.join(format!("a/{i}.png")), &png).unwrap());
    table(&own);
    assert!(pictures("").0);
    let e = fails(&dir, 1, "report run --image-root gone");
    assert!(e.contains("`gone`"), "{e}");
    drop(temp);
}

#[test]
fn photographs_are_written_once_and_small() {
    let Some(broden) = compexp_tests::data("miniplaces-broden-mini") else { return };
    let Some(checkpoint) = compexp_tests::data("places/resnet18_miniplaces.pth.tar") else { return };
    let temp = tempfile::tempdir().unwrap();
    let args = format!(
        "vision probe --broden {} --checkpoint {} --preprocess imagenet --units 0-19 --out run",
        broden.display(),
        checkpoint.display()
    );
    ok(temp.path(), &args);
    let done = run(temp.path(), "report run");
    assert!(done.code == 0 && !done.err.contains("warning"), "{}", done.err);
    let images: Vec<u64> = fs::read_dir(temp.path().join("run/report/images"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!((20..=120).contains(&images.len()), "{}", images.len());
    assert!(images.iter().all(|bytes| (500..20_000).contains(bytes)), "{images:?}");
}

/// Keeps what is written, up to a number of files.
struct Memory {
    files: BTreeMap<String, Vec<u8>>,
    room: usize,
}

impl Sink for Memory {
    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        if self.files.len() == self.room {
            return Err(Error::io("write", Path::new(name))(std::io::ErrorKind::StorageFull.into()));
        }
        assert!(self.files.insert(name.to_owned(), bytes.to_owned()).is_none(), "{name} is written twice");
        Ok(())
    }
}

/// A picture for every other example.
struct Half;

impl ExampleSource for Half {
    fn show(&self, number: usize, _: &Example) -> Showing {
        match number % 2 {
            0 => Showing::Image(Thumbnail { bytes: vec![number as u8], extension: "png", width: 2, height: 2 }),
            _ => Showing::Missing("nothing".to_owned()),
        }
    }
}

#[test]
fn pages_are_the_same_on_any_number_of_threads_and_a_full_disk_is_an_error() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let finished = FinishedRun::open(&dir.join("run")).unwrap();
    let text = |t: &str| t.to_owned();
    let figures = [Figure {
        id: text("a"),
        title: text("<A>"),
        caption: text("B & C."),
        svg: text("<svg></svg>"),
        csv: text("x\n1\n"),
    }];
    let report = |threads: usize, room: usize| {
        let mut sink = Memory { files: BTreeMap::new(), room };
        let records = Records::read(&finished).unwrap();
        let (name, units) = (text("a"), None);
        let runs = [ReportRun { name, run: &finished, records: &records, figures: &figures, source: &Half, units }];
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| write_report(&runs, &mut sink, &Silent)).map(|written| (written, sink.files))
    };
    let (written, files) = report(1, 100).unwrap();
    assert_eq!(report(2, 100).unwrap(), (written.clone(), files.clone()));
    assert_eq!((written.files, written.bytes), (files.len(), files.values().map(|f| f.len() as u64).sum()));
    assert!(!written.missing.is_empty() && files["images/0.png"] == [0]);
    assert_eq!(files["figures/a.csv"], b"x\n1\n");
    let index = String::from_utf8(files["index.html"].clone()).unwrap();
    assert!(index.contains("<svg></svg>") && index.contains("&lt;A&gt;") && index.contains("B &amp; C."), "{index}");
    for room in 0..files.len() {
        let e = report(1, room).unwrap_err();
        assert!(matches!(&e, Error::File(compexp_files::Error::Io { op: "write", .. })), "{e}");
    }
}

#[test]
fn accuracy_comes_from_activity_where_there_is_no_table() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    crate::as_earlier(&dir.join("run"));
    // Units 0 and 2 fire on the first examples; of the first two one is right.
    write_npy(&dir.join("run/activity.npy"), &[3, 1], &[0b0011_u8, 0, 0b0111]).unwrap();
    fs::write(
        dir.join("run/predictions.csv"),
        "image,target,predicted,correct\n0,a,a,true\n1,a,b,false\n2,b,b,true\n3,,a,\n4,b,b,true\n5,b,a,false\n",
    )
    .unwrap();
    ok(&dir, "report run");
    let unit = read(&dir.join("run/report/units/0.html"));
    assert!(unit.contains("50.0% (1 of 2)") && unit.contains("Classes where the unit fires"), "{unit}");
    assert!(read(&dir.join("run/report/units/2.html")).contains("66.7% (2 of 3)"));
    write_npy(&dir.join("run/activity.npy"), &[3, 2], &[0_u8; 6]).unwrap();
    assert!(fails(&dir, 1, "report run").contains("activity.npy"));
    assert_eq!(json(&dir.join("run/report/report.json"))["version"], 1);
}

/// A run of the scene with weights of classes, the measures of contribution, and what was done with units and inputs.
fn with_behaviour(dir: &Path, attack: &str) {
    ok(dir, EXPLAIN);
    crate::as_earlier(&dir.join("run"));
    let file = |name: &str, text: String| {
        let path = dir.join("run").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let quoted = format!("\"{}\"", attack.replace('"', "\"\""));
    let classes = serde_json::json!({ "version": 1, "classes": ["lake", attack] });
    file("head.json", classes.to_string());
    write_npy(&dir.join("run/head.npy"), &[2, 4], &[0.5_f32, 0.0, -0.25, 0.0, -1.0, 0.0, 2.0, 0.0]).unwrap();
    let predictions = "image,target,predicted,correct\n0,lake,lake,true\n1,lake,Q,false\n2,Q,Q,true\n3,,lake,\n4,Q,Q,true\n5,Q,lake,false\n";
    file("predictions.csv", predictions.replace('Q', &quoted));
    let header = "unit,target,weight,correlation,overlap,weight_role,correlation_role,overlap_role";
    file(
        "contributions.csv",
        format!(
            "{header}\n0,lake,0.5,0.875,,contributor,,\n2,lake,-0.25,-0.5,0.125,inhibitor,,\n0,{quoted},-1,0,0,,,\n"
        ),
    );
    let share = serde_json::json!({ "units": 1024, "share": { "value": 0.625, "interval": [0.5, 0.75] } });
    let above = serde_json::json!({ "value": 0.375, "interval": [-0.0001, 0.5] });
    let support = serde_json::json!({ "measure": attack, "fill": "mean", "supported": share, "others": share,
                                      "control": null, "share_above_control": above });
    file("ablation/ablation.json", serde_json::json!({ "version": 1, "support": [support] }).to_string());
    file(
        "ablation/bands.csv",
        format!(
            "order,fill,curves,removed,accuracy,low,high,concerned_change,concerned_change_low,concerned_change_high\n\
             iou,zero,1,0,0.75,,,,,\niou,zero,1,3,0.25,,,-0.5,,\n{quoted},zero,2,0,0.75,0.7,0.8,,,\n"
        ),
    );
    file(
        "ablation/effects.csv",
        format!(
            "unit,formula,iou,supports,supported_examples,greatest_weight,accuracy_change,supported_change,others_change,fill\n\
             0,{quoted},0.5,{quoted},1234,0.5,0,-0.125,0.01,zero\n"
        ),
    );
    let outcomes = serde_json::json!({ "trials": 4, "success": 1, "partial": 0, "failure": 3, "change": 0.5 });
    let difference = serde_json::json!({ "value": 0.25, "low": -0.125, "high": 0.5 });
    let answer =
        serde_json::json!({ "picture": "../../secret.png", "predicted": attack, "probability": 0.5, "to": 0.25 });
    let case = serde_json::json!({
        "case": 1, "unit": 0, "formula": attack, "concept": attack, "from": attack, "to": "lake",
        "effect": { "tested": outcomes, "control": outcomes, "success": difference },
        "best": { "answers": { "before": answer, "after": answer, "control": answer } },
    });
    let outcomes = |success: u32| serde_json::json!({ "trials": 4, "success": success, "failure": 4 - success });
    let difference = serde_json::json!({ "value": 0.5, "low": 0.125, "high": 0.75 });
    let broken = serde_json::json!({
        "case": 2, "unit": 2, "formula": attack, "direction": "break", "from": attack, "to": null, "p": 0.002, "q": 0.004,
        "effect": { "tested": outcomes(3), "control": outcomes(1), "success": difference },
        "edits": [{ "premise": attack, "hypothesis": attack, "side": "premise", "edited_premise": attack, "before": attack,
                    "after": attack, "control": attack, "control_after": attack }],
    });
    let record = serde_json::json!({ "version": 1, "cases": [case, broken] });
    file("counterfactuals/counterfactuals.json", record.to_string());
    file("counterfactuals/case-001-before.png", "picture".into());
}

#[test]
fn classes_and_behaviour_have_pages_where_a_run_tells_of_them() {
    const ATTACK: &str = "<script>window.hit=1</script>\"><img src=x onerror=window.hit=2>";
    let (_temp, dir) = scene();
    with_behaviour(&dir, ATTACK);
    ok(&dir, "report run");
    let report = dir.join("run/report");
    let lake = read(&report.join("classes/0.html"));
    for part in [
        "units/0.html",
        "+0.500",
        "0.875",
        "▲",
        "▼",
        "-0.250",
        "class=\"tree\"",
        "2</b><span>examples",
        "50.0%",
        "What it is mistaken for",
    ] {
        assert!(lake.contains(part), "no {part} in {lake}");
    }
    let unit = read(&report.join("units/0.html"));
    assert!(unit.contains("href=\"../classes/0.html\"") && unit.contains("-1.0000"), "{unit}");
    let behaviour = read(&report.join("behaviour.html"));
    for part in [
        "Units set to zero: accuracy<",
        "Units set to zero: change for the classes concerned<",
        "62.5% of 1,024",
        "+37.5 [0.0, +50.0]",
        "Effect against contribution",
        ">1,234<",
        "-12.5",
        "25.0% of 4",
        "+25.0",
        "[-12.5, +50.0]",
        "counterfactuals/1-before.png",
        "→ any other class, formula made false",
        "Formula made true, 1 case: success <b>25.0%</b>",
        "Formula made false, 1 case: success <b>75.0%</b>, controls <b>25.0%</b>",
        ", p 0.002, q 0.004",
        "q is below 0.05 in <b>1</b>: above the controls in 1, below in 0.",
    ] {
        assert!(behaviour.contains(part), "no {part} in {behaviour}");
    }
    assert!(!behaviour.contains("1-after.png") && !behaviour.contains("secret"), "no file, no picture: {behaviour}");
    assert_eq!(fs::read(report.join("counterfactuals/1-before.png")).unwrap(), b"picture");
    for page in ["classes.html", "classes/0.html", "classes/1.html", "behaviour.html", "units/0.html"] {
        let text = read(&report.join(page));
        assert!(!text.contains("<script>window") && !text.contains("<img src=x"), "{page}: {text}");
        assert!(text.contains("href=\"behaviour.html\"") || text.contains("href=\"../behaviour.html\""), "{page}");
    }

    let refused = |name: &str, text: &str, expected: &str| {
        let path = dir.join("run").join(name);
        let good = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let message = fails(&dir, 1, "report run");
        assert!(message.contains(name) && message.contains(expected), "{message}");
        fs::write(&path, good).unwrap();
    };
    let header = "unit,target,weight,correlation,overlap,weight_role,correlation_role,overlap_role\n";
    refused("contributions.csv", "unit,target\n0,lake\n", "found unit, target");
    refused("contributions.csv", &format!("{header}0,lake,1,x,0,,,\n"), "line 2: found `x`");
    refused("contributions.csv", &format!("{header}0,lake,1,0,0,friend,,\n"), "line 2: found `friend`");
    refused("contributions.csv", &format!("{header}-1,lake,1,0,0,,,\n"), "line 2: found `-1`");
    refused("head.json", r#"{"version":2,"classes":[]}"#, "version: found 2");
    refused("counterfactuals/counterfactuals.json", "{", "line 1");
    refused("ablation/ablation.json", "{", "line 1");

    // Tables of a run that was made anew since are not its own.
    fs::remove_file(dir.join("run/ablation/ablation.json")).unwrap();
    ok(&dir, "report run");
    assert!(!read(&report.join("behaviour.html")).contains("Units set to zero"));
}

#[test]
fn proof_and_trust_are_shown_where_the_run_has_them() {
    let (_temp, dir) = scene();
    ok(&dir, &format!("{EXPLAIN} --mode exact"));
    ok(&dir, "report run");
    let unit = read(&dir.join("run/report/units/0.html"));
    for part in [">proof<", ">optimal<", ">ceiling<", ">IoU of the beam<", ">proven<"] {
        assert!(unit.contains(part), "no {part} in {unit}");
    }
    assert!(!unit.contains(">held-out IoU<") && !unit.contains(">q<"), "{unit}");
    let table = read(&dir.join("run/report/figures/ceiling.csv"));
    let explanations = json(&dir.join("run/explanations.json"));
    let first = explanations["units"].as_array().unwrap().iter().find(|u| u["unit"] == 0).unwrap();
    let (iou, ceiling) = (first["iou"].as_f64().unwrap(), first["ceiling"].as_f64().unwrap());
    let beam = first["optimal"]["beam"].as_f64().unwrap();
    assert!(beam <= iou && iou <= ceiling);
    assert!(table.contains(&format!("0,{iou:?},{beam:?},{iou:?},true,{ceiling:?}\n")), "{table}");

    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/example");
    let data = data.display();
    ok(
        &dir,
        &format!(
            "explain --probe {data} --activations {data}/activations.npy --quantile 0.1 --null-draws 9 --holdout 0.3 --out trust"
        ),
    );
    ok(&dir, "report trust");
    let unit = read(&dir.join("trust/report/units/0.html"));
    for part in
        [">p<", "of 9 draws", ">q<", ">IoU by chance<", ">held-out IoU<", ">drop<", ">suggested length<", "chance, 95%"]
    {
        assert!(unit.contains(part), "no {part} in {unit}");
    }
    let units = read(&dir.join("trust/report/units.html"));
    for part in ["name=\"q_most\"", "name=\"held\"", "data-q=\"", "data-held=\"", "value=\"held\""] {
        assert!(units.contains(part), "no {part}");
    }
    for name in ["ceiling", "iou_and_luck", "held_out_by_length"] {
        assert!(dir.join(format!("trust/report/figures/{name}.svg")).is_file(), "{name}");
    }
}

/// Texts with concepts of any names, and a unit that fires where a text speaks of a night table and no dog.
fn texts(dir: &Path) {
    let probe = dir.join("texts");
    fs::create_dir(&probe).unwrap();
    let concept = |(id, name): (u32, &str)| Concept { id: ConceptId(id), name: name.into(), category: String::new() };
    let names = ["night table", "dog", "question"];
    write_concepts(&probe, &(0..).zip(names).map(concept).collect::<Vec<_>>()).unwrap();
    let has = |i: usize| [2, 3, 5].map(|n| i.is_multiple_of(n));
    let text = |i: usize| {
        let [table, dog, question] = has(i);
        let part = |present: bool, words: &'static str| if present { words } else { "" };
        format!(
            "A{} stands{} here => again{}",
            part(table, " Night table,"),
            part(dog, " by a dog"),
            part(question, "?")
        )
    };
    let example = |i: usize| Example { name: format!("doc {i}"), text: text(i), ..Example::default() };
    write_examples(&probe, &(0..60).map(example).collect::<Vec<_>>()).unwrap();
    let features: Vec<bool> = (0..60).flat_map(has).collect();
    write_npy(&probe.join("features.npy"), &[60, 3], &features).unwrap();
    let values: Vec<f32> = (0..60).map(|i| if has(i)[0] && !has(i)[1] { 1.0 + i as f32 } else { -1.0 }).collect();
    write_npy(&dir.join("values.npy"), &[60, 1], &values).unwrap();
}

#[test]
fn own_texts_have_marks_and_literals_also_where_examples_are_held_out() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    texts(dir);
    ok(dir, "explain --probe texts --activations values.npy --length 2 --holdout 0.3 --out run");
    let done = run(dir, "report run");
    assert!(done.code == 0 && !done.err.contains("warning"), "{}", done.err);
    let unit = read(&dir.join("run/report/units/0.html"));
    for part in [
        "<mark class=\"asked\" title=\"asked for by night table\">Night table,</mark>",
        "✓ <bdi>night table</bdi>",
        "whether a literal is true of the text",
        "here =&gt; again",
    ] {
        assert!(unit.contains(part), "no {part} in {unit}");
    }
    assert!(!unit.contains("Premise") && !unit.contains("belong to no single word"), "{unit}");
    let shown = ok(dir, "show run --unit 0");
    assert!(shown.contains(": A Night table, stands here => again"), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&ok(dir, "show run --unit 0 --json")).unwrap();
    assert!(shown["exemplars"][0]["text"].as_str().unwrap().starts_with("A "), "{shown}");

    // Annotations that are not those of the run say nothing about it, and the legend does not promise them.
    let features: Vec<bool> = (0..180).map(|i| i % 7 == 0).collect();
    write_npy(&dir.join("texts/features.npy"), &[60, 3], &features).unwrap();
    let done = run(dir, "report run");
    assert!(done.code == 0 && done.err.contains("is not the probe directory"), "{}", done.err);
    let unit = read(&dir.join("run/report/units/0.html"));
    assert!(unit.contains("class=\"asked\"") && !unit.contains("✓") && !unit.contains("✗"), "{unit}");
}

#[test]
fn a_run_searched_by_mcc_shows_mcc_first() {
    let (_temp, dir) = scene();
    ok(&dir, &format!("{EXPLAIN} --metric mcc"));
    ok(&dir, "explain --probe probe --activations acts.npy --positive --out other");
    ok(&dir, "report run");
    ok(&dir, "report other");
    let units = ["run", "other"].map(|run| read(&dir.join(run).join("report/units.html")));
    for (units, first, second) in [(&units[0], "MCC", "IoU"), (&units[1], "IoU", "MCC")] {
        assert!(units.contains(&format!("<span> {first}</span>")), "{units}");
        let bars: Vec<usize> = [first, second]
            .iter()
            .map(|name| units.find(&format!(">{name}</span><span class=\"track\"")).unwrap())
            .collect();
        assert!(bars[0] < bars[1], "the bar of {first} stands first");
        let sort = units.split("name=\"sort\"").nth(1).unwrap();
        assert!(sort.starts_with(&format!("><option value=\"{}\"", first.to_lowercase())), "{sort}");
    }
    let index = read(&dir.join("run/report/index.html"));
    assert!(index.contains("mean MCC") && index.contains("correlates most"), "{index}");
    let unit = read(&dir.join("run/report/units/0.html"));
    for part in ["<span>MCC</span>", "<span>lift</span>", "<span>firing rate</span>", ">MCC</th>"] {
        assert!(unit.contains(part), "no {part} in {unit}");
    }
}

#[test]
fn the_landing_page_begins_with_answers_and_figures_and_every_page_links_to_the_glossary() {
    let (_temp, dir) = scene();
    with_behaviour(&dir, "city");
    ok(&dir, "report run");
    let report = dir.join("run/report");
    let index = read(&report.join("index.html"));
    let places = ["#answers", "#figures", "#best", "#reading", "#made"].map(|id| {
        index.find(&format!(" class=\"anchor\" href=\"{id}\"")).unwrap_or_else(|| panic!("no {id}: {index}"))
    });
    assert!(places.is_sorted(), "{places:?}");
    for word in ["IoU", "MCC", "firing rate", "lift", "literal", "AND, OR, NOT", "chance", "p and q", "held-out"] {
        assert!(index.contains(&format!("<dt>{word}")), "no {word}");
    }
    assert!(index.contains("<a href=\"units/0.html\" tabindex=\"-1\"><circle data-unit=\"0\""), "dots lead to units");
    for page in ["units.html", "classes.html", "behaviour.html", "units/0.html", "classes/0.html"] {
        assert!(read(&report.join(page)).contains("index.html#reading\">How to read<"), "{page}");
    }
}

#[test]
fn some_units_and_the_best_ones_can_be_asked_for() {
    let (_temp, dir) = scene();
    ok(&dir, EXPLAIN);
    let pages = |args: &str| {
        ok(&dir, &format!("report run --out out {args}"));
        let files = fs::read_dir(dir.join("out/units")).unwrap();
        let mut names: Vec<String> = files.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(pages(""), "0.html 1.html 2.html");
    assert_eq!(pages("--units 1-2"), "1.html 2.html");
    assert!(read(&dir.join("out/index.html")).contains("This report shows 2 of 3 units."));
    let best = json(&dir.join("run/explanations.json"));
    let iou = |unit: usize| best["units"][unit]["iou"].as_f64().unwrap();
    let first = if iou(0) >= iou(2) { "0.html" } else { "2.html" };
    assert_eq!(pages("--top 1"), first);
    assert_eq!(pages("--units 1 --top 5"), "1.html");
    let index = read(&dir.join("out/index.html"));
    assert!(!index.contains("href=\"units/0.html\""), "no link leads to a page that is not there: {index}");
    assert!(fails(&dir, 2, "report run --out out --units 7").contains("found 7, expected units of `run`: 0-2"));
}
