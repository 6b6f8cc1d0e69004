//! Words of sentences as examples: the same explanations however the layer holds their values.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use compexp_files::write_npy;
use compexp_tests::data;
use compexp_tests::files::{npy, npz, safetensors};
use serde_json::Value;

use crate::{fails, json, ok};

/// Sixty sentences `the cat sees a dog .` with other words, in six documents; two in three begin with a determiner.
pub(crate) fn treebank(dir: &Path) -> Vec<Vec<&'static str>> {
    let nouns = ["cat", "dog", "bird", "fish"];
    let (mut text, mut sentences) = (String::new(), Vec::new());
    for i in 0..60 {
        if i % 10 == 0 {
            let _ = writeln!(text, "# newdoc id = d{}", i / 10);
        }
        let mut words = vec![("the", "DET", 2, "det"), (nouns[i % 4], "NOUN", 3, "nsubj"), ("sees", "VERB", 0, "root")];
        if i % 3 == 0 {
            words = vec![("birds", "NOUN", 2, "nsubj"), ("sing", "VERB", 0, "root")];
        }
        words.push((".", "PUNCT", words.len(), "punct"));
        let _ = writeln!(text, "# sent_id = s{i}");
        for (at, (form, upos, head, relation)) in words.iter().enumerate() {
            let _ = writeln!(text, "{}\t{form}\t{form}\t{upos}\t_\t_\t{head}\t{relation}\t_\t_", at + 1);
        }
        text.push('\n');
        sentences.push(words.iter().map(|word| word.0).collect());
    }
    fs::write(dir.join("bank.conllu"), text).unwrap();
    sentences
}

/// Whether each of three units fires on a word: after a determiner; on full stops or at the beginning; never.
fn fires(sentences: &[Vec<&str>]) -> Vec<[bool; 3]> {
    let of = |words: &Vec<&str>| {
        let unit = |at: usize| [at > 0 && words[at - 1] == "the", at == 0 || words[at] == ".", false];
        (0..words.len()).map(unit).collect::<Vec<_>>()
    };
    sentences.iter().flat_map(of).collect()
}

fn formulas(dir: &Path, run: &str) -> Vec<Value> {
    let units = json(&dir.join(run).join("explanations.json"))["units"].clone();
    units.as_array().unwrap().iter().map(|unit| unit["by_length"].clone()).collect()
}

fn le<T: Copy, const N: usize>(values: &[T], each: impl Fn(T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|value| each(*value)).collect()
}

