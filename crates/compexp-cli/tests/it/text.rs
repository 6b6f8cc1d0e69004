//! `compexp text` and `compexp sae`: language models on the words of sentences.

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use compexp_files::{TensorFile, write_npy};
use compexp_tests::files::safetensors;
use serde_json::{Value, json};

use crate::{compexp, fails, json as read_json, ok, run};

/// The values of a tensor, and its shape.
pub(crate) fn tensor(spec: &str) -> (Vec<usize>, Vec<f32>) {
    let tensor = TensorFile::open(spec).unwrap();
    let mut values = vec![0.0; tensor.elements()];
    tensor.read_f32(0, &mut values).unwrap();
    (tensor.shape().to_vec(), values)
}

/// The numbers of a tensor.
pub(crate) fn integers(spec: &str) -> Vec<usize> {
    let tensor = TensorFile::open(spec).unwrap();
    let mut values = vec![0; tensor.elements()];
    tensor.read_i64(0, &mut values).unwrap();
    values.into_iter().map(|value| usize::try_from(value).unwrap()).collect()
}

fn off(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

/// A treebank of these sentences, each a text and its words; nouns and verbs alternate.
pub(crate) fn treebank(sentences: &[(&str, Vec<String>)]) -> String {
    let mut text = String::new();
    for (id, (written, words)) in sentences.iter().enumerate() {
        write!(text, "# newdoc id = d{id}\n# sent_id = s{id}\n# text = {written}\n").unwrap();
        for (at, form) in words.iter().enumerate() {
            let tag = if at % 2 == 0 { "NOUN" } else { "VERB" };
            writeln!(text, "{}\t{form}\t{form}\t{tag}\t_\t_\t0\troot\t_\t_", at + 1).unwrap();
        }
        text.push('\n');
    }
    text
}

/// Words that the tiny BERT's tokenizer makes the tokens 1, 38, 5, 5, 12, 39, 0, 22, 17, 30, 2, 9 of, for which its golden
/// values are; and the first token of each.
const LONG: &str = "t1ish t5 t5 t12ly t0 t22 t17 t30 t2 t9";
const FIRST: [usize; 10] = [0, 2, 3, 4, 6, 7, 8, 9, 10, 11];

/// A folder with a tiny BERT of 12 positions in `bert`, a treebank `t.conllu` whose third sentence is too long for it, and
/// sparse autoencoders on its `resid` (`sae`) and of another width (`wide`).
pub(crate) fn tiny() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().to_owned();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/transformers/bert");
    fs::create_dir(dir.join("bert")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden.join(name), dir.join("bert").join(name)).unwrap();
    }
    let piece = |id: usize| match id {
        35 => "[UNK]".to_owned(),
        38 => "##ish".to_owned(),
        39 => "##ly".to_owned(),
        id => format!("t{id}"),
    };
    let vocabulary: serde_json::Map<String, Value> = (0..40).map(|id| (piece(id), json!(id))).collect();
    let tokenizer = json!({
        "version": "1.0", "truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": null, "added_tokens": [], "normalizer": null, "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": null, "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    });
    fs::write(dir.join("bert/tokenizer.json"), tokenizer.to_string()).unwrap();
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let too_long = format!("{LONG} t4 t4");
    let sentences = ["t7 t0 t3", LONG, &too_long].map(|text| (text, words(text)));
    fs::write(dir.join("t.conllu"), treebank(&sentences)).unwrap();
    for (name, width) in [("sae", 16), ("wide", 17)] {
        let bytes = |n: usize, f: &dyn Fn(usize) -> f32| (0..n).flat_map(|i| f(i).to_le_bytes()).collect::<Vec<u8>>();
        let encoder = bytes(width * 5, &|i| ((i * 7919) % 13) as f32 - 6.0);
        let decoder = bytes(width * 5, &|i| i as f32);
        let [encoder_bias, decoder_bias] = [bytes(5, &|i| i as f32 - 4.0), bytes(width, &|i| 0.1 * i as f32)];
        let weights = safetensors(&[
            ("W_enc", "F32", &[width, 5], &encoder),
            ("b_enc", "F32", &[5], &encoder_bias),
            ("W_dec", "F32", &[5, width], &decoder),
            ("b_dec", "F32", &[width], &decoder_bias),
        ]);
        fs::create_dir(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("sae_weights.safetensors"), weights).unwrap();
        let config = json!({ "architecture": "standard", "d_in": width, "d_sae": 5, "apply_b_dec_to_input": true });
        fs::write(dir.join(name).join("cfg.json"), config.to_string()).unwrap();
    }
    (temp, dir, golden)
}

const TINY: &str = "text probe --model bert --tokens t.conllu --min-count 2 --quantile 0.2";

#[test]
fn words_have_the_values_of_their_first_tokens() {
    let (_temp, dir, golden) = tiny();
    let args = format!("{TINY} --layer mlp.0 --layer resid.1 --out runs");
    let done = run(&dir, &args);
    assert_eq!(done.code, 0, "{}", done.err);
    let cut = "1 of 3 sentences have more tokens than the model's 12 positions and were cut: 2 of 25 words are outside";
    assert!(done.err.contains(cut), "{}", done.err);
    for (layer, width) in [("mlp.0", 24), ("resid.1", 16)] {
        let values = |text: &str, first: &[usize]| {
            let (_, all) = tensor(&format!("{}#{text}.{layer}", golden.join("values.safetensors").display()));
            first.iter().flat_map(|token| all[token * width..][..width].to_vec()).collect::<Vec<_>>()
        };
        // BERT sees the whole text, and of the third sentence the second is left.
        let expected = [values("short", &[0, 1, 2]), values("long", &FIRST), values("long", &FIRST)].concat();
        let (shape, found) = tensor(dir.join("runs").join(layer).join("activations.npy").to_str().unwrap());
        assert_eq!(shape, [23, width]);
        assert!(off(&found, &expected) < 2e-5, "{layer}");
        let config = read_json(&dir.join("runs").join(layer).join("config.json"));
        assert_eq!(config["config"]["command"], "text probe");
        assert_eq!(config["config"]["inputs"]["layer"], layer);
        assert_eq!(config["config"]["inputs"]["positions"], 12);
        assert!(config["paths"]["model"].as_str().unwrap().ends_with("bert"));
    }
    let examples = fs::read_to_string(dir.join("runs/mlp.0/examples.csv")).unwrap();
    assert_eq!(examples.lines().count(), 24);
    assert!(examples.contains("s2:10,") && !examples.contains("s2:11,"), "{examples}");

    let again = run(&dir, &args);
    assert!(again.code == 0 && again.out.contains("`runs/resid.1` is up to date"), "{}{}", again.out, again.err);
    let other = run(&dir, &format!("{TINY} --layer mlp.0 --units 0-4 --out runs/mlp.0 --force"));
    assert!(other.code == 0 && other.err.contains("activations: all are there"), "{}", other.err);
    ok(&dir, "verify runs/mlp.0");
    // Every later command has the words that the model saw.
    let explained = read_json(&dir.join("runs/mlp.0/explanations.json"))["units"][1].clone();
    let formula = explained["formula"].as_str().unwrap();
    let scored: Value = serde_json::from_str(&eval(&dir, formula, "runs/mlp.0")).unwrap();
    assert_eq!(scored["universe"]["examples"], 23);
    let same = scored["units"].as_array().unwrap().iter().find(|unit| unit["unit"] == 1).unwrap();
    assert_eq!(same["iou"], explained["iou"]);
}

/// What `eval --run` prints of a formula.
fn eval(dir: &Path, formula: &str, run: &str) -> String {
    let done = compexp(dir, &format!("eval --json --run {run}")).arg(formula).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn latents_of_a_layer_are_those_that_encode_writes() {
    let (_temp, dir, _) = tiny();
    ok(&dir, &format!("{TINY} --layer resid.0 --out layer"));
    let args = "text probe --model bert --tokens t.conllu --min-count 2 --layer resid.0 --sae sae";
    let done = run(&dir, &format!("{args} --out latents --json"));
    assert_eq!(done.code, 0, "{}", done.err);
    let names: Vec<String> =
        fs::read_dir(dir.join("latents")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name == "latents.safetensors"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("activations")), "the layer has served: {names:?}");
    ok(&dir, "verify latents");

    // Against a product in f64.
    let (_, x) = tensor(dir.join("layer/activations.npy").to_str().unwrap());
    let weight = |name: &str| tensor(&format!("{}#{name}", dir.join("sae/sae_weights.safetensors").display())).1;
    let (encoder, bias, decoder_bias) = (weight("W_enc"), weight("b_enc"), weight("b_dec"));
    let mut expected = vec![0.0_f32; 23 * 5];
    for (row, x) in x.chunks(16).enumerate() {
        for latent in 0..5 {
            let products = (0..16).map(|i| f64::from(x[i] - decoder_bias[i]) * f64::from(encoder[i * 5 + latent]));
            expected[row * 5 + latent] = (products.sum::<f64>() + f64::from(bias[latent])).max(0.0) as f32;
        }
    }
    let part = |name: &str| format!("{}#{name}", dir.join("latents/latents.safetensors").display());
    let (positions, units, values) =
        (integers(&part("positions")), integers(&part("units")), tensor(&part("values")).1);
    assert_eq!(integers(&part("shape")), [23, 5]);
    let mut found = vec![0.0; 23 * 5];
    for ((position, unit), value) in positions.iter().zip(&units).zip(values) {
        found[position * 5 + unit] = value;
    }
    assert!(off(&found, &expected) < 1e-3 && found.iter().any(|value| *value > 0.0));

    // A unit fires where its latent is positive.
    let explained = read_json(&dir.join("latents/explanations.json"));
    for unit in explained["units"].as_array().unwrap() {
        let latent = unit["unit"].as_u64().unwrap() as usize;
        let fires = expected.chunks(5).filter(|row| row[latent] > 0.0).count();
        assert_eq!(unit["unit_area"], fires, "{unit}");
    }
    let formula = explained["units"].as_array().unwrap().iter().find_map(|unit| unit["formula"].as_str()).unwrap();
    eval(&dir, formula, "latents");

    let text = ok(&dir, "sae encode --sae sae --activations layer/activations.npy --out made.safetensors --json");
    let printed: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&printed["rows"], &printed["units"]), (&json!(23), &json!(5)));
    assert_eq!(printed["values"], found.iter().filter(|value| **value > 0.0).count());
    let [made, kept] =
        ["made.safetensors", "latents/latents.safetensors"].map(|name| fs::read(dir.join(name)).unwrap());
    assert!(made == kept);
}

