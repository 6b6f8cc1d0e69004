//! Classifiers against PyTorch's numbers, and files that are not what they should be.

use std::path::Path;

use super::*;
use crate::text::WordTable;

fn tensors(path: &Path) -> impl Fn(&str) -> compexp_checkpoint::Tensor {
    let state = compexp_checkpoint::state_dict(compexp_checkpoint::read(path).unwrap()).unwrap();
    move |name| state.get(name).unwrap().clone()
}

fn distance(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).map(|(f, e)| (f - e).abs()).fold(0.0, f32::max)
}

fn small(kind: Kind, bidirectional: bool) -> Model {
    let config = Config { kind, embedding: 3, hidden: 2, bidirectional, features: 5, classes: 3 };
    let words: Vec<String> = ["UNK", "PAD", "a", "dog", "runs"].map(String::from).into();
    let value = |i: usize| ((i * 37 % 101) as f32 / 101.0 - 0.5).abs() + 0.01;
    let shapes = config.shapes(words.len());
    let weights =
        shapes.into_iter().map(|(name, shape)| (name, (0..shape.iter().product()).map(value).collect())).collect();
    Model { config, words: WordTable::new(words).unwrap(), weights }
}

#[test]
fn logits_and_features_equal_the_reference() {
    let Some(path) = compexp_tests::data("snli/bowman.pth") else { return };
    let Some(golden) = compexp_tests::data("snli/golden_eval.safetensors") else { return };
    let classifier = Classifier::new(&Model::load(&path).unwrap()).unwrap();
    let golden = tensors(&golden);
    let sentences = |ids: &str, lengths: &str| -> Vec<Vec<u32>> {
        let (ids, lengths) = (golden(ids), golden(lengths).to_i64().unwrap());
        let rows = ids.to_i64().unwrap();
        let rows = rows.chunks_exact(ids.shape[1]).zip(lengths);
        rows.map(|(row, n)| row[..n as usize].iter().map(|&id| id as u32).collect()).collect()
    };
    let (premises, hypotheses) = (sentences("s1", "s1len"), sentences("s2", "s2len"));
    let pairs: Vec<_> =
        premises.iter().zip(&hypotheses).map(|(premise, hypothesis)| Pair { premise, hypothesis }).collect();
    let found = classifier.forward(&pairs).unwrap();
    let logits = distance(&found.logits, &golden("logits").to_f32());
    let features = distance(&found.features, &golden("final_reprs").to_f32());
    println!("greatest differences: logits {logits:e}, features {features:e}");
    assert!(logits < 1e-5 && features < 1e-5, "logits differ by {logits:e}, features by {features:e}");
}

#[test]
fn predictions_on_the_probe_set_equal_the_reference() {
    let Some(path) = compexp_tests::data("snli/bowman.pth") else { return };
    let Some(tokens) = compexp_tests::data("snli/snli_1.0_dev.tok") else { return };
    let Some(expected) = compexp_tests::data("snli/preds_bowman.csv") else { return };
    let classifier = Classifier::new(&Model::load(&path).unwrap()).unwrap();
    let text = std::fs::read_to_string(tokens).unwrap();
    let sentences: Vec<_> =
        text.lines().map(|line| classifier.words().encode(&line.split(' ').collect::<Vec<_>>())).collect();
    let pairs: Vec<_> =
        sentences.chunks_exact(2).map(|pair| Pair { premise: &pair[0], hypothesis: &pair[1] }).collect();
    let found = classifier.predict(&pairs).unwrap();
    let mut rows = csv::Reader::from_path(expected).unwrap();
    let expected: Vec<_> = rows.records().map(|row| row.unwrap()[1].to_owned()).collect();
    assert_eq!((found.len(), expected.len()), (10_000, 10_000));
    let names = ["entailment", "neutral", "contradiction"];
    let differing: Vec<_> = (0..found.len()).filter(|&i| names[found[i] as usize] != expected[i]).collect();
    println!("{} of 10,000 predictions differ", differing.len());
    assert!(differing.len() <= 2, "predictions of pairs {differing:?} differ");
}

