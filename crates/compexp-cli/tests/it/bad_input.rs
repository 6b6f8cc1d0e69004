//! Wrong arguments and broken files: a message, the right exit code, no panic.

use std::fs;

use compexp_files::write_npy;

use crate::{fails, ok, scene};

#[test]
fn wrong_arguments_exit_with_2() {
    let (_temp, dir) = scene();
    let explain = "explain --probe probe --activations acts.npy --out run";
    for (args, message) in [
        ("", "Usage"),
        ("explain", "--out <RUN_DIR>"),
        ("explain --probe probe --out run", "--activations"),
        ("explain --activations acts.npy --out run", "--probe <DIR>"),
        ("explain --probe probe --broden probe --masks masks.npy --out run", "cannot be used with"),
        ("explain --probe probe --activations acts.npy --masks masks.npy --out run", "cannot be used with"),
        ("explain --probe probe --masks masks.npy --quantile 0.1 --out run", "cannot be used with"),
        ("explain --probe probe --masks masks.npy --categories object --out run", "cannot be used with"),
        ("explain --probe probe --activations acts.npy --quantile 0.1 --positive --out run", "cannot be used with"),
        ("explain --probe probe --activations - --out run", "--activations -: standard input cannot be read"),
        ("explain --probe probe --masks - --out run", "--masks -: standard input cannot be read"),
        ("explain --probe probe --masks masks.npy --out -", "--out -: a run is a folder"),
        ("show run --unit 0 --sort unit", "cannot be used with"),
        ("eval water", "--probe <DIR>"),
        ("eval water --run run --masks masks.npy", "cannot be used with"),
        ("eval water --run run --categories color", "cannot be used with"),
        ("eval water --probe probe --unit 0", "found no layer"),
        ("eval water --probe probe --masks masks.npy --unit 3", "found 3, expected one of the units 0-2"),
        ("eval fire --probe probe", "cannot read formula `fire`"),
        ("vision probe --broden probe --out run", "--checkpoint"),
    ] {
        let e = crate::run(&dir, args);
        assert_eq!(e.code, 2, "{args}: {}", e.err);
        assert!(e.err.contains(message), "{args}: {}", e.err);
    }
    for (args, message) in [
        ("--quantile 2", "expected a share between 0 and 1"),
        ("--quantile -0.1", "expected a share between 0 and 1"),
        ("--quantile nan", "expected a share between 0 and 1"),
        ("--penalty 0", "expected a factor above 0"),
        ("--penalty -1", "expected a factor above 0"),
        ("--penalty 1.5", "expected a factor above 0"),
        ("--length 0", "is not in 1..=100"),
        ("--beam 0", "is not in 1..=100000"),
        ("--beam-limit 0", "is not in"),
        ("--units 3", "--units: found 3, expected units below 3"),
        ("--units 0-18446744073709551615", "expected units below 3"),
        ("--units 2-1", "ends before it starts"),
        ("--units x", "is no unit"),
        ("--metric area", "possible values: iou, mcc, precision, recall, f1"),
        ("--threads 99999", "is not in 0..=1024"),
        ("--mode best", "possible values: beam, exact"),
        ("--mode exact --compat", "--compat with --mode exact"),
        ("--mode exact --time-per-unit 0", "expected seconds above 0"),
        ("--mode exact --time-per-unit inf", "expected seconds above 0"),
        ("--mode exact --gap 2", "expected an IoU from 0 to 1"),
        ("--mode exact --metric precision", "metric of an exact search: found precision"),
        ("--mode exact --penalty 0.9", "complexity penalty of an exact search: found 0.9"),
        ("--mode exact --beam-limit 3", "beam limit of an exact search: found 3"),
        ("--mode exact --grammar full --length 4", "formula length of an exact search: found 4"),
        ("--compat --metric mcc", "--compat with --metric mcc: the published procedure has no MCC"),
        ("--null-draws few", "not a whole number"),
        ("--grammar full", "--grammar: is for --mode exact"),
        ("--gap 0.1", "--gap: is for --mode exact"),
        ("--time-per-unit 5", "--time-per-unit: is for --mode exact"),
    ] {
        let e = fails(&dir, 2, &format!("{explain} {args}"));
        assert!(e.contains(message), "{args}: {e}");
    }
    assert!(!dir.join("run").exists(), "wrong arguments leave nothing");
}

