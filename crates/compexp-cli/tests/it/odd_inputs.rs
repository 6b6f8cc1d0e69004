//! Inputs that are nearly right: what is wrong is told, and nothing is made up in silence.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use compexp_vision::image::Image;

use crate::nli_input::{PROBE, folder};
use crate::{Done, compexp, fails, finished, json, ok, run, scene};

/// Runs a command with this text on standard input.
fn fed(dir: &Path, args: &str, text: &[u8]) -> Done {
    let mut command = compexp(dir, args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    finished(child.wait_with_output().unwrap())
}

/// A Broden folder `b` of two images whose scene is a hall, and a network `net.safetensors` of two classes.
fn images(dir: &Path) {
    fs::create_dir_all(dir.join("b/images")).unwrap();
    let write = |name: &str, content: &str| fs::write(dir.join("b").join(name), content).unwrap();
    write("category.csv", "name\nobject\nscene\n");
    write("label.csv", "number,name,category\n1,wall,object(2)\n2,door,object(2)\n3,hall-s,scene(2)\n");
    let mut index = String::from("image,split,ih,iw,sh,sw,object,scene\n");
    for (at, name) in ["a", "b"].into_iter().enumerate() {
        let noise = |i: usize| (i * (i + 7 + at) % 251) as u8;
        let photo = Image { height: 32, width: 32, rgb: (0..32 * 32 * 3).map(noise).collect() };
        // Label 1 on the left, 2 on the right, in the red channel.
        let label = |i: usize| if i.is_multiple_of(3) { 1 + u8::from(i / 3 % 8 >= 4 + at) } else { 0 };
        let labels = Image { height: 8, width: 8, rgb: (0..8 * 8 * 3).map(label).collect() };
        fs::write(dir.join(format!("b/images/{name}.png")), photo.to_png().unwrap()).unwrap();
        fs::write(dir.join(format!("b/images/{name}_o.png")), labels.to_png().unwrap()).unwrap();
        index += &format!("{name}.png,train,32,32,8,8,{name}_o.png,3\n");
    }
    write("index.csv", &index);
    let train = "b/images/a.png 0\nb/images/b.png 1\n";
    fs::write(dir.join("train.txt"), train).unwrap();
    fs::write(dir.join("hall.txt"), "hall 0\nyard 1\n").unwrap();
    ok(dir, "vision train train.txt --widths 4,8 --blocks 1 --epochs 1 --batch 2 --shift 0 --no-flip --out net");
}

const VISION: &str = "vision probe --broden b --quantile 0.2 --layer layer2";

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_word() {
    let temp = folder();
    let dir = temp.path();
    let predict = "nli predict --checkpoint model/model.safetensors --tokenized -";
    let plain = fed(dir, predict, b"a dog runs\tno cat runs\n");
    let marked = fed(dir, predict, b"\xef\xbb\xbfa dog runs\tno cat runs\n");
    assert_eq!((plain.code, &plain.out), (0, &marked.out), "{}{}", plain.err, marked.err);
    let other = fed(dir, predict, b"\xff\xfea\0\t\0b\0");
    assert!(other.err.contains("`standard input`: encoding: found UTF-16, expected UTF-8"), "{}", other.err);
    let broken = fed(dir, predict, b"a\tb\nc\xe9\td\n");
    assert!(broken.err.contains("`standard input`: line 2: found an invalid byte at 1 (0xe9)"), "{}", broken.err);
    fs::write(dir.join("wide.tsv"), b"\xff\xfel\0a\0").unwrap();
    let e = fails(dir, 1, &format!("{PROBE} --pairs wide.tsv --out run"));
    assert!(e.contains("`wide.tsv`: encoding: found UTF-16"), "{e}");
}

#[test]
fn vectors_that_fit_no_word_are_told_of_even_if_quiet() {
    let temp = folder();
    let dir = temp.path();
    let probe = format!("{PROBE} --pairs dev.tsv --neighbors 2");
    let good = run(dir, &format!("{probe} --vectors vectors.txt --out good"));
    assert!(good.code == 0 && good.err.contains(" words have vectors"), "{}", good.err);
    assert!(!good.err.contains("has a vector"), "{}", good.err);
    fs::write(dir.join("other.txt"), "Hund 1 0 2\nKatze 1 1 2\n").unwrap();
    let done = run(dir, &format!("{probe} --vectors other.txt --out other --quiet"));
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.starts_with("warning: no word of the pairs has a vector in `other.txt`"), "{}", done.err);
    assert!(done.err.contains("the file has `Hund`") && !done.err.contains("words have vectors"), "{}", done.err);
    fs::write(dir.join("short.txt"), "3 2\ndog 1 0 2\nwolf 1 1 2\ncat 0 1 0\n").unwrap();
    fs::write(dir.join("blank.txt"), "  1 0 2\ndog 1 0 2\nwolf 1 1 2\ncat 0 1 0\n").unwrap();
    for name in ["short.txt", "blank.txt"] {
        let e = fails(dir, 1, &format!("{probe} --vectors {name} --out bad"));
        assert!(e.contains(&format!("`{name}`: line 2: found 3 numbers")) && e.contains("expected 2"), "{e}");
    }
    let predict = "nli predict --checkpoint model/model.safetensors --tokenized --quiet Hund Katze";
    let done = run(dir, predict);
    assert!(done.err.contains("knows no word of the sentences: they have `Hund`"), "{}", done.err);
}

