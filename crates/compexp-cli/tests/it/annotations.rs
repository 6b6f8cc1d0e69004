//! Pictures annotated in the forms that people have, on the data folder.

use std::fs;
use std::path::{Path, PathBuf};

use compexp_files::write_npy;
use serde_json::Value;

use crate::{compexp, fails, json, ok};

/// A temporary folder, and a folder of the data.
fn folders(name: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    Some((tempfile::tempdir().unwrap(), compexp_tests::data(name)?))
}

/// The records of all units of a run.
fn units(run: &Path) -> Value {
    json(&run.join("explanations.json"))["units"].clone()
}

fn formulas(run: &Path) -> Vec<String> {
    let units = units(run);
    units.as_array().unwrap().iter().map(|unit| unit["formula"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn units_of_coco_have_the_formulas_they_were_made_from() {
    let Some((temp, coco)) = folders("coco") else { return };
    let (dir, data) = (temp.path(), coco.display());
    let args =
        format!("explain --coco {data}/instances.json --activations {data}/acts.npy --mask-size 32x32 --quantile 0.1");
    let out = ok(dir, &format!("{args} --out run"));
    assert!(out.contains("6 units on 12 examples of 1,024 positions"), "{out}");
    let planted = json(&coco.join("acts_formulas.json"));
    let found = formulas(&dir.join("run"));
    for unit in [0, 1, 3, 4] {
        assert_eq!(found[unit], planted[unit]["formula"].as_str().unwrap(), "unit {unit}");
    }
    let config = json(&dir.join("run/config.json"));
    let annotations = &config["config"]["inputs"]["annotations"];
    assert_eq!((&annotations["kind"], &annotations["mask_size"]["height"]), (&"coco".into(), &32.into()));
    assert_eq!(annotations["concepts"], Value::Null);
    assert!(ok(dir, &format!("{args} --out run")).contains("up to date"));

    // Later commands open the annotations again.
    assert!(ok(dir, "eval dog --run run --unit 0").contains("dog: "), "as the run had them");
    ok(dir, "report run --out pages");
    assert!(fs::read_dir(dir.join("pages")).unwrap().count() > 3);

    // A second family of concepts; here `animal` is dog or cat.
    ok(dir, &format!("{args} --categories object,supercategory --out families"));
    assert!(formulas(&dir.join("families"))[1].contains("animal"));
    ok(dir, "eval animal --run families");
}

#[test]
fn explanations_equal_those_of_the_same_masks_as_arrays() {
    let Some((temp, coco)) = folders("coco") else { return };
    let (dir, root) = (temp.path(), coco.parent().unwrap().display());
    let forms = [
        ("coco", format!("--coco {root}/coco/instances.json"), 12, (37, 50)),
        ("families", format!("--coco {root}/coco/instances.json --categories supercategory,object"), 12, (32, 32)),
        ("panoptic", format!("--panoptic {root}/coco/panoptic.json"), 12, (24, 31)),
        ("ade20k", format!("--ade20k {root}/ade20k-full/ADE20K_2021_17_01"), 3, (40, 40)),
        ("masks", format!("--mask-dir {root}/voc/masks --names {root}/voc/names.txt"), 12, (112, 112)),
        ("chosen", format!("--panoptic {root}/coco/panoptic.json --exclude sky --min-area 0.01"), 12, (32, 32)),
    ];
    for (name, args, n, (height, width)) in forms {
        // Smooth maps, other ones for each unit and example.
        let value = |i: usize| ((i / 64 * 7 + i % 8 * (i / 64 % 3) + i / 8 % 8 * 3) as f32 * 0.37).sin();
        let acts: Vec<f32> = (0..n * 5 * 64).map(value).collect();
        write_npy(&dir.join("acts.npy"), &[n, 5, 8, 8], &acts).unwrap();
        let args = format!("{args} --mask-size {height}x{width}");
        let search = "--activations acts.npy --quantile 0.2 --null-draws 3";
        ok(dir, &format!("explain {args} {search} --out {name}"));
        let out = ok(dir, &format!("probe convert {args} --out {name}.probe"));
        assert!(out.starts_with(&format!("{n} pictures of ")), "{out}");
        ok(dir, &format!("explain --probe {name}.probe {search} --out {name}.arrays"));
        assert_eq!(units(&dir.join(name)), units(&dir.join(format!("{name}.arrays"))), "{name}");
        let universe = |run: &str| json(&dir.join(run).join("explanations.json"))["universe"].clone();
        assert_eq!(universe(name), universe(&format!("{name}.arrays")));
        let found = formulas(&dir.join(name));
        assert!(found.iter().any(|formula| formula.contains(' ')), "{name}: {found:?}");
        // Later commands open the annotations again, with the options of the run.
        let eval = compexp(dir, &format!("eval --run {name}")).arg(&found[0]).output().unwrap();
        assert!(eval.status.success(), "{name}: {}", String::from_utf8_lossy(&eval.stderr));
    }
}

#[test]
fn broden_can_be_converted_too() {
    let Some((temp, broden)) = folders("miniplaces-broden-mini") else { return };
    let (dir, broden) = (temp.path(), broden.display());
    let acts: Vec<f32> = (0..120 * 3 * 16).map(|i| (i as f32 * 0.7).sin()).collect();
    write_npy(&dir.join("acts.npy"), &[120, 3, 4, 4], &acts).unwrap();
    let search = "--activations acts.npy --quantile 0.1";
    ok(dir, &format!("probe convert --broden {broden} --out probe --json"));
    ok(dir, &format!("explain --broden {broden} {search} --out a"));
    ok(dir, &format!("explain --probe probe {search} --out b"));
    assert_eq!(units(&dir.join("a")), units(&dir.join("b")));
    // Again over itself, but not over other files.
    ok(dir, &format!("probe convert --broden {broden} --out probe"));
    let err = fails(dir, 1, &format!("probe convert --broden {broden} --out a"));
    assert!(err.contains("expected a new or empty folder"), "{err}");
}

#[test]
fn concepts_are_chosen_and_the_choice_is_kept() {
    let Some((temp, coco)) = folders("coco") else { return };
    let (dir, data) = (temp.path(), coco.display());
    let args =
        format!("explain --coco {data}/instances.json --activations {data}/acts.npy --mask-size 32x32 --quantile 0.1");
    ok(dir, &format!("{args} --include dog,boat --out run"));
    let formulas = formulas(&dir.join("run"));
    assert!(formulas.iter().all(|f| !f.contains("cat") && !f.contains("kite")), "{formulas:?}");
    let chosen = json(&dir.join("run/config.json"))["config"]["inputs"]["annotations"]["concepts"].clone();
    assert_eq!(chosen, serde_json::json!({ "include": ["dog", "boat"] }));
    let err = fails(dir, 2, "eval cat --run run");
    assert!(err.contains("cat"), "{err}");
    let err = fails(dir, 1, &format!("{args} --include dog --out run"));
    assert!(err.contains("include"), "{err}");
    let err = fails(dir, 1, &format!("{args} --exclude dgo --out other"));
    assert!(err.contains("concept to exclude: found `dgo`"), "{err}");
    let listed = ok(dir, &format!("concepts --coco {data}/instances.json --min-area 0.05"));
    assert!(listed.contains("dog") && !listed.contains("zebra"), "{listed}");
    // A probe directory has the same options.
    ok(dir, &format!("probe convert --coco {data}/instances.json --mask-size 32x32 --out probe"));
    let search = format!("--activations {data}/acts.npy --quantile 0.1");
    ok(dir, &format!("explain --probe probe --include dog,boat {search} --out arrays"));
    assert_eq!(units(&dir.join("run")), units(&dir.join("arrays")));
}

#[test]
fn changed_annotations_are_noticed() {
    let Some((temp, voc)) = folders("voc") else { return };
    let dir = temp.path();
    fs::create_dir(dir.join("masks")).unwrap();
    for entry in fs::read_dir(voc.join("masks")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.join("masks").join(path.file_name().unwrap())).unwrap();
    }
    fs::copy(voc.join("names.txt"), dir.join("names.txt")).unwrap();
    let acts = voc.with_file_name("coco").join("acts.npy");
    let args =
        format!("explain --mask-dir masks --names names.txt --activations {} --quantile 0.1 --out run", acts.display());
    ok(dir, &args);
    ok(dir, "eval dog --run run");
    let names = fs::read_to_string(dir.join("names.txt")).unwrap();
    fs::write(dir.join("names.txt"), names.replace("lamp", "light")).unwrap();
    let err = fails(dir, 1, "eval dog --run run");
    assert!(err.contains("hash of the annotations"), "{err}");
    fs::remove_file(dir.join("masks/000000000004.png")).unwrap();
    let err = fails(dir, 1, &args);
    assert!(err.contains("found 12, expected 11"), "{err}");
}

#[test]
fn options_of_other_forms_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    for args in [
        "--coco a.json --broden b",
        "--coco a.json --panoptic b.json",
        "--coco a.json --names n.txt",
        "--coco a.json --index i.csv",
        "--mask-dir m",
        "--names n.txt",
        "--mask-dir m --names n --categories object",
        "--ade20k d --images i",
        "--broden b --images i",
        "--broden b --mask-size 7x7",
        "--probe p --mask-size 7x7",
        "--coco a.json --mask-size 7",
        "--coco a.json --mask-size 0x7",
        "--coco a.json --min-area 2",
    ] {
        fails(temp.path(), 2, &format!("explain {args} --activations acts.npy --out run"));
    }
    let err = fails(temp.path(), 1, "explain --coco none.json --activations acts.npy --out run");
    assert!(err.contains("acts.npy"), "{err}");
}

#[test]
fn probing_needs_the_folder_of_pictures() {
    let Some((temp, voc)) = folders("voc") else { return };
    let Some(checkpoint) = compexp_tests::data("places/resnet18_miniplaces.pth.tar") else { return };
    let (data, checkpoint) = (voc.display(), checkpoint.display());
    let args =
        format!("vision probe --mask-dir {data}/masks --names {data}/names.txt --checkpoint {checkpoint} --out run");
    let err = fails(temp.path(), 2, &args);
    assert!(err.contains("expected the folder that they are in") && err.contains("--images DIR"), "{err}");
}

#[test]
fn photographs_have_the_size_that_their_annotations_state() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    fs::create_dir(dir.join("images")).unwrap();
    let write = |name: &str, height: usize, width: usize| {
        let image = compexp_vision::image::Image { height, width, rgb: vec![9; 3 * height * width] };
        fs::write(dir.join("images").join(name), image.to_png().unwrap()).unwrap();
    };
    let picture = |id: u32| serde_json::json!({ "id": id, "file_name": format!("{id}.png"), "height": 4, "width": 6 });
    let instances = serde_json::json!({
        "images": [picture(1), picture(2)],
        "annotations": [],
        "categories": [{ "id": 1, "name": "dog" }],
    });
    fs::write(dir.join("a.json"), instances.to_string()).unwrap();
    write("1.png", 4, 6);
    let probe = "vision probe --coco a.json --checkpoint none.pth --out run";
    assert!(fails(dir, 1, probe).contains("2.png"), "it is missing");
    write("2.png", 6, 4);
    let e = fails(dir, 1, probe);
    assert!(e.contains("2.png`: size: found 6 x 4 (height x width), expected 4 x 6, as its annotation states"), "{e}");
    write("2.png", 4, 6);
    assert!(fails(dir, 1, probe).contains("none.pth"), "the pictures are right");
}
