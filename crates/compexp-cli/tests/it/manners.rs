//! Questions that a command asks instead of guessing, and what it says where a result means little.

use std::fs;
use std::path::Path;

use compexp_files::write_npy;

use crate::{fails, json, ok, run, scene};

/// The activations of [`scene`], `[6, 3, 2, 2]`, with the axes of each example in the order `[height, width, units]`.
fn units_last(dir: &Path) -> Vec<f32> {
    let bytes = fs::read(dir.join("acts.npy")).unwrap();
    let data = &bytes[bytes.len() - 72 * 4..];
    let values: Vec<f32> = data.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    (0..72).map(|i| values[(i / 12 * 3 + i % 3) * 4 + i / 3 % 4]).collect()
}

#[test]
fn the_layout_of_activations_is_asked_for_and_kept() {
    let (_temp, dir) = scene();
    let values = units_last(&dir);
    write_npy(&dir.join("nhwc.npy"), &[6, 2, 2, 3], &values).unwrap();
    write_npy(&dir.join("ntu.npy"), &[6, 4, 3], &values).unwrap();
    let explain = "explain --probe probe --positive --length 2";
    ok(&dir, &format!("{explain} --activations acts.npy --out plain"));
    let e = fails(&dir, 1, &format!("{explain} --activations nhwc.npy --out run"));
    assert!(e.contains("`nhwc.npy`: shape: found [6, 2, 2, 3], expected --layout nchw, if it is 2 units"), "{e}");
    assert!(e.contains("or --layout nhwc, if it is 3 units on maps of 2 x 2") && e.contains("--units-expected"), "{e}");
    let e = fails(&dir, 1, &format!("{explain} --activations ntu.npy --out run"));
    assert!(e.contains("if it is 3 units on 4 positions, add --layout ntu"), "{e}");
    let e = fails(&dir, 1, &format!("{explain} --activations acts.npy --units-expected 4 --out run"));
    assert!(e.contains("found 3 units in [6, 3, 2, 2], expected 4 units, as --units-expected says"), "{e}");
    let e =
        fails(&dir, 1, &format!("{explain} --masks masks.npy --units-expected 4 --out run").replace("--positive ", ""));
    assert!(e.contains("found 3 units in [3, 6, 2, 2]"), "{e}");
    let e = fails(&dir, 2, &format!("{explain} --activations nhwc.npy --layout nhwc --grid 2x2 --out run"));
    assert!(e.contains("--grid: is for --layout ntu"), "{e}");
    fails(&dir, 2, &format!("{explain} --masks masks.npy --layout nhwc --out run"));
    fails(&dir, 2, "eval water --run plain --layout nhwc");

    for (file, options, layout) in [
        ("nhwc", "--layout nhwc", "nhwc"),
        ("nhwc", "--units-expected 3", "nhwc"),
        ("ntu", "--layout ntu --grid 2x2", "ntu"),
        ("ntu", "--units-expected 3", "ntu"),
    ] {
        let out = dir.join("run");
        ok(&dir, &format!("{explain} --activations {file}.npy {options} --out run --force"));
        let [plain, made] = ["plain", "run"].map(|run| json(&dir.join(run).join("explanations.json")));
        assert_eq!((&made["units"], &made["universe"]), (&plain["units"], &plain["universe"]), "{file} {options}");
        let recorded = &json(&out.join("config.json"))["config"]["inputs"]["activations"];
        assert_eq!(recorded["layout"], layout);
        assert_eq!(recorded["grid"].is_object(), layout == "ntu");
        assert_eq!(ok(&dir, "eval water --run run"), ok(&dir, "eval water --run plain"));
    }
    assert!(json(&dir.join("plain/config.json"))["config"]["inputs"]["activations"].get("layout").is_none());
    let e = fails(&dir, 1, &format!("{explain} --activations ntu.npy --layout ntu --grid 1x4 --out run"));
    assert!(e.contains("`inputs.activations.grid.height` (--grid): found 2, asked for 1"), "{e}");
}