#[test]
fn an_accuracy_of_nothing_is_no_number() {
    let temp = folder();
    let dir = temp.path();
    fs::write(dir.join("pairs.tok"), "a dog runs\nno cat runs\nthe dog runs\na wolf runs\n").unwrap();
    let out = ok(dir, &format!("{PROBE} --pairs pairs.tok --out run"));
    assert!(out.contains("accuracy -: the class of no example is known"), "{out}");
    ok(dir, "report run");
    let page = fs::read_to_string(dir.join("run/report/index.html")).unwrap();
    assert!(!page.contains("model accuracy"), "no class is known");
}

#[test]
fn annotations_of_empty_sentences_read_back() {
    let Some(tagger) = compexp_tests::data("spacy/en_core_web_sm-3.8.0") else { return };
    let temp = folder();
    let dir = temp.path();
    fs::write(dir.join("pairs.tok"), "a dog runs\n\n\nno cat runs\n").unwrap();
    let probe = PROBE.replace("words,overlap", "words,tags,overlap");
    for (format, name) in [("conllu", "tags.conllu"), ("feats", "tags.feats")] {
        ok(dir, &format!("nli tag pairs.tok --tagger {} --format {format} -o {name}", tagger.display()));
        let out = ok(dir, &format!("{probe} --pairs pairs.tok --tags {name} --out {format}"));
        assert!(out.contains("on 2 examples"), "{out}");
    }
    fs::write(dir.join("odd.feats"), "tag;closed\na|DT\n").unwrap();
    let e = fails(dir, 1, &format!("{probe} --pairs pairs.tok --tags odd.feats --out odd"));
    assert!(e.contains("`odd.feats`: annotated sentences: found 1, expected an even number"), "{e}");
    let package = tagger.parent().unwrap().display();
    let e = fails(dir, 1, &format!("nli tag pairs.tok --tagger {package}"));
    assert!(e.contains("found a package, expected the folder of a spaCy model"), "{e}");
    assert!(e.contains("the model is in `") && e.contains("en_core_web_sm-3.8.0`"), "{e}");
    let e = fails(dir, 1, "nli tag pairs.tok --tagger en_core_web_sm");
    assert!(e.contains("give a path, not the name of a package"), "{e}");
}