#[test]
fn what_a_model_cannot_do_is_told() {
    let (_temp, dir, _) = tiny();
    let e = fails(&dir, 2, &format!("{TINY} --layer mlp.2 --out run"));
    assert!(e.contains("unknown layer `mlp.2`: the layers are `mlp.0`, `resid.0`, `attn.0`, `mlp.1`"), "{e}");
    let e = fails(&dir, 2, &format!("{TINY} --layer mlp.0 --layer mlp.0 --out run"));
    assert!(e.contains("give each layer once"), "{e}");
    let e = fails(&dir, 1, &format!("{TINY} --layer resid.0 --sae wide --out run"));
    assert!(e.contains("width of the layer `resid.0`: found 16, expected 17"), "{e}");
    let e = fails(&dir, 2, &format!("{TINY} --layer resid.0 --layer resid.1 --sae sae --out run"));
    assert!(e.contains("--sae: found 2 layers"), "{e}");
    let e = fails(&dir, 1, "sae encode --sae wide --activations bert/model.safetensors --out x.safetensors");
    assert!(e.contains("a single tensor, or the name of one after `#`"), "{e}");
    write_npy(&dir.join("x.npy"), &[3, 16], &[0.5_f32; 48]).unwrap();
    let e = fails(&dir, 1, "sae encode --sae wide --activations x.npy --out x.safetensors");
    assert!(e.contains("width of the layer `activations`: found 16, expected 17"), "{e}");
    write_npy(&dir.join("nan.npy"), &[3, 16], &[f32::NAN; 48]).unwrap();
    let e = fails(&dir, 1, "sae encode --sae sae --activations nan.npy --out x.safetensors");
    assert!(e.contains("expected a finite number"), "{e}");
    assert!(!dir.join("x.safetensors").exists());
    fs::rename(dir.join("bert/tokenizer.json"), dir.join("other.json")).unwrap();
    let e = fails(&dir, 1, &format!("{TINY} --layer mlp.0 --out run"));
    assert!(e.contains("model `bert`: found no tokenizer.json in its folder") && e.contains("--tokenizer"), "{e}");
    ok(&dir, &format!("{TINY} --layer mlp.0 --tokenizer other.json --out run"));
    // Words that do not follow each other in the text.
    fs::write(
        dir.join("odd.conllu"),
        treebank(&[("t1 \u{a0} t2", ["t1", "\u{200b}", "t2"].map(str::to_owned).into())]),
    )
    .unwrap();
    let e = fails(
        &dir,
        1,
        "text probe --model bert --tokenizer other.json --layer mlp.0 --tokens odd.conllu --min-count 1 --out odd",
    );
    assert!(e.contains("sentence s0 (line 1)"), "{e}");
    fs::remove_file(dir.join("bert/model.safetensors")).unwrap();
    let e = fails(&dir, 1, "text layers --model bert");
    assert!(e.contains("neither `model.safetensors` nor `model.safetensors.index.json`"), "{e}");
}