#[test]
fn a_quantile_above_a_half_is_questioned() {
    let (_temp, dir) = scene();
    let explain = "explain --probe probe --activations acts.npy --length 1 --quiet";
    let done = run(&dir, &format!("{explain} --quantile 0.995 --out run"));
    let question = "warning: --quantile 0.995: a unit then fires on 99.5000% of its values, because the quantile is the \
                    share that fires; was 0.005 meant?";
    assert!(done.code == 0 && done.err.contains(question), "{}", done.err);
    let done = run(&dir, "eval water --probe probe --activations acts.npy --quantile 0.75");
    assert!(done.code == 0 && done.err.contains("was 0.25 meant?"), "{}", done.err);
    for half in ["0.5", "0.1"] {
        let done = run(&dir, &format!("{explain} --quantile {half} --out run --force"));
        assert!(!done.err.contains("--quantile"), "{}", done.err);
    }
    let e = fails(&dir, 2, &format!("{explain} --quantile 1.5 --out run"));
    assert!(e.contains("expected a share between 0 and 1"), "{e}");
}

#[test]
fn formulas_that_cover_most_positions_and_cells_of_one_position_are_warned_of() {
    let (_temp, dir) = scene();
    // Unit 0 fires on 8 of the 12 positions of water, unit 3 everywhere but in two positions of the night.
    let wide = |i: usize| if i / 4 == 4 && i.is_multiple_of(2) { -1.0_f32 } else { 1.0 };
    write_npy(&dir.join("wide.npy"), &[6, 1, 2, 2], &(0..24).map(wide).collect::<Vec<_>>()).unwrap();
    let done = run(&dir, "explain --probe probe --activations wide.npy --positive --length 1 --quiet --out wide");
    // NOT night is not searched for: alone, water covers half of the positions, which is not most.
    assert!(done.code == 0 && !done.err.contains("formulas that are true"), "{}", done.err);
    let done = run(&dir, "explain --probe probe --activations wide.npy --positive --length 3 --quiet --out wider");
    let warning = "warning: formulas that are true on more than half of the positions: 1 of 1, that of unit 0 on ";
    assert!(done.code == 0 && done.err.contains(warning), "{}", done.err);
    assert!(!done.err.contains("of the cells"), "{}", done.err);
    let again =
        run(&dir, "explain --probe probe --activations wide.npy --positive --length 3 --quiet --json --out wider");
    assert!(again.err.contains(warning), "also of a run that was there: {}", again.err);

    let (_temp, probe) = crate::feature_probe();
    let dir = probe.parent().unwrap();
    let features: Vec<u8> = (0..16 * 6).map(|i| ((i / 6) >> (i % 6) & 1) as u8).collect();
    write_npy(&probe.join("features.npy"), &[16, 6], &features).unwrap();
    let fires: Vec<f32> = (0..16).map(|i| if i & 3 == 3 { 1.0 } else { -1.0 }).collect();
    write_npy(&dir.join("acts.npy"), &[16, 1], &fires).unwrap();
    let done = run(dir, "explain --probe probe --activations acts.npy --length 2 --quiet --out run");
    let warning = "warning: 100.0% of the cells hold one position, so that nearly any mask is a function of the concepts: the \
                   ceilings say nothing";
    assert!(done.code == 0 && done.err.contains(warning), "{}", done.err);
    assert!(!done.err.contains("formulas that are true"), "{}", done.err);
}

