//! Units that are planted, explained and compared.

use std::fs;

use crate::{fails, json, ok, run, scene};

#[test]
fn planted_units_are_explained_and_compared() {
    let (_temp, dir) = scene();
    let done = run(&dir, "plant --probe probe --units 6 --length 2 --noise 0 --seed 1 --out planted");
    assert!(
        done.err.contains("6 units of 24 positions: 144 bytes in `planted`"),
        "told before it starts: {}",
        done.err
    );
    let planted = json(&dir.join("planted/planted.json"));
    assert_eq!(planted["units"].as_array().unwrap().len(), 6);
    ok(&dir, "explain --probe probe --masks planted/masks.npy --out run");
    let out = ok(&dir, "recovered run --planted planted/planted.json --csv table.csv");
    let header = "searched by iou\nmissed  added  elsewhere   fires  length  units  at length  equivalent  same mask";
    assert!(out.starts_with(header), "{out}");
    assert_eq!(out.lines().count(), 4, "{out}");
    for line in out.lines().skip(2) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!((fields[2], &fields[5..7]), ("-", &["3", "3"][..]), "{line}");
        assert_eq!(fields[7].parse::<usize>().unwrap() + fields[8].parse::<usize>().unwrap(), 3, "{line}");
        assert_eq!(fields[9..], ["1.00", "0", "1.0000", "1.0000"], "{line}");
    }
    assert_eq!(fs::read_to_string(dir.join("table.csv")).unwrap().lines().count(), 7);
    let printed = ok(&dir, "recovered run --planted planted/planted.json --json");
    let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed["units"][0]["planted"], planted["units"][0]["formula"]);

    // The same seed gives the same bytes, whatever the number of threads; another seed others.
    ok(&dir, "plant --probe probe --units 6 --length 2 --noise 0 --seed 1 --out again --threads 1");
    ok(&dir, "plant --probe probe --units 6 --length 2 --noise 0 --seed 2 --out other");
    let files = |folder: &str| ["masks.npy", "planted.json"].map(|name| fs::read(dir.join(folder).join(name)).unwrap());
    assert_eq!(files("planted"), files("again"));
    assert_ne!(files("planted"), files("other"));
}

#[test]
fn runs_of_other_units_and_bad_settings_are_refused() {
    let (_temp, dir) = scene();
    ok(&dir, "plant --probe probe --units 4 --length 1 --noise 0 --out planted");
    ok(&dir, "explain --probe probe --masks masks.npy --out run");
    let error = fails(&dir, 1, "recovered run --planted planted/planted.json");
    assert!(error.contains("area of unit"), "{error}");
    let error = fails(&dir, 1, "recovered run --planted run/config.json");
    assert!(error.contains("run/config.json") && error.contains("missing field"), "{error}");
    let error = fails(&dir, 1, "plant --probe probe --length 9 --out more");
    assert!(error.contains("formula of length") && error.contains("plant shorter formulas"), "{error}");
    for args in ["--noise 1", "--noise 0:x", "--noise 0.6@2", "--units 0", "--min-share 0.5", "--out -"] {
        fails(&dir, 2, &format!("plant --probe probe --out x {args}"));
    }
}