#[test]
fn the_head_gives_the_logits_from_the_features() {
    let pairs = [
        Pair { premise: &[2, 3, 4], hypothesis: &[3] },
        Pair { premise: &[2], hypothesis: &[0, 0, 4, 2] },
        Pair { premise: &[3, 3], hypothesis: &[4, 3] },
    ];
    for (kind, bidirectional) in [(Kind::Bowman, false), (Kind::Minimal, true), (Kind::Minimal, false)] {
        let model = small(kind, bidirectional);
        let output = Classifier::new(&model).unwrap().forward(&pairs).unwrap();
        let features = ndarray::Array2::from_shape_vec((3, model.config.probed()), output.features).unwrap();
        let head = model.head(["a", "b", "c"].map(String::from).into()).unwrap();
        let logits = head.logits(&compexp_trust::behaviour::Features::new(features).unwrap()).unwrap();
        let logits: Vec<f32> = logits.iter().map(|logit| *logit as f32).collect();
        assert!(distance(&logits, &output.logits) < 1e-5, "{kind:?}: {logits:?} {:?}", output.logits);
        assert!(model.head(vec!["a".into(), "b".into()]).is_err());
    }
}

#[test]
fn a_pair_is_the_same_bits_alone_and_among_others() {
    let classifier = Classifier::new(&small(Kind::Bowman, true)).unwrap();
    let pairs = [
        Pair { premise: &[2, 3, 4], hypothesis: &[3] },
        Pair { premise: &[2], hypothesis: &[0, 0, 4, 2] },
        Pair { premise: &[], hypothesis: &[4, 3] },
        Pair { premise: &[2, 3, 4], hypothesis: &[2, 3, 4] },
        Pair { premise: &[3], hypothesis: &[2] },
    ];
    let all = classifier.forward(&pairs).unwrap();
    for (i, pair) in pairs.iter().enumerate() {
        let one = classifier.forward(std::slice::from_ref(pair)).unwrap();
        assert_eq!(one.logits, all.logits[i * 3..][..3]);
        assert_eq!(one.features, all.features[i * 5..][..5]);
        assert_eq!(one.premises, all.premises[i * 4..][..4]);
        assert_eq!(one.hypotheses, all.hypotheses[i * 4..][..4]);
    }
    assert_eq!(classifier.forward(&[]).unwrap(), Output::default());
}

#[test]
fn the_minimal_classifier_decides_from_the_product() {
    let model = small(Kind::Minimal, false);
    let found = Classifier::new(&model).unwrap();
    let found = found.forward(&[Pair { premise: &[2, 3], hypothesis: &[4] }]).unwrap();
    let product: Vec<_> = found.premises.iter().zip(&found.hypotheses).map(|(p, h)| p * h).collect();
    assert_eq!(found.features, product);
    let w = |name: &str, i: usize| f64::from(model.weights[name][i]);
    for class in 0..3 {
        let term = |j: usize| {
            let scale = w("bn.weight", j) / (w("bn.running_var", j) + 1e-5).sqrt();
            ((f64::from(product[j]) - w("bn.running_mean", j)) * scale + w("bn.bias", j))
                * w("mlp.weight", class * 2 + j)
        };
        let expected = w("mlp.bias", class) + (0..2).map(term).sum::<f64>();
        assert!((f64::from(found.logits[class]) - expected).abs() < 1e-5, "{:?}, {expected}", found.logits);
    }
}

#[test]
fn a_saved_model_is_read_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for (kind, bidirectional) in [(Kind::Bowman, false), (Kind::Bowman, true), (Kind::Minimal, true)] {
        let model = small(kind, bidirectional);
        let path = folder.path().join("model.safetensors");
        model.save(&path).unwrap();
        assert_eq!(Model::load(&path).unwrap(), model);
    }
}