#[test]
fn names_that_stand_with_activations_are_compared_with_the_annotations() {
    let (_temp, dir) = scene();
    let explain = "explain --probe probe --positive --quiet --out run --force";
    let names: Vec<String> = (0..6).map(|i| format!("{i}.jpg")).collect();
    let lines = |names: &[String]| names.join("\n") + "\n";
    let mut swapped = names.clone();
    swapped.swap(2, 4);
    let values = fs::read(dir.join("acts.npy")).unwrap();
    let values = &values[values.len() - 288..];
    let tensors = |names: &str| {
        let metadata = serde_json::json!({ "names": names });
        let tensor = serde_json::json!({ "dtype": "F32", "shape": [6, 3, 2, 2], "data_offsets": [0, 288] });
        let header = serde_json::json!({ "__metadata__": metadata, "acts": tensor }).to_string();
        let file = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), values].concat();
        fs::write(dir.join("acts.safetensors"), file).unwrap();
    };
    // Without names of examples nothing can be compared.
    fs::write(dir.join("names.txt"), lines(&swapped)).unwrap();
    ok(&dir, &format!("{explain} --activations acts.npy"));
    fs::write(dir.join("probe/examples.csv"), format!("image\n{}", lines(&names))).unwrap();
    let swap = "example 2: found `4.jpg`, expected `2.jpg`, as the annotations have";
    for layer in ["--activations acts.npy", "--masks masks.npy"] {
        let explain = if layer.contains("masks") { explain.replace("--positive ", "") } else { explain.to_owned() };
        let e = fails(&dir, 1, &format!("{explain} {layer}"));
        assert!(e.contains(&format!("names.txt`: {swap}")), "{e}");
    }
    let e = fails(&dir, 1, "eval water --probe probe --activations acts.npy --positive");
    assert!(e.contains(swap), "{e}");
    fs::write(dir.join("names.txt"), lines(&names)).unwrap();
    ok(&dir, &format!("{explain} --activations acts.npy"));
    // A file of other things is no list of the examples.
    fs::write(dir.join("names.txt"), "cat\ndog\n").unwrap();
    let done = run(&dir, &format!("{explain} --activations acts.npy"));
    assert!(
        done.code == 0 && done.err.contains("names.txt`: found names of 2 examples, where there are 6"),
        "{}",
        done.err
    );

    let list = |names: &[String]| serde_json::to_string(names).unwrap();
    tensors(&list(&names));
    ok(&dir, &format!("{explain} --activations acts.safetensors"));
    tensors(&list(&swapped));
    let e = fails(&dir, 1, &format!("{explain} --activations acts.safetensors"));
    let swap = "example 2 of tensor `acts`: found `4.jpg`, expected `2.jpg`";
    assert!(e.contains(&format!("`acts.safetensors`: metadata `names`: {swap}")), "{e}");
    tensors("0.jpg,1.jpg");
    let e = fails(&dir, 1, &format!("{explain} --activations acts.safetensors"));
    assert!(e.contains("expected a JSON list of the examples' names"), "{e}");
    // A name of its own beside an image: either is taken.
    let rows: String = names.iter().map(|name| format!("photo of {name},{name}\n")).collect();
    fs::write(dir.join("probe/examples.csv"), format!("name,image\n{rows}")).unwrap();
    tensors(&list(&names));
    ok(&dir, &format!("{explain} --activations acts.safetensors"));
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let (_temp, dir) = scene();
    ok(&dir, "explain --probe probe --activations acts.npy --positive --out run");
    let with = |args: &str, variables: &[(&str, &str)]| {
        let mut command = crate::compexp(&dir, args);
        command.env_remove("CLICOLOR_FORCE").envs(variables.iter().copied());
        crate::finished(command.output().unwrap())
    };
    let forced = [("CLICOLOR_FORCE", "1")];
    let missing = "explain --probe probe --activations gone.npy --out other";
    assert!(with(missing, &[]).err.starts_with("error: "));
    assert!(with(missing, &forced).err.starts_with("\u{1b}[1m\u{1b}[31merror:\u{1b}[0m "));
    let both = with(missing, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
    assert!(both.err.starts_with("error: "), "NO_COLOR has the last word: {}", both.err);
    let wide = "eval water --probe probe --activations acts.npy --quantile 0.9";
    assert!(with(wide, &forced).err.contains("\u{1b}[33mwarning:\u{1b}[0m --quantile 0.9: "));
    assert!(with(wide, &[]).err.starts_with("warning: --quantile 0.9: "));
    let same = "diff run run";
    assert!(with(same, &[]).out.ends_with(": no drift\n"));
    assert!(with(same, &forced).out.ends_with("no drift\u{1b}[0m\n"));
    assert!(with("verify run", &[]).out.contains("`run` is whole: "));
    // Names of files cannot colour anything.
    let odd = with("explain --probe probe --activations \u{1b}[31mgone.npy --out other", &forced);
    assert!(!odd.err.contains("\u{1b}[31mgone"), "{}", odd.err);
}