#[test]
fn layers_are_listed() {
    let (_temp, dir, _) = tiny();
    let text = ok(&dir, "text layers --model bert");
    assert!(text.contains("texts of at most 12 tokens") && text.contains("24  mlp.1"), "{text}");
    let listed: Value = serde_json::from_str(&ok(&dir, "text layers --model bert --json")).unwrap();
    assert_eq!((&listed["positions"], &listed["vocabulary"]), (&json!(12), &json!(40)));
    assert_eq!(listed["layers"][5], json!({ "name": "attn.1", "width": 16 }));
}

#[test]
fn words_of_minilm_have_its_golden_values() {
    let Some(data) = compexp_tests::data("minilm") else { return };
    let temp = tempfile::tempdir().unwrap();
    let golden = read_json(&data.join("golden.json"));
    let sentences = golden["sentences"].as_array().unwrap();
    // Every token but the special ones is a word.
    let words = |sentence: &Value| {
        let text: Vec<char> = sentence["text"].as_str().unwrap().chars().collect();
        let at = |offset: &Value| offset.as_u64().unwrap() as usize;
        let spans = sentence["offsets"].as_array().unwrap().iter().map(|span| at(&span[0])..at(&span[1]));
        spans.filter(|span| !span.is_empty()).map(|span| text[span].iter().collect()).collect::<Vec<String>>()
    };
    let annotated: Vec<_> = sentences.iter().map(|s| (s["text"].as_str().unwrap(), words(s))).collect();
    fs::write(temp.path().join("t.conllu"), treebank(&annotated)).unwrap();
    let model = data.display();
    let args = format!("text probe --model {model} --tokens t.conllu --layer mlp.3 --layer resid.5 --quantile 0.05");
    ok(temp.path(), &format!("{args} --units 0-9 --out runs"));
    let n: usize = annotated.iter().map(|(_, words)| words.len()).sum();
    let starts: Vec<usize> =
        annotated.iter().scan(0, |n, (_, words)| Some(std::mem::replace(n, *n + words.len()))).collect();
    let file = data.join("golden.safetensors");
    let rows = integers(&format!("{}#rows", file.display()));
    for (layer, width) in [("mlp.3", 1536), ("resid.5", 384)] {
        let (shape, found) = tensor(temp.path().join("runs").join(layer).join("activations.npy").to_str().unwrap());
        assert_eq!(shape, [n, width]);
        let (_, expected) = tensor(&format!("{}#{layer}", file.display()));
        let mut compared = 0;
        for (row, expected) in rows.chunks(2).zip(expected.chunks(width)) {
            let &[sentence, position] = row else { panic!("{row:?}") };
            if (1..=annotated[sentence].1.len()).contains(&position) {
                let word = starts[sentence] + position - 1;
                let off = off(&found[word * width..][..width], expected);
                assert!(off < 1e-4, "{layer}, sentence {sentence}, position {position}: off by {off}");
                compared += 1;
            }
        }
        assert!(compared >= 20, "{compared}");
    }
}