#[test]
fn words_are_explained_alike_in_every_form_of_their_values() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let sentences = treebank(dir);
    let fires = fires(&sentences);
    let n = fires.len();
    let values: Vec<f32> = fires.iter().flatten().map(|on| f32::from(u8::from(*on))).collect();
    write_npy(&dir.join("words.npy"), &[n, 3], &values).unwrap();
    let options = "--positive --context prev,next --min-count 2 --length 2 --holdout 0.4";
    ok(dir, &format!("explain --tokens bank.conllu --activations words.npy {options} --out words"));
    let units = json(&dir.join("words/explanations.json"))["units"].clone();
    assert!(units[0]["formula"].as_str().unwrap().contains("(PREV "), "{units}");
    assert_eq!((&units[0]["iou"], &units[1]["iou"], &units[2]["status"]), (&1.0.into(), &1.0.into(), &"silent".into()));
    let groups = json(&dir.join("words/explanations.json"))["held_out"]["groups"].as_u64().unwrap();
    assert!((1..6).contains(&groups), "some of the six documents are held out, and no single sentences: {groups}");

    // Texts padded to four words, with values at the padding that must not count.
    let mut texts = vec![9.0_f32; 60 * 4 * 3];
    let mut mask = vec![false; 60 * 4];
    let mut rest = &values[..];
    for (i, words) in sentences.iter().enumerate() {
        let (here, behind) = rest.split_at(words.len() * 3);
        texts[i * 12..][..here.len()].copy_from_slice(here);
        mask[i * 4..][..words.len()].fill(true);
        rest = behind;
    }
    write_npy(&dir.join("texts.npy"), &[60, 4, 3], &texts).unwrap();
    write_npy(&dir.join("mask.npy"), &[60, 4], &mask).unwrap();
    ok(
        dir,
        &format!("explain --tokens bank.conllu --activations texts.npy --token-mask mask.npy {options} --out texts"),
    );

    let on: Vec<(u32, u32)> = fires
        .iter()
        .enumerate()
        .flat_map(|(word, units)| (0..3).filter(|u| units[*u]).map(move |u| (word as u32, u as u32)))
        .collect();
    let (words, units): (Vec<u32>, Vec<u32>) = on.iter().copied().unzip();
    let ones = le(&vec![1.0_f32; on.len()], f32::to_le_bytes);
    let sparse = safetensors(&[
        ("positions", "U32", &[on.len()], &le(&words, u32::to_le_bytes)),
        ("units", "U32", &[on.len()], &le(&units, u32::to_le_bytes)),
        ("values", "F32", &[on.len()], &ones),
        ("shape", "I64", &[2], &le(&[n as i64, 3], i64::to_le_bytes)),
    ]);
    fs::write(dir.join("sparse.safetensors"), sparse).unwrap();
    let sparse_options = options.replace("--positive ", "");
    ok(dir, &format!("explain --tokens bank.conllu --activations sparse.safetensors {sparse_options} --out sparse"));

    // A cache of contexts of five tokens: a token that is no word, then the words.
    fs::create_dir(dir.join("cache")).unwrap();
    let place = |word: usize| {
        let mut first = 0;
        for (i, words) in sentences.iter().enumerate() {
            if word < first + words.len() {
                return (i, word - first + 1);
            }
            first += words.len();
        }
        unreachable!()
    };
    let locations: Vec<u16> = on
        .iter()
        .flat_map(|(word, unit)| [place(*word as usize).0 as u16, place(*word as usize).1 as u16, *unit as u16])
        .collect();
    let cache = safetensors(&[
        ("locations", "U16", &[on.len(), 3], &le(&locations, u16::to_le_bytes)),
        ("activations", "F32", &[on.len()], &ones),
        ("tokens", "I32", &[60, 5], &le(&[7; 300], i32::to_le_bytes)),
    ]);
    fs::write(dir.join("cache/0_2.safetensors"), cache).unwrap();
    let (contexts, positions): (Vec<i32>, Vec<i32>) =
        (0..n).map(|word| (place(word).0 as i32, place(word).1 as i32)).unzip();
    let map = |contexts: &[i32]| {
        npz(
            &[
                ("context", &npy("<i4", false, &[n], &le(contexts, i32::to_le_bytes))),
                ("position", &npy("<i4", false, &[n], &le(&positions, i32::to_le_bytes))),
            ],
            false,
        )
    };
    fs::write(dir.join("map.npz"), map(&contexts)).unwrap();
    let cached = format!("explain --tokens bank.conllu --activations cache --token-map map.npz {sparse_options}");
    ok(dir, &format!("{cached} --out cached"));
    for run in ["texts", "sparse", "cached"] {
        assert_eq!(formulas(dir, run), formulas(dir, "words"), "{run}");
    }

    // Words that the cache does not hold are outside of the universe.
    let half: Vec<i32> = contexts.iter().map(|context| if *context < 30 { *context } else { -1 }).collect();
    fs::write(dir.join("map.npz"), map(&half)).unwrap();
    ok(dir, &format!("{cached} --out half"));
    let of = |run: &str| json(&dir.join(run).join("summary.json"))["units"].clone();
    let examples = |run: &str| fs::read_to_string(dir.join(run).join("examples.csv")).unwrap().lines().count();
    assert_eq!(of("half"), of("cached"));
    assert!(examples("half") < examples("cached"));

    let seen = ok(dir, "show texts --unit 0");
    assert!(seen.contains("the «"), "the word stands out of its sentence: {seen}");
    ok(dir, "eval form:the --run half --unit 0");
    ok(dir, "report words texts --out pages");
}