#[test]
fn tables_and_names_of_a_probe_directory_are_checked() {
    let (_temp, dir) = scene();
    let explain = "explain --probe probe --activations acts.npy --quantile 0.3 --out run --force";
    let rows = "n, a.jpg, t\n".repeat(6);
    fs::write(dir.join("probe/examples.csv"), format!("name, image , text\n{rows}")).unwrap();
    ok(&dir, explain);
    let kept = fs::read_to_string(dir.join("run/examples.csv")).unwrap();
    assert!(kept.contains("\nn,a.jpg,t,\n"), "{kept}");
    for (header, message) in
        [("name,Image,text", "the column `Image`, expected `image`"), ("name,image,image", "two columns `image`")]
    {
        fs::write(dir.join("probe/examples.csv"), format!("{header}\n{rows}")).unwrap();
        let e = fails(&dir, 1, explain);
        assert!(e.contains("examples.csv`: header: found") && e.contains(message), "{e}");
    }
    fs::remove_file(dir.join("probe/examples.csv")).unwrap();
    for (concepts, message) in [
        (r#"[{"id": 1, "name": "sky"}, {"id": 2, "name": "sky"}]"#, "two concepts share name `sky`: id 1 and id 2"),
        (
            "[{\"id\": 1, \"name\": \"caf\u{e9}\"}, {\"id\": 2, \"name\": \"cafe\u{301}\"}]",
            "of ids 1 and 2, in two encodings",
        ),
        (r#"[{"id": 1, "name": NaN}]"#, "line 1, column 47: found `NaN`, expected a number, as JSON has them, or null"),
    ] {
        fs::write(dir.join("probe/probe.json"), format!("{{\"version\": 1, \"concepts\": {concepts}}}")).unwrap();
        let e = fails(&dir, 1, explain);
        assert!(e.contains("probe.json`: ") && e.contains(message), "{e}");
    }
    fs::create_dir(dir.join("empty")).unwrap();
    fs::write(dir.join("empty/probe.json"), "{\"version\": 1}").unwrap();
    let e = fails(&dir, 1, &explain.replace("--probe probe", "--probe empty"));
    assert!(e.contains("annotation arrays: found none") && !e.contains("move the others away"), "{e}");
}

#[test]
fn an_activation_that_is_no_number_is_told_with_its_file_and_place() {
    let (_temp, dir) = scene();
    let mut values = vec![0.5_f64; 72];
    values[(2 * 3 + 1) * 4 + 3] = 1e300;
    write_f64(&dir.join("large.npy"), &values);
    values[(2 * 3 + 1) * 4 + 3] = f64::NAN;
    write_f64(&dir.join("nan.npy"), &values);
    for (name, message) in [
        ("large", "is 1e300 at row 1, column 1: expected a finite number within f32"),
        ("nan", "is NaN at row 1, column 1"),
    ] {
        let e = fails(&dir, 1, &format!("explain --probe probe --activations {name}.npy --out run"));
        assert!(e.contains(&format!("`{name}.npy`: activation of unit 1 on example 2 {message}")), "{e}");
    }
    for (descr, bytes) in [("<u8", 8), ("<c8", 8), ("<U1", 4), ("<i4", 4)] {
        let file = compexp_tests::files::npy(descr, false, &[6, 3, 2, 2], &vec![0; 72 * bytes]);
        fs::write(dir.join("other.npy"), file).unwrap();
        let e = fails(&dir, 1, "explain --probe probe --activations other.npy --out run");
        assert!(e.contains("expected f32, f16, bf16 or f64: convert"), "{e}");
    }
}

fn write_f64(path: &Path, values: &[f64]) {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    fs::write(path, compexp_tests::files::npy("<f8", false, &[6, 3, 2, 2], &bytes)).unwrap();
}

#[test]
fn scenes_that_are_no_classes_and_lists_in_other_forms_are_questioned() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    images(dir);
    let probe = format!("{VISION} --checkpoint net/model.safetensors --quiet");
    let done = run(dir, &format!("{probe} --classes hall.txt --out good"));
    assert!(
        done.code == 0 && !done.err.contains("scene") && done.out.contains("of 2 examples whose class"),
        "{}{}",
        done.out,
        done.err
    );
    fs::write(dir.join("commas.txt"), "hall,0\nyard,1\n").unwrap();
    let e = fails(dir, 1, &format!("{probe} --classes commas.txt --out bad"));
    assert!(e.contains("`commas.txt`: line 1: found `hall,0`") && e.contains("name,number"), "{e}");
    fs::write(dir.join("others.txt"), "attic\nyard\n").unwrap();
    let done = run(dir, &format!("{probe} --classes others.txt --out others"));
    assert_eq!(done.code, 0, "{}", done.err);
    let warning = "warning: the scene of no image is a class of `others.txt`: the scene of `a.png` is `hall-s`, the first class is `attic`";
    assert!(done.err.starts_with(warning), "{}", done.err);
    fs::write(dir.join("scenes.json"), r#"{"images/c.png": "hall"}"#).unwrap();
    let done = run(dir, &format!("{probe} --classes hall.txt --scenes scenes.json --out scenes"));
    assert!(
        done.err.contains(
            "`scenes.json` names none of the images: an image is `a.png`, a name in the file is `images/c.png`"
        ),
        "{}",
        done.err
    );
    assert!(done.out.contains("accuracy -: "), "{}", done.out);
}

#[test]
fn what_a_network_of_bare_weights_does_not_state_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    images(dir);
    let bytes = fs::read(dir.join("net/model.safetensors")).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert!(header.remove("__metadata__").is_some());
    let save = |name: &str, header: &serde_json::Map<String, serde_json::Value>| {
        let text = serde_json::to_vec(header).unwrap();
        let file = [&(text.len() as u64).to_le_bytes()[..], &text, &bytes[8 + length..]].concat();
        fs::write(dir.join(name), file).unwrap();
    };
    save("bare.safetensors", &header);
    let done = run(dir, &format!("{VISION} --checkpoint bare.safetensors --out bare --quiet"));
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(
        done.err.starts_with("warning: `bare.safetensors` does not state how its first convolution (3 x 3) moves"),
        "{}",
        done.err
    );
    assert!(done.err.contains("stride 1 and no pooling after it are assumed"), "{}", done.err);
    for prefix in ["_orig_mod.", "model.", "module._orig_mod.", "backbone."] {
        save(
            "prefix.safetensors",
            &header.iter().map(|(name, info)| (format!("{prefix}{name}"), info.clone())).collect(),
        );
        ok(dir, &format!("{VISION} --checkpoint prefix.safetensors --out run --force"));
        assert_eq!(
            json(&dir.join("run/explanations.json"))["units"],
            json(&dir.join("bare/explanations.json"))["units"]
        );
    }
    let other = header.iter().map(|(name, info)| (format!("net.{}", name.replace("conv1", "first")), info.clone()));
    save("other.safetensors", &other.collect());
    let e = fails(dir, 1, &format!("{VISION} --checkpoint other.safetensors --out other"));
    assert!(e.contains("every name begins with `net.`: drop that when saving"), "{e}");
}

#[test]
fn concepts_are_listed_and_near_names_suggested() {
    let (_temp, dir) = scene();
    let out = ok(&dir, "concepts probe");
    assert!(
        out.contains(" 1    12  50.000%    object  water\n") && out.ends_with("3 concepts, 24 positions\n"),
        "{out}"
    );
    let value: serde_json::Value = serde_json::from_str(&ok(&dir, "concepts --probe probe --json")).unwrap();
    let second = serde_json::json!({ "id": 2, "name": "sky", "category": "object", "area": 6, "share": 0.25 });
    assert_eq!((&value["positions"], &value["concepts"][1]), (&24.into(), &second));
    fails(&dir, 2, "concepts");
    let e = fails(&dir, 2, "eval wter --probe probe");
    assert!(e.contains("did you mean `water`?"), "{e}");
    let formula = "explain --probe probe --masks masks.npy --out run";
    ok(&dir, formula);
    let mut command = compexp(&dir, "eval --run run");
    let done = finished(command.arg("water and not night").output().unwrap());
    assert!(done.out.starts_with("(water AND (NOT night)): 8 positions"), "{}{}", done.out, done.err);
    let e = fails(&dir, 1, "show rnu");
    assert!(e.contains("cannot open `rnu`: no such run folder; there are the runs `run`"), "{e}");
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf_8_is_refused_before_a_run_is_made() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let (_temp, dir) = scene();
    let odd = dir.join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&odd).unwrap();
    for name in ["probe.json", "layers.npy", "scalars.npy"] {
        fs::copy(dir.join("probe").join(name), odd.join(name)).unwrap();
    }
    let mut command = compexp(&dir, "explain --activations acts.npy --out run --probe");
    let done = finished(command.arg(&odd).output().unwrap());
    assert_eq!(done.code, 1, "{}", done.out);
    assert!(done.err.contains("found bytes that are not UTF-8") && done.err.contains("hint: rename"), "{}", done.err);
    assert!(!dir.join("run").exists());
}
