//! `--concepts-by-units`: concepts are explained by units as units are by concepts, if arrays are written the other way round.

use std::fs;
use std::path::Path;

use compexp_core::probe::Grid;
use compexp_core::resize::Resizer;
use compexp_core::{Concept, ConceptId};
use compexp_files::write_npy;
use compexp_run::write_concepts;
use serde_json::Value;

use crate::{fails, json, ok, scene};

const IMAGES: usize = 24;
const UNITS: usize = 5;

/// A probe directory `images` of 4 x 4 positions with two layers of annotation, and `maps.npy` with maps of 2 x 2 of units, of
/// which the last never fires. The same the other way round: the units' masks as annotations in `units`, the concepts' masks
/// in `masks.npy`; thresholds are 0.
fn both_ways(dir: &Path) {
    for (name, concepts) in
        [("images", ["water", "sky", "night"].to_vec()), ("units", vec!["u0", "u1", "u2", "u3", "u4"])]
    {
        fs::create_dir(dir.join(name)).unwrap();
        let category = if name == "units" { "unit" } else { "object" };
        let concept = |(i, name): (usize, &&str)| Concept {
            id: ConceptId(i as u32 + 1),
            name: (*name).to_owned(),
            category: category.into(),
        };
        write_concepts(&dir.join(name), &concepts.iter().enumerate().map(concept).collect::<Vec<_>>()).unwrap();
    }
    let layer =
        |seed: u32| (0..IMAGES as u32 * 16).map(move |i| ((i + seed).wrapping_mul(2_654_435_761) >> 13) as u8 % 4);
    let (first, second): (Vec<u8>, Vec<u8>) =
        (layer(0).collect(), layer(977).map(|v| if v == 2 { 2 } else { 0 }).collect());
    let layers: Vec<u8> = first.chunks(16).zip(second.chunks(16)).flat_map(|(a, b)| [a, b].concat()).collect();
    write_npy(&dir.join("images/layers.npy"), &[IMAGES, 2, 4, 4], &layers).unwrap();
    let masks: Vec<bool> = (1..4)
        .flat_map(|concept| first.iter().zip(&second).map(move |(a, b)| *a == concept || *b == concept))
        .collect();
    write_npy(&dir.join("masks.npy"), &[3, IMAGES, 4, 4], &masks).unwrap();
    // Units follow concepts a little, so that there is something to find.
    let value = |i: usize| {
        let (image, unit, at) = (i / (UNITS * 4), i / 4 % UNITS, i % 4);
        let noise = ((i as u32).wrapping_mul(2_246_822_519) >> 9) as f32 / (1 << 22) as f32 - 1.2;
        let follows = layers[image * 32 + at / 2 * 8 + at % 2 * 2] as usize == unit % 3 + 1;
        if unit + 1 == UNITS { -1.0 } else { noise + f32::from(u8::from(follows)) }
    };
    let maps: Vec<f32> = (0..IMAGES * UNITS * 4).map(value).collect();
    write_npy(&dir.join("maps.npy"), &[IMAGES, UNITS, 2, 2], &maps).unwrap();
    let resizer = Resizer::new(Grid { height: 2, width: 2 }, Grid { height: 4, width: 4 });
    let mut annotated = Vec::new();
    for (i, map) in maps.chunks(4).enumerate() {
        let mut large = [0.0; 16];
        resizer.resize(map, &mut large);
        annotated.extend(large.map(|v| if v > 0.0 { (i % UNITS) as u8 + 1 } else { 0 }));
    }
    write_npy(&dir.join("units/layers.npy"), &[IMAGES, UNITS, 4, 4], &annotated).unwrap();
}

/// The fields that both ways share.
const SHARED: [&str; 12] = [
    "status",
    "formula",
    "length",
    "iou",
    "mcc",
    "unit_area",
    "formula_area",
    "intersection",
    "by_length",
    "optimal",
    "holdout",
    "significance",
];