#[test]
fn layers_that_do_not_fit_the_words_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    let n = fires(&treebank(dir)).len();
    write_npy(&dir.join("few.npy"), &[n - 1, 3], &vec![0.0_f32; (n - 1) * 3]).unwrap();
    write_npy(&dir.join("texts.npy"), &[60, 4, 3], &[0.0_f32; 720]).unwrap();
    write_npy(&dir.join("mask.npy"), &[60, 4], &[true; 240]).unwrap();
    let tokens = "explain --tokens bank.conllu --out run";
    for (code, options, message) in [
        (1, "--activations few.npy", "found 219, expected 220"),
        (1, "--activations texts.npy --token-mask mask.npy", "found 240, expected 220, one a word"),
        (1, "--activations texts.npy --token-mask texts.npy", "found f32, expected bool, u8 or i64"),
        (2, "--activations few.npy --families form,shapes", "`shapes`: expected one of form"),
        (2, "--activations few.npy --context over", "expected prev, next, head, child or before-K"),
        (1, "--activations few.npy --min-count 1000", "at least one that 1000 words have"),
        (1, "--activations few.npy --lists .", "none that ends in .txt"),
        (1, "--activations few.npy --tokenizer none.json", "none.json"),
        (1, "--activations few.npy --token-map none.npz", "none.npz"),
    ] {
        let said = fails(dir, code, &format!("{tokens} {options}"));
        assert!(said.contains(message), "{options}: {said}");
        assert!(!dir.join("run").exists());
    }
    let said = fails(dir, 2, "explain --probe . --context prev --activations few.npy --out run");
    assert!(said.contains("--context"), "{said}");
}

#[test]
fn latents_of_the_data_folder_are_explained_by_either_way_to_their_words() {
    let (Some(bank), Some(cache)) = (data("ud-ewt/ewt.conllu.gz"), data("latents/cache")) else { return };
    let [map, tokenizer] = ["latents/words.npz", "minilm/tokenizer.json"].map(|path| data(path).unwrap());
    let temp = tempfile::tempdir().unwrap();
    let explain = format!("explain --tokens {} --activations {} --units 0-99", bank.display(), cache.display());
    ok(temp.path(), &format!("{explain} --token-map {} --out map", map.display()));
    ok(temp.path(), &format!("{explain} --tokenizer {} --out tokenizer", tokenizer.display()));
    assert_eq!(formulas(temp.path(), "map"), formulas(temp.path(), "tokenizer"));
    let examples = fs::read_to_string(temp.path().join("map/examples.csv")).unwrap();
    assert_eq!(examples.lines().count(), 8348 + 1);
}

/// Sentences of seven words each, whose tags and forms follow from a generator of numbers.
fn varied(dir: &Path) {
    let mut state = 7u64;
    let mut below = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    let mut text = String::new();
    for sentence in 0..150 {
        let _ = writeln!(text, "# sent_id = s{sentence}");
        for at in 1..=7 {
            let tag = ["NOUN", "VERB", "DET", "ADJ"][below(4) as usize];
            let form = format!("{}{}", tag.to_lowercase(), below(5));
            let head = if at == 1 { 0 } else { 1 + below(at - 1) };
            let relation = if head == 0 { "root" } else { ["obj", "nmod"][below(2) as usize] };
            let _ = writeln!(text, "{at}\t{form}\t{form}\t{tag}\t_\t_\t{head}\t{relation}\t_\t_");
        }
        text.push('\n');
    }
    fs::write(dir.join("varied.conllu"), text).unwrap();
    fs::create_dir(dir.join("lists")).unwrap();
    fs::write(dir.join("lists/some.txt"), "noun1\nverb2\nadj4\n").unwrap();
}

#[test]
fn planted_rules_of_words_are_recovered_and_proven() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    varied(dir);
    let words = "--tokens varied.conllu --context prev,next,head,child,before-3 --lists lists";
    ok(dir, &format!("plant {words} --units 45 --noise 0 --min-share 0.01 --out planted"));
    let planted = json(&dir.join("planted/planted.json"));
    let formulas = planted["units"].to_string();
    assert!(["(PREV ", "(NEXT ", "(BEFORE-3 "].iter().all(|operator| formulas.contains(operator)), "{formulas}");
    ok(dir, &format!("explain {words} --masks planted/masks.npy --mode exact --out run"));
    let printed = ok(dir, "recovered run --planted planted/planted.json");
    let mut rows = 0;
    for line in printed.lines().skip(2) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(fields[5..7], ["15", "15"], "units and those recovered at their length: {line}");
        rows += 1;
    }
    assert_eq!(rows, 3, "{printed}");
    let run = json(&dir.join("run/explanations.json"));
    assert!(run["units"].as_array().unwrap().iter().all(|unit| unit["optimal"]["certified"] == true));
}