#[test]
fn commands_that_write_files_say_what_they_wrote_as_json() {
    let (_temp, dir) = scene();
    let value = |args: &str| serde_json::from_str::<serde_json::Value>(&ok(&dir, args)).unwrap();
    let planted = value("plant --probe probe --units 4 --length 2 --noise 0 --min-share 0.1 --out planted --json");
    assert_eq!((&planted["units"], &planted["positions"]), (&4.into(), &24.into()));
    assert!(
        dir.join(planted["masks"].as_str().unwrap()).exists()
            && dir.join(planted["planted"].as_str().unwrap()).exists()
    );
    let composed = value("nli compose --pairs 60 --held-out 20 --out toy --json");
    assert!(composed["train"].as_u64().unwrap() >= 60 && composed["held_out"].as_u64().unwrap() >= 20, "{composed}");
    let options = "--tokenized --hidden 4 --units 4 --embedding-size 4 --epochs 1 --out model --json";
    let trained =
        value(&format!("nli train --train toy/train.tsv --dev toy/dev.tok --dev-gold toy/dev_gold.txt {options}"));
    assert_eq!((&trained["best_epoch"], &trained["epochs"]), (&1.into(), &1.into()));
    assert!(trained["dev_accuracy"].is_number() && trained["test_accuracy"].is_null(), "{trained}");
    assert!(dir.join(trained["classifier"].as_str().unwrap()).exists());
    let painted = value("vision paint --images 20 --out painted --json");
    assert_eq!((&painted["images"], &painted["folder"]), (&20.into(), &"painted".into()));
    let train =
        "vision train painted/list.txt --val painted/list.txt --widths 4 --blocks 1 --epochs 1 --out net --json";
    let trained = value(train);
    assert_eq!((&trained["epochs"], &trained["images"]), (&1.into(), &20.into()));
    assert!(trained["accuracy"].is_number() && dir.join(trained["network"].as_str().unwrap()).exists(), "{trained}");
}

#[test]
fn an_unsupported_network_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    fs::write(dir.join("list.txt"), "a.png 0\n").unwrap();
    let names = ["patch_embed.proj.weight", "layers.0.blocks.0.attn.relative_position_bias_table"];
    let shapes = names.map(|name| (format!("module.{name}"), vec![1, 1, 1, 1]));
    let tensors: Vec<_> =
        shapes.iter().map(|(name, shape)| (name.as_str(), "F32", shape.as_slice(), &[0; 4][..])).collect();
    fs::write(dir.join("net.safetensors"), compexp_tests::files::safetensors(&tensors)).unwrap();
    let e = fails(dir, 1, "vision eval list.txt --checkpoint net.safetensors");
    assert!(e.contains("`net.safetensors`: network: looks like a Swin transformer, expected a ResNet, ResNeXt"), "{e}");
    assert!(e.contains("export the network as ONNX"), "{e}");
}

#[test]
fn errors_about_json_show_its_form() {
    let (_temp, dir) = scene();
    for text in
        ["{\"version\": 1, \"concepts\": {\"1\": \"water\"}}", "[]", "{\"version\": 1, \"concepts\": [{\"id\": 1}]}"]
    {
        fs::write(dir.join("probe/probe.json"), text).unwrap();
        let e = fails(&dir, 1, "concepts probe");
        let form = r#"expected `{"version": 1, "concepts": [{"id": 1, "name": "wall", "category": "object"}, ...]}`"#;
        assert!(e.contains("probe.json`: line 1, column ") && e.contains(form), "{e}");
    }
}