#[test]
fn files_that_do_not_fit_are_named() {
    let (_temp, dir) = scene();
    write_npy(&dir.join("few.npy"), &[5, 3, 2, 2], &[0.5_f32; 60]).unwrap();
    write_npy(&dir.join("flat.npy"), &[6, 3, 4], &[0.5_f32; 72]).unwrap();
    write_npy(&dir.join("whole.npy"), &[6, 3], &[1_i32; 18]).unwrap();
    write_npy(&dir.join("grid.npy"), &[3, 6, 4, 1], &[true; 72]).unwrap();
    let cut = fs::read(dir.join("acts.npy")).unwrap();
    fs::write(dir.join("cut.npy"), &cut[..cut.len() - 1]).unwrap();
    fs::write(dir.join("text.npy"), "no array").unwrap();
    for (args, message) in [
        ("--probe probe --activations none.npy", "cannot open `none.npy`"),
        ("--probe none --activations acts.npy", "cannot open `none`"),
        ("--broden probe --activations acts.npy", "a Broden folder holds its images there"),
        ("--probe . --activations acts.npy", "`.`: probe.json: found no such file"),
        ("--probe probe --activations few.npy", "examples in the activations `few.npy`: found 5, expected 6"),
        ("--probe probe --masks grid.npy", "grid of the masks: found 4 x 1, expected 2 x 2"),
        ("--probe probe --activations flat.npy", "`flat.npy`: shape: found [6, 3, 4], expected [examples, units"),
        ("--probe probe --activations whole.npy", "`whole.npy`: dtype: found i32, expected f32"),
        ("--probe probe --masks acts.npy", "`acts.npy`: dtype: found f32, expected bool or u8"),
        ("--probe probe --activations cut.npy", "`cut.npy`: length: found"),
        ("--probe probe --activations text.npy", "`text.npy`: first bytes: found `no array`"),
        ("--probe probe --activations acts.npy#layer4", "expected no name: an .npy file holds a single array"),
        (
            "--probe probe --activations probe",
            "scalars.npy`: shape: found [6, 1], expected [2, 2, 2] after the first axis",
        ),
    ] {
        let e = fails(&dir, 1, &format!("explain --out run {args}"));
        assert!(e.contains(message), "{args}: {e}");
    }
    fs::write(dir.join("probe/probe.json"), "{\"version\": 2}").unwrap();
    let e = fails(&dir, 1, "explain --out run --probe probe --activations acts.npy");
    assert!(e.contains("version: found 2, expected 1"), "{e}");
}

#[test]
fn folders_that_are_no_runs_are_left_alone() {
    let (_temp, dir) = scene();
    for args in ["--out .", "--out . --force", "--out probe --force"] {
        let e = fails(&dir, 1, &format!("explain --probe probe --masks masks.npy {args}"));
        assert!(e.contains("and no config.json, expected a run directory, or a new or empty folder"), "{e}");
    }
    let e = fails(&dir, 1, "explain --probe probe --masks masks.npy --out acts.npy");
    assert!(e.contains("cannot create `acts.npy`"), "{e}");
    for command in ["show probe", "eval water --run probe"] {
        let e = fails(&dir, 1, command);
        assert!(e.contains("found no explanations.json, expected a run directory"), "{e}");
    }
    fails(&dir, 1, "show none");
}

#[test]
fn names_cannot_steer_a_terminal() {
    let (_temp, dir) = scene();
    let json = r#"{"version": 1, "concepts": [{"id": 1, "name": "wa\u001b[31mter"}, {"id": 2, "name": "s\u202eky"}, {"id": 3, "name": "\u009b2J"}]}"#;
    fs::write(dir.join("probe/probe.json"), json).unwrap();
    let names: String = (0..6).map(|i| format!("\u{1b}]0;title{i}\u{7},,,\n")).collect();
    fs::write(dir.join("probe/examples.csv"), format!("name,image,text,group\n{names}")).unwrap();
    let printed = [
        ok(&dir, "explain --probe probe --activations acts.npy --positive --keep-beams --out run"),
        ok(&dir, "show run"),
        ok(&dir, "show run --unit 0"),
        ok(&dir, r#"eval "wa\u{1b}[31mter" --run run"#),
        fails(&dir, 2, "eval fire\u{1b}[2J --run run"),
        fails(&dir, 1, "show no\u{1b}[2Jrun"),
        fails(&dir, 2, "explain --probe probe --activations acts.npy --out run --units \u{1b}[2J"),
    ];
    for text in printed {
        let bad = |c: char| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!text.contains(bad), "{text:?}");
        assert!(text.contains("\\u{1b}") || text.contains("is no unit"), "{text:?}");
    }
}