#[test]
fn concepts_are_explained_as_masks_are_by_units_as_annotations() {
    let (_temp, dir) = scene();
    both_ways(&dir);
    let evidence = "--holdout 0.3 --null-draws 9";
    for (i, options) in ["", "--mode exact --length 2", "--metric mcc"].iter().enumerate() {
        ok(
            &dir,
            &format!(
                "explain --probe images --activations maps.npy --positive {evidence} {options} --concepts-by-units --out a{i}"
            ),
        );
        ok(&dir, &format!("explain --probe units --masks masks.npy {evidence} {options} --out b{i}"));
        let [a, b] = ["a", "b"].map(|run| json(&dir.join(format!("{run}{i}/explanations.json"))));
        let (found, expected) = (a["concepts"]["list"].as_array().unwrap(), b["units"].as_array().unwrap());
        assert_eq!(found.len(), 3);
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert_eq!(found["concept"], ["water", "sky", "night"][at]);
            assert_eq!((&found["unit"], &found["category"]), (&Value::from(at + 1), &Value::from("object")));
            for field in SHARED {
                assert_eq!(found[field], expected[field], "{field} with {options}");
            }
            assert_eq!(found["status"], "explained");
            assert_eq!(found["threshold"], Value::Null);
        }
        assert_eq!((&a["concepts"]["candidates"], &a["concepts"]["units"]), (&Value::from(4), &Value::from(4)));
        assert_eq!(a["concepts"]["universe"]["cells"], b["universe"]["cells"]);
    }
    // Units are explained as they are without.
    ok(&dir, &format!("explain --probe images --activations maps.npy --positive {evidence} --out plain"));
    let [a, plain] = ["a0", "plain"].map(|run| json(&dir.join(run).join("explanations.json")));
    assert_eq!(a["units"], plain["units"]);
    assert!(plain.get("concepts").is_none() && !dir.join("plain/concept-formulas.csv").exists());
}

#[test]
fn formulas_of_concepts_are_shown_listed_and_reported() {
    let (_temp, dir) = scene();
    both_ways(&dir);
    let explain = "explain --probe images --activations maps.npy --positive --holdout 0.3 --concepts-by-units";
    let said = ok(&dir, &format!("{explain} --candidates 2 --out run"));
    assert!(said.contains("3 of 3 concepts explained by 2 units: mean IoU"), "{said}");
    let shown = ok(&dir, "show run --concepts");
    assert!(shown.contains("3 concepts; formulas could name 2 of the 4 units that fire"), "{shown}");
    assert!(shown.lines().next().unwrap().contains("best unit") && shown.contains("held out"), "{shown}");
    let shown: Value = serde_json::from_str(&ok(&dir, "show run --concepts --json --sort unit --limit 2")).unwrap();
    let names: Vec<&Value> = shown["concepts"].as_array().unwrap().iter().map(|c| &c["concept"]).collect();
    assert_eq!(names, ["water", "sky"]);
    let table = fs::read_to_string(dir.join("run/concept-formulas.csv")).unwrap();
    assert!(table.starts_with("id,concept,category,status,formula,") && table.lines().count() == 4, "{table}");
    ok(&dir, "report run");
    let page = fs::read_to_string(dir.join("run/report/concepts.html")).unwrap();
    assert!(page.contains("Concepts by units") && page.contains("units/") && page.contains("water"), "{page}");
    ok(&dir, "verify run");

    let said = fails(&dir, 2, "show run --unit 9 --concepts");
    assert!(said.contains("--concepts"), "{said}");
}

#[test]
fn what_cannot_be_is_refused() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --out plain");
    let said = fails(&dir, 2, "show plain --concepts");
    assert!(said.contains("--concepts-by-units"), "{said}");
    let said = fails(&dir, 2, "explain --probe probe --activations acts.npy --candidates 3 --out run");
    assert!(said.contains("--concepts-by-units"), "{said}");
    let said = fails(&dir, 2, "explain --probe probe --activations acts.npy --concepts-by-units --compat --out run");
    assert!(said.contains("--compat with --concepts-by-units"), "{said}");
    // Masks need no threshold, and units that never fire make no formulas.
    ok(&dir, "explain --probe probe --masks masks.npy --concepts-by-units --out masks");
    let found = json(&dir.join("masks/explanations.json"));
    assert_eq!(found["concepts"]["list"][0]["formula"], "u0");
    ok(&dir, "explain --probe probe --activations acts.npy --units 1 --swap --out silent");
    assert!(json(&dir.join("silent/explanations.json")).get("concepts").is_none());
}
