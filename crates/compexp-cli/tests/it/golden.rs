//! The reference's own results, through the binary.

use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::{json, ok};

#[test]
fn compat_repeats_the_reference_to_the_bit() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/search");
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    for (packed, name) in [("layers", "probe/layers"), ("scalars", "probe/scalars"), ("units", "units")] {
        let mut bytes = Vec::new();
        let file = fs::File::open(golden.join(format!("{packed}.npy.gz"))).unwrap();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        fs::create_dir_all(dir.join("probe")).unwrap();
        fs::write(dir.join(format!("{name}.npy")), bytes).unwrap();
    }
    fs::copy(golden.join("probe.json"), dir.join("probe/probe.json")).unwrap();

    let args = "explain --probe probe --masks units.npy --compat --length 3 --beam 5 --keep-beams --out run";
    ok(dir, args);
    let found = json(&dir.join("run/explanations.json"));
    let expected = json(&golden.join("expected_n3_b5.json"));
    let (found, expected) = (found["units"].as_array().unwrap(), expected["units"].as_array().unwrap());
    assert_eq!((found.len(), expected.len()), (8, 8));
    let bits = |v: &Value| v.as_f64().unwrap_or_else(|| panic!("{v} is no number")).to_bits();
    for (found, expected) in found.iter().zip(expected) {
        let unit = &expected["unit"];
        for (ours, theirs) in [
            ("unit", "unit"),
            ("formula", "best"),
            ("intersection", "inter"),
            ("union", "union"),
            ("unit_area", "hits"),
        ] {
            assert_eq!(found[ours], expected[theirs], "unit {unit}: {ours}");
        }
        assert_eq!(bits(&found["iou"]), bits(&expected["iou"]), "unit {unit}");
        assert_eq!(found["primitive"]["formula"], expected["best_noncomp"], "unit {unit}");
        assert_eq!(bits(&found["primitive"]["iou"]), bits(&expected["iou_noncomp"]), "unit {unit}");
        let beams = |v: &Value| -> Vec<Vec<(String, u64)>> {
            let entry = |e: &Value| (e[0].as_str().unwrap().to_owned(), bits(&e[1]));
            let beam = |b: &Value| b.as_array().unwrap().iter().map(entry).collect();
            v.as_array().unwrap().iter().map(beam).collect()
        };
        assert_eq!(beams(&found["beams"]), beams(&expected["beams"]), "unit {unit}");
        assert_eq!(beams(&found["beams"]).len(), 3, "unit {unit}");
    }
}
