//! Activation ranges: each is explained as if its positions were given as a mask.

use std::fs;
use std::path::Path;

use compexp_core::probe::Grid;
use compexp_core::resize::Resizer;
use compexp_files::write_npy;
use serde_json::Value;

use crate::{fails, json, ok, run, scene};

/// A probe directory of 24 images of 4 x 4 positions, and a layer of 3 units with maps of 2 x 2; the last unit never fires.
fn layer(dir: &Path) -> Vec<f32> {
    fs::create_dir(dir.join("images")).unwrap();
    fs::copy(dir.join("probe/probe.json"), dir.join("images/probe.json")).unwrap();
    let layers: Vec<u8> = (0..24 * 16u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 % 4).collect();
    write_npy(&dir.join("images/layers.npy"), &[24, 1, 4, 4], &layers).unwrap();
    let value = |i: u32| match i / 4 % 3 {
        2 => -1.0,
        _ => (i.wrapping_mul(2_246_822_519) >> 9) as f32 / (1 << 22) as f32 - 0.5,
    };
    let values: Vec<f32> = (0..24 * 12).map(value).collect();
    write_npy(&dir.join("maps.npy"), &[24, 3, 2, 2], &values).unwrap();
    values
}

fn ranges(dir: &Path, run: &str) -> Vec<Value> {
    json(&dir.join(run).join("explanations.json"))["ranges"].as_array().unwrap().clone()
}

#[test]
fn ranges_are_explained_as_their_dense_masks_are() {
    let (_temp, dir) = scene();
    let values = layer(&dir);
    let resizer = Resizer::new(Grid { height: 2, width: 2 }, Grid { height: 4, width: 4 });
    for (options, out) in [("", "equal"), ("--range-cuts k-means", "kmeans"), ("--mode exact --length 2", "exact")] {
        ok(
            &dir,
            &format!("explain --probe images --activations maps.npy --quantile 0.1 --ranges 3 {options} --out {out}"),
        );
        let found = ranges(&dir, out);
        assert_eq!(found.len(), 9);
        let mut masks = Vec::new();
        for (i, record) in found.iter().enumerate() {
            assert_eq!((&record["unit"], &record["range"]["k"]), (&Value::from(i / 3), &Value::from(i % 3 + 1)));
            let [lo, hi] = ["lo", "hi"].map(|end| record["range"][end].as_f64());
            for image in 0..24 {
                let mut map = [0.0; 16];
                resizer.resize(&values[(image * 3 + i / 3) * 4..][..4], &mut map);
                let inside = |v: f32| f64::from(v) > lo.unwrap() && hi.is_none_or(|hi| f64::from(v) <= hi);
                masks.extend(map.map(inside));
            }
        }
        write_npy(&dir.join("masks9.npy"), &[9, 24, 4, 4], &masks).unwrap();
        let options = options.replace("--range-cuts k-means", "");
        ok(&dir, &format!("explain --probe images --masks masks9.npy {options} --out dense --force"));
        let dense = json(&dir.join("dense/explanations.json"));
        for (record, dense) in found.iter().zip(dense["units"].as_array().unwrap()) {
            for field in
                ["status", "formula", "iou", "unit_area", "formula_area", "intersection", "by_length", "optimal"]
            {
                assert_eq!(record[field], dense[field], "{field} of {record}");
            }
        }
        assert!(found[6..].iter().all(|record| record["status"] == "silent"), "the last unit never fires");
        assert_eq!(found[..6].iter().filter(|record| record["status"] == "explained").count(), 6);
    }
}

#[test]
fn ranges_are_shown_listed_compared_and_reported() {
    let (_temp, dir) = scene();
    layer(&dir);
    let explain = "explain --probe images --activations maps.npy --quantile 0.1 --holdout 0.4";
    let whole = ok(&dir, &format!("{explain} --out whole"));
    let with = ok(&dir, &format!("{explain} --ranges 2 --out with"));
    assert!(with.contains("4 of 6 activation ranges explained: mean IoU") && !whole.contains("ranges"), "{with}");
    // The whole is what it is without ranges.
    let [a, b] = ["whole", "with"].map(|run| json(&dir.join(run).join("explanations.json"))["units"].clone());
    assert_eq!(a, b);
    assert!(!dir.join("whole/ranges.csv").exists());
    let table = fs::read_to_string(dir.join("with/ranges.csv")).unwrap();
    assert_eq!(table.lines().count(), 7);
    assert!(table.starts_with("unit,range,lo,hi,status,formula,"), "{table}");
    assert!(table.lines().last().unwrap().starts_with("2,2,0,,silent,,"), "{table}");
    let shown = ok(&dir, "show with --unit 0");
    assert!(shown.contains("activation ranges, each explained by itself") && shown.contains("held out"), "{shown}");
    let shown: Value = serde_json::from_str(&ok(&dir, "show with --unit 1 --json")).unwrap();
    assert_eq!(shown["ranges"].as_array().unwrap().len(), 2);
    ok(&dir, "report with");
    let page = fs::read_to_string(dir.join("with/report/units/0.html")).unwrap();
    assert!(page.contains("Activation ranges") && page.contains("value &gt; "), "{page}");

    ok(&dir, "diff with with");
    let mut altered = json(&dir.join("with/explanations.json"));
    altered["ranges"][1]["iou"] = Value::from(0.999);
    fs::write(dir.join("altered.json"), altered.to_string()).unwrap();
    let done = run(&dir, "diff altered.json with");
    assert!(done.code == 3 && done.out.contains("0, range 2"), "{}", done.out);
    altered["ranges"][1]["range"]["k"] = Value::from(99);
    fs::write(dir.join("altered.json"), altered.to_string()).unwrap();
    let said = fails(&dir, 1, "diff altered.json with");
    assert!(said.contains("ranges[1].range.k: found 99, expected at most 16"), "{said}");
}

#[test]
fn ranges_that_cannot_be_are_refused() {
    let (_temp, dir) = scene();
    let masks = fails(&dir, 2, "explain --probe probe --masks masks.npy --ranges 3 --out run");
    assert!(masks.contains("--ranges with --masks"), "{masks}");
    for wrong in ["1", "17", "x", "-2"] {
        let said = fails(&dir, 2, &format!("explain --probe probe --activations acts.npy --ranges={wrong} --out run"));
        assert!(said.contains("--ranges"), "{said}");
    }
    let said = fails(&dir, 2, "explain --probe probe --activations acts.npy --range-cuts k-means --out run");
    assert!(said.contains("--ranges"), "{said}");
    assert!(!dir.join("run").exists());
}