#[test]
fn a_killed_run_on_words_goes_on() {
    let (Some(model), Some(ewt)) = (compexp_tests::data("minilm"), compexp_tests::data("ud-ewt/ewt.conllu.gz")) else {
        return;
    };
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(fs::File::open(ewt).unwrap()).read_to_string(&mut text).unwrap();
    let part: Vec<&str> = text.split_inclusive("\n\n").take(700).collect();
    fs::write(dir.join("t.conllu"), part.concat()).unwrap();
    let args = |out: &str| {
        let model = model.display();
        format!("text probe --model {model} --tokens t.conllu --layer resid.5 --units 0-3 --length 1 --out {out}")
    };
    ok(dir, &args("whole"));
    let mut child = compexp(dir, &args("killed")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let partial = dir.join("killed/activations.npy.partial");
    let started = Instant::now();
    // What is recorded there is whole in the file beside it.
    let recorded = dir.join("killed/activations.progress.partial");
    while fs::metadata(&recorded).map_or(0, |m| m.len()) == 0 {
        assert!(started.elapsed() < Duration::from_secs(120), "the run never got so far");
        assert!(child.try_wait().unwrap().is_none(), "the run is over before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(partial.exists() && !dir.join("killed/explanations.json").exists());
    let done = run(dir, &format!("{} --threads 1", args("killed")));
    assert!(done.code == 0 && done.err.contains("activations: going on after "), "{}", done.err);
    for name in ["activations.npy", "explanations.json", "manifest.json"] {
        let [one, other] = ["whole", "killed"].map(|run| fs::read(dir.join(run).join(name)).unwrap());
        assert!(one == other, "{name} differs");
    }
}