#[test]
fn the_words_may_be_in_the_file() {
    let model = small(Kind::Bowman, false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let write = |words: serde_json::Value| {
        let header = serde_json::json!({"version": 1, "config": model.config, "words": words}).to_string();
        let shapes = model.config.shapes(5);
        let tensors = shapes.iter().map(|(name, shape)| (name.as_str(), &shape[..], &model.weights[name][..]));
        file::write_tensors(&path, tensors, HashMap::from([("compexp".to_owned(), header)])).unwrap();
    };
    write(serde_json::json!(model.words.words()));
    assert_eq!(Model::load(&path).unwrap(), model);
    write(serde_json::json!(["UNK", "PAD", "a", "a", "b"]));
    let e = Model::load(&path).unwrap_err().to_string();
    assert!(e.contains("metadata `compexp`, words: words of a table: found `a` as 2 and 3"), "{e}");
}

/// Loads a small model after `change`, which must be refused.
fn refusal(change: impl FnOnce(&mut Vec<(String, Vec<usize>, Vec<f32>)>, &mut String)) -> String {
    let model = small(Kind::Bowman, false);
    let mut header =
        serde_json::json!({"version": 1, "config": model.config, "words": model.words.content_hash()}).to_string();
    let mut tensors: Vec<_> = model
        .config
        .shapes(5)
        .into_iter()
        .map(|(name, shape)| {
            let values = model.weights[&name].clone();
            (name, shape, values)
        })
        .collect();
    change(&mut tensors, &mut header);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let metadata = HashMap::from([("compexp".to_owned(), header)]);
    let tensors = tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_slice()));
    file::write_tensors(&path, tensors, metadata).unwrap();
    model.words.save(&folder.path().join(WORDS_FILE)).unwrap();
    Model::load(&path).unwrap_err().to_string()
}

#[test]
fn wrong_files_are_refused_with_the_weight_and_both_shapes() {
    let check = |message: String, parts: &[&str]| {
        assert!(parts.iter().all(|part| message.contains(part)), "`{message}` lacks one of {parts:?}");
    };
    check(refusal(|t, _| t.retain(|t| t.0 != "bn.weight")), &["`bn.weight`", "found none", "[8]"]);
    check(
        refusal(|t, _| {
            t[1].1 = vec![12, 2];
        }),
        &["`encoder.rnn.weight_ih_l0`", "found shape [12, 2]", "[8, 3]"],
    );
    check(refusal(|t, _| t[2].2[3] = f32::NAN), &["`encoder.rnn.weight_hh_l0`", "NaN at 3", "finite"]);
    check(
        refusal(|t, _| t.push(("encoder.rnn.weight_ih_l1".into(), vec![1], vec![0.0]))),
        &["weight_ih_l1`", "one layer"],
    );
    check(refusal(|_, h| *h = h.replace("\"hidden\":2", "\"hidden\":0")), &["hidden", "found 0"]);
    check(refusal(|_, h| *h = "{".into()), &["compexp", "found EOF while parsing"]);
    check(refusal(|_, h| *h = h.replace("\"version\":1", "\"version\":2")), &["version", "found 2, expected 1"]);
}

#[test]
fn words_that_are_not_the_classifiers_are_refused() {
    let model = small(Kind::Bowman, false);
    let folder = tempfile::tempdir().unwrap();
    let (path, words) = (folder.path().join("model.safetensors"), folder.path().join(WORDS_FILE));
    model.save(&path).unwrap();
    let refused = || Model::load(&path).unwrap_err().to_string();
    for other in [vec!["a", "dog"], vec!["a", "dog", "runs", "away"], vec!["a", "runs", "dog"]] {
        WordTable::from_tokens(other).save(&words).unwrap();
        assert!(refused().contains("hash of the words"), "{}", refused());
    }
    std::fs::remove_file(&words).unwrap();
    assert!(refused().contains("tokenizer.json"), "{}", refused());
    // Of a file that does not say which words it was trained with, the number decides.
    let shapes = model.config.shapes(5);
    let tensors =
        || shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice(), model.weights[name].as_slice()));
    file::write_tensors(&path, tensors(), Default::default()).unwrap();
    WordTable::from_tokens(["a", "dog"]).save(&words).unwrap();
    let error = refused();
    assert!(error.contains("`encoder.emb.weight`") && error.contains("[5, 3]") && error.contains("[4, 3]"), "{error}");
    model.words.save(&words).unwrap();
    assert_eq!(Model::load(&path).unwrap(), model);
}

#[test]
fn words_outside_the_table_are_unknown_and_numbers_outside_it_are_refused() {
    let model = small(Kind::Bowman, false);
    assert_eq!(model.words.encode(&["A", "cat", "Dog"]), [2, crate::text::UNK, 3]);
    let classifier = Classifier::new(&model).unwrap();
    let error = classifier.forward(&[Pair { premise: &[2, 5], hypothesis: &[2] }]).unwrap_err();
    assert!(error.to_string().contains("found 5, expected less than 5"), "{error}");
}
